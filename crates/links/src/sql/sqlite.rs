//! Links in a file of SQLite's.

use std::{
    collections::HashSet,
    fmt,
    num::NonZeroU32,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError, Weak},
    time::Duration,
};

use async_trait::async_trait;
use interlingua_core::{ScopeId, UserId};
use serde_json::json;
use sqlx::{
    ConnectOptions, Connection, FromRow, Sqlite as Engine, SqliteConnection, SqlitePool, Transaction,
    pool::PoolConnection,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteRow, SqliteSynchronous},
};

use super::{
    Kind, ScopeRow, Task, UserRow, as_json, failed, gather, ids_of, migrator, new_id_rows, not_migrated, rows, signed,
    unsigned, within,
    writes::{self, Database},
};
use crate::{
    AddError, Added, Change, Counts, Cursor, IdRange, Links, Options, Page, Ranges, Remembered, ScopeLink, Spell,
    StoreError, UserFilter, UserLink, Watcher, Writes,
    changes::Watchers,
    handout::{Handout, Wish},
    link::{Link, is_storable},
    plan::plan,
    table::Table,
};

/// How often the file is looked at for changes of other processes.
const LOOK: Duration = Duration::from_millis(250);

/// How much of the file each connection that reads keeps, in negative KiB. The system keeps all of it anyway, once.
const READER_CACHE: &str = "-256";

/// How the file is called that is locked by whoever is alone.
const SIDECAR: &str = "-sole";

const MIGRATIONS: [(&str, &str); 7] = [
    ("links", include_str!("../../migrations/sqlite/1_links.sql")),
    ("journal", include_str!("../../migrations/sqlite/2_journal.sql")),
    ("locks", include_str!("../../migrations/sqlite/3_locks.sql")),
    ("repeats", include_str!("../../migrations/sqlite/4_repeats.sql")),
    ("fences", include_str!("../../migrations/sqlite/5_fences.sql")),
    ("sole", include_str!("../../migrations/sqlite/6_sole.sql")),
    ("logged_out", include_str!("../../migrations/sqlite/7_logged_out.sql")),
];

/// Links in a file, for one process; others may look and change now and then.
///
/// Reads never wait for writes. Writes wait for each other, those of other processes included.
pub struct Sqlite {
    read: SqlitePool,
    /// One connection, so that writes queue here and not in the database.
    write: SqlitePool,
    pools: Pools,
    writes: Arc<writes::Kept<Pools>>,
    watchers: Arc<Watchers>,
    ranges: Ranges,
    timeout: Duration,
    bulk_timeout: Duration,
    _look: Task,
}

/// The statements for one kind of link.
trait Tables: Kind<Row: for<'r> FromRow<'r, SqliteRow>> {
    /// The links that have one of the ids.
    const FIND: &'static str;
    /// The highest number that a link ever had.
    const LAST: &'static str;
    const INSERT: &'static str;
    const INSERT_IDS: &'static str;
    const REMOVE: &'static str;
}

// CROSS JOIN is how SQLite is told the order: from the few ids that are asked for to their links.

impl Tables for UserLink {
    const FIND: &'static str = "
        WITH hit AS (
            SELECT DISTINCT i.link FROM json_each(?1) AS q CROSS JOIN user_ids AS i
            WHERE i.dialect = q.value ->> 0 AND i.id = q.value ->> 1)
        SELECT u.*, o.dialect, o.id
        FROM hit CROSS JOIN users AS u ON u.link = hit.link CROSS JOIN user_ids AS o ON o.link = u.link";
    const LAST: &'static str = "SELECT coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'users'), 0)";
    const INSERT: &'static str = "
        INSERT INTO users (link, login, created, scope_dialect, scope_id)
        SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4 FROM json_each(?1)";
    const INSERT_IDS: &'static str = "
        INSERT INTO user_ids (dialect, id, link) SELECT value ->> 0, value ->> 1, value ->> 2 FROM json_each(?1)";
    const REMOVE: &'static str = "DELETE FROM users WHERE link = ?1";
}

