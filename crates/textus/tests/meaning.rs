//! What this dialect's requests, replies and answers mean, case by case.

#![cfg(test)]

mod common;

use common::{
    ADAPTER, CELL_PHONE, CREATE, VALIDATOR, account, compact, create_request, eddie, page, update, vendor,
    vendor_of_small_pages, vendor_where,
};
use interlingua_core::{
    Access, Adapter, Call, Command, Cursor, Document, Email, Error, ErrorKind, Grant, GrantChange, Known, Mapping,
    Message, NOTIFY_AUDIO, NOTIFY_EMAIL, Name, NamePatch, NewUser, Note, NoteKind, Outcome, PageRequest, Password,
    Patch, Preferences, Reading, Removal, Reply, Request, Result, Role, Scope, ScopeId, Status, Target, Text, User,
    UserId, UserPage, UserPatch, UserQuery, Writing,
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
    for account in ["", "/accounts/", "/users/my_account", "my/account"] {
        refused(put(&json!({"defaultMessagingAccount": account})), "/defaultMessagingAccount");
        let settings = json!({"settings": {"defaultMessagingAccount": account}});
        refused(put(&settings), "/settings/defaultMessagingAccount");
    }
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

fn list(query: &str) -> Result<Reading> {
    ADAPTER.read(&Request::get("/users").with_query(query))
}

#[test]
fn a_list_is_asked_for_by_text_and_accounts() {
    #[track_caller]
    fn check(query: &str, text: Option<&str>, accounts: &[&str], cursor: Option<&str>) {
        let reading = list(query).unwrap();
        let scopes = accounts.iter().map(|slug| account(slug)).collect();
        let query = UserQuery { text: text.map(Text::from), scopes, ..UserQuery::default() };
        let page = PageRequest::At(cursor.map(Cursor::new));
        assert_eq!(reading.command, Command::FindUsers { query, page });
        notes(&reading.notes, &[]);
    }
    check("", None, &[], None);
    check("q=chuck", Some("chuck"), &[], None);
    check("q=", None, &[], None);
    check("q=chuck+norris%26%C3%A9", Some("chuck norris&é"), &[], None);
    check("accounts[]=my_account", None, &["my_account"], None);
    check("accounts%5B%5D=/accounts/a&accounts[]=%2Faccounts%2Fb", None, &["a", "b"], None);
    check("cursor=a%3Db&q=x", Some("x"), &[], Some("a=b"));
}

#[test]
fn an_odd_query_is_refused_or_noted() {
    refused(list("q=a&q=b"), "/q");
    refused(list("q=&q="), "/q");
    // `ü` in Latin-1; a replacement character that was asked for is one.
    refused(list("q=M%FCller"), "/q");
    list("q=M%EF%BF%BDller").unwrap();
    refused(list("cursor=a&cursor=a"), "/cursor");
    refused(list("cursor="), "/cursor");
    for account in ["", "a/b", "/accounts/", "/users/a", "a%20b", "%2e%2e", "/accounts/a?b"] {
        refused(list(&format!("accounts[]=fine&accounts[]={account}")), "/accounts/1");
    }
    let dropped = |place| (NoteKind::Dropped, place);
    let noted = |request: Request| VALIDATOR.request(ADAPTER.dialect(), &request).unwrap().1;
    let odd = Request::get("/users").with_query("page=2&q=x&accounts=a&a~/b=1&page=3");
    notes(&noted(odd), &["/accounts", "/a~0~1b", "/page"].map(dropped));
    let expand = |request: Request| noted(request.with_query("expand=all&q=x"));
    for request in [
        Request::get("/users/PWApBE3"),
        Request::new(Method::DELETE, "/users/PWApBE3", ""),
        Request::new(Method::PUT, "/users/PWApBE3", "{}"),
        create_request(CREATE),
    ] {
        notes(&expand(request), &["/expand", "/q"].map(dropped));
    }
}

#[test]
fn a_user_is_created_with_its_memberships() {
    let create = |body: &Value| ADAPTER.read(&create_request(body.to_string()));
    let Command::CreateUser(new) = ADAPTER.read(&create_request(CREATE)).unwrap().command else { unreachable!() };
    let expected = NewUser {
        login: None,
        email: Email::parse("edmund@bravo.com").unwrap(),
        name: Name { display: Text::from("Eddie").into(), ..Name::default() },
        password: None,
        grants: vec![grant(Role::Administrator, "my_account")],
    };
    assert_eq!(*new, expected);
    let with = |member: &str, value: Value| {
        let mut body: Value = serde_json::from_str(CREATE).unwrap();
        body[member] = value;
        body
    };
    let membership = || json!({"role": "user", "account": "/accounts/my_account"});
    refused(create(&with("memberships", json!([]))), "/memberships");
    refused(create(&with("memberships", json!([membership(), membership()]))), "/memberships/1/account");
    refused(create(&with("name", json!(""))), "/name");
    refused(create(&with("email", json!("eddie"))), "/email");
    for missing in ["name", "email", "memberships"] {
        assert_eq!(create(&with(missing, Value::Null)).unwrap_err().kind(), ErrorKind::Invalid);
    }
}

#[test]
fn whoever_is_deleted_can_come_back() {
    let reading = ADAPTER.read(&Request::new(Method::DELETE, "/users/PWApBE3", "")).unwrap();
    assert_eq!(reading.command, Command::DeleteUser { user: eddie(), removal: Removal::Reversible });
}

#[test]
fn messages_are_not_served() {
    let error = ADAPTER.read(&Request::new(Method::POST, "/messages", "{}")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NoSuchPath);
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

// === Plans: lists ===

fn find(query: UserQuery) -> Command {
    Command::FindUsers { query, page: PageRequest::At(None) }
}

fn find_at(cursor: &str) -> Command {
    Command::FindUsers { query: UserQuery::default(), page: PageRequest::At(Some(Cursor::new(cursor))) }
}

fn targets(run: &Run) -> Vec<&str> {
    run.calls.iter().map(|call| call.target.as_str()).collect()
}

fn found(run: Run) -> UserPage {
    match run.end.unwrap() {
        Outcome::Users(page) => page,
        other => panic!("{other:?} is no page"),
    }
}

#[track_caller]
fn fails(command: &Command, vendor: &mut dyn FnMut(&Call) -> Reply, kind: ErrorKind) -> Error {
    let run = carry_out(&*ADAPTER, command, vendor);
    assert!(!run.wrote(), "{:?}", run.calls);
    let error = run.end.unwrap_err();
    assert_eq!(error.kind(), kind, "{error}");
    error
}

fn ids(page: &UserPage) -> Vec<&str> {
    page.users.iter().map(|user| user.id.as_str()).collect()
}

#[test]
fn a_list_is_asked_for_in_the_vendors_words() {
    #[track_caller]
    fn check(query: UserQuery, target: &str) {
        let command = find(query);
        let run = carry_out(&*ADAPTER, &command, &mut vendor());
        assert_eq!(targets(&run), [target]);
        assert!(run.end.is_ok(), "{:?}", run.end);
    }
    let text = |text: &str| Some(Text::from(text));
    check(UserQuery::default(), "/users");
    check(UserQuery { text: text("chuck norris"), ..UserQuery::default() }, "/users?q=chuck+norris");
    check(UserQuery { login: text("a+b@textus.example"), ..UserQuery::default() }, "/users?q=a%2Bb%40textus.example");
    check(UserQuery { text: text("a"), login: text("b"), ..UserQuery::default() }, "/users?q=a");
    let scopes = vec![account("my_account"), account("b")];
    let accounts = "accounts%5B%5D=%2Faccounts%2Fmy_account&accounts%5B%5D=%2Faccounts%2Fb";
    check(UserQuery { scopes: scopes.clone(), ..UserQuery::default() }, &format!("/users?{accounts}"));
    // What the vendor cannot be asked for is for the caller to look at.
    let status = Some(Status::Suspended);
    check(UserQuery { roles: vec![Role::Support], status, ..UserQuery::default() }, "/users");
    // What is sent is what a client of this dialect would send.
    let asked = find(UserQuery { text: text("é&"), scopes, ..UserQuery::default() });
    let run = carry_out(&*ADAPTER, &asked, &mut vendor());
    assert_eq!(list(run.calls[0].target.split_once('?').unwrap().1).unwrap().command, asked);
    let foreign = UserQuery { scopes: vec![Scope::new(ScopeId::new("1/101"))], ..UserQuery::default() };
    fails(&find(foreign), &mut vendor(), ErrorKind::Internal);
}

#[test]
fn pages_follow_one_another() {
    let mut vendor = vendor_of_small_pages();
    let first = found(carry_out(&*ADAPTER, &find(UserQuery::default()), &mut vendor));
    assert_eq!((first.users.len(), first.total), (2, Some(4)));
    let next = first.next.clone().unwrap();
    let run = carry_out(&*ADAPTER, &find_at(next.as_str()), &mut vendor);
    assert_eq!(targets(&run), [format!("/users?{}", next.as_str())]);
    let second = found(run);
    assert_eq!((second.users.len(), second.next.clone()), (2, None));
    assert!(ids(&second).iter().all(|id| !ids(&first).contains(id)));
}

#[test]
fn only_the_first_page_has_a_number() {
    let page = |number: u32| PageRequest::Numbered { number: number.try_into().unwrap(), size: 50.try_into().unwrap() };
    let numbered = |number| Command::FindUsers { query: UserQuery::default(), page: page(number) };
    let run = carry_out(&*ADAPTER, &numbered(1), &mut vendor());
    assert_eq!(targets(&run), ["/users"]);
    assert_eq!(found(run).page, page(1));
    fails(&numbered(2), &mut vendor(), ErrorKind::Unsupported);
}

#[test]
fn nonsense_is_no_cursor() {
    let long = "a".repeat(2001);
    for cursor in ["", "a b", "a#b", "a\r\nx: y", "é", "\0", "a\\b", "<", &long] {
        let error = fails(&find_at(cursor), &mut vendor(), ErrorKind::Invalid);
        assert_eq!(error.problems()[0].place.to_string(), "page");
        assert!(error.describe(|field| ADAPTER.pointer(field, Document::Request)).contains("/cursor"));
    }
}

/// A vendor that answers every call with a page of nobody, whose next page is there.
fn followed_by(next: Value) -> impl FnMut(&Call) -> Reply {
    move |_| Reply::new(StatusCode::OK, json!({"members": [], "view": {"next": next}}).to_string())
}

#[test]
fn a_reply_does_not_decide_where_the_next_call_goes() {
    let next =
        |next: &str| found(carry_out(&*ADAPTER, &find(UserQuery::default()), &mut followed_by(json!(next)))).next;
    assert_eq!(next("https://elsewhere.example/users?cursor=2"), Some(Cursor::new("cursor=2")));
    let run = carry_out(&*ADAPTER, &find_at("cursor=2"), &mut followed_by(Value::Null));
    assert_eq!(targets(&run), ["/users?cursor=2"]);
    for elsewhere in ["/accounts?cursor=2", "/users/../accounts?cursor=2", "/users", "https://elsewhere.example?x", ""]
    {
        fails(&find(UserQuery::default()), &mut followed_by(json!(elsewhere)), ErrorKind::BadReply);
    }
}

#[test]
fn a_page_that_is_followed_by_itself_is_no_page() {
    fails(&find_at("cursor=2"), &mut followed_by(json!("/users?cursor=2")), ErrorKind::BadReply);
    let chuck = UserQuery { text: Some("chuck".into()), ..UserQuery::default() };
    fails(&find(chuck), &mut followed_by(json!("/users?q=chuck")), ErrorKind::BadReply);
}

/// A vendor whose list points at the memberships of these users, and who may not know the last of them any more.
fn pointing(ids: &'static [&'static str], last_is_gone: bool) -> impl FnMut(&Call) -> Reply {
    move |call| {
        let user = |id: &str, memberships: Value| json!({"id": format!("/users/{id}"), "memberships": memberships});
        let body = match call.target.strip_prefix("/users/") {
            None => {
                let members = ids.iter().map(|id| user(id, json!(format!("/users/{id}/memberships"))));
                json!({"members": members.collect::<Vec<_>>(), "totalItems": ids.len(), "odd": 1})
            }
            Some(id) if last_is_gone && ids.last() == Some(&id) => {
                return Reply::new(StatusCode::NOT_FOUND, "");
            }
            Some(id) => {
                let membership = json!({"role": "user", "account": {"id": "/accounts/my_account"}, "since": 2021});
                user(id, json!({"members": [membership]}))
            }
        };
        Reply::new(StatusCode::OK, body.to_string())
    }
}

#[test]
fn users_of_a_page_with_memberships_as_an_iri_are_read_again() {
    let run = carry_out(&*ADAPTER, &find(UserQuery::default()), &mut pointing(&["a", "b"], false));
    assert_eq!(targets(&run), ["/users", "/users/a", "/users/b"]);
    let dropped = ["/odd", "/members/0/memberships/members/0/since", "/members/1/memberships/members/0/since"];
    notes(&run.notes, &dropped.map(|place| (NoteKind::Dropped, place)));
    let page = found(run);
    assert!(page.users.iter().all(|user| user.grants.as_ref().is_some_and(|grants| grants.len() == 1)));
    let run = carry_out(&*ADAPTER, &find(UserQuery::default()), &mut pointing(&["a", "b"], true));
    assert_eq!(ids(&found(run)), ["a"]);
}

#[test]
fn a_page_is_a_list_of_users() {
    let reply = |body: Value| {
        let reply = Reply::new(StatusCode::OK, body.to_string());
        carry_out(&*ADAPTER, &find(UserQuery::default()), &mut |_| reply.clone())
    };
    for body in [json!({}), json!([]), json!({"members": null}), json!({"members": [{"id": "/accounts/a"}]})] {
        assert_eq!(reply(body.clone()).end.unwrap_err().kind(), ErrorKind::BadReply, "{body}");
    }
    let one = json!({"members": [{"id": "/users/a", "memberships": {"members": []}}], "totalItems": 0});
    let run = reply(one);
    notes(&run.notes, &[(NoteKind::Dropped, "/totalItems")]);
    assert_eq!(found(run).total, None);
    let forbidden = Reply::new(StatusCode::FORBIDDEN, "");
    fails(&find(UserQuery::default()), &mut |_| forbidden.clone(), ErrorKind::Forbidden);
}

// === Plans: the others ===

#[test]
fn nobody_knows_who_asks() {
    fails(&Command::GetSelf, &mut vendor(), ErrorKind::Unsupported);
}

fn new_user(name: Name, grants: &[(Role, &str)]) -> NewUser {
    NewUser {
        login: Some("edmund".into()),
        email: Email::parse("edmund@textus.example").unwrap(),
        name,
        password: None,
        grants: grants.iter().map(|(role, slug)| grant(*role, slug)).collect(),
    }
}

fn halves(given: Option<&str>, family: Option<&str>) -> Name {
    let half = |half: Option<&str>| half.map_or(Known::Unknown, |half| Known::Value(half.into()));
    Name { given: half(given), family: half(family), ..Name::default() }
}

fn create(new: NewUser) -> Command {
    Command::CreateUser(Box::new(new))
}

const MINE: &[(Role, &str)] = &[(Role::Support, "my_account")];

#[test]
fn a_user_is_created_in_one_call() {
    #[track_caller]
    fn check(new: NewUser, name: &str, noted: &[(NoteKind, &str)]) {
        let run = carry_out(&*ADAPTER, &create(new), &mut vendor());
        let rest = "email:edmund@textus.example,memberships:[{role:support,account:/accounts/my_account}]";
        assert_eq!(calls(&run), [format!("{{name:{name},{rest}}}")]);
        assert_eq!(targets(&run), ["/users"]);
        notes(&run.notes, noted);
        let user = run.user().unwrap();
        assert_eq!(user.name.display, Text::from(name).into());
        assert_eq!(user.grants.as_ref().unwrap()[0].role, Role::Support);
    }
    let narrowed = |place| [(NoteKind::Narrowed, place)];
    let whole = Name { display: Text::from("Edmund").into(), ..Name::default() };
    check(new_user(whole.clone(), MINE), "Edmund", &[]);
    check(new_user(halves(Some("Edmund"), Some("Bravo")), MINE), "Edmund Bravo", &[]);
    check(new_user(halves(Some("Edmund"), None), MINE), "Edmund", &[]);
    check(new_user(halves(Some("Mary Ann"), Some("Lee")), MINE), "Mary Ann Lee", &narrowed("name"));
    check(new_user(halves(None, Some("Lee")), MINE), "Lee", &narrowed("name"));
    let password = |password| NewUser { password: Some(password), ..new_user(whole.clone(), MINE) };
    check(password(Password::given("Secret-1")), "Edmund", &narrowed("password"));
    check(password(Password::generated("Secret-1")), "Edmund", &[]);
    let restricted = new_user(whole, &[(Role::Restricted, "other_account"), (Role::Support, "my_account")]);
    check(restricted, "Edmund", &[(NoteKind::Dropped, "grants.role")]);
}

#[test]
fn a_user_without_a_name_or_a_membership_is_not_created() {
    #[track_caller]
    fn check(name: Name, grants: &[(Role, &str)], places: &[&str]) {
        let error = fails(&create(new_user(name, grants)), &mut vendor(), ErrorKind::Invalid);
        assert_eq!(error.problems().iter().map(|problem| problem.place.to_string()).collect::<Vec<_>>(), places);
    }
    let named = || halves(Some("Edmund"), None);
    check(Name::default(), MINE, &["name"]);
    check(halves(Some(""), Some("")), MINE, &["name"]);
    check(named(), &[], &["grants"]);
    check(named(), &[(Role::None, "my_account"), (Role::Restricted, "other_account")], &["grants"]);
    check(Name::default(), &[], &["name", "grants"]);
    let system = new_user(named(), &[(Role::Support, "my_account"), (Role::System, "other_account")]);
    fails(&create(system), &mut vendor(), ErrorKind::Forbidden);
}

#[test]
fn a_new_user_with_memberships_as_an_iri_is_read_again() {
    let mut vendor = vendor();
    let run = carry_out(&*ADAPTER, &create(new_user(halves(Some("Edmund"), None), MINE)), &mut |call| {
        let mut reply = vendor(call);
        if call.access == Access::Write {
            let mut user: Value = serde_json::from_slice(&reply.body).unwrap();
            user["memberships"] = json!("/users/new/memberships");
            reply.body = user.to_string().into();
        }
        reply
    });
    assert_eq!(calls(&run)[1..], ["GET"]);
    assert_eq!(targets(&run)[1], format!("/users/{}", run.user().unwrap().id));
    assert_eq!(run.user().unwrap().grants.as_ref().map(Vec::len), Some(1));
}

#[test]
fn a_user_leaves() {
    #[track_caller]
    fn check(removal: Removal, noted: &[(NoteKind, &str)]) {
        let mut vendor = vendor();
        let run = carry_out(&*ADAPTER, &Command::DeleteUser { user: eddie(), removal }, &mut vendor);
        let sent: Vec<_> = run.calls.iter().map(|call| format!("{} {}", call.method, call.target)).collect();
        assert_eq!(sent, ["DELETE /users/PWApBE3"]);
        assert_eq!(run.end.unwrap(), Outcome::Done);
        notes(&run.notes, noted);
        fails(&Command::GetUser { user: eddie() }, &mut vendor, ErrorKind::NotFound);
    }
    check(Removal::Reversible, &[]);
    check(Removal::Permanent, &[(NoteKind::Narrowed, "user")]);
    let nobody = Command::DeleteUser { user: UserId::new("nobody"), removal: Removal::Reversible };
    let run = carry_out(&*ADAPTER, &nobody, &mut vendor());
    assert_eq!(run.end.unwrap_err().kind(), ErrorKind::NotFound);
}

fn message(text: &str, phone: &str) -> Command {
    Command::SendMessage { user: eddie(), message: Message { text: text.into(), phone: phone.into() } }
}

#[test]
fn a_message_goes_to_the_number_that_the_user_has() {
    let mut vendor = vendor_where(&[("my_account", "user")], false);
    let run = carry_out(&*ADAPTER, &message("see you", CELL_PHONE), &mut vendor);
    assert_eq!(calls(&run), ["GET", "{to:+13035550199,body:see you,email:eddie@textus.example}"]);
    assert_eq!(targets(&run), ["/users/PWApBE3", "/messages"]);
    assert_eq!(run.end.unwrap(), Outcome::Done);
    notes(&run.notes, &[]);
}

#[test]
fn a_message_to_nobody_is_not_sent() {
    let error = fails(&message("see you", CALENDAR), &mut vendor(), ErrorKind::Invalid);
    assert_eq!(error.problems()[0].place.to_string(), "user");
    let error = fails(&message("", CELL_PHONE), &mut vendor(), ErrorKind::Invalid);
    assert_eq!(error.problems()[0].place.to_string(), "message");
    let with = |phone: &'static str| {
        move |_: &Call| {
            let settings = json!({"customSettings": {CELL_PHONE: phone}});
            Reply::new(StatusCode::OK, json!({"id": "/users/PWApBE3", "settings": settings}).to_string())
        }
    };
    for phone in ["", "+", "+1", "+0303555", "3035550199", "+1303555019x", "+1 303 555 0199", "+1234567890123456"] {
        fails(&message("see you", CELL_PHONE), &mut with(phone), ErrorKind::Invalid);
    }
    // Without an address there is nobody whom the message could come from.
    fails(&message("see you", CELL_PHONE), &mut with("+13035550199"), ErrorKind::BadReply);
}

