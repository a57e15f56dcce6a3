//! Versions of users: `ETag` on answers that show one, `If-Match` on writes (RFC 9110, sections 8.8.3 and 13).
//!
//! Neither vendor has versions, so the gateway makes them: a version is a hash of the user as the face shows it, the
//! same whether it comes from a read or from the answer to a write. It tells of changes that were made past the gateway,
//! too, as long as they are made before the user is read for the write.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use http::{
    HeaderMap, HeaderName, HeaderValue, Response, StatusCode,
    header::{CONTENT_LENGTH, CONTENT_TYPE, ETAG, IF_MATCH, IF_NONE_MATCH},
};
use interlingua_core::{Access, Command, Error, ErrorKind, Outcome, Result, Role, ScopeId, User};
use sha2::{Digest, Sha256};

use crate::body::{self, Body};

/// How many bytes of a hash are enough: nobody gains by two users of one version.
const ENOUGH: usize = 16;
/// How many letters they are in Base64.
const LETTERS: usize = (ENOUGH * 4).div_ceil(3);

/// The entity tag of a user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Version(HeaderValue);

impl Version {
    /// The version of a user; `None` where too little is known of it.
    pub(crate) fn of(user: &User) -> Option<Self> {
        let hash = Sha256::digest(user.state()?);
        let mut tag = [b'"'; LETTERS + 2];
        URL_SAFE_NO_PAD.encode_slice(&hash[..ENOUGH], &mut tag[1..=LETTERS]).ok()?;
        HeaderValue::from_bytes(&tag).ok().map(Self)
    }

    /// The version of a user as an answer to a translated request shows it: the scope that was set last is no part of
    /// it, unless the user has a role there, for only then do later answers show it.
    pub(crate) fn translated(outcome: &Outcome) -> Option<Self> {
        let Outcome::User(user) = outcome else { return None };
        let granted =
            |id: &ScopeId| user.grants.iter().flatten().any(|grant| grant.scope.id == *id && grant.role > Role::None);
        match &user.primary_scope {
            Some(scope) if !granted(&scope.id) => Self::of(&User { primary_scope: None, ..(**user).clone() }),
            _ => Self::of(user),
        }
    }

    /// As a header has it.
    pub(crate) fn header(&self) -> HeaderValue {
        self.0.clone()
    }
}

/// What a client says that a user must be, for its request to be carried out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum IfMatch {
    /// There.
    Any,
    /// Of one of these versions, as headers have them.
    OneOf(Vec<String>),
}

impl IfMatch {
    /// What a write says; a read is carried out whatever it says.
    ///
    /// # Errors
    ///
    /// As [`of`](Self::of).
    pub(crate) fn on(access: Access, headers: &HeaderMap) -> Result<Option<Self>> {
        if access == Access::Write { Self::of(headers) } else { Ok(None) }
    }

    /// What the request says.
    ///
    /// # Errors
    ///
    /// It is none of the forms that the header may have.
    fn of(headers: &HeaderMap) -> Result<Option<Self>> {
        let malformed = || Error::new(ErrorKind::Malformed, "If-Match is neither `*` nor a list of entity tags");
        match condition(headers, &IF_MATCH) {
            None => Ok(None),
            Some(text) => text.as_deref().and_then(parse).ok_or_else(malformed).map(Some),
        }
    }

    /// Makes sure that the user, who is there, is as the client says.
    ///
    /// # Errors
    ///
    /// It is not.
    pub(crate) fn check(&self, version: Option<&Version>) -> Result<()> {
        let matches = match self {
            Self::Any => true,
            // Compared as strong ones are: a weak tag is nobody's.
            Self::OneOf(tags) => version.is_some_and(|version| tags.iter().any(|tag| *tag == version.0)),
        };
        matches.then_some(()).ok_or_else(no_match)
    }
}

/// The user is not as the client says. Who is yet to be created never is, whatever it says, `*` included.
pub(crate) fn no_match() -> Error {
    Error::new(ErrorKind::PreconditionFailed, "the user is not of the version in If-Match any more")
}

