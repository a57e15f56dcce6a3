//! `interlingua links match`: finds who is the same person at two vendors, and links them.

use std::{
    collections::{BTreeMap, HashSet},
    sync::Arc,
    time::Duration,
};

use clap::{Args, ValueEnum};
use interlingua_core::{
    Call, Command, Cursor, Error, ErrorKind, Outcome, PageRequest, Reply, Result, Text, Timestamp, User, UserId,
    UserPage, UserQuery,
};
use interlingua_links::{AddError, UserLink};
use tokio::time::Instant;

use super::{Store, output::Output, progress};
use crate::{
    cli::{Failed, REFUSED, UNAVAILABLE, USAGE, say},
    executor::{Executor, Stage, Transport},
    trace::Context,
    upstream::Upstream,
};

/// `interlingua links match`.
#[derive(Debug, Args)]
pub(super) struct Match {
    /// What two users have in common when they are the same person.
    #[arg(long, value_enum)]
    by: By,
    /// The two upstreams whose users are compared; without them, the two that the configuration has.
    #[arg(long, num_args = 2, value_names = ["UPSTREAM", "UPSTREAM"])]
    between: Option<Vec<String>>,
    /// Write the links, all or none, and do not only show them.
    #[arg(long)]
    apply: bool,
    #[command(flatten)]
    output: Output,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum By {
    /// The e-mail address, in capitals or not.
    Email,
}

/// One user of one vendor, as far as it matters here.
struct Person {
    id: UserId,
    login: Option<Text>,
    created: Option<Timestamp>,
}

/// Those who have one address: at the first vendor, and at the second.
type Namesakes = [Vec<Person>; 2];

/// What was found out about an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Finding {
    /// One user at each vendor, neither of whom is linked.
    Match,
    /// They are linked with each other already.
    Linked,
    /// One of them is linked with somebody else, or has been given an id of the other dialect.
    Taken,
    /// Several users at one vendor.
    Ambiguous,
    /// Nobody at the other vendor.
    Alone,
}

impl Finding {
    fn word(self) -> &'static str {
        match self {
            Self::Match => "match",
            Self::Linked => "linked",
            Self::Taken => "taken",
            Self::Ambiguous => "ambiguous",
            Self::Alone => "alone",
        }
    }
}

impl Match {
    pub(super) async fn run(&self, store: &Store<'_>) -> Result<(), Failed> {
        let By::Email = self.by;
        let upstreams = self.upstreams(store)?;
        let dialects = [0, 1].map(|side: usize| upstreams[side].adapter.dialect().name);
        let mut addresses: BTreeMap<String, Namesakes> = BTreeMap::new();
        for (side, upstream) in upstreams.iter().enumerate() {
            read(upstream, |address, person| addresses.entry(address).or_default()[side].push(person))
                .await
                .map_err(|error| Failed::new(UNAVAILABLE, format!("{}: {error}", upstream.name)))?;
        }
        let mut counts: BTreeMap<Finding, usize> = BTreeMap::new();
        let (mut rows, mut links) = (Vec::new(), Vec::new());
        for (address, namesakes) in addresses {
            let finding = finding(store, dialects, &namesakes).await?;
            *counts.entry(finding).or_default() += 1;
            if finding != Finding::Linked {
                let ids = namesakes.each_ref().map(|people| {
                    let ids: Vec<_> = people.iter().map(|person| person.id.as_str()).collect();
                    ids.join(",")
                });
                let [first, second] = ids;
                rows.push(vec![finding.word().to_owned(), first, second, address]);
            }
            if finding == Finding::Match {
                links.push(link(dialects, namesakes));
            }
        }
        self.output.rows(&["finding", dialects[0], dialects[1], "email"], &rows);
        let shown: Vec<_> = counts.iter().map(|(finding, count)| format!("{count} {}", finding.word())).collect();
        say(if shown.is_empty() { "nobody is there".to_owned() } else { shown.join(", ") });
        if self.apply { self.write(store, links).await } else { Ok(()) }
    }

    async fn write(&self, store: &Store<'_>, links: Vec<UserLink>) -> Result<(), Failed> {
        let added = store.links.add_users(links).await.map_err(|error| match error {
            AddError::Store(error) => store.failed(&error),
            taken @ AddError::Taken(_) => Failed::new(REFUSED, format!("{taken}; nothing was added")),
        })?;
        say(format_args!("{} added", added.added));
        Ok(())
    }

    /// The two servers that are compared.
    fn upstreams(&self, store: &Store<'_>) -> Result<[Upstream; 2], Failed> {
        let known = &store.config.upstreams;
        let names: Vec<&String> = match &self.between {
            Some(names) => names.iter().collect(),
            None => known.keys().collect(),
        };
        let [first, second] = names[..] else {
            return Err(Failed::new(USAGE, "name the two upstreams to compare, with --between"));
        };
        let upstream = |name: &str| {
            let config = known.get(name).ok_or_else(|| {
                let names: Vec<_> = known.keys().map(String::as_str).collect();
                Failed::new(USAGE, format!("no upstream is called `{name}`; there are {}", names.join(", ")))
            })?;
            let adapter = store.config.adapters[config.dialect].clone();
            Upstream::new(name, config, adapter).map_err(|error| Failed::new(UNAVAILABLE, format!("{name}: {error}")))
        };
        let upstreams = [upstream(first)?, upstream(second)?];
        let dialects: HashSet<_> = upstreams.iter().map(|upstream| upstream.adapter.dialect().name).collect();
        if dialects.len() == 2 {
            Ok(upstreams)
        } else {
            Err(Failed::new(USAGE, "both upstreams speak the same dialect, in which a user has one id"))
        }
    }
}

