//! A bad network: a cable to a vendor that fails when a test says so.
//!
//! It passes one message of HTTP/1.1 after the other, each with a `Content-Length` or without a body, and knows so where
//! a request ends and its answer begins. Whether the vendor has seen a request that failed, and acted on it, is thereby
//! the test's to choose.

use std::{
    fmt, io,
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use http::Method;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::{JoinHandle, JoinSet},
    time::sleep,
};

use crate::faults::{Counted, Faults};

/// When a fault strikes an exchange: after so many bytes were passed on, or all where there are less.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// Of the request. The vendor acts on none that is not whole.
    Request(usize),
    /// Of the answer: the vendor has acted on the request.
    Answer(usize),
}

/// What happens then.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Deed {
    /// Both connections are reset (RST).
    Reset,
    /// Both connections end (FIN).
    Close,
    /// Nothing more is sent, as with [`Close`](Self::Close), but what comes is still read, for as long as it comes.
    HalfClose,
    /// Nothing moves any more.
    Hang,
    /// Nothing moves for so long, and then everything goes on.
    Delay(Duration),
    /// Everything goes on, one byte in so long.
    Drip(Duration),
    /// The client gets these bytes, whatever the vendor says, and then the end.
    Say(Bytes),
}

/// A cable that is plugged in. Dropping it ends all connections.
pub struct Cable {
    address: SocketAddr,
    faults: Shared,
    task: JoinHandle<()>,
}

impl Cable {
    /// A cable to the vendor at this address, with its other end at a port of the system's choice on this machine.
    ///
    /// # Errors
    ///
    /// There is no port.
    pub async fn to(vendor: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let faults = Shared::default();
        let task = tokio::spawn(accept(listener, vendor, Arc::clone(&faults)));
        Ok(Self { address, faults, task })
    }

    /// Where its other end is.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Lets a fault strike the n-th coming request (1 is the next). Faults add up, each counts for itself.
    pub fn strike(&self, nth: usize, moment: Moment, deed: Deed) {
        lock(&self.faults).add(nth, Counted::All, (moment, deed));
    }

    /// Like [`strike`](Self::strike), but counts only requests other than `GET`.
    pub fn strike_write(&self, nth: usize, moment: Moment, deed: Deed) {
        lock(&self.faults).add(nth, Counted::Writes, (moment, deed));
    }

    /// Takes back the faults that have not struck.
    pub fn mend(&self) {
        lock(&self.faults).clear();
    }

    /// Pulls the plug: connections end, and new ones are refused.
    pub async fn unplug(mut self) {
        self.task.abort();
        // An error is what an aborted task ends with.
        let _ = (&mut self.task).await;
    }
}

impl Drop for Cable {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl fmt::Debug for Cable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cable").field("address", &self.address).finish_non_exhaustive()
    }
}

/// The faults that all connections of a cable wait for.
type Shared = Arc<Mutex<Faults<(Moment, Deed)>>>;

