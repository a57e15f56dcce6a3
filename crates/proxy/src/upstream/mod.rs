//! An upstream: where calls go, how they are sent, and what keeps that safe when one of the two sides is in trouble.
//!
//! | file | what it does |
//! |---|---|
//! | `again` | tries again what may be tried again |
//! | `heed` | leaves an upstream alone that asks for it (`Retry-After`) |
//! | `breaker` | leaves one alone that fails again and again |
//! | `crowd` | limits how many calls are under way |
//! | `share` | shares among the clients what a vendor allows |
//! | `exchange` | sends one request and gets its answer |
//! | `pool`, `connection`, `tls`, `wire` | the connections, and what is known of the bytes on them |
//! | `drift` | notices when answers are not what they were |
//!
//! The four in the middle are guards (`guard`): they refuse at once, before anything is sent, and say when to come back.
//! Nothing is ever sent twice at the same time to see which answer is the first, and no redirect is followed.

mod again;
mod breaker;
mod connection;
mod crowd;
mod drift;
mod exchange;
mod guard;
mod heed;
mod pool;
mod share;
mod tls;
mod vitals;
mod wire;

use std::{collections::HashMap, fmt, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Request, Response, Uri,
    header::{ACCEPT, CONTENT_TYPE, HOST, InvalidHeaderValue, USER_AGENT},
    uri::{Authority, PathAndQuery},
};
use hyper::body::Incoming;
use interlingua_core::{Access, Adapter, Call, CredentialStyle, Effect, Error, ErrorKind, Reply, Result, Validator};
use tokio::time::Instant;
use tower::{ServiceBuilder, ServiceExt, retry::RetryLayer, util::BoxCloneSyncService};

pub(crate) use vitals::metrics;

use crate::{
    config::{self, Secret},
    executor::Stage,
    metrics::Calls,
    relay::Upload,
    spans::CallSpan,
    trace::Context,
};
use again::{Again, Tries};
use breaker::Breaker;
use crowd::Crowd;
use drift::Drift;
use exchange::{Exchange, Open};
use guard::{Arriving, GuardLayer, Guarding, Outgoing, Terms, Whole};
use heed::Heed;
use pool::Pool;
use share::Share;

/// One configured upstream.
#[derive(Clone)]
pub(crate) struct Upstream {
    pub(crate) name: String,
    pub(crate) adapter: Arc<dyn Adapter>,
    /// Where it is.
    pub(crate) authority: Authority,
    /// Which server it is: two upstreams of one server have the same users.
    pub(crate) server: String,
    host: HeaderValue,
    /// What stands before every path; empty, or with a leading and without a trailing slash.
    base_path: String,
    credential: (HeaderName, HeaderValue),
    /// What stands there instead for some of the clients.
    credentials: HashMap<String, HeaderValue>,
    /// How long a call may take, with all tries, and how long it may be silent where it is passed on as it arrives.
    pub(crate) timeout: Duration,
    guards: Guards,
    tries: Arc<Tries>,
    calls: Arc<Calls>,
    drift: Option<Arc<Drift>>,
    exchange: BoxCloneSyncService<Outgoing<Whole>, Reply, Error>,
    open: BoxCloneSyncService<Outgoing<Arriving>, Response<Incoming>, Error>,
}

/// As many headers as a call has, with those that every connection adds.
const USUAL_HEADERS: usize = 12;

/// What stands before an upstream.
#[derive(Clone, Debug)]
struct Guards {
    heed: Arc<Guarding<Heed>>,
    breaker: Arc<Guarding<Breaker>>,
    crowd: Arc<Guarding<Crowd>>,
    share: Arc<Guarding<Share>>,
}

/// A request to an upstream, without what all requests to it have. It has no debug print, for it holds what people wrote.
pub(crate) struct Message<B> {
    pub(crate) method: Method,
    /// The path and query, relative to the upstream's base URL.
    pub(crate) target: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: B,
    /// Whether it may change something.
    pub(crate) access: Access,
    /// Whether it can be sent again when nobody knows what came of it.
    pub(crate) repeatable: bool,
    /// Whether it is part of something that has begun to write.
    pub(crate) begun: bool,
}

