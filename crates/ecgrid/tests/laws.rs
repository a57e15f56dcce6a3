//! The promises that this adapter keeps.

#![cfg(test)]

mod common;

use common::{
    ADAPTER, CELL_PHONE, VALIDATOR, crowded_vendor, john, list_documents, pages, request_documents, requests, scope,
    user_documents, vendor, vendor_where,
};
use interlingua_core::{
    Adapter, Command, Cursor, GrantChange, Level, Message, NOTIFY_EMAIL, Name, NewUser, Outcome, PageRequest, Password,
    Removal, Request, Role, Scope, Status, Target, Text, User, UserId, UserPage, UserPatch, UserQuery,
    http::Method,
    laws::{self, Declared, carry_out, strategy, strategy::Vocabulary},
};
use interlingua_ecgrid::Ecgrid;
use proptest::prelude::*;
use serde_json::{Value, json};

const SHOWS_USER: [&str; 6] = ["get-user", "get-me", "create-user", "update-user", "set-role", "set-network-mailbox"];
const SHOWS_USERS: [&str; 2] = ["get-user-by-name", "list-users"];
const SAYS_TRUE: [&str; 3] = ["update-config", "send-sms", "terminate-user"];

const DECLARED: Declared<'_> = Declared {
    constants: &[
        ("/success", &["true"]),
        ("/data/authLevel", &["NetworkAdmin", "NetworkUser", "MailboxAdmin", "MailboxUser", "TPUser", "General"]),
        ("/data/status", &["Development", "Active", "Preproduction", "Suspended", "Terminated"]),
        ("/data/mailboxId", &["0"]),
        // Requests: what a new user is when nothing is said.
        ("/authLevel", &["MailboxUser"]),
    ],
    absences: &[
        ("/errorCode", &["\"\"", "null"]),
        ("/message", &["\"\"", "null"]),
        ("/data/networkId", &["0", "null"]),
        ("/data/mailboxId", &["0", "null"]),
        ("/data/authLevel", &["null"]),
        ("/data/status", &["null"]),
        ("/data/created", &["null"]),
        // Requests: null is "unchanged", like absent.
        ("/*", &["null"]),
        ("/mailboxId", &["0"]),
        ("/authLevel", &["\"NoChange\""]),
    ],
    synonyms: &[("/data/loginName", "/data/login")],
};

// === What is fed ===

/// 256 cases, or as many as `PROPTEST_CASES` says. What fails becomes a test of its own and no file of seeds.
fn config() -> ProptestConfig {
    ProptestConfig { failure_persistence: None, ..ProptestConfig::default() }
}

fn words(scopes: impl Strategy<Value = Scope> + 'static) -> Vocabulary {
    let phone = "\\+1303555[0-9]{4}".prop_map(|number| (Text::from(CELL_PHONE), Value::from(number)));
    let switch = any::<bool>().prop_map(|on| (Text::from(NOTIFY_EMAIL), Value::from(on)));
    let unmapped = Just((Text::from("/textus/user_schema/calendar"), json!("https://example.com")));
    Vocabulary {
        users: (1..=i32::MAX).prop_map(|id| UserId::new(id.to_string())).boxed(),
        scopes: scopes.boxed(),
        grant_ids: Just(None).boxed(),
        preferences: prop_oneof![phone, switch, unmapped].boxed(),
    }
}

fn users() -> impl Strategy<Value = User> {
    strategy::users(&words((1..=i32::MAX, prop::option::of(1..=i32::MAX)).prop_map(|(n, m)| scope(n, m))))
}

/// Networks and mailboxes of the stand-in.
fn places() -> impl Strategy<Value = Scope> + Clone {
    let places = [scope(1, None), scope(1, Some(101)), scope(1, Some(102)), scope(2, None), scope(2, Some(201))];
    prop::sample::select(places.to_vec())
}

fn patches() -> impl Strategy<Value = UserPatch> {
    strategy::patches(&words(places()))
}

fn moves() -> impl Strategy<Value = UserPatch> {
    let only = Just(Target::Only { level: None });
    let from = prop_oneof![2 => only, 1 => places().prop_map(Target::Scope)];
    (from, places()).prop_map(|(from, to)| UserPatch { grants: GrantChange::Move { from, to }, ..UserPatch::default() })
}

