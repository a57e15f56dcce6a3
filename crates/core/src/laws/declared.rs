//! What an adapter declares about its documents.

use serde_json::Value;

use super::tree;

/// What an adapter declares about its documents; the laws take nothing else on trust.
///
/// Pointers are JSON Pointers into its documents, with `*` for any one step.
#[derive(Clone, Copy, Debug, Default)]
pub struct Declared<'a> {
    /// Words that may stand at a pointer although no input has them: types, vocabularies, envelopes. No words at all:
    /// the value is computed, such as a count, and any will do.
    pub constants: &'a [(&'a str, &'a [&'a str])],
    /// Values (as JSON) that say the same as leaving the member out.
    pub absences: &'a [(&'a str, &'a [&'a str])],
    /// Members that say the same as others: where the first stands, the second may be written.
    pub synonyms: &'a [(&'a str, &'a str)],
}

impl Declared<'_> {
    /// Whether the value at `pointer` is computed from others.
    pub(super) fn is_computed(&self, pointer: &str) -> bool {
        self.constants.iter().any(|(pattern, words)| words.is_empty() && tree::fits(pattern, pointer))
    }

    pub(super) fn is_constant(&self, pointer: &str, word: &str) -> bool {
        self.constants.iter().any(|(pattern, words)| words.contains(&word) && tree::fits(pattern, pointer))
    }

    /// A document in one of its spellings, the same for all documents that say the same.
    pub(super) fn normal(&self, mut document: Value) -> Value {
        for (from, to) in self.synonyms {
            if let Some(value) = tree::remove(&mut document, from) {
                tree::merge(&mut document, to, value);
            }
        }
        self.without_absences(&mut document, "");
        document
    }

    fn without_absences(&self, value: &mut Value, pointer: &str) {
        let Value::Object(members) = value else {
            if let Value::Array(items) = value {
                let items = items.iter_mut().enumerate();
                items.for_each(|(position, item)| self.without_absences(item, &format!("{pointer}/{position}")));
            }
            return;
        };
        members.retain(|name, member| {
            let pointer = tree::child(pointer, name);
            self.without_absences(member, &pointer);
            !self.absences.iter().any(|(pattern, values)| tree::fits(pattern, &pointer) && is_one_of(member, values))
        });
    }
}

fn is_one_of(value: &Value, values: &[&str]) -> bool {
    values.iter().any(|text| serde_json::from_str::<Value>(text).is_ok_and(|known| known == *value))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn documents_that_say_the_same_have_one_normal_form() {
        let declared = Declared {
            absences: &[("/settings", &["{}"]), ("/settings/box", &["0", "null"])],
            synonyms: &[("/old", "/settings/new")],
            ..Declared::default()
        };
        let normal = |document| declared.normal(document);
        assert_eq!(normal(json!({"a": 1, "settings": {"box": 0}})), json!({"a": 1}));
        assert_eq!(normal(json!({"old": {"x": true}})), json!({"settings": {"new": {"x": true}}}));
        assert_eq!(
            normal(json!({"old": 1, "settings": {"new": 1, "box": 2}})),
            json!({"settings": {"new": 1, "box": 2}})
        );
    }
}
