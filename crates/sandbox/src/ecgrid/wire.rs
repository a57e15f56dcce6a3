//! ECGrid's documents: the envelope, the user, its vocabulary.

use bytes::Bytes;
use http::header::{ALLOW, HeaderValue, RETRY_AFTER};
use http::{Response, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::assumed::ecgrid as assumed;
use crate::vendor::{Misrouted, json};

const MEDIA_TYPE: &str = "application/json; charset=utf-8";

/// A user as the vendor shows it: `UserIDInfo`, in the order of the vendor's pages.
#[derive(Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct User {
    pub(crate) user_id: i32,
    pub(crate) login: String,
    pub(crate) email: String,
    pub(crate) first_name: String,
    pub(crate) last_name: String,
    pub(crate) network_id: i32,
    pub(crate) mailbox_id: i32,
    pub(crate) auth_level: AuthLevel,
    pub(crate) status: Status,
    pub(crate) created: String,
    /// What Update Config stored.
    #[serde(skip)]
    pub(crate) config: Map<String, Value>,
    /// The API key handed out last.
    #[serde(skip)]
    pub(crate) key: Option<String>,
}

/// A network and its mailboxes.
#[derive(Clone)]
pub(crate) struct Network {
    pub(crate) id: i32,
    #[expect(dead_code, reason = "no endpoint of the users area shows it, but a reader of the data wants it")]
    pub(crate) name: &'static str,
    pub(crate) mailboxes: Vec<i32>,
}

/// A permission level, highest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) enum AuthLevel {
    Root,
    TechOps,
    NetOps,
    NetworkAdmin,
    NetworkUser,
    MailboxAdmin,
    MailboxUser,
    TPUser,
    General,
}

/// The state of a user.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Status {
    Development,
    Active,
    Preproduction,
    Suspended,
    Terminated,
}

/// The envelope of an answer without errors.
pub(crate) fn success(data: &impl Serialize) -> Response<Bytes> {
    #[derive(Serialize)]
    struct Success<'a, T> {
        success: bool,
        data: &'a T,
    }
    json(StatusCode::OK, MEDIA_TYPE, &Success { success: true, data })
}

/// A refusal, on its way to become an answer.
#[derive(Debug)]
pub(crate) struct Failure {
    status: StatusCode,
    code: &'static str,
    message: String,
    allow: Option<String>,
}

impl Failure {
    /// A refusal by status alone.
    pub(crate) fn of(status: StatusCode) -> Failure {
        Failure::new(status, assumed::code_of(status), status.canonical_reason().unwrap_or("Error"))
    }

    /// A parameter that is missing or breaks a constraint.
    pub(crate) fn parameter(field: &str, problem: &str) -> Failure {
        Failure::new(StatusCode::BAD_REQUEST, "InvalidParameter", format!("{field} {problem}"))
    }

    /// An object that does not exist.
    pub(crate) fn not_found(kind: &str, id: i32) -> Failure {
        Failure::new(StatusCode::NOT_FOUND, "ObjectNotFound", format!("{kind} {id} does not exist"))
    }

    /// An object that exists already.
    pub(crate) fn duplicate(message: &str) -> Failure {
        Failure::new(StatusCode::BAD_REQUEST, "DuplicateObject", message)
    }

    /// A caller without a known credential.
    pub(crate) fn unauthorized(code: &'static str, message: &str) -> Failure {
        Failure::new(StatusCode::UNAUTHORIZED, code, message)
    }

    /// A caller whose level is too low.
    pub(crate) fn denied(message: &str) -> Failure {
        Failure::new(StatusCode::FORBIDDEN, "AccessDenied", message)
    }

    /// The refusal in the vendor's envelope.
    pub(crate) fn response(&self) -> Response<Bytes> {
        let mut response = json(self.status, MEDIA_TYPE, &self.envelope());
        let headers = response.headers_mut();
        if let Some(allow) = self.allow.as_deref().and_then(|allow| HeaderValue::from_str(allow).ok()) {
            headers.insert(ALLOW, allow);
        }
        if self.status == StatusCode::TOO_MANY_REQUESTS {
            headers.insert(RETRY_AFTER, HeaderValue::from(assumed::RETRY_AFTER.as_secs()));
        }
        response
    }

    fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Failure {
        Failure { status, code, message: message.into(), allow: None }
    }

    fn envelope(&self) -> impl Serialize {
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Error<'a> {
            success: bool,
            error_code: &'static str,
            message: &'a str,
            data: (),
        }
        Error { success: false, error_code: self.code, message: &self.message, data: () }
    }
}

impl From<Misrouted> for Failure {
    fn from(misrouted: Misrouted) -> Failure {
        match misrouted {
            Misrouted::Path => Failure::of(StatusCode::NOT_FOUND),
            Misrouted::Method(allow) => Failure { allow: Some(allow), ..Failure::of(StatusCode::METHOD_NOT_ALLOWED) },
        }
    }
}
