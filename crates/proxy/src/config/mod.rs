//! The configuration: read whole and checked whole before any port is bound.
//!
//! Three layers, each over the one before: what holds by default (`file`), a TOML file, and environment variables
//! named `INTERLINGUA_SECTION__KEY` (`source`). What comes out is a [`Config`] of real types in which nothing is
//! left to check (`check`), or a [`ConfigErrors`] with everything that is wrong, line by line.
//!
//! A variable's name is lower-cased and split at `__`. Its value is text as it stands, or a TOML list or table when it
//! stands in brackets or braces; a list takes the place of the file's. Names with capitals or dashes, such as some
//! words of the mapping, can be set as part of a table only.

mod advice;
mod base_url;
mod check;
pub(crate) mod entry;
mod error;
mod file;
mod folder;
mod key;
mod links;
mod logins;
#[cfg(test)]
mod schema;
mod secret;
mod show;
mod source;
#[cfg(test)]
mod tests;
mod tls;
mod units;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    net::SocketAddr,
    num::NonZeroU32,
    path::Path,
    sync::Arc,
    time::Duration,
};

use figment::{Figment, value::Value};
use interlingua_core::{Adapter, LossPolicy, Removal, Text as CoreText, UserId};
use interlingua_links::{Location, Ranges, ScopeLink, SealingKey, UserLink};
use jiff::Timestamp;
use serde::Deserialize;

pub use base_url::BaseUrl;
pub use error::ConfigErrors;
pub use folder::Files;
pub use logins::{ClientLogin, PasswordHash, SessionKey, Sessions};
pub use secret::Secret;
pub use source::Environment;
pub use tls::{ClientTls, ServerTls};

use check::{Check, Surroundings};
use error::{MOST, Origin, Problem, Report};
use file::File;
use folder::Folder;
use key::Key;
use source::{Layer, Lines};

/// What a gateway is told to do.
#[derive(Clone)]
pub struct Config {
    /// Where the operator's own endpoints listen.
    pub admin: SocketAddr,
    /// What one process takes on.
    pub limits: Limits,
    /// The servers that are called, by name.
    pub upstreams: BTreeMap<String, Upstream>,
    /// Those who may call. No two have the same name or key.
    pub clients: Vec<Client>,
    /// The ports that clients talk to; at least one.
    pub listeners: Vec<Listener>,
    /// Every registered adapter, by the name of its dialect, with the operator's choices.
    pub adapters: BTreeMap<&'static str, Arc<dyn Adapter>>,
    /// How writes are kept until it is known what came of them.
    pub journal: Journal,
    /// Where links are kept.
    pub store: Location,
    /// What is kept for requests that are sent again.
    pub repeats: Repeats,
    /// What clients that log in get.
    pub sessions: Sessions,
    /// How the log is written. Default: as text on a terminal, as JSON elsewhere.
    pub log: Option<LogFormat>,
    /// Where traces go. Default: there are none.
    pub traces: Option<Traces>,
    /// From which numbers ids are made for users of other dialects, by dialect.
    pub ids: Ranges,
    /// The users whose ids belong together. No id stands in two of them.
    pub users: Vec<UserLink>,
    /// The scopes whose ids belong together. No id stands in two of them.
    pub scopes: Vec<ScopeLink>,
    /// The stand-ins that run beside the gateway.
    pub sandbox: Sandbox,
    /// What all this was read from.
    pub files: Files,
}

/// What one process takes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The largest head of a request, in bytes. Default: 32 KiB.
    pub head: usize,
    /// The largest body of a request, in bytes, unless it falls back. Default: 1 MiB.
    pub body: usize,
    /// How much is held at once of all bodies that are not small, in bytes. Default: 64 MiB.
    pub bodies: usize,
    /// How many calls one request may take. Default: 64.
    pub calls: NonZeroU32,
    /// How many requests are worked on at once; more are refused. Default: 1024.
    pub in_flight: NonZeroU32,
    /// How long what can go on may wait for a processor; while it waits longer, fewer requests are worked on. Default:
    /// 100 milliseconds.
    pub lag: Duration,
    /// How many connections of clients are open at once. Default: 10000.
    pub connections: NonZeroU32,
    /// How many of them may be from one address. Default: 2500.
    pub connections_per_address: NonZeroU32,
    /// How many wrong keys may come from one address in a minute. Default: 60.
    pub failed_logins: NonZeroU32,
    /// How long a client may keep us waiting. Default: 30 seconds.
    pub patience: Duration,
    /// How long a request may take, with all calls that it needs; where it falls back, how long its client may take
    /// nothing of the answer. Default: 30 seconds.
    pub deadline: Duration,
    /// How long requests may go on after the order to stop. Default: 30 seconds.
    pub drain: Duration,
}

