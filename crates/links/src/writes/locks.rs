//! Locks: one writer at a user at a time.

use std::{
    collections::HashMap,
    fmt,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use interlingua_core::{Text, UserId};
use tokio::{
    sync::{OnceCell, OwnedMutexGuard},
    time::{sleep, timeout},
};

use crate::{StoreError, link::is_storable};
#[cfg(doc)]
use crate::{StoreErrorKind, Writes};

/// Where one asks for the right to write a user.
#[async_trait]
pub trait Locks: Send + Sync {
    /// Waits until nobody else writes this user of this upstream, in any process, or until patience ends: `None` then.
    ///
    /// Within a process those who wait come in their order. Among processes none is left out for good: whoever has
    /// waited longest at one of them comes before the others at the process that had the lock last.
    ///
    /// # Errors
    ///
    /// The store does not answer, or cannot keep such an id.
    async fn lock(&self, upstream: &str, user: &UserId, patience: Duration) -> Result<Option<Lock>, StoreError>;
}

/// The right to write a user, until it is dropped or the owner's [lease](Writes::renew) ends.
///
/// A lock that is dropped is free soon after; one that is [released](Self::release) is free then. One that is only in
/// this process's memory, as a store may have it while nobody else is there, is free at once either way.
pub struct Lock {
    /// The number, and the one before. None as long as the store has not granted it.
    numbers: OnceCell<(u64, Option<u64>)>,
    /// Whether the store was asked for it, so that there may be something to give back.
    is_asked: AtomicBool,
    grant: Option<Box<dyn Grant>>,
    turn: Option<Turn>,
}

/// What a store gave, and takes back.
#[async_trait]
pub(crate) trait Grant: Send + Sync {
    /// Has the store note what is only in memory so far: the number, and the one before.
    async fn note(&self) -> Result<(u64, Option<u64>), StoreError>;

    /// Whether it is still in force; without a fence, what is in memory.
    async fn is_held(&self, fence: Option<u64>) -> Result<bool, StoreError>;

    /// Gives back what was granted with that fence, and nothing else, however late it comes. Without one, gives up what
    /// was tried to get it, and what was granted without an answer; the caller still has the turn then.
    async fn give_back(&self, fence: Option<u64>) -> Result<(), StoreError>;

    /// Whether the store is closed, so that nothing can be given back any more.
    fn is_closed(&self) -> bool;
}

/// How long to wait before a lock that could not be given back is given back again.
const PAUSE: Duration = Duration::from_millis(250);

impl Lock {
    /// A lock of a store in memory: the turn is all there is to it.
    pub(crate) fn within_process(fence: u64, previous: Option<u64>, turn: Turn) -> Self {
        Self::new(None, turn, false).granted(fence, previous)
    }

    /// A lock that the turn gives the right to ask for. Whatever comes of that, it is given back in the end.
    pub(crate) fn asked_for(grant: Box<dyn Grant>, turn: Turn) -> Self {
        Self::new(Some(grant), turn, true)
    }

    /// A lock that the store need not know of, as long as nobody asks for its fence.
    pub(crate) fn unasked(grant: Box<dyn Grant>, turn: Turn) -> Self {
        Self::new(Some(grant), turn, false)
    }

    fn new(grant: Option<Box<dyn Grant>>, turn: Turn, is_asked: bool) -> Self {
        Self { numbers: OnceCell::new(), is_asked: is_asked.into(), grant, turn: Some(turn) }
    }

    /// The same lock, granted.
    pub(crate) fn granted(self, fence: u64, previous: Option<u64>) -> Self {
        // It is granted once.
        let _ = self.numbers.set((fence, previous));
        self
    }

    fn is_asked(&self) -> bool {
        self.is_asked.load(Ordering::Relaxed)
    }

    /// Whether the store knows of it, and has to be told when it is given back. One that is only in memory is as good.
    pub fn is_in_store(&self) -> bool {
        self.grant.is_some() && self.is_asked()
    }

    async fn numbers(&self) -> Result<(u64, Option<u64>), StoreError> {
        let note = || async {
            let grant = self.grant.as_ref().ok_or_else(|| StoreError::lost("a lock"))?;
            self.is_asked.store(true, Ordering::Relaxed);
            grant.note().await
        };
        self.numbers.get_or_try_init(note).await.copied()
    }

    /// A number that is higher than those of all earlier locks of the same user, whoever had them.
    ///
    /// The store notes the lock for it, if it has not yet. Whoever asks for it before an entry is
    /// [opened](crate::Journal::open), and opens none when the lock is given back, can rely on this: as long as that
    /// entry is open, all later locks of the user have numbers, and tell [those before](Self::previous).
    ///
    /// # Errors
    ///
    /// [`StoreErrorKind::Lost`]: it is not the caller's any more. The store does not answer.
    pub async fn fence(&self) -> Result<u64, StoreError> {
        Ok(self.numbers().await?.0)
    }

    /// The number of the lock of the same user that was granted before this one, whoever had it: what differs from the
    /// number of an earlier lock says that somebody may have written the user since. `None` where the store knows of
    /// none, because there was none, or because it was [forgotten](Writes::sweep) since; then nobody knows.
    ///
    /// A lock that was granted while its caller did not wait for the answer any more counts as well. One without a
    /// [number](Self::fence) does not; there is none while an entry is open to which it would matter.
    ///
    /// # Errors
    ///
    /// As [`fence`](Self::fence).
    pub async fn previous(&self) -> Result<Option<u64>, StoreError> {
        Ok(self.numbers().await?.1)
    }

    /// Whether the lock still is the caller's: the lease has not ended, and nobody else got the lock.
    ///
    /// # Errors
    ///
    /// The store does not answer.
    pub async fn is_held(&self) -> Result<bool, StoreError> {
        match &self.grant {
            Some(grant) => grant.is_held(self.known()).await,
            None => Ok(true),
        }
    }

    /// The number, where it has one yet.
    fn known(&self) -> Option<u64> {
        self.numbers.get().map(|(fence, _)| *fence)
    }

    /// Gives the lock back.
    ///
    /// # Errors
    ///
    /// The store does not answer. Then it is tried again, as with a lock that is dropped.
    pub async fn release(mut self) -> Result<(), StoreError> {
        if let (Some(grant), true) = (&self.grant, self.is_asked()) {
            grant.give_back(self.known()).await?;
        }
        self.grant = None;
        Ok(())
    }
}

impl Drop for Lock {
    /// As long as it is not given back, nobody else in this process has his turn.
    fn drop(&mut self) {
        let (is_asked, fence) = (self.is_asked(), self.known());
        let (Some(grant), turn, true) = (self.grant.take(), self.turn.take(), is_asked) else { return };
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move {
                while let Err(error) = grant.give_back(fence).await
                    && error.is_retryable()
                    && !grant.is_closed()
                {
                    sleep(PAUSE).await;
                }
                drop(turn);
            });
        }
    }
}

