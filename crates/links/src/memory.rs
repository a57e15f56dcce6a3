//! Links in memory.

use std::{
    collections::HashMap,
    fmt,
    hash::Hash,
    sync::{Arc, PoisonError, RwLock},
};

use async_trait::async_trait;
use interlingua_core::{ScopeId, Text, UserId};

use crate::{Links, ScopeLink, StoreError, UserLink};

/// Links that live as long as the process.
#[derive(Debug)]
pub struct Memory {
    users: RwLock<Index<UserId, UserLink>>,
    scopes: Index<ScopeId, ScopeLink>,
}

/// Links by dialect and id.
type Index<Id, Link> = HashMap<Text, HashMap<Id, Arc<Link>>>;

impl Memory {
    /// Links these users and scopes.
    ///
    /// # Errors
    ///
    /// An id stands in two links.
    pub fn new(users: Vec<UserLink>, scopes: Vec<ScopeLink>) -> Result<Self, Taken> {
        Ok(Self {
            users: RwLock::new(index(users, |link| {
                link.ids.iter().map(|(dialect, id)| (dialect.clone(), id.clone())).collect()
            })?),
            scopes: index(scopes, |link| {
                link.scopes.iter().map(|(dialect, scope)| (dialect.clone(), scope.id.clone())).collect()
            })?,
        })
    }
}

fn index<Id: Eq + Hash + fmt::Display, Link>(
    links: Vec<Link>,
    ids: impl Fn(&Link) -> Vec<(Text, Id)>,
) -> Result<Index<Id, Link>, Taken> {
    let mut index: Index<Id, Link> = HashMap::new();
    for (position, link) in links.into_iter().enumerate() {
        let link = Arc::new(link);
        for (dialect, id) in ids(&link) {
            let words = format!("{dialect} {id}");
            if index.entry(dialect).or_default().insert(id, Arc::clone(&link)).is_some() {
                return Err(Taken { position, id: words });
            }
        }
    }
    Ok(index)
}

/// An id stands in two links.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Taken {
    /// Which of the links, counted from 0, is the second one.
    pub position: usize,
    /// The id, with its dialect.
    pub id: String,
}

impl fmt::Display for Taken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is linked already", self.id)
    }
}

impl std::error::Error for Taken {}

#[async_trait]
impl Links for Memory {
    async fn user(&self, dialect: &str, id: &UserId) -> Result<Option<Arc<UserLink>>, StoreError> {
        let users = self.users.read().unwrap_or_else(PoisonError::into_inner);
        Ok(users.get(dialect).and_then(|ids| ids.get(id)).cloned())
    }

    async fn scope(&self, dialect: &str, id: &ScopeId) -> Result<Option<Arc<ScopeLink>>, StoreError> {
        Ok(self.scopes.get(dialect).and_then(|ids| ids.get(id)).cloned())
    }

    async fn remember_scope(&self, dialect: &str, id: &UserId, scope: Option<&ScopeId>) -> Result<(), StoreError> {
        let mut users = self.users.write().unwrap_or_else(PoisonError::into_inner);
        let Some(link) = users.get(dialect).and_then(|ids| ids.get(id)) else { return Ok(()) };
        let mut link = UserLink::clone(link);
        link.scope = scope.map(|scope| (dialect.into(), scope.clone()));
        let link = Arc::new(link);
        for (dialect, id) in &link.ids {
            users.entry(dialect.clone()).or_default().insert(id.clone(), Arc::clone(&link));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use interlingua_core::{Level, Scope};

    use super::*;

    fn user(ids: &[(&str, &str)]) -> UserLink {
        UserLink {
            ids: ids.iter().map(|&(dialect, id)| (dialect.into(), UserId::new(id))).collect(),
            ..UserLink::default()
        }
    }

    #[tokio::test]
    async fn a_user_is_found_by_each_of_its_ids_and_its_scope_is_remembered_for_all() {
        let links = Memory::new(vec![user(&[("a", "1"), ("b", "x")]), user(&[("a", "2")])], Vec::new()).unwrap();
        links.remember_scope("a", &UserId::new("1"), Some(&ScopeId::new("s"))).await.unwrap();
        let link = links.user("b", &UserId::new("x")).await.unwrap().unwrap();
        assert_eq!(link.scope, Some(("a".into(), ScopeId::new("s"))));
        assert_eq!(link.ids["a"], UserId::new("1"));
        assert_eq!(links.user("b", &UserId::new("2")).await.unwrap(), None);
    }

    #[test]
    fn an_id_belongs_to_one_link() {
        let taken = Memory::new(vec![user(&[("a", "1")]), user(&[("a", "1"), ("b", "x")])], Vec::new()).unwrap_err();
        assert_eq!(taken, Taken { position: 1, id: "a 1".into() });
    }

    #[tokio::test]
    async fn a_scope_has_the_level_that_any_dialect_knows() {
        let scope = |id, level| Scope { level, ..Scope::new(ScopeId::new(id)) };
        let link = ScopeLink {
            scopes: [("a".into(), scope("1", Some(Level::Unit))), ("b".into(), scope("x", None))].into(),
            name: Some("Example".into()),
        };
        let links = Memory::new(Vec::new(), vec![link]).unwrap();
        let found = links.scope("a", &ScopeId::new("1")).await.unwrap().unwrap().scope("b").unwrap();
        assert_eq!((found.id.as_str(), found.level, found.name.as_deref()), ("x", Some(Level::Unit), Some("Example")));
    }
}