const ROLES: [Role; 6] = [Role::None, Role::Restricted, Role::Member, Role::Support, Role::Administrator, Role::System];

fn queries() -> impl Strategy<Value = UserQuery> {
    let text = prop::option::weighted(0.2, prop::sample::select(vec!["ada", "SMITH", "@example.com", "nobody"]));
    let login = prop::option::weighted(0.2, prop::sample::select(vec!["jsmith", "sysop", "nobody", ""]));
    let roles = prop_oneof![
        3 => prop::collection::vec(prop::sample::select(&ROLES[..]), 0..3),
        1 => Just(vec![Role::Member, Role::Support]),
        1 => Just(vec![Role::None]),
    ];
    let level = prop::option::of(prop::sample::select(vec![Level::Unit, Level::Organisation]));
    let status = prop::option::weighted(0.3, prop::sample::select(vec![Status::Active, Status::Terminated]));
    (text, login, prop::collection::vec(places(), 0..3), roles, level, status).prop_map(
        |(text, login, scopes, roles, level, status)| UserQuery {
            text: text.map(Text::from),
            login: login.map(Text::from),
            scopes,
            roles,
            level,
            status,
        },
    )
}

fn page_requests() -> impl Strategy<Value = PageRequest> {
    let number = |number: u32| std::num::NonZeroU32::new(number).unwrap();
    let numbered = (1..4u32, prop_oneof![1..200u32, Just(u32::MAX)])
        .prop_map(move |(page, size)| PageRequest::Numbered { number: number(page), size: number(size) });
    let cursors = prop::option::of(prop_oneof![(1..4u32).prop_map(|page| page.to_string()), "\\PC{0,3}"]);
    prop_oneof![numbered, cursors.prop_map(|cursor| PageRequest::At(cursor.map(Cursor::new)))]
}

fn new_users() -> impl Strategy<Value = NewUser> {
    let name = prop_oneof![
        strategy::texts().prop_map(|whole| Name { display: whole.into(), ..Name::default() }),
        (strategy::texts(), strategy::texts()).prop_map(|(given, family)| Name {
            given: given.into(),
            family: family.into(),
            ..Name::default()
        }),
        Just(Name::default()),
    ];
    let password = prop_oneof![
        4 => "[a-z][A-Z][0-9][!-/]\\PC{0,6}".prop_map(|text| Some(Password::given(text))),
        2 => Just(Some(Password::generated("Abc123!x"))),
        1 => strategy::texts().prop_map(|text| Some(Password::given(text))),
        1 => Just(None),
    ];
    let login = prop::option::of(strategy::texts());
    (login, strategy::emails(), name, password, strategy::grants(&words(places())))
        .prop_map(|(login, email, name, password, grants)| NewUser { login, email, name, password, grants })
}

fn messages() -> impl Strategy<Value = Message> {
    let phones = prop::sample::select(vec![CELL_PHONE, NOTIFY_EMAIL]);
    (strategy::texts(), phones).prop_map(|(text, phone)| Message { text, phone: phone.into() })
}

/// Everything but a change to a user.
fn other_commands() -> impl Strategy<Value = Command> {
    let removals = prop::sample::select(vec![Removal::Permanent, Removal::Reversible]);
    prop_oneof![
        1 => Just(Command::GetSelf),
        4 => (queries(), page_requests()).prop_map(|(query, page)| Command::FindUsers { query, page }),
        4 => new_users().prop_map(|new| Command::CreateUser(Box::new(new))),
        2 => removals.prop_map(|removal| Command::DeleteUser { user: john(), removal }),
        1 => messages().prop_map(|message| Command::SendMessage { user: john(), message }),
    ]
}

fn all_commands() -> impl Strategy<Value = Command> {
    prop_oneof![
        4 => other_commands(),
        2 => moves().prop_map(common::update),
        4 => patches().prop_map(common::update),
        1 => Just(Command::GetUser { user: john() }),
    ]
}

