//! Handing out ids to users of other dialects: the rules, without a store.

use std::{collections::HashSet, sync::Arc};

use interlingua_core::{Text, UserId};

use crate::{IdRange, StoreError, UserLink, link::is_storable, table::Table};

/// How a dialect spells a number as one of its ids: a pure function, no two numbers alike.
pub type Spell<'a> = &'a (dyn Fn(u64) -> UserId + Send + Sync);

/// The most ids that are looked up at once.
const MOST: u64 = 1000;

/// Ids being chosen for users that have none.
pub(crate) struct Handout<'a> {
    dialect: &'a str,
    range: IdRange,
    spell: Spell<'a>,
    next: u64,
    needed: usize,
    ids: Vec<UserId>,
    /// How many numbers to try, more each time: many may be taken in a row.
    tries: u64,
}

impl<'a> Handout<'a> {
    /// To choose `needed` ids in `dialect`, from the number `next` on.
    pub(crate) fn new(dialect: &'a str, range: IdRange, next: u64, needed: usize, spell: Spell<'a>) -> Self {
        let tries = u64::try_from(needed).unwrap_or(MOST);
        Self { dialect, range, spell, next, needed, ids: Vec::new(), tries }
    }

    /// Ids to be looked up: they may be linked already. None once there are enough.
    ///
    /// # Errors
    ///
    /// The range is exhausted, or `spell` made something that no store keeps.
    pub(crate) fn candidates(&mut self) -> Result<Vec<(u64, UserId)>, StoreError> {
        if self.ids.len() == self.needed {
            return Ok(Vec::new());
        }
        let last = self.range.last().min(self.next.saturating_add(self.tries.min(MOST) - 1));
        self.tries = self.tries.saturating_mul(2);
        let candidates: Vec<_> = (self.next..=last).map(|number| (number, (self.spell)(number))).collect();
        if candidates.is_empty() {
            return Err(StoreError::exhausted(self.dialect));
        }
        if candidates.iter().any(|(_, id)| !is_storable(id.as_str())) {
            return Err(StoreError::unfit("an id that was made for a user"));
        }
        Ok(candidates)
    }

    /// Takes of the candidates as many as are needed and free.
    pub(crate) fn choose(&mut self, candidates: Vec<(u64, UserId)>, taken: &HashSet<UserId>) {
        for (number, id) in candidates {
            if self.ids.len() == self.needed {
                return;
            }
            self.next = number + 1;
            if !taken.contains(&id) && !self.ids.contains(&id) {
                self.ids.push(id);
            }
        }
    }

    /// The ids, and the number to go on from.
    pub(crate) fn done(self) -> (Vec<UserId>, u64) {
        (self.ids, self.next)
    }
}

/// A page of users of one dialect that shall have ids in another.
#[derive(Clone, Copy)]
pub(crate) struct Wish<'a> {
    pub(crate) dialect: &'a str,
    pub(crate) ids: &'a [UserId],
    pub(crate) wanted: &'a str,
}

/// Users that have no id in the dialect wanted.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Missing {
    /// The links that lack the id, with one of the users' ids to find them by.
    pub(crate) lacking: Vec<UserId>,
    /// Users without a link.
    pub(crate) unlinked: Vec<UserId>,
}

impl Missing {
    pub(crate) fn len(&self) -> usize {
        self.lacking.len() + self.unlinked.len()
    }
}

/// What was done about users without an id.
#[derive(Debug, Default)]
pub(crate) struct Given {
    /// Links that have a new id, by number, as they are now.
    pub(crate) extended: Vec<(i64, Arc<UserLink>)>,
    /// Links that are new.
    pub(crate) made: Vec<(i64, Arc<UserLink>)>,
}

impl<'a> Wish<'a> {
    /// # Errors
    ///
    /// No store can grant it.
    pub(crate) fn new(dialect: &'a str, ids: &'a [UserId], wanted: &'a str) -> Result<Self, StoreError> {
        if dialect == wanted {
            return Err(StoreError::unfit("an id for a user of the same dialect"));
        }
        if ![dialect, wanted].into_iter().chain(ids.iter().map(UserId::as_str)).all(is_storable) {
            return Err(StoreError::unfit("a user's id that is too long or holds a NUL"));
        }
        Ok(Self { dialect, ids, wanted })
    }

