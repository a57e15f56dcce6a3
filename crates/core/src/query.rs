//! Finding users: what is asked for, and which page of the answer.

use std::{fmt, num::NonZeroU32};

use crate::user::{Grant, Known, Level, Role, Scope, ScopeId, Status, Text, User};

/// Which users to show: those for whom all holds that is said. `Debug` leaves out what is personal.
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub struct UserQuery {
    /// It is a part of the name or of the e-mail address, in capitals or not.
    pub text: Option<Text>,
    /// It is what the user signs in with.
    pub login: Option<Text>,
    /// The user has a role in one of these, or in a scope that one of these covers. Empty: anywhere, or nowhere.
    pub scopes: Vec<Scope>,
    /// The role in such a scope is one of these; [`Role::None`] asks for users without any. Empty: any role.
    pub roles: Vec<Role>,
    /// The role in such a scope is one in a scope of this width.
    pub level: Option<Level>,
    /// The status.
    pub status: Option<Status>,
}

impl UserQuery {
    /// Whether it depends on their roles who the users are, so that nobody can tell of one whose roles are not known.
    pub fn asks_for_a_role(&self) -> bool {
        !self.scopes.is_empty() || !self.roles.is_empty() || self.level.is_some()
    }

    /// The query without what it says of roles.
    #[must_use]
    pub fn whatever_the_role(&self) -> Self {
        Self { scopes: Vec::new(), roles: Vec::new(), level: None, ..self.clone() }
    }

    /// The user as an answer to this query shows it; `None` for one that the query does not ask for.
    ///
    /// Where the query asks for a role, or for a role in a scope, that scope becomes the
    /// [primary one](User::primary_scope): a dialect that shows one role must show the one that was asked for.
    ///
    /// `covers` tells whether the first scope is the second or contains it, as [`Adapter::covers`](crate::Adapter::covers).
    pub fn pick(&self, mut user: User, covers: impl Fn(&ScopeId, &ScopeId) -> bool) -> Option<User> {
        if self.status.is_some_and(|status| user.status != Known::Value(status)) {
            return None;
        }
        if self.text.as_ref().is_some_and(|text| !says(&user, text)) {
            return None;
        }
        if self.login.as_ref().is_some_and(|login| !signs_in_with(&user, login)) {
            return None;
        }
        if self.asks_for_a_role() {
            let within = |grant: &&Grant| {
                grant.role > Role::None
                    && (self.scopes.is_empty() || self.scopes.iter().any(|scope| covers(&scope.id, &grant.scope.id)))
            };
            let mut held = user.grants.as_deref()?.iter().filter(within);
            if self.roles == [Role::None] {
                return held.next().is_none().then_some(user);
            }
            let asked_for = held.find(|grant| {
                (self.roles.is_empty() || self.roles.contains(&grant.role))
                    && (self.level.is_none() || self.level == grant.scope.level)
            });
            user.primary_scope = Some(asked_for?.scope.clone());
        }
        Some(user)
    }
}

fn says(user: &User, text: &str) -> bool {
    let text = text.to_lowercase();
    let whole = user.name.whole();
    let texts = [&user.email, &user.name.given, &user.name.family].into_iter().filter_map(Known::value);
    texts.chain(&whole).any(|one| one.to_lowercase().contains(&text))
}

/// Where nobody knows a login, the e-mail address stands for it.
fn signs_in_with(user: &User, login: &str) -> bool {
    match (&user.login, &user.email) {
        (Known::Unknown, Known::Value(email)) => email.eq_ignore_ascii_case(login),
        (known, _) => known.value().is_some_and(|known| known == login),
    }
}

impl fmt::Debug for UserQuery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UserQuery")
            .field("scopes", &self.scopes)
            .field("roles", &self.roles)
            .field("level", &self.level)
            .field("status", &self.status)
            .finish_non_exhaustive()
    }
}

/// Which page of the users that were found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PageRequest {
    /// The page of this number, the first being 1, of pages of this size.
    Numbered {
        /// The number.
        number: NonZeroU32,
        /// The most users on a page.
        size: NonZeroU32,
    },
    /// The page that begins at this cursor, or the first.
    At(Option<Cursor>),
}

/// Where a page begins, in words of whoever wrote the page before. `Debug` leaves them out: they may repeat a search.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Cursor(Text);

impl Cursor {
    /// A cursor in somebody's words.
    pub fn new(cursor: impl Into<Text>) -> Self {
        Self(cursor.into())
    }

