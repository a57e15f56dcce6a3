//! What this dialect's requests, replies and answers mean, case by case.

#![cfg(test)]

mod common;

use common::{ADAPTER, account, eddie, page, update, vendor, vendor_where};
use interlingua_core::{
    Access, Adapter, Call, Command, Email, Error, ErrorKind, Grant, GrantChange, Known, NOTIFY_AUDIO, NOTIFY_EMAIL,
    Name, NamePatch, Note, NoteKind, Outcome, Patch, Reading, Reply, Request, Result, Role, Scope, ScopeId, Status,
    Target, Text, User, UserId, UserPatch, Writing,
    http::{HeaderValue, Method, StatusCode, header::RETRY_AFTER},
    laws::{Run, carry_out, read_reply},
};
use serde_json::{Value, json};

// === Small words for long things ===

fn put(body: &Value) -> Result<Reading> {
    ADAPTER.read(&Request::new(Method::PUT, "/users/PWApBE3", body.to_string()))
}

fn patch_of(reading: Reading) -> UserPatch {
    match reading.command {
        Command::UpdateUser { patch, .. } => patch,
        other => panic!("{other:?} is no update"),
    }
}

#[track_caller]
fn notes(found: &[Note], expected: &[(NoteKind, &str)]) {
    let found: Vec<_> = found.iter().map(|note| (note.kind, note.place.to_string())).collect();
    let expected: Vec<_> = expected.iter().map(|&(kind, place)| (kind, place.to_owned())).collect();
    assert_eq!(found, expected);
}

fn grant(role: Role, slug: &str) -> Grant {
    Grant { role, scope: account(slug), id: None }
}

fn granted(grants: GrantChange) -> UserPatch {
    UserPatch { grants, ..UserPatch::default() }
}

fn preferring(key: &str, patch: Patch<Value>) -> UserPatch {
    UserPatch { preferences: [(key.into(), patch)].into(), ..UserPatch::default() }
}

fn named(given: Option<&str>, family: Option<&str>) -> UserPatch {
    let half = |half: Option<&str>| half.map(Text::from).into();
    let name = NamePatch { display: Patch::Keep, given: half(given), family: half(family) };
    UserPatch { name, ..UserPatch::default() }
}

const CALENDAR: &str = "/textus/user_schema/calendar";

// === Requests ===

#[track_caller]
fn refused(result: Result<Reading>, pointer: &str) {
    let error = result.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert_eq!(error.problems().iter().map(|problem| problem.place.to_string()).collect::<Vec<_>>(), [pointer]);
}

#[track_caller]
fn prefers(body: &Value, expected: &[(&str, Patch<Value>)]) {
    let patch = patch_of(put(body).unwrap());
    let expected = expected.iter().map(|(key, patch)| (Text::from(*key), patch.clone())).collect();
    assert_eq!(patch.preferences, expected);
}

#[test]
fn notifications_stand_at_two_places_and_must_agree() {
    let set = |on| Patch::Set(json!(on));
    prefers(&json!({"settings": {"notifications": {"email": true}}}), &[(NOTIFY_EMAIL, set(true))]);
    prefers(&json!({"notifications": {"audio": false}}), &[(NOTIFY_AUDIO, set(false))]);
    let both = json!({"notifications": {"email": true}, "settings": {"notifications": {"email": true, "audio": true}}});
    prefers(&both, &[(NOTIFY_EMAIL, set(true)), (NOTIFY_AUDIO, set(true))]);
    prefers(&json!({"settings": {"notifications": {}}}), &[]);
    let disagree = json!({"notifications": {"email": true}, "settings": {"notifications": {"email": false}}});
    refused(put(&disagree), "/notifications/email");
}

