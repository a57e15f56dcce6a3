//! Acme's dialect, invented here: every call is a POST, documents are flat, and the token has a header of its own.
//!
//! Written against `interlingua_core` and nothing else of the workspace, as anybody's adapter would be.

use std::{borrow::Cow, collections::BTreeMap};

use interlingua_core::{
    Access, Adapter, Call, Command, CredentialStyle, Dialect, Document, Email, Error, ErrorKind, Field, FieldSupport,
    Grant, GrantChange, Known, Mapping, Name, NamePatch, Note, Operation, Outcome, Patch, Place, Problem, Reading,
    Refusal, Reply, Request, Response, Result, Role, RoleTable, Scope, ScopeId, Step, Target, Template, Text,
    Translated, User, UserId, UserPatch, Writing,
    http::{Method, StatusCode},
    join_name, json, pointer_token, split_name,
};
use serde_json::{Map, Value, json};

const LOOK_UP: &str = "/acme/look-up";
const RENAME: &str = "/acme/rename";
const READDRESS: &str = "/acme/readdress";
const ALLOW: &str = "/acme/allow";

/// The dialect.
#[derive(Debug)]
pub(super) struct Acme {
    dialect: Dialect,
    roles: RoleTable,
}

impl Acme {
    pub(super) fn new() -> Self {
        Self { dialect: dialect(), roles: roles() }
    }
}

fn roles() -> RoleTable {
    RoleTable::new([("manage", Role::Administrator), ("look", Role::Member)])
}

fn dialect() -> Dialect {
    let operation = |name, path, access, schema| Operation {
        name,
        method: Method::POST,
        path: Template::new(path),
        access,
        query: &[],
        request_schema: Some(schema),
        response_schema: Some(PERSON),
        translated: Translated::Carried,
    };
    Dialect {
        name: "acme",
        prefix: "/acme/",
        media_type: "application/json",
        credentials: &[CredentialStyle { header: "x-acme-token", scheme: None }],
        operations: vec![
            operation(
                "look-up",
                LOOK_UP,
                Access::Read,
                r#"{"type": "object", "required": ["who"], "properties":
                {"who": {"type": "string", "pattern": "^[a-z0-9]+$"}}, "additionalProperties": false}"#,
            ),
            operation(
                "rename",
                RENAME,
                Access::Write,
                r#"{"type": "object", "required": ["who", "name"], "properties":
                {"who": {"type": "string", "pattern": "^[a-z0-9]+$"}, "name": {"type": "string"}},
                "additionalProperties": false}"#,
            ),
            operation(
                "readdress",
                READDRESS,
                Access::Write,
                r#"{"type": "object", "required": ["who", "mail"],
                "properties": {"who": {"type": "string", "pattern": "^[a-z0-9]+$"},
                "mail": {"type": "string", "format": "email"}}, "additionalProperties": false}"#,
            ),
            operation(
                "allow",
                ALLOW,
                Access::Write,
                r#"{"type": "object", "required": ["who", "rights"], "properties":
                {"who": {"type": "string", "pattern": "^[a-z0-9]+$"}, "rights": {"type": "array", "items":
                {"type": "object", "required": ["place", "may"], "properties": {"place": {"type": "string",
                "pattern": "^[a-z0-9]+$"}, "may": {"enum": ["manage", "look"]}}, "additionalProperties": false}}},
                "additionalProperties": false}"#,
            ),
        ],
        reserved: &[],
        error_schema: r#"{"type": "object", "required": ["problem"], "properties": {"problem": {"type": "string"}},
            "additionalProperties": false}"#,
        fields: FIELDS,
        counts_pages: false,
        fresh_ids: 0..=999_999,
        files: &[],
        rate_headers: None,
    }
}

const PERSON: &str = r#"{"type": "object", "required": ["who"], "properties": {"who": {"type": "string"},
    "name": {"type": "string"}, "mail": {"type": "string"}, "rights": {"type": "array"}}}"#;

const FIELDS: &[FieldSupport] = &[
    FieldSupport { field: "user", set: "`who`", shown: "`who`", remark: "" },
    FieldSupport { field: "name", set: "`name`", shown: "`name`", remark: "" },
    FieldSupport { field: "email", set: "`mail`", shown: "`mail`", remark: "" },
    FieldSupport { field: "grants", set: "`rights`", shown: "`rights`", remark: "two words only" },
];

impl Adapter for Acme {
    fn dialect(&self) -> &Dialect {
        &self.dialect
    }

