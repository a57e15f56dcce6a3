//! Tries again what may be tried again, a little later.
//!
//! A call that was not sent may be, whatever it is; one that was sent only if it can be repeated, and only after trouble
//! that passes: no answer, a broken connection, or 502, 503, 504. An upstream that says when it wants to be called again
//! is not called before, so its answer goes on to the client. Our own refusals stand: to come back is the client's
//! decision.
//!
//! All tries are within the time that the call has, and within a budget that all calls to an upstream have together: when
//! most of them fail, more calls would make it worse.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use http::StatusCode;
use interlingua_core::{Effect, Error, ErrorKind, Reply, Result};
use tokio::time::Sleep;
use tower::{
    retry::{
        Policy,
        backoff::{Backoff, ExponentialBackoff, ExponentialBackoffMaker, MakeBackoff},
        budget::{Budget, TpsBudget},
    },
    util::rng::Rng,
};

use super::guard::{Outgoing, Terms, Whole};

/// How long to wait before the second try; before each further one about twice as long, up to the longest.
const FIRST_WAIT: Duration = Duration::from_millis(50);
const LONGEST_WAIT: Duration = Duration::from_secs(1);
/// By which part of itself a wait may be longer or shorter, so that those who failed together do not come back together.
const JITTER: f64 = 0.5;

/// For how long a call that went well counts, how many further tries are free in every second, and which part of the
/// calls may be tried again beyond them.
const BUDGET: (Duration, u32, f32) = (Duration::from_secs(10), 2, 0.2);

/// What all calls to an upstream have in common.
#[derive(Debug)]
pub(crate) struct Tries {
    budget: TpsBudget,
    /// How many further tries there were.
    pub(crate) made: AtomicU64,
    /// How many were not made because the budget was used up.
    pub(crate) denied: AtomicU64,
}

impl Default for Tries {
    fn default() -> Self {
        let (memory, free, part) = BUDGET;
        Self { budget: TpsBudget::new(memory, free, part), made: AtomicU64::default(), denied: AtomicU64::default() }
    }
}

/// Chance. tower's own generator would give every call the same waits, as each has a copy of it.
#[derive(Clone, Copy, Debug)]
struct Dice;

impl Rng for Dice {
    fn next_u64(&mut self) -> u64 {
        rand::random()
    }
}

/// The policy of one call; see the module.
#[derive(Clone, Debug)]
pub(crate) struct Again {
    left: u32,
    wait: ExponentialBackoff<Dice>,
    tries: Arc<Tries>,
    /// Whether an earlier try may have been received.
    maybe_sent: bool,
}

impl Again {
    /// At most so many further tries.
    pub(crate) fn new(most: u32, tries: Arc<Tries>) -> Self {
        let mut waits = ExponentialBackoffMaker::new(FIRST_WAIT, LONGEST_WAIT, JITTER, Dice)
            .expect("the longest wait is longer than the first, and the jitter a part");
        Self { left: most, wait: waits.make_backoff(), tries, maybe_sent: false }
    }

    /// When the next try is due, if there is one.
    fn next(&mut self, terms: &Terms) -> Option<Sleep> {
        self.left = self.left.checked_sub(1)?;
        let wait = self.wait.next_backoff();
        if wait.deadline() >= terms.end {
            return None;
        }
        let allowed = self.tries.budget.withdraw();
        let counter = if allowed { &self.tries.made } else { &self.tries.denied };
        counter.fetch_add(1, Relaxed);
        allowed.then_some(wait)
    }
}

impl Policy<Outgoing<Whole>, Reply, Error> for Again {
    type Future = Sleep;

    fn retry(&mut self, outgoing: &mut Outgoing<Whole>, result: &mut Result<Reply>) -> Option<Sleep> {
        let failed = has_failed(result);
        if !failed {
            self.tries.budget.deposit();
        }
        let not_sent = result.as_ref().is_err_and(|error| error.effect() == Effect::NothingSent);
        let may_follow = not_sent || outgoing.terms.repeatable;
        let next = if failed && may_follow { self.next(&outgoing.terms) } else { None };
        if next.is_some() {
            self.maybe_sent |= !not_sent;
        } else if self.maybe_sent {
            match result {
                // That the last try was not sent does not make it so of those before.
                Err(error) => {
                    *error = Error::new(error.kind(), error.message().to_owned())
                        .with_effect(Effect::Unknown)
                        .with_retry_after(error.retry_after());
                }
                // Nor does that it was refused.
                Ok(reply) => reply.repeated = true,
            }
        }
        next
    }

    fn clone_request(&mut self, outgoing: &Outgoing<Whole>) -> Option<Outgoing<Whole>> {
        Some(outgoing.clone())
    }
}

