//! Leaves an upstream alone for a while when it fails again and again: a circuit breaker, one for reads and one for
//! writes, as one of them may work while the other does not.
//!
//! Closed, it lets every call go on and counts failures in a row. When there are too many it opens, and refuses. After
//! the pause it is half open: one call goes on as a probe, and by what comes of that it closes or opens again.
//!
//! A failure is a sign that the server cannot work: it cannot be reached, breaks connections, takes too long, or says so
//! (5xx). What it refuses is work done: 4xx, a rate limit among it, and 501. Our own refusals say nothing about it, nor does
//! a call whose time was over before it began.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use http::StatusCode;
use interlingua_core::{Access, Effect, Error, ErrorKind, Fault, Result};
use tokio::time::Instant;

use super::guard::{Answer, Guard, Terms, seconds_until};
use crate::config::Breaker as Fuse;

/// See the module.
#[derive(Debug)]
pub(crate) struct Breaker {
    reads: Arc<Circuit>,
    writes: Arc<Circuit>,
}

#[derive(Debug)]
struct Circuit {
    fuse: Fuse,
    state: Mutex<State>,
}

/// What a breaker does with calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// They go on; so many have failed in a row.
    Closed { failures: u32 },
    /// They are refused until then.
    Open { until: Instant },
    /// One has gone on as a probe, and the others are refused.
    HalfOpen,
}

/// A call that was let go on.
#[derive(Debug)]
pub(crate) struct Pass {
    circuit: Arc<Circuit>,
    role: Role,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    /// Its success or failure counts while the circuit is closed.
    Call,
    /// It decides whether the circuit closes again.
    Probe,
}

impl Breaker {
    pub(crate) fn new(fuse: Fuse) -> Self {
        let circuit = || Arc::new(Circuit { fuse, state: Mutex::new(State::Closed { failures: 0 }) });
        Self { reads: circuit(), writes: circuit() }
    }

    /// What it does with calls of this class.
    pub(crate) fn state(&self, access: Access) -> State {
        *self.circuit(access).state()
    }

    fn circuit(&self, access: Access) -> &Arc<Circuit> {
        match access {
            Access::Read => &self.reads,
            Access::Write => &self.writes,
        }
    }
}

impl Guard for Breaker {
    type Pass = Pass;

    fn admit(&self, terms: &Terms) -> Result<Pass> {
        let circuit = self.circuit(terms.access);
        let role = circuit.role(terms)?;
        Ok(Pass { circuit: Arc::clone(circuit), role })
    }

    fn learn(&self, mut pass: Pass, result: Result<&dyn Answer, &Error>) {
        let failed = match result {
            Ok(answer) => answer.status().is_server_error() && answer.status() != StatusCode::NOT_IMPLEMENTED,
            Err(error) => match (error.kind(), error.effect()) {
                (ErrorKind::Unavailable | ErrorKind::BadReply, _) | (ErrorKind::Timeout, Effect::Unknown) => true,
                // It is not the upstream that failed; a probe is given back when the pass is dropped.
                _ => return,
            },
        };
        pass.circuit.learn(pass.role, failed);
        pass.role = Role::Call;
    }
}

impl Circuit {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn role(&self, terms: &Terms) -> Result<Role> {
        let mut state = self.state();
        let again = match *state {
            State::Closed { .. } => return Ok(Role::Call),
            State::Open { until } if until <= Instant::now() => {
                *state = State::HalfOpen;
                return Ok(Role::Probe);
            }
            _ if terms.begun => return Ok(Role::Call),
            State::Open { until } => seconds_until(until),
            State::HalfOpen => Duration::from_secs(1),
        };
        let error = Error::new(ErrorKind::Overloaded, "the upstream has failed again and again, and is left alone");
        Err(error.with_fault(Fault::Upstream).with_retry_after(Some(again)))
    }

    fn learn(&self, role: Role, failed: bool) {
        let mut state = self.state();
        let failures = match (*state, role) {
            (State::Closed { failures }, _) if failed => failures + 1,
            (State::HalfOpen, Role::Probe) if failed => self.fuse.failures.get(),
            (State::Closed { .. }, _) | (State::HalfOpen, Role::Probe) => 0,
            // Of a call from before the circuit opened nothing is learnt about now.
            _ => return,
        };
        *state = if failures >= self.fuse.failures.get() {
            State::Open { until: Instant::now() + self.fuse.pause }
        } else {
            State::Closed { failures }
        };
    }
}

