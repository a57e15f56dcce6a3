//! Links in databases: what the engines have in common.
//!
//! A link is a row with a number, and a row for each of its ids. Both engines take a list as one parameter, in
//! JSON, so that every statement is a constant, whatever the number of links.

mod listener;
mod postgres;
mod sqlite;
mod writes;

use std::{collections::BTreeMap, future::Future, sync::Arc, time::Duration};

use interlingua_core::{Level, Scope, ScopeId, Text, Timestamp, UserId};
use serde_json::{Value, json};
use sqlx::{
    SqlSafeStr,
    migrate::{Migration, MigrationType, Migrator},
};
use tokio::{task::JoinHandle, time::timeout};

pub use postgres::Postgres;
pub use sqlite::Sqlite;

use crate::{
    ByDialect, ScopeLink, StoreError, UserLink,
    link::{Link, is_storable},
};

/// How many ids or links go into one statement.
const CHUNK: usize = 5000;

/// Does `work`, unless it takes longer than `limit`.
async fn within<T, E: From<StoreError>>(limit: Duration, work: impl Future<Output = Result<T, E>>) -> Result<T, E> {
    match timeout(limit, work).await {
        Ok(result) => result,
        Err(_) => Err(StoreError::unavailable(format!("no answer within {limit:?}")).into()),
    }
}

/// What an error of the database means to the caller.
fn failed(error: sqlx::Error) -> StoreError {
    use sqlx::Error as E;
    match &error {
        E::ColumnNotFound(_) | E::ColumnIndexOutOfBounds { .. } | E::ColumnDecode { .. } | E::TypeNotFound { .. } => {
            StoreError::unusable("its tables are not as they must be").because(error)
        }
        E::Configuration(_) | E::Tls(_) => StoreError::unusable("its address or its options are wrong").because(error),
        E::Database(said) if said.code().is_some_and(|code| is_permanent(&code)) => {
            StoreError::unusable("the database refuses it for good").because(error)
        }
        _ => StoreError::unavailable(error),
    }
}

/// Errors that waiting does not mend.
fn is_permanent(code: &str) -> bool {
    match code.parse::<u32>() {
        // SQLite: read-only, damaged, cannot be opened, no database. The rest of the number is detail.
        Ok(code) if code < 10_000 => [8, 11, 14, 26].contains(&(code % 256)),
        // PostgreSQL: no such table or column; no permission, unknown user, wrong password, no such database.
        _ => ["42P01", "42703", "42501", "28000", "28P01", "3D000"].contains(&code),
    }
}

/// The tables as this version knows them, from what they are made with, one after the other.
fn migrator<const N: usize>(migrations: [(&'static str, &'static str); N]) -> Migrator {
    let numbered = (1..).zip(migrations).map(|(number, (name, statements))| {
        Migration::new(number, name.into(), MigrationType::Simple, statements.into_sql_str(), false)
    });
    Migrator::with_migrations(numbered.collect())
}

fn not_migrated(error: sqlx::migrate::MigrateError) -> StoreError {
    use sqlx::migrate::MigrateError as E;
    match error {
        E::VersionMissing(_) | E::VersionMismatch(_) => {
            StoreError::unusable("its tables are those of another version of this program").because(error)
        }
        E::Execute(error) => failed(error),
        error => StoreError::unusable("its tables cannot be made").because(error),
    }
}

/// A task that ends with its owner.
#[derive(Debug)]
struct Task(JoinHandle<()>);

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Users or scopes: how a kind of link is spread over rows.
trait Kind: Link + Send + Sync + Sized {
    /// A row of the link and one of its ids.
    type Row: Row<Link = Self> + Send + Unpin;

    /// The row of the link, as the statements that insert it expect it.
    fn link_row(&self, number: i64) -> Value;

    /// The rows of the ids, likewise.
    fn id_rows(&self, number: i64) -> Vec<Value>;
}

/// A link's number and details, with one of its ids.
trait Row {
    type Link;

    fn number(&self) -> i64;

    /// The link, without ids.
    fn link(&self) -> Result<Self::Link, StoreError>;

    /// Adds the id that this row tells.
    fn add_to(self, link: &mut Self::Link) -> Result<(), StoreError>;
}

#[derive(sqlx::FromRow)]
struct UserRow {
    link: i64,
    login: Option<String>,
    created: Option<String>,
    scope_dialect: Option<String>,
    scope_id: Option<String>,
    dialect: String,
    id: String,
}

#[derive(sqlx::FromRow)]
struct ScopeRow {
    link: i64,
    link_name: Option<String>,
    dialect: String,
    id: String,
    level: Option<String>,
    name: Option<String>,
}

impl Kind for UserLink {
    type Row = UserRow;

