//! An upstream in trouble: what is tried again, what is refused, and that nothing is written twice.

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, SystemTime},
};

use futures_util::future::join_all;
use http::StatusCode;
use interlingua_sandbox as sandbox;
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time::sleep,
};

use crate::{
    client::{Answer, Client},
    harness::{Setup, World, any_port, calls, writes},
    recorder::{Recorder, ok},
    refusals::{Face, refuses},
};

/// What the gateway shows of ECGrid's user, in ECGrid's own words.
const JOHN: &str = r#"{"success": true, "data": {"userId": 1042}}"#;
const RENAME: &str = r#"{"userId": 1042, "firstName": "Jon"}"#;

/// A gateway whose two vendors are one recorder, with a line of configuration for both.
async fn recorded(line: &str) -> (World, Recorder) {
    let upstream = Recorder::start().await;
    let setup = Setup::new().ecgrid_at(upstream.address).textus_at(upstream.address);
    (setup.upstreams(line).start().await, upstream)
}

/// A request that is under way.
fn asking(client: Client, line: &'static str, body: &'static str) -> tokio::task::JoinHandle<Answer> {
    tokio::spawn(async move { client.send(line, body).await })
}

fn answer(status: u16, headers: &str) -> Vec<u8> {
    format!("HTTP/1.1 {status} Whatever\r\ncontent-length: 2\r\n{headers}\r\n{{}}").into()
}

// === What an upstream says ===

#[tokio::test]
async fn what_is_wrong_with_the_connection_is_not_the_clients_fault() {
    for status in [407, 421] {
        let (world, upstream) = recorded("").await;
        upstream.always(answer(status, ""));
        let refused = world.crossed_ecgrid().get("/v2/users/1042").await;
        refuses(Face::Ecgrid, &refused, 502, "InternalError", &[&status.to_string()]);
        assert_eq!(refused.header("interlingua-fault"), "upstream textus");
        let refused = world.crossed_textus().get("/users/wqyODPA").await;
        refuses(Face::Textus, &refused, 502, "Bad Gateway", &[&status.to_string()]);
    }
}

#[tokio::test]
async fn an_upstreams_words_are_passed_on_as_far_as_anybody_reads() {
    let (world, upstream) = recorded("").await;
    let words = "no ".repeat(1 << 18);
    let document = json!({"success": false, "errorCode": &words, "message": &words, "description": &words}).to_string();
    upstream.always(format!("HTTP/1.1 400 Bad\r\ncontent-length: {}\r\n\r\n{document}", document.len()).into());
    for (face, path, status) in [(Face::Ecgrid, "/v2/users/1042", 400), (Face::Textus, "/users/wqyODPA", 422)] {
        let refused = face.crossed(&world).get(path).await.expect(status);
        let (_, _, words) = face.refusal(&refused);
        assert!(words.contains("no no no") && words.len() < 1200, "{}", words.len());
    }
}

// === Connections that close ===

/// A server that closes connections when nobody expects it, once it has answered a request and before it has read
/// another. As servers do, it says goodbye first.
#[derive(Default)]
struct Closing {
    /// How often it got each body.
    received: Mutex<HashMap<Vec<u8>, usize>>,
    answered: AtomicU64,
    connections: AtomicU64,
}

impl Closing {
    async fn start() -> (SocketAddr, Arc<Self>) {
        let listener = TcpListener::bind(any_port()).await.unwrap();
        let (address, server) = (listener.local_addr().unwrap(), Arc::<Self>::default());
        let shared = Arc::clone(&server);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                shared.connections.fetch_add(1, Ordering::Relaxed);
                let server = Arc::clone(&shared);
                tokio::spawn(async move { server.serve(stream).await });
            }
        });
        (address, server)
    }

    async fn serve(&self, mut stream: TcpStream) {
        let mut buffer = Vec::new();
        let mut moment = u64::MAX;
        loop {
            let body = tokio::select! {
                body = request(&mut stream, &mut buffer) => body,
                () = patience(moment) => None,
            };
            let Some(body) = body else { break };
            *self.received.lock().unwrap().entry(body).or_default() += 1;
            if stream.write_all(&ok(JOHN)).await.is_err() {
                break;
            }
            // Some connections go on. The others end at once, in a moment, or after a while, request or none.
            moment = self.answered.fetch_add(1, Ordering::Relaxed) % 7;
        }
        // Whoever is gone needs no goodbye.
        let _ = stream.shutdown().await;
    }
}

