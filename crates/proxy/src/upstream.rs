//! An upstream: where calls go, and how they are sent.

use std::{error::Error as _, fmt, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Request, Response, Uri,
    header::{ACCEPT, CONTENT_TYPE, InvalidHeaderValue, USER_AGENT},
    uri::{Authority, PathAndQuery, Scheme},
};
use http_body_util::{BodyExt, Either, Full, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioTimer},
};
use interlingua_core::{Adapter, Call, CredentialStyle, Effect, Error, ErrorKind, Reply, Result};
use tokio::time::Instant;

use crate::{config, relay::Upload, trace::Context};

/// The most that is read of an upstream's answer.
const REPLY_LIMIT: usize = 8 << 20;

/// How long a connection may take to come about. Until then nothing was sent, which is worth knowing for sure.
const CONNECT: Duration = Duration::from_secs(3);

/// How long an idle connection is kept; shorter than servers usually keep theirs, so that it is us who close.
const IDLE: Duration = Duration::from_secs(20);

/// The body of a request to an upstream: whole, or as it arrives from a client.
type Body = Either<Full<Bytes>, Upload>;

/// The connections to all upstreams.
pub(crate) type HttpClient = Client<HttpConnector, Body>;

/// A client with keep-alive.
pub(crate) fn http_client() -> HttpClient {
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    connector.set_connect_timeout(Some(CONNECT));
    Client::builder(TokioExecutor::new())
        // Without both timers idle connections are never closed.
        .pool_timer(TokioTimer::new())
        .timer(TokioTimer::new())
        .pool_idle_timeout(IDLE)
        .build(connector)
}

/// One configured upstream.
pub(crate) struct Upstream {
    pub(crate) name: String,
    pub(crate) adapter: Arc<dyn Adapter>,
    authority: Authority,
    /// What stands before every path; empty, or with a leading and without a trailing slash.
    base_path: String,
    credential: (HeaderName, HeaderValue),
    /// How long a call may take, and how long it may be silent where it is passed on as it arrives.
    pub(crate) timeout: Duration,
    client: HttpClient,
}

impl Upstream {
    /// # Errors
    ///
    /// The credential, in the way in which the dialect has it, cannot stand in a header.
    pub(crate) fn new(
        name: &str,
        config: &config::Upstream,
        adapter: Arc<dyn Adapter>,
        client: HttpClient,
    ) -> Result<Self, InvalidHeaderValue> {
        // A dialect without credentials gets the most usual one.
        let usual = CredentialStyle { header: "authorization", scheme: Some("Bearer") };
        let style = adapter.dialect().credentials.first().copied().unwrap_or(usual);
        let secret = config.credential.expose();
        let text = style.scheme.map_or_else(|| secret.to_owned(), |scheme| format!("{scheme} {secret}"));
        let mut value = HeaderValue::try_from(text)?;
        value.set_sensitive(true);
        Ok(Self {
            name: name.to_owned(),
            authority: config.base_url.authority().clone(),
            base_path: config.base_url.prefix().to_owned(),
            credential: (HeaderName::from_static(style.header), value),
            timeout: config.timeout,
            adapter,
            client,
        })
    }

    /// Which server it is: two upstreams of one server have the same users.
    pub(crate) fn server(&self) -> String {
        format!("{}{}", self.authority, self.base_path)
    }

