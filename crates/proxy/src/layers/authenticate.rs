//! Lets only known clients through, as often as they may call and for what they may do, before a byte of their body is
//! read; and those who want to become known.

use std::{
    mem,
    sync::Arc,
    task::{Context as TaskContext, Poll},
};

use http::{Request, Response};
use interlingua_core::{Error, ErrorKind, SessionAct};
use tower::{Layer, Service};

use super::{Answering, BoxError};
use crate::{
    auth::{Caller, Client},
    body::Body,
    connections::Connection,
    route::Route,
    sessions::{self, Asked},
    trace::Context,
};

/// See the module.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Authenticate;

impl<S> Layer<S> for Authenticate {
    type Service = Authenticated<S>;

    fn layer(&self, inner: S) -> Authenticated<S> {
        Authenticated { inner }
    }
}

/// The service of [`Authenticate`].
#[derive(Clone, Debug)]
pub(crate) struct Authenticated<S> {
    inner: S,
}

impl<S, B> Service<Request<B>> for Authenticated<S>
where
    S: Service<Request<B>, Response = Response<Body>, Error = BoxError, Future = Answering> + Clone + Send + 'static,
    B: Send + 'static,
{
    type Response = Response<Body>;
    type Error = BoxError;
    type Future = Answering;

    fn poll_ready(&mut self, cx: &mut TaskContext<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let failed = |error: Error| -> Self::Future { Box::pin(std::future::ready(Err(error.into()))) };
        match caller(&request) {
            Ok(Some(Caller { client, session: Some(session) })) => {
                // The one that was polled ready goes with the request.
                let clone = self.inner.clone();
                let mut inner = mem::replace(&mut self.inner, clone);
                Box::pin(async move {
                    sessions::still_lasts(&Arc::clone(Route::of(&request)?), &session).await?;
                    admit(&mut request, Some(Caller { client, session: Some(session) }))?;
                    inner.call(request).await
                })
            }
            Ok(caller) => match admit(&mut request, caller) {
                Ok(()) => self.inner.call(request),
                Err(error) => failed(error),
            },
            Err(error) => failed(error),
        }
    }
}

/// Who sends a request; `None` where anybody may.
fn caller<B>(request: &Request<B>) -> Result<Option<Caller>, Error> {
    let route = Route::of(request)?;
    let endpoint = route.session_endpoint(request.method(), request.uri().path());
    let is_for_anybody = endpoint.is_some_and(|endpoint| endpoint.act.is_for_anybody());
    match route.shared.clients.authenticate(request.headers(), route.face.dialect(), Connection::address_of(request)) {
        // A session that has ended is no obstacle to the next.
        Err(error) if is_for_anybody && error.kind() == ErrorKind::Unauthenticated => Ok(None),
        Ok(caller) if is_for_anybody && caller.client.has_logins() => Ok(None),
        caller => caller.map(Some),
    }
}

/// Makes sure that the request may be sent, and notes whose it is.
fn admit<B>(request: &mut Request<B>, caller: Option<Caller>) -> Result<(), Error> {
    let route = Arc::clone(Route::of(request)?);
    let (method, path) = (request.method(), request.uri().path());
    let endpoint = route.session_endpoint(method, path);
    let asked = match (caller, endpoint) {
        (Some(Caller { client, session }), endpoint) => {
            count_call(&client, request.extensions().get())?;
            let (face, upstream) = (route.face.dialect(), &*route.upstream.name);
            match endpoint.filter(|_| client.has_logins()) {
                Some(endpoint) => {
                    client.may_use(face, upstream)?;
                    Some(Asked::in_session(endpoint, session)?)
                }
                None => {
                    if client.has_logins() {
                        route.is_no_session_endpoint(path)?;
                    }
                    client.may(face, upstream, method, path)?;
                    None
                }
            }
        }
        (None, Some(endpoint)) => {
            if endpoint.act == SessionAct::LogIn {
                route.shared.clients.may_log_in(Connection::address_of(request))?;
            }
            Some(Asked::by_anybody(endpoint))
        }
        (None, None) => None,
    };
    if let Some(asked) = asked {
        request.extensions_mut().insert(asked);
    }
    Ok(())
}

/// Notes whose request it is, and takes one of those that the client may send.
///
/// # Errors
///
/// None is left.
pub(crate) fn count_call(client: &Client, context: Option<&Context>) -> Result<(), Error> {
    if let Some(context) = context {
        // Nobody else sets it.
        let _ = context.seen.client.set(Arc::clone(&client.name));
    }
    if let Some(allowance) = &client.allowance {
        let (told, taken) = allowance.take();
        if let Some(context) = context {
            // Nobody else sets it.
            let _ = context.seen.allowance.set(told);
        }
        taken?;
    }
    Ok(())
}
