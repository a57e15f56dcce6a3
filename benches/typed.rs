//! The vendors' documents as plain structs, for the floor of "parse and write, and nothing between".
//!
//! They are as fast as derived code of the product's own text type gets: every member is known, and none is checked.

use std::collections::BTreeMap;

use interlingua_core::Text;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value;

/// Parses a document and writes it again.
pub(crate) type RoundTrip = fn(&[u8]) -> Vec<u8>;

/// Parses a document as a `T` and writes it again.
pub(crate) fn round_trip<T: DeserializeOwned + Serialize>(document: &[u8]) -> Vec<u8> {
    let parsed: T = serde_json::from_slice(document).expect("the document is of this type");
    serde_json::to_vec(&parsed).expect("what was parsed can be written")
}

// === ECGrid ===

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct UpdateUser {
    user_id: i64,
    email: Text,
    first_name: Text,
    last_name: Text,
}

#[derive(Deserialize, Serialize)]
pub(crate) struct Envelope<T> {
    success: bool,
    data: T,
}

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct UserIdInfo {
    user_id: i64,
    login: Text,
    email: Text,
    first_name: Text,
    last_name: Text,
    network_id: i64,
    mailbox_id: i64,
    auth_level: Text,
    status: Text,
    created: Text,
}

// === TextUs ===

#[derive(Deserialize, Serialize)]
pub(crate) struct TextusUpdate {
    name: Text,
    email: Text,
    settings: UpdateSettings,
}

#[derive(Deserialize, Serialize)]
struct UpdateSettings {
    notifications: Notifications,
}

#[derive(Deserialize, Serialize)]
struct Notifications {
    email: bool,
    audio: bool,
}

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TextusUser {
    #[serde(rename = "@type")]
    kind: Text,
    #[serde(rename = "@context")]
    context: Text,
    id: Text,
    name: Text,
    first_name: Text,
    last_name: Text,
    email: Text,
    avatar: Option<Text>,
    automated_actor: bool,
    has_password: bool,
    discarded: bool,
    settings: Settings,
    memberships: Memberships,
}

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TextusUsers {
    #[serde(rename = "@type")]
    kind: Text,
    #[serde(rename = "@context")]
    context: Text,
    id: Text,
    members: Vec<TextusUser>,
    total_items: u64,
    view: View,
}

#[derive(Deserialize, Serialize)]
struct View {
    #[serde(rename = "@type")]
    kind: Text,
    #[serde(rename = "@context")]
    context: Text,
    id: Text,
    first: Text,
    next: Option<Text>,
    previous: Option<Text>,
}

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
struct Settings {
    notifications: Notifications,
    custom_settings: BTreeMap<Text, Value>,
}

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
struct Memberships {
    #[serde(rename = "@type")]
    kind: Text,
    #[serde(rename = "@context")]
    context: Text,
    id: Text,
    members: Vec<Membership>,
    total_items: u64,
}

#[derive(Deserialize, Serialize)]
struct Membership {
    #[serde(rename = "@type")]
    kind: Text,
    #[serde(rename = "@context")]
    context: Text,
    id: Text,
    role: Text,
    user: Text,
    account: Account,
}

#[derive(Deserialize, Serialize)]
struct Account {
    #[serde(rename = "@type")]
    kind: Text,
    #[serde(rename = "@context")]
    context: Text,
    id: Text,
    name: Text,
}
