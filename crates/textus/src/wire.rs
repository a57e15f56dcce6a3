//! The vendor's documents, literally, and what they mean field by field.
//!
//! Vendor pages: "Update User", "Show User", "types/User". JSON-LD of a fixed shape: it is read and written as JSON.

use std::collections::BTreeMap;

use interlingua_core::{
    Grant, Known, NOTIFY_AUDIO, NOTIFY_EMAIL, Name, Note, Place, Preferences, RoleTable, Scope, Text, User,
    json::{self, MemberNames},
    pointer_token,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::codes;

/// `PUT /users/:user`: what a request may hold.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct UpdateUser {
    #[serde(default)]
    pub(crate) name: Option<Text>,
    #[serde(default)]
    pub(crate) email: Option<Text>,
    /// The same as `settings.notifications`, at an older place.
    #[serde(default)]
    pub(crate) notifications: Option<Notifications>,
    #[serde(default)]
    pub(crate) default_messaging_account: Option<Text>,
    #[serde(default)]
    pub(crate) memberships: Option<Vec<MembershipIn>>,
    #[serde(default)]
    pub(crate) settings: SettingsIn,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SettingsIn {
    #[serde(default)]
    pub(crate) notifications: Option<Notifications>,
    #[serde(default)]
    pub(crate) custom_settings: BTreeMap<Text, Option<Text>>,
    #[serde(default)]
    pub(crate) default_messaging_account: Option<Text>,
    #[serde(default)]
    pub(crate) analytics_reports: Option<Value>,
}

/// A membership as a request has it. What a request holds of a present membership is sent back as it was read, so the
/// role stays a text.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq)]
pub(crate) struct MembershipIn {
    pub(crate) role: Text,
    pub(crate) account: Text,
}

/// `PUT /users/:user`: what we send.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct UpdateUserOut<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) name: Option<Text>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) email: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) memberships: Option<Vec<MembershipIn>>,
    #[serde(skip_serializing_if = "SettingsOut::is_empty")]
    pub(crate) settings: SettingsOut<'a>,
}

#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SettingsOut<'a> {
    #[serde(skip_serializing_if = "Notifications::is_empty")]
    pub(crate) notifications: Notifications,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) custom_settings: BTreeMap<&'a str, Option<&'a str>>,
}

impl SettingsOut<'_> {
    pub(crate) fn is_empty(&self) -> bool {
        self.notifications.is_empty() && self.custom_settings.is_empty()
    }
}

/// Absent is not false.
#[derive(Clone, Debug, Default, Deserialize, Serialize, PartialEq)]
pub(crate) struct Notifications {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) email: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) audio: Option<bool>,
    #[serde(flatten, skip_serializing)]
    others: MemberNames,
}

impl Notifications {
    pub(crate) fn is_empty(&self) -> bool {
        self.email.is_none() && self.audio.is_none()
    }

    /// The switches under their canonical keys.
    pub(crate) fn entries(&self) -> impl Iterator<Item = (&'static str, bool)> {
        let switches = [(NOTIFY_EMAIL, self.email), (NOTIFY_AUDIO, self.audio)];
        switches.into_iter().filter_map(|(key, value)| Some((key, value?)))
    }
}

/// A User, as it is read: tolerant.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct UserIn {
    pub(crate) id: Text,
    #[serde(default, deserialize_with = "json::known")]
    name: Known<Text>,
    #[serde(default, deserialize_with = "json::known")]
    first_name: Known<Text>,
    #[serde(default, deserialize_with = "json::known")]
    last_name: Known<Text>,
    #[serde(default, deserialize_with = "json::known")]
    email: Known<Text>,
    #[serde(default, deserialize_with = "json::known")]
    avatar: Known<Text>,
    #[serde(default, deserialize_with = "json::known")]
    automated_actor: Known<bool>,
    #[serde(default, deserialize_with = "json::known")]
    has_password: Known<bool>,
    #[serde(default)]
    discarded: Option<bool>,
    #[serde(default)]
    settings: Option<UserSettings>,
    #[serde(default)]
    pub(crate) memberships: Option<MembershipsIn>,
    #[serde(default, rename = "@type")]
    _type: Option<Text>,
    #[serde(default, rename = "@context")]
    _context: Option<Text>,
    #[serde(flatten)]
    others: MemberNames,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct UserSettings {
    #[serde(default)]
    notifications: Option<Notifications>,
    #[serde(default)]
    custom_settings: Option<BTreeMap<Text, Value>>,
    #[serde(flatten)]
    others: MemberNames,
}

