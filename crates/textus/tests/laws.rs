//! The promises that this adapter keeps.

#![cfg(test)]

mod common;

use std::collections::BTreeSet;

use common::{
    ADAPTER, CELL_PHONE, CREATE, LIST, VALIDATOR, account, compact, create_documents, create_request, eddie,
    list_documents, page, request_documents, update, user_documents, vendor, vendor_where,
};
use interlingua_core::{
    Adapter, Command, Cursor, Error, ErrorKind, Grant, GrantChange, Level, Message, NOTIFY_AUDIO, NOTIFY_EMAIL, Name,
    NewUser, Outcome, PageRequest, Password, Removal, Reply, Request, Response, Role, Status, Target, Text, Timestamp,
    User, UserId, UserPage, UserPatch, UserQuery,
    http::{Method, StatusCode},
    laws::{self, Declared, strategy, strategy::Vocabulary},
};
use proptest::prelude::*;
use serde_json::Value;

const OPERATIONS: [&str; 3] = ["get-user", "create-user", "update-user"];
const ACCOUNTS: [&str; 4] = ["example_network", "my_account", "my_account_child", "other_account"];

const DECLARED: Declared<'_> = Declared {
    constants: &[
        ("/@type", &["User"]),
        ("/@context", &["contexts", "User.jsonld"]),
        ("/id", &["users"]),
        ("/discarded", &["true", "false"]),
        ("/memberships", &["users", "memberships"]),
        ("/memberships/@type", &["hydra:Collection"]),
        ("/memberships/@context", &["contexts", "hydra:Collection.jsonld"]),
        ("/memberships/id", &["users", "memberships"]),
        ("/memberships/totalItems", &[]),
        ("/memberships/members/*/@type", &["Membership"]),
        ("/memberships/members/*/@context", &["contexts", "Membership.jsonld"]),
        ("/memberships/members/*/id", &["users", "memberships"]),
        ("/memberships/members/*/role", &["admin", "support", "user"]),
        ("/memberships/members/*/user", &["users"]),
        ("/memberships/members/*/account/@type", &["Account"]),
        ("/memberships/members/*/account/@context", &["contexts", "Account.jsonld"]),
        ("/memberships/members/*/account/id", &["accounts"]),
    ],
    absences: &[
        ("/avatar", &["null"]),
        ("/settings", &["{}"]),
        ("/settings/notifications", &["{}", "null"]),
        ("/settings/notifications/*", &["null"]),
        ("/settings/customSettings", &["{}", "null"]),
    ],
    synonyms: &[("/notifications", "/settings/notifications")],
};

// === What is fed ===

/// 256 cases, or as many as `PROPTEST_CASES` says. What fails becomes a test of its own and no file of seeds.
fn config() -> ProptestConfig {
    ProptestConfig { failure_persistence: None, ..ProptestConfig::default() }
}

/// What the dialect's ids and preferences look like; accounts are those of the stand-in.
fn words() -> Vocabulary {
    let custom = ("/textus/user_schema/(calendar|cell~phone)", "[a-z+0-9 /:]{0,12}")
        .prop_map(|(key, value)| (Text::from(key), Value::from(value)));
    let switch = (prop::sample::select(vec![NOTIFY_EMAIL, NOTIFY_AUDIO]), any::<bool>())
        .prop_map(|(key, on)| (Text::from(key), Value::from(on)));
    let foreign = any::<i32>().prop_map(|size| (Text::from("shoeSize"), Value::from(size)));
    let scopes = (prop::sample::select(ACCOUNTS.to_vec()), any::<bool>()).prop_map(|(slug, named)| {
        let name = named.then(|| Text::from("Example Account"));
        interlingua_core::Scope { name, ..account(slug) }
    });
    Vocabulary {
        users: "[A-Za-z0-9]{7}".prop_map(UserId::new).boxed(),
        scopes: scopes.boxed(),
        grant_ids: prop::option::of("[A-Za-z0-9]{7}".prop_map(Text::from)).boxed(),
        preferences: prop_oneof![4 => custom, 4 => switch, 1 => foreign].boxed(),
    }
}

