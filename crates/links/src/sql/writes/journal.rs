//! The journal in databases.

use std::{num::NonZeroU32, time::SystemTime};

use async_trait::async_trait;
use interlingua_core::{Bytes, UserId, http::Method};
use serde::{Deserialize, Serialize};

use super::{Argument, Database, Kept, Session, changed, failed, signed, time, unsigned, within};
use crate::{
    Ending, Entries, Entry, EntryFilter, EntryId, Intent, Journal, Shown, State, StoreError, Undo, Write,
    link::is_storable,
    writes::{Seal, check_note, hash},
};

const OPEN: &str = "
    INSERT INTO journal (owner, opened, request, upstream, user_id, fence, operation, client, writes, states, bodies)
    SELECT $1, now, $2, $3, $4, $5, $6, $7, $8, $9, $10 FROM clock
    RETURNING entry";
const MARK: &str = "
    UPDATE journal
    SET states = substr(states, 1, CAST($3 AS INTEGER)) || $4 || substr(states, CAST($3 AS INTEGER) + 2)
    WHERE entry = $1 AND owner = $2 AND closed IS NULL AND $3 < length(states)
    RETURNING entry";
const CLOSE: &str = "
    UPDATE journal SET closed = (SELECT now FROM clock), ending = $3, note = $4, bodies = NULL
    WHERE entry = $1 AND owner = $2 AND closed IS NULL
    RETURNING entry";
/// No owner has the number 0.
const RELEASE: &str = "
    UPDATE journal SET owner = 0, fence = COALESCE($3, fence) WHERE entry = $1 AND owner = $2 AND closed IS NULL
    RETURNING entry";
const RESOLVE: &str =
    "UPDATE journal SET ending = 'resolved', note = $2 WHERE entry = $1 AND ending = 'partial' RETURNING entry";
const ENTRY: &str = "SELECT * FROM journal WHERE entry = $1";
/// The parameters: behind which entry; 0 for all, 1 for those that are open, 2 for those that are abandoned, 3 for those
/// that are abandoned or partial; about which upstream; since when; how many.
const ENTRIES: &str = "
    SELECT entry, owner, opened, request, upstream, user_id, fence, operation, client, writes, states,
        NULL AS bodies, closed, ending, note
    FROM journal AS j
    WHERE entry > $1
        AND ($2 = 0 OR closed IS NULL OR ($2 = 3 AND ending = 'partial'))
        AND ($2 < 2
            OR closed IS NOT NULL
            OR NOT EXISTS (SELECT 1 FROM owners AS o, clock WHERE o.owner = j.owner AND o.until > now))
        AND ($3 IS NULL OR upstream = $3)
        AND opened >= $4
    ORDER BY entry LIMIT $5";
const OWNER: &str = "
    SELECT owner, EXISTS (SELECT 1 FROM owners AS o, clock WHERE o.owner = j.owner AND o.until > now)
    FROM journal AS j WHERE entry = $1 AND closed IS NULL";
const TAKE_OVER: &str = "
    UPDATE journal SET owner = $3 WHERE entry = $1 AND owner = $2 AND closed IS NULL
    RETURNING *";

/// A request that can be repeated belongs to whom its entry belongs.
const ENTER: &str = "
    UPDATE repeats SET entry = $3 WHERE id = $1 AND owner = $2 AND entry IS NULL AND status IS NULL
    RETURNING entry";
const TAKE_OVER_REPEAT: &str = "UPDATE repeats SET owner = $2 WHERE entry = $1 AND status IS NULL RETURNING entry";

const AN_ENTRY: &str = "an entry of the journal";

/// Behind the writes of any plan, but a number that the statements can count on from.
const FAR: i64 = 1 << 30;

#[derive(sqlx::FromRow)]
struct EntryRow {
    entry: i64,
    opened: i64,
    request: String,
    upstream: String,
    user_id: Option<String>,
    fence: Option<i64>,
    operation: String,
    client: String,
    writes: String,
    states: String,
    bodies: Option<Vec<u8>>,
    closed: Option<i64>,
    ending: Option<String>,
    note: Option<String>,
}

/// A write as a document, without bodies.
#[derive(Serialize, Deserialize)]
struct WriteDocument {
    method: String,
    target: String,
    fields: Vec<String>,
    repeatable: bool,
    undo: Option<UndoDocument>,
}

#[derive(Serialize, Deserialize)]
struct UndoDocument {
    method: String,
    target: String,
}

impl From<&Write> for WriteDocument {
    fn from(write: &Write) -> Self {
        let undo = write
            .undo
            .as_ref()
            .map(|undo| UndoDocument { method: undo.method.to_string(), target: undo.target.clone() });
        Self {
            method: write.method.to_string(),
            target: write.target.clone(),
            fields: write.fields.iter().map(ToString::to_string).collect(),
            repeatable: write.repeatable,
            undo,
        }
    }
}

