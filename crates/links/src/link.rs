//! What is linked: the ids of one user, and of one scope, in several dialects.

use std::fmt;

use interlingua_core::{Scope, ScopeId, Text, Timestamp, UserId};

use crate::{ByDialect, Change};

/// One user's ids, by dialect, and what is remembered of the user.
///
/// `Debug` leaves out what is personal.
#[derive(Clone, Default, PartialEq)]
pub struct UserLink {
    /// The ids, by the name of the dialect.
    pub ids: ByDialect<UserId>,
    /// The name that the user signs in with, for dialects that do not know it.
    pub login: Option<Text>,
    /// When the user was created, for dialects that do not know it.
    pub created: Option<Timestamp>,
    /// The scope that was set last, for dialects that show only one: a dialect and its id for the scope.
    pub scope: Option<(Text, ScopeId)>,
}

impl fmt::Debug for UserLink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UserLink").field("ids", &self.ids).field("scope", &self.scope).finish_non_exhaustive()
    }
}

/// One scope's ids, by dialect.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ScopeLink {
    /// The scopes, by the name of the dialect.
    pub scopes: ByDialect<Scope>,
    /// What people call it.
    pub name: Option<Text>,
}

impl ScopeLink {
    /// The scope as `dialect` has it, with what any of the dialects knows of its level and name.
    pub fn scope(&self, dialect: &str) -> Option<Scope> {
        let scope = self.scopes.get(dialect)?;
        Some(Scope {
            id: scope.id.clone(),
            level: scope.level.or_else(|| self.scopes.values().find_map(|other| other.level)),
            name: self.name.clone().or_else(|| scope.name.clone()),
        })
    }
}

/// What user links and scope links have in common.
pub(crate) trait Link {
    /// The ids, with their dialects.
    fn ids(&self) -> impl Iterator<Item = (&Text, &str)>;

    /// Whether it is the link of this id.
    fn has(&self, dialect: &str, id: &str) -> bool {
        self.ids().any(|known| (known.0.as_str(), known.1) == (dialect, id))
    }

    /// Every other text that is kept with the link.
    fn words(&self) -> impl Iterator<Item = &str>;

    /// What watchers must know when the link was changed or removed.
    fn changes(&self) -> Vec<Change>;

    /// Whether the ids are some of `known`'s.
    fn is_part_of(&self, known: &Self) -> bool;

    /// Whether `known` says all that this link says. What a link leaves open differs from nothing.
    fn adds_nothing_to(&self, known: &Self) -> bool;
}

impl Link for UserLink {
    fn ids(&self) -> impl Iterator<Item = (&Text, &str)> {
        self.ids.iter().map(|(dialect, id)| (dialect, id.as_str()))
    }

    fn words(&self) -> impl Iterator<Item = &str> {
        let scope = self.scope.iter().flat_map(|(dialect, id)| [dialect.as_str(), id.as_str()]);
        self.login.as_deref().into_iter().chain(self.created.as_ref().map(Timestamp::as_str)).chain(scope)
    }

    fn changes(&self) -> Vec<Change> {
        self.ids.iter().map(|(dialect, id)| Change::User(dialect.clone(), id.clone())).collect()
    }

    fn is_part_of(&self, known: &Self) -> bool {
        self.ids.iter().all(|(dialect, id)| known.ids.get(dialect) == Some(id))
    }

    fn adds_nothing_to(&self, known: &Self) -> bool {
        // Not the scope: it changes in use, and a list that is imported again must not take that back.
        self.is_part_of(known) && agrees(&self.login, &known.login) && agrees(&self.created, &known.created)
    }
}

impl Link for ScopeLink {
    fn ids(&self) -> impl Iterator<Item = (&Text, &str)> {
        self.scopes.iter().map(|(dialect, scope)| (dialect, scope.id.as_str()))
    }

    fn words(&self) -> impl Iterator<Item = &str> {
        let names = self.scopes.values().filter_map(|scope| scope.name.as_deref());
        self.name.as_deref().into_iter().chain(names)
    }

    fn changes(&self) -> Vec<Change> {
        self.scopes.iter().map(|(dialect, scope)| Change::Scope(dialect.clone(), scope.id.clone())).collect()
    }

    fn is_part_of(&self, known: &Self) -> bool {
        self.scopes.iter().all(|(dialect, scope)| known.scopes.get(dialect).is_some_and(|known| known.id == scope.id))
    }

    fn adds_nothing_to(&self, known: &Self) -> bool {
        let agrees_in = |(dialect, scope): (&Text, &Scope)| {
            let known = known.scopes.get(dialect);
            known.is_some_and(|known| {
                known.id == scope.id && agrees(&scope.level, &known.level) && agrees(&scope.name, &known.name)
            })
        };
        self.scopes.iter().all(agrees_in) && agrees(&self.name, &known.name)
    }
}

/// Whether nothing is said, or what is known.
fn agrees<T: PartialEq>(said: &Option<T>, known: &Option<T>) -> bool {
    said.is_none() || said == known
}

/// The longest text that a store keeps, in bytes: what an index of every engine can hold twice over.
const LONGEST: usize = 1024;

/// Whether every store can keep a text. No id that cannot be kept has a link.
pub(crate) fn is_storable(text: &str) -> bool {
    text.len() <= LONGEST && !text.contains('\0')
}

#[cfg(test)]
mod tests {
    use interlingua_core::Level;

    use super::*;

    #[test]
    fn a_scope_has_the_level_that_any_dialect_knows() {
        let scope = |id, level| Scope { level, ..Scope::new(ScopeId::new(id)) };
        let link = ScopeLink {
            scopes: [("a".into(), scope("1", Some(Level::Unit))), ("b".into(), scope("x", None))].into(),
            name: Some("Example".into()),
        };
        let found = link.scope("b").unwrap();
        assert_eq!((found.id.as_str(), found.level, found.name.as_deref()), ("x", Some(Level::Unit), Some("Example")));
    }

    #[test]
    fn debug_output_holds_no_personal_data() {
        let link = UserLink { login: Some("jsmith".into()), ..UserLink::default() };
        assert!(!format!("{link:?}").contains("jsmith"));
    }

    #[test]
    fn what_a_link_leaves_open_differs_from_nothing() {
        let known = UserLink {
            ids: [("a".into(), UserId::new("1")), ("b".into(), UserId::new("x"))].into(),
            login: Some("jsmith".into()),
            scope: Some(("a".into(), ScopeId::new("s"))),
            ..UserLink::default()
        };
        let mut link = UserLink { ids: known.ids.clone(), ..UserLink::default() };
        assert!(link.adds_nothing_to(&known));
        link.scope = Some(("a".into(), ScopeId::new("t")));
        assert!(link.adds_nothing_to(&known));
        link.login = Some("other".into());
        assert!(link.is_part_of(&known) && !link.adds_nothing_to(&known));
        link.ids.insert("c".into(), UserId::new("3"));
        assert!(!link.is_part_of(&known));
    }
}
