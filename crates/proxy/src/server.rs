//! Listeners: sockets, connections, and their end.

use std::{convert::Infallible, future::Future, io, net::SocketAddr, time::Duration};

use http::{Request, Response};
use hyper::body::Incoming;
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::{conn::auto, graceful::GracefulShutdown},
    service::TowerToHyperService,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinHandle,
};
use tower::Service;

use crate::body::Body;

/// How long a client may take to send the head of a request, the first as well as the next on the same connection; and
/// how often an HTTP/2 client is asked whether it is still there.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);

/// A listener that accepts connections until it is told to stop.
#[derive(Debug)]
pub(crate) struct Listening {
    pub(crate) address: SocketAddr,
    task: JoinHandle<()>,
}

impl Listening {
    /// Waits until all connections are done.
    pub(crate) async fn stopped(self) {
        // A task that was cancelled or has panicked accepts no connections either.
        let _ = self.task.await;
    }
}

/// Binds `address`.
///
/// # Errors
///
/// The address is taken or not ours.
pub(crate) async fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    TcpListener::bind(address).await
}

/// Serves connections until `stop` turns true; those that are open then may finish what they are at.
///
/// # Errors
///
/// The socket does not tell its address.
pub(crate) fn serve<S>(listener: TcpListener, service: S, mut stop: watch::Receiver<bool>) -> io::Result<Listening>
where
    S: Service<Request<Incoming>, Response = Response<Body>, Error = Infallible, Future: Send> + Clone + Send + 'static,
{
    let address = listener.local_addr()?;
    let task = tokio::spawn(async move {
        let connections = GracefulShutdown::new();
        loop {
            tokio::select! {
                accepted = listener.accept() => match accepted {
                    Ok((stream, _)) => {
                        let service = service.clone();
                        let watched = connections.watcher();
                        let mut stop = stop.clone();
                        tokio::spawn(async move {
                            if speaks(&stream, &mut stop).await {
                                // What breaks a connection concerns its client alone, who knows.
                                let _ = watched.watch(connection(stream, service)).await;
                            }
                        });
                    }
                    Err(error) => pause_after(&error).await,
                },
                () = told(&mut stop) => break,
            }
        }
        drop(listener);
        connections.shutdown().await;
    });
    Ok(Listening { address, task })
}

/// Waits for the order to stop; whoever could give it being gone is one, too.
async fn told(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
}

/// Waits for the first byte: until then hyper cannot know which HTTP it is, and would wait for ever.
async fn speaks(stream: &TcpStream, stop: &mut watch::Receiver<bool>) -> bool {
    tokio::select! {
        readable = tokio::time::timeout(HEAD_TIMEOUT, stream.readable()) => matches!(readable, Ok(Ok(()))),
        () = told(stop) => false,
    }
}

/// One connection, HTTP/1.1 or HTTP/2 by what its first bytes say.
fn connection<S>(
    stream: TcpStream,
    service: S,
) -> auto::Connection<'static, TokioIo<TcpStream>, TowerToHyperService<S>, TokioExecutor>
where
    S: Service<Request<Incoming>, Response = Response<Body>, Error = Infallible, Future: Send> + Clone + Send + 'static,
{
    // Answers are written whole; waiting for more to send only delays them.
    let _ = stream.set_nodelay(true);
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(HEAD_TIMEOUT);
    builder.http2().timer(TokioTimer::new()).keep_alive_interval(HEAD_TIMEOUT);
    builder.serve_connection(TokioIo::new(stream), TowerToHyperService::new(service)).into_owned()
}

/// Out of file descriptors, most likely: some will be free in a moment.
async fn pause_after(error: &io::Error) {
    tracing::warn!(error.message = %error, "a connection could not be accepted");
    tokio::time::sleep(Duration::from_millis(50)).await;
}

/// Runs `future` and gives up after `limit`; whether it ended in time.
pub(crate) async fn within(limit: Duration, future: impl Future<Output = ()>) -> bool {
    tokio::time::timeout(limit, future).await.is_ok()
}
