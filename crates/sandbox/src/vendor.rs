//! What every stand-in is: a state machine from a request to a response, without sockets.

use bytes::Bytes;
use email_address::{EmailAddress, Options};
use http::{Method, Request, Response, StatusCode, header};
use serde::Serialize;
use serde_json::Value;

/// A vendor's API as a state machine.
///
/// It reads no clock and draws no random numbers: the same calls in the same order give the same answers.
pub trait Vendor: Send {
    /// Answers one call, and remembers what it changed.
    fn handle(&mut self, request: &Request<Bytes>) -> Response<Bytes>;

    /// The vendor's own error document for a status, for faults that a test injects. Changes nothing.
    fn error(&self, status: StatusCode) -> Response<Bytes>;

    /// Goes back to the starting data.
    fn reset(&mut self);

    /// What the vendor has stored for a user but never shows in an answer; `None` if there is no such user or store.
    fn stored_config(&self, user: &str) -> Option<Value>;
}

/// Why no endpoint was picked.
#[derive(Debug, PartialEq)]
pub(crate) enum Misrouted {
    /// Nothing lives at this path.
    Path,
    /// The path exists, with these methods only (the value of an `Allow` header).
    Method(String),
}

/// Picks the endpoint of a path by its method.
pub(crate) fn pick<E>(method: &Method, offered: Vec<(Method, E)>) -> Result<E, Misrouted> {
    if offered.is_empty() {
        return Err(Misrouted::Path);
    }
    let allow: Vec<String> = offered.iter().map(|(method, _)| method.to_string()).collect();
    let picked = offered.into_iter().find(|(offer, _)| offer == method);
    picked.map(|(_, endpoint)| endpoint).ok_or_else(|| Misrouted::Method(allow.join(", ")))
}

/// A response with a JSON body.
pub(crate) fn json(status: StatusCode, media_type: &'static str, document: &impl Serialize) -> Response<Bytes> {
    let body = serde_json::to_vec(document).expect("our documents have text keys and no fallible parts");
    let mut response = Response::new(Bytes::from(body));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static(media_type));
    response
}

/// The token of an `Authorization: Bearer` header.
pub(crate) fn bearer(headers: &http::HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// Whether a text is a bare e-mail address with a dotted domain.
pub(crate) fn is_email(text: &str) -> bool {
    let options = Options::default().without_display_text().without_domain_literal().with_required_tld();
    EmailAddress::parse_with_options(text, options).is_ok()
}

/// Sets a value if there is a new one.
pub(crate) fn set<T>(place: &mut T, new: Option<T>) {
    if let Some(new) = new {
        *place = new;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn picks_by_method() {
        let offered = || vec![(Method::GET, 1), (Method::PUT, 2)];
        assert_eq!(pick(&Method::PUT, offered()), Ok(2));
        assert_eq!(pick(&Method::POST, offered()), Err(Misrouted::Method("GET, PUT".into())));
        assert_eq!(pick::<i32>(&Method::GET, vec![]), Err(Misrouted::Path));
    }

    #[test]
    fn knows_an_address() {
        #[track_caller]
        fn check(text: &str, expected: bool) {
            assert_eq!(is_email(text), expected, "{text}");
        }
        check("john.smith@example.com", true);
        check("not+chuck@textus.example", true);
        check("", false);
        check("john", false);
        check("john@", false);
        check("john@localhost", false);
        check("John <john@example.com>", false);
        check("john@@example.com", false);
    }

    #[test]
    fn reads_a_bearer_token() {
        #[track_caller]
        fn check(value: &str, expected: Option<&str>) {
            let mut headers = http::HeaderMap::new();
            headers.insert(header::AUTHORIZATION, value.parse().unwrap());
            assert_eq!(bearer(&headers), expected);
        }
        check("Bearer abc", Some("abc"));
        check("bearer abc", Some("abc"));
        check("Basic abc", None);
        check("abc", None);
    }
}
