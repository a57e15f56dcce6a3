//! What this dialect's requests, replies and answers mean, case by case.

#![cfg(test)]

mod common;

use common::{ADAPTER, CELL_PHONE, john, pages, scope, update, vendor, vendor_where};
use interlingua_core::{
    Access, Call, Command, Email, Error, ErrorKind, Field, Grant, GrantChange, Known, Level, NOTIFY_AUDIO,
    NOTIFY_EMAIL, Name, Note, NoteKind, Outcome, Patch, Reading, Reply, Request, Result, Role, Scope, Status, Target,
    Text, User, UserPatch, Writing,
    http::{Method, StatusCode},
    laws::{Run, carry_out, read_reply},
};
use serde_json::{Value, json};

// === Small words for long things ===

fn post(path: &str, body: &Value) -> Result<Reading> {
    ADAPTER.read(&Request::new(Method::POST, path, body.to_string()))
}

fn patch_of(reading: Reading) -> UserPatch {
    match reading.command {
        Command::UpdateUser { patch, .. } => patch,
        other => panic!("{other:?} is no update"),
    }
}

fn places(notes: &[Note]) -> Vec<(NoteKind, String)> {
    notes.iter().map(|note| (note.kind, note.place.to_string())).collect()
}

#[track_caller]
fn notes(found: &[Note], expected: &[(NoteKind, &str)]) {
    let expected: Vec<_> = expected.iter().map(|&(kind, place)| (kind, place.to_owned())).collect();
    assert_eq!(places(found), expected);
}

fn grant(role: Role, scope: Scope) -> Grant {
    Grant { role, scope, id: None }
}

fn named(display: &str) -> UserPatch {
    let name = interlingua_core::NamePatch { display: Patch::Set(display.into()), ..Default::default() };
    UserPatch { name, ..UserPatch::default() }
}

fn granted(grants: GrantChange) -> UserPatch {
    UserPatch { grants, ..UserPatch::default() }
}

fn preferring(key: &str, patch: Patch<Value>) -> UserPatch {
    UserPatch { preferences: [(key.into(), patch)].into(), ..UserPatch::default() }
}

/// The writes of a run: the path's last word and the body without `userId`.
fn writes(run: &Run) -> Vec<String> {
    let writes = run.calls.iter().filter(|call| call.access == Access::Write);
    writes
        .map(|call| format!("{} {}", call.target, String::from_utf8_lossy(&call.body)))
        .map(|call| short(&call))
        .collect()
}

fn short(call: &str) -> String {
    call.replace("/v2/users/", "").replace("/v2/users", "user").replace("\"userId\":1042,", "").replace('"', "")
}

// === Requests ===

#[test]
fn an_update_sets_what_it_names_and_null_is_unchanged() {
    let body = r#"{"userId": 1042.0, "email": "a@example.com", "firstName": null, "lastName": ""}"#;
    let reading = ADAPTER.read(&Request::new(Method::PUT, "/v2/users", body)).unwrap();
    assert_eq!(reading.command.user(), Some(&john()));
    let patch = patch_of(reading);
    assert_eq!(patch.email, Patch::Set(Email::parse("a@example.com").unwrap()));
    assert_eq!((patch.name.given, patch.name.family), (Patch::Keep, Patch::Set("".into())));
}

#[track_caller]
fn role_means(body: &Value, expected: &GrantChange, noted: &[(NoteKind, &str)]) {
    let reading = post("/v2/users/role", body).unwrap();
    notes(&reading.notes, noted);
    assert_eq!(patch_of(reading).grants, *expected);
}

