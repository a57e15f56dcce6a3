//! TextUs's documents, in the key order of the vendor's pages.

use serde::ser::SerializeMap;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

use super::{Account, Membership, User};
use crate::assumed::textus as assumed;

/// What a membership allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Role {
    Admin,
    Support,
    User,
}

/// The settings of a user.
#[derive(Debug, Clone, Default)]
pub(crate) struct Settings {
    pub(crate) notifications: Notifications,
    pub(crate) custom: BTreeMap<String, Value>,
    /// A slug.
    pub(crate) default_account: Option<String>,
    pub(crate) analytics: Option<Vec<Report>>,
}

/// What a user is told about, and how.
#[derive(Debug, Clone, Default, Serialize)]
pub(crate) struct Notifications {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) email: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) audio: Option<bool>,
}

impl Notifications {
    fn is_empty(&self) -> bool {
        self.email.is_none() && self.audio.is_none()
    }
}

/// A scheduled report, kept as it came; written with the documented keys first.
#[derive(Debug, Clone)]
pub(crate) struct Report(pub(crate) Map<String, Value>);

impl Serialize for Report {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        const FIRST: [&str; 4] = ["account", "schedule", "timePeriod", "reports"];
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (key, value) in FIRST.iter().filter_map(|key| self.0.get_key_value(*key)) {
            map.serialize_entry(key, value)?;
        }
        for (key, value) in self.0.iter().filter(|(key, _)| !FIRST.contains(&key.as_str())) {
            map.serialize_entry(key, value)?;
        }
        map.end()
    }
}

// === Collections ===

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Collection<T> {
    #[serde(rename = "@type")]
    kind: &'static str,
    #[serde(rename = "@context")]
    context: &'static str,
    id: String,
    members: Vec<T>,
    total_items: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    view: Option<View>,
}

impl<T> Collection<T> {
    pub(super) fn whole(id: String, members: Vec<T>) -> Collection<T> {
        let total_items = members.len();
        let (kind, context) = ("hydra:Collection", "/contexts/hydra:Collection.jsonld");
        Collection { kind, context, id, members, total_items, view: None }
    }

    pub(super) fn page(id: String, members: Vec<T>, total_items: usize, view: View) -> Collection<T> {
        Collection { total_items, view: Some(view), ..Collection::whole(id, members) }
    }

    pub(super) fn accounts(members: Vec<T>) -> Collection<T> {
        let (kind, context) = ("AccountCollection", "/contexts/AccountCollection.jsonld");
        Collection { kind, context, ..Collection::whole("/accounts".to_owned(), members) }
    }
}

#[derive(Serialize)]
pub(super) struct View {
    #[serde(rename = "@type")]
    kind: &'static str,
    #[serde(rename = "@context")]
    context: &'static str,
    id: String,
    first: String,
    next: Option<String>,
    previous: Option<String>,
}

impl View {
    pub(super) fn new(id: String, first: String, next: Option<String>, previous: Option<String>) -> View {
        let context = "/contexts/hydra:PartialCollectionView.jsonld";
        View { kind: "hydra:PartialCollectionView", context, id, first, next, previous }
    }
}

// === The user ===

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct UserDocument<'a> {
    #[serde(rename = "@type")]
    kind: &'static str,
    #[serde(rename = "@context")]
    context: &'static str,
    id: String,
    name: &'a str,
    first_name: &'a str,
    last_name: &'a str,
    email: &'a str,
    avatar: Option<&'a str>,
    automated_actor: bool,
    has_password: bool,
    discarded: bool,
    settings: SettingsDocument<'a>,
    memberships: Memberships<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SettingsDocument<'a> {
    #[serde(skip_serializing_if = "Notifications::is_empty")]
    notifications: &'a Notifications,
    custom_settings: &'a BTreeMap<String, Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    default_messaging_account: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    analytics_reports: Option<&'a [Report]>,
}

/// Either the whole list or where to find it.
#[derive(Serialize)]
#[serde(untagged)]
pub(super) enum Memberships<'a> {
    Iri(String),
    Embedded(Collection<MembershipDocument<'a>>),
}

#[derive(Serialize)]
pub(super) struct MembershipDocument<'a> {
    #[serde(rename = "@type")]
    kind: &'static str,
    #[serde(rename = "@context")]
    context: &'static str,
    id: String,
    role: Role,
    user: String,
    account: AccountReference<'a>,
}

impl User {
    pub(super) fn document<'a>(&'a self, memberships: Memberships<'a>) -> UserDocument<'a> {
        let (first_name, last_name) = assumed::split_name(&self.name);
        UserDocument {
            kind: "User",
            context: "/contexts/User.jsonld",
            id: user_iri(&self.id),
            name: &self.name,
            first_name,
            last_name,
            email: &self.email,
            avatar: None,
            automated_actor: false,
            has_password: false,
            discarded: self.discarded,
            settings: self.settings.document(),
            memberships,
        }
    }

    pub(super) fn memberships_iri(&self) -> String {
        format!("/users/{}/memberships", self.id)
    }

    pub(super) fn memberships_document<'a>(&'a self, accounts: &'a [Account]) -> Collection<MembershipDocument<'a>> {
        let members = self.memberships.iter().map(|membership| membership.document(&self.id, accounts)).collect();
        Collection::whole(self.memberships_iri(), members)
    }
}

