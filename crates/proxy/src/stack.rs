//! The tower stack of a listener.

use std::time::Duration;

use tower::ServiceBuilder;

use crate::{
    answer::AnswerRequests,
    config::Limits,
    layers::{
        AnswerErrors, Authenticate, CatchPanics, CheckHeads, FallBack, LimitInFlight, ReadBodies, ServeFiles, ShedLoad,
        TraceRequests,
    },
    room::Room,
    route::Routes,
    server::Answers,
    settle::SETTLE,
};

/// A plan ends by itself at the deadline, and then says what it has done, which it may have to find out or undo; this much
/// later everything else ends, too.
const GRACE: Duration = SETTLE.saturating_add(Duration::from_secs(1));

/// What a request goes through, outermost first.
pub(crate) fn stack(routes: Routes, limits: &Limits, room: &Room) -> impl Answers + use<> {
    ServiceBuilder::new()
        .layer(TraceRequests::new(routes)) // outermost: refusals are told, too
        .layer(AnswerErrors) // errors below, answers above
        .layer(ShedLoad::new(room)) // as early as a refusal can be in the words of the face
        .layer(CatchPanics)
        .layer(CheckHeads::new(limits.head))
        .layer(ServeFiles) // nobody needs a key for them
        .layer(Authenticate) // before a byte of the body is read
        .layer(FallBack::new(&room.streams)) // above the reading: what is not the dialect's own passes as it comes
        .layer(ReadBodies::new(&room.bodies))
        .layer(LimitInFlight::new(room)) // refuse rather than queue, and let no slow body have a place
        .timeout(limits.deadline + GRACE) // inside the limit: the clock starts with the work
        .service(AnswerRequests)
}
