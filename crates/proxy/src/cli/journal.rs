//! `interlingua journal`: writes that were left half done, and what is done about them.

use std::{
    num::NonZeroU32,
    path::{Path, PathBuf},
    sync::Arc,
    time::SystemTime,
};

use clap::{Args, Subcommand};
use interlingua_links::{Ending, Entry, EntryFilter, EntryId, Links, Options, Shown, StoreErrorKind, open};

use super::{CONFIG, Failed, REFUSED, UNAVAILABLE, block_on, links::Output, say};
use crate::{config::Config, gateway::Service, ledger::part, recovery::Way};

/// `interlingua journal`.
#[derive(Debug, Args)]
pub(super) struct JournalCommand {
    /// The configuration file, for the store that it names; without it, the built-in one of the sandbox.
    #[arg(short, long, value_name = "FILE", global = true)]
    config: Option<PathBuf>,
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Print the entries that somebody has to see to, in the order in which they were opened.
    ///
    /// Those that are `abandoned` were left by a gateway that was killed, or could not go on; those that are `partial`
    /// were told to the client, and something of them stayed.
    List(List),
    /// Print the writes of one entry, and how far each of them came. What they hold is never shown.
    Show(Show),
    /// Note that somebody has seen to an entry; or have it finished or taken back first.
    Resolve(Resolve),
}

#[derive(Debug, Args)]
struct List {
    /// All entries that are kept, also those that are settled or under way.
    #[arg(long)]
    all: bool,
    /// The most entries to print.
    #[arg(long, value_name = "N", default_value = "100")]
    limit: NonZeroU32,
    /// Go on where another list ended.
    #[arg(long, value_name = "ENTRY")]
    after: Option<EntryId>,
    #[command(flatten)]
    output: Output,
}

#[derive(Debug, Args)]
struct Show {
    /// The number of the entry.
    entry: EntryId,
    #[command(flatten)]
    output: Output,
}

#[derive(Debug, Args)]
struct Resolve {
    /// The number of the entry.
    entry: EntryId,
    /// Send what was not sent, unless the user was written again since.
    #[arg(long, conflicts_with = "undo")]
    finish: bool,
    /// Take back what was applied, as far as it is known how.
    #[arg(long)]
    undo: bool,
    /// What was done about it; nothing personal.
    #[arg(long, value_name = "TEXT")]
    note: Option<String>,
}

impl JournalCommand {
    pub(super) fn config(&self) -> Option<&Path> {
        self.config.as_deref()
    }

    pub(super) fn run(&self, config: &Config) -> Result<(), Failed> {
        if config.store.is_memory() {
            let advice = "links.store is \"memory\", which ends with the gateway, and so does its journal";
            return Err(Failed::new(CONFIG, advice));
        }
        if config.store.is_missing_file() {
            return Err(Failed::new(UNAVAILABLE, format!("{}: there is no such file", config.store)));
        }
        block_on(async {
            let options = Options { cache: None, key: config.journal.key.clone(), ..Options::default() };
            let links = open(&config.store, &options).await.map_err(failed)?;
            let done = match &self.action {
                Action::List(list) => list.run(&links).await,
                Action::Show(show) => show.run(&links).await,
                Action::Resolve(resolve) => resolve.run(config, &links).await,
            };
            links.close().await;
            done
        })?
    }
}

impl List {
    async fn run(&self, links: &Arc<dyn Links>) -> Result<(), Failed> {
        let shown = if self.all { Shown::All } else { Shown::Unsettled };
        let filter = EntryFilter { shown, ..EntryFilter::default() };
        let page = links.writes().entries(&filter, self.after, self.limit).await.map_err(failed)?;
        let names = ["entry", "opened", "state", "upstream", "operation", "user", "client", "request", "writes"];
        let rows: Vec<_> = page.entries.iter().map(|entry| row(entry, self.all)).collect();
        self.output.rows(&names, &rows);
        if let Some(next) = page.next {
            say(format_args!("there are more; go on with --after {next}"));
        }
        Ok(())
    }
}

