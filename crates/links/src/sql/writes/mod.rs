//! What is kept of writes in databases: every statement is the same for both engines, that understand `$1`, too.
//!
//! A statement changes a row only by what stands in that row: what is known of other rows, above all that an owner is
//! gone, is found out before, and the row must still be as it was found. So it does not matter which of two comes first.

mod journal;
mod locks;
mod log_outs;
mod repeats;
mod sole;

use std::{
    fmt,
    future::Future,
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use async_trait::async_trait;
use sqlx::{
    Arguments, Encode, FromRow, PgConnection, SqliteConnection, Transaction, Type,
    pool::PoolConnection,
    postgres::{PgArguments, PgRow},
    sqlite::{SqliteArguments, SqliteRow},
};
use tokio::sync::Mutex;

use self::{locks::Unanswered, sole::Sole};
use super::{failed, signed, unsigned, within};
use crate::{
    Options, StoreError, Writes,
    writes::{Queues, Seal},
};

/// How long is kept what only matters to those who are alive, such as owners.
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

const RENEW: &str = "UPDATE owners SET until = (SELECT now FROM clock) + $2 WHERE owner = $1 RETURNING owner";
const NEW_OWNER: &str = "INSERT INTO owners (until) SELECT now + $1 FROM clock RETURNING owner";
const SWEEP_JOURNAL: &str = "DELETE FROM journal WHERE closed < (SELECT now FROM clock) - $1 RETURNING entry";
const SWEEP_OWNERS: &str = "DELETE FROM owners WHERE until < (SELECT now FROM clock) - $1 RETURNING owner";
const SWEEP_REPEATS: &str = "
    DELETE FROM repeats
    WHERE expires <= (SELECT now FROM clock)
        AND (status IS NOT NULL
            OR NOT EXISTS (SELECT 1 FROM owners AS o, clock WHERE o.owner = repeats.owner AND o.until > now))
    RETURNING expires";
const SWEEP_LOG_OUTS: &str = "DELETE FROM logged_out WHERE expires <= (SELECT now FROM clock) RETURNING expires";
/// Those whose owner is not even known any more are as good as free.
const SWEEP_LOCKS: &str = "
    DELETE FROM locks
    WHERE fence < (SELECT now FROM clock) - $1
        AND (owner IS NULL OR NOT EXISTS (SELECT 1 FROM owners AS o WHERE o.owner = locks.owner))
    RETURNING fence";

/// A database, whichever engine's.
#[async_trait]
pub(super) trait Database: Clone + Send + Sync + 'static {
    /// The engine.
    type Engine: sqlx::Database<Connection: Session>;

    /// A connection to read over.
    async fn reader(&self) -> Result<PoolConnection<Self::Engine>, StoreError>;

    /// A connection to write over.
    async fn writer(&self) -> Result<PoolConnection<Self::Engine>, StoreError>;

    /// A transaction to write in.
    async fn transaction(&self) -> Result<Transaction<'static, Self::Engine>, StoreError>;

    /// Leaves nothing behind of what was deleted, as far as the engine can.
    async fn tidy(&self) -> Result<(), StoreError>;

    /// Whether the store was closed.
    fn is_closed(&self) -> bool;

    /// A file beside the database, by a lock on which a process on this machine shows that it lives; none where there
    /// is no machine that all processes are on.
    fn sidecar(&self) -> Option<PathBuf>;

    /// Makes sure, without a question to the database, that it is the one that was opened.
    fn check(&self) -> Result<(), StoreError>;
}

/// A connection, whichever engine's.
pub(super) trait Session: Send {
    /// What the statement finds, or returns of what it changed.
    fn rows<R: AnyRow>(
        &mut self,
        statement: &'static str,
        arguments: &[Argument<'_>],
    ) -> impl Future<Output = Result<Vec<R>, StoreError>> + Send;

    /// The same for a statement that finds one row at most.
    fn row<R: AnyRow>(
        &mut self,
        statement: &'static str,
        arguments: &[Argument<'_>],
    ) -> impl Future<Output = Result<Option<R>, StoreError>> + Send {
        async move { Ok(self.rows(statement, arguments).await?.pop()) }
    }
}

/// What a row of either engine can be read as.
pub(super) trait AnyRow: for<'r> FromRow<'r, SqliteRow> + for<'r> FromRow<'r, PgRow> + Send + Unpin {}

impl<R: for<'r> FromRow<'r, SqliteRow> + for<'r> FromRow<'r, PgRow> + Send + Unpin> AnyRow for R {}

/// An argument of a statement.
#[derive(Clone, Copy)]
pub(super) enum Argument<'a> {
    Number(Option<i64>),
    Text(Option<&'a str>),
    Bytes(Option<&'a [u8]>),
}

impl From<i64> for Argument<'_> {
    fn from(number: i64) -> Self {
        Self::Number(Some(number))
    }
}

impl From<Option<i64>> for Argument<'_> {
    fn from(number: Option<i64>) -> Self {
        Self::Number(number)
    }
}

impl<'a> From<&'a str> for Argument<'a> {
    fn from(text: &'a str) -> Self {
        Self::Text(Some(text))
    }
}

impl<'a> From<Option<&'a str>> for Argument<'a> {
    fn from(text: Option<&'a str>) -> Self {
        Self::Text(text)
    }
}

impl<'a> From<Option<&'a [u8]>> for Argument<'a> {
    fn from(bytes: Option<&'a [u8]>) -> Self {
        Self::Bytes(bytes)
    }
}

impl From<Duration> for Argument<'_> {
    fn from(duration: Duration) -> Self {
        Self::Number(Some(milliseconds(duration)))
    }
}

