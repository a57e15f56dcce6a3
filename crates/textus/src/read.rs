//! What a client's request means, and what the vendor's reply means.

use std::collections::{BTreeMap, HashSet};

use interlingua_core::{
    Command, Cursor, Email, Error, ErrorKind, Grant, GrantChange, Known, Name, NamePatch, NewUser, Note, Patch, Place,
    Problem, Reading, Refusal, Removal, Reply, Request, Result, Scope, Text, User, UserId, UserPatch, http::StatusCode,
    json, pointer_token,
};
use serde_json::Value;

use crate::{
    Textus, codes, query,
    routes::Op,
    wire::{self, CreateUser, MembershipIn, MembershipsIn, Notifications, UpdateUser, UserIn, UsersIn},
};

// === As a server ===

pub(crate) fn request(textus: &Textus, request: &Request) -> Result<Reading> {
    let (operation, parameters) = textus
        .dialect
        .find(&request.method, &request.path)
        .map_err(|_| Error::new(ErrorKind::NoSuchPath, "there is no such path or method"))?;
    let op = Op::from_name(operation.name).expect("the dialect's operations are made from `Op`");
    let user = || {
        let user = parameters.first().filter(|id| codes::is_id(id)).map(UserId::new);
        user.ok_or_else(|| Error::new(ErrorKind::NotFound, "the path does not hold a user's id"))
    };
    let (command, notes) = match op {
        Op::ListUsers => {
            let (query, page) = query::read(&request.query)?;
            (Command::FindUsers { query, page }, Vec::new())
        }
        Op::GetUser => (Command::GetUser { user: user()? }, Vec::new()),
        Op::CreateUser => {
            let (new, notes) = create_user(textus, json::request(&request.body)?)?;
            (Command::CreateUser(Box::new(new)), notes)
        }
        Op::UpdateUser => {
            let user = user()?;
            let (patch, notes) = update_user(textus, &user, json::request(&request.body)?)?;
            (Command::UpdateUser { user, patch }, notes)
        }
        Op::DeleteUser => (Command::DeleteUser { user: user()?, removal: Removal::Reversible }, Vec::new()),
    };
    Ok(Reading { operation: op.name().into(), command, notes })
}

/// Of the two operations that are asked for most: the types of `wire` say what their schemas say.
pub(crate) fn valid_request(textus: &Textus, request: &Request) -> Option<Reading> {
    let (operation, parameters) = textus.dialect.find(&request.method, &request.path).ok()?;
    if !request.query.is_empty() || operation.path.check(&parameters).is_err() {
        return None;
    }
    let user = parameters.first().filter(|id| codes::is_id(id)).map(UserId::new)?;
    let (command, notes) = match Op::from_name(operation.name)? {
        Op::GetUser => (Command::GetUser { user }, Vec::new()),
        Op::UpdateUser => {
            let wire: UpdateUser = json::request(&request.body).ok()?;
            if !wire.is_plain() {
                return None;
            }
            let (patch, notes) = update_user(textus, &user, wire).ok()?;
            (Command::UpdateUser { user, patch }, notes)
        }
        _ => return None,
    };
    Some(Reading { operation: operation.name.into(), command, notes })
}

fn create_user(textus: &Textus, wire: CreateUser) -> Result<(NewUser, Vec<Note>)> {
    let (mut problems, mut notes) = (Vec::new(), Vec::new());
    if wire.name.is_empty() {
        problems.push(Problem::new(Place::request("/name"), "expected a text that is not empty"));
    }
    if wire.memberships.is_empty() {
        problems.push(Problem::new(Place::request("/memberships"), "expected at least one membership"));
    }
    let email = email(&wire.email, &mut problems);
    let grants = grants(textus, wire.memberships, &mut problems, &mut notes);
    let Some(email) = email.filter(|_| problems.is_empty()) else { return Err(Error::invalid(problems)) };
    let name = Name { display: Known::Value(wire.name), ..Name::default() };
    Ok((NewUser { login: None, email, name, password: None, grants }, notes))
}

fn email(address: &str, problems: &mut Vec<Problem>) -> Option<Email> {
    let email = Email::parse(address).ok();
    if email.is_none() {
        problems.push(Problem::new(Place::request("/email"), "expected an e-mail address"));
    }
    email
}

