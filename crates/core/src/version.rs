//! A user as bytes that tell whether it has changed.

use serde_json::Value;

use crate::user::{Grant, Known, Name, Preferences, Role, Scope, Status, Timestamp, User};

/// Which spelling of users this is. Another one makes every user look changed, once.
const SPELLING: u8 = 1;

/// So many bytes are enough for the state of most users.
const USUAL: usize = 512;

impl User {
    /// All that is known of the user, in one spelling: the same user has the same bytes, whoever read it, and in
    /// whichever order. `None` where the roles are not known, without which nobody can say that nothing has changed.
    ///
    /// Two things are left out. A role that allows nothing is as good as none. Preferences count only where they are
    /// [complete](Preferences::complete): those that an answer shows because they were just set, and that no later one
    /// shows, are no part of a state that can be read again.
    pub fn state(&self) -> Option<Vec<u8>> {
        // Taken apart, so that a new field is not forgotten here: forgotten, its changes would go unnoticed.
        let Self {
            id,
            login,
            email,
            name: Name { display, given, family },
            status,
            grants,
            primary_scope,
            preferences,
            created,
            avatar,
            automated,
            has_password,
        } = self;
        let mut state = State(Vec::with_capacity(USUAL));
        state.0.push(SPELLING);
        state.text(id.as_str());
        for text in [login, email, display, given, family, avatar] {
            state.known(text, |state, text| state.text(text));
        }
        state.known(status, |state, status| state.text(status_name(*status)));
        state.known(created, |state, created: &Timestamp| state.text(created.as_str()));
        for switch in [automated, has_password] {
            state.known(switch, |state, on| state.0.push(u8::from(*on)));
        }
        state.grants(grants.as_deref()?);
        state.optional(primary_scope.as_ref(), |state, scope| state.text(scope.id.as_str()));
        state.preferences(preferences);
        Some(state.0)
    }
}

/// What is written so far; every part behind its length or its kind, so that no two users are spelled the same.
struct State(Vec<u8>);

impl State {
    fn number(&mut self, number: usize) {
        self.0.extend_from_slice(&(number as u64).to_be_bytes());
    }

    fn text(&mut self, text: &str) {
        self.number(text.len());
        self.0.extend_from_slice(text.as_bytes());
    }

    fn known<T>(&mut self, known: &Known<T>, write: impl FnOnce(&mut Self, &T)) {
        match known {
            Known::Unknown => self.0.push(0),
            Known::Null => self.0.push(1),
            Known::Value(value) => {
                self.0.push(2);
                write(self, value);
            }
        }
    }

    fn optional<T>(&mut self, value: Option<T>, write: impl FnOnce(&mut Self, T)) {
        self.0.push(u8::from(value.is_some()));
        if let Some(value) = value {
            write(self, value);
        }
    }

    fn grants(&mut self, grants: &[Grant]) {
        let held = grants.iter().filter(|grant| grant.role > Role::None);
        let mut held: Vec<_> = held
            .map(|Grant { role, scope: Scope { id: scope, level: _, name }, id }| {
                (scope.as_str(), role.name(), name.as_deref(), id.as_deref())
            })
            .collect();
        held.sort_unstable();
        self.number(held.len());
        for (scope, role, name, id) in held {
            self.text(scope);
            self.text(role);
            self.optional(name, Self::text);
            self.optional(id, Self::text);
        }
    }

    fn preferences(&mut self, preferences: &Preferences) {
        let Preferences { entries, complete } = preferences;
        self.optional(complete.then_some(entries), |state, entries| {
            state.number(entries.len());
            for (key, value) in entries {
                state.text(key);
                state.value(value);
            }
        });
    }

