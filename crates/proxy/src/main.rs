//! The `interlingua` binary: the gateway with the dialects of this workspace.

use std::process::ExitCode;

use interlingua::Gateway;
use interlingua_ecgrid::Ecgrid;
use interlingua_textus::Textus;
use mimalloc::MiMalloc;

/// That of glibc slows down when many requests hold memory at once, which is when there is no time for it.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    Gateway::builder().adapter(Ecgrid::new()).adapter(Textus::new()).run()
}
