//! Why a request was not carried out, and what the caller can make of it.

use std::{borrow::Cow, fmt, time::Duration};

use crate::{
    command::Field,
    note::{Note, Place},
};

/// The result of this crate's functions.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a request was not carried out.
///
/// A face writes it as its own error document with [`Adapter::write_error`](crate::Adapter::write_error).
pub struct Error(Box<Inner>);

struct Inner {
    kind: ErrorKind,
    effect: Effect,
    message: Cow<'static, str>,
    problems: Vec<Problem>,
    notes: Vec<Note>,
    parts: Vec<Part>,
    upstream: Option<Refusal>,
    retry_after: Option<Duration>,
    credential: Option<&'static str>,
    allowed: Option<String>,
    fault: Option<Fault>,
}

/// What kind of failure it was; a caller decides by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The body is not one JSON document, or a header is not what it must be.
    Malformed,
    /// The request breaks a rule of its own API; the problems name the fields.
    Invalid,
    /// The client's credential is missing or wrong.
    Unauthenticated,
    /// The client may not do this.
    Forbidden,
    /// There is no such object.
    NotFound,
    /// There is no such path.
    NoSuchPath,
    /// The path is there, but not with this method.
    MethodNotAllowed,
    /// An object with the same key exists.
    Conflict,
    /// The object is not, or not any more, as the client said that it must be.
    PreconditionFailed,
    /// The same request, which its client sent before, is not answered yet.
    InProgress,
    /// The client gave the key of a request that it sent before to another one.
    KeyReused,
    /// Too many requests.
    RateLimited,
    /// The body is larger than the limit.
    TooLarge,
    /// The path and the query are longer than the limit.
    TargetTooLong,
    /// The headers are larger, or more, than the limit.
    HeadTooLarge,
    /// The client took too long to send the request.
    TooSlow,
    /// The body is of a type or an encoding that is not read here.
    UnsupportedMedia,
    /// The upstream has no place for what was asked, and the route rejects losses.
    Unrepresentable,
    /// The upstream has no counterpart for the operation.
    Unsupported,
    /// The upstream could not be reached, or failed.
    Unavailable,
    /// The upstream's answer makes no sense.
    BadReply,
    /// The upstream, or all of the request, took too long.
    Timeout,
    /// The gateway has too much to do.
    Overloaded,
    /// Some parts of the request were applied and others were not.
    Partial,
    /// A fault of the gateway's own.
    Internal,
}

impl ErrorKind {
    /// Every kind.
    pub const ALL: [Self; 25] = [
        Self::Malformed,
        Self::Invalid,
        Self::Unauthenticated,
        Self::Forbidden,
        Self::NotFound,
        Self::NoSuchPath,
        Self::MethodNotAllowed,
        Self::Conflict,
        Self::PreconditionFailed,
        Self::InProgress,
        Self::KeyReused,
        Self::RateLimited,
        Self::TooLarge,
        Self::TargetTooLong,
        Self::HeadTooLarge,
        Self::TooSlow,
        Self::UnsupportedMedia,
        Self::Unrepresentable,
        Self::Unsupported,
        Self::Unavailable,
        Self::BadReply,
        Self::Timeout,
        Self::Overloaded,
        Self::Partial,
        Self::Internal,
    ];

    /// Its place in [`ALL`](Self::ALL).
    pub fn position(self) -> usize {
        self as usize
    }

    /// What a refusal with this status means, as far as HTTP goes. A refused credential is the gateway's own, and the
    /// client's was fine.
    pub fn of_refusal(status: http::StatusCode) -> Self {
        match status.as_u16() {
            403 => Self::Forbidden,
            404 | 410 => Self::NotFound,
            408 => Self::Timeout,
            409 => Self::Conflict,
            429 => Self::RateLimited,
            // What a server says of the connection (407, 421) is nothing that the request could change.
            401 | 407 | 421 | 500.. => Self::Unavailable,
            400..500 => Self::Invalid,
            _ => Self::BadReply,
        }
    }
}

/// What the failure means for the state of the upstream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Nothing was sent that could change anything.
    NothingSent,
    /// The upstream refused; what was refused had no effect.
    Refused,
    /// Something was sent, and nobody knows what it did.
    Unknown,
}

