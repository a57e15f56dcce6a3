//! How a key of the configuration is called in messages.

use std::fmt;

use figment::value::Value;

/// Where a key stands, such as `listeners[0].routes[1].face`. Parents sort before their children.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key(Vec<Step>);

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Step {
    Name(String),
    Index(usize),
}

impl Key {
    /// The key at the end of these names; none is the whole of the configuration.
    pub(super) fn of<S: Into<String>>(names: impl IntoIterator<Item = S>) -> Self {
        Self(names.into_iter().map(|name| Step::Name(name.into())).collect())
    }

    /// The key that a JSON Pointer leads to.
    pub(super) fn from_pointer(pointer: &str) -> Self {
        Self::of(pointer.split('/').skip(1).map(|token| token.replace("~1", "/").replace("~0", "~")))
    }

    /// The key at the end of figment's path, which spells an index like a name; `values` tells which it is.
    pub(super) fn from_path(path: &[String], values: &Value) -> Self {
        let mut key = Self::default();
        let mut value = Some(values);
        for step in path {
            (key, value) = match (value, step.parse()) {
                (Some(Value::Array(_, items)), Ok(index)) => (key.index(index), items.get(index)),
                (Some(Value::Dict(_, table)), _) => (key.name(step), table.get(step)),
                _ => (key.name(step), None),
            };
        }
        key
    }

    /// The key of that name below this one.
    pub(super) fn name(&self, name: &str) -> Self {
        self.below(Step::Name(name.to_owned()))
    }

    /// The item at that position of this list.
    pub(super) fn index(&self, index: usize) -> Self {
        self.below(Step::Index(index))
    }

    fn below(&self, step: Step) -> Self {
        Self(self.0.iter().cloned().chain([step]).collect())
    }

    /// The key that this one stands under.
    pub(super) fn parent(&self) -> Option<Self> {
        let (_, above) = self.0.split_last()?;
        Some(Self(above.to_vec()))
    }

    /// Whether this is `above`, or stands somewhere below it.
    pub(super) fn is_within(&self, above: &Self) -> bool {
        self.0.starts_with(&above.0)
    }

    /// Takes the value out of `values`; in a list, an empty table stays in its place.
    pub(super) fn take_from(&self, values: &mut Value) {
        let Some((last, above)) = self.0.split_last() else { return };
        let parent = above.iter().try_fold(values, |value, step| match (value, step) {
            (Value::Dict(_, table), Step::Name(name)) => table.get_mut(name),
            (Value::Array(_, items), Step::Index(index)) => items.get_mut(*index),
            _ => None,
        });
        match (parent, last) {
            (Some(Value::Dict(_, table)), Step::Name(name)) => drop(table.remove(name)),
            (Some(Value::Array(_, items)), Step::Index(index)) => {
                if let Some(item) = items.get_mut(*index) {
                    *item = figment::value::Dict::new().into();
                }
            }
            _ => (),
        }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, step) in self.0.iter().enumerate() {
            let dot = if position == 0 { "" } else { "." };
            match step {
                Step::Index(index) => write!(f, "[{index}]")?,
                Step::Name(name) if is_bare(name) => write!(f, "{dot}{name}")?,
                Step::Name(name) => write!(f, "{dot}{name:?}")?,
            }
        }
        Ok(())
    }
}

/// Whether TOML takes the name without quotes.
fn is_bare(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_shown_as_they_are_written() {
        let routes = Key::of(["listeners"]).index(0).name("routes").index(1);
        assert_eq!(routes.name("face").to_string(), "listeners[0].routes[1].face");
        assert_eq!(routes.name("/settings/x").to_string(), "listeners[0].routes[1].\"/settings/x\"");
        assert_eq!(Key::from_pointer("/roles/a~1b/c~0d").to_string(), "roles.\"a/b\".\"c~d\"");
        assert_eq!(Key::from_pointer("").to_string(), "");
    }

    #[test]
    fn a_number_is_an_index_only_in_a_list() {
        let values = figment::value::Value::serialize(serde_json::json!({"list": [{}], "table": {"0": {}}})).unwrap();
        let shown = |path: [&str; 2]| Key::from_path(&path.map(str::to_owned), &values).to_string();
        assert_eq!(shown(["list", "0"]), "list[0]");
        assert_eq!(shown(["table", "0"]), "table.0");
    }
}
