//! Which members a schema names, for whoever wants to know what a document has beyond them, or which names there are.

use std::{borrow::Cow, collections::BTreeSet};

use serde_json::Value;

use crate::note::pointer_token;

/// How deep schemas refer to each other, and documents go; nothing below is looked at.
const DEEPEST: usize = 16;

/// The members that a schema names, as JSON Pointers in which `*` stands for every index of an array.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shape {
    members: BTreeSet<String>,
    /// The objects whose members are named. Others are free: whatever stands there is not news.
    named: BTreeSet<String>,
}

impl Shape {
    /// The shape of the documents that a schema describes. What is no schema describes nothing.
    pub fn of(schema: &str) -> Self {
        let root: Value = serde_json::from_str(schema).unwrap_or_default();
        let mut shape = Self::default();
        shape.add(&root, &root, "", DEEPEST);
        shape
    }

    /// Every member.
    pub fn members(&self) -> impl Iterator<Item = &str> {
        self.members.iter().map(String::as_str)
    }

    /// The members of a document that the schema does not name although it names others beside them, each once.
    pub fn unknown(&self, document: &Value) -> BTreeSet<String> {
        let mut unknown = BTreeSet::new();
        self.look(document, "", &mut unknown, DEEPEST);
        unknown
    }

    fn add(&mut self, root: &Value, schema: &Value, at: &str, deep: usize) {
        let Some(deep) = deep.checked_sub(1) else { return };
        if let Some(target) = schema["$ref"].as_str().and_then(|target| root.pointer(target.strip_prefix('#')?)) {
            self.add(root, target, at, deep);
        }
        for choice in ["allOf", "anyOf", "oneOf"] {
            for schema in schema[choice].as_array().into_iter().flatten() {
                self.add(root, schema, at, deep);
            }
        }
        if let Some(properties) = schema["properties"].as_object() {
            if !schema["additionalProperties"].is_object() {
                self.named.insert(at.to_owned());
            }
            for (name, schema) in properties {
                let at = format!("{at}/{}", pointer_token(name));
                self.add(root, schema, &at, deep);
                self.members.insert(at);
            }
        }
        if schema["items"].is_object() {
            self.add(root, &schema["items"], &format!("{at}/*"), deep);
        }
    }

    fn look(&self, value: &Value, at: &str, unknown: &mut BTreeSet<String>, deep: usize) {
        let Some(deep) = deep.checked_sub(1) else { return };
        match value {
            Value::Object(members) => {
                for (name, value) in members {
                    let member = format!("{at}/{}", pointer_token(name));
                    if self.members.contains(&member) {
                        self.look(value, &member, unknown, deep);
                    } else if self.named.contains(at) {
                        unknown.insert(member);
                    }
                }
            }
            Value::Array(items) => {
                let each = format!("{at}/*");
                items.iter().for_each(|item| self.look(item, &each, unknown, deep));
            }
            _ => {}
        }
    }
}

/// A pointer with `*` for every index, as a [`Shape`] has it.
///
/// ```
/// assert_eq!(interlingua_core::without_indices("/members/12/name"), "/members/*/name");
/// ```
pub fn without_indices(pointer: &str) -> Cow<'_, str> {
    let is_index = |token: &str| !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_digit());
    if !pointer.split('/').any(is_index) {
        return Cow::Borrowed(pointer);
    }
    let tokens: Vec<_> = pointer.split('/').map(|token| if is_index(token) { "*" } else { token }).collect();
    Cow::Owned(tokens.join("/"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const SCHEMA: &str = r##"{
        "properties": {
            "id": {"type": "integer"},
            "free": {"type": "object"},
            "map": {"properties": {"a": {}}, "additionalProperties": {"type": "string"}},
            "list": {"type": "array", "items": {"$ref": "#/$defs/item"}},
            "either": {"anyOf": [{"type": "string"}, {"properties": {"b/c": {}}}]}
        },
        "$defs": {"item": {"properties": {"name": {}, "again": {"$ref": "#/$defs/item"}}}}
    }"##;

    #[test]
    fn members_are_named_by_pointer() {
        let shape = Shape::of(SCHEMA);
        let members: Vec<_> = shape.members().filter(|member| !member.contains("again")).collect();
        let expected = ["/either", "/either/b~1c", "/free", "/id", "/list", "/list/*/name", "/map", "/map/a"];
        assert_eq!(members, expected);
        assert_eq!(Shape::of("{"), Shape::default());
    }

    #[test]
    fn what_is_not_named_is_found_once() {
        let document = json!({
            "id": 1, "new": {"deep": 1}, "free": {"x": 1}, "map": {"a": 1, "x": 1},
            "list": [{"name": 1, "extra": 1}, {"extra": 2}, 3], "either": {"b/c": 1, "d/e": 1}
        });
        let unknown: Vec<_> = Shape::of(SCHEMA).unknown(&document).into_iter().collect();
        assert_eq!(unknown, ["/either/d~1e", "/list/*/extra", "/new"]);
        assert!(Shape::of(SCHEMA).unknown(&json!([1])).is_empty());
    }
}
