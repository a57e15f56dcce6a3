//! Sends a request over a connection and gets its answer: whole, or as it arrives.

use std::{
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::Incoming;
use interlingua_core::{Access, Effect, Error, ErrorKind, Reply, Result};
use tokio::time::{Instant, timeout_at};
use tower::Service;

use super::{
    connection::{Body, Connection},
    crowd::Crowd,
    guard::{Arriving, Guard as _, Guarding, Outgoing, Terms, Whole},
    lost,
    pool::Pool,
};
use crate::{
    layers::BoxFuture,
    metrics::{Calls, Verb},
};

/// The most that is read of an upstream's answer.
const REPLY_LIMIT: usize = 8 << 20;

/// Sends a whole request and reads the whole answer.
#[derive(Clone, Debug)]
pub(crate) struct Exchange {
    pub(crate) pool: Arc<Pool>,
    /// How long the answer to a call that may be tried again may take to begin. One that may not has all of its time: to
    /// give it up early helps nobody.
    pub(crate) first_byte: Duration,
    pub(crate) calls: Arc<Calls>,
}

impl Service<Outgoing<Whole>> for Exchange {
    type Response = Reply;
    type Error = Error;
    type Future = BoxFuture<Reply, Error>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, outgoing: Outgoing<Whole>) -> Self::Future {
        let exchange = self.clone();
        Box::pin(async move {
            let (began, method) = (Instant::now(), Verb::of(outgoing.request.method()));
            let result = exchange.exchange(outgoing).await;
            exchange.calls.count(method, came(result.as_ref().map(|reply| reply.status)), began.elapsed());
            result
        })
    }
}

impl Exchange {
    async fn exchange(&self, outgoing: Outgoing<Whole>) -> Result<Reply> {
        if Instant::now() >= outgoing.terms.end {
            return Err(Error::new(ErrorKind::Timeout, "the request took too long"));
        }
        if let Some(connection) = self.pool.take() {
            match self.over(connection, &outgoing).await {
                // It was closed while it waited for us, which is nobody's failure.
                Err(error) if error.kind() == ErrorKind::Unavailable && was_harmless(&error, &outgoing.terms) => {}
                result => return result,
            }
        }
        let connection = self.pool.connect(outgoing.terms.end).await?;
        self.over(connection, &outgoing).await
    }

    async fn over(&self, mut connection: Connection, outgoing: &Outgoing<Whole>) -> Result<Reply> {
        let terms = &outgoing.terms;
        let request = Request::clone(&outgoing.request).map(|body| Body::Left(Full::new(body)));
        let begun = if terms.repeatable { terms.end.min(Instant::now() + self.first_byte) } else { terms.end };
        let response = match timeout_at(begun, connection.send(request)).await {
            Ok(Ok(response)) => response,
            Ok(Err(error)) => return Err(why(&connection, &error, terms).await),
            Err(_) if connection.wire.is_untouched() => return Err(late().with_effect(Effect::NothingSent)),
            Err(_) => return Err(late()),
        };
        let (parts, body) = response.into_parts();
        if parts.status.is_informational() {
            return Err(lost(ErrorKind::BadReply, "the upstream changes to a protocol that nobody asked for"));
        }
        let body = connection.while_driven(Limited::new(body, REPLY_LIMIT).collect());
        let body = match timeout_at(terms.end, body).await {
            Ok(Ok(body)) => body.to_bytes(),
            Ok(Err(error)) if error.is::<LengthLimitError>() => {
                return Err(lost(ErrorKind::BadReply, "the upstream's answer is too large"));
            }
            Ok(Err(_)) => return Err(lost(ErrorKind::Unavailable, "the upstream's answer broke off")),
            Err(_) => return Err(late()),
        };
        if connection.has_finished().await {
            self.pool.put(connection);
        }
        Ok(Reply { headers: parts.headers, ..Reply::new(parts.status, body) })
    }
}

/// Sends a request whose body is still arriving, and gives the answer when its head is there.
#[derive(Clone, Debug)]
pub(crate) struct Open {
    pub(crate) pool: Arc<Pool>,
    pub(crate) crowd: Arc<Guarding<Crowd>>,
    pub(crate) calls: Arc<Calls>,
}

impl Service<Outgoing<Arriving>> for Open {
    type Response = Response<Incoming>;
    type Error = Error;
    type Future = BoxFuture<Response<Incoming>, Error>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, outgoing: Outgoing<Arriving>) -> Self::Future {
        let open = self.clone();
        Box::pin(async move {
            let (began, method) = (Instant::now(), Verb::of(outgoing.request.method()));
            let result = open.open(outgoing).await;
            open.calls.count(method, came(result.as_ref().map(Response::status)), began.elapsed());
            result
        })
    }
}

impl Open {
    async fn open(&self, outgoing: Outgoing<Arriving>) -> Result<Response<Incoming>> {
        // Its place is taken until the last byte of the answer is through, and so this is no layer.
        let place = self.crowd.admit(&outgoing.terms)?;
        let Outgoing { request, terms } = outgoing;
        let request: Request<Body> = request.map(Body::Right);
        let mut connection = match self.pool.take() {
            Some(connection) => connection,
            None => self.pool.connect(terms.end).await?,
        };
        let response = match connection.send(request).await {
            Ok(response) => response,
            Err(error) if error.is_user() => return Err(lost(ErrorKind::Malformed, "the body broke off")),
            Err(error) => return Err(why(&connection, &error, &terms).await),
        };
        let pool = Arc::clone(&self.pool);
        if connection.has_finished().await {
            pool.put(connection);
        } else {
            tokio::spawn(async move {
                if connection.finish().await {
                    pool.put(connection);
                }
                drop(place);
            });
        }
        Ok(response)
    }
}

/// What came of a call, as it is counted.
fn came(result: Result<StatusCode, &Error>) -> Result<StatusCode, ErrorKind> {
    result.map_err(Error::kind)
}

/// Why there is no answer.
async fn why(connection: &Connection, error: &hyper::Error, terms: &Terms) -> Error {
    if error.is_parse() {
        return lost(ErrorKind::BadReply, "the upstream's answer is not HTTP");
    }
    let wire = &connection.wire;
    if wire.is_flooded() {
        return lost(ErrorKind::BadReply, "the upstream says too much before it answers");
    }
    // A proof takes time, and a read needs none.
    let not_received = match terms.access {
        Access::Read => wire.is_untouched(),
        Access::Write => wire.was_not_received().await,
    };
    if not_received {
        Error::new(ErrorKind::Unavailable, "the upstream closed the connection before the request was there")
    } else {
        lost(ErrorKind::Unavailable, "the connection to the upstream broke")
    }
}

/// Whether nothing can have come of the request. A write that can be repeated is not meant: that it may have been received
/// must not be forgotten when it is not received the next time (see `again`).
fn was_harmless(error: &Error, terms: &Terms) -> bool {
    error.effect() == Effect::NothingSent || terms.access == Access::Read
}

fn late() -> Error {
    lost(ErrorKind::Timeout, "the upstream did not answer in time")
}