/// The memberships that a user has before a change, and whether the vendor answers with them or with an IRI.
fn present() -> impl Strategy<Value = (Vec<(&'static str, &'static str)>, bool)> {
    let roles = prop::sample::select(vec!["admin", "support", "user"]);
    let memberships = prop::collection::vec((prop::sample::select(ACCOUNTS.to_vec()), roles), 0..3);
    let memberships = memberships.prop_map(|mut memberships| {
        memberships.sort_unstable();
        memberships.dedup_by_key(|(account, _)| *account);
        memberships
    });
    (memberships, any::<bool>())
}

fn users() -> impl Strategy<Value = User> {
    strategy::users(&words())
}

fn patches() -> impl Strategy<Value = UserPatch> {
    strategy::patches(&words())
}

/// A role that becomes one elsewhere.
fn moves() -> impl Strategy<Value = UserPatch> {
    let grants = (words().scopes, words().scopes);
    let grants = grants.prop_map(|(from, to)| GrantChange::Move { from: Target::Scope(from), to });
    grants.prop_map(|grants| UserPatch { grants, ..UserPatch::default() })
}

fn roles() -> impl Strategy<Value = Role> {
    prop::sample::select(vec![Role::None, Role::Restricted, Role::Member, Role::Support, Role::Administrator])
}

fn queries() -> impl Strategy<Value = UserQuery> {
    let text = || prop::option::of(prop_oneof![Just(Text::from("textus")), strategy::texts()]);
    let roles = prop::collection::vec(roles(), 0..2);
    let level = prop::option::of(prop::sample::select(vec![Level::Unit, Level::Organisation]));
    let status = prop::option::of(prop::sample::select(vec![Status::Active, Status::Suspended]));
    (text(), text(), prop::collection::vec(words().scopes, 0..3), roles, level, status)
        .prop_map(|(text, login, scopes, roles, level, status)| UserQuery { text, login, scopes, roles, level, status })
}

fn cursors() -> impl Strategy<Value = Cursor> {
    let words = prop_oneof![Just(Text::from("cursor=PWApBE3")), Just(Text::from("q=o")), strategy::texts()];
    words.prop_map(Cursor::new)
}

fn pages() -> impl Strategy<Value = PageRequest> {
    let numbered = (1..4u32, 1..4u32).prop_map(|(number, size)| PageRequest::Numbered {
        number: number.try_into().unwrap(),
        size: size.try_into().unwrap(),
    });
    prop_oneof![3 => Just(PageRequest::At(None)), 2 => cursors().prop_map(|cursor| PageRequest::At(Some(cursor))), 1 => numbered]
}

fn new_users() -> impl Strategy<Value = NewUser> {
    let text = || prop::option::of(strategy::texts()).prop_map(|text| text.map_or_else(Default::default, Into::into));
    let names = (text(), text(), text()).prop_map(|(display, given, family)| Name { display, given, family });
    let passwords = (strategy::texts(), any::<bool>())
        .prop_map(|(text, given)| if given { Password::given(text) } else { Password::generated(text) });
    let grants = strategy::grants(&words());
    (prop::option::of(strategy::texts()), strategy::emails(), names, prop::option::of(passwords), grants)
        .prop_map(|(login, email, name, password, grants)| NewUser { login, email, name, password, grants })
}

/// Every command but the changes, which have strategies of their own.
fn commands() -> impl Strategy<Value = Command> {
    let removal = prop::sample::select(vec![Removal::Permanent, Removal::Reversible]);
    let messages = (strategy::texts(), prop::sample::select(vec![CELL_PHONE, "/textus/user_schema/calendar"]))
        .prop_map(|(text, phone)| Message { text, phone: phone.into() });
    prop_oneof![
        1 => Just(Command::GetUser { user: eddie() }),
        1 => Just(Command::GetSelf),
        4 => (queries(), pages()).prop_map(|(query, page)| Command::FindUsers { query, page }),
        4 => new_users().prop_map(|new| Command::CreateUser(Box::new(new))),
        2 => removal.prop_map(|removal| Command::DeleteUser { user: eddie(), removal }),
        2 => messages.prop_map(|message| Command::SendMessage { user: eddie(), message }),
        2 => moves().prop_map(update),
    ]
}

