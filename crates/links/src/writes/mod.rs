//! What is kept of writes while they are done, so that they have a defined outcome whatever happens in the middle; and of
//! sessions that were ended.

mod journal;
mod locks;
mod log_outs;
mod memory;
mod repeats;
mod seal;

use std::{fmt, time::Duration};

use async_trait::async_trait;

pub(crate) use journal::check_note;
pub use journal::{Ending, Entries, Entry, EntryFilter, EntryId, Intent, Journal, Shown, State, Undo, Write};
pub(crate) use locks::{Grant, Queues};
pub use locks::{Lock, Locks};
pub use log_outs::LogOuts;
pub(crate) use memory::Kept;
pub(crate) use repeats::hash;
pub use repeats::{Begun, Repeats};
pub(crate) use seal::Seal;
pub use seal::SealingKey;

use crate::StoreError;

/// What a store keeps of writes, in the database of the links.
///
/// Each store that is opened is an **owner**: of the entries that it opens in the journal, of locks, and of requests
/// that it has begun. Its
/// [lease](crate::Options::lease) says that the process lives. Whoever holds a store for long renews it, three times a
/// lease or so; when it has ended, others may take over what is the owner's. In memory there is one owner, that lives as
/// long as all that it owns.
///
/// Every method that waits may fail with [`StoreErrorKind::Unavailable`](crate::StoreErrorKind::Unavailable). Of a change
/// that does, it is not known whether it was made, but it was made wholly or not at all.
#[async_trait]
pub trait Writes: Journal + Locks + Repeats + LogOuts + fmt::Debug {
    /// Renews the lease. An owner whose lease had ended is itself again, as long as nobody took anything over.
    ///
    /// What needs a lease takes one, or renews one of which less than half is left. So a process that is idle may let
    /// its lease end.
    ///
    /// It also frees the locks that were granted when nobody waited for them any more.
    ///
    /// # Errors
    ///
    /// The store does not answer.
    async fn renew(&self) -> Result<(), StoreError>;

    /// Deletes the entries that were closed longer than `keep` ago, and all else that has had its time, and says how many
    /// entries those were. To be called now and then.
    ///
    /// # Errors
    ///
    /// The store does not answer.
    async fn sweep(&self, keep: Duration) -> Result<u64, StoreError>;
}