#[test]
fn null_removes_a_custom_value_and_means_nothing_elsewhere() {
    prefers(&json!({"settings": {"customSettings": {CALENDAR: null}}}), &[(CALENDAR, Patch::Clear)]);
    prefers(&json!({"settings": {"customSettings": {CALENDAR: ""}}}), &[(CALENDAR, Patch::Set(json!("")))]);
    for name in ["name", "email", "memberships", "notifications", "settings", "defaultMessagingAccount"] {
        assert_eq!(put(&json!({ name: null })).unwrap_err().kind(), ErrorKind::Invalid, "{name}");
    }
}

#[test]
fn what_has_no_counterpart_is_noted() {
    let noted = |body: Value, place: &str| notes(&put(&body).unwrap().notes, &[(NoteKind::Dropped, place)]);
    noted(json!({"defaultMessagingAccount": "my_account"}), "/defaultMessagingAccount");
    noted(json!({"settings": {"defaultMessagingAccount": "/accounts/a"}}), "/settings/defaultMessagingAccount");
    noted(json!({"settings": {"analyticsReports": []}}), "/settings/analyticsReports");
    noted(json!({"settings": {"customSettings": {"a~b": "x"}}}), "/settings/customSettings/a~0b");
}

#[test]
fn memberships_replace_the_list() {
    let grants = |body: Value| patch_of(put(&body).unwrap()).grants;
    assert_eq!(grants(json!({"name": "Not Chuck"})), GrantChange::Keep);
    assert_eq!(grants(json!({"memberships": []})), GrantChange::Replace(Vec::new()));
    let list = json!({"memberships": [
        {"role": "admin", "account": "/accounts/my_account"},
        {"role": "support", "account": "/accounts/my_account_child"},
        {"role": "user", "account": "/accounts/other_account"},
    ]});
    let expected =
        [(Role::Administrator, "my_account"), (Role::Support, "my_account_child"), (Role::Member, "other_account")];
    assert_eq!(grants(list), GrantChange::Replace(expected.map(|(role, slug)| grant(role, slug)).into()));
}

#[test]
fn what_breaks_a_rule_is_refused_with_its_pointer() {
    let member = |role: &str, account: &str| json!({"role": role, "account": account});
    let list = |second: Value| json!({"memberships": [member("user", "/accounts/my_account"), second]});
    refused(put(&list(member("owner", "/accounts/other_account"))), "/memberships/1/role");
    refused(put(&list(member("user", "other_account"))), "/memberships/1/account");
    refused(put(&list(member("admin", "/accounts/my_account"))), "/memberships/1/account");
    refused(put(&json!({"email": "Chuck <chuck@textus.example>"})), "/email");
    refused(put(&json!({"name": ""})), "/name");
    refused(put(&json!({"defaultMessagingAccount": "/accounts/"})), "/defaultMessagingAccount");
    refused(put(&json!({"id": "/users/wqyODPA"})), "/id");
    assert!(put(&json!({"id": "/users/PWApBE3"})).is_ok());
    for nested in [
        json!({"settings": {"analyticsReports": [{"account": null}]}}),
        json!({"settings": {"notifications": {"email": null}}}),
        json!({"settings": []}),
        json!({"memberships": [["user", "/accounts/my_account"]]}),
    ] {
        assert_eq!(put(&nested).unwrap_err().kind(), ErrorKind::Invalid, "{nested}");
    }
    let elsewhere = ADAPTER.read(&Request::get("/users/a%20b")).unwrap_err();
    assert_eq!(elsewhere.kind(), ErrorKind::NotFound);
}

// === Replies ===

fn shown(mut members: Value) -> (User, Vec<Note>) {
    members["id"] = json!("/users/PWApBE3");
    read_reply(&*ADAPTER, &eddie(), members.to_string().as_bytes()).unwrap()
}

/// A membership as the vendor shows it.
fn membership(role: &str, slug: &str) -> Value {
    json!({
        "id": format!("/users/PWApBE3/memberships/{slug}"), "role": role, "user": "/users/PWApBE3",
        "account": {"id": format!("/accounts/{slug}"), "name": "Example Account"},
    })
}

