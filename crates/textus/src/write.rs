//! The answers that a client of this dialect gets: what came of a request, or why nothing did.

use std::collections::BTreeMap;

use interlingua_core::{
    Document, Error, ErrorKind, Field, Grant, Known, NOTIFY_AUDIO, NOTIFY_EMAIL, Note, Outcome, PageRequest, Place,
    Preferences, Response, Result, Role, ScopeId, Text, User, UserPage, Writing, http::StatusCode, json, pointer_token,
    split_name,
};
use serde_json::Value;

use crate::{
    codes, query,
    routes::Op,
    wire::{
        self, AccountOut, CollectionOut, ErrorOut, MembershipOut, MembershipsOut, Notifications, UserOut,
        UserSettingsOut, ViewOut,
    },
};

pub(crate) fn outcome(operation: &str, outcome: &Outcome) -> Result<Writing> {
    match (Op::from_name(operation), outcome) {
        (Some(Op::GetUser | Op::UpdateUser), Outcome::User(shown)) => user(StatusCode::OK, shown),
        (Some(Op::CreateUser), Outcome::User(created)) => user(StatusCode::CREATED, created),
        (Some(Op::ListUsers), Outcome::Users(page)) => users(page),
        (Some(Op::DeleteUser), Outcome::Done) => {
            Ok(Writing { response: Response::new(StatusCode::NO_CONTENT, Vec::new()), notes: Vec::new() })
        }
        _ => Err(Error::new(ErrorKind::Internal, "the outcome is not one of this operation")),
    }
}

fn user(status: StatusCode, user: &User) -> Result<Writing> {
    let mut notes = Vec::new();
    let iri = codes::user_iri(&user.id);
    let response = response(status, &document(user, &iri, &mut notes)?);
    Ok(Writing { response, notes })
}

fn users(page: &UserPage) -> Result<Writing> {
    page.query.scopes.iter().try_for_each(|scope| is_account(&scope.id))?;
    let mut notes = Vec::new();
    let iris: Vec<_> = page.users.iter().map(|user| codes::user_iri(&user.id)).collect();
    let mut members = Vec::with_capacity(iris.len());
    for (position, (user, iri)) in page.users.iter().zip(&iris).enumerate() {
        let mut found = Vec::new();
        members.push(document(user, iri, &mut found)?);
        notes.extend(found.into_iter().map(|note| of_list(note, position)));
    }
    if page.total.is_none() {
        notes.push(Note::unknown(Place::response("/totalItems"), "nobody has counted the users of all pages"));
    }
    let cursor = match &page.page {
        PageRequest::At(cursor) => cursor.as_ref(),
        PageRequest::Numbered { .. } => None,
    };
    let iri = |cursor| query::iri(&page.query, cursor);
    let view = ViewOut::new(iri(cursor), iri(None), page.next.as_ref().map(|next| iri(Some(next))));
    let response = response(StatusCode::OK, &CollectionOut::page(iri(None), members, page.total, view));
    Ok(Writing { response, notes })
}

/// A place in a user, of the member of this number of a page.
pub(crate) fn in_list(pointer: &str, index: usize) -> String {
    format!("/members/{index}{pointer}")
}

/// A note about one user, as one about the page that has the user there.
pub(crate) fn of_list(note: Note, index: usize) -> Note {
    let document = note.place.document();
    let pointer = match &note.place {
        Place::Field(document, field) => pointer(field, *document),
        Place::Pointer(_, pointer) => pointer.to_string(),
    };
    Note { place: Place::Pointer(document, in_list(&pointer, index).into()), ..note }
}

fn is_account(scope: &ScopeId) -> Result<()> {
    if codes::is_id(scope.as_str()) {
        Ok(())
    } else {
        Err(Error::new(ErrorKind::Internal, format!("`{scope}` is not a TextUs account")))
    }
}