impl Tables for ScopeLink {
    const FIND: &'static str = "
        WITH hit AS (
            SELECT DISTINCT i.link FROM json_each(?1) AS q CROSS JOIN scope_ids AS i
            WHERE i.dialect = q.value ->> 0 AND i.id = q.value ->> 1)
        SELECT s.link, s.name AS link_name, o.dialect, o.id, o.level, o.name
        FROM hit CROSS JOIN scopes AS s ON s.link = hit.link CROSS JOIN scope_ids AS o ON o.link = s.link";
    const LAST: &'static str = "SELECT coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'scopes'), 0)";
    const INSERT: &'static str = "
        INSERT INTO scopes (link, name) SELECT value ->> 0, value ->> 1 FROM json_each(?1)";
    const INSERT_IDS: &'static str = "
        INSERT INTO scope_ids (dialect, id, link, level, name)
        SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4 FROM json_each(?1)";
    const REMOVE: &'static str = "DELETE FROM scopes WHERE link = ?1";
}

const USERS: &str = "
    SELECT u.*, o.dialect, o.id
    FROM (
        SELECT * FROM users AS u
        WHERE u.link > ?1
            AND (?2 IS NULL OR EXISTS (SELECT 1 FROM user_ids AS x WHERE x.link = u.link AND x.dialect = ?2))
            AND (?3 IS NULL OR NOT EXISTS (SELECT 1 FROM user_ids AS x WHERE x.link = u.link AND x.dialect = ?3))
            AND (?4 IS NULL OR u.login = ?4)
            AND (?5 IS NULL OR instr(u.login, ?5) > 0
                OR EXISTS (SELECT 1 FROM user_ids AS x WHERE x.link = u.link AND instr(x.id, ?5) > 0))
        ORDER BY u.link LIMIT ?6) AS u
    CROSS JOIN user_ids AS o ON o.link = u.link";
const SCOPES: &str = "
    SELECT s.link, s.name AS link_name, o.dialect, o.id, o.level, o.name
    FROM (SELECT * FROM scopes WHERE link > ?1 ORDER BY link LIMIT ?2) AS s
    CROSS JOIN scope_ids AS o ON o.link = s.link";
const COUNTS: &str = "SELECT (SELECT count(*) FROM users), (SELECT count(*) FROM scopes)";
const REMEMBER: &str = "
    UPDATE users SET login = ?1 ->> 1, created = ?1 ->> 2, scope_dialect = ?1 ->> 3, scope_id = ?1 ->> 4
    WHERE link = ?1 ->> 0";
const TAKEN: &str = "
    SELECT i.id FROM json_each(?2) AS q CROSS JOIN user_ids AS i WHERE i.dialect = ?1 AND i.id = q.value";
const COUNTER: &str = "SELECT next FROM counters WHERE dialect = ?1 AND first = ?2";
const SET_COUNTER: &str = "
    INSERT INTO counters (dialect, first, next) VALUES (?1, ?2, ?3)
    ON CONFLICT (dialect, first) DO UPDATE SET next = excluded.next";

impl Sqlite {
    /// Opens the file, and makes it and its tables where they are missing.
    ///
    /// # Errors
    ///
    /// The file cannot be opened or is not ours.
    pub async fn open(path: &Path, options: &Options) -> Result<Self, StoreError> {
        let connect = SqliteConnectOptions::new()
            .filename(path)
            .busy_timeout(options.timeout)
            .foreign_keys(true)
            .disable_statement_logging();
        let watchers = Arc::new(Watchers::default());
        let seen = Arc::new(Seen::default());
        // Several that open a new file at once get in each other's way where SQLite does not wait: when it turns to WAL.
        let write = async {
            loop {
                match writer(connect.clone(), options, Arc::clone(&seen)).await {
                    Err(error) if error.is_retryable() => tokio::time::sleep(PAUSE).await,
                    result => return result,
                }
            }
        };
        let write = within(options.timeout.saturating_mul(2), write).await?;
        let file = File::at(path)?;
        // From now on a file that is missing was removed, and is not to be made again without anything in it.
        write.set_connect_options(writing(connect.clone()));
        let read = SqlitePoolOptions::new()
            .max_connections(options.connections.get())
            .acquire_timeout(options.timeout)
            .test_before_acquire(false)
            .connect_with(connect.read_only(true).pragma("cache_size", READER_CACHE))
            .await
            .map_err(failed)?;
        let look = tokio::spawn(look(write.clone(), seen, Arc::clone(&watchers)));
        let pools = Pools { read: read.clone(), write: write.clone(), file };
        Ok(Self {
            read,
            write,
            writes: Arc::new(writes::Kept::new(pools.clone(), options)),
            pools,
            watchers,
            ranges: options.ranges.clone(),
            timeout: options.timeout,
            bulk_timeout: options.bulk_timeout,
            _look: Task(look),
        })
    }

