//! Overload: four times as many requests as the gateway sustains, for a minute.
//!
//!     cargo test --release -p interlingua --test load -- --for 60
//!
//! A trial, and no test: it prints what it measured and judges nothing. It ends by itself. Without `--for` it does nothing,
//! so that it is built and not run with all tests. The gateway has a processor for itself, clients and vendors have
//! another: who asks more than is done takes nothing away from who does it.

#![expect(clippy::unwrap_used, reason = "a trial that cannot go on says where, and stops")]
#![expect(clippy::print_stdout, reason = "what was measured is for a person")]

mod clients;
mod gateway;
mod processor;
mod vendor;

use std::time::Duration;

use clients::{Clients, Round};
use gateway::Gateway;

/// How long each search for the rate that is sustained takes.
const SEARCH: Duration = Duration::from_secs(5);

/// How many times that rate is too much.
const OVERLOAD: f64 = 4.0;

/// What keeps the gateway from doing more, and a request that shows it.
struct Scenario {
    name: &'static str,
    limits: &'static str,
    /// How long the vendor takes.
    delay: Duration,
    request: &'static str,
    body: &'static str,
}

const SCENARIOS: [Scenario; 2] = [
    Scenario {
        name: "a vendor that takes 50 ms, and 64 requests in flight",
        limits: "in_flight = 64",
        delay: Duration::from_millis(50),
        request: "GET /v2/users/1042",
        body: "",
    },
    Scenario {
        name: "a page of 100 users, which the processor has to translate, and room for 1024 requests",
        limits: "in_flight = 1024",
        delay: Duration::ZERO,
        request: "POST /v2/users/list",
        body: r#"{"recordsPerPage": 100}"#,
    },
];

fn main() {
    let arguments: Vec<_> = std::env::args().collect();
    let length = arguments.iter().position(|argument| argument == "--for").and_then(|at| arguments.get(at + 1));
    let Some(length) = length.map(|seconds| Duration::from_secs(seconds.parse().unwrap())) else { return };
    // Before the runtime starts its threads, which are where this one is.
    processor::choose(processor::OTHERS);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    for scenario in SCENARIOS {
        runtime.block_on(overload(&scenario, length));
    }
}

async fn overload(scenario: &Scenario, length: Duration) {
    let gateway = Gateway::start(scenario.limits, scenario.delay).await;
    let clients = Clients::new(gateway.crossed, scenario.request, scenario.body);
    println!("=== {}", scenario.name);
    let (mut peak, mut most) = (0.0_f64, 0.0_f64);
    for number in [16, 64, 256] {
        let start = gateway.processor();
        let round = clients.closed(number, SEARCH).await;
        let work = round.answers() / (gateway.processor() - start);
        println!("{number:>5} clients, one request after the other: {round}, {work:.0} a processor second");
        (peak, most) = (peak.max(round.goodput()), most.max(work));
    }
    println!("  peak: {peak:.0} answers a second; now {OVERLOAD} times as many requests for {length:?}");
    let start = gateway.processor();
    let (round, ()) = tokio::join!(clients.open(peak * OVERLOAD, length), memory(&gateway, length));
    let work = round.answers() / (gateway.processor() - start);
    println!("  {round}, {:.0} % of the peak", round.goodput() / peak * 100.0);
    println!("  {work:.0} answers a processor second, {:.0} % of the most", work / most * 100.0);
    for number in 1..=4 {
        let round: Round = clients.open(peak / 2.0, Duration::from_millis(500)).await;
        println!("  {:.1} s later, at half the peak: {round}, {} MiB", f64::from(number) / 2.0, gateway.memory());
    }
    gateway.stop();
}

/// What the gateway takes up meanwhile.
async fn memory(gateway: &Gateway, length: Duration) {
    for second in (5..length.as_secs()).step_by(5) {
        tokio::time::sleep(Duration::from_secs(5)).await;
        print!("  {second} s: {} MiB", gateway.memory());
    }
    println!();
}
