//! Creating a user, which TextUs does only with a membership.

use interlingua_core::{Call, Error, Field, NewUser, Note, Password, Problem, Reply, Result, Step, Text, json};

use super::{joined, memberships, not_empty, read_call, send, show};
use crate::{Textus, read, routes::Op, wire::CreateUserOut};

pub(super) fn plan(textus: &Textus, new: &NewUser, replies: &[Reply]) -> Result<Step> {
    let mut notes = Vec::new();
    let call = create_call(new, &mut notes)?;
    let Some((reply, again)) = replies.split_first() else { return Ok(send(call, notes)) };
    let (created, found) = read::new_user(textus, reply)?;
    match again.last() {
        _ if created.grants.is_some() => Ok(show(created, notes, found)),
        None => Ok(send(read_call(&created.id), notes)),
        Some(reply) => {
            let (user, found) = read::user(textus, &created.id, reply)?;
            Ok(show(user, notes, found))
        }
    }
}

fn create_call(new: &NewUser, notes: &mut Vec<Note>) -> Result<Call> {
    let mut problems = Vec::new();
    let name = name(new, notes)?;
    if name.is_none() {
        problems.push(Problem::new(Field::Name, "required: a user of TextUs has a name"));
    }
    let memberships = memberships(&new.grants, notes)?;
    if memberships.is_empty() {
        problems.push(Problem::new(Field::Grants, "required: a user of TextUs is created with a membership"));
    }
    let Some(name) = name.filter(|_| problems.is_empty()) else { return Err(Error::invalid(problems)) };
    if new.password.as_ref().is_some_and(|password| !Password::is_generated(password)) {
        let reason = "TextUs lets its users choose their own, and is not told this one";
        notes.push(Note::narrowed(Field::Password, reason));
    }
    let wire = CreateUserOut { name, email: new.email.as_str(), memberships };
    let fields = vec![Field::Name, Field::Email, Field::Grants];
    Ok(Call::write(Op::CreateUser.method(), Op::CreateUser.path().fill(&[]), json::write(&wire), fields))
}

fn name(new: &NewUser, notes: &mut Vec<Note>) -> Result<Option<Text>> {
    match (new.name.display.value(), new.name.given.value(), new.name.family.value()) {
        (Some(whole), ..) => not_empty(whole.clone()).map(Some),
        (None, None, None) => Ok(None),
        (None, given, family) => {
            joined(given.map_or("", Text::as_str), family.map_or("", Text::as_str), notes).map(Some)
        }
    }
}
