//! The vendor's vocabularies: AuthLevels, statuses, error codes (vendor pages: "ENUMs", "Errors").

use interlingua_core::{Error, ErrorKind, Level, Role, RoleTable, ScopeId, Status, ToText as _, http::StatusCode};

/// A permission role. One vendor word is two canonical things: a role, and how wide it holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AuthLevel {
    Root,
    TechOps,
    NetOps,
    NetworkAdmin,
    NetworkUser,
    MailboxAdmin,
    MailboxUser,
    TpUser,
    General,
}

impl AuthLevel {
    const ALL: [Self; 9] = [
        Self::Root,
        Self::TechOps,
        Self::NetOps,
        Self::NetworkAdmin,
        Self::NetworkUser,
        Self::MailboxAdmin,
        Self::MailboxUser,
        Self::TpUser,
        Self::General,
    ];

    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Root => "Root",
            Self::TechOps => "TechOps",
            Self::NetOps => "NetOps",
            Self::NetworkAdmin => "NetworkAdmin",
            Self::NetworkUser => "NetworkUser",
            Self::MailboxAdmin => "MailboxAdmin",
            Self::MailboxUser => "MailboxUser",
            Self::TpUser => "TPUser",
            Self::General => "General",
        }
    }

    pub(crate) fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|level| level.word() == word)
    }

    pub(crate) fn role(self) -> Role {
        match self {
            Self::Root | Self::TechOps | Self::NetOps => Role::System,
            Self::NetworkAdmin | Self::MailboxAdmin => Role::Administrator,
            Self::NetworkUser | Self::MailboxUser => Role::Member,
            Self::TpUser => Role::Restricted,
            Self::General => Role::None,
        }
    }

    /// How wide it holds, where the word tells.
    pub(crate) fn level(self) -> Option<Level> {
        match self {
            Self::NetworkAdmin | Self::NetworkUser => Some(Level::Organisation),
            Self::MailboxAdmin | Self::MailboxUser => Some(Level::Unit),
            Self::Root | Self::TechOps | Self::NetOps | Self::TpUser | Self::General => None,
        }
    }

    /// Whether it allows nothing, and nowhere, that `other` does not.
    pub(crate) fn is_at_most(self, other: Self) -> bool {
        self.role() <= other.role() && self.level() <= other.level()
    }

    /// The word for a role in a scope, and whether it says less than the role. Never one of the system-wide words.
    pub(crate) fn for_role(role: Role, level: Level) -> Option<(Self, bool)> {
        Some(match (role, level) {
            (Role::None, _) => (Self::General, false),
            (Role::Restricted, Level::Unit) => (Self::TpUser, false),
            // The word has no width: the vendor shows it in the mailbox that the user is in.
            (Role::Restricted, Level::Organisation) => (Self::TpUser, true),
            (Role::Member, Level::Organisation) => (Self::NetworkUser, false),
            (Role::Member, Level::Unit) => (Self::MailboxUser, false),
            (Role::Support, Level::Organisation) => (Self::NetworkUser, true),
            (Role::Support, Level::Unit) => (Self::MailboxUser, true),
            (Role::Administrator, Level::Organisation) => (Self::NetworkAdmin, false),
            (Role::Administrator, Level::Unit) => (Self::MailboxAdmin, false),
            (Role::System, _) => return None,
        })
    }

    /// The roles that this word is written for.
    pub(crate) fn written_for(self) -> Vec<Role> {
        if self.role() == Role::System {
            return vec![Role::System];
        }
        // A word without a width is written for the same roles in both.
        let width = self.level().unwrap_or(Level::Unit);
        let is_it = |role: &Role| Self::for_role(*role, width).is_some_and(|(level, _)| level == self);
        ROLES.into_iter().filter(is_it).collect()
    }

    /// The words that a user can have who holds one of these roles, or any role when there are none, in a scope of this
    /// width, as an operator's table takes them.
    pub(crate) fn held_by(roles: &[Role], width: Option<Level>, table: &RoleTable) -> Vec<Self> {
        let is_one = |level: &Self| {
            let role = table.role(level.word()).unwrap_or(Role::None);
            let fits = width.is_none() || level.level().is_none() || level.level() == width;
            fits && if roles.is_empty() { role > Role::None } else { roles.contains(&role) }
        };
        Self::ALL.into_iter().filter(is_one).collect()
    }
}

/// Every role that a word can be shown for.
const ROLES: [Role; 5] = [Role::None, Role::Restricted, Role::Member, Role::Support, Role::Administrator];

