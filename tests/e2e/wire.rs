//! One end of a connection, byte for byte and piece by piece, as a client or as an upstream.

use std::net::SocketAddr;

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time::timeout,
};

use crate::{harness::any_port, recorder::LONG};

/// One end of a connection.
pub(crate) struct Wire<S = TcpStream> {
    pub(crate) stream: S,
    /// What has arrived and nobody has looked at.
    buffer: Vec<u8>,
}

/// A server that is a wire for each of its connections.
pub(crate) struct Socket {
    pub(crate) address: SocketAddr,
    listener: TcpListener,
}

impl Socket {
    pub(crate) async fn open() -> Self {
        let listener = TcpListener::bind(any_port()).await.unwrap();
        Self { address: listener.local_addr().unwrap(), listener }
    }

    /// The next connection.
    pub(crate) async fn accept(&self) -> Wire {
        let (stream, _) = timeout(LONG, self.listener.accept()).await.expect("nobody connects").unwrap();
        Wire::of(stream)
    }
}

impl Wire {
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        Self::of(TcpStream::connect(address).await.unwrap())
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Wire<S> {
    pub(crate) fn of(stream: S) -> Self {
        Self { stream, buffer: Vec::new() }
    }

    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        timeout(LONG, self.stream.write_all(bytes.as_ref())).await.expect("nobody reads").unwrap();
    }

    /// Sends as much as the other end takes; whether it does is its affair.
    pub(crate) async fn offer(&mut self, bytes: impl AsRef<[u8]>) {
        let _ = timeout(LONG, self.stream.write_all(bytes.as_ref())).await.expect("nobody reads");
    }

    /// What arrives, up to `end` and with it.
    pub(crate) async fn until(&mut self, end: &str) -> String {
        let end = end.as_bytes();
        let length = loop {
            if let Some(start) = self.buffer.windows(end.len()).position(|bytes| bytes == end) {
                break start + end.len();
            }
            assert!(self.more().await, "it ended with: {}", String::from_utf8_lossy(&self.buffer));
        };
        String::from_utf8(self.buffer.drain(..length).collect()).unwrap()
    }

    /// The head of a message.
    pub(crate) async fn head(&mut self) -> String {
        self.until("\r\n\r\n").await
    }

    /// So many bytes, whatever they are.
    pub(crate) async fn skip(&mut self, mut length: usize) {
        while length > 0 {
            assert!(!self.buffer.is_empty() || self.more().await, "{length} bytes are missing");
            let here = length.min(self.buffer.len());
            self.buffer.drain(..here);
            length -= here;
        }
    }

    /// What arrives until the other end closes the connection.
    pub(crate) async fn rest(&mut self) -> String {
        String::from_utf8(self.bytes().await).unwrap()
    }

    /// The same where it need not be text.
    pub(crate) async fn bytes(&mut self) -> Vec<u8> {
        while self.more().await {}
        std::mem::take(&mut self.buffer)
    }

    /// Waits for more bytes; whether any came before the end. A connection that is reset has ended, too.
    async fn more(&mut self) -> bool {
        let read = timeout(LONG, self.stream.read_buf(&mut self.buffer)).await.expect("nothing comes, and no end");
        read.is_ok_and(|length| length > 0)
    }
}
