//! Overload: four times as many requests as the gateway sustains.
//!
//! It judges nothing. The gateway has a processor for itself, clients and vendors have another: who asks more than is done
//! takes nothing away from who does it.

use std::time::Duration;

use crate::{
    clients::{Clients, Round},
    gateway::Gateway,
    processor,
};

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

/// Overloads the gateway for so long in each of the scenarios.
pub(crate) fn run(length: Duration) {
    // Before the runtime starts its threads, which are where this one is.
    processor::choose(processor::OTHERS);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    for scenario in SCENARIOS {
        runtime.block_on(overload(&scenario, length));
    }
}

async fn overload(scenario: &Scenario, length: Duration) {
    let gateway = Gateway::start(scenario.limits, scenario.delay, processor::GATEWAY).await;
    let clients = Clients::new(gateway.crossed, scenario.request, scenario.body);
    println!("=== {}", scenario.name);
    let (mut peak, mut most) = (0.0_f64, 0.0_f64);
    for number in [16, 64, 256] {
        let start = processor::used(gateway.id());
        let round = clients.closed(number, SEARCH).await;
        let work = round.answers() / (processor::used(gateway.id()) - start);
        println!("{number:>5} clients, one request after the other: {round}, {work:.0} a processor second");
        (peak, most) = (peak.max(round.goodput()), most.max(work));
    }
    println!("  peak: {peak:.0} answers a second; now {OVERLOAD} times as many requests for {length:?}");
    let start = processor::used(gateway.id());
    let (round, ()) = tokio::join!(clients.open(peak * OVERLOAD, length), memory(&gateway, length));
    let work = round.answers() / (processor::used(gateway.id()) - start);
    println!("  {round}, {:.0} % of the peak", round.goodput() / peak * 100.0);
    println!("  {work:.0} answers a processor second, {:.0} % of the most", work / most * 100.0);
    for number in 1..=4 {
        let round: Round = clients.open(peak / 2.0, Duration::from_millis(500)).await;
        println!(
            "  {:.1} s later, at half the peak: {round}, {:.0} MiB",
            f64::from(number) / 2.0,
            processor::memory(gateway.id())
        );
    }
    gateway.stop();
}

/// What the gateway takes up meanwhile.
async fn memory(gateway: &Gateway, length: Duration) {
    for second in (5..length.as_secs()).step_by(5) {
        tokio::time::sleep(Duration::from_secs(5)).await;
        print!("  {second} s: {:.0} MiB", processor::memory(gateway.id()));
    }
    println!();
}