async fn finding(store: &Store<'_>, dialects: [&str; 2], namesakes: &Namesakes) -> Result<Finding, Failed> {
    let [first, second] = match namesakes {
        [first, second] if first.is_empty() || second.is_empty() => return Ok(Finding::Alone),
        [first, second] => match (&first[..], &second[..]) {
            ([first], [second]) => [first, second],
            _ => return Ok(Finding::Ambiguous),
        },
    };
    let (one, other) = (linked(store, dialects[0], &first.id).await?, linked(store, dialects[1], &second.id).await?);
    Ok(match (one, other) {
        (None, None) => Finding::Match,
        (Some(link), _) if link.ids.get(dialects[1]) == Some(&second.id) => Finding::Linked,
        _ => Finding::Taken,
    })
}

/// The link of a user: in the store, or in the configuration, from where the gateway adds it.
async fn linked(store: &Store<'_>, dialect: &str, id: &UserId) -> Result<Option<UserLink>, Failed> {
    let kept = store.links.user(dialect, id).await.map_err(|error| store.failed(&error))?;
    let configured = || store.config.users.iter().find(|link| link.ids.get(dialect) == Some(id)).cloned();
    Ok(kept.map(Arc::unwrap_or_clone).or_else(configured))
}

/// The link of the two who are alone with their address, with what one vendor knows and the other may not.
fn link(dialects: [&str; 2], namesakes: Namesakes) -> UserLink {
    let mut link = UserLink::default();
    for (dialect, person) in dialects.into_iter().zip(namesakes.into_iter().flatten()) {
        link.ids.insert(dialect.into(), person.id);
        link.login = link.login.or(person.login);
        link.created = link.created.or(person.created);
    }
    link
}

/// Reads all users of a server who have an address, page by page; of the others it says how many there are.
///
/// # Errors
///
/// The server does not answer, or its pages do not end.
async fn read(upstream: &Upstream, mut each: impl FnMut(String, Person)) -> Result<()> {
    let working = progress::spinner("reading");
    let (mut cursor, mut without, mut known) = (None, 0, HashSet::new());
    loop {
        let page = page(upstream, cursor).await?;
        let (before, shows_some) = (known.len(), !page.users.is_empty());
        for User { id, email, login, created, .. } in page.users {
            // A list that changes while it is read may show somebody twice.
            if !known.insert(id.clone()) {
                continue;
            }
            let Some(email) = email.value() else {
                without += 1;
                continue;
            };
            let person = Person { id, login: login.value().cloned(), created: created.value().cloned() };
            each(email.to_lowercase().into_string(), person);
        }
        working.set_message(format!("{}: {} users", upstream.name, known.len()));
        match page.next {
            Some(_) if shows_some && known.len() == before => {
                return Err(Error::new(ErrorKind::BadReply, "the pages of the list go round in circles"));
            }
            Some(next) => cursor = Some(next),
            None => break working.finish_and_clear(),
        }
    }
    if without > 0 {
        say(format_args!("{}: {without} users have no address, and are left out", upstream.name));
    }
    Ok(())
}

/// How often a vendor may say that it is too much now, for one page.
const PATIENCE: usize = 10;

/// A page of all users. A vendor that asks to wait is waited for.
async fn page(upstream: &Upstream, cursor: Option<Cursor>) -> Result<UserPage> {
    let command = Command::FindUsers { query: UserQuery::default(), page: PageRequest::At(cursor) };
    let mut waited = 0;
    loop {
        let executor = Executor { adapter: &*upstream.adapter, transport: &Direct(upstream), most_calls: MOST_CALLS };
        match executor.read(&command).await.map(|executed| executed.outcome) {
            Ok(Outcome::Users(page)) => return Ok(page),
            Ok(_) => return Err(Error::new(ErrorKind::Internal, "what came of a search is not a list")),
            Err(error) if error.kind() == ErrorKind::RateLimited && waited < PATIENCE => {
                waited += 1;
                tokio::time::sleep(error.retry_after().unwrap_or(Duration::from_secs(1))).await;
            }
            Err(error) => return Err(error),
        }
    }
}

/// More calls than any page needs.
const MOST_CALLS: usize = 1000;

/// Calls a server, for as long as it takes.
struct Direct<'a>(&'a Upstream);

impl Transport for Direct<'_> {
    async fn send(&self, call: &Call, stage: Stage) -> Result<Reply> {
        let no_deadline = Instant::now() + Duration::from_secs(3600);
        self.0.call(call, stage, &Context::new(), no_deadline).await
    }
}