/// How long the server waits for a request.
async fn patience(moment: u64) {
    match moment {
        0 => {}
        1 | 2 => {
            for _ in 0..moment * 40 {
                tokio::task::yield_now().await;
            }
        }
        3 => sleep(Duration::from_millis(1)).await,
        _ => std::future::pending().await,
    }
}

/// The body of the next request, once all of it is there.
async fn request(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Option<Vec<u8>> {
    loop {
        let end = buffer.windows(4).position(|bytes| bytes == b"\r\n\r\n").map(|end| end + 4);
        if let Some(end) = end {
            let head = String::from_utf8(buffer[..end].to_vec()).unwrap();
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            let length: usize = length.map_or(0, |length| length.parse().unwrap());
            if buffer.len() >= end + length {
                return Some(buffer.drain(..end + length).skip(end).collect());
            }
        }
        if stream.read_buf(buffer).await.ok()? == 0 {
            return None;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_connection_that_was_just_closed_costs_no_client_an_error_and_writes_nothing_twice() {
    let (address, server) = Closing::start().await;
    let world = Setup::new().ecgrid_at(address).start().await;
    let (clients, each) = (8, 250);
    let working = (0..clients).map(|number| {
        let client = world.pass_ecgrid();
        tokio::spawn(async move {
            for step in 0..each {
                let id = 1 + number * each + step;
                let answer = client.send("PUT /v2/users", json!({"userId": id}).to_string()).await;
                assert_eq!(answer.status, 200, "{id}: {}", answer.text());
            }
        })
    });
    for done in join_all(working).await {
        done.unwrap();
    }
    let received = server.received.lock().unwrap();
    assert_eq!(received.len(), clients * each);
    let twice: Vec<_> = received.iter().filter(|(_, times)| **times != 1).collect();
    assert!(twice.is_empty(), "{twice:?}");
    assert!(server.connections.load(Ordering::Relaxed) > 100, "the server has closed connections");
}

// === Trying again ===

#[tokio::test]
async fn a_read_is_tried_again_after_trouble_that_passes() {
    let (world, mut upstream) = recorded("").await;
    for (face, line) in [(Face::Ecgrid, "GET /v2/users/1042"), (Face::Textus, "GET /users/wqyODPA")] {
        let asked = asking(face.pass(&world), line, "");
        drop(upstream.next().await);
        upstream.next().await.answer(answer(503, ""));
        upstream.next().await.answer(ok("{}"));
        asked.await.unwrap().expect(200);
    }
    let metrics = world.admin().get("/metrics").await.expect(200).text();
    for name in ["ecgrid", "textus"] {
        assert!(
            metrics.contains(&format!("interlingua_upstream_retries_total{{upstream=\"{name}\"}} 2\n")),
            "{metrics}"
        );
    }
}

#[tokio::test]
async fn a_read_that_hangs_is_tried_again() {
    let (world, mut upstream) = recorded("first_byte_timeout = \"100ms\"").await;
    let asked = asking(world.pass_ecgrid(), "GET /v2/users/1042", "");
    let hanging = upstream.next().await;
    upstream.next().await.answer(ok("{}"));
    asked.await.unwrap().expect(200);
    hanging.answer(ok("{}"));
}

#[tokio::test]
async fn a_read_is_not_tried_for_ever() {
    let (world, mut upstream) = recorded("retries = 1").await;
    let asked = asking(world.pass_ecgrid(), "GET /v2/users/1042", "");
    for _ in 0..2 {
        upstream.next().await.answer(answer(503, ""));
    }
    asked.await.unwrap().expect(503);
    assert!(upstream.is_idle());
}

#[tokio::test]
async fn a_write_that_may_have_arrived_is_not_sent_again() {
    let (world, mut upstream) = recorded("timeout = \"300ms\"\nfirst_byte_timeout = \"50ms\"").await;
    let refusal = |answer: &Answer, status| {
        refuses(Face::Ecgrid, answer, status, "InternalError", &["the outcome at the upstream is unknown"]);
    };
    // It hangs up.
    let asked = asking(world.pass_ecgrid(), "PUT /v2/users", RENAME);
    drop(upstream.next().await);
    refusal(&asked.await.unwrap(), 502);
    // It hangs.
    let asked = asking(world.pass_ecgrid(), "PUT /v2/users", RENAME);
    let hanging = upstream.next().await;
    refusal(&asked.await.unwrap(), 504);
    drop(hanging);
    // It says that it failed.
    let asked = asking(world.pass_ecgrid(), "PUT /v2/users", RENAME);
    upstream.next().await.answer(answer(503, ""));
    asked.await.unwrap().expect(503);
    assert!(upstream.is_idle());
}

#[tokio::test]
async fn a_write_of_a_plan_that_can_be_repeated_is() {
    let world = World::start().await;
    world.textus.fail_write(1, StatusCode::SERVICE_UNAVAILABLE);
    world.crossed_ecgrid().send("PUT /v2/users", RENAME).await.expect(200);
    assert_eq!(world.at_textus("wqyODPA").await["name"], "Jon Norris");
    assert_eq!(writes(&world.textus), ["PUT /users/wqyODPA", "PUT /users/wqyODPA"]);
}

// === Refusing before anything is sent ===

/// Reads the user at ECGrid, as a client of ECGrid or of TextUs.
async fn reads_ecgrid(world: &World, face: Face) -> Answer {
    match face {
        Face::Ecgrid => world.pass_ecgrid().get("/v2/users/1042").await,
        Face::Textus => world.crossed_textus().get("/users/wqyODPA").await,
    }
}

#[tokio::test]
async fn who_asks_to_be_left_alone_is() {
    for (status, code) in [(429, "RateLimitExceeded"), (503, "InternalError")] {
        let (world, mut upstream) = recorded("").await;
        let asked = asking(world.pass_ecgrid(), "PUT /v2/users", RENAME);
        upstream.next().await.answer(answer(status, "retry-after: 120\r\n"));
        assert_eq!(asked.await.unwrap().expect(status).header("retry-after"), "120");
        for client in [world.pass_ecgrid(), world.pass_ecgrid()] {
            let refused = client.get("/v2/users/1042").await;
            refuses(Face::Ecgrid, &refused, status, code, &["left alone"]);
            let delay: u64 = refused.header("retry-after").parse().unwrap();
            assert!((1..=120).contains(&delay), "{delay}");
        }
        assert!(upstream.is_idle(), "nothing is slept through, and nothing sent");
        // The other upstream has asked for nothing.
        let asked = asking(world.pass_textus(), "GET /users/wqyODPA", "");
        upstream.next().await.answer(ok("{}"));
        asked.await.unwrap().expect(200);
    }
}

#[tokio::test]
async fn who_fails_again_and_again_is_left_alone() {
    let (world, mut upstream) = recorded("retries = 0\nbreaker = { failures = 2, pause = \"1h\" }").await;
    for _ in 0..2 {
        let asked = asking(world.pass_ecgrid(), "GET /v2/users/1042", "");
        upstream.next().await.answer(answer(500, ""));
        asked.await.unwrap().expect(500);
    }
    for (face, code) in [(Face::Ecgrid, "InternalError"), (Face::Textus, "Service Unavailable")] {
        let refused = reads_ecgrid(&world, face).await;
        refuses(face, &refused, 503, code, &["left alone"]);
        let delay: u64 = refused.header("retry-after").parse().unwrap();
        assert!((1..=3600).contains(&delay), "{delay}");
    }
    assert!(upstream.is_idle());
    let metrics = world.admin().get("/metrics").await.expect(200).text();
    assert!(metrics.contains("interlingua_upstream_breaker{upstream=\"ecgrid\",access=\"read\"} 2\n"), "{metrics}");
    assert!(metrics.contains("interlingua_upstream_breaker{upstream=\"ecgrid\",access=\"write\"} 0\n"), "{metrics}");
    // Writes are another matter.
    let asked = asking(world.pass_ecgrid(), "PUT /v2/users", RENAME);
    upstream.next().await.answer(ok(JOHN));
    asked.await.unwrap().expect(200);
}

#[tokio::test]
async fn one_call_too_many_is_refused() {
    let (world, mut upstream) = recorded("concurrency = 1").await;
    let first = asking(world.pass_ecgrid(), "GET /v2/users/1042", "");
    let waiting = upstream.next().await;
    for (face, code) in [(Face::Ecgrid, "InternalError"), (Face::Textus, "Service Unavailable")] {
        let refused = reads_ecgrid(&world, face).await;
        refuses(face, &refused, 503, code, &["too many calls"]);
        assert_eq!(refused.header("retry-after"), "1");
    }
    waiting.answer(ok("{}"));
    first.await.unwrap().expect(200);
    assert!(upstream.is_idle());
}

/// An hour from now, in seconds since 1970.
fn in_an_hour() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs() + 3600
}

#[tokio::test]
async fn a_client_with_much_to_do_leaves_something_to_the_others() {
    // TextUs says itself what it allows.
    let textus = sandbox::Textus::new().rate_limit(40).rate_reset(in_an_hour());
    let world = Setup::new().textus(textus).start().await;
    let bulk = world.crossed_ecgrid();
    let mut answers = Vec::new();
    for _ in 0..40 {
        answers.push(bulk.get("/v2/users/1042").await);
    }
    let refused = answers.iter().find(|answer| answer.status != 200).expect("the bulk was refused");
    refuses(Face::Ecgrid, refused, 429, "RateLimitExceeded", &["its share"]);
    assert!(!refused.header("retry-after").is_empty());
    for _ in 0..10 {
        world.pass_textus().get("/users/wqyODPA").await.expect(200);
    }
    let metrics = world.admin().get("/metrics").await.expect(200).text();
    assert!(metrics.contains("interlingua_upstream_rate_left{upstream=\"textus\"}"), "{metrics}");
    assert!(!metrics.contains("interlingua_upstream_rate_left{upstream=\"ecgrid\"}"), "{metrics}");
}

#[tokio::test]
async fn half_a_write_is_not_stopped_by_what_is_left() {
    // What is configured counts where the vendor says nothing; a share of it is one call.
    let world = Setup::new().upstreams("rate = { calls = 2, per = \"1h\" }\nconcurrency = 1").start().await;
    let request = json!({"name": "Jon Doe", "settings": {"notifications": {"email": true}}});
    world.crossed_textus().ask("PUT /users/wqyODPA", &request).await.expect(200);
    assert_eq!(writes(&world.ecgrid).len(), 2);
    let sent = calls(&world.ecgrid).len();
    let refused = world.crossed_textus().ask("PUT /users/wqyODPA", &request).await;
    refuses(Face::Textus, &refused, 429, "Too Many Requests", &[]);
    assert_eq!(calls(&world.ecgrid).len(), sent, "before the first write it is refused whole");
}

// === Where a request goes ===

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let elsewhere = Recorder::start().await;
    let (world, mut upstream) = recorded("").await;
    for status in [301, 302, 303, 307, 308] {
        for location in [format!("http://{}/v2/users/1", elsewhere.address), "/v2/users/1".to_owned()] {
            let asked = asking(world.pass_ecgrid(), "GET /v2/users/1042", "");
            upstream.next().await.answer(answer(status, &format!("location: {location}\r\n")));
            assert_eq!(asked.await.unwrap().expect(status).header("location"), location);

            let asked = asking(world.crossed_textus(), "GET /users/wqyODPA", "");
            upstream.next().await.answer(answer(status, &format!("location: {location}\r\n")));
            let refused = asked.await.unwrap();
            assert_eq!(Face::Textus.refusal(&refused).0, 502);
            assert!(upstream.is_idle() && elsewhere.is_idle());
        }
    }
    assert_eq!(elsewhere.connections(), 0);
}
