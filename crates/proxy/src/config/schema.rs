//! `config/schema.json` says what `file` says and what `config/example.toml` explains.

use std::{collections::BTreeSet, fs};

use interlingua_core::{Document, Schema};
use serde_json::{Map, Value, json};

use super::{Config, file::File, source::Layer};

const EXAMPLE: &str = include_str!("../../../../config/example.toml");
const SANDBOX: &str = include_str!("../../../../config/sandbox.toml");

fn schema() -> Value {
    serde_json::from_str(Config::SCHEMA).unwrap()
}

/// The schema that a reference means.
fn resolved<'a>(root: &'a Value, node: &'a Value) -> &'a Value {
    node["$ref"].as_str().map_or(node, |reference| root.pointer(&reference[1..]).unwrap())
}

// === keys ===

/// One step from a table or a list into what it holds.
#[derive(Clone)]
enum Step {
    Name(String),
    Item,
}

/// What the configuration says of a table there with a key that no table has.
fn probed(path: &[Step]) -> String {
    let wrap = |inner: Value, step: &Step| match step {
        Step::Name(name) => json!({ name: inner }),
        Step::Item => json!([inner]),
    };
    let document = path.iter().rev().fold(json!({ "?": {} }), wrap);
    serde_json::from_value::<File>(document).err().map(|error| error.to_string()).unwrap_or_default()
}

/// The keys that a table of the configuration has; `None` where there is no such table.
fn keys(path: &[Step]) -> Option<BTreeSet<String>> {
    let error = probed(path);
    let (_, known) = error.split_once("unknown field `?`")?;
    Some(known.split('`').skip(1).step_by(2).map(str::to_owned).collect())
}

fn compare(root: &Value, node: &Value, path: &[Step]) {
    let node = resolved(root, node);
    let at = path.iter().map(|step| if let Step::Name(name) = step { format!("/{name}") } else { "/0".to_owned() });
    let at: String = at.collect();
    let below = |step: Step| [path, &[step]].concat();
    if node["additionalProperties"] == json!(false) {
        let properties = node["properties"].as_object().unwrap();
        let declared: BTreeSet<_> = properties.keys().cloned().collect();
        assert_eq!(keys(path).as_ref(), Some(&declared), "the keys of config/schema.json at `{at}`");
        for (name, node) in properties {
            compare(root, node, &below(Step::Name(name.clone())));
        }
        return;
    }
    assert_eq!(keys(path), None, "config/schema.json has no table at `{at}`");
    if node["additionalProperties"].is_object() {
        compare(root, &node["additionalProperties"], &below(Step::Name("/x".to_owned())));
    }
    if node["items"].is_object() {
        compare(root, &node["items"], &below(Step::Item));
    }
}

#[test]
fn the_schema_has_the_keys_of_the_file() {
    let root = schema();
    compare(&root, &root, &[]);
}

// === documents ===

fn values(toml: &str) -> Value {
    serde_json::to_value(figment::Figment::from(Layer::toml("file", toml).unwrap()).find_value("").unwrap()).unwrap()
}

#[track_caller]
fn check(toml: &str, expected: &[&str]) {
    let findings = Schema::compile(Config::SCHEMA).unwrap().check(Document::Request, &values(toml));
    let problems = findings.problems.iter().map(|problem| problem.place.to_string());
    let found: BTreeSet<_> = problems.chain(findings.unknown).collect();
    assert_eq!(found, expected.iter().map(|&place| place.to_owned()).collect());
}

#[test]
fn the_configurations_in_the_repository_fit_the_schema() {
    check(EXAMPLE, &[]);
    check(SANDBOX, &[]);
}

#[test]
fn what_does_not_fit_is_found_by_the_schema() {
    check(&SANDBOX.replace("[admin]\naddress", "[admin]\nadress"), &["/admin/adress"]);
    check(&SANDBOX.replacen("value = ", "values = ", 1), &["/upstreams/ecgrid/credential/values"]);
    check(&format!("{SANDBOX}\n[limits]\nbody = \"1 megabyte\"\ndrain = 5"), &["/limits/body", "/limits/drain"]);
}

// === descriptions ===

/// Gives every key the words that `config/example.toml` has above it.
fn described(mut root: Value) -> Value {
    let (mut table, mut words) = (String::new(), Vec::new());
    for line in EXAMPLE.lines() {
        if let Some(comment) = line.strip_prefix('#') {
            words.push(comment.trim().to_owned());
        } else if let Some(header) = line.strip_prefix('[') {
            table = header.trim_matches(['[', ']']).to_owned();
            words.clear();
        } else if let Some((key, _)) = line.split_once(" = ") {
            if !words.is_empty() {
                let names: Vec<_> = table.split('.').chain([key]).map(|name| name.trim_matches('"')).collect();
                describe(&mut root, &names, &words.join(" "));
            }
            words.clear();
        } else {
            words.clear();
        }
    }
    root
}

/// The first to describe a key counts.
fn describe(node: &mut Value, names: &[&str], words: &str) {
    let Some((name, rest)) = names.split_first() else {
        let node: &mut Map<_, _> = node.as_object_mut().unwrap();
        if node.get("additionalProperties") != Some(&json!(true)) {
            node.insert("description".to_owned(), words.into());
        }
        return;
    };
    let next = match () {
        () if node["properties"][*name].is_object() => &mut node["properties"][*name],
        () if node["items"].is_object() => return describe(&mut node["items"], names, words),
        () if node["additionalProperties"].is_object() => &mut node["additionalProperties"],
        () => return,
    };
    describe(next, rest, words);
}

/// `UPDATE_GOLDEN=1` takes the words over.
#[test]
fn the_schema_has_the_words_of_the_example() {
    let described = format!("{:#}\n", described(schema()));
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../config/schema.json");
        fs::write(path, &described).unwrap();
    } else {
        assert!(
            Config::SCHEMA == described,
            "config/schema.json is not up to date; run this test with UPDATE_GOLDEN=1"
        );
    }
}
