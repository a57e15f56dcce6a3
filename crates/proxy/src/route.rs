//! A route: a face, an upstream, and what is done between them.

use std::{fmt, sync::Arc, time::Duration};

use http::{HeaderName, Method};
use interlingua_core::{
    Adapter, Document, Error, ErrorKind, LossPolicy, NoOperation, Note, Place, Removal, Result, SessionEndpoint,
    Sessions, UserId, Validator,
};
use interlingua_links::{Links, Writes};
use opentelemetry_sdk::trace::SdkTracer;
use tokio_util::task::TaskTracker;

use crate::{
    auth::Clients,
    busy::Busy,
    config::{Limits, OnCrash, OnPartial, SessionKey},
    executor::Executor,
    ledger::Care,
    linking::{self, store_error},
    listing::Places,
    locks::Held,
    metrics::{Metrics, Pair},
    rarely::Rarely,
    repeat_key::RepeatKey,
    report::Reports,
    trace::Context,
    upstream::Upstream,
};

/// A face that clients speak to, and the upstream that stands behind it.
pub(crate) struct Route {
    pub(crate) face: Arc<dyn Adapter>,
    pub(crate) validator: Arc<Validator>,
    pub(crate) upstream: Arc<Upstream>,
    /// Where requests go that are for none of the face's operations.
    pub(crate) fallback: Option<Arc<Upstream>>,
    pub(crate) loss: LossPolicy,
    /// What a client that removes a user, in a way that could be taken back, brings about.
    pub(crate) removal: Removal,
    /// What is done about a write of which only a part was carried out.
    pub(crate) on_partial: OnPartial,
    /// Where the pages of numbered lists begin.
    pub(crate) places: Places,
    /// What is counted of what goes to the upstream, and of what falls back.
    pub(crate) metrics: Arc<Pair>,
    pub(crate) fallback_metrics: Option<Arc<Pair>>,
    pub(crate) shared: Arc<Shared>,
}

/// What all routes have in common.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) links: Arc<dyn Links>,
    pub(crate) clients: Clients,
    pub(crate) limits: Limits,
    pub(crate) reports: Arc<Reports>,
    pub(crate) metrics: Arc<Metrics>,
    /// How many requests were refused as there was too much to do.
    pub(crate) overloads: Rarely,
    /// The headers in which any dialect has a credential.
    pub(crate) credential_headers: Vec<HeaderName>,
    /// The writes that are under way; they go on when their client goes away.
    pub(crate) writes: TaskTracker,
    pub(crate) on_crash: OnCrash,
    /// The locks that are being given back.
    pub(crate) releases: TaskTracker,
    /// How long this process counts as alive to the others over the store, after it has said so.
    pub(crate) lease: Duration,
    /// What nobody else of this process may be at meanwhile.
    pub(crate) busy: Busy,
    /// How long what came of a request is kept for those who send it again.
    pub(crate) keep_answers: Duration,
    /// What tokens of sessions are signed with where the configuration has no key.
    pub(crate) session_key: SessionKey,
    /// What makes spans, where traces are on.
    pub(crate) tracer: Option<SdkTracer>,
}

/// What outlives a configuration: what is kept, and what is under way.
#[derive(Clone, Debug)]
pub(crate) struct Lasting {
    pub(crate) links: Arc<dyn Links>,
    pub(crate) reports: Arc<Reports>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) writes: TaskTracker,
    pub(crate) releases: TaskTracker,
    pub(crate) busy: Busy,
    pub(crate) session_key: SessionKey,
    pub(crate) tracer: Option<SdkTracer>,
}

impl Lasting {
    /// With these links, and nothing else yet.
    pub(crate) fn new(links: Arc<dyn Links>, tracer: Option<SdkTracer>) -> Self {
        let (writes, releases) = (TaskTracker::new(), TaskTracker::new());
        Self {
            links,
            reports: Arc::default(),
            metrics: Arc::default(),
            writes,
            releases,
            busy: Busy::default(),
            session_key: rand::random::<[u8; 32]>().into(),
            tracer,
        }
    }
}