    fn link_row(&self, number: i64) -> Value {
        let (dialect, scope) = self.scope.as_ref().map(|(dialect, id)| (dialect.as_str(), id.as_str())).unzip();
        json!([number, self.login, self.created.as_ref().map(Timestamp::as_str), dialect, scope])
    }

    fn id_rows(&self, number: i64) -> Vec<Value> {
        self.ids.iter().map(|(dialect, id)| json!([dialect, id.as_str(), number])).collect()
    }
}

impl Kind for ScopeLink {
    type Row = ScopeRow;

    fn link_row(&self, number: i64) -> Value {
        json!([number, self.name])
    }

    fn id_rows(&self, number: i64) -> Vec<Value> {
        let row = |(dialect, scope): (&Text, &Scope)| {
            json!([dialect, scope.id.as_str(), number, scope.level.map(word_of_level), scope.name])
        };
        self.scopes.iter().map(row).collect()
    }
}

impl Row for UserRow {
    type Link = UserLink;

    fn number(&self) -> i64 {
        self.link
    }

    fn link(&self) -> Result<UserLink, StoreError> {
        let created = self.created.as_deref().map(Timestamp::parse).transpose();
        let scope = self.scope_dialect.as_deref().zip(self.scope_id.as_deref());
        Ok(UserLink {
            ids: ByDialect::new(),
            login: self.login.as_deref().map(Into::into),
            created: created.map_err(|error| StoreError::unusable("a time in it is none").because(error))?,
            scope: scope.map(|(dialect, id)| (dialect.into(), ScopeId::new(id))),
        })
    }

    fn add_to(self, link: &mut UserLink) -> Result<(), StoreError> {
        link.ids.insert(self.dialect.into(), UserId::new(self.id));
        Ok(())
    }
}

impl Row for ScopeRow {
    type Link = ScopeLink;

    fn number(&self) -> i64 {
        self.link
    }

    fn link(&self) -> Result<ScopeLink, StoreError> {
        Ok(ScopeLink { scopes: ByDialect::new(), name: self.link_name.as_deref().map(Into::into) })
    }

    fn add_to(self, link: &mut ScopeLink) -> Result<(), StoreError> {
        let level = self.level.as_deref().map(level_of_word).transpose()?;
        let scope = Scope { id: ScopeId::new(self.id), level, name: self.name.map(Into::into) };
        link.scopes.insert(self.dialect.into(), scope);
        Ok(())
    }
}

fn level_of_word(word: &str) -> Result<Level, StoreError> {
    match word {
        "unit" => Ok(Level::Unit),
        "organisation" => Ok(Level::Organisation),
        _ => Err(StoreError::unusable("a level in it is none")),
    }
}

fn word_of_level(level: Level) -> &'static str {
    match level {
        Level::Unit => "unit",
        Level::Organisation => "organisation",
    }
}

/// The links that rows tell, by number.
fn gather<R: Row>(rows: Vec<R>) -> Result<BTreeMap<i64, Arc<R::Link>>, StoreError> {
    let mut links: BTreeMap<i64, R::Link> = BTreeMap::new();
    for row in rows {
        let number = row.number();
        if let Some(link) = links.get_mut(&number) {
            row.add_to(link)?;
        } else {
            let mut link = row.link()?;
            row.add_to(&mut link)?;
            links.insert(number, link);
        }
    }
    Ok(links.into_iter().map(|(number, link)| (number, Arc::new(link))).collect())
}

/// All ids of some links that a store may hold.
fn ids_of<L: Link>(links: &[L]) -> Vec<(&str, &str)> {
    let ids = links.iter().flat_map(Link::ids).map(|(dialect, id)| (dialect.as_str(), id));
    ids.filter(|(dialect, id)| is_storable(dialect) && is_storable(id)).collect()
}

/// Dialects and ids as a parameter.
fn as_json(ids: &[(&str, &str)]) -> String {
    json!(ids).to_string()
}

/// The rows of some links, and those of their ids, as parameters.
fn rows<L: Kind>(links: &[(i64, &L)]) -> (String, String) {
    let ids = links.iter().flat_map(|(number, link)| link.id_rows(*number));
    let links = links.iter().map(|(number, link)| link.link_row(*number));
    (links.collect::<Value>().to_string(), ids.collect::<Value>().to_string())
}

/// A number that an engine keeps; ranges end where these do.
fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or_default()
}

/// The rows of ids that links got in a dialect, as a parameter.
fn new_id_rows(links: &[(i64, Arc<UserLink>)], dialect: &str) -> String {
    let id = |link: &UserLink| link.ids.get(dialect).map(|id| id.as_str().to_owned());
    let rows = links.iter().filter_map(|(number, link)| Some(json!([dialect, id(link)?, number])));
    rows.collect::<Value>().to_string()
}