/// Whether it is trouble that passes.
fn has_failed(result: &Result<Reply>) -> bool {
    match result {
        Ok(reply) => {
            matches!(
                reply.status,
                StatusCode::BAD_GATEWAY | StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT
            ) && !reply.headers.contains_key(http::header::RETRY_AFTER)
        }
        Err(error) => matches!(error.kind(), ErrorKind::Unavailable | ErrorKind::Timeout),
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::VecDeque, sync::Mutex};

    use http::{HeaderMap, HeaderValue, header::RETRY_AFTER};
    use tokio::time::Instant;
    use tower::{ServiceExt, retry::Retry, service_fn};

    use super::*;
    use crate::upstream::guard::tests::{read, write};

    fn unreachable() -> Result<Reply> {
        Err(Error::new(ErrorKind::Unavailable, "unreachable"))
    }

    fn timeout() -> Result<Reply> {
        Err(Error::new(ErrorKind::Timeout, "too long").with_effect(Effect::Unknown))
    }

    fn overloaded() -> Result<Reply> {
        Err(Error::new(ErrorKind::Overloaded, "breaker").with_retry_after(Some(Duration::from_secs(3))))
    }

    fn reply(status: u16) -> Result<Reply> {
        Ok(Reply::new(StatusCode::from_u16(status).unwrap(), ""))
    }

    /// What a call gets from an upstream that answers so, and how many tries that took.
    async fn run(terms: Terms, most: u32, answers: Vec<Result<Reply>>) -> (Result<Reply>, usize) {
        let answers = Mutex::new((0, VecDeque::from(answers)));
        let service = service_fn(|_: Outgoing<Whole>| {
            let mut answers = answers.lock().unwrap();
            answers.0 += 1;
            std::future::ready(answers.1.pop_front().expect("one try too many"))
        });
        let again = Again::new(most, Arc::default());
        let result = Retry::new(again, service).oneshot(Outgoing { request: Whole::default(), terms }).await;
        let tries = answers.lock().unwrap().0;
        (result, tries)
    }

    #[track_caller]
    fn check(found: &(Result<Reply>, usize), status: u16, tries: usize) {
        assert_eq!((found.0.as_ref().unwrap().status.as_u16(), found.1), (status, tries));
    }

    #[tokio::test(start_paused = true)]
    async fn a_read_is_tried_again_after_trouble_that_passes() {
        check(&run(read(), 2, vec![timeout(), unreachable(), reply(200)]).await, 200, 3);
        for status in [502, 503, 504] {
            check(&run(read(), 2, vec![reply(status), reply(404)]).await, 404, 2);
            check(&run(read(), 2, vec![reply(status), reply(status), reply(status)]).await, status, 3);
            check(&run(read(), 0, vec![reply(status)]).await, status, 1);
        }
        for status in [200, 400, 404, 408, 429, 500, 501] {
            check(&run(read(), 2, vec![reply(status)]).await, status, 1);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_write_is_tried_again_only_if_it_was_not_sent_or_can_be_repeated() {
        check(&run(write(), 2, vec![unreachable(), reply(200)]).await, 200, 2);
        check(&run(write(), 2, vec![unreachable(), reply(503)]).await, 503, 2);
        check(&run(write(), 2, vec![reply(503)]).await, 503, 1);
        let (result, tries) = run(write(), 2, vec![timeout()]).await;
        assert_eq!((result.unwrap_err().effect(), tries), (Effect::Unknown, 1));
        check(&run(Terms { repeatable: true, ..write() }, 2, vec![timeout(), reply(200)]).await, 200, 2);
    }

    #[tokio::test(start_paused = true)]
    async fn who_asks_to_wait_is_not_called_again() {
        let headers = HeaderMap::from_iter([(RETRY_AFTER, HeaderValue::from_static("1"))]);
        let busy = Reply { headers, ..reply(503).unwrap() };
        check(&run(read(), 2, vec![Ok(busy)]).await, 503, 1);
    }

    #[tokio::test(start_paused = true)]
    async fn what_may_have_been_sent_is_not_called_unsent_in_the_end() {
        let repeatable = || Terms { repeatable: true, ..write() };
        let (result, tries) = run(repeatable(), 2, vec![timeout(), overloaded()]).await;
        let error = result.unwrap_err();
        assert_eq!((error.kind(), error.effect(), tries), (ErrorKind::Overloaded, Effect::Unknown, 2));
        assert_eq!(error.retry_after(), Some(Duration::from_secs(3)));
        let (result, _) = run(write(), 2, vec![unreachable(), overloaded()]).await;
        assert_eq!(result.unwrap_err().effect(), Effect::NothingSent);
        let (result, _) = run(repeatable(), 2, vec![timeout(), reply(429)]).await;
        assert!(result.unwrap().repeated);
        let (result, _) = run(repeatable(), 2, vec![unreachable(), reply(429)]).await;
        assert!(!result.unwrap().repeated);
    }

    #[tokio::test(start_paused = true)]
    async fn no_try_begins_after_the_time_is_over() {
        let soon = Terms { end: Instant::now() + Duration::from_millis(10), ..read() };
        check(&run(soon, 2, vec![reply(503)]).await, 503, 1);
    }

    #[tokio::test(start_paused = true)]
    async fn when_everything_fails_the_budget_ends() {
        let tries = Arc::<Tries>::default();
        let mut again = (0..100).map(|_| Again::new(2, Arc::clone(&tries)));
        let mut made = 0;
        while again.next().is_some_and(|mut again| again.next(&read()).is_some()) {
            made += 1;
        }
        let (memory, free, _) = BUDGET;
        assert_eq!(made, memory.as_secs() * u64::from(free));
        assert_eq!((tries.made.load(Relaxed), tries.denied.load(Relaxed)), (made, 1));
    }
}
