//! What follows a request on its way: its id, its trace, and when it began.

use std::{
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
    time::{SystemTime, UNIX_EPOCH},
};

use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode};
use interlingua_core::{Effect, Error, ErrorKind, Fault};
use opentelemetry_sdk::trace::SdkTracer;
use tokio::time::Instant;
use uuid::{Builder, fmt::Hyphenated};

use crate::{
    auth::Told,
    metrics::{self, Pair, Verb},
    repeat_key::RepeatKey,
    route::Route,
    spans::{CallSpan, RequestSpan},
};

/// The header that names a request, in and out and towards the upstream.
pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// The headers that say how often a client may call, and how much of that is left.
pub(crate) const RATE_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
pub(crate) const RATE_LEFT: HeaderName = HeaderName::from_static("ratelimit");
/// The header of an error that says whose fault it is.
pub(crate) const FAULT: HeaderName = HeaderName::from_static("interlingua-fault");
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

/// A request's id and trace.
#[derive(Clone, Debug)]
pub(crate) struct Context {
    pub(crate) request_id: HeaderValue,
    traceparent: Option<HeaderValue>,
    tracestate: Option<HeaderValue>,
    pub(crate) started: Instant,
    pub(crate) method: Verb,
    pub(crate) seen: Arc<Seen>,
    /// Where traces are on, and somebody waits for what comes of it.
    pub(crate) span: Option<RequestSpan>,
}

/// What the layers learn of a request on its way, for the event at its end.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// The name of the client.
    pub(crate) client: OnceLock<Arc<str>>,
    /// What the client is told of how often it may call.
    pub(crate) allowance: OnceLock<Told>,
    /// The name of the operation.
    pub(crate) operation: OnceLock<&'static str>,
    /// The key under which what came of the request is kept, for when it is sent again.
    pub(crate) repeat: OnceLock<RepeatKey>,
    /// The name of the upstream, where it is another than the route's.
    pub(crate) upstream: OnceLock<String>,
    /// How many calls were made of it so far.
    pub(crate) calls: AtomicU32,
    pub(crate) success: OnceLock<Success>,
    pub(crate) failure: OnceLock<Failure>,
}

/// What was done.
#[derive(Debug)]
pub(crate) struct Success {
    pub(crate) calls: usize,
    pub(crate) dropped: usize,
    pub(crate) narrowed: usize,
}

/// What went wrong, without a value of the request.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) kind: ErrorKind,
    pub(crate) effect: Effect,
    pub(crate) fault: Fault,
    /// Whether something was done, and taken back.
    pub(crate) is_undone: bool,
    pub(crate) message: String,
}

impl Context {
    /// A request of our own.
    pub(crate) fn new() -> Self {
        Self::of(&Method::GET, &HeaderMap::new(), None)
    }

    /// What is done without a request of the client of this name, but for it.
    pub(crate) fn for_client(name: &str) -> Self {
        let context = Self::new();
        // It is fresh.
        let _ = context.seen.client.set(name.into());
        context
    }

    /// A client's request: its own id where that is one, else a fresh one; and its own trace, or a fresh one where there is
    /// a tracer.
    pub(crate) fn of(method: &Method, headers: &HeaderMap, tracer: Option<&SdkTracer>) -> Self {
        let request_id = headers.get(REQUEST_ID).filter(|id| is_request_id(id)).cloned();
        let traceparent = headers.get(TRACEPARENT).filter(|value| is_traceparent(value.as_bytes())).cloned();
        let mut context = Self {
            request_id: request_id.unwrap_or_else(fresh_id),
            // A state without a valid parent is to be ignored (W3C Trace Context, section 3.3).
            tracestate: traceparent.as_ref().and_then(|_| headers.get(TRACESTATE)).cloned(),
            traceparent,
            started: Instant::now(),
            method: Verb::of(method),
            seen: Arc::default(),
            span: None,
        };
        let begin = |tracer| RequestSpan::begin(tracer, context.method, context.id(), context.traceparent.as_ref());
        context.span = tracer.map(begin);
        context
    }

    /// The context that a request was given; a fresh one where it has none.
    pub(crate) fn on<B>(request: &Request<B>) -> Self {
        request.extensions().get().cloned().unwrap_or_else(Self::new)
    }

