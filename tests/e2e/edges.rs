//! What a client may send at most, over HTTP/1.1 and HTTP/2, and what it is told when it sends more.

use std::{io::Write as _, net::SocketAddr};

use bytes::Bytes;
use flate2::{Compression, write::GzEncoder};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use tokio::{net::TcpSocket, task::JoinSet, time::timeout};

use crate::{
    client::{Answer, Client},
    harness::{ECGRID_KEY, Setup, World, calls},
    recorder::{LONG, Recorder, ok},
    refusals::{Face, refuses},
    wire::Wire,
};

const PATHS: [(Face, &str); 2] = [(Face::Ecgrid, "/v2/users/1042"), (Face::Textus, "/users/wqyODPA")];

/// What both faces say to such a request, on a crossed and on a pass route, over both versions of HTTP.
async fn all_say(world: &World, change: impl Fn(Client, &str) -> (Client, String), status: u16, words: &[&str]) {
    for (face, path) in PATHS {
        for client in [face.crossed(world), face.pass(world)] {
            let (client, line) = change(client, path);
            let answers: [Answer; 2] = [client.send(&line, "").await, client.send_http2(&line, "").await];
            for answer in answers {
                let (found, _, message) = face.refusal(&answer);
                assert_eq!(found, status, "{message}");
                assert!(words.iter().all(|word| message.contains(word)), "{message}");
            }
        }
    }
    assert_eq!((calls(&world.ecgrid), calls(&world.textus)), (vec![], vec![]), "nothing is sent");
}

// === Heads ===

#[tokio::test]
async fn a_path_has_an_end() {
    let world = World::start().await;
    let long = "a".repeat(9000);
    all_say(&world, |client, path| (client, format!("GET {path}?x={long}")), 414, &["8192 bytes"]).await;
    all_say(&world, |client, path| (client, format!("GET {path}{long}")), 414, &["8192 bytes"]).await;
}

#[tokio::test]
async fn headers_have_an_end() {
    let world = World::start().await;
    let large = |client: Client, path: &str| (client.header("x-large", &"a".repeat(40_000)), format!("GET {path}"));
    all_say(&world, large, 431, &["larger than 32768 bytes"]).await;
}

#[tokio::test]
async fn what_is_far_too_large_ends_the_connection() {
    let world = World::start().await;
    let start = format!("GET /v2/users/1042 HTTP/1.1\r\nhost: x\r\nx-api-key: {ECGRID_KEY}\r\n");
    let many: String = (0..120).map(|number| format!("x-{number}: 1\r\n")).collect();
    for (head, status) in [
        (format!("{start}x: {}\r\n\r\n", "a".repeat(200_000)), "431"),
        (format!("{start}{many}\r\n"), "431"),
        (format!("GET /{} HTTP/1.1\r\n\r\n", "a".repeat(70_000)), "4"),
    ] {
        let mut wire = Wire::connect(world.address(0)).await;
        wire.send(head).await;
        let answer = wire.rest().await;
        assert!(answer.is_empty() || answer.starts_with(&format!("HTTP/1.1 {status}")), "{answer}");
    }
    assert_eq!(calls(&world.textus), [""; 0]);
    world.crossed_ecgrid().get("/v2/users/1042").await.expect(200);
}

#[tokio::test]
async fn http2_has_as_many_headers_as_http1() {
    let world = World::start().await;
    let client = (0..101).fold(world.crossed_ecgrid(), |client, number| client.header(&format!("x-{number}"), "1"));
    let answer = client.send_http2("GET /v2/users/1042", "").await;
    refuses(Face::Ecgrid, &answer, 431, "InvalidParameter", &["more than 100 header lines"]);
}

