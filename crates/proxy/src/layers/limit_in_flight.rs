//! Lets so many requests be worked on at once, on all listeners together, and refuses one more rather than queue it.

use std::{
    sync::Arc,
    task::{Context as TaskContext, Poll},
};

use http::Request;
use interlingua_core::Error;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tower::{Layer, Service};

use super::{BoxError, BoxFuture};
use crate::{
    connections::{Connection, Working},
    room::Room,
    translate::overloaded,
};

/// See the module.
#[derive(Clone, Debug)]
pub(crate) struct LimitInFlight {
    room: Room,
}

impl LimitInFlight {
    pub(crate) fn new(room: &Room) -> Self {
        Self { room: room.clone() }
    }
}

/// A request's place among those in flight; its connection works, and does not wait for its client.
#[derive(Debug)]
pub(crate) struct InFlight {
    _permit: OwnedSemaphorePermit,
    _working: Option<Working>,
}

impl InFlight {
    /// Takes one of `places` for a request.
    ///
    /// # Errors
    ///
    /// None is left.
    pub(crate) fn enter<B>(places: &Arc<Semaphore>, request: &Request<B>) -> Result<Self, Error> {
        let permit = Arc::clone(places).try_acquire_owned();
        let permit = permit.map_err(|_| overloaded("too many requests at once"))?;
        let working = request.extensions().get::<Arc<Connection>>().map(Connection::works);
        Ok(Self { _permit: permit, _working: working })
    }
}

impl<S> Layer<S> for LimitInFlight {
    type Service = InFlightLimited<S>;

    fn layer(&self, inner: S) -> InFlightLimited<S> {
        InFlightLimited { inner, room: self.room.clone() }
    }
}

/// The service of [`LimitInFlight`].
#[derive(Clone, Debug)]
pub(crate) struct InFlightLimited<S> {
    inner: S,
    room: Room,
}

impl<S, B> Service<Request<B>> for InFlightLimited<S>
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
        let place = match InFlight::enter(&self.room.requests, &request) {
            Ok(place) => place,
            Err(error) => return Box::pin(async { Err(error.into()) }),
        };
        let answer = self.inner.call(request);
        let room = self.room.clone();
        Box::pin(async move {
            let answer = answer.await;
            drop(place);
            room.one_is_done();
            answer
        })
    }
}

#[cfg(test)]
mod tests {
    use interlingua_core::ErrorKind;
    use tower::{ServiceExt, service_fn};

    use super::*;

    #[tokio::test]
    async fn a_place_is_taken_until_the_answer() {
        let (answer, answered) = tokio::sync::watch::channel(false);
        let waits = service_fn(move |_: Request<()>| {
            let mut answered = answered.clone();
            async move { answered.wait_for(|answered| *answered).await.map(drop).map_err(BoxError::from) }
        });
        let limited = LimitInFlight::new(&Room::of(1)).layer(waits);
        let ask = || limited.clone().oneshot(Request::new(()));
        let first = tokio::spawn(ask());
        tokio::task::yield_now().await;
        let error = ask().await.unwrap_err();
        assert_eq!(error.downcast::<Error>().unwrap().kind(), ErrorKind::Overloaded);
        answer.send(true).unwrap();
        first.await.unwrap().unwrap();
        ask().await.unwrap();
    }
}
