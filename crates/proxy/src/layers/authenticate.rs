//! Lets only known clients through, as often as they may call and for what they may do, before a byte of their body is
//! read.

use std::{
    sync::Arc,
    task::{Context as TaskContext, Poll},
};

use http::{Request, Response};
use interlingua_core::Error;
use tower::{Layer, Service};

use super::{Answering, BoxError};
use crate::{body::Body, connections::Connection, route::Route, trace::Context};

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
    S: Service<Request<B>, Response = Response<Body>, Error = BoxError, Future = Answering>,
{
    type Response = Response<Body>;
    type Error = BoxError;
    type Future = Answering;

    fn poll_ready(&mut self, cx: &mut TaskContext<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        match known(&request) {
            Ok(()) => self.inner.call(request),
            Err(error) => Box::pin(std::future::ready(Err(error.into()))),
        }
    }
}

/// Whether the request is a known client's; notes whose.
fn known<B>(request: &Request<B>) -> Result<(), Error> {
    let route = Route::of(request)?;
    let dialect = route.face.dialect();
    let address = request.extensions().get::<Arc<Connection>>().map(|connection| connection.address);
    let client = route.shared.clients.authenticate(request.headers(), dialect.credentials, address)?;
    let context = request.extensions().get::<Context>();
    if let Some(context) = context {
        // Nobody else sets it.
        let _ = context.seen.client.set(Arc::clone(&client.name));
    }
    if let Some(allowance) = &client.allowance {
        let (told, taken) = allowance.take();
        if let Some(context) = context {
            // Nobody else sets it.
            let _ = context.seen.allowance.set(told);
        }
        taken?;
    }
    client.may(dialect, &route.upstream.name, request.method(), request.uri().path())
}
