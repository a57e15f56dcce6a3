//! Clients that are slow at everything, by the thousand, and one that is not.

use std::net::SocketAddr;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::{
    io::AsyncWriteExt,
    net::{TcpSocket, TcpStream},
    time::timeout,
};

use crate::{
    cli::aside,
    client::Client,
    harness::{ECGRID_KEY, any_port, calls},
    recorder::LONG,
    served::{Served, file, on_free_ports},
};

/// So many of them.
const CROWD: usize = 10_000;

/// What else needs a file in either process.
const OTHERS: usize = 500;

/// How many connections fit into this process and into the gateway's, which may have as many files as this one.
#[expect(clippy::print_stderr, reason = "whoever reads the result must know that it is of fewer")]
fn crowd() -> usize {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).unwrap();
    let files = maximum.map_or(usize::MAX, |files| usize::try_from(files).unwrap());
    let crowd = CROWD.min(files - OTHERS);
    if crowd < CROWD {
        eprintln!("!!! only {crowd} of {CROWD} slow clients: the process may have no more than {files} open files");
    }
    crowd
}

/// The least of a request, to nothing at all; the rest never comes.
fn beginnings() -> [String; 5] {
    let put = format!("PUT /v2/users HTTP/1.1\r\nhost: x\r\nx-api-key: {ECGRID_KEY}\r\n");
    [
        String::new(),
        "P".to_owned(),
        format!("{put}x-slow: "),
        format!("{put}content-length: 100000\r\n\r\n"),
        format!("GET /v2/users/1042 HTTP/1.1\r\nhost: x\r\nx-api-key: {ECGRID_KEY}\r\n\r\n"),
    ]
}

/// A slow client; each address of ours has its share of them.
async fn slow(number: usize, to: SocketAddr, beginning: &str) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    let last = u8::try_from(2 + number % 8).unwrap();
    socket.bind(([127, 0, 0, last], 0).into()).unwrap();
    let mut stream = timeout(LONG, socket.connect(to)).await.expect("nobody accepts").unwrap();
    stream.write_all(beginning.as_bytes()).await.unwrap();
    stream
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "leaves little of the machine to other tests; .ci/run runs it after them"]
async fn a_crowd_of_slow_clients_keeps_nobody_out() {
    let crowd = crowd();
    let ecgrid = interlingua_sandbox::serve(any_port(), interlingua_sandbox::Ecgrid::new()).await.unwrap();
    let textus = interlingua_sandbox::serve(any_port(), interlingua_sandbox::Textus::new()).await.unwrap();
    let text = on_free_ports(include_str!("../../config/sandbox.toml"), ecgrid.address(), textus.address());
    // Fewer than there are slow clients, so that there is never a place left for the one that is not.
    let limits = format!("[limits]\nconnections = {}\nin_flight = 64\n", crowd - 100);
    let config = file(&format!("{text}\n{limits}"));
    let (served, _config) =
        aside(move || (Served::start(&config, &[("RUST_LOG", "warn,interlingua=info")]), config)).await;
    let [crossed, ..] = served.addresses;

    let beginnings = beginnings();
    let mut slow_ones = Vec::with_capacity(crowd);
    for number in 0..crowd {
        slow_ones.push(slow(number, crossed, &beginnings[number % beginnings.len()]).await);
    }
    let healthy = Client::ecgrid(crossed, ECGRID_KEY);
    for round in 0..20 {
        // The crowd moves a little, so that nobody could take it for asleep.
        for stream in slow_ones.iter_mut().skip(round).step_by(50) {
            // One that was closed takes nothing.
            let _ = stream.try_write(b" ");
        }
        let asked = timeout(LONG, healthy.send("PUT /v2/users", r#"{"userId": 1042, "firstName": "Jon"}"#)).await;
        asked.expect("the healthy client is kept waiting").expect(200);
    }
    let written = calls(&textus).iter().filter(|call| call.starts_with("PUT ")).count();
    assert_eq!(written, 20, "nothing of the slow ones' half requests is sent on");
    drop(slow_ones);
    aside(move || served.terminate()).await;
}
