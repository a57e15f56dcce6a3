//! What a client's request means, and what the vendor's reply means.

use std::{borrow::Cow, collections::BTreeMap, num::NonZeroU32};

use interlingua_core::{
    Command, Effect, Error, ErrorKind, Grant, GrantChange, Known, Level, Message, NOTIFY_AUDIO, NOTIFY_EMAIL, Name,
    NamePatch, NewUser, Note, PageRequest, Password, Patch, Place, Problem, Reading, Refusal, Removal, Reply, Request,
    Result, Role, Scope, Target, Text, ToText as _, User, UserId, UserPatch, UserQuery, json, pointer_token,
};
use serde::de::DeserializeOwned;

use crate::{
    Ecgrid,
    codes::{self, AuthLevel, NetworkMailbox},
    routes::Op,
    wire::{
        self, CreateUser, Data, GetUserByName, ListUsers, SendSms, SetNetworkMailbox, SetRole, UpdateConfig,
        UpdateUser, UserIdInfo, Verdict,
    },
};

// === As a server ===

pub(crate) fn request(ecgrid: &Ecgrid, request: &Request) -> Result<Reading> {
    let (operation, parameters) = ecgrid
        .dialect
        .find(&request.method, &request.path)
        .map_err(|_| Error::new(ErrorKind::NoSuchPath, "there is no such path or method"))?;
    let op = Op::from_name(operation.name).expect("the dialect's operations are made from `Op`");
    let user = || path_id(parameters.first());
    let body = &request.body;
    let (command, notes) = match op {
        Op::GetMe => (Command::GetSelf, Vec::new()),
        Op::GetUser => (Command::GetUser { user: user()? }, Vec::new()),
        Op::GetUserByName => (get_user_by_name(json::request(body)?)?, Vec::new()),
        Op::ListUsers => list_users(&json::request(body)?)?,
        Op::CreateUser => create_user(ecgrid, json::request(body)?)?,
        Op::UpdateUser => (update_user(json::request(body)?)?, Vec::new()),
        Op::UpdateConfig => update_config(ecgrid, json::request(body)?)?,
        Op::SetRole => set_role(ecgrid, &json::request(body)?)?,
        Op::SetNetworkMailbox => (set_network_mailbox(&json::request(body)?)?, Vec::new()),
        Op::SendSms => (send_sms(ecgrid, json::request(body)?)?, Vec::new()),
        Op::TerminateUser => (Command::DeleteUser { user: user()?, removal: Removal::Permanent }, Vec::new()),
        Op::UpdatePassword | Op::GeneratePassword | Op::GetApiKey | Op::GenerateApiKey | Op::ResetSessions => {
            let (_, why) = op.translated().words();
            return Err(Error::new(ErrorKind::Unsupported, format!("`{}` has no counterpart: {why}", op.name())));
        }
    };
    Ok(Reading { operation: op.name().into(), command, notes })
}

/// Of the two operations that are asked for most: the types of `wire` say what their schemas say.
pub(crate) fn valid_request(ecgrid: &Ecgrid, request: &Request) -> Option<Reading> {
    let (operation, parameters) = ecgrid.dialect.find(&request.method, &request.path).ok()?;
    if !request.query.is_empty() || operation.path.check(&parameters).is_err() {
        return None;
    }
    let command = match Op::from_name(operation.name)? {
        Op::GetUser => Command::GetUser { user: path_id(parameters.first()).ok()? },
        Op::UpdateUser => {
            let wire: UpdateUser = json::request(&request.body).ok()?;
            if !wire.others.0.is_empty() {
                return None;
            }
            update_user(wire).ok()?
        }
        _ => return None,
    };
    Some(Reading { operation: operation.name.into(), command, notes: Vec::new() })
}

fn invalid(pointer: &'static str, expected: impl Into<Cow<'static, str>>) -> Error {
    Error::invalid(vec![Problem::new(Place::request(pointer), expected)])
}

fn path_id(parameter: Option<&String>) -> Result<UserId> {
    parameter
        .and_then(|id| id.parse().ok())
        .filter(|id| crate::is_id(*id))
        .map(user_id)
        .ok_or_else(|| invalid("/userId", "expected an integer in the path"))
}

fn user_id(id: i64) -> UserId {
    UserId::new(id.to_compact_string())
}

/// The vendor's own form of an id.
pub(crate) fn number(user: &UserId) -> Result<i64> {
    user.as_str()
        .parse()
        .ok()
        .filter(|id| crate::is_id(*id))
        .ok_or_else(|| Error::new(ErrorKind::Internal, format!("`{user}` is not an ECGrid user id")))
}