impl Shared {
    pub(crate) fn lasting(&self) -> Lasting {
        let Self { links, reports, metrics, writes, releases, busy, session_key, tracer, .. } = self;
        Lasting {
            links: Arc::clone(links),
            metrics: Arc::clone(metrics),
            reports: Arc::clone(reports),
            writes: writes.clone(),
            releases: releases.clone(),
            busy: busy.clone(),
            session_key: session_key.clone(),
            tracer: tracer.clone(),
        }
    }
}

impl Route {
    /// The route that was found for a request.
    ///
    /// # Errors
    ///
    /// None was, which is a fault of ours: the outermost layer finds it.
    pub(crate) fn of<B>(request: &http::Request<B>) -> Result<&Arc<Self>> {
        let route = request.extensions().get::<Arc<Self>>();
        route.ok_or_else(|| Error::new(ErrorKind::Internal, "the request has no route"))
    }

    /// The two dialects, and what links their ids.
    pub(crate) fn pair(&self) -> linking::Pair<'_> {
        linking::Pair { links: &*self.shared.links, face: &*self.face, upstream: &*self.upstream.adapter }
    }

    /// What carries plans out at the upstream.
    pub(crate) fn executor<'a, T>(&'a self, transport: &'a T) -> Executor<'a, T> {
        Executor { adapter: &*self.upstream.adapter, transport, most_calls: self.most_calls() }
    }

    /// How the writes of a request are taken care of, under that lock.
    pub(crate) fn care<'a>(
        &'a self,
        journal: &'a Arc<dyn Writes>,
        context: &'a Context,
        held: Option<&'a Held>,
    ) -> Care<'a> {
        Care {
            journal,
            request: context.id(),
            upstream: &self.upstream.name,
            operation: context.seen.operation.get().copied().unwrap_or_default(),
            client: context.client(),
            held,
            key: context.seen.repeat.get().map(RepeatKey::as_str),
            on_partial: self.on_partial,
            prepares_undo: self.on_partial == OnPartial::Undo || self.shared.on_crash == OnCrash::Undo,
            passes: self.passes(),
        }
    }

    /// How many calls one request may take.
    pub(crate) fn most_calls(&self) -> usize {
        usize::try_from(self.shared.limits.calls.get()).unwrap_or(usize::MAX)
    }

    /// The face's id of the user that the client of a request is.
    ///
    /// # Errors
    ///
    /// The configuration does not say, or that user is not linked.
    pub(crate) async fn own_user(&self, context: &Context) -> Result<UserId> {
        let client = context.client();
        let (dialect, id) = self.shared.clients.user(client).ok_or_else(|| {
            let message = format!("nobody says which user the client `{client}` is; see `user` in [[clients]]");
            Error::new(ErrorKind::Unsupported, message)
        })?;
        let face = self.face.dialect().name;
        if dialect == face {
            return Ok(id.clone());
        }
        let link = self.shared.links.user(dialect, id).await.map_err(|error| store_error(&error))?;
        link.and_then(|link| link.ids.get(face).cloned()).ok_or_else(|| {
            Error::new(ErrorKind::NotFound, format!("the client's own user, {id} of {dialect}, is not linked"))
        })
    }

    /// How clients of the face log in, if any can.
    fn sessions(&self) -> Option<&dyn Sessions> {
        self.face.sessions().filter(|_| self.shared.clients.have_logins())
    }

    /// Where a client sees to its session with this method and this path, if any client can log in.
    pub(crate) fn session_endpoint(&self, method: &Method, path: &str) -> Option<&SessionEndpoint> {
        self.sessions()?.endpoints().iter().find(|endpoint| endpoint.path == path && endpoint.method == *method)
    }

    /// Makes sure that a path is for none of the session's endpoints, however it is spelled: what clients that log in send
    /// there may be a password, and not for an upstream.
    ///
    /// # Errors
    ///
    /// It is for one, or below it.
    pub(crate) fn is_no_session_endpoint(&self, path: &str) -> Result<()> {
        let Some(sessions) = self.sessions().filter(|sessions| sessions.owns(path)) else { return Ok(()) };
        match sessions.endpoints().iter().find(|endpoint| endpoint.path == path) {
            Some(SessionEndpoint { method, .. }) => {
                let message = format!("this path knows only {method}");
                Err(Error::new(ErrorKind::MethodNotAllowed, message).with_allowed(method.to_string()))
            }
            None => Err(Error::new(ErrorKind::NoSuchPath, "there is no such path")),
        }
    }

    /// Where the field of a note stands: in the client's own documents, or in the upstream's.
    pub(crate) fn pointer(&self, note: &Note) -> String {
        match &note.place {
            Place::Pointer(_, pointer) => pointer.to_string(),
            Place::Field(document @ Document::Upstream, field) => self.upstream.adapter.pointer(field, *document),
            Place::Field(document, field) => self.face.pointer(field, *document),
        }
    }

    /// The upstream for a request that is for none of the dialect's own operations, and not for a path among theirs
    /// either: on a translated route the users are somewhere else (see [`Dialect::owns`](interlingua_core::Dialect)).
    ///
    /// Two methods never fall back: `CONNECT`, which asks for a tunnel, and `TRACE`, whose answer would show the client
    /// the credential that the upstream was sent.
    pub(crate) fn fallback_for(&self, method: &Method, path: &str) -> Option<&Arc<Upstream>> {
        let upstream = self.fallback.as_ref()?;
        let dialect = self.face.dialect();
        let is_another = dialect.find(method, path).err() == Some(NoOperation::NoSuchPath) && !dialect.owns(path);
        (is_another && !matches!(*method, Method::CONNECT | Method::TRACE)).then_some(upstream)
    }

    /// What is counted of requests that go to that upstream.
    pub(crate) fn metrics_of(&self, upstream: &str) -> &Pair {
        let fallback = self.fallback_metrics.as_deref().filter(|_| upstream != self.upstream.name);
        fallback.unwrap_or(&self.metrics)
    }

    /// Whether both sides speak the same dialect, so that bytes pass as they come.
    pub(crate) fn passes(&self) -> bool {
        self.face.dialect().name == self.upstream.adapter.dialect().name
    }
}