    fn configured(&self, mapping: &Mapping) -> Result<Box<dyn Adapter>, Vec<Problem>> {
        Ok(Box::new(Self { dialect: dialect(), roles: roles().lowered(&mapping.roles, "/roles/acme")? }))
    }

    fn user_id(&self, id: &Value) -> Result<UserId, Cow<'static, str>> {
        id.as_str().map(UserId::new).ok_or_else(|| "expected a text".into())
    }

    fn scope(&self, id: &Value) -> Result<Scope, Cow<'static, str>> {
        id.as_str().map(|id| Scope::new(ScopeId::new(id))).ok_or_else(|| "expected a text".into())
    }

    fn fresh_user_id(&self, number: u64) -> UserId {
        UserId::new(format!("p{number}"))
    }

    fn pointer(&self, field: &Field, _: Document) -> String {
        match field {
            Field::User => "/who".into(),
            Field::Name | Field::GivenName | Field::FamilyName => "/name".into(),
            Field::Email => "/mail".into(),
            Field::Grants | Field::Role | Field::Scope => "/rights".into(),
            other => format!("/{}", pointer_token(&other.name())),
        }
    }

    fn read(&self, request: &Request) -> Result<Reading> {
        let found = self.dialect.find(&request.method, &request.path);
        let (operation, _) = found.map_err(|_| Error::new(ErrorKind::NoSuchPath, "there is no such call"))?;
        let document = json::parse(&request.body)?;
        let user = UserId::new(word(&document["who"]).ok_or_else(|| wrong("who"))?);
        let patch = match operation.name {
            "look-up" => return Ok(reading(operation.name, Command::GetUser { user })),
            "rename" => {
                let name = NamePatch { display: Patch::Set(text(&document, "name")?), ..NamePatch::default() };
                UserPatch { name, ..UserPatch::default() }
            }
            "readdress" => {
                let mail = Email::parse(&text(&document, "mail")?).map_err(|_| wrong("mail"))?;
                UserPatch { email: Patch::Set(mail), ..UserPatch::default() }
            }
            _ => UserPatch { grants: GrantChange::Replace(self.grants(&document)?), ..UserPatch::default() },
        };
        Ok(reading(operation.name, Command::UpdateUser { user, patch }))
    }

    fn write(&self, operation: &str, outcome: &Outcome) -> Result<Writing> {
        let Outcome::User(user) = outcome else { return Err(Error::new(ErrorKind::Internal, "not a user")) };
        if self.dialect.operation(operation).is_none() {
            return Err(Error::new(ErrorKind::Internal, "not a call of this dialect"));
        }
        let mut notes = Vec::new();
        let mut person = Map::from_iter([("who".to_owned(), json!(user.id.as_str()))]);
        person.extend(user.name.whole().map(|name| ("name".to_owned(), json!(name))));
        person.extend(user.email.value().map(|mail| ("mail".to_owned(), json!(mail))));
        if let Some(grants) = &user.grants {
            let rights = rights(grants, Document::Response, &mut notes);
            person.insert("rights".to_owned(), rights.into_iter().map(Right::document).collect());
        }
        let response = Response::new(StatusCode::OK, Value::Object(person).to_string());
        Ok(Writing { response, notes })
    }

    fn write_error(&self, error: &Error) -> Response {
        let status = match error.kind() {
            ErrorKind::Malformed | ErrorKind::Invalid | ErrorKind::Unrepresentable => StatusCode::BAD_REQUEST,
            ErrorKind::Unauthenticated => StatusCode::UNAUTHORIZED,
            ErrorKind::NotFound | ErrorKind::NoSuchPath => StatusCode::NOT_FOUND,
            ErrorKind::PreconditionFailed => StatusCode::PRECONDITION_FAILED,
            ErrorKind::InProgress | ErrorKind::KeyReused => StatusCode::CONFLICT,
            ErrorKind::Partial => StatusCode::BAD_GATEWAY,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        };
        let problem = error.describe(|field| self.pointer(field, Document::Request));
        Response::new(status, json!({ "problem": problem }).to_string())
    }

    fn plan(&self, command: &Command, replies: &[Reply]) -> Result<Step> {
        let nothing = UserPatch::default();
        let (user, patch) = match command {
            Command::GetUser { user } => (user, &nothing),
            Command::UpdateUser { user, patch } => (user, patch),
            _ => return Err(Error::new(ErrorKind::Unsupported, "Acme has no such call")),
        };
        let mut notes = losses(patch);
        let (present, replies) = match replies.split_first() {
            _ if !needs_present(patch) => (None, replies),
            None => return Ok(Step::Send { calls: vec![look_up(user)], notes }),
            Some((first, rest)) => (Some(self.person(first)?), rest),
        };
        let mut calls = writes(user, patch, present.as_ref(), &mut notes)?;
        if calls.is_empty() && present.is_none() {
            calls.push(look_up(user));
        }
        let shown = replies.iter().take(calls.len()).map(|reply| self.person(reply));
        let shown = shown.collect::<Result<Vec<_>>>()?.pop().or(present);
        match shown {
            Some(user) if replies.len() >= calls.len() => {
                Ok(Step::Done { outcome: Outcome::User(Box::new(user)), notes })
            }
            _ => Ok(Step::Send { calls: calls.split_off(replies.len()), notes }),
        }
    }

    fn accepted(&self, _: &Call, reply: &Reply) -> Result<()> {
        self.person(reply).map(drop)
    }
}

