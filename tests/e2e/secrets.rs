//! What nobody may read in a log, an error, a report, a metric or a span: keys, tokens, addresses, names, numbers.

use std::net::SocketAddr;

use interlingua_sandbox::directory;

use crate::{
    cli::{aside, stand_ins},
    client::{Answer, Client},
    collector::Collector,
    harness::{ECGRID_KEY, TEXTUS_TOKEN},
    served::Served,
    sessions::{PASSWORD, QUICK_HASH, SLOW_HASH},
};

/// What is in the requests, in the stand-ins' directories and in the configuration.
const SECRETS: &[&str] = &[
    ECGRID_KEY,
    TEXTUS_TOKEN,
    directory::ECGRID_KEY,
    directory::TEXTUS_TOKEN,
    "no-key-of-ours",
    // The hashes of the clients' keys, of which a weak one could be guessed.
    "9f3f5fc2d24e56bb",
    "73eb8ea6cd2aa631",
    "private-agent",
    "private-cookie",
    "private-state",
    "Jonathan",
    "Doe-Roe",
    "jon.doe",
    "+13035550123",
    "not-an-address",
    "chuck@textus.example",
    "Norris",
    "john.smith@example.com",
    "jsmith",
    "query-secret",
    PASSWORD,
    "no-password-of-ours",
    "no-login-of-ours",
    // What every token begins with.
    "eyJ",
    "$argon2id",
    "c2FsdHNhbHQ",
];

