//! Locks in databases.

use std::{
    hash::{BuildHasher, RandomState},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use async_trait::async_trait;
use interlingua_core::UserId;
use tokio::time::sleep;

use super::{
    Database, Kept, Session, failed, signed,
    sole::{InTheWay, Period, Sole},
    unsigned, within,
};
use crate::{Lock, Locks, StoreError, writes::Grant};

/// How long to wait before a lock that another process has is looked at again: more each time, up to the second.
const PAUSES: (Duration, Duration) = (Duration::from_millis(5), Duration::from_millis(40));

/// How long the heir of a lock may take to come for it.
const HEIR: Duration = Duration::from_millis(500);

/// For how long an ask without an answer may still be granted: longer than a network delivers what it was given.
const LATE: Duration = Duration::from_secs(60 * 60);

/// Every statement that grants or frees a lock may come late, when its caller has given up and others have had the lock
/// since. So one grants only what is free or is still as it was found, and one frees only the fence that it names.
const GRANT: &str = "
    INSERT INTO locks (upstream, user_id, owner, fence) SELECT $1, $2, $3, now FROM clock WHERE true
    ON CONFLICT (upstream, user_id) DO UPDATE SET
        owner = excluded.owner,
        fence = CASE WHEN locks.fence < excluded.fence THEN excluded.fence ELSE locks.fence + 1 END,
        previous = locks.fence,
        heir = NULL
    WHERE locks.owner IS NULL
        AND (locks.heir IS NULL OR locks.heir = excluded.owner OR locks.heir_until < excluded.fence)
    RETURNING fence, previous";
const OWNER: &str = "
    SELECT owner, fence, EXISTS (SELECT 1 FROM owners AS o, clock WHERE o.owner = l.owner AND o.until > now)
    FROM locks AS l WHERE upstream = $1 AND user_id = $2 AND owner IS NOT NULL";
const TAKE_OVER: &str = "
    UPDATE locks SET
        owner = $3,
        fence = CASE WHEN fence < (SELECT now FROM clock) THEN (SELECT now FROM clock) ELSE fence + 1 END,
        previous = fence,
        heir = NULL
    WHERE upstream = $1 AND user_id = $2 AND owner = $4 AND fence = $5
    RETURNING fence, previous";
const BE_HEIR: &str = "
    UPDATE locks SET heir = $3, heir_until = (SELECT now FROM clock) + $4
    WHERE upstream = $1 AND user_id = $2
        AND (heir IS NULL OR heir = $3 OR heir_until < (SELECT now FROM clock))
    RETURNING fence";
const HELD: &str = "
    SELECT fence FROM locks AS l WHERE upstream = $1 AND user_id = $2 AND owner = $3 AND fence = $4
        AND EXISTS (SELECT 1 FROM owners AS o, clock WHERE o.owner = l.owner AND o.until > now)";
const GIVE_BACK: &str = "
    UPDATE locks SET owner = NULL WHERE upstream = $1 AND user_id = $2 AND owner = $3 AND fence = $4
    RETURNING fence";
const GIVE_UP: &str = "
    UPDATE locks SET heir = NULL WHERE upstream = $1 AND user_id = $2 AND heir = $3
    RETURNING fence";
const DISINHERIT: &str = "
    UPDATE locks SET heir = NULL WHERE upstream = $1 AND user_id = $2 AND heir IS NOT NULL
    RETURNING fence";
const MINE: &str = "SELECT fence FROM locks WHERE upstream = $1 AND user_id = $2 AND owner = $3";
const ALL_MINE: &str = "SELECT upstream, user_id FROM locks WHERE owner = $1";

/// A lock that an owner asks for, or has.
#[derive(Clone)]
struct Granted<D> {
    database: D,
    timeout: Duration,
    upstream: String,
    user: UserId,
    owner: i64,
    unanswered: Arc<Unanswered>,
    sole: Option<Arc<Sole>>,
    /// The time in which this owner is alone, for a lock that is in memory.
    period: Option<Arc<Period>>,
}

/// When a lock was last asked for without an answer. It may be granted yet, to nobody.
#[derive(Default)]
pub(super) struct Unanswered(Mutex<Option<Instant>>);

impl Unanswered {
    fn note(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }

    fn is_recent(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).is_some_and(|asked| asked.elapsed() < LATE)
    }
}