/// How writes are kept until it is known what came of them, in the store of the links.
#[derive(Clone, Debug)]
pub struct Journal {
    /// What bodies are sealed with in a database. Default: none, and then bodies are not kept there.
    pub key: Option<SealingKey>,
    /// What is done about what a crash has left half done. Default: to report it.
    pub on_crash: OnCrash,
    /// How long is kept what is settled. Default: 7 days.
    pub keep: Duration,
    /// How long a gateway of which nothing is heard still has what it was at. Default: 15 seconds.
    pub lease: Duration,
}

/// What is done about writes of which a crash has left some undone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnCrash {
    /// They are told in the log at every start, and left to `interlingua journal resolve`.
    #[default]
    Report,
    /// What was not sent is sent.
    Finish,
    /// What was applied is taken back, as far as it can be.
    Undo,
}

/// What is done about a request of which only some writes were carried out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnPartial {
    /// The client is told what was applied and what was not.
    #[default]
    Report,
    /// What was applied is taken back, as far as it can be, and the client is told.
    Undo,
}

/// What is kept for requests that are sent again with the same `Idempotency-Key`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Repeats {
    /// How long what came of a request is told to those who repeat it. Default: 24 hours.
    pub keep: Duration,
}

/// How the log is written: one event a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// A JSON object.
    Json,
    /// Text for people.
    Text,
}

/// Where traces go, and how many.
#[derive(Clone, Debug, PartialEq)]
pub struct Traces {
    /// The collector, which speaks OTLP over gRPC.
    pub endpoint: BaseUrl,
    /// Which part of the traces that begin here is kept. Default: all.
    pub ratio: f64,
}

/// A server that is called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upstream {
    /// The dialect that it speaks; one of [`Config::adapters`].
    pub dialect: &'static str,
    /// Where its API begins.
    pub base_url: BaseUrl,
    /// How TLS is spoken to it; there exactly if `base_url` asks for it.
    pub tls: Option<ClientTls>,
    /// What it knows us by.
    pub credential: Secret,
    /// What it knows us by when we call it for one of these clients. Default: as for all others.
    pub credentials: BTreeMap<String, Secret>,
    /// How long one call may take, with all tries; where it is a fallback, how long it may let nothing move. Default: 10
    /// seconds.
    pub timeout: Duration,
    /// How long a connection may take to come about. Default: 3 seconds.
    pub connect_timeout: Duration,
    /// How long the answer to a call that can be tried again may take to begin. Default: 5 seconds.
    pub first_byte_timeout: Duration,
    /// How many times more a call is tried. Default: 2.
    pub retries: u32,
    /// How many calls are under way at once; more are refused. Default: 256.
    pub concurrency: NonZeroU32,
    /// When it is left alone. Default: after 10 failures, for 5 seconds.
    pub breaker: Breaker,
    /// What it allows, until it tells in its answers. Default: nobody knows, and nothing is shared.
    pub rate: Option<Rate>,
}

/// When a server is left alone because it fails again and again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Breaker {
    /// After how many failures in a row: each try for itself, reads and writes counted apart.
    pub failures: NonZeroU32,
    /// For how long, until one call may try.
    pub pause: Duration,
}

/// How many calls a server allows in which time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// How many.
    pub calls: NonZeroU32,
    /// In which time.
    pub per: Duration,
}