// === Bodies ===

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[tokio::test]
async fn a_document_is_only_so_deep() {
    let world = World::start().await;
    let nested = |depth: usize| format!(r#"{{"userId": 1042, "x": {}{}}}"#, "[".repeat(depth), "]".repeat(depth));
    for client in [world.crossed_ecgrid().header("prefer", "handling=lenient"), world.pass_ecgrid()] {
        client.send("PUT /v2/users", nested(120)).await.expect(200);
        for depth in [200, 500_000] {
            let answer = client.send("PUT /v2/users", nested(depth)).await;
            refuses(Face::Ecgrid, &answer, 400, "InvalidParameter", &["recursion limit"]);
            let packed = client.clone().header("content-encoding", "gzip");
            packed.send("PUT /v2/users", gzip(nested(depth.min(400_000)).as_bytes())).await.expect(400);
        }
    }
}

/// A body that is small on the way and huge when it is unpacked is not unpacked further than the limit.
#[tokio::test]
async fn a_bomb_ends_early() {
    let world = World::start().await;
    let bomb = gzip(&vec![b' '; 64 << 20]);
    assert!(bomb.len() < 100_000);
    for (face, line) in [(Face::Ecgrid, "PUT /v2/users"), (Face::Textus, "PUT /users/wqyODPA")] {
        for client in [face.crossed(&world), face.pass(&world)] {
            let answer = client.header("content-encoding", "gzip").send(line, bomb.clone()).await;
            assert_eq!(face.refusal(&answer).0, 413);
        }
    }
    assert_eq!((calls(&world.ecgrid), calls(&world.textus)), (vec![], vec![]));
}

/// Large bodies share what there is; small ones always find room.
#[tokio::test]
async fn bodies_together_take_up_only_so_much() {
    let world = Setup::new().with("[limits]\nbody = \"64KiB\"\nbodies = \"64KiB\"").start().await;
    let head = format!("PUT /v2/users HTTP/1.1\r\nhost: x\r\nx-api-key: {ECGRID_KEY}\r\ncontent-length: 65000\r\n\r\n");
    let mut slow = Wire::connect(world.address(1)).await;
    slow.send(format!("{head}{}", " ".repeat(60_000))).await;
    let client = world.pass_ecgrid();
    let large = format!(r#"{{"userId": 1042, "x": "{}"}}"#, "a".repeat(50_000));
    let refused = async {
        loop {
            // Until the slow one's bytes have arrived there is room for both.
            let answer = client.send("PUT /v2/users", large.clone()).await;
            if answer.status == 503 {
                return answer;
            }
        }
    };
    let answer = timeout(LONG, refused).await.unwrap();
    refuses(Face::Ecgrid, &answer, 503, "InternalError", &["too many large bodies"]);
    assert_eq!(answer.header("retry-after"), "1");
    client.send("PUT /v2/users", r#"{"userId": 1042}"#).await.expect(200);
    drop(slow);
    let fits = async { while client.send("PUT /v2/users", large.clone()).await.status != 200 {} };
    timeout(LONG, fits).await.unwrap();
}

// === Connections ===

/// A connection from an address of this machine's own choice.
async fn connect_from(address: [u8; 4], to: SocketAddr) -> Wire {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind((address, 0).into()).unwrap();
    Wire::of(socket.connect(to).await.unwrap())
}

const GET: &str = "GET /v2/users/1042 HTTP/1.1\r\nhost: x\r\nx-api-key: sandbox-ecgrid-key\r\n\r\n";

#[tokio::test]
async fn an_address_has_only_so_many_connections() {
    let world = Setup::new().with("[limits]\nconnections_per_address = 2").start().await;
    let mut open = Vec::new();
    for _ in 0..2 {
        let mut wire = connect_from([127, 0, 0, 2], world.address(0)).await;
        wire.send(GET).await;
        assert!(wire.head().await.starts_with("HTTP/1.1 200"));
        open.push(wire);
    }
    let mut third = connect_from([127, 0, 0, 2], world.address(0)).await;
    assert_eq!(third.rest().await, "", "closed without a word");
    world.crossed_ecgrid().get("/v2/users/1042").await.expect(200);
    drop(open);
    let admitted = async {
        loop {
            let mut wire = connect_from([127, 0, 0, 2], world.address(0)).await;
            wire.offer(GET.replace("host", "connection: close\r\nhost")).await;
            if wire.rest().await.starts_with("HTTP/1.1 200") {
                return;
            }
        }
    };
    timeout(LONG, admitted).await.expect("a place is free again");
}

/// The one that has kept us waiting longest gives up its place, and none that is worked on.
#[tokio::test]
async fn an_idle_connection_gives_way() {
    let mut upstream = Recorder::start().await;
    let world = Setup::new().textus_at(upstream.address).with("[limits]\nconnections = 2").start().await;
    let mut working = Wire::connect(world.address(0)).await;
    working.send(GET).await;
    let waiting = upstream.next().await;
    let mut idle = Wire::connect(world.address(0)).await;
    let mut next = Wire::connect(world.address(0)).await;
    assert_eq!(idle.rest().await, "", "closed");
    next.send(GET).await;
    let user = r#"{"@type": "User", "id": "/users/wqyODPA", "name": "Chuck", "memberships": {"members": []}}"#;
    upstream.next().await.answer(ok(user));
    assert!(next.head().await.starts_with("HTTP/1.1 200"));
    waiting.answer(ok(user));
    assert!(working.head().await.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn a_client_that_keeps_us_waiting_is_left() {
    let upstream = Recorder::start().await;
    let setup = Setup::falling_back().ecgrid_at(upstream.address).textus_at(upstream.address);
    let world = setup.with("[limits]\npatience = \"100ms\"").start().await;
    let half = format!("PUT /v2/users HTTP/1.1\r\nhost: x\r\nx-api-key: {ECGRID_KEY}\r\ncontent-length: 100\r\n\r\n{{");
    for (start, answer) in [
        ("", ""),
        // What could become HTTP/2, and what could become a head.
        ("P", ""),
        ("PRI * HTTP/2.0\r\n\r\nSM\r\n", ""),
        ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "?"),
        ("GET /v2/users/1042 HTTP/1.1\r\nhost: x\r\n", ""),
        (&half, "HTTP/1.1 408"),
        ("GET /v2/users/1042 HTTP/1.1\r\nhost: x\r\n\r\n", "HTTP/1.1 401"),
    ] {
        let mut wire = Wire::connect(world.address(0)).await;
        wire.send(start).await;
        let received = wire.bytes().await;
        let received = String::from_utf8_lossy(&received);
        assert!(
            answer == "?" || received.starts_with(answer) && received.is_empty() == answer.is_empty(),
            "{start}: {received}"
        );
    }
    assert!(upstream.is_idle());
}

// === HTTP/2 ===

/// A frame of HTTP/2: type, flags, stream, and what is in it.
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const CONTINUATION: u8 = 9;

/// `:method: GET`, `:scheme: http`, `:path: /` by their places in the static table, and nothing else.
const REQUEST: &[u8] = &[0x82, 0x86, 0x84];

/// What a connection ends with that began with these frames.
async fn http2(address: SocketAddr, frames: impl IntoIterator<Item = Vec<u8>>) -> Vec<u8> {
    let mut wire = Wire::connect(address).await;
    let all: Vec<u8> = [PREFACE.to_vec(), frame(SETTINGS, 0, 0, &[])].into_iter().chain(frames).flatten().collect();
    wire.offer(all).await;
    wire.bytes().await
}

/// The error codes of the GOAWAY frames in what was received.
fn errors(mut bytes: &[u8]) -> Vec<u8> {
    let mut codes = Vec::new();
    while let Some((head, rest)) = bytes.split_at_checked(9) {
        let length = usize::from(head[0]) << 16 | usize::from(head[1]) << 8 | usize::from(head[2]);
        let Some((payload, rest)) = rest.split_at_checked(length) else { break };
        if head[3] == GOAWAY {
            codes.push(payload[7]);
        }
        bytes = rest;
    }
    codes
}

/// CVE-2023-44487: requests that are taken back at once, so that they never count as open.
#[tokio::test]
async fn requests_that_are_taken_back_end_the_connection() {
    let world = World::start().await;
    let frames = (0..2000).map(|number| {
        let stream = 2 * number + 1;
        [frame(HEADERS, 0x5, stream, REQUEST), frame(RST_STREAM, 0, stream, &8_u32.to_be_bytes())].concat()
    });
    let received = http2(world.address(0), frames).await;
    assert!(received.is_empty() || errors(&received).contains(&11), "ENHANCE_YOUR_CALM");
    world.crossed_ecgrid().send_http2("GET /v2/users/1042", "").await.expect(200);
}

/// CVE-2024-27316: a head that never ends.
#[tokio::test]
async fn a_head_without_an_end_ends_the_connection() {
    let world = World::start().await;
    let piece = [&[0x00, 0x01, b'x', 0x7f, 0x81, 0x1f][..], &[b'a'; 256]].concat();
    let frames =
        std::iter::once(frame(HEADERS, 0, 1, REQUEST)).chain((0..4000).map(|_| frame(CONTINUATION, 0, 1, &piece)));
    let received = http2(world.address(0), frames).await;
    assert!(received.is_empty() || !errors(&received).is_empty(), "the connection ends");
    world.crossed_ecgrid().send_http2("GET /v2/users/1042", "").await.expect(200);
}

/// Pings have to be answered. A client that sends them and reads nothing is not read from any longer, and is left.
#[tokio::test]
async fn pings_alone_keep_no_connection() {
    let world = Setup::new().with("[limits]\npatience = \"200ms\"").start().await;
    let frames = (0..10_000).map(|_| frame(PING, 0, 0, &[0; 8]));
    let received = http2(world.address(0), frames).await;
    assert!(received.len() < 10_000 * 17 + 1000);
    world.crossed_ecgrid().send_http2("GET /v2/users/1042", "").await.expect(200);
}

#[tokio::test]
async fn many_requests_of_one_connection_are_all_answered() {
    let world = World::start().await;
    let stream = tokio::net::TcpStream::connect(world.address(0)).await.unwrap();
    let (sender, connection) = hyper::client::conn::http2::handshake(
        hyper_util::rt::TokioExecutor::new(),
        hyper_util::rt::TokioIo::new(stream),
    )
    .await
    .unwrap();
    tokio::spawn(connection);
    let mut asking = JoinSet::new();
    for _ in 0..500 {
        let mut sender = sender.clone();
        let mut request = http::Request::new(http_body_util::Full::<Bytes>::default());
        *request.method_mut() = Method::GET;
        *request.uri_mut() = format!("http://{}/v2/users/1042", world.address(0)).parse().unwrap();
        *request.headers_mut() =
            HeaderMap::from_iter([(HeaderName::from_static("x-api-key"), HeaderValue::from_static(ECGRID_KEY))]);
        asking.spawn(async move { sender.send_request(request).await.unwrap().status().as_u16() });
    }
    let answers = asking.join_all().await;
    assert!(answers.iter().all(|status| *status == 200), "{answers:?}");
}
