//! Requests that two readers might take for different ones: in what is sent on there is one reading only, or nothing is
//! sent at all.

use crate::{
    client::Client,
    harness::{ECGRID_KEY, Setup, World, calls},
    recorder::{LONG, Recorder, Seen, ok},
    refusals::Face,
    wire::Wire,
};

/// A gateway whose two vendors are one recorder.
async fn recorded() -> (World, Recorder) {
    let upstream = Recorder::start().await;
    let world = Setup::falling_back().ecgrid_at(upstream.address).textus_at(upstream.address).start().await;
    (world, upstream)
}

/// What comes back for these bytes until the gateway closes the connection.
async fn raw(world: &World, listener: usize, bytes: impl AsRef<[u8]>) -> String {
    let mut wire = Wire::connect(world.address(listener)).await;
    wire.send(bytes).await;
    wire.rest().await
}

/// What the upstream sees of a request.
async fn seen(upstream: &mut Recorder, client: Client, line: &'static str, body: &'static str) -> Seen {
    let asking = tokio::spawn(async move { client.send(line, body).await });
    let seen = upstream.next().await.answer(ok("{}"));
    asking.await.unwrap();
    seen
}

// === Where a request ends ===

/// Heads of a request, after its first line, that say twice or doubtfully where the body ends.
const DOUBTFUL: &[&str] = &[
    "content-length: 2\r\ncontent-length: 3\r\n",
    "content-length: 2, 3\r\n",
    "content-length: +2\r\n",
    "content-length: -2\r\n",
    "content-length: 0x2\r\n",
    "content-length: 2 2\r\n",
    "content-length: \r\n",
    "content-length: 99999999999999999999\r\n",
    "content-length : 2\r\n",
    "transfer-encoding : chunked\r\n",
    "transfer-encoding: chunked, identity\r\n",
    "transfer-encoding: identity\r\n",
    "transfer-encoding: gzip\r\n",
    "transfer-encoding: gzip, chunked\r\n",
    "transfer-encoding: chunked, chunked\r\n",
    "transfer-encoding: x\r\ntransfer-encoding: chunked\r\n",
    "transfer-encoding: xchunked\r\n",
    "transfer-encoding: chunked\r\ntransfer-encoding: identity\r\n",
    "x: 1\r\n folded\r\ncontent-length: 2\r\n",
    " content-length: 2\r\n",
    "content-length: 2\rx: 1\r\n",
    "x: a\0b\r\ncontent-length: 2\r\n",
    "x\r\ncontent-length: 2\r\n",
    ": 1\r\ncontent-length: 2\r\n",
];

/// What an attacker wants to be taken for a request of its own.
const HIDDEN: &str =
    "PUT /v2/users HTTP/1.1\r\nhost: x\r\nx-api-key: sandbox-ecgrid-key\r\ncontent-length: 2\r\n\r\n{}";

#[tokio::test]
async fn a_body_with_a_doubtful_end_is_refused() {
    let (world, upstream) = recorded().await;
    for listener in [0, 1] {
        for (doubtful, path) in DOUBTFUL.iter().flat_map(|head| ["/v2/users", "/v2/parcels"].map(|path| (head, path))) {
            let head = format!("PUT {path} HTTP/1.1\r\nhost: x\r\nx-api-key: {ECGRID_KEY}\r\n{doubtful}\r\n");
            let answer = raw(&world, listener, format!("{head}{{}}{HIDDEN}")).await;
            assert!(answer.starts_with("HTTP/1.1 400"), "{doubtful:?}: {answer}");
            assert_eq!(answer.matches("HTTP/1.1").count(), 1, "{doubtful:?}: the connection ends with the refusal");
        }
    }
    assert!(upstream.is_idle());
}

