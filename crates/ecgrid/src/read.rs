//! What a client's request means, and what the vendor's reply means.

use std::collections::BTreeMap;

use interlingua_core::{
    Command, Effect, Error, ErrorKind, GrantChange, Level, NOTIFY_AUDIO, NOTIFY_EMAIL, NamePatch, Note, NoteKind,
    Patch, Place, Problem, Reading, Refusal, Reply, Request, Result, Role, Target, Text, User, UserId, UserPatch, json,
    pointer_token,
};

use crate::{
    Ecgrid,
    codes::{self, AuthLevel, NetworkMailbox},
    routes::Op,
    wire::{self, Data, SetRole, UpdateConfig, UpdateUser, UserIdInfo, Verdict},
};

// === As a server ===

pub(crate) fn request(ecgrid: &Ecgrid, request: &Request) -> Result<Reading> {
    let (operation, parameters) = ecgrid
        .dialect
        .find(&request.method, &request.path)
        .map_err(|_| Error::new(ErrorKind::NoSuchPath, "there is no such path or method"))?;
    let op = Op::from_name(operation.name).expect("the dialect's operations are made from `Op`");
    let (command, notes) = match op {
        Op::GetUser => (Command::GetUser { user: path_id(parameters.first())? }, Vec::new()),
        Op::UpdateUser => (update_user(json::request(&request.body)?)?, Vec::new()),
        Op::UpdateConfig => update_config(ecgrid, json::request(&request.body)?)?,
        Op::SetRole => set_role(ecgrid, &json::request(&request.body)?)?,
    };
    Ok(Reading { operation: op.name().into(), command, notes })
}

fn path_id(parameter: Option<&String>) -> Result<UserId> {
    parameter
        .and_then(|id| id.parse().ok())
        .filter(|id| crate::is_id(*id))
        .map(user_id)
        .ok_or_else(|| Error::invalid(vec![Problem::new(Place::request("/userId"), "expected an integer in the path")]))
}

fn user_id(id: i64) -> UserId {
    UserId::new(id.to_string())
}

/// The vendor's own form of an id.
pub(crate) fn number(user: &UserId) -> Result<i64> {
    user.as_str()
        .parse()
        .ok()
        .filter(|id| crate::is_id(*id))
        .ok_or_else(|| Error::new(ErrorKind::Internal, format!("`{user}` is not an ECGrid user id")))
}

fn update_user(wire: UpdateUser) -> Result<Command> {
    let patch = UserPatch {
        email: wire.email.map(|address| wire::email(&address)).transpose()?.into(),
        name: NamePatch { display: Patch::Keep, given: wire.first_name.into(), family: wire.last_name.into() },
        ..UserPatch::default()
    };
    Ok(Command::UpdateUser { user: user_id(wire.user_id), patch })
}

fn update_config(ecgrid: &Ecgrid, wire: UpdateConfig) -> Result<(Command, Vec<Note>)> {
    let mut preferences = BTreeMap::new();
    let mut notes = Vec::new();
    let mut problems = Vec::new();
    for (field, value) in wire.fields.into_iter().filter(|(_, value)| !value.is_null()) {
        let place = Place::request(format!("/{}", pointer_token(&field)));
        match ecgrid.preferences.get(&field) {
            None => notes.push(Note::dropped(
                place,
                "the vendor does not say what it means; name its counterpart in [mapping.preferences]",
            )),
            Some(key) if is_switch(key) && !value.is_boolean() => {
                problems.push(Problem::new(place, "expected a boolean"));
            }
            Some(key) => {
                preferences.insert(key.clone(), Patch::Set(value));
            }
        }
    }
    if !problems.is_empty() {
        return Err(Error::invalid(problems));
    }
    let patch = UserPatch { preferences, ..UserPatch::default() };
    Ok((Command::UpdateUser { user: user_id(wire.user_id), patch }, notes))
}

fn is_switch(key: &str) -> bool {
    matches!(key, NOTIFY_EMAIL | NOTIFY_AUDIO)
}

fn set_role(ecgrid: &Ecgrid, wire: &SetRole) -> Result<(Command, Vec<Note>)> {
    let mut notes = Vec::new();
    let ids = [("/networkId", wire.network_id), ("/mailboxId", wire.mailbox_id)];
    let bad = ids.into_iter().filter(|(_, id)| id.is_some_and(|id| id != 0 && !crate::is_id(id)));
    let expected = "expected an integer between 0 and 2147483647";
    let problems: Vec<_> = bad.map(|(pointer, _)| Problem::new(Place::request(pointer), expected)).collect();
    if !problems.is_empty() {
        return Err(Error::invalid(problems));
    }
    let grants = match wire.auth_level.as_deref() {
        Some("NoChange") => {
            notes.extend(unused_scope(wire));
            GrantChange::Keep
        }
        word => {
            let level = word.and_then(AuthLevel::from_word).ok_or_else(|| {
                Error::invalid(vec![Problem::new(Place::request("/authLevel"), "expected an AuthLevel")])
            })?;
            let target = target(level, wire, &mut notes)?;
            let lowered = ecgrid.roles.note(level.word(), Place::request("/authLevel"));
            let nothing_left = lowered.as_ref().is_some_and(|note| note.kind == NoteKind::Dropped);
            notes.extend(lowered);
            match ecgrid.roles.role(level.word()) {
                // A role that is taken for none is not given; that is no order to take another one away.
                Some(Role::None) if nothing_left => GrantChange::Keep,
                Some(Role::None) => GrantChange::Remove(target),
                Some(role) => GrantChange::Upsert(role, target),
                None => return Err(Error::new(ErrorKind::Internal, "an AuthLevel without a meaning")),
            }
        }
    };
    let patch = UserPatch { grants, ..UserPatch::default() };
    Ok((Command::UpdateUser { user: user_id(wire.user_id), patch }, notes))
}

