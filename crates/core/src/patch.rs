//! What a request changes: every field kept, set or cleared, and nothing in between.

use std::{collections::BTreeMap, fmt};

use serde_json::Value;

use crate::{
    command::Field,
    error::{Error, Problem, Result},
    user::{Email, Grant, Role, Scope, Text, User},
};

/// What becomes of one field.
#[derive(Clone, Default, PartialEq, Eq)]
pub enum Patch<T> {
    /// It stays as it is.
    #[default]
    Keep,
    /// It becomes this.
    Set(T),
    /// It is removed.
    Clear,
}

impl<T> Patch<T> {
    /// Whether the field stays as it is.
    pub fn is_keep(&self) -> bool {
        matches!(self, Self::Keep)
    }

    /// The new value, where one is set.
    pub fn set(&self) -> Option<&T> {
        match self {
            Self::Set(value) => Some(value),
            Self::Keep | Self::Clear => None,
        }
    }
}

impl<T> fmt::Debug for Patch<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Keep => "Keep",
            Self::Set(_) => "Set(..)",
            Self::Clear => "Clear",
        })
    }
}

/// `None` keeps.
impl<T> From<Option<T>> for Patch<T> {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Keep, Self::Set)
    }
}

/// A change to a user, made of changes to its fields.
#[derive(Clone, Default, PartialEq)]
pub struct UserPatch {
    /// The e-mail address.
    pub email: Patch<Email>,
    /// The name.
    pub name: NamePatch,
    /// The roles.
    pub grants: GrantChange,
    /// Notifications and custom values, by canonical key.
    pub preferences: BTreeMap<Text, Patch<Value>>,
}

impl UserPatch {
    /// Whether nothing is changed.
    pub fn is_empty(&self) -> bool {
        // Taken apart, so that a new field is not forgotten here: forgotten, it would make a write look like a read.
        let Self { email, name, grants, preferences } = self;
        email.is_keep() && name.is_empty() && *grants == GrantChange::Keep && preferences.values().all(Patch::is_keep)
    }
}

impl fmt::Debug for UserPatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UserPatch").field("grants", &self.grants).finish_non_exhaustive()
    }
}

/// A change to a name: of the whole, or of its halves.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct NamePatch {
    /// The whole name, where the dialect sets it whole.
    pub display: Patch<Text>,
    /// The given name.
    pub given: Patch<Text>,
    /// The family name.
    pub family: Patch<Text>,
}

impl NamePatch {
    /// Whether nothing is changed.
    pub fn is_empty(&self) -> bool {
        self.display.is_keep() && self.given.is_keep() && self.family.is_keep()
    }
}

impl fmt::Debug for NamePatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NamePatch").finish_non_exhaustive()
    }
}

/// A change to the roles of a user.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum GrantChange {
    /// They stay as they are.
    #[default]
    Keep,
    /// They become exactly these.
    Replace(Vec<Grant>),
    /// The role in one scope becomes this; the others stay.
    Upsert(Role, Target),
    /// The role in one scope is taken away; the others stay.
    Remove(Target),
    /// The role in one scope becomes one in another; the others stay.
    Move {
        /// Where it holds now.
        from: Target,
        /// Where it is to hold.
        to: Scope,
    },
}

/// The scope that a grant change is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// This one.
    Scope(Scope),
    /// The only one that the user has. Which that is must be read before anything is written.
    Only {
        /// How wide it has to be for the role to make sense; `None` when any will do.
        level: Option<crate::user::Level>,
    },
}

impl GrantChange {
    /// The scope whose role is changed, where one is.
    pub fn target(&self) -> Option<&Target> {
        match self {
            Self::Upsert(_, target) | Self::Remove(target) | Self::Move { from: target, .. } => Some(target),
            Self::Keep | Self::Replace(_) => None,
        }
    }

    /// The scope that the user is seen in when the change is done, where the change is about one.
    pub fn shown_scope(&self) -> Option<&Scope> {
        match self {
            Self::Upsert(_, Target::Scope(scope))
            | Self::Remove(Target::Scope(scope))
            | Self::Move { to: scope, .. } => Some(scope),
            Self::Upsert(..) | Self::Remove(_) | Self::Keep | Self::Replace(_) => None,
        }
    }

    /// The highest role that the change gives; `None` also where it gives one that the user has already.
    pub fn highest(&self) -> Option<Role> {
        match self {
            Self::Keep | Self::Remove(_) | Self::Move { .. } => None,
            Self::Upsert(role, _) => Some(*role),
            Self::Replace(grants) => grants.iter().map(|grant| grant.role).max(),
        }
    }

    /// The same change with every scope replaced by what `map` makes of it.
    ///
    /// # Errors
    ///
    /// The first that `map` returns.
    pub fn map_scopes<E>(self, mut map: impl FnMut(Scope) -> Result<Scope, E>) -> Result<Self, E> {
        fn target<E>(target: Target, map: &mut impl FnMut(Scope) -> Result<Scope, E>) -> Result<Target, E> {
            match target {
                Target::Scope(scope) => map(scope).map(Target::Scope),
                only @ Target::Only { .. } => Ok(only),
            }
        }
        Ok(match self {
            Self::Keep => Self::Keep,
            Self::Upsert(role, scope) => Self::Upsert(role, target(scope, &mut map)?),
            Self::Remove(scope) => Self::Remove(target(scope, &mut map)?),
            Self::Move { from, to } => Self::Move { from: target(from, &mut map)?, to: map(to)? },
            Self::Replace(grants) => Self::Replace(
                grants
                    .into_iter()
                    .map(|grant| Ok(Grant { scope: map(grant.scope)?, id: None, ..grant }))
                    .collect::<Result<_, E>>()?,
            ),
        })
    }

