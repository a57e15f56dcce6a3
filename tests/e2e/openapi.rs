//! The OpenAPI documents: at the admin listener, and the same in the repository. `UPDATE_GOLDEN=1` writes the latter.

use std::collections::BTreeSet;

use http::StatusCode;
use serde_json::Value;

use crate::{
    authority::{Authority, TlsClient},
    client::{Answer, Client},
    harness::{Setup, World},
    operator_cli::golden,
    refusals::Face,
    sessions::{PASSWORD, QUICK_HASH, SLOW_HASH},
    tls,
};

const PAIRS: [&str; 4] = ["ecgrid-ecgrid", "ecgrid-textus", "textus-ecgrid", "textus-textus"];

#[tokio::test]
async fn every_pair_has_its_document() {
    let world = World::start().await;
    for pair in PAIRS {
        let document = world.admin().get(&format!("/openapi/{pair}.json")).await.expect(200).json();
        assert_eq!(document["openapi"], "3.1.0");
        golden(&format!("openapi/{pair}.json"), &format!("{document:#}\n"));
    }
    for nothing in ["/openapi/ecgrid.json", "/openapi/ecgrid-textus", "/openapi/", "/openapi/klingon-textus.json"] {
        world.admin().get(nothing).await.expect(404);
    }
}

#[tokio::test]
async fn a_document_says_what_becomes_of_operations() {
    let world = World::start().await;
    let document = world.admin().get("/openapi/ecgrid-textus.json").await.expect(200).json();
    let statuses = |path: &str, method: &str| {
        let responses = document["paths"][path][method]["responses"].as_object().unwrap().keys();
        responses.cloned().collect::<Vec<_>>()
    };
    let has = |path, method, status: &str| statuses(path, method).iter().any(|other| other == status);
    assert!(has("/v2/users/{userId}", "get", "200") && has("/v2/users/{userId}", "get", "304"));
    assert!(has("/v2/users", "put", "412") && !has("/v2/users", "put", "304"));
    // What TextUs has no counterpart for is never done.
    assert!(has("/v2/users/password", "post", "501") && !has("/v2/users/password", "post", "200"));

    let document = world.admin().get("/openapi/textus-ecgrid.json").await.expect(200).json();
    let responses = &document["paths"]["/users"]["post"]["responses"];
    assert!(responses["201"]["headers"]["ETag"].is_object());
    assert_eq!(document["paths"]["/users/{user}"]["delete"]["responses"]["204"]["content"], Value::Null);
}

// === Headers ===

/// A document, and the headers of the answers that it describes.
struct Described {
    document: Value,
    sent: BTreeSet<String>,
}

impl Described {
    async fn of(world: &World, pair: &str) -> Self {
        let document = world.admin().get(&format!("/openapi/{pair}.json")).await.expect(200).json();
        Self { document, sent: BTreeSet::new() }
    }

    /// What the document says of the operation of a request; of two paths that fit, the one with fewer parameters.
    fn operation(&self, method: &str, path: &str) -> Option<&Value> {
        let fits = |pattern: &str| {
            let parts = |path: &str| path.split('/').map(str::to_owned).collect::<Vec<_>>();
            let (pattern, path) = (parts(pattern), parts(path));
            let fits = |(pattern, part): (&String, &String)| pattern == part || pattern.starts_with('{');
            pattern.len() == path.len() && pattern.iter().zip(&path).all(fits)
        };
        let paths = self.document["paths"].as_object().unwrap();
        let fitting = paths.iter().filter(|(pattern, path)| fits(pattern) && path[method].is_object());
        let (_, path) = fitting.min_by_key(|(pattern, _)| pattern.matches('{').count())?;
        Some(&path[method])
    }

    /// Makes sure that the status of an answer and all its headers are declared.
    #[track_caller]
    fn has(&mut self, line: &str, answer: &Answer) {
        let (method, target) = line.split_once(' ').unwrap();
        let is_of_http = |name: &&str| name.starts_with("content-") || ["connection", "date"].contains(name);
        let sent = answer.headers.keys().map(http::HeaderName::as_str).filter(|name| !is_of_http(name));
        let sent: BTreeSet<_> = sent.map(str::to_owned).collect();
        match self.operation(&method.to_lowercase(), target.split('?').next().unwrap()) {
            Some(operation) => {
                let responses = &operation["responses"];
                let declared = [&*answer.status.to_string(), "default"].map(|status| &responses[status]);
                let declared = declared.into_iter().find(|response| response.is_object());
                let declared = declared.unwrap_or_else(|| panic!("{line}: {} is not declared", answer.status));
                let reference = declared["$ref"].as_str().map(|reference| &reference[1..]);
                let declared = reference.map_or(declared, |reference| self.document.pointer(reference).unwrap());
                let declared = declared["headers"].as_object().into_iter().flatten();
                let declared: BTreeSet<_> = declared.map(|(name, _)| name.to_lowercase()).collect();
                let hidden: Vec<_> = sent.difference(&declared).collect();
                assert!(hidden.is_empty(), "{line}, answered with {}: {hidden:?} are not declared", answer.status);
            }
            None => assert_eq!(answer.status, 405, "{line} is not declared"),
        }
        self.sent.extend(sent);
    }

    async fn ask(&mut self, client: &Client, line: &str, body: &str) -> Answer {
        let answer = client.send(line, body.to_owned()).await;
        self.has(line, &answer);
        answer
    }
}

/// Requests of a face: one that reads a user, one that changes it and one that cannot be carried whole; and others.
struct Requests {
    read: &'static str,
    change: (&'static str, &'static str),
    lossy: (&'static str, &'static str),
    others: &'static [(&'static str, &'static str)],
}

