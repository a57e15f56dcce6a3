//! The shape of the configuration file, and what holds where it says nothing.
//!
//! Every value is optional here: which of them must be there is a matter of the check, which can say so kindly.

use std::{collections::BTreeMap, net::SocketAddr, time::Duration};

use interlingua_core::{NOTIFY_AUDIO, NOTIFY_EMAIL, OnLoss, Removal, Role, Text};
use serde::Deserialize;
use serde_json::Value;

use super::{
    base_url::BaseUrl,
    entry::Entry,
    error::suggestion,
    secret::{CredentialSource, KeySource},
    units::{Count, Size, Span},
};

/// The lowest layer.
pub(super) const DEFAULTS: &str = r#"
[admin]
address = "127.0.0.1:9090"

[limits]
head = "32KiB"
body = "1MiB"
bodies = "64MiB"
calls = 64
in_flight = 1024
lag = "50ms"
connections = 10000
connections_per_address = 2500
patience = "30s"
deadline = "30s"
drain = "30s"

[links]
store = "sqlite:interlingua.db"
"#;

/// How long to wait for an upstream that sets no time.
pub(super) const TIMEOUT: Duration = Duration::from_secs(10);

/// The preferences that have a counterpart where `[mapping.preferences]` is absent.
pub(super) fn preferences() -> BTreeMap<Text, Text> {
    let table = [
        ("cellPhone", "/textus/user_schema/cell_phone"),
        ("emailNotification", NOTIFY_EMAIL),
        ("audioNotification", NOTIFY_AUDIO),
    ];
    table.into_iter().map(|(name, key)| (name.into(), key.into())).collect()
}

/// The whole file.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a table")]
pub(super) struct File {
    pub(super) admin: Admin,
    pub(super) limits: Limits,
    pub(super) links: Links,
    pub(super) mapping: Mapping,
    /// By dialect, then by the dialect's word.
    pub(super) roles: BTreeMap<String, BTreeMap<String, RoleName>>,
    pub(super) upstreams: BTreeMap<String, Upstream>,
    pub(super) clients: Vec<Client>,
    pub(super) listeners: Vec<Listener>,
    pub(super) sandbox: Sandbox,
}

/// The operator's own listener.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a table")]
pub(super) struct Admin {
    pub(super) address: Option<Address>,
}

/// What one process takes on.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a table")]
pub(super) struct Limits {
    pub(super) head: Option<Size>,
    pub(super) body: Option<Size>,
    pub(super) bodies: Option<Size>,
    pub(super) calls: Option<Count>,
    pub(super) in_flight: Option<Count>,
    pub(super) lag: Option<Span>,
    pub(super) connections: Option<Count>,
    pub(super) connections_per_address: Option<Count>,
    pub(super) patience: Option<Span>,
    pub(super) deadline: Option<Span>,
    pub(super) drain: Option<Span>,
}

/// Which ids belong together, and where that is kept.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a table")]
pub(super) struct Links {
    pub(super) store: Option<String>,
    /// By dialect.
    pub(super) ids: BTreeMap<String, Numbers>,
    /// Ids by dialect, and what else there is to remember.
    pub(super) users: Vec<Entry>,
    /// Likewise.
    pub(super) accounts: Vec<Entry>,
}

/// From the first number to the last.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a table with `first` and `last`")]
pub(super) struct Numbers {
    pub(super) first: Option<u64>,
    pub(super) last: Option<u64>,
}

/// What the words of the dialects mean.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a table")]
pub(super) struct Mapping {
    /// The dialect's name and the canonical key; `None` is [`preferences`], and not an empty table.
    pub(super) preferences: Option<BTreeMap<String, String>>,
}

/// A server that is called.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a table")]
pub(super) struct Upstream {
    pub(super) dialect: Option<String>,
    pub(super) base_url: Option<BaseUrl>,
    pub(super) credential: Option<CredentialSource>,
    /// `None` is [`TIMEOUT`].
    pub(super) timeout: Option<Span>,
}

/// Somebody who may call.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a table")]
pub(super) struct Client {
    pub(super) name: Option<String>,
    pub(super) key: Option<KeySource>,
    /// An id, by dialect.
    pub(super) user: Option<BTreeMap<String, Value>>,
}

/// A port that is listened on.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a table")]
pub(super) struct Listener {
    pub(super) address: Option<Address>,
    pub(super) routes: Vec<Route>,
}

/// Which dialect is served there, and by whom.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a table")]
pub(super) struct Route {
    pub(super) face: Option<String>,
    pub(super) upstream: Option<String>,
    pub(super) fallback: Option<String>,
    pub(super) on_loss: Option<Loss>,
    pub(super) delete: Option<Delete>,
    /// By JSON Pointer.
    pub(super) fields: BTreeMap<String, Loss>,
}

/// The stand-ins that run beside the gateway.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a table")]
pub(super) struct Sandbox {
    pub(super) people: Option<Count>,
    pub(super) ecgrid: Option<StandIn>,
    pub(super) textus: Option<StandIn>,
}

/// A stand-in for one vendor.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a table")]
pub(super) struct StandIn {
    pub(super) address: Option<Address>,
}

/// An address with its port.
#[derive(Clone, Copy, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct Address(pub(super) SocketAddr);

impl TryFrom<String> for Address {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse().map(Self).map_err(|_| "expected an IP address and a port, such as 127.0.0.1:8080 or [::1]:8080")
    }
}

/// A choice about losses, by its word.
#[derive(Clone, Copy, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct Loss(pub(super) OnLoss);

impl TryFrom<String> for Loss {
    type Error = String;

    fn try_from(word: String) -> Result<Self, Self::Error> {
        match word.as_str() {
            "reject" => Ok(Self(OnLoss::Reject)),
            "warn" => Ok(Self(OnLoss::Warn)),
            "allow" => Ok(Self(OnLoss::Allow)),
            other => Err(format!("nothing is called `{other}`; {}", suggestion(other, LOSSES.into_iter()))),
        }
    }
}

const LOSSES: [&str; 3] = ["reject", "warn", "allow"];

/// What to make of a removal that could be taken back, by its word.
#[derive(Clone, Copy, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct Delete(pub(super) Removal);

impl TryFrom<String> for Delete {
    type Error = String;

    fn try_from(word: String) -> Result<Self, Self::Error> {
        match word.as_str() {
            "terminate" => Ok(Self(Removal::Permanent)),
            "reversible" => Ok(Self(Removal::Reversible)),
            other => {
                let words = ["terminate", "reversible"].into_iter();
                Err(format!("nothing is called `{other}`; {}", suggestion(other, words)))
            }
        }
    }
}

/// A canonical role, by its name.
#[derive(Clone, Copy, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct RoleName(pub(super) Role);

impl TryFrom<String> for RoleName {
    type Error = String;

    fn try_from(name: String) -> Result<Self, Self::Error> {
        let no_role =
            || format!("no role is called `{name}`; {}", suggestion(&name, ROLES.map(Role::name).into_iter()));
        Role::from_name(&name).map(Self).ok_or_else(no_role)
    }
}

/// The roles worth suggesting; `system` is understood, too, but no table can give it to a word that is less.
const ROLES: [Role; 5] = [Role::None, Role::Restricted, Role::Member, Role::Support, Role::Administrator];
