//! Gateways that are killed (SIGKILL) in the middle of a write of three calls, and started again.
//!
//! A round sends one request, kills the gateway at a moment that its seed says, and starts it again over the same store.
//! Whatever the moment was: no write is done twice, none is done that the journal does not know of, and what was done
//! half is finished, taken back or told, as the configuration says.
//!
//! `INTERLINGUA_ROUNDS=500` makes it as many rounds.

use std::{
    collections::BTreeSet,
    net::SocketAddr,
    num::NonZeroU32,
    sync::Arc,
    time::{Duration, Instant},
};

use interlingua_links::{Ending, Entry, EntryFilter, EntryId, Links, Options, Shown, State, open};
use interlingua_sandbox::{self as sandbox, Server, directory, serve};
use serde_json::{Value, json};
use tempfile::{NamedTempFile, TempDir};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::sleep,
};

use crate::{
    PATIENCE, SANDBOX,
    client::Client,
    served::{Served, file, on_free_ports},
};

/// How many rounds there are where nobody says.
const ROUNDS: u64 = 45;
/// How many lanes of rounds run beside each other.
const LANES: u64 = 3;
/// So many rounds that chance has no part in it.
const MANY: u64 = 300;
/// What an entry says of a request that came to its end, and of one that was not begun.
const ALL_DONE: &str = "[Applied, Applied, Applied]";
const NONE_SENT: &str = "[NotSent, NotSent, NotSent]";
const LEASE: &str = "300ms";
const KEY: [u8; 32] = [7; 32];
const WAYS: [&str; 3] = ["report", "finish", "undo"];

/// The writes of the request at ECGrid.
const WRITES: [&str; 3] = ["/v2/users", "/v2/users/update-config", "/v2/users/role"];

/// Profile, configuration and role, in one request.
fn request() -> Value {
    json!({
        "name": "Jon Doe",
        "email": "jon.doe@example.com",
        "settings": {"notifications": {"email": true}},
        "memberships": [{"role": "user", "account": "/accounts/my_account"}],
    })
}

