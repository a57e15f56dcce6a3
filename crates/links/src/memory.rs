//! Links in memory.

use std::{
    collections::{HashMap, HashSet},
    num::NonZeroU32,
    sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard, Weak},
};

use async_trait::async_trait;
use interlingua_core::{ScopeId, Text, UserId};

use crate::{
    AddError, Added, Change, Counts, Cursor, Links, Page, Ranges, Reason, Remembered, ScopeLink, Spell, StoreError,
    Taken, UserFilter, UserLink, Watcher, Writes,
    changes::Watchers,
    handout::{Handout, Wish},
    link::Link,
    plan::plan,
    table::Table,
    writes,
};

/// Links that live as long as the process.
#[derive(Debug, Default)]
pub struct Memory {
    kept: RwLock<Kept>,
    ranges: Ranges,
    watchers: Watchers,
    writes: Arc<writes::Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    users: Table<UserLink>,
    scopes: Table<ScopeLink>,
    /// The number that the last link got.
    last: i64,
    /// The number to hand out next, by the dialect and the first number of its range.
    counters: HashMap<(Text, u64), u64>,
}

impl Memory {
    /// Links these users and scopes. A link without an id is left out.
    ///
    /// This is stricter than [`add_users`](Links::add_users): who writes a list by hand did not mean to say a thing twice.
    ///
    /// # Errors
    ///
    /// An id stands in two links, alike or not.
    pub fn new(users: Vec<UserLink>, scopes: Vec<ScopeLink>) -> Result<Self, Taken> {
        let last = i64::try_from(users.len().max(scopes.len())).unwrap_or(i64::MAX);
        let kept = Kept { users: fill(users)?, scopes: fill(scopes)?, last, counters: HashMap::new() };
        Ok(Self { kept: RwLock::new(kept), ..Self::default() })
    }

    /// Hands out ids from these numbers.
    #[must_use]
    pub fn with_ranges(self, ranges: Ranges) -> Self {
        Self { ranges, ..self }
    }

    fn read(&self) -> RwLockReadGuard<'_, Kept> {
        self.kept.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Kept> {
        self.kept.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell(&self, changes: Vec<Change>) {
        changes.iter().for_each(|change| self.watchers.tell(change));
    }

    /// Gives ids to those who have none, and says what changed.
    fn hand_out(&self, wish: &Wish<'_>, spell: Spell<'_>) -> Result<(Vec<Arc<UserLink>>, Vec<Change>), StoreError> {
        let range = *self.ranges.get(wish.wanted).ok_or_else(|| StoreError::no_range(wish.wanted))?;
        let kept = &mut *self.write();
        let missing = wish.missing(&kept.users);
        let counter = kept.counters.entry((wish.wanted.into(), range.first())).or_insert(range.first());
        let handout = Handout::new(wish.wanted, range, *counter, missing.len(), spell);
        let (chosen, next) = choose(&kept.users, wish.wanted, handout)?;
        *counter = next;
        let last = &mut kept.last;
        let given = wish.give(&mut kept.users, missing, chosen, || increment(last));
        let changes = given.extended.iter().flat_map(|(_, link)| link.changes()).collect();
        Ok((wish.answer(&kept.users)?, changes))
    }
}

/// Chooses ids that no link has, and tells the number to go on from.
fn choose(users: &Table<UserLink>, dialect: &str, mut handout: Handout<'_>) -> Result<(Vec<UserId>, u64), StoreError> {
    loop {
        let candidates = handout.candidates()?;
        if candidates.is_empty() {
            return Ok(handout.done());
        }
        let taken: HashSet<UserId> = candidates
            .iter()
            .filter(|(_, id)| users.find(dialect, id.as_str()).is_some())
            .map(|(_, id)| id.clone())
            .collect();
        handout.choose(candidates, &taken);
    }
}

fn increment(number: &mut i64) -> i64 {
    *number += 1;
    *number
}

/// The links, each with the number after its position.
fn fill<L: Link>(links: Vec<L>) -> Result<Table<L>, Taken> {
    let mut table = Table::default();
    for (position, link) in links.into_iter().enumerate() {
        for (dialect, id) in link.ids() {
            if let Some((number, _)) = table.find(dialect, id) {
                let earlier = usize::try_from(number - 1).unwrap_or_default();
                return Err(Taken { position, id: format!("{dialect} {id}"), reason: Reason::Repeated(earlier) });
            }
        }
        if link.ids().next().is_some() {
            table.put(i64::try_from(position).unwrap_or(i64::MAX) + 1, Arc::new(link));
        }
    }
    Ok(table)
}

fn add<L: Link>(table: &mut Table<L>, last: &mut i64, links: Vec<L>) -> Result<Added, AddError> {
    let mut plan = plan(&links, table);
    let fresh = std::mem::take(&mut plan.fresh);
    let added = Added { added: fresh.len(), ..plan.outcome()? };
    put(table, last, links, fresh);
    Ok(added)
}

/// Puts the links at some positions, which rise, into a table.
fn put<L: Link>(table: &mut Table<L>, last: &mut i64, links: Vec<L>, positions: Vec<usize>) {
    let mut positions = positions.into_iter().peekable();
    for (position, link) in links.into_iter().enumerate() {
        if positions.next_if_eq(&position).is_some() {
            table.put(increment(last), Arc::new(link));
        }
    }
}

fn count(links: usize) -> u64 {
    u64::try_from(links).unwrap_or(u64::MAX)
}

#[async_trait]
impl Links for Memory {
    async fn user(&self, dialect: &str, id: &UserId) -> Result<Option<Arc<UserLink>>, StoreError> {
        Ok(self.peek_user(dialect, id))
    }

