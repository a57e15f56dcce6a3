//! Writing back what was read changes nothing; reading after a write shows what was written.

use serde_json::Value;

use super::{
    Kept, Violation,
    drive::{Run, Vendor, carry_out, look},
    show,
};
use crate::{
    adapter::Adapter,
    command::{Access, Command, Field},
    error::{Error, ErrorKind},
    note::{Note, Place},
    patch::{GrantChange, NamePatch, Patch, Target, UserPatch},
    user::{Email, Grant, Known, Preferences, Role, Scope, ScopeId, User, UserId},
};

const GET_PUT: &str = "get-put";
const PUT_GET: &str = "put-get";

/// Writing back what was read of a user changes nothing at the vendor, not even for a moment. To refuse it is no
/// violation: a system-wide role is never written.
///
/// # Errors
///
/// The violation: also when the user cannot be read.
pub fn get_put(adapter: &dyn Adapter, user: &UserId, vendor: &mut Vendor<'_>) -> Kept {
    let unreadable = |error: Error| Violation::new(GET_PUT, format!("user {user}"), show::error(&error));
    let (before, read) = look(adapter, user, vendor).map_err(unreadable)?;
    let command = Command::UpdateUser { user: user.clone(), patch: writing_back(&read) };
    let mut changed = None;
    let run = carry_out(adapter, &command, &mut |call| {
        let reply = vendor(call);
        if changed.is_none() && call.access == Access::Write {
            let after = look(adapter, user, vendor).map(|(after, _)| after).unwrap_or_default();
            changed = (after != before).then(|| format!("{} made it {after}", show::call(call)));
        }
        reply
    });
    let broken = |found: String| Violation::new(GET_PUT, format!("{before}: {}", show::command(&command)), found);
    match (changed, run.end) {
        (Some(changed), _) => Err(broken(changed)),
        (None, Err(error)) if !is_refusal(&error) => Err(broken(show::error(&error))),
        (None, _) => Ok(()),
    }
}

/// The change that sets everything that is known of a user to what it is.
pub fn writing_back(user: &User) -> UserPatch {
    let set = |text: &Known<_>| Patch::from(text.value().cloned());
    let name = if user.name.display.value().is_some() {
        NamePatch { display: set(&user.name.display), ..NamePatch::default() }
    } else {
        NamePatch { display: Patch::Keep, given: set(&user.name.given), family: set(&user.name.family) }
    };
    let entries = user.preferences.entries.iter();
    UserPatch {
        email: user.email.value().and_then(|address| Email::parse(address).ok()).into(),
        name,
        grants: user.grants.clone().map_or(GrantChange::Keep, GrantChange::Replace),
        preferences: entries.map(|(key, value)| (key.clone(), Patch::Set(value.clone()))).collect(),
    }
}

/// After a write, reading the user shows what was written and leaves the rest as it was, except for fields that a note
/// of the plan names; and the outcome of the write is what reading shows. A vendor that never shows preferences is
/// taken at the outcome's word.
///
/// To refuse the write before anything is sent is no violation, nor is a refusal of the vendor.
///
/// # Errors
///
/// The violation: also when the user cannot be read.
pub fn put_get(adapter: &dyn Adapter, user: &UserId, patch: &UserPatch, vendor: &mut Vendor<'_>) -> Kept {
    let command = Command::UpdateUser { user: user.clone(), patch: patch.clone() };
    let broken = |found: String| Violation::new(PUT_GET, show::command(&command), found);
    let (_, before) = look(adapter, user, vendor).map_err(|error| broken(show::error(&error)))?;
    let run = carry_out(adapter, &command, vendor);
    let outcome = match (&run.end, run.user()) {
        (_, Some(outcome)) => outcome,
        (Err(error), _) if is_refusal(error) => return Ok(()),
        _ => return Err(broken(format!("{:?}", run.end))),
    };
    let (_, after) = look(adapter, user, vendor).map_err(|error| broken(show::error(&error)))?;
    let shown = User { preferences: Preferences::default(), ..outcome.clone() };
    if shown != (User { preferences: Preferences::default(), ..after.clone() }) {
        let (outcome, after) = (show::user(outcome), show::user(&after));
        return Err(broken(format!("the outcome is not what reading shows:\n    {outcome}\n    {after}")));
    }
    let told = |field: &Field| run.notes.iter().any(|note| tells_of(note, field));
    let seen = Seen { before: &before, outcome, after: &after };
    match seen.unkept(patch).into_iter().find(|field| !told(field)) {
        None => Ok(()),
        Some(field) => Err(broken(report(&field, &seen, &run))),
    }
}

fn report(field: &Field, seen: &Seen<'_>, run: &Run) -> String {
    format!(
        "`{}` is not what was written, and no note says so\n  before: {}\n  after: {}\n  calls: {}\n  notes: {}",
        field.name(),
        show::user(seen.before),
        show::user(seen.after),
        show::calls(&run.calls),
        show::notes(&run.notes)
    )
}

fn is_refusal(error: &Error) -> bool {
    let on_purpose = [ErrorKind::Forbidden, ErrorKind::Invalid, ErrorKind::Unrepresentable, ErrorKind::Unsupported];
    error.upstream().is_some() || on_purpose.contains(&error.kind())
}

