//! File descriptors: every connection takes one, and the system gives a process only so many.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::config::Config;

/// What else needs one: files, the link store, and a call to an upstream for each request in flight.
const OTHERS: u64 = 200;

/// Asks for as many as the process may have. Usual systems give a process few and let it have many.
pub(super) fn raise() {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current != maximum && setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).is_err() {
        tracing::warn!("the number of open files could not be raised to what the process may have");
    }
}

/// What is to be said where connections are configured that the process cannot have.
pub(super) fn warning(config: &Config) -> Option<String> {
    let limits = &config.limits;
    let needed = u64::from(limits.connections.get()) + u64::from(limits.in_flight.get()) + OTHERS;
    let allowed = getrlimit(Resource::Nofile).maximum.filter(|allowed| *allowed < needed)?;
    Some(format!(
        "limits.connections = {} needs {needed} open files, and the process may have {allowed} (ulimit -Hn)",
        limits.connections
    ))
}