// === Finding ===

/// All users of that login at once: the vendor has no pages of them.
fn get_user_by_name(wire: GetUserByName) -> Result<Command> {
    let login = Some(not_empty(wire.login, "/login")?);
    let page = PageRequest::Numbered { number: NonZeroU32::MIN, size: NonZeroU32::MAX };
    Ok(Command::FindUsers { query: UserQuery { login, ..UserQuery::default() }, page })
}

/// A level that is asked for is one that is shown: every role that this dialect writes it for.
fn list_users(wire: &ListUsers) -> Result<(Command, Vec<Note>)> {
    let ids = Ids::new(wire.network_id, wire.mailbox_id)?;
    let level = wire.auth_level.as_deref().filter(|word| *word != NO_CHANGE).map(auth_level).transpose()?;
    let status = |word| codes::status_from_word(word).ok_or_else(|| invalid("/status", "expected a status"));
    let mut notes = Vec::new();
    let query = UserQuery {
        scopes: ids.filter(level, &mut notes)?.into_iter().collect(),
        roles: level.map(AuthLevel::written_for).unwrap_or_default(),
        level: level.and_then(AuthLevel::level),
        status: wire.status.as_deref().map(status).transpose()?,
        ..UserQuery::default()
    };
    let page = PageRequest::Numbered {
        number: count(wire.page_no, 1, wire::LAST_PAGE, "/pageNo")?,
        size: count(wire.records_per_page, 25, wire::LARGEST_PAGE, "/recordsPerPage")?,
    };
    Ok((Command::FindUsers { query, page }, notes))
}

fn count(number: Option<i64>, default: u32, most: u32, pointer: &'static str) -> Result<NonZeroU32> {
    let number = number.map_or(Some(default), |number| u32::try_from(number).ok());
    number
        .filter(|number| *number <= most)
        .and_then(NonZeroU32::new)
        .ok_or_else(|| invalid(pointer, format!("expected an integer between 1 and {most}")))
}

fn not_empty(text: Text, pointer: &'static str) -> Result<Text> {
    if text.is_empty() { Err(invalid(pointer, "expected a text that is not empty")) } else { Ok(text) }
}

// === Creating, removing, telling ===

fn create_user(ecgrid: &Ecgrid, wire: CreateUser) -> Result<(Command, Vec<Note>)> {
    if !wire::is_password(&wire.password) {
        return Err(invalid("/password", wire::PASSWORD));
    }
    let half = |half: Option<Text>| half.map_or(Known::Unknown, Known::Value);
    let (grants, notes) = first_grant(ecgrid, &wire)?;
    let user = NewUser {
        login: Some(not_empty(wire.login, "/login")?),
        email: wire::email(&wire.email)?,
        name: Name { display: Known::Unknown, given: half(wire.first_name), family: half(wire.last_name) },
        password: Some(Password::given(wire.password)),
        grants,
    };
    Ok((Command::CreateUser(Box::new(user)), notes))
}

/// The role of a new user, which has to say where it holds: only the vendor knows its callers' own networks.
fn first_grant(ecgrid: &Ecgrid, wire: &CreateUser) -> Result<(Vec<Grant>, Vec<Note>)> {
    let ids = Ids::new(wire.network_id, wire.mailbox_id)?;
    let word = wire.auth_level.as_deref().filter(|word| *word != NO_CHANGE);
    let level = word.map_or(Ok(AuthLevel::MailboxUser), auth_level)?;
    let mut notes = Vec::new();
    let role = role(ecgrid, level, &mut notes)?;
    if role == Role::None {
        notes.extend(ids.unused("a user without a role is in no scope elsewhere"));
        return Ok((Vec::new(), notes));
    }
    match ids.target(level, &mut notes)? {
        Target::Scope(scope) => Ok((vec![Grant { role, scope, id: None }], notes)),
        Target::Only { .. } if role == Role::System => Err(codes::forbidden_role()),
        Target::Only { .. } => Err(invalid("/networkId", NETWORK_REQUIRED)),
    }
}

fn send_sms(ecgrid: &Ecgrid, wire: SendSms) -> Result<Command> {
    let phone = ecgrid.preferences.get(CELL_PHONE).ok_or_else(|| {
        invalid("/userId", "a user whose cell phone is known: name `cellPhone` in [mapping.preferences]")
    })?;
    let message = Message { text: not_empty(wire.message, "/message")?, phone: phone.clone() };
    Ok(Command::SendMessage { user: user_id(wire.user_id), message })
}

