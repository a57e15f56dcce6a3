//! Everything that the vendors do not document and these stand-ins had to decide.
//!
//! One place, so that it can change when the vendors' behaviour is seen. Values that fit a constant or a function are
//! here; rules that are part of the flow are listed here and marked "assumed" where they are obeyed.

/// What ECGrid's pages leave open.
///
/// Rules elsewhere in the code:
/// - the content type of a request is not checked;
/// - an id in a path that is no integer is 400, not 404;
/// - an unknown login is an empty array, not 404;
/// - logins are compared exactly;
/// - a user is moved to another network without a mailbox of it: the mailbox becomes 0;
/// - a mailbox must belong to the network it is named with, else 404;
/// - a terminated user can still be read and written, and terminated again;
/// - every caller sees every user, and only passwords and keys ask for `NetworkAdmin`;
/// - an empty text is a value.
pub(crate) mod ecgrid {
    use std::time::Duration;

    use http::StatusCode;

    /// Assumed: the code beside a 405; the vendor documents none.
    pub(crate) const METHOD_NOT_ALLOWED: &str = "MethodNotAllowed";
    /// Assumed: how long an injected 429 asks to wait.
    pub(crate) const RETRY_AFTER: Duration = Duration::from_secs(1);
    /// Assumed: the lengths of passwords that can be asked for.
    pub(crate) const PASSWORD_LENGTHS: std::ops::RangeInclusive<i32> = 4..=128;
    /// Assumed: the config fields that a text message needs; the names are those of the older SOAP record.
    pub(crate) const SMS_FIELDS: [&str; 2] = ["cellPhone", "cellCarrier"];
    /// Assumed: carriers that no text message can be sent through.
    pub(crate) const NO_CARRIER: [&str; 2] = ["NoChange", "Undefined"];
    /// Assumed: an empty body is `{}` where nothing in it is required.
    pub(crate) const EMPTY_BODY: &[u8] = b"{}";

    /// Assumed: the code for a status that comes without a cause of its own.
    pub(crate) fn code_of(status: StatusCode) -> &'static str {
        match status {
            StatusCode::UNAUTHORIZED => "InvalidAPIKey",
            StatusCode::FORBIDDEN => "AccessDenied",
            StatusCode::NOT_FOUND => "ObjectNotFound",
            StatusCode::METHOD_NOT_ALLOWED => METHOD_NOT_ALLOWED,
            StatusCode::TOO_MANY_REQUESTS => "RateLimitExceeded",
            status if status.is_client_error() => "InvalidParameter",
            _ => "InternalError",
        }
    }
}

/// What TextUs's pages leave open.
///
/// Rules elsewhere in the code:
/// - 401 comes before 429, 429 before 404 and 405, those before everything about the body;
/// - the media type of an answer is not negotiated: `Accept` is not checked;
/// - `accounts[]` takes slugs and IRIs; an account that does not exist has no users;
/// - listing users needs an `admin` membership; a user is readable and writable by itself and by admins of any of its
///   accounts, and a user without memberships by every admin; everybody else gets 403;
/// - a replacement of `memberships` touches only accounts where the caller is admin;
/// - an account of a membership is an IRI; a bare slug is unknown; an account named twice is 422;
/// - addresses are unique regardless of case, discarded users included;
/// - `settings.notifications` wins over top-level `notifications`, top-level `defaultMessagingAccount` over the one in
///   `settings`; both are accepted on create, too;
/// - values of `customSettings` are texts or numbers; their keys are not checked;
/// - a user that lost its last membership by DELETE is discarded: not listed, never written again.
pub(crate) mod textus {
    use bytes::Bytes;
    use http::{Response, StatusCode};
    use serde::Serialize;

    use crate::vendor::json;

    /// Assumed: the media type of every answer with a body.
    pub(crate) const MEDIA_TYPE: &str = "application/vnd.textus+jsonld; charset=utf-8";
    /// Assumed: bodies of other types are 415, and so is a body without a type.
    pub(crate) const BODY_TYPES: [&str; 2] = ["application/vnd.textus+jsonld", "application/json"];
    /// Assumed: the query parameter that `view.next` carries; clients must not know it.
    pub(crate) const CURSOR: &str = "cursor";
    /// Assumed: users on a page unless told otherwise.
    pub(crate) const PAGE_SIZE: usize = 25;
    /// Assumed: the end of the rate window, seconds since 1970 (the value of the vendor's example).
    pub(crate) const RATE_RESET: u64 = 1_774_476_900;
    /// Assumed: what a 429 asks to wait, seconds: the documented window.
    pub(crate) const RETRY_AFTER: u64 = 300;

    #[derive(Serialize)]
    struct ErrorDocument<'a> {
        #[serde(rename = "@type")]
        kind: &'static str,
        #[serde(rename = "@context")]
        context: &'static str,
        #[serde(rename = "hydra:title")]
        title: &'a str,
        #[serde(rename = "hydra:description")]
        description: &'a str,
    }

    /// Assumed: the document of every error, and with it the statuses 400, 401, 403, 404, 405, 415 and 422.
    pub(crate) fn error_document(status: StatusCode, description: &str) -> Response<Bytes> {
        let title = status.canonical_reason().unwrap_or("Error");
        let context = "/contexts/hydra:Error.jsonld";
        json(status, MEDIA_TYPE, &ErrorDocument { kind: "hydra:Error", context, title, description })
    }

    /// Assumed: the first space splits a name; a single word is a first name with an empty last name.
    pub(crate) fn split_name(name: &str) -> (&str, &str) {
        name.split_once(' ').unwrap_or((name, ""))
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn splits_a_name() {
            #[track_caller]
            fn check(name: &str, first: &str, last: &str) {
                assert_eq!(split_name(name), (first, last));
            }
            check("Chuck Norris", "Chuck", "Norris");
            check("Not Chuck", "Not", "Chuck");
            check("Eddie", "Eddie", "");
            check("Mary Ann Major", "Mary", "Ann Major");
        }
    }
}