impl Settings {
    fn document(&self) -> SettingsDocument<'_> {
        SettingsDocument {
            notifications: &self.notifications,
            custom_settings: &self.custom,
            default_messaging_account: self.default_account.as_deref().map(account_iri),
            analytics_reports: self.analytics.as_deref(),
        }
    }
}

impl Membership {
    fn document<'a>(&'a self, user: &str, accounts: &'a [Account]) -> MembershipDocument<'a> {
        let name = accounts.iter().find(|account| account.slug == self.account).map_or("", |account| account.name);
        MembershipDocument {
            kind: "Membership",
            context: "/contexts/Membership.jsonld",
            id: format!("/users/{user}/memberships/{}", self.id),
            role: self.role,
            user: user_iri(user),
            account: AccountReference::new(&self.account, name),
        }
    }
}

// === Accounts and their schema ===

#[derive(Serialize)]
pub(super) struct AccountReference<'a> {
    #[serde(rename = "@type")]
    kind: &'static str,
    #[serde(rename = "@context")]
    context: &'static str,
    id: String,
    name: &'a str,
}

impl<'a> AccountReference<'a> {
    fn new(slug: &str, name: &'a str) -> AccountReference<'a> {
        AccountReference { kind: "Account", context: "/contexts/Account.jsonld", id: account_iri(slug), name }
    }
}

/// The reduced account of the index, as far as the vendor's example could be read.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct AccountDocument<'a> {
    #[serde(flatten)]
    reference: AccountReference<'a>,
    slug: &'a str,
    logo: Option<&'a str>,
    phone_numbers: Vec<String>,
    effective_role: Role,
    #[serde(rename = "type")]
    account_type: &'static str,
    analytics: String,
}

#[derive(Serialize)]
pub(super) struct UserSchema<'a> {
    #[serde(rename = "@type")]
    kind: &'static str,
    #[serde(rename = "@context")]
    context: &'static str,
    id: String,
    account: AccountReference<'a>,
    fields: Collection<CustomField>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct CustomField {
    #[serde(rename = "@type")]
    kind: &'static str,
    #[serde(rename = "@context")]
    context: &'static str,
    id: String,
    slug: &'static str,
    title: &'static str,
    #[serde(rename = "type")]
    value_type: &'static str,
    description: &'static str,
    created_at: &'static str,
    in_use: bool,
}

impl Account {
    pub(super) fn document(&self, role: Role) -> AccountDocument<'_> {
        AccountDocument {
            reference: AccountReference::new(self.slug, self.name),
            slug: self.slug,
            logo: None,
            phone_numbers: vec![national(self.phone)],
            effective_role: role,
            account_type: "standard",
            analytics: format!("{}/analytics", account_iri(self.slug)),
        }
    }

    /// The schema with the one custom field that every account has here.
    pub(super) fn schema(&self, users: &[User]) -> UserSchema<'_> {
        let id = format!("/{}/user_schema", self.slug);
        let key = format!("{id}/calendar");
        let field = CustomField {
            kind: "CustomField",
            context: "/contexts/CustomField.jsonld",
            in_use: users.iter().any(|user| user.settings.custom.contains_key(&key)),
            id: key,
            slug: "calendar",
            title: "Calendar Link",
            value_type: "url",
            description: "Your personal calend.ly url.",
            created_at: "2020-10-15T20:07:20.862Z",
        };
        UserSchema {
            kind: "UserSchema",
            context: "/contexts/UserSchema.jsonld",
            account: AccountReference::new(self.slug, self.name),
            fields: Collection::whole(format!("{id}/fields"), vec![field]),
            id,
        }
    }
}

// === Messages ===

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Message<'a> {
    #[serde(rename = "@type")]
    kind: &'static str,
    id: String,
    #[serde(rename = "@context")]
    context: &'static str,
    direction: &'static str,
    body: &'a str,
    formatted_body: String,
    display_timestamp: &'a str,
    timeline_position: &'a str,
    delivery_state: &'static str,
    conversation: String,
    sender: String,
    attachments: Collection<()>,
    friendly_state_description: &'static str,
    retry_allowed: bool,
    retry: (),
    latest_event_at: &'a str,
    flags: [(); 0],
    source: &'static str,
}

impl<'a> Message<'a> {
    pub(super) fn new(id: &str, conversation: &str, sender: &str, body: &'a str, time: &'a str) -> Message<'a> {
        Message {
            kind: "Message",
            id: format!("/messages/{id}"),
            context: "/contexts/Message.jsonld",
            direction: "out",
            body,
            formatted_body: format!("<div>{}</div>", escape(body)),
            display_timestamp: time,
            timeline_position: time,
            delivery_state: "delivered",
            conversation: format!("/conversations/{conversation}"),
            sender: user_iri(sender),
            attachments: Collection::whole(format!("/messages/{id}/attachments"), vec![]),
            friendly_state_description: "Message Delivered",
            retry_allowed: false,
            retry: (),
            latest_event_at: time,
            flags: [],
            source: "textus",
        }
    }
}

// === Small spellings ===

fn user_iri(id: &str) -> String {
    format!("/users/{id}")
}

fn account_iri(slug: &str) -> String {
    format!("/accounts/{slug}")
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// `+13035550101` as `(303) 555-0101`; anything else as it is.
fn national(phone: &str) -> String {
    let digits = phone.strip_prefix("+1").unwrap_or_default();
    match (digits.get(..3), digits.get(3..6), digits.get(6..)) {
        (Some(area), Some(exchange), Some(line)) => format!("({area}) {exchange}-{line}"),
        _ => phone.to_owned(),
    }
}
