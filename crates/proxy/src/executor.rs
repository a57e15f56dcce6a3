//! Carrying out a plan: one call after the other, and when one fails, telling what was done.

use interlingua_core::{
    Access, Adapter, Call, Command, Document, Effect, Error, ErrorKind, Note, Outcome, Part, PartState, Reply, Result,
    Step,
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

/// What came of a plan.
#[derive(Debug)]
pub(crate) struct Executed {
    pub(crate) outcome: Outcome,
    /// What was not carried, there or back.
    pub(crate) notes: Vec<Note>,
    /// How many calls it took.
    pub(crate) calls: usize,
    /// The writes among them.
    pub(crate) applied: Vec<Part>,
}

/// Carries out `command` in at most `most_calls`. Before the first write, or at the end where there is none, `judge` may
/// refuse to go on because of what would be lost.
///
/// # Errors
///
/// The plan's, the transport's or the judge's. When a write had been applied before, it is
/// [`ErrorKind::Partial`] and tells what became of each write.
pub(crate) async fn execute(
    adapter: &dyn Adapter,
    command: &Command,
    transport: &impl Transport,
    most_calls: usize,
    judge: impl Fn(&[Note]) -> Result<()>,
) -> Result<Executed> {
    let mut replies = Vec::new();
    let mut progress = Progress::default();
    loop {
        let step = adapter.plan(command, &replies).map_err(|error| progress.refused(error))?;
        let mut calls = match step {
            Step::Done { outcome, notes } => {
                if !progress.wrote() {
                    // A plan may find that with what is lost there is nothing left to write.
                    judge(&of_the_request(&notes))?;
                }
                return Ok(Executed { outcome, notes, calls: replies.len(), applied: progress.accepted() });
            }
            Step::Send { calls, notes } => {
                if !progress.wrote() {
                    judge(&notes)?;
                }
                calls
            }
        };
        // Before the first write all writes are known, so that none is left half way; later only reads can be added.
        if calls.is_empty() || replies.len() + calls.len() > most_calls {
            let error = too_many_calls();
            let applied = progress.accepted();
            return Err(if applied.is_empty() { error } else { Error::partial(applied, error) });
        }
        let call = calls.remove(0);
        progress.sending(&call, calls);
        let reply = transport.send(&call).await.map_err(|error| progress.unanswered(error))?;
        replies.push(reply);
    }
}

/// That a plan does not fit into the calls that a request may take.
pub(crate) fn too_many_calls() -> Error {
    Error::new(ErrorKind::Internal, "the plan needs more calls than a request may take (limits.calls)")
}

/// What is lost of the request; what is lost of an answer is no reason to refuse a request.
fn of_the_request(notes: &[Note]) -> Vec<Note> {
    notes.iter().filter(|note| note.place.document() == Document::Request).cloned().collect()
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

    /// The plan has ended: what was sent last was accepted, too.
    fn accepted(&mut self) -> Vec<Part> {
        let writes = std::mem::take(&mut self.applied).into_iter().chain(self.last.take());
        let writes = writes.filter(|call| call.access == Access::Write);
        writes.map(|call| Part { fields: call.fields, state: PartState::Applied }).collect()
    }

    /// The last call was answered, and the plan does not go on.
    fn refused(&mut self, error: Error) -> Error {
        let wrote = self.last.as_ref().is_some_and(|call| call.access == Access::Write);
        // Where it is not a plain refusal, nobody understands the answer, and nobody knows what the write did.
        let unclear = wrote && error.effect() == Effect::NothingSent;
        self.unanswered(if unclear { error.with_effect(Effect::Unknown) } else { error })
    }

    /// The last call got no answer; the error's effect tells whether it can have arrived.
    fn unanswered(&mut self, error: Error) -> Error {
        let last_write = self.last.take().filter(|call| call.access == Access::Write);
        // A read changes nothing, whatever became of it.
        let harmless = last_write.is_none() && error.effect() == Effect::Unknown;
        let error = if harmless { error.with_effect(Effect::Refused) } else { error };
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

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, sync::Mutex};

    use interlingua_core::{Email, Field, Mapping, NOTIFY_EMAIL, Patch, UserId, UserPatch, http::StatusCode};
    use interlingua_ecgrid::Ecgrid;

    use super::*;

    const USER: &str = r#"{"success": true, "data": {"userId": 1042}}"#;
    const TRUE: &str = r#"{"success": true, "data": true}"#;
    const DENIED: &str = r#"{"success": false, "errorCode": "AccessDenied", "message": "no", "data": null}"#;

    /// Answers with what it was given, and counts.
    struct Script(Mutex<Vec<Result<Reply>>>);

    impl Transport for Script {
        async fn send(&self, _: &Call) -> Result<Reply> {
            self.0.lock().unwrap().remove(0)
        }
    }

    fn reply(status: u16, body: &str) -> Result<Reply> {
        Ok(Reply::new(StatusCode::from_u16(status).unwrap(), body.to_owned()))
    }

    fn timeout() -> Result<Reply> {
        Err(Error::new(ErrorKind::Timeout, "no answer").with_effect(Effect::Unknown))
    }

    fn adapter() -> Box<dyn Adapter> {
        let preferences = [("emailNotification".into(), NOTIFY_EMAIL.into())].into();
        Ecgrid::new().configured(&Mapping { preferences, roles: BTreeMap::new() }).unwrap()
    }

    /// Two writes at ECGrid: the profile, and then the configuration.
    fn two_writes() -> Command {
        let patch = UserPatch {
            email: Patch::Set(Email::parse("a@example.com").unwrap()),
            preferences: [(NOTIFY_EMAIL.into(), Patch::Set(true.into()))].into(),
            ..UserPatch::default()
        };
        Command::UpdateUser { user: UserId::new("1042"), patch }
    }

    fn run(command: &Command, script: Vec<Result<Reply>>, goes_on: bool) -> (Result<Executed>, usize) {
        let script = Script(Mutex::new(script));
        let judge = |_: &[Note]| if goes_on { Ok(()) } else { Err(Error::unrepresentable(Vec::new())) };
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let result = runtime.block_on(execute(&*adapter(), command, &script, 64, judge));
        (result, script.0.into_inner().unwrap().len())
    }

    #[track_caller]
    fn fails(script: Vec<Result<Reply>>, kind: ErrorKind, effect: Effect, parts: &[PartState]) {
        let (result, unsent) = run(&two_writes(), script, true);
        let error = result.unwrap_err();
        assert_eq!((error.kind(), error.effect()), (kind, effect), "{error}");
        assert_eq!(error.parts().iter().map(|part| part.state).collect::<Vec<_>>(), parts);
        assert_eq!(unsent, 0, "every answer of the script was asked for");
    }

    #[test]
    fn a_plan_is_carried_out() {
        let (result, _) = run(&two_writes(), vec![reply(200, USER), reply(200, TRUE)], true);
        assert_eq!(result.unwrap().calls, 2);
    }

    #[test]
    fn what_fails_first_fails_whole() {
        fails(vec![reply(403, DENIED)], ErrorKind::Forbidden, Effect::Refused, &[]);
        fails(vec![reply(200, DENIED)], ErrorKind::Forbidden, Effect::Refused, &[]);
        fails(vec![reply(500, "")], ErrorKind::Unavailable, Effect::Unknown, &[]);
        fails(vec![reply(200, "<html>")], ErrorKind::BadReply, Effect::Unknown, &[]);
        fails(vec![timeout()], ErrorKind::Timeout, Effect::Unknown, &[]);
    }

    #[test]
    fn what_fails_later_tells_what_was_applied() {
        use PartState::{Applied, NotSent, Refused, Unknown};
        let second = |second| vec![reply(200, USER), second];
        fails(second(reply(403, DENIED)), ErrorKind::Partial, Effect::Refused, &[Applied, Refused]);
        fails(second(reply(500, "")), ErrorKind::Partial, Effect::Unknown, &[Applied, Unknown]);
        fails(second(timeout()), ErrorKind::Partial, Effect::Unknown, &[Applied, Unknown]);
        let unreachable = Err(Error::new(ErrorKind::Unavailable, "gone"));
        fails(second(unreachable), ErrorKind::Partial, Effect::NothingSent, &[Applied, NotSent]);
    }

    #[test]
    fn a_write_that_cannot_be_read_back_is_not_called_done() {
        let patch =
            UserPatch { preferences: [(NOTIFY_EMAIL.into(), Patch::Set(true.into()))].into(), ..UserPatch::default() };
        let command = Command::UpdateUser { user: UserId::new("1042"), patch };
        let (result, _) = run(&command, vec![reply(200, TRUE), timeout()], true);
        let error = result.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Partial);
        let fields = vec![Field::Preference(NOTIFY_EMAIL.into())];
        assert_eq!(error.parts(), [Part { fields, state: PartState::Applied }]);
    }

    #[test]
    fn nothing_is_sent_when_the_loss_is_refused() {
        let (result, unsent) = run(&two_writes(), vec![reply(200, USER)], false);
        assert_eq!(result.unwrap_err().kind(), ErrorKind::Unrepresentable);
        assert_eq!(unsent, 1);
    }
}
