//! Any operations, one after the other, do what a list and a counter would do.

use std::{collections::BTreeMap, fmt, num::NonZeroU32, sync::Arc};

use interlingua_core::{Patch, ScopeId, Text, UserId};
use interlingua_links::{AddError, Added, Counts, Links, Remembered, UserFilter, UserLink};
use proptest::{
    prelude::*,
    test_runner::{Config, TestRunner},
};

use crate::{
    place::{Engine, Place, link, spell, user_id},
    runtime,
};

const DIALECTS: [&str; 3] = ["a", "b", "c"];
/// The first of them are handed out, too.
const IDS: [&str; 7] = ["n100", "n101", "n103", "n5000", "1", "2", "3"];
const LOGINS: [Option<&str>; 3] = [None, Some("jo"), Some("al")];

/// A dialect and an id.
type Key = (usize, usize);

#[derive(Clone, Debug)]
enum Operation {
    Add(Vec<Link>),
    Check(Vec<Link>),
    Remove(Key),
    Foreign { dialect: usize, ids: Vec<usize>, wanted: usize },
    Remember(Key, Remembered),
    Look(Key),
    Walk(u32, Option<usize>),
}

#[derive(Clone, Debug)]
struct Link {
    ids: Vec<Key>,
    login: usize,
}

impl Link {
    fn build(&self) -> UserLink {
        let ids: Vec<_> = self.ids.iter().map(|&(dialect, id)| (DIALECTS[dialect], IDS[id])).collect();
        UserLink { login: LOGINS[self.login].map(Into::into), ..link(&ids) }
    }
}

fn operations() -> impl Strategy<Value = Vec<Operation>> {
    let key = || (0..DIALECTS.len(), 0..IDS.len());
    let link = || (prop::collection::vec(key(), 1..3), 0..LOGINS.len()).prop_map(|(ids, login)| Link { ids, login });
    let links = || prop::collection::vec(link(), 0..4);
    let ids = prop::collection::vec(0..IDS.len(), 0..4);
    let operation = prop_oneof![
        3 => links().prop_map(Operation::Add),
        1 => links().prop_map(Operation::Check),
        2 => key().prop_map(Operation::Remove),
        4 => (0..3_usize, ids, 0..3_usize)
            .prop_map(|(dialect, ids, wanted)| Operation::Foreign { dialect, ids, wanted }),
        2 => (key(), remembered()).prop_map(|(key, remembered)| Operation::Remember(key, remembered)),
        3 => key().prop_map(Operation::Look),
        1 => (1..4_u32, prop::option::of(0..3_usize)).prop_map(|(limit, has)| Operation::Walk(limit, has)),
    ];
    prop::collection::vec(operation, 1..40)
}

fn remembered() -> impl Strategy<Value = Remembered> {
    let login = prop::sample::select(vec!["jo", "al"]).prop_map(Text::from);
    let scope = prop::sample::select(&IDS[..3]).prop_map(ScopeId::new);
    (patch(login), patch(scope)).prop_map(|(login, scope)| Remembered { login, scope, ..Remembered::default() })
}

fn patch<T: Clone + fmt::Debug + 'static>(
    value: impl Strategy<Value = T> + 'static,
) -> impl Strategy<Value = Patch<T>> {
    prop_oneof![Just(Patch::Keep), value.prop_map(Patch::Set), Just(Patch::Clear)]
}

/// Links in the order in which they were made, and the numbers to hand out next.
struct Model {
    links: Vec<UserLink>,
    next: BTreeMap<&'static str, u64>,
}

impl Model {
    fn find(&self, dialect: &str, id: &UserId) -> Option<usize> {
        self.links.iter().position(|link| link.ids.get(dialect) == Some(id))
    }

    /// The links as they would be, and how many are new and known; nothing when one is in the way.
    fn add(&self, links: &[UserLink]) -> Option<(Vec<UserLink>, Added)> {
        let mut all = self.links.clone();
        let mut added = Added::default();
        for link in links {
            let says_no_more = |known: &UserLink| {
                link.ids.iter().all(|(dialect, id)| known.ids.get(dialect) == Some(id))
                    && (link.login.is_none() || link.login == known.login)
            };
            let shares_an_id =
                |known: &UserLink| link.ids.iter().any(|(dialect, id)| known.ids.get(dialect) == Some(id));
            if all.iter().any(says_no_more) {
                added.unchanged += 1;
            } else if all.iter().any(shares_an_id) {
                return None;
            } else {
                all.push(link.clone());
                added.added += 1;
            }
        }
        Some((all, added))
    }

    fn fresh(&mut self, dialect: &'static str) -> UserId {
        loop {
            let next = self.next.get_mut(dialect).expect("a range");
            let id = spell(*next);
            *next += 1;
            if self.find(dialect, &id).is_none() {
                return id;
            }
        }
    }

    /// Those whose links lack the id come first, then those without a link.
    fn foreign(&mut self, dialect: &'static str, ids: &[UserId], wanted: &'static str) -> Vec<UserLink> {
        for linked in [true, false] {
            for id in ids {
                match self.find(dialect, id) {
                    Some(index) if linked && !self.links[index].ids.contains_key(wanted) => {
                        let fresh = self.fresh(wanted);
                        self.links[index].ids.insert(wanted.into(), fresh);
                    }
                    None if !linked => {
                        let fresh = self.fresh(wanted);
                        let ids = [(dialect.into(), id.clone()), (wanted.into(), fresh)].into();
                        self.links.push(UserLink { ids, ..UserLink::default() });
                    }
                    _ => {}
                }
            }
        }
        ids.iter().map(|id| self.links[self.find(dialect, id).expect("it was made")].clone()).collect()
    }
}

