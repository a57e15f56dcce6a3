//! Reads the body whole, within the limit and decompressed, so that what follows has it at hand.

use std::{
    mem,
    task::{Context as TaskContext, Poll},
};

use http::{Request, Response};
use hyper::body::Incoming;
use interlingua_core::{Error, ErrorKind};
use tokio::time::{Instant, timeout_at};
use tower::{Layer, Service};

use super::{BoxError, BoxFuture};
use crate::{
    body::{self, Body, ReadBody},
    route::Route,
    trace::Context,
};

/// See the module.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ReadBodies;

impl<S> Layer<S> for ReadBodies {
    type Service = BodiesRead<S>;

    fn layer(&self, inner: S) -> BodiesRead<S> {
        BodiesRead { inner }
    }
}

/// The service of [`ReadBodies`].
#[derive(Clone, Debug)]
pub(crate) struct BodiesRead<S> {
    inner: S,
}

impl<S> Service<Request<Incoming>> for BodiesRead<S>
where
    S: Service<Request<ReadBody>, Response = Response<Body>, Error = BoxError> + Clone + Send + 'static,
    S::Future: Send,
{
    type Response = Response<Body>;
    type Error = BoxError;
    type Future = BoxFuture<Response<Body>, BoxError>;

    fn poll_ready(&mut self, cx: &mut TaskContext<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Incoming>) -> Self::Future {
        // The one that was polled ready goes with the request.
        let clone = self.inner.clone();
        let mut inner = mem::replace(&mut self.inner, clone);
        Box::pin(async move {
            let limits = Route::of(&request)?.shared.limits.clone();
            let started = request.extensions().get::<Context>().map_or_else(Instant::now, |context| context.started);
            let (parts, body) = request.into_parts();
            let body = timeout_at(started + limits.deadline, body::read(&parts.headers, body, limits.body))
                .await
                .map_err(|_| Error::new(ErrorKind::Timeout, "the body took too long to arrive"))??;
            inner.call(Request::from_parts(parts, body)).await
        })
    }
}
