//! The vendor's documents, literally, and what they mean field by field.
//!
//! Vendor pages: those of the operations under "Users", and "UserIDInfo" in the appendix.

use std::collections::BTreeMap;

use interlingua_core::{
    Email, Grant, Known, Note, Place, Role, RoleTable, Scope, Text, Timestamp, ToText as _, User, UserId, json,
    pointer_token,
};
use serde::{Deserialize, Deserializer, Serialize, de::Error as _};
use serde_json::Value;

use crate::codes::{self, AuthLevel, NetworkMailbox};

/// `POST /v2/users/by-name`.
#[derive(Deserialize, Serialize)]
pub(crate) struct GetUserByName {
    pub(crate) login: Text,
}

/// `POST /v2/users/list`. Null is "not given", like absent.
#[derive(Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ListUsers {
    #[serde(default, deserialize_with = "optional_integer", skip_serializing_if = "Option::is_none")]
    pub(crate) network_id: Option<i64>,
    #[serde(default, deserialize_with = "optional_integer", skip_serializing_if = "Option::is_none")]
    pub(crate) mailbox_id: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) auth_level: Option<Text>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) status: Option<Text>,
    #[serde(default, deserialize_with = "optional_integer", skip_serializing_if = "Option::is_none")]
    pub(crate) page_no: Option<i64>,
    #[serde(default, deserialize_with = "optional_integer", skip_serializing_if = "Option::is_none")]
    pub(crate) records_per_page: Option<i64>,
}

/// The largest number of a page: the vendor reads numbers into 32 bits.
pub(crate) const LAST_PAGE: u32 = i32::MAX.cast_unsigned();
/// The most users on a page that we serve or ask for; the vendor names no limit.
pub(crate) const LARGEST_PAGE: u32 = 1000;

/// `POST /v2/users`. Null is "not given", like absent.
#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CreateUser {
    pub(crate) login: Text,
    pub(crate) password: Text,
    pub(crate) email: Text,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) first_name: Option<Text>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) last_name: Option<Text>,
    #[serde(default, deserialize_with = "optional_integer", skip_serializing_if = "Option::is_none")]
    pub(crate) network_id: Option<i64>,
    #[serde(default, deserialize_with = "optional_integer", skip_serializing_if = "Option::is_none")]
    pub(crate) mailbox_id: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) auth_level: Option<Text>,
}

json::object! {
    /// `PUT /v2/users`. Null is "unchanged", like absent.
    #[derive(Debug, Default, Serialize)]
    #[serde(rename_all = "camelCase")]
    pub(crate) struct UpdateUser {
        "userId" => pub(crate) user_id: i64 [required, id],
        #[serde(skip_serializing_if = "Option::is_none")]
        "email" => pub(crate) email: Option<Text>,
        #[serde(skip_serializing_if = "Option::is_none")]
        "firstName" => pub(crate) first_name: Option<Text>,
        #[serde(skip_serializing_if = "Option::is_none")]
        "lastName" => pub(crate) last_name: Option<Text>,
        .. #[serde(skip_serializing)] pub(crate) others,
    }
}

impl UpdateUser {
    pub(crate) fn changes_nothing(&self) -> bool {
        self.email.is_none() && self.first_name.is_none() && self.last_name.is_none()
    }
}

/// `POST /v2/users/update-config`. The vendor does not name the fields beside `userId`.
#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct UpdateConfig {
    #[serde(deserialize_with = "id")]
    pub(crate) user_id: i64,
    #[serde(flatten)]
    pub(crate) fields: BTreeMap<Text, Value>,
}

/// `POST /v2/users/role`.
#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SetRole {
    #[serde(deserialize_with = "id")]
    pub(crate) user_id: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) auth_level: Option<Text>,
    #[serde(default, deserialize_with = "optional_integer", skip_serializing_if = "Option::is_none")]
    pub(crate) network_id: Option<i64>,
    #[serde(default, deserialize_with = "optional_integer", skip_serializing_if = "Option::is_none")]
    pub(crate) mailbox_id: Option<i64>,
}

/// `POST /v2/users/set-network-mailbox`. Null is "unchanged", like absent.
#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SetNetworkMailbox {
    #[serde(deserialize_with = "id")]
    pub(crate) user_id: i64,
    #[serde(default, deserialize_with = "optional_integer", skip_serializing_if = "Option::is_none")]
    pub(crate) network_id: Option<i64>,
    #[serde(default, deserialize_with = "optional_integer", skip_serializing_if = "Option::is_none")]
    pub(crate) mailbox_id: Option<i64>,
}

/// `POST /v2/users/send-sms`.
#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SendSms {
    #[serde(deserialize_with = "id")]
    pub(crate) user_id: i64,
    pub(crate) message: Text,
}

/// The envelope of a success. The other two members that the vendor has for it are left out, as on its pages.
#[derive(Debug, Serialize)]
pub(crate) struct Success<T> {
    pub(crate) success: bool,
    pub(crate) data: T,
}

