//! What becomes of writes that somebody has left half done: a gateway that was killed, or could not go on.
//!
//! Such an entry of the journal is known by its owner being gone. One gateway takes it over, has the user's lock, and
//! finishes it or takes it back, as the operator has chosen; or it is told, and left to `interlingua journal resolve`.

use std::{
    collections::{BTreeMap, HashSet},
    num::NonZeroU32,
    sync::Arc,
};

use interlingua_core::{Call, Error, ErrorKind, Reply, Result};
use interlingua_links::{Ending, Entry, EntryFilter, EntryId, Lock, Shown, State, Writes};
use tokio::{sync::watch, time::Instant};

use crate::{
    busy::Work,
    config::OnCrash,
    executor::{Stage, Transport, told},
    ledger::Ledger,
    linking::store_error,
    route::{Route, Shared},
    settle::{SETTLE, Settling},
    trace::Context,
    translate::overloaded,
    upstream::Upstream,
};

/// How often is looked for what somebody has left, within the time after which it counts as left.
const LOOKS: u32 = 3;
/// How many entries are looked at together.
const PAGE: NonZeroU32 = const { NonZeroU32::new(100).expect("100 is not 0") };

/// Looks after what somebody has left half done.
pub(crate) struct Recovery {
    pub(crate) shared: Arc<Shared>,
    pub(crate) upstreams: BTreeMap<String, Arc<Upstream>>,
}

/// Looks now, and then again and again, at what there is to look after each time, until it is told to stop.
pub(crate) async fn run(recovery: impl Fn() -> Recovery, mut stop: watch::Receiver<bool>) {
    let mut told = HashSet::new();
    loop {
        let recovery = recovery();
        if let Err(error) = recovery.look(&mut told).await {
            tracing::warn!(error.message = %error, "what was left half done cannot be looked after");
        }
        tokio::select! {
            () = tokio::time::sleep(recovery.shared.lease / LOOKS) => {}
            _ = stop.wait_for(|stop| *stop) => return,
        }
    }
}

/// What becomes of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// What was not sent is sent.
    Finish,
    /// What was applied is taken back.
    Undo,
}

impl Recovery {
    /// Looks after every entry whose owner is gone, and tells of each that cannot be settled, once.
    async fn look(&self, told: &mut HashSet<EntryId>) -> Result<()> {
        let mut users = HashSet::new();
        // The latest first: a user's earlier ones are overtaken by it, and to try them would take the user's lock.
        for entry in self.abandoned().await?.into_iter().rev() {
            let is_latest = users.insert((entry.intent.upstream.clone(), entry.intent.user.clone()));
            let settled = match self.way() {
                None => Err(Error::new(ErrorKind::Partial, "writes were left half done; see `interlingua journal`")),
                Some(_) if told.contains(&entry.id) => continue,
                // What may still arrive is looked at when it cannot any more.
                Some(_) if self.may_arrive(&entry) => continue,
                Some(_) if !is_latest && entry.intent.user.is_some() => Err(overtaken()),
                // Where somebody else was faster there is nothing to tell.
                Some(way) => self.settle(&entry, way).await.map(drop),
            };
            match settled {
                Err(error) if passes(error.kind()) => tracing::warn!(
                    entry = %entry.id, error.message = %error, "what was left half done is tried again later"
                ),
                Err(error) if told.insert(entry.id) => tell(&entry, error.message()),
                Ok(()) | Err(_) => {}
            }
        }
        Ok(())
    }

    /// Every entry whose owner is gone, in the order in which they were opened.
    async fn abandoned(&self) -> Result<Vec<Entry>> {
        let journal = self.shared.links.writes();
        let filter = EntryFilter { shown: Shown::Abandoned, ..EntryFilter::default() };
        let (mut all, mut after) = (Vec::new(), None);
        loop {
            let page = journal.entries(&filter, after, PAGE).await.map_err(|error| store_error(&error))?;
            all.extend(page.entries);
            after = page.next;
            if after.is_none() {
                return Ok(all);
            }
        }
    }

    fn way(&self) -> Option<Way> {
        match self.shared.on_crash {
            OnCrash::Report => None,
            OnCrash::Finish => Some(Way::Finish),
            OnCrash::Undo => Some(Way::Undo),
        }
    }

    fn may_arrive(&self, entry: &Entry) -> bool {
        let upstream = self.upstreams.get(entry.intent.upstream.as_str());
        upstream.is_some_and(|upstream| may_arrive(&self.shared, upstream, entry))
    }

