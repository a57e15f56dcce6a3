//! The calls that a command needs at this vendor.

mod create;
pub(crate) mod effect;
mod find;
mod message;
mod remove;
mod update;

use interlingua_core::{
    Call, Command, Error, ErrorKind, Field, Grant, Note, Outcome, Problem, Reply, Result, Role, ScopeId, Step, Text,
    User, UserId, UserPatch, http::Method, join_name, split_name,
};

use crate::{Textus, codes, routes::Op, wire::MembershipIn};

pub(crate) fn plan(textus: &Textus, command: &Command, replies: &[Reply]) -> Result<Step> {
    if let Some(user) = command.user().filter(|user| !codes::is_id(user.as_str())) {
        return Err(Error::new(ErrorKind::Internal, format!("`{user}` is not a TextUs user id")));
    }
    if command.highest_role() == Some(Role::System) {
        return Err(Error::new(ErrorKind::Forbidden, "a system-wide role is never the result of a translation"));
    }
    match command {
        // To show a user is to change nothing.
        Command::GetUser { user } => update::plan(textus, user, &UserPatch::default(), replies),
        Command::UpdateUser { user, patch } => update::plan(textus, user, patch, replies),
        Command::FindUsers { query, page } => find::plan(textus, query, page, replies),
        Command::CreateUser(new) => create::plan(textus, new, replies),
        Command::DeleteUser { user, removal } => remove::plan(user, *removal, replies),
        Command::SendMessage { user, message } => message::plan(textus, user, message, replies),
        // Also `GetSelf`: the vendor documents no path for it.
        _ => Err(Error::new(ErrorKind::Unsupported, "TextUs has no counterpart for this operation")),
    }
}

// === What the plans share ===

fn send(call: Call, notes: Vec<Note>) -> Step {
    Step::Send { calls: vec![call], notes }
}

/// The end of a plan that shows a user: with what its document could not tell.
fn show(user: User, mut notes: Vec<Note>, found: Vec<Note>) -> Step {
    notes.extend(found);
    Step::Done { outcome: Outcome::User(Box::new(user)), notes }
}

fn read_call(user: &UserId) -> Call {
    Call::read(Method::GET, Op::GetUser.path().fill(&[user.as_str()]))
}

/// The whole name, which is all that a request can set.
fn joined(given: &str, family: &str, notes: &mut Vec<Note>) -> Result<Text> {
    let whole = not_empty(join_name(given, family))?;
    if split_name(&whole) != (given, family) {
        let reason = "TextUs sets a name whole, and may split this one elsewhere";
        notes.push(Note::narrowed(Field::Name, reason));
    }
    Ok(whole)
}

fn not_empty(name: Text) -> Result<Text> {
    if name.is_empty() {
        let expected = "expected a name that is not empty: TextUs needs one";
        return Err(Error::invalid(vec![Problem::new(Field::Name, expected)]));
    }
    Ok(name)
}

/// The memberships that give these roles.
fn memberships(grants: &[Grant], notes: &mut Vec<Note>) -> Result<Vec<MembershipIn>> {
    let mut memberships = Vec::with_capacity(grants.len());
    for Grant { role, scope, .. } in grants {
        memberships.extend(membership(*role, &scope.id, notes)?);
    }
    Ok(memberships)
}

/// The membership that gives a role; none for a role that TextUs has no word for.
fn membership(role: Role, account: &ScopeId, notes: &mut Vec<Note>) -> Result<Option<MembershipIn>> {
    let account = account_iri(account)?;
    let word = codes::role_word(role);
    if word.is_none() && role != Role::None {
        notes.push(Note::dropped(Field::Role, format!("TextUs has no role for `{role}`")));
    }
    Ok(word.map(|word| MembershipIn::new(word, account)))
}

fn account_iri(account: &ScopeId) -> Result<Text> {
    if codes::is_id(account.as_str()) {
        Ok(codes::account_iri(account))
    } else {
        Err(Error::new(ErrorKind::Internal, format!("`{account}` is not a TextUs account")))
    }
}
