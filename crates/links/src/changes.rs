//! What a store tells those who keep copies of its links.

use std::{
    fmt,
    sync::{Mutex, PoisonError, Weak},
};

use interlingua_core::{ScopeId, Text, UserId};

/// Something that copies of links must follow. A link that is merely new is no change to any copy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// The link with this user was changed or removed.
    User(Text, UserId),
    /// The link with this scope was changed or removed.
    Scope(Text, ScopeId),
    /// Anything may have changed. Whoever was told [`Change::Blind`] may keep copies again.
    Everything,
    /// Changes cannot be followed until further notice: nothing may be kept.
    Blind,
}

/// Keeps copies of links and wants to know of changes.
pub trait Watcher: Send + Sync {
    /// Something changed. Called often, from anywhere: it must neither wait nor fail.
    fn changed(&self, change: &Change);
}

/// Those who watch a store.
#[derive(Default)]
pub(crate) struct Watchers(Mutex<State>);

#[derive(Default)]
struct State {
    watchers: Vec<Weak<dyn Watcher>>,
    blind: bool,
}

impl Watchers {
    /// Adds one, for as long as it lives.
    pub(crate) fn add(&self, watcher: Weak<dyn Watcher>) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if state.blind
            && let Some(watcher) = watcher.upgrade()
        {
            watcher.changed(&Change::Blind);
        }
        state.watchers.push(watcher);
    }

    /// Tells all of them.
    pub(crate) fn tell(&self, change: &Change) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match change {
            Change::Blind => state.blind = true,
            Change::Everything => state.blind = false,
            Change::User(..) | Change::Scope(..) => {}
        }
        state.watchers.retain(|watcher| {
            let watcher = watcher.upgrade();
            if let Some(watcher) = &watcher {
                watcher.changed(change);
            }
            watcher.is_some()
        });
    }
}

impl fmt::Debug for Watchers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Watchers(..)")
    }
}