/// All users that a query asks for, of all of the vendor's pages.
fn found(query: &UserQuery, asked: &UserQuery, vendor: &mut laws::Vendor<'_>) -> Vec<UserId> {
    let (mut users, mut cursor) = (Vec::new(), None);
    loop {
        let command = Command::FindUsers { query: asked.clone(), page: PageRequest::At(cursor) };
        let Ok(Outcome::Users(page)) = carry_out(&**ADAPTER, &command, vendor).end else { panic!("no page") };
        let covers = |scope: &_, other: &_| ADAPTER.covers(scope, other);
        users.extend(page.users.into_iter().filter_map(|user| query.pick(user, covers)).map(|user| user.id));
        let Some(next) = page.next else { return users };
        cursor = Some(next);
    }
}

/// What user 1042 is before a change.
fn present() -> impl Strategy<Value = (&'static str, i32, i32)> {
    let anywhere = ["NetworkAdmin", "NetworkUser", "TPUser", "General", "Root"].map(|level| (level, 0));
    let mailboxes = ["MailboxAdmin", "MailboxUser", "NetworkAdmin", "NetworkUser", "General"];
    let first = mailboxes.iter().map(|level| (*level, 101)).chain(anywhere);
    let levels = first.chain([("MailboxUser", 102)]).map(|(level, mailbox)| (level, 1, mailbox));
    let other = mailboxes.iter().map(|level| (*level, 2, 201));
    prop::sample::select(levels.chain(other).collect::<Vec<_>>())
}

fn all_documents() -> Vec<Value> {
    let others = [json!({"success": true, "data": true}), json!({"success": true, "data": "Abc123!x"})];
    user_documents().into_iter().chain(list_documents()).chain(request_documents()).chain(others).collect()
}

/// The user that an answer shows; anybody where it shows none.
fn shown_in(document: &Value) -> UserId {
    UserId::new(document["data"]["userId"].to_string())
}

// === Round trip ===

#[test]
fn the_vendors_answers_survive_the_round_trip() {
    for document in user_documents() {
        let user = shown_in(&document);
        laws::round_trip(&**ADAPTER, "get-user", &user, document.to_string().as_bytes(), &DECLARED).unwrap();
    }
}

#[test]
fn the_vendors_requests_survive_the_round_trip() {
    for (request, _) in pages() {
        laws::request_round_trip(&**ADAPTER, &request, &mut vendor(), &DECLARED).unwrap();
    }
}

#[test]
fn the_commonest_requests_are_vouched_for() {
    let read = Request::new(Method::GET, "/v2/users/1042", "");
    let (update, _) = pages().into_iter().find(|(request, _)| request.path == "/v2/users").unwrap();
    for request in [read, update] {
        assert_eq!(ADAPTER.read_valid(&request), ADAPTER.read(&request).ok());
        laws::strict(&**ADAPTER, &VALIDATOR, &request).unwrap();
    }
}