    /// Notes which operation the request turned out to be for.
    pub(crate) fn is_for(&self, operation: &'static str) {
        // The first one counts; a request is for one operation.
        let _ = self.seen.operation.set(operation);
    }

    /// The request's id as text.
    pub(crate) fn id(&self) -> &str {
        self.request_id.to_str().unwrap_or_default()
    }

    /// The name of the client; empty where it is not known.
    pub(crate) fn client(&self) -> &str {
        self.seen.client.get().map_or("", AsRef::as_ref)
    }

    /// Notes what went wrong.
    pub(crate) fn fails(&self, error: &Error) {
        // The first one counts; what fails later fails because of it.
        let _ = self.seen.failure.set(Failure {
            kind: error.kind(),
            effect: error.effect(),
            fault: error.fault(),
            is_undone: !error.parts().is_empty() && error.kind() != ErrorKind::Partial,
            message: error.to_string(),
        });
    }

    /// Whose fault it is that a request is answered with this status; nobody's, where it is not an error. What passes and
    /// is one is judged by its status.
    fn fault(&self, status: StatusCode) -> Option<Fault> {
        let is_error = status.is_client_error() || status.is_server_error();
        let by_status = || is_error.then(|| Fault::of_refusal(status));
        self.seen.failure.get().map(|failure| failure.fault).or_else(by_status)
    }

    /// The same for the answer's header.
    pub(crate) fn fault_header(&self, route: Option<&Route>, status: StatusCode) -> Option<HeaderValue> {
        let fault = self.fault(status)?;
        // Nobody has sent anything on for a path that no route has.
        let upstream = route.map(|route| self.upstream(route)).filter(|_| fault == Fault::Upstream);
        let named = upstream.and_then(|name| HeaderValue::try_from(format!("{} {name}", fault.name())).ok());
        let nobody = if route.is_none() { Fault::Client } else { fault };
        Some(named.unwrap_or(HeaderValue::from_static(nobody.name())))
    }

    /// The name of the upstream that the request is for.
    pub(crate) fn upstream<'a>(&'a self, route: &'a Route) -> &'a str {
        self.seen.upstream.get().map_or(&route.upstream.name, String::as_str)
    }

    /// Counts the request, which has ended.
    pub(crate) fn count(&self, pair: &Pair, status: StatusCode) {
        let (method, took) = (self.method, self.started.elapsed());
        pair.count(metrics::Request { method, status, took, seen: &self.seen });
    }

    /// Notes that a call is made.
    pub(crate) fn calls(&self) {
        self.seen.calls.fetch_add(1, Relaxed);
    }

    /// Tells what became of the request, which has ended.
    ///
    /// The event holds ids, names and numbers; never a body, a credential, a path or an address.
    pub(crate) fn tell(&self, route: Option<&Route>, status: StatusCode) {
        let seen = &*self.seen;
        let face = route.map_or("", |route| route.face.dialect().name);
        let upstream = route.map_or("", |route| self.upstream(route));
        let client = self.client();
        let operation = seen.operation.get().copied().unwrap_or_default();
        let fault = self.fault(status);
        if let Some(route) = route {
            self.count(route.metrics_of(upstream), status);
        }
        if let Some(span) = &self.span {
            span.end(self, route, status, fault);
        }
        let fault = fault.map(Fault::name);
        let (status, refused) = (status.as_u16(), status.is_client_error());
        let duration_ms = self.started.elapsed().as_secs_f64() * 1000.0;
        let (calls, dropped, narrowed) =
            seen.success.get().map_or((0, 0, 0), |success| (success.calls, success.dropped, success.narrowed));
        match seen.failure.get() {
            // There may be thousands a second, and to tell of each would cost more than to refuse it.
            Some(Failure { kind: ErrorKind::Overloaded, message, .. }) => {
                if let Some(refused) = route.and_then(|route| route.shared.overloads.tell()) {
                    tracing::warn!(
                        request.id = self.id(),
                        face,
                        upstream,
                        client,
                        status,
                        fault,
                        refused,
                        error.message = message,
                        "requests refused: too much to do"
                    );
                }
            }
            None => tracing::info!(
                request.id = self.id(),
                face,
                upstream,
                client,
                operation,
                status,
                fault,
                duration_ms,
                calls,
                dropped,
                narrowed,
                "request answered"
            ),
            Some(Failure { kind, effect, message, .. }) if refused => tracing::info!(
                request.id = self.id(), face, upstream, client, operation, status, fault, duration_ms, error.kind = ?kind,
                error.effect = effect.name(), error.message = message, "request refused"
            ),
            // An answer that had begun before it failed has a status of its own.
            Some(Failure { kind, effect, message, .. }) => tracing::warn!(
                request.id = self.id(), face, upstream, client, operation, status, fault, duration_ms, error.kind = ?kind,
                error.effect = effect.name(), error.message = message, "request failed"
            ),
        }
    }

