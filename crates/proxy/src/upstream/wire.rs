//! The socket below a connection. It knows what became of the bytes of a request, so that "it was not sent" can be said
//! for sure.
//!
//! Three facts prove that an upstream has not carried out a request:
//!
//! - **The system took none of its bytes.** They are counted here, where they leave the process.
//! - **The upstream had closed the connection before.** A connection that was idle is asked just before it is used, of
//!   the system itself: what the runtime knows of a socket may be older.
//! - **The upstream closed, and answered our bytes with a reset.** Between that question and the first byte there is a
//!   moment in which an upstream can close; the system then takes the bytes all the same. But a server that has read
//!   all of a request has nothing left to reset: its end is told (FIN), and that is all. A reset after that end says
//!   that bytes of ours came when nobody could read them any more, so that the request was never complete. Linux tells
//!   the two apart: a reset after the end is a broken pipe (`EPIPE`), one that comes by itself, which may be a server
//!   that dies in the middle of its work, is `ECONNRESET` and proves nothing. Where a system does not tell them apart,
//!   the proof is never found, and the call counts as sent. So it does with a server that closes a connection on which
//!   our bytes wait unread and says no end first: it looks like one that died.
//!
//! The last one needs that nothing but the request is written, for our own end could be answered with a reset, too. So
//! the half that is written is never closed by itself: a connection ends with its socket. It also needs that one request
//! at a time has the connection.

