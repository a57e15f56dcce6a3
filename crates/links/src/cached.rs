//! Links kept at hand.

use std::{
    fmt,
    hash::{BuildHasher, RandomState},
    num::{NonZeroU32, NonZeroUsize},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicU64, Ordering},
    },
};

use async_trait::async_trait;
use interlingua_core::{ScopeId, UserId};
use quick_cache::sync::Cache;

use crate::{
    AddError, Added, Change, Counts, Cursor, Links, Page, Remembered, ScopeLink, Spell, StoreError, UserFilter,
    UserLink, Watcher, Writes, handout::Wish, link::Link,
};

/// A bounded cache in front of a store.
///
/// Only links that are there are kept, so one that is made is seen at once. A change drops what it touches: one that
/// this process made before its method is done, one of another process as soon as the store
/// [tells](Links::watch) of it.
pub struct Cached<S: ?Sized> {
    store: Arc<S>,
    kept: Arc<Kept>,
}

/// How well a cache does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CacheStats {
    /// How often a link was at hand.
    pub hits: u64,
    /// How often the store was asked.
    pub misses: u64,
    /// How many ids are at hand.
    pub entries: u64,
}

/// Links by the hashes of their ids. A link has its ids itself, and tells whether it is the one that was meant.
struct Kept {
    users: Cache<u64, Arc<UserLink>>,
    scopes: Cache<u64, Arc<ScopeLink>>,
    /// With a secret of its own, so that nobody can choose ids that get in each other's way.
    hashing: RandomState,
    state: Mutex<State>,
    hits: AtomicU64,
    misses: AtomicU64,
}

/// What was told of changes so far. A link that was read before a change and arrives after it must not be kept.
#[derive(Clone, Copy, Debug, Default)]
struct State {
    changes: u64,
    blind: bool,
}

impl<S: Links + ?Sized> Cached<S> {
    /// Keeps the links of up to `ids` ids of users, and as many of scopes, in front of `store`.
    pub fn new(store: Arc<S>, ids: NonZeroUsize) -> Self {
        let kept = Arc::new(Kept {
            users: Cache::new(ids.get()),
            scopes: Cache::new(ids.get()),
            hashing: RandomState::new(),
            state: Mutex::default(),
            hits: AtomicU64::new(0),
            misses: AtomicU64::new(0),
        });
        let watcher: Weak<Kept> = Arc::downgrade(&kept);
        store.watch(watcher);
        Self { store, kept }
    }

    /// How well the cache does.
    pub fn stats(&self) -> CacheStats {
        let entries = self.kept.users.len() + self.kept.scopes.len();
        CacheStats {
            hits: self.kept.hits.load(Ordering::Relaxed),
            misses: self.kept.misses.load(Ordering::Relaxed),
            entries: u64::try_from(entries).unwrap_or(u64::MAX),
        }
    }
}

impl Kept {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps links that were read when there had been `before` changes.
    fn keep<'a, L: Link + 'a>(
        &self,
        cache: &Cache<u64, Arc<L>>,
        links: impl IntoIterator<Item = &'a Arc<L>>,
        before: u64,
    ) {
        let state = self.state();
        if state.blind || state.changes != before {
            return;
        }
        for link in links {
            for (dialect, id) in link.ids() {
                cache.insert(self.key(dialect, id), Arc::clone(link));
            }
        }
    }

    fn key(&self, dialect: &str, id: &str) -> u64 {
        self.hashing.hash_one((dialect, id))
    }

    fn at_hand<L: Link>(&self, cache: &Cache<u64, Arc<L>>, dialect: &str, id: &str) -> Option<Arc<L>> {
        let link = cache.get(&self.key(dialect, id)).filter(|link| link.has(dialect, id))?;
        self.hits.fetch_add(1, Ordering::Relaxed);
        Some(link)
    }

    fn miss(&self) -> u64 {
        self.misses.fetch_add(1, Ordering::Relaxed);
        self.state().changes
    }
}

impl Watcher for Kept {
    fn changed(&self, change: &Change) {
        let mut state = self.state();
        state.changes += 1;
        match change {
            Change::User(dialect, id) => {
                self.users.remove(&self.key(dialect, id.as_str()));
            }
            Change::Scope(dialect, id) => {
                self.scopes.remove(&self.key(dialect, id.as_str()));
            }
            Change::Everything | Change::Blind => {
                self.users.clear();
                self.scopes.clear();
                state.blind = *change == Change::Blind;
            }
        }
    }
}

impl<S: Links + ?Sized> fmt::Debug for Cached<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cached").field("store", &&*self.store).field("stats", &self.stats()).finish()
    }
}

#[async_trait]
impl<S: Links + ?Sized> Links for Cached<S> {
    async fn user(&self, dialect: &str, id: &UserId) -> Result<Option<Arc<UserLink>>, StoreError> {
        if let Some(link) = self.peek_user(dialect, id) {
            return Ok(Some(link));
        }
        let before = self.kept.miss();
        let link = self.store.user(dialect, id).await?;
        self.kept.keep(&self.kept.users, &link, before);
        Ok(link)
    }

    async fn scope(&self, dialect: &str, id: &ScopeId) -> Result<Option<Arc<ScopeLink>>, StoreError> {
        if let Some(link) = self.peek_scope(dialect, id) {
            return Ok(Some(link));
        }
        let before = self.kept.miss();
        let link = self.store.scope(dialect, id).await?;
        self.kept.keep(&self.kept.scopes, &link, before);
        Ok(link)
    }

