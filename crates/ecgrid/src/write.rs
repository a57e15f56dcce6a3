//! The answers that a client of this dialect gets: what came of a request, or why nothing did.

use interlingua_core::{
    Document, Error, ErrorKind, Field, Grant, Known, Note, Outcome, Place, Response, Result, Role, ScopeId, Text, User,
    Writing, http::StatusCode, json, split_name,
};

use crate::{
    Ecgrid,
    codes::{self, AuthLevel, NetworkMailbox},
    read,
    routes::Op,
    wire::{self, Failure, Success, UserIdInfoOut},
};

pub(crate) fn outcome(operation: &str, outcome: &Outcome) -> Result<Writing> {
    let op = Op::from_name(operation)
        .ok_or_else(|| Error::new(ErrorKind::Internal, "the outcome is for an operation of another dialect"))?;
    let (response, notes) = match (op, outcome) {
        (
            Op::GetMe | Op::GetUser | Op::CreateUser | Op::UpdateUser | Op::SetRole | Op::SetNetworkMailbox,
            Outcome::User(shown),
        ) => {
            let (data, notes) = user(shown)?;
            (success(&data), notes)
        }
        (Op::GetUserByName | Op::ListUsers, Outcome::Users(page)) => {
            let (data, notes) = users(&page.users)?;
            (success(&data), notes)
        }
        (Op::UpdateConfig, Outcome::User(_) | Outcome::Done) | (Op::SendSms | Op::TerminateUser, Outcome::Done) => {
            (success(&true), Vec::new())
        }
        _ => return Err(Error::new(ErrorKind::Internal, "the outcome is not one of this operation")),
    };
    Ok(Writing { response, notes })
}

pub(crate) fn success(data: &impl serde::Serialize) -> Response {
    document(StatusCode::OK, &Success { success: true, data })
}

fn users(users: &[User]) -> Result<(Vec<UserIdInfoOut<'_>>, Vec<Note>)> {
    let (mut data, mut notes, mut of_any) = (Vec::with_capacity(users.len()), Vec::new(), Vec::new());
    for (index, user) in users.iter().enumerate() {
        let (one, others) = self::user(user)?;
        data.push(one);
        for note in others {
            match note.place {
                // What the other dialect's documents have; once says it of all.
                Place::Field(..) if of_any.contains(&note) => {}
                Place::Field(..) => of_any.push(note),
                Place::Pointer(..) => notes.push(wire::of_list(note, index)),
            }
        }
    }
    notes.append(&mut of_any);
    Ok((data, notes))
}

fn user(user: &User) -> Result<(UserIdInfoOut<'_>, Vec<Note>)> {
    let user_id = read::number(&user.id)?;
    let mut notes = Vec::new();
    let login = match (&user.login, &user.email) {
        (Known::Unknown, Known::Value(email)) => {
            notes.push(Note::defaulted(Place::response("/data/login"), "the e-mail address stands for it"));
            Some(Some(email.as_str()))
        }
        (login, _) => member(login, "/data/login", &mut notes),
    };
    let email = member(&user.email, "/data/email", &mut notes);
    let (first_name, last_name) = names(user, &mut notes);
    let role = role(user, &mut notes)?;
    let status = user.status.value().map(|status| codes::status_word(*status));
    let created = user.created.value().map(interlingua_core::Timestamp::as_str);
    for (pointer, known) in [("/data/status", status.is_some()), ("/data/created", created.is_some())] {
        if !known {
            notes.push(Note::unknown(Place::response(pointer), "the upstream does not say"));
        }
    }
    if user.avatar.value().is_some() {
        notes.push(Note::dropped(Place::Field(Document::Upstream, Field::Avatar), "a UserIDInfo has no picture"));
    }
    if user.automated == Known::Value(true) {
        notes.push(Note::dropped(
            Place::Field(Document::Upstream, Field::Automated),
            "a UserIDInfo does not say that a user is a program",
        ));
    }
    let data = UserIdInfoOut {
        user_id,
        login,
        email,
        first_name,
        last_name,
        network_id: role.network_id,
        mailbox_id: role.mailbox_id,
        auth_level: role.auth_level,
        status,
        created,
    };
    Ok((data, notes))
}

/// A text as a member of a document: left out where nobody knows it, null where it is known to be none.
fn member<'a>(text: &'a Known<Text>, pointer: &'static str, notes: &mut Vec<Note>) -> Option<Option<&'a str>> {
    match text {
        Known::Unknown => {
            notes.push(Note::unknown(Place::response(pointer), "the upstream does not say"));
            None
        }
        Known::Null => Some(None),
        Known::Value(text) => Some(Some(text)),
    }
}

/// The halves of the name, or the whole split in two.
fn names<'a>(user: &'a User, notes: &mut Vec<Note>) -> (Option<Option<&'a str>>, Option<Option<&'a str>>) {
    match (&user.name.given, &user.name.family, &user.name.display) {
        (Known::Unknown, Known::Unknown, Known::Value(whole)) => {
            let (given, family) = split_name(whole);
            if family.is_empty() || family.contains(' ') {
                notes
                    .push(Note::narrowed(Place::response("/data/firstName"), "a whole name, split at its first space"));
            }
            (Some(Some(given)), Some(Some(family)))
        }
        (given, family, _) => (member(given, "/data/firstName", notes), member(family, "/data/lastName", notes)),
    }
}

