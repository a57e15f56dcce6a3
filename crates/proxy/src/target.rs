//! The target of a request: one spelling for each path, so that nobody reads it otherwise than we do.
//!
//! Only path and query of a target count. What else a client may write there (`GET http://elsewhere/…`), like its `Host`,
//! says nothing about where a request goes.

use std::borrow::Cow;

use http::{Uri, uri::PathAndQuery};
use interlingua_core::{Error, ErrorKind, Result};

/// The longest path and query together. Servers are to take 8000 bytes (RFC 9110, section 4.1).
const LONGEST: usize = 8 << 10;

/// The target with its path in normal form, and without a host.
///
/// # Errors
///
/// It is too long, has no path, or has something in its path that is not written as RFC 3986 wants it.
pub(crate) fn normal(target: &Uri) -> Result<Uri> {
    let path = normal_path(target.path())?;
    let query = target.query();
    if path.len() + query.map_or(0, str::len) > LONGEST {
        return Err(Error::new(ErrorKind::TargetTooLong, format!("path and query are longer than {LONGEST} bytes")));
    }
    if matches!(path, Cow::Borrowed(_)) && target.authority().is_none() {
        return Ok(target.clone());
    }
    let text = match query {
        Some(query) => format!("{path}?{query}"),
        None => path.into_owned(),
    };
    // The query came out of one that was legal.
    let target = PathAndQuery::try_from(text).map_err(|_| no_path())?;
    Ok(Uri::from(target))
}

/// The path in normal form (RFC 3986, section 6.2.2): no character is escaped that needs it not, escapes are in upper
/// case, and there are no dot segments.
fn normal_path(path: &str) -> Result<Cow<'_, str>> {
    if !path.starts_with('/') {
        return Err(no_path());
    }
    let is_plain = path.bytes().all(|byte| byte.is_ascii() && byte != b'%') && !path.contains("/.");
    if is_plain {
        return Ok(Cow::Borrowed(path));
    }
    Ok(Cow::Owned(without_dots(&unescaped(path.as_bytes())?)))
}

fn unescaped(path: &[u8]) -> Result<String> {
    let mut text = String::with_capacity(path.len());
    let mut bytes = path.iter().copied();
    while let Some(byte) = bytes.next() {
        match byte {
            b'%' => {
                let mut digit = || char::from(bytes.next()?).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
                let escaped = digit().zip(digit()).map(|(high, low)| high << 4 | low).ok_or_else(not_escaped)?;
                match escaped {
                    b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => text.push(escaped.into()),
                    // A server that is written in C ends a path at the first of them.
                    0..0x20 | 0x7f => return Err(malformed("the path has a control character")),
                    _ => escape(&mut text, escaped),
                }
            }
            0x80.. => escape(&mut text, byte),
            _ => text.push(byte.into()),
        }
    }
    Ok(text)
}

fn escape(text: &mut String, byte: u8) {
    text.push_str(&format!("%{byte:02X}"));
}

/// RFC 3986, section 5.2.4.
fn without_dots(path: &str) -> String {
    let mut kept = Vec::new();
    let mut segments = path.split('/').skip(1).peekable();
    while let Some(segment) = segments.next() {
        let is_last = segments.peek().is_none();
        match segment {
            "." | ".." => {
                if segment == ".." {
                    kept.pop();
                }
                if is_last {
                    kept.push("");
                }
            }
            other => kept.push(other),
        }
    }
    format!("/{}", kept.join("/"))
}

fn no_path() -> Error {
    malformed("the target of the request is no path")
}

fn not_escaped() -> Error {
    malformed("the path has a `%` without two hexadecimal digits")
}

fn malformed(message: &'static str) -> Error {
    Error::new(ErrorKind::Malformed, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(target: &str, expected: Option<&str>) {
        let found = normal(&target.parse().unwrap());
        assert_eq!(found.as_ref().ok().map(Uri::to_string).as_deref(), expected, "{target}");
        if let Ok(found) = found {
            assert_eq!(normal(&found).unwrap(), found, "a normal form is its own");
        }
    }

    #[test]
    fn a_path_has_one_spelling() {
        check("/v2/users/1042?a=%2f&b=%zz", Some("/v2/users/1042?a=%2f&b=%zz"));
        check("/v2/%75%73ers/%31042", Some("/v2/users/1042"));
        check("/v2/a%2fb%c3%a9é", Some("/v2/a%2Fb%C3%A9%C3%A9"));
        check("/v2/./users/../%2e%2E/users/./1042", Some("/users/1042"));
        check("/../../v2", Some("/v2"));
        check("/v2/users/..", Some("/v2/"));
        check("/v2/users/.", Some("/v2/users/"));
        check("/v2//users/", Some("/v2//users/"));
        check("/v2/.../.users/a..", Some("/v2/.../.users/a.."));
        // Encoded twice is not decoded twice, and what only looks like a dot segment is none.
        check("/v2/%252e%252e/users", Some("/v2/%252e%252e/users"));
        check("/v2/..%2fusers/..;/x", Some("/v2/..%2Fusers/..;/x"));
    }

    #[test]
    fn a_host_is_none_of_the_clients_to_choose() {
        check("http://evil.example/v2/users?x=1", Some("/v2/users?x=1"));
        check("http://evil.example?x=1", Some("/?x=1"));
        check("http://user@evil.example:81/%2e%2e/v2", Some("/v2"));
    }

    #[test]
    fn what_is_no_path_is_refused() {
        check("*", None);
        check("evil.example:443", None);
        check("/v2/%00", None);
        check("/v2/a%0d%0aX-Evil:%201", None);
        check("/v2/%7f", None);
        check("/v2/%", None);
        check("/v2/%4", None);
        check("/v2/%g0", None);
        check(&format!("/v2/{}", "a".repeat(LONGEST)), None);
        let kind = |target: &str| normal(&target.parse().unwrap()).unwrap_err().kind();
        assert_eq!(kind(&format!("/?{}", "a".repeat(LONGEST))), ErrorKind::TargetTooLong);
        assert_eq!(kind("/%"), ErrorKind::Malformed);
    }
}
