//! A process that dies, and what it leaves; and how long it takes when it does not.

use std::{
    io::{BufRead, BufReader, Read, Write},
    process::{Child, Command, ExitCode, Stdio},
    time::{Duration, Instant},
};

use interlingua_core::Timestamp;
use interlingua_links::{Counts, Entry, EntryFilter, EntryId, Intent, Options, Shown, State, UserLink, Writes, open};

use crate::{
    place::{Place, link, user_id},
    promises::some,
    runtime,
    writes::{intent, keyed},
};

/// The address at which a child of ours adds links.
const CHILD: &str = "INTERLINGUA_LINKS_TEST_CHILD";
/// The address at which a child of ours writes.
const WRITER: &str = "INTERLINGUA_LINKS_TEST_WRITER";
/// The address at which a child of ours has locks.
const HOLDER: &str = "INTERLINGUA_LINKS_TEST_HOLDER";
/// Enough to be killed in the middle; fewer where adding them takes long.
const LINKS: usize = if cfg!(debug_assertions) { 25_000 } else { 100_000 };

/// Does what this process was started for, if it was started by [`start`].
pub(crate) fn child() -> Option<ExitCode> {
    if let Ok(location) = std::env::var(CHILD) {
        add_links(&location);
    } else if let Ok(location) = std::env::var(HOLDER) {
        hold_on(&location);
    } else {
        write_on(&std::env::var(WRITER).ok()?);
    }
    Some(ExitCode::SUCCESS)
}

/// Adds many links.
fn add_links(location: &str) {
    runtime().block_on(async {
        let links = open(&location.parse().expect("an address"), &Options::default()).await.expect("it opens");
        let batch = many();
        let before = peak_memory();
        say("begun");
        let begun = Instant::now();
        let added = links.add_users(batch).await.expect("nothing is in the way");
        say(&format!(
            "{} added, {} unchanged, {:.2} s, peak memory {} MB before and {} MB after",
            added.added,
            added.unchanged,
            begun.elapsed().as_secs_f64(),
            before / 1024,
            peak_memory() / 1024,
        ));
        links.close().await;
    });
}

/// How far the two writes of an entry came, step by step.
const STEPS: [[State; 2]; 5] = [
    [State::NotSent, State::NotSent],
    [State::Sending, State::NotSent],
    [State::Applied, State::NotSent],
    [State::Applied, State::Sending],
    [State::Applied, State::Unknown],
];

/// Opens entries and marks their writes, and says so after each step, until somebody ends it.
fn write_on(location: &str) {
    runtime().block_on(async {
        let options = Options { lease: Duration::from_secs(1), ..keyed(&Options::default()) };
        let writes = open(&location.parse().expect("an address"), &options).await.expect("it opens").writes();
        say("begun");
        loop {
            let entry = writes.open(&intent("1", 2), None).await.expect("it opens");
            say(&format!("{entry} 0"));
            for (step, [before, after]) in (1..).zip(STEPS.array_windows()) {
                let write = (0..2).find(|&write| before[write] != after[write]).expect("a step");
                writes.mark(entry, write, after[write]).await.expect("it is ours");
                say(&format!("{entry} {step}"));
            }
        }
    });
}

/// How long the lease of a child lasts that has locks.
const LEASE: Duration = Duration::from_secs(4);

/// Has a lock in memory, and one in the store with an entry, until somebody ends it.
fn hold_on(location: &str) {
    runtime().block_on(async {
        let options = Options { lease: LEASE, ..keyed(&Options::default()) };
        let store = open(&location.parse().expect("an address"), &options).await.expect("it opens");
        let writes = store.writes();
        let lock = async |user: &str| {
            let lock = writes.lock("textus", &user_id(user), LEASE).await.expect("it answers").expect("it is free");
            assert!(!lock.is_in_store());
            lock
        };
        let (_one, two) = (lock("1").await, lock("2").await);
        let fence = two.fence().await.expect("it is ours");
        writes.open(&Intent { fence: Some(fence), ..intent("2", 2) }, None).await.expect("it opens");
        say("begun");
        loop {
            tokio::time::sleep(LEASE / 4).await;
            writes.renew().await.expect("it answers");
        }
    });
}