fn row(entry: &Entry, with_all: bool) -> Vec<String> {
    let intent = &entry.intent;
    let states: Vec<_> = entry.states.iter().map(|state| part(*state).name()).collect();
    let state = match &entry.closed {
        None if with_all => "open",
        None => "abandoned",
        Some((_, ending, _)) => word(*ending),
    };
    let user = intent.user.as_ref().map(ToString::to_string).unwrap_or_default();
    let [upstream, operation, client, request] =
        [&intent.upstream, &intent.operation, &intent.client, &intent.request].map(ToString::to_string);
    let (number, opened) = (entry.id.to_string(), time(entry.opened));
    vec![number, opened, state.to_owned(), upstream, operation, user, client, request, states.join(", ")]
}

fn word(ending: Ending) -> &'static str {
    match ending {
        Ending::Done => "done",
        Ending::Refused => "refused",
        Ending::Partial => "partial",
        Ending::Resolved => "resolved",
    }
}

fn time(time: SystemTime) -> String {
    jiff::Timestamp::try_from(time).map(|time| format!("{time:.0}")).unwrap_or_default()
}

impl Show {
    async fn run(&self, links: &Arc<dyn Links>) -> Result<(), Failed> {
        let entry = found(links, self.entry).await?;
        let names = ["state", "method", "path", "fields", "repeatable", "undo"];
        let rows = entry.intent.writes.iter().zip(&entry.states).map(|(write, state)| {
            let path = write.target.split('?').next().unwrap_or_default();
            let yes = |yes| if yes { "yes" } else { "no" };
            let fields = write.fields.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
            let [state, method, path, repeatable, undo] =
                [part(*state).name(), write.method.as_str(), path, yes(write.repeatable), yes(write.undo.is_some())]
                    .map(str::to_owned);
            vec![state, method, path, fields, repeatable, undo]
        });
        self.output.rows(&names, &rows.collect::<Vec<_>>());
        if let Some((at, ending, note)) = &entry.closed {
            let note = note.as_deref().map(|note| format!(": {note}")).unwrap_or_default();
            say(format_args!("{} since {}{note}", word(*ending), time(*at)));
        }
        Ok(())
    }
}

impl Resolve {
    async fn run(&self, config: &Config, links: &Arc<dyn Links>) -> Result<(), Failed> {
        let entry = found(links, self.entry).await?;
        match (self.way(), &entry.closed) {
            (Some(way), None) => settle(config, &entry, way).await,
            (Some(_), Some(_)) => Err(Failed::new(REFUSED, "what it held is erased since it was closed")),
            (None, None) => {
                let journal = links.writes();
                let taken = journal.take_over(entry.id).await.map_err(failed)?;
                taken.ok_or_else(|| Failed::new(REFUSED, "a gateway is at it"))?;
                journal.close(entry.id, Ending::Resolved, self.note.as_deref()).await.map_err(failed)
            }
            (None, Some(_)) => {
                let resolved = links.writes().resolve(entry.id, self.note.as_deref()).await;
                resolved.map_err(|error| match error.kind() {
                    StoreErrorKind::Lost => Failed::new(REFUSED, "it is settled already"),
                    _ => failed(error),
                })
            }
        }
    }

    fn way(&self) -> Option<Way> {
        match (self.finish, self.undo) {
            (true, _) => Some(Way::Finish),
            (false, true) => Some(Way::Undo),
            (false, false) => None,
        }
    }
}

/// Has an entry finished or taken back, as a gateway would.
async fn settle(config: &Config, entry: &Entry, way: Way) -> Result<(), Failed> {
    let service = Service::new(config).await.map_err(|error| Failed::new(UNAVAILABLE, error))?;
    let settled = service.recovery().settle(entry, way).await;
    service.shared.links.close().await;
    match settled {
        Ok(true) => Ok(()),
        Ok(false) => Err(Failed::new(REFUSED, "a gateway is at it")),
        Err(error) => Err(Failed::new(REFUSED, error)),
    }
}

async fn found(links: &Arc<dyn Links>, entry: EntryId) -> Result<Entry, Failed> {
    let found = links.writes().entry(entry).await.map_err(failed)?;
    found.ok_or_else(|| Failed::new(REFUSED, format!("there is no entry {entry}")))
}

fn failed(error: interlingua_links::StoreError) -> Failed {
    let reason = std::error::Error::source(&error).map(|reason| format!(": {reason}")).unwrap_or_default();
    Failed::new(UNAVAILABLE, format!("{error}{reason}"))
}
