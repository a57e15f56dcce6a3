//! What this dialect's requests, replies and answers mean, case by case.

#![cfg(test)]

mod common;

use std::num::NonZeroU32;

use common::{ADAPTER, CELL_PHONE, crowded_vendor, john, new_user, pages, scope, update, vendor, vendor_where};
use interlingua_core::{
    Access, Adapter, Call, Command, Cursor, Document, Email, Error, ErrorKind, Field, Grant, GrantChange, Known, Level,
    Mapping, Message, NOTIFY_AUDIO, NOTIFY_EMAIL, Name, NewUser, Note, NoteKind, Outcome, PageRequest, Password, Patch,
    Reading, Removal, Reply, Request, Result, Role, Scope, Status, Target, Text, User, UserId, UserPage, UserPatch,
    UserQuery, Writing,
    http::{Method, StatusCode},
    laws::{Run, carry_out, read_reply},
};
use interlingua_ecgrid::Ecgrid;
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

fn with(mut document: Value, more: Value) -> Value {
    document.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    document
}

fn numbered(number: u32, size: u32) -> PageRequest {
    PageRequest::Numbered { number: NonZeroU32::new(number).unwrap(), size: NonZeroU32::new(size).unwrap() }
}

fn at_cursor(cursor: &str) -> PageRequest {
    PageRequest::At(Some(Cursor::new(cursor)))
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
    let role = |level: &str, more: Value| with(json!({"userId": 1042, "authLevel": level}), more);
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

#[test]
fn who_asks_is_not_a_user_of_that_name() {
    let command = |method, path: &str| ADAPTER.read(&Request::new(method, path, "")).unwrap().command;
    assert_eq!(command(Method::GET, "/v2/users/me"), Command::GetSelf);
    assert_eq!(command(Method::GET, "/v2/users/1042"), Command::GetUser { user: john() });
    let removed = Command::DeleteUser { user: john(), removal: Removal::Permanent };
    assert_eq!(command(Method::DELETE, "/v2/users/1042"), removed);
    refused(ADAPTER.read(&Request::new(Method::DELETE, "/v2/users/me", "")), "/userId");
}

fn search(path: &str, body: &Value) -> (UserQuery, PageRequest, Vec<Note>) {
    let reading = post(path, body).unwrap();
    match reading.command {
        Command::FindUsers { query, page } => (query, page, reading.notes),
        other => panic!("{other:?} is no search"),
    }
}

#[test]
fn a_login_is_asked_for_on_one_page() {
    let (query, page, _) = search("/v2/users/by-name", &json!({"login": "jsmith"}));
    assert_eq!(query, UserQuery { login: Some("jsmith".into()), ..UserQuery::default() });
    assert_eq!(page, numbered(1, u32::MAX));
    for body in [json!({"login": ""}), json!({"login": null}), json!({})] {
        let error = post("/v2/users/by-name", &body).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid);
    }
}

#[track_caller]
fn list_asks(body: Value, expected: UserQuery, noted: &[(NoteKind, &str)]) {
    let (query, page, found) = search("/v2/users/list", &body);
    assert_eq!((query, page), (expected, numbered(1, 25)));
    notes(&found, noted);
}

#[test]
fn a_list_asks_for_those_who_are_shown_so() {
    let anybody = UserQuery::default;
    let network = || UserQuery { scopes: vec![scope(1, None)], ..anybody() };
    let mailbox = || UserQuery { scopes: vec![scope(1, Some(101))], ..anybody() };
    list_asks(json!({}), anybody(), &[]);
    list_asks(json!({"networkId": null, "authLevel": null, "pageNo": null}), anybody(), &[]);
    list_asks(json!({"authLevel": "NoChange"}), anybody(), &[]);
    list_asks(json!({"status": "Suspended"}), UserQuery { status: Some(Status::Suspended), ..anybody() }, &[]);
    list_asks(json!({"networkId": 1}), network(), &[]);
    list_asks(json!({"networkId": 1, "mailboxId": 101}), mailbox(), &[]);

    let roles = |roles: &[Role], level| UserQuery { roles: roles.into(), level, ..anybody() };
    let level = |level: &str| json!({"authLevel": level});
    list_asks(level("MailboxUser"), roles(&[Role::Member, Role::Support], Some(Level::Unit)), &[]);
    list_asks(level("NetworkAdmin"), roles(&[Role::Administrator], Some(Level::Organisation)), &[]);
    list_asks(level("TPUser"), roles(&[Role::Restricted], None), &[]);
    list_asks(level("General"), roles(&[Role::None], None), &[]);
    list_asks(level("Root"), roles(&[Role::System], None), &[]);

    // 0 is the vendor's own to resolve, and the role of a network is none in a mailbox.
    list_asks(json!({"networkId": 0}), anybody(), &[(NoteKind::Narrowed, "/networkId")]);
    list_asks(json!({"networkId": 1, "mailboxId": 0}), network(), &[(NoteKind::Narrowed, "/mailboxId")]);
    let wide = UserQuery { roles: vec![Role::Administrator], level: Some(Level::Organisation), ..network() };
    let body = json!({"networkId": 1, "mailboxId": 101, "authLevel": "NetworkAdmin"});
    list_asks(body, wide, &[(NoteKind::Dropped, "/mailboxId")]);
}

