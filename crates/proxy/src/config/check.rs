//! From what the file says to what the gateway works with.
//!
//! Each function returns what it could make of its part. What it could not is in the report, and the check goes on, so
//! that one run finds everything.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    net::SocketAddr,
    sync::Arc,
    time::Duration,
};

use interlingua_core::{Adapter, LossPolicy, Mapping, Place, Removal, Text, UserId};
use interlingua_links::Location;
use serde_json::Value;

use super::{
    Breaker, Client, ClientKey, ClientRoute, Config, ConfigErrors, Files, Journal, Limits, Listener, OnCrash, Rate,
    Repeats, Route, Sandbox, Traces, Upstream,
    entry::Dialects,
    error::{Report, suggestion},
    file::{self, File},
    folder::Folder,
    key::Key,
    secret::{CredentialSource, KeySource, Secret},
    source::Environment,
    units::Span,
};

/// What a configuration refers to outside itself.
pub(super) struct Surroundings<'a> {
    /// The registered adapters, by dialect.
    pub(super) adapters: Dialects<'a>,
    /// Where secrets may be.
    pub(super) environment: &'a Environment,
    /// Where relative paths start.
    pub(super) folder: &'a Folder,
}

/// As many made-up people as fit into memory easily.
const MOST_PEOPLE: u32 = 1_000_000;

/// Every connection may need twice as much.
const MOST_HEAD: usize = 1 << 20;

/// What a client may be allowed beside single operations: those that only read, those that may write, and what is none.
pub(super) const KINDS: [&str; 3] = ["read", "write", "fallback"];

/// What any request may need that is no search.
const LEAST_CALLS: u32 = 8;

/// Less would not outlast a busy moment.
const SHORTEST_LEASE: Duration = Duration::from_millis(100);

/// A check that is under way.
pub(super) struct Check<'a> {
    pub(super) around: Surroundings<'a>,
    pub(super) report: Report,
}

impl<'a> Check<'a> {
    pub(super) fn new(around: Surroundings<'a>, report: Report) -> Self {
        Self { around, report }
    }

    /// The configuration, if nothing at all is wrong.
    pub(super) fn config(mut self, file: File) -> Result<Config, ConfigErrors> {
        self.addresses(&file);
        let adapters = self.adapters(file.mapping, &file.roles);
        let listeners = self.listeners(file.listeners, &file.upstreams);
        let mut upstreams = self.upstreams(file.upstreams);
        let clients = self.clients(file.clients, &listeners, &mut upstreams);
        let limits = self.limits(&file.limits);
        let ids = self.ids(&file.links.ids);
        let keep = self.positive(&Key::of(["repeats", "keep"]), file.repeats.keep);
        let (store, users, scopes) = self.links(file.links);
        let journal = self.journal(&file.journal, store.as_ref());
        let sessions = self.sessions(&file.sessions);
        let sandbox = self.sandbox(&file.sandbox);
        let traces = self.traces(file.traces);
        match (file.admin.address, limits, journal, store, keep, sessions) {
            (Some(admin), Some(limits), Some(journal), Some(store), Some(keep), Some(sessions))
                if self.report.is_empty() =>
            {
                Ok(Config {
                    admin: admin.0,
                    limits,
                    upstreams,
                    clients,
                    listeners,
                    adapters,
                    journal,
                    store,
                    repeats: Repeats { keep },
                    sessions,
                    log: file.log.format.map(|format| format.0),
                    traces,
                    ids,
                    users,
                    scopes,
                    sandbox,
                    files: Files::default(), // known when all is read
                })
            }
            _ => Err(self.report.into_errors()),
        }
    }

    // === addresses ===

    /// No two sockets can have the same address, unless the system chooses the port.
    fn addresses(&mut self, file: &File) {
        let mut taken: Vec<(SocketAddr, Key)> = Vec::new();
        for (key, address) in addresses(file) {
            match taken.iter().find(|(other, _)| overlap(*other, address)) {
                Some((_, other)) => {
                    self.report.add(&key, format!("{address} is taken by {other}; choose another port"));
                }
                None if address.port() == 0 => (),
                None => taken.push((address, key)),
            }
        }
    }