#[test]
fn a_role_is_set_in_its_scope() {
    use GrantChange::{Keep, Remove, Upsert};
    let network = || Target::Scope(scope(1, None));
    let mailbox = || Target::Scope(scope(1, Some(101)));
    let role = |level: &str, more: Value| {
        let mut body = json!({"userId": 1042, "authLevel": level});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        body
    };
    let in_network = |level| role(level, json!({"networkId": 1}));
    let in_mailbox = |level| role(level, json!({"networkId": 1, "mailboxId": 101}));
    role_means(&in_network("NetworkAdmin"), &Upsert(Role::Administrator, network()), &[]);
    role_means(&in_network("NetworkUser"), &Upsert(Role::Member, network()), &[]);
    role_means(&in_mailbox("MailboxAdmin"), &Upsert(Role::Administrator, mailbox()), &[]);
    role_means(&in_mailbox("MailboxUser"), &Upsert(Role::Member, mailbox()), &[]);
    role_means(&in_mailbox("TPUser"), &Upsert(Role::Restricted, mailbox()), &[]);
    role_means(&in_mailbox("General"), &Remove(mailbox()), &[]);
    role_means(&in_network("General"), &Remove(network()), &[]);
    role_means(&in_network("Root"), &Upsert(Role::System, network()), &[]);
    // The role of a network holds in all its mailboxes.
    let dropped = [(NoteKind::Dropped, "/mailboxId")];
    role_means(&in_mailbox("NetworkAdmin"), &Upsert(Role::Administrator, network()), &dropped);
    // Without ids it is the only scope that the user has.
    let only = |level| Target::Only { level };
    role_means(&role("MailboxUser", json!({})), &Upsert(Role::Member, only(Some(Level::Unit))), &[]);
    role_means(&role("General", json!({"networkId": null})), &Remove(only(None)), &[]);
    role_means(&role("NoChange", json!({"networkId": 0})), &Keep, &[]);
    role_means(&in_network("NoChange"), &Keep, &[(NoteKind::Narrowed, "/networkId")]);
}

#[track_caller]
fn refused(result: Result<Reading>, pointer: &str) {
    let error = result.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert_eq!(error.problems().iter().map(|problem| problem.place.to_string()).collect::<Vec<_>>(), [pointer]);
}

#[test]
fn a_role_whose_ids_do_not_fit_it_is_refused() {
    let role = |body| post("/v2/users/role", &body);
    refused(role(json!({"userId": 1042, "authLevel": "MailboxAdmin", "networkId": 1})), "/mailboxId");
    refused(role(json!({"userId": 1042, "authLevel": "MailboxAdmin", "networkId": 1, "mailboxId": 0})), "/mailboxId");
    refused(role(json!({"userId": 1042, "authLevel": "MailboxAdmin", "mailboxId": 101})), "/networkId");
    refused(role(json!({"userId": 1042, "authLevel": "NetworkAdmin", "networkId": 0})), "/networkId");
    refused(role(json!({"userId": 1042, "authLevel": "NetworkAdmin", "networkId": -1})), "/networkId");
    refused(role(json!({"userId": 1042, "authLevel": "NoChange", "mailboxId": -1})), "/mailboxId");
    refused(role(json!({"userId": 1042, "authLevel": "King"})), "/authLevel");
    refused(role(json!({"userId": 1042})), "/authLevel");
}

#[test]
fn ids_have_32_bits() {
    for id in [json!(0), json!(-1), json!(2_147_483_648_i64), json!("1042"), json!(1042.5), json!(null)] {
        let error = post("/v2/users/update-config", &json!({"userId": id})).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid, "{id}");
    }
    for path in ["/v2/users/0", "/v2/users/you", "/v2/users/2147483648"] {
        refused(ADAPTER.read(&Request::get(path)), "/userId");
    }
}

#[test]
fn preferences_have_the_names_of_the_table() {
    let config = |body| post("/v2/users/update-config", &body);
    let nothing = config(json!({"userId": 1042})).unwrap();
    assert_eq!((nothing.command.access(), patch_of(nothing).is_empty()), (Access::Read, true));

    let body =
        json!({"userId": 1042, "cellPhone": "+13035550100", "emailNotification": false, "audioNotification": null});
    let patch = patch_of(config(body).unwrap());
    let expected = [(CELL_PHONE, json!("+13035550100")), (NOTIFY_EMAIL, json!(false))];
    assert_eq!(patch.preferences, expected.map(|(key, value)| (key.into(), Patch::Set(value))).into());

    let unmapped = config(json!({"userId": 1042, "shoe/size": 43})).unwrap();
    notes(&unmapped.notes, &[(NoteKind::Dropped, "/shoe~1size")]);
    refused(config(json!({"userId": 1042, "emailNotification": "yes"})), "/emailNotification");
}