impl Effect {
    /// The word for it in logs.
    pub fn name(self) -> &'static str {
        match self {
            Self::NothingSent => "nothing sent",
            Self::Refused => "upstream refused",
            Self::Unknown => "outcome unknown",
        }
    }
}

/// Whose fault a failure is: who has to change something before the same request can succeed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fault {
    /// The client's: the request asks for what it may not have, or what is not there.
    Client,
    /// The gateway's, or its operator's.
    Gateway,
    /// The upstream's.
    Upstream,
}

impl Fault {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Client, Self::Gateway, Self::Upstream];

    /// The word for it in headers, logs and metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Gateway => "gateway",
            Self::Upstream => "upstream",
        }
    }

    /// Whose fault it is that an upstream answered with this status, as far as HTTP goes.
    pub fn of_refusal(status: http::StatusCode) -> Self {
        let refusal = Refusal { status, code: None, text: None };
        Error::refused(ErrorKind::of_refusal(status), refusal).fault()
    }

    /// The one place where it is decided.
    fn of(kind: ErrorKind, effect: Effect) -> Self {
        match kind {
            ErrorKind::Malformed
            | ErrorKind::Invalid
            | ErrorKind::Unauthenticated
            | ErrorKind::NotFound
            | ErrorKind::NoSuchPath
            | ErrorKind::MethodNotAllowed
            | ErrorKind::Conflict
            | ErrorKind::PreconditionFailed
            | ErrorKind::InProgress
            | ErrorKind::KeyReused
            | ErrorKind::TooLarge
            | ErrorKind::TargetTooLong
            | ErrorKind::HeadTooLarge
            | ErrorKind::TooSlow
            | ErrorKind::UnsupportedMedia
            | ErrorKind::Unrepresentable => Self::Client,
            // What the upstream forbids, it forbids our credential; and what it counts are the calls of all clients.
            ErrorKind::Forbidden | ErrorKind::RateLimited if effect == Effect::NothingSent => Self::Client,
            ErrorKind::Forbidden
            | ErrorKind::RateLimited
            | ErrorKind::Unavailable
            | ErrorKind::BadReply
            | ErrorKind::Timeout
            // Of half a request, the first half was accepted.
            | ErrorKind::Partial => Self::Upstream,
            ErrorKind::Unsupported | ErrorKind::Overloaded | ErrorKind::Internal => Self::Gateway,
        }
    }
}

/// One thing that is wrong with a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where.
    pub place: Place,
    /// What was expected there; a phrase, never with a value of the request in it.
    pub expected: Cow<'static, str>,
}

impl Problem {
    /// A problem at `place`.
    pub fn new(place: impl Into<Place>, expected: impl Into<Cow<'static, str>>) -> Self {
        Self { place: place.into(), expected: expected.into() }
    }
}

/// What became of one call of a plan that failed half way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// The fields that the call carried.
    pub fields: Vec<Field>,
    /// What became of them.
    pub state: PartState,
}

/// What became of a part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PartState {
    /// It was applied.
    Applied,
    /// The upstream refused it.
    Refused,
    /// It was sent, and nobody knows what it did.
    Unknown,
    /// It was not sent.
    NotSent,
    /// It was applied, and taken back.
    Undone,
}

impl PartState {
    /// The words for it in messages.
    pub fn name(self) -> &'static str {
        match self {
            Self::Applied => "applied",
            Self::Refused => "refused",
            Self::Unknown => "outcome unknown",
            Self::NotSent => "not sent",
            Self::Undone => "undone",
        }
    }
}

/// What the upstream said when it refused.
#[derive(Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Its status.
    pub status: http::StatusCode,
    /// Its own code, where it has codes.
    pub code: Option<String>,
    /// Its own words.
    pub text: Option<String>,
}

impl Error {
    /// An error before anything was sent.
    pub fn new(kind: ErrorKind, message: impl Into<Cow<'static, str>>) -> Self {
        Self(Box::new(Inner {
            kind,
            effect: Effect::NothingSent,
            message: message.into(),
            problems: Vec::new(),
            notes: Vec::new(),
            parts: Vec::new(),
            upstream: None,
            retry_after: None,
            credential: None,
            allowed: None,
            fault: None,
        }))
    }

    /// The request breaks rules of its own API.
    pub fn invalid(problems: Vec<Problem>) -> Self {
        let mut error = Self::new(ErrorKind::Invalid, "the request is not valid");
        error.0.problems = problems;
        error
    }