/// The envelope of a failure.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Failure<'a> {
    pub(crate) success: bool,
    pub(crate) error_code: &'a str,
    pub(crate) message: &'a str,
    pub(crate) data: (),
}

/// The members of an envelope that tell whether it is a success; everything of a failure may be missing.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Verdict {
    pub(crate) success: Option<bool>,
    #[serde(default)]
    pub(crate) error_code: Option<String>,
    #[serde(default)]
    pub(crate) message: Option<String>,
}

json::object! {
    /// The envelope around `data`, of a reply that is a success.
    #[derive(Debug)]
    pub(crate) struct Data<T> {
        "data" => pub(crate) data: T [required],
        "success" => pub(crate) success: Option<bool>,
        "errorCode" => error_code: Option<Text>,
        "message" => message: Option<Text>,
        .. others,
    }
}

impl<T> Data<T> {
    /// What the envelope says besides.
    pub(crate) fn notes(&self) -> Vec<Note> {
        let said = [("errorCode", &self.error_code), ("message", &self.message)];
        let said = said.into_iter().filter(|(_, text)| text.as_ref().is_some_and(|text| !text.is_empty()));
        let names = said.map(|(name, _)| name).chain(self.others.0.iter().map(Text::as_str));
        names
            .map(|name| {
                let place = Place::upstream(format!("/{}", pointer_token(name)));
                Note::dropped(place, "a member of the envelope, which this adapter does not carry")
            })
            .collect()
    }
}

json::object! {
    /// The vendor's record of a user, as it is read: tolerant.
    #[derive(Debug)]
    pub(crate) struct UserIdInfo {
        "userId" => pub(crate) user_id: i64 [required, id],
        "login" => login: Known<Text>,
        /// What some of the vendor's pages call the same field.
        "loginName" => login_name: Known<Text>,
        "email" => email: Known<Text>,
        "firstName" => first_name: Known<Text>,
        "lastName" => last_name: Known<Text>,
        "networkId" => network_id: Option<i64> [optional_integer],
        "mailboxId" => mailbox_id: Option<i64> [optional_integer],
        "authLevel" => auth_level: Option<Text>,
        "status" => status: Option<Text>,
        "created" => created: Known<Text>,
        .. others,
    }
}

impl UserIdInfo {
    /// The canonical user, with notes of what it has no place for.
    pub(crate) fn into_user(self, roles: &RoleTable) -> (User, Vec<Note>) {
        let mut notes = Vec::new();
        let lost = |member: &str, reason: &'static str| {
            Note::dropped(Place::upstream(format!("/data/{}", pointer_token(member))), reason)
        };
        let grants = self.grants(roles);
        if grants.is_none() && self.auth_level.is_some() {
            notes.push(lost("authLevel", "not a role that this adapter knows, in a scope that fits it"));
        }
        let word = self.auth_level.as_deref().unwrap_or_default();
        notes.extend(roles.note(word, || Place::upstream("/data/authLevel")));
        let present = scope(self.network_id, self.mailbox_id);
        if present.is_none() && self.mailbox_id.is_some_and(|id| id != 0) {
            notes.push(lost("mailboxId", "a mailbox without its network"));
        }
        if !self.login.is_unknown() && !self.login_name.is_unknown() && self.login != self.login_name {
            notes.push(lost("loginName", "`login` says otherwise"));
        }
        let status = self.status.as_deref().and_then(codes::status_from_word);
        if status.is_none() && self.status.is_some() {
            notes.push(lost("status", "not a status that this adapter knows"));
        }
        let created = match self.created.value().map(|time| Timestamp::parse(time)) {
            None => Known::Unknown,
            Some(Ok(time)) => Known::Value(time),
            Some(Err(_)) => {
                notes.push(lost("created", "not an RFC 3339 time"));
                Known::Unknown
            }
        };
        notes.extend(self.others.0.iter().map(|name| lost(name, "not a member that this adapter knows")));
        let user = User {
            login: if self.login.is_unknown() { self.login_name } else { self.login },
            email: self.email,
            name: interlingua_core::Name { display: Known::Unknown, given: self.first_name, family: self.last_name },
            status: status.map_or(Known::Unknown, Known::Value),
            grants,
            primary_scope: present.map(canonical_scope),
            created,
            // A password is required there.
            has_password: Known::Value(true),
            ..User::new(UserId::new(self.user_id.to_compact_string()))
        };
        (user, notes)
    }

    /// The one role that a user has. `None` where nobody can tell what it is: a role whose scope does not fit it might
    /// come out as a higher one.
    fn grants(&self, roles: &RoleTable) -> Option<Vec<Grant>> {
        let level = AuthLevel::from_word(self.auth_level.as_deref()?)?;
        let role = roles.role(level.word())?;
        let Some(present) = scope(self.network_id, self.mailbox_id) else {
            return (role == Role::None).then(Vec::new);
        };
        let scope = match level.level() {
            Some(interlingua_core::Level::Organisation) => NetworkMailbox { mailbox: None, ..present },
            Some(interlingua_core::Level::Unit) if present.mailbox.is_none() => return None,
            _ => present,
        };
        // The vendor's own word goes along: where it was lowered, plans still have to know it.
        Some(vec![Grant { role, scope: canonical_scope(scope), id: Some(level.word().into()) }])
    }
}

