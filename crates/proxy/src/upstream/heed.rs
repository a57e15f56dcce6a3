//! Does as an upstream asks that says when it wants to be called again (`Retry-After`): until then, calls are refused at
//! once with the time that is left. Nothing is slept through; how long to wait is the client's decision.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use http::StatusCode;
use interlingua_core::{Error, ErrorKind, Fault, Result, retry_after};
use tokio::time::Instant;

use super::guard::{Answer, Guard, Terms, seconds_until};

/// The longest that an upstream is left alone without asking again, whatever it said.
const LONGEST: Duration = Duration::from_secs(600);

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Heed(Mutex<Option<Wish>>);

/// When to call again, and which kind of trouble it was.
#[derive(Clone, Copy, Debug)]
struct Wish {
    until: Instant,
    kind: ErrorKind,
}

impl Heed {
    fn wish(&self) -> MutexGuard<'_, Option<Wish>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Guard for Heed {
    /// Whether the upstream knows the client as itself.
    type Pass = bool;

    /// What has begun is no exception: the upstream would refuse it, too.
    /// A limit of one credential is none of another.
    fn admit(&self, terms: &Terms) -> Result<bool> {
        let mut wish = self.wish();
        match *wish {
            Some(Wish { until, kind: ErrorKind::RateLimited })
                if until > Instant::now() && terms.is_known_as_itself =>
            {
                Ok(true)
            }
            Some(Wish { until, kind }) if until > Instant::now() => {
                let error = Error::new(kind, "the upstream wants to be left alone for now");
                Err(error.with_fault(Fault::Upstream).with_retry_after(Some(seconds_until(until))))
            }
            _ => {
                *wish = None;
                Ok(terms.is_known_as_itself)
            }
        }
    }

    fn learn(&self, is_known_as_itself: bool, result: Result<&dyn Answer, &Error>) {
        let Ok(answer) = result else { return };
        let kind = match answer.status() {
            StatusCode::TOO_MANY_REQUESTS if is_known_as_itself => return,
            StatusCode::TOO_MANY_REQUESTS => ErrorKind::RateLimited,
            StatusCode::SERVICE_UNAVAILABLE => ErrorKind::Overloaded,
            _ => return,
        };
        let Some(delay) = retry_after(answer.headers()) else { return };
        let until = Instant::now() + delay.min(LONGEST);
        let mut wish = self.wish();
        if wish.is_none_or(|wish| wish.until < until) {
            *wish = Some(Wish { until, kind });
        }
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderValue, header::RETRY_AFTER};
    use interlingua_core::Reply;
    use tokio::time::advance;

    use super::*;
    use crate::upstream::guard::tests::read;

    fn hears(heed: &Heed, status: StatusCode, value: &'static str) {
        let headers = HeaderMap::from_iter([(RETRY_AFTER, HeaderValue::from_static(value))]);
        heed.learn(false, Ok(&Reply { headers, ..Reply::new(status, "") }));
    }

    #[tokio::test(start_paused = true)]
    async fn it_waits_as_long_as_it_was_told_and_tells_how_long_that_is() {
        let heed = Heed::default();
        hears(&heed, StatusCode::TOO_MANY_REQUESTS, "7");
        hears(&heed, StatusCode::SERVICE_UNAVAILABLE, "2");
        advance(Duration::from_millis(1500)).await;
        let error = heed.admit(&Terms { begun: true, ..read() }).unwrap_err();
        assert_eq!((error.kind(), error.retry_after()), (ErrorKind::RateLimited, Some(Duration::from_secs(6))));
        advance(Duration::from_millis(5500)).await;
        heed.admit(&read()).unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn a_limit_of_one_credential_is_none_of_another() {
        let heed = Heed::default();
        let own = Terms { is_known_as_itself: true, ..read() };
        let headers = HeaderMap::from_iter([(RETRY_AFTER, HeaderValue::from_static("7"))]);
        heed.learn(true, Ok(&Reply { headers, ..Reply::new(StatusCode::TOO_MANY_REQUESTS, "") }));
        heed.admit(&read()).unwrap();
        hears(&heed, StatusCode::TOO_MANY_REQUESTS, "7");
        heed.admit(&own).unwrap();
        assert!(heed.admit(&read()).is_err());
        hears(&heed, StatusCode::SERVICE_UNAVAILABLE, "9");
        assert!(heed.admit(&own).is_err(), "who has too much to do has it for all");
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_is_waited_for_for_ever() {
        let heed = Heed::default();
        hears(&heed, StatusCode::SERVICE_UNAVAILABLE, "99999999999");
        assert_eq!(heed.admit(&read()).unwrap_err().kind(), ErrorKind::Overloaded);
        advance(LONGEST).await;
        heed.admit(&read()).unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn only_a_delay_beside_a_refusal_counts() {
        let heed = Heed::default();
        hears(&heed, StatusCode::OK, "7");
        hears(&heed, StatusCode::NOT_FOUND, "7");
        hears(&heed, StatusCode::TOO_MANY_REQUESTS, "soon");
        hears(&heed, StatusCode::TOO_MANY_REQUESTS, "0");
        heed.admit(&read()).unwrap();
    }
}