    /// The users, as a store looks for them.
    pub(crate) fn keys(&self) -> Vec<(&'a str, &'a str)> {
        self.ids.iter().map(|id| (self.dialect, id.as_str())).collect()
    }

    /// The users who have no id in the dialect wanted, each once.
    pub(crate) fn missing(&self, found: &Table<UserLink>) -> Missing {
        let mut missing = Missing::default();
        let mut seen = HashSet::new();
        for id in self.ids.iter().filter(|id| seen.insert(*id)) {
            match found.find(self.dialect, id.as_str()) {
                Some((_, link)) if link.ids.contains_key(self.wanted) => {}
                Some(_) => missing.lacking.push(id.clone()),
                None => missing.unlinked.push(id.clone()),
            }
        }
        missing
    }

    /// Gives the users who have none the ids chosen for them. `number` makes the number of a new link.
    pub(crate) fn give(
        &self,
        found: &mut Table<UserLink>,
        missing: Missing,
        chosen: Vec<UserId>,
        mut number: impl FnMut() -> i64,
    ) -> Given {
        let mut given = Given::default();
        let mut chosen = chosen.into_iter();
        for (id, fresh) in missing.lacking.into_iter().zip(chosen.by_ref()) {
            let Some((number, link)) = found.find(self.dialect, id.as_str()) else { continue };
            let mut link = UserLink::clone(link);
            link.ids.insert(self.wanted.into(), fresh);
            given.extended.push((number, Arc::new(link)));
        }
        for (id, fresh) in missing.unlinked.into_iter().zip(chosen) {
            let ids = [(Text::from(self.dialect), id), (self.wanted.into(), fresh)].into();
            given.made.push((number(), Arc::new(UserLink { ids, ..UserLink::default() })));
        }
        for (number, link) in given.extended.iter().chain(&given.made) {
            found.put(*number, Arc::clone(link));
        }
        given
    }

    /// The link of each of the users, in their order.
    pub(crate) fn answer(&self, found: &Table<UserLink>) -> Result<Vec<Arc<UserLink>>, StoreError> {
        let link = |id: &UserId| found.find(self.dialect, id.as_str()).map(|(_, link)| Arc::clone(link));
        self.ids
            .iter()
            .map(|id| link(id).ok_or_else(|| StoreError::unusable("a link that was just written is not there")))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The numbers that are chosen when `taken` are linked already.
    fn choose(range: (u64, u64), next: u64, needed: usize, taken: &[u64]) -> Result<(Vec<String>, u64), StoreError> {
        let spell = |number: u64| UserId::new(format!("#{number}"));
        let taken = taken.iter().copied().map(spell).collect();
        let mut handout = Handout::new("a", IdRange::new(range.0, range.1).unwrap(), next, needed, &spell);
        loop {
            let candidates = handout.candidates()?;
            if candidates.is_empty() {
                break;
            }
            handout.choose(candidates, &taken);
        }
        let (ids, next) = handout.done();
        Ok((ids.iter().map(UserId::to_string).collect(), next))
    }

    #[test]
    fn numbers_that_are_taken_are_left_out() {
        assert_eq!(choose((1, 99), 1, 2, &[]).unwrap(), (vec!["#1".into(), "#2".into()], 3));
        assert_eq!(choose((1, 99), 5, 2, &[5, 6, 8]).unwrap(), (vec!["#7".into(), "#9".into()], 10));
        let most: Vec<u64> = (1..5000).collect();
        assert_eq!(choose((1, 5000), 1, 1, &most).unwrap(), (vec!["#5000".into()], 5001));
    }

    #[test]
    fn a_range_ends() {
        assert_eq!(choose((1, 3), 2, 3, &[]).unwrap_err().to_string(), "every id of the range for a is handed out");
        assert!(choose((1, 3), 4, 1, &[]).is_err());
        assert!(choose((1, 3), 1, 3, &[]).is_ok());
    }

    #[test]
    fn a_spelling_that_is_not_one_to_one_gives_no_id_twice() {
        let spell = |number: u64| UserId::new(format!("{}", number / 2));
        let mut handout = Handout::new("a", IdRange::new(0, 9).unwrap(), 0, 2, &spell);
        loop {
            let candidates = handout.candidates().unwrap();
            if candidates.is_empty() {
                break;
            }
            handout.choose(candidates, &HashSet::new());
        }
        assert_eq!(handout.done().0, [UserId::new("0"), UserId::new("1")]);
    }
}