impl Upstream {
    /// # Errors
    ///
    /// The credential, in the way in which the dialect has it, cannot stand in a header.
    pub(crate) fn new(
        name: &str,
        config: &config::Upstream,
        adapter: Arc<dyn Adapter>,
    ) -> Result<Self, InvalidHeaderValue> {
        let dialect = adapter.dialect();
        // A dialect without credentials gets the most usual one.
        let usual = CredentialStyle { header: "authorization", scheme: Some("Bearer") };
        let style = dialect.credentials.first().copied().unwrap_or(usual);
        let value = |secret: &Secret| {
            let secret = secret.expose();
            let text = style.scheme.map_or_else(|| secret.to_owned(), |scheme| format!("{scheme} {secret}"));
            let mut value = HeaderValue::try_from(text)?;
            value.set_sensitive(true);
            Ok::<_, InvalidHeaderValue>(value)
        };
        let credentials = config.credentials.iter().map(|(client, secret)| Ok((client.clone(), value(secret)?)));
        let credentials = credentials.collect::<Result<_, InvalidHeaderValue>>()?;

        let authority = config.base_url.authority().clone();
        let guards = Guards {
            heed: Guarding::new(Heed::default()),
            breaker: Guarding::new(Breaker::new(config.breaker)),
            crowd: Guarding::new(Crowd::new(config.concurrency.get() as usize)),
            share: Guarding::new(Share::new(dialect.rate_headers, config.rate)),
        };
        let tries = Arc::<Tries>::default();
        let pool = Arc::new(Pool::new(&config.base_url, config.tls.clone(), config.connect_timeout));
        let calls = Arc::<Calls>::default();
        let exchange =
            Exchange { pool: Arc::clone(&pool), first_byte: config.first_byte_timeout, calls: Arc::clone(&calls) };
        Ok(Self {
            name: name.to_owned(),
            server: format!("{authority}{}", config.base_url.prefix()),
            host: HeaderValue::try_from(authority.as_str())?,
            authority,
            base_path: config.base_url.prefix().to_owned(),
            credential: (HeaderName::from_static(style.header), value(&config.credential)?),
            credentials,
            timeout: config.timeout,
            exchange: guards.around_exchange(exchange, Again::new(config.retries, Arc::clone(&tries))),
            open: guards.around_open(Open { pool, crowd: Arc::clone(&guards.crowd), calls: Arc::clone(&calls) }),
            adapter,
            guards,
            tries,
            calls,
            drift: None,
        })
    }

    /// The same upstream, with its connections and all that is known of it, spoken to by another adapter for its dialect.
    pub(crate) fn spoken_to_by(&self, adapter: Arc<dyn Adapter>) -> Self {
        Self { adapter, ..self.clone() }
    }

    /// The same with an eye on its answers, which these schemas of its dialect describe.
    pub(crate) fn observed(mut self, validator: &Arc<Validator>) -> Self {
        self.drift = Some(Arc::new(Drift::new(Arc::clone(validator))));
        self
    }

    /// What is counted of its calls.
    pub(crate) fn calls(&self) -> &Calls {
        &self.calls
    }

    /// Sends a call of a plan. Our own limits do not stop what has begun.
    ///
    /// # Errors
    ///
    /// There is no answer; the effect tells whether the call can have arrived.
    pub(crate) async fn call(&self, call: &Call, stage: Stage, context: &Context, deadline: Instant) -> Result<Reply> {
        context.calls();
        let media_type = HeaderValue::from_static(self.adapter.dialect().media_type);
        let mut headers = HeaderMap::with_capacity(USUAL_HEADERS);
        headers.insert(ACCEPT, media_type.clone());
        headers.insert(USER_AGENT, HeaderValue::from_static(concat!("interlingua/", env!("CARGO_PKG_VERSION"))));
        if !call.body.is_empty() {
            headers.insert(CONTENT_TYPE, media_type);
        }
        let message = Message {
            method: call.method.clone(),
            target: call.target.clone(),
            headers,
            body: call.body.clone(),
            access: call.access,
            repeatable: call.repeatable,
            begun: stage != Stage::First,
        };
        let reply = self.send(message, context, deadline).await?;
        if let Some(drift) = &self.drift {
            drift.look(&self.name, &*self.adapter, call, &reply);
        }
        Ok(reply)
    }

