//! The journal: what was to be written, and how far it came.

use std::{fmt, iter, num::NonZeroU32, str::FromStr, time::SystemTime};

use async_trait::async_trait;
use interlingua_core::{Bytes, Text, UserId, http::Method};

#[cfg(doc)]
use crate::{Lock, Options, Repeats, StoreErrorKind};
use crate::{StoreError, link::is_storable};

/// Where it is written down what is about to be written at an upstream, and what came of it.
///
/// An entry is opened before the first write of a plan is sent, and closed when it is known what came of the last.
/// What is found open when its owner is gone was done half, and can be taken over.
#[async_trait]
pub trait Journal: Send + Sync {
    /// Opens an entry, with no write sent yet, for the request that the client [began](Repeats::begin) with `key`, where
    /// it gave one.
    ///
    /// # Errors
    ///
    /// Nothing may be sent then. [`StoreErrorKind::Lost`]: such a request is not the caller's any more, or never was.
    /// The store does not answer, or cannot keep such a text.
    async fn open(&self, intent: &Intent, key: Option<&str>) -> Result<EntryId, StoreError>;

    /// Marks one of the writes of an entry, counted from 0, as being in a state. Once this has answered, the mark
    /// survives whatever happens to the process.
    ///
    /// # Errors
    ///
    /// [`StoreErrorKind::Lost`]: the entry is not the caller's any more, or closed, or has no such write; then nothing
    /// may be sent. The store does not answer.
    async fn mark(&self, entry: EntryId, write: usize, state: State) -> Result<(), StoreError>;

    /// Closes an entry, with a note that holds no personal data. All bodies are erased.
    ///
    /// # Errors
    ///
    /// [`StoreErrorKind::Lost`]: the entry is not the caller's any more, or closed. The store does not answer, or cannot
    /// keep such a note.
    async fn close(&self, entry: EntryId, ending: Ending, note: Option<&str>) -> Result<(), StoreError>;

    /// Leaves an open entry to whoever takes it over: the caller can do nothing about it, and somebody else may.
    ///
    /// With the fence of the lock that the caller has, the entry remembers that one from then on, so that the caller
    /// does not count as somebody who had the lock [since](Intent::fence).
    ///
    /// # Errors
    ///
    /// [`StoreErrorKind::Lost`]: the entry is not the caller's any more, or closed. The store does not answer.
    async fn release(&self, entry: EntryId, fence: Option<u64>) -> Result<(), StoreError>;

    /// Notes that somebody has seen to an entry that was closed as [partial](Ending::Partial), whoever closed it.
    ///
    /// # Errors
    ///
    /// [`StoreErrorKind::Lost`]: the entry is not partial. The store does not answer, or cannot keep such a note.
    async fn resolve(&self, entry: EntryId, note: Option<&str>) -> Result<(), StoreError>;

    /// The entry with that number.
    ///
    /// # Errors
    ///
    /// The store does not answer.
    async fn entry(&self, entry: EntryId) -> Result<Option<Entry>, StoreError>;

    /// The entries that `filter` lets through, in the order in which they were opened, from behind `after`, without
    /// bodies.
    ///
    /// # Errors
    ///
    /// The store does not answer.
    async fn entries(
        &self,
        filter: &EntryFilter,
        after: Option<EntryId>,
        limit: NonZeroU32,
    ) -> Result<Entries, StoreError>;

    /// Makes an open entry whose owner is gone the caller's: of all who try, one gets it. `None` when there is no such
    /// entry, when it is closed, or somebody else's.
    ///
    /// Of one that is the caller's already the answer is the entry, too, so that after a failure it can be asked again.
    ///
    /// # Errors
    ///
    /// The store does not answer.
    async fn take_over(&self, entry: EntryId) -> Result<Option<Entry>, StoreError>;
}

/// The number of an entry. Later entries have higher ones; none is given twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EntryId(pub(crate) i64);

impl fmt::Display for EntryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for EntryId {
    type Err = StoreError;

