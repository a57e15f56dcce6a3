//! `interlingua serve`: the life of the process.

use interlingua_sandbox as sandbox;
use tokio::signal::unix::{SignalKind, signal};

use super::{Failed, UNAVAILABLE, descriptors, log};
use crate::{Gateway, config::Config, gateway::StartError};

/// Serves until the process is told to stop.
pub(super) fn serve(config: Config) -> Result<(), Failed> {
    log();
    descriptors::raise();
    if let Some(warning) = descriptors::warning(&config) {
        tracing::warn!("{warning}");
    }
    let runtime = tokio::runtime::Runtime::new().map_err(|error| Failed::new(UNAVAILABLE, error))?;
    runtime.block_on(async {
        // Listened for before anything else, so that no signal is missed.
        let mut terminate = signal(SignalKind::terminate()).map_err(|error| Failed::new(UNAVAILABLE, error))?;
        let mut interrupt = signal(SignalKind::interrupt()).map_err(|error| Failed::new(UNAVAILABLE, error))?;
        let stand_ins = stand_ins(&config).await?;
        let running = Gateway::start(config).await.map_err(|error| Failed::new(UNAVAILABLE, error))?;
        for address in running.addresses() {
            tracing::info!(%address, "listening");
        }
        tracing::info!(address = %running.admin(), "admin listening");
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("stopping");
        if !running.stop().await {
            tracing::warn!("the drain time is over; what was under way was cut off");
        }
        for stand_in in stand_ins {
            stand_in.stop().await;
        }
        Ok(())
    })
}

/// Which people are made up for the stand-ins: the same ones, with the same ids, every time.
const SEED: u64 = 1;

/// Starts the stand-ins for the vendors that the configuration asks for.
async fn stand_ins(config: &Config) -> Result<Vec<sandbox::Server>, Failed> {
    let people = usize::try_from(config.sandbox.people).unwrap_or(usize::MAX);
    let mut servers = Vec::new();
    for (vendor, address) in [("ecgrid", config.sandbox.ecgrid), ("textus", config.sandbox.textus)] {
        let Some(address) = address else { continue };
        let server = match vendor {
            "ecgrid" => sandbox::serve(address, sandbox::Ecgrid::new().generate(people, SEED)).await,
            _ => sandbox::serve(address, sandbox::Textus::new().generate(people, SEED)).await,
        };
        let server = server.map_err(|error| Failed::new(UNAVAILABLE, StartError::Bind(address, error)))?;
        tracing::info!(vendor, address = %server.address(), "stand-in listening");
        servers.push(server);
    }
    Ok(servers)
}
