//! The command line. Bare data goes to standard output, everything else to standard error.

mod descriptors;
mod document;
mod journal;
pub(crate) mod links;
mod matrix;
mod ping;
mod serve;
mod settings;
mod shell;

use std::{
    fmt,
    io::{self, IsTerminal, Write},
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::{Args, Parser, Subcommand};

use crate::{
    Gateway,
    config::{Config, LogFormat},
    log::JsonLines,
};

/// The document, or the list, was refused; or what was asked for is not there.
const REFUSED: u8 = 1;
/// The command line is wrong.
const USAGE: u8 = 2;
/// A port, an upstream or the link store cannot be had (EX_UNAVAILABLE).
const UNAVAILABLE: u8 = 69;
/// The configuration is wrong (EX_CONFIG).
const CONFIG: u8 = 78;

/// A gateway between the user APIs of different vendors: clients of one are served from the other.
#[derive(Debug, Parser)]
#[command(
    name = "interlingua",
    version,
    after_help = "Exit codes: 0 done, 1 refused or not there, 2 the command line is wrong, \
                  69 a port, an upstream or the link store cannot be had, 78 the configuration is wrong.\n\
                  RUST_LOG sets what is logged, such as `warn` or `interlingua=debug`; default `info`."
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the gateway until SIGTERM or SIGINT.
    ///
    /// The configuration is read again when one of its files has changed, on SIGHUP, and on POST /reload at the admin
    /// listener. If it is good it takes the place of the one before, and no request suffers; if not, that one stays.
    Serve(ConfigFile),
    /// Check the whole configuration and bind nothing.
    Check(ConfigFile),
    /// Translate a document from standard input to standard output, without a call.
    ///
    /// The document is a client's request in the dialect `--from`, and the result is the request that the upstream of
    /// the dialect `--to` would get. With `--reply` it is the upstream's reply, and the result is the answer that a
    /// client of the dialect `--to` would get. What is not carried is told on standard error.
    Translate(document::Translation),
    /// Print the calls that a client's request on standard input would lead to, one JSON document a line.
    ///
    /// Calls that only read are made, as what is written may depend on their answers; nothing is written.
    Plan(document::Planning),
    /// Look at the links that the gateway keeps, and change them.
    ///
    /// Works on the store that the configuration names, beside a gateway at work, too. The links that stand in the
    /// configuration itself are added by the gateway at each start, and not by this command.
    Links(links::LinksCommand),
    /// Look at writes that were left half done, and settle them.
    ///
    /// Works on the journal in the store that the configuration names, beside a gateway at work, too.
    Journal(journal::JournalCommand),
    /// Ask every upstream for a page of users: is it there, does it know the credential, does it speak its dialect.
    ///
    /// Nothing is written. The exit code is 0 if all are good.
    Ping(ping::Ping),
    /// Print what each face carries to each upstream.
    Matrix(matrix::Matrix),
    /// Look at the configuration.
    Config(settings::Settings),
    /// Print what makes a shell complete the commands of this program.
    Completion(shell::Completion),
    /// Print the manual page.
    Man,
}

/// Which configuration.
#[derive(Debug, Args)]
struct ConfigFile {
    /// The configuration file; without it, the built-in one of the sandbox.
    #[arg(short, long, value_name = "FILE")]
    config: Option<PathBuf>,
}

/// Why a command failed: what to say, and the exit code.
#[derive(Debug)]
struct Failed {
    message: String,
    code: u8,
}

impl Failed {
    fn new(code: u8, message: impl fmt::Display) -> Self {
        Self { message: message.to_string(), code }
    }
}

/// Does what the command line says.
pub(crate) fn run(gateway: &Gateway) -> ExitCode {
    let cli = Cli::parse();
    let done = match &cli.command {
        Command::Serve(file) => serve::serve(gateway, file.config.as_deref()),
        Command::Check(file) => load(gateway, file.config.as_deref()).map(|config| {
            match &file.config {
                Some(path) => say(format_args!("{} is good", path.display())),
                None => say("the built-in configuration of the sandbox is good"),
            }
            for advice in config.advice() {
                say(format_args!("warning: {advice}"));
            }
            if let Some(warning) = descriptors::warning(&config) {
                say(format_args!("on this machine, as this user: {warning}"));
            }
        }),
        Command::Translate(translation) => {
            load(gateway, translation.config()).and_then(|config| translation.run(&config))
        }
        Command::Plan(planning) => load(gateway, planning.config()).and_then(|config| planning.run(&config)),
        Command::Links(links) => load(gateway, links.config()).and_then(|config| links.run(&config)),
        Command::Journal(journal) => load(gateway, journal.config()).and_then(|config| journal.run(&config)),
        Command::Ping(ping) => load(gateway, ping.config()).and_then(|config| ping.run(&config)),
        Command::Matrix(matrix) => {
            matrix.run(gateway);
            Ok(())
        }
        Command::Config(settings) => settings.run(gateway),
        Command::Completion(completion) => {
            completion.run();
            Ok(())
        }
        Command::Man => shell::man(),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failed) => {
            say(failed.message.trim_end());
            ExitCode::from(failed.code)
        }
    }
}

fn load(gateway: &Gateway, file: Option<&Path>) -> Result<Config, Failed> {
    Config::load(file, gateway.adapters()).map_err(|errors| Failed::new(CONFIG, errors))
}

/// The dialect of that name.
fn dialect(config: &Config, name: &str) -> Result<&'static str, Failed> {
    let known = || config.adapters.keys().copied();
    known().find(|known| *known == name).ok_or_else(|| {
        let known = known().collect::<Vec<_>>().join(", ");
        Failed::new(REFUSED, format!("`{name}` is not a dialect; there are {known}"))
    })
}

fn block_on<T>(future: impl Future<Output = T>) -> Result<T, Failed> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    Ok(runtime.map_err(|error| Failed::new(UNAVAILABLE, error))?.block_on(future))
}

/// Tells a person something. Nobody to listen is no reason to fail.
fn say(message: impl fmt::Display) {
    let _ = writeln!(io::stderr(), "{message}");
}

/// Prints data. A reader that has gone away has had enough.
fn print(data: &[u8]) {
    let mut output = io::stdout().lock();
    let _ = output.write_all(data).and_then(|()| output.write_all(b"\n"));
}

/// Logs to standard error: in that format, or else text for a person and JSON for everything else.
fn log(format: Option<LogFormat>) {
    use tracing_subscriber::{EnvFilter, fmt};
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let is_seen = io::stderr().is_terminal();
    let builder = fmt().with_env_filter(filter).with_writer(io::stderr);
    // No colours for whoever sees none.
    let builder = if is_seen { builder } else { builder.with_ansi(false) };
    match format.unwrap_or(if is_seen { LogFormat::Text } else { LogFormat::Json }) {
        LogFormat::Text => builder.init(),
        LogFormat::Json => builder.event_format(JsonLines).init(),
    }
}
