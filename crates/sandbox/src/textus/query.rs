//! The query of `GET /users`, read and written.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use super::User;
use crate::assumed::textus as assumed;

const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~').remove(b'/');

/// What a caller looks for, and from which user on.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Query {
    text: Option<String>,
    /// Slugs.
    accounts: Vec<String>,
    /// The id of the first user of the page.
    pub(super) cursor: Option<String>,
}

impl Query {
    /// Reads a raw query; unknown parameters are ignored.
    pub(super) fn read(raw: &str) -> Query {
        let mut query = Query::default();
        for pair in raw.split('&') {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            let value = decode(value);
            match decode(key).as_str() {
                "q" => query.text = Some(value),
                "accounts[]" => query.accounts.push(slug(&value)),
                assumed::CURSOR => query.cursor = Some(value),
                _ => {}
            }
        }
        query
    }

    pub(super) fn matches(&self, user: &User) -> bool {
        let account = |slug: &String| user.memberships.iter().any(|membership| membership.account == *slug);
        let has = |text: &str, part: &str| text.to_lowercase().contains(part);
        let text = self.text.as_ref().map(|text| text.to_lowercase());
        text.is_none_or(|text| has(&user.name, &text) || has(&user.email, &text))
            && (self.accounts.is_empty() || self.accounts.iter().any(account))
    }

    /// The path and query of the page that begins at a user; the first page without one.
    pub(super) fn iri(&self, cursor: Option<&str>) -> String {
        let mut pairs = Vec::new();
        pairs.extend(self.text.as_ref().map(|text| format!("q={}", encode(text))));
        pairs.extend(self.accounts.iter().map(|slug| format!("accounts[]=/accounts/{}", encode(slug))));
        pairs.extend(cursor.map(|cursor| format!("{}={}", assumed::CURSOR, encode(cursor))));
        if pairs.is_empty() { "/users".to_owned() } else { format!("/users?{}", pairs.join("&")) }
    }
}

fn slug(value: &str) -> String {
    value.strip_prefix("/accounts/").unwrap_or(value).to_owned()
}

fn decode(text: &str) -> String {
    percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned()
}

fn encode(text: &str) -> String {
    utf8_percent_encode(text, ESCAPED).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_and_writes() {
        #[track_caller]
        fn check(raw: &str, iri: &str) {
            let query = Query::read(raw);
            assert_eq!(query.iri(query.cursor.as_deref()), iri, "{query:?}");
        }
        check("", "/users");
        check("other=1", "/users");
        check("q=chuck", "/users?q=chuck");
        check("q=a%20b+c%26d", "/users?q=a%20b%20c%26d");
        check("accounts[]=a&accounts%5B%5D=/accounts/b", "/users?accounts[]=/accounts/a&accounts[]=/accounts/b");
        check("cursor=wqyODPA&q=x", "/users?q=x&cursor=wqyODPA");
    }
}
