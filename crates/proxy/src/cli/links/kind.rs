//! Users and accounts: what a store is asked about both.

use std::{num::NonZeroU32, sync::Arc};

use interlingua_core::{Scope, UserId};
use interlingua_links::{AddError, Added, Counts, Cursor, Links, Page, ScopeLink, StoreError, UserFilter, UserLink};

use crate::config::entry::Written;

/// A kind of link that is kept in stores.
pub(super) trait Kind: Written {
    /// Adds links, all or none.
    async fn add(store: &dyn Links, links: Vec<Self>) -> Result<Added, AddError>;

    /// What adding them would come to.
    async fn check(store: &dyn Links, links: Vec<Self>) -> Result<Added, AddError>;

    /// The link with that id.
    async fn find(store: &dyn Links, dialect: &str, id: &Self::Id) -> Result<Option<Arc<Self>>, StoreError>;

    /// Removes the link with that id.
    async fn remove(store: &dyn Links, dialect: &str, id: &Self::Id) -> Result<Option<Arc<Self>>, StoreError>;

    /// Some links, from behind `after`. The filter is for users; accounts are not asked for with one.
    async fn page(
        store: &dyn Links,
        filter: &UserFilter,
        after: Option<Cursor>,
        limit: NonZeroU32,
    ) -> Result<Page<Self>, StoreError>;

    /// How many there are.
    fn count(counts: Counts) -> u64;

    /// What is remembered with the link and has no place in a list: a name for it, and the value.
    fn aside(&self) -> Option<(&'static str, String)>;
}

impl Kind for UserLink {
    async fn add(store: &dyn Links, links: Vec<Self>) -> Result<Added, AddError> {
        store.add_users(links).await
    }

    async fn check(store: &dyn Links, links: Vec<Self>) -> Result<Added, AddError> {
        store.check_users(links).await
    }

    async fn find(store: &dyn Links, dialect: &str, id: &UserId) -> Result<Option<Arc<Self>>, StoreError> {
        store.user(dialect, id).await
    }

    async fn remove(store: &dyn Links, dialect: &str, id: &UserId) -> Result<Option<Arc<Self>>, StoreError> {
        store.remove_user(dialect, id).await
    }

    async fn page(
        store: &dyn Links,
        filter: &UserFilter,
        after: Option<Cursor>,
        limit: NonZeroU32,
    ) -> Result<Page<Self>, StoreError> {
        store.users(filter, after, limit).await
    }

    fn count(counts: Counts) -> u64 {
        counts.users
    }

    fn aside(&self) -> Option<(&'static str, String)> {
        self.scope.as_ref().map(|(dialect, scope)| ("scope", format!("{dialect} {scope}")))
    }
}

impl Kind for ScopeLink {
    async fn add(store: &dyn Links, links: Vec<Self>) -> Result<Added, AddError> {
        store.add_scopes(links).await
    }

    async fn check(store: &dyn Links, links: Vec<Self>) -> Result<Added, AddError> {
        store.check_scopes(links).await
    }

    async fn find(store: &dyn Links, dialect: &str, scope: &Scope) -> Result<Option<Arc<Self>>, StoreError> {
        store.scope(dialect, &scope.id).await
    }

    async fn remove(store: &dyn Links, dialect: &str, scope: &Scope) -> Result<Option<Arc<Self>>, StoreError> {
        store.remove_scope(dialect, &scope.id).await
    }

    async fn page(
        store: &dyn Links,
        _: &UserFilter,
        after: Option<Cursor>,
        limit: NonZeroU32,
    ) -> Result<Page<Self>, StoreError> {
        store.scopes(after, limit).await
    }

    fn count(counts: Counts) -> u64 {
        counts.scopes
    }

    fn aside(&self) -> Option<(&'static str, String)> {
        None
    }
}