#[test]
fn several_recipients_or_one_are_sent_to() {
    for (status, kind) in [(201, None), (202, None), (403, Some(ErrorKind::Forbidden)), (422, Some(ErrorKind::Invalid))]
    {
        let mut present = vendor_where(&[], false);
        let run = carry_out(&*ADAPTER, &message("hi", CELL_PHONE), &mut |call| match call.access {
            Access::Read => present(call),
            Access::Write => Reply::new(StatusCode::from_u16(status).unwrap(), ""),
        });
        assert_eq!(run.end.err().map(|error| error.kind()), kind, "{status}");
    }
}

fn moved(from: &str, to: &str) -> UserPatch {
    granted(GrantChange::Move { from: Target::Scope(account(from)), to: account(to) })
}

#[test]
fn a_membership_moves_to_another_account() {
    let vendor = || vendor_where(&[("my_account", "support"), ("other_account", "admin")], false);
    let list = |members: &[&str]| format!("{{memberships:[{}]}}", members.join(","));
    let other = "{role:admin,account:/accounts/other_account}";
    let child = "{role:support,account:/accounts/my_account_child}";
    plans(&mut vendor(), moved("my_account", "my_account_child"), &["GET", &list(&[child, other])], &[]);
    plans(&mut vendor(), moved("my_account", "my_account"), &["GET"], &[]);
    // Where both accounts have one, the lower role is kept, whichever it is.
    let narrowed = [(NoteKind::Narrowed, "grants")];
    let lower = "{role:support,account:/accounts/other_account}";
    plans(&mut vendor(), moved("my_account", "other_account"), &["GET", &list(&[lower])], &narrowed);
    let lower = "{role:support,account:/accounts/my_account}";
    plans(&mut vendor(), moved("other_account", "my_account"), &["GET", &list(&[lower])], &narrowed);
    forbids(&mut vendor(), moved("my_account_child", "my_account"), ErrorKind::Invalid);
}

