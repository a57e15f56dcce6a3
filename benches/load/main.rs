//! The gateway under load, through real sockets:
//!
//!     just load                 # beside the bare floor: what a request costs
//!     just overload             # four times too many requests
//!     just reload               # certificates, keys and routes that change meanwhile
//!
//! It prints what it measured, judges nothing but whether a request fails that has no reason to, and ends by itself.
//! Without a trial's name it does nothing, so that it is built and not run with all benches.

#![expect(clippy::unwrap_used, reason = "a trial that cannot go on says where, and stops")]
#![expect(clippy::print_stdout, reason = "what was measured is for a person")]

mod beside;
mod clients;
mod floor;
mod gateway;
mod overload;
mod processor;
mod reload;
mod vendor;

use std::time::Duration;

fn main() {
    let arguments: Vec<_> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["beside", rounds] => beside::run(rounds.parse().unwrap()),
        ["overload", seconds] => overload::run(Duration::from_secs(seconds.parse().unwrap())),
        ["reload", seconds] => reload::run(Duration::from_secs(seconds.parse().unwrap())),
        ["floor", way, upstream] => floor::run(way.parse().unwrap(), upstream.parse().unwrap()),
        _ => {}
    }
}
