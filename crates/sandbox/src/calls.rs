//! The log of the calls that a stand-in received.

use std::collections::VecDeque;
use std::fmt;

use bytes::Bytes;
use http::header::{ACCEPT, ACCEPT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HeaderName, USER_AGENT};
use http::{HeaderMap, Method, Request};

/// The log keeps this many calls; older ones are dropped.
const KEPT: usize = 10_000;

/// Headers kept with their values. No credential may ever be among them.
const KEPT_HEADERS: [HeaderName; 7] = [
    ACCEPT,
    ACCEPT_ENCODING,
    CONTENT_LENGTH,
    CONTENT_TYPE,
    USER_AGENT,
    HeaderName::from_static("traceparent"),
    HeaderName::from_static("x-request-id"),
];

/// One call as it arrived, without the values of credentials.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct RecordedCall {
    /// The method.
    pub method: Method,
    /// The path with its query, as received.
    pub path_and_query: String,
    /// The names of all headers, in lower case and sorted.
    pub header_names: Vec<String>,
    /// The headers that say something about the body, the client or the trace; none of them carries a credential.
    pub headers: HeaderMap,
    /// The body, byte for byte; empty if none was sent.
    pub body: Bytes,
}

impl RecordedCall {
    /// Whether a body was sent.
    pub fn has_body(&self) -> bool {
        !self.body.is_empty()
    }

    /// The path without its query.
    pub fn path(&self) -> &str {
        self.path_and_query.split('?').next().unwrap_or_default()
    }

    pub(crate) fn of(request: &Request<Bytes>) -> RecordedCall {
        let uri = request.uri();
        let mut header_names: Vec<String> = request.headers().keys().map(ToString::to_string).collect();
        header_names.sort_unstable();
        RecordedCall {
            method: request.method().clone(),
            path_and_query: uri.path_and_query().map_or_else(|| uri.path().to_owned(), ToString::to_string),
            header_names,
            headers: kept_headers(request.headers()),
            body: request.body().clone(),
        }
    }
}

/// Leaves out the body and the query: they are about people.
impl fmt::Debug for RecordedCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RecordedCall")
            .field("method", &self.method)
            .field("path", &self.path())
            .field("body_bytes", &self.body.len())
            .finish_non_exhaustive()
    }
}

fn kept_headers(headers: &HeaderMap) -> HeaderMap {
    let kept = headers.iter().filter(|(name, _)| KEPT_HEADERS.contains(name));
    kept.map(|(name, value)| (name.clone(), value.clone())).collect()
}

/// The latest calls, oldest first.
#[derive(Default)]
pub(crate) struct CallLog(VecDeque<RecordedCall>);

impl CallLog {
    pub(crate) fn record(&mut self, request: &Request<Bytes>) {
        if self.0.len() == KEPT {
            self.0.pop_front();
        }
        self.0.push_back(RecordedCall::of(request));
    }

    pub(crate) fn calls(&self) -> Vec<RecordedCall> {
        self.0.iter().cloned().collect()
    }

    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call() -> RecordedCall {
        let request = Request::post("/v2/users/list?x=1")
            .header("X-API-Key", "secret")
            .header("Authorization", "Bearer secret")
            .header("Content-Type", "application/json")
            .body(Bytes::from_static(b"{ }"));
        RecordedCall::of(&request.unwrap())
    }

    #[test]
    fn keeps_names_of_credentials_only() {
        let call = call();
        assert_eq!(call.header_names, ["authorization", "content-type", "x-api-key"]);
        assert_eq!(call.headers.len(), 1);
        assert_eq!(call.headers["content-type"], "application/json");
    }

    #[test]
    fn debug_shows_no_body_and_no_query() {
        let shown = format!("{:?}", call());
        assert_eq!(shown, r#"RecordedCall { method: POST, path: "/v2/users/list", body_bytes: 3, .. }"#);
    }

    #[test]
    fn the_log_drops_the_oldest() {
        let mut log = CallLog::default();
        for n in 0..=KEPT {
            log.record(&Request::get(format!("/{n}")).body(Bytes::new()).unwrap());
        }
        let calls = log.calls();
        assert_eq!((calls.len(), calls[0].path()), (KEPT, "/1"));
    }
}