/// A fence, and the one before.
type Numbers = (u64, Option<u64>);

impl<D: Database> Granted<D> {
    /// Asks once. The answer is the fence, and the one before.
    async fn ask(&self) -> Result<Option<Numbers>, StoreError> {
        let (upstream, user, me) = (self.upstream.as_str().into(), self.user.as_str().into(), self.owner.into());
        within(self.timeout, async {
            let mut writer = self.database.writer().await?;
            let granted = self.grant(&mut *writer).await?;
            if granted.is_some() {
                return Ok(granted);
            }
            if let Some(sole) = &self.sole {
                match sole.in_the_way(&mut *writer, self.owner).await? {
                    InTheWay::SoleOwner => return Ok(None), // who has no heirs
                    InTheWay::NobodyNow => return self.grant(&mut *writer).await,
                    InTheWay::SomebodyElse => {}
                }
            }
            let _: Option<(i64,)> = writer.row(BE_HEIR, &[upstream, user, me, HEIR.into()]).await?;
            Ok(None)
        })
        .await
        .inspect_err(|_| self.unanswered.note())
    }

    /// Grants the lock where nobody has it who is alive.
    async fn grant(&self, session: &mut impl Session) -> Result<Option<Numbers>, StoreError> {
        let (upstream, user, me) = (self.upstream.as_str().into(), self.user.as_str().into(), self.owner.into());
        let mut granted: Option<(i64, Option<i64>)> = session.row(GRANT, &[upstream, user, me]).await?;
        if granted.is_none() {
            let owner: Option<(i64, i64, bool)> = session.row(OWNER, &[upstream, user]).await?;
            // Whoever is first in this process's queue finds the lock its own only where it was granted to nobody.
            if let Some((owner, fence, is_alive)) = owner
                && (owner == self.owner || !is_alive)
            {
                granted = session.row(TAKE_OVER, &[upstream, user, me, owner.into(), fence.into()]).await?;
            }
        }
        Ok(granted.map(|(fence, previous)| (unsigned(fence), previous.map(unsigned))))
    }

    /// Asks once, and whatever becomes of the caller, what is granted is given back if nobody waits for it any more.
    async fn ask_for(&self, lock: Lock) -> Result<(Lock, bool), StoreError> {
        let this = self.clone();
        let asking = tokio::spawn(async move {
            Ok(match this.ask().await? {
                Some((fence, previous)) => (lock.granted(fence, previous), true),
                None => (lock, false),
            })
        });
        asking.await.map_err(StoreError::unavailable)?
    }
}

#[async_trait]
impl<D: Database> Grant for Granted<D> {
    async fn note(&self) -> Result<Numbers, StoreError> {
        let lost = || StoreError::lost("a lock");
        let period = self.period.as_ref().ok_or_else(lost)?;
        within(self.timeout, async {
            // Nobody can have had the lock since it was got in memory, and nobody gets it before it is in the store.
            let mut transaction = self.database.transaction().await?;
            if !period.lasts(&mut *transaction).await? {
                return Err(lost());
            }
            let (upstream, user) = (self.upstream.as_str().into(), self.user.as_str().into());
            let _: Option<(i64,)> = transaction.row(DISINHERIT, &[upstream, user]).await?;
            let numbers = self.grant(&mut *transaction).await?.ok_or_else(lost)?;
            transaction.commit().await.map_err(failed)?;
            Ok(numbers)
        })
        .await
        .inspect_err(|_| self.unanswered.note())
    }

    async fn is_held(&self, fence: Option<u64>) -> Result<bool, StoreError> {
        let Some(fence) = fence else {
            let Some(period) = &self.period else { return Ok(false) };
            return within(self.timeout, async { period.lasts(&mut *self.database.reader().await?).await }).await;
        };
        let arguments =
            [self.upstream.as_str().into(), self.user.as_str().into(), self.owner.into(), signed(fence).into()];
        let held: Option<(i64,)> =
            within(self.timeout, async { self.database.reader().await?.row(HELD, &arguments).await }).await?;
        Ok(held.is_some())
    }

