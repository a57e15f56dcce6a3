//! The promises that this adapter keeps.

#![cfg(test)]

mod common;

use common::{
    ADAPTER, VALIDATOR, account, eddie, page, request_documents, update, user_documents, vendor, vendor_where,
};
use interlingua_core::{
    Adapter, Command, Grant, NOTIFY_AUDIO, NOTIFY_EMAIL, Name, Outcome, Request, Role, Status, Text, Timestamp, User,
    UserId, UserPatch,
    http::Method,
    laws::{self, Declared, strategy, strategy::Vocabulary},
};
use proptest::prelude::*;
use serde_json::Value;

const OPERATIONS: [&str; 2] = ["get-user", "update-user"];
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

fn all_documents() -> Vec<Value> {
    user_documents().into_iter().chain(request_documents()).collect()
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
    for (request, _) in page() {
        laws::request_round_trip(&*ADAPTER, &request, &mut vendor(), &DECLARED).unwrap();
    }
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
    fn any_request_is_answered(request in strategy::requests(ADAPTER.dialect(), all_documents())) {
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

// === What is declared ===

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
