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

use http::{HeaderName, HeaderValue};
use interlingua_core::{Adapter, CredentialStyle, Dialect, SchemaError, Validator};
use interlingua_links::{AddError, Links, Options, StoreError, open};
use tokio::sync::watch;
use tokio_util::task::{AbortOnDropHandle, TaskTracker};
use tower::service_fn;

use crate::{
    admin::Admin,
    auth::Clients,
    busy::Busy,
    cli,
    config::{self, Config},
    connections::{Connections, Patience},
    listing::Places,
    rarely::Rarely,
    recovery::Recovery,
    report::Reports,
    room::Room,
    route::{Route, Routes, Shared},
    server::{self, Listening},
    stack::stack,
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
        let service = Service::new(&config).await?;
        let (stop, stopping) = watch::channel(false);
        let limits = &config.limits;
        let room = Room::new(limits);
        let connections = Connections::new(Patience {
            connections: limits.connections.get() as usize,
            per_address: limits.connections_per_address.get() as usize,
            wait: limits.patience,
        });
        let admin_socket = bind(config.admin).await?;
        // All ports are bound before the first is served.
        let mut sockets = Vec::with_capacity(config.listeners.len());
        for listener in &config.listeners {
            sockets.push((bind(listener.address).await?, service.routes(listener)?, listener.tls.as_ref()));
        }
        let mut listeners = Vec::with_capacity(sockets.len());
        for (socket, routes, tls) in sockets {
            let stack = stack(routes, limits, &room);
            let connections = Arc::clone(&connections);
            listeners.push(server::serve(socket, stack, connections, limits.head, tls, stopping.clone())?);
        }
        // A stop waits for what is being settled, as for any write.
        service.shared.writes.spawn(service.recovery().run(stopping));
        let ready = Arc::new(AtomicBool::new(true));
        let upstreams = service.upstreams.values().cloned().collect();
        let admin = Admin { shared: Arc::clone(&service.shared), upstreams, ready: Arc::clone(&ready) };
        // The admin listener outlives the others, so that it can say that they are stopping.
        let (stop_admin, stopping_admin) = watch::channel(false);
        let admin = service_fn(move |request| std::future::ready(Ok::<_, Infallible>(admin.answer(&request))));
        let connections = Connections::new(Patience { wait: limits.patience, ..ADMIN });
        let admin = server::serve(admin_socket, admin, connections, limits.head, None, stopping_admin)?;
        let shared = service.shared;
        let upkeep = upkeep(shared.links.writes(), shared.lease, config.journal.keep);
        Ok(Running { listeners, admin, stop, stop_admin, ready, shared, upkeep, drain: config.limits.drain })
    }
}

/// The operator's connections have places of their own, so that clients cannot take them.
const ADMIN: Patience = Patience { connections: 100, per_address: 100, wait: Duration::ZERO };

async fn bind(address: SocketAddr) -> Result<tokio::net::TcpListener, StartError> {
    server::bind(address).await.map_err(|error| StartError::Bind(address, error))
}

/// What a configuration turns into, without a single socket: upstreams, validators, links.
pub(crate) struct Service {
    pub(crate) shared: Arc<Shared>,
    upstreams: BTreeMap<String, Arc<Upstream>>,
    adapters: BTreeMap<&'static str, (Arc<dyn Adapter>, Arc<Validator>)>,
}

impl Service {
    /// # Errors
    ///
    /// An adapter's schema or the link store cannot be used, or the configured links contradict those in the store.
    pub(crate) async fn new(config: &Config) -> Result<Self, StartError> {
        let (key, lease) = (config.journal.key.clone(), config.journal.lease);
        let options = Options { ranges: config.ids.clone(), key, lease, ..Options::default() };
        let links = open(&config.store, &options).await.map_err(StartError::Store)?;
        add(&*links, config).await.map_err(|error| match error {
            AddError::Store(error) => StartError::Store(error),
            taken @ AddError::Taken(_) => StartError::Links(taken.to_string()),
        })?;
        let mut adapters = BTreeMap::new();
        for (name, adapter) in &config.adapters {
            check(adapter.dialect())?;
            let validator = Validator::new(adapter.dialect()).map_err(|error| StartError::Schema(name, error))?;
            adapters.insert(*name, (Arc::clone(adapter), Arc::new(validator)));
        }
        let mut upstreams = BTreeMap::new();
        for (name, upstream) in &config.upstreams {
            let adapter = adapters.get(upstream.dialect).ok_or(StartError::Dialect(upstream.dialect))?;
            let upstream = Upstream::new(name, upstream, Arc::clone(&adapter.0))
                .map_err(|_| StartError::Declaration(upstream.dialect, "the scheme of its credential"))?;
            upstreams.insert(name.clone(), Arc::new(upstream));
        }
        let shared = Shared {
            links,
            clients: Clients::new(config.clients.clone()),
            limits: config.limits.clone(),
            reports: Reports::default(),
            overloads: Rarely::default(),
            credential_headers: adapters
                .values()
                .flat_map(|(adapter, _)| credential_headers(adapter.dialect()))
                .collect(),
            writes: TaskTracker::new(),
            on_crash: config.journal.on_crash,
            releases: TaskTracker::new(),
            lease,
            busy: Busy::default(),
            keep_answers: config.repeats.keep,
        };
        Ok(Self { shared: Arc::new(shared), upstreams, adapters })
    }

