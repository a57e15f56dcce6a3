//! The whole gateway with requests through real sockets, so that what it does for one can be counted.
//!
//! It has a thread to itself: a client and the vendors, who are on others, are not counted with it. Its clock stands
//! still, so that nothing happens because time has passed, which it does faster on some machines.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::Arc,
};

use interlingua::{
    Gateway, Running,
    config::{Config, Environment},
};
use interlingua_ecgrid::Ecgrid;
use interlingua_textus::Textus;
use tokio::runtime::{Builder, Runtime};

use crate::exchange::{ECGRID_CONFIG, ECGRID_UPDATE, ECGRID_USER, TEXTUS_UPDATE, TEXTUS_USER};

/// A client that asks the same again and again, and the gateway.
pub(crate) struct Whole {
    runtime: Runtime,
    client: Arc<Client>,
    _gateway: Running,
}

struct Client {
    connection: TcpStream,
    request: Vec<u8>,
}

/// Where a client of the gateway finds the other vendor, and where its own.
#[derive(Clone, Copy)]
pub(crate) enum Way {
    Crossed,
    Straight,
}

impl Whole {
    /// A client of ECGrid who reads a user.
    pub(crate) fn ecgrid_reads(way: Way) -> Self {
        Self::new(way, &ecgrid("GET /v2/users/1042", b""))
    }

    /// One who changes a user, which takes one call.
    pub(crate) fn ecgrid_writes(way: Way) -> Self {
        Self::new(way, &ecgrid("PUT /v2/users", ECGRID_UPDATE))
    }

    /// A client of TextUs who changes a user, which takes two calls of ECGrid.
    pub(crate) fn textus_writes(way: Way) -> Self {
        let key = "authorization: Bearer sandbox-textus-token";
        Self::new(way, &request("PUT /users/wqyODPA", key, TEXTUS_UPDATE))
    }

    fn new(way: Way, request: &[u8]) -> Self {
        let runtime = Builder::new_current_thread().enable_all().start_paused(true).build();
        let runtime = runtime.expect("a runtime needs no more than any process has");
        let gateway = Gateway::builder().adapter(Ecgrid::new()).adapter(Textus::new());
        let config = Config::parse(&Environment::from_iter([]), world(), gateway.adapters());
        let config = config.unwrap_or_else(|errors| panic!("the sandbox is a world: {errors}"));
        let gateway = runtime.block_on(Gateway::start(config)).expect("its ports are free");
        let address = gateway.addresses()[way as usize];
        let connection = TcpStream::connect(address).expect("the gateway listens");
        let client = Arc::new(Client { connection, request: request.to_vec() });
        Self { runtime, client, _gateway: gateway }
    }

    /// Has so many requests answered.
    pub(crate) fn answer(&self, requests: usize) {
        let client = Arc::clone(&self.client);
        // The clock of a runtime that has such a task does not go on by itself.
        let asked = self.runtime.spawn_blocking(move || (0..requests).for_each(|_| client.ask()));
        self.runtime.block_on(asked).expect("every request is answered");
    }
}

impl Client {
    fn ask(&self) {
        (&self.connection).write_all(&self.request).expect("the gateway reads");
        let answer = message(&self.connection).expect("the gateway answers");
        assert!(answer.starts_with(b"HTTP/1.1 200 "), "{}", String::from_utf8_lossy(&answer));
    }
}

fn ecgrid(line: &str, body: &[u8]) -> Vec<u8> {
    request(line, "x-api-key: sandbox-ecgrid-key", body)
}

fn request(line: &str, key: &str, body: &[u8]) -> Vec<u8> {
    let head = format!(
        "{line} HTTP/1.1\r\nhost: gateway\r\n{key}\r\naccept: */*\r\nuser-agent: bench\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}

/// The configuration of the sandbox, with vendors that know their answers by heart.
fn world() -> String {
    let text = include_str!("../config/sandbox.toml");
    let (before, rest) = text.split_once("[sandbox]").expect("the sandbox has stand-ins");
    let (_, rest) = rest.split_once("[upstreams.ecgrid]").expect("it has upstreams, too");
    let text = format!("{before}[upstreams.ecgrid]{rest}")
        .replace("127.0.0.1:8101", &vendor(ecgrid_answer).to_string())
        .replace("127.0.0.1:8102", &vendor(textus_answer).to_string());
    ["8080", "8081", "9090"].iter().fold(text, |text, port| text.replace(&format!(":{port}\""), ":0\""))
}

fn ecgrid_answer(line: &str) -> &'static [u8] {
    if line.contains("update-config") { ECGRID_CONFIG } else { ECGRID_USER }
}

fn textus_answer(_: &str) -> &'static [u8] {
    TEXTUS_USER
}

/// Starts a vendor with these answers to the first lines of requests.
fn vendor(answer: fn(&str) -> &'static [u8]) -> SocketAddr {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("some port is free");
    let address = listener.local_addr().expect("it is bound");
    std::thread::spawn(move || {
        for connection in listener.incoming().flatten() {
            std::thread::spawn(move || serve(&connection, answer));
        }
    });
    address
}

fn serve(mut connection: &TcpStream, answer: fn(&str) -> &'static [u8]) -> Option<()> {
    loop {
        let request = message(connection)?;
        let body = answer(String::from_utf8_lossy(&request).lines().next()?);
        let head =
            format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n", body.len());
        connection.write_all(&[head.as_bytes(), body].concat()).ok()?;
    }
}

/// A request or an answer whose body has a length, if it has one.
fn message(mut connection: &TcpStream) -> Option<Vec<u8>> {
    let mut message = Vec::new();
    let mut piece = [0; 4096];
    loop {
        let count = connection.read(&mut piece).ok().filter(|count| *count > 0)?;
        message.extend_from_slice(&piece[..count]);
        let Some(end) = message.windows(4).position(|bytes| bytes == b"\r\n\r\n") else { continue };
        let head = String::from_utf8_lossy(&message[..end]);
        let length = head.split("content-length: ").nth(1).map_or(Some(0), |rest| rest.lines().next()?.parse().ok())?;
        if message.len() >= end + 4 + length {
            return Some(message);
        }
    }
}
