//! The controls of a stand-in over HTTP, under `/sandbox/`, where no vendor has a path.

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::calls::RecordedCall;
use crate::faults::{Action, Counted};
use crate::server::Inner;
use crate::vendor::{Misrouted, json as response, pick};

const MEDIA_TYPE: &str = "application/json; charset=utf-8";

/// Whether a path belongs to the controls.
pub(crate) fn is_control(path: &str) -> bool {
    path == "/sandbox" || path.starts_with("/sandbox/")
}

/// Answers a call of a control.
pub(crate) fn answer(inner: &mut Inner, request: &Request<Bytes>) -> Response<Bytes> {
    match pick(request.method(), controls(request.uri().path())) {
        Ok(Control::Calls) => response(StatusCode::OK, MEDIA_TYPE, &shown(&inner.calls.calls())),
        Ok(Control::ClearCalls) => done(|| inner.calls.clear()),
        Ok(Control::AddFault) => add_fault(inner, request.body()),
        Ok(Control::ClearFaults) => done(|| inner.faults.clear()),
        Ok(Control::Config(user)) => config(inner, user),
        Ok(Control::Reset) => done(|| inner.vendor.reset()),
        Err(Misrouted::Path) => refusal(StatusCode::NOT_FOUND, "no such control"),
        Err(Misrouted::Method(allow)) => refusal(StatusCode::METHOD_NOT_ALLOWED, &format!("use {allow}")),
    }
}

enum Control<'a> {
    Calls,
    ClearCalls,
    AddFault,
    ClearFaults,
    Config(&'a str),
    Reset,
}

fn controls(path: &str) -> Vec<(Method, Control<'_>)> {
    let segments: Vec<&str> = path.split('/').skip(2).collect();
    match segments[..] {
        ["calls"] => vec![(Method::GET, Control::Calls), (Method::DELETE, Control::ClearCalls)],
        ["faults"] => vec![(Method::POST, Control::AddFault), (Method::DELETE, Control::ClearFaults)],
        ["users", user, "config"] => vec![(Method::GET, Control::Config(user))],
        ["reset"] => vec![(Method::POST, Control::Reset)],
        _ => vec![],
    }
}

/// A call as the control shows it.
#[derive(Serialize)]
struct ShownCall {
    method: String,
    path: String,
    body: String,
}

fn shown(calls: &[RecordedCall]) -> Vec<ShownCall> {
    let show = |call: &RecordedCall| ShownCall {
        method: call.method.to_string(),
        path: call.path_and_query.clone(),
        body: String::from_utf8_lossy(&call.body).into_owned(),
    };
    calls.iter().map(show).collect()
}

/// A fault as a client asks for it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WantedFault {
    /// Absent: the next call.
    nth: Option<usize>,
    #[serde(default)]
    writes_only: bool,
    action: String,
    /// Of the answer; needed to fail, refused otherwise.
    status: Option<u16>,
}

fn add_fault(inner: &mut Inner, body: &[u8]) -> Response<Bytes> {
    let wanted: WantedFault = match serde_json::from_slice(body) {
        Ok(wanted) => wanted,
        Err(error) => return refusal(StatusCode::BAD_REQUEST, &error.to_string()),
    };
    let Some(action) = action(&wanted) else {
        let usage = r#"action is "fail" with a status from 400 to 599, or "hang" without"#;
        return refusal(StatusCode::BAD_REQUEST, usage);
    };
    let counted = if wanted.writes_only { Counted::Writes } else { Counted::All };
    done(|| inner.faults.add(wanted.nth.unwrap_or(1), counted, action))
}

fn action(wanted: &WantedFault) -> Option<Action> {
    match (wanted.action.as_str(), wanted.status) {
        ("fail", Some(status @ 400..=599)) => StatusCode::from_u16(status).ok().map(Action::Fail),
        ("hang", None) => Some(Action::Hang),
        _ => None,
    }
}

fn config(inner: &Inner, user: &str) -> Response<Bytes> {
    match inner.vendor.stored_config(user) {
        Some(config) => response(StatusCode::OK, MEDIA_TYPE, &config),
        None => refusal(StatusCode::NOT_FOUND, "nothing is stored for such a user"),
    }
}

fn done(act: impl FnOnce()) -> Response<Bytes> {
    act();
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = StatusCode::NO_CONTENT;
    response
}

fn refusal(status: StatusCode, problem: &str) -> Response<Bytes> {
    response(status, MEDIA_TYPE, &json!({"error": problem}))
}
