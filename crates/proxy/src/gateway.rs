//! The gateway as a whole: which dialects it knows, how it is started, and how it stops.

use std::{
    collections::BTreeMap,
    convert::Infallible,
    fmt, io,
    net::SocketAddr,
    process::ExitCode,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use arc_swap::ArcSwap;
use http::{HeaderName, HeaderValue};
use interlingua_core::{Adapter, CredentialStyle, Dialect, SchemaError, Validator};
use interlingua_links::{AddError, Links, Options, StoreError, open};
use opentelemetry_otlp::ExporterBuildError;
use opentelemetry_sdk::trace::SdkTracer;
use tokio::{sync::watch, time::Instant};
use tokio_util::task::AbortOnDropHandle;
use tower::service_fn;

use crate::{
    admin::Admin,
    auth::Clients,
    cli,
    config::{self, Config, Files, Limits},
    connections::{Connections, Patience},
    listing::Places,
    openapi,
    ports::{Face, Ports},
    rarely::Rarely,
    recovery::{self, Recovery},
    reload::Reloads,
    room::Room,
    route::{Lasting, Route, Routes, Shared},
    server::{self, Listening, Now, Socket},
    spans::Traces,
    tokens::Tokens,
    upkeep::upkeep,
    upstream::Upstream,
};

/// A gateway that knows these dialects, and no other.
///
/// The binary of this crate is no more than this, and neither is a gateway with an adapter of your own:
///
/// ```no_run
/// use interlingua::Gateway;
/// use interlingua_ecgrid::Ecgrid;
/// use interlingua_textus::Textus;
///
/// fn main() -> std::process::ExitCode {
///     Gateway::builder().adapter(Ecgrid::new()).adapter(Textus::new()).run()
/// }
/// ```
#[derive(Debug, Default)]
pub struct Gateway {
    adapters: Vec<Box<dyn Adapter>>,
}

impl Gateway {
    /// A gateway that knows no dialect yet.
    pub fn builder() -> Self {
        Self::default()
    }

    /// Adds a dialect. One that is added later takes the place of one with the same name.
    #[must_use]
    pub fn adapter(mut self, adapter: impl Adapter + 'static) -> Self {
        self.adapters.retain(|other| other.dialect().name != adapter.dialect().name);
        self.adapters.push(Box::new(adapter));
        self
    }

    /// The dialects, in the order in which they were added.
    pub fn adapters(&self) -> &[Box<dyn Adapter>] {
        &self.adapters
    }

    /// Does what the command line of the process says, and gives the process's exit code.
    pub fn run(self) -> ExitCode {
        cli::run(&self)
    }

    /// Binds the listeners of `config` and serves them, until the [`Running`] is stopped or dropped.
    ///
    /// # Errors
    ///
    /// A port cannot be bound, or an adapter's schema cannot be used.
    pub async fn start(config: Config) -> Result<Running, StartError> {
        Self::start_with(config, Reloads::default()).await
    }

    /// The same with somebody who can read the configuration again.
    pub(crate) async fn start_with(config: Config, reloads: Reloads) -> Result<Running, StartError> {
        let traces = config.traces.as_ref().map(Traces::start).transpose().map_err(StartError::Traces)?;
        let service = Service::with(&config, traces.as_ref().map(Traces::tracer)).await?;
        let room = Room::new(&config.limits);
        let connections = Connections::new(patience(&config.limits));
        let mut ports = Ports::new(Arc::clone(&connections));
        // All ports are bound before the first is served.
        let admin_socket = bind(config.admin).await?;
        let found = ports.find(&config.listeners).await?;
        let faces = faces(&service, &config, &room)?;
        ports.turn(found.into_iter().zip(faces).collect(), config.limits.drain);
        let (shared, service) = (Arc::clone(&service.shared), Arc::new(ArcSwap::from_pointee(service)));
        // A stop waits for what is being settled, as for any write.
        let (stop, stopping) = watch::channel(false);
        let current = Arc::clone(&service);
        shared.writes.spawn(recovery::run(move || current.load().recovery(), stopping));
        // The admin listener outlives the others, so that it can say that they are stopping.
        let (ready, reloads) = (Arc::new(AtomicBool::new(true)), Arc::new(reloads));
        let admin = Admin { service: Arc::clone(&service), reloads: Arc::clone(&reloads), ready: Arc::clone(&ready) };
        let admin = AdminPort::open(admin_socket, admin, &config.limits);
        let upkeep = upkeep(shared.links.writes(), shared.lease, config.journal.keep);
        Ok(Running { config, service, room, connections, ports, admin, stop, ready, reloads, upkeep, traces })
    }
}

/// What clients may do to connections.
fn patience(limits: &Limits) -> Patience {
    Patience {
        connections: limits.connections.get() as usize,
        per_address: limits.connections_per_address.get() as usize,
        wait: limits.patience,
    }
}

/// The operator's connections have places of their own, so that clients cannot take them.
const ADMIN: Patience = Patience { connections: 100, per_address: 100, wait: Duration::ZERO };

/// The largest head of an operator's request.
const ADMIN_HEAD: usize = 32 << 10;

/// How long a stop waits at most for the collector of traces, within the drain time.
const FLUSH: Duration = Duration::from_secs(2);

/// Where the operator's own endpoints are.
#[derive(Debug)]
struct AdminPort {
    admin: Admin,
    connections: Arc<Connections>,
    listening: Listening,
}

impl AdminPort {
    fn open(socket: Socket, admin: Admin, limits: &Limits) -> Self {
        tracing::info!(address = %socket.address, "admin listening");
        let connections = Connections::new(Patience { wait: limits.patience, ..ADMIN });
        let endpoints = admin.clone();
        let endpoints = service_fn(move |request| {
            let endpoints = endpoints.clone();
            async move { Ok::<_, Infallible>(endpoints.answer(&request).await) }
        });
        let now = Arc::new(ArcSwap::from_pointee(Now::new(endpoints, ADMIN_HEAD, None)));
        let listening = server::serve(socket, now, Arc::clone(&connections));
        Self { admin, connections, listening }
    }
}

/// # Errors
///
/// The address is taken or not ours.
pub(crate) async fn bind(address: SocketAddr) -> Result<Socket, StartError> {
    server::bind(address).await.map_err(|error| StartError::Bind(address, error))
}

/// What is served at each listener of a configuration.
fn faces<'a>(service: &Service, config: &'a Config, room: &'a Room) -> Result<Vec<Face<'a>>, StartError> {
    let limits = &config.limits;
    let face = |listener: &'a config::Listener| {
        let routes = service.routes(listener)?;
        Ok(Face { routes, limits, room, tls: listener.tls.as_ref() })
    };
    config.listeners.iter().map(face).collect()
}