/// The document of a user with this IRI.
fn document<'a>(user: &'a User, iri: &'a str, notes: &mut Vec<Note>) -> Result<UserOut<'a>> {
    if !codes::is_id(user.id.as_str()) {
        return Err(Error::new(ErrorKind::Internal, format!("`{}` is not a TextUs user id", user.id)));
    }
    let unknown = |notes: &mut Vec<Note>, pointer: &'static str| {
        notes.push(Note::unknown(Place::response(pointer), "the upstream does not say"));
    };
    let name = match (&user.name.display, user.name.whole()) {
        (Known::Null, _) => Some(None),
        (_, Some(whole)) => Some(Some(whole)),
        (_, None) => {
            unknown(notes, "/name");
            None
        }
    };
    let (first_name, last_name) = names(user, notes);
    let email = match &user.email {
        Known::Value(email) => Some(Some(email.as_str())),
        Known::Null => Some(None),
        Known::Unknown => {
            unknown(notes, "/email");
            None
        }
    };
    let discarded = user.status.value().map(|status| codes::discarded(*status));
    match discarded {
        None => unknown(notes, "/discarded"),
        Some((_, true)) => notes.push(Note::narrowed(Place::response("/discarded"), "it tells only who may sign in")),
        Some((_, false)) => {}
    }
    Ok(UserOut {
        kind: "User",
        context: "/contexts/User.jsonld",
        id: iri,
        name,
        first_name,
        last_name,
        email,
        avatar: user.avatar.value().map(Text::as_str),
        automated_actor: switch(&user.automated, "/automatedActor", false, notes),
        has_password: switch(&user.has_password, "/hasPassword", true, notes),
        discarded: discarded.map(|(discarded, _)| discarded),
        settings: settings(&user.preferences, notes),
        memberships: memberships(user, iri, notes)?,
    })
}

/// A switch that every user has, with a declared default.
fn switch(value: &Known<bool>, pointer: &'static str, default: bool, notes: &mut Vec<Note>) -> bool {
    value.value().copied().unwrap_or_else(|| {
        notes.push(Note::defaulted(Place::response(pointer), "the upstream does not say"));
        default
    })
}

/// The halves of the name, or the whole split in two as the vendor does it.
fn names(user: &User, notes: &mut Vec<Note>) -> (Option<Option<Text>>, Option<Option<Text>>) {
    let member = |half: &Known<Text>, pointer: &'static str, notes: &mut Vec<Note>| match half {
        Known::Unknown => {
            notes.push(Note::unknown(Place::response(pointer), "the upstream does not say"));
            None
        }
        Known::Null => Some(None),
        Known::Value(half) => Some(Some(half.clone())),
    };
    match (&user.name.given, &user.name.family, &user.name.display) {
        (Known::Unknown, Known::Unknown, Known::Value(whole)) => {
            let (given, family) = split_name(whole);
            (Some(Some(given.into())), Some(Some(family.into())))
        }
        (given, family, _) => (member(given, "/firstName", notes), member(family, "/lastName", notes)),
    }
}

fn settings<'a>(preferences: &'a Preferences, notes: &mut Vec<Note>) -> UserSettingsOut<'a> {
    if !preferences.complete {
        notes.push(Note::unknown(
            Place::response("/settings"),
            "the upstream shows no preferences beyond those just set",
        ));
    }
    let mut notifications = Notifications::default();
    let mut custom_settings = BTreeMap::new();
    for (key, value) in &preferences.entries {
        match (key.as_str(), value) {
            (NOTIFY_EMAIL, Value::Bool(on)) => notifications.email = Some(*on),
            (NOTIFY_AUDIO, Value::Bool(on)) => notifications.audio = Some(*on),
            (key, value) if wire::is_custom_key(key) => {
                custom_settings.insert(key, value);
            }
            (key, _) => {
                let place = Place::Field(Document::Response, Field::Preference(key.into()));
                notes.push(Note::dropped(place, "neither a notification nor a custom value"));
            }
        }
    }
    UserSettingsOut { notifications, custom_settings }
}