    fn from_str(entry: &str) -> Result<Self, StoreError> {
        entry.parse().map(Self).map_err(|_| StoreError::unfit("a number of an entry that is none"))
    }
}

/// What is about to be written for one request.
#[derive(Clone, Debug, PartialEq)]
pub struct Intent {
    /// The id of the request.
    pub request: Text,
    /// The name of the upstream.
    pub upstream: Text,
    /// The upstream's id of the user, where there is one yet.
    pub user: Option<UserId>,
    /// The [fence](Lock::fence) of the user's lock under which it was opened, where there is a user. Whoever has the
    /// lock later, and is told that this is the one [before](Lock::previous), knows that nobody had it since.
    pub fence: Option<u64>,
    /// The name of the operation that the client called.
    pub operation: Text,
    /// The name of the client.
    pub client: Text,
    /// The writes, in the order in which they are sent.
    pub writes: Vec<Write>,
}

/// One write of a plan.
///
/// `Debug` leaves out what is personal.
#[derive(Clone, PartialEq)]
pub struct Write {
    /// The method.
    pub method: Method,
    /// The path and query, relative to the upstream's base URL. It is kept in clear.
    pub target: String,
    /// The body; empty when there is none. `None` when it is not to be kept, and then that of no write of the plan is:
    /// such an entry can be told, and not be finished. `None`, too, when it was not kept, because the store has
    /// [no key](Options::key), or not the one it was sealed with; when it is erased, because the entry is closed; and in
    /// [lists](Journal::entries).
    pub body: Option<Bytes>,
    /// The canonical names of the fields that it carries.
    pub fields: Vec<Text>,
    /// Whether it can be sent again without a second effect.
    pub repeatable: bool,
    /// The call that takes it back, where there is one.
    pub undo: Option<Undo>,
}

/// A call that takes a write back.
///
/// `Debug` leaves out what is personal.
#[derive(Clone, PartialEq)]
pub struct Undo {
    /// The method.
    pub method: Method,
    /// The path and query, as with the write.
    pub target: String,
    /// The body, as with the write.
    pub body: Option<Bytes>,
}

/// How far a write came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Nothing was sent.
    NotSent,
    /// It is about to be sent, or was sent and nothing is known of it: what an owner who is gone leaves so is
    /// [unknown](Self::Unknown).
    Sending,
    /// The upstream has done it.
    Applied,
    /// The upstream has refused it.
    Refused,
    /// It was sent, and nobody knows what came of it.
    Unknown,
    /// It was done, and taken back.
    Undone,
}

/// What came of a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Every write was done.
    Done,
    /// Nothing was changed, or all that was changed was taken back.
    Refused,
    /// Some of it was done, or may have been.
    Partial,
    /// Somebody has seen to it.
    Resolved,
}

/// What an entry says.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// Its number.
    pub id: EntryId,
    /// When it was opened, by the database's clock.
    pub opened: SystemTime,
    /// What was about to be written.
    pub intent: Intent,
    /// How far each of the writes came, in their order.
    pub states: Vec<State>,
    /// When it was closed, with what ending, and the note; `None` while it is open.
    pub closed: Option<(SystemTime, Ending, Option<Text>)>,
}

/// Which entries to show: those for which all holds that is said.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct EntryFilter {
    /// Whether they are open.
    pub shown: Shown,
    /// They are about this upstream.
    pub upstream: Option<Text>,
    /// They were opened then or later.
    pub since: Option<SystemTime>,
}

/// Which entries to show, by what is to be done about them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Shown {
    /// All.
    #[default]
    All,
    /// Those that are open.
    Open,
    /// Those that are open and whose owner is gone, or has [left](Journal::release) them: they can be
    /// [taken over](Journal::take_over).
    Abandoned,
    /// Those that somebody has to see to: the abandoned ones, and those that were closed as [partial](Ending::Partial).
    Unsettled,
}

/// Some of many entries.
#[derive(Clone, Debug, PartialEq)]
pub struct Entries {
    /// The entries.
    pub entries: Vec<Entry>,
    /// Behind which entry the next page begins; `None` at the end.
    pub next: Option<EntryId>,
}

