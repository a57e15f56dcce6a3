//! The configuration as it counts, for people: all layers together, what holds where nothing is said, no secret.

use std::{path::Path, time::Duration};

use interlingua_core::Adapter;
use toml::{Table, Value};

use super::{Config, ConfigErrors, Environment, Text, check::KINDS, file, folder::Folder, layers};

/// What stands for a secret.
const HIDDEN: &str = "[hidden]";

/// The first line of what is shown.
const HEAD: &str = "# What is not here is absent; config/example.toml says what that means.\n\n";

impl Config {
    /// The JSON Schema of the file.
    pub(crate) const SCHEMA: &'static str = include_str!("../../../../config/schema.json");

    /// What [`load`](Self::load) reads, as TOML.
    ///
    /// # Errors
    ///
    /// Everything that is wrong.
    pub(crate) fn show(path: Option<&Path>, adapters: &[Box<dyn Adapter>]) -> Result<String, ConfigErrors> {
        let (environment, folder) = (Environment::of_process(), Folder::of(path));
        let text = path.map_or_else(|| Ok(Text::sandbox()), |path| Text::read(&folder, path))?;
        let config = Self::of(&environment, &text, &folder, adapters)?;
        let (_, values) = layers(&environment, &text)?;
        let mut table = Table::try_from(&values).expect("what came from TOML can go back");
        config.complete(&mut table);
        hide(&mut table);
        let shown = toml::to_string_pretty(&table).expect("a table is a document");
        Ok(format!("{HEAD}{shown}"))
    }

    /// Adds what holds where nothing is said.
    fn complete(&self, table: &mut Table) {
        each(table.get_mut("upstreams"), |upstream| {
            add(upstream, "timeout", span(file::TIMEOUT));
            add(upstream, "connect_timeout", span(file::CONNECT_TIMEOUT));
            add(upstream, "first_byte_timeout", span(file::FIRST_BYTE_TIMEOUT));
            add(upstream, "retries", i64::from(file::RETRIES).into());
            add(upstream, "concurrency", i64::from(file::CONCURRENCY.get()).into());
            let (failures, pause) = file::BREAKER;
            let breaker = below(upstream, "breaker");
            add(breaker, "failures", i64::from(failures.get()).into());
            add(breaker, "pause", span(pause));
        });
        for (name, _) in self.upstreams.iter().filter(|(_, upstream)| upstream.tls.is_some()) {
            let upstream = below(below(table, "upstreams"), name);
            add(below(upstream, "tls"), "min_version", "1.2".into());
        }
        each(table.get_mut("clients"), |client| {
            add(client, "allow", KINDS.to_vec().into());
            add(client, "grant", "ordinary".into());
        });
        each(table.get_mut("listeners"), |listener| {
            if let Some(Value::Table(tls)) = listener.get_mut("tls") {
                add(tls, "min_version", "1.2".into());
            }
            each(listener.get_mut("routes"), |route| {
                add(route, "delete", "reversible".into());
                add(route, "on_partial", "report".into());
            });
        });
        let links = below(table, "links");
        links.insert("store".to_owned(), self.store.to_string().into());
        let ids = below(links, "ids");
        for (dialect, range) in &self.ids {
            let numbers = below(ids, dialect);
            for (name, number) in [("first", range.first()), ("last", range.last())] {
                add(numbers, name, i64::try_from(number).expect("a range fits into it").into());
            }
        }
        if !table.contains_key("mapping") || !below(table, "mapping").contains_key("preferences") {
            let preferences = below(below(table, "mapping"), "preferences");
            for (name, key) in file::preferences() {
                add(preferences, &name, key.as_str().into());
            }
        }
    }
}

fn hide(table: &mut Table) {
    let hide_in = |source: &mut Table, name: &str| {
        if let Some(secret) = source.get_mut(name) {
            *secret = HIDDEN.into();
        }
    };
    let hide = |of: &mut Table, source: &str, name: &str| {
        if let Some(source) = of.get_mut(source).and_then(Value::as_table_mut) {
            hide_in(source, name);
        }
    };
    each(table.get_mut("upstreams"), |upstream| hide(upstream, "credential", "value"));
    // Whoever has the hash of a key that is easily guessed has the key.
    each(table.get_mut("clients"), |client| {
        hide(client, "key", "sha256");
        each(client.get_mut("credentials"), |credential| hide_in(credential, "value"));
        each(client.get_mut("keys"), |key| hide_in(key, "sha256"));
        each(client.get_mut("logins"), |login| hide_in(login, "password_hash"));
    });
}

/// Does something with every table of a list, or of a table.
fn each(value: Option<&mut Value>, mut act: impl FnMut(&mut Table)) {
    match value {
        Some(Value::Array(list)) => list.iter_mut().filter_map(Value::as_table_mut).for_each(act),
        Some(Value::Table(table)) => {
            table.iter_mut().filter_map(|(_, value)| value.as_table_mut()).for_each(&mut act);
        }
        _ => (),
    }
}

fn below<'a>(table: &'a mut Table, name: &str) -> &'a mut Table {
    let entry = table.entry(name).or_insert_with(|| Value::Table(Table::new()));
    entry.as_table_mut().expect("the check has found it to be a table")
}

fn add(table: &mut Table, name: &str, value: Value) {
    table.entry(name).or_insert(value);
}

fn span(span: Duration) -> Value {
    format!("{}s", span.as_secs()).into()
}
