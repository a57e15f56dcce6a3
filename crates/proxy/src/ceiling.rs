//! How many requests may be in flight as long as the processors keep up.
//!
//! Places in flight are as many as there may be slow answers of upstreams to wait for. Where it is not an upstream that
//! takes its time but the gateway itself, far fewer are too many: they all wait for a processor, none is answered any
//! sooner, and even a refusal comes late. So somebody looks again and again how long it takes to get a processor. When
//! that is too long the ceiling comes down to below what is in flight; when it is not, it rises, up to all places.

use std::{
    sync::{
        Arc, Weak,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{
    sync::Semaphore,
    task::spawn_blocking,
    time::{Instant, sleep},
};

/// How long it is between two looks.
const PAUSE: Duration = Duration::from_millis(20);

/// So many may be in flight however slow it is, for without any nothing would ever be found to be better.
const LEAST: usize = 16;

/// Looked after for as long as somebody has it.
#[derive(Clone, Debug)]
pub(crate) struct Ceiling(Arc<AtomicUsize>);

impl Ceiling {
    /// One that comes down from `most` when what can go on waits for longer than `bearable`.
    pub(crate) fn watch(places: &Arc<Semaphore>, most: usize, bearable: Duration) -> Self {
        let ceiling = Self(Arc::new(AtomicUsize::new(most)));
        tokio::spawn(look(Arc::downgrade(&ceiling.0), Arc::clone(places), most, bearable));
        ceiling
    }

    /// Where it is now.
    pub(crate) fn now(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

async fn look(ceiling: Weak<AtomicUsize>, places: Arc<Semaphore>, most: usize, bearable: Duration) {
    loop {
        sleep(PAUSE).await;
        let in_flight = most - places.available_permits();
        let lag = if in_flight > LEAST { lag().await } else { Duration::ZERO };
        let Some(ceiling) = ceiling.upgrade() else { return };
        let now = ceiling.load(Ordering::Relaxed);
        let next = if lag > bearable { lower(now, in_flight) } else { higher(now) };
        ceiling.store(next.min(most), Ordering::Relaxed);
    }
}

/// How long what can go on waits for a processor.
async fn lag() -> Duration {
    // From a thread that is no worker's: what a worker wakes itself does not queue behind all the others.
    spawn_blocking(Instant::now).await.map_or(Duration::ZERO, |ready| ready.elapsed())
}

fn lower(ceiling: usize, in_flight: usize) -> usize {
    (ceiling.min(in_flight) / 8 * 7).max(LEAST)
}

fn higher(ceiling: usize) -> usize {
    ceiling + ceiling / 32 + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_comes_down_fast_and_rises_slowly() {
        assert_eq!(lower(1024, 1024), 896);
        assert_eq!(lower(1024, 80), 70, "below what is in flight");
        assert_eq!(lower(70, 80), 56);
        assert_eq!(lower(20, 1), LEAST);
        assert_eq!((higher(16), higher(1024)), (17, 1057));
    }

    #[tokio::test]
    async fn it_stays_up_with_nothing_to_do() {
        let places = Arc::new(Semaphore::new(4));
        let ceiling = Ceiling::watch(&places, 4, Duration::from_secs(60));
        sleep(4 * PAUSE).await;
        assert_eq!(ceiling.now(), 4);
    }

    #[tokio::test]
    async fn it_comes_down_when_nothing_is_fast_enough() {
        let places = Arc::new(Semaphore::new(100));
        let _taken = places.acquire_many(50).await.unwrap();
        let ceiling = Ceiling::watch(&places, 100, Duration::ZERO);
        while ceiling.now() > LEAST {
            sleep(PAUSE).await;
        }
    }
}
