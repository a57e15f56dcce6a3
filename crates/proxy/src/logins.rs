//! Wrong keys, by where they come from, so that nobody can try one after the other.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use tokio::time::Instant;

/// How long they are counted.
const WINDOW: Duration = Duration::from_secs(60);

/// Of so many networks wrong keys are known at once. Whoever has more to send from is not held up by a count.
const MOST: usize = 16_384;

/// The wrong keys of the last minute. Where there were none, nothing is locked and looked up.
#[derive(Debug)]
pub(crate) struct FailedLogins {
    most: u32,
    windows: Mutex<HashMap<IpAddr, Window>>,
    /// How many of them there are.
    known: AtomicUsize,
}

#[derive(Clone, Copy, Debug)]
struct Window {
    end: Instant,
    failures: u32,
}

impl FailedLogins {
    /// So many are taken from one network in a minute.
    pub(crate) fn new(most: u32) -> Self {
        Self { most, windows: Mutex::default(), known: AtomicUsize::default() }
    }

    /// How long nobody new is let in from this network, where there were too many.
    pub(crate) fn pause(&self, network: IpAddr) -> Option<Duration> {
        if self.known.load(Relaxed) == 0 {
            return None;
        }
        let windows = self.windows.lock().unwrap_or_else(PoisonError::into_inner);
        let window = windows.get(&network).filter(|window| window.failures >= self.most)?;
        let left = window.end.checked_duration_since(Instant::now()).filter(|left| !left.is_zero())?;
        Some(Duration::from_millis(left.as_millis().try_into().ok()?).max(Duration::from_secs(1)))
    }

    /// Counts one more.
    pub(crate) fn count(&self, network: IpAddr) {
        let now = Instant::now();
        let mut windows = self.windows.lock().unwrap_or_else(PoisonError::into_inner);
        if windows.len() >= MOST || windows.get(&network).is_some_and(|window| window.end <= now) {
            windows.retain(|_, window| window.end > now);
        }
        if windows.len() < MOST || windows.contains_key(&network) {
            windows.entry(network).or_insert(Window { end: now + WINDOW, failures: 0 }).failures += 1;
        }
        self.known.store(windows.len(), Relaxed);
    }
}

/// A network in one number, which is not 0.
pub(crate) fn network_number(network: IpAddr) -> u64 {
    match network {
        IpAddr::V4(address) => u64::from(address.to_bits()) | 1 << 63,
        // Its first half is all there is of it.
        IpAddr::V6(address) => u64::try_from(address.to_bits() >> 64).unwrap_or_default() | 1,
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    fn address(number: u32) -> IpAddr {
        IpAddr::from(number.to_be_bytes())
    }

    #[tokio::test(start_paused = true)]
    async fn so_many_are_taken_in_a_minute() {
        let failed = FailedLogins::new(2);
        for _ in 0..2 {
            assert_eq!(failed.pause(address(1)), None);
            failed.count(address(1));
        }
        assert_eq!((failed.pause(address(1)), failed.pause(address(2))), (Some(WINDOW), None));
        advance(WINDOW).await;
        assert_eq!(failed.pause(address(1)), None);
        failed.count(address(1));
        assert_eq!(failed.pause(address(1)), None, "a new window");
    }

    #[tokio::test(start_paused = true)]
    async fn no_more_are_known_than_there_is_place_for() {
        let failed = FailedLogins::new(1);
        for number in 0..=u32::try_from(MOST).unwrap() {
            failed.count(address(number));
        }
        assert_eq!(failed.known.load(Relaxed), MOST);
        advance(WINDOW).await;
        failed.count(address(1));
        assert_eq!(failed.known.load(Relaxed), 1);
    }
}