/// Whoever comes after one that was alone, and was killed, has its locks in memory at once, and its others when its lease
/// has ended. What it left half done is known to be overtaken when the user was written since.
pub(crate) async fn killed_it_leaves_no_locks_in_memory(place: Place) {
    let location = place.address().await;
    let (mut child, _output) = start(HOLDER, &location);
    let options = Options { lease: Duration::from_secs(120), ..keyed(&place.options) };
    let store = place.open_with(&options).await;
    let writes = store.writes();
    let lock = async |user: &str, patience: Duration| writes.lock("textus", &user_id(user), patience).await.unwrap();
    for user in ["1", "2"] {
        assert!(lock(user, LEASE).await.is_none(), "its owner lives");
    }
    child.kill().expect("it is ours");
    child.wait().expect("it ends");
    let begun = Instant::now();
    assert!(lock("1", LEASE / 2).await.expect("nobody has it any more").is_in_store());
    if begun.elapsed() < LEASE / 4 {
        assert!(lock("2", Duration::ZERO).await.is_none(), "the lease lasts");
    }
    let left = writes.entries(&EntryFilter::default(), None, some(10)).await.unwrap().entries.remove(0);
    loop {
        writes.renew().await.unwrap();
        if !lock("3", LEASE).await.expect("it is free").is_in_store() {
            break;
        }
        assert!(begun.elapsed() < LEASE * 3);
        tokio::time::sleep(LEASE / 20).await;
    }
    // Alone again. What is only in memory does not count, and so is not to be had for this user.
    let later = lock("2", LEASE).await.expect("it is free");
    assert!(later.is_in_store());
    assert_eq!(later.previous().await.unwrap(), left.intent.fence);
    later.release().await.unwrap();
    let taken = writes.take_over(left.id).await.unwrap().expect("its owner is gone");
    assert_ne!(lock("2", LEASE).await.expect("it is free").previous().await.unwrap(), taken.intent.fence);
}

fn say(line: &str) {
    println!("{line}");
    std::io::stdout().flush().expect("the parent listens");
}

fn many() -> Vec<UserLink> {
    let one = |number: usize| UserLink {
        login: Some(format!("user{number}").as_str().into()),
        created: Timestamp::parse("2024-03-15T10:22:00Z").ok(),
        ..link(&[("ecgrid", &(1_000_000 + number).to_string()), ("textus", &format!("wqy{number:07}"))])
    };
    (0..LINKS).map(one).collect()
}

/// In kilobytes.
fn peak_memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.trim().split(' ').next()?.parse().ok()).unwrap_or_default()
}

/// Starts a child and waits until it begins.
fn start(what: &str, location: &str) -> (Child, BufReader<impl Read + use<>>) {
    let mut child = Command::new(std::env::current_exe().expect("we are somewhere"))
        .env(what, location)
        .stdout(Stdio::piped())
        .spawn()
        .expect("we can be started");
    let mut output = BufReader::new(child.stdout.take().expect("it is piped"));
    let mut line = String::new();
    output.read_line(&mut line).expect("it speaks");
    assert_eq!(line, "begun\n");
    (child, output)
}

/// Lets a child come to its end, and tells what it said.
fn finish(location: &str) -> String {
    let (mut child, mut output) = start(CHILD, location);
    let mut said = String::new();
    output.read_to_string(&mut said).expect("it speaks");
    assert!(child.wait().expect("it ends").success());
    said
}

pub(crate) async fn killed_it_leaves_nothing(place: Place) {
    let location = place.address().await;
    let links = place.open().await;
    let nothing = Counts::default();
    let mut killed = 0;
    for delay in [20, 150, 400, 800] {
        let (mut child, mut output) = start(CHILD, &location);
        std::thread::sleep(Duration::from_millis(delay));
        child.kill().expect("it is ours");
        child.wait().expect("it ends");
        let mut said = String::new();
        output.read_to_string(&mut said).expect("it spoke");
        if !said.is_empty() {
            break; // it was done already
        }
        killed += 1;
        assert_eq!(links.counts().await.unwrap(), nothing, "killed after {delay} ms");
        assert_eq!(place.open().await.counts().await.unwrap(), nothing, "killed after {delay} ms");
    }
    assert!(killed > 0, "it was never killed in the middle");
    let said = finish(&location);
    let (all, again) = (format!("{LINKS} added, 0 unchanged"), format!("0 added, {LINKS} unchanged"));
    assert!(said.starts_with(&all) || said.starts_with(&again), "{said}");
    assert_eq!(links.counts().await.unwrap(), Counts { users: LINKS as u64, scopes: 0 });
    let said = finish(&location);
    assert!(said.starts_with(&again), "{said}");
}

