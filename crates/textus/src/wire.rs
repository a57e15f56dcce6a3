//! The vendor's documents, literally, and what they mean field by field.
//!
//! Vendor pages: "List", "Show", "Create" and "Update User", "types/User", "Send a message". JSON-LD of a fixed shape: it is
//! read and written as JSON.

use std::{collections::BTreeMap, fmt};

use interlingua_core::{
    Grant, Known, NOTIFY_AUDIO, NOTIFY_EMAIL, Name, Note, Place, Preferences, RoleTable, Scope, Text, User,
    json::{self, AnyText, MemberNames},
    pointer_token,
};
use serde::{
    Deserialize, Deserializer, Serialize,
    de::{MapAccess, Visitor, value::MapAccessDeserializer},
};
use serde_json::Value;

use crate::codes;

json::object! {
    /// `PUT /users/:user`: what a request may hold.
    #[derive(Debug, Default)]
    pub(crate) struct UpdateUser {
        /// Says nothing that the path does not say.
        "id" => pub(crate) id: Option<Text> [given],
        "name" => pub(crate) name: Option<Text> [given],
        "email" => pub(crate) email: Option<Text> [given],
        /// The same as `settings.notifications`, at an older place.
        "notifications" => pub(crate) notifications: Option<Notifications> [given],
        "defaultMessagingAccount" => pub(crate) default_messaging_account: Option<Text> [given],
        "memberships" => pub(crate) memberships: Option<Vec<MembershipIn>> [given],
        "settings" => pub(crate) settings: SettingsIn,
        .. pub(crate) others,
    }
}

/// The most memberships of a request.
const MOST_MEMBERSHIPS: usize = 1000;

impl UpdateUser {
    /// Whether there is nothing in it but what these types check as thoroughly as the schema does, and no member that they
    /// do not know.
    pub(crate) fn is_plain(&self) -> bool {
        let settings = &self.settings;
        let notifications = [&self.notifications, &settings.notifications];
        let memberships = self.memberships.as_deref().unwrap_or_default();
        self.others.0.is_empty()
            && self.default_messaging_account.is_none()
            && settings.others.0.is_empty()
            && settings.custom_settings.is_empty()
            && settings.default_messaging_account.is_none()
            && settings.analytics_reports.is_none()
            && notifications.into_iter().flatten().all(|switches| switches.others.0.is_empty())
            && memberships.len() <= MOST_MEMBERSHIPS
            && memberships.iter().all(|membership| membership.others.0.is_empty())
    }
}

/// `POST /users`: what a request must hold.
#[derive(Deserialize)]
pub(crate) struct CreateUser {
    pub(crate) name: Text,
    pub(crate) email: Text,
    pub(crate) memberships: Vec<MembershipIn>,
    #[serde(default, rename = "@type", deserialize_with = "given")]
    _type: Option<AnyText>,
    #[serde(default, rename = "@context", deserialize_with = "given")]
    _context: Option<AnyText>,
}

/// A member of a request may be left out, but null means nothing.
fn given<'de, T: Deserialize<'de>, D: Deserializer<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

json::object! {
    #[derive(Debug, Default)]
    pub(crate) struct SettingsIn {
        "notifications" => pub(crate) notifications: Option<Notifications> [given],
        "customSettings" => pub(crate) custom_settings: BTreeMap<Text, Option<Text>>,
        "defaultMessagingAccount" => pub(crate) default_messaging_account: Option<Text> [given],
        "analyticsReports" => pub(crate) analytics_reports: Option<Vec<AnalyticsReport>> [given],
        .. pub(crate) others,
    }
}

json::object! {
    /// A report on a schedule. It means something at this vendor only, so that its form is all that counts.
    #[derive(Debug)]
    pub(crate) struct AnalyticsReport {
        "account" => _account: Option<AnyText> [given],
        "schedule" => _schedule: Option<AnyText> [given],
        "timePeriod" => _time_period: Option<AnyText> [given],
        "reports" => _reports: Option<Vec<AnyText>> [given],
        .. _others,
    }
}

json::object! {
    /// A membership as a request has it. What a request holds of a present membership is sent back as it was read, so the
    /// role stays a text.
    #[derive(Clone, Debug, Serialize, PartialEq)]
    pub(crate) struct MembershipIn {
        "role" => pub(crate) role: Text [required],
        "account" => pub(crate) account: Text [required],
        .. #[serde(skip_serializing)] pub(crate) others,
    }
}

impl MembershipIn {
    pub(crate) fn new(role: impl Into<Text>, account: impl Into<Text>) -> Self {
        Self { role: role.into(), account: account.into(), others: MemberNames::default() }
    }
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

/// `POST /users`: what we send.
#[derive(Serialize)]
pub(crate) struct CreateUserOut<'a> {
    pub(crate) name: Text,
    pub(crate) email: &'a str,
    pub(crate) memberships: Vec<MembershipIn>,
}

