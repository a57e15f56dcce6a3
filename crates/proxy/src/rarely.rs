//! Events that may come by the thousand, and are told once in a while with their number.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

/// No more often than this.
const PAUSE: Duration = Duration::from_secs(1);

/// Counts what happened since it was told last.
#[derive(Debug, Default)]
pub(crate) struct Rarely(Mutex<Count>);

#[derive(Debug, Default)]
struct Count {
    untold: u64,
    told: Option<Instant>,
}

impl Rarely {
    /// Counts one more; how many there were, if it is time to tell.
    pub(crate) fn tell(&self) -> Option<u64> {
        self.tell_of(1)
    }

    /// The same with so many more.
    pub(crate) fn tell_of(&self, more: u64) -> Option<u64> {
        let mut count = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        count.untold += more;
        if count.told.is_some_and(|told| told.elapsed() < PAUSE) {
            return None;
        }
        count.told = Some(Instant::now());
        Some(std::mem::take(&mut count.untold))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_was_not_told_is_told_later() {
        let rarely = Rarely::default();
        assert_eq!([rarely.tell(), rarely.tell(), rarely.tell()], [Some(1), None, None]);
        tokio::time::sleep(PAUSE).await;
        assert_eq!([rarely.tell(), rarely.tell()], [Some(3), None]);
    }
}