/// What a face shows: queries that it can have read, pages that a gateway can have made.
fn user_pages() -> impl Strategy<Value = UserPage> {
    let cursor = || prop::option::of(cursors());
    (queries(), cursor(), prop::collection::vec(users(), 0..3), prop::option::of(any::<u64>()), cursor())
        .prop_map(|(query, at, users, total, next)| UserPage { query, page: PageRequest::At(at), users, total, next })
}

/// Queries near those of the list, and anything.
fn query_strings() -> impl Strategy<Value = String> {
    let name = prop::sample::select(vec!["q", "cursor", "accounts[]", "accounts%5B%5D", "accounts", "page"]);
    let pair = (name, "[a-z_/%+0-9]{0,8}").prop_map(|(name, value)| format!("{name}={value}"));
    let pairs = prop::collection::vec(pair, 0..4).prop_map(|pairs| pairs.join("&"));
    prop_oneof![3 => pairs, 1 => "\\PC{0,20}", 1 => Just(String::new())]
}

fn all_documents() -> Vec<Value> {
    let requests = request_documents().into_iter().chain(create_documents());
    user_documents().into_iter().chain(list_documents()).chain(requests).collect()
}

// === Round trip ===

#[test]
fn the_vendors_answers_survive_the_round_trip() {
    for (_, response) in page() {
        // The vendor's page shows the same user in all its answers.
        laws::round_trip(&*ADAPTER, "update-user", &UserId::new("wqyODPA"), response.as_bytes(), &DECLARED).unwrap();
    }
}

#[test]
fn the_vendors_requests_survive_the_round_trip() {
    let delete = Request::new(Method::DELETE, "/users/PWApBE3", "");
    for request in page().map(|(request, _)| request).into_iter().chain([create_request(CREATE), delete]) {
        laws::request_round_trip(&*ADAPTER, &request, &mut vendor(), &DECLARED).unwrap();
    }
}

#[test]
fn the_commonest_requests_are_vouched_for() {
    let read = Request::new(Method::GET, "/users/PWApBE3", "");
    let vouched = page().map(|(request, _)| request).into_iter().chain([read]).filter(|request| {
        laws::strict(&*ADAPTER, &VALIDATOR, request).unwrap();
        ADAPTER.read_valid(request).is_some()
    });
    assert_eq!(vouched.count(), 4, "all but those about custom values and reports");
}