    async fn scope(&self, dialect: &str, id: &ScopeId) -> Result<Option<Arc<ScopeLink>>, StoreError> {
        Ok(self.peek_scope(dialect, id))
    }

    fn peek_user(&self, dialect: &str, id: &UserId) -> Option<Arc<UserLink>> {
        self.read().users.find(dialect, id.as_str()).map(|(_, link)| Arc::clone(link))
    }

    fn peek_scope(&self, dialect: &str, id: &ScopeId) -> Option<Arc<ScopeLink>> {
        self.read().scopes.find(dialect, id.as_str()).map(|(_, link)| Arc::clone(link))
    }

    async fn remember(&self, dialect: &str, id: &UserId, remembered: &Remembered) -> Result<(), StoreError> {
        remembered.check()?;
        let link = {
            let users = &mut self.write().users;
            let Some((number, link)) = users.find(dialect, id.as_str()) else { return Ok(()) };
            let link = Arc::new(remembered.with(link, dialect));
            users.put(number, Arc::clone(&link));
            link
        };
        self.tell(link.changes());
        Ok(())
    }

    async fn foreign_users(
        &self,
        dialect: &str,
        ids: &[UserId],
        wanted: &str,
        spell: Spell<'_>,
    ) -> Result<Vec<Arc<UserLink>>, StoreError> {
        let wish = Wish::new(dialect, ids, wanted)?;
        {
            let kept = self.read();
            if wish.missing(&kept.users).len() == 0 {
                return wish.answer(&kept.users);
            }
        }
        let (links, changes) = self.hand_out(&wish, spell)?;
        self.tell(changes);
        Ok(links)
    }

    async fn may_hand_out(&self, wanted: &str, spell: Spell<'_>) -> Result<(), StoreError> {
        let range = *self.ranges.get(wanted).ok_or_else(|| StoreError::no_range(wanted))?;
        let kept = self.read();
        let counter = kept.counters.get(&(wanted.into(), range.first())).copied().unwrap_or(range.first());
        choose(&kept.users, wanted, Handout::new(wanted, range, counter, 1, spell)).map(drop)
    }

    async fn add_users(&self, links: Vec<UserLink>) -> Result<Added, AddError> {
        let kept = &mut *self.write();
        add(&mut kept.users, &mut kept.last, links)
    }

    async fn check_users(&self, links: Vec<UserLink>) -> Result<Added, AddError> {
        plan(&links, &self.read().users).outcome()
    }

    async fn add_scopes(&self, links: Vec<ScopeLink>) -> Result<Added, AddError> {
        let kept = &mut *self.write();
        add(&mut kept.scopes, &mut kept.last, links)
    }

    async fn check_scopes(&self, links: Vec<ScopeLink>) -> Result<Added, AddError> {
        plan(&links, &self.read().scopes).outcome()
    }

    async fn remove_user(&self, dialect: &str, id: &UserId) -> Result<Option<Arc<UserLink>>, StoreError> {
        let link = {
            let users = &mut self.write().users;
            users.find(dialect, id.as_str()).map(|(number, _)| number).and_then(|number| users.take(number))
        };
        self.tell(link.iter().flat_map(|link| link.changes()).collect());
        Ok(link)
    }

    async fn remove_scope(&self, dialect: &str, id: &ScopeId) -> Result<Option<Arc<ScopeLink>>, StoreError> {
        let link = {
            let scopes = &mut self.write().scopes;
            scopes.find(dialect, id.as_str()).map(|(number, _)| number).and_then(|number| scopes.take(number))
        };
        self.tell(link.iter().flat_map(|link| link.changes()).collect());
        Ok(link)
    }

    async fn users(
        &self,
        filter: &UserFilter,
        after: Option<Cursor>,
        limit: NonZeroU32,
    ) -> Result<Page<UserLink>, StoreError> {
        let kept = self.read();
        let links = kept.users.after(after.map_or(0, |after| after.0)).filter(|(_, link)| filter.admits(link));
        Ok(Page::cut(links.map(|(number, link)| (number, Arc::clone(link))), limit))
    }

    async fn scopes(&self, after: Option<Cursor>, limit: NonZeroU32) -> Result<Page<ScopeLink>, StoreError> {
        let kept = self.read();
        let links = kept.scopes.after(after.map_or(0, |after| after.0));
        Ok(Page::cut(links.map(|(number, link)| (number, Arc::clone(link))), limit))
    }

    async fn counts(&self) -> Result<Counts, StoreError> {
        let kept = self.read();
        Ok(Counts { users: count(kept.users.len()), scopes: count(kept.scopes.len()) })
    }

    fn watch(&self, watcher: Weak<dyn Watcher>) {
        self.watchers.add(watcher);
    }

    fn writes(&self) -> Arc<dyn Writes> {
        Arc::clone(&self.writes) as _
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(ids: &[(&str, &str)]) -> UserLink {
        UserLink {
            ids: ids.iter().map(|&(dialect, id)| (dialect.into(), UserId::new(id))).collect(),
            ..UserLink::default()
        }
    }

    #[test]
    fn an_id_belongs_to_one_link_and_an_empty_link_to_nobody() {
        for other in [user(&[("a", "1")]), user(&[("a", "1"), ("b", "x")])] {
            let users = vec![UserLink::default(), user(&[("a", "1")]), other];
            let taken = Memory::new(users, Vec::new()).unwrap_err();
            assert_eq!(taken, Taken { position: 2, id: "a 1".into(), reason: Reason::Repeated(1) });
        }
    }
}
