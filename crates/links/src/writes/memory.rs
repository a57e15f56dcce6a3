//! What is kept of writes in memory, for one owner.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    num::NonZeroU32,
    ops::Bound,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant, SystemTime},
};

use async_trait::async_trait;
use interlingua_core::{Response, Text, UserId};

use super::{
    Begun, Ending, Entries, Entry, EntryFilter, EntryId, Intent, Journal, Lock, Locks, LogOuts, Queues, Repeats, Shown,
    State, Writes, check_note, hash,
};
use crate::StoreError;

/// What is known of writes, as long as the process lives.
#[derive(Debug, Default)]
pub(crate) struct Kept {
    journal: Mutex<Entered>,
    queues: Queues,
    fences: Mutex<Fences>,
    /// What was begun, by the hash of client and key.
    repeats: Mutex<HashMap<[u8; 32], Request>>,
    /// Sessions that were ended: when, and for how long that is known.
    logged_out: Mutex<HashMap<[u8; 16], (Instant, Duration)>>,
}

#[derive(Debug, Default)]
struct Entered {
    entries: BTreeMap<EntryId, Entry>,
    /// Those that are open and nobody's.
    left: BTreeSet<EntryId>,
    /// The number that the last entry got.
    last: i64,
}

/// The numbers of locks.
#[derive(Debug, Default)]
struct Fences {
    /// The number that the last lock got, whoever's.
    last: u64,
    /// The number that the last lock of each user got, as long as there are few users.
    of: HashMap<(Text, UserId), u64>,
}

/// The last locks of how many users are known. Then all are forgotten, which costs nothing: they are only asked for by
/// whoever goes on after a crash, and a crash forgets all of this.
const MOST_FENCES: usize = 10_000;

impl Fences {
    /// The number of a lock of a user, and that of the one before.
    fn next(&mut self, upstream: &str, user: &UserId) -> (u64, Option<u64>) {
        if self.of.len() >= MOST_FENCES {
            self.of.clear();
        }
        self.last += 1;
        (self.last, self.of.insert((upstream.into(), user.clone()), self.last))
    }
}

/// A request that may be repeated.
#[derive(Debug)]
struct Request {
    fingerprint: [u8; 32],
    begun: Instant,
    keep: Duration,
    /// The entry of the journal, once there is one.
    entry: Option<EntryId>,
    answer: Option<Response>,
}

impl Request {
    fn is_over(&self) -> bool {
        self.answer.is_some() && self.begun.elapsed() >= self.keep
    }
}

/// A request that is not answered yet.
fn begun<'a>(repeats: &'a mut HashMap<[u8; 32], Request>, id: &[u8; 32]) -> Option<&'a mut Request> {
    repeats.get_mut(id).filter(|request| request.answer.is_none())
}

fn not_begun() -> StoreError {
    StoreError::lost("a request that can be repeated")
}

impl Kept {
    fn repeats(&self) -> MutexGuard<'_, HashMap<[u8; 32], Request>> {
        self.repeats.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn logged_out(&self) -> MutexGuard<'_, HashMap<[u8; 16], (Instant, Duration)>> {
        self.logged_out.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn journal(&self) -> MutexGuard<'_, Entered> {
        self.journal.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entered {
    fn open(&mut self, entry: EntryId) -> Result<&mut Entry, StoreError> {
        let open =
            self.entries.get_mut(&entry).filter(|entry| entry.closed.is_none() && !self.left.contains(&entry.id));
        open.ok_or_else(|| StoreError::lost("an entry of the journal"))
    }
}

impl EntryFilter {
    /// Whether the filter lets an entry through, whose owner is here or has left it.
    fn admits(&self, entry: &Entry, is_left: bool) -> bool {
        let is_partial = matches!(entry.closed, Some((_, Ending::Partial, _)));
        let shown = match self.shown {
            Shown::All => true,
            Shown::Open => entry.closed.is_none(),
            Shown::Abandoned => is_left,
            Shown::Unsettled => is_left || is_partial,
        };
        shown
            && self.upstream.as_ref().is_none_or(|upstream| entry.intent.upstream == *upstream)
            && self.since.is_none_or(|since| entry.opened >= since)
    }
}

#[async_trait]
impl Journal for Kept {
    async fn open(&self, intent: &Intent, key: Option<&str>) -> Result<EntryId, StoreError> {
        intent.check()?;
        let (id, mut repeats) = (key.map(|key| hash(&intent.client, key)), self.repeats());
        let request = match id {
            Some(id) => Some(begun(&mut repeats, &id).filter(|request| request.entry.is_none()).ok_or_else(not_begun)?),
            None => None,
        };
        let journal = &mut *self.journal();
        journal.last += 1;
        let id = EntryId(journal.last);
        let states = vec![State::NotSent; intent.writes.len()];
        let intent = if intent.all_bodies().is_some() { intent.clone() } else { intent.bare() };
        let entry = Entry { id, opened: SystemTime::now(), intent, states, closed: None };
        journal.entries.insert(id, entry);
        if let Some(request) = request {
            request.entry = Some(id);
        }
        Ok(id)
    }

    async fn mark(&self, entry: EntryId, write: usize, state: State) -> Result<(), StoreError> {
        let mut journal = self.journal();
        let states = &mut journal.open(entry)?.states;
        *states.get_mut(write).ok_or_else(|| StoreError::lost("an entry of the journal"))? = state;
        Ok(())
    }