/// The vendor's vocabulary, with what each word means.
pub(crate) fn roles() -> RoleTable {
    RoleTable::new(AuthLevel::ALL.map(|level| (level.word(), level.role())))
}

/// What becomes of the wish to give one of the system-wide roles.
pub(crate) fn forbidden_role() -> Error {
    Error::new(ErrorKind::Forbidden, "a system-wide role is never the result of a translation")
}

/// A network, or a mailbox in it. As an opaque id it is spelled `1` or `1/101`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NetworkMailbox {
    pub(crate) network: i64,
    pub(crate) mailbox: Option<i64>,
}

impl NetworkMailbox {
    pub(crate) fn id(self) -> ScopeId {
        let mut id = self.network.to_compact_string();
        if let Some(mailbox) = self.mailbox {
            id.push('/');
            id.push_str(&mailbox.to_compact_string());
        }
        ScopeId::new(id)
    }

    pub(crate) fn parse(id: &ScopeId) -> Option<Self> {
        Some(match id.as_str().split_once('/') {
            Some((network, mailbox)) => Self { network: network.parse().ok()?, mailbox: Some(mailbox.parse().ok()?) },
            None => Self { network: id.as_str().parse().ok()?, mailbox: None },
        })
    }

    pub(crate) fn level(self) -> Level {
        if self.mailbox.is_some() { Level::Unit } else { Level::Organisation }
    }
}

/// Whether a scope is the other, or the network that the other is a mailbox of.
pub(crate) fn covers(scope: &ScopeId, other: &ScopeId) -> bool {
    scope == other || other.as_str().split_once('/').is_some_and(|(network, _)| network == scope.as_str())
}

pub(crate) fn status_from_word(word: &str) -> Option<Status> {
    Some(match word {
        "Development" => Status::Development,
        "Active" => Status::Active,
        "Preproduction" => Status::Preproduction,
        "Suspended" => Status::Suspended,
        "Terminated" => Status::Terminated,
        _ => return None,
    })
}

pub(crate) fn status_word(status: Status) -> &'static str {
    match status {
        Status::Development => "Development",
        Status::Active => "Active",
        Status::Preproduction => "Preproduction",
        Status::Suspended => "Suspended",
        Status::Terminated => "Terminated",
    }
}

/// How a failure is told to a client: status and `errorCode`.
///
/// `NotSupported`, `PartialUpdate`, `PreconditionFailed`, `RequestInProgress` and `KeyReused` are codes of ours; the vendor
/// has none for any of them.
pub(crate) fn error_code(kind: ErrorKind, credential: Option<&str>) -> (StatusCode, &'static str) {
    match kind {
        ErrorKind::Malformed | ErrorKind::Invalid | ErrorKind::Unrepresentable => {
            (StatusCode::BAD_REQUEST, "InvalidParameter")
        }
        ErrorKind::Unauthenticated if credential == Some("authorization") => {
            (StatusCode::UNAUTHORIZED, "InvalidSession")
        }
        ErrorKind::Unauthenticated => (StatusCode::UNAUTHORIZED, "InvalidAPIKey"),
        ErrorKind::Forbidden => (StatusCode::FORBIDDEN, "AccessDenied"),
        ErrorKind::NotFound | ErrorKind::NoSuchPath => (StatusCode::NOT_FOUND, "ObjectNotFound"),
        ErrorKind::MethodNotAllowed => (StatusCode::METHOD_NOT_ALLOWED, "InvalidParameter"),
        ErrorKind::Conflict => (StatusCode::BAD_REQUEST, "DuplicateObject"),
        ErrorKind::PreconditionFailed => (StatusCode::PRECONDITION_FAILED, "PreconditionFailed"),
        ErrorKind::InProgress => (StatusCode::CONFLICT, "RequestInProgress"),
        ErrorKind::KeyReused => (StatusCode::UNPROCESSABLE_ENTITY, "KeyReused"),
        ErrorKind::RateLimited => (StatusCode::TOO_MANY_REQUESTS, "RateLimitExceeded"),
        ErrorKind::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "InvalidParameter"),
        ErrorKind::TargetTooLong => (StatusCode::URI_TOO_LONG, "InvalidParameter"),
        ErrorKind::HeadTooLarge => (StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, "InvalidParameter"),
        ErrorKind::TooSlow => (StatusCode::REQUEST_TIMEOUT, "InvalidParameter"),
        ErrorKind::UnsupportedMedia => (StatusCode::UNSUPPORTED_MEDIA_TYPE, "InvalidParameter"),
        ErrorKind::Unsupported => (StatusCode::NOT_IMPLEMENTED, "NotSupported"),
        ErrorKind::Unavailable | ErrorKind::BadReply => (StatusCode::BAD_GATEWAY, "InternalError"),
        ErrorKind::Timeout => (StatusCode::GATEWAY_TIMEOUT, "InternalError"),
        ErrorKind::Overloaded => (StatusCode::SERVICE_UNAVAILABLE, "InternalError"),
        ErrorKind::Partial => (StatusCode::BAD_GATEWAY, "PartialUpdate"),
        // Internal, and kinds that a later version of core adds.
        _ => (StatusCode::INTERNAL_SERVER_ERROR, "InternalError"),
    }
}

