//! `interlingua completion` and `interlingua man`: the command line itself, for shells and for readers.

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use super::{Cli, Failed, REFUSED, print};

/// `interlingua completion`.
#[derive(Debug, Args)]
pub(super) struct Completion {
    /// The shell.
    shell: Shell,
}

impl Completion {
    pub(super) fn run(&self) {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut Cli::command(), "interlingua", &mut script);
        print(script.trim_ascii_end());
    }
}

/// Prints the manual, one page with all commands.
pub(super) fn man() -> Result<(), Failed> {
    let failed = |error| Failed::new(REFUSED, error);
    let mut command = Cli::command();
    command.build();
    let mut page = Vec::new();
    clap_mangen::Man::new(command.clone()).render(&mut page).map_err(failed)?;
    for command in command.get_subcommands().filter(|command| command.get_name() != "help") {
        let name = command.get_name().to_uppercase();
        page.extend(format!(".SH \"COMMAND {name}\"\n").into_bytes());
        let man = clap_mangen::Man::new(command.clone());
        man.render_synopsis_section(&mut page).map_err(failed)?;
        man.render_description_section(&mut page).map_err(failed)?;
        man.render_options_section(&mut page).map_err(failed)?;
    }
    print(page.trim_ascii_end());
    Ok(())
}
