//! A vendor that knows all its answers by heart, so that it costs next to nothing, and takes as long for them as it likes.

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time::sleep,
};

/// By the first line of the request.
type Answers = Arc<Mutex<HashMap<String, Arc<[u8]>>>>;

/// Starts one that answers as `original` does.
pub(crate) async fn start(original: SocketAddr, delay: Duration) -> SocketAddr {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let answers = Answers::default();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(stream, original, delay, Arc::clone(&answers)));
        }
    });
    address
}

/// Answers requests without a body until the client has had enough.
async fn serve(mut stream: TcpStream, original: SocketAddr, delay: Duration, answers: Answers) -> Option<()> {
    loop {
        let mut request = Vec::new();
        read(&mut stream, &mut request).await?;
        let line = String::from_utf8_lossy(&request).lines().next()?.to_owned();
        let known = answers.lock().unwrap().get(&line).cloned();
        let answer = match known {
            Some(answer) => answer,
            None => {
                let mut asked = TcpStream::connect(original).await.ok()?;
                asked.write_all(&request).await.ok()?;
                let mut answer = Vec::new();
                read(&mut asked, &mut answer).await?;
                let answer: Arc<[u8]> = answer.into();
                answers.lock().unwrap().insert(line, Arc::clone(&answer));
                answer
            }
        };
        // No sleep is shorter than a millisecond.
        if !delay.is_zero() {
            sleep(delay).await;
        }
        stream.write_all(&answer).await.ok()?;
    }
}

/// Reads a request or an answer whose body has a length.
pub(crate) async fn read(stream: &mut (impl AsyncRead + Unpin), message: &mut Vec<u8>) -> Option<()> {
    message.clear();
    loop {
        if stream.read_buf(message).await.ok()? == 0 {
            return None;
        }
        if whole(message)? <= message.len() {
            return Some(());
        }
    }
}

/// How long the message is that begins like this; endless while its head is not whole.
fn whole(buffer: &[u8]) -> Option<usize> {
    let Some(end) = buffer.windows(4).position(|bytes| bytes == b"\r\n\r\n") else { return Some(usize::MAX) };
    let head = std::str::from_utf8(&buffer[..end]).ok()?;
    let length = head.split("content-length: ").nth(1).map_or(Some(0), |rest| rest.lines().next()?.parse().ok());
    Some(end + 4 + length?)
}