    fn value(&mut self, value: &Value) {
        match value {
            Value::Array(members) => {
                self.0.push(b'[');
                self.number(members.len());
                members.iter().for_each(|member| self.value(member));
            }
            Value::Object(members) => {
                self.0.push(b'{');
                self.number(members.len());
                let mut members: Vec<_> = members.iter().collect();
                members.sort_unstable_by_key(|(name, _)| *name);
                for (name, member) in members {
                    self.text(name);
                    self.value(member);
                }
            }
            // As JSON spells them, no two of these are the same.
            scalar => self.text(&scalar.to_string()),
        }
    }
}

fn status_name(status: Status) -> &'static str {
    match status {
        Status::Development => "development",
        Status::Active => "active",
        Status::Preproduction => "preproduction",
        Status::Suspended => "suspended",
        Status::Terminated => "terminated",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::user::{ScopeId, Text, UserId};

    fn grant(role: Role, scope: &str) -> Grant {
        Grant { role, scope: Scope::new(ScopeId::new(scope)), id: None }
    }

    fn user() -> User {
        let mut user = User::new(UserId::new("1042"));
        user.email = Text::from("john@example.com").into();
        user.name.given = Text::from("John").into();
        user.grants = Some(vec![grant(Role::Member, "a"), grant(Role::Administrator, "b")]);
        user.preferences.entries.insert("/x".into(), json!({"a": 1, "b": [true, null]}));
        user.preferences.complete = true;
        user
    }

    #[track_caller]
    fn check(same: bool, change: impl FnOnce(&mut User)) {
        let mut changed = user();
        change(&mut changed);
        assert_eq!(changed.state() == user().state(), same);
    }

    #[test]
    fn what_differs_is_another_state() {
        check(false, |user| user.id = UserId::new("1043"));
        check(false, |user| user.email = Known::Null);
        check(false, |user| user.email = Known::Unknown);
        check(false, |user| user.name.family = Text::default().into());
        // The same text in another field.
        check(false, |user| std::mem::swap(&mut user.name.given, &mut user.name.family));
        check(false, |user| user.status = Status::Active.into());
        check(false, |user| user.automated = false.into());
        check(false, |user| user.created = Timestamp::parse("2024-03-15T10:22:00Z").unwrap().into());
        check(false, |user| user.primary_scope = Some(Scope::new(ScopeId::new("a"))));
        check(false, |user| user.grants = Some(vec![grant(Role::Member, "a")]));
        check(false, |user| user.grants = Some(vec![grant(Role::Member, "b"), grant(Role::Administrator, "a")]));
        check(false, |user| drop(user.preferences.entries.insert("/x".into(), json!({"a": 1, "b": [true, false]}))));
        check(false, |user| drop(user.preferences.entries.insert("/x".into(), json!("{}"))));
    }

    #[test]
    fn what_says_the_same_is_the_same_state() {
        check(true, |user| user.grants = Some(vec![grant(Role::Administrator, "b"), grant(Role::Member, "a")]));
        check(true, |user| user.grants.as_mut().unwrap().push(grant(Role::None, "c")));
        check(true, |user| drop(user.preferences.entries.insert("/x".into(), json!({"b": [true, null], "a": 1}))));
    }

    #[test]
    fn what_was_just_set_and_is_never_shown_is_no_state() {
        let (mut read, mut written) = (user(), user());
        read.preferences = Preferences::default();
        written.preferences.complete = false;
        assert_eq!(read.state(), written.state());
    }

    #[test]
    fn nobody_can_tell_without_the_roles() {
        assert_eq!(User { grants: None, ..user() }.state(), None);
    }

    /// Whoever changes the spelling has to give it another number.
    #[test]
    fn the_spelling_lasts() {
        let state = User { grants: Some(Vec::new()), ..User::new(UserId::new("7")) }.state().unwrap();
        let mut spelled = vec![SPELLING, 0, 0, 0, 0, 0, 0, 0, 1, b'7'];
        spelled.extend([0; 6 + 2 + 2 + 8 + 1 + 1]);
        assert_eq!(state, spelled);
    }
}
