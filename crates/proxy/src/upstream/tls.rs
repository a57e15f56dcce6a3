//! What stands between HTTP and the socket: nothing, or TLS.
//!
//! What `wire` can prove must stay true under TLS, whose records are counted there in the place of the request:
//!
//! - **The system took no byte**: then no record with a byte of the request has left. What TLS itself has to say it says
//!   before the first request, and if it says something later, that only makes a call look sent that was not.
//! - **The upstream had closed before**: a `close_notify` or an end that waits to be read is a byte, or an end, that the
//!   socket is asked for. So is a session ticket that comes late; then a connection is not used that could be.
//! - **A reset after the end** proves something as long as nothing but the request is written. TLS writes by itself only
//!   in answer to what it was sent, and where one byte came from the upstream since the request began, nothing is taken
//!   for proven. Our own end it would write by itself, too, and so is never told to: a connection ends with its socket.
//!   What is not proven then, such as the call that met an upstream's `close_notify` on its way, counts as sent.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use rustls::CertificateError;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_rustls::{TlsConnector, client::TlsStream};

use super::wire::Io;
use crate::config::ClientTls;

/// What HTTP is spoken over.
#[derive(Debug)]
pub(crate) enum Stream {
    Plain(Io),
    Secure(Box<TlsStream<Io>>),
}

/// Why there is no connection, without a name or an address in it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Failed {
    /// Its certificate is of nobody's whom we trust.
    UnknownIssuer,
    WrongName,
    /// Or is not valid yet.
    Expired,
    #[default]
    Otherwise,
}

impl Failed {
    /// What a client may know of it.
    pub(crate) fn why(self) -> &'static str {
        match self {
            Self::UnknownIssuer => "the upstream cannot be reached: nobody who is trusted has signed its certificate",
            Self::WrongName => "the upstream cannot be reached: its certificate is for another name",
            Self::Expired => "the upstream cannot be reached: its certificate is not valid at this time",
            Self::Otherwise => "the upstream cannot be reached: no HTTP or TLS comes about",
        }
    }
}

impl From<io::Error> for Failed {
    fn from(error: io::Error) -> Self {
        let error = error.get_ref().and_then(|error| error.downcast_ref());
        let Some(rustls::Error::InvalidCertificate(why)) = error else { return Self::Otherwise };
        match why {
            CertificateError::UnknownIssuer => Self::UnknownIssuer,
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => Self::WrongName,
            CertificateError::Expired
            | CertificateError::ExpiredContext { .. }
            | CertificateError::NotValidYet
            | CertificateError::NotValidYetContext { .. } => Self::Expired,
            _ => Self::Otherwise,
        }
    }
}