impl Intent {
    /// # Errors
    ///
    /// No store can keep it.
    pub(crate) fn check(&self) -> Result<(), StoreError> {
        let Self { request, upstream, user, fence: _, operation, client, writes: _ } = self;
        let texts = [request, upstream, operation, client].map(Text::as_str);
        if !texts.into_iter().chain(user.as_ref().map(UserId::as_str)).all(is_storable) {
            return Err(StoreError::unfit("a text about a plan that is too long or holds a NUL"));
        }
        Ok(())
    }

    /// The bodies of all writes in their order, each before that of its own undoing.
    pub(crate) fn bodies(&self) -> impl Iterator<Item = &Option<Bytes>> {
        self.writes.iter().flat_map(|write| iter::once(&write.body).chain(write.undo.as_ref().map(|undo| &undo.body)))
    }

    /// The same, where all of them are to be kept.
    pub(crate) fn all_bodies(&self) -> Option<Vec<&[u8]>> {
        self.bodies().map(Option::as_deref).collect()
    }

    /// The same, to be filled or erased.
    pub(crate) fn bodies_mut(&mut self) -> impl Iterator<Item = &mut Option<Bytes>> {
        fn of(write: &mut Write) -> impl Iterator<Item = &mut Option<Bytes>> {
            iter::once(&mut write.body).chain(write.undo.as_mut().map(|undo| &mut undo.body))
        }
        self.writes.iter_mut().flat_map(of)
    }

    /// The same without bodies.
    #[must_use]
    pub fn bare(&self) -> Self {
        let mut bare = self.clone();
        bare.bodies_mut().for_each(|body| *body = None);
        bare
    }
}

/// # Errors
///
/// No store can keep such a note.
pub(crate) fn check_note(note: Option<&str>) -> Result<(), StoreError> {
    if note.is_none_or(is_storable) { Ok(()) } else { Err(StoreError::unfit("a note that is too long or holds a NUL")) }
}

impl Entries {
    /// A page of at most `limit` of the entries, which are one more where there is another page.
    pub(crate) fn cut(mut entries: Vec<Entry>, limit: NonZeroU32) -> Self {
        let limit = usize::try_from(limit.get()).unwrap_or(usize::MAX);
        let more = entries.len() > limit;
        entries.truncate(limit);
        let next = entries.last().filter(|_| more).map(|last| last.id);
        Self { entries, next }
    }
}

impl fmt::Debug for Write {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { method, target, body, fields, repeatable, undo } = self;
        f.debug_struct("Write")
            .field("method", method)
            .field("path", &path(target))
            .field("body_bytes", &body.as_ref().map(Bytes::len))
            .field("fields", fields)
            .field("repeatable", repeatable)
            .field("undo", undo)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Undo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { method, target, body } = self;
        f.debug_struct("Undo")
            .field("method", method)
            .field("path", &path(target))
            .field("body_bytes", &body.as_ref().map(Bytes::len))
            .finish_non_exhaustive()
    }
}

/// The query may hold what somebody searched for.
fn path(target: &str) -> &str {
    target.split('?').next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_output_holds_no_personal_data() {
        let body = Some(Bytes::from("john.smith@example.com"));
        let undo = Undo { method: Method::PUT, target: "/users/1?email=john".into(), body: body.clone() };
        let (method, target) = (Method::PUT, "/users/1?email=john".into());
        let write = Write { method, target, body, fields: vec!["email".into()], repeatable: true, undo: Some(undo) };
        let shown = format!("{write:?}");
        assert!(!shown.contains("john"), "{shown}");
        assert!(shown.contains("\"/users/1\"") && shown.contains("email"), "{shown}");
    }

    #[test]
    fn numbers_of_entries_are_texts_as_well() {
        assert_eq!("17".parse::<EntryId>().unwrap().to_string(), "17");
        assert!("x".parse::<EntryId>().is_err());
    }
}