/// What a configuration turns into, without a single socket: upstreams, validators, links.
pub(crate) struct Service {
    pub(crate) shared: Arc<Shared>,
    pub(crate) upstreams: BTreeMap<String, Arc<Upstream>>,
    adapters: BTreeMap<&'static str, (Arc<dyn Adapter>, Arc<Validator>)>,
}

impl fmt::Debug for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Service").field("upstreams", &self.upstreams).finish_non_exhaustive()
    }
}

impl Service {
    /// # Errors
    ///
    /// An adapter's schema or the link store cannot be used, or the configured links contradict those in the store.
    pub(crate) async fn new(config: &Config) -> Result<Self, StartError> {
        Self::with(config, None).await
    }

    /// The same, with what makes spans.
    async fn with(config: &Config, tracer: Option<SdkTracer>) -> Result<Self, StartError> {
        let (key, lease) = (config.journal.key.clone(), config.journal.lease);
        let options = Options { ranges: config.ids.clone(), key, lease, ..Options::default() };
        let links = open(&config.store, &options).await.map_err(StartError::Store)?;
        add(&*links, config).await?;
        Self::of(config, Lasting::new(links, tracer), |_, _| None)
    }

    /// What another configuration turns into, where `config` is the one of this. An upstream that stays as it is keeps its
    /// connections and all that is known of it.
    ///
    /// # Errors
    ///
    /// As those of [`new`](Self::new).
    fn renewed(&self, config: &Config, next: &Config) -> Result<Self, StartError> {
        let stays = |name: &str, upstream: &config::Upstream| {
            let is_same = config.upstreams.get(name) == Some(upstream);
            self.upstreams.get(name).filter(|_| is_same)
        };
        Self::of(next, self.shared.lasting(), stays)
    }