    /// The upstream has no place for the fields of these notes.
    pub fn unrepresentable(notes: Vec<Note>) -> Self {
        let mut error = Self::new(ErrorKind::Unrepresentable, "the upstream has no place for some of the fields");
        error.0.notes = notes;
        error
    }

    /// The credential in `header` is missing or wrong.
    pub fn unauthenticated(header: Option<&'static str>, message: impl Into<Cow<'static, str>>) -> Self {
        let mut error = Self::new(ErrorKind::Unauthenticated, message);
        error.0.credential = header;
        error
    }

    /// The upstream refused, in its own words, of which what is too long is left out. Where its status does not say so,
    /// nobody knows what it did.
    pub fn refused(kind: ErrorKind, mut refusal: Refusal) -> Self {
        for words in [&mut refusal.code, &mut refusal.text].into_iter().flatten() {
            *words = shortened(words, LONGEST_WORDS);
        }
        let mut error = Self::new(kind, "the upstream refused the request");
        error.0.effect = if refusal.is_unclear() { Effect::Unknown } else { Effect::Refused };
        error.0.upstream = Some(refusal);
        error
    }

    /// A write of several calls failed half way, for the reason `cause`.
    pub fn partial(parts: Vec<Part>, cause: Self) -> Self {
        let mut error = Self::new(ErrorKind::Partial, "the request was carried out in part");
        error.0.effect = cause.0.effect;
        error.0.fault = Some(cause.fault()).filter(|fault| *fault != Fault::Client);
        error.0.upstream = cause.0.upstream;
        error.0.retry_after = cause.0.retry_after;
        error.0.parts = parts;
        if error.0.upstream.is_none() {
            error.0.message = format!("the request was carried out in part: {}", cause.0.message).into();
        }
        error
    }

    /// A write of several calls failed half way, for the reason `cause`, and all that was applied was taken back: nothing
    /// is left of it.
    pub fn undone(parts: Vec<Part>, cause: Self) -> Self {
        let mut error = cause;
        error.0.parts = parts;
        error
    }

    /// The same error with the place in the request that it is about.
    #[must_use]
    pub fn with_problem(mut self, problem: Problem) -> Self {
        self.0.problems.push(problem);
        self
    }

    /// The same error with another effect.
    #[must_use]
    pub fn with_effect(mut self, effect: Effect) -> Self {
        self.0.effect = effect;
        self
    }

    /// The same error, where its kind does not tell whose fault it is.
    #[must_use]
    pub fn with_fault(mut self, fault: Fault) -> Self {
        self.0.fault = Some(fault);
        self
    }

    /// The same error with the time after which a repeat makes sense.
    #[must_use]
    pub fn with_retry_after(mut self, delay: Option<Duration>) -> Self {
        self.0.retry_after = delay;
        self
    }

    /// The same error with the methods that the path knows, as the `Allow` header wants them.
    #[must_use]
    pub fn with_allowed(mut self, methods: String) -> Self {
        self.0.allowed = Some(methods);
        self
    }

    /// What kind of failure it was.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// What it means for the state of the upstream.
    pub fn effect(&self) -> Effect {
        self.0.effect
    }

    /// Whose fault it is.
    pub fn fault(&self) -> Fault {
        // A credential that the upstream does not know is the one that the gateway was given.
        let unknown = self.0.upstream.as_ref().is_some_and(|refusal| refusal.status == http::StatusCode::UNAUTHORIZED);
        let of_credential = (unknown && self.0.kind == ErrorKind::Unavailable).then_some(Fault::Gateway);
        self.0.fault.or(of_credential).unwrap_or_else(|| Fault::of(self.0.kind, self.0.effect))
    }

    /// What happened, in general; the particulars are in the problems, notes and parts.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// What is wrong with the request.
    pub fn problems(&self) -> &[Problem] {
        &self.0.problems
    }

    /// What could not be carried.
    pub fn notes(&self) -> &[Note] {
        &self.0.notes
    }

    /// What became of each part of a write that failed half way.
    pub fn parts(&self) -> &[Part] {
        &self.0.parts
    }

    /// What the upstream said.
    pub fn upstream(&self) -> Option<&Refusal> {
        self.0.upstream.as_ref()
    }

    /// When a repeat makes sense.
    pub fn retry_after(&self) -> Option<Duration> {
        self.0.retry_after
    }

