//! What is for none of a dialect's own operations: to a server of the same dialect, as it came.

use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use http::{HeaderMap, HeaderName, Request, Response};
use http_body_util::{BodyExt, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::Value;
use tokio::{
    io::AsyncWriteExt,
    net::{TcpListener, TcpStream},
    sync::mpsc,
    time::{sleep, timeout},
};

use crate::{
    cli::aside,
    client::{Answer, Client},
    harness::{ECGRID_KEY, Setup, TEXTUS_TOKEN, World, any_port, calls},
    recorder::{LONG, Recorder, Seen, ok},
    refusals::{Face, refuses},
    served::{Served, file, on_free_ports},
    wire::{Socket, Wire},
};

/// What a client of ECGrid begins with, on a path that is none of the users'.
const POST: &str = "POST /v2/parcels HTTP/1.1\r\nhost: x\r\nx-api-key: sandbox-ecgrid-key\r\n";
const GET: &str = "GET /v2/parcels HTTP/1.1\r\nhost: x\r\nx-api-key: sandbox-ecgrid-key\r\n";

const CHUNKED: &str = "transfer-encoding: chunked\r\n\r\n";
const OK: &str = "HTTP/1.1 200 OK\r\n";

/// A gateway whose two vendors are at one address.
fn at(address: std::net::SocketAddr) -> Setup {
    Setup::falling_back().ecgrid_at(address).textus_at(address)
}

/// A gateway whose two vendors are one recorder.
async fn recorded() -> (World, Recorder) {
    let upstream = Recorder::start().await;
    (at(upstream.address).start().await, upstream)
}

/// A gateway whose two vendors are one socket, and a connection to its first listener.
async fn wired(setup: impl FnOnce(Setup) -> Setup) -> (World, Wire, Socket) {
    let upstream = Socket::open().await;
    let world = setup(at(upstream.address)).start().await;
    let client = Wire::connect(world.address(0)).await;
    (world, client, upstream)
}

/// Sends a request and answers it with these bytes; what the upstream and the client got.
async fn exchange(
    upstream: &mut Recorder,
    client: Client,
    line: &str,
    body: impl Into<Bytes>,
    answer: impl Into<Vec<u8>>,
) -> (Seen, Answer) {
    let (line, body) = (line.to_owned(), body.into());
    let asking = tokio::spawn(async move { client.send(&line, body).await });
    let seen = upstream.next().await.answer(answer);
    (seen, asking.await.unwrap())
}

fn piece(text: &str) -> String {
    format!("{:x}\r\n{text}\r\n", text.len())
}

// === What passes ===

#[tokio::test]
async fn a_client_keeps_one_base_url() {
    let world = Setup::falling_back().start().await;
    for client in [world.crossed_ecgrid(), world.pass_ecgrid()] {
        assert_eq!(client.get("/v2/auth/version").await.expect(200).at("/success"), true);
        client.get("/v2/users/1042").await.expect(200);
    }
    assert_eq!(calls(&world.ecgrid), ["GET /v2/auth/version", "GET /v2/auth/version", "GET /v2/users/1042"]);
    assert_eq!(calls(&world.textus), ["GET /users/wqyODPA"]);
}

const LINES: &[(Face, &str)] = &[
    (Face::Ecgrid, "POST /v2/parcels/x%20y/%2B1?b=%2F&a=1&&c=%zz"),
    (Face::Ecgrid, "PUT /v2/parcels/"),
    (Face::Ecgrid, "OPTIONS /v2/parcels//1"),
    (Face::Ecgrid, "PROPFIND /v2/usersets"),
    (Face::Textus, "PATCH /my_account/messages?"),
    (Face::Textus, "DELETE /my_account/contacts/1"),
];

#[tokio::test]
async fn a_request_passes_as_it_came() {
    let (world, mut upstream) = recorded().await;
    // More than is read of a request that is worked on, and not what it says it is.
    let body = Bytes::from([&b"{\0\xff not JSON"[..], &[b'x'; 2 << 20]].concat());
    for (face, line) in LINES {
        for client in [face.crossed(&world), face.pass(&world)] {
            let client = client
                .header("content-type", "application/x-odd; a=b")
                .header("content-encoding", "br")
                .header("user-agent", "odd/1")
                .header("prefer", "handling=lenient")
                .header("cookie", "a=1; b=2");
            let (seen, _) = exchange(&mut upstream, client, line, body.clone(), ok("{}")).await;
            assert_eq!(seen.line(), *line);
            assert_eq!(seen.body, body);
            for (name, value) in [
                ("content-type", "application/x-odd; a=b"),
                ("content-encoding", "br"),
                ("user-agent", "odd/1"),
                ("prefer", "handling=lenient"),
                ("cookie", "a=1; b=2"),
                ("content-length", &body.len().to_string()),
                ("host", &upstream.address.to_string()),
            ] {
                assert_eq!(seen.header(name), [value], "{name}");
            }
        }
    }
    assert_eq!(upstream.connections(), 2, "each of the two upstreams keeps one");
}

#[tokio::test]
async fn an_answer_passes_as_it_comes() {
    let (world, mut upstream) = recorded().await;
    for (status, body) in [(200, "\0not JSON"), (201, ""), (302, "x"), (404, "{}"), (429, "{}"), (503, "<html>")] {
        for chunked in [false, true] {
            let framed = match chunked {
                false => format!("content-length: {}\r\n\r\n{body}", body.len()),
                true if body.is_empty() => format!("{CHUNKED}0\r\n\r\n"),
                true => format!("{CHUNKED}{}0\r\n\r\n", piece(body)),
            };
            let answer = format!(
                "HTTP/1.1 {status} Whatever\r\ncontent-type: text/x-odd\r\ncontent-encoding: br\r\nretry-after: 0\r\n\
                 set-cookie: a=1\r\nset-cookie: b=2\r\nlocation: /v2/x\r\n{framed}"
            );
            let (_, answer) = exchange(&mut upstream, world.crossed_ecgrid(), "GET /v2/parcels", "", answer).await;
            assert_eq!((answer.status, answer.text().as_str()), (status, body));
            for (name, value) in [
                ("content-type", "text/x-odd"),
                ("content-encoding", "br"),
                ("retry-after", "0"),
                ("location", "/v2/x"),
            ] {
                assert_eq!(answer.header(name), value);
            }
            assert_eq!(answer.headers.get_all("set-cookie").iter().count(), 2);
            assert_eq!(answer.header("interlingua-fidelity"), "", "nothing was translated");
        }
    }
    assert_eq!(upstream.connections(), 1, "connections are kept");
}

#[tokio::test]
async fn answers_without_a_body_have_none() {
    let (world, mut upstream) = recorded().await;
    for (line, answer, length) in [
        ("HEAD /v2/parcels", "HTTP/1.1 200 OK\r\ncontent-length: 5\r\netag: \"a\"\r\n\r\n", "5"),
        ("HEAD /v2/parcels", "HTTP/1.1 404 No\r\ntransfer-encoding: chunked\r\netag: \"a\"\r\n\r\n", ""),
        ("GET /v2/parcels", "HTTP/1.1 304 Not Modified\r\netag: \"a\"\r\n\r\n", ""),
        ("DELETE /v2/parcels/1", "HTTP/1.1 204 No Content\r\netag: \"a\"\r\n\r\n", ""),
        ("GET /v2/parcels", "HTTP/1.1 200 OK\r\ncontent-length: 0\r\netag: \"a\"\r\n\r\n", "0"),
    ] {
        let (seen, answered) = exchange(&mut upstream, world.crossed_ecgrid(), line, "", answer).await;
        assert_eq!(seen.line(), line);
        assert!(answer.starts_with(&format!("HTTP/1.1 {}", answered.status)));
        assert_eq!((answered.header("etag"), answered.header("content-length")), ("\"a\"", length), "{answer}");
        assert!(answered.body.is_empty());
    }
    assert_eq!(upstream.connections(), 1);
}

#[tokio::test]
async fn headers_of_a_connection_end_with_it() {
    let (world, mut upstream) = recorded().await;
    let client = world
        .crossed_ecgrid()
        .header("connection", "keep-alive, upgrade, x-hop")
        .header("x-hop", "1")
        .header("keep-alive", "timeout=5")
        .header("upgrade", "websocket")
        .header("proxy-authorization", "Basic x")
        .header("te", "gzip;q=0.5");
    let answer = "HTTP/1.1 200 OK\r\nconnection: x-back\r\nx-back: 1\r\nkeep-alive: timeout=9\r\nupgrade: h2c\r\n\
                  proxy-authenticate: Basic\r\ncontent-length: 2\r\n\r\n{}";
    let (seen, answer) = exchange(&mut upstream, client, "GET /v2/parcels", "", answer).await;
    for name in ["connection", "x-hop", "keep-alive", "upgrade", "proxy-authorization", "te"] {
        assert_eq!(seen.header(name), [""; 0], "{name}");
    }
    for name in ["connection", "x-back", "keep-alive", "upgrade", "proxy-authenticate"] {
        assert_eq!(answer.header(name), "", "{name}");
    }
}

#[tokio::test]
async fn each_side_has_a_credential_of_its_own() {
    let (world, mut upstream) = recorded().await;
    for listener in [0, 1] {
        let address = world.address(listener);
        let ecgrid = Client::ecgrid(address, ECGRID_KEY).header("authorization", "Bearer sandbox-textus-token");
        let textus = Client::textus(address, TEXTUS_TOKEN).header("x-api-key", ECGRID_KEY);
        for (client, line, header, credential) in [
            (ecgrid, "GET /v2/parcels", "x-api-key", "sandbox-ecgrid-upstream-key"),
            (textus, "GET /my_account/messages", "authorization", "Bearer sandbox-textus-upstream-token"),
        ] {
            let client = client.header("x-request-id", "order-66").header("tracestate", "without=a-parent");
            let (seen, answer) = exchange(&mut upstream, client, line, "", ok("{}")).await;
            assert_eq!(seen.header(header), [credential]);
            assert_eq!((seen.header("x-request-id"), answer.header("x-request-id")), (vec!["order-66"], "order-66"));
            assert_eq!(seen.header("tracestate"), [""; 0]);
            for key in [ECGRID_KEY, TEXTUS_TOKEN] {
                assert!(!seen.head.contains(key), "{}", seen.head);
            }
        }
    }
}

// === What does not fall back ===

/// Paths that a server might take for one of the users', or take who knows where.
const OF_ECGRIDS_USERS: &[&str] = &[
    "/v2/users",
    "/v2/users/",
    "/v2/users/me",
    "/v2/users/key/1042",
    "/v2/users/1042/parcels",
    "/v2/parcels/../users/1042",
    "/v2/parcels/%2e%2e/users/1042",
    "/v2/parcels/..%2fusers/1042",
    "/v2/parcels/..;/users/1042",
    "/v2/./users/1042",
    "/v2//users/1042",
    "/v2/Users/1042",
    "/v2/USERS",
    "/v2/%75sers/1042",
    "/v2/%2575sers/1042",
    "/v2/users;a=b/1042",
    "/v2/users.json",
    "/v2/users%2F1042",
    "/v2/users%5C1042",
    "/v2/users\\1042",
];

const OF_TEXTUSS_USERS: &[&str] = &[
    "/users",
    "/users/",
    "/users/wqyODPA/memberships",
    "/my_account/users",
    "/my_account/../users/wqyODPA",
    "/my_account/%2E%2E/users/wqyODPA",
    "//users/wqyODPA",
    "/./users/wqyODPA",
    "/Users/wqyODPA",
    "/%55SERS/wqyODPA",
    "/users.jsonld",
    "/users;x/wqyODPA",
];

#[tokio::test]
async fn the_users_never_fall_back() {
    let (world, upstream) = recorded().await;
    for (face, paths) in [(Face::Ecgrid, OF_ECGRIDS_USERS), (Face::Textus, OF_TEXTUSS_USERS)] {
        for client in [face.crossed(&world), face.pass(&world)] {
            for (path, method) in
                paths.iter().flat_map(|path| ["PURGE", "OPTIONS", "HEAD"].map(|method| (path, method)))
            {
                let answer = client.send(&format!("{method} {path}"), "").await;
                assert!(matches!(answer.status, 404 | 405), "{method} {path}: {}", answer.status);
                if method != "HEAD" {
                    face.refusal(&answer);
                }
            }
        }
    }
    assert!(upstream.is_idle());
}

#[tokio::test]
async fn without_a_fallback_there_is_nothing_else() {
    let upstream = Recorder::start().await;
    let world = Setup::new().ecgrid_at(upstream.address).textus_at(upstream.address).start().await;
    for (face, line) in LINES {
        for client in [face.crossed(&world), face.pass(&world)] {
            assert_eq!(face.refusal(&client.send(line, "{}").await).0, 404);
        }
    }
    assert!(upstream.is_idle());
}

/// `TRACE` would be answered with the credential that the upstream was sent, and `CONNECT` with a tunnel.
#[tokio::test]
async fn what_would_show_too_much_does_not_fall_back() {
    let (world, upstream) = recorded().await;
    for method in ["TRACE", "CONNECT"] {
        let mut client = Wire::connect(world.address(0)).await;
        client.send(GET.replace("GET", method) + "connection: close\r\n\r\n").await;
        assert!(client.rest().await.starts_with("HTTP/1.1 404 "), "{method}");
    }
    assert!(upstream.is_idle());
}

// === As it arrives ===

#[tokio::test]
async fn each_piece_passes_before_the_next_is_there() {
    let (_world, mut client, upstream) = wired(|setup| setup).await;
    client.send(format!("{POST}{CHUNKED}")).await;
    let mut upstream = upstream.accept().await;
    assert!(upstream.head().await.contains("\r\ntransfer-encoding: chunked\r\n"));
    for text in ["first", "second"] {
        client.send(piece(text)).await;
        upstream.until(&piece(text)).await;
    }
    // The answer may begin before the request has ended.
    upstream.send(format!("{OK}{CHUNKED}")).await;
    assert!(client.head().await.contains("\r\ntransfer-encoding: chunked\r\n"));
    for text in ["third", "fourth"] {
        upstream.send(piece(text)).await;
        client.until(&piece(text)).await;
        client.send(piece(text)).await;
        upstream.until(&piece(text)).await;
    }
    client.send("0\r\n\r\n").await;
    upstream.until("0\r\n\r\n").await;
    upstream.send("0\r\n\r\n").await;
    client.until("0\r\n\r\n").await;
    // The connection is as good as new.
    client.send(format!("{GET}\r\n")).await;
    assert!(upstream.head().await.starts_with("GET /v2/parcels "));
    upstream.send(ok("{}")).await;
    client.until("{}").await;
}

/// More than any buffer between the two holds.
const MUCH: usize = 64 << 20;

/// Sends that much until nobody takes any more of it; how much was taken.
async fn send_to_nobody(wire: &mut Wire) -> usize {
    let mebibyte = vec![b'x'; 1 << 20];
    let mut sent = 0;
    while sent < MUCH {
        match timeout(Duration::from_millis(200), wire.stream.write(&mebibyte)).await {
            Ok(length) => sent += length.unwrap().min(MUCH - sent),
            Err(_) => break,
        }
    }
    assert!(sent < MUCH, "somebody takes it all and passes on nothing");
    sent
}

async fn send_the_rest(wire: &mut Wire, mut sent: usize) {
    let mebibyte = vec![b'x'; 1 << 20];
    while sent < MUCH {
        let length = mebibyte.len().min(MUCH - sent);
        wire.send(&mebibyte[..length]).await;
        sent += length;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_more_is_taken_than_can_be_passed_on() {
    let (_world, mut client, upstream) = wired(|setup| setup.call_timeout("1m")).await;
    client.send(format!("{POST}content-length: {MUCH}\r\n\r\n")).await;
    let mut upstream = upstream.accept().await;
    assert!(upstream.head().await.contains(&format!("\r\ncontent-length: {MUCH}\r\n")));
    let sent = send_to_nobody(&mut client).await;
    tokio::join!(send_the_rest(&mut client, sent), upstream.skip(MUCH));

    upstream.send(format!("{OK}content-length: {MUCH}\r\n\r\n")).await;
    assert!(client.head().await.contains(&format!("\r\ncontent-length: {MUCH}\r\n")));
    let sent = send_to_nobody(&mut upstream).await;
    tokio::join!(send_the_rest(&mut upstream, sent), client.skip(MUCH));
}

#[tokio::test]
async fn an_upstream_may_answer_before_it_has_read() {
    let (_world, mut client, upstream) = wired(|setup| setup).await;
    client.send(format!("{POST}content-length: 10\r\n\r\nfirst")).await;
    let mut upstream = upstream.accept().await;
    upstream.until("first").await;
    upstream.send(format!("{OK}content-length: 0\r\n\r\n")).await;
    assert!(client.head().await.starts_with("HTTP/1.1 200 "));
    client.send("later").await;
    upstream.until("later").await;
}

/// hyper takes a body without a length for none where the method usually has none.
#[tokio::test]
async fn a_body_is_a_body_with_any_method() {
    let (_world, mut client, upstream) = wired(|setup| setup).await;
    client.send(format!("{GET}{CHUNKED}{}0\r\n\r\n", piece("query"))).await;
    let mut upstream = upstream.accept().await;
    upstream.until(&format!("{}0\r\n\r\n", piece("query"))).await;
    upstream.send(ok("{}")).await;
    client.until("{}").await;
    client.send(format!("{POST}content-length: 0\r\n\r\n")).await;
    assert!(upstream.head().await.contains("\r\ncontent-length: 0\r\n"));
}

// === Trailers ===

#[tokio::test]
async fn trailers_pass_both_ways() {
    let (_world, mut client, upstream) = wired(|setup| setup).await;
    client.send(format!("{POST}te: trailers\r\ntrailer: x-sum, x-sign\r\n{CHUNKED}")).await;
    client.send(format!("{}0\r\nx-sum: 1\r\nx-sign: 2\r\n\r\n", piece("body"))).await;
    let mut upstream = upstream.accept().await;
    let head = upstream.head().await;
    for line in ["te: trailers", "connection: te", "trailer: x-sum, x-sign"] {
        assert!(head.contains(&format!("\r\n{line}\r\n")), "{head}");
    }
    upstream.until("0\r\nx-sum: 1\r\nx-sign: 2\r\n\r\n").await;
    upstream.send(format!("{OK}trailer: x-back\r\n{CHUNKED}{}0\r\nx-back: 3\r\n\r\n", piece("body"))).await;
    assert!(client.head().await.contains("\r\ntrailer: x-back\r\n"));
    client.until("0\r\nx-back: 3\r\n\r\n").await;
}

#[tokio::test]
async fn whoever_takes_no_trailers_gets_none() {
    let (_world, mut client, upstream) = wired(|setup| setup).await;
    client.send(format!("{GET}\r\n")).await;
    let mut upstream = upstream.accept().await;
    assert!(!upstream.head().await.contains("\r\nte: "));
    upstream.send(format!("{OK}trailer: x-back\r\n{CHUNKED}{}0\r\nx-back: 3\r\n\r\n", piece("body"))).await;
    client.until(&format!("{}0\r\n\r\n", piece("body"))).await;
}

#[tokio::test]
async fn a_key_in_the_trailers_stays_here() {
    let (_world, mut client, upstream) = wired(|setup| setup).await;
    client.send(format!("{POST}trailer: x-sum, X-API-Key\r\n{CHUNKED}")).await;
    client.send(format!("{}0\r\nx-sum: 1\r\nx-api-key: {ECGRID_KEY}\r\n\r\n", piece("body"))).await;
    let mut upstream = upstream.accept().await;
    upstream.until(&format!("{}0\r\n\r\n", piece("body"))).await;
}

type Pieces = mpsc::UnboundedSender<Result<Frame<Bytes>, std::io::Error>>;

/// Asks over HTTP/2, with a body that is sent piece by piece.
async fn ask_http2(
    world: &World,
    headers: &[(&'static str, &str)],
) -> (Pieces, impl Future<Output = Response<Incoming>>) {
    let (pieces, mut body) = mpsc::unbounded_channel();
    let body = StreamBody::new(stream::poll_fn(move |cx| body.poll_recv(cx)));
    let stream = TcpStream::connect(world.address(0)).await.unwrap();
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let mut request = Request::new(body);
    *request.method_mut() = http::Method::POST;
    *request.uri_mut() = format!("http://{}/v2/parcels", world.address(0)).parse().unwrap();
    for (name, value) in [("x-api-key", ECGRID_KEY)].iter().chain(headers) {
        request.headers_mut().insert(*name, value.parse().unwrap());
    }
    let asking = tokio::spawn(async move { sender.send_request(request).await.unwrap() });
    (pieces, async { timeout(LONG, asking).await.expect("no answer came").unwrap() })
}

fn trailers(name: &'static str, value: &str) -> Frame<Bytes> {
    Frame::trailers(HeaderMap::from_iter([(HeaderName::from_static(name), value.parse().unwrap())]))
}

#[tokio::test]
async fn http2_passes_piece_by_piece_with_its_trailers() {
    let (world, _, upstream) = wired(|setup| setup).await;
    // A length and trailers at once is something that HTTP/1.1 has no words for.
    for headers in [&[("trailer", "x-sum"), ("te", "trailers")][..], &[("trailer", "x-sum"), ("content-length", "11")]]
    {
        let (pieces, asking) = ask_http2(&world, headers).await;
        let mut upstream = upstream.accept().await;
        assert!(upstream.head().await.contains("\r\ntrailer: x-sum\r\n"));
        for text in ["first", "second"] {
            pieces.send(Ok(Frame::data(text.into()))).unwrap();
            upstream.until(&piece(text)).await;
        }
        pieces.send(Ok(trailers("x-sum", "1"))).unwrap();
        drop(pieces);
        upstream.until("0\r\nx-sum: 1\r\n\r\n").await;
        // What no header announces HTTP/2 takes, too.
        upstream.send(format!("{OK}connection: close\r\n{CHUNKED}")).await;
        let mut body = asking.await.into_body();
        for text in ["third", "fourth"] {
            upstream.send(piece(text)).await;
            assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), text);
        }
        upstream.send("0\r\nx-back: 3\r\n\r\n").await;
        assert_eq!(body.frame().await.unwrap().unwrap().into_trailers().unwrap()["x-back"], "3");
        assert!(body.frame().await.is_none());
    }
}

// === Before a byte of the body ===

#[tokio::test]
async fn a_client_that_waits_to_be_asked_is_asked() {
    let (_world, mut client, upstream) = wired(|setup| setup).await;
    client.send(format!("{POST}expect: 100-continue\r\ncontent-length: 4\r\n\r\n")).await;
    assert!(client.head().await.starts_with("HTTP/1.1 100 "));
    let mut upstream = upstream.accept().await;
    assert!(!upstream.head().await.contains("expect"), "we have asked already");
    client.send("body").await;
    upstream.until("body").await;
    upstream.send(ok("{}")).await;
    assert!(client.head().await.starts_with("HTTP/1.1 200 "));
}

#[tokio::test]
async fn a_client_whose_body_nobody_wants_is_not_asked() {
    let gone = TcpListener::bind(any_port()).await.unwrap().local_addr().unwrap();
    let world = at(gone).start().await;
    for (head, status) in [(POST.replace(ECGRID_KEY, "no-key"), 401), (POST.to_owned(), 502)] {
        let mut client = Wire::connect(world.address(0)).await;
        client.send(format!("{head}expect: 100-continue\r\ncontent-length: 4\r\n\r\n")).await;
        let answer = client.rest().await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
    }
}

#[tokio::test]
async fn a_stranger_does_not_get_through() {
    let (world, upstream) = recorded().await;
    for client in [world.crossed_ecgrid(), world.pass_ecgrid()] {
        let answer = client.header("x-api-key", "no-key").send("POST /v2/parcels", "{}").await;
        refuses(Face::Ecgrid, &answer, 401, "InvalidAPIKey", &[]);
    }
    assert!(upstream.is_idle());
}

// === What fails ===

/// What both faces say, on a crossed and on a pass route.
async fn both_say(world: &World, status: u16, words: &str) {
    for (face, path) in [(Face::Ecgrid, "/v2/parcels"), (Face::Textus, "/my_account/messages")] {
        for client in [face.crossed(world), face.pass(world)] {
            let (found, _, message) = face.refusal(&client.get(path).await);
            assert_eq!(found, status, "{message}");
            assert!(message.contains(words), "{message}");
        }
    }
}

#[tokio::test]
async fn an_upstream_that_is_down_is_a_bad_gateway() {
    let gone = TcpListener::bind(any_port()).await.unwrap().local_addr().unwrap();
    both_say(&at(gone).start().await, 502, "cannot be reached").await;
}

#[tokio::test]
async fn an_upstream_that_hangs_up_is_a_bad_gateway() {
    let (world, mut upstream) = recorded().await;
    tokio::spawn(async move {
        for _ in 0..4 {
            drop(upstream.next().await);
        }
    });
    both_say(&world, 502, "the connection to the upstream broke").await;
}

#[tokio::test]
async fn an_upstream_that_changes_the_protocol_is_a_bad_gateway() {
    let (world, upstream) = recorded().await;
    upstream.always(b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: h2c\r\n\r\n".to_vec());
    both_say(&world, 502, "a protocol that nobody asked for").await;
}

/// Interim answers without end would keep the gateway busy for as long as they come.
#[tokio::test]
async fn an_upstream_that_never_comes_to_its_answer_is_a_bad_gateway() {
    let (world, upstream) = recorded().await;
    upstream.always(b"HTTP/1.1 103 Early Hints\r\nlink: </style>\r\n\r\n".repeat(1 << 16));
    both_say(&world, 502, "says too much before it answers").await;
    let (_, _, message) = Face::Ecgrid.refusal(&world.crossed_ecgrid().get("/v2/users/1042").await);
    assert!(message.contains("says too much before it answers"), "{message}");
}

#[tokio::test]
async fn an_upstream_that_is_silent_is_a_gateway_timeout() {
    let upstream = Recorder::start().await;
    let world = at(upstream.address).call_timeout("50ms").start().await;
    both_say(&world, 504, "did not answer in time").await;
}

#[tokio::test]
async fn a_client_that_is_silent_is_not_waited_for() {
    let (_world, mut client, upstream) = wired(|setup| setup.call_timeout("50ms")).await;
    client.send(format!("{POST}content-length: 10\r\n\r\nfirst")).await;
    let mut upstream = upstream.accept().await;
    assert!(client.rest().await.starts_with("HTTP/1.1 504 "));
    assert!(upstream.rest().await.ends_with("first"), "and then its end");
}

#[tokio::test]
async fn a_body_that_makes_no_sense_is_the_clients_fault() {
    let (_world, mut client, upstream) = wired(|setup| setup).await;
    client.send(format!("{POST}{CHUNKED}{}zz\r\n", piece("body"))).await;
    let mut upstream = upstream.accept().await;
    assert!(!upstream.rest().await.contains("\r\n0\r\n"), "half a body has no end");
    assert!(client.rest().await.starts_with("HTTP/1.1 400 "));
}

/// Answers that break off, as they begin.
const HALVES: &[&str] = &["content-length: 10\r\n\r\nhalf", "transfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n"];

#[tokio::test]
async fn half_an_answer_has_no_end() {
    let (world, _, upstream) = wired(|setup| setup).await;
    for half in HALVES {
        let mut client = Wire::connect(world.address(0)).await;
        client.send(format!("{GET}\r\n")).await;
        let mut upstream = upstream.accept().await;
        upstream.head().await;
        upstream.send(format!("{OK}{half}")).await;
        client.until("half").await;
        drop(upstream);
        assert!(matches!(client.rest().await.as_str(), "" | "\r\n"), "no last chunk");
    }
}

#[tokio::test]
async fn half_an_answer_is_no_answer_over_http2() {
    let (world, _, upstream) = wired(|setup| setup).await;
    for half in HALVES {
        let (pieces, asking) = ask_http2(&world, &[]).await;
        drop(pieces);
        let mut upstream = upstream.accept().await;
        upstream.head().await;
        upstream.send(format!("{OK}{half}")).await;
        let body = asking.await.into_body();
        drop(upstream);
        assert!(body.collect().await.is_err());
    }
}

#[tokio::test]
async fn an_answer_that_stops_is_cut_off() {
    let (_world, mut client, upstream) = wired(|setup| setup.call_timeout("50ms")).await;
    client.send(format!("{GET}\r\n")).await;
    let mut upstream = upstream.accept().await;
    upstream.head().await;
    upstream.send(format!("{OK}{CHUNKED}{}", piece("half"))).await;
    assert!(client.rest().await.ends_with(&piece("half")), "no last chunk");
    assert_eq!(upstream.rest().await, "");
}

#[tokio::test]
async fn what_moves_may_take_longer_than_the_deadline() {
    let (_world, mut client, upstream) = wired(|setup| setup.with("[limits]\ndeadline = \"10ms\"")).await;
    client.send(format!("{GET}\r\n")).await;
    let mut upstream = upstream.accept().await;
    upstream.head().await;
    upstream.send(format!("{OK}{CHUNKED}")).await;
    client.head().await;
    // The stack gives a request a second more than the deadline.
    for _ in 0..12 {
        sleep(Duration::from_millis(100)).await;
        upstream.send(piece("piece")).await;
        client.until(&piece("piece")).await;
    }
    upstream.send("0\r\n\r\n").await;
    client.until("0\r\n\r\n").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_nobody_takes_is_cut_off() {
    let limits = "[limits]\nin_flight = 1\ndeadline = \"500ms\"";
    let (world, mut client, upstream) = wired(|setup| setup.call_timeout("1m").with(limits)).await;
    client.send(format!("{GET}\r\n")).await;
    let mut upstream = upstream.accept().await;
    upstream.head().await;
    upstream.send(format!("{OK}content-length: {MUCH}\r\n\r\n")).await;
    send_to_nobody(&mut upstream).await;
    upstream.rest().await;
    // Its place is free again.
    while world.pass_textus().get("/users/none").await.status == 503 {
        sleep(Duration::from_millis(10)).await;
    }
}

// === Those who leave, and those who wait ===

#[tokio::test]
async fn a_client_that_leaves_takes_the_upstream_along() {
    let (world, _, upstream) = wired(|setup| setup).await;
    let body = format!("{POST}content-length: 10\r\n\r\nfirst");
    let half = format!("{OK}{}", HALVES[0]);
    for (request, answer) in [(format!("{GET}\r\n"), ""), (format!("{GET}\r\n"), &half), (body, "")] {
        let mut client = Wire::connect(world.address(0)).await;
        client.send(&request).await;
        let mut upstream = upstream.accept().await;
        upstream.head().await;
        upstream.send(answer).await;
        if !answer.is_empty() {
            client.until("half").await;
        }
        drop(client);
        upstream.rest().await;
    }
}

#[tokio::test]
async fn an_answer_that_is_arriving_is_in_flight() {
    let (world, mut client, upstream) = wired(|setup| setup.with("[limits]\nin_flight = 1")).await;
    client.send(format!("{GET}\r\n")).await;
    let mut upstream = upstream.accept().await;
    upstream.head().await;
    upstream.send(format!("{OK}{CHUNKED}")).await;
    client.head().await;
    let answer = world.crossed_ecgrid().get("/v2/parcels").await;
    refuses(Face::Ecgrid, &answer, 503, "InternalError", &["too many requests at once"]);
    upstream.send("0\r\n\r\n").await;
    client.until("0\r\n\r\n").await;
    client.send(format!("{GET}\r\n")).await;
    upstream.head().await;
    upstream.send(ok("{}")).await;
    assert!(client.head().await.starts_with("HTTP/1.1 200 "));
}

#[tokio::test]
async fn a_stop_lets_an_answer_arrive() {
    let (world, mut client, upstream) = wired(|setup| setup).await;
    client.send(format!("{GET}\r\n")).await;
    let mut upstream = upstream.accept().await;
    upstream.head().await;
    upstream.send(format!("{OK}{CHUNKED}")).await;
    client.head().await;
    let stopping = tokio::spawn(world.stop());
    upstream.send(piece("late")).await;
    client.until("late").await;
    upstream.send("0\r\n\r\n").await;
    assert!(stopping.await.unwrap(), "everything ended by itself");
    assert!(client.rest().await.ends_with("0\r\n\r\n"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_request_is_told_once() {
    let upstream = Socket::open().await;
    let config = file(&on_free_ports(include_str!("../../config/sandbox.toml"), upstream.address, upstream.address));
    let (served, config) = aside(move || (Served::start(&config, &[("RUST_LOG", "info")]), config)).await;
    let whole = format!("{OK}connection: close\r\ncontent-length: 2\r\n\r\n{{}}");
    for answer in [whole, format!("{OK}{}", HALVES[1]), String::new()] {
        let mut client = Wire::connect(served.addresses[0]).await;
        client.send(format!("{GET}connection: close\r\n\r\n")).await;
        let mut upstream = upstream.accept().await;
        upstream.head().await;
        upstream.send(answer).await;
        drop(upstream);
        client.rest().await;
    }
    let (_, log) = aside(move || served.terminate()).await;
    drop(config);
    let events = log.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let told: Vec<_> = events.filter(|event| event["operation"] == "fallback").collect();
    let shown: Vec<_> = told.iter().map(|event| format!("{} {}", event["message"], event["status"])).collect();
    assert_eq!(shown, ["\"request answered\" 200", "\"request failed\" 200", "\"request failed\" 502"], "{log}");
    for event in told {
        assert_eq!([&event["face"], &event["upstream"], &event["client"]], ["ecgrid", "ecgrid", "sandbox-ecgrid"]);
    }
}