/// The field of Update Config that text messages go to.
pub(crate) const CELL_PHONE: &str = "cellPhone";

// === Changing ===

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
    let ids = Ids::new(wire.network_id, wire.mailbox_id)?;
    let mut notes = Vec::new();
    let grants = match wire.auth_level.as_deref() {
        Some(NO_CHANGE) => {
            notes.extend(ids.unused("`NoChange` changes nothing in any scope"));
            GrantChange::Keep
        }
        word => {
            let level = auth_level(word.unwrap_or_default())?;
            let target = ids.target(level, &mut notes)?;
            match role(ecgrid, level, &mut notes)? {
                // A role that is taken for none is not given; that is no order to take another one away.
                Role::None if level.role() > Role::None => GrantChange::Keep,
                Role::None => GrantChange::Remove(target),
                role => GrantChange::Upsert(role, target),
            }
        }
    };
    let patch = UserPatch { grants, ..UserPatch::default() };
    Ok((Command::UpdateUser { user: user_id(wire.user_id), patch }, notes))
}

/// Whatever role the user has, in another scope.
fn set_network_mailbox(wire: &SetNetworkMailbox) -> Result<Command> {
    let ids = Ids::new(wire.network_id, wire.mailbox_id)?;
    let network = ids.network.filter(|&id| id > 0).ok_or_else(|| invalid("/networkId", NETWORK_REQUIRED))?;
    let to = wire::canonical_scope(NetworkMailbox { network, mailbox: ids.mailbox() });
    let grants = GrantChange::Move { from: Target::Only { level: None }, to };
    let patch = UserPatch { grants, ..UserPatch::default() };
    Ok(Command::UpdateUser { user: user_id(wire.user_id), patch })
}

const NETWORK_REQUIRED: &str = "required: a translation cannot know the caller's default network";

// === Roles and scopes ===

/// "Leave as it is", in the place of an AuthLevel.
const NO_CHANGE: &str = "NoChange";

fn auth_level(word: &str) -> Result<AuthLevel> {
    AuthLevel::from_word(word).ok_or_else(|| invalid("/authLevel", "expected an AuthLevel"))
}

/// What a level is taken for, which may be less than the vendor means.
fn role(ecgrid: &Ecgrid, level: AuthLevel, notes: &mut Vec<Note>) -> Result<Role> {
    notes.extend(ecgrid.roles.note(level.word(), || Place::request("/authLevel")));
    let without = || Error::new(ErrorKind::Internal, "an AuthLevel without a meaning");
    ecgrid.roles.role(level.word()).ok_or_else(without)
}

/// The network and the mailbox that a request names. 0 leaves it to the vendor, or is no mailbox.
#[derive(Clone, Copy)]
struct Ids {
    network: Option<i64>,
    mailbox: Option<i64>,
}

impl Ids {
    fn new(network: Option<i64>, mailbox: Option<i64>) -> Result<Self> {
        let ids = Self { network, mailbox };
        let bad = ids.members().into_iter().filter(|(_, id)| id.is_some_and(|id| id != 0 && !crate::is_id(id)));
        let expected = "expected an integer between 0 and 2147483647";
        let problems: Vec<_> = bad.map(|(pointer, _)| Problem::new(Place::request(pointer), expected)).collect();
        if problems.is_empty() { Ok(ids) } else { Err(Error::invalid(problems)) }
    }

