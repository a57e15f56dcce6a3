//! The contract between a dialect and everybody else.

use std::{borrow::Cow, collections::BTreeMap, fmt, ops::RangeInclusive};

use http::Method;
use percent_encoding::percent_decode_str;
use serde_json::Value;

use crate::{
    command::{Access, Command, Field, Outcome},
    error::{Error, Problem, Result},
    message::{Call, Reply, Request, Response},
    note::{Document, Note},
    routes::Template,
    sessions::Sessions,
    user::{Role, Scope, ScopeId, Text, UserId},
};

/// How one vendor's API speaks, as a server would and as a client would.
///
/// An adapter is a set of pure functions from values to values: no clock, no sockets, no environment, no randomness.
/// For any input it never panics; what it writes is valid against its own schemas; what it cannot carry, it notes.
/// The law suite of this crate (feature `laws`) tests these promises on any adapter.
///
/// Everything that crosses this border is bytes and plain data, so that an adapter can live behind a sandbox.
pub trait Adapter: fmt::Debug + Send + Sync {
    /// What the dialect is like, as data.
    fn dialect(&self) -> &Dialect;

    /// The same adapter with the operator's choices.
    ///
    /// # Errors
    ///
    /// What is wrong with the choices; the pointers lead into the configuration.
    fn configured(&self, mapping: &Mapping) -> Result<Box<dyn Adapter>, Vec<Problem>>;

    /// A user's id, from the way in which configuration writes it.
    ///
    /// # Errors
    ///
    /// What was expected instead.
    fn user_id(&self, id: &Value) -> Result<UserId, Cow<'static, str>>;

    /// A scope, from the way in which configuration writes its id.
    ///
    /// # Errors
    ///
    /// What was expected instead.
    fn scope(&self, id: &Value) -> Result<Scope, Cow<'static, str>>;

    /// The id that this number makes: a fresh user's, whose own vendor does not speak this dialect.
    ///
    /// No two numbers make the same id.
    fn fresh_user_id(&self, number: u64) -> UserId;

    /// Whether the one scope of this dialect is the other, or contains it.
    fn covers(&self, scope: &ScopeId, other: &ScopeId) -> bool {
        scope == other
    }

    /// Where a field stands in the dialect's documents, as a JSON Pointer.
    fn pointer(&self, field: &Field, document: Document) -> String;

    /// Where a list of users has, in its member of this number, what an answer that shows one user has at `pointer`.
    fn in_list(&self, pointer: &str, index: usize) -> String {
        format!("/{index}{pointer}")
    }

    /// As a server: what a request means.
    ///
    /// The request is expected to be valid against the dialect's schemas (see
    /// [`Validator`](crate::Validator)); any other gets an error as well, but a less detailed one.
    ///
    /// # Errors
    ///
    /// When it means nothing that can be done: malformed, invalid, or without a canonical counterpart.
    fn read(&self, request: &Request) -> Result<Reading>;

    /// As a server: what a request means that is valid against the dialect's schemas for certain, and has no member or
    /// parameter that they do not know. `None` is no verdict: whoever asks checks the request then, and reads it.
    ///
    /// A request that is read into types has been checked for most of what a schema says, and need not be parsed once
    /// more for the rest of it. An adapter that says nothing about it has every request checked.
    fn read_valid(&self, request: &Request) -> Option<Reading> {
        let _ = request;
        None
    }

    /// As a server: the answer that tells the client of `operation` what came of it.
    ///
    /// # Errors
    ///
    /// The operation, or an id in the outcome, is not the dialect's: the caller's fault.
    fn write(&self, operation: &str, outcome: &Outcome) -> Result<Writing>;

    /// As a server: the answer that tells the client why there is no other.
    fn write_error(&self, error: &Error) -> Response;

    /// As a client: what to do next about `command`, after these replies to the calls so far.
    ///
    /// The plan holds no state: the same command and replies give the same step, so that a plan can be printed,
    /// stored, and taken up again by somebody else. See [`Step`] for how it is driven.
    ///
    /// # Errors
    ///
    /// When the command cannot be done, or the last reply is a refusal or makes no sense.
    fn plan(&self, command: &Command, replies: &[Reply]) -> Result<Step>;

    /// As a client: whether the upstream did a write, by its reply and nothing else. For whoever sends it without its
    /// plan: to finish what somebody else left half done, or to take it back.
    ///
    /// # Errors
    ///
    /// The refusal, or why nobody can tell what the write did.
    fn accepted(&self, write: &Call, reply: &Reply) -> Result<()>;

    /// As a client: whether a user is as this write makes it, by the replies to the plan of
    /// [`GetUser`](Command::GetUser). So that of a write that got no answer it can be told that it was done.
    ///
    /// `None` where the vendor does not show it, or not in a way that tells. An adapter that says nothing about it can
    /// never tell.
    fn shows(&self, write: &Call, user: &[Reply]) -> Option<bool> {
        let _ = (write, user);
        None
    }