#[test]
fn the_vendors_list_survives_the_round_trip() {
    let command = Command::FindUsers { query: UserQuery::default(), page: PageRequest::At(None) };
    let run = laws::carry_out(&*ADAPTER, &command, &mut |_| Reply::new(StatusCode::OK, LIST));
    assert_eq!(run.notes, []);
    let writing = ADAPTER.write("list-users", &run.end.unwrap()).unwrap();
    assert_eq!(writing.response.body, compact(LIST));
    assert_eq!(writing.notes, []);
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn answers_near_the_vendors_survive_the_round_trip(document in strategy::edited(user_documents())) {
        let user = UserId::new(document["id"].as_str().unwrap_or_default().trim_start_matches("/users/"));
        let document = document.to_string();
        if laws::read_reply(&*ADAPTER, &user, document.as_bytes()).is_ok() {
            laws::round_trip(&*ADAPTER, "get-user", &user, document.as_bytes(), &DECLARED)?;
        }
    }

    #[test]
    fn requests_near_the_vendors_survive_the_round_trip(document in strategy::edited(request_documents())) {
        let request = Request::new(Method::PUT, "/users/wqyODPA", document.to_string());
        if let Ok((_, unknown)) = VALIDATOR.request(ADAPTER.dialect(), &request)
            && unknown.is_empty()
            && ADAPTER.read(&request).is_ok()
        {
            laws::request_round_trip(&*ADAPTER, &request, &mut vendor(), &DECLARED)?;
        }
    }

    #[test]
    fn new_users_near_the_vendors_survive_the_round_trip(document in strategy::edited(create_documents())) {
        let request = create_request(document.to_string());
        if let Ok((_, unknown)) = VALIDATOR.request(ADAPTER.dialect(), &request)
            && unknown.is_empty()
            && ADAPTER.read(&request).is_ok()
        {
            laws::request_round_trip(&*ADAPTER, &request, &mut vendor(), &DECLARED)?;
        }
    }

// === Users ===

    #[test]
    fn nothing_is_invented(user in users(), operation in prop::sample::select(&OPERATIONS[..])) {
        laws::no_invention(&*ADAPTER, operation, &user, &DECLARED)?;
    }

    #[test]
    fn writing_is_idempotent(user in users()) {
        laws::idempotent(&*ADAPTER, "get-user", &user)?;
    }

    #[test]
    fn no_role_rises_in_a_document(user in users()) {
        laws::no_escalation_in_documents(&*ADAPTER, "get-user", &user)?;
    }

    #[test]
    fn answers_are_valid(user in users(), operation in prop::sample::select(&OPERATIONS[..])) {
        laws::valid_answers(&*ADAPTER, &VALIDATOR, operation, &Outcome::User(Box::new(user)))?;
    }

    #[test]
    fn pages_are_valid(page in user_pages()) {
        laws::valid_answers(&*ADAPTER, &VALIDATOR, "list-users", &Outcome::Users(page))?;
    }

// === Commands ===

    #[test]
    fn moving_a_role_moves_it((memberships, as_iri) in present(), patch in moves()) {
        laws::put_get(&*ADAPTER, &eddie(), &patch, &mut vendor_where(&memberships, as_iri))?;
    }

    #[test]
    fn no_role_rises_in_any_plan((memberships, as_iri) in present(), command in commands()) {
        laws::no_escalation_in_plans(&*ADAPTER, &command, &mut vendor_where(&memberships, as_iri))?;
    }

    #[test]
    fn all_calls_are_valid((memberships, as_iri) in present(), command in commands()) {
        laws::valid_calls(&*ADAPTER, &VALIDATOR, &command, &mut vendor_where(&memberships, as_iri))?;
    }

    #[test]
    fn all_plans_are_lists((memberships, as_iri) in present(), command in commands()) {
        laws::plan_is_a_list(&*ADAPTER, &command, &mut vendor_where(&memberships, as_iri))?;
    }

    #[test]
    fn any_reply_to_any_command_is_understood_or_refused(
        command in commands(),
        replies in strategy::replies(all_documents()),
    ) {
        laws::total_replies(&*ADAPTER, &command, &replies)?;
    }

// === Changes ===

    #[test]
    fn writing_back_changes_nothing((memberships, as_iri) in present()) {
        laws::get_put(&*ADAPTER, &eddie(), &mut vendor_where(&memberships, as_iri))?;
    }

    #[test]
    fn reading_shows_what_was_written((memberships, as_iri) in present(), patch in patches()) {
        laws::put_get(&*ADAPTER, &eddie(), &patch, &mut vendor_where(&memberships, as_iri))?;
    }

    #[test]
    fn writes_are_what_is_told_of_them((memberships, as_iri) in present(), patch in patches()) {
        laws::repeats_as_told(&*ADAPTER, &update(patch.clone()), &mut vendor_where(&memberships, as_iri))?;
        laws::shows_what_was_written(&*ADAPTER, &update(patch), &mut vendor_where(&memberships, as_iri))?;
    }

    #[test]
    fn no_role_rises_in_a_plan((memberships, as_iri) in present(), patch in patches()) {
        laws::no_escalation_in_plans(&*ADAPTER, &update(patch), &mut vendor_where(&memberships, as_iri))?;
    }

    #[test]
    fn calls_are_valid((memberships, as_iri) in present(), patch in patches()) {
        laws::valid_calls(&*ADAPTER, &VALIDATOR, &update(patch), &mut vendor_where(&memberships, as_iri))?;
    }

    #[test]
    fn plans_are_lists((memberships, as_iri) in present(), patch in patches()) {
        laws::plan_is_a_list(&*ADAPTER, &update(patch), &mut vendor_where(&memberships, as_iri))?;
    }

// === Anything ===

    #[test]
    fn any_request_is_answered(
        request in strategy::requests(ADAPTER.dialect(), all_documents()),
        query in query_strings(),
    ) {
        let request = request.with_query(query);
        laws::total_requests(&*ADAPTER, &request)?;
        laws::strict(&*ADAPTER, &VALIDATOR, &request)?;
    }

    #[test]
    fn any_reply_is_understood_or_refused(patch in patches(), replies in strategy::replies(all_documents())) {
        laws::total_replies(&*ADAPTER, &update(patch), &replies)?;
        laws::total_replies(&*ADAPTER, &Command::GetUser { user: eddie() }, &replies)?;
    }
}

