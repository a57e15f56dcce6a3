//! Links as people write them: in the configuration, in a list, on the command line.
//!
//! An entry has a key for each dialect, with an id in that dialect's spelling, and some for what is remembered.

use std::{borrow::Cow, collections::BTreeMap};

use interlingua_core::{Adapter, Scope, Text, Timestamp, UserId};
use interlingua_links::{ScopeLink, UserLink};
use serde_json::Value;

use super::error::suggestion;

/// The keys of one link, by name.
pub(crate) type Entry = BTreeMap<String, Value>;

/// The adapters, by the names of their dialects.
pub(crate) type Dialects<'a> = BTreeMap<&'static str, &'a dyn Adapter>;

/// A link that people write.
pub(crate) trait Written: Default + 'static {
    /// What it holds an id of, with what is known of it.
    type Id;

    /// The keys beside those of dialects.
    const DETAILS: &'static [Detail<Self>];

    /// What a value says in the dialect of `adapter`.
    fn read_id(adapter: &dyn Adapter, value: &Value) -> Result<Self::Id, Cow<'static, str>>;

    /// The ids, by dialect.
    fn ids_mut(&mut self) -> &mut BTreeMap<Text, Self::Id>;
}

/// A key that is no dialect's.
pub(crate) struct Detail<L> {
    /// Its name.
    name: &'static str,
    /// Takes a value over into a link.
    read: fn(&mut L, &Value) -> Result<(), String>,
}

impl Written for UserLink {
    type Id = UserId;

    const DETAILS: &'static [Detail<Self>] = &[
        Detail { name: "login", read: |link, value| text(value).map(|login| link.login = Some(login)) },
        Detail { name: "created", read: |link, value| time(value).map(|created| link.created = Some(created)) },
    ];

    fn read_id(adapter: &dyn Adapter, value: &Value) -> Result<UserId, Cow<'static, str>> {
        adapter.user_id(value)
    }

    fn ids_mut(&mut self) -> &mut BTreeMap<Text, UserId> {
        &mut self.ids
    }
}

impl Written for ScopeLink {
    type Id = Scope;

    const DETAILS: &'static [Detail<Self>] =
        &[Detail { name: "name", read: |link, value| text(value).map(|name| link.name = Some(name)) }];

    fn read_id(adapter: &dyn Adapter, value: &Value) -> Result<Scope, Cow<'static, str>> {
        adapter.scope(value)
    }

    fn ids_mut(&mut self) -> &mut BTreeMap<Text, Scope> {
        &mut self.scopes
    }
}

fn text(value: &Value) -> Result<Text, String> {
    let text = value.as_str().filter(|text| !text.is_empty());
    text.map(Text::from).ok_or_else(|| "expected a text that is not empty".to_owned())
}

fn time(value: &Value) -> Result<Timestamp, String> {
    let time = Timestamp::parse(value.as_str().unwrap_or_default());
    time.map_err(|error| error.to_string())
}

/// Reads an entry. `problem` is told what is wrong with which key, or with the entry as a whole; the link has the rest.
pub(crate) fn read<L: Written>(
    entry: &Entry,
    dialects: &Dialects<'_>,
    mut problem: impl FnMut(Option<&str>, String),
) -> L {
    // One that links less than two ids is of no use.
    if entry.keys().filter(|name| dialects.contains_key(name.as_str())).count() < 2 {
        problem(None, "expected the ids of at least two dialects".to_owned());
    }
    let mut link = L::default();
    for (name, value) in entry {
        if let Err(message) = read_key(&mut link, name, value, dialects) {
            problem(Some(name), message);
        }
    }
    link
}

fn read_key<L: Written>(link: &mut L, name: &str, value: &Value, dialects: &Dialects<'_>) -> Result<(), String> {
    if let Some(detail) = L::DETAILS.iter().find(|detail| detail.name == name) {
        return (detail.read)(link, value);
    }
    let Some(adapter) = dialects.get(name) else {
        return Err(format!("unknown key, and no dialect; {}", nearest_key::<L>(name, dialects)));
    };
    let id = L::read_id(*adapter, value)?;
    link.ids_mut().insert(name.into(), id);
    Ok(())
}

/// The names of all keys: those of dialects, then the others.
fn keys<L: Written>(dialects: &Dialects<'_>) -> impl Iterator<Item = &'static str> + Clone {
    dialects.keys().copied().chain(L::DETAILS.iter().map(|detail| detail.name))
}

/// Which key may be meant by a name that is none.
fn nearest_key<L: Written>(name: &str, dialects: &Dialects<'_>) -> String {
    suggestion(name, keys::<L>(dialects))
}
