//! What somebody in this process is at, so that nobody else in it is at the same.
//!
//! A store knows processes, and not their tasks: what it lets a process do, it lets each of its tasks do.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use interlingua_links::EntryId;

use crate::repeat_key::RepeatKey;

/// What one task at a time may be at.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Work {
    /// The request of this client with this key.
    Request(String, RepeatKey),
    /// An entry of the journal that somebody has left.
    Entry(EntryId),
}

/// See the module.
#[derive(Clone, Debug, Default)]
pub(crate) struct Busy(Arc<Mutex<HashSet<Work>>>);

impl Busy {
    /// The right to be at this work, until it is dropped; `None` while somebody else has it.
    pub(crate) fn enter(&self, work: Work) -> Option<Entered> {
        lock(&self.0).insert(work.clone()).then(|| Entered { all: Arc::clone(&self.0), work })
    }
}

/// The right to be at something. A task that panics gives it back, too.
#[derive(Debug)]
pub(crate) struct Entered {
    all: Arc<Mutex<HashSet<Work>>>,
    work: Work,
}

impl Drop for Entered {
    fn drop(&mut self) {
        lock(&self.all).remove(&self.work);
    }
}

fn lock(all: &Mutex<HashSet<Work>>) -> MutexGuard<'_, HashSet<Work>> {
    all.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_at_a_time_is_at_it() {
        let (busy, entry) = (Busy::default(), |number: &str| Work::Entry(number.parse().unwrap()));
        let entered = busy.enter(entry("1")).unwrap();
        assert!(busy.enter(entry("1")).is_none());
        assert!(busy.enter(entry("2")).is_some());
        drop(entered);
        assert!(busy.enter(entry("1")).is_some());
    }

    #[test]
    fn whoever_panics_is_at_it_no_more() {
        let busy = Busy::default();
        let entered = busy.enter(Work::Entry("1".parse().unwrap()));
        let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let _entered = entered;
            panic!("on purpose");
        }));
        assert!(panicked.is_err());
        assert!(busy.enter(Work::Entry("1".parse().unwrap())).is_some());
    }
}
