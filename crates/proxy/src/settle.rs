//! What is done about writes of which not all were done: to look at what the upstream has, to take them back, or to send
//! the rest.

use std::time::Duration;

use interlingua_core::{Adapter, Call, Command, Effect, Error, ErrorKind, Reply, Result, Step, UserId};
use interlingua_links::State;
use tokio::time::Instant;

use crate::{
    config::OnPartial,
    executor::{Stage, Transport},
    ledger::Ledger,
};

/// How long it may take, beyond the time that the request had.
pub(crate) const SETTLE: Duration = Duration::from_secs(5);

/// More calls than it takes anywhere to show a user.
const MOST_LOOKS: usize = 8;

/// An upstream, and the user that the writes are about.
pub(crate) struct Settling<'a, T> {
    pub(crate) adapter: &'a dyn Adapter,
    pub(crate) transport: &'a T,
    pub(crate) user: Option<&'a UserId>,
    pub(crate) until: Instant,
    /// Whether a write of which nobody knows what it did may still be on its way.
    pub(crate) may_arrive: bool,
}

impl<T: Transport> Settling<'_, T> {
    /// Does about a plan that failed what is to be done about such.
    pub(crate) async fn settle(&self, ledger: &mut Ledger, on_partial: OnPartial) {
        self.look(ledger).await;
        let is_whole = ledger.writes().iter().all(|write| write.state == State::Applied);
        if on_partial == OnPartial::Undo && !is_whole {
            self.undo(ledger).await;
        }
    }

    /// Finds out, of writes of which nobody knows what they did, whether the user is as they make it. That a user is not
    /// tells something only if no such write can still be on its way.
    pub(crate) async fn look(&self, ledger: &mut Ledger) {
        if !ledger.any(&[State::Unknown]) {
            return;
        }
        let Some(user) = self.user else { return };
        let Ok(replies) = show(self.adapter, self.transport, self.stage(), user, &[]).await else { return };
        for index in 0..ledger.writes().len() {
            let write = &ledger.writes()[index];
            if write.state != State::Unknown {
                continue;
            }
            match self.adapter.shows(&write.call, &replies) {
                Some(true) => ledger.mark(index, State::Applied).await,
                Some(false) if !self.may_arrive => ledger.mark(index, State::NotSent).await,
                Some(false) | None => {}
            }
        }
    }

    /// Takes back what was applied, from the last to the first.
    ///
    /// What has no call that takes it back stays. Where such a call fails nothing more is taken back, nor is what came
    /// before a write that may still arrive: in between, the user would be what it never was.
    pub(crate) async fn undo(&self, ledger: &mut Ledger) {
        for index in (0..ledger.writes().len()).rev() {
            let write = &ledger.writes()[index];
            match write.state {
                State::Unknown | State::Sending if self.may_arrive => return,
                State::Applied | State::Unknown | State::Sending => {}
                State::NotSent | State::Refused | State::Undone => continue,
            }
            let (state, Some(undo)) = (write.state, write.undo.clone()) else { continue };
            // Whoever finds the entry after a crash must not take the write for applied.
            if ledger.sending(index).await.is_err() {
                return;
            }
            match self.send(&undo).await {
                Ok(()) => ledger.mark(index, State::Undone).await,
                Err(error) => {
                    let is_unclear = error.effect() == Effect::Unknown;
                    ledger.mark(index, if is_unclear { State::Unknown } else { state }).await;
                    return;
                }
            }
        }
    }

    /// Sends what was not sent, in order, and once more what can be repeated and of which nobody knows what it did.
    ///
    /// # Errors
    ///
    /// Why there is something left.
    pub(crate) async fn finish(&self, ledger: &mut Ledger) -> Result<()> {
        self.look(ledger).await;
        for index in 0..ledger.writes().len() {
            let write = &ledger.writes()[index];
            match write.state {
                State::Applied => continue,
                State::NotSent => {}
                State::Sending | State::Unknown if write.call.repeatable => {}
                State::Sending | State::Unknown => {
                    let message = "nobody knows whether a write arrived that must not be sent twice";
                    return Err(Error::new(ErrorKind::Unavailable, message).with_effect(Effect::Unknown));
                }
                State::Refused | State::Undone => {
                    return Err(Error::new(ErrorKind::Invalid, "the upstream refused").with_effect(Effect::Refused));
                }
            }
            let call = write.call.clone();
            ledger.sending(index).await?;
            match self.send(&call).await {
                Ok(()) => ledger.mark(index, State::Applied).await,
                Err(error) => {
                    ledger.mark(index, state_after(&error)).await;
                    return Err(error);
                }
            }
        }
        Ok(())
    }

    async fn send(&self, write: &Call) -> Result<()> {
        let reply = self.transport.send(write, self.stage()).await?;
        let accepted = self.adapter.accepted(write, &reply);
        accepted.map_err(|error| not_understood(error, &reply))
    }

    fn stage(&self) -> Stage {
        Stage::Settling(self.until)
    }
}

/// The replies that show the user as it is, where `known` are not such.
///
/// # Errors
///
/// The upstream does not show it.
pub(crate) async fn show(
    adapter: &dyn Adapter,
    transport: &impl Transport,
    stage: Stage,
    user: &UserId,
    known: &[Reply],
) -> Result<Vec<Reply>> {
    let command = Command::GetUser { user: user.clone() };
    if matches!(adapter.plan(&command, known), Ok(Step::Done { .. })) {
        return Ok(known.to_vec());
    }
    let mut replies = Vec::new();
    while let Step::Send { calls, .. } = adapter.plan(&command, &replies)? {
        let call = calls.first().filter(|_| replies.len() < MOST_LOOKS);
        let call = call.ok_or_else(|| Error::new(ErrorKind::Internal, "it takes too many calls to show a user"))?;
        replies.push(transport.send(call, stage).await?);
    }
    Ok(replies)
}

/// Why a write was not accepted by its reply. Where it is not a plain refusal, nobody understands the answer, and nobody
/// knows what the write did; nor where an earlier try may have been done.
pub(crate) fn not_understood(error: Error, reply: &Reply) -> Error {
    let is_unclear = reply.repeated || error.effect() == Effect::NothingSent;
    if is_unclear { error.with_effect(Effect::Unknown) } else { error }
}

/// What is known of a write that failed so.
pub(crate) fn state_after(error: &Error) -> State {
    match error.effect() {
        Effect::NothingSent => State::NotSent,
        Effect::Refused => State::Refused,
        Effect::Unknown => State::Unknown,
    }
}
