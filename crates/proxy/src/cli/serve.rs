//! `interlingua serve`: the life of the process.

use std::path::Path;

use interlingua_sandbox as sandbox;
use tokio::signal::unix::{SignalKind, signal};

use super::{Failed, UNAVAILABLE, descriptors, load, log};
use crate::{Gateway, config::Config, gateway::StartError, reload::Reloads};

/// Serves as the configuration says, and as it says later on, until the process is told to stop.
pub(super) fn serve(gateway: &Gateway, file: Option<&Path>) -> Result<(), Failed> {
    let config = load(gateway, file)?;
    log(config.log);
    descriptors::raise();
    if let Some(warning) = descriptors::warning(&config) {
        tracing::warn!("{warning}");
    }
    let runtime = tokio::runtime::Runtime::new().map_err(|error| Failed::new(UNAVAILABLE, error))?;
    runtime.block_on(async {
        // Listened for before anything else, so that no signal is missed.
        let told = |kind| signal(kind).map_err(|error| Failed::new(UNAVAILABLE, error));
        let (mut terminate, mut interrupt) = (told(SignalKind::terminate())?, told(SignalKind::interrupt())?);
        let mut hangup = told(SignalKind::hangup())?;
        let stand_ins = stand_ins(&config).await?;
        let (reloads, orders) = Reloads::followed();
        let running = Gateway::start_with(config, reloads).await;
        let mut running = running.map_err(|error| Failed::new(UNAVAILABLE, error))?;
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
            // This thread is no worker's, so that no client waits while the files are read.
            _ = running.follow(&mut hangup, orders, || Config::load(file, gateway.adapters())) => {}
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
