//! The laws can fail: an adapter of a toy dialect keeps them all, and with a fault breaks the one about it.

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicU32, Ordering},
};

use interlingua_core::{
    Access, Adapter, Call, Command, CredentialStyle, Dialect, Document, Email, Error, ErrorKind, Field, FieldSupport,
    Grant, GrantChange, Known, Level, Mapping, Note, Operation, Outcome, Patch, Place, Problem, Reading, Reply,
    Request, Response, Result, Role, Scope, ScopeId, Step, Target, Template, Text, Translated, User, UserId, UserPatch,
    Validator, Writing,
    http::{Method, StatusCode},
    laws::{self, Declared, Kept},
};
use serde_json::{Map, Value, json};

/// What is wrong with an adapter.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fault {
    None,
    DropsUnknownMembers,
    DropsTheMailOfRequests,
    InventsADomain,
    IsNotIdempotent,
    RaisesRolesInDocuments,
    RaisesRolesInPlans,
    WritesSystemWideRoles,
    WritesInvalidAnswers,
    WritesInvalidErrors,
    SendsInvalidCalls,
    WritesWhatItHasRead,
    ForgetsToWrite,
    TouchesAnotherField,
    LiesAboutTheOutcome,
    PanicsOnRequests,
    PanicsOnReplies,
    IsMute,
    ReadsWhatIsInvalid,
    VouchesForAnything,
    ChangesItsMind,
    TakesNotesBack,
    AddsWrites,
    NeverEnds,
    ShowsWhatItDoesNotDeclare,
    RepeatsWhatCounts,
    RecognisesAnything,
    TakesBackTheWrongThing,
}

/// `GET` and `PUT /people/{id}`: `{"id": "p1", "mail": "a@example.com", "role": "member"}`, all in one scope, `here`.
#[derive(Debug)]
struct Toy {
    fault: Fault,
    dialect: Dialect,
    plans: AtomicU32,
}

const REQUEST: &str = r#"{
    "type": "object",
    "properties": {"mail": {"type": "string", "format": "email"}, "role": {"enum": ["member", "chief", "root"]}},
    "additionalProperties": false
}"#;
const RESPONSE: &str = r#"{"type": "object", "required": ["id"], "properties": {"id": {"type": "string"}}}"#;
const ERROR: &str = r#"{"type": "object", "required": ["error"]}"#;
const WORDS: [(&str, Role); 3] = [("member", Role::Member), ("chief", Role::Administrator), ("root", Role::System)];

const DECLARED: Declared<'_> = Declared {
    constants: &[("/role", &["member", "chief"])],
    absences: &[("/mail", &["null"])],
    synonyms: &[("/email", "/mail")],
};

const fn field(field: &'static str, shown: &'static str) -> FieldSupport {
    FieldSupport { field, set: shown, shown, remark: "" }
}

const FIELDS: &[FieldSupport] = &[
    field("login", ""),
    field("email", "`mail`"),
    field("name", ""),
    field("name.given", ""),
    field("name.family", ""),
    field("grants", "`role`"),
    field("status", ""),
    field("created", ""),
    field("avatar", ""),
    field("automated", ""),
    field("hasPassword", ""),
    field("preferences", ""),
];

impl Toy {
    fn with(fault: Fault) -> Self {
        let operation = |name, method, access, request_schema| Operation {
            name,
            method,
            path: Template::new("/people/{id}"),
            access,
            query: &[],
            request_schema,
            response_schema: Some(RESPONSE),
            translated: Translated::Carried,
        };
        let dialect = Dialect {
            name: "toy",
            prefix: "/",
            media_type: "application/json",
            credentials: &[CredentialStyle { header: "authorization", scheme: Some("Bearer") }],
            operations: vec![
                operation("show", Method::GET, Access::Read, None),
                operation("change", Method::PUT, Access::Write, Some(REQUEST)),
            ],
            reserved: &[],
            error_schema: ERROR,
            fields: FIELDS,
            counts_pages: false,
            fresh_ids: 0..=999,
            files: &[],
            rate_headers: None,
        };
        Self { fault, dialect, plans: AtomicU32::new(0) }
    }