    /// Sends a call of a plan.
    ///
    /// # Errors
    ///
    /// There is no answer; the effect tells whether the call can have arrived.
    pub(crate) async fn call(&self, call: &Call, context: &Context, deadline: Instant) -> Result<Reply> {
        let media_type = HeaderValue::from_static(self.adapter.dialect().media_type);
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, media_type.clone());
        headers.insert(USER_AGENT, HeaderValue::from_static(concat!("interlingua/", env!("CARGO_PKG_VERSION"))));
        if !call.body.is_empty() {
            headers.insert(CONTENT_TYPE, media_type);
        }
        self.send(call.method.clone(), &call.target, headers, call.body.clone(), context, deadline).await
    }

    /// Sends a request and reads the whole answer. The credential, the request's id and its trace are set here.
    ///
    /// # Errors
    ///
    /// There is no answer; the effect tells whether the request can have arrived.
    pub(crate) async fn send(
        &self,
        method: Method,
        target: &str,
        headers: HeaderMap,
        body: Bytes,
        context: &Context,
        deadline: Instant,
    ) -> Result<Reply> {
        let request = self.request(method, target, headers, Body::Left(Full::new(body)), context)?;
        self.within(deadline, self.exchange(request)).await
    }

    /// Sends a request whose body is still arriving, and gives the answer as soon as its head is there. What else is set
    /// here is as in [`send`](Self::send), but how long that takes is the caller's affair.
    ///
    /// # Errors
    ///
    /// There is no answer; the effect tells whether the request can have arrived.
    pub(crate) async fn open(
        &self,
        method: Method,
        target: &str,
        headers: HeaderMap,
        body: Upload,
        context: &Context,
    ) -> Result<Response<Incoming>> {
        self.head(self.request(method, target, headers, Body::Right(body), context)?).await
    }

    fn request(
        &self,
        method: Method,
        target: &str,
        mut headers: HeaderMap,
        body: Body,
        context: &Context,
    ) -> Result<Request<Body>> {
        headers.insert(self.credential.0.clone(), self.credential.1.clone());
        context.pass_on(&mut headers);
        let mut request = Request::new(body);
        *request.method_mut() = method;
        *request.uri_mut() = self.uri(target)?;
        *request.headers_mut() = headers;
        Ok(request)
    }

    async fn head(&self, request: Request<Body>) -> Result<Response<Incoming>> {
        self.client.request(request).await.map_err(|error| {
            let cause = error.source().and_then(|cause| cause.downcast_ref::<hyper::Error>());
            if error.is_connect() {
                Error::new(ErrorKind::Unavailable, "the upstream cannot be reached")
            } else if cause.is_some_and(hyper::Error::is_user) {
                lost(ErrorKind::Malformed, "the body broke off")
            } else {
                lost(ErrorKind::Unavailable, "the connection to the upstream broke")
            }
        })
    }

    async fn exchange(&self, request: Request<Body>) -> Result<Reply> {
        let (parts, body) = self.head(request).await?.into_parts();
        if parts.status.is_informational() {
            return Err(lost(ErrorKind::BadReply, "the upstream changes to a protocol that nobody asked for"));
        }
        match Limited::new(body, REPLY_LIMIT).collect().await {
            Ok(body) => Ok(Reply { status: parts.status, headers: parts.headers, body: body.to_bytes() }),
            Err(error) if error.is::<LengthLimitError>() => {
                Err(lost(ErrorKind::BadReply, "the upstream's answer is too large"))
            }
            Err(_) => Err(lost(ErrorKind::Unavailable, "the upstream's answer broke off")),
        }
    }

    fn uri(&self, target: &str) -> Result<Uri> {
        let not_a_path = || Error::new(ErrorKind::Internal, "the call's path is not one of HTTP");
        let path = PathAndQuery::try_from(format!("{}{target}", self.base_path)).map_err(|_| not_a_path())?;
        let mut parts = http::uri::Parts::default();
        parts.scheme = Some(Scheme::HTTP);
        parts.authority = Some(self.authority.clone());
        parts.path_and_query = Some(path);
        Uri::from_parts(parts).map_err(|_| not_a_path())
    }

    async fn within<T>(&self, deadline: Instant, future: impl Future<Output = Result<T>>) -> Result<T> {
        let now = Instant::now();
        if now >= deadline {
            return Err(Error::new(ErrorKind::Timeout, "the request took too long"));
        }
        let end = deadline.min(now + self.timeout);
        tokio::time::timeout_at(end, future)
            .await
            .unwrap_or_else(|_| Err(lost(ErrorKind::Timeout, "the upstream did not answer in time")))
    }
}

/// A failure after the first byte was sent.
pub(crate) fn lost(kind: ErrorKind, message: &'static str) -> Error {
    Error::new(kind, message).with_effect(Effect::Unknown)
}

impl fmt::Debug for Upstream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Upstream").field("name", &self.name).field("authority", &self.authority).finish_non_exhaustive()
    }
}