const OF_ECGRID: Requests = Requests {
    read: "GET /v2/users/1042",
    change: ("PUT /v2/users", r#"{"userId": 1042, "firstName": "Jon", "lastName": "Smith"}"#),
    lossy: ("POST /v2/users/update-config", r#"{"userId": 1042, "cellPhone": "+1 555 0100", "shoeSize": 46}"#),
    others: &[
        ("GET /v2/users/me", ""),
        ("GET /v2/users/4711", ""),
        ("POST /v2/users/list", "{}"),
        ("POST /v2/users/role", r#"{"userId": 1042, "authLevel": "NetworkAdmin", "networkId": 1}"#),
        ("POST /v2/users/role", r#"{"userId": 1043, "authLevel": "Root", "networkId": 1}"#),
        ("POST /v2/users/password", r#"{"userId": 1042, "newPassword": "Correct-Horse-1"}"#),
        ("PUT /v2/users", "{"),
        ("PATCH /v2/users", ""),
        ("DELETE /v2/users/1043", ""),
    ],
};

const OF_TEXTUS: Requests = Requests {
    read: "GET /users/wqyODPA",
    change: ("PUT /users/wqyODPA", r#"{"name": "Jon Smith"}"#),
    lossy: ("PUT /users/wqyODPA", r#"{"name": "Jon", "defaultMessagingAccount": "my_account"}"#),
    others: &[
        ("GET /users", ""),
        ("GET /users?q=major", ""),
        ("GET /users/zzzzzzz", ""),
        ("POST /users", r#"{"name": "Una New"}"#),
        ("PUT /users/wqyODPA", "{"),
        ("PATCH /users/wqyODPA", ""),
        ("DELETE /users/PWApBE3", ""),
    ],
};

/// Asks for everything that a face has, and in ways in which it is refused.
async fn ask_for_all(described: &mut Described, client: &Client, requests: &Requests, pair: &str) {
    let Requests { read, change, lossy, others } = requests;
    let tag = described.ask(client, read, "").await.expect(200).header("etag").to_owned();
    described.ask(&client.clone().header("if-none-match", &tag), read, "").await.expect(304);
    for (line, body) in [change, lossy].into_iter().chain(*others) {
        for client in [client.clone(), client.clone().header("prefer", "handling=lenient")] {
            described.ask(&client, line, body).await;
        }
    }
    let repeating = client.clone().header("idempotency-key", pair);
    for _ in 0..2 {
        described.ask(&repeating, change.0, change.1).await.expect(200);
    }
    described.ask(&client.clone().header("if-match", "\"other\""), change.0, change.1).await.expect(412);
    let unknown = Client::ecgrid(client.address(), "nobody").header("authorization", "Bearer nobody");
    described.ask(&unknown, read, "").await.expect(401);
    if pair.starts_with("ecgrid") {
        let nobody_yet = Client::new(client.address()).header("content-type", "application/json");
        let login = format!(r#"{{"login": "sandbox", "password": "{PASSWORD}"}}"#);
        described.ask(&nobody_yet, "POST /v2/auth/login", &login).await.expect(200);
        described.ask(&nobody_yet, "POST /v2/auth/session", "").await.expect(401);
    }
}

/// What documents declare is what is sent, and the other way round.
#[tokio::test]
async fn the_headers_that_are_sent_are_declared() {
    let rate = "rate = { calls = 1000, per = \"1h\" }";
    let setup = ["sandbox-ecgrid", "sandbox-textus"].iter().fold(Setup::new(), |setup, name| {
        let name = format!("name = \"{name}\"");
        setup.replace(&name, &format!("{name}\n{rate}"))
    });
    let world = setup.replace(SLOW_HASH, QUICK_HASH).upstreams("retries = 0").start().await;
    let mut sent = BTreeSet::new();
    let mut declared = BTreeSet::new();
    for fails in [false, true] {
        for pair in PAIRS {
            let (face, upstream) = pair.split_once('-').unwrap();
            let (face, requests) = if face == "ecgrid" { (Face::Ecgrid, OF_ECGRID) } else { (Face::Textus, OF_TEXTUS) };
            let client =
                if pair == format!("{upstream}-{upstream}") { face.pass(&world) } else { face.crossed(&world) };
            let mut described = Described::of(&world, pair).await;
            if fails {
                let vendor = if upstream == "ecgrid" { &world.ecgrid } else { &world.textus };
                for status in [StatusCode::FORBIDDEN, StatusCode::SERVICE_UNAVAILABLE, StatusCode::TOO_MANY_REQUESTS] {
                    for (line, body) in [(requests.read, ""), requests.change] {
                        vendor.fail(1, status);
                        described.ask(&client, line, body).await;
                        vendor.clear_faults();
                    }
                }
            } else {
                ask_for_all(&mut described, &client, &requests, pair).await;
            }
            sent.extend(described.sent);
            let headers = described.document["components"]["headers"].as_object().unwrap();
            declared.extend(headers.keys().map(|name| name.to_lowercase()));
        }
    }
    let authority = Authority::new("test");
    let world = tls::secured(&[&authority.issue("own", &[tls::NAME])], ", hsts = '90d'").start().await;
    let mut described = Described::of(&world, "ecgrid-textus").await;
    let answer = tls::ask(&TlsClient::new(&authority, tls::NAME), world.address(0)).await.unwrap();
    described.has("GET /v2/users/1042", &answer);
    sent.extend(described.sent);
    assert_eq!(sent, declared);
}
