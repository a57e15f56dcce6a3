//! Carrying out a plan: one call after the other, and when one fails, telling what was done.

use interlingua_core::{
    Access, Adapter, Call, Command, Document, Effect, Error, ErrorKind, Fault, Note, Outcome, Part, Reply, Result, Step,
};
use interlingua_links::State;
use tokio::time::Instant;

use crate::{
    config::OnPartial,
    ledger::{Care, Ledger},
    settle::{SETTLE, Settling, not_understood, show, state_after},
};

/// What sends the calls of a plan.
pub(crate) trait Transport: Sync {
    /// Sends one call.
    ///
    /// # Errors
    ///
    /// No answer; the effect tells whether the call can have arrived.
    fn send(&self, call: &Call, stage: Stage) -> impl Future<Output = Result<Reply>> + Send;
}

/// Where in a plan a call stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Nothing was written before it: to refuse it does no harm.
    First,
    /// Something was written before it: without it, that is half of something.
    Begun,
    /// The plan has failed, and something is done about it, until then; the request may have no time left.
    Settling(Instant),
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

/// An upstream that plans can be carried out at.
pub(crate) struct Executor<'a, T> {
    pub(crate) adapter: &'a dyn Adapter,
    pub(crate) transport: &'a T,
    /// How many calls a plan may take.
    pub(crate) most_calls: usize,
}

impl<T: Transport> Executor<'_, T> {
    /// Carries out a command that only reads.
    ///
    /// # Errors
    ///
    /// The plan's or the transport's.
    pub(crate) async fn read(&self, command: &Command) -> Result<Executed> {
        self.drive(command, |_| Ok(()), None).await
    }

    /// Carries out a command. Before the first write, or at the end where there is none, `judge` may refuse to go on
    /// because of what would be lost.
    ///
    /// # Errors
    ///
    /// The plan's, the transport's, the journal's or the judge's. When something of it was written, the error tells what
    /// became of each write.
    pub(crate) async fn carry_out(
        &self,
        command: &Command,
        judge: impl Fn(&[Note]) -> Result<()>,
        care: &Care<'_>,
    ) -> Result<Executed> {
        self.drive(command, judge, Some(care)).await
    }

    async fn drive(
        &self,
        command: &Command,
        judge: impl Fn(&[Note]) -> Result<()>,
        care: Option<&Care<'_>>,
    ) -> Result<Executed> {
        let mut replies = Vec::new();
        let mut ledger: Option<Ledger> = None;
        // The write that was answered last; whether it was accepted shows when the plan goes on.
        let mut last = None;
        loop {
            let step = match self.adapter.plan(command, &replies) {
                Ok(step) => step,
                Err(error) => {
                    let error = match replies.last() {
                        Some(reply) if last.is_some() => not_understood(error, reply),
                        _ => error,
                    };
                    return Err(self
                        .failed(command, ledger, Failure { write: last, error, answered: true }, care)
                        .await);
                }
            };
            if let (Some(ledger), Some(write)) = (&mut ledger, last.take()) {
                ledger.mark(write, State::Applied).await;
            }
            let mut calls = match step {
                Step::Done { outcome, notes } => {
                    let applied = match &mut ledger {
                        // Whoever has taken it over may be taking it back.
                        Some(ledger) if ledger.is_lost() => return Err(told(ledger, taken_over())),
                        Some(ledger) => {
                            ledger.close(None).await;
                            ledger.parts()
                        }
                        None => {
                            // A plan may find that with what is lost there is nothing left to write.
                            judge(&of_the_request(&notes))?;
                            Vec::new()
                        }
                    };
                    return Ok(Executed { outcome, notes, calls: replies.len(), applied });
                }
                Step::Send { calls, notes } => {
                    if ledger.is_none() {
                        judge(&notes)?;
                    }
                    calls
                }
            };
            // Before the first write all writes are known, so that none is left half way; later only reads can be added.
            if calls.is_empty() || replies.len() + calls.len() > self.most_calls {
                let failure = Failure { write: None, error: too_many_calls(), answered: true };
                return Err(self.failed(command, ledger, failure, care).await);
            }
            let stage = if ledger.is_some() { Stage::Begun } else { Stage::First };
            if ledger.is_none() && calls[0].access == Access::Write {
                ledger = Some(self.begin(command, &calls, &replies, care).await?);
            }
            let call = calls.remove(0);
            let noted = match &mut ledger {
                Some(ledger) if call.access == Access::Write => {
                    last = ledger.next();
                    match last {
                        Some(write) => ledger.sending(write).await,
                        None => {
                            Err(Error::new(ErrorKind::Internal, "the plan names a write that it did not name before"))
                        }
                    }
                }
                _ => Ok(()),
            };
            let sent = match noted {
                Ok(()) => self.transport.send(&call, stage).await,
                Err(error) => Err(error),
            };
            match sent {
                Ok(reply) => replies.push(reply),
                Err(error) => {
                    return Err(self
                        .failed(command, ledger, Failure { write: last, error, answered: false }, care)
                        .await);
                }
            }
        }
    }

    /// Before anything is written: what will be, and how it can be taken back.
    async fn begin(
        &self,
        command: &Command,
        calls: &[Call],
        replies: &[Reply],
        care: Option<&Care<'_>>,
    ) -> Result<Ledger> {
        let care = care.ok_or_else(|| Error::new(ErrorKind::Internal, "a plan that was to read would write"))?;
        let writes: Vec<_> = calls.iter().filter(|call| call.access == Access::Write).cloned().collect();
        let undo = match command.user() {
            Some(user) if care.prepares_undo && writes.len() > 1 => {
                let before = show(self.adapter, self.transport, Stage::First, user, replies).await;
                self.adapter.undo(&writes, &before.map_err(harmless)?)
            }
            _ => vec![None; writes.len()],
        };
        Ledger::open(care, command.user(), writes, undo).await
    }

    /// Settles a plan that failed, and tells what became of it.
    async fn failed(
        &self,
        command: &Command,
        ledger: Option<Ledger>,
        failure: Failure,
        care: Option<&Care<'_>>,
    ) -> Error {
        let Failure { write, error, answered } = failure;
        let error = if write.is_none() { harmless(error) } else { error };
        let Some(mut ledger) = ledger else { return error };
        if let Some(write) = write {
            ledger.mark(write, state_after(&error)).await;
        }
        let is_incomplete = ledger.writes().iter().any(|write| write.state != State::Applied);
        let on_partial = care.map_or(OnPartial::Report, |care| care.on_partial);
        if is_incomplete && !ledger.is_lost() {
            let settling = Settling {
                adapter: self.adapter,
                transport: self.transport,
                user: command.user(),
                until: Instant::now() + SETTLE,
                may_arrive: !answered,
            };
            settling.settle(&mut ledger, on_partial).await;
        }
        if is_incomplete && on_partial == OnPartial::Undo && ledger.can_be_undone() {
            ledger.leave().await;
        } else {
            ledger.close(Some(error.message())).await;
        }
        told(&ledger, error)
    }
}