impl TryFrom<WriteDocument> for Write {
    type Error = StoreError;

    fn try_from(document: WriteDocument) -> Result<Self, StoreError> {
        let undo = |undo: UndoDocument| {
            Ok::<_, StoreError>(Undo { method: method(&undo.method)?, target: undo.target, body: None })
        };
        Ok(Self {
            method: method(&document.method)?,
            target: document.target,
            body: None,
            fields: document.fields.into_iter().map(Into::into).collect(),
            repeatable: document.repeatable,
            undo: document.undo.map(undo).transpose()?,
        })
    }
}

fn method(method: &str) -> Result<Method, StoreError> {
    method.parse().map_err(|error| StoreError::unusable("a method in it is none").because(error))
}

impl EntryRow {
    fn entry(self, seal: &Seal) -> Result<Entry, StoreError> {
        let documents: Vec<WriteDocument> = serde_json::from_str(&self.writes)
            .map_err(|error| StoreError::unusable("an entry of its journal cannot be read").because(error))?;
        let mut intent = Intent {
            request: self.request.into(),
            upstream: self.upstream.into(),
            user: self.user_id.map(UserId::new),
            fence: self.fence.map(unsigned),
            operation: self.operation.into(),
            client: self.client.into(),
            writes: documents.into_iter().map(TryInto::try_into).collect::<Result<_, _>>()?,
        };
        if let Some(bodies) = self.bodies.and_then(|bodies| seal.open(&intent.request, &bodies)) {
            fill(&mut intent, bodies);
        }
        let ending = self.ending.as_deref().map(ending_of_word).transpose()?;
        Ok(Entry {
            id: EntryId(self.entry),
            opened: time(self.opened),
            intent,
            states: self.states.chars().map(state_of_letter).collect::<Result<_, _>>()?,
            closed: self.closed.zip(ending).map(|(at, ending)| (time(at), ending, self.note.map(Into::into))),
        })
    }
}

/// Puts bodies to their writes, in the order of [`Intent::bodies`].
fn fill(intent: &mut Intent, bodies: Vec<Bytes>) {
    if intent.bodies().count() == bodies.len() {
        intent.bodies_mut().zip(bodies).for_each(|(place, body)| *place = Some(body));
    }
}

fn state_of_letter(letter: char) -> Result<State, StoreError> {
    match letter {
        'n' => Ok(State::NotSent),
        's' => Ok(State::Sending),
        'a' => Ok(State::Applied),
        'r' => Ok(State::Refused),
        'u' => Ok(State::Unknown),
        'b' => Ok(State::Undone),
        _ => Err(StoreError::unusable("a state in its journal is none")),
    }
}

fn letter_of_state(state: State) -> &'static str {
    match state {
        State::NotSent => "n",
        State::Sending => "s",
        State::Applied => "a",
        State::Refused => "r",
        State::Unknown => "u",
        State::Undone => "b",
    }
}

fn ending_of_word(word: &str) -> Result<Ending, StoreError> {
    match word {
        "done" => Ok(Ending::Done),
        "refused" => Ok(Ending::Refused),
        "partial" => Ok(Ending::Partial),
        "resolved" => Ok(Ending::Resolved),
        _ => Err(StoreError::unusable("an ending in its journal is none")),
    }
}

fn word_of_ending(ending: Ending) -> &'static str {
    match ending {
        Ending::Done => "done",
        Ending::Refused => "refused",
        Ending::Partial => "partial",
        Ending::Resolved => "resolved",
    }
}

#[async_trait]
impl<D: Database> Journal for Kept<D> {
    async fn open(&self, intent: &Intent, key: Option<&str>) -> Result<EntryId, StoreError> {
        intent.check()?;
        let documents: Vec<_> = intent.writes.iter().map(WriteDocument::from).collect();
        let documents = serde_json::to_string(&documents)
            .map_err(|error| StoreError::unfit("a plan that cannot be written down").because(error))?;
        let states = letter_of_state(State::NotSent).repeat(intent.writes.len());
        let bodies = intent.all_bodies().and_then(|bodies| self.seal.seal(&intent.request, bodies));
        let repeat = key.map(|key| hash(&intent.client, key));
        within(self.timeout, async {
            let owner = self.owner().await?;
            let arguments = [
                owner.into(),
                intent.request.as_str().into(),
                intent.upstream.as_str().into(),
                intent.user.as_ref().map(UserId::as_str).into(),
                intent.fence.map(signed).into(),
                intent.operation.as_str().into(),
                intent.client.as_str().into(),
                documents.as_str().into(),
                states.as_str().into(),
                bodies.as_deref().into(),
            ];
            let mut transaction = self.database.transaction().await?;
            let opened: Option<(i64,)> = transaction.row(OPEN, &arguments).await?;
            let (entry,) = opened.ok_or_else(|| StoreError::unusable("no number for an entry"))?;
            if let Some(repeat) = &repeat {
                let arguments = [Argument::Bytes(Some(repeat)), owner.into(), entry.into()];
                changed(transaction.row(ENTER, &arguments).await?, "a request that can be repeated")?;
            }
            transaction.commit().await.map_err(failed)?;
            Ok(EntryId(entry))
        })
        .await
    }