impl Drop for Pass {
    /// A probe of which nothing was learnt leaves its place to the next.
    fn drop(&mut self) {
        let mut state = self.circuit.state();
        if (self.role, *state) == (Role::Probe, State::HalfOpen) {
            *state = State::Open { until: Instant::now() };
        }
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use interlingua_core::Reply;
    use tokio::time::advance;

    use super::*;
    use crate::upstream::guard::tests::{read, write};

    const FUSE: Fuse = Fuse { failures: NonZeroU32::new(3).unwrap(), pause: Duration::from_secs(5) };

    /// What becomes of calls, in order: `.` goes well, `x` fails, `4` is refused by the upstream, `o` by us further down,
    /// `t` has no time, `?` is given up, `!` is refused here, `s` is a second.
    async fn check(script: &str) {
        let breaker = Breaker::new(FUSE);
        for (index, step) in script.chars().enumerate() {
            let reply = |status: StatusCode| Reply::new(status, "");
            let overloaded = Error::new(ErrorKind::Overloaded, "");
            let no_time = Error::new(ErrorKind::Timeout, "");
            match (step, breaker.admit(&read())) {
                ('s', passed) => {
                    drop(passed);
                    advance(Duration::from_secs(1)).await;
                }
                ('!', Err(error)) => assert_eq!(error.kind(), ErrorKind::Overloaded),
                ('?', Ok(pass)) => drop(pass),
                ('.', Ok(pass)) => breaker.learn(pass, Ok(&reply(StatusCode::OK))),
                ('4', Ok(pass)) => breaker.learn(pass, Ok(&reply(StatusCode::TOO_MANY_REQUESTS))),
                ('x', Ok(pass)) => breaker.learn(pass, Ok(&reply(StatusCode::INTERNAL_SERVER_ERROR))),
                ('o', Ok(pass)) => breaker.learn(pass, Err(&overloaded)),
                ('t', Ok(pass)) => breaker.learn(pass, Err(&no_time)),
                (_, passed) => panic!("at {index} of {script}: {passed:?}"),
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn failures_in_a_row_open_it_and_a_probe_closes_it() {
        check("xx.xx.xx4xx.").await;
        check("xxx!!ssss!!s.xx.").await;
        check("xxx!sssssx!ssss!s.x").await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_probe_that_tells_nothing_leaves_its_place() {
        check("xxxsssss?o?tx!").await;
        check("xxootx!").await;
    }

    #[tokio::test(start_paused = true)]
    async fn no_answer_is_a_failure() {
        let breaker = Breaker::new(FUSE);
        for kind in [ErrorKind::Unavailable, ErrorKind::Timeout, ErrorKind::BadReply] {
            let pass = breaker.admit(&read()).unwrap();
            breaker.learn(pass, Err(&Error::new(kind, "").with_effect(Effect::Unknown)));
        }
        let refused = breaker.admit(&read()).unwrap_err();
        assert_eq!(refused.retry_after(), Some(FUSE.pause));
        assert_eq!(breaker.state(Access::Write), State::Closed { failures: 0 });
        breaker.admit(&write()).unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn one_probe_at_a_time_and_what_has_begun_goes_on() {
        let breaker = Breaker::new(FUSE);
        let late = breaker.admit(&read()).unwrap();
        for _ in 0..3 {
            let pass = breaker.admit(&read()).unwrap();
            breaker.learn(pass, Err(&Error::new(ErrorKind::Unavailable, "")));
        }
        breaker.learn(late, Ok(&Reply::new(StatusCode::OK, "")));
        assert!(matches!(breaker.state(Access::Read), State::Open { .. }), "an old answer says nothing about now");
        breaker.admit(&Terms { begun: true, ..read() }).unwrap();
        advance(FUSE.pause).await;
        let probe = breaker.admit(&read()).unwrap();
        assert!(breaker.admit(&read()).is_err());
        breaker.learn(probe, Ok(&Reply::new(StatusCode::OK, "")));
        assert_eq!(breaker.state(Access::Read), State::Closed { failures: 0 });
    }
}
