//! Canonical values in full, for violations. The `Debug` of these types leaves personal data out on purpose.

use crate::{
    command::Command,
    error::Error,
    message::{Call, Request},
    note::Note,
    patch::UserPatch,
    user::User,
};

pub(super) fn bytes(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

pub(super) fn request(request: &Request) -> String {
    format!("{} {} {}", request.method, request.path, bytes(&request.body))
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

pub(super) fn user(user: &User) -> String {
    let User { id, login, email, name, status, grants, primary_scope, .. } = user;
    let crate::user::Name { display, given, family } = name;
    format!(
        "user {id}: login {login:?}, email {email:?}, name {display:?} = {given:?} + {family:?}, status {status:?}, \
         grants {grants:?}, primary scope {primary_scope:?}, preferences {:?}, complete {}, created {:?}, avatar {:?}, \
         automated {:?}, has password {:?}",
        user.preferences.entries,
        user.preferences.complete,
        user.created,
        user.avatar,
        user.automated,
        user.has_password,
    )
}

pub(super) fn command(command: &Command) -> String {
    match command {
        Command::GetUser { user } => format!("get user {user}"),
        Command::UpdateUser { user, patch } => format!("update user {user}: {}", self::patch(patch)),
    }
}

pub(super) fn patch(patch: &UserPatch) -> String {
    let email = patch.email.set().map(crate::user::Email::as_str);
    let crate::patch::NamePatch { display, given, family } = &patch.name;
    format!(
        "email {email:?}, name {display:?} = {given:?} + {family:?}, grants {:?}, preferences {:?}",
        patch.grants, patch.preferences
    )
}