    async fn find_one<L: Tables>(&self, dialect: &str, id: &str) -> Result<Option<Arc<L>>, StoreError> {
        if !is_storable(dialect) || !is_storable(id) {
            return Ok(None);
        }
        within(self.timeout, async {
            let mut read = self.pools.reader().await?;
            let found = find::<L>(&mut read, &[(dialect, id)]).await?;
            Ok(found.into_links().next().map(|(_, link)| link))
        })
        .await
        .map_err(|error| self.pools.file.explain(error))
    }

    /// Begins to write: nobody else does before the transaction ends.
    async fn begin(&self) -> Result<Transaction<'static, Engine>, StoreError> {
        self.pools.transaction().await
    }

    async fn add<L: Tables>(&self, links: &[L]) -> Result<Added, AddError> {
        within(self.bulk_timeout, async {
            let mut transaction = self.begin().await?;
            let stored = find(&mut transaction, &ids_of(links)).await?;
            let plan = plan(links, &stored);
            if !plan.taken.is_empty() {
                return Err(AddError::Taken(plan.taken));
            }
            let last: i64 = sqlx::query_scalar(L::LAST).fetch_one(&mut *transaction).await.map_err(failed)?;
            let fresh = plan.fresh.iter().map(|&position| &links[position]);
            insert(&(last + 1..).zip(fresh).collect::<Vec<_>>(), &mut transaction).await?;
            transaction.commit().await.map_err(failed)?;
            Ok(Added { added: plan.fresh.len(), unchanged: plan.unchanged })
        })
        .await
    }

    async fn check<L: Tables>(&self, links: &[L]) -> Result<Added, AddError> {
        within(self.bulk_timeout, async {
            let mut transaction = self.read.begin().await.map_err(failed)?;
            let stored = find(&mut transaction, &ids_of(links)).await?;
            plan(links, &stored).outcome()
        })
        .await
    }

    async fn remove<L: Tables>(&self, dialect: &str, id: &str) -> Result<Option<Arc<L>>, StoreError> {
        if !is_storable(dialect) || !is_storable(id) {
            return Ok(None);
        }
        let doubt = self.doubt();
        let link = within(self.timeout, async {
            let mut transaction = self.begin().await?;
            let found = find::<L>(&mut transaction, &[(dialect, id)]).await?;
            let Some((number, link)) = found.into_links().next() else { return Ok(None) };
            sqlx::query(L::REMOVE).bind(number).execute(&mut *transaction).await.map_err(failed)?;
            transaction.commit().await.map_err(failed)?;
            Ok(Some(link))
        })
        .await?;
        doubt.settle(link.iter().flat_map(|link| link.changes()));
        Ok(link)
    }

    /// Remembers something, and says what changed.
    async fn write_down(&self, dialect: &str, id: &UserId, remembered: &Remembered) -> Result<Vec<Change>, StoreError> {
        let mut transaction = self.begin().await?;
        let found = find::<UserLink>(&mut transaction, &[(dialect, id.as_str())]).await?;
        let Some((number, link)) = found.into_links().next() else { return Ok(Vec::new()) };
        let row = remembered.with(&link, dialect).link_row(number).to_string();
        sqlx::query(REMEMBER).bind(row).execute(&mut *transaction).await.map_err(failed)?;
        transaction.commit().await.map_err(failed)?;
        Ok(link.changes())
    }

    /// Gives ids to those who have none, and says what changed.
    async fn hand_out(
        &self,
        wish: &Wish<'_>,
        range: IdRange,
        spell: Spell<'_>,
    ) -> Result<(Vec<Arc<UserLink>>, Vec<Change>), StoreError> {
        let mut transaction = self.begin().await?;
        let mut found = find::<UserLink>(&mut transaction, &wish.keys()).await?;
        let missing = wish.missing(&found);
        if missing.len() == 0 {
            return Ok((wish.answer(&found)?, Vec::new())); // somebody else was faster
        }
        let next = counter(&mut transaction, wish.wanted, range).await?;
        let handout = Handout::new(wish.wanted, range, next, missing.len(), spell);
        let (chosen, next) = choose(&mut transaction, wish.wanted, handout).await?;
        set_counter(&mut transaction, wish.wanted, range, next).await?;
        let last: i64 = sqlx::query_scalar(UserLink::LAST).fetch_one(&mut *transaction).await.map_err(failed)?;
        let mut numbers = last + 1..;
        let given = wish.give(&mut found, missing, chosen, || numbers.next().unwrap_or(i64::MAX));
        let made: Vec<_> = given.made.iter().map(|(number, link)| (*number, link.as_ref())).collect();
        insert(&made, &mut transaction).await?;
        let ids = new_id_rows(&given.extended, wish.wanted);
        sqlx::query(UserLink::INSERT_IDS).bind(ids).execute(&mut *transaction).await.map_err(failed)?;
        transaction.commit().await.map_err(failed)?;
        let changes = given.extended.iter().flat_map(|(_, link)| link.changes()).collect();
        Ok((wish.answer(&found)?, changes))
    }

    /// Hands out an id and takes it back: SQLite would write nothing where nothing changes in between, and a disk has room
    /// for one page when it has none for all that a link takes.
    async fn try_to_hand_out(&self, wanted: &str, range: IdRange, spell: Spell<'_>) -> Result<(), StoreError> {
        let mut transaction = self.begin().await?;
        let next = counter(&mut transaction, wanted, range).await?;
        let handout = Handout::new(wanted, range, next, 1, spell);
        let (chosen, after) = choose(&mut transaction, wanted, handout).await?;
        let last: i64 = sqlx::query_scalar(UserLink::LAST).fetch_one(&mut *transaction).await.map_err(failed)?;
        let ids = chosen.into_iter().map(|id| (wanted.into(), id)).collect();
        insert(&[(last + 1, &UserLink { ids, ..UserLink::default() })], &mut transaction).await?;
        set_counter(&mut transaction, wanted, range, after).await?;
        sqlx::query(UserLink::REMOVE).bind(last + 1).execute(&mut *transaction).await.map_err(failed)?;
        set_counter(&mut transaction, wanted, range, next).await?;
        transaction.commit().await.map_err(failed)
    }

    /// To be taken before a change: unless it is settled, watchers are told that anything may have changed.
    fn doubt(&self) -> Doubt<'_> {
        Doubt { store: self, settled: false }
    }
}

