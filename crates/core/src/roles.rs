//! What the words of a vendor's role vocabulary mean, and how an operator may lower them.

use std::collections::BTreeMap;

use crate::{
    error::Problem,
    note::{Note, Place},
    user::{Role, Text},
};

/// A vendor's words for roles, with what each means.
#[derive(Clone, Debug)]
pub struct RoleTable(Vec<Word>);

#[derive(Clone, Copy, Debug)]
struct Word {
    word: &'static str,
    /// What the vendor means.
    own: Role,
    /// What it is taken for.
    role: Role,
}

impl RoleTable {
    /// The vendor's own vocabulary.
    pub fn new(vocabulary: impl IntoIterator<Item = (&'static str, Role)>) -> Self {
        Self(vocabulary.into_iter().map(|(word, own)| Word { word, own, role: own }).collect())
    }

    /// The same vocabulary with some words meaning less. `section` is where the configuration has the table.
    ///
    /// # Errors
    ///
    /// A word that is not in the vocabulary, one that would mean more, or a system-wide one.
    pub fn lowered(mut self, table: &BTreeMap<Text, Role>, section: &str) -> Result<Self, Vec<Problem>> {
        let mut problems = Vec::new();
        for (word, role) in table {
            let expected = match self.0.iter_mut().find(|known| known.word == word) {
                Some(Word { own: Role::System, .. }) => "a system-wide role means what it means".to_owned(),
                Some(known) if *role <= known.own => {
                    known.role = *role;
                    continue;
                }
                Some(known) => format!("expected at most `{}`: a table may lower a role, never raise it", known.own),
                None => {
                    let words: Vec<_> = self.0.iter().map(|known| known.word).collect();
                    format!("not a role of this dialect; it has {}", words.join(", "))
                }
            };
            problems.push(Problem::new(Place::request(format!("{section}/{word}")), expected));
        }
        if problems.is_empty() { Ok(self) } else { Err(problems) }
    }

    /// What a word is taken for.
    pub fn role(&self, word: &str) -> Option<Role> {
        self.0.iter().find(|known| known.word == word).map(|known| known.role)
    }

    /// The note that a word is taken for less than the vendor means, where it is.
    pub fn note(&self, word: &str, place: impl FnOnce() -> Place) -> Option<Note> {
        let known = self.0.iter().find(|known| known.word == word && known.role < known.own)?;
        let reason = format!("the configuration takes {} for `{}`", known.word, known.role);
        let place = place();
        Some(if known.role == Role::None { Note::dropped(place, reason) } else { Note::narrowed(place, reason) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_may_only_lower() {
        let vocabulary =
            || RoleTable::new([("god", Role::System), ("boss", Role::Administrator), ("hand", Role::Member)]);
        let table = |word: &str, role| BTreeMap::from([(Text::from(word), role)]);
        let lowered = vocabulary().lowered(&table("boss", Role::Member), "/roles/x").unwrap();
        assert_eq!((lowered.role("boss"), lowered.role("hand")), (Some(Role::Member), Some(Role::Member)));
        assert_eq!(lowered.role("king"), None);
        for refused in [table("hand", Role::Support), table("king", Role::None), table("god", Role::Administrator)] {
            assert!(vocabulary().lowered(&refused, "/roles/x").is_err());
        }
    }
}
