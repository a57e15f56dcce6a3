//! Gives every request its id, finds its route by the path in normal form, and tells at its end what became of it: one event a request.

use std::{
    convert::Infallible,
    sync::Arc,
    task::{Context as TaskContext, Poll},
};

use http::{Request, Response};
use tower::{Layer, Service};

use super::BoxFuture;
use crate::{
    body::Body,
    problem,
    route::{Route, Routes},
    target,
    trace::{Context, FAULT, RATE_LEFT, RATE_POLICY, REQUEST_ID},
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
        let context = Context::of(request.method(), request.headers(), self.routes.tracer());
        // A path that has no normal form is refused further down, in the words of the face that it comes nearest to.
        if let Ok(target) = target::normal(request.uri()) {
            *request.uri_mut() = target;
        }
        let Some(route) = self.routes.find(request.uri().path()).cloned() else {
            let response = problem::not_found("no route of this listener has the path");
            context.count(self.routes.nobody(), response.status());
            return Box::pin(std::future::ready(Ok(finish(response, &context, None))));
        };
        request.extensions_mut().insert(context.clone());
        request.extensions_mut().insert(Arc::clone(&route));
        let answer = self.inner.call(request);
        Box::pin(async move {
            let Ok(response) = answer.await;
            Ok(finish(response, &context, Some(&route)))
        })
    }
}

fn finish(mut response: Response<Body>, context: &Context, route: Option<&Route>) -> Response<Body> {
    response.headers_mut().insert(REQUEST_ID, context.request_id.clone());
    if let Some(told) = context.seen.allowance.get() {
        response.headers_mut().insert(RATE_POLICY, told.policy.clone());
        response.headers_mut().insert(RATE_LEFT, told.left.clone());
    }
    if let Some(fault) = context.fault_header(route, response.status()) {
        response.headers_mut().insert(FAULT, fault);
    }
    // Of an answer that is still arriving, whoever passes it on tells the end.
    if let Body::Left(_) = response.body() {
        context.tell(route, response.status());
    }
    response
}