// === Replies ===

fn shown(data: Value) -> (User, Vec<Note>) {
    let document = json!({"success": true, "data": data}).to_string();
    read_reply(&**ADAPTER, &john(), document.as_bytes()).unwrap()
}

#[test]
fn a_login_has_two_names() {
    assert_eq!(shown(json!({"userId": 1042, "loginName": "jsmith"})).0.login, Text::from("jsmith").into());
    assert_eq!(shown(json!({"userId": 1042, "login": null})).0.login, Known::Null);
    let (user, noted) = shown(json!({"userId": 1042, "login": "jsmith", "loginName": "smithj"}));
    assert_eq!(user.login, Text::from("jsmith").into());
    notes(&noted, &[(NoteKind::Dropped, "/data/loginName")]);
}

#[track_caller]
fn holds(data: Value, expected: Option<&[Grant]>, noted: &[(NoteKind, &str)]) {
    let word = data["authLevel"].as_str().map(Text::from);
    let (user, found) = shown(data);
    // The vendor's own word goes along as the id of the grant.
    let expected =
        expected.map(|grants| grants.iter().map(|grant| Grant { id: word.clone(), ..grant.clone() }).collect());
    assert_eq!(user.grants, expected);
    notes(&found, noted);
}

#[test]
fn a_level_is_a_role_in_the_scope_that_fits_it() {
    let at = |level: &str, network, mailbox| json!({"userId": 1042, "authLevel": level, "networkId": network, "mailboxId": mailbox});
    let unknown = [(NoteKind::Dropped, "/data/authLevel")];
    holds(at("NetworkAdmin", 1, 101), Some(&[grant(Role::Administrator, scope(1, None))]), &[]);
    holds(at("MailboxAdmin", 1, 101), Some(&[grant(Role::Administrator, scope(1, Some(101)))]), &[]);
    holds(at("TPUser", 1, 0), Some(&[grant(Role::Restricted, scope(1, None))]), &[]);
    holds(at("General", 1, 101), Some(&[grant(Role::None, scope(1, Some(101)))]), &[]);
    holds(at("TechOps", 1, 0), Some(&[grant(Role::System, scope(1, None))]), &[]);
    // Whose scope cannot be told is unknown, which is not the same as none.
    holds(at("MailboxAdmin", 1, 0), None, &unknown);
    holds(at("Root", 0, 0), None, &unknown);
    holds(at("King", 1, 0), None, &unknown);
    holds(json!({"userId": 1042, "networkId": 1}), None, &[]);
    holds(json!({"userId": 1042, "authLevel": "General"}), Some(&[]), &[]);
    holds(json!({"userId": 1042, "mailboxId": 7}), None, &[(NoteKind::Dropped, "/data/mailboxId")]);
}

#[test]
fn what_is_not_known_is_noted() {
    let document = json!({
        "success": true, "errorCode": "", "message": "Beware", "trace": 1,
        "data": {"userId": 1042, "status": "Sleeping", "created": "yesterday", "shoe/size": 43},
    });
    let (_, found) = read_reply(&**ADAPTER, &john(), document.to_string().as_bytes()).unwrap();
    let dropped = ["/message", "/trace", "/data/status", "/data/created", "/data/shoe~1size"];
    notes(&found, &dropped.map(|place| (NoteKind::Dropped, place)));
}

#[track_caller]
fn refusal(status: u16, body: &str, kind: ErrorKind) -> Error {
    let reply = Reply::new(StatusCode::from_u16(status).unwrap(), body.to_owned());
    let error = ADAPTER.plan(&Command::GetUser { user: john() }, &[reply]).unwrap_err();
    assert_eq!(error.kind(), kind, "{status} {body}");
    error
}

