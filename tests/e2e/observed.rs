//! What an operator sees: what was counted, and whose fault it was.

use http::StatusCode;
use interlingua_sandbox::Server;
use serde_json::Value;

use crate::{
    cli::{aside, stand_ins},
    client::{Answer, Client},
    harness::{ECGRID_KEY, Setup, World},
    recorder::{Recorder, ok},
    served::Served,
};

async fn metrics(world: &World) -> String {
    world.admin().get("/metrics").await.expect(200).text()
}

#[track_caller]
fn has(metrics: &str, line: &str) {
    assert!(metrics.lines().any(|known| known == line), "{line} is not in\n{metrics}");
}

#[tokio::test]
async fn requests_calls_and_losses_are_counted() {
    let world = Setup::falling_back().start().await;
    let client = world.crossed_ecgrid();
    client.get("/v2/users/1042").await.expect(200);
    client.send("PUT /v2/users", r#"{"userId": 1042, "firstName": "Jon", "lastName": "Doe"}"#).await.expect(200);
    client.send("PUT /v2/users", r#"{"userId": "x"}"#).await.expect(400);
    let lenient = world.crossed_textus().header("prefer", "handling=lenient");
    lenient
        .send("PUT /users/PWApBE3", r#"{"name": "Mary M", "defaultMessagingAccount": "my_account"}"#)
        .await
        .expect(200);
    client.get("/v2/auth/version").await;
    let metrics = metrics(&world).await;
    let of = r#"face="ecgrid",upstream="textus""#;
    let http = r#"http_request_method="PUT",http_response_status_code="400""#;
    for line in [
        format!(r#"http_server_request_duration_seconds_count{{{of},operation="update-user",{http}}} 1"#),
        format!(r#"interlingua_translations_total{{{of},operation="get-user",outcome="whole"}} 1"#),
        format!(r#"interlingua_translations_total{{{of},operation="update-user",outcome="refused"}} 1"#),
        format!(r#"interlingua_validation_failures_total{{{of},operation="update-user"}} 1"#),
        format!(r#"interlingua_failures_total{{{of},fault="client",kind="invalid"}} 1"#),
        format!(r#"interlingua_plan_calls_total{{{of},operation="get-user"}} 1"#),
    ] {
        has(&metrics, &line);
    }
    for start in [
        r#"interlingua_build_info{version=""#,
        r#"http_client_request_duration_seconds_count{upstream="textus",http_request_method="GET","#,
        r#"http_server_request_duration_seconds_count{face="ecgrid",upstream="ecgrid",operation="fallback","#,
        r#"interlingua_fields_lost_total{face="textus",upstream="ecgrid",document="request",pointer="/defaultMessagingAccount""#,
    ] {
        assert!(metrics.lines().any(|line| line.starts_with(start)), "{start} is not in\n{metrics}");
    }
}

#[tokio::test]
async fn metrics_have_the_form_that_prometheus_reads() {
    let world = World::start().await;
    world.crossed_ecgrid().get("/v2/users/1042").await.expect(200);
    let metrics = metrics(&world).await;
    let mut described = std::collections::HashSet::new();
    for line in metrics.lines() {
        if let Some(comment) = line.strip_prefix("# ") {
            let name = comment.split(' ').nth(1).unwrap();
            assert!(!comment.starts_with("TYPE ") || described.insert(name.to_owned()), "{name} is there twice");
            continue;
        }
        let (series, value) = line.rsplit_once(' ').unwrap();
        assert!(value.parse::<f64>().is_ok(), "{line}");
        let name = series.split('{').next().unwrap();
        let family = ["_bucket", "_sum", "_count"].iter().find_map(|part| name.strip_suffix(part));
        assert!(described.contains(name) || family.is_some_and(|family| described.contains(family)), "{line}");
        assert_eq!(series.contains('{'), series.ends_with('}'), "{line}");
    }
    let series: Vec<_> =
        metrics.lines().filter(|line| !line.starts_with('#')).map(|line| line.rsplit_once(' ')).collect();
    let distinct: std::collections::HashSet<_> = series.iter().map(|series| series.unwrap().0).collect();
    assert_eq!(distinct.len(), series.len(), "a series is there twice");
}

#[track_caller]
fn is_fault_of(answer: &Answer, who: &str) {
    assert_eq!(answer.header("interlingua-fault"), who, "{} {}", answer.status, answer.text());
}

fn fails(server: &Server) {
    // The next call, which is not tried again.
    server.fail(1, StatusCode::INTERNAL_SERVER_ERROR);
}

#[tokio::test]
async fn every_error_says_whose_fault_it_is() {
    let world = World::start().await;
    let (crossed, pass) = (world.crossed_ecgrid(), world.pass_ecgrid());
    is_fault_of(&crossed.get("/v2/users/1042").await.expect(200), "");
    is_fault_of(&crossed.get("/v2/users/9999").await.expect(404), "client");
    is_fault_of(&crossed.send("PUT /v2/users", "{").await.expect(400), "client");
    is_fault_of(&crossed.clone().header("x-api-key", "nobody").get("/v2/users/1042").await.expect(401), "client");
    is_fault_of(&pass.get("/v2/users/9999").await.expect(404), "client");
    is_fault_of(&crossed.send("POST /v2/users/generate-password", "{}").await.expect(501), "gateway");
    fails(&world.textus);
    is_fault_of(&crossed.get("/v2/users/1042").await.expect(502), "upstream textus");
    fails(&world.ecgrid);
    is_fault_of(&pass.get("/v2/users/1042").await.expect(500), "upstream ecgrid");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_log_says_whose_fault_it_is() {
    let (_ecgrid, textus, config) = stand_ins().await;
    let (served, _config) = aside(move || (Served::start(&config, &[]), config)).await;
    let [crossed, ..] = served.addresses;
    let client = Client::ecgrid(crossed, ECGRID_KEY);
    client.get("/v2/users/1042").await.expect(200);
    client.get("/v2/users/9999").await.expect(404);
    fails(&textus);
    client.get("/v2/users/1042").await.expect(502);
    let (_, log) = aside(move || served.terminate()).await;
    let lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let told: Vec<_> = lines
        .filter(|line| line["request.id"].is_string() && line["status"].is_number())
        .map(|line| (line["status"].as_u64().unwrap(), line["fault"].as_str().map(str::to_owned)))
        .collect();
    let expected = [(200, None), (404, Some("client".to_owned())), (502, Some("upstream".to_owned()))];
    assert_eq!(told, expected, "{log}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_log_is_text_for_whoever_wants_it_so() {
    let (_ecgrid, _textus, config) = stand_ins().await;
    let (served, _config) =
        aside(move || (Served::start(&config, &[("INTERLINGUA_LOG__FORMAT", "text")]), config)).await;
    let client = Client::ecgrid(served.addresses[0], ECGRID_KEY);
    client.clone().header("x-request-id", "one").get("/v2/users/1042").await.expect(200);
    let forged = r#"{"userId": 1042, "x\n2026-01-01T00:00:00Z INFO forged: request answered": 1}"#;
    client.clone().header("x-request-id", "two").send("PUT /v2/users", forged).await.expect(400);
    let (_, log) = aside(move || served.terminate()).await;
    let about = |id: &str| {
        let name = format!("request.id=\"{id}\"");
        let lines: Vec<_> = log.lines().filter(|line| line.contains(&name)).collect();
        let [line] = lines[..] else { panic!("{id} is not in one line of\n{log}") };
        line
    };
    let line = about("one");
    assert!(line.contains(" INFO ") && line.contains(" request answered "), "{line}");
    assert!(line.contains(" face=\"ecgrid\" ") && line.contains(" status=200 "), "{line}");
    assert!(about("two").contains(" request refused "), "{log}");
    assert!(!log.lines().any(|line| line.contains(" INFO forged: ") && !line.contains("request.id")), "{log}");
    assert!(!log.contains(['{', '\u{1b}']), "{log}");
}

#[tokio::test]
async fn an_upstream_that_changes_is_noticed_and_goes_on() {
    let recorder = Recorder::start().await;
    let world = Setup::new().textus_at(recorder.address).start().await;
    let user = r#"{"@type": "User", "@context": "/contexts/User.jsonld", "id": "/users/wqyODPA", "name": "Chuck Norris",
        "email": "chuck@textus.example", "pronouns": "he", "discarded": "no"}"#;
    recorder.always(ok(user));
    for _ in 0..3 {
        world.crossed_ecgrid().get("/v2/users/1042").await;
    }
    let metrics = metrics(&world).await;
    has(&metrics, r#"interlingua_upstream_schema_drift_total{upstream="textus",change="new"} 1"#);
    has(&metrics, r#"interlingua_upstream_schema_drift_total{upstream="textus",change="retyped"} 1"#);
    has(&metrics, r#"interlingua_upstream_schema_drift_total{upstream="textus",change="missing"} 0"#);
}