    fn peek_user(&self, dialect: &str, id: &UserId) -> Option<Arc<UserLink>> {
        self.kept.at_hand(&self.kept.users, dialect, id.as_str())
    }

    fn peek_scope(&self, dialect: &str, id: &ScopeId) -> Option<Arc<ScopeLink>> {
        self.kept.at_hand(&self.kept.scopes, dialect, id.as_str())
    }

    async fn remember(&self, dialect: &str, id: &UserId, remembered: &Remembered) -> Result<(), StoreError> {
        self.store.remember(dialect, id, remembered).await
    }

    async fn foreign_users(
        &self,
        dialect: &str,
        ids: &[UserId],
        wanted: &str,
        spell: Spell<'_>,
    ) -> Result<Vec<Arc<UserLink>>, StoreError> {
        Wish::new(dialect, ids, wanted)?; // what the store would refuse is not answered from the cache
        let at_hand = |id| self.peek_user(dialect, id).filter(|link| link.ids.contains_key(wanted));
        let mut links: Vec<_> = ids.iter().map(at_hand).collect();
        let asked: Vec<UserId> =
            ids.iter().zip(&links).filter(|(_, link)| link.is_none()).map(|(id, _)| id.clone()).collect();
        if !asked.is_empty() {
            let before = self.kept.miss();
            let found = self.store.foreign_users(dialect, &asked, wanted, spell).await?;
            self.kept.keep(&self.kept.users, &found, before);
            let missing = links.iter_mut().filter(|link| link.is_none());
            missing.zip(found).for_each(|(link, found)| *link = Some(found));
        }
        let complete: Option<Vec<_>> = links.into_iter().collect();
        complete.ok_or_else(|| StoreError::unusable("a store answered for fewer users than were asked for"))
    }

    async fn may_hand_out(&self, wanted: &str, spell: Spell<'_>) -> Result<(), StoreError> {
        self.store.may_hand_out(wanted, spell).await
    }

    async fn add_users(&self, links: Vec<UserLink>) -> Result<Added, AddError> {
        self.store.add_users(links).await
    }

    async fn check_users(&self, links: Vec<UserLink>) -> Result<Added, AddError> {
        self.store.check_users(links).await
    }

    async fn add_scopes(&self, links: Vec<ScopeLink>) -> Result<Added, AddError> {
        self.store.add_scopes(links).await
    }

    async fn check_scopes(&self, links: Vec<ScopeLink>) -> Result<Added, AddError> {
        self.store.check_scopes(links).await
    }

    async fn remove_user(&self, dialect: &str, id: &UserId) -> Result<Option<Arc<UserLink>>, StoreError> {
        self.store.remove_user(dialect, id).await
    }

    async fn remove_scope(&self, dialect: &str, id: &ScopeId) -> Result<Option<Arc<ScopeLink>>, StoreError> {
        self.store.remove_scope(dialect, id).await
    }

    async fn users(
        &self,
        filter: &UserFilter,
        after: Option<Cursor>,
        limit: NonZeroU32,
    ) -> Result<Page<UserLink>, StoreError> {
        self.store.users(filter, after, limit).await
    }

    async fn scopes(&self, after: Option<Cursor>, limit: NonZeroU32) -> Result<Page<ScopeLink>, StoreError> {
        self.store.scopes(after, limit).await
    }

    async fn counts(&self) -> Result<Counts, StoreError> {
        self.store.counts().await
    }

    fn watch(&self, watcher: Weak<dyn Watcher>) {
        self.store.watch(watcher);
    }

    fn writes(&self) -> Arc<dyn Writes> {
        self.store.writes()
    }

    fn cache_stats(&self) -> Option<CacheStats> {
        Some(self.stats())
    }

    async fn close(&self) {
        self.store.close().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Memory;

    fn kept() -> Arc<Kept> {
        Cached::new(Arc::new(Memory::default()), NonZeroUsize::MIN.saturating_add(9)).kept
    }

    fn link() -> Arc<UserLink> {
        Arc::new(UserLink { ids: [("a".into(), UserId::new("1"))].into(), ..UserLink::default() })
    }

    fn is_kept(kept: &Kept) -> bool {
        kept.at_hand(&kept.users, "a", "1").is_some()
    }

    #[test]
    fn a_link_that_was_read_before_a_change_is_not_kept_after_it() {
        let (kept, other) = (kept(), Change::User("b".into(), UserId::new("x")));
        let before = kept.miss();
        kept.changed(&other);
        kept.keep(&kept.users, &[link()], before);
        assert!(!is_kept(&kept));
        kept.keep(&kept.users, &[link()], kept.miss());
        assert!(is_kept(&kept));
        kept.changed(&other);
        assert!(is_kept(&kept));
        kept.changed(&Change::User("a".into(), UserId::new("1")));
        assert!(!is_kept(&kept));
    }

    #[test]
    fn nothing_is_kept_while_changes_cannot_be_followed() {
        let kept = kept();
        kept.keep(&kept.users, &[link()], kept.miss());
        kept.changed(&Change::Blind);
        assert!(!is_kept(&kept));
        let before = kept.miss();
        kept.keep(&kept.users, &[link()], before);
        assert!(!is_kept(&kept));
        kept.changed(&Change::Everything);
        kept.keep(&kept.users, &[link()], before);
        assert!(!is_kept(&kept), "it may have been read before");
        kept.keep(&kept.users, &[link()], kept.miss());
        assert!(is_kept(&kept));
    }
}