    fn has(&self, fault: Fault) -> bool {
        self.fault == fault
    }
}

fn here() -> Scope {
    Scope { level: Some(Level::Unit), ..Scope::new(ScopeId::new("here")) }
}

fn grant(role: Role) -> Grant {
    Grant { role, scope: here(), id: None }
}

fn word(role: Role) -> Option<&'static str> {
    WORDS.iter().find(|(_, meaning)| *meaning == role).map(|(word, _)| *word)
}

fn object(body: &[u8], kind: ErrorKind) -> Result<Map<String, Value>> {
    match serde_json::from_slice(body) {
        Ok(Value::Object(members)) => Ok(members),
        _ => Err(Error::new(kind, "expected an object")),
    }
}

impl Adapter for Toy {
    fn dialect(&self) -> &Dialect {
        &self.dialect
    }

    fn configured(&self, _: &Mapping) -> Result<Box<dyn Adapter>, Vec<Problem>> {
        Ok(Box::new(Self::with(self.fault)))
    }

    fn user_id(&self, id: &Value) -> Result<UserId, std::borrow::Cow<'static, str>> {
        id.as_str().map(UserId::new).ok_or_else(|| "expected a text".into())
    }

    fn scope(&self, _: &Value) -> Result<Scope, std::borrow::Cow<'static, str>> {
        Ok(here())
    }

    fn fresh_user_id(&self, number: u64) -> UserId {
        UserId::new(format!("p{number}"))
    }

    fn pointer(&self, field: &Field, _: Document) -> String {
        match field {
            Field::User => "/id".into(),
            Field::Email => "/mail".into(),
            Field::Grants | Field::Role => "/role".into(),
            other => format!("/{}", other.name()),
        }
    }

    fn read(&self, request: &Request) -> Result<Reading> {
        let found = self.dialect.find(&request.method, &request.path);
        let (operation, parameters) = found.map_err(|_| Error::new(ErrorKind::NoSuchPath, "no such path"))?;
        let user = UserId::new(parameters[0].as_str());
        let reading = |command| Ok(Reading { operation: operation.name.into(), command, notes: Vec::new() });
        if operation.name == "show" {
            return reading(Command::GetUser { user });
        }
        assert!(!self.has(Fault::PanicsOnRequests) || request.body.first() == Some(&b'{'), "a surprise");
        let mut members = object(&request.body, ErrorKind::Malformed)?;
        let email = members.remove("mail").filter(|_| !self.has(Fault::DropsTheMailOfRequests));
        let email = match email.as_ref().and_then(Value::as_str).map(Email::parse) {
            None => Patch::Keep,
            Some(Ok(email)) => Patch::Set(email),
            Some(Err(_)) if self.has(Fault::ReadsWhatIsInvalid) => Patch::Keep,
            Some(Err(_)) => {
                let expected = if self.has(Fault::IsMute) { "" } else { "expected an address" };
                return Err(Error::invalid(vec![Problem::new(Place::request("/mail"), expected)]));
            }
        };
        let role = members.remove("role").and_then(|role| WORDS.iter().find(|(word, _)| role == *word));
        let grants = role.map_or(GrantChange::Keep, |(_, role)| GrantChange::Upsert(*role, Target::Scope(here())));
        reading(Command::UpdateUser { user, patch: UserPatch { email, grants, ..UserPatch::default() } })
    }

    fn read_valid(&self, request: &Request) -> Option<Reading> {
        let reading = self.read(request).ok()?;
        (request.body.is_empty() || self.has(Fault::VouchesForAnything)).then_some(reading)
    }

    fn write(&self, _: &str, outcome: &Outcome) -> Result<Writing> {
        let Outcome::User(user) = outcome else { return Err(Error::new(ErrorKind::Internal, "no user")) };
        let mut members = Map::new();
        let mut notes = Vec::new();
        if !self.has(Fault::WritesInvalidAnswers) {
            members.insert("id".into(), user.id.as_str().into());
        }
        match user.email.value() {
            Some(email) if self.has(Fault::InventsADomain) => {
                members.insert("mail".into(), format!("{email}.example").into());
            }
            Some(email) if self.has(Fault::IsNotIdempotent) => {
                members.insert("mail".into(), format!("{email}/{email}").into());
            }
            Some(email) => drop(members.insert("mail".into(), email.as_str().into())),
            None => notes.push(Note::unknown(Place::response("/mail"), "nobody knows")),
        }
        let role = user.grants.iter().flatten().map(|grant| grant.role).next();
        let role = role.map(|role| if self.has(Fault::RaisesRolesInDocuments) { Role::Administrator } else { role });
        let system = self.has(Fault::WritesSystemWideRoles);
        match role.filter(|role| system || *role < Role::System).and_then(word) {
            Some(word) => drop(members.insert("role".into(), word.into())),
            None => notes.push(Note::dropped(Place::response("/role"), "no word for it")),
        }
        if let (true, Some(login)) = (self.has(Fault::ShowsWhatItDoesNotDeclare), user.login.value()) {
            members.insert("login".into(), login.as_str().into());
        }
        Ok(Writing { response: Response::new(StatusCode::OK, Value::Object(members).to_string()), notes })
    }

    fn write_error(&self, error: &Error) -> Response {
        let member = if self.has(Fault::WritesInvalidErrors) { "oops" } else { "error" };
        Response::new(StatusCode::BAD_REQUEST, json!({ member: error.message() }).to_string())
    }

    fn accepted(&self, _: &Call, reply: &Reply) -> Result<()> {
        if reply.status.is_success() { Ok(()) } else { Err(Error::new(ErrorKind::Invalid, "refused")) }
    }

    fn shows(&self, write: &Call, user: &[Reply]) -> Option<bool> {
        let (sent, shown) =
            (object(&write.body, ErrorKind::Internal).ok()?, object(&user.last()?.body, ErrorKind::BadReply).ok()?);
        let is_shown = |(name, value): (&String, &Value)| shown.get(name) == Some(value);
        Some(self.has(Fault::RecognisesAnything) || sent.iter().all(is_shown))
    }

    fn undo(&self, writes: &[Call], before: &[Reply]) -> Vec<Option<Call>> {
        let back = |write: &Call| {
            let sent = object(&write.body, ErrorKind::Internal).ok()?;
            let mut was = object(&before.last()?.body, ErrorKind::BadReply).ok()?;
            was.retain(|name, _| sent.contains_key(name) != self.has(Fault::TakesBackTheWrongThing));
            Some(Call { body: Value::Object(was).to_string().into(), ..write.clone() })
        };
        writes.iter().map(back).collect()
    }

    fn plan(&self, command: &Command, replies: &[Reply]) -> Result<Step> {
        let patch = match command {
            Command::UpdateUser { patch, .. } => patch.clone(),
            _ => UserPatch::default(),
        };
        let mut notes = Vec::new();
        let body = self.body(&patch, &mut notes)?;
        let user = command.user().ok_or_else(|| Error::new(ErrorKind::Unsupported, "no user"))?;
        let path = format!("/people/{user}");
        let write = || {
            Call::write(Method::PUT, path.clone(), Value::Object(body.clone()).to_string(), vec![Field::Email])
                .repeatable()
        };
        let mut calls = Vec::new();
        if !body.is_empty() && !self.has(Fault::ForgetsToWrite) {
            calls.push(write());
        }
        calls.push(Call::read(Method::GET, path.clone()));
        if self.has(Fault::NeverEnds) {
            return Ok(Step::Send { calls: vec![Call::read(Method::GET, path)], notes });
        }
        if self.has(Fault::AddsWrites) && replies.len() == 1 && calls.len() == 2 {
            calls.push(write());
        }
        if self.has(Fault::ChangesItsMind) {
            let plans = self.plans.fetch_add(1, Ordering::Relaxed);
            notes.push(Note::dropped(Field::Email, format!("plan number {plans}")));
        }
        if self.has(Fault::TakesNotesBack) && replies.is_empty() {
            notes.push(Note::dropped(Field::Email, "only at first"));
        }
        match replies.get(calls.len() - 1) {
            None => Ok(Step::Send { calls: calls.split_off(replies.len().min(calls.len() - 1)), notes }),
            Some(reply) => self.shown(reply, notes),
        }
    }
}

