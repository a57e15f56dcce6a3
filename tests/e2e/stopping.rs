//! The end of a gateway under load: whoever was let in gets its answer, and whoever was not knows that nothing was done.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderValue, Request, header::CONTENT_TYPE};
use http_body_util::{BodyExt, Full};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::{
    net::TcpStream,
    task::JoinSet,
    time::{sleep, timeout},
};

use crate::{
    harness::{ECGRID_KEY, Setup, World, calls},
    recorder::{LONG, Recorder, ok},
    wire::Wire,
};

/// How many clients there are, for each way of using connections.
const CLIENTS: usize = 20;

/// What the clients count together.
#[derive(Debug, Default)]
struct Tally {
    answered: AtomicUsize,
    /// Requests that ended without an answer, and may or may not have been received.
    lost: AtomicUsize,
    /// The order to stop was given.
    stopping: AtomicBool,
}

fn request(address: SocketAddr) -> Request<Full<Bytes>> {
    let body = Full::from(r#"{"userId": 1042, "firstName": "Jon"}"#);
    let mut request = Request::put(format!("http://{address}/v2/users")).body(body).unwrap();
    request.headers_mut().insert("x-api-key", HeaderValue::from_static(ECGRID_KEY));
    request.headers_mut().insert("host", HeaderValue::try_from(address.to_string()).unwrap());
    request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    request
}

/// How a client uses its connections.
#[derive(Clone, Copy, Debug)]
enum Use {
    /// A new one for each request.
    Once,
    /// The same for one request after the other.
    Kept,
    Http2,
}

/// Asks, one request after the other, until no connection comes about any more.
async fn ask(address: SocketAddr, how: Use, tally: Arc<Tally>) {
    'connect: while let Ok(stream) = TcpStream::connect(address).await {
        let io = TokioIo::new(stream);
        let count = |answered: bool| {
            let counter = if answered { &tally.answered } else { &tally.lost };
            counter.fetch_add(1, Ordering::Relaxed);
        };
        if let Use::Http2 = how {
            let Ok((mut sender, connection)) = hyper::client::conn::http2::handshake(TokioExecutor::new(), io).await
            else {
                continue;
            };
            tokio::spawn(connection);
            while sender.ready().await.is_ok() {
                match sender.send_request(request(address)).await {
                    Ok(answer) if answer.status() == 200 => count(answer.into_body().collect().await.is_ok()),
                    Ok(answer) => panic!("{answer:?}"),
                    // Refused by a GOAWAY, or never sent: the server says that it has not been looked at.
                    Err(_) => {
                        assert!(tally.stopping.load(Ordering::Relaxed), "lost without a stop");
                        continue 'connect;
                    }
                }
            }
            continue;
        }
        let Ok((mut sender, connection)) = hyper::client::conn::http1::handshake(io).await else { continue };
        tokio::spawn(connection);
        while sender.ready().await.is_ok() {
            match sender.try_send_request(request(address)).await {
                Ok(answer) => {
                    assert_eq!(answer.status(), 200);
                    count(answer.into_body().collect().await.is_ok());
                }
                // What is given back was never sent.
                Err(mut error) => {
                    if error.take_message().is_none() {
                        count(false);
                    }
                    break;
                }
            }
            if let Use::Once = how {
                break;
            }
        }
    }
}

/// Counts every request: each that the vendor saw was answered, and each that was not answered it did not see.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_under_load_loses_nothing() {
    let world = World::start().await;
    let (address, tally) = (world.address(1), Arc::new(Tally::default()));
    let mut clients = JoinSet::new();
    for how in [Use::Once, Use::Kept, Use::Http2] {
        for _ in 0..CLIENTS {
            clients.spawn(ask(address, how, Arc::clone(&tally)));
        }
    }
    let busy = async {
        while tally.answered.load(Ordering::Relaxed) < 20 * CLIENTS {
            sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(LONG, busy).await.expect("the clients are at work");
    tally.stopping.store(true, Ordering::Relaxed);
    let (finished, ecgrid) = world.stop_before_ecgrid().await;
    assert!(finished, "everything ended by itself");
    let ended = async { while clients.join_next().await.transpose().unwrap().is_some() {} };
    timeout(LONG, ended).await.expect("new connections are refused");
    let (answered, lost) = (tally.answered.load(Ordering::Relaxed), tally.lost.load(Ordering::Relaxed));
    assert_eq!(calls(&ecgrid).len(), answered, "{lost} got no answer, and none of them was carried out");
}

/// An answer is owed for whatever the gateway has read, and the last one says that it is the last.
#[tokio::test]
async fn a_request_on_its_way_at_the_moment_of_the_stop_is_answered() {
    let mut upstream = Recorder::start().await;
    let world = Setup::new().textus_at(upstream.address).start().await;
    let address = world.address(0);
    let get = format!("GET /v2/users/1042 HTTP/1.1\r\nhost: x\r\nx-api-key: {ECGRID_KEY}\r\n");
    let mut idle = Wire::connect(address).await;
    let mut fresh = Wire::connect(address).await;
    let mut half = Wire::connect(address).await;
    half.send(&get).await;
    // Somebody is at work, so that the stop waits.
    let mut working = Wire::connect(address).await;
    working.send(format!("{get}\r\n")).await;
    let waiting = upstream.next().await;
    let stopping = tokio::spawn(world.stop());
    let refused = async { while TcpStream::connect(address).await.is_ok() {} };
    timeout(LONG, refused).await.expect("connections are refused");
    let user = r#"{"@type": "User", "id": "/users/wqyODPA", "name": "Chuck", "memberships": {"members": []}}"#;
    for (wire, rest) in [(&mut idle, format!("{get}\r\n")), (&mut half, "\r\n".to_owned())] {
        wire.send(rest).await;
        upstream.next().await.answer(ok(user));
        let answer = wire.rest().await;
        assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("connection: close"), "{answer}");
    }
    assert_eq!(fresh.rest().await, "", "who says nothing is not waited for");
    waiting.answer(ok(user));
    assert!(working.rest().await.starts_with("HTTP/1.1 200"));
    assert!(stopping.await.unwrap());
}

/// Half a request is none, and nobody is waited for for ever.
#[tokio::test]
async fn a_client_that_never_ends_does_not_hold_up_a_stop() {
    let world = World::start().await;
    let mut half = Wire::connect(world.address(0)).await;
    half.send("PUT /v2/users HTTP/1.1\r\nhost: x\r\n").await;
    let mut body = Wire::connect(world.address(0)).await;
    let head = format!("PUT /v2/users HTTP/1.1\r\nhost: x\r\nx-api-key: {ECGRID_KEY}\r\ncontent-length: 9\r\n\r\n{{");
    body.send(head).await;
    assert!(world.stop().await, "long before the drain time is over");
    assert_eq!((half.rest().await, body.rest().await), (String::new(), String::new()));
}

/// A deadline that holds: what is not done by then is cut off, and the client sees that.
#[tokio::test]
async fn after_the_drain_time_connections_are_cut_off() {
    let mut upstream = Recorder::start().await;
    let world = Setup::new().textus_at(upstream.address).with("[limits]\ndrain = \"700ms\"").start().await;
    let mut wire = Wire::connect(world.address(0)).await;
    wire.send(format!("GET /v2/users/1042 HTTP/1.1\r\nhost: x\r\nx-api-key: {ECGRID_KEY}\r\n\r\n")).await;
    let _waiting = upstream.next().await;
    assert!(!timeout(LONG, world.stop()).await.expect("the deadline holds"), "something was cut off");
    assert_eq!(wire.rest().await, "");
}