/// `POST /messages`: what we send.
#[derive(Serialize)]
pub(crate) struct MessageOut<'a> {
    pub(crate) to: &'a str,
    pub(crate) body: &'a str,
    /// Of the user that the message comes from.
    pub(crate) email: &'a str,
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

json::object! {
    /// Absent is not false.
    #[derive(Clone, Debug, Default, Serialize, PartialEq)]
    pub(crate) struct Notifications {
        #[serde(skip_serializing_if = "Option::is_none")]
        "email" => pub(crate) email: Option<bool> [given],
        #[serde(skip_serializing_if = "Option::is_none")]
        "audio" => pub(crate) audio: Option<bool> [given],
        .. #[serde(skip_serializing)] pub(crate) others,
    }
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

json::object! {
    /// A User, as it is read: tolerant.
    #[derive(Debug)]
    pub(crate) struct UserIn {
        "id" => pub(crate) id: Text [required],
        "name" => name: Known<Text>,
        "firstName" => first_name: Known<Text>,
        "lastName" => last_name: Known<Text>,
        "email" => email: Known<Text>,
        "avatar" => avatar: Known<Text>,
        "automatedActor" => automated_actor: Known<bool>,
        "hasPassword" => has_password: Known<bool>,
        "discarded" => discarded: Option<bool>,
        "settings" => settings: Option<UserSettings>,
        "memberships" => pub(crate) memberships: Option<MembershipsIn>,
        "@type" => _type: Option<AnyText>,
        "@context" => _context: Option<AnyText>,
        .. others,
    }
}

json::object! {
    #[derive(Debug)]
    struct UserNotifications {
        "email" => email: Option<bool>,
        "audio" => audio: Option<bool>,
        .. others,
    }
}

json::object! {
    #[derive(Debug)]
    struct UserSettings {
        "notifications" => notifications: Option<UserNotifications>,
        "customSettings" => custom_settings: Option<BTreeMap<Text, Value>>,
        .. others,
    }
}

/// The two forms of a user's memberships in a reply.
#[derive(Debug)]
pub(crate) enum MembershipsIn {
    /// Where to find them. It says nothing of what they are.
    Iri,
    /// The list itself.
    Collection(MembershipCollection),
}

impl<'de> Deserialize<'de> for MembershipsIn {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Forms;

        impl<'de> Visitor<'de> for Forms {
            type Value = MembershipsIn;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an IRI or a collection")
            }

            fn visit_str<E>(self, _: &str) -> Result<MembershipsIn, E> {
                Ok(MembershipsIn::Iri)
            }

            fn visit_map<A: MapAccess<'de>>(self, access: A) -> Result<MembershipsIn, A::Error> {
                Deserialize::deserialize(MapAccessDeserializer::new(access)).map(MembershipsIn::Collection)
            }
        }

        deserializer.deserialize_any(Forms)
    }
}

json::object! {
    #[derive(Debug)]
    pub(crate) struct MembershipCollection {
        "id" => id: Option<Text>,
        "members" => members: Vec<MembershipOf> [required],
        "totalItems" => total_items: Option<u64>,
        "view" => view: Option<View>,
        "@type" => _type: Option<AnyText>,
        "@context" => _context: Option<AnyText>,
        .. others,
    }
}

json::object! {
    /// A page of users, as it is read.
    #[derive(Debug)]
    pub(crate) struct UsersIn {
        "members" => pub(crate) members: Vec<UserIn> [required],
        "totalItems" => pub(crate) total_items: Option<u64>,
        "view" => pub(crate) view: Option<View>,
        "id" => _id: Option<AnyText>,
        "@type" => _type: Option<AnyText>,
        "@context" => _context: Option<AnyText>,
        .. pub(crate) others,
    }
}

/// Which page of a list this is, and where the next one is.
#[derive(Debug, Deserialize)]
pub(crate) struct View {
    #[serde(default)]
    pub(crate) next: Option<Text>,
}

json::object! {
    #[derive(Debug)]
    struct MembershipOf {
        "id" => id: Option<Text>,
        "role" => role: Text [required],
        "user" => user: Option<Text>,
        "account" => account: AccountOf [required],
        "@type" => _type: Option<AnyText>,
        "@context" => _context: Option<AnyText>,
        .. others,
    }
}

