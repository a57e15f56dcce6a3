//! Gives what a dialect's documents refer to, such as JSON-LD contexts, to whoever asks: they are public, and what reads
//! the documents has no key.

use std::task::{Context as TaskContext, Poll};

use http::{HeaderValue, Method, Request, Response, header::CONTENT_TYPE};
use interlingua_core::File;
use tower::{Layer, Service};

use super::{Answering, BoxError};
use crate::{
    body::{self, Body},
    route::Route,
    trace::{Context, Success},
};

/// The operation of these requests, in logs.
const OPERATION: &str = "file";

/// See the module.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ServeFiles;

impl<S> Layer<S> for ServeFiles {
    type Service = FileServer<S>;

    fn layer(&self, inner: S) -> FileServer<S> {
        FileServer { inner }
    }
}

/// The service of [`ServeFiles`].
#[derive(Clone, Debug)]
pub(crate) struct FileServer<S> {
    inner: S,
}

impl<S, B> Service<Request<B>> for FileServer<S>
where
    S: Service<Request<B>, Response = Response<Body>, Error = BoxError, Future = Answering>,
{
    type Response = Response<Body>;
    type Error = BoxError;
    type Future = Answering;

    fn poll_ready(&mut self, cx: &mut TaskContext<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        match file(&request) {
            Some(file) => {
                let context = Context::on(&request);
                context.is_for(OPERATION);
                // Nobody else sets it.
                let _ = context.seen.success.set(Success { calls: 0, dropped: 0, narrowed: 0 });
                Box::pin(std::future::ready(Ok(answer(file))))
            }
            None => self.inner.call(request),
        }
    }
}

/// The file that a request asks for. Where nothing is translated and the vendor is at hand, its own files count.
fn file<B>(request: &Request<B>) -> Option<&File> {
    let route = Route::of(request).ok()?;
    let is_vendors = route.passes() && route.fallback.is_some();
    let asks = matches!(*request.method(), Method::GET | Method::HEAD) && !is_vendors;
    let files = route.face.dialect().files.iter();
    files.filter(|_| asks).find(|file| file.path == request.uri().path())
}

fn answer(file: &File) -> Response<Body> {
    let mut response = Response::new(body::whole(file.text));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(file.media_type));
    response
}
