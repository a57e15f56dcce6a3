#![doc = include_str!("../README.md")]

mod by_dialect;
mod cached;
mod changes;
mod error;
mod handout;
mod link;
mod memory;
mod open;
mod plan;
mod range;
mod remembered;
mod sql;
mod store;
mod table;
mod writes;

pub use by_dialect::ByDialect;
pub use cached::{CacheStats, Cached};
pub use changes::{Change, Watcher};
pub use error::{AddError, Reason, StoreError, StoreErrorKind, Taken};
pub use handout::Spell;
pub use link::{ScopeLink, UserLink};
pub use memory::Memory;
pub use open::{Location, Options, open};
pub use range::{IdRange, NotARange, Ranges};
pub use remembered::Remembered;
pub use sql::{Postgres, Sqlite};
pub use store::{Added, Counts, Cursor, Links, Page, UserFilter};
pub use writes::{
    Begun, Ending, Entries, Entry, EntryFilter, EntryId, Intent, Journal, Lock, Locks, LogOuts, Repeats, SealingKey,
    Shown, State, Undo, Write, Writes,
};
