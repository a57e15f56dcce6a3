//! A configuration that changes while the gateway is at work: what makes it be read again, and what is told of it.
//!
//! It is read again on SIGHUP, on `POST /reload` at the admin listener, and when one of the files that it is made of has
//! changed, certificates and keys among them. How one takes the place of another is in `gateway`.

use std::{
    convert::Infallible,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use tokio::{
    signal::unix::Signal,
    sync::{mpsc, oneshot},
    time::sleep,
};

use crate::{
    Running,
    config::{Config, ConfigErrors, Files},
};

/// How often the files are looked at.
const LOOK: Duration = Duration::from_millis(500);

/// Somebody who wants the configuration to be read again, and waits to hear what came of it.
type Order = oneshot::Sender<Result<(), String>>;

/// What came of reading the configuration again, for the operator.
#[derive(Debug, Default)]
pub(crate) struct Reloads {
    done: AtomicU64,
    refused: AtomicU64,
    /// Why the last one was refused, if it was.
    problem: Mutex<Option<String>>,
    /// To whoever can read the configuration again, if anybody can.
    orders: Option<mpsc::Sender<Order>>,
}

/// What [`Running::follow`] is to do.
#[derive(Debug)]
pub(crate) struct Orders(mpsc::Receiver<Order>);

/// Why an order to read the configuration again was not carried out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum NotReloaded {
    /// Nobody can read it again.
    Fixed,
    /// The gateway is stopping.
    Stopping,
    /// It is not good.
    Refused(String),
}

impl Reloads {
    /// With somebody who carries the orders out, some time after the first can be given.
    pub(crate) fn followed() -> (Self, Orders) {
        let (sender, orders) = mpsc::channel(1);
        (Self { orders: Some(sender), ..Self::default() }, Orders(orders))
    }

    /// Has the configuration read again, and waits for what comes of it.
    ///
    /// # Errors
    ///
    /// The one before is still at work.
    pub(crate) async fn order(&self) -> Result<(), NotReloaded> {
        let orders = self.orders.as_ref().ok_or(NotReloaded::Fixed)?;
        let (order, outcome) = oneshot::channel();
        orders.send(order).await.map_err(|_| NotReloaded::Stopping)?;
        outcome.await.map_err(|_| NotReloaded::Stopping)?.map_err(NotReloaded::Refused)
    }

    /// Why the one before the last configuration is still at work, if it is.
    pub(crate) fn problem(&self) -> Option<String> {
        self.last_problem().clone()
    }

    /// How often it was read again, in the text format of Prometheus.
    pub(crate) fn metrics(&self) -> String {
        let name = "interlingua_config_reloads_total";
        let (done, refused) = (self.done.load(Relaxed), self.refused.load(Relaxed));
        format!(
            "# HELP {name} How often the configuration was read again, and whether it was good.\n\
             # TYPE {name} counter\n\
             {name}{{result=\"success\"}} {done}\n\
             {name}{{result=\"failure\"}} {refused}\n"
        )
    }

    /// Tells what came of it, `cause` being why it was read.
    fn tell(&self, cause: &'static str, outcome: &Result<(), String>) {
        match outcome {
            Ok(()) => {
                self.done.fetch_add(1, Relaxed);
                tracing::info!(cause, "the configuration was read again, and is at work");
            }
            Err(problem) => {
                self.refused.fetch_add(1, Relaxed);
                tracing::error!(
                    cause,
                    error.message = problem,
                    "the configuration is not good; the last good one stays"
                );
            }
        }
        *self.last_problem() = outcome.clone().err();
    }

    fn last_problem(&self) -> MutexGuard<'_, Option<String>> {
        self.problem.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Running {
    /// Has the configuration read again whenever that is ordered or its files have changed, for as long as it is awaited.
    pub(crate) async fn follow(
        &mut self,
        hangup: &mut Signal,
        Orders(mut orders): Orders,
        load: impl Fn() -> Result<Config, ConfigErrors>,
    ) -> Infallible {
        let mut files = self.files().clone();
        loop {
            let (cause, order) = tokio::select! {
                _ = hangup.recv() => ("SIGHUP", None),
                order = orders.recv() => ("POST /reload", order),
                () = has_changed(&files) => ("a change of its files", None),
            };
            let outcome = match load() {
                Ok(config) => {
                    files = config.files.clone();
                    self.reload(config).await.map_err(|error| error.to_string())
                }
                Err(errors) => {
                    files = errors.files().clone();
                    Err(errors.to_string())
                }
            };
            self.reloads.tell(cause, &outcome);
            if let Some(order) = order {
                // Whoever gave it may have gone away.
                let _ = order.send(outcome);
            }
        }
    }
}

/// Waits until some of the files are not what they were, and have stayed as they are from one look to the next, so that
/// none is half written. To look, and not to have the system tell, sees every way in which a file can change: over
/// links, in folders that are links themselves, on file systems of other machines.
async fn has_changed(files: &Files) {
    let mut last = files.clone();
    loop {
        sleep(LOOK).await;
        let now = files.now();
        if now != *files && now == last {
            return;
        }
        last = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_nobody_can_read_again_is_not_waited_for() {
        assert_eq!(Reloads::default().order().await, Err(NotReloaded::Fixed));
        let (reloads, orders) = Reloads::followed();
        drop(orders);
        assert_eq!(reloads.order().await, Err(NotReloaded::Stopping));
    }

    #[test]
    fn the_last_outcome_is_the_one_that_is_told() {
        let reloads = Reloads::default();
        reloads.tell("test", &Err("gateway.toml:1:1: wrong".to_owned()));
        assert_eq!(reloads.problem().as_deref(), Some("gateway.toml:1:1: wrong"));
        reloads.tell("test", &Ok(()));
        assert_eq!(reloads.problem(), None);
        let metrics = reloads.metrics();
        for result in ["success", "failure"] {
            let line = format!("interlingua_config_reloads_total{{result=\"{result}\"}} 1\n");
            assert!(metrics.contains(&line), "{metrics}");
        }
    }
}