/// Somebody who may call.
#[derive(Clone, PartialEq, Eq)]
pub struct Client {
    /// Its name in logs.
    pub name: String,
    /// Its keys; at least one, or a login.
    pub keys: Vec<ClientKey>,
    /// What it may log in with, where its dialect has sessions. There is a user then.
    pub logins: Vec<ClientLogin>,
    /// The user that it is: a dialect, and its id there.
    pub user: Option<(CoreText, UserId)>,
    /// What it may do: `read`, `write`, `fallback`, or the names of operations. Default: everything.
    pub allow: Option<BTreeSet<String>>,
    /// Which routes it may use. Default: all of them.
    pub routes: Option<Vec<ClientRoute>>,
    /// The roles that it may give. Default: those below an administrator's.
    pub grant: Grant,
    /// How often it may call. Default: as often as it likes.
    pub rate: Option<Rate>,
}

/// A key of a client.
#[derive(Clone, PartialEq, Eq)]
pub struct ClientKey {
    /// Its SHA-256.
    pub digest: [u8; 32],
    /// From when on it is none any more.
    pub expires: Option<Timestamp>,
}

/// Some of the routes: those of this face, to this upstream, or both.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientRoute {
    /// The dialect of the clients.
    pub face: Option<String>,
    /// The name of the upstream.
    pub upstream: Option<String>,
}

impl ClientRoute {
    /// Whether the route of this face to this upstream is one of them.
    pub(crate) fn is(&self, face: &str, upstream: &str) -> bool {
        self.face.as_deref().is_none_or(|name| name == face)
            && self.upstream.as_deref().is_none_or(|name| name == upstream)
    }
}

/// Which roles a client may give. To take one away is to give none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Grant {
    /// No role at all.
    None,
    /// Roles below an administrator's.
    #[default]
    Ordinary,
    /// All that the route lets anybody give.
    Administrator,
}

/// A port that clients talk to.
#[derive(Clone, Debug)]
pub struct Listener {
    /// Where it listens.
    pub address: SocketAddr,
    /// How TLS is spoken there. Default: plain HTTP.
    pub tls: Option<ServerTls>,
    /// What it serves: at least one face, and no two under the same path.
    pub routes: Vec<Route>,
}

/// Which dialect is served, and by whom.
#[derive(Clone, Debug, PartialEq)]
pub struct Route {
    /// The dialect of the clients; one of [`Config::adapters`].
    pub face: &'static str,
    /// The server that is called; one of [`Config::upstreams`].
    pub upstream: String,
    /// The server that is called for what is not the dialect's own; one of [`Config::upstreams`] that speaks it, too.
    pub fallback: Option<String>,
    /// What is done about losses.
    pub loss: LossPolicy,
    /// What a client that removes a user, in a way that could be taken back, brings about. Default: no more than that.
    pub removal: Removal,
    /// What is done about a request of which only some writes were carried out. Default: it is told.
    pub on_partial: OnPartial,
}

/// Where the stand-ins for the vendors listen; those that have no address are not started.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sandbox {
    /// The stand-in for ECGrid.
    pub ecgrid: Option<SocketAddr>,
    /// The stand-in for TextUs.
    pub textus: Option<SocketAddr>,
    /// How many made-up people both know, besides those of their pages. Default: none.
    pub people: u32,
}

/// Without the digest, from which a weak key could be guessed.
impl fmt::Debug for ClientKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientKey").field("expires", &self.expires).finish_non_exhaustive()
    }
}

/// Without the key, which is a person's or a program's own.
impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("name", &self.name).finish_non_exhaustive()
    }
}

/// Without what is remembered of users.
impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("admin", &self.admin)
            .field("limits", &self.limits)
            .field("upstreams", &self.upstreams)
            .field("clients", &self.clients)
            .field("listeners", &self.listeners)
            .field("adapters", &self.adapters.keys())
            .field("journal", &self.journal)
            .field("store", &self.store)
            .field("repeats", &self.repeats)
            .field("sessions", &self.sessions)
            .field("log", &self.log)
            .field("traces", &self.traces)
            .field("ids", &self.ids)
            .field("users", &self.users.len())
            .field("scopes", &self.scopes.len())
            .field("sandbox", &self.sandbox)
            .finish()
    }
}

impl Config {
    /// Reads the file at `path`, or the sandbox's configuration when there is none, with the environment of this
    /// process.
    ///
    /// Of two adapters for the same dialect, the later counts.
    ///
    /// # Errors
    ///
    /// Everything that is wrong.
    pub fn load(path: Option<&Path>, adapters: &[Box<dyn Adapter>]) -> Result<Self, ConfigErrors> {
        Self::load_in(&Environment::of_process(), path, adapters)
    }

