//! A panic ends one request, and not the connection with all the others on it.

use std::{
    panic::AssertUnwindSafe,
    task::{Context as TaskContext, Poll},
};

use futures_util::FutureExt;
use http::Request;
use interlingua_core::{Effect, Error, ErrorKind};
use tower::{Layer, Service};

use super::{BoxError, BoxFuture};

/// See the module.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CatchPanics;

impl<S> Layer<S> for CatchPanics {
    type Service = PanicsCaught<S>;

    fn layer(&self, inner: S) -> PanicsCaught<S> {
        PanicsCaught { inner }
    }
}

/// The service of [`CatchPanics`].
#[derive(Clone, Debug)]
pub(crate) struct PanicsCaught<S> {
    inner: S,
}

impl<S, B> Service<Request<B>> for PanicsCaught<S>
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
        let answer = AssertUnwindSafe(self.inner.call(request)).catch_unwind();
        Box::pin(async move {
            answer.await.unwrap_or_else(|_| {
                Err(Error::new(ErrorKind::Internal, "the gateway failed").with_effect(Effect::Unknown).into())
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use tower::{ServiceExt, service_fn};

    use super::*;

    #[tokio::test]
    async fn a_panic_is_an_error() {
        let panics =
            service_fn(|_: Request<()>| async { if true { panic!("planted") } else { Ok::<(), BoxError>(()) } });
        let error = CatchPanics.layer(panics).oneshot(Request::new(())).await.unwrap_err();
        assert_eq!(error.downcast::<Error>().unwrap().kind(), ErrorKind::Internal);
    }
}