/// Makes of a socket what HTTP is spoken over.
///
/// # Errors
///
/// No TLS comes about, or not with the server that is meant.
pub(crate) async fn stream(io: Io, tls: Option<&ClientTls>) -> Result<Stream, Failed> {
    let Some(tls) = tls else { return Ok(Stream::Plain(io)) };
    let stream = TlsConnector::from(Arc::clone(&tls.config)).connect(tls.name.clone(), io).await?;
    Ok(Stream::Secure(Box::new(stream)))
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(io) => Pin::new(io).poll_read(cx, buffer),
            Self::Secure(stream) => Pin::new(stream).poll_read(cx, buffer),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(io) => Pin::new(io).poll_write(cx, bytes),
            Self::Secure(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(io) => Pin::new(io).poll_write_vectored(cx, slices),
            Self::Secure(stream) => Pin::new(stream).poll_write_vectored(cx, slices),
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(io) => Pin::new(io).poll_flush(cx),
            Self::Secure(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    /// Nothing, for the reason in the module's documentation.
    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use rustls::{
        ClientConfig, RootCertStore, ServerConfig,
        crypto::ring::default_provider,
        pki_types::{PrivateKeyDer, ServerName},
    };
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::{TcpListener, TcpStream},
        time::{sleep, timeout},
    };
    use tokio_rustls::TlsAcceptor;

    use super::*;
    use crate::upstream::wire::Wire;

    type Peer = tokio_rustls::server::TlsStream<TcpStream>;

    /// Both ends of a connection on which a request is about to be sent. What the peer says of itself in TLS 1.3 after the
    /// handshake has been read by then.
    async fn connection() -> (Arc<Wire>, TlsStream<Io>, Peer) {
        let own = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let provider = Arc::new(default_provider());
        let key = PrivateKeyDer::try_from(own.signing_key.serialize_der()).unwrap();
        let server = ServerConfig::builder_with_provider(provider.clone()).with_safe_default_protocol_versions();
        let server = server.unwrap().with_no_client_auth().with_single_cert(vec![own.cert.der().clone()], key).unwrap();
        let mut roots = RootCertStore::empty();
        roots.add(own.cert.der().clone()).unwrap();
        let client = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let client = client.unwrap().with_root_certificates(roots).with_no_client_auth();

        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (ours, theirs) = tokio::join!(TcpStream::connect(address), listener.accept());
        let (wire, io) = Wire::new(ours.unwrap());
        let connector = TlsConnector::from(Arc::new(client));
        let connect = connector.connect(ServerName::try_from("localhost").unwrap(), io);
        let acceptor = TlsAcceptor::from(Arc::new(server));
        let (ours, theirs) = tokio::join!(connect, acceptor.accept(theirs.unwrap().0));
        let (mut ours, mut theirs) = (ours.unwrap(), theirs.unwrap());
        theirs.write_all(b"hello").await.unwrap();
        ours.read_exact(&mut [0; 5]).await.unwrap();
        wire.begin();
        (wire, ours, theirs)
    }

    async fn send(stream: &mut TlsStream<Io>) {
        stream.write_all(b"request").await.unwrap();
        stream.flush().await.unwrap();
    }

    /// Reads to the end, or to the error that ends it.
    async fn to_the_end(stream: &mut TlsStream<Io>) {
        let mut answer = Vec::new();
        let _ = timeout(Duration::from_secs(10), stream.read_to_end(&mut answer)).await.unwrap();
    }

    #[tokio::test]
    async fn who_says_goodbye_or_closes_is_not_quiet() {
        let (wire, _ours, mut peer) = connection().await;
        assert!(wire.is_quiet() && wire.is_untouched());
        peer.shutdown().await.unwrap();
        sleep(Duration::from_millis(50)).await;
        assert!(!wire.is_quiet());

        let (wire, _ours, peer) = connection().await;
        drop(peer);
        sleep(Duration::from_millis(50)).await;
        assert!(!wire.is_quiet());
    }

    #[tokio::test]
    async fn what_comes_after_a_bare_end_was_not_received() {
        let (wire, mut ours, peer) = connection().await;
        drop(peer);
        send(&mut ours).await;
        to_the_end(&mut ours).await;
        assert!(!wire.is_untouched());
        assert!(wire.was_not_received().await || !cfg!(target_os = "linux"));
    }

    /// It was not, but the `close_notify` is something that the peer has said, and TLS might have said something to that.
    #[tokio::test]
    async fn what_comes_after_an_orderly_end_counts_as_sent() {
        let (wire, mut ours, mut peer) = connection().await;
        peer.shutdown().await.unwrap();
        drop(peer);
        send(&mut ours).await;
        to_the_end(&mut ours).await;
        assert!(!wire.was_not_received().await);
    }

    /// Our own end would be answered with a reset; so it is not told.
    #[tokio::test]
    async fn what_was_read_may_have_been_carried_out() {
        for is_orderly in [true, false] {
            let (wire, mut ours, mut peer) = connection().await;
            send(&mut ours).await;
            peer.read_exact(&mut [0; 7]).await.unwrap();
            if is_orderly {
                peer.shutdown().await.unwrap();
            }
            drop(peer);
            to_the_end(&mut ours).await;
            let mut stream = Stream::Secure(Box::new(ours));
            stream.shutdown().await.unwrap();
            sleep(Duration::from_millis(50)).await;
            assert!(!wire.was_not_received().await);
        }
    }

    #[tokio::test]
    async fn nonsense_instead_of_an_answer_proves_nothing() {
        let (wire, mut ours, mut peer) = connection().await;
        send(&mut ours).await;
        peer.read_exact(&mut [0; 7]).await.unwrap();
        // An alert of ours goes out, and is answered with a reset.
        let (mut socket, _) = peer.into_inner();
        socket.write_all(b"\x17\x03\x03\x00\x20nonsense nonsense nonsense nonse").await.unwrap();
        drop(socket);
        to_the_end(&mut ours).await;
        assert!(!wire.was_not_received().await);
    }
}
