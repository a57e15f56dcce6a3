//! Refuses requests while all places are taken, before anything is spent on them.
//!
//! The place itself is taken later, by `LimitInFlight`, when the whole request is there. This layer makes a refusal cheap:
//! a gateway that is asked four times as much as it can do spends its time on answers and not on refusals.

use std::{
    sync::Arc,
    task::{Context as TaskContext, Poll},
};

use http::Request;
use tokio::sync::Semaphore;
use tower::{Layer, Service};

use super::{BoxError, BoxFuture};
use crate::translate::overloaded;

/// See the module.
#[derive(Clone, Debug)]
pub(crate) struct ShedLoad {
    places: Arc<Semaphore>,
}

impl ShedLoad {
    pub(crate) fn new(places: &Arc<Semaphore>) -> Self {
        Self { places: Arc::clone(places) }
    }
}

impl<S> Layer<S> for ShedLoad {
    type Service = LoadShed<S>;

    fn layer(&self, inner: S) -> LoadShed<S> {
        LoadShed { inner, places: Arc::clone(&self.places) }
    }
}

/// The service of [`ShedLoad`].
#[derive(Clone, Debug)]
pub(crate) struct LoadShed<S> {
    inner: S,
    places: Arc<Semaphore>,
}

impl<S, B> Service<Request<B>> for LoadShed<S>
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

    fn call(&mut self, request: Request<B>) -> Self::Future {
        if self.places.available_permits() == 0 {
            return Box::pin(async { Err(overloaded("too many requests at once").into()) });
        }
        Box::pin(self.inner.call(request))
    }
}

#[cfg(test)]
mod tests {
    use tower::{ServiceExt, service_fn};

    use super::*;

    #[tokio::test]
    async fn nothing_is_spent_while_all_places_are_taken() {
        let places = Arc::new(Semaphore::new(1));
        let answers = service_fn(|_: Request<()>| async { Ok::<_, BoxError>(()) });
        let shed = ShedLoad::new(&places).layer(answers);
        let ask = || shed.clone().oneshot(Request::new(()));
        ask().await.unwrap();
        let taken = places.acquire().await.unwrap();
        ask().await.unwrap_err();
        drop(taken);
        ask().await.unwrap();
    }
}
