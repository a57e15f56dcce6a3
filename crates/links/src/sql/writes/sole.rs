//! Locks in memory, as long as nobody else is there.
//!
//! A lock in the store is a transaction that a disk has to keep. Where one process is the only one over a file, its own
//! queues do as well, and the store need not know. So an owner may be **the sole one**, for a **period**, which stands in
//! the table `sole` of the database. Two things have to be true then.
//!
//! # No two write a user at once
//!
//! 1. *While a period lasts, the store grants locks to its owner only.* Triggers see to that, whatever asks. And the
//!    owner's own queues let one at a time have the lock of a user, in memory or in the store.
//! 2. *When a period begins, nobody else has a lock*: in the same transaction there is no other owner whose lease lasts,
//!    and what those without one had is freed, so that they find it gone should they wake up.
//! 3. *When a period ends in order, nobody has a lock in memory.* An owner that sees another one (which makes itself an
//!    owner before it asks for a lock) grants no more in memory, waits for those that it has granted, and only then
//!    takes itself out of the table. Its locks in the store are not concerned.
//! 4. *When others end a period, its owner is gone*: dead, or without a lease. That it is dead shows the sidecar, a file
//!    that the owner has locked since before the period began, and that the kernel frees with the last process or
//!    [`Period`] that holds it. A file that is not the one that was locked proves nothing; then only the lease counts. An
//!    owner without a lease is told by [`Period::lasts`], as by any lock: a lock in memory is given only while half of
//!    the lease is left, so that it is good for that long, and whoever is older asks before it writes.
//! 5. *A period that was lost is not taken for a later one*: each has a number. A lock that goes from memory to the store
//!    does so in a transaction that finds the period there still.
//!
//! # No recovery overwrites what was written later
//!
//! Recovery takes a user's [fence](crate::Lock::fence) for a sign that nobody had the lock since the entry was opened. A
//! lock in memory has none. So it is given only for a user of whom no entry is open: those that are open when a period
//! begins are read in the transaction that begins it. From then on only the owner opens some (whoever opens one with a
//! fence has the lock, and it in the store), and a user whose lock was in the store counts as one with an open entry,
//! from before that lock is given back until the journal was read later than that and has none. Others may close entries
//! meanwhile, which makes one transaction too many and no harm.
//!
//! Users are told apart by their ids only, as the journal knows upstreams by other names than locks do.

use std::{
    collections::HashSet,
    fmt,
    fs::{File, OpenOptions},
    io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::{Duration, Instant},
};

use interlingua_core::UserId;
use tokio::time::sleep;

use super::{Database, Session, failed, within};
use crate::StoreError;

/// How often the sole owner looks whether it still is, and how often when it is about to make way.
const LOOKS: (Duration, Duration) = (Duration::from_millis(100), Duration::from_millis(5));

const OTHERS: &str = "SELECT owner FROM owners, clock WHERE owner <> $1 AND until > now LIMIT 1";
const BEGIN: &str = "
    INSERT INTO sole (one, owner, period, device, inode)
    SELECT 1, $1, coalesce((SELECT period FROM sole), 0) + 1, $2, $3 FROM clock
    WHERE EXISTS (SELECT 1 FROM owners WHERE owner = $1 AND until > now)
        AND NOT EXISTS (SELECT 1 FROM owners WHERE owner <> $1 AND until > now)
    ON CONFLICT (one) DO UPDATE SET
        owner = excluded.owner, period = excluded.period, device = excluded.device, inode = excluded.inode
    RETURNING period";
const FREE: &str = "UPDATE locks SET owner = NULL, heir = NULL WHERE owner <> $1 RETURNING fence";
const LASTS: &str = "
    SELECT period FROM sole AS s WHERE owner = $1 AND period = $2
        AND EXISTS (SELECT 1 FROM owners AS o, clock WHERE o.owner = s.owner AND o.until > now)";
const END: &str = "UPDATE sole SET owner = NULL WHERE owner = $1 AND period = $2 RETURNING period";
const OTHER: &str = "
    SELECT owner, period, device, inode,
        EXISTS (SELECT 1 FROM owners AS o, clock WHERE o.owner = s.owner AND o.until > now)
    FROM sole AS s WHERE owner <> $1";
const UNSETTLED: &str = "SELECT DISTINCT user_id FROM journal WHERE closed IS NULL AND user_id IS NOT NULL";

/// Whether an owner is the sole one, and whose locks it may have in memory then.
pub(super) struct Sole {
    sidecar: PathBuf,
    timeout: Duration,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    current: Option<Current>,
    /// Users whose lock was in the store since the journal was read last.
    left: HashSet<UserId>,
    /// Users of whom it had an open entry then, or may have had.
    unsettled: HashSet<UserId>,
}

struct Current {
    period: Arc<Period>,
    /// Until when the lease lasts at least.
    until: Instant,
    /// Whether another owner is there.
    is_ending: bool,
    /// Whether the database is not where it was.
    is_doubtful: bool,
}

