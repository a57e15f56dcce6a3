//! `interlingua config`: what a configuration can say, and what this one does.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::{CONFIG, Failed, print};
use crate::{Gateway, config::Config};

/// `interlingua config`.
#[derive(Debug, Args)]
pub(super) struct Settings {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Print the JSON Schema of the configuration file, for editors.
    Schema,
    /// Print the configuration as it counts: file, environment and defaults together, without what is secret.
    Show(Show),
}

#[derive(Debug, Args)]
struct Show {
    /// The configuration file; without it, the built-in one of the sandbox.
    #[arg(short, long, value_name = "FILE")]
    config: Option<PathBuf>,
}

impl Settings {
    pub(super) fn run(&self, gateway: &Gateway) -> Result<(), Failed> {
        let text = match &self.action {
            Action::Schema => Config::SCHEMA.to_owned(),
            Action::Show(show) => Config::show(show.config.as_deref(), gateway.adapters())
                .map_err(|errors| Failed::new(CONFIG, errors))?,
        };
        print(text.trim_end().as_bytes());
        Ok(())
    }
}
