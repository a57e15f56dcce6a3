//! The gateway beside the bare floor: the same requests to both, in turns, so that whatever else the machine does
//! concerns both.

use std::{
    io::{BufRead, BufReader},
    net::SocketAddr,
    process::{Child, Command, Stdio},
    time::Duration,
};

use crate::{
    clients::{Clients, Round},
    floor::Way,
    gateway::Gateway,
    processor,
};

/// How long one of the two is asked at a time.
const TURN: Duration = Duration::from_secs(2);

/// As many connections as a proxy is busy with.
const MANY: usize = 32;

const REQUEST: &str = "PUT /v2/users";
const BODY: &str = r#"{"userId":1042,"email":"john.smith@example.com","firstName":"John","lastName":"Smith"}"#;

/// What was measured of one of the two, in one turn.
struct Figures {
    /// Microseconds of a processor for a request, with one connection.
    work: f64,
    /// Microseconds until the answer, with one connection: half of them, and nearly all.
    half: f64,
    nearly_all: f64,
    /// Requests a second over many connections, on a processor of its own.
    most: f64,
}

/// One of them.
type Figure = fn(&Figures) -> f64;

/// So many rounds of both ways.
pub(crate) fn run(rounds: usize) {
    processor::choose(processor::OTHERS);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    for way in [Way::Pass, Way::Translate] {
        runtime.block_on(both(way, rounds));
    }
}

async fn both(way: Way, rounds: usize) {
    println!("=== {way}, {rounds} rounds");
    // The floor refuses nobody either, however busy the machine is.
    let gateway = Gateway::start("lag = \"1h\"", Duration::ZERO, processor::GATEWAY).await;
    let (address, vendor) = match way {
        Way::Pass => (gateway.straight, gateway.vendors[0]),
        Way::Translate => (gateway.crossed, gateway.vendors[1]),
    };
    let mut floor = Floor::start(way, vendor);
    let mut turns = Vec::new();
    for _ in 0..rounds {
        turns.push([measure(address, gateway.id()).await, measure(floor.address, floor.child.id()).await]);
    }
    let figures: [(&str, Figure); 4] = [
        ("processor time a request, µs", |figures| figures.work),
        ("latency p50, µs", |figures| figures.half),
        ("latency p99, µs", |figures| figures.nearly_all),
        ("requests a second", |figures| figures.most),
    ];
    println!("{:<30} {:>9} {:>9} {:>7}", "", "gateway", "floor", "ratio");
    for (name, figure) in figures {
        let of = |which: usize| median(turns.iter().map(|turn| figure(&turn[which])));
        let ratio = median(turns.iter().map(|[ours, floor]| figure(ours) / figure(floor)));
        println!("{name:<30} {:>9.1} {:>9.1} {ratio:>7.2}", of(0), of(1));
    }
    println!("{:<30} {:>9.1}", "memory, MiB", processor::memory(gateway.id()));
    floor.child.kill().unwrap();
    floor.child.wait().unwrap();
    gateway.stop();
}

async fn measure(address: SocketAddr, process: u32) -> Figures {
    let clients = Clients::new(address, REQUEST, BODY);
    let before = processor::used(process);
    let one = clients.closed(1, TURN).await;
    let work = (processor::used(process) - before) / one.answers() * 1e6;
    let many: Round = clients.closed(MANY, TURN).await;
    assert!(one.is_clean() && many.is_clean(), "every request is answered: {one}; {many}");
    Figures { work, half: one.latency(50), nearly_all: one.latency(99), most: many.goodput() }
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<_> = values.collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// The floor, a process of its own.
struct Floor {
    child: Child,
    address: SocketAddr,
}

impl Floor {
    fn start(way: Way, upstream: SocketAddr) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["floor", &way.to_string(), &upstream.to_string()]).stdout(Stdio::piped());
        let mut child = processor::spawn(&mut command, processor::GATEWAY);
        let mut address = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut address).unwrap();
        Self { child, address: address.trim().parse().unwrap() }
    }
}
