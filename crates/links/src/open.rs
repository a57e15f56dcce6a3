//! Which store, and with what limits.

use std::{
    borrow::Cow,
    fmt,
    num::{NonZeroU32, NonZeroUsize},
    path::PathBuf,
    str::FromStr,
    sync::Arc,
    time::Duration,
};

use sqlx::postgres::PgConnectOptions;

use crate::{Cached, Links, Memory, Postgres, Ranges, SealingKey, Sqlite, StoreError};

/// How a store is used.
#[derive(Clone, Debug)]
pub struct Options {
    /// From which numbers ids are handed out, by dialect. Without an entry none are.
    pub ranges: Ranges,
    /// For how many ids of users, and as many of scopes, links are kept at hand; `None` for none.
    ///
    /// Default: two million, which are a million links of two dialects. All of them take some 350 MiB; what is not in use
    /// takes nothing. Links in memory are at hand anyway.
    pub cache: Option<NonZeroUsize>,
    /// How long a question, or a change of a few links, may take.
    ///
    /// Default: two seconds.
    pub timeout: Duration,
    /// How long adding or checking many links may take.
    ///
    /// Default: five minutes.
    pub bulk_timeout: Duration,
    /// How many connections to the database there may be, beside the one that writes to a file or listens to a server.
    ///
    /// Default: 8.
    pub connections: NonZeroU32,
    /// How long a process counts as alive after it has [renewed its lease](crate::Writes::renew).
    ///
    /// Default: 15 seconds.
    pub lease: Duration,
    /// The key that bodies are sealed with in databases. Without one they are not kept there: what was done half can be
    /// told, and not be finished. In memory they are kept in clear.
    ///
    /// Default: none.
    pub key: Option<SealingKey>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            ranges: Ranges::new(),
            cache: NonZeroUsize::new(2_000_000),
            timeout: Duration::from_secs(2),
            bulk_timeout: Duration::from_secs(300),
            connections: const { NonZeroU32::new(8).expect("8 is not 0") },
            lease: Duration::from_secs(15),
            key: None,
        }
    }
}

/// Where links are kept: `memory`, `sqlite:PATH` or `postgres://USER:PASSWORD@HOST:PORT/DATABASE`.
///
/// What a PostgreSQL address leaves out is taken from the environment as PostgreSQL's own tools do (`PGHOST`,
/// `PGPASSFILE`, …). Neither `Debug` nor `Display` shows a user or a password.
#[derive(Clone)]
pub struct Location {
    place: Place,
    /// As it was written.
    text: Cow<'static, str>,
}

#[derive(Clone)]
enum Place {
    Memory,
    Sqlite(PathBuf),
    Postgres(Box<PgConnectOptions>),
}

impl Location {
    /// In memory, for as long as the process lives.
    pub const MEMORY: Self = Self { place: Place::Memory, text: Cow::Borrowed("memory") };

    /// Whether links are kept in memory, for as long as the process lives.
    pub fn is_memory(&self) -> bool {
        matches!(self.place, Place::Memory)
    }

    /// Whether links are kept in a file that is not there. To open it makes it.
    pub fn is_missing_file(&self) -> bool {
        matches!(&self.place, Place::Sqlite(path) if !path.exists())
    }
}

/// Two are the same if they are written in the same way.
impl PartialEq for Location {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Location {}

impl FromStr for Location {
    type Err = StoreError;

    fn from_str(location: &str) -> Result<Self, StoreError> {
        let place = match location.split_once(':') {
            None if location == "memory" => Place::Memory,
            Some(("sqlite", path)) => Place::Sqlite(file(path)?),
            Some(("postgres" | "postgresql", _)) => Place::Postgres(Box::new(server(location)?)),
            _ => return Err(StoreError::unusable("expected \"memory\", \"sqlite:PATH\" or \"postgres://…\"")),
        };
        Ok(Self { place, text: location.to_owned().into() })
    }
}

fn file(path: &str) -> Result<PathBuf, StoreError> {
    let path = path.strip_prefix("//").unwrap_or(path);
    match path {
        "" => Err(StoreError::unusable("expected a path after \"sqlite:\"")),
        ":memory:" => Err(StoreError::unusable("links in memory are \"memory\"")),
        path => Ok(path.into()),
    }
}

fn server(location: &str) -> Result<PgConnectOptions, StoreError> {
    // The reason is left out: it may quote the password.
    location.parse().map_err(|_| StoreError::unusable("not an address of a PostgreSQL database"))
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Place::Memory => f.write_str("memory"),
            Place::Sqlite(path) => write!(f, "sqlite:{}", path.display()),
            Place::Postgres(at) => {
                write!(f, "postgres://{}:{}/{}", at.get_host(), at.get_port(), at.get_database().unwrap_or_default())
            }
        }
    }
}

impl fmt::Debug for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Location({self})")
    }
}

/// Opens a store, made ready where it is new, with a cache in front of a database.
///
/// # Errors
///
/// The store does not answer, or cannot be used.
pub async fn open(location: &Location, options: &Options) -> Result<Arc<dyn Links>, StoreError> {
    Ok(match &location.place {
        Place::Memory => Arc::new(Memory::default().with_ranges(options.ranges.clone())),
        Place::Sqlite(path) => cached(Sqlite::open(path, options).await?, options),
        Place::Postgres(connect) => cached(Postgres::open(PgConnectOptions::clone(connect), options).await?, options),
    })
}

fn cached(store: impl Links + 'static, options: &Options) -> Arc<dyn Links> {
    match options.cache {
        Some(ids) => Arc::new(Cached::new(Arc::new(store), ids)),
        None => Arc::new(store),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(location: &str, shown: Result<&str, &str>) {
        let parsed =
            location.parse::<Location>().map(|location| location.to_string()).map_err(|error| error.to_string());
        assert_eq!(parsed, shown.map(Into::into).map_err(|reason| format!("the link store cannot be used: {reason}")));
    }

    #[test]
    fn locations() {
        check("memory", Ok("memory"));
        check("sqlite:links.db", Ok("sqlite:links.db"));
        check("sqlite:///var/lib/links.db", Ok("sqlite:/var/lib/links.db"));
        check("postgres://jo:secret@db.example.com:5433/links", Ok("postgres://db.example.com:5433/links"));
        check("sqlite:", Err("expected a path after \"sqlite:\""));
        check("sqlite::memory:", Err("links in memory are \"memory\""));
        check("postgres://jo:secret@:port/", Err("not an address of a PostgreSQL database"));
        check("mysql://x", Err("expected \"memory\", \"sqlite:PATH\" or \"postgres://…\""));
        check("Memory", Err("expected \"memory\", \"sqlite:PATH\" or \"postgres://…\""));
    }

    #[test]
    fn what_is_there_before_it_is_opened() {
        let location = |text: &str| text.parse::<Location>().unwrap();
        assert!(
            Location::MEMORY.is_memory() && location("memory").is_memory() && !location("memory").is_missing_file()
        );
        assert!(!location("sqlite:links.db").is_memory() && location("sqlite:no/such/links.db").is_missing_file());
        assert!(!location("sqlite:src/open.rs").is_missing_file());
        assert!(!location("postgres://db.example.com/links").is_missing_file());
    }
}
