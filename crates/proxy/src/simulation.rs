//! Plans that are carried out over a bad network, in simulated time: each seed is another world.
//!
//! The network delays, loses and garbles messages, is down for a while, and so is the vendor; what it delivers late, the
//! vendor does late, when nobody waits for it any more. Whatever happens, what the executor tells must be true.

use std::{
    collections::BTreeSet,
    num::NonZeroU32,
    sync::{Arc, Mutex},
    time::Duration,
};

use http::Request;
use interlingua_core::{
    Access, Adapter, Call, Command, Effect, Email, Error, ErrorKind, Field, Grant, GrantChange, Mapping, NOTIFY_EMAIL,
    Name, NewUser, Part, PartState, Password, Patch, Reply, Result, Role, Text, UserId, UserPatch, http::StatusCode,
};
use interlingua_ecgrid::Ecgrid;
use interlingua_links::{EntryFilter, Links, Memory, State, Writes};
use interlingua_sandbox::{self as sandbox, Vendor, directory};
use interlingua_textus::Textus;
use rand::{RngExt, SeedableRng, rngs::StdRng};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep, sleep_until, timeout};

use crate::{
    config::OnPartial,
    executor::{Executed, Executor, Stage, Transport},
    ledger::Care,
    upstream::lost,
};

const SEEDS: u64 = 300;
/// How long a call may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// After so long, whatever is on its way has arrived.
const LATER: Duration = Duration::from_secs(1000);

// === The network ===

/// A vendor at the other end of a bad network.
struct World {
    vendor: Arc<Mutex<dyn Vendor>>,
    key: (&'static str, String),
    dice: Mutex<StdRng>,
    /// From when to when nothing comes through.
    partition: (Instant, Instant),
    /// Calls that must not be repeated, as the vendor saw them.
    once: Arc<Mutex<Vec<String>>>,
}

impl World {
    fn new(case: &Case, seed: u64) -> Self {
        let mut dice = StdRng::seed_from_u64(seed);
        let begins = Instant::now() + PATIENCE.mul_f64(dice.random_range(0.0..4.0));
        let ends = begins + PATIENCE.mul_f64(dice.random_range(0.0..2.0));
        let (vendor, key) = (case.vendor)();
        Self { vendor, key, dice: Mutex::new(dice), partition: (begins, ends), once: Arc::default() }
    }

    fn roll(&self) -> f64 {
        self.dice.lock().unwrap().random_range(0.0..1.0)
    }

    /// How long a message takes: mostly not long, sometimes longer than anybody waits.
    fn delay(&self) -> Duration {
        let usual = PATIENCE.mul_f64(self.roll() * 0.3);
        if self.roll() < 0.1 { usual + PATIENCE.mul_f64(self.roll() * 2.0) } else { usual }
    }

    fn ask(&self, method: &str, target: &str) -> Value {
        let request = self.request(method.parse().unwrap(), target, String::new().into());
        serde_json::from_slice(self.vendor.lock().unwrap().handle(&request).body()).unwrap_or_default()
    }

    fn request(&self, method: http::Method, target: &str, body: bytes::Bytes) -> Request<bytes::Bytes> {
        let request = Request::builder().method(method).uri(target).header(self.key.0, &self.key.1);
        request.header("content-type", "application/json").body(body).unwrap()
    }
}

/// Passes a message on, if it comes through at all.
async fn carry(delay: Duration, partition: (Instant, Instant)) {
    sleep(delay).await;
    if (partition.0..partition.1).contains(&Instant::now()) {
        sleep_until(partition.1).await;
    }
}

impl Transport for World {
    async fn send(&self, call: &Call, _: Stage) -> Result<Reply> {
        if self.roll() < 0.1 {
            return Err(Error::new(ErrorKind::Unavailable, "the upstream cannot be reached"));
        }
        let (there, back, partition, fate) = (self.delay(), self.delay(), self.partition, self.roll());
        let (vendor, once) = (Arc::clone(&self.vendor), Arc::clone(&self.once));
        let (call, request) = (call.clone(), self.request(call.method.clone(), &call.target, call.body.clone()));
        // It goes its way whether or not somebody waits.
        let exchange = tokio::spawn(async move {
            carry(there, partition).await;
            if fate < 0.1 {
                return Ok(Reply::new(StatusCode::TOO_MANY_REQUESTS, ""));
            }
            if !call.repeatable {
                once.lock().unwrap().push(format!("{} {}", call.method, call.target));
            }
            let (parts, mut body) = vendor.lock().unwrap().handle(&request).into_parts();
            carry(back, partition).await;
            if fate < 0.2 {
                return Err(lost(ErrorKind::Unavailable, "the connection to the upstream broke"));
            }
            if fate < 0.3 {
                body.truncate(body.len() / 2);
            }
            Ok(Reply { headers: parts.headers, ..Reply::new(parts.status, body) })
        });
        let answered = timeout(PATIENCE, exchange).await;
        answered.unwrap_or_else(|_| Ok(Err(lost(ErrorKind::Timeout, "the upstream did not answer in time")))).unwrap()
    }
}

/// The same vendor, for whom no write of an entry of the journal leaves before the journal knows.
struct Watched<'a> {
    world: &'a World,
    journal: &'a dyn Writes,
}

