//! Every leaf in an output comes from an input or from a declared constant.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{Declared, Kept, Violation, show, tree};
use crate::{
    adapter::Adapter,
    command::Outcome,
    note::{Document, NoteKind, Place},
    user::{Known, Text, User},
};

const LAW: &str = "no invention";

/// Every word of every leaf of the document that shows `user` comes from the user, is declared as a constant of its
/// place, or is a default that a note tells of. Texts are cut into words at spaces and slashes.
///
/// # Errors
///
/// The violation: also when the user cannot be written.
pub fn no_invention(adapter: &dyn Adapter, operation: &str, user: &User, declared: &Declared<'_>) -> Kept {
    let broken = |found: String| Violation::new(LAW, show::user(user), found);
    let writing = adapter
        .write(operation, &Outcome::User(Box::new(user.clone())))
        .map_err(|error| broken(format!("cannot be written: {}", show::error(&error))))?;
    let document: Value = serde_json::from_slice(&writing.response.body).map_err(|error| broken(error.to_string()))?;
    let defaulted = writing.notes.iter().filter(|note| note.kind == NoteKind::Defaulted);
    let defaulted: Vec<_> = defaulted
        .map(|note| match &note.place {
            Place::Field(_, field) => adapter.pointer(field, Document::Response),
            Place::Pointer(_, pointer) => pointer.to_string(),
        })
        .collect();
    let known = user_words(user);
    let invented = tree::leaves(&document).into_iter().find_map(|(pointer, leaf)| {
        let told = defaulted.iter().any(|parent| tree::is_within(&pointer, parent));
        if told { None } else { unknown_word(&pointer, &leaf, &known, declared) }
    });
    match invented {
        None => Ok(()),
        Some(invented) => Err(broken(format!("{invented} in {document}"))),
    }
}

/// The first word of `value` that neither is known nor declared.
pub(super) fn invented(
    value: &Value,
    pointer: &str,
    known: &BTreeSet<String>,
    declared: &Declared<'_>,
) -> Option<String> {
    let mut leaves = tree::leaves(value).into_iter();
    leaves.find_map(|(below, leaf)| unknown_word(&format!("{pointer}{below}"), &leaf, known, declared))
}

fn unknown_word(pointer: &str, leaf: &str, known: &BTreeSet<String>, declared: &Declared<'_>) -> Option<String> {
    if declared.is_computed(pointer) || known.contains(leaf) || declared.is_constant(pointer, leaf) {
        return None;
    }
    let mut words = tree::words(leaf);
    let word = words.find(|word| !known.contains(*word) && !declared.is_constant(pointer, word))?;
    Some(format!("{pointer}: `{word}` comes from nowhere"))
}

/// The words of a document's leaves and of its members' names.
pub(super) fn words_of(document: &Value) -> BTreeSet<String> {
    let leaves = tree::leaves(document).into_iter().map(|(_, leaf)| leaf);
    leaves.flat_map(with_words).collect()
}

fn with_words(leaf: String) -> Vec<String> {
    let mut words: Vec<_> = tree::words(&leaf).map(str::to_owned).collect();
    words.push(leaf);
    words
}

fn user_words(user: &User) -> BTreeSet<String> {
    let mut leaves = vec![user.id.to_string()];
    let texts = [&user.login, &user.email, &user.name.display, &user.name.given, &user.name.family, &user.avatar];
    leaves.extend(texts.into_iter().filter_map(|text| text.value().map(Text::to_string)));
    leaves.extend(user.created.value().map(|time| time.as_str().to_owned()));
    leaves.extend([&user.automated, &user.has_password].into_iter().filter_map(Known::value).map(bool::to_string));
    for grant in user.grants.iter().flatten() {
        leaves.push(grant.scope.id.to_string());
        leaves.extend(grant.scope.name.iter().chain(&grant.id).map(Text::to_string));
    }
    leaves.extend(user.primary_scope.iter().map(|scope| scope.id.to_string()));
    for value in user.preferences.entries.values() {
        leaves.extend(tree::leaves(value).into_iter().map(|(_, leaf)| leaf));
    }
    leaves.into_iter().flat_map(with_words).collect()
}
