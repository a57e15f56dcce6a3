//! `interlingua links`: the links that a gateway keeps, from outside.

mod add;
mod export;
pub(crate) mod format;
mod import;
mod kind;
mod list;
mod matching;
mod output;
mod progress;
mod remove;
mod show;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use clap::{Args, Subcommand};
use interlingua_links::{Links, Memory, Options, ScopeLink, StoreError, StoreErrorKind, UserLink, open};

pub(super) use self::output::Output;
use self::{
    add::Add,
    export::Export,
    import::Import,
    kind::Kind,
    list::List,
    matching::Match,
    remove::Remove,
    show::{Named, Show},
};
use super::{CONFIG, Failed, REFUSED, UNAVAILABLE, USAGE, block_on, dialect};
use crate::config::{
    Config,
    entry::{self, Dialects, Entry},
};

/// `interlingua links`.
#[derive(Debug, Args)]
pub(super) struct LinksCommand {
    /// The configuration file, for the store that it names; without it, the built-in one of the sandbox.
    #[arg(short, long, value_name = "FILE", global = true)]
    config: Option<PathBuf>,
    /// The links of accounts instead of those of users.
    #[arg(long, global = true)]
    accounts: bool,
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Add the links of a list, all or none. What is there already stays as it is.
    ///
    /// CSV has a column for each dialect and, where they are known, `login` and `created`, or for accounts `name`; the
    /// first line names them, and an empty cell says nothing. An ECGrid account is `1` for a network and `1/101` for a
    /// mailbox in it. JSON Lines have an object a line, with the keys and values of `[[links.users]]` or
    /// `[[links.accounts]]` in the configuration.
    Import(Import),
    /// Print all links as a list that can be imported.
    ///
    /// The scope that was set last for a user stays with the store that remembers it.
    Export(Export),
    /// Print some of the links, in the order in which they were made.
    List(List),
    /// Find out who is the same person at two vendors, and show it.
    ///
    /// Reads all users of both. Of every address it says whether there is just one user with it at each (`match`), who
    /// is linked otherwise already (`taken`), whether there are several (`ambiguous`), or none at the other vendor
    /// (`alone`); those who are linked with each other are only counted. With `--apply` the matches are linked, all or
    /// none.
    Match(Match),
    /// Print the link of one user.
    Show(Show),
    /// Add one link. If it is there already it stays as it is.
    Add(Add),
    /// Remove the link of one user, with all its ids, and print what it was.
    Remove(Remove),
}

impl LinksCommand {
    pub(super) fn config(&self) -> Option<&Path> {
        self.config.as_deref()
    }

    pub(super) fn run(&self, config: &Config) -> Result<(), Failed> {
        self.check()?;
        block_on(async {
            let store = self.open(config).await?;
            let done = match self.accounts {
                false => self.act::<UserLink>(&store).await,
                true => self.act::<ScopeLink>(&store).await,
            };
            store.links.close().await;
            done
        })?
    }

    fn check(&self) -> Result<(), Failed> {
        match self.action {
            Action::Match(_) if self.accounts => {
                Err(Failed::new(USAGE, "accounts have nothing in common by which they could be matched"))
            }
            _ => Ok(()),
        }
    }

    async fn open<'a>(&self, config: &'a Config) -> Result<Store<'a>, Failed> {
        if config.store.is_memory() {
            let advice = "links.store is \"memory\", which ends with the gateway; name a store that lasts, \
                          such as \"sqlite:PATH\" or \"postgres://…\"";
            return Err(Failed::new(CONFIG, advice));
        }
        let dialects = config.adapters.iter().map(|(name, adapter)| (*name, &**adapter)).collect();
        Ok(Store { config, links: self.links(config).await?, dialects })
    }

    /// The links that are kept. A file for them is made when there is something to write, and not before.
    async fn links(&self, config: &Config) -> Result<Arc<dyn Links>, Failed> {
        if config.store.is_missing_file() {
            match &self.action {
                Action::Import(import) if import.is_dry_run() => return Ok(Arc::new(Memory::default())),
                Action::Import(_) | Action::Add(_) | Action::Match(_) => {}
                _ => return Err(Failed::new(UNAVAILABLE, format!("{}: there is no such file", config.store))),
            }
        }
        let options = Options { cache: None, ..Options::default() };
        open(&config.store, &options).await.map_err(|error| failed(config, &error))
    }

    async fn act<L: Kind>(&self, store: &Store<'_>) -> Result<(), Failed> {
        match &self.action {
            Action::Import(import) => import.run::<L>(store).await,
            Action::Export(export) => export.run::<L>(store).await,
            Action::List(list) => list.run::<L>(store).await,
            Action::Match(matching) => matching.run(store).await,
            Action::Show(show) => show.run::<L>(store).await,
            Action::Add(add) => add.run::<L>(store).await,
            Action::Remove(remove) => remove.run::<L>(store).await,
        }
    }
}

/// The store that a command works on.
struct Store<'a> {
    config: &'a Config,
    links: Arc<dyn Links>,
    dialects: Dialects<'a>,
}

impl Store<'_> {
    fn failed(&self, error: &StoreError) -> Failed {
        failed(self.config, error)
    }

    /// The id that arguments name.
    fn id<L: Kind>(&self, named: &Named) -> Result<(&'static str, L::Id), Failed> {
        let dialect = dialect(self.config, &named.dialect)?;
        let value = entry::value::<L>(dialect, &named.id, &self.dialects);
        let id = L::read_id(self.dialects[dialect], &value);
        id.map(|id| (dialect, id)).map_err(|expected| Failed::new(REFUSED, format!("{dialect}: {expected}")))
    }

    /// The link that an entry means, or all that is wrong with it.
    fn read<L: Kind>(&self, entry: &Entry) -> Result<L, Vec<String>> {
        let mut problems = Vec::new();
        let link = entry::read(entry, &self.dialects, |name, problem| {
            problems.push(match name {
                Some(name) => format!("{name}: {problem}"),
                None => problem,
            });
        });
        if problems.is_empty() { Ok(link) } else { Err(problems) }
    }
}

/// The store could not do it, and what the database said.
fn failed(config: &Config, error: &StoreError) -> Failed {
    let code = if error.kind() == StoreErrorKind::Unfit { REFUSED } else { UNAVAILABLE };
    let reason = std::error::Error::source(error).map(|reason| format!(": {reason}")).unwrap_or_default();
    Failed::new(code, format!("{}: {error}{reason}", config.store))
}
