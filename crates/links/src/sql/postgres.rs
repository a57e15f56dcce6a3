//! Links in PostgreSQL, for any number of processes.

use std::{
    collections::HashSet,
    fmt,
    future::Future,
    num::NonZeroU32,
    path::PathBuf,
    sync::{Arc, Weak},
    time::Duration,
};

use async_trait::async_trait;
use interlingua_core::{ScopeId, UserId};
use serde_json::json;
use sqlx::{
    ConnectOptions, Connection, FromRow, PgConnection, PgPool, Postgres as Engine, Transaction,
    pool::PoolConnection,
    postgres::{PgConnectOptions, PgPoolOptions, PgRow},
};

use super::{
    Kind, ScopeRow, Task, UserRow, as_json, failed, gather, ids_of, listener, migrator, new_id_rows, not_migrated,
    rows, signed, unsigned, within,
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

/// How often a transaction is tried that others got in the way of.
const TRIES: u32 = 6;

/// How long a connection may lie about before it is tried.
const IDLE: Duration = Duration::from_secs(1);

/// Every statement goes from a few keys over indexes to rows. Left to itself, the server would rather read whole tables
/// as long as it has no statistics: after the first import.
const PLANNING: [(&str, &str); 3] =
    [("enable_hashjoin", "off"), ("enable_mergejoin", "off"), ("enable_seqscan", "off")];

const MIGRATIONS: [(&str, &str); 6] = [
    ("links", include_str!("../../migrations/postgres/1_links.sql")),
    ("journal", include_str!("../../migrations/postgres/2_journal.sql")),
    ("locks", include_str!("../../migrations/postgres/3_locks.sql")),
    ("repeats", include_str!("../../migrations/postgres/4_repeats.sql")),
    ("fences", include_str!("../../migrations/postgres/5_fences.sql")),
    ("logged_out", include_str!("../../migrations/postgres/6_logged_out.sql")),
];

/// Links in a database, for any number of processes.
pub struct Postgres {
    pool: PgPool,
    writes: Arc<writes::Kept<PgPool>>,
    watchers: Arc<Watchers>,
    ranges: Ranges,
    timeout: Duration,
    bulk_timeout: Duration,
    _listener: Task,
}

/// The statements for one kind of link.
trait Tables: Kind<Row: for<'r> FromRow<'r, PgRow>> {
    /// The links that have one of the ids.
    const FIND: &'static str;
    /// The same links, so that until the end of the transaction nobody else changes them or gives them an id.
    const LOCK: &'static str;
    /// Numbers for new links.
    const NUMBERS: &'static str;
    const INSERT: &'static str;
    const INSERT_IDS: &'static str;
    const REMOVE: &'static str;
}

impl Tables for UserLink {
    const FIND: &'static str = "
        WITH hit AS (
            SELECT DISTINCT i.link FROM json_array_elements($1::text::json) AS q
            JOIN user_ids AS i ON i.dialect = q ->> 0 AND i.id = q ->> 1)
        SELECT u.*, o.dialect, o.id
        FROM hit JOIN users AS u ON u.link = hit.link JOIN user_ids AS o ON o.link = u.link";
    const LOCK: &'static str = "
        SELECT u.link FROM json_array_elements($1::text::json) AS q
        JOIN user_ids AS i ON i.dialect = q ->> 0 AND i.id = q ->> 1 JOIN users AS u ON u.link = i.link
        ORDER BY u.link FOR UPDATE OF u";
    const NUMBERS: &'static str = "SELECT nextval(pg_get_serial_sequence('users', 'link')) FROM generate_series(1, $1)";
    const INSERT: &'static str = "
        INSERT INTO users (link, login, created, scope_dialect, scope_id)
        SELECT (q ->> 0)::bigint, q ->> 1, q ->> 2, q ->> 3, q ->> 4 FROM json_array_elements($1::text::json) AS q";
    const INSERT_IDS: &'static str = "
        INSERT INTO user_ids (dialect, id, link)
        SELECT q ->> 0, q ->> 1, (q ->> 2)::bigint FROM json_array_elements($1::text::json) AS q";
    const REMOVE: &'static str = "DELETE FROM users WHERE link = $1";
}

impl Tables for ScopeLink {
    const FIND: &'static str = "
        WITH hit AS (
            SELECT DISTINCT i.link FROM json_array_elements($1::text::json) AS q
            JOIN scope_ids AS i ON i.dialect = q ->> 0 AND i.id = q ->> 1)
        SELECT s.link, s.name AS link_name, o.dialect, o.id, o.level, o.name
        FROM hit JOIN scopes AS s ON s.link = hit.link JOIN scope_ids AS o ON o.link = s.link";
    const LOCK: &'static str = "
        SELECT s.link FROM json_array_elements($1::text::json) AS q
        JOIN scope_ids AS i ON i.dialect = q ->> 0 AND i.id = q ->> 1 JOIN scopes AS s ON s.link = i.link
        ORDER BY s.link FOR UPDATE OF s";
    const NUMBERS: &'static str =
        "SELECT nextval(pg_get_serial_sequence('scopes', 'link')) FROM generate_series(1, $1)";
    const INSERT: &'static str = "
        INSERT INTO scopes (link, name)
        SELECT (q ->> 0)::bigint, q ->> 1 FROM json_array_elements($1::text::json) AS q";
    const INSERT_IDS: &'static str = "
        INSERT INTO scope_ids (dialect, id, link, level, name)
        SELECT q ->> 0, q ->> 1, (q ->> 2)::bigint, q ->> 3, q ->> 4 FROM json_array_elements($1::text::json) AS q";
    const REMOVE: &'static str = "DELETE FROM scopes WHERE link = $1";
}

const USERS: &str = "
    SELECT u.*, o.dialect, o.id
    FROM (
        SELECT * FROM users AS u
        WHERE u.link > $1
            AND ($2::text IS NULL OR EXISTS (SELECT 1 FROM user_ids AS x WHERE x.link = u.link AND x.dialect = $2))
            AND ($3::text IS NULL OR NOT EXISTS (SELECT 1 FROM user_ids AS x WHERE x.link = u.link AND x.dialect = $3))
            AND ($4::text IS NULL OR u.login = $4)
            AND ($5::text IS NULL OR strpos(u.login, $5) > 0
                OR EXISTS (SELECT 1 FROM user_ids AS x WHERE x.link = u.link AND strpos(x.id, $5) > 0))
        ORDER BY u.link LIMIT $6) AS u
    JOIN user_ids AS o ON o.link = u.link";
const SCOPES: &str = "
    SELECT s.link, s.name AS link_name, o.dialect, o.id, o.level, o.name
    FROM (SELECT * FROM scopes WHERE link > $1 ORDER BY link LIMIT $2) AS s
    JOIN scope_ids AS o ON o.link = s.link";
const COUNTS: &str = "SELECT (SELECT count(*) FROM users), (SELECT count(*) FROM scopes)";
const REMEMBER: &str = "
    UPDATE users SET login = q ->> 1, created = q ->> 2, scope_dialect = q ->> 3, scope_id = q ->> 4
    FROM (SELECT $1::text::json AS q) AS row WHERE link = (q ->> 0)::bigint";
const TAKEN: &str = "
    SELECT i.id FROM json_array_elements_text($2::text::json) AS q
    JOIN user_ids AS i ON i.dialect = $1 AND i.id = q";
/// Whoever has the counter of a dialect is alone in handing out its ids until the transaction ends.
const COUNTER: &str = "
    INSERT INTO counters (dialect, first, next) VALUES ($1, $2, $2)
    ON CONFLICT (dialect, first) DO UPDATE SET next = counters.next
    RETURNING next";
const SET_COUNTER: &str = "UPDATE counters SET next = $3 WHERE dialect = $1 AND first = $2";
const BULK: &str = "SELECT set_config('statement_timeout', $1, true), set_config('lock_timeout', $1, true)";

impl Postgres {
    /// Opens the database, and makes the tables where they are missing.
    ///
    /// # Errors
    ///
    /// The database does not answer, or is not ours.
    pub(crate) async fn open(connect: PgConnectOptions, options: &Options) -> Result<Self, StoreError> {
        let limit = milliseconds(options.timeout);
        let connect = connect
            .application_name("interlingua")
            .options(PLANNING)
            // A process that dies in a transaction must not keep the others waiting.
            .options([
                ("statement_timeout", limit.as_str()),
                ("lock_timeout", &limit),
                ("idle_in_transaction_session_timeout", &milliseconds(options.bulk_timeout)),
            ])
            .disable_statement_logging();
        let pool = within(options.timeout, pool(connect.clone(), options)).await?;
        within(options.bulk_timeout, migrate(&pool)).await?;
        let watchers = Arc::new(Watchers::default());
        let listener = listener::start(connect, options.timeout, Arc::clone(&watchers)).await?;
        Ok(Self {
            writes: Arc::new(writes::Kept::new(pool.clone(), options)),
            pool,
            watchers,
            ranges: options.ranges.clone(),
            timeout: options.timeout,
            bulk_timeout: options.bulk_timeout,
            _listener: Task(listener),
        })
    }

    async fn find_one<L: Tables>(&self, dialect: &str, id: &str) -> Result<Option<Arc<L>>, StoreError> {
        if !is_storable(dialect) || !is_storable(id) {
            return Ok(None);
        }
        within(self.timeout, async {
            let mut connection = self.pool.acquire().await.map_err(failed)?;
            let found = find::<L>(&mut connection, &[(dialect, id)]).await?;
            Ok(found.into_links().next().map(|(_, link)| link))
        })
        .await
    }

    async fn try_add<L: Tables>(&self, links: &[L]) -> Result<Result<Added, AddError>, StoreError> {
        let mut transaction = self.begin_bulk("BEGIN").await?;
        let stored = find(&mut transaction, &ids_of(links)).await?;
        let plan = plan(links, &stored);
        if plan.taken.is_empty() && !plan.fresh.is_empty() {
            let numbers = numbers::<L>(&mut transaction, plan.fresh.len()).await?;
            let fresh = plan.fresh.iter().map(|&position| &links[position]);
            insert(&numbers.into_iter().zip(fresh).collect::<Vec<_>>(), &mut transaction).await?;
            transaction.commit().await.map_err(failed)?;
        }
        Ok(plan.outcome())
    }

    async fn add<L: Tables>(&self, links: &[L]) -> Result<Added, AddError> {
        within(self.bulk_timeout, retry(|| self.try_add(links))).await?
    }

    async fn check<L: Tables>(&self, links: &[L]) -> Result<Added, AddError> {
        within(self.bulk_timeout, async {
            let mut transaction = self.begin_bulk("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await?;
            let stored = find(&mut transaction, &ids_of(links)).await?;
            plan(links, &stored).outcome()
        })
        .await
    }

    async fn begin_bulk(&self, begin: &'static str) -> Result<Transaction<'static, Engine>, StoreError> {
        let mut transaction = self.pool.begin_with(begin).await.map_err(failed)?;
        let limit = milliseconds(self.bulk_timeout);
        sqlx::query(BULK).bind(limit).execute(&mut *transaction).await.map_err(failed)?;
        Ok(transaction)
    }

    async fn try_remove<L: Tables>(&self, dialect: &str, id: &str) -> Result<Option<Arc<L>>, StoreError> {
        let mut transaction = self.pool.begin().await.map_err(failed)?;
        let found = lock::<L>(&mut transaction, &[(dialect, id)]).await?;
        let Some((number, link)) = found.into_links().next() else { return Ok(None) };
        sqlx::query(L::REMOVE).bind(number).execute(&mut *transaction).await.map_err(failed)?;
        self.commit(transaction, &link.changes()).await?;
        Ok(Some(link))
    }

    async fn remove<L: Tables>(&self, dialect: &str, id: &str) -> Result<Option<Arc<L>>, StoreError> {
        if !is_storable(dialect) || !is_storable(id) {
            return Ok(None);
        }
        within(self.timeout, retry(|| self.try_remove(dialect, id))).await
    }

    async fn try_remember(&self, dialect: &str, id: &UserId, remembered: &Remembered) -> Result<(), StoreError> {
        let mut transaction = self.pool.begin().await.map_err(failed)?;
        let found = lock::<UserLink>(&mut transaction, &[(dialect, id.as_str())]).await?;
        let Some((number, link)) = found.into_links().next() else { return Ok(()) };
        let row = remembered.with(&link, dialect).link_row(number).to_string();
        sqlx::query(REMEMBER).bind(row).execute(&mut *transaction).await.map_err(failed)?;
        self.commit(transaction, &link.changes()).await
    }

    /// Gives ids to those who have none.
    async fn try_hand_out(
        &self,
        wish: &Wish<'_>,
        range: IdRange,
        spell: Spell<'_>,
    ) -> Result<Vec<Arc<UserLink>>, StoreError> {
        let mut transaction = self.pool.begin().await.map_err(failed)?;
        let next = counter(&mut transaction, wish.wanted, range).await?;
        let mut found = lock::<UserLink>(&mut transaction, &wish.keys()).await?;
        let missing = wish.missing(&found);
        if missing.len() == 0 {
            return wish.answer(&found); // somebody else was faster
        }
        let handout = Handout::new(wish.wanted, range, next, missing.len(), spell);
        let (chosen, next) = choose(&mut transaction, wish.wanted, handout).await?;
        set_counter(&mut transaction, wish.wanted, range, next).await?;
        let mut numbers = numbers::<UserLink>(&mut transaction, missing.unlinked.len()).await?.into_iter();
        let given = wish.give(&mut found, missing, chosen, || numbers.next().unwrap_or(i64::MAX));
        let made: Vec<_> = given.made.iter().map(|(number, link)| (*number, link.as_ref())).collect();
        insert(&made, &mut transaction).await?;
        let ids = new_id_rows(&given.extended, wish.wanted);
        sqlx::query(UserLink::INSERT_IDS).bind(ids).execute(&mut *transaction).await.map_err(failed)?;
        let changes: Vec<Change> = given.extended.iter().flat_map(|(_, link)| link.changes()).collect();
        self.commit(transaction, &changes).await?;
        wish.answer(&found)
    }

    /// Hands out nothing, but writes as if: to take the counter writes it.
    async fn try_to_hand_out(&self, wanted: &str, range: IdRange, spell: Spell<'_>) -> Result<(), StoreError> {
        let mut transaction = self.pool.begin().await.map_err(failed)?;
        let next = counter(&mut transaction, wanted, range).await?;
        choose(&mut transaction, wanted, Handout::new(wanted, range, next, 1, spell)).await?;
        transaction.commit().await.map_err(failed)
    }

    /// Commits, and tells everybody what changed: other processes by the database, this one at once.
    async fn commit(&self, mut transaction: Transaction<'_, Engine>, changes: &[Change]) -> Result<(), StoreError> {
        listener::notify(&mut transaction, changes).await?;
        transaction.commit().await.map_err(failed)?;
        changes.iter().for_each(|change| self.watchers.tell(change));
        Ok(())
    }
}

/// Connections, of which none that is dead keeps its place: a peer that is gone without a word would for many minutes.
async fn pool(connect: PgConnectOptions, options: &Options) -> Result<PgPool, StoreError> {
    let limit = options.timeout;
    PgPoolOptions::new()
        .max_connections(options.connections.get())
        .acquire_timeout(limit)
        .test_before_acquire(false)
        .before_acquire(move |connection, about| {
            Box::pin(async move { Ok(about.idle_for < IDLE || answers(connection, limit).await) })
        })
        .after_release(move |connection, _| Box::pin(async move { Ok(answers(connection, limit).await) }))
        .connect_with(connect)
        .await
        .map_err(failed)
}

async fn answers(connection: &mut PgConnection, limit: Duration) -> bool {
    tokio::time::timeout(limit, connection.ping()).await.is_ok_and(|answer| answer.is_ok())
}

async fn migrate(pool: &PgPool) -> Result<(), StoreError> {
    let mut connection = pool.acquire().await.map_err(failed)?;
    let encoding: String =
        sqlx::query_scalar("SHOW server_encoding").fetch_one(&mut *connection).await.map_err(failed)?;
    if encoding != "UTF8" {
        return Err(StoreError::unusable(format!("its encoding is {encoding}, not UTF8")));
    }
    let mut connection = connection.detach(); // whatever happens, the lock of the migration ends with the connection
    migrator(MIGRATIONS).run_direct(None, &mut connection, false).await.map_err(not_migrated)
}

fn milliseconds(duration: Duration) -> String {
    duration.as_millis().max(1).to_string()
}

/// Does `work` again when it failed only because another transaction got in its way.
async fn retry<T, F: Future<Output = Result<T, StoreError>>>(work: impl Fn() -> F) -> Result<T, StoreError> {
    let mut pause = Duration::from_millis(5);
    for _ in 1..TRIES {
        match work().await {
            Err(error) if is_collision(&error) => tokio::time::sleep(pause).await,
            result => return result,
        }
        pause *= 2;
    }
    work().await
}

/// Whether another transaction got in the way: it came first with an id or a link, or the database chose between two.
fn is_collision(error: &StoreError) -> bool {
    let error = std::error::Error::source(error).and_then(|source| source.downcast_ref::<sqlx::Error>());
    let code = error.and_then(sqlx::Error::as_database_error).and_then(sqlx::error::DatabaseError::code);
    code.is_some_and(|code| {
        // unique violation, foreign key violation, serialisation failure, deadlock
        ["23505", "23503", "40001", "40P01"].contains(&code.as_ref())
    })
}

async fn find<L: Tables>(connection: &mut PgConnection, ids: &[(&str, &str)]) -> Result<Table<L>, StoreError> {
    let mut found = Table::default();
    for ids in ids.chunks(super::CHUNK) {
        let rows: Vec<L::Row> =
            sqlx::query_as(L::FIND).bind(as_json(ids)).fetch_all(&mut *connection).await.map_err(failed)?;
        gather(rows)?.into_iter().for_each(|(number, link)| found.put(number, link));
    }
    Ok(found)
}

/// [`find`]s links that stay as they are until the transaction ends.
async fn lock<L: Tables>(connection: &mut PgConnection, ids: &[(&str, &str)]) -> Result<Table<L>, StoreError> {
    sqlx::query(L::LOCK).bind(as_json(ids)).execute(&mut *connection).await.map_err(failed)?;
    find(connection, ids).await // a statement of its own, so that it sees what the lock waited for
}

async fn numbers<L: Tables>(connection: &mut PgConnection, count: usize) -> Result<Vec<i64>, StoreError> {
    let count = i64::try_from(count).unwrap_or(i64::MAX);
    sqlx::query_scalar(L::NUMBERS).bind(count).fetch_all(connection).await.map_err(failed)
}

async fn insert<L: Tables>(links: &[(i64, &L)], connection: &mut PgConnection) -> Result<(), StoreError> {
    for links in links.chunks(super::CHUNK) {
        let (links, ids) = rows(links);
        sqlx::query(L::INSERT).bind(links).execute(&mut *connection).await.map_err(failed)?;
        sqlx::query(L::INSERT_IDS).bind(ids).execute(&mut *connection).await.map_err(failed)?;
    }
    Ok(())
}

/// The number to hand out next. Nobody else has it until the transaction ends.
async fn counter(connection: &mut PgConnection, dialect: &str, range: IdRange) -> Result<u64, StoreError> {
    let counter = sqlx::query_scalar(COUNTER).bind(dialect).bind(signed(range.first()));
    counter.fetch_one(connection).await.map(unsigned).map_err(failed)
}

async fn set_counter(
    connection: &mut PgConnection,
    dialect: &str,
    range: IdRange,
    next: u64,
) -> Result<(), StoreError> {
    let set = sqlx::query(SET_COUNTER).bind(dialect).bind(signed(range.first())).bind(signed(next));
    set.execute(connection).await.map(drop).map_err(failed)
}

/// Chooses ids that no link has, and tells the number to go on from.
async fn choose(
    connection: &mut PgConnection,
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
impl Links for Postgres {
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
        within(self.timeout, retry(|| self.try_remember(dialect, id, remembered))).await
    }

    async fn foreign_users(
        &self,
        dialect: &str,
        ids: &[UserId],
        wanted: &str,
        spell: Spell<'_>,
    ) -> Result<Vec<Arc<UserLink>>, StoreError> {
        let wish = Wish::new(dialect, ids, wanted)?;
        let found = within(self.timeout, async {
            let mut connection = self.pool.acquire().await.map_err(failed)?;
            find::<UserLink>(&mut connection, &wish.keys()).await
        })
        .await?;
        if wish.missing(&found).len() == 0 {
            return wish.answer(&found);
        }
        let range = *self.ranges.get(wanted).ok_or_else(|| StoreError::no_range(wanted))?;
        within(self.timeout, retry(|| self.try_hand_out(&wish, range, spell))).await
    }

    async fn may_hand_out(&self, wanted: &str, spell: Spell<'_>) -> Result<(), StoreError> {
        let range = *self.ranges.get(wanted).ok_or_else(|| StoreError::no_range(wanted))?;
        within(self.timeout, retry(|| self.try_to_hand_out(wanted, range, spell))).await
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
            .fetch_all(&self.pool);
        let rows: Vec<UserRow> = within(self.timeout, async { rows.await.map_err(failed) }).await?;
        Ok(Page::cut(gather(rows)?.into_iter(), limit))
    }

    async fn scopes(&self, after: Option<Cursor>, limit: NonZeroU32) -> Result<Page<ScopeLink>, StoreError> {
        let rows = sqlx::query_as(SCOPES)
            .bind(after.map_or(0, |after| after.0))
            .bind(i64::from(limit.get()) + 1)
            .fetch_all(&self.pool);
        let rows: Vec<ScopeRow> = within(self.timeout, async { rows.await.map_err(failed) }).await?;
        Ok(Page::cut(gather(rows)?.into_iter(), limit))
    }

    async fn counts(&self) -> Result<Counts, StoreError> {
        let counts = sqlx::query_as(COUNTS).fetch_one(&self.pool);
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
        self.pool.close().await;
    }
}

#[async_trait]
impl Database for PgPool {
    type Engine = Engine;

    async fn reader(&self) -> Result<PoolConnection<Engine>, StoreError> {
        self.acquire().await.map_err(failed)
    }

    async fn writer(&self) -> Result<PoolConnection<Engine>, StoreError> {
        self.acquire().await.map_err(failed)
    }

    async fn transaction(&self) -> Result<Transaction<'static, Engine>, StoreError> {
        PgPool::begin(self).await.map_err(failed)
    }

    /// What was erased is gone with the next vacuum.
    async fn tidy(&self) -> Result<(), StoreError> {
        Ok(())
    }

    fn is_closed(&self) -> bool {
        PgPool::is_closed(self)
    }

    fn sidecar(&self) -> Option<PathBuf> {
        None
    }

    fn check(&self) -> Result<(), StoreError> {
        Ok(())
    }
}

impl fmt::Debug for Postgres {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Postgres").field("ranges", &self.ranges).finish_non_exhaustive()
    }
}