/// The scope of a role that is not to change.
fn unused_scope(wire: &SetRole) -> impl Iterator<Item = Note> {
    let ids = [("/networkId", wire.network_id), ("/mailboxId", wire.mailbox_id)];
    let given = ids.into_iter().filter(|(_, id)| id.is_some_and(|id| id != 0));
    given.map(|(pointer, _)| Note::narrowed(Place::request(pointer), "`NoChange` changes nothing in any scope"))
}

/// The scope that a role is set in. A role has a width of its own, and the ids must fit it: a mailbox's role must not
/// end up as a network's.
fn target(level: AuthLevel, wire: &SetRole, notes: &mut Vec<Note>) -> Result<Target> {
    let invalid = |pointer: &'static str, expected: String| {
        Err(Error::invalid(vec![Problem::new(Place::request(pointer), expected)]))
    };
    let mailbox = wire.mailbox_id.filter(|&id| id > 0);
    let network = match (wire.network_id, mailbox) {
        (None, None) => return Ok(Target::Only { level: level.level() }),
        (None, Some(_)) => return invalid("/networkId", "required beside mailboxId".into()),
        (Some(0), _) => return invalid("/networkId", "expected the network's id; 0 leaves it to the vendor".into()),
        (Some(network), _) => network,
    };
    let mailbox = match (level.level(), mailbox) {
        (Some(Level::Organisation), Some(_)) => {
            let reason = format!("{} holds for a network with all its mailboxes", level.word());
            notes.push(Note::dropped(Place::request("/mailboxId"), reason));
            None
        }
        (Some(Level::Unit), None) => {
            return invalid("/mailboxId", format!("required: {} is a role in a mailbox", level.word()));
        }
        (_, mailbox) => mailbox,
    };
    Ok(Target::Scope(wire::canonical_scope(NetworkMailbox { network, mailbox })))
}

// === As a client ===

/// The user that a reply shows, who must be the one that was asked for.
pub(crate) fn user(ecgrid: &Ecgrid, asked: i64, reply: &Reply) -> Result<(User, Vec<Note>)> {
    accepted(reply)?;
    let envelope: Data<UserIdInfo> = json::reply(&reply.body)?;
    let mut notes = envelope.notes();
    if envelope.data.user_id != asked {
        return Err(Error::new(ErrorKind::BadReply, "the upstream answered with another user"));
    }
    let (user, others) = envelope.data.into_user(&ecgrid.roles);
    notes.extend(others);
    Ok((user, notes))
}

/// The `true` of an operation that only succeeds.
pub(crate) fn done(reply: &Reply) -> Result<()> {
    accepted(reply)?;
    let envelope: Data<bool> = json::reply(&reply.body)?;
    if envelope.data {
        Ok(())
    } else {
        Err(Error::refused(
            ErrorKind::BadReply,
            Refusal { status: reply.status, code: None, text: Some("data: false".into()) },
        ))
    }
}

/// Whether the vendor did what it was asked: `success` comes before the status.
fn accepted(reply: &Reply) -> Result<()> {
    let verdict: Option<Verdict> = serde_json::from_slice(&reply.body).ok();
    let success = verdict.as_ref().and_then(|verdict| verdict.success);
    if reply.status.is_success() && success != Some(false) {
        return Ok(());
    }
    let verdict = verdict.unwrap_or_default();
    let kind = codes::refusal_kind(verdict.error_code.as_deref(), reply.status);
    let failed = verdict.error_code.as_deref() == Some("InternalError");
    // What it says about a credential is about the gateway's: not for the client.
    let verdict = if codes::is_about_credential(verdict.error_code.as_deref(), reply.status) {
        Verdict::default()
    } else {
        verdict
    };
    let code = verdict.error_code.filter(|code| !code.is_empty());
    let refusal = Refusal { status: reply.status, code, text: verdict.message };
    let error = Error::refused(kind, refusal).with_retry_after(reply.retry_after());
    Err(if failed { error.with_effect(Effect::Unknown) } else { error })
}

/// The name under which the vendor's configuration has a preference.
pub(crate) fn config_field<'a>(ecgrid: &'a Ecgrid, key: &str) -> Option<&'a Text> {
    ecgrid.preferences.iter().find(|(_, canonical)| *canonical == key).map(|(field, _)| field)
}