fn update_user(textus: &Textus, user: &UserId, wire: UpdateUser) -> Result<(UserPatch, Vec<Note>)> {
    let mut problems = texts(user, &wire);
    let mut notes = Vec::new();
    let email = wire.email.and_then(|address| email(&address, &mut problems));
    let mut preferences = notifications(wire.notifications, wire.settings.notifications, &mut problems);
    for (key, value) in wire.settings.custom_settings {
        if wire::is_custom_key(&key) {
            preferences.insert(key, value.map_or(Patch::Clear, |text| Patch::Set(Value::String(text.into_string()))));
        } else {
            let place = Place::request(format!("/settings/customSettings/{}", pointer_token(&key)));
            notes.push(Note::dropped(place, "the key is not the IRI of a custom field"));
        }
    }
    for (present, pointer, reason) in [
        (wire.default_messaging_account.is_some(), "/defaultMessagingAccount", ONLY_TEXTUS_ACCOUNT),
        (wire.settings.default_messaging_account.is_some(), "/settings/defaultMessagingAccount", ONLY_TEXTUS_ACCOUNT),
        (wire.settings.analytics_reports.is_some(), "/settings/analyticsReports", ONLY_TEXTUS_REPORTS),
    ] {
        if present {
            notes.push(Note::dropped(Place::request(pointer), reason));
        }
    }
    let grants = match wire.memberships {
        None => GrantChange::Keep,
        Some(memberships) => GrantChange::Replace(grants(textus, memberships, &mut problems, &mut notes)),
    };
    if !problems.is_empty() {
        return Err(Error::invalid(problems));
    }
    let name = NamePatch { display: wire.name.into(), ..NamePatch::default() };
    Ok((UserPatch { email: email.into(), name, grants, preferences }, notes))
}

/// What is wrong with texts that have a form of their own.
fn texts(user: &UserId, wire: &UpdateUser) -> Vec<Problem> {
    let is_account = |account: &Text| {
        let slug = account.strip_prefix("/accounts/").unwrap_or(account);
        !slug.is_empty() && !slug.contains('/')
    };
    let accounts = [
        ("/defaultMessagingAccount", &wire.default_messaging_account),
        ("/settings/defaultMessagingAccount", &wire.settings.default_messaging_account),
    ];
    let mut problems = Vec::new();
    if wire.id.as_ref().is_some_and(|id| !codes::is_iri_of(id, user)) {
        problems.push(Problem::new(Place::request("/id"), "expected the user of the path"));
    }
    if wire.name.as_ref().is_some_and(Text::is_empty) {
        problems.push(Problem::new(Place::request("/name"), "expected a text that is not empty"));
    }
    for (pointer, account) in accounts {
        if account.as_ref().is_some_and(|account| !is_account(account)) {
            problems.push(Problem::new(Place::request(pointer), "expected an account, as a slug or an IRI"));
        }
    }
    problems
}

const ONLY_TEXTUS_ACCOUNT: &str = "only TextUs has a default messaging account";
const ONLY_TEXTUS_REPORTS: &str = "only TextUs has analytics reports";

/// The switches of both places, which must not disagree.
fn notifications(
    top: Option<Notifications>,
    settings: Option<Notifications>,
    problems: &mut Vec<Problem>,
) -> BTreeMap<Text, Patch<Value>> {
    let mut preferences = BTreeMap::new();
    for notifications in [settings, top].into_iter().flatten() {
        for (key, on) in notifications.entries() {
            let set = Patch::Set(Value::Bool(on));
            if preferences.insert(Text::from(key), set.clone()).is_some_and(|other| other != set) {
                let pointer = format!("/{}", key.replace('.', "/"));
                problems.push(Problem::new(Place::request(pointer), "expected the same as in `settings`"));
            }
        }
    }
    preferences
}

fn grants(
    textus: &Textus,
    memberships: Vec<MembershipIn>,
    problems: &mut Vec<Problem>,
    notes: &mut Vec<Note>,
) -> Vec<Grant> {
    let mut grants: Vec<Grant> = Vec::with_capacity(memberships.len());
    let mut accounts = HashSet::with_capacity(memberships.len());
    for (position, membership) in memberships.into_iter().enumerate() {
        let at = |member: &str| Place::request(format!("/memberships/{position}/{member}"));
        let Some(role) = textus.roles.role(&membership.role) else {
            problems.push(Problem::new(at("role"), "expected one of admin, support, user"));
            continue;
        };
        let Some(account) = codes::account_from_iri(&membership.account) else {
            problems.push(Problem::new(at("account"), "expected an IRI of the form /accounts/my_account"));
            continue;
        };
        if !accounts.insert(account.clone()) {
            problems.push(Problem::new(at("account"), "expected every account once"));
            continue;
        }
        notes.extend(textus.roles.note(&membership.role, || at("role")));
        grants.push(Grant { role, scope: Scope::new(account), id: None });
    }
    grants
}