    async fn mark(&self, entry: EntryId, write: usize, state: State) -> Result<(), StoreError> {
        let position = i64::try_from(write).unwrap_or(i64::MAX).min(FAR);
        within(self.timeout, async {
            let owner = self.owner().await?;
            let arguments = [entry.0.into(), owner.into(), position.into(), letter_of_state(state).into()];
            changed(self.database.writer().await?.row(MARK, &arguments).await?, AN_ENTRY)
        })
        .await
    }

    async fn close(&self, entry: EntryId, ending: Ending, note: Option<&str>) -> Result<(), StoreError> {
        check_note(note)?;
        within(self.timeout, async {
            let owner = self.owner().await?;
            let arguments = [entry.0.into(), owner.into(), word_of_ending(ending).into(), note.into()];
            changed(self.database.writer().await?.row(CLOSE, &arguments).await?, AN_ENTRY)
        })
        .await
    }

    async fn release(&self, entry: EntryId, fence: Option<u64>) -> Result<(), StoreError> {
        within(self.timeout, async {
            let owner = self.owner().await?;
            let mut transaction = self.database.transaction().await?;
            let arguments = [entry.0.into(), owner.into(), fence.map(signed).into()];
            changed(transaction.row(RELEASE, &arguments).await?, AN_ENTRY)?;
            let _: Option<(i64,)> = transaction.row(TAKE_OVER_REPEAT, &[entry.0.into(), 0.into()]).await?;
            transaction.commit().await.map_err(failed)
        })
        .await
    }

    async fn resolve(&self, entry: EntryId, note: Option<&str>) -> Result<(), StoreError> {
        check_note(note)?;
        within(self.timeout, async {
            changed(self.database.writer().await?.row(RESOLVE, &[entry.0.into(), note.into()]).await?, AN_ENTRY)
        })
        .await
    }

    async fn entry(&self, entry: EntryId) -> Result<Option<Entry>, StoreError> {
        let row: Option<EntryRow> =
            within(self.timeout, async { self.database.reader().await?.row(ENTRY, &[entry.0.into()]).await }).await?;
        row.map(|row| row.entry(&self.seal)).transpose()
    }

    async fn entries(
        &self,
        filter: &EntryFilter,
        after: Option<EntryId>,
        limit: NonZeroU32,
    ) -> Result<Entries, StoreError> {
        let shown: i64 = match filter.shown {
            Shown::All => 0,
            Shown::Open => 1,
            Shown::Abandoned => 2,
            Shown::Unsettled => 3,
        };
        let since = filter.since.and_then(|since| since.duration_since(SystemTime::UNIX_EPOCH).ok());
        let arguments = [
            after.map_or(0, |after| after.0).into(),
            shown.into(),
            filter.upstream.as_deref().into(),
            since.unwrap_or_default().into(),
            (i64::from(limit.get()) + 1).into(),
        ];
        if !filter.upstream.as_deref().is_none_or(is_storable) {
            return Ok(Entries { entries: Vec::new(), next: None });
        }
        let rows: Vec<EntryRow> =
            within(self.timeout, async { self.database.reader().await?.rows(ENTRIES, &arguments).await }).await?;
        let entries = rows.into_iter().map(|row| row.entry(&self.seal)).collect::<Result<_, _>>()?;
        Ok(Entries::cut(entries, limit))
    }

    async fn take_over(&self, entry: EntryId) -> Result<Option<Entry>, StoreError> {
        let row: Option<EntryRow> = within(self.timeout, async {
            let me = self.owner().await?;
            let mut transaction = self.database.transaction().await?;
            let owner: Option<(i64, bool)> = transaction.row(OWNER, &[entry.0.into()]).await?;
            let Some((owner, alive)) = owner else { return Ok(None) };
            if alive && owner != me {
                return Ok(None);
            }
            let taken = transaction.row(TAKE_OVER, &[entry.0.into(), owner.into(), me.into()]).await?;
            if taken.is_some() {
                let _: Option<(i64,)> = transaction.row(TAKE_OVER_REPEAT, &[entry.0.into(), me.into()]).await?;
            }
            transaction.commit().await.map_err(failed)?;
            Ok(taken)
        })
        .await?;
        row.map(|row| row.entry(&self.seal)).transpose()
    }
}