#[test]
fn a_list_has_pages() {
    let page = |body| search("/v2/users/list", &body).1;
    assert_eq!(page(json!({"pageNo": 3, "recordsPerPage": 10})), numbered(3, 10));
    assert_eq!(page(json!({"pageNo": 3.0, "recordsPerPage": 1000})), numbered(3, 1000));
}

#[test]
fn a_list_that_cannot_be_is_refused() {
    let list = |body| post("/v2/users/list", &body);
    refused(list(json!({"mailboxId": 101})), "/networkId");
    refused(list(json!({"networkId": 0, "mailboxId": 101})), "/networkId");
    refused(list(json!({"networkId": -1})), "/networkId");
    refused(list(json!({"authLevel": "King"})), "/authLevel");
    refused(list(json!({"status": "Sleeping"})), "/status");
    refused(list(json!({"pageNo": 0})), "/pageNo");
    refused(list(json!({"pageNo": 2_147_483_648_u32})), "/pageNo");
    refused(list(json!({"recordsPerPage": 1001})), "/recordsPerPage");
}

fn creation(body: &Value) -> Result<(NewUser, Vec<Note>)> {
    let reading = post("/v2/users", body)?;
    match reading.command {
        Command::CreateUser(new) => Ok((*new, reading.notes)),
        other => panic!("{other:?} creates nobody"),
    }
}

#[test]
fn a_new_user_has_a_role_in_a_scope() {
    let (new, found) = creation(&new_user()).unwrap();
    assert_eq!((new.login.as_deref(), new.email.as_str()), (Some("jdoe"), "jane.doe@example.com"));
    assert_eq!((&new.name.given, &new.name.family), (&Text::from("Jane").into(), &Text::from("Doe").into()));
    assert_eq!(new.password, Some(Password::given("Abc123!x")));
    assert_eq!(new.grants, [grant(Role::Administrator, scope(1, Some(101)))]);
    notes(&found, &[]);

    let grants = |more| creation(&with(new_user(), more)).map(|(new, notes)| (new.grants, places(&notes))).unwrap();
    let member = (vec![grant(Role::Member, scope(1, Some(101)))], vec![]);
    assert_eq!(grants(json!({"authLevel": null})), member);
    assert_eq!(grants(json!({"authLevel": "NoChange"})), member);
    let network = json!({"authLevel": "NetworkUser", "mailboxId": 0});
    assert_eq!(grants(network), (vec![grant(Role::Member, scope(1, None))], vec![]));
    // The others are refused when it is known that they are to be given.
    assert_eq!(grants(json!({"authLevel": "Root"})).0, [grant(Role::System, scope(1, Some(101)))]);
    let nowhere = json!({"authLevel": "General", "networkId": null, "mailboxId": null});
    assert_eq!(grants(nowhere), (vec![], vec![]));
    let unused = ["/networkId", "/mailboxId"].map(|pointer| (NoteKind::Narrowed, pointer.to_owned()));
    assert_eq!(grants(json!({"authLevel": "General"})), (vec![], unused.into()));
}