#[test]
fn errors_are_valid() {
    for error in laws::every_error() {
        laws::valid_errors(&*ADAPTER, &VALIDATOR, &error).unwrap();
    }
}

#[test]
fn an_answer_without_a_document_is_valid() {
    laws::valid_answers(&*ADAPTER, &VALIDATOR, "delete-user", &Outcome::Done).unwrap();
}

// === What is declared ===

#[test]
fn operations_are_as_declared() {
    let (update, _) = &page()[0];
    for request in [
        Request::get("/users").with_query("q=chuck"),
        Request::get("/users/wqyODPA"),
        create_request(CREATE),
        update.clone(),
        Request::new(Method::DELETE, "/users/PWApBE3", ""),
    ] {
        laws::operation_as_declared(&*ADAPTER, &request).unwrap();
    }
}

/// Answers that have everything in them that can be in one. They are expanded as JSON-LD in `tests/jsonld`.
#[test]
fn documents_are_as_they_were() {
    for (name, response) in documents() {
        let path = format!("{}/tests/golden/{name}.json", env!("CARGO_MANIFEST_DIR"));
        let document = String::from_utf8(response.body.to_vec()).unwrap() + "\n";
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            std::fs::write(&path, &document).unwrap();
        }
        let present = std::fs::read_to_string(&path).unwrap_or_default();
        assert_eq!(document, present, "{path}: run with UPDATE_GOLDEN=1 and look at the difference");
    }
}

#[test]
fn every_context_that_a_document_names_is_declared() {
    fn contexts(value: &Value, found: &mut BTreeSet<String>) {
        match value {
            Value::Object(members) => {
                found.extend(members.get("@context").and_then(Value::as_str).map(str::to_owned));
                members.values().for_each(|member| contexts(member, found));
            }
            Value::Array(items) => items.iter().for_each(|item| contexts(item, found)),
            _ => {}
        }
    }
    let mut named = BTreeSet::new();
    for (_, response) in documents() {
        contexts(&serde_json::from_slice(&response.body).unwrap(), &mut named);
    }
    let files = ADAPTER.dialect().files;
    assert_eq!(named, files.iter().map(|file| file.path.to_owned()).collect());
    for file in files {
        let text: Value = serde_json::from_str(file.text).unwrap();
        assert_eq!((text["@context"]["@version"].as_f64(), file.media_type), (Some(1.1), "application/ld+json"));
    }
}

