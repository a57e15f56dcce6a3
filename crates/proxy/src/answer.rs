//! The innermost service: a request whose client and body are known is passed or translated.

use std::{
    sync::Arc,
    task::{Context as TaskContext, Poll},
};

use http::{
    HeaderValue, Request, Response,
    header::{CONTENT_TYPE, ETAG},
};
use interlingua_core::{Access, Dialect, NoteKind, Result};
use tokio::time::Instant;
use tower::Service;

use crate::{
    body::{self, Body, ReadBody},
    layers::{BoxError, BoxFuture},
    pass::{self, Passing},
    prefer::{Handling, PREFERENCE_APPLIED},
    repeat_key::RepeatKey,
    repeats,
    report::{FIDELITY, Report},
    route::Route,
    sessions::{self, Asked},
    trace::{Context, Success},
    translate::{self, Answer},
    version,
    writing::to_its_end,
};

/// Answers requests by the route that was found for them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AnswerRequests;

impl Service<Request<ReadBody>> for AnswerRequests {
    type Response = Response<Body>;
    type Error = BoxError;
    type Future = BoxFuture<Response<Body>, BoxError>;

    fn poll_ready(&mut self, _: &mut TaskContext<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<ReadBody>) -> Self::Future {
        Box::pin(async move { Ok(answer(request).await?) })
    }
}

async fn answer(request: Request<ReadBody>) -> Result<Response<Body>> {
    let route = Arc::clone(Route::of(&request)?);
    if let Some(asked) = request.extensions().get::<Asked>().cloned() {
        return Box::pin(sessions::answer(&route, asked, &request)).await;
    }
    let operation = route.face.dialect().find(request.method(), request.uri().path());
    if let (Ok((operation, _)), Some(context)) = (&operation, request.extensions().get::<Context>()) {
        context.is_for(operation.name);
    }
    if operation.is_ok_and(|(operation, _)| operation.access == Access::Write) {
        let (shared, context) = (Arc::clone(&route.shared), Context::on(&request));
        match RepeatKey::of(request.headers())? {
            Some(key) => to_its_end(&shared, context, Box::pin(repeats::once(route, key, request))).await,
            None => to_its_end(&shared, context, Box::pin(by_route(route, request))).await,
        }
    } else {
        let known = version::known(request.headers());
        Ok(version::unless_known(known.as_deref(), Box::pin(by_route(route, request)).await?))
    }
}

/// A request as adapters read it.
pub(crate) fn read(request: &Request<ReadBody>) -> interlingua_core::Request {
    let uri = request.uri();
    interlingua_core::Request::new(request.method().clone(), uri.path(), request.body().decoded.clone())
        .with_query(uri.query().unwrap_or_default())
}

/// When a request's time is over.
pub(crate) fn deadline(route: &Route, context: &Context) -> Instant {
    context.started + route.shared.limits.deadline
}

/// Passes or translates a request.
///
/// # Errors
///
/// In the words of the canonical model.
pub(crate) async fn by_route(route: Arc<Route>, request: Request<ReadBody>) -> Result<Response<Body>> {
    let context = Context::on(&request);
    let deadline = deadline(&route, &context);
    let read = read(&request);
    let (parts, body) = request.into_parts();
    if route.passes() {
        let target = parts.uri.path_and_query().map_or("/", |target| target.as_str()).to_owned();
        let passing = Passing { method: parts.method, target, headers: parts.headers, body: body.raw };
        let response = Box::pin(pass::pass(&route, &read, passing, &context, deadline)).await?;
        // Nobody else sets it.
        let _ = context.seen.success.set(Success { calls: 1, dropped: 0, narrowed: 0 });
        Ok(response)
    } else {
        let answer = translate::translate(Arc::clone(&route), read, &parts.headers, context.clone(), deadline).await?;
        Ok(translated(&route, &context, answer, Handling::of(&parts.headers)))
    }
}

/// The answer to a translated request, with its headers, its report kept.
pub(crate) fn translated(
    route: &Route,
    context: &Context,
    answer: Answer,
    handling: Option<Handling>,
) -> Response<Body> {
    let Answer { response, version, operation, entries, calls } = answer;
    let count = |kind| entries.iter().filter(|entry| entry.kind == kind).count();
    // Nobody else sets it.
    let _ = context.seen.success.set(Success {
        calls,
        dropped: count(NoteKind::Dropped),
        narrowed: count(NoteKind::Narrowed),
    });
    let mut response = to_http(route.face.dialect(), response);
    if let Some(version) = version {
        response.headers_mut().insert(ETAG, version.header());
    }
    if let Some(handling) = handling {
        response.headers_mut().insert(PREFERENCE_APPLIED, HeaderValue::from_static(handling.applied()));
    }
    if entries.is_empty() {
        return response;
    }
    route.metrics.lost(&entries);
    let report = Report {
        id: context.id().to_owned(),
        face: route.face.dialect().name,
        upstream: route.upstream.name.clone(),
        operation: operation.into_owned(),
        entries,
        writes: Vec::new(),
    };
    if let Some(header) = report.header() {
        response.headers_mut().insert(FIDELITY, header);
    }
    route.shared.reports.keep(report);
    response
}

/// An adapter's answer as one of HTTP.
pub(crate) fn to_http(dialect: &Dialect, response: interlingua_core::Response) -> Response<Body> {
    let has_body = !response.body.is_empty();
    let mut http = Response::new(body::whole(response.body));
    *http.status_mut() = response.status;
    *http.headers_mut() = response.headers;
    if has_body {
        http.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(dialect.media_type));
    }
    http
}
