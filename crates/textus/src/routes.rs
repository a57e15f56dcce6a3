//! Which method and path mean which operation (vendor pages: "Users").

use interlingua_core::{Access, CredentialStyle, Dialect, FieldSupport, Operation, Template, Translated, http::Method};

/// The operations that this adapter understands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Op {
    GetUser,
    UpdateUser,
}

impl Op {
    const ALL: [Self; 2] = [Self::GetUser, Self::UpdateUser];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::GetUser => "get-user",
            Self::UpdateUser => "update-user",
        }
    }

    pub(crate) fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|op| op.name() == name)
    }

    pub(crate) const fn method(self) -> Method {
        match self {
            Self::GetUser => Method::GET,
            Self::UpdateUser => Method::PUT,
        }
    }

    pub(crate) const fn path(self) -> Template {
        Template::new("/users/{user}")
    }

    fn operation(self) -> Operation {
        Operation {
            name: self.name(),
            method: self.method(),
            path: self.path(),
            access: if self == Self::GetUser { Access::Read } else { Access::Write },
            request_schema: (self == Self::UpdateUser).then_some(include_str!("../schemas/update-user.request.json")),
            response_schema: Some(include_str!("../schemas/user.response.json")),
            translated: Translated::Carried,
        }
    }
}

/// The dialect as data.
pub(crate) fn dialect() -> Dialect {
    Dialect {
        name: "textus",
        prefix: "/",
        media_type: "application/vnd.textus+jsonld",
        credentials: &[CredentialStyle { header: "authorization", scheme: Some("Bearer") }],
        operations: Op::ALL.into_iter().map(Op::operation).collect(),
        error_schema: include_str!("../schemas/error.response.json"),
        fields: FIELDS,
        // Those of seven digits.
        fresh_ids: 62_u64.pow(6)..=62_u64.pow(7) - 1,
        files: &[],
    }
}

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
        check(&Method::GET, "/users/wqyODPA", Some("get-user"));
        check(&Method::PUT, "/users/wqyODPA", Some("update-user"));
        check(&Method::PATCH, "/users/wqyODPA", None);
        check(&Method::GET, "/users/wqyODPA/memberships", None);
        check(&Method::GET, "/my_account/contacts", None);
    }
}
