//! Traces for OpenTelemetry, from the client's header to what a collector gets and what the vendor sees.

use std::time::{Duration, Instant};

use http::StatusCode;
use interlingua_sandbox::Server;
use opentelemetry_proto::tonic::trace::v1::{Span, Status, span::SpanKind, status::StatusCode as Code};
use serde_json::json;
use tokio::{net::TcpListener, time::timeout};

use crate::{
    authority::{Authority, front, server_config},
    cli::{aside, stand_ins},
    client::Client,
    collector::{Collector, attribute, hex, names},
    harness::{ECGRID_KEY, Setup, World, any_port},
    recorder::LONG,
    served::Served,
};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const PARENT: &str = "00f067aa0ba902b7";

fn traceparent(trace: &str, parent: &str, flags: &str) -> String {
    format!("00-{trace}-{parent}-{flags}")
}

/// The traces that the calls of a vendor say that they belong to.
fn seen_by(vendor: &Server) -> Vec<String> {
    let header = |call: &interlingua_sandbox::RecordedCall| {
        call.headers.get("traceparent").map(|value| value.to_str().unwrap().to_owned()).unwrap_or_default()
    };
    vendor.calls().iter().map(header).collect()
}

fn is(span: &Span, kind: SpanKind) -> bool {
    span.kind == kind as i32
}

async fn traced(collector: &Collector) -> World {
    Setup::falling_back().with(&collector.table()).start().await
}

#[tokio::test]
async fn a_request_and_its_calls_are_one_trace() {
    let collector = Collector::start().await;
    let world = traced(&collector).await;
    let before = seen_by(&world.ecgrid).len();
    let client = world.crossed_textus().header("traceparent", &traceparent(TRACE, PARENT, "01"));
    let client = client.header("tracestate", "vendor=opaque").header("x-request-id", "the-request");
    let change = json!({"name": "Jon Doe", "settings": {"customSettings": {"/textus/user_schema/cell_phone": "1"}}});
    client.ask("PUT /users/wqyODPA", &change).await.expect(200);
    let calls = world.ecgrid.calls().split_off(before);
    assert!(calls.iter().all(|call| call.header_names.contains(&"tracestate".to_owned())));
    let writes: Vec<_> = calls
        .iter()
        .filter(|call| call.method != http::Method::GET)
        .map(interlingua_sandbox::RecordedCall::path)
        .collect();
    assert!(writes.len() > 1, "several writes: {writes:?}");
    let (parents, expected) = (seen_by(&world.ecgrid).split_off(before), calls.len());
    assert!(world.stop().await);

    let spans = collector.spans();
    let (requests, made): (Vec<_>, Vec<_>) = spans.iter().partition(|span| is(span, SpanKind::Server));
    let [request] = requests[..] else { panic!("{requests:?}") };
    assert_eq!((hex(&request.trace_id), hex(&request.parent_span_id)), (TRACE.into(), PARENT.into()));
    assert_eq!(request.name, "PUT /users/{user}");
    for (name, value) in [
        ("http.request.method", "PUT"),
        ("http.route", "/users/{user}"),
        ("http.response.status_code", "200"),
        ("interlingua.request.id", "the-request"),
        ("interlingua.face", "textus"),
        ("interlingua.upstream", "ecgrid"),
        ("interlingua.operation", "update-user"),
        ("interlingua.calls", &expected.to_string()),
        ("interlingua.outcome", "whole"),
    ] {
        assert_eq!(attribute(request, name), value, "{name}");
    }
    assert_eq!(names(request).len(), 9, "{:?}", names(request));
    // Every call is below it, and the parent of what happens at the vendor.
    assert_eq!(made.len(), expected);
    let ids = made.iter().map(|span| traceparent(TRACE, &hex(&span.span_id), "01"));
    assert_eq!(ids.collect::<Vec<_>>(), parents);
    for (span, call) in made.iter().zip(&calls) {
        assert!(is(span, SpanKind::Client));
        assert_eq!((&span.trace_id, &span.parent_span_id), (&request.trace_id, &request.span_id));
        assert_eq!(span.name, format!("{} {}", call.method, attribute(span, "url.template")));
        assert!(attribute(span, "url.template").starts_with("/v2/users"), "{span:?}");
        assert_eq!(attribute(span, "http.response.status_code"), "200");
        assert_eq!(
            (attribute(span, "server.address").as_str(), attribute(span, "server.port").len()),
            ("127.0.0.1", 5)
        );
        assert!(request.start_time_unix_nano <= span.start_time_unix_nano);
        assert!(span.end_time_unix_nano <= request.end_time_unix_nano);
        assert_eq!(names(span).len(), 6, "{:?}", names(span));
    }
}

/// The one request that a collector got, with its calls, and what the vendor saw of them.
async fn one(collector: &Collector, calls: usize) -> (Span, Vec<Span>) {
    let mut spans = collector.wait_for(1 + calls).await;
    let request = spans.iter().position(|span| is(span, SpanKind::Server)).unwrap();
    (spans.remove(request), spans)
}

#[tokio::test]
async fn what_passes_has_a_span_for_its_call_too() {
    for path in ["/v2/users/1042", "/v2/auth/version"] {
        let collector = Collector::start().await;
        let world = traced(&collector).await;
        world.pass_ecgrid().get(path).await.expect(200);
        let (request, calls) = one(&collector, 1).await;
        assert_eq!(request.parent_span_id, Vec::<u8>::new(), "a trace of its own");
        assert_eq!(calls[0].parent_span_id, request.span_id);
        let expected = traceparent(&hex(&request.trace_id), &hex(&calls[0].span_id), "01");
        assert_eq!(seen_by(&world.ecgrid), [expected]);
        assert_eq!(attribute(&request, "interlingua.calls"), "1");
        assert_eq!(attribute(&request, "interlingua.outcome"), "", "nothing was translated");
        let falls_back = path.ends_with("version");
        assert_eq!(attribute(&request, "interlingua.operation"), if falls_back { "fallback" } else { "get-user" });
        assert_eq!(request.name, if falls_back { "GET" } else { "GET /v2/users/{userId}" });
        assert_eq!(calls[0].name, request.name);
    }
}