    /// The routes of a listener.
    fn routes(&self, listener: &config::Listener) -> Result<Routes, StartError> {
        listener.routes.iter().map(|route| self.route(route)).collect::<Result<_, _>>().map(Routes::new)
    }

    /// # Errors
    ///
    /// The route names a dialect or an upstream that the configuration does not have.
    pub(crate) fn route(&self, route: &config::Route) -> Result<Arc<Route>, StartError> {
        let (face, validator) = self.adapters.get(route.face).ok_or(StartError::Dialect(route.face))?;
        Ok(Arc::new(Route {
            face: Arc::clone(face),
            validator: Arc::clone(validator),
            upstream: self.upstream(&route.upstream)?,
            fallback: route.fallback.as_deref().map(|name| self.upstream(name)).transpose()?,
            loss: route.loss.clone(),
            removal: route.removal,
            on_partial: route.on_partial,
            places: Places::default(),
            shared: Arc::clone(&self.shared),
        }))
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
async fn add(links: &dyn Links, config: &Config) -> Result<(), AddError> {
    links.add_scopes(config.scopes.clone()).await?;
    links.add_users(config.users.clone()).await?;
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
    listeners: Vec<Listening>,
    admin: Listening,
    stop: watch::Sender<bool>,
    stop_admin: watch::Sender<bool>,
    ready: Arc<AtomicBool>,
    shared: Arc<Shared>,
    upkeep: AbortOnDropHandle<()>,
    drain: Duration,
}

impl Running {
    /// Where the listeners are, in the order of the configuration.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.listeners.iter().map(|listener| listener.address).collect()
    }

    /// Where the admin listener is.
    pub fn admin(&self) -> SocketAddr {
        self.admin.address
    }

    /// Refuses new connections, lets those that are open finish what they are at, and returns when they have, or when
    /// the drain time is over; whether they have.
    pub async fn stop(mut self) -> bool {
        self.ready.store(false, Ordering::Relaxed);
        // The listeners may be gone already; then there is nobody to tell.
        let _ = self.stop.send(true);
        let finished = server::within(self.drain, async {
            for listener in &mut self.listeners {
                listener.stopped().await;
            }
            // Writes whose clients have gone away are no less writes.
            self.shared.writes.close();
            self.shared.writes.wait().await;
            self.shared.releases.close();
            self.shared.releases.wait().await;
        })
        .await;
        self.listeners.iter().for_each(Listening::cut_off);
        let _ = self.stop_admin.send(true);
        drop(self.upkeep);
        self.shared.links.close().await;
        finished
    }
}

/// Why a gateway could not be started.
#[derive(Debug)]
#[non_exhaustive]
pub enum StartError {
    /// A port cannot be bound.
    Bind(SocketAddr, io::Error),
    /// A socket failed.
    Socket(io::Error),
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
}

impl From<io::Error> for StartError {
    fn from(error: io::Error) -> Self {
        Self::Socket(error)
    }
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bind(address, error) => write!(f, "cannot listen on {address}: {error}"),
            Self::Socket(error) => write!(f, "a socket failed: {error}"),
            Self::Schema(dialect, error) => write!(f, "the adapter for {dialect}: {error}"),
            Self::Dialect(dialect) => write!(f, "there is no adapter for {dialect}"),
            Self::Declaration(dialect, what) => write!(f, "the adapter for {dialect}: {what} is not legal in HTTP"),
            Self::Upstream(name) => write!(f, "there is no upstream {name}"),
            Self::Links(reason) => write!(f, "the configured links contradict those that are kept: {reason}"),
            Self::Store(error) => write!(f, "links.store: {error}"),
        }
    }
}

impl std::error::Error for StartError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Bind(_, error) | Self::Socket(error) => Some(error),
            Self::Schema(_, error) => Some(error),
            Self::Store(error) => Some(error),
            Self::Dialect(_) | Self::Declaration(..) | Self::Upstream(_) | Self::Links(_) => None,
        }
    }
}
