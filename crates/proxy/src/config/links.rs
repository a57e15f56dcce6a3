//! The links that the configuration holds: which ids of users and scopes belong together.

use std::collections::BTreeMap;

use interlingua_core::Text;
use interlingua_links::{IdRange, Location, Memory, Ranges, ScopeLink, StoreError, Taken, UserLink};

use super::{
    check::Check,
    entry::{self, Dialects, Entry, Written},
    error::MOST,
    file,
    key::Key,
};

/// Whether the id that a dialect makes of a number is one that it reads, too.
fn has_id(dialects: &Dialects<'_>, dialect: &str, number: u64) -> bool {
    let adapter = dialects[dialect];
    let id = adapter.fresh_user_id(number);
    adapter.user_id(&entry::value::<UserLink>(dialect, id.as_str(), dialects)).is_ok()
}

impl Check<'_> {
    /// Where links are kept, and those that stand in the file.
    pub(super) fn links(&mut self, raw: file::Links) -> (Option<Location>, Vec<UserLink>, Vec<ScopeLink>) {
        let store = raw.store.map(|store| store.parse().map_err(|error| StoreError::to_string(&error)));
        let store = store.and_then(|store| self.sound(&Key::of(["links", "store"]), store));
        let users = self.entries("users", &raw.users);
        let scopes = self.entries("accounts", &raw.accounts);
        (
            store,
            self.once_each("users", users, |users| Memory::new(users, Vec::new())),
            self.once_each("accounts", scopes, |scopes| Memory::new(Vec::new(), scopes)),
        )
    }

    /// From which numbers ids are made: those that each dialect is made for, or some of them.
    pub(super) fn ids(&mut self, raw: &BTreeMap<String, file::Numbers>) -> Ranges {
        let mut ranges = Ranges::new();
        for (name, adapter) in &self.around.adapters {
            let numbers = adapter.dialect().fresh_ids.clone();
            let range = IdRange::new(*numbers.start(), *numbers.end());
            ranges.extend(range.ok().map(|range| (Text::from(*name), range)));
        }
        for (name, numbers) in raw {
            let key = Key::of(["links", "ids", name.as_str()]);
            let Some(dialect) = self.dialect(&key, name) else { continue };
            let known = self.around.adapters[dialect].dialect().fresh_ids.clone();
            let (first, last) = (numbers.first.unwrap_or(*known.start()), numbers.last.unwrap_or(*known.end()));
            if last > *known.end() {
                self.report
                    .add(&key.name("last"), format!("expected at most {}: {name} has no ids beyond", known.end()));
            }
            if !has_id(&self.around.adapters, dialect, first) {
                self.report.add(&key.name("first"), format!("expected a number that {name} has an id of, not {first}"));
            }
            if let Some(range) = self.sound(&key, IdRange::new(first, last).map_err(|error| error.to_string())) {
                ranges.insert(dialect.into(), range);
            }
        }
        ranges
    }

    /// Every entry, read.
    fn entries<L: Written>(&mut self, list: &str, entries: &[Entry]) -> Vec<L> {
        let links = entries.iter().enumerate().map(|(index, entry)| {
            let at = Key::of(["links", list]).index(index);
            entry::read(entry, &self.around.adapters, |name, message| {
                self.report.add(&name.map_or_else(|| at.clone(), |name| at.name(name)), message);
            })
        });
        links.collect()
    }

    /// The links, of which no two hold the same id. Those that do are emptied, so that the next is found.
    fn once_each<T: Clone + Default>(
        &mut self,
        list: &str,
        mut links: Vec<T>,
        store: impl Fn(Vec<T>) -> Result<Memory, Taken>,
    ) -> Vec<T> {
        for _ in 0..MOST {
            let Err(taken) = store(links.clone()) else { break };
            links[taken.position] = T::default();
            let at = Key::of(["links", list]).index(taken.position);
            self.report.add(&at, format!("{taken}; an id belongs to one entry"));
        }
        links
    }
}
