//! Where configuration comes from: TOML that remembers the line of every key, and environment variables.
//!
//! figment's own TOML provider searches the parent folders for a file and takes a missing one for an empty one, and
//! its environment provider turns the key `12345` into a number. Ours do neither.

use std::{collections::BTreeMap, fmt};

use figment::{
    Metadata, Profile, Provider,
    value::{Dict, Map, Value},
};
use toml::{
    Spanned,
    de::{DeArray, DeTable, DeValue},
};

use super::{
    error::{Origin, Position, Problem},
    key::Key,
};

/// What the names of our environment variables start with.
const PREFIX: &str = "INTERLINGUA_";

/// The environment variables, all of them read at once.
pub struct Environment(BTreeMap<String, String>);

impl Environment {
    /// Those of this process.
    pub fn of_process() -> Self {
        let text = |text: std::ffi::OsString| text.to_string_lossy().into_owned();
        std::env::vars_os().map(|(name, value)| (text(name), text(value))).collect()
    }

    /// The value of a variable.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// The variables that set keys, without their prefix.
    fn settings(&self) -> impl Iterator<Item = (&str, &str, &str)> {
        self.0.iter().filter_map(|(name, value)| Some((name.as_str(), name.strip_prefix(PREFIX)?, value.as_str())))
    }
}

impl FromIterator<(String, String)> for Environment {
    fn from_iter<I: IntoIterator<Item = (String, String)>>(variables: I) -> Self {
        Self(variables.into_iter().collect())
    }
}

/// Without the values, of which some are secret.
impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Environment").field(&self.0.keys()).finish()
    }
}

/// One layer of the configuration, with the place of every key in it.
#[derive(Debug)]
pub(super) struct Layer {
    name: &'static str,
    values: Dict,
    pub(super) origins: Origins,
}

impl Layer {
    /// The keys of a TOML text.
    pub(super) fn toml(name: &'static str, text: &str) -> Result<Self, Problem> {
        let lines = Lines::new(text);
        let origin = |offset| Origin::File(Some(lines.position(offset)));
        let document = DeTable::parse(text).map_err(|error| syntax_error(&error, origin))?;
        let mut reader = Reader { origin: &origin, origins: Origins::default() };
        let values = reader.table(&Key::default(), document.get_ref())?;
        Ok(Self { name, values, origins: reader.origins })
    }

    /// The keys that variables named `INTERLINGUA_SECTION__KEY` set, and what is wrong with others of that prefix.
    ///
    /// A value is text as it stands, unless it is within `[` and `]` or `{` and `}`: then it is TOML.
    pub(super) fn environment(environment: &Environment) -> (Self, Vec<Problem>) {
        let mut layer = Self { name: "environment", values: Dict::new(), origins: Origins::default() };
        let mut problems = Vec::new();
        for (variable, name, value) in environment.settings() {
            if let Err(problem) = layer.set(variable, &name.to_ascii_lowercase(), value) {
                problems.push(problem);
            }
        }
        (layer, problems)
    }

    fn set(&mut self, variable: &str, name: &str, value: &str) -> Result<(), Problem> {
        let origin = |_| Origin::Variable(variable.to_owned());
        let names: Vec<_> = name.split("__").collect();
        if names.contains(&"") {
            let message = format!("not a key; a key is spelled like {PREFIX}LIMITS__BODY");
            return Err(Problem { origin: origin(0), key: Key::default(), message });
        }
        let key = Key::of(names.iter().copied());
        let mut reader = Reader { origin: &origin, origins: Origins::default() };
        for depth in 1..names.len() {
            reader.origins.mark(&Key::of(names[..depth].iter().copied()), origin(0), Shape::Table);
        }
        let value = if is_within(value, '[', ']') || is_within(value, '{', '}') {
            let value =
                DeValue::parse(value).map_err(|error| Problem { key: key.clone(), ..syntax_error(&error, origin) })?;
            reader.marked(&key, 0, &value)?
        } else {
            reader.origins.mark(&key, origin(0), Shape::Whole);
            value.into()
        };
        insert(&mut self.values, &names, value);
        self.origins.overlay(reader.origins);
        Ok(())
    }
}

impl Provider for Layer {
    fn metadata(&self) -> Metadata {
        Metadata::named(self.name)
    }

    fn data(&self) -> Result<Map<Profile, Dict>, figment::Error> {
        Ok(Profile::Default.collect(self.values.clone()))
    }
}

/// `[::1]:80` is not.
fn is_within(value: &str, open: char, close: char) -> bool {
    value.trim().starts_with(open) && value.trim().ends_with(close)
}

