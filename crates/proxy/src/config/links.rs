//! The links that the configuration holds: which ids of users and scopes belong together.

use std::collections::BTreeMap;

use interlingua_core::{Scope, Text, Timestamp, UserId};
use interlingua_links::{IdRange, Location, Memory, Ranges, ScopeLink, StoreError, Taken, UserLink};
use serde_json::Value;

use super::{
    check::Check,
    error::{MOST, suggestion},
    file,
    key::Key,
};

/// The keys of one link, by name: those of dialects hold ids.
type Entry = BTreeMap<String, Value>;

impl Check<'_> {
    /// Where links are kept, and those that stand in the file.
    pub(super) fn links(&mut self, raw: file::Links) -> (Option<Location>, Vec<UserLink>, Vec<ScopeLink>) {
        let store = raw.store.unwrap_or_else(|| "memory".to_owned());
        let store = match store.parse() {
            Ok(location) => Some(location),
            Err(error) => {
                self.report.add(&Key::of(["links", "store"]), StoreError::to_string(&error));
                None
            }
        };
        let users = self.entries("users", raw.users, Self::user);
        let scopes = self.entries("accounts", raw.accounts, Self::account);
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
            if let Some(range) = self.sound(&key, IdRange::new(first, last).map_err(|error| error.to_string())) {
                ranges.insert(dialect.into(), range);
            }
        }
        ranges
    }

    fn user(&mut self, at: &Key, entry: Entry) -> UserLink {
        let mut link = UserLink::default();
        for (name, value) in entry {
            let key = at.name(&name);
            match name.as_str() {
                "login" => link.login = self.sound(&key, text(&value)),
                "created" => link.created = self.sound(&key, time(&value)),
                _ => link.ids.extend(self.user_id(&key, &name, &value)),
            }
        }
        link
    }

    fn user_id(&mut self, key: &Key, dialect: &str, value: &Value) -> Option<(Text, UserId)> {
        let adapter = self.around.adapters.get(dialect).copied();
        let Some(adapter) = adapter else { return self.unknown(key, dialect, &["login", "created"]) };
        let id = self.sound(key, adapter.user_id(value))?;
        Some((dialect.into(), id))
    }

    fn account(&mut self, at: &Key, entry: Entry) -> ScopeLink {
        let mut link = ScopeLink::default();
        for (name, value) in entry {
            let key = at.name(&name);
            match name.as_str() {
                "name" => link.name = self.sound(&key, text(&value)),
                _ => link.scopes.extend(self.scope(&key, &name, &value)),
            }
        }
        link
    }

    fn scope(&mut self, key: &Key, dialect: &str, value: &Value) -> Option<(Text, Scope)> {
        let adapter = self.around.adapters.get(dialect).copied();
        let Some(adapter) = adapter else { return self.unknown(key, dialect, &["name"]) };
        let scope = self.sound(key, adapter.scope(value))?;
        Some((dialect.into(), scope))
    }

    fn unknown<T>(&mut self, key: &Key, name: &str, others: &[&str]) -> Option<T> {
        let known = self.around.adapters.keys().copied().chain(others.iter().copied());
        self.report.add(key, format!("unknown key, and no dialect; {}", suggestion(name, known)));
        None
    }

    /// Every entry, read; one that links less than two ids is of no use.
    fn entries<T>(&mut self, list: &str, raw: Vec<Entry>, read: fn(&mut Self, &Key, Entry) -> T) -> Vec<T> {
        let entries = raw.into_iter().enumerate().map(|(index, entry)| {
            let at = Key::of(["links", list]).index(index);
            if entry.keys().filter(|name| self.around.adapters.contains_key(name.as_str())).count() < 2 {
                self.report.add(&at, "expected the ids of at least two dialects");
            }
            read(self, &at, entry)
        });
        entries.collect()
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

fn text(value: &Value) -> Result<Text, &'static str> {
    let text = value.as_str().filter(|text| !text.is_empty());
    text.map(Text::from).ok_or("expected a text that is not empty")
}

fn time(value: &Value) -> Result<Timestamp, String> {
    let time = Timestamp::parse(value.as_str().unwrap_or_default());
    time.map_err(|error| error.to_string())
}
