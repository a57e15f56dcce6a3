//! What the words of a vendor's role vocabulary mean, and how an operator may lower them.

use std::collections::BTreeMap;

use crate::{
    error::Problem,
    note::Place,
    user::{Role, Text},
};

/// A vendor's words for roles, with what each means at most.
#[derive(Clone, Debug)]
pub struct RoleTable(Vec<(&'static str, Role)>);

impl RoleTable {
    /// The vendor's own vocabulary.
    pub fn new(vocabulary: impl IntoIterator<Item = (&'static str, Role)>) -> Self {
        Self(vocabulary.into_iter().collect())
    }

    /// The same vocabulary with some words meaning less. `section` is where the configuration has the table.
    ///
    /// # Errors
    ///
    /// A word that is not in the vocabulary, or one that would mean more.
    pub fn lowered(mut self, table: &BTreeMap<Text, Role>, section: &str) -> Result<Self, Vec<Problem>> {
        let mut problems = Vec::new();
        for (word, role) in table {
            let expected = match self.0.iter_mut().find(|(known, _)| known == word) {
                Some((_, meaning)) if role <= meaning => {
                    *meaning = *role;
                    continue;
                }
                Some((_, meaning)) => format!("expected at most `{meaning}`: a table may lower a role, never raise it"),
                None => {
                    let words: Vec<_> = self.0.iter().map(|(word, _)| *word).collect();
                    format!("not a role of this dialect; it has {}", words.join(", "))
                }
            };
            problems.push(Problem::new(Place::request(format!("{section}/{word}")), expected));
        }
        if problems.is_empty() { Ok(self) } else { Err(problems) }
    }

    /// What a word means.
    pub fn role(&self, word: &str) -> Option<Role> {
        self.0.iter().find(|(known, _)| *known == word).map(|(_, role)| *role)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_may_only_lower() {
        let vocabulary = || RoleTable::new([("boss", Role::Administrator), ("hand", Role::Member)]);
        let table = |word: &str, role| BTreeMap::from([(Text::from(word), role)]);
        let lowered = vocabulary().lowered(&table("boss", Role::Member), "/roles/x").unwrap();
        assert_eq!((lowered.role("boss"), lowered.role("hand")), (Some(Role::Member), Some(Role::Member)));
        assert_eq!(lowered.role("king"), None);
        for refused in [table("hand", Role::Support), table("king", Role::None)] {
            assert!(vocabulary().lowered(&refused, "/roles/x").is_err());
        }
    }
}
