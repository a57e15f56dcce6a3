//! Lets so many requests be worked on at once, on all listeners together, and refuses one more rather than queue it.

use std::{
    sync::Arc,
    task::{Context as TaskContext, Poll},
};

use http::Request;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tower::{Layer, Service};

use super::{BoxError, BoxFuture};
use crate::translate::overloaded;

/// See the module.
#[derive(Clone, Debug)]
pub(crate) struct LimitInFlight {
    semaphore: Arc<Semaphore>,
}

impl LimitInFlight {
    pub(crate) fn new(semaphore: Arc<Semaphore>) -> Self {
        Self { semaphore }
    }
}

/// A request's place among those in flight, which it has until the last clone is dropped.
///
/// It stands in the request's extensions, for an answer that is still arriving when its head is given is in flight, too.
#[derive(Clone, Debug)]
pub(crate) struct InFlight {
    _permit: Arc<OwnedSemaphorePermit>,
}

impl<S> Layer<S> for LimitInFlight {
    type Service = InFlightLimited<S>;

    fn layer(&self, inner: S) -> InFlightLimited<S> {
        InFlightLimited { inner, semaphore: Arc::clone(&self.semaphore) }
    }
}

/// The service of [`LimitInFlight`].
#[derive(Clone, Debug)]
pub(crate) struct InFlightLimited<S> {
    inner: S,
    semaphore: Arc<Semaphore>,
}

impl<S, B> Service<Request<B>> for InFlightLimited<S>
where
    S: Service<Request<B>, Error = BoxError>,
    S::Future: Send + 'static,
{
    type Response = S::Response;
    type Error = BoxError;
    type Future = BoxFuture<S::Response, BoxError>;

    fn poll_ready(&mut self, cx: &mut TaskContext<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let Ok(permit) = Arc::clone(&self.semaphore).try_acquire_owned() else {
            return Box::pin(async { Err(overloaded("too many requests at once").into()) });
        };
        let place = InFlight { _permit: Arc::new(permit) };
        request.extensions_mut().insert(place.clone());
        let answer = self.inner.call(request);
        Box::pin(async move {
            let answer = answer.await;
            drop(place);
            answer
        })
    }
}

#[cfg(test)]
mod tests {
    use interlingua_core::{Error, ErrorKind};
    use tower::{ServiceExt, service_fn};

    use super::*;

    #[tokio::test]
    async fn a_place_is_taken_until_the_last_who_holds_it_is_gone() {
        let keeps_it =
            service_fn(|request: Request<()>| async move { Ok::<_, BoxError>(request.extensions().get().cloned()) });
        let limited = LimitInFlight::new(Arc::new(Semaphore::new(1))).layer(keeps_it);
        let ask = || limited.clone().oneshot(Request::new(()));
        let place: Option<InFlight> = ask().await.unwrap();
        let error = ask().await.unwrap_err();
        assert_eq!(error.downcast::<Error>().unwrap().kind(), ErrorKind::Overloaded);
        drop(place);
        ask().await.unwrap();
    }
}
