//! HTTP itself: connections, versions, methods, limits of time and number, and the end of the process.

use std::net::SocketAddr;

use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time::timeout,
};

use crate::{
    client::Client,
    harness::{Setup, World, any_port},
    recorder::{LONG, Recorder, ok},
    refusals::{Face, refuses},
};

/// What the gateway shows of TextUs's user, in TextUs's own words.
const CHUCK: &str =
    r#"{"@type": "User", "id": "/users/wqyODPA", "name": "Chuck Norris", "memberships": {"members": []}}"#;
/// The same for ECGrid's.
const JOHN: &str =
    r#"{"success": true, "data": {"userId": 1042, "networkId": 1, "mailboxId": 101, "authLevel": "MailboxUser"}}"#;

async fn raw(address: SocketAddr, request: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    // Whether all of it is read is the other side's affair.
    let _ = stream.write_all(request).await;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    String::from_utf8(answer).unwrap()
}

// === Connections ===

#[tokio::test]
async fn a_connection_serves_many_requests() {
    let world = World::start().await;
    let head = "GET /v2/users/1042 HTTP/1.1\r\nhost: x\r\nx-api-key: sandbox-ecgrid-key\r\n";
    let answers = raw(world.address(0), format!("{head}\r\n{head}connection: close\r\n\r\n").as_bytes()).await;
    assert_eq!(answers.matches("HTTP/1.1 200 OK").count(), 2, "{answers}");
}

#[tokio::test]
async fn connections_to_an_upstream_are_kept() {
    let mut upstream = Recorder::start().await;
    let world = Setup::new().textus_at(upstream.address).start().await;
    for _ in 0..3 {
        let client = world.crossed_ecgrid();
        let asking = tokio::spawn(async move { client.get("/v2/users/1042").await });
        upstream.next().await.answer(ok(CHUCK));
        asking.await.unwrap().expect(200);
    }
    assert_eq!(upstream.connections(), 1);
}

