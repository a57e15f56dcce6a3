//! The writes of one plan, and how far each of them came.
//!
//! It is known here while the plan is carried out, and written into the journal where somebody else may have to take it
//! up: where there are several writes, where one must not be sent twice, and where the client may repeat the request. A
//! lone write that can be repeated is not: whoever got no answer sends it again, and nothing of it can be half done.

use std::{sync::Arc, time::Duration};

use interlingua_core::{Access, Call, Field, Part, PartState, Result, Text, UserId};
use interlingua_links::{Ending, Entry, EntryId, Intent, State, StoreError, StoreErrorKind, Undo, Write, Writes};

use crate::{config::OnPartial, linking::store_error, locks::Held};

/// Whose plan it is, and what is done about it if it fails half way.
#[derive(Clone, Copy)]
pub(crate) struct Care<'a> {
    pub(crate) journal: &'a Arc<dyn Writes>,
    /// The id of the request.
    pub(crate) request: &'a str,
    /// The name of the upstream.
    pub(crate) upstream: &'a str,
    pub(crate) operation: &'a str,
    /// The name of the client.
    pub(crate) client: &'a str,
    /// The lock of the user.
    pub(crate) held: Option<&'a Held>,
    /// By which the client may repeat the request.
    pub(crate) key: Option<&'a str>,
    pub(crate) on_partial: OnPartial,
    /// Whether the calls that take writes back are to be known before the first is sent, for a crash or a failure.
    pub(crate) prepares_undo: bool,
    /// Whether the request passes: nobody else can send it, as its headers are not kept, so its body is not either.
    pub(crate) passes: bool,
}

/// See the module.
pub(crate) struct Ledger {
    entry: Option<(Arc<dyn Writes>, EntryId)>,
    writes: Vec<Tracked>,
    /// Whether anything was ever applied, whatever became of it.
    has_applied: bool,
    /// Whether somebody else has taken the entry over, and nothing may be sent any more.
    is_lost: bool,
}

/// One write.
pub(crate) struct Tracked {
    pub(crate) call: Call,
    /// The call that takes it back.
    pub(crate) undo: Option<Call>,
    pub(crate) state: State,
}

impl Ledger {
    /// Writes down what is about to be written, before any of it is sent.
    ///
    /// # Errors
    ///
    /// The journal does not take it, or the lock is somebody else's by now; nothing may be sent then.
    pub(crate) async fn open(
        care: &Care<'_>,
        user: Option<&UserId>,
        writes: Vec<Call>,
        undo: Vec<Option<Call>>,
    ) -> Result<Self> {
        let needs_journal = care.key.is_some() || writes.len() > 1 || writes.iter().any(|write| !write.repeatable);
        let mut undo = undo.into_iter();
        let tracked = |call| Tracked { call, undo: undo.next().flatten(), state: State::NotSent };
        let writes: Vec<_> = writes.into_iter().map(tracked).collect();
        let mut ledger = Self { entry: None, writes, has_applied: false, is_lost: false };
        if needs_journal {
            let fence = match care.held {
                Some(held) => held.fence().await?,
                None => None,
            };
            let intent = Intent {
                request: care.request.into(),
                upstream: care.upstream.into(),
                user: user.cloned(),
                fence: user.and(fence),
                operation: care.operation.into(),
                client: care.client.into(),
                writes: ledger.writes.iter().map(Tracked::written_down).collect(),
            };
            let intent = if care.passes { intent.bare() } else { intent };
            let opened = care.journal.open(&intent, care.key).await;
            ledger.entry = Some((Arc::clone(care.journal), opened.map_err(|error| store_error(&error))?));
        }
        Ok(ledger)
    }

    /// An entry that somebody left open, and that was taken over. `None` where its bodies are not at hand, without which
    /// nothing of it can be sent.
    pub(crate) fn taken_over(journal: &Arc<dyn Writes>, entry: Entry) -> Option<Self> {
        let writes = entry.intent.writes.into_iter().zip(entry.states);
        let writes: Vec<_> = writes.map(|(write, state)| Tracked::read(write, state)).collect::<Option<_>>()?;
        let has_applied = writes.iter().any(|write| matches!(write.state, State::Applied | State::Undone));
        Some(Self { entry: Some((Arc::clone(journal), entry.id)), writes, has_applied, is_lost: false })
    }

    pub(crate) fn writes(&self) -> &[Tracked] {
        &self.writes
    }

    /// The first write that was not sent yet.
    pub(crate) fn next(&self) -> Option<usize> {
        self.writes.iter().position(|write| write.state == State::NotSent)
    }

    pub(crate) fn has_applied(&self) -> bool {
        self.has_applied
    }

    pub(crate) fn is_lost(&self) -> bool {
        self.is_lost
    }

