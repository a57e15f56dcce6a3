//! How many requests may be in flight as long as the processors keep up.
//!
//! Places in flight are as many as there may be slow answers of upstreams to wait for. Where it is not an upstream that
//! takes its time but the gateway itself, far fewer are too many: they all wait for a processor, none is answered any
//! sooner, and even a refusal comes late. So somebody looks again and again whether the runtime's threads still have a
//! moment to spare. While they have, the ceiling rises, up to all places. When they have none, it comes down to as many
//! requests as are done within the time that one may wait: what is more than that only waits for longer.

use std::{
    sync::{
        Arc, Weak,
        atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use tokio::{
    runtime::{Handle, RuntimeMetrics},
    sync::Semaphore,
    time::{Instant, sleep},
};

/// How long it is between two looks.
const PAUSE: Duration = Duration::from_millis(20);

/// So many may be in flight however slow it is, for without any nothing would ever be found to be better.
const LEAST: usize = 16;

/// Threads that are busy for this part of the time have no moment to spare; the rest they look for new work.
const BUSY: f64 = 0.95;

/// Looked after for as long as somebody has it.
#[derive(Clone, Debug)]
pub(crate) struct Ceiling(Arc<Count>);

#[derive(Debug)]
struct Count {
    ceiling: AtomicUsize,
    /// How many requests were done.
    done: AtomicU64,
}

impl Ceiling {
    /// One that comes down from `most` when requests would wait for longer than `bearable`.
    pub(crate) fn watch(places: &Arc<Semaphore>, most: usize, bearable: Duration) -> Self {
        let count = Arc::new(Count { ceiling: AtomicUsize::new(most), done: AtomicU64::default() });
        tokio::spawn(look(Arc::downgrade(&count), Arc::clone(places), most, bearable));
        Self(count)
    }

    /// Where it is now.
    pub(crate) fn now(&self) -> usize {
        self.0.ceiling.load(Relaxed)
    }

    /// Another request is done.
    pub(crate) fn one_is_done(&self) {
        self.0.done.fetch_add(1, Relaxed);
    }
}

async fn look(count: Weak<Count>, places: Arc<Semaphore>, most: usize, bearable: Duration) {
    let metrics = Handle::current().metrics();
    let (mut then, mut busy, mut done) = (Instant::now(), busy_so_far(&metrics), 0);
    // How many are done in a second, of late.
    let mut rate = 0.0;
    loop {
        sleep(PAUSE).await;
        let Some(count) = count.upgrade() else { return };
        let (before, busy_before, done_before) = (then, busy, done);
        (then, busy, done) = (Instant::now(), busy_so_far(&metrics), count.done.load(Relaxed));
        let passed = (then - before).as_secs_f64();
        let spent = (busy - busy_before) / passed / metrics.num_workers() as f64;
        rate += ((done - done_before) as f64 / passed - rate) * RECENT;
        let ceiling = count.ceiling.load(Relaxed);
        let in_flight = most.saturating_sub(places.available_permits());
        let next = if spent > BUSY { lower(ceiling, in_flight, rate, bearable) } else { higher(ceiling) };
        count.ceiling.store(next.min(most), Relaxed);
    }
}

/// How long all threads together have been busy, in seconds.
fn busy_so_far(metrics: &RuntimeMetrics) -> f64 {
    (0..metrics.num_workers()).map(|worker| metrics.worker_total_busy_duration(worker).as_secs_f64()).sum()
}

/// Where nothing was done yet it is taken for granted that so many a second will be.
const SLOWEST: f64 = 1.0;

/// How much the last look counts among all.
const RECENT: f64 = 0.2;

/// As many as are done in the time that one may wait (Little's law); not far down at once, as one look may be wrong.
fn lower(ceiling: usize, in_flight: usize, rate: f64, bearable: Duration) -> usize {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count of requests, rounded down")]
    let enough = (rate.max(SLOWEST) * bearable.as_secs_f64()) as usize;
    enough.max(ceiling.min(in_flight.max(LEAST)) / 8 * 7).clamp(LEAST, ceiling.max(LEAST))
}

fn higher(ceiling: usize) -> usize {
    ceiling + ceiling / 32 + 1
}

#[cfg(test)]
mod tests {
    use tokio::{task::yield_now, time::timeout};

    use super::*;

    const BEARABLE: Duration = Duration::from_millis(20);

    #[test]
    fn it_comes_down_to_what_is_done_in_time() {
        assert_eq!(lower(1024, 1024, 0.0, BEARABLE), 896, "not far down at once");
        assert_eq!(lower(1024, 80, 1000.0, BEARABLE), 70, "below what is in flight");
        assert_eq!(lower(60, 80, 4000.0, BEARABLE), 60);
        assert_eq!(lower(100, 100, 4500.0, BEARABLE), 90);
        assert_eq!(lower(16, 16, 0.0, BEARABLE), LEAST);
        assert_eq!(lower(100, 100, 0.0, Duration::from_secs(3600)), 100, "whoever may wait for long may wait");
        assert_eq!((higher(16), higher(1024)), (17, 1057));
    }

    #[tokio::test]
    async fn it_stays_up_with_nothing_to_do() {
        let places = Arc::new(Semaphore::new(4));
        let ceiling = Ceiling::watch(&places, 4, Duration::from_secs(60));
        sleep(4 * PAUSE).await;
        assert_eq!(ceiling.now(), 4);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn it_comes_down_when_there_is_no_moment_to_spare() {
        let places = Arc::new(Semaphore::new(100));
        let _taken = places.acquire_many(50).await.unwrap();
        let ceiling = Ceiling::watch(&places, 100, BEARABLE);
        let busy = tokio::spawn(async {
            loop {
                // What blocks its thread is busy, as far as the runtime can see.
                std::thread::sleep(Duration::from_millis(1));
                yield_now().await;
            }
        });
        let limit = Duration::from_secs(20);
        timeout(limit, reaches(&ceiling, |ceiling| ceiling == LEAST)).await.unwrap();
        busy.abort();
        timeout(limit, reaches(&ceiling, |ceiling| ceiling == 100)).await.unwrap();
    }

    async fn reaches(ceiling: &Ceiling, there: impl Fn(usize) -> bool) {
        while !there(ceiling.now()) {
            sleep(PAUSE).await;
        }
    }
}
