//! Where stores are opened.

use std::{collections::BTreeMap, num::NonZeroUsize, sync::Arc, time::Duration};

use interlingua_core::{Patch, ScopeId, Text, UserId};
use interlingua_links::{Cached, IdRange, Links, Location, Memory, Options, Remembered, UserLink, open};
use tokio::sync::OnceCell;

use crate::server;

/// What keeps the links.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Engine {
    Memory,
    Sqlite,
    Postgres,
}

impl Engine {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Sqlite => "sqlite",
            Self::Postgres => "postgres",
        }
    }
}

/// An empty place, where stores over the same links are opened, as several processes would.
pub(crate) struct Place {
    pub(crate) engine: Engine,
    pub(crate) cached: bool,
    pub(crate) options: Options,
    directory: tempfile::TempDir,
    memory: OnceCell<Arc<Memory>>,
    address: OnceCell<String>,
}

impl Place {
    pub(crate) fn new(engine: Engine, cached: bool) -> Self {
        let ranges = [("a", 100, 999), ("b", 5000, 5999)];
        let range = |&(dialect, first, last): &(&str, u64, u64)| {
            (Text::from(dialect), IdRange::new(first, last).expect("a range"))
        };
        let options = Options {
            ranges: ranges.iter().map(range).collect::<BTreeMap<_, _>>(),
            cache: cached.then_some(NonZeroUsize::new(10_000)).flatten(),
            timeout: Duration::from_secs(20), // these machines are busy; what is about time sets its own
            ..Options::default()
        };
        let directory = tempfile::tempdir().expect("a directory");
        Self { engine, cached, options, directory, memory: OnceCell::new(), address: OnceCell::new() }
    }

    /// The address of the links; for those in memory it leads to others.
    pub(crate) async fn location(&self) -> Location {
        self.address().await.parse().expect("an address")
    }

    /// The same, as text.
    pub(crate) async fn address(&self) -> String {
        let make = || async {
            match self.engine {
                Engine::Memory => "memory".to_owned(),
                Engine::Sqlite => format!("sqlite:{}", self.directory.path().join("links.db").display()),
                Engine::Postgres => server::database().await,
            }
        };
        self.address.get_or_init(make).await.clone()
    }

    /// A store, as the first or another process would open it.
    pub(crate) async fn open(&self) -> Arc<dyn Links> {
        self.open_with(&self.options).await
    }

    pub(crate) async fn open_with(&self, options: &Options) -> Arc<dyn Links> {
        if self.engine != Engine::Memory {
            return open(&self.location().await, options).await.expect("it opens");
        }
        let make = || async { Arc::new(Memory::default().with_ranges(options.ranges.clone())) };
        let memory = Arc::clone(self.memory.get_or_init(make).await);
        match options.cache {
            Some(ids) => Arc::new(Cached::new(memory, ids)),
            None => memory,
        }
    }
}

pub(crate) fn user_id(id: &str) -> UserId {
    UserId::new(id)
}

pub(crate) fn scope_id(id: &str) -> ScopeId {
    ScopeId::new(id)
}

/// A link of these ids.
pub(crate) fn link(ids: &[(&str, &str)]) -> UserLink {
    let ids = ids.iter().map(|&(dialect, id)| (dialect.into(), user_id(id))).collect();
    UserLink { ids, ..UserLink::default() }
}

/// That this scope was set last.
pub(crate) fn last_scope(id: &str) -> Remembered {
    Remembered { scope: Patch::Set(scope_id(id)), ..Remembered::default() }
}

/// How every dialect here spells a number.
pub(crate) fn spell(number: u64) -> UserId {
    UserId::new(format!("n{number}"))
}