fn documents() -> [(&'static str, Response); 4] {
    let grants = [(Role::Administrator, "my_account"), (Role::Support, "other_account")];
    let grants = grants.map(|(role, slug)| Grant { role, scope: account(slug), id: None });
    let preferences = [
        (NOTIFY_EMAIL, true.into()),
        (NOTIFY_AUDIO, false.into()),
        ("/textus/user_schema/calendar", "https://calend.ly/\"chuck\"".into()),
        ("/textus/user_schema/é~€𝄞", serde_json::json!({"b": [1, 1.5, 1e21, null, {}], "a": "\u{1}\u{e9}\n"})),
    ];
    let known = User {
        email: Text::from("chuck@textus.example").into(),
        name: Name { display: Text::from("Chuck \"Ray\"\tNorris \u{e9}").into(), ..Name::default() },
        status: Status::Active.into(),
        grants: Some(grants.into()),
        preferences: interlingua_core::Preferences {
            entries: preferences.map(|(key, value)| (Text::from(key), value)).into(),
            complete: true,
        },
        avatar: Text::from("https://textus.example/chuck.png").into(),
        automated: false.into(),
        has_password: true.into(),
        ..User::new(UserId::new("wqyODPA"))
    };
    let nobody = User { grants: Some(Vec::new()), ..User::new(UserId::new("0000001")) };
    let users = vec![known.clone(), User::new(eddie()), nobody];
    let query = UserQuery { text: Some("o é".into()), scopes: vec![account("my_account")], ..UserQuery::default() };
    let (page, next) = (PageRequest::At(Some(Cursor::new("a="))), Some(Cursor::new("b")));
    let middle = UserPage { query, page, users, total: Some(7), next };
    let empty = UserPage {
        query: UserQuery::default(),
        page: PageRequest::At(None),
        users: Vec::new(),
        total: None,
        next: None,
    };
    let write = |operation, outcome| ADAPTER.write(operation, &outcome).unwrap().response;
    [
        ("user", write("get-user", Outcome::User(Box::new(known)))),
        ("page-of-users", write("list-users", Outcome::Users(middle))),
        ("page-of-nobody", write("list-users", Outcome::Users(empty))),
        ("error", ADAPTER.write_error(&Error::new(ErrorKind::NotFound, "there is no such user"))),
    ]
}

/// A schema is one document: the user of a page is told in its own words, which must be the same.
#[test]
fn the_schema_of_a_page_has_that_of_a_user() {
    let schema = |operation: &str| -> Value {
        serde_json::from_str(ADAPTER.dialect().operation(operation).unwrap().response_schema.unwrap()).unwrap()
    };
    let mut user = schema("get-user");
    user.as_object_mut().unwrap().retain(|member, _| !matches!(member.as_str(), "$schema" | "title"));
    assert_eq!(schema("list-users")["$defs"]["user"], user);
}

#[test]
fn the_declared_fields_are_the_shown_ones() {
    let user = User {
        login: Text::from("chuck").into(),
        email: Text::from("chuck@textus.example").into(),
        name: Name {
            display: Text::from("Chuck Norris").into(),
            given: Text::from("Carlos").into(),
            family: Text::from("Ray").into(),
        },
        status: Status::Suspended.into(),
        grants: Some(vec![Grant { role: Role::Support, scope: account("my_account"), id: None }]),
        preferences: interlingua_core::Preferences {
            entries: [(NOTIFY_EMAIL.into(), true.into())].into(),
            complete: true,
        },
        created: Timestamp::parse("2024-03-15T10:22:00Z").unwrap().into(),
        avatar: Text::from("https://textus.example/chuck.png").into(),
        automated: true.into(),
        has_password: false.into(),
        ..User::new(eddie())
    };
    laws::fields_as_declared(&*ADAPTER, "get-user", &user).unwrap();
}

#[test]
fn the_readme_has_the_tables() {
    let readme = concat!(env!("CARGO_MANIFEST_DIR"), "/README.md");
    let present = std::fs::read_to_string(readme).unwrap();
    let expected = laws::readme::with_tables(&present, ADAPTER.dialect()).expect("the markers are there");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(readme, &expected).unwrap();
    } else {
        assert_eq!(present, expected, "run with UPDATE_GOLDEN=1 and look at the difference");
    }
}
