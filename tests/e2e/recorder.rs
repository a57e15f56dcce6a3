//! An upstream whose every answer a test writes by hand, when it wants to.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::{mpsc, oneshot},
    time::timeout,
};

use crate::harness::any_port;

/// Longer than anything takes that is going to happen.
pub(crate) const LONG: Duration = Duration::from_secs(20);

/// A server that hands every request to the test.
pub(crate) struct Recorder {
    pub(crate) address: SocketAddr,
    requests: mpsc::UnboundedReceiver<Recorded>,
    connections: Arc<AtomicUsize>,
}

/// A request, byte for byte, and its sender, who waits.
pub(crate) struct Recorded {
    pub(crate) seen: Seen,
    answer: oneshot::Sender<Vec<u8>>,
}

/// A request, byte for byte.
pub(crate) struct Seen {
    /// Request line and headers, names in lower case.
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Recorder {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind(any_port()).await.unwrap();
        let (sender, requests) = mpsc::unbounded_channel();
        let recorder = Self { address: listener.local_addr().unwrap(), requests, connections: Arc::default() };
        let connections = Arc::clone(&recorder.connections);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                connections.fetch_add(1, Ordering::Relaxed);
                tokio::spawn(serve(stream, sender.clone()));
            }
        });
        recorder
    }

    /// The next request; a test whose request never comes does not wait for ever.
    pub(crate) async fn next(&mut self) -> Recorded {
        timeout(LONG, self.requests.recv()).await.expect("no request came").unwrap()
    }

    /// Answers every request from now on with the same, in the background.
    pub(crate) fn always(mut self, answer: Vec<u8>) {
        tokio::spawn(async move {
            while let Some(request) = self.requests.recv().await {
                request.answer(answer.clone());
            }
        });
    }

    /// Whether a request has come that nobody has looked at.
    pub(crate) fn is_idle(&self) -> bool {
        self.requests.is_empty()
    }

    /// How many connections there were.
    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }
}

impl Seen {
    /// Method and target.
    pub(crate) fn line(&self) -> &str {
        self.head.lines().next().unwrap().strip_suffix(" HTTP/1.1").unwrap()
    }

    /// The values of a header.
    pub(crate) fn header(&self, name: &str) -> Vec<&str> {
        let lines = self.head.lines().skip(1).filter_map(|line| line.split_once(": "));
        lines.filter(|(other, _)| *other == name).map(|(_, value)| value).collect()
    }
}

impl Recorded {
    /// Answers with these bytes, whatever they are, and keeps what was asked.
    pub(crate) fn answer(self, bytes: impl Into<Vec<u8>>) -> Seen {
        // A sender that has gone away waits for no answer.
        let _ = self.answer.send(bytes.into());
        self.seen
    }
}

/// A whole response with a JSON document.
pub(crate) fn ok(document: &str) -> Vec<u8> {
    let length = document.len();
    format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{document}").into()
}

async fn serve(mut stream: TcpStream, requests: mpsc::UnboundedSender<Recorded>) {
    let mut buffer = Vec::new();
    while let Some(seen) = read(&mut stream, &mut buffer).await {
        let (answer, answered) = oneshot::channel();
        if requests.send(Recorded { seen, answer }).is_err() {
            return;
        }
        // A request that the test throws away closes the connection.
        let Ok(bytes) = answered.await else { return };
        if stream.write_all(&bytes).await.is_err() {
            return;
        }
    }
}

/// The next request of a connection; its body has a length.
async fn read(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Option<Seen> {
    let end = loop {
        match buffer.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
            Some(end) => break end + 4,
            None => more(stream, buffer).await?,
        }
    };
    let head = String::from_utf8(buffer.drain(..end).collect()).unwrap();
    let length =
        head.lines().find_map(|line| line.strip_prefix("content-length: ")).map_or(0, |text| text.parse().unwrap());
    while buffer.len() < length {
        more(stream, buffer).await?;
    }
    Some(Seen { head, body: buffer.drain(..length).collect() })
}

async fn more(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Option<()> {
    (stream.read_buf(buffer).await.ok()? > 0).then_some(())
}
