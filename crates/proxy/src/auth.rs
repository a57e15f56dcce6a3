//! Who a client is: its key, by the hash that the configuration holds.

use http::HeaderMap;
use interlingua_core::{CredentialStyle, Error, Result, Text, UserId};
use sha2::{Digest, Sha256};
use subtle::{Choice, ConditionallySelectable, ConstantTimeEq};

use crate::config::Client;

/// The clients that may call.
#[derive(Debug)]
pub(crate) struct Clients(Vec<Client>);

impl Clients {
    pub(crate) fn new(clients: Vec<Client>) -> Self {
        Self(clients)
    }

    /// The name of the client whose key a request carries at one of the places that its dialect has for it.
    ///
    /// # Errors
    ///
    /// There is no key, more than one, or nobody's.
    pub(crate) fn authenticate(&self, headers: &HeaderMap, styles: &[CredentialStyle]) -> Result<&str> {
        let Some((style, key)) = styles.iter().find_map(|style| Some((style, credential(headers, style)?))) else {
            let places: Vec<_> = styles.iter().map(place).collect();
            return Err(Error::unauthenticated(None, format!("a key is required: {}", places.join(" or "))));
        };
        key.and_then(|key| self.owner(key)).ok_or_else(|| {
            Error::unauthenticated(Some(style.header), format!("the key in {} is not known", style.header))
        })
    }

    /// The user that the client of this name is: a dialect, and its id there.
    pub(crate) fn user(&self, name: &str) -> Option<&(Text, UserId)> {
        self.0.iter().find(|client| client.name == name)?.user.as_ref()
    }

    /// Looks at every client, so that the time it takes says nothing about the key.
    fn owner(&self, key: &[u8]) -> Option<&str> {
        let hash: [u8; 32] = Sha256::digest(key).into();
        let mut found = 0_u64;
        let mut any = Choice::from(0);
        for (position, client) in self.0.iter().enumerate() {
            let same = client.key.ct_eq(&hash);
            found.conditional_assign(&(position as u64), same);
            any |= same;
        }
        let position = usize::try_from(found).ok()?;
        bool::from(any).then(|| self.0[position].name.as_str())
    }
}

/// The credential at one place: `None` when there is none, `Some(None)` when there is something else.
fn credential<'a>(headers: &'a HeaderMap, style: &CredentialStyle) -> Option<Option<&'a [u8]>> {
    let mut values = headers.get_all(style.header).iter();
    let value = values.next()?.as_bytes();
    if values.next().is_some() {
        return Some(None);
    }
    let Some(scheme) = style.scheme else { return Some(Some(value)) };
    let key = value.split_at_checked(scheme.len()).filter(|(start, _)| start.eq_ignore_ascii_case(scheme.as_bytes()));
    Some(key.and_then(|(_, rest)| rest.strip_prefix(b" ")).map(<[u8]>::trim_ascii))
}

fn place(style: &CredentialStyle) -> String {
    match style.scheme {
        Some(scheme) => format!("{}: {scheme} <key>", style.header),
        None => format!("{}: <key>", style.header),
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue};

    use super::*;

    const STYLES: &[CredentialStyle] = &[
        CredentialStyle { header: "x-api-key", scheme: None },
        CredentialStyle { header: "authorization", scheme: Some("Bearer") },
    ];

    #[track_caller]
    fn check(headers: &[(&'static str, &'static str)], expected: Result<&str, Option<&str>>) {
        let client = |name: &str, key: &str| Client { name: name.into(), key: Sha256::digest(key).into(), user: None };
        let clients = Clients::new(vec![client("first", "one"), client("second", "two")]);
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        match (clients.authenticate(&map, STYLES), expected) {
            (Ok(name), Ok(expected)) => assert_eq!(name, expected),
            (Err(error), Err(header)) => {
                assert_eq!(error.credential(), header);
                assert!(!error.message().contains("one"), "{error}");
            }
            (result, expected) => panic!("{result:?} is not {expected:?}"),
        }
    }

    #[test]
    fn keys() {
        check(&[("x-api-key", "one")], Ok("first"));
        check(&[("authorization", "Bearer two")], Ok("second"));
        check(&[("authorization", "bearer  two")], Ok("second"));
        check(&[("x-api-key", "one"), ("authorization", "Bearer nobody")], Ok("first"));
        check(&[], Err(None));
        check(&[("x-api-key", "")], Err(Some("x-api-key")));
        check(&[("x-api-key", "One")], Err(Some("x-api-key")));
        check(&[("x-api-key", "one"), ("x-api-key", "one")], Err(Some("x-api-key")));
        check(&[("authorization", "two")], Err(Some("authorization")));
        check(&[("authorization", "Basic two")], Err(Some("authorization")));
        check(&[("authorization", "Bearertwo")], Err(Some("authorization")));
    }
}