fn insert(table: &mut Dict, names: &[&str], value: Value) {
    match names {
        [] => (),
        [name] => drop(table.insert((*name).to_owned(), value)),
        [name, rest @ ..] => {
            let mut below = table.remove(*name).and_then(Value::into_dict).unwrap_or_default();
            insert(&mut below, rest, value);
            table.insert((*name).to_owned(), below.into());
        }
    }
}

fn syntax_error(error: &toml::de::Error, origin: impl Fn(usize) -> Origin) -> Problem {
    let origin = origin(error.span().map_or(0, |span| span.start));
    Problem { origin, key: Key::default(), message: format!("not TOML: {}", error.message()) }
}

/// Turns TOML into figment's values and notes where each stands.
struct Reader<'a> {
    origin: &'a dyn Fn(usize) -> Origin,
    origins: Origins,
}

impl Reader<'_> {
    fn table(&mut self, at: &Key, table: &DeTable<'_>) -> Result<Dict, Problem> {
        let entries = table.iter().map(|(name, value)| {
            let value = self.marked(&at.name(name.get_ref()), name.span().start, value)?;
            Ok((name.get_ref().to_string(), value))
        });
        entries.collect()
    }

    fn list(&mut self, at: &Key, list: &DeArray<'_>) -> Result<Vec<Value>, Problem> {
        let items = list.iter().enumerate();
        items.map(|(index, value)| self.marked(&at.index(index), value.span().start, value)).collect()
    }

    /// A value whose key stands at `offset`.
    fn marked(&mut self, at: &Key, offset: usize, value: &Spanned<DeValue<'_>>) -> Result<Value, Problem> {
        let origin = (self.origin)(offset);
        let shape = if value.get_ref().is_table() { Shape::Table } else { Shape::Whole };
        self.origins.mark(at, origin.clone(), shape);
        Ok(match value.get_ref() {
            DeValue::String(text) => Value::from(text.as_ref()),
            DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix())
                .map_err(|_| Problem { origin, key: at.clone(), message: "the number is too large".to_owned() })?
                .into(),
            DeValue::Float(number) => number.as_str().parse().unwrap_or(f64::NAN).into(),
            DeValue::Boolean(truth) => (*truth).into(),
            DeValue::Datetime(time) => time.to_string().into(),
            DeValue::Array(list) => self.list(at, list)?.into(),
            DeValue::Table(table) => self.table(at, table)?.into(),
        })
    }
}

/// Where every key was set.
#[derive(Debug, Default)]
pub(super) struct Origins(BTreeMap<Key, (Origin, Shape)>);

/// What becomes of a value when a later layer sets the same key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shape {
    /// The keys of both tables stand.
    Table,
    /// The later takes the place of the earlier, with all that is below.
    Whole,
}

impl Origins {
    fn mark(&mut self, key: &Key, origin: Origin, shape: Shape) {
        self.0.insert(key.clone(), (origin, shape));
    }

    /// Puts those of a later layer over these, as figment does with the values.
    pub(super) fn overlay(&mut self, later: Self) {
        for (key, (origin, shape)) in later.0 {
            let are_tables = |earlier: &(Origin, Shape)| (earlier.1, shape) == (Shape::Table, Shape::Table);
            if !self.0.get(&key).is_some_and(are_tables) {
                self.0.retain(|known, _| !known.is_within(&key));
                self.0.insert(key, (origin, shape));
            }
        }
    }

    /// Where the key was set; if it was not, where what it belongs to was set.
    pub(super) fn of(&self, key: &Key) -> Origin {
        let nearest = std::iter::successors(Some(key.clone()), Key::parent).find_map(|key| self.0.get(&key));
        nearest.map_or(Origin::File(None), |(origin, _)| origin.clone())
    }
}

/// A text whose lines can be counted.
pub(super) struct Lines<'a> {
    text: &'a str,
    starts: Vec<usize>,
}