async fn accept(listener: TcpListener, vendor: SocketAddr, faults: Shared) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => if let Ok((client, _)) = accepted {
                drop(connections.spawn(connection(client, vendor, Arc::clone(&faults))));
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

/// The life of one connection; whatever ends it ends the one to the vendor, too.
async fn connection(client: TcpStream, vendor: SocketAddr, faults: Shared) -> io::Result<()> {
    let mut ends = Ends { vendor: TcpStream::connect(vendor).await?, client };
    for end in [&ends.client, &ends.vendor] {
        end.set_nodelay(true)?;
    }
    while let Some(request) = ends.request().await? {
        let method = request.split(|&byte| byte == b' ').next().unwrap_or_default();
        let struck = lock(&faults).strike(&Method::from_bytes(method).unwrap_or_default());
        if !ends.exchange(&request, struck).await? {
            break;
        }
    }
    Ok(())
}

/// Both ends of one connection.
struct Ends {
    client: TcpStream,
    vendor: TcpStream,
}

/// Where a message goes.
#[derive(Clone, Copy)]
enum To {
    Client,
    Vendor,
}

impl Ends {
    /// The next request; nothing where one of both has ended.
    async fn request(&mut self) -> io::Result<Option<Vec<u8>>> {
        tokio::select! {
            request = message(&mut self.client) => request,
            // A vendor that was not asked has nothing to say but its end.
            _ = self.vendor.readable() => Ok(None),
        }
    }

    /// Passes a request and its answer on; whether the connection is of use afterwards.
    async fn exchange(&mut self, request: &[u8], struck: Option<(Moment, Deed)>) -> io::Result<bool> {
        let (in_request, in_answer) = match struck {
            Some((Moment::Request(bytes), deed)) => (Some((bytes, deed)), None),
            Some((Moment::Answer(bytes), deed)) => (None, Some((bytes, deed))),
            None => (None, None),
        };
        if !self.pass(request, To::Vendor, in_request).await? {
            return Ok(false);
        }
        match message(&mut self.vendor).await? {
            Some(answer) => self.pass(&answer, To::Client, in_answer).await,
            None => Ok(false),
        }
    }

    /// Passes a message on; whether all of it arrived.
    async fn pass(&mut self, message: &[u8], to: To, struck: Option<(usize, Deed)>) -> io::Result<bool> {
        let Some((bytes, deed)) = struck else {
            self.end(to).write_all(message).await?;
            return Ok(true);
        };
        let (passed, rest) = message.split_at(bytes.min(message.len()));
        self.end(to).write_all(passed).await?;
        self.strike(rest, to, deed).await
    }

    async fn strike(&mut self, rest: &[u8], to: To, deed: Deed) -> io::Result<bool> {
        match deed {
            Deed::Reset => {
                self.client.set_zero_linger()?;
                self.vendor.set_zero_linger()?;
            }
            Deed::Close => {}
            Deed::HalfClose => {
                self.client.shutdown().await?;
                self.vendor.shutdown().await?;
                let ends = [&mut self.client, &mut self.vendor];
                for end in ends {
                    tokio::io::copy(end, &mut tokio::io::sink()).await?;
                }
            }
            Deed::Hang => std::future::pending().await,
            Deed::Delay(span) => {
                sleep(span).await;
                self.end(to).write_all(rest).await?;
                return Ok(true);
            }
            Deed::Drip(pause) => {
                for byte in rest {
                    self.end(to).write_all(&[*byte]).await?;
                    sleep(pause).await;
                }
                return Ok(true);
            }
            Deed::Say(bytes) => self.client.write_all(&bytes).await?,
        }
        Ok(false)
    }

    fn end(&mut self, to: To) -> &mut TcpStream {
        match to {
            To::Client => &mut self.client,
            To::Vendor => &mut self.vendor,
        }
    }
}

/// The next message, whole; nothing where the sender has ended.
async fn message(from: &mut TcpStream) -> io::Result<Option<Vec<u8>>> {
    let mut bytes = Vec::new();
    while !is_whole(&bytes) {
        if from.read_buf(&mut bytes).await? == 0 {
            return Ok(None);
        }
    }
    Ok(Some(bytes))
}

fn is_whole(message: &[u8]) -> bool {
    const END: &[u8] = b"\r\n\r\n";
    let Some(head) = message.windows(END.len()).position(|bytes| bytes == END) else { return false };
    let lines = message[..head].split(|&byte| byte == b'\n').filter_map(|line| str::from_utf8(line).ok());
    let mut fields = lines.filter_map(|line| line.split_once(':'));
    let length = fields.find(|(name, _)| name.eq_ignore_ascii_case("content-length"));
    let length: usize = length.and_then(|(_, value)| value.trim().parse().ok()).unwrap_or(0);
    message.len() >= head + END.len() + length
}

fn lock<A>(faults: &Mutex<Faults<A>>) -> MutexGuard<'_, Faults<A>> {
    faults.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use tokio::time::timeout;

    use super::*;
    use crate::{Ecgrid, Server, directory, serve};

    /// Long enough for any answer, short enough to wait for none.
    const MOMENT: Duration = Duration::from_millis(300);

    struct Line {
        server: Server,
        cable: Cable,
    }

    async fn line() -> Line {
        let server = serve(([127, 0, 0, 1], 0).into(), Ecgrid::new()).await.unwrap();
        let cable = Cable::to(server.address()).await.unwrap();
        Line { server, cable }
    }

    impl Line {
        /// Sends an update and takes whatever comes: the bytes, and how it ended; `None` where it did not in time.
        async fn update(&self, patience: Duration) -> (String, Option<io::Result<()>>) {
            let body = r#"{"userId":1042,"firstName":"Jo"}"#;
            let key = directory::ECGRID_KEY;
            let mut client = TcpStream::connect(self.cable.address()).await.unwrap();
            let head = "PUT /v2/users HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: application/json\r\n";
            let request = format!("{head}x-api-key: {key}\r\ncontent-length: {}\r\n\r\n{body}", body.len());
            client.write_all(request.as_bytes()).await.unwrap();
            let mut answer = Vec::new();
            let end = timeout(patience, client.read_to_end(&mut answer)).await.ok();
            (String::from_utf8_lossy(&answer).into_owned(), end.map(|read| read.map(drop)))
        }

        /// What comes of an update that is struck: what of the answer arrives, how it ends, and whether the vendor saw it.
        async fn struck(&self, moment: Moment, deed: Deed) -> (String, &'static str, bool) {
            self.server.clear_calls();
            let patience = if matches!(deed, Deed::Drip(_)) { MOMENT * 20 } else { MOMENT };
            self.cable.strike_write(1, moment, deed);
            let (answer, end) = self.update(patience).await;
            let end = match end {
                Some(Ok(())) => "end",
                Some(Err(error)) if error.kind() == io::ErrorKind::ConnectionReset => "reset",
                Some(Err(error)) => panic!("{error}"),
                None => "silence",
            };
            (answer, end, !self.server.calls().is_empty())
        }
    }

    #[track_caller]
    fn is(found: (String, &'static str, bool), answer: &str, end: &str, seen: bool) {
        assert!(found.0.starts_with(answer) && found.0.is_empty() == answer.is_empty(), "{}", found.0);
        assert_eq!((found.1, found.2), (end, seen));
    }

    #[tokio::test]
    async fn passes_what_nothing_strikes() {
        let line = line().await;
        let (answer, _) = line.update(MOMENT).await;
        assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
        line.cable.strike(1, Moment::Request(0), Deed::Reset);
        line.cable.mend();
        assert!(line.update(MOMENT).await.0.ends_with('}'));
    }

    #[tokio::test]
    async fn strikes_before_the_vendor_knows() {
        let line = line().await;
        for bytes in [0, 60] {
            is(line.struck(Moment::Request(bytes), Deed::Reset).await, "", "reset", false);
            is(line.struck(Moment::Request(bytes), Deed::Close).await, "", "end", false);
            is(line.struck(Moment::Request(bytes), Deed::HalfClose).await, "", "end", false);
            is(line.struck(Moment::Request(bytes), Deed::Hang).await, "", "silence", false);
        }
        is(line.struck(Moment::Request(0), Deed::Say("?".into())).await, "?", "end", false);
    }

    #[tokio::test]
    async fn strikes_when_the_vendor_has_acted() {
        let line = line().await;
        is(line.struck(Moment::Answer(0), Deed::Reset).await, "", "reset", true);
        is(line.struck(Moment::Answer(0), Deed::Close).await, "", "end", true);
        is(line.struck(Moment::Answer(12), Deed::HalfClose).await, "HTTP/1.1 200", "end", true);
        is(line.struck(Moment::Answer(12), Deed::Hang).await, "HTTP/1.1 200", "silence", true);
        is(line.struck(Moment::Answer(0), Deed::Say("?".into())).await, "?", "end", true);
    }

    #[tokio::test]
    async fn slows_down() {
        let line = line().await;
        for moment in [Moment::Request(7), Moment::Answer(0)] {
            is(line.struck(moment, Deed::Delay(MOMENT / 10)).await, "HTTP/1.1 200", "end", true);
            is(line.struck(moment, Deed::Delay(MOMENT * 2)).await, "", "silence", moment == Moment::Answer(0));
            is(line.struck(moment, Deed::Drip(Duration::ZERO)).await, "HTTP/1.1 200", "end", true);
        }
    }

    #[tokio::test]
    async fn is_refused_when_it_is_unplugged() {
        let Line { cable, .. } = line().await;
        let address = cable.address();
        let mut idle = TcpStream::connect(address).await.unwrap();
        cable.unplug().await;
        assert!(TcpStream::connect(address).await.is_err());
        assert!(matches!(idle.read(&mut [0]).await, Ok(0) | Err(_)));
    }
}