    /// Sends a request and reads the whole answer. The credential, the request's id and its trace are set here.
    ///
    /// # Errors
    ///
    /// There is no answer; the effect tells whether the request can have arrived.
    pub(crate) async fn send(&self, message: Message<Bytes>, context: &Context, deadline: Instant) -> Result<Reply> {
        let (Outgoing { request, terms }, span) = self.outgoing(message, context, deadline)?;
        let result = self.exchange.clone().oneshot(Outgoing { request: Whole::new(request), terms }).await;
        span.end(result.as_ref().map(|reply| reply.status).map_err(Error::kind));
        result
    }

    /// Sends a request whose body is still arriving, and gives the answer as soon as its head is there. What else is set
    /// here is as in [`send`](Self::send), but it is tried once, and how long that takes is the caller's affair.
    ///
    /// # Errors
    ///
    /// There is no answer; the effect tells whether the request can have arrived.
    pub(crate) async fn open(&self, message: Message<Upload>, context: &Context) -> Result<Response<Incoming>> {
        let (outgoing, span) = self.outgoing(message, context, Instant::now() + self.timeout)?;
        let result = self.open.clone().oneshot(outgoing).await;
        span.end(result.as_ref().map(Response::status).map_err(Error::kind));
        result
    }

    fn outgoing<B>(
        &self,
        message: Message<B>,
        context: &Context,
        deadline: Instant,
    ) -> Result<(Outgoing<Request<B>>, CallSpan)> {
        let Message { method, target, mut headers, body, access, repeatable, begun } = message;
        headers.insert(HOST, self.host.clone());
        let own = self.credentials.get(context.client());
        headers.insert(self.credential.0.clone(), own.unwrap_or(&self.credential.1).clone());
        let uri = self.path(&target)?;
        let span = CallSpan::begin(context, &method, &target, self);
        context.pass_on(&span, &mut headers);
        let mut request = Request::new(body);
        *request.method_mut() = method;
        *request.uri_mut() = uri;
        *request.headers_mut() = headers;
        let terms = Terms {
            access,
            repeatable,
            begun,
            is_known_as_itself: own.is_some(),
            client: context.seen.client.get().cloned().unwrap_or_default(),
            end: deadline.min(Instant::now() + self.timeout),
        };
        Ok((Outgoing { request, terms }, span))
    }

    /// What a request line has: the path and query of a target.
    fn path(&self, target: &str) -> Result<Uri> {
        let path = PathAndQuery::try_from(format!("{}{target}", self.base_path));
        path.map(Uri::from).map_err(|_| Error::new(ErrorKind::Internal, "the call's path is not one of HTTP"))
    }
}

impl Guards {
    fn around_exchange(&self, exchange: Exchange, again: Again) -> BoxCloneSyncService<Outgoing<Whole>, Reply, Error> {
        let Self { heed, breaker, crowd, share } = self.clone();
        BoxCloneSyncService::new(
            ServiceBuilder::new()
                .layer(RetryLayer::new(again)) // outermost: every try passes the guards again
                .layer(GuardLayer::new((heed, (breaker, (crowd, share))))) // the last counts what is sent
                .service(exchange),
        )
    }

    /// The same without tries, for a body that arrives can be sent once.
    fn around_open(&self, open: Open) -> BoxCloneSyncService<Outgoing<Arriving>, Response<Incoming>, Error> {
        let Self { heed, breaker, share, .. } = self.clone();
        BoxCloneSyncService::new(ServiceBuilder::new().layer(GuardLayer::new((heed, (breaker, share)))).service(open))
    }
}

/// A failure after the first byte was sent.
pub(crate) fn lost(kind: ErrorKind, message: &'static str) -> Error {
    Error::new(kind, message).with_effect(Effect::Unknown)
}

impl fmt::Debug for Upstream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Upstream").field("name", &self.name).field("server", &self.server).finish_non_exhaustive()
    }
}
