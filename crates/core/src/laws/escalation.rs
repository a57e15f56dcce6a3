//! The rank of a role never rises through a translation; system-wide roles are never a result.

use super::{
    Kept, Violation,
    drive::{Vendor, carry_out, look, read_reply},
    show,
};
use crate::{
    adapter::Adapter,
    command::{Access, Command, Outcome},
    message::{Call, Request},
    patch::{GrantChange, Target},
    user::{Grant, Role, Scope, User, UserId},
};

const LAW: &str = "no escalation";

/// Every role in the document that shows `user` is at most one that the user has: in the same scope, or in a wider one.
///
/// # Errors
///
/// The violation: also when the user cannot be written, or the document not be read.
pub fn no_escalation_in_documents(adapter: &dyn Adapter, operation: &str, user: &User) -> Kept {
    let broken = |found: String| Violation::new(LAW, show::user(user), found);
    let written = adapter.write(operation, &Outcome::User(Box::new(user.clone())));
    let body = written.map_err(|error| broken(show::error(&error)))?.response.body;
    let (shown, _) = read_reply(adapter, &user.id, &body).map_err(|error| broken(show::error(&error)))?;
    match risen(&shown, user.grants.as_deref().unwrap_or_default(), &[]) {
        None => Ok(()),
        Some(grant) => Err(broken(format!("{grant:?} in {}", show::bytes(&body)))),
    }
}

/// Whatever `command` makes of a user, after each of its writes every role is at most one that the user had before or
/// that the command asks for, in the same scope or in a wider one; a system-wide role may only stay. A command that asks for a system-wide role is
/// refused before anything is written, and no call ever has one.
///
/// # Errors
///
/// The violation: also when the user cannot be read.
pub fn no_escalation_in_plans(adapter: &dyn Adapter, command: &Command, vendor: &mut Vendor<'_>) -> Kept {
    let broken = |found: String| Violation::new(LAW, show::command(command), found);
    let before = match command.user() {
        Some(user) => look(adapter, user, vendor).map_err(|error| broken(show::error(&error)))?.1,
        // Whoever is not there yet has no role.
        None => User { grants: Some(Vec::new()), ..User::new(UserId::new("")) },
    };
    let held = before.grants.clone().unwrap_or_default();
    let mut allowed = held.clone();
    allowed.extend(requested(command, &before));
    let mut found = None;
    let run = carry_out(adapter, command, &mut |call| {
        let reply = vendor(call);
        if found.is_none() && call.access == Access::Write {
            let after = command.user().and_then(|user| look(adapter, user, vendor).ok()).map(|(_, user)| user);
            let grant = after.and_then(|user| risen(&user, &allowed, &held)).map(|grant| format!("{grant:?}"));
            found = grant.or_else(|| asks_for_more(adapter, call, &allowed)).map(|what| (what, show::call(call)));
        }
        reply
    });
    if let Some((what, call)) = found {
        return Err(broken(format!("{what} after {call}; before: {:?}", before.grants)));
    }
    let created = run.user().filter(|_| command.user().is_none() && command.access() == Access::Write);
    if let Some(grant) = created.and_then(|user| risen(user, &allowed, &held)) {
        return Err(broken(format!("{grant:?}; calls: {}", show::calls(&run.calls))));
    }
    if command.highest_role() == Some(Role::System) && (run.end.is_ok() || run.wrote()) {
        return Err(broken(format!("a system-wide role is not refused; calls: {}", show::calls(&run.calls))));
    }
    Ok(())
}

/// The first role of a user that is not one of `kept` and that none of the `allowed` allows.
fn risen(user: &User, allowed: &[Grant], kept: &[Grant]) -> Option<Grant> {
    let mut held = user.grants.iter().flatten().filter(|grant| grant.role > Role::None && !kept.contains(grant));
    held.find(|grant| grant.role == Role::System || !allowed.iter().any(|other| covers(other, grant))).cloned()
}

fn covers(wide: &Grant, narrow: &Grant) -> bool {
    let narrower = |scope: &Scope, than: &Scope| match (scope.level, than.level) {
        (Some(level), Some(other)) => level < other,
        _ => false,
    };
    narrow.role <= wide.role && (narrow.scope.id == wide.scope.id || narrower(&narrow.scope, &wide.scope))
}

/// What a command asks for.
fn requested(command: &Command, before: &User) -> Vec<Grant> {
    match command.grants() {
        GrantChange::Keep if let Command::CreateUser(new) = command => new.grants.clone(),
        GrantChange::Keep | GrantChange::Remove(_) => Vec::new(),
        GrantChange::Replace(grants) => grants.clone(),
        GrantChange::Upsert(role, Target::Scope(scope)) => {
            vec![Grant { role: *role, scope: scope.clone(), id: None }]
        }
        GrantChange::Upsert(role, Target::Only { .. }) => {
            let held = before.grants.iter().flatten().map(|grant| &grant.scope);
            let scopes = held.chain(&before.primary_scope);
            scopes.map(|scope| Grant { role: *role, scope: scope.clone(), id: None }).collect()
        }
        GrantChange::Move { to, .. } => {
            let held = before.grants.iter().flatten().filter(|grant| grant.scope.level >= to.level);
            held.map(|grant| Grant { scope: to.clone(), id: None, ..grant.clone() }).collect()
        }
    }
}

/// A call that, read as a request, asks for a role above all that is allowed.
fn asks_for_more(adapter: &dyn Adapter, call: &Call, allowed: &[Grant]) -> Option<String> {
    let request = Request::new(call.method.clone(), call.target.as_str(), call.body.clone());
    let asked = adapter.read(&request).ok()?.command.highest_role()?;
    let highest = allowed.iter().map(|grant| grant.role).max().unwrap_or(Role::None);
    (asked == Role::System || asked > highest).then(|| format!("a call for the role `{asked}`"))
}