#[test]
fn memberships_come_in_three_forms() {
    let list = json!({"members": [membership("support", "my_account")], "totalItems": 1});
    let (user, noted) = shown(json!({"memberships": list}));
    let scope = Scope { name: Some("Example Account".into()), ..account("my_account") };
    assert_eq!(user.grants, Some(vec![Grant { role: Role::Support, scope, id: Some("my_account".into()) }]));
    notes(&noted, &[]);
    assert_eq!(shown(json!({"memberships": {"members": []}})).0.grants, Some(Vec::new()));
    // Where they are says nothing of what they are.
    assert_eq!(shown(json!({"memberships": "/users/PWApBE3/memberships"})).0.grants, None);
    assert_eq!(shown(json!({})).0.grants, None);
}

#[test]
fn what_is_not_carried_of_a_reply_is_noted() {
    let mut odd = membership("user", "my_account");
    odd["since"] = json!(2021);
    odd["account"]["slug"] = json!("my_account");
    odd["user"] = json!("/users/wqyODPA");
    let (_, noted) = shown(json!({
        "signature": {}, "settings": {"notifications": {"sms": true}, "customSettings": {"plain": 1}, "uiConfig": {}},
        "memberships": {"members": [membership("owner", "other_account"), odd], "totalItems": 7, "view": {"next": "/x"}},
    }));
    let dropped = [
        "/settings/notifications/sms",
        "/settings/customSettings/plain",
        "/settings/uiConfig",
        "/memberships/totalItems",
        "/memberships/view",
        "/memberships/members/0",
        "/memberships/members/1/user",
        "/memberships/members/1/since",
        "/memberships/members/1/account/slug",
        "/signature",
    ];
    notes(&noted, &dropped.map(|place| (NoteKind::Dropped, place)));
}

#[test]
fn discarded_users_can_come_back() {
    assert_eq!(shown(json!({"discarded": true})).0.status, Status::Suspended.into());
    assert_eq!(shown(json!({"discarded": false})).0.status, Status::Active.into());
    assert_eq!(shown(json!({})).0.status, Known::Unknown);
}

#[test]
fn preferences_that_are_not_shown_are_not_known() {
    assert!(!shown(json!({})).0.preferences.complete);
    let settings = json!({"notifications": {"email": false}, "customSettings": {CALENDAR: "x"}});
    let preferences = shown(json!({ "settings": settings })).0.preferences;
    assert!(preferences.complete);
    assert_eq!(preferences.entries, [(NOTIFY_EMAIL.into(), json!(false)), (CALENDAR.into(), json!("x"))].into());
}

#[track_caller]
fn refusal(status: u16, body: &str, kind: ErrorKind, text: Option<&str>) {
    let mut reply = Reply::new(StatusCode::from_u16(status).unwrap(), body.to_owned());
    reply.headers.insert(RETRY_AFTER, HeaderValue::from_static("7"));
    let error = ADAPTER.plan(&Command::GetUser { user: eddie() }, &[reply]).unwrap_err();
    assert_eq!(error.kind(), kind);
    assert_eq!(error.retry_after().map(|delay| delay.as_secs()), Some(7));
    assert_eq!(error.upstream().and_then(|refusal| refusal.text.as_deref()), text);
}