impl Toy {
    fn body(&self, patch: &UserPatch, notes: &mut Vec<Note>) -> Result<Map<String, Value>> {
        let mut body = Map::new();
        match &patch.email {
            Patch::Set(email) => drop(body.insert("mail".into(), email.as_str().into())),
            Patch::Clear => notes.push(Note::dropped(Field::Email, "cannot be cleared")),
            Patch::Keep if self.has(Fault::TouchesAnotherField) && patch.grants != GrantChange::Keep => {
                body.insert("mail".into(), "other@example.com".into());
            }
            Patch::Keep => {}
        }
        if patch.grants.highest() == Some(Role::System) && !self.has(Fault::WritesSystemWideRoles) {
            return Err(Error::new(ErrorKind::Forbidden, "a system-wide role"));
        }
        let role = match &patch.grants {
            GrantChange::Upsert(_, _) if self.has(Fault::RaisesRolesInPlans) => Some(Role::Administrator),
            GrantChange::Upsert(role, _) => Some(*role),
            GrantChange::Replace(grants) => grants.first().map(|grant| grant.role),
            _ => None,
        };
        body.extend(role.and_then(word).map(|word| ("role".to_owned(), Value::from(word))));
        if self.has(Fault::SendsInvalidCalls) {
            body.insert("shoeSize".into(), 43.into());
        }
        if self.has(Fault::RepeatsWhatCounts) && !body.is_empty() {
            body = [("count".to_owned(), true.into())].into_iter().collect();
        }
        if self.has(Fault::WritesWhatItHasRead) && body.contains_key("role") {
            body.insert("role".into(), "chief".into());
        }
        Ok(body)
    }

