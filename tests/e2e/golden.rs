//! Translations of the vendors' documents as files, to be read by people and reviewed as differences.
//!
//! `tests/golden/<from>-to-<to>/<case>/in.json` is what goes in, `out.json` what comes out (a list, where it is several
//! documents), and `notes.txt` what is said about it; a file that is not there is empty. `UPDATE_GOLDEN=1` writes the
//! last two.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use crate::cli::run;

/// A translation: its folder, the operation, the user where the document does not say, and whether it is a reply.
struct Case(&'static str, &'static str, Option<&'static str>, Direction);

enum Direction {
    Request,
    Reply,
}
use Direction::{Reply, Request};

const CASES: &[Case] = &[
    Case("ecgrid-to-textus/update-user", "update-user", None, Request),
    Case("ecgrid-to-textus/update-user-half-a-name", "update-user", None, Request),
    Case("ecgrid-to-textus/update-config", "update-config", None, Request),
    Case("ecgrid-to-textus/update-config-preferences", "update-config", None, Request),
    Case("ecgrid-to-textus/set-role", "set-role", None, Request),
    Case("ecgrid-to-textus/reply-update-user", "update-user", Some("1042"), Reply),
    Case("ecgrid-to-textus/reply-update-config", "update-user", Some("1042"), Reply),
    Case("ecgrid-to-textus/reply-set-role", "update-user", Some("1042"), Reply),
    Case("textus-to-ecgrid/updating-another-user", "update-user", Some("PWApBE3"), Request),
    Case("textus-to-ecgrid/adding-a-membership", "update-user", Some("PWApBE3"), Request),
    Case("textus-to-ecgrid/removing-a-membership", "update-user", Some("PWApBE3"), Request),
    Case("textus-to-ecgrid/own-profile", "update-user", Some("wqyODPA"), Request),
    Case("textus-to-ecgrid/creates-custom-value", "update-user", Some("wqyODPA"), Request),
    Case("textus-to-ecgrid/updates-custom-value", "update-user", Some("wqyODPA"), Request),
    Case("textus-to-ecgrid/removes-custom-value", "update-user", Some("wqyODPA"), Request),
    Case("textus-to-ecgrid/schedules-analytics", "update-user", Some("wqyODPA"), Request),
    Case("textus-to-ecgrid/mapped-custom-value", "update-user", Some("wqyODPA"), Request),
    Case("textus-to-ecgrid/reply-updating-another-user", "update-user", Some("wqyODPA"), Reply),
    Case("textus-to-ecgrid/reply-adding-a-membership", "update-user", Some("wqyODPA"), Reply),
    Case("textus-to-ecgrid/reply-removing-a-membership", "set-role", Some("wqyODPA"), Reply),
    Case("textus-to-ecgrid/reply-own-profile", "update-user", Some("wqyODPA"), Reply),
    Case("textus-to-ecgrid/reply-creates-custom-value", "update-config", Some("wqyODPA"), Reply),
    Case("textus-to-ecgrid/reply-schedules-analytics", "update-user", Some("wqyODPA"), Reply),
];

impl Case {
    fn check(&self) {
        let Self(name, operation, user, direction) = self;
        let (from, to) = name.split('/').next().and_then(|pair| pair.split_once("-to-")).unwrap();
        let folder = root().join(name);
        let input = fs::read_to_string(folder.join("in.json")).unwrap_or_else(|error| panic!("{name}: {error}"));
        let mut arguments = vec!["translate", "--from", from, "--to", to, "--operation", operation];
        arguments.extend(user.iter().flat_map(|user| ["--user", user]));
        if matches!(direction, Reply) {
            arguments.push("--reply");
        }
        let ran = run(&arguments, &input);
        // What depends on the user as it is cannot be told.
        let code = if ran.out.is_empty() && !ran.err.ends_with("nothing is written\n") { 1 } else { 0 };
        assert_eq!(ran.code, Some(code), "{name}: {ran:?}");
        matches_file(&folder.join("out.json"), &indented(&one_document(&ran.out)));
        matches_file(&folder.join("notes.txt"), &ran.err);
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden")
}

#[track_caller]
fn matches_file(path: &Path, text: &str) {
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        match text {
            "" => drop(fs::remove_file(path)),
            text => fs::write(path, text).unwrap(),
        }
    }
    let expected = fs::read_to_string(path).unwrap_or_default();
    assert_eq!(text, expected, "{}: run with UPDATE_GOLDEN=1 and look at the difference", path.display());
}

/// What a command printed, a document a line, as one document.
fn one_document(lines: &str) -> String {
    let documents: Vec<_> = lines.lines().collect();
    if documents.len() > 1 { format!("[{}]\n", documents.join(",")) } else { lines.to_owned() }
}

/// JSON with a line for every member, in the order and spelling that it has.
fn indented(documents: &str) -> String {
    let (mut out, mut depth, mut text, mut escaped) = (String::new(), 0, false, false);
    let mut characters = documents.chars().peekable();
    while let Some(character) = characters.next() {
        let empty = matches!((character, characters.peek()), ('{', Some('}')) | ('[', Some(']')));
        let after = !text && matches!(character, '{' | '[' | ',') && !empty;
        let before = !text && matches!(character, '}' | ']') && !out.ends_with(['{', '[']);
        depth = match character {
            '{' | '[' if !text => depth + 1,
            '}' | ']' if !text => depth - 1,
            _ => depth,
        };
        if before {
            out.push('\n');
            out.push_str(&"  ".repeat(depth));
        }
        out.push(character);
        if after {
            out.push('\n');
            out.push_str(&"  ".repeat(depth));
        }
        if !text && character == ':' {
            out.push(' ');
        }
        text ^= character == '"' && !escaped;
        escaped = text && character == '\\' && !escaped;
    }
    out
}

#[test]
fn translations_are_as_they_were() {
    for case in CASES {
        case.check();
    }
}

#[test]
fn every_folder_is_a_case() {
    let folders = fs::read_dir(root()).unwrap().flat_map(|pair| {
        let pair = pair.unwrap();
        let cases = fs::read_dir(pair.path()).unwrap();
        cases.map(move |case| format!("{}/{}", pair.file_name().display(), case.unwrap().file_name().display()))
    });
    assert_eq!(folders.collect::<BTreeSet<_>>(), CASES.iter().map(|case| case.0.to_owned()).collect());
}

#[test]
fn documents_are_indented_and_nothing_else() {
    assert_eq!(
        indented("{\"b\":[],\"a\":{\"x\\\"{,\":1.0}}\n"),
        "{\n  \"b\": [],\n  \"a\": {\n    \"x\\\"{,\": 1.0\n  }\n}\n"
    );
}