/// The one role that a UserIDInfo shows, and where the user is.
struct ShownRole {
    network_id: Option<i64>,
    mailbox_id: Option<i64>,
    auth_level: Option<&'static str>,
}

fn role(user: &User, notes: &mut Vec<Note>) -> Result<ShownRole> {
    let at = || Place::response("/data/authLevel");
    let primary = user.primary_scope.as_ref();
    let present = primary.map(|scope| network_mailbox(&scope.id)).transpose()?;
    let Some(grants) = &user.grants else {
        notes.push(Note::unknown(at(), "the upstream does not say"));
        return Ok(ShownRole::new(None, present, notes));
    };
    let candidates: Vec<_> = grants.iter().map(Candidate::new).collect::<Result<_>>()?;
    let candidates: Vec<_> = candidates.into_iter().flatten().collect();
    if grants.iter().any(|grant| grant.role == Role::System) {
        notes.push(Note::dropped(at(), "a system-wide role is never carried"));
    }
    let shown = candidates
        .iter()
        .find(|candidate| primary.is_some_and(|scope| scope.id == candidate.grant.scope.id))
        .or_else(|| candidates.iter().min_by_key(|candidate| candidate.level as u8));
    let Some(shown) = shown else { return Ok(ShownRole::new(Some(AuthLevel::General), present, notes)) };
    if shown.narrowed {
        notes.push(Note::narrowed(at(), "this dialect has no word for the role; the next lower one is shown"));
    }
    let others = candidates.iter().filter(|other| !std::ptr::eq(*other, shown) && other.grant.role > Role::None);
    let others: Vec<_> = others.map(|other| other.grant.scope.id.as_str()).collect();
    if !others.is_empty() {
        let reason = format!("a UserIDInfo shows one role; the user has others in {}", others.join(", "));
        notes.push(Note::dropped(at(), reason));
    }
    let mailbox = shown.scope.mailbox.or_else(|| mailbox_in(shown.scope.network, present, &candidates));
    Ok(ShownRole::new(Some(shown.level), Some(NetworkMailbox { mailbox, ..shown.scope }), notes))
}

impl ShownRole {
    fn new(level: Option<AuthLevel>, scope: Option<NetworkMailbox>, notes: &mut Vec<Note>) -> Self {
        if scope.is_none() {
            notes.push(Note::unknown(Place::response("/data/networkId"), "no network is known for the user"));
        }
        Self {
            network_id: scope.map(|scope| scope.network),
            // 0 is the vendor's word for none.
            mailbox_id: scope.map(|scope| scope.mailbox.unwrap_or(0)),
            auth_level: level.map(AuthLevel::word),
        }
    }
}

fn network_mailbox(id: &ScopeId) -> Result<NetworkMailbox> {
    NetworkMailbox::parse(id)
        .ok_or_else(|| Error::new(ErrorKind::Internal, format!("`{id}` is not an ECGrid network or mailbox")))
}

/// The mailbox of a user whose role is a network's: the one that the user is said to be in, else the only one of that
/// network in which the user has a role.
fn mailbox_in(network: i64, present: Option<NetworkMailbox>, candidates: &[Candidate<'_>]) -> Option<i64> {
    let here = |scope: &NetworkMailbox| scope.network == network && scope.mailbox.is_some();
    let mut roles =
        candidates.iter().filter(|other| other.grant.role > Role::None).map(|other| other.scope).filter(here);
    let only = roles.next().filter(|_| roles.next().is_none());
    present.filter(here).or(only)?.mailbox
}

/// A grant that this dialect has words for.
struct Candidate<'a> {
    grant: &'a Grant,
    scope: NetworkMailbox,
    level: AuthLevel,
    narrowed: bool,
}

impl<'a> Candidate<'a> {
    fn new(grant: &'a Grant) -> Result<Option<Self>> {
        let scope = network_mailbox(&grant.scope.id)?;
        let word = AuthLevel::for_role(grant.role, scope.level());
        Ok(word.map(|(level, narrowed)| Self { grant, scope, level, narrowed }))
    }
}

pub(crate) fn error(ecgrid: &Ecgrid, error: &Error) -> Response {
    let (status, error_code) = codes::error_code(error.kind(), error.credential());
    let message = error.describe(|field| pointer(ecgrid, field, Document::Request));
    document(status, &Failure { success: false, error_code, message: &message, data: () })
}

fn document(status: StatusCode, document: &impl serde::Serialize) -> Response {
    Response::new(status, json::write(document))
}

/// Where a document has a field.
pub(crate) fn pointer(ecgrid: &Ecgrid, field: &Field, document: Document) -> String {
    let member = match field {
        Field::User => "userId",
        // All that a search says, and nothing of it in particular.
        Field::Search => return String::new(),
        Field::Login => "login",
        Field::Email => "email",
        Field::Name | Field::GivenName => "firstName",
        Field::FamilyName => "lastName",
        Field::Grants | Field::Role => "authLevel",
        Field::Scope | Field::SearchScope => "networkId",
        Field::Status => "status",
        Field::Created => "created",
        Field::Password => "password",
        Field::Page => "pageNo",
        Field::Message => "message",
        Field::Preference(key) => read::config_field(ecgrid, key).unwrap_or(key),
        // No document of this dialect has it; the canonical name is the best there is.
        other => &other.name(),
    };
    let member = interlingua_core::pointer_token(member);
    match document {
        Document::Request => format!("/{member}"),
        Document::Response | Document::Upstream => format!("/data/{member}"),
    }
}
