#![doc = include_str!("../README.md")]

mod assumed;
mod cable;
mod calls;
mod control;
pub mod directory;
mod ecgrid;
mod faults;
mod sequence;
mod server;
#[cfg(test)]
mod testing;
mod textus;
mod vendor;

pub use cable::{Cable, Deed, Moment};
pub use calls::RecordedCall;
pub use ecgrid::Ecgrid;
pub use server::{BODY_LIMIT, Server, serve};
pub use textus::Textus;
pub use vendor::Vendor;