    /// As a client: for each of the writes of a plan, the call that takes it back after those that follow it were taken
    /// back, by the replies to the plan of [`GetUser`](Command::GetUser) before the first of them.
    ///
    /// `None` where there is no such call, or the vendor does not show what was there before. An adapter that says
    /// nothing about it can take nothing back, which does no harm where a change is one call.
    fn undo(&self, writes: &[Call], before: &[Reply]) -> Vec<Option<Call>> {
        let _ = before;
        vec![None; writes.len()]
    }

    /// As a server: how clients sign in with a name and a password, where the dialect has that.
    fn sessions(&self) -> Option<&dyn Sessions> {
        None
    }
}

/// What a request means.
#[derive(Clone, Debug, PartialEq)]
pub struct Reading {
    /// The name of the operation, one of the dialect's.
    pub operation: Cow<'static, str>,
    /// What it means.
    pub command: Command,
    /// What the command could not take along.
    pub notes: Vec<Note>,
}

/// An answer to a client.
#[derive(Clone, Debug, PartialEq)]
pub struct Writing {
    /// The answer.
    pub response: Response,
    /// What it could not show as it was.
    pub notes: Vec<Note>,
}

/// What to do next about a command.
///
/// The driver sends the first of the calls, adds the reply to those it has, and asks the plan again, until it is done.
/// Once a plan has named a write, the calls of later steps are the rest of the same list: all writes are known before
/// the first is sent. Only reads may be added behind it, when the reply to a write does not show the user. The notes are all that the plan has found so far; a driver that rejects losses must look at them
/// before it sends a write.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// Calls remain; at least one.
    Send {
        /// Those that are known to remain, in order.
        calls: Vec<Call>,
        /// What the calls cannot carry.
        notes: Vec<Note>,
    },
    /// The command is carried out.
    Done {
        /// What came of it.
        outcome: Outcome,
        /// What was not carried, there or back.
        notes: Vec<Note>,
    },
}

/// A dialect as data: what it is called, how it is reached, what it can do and carry.
#[derive(Debug)]
pub struct Dialect {
    /// Its name in configuration, such as `ecgrid`.
    pub name: &'static str,
    /// What all its paths start with, such as `/v2/`; `/` when there is nothing.
    pub prefix: &'static str,
    /// The media type of its documents.
    pub media_type: &'static str,
    /// Where a credential may stand in a request; a call to an upstream uses the first.
    pub credentials: &'static [CredentialStyle],
    /// Its operations.
    pub operations: Vec<Operation>,
    /// Paths that are about users, too, and none of the operations, such as `/{account}/users`.
    pub reserved: &'static [Template],
    /// The JSON Schema of its error documents.
    pub error_schema: &'static str,
    /// What it carries of a user; every other field is lost on the way through it.
    pub fields: &'static [FieldSupport],
    /// Whether pages of its lists are counted out, so that whoever is taken away moves all others up, past the end of a
    /// page.
    pub counts_pages: bool,
    /// The numbers that [`Adapter::fresh_user_id`] makes ids of, where nobody chooses others. No id is made of a number
    /// beyond the last.
    pub fresh_ids: RangeInclusive<u64>,
    /// What its documents refer to and every server has at the same place.
    pub files: &'static [File],
    /// The headers in which its servers say what they allow, if they do.
    pub rate_headers: Option<RateHeaders>,
}

impl Dialect {
    /// The operation of that name.
    pub fn operation(&self, name: &str) -> Option<&Operation> {
        self.operations.iter().find(|operation| operation.name == name)
    }

    /// The operation that a method and a path mean, with the parameters of the path.
    ///
    /// # Errors
    ///
    /// There is no such path, or not with this method.
    pub fn find<'a>(&'a self, method: &Method, path: &str) -> Result<(&'a Operation, Vec<String>), NoOperation> {
        let mut with_this_method = self.operations.iter().filter(|operation| operation.method == *method);
        with_this_method.find_map(|operation| Some((operation, operation.path.matches(path)?))).ok_or_else(|| {
            let others = self.operations.iter().filter(|operation| operation.path.matches(path).is_some());
            let allowed: Vec<_> = others.map(|operation| operation.method.clone()).collect();
            if allowed.is_empty() { NoOperation::NoSuchPath } else { NoOperation::MethodNotAllowed(allowed) }
        })
    }

    /// Whether a path is in the part of the API that the operations are about: at or below the head of one of them,
    /// which is what its template says before the first parameter, or at or below a reserved one. With `/users/{user}`
    /// that is all of `/users`.
    ///
    /// For whoever wants to pass on to a server what is none of the operations. On a translated route the users are
    /// another vendor's; a path of the users area that reached a server of the client's own vendor would read or
    /// change another directory, behind the translation's back. That must not be a matter of spelling, and every
    /// server reads paths in its own way. So a path is owned if any usual server could take it for one that is,
    /// minding no case, joining `//`, taking `\` for `/`, decoding `%2F`, leaving out `;parameters`, cutting off
    /// `.json`; and so is every path of which nobody can say what servers make of it: with `.` or `..`, encoded twice,
    /// with control characters, or not UTF-8.
    pub fn owns(&self, path: &str) -> bool {
        let heads = self.operations.iter().map(|operation| {
            let template = operation.path.to_string();
            template.split('{').next().unwrap_or_default().to_owned()
        });
        is_at_or_below(path, heads.chain(self.reserved.iter().map(Template::to_string)))
    }
}