/// Each of the two headers alone says where the body ends. What is refused is told in the client's own words.
#[tokio::test]
async fn a_length_beside_chunks_is_refused() {
    let (world, upstream) = recorded().await;
    let (length, chunks) = ("content-length: 4\r\n", "transfer-encoding: chunked\r\n");
    for heads in [[length, chunks].concat(), [chunks, length].concat(), [length, "x: 1\r\n", chunks, length].concat()] {
        for (listener, path) in [(0, "/v2/users"), (1, "/v2/users"), (1, "/v2/parcels")] {
            let head = format!("PUT {path} HTTP/1.1\r\nhost: x\r\nx-api-key: {ECGRID_KEY}\r\n{heads}\r\n");
            let answer = raw(&world, listener, format!("{head}10\r\n{{\"userId\": 1042}}\r\n0\r\n\r\n{HIDDEN}")).await;
            assert!(answer.starts_with("HTTP/1.1 400"), "{heads:?}: {answer}");
            assert!(answer.contains("Content-Length beside a Transfer-Encoding"), "{answer}");
            assert_eq!(answer.matches("HTTP/1.1").count(), 1, "the connection ends with the refusal: {answer}");
        }
    }
    assert!(upstream.is_idle());
}

/// The second of two requests that come at once, after one with a body: it is that one alone that is refused.
#[tokio::test]
async fn a_length_beside_chunks_is_found_behind_another_request() {
    let (world, mut upstream) = recorded().await;
    let first = "PUT /v2/users HTTP/1.1\r\nhost: x\r\nx-api-key: sandbox-ecgrid-key\r\n";
    let chunks = "transfer-encoding: chunked\r\n\r\n10\r\n{\"userId\": 1042}\r\n0\r\n\r\n";
    let mut wire = Wire::connect(world.address(1)).await;
    wire.send(format!("{first}{chunks}{first}content-length: 4\r\n{chunks}{HIDDEN}")).await;
    assert_eq!(upstream.next().await.answer(ok("{}")).body, b"{\"userId\": 1042}");
    let answer = wire.rest().await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert_eq!(answer.matches("HTTP/1.1 400").count(), 1, "{answer}");
    assert_eq!(answer.matches("HTTP/1.1").count(), 2, "{answer}");
    assert!(upstream.is_idle());
}

/// Chunks that are not written as they should be.
const CHUNKS: &[&str] = &[
    "10;\n\r\n{\"userId\": 1042}\r\n0\r\n\r\n",
    "0x10\r\n{\"userId\": 1042}\r\n0\r\n\r\n",
    "+10\r\n{\"userId\": 1042}\r\n0\r\n\r\n",
    "10\r\n{\"userId\": 1042}0\r\n\r\n",
    "10\n{\"userId\": 1042}\n0\n\n",
    "fffffffffffffffff\r\n{\"userId\": 1042}\r\n0\r\n\r\n",
    "\r\n",
];

#[tokio::test]
async fn chunks_that_are_none_are_refused() {
    let (world, upstream) = recorded().await;
    for listener in [0, 1] {
        for chunks in CHUNKS {
            let head = format!("PUT /v2/users HTTP/1.1\r\nhost: x\r\nx-api-key: {ECGRID_KEY}\r\n");
            let answer =
                raw(&world, listener, format!("{head}transfer-encoding: chunked\r\n\r\n{chunks}{HIDDEN}")).await;
            assert!(answer.starts_with("HTTP/1.1 400"), "{chunks:?}: {answer}");
            assert_eq!(answer.matches("HTTP/1.1").count(), 1, "{chunks:?}");
        }
    }
    assert!(upstream.is_idle());
}

