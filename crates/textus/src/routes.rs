//! Which method and path mean which operation (vendor pages: "Users").

use interlingua_core::{
    Access, CredentialStyle, Dialect, FieldSupport, File, Operation, RateHeaders, Template, Translated, http::Method,
};

use crate::query;

/// The operations that this adapter understands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Op {
    ListUsers,
    GetUser,
    CreateUser,
    UpdateUser,
    DeleteUser,
}

impl Op {
    const ALL: [Self; 5] = [Self::ListUsers, Self::GetUser, Self::CreateUser, Self::UpdateUser, Self::DeleteUser];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::ListUsers => "list-users",
            Self::GetUser => "get-user",
            Self::CreateUser => "create-user",
            Self::UpdateUser => "update-user",
            Self::DeleteUser => "delete-user",
        }
    }

    pub(crate) fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|op| op.name() == name)
    }

    pub(crate) const fn method(self) -> Method {
        match self {
            Self::ListUsers | Self::GetUser => Method::GET,
            Self::CreateUser => Method::POST,
            Self::UpdateUser => Method::PUT,
            Self::DeleteUser => Method::DELETE,
        }
    }

    pub(crate) const fn path(self) -> Template {
        match self {
            Self::ListUsers | Self::CreateUser => Template::new("/users"),
            Self::GetUser | Self::UpdateUser | Self::DeleteUser => Template::new("/users/{user}"),
        }
    }

    const fn access(self) -> Access {
        match self {
            Self::ListUsers | Self::GetUser => Access::Read,
            Self::CreateUser | Self::UpdateUser | Self::DeleteUser => Access::Write,
        }
    }

    const fn request_schema(self) -> Option<&'static str> {
        match self {
            Self::ListUsers | Self::GetUser | Self::DeleteUser => None,
            Self::CreateUser => Some(include_str!("../schemas/create-user.request.json")),
            Self::UpdateUser => Some(include_str!("../schemas/update-user.request.json")),
        }
    }

    const fn response_schema(self) -> Option<&'static str> {
        match self {
            Self::ListUsers => Some(include_str!("../schemas/users.response.json")),
            Self::GetUser | Self::CreateUser | Self::UpdateUser => Some(include_str!("../schemas/user.response.json")),
            Self::DeleteUser => None,
        }
    }

    const fn translated(self) -> Translated {
        match self {
            Self::ListUsers | Self::GetUser | Self::CreateUser => Translated::Carried,
            Self::UpdateUser => Translated::Narrowed("messaging accounts and analytics reports are TextUs's own"),
            Self::DeleteUser => Translated::Narrowed("only the user is taken away: campaigns are TextUs's own"),
        }
    }

    fn operation(self) -> Operation {
        Operation {
            name: self.name(),
            method: self.method(),
            path: self.path(),
            access: self.access(),
            query: if self == Self::ListUsers { query::PARAMETERS } else { &[] },
            request_schema: self.request_schema(),
            response_schema: self.response_schema(),
            translated: self.translated(),
        }
    }
}

/// The users of one account: a link that accounts have (vendor page: "types/Account"), to a place that is documented
/// nowhere.
const RESERVED: &[Template] = &[Template::new("/{account}/users")];

/// Vendor page: "Rate limiting".
const RATE_HEADERS: RateHeaders =
    RateHeaders { limit: "x-ratelimit-limit", remaining: "x-ratelimit-remaining", reset: "x-ratelimit-reset" };

/// The dialect as data.
pub(crate) fn dialect() -> Dialect {
    Dialect {
        name: "textus",
        prefix: "/",
        media_type: "application/vnd.textus+jsonld",
        credentials: &[CredentialStyle { header: "authorization", scheme: Some("Bearer") }],
        operations: Op::ALL.into_iter().map(Op::operation).collect(),
        reserved: RESERVED,
        error_schema: include_str!("../schemas/error.response.json"),
        fields: FIELDS,
        counts_pages: false,
        // Those of seven digits.
        fresh_ids: 62_u64.pow(6)..=62_u64.pow(7) - 1,
        files: FILES,
        rate_headers: Some(RATE_HEADERS),
    }
}

macro_rules! context {
    ($name:literal) => {
        File {
            path: concat!("/contexts/", $name, ".jsonld"),
            media_type: "application/ld+json",
            text: include_str!(concat!("../contexts/", $name, ".jsonld")),
        }
    };
}

/// The contexts that our documents name.
const FILES: &[File] = &[
    context!("User"),
    context!("Membership"),
    context!("Account"),
    context!("hydra:Collection"),
    context!("hydra:PartialCollectionView"),
    context!("hydra:Error"),
];

const fn field(field: &'static str, set: &'static str, shown: &'static str, remark: &'static str) -> FieldSupport {
    FieldSupport { field, set, shown, remark }
}

const FIELDS: &[FieldSupport] = &[
    field("user", "the path", "`id`", "opaque, in an IRI relative to the face's root"),
    field("login", "", "", "users sign in by e-mail"),
    field("email", "`email`", "`email`", "cannot be cleared"),
    field("name", "`name`", "`name`", "cannot be cleared"),
    field("name.given", "`name`, with the other half", "`firstName`", "the half that is not given is read first"),
    field("name.family", "`name`, with the other half", "`lastName`", "the half that is not given is read first"),
    field(
        "grants",
        "`memberships`",
        "`memberships`",
        "`restricted` has no counterpart; a change to one is made by reading all and writing all",
    ),
    field("status", "", "`discarded`", "only whether the user may sign in; noted where that is less than was known"),
    field("created", "", "", ""),
    field("avatar", "", "`avatar`", "null where nobody knows it"),
    field("automated", "", "`automatedActor`", "false where nobody knows it, noted"),
    field("hasPassword", "", "`hasPassword`", "true where nobody knows it, noted"),
    field(
        "preferences",
        "`settings.notifications`, `settings.customSettings`; `notifications`",
        "`settings.notifications`, `settings.customSettings`",
        "custom values are texts whose key is an IRI; null removes one",
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
        check(&Method::GET, "/users", Some("list-users"));
        check(&Method::POST, "/users", Some("create-user"));
        check(&Method::GET, "/users/wqyODPA", Some("get-user"));
        check(&Method::PUT, "/users/wqyODPA", Some("update-user"));
        check(&Method::DELETE, "/users/wqyODPA", Some("delete-user"));
        check(&Method::PATCH, "/users/wqyODPA", None);
        check(&Method::PUT, "/users", None);
        check(&Method::POST, "/messages", None);
        check(&Method::GET, "/users/wqyODPA/memberships", None);
        check(&Method::GET, "/my_account/contacts", None);
    }
}