impl Acme {
    fn grants(&self, document: &Value) -> Result<Vec<Grant>> {
        let rights = document["rights"].as_array().ok_or_else(|| wrong("rights"))?;
        rights.iter().map(|right| self.grant(right).ok_or_else(|| wrong("rights"))).collect()
    }

    fn grant(&self, right: &Value) -> Option<Grant> {
        let role = self.roles.role(right["may"].as_str()?)?;
        Some(Grant { role, scope: Scope::new(ScopeId::new(word(&right["place"])?)), id: None })
    }

    /// As a client: whom a reply shows.
    fn person(&self, reply: &Reply) -> Result<User> {
        if !reply.status.is_success() {
            let kind = match reply.status.as_u16() {
                404 => ErrorKind::NotFound,
                500.. => ErrorKind::Unavailable,
                _ => ErrorKind::Invalid,
            };
            return Err(Error::refused(kind, Refusal { status: reply.status, code: None, text: None }));
        }
        let person: BTreeMap<Text, Value> = json::reply(&reply.body)?;
        let text = |name: &str| person.get(name).and_then(Value::as_str).map(Text::from);
        let who = text("who").ok_or_else(|| Error::new(ErrorKind::BadReply, "the answer does not say who it is"))?;
        let known = |text: Option<Text>| text.map_or(Known::Unknown, Known::Value);
        let rights = person.get("rights").and_then(Value::as_array);
        Ok(User {
            name: Name { display: known(text("name")), ..Name::default() },
            email: known(text("mail")),
            grants: rights.map(|rights| rights.iter().filter_map(|right| self.grant(right)).collect()),
            ..User::new(UserId::new(who))
        })
    }
}

fn reading(operation: &'static str, command: Command) -> Reading {
    Reading { operation: operation.into(), command, notes: Vec::new() }
}

fn text(document: &Value, name: &'static str) -> Result<Text> {
    document[name].as_str().map(Text::from).ok_or_else(|| wrong(name))
}

/// An id: lower-case letters and digits.
fn word(value: &Value) -> Option<&str> {
    let word = value.as_str()?;
    let sound = !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    sound.then_some(word)
}

fn wrong(name: &'static str) -> Error {
    Error::invalid(vec![Problem::new(Place::request(format!("/{name}")), "not what it should be")])
}

/// A grant in Acme's words.
#[derive(Clone, PartialEq)]
struct Right {
    place: ScopeId,
    may: &'static str,
}

impl Right {
    fn document(self) -> Value {
        json!({"place": self.place.as_str(), "may": self.may})
    }
}

fn rights(grants: &[Grant], document: Document, notes: &mut Vec<Note>) -> Vec<Right> {
    let word = |grant: &Grant, notes: &mut Vec<Note>| {
        let at = Place::Field(document, Field::Role);
        match grant.role {
            Role::Administrator => return Some("manage"),
            Role::Member => return Some("look"),
            Role::Support => {
                notes.push(Note::narrowed(at, "Acme has no support; it becomes `look`"));
                return Some("look");
            }
            Role::None => {}
            Role::Restricted | Role::System => notes.push(Note::dropped(at, "Acme has no such role")),
        }
        None
    };
    let right = |grant: &Grant| Some(Right { place: grant.scope.id.clone(), may: word(grant, notes)? });
    grants.iter().filter_map(right).collect()
}

// === As a client ===