impl fmt::Debug for Lock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lock").field("fence", &self.known()).finish_non_exhaustive()
    }
}

type Key = (Text, UserId);
type Waiting = Mutex<HashMap<Key, Arc<tokio::sync::Mutex<()>>>>;

/// Those of this process who want to write, in a queue for each user.
#[derive(Debug, Default)]
pub(crate) struct Queues(Arc<Waiting>);

/// Being the first in the queue of a user, until it is dropped.
pub(crate) struct Turn {
    key: Key,
    waiting: Arc<Waiting>,
    guard: Option<OwnedMutexGuard<()>>,
}

impl Queues {
    /// Waits to be the first, as long as patience lasts.
    ///
    /// # Errors
    ///
    /// No store can keep a lock of such a user.
    pub(crate) async fn turn(
        &self,
        upstream: &str,
        user: &UserId,
        patience: Duration,
    ) -> Result<Option<Turn>, StoreError> {
        if !is_storable(upstream) || !is_storable(user.as_str()) {
            return Err(StoreError::unfit("a user's id that is too long or holds a NUL"));
        }
        let key = (Text::from(upstream), user.clone());
        let queue = {
            let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(waiting.entry(key.clone()).or_default())
        };
        let mut turn = Turn { key, waiting: Arc::clone(&self.0), guard: None };
        // Whoever waits already comes first all the same.
        turn.guard = match Arc::clone(&queue).try_lock_owned() {
            Ok(guard) => Some(guard),
            Err(_) => timeout(patience, queue.lock_owned()).await.ok(),
        };
        Ok(Some(turn).filter(|turn| turn.guard.is_some()))
    }
}

impl Drop for Turn {
    /// Forgets the user when nobody else is waiting.
    fn drop(&mut self) {
        self.guard = None;
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.get(&self.key).is_some_and(|queue| Arc::strong_count(queue) == 1) {
            waiting.remove(&self.key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn nothing_is_kept_of_those_who_had_their_turn() {
        let (queues, user, none) = (Queues::default(), UserId::new("1"), Duration::ZERO);
        let turn = queues.turn("a", &user, none).await.unwrap().unwrap();
        assert!(queues.turn("a", &user, none).await.unwrap().is_none());
        assert!(queues.turn("b", &user, none).await.unwrap().is_some());
        drop(turn);
        assert!(queues.turn("a", &user, none).await.unwrap().is_some());
        assert!(queues.0.lock().unwrap().is_empty());
    }
}
