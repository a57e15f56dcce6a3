//! Shares among the clients what a vendor allows, such as a thousand calls in five minutes for one token, so that one
//! client that has much to do does not leave the others with nothing.
//!
//! How much is left, and until when, the vendor says in headers, where its dialect has them; whoever else has the token
//! is then reckoned with. Until it says so, or where it never does, what is configured counts. Without either, there is
//! nothing to share.
//!
//! **The rule.** A window is as long as the vendor's. A *share* is what is allowed, divided by the clients that have
//! called in this window and one more, who may still come. Within its share a client calls as it likes. Beyond it, it
//! calls as long as more is left than a *reserve*: one share at the beginning of the window, and less and less until, at
//! its end, it is nothing. So a client that is alone can use all there is, half of it at once and the rest by and by; and
//! whoever comes later finds something.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime},
};

use http::HeaderMap;
use interlingua_core::{Effect, Error, ErrorKind, RateHeaders, Result};
use tokio::time::Instant;

use super::guard::{Answer, Guard, Terms, seconds_until};
use crate::config::Rate;

/// What a vendor says of a window that is longer than this is not believed: its clock is another one, or ours is wrong.
const LONGEST: Duration = Duration::from_secs(3600);

/// How far two answers about one window may differ in when it ends; clocks are read in whole seconds.
const TOLERANCE: Duration = Duration::from_secs(2);

/// See the module.
#[derive(Debug)]
pub(crate) struct Share {
    headers: Option<RateHeaders>,
    configured: Option<Rate>,
    window: Mutex<Option<Window>>,
}

/// What is allowed for a time.
#[derive(Debug)]
struct Window {
    start: Instant,
    end: Instant,
    limit: u64,
    left: u64,
    /// Whether the vendor has not told yet.
    guessed: bool,
    /// How much of it each client used. Clients stand in the configuration, so there are not too many.
    used: HashMap<Arc<str>, u64>,
}

/// What a vendor said.
#[derive(Clone, Copy, Debug)]
struct Said {
    limit: u64,
    left: u64,
    end: Instant,
}

impl Share {
    pub(crate) fn new(headers: Option<RateHeaders>, configured: Option<Rate>) -> Self {
        Self { headers, configured, window: Mutex::default() }
    }

    /// How many calls are left, where anybody knows.
    pub(crate) fn left(&self) -> Option<u64> {
        self.present().as_ref().map(|window| window.left)
    }

    /// The window that is open now.
    fn present(&self) -> MutexGuard<'_, Option<Window>> {
        let now = Instant::now();
        let mut window = self.window.lock().unwrap_or_else(PoisonError::into_inner);
        if window.as_ref().is_none_or(|window| window.end <= now) {
            *window = self.configured.map(|rate| Window::new(now, now + rate.per, u64::from(rate.calls.get())));
        }
        window
    }
}

impl Guard for Share {
    /// Whose call it is; nobody's who has a credential of its own, and shares it with nobody.
    type Pass = Option<Arc<str>>;

    fn admit(&self, terms: &Terms) -> Result<Self::Pass> {
        if terms.is_known_as_itself {
            return Ok(None);
        }
        if let Some(window) = &mut *self.present() {
            if !terms.begun {
                window.allows(&terms.client)?;
            }
            window.left = window.left.saturating_sub(1);
            *window.used.entry(Arc::clone(&terms.client)).or_default() += 1;
        }
        Ok(Some(Arc::clone(&terms.client)))
    }

    fn learn(&self, client: Self::Pass, result: Result<&dyn Answer, &Error>) {
        let Some(client) = client else { return };
        match (result, self.headers) {
            (Ok(answer), Some(headers)) => {
                if let Some(said) = said(answer.headers(), headers) {
                    hear(&mut self.present(), said);
                }
            }
            (Err(error), _) if error.effect() == Effect::NothingSent => {
                if let Some(window) = &mut *self.present() {
                    window.give_back(&client);
                }
            }
            _ => {}
        }
    }
}

impl Window {
    fn new(start: Instant, end: Instant, limit: u64) -> Self {
        Self { start, end, limit, left: limit, guessed: true, used: HashMap::new() }
    }

