//! Wrong input of every kind: the dialect's own error names the field, and no vendor hears of it.

use std::io::Write as _;

use flate2::{Compression, write::GzEncoder};
use serde_json::json;

use crate::{
    client::Client,
    harness::{World, calls, writes},
    refusals::{Face, refuses},
};

/// One wrong request, and what is said about it.
struct Case {
    line: &'static str,
    body: Vec<u8>,
    /// Set, or with an empty value removed.
    header: Option<(&'static str, &'static str)>,
    status: u16,
    words: &'static [&'static str],
}

fn case(line: &'static str, body: impl Into<Vec<u8>>, status: u16, words: &'static [&'static str]) -> Case {
    Case { line, body: body.into(), header: None, status, words }
}

impl Case {
    fn header(self, name: &'static str, value: &'static str) -> Self {
        Self { header: Some((name, value)), ..self }
    }

    async fn check(&self, face: Face, client: Client) {
        let client = match self.header {
            None => client,
            Some((name, "")) => client.without(name),
            Some((name, value)) => client.header(name, value),
        };
        let answer = client.send(self.line, self.body.clone()).await;
        let shown = String::from_utf8_lossy(&self.body[..self.body.len().min(100)]).into_owned();
        let at = format!("{face:?} {} {:?} {shown}", self.line, self.header);
        assert_eq!(answer.status, self.status, "{at}: {}", answer.text());
        refuses(face, &answer, self.status, code(face, self, &answer.text()), self.words);
    }
}

/// The code that goes with a status: one of ECGrid's, or the words that HTTP has for it.
fn code(face: Face, case: &Case, text: &str) -> &'static str {
    let reason = http::StatusCode::from_u16(case.status).unwrap().canonical_reason().unwrap();
    match (face, case.status) {
        (Face::Textus, _) => reason,
        (Face::Ecgrid, 401) if text.contains("key in authorization") => "InvalidSession",
        (Face::Ecgrid, 401) => "InvalidAPIKey",
        (Face::Ecgrid, 403) => "AccessDenied",
        (Face::Ecgrid, 404) => "ObjectNotFound",
        (Face::Ecgrid, _) => "InvalidParameter",
    }
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// A document of two MiB.
fn huge() -> Vec<u8> {
    format!(r#"{{"userId": 1042, "firstName": "{}"}}"#, "x".repeat(2 << 20)).into()
}

/// What is wrong in any dialect; `line` is one that takes a document, and `sound` one that it takes.
fn of_any_dialect(line: &'static str, sound: &'static str) -> Vec<Case> {
    let gzipped = gzip(sound.as_bytes());
    let half = gzipped[..gzipped.len() / 2].to_vec();
    vec![
        case(line, "", 400, &["the body is empty"]),
        case(line, " \n", 400, &["the body is empty"]),
        case(line, r#"{"email": "jon@example.com",}"#, 400, &["not a JSON document", "line 1"]),
        case(line, r#"{"email": "jon@exam"#, 400, &["not a JSON document"]),
        case(line, format!("{sound} x"), 400, &["not a JSON document"]),
        case(line, [sound.as_bytes(), sound.as_bytes()].concat(), 400, &["not a JSON document"]),
        case(line, b"{\"email\": \"\xff\"}".to_vec(), 400, &["not a JSON document"]),
        case(line, "[".repeat(100_000), 400, &["not a JSON document"]),
        case(line, r#"{"email": "a@example.com", "email": "b@example.com"}"#, 400, &["`email` stands twice"]),
        case(line, r#"{"email": "a@example.com", "\u0065mail": "b@example.com"}"#, 400, &["`email` stands twice"]),
        case(line, huge(), 413, &["larger than 1048576 bytes"]),
        case(line, gzip(&huge()), 413, &["larger than 1048576 bytes"]).header("content-encoding", "gzip"),
        case(line, sound, 400, &["not valid gzip"]).header("content-encoding", "gzip"),
        case(line, half, 400, &["not valid gzip"]).header("content-encoding", "gzip"),
        case(line, sound, 415, &["gzip or not at all"]).header("content-encoding", "br"),
        case(line, gzip(&gzipped), 415, &["gzip or not at all"]).header("content-encoding", "gzip, gzip"),
        case(line, sound, 415, &["not one of JSON"]).header("content-type", "text/plain"),
        case(line, sound, 415, &["not one of JSON"]).header("content-type", "multipart/form-data; boundary=x"),
    ]
}

const UPDATE: &str = "PUT /v2/users";
const ROLE: &str = "POST /v2/users/role";
const CONFIG: &str = "POST /v2/users/update-config";

/// What ECGrid's own rules forbid.
fn of_ecgrid() -> Vec<Case> {
    let mut cases = of_any_dialect(UPDATE, r#"{"userId": 1042, "firstName": "Jon"}"#);
    cases.extend([
        case(UPDATE, r#"{"firstName": "Jon"}"#, 400, &["/userId: required"]),
        case(UPDATE, r#"{"userId": "1042"}"#, 400, &["/userId: expected an integer"]),
        case(UPDATE, r#"{"userId": null}"#, 400, &["/userId: expected an integer"]),
        case(UPDATE, r#"{"userId": 1042.5}"#, 400, &["/userId: expected an integer"]),
        case(UPDATE, r#"{"userId": 0}"#, 400, &["/userId: expected at least 1"]),
        case(UPDATE, r#"{"userId": 4294968338}"#, 400, &["/userId: expected at most 2147483647"]),
        case(UPDATE, r#"{"userId": 1042, "email": "jon"}"#, 400, &["/email: expected an e-mail address"]),
        case(UPDATE, r#"{"userId": 1042, "email": ""}"#, 400, &["/email: expected an e-mail address"]),
        case(UPDATE, r#"{"userId": 1042, "email": "Jon <j@example.com>"}"#, 400, &["/email: expected an e-mail"]),
        case(UPDATE, r#"{"userId": 1042, "lastName": ["Doe"]}"#, 400, &["/lastName: expected null or a string"]),
        case(UPDATE, r#"{"userId": "x", "email": 5, "firstName": {}}"#, 400, &["/userId:", "/email:", "/firstName:"]),
        case(UPDATE, "[1042]", 400, &["expected an object"]),
        case(CONFIG, "{}", 400, &["/userId: required"]),
        case(CONFIG, r#"{"userId": true}"#, 400, &["/userId: expected an integer"]),
        case(ROLE, r#"{"userId": 1042}"#, 400, &["/authLevel: required"]),
        case(ROLE, r#"{"userId": 1042, "authLevel": "King"}"#, 400, &["/authLevel: expected one of Root, TechOps"]),
        case(ROLE, r#"{"userId": 1042, "authLevel": "networkadmin"}"#, 400, &["/authLevel: expected one of"]),
        case(ROLE, r#"{"userId": 1042, "authLevel": "NetworkAdmin", "networkId": "1"}"#, 400, &["/networkId:"]),
        case("PATCH /v2/users", "{}", 405, &["only POST, PUT"]),
        case("PATCH /v2/users/1042", "", 405, &["only GET, DELETE"]),
        case("GET /v2/parcels", "", 404, &["no such path"]),
        case("PUT /v2/users/", "{}", 404, &["no such path"]),
        case("GET /v2/users/1042", "", 401, &["a key is required: x-api-key"]).header("x-api-key", ""),
        case("GET /v2/users/1042", "", 401, &["the key in x-api-key is not known"]).header("x-api-key", "no-key"),
        case("GET /v2/users/1042", "", 401, &["the key in x-api-key"]).header("x-api-key", "Sandbox-ecgrid-key"),
        case("GET /v2/parcels", "", 401, &["the key in x-api-key is not known"]).header("x-api-key", "no-key"),
        case(UPDATE, huge(), 401, &["the key in x-api-key is not known"]).header("x-api-key", "no-key"),
    ]);
    cases
}

/// What only a translation from ECGrid cannot do.
fn of_ecgrid_translated() -> Vec<Case> {
    vec![
        case(UPDATE, r#"{"userId": 2001, "firstName": "Una"}"#, 404, &["/userId: 2001 is not linked"]),
        case("GET /v2/users/2001", "", 404, &["/userId: 2001 is not linked"]),
        case("GET /v2/users/jsmith", "", 400, &["/userId: expected a positive integer"]),
        case("GET /v2/users/99999999999", "", 400, &["/userId: expected a positive integer"]),
        case(UPDATE, r#"{"userId": 1042, "nickname": "Jo"}"#, 400, &["/nickname: not a known member"]),
        case(
            CONFIG,
            r#"{"userId": 1042, "emailNotification": "yes"}"#,
            400,
            &["/emailNotification: expected a boolean"],
        ),
        case(CONFIG, r#"{"userId": 1042, "cellPhone": 13035550100}"#, 400, &["/cellPhone: expected a text"]),
        case(ROLE, r#"{"userId": 1042, "authLevel": "Root"}"#, 403, &["/authLevel:", "system-wide"]),
        case(ROLE, r#"{"userId": 1042, "authLevel": "TechOps", "networkId": 1}"#, 403, &["/authLevel:"]),
        case(ROLE, r#"{"userId": 1042, "authLevel": "NetOps", "networkId": 1}"#, 403, &["/authLevel:"]),
        case(
            ROLE,
            r#"{"userId": 1042, "authLevel": "NetworkAdmin", "networkId": 2}"#,
            400,
            &["/networkId: 2 is not linked"],
        ),
        case(
            ROLE,
            r#"{"userId": 1042, "authLevel": "MailboxUser", "networkId": 2, "mailboxId": 201}"#,
            400,
            &["/networkId: 2/201 is not linked"],
        ),
        case(ROLE, r#"{"userId": 1042, "authLevel": "NetworkUser", "networkId": 0}"#, 400, &["/networkId:"]),
        case(ROLE, r#"{"userId": 1042, "authLevel": "MailboxUser", "mailboxId": 101}"#, 400, &["/networkId: required"]),
        case(ROLE, r#"{"userId": 1042, "authLevel": "MailboxUser", "networkId": 1}"#, 400, &["/mailboxId: required"]),
        case(
            ROLE,
            r#"{"userId": 1042, "authLevel": "NetworkUser", "networkId": 1, "mailboxId": 101}"#,
            400,
            &["/mailboxId: NetworkUser holds for a network"],
        ),
    ]
}

const CHUCK: &str = "PUT /users/wqyODPA";

/// What TextUs's own rules forbid.
fn of_textus() -> Vec<Case> {
    let mut cases = of_any_dialect(CHUCK, r#"{"name": "Jon Doe"}"#);
    cases.extend([
        case(CHUCK, r#"{"name": ""}"#, 422, &["/name: expected a text that is not empty"]),
        case(CHUCK, r#"{"name": null}"#, 422, &["/name: expected a string"]),
        case(CHUCK, r#"{"email": "chuck"}"#, 422, &["/email: expected an e-mail address"]),
        case(CHUCK, r#"{"email": null}"#, 422, &["/email: expected a string"]),
        case(CHUCK, r#"{"memberships": null}"#, 422, &["/memberships: expected an array"]),
        case(CHUCK, r#"{"memberships": "/users/wqyODPA/memberships"}"#, 422, &["/memberships: expected an array"]),
        case(
            CHUCK,
            r#"{"memberships": [{"role": "owner", "account": "/accounts/my_account"}]}"#,
            422,
            &["/memberships/0/role: expected one of admin, support, user"],
        ),
        case(
            CHUCK,
            r#"{"memberships": [{"account": "/accounts/my_account"}]}"#,
            422,
            &["/memberships/0/role: required"],
        ),
        case(
            CHUCK,
            r#"{"memberships": [{"role": "user", "account": "my_account"}]}"#,
            422,
            &["/memberships/0/account:"],
        ),
        case(CHUCK, r#"{"settings": {"notifications": {"email": "no"}}}"#, 422, &["/settings/notifications/email: "]),
        case(CHUCK, r#"{"settings": {"customSettings": {"/a/b": 5}}}"#, 422, &["/settings/customSettings/~1a~1b: "]),
        case(CHUCK, r#"{"settings": null}"#, 422, &["/settings: expected an object"]),
        case(CHUCK, r#"{"name": 5, "email": 5, "settings": 5}"#, 422, &["/name:", "/email:", "/settings:"]),
        case(CHUCK, "[]", 422, &["expected an object"]),
        case("PATCH /users/wqyODPA", "{}", 405, &["only GET, PUT"]),
        case("PATCH /users/wqyODPA", "", 405, &["only GET, PUT, DELETE"]),
        case("GET /my_account/contacts", "", 404, &["no such path"]),
        case("GET /", "", 404, &["no such path"]),
        case("PUT /users/", "{}", 404, &["no such path"]),
        case("GET /users/wqyODPA", "", 401, &["a key is required"]).header("authorization", ""),
        case("GET /users/wqyODPA", "", 401, &["not known"]).header("authorization", "Bearer no-token"),
        case("GET /users/wqyODPA", "", 401, &["not known"]).header("authorization", "Basic c2FuZGJveA=="),
        case("GET /users/wqyODPA", "", 401, &["not known"]).header("authorization", "sandbox-textus-token"),
    ]);
    cases
}

/// What only a translation from TextUs cannot do.
fn of_textus_translated() -> Vec<Case> {
    vec![
        case("PUT /users/zLoneId", r#"{"name": "Zoe Lone"}"#, 404, &["/id: zLoneId is not linked"]),
        case("GET /users/zLoneId", "", 404, &["/id: zLoneId is not linked"]),
        case("GET /users/wqyodpa", "", 404, &["/id: wqyodpa is not linked"]),
        case("GET /users/a%20b", "", 404, &["/user: expected letters"]),
        case(CHUCK, r#"{"nickname": "Chuck"}"#, 422, &["/nickname: not a known member"]),
        case(
            CHUCK,
            r#"{"memberships": [{"role": "user", "account": "/accounts/other_account"}]}"#,
            422,
            &["/memberships: other_account is not linked"],
        ),
        case(
            CHUCK,
            r#"{"memberships": [{"role": "user", "account": "/accounts/a"}, {"role":"user","account":"/accounts/a"}]}"#,
            422,
            &["/memberships/1/account: expected every account once"],
        ),
        case(
            CHUCK,
            r#"{"notifications": {"email": false}, "settings": {"notifications": {"email": true}}}"#,
            422,
            &["/notifications/email: expected the same as in `settings`"],
        ),
    ]
}

#[tokio::test]
async fn wrong_input_is_refused_on_a_crossed_route() {
    let world = World::start().await;
    for case in of_ecgrid().into_iter().chain(of_ecgrid_translated()) {
        case.check(Face::Ecgrid, world.crossed_ecgrid()).await;
    }
    for case in of_textus().into_iter().chain(of_textus_translated()) {
        case.check(Face::Textus, world.crossed_textus()).await;
    }
    assert_eq!([calls(&world.ecgrid), calls(&world.textus)], [[""; 0]; 2]);
}

#[tokio::test]
async fn wrong_input_is_refused_on_a_pass_route() {
    let world = World::start().await;
    for case in of_ecgrid() {
        case.check(Face::Ecgrid, world.pass_ecgrid()).await;
    }
    for case in of_textus() {
        case.check(Face::Textus, world.pass_textus()).await;
    }
    assert_eq!([calls(&world.ecgrid), calls(&world.textus)], [[""; 0]; 2]);
}

#[tokio::test]
async fn a_refusal_tells_the_methods_that_there_are() {
    let world = World::start().await;
    for (client, line, allowed) in [
        (world.crossed_ecgrid(), "PATCH /v2/users", "POST, PUT"),
        (world.crossed_ecgrid(), "OPTIONS /v2/users/role", "GET, POST, DELETE"),
        (world.pass_textus(), "PATCH /users/wqyODPA", "GET, PUT, DELETE"),
    ] {
        assert_eq!(client.send(line, "").await.expect(405).header("allow"), allowed, "{line}");
    }
}

/// A refused value may be a secret, or somebody's name.
#[tokio::test]
async fn a_refusal_does_not_repeat_the_values() {
    let world = World::start().await;
    let request = json!({"userId": "s3cret", "email": "s3cret", "firstName": ["s3cret"]});
    let answer = world.crossed_ecgrid().ask(UPDATE, &request).await.expect(400);
    assert!(!answer.text().contains("s3cret"), "{}", answer.text());
}

#[tokio::test]
async fn a_gzip_body_is_read() {
    let world = World::start().await;
    let client = world.crossed_ecgrid().header("content-encoding", "gzip");
    let body = gzip(br#"{"userId": 1042, "firstName": "Jon"}"#);
    assert_eq!(client.send(UPDATE, body).await.expect(200).at("/data/firstName"), "Jon");
    assert_eq!(writes(&world.textus), [CHUCK]);
}

#[tokio::test]
async fn a_body_as_large_as_the_limit_is_read() {
    let world = World::start().await;
    let mut body = br#"{"userId": 1042}"#.to_vec();
    body.resize(1 << 20, b' ');
    world.crossed_ecgrid().send(UPDATE, body.clone()).await.expect(200);
    body.push(b' ');
    world.crossed_ecgrid().send(UPDATE, body).await.expect(413);
}

// === What is made to be large ===

/// A request can have as many mistakes as it has bytes; its answer does not tell them all.
#[tokio::test]
async fn an_answer_is_not_much_larger_than_its_request() {
    let world = World::start().await;
    let unknown: Vec<_> = (0..20_000).map(|number| format!("\"unknown member {number}\":1")).collect();
    let config = format!("{{\"userId\":1042,{}}}", unknown.join(","));
    let answer = world.crossed_ecgrid().send("POST /v2/users/update-config", config.clone()).await.expect(400);
    assert!(answer.text().len() < 20_000, "{}", answer.text().len());
    assert!(answer.text().contains("and 19900 more"), "{}", answer.text());

    let memberships = format!("{{\"memberships\":[{}]}}", vec!["{}"; 100_000].join(","));
    let answer = world.crossed_textus().send("PUT /users/wqyODPA", memberships).await.expect(422);
    assert!(answer.text().len() < 20_000, "{}", answer.text().len());

    let lenient = world.crossed_ecgrid().header("prefer", "handling=lenient");
    let answer = lenient.send("POST /v2/users/update-config", config).await.expect(200);
    let report = world.admin().get(&answer.report()).await.expect(200);
    assert!(report.json()["notes"].as_array().unwrap().len() <= 200);
}

/// A parameter of a query that means nothing here could mean "only try it".
#[tokio::test]
async fn a_query_is_not_ignored() {
    let world = World::start().await;
    let update = json!({"userId": 1042, "firstName": "Jon"});
    let answer = world.crossed_ecgrid().ask("PUT /v2/users?dryRun=true", &update).await.expect(400);
    assert!(answer.text().contains("/dryRun: not a query parameter"), "{}", answer.text());
    assert_eq!(writes(&world.textus), [""; 0]);
    world.crossed_ecgrid().get("/v2/users/1042?verbose=1").await.expect(200);
}

/// What the client's side loses and what the vendor's side loses is told at once.
#[tokio::test]
async fn a_refused_loss_names_every_field() {
    let world = World::start().await;
    let settings = json!({"analyticsReports": [], "customSettings": {"/textus/user_schema/unmapped": "x"}});
    let answer = world.crossed_textus().ask("PUT /users/wqyODPA", &json!({"settings": settings})).await.expect(422);
    for field in ["/settings/analyticsReports", "/settings/customSettings/~1textus~1user_schema~1unmapped"] {
        assert!(answer.text().contains(field), "{}", answer.text());
    }
    assert_eq!(calls(&world.ecgrid), [""; 0]);
}

/// What a route allows stands in the report, and the client is not told.
#[tokio::test]
async fn an_allowed_loss_is_reported_and_not_told() {
    let route = "face = \"textus\"\nupstream = \"ecgrid\"";
    let fields = format!("{route}\n[listeners.routes.fields]\n\"/settings/analyticsReports\" = \"allow\"");
    let world = crate::harness::Setup::new().replace(route, &fields).start().await;
    let client = world.crossed_textus().header("x-request-id", "allowed-1");
    let update = json!({"name": "Jack Smith", "settings": {"analyticsReports": []}});
    let answer = client.ask("PUT /users/wqyODPA", &update).await.expect(200);
    assert!(!answer.header("interlingua-fidelity").contains("dropped"), "{answer:?}");
    let report = world.admin().get("/reports/allowed-1").await.expect(200).json();
    assert_eq!(report["notes"][0]["pointer"], "/settings/analyticsReports");
}
