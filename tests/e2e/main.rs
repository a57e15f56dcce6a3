//! The gateway from outside: real sockets, the real stand-ins, the real binary.
//!
//! Every test starts what it needs on ports of the system's choice and shares nothing with another one.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says where, and stops")]

mod authority;
mod cli;
mod client;
mod clients;
mod collector;
mod edges;
mod fallback;
mod faults;
mod golden;
mod harness;
mod journal_cli;
mod lifecycle;
mod links_cli;
mod lists;
mod observed;
mod openapi;
mod operator_cli;
mod packaging;
mod partial_update;
mod pass;
mod permissions;
mod protocol;
mod recorder;
mod reference;
mod refusals;
mod reload;
mod repeats;
mod resilience;
mod roles;
mod secrets;
mod served;
mod sessions;
mod slow_clients;
mod smuggling;
mod stopping;
mod third_dialect;
mod tls;
mod traces;
mod undo;
mod vendor_pages;
mod versions;
mod wire;
mod wrong_input;
