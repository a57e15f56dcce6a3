//! Errors below, answers above: the one place where a failure becomes a response, in the dialect of the face.

use std::{
    convert::Infallible,
    sync::Arc,
    task::{Context as TaskContext, Poll},
};

use http::{
    HeaderValue, Request, Response,
    header::{ALLOW, RETRY_AFTER},
};
use interlingua_core::{Effect, Error, ErrorKind};
use tower::{Layer, Service, timeout::error::Elapsed};

use super::{BoxError, BoxFuture};
use crate::{answer, body::Body, problem, report::Report, route::Route, trace::Context};

/// See the module.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AnswerErrors;

impl<S> Layer<S> for AnswerErrors {
    type Service = ErrorsAnswered<S>;

    fn layer(&self, inner: S) -> ErrorsAnswered<S> {
        ErrorsAnswered { inner }
    }
}

/// The service of [`AnswerErrors`].
#[derive(Clone, Debug)]
pub(crate) struct ErrorsAnswered<S> {
    inner: S,
}

impl<S, B> Service<Request<B>> for ErrorsAnswered<S>
where
    S: Service<Request<B>, Response = Response<Body>, Error = BoxError>,
    S::Future: Send + 'static,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<Response<Body>, Infallible>;

    /// Ready although something below has failed, which says so in its answer.
    fn poll_ready(&mut self, cx: &mut TaskContext<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx).map(|_| Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let route = request.extensions().get::<Arc<Route>>().cloned();
        let context = request.extensions().get::<Context>().cloned();
        let answer = self.inner.call(request);
        Box::pin(async move {
            Ok(match answer.await {
                Ok(response) => response,
                Err(error) => {
                    let error = canonical(error);
                    if let Some(context) = &context {
                        context.fails(&error);
                    }
                    if let (Some(route), Some(context)) = (&route, &context)
                        && let Some(report) = Report::of_failure(route, context, &error)
                    {
                        route.shared.reports.keep(report);
                    }
                    refusal(route.as_deref(), &error)
                }
            })
        })
    }
}

/// Every way in which a request fails, as an error of ours.
fn canonical(error: BoxError) -> Error {
    match error.downcast::<Error>() {
        Ok(error) => *error,
        // The deadline of the whole request. What was under way may have had an effect.
        Err(error) if error.is::<Elapsed>() => {
            Error::new(ErrorKind::Timeout, "the request took too long").with_effect(Effect::Unknown)
        }
        // Nothing else is known to get here.
        Err(_) => Error::new(ErrorKind::Internal, "the gateway failed").with_effect(Effect::Unknown),
    }
}

/// A failure as the face's own error document.
pub(crate) fn refusal(route: Option<&Route>, error: &Error) -> Response<Body> {
    let mut response = match route {
        Some(route) => answer::to_http(route.face.dialect(), route.face.write_error(error)),
        None => problem::internal(),
    };
    let headers = response.headers_mut();
    if let Some(delay) = error.retry_after() {
        headers.insert(RETRY_AFTER, HeaderValue::from(delay.as_secs()));
    }
    if let Some(allowed) = error.allowed().and_then(|methods| HeaderValue::from_str(methods).ok()) {
        headers.insert(ALLOW, allowed);
    }
    response
}
