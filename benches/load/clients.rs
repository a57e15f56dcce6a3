//! Clients that ask again and again, as soon as they are answered or as often as they are told.

use std::{
    fmt,
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt},
    net::TcpStream,
    sync::Semaphore,
    task::JoinSet,
    time::{MissedTickBehavior, interval, sleep, timeout},
};

use crate::vendor::read;

/// More than the gateway works on at once, and as good as all that it takes from one address.
const MOST: usize = 2400;

/// Whoever has no answer by then has given up.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// What is asked, and where.
#[derive(Clone)]
pub(crate) struct Clients {
    address: SocketAddr,
    request: Arc<str>,
}

/// What came of a round.
#[derive(Default)]
pub(crate) struct Round {
    length: Duration,
    answered: Vec<Duration>,
    refused: Vec<Duration>,
    /// Without an answer, or with another one.
    failed: usize,
    /// For which there was no client left.
    unsent: usize,
    /// Refusals that do not say when to come back.
    silent: usize,
}

impl Clients {
    pub(crate) fn new(address: SocketAddr, request: &str, body: &str) -> Self {
        let head = format!(
            "{request} HTTP/1.1\r\nhost: x\r\nx-api-key: sandbox-ecgrid-key\r\ncontent-type: application/json\r\n"
        );
        let request = format!("{head}content-length: {}\r\n\r\n{body}", body.len());
        Self { address, request: request.into() }
    }

    /// So many clients, each of which asks as soon as it is answered.
    pub(crate) async fn closed(&self, number: usize, length: Duration) -> Round {
        let turns = Arc::new(Semaphore::new(Semaphore::MAX_PERMITS));
        let schedule = async {
            sleep(length).await;
            0
        };
        self.round(number, length, turns, schedule).await
    }

    /// So many requests a second, however slowly they are answered.
    pub(crate) async fn open(&self, rate: f64, length: Duration) -> Round {
        let turns = Arc::new(Semaphore::new(0));
        let giving = Arc::clone(&turns);
        self.round(MOST, length, turns, async move { hand_out(&giving, rate, length).await }).await
    }

    async fn round(
        &self,
        number: usize,
        length: Duration,
        turns: Arc<Semaphore>,
        schedule: impl Future<Output = usize>,
    ) -> Round {
        let end = Instant::now() + length;
        let mut asking = JoinSet::new();
        for _ in 0..number {
            asking.spawn(self.clone().ask(end, Arc::clone(&turns)));
        }
        let unsent = schedule.await;
        turns.close();
        let mut all = Round { length, unsent, ..Round::default() };
        for one in asking.join_all().await {
            all.answered.extend(one.answered);
            all.refused.extend(one.refused);
            all.failed += one.failed;
            all.silent += one.silent;
        }
        all
    }

    async fn ask(self, end: Instant, turns: Arc<Semaphore>) -> Round {
        let mut round = Round::default();
        let mut stream = None;
        let mut buffer = Vec::with_capacity(4096);
        while Instant::now() < end {
            let Ok(turn) = turns.acquire().await else { break };
            turn.forget();
            let start = Instant::now();
            let open = match stream.take() {
                Some(open) => open,
                None => match TcpStream::connect(self.address).await {
                    Ok(open) => open,
                    Err(_) => {
                        round.failed += 1;
                        continue;
                    }
                },
            };
            match timeout(PATIENCE, exchange(open, &self.request, &mut buffer)).await {
                Ok(Some(open)) if buffer.starts_with(b"HTTP/1.1 200") => {
                    round.answered.push(start.elapsed());
                    stream = Some(open);
                }
                Ok(Some(open)) if buffer.starts_with(b"HTTP/1.1 503") => {
                    round.refused.push(start.elapsed());
                    round.silent += usize::from(!String::from_utf8_lossy(&buffer).contains("\r\nretry-after: "));
                    stream = Some(open);
                }
                _ => round.failed += 1,
            }
        }
        round
    }
}

/// Hands out so many turns a second; how many of them nobody took.
pub(crate) async fn hand_out(turns: &Semaphore, rate: f64, length: Duration) -> usize {
    let start = Instant::now();
    let mut tick = interval(Duration::from_millis(2));
    tick.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let (mut given, mut unsent) = (0_u64, 0);
    while start.elapsed() < length {
        tick.tick().await;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count of requests")]
        let due = (start.elapsed().as_secs_f64() * rate) as u64;
        let more = usize::try_from(due - given).unwrap();
        given = due;
        // Turns that nobody has taken are of clients that are all waiting.
        let missed = turns.forget_permits(usize::MAX);
        unsent += missed;
        turns.add_permits(more);
    }
    unsent
}

/// Sends a request and reads the answer; the connection, if that came.
pub(crate) async fn exchange<S: AsyncRead + AsyncWrite + Unpin>(
    mut stream: S,
    request: &str,
    answer: &mut Vec<u8>,
) -> Option<S> {
    stream.write_all(request.as_bytes()).await.ok()?;
    stream.flush().await.ok()?;
    read(&mut stream, answer).await?;
    Some(stream)
}

impl Round {
    /// Whether every request had its answer.
    pub(crate) fn is_clean(&self) -> bool {
        self.refused.is_empty() && self.failed == 0 && !self.answered.is_empty()
    }

    /// How long an answer takes at this percentile, in microseconds.
    pub(crate) fn latency(&self, percent: usize) -> f64 {
        Quantiles(&self.answered).at(percent).as_secs_f64() * 1e6
    }

    pub(crate) fn answers(&self) -> f64 {
        self.answered.len() as f64
    }

    /// Answers a second that were what was asked for.
    pub(crate) fn goodput(&self) -> f64 {
        self.answers() / self.length.as_secs_f64()
    }
}

impl fmt::Display for Round {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.0}/s answered in {}", self.goodput(), Quantiles(&self.answered))?;
        let refused = self.refused.len() as f64 / self.length.as_secs_f64();
        write!(f, ", {refused:.0}/s refused in {}", Quantiles(&self.refused))?;
        write!(f, ", {} failed, {} not sent, {} without Retry-After", self.failed, self.unsent, self.silent)
    }
}

/// Half of them and nearly all, in milliseconds.
struct Quantiles<'a>(&'a [Duration]);

impl Quantiles<'_> {
    fn at(&self, percent: usize) -> Duration {
        let mut sorted = self.0.to_vec();
        sorted.sort_unstable();
        let last = sorted.len().saturating_sub(1);
        sorted.get((sorted.len() * percent / 100).min(last)).copied().unwrap_or_default()
    }
}

impl fmt::Display for Quantiles<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = |percent| self.at(percent).as_secs_f64() * 1000.0;
        write!(f, "{:.1}/{:.1} ms (p50/p99)", ms(50), ms(99))
    }
}
