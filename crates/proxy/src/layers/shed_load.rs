//! Refuses requests while all places are taken, or the processors do not keep up, before anything is spent on them.
//!
//! The place itself is taken later, by `LimitInFlight`, when the whole request is there. This layer makes a refusal cheap:
//! a gateway that is asked four times as much as it can do spends its time on answers and not on refusals.

use std::task::{Context as TaskContext, Poll};

use http::Request;
use tower::{Layer, Service};

use super::{BoxError, BoxFuture};
use crate::{room::Room, translate::overloaded};

/// See the module.
#[derive(Clone, Debug)]
pub(crate) struct ShedLoad {
    room: Room,
}

impl ShedLoad {
    pub(crate) fn new(room: &Room) -> Self {
        Self { room: room.clone() }
    }
}

impl<S> Layer<S> for ShedLoad {
    type Service = LoadShed<S>;

    fn layer(&self, inner: S) -> LoadShed<S> {
        LoadShed { inner, room: self.room.clone() }
    }
}

/// The service of [`ShedLoad`].
#[derive(Clone, Debug)]
pub(crate) struct LoadShed<S> {
    inner: S,
    room: Room,
}

impl<S, B> Service<Request<B>> for LoadShed<S>
where
    S: Service<Request<B>, Error = BoxError>,
    S::Future: Send + 'static,
{
    type Response = S::Response;
    type Error = BoxError;
    type Future = BoxFuture<S::Response, BoxError>;

    fn poll_ready(&mut self, cx: &mut TaskContext<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        if self.room.is_full() {
            return Box::pin(async { Err(overloaded("too many requests at once").into()) });
        }
        Box::pin(self.inner.call(request))
    }
}