/// Checks the stores of one kind against the model.
pub(crate) fn check(engine: Engine, cached: bool) {
    let cases = match engine {
        Engine::Memory => 400,
        Engine::Sqlite => 60,
        Engine::Postgres => 30,
    };
    let runtime = runtime();
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    let result = TestRunner::new(config)
        .run(&operations(), |operations| runtime.block_on(run(Place::new(engine, cached), operations)));
    result.unwrap_or_else(|error| panic!("{error}"));
}

async fn run(place: Place, operations: Vec<Operation>) -> Result<(), TestCaseError> {
    // A cache may be behind another process for a moment; without one, two are as good as one.
    let count = if place.cached { 1 } else { 2 };
    let mut stores = Vec::new();
    for _ in 0..count {
        stores.push(place.open().await);
    }
    let mut model = Model { links: Vec::new(), next: [("a", 100), ("b", 5000)].into() };
    for (step, operation) in operations.into_iter().enumerate() {
        apply(operation, &mut model, &*stores[step % stores.len()]).await?;
    }
    for links in stores {
        let counts = links.counts().await.unwrap();
        prop_assert_eq!(counts, Counts { users: model.links.len() as u64, scopes: 0 });
        prop_assert_eq!(walk(&*links, 2, None).await, model.links.clone());
        links.close().await;
    }
    Ok(())
}

async fn apply(operation: Operation, model: &mut Model, links: &dyn Links) -> Result<(), TestCaseError> {
    match operation {
        Operation::Add(batch) => {
            let batch: Vec<_> = batch.iter().map(Link::build).collect();
            let expected = model.add(&batch);
            let answer = outcome(links.add_users(batch).await);
            prop_assert_eq!(answer, expected.as_ref().map(|(_, added)| *added));
            model.links = expected.map_or(std::mem::take(&mut model.links), |(links, _)| links);
        }
        Operation::Check(batch) => {
            let batch: Vec<_> = batch.iter().map(Link::build).collect();
            let expected = model.add(&batch).map(|(_, added)| added);
            prop_assert_eq!(outcome(links.check_users(batch).await), expected);
        }
        Operation::Remove((dialect, id)) => {
            let expected = model.find(DIALECTS[dialect], &user_id(IDS[id])).map(|index| model.links.remove(index));
            let answer = links.remove_user(DIALECTS[dialect], &user_id(IDS[id])).await.unwrap();
            prop_assert_eq!(answer.as_deref(), expected.as_ref());
        }
        Operation::Foreign { dialect, ids, wanted } => {
            let (dialect, wanted) = (DIALECTS[dialect], DIALECTS[wanted]);
            let ids: Vec<_> = ids.into_iter().map(|id| user_id(IDS[id])).collect();
            let answer = links.foreign_users(dialect, &ids, wanted, &spell).await;
            let has = |model: &Model, id| {
                model.find(dialect, id).is_some_and(|index| model.links[index].ids.contains_key(wanted))
            };
            let no_need = ids.iter().all(|id| has(model, id));
            if dialect == wanted || (wanted == "c" && !no_need) {
                prop_assert!(answer.is_err());
            } else {
                let answer: Vec<UserLink> = answer.unwrap().iter().map(|link| UserLink::clone(link)).collect();
                prop_assert_eq!(answer, model.foreign(dialect, &ids, wanted));
            }
        }
        Operation::Remember((dialect, id), remembered) => {
            let (dialect, id) = (DIALECTS[dialect], user_id(IDS[id]));
            links.remember(dialect, &id, &remembered).await.unwrap();
            if let Some(index) = model.find(dialect, &id) {
                let link = &mut model.links[index];
                match remembered.login {
                    Patch::Keep => {}
                    Patch::Set(login) => link.login = Some(login),
                    Patch::Clear => link.login = None,
                }
                match remembered.scope {
                    Patch::Keep => {}
                    Patch::Set(scope) => link.scope = Some((dialect.into(), scope)),
                    Patch::Clear => link.scope = None,
                }
            }
        }
        Operation::Look((dialect, id)) => {
            let (dialect, id) = (DIALECTS[dialect], user_id(IDS[id]));
            let expected = model.find(dialect, &id).map(|index| &model.links[index]);
            let answer = links.user(dialect, &id).await.unwrap();
            prop_assert_eq!(answer.as_deref(), expected);
        }
        Operation::Walk(limit, has) => {
            let has = has.map(|dialect| DIALECTS[dialect]);
            let admitted = |link: &&UserLink| has.is_none_or(|dialect| link.ids.contains_key(dialect));
            let expected: Vec<_> = model.links.iter().filter(admitted).cloned().collect();
            prop_assert_eq!(walk(links, limit, has).await, expected);
        }
    }
    Ok(())
}

fn outcome(answer: Result<Added, AddError>) -> Option<Added> {
    match answer {
        Ok(added) => Some(added),
        Err(AddError::Taken(taken)) => {
            assert!(!taken.is_empty() && taken.is_sorted_by_key(|taken| taken.position));
            None
        }
        Err(error) => panic!("{error}: {:?}", std::error::Error::source(&error)),
    }
}

async fn walk(links: &dyn Links, limit: u32, has: Option<&str>) -> Vec<UserLink> {
    let filter = UserFilter { has: has.map(Into::into), ..UserFilter::default() };
    let (mut seen, mut after) = (Vec::new(), None);
    loop {
        let page = links.users(&filter, after, NonZeroU32::new(limit).unwrap()).await.unwrap();
        seen.extend(page.links.iter().map(|link: &Arc<UserLink>| UserLink::clone(link)));
        after = page.next;
        if after.is_none() {
            return seen;
        }
    }
}