/// Whether a note is about a field, or about the larger thing that the field is a part of.
fn tells_of(note: &Note, field: &Field) -> bool {
    let Place::Field(_, noted) = &note.place else { return false };
    let group = |field: &Field| match field {
        Field::Name | Field::GivenName | Field::FamilyName => Field::Name,
        Field::Grants | Field::Role | Field::Scope => Field::Grants,
        other => other.clone(),
    };
    group(noted) == group(field) || (matches!(field, Field::Preference(_)) && *noted == Field::Preferences)
}

/// A user before a write, as its outcome tells, and as it is read afterwards.
struct Seen<'a> {
    before: &'a User,
    outcome: &'a User,
    after: &'a User,
}

impl Seen<'_> {
    /// The fields that are not what the patch made them.
    fn unkept(&self, patch: &UserPatch) -> Vec<Field> {
        let email = match &patch.email {
            Patch::Keep => self.after.email == self.before.email,
            Patch::Set(email) => self.after.email.value().is_some_and(|shown| shown == email.as_str()),
            Patch::Clear => self.after.email == Known::Null,
        };
        let checks = [
            (Field::Email, email),
            (Field::Name, self.keeps_name(&patch.name)),
            (Field::Grants, self.keeps_grants(&patch.grants)),
        ];
        let fields = checks.into_iter().filter(|(_, kept)| !kept).map(|(field, _)| field);
        let preferences = patch.preferences.iter().filter(|(key, patch)| !self.keeps_preference(key, patch));
        let others = self.after.preferences.complete && !self.keeps_other_preferences(patch);
        fields
            .chain(preferences.map(|(key, _)| Field::Preference(key.clone())))
            .chain(others.then_some(Field::Preferences))
            .collect()
    }

    fn keeps_name(&self, patch: &NamePatch) -> bool {
        if let Patch::Set(whole) = &patch.display {
            return self.after.name.whole().as_ref() == Some(whole);
        }
        if patch.is_empty() {
            return self.after.name == self.before.name;
        }
        let (given, family) = (self.after.name.halves(), self.before.name.halves());
        let halves = [(&patch.given, given.0, family.0), (&patch.family, given.1, family.1)];
        halves.into_iter().all(|(patch, after, before)| match patch {
            Patch::Keep => after == before,
            Patch::Set(half) => after.as_ref() == Some(half),
            Patch::Clear => after.is_none_or(|half| half.is_empty()),
        })
    }

    fn keeps_grants(&self, change: &GrantChange) -> bool {
        let Some(after) = self.after.grants.as_deref().map(held) else { return *change == GrantChange::Keep };
        after
            == match change {
                GrantChange::Keep => held(self.before.grants.as_deref().unwrap_or_default()),
                GrantChange::Replace(grants) => held(grants),
                GrantChange::Upsert(role, target) => self.with_role(*role, target),
                GrantChange::Remove(target) => self.with_role(Role::None, target),
                GrantChange::Move { from, to } => self.moved(from, to),
            }
    }

    /// The roles before, with the one in a scope changed.
    fn with_role(&self, role: Role, target: &Target) -> Vec<(ScopeId, Role)> {
        let present = self.before.grants.iter().flatten();
        let scope = match target {
            Target::Scope(scope) => Some(scope),
            Target::Only { .. } => present.clone().map(|grant| &grant.scope).chain(&self.before.primary_scope).next(),
        };
        let others = present.filter(|grant| scope.is_none_or(|scope| grant.scope.id != scope.id)).cloned();
        let changed = scope.map(|scope| Grant { role, scope: scope.clone(), id: None });
        held(&others.chain(changed).collect::<Vec<_>>())
    }

    /// The roles before, with the one in a scope in another.
    fn moved(&self, from: &Target, to: &Scope) -> Vec<(ScopeId, Role)> {
        let mut grants = self.before.grants.clone().unwrap_or_default();
        for grant in &mut grants {
            if !matches!(from, Target::Scope(from) if grant.scope.id != from.id) {
                grant.scope = to.clone();
            }
        }
        held(&grants)
    }

    fn keeps_preference(&self, key: &str, patch: &Patch<Value>) -> bool {
        let after = &self.after.preferences;
        let shown = if after.complete { after } else { &self.outcome.preferences };
        match patch {
            Patch::Keep => true,
            Patch::Set(value) => shown.entries.get(key) == Some(value),
            Patch::Clear => after.complete && !after.entries.contains_key(key),
        }
    }

    fn keeps_other_preferences(&self, patch: &UserPatch) -> bool {
        let others = |preferences: &Preferences| {
            let mut others = preferences.entries.clone();
            others.retain(|key, _| patch.preferences.get(key).is_none_or(Patch::is_keep));
            others
        };
        others(&self.before.preferences) == others(&self.after.preferences)
    }
}

/// The roles that say something, in an order of their own.
fn held(grants: &[Grant]) -> Vec<(ScopeId, Role)> {
    let held = grants.iter().filter(|grant| grant.role > Role::None);
    let mut held: Vec<_> = held.map(|grant| (grant.scope.id.clone(), grant.role)).collect();
    held.sort_unstable();
    held
}