    fn of<'a>(
        config: &Config,
        lasting: Lasting,
        stays: impl Fn(&str, &config::Upstream) -> Option<&'a Arc<Upstream>>,
    ) -> Result<Self, StartError> {
        let mut adapters = BTreeMap::new();
        for (name, adapter) in &config.adapters {
            check(adapter.dialect())?;
            let validator = Validator::new(adapter.dialect()).map_err(|error| StartError::Schema(name, error))?;
            adapters.insert(*name, (Arc::clone(adapter), Arc::new(validator)));
        }
        let mut upstreams = BTreeMap::new();
        for (name, upstream) in &config.upstreams {
            let (adapter, validator) = adapters.get(upstream.dialect).ok_or(StartError::Dialect(upstream.dialect))?;
            let adapter = Arc::clone(adapter);
            let upstream = match stays(name, upstream) {
                Some(before) => before.spoken_to_by(adapter),
                None => Upstream::new(name, upstream, adapter)
                    .map_err(|_| StartError::Declaration(upstream.dialect, "the scheme of its credential"))?
                    .observed(validator),
            };
            upstreams.insert(name.clone(), Arc::new(upstream));
        }
        let Lasting { links, reports, metrics, writes, releases, busy, session_key, tracer } = lasting;
        let tokens = Tokens::new(&config.sessions, &session_key);
        let shared = Shared {
            links,
            clients: Clients::new(config.clients.clone(), config.limits.failed_logins.get(), tokens),
            limits: config.limits.clone(),
            reports,
            metrics,
            overloads: Rarely::default(),
            credential_headers: adapters
                .values()
                .flat_map(|(adapter, _)| credential_headers(adapter.dialect()))
                .collect(),
            writes,
            on_crash: config.journal.on_crash,
            releases,
            lease: config.journal.lease,
            busy,
            keep_answers: config.repeats.keep,
            session_key,
            tracer,
        };
        Ok(Self { shared: Arc::new(shared), upstreams, adapters })
    }

    /// The routes of a listener.
    fn routes(&self, listener: &config::Listener) -> Result<Routes, StartError> {
        listener
            .routes
            .iter()
            .map(|route| self.route(route))
            .collect::<Result<_, _>>()
            .map(|routes| Routes::new(routes, &self.shared))
    }

    /// # Errors
    ///
    /// The route names a dialect or an upstream that the configuration does not have.
    pub(crate) fn route(&self, route: &config::Route) -> Result<Arc<Route>, StartError> {
        let (face, validator) = self.adapters.get(route.face).ok_or(StartError::Dialect(route.face))?;
        let upstream = self.upstream(&route.upstream)?;
        let fallback = route.fallback.as_deref().map(|name| self.upstream(name)).transpose()?;
        let metrics =
            |upstream: &Upstream| self.shared.metrics.pair(&**face, &upstream.name, &*upstream.adapter, &route.loss);
        Ok(Arc::new(Route {
            face: Arc::clone(face),
            validator: Arc::clone(validator),
            metrics: metrics(&upstream),
            fallback_metrics: fallback.as_deref().map(metrics),
            upstream,
            fallback,
            loss: route.loss.clone(),
            removal: route.removal,
            on_partial: route.on_partial,
            places: Places::default(),
            shared: Arc::clone(&self.shared),
        }))
    }

    /// What a face offers before an upstream, by the name of the pair: `ecgrid-textus`.
    pub(crate) fn openapi(&self, pair: &str) -> Option<serde_json::Value> {
        self.adapters.iter().find_map(|(face, (adapter, _))| {
            let upstream = self.upstreams.get(pair.strip_prefix(face)?.strip_prefix('-')?)?;
            Some(openapi::document(&**adapter, &upstream.name, upstream.adapter.dialect()))
        })
    }

    /// What looks after writes that were left half done.
    pub(crate) fn recovery(&self) -> Recovery {
        Recovery { shared: Arc::clone(&self.shared), upstreams: self.upstreams.clone() }
    }

    fn upstream(&self, name: &str) -> Result<Arc<Upstream>, StartError> {
        self.upstreams.get(name).cloned().ok_or_else(|| StartError::Upstream(name.to_owned()))
    }
}