    fn shown(&self, reply: &Reply, mut notes: Vec<Note>) -> Result<Step> {
        assert!(!self.has(Fault::PanicsOnReplies) || reply.body.first() == Some(&b'{'), "a surprise");
        let mut members = object(&reply.body, ErrorKind::BadReply)?;
        let mut text = |name: &str| members.remove(name).and_then(|value| value.as_str().map(Text::from));
        let id = text("id").ok_or_else(|| Error::new(ErrorKind::BadReply, "no id"))?;
        let email = text("mail").or_else(|| text("email"));
        let role = text("role").and_then(|word| WORDS.iter().find(|(known, _)| word == *known));
        let mut user = User::new(UserId::new(id));
        user.email = email.map_or(Known::Unknown, Known::Value);
        if self.has(Fault::LiesAboutTheOutcome) && !notes.is_empty() {
            user.email = Known::Null;
        }
        user.grants = role.map(|(_, role)| vec![grant(*role)]);
        if !self.has(Fault::DropsUnknownMembers) {
            let unknown = members.keys().map(|name| Note::dropped(Place::upstream(format!("/{name}")), "unknown"));
            notes.extend(unknown);
        }
        Ok(Step::Done { outcome: Outcome::User(Box::new(user)), notes })
    }
}

/// The toy's vendor: one person.
fn vendor() -> impl FnMut(&Call) -> Reply {
    let mut person: BTreeMap<String, Value> =
        [("id", "p1"), ("mail", "a@example.com"), ("role", "member")].map(|(k, v)| (k.to_owned(), v.into())).into();
    move |call| {
        if call.access == Access::Write {
            let change: Map<String, Value> = serde_json::from_slice(&call.body).expect("calls are JSON");
            person.extend(change);
            if person.remove("count").is_some() {
                let mail = person["mail"].as_str().unwrap_or_default();
                person.insert("mail".into(), format!("1{mail}").into());
            }
        }
        Reply::new(StatusCode::OK, json!(person).to_string())
    }
}

