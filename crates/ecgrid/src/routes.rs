//! Which method and path mean which operation (vendor page: "Users", endpoints).

use interlingua_core::{Access, CredentialStyle, Dialect, FieldSupport, Operation, Template, Translated, http::Method};

/// The operations that this adapter understands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Op {
    GetUser,
    UpdateUser,
    UpdateConfig,
    SetRole,
}

impl Op {
    const ALL: [Self; 4] = [Self::GetUser, Self::UpdateUser, Self::UpdateConfig, Self::SetRole];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::GetUser => "get-user",
            Self::UpdateUser => "update-user",
            Self::UpdateConfig => "update-config",
            Self::SetRole => "set-role",
        }
    }

    pub(crate) fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|op| op.name() == name)
    }

    pub(crate) const fn method(self) -> Method {
        match self {
            Self::GetUser => Method::GET,
            Self::UpdateUser => Method::PUT,
            Self::UpdateConfig | Self::SetRole => Method::POST,
        }
    }

    pub(crate) const fn path(self) -> Template {
        Template::new(match self {
            Self::GetUser => "/v2/users/{userId:integer}",
            Self::UpdateUser => "/v2/users",
            Self::UpdateConfig => "/v2/users/update-config",
            Self::SetRole => "/v2/users/role",
        })
    }

    const fn request_schema(self) -> Option<&'static str> {
        match self {
            Self::GetUser => None,
            Self::UpdateUser => Some(include_str!("../schemas/update-user.request.json")),
            Self::UpdateConfig => Some(include_str!("../schemas/update-config.request.json")),
            Self::SetRole => Some(include_str!("../schemas/set-role.request.json")),
        }
    }

    const fn response_schema(self) -> &'static str {
        match self {
            Self::GetUser | Self::UpdateUser | Self::SetRole => include_str!("../schemas/user.response.json"),
            Self::UpdateConfig => include_str!("../schemas/boolean.response.json"),
        }
    }

    fn operation(self) -> Operation {
        Operation {
            name: self.name(),
            method: self.method(),
            path: self.path(),
            access: if self == Self::GetUser { Access::Read } else { Access::Write },
            request_schema: self.request_schema(),
            response_schema: Some(self.response_schema()),
            translated: Translated::Carried,
        }
    }
}

/// The endpoint that moves a user; called, not yet served.
pub(crate) const SET_NETWORK_MAILBOX: &str = "/v2/users/set-network-mailbox";

/// The dialect as data.
pub(crate) fn dialect() -> Dialect {
    Dialect {
        name: "ecgrid",
        prefix: "/v2/",
        media_type: "application/json",
        credentials: &[
            CredentialStyle { header: "x-api-key", scheme: None },
            CredentialStyle { header: "authorization", scheme: Some("Bearer") },
        ],
        operations: Op::ALL.into_iter().map(Op::operation).collect(),
        error_schema: include_str!("../schemas/error.response.json"),
        fields: FIELDS,
        // Far from the ids that the vendor has given so far, and within 32 bits.
        fresh_ids: 1_000_000_000..=2_147_483_647,
        files: &[],
    }
}

const fn field(field: &'static str, set: &'static str, shown: &'static str, remark: &'static str) -> FieldSupport {
    FieldSupport { field, set, shown, remark }
}

const FIELDS: &[FieldSupport] = &[
    field("user", "`userId`", "`userId`", "a 32-bit integer"),
    field("login", "", "`login`", "also read as `loginName`; where nobody knows it, the e-mail address, noted"),
    field("email", "Update User: `email`", "`email`", "cannot be cleared"),
    field(
        "name",
        "Update User: `firstName`, `lastName`",
        "`firstName`, `lastName`",
        "a whole name is split at its first space, noted where it has one word or more than two",
    ),
    field("name.given", "Update User: `firstName`", "`firstName`", "cannot be cleared"),
    field("name.family", "Update User: `lastName`", "`lastName`", "cannot be cleared"),
    field(
        "grants",
        "Set Role: `authLevel`, `networkId`, `mailboxId`",
        "`authLevel`, `networkId`, `mailboxId`",
        "one role in one scope at a time; the others are noted",
    ),
    field("status", "", "`status`", ""),
    field("created", "", "`created`", "left out where nobody knows it, noted"),
    field("avatar", "", "", "noted when there is one"),
    field("automated", "", "", "noted when it is true"),
    field("hasPassword", "", "", "not noted: how a vendor signs its users in is its own affair"),
    field(
        "preferences",
        "Update Config, by the table `[mapping.preferences]`",
        "",
        "the vendor never shows them; cannot be cleared",
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(method: &Method, path: &str, expected: Option<&str>) {
        let dialect = dialect();
        assert_eq!(dialect.find(method, path).ok().map(|(operation, _)| operation.name), expected);
    }

    #[test]
    fn methods_and_paths_mean_operations() {
        check(&Method::GET, "/v2/users/1042", Some("get-user"));
        check(&Method::PUT, "/v2/users", Some("update-user"));
        check(&Method::POST, "/v2/users/update-config", Some("update-config"));
        check(&Method::POST, "/v2/users/role", Some("set-role"));
        check(&Method::PATCH, "/v2/users", None);
        check(&Method::POST, "/v2/users/unheard-of", None);
        check(&Method::GET, "/v2/parcels", None);
    }
}