    async fn give_back(&self, fence: Option<u64>) -> Result<(), StoreError> {
        if let Some(sole) = &self.sole {
            sole.may_have_left_something(&self.user);
        }
        let (upstream, user, me) = (self.upstream.as_str().into(), self.user.as_str().into(), self.owner.into());
        within(self.timeout, async {
            let mut writer = self.database.writer().await?;
            let fence = match fence {
                Some(fence) => Some((signed(fence),)),
                None => {
                    let _: Option<(i64,)> = writer.row(GIVE_UP, &[upstream, user, me]).await?;
                    writer.row(MINE, &[upstream, user, me]).await?
                }
            };
            if let Some((fence,)) = fence {
                let _: Option<(i64,)> = writer.row(GIVE_BACK, &[upstream, user, me, fence.into()]).await?;
            }
            Ok(())
        })
        .await
    }

    fn is_closed(&self) -> bool {
        self.database.is_closed()
    }
}

/// Between half and the whole of a pause, so that those who wait do not come all at once.
fn jittered(pause: Duration) -> Duration {
    let random = RandomState::new().hash_one(()); // keyed anew each time
    pause.mul_f64(0.5 + (random % 1000) as f64 / 2000.0)
}

impl<D: Database> Kept<D> {
    /// What one asks for a lock with, in turn.
    fn grant(&self, upstream: &str, user: &UserId, owner: i64) -> Granted<D> {
        Granted {
            database: self.database.clone(),
            timeout: self.timeout,
            upstream: upstream.to_owned(),
            user: user.clone(),
            owner,
            unanswered: Arc::clone(&self.unanswered),
            sole: self.sole.clone(),
            period: None,
        }
    }

    /// What one has a lock in memory with, where this owner is alone and the user's fences do not matter.
    fn in_memory(&self, upstream: &str, user: &UserId) -> Option<Granted<D>> {
        let period = self.sole.as_ref()?.enter(user, self.lease / 2)?;
        Some(Granted { period: Some(Arc::clone(&period)), ..self.grant(upstream, user, period.owner()) })
    }

    /// Frees what was granted when nobody waited for it any more: what is this owner's, but nobody's here. Others would
    /// wait for it as long as this process lives.
    pub(super) async fn free_forgotten(&self) -> Result<(), StoreError> {
        if !self.unanswered.is_recent() {
            return Ok(());
        }
        let owner = within(self.timeout, self.owner()).await?;
        let mine: Vec<(String, String)> =
            within(self.timeout, async { self.database.reader().await?.rows(ALL_MINE, &[owner.into()]).await }).await?;
        for (upstream, user) in mine {
            let user = UserId::new(user);
            if let Some(turn) = self.queues.turn(&upstream, &user, Duration::ZERO).await? {
                Lock::asked_for(Box::new(self.grant(&upstream, &user, owner)), turn).release().await?;
            }
        }
        Ok(())
    }
}

#[async_trait]
impl<D: Database> Locks for Kept<D> {
    async fn lock(&self, upstream: &str, user: &UserId, patience: Duration) -> Result<Option<Lock>, StoreError> {
        let begun = Instant::now();
        let Some(turn) = self.queues.turn(upstream, user, patience).await? else { return Ok(None) };
        if let Some(grant) = self.in_memory(upstream, user) {
            return Ok(Some(Lock::unasked(Box::new(grant), turn)));
        }
        let owner = within(self.timeout, self.owner()).await?;
        // The lease may have been too short before.
        if let Some(grant) = self.in_memory(upstream, user) {
            return Ok(Some(Lock::unasked(Box::new(grant), turn)));
        }
        let grant = self.grant(upstream, user, owner);
        let mut lock = Lock::asked_for(Box::new(grant.clone()), turn);
        let (mut pause, longest) = PAUSES;
        loop {
            let (asked, granted) = grant.ask_for(lock).await?;
            if granted {
                return Ok(Some(asked));
            }
            lock = asked;
            let left = patience.saturating_sub(begun.elapsed());
            if left.is_zero() {
                return lock.release().await.map(|()| None); // not to be its heir any more
            }
            sleep(jittered(pause).min(left)).await;
            pause = (pause * 2).min(longest);
            within(self.timeout, self.owner()).await?; // the lease must not end while waiting
        }
    }
}