#[tokio::test]
async fn extensions_of_chunks_and_trailers_stay_behind() {
    let (world, mut upstream) = recorded().await;
    let request = "PUT /v2/users HTTP/1.1\r\nhost: x\r\nx-api-key: sandbox-ecgrid-key\r\nconnection: close\r\n\
                   trailer: x-api-key\r\ntransfer-encoding: chunked\r\n\r\n\
                   10;a=b;c=\"d\"\r\n{\"userId\": 1042}\r\n0\r\nx-api-key: forged\r\ncontent-length: 9\r\n\r\n";
    let mut wire = Wire::connect(world.address(1)).await;
    wire.send(request).await;
    let seen = upstream.next().await.answer(ok("{}"));
    assert!(wire.rest().await.starts_with("HTTP/1.1 200"));
    assert_eq!((seen.body.as_slice(), seen.header("content-length")), (&b"{\"userId\": 1042}"[..], vec!["16"]));
    assert_eq!((seen.header("trailer"), seen.header("transfer-encoding")), (vec![], vec![]));
    assert_eq!(seen.header("x-api-key"), ["sandbox-ecgrid-upstream-key"]);
}

// === Where a request goes ===

/// Chunks that hold something else are not taken for what they hold.
#[tokio::test]
async fn chunks_are_the_only_coding() {
    let (world, upstream) = recorded().await;
    for listener in [0, 1] {
        for coding in ["gzip, chunked", "x, chunked", "chunked, chunked", "x\r\ntransfer-encoding: chunked"] {
            for path in ["/v2/users", "/v2/parcels"] {
                let head =
                    format!("PUT {path} HTTP/1.1\r\nhost: x\r\nx-api-key: {ECGRID_KEY}\r\nconnection: close\r\n");
                let body = "f\r\n{\"userId\":1042}\r\n0\r\n\r\n";
                let answer = raw(&world, listener, format!("{head}transfer-encoding: {coding}\r\n\r\n{body}")).await;
                assert!(answer.starts_with("HTTP/1.1 400"), "{path} {coding:?}: {answer}");
                assert!(answer.contains("Transfer-Encoding"), "{path} {coding:?}: {answer}");
            }
        }
    }
    assert!(upstream.is_idle());
}

/// What stands before the gateway may go by the first, or by the last.
#[tokio::test]
async fn a_request_has_one_host() {
    let (world, upstream) = recorded().await;
    for listener in [0, 1] {
        for path in ["/v2/users/1042", "/v2/parcels"] {
            for hosts in ["", "host: x\r\nhost: y\r\n", "host: x\r\nhost: x\r\n"] {
                let head =
                    format!("GET {path} HTTP/1.1\r\n{hosts}x-api-key: {ECGRID_KEY}\r\nconnection: close\r\n\r\n");
                let answer = raw(&world, listener, head).await;
                assert!(answer.starts_with("HTTP/1.1 400") && answer.contains("Host"), "{path} {hosts:?}: {answer}");
            }
        }
    }
    assert!(upstream.is_idle());
}

#[tokio::test]
async fn no_client_chooses_the_host() {
    let (world, mut upstream) = recorded().await;
    let host = upstream.address.to_string();
    for (listener, target, expected) in [
        (1, "http://evil.example/v2/users/1042", "GET /v2/users/1042"),
        (1, "https://user:word@evil.example:81/v2/%75sers/%31042?x=1", "GET /v2/users/1042?x=1"),
        (0, "http://evil.example/v2/users/1042", "GET /users/wqyODPA"),
        (0, "http://evil.example/v2/parcels/1", "GET /v2/parcels/1"),
    ] {
        let request = format!("GET {target} HTTP/1.1\r\nhost: evil.example\r\nx-api-key: {ECGRID_KEY}\r\n\r\n");
        let mut wire = Wire::connect(world.address(listener)).await;
        wire.send(request).await;
        let seen = upstream.next().await.answer(ok("{}"));
        assert_eq!((seen.line(), seen.header("host")), (expected, vec![host.as_str()]));
        assert!(!seen.head.contains("evil"), "{}", seen.head);
    }
    for (request, status) in [
        ("CONNECT evil.example:443 HTTP/1.1", "404"),
        ("OPTIONS * HTTP/1.1", "404"),
        ("GET v2/users/1042 HTTP/1.1", "400"),
        ("GET //evil.example/v2/users/1042 HTTP/1.1", "404"),
    ] {
        let request = format!("{request}\r\nhost: x\r\nx-api-key: {ECGRID_KEY}\r\nconnection: close\r\n\r\n");
        let answer = raw(&world, 1, &request).await;
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status}")) || answer.starts_with("HTTP/1.1 401"),
            "{request}{answer}"
        );
    }
    assert!(upstream.is_idle());
}