/// Whether the user as it is decides what is sent.
fn needs_present(patch: &UserPatch) -> bool {
    let name = &patch.name;
    let half = name.display.set().is_none() && name.given.set().is_some() != name.family.set().is_some();
    half || patch.grants.target().is_some()
}

/// What Acme has no call for.
fn losses(patch: &UserPatch) -> Vec<Note> {
    let cleared = [
        (patch.email == Patch::Clear, Field::Email),
        (patch.name.display == Patch::Clear, Field::Name),
        (patch.name.given == Patch::Clear, Field::GivenName),
        (patch.name.family == Patch::Clear, Field::FamilyName),
    ];
    let cleared = cleared.into_iter().filter(|(clear, _)| *clear).map(|(_, field)| field);
    let preferences = patch.preferences.iter().filter(|(_, patch)| !patch.is_keep());
    let preferences = preferences.map(|(key, _)| Field::Preference(key.clone()));
    cleared.chain(preferences).map(|field| Note::dropped(field, "Acme has no call for it")).collect()
}

fn look_up(user: &UserId) -> Call {
    let mut call = Call::read(Method::POST, LOOK_UP);
    call.body = json!({"who": user.as_str()}).to_string().into();
    call
}

fn writes(user: &UserId, patch: &UserPatch, present: Option<&User>, notes: &mut Vec<Note>) -> Result<Vec<Call>> {
    let call = |path: &str, member: &str, value: Value, fields| {
        let body = json!({"who": user.as_str(), member: value}).to_string();
        Call::write(Method::POST, path, body, fields)
    };
    let mut calls = Vec::new();
    let (name, fields) = whole_name(&patch.name, present, notes);
    calls.extend(name.map(|name| call(RENAME, "name", json!(name), fields)));
    calls.extend(patch.email.set().map(|mail| call(READDRESS, "mail", json!(mail.as_str()), vec![Field::Email])));
    if let Some(rights) = changed_rights(&patch.grants, present, notes)? {
        let rights = rights.into_iter().map(Right::document).collect();
        calls.push(call(ALLOW, "rights", rights, vec![Field::Grants]));
    }
    Ok(calls)
}

fn whole_name(patch: &NamePatch, present: Option<&User>, notes: &mut Vec<Note>) -> (Option<Text>, Vec<Field>) {
    if let Patch::Set(whole) = &patch.display {
        return (Some(whole.clone()), vec![Field::Name]);
    }
    let given = patch.given.set().map(|_| Field::GivenName);
    let family = patch.family.set().map(|_| Field::FamilyName);
    let fields: Vec<_> = given.into_iter().chain(family).collect();
    if fields.is_empty() {
        return (None, fields);
    }
    let now = present.map(|user| user.name.halves()).unwrap_or_default();
    let half = |patch: &Patch<Text>, now: Option<Text>| patch.set().cloned().or(now).unwrap_or_default();
    let (given, family) = (half(&patch.given, now.0), half(&patch.family, now.1));
    let whole = join_name(&given, &family);
    if split_name(&whole) != (&given, &family) {
        notes.push(Note::narrowed(Field::Name, "Acme has whole names only"));
    }
    (Some(whole), fields)
}

/// The whole list, where it is to become another one.
fn changed_rights(change: &GrantChange, present: Option<&User>, notes: &mut Vec<Note>) -> Result<Option<Vec<Right>>> {
    if change.highest() == Some(Role::System) {
        return Err(Error::new(ErrorKind::Forbidden, "Acme has nothing above a place"));
    }
    let (role, scope) = match change {
        GrantChange::Keep => return Ok(None),
        GrantChange::Replace(grants) => return Ok(Some(rights(grants, Document::Request, notes))),
        GrantChange::Upsert(role, Target::Scope(scope)) => (*role, scope),
        GrantChange::Remove(Target::Scope(scope)) => (Role::None, scope),
        _ => return Err(Error::new(ErrorKind::Internal, "Acme needs to know the place")),
    };
    let grants = present.and_then(|user| user.grants.as_deref());
    let grants = grants.ok_or_else(|| Error::new(ErrorKind::BadReply, "the answer does not say the rights"))?;
    let before = rights(grants, Document::Upstream, &mut Vec::new());
    let wanted = rights(&[Grant { role, scope: scope.clone(), id: None }], Document::Request, notes);
    if wanted.is_empty() && role != Role::None {
        return Ok(None);
    }
    let others = before.iter().filter(|right| right.place != scope.id).cloned();
    let after: Vec<_> = others.chain(wanted).collect();
    Ok((after != before).then_some(after))
}
