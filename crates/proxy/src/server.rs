//! Listeners: sockets, connections, and their end.

use std::{
    convert::Infallible,
    future::Future,
    io,
    net::{IpAddr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use arc_swap::ArcSwap;
use http::{
    HeaderValue, Request, Response, Version,
    header::{CONNECTION, STRICT_TRANSPORT_SECURITY},
};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::{conn::auto, graceful::GracefulConnection},
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    sync::watch,
    task::{JoinHandle, JoinSet},
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};
use tower::{Service, ServiceExt};

use crate::{
    body::Body,
    config::ServerTls,
    connections::{Connection, Connections},
    framing::{Contradiction, Contradictory, Framed},
    rarely::Rarely,
};

/// How many connections the system may have accepted for us when the listener is closed.
const BACKLOG: usize = 4096;

/// After the order to stop, a request that is on its way on an open connection already has so long to arrive.
const LINGER: Duration = Duration::from_millis(500);

/// How long a client may keep us waiting from then on.
const LAST_PATIENCE: Duration = Duration::from_secs(5);

/// How long a client that is left has to take note of it, as HTTP/2 lets it.
const FAREWELL: Duration = Duration::from_secs(1);

/// How often an HTTP/2 client is asked whether it is still there.
const PING: Duration = Duration::from_secs(30);

/// How many requests an HTTP/2 client may have open on one connection.
const STREAMS: u32 = 100;
/// How many it may take back that nobody has looked at yet, before it is taken for an attack (CVE-2023-44487).
const RESETS: usize = 20;
/// How much of one body, and of all on a connection, an HTTP/2 client may send before somebody reads it.
const STREAM_WINDOW: u32 = 64 << 10;
const CONNECTION_WINDOW: u32 = 256 << 10;
/// How much of its answers is kept for an HTTP/2 client that does not take them.
const SEND_BUFFER: usize = 64 << 10;

/// The least that hyper lets a connection have for heads.
const LEAST_BUFFER: usize = 16 << 10;

/// What answers every request.
pub(crate) trait Answers:
    Service<Request<Incoming>, Response = Response<Body>, Error = Infallible, Future: Send> + Clone + Send + Sync + 'static
{
}

impl<S> Answers for S where
    S: Service<Request<Incoming>, Response = Response<Body>, Error = Infallible, Future: Send>
        + Clone
        + Send
        + Sync
        + 'static
{
}

/// What a listener does with what comes in from now on. It is looked at for each connection and each request; those that
/// have begun go on as they have.
pub(crate) struct Now<S> {
    http: auto::Builder<TokioExecutor>,
    tls: Option<Tls>,
    service: S,
}

impl<S: Answers> Now<S> {
    /// Heads larger than `head` bytes are the layers' to refuse; hyper refuses those that are far larger.
    pub(crate) fn new(service: S, head: usize, tls: Option<&ServerTls>) -> Self {
        Self { http: http(head), tls: tls.map(Tls::new), service }
    }
}

/// A listener that accepts connections until it is told to stop, or nobody is left who could tell.
#[derive(Debug)]
pub(crate) struct Listening {
    pub(crate) address: SocketAddr,
    task: JoinHandle<()>,
    stop: watch::Sender<bool>,
}

impl Listening {
    /// Has it accept no more connections, and those that are open end when they can.
    pub(crate) fn stop(&self) {
        // It may have ended already; then there is nobody to tell.
        let _ = self.stop.send(true);
    }

    /// Whether all connections are done.
    pub(crate) fn has_stopped(&self) -> bool {
        self.task.is_finished()
    }

    /// Cuts off all connections that are not done so much later.
    pub(crate) fn cut_off_after(&self, time: Duration) {
        let task = self.task.abort_handle();
        tokio::spawn(async move {
            tokio::time::sleep(time).await;
            task.abort();
        });
    }

    /// Waits until all connections are done.
    pub(crate) async fn stopped(&mut self) {
        // A task that was cancelled or has panicked accepts no connections either.
        let _ = (&mut self.task).await;
    }

    /// Cuts off all connections that are not done.
    pub(crate) fn cut_off(&self) {
        self.task.abort();
    }
}

/// A socket that nobody accepts from yet.
#[derive(Debug)]
pub(crate) struct Socket {
    pub(crate) address: SocketAddr,
    listener: TcpListener,
}

/// Binds `address`.
///
/// # Errors
///
/// The address is taken or not ours.
pub(crate) async fn bind(address: SocketAddr) -> io::Result<Socket> {
    let listener = TcpListener::bind(address).await?;
    Ok(Socket { address: listener.local_addr()?, listener })
}

/// Serves connections until it is told to stop; what is under way then, or on its way, is still answered.
pub(crate) fn serve<S: Answers>(socket: Socket, now: Arc<ArcSwap<Now<S>>>, connections: Arc<Connections>) -> Listening {
    let Socket { address, listener } = socket;
    let (stop, mut stopping) = watch::channel(false);
    let door = Door { now, connections, stop: stopping.clone() };
    let task = tokio::spawn(async move {
        let mut open = JoinSet::new();
        let failed = Rarely::default();
        loop {
            tokio::select! {
                accepted = listener.accept() => match accepted {
                    Ok((stream, peer)) => door.open(&mut open, stream, peer.ip()),
                    Err(error) => pause_after(&error, &failed, &door.connections).await,
                },
                Some(_) = open.join_next() => {}
                () = told(&mut stopping) => break,
            }
        }
        // Those whom the system has let in for us already may have sent a request.
        for (stream, peer) in backlog(listener) {
            door.open(&mut open, stream, peer.ip());
        }
        while open.join_next().await.is_some() {}
    });
    Listening { address, task, stop }
}

/// The connections that wait to be accepted. The listener is closed after the last of them.
fn backlog(listener: TcpListener) -> impl Iterator<Item = (TcpStream, SocketAddr)> {
    let accepting = listener.into_std().ok().into_iter();
    accepting.flat_map(|listener| std::iter::from_fn(move || listener.accept().ok())).take(BACKLOG).filter_map(
        |(stream, peer)| {
            stream.set_nonblocking(true).ok()?;
            Some((TcpStream::from_std(stream).ok()?, peer))
        },
    )
}

/// What every connection of a listener is opened with.
struct Door<S> {
    now: Arc<ArcSwap<Now<S>>>,
    connections: Arc<Connections>,
    stop: watch::Receiver<bool>,
}

impl<S> Clone for Door<S> {
    fn clone(&self) -> Self {
        Self { now: Arc::clone(&self.now), connections: Arc::clone(&self.connections), stop: self.stop.clone() }
    }
}

/// How connections are secured.
#[derive(Clone)]
struct Tls {
    acceptor: TlsAcceptor,
    /// What answers tell browsers of it.
    hsts: Option<HeaderValue>,
    failed: Arc<Rarely>,
}

impl Tls {
    fn new(tls: &ServerTls) -> Self {
        let hsts = tls.hsts.map(|time| {
            HeaderValue::try_from(format!("max-age={}", time.as_secs())).expect("digits can stand in a header")
        });
        Self { acceptor: Arc::clone(&tls.config).into(), hsts, failed: Arc::default() }
    }

    /// Shakes hands, within the time that any client has, and for which it counts as one that waits. Whoever speaks
    /// something else than TLS gets no answer.
    async fn accept(
        &self,
        stream: TcpStream,
        connection: &Connection,
        stop: &mut watch::Receiver<bool>,
    ) -> Option<Box<TlsStream<TcpStream>>> {
        let accepted = tokio::select! {
            accepted = self.acceptor.accept(stream) => accepted,
            () = connection.is_overdue() => return None,
            () = connection.is_displaced() => return None,
            () = async { told(stop).await; tokio::time::sleep(LINGER).await } => return None,
        };
        if let Err(error) = &accepted
            && let Some(times) = self.failed.tell()
        {
            tracing::info!(error.message = %error, times, "clients agreed on no TLS with us");
        }
        accepted.ok().map(Box::new)
    }
}

impl<S: Answers> Door<S> {
    /// Serves a connection if there is a place for it. If there is none it is closed, which costs us the least.
    fn open(&self, open: &mut JoinSet<()>, stream: TcpStream, peer: IpAddr) {
        if let Some(connection) = self.connections.admit(peer) {
            open.spawn(self.clone().welcome(stream, connection));
        }
    }

    async fn welcome(mut self, stream: TcpStream, connection: Arc<Connection>) {
        // Answers are written whole; waiting for more to send only delays them.
        let _ = stream.set_nodelay(true);
        let tls = self.now.load().tls.clone();
        match tls {
            None => self.converse(stream, connection).await,
            Some(tls) => {
                if let Some(stream) = tls.accept(stream, &connection, &mut self.stop).await {
                    self.converse(stream, connection).await;
                }
            }
        }
    }

    /// One connection, HTTP/1.1 or HTTP/2 by what its first bytes say, to its end.
    async fn converse(self, stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static, connection: Arc<Connection>) {
        let Self { now, stop, .. } = self;
        let http = now.load().http.clone();
        let stopping = stop.clone();
        let contradiction = Contradiction::default();
        let stream = Framed::new(stream, contradiction.clone());
        let number = AtomicU64::new(0);
        let answer = service_fn(|mut request: Request<Incoming>| {
            connection.is_heard();
            let is_last = request.version() < Version::HTTP_2 && *stopping.borrow();
            request.extensions_mut().insert(Arc::clone(&connection));
            if contradiction.is(number.fetch_add(1, Ordering::Relaxed) + 1) {
                request.extensions_mut().insert(Contradictory);
            }
            let now = now.load();
            let answer = now.service.clone().oneshot(request);
            let hsts = now.tls.as_ref().and_then(|tls| tls.hsts.clone());
            async move {
                let mut response = answer.await?;
                if let Some(hsts) = hsts {
                    response.headers_mut().insert(STRICT_TRANSPORT_SECURITY, hsts);
                }
                if is_last {
                    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
                }
                Ok::<_, Infallible>(response)
            }
        });
        tokio::select! {
            () = to_its_end(http.serve_connection(TokioIo::new(stream), answer), &connection, stop) => {}
            () = connection.is_displaced() => {}
        }
    }
}

/// Lets a connection go on until its client has had enough, or keeps us waiting for too long, or the order to stop.
async fn to_its_end(http: impl GracefulConnection, connection: &Connection, mut stop: watch::Receiver<bool>) {
    let mut http = std::pin::pin!(http);
    // What breaks a connection concerns its client alone, who knows.
    tokio::select! {
        _ = http.as_mut() => {}
        () = connection.is_overdue() => {
            http.as_mut().graceful_shutdown();
            within(FAREWELL, async { drop(http.await) }).await;
        }
        () = told(&mut stop) => {
            if within(LINGER, async { drop(http.as_mut().await) }).await {
                return;
            }
            http.as_mut().graceful_shutdown();
            tokio::select! {
                _ = http => {}
                () = connection.has_waited(LAST_PATIENCE) => {}
            }
        }
    }
}

/// Waits for the order to stop; whoever could give it being gone is one, too.
async fn told(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
}

/// Both versions of HTTP, with limits to what a client may make us keep.
///
/// There are no time-outs here, but for a client that has vanished: `connections` closes what waits for too long.
fn http(head: usize) -> auto::Builder<TokioExecutor> {
    // Large enough that what is a little too large is refused by us, in the client's own dialect.
    let buffer = (2 * head).max(LEAST_BUFFER);
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(None).max_buf_size(buffer);
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(PING)
        .max_concurrent_streams(STREAMS)
        .max_pending_accept_reset_streams(RESETS)
        .max_header_list_size(u32::try_from(buffer).unwrap_or(u32::MAX))
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_send_buf_size(SEND_BUFFER);
    builder
}

/// Out of file descriptors, most likely: one that is not needed is closed, and others will be free in a moment.
async fn pause_after(error: &io::Error, failed: &Rarely, connections: &Connections) {
    if let Some(times) = failed.tell() {
        tracing::warn!(error.message = %error, times, "connections could not be accepted");
    }
    connections.make_room();
    tokio::time::sleep(Duration::from_millis(5)).await;
}

/// Runs `future` and gives up after `limit`; whether it ended in time.
pub(crate) async fn within(limit: Duration, future: impl Future<Output = ()>) -> bool {
    tokio::time::timeout(limit, future).await.is_ok()
}