/// How a plan failed.
struct Failure {
    /// The call that was sent last, where that was a write.
    write: Option<usize>,
    error: Error,
    /// Whether that call was answered, so that it is not on its way any more.
    answered: bool,
}

fn taken_over() -> Error {
    let message = "the gateway stood still, and another one has taken the request over";
    Error::new(ErrorKind::Unavailable, message).with_effect(Effect::Unknown).with_fault(Fault::Gateway)
}

/// The error of a plan that failed; with what became of each write, where anything was applied.
pub(crate) fn told(ledger: &Ledger, error: Error) -> Error {
    if ledger.is_lost() {
        return Error::partial(ledger.parts(), error.with_effect(Effect::Unknown));
    }
    if !ledger.has_applied() {
        return error;
    }
    let is_unknown = ledger.any(&[State::Sending, State::Unknown]);
    // What was unknown may have been found out since.
    let error =
        if is_unknown || error.effect() != Effect::Unknown { error } else { error.with_effect(Effect::Refused) };
    if is_unknown || ledger.any(&[State::Applied]) {
        Error::partial(ledger.parts(), error)
    } else {
        Error::undone(ledger.parts(), error)
    }
}

/// A failure of a call that only reads changes nothing, whatever became of the call.
fn harmless(error: Error) -> Error {
    if error.effect() == Effect::Unknown { error.with_effect(Effect::Refused) } else { error }
}

/// That a plan does not fit into the calls that a request may take.
pub(crate) fn too_many_calls() -> Error {
    Error::new(ErrorKind::Internal, "the plan needs more calls than a request may take (limits.calls)")
}

/// What is lost of the request; what is lost of an answer is no reason to refuse a request.
fn of_the_request(notes: &[Note]) -> Vec<Note> {
    notes.iter().filter(|note| note.place.document() == Document::Request).cloned().collect()
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, sync::Mutex};

    use interlingua_core::{
        Email, Field, Mapping, NOTIFY_EMAIL, PartState, Patch, UserId, UserPatch, http::StatusCode,
    };
    use interlingua_ecgrid::Ecgrid;
    use interlingua_links::{Links, Memory};

    use super::*;

    const USER: &str = r#"{"success": true, "data": {"userId": 1042}}"#;
    const TRUE: &str = r#"{"success": true, "data": true}"#;
    const DENIED: &str = r#"{"success": false, "errorCode": "AccessDenied", "message": "no", "data": null}"#;

    /// Answers with what it was given, and counts.
    struct Script(Mutex<Vec<Result<Reply>>>);

    impl Transport for Script {
        async fn send(&self, _: &Call, _: Stage) -> Result<Reply> {
            let mut script = self.0.lock().unwrap();
            // Whoever looks afterwards what became of it finds nobody.
            if script.is_empty() { timeout() } else { script.remove(0) }
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
        let journal = Memory::default().writes();
        let care = Care {
            journal: &journal,
            request: "r1",
            upstream: "ecgrid",
            operation: "update-user",
            client: "erp",
            held: None,
            key: None,
            on_partial: OnPartial::Report,
            prepares_undo: false,
            passes: false,
        };
        let adapter = adapter();
        let executor = Executor { adapter: &*adapter, transport: &script, most_calls: 64 };
        let result = runtime.block_on(executor.carry_out(command, judge, &care));
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
        let repeated = reply(429, "").map(|reply| Reply { repeated: true, ..reply });
        fails(second(repeated), ErrorKind::Partial, Effect::Unknown, &[Applied, Unknown]);
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