json::object! {
    #[derive(Debug)]
    struct AccountOf {
        "id" => id: Text [required],
        "name" => name: Option<Text>,
        "@type" => _type: Option<AnyText>,
        "@context" => _context: Option<AnyText>,
        .. others,
    }
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
            members.map(|one| MembershipIn::new(one.role.clone(), one.account.id.clone())).collect()
        })
    }

    /// The grants of the user with this IRI.
    fn grants(self, user: &str, roles: &RoleTable, notes: &mut Vec<Note>) -> Vec<Grant> {
        let mut note = |pointer: &'static str, reason: &'static str| {
            notes.push(Note::dropped(Place::upstream(pointer), reason));
        };
        if self.total_items.is_some_and(|total| total != self.members.len() as u64) {
            note("/memberships/totalItems", "not the number of memberships that are shown");
        }
        if self.view.is_some_and(|view| view.next.is_some()) {
            note("/memberships/view", "the list is shown in pages, and this is one of them");
        }
        if self.id.is_some_and(|id| id.strip_prefix(user) != Some("/memberships")) {
            note("/memberships/id", OF_ANOTHER);
        }
        notes.extend(unknown_members("/memberships", &self.others));
        let mut grants = Vec::with_capacity(self.members.len());
        for (position, membership) in self.members.into_iter().enumerate() {
            grants.extend(membership.grant(position, user, roles, notes));
        }
        grants
    }
}

const OF_ANOTHER: &str = "it names another user than the document does";

impl MembershipOf {
    fn grant(self, position: usize, user: &str, roles: &RoleTable, notes: &mut Vec<Note>) -> Option<Grant> {
        let at = |below: &str| Place::upstream(format!("/memberships/members/{position}{below}"));
        let account = codes::account_from_iri(&self.account.id);
        notes.extend(roles.note(&self.role, || at("/role")));
        let (Some(role), Some(account)) = (roles.role(&self.role), account) else {
            let reason = "not a role, or not an account, that this adapter knows";
            notes.push(Note::dropped(at(""), reason));
            return None;
        };
        if self.user.is_some_and(|other| other != user) {
            notes.push(Note::dropped(at("/user"), OF_ANOTHER));
        }
        let own = |iri: &str| iri.strip_prefix(user)?.strip_prefix("/memberships/").map(Text::from);
        if self.id.as_ref().is_some_and(|iri| own(iri).is_none()) {
            notes.push(Note::dropped(at("/id"), OF_ANOTHER));
        }
        for (below, others) in [("", &self.others), ("/account", &self.account.others)] {
            notes.extend(unknown_members(format_args!("/memberships/members/{position}{below}"), others));
        }
        let id = self.id.and_then(|iri| iri.rsplit('/').next().map(Text::from));
        Some(Grant { role, scope: Scope { name: self.account.name, ..Scope::new(account) }, id })
    }
}

impl UserIn {
    /// The canonical user, with notes of what it has no place for; `None` when the id is not a user's.
    pub(crate) fn into_user(self, roles: &RoleTable) -> Option<(User, Vec<Note>)> {
        let mut notes = Vec::new();
        let id = codes::user_from_iri(&self.id)?;
        let preferences = self.settings.map_or_else(Preferences::default, |settings| settings.read(&mut notes));
        let grants = match self.memberships {
            Some(MembershipsIn::Collection(collection)) => Some(collection.grants(&self.id, roles, &mut notes)),
            Some(MembershipsIn::Iri) | None => None,
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
            let switches = [(NOTIFY_EMAIL, notifications.email), (NOTIFY_AUDIO, notifications.audio)];
            entries.extend(switches.into_iter().filter_map(|(key, on)| Some((key.into(), Value::Bool(on?)))));
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

/// A note for each member that nobody carries.
pub(crate) fn unknown_members<'a>(
    parent: impl fmt::Display + 'a,
    others: &'a MemberNames,
) -> impl Iterator<Item = Note> + 'a {
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
    Collection(CollectionOut<MembershipOut<'a>>),
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CollectionOut<T> {
    #[serde(rename = "@type")]
    pub(crate) kind: &'static str,
    #[serde(rename = "@context")]
    pub(crate) context: &'static str,
    pub(crate) id: String,
    pub(crate) members: Vec<T>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) total_items: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) view: Option<ViewOut>,
}

impl<T> CollectionOut<T> {
    /// A list that is shown whole.
    pub(crate) fn whole(id: String, members: Vec<T>) -> Self {
        let total_items = Some(members.len() as u64);
        let (kind, context) = ("hydra:Collection", "/contexts/hydra:Collection.jsonld");
        Self { kind, context, id, members, total_items, view: None }
    }

    /// A page of a list.
    pub(crate) fn page(id: String, members: Vec<T>, total_items: Option<u64>, view: ViewOut) -> Self {
        Self { total_items, view: Some(view), ..Self::whole(id, members) }
    }
}

#[derive(Debug, Serialize)]
pub(crate) struct ViewOut {
    #[serde(rename = "@type")]
    kind: &'static str,
    #[serde(rename = "@context")]
    context: &'static str,
    id: String,
    first: String,
    next: Option<String>,
    /// Nobody keeps the way back.
    previous: Option<String>,
}

impl ViewOut {
    pub(crate) fn new(id: String, first: String, next: Option<String>) -> Self {
        let (kind, context) = ("hydra:PartialCollectionView", "/contexts/hydra:PartialCollectionView.jsonld");
        Self { kind, context, id, first, next, previous: None }
    }
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
    pub(crate) id: Text,
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