#[test]
fn success_comes_before_the_status() {
    let failure =
        |code: &str| json!({"success": false, "errorCode": code, "message": "words", "data": null}).to_string();
    refusal(200, &failure("ObjectNotFound"), ErrorKind::NotFound);
    refusal(200, &failure("DuplicateObject"), ErrorKind::Conflict);
    refusal(200, r#"{"success": false}"#, ErrorKind::BadReply);
    refusal(400, &failure("InvalidParameter"), ErrorKind::Invalid);
    refusal(403, "", ErrorKind::Forbidden);
    refusal(404, "<html>", ErrorKind::NotFound);
    refusal(500, &failure("InternalError"), ErrorKind::Unavailable);
    refusal(302, "", ErrorKind::BadReply);
    refusal(200, "", ErrorKind::BadReply);
    refusal(200, r#"[{"userId": 1042}]"#, ErrorKind::BadReply);
    refusal(200, r#"{"success": true, "data": {"userId": 0}}"#, ErrorKind::BadReply);
    // It is the gateway's own key that was refused: nothing of it is for the client.
    let error = refusal(401, &failure("InvalidAPIKey"), ErrorKind::Unavailable);
    assert_eq!(error.upstream().and_then(|refusal| refusal.text.clone()), None);
}

// === Plans ===

#[track_caller]
fn plans(vendor: &mut dyn FnMut(&Call) -> Reply, patch: UserPatch, expected: &[&str], noted: &[(NoteKind, &str)]) {
    let run = carry_out(&**ADAPTER, &update(patch), vendor);
    assert_eq!(writes(&run), expected, "{:?}", run.end);
    assert!(run.end.is_ok(), "{:?}", run.end);
    notes(&run.notes, noted);
}

const NARROWED_NAME: (NoteKind, &str) = (NoteKind::Narrowed, "name");

#[test]
fn a_whole_name_is_split_at_its_first_space() {
    plans(&mut vendor(), named("Jack Smith"), &["user {firstName:Jack,lastName:Smith}"], &[]);
    plans(&mut vendor(), named("Prince"), &["user {firstName:Prince,lastName:}"], &[NARROWED_NAME]);
    let ludwig = &["user {firstName:Ludwig,lastName:van Beethoven}"];
    plans(&mut vendor(), named("Ludwig van Beethoven"), ludwig, &[NARROWED_NAME]);
}

#[test]
fn a_name_that_the_user_has_already_sends_nothing() {
    let mut vendor = vendor();
    let halves = r#"{"userId": 1042, "firstName": "Mary Ann", "lastName": "van Lee"}"#;
    vendor(&Call::write(Method::PUT, "/v2/users", halves, Vec::new()));
    plans(&mut vendor, named("Mary Ann van Lee"), &[], &[]);
}

fn to(grants: impl IntoIterator<Item = (Role, Scope)>) -> UserPatch {
    granted(GrantChange::Replace(grants.into_iter().map(|(role, scope)| grant(role, scope)).collect()))
}

#[test]
fn a_role_moves_without_a_moment_of_more() {
    use Role::{Administrator, Member, Restricted};
    let one = |present: (&str, i32, i32), wanted: (Role, Scope), expected: &[&str]| {
        plans(&mut vendor_where(present.0, present.1, present.2), to([wanted]), expected, &[]);
    };
    let admin = ("MailboxAdmin", 1, 101);
    let user = ("MailboxUser", 1, 101);
    // In the same place there is nothing to move.
    one(admin, (Administrator, scope(1, Some(101))), &[]);
    one(admin, (Member, scope(1, Some(101))), &["role {authLevel:MailboxUser,networkId:1,mailboxId:101}"]);
    one(admin, (Administrator, scope(1, None)), &["role {authLevel:NetworkAdmin,networkId:1}"]);
    // The same role elsewhere only moves.
    one(admin, (Administrator, scope(1, Some(102))), &["set-network-mailbox {networkId:1,mailboxId:102}"]);
    // A lower one is set before the move, a higher one after it.
    let lower = ["role {authLevel:MailboxUser}", "set-network-mailbox {networkId:1,mailboxId:102}"];
    one(admin, (Member, scope(1, Some(102))), &lower);
    let higher =
        ["set-network-mailbox {networkId:1,mailboxId:102}", "role {authLevel:MailboxAdmin,networkId:1,mailboxId:102}"];
    one(user, (Administrator, scope(1, Some(102))), &higher);
    one(("General", 1, 101), (Administrator, scope(1, Some(102))), &higher);
    // Neither is lower: an administrator of less, a member of more.
    let across = [
        "role {authLevel:MailboxUser}",
        "set-network-mailbox {networkId:2,mailboxId:201}",
        "role {authLevel:MailboxAdmin,networkId:2,mailboxId:201}",
    ];
    one(("NetworkUser", 1, 101), (Administrator, scope(2, Some(201))), &across);
    let back = [
        "role {authLevel:MailboxUser}",
        "set-network-mailbox {networkId:2}",
        "role {authLevel:NetworkUser,networkId:2}",
    ];
    one(admin, (Member, scope(2, None)), &back);
    one(admin, (Restricted, scope(1, Some(101))), &["role {authLevel:TPUser,networkId:1,mailboxId:101}"]);
}

#[test]
fn the_second_of_two_roles_starts_where_the_first_ends() {
    let both = to([(Role::Administrator, scope(1, Some(101))), (Role::Member, scope(1, Some(102)))]);
    let expected = [
        "role {authLevel:MailboxAdmin,networkId:1,mailboxId:101}",
        "role {authLevel:MailboxUser}",
        "set-network-mailbox {networkId:1,mailboxId:102}",
    ];
    plans(&mut vendor_where("MailboxUser", 1, 101), both, &expected, &[(NoteKind::Dropped, "grants")]);
}

#[test]
fn no_roles_are_the_placeholder() {
    let kept = [(NoteKind::Dropped, "grants")];
    plans(&mut vendor(), to([]), &["role {authLevel:General}"], &[]);
    plans(&mut vendor_where("General", 1, 101), to([]), &[], &[]);
    plans(&mut vendor(), to([(Role::None, scope(1, Some(102)))]), &["role {authLevel:General}"], &[]);
    // Others see no role there already: to write that back must change nothing, and says so.
    plans(&mut vendor_where("TPUser", 1, 101), to([]), &[], &kept);
    plans(&mut vendor_where("Root", 1, 0), to([]), &[], &kept);
}

#[test]
fn a_role_between_two_words_becomes_the_lower() {
    let support = || to([(Role::Support, scope(1, Some(101)))]);
    let expected = ["role {authLevel:MailboxUser,networkId:1,mailboxId:101}"];
    plans(&mut vendor(), support(), &expected, &[(NoteKind::Narrowed, "grants.role")]);
}

#[test]
fn a_role_in_one_scope_takes_the_place_of_another() {
    let upsert = |role, at| granted(GrantChange::Upsert(role, Target::Scope(at)));
    let remove = |at| granted(GrantChange::Remove(Target::Scope(at)));
    let elsewhere = ["role {authLevel:MailboxUser,networkId:1,mailboxId:102}"];
    plans(&mut vendor(), upsert(Role::Member, scope(1, Some(102))), &elsewhere, &[(NoteKind::Narrowed, "grants")]);
    let here = ["role {authLevel:MailboxUser,networkId:1,mailboxId:101}"];
    plans(&mut vendor(), upsert(Role::Member, scope(1, Some(101))), &here, &[]);
    plans(&mut vendor(), remove(scope(1, Some(101))), &["role {authLevel:General,networkId:1,mailboxId:101}"], &[]);
    // There is nothing to take away where the user has no role.
    plans(&mut vendor(), remove(scope(1, Some(102))), &[], &[]);
    plans(&mut vendor(), upsert(Role::None, scope(2, None)), &[], &[]);
    let only = granted(GrantChange::Upsert(Role::Member, Target::Only { level: Some(Level::Unit) }));
    plans(&mut vendor(), only, &["role {authLevel:MailboxUser}"], &[]);
}

#[track_caller]
fn forbids(vendor: &mut dyn FnMut(&Call) -> Reply, patch: UserPatch, kind: ErrorKind) {
    let run = carry_out(&**ADAPTER, &update(patch), vendor);
    assert_eq!(run.end.unwrap_err().kind(), kind);
    assert!(run.calls.iter().all(|call| call.access == Access::Read));
}

#[test]
fn system_wide_roles_are_neither_given_nor_taken() {
    let root = to([(Role::System, scope(1, None))]);
    forbids(&mut vendor(), root, ErrorKind::Forbidden);
    let upsert = |role| granted(GrantChange::Upsert(role, Target::Scope(scope(1, None))));
    forbids(&mut vendor(), upsert(Role::System), ErrorKind::Forbidden);
    let of_root = || vendor_where("Root", 1, 0);
    forbids(&mut of_root(), upsert(Role::Member), ErrorKind::Forbidden);
    forbids(&mut of_root(), to([(Role::Member, scope(1, None))]), ErrorKind::Forbidden);
    // A role that nobody can place is not replaced either.
    forbids(&mut vendor_where("MailboxAdmin", 1, 0), to([]), ErrorKind::BadReply);
}

#[test]
fn a_configuration_is_written_and_the_user_read_back() {
    let run = carry_out(&**ADAPTER, &update(preferring(NOTIFY_AUDIO, Patch::Set(json!(true)))), &mut vendor());
    let calls: Vec<_> = run.calls.iter().map(|call| format!("{} {}", call.method, call.target)).collect();
    assert_eq!(calls, ["POST /v2/users/update-config", "GET /v2/users/1042"]);
    assert_eq!(run.calls[0].body, r#"{"userId":1042,"audioNotification":true}"#);
    let user = run.user().unwrap();
    assert_eq!(user.email, Text::from("john.smith@example.com").into());
    assert_eq!(user.preferences.entries, [(NOTIFY_AUDIO.into(), json!(true))].into());
    assert!(!user.preferences.complete);

    let refused = |call: &Call| match call.method {
        Method::POST => Reply::new(StatusCode::OK, r#"{"success": true, "data": false}"#),
        _ => vendor()(call),
    };
    let run = carry_out(&**ADAPTER, &update(preferring(NOTIFY_AUDIO, Patch::Set(json!(true)))), &mut { refused });
    assert_eq!(run.end.unwrap_err().kind(), ErrorKind::BadReply);
}

#[test]
fn what_the_vendor_has_no_place_for_is_lost() {
    plans(&mut vendor(), preferring("/x", Patch::Set(json!(1))), &[], &[(NoteKind::Dropped, "preferences[/x]")]);
    let cell = format!("preferences[{CELL_PHONE}]");
    plans(&mut vendor(), preferring(CELL_PHONE, Patch::Clear), &[], &[(NoteKind::Dropped, &cell)]);
    let cleared = UserPatch {
        email: Patch::Clear,
        name: interlingua_core::NamePatch { display: Patch::Clear, given: Patch::Clear, family: Patch::Keep },
        ..UserPatch::default()
    };
    plans(&mut vendor(), cleared, &[], &["email", "name.given", "name"].map(|field| (NoteKind::Dropped, field)));
}

#[test]
fn everything_at_once_is_known_before_the_first_write() {
    let patch = UserPatch {
        email: Patch::Set(Email::parse("jack@example.com").unwrap()),
        preferences: [(CELL_PHONE.into(), Patch::Set(json!("+13035550100")))].into(),
        ..to([(Role::Member, scope(1, Some(102)))])
    };
    let expected = [
        "user {email:jack@example.com}",
        "update-config {cellPhone:+13035550100}",
        "role {authLevel:MailboxUser}",
        "set-network-mailbox {networkId:1,mailboxId:102}",
    ];
    plans(&mut vendor(), patch, &expected, &[]);
}

// === Answers ===

fn write(user: User) -> Writing {
    ADAPTER.write("get-user", &Outcome::User(Box::new(user))).unwrap()
}

/// What stands at a pointer of `data`.
fn at(writing: &Writing, name: &str) -> Value {
    let document: Value = serde_json::from_slice(&writing.response.body).unwrap();
    document["data"].get(name).cloned().unwrap_or_else(|| json!("nothing"))
}

#[test]
fn an_answer_has_the_bytes_of_the_vendors() {
    for (_, response) in pages().into_iter().take(2) {
        let (user, _) = read_reply(&**ADAPTER, &john(), response.as_bytes()).unwrap();
        let compact: String = response.replace("\": ", "\":").lines().collect();
        assert_eq!(write(user).response.body, compact);
    }
    let done = ADAPTER.write("update-config", &Outcome::User(Box::new(User::new(john())))).unwrap();
    assert_eq!(done.response.body, r#"{"success":true,"data":true}"#);
}

#[test]
fn what_nobody_knows_is_left_out_or_has_its_default() {
    let unknown = write(User::new(john()));
    assert_eq!(unknown.response.body, r#"{"success":true,"data":{"userId":1042}}"#);
    let fields = ["login", "email", "firstName", "lastName", "authLevel", "networkId", "status", "created"];
    let expected: Vec<_> = fields.map(|name| format!("/data/{name}")).into();
    notes(&unknown.notes, &expected.iter().map(|place| (NoteKind::Unknown, place.as_str())).collect::<Vec<_>>());

    let writing = write(User { email: Text::from("a@example.com").into(), ..User::new(john()) });
    assert_eq!(at(&writing, "login"), "a@example.com");
    assert!(places(&writing.notes).contains(&(NoteKind::Defaulted, "/data/login".to_owned())));
    assert_eq!(at(&write(User { email: Known::Null, ..User::new(john()) }), "email"), Value::Null);
}

#[test]
fn a_bare_name_is_split() {
    #[track_caller]
    fn check(display: &str, given: &str, family: &str, noted: bool) {
        let name = Name { display: Text::from(display).into(), ..Name::default() };
        let writing = write(User { name, ..User::new(john()) });
        assert_eq!((at(&writing, "firstName"), at(&writing, "lastName")), (json!(given), json!(family)));
        let narrowed = (NoteKind::Narrowed, "/data/firstName".to_owned());
        assert_eq!(places(&writing.notes).contains(&narrowed), noted);
    }
    check("Chuck Norris", "Chuck", "Norris", false);
    check("Prince", "Prince", "", true);
    check("Ludwig van Beethoven", "Ludwig", "van Beethoven", true);
}

#[test]
fn one_role_is_shown() {
    #[track_caller]
    fn check(grants: &[(Role, Scope)], primary: Option<Scope>, expected: (&str, i32, i32), noted: &[NoteKind]) {
        let grants = grants.iter().map(|(role, scope)| grant(*role, scope.clone())).collect();
        let writing = write(User { grants: Some(grants), primary_scope: primary, ..User::new(john()) });
        let shown = [at(&writing, "authLevel"), at(&writing, "networkId"), at(&writing, "mailboxId")];
        assert_eq!(shown, [json!(expected.0), json!(expected.1), json!(expected.2)]);
        let about_it = writing.notes.iter().filter(|note| note.place.to_string() == "/data/authLevel");
        assert_eq!(about_it.map(|note| note.kind).collect::<Vec<_>>(), noted);
    }
    use NoteKind::{Dropped, Narrowed};
    use Role::{Administrator, Member, Restricted, Support, System};
    let (one, at_101, at_201) = (|| scope(1, None), || scope(1, Some(101)), || scope(2, Some(201)));
    check(&[(Member, at_101())], None, ("MailboxUser", 1, 101), &[]);
    check(&[(Administrator, one())], Some(at_101()), ("NetworkAdmin", 1, 101), &[]);
    check(&[(Administrator, one())], Some(at_201()), ("NetworkAdmin", 1, 0), &[]);
    check(&[(Support, at_101())], None, ("MailboxUser", 1, 101), &[Narrowed]);
    check(&[(Restricted, at_101())], None, ("TPUser", 1, 101), &[]);
    // The scope that the link remembers comes first, then the highest role.
    check(&[(Member, at_201()), (Administrator, at_101())], None, ("MailboxAdmin", 1, 101), &[Dropped]);
    check(&[(Member, at_201()), (Administrator, at_101())], Some(at_201()), ("MailboxUser", 2, 201), &[Dropped]);
    check(&[(System, at_101())], Some(at_101()), ("General", 1, 101), &[Dropped]);
    check(&[], Some(one()), ("General", 1, 0), &[]);
}

#[test]
fn a_picture_and_a_program_are_noted() {
    let writing = write(User {
        avatar: Text::from("https://example.com/a.png").into(),
        automated: true.into(),
        status: Status::Suspended.into(),
        ..User::new(john())
    });
    assert_eq!(at(&writing, "status"), "Suspended");
    let found = places(&writing.notes);
    for field in [Field::Avatar, Field::Automated] {
        assert!(found.contains(&(NoteKind::Dropped, field.name().into_owned())));
    }
}

#[test]
fn ids_of_another_dialect_are_not_written() {
    let foreign = Scope::new(interlingua_core::ScopeId::new("my_account"));
    for user in [
        User::new(interlingua_core::UserId::new("wqyODPA")),
        User::new(interlingua_core::UserId::new("0")),
        User { grants: Some(vec![grant(Role::Member, foreign.clone())]), ..User::new(john()) },
        User { primary_scope: Some(foreign), ..User::new(john()) },
    ] {
        let error = ADAPTER.write("get-user", &Outcome::User(Box::new(user))).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Internal);
    }
}

#[test]
fn errors_have_the_vendors_codes() {
    #[track_caller]
    fn check(error: &Error, status: u16, code: &str) {
        let response = ADAPTER.write_error(error);
        let document: Value = serde_json::from_slice(&response.body).unwrap();
        assert_eq!((response.status.as_u16(), &document["errorCode"]), (status, &json!(code)));
    }
    for (kind, status, code) in [
        (ErrorKind::Invalid, 400, "InvalidParameter"),
        (ErrorKind::Malformed, 400, "InvalidParameter"),
        (ErrorKind::Unrepresentable, 400, "InvalidParameter"),
        (ErrorKind::Forbidden, 403, "AccessDenied"),
        (ErrorKind::NotFound, 404, "ObjectNotFound"),
        (ErrorKind::Conflict, 400, "DuplicateObject"),
        (ErrorKind::RateLimited, 429, "RateLimitExceeded"),
        (ErrorKind::TooLarge, 413, "InvalidParameter"),
        (ErrorKind::UnsupportedMedia, 415, "InvalidParameter"),
        (ErrorKind::Unsupported, 501, "NotSupported"),
        (ErrorKind::BadReply, 502, "InternalError"),
        (ErrorKind::Unavailable, 502, "InternalError"),
        (ErrorKind::Timeout, 504, "InternalError"),
        (ErrorKind::Overloaded, 503, "InternalError"),
        (ErrorKind::Partial, 502, "PartialUpdate"),
    ] {
        check(&Error::new(kind, "words"), status, code);
    }
    check(&Error::unauthenticated(None, "no key"), 401, "InvalidAPIKey");
    check(&Error::unauthenticated(Some("x-api-key"), "no"), 401, "InvalidAPIKey");
    check(&Error::unauthenticated(Some("authorization"), "no"), 401, "InvalidSession");
}