#[test]
fn a_new_user_that_cannot_be_is_refused() {
    let create = |more| post("/v2/users", &with(new_user(), more));
    refused(create(json!({"networkId": null, "mailboxId": null})), "/networkId");
    refused(create(json!({"networkId": null})), "/networkId");
    refused(create(json!({"networkId": 0})), "/networkId");
    refused(create(json!({"mailboxId": 0})), "/mailboxId");
    refused(create(json!({"authLevel": "King"})), "/authLevel");
    refused(create(json!({"login": ""})), "/login");
    refused(create(json!({"email": "jane"})), "/email");
    for password in ["", "abc123!x", "ABC123!X", "Abcdef!x", "Abc12345"] {
        refused(create(json!({"password": password})), "/password");
    }
    let nowhere = json!({"authLevel": "TechOps", "networkId": null, "mailboxId": null});
    assert_eq!(create(nowhere).unwrap_err().kind(), ErrorKind::Forbidden);
}

#[test]
fn a_lowered_role_of_a_new_user_is_noted() {
    let lowered = |word: &str, role| {
        let mapping = Mapping { roles: [(word.into(), role)].into(), ..Mapping::default() };
        let adapter = Ecgrid::new().configured(&mapping).unwrap();
        let reading = adapter.read(&Request::new(Method::POST, "/v2/users", new_user().to_string())).unwrap();
        let Command::CreateUser(new) = reading.command else { panic!("nobody is created") };
        (new.grants, places(&reading.notes).remove(0))
    };
    let noted = |kind| (kind, "/authLevel".to_owned());
    let member = (vec![grant(Role::Member, scope(1, Some(101)))], noted(NoteKind::Narrowed));
    assert_eq!(lowered("MailboxAdmin", Role::Member), member);
    assert_eq!(lowered("MailboxAdmin", Role::None), (vec![], noted(NoteKind::Dropped)));
}

#[test]
fn a_user_is_moved_with_its_role() {
    let moved = |body| post("/v2/users/set-network-mailbox", &with(json!({"userId": 1042}), body));
    let grants = |body| patch_of(moved(body).unwrap()).grants;
    let to = |to| GrantChange::Move { from: Target::Only { level: None }, to };
    assert_eq!(grants(json!({"networkId": 1, "mailboxId": 102})), to(scope(1, Some(102))));
    assert_eq!(grants(json!({"networkId": 2, "mailboxId": 0})), to(scope(2, None)));
    refused(moved(json!({})), "/networkId");
    refused(moved(json!({"networkId": 0, "mailboxId": 101})), "/networkId");
    refused(moved(json!({"networkId": null, "mailboxId": 101})), "/networkId");
    refused(moved(json!({"networkId": 1, "mailboxId": -1})), "/mailboxId");
}

#[test]
fn a_message_goes_to_the_cell_phone_of_the_table() {
    let body = json!({"userId": 1042, "message": "See you"});
    let message = Message { text: "See you".into(), phone: CELL_PHONE.into() };
    assert_eq!(post("/v2/users/send-sms", &body).unwrap().command, Command::SendMessage { user: john(), message });
    let unmapped = Ecgrid::new().read(&Request::new(Method::POST, "/v2/users/send-sms", body.to_string()));
    refused(unmapped, "/userId");
    refused(post("/v2/users/send-sms", &json!({"userId": 1042, "message": ""})), "/message");
}