/// Refuses a write that is to be done only where there is no such user, or none of these versions.
///
/// # Errors
///
/// There is one, or `*` is not what the header says: there is `If-Match` for versions. Who is to be created is not there yet.
pub(crate) fn unless_there(command: &Command, access: Access, headers: &HeaderMap) -> Result<()> {
    let Some(text) = condition(headers, &IF_NONE_MATCH).filter(|_| access == Access::Write) else { return Ok(()) };
    match (text.as_deref().and_then(parse), command) {
        (Some(IfMatch::Any), Command::CreateUser(_)) => Ok(()),
        (Some(IfMatch::Any), _) => {
            Err(Error::new(ErrorKind::PreconditionFailed, "If-None-Match: there is such a user"))
        }
        _ => {
            Err(Error::new(ErrorKind::Malformed, "If-None-Match on a write can be `*` only; If-Match is for versions"))
        }
    }
}

/// The versions that the client of a read knows, as the header has them.
pub(crate) fn known(headers: &HeaderMap) -> Option<String> {
    condition(headers, &IF_NONE_MATCH).flatten()
}

/// The same answer to a read without its document, where the client knows the version already.
pub(crate) fn unless_known(known: Option<&str>, response: Response<Body>) -> Response<Body> {
    let Some(text) = known else { return response };
    let tag = response.headers().get(ETAG).and_then(|tag| tag.to_str().ok());
    let opaque = |tag: &str| tag.strip_prefix("W/").unwrap_or(tag).to_owned();
    let known = match (parse(text), tag) {
        (Some(IfMatch::Any), Some(_)) => true,
        (Some(IfMatch::OneOf(tags)), Some(tag)) => tags.iter().any(|known| opaque(known) == opaque(tag)),
        _ => false,
    };
    if response.status() != StatusCode::OK || !known {
        return response;
    }
    let (mut parts, _) = response.into_parts();
    parts.status = StatusCode::NOT_MODIFIED;
    for name in [CONTENT_LENGTH, CONTENT_TYPE] {
        parts.headers.remove(name);
    }
    Response::from_parts(parts, body::whole(""))
}

/// The values of a header as one; `Some(None)` where they are no text.
fn condition(headers: &HeaderMap, name: &HeaderName) -> Option<Option<String>> {
    let values: Vec<_> = headers.get_all(name).iter().map(|value| value.to_str().ok()).collect();
    (!values.is_empty()).then(|| Some(values.into_iter().collect::<Option<Vec<_>>>()?.join(",")))
}

/// `*`, or entity tags between commas, of which there may be some too many.
fn parse(text: &str) -> Option<IfMatch> {
    let mut rest = text.trim();
    if rest == "*" {
        return Some(IfMatch::Any);
    }
    let mut tags = Vec::new();
    loop {
        rest = rest.trim_start_matches([',', ' ', '\t']);
        if rest.is_empty() {
            return (!tags.is_empty()).then_some(IfMatch::OneOf(tags));
        }
        let opening = if rest.starts_with("W/") { 3 } else { 1 };
        if !rest[..opening.min(rest.len())].ends_with('"') {
            return None;
        }
        let end = opening + rest[opening..].find('"')? + 1;
        let tag = &rest[..end];
        if tag.contains([' ', '\t']) {
            return None;
        }
        tags.push(tag.to_owned());
        rest = rest[end..].trim_start();
        if !rest.is_empty() && !rest.starts_with(',') {
            return None;
        }
    }
}

#[cfg(test)]
mod tests {
    use interlingua_core::{Known, UserId};

    use super::*;