/// As many rounds as asked for; the moments at which gateways were killed are of all kinds.
pub(crate) async fn at_any_moment() {
    let rounds = std::env::var("INTERLINGUA_ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(ROUNDS);
    let lanes = (0..LANES).map(|lane| tokio::spawn(async move { Lane::new(lane).await.run(rounds).await }));
    let mut seen = BTreeSet::new();
    for lane in lanes.collect::<Vec<_>>() {
        seen.extend(lane.await.unwrap());
    }
    // A round that comes too early or too late proves nothing; most moments that there are must have been hit.
    let in_the_middle = seen.iter().filter(|states| ![ALL_DONE, NONE_SENT].contains(&states.as_str()));
    let least = if rounds < MANY { 1 } else { 4 };
    assert!(in_the_middle.count() >= least, "too few kinds of moments were hit: {seen:?}");
}

/// Rounds one after the other, in which what a crash has left is treated in one way.
struct Lane {
    number: u64,
    way: &'static str,
    ecgrid: Server,
    store: Arc<dyn Links>,
    config: NamedTempFile,
    folder: TempDir,
    last: Option<EntryId>,
}

impl Lane {
    async fn new(number: u64) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let way = WAYS[usize::try_from(number).unwrap() % WAYS.len()];
        let any: SocketAddr = ([127, 0, 0, 1], 0).into();
        let ecgrid = serve(any, sandbox::Ecgrid::new()).await.unwrap();
        let journal = format!(
            "[journal]\non_crash = \"{way}\"\nlease = \"{LEASE}\"\nkey = {{ file = \"{}\" }}\n",
            folder.path().join("key").display()
        );
        std::fs::write(folder.path().join("key"), "07".repeat(32)).unwrap();
        // What may still arrive is left alone for as long as a request may take, which must not be long here.
        let sandbox = SANDBOX.replace("dialect = \"ecgrid\"", "dialect = \"ecgrid\"\ntimeout = \"500ms\"");
        let limits = "[limits]\ndeadline = \"500ms\"\n";
        let config = file(&(on_free_ports(&sandbox, ecgrid.address(), ecgrid.address()) + limits + &journal));
        let address = format!("sqlite:{}", folder.path().join("links.db").display());
        let options = Options { cache: None, key: Some(KEY.into()), ..Options::default() };
        let store = open(&address.parse().unwrap(), &options).await.unwrap();
        Self { number, way, ecgrid, store, config, folder, last: None }
    }

    fn start(&self) -> Served {
        let store = format!("sqlite:{}", self.folder.path().join("links.db").display());
        Served::start(&self.config, &[("RUST_LOG", "info"), ("INTERLINGUA_LINKS__STORE", &store)])
    }

    /// The states in which writes were found.
    async fn run(mut self, rounds: u64) -> BTreeSet<String> {
        let mut seen = BTreeSet::new();
        let mut gateway = self.start();
        let started = Instant::now();
        assert_eq!(ask(gateway.addresses[0]).await, Some(200));
        let mut window = started.elapsed();
        self.last = self.entries().await.last().map(|entry| entry.id);
        for seed in (self.number..rounds).step_by(usize::try_from(LANES).unwrap()) {
            self.ecgrid.reset();
            self.ecgrid.clear_calls();
            let moment = window.mul_f64(moment(seed));
            let asked = tokio::spawn(ask(gateway.addresses[0]));
            sleep(moment).await;
            gateway.kill();
            let status = asked.await.unwrap();
            let left = self.left().await;
            let sent = self.writes();
            // How long it takes depends on what else the machine does.
            match (status, &left) {
                (Some(_), _) => window = window.mul_f64(0.85),
                (None, None) => window = window.mul_f64(1.1),
                (None, Some(_)) => {}
            }
            seen.extend(left.as_ref().map(|entry| format!("{:?}", entry.states)));
            gateway = self.start();
            let settled = self.settled(left.as_ref()).await;
            let about = format!("seed {seed}, {}, answered {status:?}, left {left:?}, sent {sent:?}", self.way);
            self.check(&about, status, &sent, settled.as_ref()).await;
            self.last = settled.map(|entry| entry.id).or(self.last);
        }
        let (code, log) = gateway.terminate();
        assert_eq!(code, Some(0), "{log}");
        seen
    }

    /// What must hold after the gateway is back, whenever it was killed.
    async fn check(&self, about: &str, status: Option<u16>, sent: &[String], settled: Option<&Entry>) {
        let now = self.writes();
        let Some(entry) = settled else {
            assert!(now.is_empty(), "written without a trace: {about}");
            return;
        };
        let user = Client::ecgrid(self.ecgrid.address(), directory::ECGRID_KEY).get("/v2/users/1042").await.at("/data");
        let is_changed = [
            user["email"] == "jon.doe@example.com",
            self.ecgrid.stored_config("1042") == Some(json!({"emailNotification": true})),
            user["authLevel"] == "MailboxUser",
        ];
        let about = format!("{about}, now {now:?} {:?} {is_changed:?}", entry.states);
        for (index, (state, is_changed)) in entry.states.iter().zip(is_changed).enumerate() {
            match state {
                State::Applied => assert!(is_changed, "{index} is told as applied, and is not: {about}"),
                State::NotSent | State::Undone => assert!(!is_changed, "{index} is told as not done, and is: {about}"),
                State::Refused => panic!("nothing is refused: {about}"),
                State::Sending | State::Unknown => {}
            }
        }
        for (index, write) in WRITES.iter().enumerate() {
            let times = |calls: &[String]| calls.iter().filter(|path| path == write).count();
            // What nobody can recognise is repeated where it may not have arrived: it sets what is to be.
            let may_repeat = index == 1;
            let most = match self.way {
                // Done, and taken back.
                "undo" if !may_repeat => 2,
                _ if may_repeat => 2,
                _ => 1,
            };
            assert!(times(&now) <= most, "{write} was sent too often: {about}");
        }
        if status == Some(200) {
            assert_eq!((is_changed, entry.states.as_slice()), ([true; 3], &[State::Applied; 3][..]), "{about}");
        }
        let ending = entry.closed.as_ref().map(|(_, ending, _)| *ending);
        match (self.way, ending) {
            (_, Some(Ending::Done)) => assert_eq!(is_changed, [true; 3], "{about}"),
            // Undone; or nothing was sent at all, and nobody sends it later.
            ("undo" | "finish", Some(Ending::Refused)) => assert_eq!(is_changed, [false; 3], "{about}"),
            // The configuration can be neither seen nor taken back: it is left to the operator, with all else undone.
            ("undo", None) => assert!(!is_changed[0] && !is_changed[2], "{about}"),
            ("report", None) => assert_eq!(now, sent, "something was sent that was only to be told: {about}"),
            other => panic!("{other:?}: {about}"),
        }
    }

    /// The paths of the writes that arrived.
    fn writes(&self) -> Vec<String> {
        let calls = self.ecgrid.calls();
        calls.iter().filter(|call| call.method != http::Method::GET).map(|call| call.path().to_owned()).collect()
    }

    async fn entries(&self) -> Vec<Entry> {
        let most = const { NonZeroU32::new(100).unwrap() };
        self.store.writes().entries(&EntryFilter::default(), self.last, most).await.unwrap().entries
    }

    /// The entry of the request, if there is one.
    async fn left(&self) -> Option<Entry> {
        // What was sent before the kill arrives.
        sleep(Duration::from_millis(20)).await;
        self.entries().await.pop()
    }

    /// The entry after the gateway has looked after it.
    async fn settled(&self, left: Option<&Entry>) -> Option<Entry> {
        let left = left?;
        let abandoned = EntryFilter { shown: Shown::Abandoned, ..EntryFilter::default() };
        let started = Instant::now();
        let mut quiet = 0;
        // Whatever is not closed is nobody's, and stays as it is for a while.
        let mut before = None;
        loop {
            let entry = self.store.writes().entry(left.id).await.unwrap().unwrap();
            let one = const { NonZeroU32::new(100).unwrap() };
            let open = self.store.writes().entries(&abandoned, self.last, one).await.unwrap().entries;
            let is_left = open.iter().any(|entry| entry.id == left.id);
            quiet = if is_left && before.as_ref() == Some(&entry.states) { quiet + 1 } else { 0 };
            // What cannot be undone is left, with all else undone; what is only told is left as it was.
            let is_undone = [0, 2].iter().all(|&write| matches!(entry.states[write], State::NotSent | State::Undone));
            let ends = match self.way {
                "report" => quiet > 40,
                "undo" => is_left && is_undone,
                _ => false,
            };
            if entry.closed.is_some() || ends {
                return Some(entry);
            }
            assert!(started.elapsed() < PATIENCE, "nobody looked after {entry:?}");
            before = Some(entry.states);
            sleep(Duration::from_millis(15)).await;
        }
    }
}

/// A number from 0 to 1, by the seed, spread evenly.
fn moment(seed: u64) -> f64 {
    // The golden ratio: every further number falls into the largest gap.
    (f64::from(u32::try_from(seed).unwrap()) * 0.618_033_988_75).fract()
}

/// Sends the request; the status of the answer, where there is one.
async fn ask(address: SocketAddr) -> Option<u16> {
    let body = request().to_string();
    let head = format!(
        "PUT /users/wqyODPA HTTP/1.1\r\nhost: x\r\nauthorization: Bearer sandbox-textus-token\r\n\
         content-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    );
    let mut stream = TcpStream::connect(address).await.ok()?;
    stream.write_all((head + &body).as_bytes()).await.ok()?;
    let mut answer = Vec::new();
    // Whoever is killed says nothing more.
    let _ = stream.read_to_end(&mut answer).await;
    let answer = String::from_utf8(answer).ok()?;
    answer.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok()
}
