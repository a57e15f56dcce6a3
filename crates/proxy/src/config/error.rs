//! What is wrong with a configuration, all of it, with the place of each.

use std::fmt;

use figment::error::{Actual, Kind};

use super::{folder::Files, key::Key, source::Origins};

/// Everything that is wrong with a configuration.
///
/// Displayed, it is one problem a line, in the order of the file: where, which key, what is wrong and what to do.
/// No line holds the value of a credential.
#[derive(Debug)]
pub struct ConfigErrors {
    file: String,
    problems: Vec<Problem>,
    files: Files,
}

impl ConfigErrors {
    /// What was read until then.
    pub fn files(&self) -> &Files {
        &self.files
    }

    /// The same with what was read.
    pub(super) fn with(self, files: Files) -> Self {
        Self { files, ..self }
    }

    /// The file, or what stands for it, is of no use at all.
    pub(super) fn unusable(file: &str, problem: Problem) -> Self {
        Self { file: file.to_owned(), problems: vec![problem], files: Files::default() }
    }
}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, problem) in self.problems.iter().enumerate() {
            if position > 0 {
                f.write_str("\n")?;
            }
            match &problem.origin {
                Origin::File(Some(Position { line, column })) => write!(f, "{}:{line}:{column}: ", self.file)?,
                Origin::File(None) => write!(f, "{}: ", self.file)?,
                Origin::Variable(name) => write!(f, "environment variable {name}: ")?,
            }
            if problem.key != Key::default() {
                write!(f, "{}: ", problem.key)?;
            }
            f.write_str(&problem.message)?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigErrors {}

/// One thing that is wrong.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Problem {
    pub(super) origin: Origin,
    pub(super) key: Key,
    pub(super) message: String,
}

/// Where a key was set.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Origin {
    /// In the file, here; `None` when it is not written there.
    File(Option<Position>),
    /// By an environment variable, this one.
    Variable(String),
}

/// A place in a text, counted from 1; columns count characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Position {
    pub(super) line: usize,
    pub(super) column: usize,
}

/// How many problems of one kind are looked for, where each costs another look at everything.
pub(super) const MOST: usize = 100;

/// The problems found so far.
#[derive(Debug)]
pub(super) struct Report {
    file: String,
    origins: Origins,
    problems: Vec<Problem>,
    broken: Vec<Key>,
}

impl Report {
    pub(super) fn new(file: &str, origins: Origins, problems: Vec<Problem>) -> Self {
        Self { file: file.to_owned(), origins, problems, broken: Vec::new() }
    }

    /// Something is wrong with the key. What follows from an earlier problem with it is not repeated.
    pub(super) fn add(&mut self, key: &Key, message: impl Into<String>) {
        if !self.broken.iter().any(|broken| key.is_within(broken)) {
            let origin = self.origins.of(key);
            self.problems.push(Problem { origin, key: key.clone(), message: message.into() });
        }
    }

    /// The value does not fit its place, and whoever looks for it finds nothing.
    pub(super) fn unreadable(&mut self, key: &Key, kind: &Kind) {
        if !self.broken.iter().any(|broken| broken.is_within(key)) {
            self.add(key, describe(kind));
        }
        self.broken.push(key.clone());
        if let (Kind::UnknownField(name, known), Some(parent)) = (kind, key.parent())
            && let Some(meant) = nearest(name, known.iter().copied())
        {
            self.broken.push(parent.name(meant)); // that it is missing follows from the misspelling
        }
    }

    /// What is said from here on does not count.
    pub(super) fn close(&mut self) {
        self.broken.push(Key::default());
    }

    pub(super) fn is_empty(&self) -> bool {
        self.problems.is_empty()
    }

    pub(super) fn into_errors(mut self) -> ConfigErrors {
        self.problems.sort();
        self.problems.dedup();
        ConfigErrors { file: self.file, problems: self.problems, files: Files::default() }
    }
}

/// What figment found, without the value, which may be a secret.
fn describe(kind: &Kind) -> String {
    match kind {
        Kind::UnknownField(name, known) => format!("unknown key; {}", suggestion(name, known.iter().copied())),
        Kind::InvalidType(actual, expected) => format!("expected {}, not {}", in_toml(expected), actual_type(actual)),
        Kind::InvalidValue(_, expected) | Kind::InvalidLength(_, expected) => format!("expected {}", in_toml(expected)),
        Kind::Message(message) => message.clone(),
        _ => "not a value that fits here".to_owned(),
    }
}

/// serde's word for a type, in TOML's words.
fn in_toml(expected: &str) -> &str {
    match expected {
        "a string" => "text",
        "a sequence" => "a list",
        "a map" => "a table",
        other => other,
    }
}

fn actual_type(actual: &Actual) -> &'static str {
    match actual {
        Actual::Bool(_) => "a boolean",
        Actual::Unsigned(_) | Actual::Signed(_) | Actual::Float(_) => "a number",
        Actual::Char(_) | Actual::Str(_) => "text",
        Actual::Seq => "a list",
        Actual::Map => "a table",
        _ => "this",
    }
}

/// `did you mean …?`, or the list of what there is.
pub(super) fn suggestion<'a>(word: &str, known: impl Iterator<Item = &'a str> + Clone) -> String {
    if let Some(meant) = nearest(word, known.clone()) {
        return format!("did you mean `{meant}`?");
    }
    let known: Vec<_> = known.map(|name| format!("`{name}`")).collect();
    if known.is_empty() { "there is none yet".to_owned() } else { format!("known are {}", known.join(", ")) }
}

/// The known word that a slip of the finger or two turns into `word`, in whatever letters.
fn nearest<'a>(word: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let word = word.to_lowercase();
    let distances = known.map(|name| (strsim::damerau_levenshtein(&word, &name.to_lowercase()), name));
    let (distance, name) = distances.min()?;
    (distance <= name.chars().count().div_ceil(3)).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(word: &str, expected: &str) {
        assert_eq!(suggestion(word, ["base_url", "credential", "timeout"].into_iter()), expected);
    }

    #[test]
    fn the_nearest_word_is_suggested_if_it_is_near() {
        check("bse_url", "did you mean `base_url`?");
        check("url_base", "known are `base_url`, `credential`, `timeout`");
        check("tiemout", "did you mean `timeout`?");
        assert_eq!(suggestion("x", [].into_iter()), "there is none yet");
        check("Base_URL", "did you mean `base_url`?");
        let tables = ["admin", "links", "limits"];
        assert_eq!(suggestion("adnim", tables.into_iter()), "did you mean `admin`?");
        assert_eq!(suggestion("SCIM", ["ecgrid", "textus"].into_iter()), "known are `ecgrid`, `textus`");
    }
}