#[tokio::test]
async fn who_has_begun_a_trace_decides_whether_it_is_kept() {
    let collector = Collector::start().await;
    let table = format!("{}\nratio = 0", collector.table());
    let world = Setup::new().with(&table).start().await;
    let client = world.pass_ecgrid();
    for (header, flags) in [(None, "00"), (Some("00"), "00"), (Some("01"), "01")] {
        let client = match header {
            Some(flags) => client.clone().header("traceparent", &traceparent(TRACE, PARENT, flags)),
            None => client.clone(),
        };
        client.get("/v2/users/1042").await.expect(200);
        let seen = seen_by(&world.ecgrid).pop().unwrap();
        assert!(seen.ends_with(&format!("-{flags}")) && !seen.contains(PARENT), "{seen}");
        assert_eq!(seen.contains(TRACE), header.is_some(), "{seen}");
    }
    assert!(world.stop().await);
    let spans = collector.spans();
    assert_eq!(spans.iter().map(|span| hex(&span.trace_id)).collect::<Vec<_>>(), [TRACE; 2]);
}

#[tokio::test]
async fn errors_are_told_where_they_are() {
    let collector = Collector::start().await;
    let world = traced(&collector).await;
    // The client's: nothing is called.
    world.crossed_ecgrid().send("PUT /v2/users", r#"{"userId": "x"}"#).await.expect(400);
    // The vendor's, and not tried again.
    world.textus.fail(1, StatusCode::INTERNAL_SERVER_ERROR);
    world.crossed_ecgrid().get("/v2/users/1042").await.expect(502);
    // A stranger's, with a method that nobody knows.
    world.pass_ecgrid().send("BREW /nowhere/jsmith", "").await.expect(401);
    assert!(world.stop().await);
    let spans = collector.spans();
    let about = |span: &Span| {
        let code = span.status.as_ref().map_or(Code::Unset, Status::code);
        let of = |name: &str| attribute(span, name);
        let status = of("http.response.status_code");
        (span.name.clone(), status, code, of("error.type"), of("interlingua.fault"), of("interlingua.outcome"))
    };
    let told = |name: &str, status: &str, code, error: &str, fault: &str, outcome: &str| {
        (name.to_owned(), status.to_owned(), code, error.to_owned(), fault.to_owned(), outcome.to_owned())
    };
    assert_eq!(
        spans.iter().map(about).collect::<Vec<_>>(),
        [
            told("PUT /v2/users", "400", Code::Unset, "", "client", "refused"),
            told("GET /v2/users/{userId}", "502", Code::Error, "unavailable", "upstream", "failed"),
            told("GET /users/{user}", "500", Code::Error, "500", "", ""),
            told("HTTP", "401", Code::Unset, "", "client", ""),
        ]
    );
    assert_eq!(attribute(&spans[3], "http.request.method"), "_OTHER");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_waits_for_a_collector() {
    let (_ecgrid, _textus, config) = stand_ins().await;
    // One that takes connections and says nothing, and one that is not there.
    let silent = TcpListener::bind(any_port()).await.unwrap();
    let nobody = TcpListener::bind(any_port()).await.unwrap().local_addr().unwrap();
    for address in [silent.local_addr().unwrap(), nobody] {
        let (path, endpoint) = (config.path().to_owned(), format!("http://{address}"));
        let served = aside(move || Served::start(path, &[("INTERLINGUA_TRACES__ENDPOINT", &endpoint)])).await;
        let client = Client::ecgrid(served.addresses[0], ECGRID_KEY);
        for _ in 0..20 {
            client.get("/v2/users/1042").await.expect(200);
        }
        let start = Instant::now();
        let (code, log) = aside(move || served.terminate()).await;
        assert_eq!(code, Some(0), "{log}");
        assert!(start.elapsed() < Duration::from_secs(10), "long before the drain time is over");
        let told = log.matches("spans were not delivered to the collector").count()
            + log.matches("the collector did not take the last spans in time").count();
        assert!((1..=3).contains(&told), "once in a while: {log}");
        assert!(!log.contains("the drain time is over"), "{log}");
    }
}

/// Authorities are those of the machine, which the environment can name.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_collector_can_be_spoken_to_over_tls() {
    let (_ecgrid, _textus, config) = stand_ins().await;
    let (collector, authority) = (Collector::start().await, Authority::new("Collectors"));
    let mut tls = server_config(&authority.issue("collector", &["localhost"]), None);
    tls.alpn_protocols = vec![b"h2".to_vec()];
    let endpoint = format!("https://localhost:{}", front(tls, collector.address).await.port());
    let trusted = authority.file().to_str().unwrap().to_owned();
    let served = aside(move || {
        let variables = [("INTERLINGUA_TRACES__ENDPOINT", endpoint.as_str()), ("SSL_CERT_FILE", &trusted)];
        Served::start(config.path(), &variables)
    });
    let served = served.await;
    let client = Client::ecgrid(served.addresses[0], ECGRID_KEY);
    client.get("/v2/users/1042").await.expect(200);
    timeout(LONG, collector.wait_for(2)).await.unwrap();
    aside(move || served.terminate()).await;
}