    /// Puts id and trace into the headers of a request to an upstream. It is part of the call's span, and of what the client
    /// is part of where there is none.
    pub(crate) fn pass_on(&self, call: &CallSpan, headers: &mut HeaderMap) {
        headers.insert(REQUEST_ID, self.request_id.clone());
        let traceparent = call.traceparent().or_else(|| self.traceparent.clone());
        for (name, value) in [(TRACEPARENT, traceparent), (TRACESTATE, self.tracestate.clone())] {
            match value {
                Some(value) => headers.insert(name, value),
                None => headers.remove(name),
            };
        }
    }
}

fn fresh_id() -> HeaderValue {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    // The time is what they are sorted by; nobody asks the system for chance, which is a call each time.
    let id = Builder::from_unix_timestamp_millis(since.as_millis() as u64, &rand::random()).into_uuid();
    let mut text = [0; Hyphenated::LENGTH];
    HeaderValue::from_str(id.hyphenated().encode_lower(&mut text))
        .expect("a UUID is made of hexadecimal digits and hyphens")
}

/// Ids go into logs and URLs: letters, digits and a few marks, and not too many of them.
fn is_request_id(id: &HeaderValue) -> bool {
    let id = id.as_bytes();
    (1..=128).contains(&id.len())
        && id.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b':'))
}

/// `00-<32 hex>-<16 hex>-<2 hex>`, lower case, ids not all zero (W3C Trace Context, section 3.2).
fn is_traceparent(value: &[u8]) -> bool {
    let parts: Vec<_> = value.split(|&byte| byte == b'-').collect();
    let [version, trace, parent, flags] = parts.as_slice() else { return false };
    let hex = |part: &[u8], length: usize| {
        part.len() == length && part.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    };
    let zero = |part: &[u8]| part.iter().all(|&byte| byte == b'0');
    hex(version, 2)
        && *version != b"ff"
        && hex(trace, 32)
        && !zero(trace)
        && hex(parent, 16)
        && !zero(parent)
        && hex(flags, 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clients_id_and_trace_are_passed_on_where_they_are_such() {
        let mut headers = HeaderMap::new();
        headers.insert(REQUEST_ID, HeaderValue::from_static("abc-123"));
        headers
            .insert(TRACEPARENT, HeaderValue::from_static("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"));
        headers.insert(TRACESTATE, HeaderValue::from_static("a=b"));
        let mut sent = HeaderMap::new();
        Context::of(&Method::GET, &headers, None).pass_on(&CallSpan::none(), &mut sent);
        assert_eq!(sent, headers);
    }

    #[test]
    fn what_is_none_is_replaced_or_left_out() {
        let mut headers = HeaderMap::new();
        headers.insert(REQUEST_ID, HeaderValue::from_static("a b"));
        headers.insert(TRACEPARENT, HeaderValue::from_static("00-0-0-01"));
        headers.insert(TRACESTATE, HeaderValue::from_static("a=b"));
        let mut sent = headers.clone();
        Context::of(&Method::GET, &headers, None).pass_on(&CallSpan::none(), &mut sent);
        assert_eq!(sent[REQUEST_ID].len(), 36);
        assert_eq!(sent.len(), 1);
    }

    #[test]
    fn traceparents() {
        for (value, valid) in [
            ("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", true),
            ("00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01", false),
            ("00-00000000000000000000000000000000-00f067aa0ba902b7-01", false),
            ("ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", false),
            ("", false),
        ] {
            assert_eq!(is_traceparent(value.as_bytes()), valid, "{value}");
        }
    }
}
