//! Where an upstream's API begins.

use std::{fmt, net::IpAddr};

use http::{
    Uri,
    uri::{Authority, Scheme},
};
use serde::Deserialize;

/// Where an upstream's API begins: a scheme, an authority, and what all its paths start with.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(try_from = "String")]
pub struct BaseUrl {
    scheme: Scheme,
    authority: Authority,
    prefix: String,
}

impl BaseUrl {
    /// The scheme.
    pub fn scheme(&self) -> &Scheme {
        &self.scheme
    }

    /// The host, and the port where one is given.
    pub fn authority(&self) -> &Authority {
        &self.authority
    }

    /// What all paths start with, without the slash at its end; empty when there is nothing.
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// The name or address of the host, without the brackets that one of IPv6 has in a URL.
    pub fn host(&self) -> &str {
        self.authority.host().trim_start_matches('[').trim_end_matches(']')
    }

    /// Whether what is sent there is encrypted.
    pub fn is_secure(&self) -> bool {
        self.scheme == Scheme::HTTPS
    }

    /// Whether what is sent there stays on this machine.
    pub fn is_loopback(&self) -> bool {
        let host = self.host();
        host.eq_ignore_ascii_case("localhost") || host.parse().is_ok_and(|address: IpAddr| address.is_loopback())
    }
}

impl fmt::Display for BaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}{}", self.scheme, self.authority, self.prefix)
    }
}

impl TryFrom<String> for BaseUrl {
    type Error = &'static str;

    /// The messages never quote the text: its user info may hold a password.
    fn try_from(text: String) -> Result<Self, Self::Error> {
        const EXPECTED: &str = "expected an address such as https://partner.example/api or http://127.0.0.1:8102";
        if !text.contains("://") {
            return Err(EXPECTED);
        }
        if text.contains(['?', '#']) {
            return Err("expected no query and no fragment: only a scheme, a host and a path");
        }
        let parts = Uri::try_from(&text).map_err(|_| EXPECTED)?.into_parts();
        let (Some(scheme), Some(authority)) = (parts.scheme, parts.authority) else { return Err(EXPECTED) };
        if scheme != Scheme::HTTP && scheme != Scheme::HTTPS {
            return Err(EXPECTED);
        }
        if authority.as_str().contains('@') {
            return Err("expected no user name and no password in the address; `credential` is the place for them");
        }
        if authority.host().is_empty() || !is_port_sound(&authority) {
            return Err(EXPECTED);
        }
        let path = parts.path_and_query.as_ref().map_or("", |path| path.path());
        Ok(Self { scheme, authority, prefix: path.trim_end_matches('/').to_owned() })
    }
}

/// Whether there is no port, or one that can be connected to; `http` lets any digits pass.
fn is_port_sound(authority: &Authority) -> bool {
    authority.as_str() == authority.host() || authority.port_u16().is_some_and(|port| port > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &str) {
        let shown = BaseUrl::try_from(text.to_owned());
        assert_eq!(shown.as_ref().map(ToString::to_string).as_deref().unwrap_or("refused"), expected, "{text}");
    }

    #[test]
    fn addresses() {
        check("http://127.0.0.1:8102", "http://127.0.0.1:8102");
        check("http://partner.example/", "http://partner.example");
        check("HTTP://partner.example/api/v1/", "http://partner.example/api/v1");
        check("HTTPS://partner.example:8443/api", "https://partner.example:8443/api");
        check("http://[::1]:8102/x", "http://[::1]:8102/x");
        for bad in [
            "",
            "partner.example",
            "127.0.0.1:80",
            "/path",
            "ftp://partner.example",
            "http://",
            "http:///x",
            "http://partner.example:0",
            "http://partner.example:99999",
            "http://partner.example:",
            "http://partner.example/?a=b",
            "http://partner.example/#a",
            "http://user:password@partner.example",
            "http://partner example",
        ] {
            check(bad, "refused");
        }
    }

    #[test]
    fn loopback_is_this_machine() {
        let is_loopback = |host: &str| BaseUrl::try_from(format!("http://{host}")).unwrap().is_loopback();
        for here in ["127.0.0.1", "127.9.9.9:80", "[::1]:80", "localhost", "LOCALHOST:80"] {
            assert!(is_loopback(here), "{here}");
        }
        for elsewhere in ["10.0.0.1", "0.0.0.0", "[::2]", "localhost.partner.example", "127.0.0.1.partner.example"] {
            assert!(!is_loopback(elsewhere), "{elsewhere}");
        }
    }
}
