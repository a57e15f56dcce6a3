//! The promises that this adapter keeps.

#![cfg(test)]

mod common;

use common::{
    ADAPTER, CELL_PHONE, VALIDATOR, john, pages, request_documents, scope, user_documents, vendor, vendor_where,
};
use interlingua_core::{
    Adapter, Command, NOTIFY_EMAIL, Outcome, Request, Scope, Text, User, UserId, UserPatch,
    http::Method,
    laws::{self, Declared, strategy, strategy::Vocabulary},
};
use interlingua_ecgrid::Ecgrid;
use proptest::prelude::*;
use serde_json::{Value, json};

const SHOWS_USER: [&str; 3] = ["get-user", "update-user", "set-role"];

const DECLARED: Declared<'_> = Declared {
    constants: &[
        ("/success", &["true"]),
        ("/data/authLevel", &["NetworkAdmin", "NetworkUser", "MailboxAdmin", "MailboxUser", "TPUser", "General"]),
        ("/data/status", &["Development", "Active", "Preproduction", "Suspended", "Terminated"]),
        ("/data/mailboxId", &["0"]),
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

/// Changes that name networks and mailboxes of the stand-in.
fn patches() -> impl Strategy<Value = UserPatch> {
    let places = [scope(1, None), scope(1, Some(101)), scope(1, Some(102)), scope(2, None), scope(2, Some(201))];
    strategy::patches(&words(prop::sample::select(places.to_vec())))
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
    user_documents().into_iter().chain(request_documents()).chain([json!({"success": true, "data": true})]).collect()
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
        path in prop::sample::select(vec!["/v2/users", "/v2/users/role", "/v2/users/update-config"]),
        document in strategy::edited(request_documents()),
    ) {
        let method = if path == "/v2/users" { Method::PUT } else { Method::POST };
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

        for operation in &ADAPTER.dialect().operations {
            laws::valid_answers(&**ADAPTER, &VALIDATOR, operation.name, &Outcome::User(Box::new(user.clone())))?;
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

// === Anything ===

    #[test]
    fn any_request_is_answered(request in strategy::requests(Ecgrid::new().dialect(), all_documents())) {
        laws::total_requests(&**ADAPTER, &request)?;
        laws::strict(&**ADAPTER, &VALIDATOR, &request)?;
    }

    #[test]
    fn any_reply_is_understood_or_refused(patch in patches(), replies in strategy::replies(all_documents())) {
        laws::total_replies(&**ADAPTER, &common::update(patch), &replies)?;
        laws::total_replies(&**ADAPTER, &Command::GetUser { user: john() }, &replies)?;
    }
}

#[test]
fn errors_are_valid() {
    for error in laws::every_error() {
        laws::valid_errors(&**ADAPTER, &VALIDATOR, &error).unwrap();
    }
}

// === What is declared ===

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
