//! Canonical values in full, for violations. The `Debug` of these types leaves personal data out on purpose.

use std::fmt::Debug;

use crate::{
    command::{Command, NewUser, Outcome},
    error::Error,
    message::{Call, Request},
    note::Note,
    patch::{Patch, UserPatch},
    query::{Cursor, PageRequest, UserQuery},
    user::{Known, Name, User},
};

pub(super) fn bytes(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

pub(super) fn request(request: &Request) -> String {
    format!("{} {}?{} {}", request.method, request.path, request.query, bytes(&request.body))
}

pub(super) fn call(call: &Call) -> String {
    format!("{} {} {}", call.method, call.target, bytes(&call.body))
}

pub(super) fn calls(calls: &[Call]) -> String {
    calls.iter().map(call).collect::<Vec<_>>().join(", ")
}

pub(super) fn notes(notes: &[Note]) -> String {
    let notes = notes.iter().map(|note| format!("{} {} ({})", note.place, note.kind, note.reason));
    notes.collect::<Vec<_>>().join("; ")
}

pub(super) fn error(error: &Error) -> String {
    format!("{:?}: {error}", error.kind())
}

fn known<T: Debug>(known: &Known<T>) -> String {
    match known {
        Known::Value(value) => format!("{value:?}"),
        other => format!("{other:?}"),
    }
}

fn patched<T: Debug>(patch: &Patch<T>) -> String {
    match patch {
        Patch::Set(value) => format!("{value:?}"),
        other => format!("{other:?}"),
    }
}

pub(super) fn user(user: &User) -> String {
    let User { id, login, email, name, status, grants, primary_scope, .. } = user;
    let (login, email, status) = (known(login), known(email), known(status));
    let Name { display, given, family } = name;
    let (display, given, family) = (known(display), known(given), known(family));
    format!(
        "user {id}: login {login}, email {email}, name {display} = {given} + {family}, status {status}, \
         grants {grants:?}, primary scope {primary_scope:?}, preferences {:?}, complete {}, created {}, avatar {}, \
         automated {}, has password {}",
        user.preferences.entries,
        user.preferences.complete,
        known(&user.created),
        known(&user.avatar),
        known(&user.automated),
        known(&user.has_password),
    )
}

pub(super) fn outcome(outcome: &Outcome) -> String {
    match outcome {
        Outcome::User(user) => self::user(user),
        Outcome::Users(page) => {
            let users: Vec<_> = page.users.iter().map(user).collect();
            format!("{}, total {:?}: {}", users.len(), page.total, users.join("; "))
        }
        Outcome::Done => "done".into(),
    }
}

pub(super) fn command(command: &Command) -> String {
    match command {
        Command::GetUser { user } => format!("get user {user}"),
        Command::UpdateUser { user, patch } => format!("update user {user}: {}", self::patch(patch)),
        Command::GetSelf => "get self".into(),
        Command::FindUsers { query, page } => {
            let UserQuery { text, login, scopes, roles, level, status } = query;
            let cursor = match page {
                PageRequest::At(cursor) => cursor.as_ref().map(Cursor::as_str),
                PageRequest::Numbered { .. } => None,
            };
            format!(
                "find users with text {text:?}, login {login:?}, scopes {scopes:?}, roles {roles:?}, level {level:?}, \
                 status {status:?}: page {page:?} {cursor:?}"
            )
        }
        Command::CreateUser(new) => {
            let NewUser { login, email, name: Name { display, given, family }, password, grants } = &**new;
            let (display, given, family) = (known(display), known(given), known(family));
            format!(
                "create user {}: login {login:?}, name {display} = {given} + {family}, password {:?}, grants {grants:?}",
                email.as_str(),
                password.as_ref().map(|password| (password.as_str(), password.is_generated())),
            )
        }
        Command::DeleteUser { user, removal } => format!("delete user {user}: {removal:?}"),
        Command::SendMessage { user, message } => {
            format!("send user {user} to {}: {}", message.phone, message.text)
        }
    }
}

pub(super) fn patch(patch: &UserPatch) -> String {
    let email = patch.email.set().map(crate::user::Email::as_str);
    let crate::patch::NamePatch { display, given, family } = &patch.name;
    let (display, given, family) = (patched(display), patched(given), patched(family));
    let preferences: Vec<_> =
        patch.preferences.iter().map(|(key, patch)| format!("{key} {}", patched(patch))).collect();
    format!(
        "email {email:?}, name {display} = {given} + {family}, grants {:?}, preferences {preferences:?}",
        patch.grants
    )
}