    /// The words.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Cursor(..)")
    }
}

/// A page of users.
#[derive(Clone, Debug, PartialEq)]
pub struct UserPage {
    /// What was asked for.
    pub query: UserQuery,
    /// Which page of it this is.
    pub page: PageRequest,
    /// The users.
    pub users: Vec<User>,
    /// How many users all pages have together, where somebody counted them.
    pub total: Option<u64>,
    /// Where the next page begins; `None` at the end, and `None` on a page that has a number, where only a page that is
    /// not full is the end.
    pub next: Option<Cursor>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::user::{Name, UserId};

    fn chuck() -> User {
        let grant = |role, id: &str, level| Grant {
            role,
            scope: Scope { level: Some(level), ..Scope::new(ScopeId::new(id)) },
            id: None,
        };
        User {
            email: Text::from("chuck@textus.example").into(),
            name: Name { display: Text::from("Chuck Norris").into(), ..Name::default() },
            status: Status::Active.into(),
            grants: Some(vec![
                grant(Role::Member, "1/101", Level::Unit),
                grant(Role::Administrator, "2", Level::Organisation),
            ]),
            ..User::new(UserId::new("1"))
        }
    }

    fn covers(outer: &ScopeId, inner: &ScopeId) -> bool {
        inner.as_str().split('/').next() == Some(outer.as_str()) || inner == outer
    }

    #[track_caller]
    fn check(query: &UserQuery, shown_in: Option<Option<&str>>) {
        let shown = query.pick(chuck(), covers);
        let scope = shown.as_ref().map(|user| user.primary_scope.as_ref().map(|scope| scope.id.as_str()));
        assert_eq!(scope, shown_in, "{query:?}");
    }

    #[test]
    fn users_are_picked_by_all_that_is_said() {
        let scope = |id: &str| vec![Scope::new(ScopeId::new(id))];
        check(&UserQuery::default(), Some(None));
        check(&UserQuery { text: Some("NORRIS".into()), ..UserQuery::default() }, Some(None));
        check(&UserQuery { text: Some("chuck n".into()), ..UserQuery::default() }, Some(None));
        check(&UserQuery { text: Some("@textus".into()), ..UserQuery::default() }, Some(None));
        check(&UserQuery { text: Some("bruce".into()), ..UserQuery::default() }, None);
        check(&UserQuery { login: Some("Chuck@textus.example".into()), ..UserQuery::default() }, Some(None));
        check(&UserQuery { login: Some("chuck".into()), ..UserQuery::default() }, None);
        check(&UserQuery { scopes: scope("1"), ..UserQuery::default() }, Some(Some("1/101")));
        check(&UserQuery { scopes: scope("2"), ..UserQuery::default() }, Some(Some("2")));
        check(&UserQuery { scopes: scope("3"), ..UserQuery::default() }, None);
        check(&UserQuery { roles: vec![Role::Administrator], ..UserQuery::default() }, Some(Some("2")));
        check(&UserQuery { roles: vec![Role::Administrator], scopes: scope("1"), ..UserQuery::default() }, None);
        check(&UserQuery { level: Some(Level::Unit), ..UserQuery::default() }, Some(Some("1/101")));
        check(&UserQuery { roles: vec![Role::None], ..UserQuery::default() }, None);
        check(&UserQuery { roles: vec![Role::None], scopes: scope("3"), ..UserQuery::default() }, Some(None));
        check(&UserQuery { status: Some(Status::Active), ..UserQuery::default() }, Some(None));
        check(&UserQuery { status: Some(Status::Suspended), ..UserQuery::default() }, None);
    }

    #[test]
    fn roles_that_nobody_tells_are_not_taken_for_none() {
        let user = User { grants: None, ..chuck() };
        let query = UserQuery { roles: vec![Role::None], ..UserQuery::default() };
        assert!(query.asks_for_a_role() && !query.whatever_the_role().asks_for_a_role());
        assert!(query.whatever_the_role().pick(user.clone(), covers).is_some());
        assert_eq!(query.pick(user, covers), None);
    }

    #[test]
    fn debug_output_holds_no_personal_data() {
        let query = UserQuery { text: Some("chuck".into()), login: Some("norris".into()), ..UserQuery::default() };
        let shown = format!("{query:?} {:?}", Cursor::new("?q=chuck"));
        assert!(!shown.contains("chuck") && !shown.contains("norris"), "{shown}");
    }
}