/// Whether any usual server could take a path for one of these, or for one below; a segment in braces is any.
pub(crate) fn is_at_or_below(path: &str, mut heads: impl Iterator<Item = impl AsRef<str>>) -> bool {
    let Some(path) = spelled_out(path) else { return true };
    let path: Vec<_> = segments(&path).collect();
    heads.any(|above| {
        let above = above.as_ref().to_uppercase();
        let above: Vec<_> = segments(&above).collect();
        let fits = |(above, segment): (&&str, &&str)| above.starts_with('{') || is_taken_for(segment, above);
        above.len() <= path.len() && above.iter().zip(&path).all(fits)
    })
}

/// A path decoded and in capitals; `None` where servers differ too much to say where it leads.
fn spelled_out(path: &str) -> Option<String> {
    let path = percent_decode_str(path).decode_utf8().ok()?.to_uppercase();
    let encoded_twice = !percent_decode_str(&path).eq(path.bytes());
    let leads_elsewhere = segments(&path).any(|segment| segment.trim().chars().all(|character| character == '.'));
    (!encoded_twice && !leads_elsewhere && !path.contains(char::is_control)).then_some(path)
}

/// The segments of a path that is decoded, without empty ones and without `;parameters`.
fn segments(path: &str) -> impl Iterator<Item = &str> {
    let segments = path.split(['/', '\\']).map(|segment| segment.split(';').next().unwrap_or_default());
    segments.filter(|segment| !segment.is_empty())
}

/// Whether a segment is this one, or this one and something that is no part of a name, such as `.json`.
fn is_taken_for(segment: &str, name: &str) -> bool {
    let goes_on = |rest: &str| rest.starts_with(|next: char| next.is_alphanumeric() || matches!(next, '-' | '_'));
    segment.strip_prefix(name).is_some_and(|rest| !goes_on(rest))
}

/// Why no operation was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoOperation {
    /// No operation has this path.
    NoSuchPath,
    /// The path has other methods, these.
    MethodNotAllowed(Vec<Method>),
}

/// One operation of a dialect.
#[derive(Debug)]
pub struct Operation {
    /// Its name, such as `update-user`.
    pub name: &'static str,
    /// Its method.
    pub method: Method,
    /// Its path.
    pub path: Template,
    /// Whether it may change something.
    pub access: Access,
    /// The parameters that the query of a request may have.
    pub query: &'static [&'static str],
    /// The JSON Schema of its request; `None` when it has no body.
    pub request_schema: Option<&'static str>,
    /// The JSON Schema of its answer; `None` when it has no body.
    pub response_schema: Option<&'static str>,
    /// What becomes of it where the upstream speaks another dialect.
    pub translated: Translated,
}

/// What becomes of an operation in a translation. What is narrowed, and why something is refused, is told in a sentence
/// for people.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Translated {
    /// It means a command, with all that it can hold.
    Carried,
    /// It means a command, but not all that it can hold.
    Narrowed(&'static str),
    /// It means nothing elsewhere: to read it is [`ErrorKind::Unsupported`](crate::ErrorKind::Unsupported).
    Refused(&'static str),
}

impl Translated {
    /// The word for it, and the sentence.
    pub fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Carried => ("carried", ""),
            Self::Narrowed(remark) => ("narrowed", remark),
            Self::Refused(remark) => ("refused", remark),
        }
    }
}

/// A document that never changes and that a server of the dialect gives to everybody, such as a JSON-LD context.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct File {
    /// Its path.
    pub path: &'static str,
    /// Its media type.
    pub media_type: &'static str,
    /// Its text.
    pub text: &'static str,
}

/// In which headers of every answer a server says how many more calls it allows with the same credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateHeaders {
    /// How many calls it allows in a window.
    pub limit: &'static str,
    /// How many of them are left.
    pub remaining: &'static str,
    /// When the window ends, in seconds since 1970.
    pub reset: &'static str,
}