impl fmt::Debug for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Route")
            .field("face", &self.face.dialect().name)
            .field("upstream", &self.upstream)
            .finish_non_exhaustive()
    }
}

/// The routes of a listener, by what their paths start with.
#[derive(Clone, Debug)]
pub(crate) struct Routes {
    routes: Arc<Vec<Arc<Route>>>,
    shared: Arc<Shared>,
}

impl Routes {
    /// With what they have in common.
    pub(crate) fn new(mut routes: Vec<Arc<Route>>, shared: &Arc<Shared>) -> Self {
        // The longest prefix first, so that the first one that fits is the nearest.
        routes.sort_by_key(|route| std::cmp::Reverse(route.face.dialect().prefix.len()));
        Self { routes: Arc::new(routes), shared: Arc::clone(shared) }
    }

    /// The route of a path.
    pub(crate) fn find(&self, path: &str) -> Option<&Arc<Route>> {
        self.routes.iter().find(|route| path.starts_with(route.face.dialect().prefix))
    }

    /// What is counted of requests that no route is for.
    pub(crate) fn nobody(&self) -> &Pair {
        &self.shared.metrics.nobody
    }

    /// What makes spans, where traces are on.
    pub(crate) fn tracer(&self) -> Option<&SdkTracer> {
        self.shared.tracer.as_ref()
    }
}
