//! The shape of the configuration file, and what holds where it says nothing.
//!
//! Every value is optional here: which of them must be there is a matter of the check, which can say so kindly.

use std::{collections::BTreeMap, net::SocketAddr, num::NonZeroU32, path::PathBuf, time::Duration};

use interlingua_core::{NOTIFY_AUDIO, NOTIFY_EMAIL, OnLoss, Removal, Role, Text};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;

use super::{
    Grant, LogFormat, OnCrash, OnPartial,
    base_url::BaseUrl,
    entry::Entry,
    error::suggestion,
    secret::{CredentialSource, KeySource, OwnKeySource, PasswordSource},
    tls::Lowest,
    units::{Age, Count, Number, Part, Size, Span},
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
lag = "100ms"
connections = 10000
connections_per_address = 2500
failed_logins = 60
patience = "30s"
deadline = "30s"
drain = "30s"

[journal]
keep = "7d"
lease = "15s"
on_crash = "report"

[links]
store = "sqlite:interlingua.db"

[repeats]
keep = "24h"

[sessions]
lifetime = "1h"
longest = "24h"

[traces]
ratio = 1.0
"#;

/// What holds for an upstream that does not say otherwise.
pub(super) const TIMEOUT: Duration = Duration::from_secs(10);
pub(super) const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
pub(super) const FIRST_BYTE_TIMEOUT: Duration = Duration::from_secs(5);
pub(super) const RETRIES: u32 = 2;
pub(super) const CONCURRENCY: NonZeroU32 = NonZeroU32::new(256).expect("it is not 0");
/// Failures in a row, and the pause after them.
pub(super) const BREAKER: (NonZeroU32, Duration) = (NonZeroU32::new(10).expect("it is not 0"), Duration::from_secs(5));

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
    pub(super) journal: Journal,
    pub(super) links: Links,
    pub(super) repeats: Repeats,
    pub(super) sessions: Sessions,
    pub(super) log: Log,
    pub(super) traces: Traces,
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
    pub(super) failed_logins: Option<Count>,
    pub(super) patience: Option<Span>,
    pub(super) deadline: Option<Span>,
    pub(super) drain: Option<Span>,
}

/// How writes are kept until it is known what came of them.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a table")]
pub(super) struct Journal {
    pub(super) key: Option<OwnKeySource>,
    pub(super) keep: Option<Age>,
    pub(super) lease: Option<Span>,
    pub(super) on_crash: Option<Crash>,
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

/// What is kept for requests that are sent again.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a table")]
pub(super) struct Repeats {
    pub(super) keep: Option<Span>,
}

/// What clients that log in get.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a table")]
pub(super) struct Sessions {
    pub(super) key: Option<OwnKeySource>,
    pub(super) lifetime: Option<Span>,
    pub(super) longest: Option<Span>,
}

/// What is told of what happens.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a table")]
pub(super) struct Log {
    /// `None` is what fits whoever reads it.
    pub(super) format: Option<Format>,
}

/// Where traces go, and how many.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a table")]
pub(super) struct Traces {
    /// `None`: there are none.
    pub(super) endpoint: Option<BaseUrl>,
    pub(super) ratio: Option<Part>,
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
    /// `None` is what [`UpstreamTls`] is by default, where `base_url` asks for TLS.
    pub(super) tls: Option<UpstreamTls>,
    pub(super) credential: Option<CredentialSource>,
    /// `None` is [`TIMEOUT`], and so on for those that follow.
    pub(super) timeout: Option<Span>,
    pub(super) connect_timeout: Option<Span>,
    pub(super) first_byte_timeout: Option<Span>,
    pub(super) retries: Option<Number>,
    pub(super) concurrency: Option<Count>,
    pub(super) breaker: Breaker,
    pub(super) rate: Option<Rate>,
}

/// When a server is left alone.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a table with `failures` and `pause`")]
pub(super) struct Breaker {
    pub(super) failures: Option<Count>,
    pub(super) pause: Option<Span>,
}

/// What a server allows.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a table with `calls` and `per`")]
pub(super) struct Rate {
    pub(super) calls: Option<Count>,
    pub(super) per: Option<Span>,
}

/// Somebody who may call.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a table")]
pub(super) struct Client {
    pub(super) name: Option<String>,
    pub(super) key: Option<KeySource>,
    pub(super) keys: Vec<ClientKey>,
    pub(super) logins: Vec<ClientLogin>,
    /// An id, by dialect.
    pub(super) user: Option<BTreeMap<String, Value>>,
    /// `None`: everything.
    pub(super) allow: Option<Vec<String>>,
    /// `None`: all of them.
    pub(super) routes: Option<Vec<ClientRoute>>,
    pub(super) grant: Option<Granting>,
    pub(super) rate: Option<Rate>,
    /// By upstream.
    pub(super) credentials: BTreeMap<String, CredentialSource>,
}

/// A key, and when it ends.
#[derive(Deserialize)]
#[serde(try_from = "RawClientKey")]
pub(super) struct ClientKey {
    pub(super) key: KeySource,
    pub(super) expires: Option<Timestamp>,
}

#[derive(Deserialize)]
#[serde(
    deny_unknown_fields,
    expecting = "{ env = \"NAME\" }, { file = \"PATH\" } or { sha256 = \"…\" }, and `expires` if it ends"
)]
struct RawClientKey {
    env: Option<String>,
    file: Option<PathBuf>,
    sha256: Option<String>,
    expires: Option<String>,
}

impl TryFrom<RawClientKey> for ClientKey {
    type Error = &'static str;