/// The scope that two ids name; 0 is "no mailbox", and no network at all is no scope.
pub(crate) fn scope(network: Option<i64>, mailbox: Option<i64>) -> Option<NetworkMailbox> {
    let network = network.filter(|&id| id > 0)?;
    Some(NetworkMailbox { network, mailbox: mailbox.filter(|&id| id > 0) })
}

pub(crate) fn canonical_scope(scope: NetworkMailbox) -> Scope {
    Scope { level: Some(scope.level()), ..Scope::new(scope.id()) }
}

/// The vendor's record of a user, as it is written: in the order of its pages, what nobody knows left out.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct UserIdInfoOut<'a> {
    pub(crate) user_id: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) login: Option<Member<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) email: Option<Member<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) first_name: Option<Member<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) last_name: Option<Member<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) network_id: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) mailbox_id: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) auth_level: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) status: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) created: Option<&'a str>,
}

/// A text, or null where the text is known to be none.
pub(crate) type Member<'a> = Option<&'a str>;

/// A place in `data`, of the user of this number in a list.
pub(crate) fn in_list(pointer: &str, index: usize) -> String {
    match pointer.strip_prefix("/data") {
        Some(below) => format!("/data/{index}{below}"),
        None => pointer.to_owned(),
    }
}

/// A note about one user, as one about the list that has the user there.
pub(crate) fn of_list(mut note: Note, index: usize) -> Note {
    if let Place::Pointer(_, pointer) = &mut note.place {
        *pointer = in_list(pointer, index).into();
    }
    note
}

/// A number without a fraction, which JSON may spell `1042.0`.
fn integer<'de, D: Deserializer<'de>>(deserializer: D) -> Result<i64, D::Error> {
    let number = serde_json::Number::deserialize(deserializer)?;
    let whole = number.as_i64().or_else(|| {
        // Exact: ids of this vendor have 32 bits.
        let float = number.as_f64().filter(|float| float.fract() == 0.0 && float.abs() <= f64::from(i32::MAX))?;
        #[expect(clippy::cast_possible_truncation, reason = "checked on the line above")]
        Some(float as i64)
    });
    whole.ok_or_else(|| D::Error::custom("not an integer"))
}

/// An id, which has 32 bits at this vendor.
fn id<'de, D: Deserializer<'de>>(deserializer: D) -> Result<i64, D::Error> {
    let id = integer(deserializer)?;
    if crate::is_id(id) { Ok(id) } else { Err(D::Error::custom("not an id")) }
}

pub(crate) fn optional_integer<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<i64>, D::Error> {
    #[derive(Deserialize)]
    struct Integer(#[serde(deserialize_with = "integer")] i64);

    Ok(Option::<Integer>::deserialize(deserializer)?.map(|Integer(number)| number))
}

/// An address of a request that its schema has let through.
pub(crate) fn email(address: &str) -> Result<Email, interlingua_core::Error> {
    Email::parse(address).map_err(|_| {
        interlingua_core::Error::invalid(vec![interlingua_core::Problem::new(
            Place::request("/email"),
            "expected an e-mail address",
        )])
    })
}

/// What the vendor asks of a password, in the words of its pages.
pub(crate) const PASSWORD: &str =
    "expected a password with a small and a capital letter, a digit, and something that is neither letter nor digit";

/// Whether the vendor takes a text for a password.
pub(crate) fn is_password(text: &str) -> bool {
    let kinds: [fn(char) -> bool; 4] = [
        |c| c.is_ascii_lowercase(),
        |c| c.is_ascii_uppercase(),
        |c| c.is_ascii_digit(),
        |c| !c.is_ascii_alphanumeric(),
    ];
    !text.contains('\n') && kinds.iter().all(|kind| text.contains(*kind))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_have_four_kinds_of_characters() {
        for good in ["aA1-", "Abc123!x", "Äa A1"] {
            assert!(is_password(good), "{good}");
        }
        for bad in ["", "abc123!x", "ABC123!X", "Abcdef!x", "Abc123xx", "aA1-\n"] {
            assert!(!is_password(bad), "{bad}");
        }
    }

    #[test]
    fn notes_of_a_list_have_its_pointers() {
        let moved = |pointer: &str| of_list(Note::dropped(Place::upstream(pointer), ""), 3).place.to_string();
        assert_eq!(moved("/data/shoe~1size"), "/data/3/shoe~1size");
        assert_eq!(moved("/trace"), "/trace");
    }
}
