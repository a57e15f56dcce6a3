//! What stands between a call and its upstream: guards, each a pair of plain functions, and the one layer that asks them
//! all.

use std::{
    fmt,
    future::ready,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode};
use interlingua_core::{Access, Error, Reply, Result};
use tokio::time::Instant;
use tower::{Layer, Service};

use crate::{layers::BoxFuture, relay::Upload};

/// A request on its way to an upstream. It has no debug print, for it holds what people wrote.
#[derive(Clone)]
pub(crate) struct Outgoing<R> {
    pub(crate) request: R,
    pub(crate) terms: Terms,
}

/// One that is there as a whole, so that it can be sent more than once.
pub(crate) type Whole = Arc<Request<Bytes>>;

/// One whose body is still arriving.
pub(crate) type Arriving = Request<Upload>;

/// What is to be known of a request to treat it right.
#[derive(Clone, Debug)]
pub(crate) struct Terms {
    /// Whether it may change something.
    pub(crate) access: Access,
    /// Whether it can be sent again when nobody knows what came of it.
    pub(crate) repeatable: bool,
    /// Whether it is part of something that has begun to write. Our own limits do not stop it then, for half a write is
    /// worse than a call too many.
    pub(crate) begun: bool,
    /// On whose behalf it is.
    pub(crate) client: Arc<str>,
    /// Whether the upstream knows it by a credential of its own, with which it may do as much as all others together.
    pub(crate) is_known_as_itself: bool,
    /// When there must be an answer, with all tries that it takes.
    pub(crate) end: Instant,
}

/// The head of an answer.
pub(crate) trait Answer {
    fn status(&self) -> StatusCode;
    fn headers(&self) -> &HeaderMap;
}

impl Answer for Reply {
    fn status(&self) -> StatusCode {
        self.status
    }

    fn headers(&self) -> &HeaderMap {
        &self.headers
    }
}

impl<B> Answer for Response<B> {
    fn status(&self) -> StatusCode {
        Response::status(self)
    }

    fn headers(&self) -> &HeaderMap {
        Response::headers(self)
    }
}

/// Lets a call go on or refuses it, and learns from what came of it.
pub(crate) trait Guard: Send + Sync + 'static {
    /// What a call has while it is under way. A call that is given up drops it, and nothing is learnt.
    type Pass: Send;

    /// Lets a call go on.
    ///
    /// # Errors
    ///
    /// It must not, and nothing was sent; the error says when it may be worth another try.
    fn admit(&self, terms: &Terms) -> Result<Self::Pass>;

    /// Looks at what came of a call.
    fn learn(&self, pass: Self::Pass, result: Result<&dyn Answer, &Error>);
}

/// A guard, and how many calls it refused.
#[derive(Debug)]
pub(crate) struct Guarding<G> {
    pub(crate) guard: G,
    refused: AtomicU64,
}

impl<G> Guarding<G> {
    pub(crate) fn new(guard: G) -> Arc<Self> {
        Arc::new(Self { guard, refused: AtomicU64::default() })
    }

    pub(crate) fn refused(&self) -> u64 {
        self.refused.load(Relaxed)
    }
}

impl<G: Guard> Guard for Arc<Guarding<G>> {
    type Pass = G::Pass;

    fn admit(&self, terms: &Terms) -> Result<G::Pass> {
        self.guard.admit(terms).inspect_err(|_| {
            self.refused.fetch_add(1, Relaxed);
        })
    }

    fn learn(&self, pass: G::Pass, result: Result<&dyn Answer, &Error>) {
        self.guard.learn(pass, result);
    }
}

/// One guard behind the other. The first hears of it when the second refuses, as of any other failure.
impl<A: Guard, B: Guard> Guard for (A, B) {
    type Pass = (A::Pass, B::Pass);

    fn admit(&self, terms: &Terms) -> Result<Self::Pass> {
        let first = self.0.admit(terms)?;
        match self.1.admit(terms) {
            Ok(second) => Ok((first, second)),
            Err(error) => {
                self.0.learn(first, Err(&error));
                Err(error)
            }
        }
    }

    fn learn(&self, (first, second): Self::Pass, result: Result<&dyn Answer, &Error>) {
        self.1.learn(second, result);
        self.0.learn(first, result);
    }
}

/// The layer of a guard, or of several as one.
pub(crate) struct GuardLayer<G>(Arc<G>);

impl<G: Guard> GuardLayer<G> {
    pub(crate) fn new(guard: G) -> Self {
        Self(Arc::new(guard))
    }
}

impl<G, S> Layer<S> for GuardLayer<G> {
    type Service = Guarded<G, S>;

    fn layer(&self, inner: S) -> Guarded<G, S> {
        Guarded { guard: Arc::clone(&self.0), inner }
    }
}

/// The service of [`GuardLayer`].
pub(crate) struct Guarded<G, S> {
    guard: Arc<G>,
    inner: S,
}

impl<G, S: Clone> Clone for Guarded<G, S> {
    fn clone(&self) -> Self {
        Self { guard: Arc::clone(&self.guard), inner: self.inner.clone() }
    }
}

impl<G, S, R> Service<Outgoing<R>> for Guarded<G, S>
where
    G: Guard,
    S: Service<Outgoing<R>, Error = Error>,
    S::Response: Answer + Send + 'static,
    S::Future: Send + 'static,
{
    type Response = S::Response;
    type Error = Error;
    type Future = BoxFuture<S::Response, Error>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, outgoing: Outgoing<R>) -> Self::Future {
        let pass = match self.guard.admit(&outgoing.terms) {
            Ok(pass) => pass,
            Err(error) => return Box::pin(ready(Err(error))),
        };
        let guard = Arc::clone(&self.guard);
        let answer = self.inner.call(outgoing);
        Box::pin(async move {
            let result = answer.await;
            guard.learn(pass, result.as_ref().map(|answer| answer as &dyn Answer));
            result
        })
    }
}

impl<G: fmt::Debug, S> fmt::Debug for Guarded<G, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guarded").field("guard", &self.guard).finish_non_exhaustive()
    }
}

/// The time until then, in the whole seconds that `Retry-After` has: rather one more than one less.
pub(crate) fn seconds_until(then: Instant) -> Duration {
    let left = then.saturating_duration_since(Instant::now());
    Duration::from_secs(left.as_millis().div_ceil(1000).max(1).try_into().unwrap_or(u64::MAX))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// The terms of a read that has ten seconds.
    pub(crate) fn read() -> Terms {
        let (access, client) = (Access::Read, "erp".into());
        Terms {
            access,
            repeatable: true,
            begun: false,
            client,
            is_known_as_itself: false,
            end: Instant::now() + Duration::from_secs(10),
        }
    }

    /// The same of a write.
    pub(crate) fn write() -> Terms {
        Terms { access: Access::Write, repeatable: false, ..read() }
    }

    #[tokio::test(start_paused = true)]
    async fn delays_are_rounded_up() {
        for (milliseconds, seconds) in [(0, 1), (1, 1), (1000, 1), (1001, 2), (5000, 5)] {
            let then = Instant::now() + Duration::from_millis(milliseconds);
            assert_eq!(seconds_until(then), Duration::from_secs(seconds));
        }
    }
}
