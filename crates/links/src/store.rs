//! The contract of a store.

use std::{
    fmt,
    num::NonZeroU32,
    sync::{Arc, Weak},
};

use async_trait::async_trait;
use interlingua_core::{ScopeId, Text, UserId};

#[cfg(doc)]
use crate::StoreErrorKind;
use crate::{
    AddError, CacheStats, Remembered, ScopeLink, Spell, StoreError, UserLink, Watcher, Writes, link::is_storable,
};

/// Where links are kept.
///
/// Every method that waits may fail with [`StoreErrorKind::Unavailable`]. Of a write that does, it is not known
/// whether it was done; but it was done wholly or not at all.
#[async_trait]
pub trait Links: fmt::Debug + Send + Sync {
    /// The link of the user whom `dialect` calls `id`.
    ///
    /// # Errors
    ///
    /// The store does not answer.
    async fn user(&self, dialect: &str, id: &UserId) -> Result<Option<Arc<UserLink>>, StoreError>;

    /// The link of the scope that `dialect` calls `id`.
    ///
    /// # Errors
    ///
    /// The store does not answer.
    async fn scope(&self, dialect: &str, id: &ScopeId) -> Result<Option<Arc<ScopeLink>>, StoreError>;

    /// The link of the user whom `dialect` calls `id`, where it is at hand without waiting.
    ///
    /// `None` means: ask [`user`](Self::user).
    fn peek_user(&self, dialect: &str, id: &UserId) -> Option<Arc<UserLink>> {
        let _ = (dialect, id);
        None
    }

    /// The link of the scope that `dialect` calls `id`, where it is at hand without waiting.
    ///
    /// `None` means: ask [`scope`](Self::scope).
    fn peek_scope(&self, dialect: &str, id: &ScopeId) -> Option<Arc<ScopeLink>> {
        let _ = (dialect, id);
        None
    }

    /// Remembers something with the link of the user whom `dialect` calls `id`.
    ///
    /// A user without a link is nobody to remember anything of; that is no error.
    ///
    /// # Errors
    ///
    /// The store does not answer, or cannot keep such a text.
    async fn remember(&self, dialect: &str, id: &UserId, remembered: &Remembered) -> Result<(), StoreError>;

    /// The link of the user whom `dialect` calls `id`, with an id in `wanted`: the one it has, or else a fresh one.
    ///
    /// A fresh id is a number of the range for `wanted`, as `spell` writes it, that no link has. It is the user's ever
    /// after, and is not handed out again, not even when the link is removed.
    ///
    /// # Errors
    ///
    /// As [`foreign_users`](Self::foreign_users).
    async fn foreign_user(
        &self,
        dialect: &str,
        id: &UserId,
        wanted: &str,
        spell: Spell<'_>,
    ) -> Result<Arc<UserLink>, StoreError> {
        let mut links = self.foreign_users(dialect, std::slice::from_ref(id), wanted, spell).await?;
        links.pop().ok_or_else(|| StoreError::unusable("no link for a user"))
    }

    /// [`foreign_user`](Self::foreign_user) for a page of users, each answered at its place: one look for those who
    /// have an id, one transaction for those who do not.
    ///
    /// # Errors
    ///
    /// The range for `wanted` is exhausted, or there is none; nothing was handed out then. The store does not answer,
    /// or cannot keep such an id.
    async fn foreign_users(
        &self,
        dialect: &str,
        ids: &[UserId],
        wanted: &str,
        spell: Spell<'_>,
    ) -> Result<Vec<Arc<UserLink>>, StoreError>;

    /// Makes sure that [`foreign_user`](Self::foreign_user) could hand out an id in `wanted` now: the store is written to,
    /// durably, although nothing changes. To be asked before something is done that cannot be undone.
    ///
    /// # Errors
    ///
    /// As [`foreign_users`](Self::foreign_users).
    async fn may_hand_out(&self, wanted: &str, spell: Spell<'_>) -> Result<(), StoreError>;

    /// Adds links of users, all or none, as if one after the other.
    ///
    /// A link that is there already is no obstacle: the store knows its ids as those of one user, and login and time of
    /// creation where the link tells them. So a list can be added again. The scope that was set last is not compared,
    /// and not overwritten.
    ///
    /// # Errors
    ///
    /// Some are taken; or the store does not answer.
    async fn add_users(&self, links: Vec<UserLink>) -> Result<Added, AddError>;

    /// What [`add_users`](Self::add_users) would answer now, with nothing written.
    ///
    /// # Errors
    ///
    /// As there.
    async fn check_users(&self, links: Vec<UserLink>) -> Result<Added, AddError>;

    /// Adds links of scopes, all or none, as if one after the other.
    ///
    /// A link that is there already is no obstacle, as with [`add_users`](Self::add_users).
    ///
    /// # Errors
    ///
    /// Some are taken; or the store does not answer.
    async fn add_scopes(&self, links: Vec<ScopeLink>) -> Result<Added, AddError>;

    /// What [`add_scopes`](Self::add_scopes) would answer now, with nothing written.
    ///
    /// # Errors
    ///
    /// As there.
    async fn check_scopes(&self, links: Vec<ScopeLink>) -> Result<Added, AddError>;

    /// Removes the link of the user whom `dialect` calls `id`, with all its ids, and gives it back.
    ///
    /// # Errors
    ///
    /// The store does not answer.
    async fn remove_user(&self, dialect: &str, id: &UserId) -> Result<Option<Arc<UserLink>>, StoreError>;

    /// Removes the link of the scope that `dialect` calls `id`, with all its ids, and gives it back.
    ///
    /// # Errors
    ///
    /// The store does not answer.
    async fn remove_scope(&self, dialect: &str, id: &ScopeId) -> Result<Option<Arc<ScopeLink>>, StoreError>;

    /// The links of users that `filter` lets through, in the order in which they were made, from behind `after`.
    ///
    /// Whoever walks all pages sees each link that is there all the while, once.
    ///
    /// # Errors
    ///
    /// The store does not answer.
    async fn users(
        &self,
        filter: &UserFilter,
        after: Option<Cursor>,
        limit: NonZeroU32,
    ) -> Result<Page<UserLink>, StoreError>;

    /// The links of scopes in the order in which they were made, from behind `after`, as [`users`](Self::users).
    ///
    /// # Errors
    ///
    /// The store does not answer.
    async fn scopes(&self, after: Option<Cursor>, limit: NonZeroU32) -> Result<Page<ScopeLink>, StoreError>;

    /// How many links there are.
    ///
    /// # Errors
    ///
    /// The store does not answer.
    async fn counts(&self) -> Result<Counts, StoreError>;

    /// Tells `watcher` of every change from now on, whoever makes it, for as long as the watcher lives.
    ///
    /// By the time that a method of this store that changed something is done, the watcher was told.
    fn watch(&self, watcher: Weak<dyn Watcher>);

    /// What is kept of writes beside the links, never cached.
    fn writes(&self) -> Arc<dyn Writes>;

    /// How well the cache does, where there is one.
    fn cache_stats(&self) -> Option<CacheStats> {
        None
    }

    /// Lets go of files and connections. What is asked afterwards may fail.
    async fn close(&self) {}
}

/// What came of adding links.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Added {
    /// How many are new.
    pub added: usize,
    /// How many were there already.
    pub unchanged: usize,
}