    /// The same with any environment.
    ///
    /// # Errors
    ///
    /// Everything that is wrong.
    pub fn load_in(
        environment: &Environment,
        path: Option<&Path>,
        adapters: &[Box<dyn Adapter>],
    ) -> Result<Self, ConfigErrors> {
        let folder = Folder::of(path);
        let text = path.map_or_else(|| Ok(Text::sandbox()), |path| Text::read(&folder, path));
        let read = text.and_then(|text| Self::of(environment, &text, &folder, adapters));
        let files = folder.into_files();
        match read {
            Ok(config) => Ok(Self { files, ..config }),
            Err(errors) => Err(errors.with(files)),
        }
    }

    /// The same with the text of a file; relative paths in it start where the process runs.
    ///
    /// # Errors
    ///
    /// Everything that is wrong.
    pub fn parse(
        environment: &Environment,
        text: impl Into<String>,
        adapters: &[Box<dyn Adapter>],
    ) -> Result<Self, ConfigErrors> {
        let text = Text { name: "configuration".to_owned(), text: text.into() };
        Self::of(environment, &text, &Folder::default(), adapters)
    }

    fn of(
        environment: &Environment,
        text: &Text,
        folder: &Folder,
        adapters: &[Box<dyn Adapter>],
    ) -> Result<Self, ConfigErrors> {
        let (mut report, values) = layers(environment, text)?;
        let file = extract(values, &mut report);
        let adapters = adapters.iter().map(|adapter| (adapter.dialect().name, &**adapter)).collect();
        Check::new(Surroundings { adapters, environment, folder }, report).config(file)
    }
}

/// A configuration file that has been read.
struct Text {
    /// Its name in messages.
    name: String,
    text: String,
}

impl Text {
    fn sandbox() -> Self {
        let text = include_str!("../../../../config/sandbox.toml").to_owned();
        Self { name: "built-in sandbox.toml".to_owned(), text }
    }

    fn read(folder: &Folder, path: &Path) -> Result<Self, ConfigErrors> {
        let name = path.display().to_string();
        let unusable = |position, message| {
            ConfigErrors::unusable(&name, Problem { origin: Origin::File(position), key: Key::default(), message })
        };
        let bytes = folder.read_own(path).map_err(|error| unusable(None, format!("cannot be read: {error}")))?;
        let text = String::from_utf8(bytes).map_err(|error| {
            let sound = error.utf8_error().valid_up_to();
            let sound = str::from_utf8(&error.as_bytes()[..sound]).unwrap_or_default();
            unusable(Some(Lines::new(sound).position(sound.len())), "not UTF-8 text".to_owned())
        })?;
        Ok(Self { name, text })
    }
}

/// The layers, one over the other, and where each key of them was set.
fn layers(environment: &Environment, text: &Text) -> Result<(Report, Value), ConfigErrors> {
    let unusable = |problem| ConfigErrors::unusable(&text.name, problem);
    let defaults = Layer::toml("defaults", file::DEFAULTS).map_err(unusable)?;
    let file = Layer::toml("file", &text.text).map_err(unusable)?;
    let (environment, problems) = Layer::environment(environment);

    let figment = Figment::from(&defaults).merge(&file).merge(&environment);
    let values = figment.find_value("").expect("none of the layers fails, and the empty path leads to the whole");

    let mut origins = file.origins; // a default has no place that could be shown
    origins.overlay(environment.origins);
    Ok((Report::new(&text.name, origins, problems), values))
}

/// Reads the values into the shape of the file.
///
/// serde stops at the first value that does not fit. That one is reported and taken out, and serde starts again, so
/// that all the others are found, too.
fn extract(mut values: Value, report: &mut Report) -> File {
    for _ in 0..MOST {
        let error = match File::deserialize(&values) {
            Ok(file) => return file,
            Err(error) => error,
        };
        let key = Key::from_path(&error.path, &values);
        report.unreadable(&key, &error.kind);
        key.take_from(&mut values);
    }
    report.close();
    File::default()
}
