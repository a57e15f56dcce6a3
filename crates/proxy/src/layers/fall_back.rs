//! Sends what is for none of the dialect's own operations another way, where the route has one (see `fallback`).

use std::{
    sync::Arc,
    task::{Context as TaskContext, Poll},
};

use http::{Request, Response};
use hyper::body::Incoming;
use tokio::sync::Semaphore;
use tower::{Layer, Service};

use super::{Answering, BoxError, InFlight};
use crate::{body::Body, fallback, route::Route, sessions::Asked};

/// See the module.
#[derive(Clone, Debug)]
pub(crate) struct FallBack {
    places: Arc<Semaphore>,
}

impl FallBack {
    /// What falls back takes one of `places`.
    pub(crate) fn new(places: &Arc<Semaphore>) -> Self {
        Self { places: Arc::clone(places) }
    }
}

impl<S> Layer<S> for FallBack {
    type Service = FallingBack<S>;

    fn layer(&self, inner: S) -> FallingBack<S> {
        FallingBack { inner, places: Arc::clone(&self.places) }
    }
}

/// The service of [`FallBack`].
#[derive(Clone, Debug)]
pub(crate) struct FallingBack<S> {
    inner: S,
    places: Arc<Semaphore>,
}

impl<S> Service<Request<Incoming>> for FallingBack<S>
where
    S: Service<Request<Incoming>, Response = Response<Body>, Error = BoxError, Future = Answering>,
{
    type Response = Response<Body>;
    type Error = BoxError;
    type Future = Answering;

    fn poll_ready(&mut self, cx: &mut TaskContext<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Incoming>) -> Self::Future {
        // Those about sessions are for us.
        let route = Route::of(&request).ok().filter(|_| request.extensions().get::<Asked>().is_none());
        let upstream = route.and_then(|route| route.fallback_for(request.method(), request.uri().path()));
        match upstream.map(Arc::clone) {
            Some(upstream) => {
                let place = InFlight::enter(&self.places, &request);
                Box::pin(async move { Ok(fallback::fall_back(request, &upstream, place?).await?) })
            }
            None => self.inner.call(request),
        }
    }
}