    fn members(self) -> [(&'static str, Option<i64>); 2] {
        [("/networkId", self.network), ("/mailboxId", self.mailbox)]
    }

    fn mailbox(self) -> Option<i64> {
        self.mailbox.filter(|&id| id > 0)
    }

    /// Ids that nothing comes of.
    fn unused(self, reason: &'static str) -> impl Iterator<Item = Note> {
        let given = self.members().into_iter().filter(|(_, id)| id.is_some_and(|id| id != 0));
        given.map(move |(pointer, _)| Note::narrowed(Place::request(pointer), reason))
    }

    /// The scope that a role is set in. A role has a width of its own, and the ids must fit it: a mailbox's role must
    /// not end up as a network's.
    fn target(self, level: AuthLevel, notes: &mut Vec<Note>) -> Result<Target> {
        let network = match (self.network, self.mailbox()) {
            (None, None) => return Ok(Target::Only { level: level.level() }),
            (None, Some(_)) => return Err(invalid("/networkId", "required beside mailboxId")),
            (Some(0), _) => {
                return Err(invalid("/networkId", "expected the network's id; 0 leaves it to the vendor"));
            }
            (Some(network), _) => network,
        };
        if level.level() == Some(Level::Unit) && self.mailbox().is_none() {
            return Err(invalid("/mailboxId", format!("required: {} is a role in a mailbox", level.word())));
        }
        Ok(Target::Scope(self.scope(network, Some(level), notes)))
    }

    /// The scope to find users in, who may be shown with this level only. 0 is no filter: which network it is only the
    /// vendor knows.
    fn filter(self, level: Option<AuthLevel>, notes: &mut Vec<Note>) -> Result<Option<Scope>> {
        let zero = self.members().into_iter().filter(|(_, id)| *id == Some(0));
        let reason = "0 is no filter here: users of every network, and of every mailbox, are found";
        notes.extend(zero.map(|(pointer, _)| Note::narrowed(Place::request(pointer), reason)));
        match (self.network.filter(|&id| id > 0), self.mailbox()) {
            (None, None) => Ok(None),
            (None, Some(_)) => Err(invalid("/networkId", "required beside mailboxId")),
            (Some(network), _) => Ok(Some(self.scope(network, level, notes))),
        }
    }

    /// The network, or the mailbox in it, unless the level is one that holds for the network as a whole.
    fn scope(self, network: i64, level: Option<AuthLevel>, notes: &mut Vec<Note>) -> Scope {
        let wide = level.filter(|level| level.level() == Some(Level::Organisation));
        let mailbox = match (wide, self.mailbox()) {
            (Some(level), Some(_)) => {
                let reason = format!("{} holds for a network with all its mailboxes", level.word());
                notes.push(Note::dropped(Place::request("/mailboxId"), reason));
                None
            }
            (_, mailbox) => mailbox,
        };
        wire::canonical_scope(NetworkMailbox { network, mailbox })
    }
}

// === As a client ===

/// The user that a reply shows, who must be the one that was asked for, where one was.
pub(crate) fn user(ecgrid: &Ecgrid, asked: Option<i64>, reply: &Reply) -> Result<(User, Vec<Note>)> {
    Ok(canonical(ecgrid, record(asked, reply)?))
}

/// The same in the vendor's words.
pub(crate) fn record(asked: Option<i64>, reply: &Reply) -> Result<Data<UserIdInfo>> {
    let envelope: Data<UserIdInfo> = data(reply)?;
    if asked.is_some_and(|asked| asked != envelope.data.user_id) {
        return Err(Error::new(ErrorKind::BadReply, "the upstream answered with another user"));
    }
    Ok(envelope)
}

/// What such a record means.
pub(crate) fn canonical(ecgrid: &Ecgrid, envelope: Data<UserIdInfo>) -> (User, Vec<Note>) {
    let mut notes = envelope.notes();
    let (user, others) = envelope.data.into_user(&ecgrid.roles);
    notes.extend(others);
    (user, notes)
}

/// The users that a reply shows.
pub(crate) fn users(ecgrid: &Ecgrid, reply: &Reply) -> Result<(Vec<User>, Vec<Note>)> {
    let envelope: Data<Vec<UserIdInfo>> = data(reply)?;
    let mut notes = envelope.notes();
    let users = envelope.data.into_iter().enumerate().map(|(index, info)| {
        let (user, others) = info.into_user(&ecgrid.roles);
        notes.extend(others.into_iter().map(|note| wire::of_list(note, index)));
        user
    });
    Ok((users.collect(), notes))
}

/// The `true` of an operation that only succeeds.
pub(crate) fn done(reply: &Reply) -> Result<()> {
    if data(reply)?.data {
        Ok(())
    } else {
        Err(Error::refused(
            ErrorKind::BadReply,
            Refusal { status: reply.status, code: None, text: Some("data: false".into()) },
        ))
    }
}

/// What a reply has for us, if it is a success.
pub(crate) fn data<T: DeserializeOwned>(reply: &Reply) -> Result<Data<T>> {
    // Nearly every reply is one, and is parsed once.
    if reply.status.is_success()
        && let Ok(envelope) = json::reply::<Data<T>>(&reply.body)
        && envelope.success != Some(false)
    {
        return Ok(envelope);
    }
    accepted(reply)?;
    json::reply(&reply.body)
}

/// Whether the vendor did what it was asked: `success` comes before the status.
pub(crate) fn accepted(reply: &Reply) -> Result<()> {
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