/// Adds the links of the configuration to those that are kept; those that are there already stay as they are.
async fn add(links: &dyn Links, config: &Config) -> Result<(), StartError> {
    let refused = |error| match error {
        AddError::Store(error) => StartError::Store(error),
        taken @ AddError::Taken(_) => StartError::Links(taken.to_string()),
    };
    links.add_scopes(config.scopes.clone()).await.map_err(refused)?;
    links.add_users(config.users.clone()).await.map_err(refused)?;
    Ok(())
}

/// Checks what an adapter declares and nobody else can check, so that it is legal wherever it is used.
fn check(dialect: &Dialect) -> Result<(), StartError> {
    let media_types = dialect.files.iter().map(|file| file.media_type).chain([dialect.media_type]);
    if media_types.into_iter().any(|media_type| HeaderValue::from_str(media_type).is_err()) {
        return Err(StartError::Declaration(dialect.name, "a media type"));
    }
    let lower_case = |style: &CredentialStyle| HeaderName::from_lowercase(style.header.as_bytes()).is_ok();
    if dialect.credentials.iter().all(lower_case) {
        Ok(())
    } else {
        Err(StartError::Declaration(dialect.name, "the header of its credential"))
    }
}

fn credential_headers(dialect: &Dialect) -> impl Iterator<Item = HeaderName> {
    dialect.credentials.iter().map(|style| HeaderName::from_static(style.header))
}

/// A gateway at work.
#[derive(Debug)]
pub struct Running {
    /// The configuration that is at work.
    config: Config,
    service: Arc<ArcSwap<Service>>,
    room: Room,
    connections: Arc<Connections>,
    ports: Ports,
    admin: AdminPort,
    stop: watch::Sender<bool>,
    ready: Arc<AtomicBool>,
    pub(crate) reloads: Arc<Reloads>,
    upkeep: AbortOnDropHandle<()>,
    traces: Option<Traces>,
}

impl Running {
    /// Where the listeners are, in the order of the configuration.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.ports.addresses()
    }

    /// Where the admin listener is.
    pub fn admin(&self) -> SocketAddr {
        self.admin.listening.address
    }

    /// What the configuration that is at work was read from.
    pub fn files(&self) -> &Files {
        &self.config.files
    }

    /// Puts another configuration in the place of the one that is at work, at once and as a whole. Requests that have begun
    /// end with the one they began with, and connections stay open, but for those of listeners that are gone: they have
    /// `limits.drain`. Links that are configured are added; those that are not any more stay.
    ///
    /// # Errors
    ///
    /// It is not good, a port cannot be bound, or something has changed that cannot while the gateway is at work: where
    /// and how links and writes are kept, how the log is written, where traces go, the stand-ins, and whether a listener speaks TLS. What was at work before still
    /// is then; a contradiction among links may be found after some were added.
    pub async fn reload(&mut self, config: Config) -> Result<(), StartError> {
        if let Some(key) = fixed(&self.config, &config) {
            return Err(StartError::Fixed(key));
        }
        let service = self.service.load().renewed(&self.config, &config)?;
        let is_room_same = self.config.limits == config.limits;
        let room = if is_room_same { self.room.clone() } else { Room::new(&config.limits) };
        let found = self.ports.find(&config.listeners).await?;
        let admin = if self.config.admin == config.admin { None } else { Some(bind(config.admin).await?) };
        let faces = faces(&service, &config, &room)?;
        add(&*service.shared.links, &config).await?;
        // Nothing can fail any more.
        self.ports.turn(found.into_iter().zip(faces).collect(), config.limits.drain);
        self.service.store(Arc::new(service));
        self.room = room;
        self.connections.allow(patience(&config.limits));
        match admin {
            Some(socket) => {
                let admin = AdminPort::open(socket, self.admin.admin.clone(), &config.limits);
                let before = std::mem::replace(&mut self.admin, admin);
                before.listening.stop();
                before.listening.cut_off_after(config.limits.drain);
            }
            None => self.admin.connections.allow(Patience { wait: config.limits.patience, ..ADMIN }),
        }
        if self.config.journal.keep != config.journal.keep {
            let shared = &self.service.load().shared;
            self.upkeep = upkeep(shared.links.writes(), shared.lease, config.journal.keep);
        }
        self.config = config;
        Ok(())
    }

    /// Refuses new connections, lets those that are open finish what they are at, and returns when they have, or when
    /// the drain time is over; whether they have.
    pub async fn stop(mut self) -> bool {
        self.ready.store(false, Ordering::Relaxed);
        // Nobody may look after what is left any more; then there is nobody to tell.
        let _ = self.stop.send(true);
        self.ports.stop();
        let (began, drain) = (Instant::now(), self.config.limits.drain);
        let shared = Arc::clone(&self.service.load().shared);
        let finished = server::within(drain, async {
            self.ports.stopped().await;
            // Writes whose clients have gone away are no less writes.
            shared.writes.close();
            shared.writes.wait().await;
            shared.releases.close();
            shared.releases.wait().await;
        })
        .await;
        self.ports.cut_off();
        self.admin.listening.stop();
        drop(self.upkeep);
        shared.links.close().await;
        if let Some(traces) = self.traces {
            traces.stop(drain.saturating_sub(began.elapsed()).min(FLUSH)).await;
        }
        finished
    }
}