/// A change that may be given up, or fail, when the file has it already.
struct Doubt<'a> {
    store: &'a Sqlite,
    settled: bool,
}

impl Doubt<'_> {
    fn settle(mut self, changes: impl IntoIterator<Item = Change>) {
        self.settled = true;
        for change in changes {
            self.store.watchers.tell(&change);
        }
    }
}

impl Drop for Doubt<'_> {
    fn drop(&mut self) {
        if self.settled {
            return;
        }
        self.store.watchers.tell(&Change::Everything);
        let (write, watchers) = (self.store.write.clone(), Arc::clone(&self.store.watchers));
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            // The connection comes back only when all that was sent over it is done.
            runtime.spawn(async move {
                drop(write.acquire().await);
                watchers.tell(&Change::Everything);
            });
        }
    }
}

/// The file that was opened. What is written to it after it was removed or replaced is lost, and the ids that are
/// handed out then are handed out again.
#[derive(Clone)]
struct File {
    path: PathBuf,
    device: u64,
    inode: u64,
}

impl File {
    fn at(path: &Path) -> Result<Self, StoreError> {
        let found = path.metadata().map_err(|error| StoreError::unusable("its file is not there").because(error))?;
        Ok(Self { path: path.into(), device: found.dev(), inode: found.ino() })
    }

    /// The file of the same name with this end.
    fn beside(&self, end: &str) -> PathBuf {
        let mut path = self.path.clone().into_os_string();
        path.push(end);
        path.into()
    }

