//! The `interlingua` binary: the gateway with the dialects of this workspace.

use std::process::ExitCode;

use interlingua::Gateway;
use interlingua_ecgrid::Ecgrid;
use interlingua_textus::Textus;

fn main() -> ExitCode {
    Gateway::builder().adapter(Ecgrid::new()).adapter(Textus::new()).run()
}
