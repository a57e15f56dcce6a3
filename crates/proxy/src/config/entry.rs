//! Links as people write them: in the configuration, in a list, on the command line.
//!
//! An entry has a key for each dialect, with an id in that dialect's spelling, and some for what is remembered.

use std::{borrow::Cow, collections::BTreeMap};

use interlingua_core::{Adapter, Scope, Text, Timestamp, UserId};
use interlingua_links::{ByDialect, ScopeLink, UserLink};
use serde_json::{Value, json};

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

    /// The id itself.
    fn text(id: &Self::Id) -> &str;

    /// The ids, by dialect.
    fn ids(&self) -> &ByDialect<Self::Id>;

    /// The same, to add to.
    fn ids_mut(&mut self) -> &mut ByDialect<Self::Id>;
}

/// A key that is no dialect's.
pub(crate) struct Detail<L> {
    /// Its name.
    name: &'static str,
    /// Takes a value over into a link.
    read: fn(&mut L, &Value) -> Result<(), String>,
    /// What a link has there.
    text: fn(&L) -> Option<&str>,
}

impl Written for UserLink {
    type Id = UserId;

    const DETAILS: &'static [Detail<Self>] = &[
        Detail {
            name: "login",
            read: |link, value| words(value).map(|login| link.login = Some(login)),
            text: |link| link.login.as_deref(),
        },
        Detail {
            name: "created",
            read: |link, value| time(value).map(|created| link.created = Some(created)),
            text: |link| link.created.as_ref().map(Timestamp::as_str),
        },
    ];

    fn read_id(adapter: &dyn Adapter, value: &Value) -> Result<UserId, Cow<'static, str>> {
        adapter.user_id(value)
    }

    fn text(id: &UserId) -> &str {
        id.as_str()
    }

    fn ids(&self) -> &ByDialect<UserId> {
        &self.ids
    }

    fn ids_mut(&mut self) -> &mut ByDialect<UserId> {
        &mut self.ids
    }
}

impl Written for ScopeLink {
    type Id = Scope;

    const DETAILS: &'static [Detail<Self>] = &[Detail {
        name: "name",
        read: |link, value| words(value).map(|name| link.name = Some(name)),
        text: |link| link.name.as_deref(),
    }];

    fn read_id(adapter: &dyn Adapter, value: &Value) -> Result<Scope, Cow<'static, str>> {
        adapter.scope(value)
    }

    fn text(scope: &Scope) -> &str {
        scope.id.as_str()
    }

    fn ids(&self) -> &ByDialect<Scope> {
        &self.scopes
    }

    fn ids_mut(&mut self) -> &mut ByDialect<Scope> {
        &mut self.scopes
    }
}

fn words(value: &Value) -> Result<Text, String> {
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
pub(crate) fn keys<L: Written>(dialects: &Dialects<'_>) -> impl Iterator<Item = &'static str> + Clone {
    dialects.keys().copied().chain(details::<L>())
}

/// The names of the keys that are no dialect's.
pub(crate) fn details<'a, L: Written>() -> impl Iterator<Item = &'a str> + Clone {
    L::DETAILS.iter().map(|detail| detail.name)
}

/// Which key may be meant by a name that is none.
pub(crate) fn nearest_key<L: Written>(name: &str, dialects: &Dialects<'_>) -> String {
    suggestion(name, keys::<L>(dialects))
}

/// The entry that is [`read`] as this link.
pub(crate) fn write<L: Written>(link: &L, dialects: &Dialects<'_>) -> Entry {
    texts(link).map(|(name, text)| (name.to_owned(), value::<L>(name, text, dialects))).collect()
}

/// All that a link has, as text, by key.
pub(crate) fn texts<L: Written>(link: &L) -> impl Iterator<Item = (&str, &str)> {
    let names = link.ids().keys().map(Text::as_str).chain(details::<L>());
    names.filter_map(|name| Some((name, text(link, name)?)))
}

/// What a link has under a key, as text.
pub(crate) fn text<'a, L: Written>(link: &'a L, name: &str) -> Option<&'a str> {
    match L::DETAILS.iter().find(|detail| detail.name == name) {
        Some(detail) => (detail.text)(link),
        None => link.ids().get(name).map(L::text),
    }
}

/// The value of a key that stands as text in a store, a cell or an argument.
///
/// Of an id it is the one that the dialect reads as that id. Text that it reads as no id stays text.
pub(crate) fn value<L: Written>(name: &str, text: &str, dialects: &Dialects<'_>) -> Value {
    let means_it =
        |adapter: &dyn Adapter, value: &Value| L::read_id(adapter, value).is_ok_and(|id| L::text(&id) == text);
    let spelled = dialects.get(name).and_then(|adapter| spellings(text).find(|value| means_it(*adapter, value)));
    spelled.unwrap_or_else(|| text.into())
}

/// What an id may be in JSON: a text; a number; a table, of which there is ECGrid's, and which is `1` or `1/101` as text.
fn spellings(id: &str) -> impl Iterator<Item = Value> {
    let number = |digits: &str| digits.parse::<u64>().ok();
    let scope = match id.split_once('/') {
        Some((network, mailbox)) => number(network)
            .zip(number(mailbox))
            .map(|(network, mailbox)| json!({ "network": network, "mailbox": mailbox })),
        None => number(id).map(|network| json!({ "network": network })),
    };
    [Some(id.into()), number(id).map(Value::from), scope].into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use interlingua_ecgrid::Ecgrid;
    use interlingua_textus::Textus;

    use super::*;

    /// A text is spelled so in JSON, and means what it says.
    #[track_caller]
    fn check<L: Written>(name: &str, id: &str, expected: Value) {
        let (ecgrid, textus) = (Ecgrid::new(), Textus::new());
        let dialects: Dialects<'_> = [("ecgrid", &ecgrid as &dyn Adapter), ("textus", &textus)].into();
        assert_eq!(value::<L>(name, id, &dialects), expected);
        let mut link = L::default();
        if read_key(&mut link, name, &expected, &dialects).is_ok() {
            assert_eq!(text(&link, name), Some(id));
            assert_eq!(write(&link, &dialects), [(name.to_owned(), expected)].into());
        }
    }

    #[test]
    fn ids_are_spelled_as_their_dialects_read_them() {
        check::<UserLink>("ecgrid", "1042", 1042.into());
        check::<UserLink>("textus", "wqyODPA", "wqyODPA".into());
        check::<UserLink>("textus", "0000007", "0000007".into());
        check::<UserLink>("login", "1042", "1042".into());
        check::<UserLink>("acme", "1042", "1042".into());
        check::<ScopeLink>("ecgrid", "1", json!({ "network": 1 }));
        check::<ScopeLink>("ecgrid", "1/101", json!({ "network": 1, "mailbox": 101 }));
        check::<ScopeLink>("textus", "my_account", "my_account".into());
        check::<ScopeLink>("name", "1/101", "1/101".into());
    }

    #[test]
    fn what_is_no_id_stays_text_and_is_refused() {
        for id in ["", "0", "01042", "+1042", " 1042", "1042.0", "1e3", "99999999999", "x"] {
            check::<UserLink>("ecgrid", id, id.into());
        }
        for id in ["0", "01", "1/", "/1", "1/0", "1/2/3", "1/x"] {
            check::<ScopeLink>("ecgrid", id, id.into());
        }
    }
}
