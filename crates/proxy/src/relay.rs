//! A request and its answer on their way through: their bodies pass piece by piece, trailers included, both at once
//! where they come at once, and neither is ever held as a whole.
//!
//! That may take as long as it needs, as long as something moves. Two silences end it: an upstream's, which may let
//! nothing move, in either direction, for as long as a call to it may take, be it before its answer or in the middle;
//! and a client's that takes nothing of its answer.

use std::{
    convert::Infallible,
    io,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use interlingua_core::{ErrorKind, Result};
use tokio::{
    sync::{mpsc, oneshot, watch},
    time::{Instant, sleep_until, timeout},
};

use crate::{layers::BoxError, upstream::lost};

/// What a request and its answer have in common while they are on their way. With it, both end.
#[derive(Debug)]
pub(crate) struct Exchange {
    pulse: Pulse,
    /// Closed when the request's body is through; when it is dropped before, the body breaks off.
    upload: oneshot::Sender<Infallible>,
}

impl Exchange {
    /// An exchange that ends when nothing moves for as long as `patience`, and the client's body for the upstream.
    pub(crate) fn new(body: Incoming, patience: Duration) -> (Self, Upload) {
        let (moved, _) = watch::channel(Instant::now());
        let pulse = Pulse { moved, patience };
        let (upload, exchange) = oneshot::channel();
        (Self { pulse: pulse.clone(), upload }, Upload { body, pulse, exchange })
    }

    /// Whether all of the request's body was passed on.
    pub(crate) fn is_uploaded(&self) -> bool {
        self.upload.is_closed()
    }

    /// Waits for the upstream to do something.
    ///
    /// # Errors
    ///
    /// It does not, and nothing else moves either.
    pub(crate) async fn wait<T>(&self, something: impl Future<Output = Result<T>>) -> Result<T> {
        tokio::select! {
            biased;
            result = something => result,
            () = self.pulse.silence() => Err(lost(ErrorKind::Timeout, "the upstream did not answer in time")),
        }
    }

    /// Carries an answer's body from the upstream to the client, to its end, or until the client wants no more.
    ///
    /// # Errors
    ///
    /// The body breaks off, as the client will see: the upstream broke it off or fell silent, or the client took nothing
    /// of it for as long as `patience`.
    pub(crate) async fn carry(&mut self, mut from: Incoming, to: Sender, patience: Duration) -> Result<()> {
        loop {
            let piece = tokio::select! {
                piece = self.wait(next(&mut from)) => piece?,
                () = to.closed() => break,
            };
            let ended = piece.is_none();
            match timeout(patience, to.send(piece)).await {
                Ok(Ok(())) if !ended => self.pulse.beat(),
                Ok(_) => break,
                Err(_) => return Err(lost(ErrorKind::Timeout, "the client did not take the answer in time")),
            }
        }
        drop(from);
        // An upstream may answer before it has read everything, and the client is still sending then.
        tokio::select! {
            () = self.upload.closed() => {}
            () = self.pulse.silence() => {}
        }
        Ok(())
    }
}

/// The next piece of an answer's body, `None` at its end.
async fn next(body: &mut Incoming) -> Result<Option<Frame<Bytes>>> {
    let piece = body.frame().await.transpose();
    piece.map_err(|_| lost(ErrorKind::Unavailable, "the upstream's answer broke off"))
}

/// When something moved last.
#[derive(Clone, Debug)]
struct Pulse {
    moved: watch::Sender<Instant>,
    patience: Duration,
}

impl Pulse {
    fn beat(&self) {
        self.moved.send_replace(Instant::now());
    }

    /// Returns when nothing has moved for too long.
    async fn silence(&self) {
        loop {
            let last = *self.moved.borrow();
            sleep_until(last + self.patience).await;
            if *self.moved.borrow() == last {
                return;
            }
        }
    }
}

/// The body of a client's request on its way to an upstream.
///
/// It is read when the upstream takes it and not before: a client that waits to be asked for it (`Expect:
/// 100-continue`) is asked when there is somebody to take it.
#[derive(Debug)]
pub(crate) struct Upload {
    body: Incoming,
    pulse: Pulse,
    exchange: oneshot::Receiver<Infallible>,
}

impl Body for Upload {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if Pin::new(&mut self.exchange).poll(cx).is_ready() {
            return Poll::Ready(Some(Err(broken_off().into())));
        }
        let piece = ready!(Pin::new(&mut self.body).poll_frame(cx));
        self.pulse.beat();
        Poll::Ready(piece.map(|piece| Ok(piece?)))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// The body of an answer on its way to a client, as [`Exchange::carry`] brings it.
///
/// Its end is said. Whatever else ends it, a panic of whoever carries it, too, is a body that has broken off, so that no
/// client takes half an answer for a whole one.
#[derive(Debug)]
pub(crate) struct Relayed(mpsc::Receiver<Option<Frame<Bytes>>>);

/// Where the pieces of an answer's body go; `None` is its end.
type Sender = mpsc::Sender<Option<Frame<Bytes>>>;

impl Relayed {
    /// A body, and where its pieces go; no more than one waits there.
    pub(crate) fn new() -> (Sender, Self) {
        let (to, from) = mpsc::channel(1);
        (to, Self(from))
    }
}

impl Body for Relayed {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        Poll::Ready(match ready!(self.0.poll_recv(cx)) {
            Some(Some(piece)) => Some(Ok(piece)),
            Some(None) => None,
            None => Some(Err(broken_off())),
        })
    }
}

fn broken_off() -> io::Error {
    io::ErrorKind::UnexpectedEof.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_an_end_that_is_said_is_one() {
        for said in [true, false] {
            let (to, mut body) = Relayed::new();
            to.send(Some(Frame::data(Bytes::from_static(b"half")))).await.unwrap();
            assert!(body.frame().await.unwrap().is_ok());
            if said {
                to.send(None).await.unwrap();
            }
            drop(to);
            assert_eq!(body.frame().await.is_none(), said);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_moves_is_not_silent() {
        let second = Duration::from_secs(1);
        let (moved, _) = watch::channel(Instant::now());
        let pulse = Pulse { moved, patience: second };
        let silence = pulse.silence();
        tokio::pin!(silence);
        for _ in 0..100 {
            assert!(timeout(second / 2, &mut silence).await.is_err());
            pulse.beat();
        }
        let last = Instant::now();
        silence.await;
        assert_eq!(last.elapsed(), second);
    }
}
