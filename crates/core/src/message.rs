//! Requests, responses, calls and replies as plain values: nothing here sends or receives anything.

use std::{fmt, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode, header::RETRY_AFTER};

use crate::{
    command::{Access, Field},
    user::Text,
};

/// A request as a client of a face sent it: what an adapter needs of it.
#[derive(Clone, PartialEq)]
pub struct Request {
    /// The method.
    pub method: Method,
    /// The path as it came, percent-encoding included, without the query.
    pub path: Text,
    /// The query as it came, percent-encoding included; empty when there is none.
    pub query: Text,
    /// The body, decompressed; empty when there is none.
    pub body: Bytes,
}

impl Request {
    /// A request with a body.
    pub fn new(method: Method, path: impl Into<Text>, body: impl Into<Bytes>) -> Self {
        Self { method, path: path.into(), query: Text::default(), body: body.into() }
    }

    /// A GET request.
    pub fn get(path: impl Into<Text>) -> Self {
        Self::new(Method::GET, path, Bytes::new())
    }

    /// The same request with this query.
    #[must_use]
    pub fn with_query(self, query: impl Into<Text>) -> Self {
        Self { query: query.into(), ..self }
    }
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The query may hold what somebody searched for.
        debug_message(f.debug_struct("Request").field("method", &self.method).field("path", &self.path), &self.body)
    }
}

/// An answer of a face to its client.
#[derive(Clone, PartialEq)]
pub struct Response {
    /// The status.
    pub status: StatusCode,
    /// Headers beyond the media type, which is the dialect's.
    pub headers: HeaderMap,
    /// The body; empty when there is none.
    pub body: Bytes,
}

impl Response {
    /// An answer with a document.
    pub fn new(status: StatusCode, body: impl Into<Bytes>) -> Self {
        Self { status, headers: HeaderMap::new(), body: body.into() }
    }
}

impl fmt::Debug for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        debug_message(f.debug_struct("Response").field("status", &self.status), &self.body)
    }
}

/// One request to an upstream, as a value. Base URL, credential and connection are the caller's business.
#[derive(Clone, PartialEq)]
pub struct Call {
    /// The method.
    pub method: Method,
    /// The path and query, relative to the upstream's base URL.
    pub target: String,
    /// The body, a document of the dialect's media type; empty when there is none.
    pub body: Bytes,
    /// Whether it may change something.
    pub access: Access,
    /// Whether it can be sent again when nobody knows what came of it: twice has the effect of once, and the second
    /// answer is like the first.
    pub repeatable: bool,
    /// The fields of the command that it carries.
    pub fields: Vec<Field>,
}

impl Call {
    /// A call that only reads.
    pub fn read(method: Method, target: impl Into<String>) -> Self {
        let (target, access) = (target.into(), Access::Read);
        Self { method, target, body: Bytes::new(), access, repeatable: true, fields: Vec::new() }
    }

    /// A call that writes these fields, and is sent once.
    pub fn write(method: Method, target: impl Into<String>, body: impl Into<Bytes>, fields: Vec<Field>) -> Self {
        let (target, body, access) = (target.into(), body.into(), Access::Write);
        Self { method, target, body, access, repeatable: false, fields }
    }

    /// The same call, [repeatable](Self::repeatable).
    #[must_use]
    pub fn repeatable(self) -> Self {
        Self { repeatable: true, ..self }
    }
}

impl fmt::Debug for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        debug_message(
            f.debug_struct("Call")
                .field("method", &self.method)
                .field("path", &self.target.split('?').next().unwrap_or_default())
                .field("access", &self.access)
                .field("repeatable", &self.repeatable)
                .field("fields", &self.fields),
            &self.body,
        )
    }
}

/// An upstream's answer to a call.
#[derive(Clone, PartialEq)]
pub struct Reply {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
    /// Whether the call was sent before, and may have been done then: what this reply refuses may have been done all the
    /// same.
    pub repeated: bool,
}

impl Reply {
    /// An answer without headers.
    pub fn new(status: StatusCode, body: impl Into<Bytes>) -> Self {
        Self { status, headers: HeaderMap::new(), body: body.into(), repeated: false }
    }

    /// After which time a repeat makes sense, where the upstream says so in seconds.
    pub fn retry_after(&self) -> Option<Duration> {
        retry_after(&self.headers)
    }
}

/// After which time a repeat makes sense, where the headers of an answer say so in seconds.
pub fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(RETRY_AFTER)?.to_str().ok()?.parse().ok()?;
    Some(Duration::from_secs(seconds))
}

impl fmt::Debug for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        debug_message(f.debug_struct("Reply").field("status", &self.status), &self.body)
    }
}

/// Bodies hold personal data: only their size is shown.
fn debug_message(message: &mut fmt::DebugStruct<'_, '_>, body: &Bytes) -> fmt::Result {
    message.field("body_bytes", &body.len()).finish_non_exhaustive()
}
