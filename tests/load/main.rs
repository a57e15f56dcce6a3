//! Overload: four times as many requests as the gateway sustains, for a minute.
//!
//!     cargo test --release -p interlingua --test load -- --for 60
//!
//! A trial, and no test: it prints what it measured and judges nothing. It ends by itself. Without `--for` it does nothing,
//! so that it is built and not run with all tests. Clients and stand-ins share the machine with the gateway, so that the
//! gateway sustains less than it would alone.

#![expect(clippy::unwrap_used, reason = "a trial that cannot go on says where, and stops")]
#![expect(clippy::print_stdout, reason = "what was measured is for a person")]

mod clients;
mod gateway;

use std::time::Duration;

use clients::{Clients, Round};
use gateway::Gateway;

/// How long each search for the rate that is sustained takes.
const SEARCH: Duration = Duration::from_secs(5);

/// How many times that rate is too much.
const OVERLOAD: f64 = 4.0;

#[tokio::main]
async fn main() {
    let arguments: Vec<_> = std::env::args().collect();
    let length = arguments.iter().position(|argument| argument == "--for").and_then(|at| arguments.get(at + 1));
    let Some(length) = length.map(|seconds| Duration::from_secs(seconds.parse().unwrap())) else { return };
    let gateway = Gateway::start().await;
    for (name, listener, target) in [("translated", 0, "/v2/users/1042"), ("passed", 1, "/v2/users/1042")] {
        let clients = Clients::new(gateway.addresses[listener], target);
        println!("=== {name}: GET {target}");
        let mut peak = 0.0_f64;
        for number in [16, 64, 256] {
            let round = clients.closed(number, SEARCH).await;
            println!("{number:>5} clients, one request after the other: {round}, {} MiB", gateway.memory());
            peak = peak.max(round.goodput());
        }
        println!("  peak: {peak:.0} answers a second; now {OVERLOAD} times as many for {length:?}");
        let rounds = length.as_secs().div_ceil(10);
        for _ in 0..rounds {
            let round = clients.open(peak * OVERLOAD, Duration::from_secs(10)).await;
            println!("  {round}, {:.0} % of the peak, {} MiB", round.goodput() / peak * 100.0, gateway.memory());
        }
        for number in 1..=4 {
            let round: Round = clients.open(peak / 2.0, Duration::from_millis(500)).await;
            println!(
                "  {:.1} s after it, at half the peak: {round}, {} MiB",
                f64::from(number) / 2.0,
                gateway.memory()
            );
        }
    }
    gateway.stop();
}