#[test]
fn a_refusal_is_known_by_its_status_alone() {
    refusal(401, r#"{"hydra:description": "bad token"}"#, ErrorKind::Unavailable, None);
    refusal(403, "<html>", ErrorKind::Forbidden, None);
    refusal(404, "", ErrorKind::NotFound, None);
    refusal(409, r#"{"error": "taken"}"#, ErrorKind::Conflict, Some("taken"));
    refusal(422, r#"{"hydra:title": "T", "hydra:description": "D"}"#, ErrorKind::Invalid, Some("D"));
    refusal(429, "[]", ErrorKind::RateLimited, None);
    refusal(408, "", ErrorKind::Timeout, None);
    refusal(500, r#"{"message": "broken"}"#, ErrorKind::Unavailable, Some("broken"));
    refusal(302, "", ErrorKind::BadReply, None);
}

// === Plans ===

/// What was called, and with which body.
fn calls(run: &Run) -> Vec<String> {
    let word = |call: &Call| match call.access {
        Access::Read => "GET".to_owned(),
        Access::Write => String::from_utf8_lossy(&call.body).replace('"', ""),
    };
    run.calls.iter().map(word).collect()
}

#[track_caller]
fn plans(vendor: &mut dyn FnMut(&Call) -> Reply, patch: UserPatch, expected: &[&str], noted: &[(NoteKind, &str)]) {
    let run = carry_out(&*ADAPTER, &update(patch), vendor);
    assert_eq!(calls(&run), expected, "{:?}", run.end);
    assert!(run.end.is_ok(), "{:?}", run.end);
    notes(&run.notes, noted);
}

#[track_caller]
fn forbids(vendor: &mut dyn FnMut(&Call) -> Reply, patch: UserPatch, kind: ErrorKind) {
    let run = carry_out(&*ADAPTER, &update(patch), vendor);
    assert_eq!(run.end.unwrap_err().kind(), kind);
    assert!(run.calls.iter().all(|call| call.access == Access::Read));
}

#[test]
fn a_half_name_reads_the_other_half_first() {
    plans(&mut vendor(), named(Some("Edmund"), None), &["GET", "{name:Edmund Bravo}"], &[]);
    plans(&mut vendor(), named(None, Some("Blake")), &["GET", "{name:Eddie Blake}"], &[]);
    plans(&mut vendor(), named(Some("Edmund"), Some("Blake")), &["{name:Edmund Blake}"], &[]);
    let (narrowed, cut) = ([(NoteKind::Narrowed, "name")], ["{name:Mary Ann Lee}"]);
    plans(&mut vendor(), named(Some("Mary Ann"), Some("Lee")), &cut, &narrowed);
    plans(&mut vendor(), named(Some(""), Some("Lee")), &["{name:Lee}"], &narrowed);
    plans(&mut vendor(), named(Some("Prince"), Some("")), &["{name:Prince}"], &[]);
    forbids(&mut vendor(), named(Some(""), Some("")), ErrorKind::Invalid);
}

fn upsert(role: Role, slug: &str) -> UserPatch {
    granted(GrantChange::Upsert(role, Target::Scope(account(slug))))
}

fn remove(slug: &str) -> UserPatch {
    granted(GrantChange::Remove(Target::Scope(account(slug))))
}

#[test]
fn one_membership_changes_and_the_others_stand() {
    let vendor = || vendor_where(&[("my_account", "support"), ("other_account", "admin")], false);
    let (mine, other) = ("{role:support,account:/accounts/my_account}", "{role:admin,account:/accounts/other_account}");
    let list = |members: &[&str]| format!("{{memberships:[{}]}}", members.join(","));
    let child = "{role:user,account:/accounts/my_account_child}";
    plans(&mut vendor(), upsert(Role::Member, "my_account_child"), &["GET", &list(&[mine, other, child])], &[]);
    let raised = "{role:admin,account:/accounts/my_account}";
    plans(&mut vendor(), upsert(Role::Administrator, "my_account"), &["GET", &list(&[raised, other])], &[]);
    plans(&mut vendor(), remove("other_account"), &["GET", &list(&[mine])], &[]);
    plans(&mut vendor(), upsert(Role::None, "other_account"), &["GET", &list(&[mine])], &[]);
    // What would change nothing is not sent.
    plans(&mut vendor(), upsert(Role::Support, "my_account"), &["GET"], &[]);
    plans(&mut vendor(), remove("my_account_child"), &["GET"], &[]);
    let no_word = [(NoteKind::Dropped, "grants.role")];
    plans(&mut vendor(), upsert(Role::Restricted, "my_account"), &["GET"], &no_word);
}

/// A vendor whose user has these memberships, whatever is written.
fn showing(memberships: Value) -> impl FnMut(&Call) -> Reply {
    move |_| Reply::new(StatusCode::OK, json!({"id": "/users/PWApBE3", "memberships": memberships}).to_string())
}

#[test]
fn roles_that_nobody_knows_are_sent_back_as_they_were_read() {
    let members = json!({"members": [membership("owner", "other_account")], "totalItems": 1});
    let run = carry_out(&*ADAPTER, &update(upsert(Role::Member, "my_account")), &mut showing(members));
    let list = "{memberships:[{role:owner,account:/accounts/other_account},{role:user,account:/accounts/my_account}]}";
    assert_eq!(calls(&run), ["GET", list]);
}

#[test]
fn a_list_that_is_not_whole_is_never_sent_back() {
    let one = || json!([membership("user", "other_account")]);
    for memberships in [
        json!("/users/PWApBE3/memberships"),
        json!({"members": one(), "totalItems": 2}),
        json!({"members": one(), "totalItems": 1, "view": {"next": "/users/PWApBE3/memberships?cursor=2"}}),
    ] {
        forbids(&mut showing(memberships.clone()), upsert(Role::Member, "my_account"), ErrorKind::BadReply);
        forbids(&mut showing(memberships), remove("other_account"), ErrorKind::BadReply);
    }
}

#[test]
fn an_answer_with_memberships_as_an_iri_is_read_again() {
    let mut vendor = vendor_where(&[("my_account", "user")], true);
    let patch = UserPatch { email: Patch::Set(Email::parse("e@textus.example").unwrap()), ..UserPatch::default() };
    let run = carry_out(&*ADAPTER, &update(patch), &mut vendor);
    assert_eq!(calls(&run), ["{email:e@textus.example}", "GET"]);
    assert_eq!(run.user().unwrap().grants.as_ref().map(Vec::len), Some(1));
}

#[test]
fn a_whole_list_is_sent_as_it_is() {
    let to = |grants: &[(Role, &str)]| {
        granted(GrantChange::Replace(grants.iter().map(|(role, slug)| grant(*role, slug)).collect()))
    };
    let list =
        "{memberships:[{role:admin,account:/accounts/my_account},{role:support,account:/accounts/other_account}]}";
    let both = to(&[(Role::Administrator, "my_account"), (Role::Support, "other_account")]);
    plans(&mut vendor(), both, &[list], &[]);
    plans(&mut vendor(), to(&[]), &["{memberships:[]}"], &[]);
    plans(&mut vendor(), to(&[(Role::None, "my_account")]), &["{memberships:[]}"], &[]);
    let restricted = to(&[(Role::Restricted, "my_account")]);
    plans(&mut vendor(), restricted, &["{memberships:[]}"], &[(NoteKind::Dropped, "grants.role")]);
    forbids(&mut vendor(), to(&[(Role::System, "my_account")]), ErrorKind::Forbidden);
    forbids(&mut vendor(), upsert(Role::System, "my_account"), ErrorKind::Forbidden);
}

#[test]
fn preferences_are_settings() {
    let custom = format!("{{settings:{{customSettings:{{{CALENDAR}:x}}}}}}");
    plans(&mut vendor(), preferring(CALENDAR, Patch::Set(json!("x"))), &[&custom], &[]);
    let cleared = format!("{{settings:{{customSettings:{{{CALENDAR}:null}}}}}}");
    plans(&mut vendor(), preferring(CALENDAR, Patch::Clear), &[&cleared], &[]);
    let switch = "{settings:{notifications:{email:false}}}";
    plans(&mut vendor(), preferring(NOTIFY_EMAIL, Patch::Set(json!(false))), &[switch], &[]);
    fn lost(place: &str) -> [(NoteKind, &str); 1] {
        [(NoteKind::Dropped, place)]
    }
    let email = format!("preferences[{NOTIFY_EMAIL}]");
    plans(&mut vendor(), preferring(NOTIFY_EMAIL, Patch::Clear), &["GET"], &lost(&email));
    plans(&mut vendor(), preferring("company", Patch::Set(json!("X"))), &["GET"], &lost("preferences[company]"));
    forbids(&mut vendor(), preferring(CALENDAR, Patch::Set(json!(7))), ErrorKind::Invalid);
    forbids(&mut vendor(), preferring(NOTIFY_AUDIO, Patch::Set(json!("on"))), ErrorKind::Invalid);
}

#[test]
fn nothing_to_change_reads_the_user() {
    plans(&mut vendor(), UserPatch::default(), &["GET"], &[]);
    let cleared = UserPatch { email: Patch::Clear, ..UserPatch::default() };
    plans(&mut vendor(), cleared, &["GET"], &[(NoteKind::Dropped, "email")]);
}

#[test]
fn ids_of_another_dialect_are_not_sent_or_written() {
    let foreign = || Command::GetUser { user: UserId::new("../accounts") };
    assert_eq!(ADAPTER.plan(&foreign(), &[]).unwrap_err().kind(), ErrorKind::Internal);
    let elsewhere = Grant { scope: Scope::new(ScopeId::new("1/101")), ..grant(Role::Member, "x") };
    let mut present = vendor();
    forbids(&mut present, granted(GrantChange::Replace(vec![elsewhere.clone()])), ErrorKind::Internal);
    for user in [User::new(UserId::new("a/b")), User { grants: Some(vec![elsewhere]), ..User::new(eddie()) }] {
        let error = ADAPTER.write("get-user", &Outcome::User(Box::new(user))).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Internal);
    }
}

// === Answers ===

fn write(user: User) -> Writing {
    ADAPTER.write("get-user", &Outcome::User(Box::new(user))).unwrap()
}

fn at(writing: &Writing, pointer: &str) -> Value {
    let document: Value = serde_json::from_slice(&writing.response.body).unwrap();
    document.pointer(pointer).cloned().unwrap_or_else(|| json!("nothing"))
}

#[test]
fn an_answer_has_the_bytes_of_the_vendors() {
    let (_, response) = page()[0];
    let (user, _) = read_reply(&*ADAPTER, &UserId::new("wqyODPA"), response.as_bytes()).unwrap();
    let compact: String = response.lines().map(|line| line.trim_start().replace("\": ", "\":")).collect();
    assert_eq!(write(user).response.body, compact);
}

#[test]
fn what_nobody_knows_is_left_out_or_has_its_default() {
    let writing = write(User::new(eddie()));
    let expected = json!({
        "@type": "User", "@context": "/contexts/User.jsonld", "id": "/users/PWApBE3", "avatar": null,
        "automatedActor": false, "hasPassword": true, "settings": {"customSettings": {}},
        "memberships": "/users/PWApBE3/memberships",
    });
    assert_eq!(at(&writing, ""), expected);
    use NoteKind::{Defaulted, Unknown};
    notes(
        &writing.notes,
        &[
            (Unknown, "/name"),
            (Unknown, "/firstName"),
            (Unknown, "/lastName"),
            (Unknown, "/email"),
            (Unknown, "/discarded"),
            (Defaulted, "/automatedActor"),
            (Defaulted, "/hasPassword"),
            (Unknown, "/settings"),
            (Unknown, "/memberships"),
        ],
    );
}

#[test]
fn a_name_is_shown_whole_and_in_halves() {
    #[track_caller]
    fn check(name: Name, expected: [Value; 3]) {
        let writing = write(User { name, ..User::new(eddie()) });
        assert_eq!(["/name", "/firstName", "/lastName"].map(|pointer| at(&writing, pointer)), expected);
    }
    let text = |text: &str| Known::Value(Text::from(text));
    let halves = Name { given: text("John"), family: text("Smith"), ..Name::default() };
    check(halves, [json!("John Smith"), json!("John"), json!("Smith")]);
    let whole = Name { display: text("Ludwig van Beethoven"), ..Name::default() };
    check(whole, [json!("Ludwig van Beethoven"), json!("Ludwig"), json!("van Beethoven")]);
    let none = Name { display: Known::Null, given: Known::Null, family: Known::Null };
    check(none, [Value::Null, Value::Null, Value::Null]);
}

#[test]
fn a_status_is_discarded_or_not() {
    #[track_caller]
    fn check(status: Status, discarded: bool, narrowed: bool) {
        let writing = write(User { status: status.into(), ..User::new(eddie()) });
        assert_eq!(at(&writing, "/discarded"), json!(discarded));
        let noted = writing.notes.iter().any(|note| note.place.to_string() == "/discarded");
        assert_eq!(noted, narrowed);
    }
    check(Status::Active, false, false);
    check(Status::Development, false, true);
    check(Status::Preproduction, false, true);
    check(Status::Suspended, true, false);
    check(Status::Terminated, true, true);
}

#[test]
fn roles_are_memberships() {
    let named = Scope { name: Some("Example Account".into()), ..account("my_account") };
    let grants = vec![
        Grant { role: Role::Administrator, scope: named, id: Some("PWApBE3".into()) },
        grant(Role::None, "a"),
        grant(Role::Restricted, "b"),
        grant(Role::System, "c"),
        grant(Role::Member, "other_account"),
    ];
    let writing = write(User { grants: Some(grants), ..User::new(eddie()) });
    assert_eq!(at(&writing, "/memberships/totalItems"), json!(2));
    let shown = |position: usize| {
        ["id", "role", "account/id", "account/name"]
            .map(|name| at(&writing, &format!("/memberships/members/{position}/{name}")))
    };
    let first = ["/users/PWApBE3/memberships/PWApBE3", "admin", "/accounts/my_account", "Example Account"];
    let second = ["/users/PWApBE3/memberships/other_account", "user", "/accounts/other_account", "other_account"];
    assert_eq!([shown(0), shown(1)], [first, second].map(|members| members.map(Value::from)));
    let about = writing.notes.iter().filter(|note| note.place.to_string().starts_with("/memberships"));
    let expected = [
        (NoteKind::Dropped, "/memberships"),
        (NoteKind::Dropped, "/memberships"),
        (NoteKind::Defaulted, "/memberships/members/1/account/name"),
    ];
    notes(&about.cloned().collect::<Vec<_>>(), &expected);
}

#[test]
fn errors_have_the_assumed_statuses() {
    for (kind, status) in [
        (ErrorKind::Invalid, 422),
        (ErrorKind::Malformed, 400),
        (ErrorKind::Unrepresentable, 422),
        (ErrorKind::Unauthenticated, 401),
        (ErrorKind::Forbidden, 403),
        (ErrorKind::NotFound, 404),
        (ErrorKind::Conflict, 422),
        (ErrorKind::RateLimited, 429),
        (ErrorKind::TooLarge, 413),
        (ErrorKind::UnsupportedMedia, 415),
        (ErrorKind::Unsupported, 501),
        (ErrorKind::BadReply, 502),
        (ErrorKind::Timeout, 504),
        (ErrorKind::Overloaded, 503),
        (ErrorKind::Partial, 502),
    ] {
        let response = ADAPTER.write_error(&Error::new(kind, "what happened"));
        assert_eq!(response.status.as_u16(), status, "{kind:?}");
        let document: Value = serde_json::from_slice(&response.body).unwrap();
        assert_eq!(document["hydra:description"], json!("what happened"));
    }
}
