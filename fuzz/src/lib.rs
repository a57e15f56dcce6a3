//! What the fuzz targets test, each as one function from bytes.
//!
//! The properties are the laws that `interlingua_core::laws` states for every adapter, and a few of the gateway's own.
//! Inputs are text wherever possible, so that a finding can be read, and seeds can be written, by hand: see [`input`].

#![forbid(unsafe_code)]

mod commands;
mod configuration;
mod dialects;
mod files;
mod input;
mod paths;
mod plans;
mod requests;

pub use configuration::configuration;
pub use dialects::{Side, ecgrid, textus};
pub use files::{gzip, link_lists};
pub use paths::paths;
pub use plans::plans;
pub use requests::requests;

use interlingua_core::laws::Kept;

/// Ends the run with what was found.
fn keep(kept: Kept) {
    if let Err(violation) = kept {
        panic!("{violation}");
    }
}
