//! Creating a user, in one call.

use interlingua_core::{
    Error, ErrorKind, Field, NewUser, Note, Outcome, Password, Problem, Reply, Result, Role, Step, Text,
};

use super::{network_mailbox, several_roles, single, split_whole, word, write};
use crate::{
    Ecgrid,
    codes::{self, AuthLevel, NetworkMailbox},
    read,
    routes::Op,
    wire::{self, CreateUser},
};

pub(super) fn plan(ecgrid: &Ecgrid, new: &NewUser, replies: &[Reply]) -> Result<Step> {
    let mut notes = Vec::new();
    let mut fields = vec![Field::Login, Field::Password, Field::Email];
    let (login, password) = (login(new, &mut notes)?, password(new, &mut notes)?);
    let (first_name, last_name) = name(new, &mut fields, &mut notes)?;
    let (level, scope) = role(new, &mut notes)?;
    fields.push(Field::Grants);
    let wire = CreateUser {
        login,
        password,
        email: new.email.as_str().into(),
        first_name,
        last_name,
        network_id: scope.map(|scope| scope.network),
        // Left out, it would be the mailbox of whoever calls.
        mailbox_id: scope.map(|scope| scope.mailbox.unwrap_or(0)),
        auth_level: Some(level.word().into()),
    };
    single(write(Op::CreateUser, &wire, fields), notes, replies, |reply| {
        let (user, notes) = read::user(ecgrid, None, reply)?;
        Ok((Outcome::User(Box::new(user)), notes))
    })
}

fn login(new: &NewUser, notes: &mut Vec<Note>) -> Result<Text> {
    match &new.login {
        Some(login) if login.is_empty() => {
            Err(Error::invalid(vec![Problem::new(Field::Login, "expected a text that is not empty")]))
        }
        Some(login) => Ok(login.clone()),
        None => {
            notes.push(Note::defaulted(Field::Login, "ECGrid's users have a login; the e-mail address becomes it"));
            Ok(new.email.as_str().into())
        }
    }
}

fn password(new: &NewUser, notes: &mut Vec<Note>) -> Result<Text> {
    let missing = || Error::new(ErrorKind::Internal, "ECGrid's users need a password, and nobody made one");
    let password = new.password.as_ref().ok_or_else(missing)?;
    if !wire::is_password(password.as_str()) {
        return Err(Error::invalid(vec![Problem::new(Field::Password, wire::PASSWORD)]));
    }
    if Password::is_generated(password) {
        let reason = "ECGrid's users need a password; nobody is told this one, and the user resets it";
        notes.push(Note::defaulted(Field::Password, reason));
    }
    Ok(password.as_str().into())
}

type Halves = (Option<Text>, Option<Text>);

fn name(new: &NewUser, fields: &mut Vec<Field>, notes: &mut Vec<Note>) -> Result<Halves> {
    match (new.name.given.value(), new.name.family.value(), new.name.display.value()) {
        (None, None, Some(whole)) => {
            let (given, family) = split_whole(whole, notes)?;
            fields.push(Field::Name);
            Ok((Some(given.into()), Some(family.into())))
        }
        (given, family, _) => {
            fields.extend(given.map(|_| Field::GivenName));
            fields.extend(family.map(|_| Field::FamilyName));
            Ok((given.cloned(), family.cloned()))
        }
    }
}

/// The first of the roles: a user of this vendor has one.
fn role(new: &NewUser, notes: &mut Vec<Note>) -> Result<(AuthLevel, Option<NetworkMailbox>)> {
    let held: Vec<_> = new.grants.iter().filter(|grant| grant.role > Role::None).collect();
    if held.iter().any(|grant| grant.role == Role::System) {
        return Err(codes::forbidden_role());
    }
    if held.len() > 1 {
        notes.push(several_roles(held.len()));
    }
    let Some(grant) = held.first().copied().or(new.grants.first()) else {
        let reason = "ECGrid's users are in a network; without a role this one is in that of the gateway's own user";
        notes.push(Note::defaulted(Field::Scope, reason));
        return Ok((AuthLevel::General, None));
    };
    let scope = network_mailbox(&grant.scope)?;
    Ok((word(grant.role, scope.level(), notes)?, Some(scope)))
}