    fn headers(name: HeaderName, values: &[&'static str]) -> HeaderMap {
        values.iter().map(|value| (name.clone(), HeaderValue::from_static(value))).collect()
    }

    #[track_caller]
    fn check(values: &[&'static str], expected: Option<&[&str]>) {
        let tags = |tags: &[&str]| IfMatch::OneOf(tags.iter().map(ToString::to_string).collect());
        let read = IfMatch::of(&headers(IF_MATCH, values));
        assert_eq!(read.ok().flatten(), expected.map(tags), "{values:?}");
    }

    #[test]
    fn a_write_is_not_done_where_there_is_a_user_who_must_not_be() {
        let (one, any) = (headers(IF_NONE_MATCH, &[r#""a""#]), headers(IF_NONE_MATCH, &["*"]));
        let none = HeaderMap::new();
        let delete = Command::DeleteUser { user: UserId::new("1"), removal: interlingua_core::Removal::Permanent };
        let kind = |access, headers| unless_there(&delete, access, headers).map_err(|error| error.kind());
        assert_eq!(kind(Access::Write, &any), Err(ErrorKind::PreconditionFailed));
        assert_eq!(kind(Access::Write, &one), Err(ErrorKind::Malformed));
        assert_eq!(kind(Access::Write, &none), Ok(()));
        assert_eq!(kind(Access::Read, &one), Ok(()));
    }

    #[test]
    fn conditions() {
        check(&[], None);
        check(&[r#""a""#], Some(&[r#""a""#]));
        check(&[r#""a", W/"b" ,"c,d","""#], Some(&[r#""a""#, r#"W/"b""#, r#""c,d""#, r#""""#]));
        check(&[r#""a""#, r#""b""#], Some(&[r#""a""#, r#""b""#]));
        check(&[r#", "a",,"#], Some(&[r#""a""#]));
        assert_eq!(IfMatch::of(&headers(IF_MATCH, &[" * "])).unwrap(), Some(IfMatch::Any));
        for malformed in ["", "a", r#""a"#, r#""a" "b""#, r#"W/a"#, r#"w/"a""#, r#"*, "a""#, r#""a b""#, "W", "W/", ","]
        {
            let error = IfMatch::of(&headers(IF_MATCH, &[malformed])).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Malformed, "{malformed}");
        }
    }

    #[test]
    fn only_the_very_version_matches() {
        let user = User { grants: Some(Vec::new()), ..User::new(UserId::new("7")) };
        let version = Version::of(&user).unwrap();
        let tag = version.header().to_str().unwrap().to_owned();
        let one_of = |tag: &str| IfMatch::OneOf(vec!["\"x\"".into(), tag.into()]);
        assert!(one_of(&tag).check(Some(&version)).is_ok() && IfMatch::Any.check(None).is_ok());
        for (condition, version) in [(one_of(&format!("W/{tag}")), Some(&version)), (one_of(&tag), None)] {
            assert_eq!(condition.check(version).unwrap_err().kind(), ErrorKind::PreconditionFailed);
        }
        let other = Version::of(&User { email: Known::Null, ..user });
        assert!(one_of(&tag).check(other.as_ref()).is_err());
    }

    /// A client may keep a version for as long as it likes.
    #[test]
    fn versions_last() {
        let user = User { grants: Some(Vec::new()), ..User::new(UserId::new("7")) };
        assert_eq!(Version::of(&user).unwrap().header(), "\"PG7AMmxRj-OGCl0VUU4maw\"");
    }

    #[test]
    fn who_knows_a_version_is_not_shown_it_again() {
        let answer = || {
            let mut response = Response::new(body::whole("document"));
            response.headers_mut().insert(ETAG, HeaderValue::from_static("\"a\""));
            response
        };
        let shown = |value| unless_known(known(&headers(IF_NONE_MATCH, &[value])).as_deref(), answer()).status();
        for known in ["\"b\", W/\"a\"", "*"] {
            assert_eq!(shown(known), StatusCode::NOT_MODIFIED, "{known}");
        }
        for other in ["\"b\"", "a"] {
            assert_eq!(shown(other), StatusCode::OK, "{other}");
        }
        assert_eq!(unless_known(None, answer()).status(), StatusCode::OK);
    }
}