    /// A failure that passes, unless the file is gone: SQLite's own words for that sound as if waiting helped.
    fn explain(&self, error: StoreError) -> StoreError {
        if error.is_retryable() { self.check().err().unwrap_or(error) } else { error }
    }

    /// Makes sure that it is where it was.
    fn check(&self) -> Result<(), StoreError> {
        let moved = || StoreError::unusable("its file was removed or replaced while it was open");
        let found = self.path.metadata().map_err(|error| moved().because(error))?;
        if (found.dev(), found.ino()) == (self.device, self.inode) { Ok(()) } else { Err(moved()) }
    }
}

/// The version of the data that was seen last; none for a connection that is new.
#[derive(Default)]
struct Seen(Mutex<Option<i64>>);

impl Seen {
    /// Sees a version, and tells the one before.
    fn replace(&self, version: Option<i64>) -> Option<i64> {
        std::mem::replace(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner), version)
    }
}

/// How the connection that writes is made.
fn writing(connect: SqliteConnectOptions) -> SqliteConnectOptions {
    connect
        .journal_mode(SqliteJournalMode::Wal)
        // An id that was handed out must not be handed out again after a power cut.
        .synchronous(SqliteSynchronous::Full)
        // What is erased is overwritten.
        .pragma("secure_delete", "ON")
}

/// The connection that writes, with the tables in place.
async fn writer(connect: SqliteConnectOptions, options: &Options, seen: Arc<Seen>) -> Result<SqlitePool, StoreError> {
    let pool = SqlitePoolOptions::new()
        .max_connections(1)
        .acquire_timeout(options.timeout)
        .max_lifetime(None)
        .idle_timeout(None)
        .test_before_acquire(false)
        .after_connect(move |_, _| {
            seen.replace(None);
            Box::pin(async { Ok(()) })
        })
        // When the disk is full, among others, SQLite itself ends the transaction, and a connection that still believes
        // to be in one is of no use. The ping waits until what was sent before is done.
        .after_release(|connection, _| {
            Box::pin(async {
                connection.ping().await?;
                Ok(!connection.is_in_transaction())
            })
        })
        .connect_with(writing(connect).create_if_missing(true))
        .await
        .map_err(failed)?;
    // Within a transaction of its own: two processes that open a new file make the tables once.
    let mut transaction = pool.begin_with("BEGIN IMMEDIATE").await.map_err(failed)?;
    migrator(MIGRATIONS).run_direct(None, &mut *transaction, false).await.map_err(not_migrated)?;
    transaction.commit().await.map_err(failed)?;
    Ok(pool)
}

/// How long a file that others are making ready is left alone.
const PAUSE: Duration = Duration::from_millis(20);

/// Tells of changes that other processes make. What the writing connection itself changes leaves its version alone.
async fn look(write: SqlitePool, seen: Arc<Seen>, watchers: Arc<Watchers>) {
    let mut beat = tokio::time::interval(LOOK);
    beat.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        beat.tick().await;
        // One that was given up is made again, or changes would be missed until the next write.
        let connection = if write.size() == 0 { write.acquire().await.ok() } else { write.try_acquire() };
        let Some(mut connection) = connection else { continue };
        let version = sqlx::query_scalar("PRAGMA data_version").fetch_one(&mut *connection).await;
        if let Ok(version) = version
            && seen.replace(Some(version)) != Some(version)
        {
            watchers.tell(&Change::Everything);
        }
    }
}

async fn find<L: Tables>(connection: &mut SqliteConnection, ids: &[(&str, &str)]) -> Result<Table<L>, StoreError> {
    let mut found = Table::default();
    for ids in ids.chunks(super::CHUNK) {
        let rows: Vec<L::Row> =
            sqlx::query_as(L::FIND).bind(as_json(ids)).fetch_all(&mut *connection).await.map_err(failed)?;
        gather(rows)?.into_iter().for_each(|(number, link)| found.put(number, link));
    }
    Ok(found)
}

