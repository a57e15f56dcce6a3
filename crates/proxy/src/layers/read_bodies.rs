//! Reads the body whole, within the limit and decompressed, so that what follows has it at hand.

use std::{
    mem,
    task::{Context as TaskContext, Poll},
};

use http::{Request, Response};
use hyper::body::Incoming;
use interlingua_core::{Error, ErrorKind};
use tokio::time::{Instant, timeout_at};
use tower::{Layer, Service};

use super::{Answering, BoxError};
use crate::{
    body::{self, Body, ReadBody},
    room::Memory,
    route::Route,
    sessions::{self, Asked},
    trace::Context,
};

/// See the module.
#[derive(Clone, Debug)]
pub(crate) struct ReadBodies {
    memory: Memory,
}

impl ReadBodies {
    /// All bodies together have so much room.
    pub(crate) fn new(memory: &Memory) -> Self {
        Self { memory: memory.clone() }
    }
}

impl<S> Layer<S> for ReadBodies {
    type Service = BodiesRead<S>;

    fn layer(&self, inner: S) -> BodiesRead<S> {
        BodiesRead { inner, memory: self.memory.clone() }
    }
}

/// The service of [`ReadBodies`].
#[derive(Clone, Debug)]
pub(crate) struct BodiesRead<S> {
    inner: S,
    memory: Memory,
}

impl<S> Service<Request<Incoming>> for BodiesRead<S>
where
    S: Service<Request<ReadBody>, Response = Response<Body>, Error = BoxError> + Clone + Send + 'static,
    S::Future: Send,
{
    type Response = Response<Body>;
    type Error = BoxError;
    type Future = Answering;

    fn poll_ready(&mut self, cx: &mut TaskContext<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Incoming>) -> Self::Future {
        // The one that was polled ready goes with the request.
        let clone = self.inner.clone();
        let mut inner = mem::replace(&mut self.inner, clone);
        let mut held = self.memory.hold();
        Box::pin(async move {
            let limits = Route::of(&request)?.shared.limits.clone();
            let started = request.extensions().get::<Context>().map_or_else(Instant::now, |context| context.started);
            let is_about_session = request.extensions().get::<Asked>().is_some();
            let most = if is_about_session { limits.body.min(sessions::LARGEST) } else { limits.body };
            let (parts, body) = request.into_parts();
            let patience = limits.patience.min(limits.deadline);
            let body = timeout_at(started + patience, body::read(&parts.headers, body, most, &mut held))
                .await
                .map_err(|_| Error::new(ErrorKind::TooSlow, "the body took too long to arrive"))??;
            let answer = inner.call(Request::from_parts(parts, body)).await;
            drop(held);
            answer
        })
    }
}