    fn sandbox(&mut self, raw: &file::Sandbox) -> Sandbox {
        let people = raw.people.map_or(0, |count| count.0.get());
        if people > MOST_PEOPLE {
            self.report.add(&Key::of(["sandbox", "people"]), format!("expected at most {MOST_PEOPLE}"));
        }
        let mut address = |name: &str, stand_in: &Option<file::StandIn>| {
            let key = Key::of(["sandbox", name, "address"]);
            self.required(&key, stand_in.as_ref()?.address, "a stand-in needs one").map(|address| address.0)
        };
        Sandbox { ecgrid: address("ecgrid", &raw.ecgrid), textus: address("textus", &raw.textus), people }
    }

    // === limits ===

    fn limits(&mut self, raw: &file::Limits) -> Option<Limits> {
        let deadline = self.positive(&Key::of(["limits", "deadline"]), raw.deadline);
        if raw.calls.is_some_and(|calls| calls.0.get() < LEAST_CALLS) {
            let advice = format!("expected at least {LEAST_CALLS}: to change one user can take so many");
            self.report.add(&Key::of(["limits", "calls"]), advice);
        }
        let lag = self.positive(&Key::of(["limits", "lag"]), raw.lag);
        let patience = self.positive(&Key::of(["limits", "patience"]), raw.patience);
        if raw.head.is_some_and(|head| head.0 > MOST_HEAD) {
            self.report.add(&Key::of(["limits", "head"]), "expected at most 1MiB");
        }
        if let (Some(body), Some(bodies)) = (raw.body, raw.bodies)
            && bodies.0 < body.0
        {
            let advice = "expected at least as much as limits.body: a body that is allowed has to find room";
            self.report.add(&Key::of(["limits", "bodies"]), advice);
        }
        Some(Limits {
            head: raw.head?.0,
            body: raw.body?.0,
            bodies: raw.bodies?.0,
            calls: raw.calls?.0,
            in_flight: raw.in_flight?.0,
            lag: lag?,
            connections: raw.connections?.0,
            connections_per_address: raw.connections_per_address?.0,
            failed_logins: raw.failed_logins?.0,
            patience: patience?,
            deadline: deadline?,
            drain: raw.drain?.0,
        })
    }

    /// How writes are kept.
    fn journal(&mut self, raw: &file::Journal, store: Option<&Location>) -> Option<Journal> {
        let key = match &raw.key {
            Some(source) => {
                let key = source.read(self.around.environment, self.around.folder);
                Some(self.sound(&Key::of(["journal", "key"]), key)?.into())
            }
            None => None,
        };
        let on_crash = raw.on_crash?.0;
        if on_crash != OnCrash::Report && key.is_none() && store.is_some_and(|store| !store.is_memory()) {
            let advice =
                "what a crash has left can be sent only if it was kept, and it is kept only sealed; name journal.key";
            self.report.add(&Key::of(["journal", "on_crash"]), advice);
        }
        let lease = raw.lease?.0;
        if lease < SHORTEST_LEASE {
            let advice =
                format!("expected at least {} ms: it is renewed thrice within its time", SHORTEST_LEASE.as_millis());
            self.report.add(&Key::of(["journal", "lease"]), advice);
        }
        Some(Journal { key, on_crash, keep: raw.keep?.0, lease })
    }

    /// Where traces go.
    fn traces(&mut self, raw: file::Traces) -> Option<Traces> {
        let (endpoint, ratio) = (raw.endpoint?, raw.ratio?.0);
        if !endpoint.prefix().is_empty() {
            self.report.add(&Key::of(["traces", "endpoint"]), "expected no path: OTLP over gRPC has its own");
        }
        Some(Traces { endpoint, ratio })
    }

    /// A time that leaves time to do something.
    fn positive(&mut self, key: &Key, span: Option<Span>) -> Option<Duration> {
        let Span(span) = span?;
        if span.is_zero() {
            self.report.add(key, "expected more than 0: nothing can be done in no time");
        }
        Some(span)
    }

    // === dialects ===

