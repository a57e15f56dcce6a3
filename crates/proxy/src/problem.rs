//! Our own endpoints' errors (RFC 9457). A face never answers with one: it has its own.

use http::{
    HeaderValue, Response, StatusCode,
    header::{ALLOW, CONTENT_TYPE},
};
use serde_json::json;

use crate::body::{self, Body};

/// There is nothing at this path.
pub(crate) fn not_found(detail: &str) -> Response<Body> {
    problem(StatusCode::NOT_FOUND, detail)
}

/// The path is there, but not with this method.
pub(crate) fn method_not_allowed(method: &'static str) -> Response<Body> {
    let mut response = problem(StatusCode::METHOD_NOT_ALLOWED, &format!("this path is for {method}"));
    response.headers_mut().insert(ALLOW, HeaderValue::from_static(method));
    response
}

/// A fault of ours.
pub(crate) fn internal() -> Response<Body> {
    problem(StatusCode::INTERNAL_SERVER_ERROR, "the gateway failed")
}

/// Something else is in the way.
pub(crate) fn problem(status: StatusCode, detail: &str) -> Response<Body> {
    let document = json!({
        "type": "about:blank",
        "title": status.canonical_reason().unwrap_or_default(),
        "status": status.as_u16(),
        "detail": detail,
    });
    let mut response = Response::new(body::whole(document.to_string()));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    response
}