async fn insert<L: Tables>(links: &[(i64, &L)], connection: &mut SqliteConnection) -> Result<(), StoreError> {
    for links in links.chunks(super::CHUNK) {
        let (links, ids) = rows(links);
        sqlx::query(L::INSERT).bind(links).execute(&mut *connection).await.map_err(failed)?;
        sqlx::query(L::INSERT_IDS).bind(ids).execute(&mut *connection).await.map_err(failed)?;
    }
    Ok(())
}

/// The number to hand out next.
async fn counter(connection: &mut SqliteConnection, dialect: &str, range: IdRange) -> Result<u64, StoreError> {
    let first = signed(range.first());
    let next: Option<i64> =
        sqlx::query_scalar(COUNTER).bind(dialect).bind(first).fetch_optional(connection).await.map_err(failed)?;
    Ok(next.map_or(range.first(), unsigned))
}

async fn set_counter(
    connection: &mut SqliteConnection,
    dialect: &str,
    range: IdRange,
    next: u64,
) -> Result<(), StoreError> {
    let set = sqlx::query(SET_COUNTER).bind(dialect).bind(signed(range.first())).bind(signed(next));
    set.execute(connection).await.map(drop).map_err(failed)
}

/// Chooses ids that no link has, and tells the number to go on from.
async fn choose(
    connection: &mut SqliteConnection,
    dialect: &str,
    mut handout: Handout<'_>,
) -> Result<(Vec<UserId>, u64), StoreError> {
    loop {
        let candidates = handout.candidates()?;
        if candidates.is_empty() {
            return Ok(handout.done());
        }
        let ids: Vec<&str> = candidates.iter().map(|(_, id)| id.as_str()).collect();
        let taken: Vec<String> = sqlx::query_scalar(TAKEN)
            .bind(dialect)
            .bind(json!(ids).to_string())
            .fetch_all(&mut *connection)
            .await
            .map_err(failed)?;
        let taken: HashSet<UserId> = taken.into_iter().map(UserId::new).collect();
        handout.choose(candidates, &taken);
    }
}

#[async_trait]
impl Links for Sqlite {
    async fn user(&self, dialect: &str, id: &UserId) -> Result<Option<Arc<UserLink>>, StoreError> {
        self.find_one(dialect, id.as_str()).await
    }

    async fn scope(&self, dialect: &str, id: &ScopeId) -> Result<Option<Arc<ScopeLink>>, StoreError> {
        self.find_one(dialect, id.as_str()).await
    }

    async fn remember(&self, dialect: &str, id: &UserId, remembered: &Remembered) -> Result<(), StoreError> {
        remembered.check()?;
        let Some(link) = self.user(dialect, id).await? else { return Ok(()) };
        if remembered.with(&link, dialect) == *link {
            return Ok(());
        }
        let doubt = self.doubt();
        doubt.settle(within(self.timeout, self.write_down(dialect, id, remembered)).await?);
        Ok(())
    }

    async fn foreign_users(
        &self,
        dialect: &str,
        ids: &[UserId],
        wanted: &str,
        spell: Spell<'_>,
    ) -> Result<Vec<Arc<UserLink>>, StoreError> {
        let wish = Wish::new(dialect, ids, wanted)?;
        self.pools.file.check()?;
        let found = within(self.timeout, async {
            let mut read = self.pools.reader().await?;
            find::<UserLink>(&mut read, &wish.keys()).await
        })
        .await?;
        if wish.missing(&found).len() == 0 {
            return wish.answer(&found);
        }
        let range = *self.ranges.get(wanted).ok_or_else(|| StoreError::no_range(wanted))?;
        let doubt = self.doubt();
        let (links, changes) = within(self.timeout, self.hand_out(&wish, range, spell)).await?;
        doubt.settle(changes);
        Ok(links)
    }

    async fn may_hand_out(&self, wanted: &str, spell: Spell<'_>) -> Result<(), StoreError> {
        let range = *self.ranges.get(wanted).ok_or_else(|| StoreError::no_range(wanted))?;
        within(self.timeout, self.try_to_hand_out(wanted, range, spell)).await
    }

    async fn add_users(&self, links: Vec<UserLink>) -> Result<Added, AddError> {
        self.add(&links).await
    }

    async fn check_users(&self, links: Vec<UserLink>) -> Result<Added, AddError> {
        self.check(&links).await
    }