    async fn close(&self, entry: EntryId, ending: Ending, note: Option<&str>) -> Result<(), StoreError> {
        check_note(note)?;
        let mut journal = self.journal();
        let entry = journal.open(entry)?;
        entry.intent = entry.intent.bare();
        entry.closed = Some((SystemTime::now(), ending, note.map(Into::into)));
        Ok(())
    }

    async fn release(&self, entry: EntryId, fence: Option<u64>) -> Result<(), StoreError> {
        let mut journal = self.journal();
        let intent = &mut journal.open(entry)?.intent;
        intent.fence = fence.or(intent.fence);
        journal.left.insert(entry);
        Ok(())
    }

    async fn resolve(&self, entry: EntryId, note: Option<&str>) -> Result<(), StoreError> {
        check_note(note)?;
        let mut journal = self.journal();
        let closed = journal.entries.get_mut(&entry).and_then(|entry| entry.closed.as_mut());
        let partial = closed.filter(|(_, ending, _)| *ending == Ending::Partial);
        let (_, ending, noted) = partial.ok_or_else(|| StoreError::lost("an entry of the journal"))?;
        (*ending, *noted) = (Ending::Resolved, note.map(Into::into));
        Ok(())
    }

    async fn entry(&self, entry: EntryId) -> Result<Option<Entry>, StoreError> {
        Ok(self.journal().entries.get(&entry).cloned())
    }

    async fn entries(
        &self,
        filter: &EntryFilter,
        after: Option<EntryId>,
        limit: NonZeroU32,
    ) -> Result<Entries, StoreError> {
        let journal = self.journal();
        let behind = journal.entries.range((after.map_or(Bound::Unbounded, Bound::Excluded), Bound::Unbounded));
        let admitted =
            behind.map(|(_, entry)| entry).filter(|entry| filter.admits(entry, journal.left.contains(&entry.id)));
        let bare = admitted.map(|entry| Entry { intent: entry.intent.bare(), ..entry.clone() });
        let one_more = usize::try_from(limit.get()).unwrap_or(usize::MAX).saturating_add(1);
        Ok(Entries::cut(bare.take(one_more).collect(), limit))
    }

    async fn take_over(&self, entry: EntryId) -> Result<Option<Entry>, StoreError> {
        let mut journal = self.journal();
        journal.left.remove(&entry);
        Ok(journal.open(entry).ok().cloned())
    }
}

#[async_trait]
impl Locks for Kept {
    async fn lock(&self, upstream: &str, user: &UserId, patience: Duration) -> Result<Option<Lock>, StoreError> {
        let turn = self.queues.turn(upstream, user, patience).await?;
        let next = || self.fences.lock().unwrap_or_else(PoisonError::into_inner).next(upstream, user);
        Ok(turn.map(|turn| {
            let (fence, previous) = next();
            Lock::within_process(fence, previous, turn)
        }))
    }
}

#[async_trait]
impl Repeats for Kept {
    async fn begin(
        &self,
        client: &str,
        key: &str,
        fingerprint: &[u8; 32],
        keep: Duration,
    ) -> Result<Begun, StoreError> {
        let (id, mut repeats) = (hash(client, key), self.repeats());
        match repeats.get(&id).filter(|request| !request.is_over()) {
            Some(request) if request.fingerprint != *fingerprint => Ok(Begun::Differs),
            Some(Request { answer: Some(answer), .. }) => Ok(Begun::Answered(answer.clone())),
            Some(Request { entry: Some(entry), .. }) if self.journal().open(*entry).is_err() => {
                Ok(Begun::Interrupted(*entry))
            }
            Some(Request { entry, .. }) => Ok(Begun::Own(*entry)),
            None => {
                repeats.insert(
                    id,
                    Request { fingerprint: *fingerprint, begun: Instant::now(), keep, entry: None, answer: None },
                );
                Ok(Begun::Fresh)
            }
        }
    }

    async fn answer(&self, client: &str, key: &str, answer: &Response) -> Result<(), StoreError> {
        let mut repeats = self.repeats();
        begun(&mut repeats, &hash(client, key)).ok_or_else(not_begun)?.answer = Some(answer.clone());
        Ok(())
    }

    async fn forget(&self, client: &str, key: &str) -> Result<(), StoreError> {
        let (id, mut repeats) = (hash(client, key), self.repeats());
        begun(&mut repeats, &id).ok_or_else(not_begun)?;
        repeats.remove(&id);
        Ok(())
    }
}

#[async_trait]
impl LogOuts for Kept {
    async fn log_out(&self, session: &[u8; 16], keep: Duration) -> Result<(), StoreError> {
        self.logged_out().insert(*session, (Instant::now(), keep));
        Ok(())
    }

    async fn is_logged_out(&self, session: &[u8; 16]) -> Result<bool, StoreError> {
        Ok(self.logged_out().contains_key(session))
    }
}

#[async_trait]
impl Writes for Kept {
    async fn renew(&self) -> Result<(), StoreError> {
        Ok(())
    }

    async fn sweep(&self, keep: Duration) -> Result<u64, StoreError> {
        self.repeats().retain(|_, request| !request.is_over());
        self.logged_out().retain(|_, (ended, keep)| ended.elapsed() < *keep);
        let entries = &mut self.journal().entries;
        let (before, limit) = (entries.len(), SystemTime::now().checked_sub(keep));
        let stays =
            |entry: &Entry| entry.closed.as_ref().is_none_or(|(closed, ..)| limit.is_none_or(|limit| *closed >= limit));
        entries.retain(|_, entry| stays(entry));
        Ok(u64::try_from(before - entries.len()).unwrap_or(u64::MAX))
    }
}