fn p1() -> UserId {
    UserId::new("p1")
}

fn member() -> User {
    let email = Text::from("a@example.com").into();
    User { email, grants: Some(vec![grant(Role::Member)]), ..User::new(p1()) }
}

fn change(email: Option<&str>, grants: GrantChange) -> UserPatch {
    let email = email.map(|address| Email::parse(address).expect("a good address"));
    UserPatch { email: email.into(), grants, ..UserPatch::default() }
}

fn update(patch: UserPatch) -> Command {
    Command::UpdateUser { user: p1(), patch }
}

fn put(body: &str) -> Request {
    Request::new(Method::PUT, "/people/p1", body.to_owned())
}

/// Every law, fed what makes each fault show.
fn all_laws(toy: &Toy) -> Vec<Kept> {
    let validator = Validator::new(toy.dialect()).expect("the toy's schemas are good");
    let to = |role| GrantChange::Upsert(role, Target::Scope(here()));
    let mailed = || change(Some("b@example.com"), GrantChange::Keep);
    let cleared = UserPatch { email: Patch::Clear, ..UserPatch::default() };
    let full = User { login: Text::from("a").into(), ..member() };
    let system = User { grants: Some(vec![grant(Role::System)]), ..member() };
    let reply = |body: &str| Reply::new(StatusCode::OK, body.to_owned());
    vec![
        laws::round_trip(toy, "show", &p1(), br#"{"id":"p1","email":"a@example.com","role":"chief","x":1}"#, &DECLARED),
        laws::request_round_trip(toy, &put(r#"{"mail":"b@example.com"}"#), &mut vendor(), &DECLARED),
        laws::request_round_trip(toy, &put(r#"{"role":"member"}"#), &mut vendor(), &DECLARED),
        laws::no_invention(toy, "show", &member(), &DECLARED),
        laws::idempotent(toy, "show", &member()),
        laws::no_escalation_in_documents(toy, "show", &member()),
        laws::no_escalation_in_documents(toy, "show", &system),
        laws::no_escalation_in_plans(toy, &update(change(None, to(Role::Member))), &mut vendor()),
        laws::no_escalation_in_plans(toy, &update(change(None, to(Role::System))), &mut vendor()),
        laws::get_put(toy, &p1(), &mut vendor()),
        laws::put_get(toy, &p1(), &mailed(), &mut vendor()),
        laws::put_get(toy, &p1(), &cleared, &mut vendor()),
        laws::put_get(toy, &p1(), &change(None, to(Role::Administrator)), &mut vendor()),
        laws::valid_answers(toy, &validator, "show", &Outcome::User(Box::new(member()))),
        laws::valid_errors(toy, &validator, &Error::new(ErrorKind::NotFound, "nobody")),
        laws::valid_calls(toy, &validator, &update(mailed()), &mut vendor()),
        laws::plan_is_a_list(toy, &update(mailed()), &mut vendor()),
        laws::repeats_as_told(toy, &update(mailed()), &mut vendor()),
        laws::shows_what_was_written(toy, &update(mailed()), &mut vendor()),
        laws::takes_back(toy, &update(mailed()), &mut vendor()),
        laws::operation_as_declared(toy, &put(r#"{"mail": "a@example.com"}"#)),
        laws::total_requests(toy, &put("[")),
        laws::total_requests(toy, &put(r#"{"mail":"b"}"#)),
        laws::strict(toy, &validator, &put(r#"{"mail":"b"}"#)),
        laws::strict(toy, &validator, &put(r#"{"mail":"b@example.com","unknown":1}"#)),
        laws::total_replies(toy, &Command::GetUser { user: p1() }, &[reply("[")]),
        laws::fields_as_declared(toy, "show", &full),
    ]
}

/// The laws that a toy breaks.
fn broken(fault: Fault) -> Vec<&'static str> {
    let violations = all_laws(&Toy::with(fault)).into_iter().filter_map(Result::err);
    let mut laws: Vec<_> = violations.map(|violation| violation.law()).collect();
    laws.sort_unstable();
    laws.dedup();
    laws
}

#[track_caller]
fn breaks(fault: Fault, law: &str) {
    let broken = broken(fault);
    assert!(broken.contains(&law), "{fault:?} breaks {broken:?}");
}

#[test]
fn an_adapter_without_a_fault_keeps_every_law() {
    for kept in all_laws(&Toy::with(Fault::None)) {
        if let Err(violation) = kept {
            panic!("{violation}");
        }
    }
}

#[test]
fn a_silent_loss_breaks_the_round_trip() {
    breaks(Fault::DropsUnknownMembers, "round trip");
    breaks(Fault::DropsTheMailOfRequests, "round trip");
    breaks(Fault::WritesWhatItHasRead, "round trip");
}

#[test]
fn a_value_from_nowhere_is_an_invention() {
    breaks(Fault::InventsADomain, "no invention");
}

#[test]
fn a_document_that_grows_is_not_idempotent() {
    breaks(Fault::IsNotIdempotent, "idempotence");
}

#[test]
fn a_higher_role_is_an_escalation() {
    breaks(Fault::RaisesRolesInDocuments, "no escalation");
    breaks(Fault::RaisesRolesInPlans, "no escalation");
    breaks(Fault::WritesSystemWideRoles, "no escalation");
}

#[test]
fn a_change_by_writing_back_breaks_get_put() {
    breaks(Fault::WritesWhatItHasRead, "get-put");
}

#[test]
fn a_write_that_does_not_show_breaks_put_get() {
    breaks(Fault::ForgetsToWrite, "put-get");
    breaks(Fault::TouchesAnotherField, "put-get");
    breaks(Fault::LiesAboutTheOutcome, "put-get");
}

#[test]
fn an_invalid_document_breaks_the_closure() {
    breaks(Fault::WritesInvalidAnswers, "closure");
    breaks(Fault::WritesInvalidErrors, "closure");
    breaks(Fault::SendsInvalidCalls, "closure");
}

#[test]
fn a_panic_and_a_shrug_break_totality() {
    breaks(Fault::PanicsOnRequests, "totality");
    breaks(Fault::PanicsOnReplies, "totality");
    breaks(Fault::IsMute, "totality");
    breaks(Fault::ReadsWhatIsInvalid, "totality");
    breaks(Fault::VouchesForAnything, "totality");
}

#[test]
fn a_plan_that_changes_is_no_list() {
    breaks(Fault::ChangesItsMind, "a plan is a list");
    breaks(Fault::TakesNotesBack, "a plan is a list");
    breaks(Fault::AddsWrites, "a plan is a list");
    breaks(Fault::NeverEnds, "a plan is a list");
}

#[test]
fn what_is_told_of_a_write_is_tested() {
    breaks(Fault::RepeatsWhatCounts, "a repeat does nothing");
    breaks(Fault::RecognisesAnything, "what is shown was written");
    breaks(Fault::TakesBackTheWrongThing, "what is taken back is gone");
}

#[test]
fn a_field_that_is_not_declared_is_found() {
    breaks(Fault::ShowsWhatItDoesNotDeclare, "declared fields");
}

#[test]
fn a_violation_says_what_was_fed_and_what_came_of_it() {
    let law = laws::no_invention(&Toy::with(Fault::InventsADomain), "show", &member(), &DECLARED);
    let violation = law.expect_err("it invents");
    assert!(violation.fed().contains("a@example.com"), "{violation}");
    assert!(violation.found().contains("`a@example.com.example` comes from nowhere"), "{violation}");
    assert!(violation.to_string().starts_with("no invention is broken: /mail"), "{violation}");
}
