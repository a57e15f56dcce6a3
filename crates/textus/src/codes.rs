//! The vendor's vocabularies: membership roles, IRIs, statuses.

use interlingua_core::{ErrorKind, Role, RoleTable, ScopeId, Status, Text, UserId, http::StatusCode};

/// The vendor's vocabulary of roles (vendor page: "Create User"), with what each word means.
pub(crate) fn roles() -> RoleTable {
    RoleTable::new([("admin", Role::Administrator), ("support", Role::Support), ("user", Role::Member)])
}

/// The word for a role. A role below `user` and one above every account have none.
pub(crate) fn role_word(role: Role) -> Option<&'static str> {
    match role {
        Role::None | Role::Restricted | Role::System => None,
        Role::Member => Some("user"),
        Role::Support => Some("support"),
        Role::Administrator => Some("admin"),
    }
}

/// `/users/wqyODPA`
pub(crate) fn user_iri(user: &UserId) -> Text {
    in_path("/users/", user.as_str())
}

/// Whether an IRI is that of a user.
pub(crate) fn is_iri_of(iri: &str, user: &UserId) -> bool {
    iri.strip_prefix("/users/") == Some(user.as_str())
}

/// The id in `/users/wqyODPA`.
pub(crate) fn user_from_iri(iri: &str) -> Option<UserId> {
    segment_after(iri, "/users/").map(UserId::new)
}

/// A number in the digits of the vendor's ids, with as many of them as those have.
pub(crate) fn fresh_user_id(number: u64) -> UserId {
    const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let mut rest = number;
    let mut digits = Vec::with_capacity(7);
    while rest > 0 || digits.len() < 7 {
        digits.push(char::from(DIGITS[(rest % 62) as usize]));
        rest /= 62;
    }
    UserId::new(digits.into_iter().rev().collect::<String>())
}

/// `/accounts/my_account`
pub(crate) fn account_iri(account: &ScopeId) -> Text {
    in_path("/accounts/", account.as_str())
}

/// The slug in `/accounts/my_account`.
pub(crate) fn account_from_iri(iri: &str) -> Option<ScopeId> {
    segment_after(iri, "/accounts/").map(ScopeId::new)
}

/// The slug in `/accounts/my_account`, or of `my_account` itself.
pub(crate) fn account_from_slug_or_iri(text: &str) -> Option<ScopeId> {
    let slug = text.strip_prefix("/accounts/").unwrap_or(text);
    is_id(slug).then(|| ScopeId::new(slug))
}

fn in_path(prefix: &str, segment: &str) -> Text {
    let mut iri = Text::from(prefix);
    iri.push_str(segment);
    iri
}

fn segment_after<'a>(iri: &'a str, prefix: &str) -> Option<&'a str> {
    iri.strip_prefix(prefix).filter(|segment| is_id(segment))
}

/// Whether a text can stand in an IRI's path as an id: the vendor's are letters and digits, its slugs have `_` and `-`.
pub(crate) fn is_id(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'))
}

/// `discarded`, and whether that says less than the status. A discarded user can come back.
pub(crate) fn discarded(status: Status) -> (bool, bool) {
    let narrowed = !matches!(status, Status::Active | Status::Suspended);
    (!status.may_sign_in(), narrowed)
}

pub(crate) fn status_from_discarded(discarded: bool) -> Status {
    if discarded { Status::Suspended } else { Status::Active }
}

/// How a failure is told to a client. The vendor documents neither statuses nor documents: these are our assumption.
pub(crate) fn status(kind: ErrorKind) -> StatusCode {
    match kind {
        ErrorKind::Malformed => StatusCode::BAD_REQUEST,
        ErrorKind::Invalid | ErrorKind::Unrepresentable | ErrorKind::Conflict | ErrorKind::KeyReused => {
            StatusCode::UNPROCESSABLE_ENTITY
        }
        ErrorKind::Unauthenticated => StatusCode::UNAUTHORIZED,
        ErrorKind::Forbidden => StatusCode::FORBIDDEN,
        ErrorKind::NotFound | ErrorKind::NoSuchPath => StatusCode::NOT_FOUND,
        ErrorKind::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
        ErrorKind::PreconditionFailed => StatusCode::PRECONDITION_FAILED,
        ErrorKind::InProgress => StatusCode::CONFLICT,
        ErrorKind::RateLimited => StatusCode::TOO_MANY_REQUESTS,
        ErrorKind::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        ErrorKind::TargetTooLong => StatusCode::URI_TOO_LONG,
        ErrorKind::HeadTooLarge => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
        ErrorKind::TooSlow => StatusCode::REQUEST_TIMEOUT,
        ErrorKind::UnsupportedMedia => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        ErrorKind::Unsupported => StatusCode::NOT_IMPLEMENTED,
        ErrorKind::Unavailable | ErrorKind::BadReply | ErrorKind::Partial => StatusCode::BAD_GATEWAY,
        ErrorKind::Timeout => StatusCode::GATEWAY_TIMEOUT,
        ErrorKind::Overloaded => StatusCode::SERVICE_UNAVAILABLE,
        // Internal, and kinds that a later version of core adds.
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_roles_are_each_others_inverse() {
        for word in ["admin", "support", "user"] {
            assert_eq!(roles().role(word).and_then(role_word), Some(word));
        }
        for role in [Role::None, Role::Restricted, Role::System] {
            assert_eq!(role_word(role), None);
        }
        assert_eq!(roles().role("owner"), None);
    }

    #[test]
    fn fresh_ids_have_seven_digits_and_more_where_they_must() {
        let ids = [0, 61, 62, 62_u64.pow(7) - 1, 62_u64.pow(7)].map(fresh_user_id);
        assert_eq!(ids.each_ref().map(UserId::as_str), ["0000000", "000000z", "0000010", "zzzzzzz", "10000000"]);
    }

    #[test]
    fn iris_hold_one_id() {
        assert_eq!(user_from_iri("/users/wqyODPA"), Some(UserId::new("wqyODPA")));
        assert_eq!(account_from_iri("/accounts/my_account"), Some(ScopeId::new("my_account")));
        for iri in ["wqyODPA", "/users/", "/users/a/memberships/b", "/users/a?b", "/users/..", "/accounts/a"] {
            assert_eq!(user_from_iri(iri), None, "{iri}");
        }
    }
}
