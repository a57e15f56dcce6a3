//! `interlingua ping`: is every upstream there, and does it know us. Nothing is written.

use std::{path::Path, path::PathBuf, sync::Arc, time::Instant};

use clap::Args;
use interlingua_core::{
    Access, Adapter, Command, Error, ErrorKind, PageRequest, Reply, Step, UserQuery, http::StatusCode,
};

use super::{Failed, UNAVAILABLE, block_on, links::Output};
use crate::{
    config::{self, Config},
    executor::Stage,
    trace::Context,
    upstream::Upstream,
};

/// `interlingua ping`.
#[derive(Debug, Args)]
pub(super) struct Ping {
    /// The configuration file; without it, the built-in one of the sandbox.
    #[arg(short, long, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(flatten)]
    output: Output,
}

impl Ping {
    pub(super) fn config(&self) -> Option<&Path> {
        self.config.as_deref()
    }

    pub(super) fn run(&self, config: &Config) -> Result<(), Failed> {
        let found = block_on(async {
            let mut found = Vec::with_capacity(config.upstreams.len());
            for (name, upstream) in &config.upstreams {
                found.push((name, upstream, ping(name, upstream, config).await));
            }
            found
        })?;
        let rows: Vec<_> = found
            .iter()
            .map(|(name, upstream, (finding, milliseconds))| {
                vec![
                    (*name).clone(),
                    upstream.base_url.to_string(),
                    finding.word().to_owned(),
                    milliseconds.to_string(),
                    finding.detail(),
                ]
            })
            .collect();
        self.output.rows(&["upstream", "address", "found", "ms", "detail"], &rows);
        let bad = found.iter().filter(|(.., (finding, _))| !matches!(finding, Finding::Good)).count();
        match bad {
            0 => Ok(()),
            bad => Err(Failed::new(UNAVAILABLE, format!("{bad} of {} upstreams cannot be used", found.len()))),
        }
    }
}

/// What an upstream is found to be like.
enum Finding {
    /// It answers, and in its dialect.
    Good,
    /// It does not know our credential, or lets it see no users.
    Refused(StatusCode),
    /// It has trouble of its own.
    Failing(StatusCode),
    /// It answers, but not as its dialect does.
    Strange(String),
    /// There is no answer.
    Unreachable(String),
}

impl Finding {
    fn word(&self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Refused(_) => "credential refused",
            Self::Failing(_) => "failing",
            Self::Strange(_) => "strange",
            Self::Unreachable(_) => "unreachable",
        }
    }

    fn detail(&self) -> String {
        match self {
            Self::Good => String::new(),
            Self::Refused(status) | Self::Failing(status) => format!("it answered {}", status.as_u16()),
            Self::Strange(why) | Self::Unreachable(why) => why.clone(),
        }
    }
}

/// Asks for the first page of users, which every dialect can and no upstream gives to strangers.
async fn ping(name: &str, config: &config::Upstream, all: &Config) -> (Finding, u128) {
    let adapter = &all.adapters[config.dialect];
    let begun = Instant::now();
    let found = find(name, config, adapter).await;
    (found.unwrap_or_else(|error| Finding::Unreachable(error.to_string())), begun.elapsed().as_millis())
}

async fn find(name: &str, config: &config::Upstream, adapter: &Arc<dyn Adapter>) -> Result<Finding, Error> {
    let no_header = |_| Error::new(ErrorKind::Internal, "the credential cannot stand in a header");
    let upstream = Upstream::new(name, config, Arc::clone(adapter)).map_err(no_header)?;
    let command = Command::FindUsers { query: UserQuery::default(), page: PageRequest::At(None) };
    let call = match adapter.plan(&command, &[])? {
        Step::Send { mut calls, .. } if calls[0].access == Access::Read => calls.swap_remove(0),
        // No dialect that lists users does; what could write is not sent.
        _ => return Ok(Finding::Strange("the dialect has no list of users to read".to_owned())),
    };
    let deadline = tokio::time::Instant::now() + config.timeout;
    let reply = upstream.call(&call, Stage::First, &Context::new(), deadline).await?;
    Ok(judge(&**adapter, &command, reply))
}

fn judge(adapter: &dyn Adapter, command: &Command, reply: Reply) -> Finding {
    let status = reply.status;
    match status.as_u16() {
        401 | 403 => Finding::Refused(status),
        429 | 500.. => Finding::Failing(status),
        _ => match adapter.plan(command, &[reply]) {
            Ok(_) => Finding::Good,
            Err(error) => Finding::Strange(error.to_string()),
        },
    }
}
