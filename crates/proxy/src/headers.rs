//! Headers on their way through: which of them stay behind.

use http::{
    HeaderMap, HeaderName, HeaderValue,
    header::{
        CONNECTION, COOKIE, EXPECT, FORWARDED, HOST, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, TE, TRANSFER_ENCODING,
        UPGRADE,
    },
};

/// Removes from a client's headers what an upstream is not to hear from it. The rule, for both kinds of routes on which
/// headers pass:
///
/// - what is for one connection stays behind, and so do `Host` and `Expect`;
/// - so do credentials, of whatever dialect: they were meant for the gateway;
/// - so does what tells a server another method, path, host or sender than the request has;
/// - so does a name with anything but letters, digits and `-` in it, for many a server takes `X_API_Key` for `X-API-Key`;
/// - everything else passes, cookies in one line, as HTTP/2 may have them in several (RFC 9113, section 8.2.3).
pub(crate) fn remove_ours(headers: &mut HeaderMap, credentials: &[HeaderName]) {
    remove_hop_by_hop(headers);
    let ours: Vec<HeaderName> = headers.keys().filter(|name| is_ours(name.as_str(), credentials)).cloned().collect();
    for name in ours {
        headers.remove(name);
    }
    let cookies: Vec<_> = headers.get_all(COOKIE).iter().map(HeaderValue::as_bytes).collect();
    // What is made of values is a value.
    if let (2.., Ok(cookies)) = (cookies.len(), HeaderValue::from_bytes(&cookies.join(&b"; "[..]))) {
        headers.insert(COOKIE, cookies);
    }
}

/// Whether a header, or a trailer, of this name stays behind. In lower case.
pub(crate) fn is_ours(name: &str, credentials: &[HeaderName]) -> bool {
    let is_plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    !is_plain
        || name.starts_with("x-forwarded-")
        || [HOST, EXPECT, FORWARDED].iter().chain(credentials).any(|ours| ours == name)
        || IN_DISGUISE.contains(&name)
}

/// Headers that some server takes for the request's own method, path, host or sender.
const IN_DISGUISE: &[&str] = &[
    "client-ip",
    "true-client-ip",
    "x-client-ip",
    "x-cluster-client-ip",
    "x-host",
    "x-http-host-override",
    "x-http-method",
    "x-http-method-override",
    "x-method-override",
    "x-original-host",
    "x-original-uri",
    "x-original-url",
    "x-real-ip",
    "x-rewrite-url",
];

/// Removes the headers that are for one connection only (RFC 9110, section 7.6.1).
///
/// `Trailer` is none of them; whoever lets no trailers through removes it, too.
pub(crate) fn remove_hop_by_hop(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = list(headers, &CONNECTION).filter_map(|name| name.parse().ok()).collect();
    for name in named {
        headers.remove(name);
    }
    for name in [CONNECTION, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, TE, TRANSFER_ENCODING, UPGRADE] {
        headers.remove(name);
    }
    for name in ["keep-alive", "proxy-connection"] {
        headers.remove(name);
    }
}

/// The members of a header that is a list.
pub(crate) fn list<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a str> {
    let values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).map(str::trim)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cookies_are_one_line() {
        let lines = |lines: &[&'static str]| {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append(COOKIE, HeaderValue::from_static(line));
            }
            remove_ours(&mut headers, &[]);
            headers.get_all(COOKIE).iter().cloned().collect::<Vec<_>>()
        };
        assert_eq!(lines(&[]), [""; 0]);
        assert_eq!(lines(&["a=1"]), ["a=1"]);
        assert_eq!(lines(&["a=1; b=2", "c=3", "d=4"]), ["a=1; b=2; c=3; d=4"]);
    }

    #[test]
    fn headers_of_one_connection_stay_behind() {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("connection", "close, X-Secret"),
            ("x-secret", "1"),
            ("keep-alive", "timeout=5"),
            ("te", "trailers"),
            ("transfer-encoding", "chunked"),
            ("upgrade", "h2c"),
            ("proxy-authorization", "Basic x"),
            ("accept", "*/*"),
        ] {
            headers.append(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        remove_hop_by_hop(&mut headers);
        assert_eq!(headers.keys().collect::<Vec<_>>(), ["accept"]);
    }

    #[test]
    fn what_an_upstream_is_not_to_hear_stays_behind() {
        let credentials = [HeaderName::from_static("x-api-key")];
        for name in ["host", "x-api-key", "x_api_key", "x.api-key", "x-forwarded-for", "forwarded", "x-rewrite-url"] {
            assert!(is_ours(name, &credentials), "{name}");
        }
        for name in ["accept", "content-type", "x-api-keys", "x-forward", "cookie", "if-match", "idempotency-key"] {
            assert!(!is_ours(name, &credentials), "{name}");
        }
    }
}