    fn allows(&self, client: &str) -> Result<()> {
        let refused = |message, again| {
            Err(Error::new(ErrorKind::RateLimited, message).with_retry_after(Some(seconds_until(again))))
        };
        if self.left == 0 {
            return refused("what the upstream allows is used up", self.end);
        }
        let used = self.used.get(client).copied();
        let others = self.used.len() as u64 - u64::from(used.is_some());
        let share = (self.limit / (others + 2)).max(1);
        let enough = self.when_reserved(share, self.left);
        if used.unwrap_or_default() < share || enough <= Instant::now() {
            return Ok(());
        }
        refused("the client has used its share of what the upstream allows", enough)
    }

    /// When the reserve, which is `share` at the beginning and nothing at the end, is down to less than `left`.
    fn when_reserved(&self, share: u64, left: u64) -> Instant {
        let length = self.end.saturating_duration_since(self.start);
        // The whole of the reserve is needed for `length`, and so much of it for so much of that.
        let remaining = length.mul_f64((left.saturating_sub(1) as f64 / share as f64).min(1.0));
        self.end - remaining
    }

    fn give_back(&mut self, client: &str) {
        self.left = self.limit.min(self.left + 1);
        if let Some(used) = self.used.get_mut(client) {
            *used = used.saturating_sub(1);
        }
    }
}

/// Believes what the vendor said.
fn hear(window: &mut Option<Window>, said: Said) {
    match window {
        Some(known) if !known.guessed && known.end.max(said.end) - known.end.min(said.end) <= TOLERANCE => {
            // An answer does not know of the calls that left after its own: what we counted may be less.
            known.left = known.left.min(said.left);
            known.limit = said.limit;
        }
        // An answer of an earlier window.
        Some(known) if !known.guessed && said.end < known.end => {}
        _ => {
            let guessed = window.take().filter(|known| known.guessed);
            let used = guessed.map(|known| known.used).unwrap_or_default();
            let fresh = Window::new(Instant::now(), said.end, said.limit);
            *window = Some(Window { left: said.left, guessed: false, used, ..fresh });
        }
    }
}

/// What an answer's headers say, if they say all of it.
fn said(headers: &HeaderMap, names: RateHeaders) -> Option<Said> {
    let number = |name: &str| headers.get(name)?.to_str().ok()?.trim().parse::<u64>().ok();
    let (limit, left, reset) = (number(names.limit)?, number(names.remaining)?, number(names.reset)?);
    let since_1970 = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).ok()?;
    let remaining = Duration::from_secs(reset).checked_sub(since_1970)?;
    (remaining <= LONGEST && limit > 0).then(|| Said { limit, left, end: Instant::now() + remaining })
}

#[cfg(test)]
mod tests {
    use http::{HeaderValue, StatusCode};
    use interlingua_core::Reply;
    use tokio::time::advance;

    use super::*;
    use crate::upstream::guard::tests::read;

    const NAMES: RateHeaders = RateHeaders { limit: "x-limit", remaining: "x-remaining", reset: "x-reset" };
    const MINUTE: Duration = Duration::from_secs(60);

    fn a_hundred_a_minute() -> Share {
        Share::new(Some(NAMES), Some(Rate { calls: 100.try_into().unwrap(), per: MINUTE }))
    }

    fn of(client: &str) -> Terms {
        Terms { client: client.into(), ..read() }
    }

    /// How many of so many calls go on.
    fn goes_on(share: &Share, client: &str, calls: usize) -> usize {
        (0..calls).filter(|_| share.admit(&of(client)).is_ok()).count()
    }

    fn answer(limit: u64, left: u64, seconds: u64) -> Reply {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
        let values = [("x-limit", limit), ("x-remaining", left), ("x-reset", now + seconds)];
        let headers = values.map(|(name, value)| (http::HeaderName::from_static(name), HeaderValue::from(value)));
        Reply { headers: HeaderMap::from_iter(headers), ..Reply::new(StatusCode::OK, "") }
    }

    #[tokio::test(start_paused = true)]
    async fn where_nothing_is_known_nothing_is_shared() {
        let share = Share::new(None, None);
        assert_eq!((goes_on(&share, "bulk", 1000), share.left()), (1000, None));
    }