/// The two forms of a user's memberships in a reply.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(crate) enum MembershipsIn {
    /// Where to find them. It says nothing of what they are.
    Iri(#[expect(dead_code, reason = "that it is a text is all there is to know")] Text),
    /// The list itself.
    Collection(MembershipCollection),
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct MembershipCollection {
    members: Vec<MembershipOf>,
    #[serde(default)]
    total_items: Option<u64>,
    #[serde(default)]
    view: Option<View>,
}

#[derive(Debug, Deserialize)]
struct View {
    #[serde(default)]
    next: Option<Text>,
}

#[derive(Debug, Deserialize)]
struct MembershipOf {
    #[serde(default)]
    id: Option<Text>,
    role: Text,
    account: AccountOf,
}

#[derive(Debug, Deserialize)]
struct AccountOf {
    id: Text,
    #[serde(default)]
    name: Option<Text>,
}

impl MembershipCollection {
    /// The list as a request would have it, where this is all of it. A list that is not must not be written back: what
    /// it does not show would be removed.
    pub(crate) fn for_request(&self) -> Option<Vec<MembershipIn>> {
        let shown = self.members.len() as u64;
        let complete = self.total_items.is_none_or(|total| total <= shown)
            && self.view.as_ref().is_none_or(|view| view.next.is_none());
        complete.then(|| {
            let members = self.members.iter();
            members.map(|one| MembershipIn { role: one.role.clone(), account: one.account.id.clone() }).collect()
        })
    }

    fn grants(self, roles: &RoleTable, notes: &mut Vec<Note>) -> Vec<Grant> {
        let mut grants = Vec::with_capacity(self.members.len());
        for (position, membership) in self.members.into_iter().enumerate() {
            let account = codes::account_from_iri(&membership.account.id);
            let (Some(role), Some(account)) = (roles.role(&membership.role), account) else {
                let reason = "not a role, or not an account, that this adapter knows";
                notes.push(Note::dropped(Place::upstream(format!("/memberships/members/{position}")), reason));
                continue;
            };
            let id = membership.id.and_then(|iri| iri.rsplit('/').next().map(Text::from));
            grants.push(Grant { role, scope: Scope { name: membership.account.name, ..Scope::new(account) }, id });
        }
        grants
    }
}

impl UserIn {
    /// The canonical user, with notes of what it has no place for; `None` when the id is not a user's.
    pub(crate) fn into_user(self, roles: &RoleTable) -> Option<(User, Vec<Note>)> {
        let mut notes = Vec::new();
        let id = codes::user_from_iri(&self.id)?;
        let preferences = self.settings.map_or_else(Preferences::default, |settings| settings.read(&mut notes));
        let grants = match self.memberships {
            Some(MembershipsIn::Collection(collection)) => Some(collection.grants(roles, &mut notes)),
            Some(MembershipsIn::Iri(_)) | None => None,
        };
        notes.extend(unknown_members("", &self.others));
        let user = User {
            email: self.email,
            name: Name { display: self.name, given: self.first_name, family: self.last_name },
            status: self.discarded.map_or(Known::Unknown, |discarded| codes::status_from_discarded(discarded).into()),
            grants,
            preferences,
            avatar: self.avatar,
            automated: self.automated_actor,
            has_password: self.has_password,
            ..User::new(id)
        };
        Some((user, notes))
    }
}

impl UserSettings {
    fn read(self, notes: &mut Vec<Note>) -> Preferences {
        let mut entries = BTreeMap::new();
        if let Some(notifications) = self.notifications {
            entries.extend(notifications.entries().map(|(key, on)| (key.into(), Value::Bool(on))));
            notes.extend(unknown_members("/settings/notifications", &notifications.others));
        }
        for (key, value) in self.custom_settings.into_iter().flatten() {
            if is_custom_key(&key) {
                entries.insert(key, value);
            } else {
                let pointer = format!("/settings/customSettings/{}", pointer_token(&key));
                notes.push(Note::dropped(Place::upstream(pointer), "the key is not the IRI of a custom field"));
            }
        }
        notes.extend(unknown_members("/settings", &self.others));
        Preferences { entries, complete: true }
    }
}

fn unknown_members<'a>(parent: &'a str, others: &'a MemberNames) -> impl Iterator<Item = Note> + 'a {
    others.0.iter().map(move |name| {
        let pointer = format!("{parent}/{}", pointer_token(name));
        Note::dropped(Place::upstream(pointer), "not a member that this adapter carries")
    })
}

/// Whether a canonical key is one of a custom value: those are IRIs.
pub(crate) fn is_custom_key(key: &str) -> bool {
    key.starts_with('/')
}

/// A User, as it is written: in the order of the vendor's pages, what nobody knows left out.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct UserOut<'a> {
    #[serde(rename = "@type")]
    pub(crate) kind: &'static str,
    #[serde(rename = "@context")]
    pub(crate) context: &'static str,
    pub(crate) id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) name: Option<Option<Text>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) first_name: Option<Option<Text>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) last_name: Option<Option<Text>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) email: Option<Option<&'a str>>,
    pub(crate) avatar: Option<&'a str>,
    pub(crate) automated_actor: bool,
    pub(crate) has_password: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) discarded: Option<bool>,
    pub(crate) settings: UserSettingsOut<'a>,
    pub(crate) memberships: MembershipsOut<'a>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct UserSettingsOut<'a> {
    #[serde(skip_serializing_if = "Notifications::is_empty")]
    pub(crate) notifications: Notifications,
    /// Always there, if only as `{}`.
    pub(crate) custom_settings: BTreeMap<&'a str, &'a Value>,
}