fn memberships<'a>(user: &'a User, iri: &'a str, notes: &mut Vec<Note>) -> Result<MembershipsOut<'a>> {
    let collection = [iri, "/memberships"].concat();
    let Some(grants) = &user.grants else {
        // The form of the document that says where they are and not what they are.
        notes.push(Note::unknown(Place::response("/memberships"), "the upstream does not say"));
        return Ok(MembershipsOut::Iri(collection));
    };
    let mut members = Vec::with_capacity(grants.len());
    for grant in grants {
        is_account(&grant.scope.id)?;
        members.extend(membership(grant, iri, &collection, members.len(), notes));
    }
    Ok(MembershipsOut::Collection(CollectionOut::whole(collection, members)))
}

fn membership<'a>(
    grant: &'a Grant,
    user: &'a str,
    collection: &str,
    position: usize,
    notes: &mut Vec<Note>,
) -> Option<MembershipOut<'a>> {
    let Some(role) = codes::role_word(grant.role) else {
        if grant.role != Role::None {
            let reason = format!("TextUs has no role for `{}` in {}", grant.role, grant.scope.id);
            notes.push(Note::dropped(Place::response("/memberships"), reason));
        }
        return None;
    };
    let slug = grant.scope.id.as_str();
    let name = grant.scope.name.as_deref().unwrap_or_else(|| {
        let reason = format!("the account {slug} has no known name; its slug stands for it");
        let pointer = format!("/memberships/members/{position}/account/name");
        notes.push(Note::defaulted(Place::response(pointer), reason));
        slug
    });
    Some(MembershipOut {
        kind: "Membership",
        context: "/contexts/Membership.jsonld",
        // A grant of another dialect has no id of its own; a user has at most one membership in an account.
        id: [collection, "/", grant.id.as_deref().unwrap_or(slug)].concat(),
        role,
        user,
        account: AccountOut {
            kind: "Account",
            context: "/contexts/Account.jsonld",
            id: codes::account_iri(&grant.scope.id),
            name,
        },
    })
}

pub(crate) fn error(error: &Error) -> Response {
    let status = codes::status(error.kind());
    let description = error.describe(|field| pointer(field, Document::Request));
    let document = ErrorOut {
        kind: "hydra:Error",
        context: "/contexts/hydra:Error.jsonld",
        title: status.canonical_reason().unwrap_or("Error"),
        description: &description,
    };
    response(status, &document)
}

fn response(status: StatusCode, document: &impl serde::Serialize) -> Response {
    Response::new(status, json::write(document))
}

/// Where a document has a field. Requests and answers have nearly all of them at the same places; a query parameter is
/// named as if the query were a document.
pub(crate) fn pointer(field: &Field, document: Document) -> String {
    match (field, document) {
        (Field::User, _) => "/id".into(),
        (Field::GivenName, Document::Response | Document::Upstream) => "/firstName".into(),
        (Field::FamilyName, Document::Response | Document::Upstream) => "/lastName".into(),
        (Field::Name | Field::GivenName | Field::FamilyName, _) => "/name".into(),
        (Field::Grants | Field::Role | Field::Scope, _) => "/memberships".into(),
        (Field::Status, _) => "/discarded".into(),
        (Field::Search, _) => "/q".into(),
        (Field::SearchScope, _) => "/accounts".into(),
        (Field::Page, _) => "/cursor".into(),
        (Field::Automated, _) => "/automatedActor".into(),
        (Field::Preferences, _) => "/settings".into(),
        (Field::Preference(key), _) if wire::is_custom_key(key) => {
            format!("/settings/customSettings/{}", pointer_token(key))
        }
        (Field::Preference(key), _) => format!("/settings/{}", key.replace('.', "/")),
        // email, avatar, hasPassword; and what this dialect has no place for, by its canonical name.
        (other, _) => format!("/{}", pointer_token(&other.name())),
    }
}
