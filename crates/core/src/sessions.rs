//! How clients of a dialect sign in with a name and a password, and show a token from then on.

use std::fmt;

use bytes::Bytes;
use http::Method;

use crate::{
    adapter::is_at_or_below,
    command::Password,
    error::Result,
    message::Response,
    user::{Text, Timestamp, UserId},
};

/// The part of a dialect that is about its clients' sessions, as a server speaks it.
///
/// Whoever knows the clients answers here; no upstream is asked. Like all of an adapter, it does no I/O: who a client is,
/// what time it is and what a token says are the caller's business.
pub trait Sessions: fmt::Debug + Send + Sync {
    /// Where clients see to their sessions.
    fn endpoints(&self) -> &[SessionEndpoint];

    /// What somebody who wants to [log in](SessionAct::LogIn) says of itself.
    ///
    /// # Errors
    ///
    /// The body is no document of this kind. No value of it is in the words.
    fn read_login(&self, body: &Bytes) -> Result<Login>;

    /// The answer that tells what came of a request to one of the endpoints.
    ///
    /// # Errors
    ///
    /// An id in it is not the dialect's: the caller's fault.
    fn write(&self, outcome: &SessionOutcome) -> Result<Response>;

    /// Whether any usual server could take a path for one of the endpoints, or for one below. What is sent there may be a
    /// password, and is not to be passed on to anybody because of a spelling.
    fn owns(&self, path: &str) -> bool {
        is_at_or_below(path, self.endpoints().iter().map(|endpoint| endpoint.path))
    }
}

/// A place where clients see to their sessions. Its answers are documents of the dialect, and so are its refusals.
#[derive(Debug)]
pub struct SessionEndpoint {
    /// Its name, such as `log-in`; none of the operations is called so.
    pub name: &'static str,
    /// What is done there.
    pub act: SessionAct,
    /// Its method.
    pub method: Method,
    /// Its path.
    pub path: &'static str,
    /// The JSON Schema of its request; `None` when it has no body.
    pub request_schema: Option<&'static str>,
    /// The JSON Schema of its answer.
    pub response_schema: &'static str,
}

/// What a client does about its session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SessionAct {
    /// Begins one, with a name and a password.
    LogIn,
    /// Gets another token for it, that lasts longer.
    Refresh,
    /// Ends it.
    LogOut,
    /// Looks at it.
    Show,
    /// Looks which version of the API this is.
    Version,
}

impl SessionAct {
    /// Whether it needs no session, nor any other credential.
    pub fn is_for_anybody(self) -> bool {
        matches!(self, Self::LogIn | Self::Version)
    }
}

/// What somebody signs in with. `Debug` leaves it out.
#[derive(Clone, PartialEq, Eq)]
pub struct Login {
    /// The name.
    pub name: Text,
    /// The password.
    pub password: Password,
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Login(..)")
    }
}

/// What came of a request about a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SessionOutcome {
    /// It has begun, or lasts longer now: the token to show from now on.
    Token(SessionToken, Session),
    /// This is it.
    Session(Session),
    /// It has ended.
    Ended,
    /// The version is the dialect's own.
    Version,
}

/// Whose a session is, and until when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// The user that the client is.
    pub user: UserId,
    /// When its token ends.
    pub expires: Timestamp,
}

/// What a client shows instead of a key, as long as its session lasts. `Debug` leaves it out.
#[derive(Clone, PartialEq, Eq)]
pub struct SessionToken(pub String);

impl fmt::Debug for SessionToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionToken(..)")
    }
}
