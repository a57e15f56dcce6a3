//! One connection of HTTP/1.1, for one request at a time.
//!
//! hyper wants a connection to be driven, usually by a task of its own. Here whoever uses it drives it, in its own task:
//! a call wakes nobody, and one that is given up takes its connection along. Between two calls nobody drives it, and
//! what the upstream does then is looked at when it is used again (see `wire`).

use std::{
    future::{poll_fn, ready},
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Waker},
};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{Either, Full};
use hyper::{body::Incoming, client::conn::http1};
use hyper_util::rt::TokioIo;
use tokio::{net::TcpStream, task::unconstrained};

use super::{
    tls::{self, Failed, Stream},
    wire::Wire,
};
use crate::{config::ClientTls, relay::Upload};

/// The body of a request to an upstream: whole, or as it arrives from a client.
pub(crate) type Body = Either<Full<Bytes>, Upload>;

/// What of a connection is driven; gone when the connection has ended.
type Driver = Option<http1::Connection<TokioIo<Stream>, Body>>;

/// See the module.
#[derive(Debug)]
pub(crate) struct Connection {
    sender: http1::SendRequest<Body>,
    driver: Driver,
    pub(crate) wire: Arc<Wire>,
}

impl Connection {
    /// # Errors
    ///
    /// No TLS comes about; no request was sent.
    pub(crate) async fn new(stream: TcpStream, tls: Option<&ClientTls>) -> Result<Self, Failed> {
        let (wire, io) = Wire::new(stream);
        let stream = tls::stream(io, tls).await?;
        let (sender, driver) = http1::handshake(TokioIo::new(stream)).await.map_err(|_| Failed::default())?;
        Ok(Self { sender, driver: Some(driver), wire })
    }

    /// Sends a request and waits for the head of its answer.
    pub(crate) async fn send(&mut self, request: Request<Body>) -> hyper::Result<Response<Incoming>> {
        self.wire.begin();
        let answer = self.sender.send_request(request);
        driven(&mut self.driver, answer).await.inspect(|_| self.wire.is_answered())
    }

    /// Waits for something that comes over this connection.
    pub(crate) async fn while_driven<T>(&mut self, something: impl Future<Output = T>) -> T {
        driven(&mut self.driver, something).await
    }

    /// Waits until request and answer are through; whether another request can follow.
    pub(crate) async fn finish(&mut self) -> bool {
        driven(&mut self.driver, self.sender.ready()).await.is_ok()
    }

    /// Whether request and answer are through already, and another request can follow.
    pub(crate) async fn has_finished(&mut self) -> bool {
        driven(&mut self.driver, ready(())).await;
        self.driver.is_some() && self.sender.is_ready()
    }

    /// Whether another request can follow now, as far as anybody can know.
    pub(crate) fn is_usable(&self) -> bool {
        self.sender.is_ready() && self.wire.is_quiet()
    }
}

/// Waits for something that only the connection can bring, and drives it meanwhile.
///
/// As it is looked at whenever the connection was driven, it need wake nobody: that would only have this task run once
/// more for nothing. So it must not wait for its turn, either, of which it would not learn.
async fn driven<T>(driver: &mut Driver, something: impl Future<Output = T>) -> T {
    let mut something = pin!(unconstrained(something));
    poll_fn(|cx| {
        if driver.as_mut().is_some_and(|driver| Pin::new(driver).poll(cx).is_ready()) {
            // Whoever waits for it learns so.
            *driver = None;
        }
        something.as_mut().poll(&mut Context::from_waker(Waker::noop()))
    })
    .await
}