#[test]
fn requests_that_create_and_move_survive_the_round_trip() {
    let carried = ["/v2/users", "/v2/users/set-network-mailbox"];
    for request in requests().into_iter().filter(|request| carried.contains(&request.path.as_str())) {
        laws::request_round_trip(&**ADAPTER, &request, &mut vendor(), &DECLARED).unwrap();
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn answers_near_the_vendors_survive_the_round_trip(document in strategy::edited(user_documents())) {
        let user = shown_in(&document);
        let document = document.to_string();
        if laws::read_reply(&**ADAPTER, &user, document.as_bytes()).is_ok() {
            laws::round_trip(&**ADAPTER, "get-user", &user, document.as_bytes(), &DECLARED)?;
        }
    }

    #[test]
    fn requests_near_the_vendors_survive_the_round_trip(
        (method, path) in prop::sample::select(vec![
            (Method::PUT, "/v2/users"),
            (Method::POST, "/v2/users"),
            (Method::POST, "/v2/users/role"),
            (Method::POST, "/v2/users/update-config"),
            // Not set-network-mailbox: without its mailbox it asks to widen a role, which is refused.
        ]),
        document in strategy::edited(request_documents()),
    ) {
        let request = Request::new(method, path, document.to_string());
        if let Ok((_, unknown)) = VALIDATOR.request(ADAPTER.dialect(), &request)
            && unknown.is_empty()
            && ADAPTER.read(&request).is_ok()
        {
            laws::request_round_trip(&**ADAPTER, &request, &mut vendor(), &DECLARED)?;
        }
    }

// === Users ===

    #[test]
    fn nothing_is_invented(user in users(), operation in prop::sample::select(&SHOWS_USER[..])) {
        laws::no_invention(&**ADAPTER, operation, &user, &DECLARED)?;
    }

    #[test]
    fn writing_is_idempotent(user in users()) {
        laws::idempotent(&**ADAPTER, "get-user", &user)?;
    }

    #[test]
    fn no_role_rises_in_a_document(user in users()) {
        laws::no_escalation_in_documents(&**ADAPTER, "get-user", &user)?;
    }

    #[test]
    fn answers_are_valid(user in users()) {
        for operation in SHOWS_USER.into_iter().chain(["update-config"]) {
            laws::valid_answers(&**ADAPTER, &VALIDATOR, operation, &Outcome::User(Box::new(user.clone())))?;
        }
    }

    #[test]
    fn lists_are_valid(users in prop::collection::vec(users(), 0..4), query in queries(), page in page_requests()) {
        let page = UserPage { query, page, users, total: None, next: None };
        for operation in SHOWS_USERS {
            laws::valid_answers(&**ADAPTER, &VALIDATOR, operation, &Outcome::Users(page.clone()))?;
        }
    }

// === Changes ===

    #[test]
    fn writing_back_changes_nothing((level, network, mailbox) in present()) {
        laws::get_put(&**ADAPTER, &john(), &mut vendor_where(level, network, mailbox))?;
    }

    #[test]
    fn reading_shows_what_was_written((level, network, mailbox) in present(), patch in patches()) {
        laws::put_get(&**ADAPTER, &john(), &patch, &mut vendor_where(level, network, mailbox))?;
    }

    #[test]
    fn no_role_rises_in_a_plan((level, network, mailbox) in present(), patch in patches()) {
        laws::no_escalation_in_plans(&**ADAPTER, &common::update(patch), &mut vendor_where(level, network, mailbox))?;
    }

    #[test]
    fn calls_are_valid((level, network, mailbox) in present(), patch in patches()) {
        let mut vendor = vendor_where(level, network, mailbox);
        laws::valid_calls(&**ADAPTER, &VALIDATOR, &common::update(patch), &mut vendor)?;
    }

    #[test]
    fn plans_are_lists((level, network, mailbox) in present(), patch in patches()) {
        laws::plan_is_a_list(&**ADAPTER, &common::update(patch), &mut vendor_where(level, network, mailbox))?;
    }

    #[test]
    fn writes_are_what_is_told_of_them((level, network, mailbox) in present(), patch in prop_oneof![patches(), moves()]) {
        let command = common::update(patch);
        laws::repeats_as_told(&**ADAPTER, &command, &mut vendor_where(level, network, mailbox))?;
        laws::shows_what_was_written(&**ADAPTER, &command, &mut vendor_where(level, network, mailbox))?;
        laws::takes_back(&**ADAPTER, &command, &mut vendor_where(level, network, mailbox))?;
    }

    #[test]
    fn other_writes_are_what_is_told_of_them((level, network, mailbox) in present(), command in all_commands()) {
        laws::repeats_as_told(&**ADAPTER, &command, &mut vendor_where(level, network, mailbox))?;
        laws::shows_what_was_written(&**ADAPTER, &command, &mut vendor_where(level, network, mailbox))?;
        laws::takes_back(&**ADAPTER, &command, &mut vendor_where(level, network, mailbox))?;
    }

    #[test]
    fn reading_shows_where_a_role_was_moved((level, network, mailbox) in present(), patch in moves()) {
        laws::put_get(&**ADAPTER, &john(), &patch, &mut vendor_where(level, network, mailbox))?;
    }

// === Other commands ===

    #[test]
    fn no_role_rises_in_another_plan((level, network, mailbox) in present(), command in all_commands()) {
        laws::no_escalation_in_plans(&**ADAPTER, &command, &mut vendor_where(level, network, mailbox))?;
    }

    #[test]
    fn other_calls_are_valid((level, network, mailbox) in present(), command in all_commands()) {
        laws::valid_calls(&**ADAPTER, &VALIDATOR, &command, &mut vendor_where(level, network, mailbox))?;
    }

    #[test]
    fn other_plans_are_lists((level, network, mailbox) in present(), command in all_commands()) {
        laws::plan_is_a_list(&**ADAPTER, &command, &mut vendor_where(level, network, mailbox))?;
    }

    #[test]
    fn a_filter_loses_nobody((level, network, mailbox) in present(), query in queries()) {
        let mut vendor = vendor_where(level, network, mailbox);
        let all = found(&query, &UserQuery::default(), &mut vendor);
        prop_assert_eq!(found(&query, &query, &mut vendor), all);
    }

// === Anything ===

    #[test]
    fn any_request_is_answered(request in strategy::requests(Ecgrid::new().dialect(), all_documents())) {
        laws::total_requests(&**ADAPTER, &request)?;
        laws::strict(&**ADAPTER, &VALIDATOR, &request)?;
    }

    #[test]
    fn any_reply_is_understood_or_refused(command in all_commands(), replies in strategy::replies(all_documents())) {
        laws::total_replies(&**ADAPTER, &command, &replies)?;
    }
}

#[test]
fn what_was_done_is_told() {
    for operation in SAYS_TRUE {
        laws::valid_answers(&**ADAPTER, &VALIDATOR, operation, &Outcome::Done).unwrap();
    }
}

#[test]
fn every_page_is_read() {
    let everybody = UserQuery::default();
    assert_eq!(found(&everybody, &everybody, &mut crowded_vendor()).len(), 154);
}

#[test]
fn errors_are_valid() {
    for error in laws::every_error() {
        laws::valid_errors(&**ADAPTER, &VALIDATOR, &error).unwrap();
    }
}

// === What is declared ===

#[test]
fn the_declared_operations_are_the_carried_ones() {
    let dialect = ADAPTER.dialect();
    let mut named: Vec<_> = requests()
        .iter()
        .map(|request| {
            laws::operation_as_declared(&**ADAPTER, request).unwrap();
            let (operation, notes) = VALIDATOR.request(dialect, request).unwrap();
            assert!(notes.is_empty(), "{}", operation.name);
            operation.name
        })
        .collect();
    let mut declared: Vec<_> = dialect.operations.iter().map(|operation| operation.name).collect();
    named.sort_unstable();
    declared.sort_unstable();
    assert_eq!(named, declared);
    assert_eq!(named.len(), 16);
}

#[test]
fn the_declared_fields_are_the_shown_ones() {
    let mut user = User::new(john());
    user.login = Text::from("jsmith").into();
    user.email = Text::from("john.smith@example.com").into();
    user.name = interlingua_core::Name {
        display: Text::from("Johnny").into(),
        given: Text::from("John").into(),
        family: Text::from("Smith").into(),
    };
    user.status = interlingua_core::Status::Suspended.into();
    user.grants = Some(vec![interlingua_core::Grant {
        role: interlingua_core::Role::Member,
        scope: scope(1, Some(101)),
        id: None,
    }]);
    user.preferences.entries.insert(NOTIFY_EMAIL.into(), true.into());
    user.preferences.complete = true;
    user.created = interlingua_core::Timestamp::parse("2024-03-15T10:22:00Z").unwrap().into();
    user.avatar = Text::from("https://example.com/john.png").into();
    user.automated = true.into();
    user.has_password = false.into();
    laws::fields_as_declared(&Ecgrid::new(), "get-user", &user).unwrap();
}

#[test]
fn the_readme_has_the_tables() {
    let readme = concat!(env!("CARGO_MANIFEST_DIR"), "/README.md");
    let present = std::fs::read_to_string(readme).unwrap();
    let expected = laws::readme::with_tables(&present, Ecgrid::new().dialect()).expect("the markers are there");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(readme, &expected).unwrap();
    } else {
        assert_eq!(present, expected, "run with UPDATE_GOLDEN=1 and look at the difference");
    }
}