/// An ECGrid client's requests: those that go well, those that are refused here, and those that are refused there.
const OF_ECGRID: &[(&str, &str)] = &[
    (
        "PUT /v2/users?token=query-secret",
        r#"{"userId": 1042, "firstName": "Jonathan", "lastName": "Doe-Roe", "email": "jon.doe@example.com"}"#,
    ),
    ("POST /v2/users/update-config", r#"{"userId": 1042, "cellPhone": "+13035550123", "x": "Doe-Roe"}"#),
    ("PUT /v2/users", r#"{"userId": "jon.doe", "email": "not-an-address", "firstName": 5}"#),
    ("PUT /v2/users", r#"{"userId": 1042, "firstName": "Jonathan"#),
    ("PUT /v2/users", r#"{"email": "jon.doe@a.example", "email": "jon.doe@b.example"}"#),
    ("PUT /v2/users", r#"{"userId": 1042, "firstName": "Jonathan", "private-member": "Doe-Roe"}"#),
    ("POST /v2/users/update-config", r#"{"userId": 1042, "private-member": "+13035550123"}"#),
    ("GET /v2/users/jon.doe@example.com", ""),
    ("BREW-jon.doe /v2/users", ""),
    ("POST /v2/parcels/jon.doe@example.com?token=query-secret", r#"{"firstName": "Jonathan"}"#),
];

/// A TextUs client's.
const OF_TEXTUS: &[(&str, &str)] = &[
    (
        "PUT /users/PWApBE3",
        r#"{"name": "Jonathan Doe-Roe", "email": "jon.doe@textus.example", "defaultMessagingAccount": "my_account",
            "settings": {"customSettings": {"/textus/user_schema/cell_phone": "+13035550123"}}}"#,
    ),
    ("GET /users/jon.doe@example.com", ""),
    ("GET /users/PWApBE3?token=query-secret", ""),
    ("GET /my_account/contacts/jon.doe@example.com?token=query-secret", ""),
];

async fn traffic(address: SocketAddr) -> Vec<Answer> {
    let ecgrid = Client::ecgrid(address, ECGRID_KEY)
        .header("prefer", "handling=lenient")
        .header("user-agent", "private-agent")
        .header("tracestate", "vendor=private-state")
        .header("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")
        .header("cookie", "private-cookie");
    let textus = Client::textus(address, TEXTUS_TOKEN).header("prefer", "handling=lenient");
    let mut answers = Vec::new();
    for (client, requests) in [(&ecgrid, OF_ECGRID), (&textus, OF_TEXTUS)] {
        for (line, body) in requests {
            answers.push(client.send(line, *body).await);
            answers.push(client.send_http2(line, *body).await);
        }
    }
    answers.push(ecgrid.clone().header("x-api-key", "no-key-of-ours").get("/v2/users/1042").await);
    answers.push(textus.header("authorization", "Bearer no-key-of-ours").get("/users/wqyODPA").await);
    let repeated = ecgrid.clone().header("idempotency-key", "query-secret");
    for _ in 0..2 {
        answers.push(repeated.send("PUT /v2/users", r#"{"userId": 1042, "firstName": "Jonathan"}"#).await);
    }
    // Nobody's login, a login, and what it gives.
    let stranger = Client::new(address).header("content-type", "application/json");
    for (login, password) in [("no-login-of-ours", PASSWORD), ("sandbox", "no-password-of-ours"), ("sandbox", PASSWORD)]
    {
        let login = format!(r#"{{"login": "{login}", "password": "{password}"}}"#);
        answers.push(stranger.send("POST /v2/auth/login", login).await);
    }
    let token = answers.last().unwrap().at("/data/token").as_str().unwrap().to_owned();
    let session = stranger.header("authorization", &format!("Bearer {token}"));
    for line in ["GET /v2/users/1042", "PUT /v2/users", "POST /v2/parcels", "POST /v2/auth/logout", "GET /v2/users/me"]
    {
        answers.push(session.send(line, "").await);
    }
    // Somebody else has the address: this refusal is the vendor's own.
    let taken = r#"{"userId": 1042, "email": "jon.doe@textus.example"}"#;
    answers.push(ecgrid.send("PUT /v2/users", taken).await);
    answers
}

#[track_caller]
fn holds_no_secret(what: &str, text: &str) {
    for secret in SECRETS {
        let at = text.lines().find(|line| line.contains(secret));
        assert_eq!(at, None, "`{secret}` is in {what}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn logs_errors_and_reports_hold_no_secret() {
    let (_ecgrid, textus, config) = stand_ins().await;
    let text = std::fs::read_to_string(config.path()).unwrap();
    std::fs::write(config.path(), text.replace(SLOW_HASH, QUICK_HASH)).unwrap();
    let collector = Collector::start().await;
    let endpoint = format!("http://{}", collector.address);
    let (served, config) = aside(move || {
        let variables = [("RUST_LOG", "trace"), ("INTERLINGUA_TRACES__ENDPOINT", &endpoint)];
        (Served::start(&config, &variables), config)
    })
    .await;
    let [crossed, pass, admin] = served.addresses;
    textus.fail(3, http::StatusCode::INTERNAL_SERVER_ERROR);
    let mut answers = traffic(crossed).await;
    answers.extend(traffic(pass).await);
    let (mut refused, mut reported) = (0, 0);
    for answer in &answers {
        if answer.status >= 400 {
            refused += 1;
            holds_no_secret("an error", &answer.text());
            holds_no_secret("the head of an error", &format!("{:?}", answer.headers));
        }
        if answer.header("interlingua-fidelity").contains("report=") {
            reported += 1;
            let report = Client::new(admin).get(&answer.report()).await.expect(200);
            holds_no_secret("a report", &report.text());
        }
    }
    let metrics = Client::new(admin).get("/metrics").await.expect(200).text();
    assert!(
        metrics.contains("interlingua_fields_lost_total{"),
        "the metrics are not those of these requests: {metrics}"
    );
    holds_no_secret("the metrics", &metrics);
    assert!(!metrics.contains("private-member"), "what a client calls its members is no label");
    let (code, log) = aside(move || served.terminate()).await;
    drop(config);
    assert_eq!(code, Some(0));
    holds_no_secret("the log", &log);
    holds_no_secret("the spans", &collector.text());
    let spans = collector.spans();
    assert!(spans.len() > answers.len(), "the spans are not those of these requests: {}", spans.len());
    assert!(refused >= 10 && reported >= 2, "{refused} refused, {reported} reported: too few to prove anything");
    assert!(log.matches("\"request refused\"").count() >= 10, "the log is not the one of these requests");
}