/// What the vendor's refusal means: by its code, and where it has none, by the status.
pub(crate) fn refusal_kind(code: Option<&str>, status: StatusCode) -> ErrorKind {
    match code {
        Some("InvalidAPIKey" | "InvalidSession" | "InternalError") => ErrorKind::Unavailable,
        Some("AccessDenied") => ErrorKind::Forbidden,
        Some("ObjectNotFound") => ErrorKind::NotFound,
        Some("InvalidParameter") => ErrorKind::Invalid,
        Some("DuplicateObject") => ErrorKind::Conflict,
        Some("RateLimitExceeded") => ErrorKind::RateLimited,
        _ => ErrorKind::of_refusal(status),
    }
}

/// Whether a refusal is about the caller's credential.
pub(crate) fn is_about_credential(code: Option<&str>, status: StatusCode) -> bool {
    matches!(code, Some("InvalidAPIKey" | "InvalidSession")) || status == StatusCode::UNAUTHORIZED
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_mean_roles_and_roles_never_rise() {
        for level in AuthLevel::ALL {
            assert_eq!(AuthLevel::from_word(level.word()), Some(level));
            for width in [Level::Unit, Level::Organisation] {
                match AuthLevel::for_role(level.role(), width) {
                    Some((back, _)) => assert!(back.role() <= level.role()),
                    None => assert_eq!(level.role(), Role::System),
                }
            }
        }
        assert_eq!(AuthLevel::for_role(Role::Support, Level::Unit), Some((AuthLevel::MailboxUser, true)));
    }

    #[test]
    fn a_word_is_asked_for_by_the_roles_that_it_is_written_for() {
        use AuthLevel::{General, MailboxUser, NetworkAdmin, TechOps, TpUser};
        assert_eq!(MailboxUser.written_for(), [Role::Member, Role::Support]);
        assert_eq!(NetworkAdmin.written_for(), [Role::Administrator]);
        assert_eq!(TpUser.written_for(), [Role::Restricted]);
        assert_eq!(General.written_for(), [Role::None]);
        assert_eq!(TechOps.written_for(), [Role::System]);
        for level in AuthLevel::ALL.into_iter().filter(|level| level.role() < Role::System) {
            assert_eq!(AuthLevel::held_by(&level.written_for(), level.level(), &roles()), [level]);
        }
        assert_eq!(AuthLevel::held_by(&[Role::Administrator], None, &roles()).len(), 2);
        assert_eq!(AuthLevel::held_by(&[], Some(Level::Unit), &roles()).len(), 6);
    }

    #[test]
    fn a_role_is_lower_when_it_allows_less_and_is_no_wider() {
        use AuthLevel::{General, MailboxAdmin, MailboxUser, NetworkAdmin, NetworkUser, TpUser};
        let ladder = [General, TpUser, MailboxUser, MailboxAdmin, NetworkAdmin];
        assert!(ladder.is_sorted_by(|lower, higher| lower.is_at_most(*higher) && !higher.is_at_most(*lower)));
        assert!(!NetworkUser.is_at_most(MailboxAdmin) && !MailboxAdmin.is_at_most(NetworkUser));
    }

    #[test]
    fn scopes_are_spelled_network_slash_mailbox() {
        for (id, scope) in [
            ("1", NetworkMailbox { network: 1, mailbox: None }),
            ("1/101", NetworkMailbox { network: 1, mailbox: Some(101) }),
        ] {
            assert_eq!(NetworkMailbox::parse(&ScopeId::new(id)), Some(scope));
            assert_eq!(scope.id(), ScopeId::new(id));
        }
        assert_eq!(NetworkMailbox::parse(&ScopeId::new("my_account")), None);
    }
}