    fn try_from(raw: RawClientKey) -> Result<Self, Self::Error> {
        let expires = raw.expires.map(|time| time.parse());
        let expires = expires
            .transpose()
            .map_err(|_| "expected `expires` to be a time with its offset, such as 2027-01-01T00:00:00Z")?;
        Ok(Self { key: KeySource::of(raw.env, raw.file, raw.sha256)?, expires })
    }
}

/// A name, and the hash of a password.
#[derive(Deserialize)]
#[serde(try_from = "RawClientLogin")]
pub(super) struct ClientLogin {
    pub(super) login: String,
    pub(super) password: PasswordSource,
}

#[derive(Deserialize)]
#[serde(
    deny_unknown_fields,
    expecting = "{ login = \"NAME\" } and, beside it, `password_hash`, or `env` or `file` where that is kept"
)]
struct RawClientLogin {
    login: String,
    env: Option<String>,
    file: Option<PathBuf>,
    password_hash: Option<String>,
}

impl TryFrom<RawClientLogin> for ClientLogin {
    type Error = &'static str;

    fn try_from(raw: RawClientLogin) -> Result<Self, Self::Error> {
        let password = PasswordSource::of(raw.env, raw.file, raw.password_hash)?;
        Ok(Self { login: raw.login, password })
    }
}

/// Some of the routes: those with this face, this upstream, or both.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a table with `face`, `upstream` or both")]
pub(super) struct ClientRoute {
    pub(super) face: Option<String>,
    pub(super) upstream: Option<String>,
}

/// What a client may grant, by its word.
#[derive(Clone, Copy, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct Granting(pub(super) Grant);

impl TryFrom<String> for Granting {
    type Error = String;

    fn try_from(word: String) -> Result<Self, Self::Error> {
        let words = [("none", Grant::None), ("ordinary", Grant::Ordinary), ("administrator", Grant::Administrator)];
        choose(&word, words).map(Self)
    }
}

/// A port that is listened on.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a table")]
pub(super) struct Listener {
    pub(super) address: Option<Address>,
    /// `None` is no TLS.
    pub(super) tls: Option<ListenerTls>,
    pub(super) routes: Vec<Route>,
}

/// How TLS is spoken on a listener.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a table")]
pub(super) struct ListenerTls {
    pub(super) certificates: Vec<Certificate>,
    pub(super) client_ca: Option<PathBuf>,
    pub(super) min_version: Option<MinVersion>,
    pub(super) hsts: Option<Age>,
}

/// How TLS is spoken to an upstream.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a table")]
pub(super) struct UpstreamTls {
    /// `None` are the authorities that the machine trusts.
    pub(super) ca: Option<PathBuf>,
    pub(super) certificate: Option<Certificate>,
    pub(super) min_version: Option<MinVersion>,
}

/// The files of a certificate, with those that lead to its authority, and of its key.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a table with `chain` and `key`")]
pub(super) struct Certificate {
    pub(super) chain: Option<PathBuf>,
    pub(super) key: Option<PathBuf>,
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
    pub(super) on_partial: Option<Partial>,
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
        let words = [("reject", OnLoss::Reject), ("warn", OnLoss::Warn), ("allow", OnLoss::Allow)];
        choose(&word, words).map(Self)
    }
}

/// What to make of a removal that could be taken back, by its word.
#[derive(Clone, Copy, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct Delete(pub(super) Removal);

impl TryFrom<String> for Delete {
    type Error = String;

    fn try_from(word: String) -> Result<Self, Self::Error> {
        choose(&word, [("terminate", Removal::Permanent), ("reversible", Removal::Reversible)]).map(Self)
    }
}

/// What to do about half of a request, by its word.
#[derive(Clone, Copy, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct Partial(pub(super) OnPartial);

impl TryFrom<String> for Partial {
    type Error = String;

    fn try_from(word: String) -> Result<Self, Self::Error> {
        choose(&word, [("report", OnPartial::Report), ("undo", OnPartial::Undo)]).map(Self)
    }
}

/// What to do about what a crash has left, by its word.
#[derive(Clone, Copy, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct Crash(pub(super) OnCrash);

impl TryFrom<String> for Crash {
    type Error = String;

    fn try_from(word: String) -> Result<Self, Self::Error> {
        let words = [("report", OnCrash::Report), ("finish", OnCrash::Finish), ("undo", OnCrash::Undo)];
        choose(&word, words).map(Self)
    }
}

/// How the log is written, by its word.
#[derive(Clone, Copy, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct Format(pub(super) LogFormat);

impl TryFrom<String> for Format {
    type Error = String;

    fn try_from(word: String) -> Result<Self, Self::Error> {
        choose(&word, [("json", LogFormat::Json), ("text", LogFormat::Text)]).map(Self)
    }
}

/// The lowest version of TLS, by its number.
#[derive(Clone, Copy, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct MinVersion(pub(super) Lowest);

impl TryFrom<String> for MinVersion {
    type Error = &'static str;

    fn try_from(number: String) -> Result<Self, Self::Error> {
        match number.as_str() {
            "1.2" => Ok(Self(Lowest::Tls12)),
            "1.3" => Ok(Self(Lowest::Tls13)),
            _ => Err("expected \"1.2\" or \"1.3\"; what came before them is not safe"),
        }
    }
}

/// What a word stands for.
fn choose<T: Copy, const N: usize>(word: &str, known: [(&'static str, T); N]) -> Result<T, String> {
    let found = known.into_iter().find(|(name, _)| *name == word).map(|(_, choice)| choice);
    found.ok_or_else(|| {
        let names = known.into_iter().map(|(name, _)| name);
        format!("nothing is called `{word}`; {}", suggestion(word, names))
    })
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
