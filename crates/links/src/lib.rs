#![doc = include_str!("../README.md")]

mod memory;

use std::{collections::BTreeMap, fmt, sync::Arc};

use async_trait::async_trait;
use interlingua_core::{Scope, ScopeId, Text, Timestamp, UserId};

pub use memory::{Memory, Taken};

/// One user's ids, by dialect, and what is remembered of the user.
#[derive(Clone, Default, PartialEq)]
pub struct UserLink {
    /// The ids, by the name of the dialect.
    pub ids: BTreeMap<Text, UserId>,
    /// The name that the user signs in with, for dialects that do not know it.
    pub login: Option<Text>,
    /// When the user was created, for dialects that do not know it.
    pub created: Option<Timestamp>,
    /// The scope that was set last, for dialects that show only one: a dialect and its id for the scope.
    pub scope: Option<(Text, ScopeId)>,
}

/// Without what is remembered of the person.
impl fmt::Debug for UserLink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UserLink").field("ids", &self.ids).field("scope", &self.scope).finish_non_exhaustive()
    }
}

/// One scope's ids, by dialect.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ScopeLink {
    /// The scopes, by the name of the dialect.
    pub scopes: BTreeMap<Text, Scope>,
    /// What people call it.
    pub name: Option<Text>,
}

impl ScopeLink {
    /// The scope as `dialect` has it, with what any of the dialects knows of its level and name.
    pub fn scope(&self, dialect: &str) -> Option<Scope> {
        let scope = self.scopes.get(dialect)?;
        Some(Scope {
            id: scope.id.clone(),
            level: scope.level.or_else(|| self.scopes.values().find_map(|other| other.level)),
            name: self.name.clone().or_else(|| scope.name.clone()),
        })
    }
}

/// Where links are kept.
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

    /// Remembers with a user's link that `scope` was set last, or that none is to be preferred any more.
    ///
    /// # Errors
    ///
    /// The store does not answer.
    async fn remember_scope(&self, dialect: &str, id: &UserId, scope: Option<&ScopeId>) -> Result<(), StoreError>;
}

/// The store does not answer.
#[derive(Debug)]
pub struct StoreError(String);

impl StoreError {
    /// An error with what the store said.
    pub fn new(reason: impl Into<String>) -> Self {
        Self(reason.into())
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the link store does not answer: {}", self.0)
    }
}

impl std::error::Error for StoreError {}