    /// The same change with [`Target::Only`] replaced by the scope that `user` has.
    ///
    /// # Errors
    ///
    /// The user has no scope, more than one, or one that the role does not fit; or a role in a unit would become one in
    /// an organisation.
    pub fn complete(self, user: &User) -> Result<Self> {
        let Some(Target::Only { level }) = self.target() else { return Ok(self) };
        let level = *level;
        let grants = user.grants.iter().flatten().filter(|grant| grant.role > Role::None);
        let scopes: Vec<_> = grants.map(|grant| &grant.scope).collect();
        let expected = match (scopes.as_slice(), &self) {
            ([scope], Self::Move { to, .. }) if to.level > scope.level => {
                format!("expected a scope that is no wider than {}, which the user's role is in", scope.id)
            }
            ([scope], _) if level.is_none() || scope.level.is_none() || level == scope.level => {
                let target = Target::Scope((*scope).clone());
                return Ok(match self {
                    Self::Upsert(role, _) => Self::Upsert(role, target),
                    Self::Move { to, .. } => Self::Move { from: target, to },
                    _ => Self::Remove(target),
                });
            }
            ([], Self::Remove(_)) => return Ok(Self::Keep),
            ([], _) => "required: the user has no role in any scope yet".to_owned(),
            ([scope], _) => format!("required: the user's only scope, {}, is not of the width of the role", scope.id),
            (several, _) => {
                let ids: Vec<_> = several.iter().map(|scope| scope.id.as_str()).collect();
                format!("required: the user has roles in several scopes: {}", ids.join(", "))
            }
        };
        Err(Error::invalid(vec![Problem::new(Field::Scope, expected)]))
    }

    /// The scopes that the change names.
    pub fn scopes(&self) -> Vec<&Scope> {
        match self {
            Self::Upsert(_, Target::Scope(scope)) | Self::Remove(Target::Scope(scope)) => vec![scope],
            Self::Move { from: Target::Scope(from), to } => vec![from, to],
            Self::Move { to, .. } => vec![to],
            Self::Replace(grants) => grants.iter().map(|grant| &grant.scope).collect(),
            Self::Keep | Self::Upsert(..) | Self::Remove(_) => Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::user::{Level, ScopeId, UserId};

    fn user(scopes: &[(&str, Level)]) -> User {
        let scope = |&(id, level): &(&str, Level)| Scope { level: Some(level), ..Scope::new(ScopeId::new(id)) };
        let grants = scopes.iter().map(|it| Grant { role: Role::Member, scope: scope(it), id: None }).collect();
        User { grants: Some(grants), ..User::new(UserId::new("1")) }
    }

    #[track_caller]
    fn check(change: GrantChange, scopes: &[(&str, Level)], expected: Result<Option<&str>, &str>) {
        match (change.complete(&user(scopes)), expected) {
            (Ok(change), Ok(scope)) => {
                assert_eq!(change.scopes().first().map(|scope| scope.id.as_str()), scope);
                assert!(!matches!(change.target(), Some(Target::Only { .. })));
            }
            (Err(error), Err(words)) => assert!(error.to_string().contains(words), "{error}"),
            (result, expected) => panic!("{result:?} is not {expected:?}"),
        }
    }

    #[test]
    fn the_only_scope_is_taken_and_no_other() {
        let only = |level| GrantChange::Upsert(Role::Administrator, Target::Only { level });
        check(only(Some(Level::Unit)), &[("1/101", Level::Unit)], Ok(Some("1/101")));
        check(only(None), &[("1", Level::Organisation)], Ok(Some("1")));
        check(only(Some(Level::Organisation)), &[("1/101", Level::Unit)], Err("not of the width of the role"));
        check(only(None), &[("1", Level::Organisation), ("1/101", Level::Unit)], Err("several scopes: 1, 1/101"));
        check(only(None), &[], Err("no role in any scope"));
        check(GrantChange::Remove(Target::Only { level: None }), &[], Ok(None));
        check(GrantChange::Keep, &[], Ok(None));
    }

    #[test]
    fn a_role_moves_to_no_wider_scope() {
        let to = |level| GrantChange::Move {
            from: Target::Only { level: None },
            to: Scope { level: Some(level), ..Scope::new(ScopeId::new("2")) },
        };
        check(to(Level::Unit), &[("1/101", Level::Unit)], Ok(Some("1/101")));
        check(to(Level::Unit), &[("1", Level::Organisation)], Ok(Some("1")));
        check(to(Level::Organisation), &[("1", Level::Organisation)], Ok(Some("1")));
        check(to(Level::Organisation), &[("1/101", Level::Unit)], Err("no wider than 1/101"));
    }
}