    async fn add_scopes(&self, links: Vec<ScopeLink>) -> Result<Added, AddError> {
        self.add(&links).await
    }

    async fn check_scopes(&self, links: Vec<ScopeLink>) -> Result<Added, AddError> {
        self.check(&links).await
    }

    async fn remove_user(&self, dialect: &str, id: &UserId) -> Result<Option<Arc<UserLink>>, StoreError> {
        self.remove(dialect, id.as_str()).await
    }

    async fn remove_scope(&self, dialect: &str, id: &ScopeId) -> Result<Option<Arc<ScopeLink>>, StoreError> {
        self.remove(dialect, id.as_str()).await
    }

    async fn users(
        &self,
        filter: &UserFilter,
        after: Option<Cursor>,
        limit: NonZeroU32,
    ) -> Result<Page<UserLink>, StoreError> {
        if filter.admits_nothing() {
            return Ok(Page::empty());
        }
        let rows = sqlx::query_as(USERS)
            .bind(after.map_or(0, |after| after.0))
            .bind(filter.has.as_deref())
            .bind(filter.lacks.as_deref().filter(|dialect| is_storable(dialect)))
            .bind(filter.login.as_deref())
            .bind(filter.containing.as_deref())
            .bind(i64::from(limit.get()) + 1)
            .fetch_all(&self.read);
        let rows: Vec<UserRow> = within(self.timeout, async { rows.await.map_err(failed) }).await?;
        Ok(Page::cut(gather(rows)?.into_iter(), limit))
    }

    async fn scopes(&self, after: Option<Cursor>, limit: NonZeroU32) -> Result<Page<ScopeLink>, StoreError> {
        let rows = sqlx::query_as(SCOPES)
            .bind(after.map_or(0, |after| after.0))
            .bind(i64::from(limit.get()) + 1)
            .fetch_all(&self.read);
        let rows: Vec<ScopeRow> = within(self.timeout, async { rows.await.map_err(failed) }).await?;
        Ok(Page::cut(gather(rows)?.into_iter(), limit))
    }

    async fn counts(&self) -> Result<Counts, StoreError> {
        let counts = sqlx::query_as(COUNTS).fetch_one(&self.read);
        let (users, scopes) = within(self.timeout, async { counts.await.map_err(failed) }).await?;
        Ok(Counts { users: unsigned(users), scopes: unsigned(scopes) })
    }

    fn watch(&self, watcher: Weak<dyn Watcher>) {
        self.watchers.add(watcher);
    }

    fn writes(&self) -> Arc<dyn Writes> {
        Arc::clone(&self.writes) as _
    }

    async fn close(&self) {
        self.writes.close();
        self.read.close().await;
        self.write.close().await;
    }
}

/// What is kept of writes goes the same ways as links.
#[derive(Clone)]
struct Pools {
    read: SqlitePool,
    write: SqlitePool,
    file: File,
}

#[async_trait]
impl Database for Pools {
    type Engine = Engine;

    async fn reader(&self) -> Result<PoolConnection<Engine>, StoreError> {
        self.read.acquire().await.map_err(|error| self.file.explain(failed(error)))
    }

    async fn writer(&self) -> Result<PoolConnection<Engine>, StoreError> {
        self.file.check()?;
        self.write.acquire().await.map_err(failed)
    }

    async fn transaction(&self) -> Result<Transaction<'static, Engine>, StoreError> {
        self.file.check()?; // or SQLite might stumble over it with less telling words
        let transaction = self.write.begin_with("BEGIN IMMEDIATE").await.map_err(failed)?;
        self.file.check()?; // the lock may have been waited for
        Ok(transaction)
    }

    /// The log keeps what was overwritten in the file, until it is written anew.
    async fn tidy(&self) -> Result<(), StoreError> {
        sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").execute(&self.write).await.map_err(failed)?;
        Ok(())
    }

    fn is_closed(&self) -> bool {
        self.write.is_closed()
    }

    fn sidecar(&self) -> Option<PathBuf> {
        Some(self.file.beside(SIDECAR))
    }

    fn check(&self) -> Result<(), StoreError> {
        self.file.check()
    }
}

impl fmt::Debug for Sqlite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sqlite").field("ranges", &self.ranges).finish_non_exhaustive()
    }
}