#[tokio::test]
async fn http2_needs_no_introduction() {
    let world = World::start().await;
    for client in [world.crossed_ecgrid(), world.pass_ecgrid()] {
        let answer = client.send_http2("PUT /v2/users", r#"{"userId": 1042, "firstName": "Jon"}"#).await.expect(200);
        assert_eq!(answer.at("/data/firstName"), "Jon");
        let refused = client.send_http2("PUT /v2/users", "{}").await;
        refuses(Face::Ecgrid, &refused, 400, "InvalidParameter", &["/userId: required"]);
    }
    world.admin().send_http2("GET /livez", "").await.expect(200);
}

#[tokio::test]
async fn what_is_no_http_does_no_harm() {
    let world = World::start().await;
    for nonsense in
        ["GET\r\n\r\n", "GET / HTTP/9.9\r\n\r\n", "PUT /v2/users HTTP/1.1\r\nhost: x\r\ncontent-length: x\r\n\r\n"]
    {
        let answer = raw(world.address(0), nonsense.as_bytes()).await;
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 400"), "{answer}");
    }
    world.crossed_ecgrid().get("/v2/users/1042").await.expect(200);
}

/// Such as Python's: it writes all that it has before it reads.
#[tokio::test]
async fn a_client_that_writes_first_gets_to_read_why_it_was_refused() {
    let world = World::start().await;
    let body = "x".repeat(2 << 20);
    for (key, status) in [("sandbox-ecgrid-key", "413"), ("no-key", "401")] {
        let head = format!("PUT /v2/users HTTP/1.1\r\nhost: x\r\nx-api-key: {key}\r\nconnection: close\r\n");
        let request = format!("{head}content-length: {}\r\n\r\n{body}", body.len());
        let answer = raw(world.address(0), request.as_bytes()).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{answer}");
        let chunked = format!("{head}transfer-encoding: chunked\r\n\r\n{:x}\r\n{body}\r\n0\r\n\r\n", body.len());
        let answer = raw(world.address(0), chunked.as_bytes()).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{answer}");
    }
}

#[tokio::test]
async fn a_body_that_is_announced_too_large_is_not_asked_for() {
    let world = World::start().await;
    let request = "PUT /v2/users HTTP/1.1\r\nhost: x\r\nx-api-key: sandbox-ecgrid-key\r\nexpect: 100-continue\r\n\
                   content-length: 2097152\r\n\r\n";
    let answer = raw(world.address(0), request.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
}

// === Methods ===

#[tokio::test]
async fn other_methods_get_an_error_document() {
    let world = World::start().await;
    for (face, path) in [(Face::Ecgrid, "/v2/users/1042"), (Face::Textus, "/users/wqyODPA")] {
        for client in [face.crossed(&world), face.pass(&world)] {
            for method in ["OPTIONS", "TRACE", "PATCH"] {
                let answer = client.send(&format!("{method} {path}"), "").await;
                assert_eq!(face.refusal(&answer).0, 405, "{method}");
            }
            let head = client.send(&format!("HEAD {path}"), "").await;
            assert_eq!((head.status, head.body.len()), (405, 0), "the answer to HEAD has no body");
            assert!(!head.header("allow").is_empty());
        }
    }
}

// === The admin listener ===

#[tokio::test]
async fn the_operator_has_a_listener_of_its_own() {
    let world = World::start().await;
    let admin = world.admin();
    assert_eq!(admin.get("/livez").await.expect(200).json(), json!({"status": "alive"}));
    assert_eq!(admin.get("/readyz").await.expect(200).json(), json!({"status": "ready"}));
    for (line, status) in [("GET /reports/none", 404), ("GET /v2/users/1042", 404), ("POST /livez", 405)] {
        let answer = admin.send(line, "").await.expect(status);
        assert_eq!(answer.header("content-type"), "application/problem+json", "{line}");
        assert_eq!(answer.at("/status"), status);
    }
    for path in ["/livez", "/readyz", "/reports/x"] {
        assert_eq!(Face::Textus.refusal(&world.crossed_textus().get(path).await).0, 404, "clients do not see {path}");
    }
}

#[tokio::test]
async fn a_report_lists_what_was_lost_by_pointer() {
    let world = World::start().await;
    let client = world.crossed_ecgrid().header("x-request-id", "report-me").header("prefer", "handling=lenient");
    let role = json!({"userId": 1042, "authLevel": "TPUser", "networkId": 1, "mailboxId": 101});
    let answer = client.ask("POST /v2/users/role", &role).await.expect(200);
    assert_eq!(answer.report(), "/reports/report-me");
    let report = world.admin().get("/reports/report-me").await.expect(200).json();
    assert_eq!([&report["face"], &report["upstream"], &report["operation"]], ["ecgrid", "textus", "set-role"]);
    let note = &report["notes"][0];
    assert_eq!([&note["document"], &note["pointer"], &note["kind"]], ["request", "/authLevel", "dropped"]);
}

// === Limits ===

#[tokio::test]
async fn one_request_too_many_is_told_to_come_back() {
    let mut upstream = Recorder::start().await;
    let setup = Setup::new().ecgrid_at(upstream.address).textus_at(upstream.address);
    let world = setup.with("[limits]\nin_flight = 1").start().await;
    let client = world.crossed_ecgrid();
    let first = tokio::spawn(async move { client.get("/v2/users/1042").await });
    let waiting = upstream.next().await;
    for (face, path) in [(Face::Ecgrid, "/v2/users/1042"), (Face::Textus, "/users/wqyODPA")] {
        for client in [face.crossed(&world), face.pass(&world)] {
            let answer = client.get(path).await;
            let code = if face == Face::Ecgrid { "InternalError" } else { "Service Unavailable" };
            refuses(face, &answer, 503, code, &["too many requests at once"]);
            assert_eq!(answer.header("retry-after"), "1");
        }
    }
    world.admin().get("/readyz").await.expect(200);
    waiting.answer(ok(CHUCK));
    first.await.unwrap().expect(200);
}

/// What both faces say when the upstream fails like this, on a crossed and on a pass route.
async fn both_say(world: &World, status: u16, words: &[&str]) {
    for (face, path) in [(Face::Ecgrid, "/v2/users/1042"), (Face::Textus, "/users/wqyODPA")] {
        for client in [face.crossed(world), face.pass(world)] {
            let answer = client.get(path).await;
            let (found, _, message) = face.refusal(&answer);
            assert_eq!(found, status, "{message}");
            assert!(words.iter().all(|word| message.contains(word)), "{message}");
        }
    }
}

#[tokio::test]
async fn an_upstream_that_is_down_is_a_bad_gateway() {
    let gone = TcpListener::bind(any_port()).await.unwrap().local_addr().unwrap();
    let world = Setup::new().ecgrid_at(gone).textus_at(gone).start().await;
    both_say(&world, 502, &["cannot be reached"]).await;
}

#[tokio::test]
async fn an_upstream_that_hangs_up_is_a_bad_gateway() {
    let mut upstream = Recorder::start().await;
    let world = Setup::new().ecgrid_at(upstream.address).textus_at(upstream.address).start().await;
    tokio::spawn(async move {
        for _ in 0..4 {
            drop(upstream.next().await);
        }
    });
    both_say(&world, 502, &["the connection to the upstream broke"]).await;
}

#[tokio::test]
async fn an_upstream_that_is_slow_is_a_gateway_timeout() {
    let upstream = Recorder::start().await;
    let world = Setup::new().ecgrid_at(upstream.address).textus_at(upstream.address).call_timeout("50ms").start().await;
    both_say(&world, 504, &["did not answer in time"]).await;
}

#[tokio::test]
async fn a_request_has_no_more_time_than_the_deadline() {
    let upstream = Recorder::start().await;
    let setup = Setup::new().ecgrid_at(upstream.address).textus_at(upstream.address);
    let world = setup.with("[limits]\ndeadline = \"50ms\"").start().await;
    both_say(&world, 504, &["in time"]).await;
}

#[tokio::test]
async fn a_rate_limit_of_the_upstream_is_passed_on_with_its_delay() {
    let world = World::start().await;
    for vendor in [&world.ecgrid, &world.textus] {
        vendor.fail(1, http::StatusCode::TOO_MANY_REQUESTS);
    }
    let answer = world.crossed_ecgrid().get("/v2/users/1042").await;
    refuses(Face::Ecgrid, &answer, 429, "RateLimitExceeded", &[]);
    assert_eq!(answer.header("retry-after"), "300");
    let answer = world.crossed_textus().get("/users/wqyODPA").await;
    refuses(Face::Textus, &answer, 429, "Too Many Requests", &[]);
    assert_eq!(answer.header("retry-after"), "1");
}

/// The gateway's own key being refused is no news for the client, whose key is fine.
#[tokio::test]
async fn a_credential_that_the_upstream_refuses_is_a_bad_gateway() {
    let setup = Setup::new().replace("sandbox-ecgrid-upstream-key", "revoked-key");
    let world = setup.replace("sandbox-textus-upstream-token", "revoked-token").start().await;
    for (face, path) in [(Face::Ecgrid, "/v2/users/1042"), (Face::Textus, "/users/wqyODPA")] {
        let answer = face.crossed(&world).get(path).await;
        let (status, _, message) = face.refusal(&answer);
        assert_eq!(status, 502, "{message}");
        assert!(!message.contains("revoked"), "{message}");
    }
}

// === Clients that leave, and the end ===

#[tokio::test]
async fn a_client_that_leaves_does_not_leave_half_a_write() {
    let mut upstream = Recorder::start().await;
    let world = Setup::new().ecgrid_at(upstream.address).start().await;
    let update = r#"{"name": "Jon Doe", "settings": {"notifications": {"email": true}}}"#;
    let head = "PUT /users/wqyODPA HTTP/1.1\r\nhost: x\r\nauthorization: Bearer sandbox-textus-token";
    let request = format!("{head}\r\ncontent-length: {}\r\n\r\n{update}", update.len());
    let mut client = TcpStream::connect(world.address(0)).await.unwrap();
    client.write_all(request.as_bytes()).await.unwrap();
    let first = upstream.next().await;
    client.shutdown().await.unwrap();
    assert_eq!(client.read(&mut [0]).await.unwrap(), 0, "the gateway has seen the client go");
    // The stop waits for the write that nobody else waits for any more.
    let stopping = tokio::spawn(world.stop());
    assert_eq!(first.answer(ok(JOHN)).line(), "PUT /v2/users");
    let second = upstream.next().await;
    assert!(!stopping.is_finished());
    assert_eq!(second.answer(ok(r#"{"success": true, "data": true}"#)).line(), "POST /v2/users/update-config");
    assert!(stopping.await.unwrap(), "everything ended by itself");
}

#[tokio::test]
async fn a_stop_lets_what_is_under_way_finish_and_takes_nothing_new() {
    let mut upstream = Recorder::start().await;
    let world = Setup::new().textus_at(upstream.address).start().await;
    let (client, admin, address) = (world.crossed_ecgrid(), world.admin(), world.address(0));
    let asking = tokio::spawn(async move { client.get("/v2/users/1042").await });
    let waiting = upstream.next().await;
    let stopping = tokio::spawn(world.stop());
    let refused = async {
        while TcpStream::connect(address).await.is_ok() {
            tokio::task::yield_now().await;
        }
    };
    timeout(LONG, refused).await.expect("connections are refused");
    assert_eq!(admin.get("/readyz").await.expect(503).json(), json!({"status": "stopping"}));
    admin.get("/livez").await.expect(200);
    waiting.answer(ok(CHUCK));
    assert_eq!(asking.await.unwrap().expect(200).at("/data/userId"), 1042);
    assert!(stopping.await.unwrap(), "everything ended by itself");
}

#[tokio::test]
async fn a_stop_does_not_wait_for_ever() {
    let mut upstream = Recorder::start().await;
    let world = Setup::new().textus_at(upstream.address).with("[limits]\ndrain = \"50ms\"").start().await;
    let client = world.crossed_ecgrid();
    let asking = tokio::spawn(async move { client.try_send("GET /v2/users/1042", "").await });
    let _waiting = upstream.next().await;
    assert!(!world.stop().await, "something was cut off");
    asking.abort();
}

#[tokio::test]
async fn connections_that_are_idle_do_not_hold_up_a_stop() {
    let world = World::start().await;
    let mut fresh = TcpStream::connect(world.address(0)).await.unwrap();
    let mut used = TcpStream::connect(world.address(0)).await.unwrap();
    used.write_all(b"GET /v2/users/1042 HTTP/1.1\r\nhost: x\r\nx-api-key: sandbox-ecgrid-key\r\n\r\n").await.unwrap();
    let mut start = [0; 15];
    used.read_exact(&mut start).await.unwrap();
    assert_eq!(&start, b"HTTP/1.1 200 OK");
    assert!(world.stop().await);
    assert_eq!(fresh.read(&mut start).await.unwrap(), 0, "closed");
    used.read_to_end(&mut Vec::new()).await.unwrap();
}

/// Clients in a hurry: nothing of one request is in the answer to another.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_at_once_get_each_their_own() {
    let world = World::start().await;
    let asks: Vec<_> = (0..100)
        .map(|number| {
            let client: Client = if number % 2 == 0 { world.crossed_ecgrid() } else { world.pass_ecgrid() };
            let user = 1042 + number % 3 % 2;
            tokio::spawn(async move { (user, client.get(&format!("/v2/users/{user}")).await) })
        })
        .collect();
    for ask in asks {
        let (user, answer) = ask.await.unwrap();
        assert_eq!(answer.expect(200).at("/data/userId"), user);
    }
}

/// Whoever reads JSON-LD has no key.
#[tokio::test]
async fn the_contexts_that_documents_name_are_given_to_everybody() {
    let world = World::start().await;
    let user = world.crossed_textus().get("/users/wqyODPA").await.expect(200);
    let stranger = Client::new(world.address(0));
    for pointer in ["/@context", "/memberships/@context", "/memberships/members/0/account/@context"] {
        let context = user.at(pointer);
        let given = stranger.get(context.as_str().unwrap()).await.expect(200);
        assert_eq!(given.header("content-type"), "application/ld+json");
        assert!(given.json()["@context"].is_object(), "{context}");
    }
    stranger.get("/contexts/Parcel.jsonld").await.expect(401);
    let vendor = Client::new(world.address(1)).get("/contexts/User.jsonld").await.expect(200);
    assert!(vendor.json()["@context"].is_object(), "nobody else has it where nothing falls back");
}

#[tokio::test]
async fn the_operator_sees_how_the_cache_does() {
    let folder = tempfile::tempdir().unwrap();
    let store = format!("store = \"sqlite:{}\"", folder.path().join("links.db").display());
    let world = Setup::new().replace("store = \"memory\"", &store).start().await;
    let count = async |name: &str| {
        let metrics = world.admin().get("/metrics").await.expect(200);
        assert_eq!(metrics.header("content-type"), "text/plain; version=0.0.4");
        let line = metrics.text().lines().find(|line| line.starts_with(name)).map(str::to_owned);
        line.and_then(|line| line.split(' ').nth(1)?.parse::<u64>().ok()).unwrap()
    };
    for _ in 0..3 {
        world.crossed_ecgrid().get("/v2/users/1042").await.expect(200);
    }
    let (hits, misses) =
        (count("interlingua_link_cache_hits_total").await, count("interlingua_link_cache_misses_total").await);
    assert!(misses > 0 && hits > misses, "{hits} hits, {misses} misses");
    assert!(count("interlingua_link_cache_entries").await > 0);
}
