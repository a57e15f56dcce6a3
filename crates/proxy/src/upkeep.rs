//! What a gateway does for its store all the while: it says that it lives, and deletes what has had its time.

use std::{sync::Arc, time::Duration};

use interlingua_links::{StoreError, Writes};
use tokio::time::{Instant, MissedTickBehavior, interval};
use tokio_util::task::AbortOnDropHandle;

/// How often a lease is renewed within its time, so that one failure ends nothing.
const RENEWALS: u32 = 3;

/// How often is deleted what has had its time.
const SWEEP: Duration = Duration::from_secs(10 * 60);

/// Keeps at it until the handle is dropped. Entries of the journal are kept for as long as `keep` after they are closed.
pub(crate) fn upkeep(writes: Arc<dyn Writes>, lease: Duration, keep: Duration) -> AbortOnDropHandle<()> {
    AbortOnDropHandle::new(tokio::spawn(async move {
        let mut ticks = interval(lease / RENEWALS);
        // A process that stood still has to say once that it lives, not several times.
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut swept = Instant::now();
        loop {
            ticks.tick().await;
            tell("the lease was not renewed", writes.renew().await);
            if swept.elapsed() >= SWEEP {
                swept = Instant::now();
                tell("nothing was swept", writes.sweep(keep).await);
            }
        }
    }))
}

fn tell<T>(message: &'static str, done: Result<T, StoreError>) {
    if let Err(error) = done {
        let reason = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
        tracing::warn!(error.message = %error, reason, "{message}");
    }
}