// === As a client ===

/// The user that a reply shows, who must be the one that was asked for.
pub(crate) fn user(textus: &Textus, asked: &UserId, reply: &Reply) -> Result<(User, Vec<Note>)> {
    canonical(textus, wire_user(asked, reply)?)
}

/// The user that a reply shows, whoever it is.
pub(crate) fn new_user(textus: &Textus, reply: &Reply) -> Result<(User, Vec<Note>)> {
    done(reply)?;
    canonical(textus, json::reply(&reply.body)?)
}

fn canonical(textus: &Textus, wire: UserIn) -> Result<(User, Vec<Note>)> {
    wire.into_user(&textus.roles)
        .ok_or_else(|| Error::new(ErrorKind::BadReply, "the upstream's answer has no user's id"))
}

/// A page of users, as far as one reply shows it.
pub(crate) struct Found {
    /// Each with its notes, whose pointers lead into the user and not into the page.
    pub(crate) users: Vec<(User, Vec<Note>)>,
    pub(crate) total: Option<u64>,
    pub(crate) next: Option<Cursor>,
    pub(crate) notes: Vec<Note>,
}

/// The page of users that a reply shows.
pub(crate) fn users(textus: &Textus, reply: &Reply) -> Result<Found> {
    done(reply)?;
    let UsersIn { members, total_items, view, others, .. } = json::reply(&reply.body)?;
    let mut notes: Vec<_> = wire::unknown_members("", &others).collect();
    let total = total_items.filter(|total| *total >= members.len() as u64);
    if total != total_items {
        notes.push(Note::dropped(Place::upstream("/totalItems"), "less than the users that are shown"));
    }
    let elsewhere = || Error::new(ErrorKind::BadReply, "the upstream's next page is not one of users");
    let next = view.and_then(|view| view.next);
    let next = next.map(|link| query::of_a_link(&link).ok_or_else(elsewhere)).transpose()?;
    let users = members.into_iter().map(|user| canonical(textus, user)).collect::<Result<_>>()?;
    Ok(Found { users, total, next, notes })
}

/// That a reply is no refusal, where nothing else is to be learnt from it.
pub(crate) fn done(reply: &Reply) -> Result<()> {
    if reply.status.is_success() { Ok(()) } else { Err(refusal(reply)) }
}

/// The memberships of a user as a request would have them.
pub(crate) fn present_memberships(asked: &UserId, reply: &Reply) -> Result<Vec<MembershipIn>> {
    let memberships = match wire_user(asked, reply)?.memberships {
        Some(MembershipsIn::Collection(collection)) => collection.for_request(),
        Some(MembershipsIn::Iri) | None => None,
    };
    memberships.ok_or_else(|| {
        Error::new(
            ErrorKind::BadReply,
            "the upstream does not show all memberships; to replace the list would remove some",
        )
    })
}

fn wire_user(asked: &UserId, reply: &Reply) -> Result<UserIn> {
    done(reply)?;
    let user: UserIn = json::reply(&reply.body)?;
    if codes::is_iri_of(&user.id, asked) {
        Ok(user)
    } else {
        Err(Error::new(ErrorKind::BadReply, "the upstream answered with another user"))
    }
}

fn refusal(reply: &Reply) -> Error {
    // What it says about a credential is about the gateway's: not for the client.
    let text = if reply.status == StatusCode::UNAUTHORIZED { None } else { error_text(&reply.body) };
    // The vendor's error documents are not documented: only the status counts.
    let refusal = Refusal { status: reply.status, code: None, text };
    Error::refused(ErrorKind::of_refusal(reply.status), refusal).with_retry_after(reply.retry_after())
}

/// The vendor does not document its error documents: the first text at any of the usual places.
fn error_text(body: &[u8]) -> Option<String> {
    let document: Value = serde_json::from_slice(body).ok()?;
    let places = ["hydra:description", "description", "detail", "message", "error", "hydra:title", "title"];
    places.iter().find_map(|place| document.get(place)?.as_str()).map(str::to_owned)
}
