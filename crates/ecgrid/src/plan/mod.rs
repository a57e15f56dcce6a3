//! The calls that a command needs at this vendor.

mod create;
pub(crate) mod effect;
mod find;
mod message;
mod remove;
mod update;

use interlingua_core::{
    Call, Command, Error, ErrorKind, Field, Grant, Level, Note, Outcome, Problem, Reply, Result, Role, Scope, Step,
    ToText as _, User, UserPatch, json, split_name,
};

use crate::{
    Ecgrid,
    codes::{self, AuthLevel, NetworkMailbox},
    routes::Op,
    wire::SetRole,
};

pub(crate) fn plan(ecgrid: &Ecgrid, command: &Command, replies: &[Reply]) -> Result<Step> {
    match command {
        // To show a user is to change nothing.
        Command::GetUser { user } => update::plan(ecgrid, user, &UserPatch::default(), replies),
        Command::UpdateUser { user, patch } => update::plan(ecgrid, user, patch, replies),
        Command::GetSelf => find::plan_self(ecgrid, replies),
        Command::FindUsers { query, page } => find::plan(ecgrid, query, page, replies),
        Command::CreateUser(new) => create::plan(ecgrid, new, replies),
        Command::DeleteUser { user, removal } => remove::plan(ecgrid, user, *removal, replies),
        Command::SendMessage { user, message } => message::plan(ecgrid, user, message, replies),
        _ => Err(Error::new(ErrorKind::Unsupported, "ECGrid has no counterpart for this operation")),
    }
}

/// A plan of one call, whose reply tells what came of it.
fn single(
    call: Call,
    mut notes: Vec<Note>,
    replies: &[Reply],
    read: impl FnOnce(&Reply) -> Result<(Outcome, Vec<Note>)>,
) -> Result<Step> {
    let Some(reply) = replies.first() else { return Ok(Step::Send { calls: vec![call], notes }) };
    let (outcome, found) = read(reply)?;
    notes.extend(found);
    Ok(Step::Done { outcome, notes })
}

// === Calls ===

/// The call that shows a user.
fn get_user(id: i64) -> Call {
    Call::read(Op::GetUser.method(), Op::GetUser.path().fill(&[&id.to_compact_string()]))
}

/// A call that reads what a document asks for.
fn ask(op: Op, wire: &impl serde::Serialize) -> Call {
    Call { body: json::write(wire), ..Call::read(op.method(), op.path().fill(&[])) }
}

/// The call that sets a role: in a scope, or where the user is.
fn set_role(id: i64, level: AuthLevel, scope: Option<NetworkMailbox>) -> Call {
    let wire = SetRole {
        user_id: id,
        auth_level: Some(level.word().into()),
        network_id: scope.map(|scope| scope.network),
        mailbox_id: scope.and_then(|scope| scope.mailbox),
    };
    write(Op::SetRole, &wire, vec![Field::Role])
}

/// A call that writes what a document says.
fn write(op: Op, wire: &impl serde::Serialize, fields: Vec<Field>) -> Call {
    let call = Call::write(op.method(), op.path().fill(&[]), json::write(wire), fields);
    // Creating makes another user each time, and a message is sent each time; the others set what is to be.
    if matches!(op, Op::CreateUser | Op::SendSms) { call } else { call.repeatable() }
}

// === Names ===

/// A whole name in the two halves that this vendor has.
fn split_whole<'a>(whole: &'a str, notes: &mut Vec<Note>) -> Result<(&'a str, &'a str)> {
    if whole.trim().is_empty() {
        return Err(Error::invalid(vec![Problem::new(Field::Name, "expected more than blanks")]));
    }
    if clean_halves(whole).is_none() {
        let reason = "ECGrid has first and last name; the name is split at its first space";
        notes.push(Note::narrowed(Field::Name, reason));
    }
    Ok(split_name(whole))
}

/// The halves of a name of just two words, which can be split in one way only.
fn clean_halves(name: &str) -> Option<(&str, &str)> {
    name.split_once(' ').filter(|(given, family)| !given.is_empty() && !family.is_empty() && !family.contains(' '))
}

// === Roles ===

/// The vendor's own form of a scope.
fn network_mailbox(scope: &Scope) -> Result<NetworkMailbox> {
    NetworkMailbox::parse(&scope.id)
        .ok_or_else(|| Error::new(ErrorKind::Internal, format!("`{}` is not an ECGrid network or mailbox", scope.id)))
}

/// The vendor's word for a role that a command gives.
fn word(role: Role, level: Level, notes: &mut Vec<Note>) -> Result<AuthLevel> {
    let (level, narrowed) = AuthLevel::for_role(role, level).ok_or_else(codes::forbidden_role)?;
    if narrowed {
        let reason = format!("ECGrid has no word for just `{role}`; it becomes {}", level.word());
        notes.push(Note::narrowed(Field::Role, reason));
    }
    Ok(level)
}

/// That of so many roles only one can be seen.
fn several_roles(count: usize) -> Note {
    Note::dropped(Field::Grants, format!("ECGrid shows one role in one scope at a time, not {count}"))
}

/// The role that a user has.
struct Present {
    /// As others see it, who may see it as less than it is; `None` where they see none that has a word.
    shown: Option<AuthLevel>,
    /// As the vendor has it. What may be done, and in which order, is decided by this one.
    level: AuthLevel,
    /// Where the role holds.
    granted: Option<NetworkMailbox>,
    /// Where the user is: the mailbox, too, when the role is the network's.
    scope: Option<NetworkMailbox>,
}

impl Present {
    fn new(ecgrid: &Ecgrid, user: &User) -> Result<Self> {
        let scope = user.primary_scope.as_ref().and_then(|scope| NetworkMailbox::parse(&scope.id));
        match user.grants.as_deref() {
            Some([]) => Ok(Self { shown: Some(AuthLevel::General), level: AuthLevel::General, granted: None, scope }),
            Some([Grant { scope: Scope { id, .. }, id: Some(word), .. }]) => {
                let level = AuthLevel::from_word(word).ok_or_else(unknown_role)?;
                let granted = NetworkMailbox::parse(id);
                let role = ecgrid.roles.role(word).unwrap_or(Role::None);
                let shown = granted.and_then(|scope| AuthLevel::for_role(role, scope.level()));
                Ok(Self { shown: shown.map(|(level, _)| level), level, granted, scope })
            }
            _ => Err(unknown_role()),
        }
    }

    /// Refuses to touch a user whose role is above every translation.
    fn may_change(&self) -> Result<()> {
        if self.level.role() < Role::System {
            return Ok(());
        }
        Err(Error::new(ErrorKind::Forbidden, "the user has a system-wide role, which a translation must not change"))
    }
}

fn unknown_role() -> Error {
    Error::new(ErrorKind::BadReply, "the upstream does not say which role the user has")
}
