//! JSON as a tree of pointers and leaves.

use serde_json::{Map, Value};

use crate::note::pointer_token;

/// The pointer of a member.
pub(super) fn child(parent: &str, name: &str) -> String {
    format!("{parent}/{}", pointer_token(name))
}

/// Whether a pointer fits a pattern, in which `*` is any one step.
pub(super) fn fits(pattern: &str, pointer: &str) -> bool {
    let (mut pattern, mut pointer) = (pattern.split('/'), pointer.split('/'));
    loop {
        match (pattern.next(), pointer.next()) {
            (None, None) => return true,
            (Some(expected), Some(step)) if expected == "*" || expected == step => {}
            _ => return false,
        }
    }
}

/// Whether `pointer` is `parent` or below it.
pub(super) fn is_within(pointer: &str, parent: &str) -> bool {
    pointer.strip_prefix(parent).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Every leaf (a text, a number, a boolean) with its pointer.
pub(super) fn leaves(value: &Value) -> Vec<(String, String)> {
    let mut found = Vec::new();
    collect(value, String::new(), &mut found);
    found
}

fn collect(value: &Value, pointer: String, found: &mut Vec<(String, String)>) {
    match value {
        Value::Null => {}
        Value::Bool(_) | Value::Number(_) => found.push((pointer, value.to_string())),
        Value::String(text) => found.push((pointer, text.clone())),
        Value::Array(items) => {
            let items = items.iter().enumerate();
            items.for_each(|(position, item)| collect(item, format!("{pointer}/{position}"), found));
        }
        Value::Object(members) => {
            members.iter().for_each(|(name, member)| collect(member, child(&pointer, name), found));
        }
    }
}

/// Every pointer of a document, the root's first.
pub(super) fn pointers(value: &Value) -> Vec<String> {
    let mut found = vec![String::new()];
    let mut next = 0;
    while let Some(pointer) = found.get(next).cloned() {
        match value.pointer(&pointer) {
            Some(Value::Array(items)) => found.extend((0..items.len()).map(|position| format!("{pointer}/{position}"))),
            Some(Value::Object(members)) => found.extend(members.keys().map(|name| child(&pointer, name))),
            _ => {}
        }
        next += 1;
    }
    found
}

/// The words of a leaf: a text is cut at spaces and slashes.
pub(super) fn words(leaf: &str) -> impl Iterator<Item = &str> {
    leaf.split([' ', '/']).filter(|word| !word.is_empty())
}

/// One place where two documents differ.
#[derive(Debug, PartialEq)]
pub(super) struct Difference<'a> {
    pub(super) pointer: String,
    pub(super) before: Option<&'a Value>,
    pub(super) after: Option<&'a Value>,
}

/// Where two documents differ, as deep as both have something there.
pub(super) fn differences<'a>(before: &'a Value, after: &'a Value) -> Vec<Difference<'a>> {
    let mut found = Vec::new();
    compare(Some(before), Some(after), String::new(), &mut found);
    found
}

fn compare<'a>(before: Option<&'a Value>, after: Option<&'a Value>, pointer: String, found: &mut Vec<Difference<'a>>) {
    match (before, after) {
        (Some(Value::Object(one)), Some(Value::Object(other))) => {
            let added = other.keys().filter(|name| !one.contains_key(*name));
            for name in one.keys().chain(added) {
                compare(one.get(name), other.get(name), child(&pointer, name), found);
            }
        }
        (Some(Value::Array(one)), Some(Value::Array(other))) => {
            for position in 0..one.len().max(other.len()) {
                compare(one.get(position), other.get(position), format!("{pointer}/{position}"), found);
            }
        }
        (Some(one), Some(other)) if same(one, other) => {}
        _ => found.push(Difference { pointer, before, after }),
    }
}

/// The same value, in whichever of JSON's spellings of a number.
fn same(one: &Value, other: &Value) -> bool {
    one == other
        || matches!((one.as_f64(), other.as_f64()), (Some(one), Some(other)) if one.to_bits() == other.to_bits())
}

/// Takes out what stands at a pointer; an array closes the gap.
pub(super) fn remove(document: &mut Value, pointer: &str) -> Option<Value> {
    let (parent, name) = split(pointer)?;
    match document.pointer_mut(parent)? {
        Value::Object(members) => members.remove(&name),
        Value::Array(items) => {
            let position = name.parse().ok().filter(|position| *position < items.len())?;
            Some(items.remove(position))
        }
        _ => None,
    }
}

/// Adds a value at a pointer, beside what stands there already.
pub(super) fn merge(document: &mut Value, pointer: &str, value: Value) {
    let Some((parent, name)) = split(pointer) else { return };
    if !parent.is_empty() && document.pointer(parent).is_none() {
        merge(document, parent, Value::Object(Map::new()));
    }
    let Some(Value::Object(members)) = document.pointer_mut(parent) else { return };
    match (members.get_mut(&name), value) {
        (Some(Value::Object(present)), Value::Object(more)) => present.extend(more),
        (Some(_), _) => {}
        (None, value) => {
            members.insert(name, value);
        }
    }
}

/// Parent and member name of a pointer.
pub(super) fn split(pointer: &str) -> Option<(&str, String)> {
    let (parent, token) = pointer.rsplit_once('/')?;
    Some((parent, token.replace("~1", "/").replace("~0", "~")))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn patterns_fit_step_by_step() {
        assert!(fits("/members/*/role", "/members/0/role") && fits("", ""));
        assert!(!fits("/members/*/role", "/members/0") && !fits("/members", "/members/0") && !fits("", "/a"));
        assert!(is_within("/a/b", "/a") && is_within("/a", "") && !is_within("/ab", "/a"));
    }

    #[test]
    fn documents_differ_where_they_differ() {
        let (before, after) =
            (json!({"a": [1, {"b": 2}], "c": 1.0, "d": null}), json!({"a": [1, {"b": 3}, 4], "c": 1}));
        let found = differences(&before, &after);
        let pointers: Vec<_> = found.iter().map(|difference| difference.pointer.as_str()).collect();
        assert_eq!(pointers, ["/a/1/b", "/a/2", "/d"]);
    }

    #[test]
    fn values_are_removed_and_merged() {
        let mut document = json!({"a": [1, 2], "b/c": {"d": 1}});
        assert_eq!(remove(&mut document, "/a/0"), Some(json!(1)));
        assert_eq!(remove(&mut document, "/a/7"), None);
        merge(&mut document, "/b~1c/e/f", json!(2));
        merge(&mut document, "/b~1c/d", json!(9));
        assert_eq!(document, json!({"a": [2], "b/c": {"d": 1, "e": {"f": 2}}}));
        assert_eq!(pointers(&document), ["", "/a", "/b~1c", "/a/0", "/b~1c/d", "/b~1c/e", "/b~1c/e/f"]);
    }
}