#[test]
fn a_role_that_nobody_knows_moves_as_it_is_and_is_compared_with_none() {
    let members = |other: &str| json!({"members": [membership("owner", "my_account"), membership(other, "other_account")], "totalItems": 2});
    let run = carry_out(&*ADAPTER, &update(moved("my_account", "a")), &mut showing(members("user")));
    let list = "{memberships:[{role:owner,account:/accounts/a},{role:user,account:/accounts/other_account}]}";
    assert_eq!(calls(&run), ["GET", list]);
    forbids(&mut showing(members("user")), moved("my_account", "other_account"), ErrorKind::Invalid);
    let run = carry_out(&*ADAPTER, &update(moved("my_account", "other_account")), &mut showing(members("owner")));
    assert_eq!(calls(&run), ["GET", "{memberships:[{role:owner,account:/accounts/other_account}]}"]);
}

#[test]
fn the_vendors_ranks_decide_which_role_is_the_lower_one() {
    // Here an admin is taken for less than a support: the admin's word must not win for it.
    let mapping = Mapping { roles: [("admin".into(), Role::Member)].into(), ..Mapping::default() };
    let adapter = ADAPTER.configured(&mapping).unwrap();
    let mut vendor = vendor_where(&[("my_account", "support"), ("other_account", "admin")], false);
    let run = carry_out(&*adapter, &update(moved("other_account", "my_account")), &mut vendor);
    assert_eq!(calls(&run), ["GET", "{memberships:[{role:support,account:/accounts/my_account}]}"]);
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
    assert_eq!(write(user).response.body, compact(response));
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

fn page_of(users: Vec<User>, total: Option<u64>, at: Option<&str>, next: Option<&str>) -> UserPage {
    let query = UserQuery { text: Some("o r".into()), scopes: vec![account("my_account")], ..UserQuery::default() };
    let page = PageRequest::At(at.map(Cursor::new));
    UserPage { query, page, users, total, next: next.map(Cursor::new) }
}

#[test]
fn a_page_tells_its_place_in_our_own_iris() {
    let page = page_of(vec![User { grants: Some(vec![]), ..User::new(eddie()) }], None, Some("a="), Some("b&"));
    let writing = ADAPTER.write("list-users", &Outcome::Users(page)).unwrap();
    let base = "/users?q=o+r&accounts[]=/accounts/my_account";
    assert_eq!(at(&writing, "/id"), json!(base));
    assert_eq!(at(&writing, "/totalItems"), json!("nothing"));
    let view = json!({
        "@type": "hydra:PartialCollectionView", "@context": "/contexts/hydra:PartialCollectionView.jsonld",
        "id": format!("{base}&cursor=a%3D"), "first": base, "next": format!("{base}&cursor=b%26"), "previous": null,
    });
    assert_eq!(at(&writing, "/view"), view);
    assert_eq!(at(&writing, "/members/0/id"), json!("/users/PWApBE3"));
    assert!(writing.notes.iter().any(|note| note.place.to_string() == "/members/0/name"));
    assert_eq!(writing.notes.last().unwrap().place.to_string(), "/totalItems");
}

#[test]
fn notes_of_a_member_lead_into_the_page() {
    let user = User {
        preferences: Preferences { entries: [("shoeSize".into(), json!(46))].into(), complete: true },
        ..User::new(eddie())
    };
    let page = page_of(vec![User::new(eddie()), user], Some(2), None, None);
    let writing = ADAPTER.write("list-users", &Outcome::Users(page)).unwrap();
    let dropped: Vec<_> = writing.notes.iter().filter(|note| note.kind == NoteKind::Dropped).cloned().collect();
    notes(&dropped, &[(NoteKind::Dropped, "/members/1/settings/shoeSize")]);
    assert_eq!(at(&writing, "/members").as_array().map(Vec::len), Some(2));
}

#[test]
fn an_answer_has_the_status_of_its_operation() {
    let user = || Outcome::User(Box::new(User::new(eddie())));
    let page = || Outcome::Users(page_of(Vec::new(), Some(0), None, None));
    let status = |operation: &str, outcome| ADAPTER.write(operation, &outcome).map(|writing| writing.response.status);
    for (operation, outcome, expected) in [
        ("get-user", user(), 200),
        ("update-user", user(), 200),
        ("create-user", user(), 201),
        ("list-users", page(), 200),
        ("delete-user", Outcome::Done, 204),
    ] {
        assert_eq!(status(operation, outcome).unwrap(), expected);
    }
    for (operation, outcome) in [
        ("get-user", Outcome::Done),
        ("list-users", user()),
        ("delete-user", page()),
        ("create-user", page()),
        ("send-message", Outcome::Done),
    ] {
        assert_eq!(status(operation, outcome).unwrap_err().kind(), ErrorKind::Internal);
    }
    let mut foreign = page_of(Vec::new(), None, None, None);
    foreign.query.scopes = vec![Scope::new(ScopeId::new("1/101"))];
    assert_eq!(status("list-users", Outcome::Users(foreign)).unwrap_err().kind(), ErrorKind::Internal);
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
        (ErrorKind::TargetTooLong, 414),
        (ErrorKind::HeadTooLarge, 431),
        (ErrorKind::TooSlow, 408),
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