/// Paths, and what a pass route makes of them: an operation's own spelling, or nothing.
const PATHS: &[(&str, Option<&str>)] = &[
    ("/v2/users/%31%30%34%32", Some("/v2/users/1042")),
    ("/v2/%55sers/1042", None),
    ("/v2/x/%2e%2E/users/./1042", Some("/v2/users/1042")),
    ("/../v2/users/1042", Some("/v2/users/1042")),
    ("/v2/users/../%70arcels/%2f", Some("/v2/parcels/%2F")),
    ("/v2/users/1042/..", None),
    ("/v2/users/1042%2f..", None),
    ("/v2/users/1042%2F..%2Fkey", None),
    ("/v2/users/..%5c1042", None),
    ("/v2/users/%2e%2e/%2e%2e/admin", None),
    ("/v2/users/%252e%252e/1042", None),
    ("/v2/users/..;/1042", None),
    ("/v2/users/1042;a=b", None),
    ("/v2/users/1042%00", None),
    ("/v2/users/1042%0d%0aX-Api-Key:%20x", None),
    ("/v2/users/1042%", None),
    ("/v2/users/1042%3fx=1", None),
    ("/v2/users/1042%23", None),
    ("/v2/users//1042", None),
    ("/v2/users/1042/", None),
    ("/v2/users/\u{ff11}042", None),
];

#[tokio::test]
async fn a_path_is_read_in_one_way_or_refused() {
    let (world, mut upstream) = recorded().await;
    for (path, expected) in PATHS {
        let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\nx-api-key: {ECGRID_KEY}\r\nconnection: close\r\n\r\n");
        let mut wire = Wire::connect(world.address(1)).await;
        wire.send(request).await;
        match expected {
            Some(expected) => {
                let seen = upstream.next().await.answer(ok("{}"));
                assert_eq!(seen.line(), format!("GET {expected}"), "{path}");
            }
            None => {
                let answer = wire.rest().await;
                assert!(answer.starts_with("HTTP/1.1 40"), "{path}: {answer}");
            }
        }
    }
    assert!(upstream.is_idle());
}

/// The path decides which face answers, so it is read before.
#[tokio::test]
async fn a_path_finds_its_face_by_what_it_means() {
    let world = World::start().await;
    let client = Client::ecgrid(world.address(0), ECGRID_KEY);
    client.get("/x/%2e./v2/users/1042").await.expect(200);
    let answer = client.get("/v2/../users/wqyODPA").await;
    assert_eq!(Face::Textus.refusal(&answer).0, 401, "no token of TextUs's");
    let answer = client.get("/v2/users/%zz").await;
    assert_eq!(Face::Ecgrid.refusal(&answer).0, 400);
    assert_eq!(calls(&world.ecgrid), [""; 0]);
}

// === What a request says ===

/// Headers by which somebody wants to be taken for another, or for somewhere else.
const FORGED: &[(&str, &str)] = &[
    ("forwarded", "for=192.0.2.1;host=evil.example"),
    ("x-forwarded-for", "192.0.2.1"),
    ("x-forwarded-host", "evil.example"),
    ("x-forwarded-proto", "https"),
    ("x-forwarded-prefix", "/admin"),
    ("x-real-ip", "192.0.2.1"),
    ("x-original-url", "/v2/users/terminate"),
    ("x-rewrite-url", "/v2/users/terminate"),
    ("x-http-method-override", "DELETE"),
    ("x_api_key", "forged"),
    ("x.api.key", "forged"),
    ("content_length", "0"),
    ("transfer_encoding", "chunked"),
    ("authorization", "Bearer forged"),
];