/// What of a configuration cannot change while a gateway is at work, and does.
fn fixed(now: &Config, next: &Config) -> Option<&'static str> {
    [
        ("links.store", now.store != next.store),
        ("links.ids", now.ids != next.ids),
        ("journal.key", now.journal.key != next.journal.key),
        ("journal.lease", now.journal.lease != next.journal.lease),
        ("log", now.log != next.log),
        ("traces", now.traces != next.traces),
        ("sandbox", now.sandbox != next.sandbox),
    ]
    .into_iter()
    .find_map(|(key, has_changed)| has_changed.then_some(key))
}

/// Why a gateway could not be started, or not be given another configuration.
#[derive(Debug)]
#[non_exhaustive]
pub enum StartError {
    /// A port cannot be bound.
    Bind(SocketAddr, io::Error),
    /// A schema of this adapter cannot be used.
    Schema(&'static str, SchemaError),
    /// There is no adapter for this dialect.
    Dialect(&'static str),
    /// The adapter for this dialect declares something that is not legal in HTTP.
    Declaration(&'static str, &'static str),
    /// There is no upstream of this name.
    Upstream(String),
    /// The configured links contradict those that are kept.
    Links(String),
    /// The link store cannot be used.
    Store(StoreError),
    /// Traces cannot be sent.
    Traces(ExporterBuildError),
    /// This cannot change while the gateway is at work.
    Fixed(&'static str),
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bind(address, error) => write!(f, "cannot listen on {address}: {error}"),
            Self::Schema(dialect, error) => write!(f, "the adapter for {dialect}: {error}"),
            Self::Dialect(dialect) => write!(f, "there is no adapter for {dialect}"),
            Self::Declaration(dialect, what) => write!(f, "the adapter for {dialect}: {what} is not legal in HTTP"),
            Self::Upstream(name) => write!(f, "there is no upstream {name}"),
            Self::Links(reason) => write!(f, "the configured links contradict those that are kept: {reason}"),
            Self::Store(error) => write!(f, "links.store: {error}"),
            Self::Traces(error) => write!(f, "traces: {error}"),
            Self::Fixed(what) => {
                write!(f, "{what} cannot change while the gateway is at work; restart it, or leave that as it was")
            }
        }
    }
}

impl std::error::Error for StartError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Bind(_, error) => Some(error),
            Self::Schema(_, error) => Some(error),
            Self::Store(error) => Some(error),
            Self::Traces(error) => Some(error),
            Self::Dialect(_) | Self::Declaration(..) | Self::Upstream(_) | Self::Links(_) | Self::Fixed(_) => None,
        }
    }
}
