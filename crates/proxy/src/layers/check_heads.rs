//! Refuses a head that is larger than need be, or whose path or host, or where its body ends, can be read in two ways.

use std::task::{Context as TaskContext, Poll};

use http::{
    Extensions, HeaderMap, Request, Response, Version,
    header::{HOST, TRANSFER_ENCODING},
};
use interlingua_core::{Error, ErrorKind, Result};
use tower::{Layer, Service};

use super::{Answering, BoxError};
use crate::{body::Body, framing::Contradictory, target};

/// The most header lines of a request. hyper itself refuses more of HTTP/1.1.
const MOST_LINES: usize = 100;

/// What a header line takes up beside its name and value (RFC 9113, section 6.5.2).
const LINE: usize = 32;

/// See the module.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CheckHeads {
    limit: usize,
}

impl CheckHeads {
    /// Lets pass heads of so many bytes.
    pub(crate) fn new(limit: usize) -> Self {
        Self { limit }
    }
}

impl<S> Layer<S> for CheckHeads {
    type Service = HeadsChecked<S>;

    fn layer(&self, inner: S) -> HeadsChecked<S> {
        HeadsChecked { inner, limit: self.limit }
    }
}

/// The service of [`CheckHeads`].
#[derive(Clone, Debug)]
pub(crate) struct HeadsChecked<S> {
    inner: S,
    limit: usize,
}

impl<S, B> Service<Request<B>> for HeadsChecked<S>
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
        let checked = target::normal(request.uri())
            .and_then(|_| check(request.headers(), self.limit))
            .and_then(|()| has_one_host(request.version(), request.headers()))
            .and_then(|()| has_one_end(request.extensions()))
            .and_then(|()| has_one_coding(request.headers()));
        match checked {
            Ok(()) => self.inner.call(request),
            Err(error) => Box::pin(std::future::ready(Err(error.into()))),
        }
    }
}

/// HTTP/1.1 names its host, and once (RFC 9112, section 3.2). It decides nothing here; it may before us.
fn has_one_host(version: Version, headers: &HeaderMap) -> Result<()> {
    match headers.get_all(HOST).iter().count() {
        1 => Ok(()),
        0 if version != Version::HTTP_11 => Ok(()),
        _ => Err(Error::new(ErrorKind::Malformed, "the request needs one Host, and no more")),
    }
}

fn has_one_end(extensions: &Extensions) -> Result<()> {
    match extensions.get::<Contradictory>() {
        None => Ok(()),
        Some(Contradictory) => Err(Error::new(
            ErrorKind::Malformed,
            "the request has a Content-Length beside a Transfer-Encoding; send one of them",
        )),
    }
}

/// hyper reads chunks whatever else is named before them, as if it were not there.
fn has_one_coding(headers: &HeaderMap) -> Result<()> {
    let mut codings = headers.get_all(TRANSFER_ENCODING).iter();
    match (codings.next(), codings.next()) {
        (None, _) => Ok(()),
        (Some(coding), None) if coding.as_bytes().eq_ignore_ascii_case(b"chunked") => Ok(()),
        _ => Err(Error::new(ErrorKind::Malformed, "a Transfer-Encoding may be chunked, and nothing else")),
    }
}

fn check(headers: &HeaderMap, limit: usize) -> Result<()> {
    let too_large = |message| Err(Error::new(ErrorKind::HeadTooLarge, message));
    if headers.len() > MOST_LINES {
        return too_large(format!("the request has more than {MOST_LINES} header lines"));
    }
    let size: usize = headers.iter().map(|(name, value)| name.as_str().len() + value.len() + LINE).sum();
    if size > limit {
        return too_large(format!("the headers are larger than {limit} bytes"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue};

    use super::*;

    #[test]
    fn headers_have_a_size_and_a_number() {
        let headers = |lines: usize| {
            let line = |number| {
                (HeaderName::try_from(format!("x-{number:03}")).unwrap(), HeaderValue::from_static("12345678"))
            };
            (0..lines).map(line).collect::<HeaderMap>()
        };
        let kind = |lines, limit| check(&headers(lines), limit).map_err(|error| error.kind());
        assert_eq!(kind(10, 450), Ok(()));
        assert_eq!(kind(10, 449), Err(ErrorKind::HeadTooLarge));
        assert_eq!(kind(MOST_LINES, usize::MAX), Ok(()));
        assert_eq!(kind(MOST_LINES + 1, usize::MAX), Err(ErrorKind::HeadTooLarge));
    }
}