/// Where a request carries a credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CredentialStyle {
    /// The header, in lower case.
    pub header: &'static str,
    /// The scheme before it, such as `Bearer`; `None` when the header holds nothing else.
    pub scheme: Option<&'static str>,
}

/// How a dialect carries one field of a user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FieldSupport {
    /// The field's canonical name, as in [`Field::name`].
    pub field: &'static str,
    /// How a request sets it; empty when none can.
    pub set: &'static str,
    /// Where an answer shows it; empty when none does.
    pub shown: &'static str,
    /// What a reader must know besides.
    pub remark: &'static str,
}

/// The operator's choices of what a dialect's words mean.
#[derive(Clone, Debug, Default)]
pub struct Mapping {
    /// Preferences that the vendor has no documented names for: the dialect's name, and the canonical key.
    pub preferences: BTreeMap<Text, Text>,
    /// The most that a word of the dialect's role vocabulary may mean.
    pub roles: BTreeMap<Text, Role>,
}

#[cfg(test)]
mod tests {
    use super::*;

    const RESERVED: &[Template] = &[Template::new("/v3/{account}/users")];

    fn dialect(paths: &[&'static str]) -> Dialect {
        let operation = |path: &&'static str| Operation {
            name: "",
            method: Method::GET,
            path: Template::new(path),
            access: Access::Read,
            query: &[],
            request_schema: None,
            response_schema: None,
            translated: Translated::Carried,
        };
        Dialect {
            name: "",
            prefix: "/",
            media_type: "",
            credentials: &[],
            operations: paths.iter().map(operation).collect(),
            reserved: RESERVED,
            error_schema: "",
            fields: &[],
            counts_pages: false,
            fresh_ids: 0..=0,
            files: &[],
            rate_headers: None,
        }
    }

    #[track_caller]
    fn check(owned: bool, paths: &[&str]) {
        let dialect = dialect(&["/v2/users/{id:integer}/keys", "/v2/users/role", "/v2/roles"]);
        for path in paths {
            assert_eq!(dialect.owns(path), owned, "{path}");
        }
    }

    #[test]
    fn an_area_is_owned_with_all_below_it() {
        check(true, &["/v2/users", "/v2/users/", "/v2/users/1", "/v2/users/1/keys", "/v2/users/x/y/z", "/v2/roles/1"]);
        check(false, &["/", "/v2", "/v2/parcels", "/v2/parcels/users", "/users", "/v2/usersets", "/v2/users-old/1"]);
        check(false, &["/v2/parcels/a%20b/%2B1", "/v2/parcels/50%25", "/v2/parcels/caf%C3%A9", "/v2/parcels/a.b/"]);
    }

    #[test]
    fn what_is_reserved_is_owned_whatever_the_parameters() {
        check(true, &["/v3/a/users", "/v3/b/USERS/1", "/v3//c/users.json"]);
        check(false, &["/v3/a", "/v3/a/messages", "/v3/users", "/v3/a/b/users"]);
    }

    #[test]
    fn an_area_is_owned_however_it_is_spelled() {
        check(true, &["/V2/Users/1", "/v2/%75sers", "/v2/u%73er%53/1", "/v2//users", "//v2/users//1", "/v2%2Fusers"]);
        check(
            true,
            &["/v2\\users", "/v2/%5Cusers", "/v2/users;a=b/1", "/v2;a/;b/users", "/v2/users.json", "/v2/users%20"],
        );
        check(true, &["/v2/u\u{17f}ers"]);
    }

    #[test]
    fn what_leads_nobody_knows_where_is_owned() {
        check(true, &["/v2/users/../parcels", "/v2/parcels/../users", "/v2/parcels/%2e%2E/users", "/v2/./users"]);
        check(true, &["/v2/parcels/..;/users", "/v2/parcels%2f..%2fusers", "/v2/parcels\\..\\users", "/v2/parcels/.."]);
        check(
            true,
            &["/v2/%2575sers", "/v2/parcels/%252e%252e/users", "/v2/parcels/%FF", "/v2/parcels%00", "/v2/a%0Ab"],
        );
    }

    #[test]
    fn a_path_that_begins_with_a_parameter_owns_all() {
        assert!(dialect(&["/{account}/users"]).owns("/anything"));
        assert!(!dialect(&[]).owns("/anything"));
    }

    #[test]
    fn what_an_operation_is_found_for_is_owned() {
        let dialect = dialect(&["/v2/users/{id:integer}/keys", "/v2/users/role"]);
        for path in ["/v2/users/1/keys", "/v2/users/%2B/keys", "/v2/users/;/keys", "/v2/users/role"] {
            assert!(dialect.find(&Method::GET, path).is_ok() && dialect.owns(path), "{path}");
        }
    }
}
