//! The connections of clients: how many there may be, in all and from one address, and which have kept us waiting longest.
//!
//! A connection *works* while one of its requests is worked on. Otherwise it *waits* for its client: for the first byte,
//! the rest of a head or of a body, the next request, or for an answer to be taken. Two rules follow, and neither asks
//! what a client is slow at:
//!
//! - One that has waited for longer than clients may keep us waiting is closed.
//! - When there is no place for one more, the one that has waited longest gives up its own.
//!
//! So silent and slow clients, however many, keep nobody out; and as fewer requests are worked on than there are places,
//! there is always one that waits.

use std::{
    collections::{BTreeMap, HashMap},
    net::{IpAddr, Ipv6Addr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use http::Request;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use crate::rarely::Rarely;

/// A client that is late with a body gets an answer that says so. The connection is closed this much later.
const GRACE: Duration = Duration::from_secs(1);

/// What clients may do to connections.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience {
    /// How many there may be.
    pub(crate) connections: usize,
    /// And from one address.
    pub(crate) per_address: usize,
    /// How long one may wait for its client.
    pub(crate) wait: Duration,
}

/// All connections that are open.
#[derive(Debug)]
pub(crate) struct Connections {
    open: Mutex<Open>,
    refused: Rarely,
}

#[derive(Debug)]
struct Open {
    patience: Patience,
    members: HashMap<Id, Member>,
    /// How many there are from each address.
    addresses: HashMap<IpAddr, usize>,
    /// Those that wait, by the number of their turn; the longest first.
    waiting: BTreeMap<u64, Id>,
    /// How many turns and ids were given out.
    numbers: u64,
}

type Id = u64;

#[derive(Debug)]
struct Member {
    address: IpAddr,
    state: State,
    displaced: CancellationToken,
}

#[derive(Debug)]
enum State {
    Waiting { turn: u64, since: Instant },
    Working { requests: usize },
}

impl Connections {
    pub(crate) fn new(patience: Patience) -> Arc<Self> {
        let (members, addresses, waiting) = Default::default();
        let open = Open { patience, members, addresses, waiting, numbers: 0 };
        Arc::new(Self { open: Mutex::new(open), refused: Rarely::default() })
    }

    /// Lets clients do something else from now on. Where there are more than there may be now, none is closed for it.
    pub(crate) fn allow(&self, patience: Patience) {
        self.open().patience = patience;
    }

    /// A place for one more from `address`, if need be that of the one that has waited longest.
    ///
    /// `None`: the address has as many as it may have, or none waits.
    pub(crate) fn admit(self: &Arc<Self>, address: IpAddr) -> Option<Arc<Connection>> {
        let address = network(address);
        let displaced = CancellationToken::new();
        let id = self.open().admit(address, displaced.clone());
        if id.is_none()
            && let Some(refused) = self.refused.tell()
        {
            tracing::warn!(refused, "connections were refused: more than limits.connections(_per_address) allow");
        }
        Some(Arc::new(Connection { id: id?, address, displaced, all: Arc::clone(self) }))
    }

    /// Closes the connection that has waited longest.
    pub(crate) fn make_room(&self) {
        self.open().close_longest_waiting();
    }

    fn open(&self) -> MutexGuard<'_, Open> {
        // A panic leaves no invariant broken that matters more than to go on.
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Open {
    fn admit(&mut self, address: IpAddr, displaced: CancellationToken) -> Option<Id> {
        let patience = self.patience;
        if self.addresses.get(&address).is_some_and(|count| *count >= patience.per_address) {
            return None;
        }
        if self.members.len() >= patience.connections && !self.close_longest_waiting() {
            return None;
        }
        let (id, turn) = (self.number(), self.number());
        self.waiting.insert(turn, id);
        self.members.insert(id, Member { address, state: waiting(turn), displaced });
        *self.addresses.entry(address).or_default() += 1;
        Some(id)
    }

    fn close_longest_waiting(&mut self) -> bool {
        let Some((_, id)) = self.waiting.pop_first() else { return false };
        self.remove(id);
        true
    }

    /// Takes a connection out, which closes it if it is still there.
    fn remove(&mut self, id: Id) {
        let Some(member) = self.members.remove(&id) else { return };
        member.displaced.cancel();
        if let State::Waiting { turn, .. } = member.state {
            self.waiting.remove(&turn);
        }
        if let Some(count) = self.addresses.get_mut(&member.address) {
            *count -= 1;
            if *count == 0 {
                self.addresses.remove(&member.address);
            }
        }
    }

    fn number(&mut self) -> u64 {
        self.numbers += 1;
        self.numbers
    }

    fn update(&mut self, id: Id, next: impl FnOnce(&State) -> State) {
        let Some(member) = self.members.get_mut(&id) else { return };
        if let State::Waiting { turn, .. } = member.state {
            self.waiting.remove(&turn);
        }
        member.state = next(&member.state);
        if let State::Waiting { turn, .. } = member.state {
            self.waiting.insert(turn, id);
        }
    }
}

/// A place among the open connections, until it is dropped.
#[derive(Debug)]
pub(crate) struct Connection {
    id: Id,
    /// Where it comes from, as far as that counts as one address.
    pub(crate) address: IpAddr,
    displaced: CancellationToken,
    all: Arc<Connections>,
}

impl Connection {
    /// Where a request comes from, if it came over a connection.
    pub(crate) fn address_of<B>(request: &Request<B>) -> Option<IpAddr> {
        request.extensions().get::<Arc<Self>>().map(|connection| connection.address)
    }

    /// The head of a request has come: the client is there.
    pub(crate) fn is_heard(&self) {
        self.update(|state, turn| match state {
            State::Waiting { .. } => waiting(turn),
            State::Working { requests } => State::Working { requests: *requests },
        });
    }

    /// A request is worked on, until the guard is dropped.
    pub(crate) fn works(self: &Arc<Self>) -> Working {
        self.update(|state, _| match state {
            State::Waiting { .. } => State::Working { requests: 1 },
            State::Working { requests } => State::Working { requests: requests + 1 },
        });
        Working(Arc::clone(self))
    }

    /// Returns when another one needs the place.
    pub(crate) async fn is_displaced(&self) {
        self.displaced.cancelled().await;
    }

    /// Returns when the client has kept us waiting for too long.
    pub(crate) async fn is_overdue(&self) {
        let wait = self.all.open().patience.wait;
        self.has_waited(wait + GRACE).await;
    }

    /// Returns when the client has kept us waiting for so long.
    pub(crate) async fn has_waited(&self, limit: Duration) {
        loop {
            let since = self.waiting_since();
            let due = since.unwrap_or_else(Instant::now) + limit;
            if since.is_some() && due <= Instant::now() {
                return;
            }
            sleep_until(due).await;
        }
    }

    fn waiting_since(&self) -> Option<Instant> {
        match self.all.open().members.get(&self.id)?.state {
            State::Waiting { since, .. } => Some(since),
            State::Working { .. } => None,
        }
    }

    fn update(&self, next: impl FnOnce(&State, u64) -> State) {
        let mut open = self.all.open();
        let turn = open.number();
        open.update(self.id, |state| next(state, turn));
    }
}

fn waiting(turn: u64) -> State {
    State::Waiting { turn, since: Instant::now() }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.all.open().remove(self.id);
    }
}

/// A request that is worked on.
#[derive(Debug)]
pub(crate) struct Working(Arc<Connection>);

impl Drop for Working {
    fn drop(&mut self) {
        self.0.update(|state, turn| match state {
            State::Working { requests } if *requests > 1 => State::Working { requests: requests - 1 },
            _ => waiting(turn),
        });
    }
}

/// What counts as one address: of IPv6 the first 64 bits, as everybody has the others to choose from.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() >> 64 << 64)),
        address @ IpAddr::V4(_) => address,
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    const WAIT: Duration = Duration::from_secs(30);

    fn connections(connections: usize, per_address: usize) -> Arc<Connections> {
        Connections::new(Patience { connections, per_address, wait: WAIT })
    }

    fn address(last: u8) -> IpAddr {
        [192, 0, 2, last].into()
    }

    fn is_displaced(connection: &Connection) -> bool {
        connection.is_displaced().now_or_never().is_some()
    }

    #[tokio::test]
    async fn an_address_has_no_more_than_its_share() {
        let all = connections(10, 2);
        let first = all.admit(address(1)).unwrap();
        let _second = all.admit(address(1)).unwrap();
        assert!(all.admit(address(1)).is_none());
        assert!(all.admit("::ffff:192.0.2.1".parse().unwrap()).is_none(), "the same in IPv6's words");
        let _other = all.admit(address(2)).unwrap();
        drop(first);
        assert!(all.admit(address(1)).is_some());
        assert_eq!(network("2001:db8::1".parse().unwrap()), network("2001:db8::ffff:2".parse().unwrap()));
        assert_ne!(network("2001:db8::1".parse().unwrap()), network("2001:db8:0:1::1".parse().unwrap()));
    }

    #[tokio::test]
    async fn whoever_has_waited_longest_gives_up_its_place() {
        let all = connections(3, 3);
        let works = all.admit(address(1)).unwrap();
        let working = works.works();
        let waits = all.admit(address(2)).unwrap();
        let heard = all.admit(address(3)).unwrap();
        waits.is_heard();
        let fourth = all.admit(address(4)).unwrap();
        assert!(is_displaced(&heard) && !is_displaced(&waits) && !is_displaced(&works));
        drop(working);
        let _fifth = all.admit(address(5)).unwrap();
        assert!(is_displaced(&waits));
        drop((waits, heard));
        let _sixth = all.admit(address(6)).unwrap();
        assert!(is_displaced(&fourth) && !is_displaced(&works));
    }

    #[tokio::test]
    async fn where_all_work_nobody_is_admitted() {
        let all = connections(1, 1);
        let only = all.admit(address(1)).unwrap();
        let (first, second) = (only.works(), only.works());
        drop(first);
        assert!(all.admit(address(2)).is_none());
        drop(second);
        assert!(all.admit(address(2)).is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_may_keep_us_waiting_for_so_long() {
        let all = connections(1, 1);
        let connection = all.admit(address(1)).unwrap();
        let start = Instant::now();
        tokio::time::sleep(WAIT / 2).await;
        let working = connection.works();
        tokio::time::sleep(10 * WAIT).await;
        assert!(connection.is_overdue().now_or_never().is_none());
        drop(working);
        connection.is_overdue().await;
        assert_eq!(start.elapsed(), WAIT / 2 + 10 * WAIT + WAIT + GRACE);
    }
}
