//! The connections to one upstream that wait for their next request.
//!
//! hyper-util has a pool, too. This one is here because a connection that a call has to itself, and gives back, makes it
//! possible to say for sure what was sent (see `wire`), and to tell how long connecting takes from how long an answer
//! takes; and because a call then needs no second task. How a connection comes about is one function.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError, Weak},
    time::Duration,
};

use http::Uri;
use hyper_util::client::legacy::connect::HttpConnector;
use interlingua_core::{Error, ErrorKind, Result};
use tokio::time::{Instant, sleep_until, timeout_at};
use tower::ServiceExt;

use super::connection::Connection;
use crate::config::{BaseUrl, ClientTls};

/// How long a connection waits for its next request. Servers close idle connections after five seconds and more, and it
/// is better that we do.
const IDLE: Duration = Duration::from_secs(4);

/// See the module.
#[derive(Debug)]
pub(crate) struct Pool {
    server: Uri,
    connector: HttpConnector,
    tls: Option<ClientTls>,
    connect_timeout: Duration,
    idle: Mutex<Idle>,
}

/// Those that wait, with the time when each has waited long enough; the one that waits longest is the first.
#[derive(Debug, Default)]
struct Idle {
    connections: VecDeque<(Instant, Connection)>,
    /// Whether somebody closes those that have waited long enough.
    watched: bool,
}

impl Pool {
    /// No connection yet. One comes about within `connect_timeout`, or not at all.
    pub(crate) fn new(server: &BaseUrl, tls: Option<ClientTls>, connect_timeout: Duration) -> Self {
        let (scheme, authority) = (server.scheme().clone(), server.authority().clone());
        let server = Uri::builder().scheme(scheme).authority(authority).path_and_query("/").build();
        let server = server.expect("scheme, authority and path are all that a URI needs");
        let mut connector = HttpConnector::new();
        connector.enforce_http(false); // what it does not know of is done above it
        connector.set_nodelay(true);
        // Of several addresses each gets its part of the time.
        connector.set_connect_timeout(Some(connect_timeout));
        Self { server, connector, tls, connect_timeout, idle: Mutex::default() }
    }

    /// The connection that was used last of those that can still be used; the upstream may have closed others.
    pub(crate) fn take(&self) -> Option<Connection> {
        loop {
            let (_, connection) = self.idle().connections.pop_back()?;
            if connection.is_usable() {
                return Some(connection);
            }
        }
    }

    /// A new connection.
    ///
    /// # Errors
    ///
    /// None comes about; nothing was sent.
    pub(crate) async fn connect(&self, end: Instant) -> Result<Connection> {
        let unavailable = |why: &'static str| Error::new(ErrorKind::Unavailable, why);
        let unreachable = || unavailable("the upstream cannot be reached");
        let end = end.min(Instant::now() + self.connect_timeout);
        timeout_at(end, async {
            let stream = self.connector.clone().oneshot(self.server.clone()).await.map_err(|_| unreachable())?;
            Connection::new(stream.into_inner(), self.tls.as_ref()).await.map_err(|failed| unavailable(failed.why()))
        })
        .await
        .unwrap_or_else(|_| Err(unreachable()))
    }

    /// Keeps a connection for the next request.
    pub(crate) fn put(self: &Arc<Self>, connection: Connection) {
        let mut idle = self.idle();
        idle.connections.push_back((Instant::now() + IDLE, connection));
        if !std::mem::replace(&mut idle.watched, true) {
            tokio::spawn(close_idle(Arc::downgrade(self)));
        }
    }

    /// Closes those that have waited long enough, and says when the next one has; `None` when nobody waits.
    fn close_idle(&self) -> Option<Instant> {
        let now = Instant::now();
        let mut idle = self.idle();
        while let Some((end, _)) = idle.connections.front() {
            if *end > now {
                return Some(*end);
            }
            idle.connections.pop_front();
        }
        idle.watched = false;
        None
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Idle> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Closes idle connections until there are none, or nobody who would use them.
async fn close_idle(pool: Weak<Pool>) {
    while let Some(end) = pool.upgrade().and_then(|pool| pool.close_idle()) {
        sleep_until(end).await;
    }
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::AsyncReadExt,
        net::TcpListener,
        time::{advance, pause},
    };

    use super::*;

    fn url(address: std::net::SocketAddr) -> BaseUrl {
        format!("http://{address}").try_into().unwrap()
    }

    #[tokio::test]
    async fn idle_connections_are_closed_by_us() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let pool = Arc::new(Pool::new(&url(address), None, Duration::from_secs(10)));
        let soon = Instant::now() + Duration::from_secs(10);
        let (ours, theirs) = tokio::join!(pool.connect(soon), listener.accept());
        // Only now, as a clock that stands still runs on while sockets are waited for.
        pause();
        pool.put(ours.unwrap());
        advance(IDLE / 2).await;
        assert_eq!(pool.idle().connections.len(), 1);
        advance(IDLE / 2).await;
        let mut peer = theirs.unwrap().0;
        assert_eq!(peer.read(&mut [0]).await.unwrap(), 0, "the end");
        assert!(pool.idle().connections.is_empty() && !pool.idle().watched);
    }

    #[tokio::test]
    async fn who_cannot_be_reached_was_sent_nothing() {
        let gone = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        let pool = Pool::new(&url(gone), None, Duration::from_secs(10));
        let error = pool.connect(Instant::now() + Duration::from_secs(10)).await.unwrap_err();
        assert_eq!((error.kind(), error.effect()), (ErrorKind::Unavailable, interlingua_core::Effect::NothingSent));
    }
}
