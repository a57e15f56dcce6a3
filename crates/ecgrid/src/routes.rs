//! Which method and path mean which operation (vendor page: "Users", endpoints).

use interlingua_core::{Access, CredentialStyle, Dialect, FieldSupport, Operation, Template, Translated, http::Method};

/// The operations that this adapter understands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Op {
    GetMe,
    GetUser,
    GetUserByName,
    ListUsers,
    CreateUser,
    UpdateUser,
    UpdateConfig,
    SetRole,
    SetNetworkMailbox,
    UpdatePassword,
    GeneratePassword,
    GetApiKey,
    GenerateApiKey,
    ResetSessions,
    SendSms,
    TerminateUser,
}

impl Op {
    /// In the order in which a path is looked up: `me` before any other user.
    const ALL: [Self; 16] = [
        Self::GetMe,
        Self::GetUser,
        Self::GetUserByName,
        Self::ListUsers,
        Self::CreateUser,
        Self::UpdateUser,
        Self::UpdateConfig,
        Self::SetRole,
        Self::SetNetworkMailbox,
        Self::UpdatePassword,
        Self::GeneratePassword,
        Self::GetApiKey,
        Self::GenerateApiKey,
        Self::ResetSessions,
        Self::SendSms,
        Self::TerminateUser,
    ];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::GetMe => "get-me",
            Self::GetUser => "get-user",
            Self::GetUserByName => "get-user-by-name",
            Self::ListUsers => "list-users",
            Self::CreateUser => "create-user",
            Self::UpdateUser => "update-user",
            Self::UpdateConfig => "update-config",
            Self::SetRole => "set-role",
            Self::SetNetworkMailbox => "set-network-mailbox",
            Self::UpdatePassword => "update-password",
            Self::GeneratePassword => "generate-password",
            Self::GetApiKey => "get-api-key",
            Self::GenerateApiKey => "generate-api-key",
            Self::ResetSessions => "reset-sessions",
            Self::SendSms => "send-sms",
            Self::TerminateUser => "terminate-user",
        }
    }

    pub(crate) fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|op| op.name() == name)
    }

    pub(crate) const fn method(self) -> Method {
        match self {
            Self::GetMe | Self::GetUser | Self::GetApiKey => Method::GET,
            Self::UpdateUser => Method::PUT,
            Self::TerminateUser => Method::DELETE,
            Self::GetUserByName
            | Self::ListUsers
            | Self::CreateUser
            | Self::UpdateConfig
            | Self::SetRole
            | Self::SetNetworkMailbox
            | Self::UpdatePassword
            | Self::GeneratePassword
            | Self::GenerateApiKey
            | Self::ResetSessions
            | Self::SendSms => Method::POST,
        }
    }

    pub(crate) const fn path(self) -> Template {
        Template::new(match self {
            Self::GetMe => "/v2/users/me",
            Self::GetUser | Self::TerminateUser => "/v2/users/{userId:integer}",
            Self::GetUserByName => "/v2/users/by-name",
            Self::ListUsers => "/v2/users/list",
            Self::CreateUser | Self::UpdateUser => "/v2/users",
            Self::UpdateConfig => "/v2/users/update-config",
            Self::SetRole => "/v2/users/role",
            Self::SetNetworkMailbox => "/v2/users/set-network-mailbox",
            Self::UpdatePassword => "/v2/users/password",
            Self::GeneratePassword => "/v2/users/generate-password",
            Self::GetApiKey => "/v2/users/key/{userId:integer}",
            Self::GenerateApiKey => "/v2/users/key-generate/{userId:integer}",
            Self::ResetSessions => "/v2/users/reset/{userId:integer}",
            Self::SendSms => "/v2/users/send-sms",
        })
    }

    const fn access(self) -> Access {
        match self {
            Self::GetMe
            | Self::GetUser
            | Self::GetUserByName
            | Self::ListUsers
            | Self::GeneratePassword
            | Self::GetApiKey => Access::Read,
            Self::CreateUser
            | Self::UpdateUser
            | Self::UpdateConfig
            | Self::SetRole
            | Self::SetNetworkMailbox
            | Self::UpdatePassword
            | Self::GenerateApiKey
            | Self::ResetSessions
            | Self::SendSms
            | Self::TerminateUser => Access::Write,
        }
    }

    const fn request_schema(self) -> Option<&'static str> {
        match self {
            Self::GetMe
            | Self::GetUser
            | Self::GetApiKey
            | Self::GenerateApiKey
            | Self::ResetSessions
            | Self::TerminateUser => None,
            Self::GetUserByName => Some(include_str!("../schemas/get-user-by-name.request.json")),
            Self::ListUsers => Some(include_str!("../schemas/list-users.request.json")),
            Self::CreateUser => Some(include_str!("../schemas/create-user.request.json")),
            Self::UpdateUser => Some(include_str!("../schemas/update-user.request.json")),
            Self::UpdateConfig => Some(include_str!("../schemas/update-config.request.json")),
            Self::SetRole => Some(include_str!("../schemas/set-role.request.json")),
            Self::SetNetworkMailbox => Some(include_str!("../schemas/set-network-mailbox.request.json")),
            Self::UpdatePassword => Some(include_str!("../schemas/update-password.request.json")),
            Self::GeneratePassword => Some(include_str!("../schemas/generate-password.request.json")),
            Self::SendSms => Some(include_str!("../schemas/send-sms.request.json")),
        }
    }

    const fn response_schema(self) -> &'static str {
        match self {
            Self::GetMe
            | Self::GetUser
            | Self::CreateUser
            | Self::UpdateUser
            | Self::SetRole
            | Self::SetNetworkMailbox => include_str!("../schemas/user.response.json"),
            Self::GetUserByName | Self::ListUsers => include_str!("../schemas/users.response.json"),
            Self::UpdateConfig | Self::UpdatePassword | Self::ResetSessions | Self::SendSms | Self::TerminateUser => {
                include_str!("../schemas/boolean.response.json")
            }
            Self::GeneratePassword | Self::GetApiKey | Self::GenerateApiKey => {
                include_str!("../schemas/string.response.json")
            }
        }
    }

    /// What becomes of it at a vendor that speaks otherwise.
    pub(crate) const fn translated(self) -> Translated {
        use Translated::{Carried, Narrowed, Refused};
        match self {
            Self::GetUser | Self::GetUserByName | Self::UpdateUser | Self::TerminateUser => Carried,
            Self::GetMe => Narrowed("only for a client of whom the configuration says which user it is"),
            Self::ListUsers => Narrowed("`networkId` 0, the caller's own network, is no filter"),
            Self::CreateUser => {
                Narrowed("the password is not carried to a vendor that lets users choose theirs; needs `networkId`")
            }
            Self::UpdateConfig => Narrowed("only fields that `[mapping.preferences]` names"),
            Self::SetRole => Narrowed("no system-wide roles; `mailboxId` needs `networkId` beside it"),
            Self::SetNetworkMailbox => Narrowed("needs `networkId`; no role moves to a wider scope"),
            Self::UpdatePassword => Refused("no other vendor lets somebody else choose a user's password"),
            Self::GeneratePassword => Refused("no other vendor makes passwords"),
            Self::GetApiKey => Refused("another vendor's users have no key of this one"),
            Self::GenerateApiKey => Refused("another vendor's users get no key of this one"),
            Self::ResetSessions => Refused("no other vendor ends a user's sessions"),
            Self::SendSms => Narrowed("only where `[mapping.preferences]` names `cellPhone`"),
        }
    }

    fn operation(self) -> Operation {
        Operation {
            name: self.name(),
            method: self.method(),
            path: self.path(),
            access: self.access(),
            query: &[],
            request_schema: self.request_schema(),
            response_schema: Some(self.response_schema()),
            translated: self.translated(),
        }
    }
}

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
        reserved: &[],
        error_schema: include_str!("../schemas/error.response.json"),
        fields: FIELDS,
        counts_pages: true,
        // Far from the ids that the vendor has given so far, and within 32 bits.
        fresh_ids: 1_000_000_000..=2_147_483_647,
        files: &[],
        rate_headers: None,
    }
}