    /// The request header whose credential was refused; `None` when there was no credential.
    pub fn credential(&self) -> Option<&'static str> {
        self.0.credential
    }

    /// The methods that the path knows, when the request had another.
    pub fn allowed(&self) -> Option<&str> {
        self.0.allowed.as_deref()
    }

    /// Everything there is to tell a client, on one line; `pointer` turns places into the client's own pointers.
    ///
    /// ```
    /// use interlingua_core::{Error, Place, Problem};
    ///
    /// let error = Error::invalid(vec![Problem::new(Place::request("/userId"), "required, an integer")]);
    /// assert_eq!(error.describe(|_| unreachable!()), "the request is not valid: /userId: required, an integer");
    /// ```
    pub fn describe(&self, mut pointer: impl FnMut(&Field) -> String) -> String {
        let inner = &*self.0;
        let mut place = |place: &Place| match place {
            Place::Field(_, field) => pointer(field),
            Place::Pointer(_, pointer) => shortened(pointer, LONGEST_POINTER),
        };
        let mut details: Vec<String> = Vec::new();
        let problems = inner.problems.iter().map(|problem| (&problem.place, &problem.expected));
        let notes = inner.notes.iter().map(|note| (&note.place, &note.reason));
        details.extend(problems.chain(notes).take(MOST_DETAILS).map(|(at, words)| match place(at) {
            at if at.is_empty() => words.to_string(),
            at => format!("{at}: {words}"),
        }));
        let more = (inner.problems.len() + inner.notes.len()).saturating_sub(MOST_DETAILS);
        if more > 0 {
            details.push(format!("and {more} more"));
        }
        details.extend(inner.parts.iter().map(|part| {
            let fields: Vec<_> = part.fields.iter().map(&mut pointer).collect();
            format!("{}: {}", part.state.name(), fields.join(", "))
        }));
        if let Some(refusal) = &inner.upstream {
            details.push(refusal.describe());
        }
        if inner.effect == Effect::Unknown {
            details.push("the outcome at the upstream is unknown".to_owned());
        }
        if details.is_empty() {
            inner.message.to_string()
        } else {
            format!("{}: {}", inner.message, details.join("; "))
        }
    }
}

/// Without the words, which may quote a value.
impl fmt::Debug for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Refusal").field("status", &self.status).field("code", &self.code).finish_non_exhaustive()
    }
}

/// How many problems and notes a client is told of.
const MOST_DETAILS: usize = 100;
/// And a log line.
const MOST_LOGGED: usize = 10;
/// The most characters of a pointer: its last part is the client's to choose.
const LONGEST_POINTER: usize = 120;
/// And of an upstream's own words.
const LONGEST_WORDS: usize = 500;

fn shortened(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

impl Refusal {
    /// Whether the request may have been carried out all the same: the upstream failed (5xx), waited too long, or shows
    /// another place, which it also does with what came of a request (303). Not so where the request itself should have
    /// gone to that other place.
    fn is_unclear(&self) -> bool {
        match self.status.as_u16() {
            307 | 308 => false,
            408 | 300..400 | 500.. => true,
            _ => false,
        }
    }

    fn describe(&self) -> String {
        let mut words = format!("the upstream answered {}", self.status.as_u16());
        for part in [&self.code, &self.text].into_iter().flatten() {
            words.push_str(", ");
            words.push_str(part);
        }
        words
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let inner = &*self.0;
        f.debug_struct("Error")
            .field("kind", &inner.kind)
            .field("effect", &inner.effect)
            .field("message", &inner.message)
            .field("problems", &inner.problems)
            .field("notes", &inner.notes)
            .field("parts", &inner.parts)
            .field("upstream", &inner.upstream.as_ref().map(|refusal| (refusal.status, &refusal.code)))
            .finish_non_exhaustive()
    }
}

/// In canonical field names; an upstream's own words, which may quote a value, are left out.
impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)?;
        let problems = self.0.problems.iter().map(|problem| (&problem.place, &problem.expected));
        let notes = self.0.notes.iter().map(|note| (&note.place, &note.reason));
        for (place, words) in problems.chain(notes).take(MOST_LOGGED) {
            write!(f, "; {}: {words}", shortened(&place.to_string(), LONGEST_POINTER))?;
        }
        for part in &self.0.parts {
            write!(f, "; {}:", part.state.name())?;
            for field in &part.fields {
                write!(f, " {}", field.name())?;
            }
        }
        if let Some(refusal) = &self.0.upstream {
            write!(f, "; the upstream answered {}", refusal.status.as_u16())?;
        }
        Ok(())
    }
}

