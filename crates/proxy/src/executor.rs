//! Carrying out a plan: one call after the other, and when one fails, telling what was done.

use interlingua_core::{
    Access, Adapter, Call, Command, Effect, Error, ErrorKind, Note, Outcome, Part, PartState, Reply, Result, Step,
};

/// What sends the calls of a plan.
pub(crate) trait Transport: Sync {
    /// Sends one call.
    ///
    /// # Errors
    ///
    /// No answer; the effect tells whether the call can have arrived.
    fn send(&self, call: &Call) -> impl Future<Output = Result<Reply>> + Send;
}

/// More calls than any plan needs: one that asks for more goes in circles.
const MOST_CALLS: usize = 64;

/// What came of a plan.
#[derive(Debug)]
pub(crate) struct Executed {
    pub(crate) outcome: Outcome,
    /// What was not carried, there or back.
    pub(crate) notes: Vec<Note>,
    /// How many calls it took.
    pub(crate) calls: usize,
}

/// Carries out `command`. Before the first write, `judge` may refuse to go on because of what would be lost.
///
/// # Errors
///
/// The plan's, the transport's or the judge's. When a write had been applied before, it is
/// [`ErrorKind::Partial`] and tells what became of each write.
pub(crate) async fn execute(
    adapter: &dyn Adapter,
    command: &Command,
    transport: &impl Transport,
    judge: impl Fn(&[Note]) -> Result<()>,
) -> Result<Executed> {
    let mut replies = Vec::new();
    let mut progress = Progress::default();
    loop {
        let step = adapter.plan(command, &replies).map_err(|error| progress.failed(error))?;
        let mut calls = match step {
            Step::Done { outcome, notes } => return Ok(Executed { outcome, notes, calls: replies.len() }),
            Step::Send { calls, notes } => {
                if !progress.wrote() {
                    judge(&notes)?;
                }
                calls
            }
        };
        if calls.is_empty() || replies.len() == MOST_CALLS {
            return Err(progress.failed(Error::new(ErrorKind::Internal, "the adapter's plan does not end")));
        }
        let call = calls.remove(0);
        progress.sending(&call, calls);
        let reply = transport.send(&call).await.map_err(|error| progress.failed(error))?;
        replies.push(reply);
    }
}

/// How far a plan has come.
#[derive(Default)]
struct Progress {
    /// The writes that the upstream has accepted.
    applied: Vec<Call>,
    /// The call that was sent last; whether it was accepted shows when the plan goes on.
    last: Option<Call>,
    /// The calls that are to follow.
    remaining: Vec<Call>,
}

impl Progress {
    fn wrote(&self) -> bool {
        self.last.iter().chain(&self.applied).any(|call| call.access == Access::Write)
    }

    fn sending(&mut self, call: &Call, remaining: Vec<Call>) {
        self.applied.extend(self.last.replace(call.clone()).filter(|call| call.access == Access::Write));
        self.remaining = remaining;
    }

    /// What the failure of the last call means for the whole.
    fn failed(&mut self, error: Error) -> Error {
        let last_write = self.last.take().filter(|call| call.access == Access::Write);
        let error = match (&last_write, error.effect(), error.kind()) {
            // A read changes nothing, whatever became of it.
            (None, Effect::Unknown, _) => error.with_effect(Effect::Refused),
            // The write was answered, and nobody understands the answer.
            (Some(_), Effect::NothingSent, ErrorKind::BadReply) => error.with_effect(Effect::Unknown),
            _ => error,
        };
        if self.applied.is_empty() {
            return error;
        }
        let part = |state| move |call: Call| Part { fields: call.fields, state };
        let last_state = match error.effect() {
            Effect::NothingSent => PartState::NotSent,
            Effect::Refused => PartState::Refused,
            Effect::Unknown => PartState::Unknown,
        };
        let remaining = std::mem::take(&mut self.remaining).into_iter().filter(|call| call.access == Access::Write);
        let parts = std::mem::take(&mut self.applied).into_iter().map(part(PartState::Applied));
        let parts = parts.chain(last_write.into_iter().map(part(last_state)));
        Error::partial(parts.chain(remaining.map(part(PartState::NotSent))).collect(), error)
    }
}