pub(crate) async fn killed_it_leaves_what_was_marked(place: Place) {
    let location = place.address().await;
    let store = place.open_with(&keyed(&place.options)).await;
    let writes = store.writes();
    let mut last = None;
    for delay in [0, 7, 40, 90] {
        let (mut child, mut output) = start(WRITER, &location);
        let mut said = String::new();
        if delay > 0 {
            // On a busy machine its first step takes longer than any of the delays.
            output.read_line(&mut said).expect("it speaks");
        }
        std::thread::sleep(Duration::from_millis(delay));
        child.kill().expect("it is ours");
        child.wait().expect("it ends");
        output.read_to_string(&mut said).expect("it spoke");
        // Every entry came at least as far as was said, and at most one step further, which may be the next entry.
        let left = settled(&*writes, last).await;
        let mut expected =
            left.iter().flat_map(|entry| (0..STEPS.len()).map(move |step| format!("{} {step}", entry.id)));
        assert!(said.lines().all(|line| expected.next().as_deref() == Some(line)), "killed after {delay} ms: {said}");
        let steps: Vec<_> = left.iter().map(|entry| STEPS.iter().position(|step| entry.states == step)).collect();
        let done: usize = steps.iter().map(|step| step.expect("a step") + 1).sum();
        assert!((0..=1).contains(&(done - said.lines().count())), "killed after {delay} ms: {steps:?} but {said}");
        assert!(steps.iter().rev().skip(1).all(|step| *step == Some(STEPS.len() - 1)), "{steps:?}");
        last = left.last().map(|entry| entry.id).or(last);
        // Whoever comes after can finish what was begun.
        let abandoned = EntryFilter { shown: Shown::Abandoned, ..EntryFilter::default() };
        let begun = Instant::now();
        while writes.entries(&abandoned, None, some(10_000)).await.unwrap().entries.len() < left.len() {
            assert!(begun.elapsed() < Duration::from_secs(10));
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        for entry in left {
            let taken = writes.take_over(entry.id).await.unwrap().unwrap();
            assert_eq!((taken.intent, taken.states), (intent("1", 2), entry.states));
        }
    }
    assert!(last.is_some(), "it was always killed before it began");
}

/// The entries behind one, when they stay as they are: a server goes on with the last that a killed client sent.
async fn settled(writes: &dyn Writes, after: Option<EntryId>) -> Vec<Entry> {
    let all = EntryFilter::default();
    let mut seen = writes.entries(&all, after, some(10_000)).await.unwrap().entries;
    loop {
        tokio::time::sleep(Duration::from_millis(300)).await;
        let now = writes.entries(&all, after, some(10_000)).await.unwrap().entries;
        if now == seen {
            return now;
        }
        seen = now;
    }
}

/// Prints how long it takes to add links, and to find them.
pub(crate) async fn figures(place: Place) {
    let location = place.address().await;
    let name = place.engine.name();
    println!("{name}: first {}", finish(&location).trim());
    println!("{name}: again {}", finish(&location).trim());
    for cached in [false, true] {
        let cache = if cached { Options::default().cache } else { None };
        let links = place.open_with(&Options { cache, ..place.options.clone() }).await;
        for round in ["cold", "warm"] {
            let begun = Instant::now();
            for number in (0..LINKS).step_by(20) {
                let id = user_id(&(1_000_000 + number).to_string());
                assert!(links.user("ecgrid", &id).await.unwrap().is_some());
            }
            let each = begun.elapsed() / u32::try_from(LINKS / 20).expect("few");
            println!("{name}: cached: {cached}, {round}: {each:?} a look");
        }
        let begun = Instant::now();
        for number in 0..200 {
            let id = user_id(&format!("stranger {cached} {number}"));
            links.foreign_user("textus", &id, "a", &crate::place::spell).await.unwrap();
        }
        println!("{name}: cached: {cached}: {:?} an id handed out", begun.elapsed() / 200);
    }
}