use std::{
    io,
    mem::MaybeUninit,
    pin::Pin,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use socket2::SockRef;
use tokio::{
    io::{AsyncRead, AsyncWrite, Interest, ReadBuf},
    net::{
        TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    time::timeout,
};

/// How long a reset may be on its way after the end: more than a round trip takes.
const ROUND_TRIP: Duration = Duration::from_millis(250);

/// How much of an answer may come before its head is there as a whole: several times what hyper takes of one head, as
/// interim answers (1xx) come before it, and hyper reads them for as long as there are more.
const MOST_AHEAD: usize = 1 << 20;

/// A socket, and what was seen of the request that is on it.
///
/// The numbers are only ever touched by whoever has the connection; they are atomic because it moves between threads.
#[derive(Debug)]
pub(crate) struct Wire {
    /// The half that is written. It ends with all who know of the socket, and so with the socket.
    half: OwnedWriteHalf,
    /// How many bytes of the request the system took.
    taken: AtomicUsize,
    /// Whether a byte of the answer came.
    heard: AtomicBool,
    /// How many bytes more may come.
    welcome: AtomicUsize,
    /// The first thing that went wrong.
    error: OnceLock<io::ErrorKind>,
}

impl Wire {
    /// What is known of a socket, and the end of it that is read and written.
    pub(crate) fn new(stream: TcpStream) -> (Arc<Self>, Io) {
        let (read, half) = stream.into_split();
        let (taken, heard, error) = (AtomicUsize::default(), AtomicBool::default(), OnceLock::new());
        let wire = Arc::new(Self { half, taken, heard, welcome: AtomicUsize::new(MOST_AHEAD), error });
        (Arc::clone(&wire), Io { wire, read })
    }

    fn stream(&self) -> &TcpStream {
        self.half.as_ref()
    }

    /// The next bytes are another request's.
    pub(crate) fn begin(&self) {
        self.taken.store(0, Relaxed);
        self.heard.store(false, Relaxed);
        self.welcome.store(MOST_AHEAD, Relaxed);
    }

    /// The head of the answer is there; how much may follow it is not ours to say.
    pub(crate) fn is_answered(&self) {
        self.welcome.store(usize::MAX, Relaxed);
    }

    /// Whether more came before the head of the answer than may.
    pub(crate) fn is_flooded(&self) -> bool {
        self.welcome.load(Relaxed) == 0
    }

    /// Whether the peer has neither closed nor said anything unasked, as of this moment.
    pub(crate) fn is_quiet(&self) -> bool {
        let peeked = SockRef::from(self.stream()).peek(&mut [MaybeUninit::uninit()]);
        peeked.is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
    }

    /// Whether the system took nothing of the request.
    pub(crate) fn is_untouched(&self) -> bool {
        self.taken.load(Relaxed) == 0
    }

    /// Whether it is certain that the peer did not get all of the request; to be asked when the connection has failed.
    pub(crate) async fn was_not_received(&self) -> bool {
        if self.is_untouched() {
            return true;
        }
        !self.heard.load(Relaxed) && self.first_error().await == Some(io::ErrorKind::BrokenPipe)
    }

    async fn first_error(&self) -> Option<io::ErrorKind> {
        if let Some(known) = self.error.get() {
            return Some(*known);
        }
        // The end was read; a reset may be right behind it.
        let _ = timeout(ROUND_TRIP, self.stream().ready(Interest::ERROR)).await;
        self.stream().take_error().ok().flatten().map(|error| error.kind())
    }

    fn tried<T>(&self, result: io::Result<T>) -> io::Result<T> {
        result.inspect_err(|error| {
            self.error.get_or_init(|| error.kind());
        })
    }

    /// Tries to write when that can succeed.
    fn poll_write(
        &self,
        cx: &mut Context<'_>,
        write: impl Fn(&TcpStream) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        loop {
            self.tried(ready!(self.stream().poll_write_ready(cx)))?;
            match write(self.stream()) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                result => {
                    let count = self.tried(result)?;
                    self.taken.fetch_add(count, Relaxed);
                    return Poll::Ready(Ok(count));
                }
            }
        }
    }
}

/// The end of a [`Wire`] that is read and written.
#[derive(Debug)]
pub(crate) struct Io {
    wire: Arc<Wire>,
    /// Read as the runtime reads: a buffer that is not filled says that there is no more, and nobody asks the system.
    read: OwnedReadHalf,
}

impl AsyncRead for Io {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let Self { wire, read } = self.get_mut();
        if wire.is_flooded() {
            return Poll::Ready(Err(io::ErrorKind::InvalidData.into()));
        }
        let before = buffer.filled().len();
        wire.tried(ready!(Pin::new(read).poll_read(cx, buffer)))?;
        let count = buffer.filled().len() - before;
        if count > 0 {
            wire.heard.store(true, Relaxed);
            wire.welcome.store(wire.welcome.load(Relaxed).saturating_sub(count), Relaxed);
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Io {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.wire.poll_write(cx, |stream| stream.try_write(bytes))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.wire.poll_write(cx, |stream| stream.try_write_vectored(slices))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    /// Nothing, for the reason in the module's documentation.
    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpListener,
    };

    use super::*;

    /// Our end of a connection, and the peer's.
    async fn connection() -> (Arc<Wire>, Io, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (ours, theirs) = tokio::join!(TcpStream::connect(address), listener.accept());
        let (wire, io) = Wire::new(ours.unwrap());
        wire.begin();
        (wire, io, theirs.unwrap().0)
    }

    /// Reads to the end, or to the error that ends it.
    async fn to_the_end(io: &mut Io) {
        let mut answer = Vec::new();
        let _ = io.read_to_end(&mut answer).await;
    }

    #[tokio::test]
    async fn who_has_closed_or_speaks_unasked_is_not_quiet() {
        let (wire, _io, mut peer) = connection().await;
        assert!(wire.is_quiet());
        peer.write_all(b"HTTP/1.1 408 Late\r\n\r\n").await.unwrap();
        wire.stream().readable().await.unwrap();
        assert!(!wire.is_quiet());

        let (wire, _io, peer) = connection().await;
        drop(peer);
        wire.stream().readable().await.unwrap();
        assert!(!wire.is_quiet());
    }

    #[tokio::test]
    async fn what_the_system_did_not_take_was_not_received() {
        let (wire, mut io, peer) = connection().await;
        SockRef::from(&peer).set_linger(Some(Duration::ZERO)).unwrap();
        drop(peer);
        wire.stream().readable().await.unwrap();
        io.write_all(b"request").await.unwrap_err();
        assert!(wire.was_not_received().await);
    }

    #[tokio::test]
    async fn what_comes_after_the_end_was_not_received() {
        let (wire, mut io, peer) = connection().await;
        drop(peer);
        io.write_all(b"request").await.unwrap();
        to_the_end(&mut io).await;
        assert!(!wire.is_untouched());
        assert!(wire.was_not_received().await || !cfg!(target_os = "linux"));
    }

    #[tokio::test]
    async fn what_was_cut_off_by_the_end_was_not_received_as_a_whole() {
        let (wire, mut io, mut peer) = connection().await;
        io.write_all(b"request").await.unwrap();
        peer.read_exact(&mut [0; 3]).await.unwrap();
        // As hyper does; what it has not read is reset then.
        peer.shutdown().await.unwrap();
        drop(peer);
        to_the_end(&mut io).await;
        assert!(wire.was_not_received().await || !cfg!(target_os = "linux"));
    }

    #[tokio::test]
    async fn what_was_read_may_have_been_carried_out() {
        let (wire, mut io, mut peer) = connection().await;
        io.write_all(b"request").await.unwrap();
        peer.read_exact(&mut [0; 7]).await.unwrap();
        drop(peer);
        to_the_end(&mut io).await;
        assert!(!wire.was_not_received().await);
    }

    #[tokio::test]
    async fn a_reset_without_an_end_proves_nothing() {
        let (wire, mut io, mut peer) = connection().await;
        io.write_all(b"request").await.unwrap();
        peer.read_exact(&mut [0; 7]).await.unwrap();
        SockRef::from(&peer).set_linger(Some(Duration::ZERO)).unwrap();
        drop(peer);
        to_the_end(&mut io).await;
        // Whoever writes on is told of a broken pipe, and that proves nothing now.
        let _ = io.write_all(b"more").await;
        assert!(!wire.was_not_received().await);
    }

    #[tokio::test]
    async fn who_has_begun_to_answer_has_begun_to_work() {
        let (wire, mut io, mut peer) = connection().await;
        peer.write_all(b"HTTP/1.1 200 OK").await.unwrap();
        drop(peer);
        io.write_all(b"request").await.unwrap();
        to_the_end(&mut io).await;
        assert!(!wire.was_not_received().await);
    }
}
