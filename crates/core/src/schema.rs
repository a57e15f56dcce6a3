//! JSON Schema, behind one door: how schemas are compiled, and how their findings are told.

use std::{borrow::Cow, fmt};

use jsonschema::{
    PatternOptions, ValidationError,
    error::{TypeKind, ValidationErrorKind},
};
use serde_json::Value;

use crate::{
    error::Problem,
    note::{Document, Place, pointer_token},
    user::Email,
};

/// A compiled schema.
///
/// Compiled offline (a reference to elsewhere is an error), with formats checked, unknown formats refused, and patterns
/// matched in linear time.
pub struct Schema(jsonschema::Validator);

/// What a document's check against a schema found.
#[derive(Debug, Default, PartialEq)]
pub struct Findings {
    /// What is wrong.
    pub problems: Vec<Problem>,
    /// Members that the schema does not know, as JSON Pointers. They are no problem to somebody who passes the
    /// document on as it came.
    pub unknown: Vec<String>,
}

impl Schema {
    /// Compiles a schema.
    ///
    /// # Errors
    ///
    /// What is wrong with the schema.
    pub fn compile(schema: &str) -> Result<Self, SchemaError> {
        let schema = serde_json::from_str(schema).map_err(|error| SchemaError(error.to_string()))?;
        jsonschema::options()
            .offline()
            .should_validate_formats(true)
            .should_ignore_unknown_formats(false)
            .with_format("email", |address: &str| Email::parse(address).is_ok())
            .with_pattern_options(PatternOptions::regex())
            .build(&schema)
            .map(Self)
            .map_err(|error| SchemaError(error.to_string()))
    }

    /// Checks a document and tells everything that is wrong with it at once, without a value of the document in it; of
    /// more than a hundred findings, the first hundred.
    pub fn check(&self, document: Document, value: &Value) -> Findings {
        let mut findings = Findings::default();
        if !self.0.is_valid(value) {
            for error in self.0.iter_errors(value).take(Findings::MOST) {
                findings.add(document, &error);
            }
        }
        findings
    }
}

impl fmt::Debug for Schema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Schema").finish_non_exhaustive()
    }
}

impl Findings {
    /// How many are told at most of one document. More help nobody, and a document made for it has as many as it has bytes.
    pub const MOST: usize = 100;

    fn add(&mut self, document: Document, error: &ValidationError<'_>) {
        let at = error.instance_path().as_str().to_owned();
        match error.kind() {
            ValidationErrorKind::AdditionalProperties { unexpected } => {
                self.unknown.extend(unexpected.iter().take(Findings::MOST).map(|name| member(&at, name)));
            }
            ValidationErrorKind::Required { property } => {
                let pointer = member(&at, property.as_str().unwrap_or_default());
                self.problems.push(Problem::new(Place::Pointer(document, pointer.into()), "required"));
            }
            kind => {
                let expected = expectation(kind).unwrap_or_else(|| error.masked().to_string().into());
                self.problems.push(Problem::new(Place::Pointer(document, at.into()), expected));
            }
        }
    }
}

fn member(parent: &str, name: &str) -> String {
    format!("{parent}/{}", pointer_token(name))
}

/// What a keyword asks for, in words; `None` where the library's own words will do.
fn expectation(kind: &ValidationErrorKind) -> Option<Cow<'static, str>> {
    Some(match kind {
        ValidationErrorKind::Type { kind: TypeKind::Single(kind) } => format!("expected {}", with_article(kind)).into(),
        ValidationErrorKind::Type { kind: TypeKind::Multiple(kinds) } => {
            let kinds: Vec<_> = kinds.iter().map(|kind| with_article(&kind)).collect();
            format!("expected {}", kinds.join(" or ")).into()
        }
        ValidationErrorKind::Format { format } if format == "email" => "expected an e-mail address".into(),
        ValidationErrorKind::Enum { options } => format!("expected one of {}", list(options)).into(),
        ValidationErrorKind::Minimum { limit } => format!("expected at least {limit}").into(),
        ValidationErrorKind::Maximum { limit } => format!("expected at most {limit}").into(),
        ValidationErrorKind::MinLength { limit: 1 } => "expected a text that is not empty".into(),
        ValidationErrorKind::Pattern { pattern } => format!("expected a text of the form {pattern}").into(),
        _ => return None,
    })
}

fn with_article(kind: &impl fmt::Display) -> String {
    let kind = kind.to_string();
    match kind.as_str() {
        "null" => kind,
        "array" | "integer" | "object" => format!("an {kind}"),
        _ => format!("a {kind}"),
    }
}

fn list(options: &Value) -> String {
    let names = options.as_array().into_iter().flatten().filter(|option| !option.is_null());
    names.map(|option| option.as_str().map_or_else(|| option.to_string(), str::to_owned)).collect::<Vec<_>>().join(", ")
}

/// A schema that cannot be used.
#[derive(Debug)]
pub struct SchemaError(String);

impl fmt::Display for SchemaError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the schema cannot be used: {}", self.0)
    }
}

impl std::error::Error for SchemaError {}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const SCHEMA: &str = r#"{
        "type": "object",
        "required": ["id"],
        "properties": {
            "id": {"type": "integer", "minimum": 1},
            "mail": {"type": ["string", "null"], "format": "email"},
            "level": {"enum": ["a", "b", null]},
            "tags": {"type": "object", "additionalProperties": {"type": "string", "pattern": "^x"}},
            "inner": {"properties": {"c": {}}, "additionalProperties": false}
        },
        "additionalProperties": false
    }"#;

    #[track_caller]
    fn check(document: Value, problems: &[(&str, &str)], unknown: &[&str]) {
        let findings = Schema::compile(SCHEMA).unwrap().check(Document::Request, &document);
        let mut found: Vec<_> =
            findings.problems.iter().map(|problem| (problem.place.to_string(), problem.expected.to_string())).collect();
        found.sort();
        let expected: Vec<_> = problems.iter().map(|&(at, words)| (at.to_owned(), words.to_owned())).collect();
        assert_eq!(found, expected);
        assert_eq!(findings.unknown, unknown);
    }

    #[test]
    fn all_problems_are_told_at_once_with_pointers_and_without_values() {
        check(json!({"id": 1, "mail": null}), &[], &[]);
        check(json!({}), &[("/id", "required")], &[]);
        check(
            json!({"id": "1", "mail": "secret", "level": "c", "tags": {"/x": "secret", "y": 1}}),
            &[
                ("/id", "expected an integer"),
                ("/level", "expected one of a, b"),
                ("/mail", "expected an e-mail address"),
                ("/tags/y", "expected a string"),
                ("/tags/~1x", "expected a text of the form ^x"),
            ],
            &[],
        );
        check(
            json!({"id": 0, "mail": 1}),
            &[("/id", "expected at least 1"), ("/mail", "expected null or a string")],
            &[],
        );
        check(json!({"id": 1, "inner": {"a/b": 1}, "new": 1}), &[], &["/inner/a~1b", "/new"]);
        check(json!([]), &[("", "expected an object")], &[]);
    }

    #[test]
    fn a_schema_with_a_fault_does_not_compile() {
        for fault in [
            "{",
            r#"{"type": "strin"}"#,
            r#"{"format": "e-mail"}"#,
            r#"{"$ref": "https://example.com/x.json"}"#,
            r#"{"pattern": "(?=x)"}"#,
        ] {
            assert!(Schema::compile(fault).is_err(), "{fault}");
        }
    }
}