impl<'a> Lines<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        let breaks = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
        Self { text, starts: [0].into_iter().chain(breaks.map(|(offset, _)| offset + 1)).collect() }
    }

    /// The place of the character at this offset in bytes.
    pub(super) fn position(&self, offset: usize) -> Position {
        let line = self.starts.partition_point(|start| *start <= offset).max(1);
        let before = self.text.get(self.starts[line - 1]..offset).unwrap_or_default();
        Position { line, column: before.chars().count() + 1 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_counted_in_lines_and_characters() {
        let text = "a\nüb\n";
        let places: Vec<_> = [0, 1, 2, 4, 5, 6, 99].map(|offset| Lines::new(text).position(offset)).into();
        let places: Vec<_> = places.iter().map(|place| (place.line, place.column)).collect();
        assert_eq!(places, [(1, 1), (1, 2), (2, 1), (2, 2), (2, 3), (3, 1), (3, 1)]);
    }

    const TEXT: &str = r#"
[limits]
body = 1
[upstreams.a]
  credential = { env = "A" }
[[listeners]]
address = "x"
[[listeners]]
  [[listeners.routes]]
  face = "y"
"#;

    #[track_caller]
    fn check_place(key: &str, expected: Option<(usize, usize)>) {
        let pointer = format!("/{}", key.replace('.', "/"));
        let mut at = Key::default();
        for step in Key::from_pointer(&pointer).to_string().split('.') {
            at = step.parse().map_or_else(|_| at.name(step), |index| at.index(index));
        }
        let origin = Layer::toml("file", TEXT).unwrap().origins.of(&at);
        assert_eq!(origin, Origin::File(expected.map(|(line, column)| Position { line, column })), "{at}");
    }

    #[test]
    fn every_key_has_its_place() {
        check_place("limits", Some((2, 2)));
        check_place("limits.body", Some((3, 1)));
        check_place("limits.deadline", Some((2, 2)));
        check_place("upstreams.a", Some((4, 12)));
        check_place("upstreams.a.credential", Some((5, 3)));
        check_place("upstreams.a.credential.env", Some((5, 18)));
        check_place("listeners.0", Some((6, 1)));
        check_place("listeners.0.address", Some((7, 1)));
        check_place("listeners.1", Some((8, 1)));
        check_place("listeners.1.routes.0", Some((9, 3)));
        check_place("listeners.1.routes.0.face", Some((10, 3)));
        check_place("clients", None);
    }

    fn environment(variables: &[(&str, &str)]) -> (Layer, Vec<Problem>) {
        Layer::environment(&variables.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect())
    }

    #[test]
    fn variables_are_text_or_toml() {
        let (layer, problems) = environment(&[
            ("HOME", "/root"),
            ("INTERLINGUA_A__B_C", "12345"),
            ("INTERLINGUA_A__D", "[{ x = 1 }]"),
            ("INTERLINGUA_E", "true"),
            ("INTERLINGUA_F", "[::1]:80"),
        ]);
        assert!(problems.is_empty());
        let values: serde_json::Value = Value::from(layer.values).deserialize().unwrap();
        assert_eq!(values, serde_json::json!({"a": {"b_c": "12345", "d": [{"x": 1}]}, "e": "true", "f": "[::1]:80"}));
    }

    #[test]
    fn variables_that_are_no_keys_are_problems() {
        let (_, problems) =
            environment(&[("INTERLINGUA_", ""), ("INTERLINGUA_A____B", ""), ("INTERLINGUA_C", "[secret,,]")]);
        let shown: Vec<_> = problems.iter().map(|problem| (&problem.origin, problem.message.as_str())).collect();
        let variable = |name: &str| Origin::Variable(name.to_owned());
        let no_key = "not a key; a key is spelled like INTERLINGUA_LIMITS__BODY";
        assert_eq!(shown[0], (&variable("INTERLINGUA_"), no_key));
        assert_eq!(shown[1], (&variable("INTERLINGUA_A____B"), no_key));
        assert_eq!(shown[2].0, &variable("INTERLINGUA_C"));
        assert!(shown[2].1.starts_with("not TOML: ") && !shown[2].1.contains("secret"), "{}", shown[2].1);
    }

    #[test]
    fn a_list_from_a_later_layer_hides_the_places_of_the_earlier() {
        let mut origins = Layer::toml("file", TEXT).unwrap().origins;
        let (later, _) =
            environment(&[("INTERLINGUA_LISTENERS", "[{}, {}]"), ("INTERLINGUA_UPSTREAMS__A", "{ timeout = 1 }")]);
        origins.overlay(later.origins);
        let address = Key::of(["listeners"]).index(0).name("address");
        assert_eq!(origins.of(&address), Origin::Variable("INTERLINGUA_LISTENERS".to_owned()));
        let upstream = Key::of(["upstreams", "a"]);
        assert_eq!(origins.of(&upstream), Origin::File(Some(Position { line: 4, column: 12 })));
        assert_eq!(origins.of(&upstream.name("timeout")), Origin::Variable("INTERLINGUA_UPSTREAMS__A".to_owned()));
    }
}