impl Transport for Watched<'_> {
    async fn send(&self, call: &Call, stage: Stage) -> Result<Reply> {
        let entries = self.journal.entries(&EntryFilter::default(), None, NonZeroU32::MIN).await.unwrap().entries;
        if let Some(entry) = entries.first().filter(|_| call.access == Access::Write) {
            let (method, target, states) = (&call.method, &call.target, &entry.states);
            assert!(states.contains(&State::Sending), "{method} {target} is sent, and the journal has {states:?}");
        }
        self.world.send(call, stage).await
    }
}

// === What is carried out ===

/// A vendor, and the header with its credential.
type Endpoint = (Arc<Mutex<dyn Vendor>>, (&'static str, String));

/// A command, and how it shows whether it was done.
struct Case {
    name: &'static str,
    adapter: fn() -> Box<dyn Adapter>,
    vendor: fn() -> Endpoint,
    command: fn() -> Command,
    /// For each call that writes, a field that it carries, and whether the vendor holds it.
    held: fn(&World) -> Vec<(Field, bool)>,
}

const EMAIL: &str = "new@example.com";

fn ecgrid() -> Box<dyn Adapter> {
    let preferences = [("emailNotification".into(), NOTIFY_EMAIL.into())].into();
    Ecgrid::new().configured(&Mapping { preferences, ..Mapping::default() }).unwrap()
}

fn at_ecgrid() -> Endpoint {
    (Arc::new(Mutex::new(sandbox::Ecgrid::new())), ("x-api-key", directory::ECGRID_KEY.to_owned()))
}

fn at_textus() -> Endpoint {
    let key = format!("Bearer {}", directory::TEXTUS_TOKEN);
    (Arc::new(Mutex::new(sandbox::Textus::new())), ("authorization", key))
}

fn change(user: &str, preferences: &[(&str, Value)]) -> Command {
    let preferences = preferences.iter().map(|(key, value)| (Text::from(*key), Patch::Set(value.clone())));
    let patch = UserPatch {
        email: Patch::Set(Email::parse(EMAIL).unwrap()),
        preferences: preferences.collect(),
        ..UserPatch::default()
    };
    Command::UpdateUser { user: UserId::new(user), patch }
}

const CASES: &[Case] = &[
    Case {
        name: "three calls at ECGrid",
        adapter: ecgrid,
        vendor: at_ecgrid,
        command: || {
            let Command::UpdateUser { user, mut patch } = change("1042", &[(NOTIFY_EMAIL, json!(true))]) else {
                unreachable!("a change is one")
            };
            let scope = Ecgrid::new().scope(&json!({"network": 1, "mailbox": 101})).unwrap();
            patch.grants = GrantChange::Replace(vec![Grant { role: Role::Member, scope, id: None }]);
            Command::UpdateUser { user, patch }
        },
        held: |world| {
            let config = world.vendor.lock().unwrap().stored_config("1042").unwrap();
            let preference = Field::Preference(NOTIFY_EMAIL.into());
            let user = &world.ask("GET", "/v2/users/1042")["data"];
            vec![
                (Field::Email, user["email"] == EMAIL),
                (preference, config["emailNotification"] == true),
                (Field::Role, user["authLevel"] == "MailboxUser"),
            ]
        },
    },
    Case {
        name: "two calls at ECGrid",
        adapter: ecgrid,
        vendor: at_ecgrid,
        command: || change("1042", &[(NOTIFY_EMAIL, json!(true))]),
        held: |world| {
            let config = world.vendor.lock().unwrap().stored_config("1042").unwrap();
            let preference = Field::Preference(NOTIFY_EMAIL.into());
            let email = world.ask("GET", "/v2/users/1042")["data"]["email"] == EMAIL;
            vec![(Field::Email, email), (preference, config["emailNotification"] == true)]
        },
    },
    Case {
        name: "a change at TextUs",
        adapter: || Box::new(Textus::new()),
        vendor: at_textus,
        command: || change("wqyODPA", &[]),
        held: |world| vec![(Field::Email, world.ask("GET", "/users/wqyODPA")["email"] == EMAIL)],
    },
    Case {
        name: "a creation at TextUs",
        adapter: || Box::new(Textus::new()),
        vendor: at_textus,
        command: || {
            let scope = Textus::new().scope(&json!("my_account")).unwrap();
            Command::CreateUser(Box::new(NewUser {
                login: None,
                email: Email::parse(EMAIL).unwrap(),
                name: Name { display: Text::from("Ann Lee").into(), ..Name::default() },
                password: Some(Password::generated("Abc123!x")),
                grants: vec![Grant { role: Role::Member, scope, id: None }],
            }))
        },
        held: |world| {
            vec![(Field::Email, world.ask("GET", "/users?q=new@example.com")["members"][0]["email"] == EMAIL)]
        },
    },
];

// === What must be true ===

/// What the executor says became of a field.
fn told(result: &Result<Executed>, field: &Field) -> PartState {
    let Err(error) = result else { return PartState::Applied };
    let part = |part: &&Part| part.fields.contains(field);
    match (error.parts().iter().find(part), error.effect()) {
        (Some(part), _) => part.state,
        (None, Effect::Unknown) => PartState::Unknown,
        (None, Effect::Refused) => PartState::Refused,
        (None, Effect::NothingSent) => PartState::NotSent,
    }
}

async fn carry_out(case: &Case, world: &World, on_partial: OnPartial) -> Result<Executed> {
    let journal = Memory::default().writes();
    let care = Care {
        journal: &journal,
        request: "r1",
        upstream: "vendor",
        operation: "update-user",
        client: "erp",
        held: None,
        key: None,
        on_partial,
        prepares_undo: on_partial == OnPartial::Undo,
        passes: false,
    };
    let adapter = (case.adapter)();
    let watched = Watched { world, journal: &*journal };
    let executor = Executor { adapter: &*adapter, transport: &watched, most_calls: 64 };
    executor.carry_out(&(case.command)(), |_| Ok(()), &care).await
}

#[tokio::test(start_paused = true)]
async fn what_is_told_is_true_in_every_world() {
    let ends = ends(OnPartial::Report).await;
    // The dice have not spared anybody: done, not done and unknown of both kinds, in every case.
    for case in CASES {
        for (told, held) in
            [("applied", true), ("not sent", false), ("outcome unknown", true), ("outcome unknown", false)]
        {
            assert!(ends.contains(&(case.name, told, held)), "{}: nothing was {told}", case.name);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_told_to_be_undone_is() {
    let ends = ends(OnPartial::Undo).await;
    assert!(ends.contains(&("three calls at ECGrid", "undone", false)));
    assert!(ends.contains(&("three calls at ECGrid", "applied", true)), "what cannot be undone is told");
}

/// What was told of all the worlds, and whether the vendor held it; all of it is true.
async fn ends(on_partial: OnPartial) -> BTreeSet<(&'static str, &'static str, bool)> {
    let mut ends = BTreeSet::new();
    for case in CASES {
        for seed in 0..SEEDS {
            let world = World::new(case, seed);
            let result = carry_out(case, &world, on_partial).await;
            sleep(LATER).await;
            for (field, held) in (case.held)(&world) {
                let told = told(&result, &field);
                let is_true = match told {
                    PartState::Applied => held,
                    PartState::Refused | PartState::NotSent | PartState::Undone => !held,
                    PartState::Unknown => true,
                };
                assert!(is_true, "{}, seed {seed}: {} is told to be {}", case.name, field.name(), told.name());
                ends.insert((case.name, told.name(), held));
            }
            let mut once = world.once.lock().unwrap();
            let calls = once.len();
            once.sort();
            once.dedup();
            assert_eq!(once.len(), calls, "{}, seed {seed}: done twice", case.name);
        }
    }
    ends
}