impl std::error::Error for Error {}

#[cfg(test)]
mod tests {
    use http::StatusCode;

    use super::*;

    #[test]
    fn a_status_tells_whether_something_may_have_been_done() {
        let effect = |status| {
            let refusal = Refusal { status: StatusCode::from_u16(status).unwrap(), code: None, text: None };
            Error::refused(ErrorKind::BadReply, refusal).effect()
        };
        for status in [200, 307, 308, 400, 403, 404, 409, 429] {
            assert_eq!(effect(status), Effect::Refused, "{status}");
        }
        for status in [300, 301, 302, 303, 304, 408, 500, 503, 599] {
            assert_eq!(effect(status), Effect::Unknown, "{status}");
        }
    }

    #[test]
    fn every_kind_stands_at_its_place() {
        for (position, kind) in ErrorKind::ALL.into_iter().enumerate() {
            assert_eq!(kind.position(), position, "{kind:?}");
        }
        assert_eq!(ErrorKind::Internal.position() + 1, ErrorKind::ALL.len(), "a new kind goes before the last one");
    }

    #[test]
    fn it_is_told_whose_fault_a_failure_is() {
        use Fault::{Client, Gateway, Upstream};
        for kind in ErrorKind::ALL {
            // Before anything was sent, by the upstream's refusal, and where nobody knows.
            let expected = match kind {
                ErrorKind::Forbidden | ErrorKind::RateLimited => [Client, Upstream, Upstream],
                ErrorKind::Unavailable | ErrorKind::BadReply | ErrorKind::Timeout | ErrorKind::Partial => [Upstream; 3],
                ErrorKind::Unsupported | ErrorKind::Overloaded | ErrorKind::Internal => [Gateway; 3],
                _ => [Client; 3],
            };
            let faults = [Effect::NothingSent, Effect::Refused, Effect::Unknown]
                .map(|effect| Error::new(kind, "").with_effect(effect).fault());
            assert_eq!(faults, expected, "{kind:?}");
            assert_eq!(Error::new(kind, "").with_fault(Upstream).fault(), Upstream);
        }
    }

    #[test]
    fn a_credential_that_is_refused_is_the_gateways() {
        let fault = |status| Fault::of_refusal(StatusCode::from_u16(status).unwrap());
        assert_eq!(
            [401, 403, 404, 422, 429, 500, 502, 302].map(fault).map(Fault::name),
            ["gateway", "upstream", "client", "client", "upstream", "upstream", "upstream", "upstream"]
        );
    }

    #[test]
    fn what_is_wrong_with_the_connection_is_not_the_clients_fault() {
        for status in [StatusCode::PROXY_AUTHENTICATION_REQUIRED, StatusCode::MISDIRECTED_REQUEST] {
            assert_eq!(ErrorKind::of_refusal(status), ErrorKind::Unavailable);
            assert_eq!(Fault::of_refusal(status), Fault::Upstream);
        }
    }

    #[test]
    fn an_upstreams_words_have_an_end() {
        let said = |words: String| {
            let refusal = Refusal { status: StatusCode::BAD_REQUEST, code: Some(words.clone()), text: Some(words) };
            Error::refused(ErrorKind::Invalid, refusal).upstream().cloned().unwrap()
        };
        let short = "ü".repeat(LONGEST_WORDS);
        assert_eq!(said(short.clone()).text.unwrap(), short);
        let Refusal { code, text, .. } = said("ü".repeat(8 << 20));
        assert_eq!((code.unwrap(), text.unwrap()), (format!("{short}…"), format!("{short}…")));
    }

    #[test]
    fn half_a_request_is_never_the_clients_fault() {
        for (kind, fault) in [
            (ErrorKind::Invalid, Fault::Upstream),
            (ErrorKind::Unavailable, Fault::Upstream),
            (ErrorKind::Internal, Fault::Gateway),
        ] {
            assert_eq!(Error::partial(Vec::new(), Error::new(kind, "")).fault(), fault, "{kind:?}");
        }
    }
}