    /// The adapters with the operator's choices.
    fn adapters(
        &mut self,
        mapping: file::Mapping,
        roles: &BTreeMap<String, BTreeMap<String, file::RoleName>>,
    ) -> BTreeMap<&'static str, Arc<dyn Adapter>> {
        for dialect in roles.keys() {
            self.dialect(&Key::of(["roles", dialect.as_str()]), dialect);
        }
        let preferences = mapping.preferences.map_or_else(file::preferences, |table| {
            table.iter().map(|(name, key)| (Text::from(name), Text::from(key))).collect()
        });
        let mut configured = BTreeMap::new();
        for (name, adapter) in self.around.adapters.clone() {
            let roles = roles.get(name).into_iter().flatten().map(|(word, role)| (Text::from(word), role.0)).collect();
            match adapter.configured(&Mapping { preferences: preferences.clone(), roles }) {
                Ok(adapter) => drop(configured.insert(name, Arc::from(adapter))),
                Err(problems) => problems.iter().for_each(|problem| self.choice(&problem.place, &problem.expected)),
            }
        }
        configured
    }

    /// An adapter refuses a choice.
    fn choice(&mut self, place: &Place, expected: &str) {
        match place {
            Place::Pointer(_, pointer) => self.report.add(&Key::from_pointer(pointer), expected),
            Place::Field(_, field) => self.report.add(&Key::default(), format!("{}: {expected}", field.name())),
        }
    }

    /// The name of a registered dialect.
    pub(super) fn dialect(&mut self, key: &Key, name: &str) -> Option<&'static str> {
        let known = self.around.adapters.get_key_value(name);
        if known.is_none() {
            let known = self.around.adapters.keys().copied();
            self.report.add(key, format!("no dialect is called `{name}`; {}", suggestion(name, known)));
        }
        known.map(|(name, _)| *name)
    }

    // === upstreams and clients ===

    fn upstreams(&mut self, raw: BTreeMap<String, file::Upstream>) -> BTreeMap<String, Upstream> {
        let upstreams = raw.into_iter().filter_map(|(name, raw)| {
            let upstream = self.upstream(&Key::of(["upstreams", name.as_str()]), raw)?;
            Some((name, upstream))
        });
        upstreams.collect()
    }

    fn upstream(&mut self, at: &Key, raw: file::Upstream) -> Option<Upstream> {
        let dialect = self.required(&at.name("dialect"), raw.dialect, "name the dialect that this server speaks");
        let dialect = dialect.and_then(|dialect| self.dialect(&at.name("dialect"), &dialect));
        let base_url = self.required(&at.name("base_url"), raw.base_url, "say where the server is");
        let tls_key = at.name("tls");
        let tls = base_url.as_ref().and_then(|url| self.client_tls(&tls_key, url, raw.tls.as_ref()));
        let timeout = self.time(&at.name("timeout"), raw.timeout, file::TIMEOUT);
        let connect_timeout = self.time(&at.name("connect_timeout"), raw.connect_timeout, file::CONNECT_TIMEOUT);
        let key = at.name("first_byte_timeout");
        let first_byte_timeout = self.time(&key, raw.first_byte_timeout, file::FIRST_BYTE_TIMEOUT);
        let breaker = self.breaker(&at.name("breaker"), &raw.breaker);
        let rate = raw.rate.and_then(|rate| self.rate(&at.name("rate"), &rate));

        let key = at.name("credential");
        let credential = self.required(&key, raw.credential, "say where the server's key or token is kept")?;
        let is_exposed = base_url.as_ref().is_some_and(|url| !url.is_loopback());
        let credential = self.credential(&key, credential, is_exposed);
        Some(Upstream {
            dialect: dialect?,
            base_url: base_url?,
            tls,
            credential: credential?,
            credentials: BTreeMap::new(),
            timeout,
            connect_timeout,
            first_byte_timeout,
            retries: raw.retries.map_or(file::RETRIES, |number| number.0),
            concurrency: raw.concurrency.map_or(file::CONCURRENCY, |count| count.0),
            breaker,
            rate,
        })
    }

    /// A time that leaves time to do something, `default` where nothing is said.
    fn time(&mut self, key: &Key, span: Option<Span>, default: Duration) -> Duration {
        self.positive(key, span).unwrap_or(default)
    }

    fn breaker(&mut self, at: &Key, raw: &file::Breaker) -> Breaker {
        let (failures, pause) = file::BREAKER;
        let failures = raw.failures.map_or(failures, |count| count.0);
        Breaker { failures, pause: self.time(&at.name("pause"), raw.pause, pause) }
    }

    fn rate(&mut self, at: &Key, raw: &file::Rate) -> Option<Rate> {
        let calls = self.required(&at.name("calls"), raw.calls, "say how many calls are allowed");
        let per = self.required(&at.name("per"), raw.per, "say in which time they are allowed");
        let per = self.positive(&at.name("per"), per);
        Some(Rate { calls: calls?.0, per: per? })
    }

    /// A secret in the file itself is for play: it goes nowhere but to this machine.
    fn credential(&mut self, key: &Key, source: CredentialSource, is_exposed: bool) -> Option<Secret> {
        if is_exposed && matches!(source, CredentialSource::Value(_)) {
            let advice = "a secret in the file is only for servers on this machine; use `env` or `file`";
            self.report.add(&key.name("value"), advice);
            return None;
        }
        self.sound(key, source.read(self.around.environment, self.around.folder))
    }

    fn clients(
        &mut self,
        raw: Vec<file::Client>,
        listeners: &[Listener],
        upstreams: &mut BTreeMap<String, Upstream>,
    ) -> Vec<Client> {
        let mut names = HashMap::new();
        let (mut digests, mut logins) = (HashMap::new(), HashMap::new());
        let clients = raw.into_iter().enumerate().filter_map(|(index, mut raw)| {
            let at = Key::of(["clients"]).index(index);
            let name = self.required(&at.name("name"), raw.name.take(), "name the client, for the logs");
            if name.as_deref() == Some("") {
                self.report.add(&at.name("name"), "the name is empty");
            }
            if raw.key.is_none() && raw.keys.is_empty() && raw.logins.is_empty() {
                self.report.add(&at.name("key"), "missing; say where the client's key is kept");
                return None;
            }
            if !raw.logins.is_empty() && raw.user.is_none() {
                self.report.add(&at.name("user"), "missing; whoever logs in is told which user that is");
            }
            let keys = self.keys(&at, raw.key.take(), std::mem::take(&mut raw.keys), &mut digests);
            let logins = self.logins(&at.name("logins"), std::mem::take(&mut raw.logins), &mut logins);
            let name = name?;
            self.once(&mut names, &at.name("name"), name.clone());
            self.credentials(&at.name("credentials"), &name, std::mem::take(&mut raw.credentials), upstreams);
            let (allow, routes) = (raw.allow.take(), raw.routes.take());
            Some(Client {
                name,
                keys,
                logins,
                user: raw.user.and_then(|ids| self.client_user(&at.name("user"), &ids)),
                allow: allow.map(|words| self.allowed(&at.name("allow"), words)),
                routes: routes.map(|routes| self.client_routes(&at.name("routes"), routes, listeners)),
                grant: raw.grant.map(|grant| grant.0).unwrap_or_default(),
                rate: raw.rate.and_then(|rate| self.client_rate(&at.name("rate"), &rate)),
            })
        });
        clients.collect()
    }

    /// The one key and the others, each with its place.
    fn keys(
        &mut self,
        at: &Key,
        key: Option<KeySource>,
        keys: Vec<file::ClientKey>,
        digests: &mut HashMap<[u8; 32], Key>,
    ) -> Vec<ClientKey> {
        let one = key.map(|key| (at.name("key"), key, None)).into_iter();
        let others = keys.into_iter().enumerate();
        let others = others.map(|(index, key)| (at.name("keys").index(index), key.key, key.expires));
        let keys: Vec<_> = one.chain(others).collect();
        let keys = keys.into_iter().filter_map(|(at, key, expires)| {
            let digest = self.sound(&at, key.read(self.around.environment, self.around.folder))?;
            self.once(digests, &at, digest);
            Some(ClientKey { digest, expires })
        });
        keys.collect()
    }

    /// What the client may do: a kind of operation, or one by its name.
    fn allowed(&mut self, at: &Key, words: Vec<String>) -> BTreeSet<String> {
        let operations = self.around.adapters.values().flat_map(|adapter| &adapter.dialect().operations);
        let known: BTreeSet<_> = KINDS.into_iter().chain(operations.map(|operation| operation.name)).collect();
        for (index, word) in words.iter().enumerate().filter(|(_, word)| !known.contains(word.as_str())) {
            let suggestion = suggestion(word, known.iter().copied());
            self.report.add(&at.index(index), format!("nothing is called `{word}`; {suggestion}"));
        }
        words.into_iter().collect()
    }

    fn client_routes(&mut self, at: &Key, routes: Vec<file::ClientRoute>, listeners: &[Listener]) -> Vec<ClientRoute> {
        let routes = routes.into_iter().map(|raw| ClientRoute { face: raw.face, upstream: raw.upstream });
        let routes: Vec<_> = routes.collect();
        let all = || listeners.iter().flat_map(|listener| &listener.routes);
        for (index, route) in routes.iter().enumerate() {
            let is_empty = route.face.is_none() && route.upstream.is_none();
            // Of listeners that are wrong themselves nothing is known.
            if is_empty || self.report.is_empty() && !all().any(|known| route.is(known.face, &known.upstream)) {
                let known =
                    all().map(|route| format!("{{ face = \"{}\", upstream = \"{}\" }}", route.face, route.upstream));
                let known = known.collect::<BTreeSet<_>>().into_iter().collect::<Vec<_>>().join(", ");
                self.report.add(&at.index(index), format!("no listener has such a route; there are {known}"));
            }
        }
        routes
    }

    /// Headers tell clients of it in whole seconds.
    fn client_rate(&mut self, at: &Key, raw: &file::Rate) -> Option<Rate> {
        let rate = self.rate(at, raw)?;
        if rate.per.subsec_nanos() != 0 {
            self.report.add(&at.name("per"), "expected whole seconds, such as \"1s\" or \"1m\"");
        }
        Some(rate)
    }

    /// What upstreams know us by when we call them for the client of this name.
    fn credentials(
        &mut self,
        at: &Key,
        client: &str,
        raw: BTreeMap<String, CredentialSource>,
        upstreams: &mut BTreeMap<String, Upstream>,
    ) {
        for (name, source) in raw {
            let key = at.name(&name);
            let Some(upstream) = upstreams.get(&name) else {
                let suggestion = suggestion(&name, upstreams.keys().map(String::as_str));
                self.report.add(&key, format!("no upstream is called `{name}`; {suggestion}"));
                continue;
            };
            let is_exposed = !upstream.base_url.is_loopback();
            let credential = self.credential(&key, source, is_exposed);
            if let (Some(credential), Some(upstream)) = (credential, upstreams.get_mut(&name)) {
                upstream.credentials.insert(client.to_owned(), credential);
            }
        }
    }

    fn client_user(&mut self, at: &Key, ids: &BTreeMap<String, Value>) -> Option<(Text, UserId)> {
        let [(dialect, id)] = ids.iter().collect::<Vec<_>>()[..] else {
            self.report.add(at, "expected one id, such as { ecgrid = 1042 }; the links tell the others");
            return None;
        };
        let key = at.name(dialect);
        let name = self.dialect(&key, dialect)?;
        let id = self.sound(&key, self.around.adapters[name].user_id(id))?;
        Some((name.into(), id))
    }

    // === listeners ===

    fn listeners(&mut self, raw: Vec<file::Listener>, upstreams: &BTreeMap<String, file::Upstream>) -> Vec<Listener> {
        if raw.is_empty() {
            self.report.add(&Key::of(["listeners"]), "missing; add [[listeners]], for without one nobody can call");
        }
        let listeners = raw.into_iter().enumerate().filter_map(|(index, raw)| {
            let at = Key::of(["listeners"]).index(index);
            let address = self.required(&at.name("address"), raw.address, "say where to listen");
            let tls = raw.tls.as_ref().and_then(|tls| self.server_tls(&at.name("tls"), tls));
            let routes = self.routes(&at.name("routes"), raw.routes, upstreams);
            Some(Listener { address: address?.0, tls, routes })
        });
        listeners.collect()
    }

    fn routes(&mut self, at: &Key, raw: Vec<file::Route>, upstreams: &BTreeMap<String, file::Upstream>) -> Vec<Route> {
        if raw.is_empty() {
            self.report.add(at, "missing; add [[listeners.routes]], for without one nothing is served here");
        }
        let mut prefixes = HashMap::new();
        let routes = raw.into_iter().enumerate().filter_map(|(index, raw)| {
            let at = at.index(index);
            let route = self.route(&at, raw, upstreams)?;
            let prefix = self.around.adapters[route.face].dialect().prefix;
            if let Some(other) = prefixes.insert(prefix, at.name("face")) {
                let advice = format!("paths under {prefix} are served by {other} already; use a listener for each");
                self.report.add(&at.name("face"), advice);
            }
            Some(route)
        });
        routes.collect()
    }

    fn route(&mut self, at: &Key, raw: file::Route, upstreams: &BTreeMap<String, file::Upstream>) -> Option<Route> {
        let face = self.required(&at.name("face"), raw.face, "name the dialect of the clients");
        let face = face.and_then(|face| self.dialect(&at.name("face"), &face));
        let upstream = self.required(&at.name("upstream"), raw.upstream, "name one of the upstreams");
        if let Some(name) = &upstream {
            self.known(&at.name("upstream"), name, upstreams);
        }
        if let Some(name) = &raw.fallback {
            self.fallback(&at.name("fallback"), name, face, upstreams);
        }
        for pointer in raw.fields.keys().filter(|pointer| !pointer.starts_with('/')) {
            let key = at.name("fields").name(pointer);
            self.report.add(&key, "expected a JSON Pointer into the client's documents, such as /settings/x");
        }
        let fields = raw.fields.iter().map(|(pointer, loss)| (Text::from(pointer), loss.0)).collect();
        let loss = LossPolicy { default: raw.on_loss.map(|loss| loss.0), fields };
        let removal = raw.delete.map_or(Removal::Reversible, |delete| delete.0);
        let on_partial = raw.on_partial.map(|partial| partial.0).unwrap_or_default();
        Some(Route { face: face?, upstream: upstream?, fallback: raw.fallback, loss, removal, on_partial })
    }

    /// The upstream of that name.
    fn known<'u>(
        &mut self,
        key: &Key,
        name: &str,
        upstreams: &'u BTreeMap<String, file::Upstream>,
    ) -> Option<&'u file::Upstream> {
        let known = upstreams.get(name);
        if known.is_none() {
            let suggestion = suggestion(name, upstreams.keys().map(String::as_str));
            self.report.add(key, format!("no upstream is called `{name}`; {suggestion}"));
        }
        known
    }

    /// What falls back is not translated.
    fn fallback(&mut self, key: &Key, name: &str, face: Option<&str>, upstreams: &BTreeMap<String, file::Upstream>) {
        let dialect = self.known(key, name, upstreams).and_then(|upstream| upstream.dialect.as_deref());
        if let (Some(face), Some(dialect)) = (face, dialect)
            && face != dialect
        {
            let advice = format!("`{name}` speaks {dialect}; name an upstream that speaks {face}, as the clients do");
            self.report.add(key, advice);
        }
    }

    // === helpers ===

    /// The value, which has to be there.
    pub(super) fn required<T>(&mut self, key: &Key, value: Option<T>, advice: &str) -> Option<T> {
        if value.is_none() {
            self.report.add(key, format!("missing; {advice}"));
        }
        value
    }

    /// The value, or a problem with it.
    pub(super) fn sound<T, E: Into<String>>(&mut self, key: &Key, value: Result<T, E>) -> Option<T> {
        value.map_err(|error| self.report.add(key, error)).ok()
    }

    /// A value that no other entry has.
    pub(super) fn once<T: Eq + std::hash::Hash>(&mut self, taken: &mut HashMap<T, Key>, key: &Key, value: T) {
        match taken.get(&value) {
            Some(other) => self.report.add(key, format!("the same as {other}; every client needs its own")),
            None => drop(taken.insert(value, key.clone())),
        }
    }
}

/// Whether two sockets cannot have these addresses at once. All addresses of a machine (`0.0.0.0`, `[::]`) are each of
/// them.
fn overlap(one: SocketAddr, other: SocketAddr) -> bool {
    let is_all = one.ip().is_unspecified() || other.ip().is_unspecified();
    one == other || is_all && one.is_ipv4() == other.is_ipv4() && one.port() == other.port()
}

/// Every address that is listened on.
fn addresses(file: &File) -> Vec<(Key, SocketAddr)> {
    let listeners = file.listeners.iter().enumerate();
    let listeners = listeners.map(|(index, listener)| (Key::of(["listeners"]).index(index), listener.address));
    let stand_ins = [("ecgrid", &file.sandbox.ecgrid), ("textus", &file.sandbox.textus)];
    let stand_ins = stand_ins
        .into_iter()
        .filter_map(|(name, stand_in)| Some((Key::of(["sandbox", name]), stand_in.as_ref()?.address)));
    let all = [(Key::of(["admin"]), file.admin.address)].into_iter().chain(listeners).chain(stand_ins);
    all.filter_map(|(key, address)| Some((key.name("address"), address?.0))).collect()
}