#[tokio::test]
async fn what_would_speak_for_the_gateway_stays_behind() {
    let (world, mut upstream) = recorded().await;
    for line in ["PUT /v2/users", "PUT /v2/parcels"] {
        let client = FORGED.iter().fold(world.pass_ecgrid(), |client, (name, value)| client.header(name, value));
        let client = client.header("x-mine", "1").header("accept-language", "de");
        let seen = seen(&mut upstream, client, line, r#"{"userId": 1042}"#).await;
        for (name, _) in FORGED {
            assert_eq!(seen.header(name), [""; 0], "{name}");
        }
        assert_eq!((seen.header("x-mine"), seen.header("accept-language")), (vec!["1"], vec!["de"]));
        assert_eq!(seen.header("x-api-key"), ["sandbox-ecgrid-upstream-key"]);
    }
}

#[tokio::test]
async fn a_header_of_ours_is_none_of_the_connections() {
    let (world, mut upstream) = recorded().await;
    let ours = "x-api-key, x-request-id, host, content-length, content-type, transfer-encoding, authorization, close";
    for line in ["PUT /v2/users", "PUT /v2/parcels"] {
        let client = world.pass_ecgrid().header("connection", ours).header("x-request-id", "mine-1");
        let seen = seen(&mut upstream, client, line, r#"{"userId": 1042}"#).await;
        assert_eq!(seen.header("x-api-key"), ["sandbox-ecgrid-upstream-key"]);
        assert_eq!(seen.header("x-request-id"), ["mine-1"]);
        assert_eq!(seen.header("host"), [upstream.address.to_string()]);
        assert_eq!(seen.body, br#"{"userId": 1042}"#);
        assert_eq!(seen.header("connection"), [""; 0]);
    }
}

#[tokio::test]
async fn headers_of_the_upstreams_connection_end_there() {
    let (world, mut upstream) = recorded().await;
    let client = world.pass_ecgrid();
    let asking = tokio::spawn(async move { client.get("/v2/users/1042").await });
    let answer = "HTTP/1.1 200 OK\r\nconnection: x-back\r\nx-back: 1\r\nkeep-alive: timeout=9\r\ntrailer: x-back\r\n\
                  upgrade: h2c\r\nproxy-authenticate: Basic\r\ncontent-length: 2\r\n\r\n{}";
    upstream.next().await.answer(answer);
    let answer = asking.await.unwrap().expect(200);
    for name in ["connection", "x-back", "keep-alive", "trailer", "upgrade", "proxy-authenticate"] {
        assert_eq!(answer.header(name), "", "{name}");
    }
    let client = world.pass_ecgrid();
    let asking = tokio::spawn(async move { client.get("/v2/users/1042").await });
    upstream.next().await.answer("HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n");
    assert_eq!(Face::Ecgrid.refusal(&asking.await.unwrap()).0, 502);
}

/// A connection ends with what it cannot be read further for, and its neighbours do not notice.
#[tokio::test]
async fn what_follows_a_refused_body_is_no_request() {
    let world = World::start().await;
    let head = "PUT /v2/users HTTP/1.1\r\nhost: x\r\nx-api-key: nobodys\r\n";
    let request = format!("{head}content-length: {}\r\n\r\n{HIDDEN}", HIDDEN.len());
    let mut wire = Wire::connect(world.address(1)).await;
    wire.send(&request).await;
    assert!(wire.head().await.starts_with("HTTP/1.1 401"));
    wire.stream.writable().await.unwrap();
    tokio::time::timeout(LONG, world.pass_ecgrid().get("/v2/users/1042")).await.unwrap().expect(200);
    assert_eq!(calls(&world.ecgrid), ["GET /v2/users/1042"], "the body of a refused request is no request");
}
