//! The tower stack of a listener.

use std::{convert::Infallible, sync::Arc, time::Duration};

use http::{Request, Response};
use hyper::body::Incoming;
use tokio::sync::Semaphore;
use tower::{Service, ServiceBuilder};

use crate::{
    answer::AnswerRequests,
    body::Body,
    config::Limits,
    layers::{AnswerErrors, Authenticate, CatchPanics, FallBack, LimitInFlight, ReadBodies, ServeFiles, TraceRequests},
    route::Routes,
};

/// A plan ends by itself at the deadline, and then knows what it has done; this much later everything else ends, too.
const GRACE: Duration = Duration::from_secs(1);

/// What a request goes through, outermost first.
pub(crate) fn stack(
    routes: Routes,
    limits: &Limits,
    in_flight: Arc<Semaphore>,
) -> impl Service<Request<Incoming>, Response = Response<Body>, Error = Infallible, Future: Send> + Clone + Send + 'static
{
    ServiceBuilder::new()
        .layer(TraceRequests::new(routes)) // outermost: refusals are told, too
        .layer(AnswerErrors) // errors below, answers above
        .layer(CatchPanics)
        .layer(LimitInFlight::new(in_flight)) // refuse rather than queue; one limit for all listeners
        .layer(ServeFiles) // nobody needs a key for them
        .layer(Authenticate) // before a byte of the body is read
        .layer(FallBack) // above the clock and the reading: what is not the dialect's own passes as it comes
        .timeout(limits.deadline + GRACE) // inside the limit: the clock starts with the work
        .layer(ReadBodies)
        .service(AnswerRequests)
}