    /// Takes an entry over, and finishes it or takes it back; `false` when somebody else is at it.
    ///
    /// # Errors
    ///
    /// What is in the way; the entry is left for others then.
    pub(crate) async fn settle(&self, entry: &Entry, way: Way) -> Result<bool> {
        let journal = self.shared.links.writes();
        let name = entry.intent.upstream.as_str();
        let gone = || Error::new(ErrorKind::Internal, format!("there is no upstream {name} any more"));
        let upstream = self.upstreams.get(name).ok_or_else(gone)?;
        let Some(_entered) = self.shared.busy.enter(Work::Entry(entry.id)) else { return Ok(false) };
        let Some(taken) = journal.take_over(entry.id).await.map_err(|error| store_error(&error))? else {
            return Ok(false);
        };
        match self.settle_taken(&journal, taken, upstream, way).await {
            Ok(()) => Ok(true),
            Err(Stuck { error, fence }) => {
                // Where it cannot be left, it is when the lease ends.
                let _ = journal.release(entry.id, fence).await;
                Err(error)
            }
        }
    }

    async fn settle_taken(
        &self,
        journal: &Arc<dyn Writes>,
        entry: Entry,
        upstream: &Upstream,
        way: Way,
    ) -> Result<(), Stuck> {
        if entry.states.iter().all(|state| *state == State::NotSent) {
            // Its client knows that nothing was sent, and has sent it again or done something else.
            return Ok(close(&**journal, entry.id, Ending::Refused, "nothing of it was sent").await?);
        }
        let lock = lock(&**journal, upstream, &entry).await?;
        let shown = entry.clone();
        bring_to_end(&lock, &self.shared, journal, upstream, entry, way).await?;
        tell(&shown, if way == Way::Finish { "writes were finished" } else { "writes were taken back" });
        Ok(())
    }
}

async fn close(journal: &dyn Writes, entry: EntryId, ending: Ending, note: &str) -> Result<()> {
    journal.close(entry, ending, Some(note)).await.map_err(|error| store_error(&error))
}

/// Whether a write of an entry may still be on its way, so that nobody can tell that it was not done: as long as a
/// request, and a call after that, may take.
fn may_arrive(shared: &Shared, upstream: &Upstream, entry: &Entry) -> bool {
    let is_unclear = entry.states.iter().any(|state| matches!(state, State::Sending | State::Unknown));
    let age = entry.opened.elapsed().unwrap_or_default();
    is_unclear && age < shared.limits.deadline + upstream.timeout
}

fn overtaken() -> Error {
    Error::new(ErrorKind::Conflict, "somebody may have written the user since; nothing is sent any more")
}

/// Whether it is trouble that passes, after which it can be tried again.
fn passes(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::Overloaded | ErrorKind::Unavailable | ErrorKind::Timeout | ErrorKind::RateLimited)
}

/// Why an entry cannot be settled now.
pub(crate) struct Stuck {
    pub(crate) error: Error,
    /// The lock under which it was tried, so that it can be tried again.
    pub(crate) fence: Option<u64>,
}

impl From<Error> for Stuck {
    fn from(error: Error) -> Self {
        Self { error, fence: None }
    }
}

/// The right to write the user that an entry is about, whom nobody has written since: what was to be written then would
/// overwrite it now.
async fn lock(journal: &dyn Writes, upstream: &Upstream, entry: &Entry) -> Result<Lock> {
    let user = entry.intent.user.as_ref().ok_or_else(|| {
        let message = "somebody may have been created; look for them at the vendor, and link them";
        Error::new(ErrorKind::Unsupported, message)
    })?;
    // To ask for the lock would make a later entry look overtaken.
    if is_followed(journal, entry).await? {
        return Err(overtaken());
    }
    let lock = journal.lock(&upstream.server, user, SETTLE).await.map_err(|error| store_error(&error))?;
    let lock = lock.ok_or_else(|| overloaded("others are writing the user"))?;
    let previous = lock.previous().await.map_err(|error| store_error(&error))?;
    if previous.is_none() || previous != entry.intent.fence {
        return Err(overtaken());
    }
    Ok(lock)
}