    #[tokio::test(start_paused = true)]
    async fn who_is_alone_uses_half_at_once_and_the_rest_by_and_by() {
        let share = a_hundred_a_minute();
        assert_eq!(goes_on(&share, "bulk", 1000), 50);
        let error = share.admit(&of("bulk")).unwrap_err();
        assert_eq!((error.kind(), error.effect()), (ErrorKind::RateLimited, Effect::NothingSent));
        let mut later = 0;
        for _ in 0..59 {
            advance(Duration::from_secs(1)).await;
            later += goes_on(&share, "bulk", 1000);
        }
        assert!((45..=50).contains(&later), "{later}");
        advance(Duration::from_secs(1)).await;
        assert_eq!(goes_on(&share, "bulk", 1000), 50, "a new window");
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_as_long_as_it_is_told_goes_on() {
        let share = a_hundred_a_minute();
        for _ in 0..60 {
            while let Ok(client) = share.admit(&of("bulk")) {
                drop(client);
            }
            let delay = share.admit(&of("bulk")).unwrap_err().retry_after().unwrap();
            advance(delay).await;
            share.admit(&of("bulk")).unwrap();
        }
    }

    #[tokio::test(start_paused = true)]
    async fn who_comes_later_finds_something() {
        let share = a_hundred_a_minute();
        goes_on(&share, "bulk", 1000);
        assert_eq!(goes_on(&share, "desk", 20), 20);
        assert_eq!(goes_on(&share, "bulk", 1000), 0);
        assert_eq!(goes_on(&share, "third", 1000), 25);
        assert_eq!(goes_on(&share, "desk", 1000), 5, "the share of two who were there, and one who may come");
        assert_eq!(share.left(), Some(0));
        let error = share.admit(&of("fourth")).unwrap_err();
        assert_eq!(error.retry_after(), Some(MINUTE));
        share.admit(&Terms { begun: true, ..of("bulk") }).unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn the_vendor_knows_better() {
        let share = a_hundred_a_minute();
        let client = share.admit(&of("desk")).unwrap();
        share.learn(client.clone(), Ok(&answer(1000, 7, 30)));
        assert_eq!(share.left(), Some(7), "others have the same token");
        share.admit(&of("desk")).unwrap();
        share.learn(client.clone(), Ok(&answer(1000, 7, 30)));
        assert_eq!(share.left(), Some(6), "an answer does not know of the call that is under way");
        share.learn(client.clone(), Ok(&answer(1000, 900, 10)));
        assert_eq!(share.left(), Some(6), "an answer of an earlier window");
        share.learn(client, Ok(&answer(1000, 900, 330)));
        assert_eq!(share.left(), Some(900), "a new window");
    }

    #[tokio::test(start_paused = true)]
    async fn what_makes_no_sense_is_not_believed() {
        let share = a_hundred_a_minute();
        let client = share.admit(&of("desk")).unwrap();
        for odd in [answer(0, 0, 30), answer(10, 0, 1_000_000), Reply::new(StatusCode::OK, "")] {
            share.learn(client.clone(), Ok(&odd));
        }
        let mut past = answer(10, 0, 0);
        past.headers.insert("x-reset", HeaderValue::from_static("1774476900"));
        share.learn(client, Ok(&past));
        assert_eq!(share.left(), Some(99));
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_has_a_credential_of_its_own_shares_it_with_nobody() {
        let share = a_hundred_a_minute();
        let own = Terms { is_known_as_itself: true, ..of("bulk") };
        for _ in 0..1000 {
            let pass = share.admit(&own).unwrap();
            share.learn(pass, Ok(&answer(1000, 7, 30)));
        }
        assert_eq!(share.left(), Some(100));
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_not_sent_was_not_used() {
        let share = a_hundred_a_minute();
        let client = share.admit(&of("desk")).unwrap();
        share.learn(client, Err(&Error::new(ErrorKind::Unavailable, "")));
        assert_eq!(share.left(), Some(100));
        let client = share.admit(&of("desk")).unwrap();
        share.learn(client, Err(&Error::new(ErrorKind::Timeout, "").with_effect(Effect::Unknown)));
        assert_eq!(share.left(), Some(99));
    }
}
