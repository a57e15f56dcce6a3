//! Gives every request its id, finds its route, and tells at its end what became of it: one event a request.
//!
//! The event holds ids, names and numbers; never a body, a credential, a path or an address.

use std::{
    convert::Infallible,
    task::{Context as TaskContext, Poll},
};

use http::{Request, Response};
use tower::{Layer, Service};

use super::BoxFuture;
use crate::{
    body::Body,
    problem,
    route::Routes,
    trace::{Context, Failure, REQUEST_ID},
};

/// See the module.
#[derive(Clone, Debug)]
pub(crate) struct TraceRequests {
    routes: Routes,
}

impl TraceRequests {
    pub(crate) fn new(routes: Routes) -> Self {
        Self { routes }
    }
}

impl<S> Layer<S> for TraceRequests {
    type Service = Traced<S>;

    fn layer(&self, inner: S) -> Traced<S> {
        Traced { inner, routes: self.routes.clone() }
    }
}

/// The service of [`TraceRequests`].
#[derive(Clone, Debug)]
pub(crate) struct Traced<S> {
    inner: S,
    routes: Routes,
}

impl<S, B> Service<Request<B>> for Traced<S>
where
    S: Service<Request<B>, Response = Response<Body>, Error = Infallible>,
    S::Future: Send + 'static,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<Response<Body>, Infallible>;

    fn poll_ready(&mut self, cx: &mut TaskContext<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let context = Context::of(request.headers());
        let Some(route) = self.routes.find(request.uri().path()).cloned() else {
            let mut response = problem::not_found("no route of this listener has the path");
            finish(&mut response, &context, "", "");
            return Box::pin(std::future::ready(Ok(response)));
        };
        let (face, upstream) = (route.face.dialect().name, route.upstream.name.clone());
        request.extensions_mut().insert(context.clone());
        request.extensions_mut().insert(route);
        let answer = self.inner.call(request);
        Box::pin(async move {
            let Ok(mut response) = answer.await;
            finish(&mut response, &context, face, &upstream);
            Ok(response)
        })
    }
}

fn finish(response: &mut Response<Body>, context: &Context, face: &str, upstream: &str) {
    response.headers_mut().insert(REQUEST_ID, context.request_id.clone());
    let seen = &*context.seen;
    let client = seen.client.get().map_or("", |name| name);
    let operation = seen.operation.get().map_or("", String::as_str);
    let status = response.status().as_u16();
    let duration_ms = context.started.elapsed().as_secs_f64() * 1000.0;
    let (calls, dropped, narrowed) =
        seen.success.get().map_or((0, 0, 0), |success| (success.calls, success.dropped, success.narrowed));
    match seen.failure.get() {
        None => tracing::info!(
            request.id = context.id(),
            face,
            upstream,
            client,
            operation,
            status,
            duration_ms,
            calls,
            dropped,
            narrowed,
            "request answered"
        ),
        Some(Failure { kind, effect, message }) if status >= 500 => tracing::warn!(
            request.id = context.id(), face, upstream, client, operation, status, duration_ms, error.kind = ?kind,
            error.effect = effect.name(), error.message = message, "request failed"
        ),
        Some(Failure { kind, effect, message }) => tracing::info!(
            request.id = context.id(), face, upstream, client, operation, status, duration_ms, error.kind = ?kind,
            error.effect = effect.name(), error.message = message, "request refused"
        ),
    }
}