fn milliseconds(duration: Duration) -> i64 {
    // Half of what fits, so that it can be added to and taken from any time.
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX).min(i64::MAX / 2)
}

fn time(milliseconds: i64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_millis(unsigned(milliseconds))
}

impl Session for SqliteConnection {
    async fn rows<R: AnyRow>(
        &mut self,
        statement: &'static str,
        arguments: &[Argument<'_>],
    ) -> Result<Vec<R>, StoreError> {
        let bound = bind::<SqliteArguments>(arguments)?;
        sqlx::query_as_with(statement, bound).fetch_all(self).await.map_err(failed)
    }
}

impl Session for PgConnection {
    async fn rows<R: AnyRow>(
        &mut self,
        statement: &'static str,
        arguments: &[Argument<'_>],
    ) -> Result<Vec<R>, StoreError> {
        let bound = bind::<PgArguments>(arguments)?;
        sqlx::query_as_with(statement, bound).fetch_all(self).await.map_err(failed)
    }
}

fn bind<'a, A: Arguments>(arguments: &[Argument<'a>]) -> Result<A, StoreError>
where
    Option<i64>: Encode<'a, A::Database> + Type<A::Database>,
    Option<&'a str>: Encode<'a, A::Database> + Type<A::Database>,
    Option<&'a [u8]>: Encode<'a, A::Database> + Type<A::Database>,
{
    let mut bound = A::default();
    for argument in arguments {
        let added = match *argument {
            Argument::Number(number) => bound.add(number),
            Argument::Text(text) => bound.add(text),
            Argument::Bytes(bytes) => bound.add(bytes),
        };
        added.map_err(StoreError::unavailable)?;
    }
    Ok(bound)
}

/// Whether something was there to be changed, and the caller's.
fn changed(row: Option<(i64,)>, what: &'static str) -> Result<(), StoreError> {
    row.map(drop).ok_or_else(|| StoreError::lost(what))
}

/// What is kept of writes in a database, by one owner.
pub(super) struct Kept<D> {
    database: D,
    seal: Seal,
    lease: Duration,
    timeout: Duration,
    bulk_timeout: Duration,
    owner: Mutex<Option<Owner>>,
    queues: Queues,
    unanswered: Arc<Unanswered>,
    sole: Option<Arc<Sole>>,
}

/// An owner, and until when its lease lasts at least.
#[derive(Clone, Copy)]
struct Owner {
    number: i64,
    until: Instant,
}

impl<D: Database> Kept<D> {
    pub(super) fn new(database: D, options: &Options) -> Self {
        Self {
            sole: database.sidecar().map(|sidecar| Arc::new(Sole::new(sidecar, options.timeout))),
            database,
            seal: Seal::new(options.key.as_ref()),
            lease: options.lease,
            timeout: options.timeout,
            bulk_timeout: options.bulk_timeout,
            owner: Mutex::default(),
            queues: Queues::default(),
            unanswered: Arc::default(),
        }
    }

    /// The number of this owner, whose lease lasts for a while.
    async fn owner(&self) -> Result<i64, StoreError> {
        let mut owner = self.owner.lock().await;
        match *owner {
            Some(Owner { number, until }) if until > Instant::now() + self.lease / 2 => Ok(number),
            _ => self.renew_as(&mut owner).await,
        }
    }

    async fn renew_as(&self, owner: &mut Option<Owner>) -> Result<i64, StoreError> {
        let until = Instant::now() + self.lease;
        let mut writer = self.database.writer().await?;
        let known = match *owner {
            Some(Owner { number, .. }) => writer.row(RENEW, &[number.into(), self.lease.into()]).await?,
            None => None,
        };
        let renewed: Option<(i64,)> = match known {
            None => writer.row(NEW_OWNER, &[self.lease.into()]).await?,
            known => known,
        };
        let (number,) = renewed.ok_or_else(|| StoreError::unusable("no number for an owner"))?;
        drop(writer);
        *owner = Some(Owner { number, until });
        if let Some(sole) = &self.sole {
            sole.renewed(&self.database, number, until).await?;
        }
        Ok(number)
    }

    /// Keeps no locks in memory any more.
    pub(super) fn close(&self) {
        if let Some(sole) = &self.sole {
            sole.close();
        }
    }
}

#[async_trait]
impl<D: Database> Writes for Kept<D> {
    async fn renew(&self) -> Result<(), StoreError> {
        within(self.timeout, async {
            let mut owner = self.owner.lock().await;
            self.renew_as(&mut owner).await.map(drop)
        })
        .await?;
        self.free_forgotten().await
    }

    async fn sweep(&self, keep: Duration) -> Result<u64, StoreError> {
        within(self.bulk_timeout, async {
            let mut writer = self.database.writer().await?;
            let _: Vec<(i64,)> = writer.rows(SWEEP_OWNERS, &[DAY.into()]).await?;
            let _: Vec<(i64,)> = writer.rows(SWEEP_LOCKS, &[DAY.into()]).await?;
            let _: Vec<(i64,)> = writer.rows(SWEEP_REPEATS, &[]).await?;
            let _: Vec<(i64,)> = writer.rows(SWEEP_LOG_OUTS, &[]).await?;
            let entries: Vec<(i64,)> = writer.rows(SWEEP_JOURNAL, &[keep.into()]).await?;
            drop(writer);
            self.database.tidy().await?;
            Ok(u64::try_from(entries.len()).unwrap_or(u64::MAX))
        })
        .await
    }
}

impl<D> fmt::Debug for Kept<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kept").field("lease", &self.lease).finish_non_exhaustive()
    }
}
