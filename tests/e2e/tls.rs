//! TLS towards clients and towards upstreams.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use hyper_util::rt::{TokioExecutor, TokioIo};
use interlingua_sandbox as sandbox;
use rustls::{
    SupportedProtocolVersion,
    version::{TLS12, TLS13},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use tokio_rustls::{TlsAcceptor, client::TlsStream};

use crate::{
    authority::{Authority, Issued, TlsClient, front, server_config},
    client::{Answer, Client},
    harness::{ECGRID_KEY, Setup, World, any_port, calls},
    recorder::LONG,
    wire::Wire,
};

pub(crate) const NAME: &str = "gateway.example";
static ONLY_12: &[&SupportedProtocolVersion] = &[&TLS12];
static ONLY_13: &[&SupportedProtocolVersion] = &[&TLS13];

const USER: &str = "/v2/users/1042";

/// A gateway whose first listener speaks TLS, with more said of it.
pub(crate) fn secured(certificates: &[&Issued], more: &str) -> Setup {
    let certificates = certificates.iter().map(|issued| issued.table()).collect::<Vec<_>>().join(", ");
    let address = "address = \"127.0.0.1:8080\"";
    Setup::new().replace(address, &format!("{address}\ntls = {{ certificates = [{certificates}]{more} }}"))
}

/// Asks over a connection in the version of HTTP that the handshake agreed on.
async fn ask_over(stream: TlsStream<TcpStream>, address: SocketAddr) -> Option<Answer> {
    let request = Client::ecgrid(address, ECGRID_KEY).request(&format!("GET {USER}"), "");
    let is_http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
    let stream = TokioIo::new(stream);
    let response = if is_http2 {
        let (mut sender, connection) =
            hyper::client::conn::http2::handshake(TokioExecutor::new(), stream).await.ok()?;
        tokio::spawn(connection);
        sender.send_request(request).await
    } else {
        let (mut sender, connection) = hyper::client::conn::http1::handshake(stream).await.ok()?;
        tokio::spawn(connection);
        sender.send_request(request).await
    };
    Some(Answer::read(response.ok()?).await.unwrap())
}

/// Connects and asks; `None` where the gateway does not let it.
pub(crate) async fn ask(client: &TlsClient, address: SocketAddr) -> Option<Answer> {
    ask_over(client.connect(address).await.ok()?, address).await
}

// === Listeners ===

#[tokio::test]
async fn the_certificate_is_that_of_the_name_that_is_asked_for() {
    let authority = Authority::new("test");
    let first = authority.issue("first", &[NAME]);
    let second = authority.issue("second", &["*.tenant.example", "other.example", "127.0.0.1"]);
    let world = secured(&[&first, &second], "").start().await;
    for (name, expected) in [(NAME, &first), ("a.tenant.example", &second), ("other.example", &second)] {
        let stream = TlsClient::new(&authority, name).connect(world.address(0)).await.unwrap();
        assert_eq!(stream.get_ref().1.peer_certificates().unwrap(), expected.certificates(), "{name}");
        ask_over(stream, world.address(0)).await.unwrap().expect(200);
    }
    // A name that nobody knows gets the first, and so does a client that asks for none.
    for name in ["nobody.example", "127.0.0.1"] {
        let error = TlsClient::new(&authority, name).connect(world.address(0)).await.unwrap_err();
        assert!(error.to_string().contains("not valid for name"), "{error}");
    }
}

#[tokio::test]
async fn http2_is_agreed_on_by_alpn() {
    let authority = Authority::new("test");
    let world = secured(&[&authority.issue("own", &[NAME])], "").start().await;
    let client = |alpn| TlsClient { alpn, ..TlsClient::new(&authority, NAME) };
    for (alpn, expected) in
        [(&["h2"][..], Some("h2")), (&["http/1.1"], Some("http/1.1")), (&["http/1.1", "h2"], Some("h2")), (&[], None)]
    {
        let stream = client(alpn).connect(world.address(0)).await.unwrap();
        let agreed = stream.get_ref().1.alpn_protocol().map(|name| String::from_utf8_lossy(name).into_owned());
        assert_eq!(agreed.as_deref(), expected, "{alpn:?}");
        let answer = ask_over(stream, world.address(0)).await.unwrap().expect(200);
        assert_eq!(answer.header("strict-transport-security"), "", "off unless it is named");
    }
    assert!(client(&["spdy/3"]).connect(world.address(0)).await.is_err());
}

#[tokio::test]
async fn browsers_are_told_to_come_back_with_tls_where_that_is_named() {
    let authority = Authority::new("test");
    let world = secured(&[&authority.issue("own", &[NAME])], ", hsts = '90d'").start().await;
    let answer = ask(&TlsClient::new(&authority, NAME), world.address(0)).await.unwrap();
    assert_eq!(answer.header("strict-transport-security"), "max-age=7776000");
}

#[tokio::test]
async fn client_certificates_are_asked_for_where_an_authority_is_named() {
    let (authority, other) = (Authority::new("test"), Authority::new("another"));
    let more = format!(", client_ca = '{}'", authority.file().display());
    let world = secured(&[&authority.issue("own", &[NAME])], &more).start().await;
    let client = TlsClient::new(&authority, NAME);
    let showing = |own| TlsClient { own: Some(own), ..client.clone() };
    ask(&showing(authority.issue("client", &["client"])), world.address(0)).await.unwrap().expect(200);
    for refused in [
        client.clone(),
        TlsClient { versions: ONLY_12, ..client.clone() },
        showing(other.issue("client", &["client"])),
        showing(authority.issue_expired("expired", &["client"])),
    ] {
        assert!(ask(&refused, world.address(0)).await.is_none());
    }
    assert_eq!(calls(&world.textus).len(), 1);
}

/// A ClientHello of TLS 1.1 or 1.2, with suites that every server of its time knew.
fn old_hello(version: u8) -> Vec<u8> {
    let mut hello = vec![3, version];
    hello.extend([7; 32]);
    hello.extend([0, 0, 4, 0xc0, 0x13, 0, 0x2f, 1, 0]); // no session, two suites, no compression
    hello.extend([0, 8, 0, 13, 0, 4, 0, 2, 4, 3]); // ECDSA with SHA-256
    let mut handshake = vec![1, 0, 0, u8::try_from(hello.len()).unwrap()];
    handshake.extend(hello);
    let mut record = vec![22, 3, 1, 0, u8::try_from(handshake.len()).unwrap()];
    record.extend(handshake);
    record
}

#[tokio::test]
async fn old_versions_and_suites_are_refused() {
    const HANDSHAKE_FAILURE: u8 = 40;
    const PROTOCOL_VERSION: u8 = 70;
    let authority = Authority::new("test");
    let own = authority.issue("own", &[NAME]);
    let world = secured(&[&own], "").start().await;
    for (version, expected) in [(2, PROTOCOL_VERSION), (3, HANDSHAKE_FAILURE)] {
        let mut stream = TcpStream::connect(world.address(0)).await.unwrap();
        stream.write_all(&old_hello(version)).await.unwrap();
        let mut alert = Vec::new();
        stream.read_to_end(&mut alert).await.unwrap();
        assert_eq!(alert, [21, 3, 3, 0, 2, 2, expected]);
    }
    for versions in [ONLY_12, ONLY_13] {
        let client = TlsClient { versions, ..TlsClient::new(&authority, NAME) };
        ask(&client, world.address(0)).await.unwrap().expect(200);
    }
    let world = secured(&[&own], ", min_version = '1.3'").start().await;
    let client = TlsClient { versions: ONLY_12, ..TlsClient::new(&authority, NAME) };
    assert!(client.connect(world.address(0)).await.is_err());
}

#[tokio::test]
async fn what_is_not_tls_is_not_answered() {
    let authority = Authority::new("test");
    let world = secured(&[&authority.issue("own", &[NAME])], "").start().await;
    let mut plain = TcpStream::connect(world.address(0)).await.unwrap();
    let request = format!("GET {USER} HTTP/1.1\r\nhost: x\r\nx-api-key: {ECGRID_KEY}\r\n\r\n");
    plain.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    let _ = plain.read_to_end(&mut answer).await;
    assert!(!answer.windows(4).any(|bytes| bytes == b"HTTP"), "{answer:?}");
    assert_eq!(calls(&world.textus), [""; 0]);
}

#[tokio::test]
async fn a_handshake_has_the_time_that_every_client_has() {
    let authority = Authority::new("test");
    let own = authority.issue("own", &[NAME]);
    let world = secured(&[&own], "").with("[limits]\npatience = '100ms'").start().await;
    let mut silent = TcpStream::connect(world.address(0)).await.unwrap();
    let mut slow = TcpStream::connect(world.address(0)).await.unwrap();
    slow.write_all(&[22, 3, 1]).await.unwrap();
    for stream in [&mut silent, &mut slow] {
        // An end, or a reset.
        let end = tokio::time::timeout(LONG, stream.read(&mut [0])).await.expect("nobody is waited for for ever");
        assert!(!end.is_ok_and(|bytes| bytes > 0));
    }
    // One that waits gives way, and so does one whose handshake is under way.
    let world = secured(&[&own], "").with("[limits]\nconnections = 1").start().await;
    let mut silent = TcpStream::connect(world.address(0)).await.unwrap();
    ask(&TlsClient::new(&authority, NAME), world.address(0)).await.unwrap().expect(200);
    assert_eq!(silent.read(&mut [0]).await.unwrap(), 0);
    assert!(world.stop().await);
}

// === Upstreams ===

/// A world whose TextUs is behind TLS at this address, with more said of it.
async fn behind(address: SocketAddr, tls: &str) -> World {
    let port = address.port();
    Setup::new()
        .replace("\"http://127.0.0.1:8102\"", &format!("\"https://localhost:{port}\"\ntls = {{ {tls} }}"))
        .upstreams("retries = 0")
        .start()
        .await
}

async fn textus() -> sandbox::Server {
    sandbox::serve(any_port(), sandbox::Textus::new()).await.unwrap()
}

#[tokio::test]
async fn an_upstream_is_known_by_its_certificate() {
    const UNKNOWN: &str = "nobody who is trusted has signed its certificate";
    let (authority, other) = (Authority::new("test"), Authority::new("another"));
    let vendor = textus().await;
    let own_ca = format!("ca = '{}'", authority.file().display());
    let good = authority.issue("good", &["localhost"]);
    for (own, tls, expected) in [
        (&good, own_ca.as_str(), None),
        (&good, &format!("{own_ca}, min_version = '1.3'"), None),
        (&good, &format!("ca = '{}'", other.file().display()), Some(UNKNOWN)),
        (&good, "", Some(UNKNOWN)),
        (&authority.issue("wrong", &["elsewhere.example"]), &own_ca, Some("its certificate is for another name")),
        (&authority.issue_expired("old", &["localhost"]), &own_ca, Some("its certificate is not valid at this time")),
    ] {
        let world = behind(front(server_config(own, None), vendor.address()).await, tls).await;
        let answer = world.crossed_ecgrid().get(USER).await;
        match expected {
            None => drop(answer.expect(200)),
            Some(why) => assert!(answer.expect(502).text().contains(why), "{why}"),
        }
    }
    // Whoever speaks no TLS is no upstream.
    let world = behind(vendor.address(), &own_ca).await;
    world.crossed_ecgrid().get(USER).await.expect(502);
    assert_eq!(calls(&vendor).len(), 2);
}

#[tokio::test]
async fn an_upstream_that_asks_is_shown_our_certificate() {
    let authority = Authority::new("test");
    let (vendor, own) = (textus().await, authority.issue("vendor", &["localhost"]));
    let front = front(server_config(&own, Some(&authority)), vendor.address()).await;
    let ca = format!("ca = '{}'", authority.file().display());
    let showing = format!("{ca}, certificate = {}", authority.issue("client", &["gateway"]).table());
    behind(front, &showing).await.crossed_ecgrid().get(USER).await.expect(200);
    behind(front, &ca).await.crossed_ecgrid().get(USER).await.expect(502);
    assert_eq!(calls(&vendor).len(), 1);
}

/// What TLS 1.3 says after the handshake, such as a session ticket, is no reason to leave a connection alone.
#[tokio::test]
async fn a_connection_is_used_again() {
    let authority = Authority::new("test");
    let acceptor = TlsAcceptor::from(Arc::new(server_config(&authority.issue("vendor", &["localhost"]), None)));
    let listener = TcpListener::bind(any_port()).await.unwrap();
    let ca = format!("ca = '{}'", authority.file().display());
    let world = behind(listener.local_addr().unwrap(), &ca).await;
    tokio::spawn(async move {
        let mut wire = Wire::of(acceptor.accept(listener.accept().await.unwrap().0).await.unwrap());
        for _ in 0..3 {
            wire.head().await;
            wire.send("HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n").await;
        }
    });
    for _ in 0..3 {
        let asked = world.pass_textus();
        tokio::time::timeout(LONG, asked.send("DELETE /users/wqyODPA", "")).await.unwrap().expect(404);
    }
}

/// The upstream answers the first request of each connection, and then closes it as TLS wants it.
#[tokio::test]
async fn a_write_that_meets_a_closed_connection_is_sent_again() {
    let authority = Authority::new("test");
    let acceptor = TlsAcceptor::from(Arc::new(server_config(&authority.issue("vendor", &["localhost"]), None)));
    let listener = TcpListener::bind(any_port()).await.unwrap();
    let ca = format!("ca = '{}'", authority.file().display());
    let world = behind(listener.local_addr().unwrap(), &ca).await;
    let client = world.pass_textus();
    let served = tokio::spawn(async move {
        let mut seen = Vec::new();
        for _ in 0..2 {
            let stream = acceptor.accept(listener.accept().await.unwrap().0).await.unwrap();
            let mut wire = Wire::of(stream);
            seen.push(wire.head().await.lines().next().unwrap().to_owned());
            wire.send("HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n").await;
            wire.stream.shutdown().await.unwrap();
        }
        seen
    });
    for _ in 0..2 {
        client.send("DELETE /users/wqyODPA", "").await.expect(404);
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(served.await.unwrap(), ["DELETE /users/wqyODPA HTTP/1.1"; 2]);
}