/// How many links a store holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Links of users.
    pub users: u64,
    /// Links of scopes.
    pub scopes: u64,
}

/// Which links of users to show: those for which all holds that is said.
#[derive(Clone, Default, PartialEq)]
pub struct UserFilter {
    /// There is an id in this dialect.
    pub has: Option<Text>,
    /// There is no id in this dialect.
    pub lacks: Option<Text>,
    /// The login is this.
    pub login: Option<Text>,
    /// This is a part of one of the ids, or of the login; upper and lower case differ.
    pub containing: Option<Text>,
}

impl fmt::Debug for UserFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UserFilter").field("has", &self.has).field("lacks", &self.lacks).finish_non_exhaustive()
    }
}

impl UserFilter {
    /// Whether no link can get through, because it asks for what no store keeps.
    pub(crate) fn admits_nothing(&self) -> bool {
        [&self.has, &self.login, &self.containing].into_iter().flatten().any(|text| !is_storable(text))
    }

    /// Whether the filter lets a link through.
    pub fn admits(&self, link: &UserLink) -> bool {
        let contains = |part: &Text| {
            let mut texts = link.ids.values().map(UserId::as_str).chain(link.login.as_deref());
            texts.any(|text| text.contains(part.as_str()))
        };
        self.has.as_ref().is_none_or(|dialect| link.ids.contains_key(dialect))
            && self.lacks.as_ref().is_none_or(|dialect| !link.ids.contains_key(dialect))
            && self.login.as_ref().is_none_or(|login| link.login.as_ref() == Some(login))
            && self.containing.as_ref().is_none_or(contains)
    }
}

/// Some of many links.
#[derive(Clone, Debug, PartialEq)]
pub struct Page<L> {
    /// The links.
    pub links: Vec<Arc<L>>,
    /// Where the next page begins; `None` at the end.
    pub next: Option<Cursor>,
}

impl<L> Page<L> {
    pub(crate) fn empty() -> Self {
        Self { links: Vec::new(), next: None }
    }

    /// A page of at most `limit` of the links, which are one more where there is another page.
    pub(crate) fn cut(links: impl Iterator<Item = (i64, Arc<L>)>, limit: NonZeroU32) -> Self {
        let limit = usize::try_from(limit.get()).unwrap_or(usize::MAX);
        let mut page = Self { links: Vec::new(), next: None };
        let mut last = 0;
        for (number, link) in links {
            if page.links.len() == limit {
                page.next = Some(Cursor(last));
                break;
            }
            page.links.push(link);
            last = number;
        }
        page
    }
}

/// A place between two links. It stays good when links are added or removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor(pub(crate) i64);

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::str::FromStr for Cursor {
    type Err = StoreError;

    fn from_str(cursor: &str) -> Result<Self, StoreError> {
        cursor.parse().map(Self).map_err(|_| StoreError::unfit("a cursor that no page gave"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::StoreErrorKind;

    #[test]
    fn a_page_knows_whether_there_is_another() {
        let cut = |count: i64| Page::cut((1..=count).map(|number| (number, Arc::new(number))), NonZeroU32::MIN);
        assert_eq!(cut(0), Page { links: vec![], next: None });
        assert_eq!(cut(1), Page { links: vec![Arc::new(1)], next: None });
        assert_eq!(cut(2), Page { links: vec![Arc::new(1)], next: Some(Cursor(1)) });
        assert_eq!("17".parse::<Cursor>().unwrap().to_string(), "17");
        assert_eq!("x".parse::<Cursor>().unwrap_err().kind(), StoreErrorKind::Unfit);
    }
}