/// Whether the journal knows a later request about the same user.
async fn is_followed(journal: &dyn Writes, entry: &Entry) -> Result<bool> {
    let filter = EntryFilter { upstream: Some(entry.intent.upstream.clone()), ..EntryFilter::default() };
    let mut after = Some(entry.id);
    while after.is_some() {
        let page = journal.entries(&filter, after, PAGE).await.map_err(|error| store_error(&error))?;
        if page.entries.iter().any(|later| later.intent.user == entry.intent.user) {
            return Ok(true);
        }
        after = page.next;
    }
    Ok(false)
}

/// Brings an entry that was taken over to an end in one way or the other, and closes it, under the lock of its user.
///
/// # Errors
///
/// Something of it was done, and the rest can be neither done nor undone; the entry stays open.
async fn bring_to_end(
    lock: &Lock,
    shared: &Shared,
    journal: &Arc<dyn Writes>,
    upstream: &Upstream,
    entry: Entry,
    way: Way,
) -> Result<(), Stuck> {
    let fence = lock.fence().await.map_err(|error| store_error(&error))?;
    let stuck = |error| Stuck { error, fence: Some(fence) };
    let (user, client) = (entry.intent.user.clone(), entry.intent.client.clone());
    let may_arrive = may_arrive(shared, upstream, &entry);
    let mut ledger = Ledger::taken_over(journal, entry).ok_or_else(|| {
        let message = "what was to be sent is not kept: it passed, or there is no journal.key";
        stuck(Error::new(ErrorKind::Unsupported, message))
    })?;
    let settling = Settling {
        adapter: &*upstream.adapter,
        transport: &Direct { upstream, client: &client },
        user: user.as_ref(),
        until: Instant::now() + SETTLE,
        may_arrive,
    };
    let brought = settle_by(way, &settling, &mut ledger).await;
    if ledger.ending() == Ending::Partial || ledger.is_lost() {
        let error =
            || Error::new(ErrorKind::Partial, "some of it was done, and the rest can be neither done nor undone");
        return Err(stuck(told(&ledger, brought.err().unwrap_or_else(error))));
    }
    ledger.close(Some("settled after a crash")).await;
    // What was refused is an end, too.
    brought.map_err(stuck)
}

/// Brings writes to an end in one way or the other, as far as that goes. What had failed before is not finished.
///
/// # Errors
///
/// An upstream that does not answer; what it refuses is marked.
async fn settle_by<T: Transport>(way: Way, settling: &Settling<'_, T>, ledger: &mut Ledger) -> Result<()> {
    let had_failed = ledger.any(&[State::Refused, State::Undone]);
    match way {
        Way::Finish if !had_failed => settling.finish(ledger).await,
        Way::Finish | Way::Undo => {
            settling.look(ledger).await;
            settling.undo(ledger).await;
            Ok(())
        }
    }
}

/// Goes on, for a client that repeats its request, with an entry that was taken over: sends what was not sent.
///
/// # Errors
///
/// It cannot be brought to an end; the error tells what became of each write.
pub(crate) async fn go_on(route: &Route, entry: Entry) -> Result<(), Stuck> {
    let journal = route.shared.links.writes();
    let so_far = || Ledger::taken_over(&journal, entry.clone()).map(|ledger| ledger.parts()).unwrap_or_default();
    let lock = lock(&*journal, &route.upstream, &entry).await.map_err(|error| Error::partial(so_far(), error))?;
    bring_to_end(&lock, &route.shared, &journal, &route.upstream, entry, Way::Finish).await
}

/// Tells of an entry: ids, names and states, and nothing of what was written.
fn tell(entry: &Entry, message: &str) {
    let intent = &entry.intent;
    let states: Vec<_> = entry.states.iter().map(|state| crate::ledger::part(*state).name()).collect();
    tracing::warn!(
        entry = %entry.id, request.id = %intent.request, upstream = %intent.upstream, operation = %intent.operation,
        client = %intent.client, writes = states.join(", "), "{message}"
    );
}

/// Calls an upstream for a client that does not wait for it, with the credential that it has there.
struct Direct<'a> {
    upstream: &'a Upstream,
    client: &'a str,
}

impl Transport for Direct<'_> {
    async fn send(&self, call: &Call, stage: Stage) -> Result<Reply> {
        let until = match stage {
            Stage::Settling(until) => until,
            Stage::First | Stage::Begun => Instant::now() + SETTLE,
        };
        self.upstream.call(call, stage, &Context::for_client(self.client), until).await
    }
}
