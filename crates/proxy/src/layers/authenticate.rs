//! Lets only known clients through, before a byte of their body is read.

use std::task::{Context as TaskContext, Poll};

use http::{Request, Response};
use interlingua_core::Error;
use tower::{Layer, Service};

use super::{BoxError, BoxFuture};
use crate::{body::Body, route::Route, trace::Context};

/// See the module.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Authenticate;

impl<S> Layer<S> for Authenticate {
    type Service = Authenticated<S>;

    fn layer(&self, inner: S) -> Authenticated<S> {
        Authenticated { inner }
    }
}

/// The service of [`Authenticate`].
#[derive(Clone, Debug)]
pub(crate) struct Authenticated<S> {
    inner: S,
}

impl<S, B> Service<Request<B>> for Authenticated<S>
where
    S: Service<Request<B>, Response = Response<Body>, Error = BoxError>,
    S::Future: Send + 'static,
{
    type Response = Response<Body>;
    type Error = BoxError;
    type Future = BoxFuture<Response<Body>, BoxError>;

    fn poll_ready(&mut self, cx: &mut TaskContext<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        match known(&request) {
            Ok(()) => Box::pin(self.inner.call(request)),
            Err(error) => Box::pin(std::future::ready(Err(error.into()))),
        }
    }
}

/// Whether the request is a known client's; notes whose.
fn known<B>(request: &Request<B>) -> Result<(), Error> {
    let route = Route::of(request)?;
    let name = route.shared.clients.authenticate(request.headers(), route.face.dialect().credentials)?;
    if let Some(context) = request.extensions().get::<Context>() {
        // Nobody else sets it.
        let _ = context.seen.client.set(name.into());
    }
    Ok(())
}