    pub(crate) fn any(&self, states: &[State]) -> bool {
        self.writes.iter().any(|write| states.contains(&write.state))
    }

    /// Marks a write as being sent from now on.
    ///
    /// # Errors
    ///
    /// It must not be sent: the journal does not take the mark, or the entry is somebody else's.
    pub(crate) async fn sending(&mut self, write: usize) -> Result<()> {
        if let Some((journal, entry)) = &self.entry {
            let marked = journal.mark(*entry, write, State::Sending).await;
            marked.map_err(|error| {
                self.is_lost = error.kind() == StoreErrorKind::Lost;
                store_error(&error)
            })?;
        }
        self.writes[write].state = State::Sending;
        Ok(())
    }

    /// Marks what became of a write. A journal that does not take it knows that it was being sent, and so that nobody
    /// knows more.
    pub(crate) async fn mark(&mut self, write: usize, state: State) {
        self.writes[write].state = state;
        self.has_applied |= state == State::Applied;
        if let Some((journal, entry)) = self.entry.as_ref().filter(|_| !self.is_lost) {
            let marked = journal.mark(*entry, write, state).await;
            self.told(marked);
        }
    }

    /// Closes the entry, with what came of it by the states of its writes. A journal that does not answer is asked until
    /// it does: what is left open would be taken for half done one day.
    pub(crate) async fn close(&mut self, note: Option<&str>) {
        let ending = self.ending();
        let Some((journal, entry)) = self.entry.clone().filter(|_| !self.is_lost) else { return };
        let note = note.map(|note| note.chars().take(LONGEST_NOTE).collect::<String>());
        let closed = journal.close(entry, ending, note.as_deref()).await;
        if closed.as_ref().is_err_and(StoreError::is_retryable) {
            tokio::spawn(async move {
                while let Err(error) = journal.close(entry, ending, note.as_deref()).await
                    && error.is_retryable()
                {
                    tokio::time::sleep(PAUSE).await;
                }
            });
        }
        self.told(closed);
    }

    /// Leaves the entry open, for whoever can do more about it: later, or with other means.
    pub(crate) async fn leave(&mut self) {
        if let Some((journal, entry)) = self.entry.as_ref().filter(|_| !self.is_lost) {
            let left = journal.release(*entry, None).await;
            self.told(left);
        }
    }

    fn told(&mut self, told: Result<(), StoreError>) {
        if let Err(error) = told {
            self.is_lost |= error.kind() == StoreErrorKind::Lost;
            tracing::error!(error.message = %error, "what became of a write could not be noted in the journal");
        }
    }

    /// Whether something is applied that could be taken back.
    pub(crate) fn can_be_undone(&self) -> bool {
        self.entry.is_some() && self.writes.iter().any(|write| write.state == State::Applied && write.undo.is_some())
    }

    pub(crate) fn ending(&self) -> Ending {
        if self.writes.iter().all(|write| write.state == State::Applied) {
            Ending::Done
        } else if self.any(&[State::Applied, State::Sending, State::Unknown]) {
            Ending::Partial
        } else {
            Ending::Refused
        }
    }

    /// What became of each write, for whoever asked for them.
    pub(crate) fn parts(&self) -> Vec<Part> {
        self.writes.iter().map(|write| Part { fields: write.call.fields.clone(), state: part(write.state) }).collect()
    }
}

/// How long a journal that does not answer is left alone.
const PAUSE: Duration = Duration::from_millis(500);

/// As long as every store keeps it.
const LONGEST_NOTE: usize = 200;

pub(crate) fn part(state: State) -> PartState {
    match state {
        State::NotSent => PartState::NotSent,
        State::Applied => PartState::Applied,
        State::Refused => PartState::Refused,
        State::Sending | State::Unknown => PartState::Unknown,
        State::Undone => PartState::Undone,
    }
}

impl Tracked {
    fn written_down(&self) -> Write {
        let Call { method, target, body, access: _, repeatable, fields } = self.call.clone();
        let fields = fields.iter().map(|field| Text::from(field.name())).collect();
        let undo = self.undo.clone();
        let undo = undo.map(|undo| Undo { method: undo.method, target: undo.target, body: Some(undo.body) });
        Write { method, target, body: Some(body), fields, repeatable, undo }
    }

    fn read(write: Write, state: State) -> Option<Self> {
        let Write { method, target, body, fields, repeatable, undo } = write;
        let fields = fields.iter().filter_map(|name| Field::from_name(name)).collect();
        let call = Call { method, target, body: body?, access: Access::Write, repeatable, fields };
        let undo = match undo {
            Some(undo) => Some(Call::write(undo.method, undo.target, undo.body?, Vec::new()).repeatable()),
            None => None,
        };
        // Whoever was sending it is gone.
        let state = if state == State::Sending { State::Unknown } else { state };
        Some(Self { call, undo, state })
    }
}