#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(crate) enum MembershipsOut<'a> {
    Iri(String),
    Collection(CollectionOut<'a>),
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CollectionOut<'a> {
    #[serde(rename = "@type")]
    pub(crate) kind: &'static str,
    #[serde(rename = "@context")]
    pub(crate) context: &'static str,
    pub(crate) id: String,
    pub(crate) members: Vec<MembershipOut<'a>>,
    pub(crate) total_items: usize,
}

#[derive(Debug, Serialize)]
pub(crate) struct MembershipOut<'a> {
    #[serde(rename = "@type")]
    pub(crate) kind: &'static str,
    #[serde(rename = "@context")]
    pub(crate) context: &'static str,
    pub(crate) id: String,
    pub(crate) role: &'static str,
    pub(crate) user: &'a str,
    pub(crate) account: AccountOut<'a>,
}

#[derive(Debug, Serialize)]
pub(crate) struct AccountOut<'a> {
    #[serde(rename = "@type")]
    pub(crate) kind: &'static str,
    #[serde(rename = "@context")]
    pub(crate) context: &'static str,
    pub(crate) id: String,
    pub(crate) name: &'a str,
}

/// The error document. The vendor shows none: the shape is our assumption, made here and nowhere else.
#[derive(Debug, Serialize)]
pub(crate) struct ErrorOut<'a> {
    #[serde(rename = "@type")]
    pub(crate) kind: &'static str,
    #[serde(rename = "@context")]
    pub(crate) context: &'static str,
    #[serde(rename = "hydra:title")]
    pub(crate) title: &'a str,
    #[serde(rename = "hydra:description")]
    pub(crate) description: &'a str,
}