#[test]
fn what_has_no_counterpart_is_refused_by_name() {
    let request = |method, path: &str| ADAPTER.read(&Request::new(method, path, r#"{"userId": 1042}"#));
    for (method, path, name) in [
        (Method::POST, "/v2/users/password", "`update-password`"),
        (Method::POST, "/v2/users/generate-password", "`generate-password`"),
        (Method::GET, "/v2/users/key/1042", "`get-api-key`"),
        (Method::POST, "/v2/users/key-generate/1042", "`generate-api-key`"),
        (Method::POST, "/v2/users/reset/1042", "`reset-sessions`"),
    ] {
        let error = request(method, path).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        assert!(error.message().starts_with(name), "{}", error.message());
    }
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
        "set-network-mailbox {networkId:2,mailboxId:0}",
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

// === Other plans ===

fn run(command: Command, vendor: &mut dyn FnMut(&Call) -> Reply) -> Run {
    carry_out(&**ADAPTER, &command, vendor)
}

/// A run's calls: method, path, body.
fn calls(run: &Run) -> Vec<String> {
    let words = |call: &Call| format!("{} {} {}", call.method, call.target, String::from_utf8_lossy(&call.body));
    run.calls.iter().map(|call| words(call).replace("/v2/users", "").replace('"', "").trim_end().to_owned()).collect()
}

/// A vendor that always says the same.
fn saying(document: &Value) -> impl FnMut(&Call) -> Reply + use<> {
    let reply = Reply::new(StatusCode::OK, document.to_string());
    move |_| reply.clone()
}

#[test]
fn who_asks_is_whom_the_vendor_shows() {
    let found = run(Command::GetSelf, &mut vendor());
    assert_eq!(calls(&found), ["GET /me"]);
    assert_eq!(found.user().unwrap().id, UserId::new("1044"));
}

fn finds(query: UserQuery, page: PageRequest) -> Command {
    Command::FindUsers { query, page }
}

fn page_of(run: Run) -> UserPage {
    match run.end.unwrap() {
        Outcome::Users(page) => page,
        other => panic!("{other:?} is no page"),
    }
}

/// The one call of a search.
#[track_caller]
fn searches(query: UserQuery, page: PageRequest, expected: &str) {
    let found = run(finds(query.clone(), page.clone()), &mut saying(&json!({"success": true, "data": []})));
    assert_eq!(calls(&found), [expected]);
    assert!(!found.wrote());
    let shown = page_of(found);
    assert_eq!(shown, UserPage { query, page, users: Vec::new(), total: None, next: None });
}

#[test]
fn a_search_sends_what_loses_nobody() {
    let first = || PageRequest::At(None);
    let anybody = UserQuery::default;
    let list = |filters: &str| format!("POST /list {{{filters}pageNo:1,recordsPerPage:100}}");
    let sends = |query, filters: &str| searches(query, first(), &list(filters));
    sends(anybody(), "");
    sends(UserQuery { status: Some(Status::Suspended), ..anybody() }, "status:Suspended,");
    sends(UserQuery { text: Some("john".into()), ..anybody() }, "");

    let scopes = |scopes: &[Scope]| UserQuery { scopes: scopes.into(), ..anybody() };
    sends(scopes(&[scope(1, None)]), "networkId:1,");
    sends(scopes(&[scope(1, Some(101))]), "networkId:1,mailboxId:101,");
    sends(scopes(&[scope(1, Some(101)), scope(1, Some(102))]), "networkId:1,");
    sends(scopes(&[scope(1, Some(101)), scope(2, None)]), "");

    let roles = |roles: &[Role], level| UserQuery { roles: roles.into(), level, ..anybody() };
    sends(roles(&[Role::Member, Role::Support], Some(Level::Unit)), "authLevel:MailboxUser,");
    sends(roles(&[Role::Member], Some(Level::Organisation)), "authLevel:NetworkUser,");
    sends(roles(&[Role::Member], None), "");
    sends(roles(&[Role::Restricted], None), "authLevel:TPUser,");
    sends(roles(&[], Some(Level::Unit)), "");
    sends(roles(&[Role::None], None), "authLevel:General,");
    // Without a role in the one network, a user may have one in the other.
    sends(UserQuery { roles: vec![Role::None], ..scopes(&[scope(1, None)]) }, "");

    let login = || UserQuery { login: Some("jsmith".into()), ..anybody() };
    searches(login(), first(), "POST /by-name {login:jsmith}");
    searches(login(), numbered(1, u32::MAX), "POST /by-name {login:jsmith}");
    sends(UserQuery { status: Some(Status::Active), ..login() }, "status:Active,");
    searches(anybody(), numbered(3, 1000), "POST /list {pageNo:3,recordsPerPage:1000}");
    searches(anybody(), at_cursor("7"), "POST /list {pageNo:7,recordsPerPage:100}");
}

#[test]
fn a_word_that_is_taken_for_less_is_looked_for_among_its_equals() {
    let mapping = Mapping { roles: [("TPUser".into(), Role::None)].into(), ..Mapping::default() };
    let adapter = Ecgrid::new().configured(&mapping).unwrap();
    let query = |role| UserQuery { roles: vec![role], ..UserQuery::default() };
    let asked = |role| carry_out(&*adapter, &finds(query(role), PageRequest::At(None)), &mut vendor()).calls.remove(0);
    for role in [Role::None, Role::Restricted] {
        assert_eq!(asked(role).body, r#"{"pageNo":1,"recordsPerPage":100}"#);
    }
}

#[test]
fn a_list_asks_the_vendor_what_it_was_asked() {
    for body in [
        json!({"networkId": 1, "mailboxId": 101, "authLevel": "MailboxAdmin", "status": "Active", "pageNo": 2}),
        json!({"authLevel": "General", "recordsPerPage": 10}),
        json!({"networkId": 2, "authLevel": "TPUser"}),
    ] {
        let asked = post("/v2/users/list", &body).unwrap().command;
        let call = run(asked.clone(), &mut vendor()).calls.remove(0);
        let again = Request::new(call.method, call.target.as_str(), call.body);
        assert_eq!(ADAPTER.read(&again).unwrap().command, asked);
    }
}

#[test]
fn pages_follow_each_other_until_one_is_not_full() {
    let mut vendor = crowded_vendor();
    let mut page = |request| {
        let page = page_of(run(finds(UserQuery::default(), request), &mut vendor));
        (page.users.len(), page.next.map(|next| next.as_str().to_owned()))
    };
    assert_eq!(page(PageRequest::At(None)), (100, Some("2".into())));
    assert_eq!(page(at_cursor("2")), (54, None));
    assert_eq!(page(at_cursor("3")), (0, None));
    // Whoever counts pages knows the next.
    assert_eq!(page(numbered(1, 100)), (100, None));
    assert_eq!(page(numbered(8, 20)), (14, None));
}

#[test]
fn all_users_of_a_login_are_on_one_page() {
    let login = UserQuery { login: Some("jsmith".into()), ..UserQuery::default() };
    let twins =
        json!({"success": true, "data": [{"userId": 1042, "login": "jsmith"}, {"userId": 7, "login": "jsmith"}]});
    let ids = |page| {
        let page = page_of(run(finds(login.clone(), page), &mut saying(&twins)));
        assert_eq!(page.next, None);
        page.users.into_iter().map(|user| user.id.as_str().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(ids(PageRequest::At(None)), ["1042", "7"]);
    assert_eq!(ids(numbered(1, u32::MAX)), ["1042", "7"]);
    assert_eq!(ids(numbered(2, 1)), ["7"]);
    assert_eq!(ids(numbered(u32::MAX, u32::MAX)), Vec::<String>::new());
    let found = run(finds(login.clone(), PageRequest::At(None)), &mut vendor());
    assert_eq!(page_of(found).users[0].id, john());
}

#[test]
fn a_page_that_nobody_named_is_refused() {
    let login = UserQuery { login: Some("jsmith".into()), ..UserQuery::default() };
    let cursors = ["", "0", "-1", "+2", "02", "2.0", " 2", "two", "2147483648"].map(at_cursor);
    let pages = cursors.into_iter().chain([numbered(1, 1001), numbered(2_147_483_648, 10)]);
    let commands = pages.map(|page| finds(UserQuery::default(), page)).chain([finds(login, at_cursor("1"))]);
    for command in commands {
        let error = ADAPTER.plan(&command, &[]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid, "{command:?}");
        assert_eq!(error.problems()[0].place, Field::Page.into());
    }
}

#[test]
fn a_list_is_read_user_by_user() {
    let document = json!({"success": true, "trace": 1, "data": [
        {"userId": 1042, "authLevel": "MailboxUser", "networkId": 1, "mailboxId": 101},
        {"userId": 7, "status": "Sleeping", "shoe/size": 43},
    ]});
    let found = run(finds(UserQuery::default(), PageRequest::At(None)), &mut saying(&document));
    notes(&found.notes, &["/trace", "/data/1/status", "/data/1/shoe~1size"].map(|place| (NoteKind::Dropped, place)));
    assert!(found.notes.iter().all(|note| note.place.document() == Document::Upstream));
    let users = page_of(found).users;
    assert_eq!(users[0].grants.as_deref().unwrap()[0].role, Role::Member);
    assert_eq!(users[1].grants, None);
}

#[test]
fn a_list_of_another_form_is_no_list() {
    let command = finds(UserQuery::default(), PageRequest::At(None));
    let refusal = |document: Value| run(command.clone(), &mut saying(&document)).end.unwrap_err().kind();
    for data in [json!(null), json!({}), json!({"userId": 1042}), json!(true), json!([[]]), json!([{"userId": 0}])] {
        assert_eq!(refusal(json!({"success": true, "data": data})), ErrorKind::BadReply, "{data}");
    }
    assert_eq!(refusal(json!([])), ErrorKind::BadReply);
    assert_eq!(refusal(json!({"success": false, "errorCode": "AccessDenied", "data": null})), ErrorKind::Forbidden);
}

fn jane() -> NewUser {
    creation(&new_user()).unwrap().0
}

#[track_caller]
fn creates(new: NewUser, expected: Value, noted: &[(NoteKind, &str)]) {
    let run = run(Command::CreateUser(Box::new(new)), &mut vendor());
    let [call] = &run.calls[..] else { panic!("one call, not {:?}", run.calls) };
    assert_eq!((&call.method, call.target.as_str(), call.access), (&Method::POST, "/v2/users", Access::Write));
    assert_eq!(serde_json::from_slice::<Value>(&call.body).unwrap(), expected);
    notes(&run.notes, noted);
    let user = run.user().unwrap();
    assert_eq!((user.id.as_str(), user.email.value().unwrap().as_str()), ("2002", "jane.doe@example.com"));
}

#[test]
fn a_user_is_created_in_one_call() {
    use NoteKind::{Defaulted, Dropped, Narrowed};
    let body = |more| with(new_user(), more);
    creates(jane(), new_user(), &[]);
    let login = NewUser { login: None, ..jane() };
    creates(login, body(json!({"login": "jane.doe@example.com"})), &[(Defaulted, "login")]);
    let password = NewUser { password: Some(Password::generated("xY9-xY9-")), ..jane() };
    creates(password, body(json!({"password": "xY9-xY9-"})), &[(Defaulted, "password")]);

    let whole = |whole: &str| Name { display: Text::from(whole).into(), ..Name::default() };
    creates(NewUser { name: whole("Jane Doe"), ..jane() }, new_user(), &[]);
    let prince = body(json!({"firstName": "Prince", "lastName": ""}));
    creates(NewUser { name: whole("Prince"), ..jane() }, prince, &[(Narrowed, "name")]);

    let granted = |grants: &[(Role, Scope)]| NewUser {
        grants: grants.iter().map(|(role, scope)| grant(*role, scope.clone())).collect(),
        ..jane()
    };
    let network = body(json!({"authLevel": "NetworkUser", "networkId": 2, "mailboxId": 0}));
    creates(granted(&[(Role::Member, scope(2, None))]), network, &[]);
    let support = body(json!({"authLevel": "MailboxUser"}));
    creates(granted(&[(Role::Support, scope(1, Some(101)))]), support, &[(Narrowed, "grants.role")]);
    let two = [(Role::Administrator, scope(1, Some(101))), (Role::Member, scope(2, None))];
    creates(granted(&two), new_user(), &[(Dropped, "grants")]);
    let placed = body(json!({"authLevel": "General", "mailboxId": 102}));
    creates(granted(&[(Role::None, scope(1, Some(102)))]), placed, &[]);
    let mut nowhere = body(json!({"authLevel": "General"}));
    nowhere.as_object_mut().unwrap().retain(|name, _| !["networkId", "mailboxId"].contains(&name.as_str()));
    creates(granted(&[]), nowhere, &[(Defaulted, "grants.scope")]);
}

#[track_caller]
fn creates_nobody(new: NewUser, kind: ErrorKind, at: Option<&Field>) {
    let run = run(Command::CreateUser(Box::new(new)), &mut vendor());
    assert!(run.calls.is_empty());
    let error = run.end.unwrap_err();
    assert_eq!(error.kind(), kind);
    assert_eq!(error.problems().first().map(|problem| problem.place.clone()), at.cloned().map(Into::into));
}

#[test]
fn a_user_that_the_vendor_could_not_have_is_not_created() {
    let system = [grant(Role::Member, scope(1, None)), grant(Role::System, scope(1, None))];
    creates_nobody(NewUser { grants: system.into(), ..jane() }, ErrorKind::Forbidden, None);
    creates_nobody(NewUser { password: None, ..jane() }, ErrorKind::Internal, None);
    let weak = NewUser { password: Some(Password::given("secret")), ..jane() };
    creates_nobody(weak, ErrorKind::Invalid, Some(&Field::Password));
    creates_nobody(NewUser { login: Some("".into()), ..jane() }, ErrorKind::Invalid, Some(&Field::Login));
    let blank = Name { display: Text::from(" ").into(), ..Name::default() };
    creates_nobody(NewUser { name: blank, ..jane() }, ErrorKind::Invalid, Some(&Field::Name));
    let foreign = Scope::new(interlingua_core::ScopeId::new("my_account"));
    creates_nobody(NewUser { grants: vec![grant(Role::Member, foreign)], ..jane() }, ErrorKind::Internal, None);
}

#[test]
fn a_user_that_is_there_already_is_a_conflict() {
    let mut vendor = vendor();
    let mut create = || run(Command::CreateUser(Box::new(jane())), &mut vendor).end;
    assert!(create().is_ok());
    assert_eq!(create().unwrap_err().kind(), ErrorKind::Conflict);
    let done = run(Command::CreateUser(Box::new(jane())), &mut saying(&json!({"success": true, "data": true})));
    assert_eq!(done.end.unwrap_err().kind(), ErrorKind::BadReply);
}

#[track_caller]
fn removes(vendor: &mut dyn FnMut(&Call) -> Reply, removal: Removal, expected: &[&str]) {
    let run = run(Command::DeleteUser { user: john(), removal }, vendor);
    assert_eq!(calls(&run), expected);
    assert_eq!(run.end.unwrap(), Outcome::Done);
    match removal {
        Removal::Permanent => notes(&run.notes, &[]),
        Removal::Reversible => notes(&run.notes, &[(NoteKind::Narrowed, "user")]),
    }
}

#[test]
fn a_user_is_removed_for_good_or_loses_its_role() {
    use Removal::{Permanent, Reversible};
    let without = "POST /role {userId:1042,authLevel:General}";
    removes(&mut vendor(), Permanent, &["GET /1042", "DELETE /1042"]);
    removes(&mut vendor(), Reversible, &["GET /1042", without]);
    removes(&mut vendor_where("TPUser", 1, 0), Reversible, &["GET /1042", without]);
    removes(&mut vendor_where("General", 1, 101), Reversible, &["GET /1042"]);
    removes(&mut vendor_where("General", 1, 101), Permanent, &["GET /1042", "DELETE /1042"]);
    for removal in [Permanent, Reversible] {
        // Root is not a translation's to remove, nor is somebody whose role nobody can place.
        for (level, kind) in [("Root", ErrorKind::Forbidden), ("MailboxAdmin", ErrorKind::BadReply)] {
            let run = run(Command::DeleteUser { user: john(), removal }, &mut vendor_where(level, 1, 0));
            assert!(!run.wrote());
            assert_eq!(run.end.unwrap_err().kind(), kind);
        }
        let nobody = run(Command::DeleteUser { user: UserId::new("9"), removal }, &mut vendor());
        assert_eq!(nobody.end.unwrap_err().kind(), ErrorKind::NotFound);
        let foreign = run(Command::DeleteUser { user: UserId::new("wqyODPA"), removal }, &mut vendor());
        assert_eq!(foreign.end.unwrap_err().kind(), ErrorKind::Internal);
    }
}

#[test]
fn a_message_needs_a_phone() {
    let send = |message: Message| Command::SendMessage { user: john(), message };
    let message = || Message { text: "See you".into(), phone: CELL_PHONE.into() };
    let mut vendor = vendor();
    assert_eq!(run(send(message()), &mut vendor).end.unwrap_err().kind(), ErrorKind::Invalid);
    let config = json!({"userId": 1042, "cellPhone": "+13035550100", "cellCarrier": "Verizon"});
    vendor(&Call::write(Method::POST, "/v2/users/update-config", config.to_string(), Vec::new()));
    let sent = run(send(message()), &mut vendor);
    assert_eq!(calls(&sent), ["POST /send-sms {userId:1042,message:See you}"]);
    assert_eq!(sent.end.unwrap(), Outcome::Done);

    let elsewhere = run(send(Message { phone: "/office".into(), ..message() }), &mut vendor);
    assert_eq!((elsewhere.calls.len(), elsewhere.end.unwrap_err().kind()), (0, ErrorKind::Unsupported));
    let empty = run(send(Message { text: "".into(), ..message() }), &mut vendor).end.unwrap_err();
    assert_eq!(empty.problems()[0].place, Field::Message.into());
    let unsent = run(send(message()), &mut saying(&json!({"success": true, "data": false})));
    assert_eq!(unsent.end.unwrap_err().kind(), ErrorKind::BadReply);
}

#[test]
fn a_user_moves_and_its_role_with_it() {
    let to = |to| granted(GrantChange::Move { from: Target::Only { level: None }, to });
    let moves = |level: &str, at: (i32, i32), scope, expected: &[&str]| {
        plans(&mut vendor_where(level, at.0, at.1), to(scope), expected, &[]);
    };
    moves("MailboxAdmin", (1, 101), scope(1, Some(102)), &["set-network-mailbox {networkId:1,mailboxId:102}"]);
    moves("MailboxAdmin", (1, 101), scope(1, Some(101)), &[]);
    moves("General", (1, 101), scope(2, Some(201)), &["set-network-mailbox {networkId:2,mailboxId:201}"]);
    moves("NetworkUser", (1, 0), scope(2, None), &["set-network-mailbox {networkId:2,mailboxId:0}"]);
    // A role of a network becomes the same in a mailbox, before it gets there.
    let narrower = ["role {authLevel:MailboxAdmin}", "set-network-mailbox {networkId:2,mailboxId:201}"];
    moves("NetworkAdmin", (1, 101), scope(2, Some(201)), &narrower);

    let from = |from, to| granted(GrantChange::Move { from: Target::Scope(from), to });
    let here = from(scope(1, Some(101)), scope(1, Some(102)));
    plans(&mut vendor(), here, &["set-network-mailbox {networkId:1,mailboxId:102}"], &[]);
    forbids(&mut vendor(), from(scope(2, None), scope(1, Some(102))), ErrorKind::Invalid);
    forbids(&mut vendor(), to(scope(1, None)), ErrorKind::Invalid);
    forbids(&mut vendor_where("Root", 1, 0), to(scope(2, None)), ErrorKind::Forbidden);
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
fn a_list_shows_every_user_and_points_at_each() {
    let known = |id: &str| {
        let page = pages().into_iter().next().unwrap().1;
        User { id: UserId::new(id), ..read_reply(&**ADAPTER, &john(), page.as_bytes()).unwrap().0 }
    };
    let list = |users: Vec<User>| {
        let page = UserPage { query: UserQuery::default(), page: numbered(1, 25), users, total: None, next: None };
        ADAPTER.write("list-users", &Outcome::Users(page))
    };
    assert_eq!(list(Vec::new()).unwrap().response.body, r#"{"success":true,"data":[]}"#);
    let three = || vec![known("1"), User { created: Known::Unknown, ..known("2") }, known("3")];
    let writing = list(three()).unwrap();
    let document: Value = serde_json::from_slice(&writing.response.body).unwrap();
    assert_eq!(document["data"].as_array().unwrap().iter().map(|user| &user["userId"]).collect::<Vec<_>>(), [1, 2, 3]);
    notes(&writing.notes, &[(NoteKind::Unknown, "/data/1/created")]);
    // What is said of every user is said once.
    let pictured = three().into_iter().map(|user| User { avatar: Text::from("a.png").into(), ..user }).collect();
    notes(&list(pictured).unwrap().notes, &[(NoteKind::Unknown, "/data/1/created"), (NoteKind::Dropped, "avatar")]);
    assert_eq!(list(vec![known("wqyODPA")]).unwrap_err().kind(), ErrorKind::Internal);
}

#[test]
fn an_answer_is_one_of_its_operation() {
    let user = Outcome::User(Box::new(User::new(john())));
    for operation in ["update-config", "terminate-user", "send-sms"] {
        let writing = ADAPTER.write(operation, &Outcome::Done).unwrap();
        assert_eq!(writing.response.body, r#"{"success":true,"data":true}"#);
    }
    assert_eq!(ADAPTER.write("create-user", &user).unwrap().response.status, StatusCode::OK);
    let wrong = [("get-user", Outcome::Done), ("list-users", user.clone()), ("terminate-user", user.clone())];
    for (operation, outcome) in wrong.into_iter().chain([("get-api-key", Outcome::Done), ("create", user)]) {
        assert_eq!(ADAPTER.write(operation, &outcome).unwrap_err().kind(), ErrorKind::Internal, "{operation}");
    }
}

#[test]
fn fields_of_a_search_have_pointers() {
    for (field, pointer) in [
        (Field::Password, "/password"),
        (Field::Search, ""),
        (Field::SearchScope, "/networkId"),
        (Field::Page, "/pageNo"),
        (Field::Message, "/message"),
        (Field::Scope, "/networkId"),
    ] {
        assert_eq!(ADAPTER.pointer(&field, Document::Request), pointer);
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
        (ErrorKind::TargetTooLong, 414, "InvalidParameter"),
        (ErrorKind::HeadTooLarge, 431, "InvalidParameter"),
        (ErrorKind::TooSlow, 408, "InvalidParameter"),
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