/// A time in which an owner is the sole one. Each of its locks in memory has it.
pub(super) struct Period {
    owner: i64,
    number: i64,
    /// The sidecar, locked.
    _sidecar: File,
}

impl Period {
    pub(super) fn owner(&self) -> i64 {
        self.owner
    }

    /// Whether the store still knows it, and the lease lasts.
    pub(super) async fn lasts(&self, session: &mut impl Session) -> Result<bool, StoreError> {
        let period: Option<(i64,)> = session.row(LASTS, &[self.owner.into(), self.number.into()]).await?;
        Ok(period.is_some())
    }
}

impl Sole {
    pub(super) fn new(sidecar: PathBuf, timeout: Duration) -> Self {
        Self { sidecar, timeout, state: Mutex::default() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The right to have the lock of a user in memory, for whoever has his turn; where the lease lasts as long as that.
    pub(super) fn enter(&self, user: &UserId, lasting: Duration) -> Option<Arc<Period>> {
        let state = self.state();
        let current = state
            .current
            .as_ref()
            .filter(|current| !current.is_ending && !current.is_doubtful && current.until > Instant::now() + lasting)?;
        let is_settled = !state.left.contains(user) && !state.unsettled.contains(user);
        is_settled.then(|| Arc::clone(&current.period))
    }

    /// To be told before a lock in the store is given back: there may be an entry, which may stay open.
    pub(super) fn may_have_left_something(&self, user: &UserId) {
        self.state().left.insert(user.clone());
    }

    /// To be told when the lease was renewed: a period may begin, go on, or be found to have ended.
    pub(super) async fn renewed<D: Database>(
        self: &Arc<Self>,
        database: &D,
        owner: i64,
        until: Instant,
    ) -> Result<(), StoreError> {
        // Who is in `left` from now on may not be in the journal yet when it is read.
        let period = {
            let state = &mut *self.state();
            state.unsettled.extend(state.left.drain());
            state.current.as_ref().map(|current| Arc::clone(&current.period))
        };
        let (is_alone, unsettled) = {
            // All that this process has sent to the journal so far is done when the connection is to be had.
            let mut writer = database.writer().await?;
            let lasts = match &period {
                Some(period) if period.owner == owner => period.lasts(&mut *writer).await?,
                _ => false,
            };
            let others: Option<(i64,)> = writer.row(OTHERS, &[owner.into()]).await?;
            let unsettled: Vec<(String,)> = writer.rows(UNSETTLED, &[]).await?;
            let state = &mut *self.state();
            match &mut state.current {
                Some(current) if lasts => {
                    current.until = until;
                    current.is_ending |= others.is_some();
                }
                current => *current = None,
            }
            (others.is_none() && state.current.is_none(), unsettled)
        };
        drop(period);
        if is_alone && !database.is_closed() {
            return self.begin(database, owner, until).await;
        }
        self.state().unsettled = users(unsettled);
        Ok(())
    }

    /// Begins a period, unless somebody else is there.
    async fn begin<D: Database>(self: &Arc<Self>, database: &D, owner: i64, until: Instant) -> Result<(), StoreError> {
        // Where files cannot be locked, locks stay in the store.
        let Ok(Some((sidecar, (device, inode)))) = occupied(&self.sidecar) else { return Ok(()) };
        let mut transaction = database.transaction().await?;
        let arguments = [owner.into(), device.into(), inode.into()];
        let begun: Option<(i64,)> = transaction.row(BEGIN, &arguments).await?;
        let Some((number,)) = begun else { return Ok(()) };
        let _: Vec<(i64,)> = transaction.rows(FREE, &[owner.into()]).await?;
        let unsettled = transaction.rows(UNSETTLED, &[]).await?;
        transaction.commit().await.map_err(failed)?;
        let period = Arc::new(Period { owner, number, _sidecar: sidecar });
        let state = &mut *self.state();
        state.unsettled = users(unsettled);
        state.current = Some(Current { period, until, is_ending: false, is_doubtful: false });
        tokio::spawn(follow(Arc::downgrade(self), database.clone(), (owner, number)));
        Ok(())
    }

    /// Looks whether another owner is there, and makes way for it; how soon to look again in the period.
    async fn look<D: Database>(
        &self,
        database: &D,
        (owner, number): (i64, i64),
    ) -> Result<Option<Duration>, StoreError> {
        match self.standing(number) {
            None => Ok(None),
            Some(Standing { is_ending: true, is_used: true }) => Ok(Some(LOOKS.1)),
            Some(Standing { is_ending: true, is_used: false }) => {
                let mut writer = within(self.timeout, database.writer()).await?;
                let _: Option<(i64,)> = writer.row(END, &[owner.into(), number.into()]).await?;
                self.state().current.take_if(|current| current.period.number == number);
                Ok(None)
            }
            Some(Standing { is_ending: false, .. }) => {
                // Where it is not, the store is to say so.
                let is_doubtful = database.check().is_err();
                self.with(number, |current| current.is_doubtful = is_doubtful);
                let mut reader = within(self.timeout, database.reader()).await?;
                let others: Option<(i64,)> = reader.row(OTHERS, &[owner.into()]).await?;
                if others.is_none() {
                    return Ok(Some(LOOKS.0));
                }
                self.with(number, |current| current.is_ending = true);
                Ok(Some(Duration::ZERO))
            }
        }
    }

    /// Changes what is known of a period, as long as it is the current one.
    fn with(&self, number: i64, change: impl FnOnce(&mut Current)) {
        if let Some(current) = self.state().current.as_mut().filter(|current| current.period.number == number) {
            change(current);
        }
    }

    fn standing(&self, number: i64) -> Option<Standing> {
        let state = self.state();
        let Current { period, is_ending, .. } = state.current.as_ref()?;
        let standing = Standing { is_ending: *is_ending, is_used: Arc::strong_count(period) > 1 };
        (period.number == number).then_some(standing)
    }

    /// Grants nothing in memory any more, until another period begins.
    pub(super) fn close(&self) {
        self.state().current = None;
    }

    /// Who is in the way of a lock that the store did not grant. A sole owner that is gone is not the sole one any more.
    pub(super) async fn in_the_way(&self, session: &mut impl Session, me: i64) -> Result<InTheWay, StoreError> {
        let found: Option<(i64, i64, i64, i64, bool)> = session.row(OTHER, &[me.into()]).await?;
        let Some((owner, period, device, inode, is_alive)) = found else { return Ok(InTheWay::SomebodyElse) };
        if is_alive && !is_vacant(&self.sidecar, (device, inode)).unwrap_or(false) {
            return Ok(InTheWay::SoleOwner);
        }
        let _: Option<(i64,)> = session.row(END, &[owner.into(), period.into()]).await?;
        Ok(InTheWay::NobodyNow)
    }
}

/// How a period stands: whether it is about to end, and whether there are locks in memory.
struct Standing {
    is_ending: bool,
    is_used: bool,
}

/// See [`Sole::in_the_way`].
pub(super) enum InTheWay {
    /// The sole owner, which is about to make way.
    SoleOwner,
    /// It was in the way, and is not any more.
    NobodyNow,
    /// Whoever has the lock.
    SomebodyElse,
}

/// Looks as long as a period lasts.
async fn follow<D: Database>(sole: Weak<Sole>, database: D, period: (i64, i64)) {
    let mut pause = LOOKS.0;
    loop {
        sleep(pause).await;
        let Some(sole) = sole.upgrade().filter(|_| !database.is_closed()) else { return };
        pause = match sole.look(&database, period).await {
            Ok(Some(again)) => again,
            Ok(None) => return,
            Err(_) => LOOKS.0, // whoever cannot ask the store gets no lease either
        };
    }
}

fn users(rows: Vec<(String,)>) -> HashSet<UserId> {
    rows.into_iter().map(|(user,)| UserId::new(user)).collect()
}

/// Which file it is.
type Identity = (i64, i64);

fn identity(file: &File) -> io::Result<Identity> {
    let found = file.metadata()?;
    Ok((found.dev().cast_signed(), found.ino().cast_signed()))
}

/// Locks the file, which is made where it is missing; `None` while somebody else has it locked.
fn occupied(path: &Path) -> io::Result<Option<(File, Identity)>> {
    let file = OpenOptions::new().create(true).truncate(false).write(true).open(path)?;
    let identity = identity(&file)?;
    Ok(file.try_lock().is_ok().then_some((file, identity)))
}

/// Whether it is that file, and nobody has it locked.
fn is_vacant(path: &Path, expected: Identity) -> io::Result<bool> {
    let file = File::open(path)?;
    Ok(identity(&file)? == expected && file.try_lock().is_ok())
}

impl fmt::Debug for Sole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sole").field("is_sole", &self.state().current.is_some()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_shows_whether_whoever_locked_it_is_there() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("links.db-sole");
        assert!(is_vacant(&path, (0, 0)).is_err(), "there is none");
        let (held, identity) = occupied(&path).unwrap().unwrap();
        assert!(occupied(&path).unwrap().is_none() && !is_vacant(&path, identity).unwrap());
        // Whoever finds another file in its place knows nothing of the one that was locked.
        std::fs::remove_file(&path).unwrap();
        drop(occupied(&path).unwrap().unwrap());
        assert!(!is_vacant(&path, identity).unwrap());
        drop(held);
        let (held, identity) = occupied(&path).unwrap().unwrap();
        drop(held);
        assert!(is_vacant(&path, identity).unwrap() && occupied(&path).unwrap().is_some());
    }
}