const fn field(field: &'static str, set: &'static str, shown: &'static str, remark: &'static str) -> FieldSupport {
    FieldSupport { field, set, shown, remark }
}

const FIELDS: &[FieldSupport] = &[
    field("user", "`userId`", "`userId`", "a 32-bit integer"),
    field(
        "login",
        "Create User: `login`",
        "`login`",
        "also read as `loginName`; where nobody knows it, the e-mail address, noted",
    ),
    field("email", "Create User, Update User: `email`", "`email`", "cannot be cleared"),
    field(
        "name",
        "Create User, Update User: `firstName`, `lastName`",
        "`firstName`, `lastName`",
        "a whole name is split at its first space, noted where it has one word or more than two",
    ),
    field("name.given", "Create User, Update User: `firstName`", "`firstName`", "cannot be cleared"),
    field("name.family", "Create User, Update User: `lastName`", "`lastName`", "cannot be cleared"),
    field(
        "grants",
        "Create User, Set Role: `authLevel`, `networkId`, `mailboxId`; Set Network Mailbox: the latter two",
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
        for op in Op::ALL {
            check(&op.method(), &op.path().fill(&["1042"]), Some(op.name()));
        }
        check(&Method::GET, "/v2/users/me", Some("get-me"));
        check(&Method::DELETE, "/v2/users/me", Some("terminate-user"));
        check(&Method::PATCH, "/v2/users", None);
        check(&Method::GET, "/v2/users", None);
        check(&Method::POST, "/v2/users/unheard-of", None);
        check(&Method::GET, "/v2/parcels", None);
    }
    #[test]
    fn a_user_in_a_list_is_a_user() {
        let data = |op: Op| {
            let schema: serde_json::Value = serde_json::from_str(op.response_schema()).unwrap();
            schema["properties"]["data"].clone()
        };
        assert_eq!(data(Op::ListUsers)["items"], data(Op::GetUser));
    }
}
