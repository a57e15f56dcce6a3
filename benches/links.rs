//! What does it cost to know which user is which, and to be the only one who writes one?
//!
//! How to run it and how to read it: README.md, beside this file.

#![expect(clippy::print_stdout, reason = "what it finds is for people")]

use std::{hint::black_box, sync::Arc, time::Duration};

use criterion::Criterion;
use interlingua_core::{Text, Timestamp, UserId};
use interlingua_links::{Options, UserLink, Writes, open};
use tempfile::TempDir;
use tokio::runtime::Runtime;

/// How many links there are, in few and in many.
const SIZES: [u32; 2] = [1_000, 1_000_000];
/// How steep the distributions are that links are read in.
const STEEPNESS: [f64; 3] = [0.99, 1.1, 1.2];
/// How many reads the share is measured with.
const READS: usize = 1_000_000;
/// How long everything waits that should not wait at all.
const PATIENCE: Duration = Duration::from_secs(10);

fn main() {
    let mut criterion = Criterion::default()
        .without_plots()
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2))
        .configure_from_args();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    // A filter of criterion's is no reason to spend minutes on what it leaves out.
    let filter = std::env::args().skip(1).find(|argument| !argument.starts_with('-')).unwrap_or_default();
    if "lock".contains(&filter) || filter.starts_with("lock") {
        locks(&mut criterion, &runtime);
    }
    if "lookup".contains(&filter) || filter.starts_with("lookup") {
        SIZES.iter().for_each(|size| lookups(&mut criterion, &runtime, *size));
    }
}

/// To get the lock of a user, and give it back.
fn locks(criterion: &mut Criterion, runtime: &Runtime) {
    let mut group = criterion.benchmark_group("lock");
    let folder = tempfile::tempdir().expect("a folder");
    let user = UserId::new("1042");
    let stores = [("memory", "memory".to_owned()), ("sqlite", in_folder(&folder))];
    let [memory, alone] = stores.clone().map(|(_, address)| writes(runtime, &address));
    for ((name, _), writes) in stores.iter().zip([&memory, &alone]) {
        group.bench_function(*name, |bencher| bencher.iter(|| runtime.block_on(lock(&**writes, &user, false))));
    }
    group.bench_function("sqlite-noted", |bencher| bencher.iter(|| runtime.block_on(lock(&*alone, &user, true))));
    // Somebody else is there from now on.
    let other = writes(runtime, &stores[1].1);
    runtime.block_on(async {
        while !alone.lock("", &user, PATIENCE).await.expect("it answers").expect("it is free").is_in_store() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    group.bench_function("sqlite-shared", |bencher| bencher.iter(|| runtime.block_on(lock(&*other, &user, false))));
}

async fn lock(writes: &dyn Writes, user: &UserId, noted: bool) {
    let lock = writes.lock("https://vendor.example", user, PATIENCE).await.expect("it answers").expect("it is free");
    if noted {
        lock.fence().await.expect("it answers");
    }
    lock.release().await.expect("it answers");
}

fn writes(runtime: &Runtime, address: &str) -> Arc<dyn Writes> {
    // Nobody renews it.
    let options = Options { lease: Duration::from_secs(3600), ..Options::default() };
    let links = runtime.block_on(open(&address.parse().expect("an address"), &options)).expect("it opens");
    let writes = links.writes();
    runtime.block_on(writes.renew()).expect("it answers");
    writes
}

/// To find a link among few or many, that are read by Zipf's law.
fn lookups(criterion: &mut Criterion, runtime: &Runtime, size: u32) {
    let folder = tempfile::tempdir().expect("a folder");
    let options = Options::default();
    let location = in_folder(&folder).parse().expect("an address");
    let links = runtime.block_on(open(&location, &options)).expect("it opens");
    runtime.block_on(links.add_users((0..size).map(link).collect())).expect("nothing is in the way");
    runtime.block_on(links.close());
    // The memory that adding took is given back by now, or counted before.
    let links = runtime.block_on(open(&location, &options)).expect("it opens");
    let before = resident();
    let ids: Vec<UserId> = (0..size).map(|number| UserId::new(textus(number))).collect();
    let with_ids = resident();
    // Each is read once, the rarest first.
    for rank in (0..size).rev() {
        let _ = runtime.block_on(links.user("textus", &ids[spread(rank, size)])).expect("it answers");
    }
    let kept = links.cache_stats().map_or(0, |stats| stats.entries);
    let bytes = resident().saturating_sub(with_ids) * 1024;
    println!(
        "lookup/{size}: {kept} ids at hand in {} MiB, {} bytes each; {} MiB before",
        bytes >> 20,
        bytes / kept.max(1),
        before >> 10
    );
    for steepness in STEEPNESS {
        let reads = zipf(size, steepness);
        let stats = || links.cache_stats().unwrap_or_default();
        let (hits, misses) = (stats().hits, stats().misses);
        for read in &reads {
            let _ = runtime.block_on(links.user("textus", &ids[*read])).expect("it answers");
        }
        let (hits, misses) = (stats().hits - hits, stats().misses - misses);
        let share = hits as f64 / (hits + misses) as f64 * 100.0;
        println!("lookup/{size}: steepness {steepness}: {share:.2} % without the database");
    }
    let reads = zipf(size, STEEPNESS[0]);
    let mut group = criterion.benchmark_group("lookup");
    let mut next = reads.iter().cycle();
    let mut id = || &ids[*next.next().expect("it goes on for ever")];
    group.bench_function(format!("peek/{size}"), |bencher| {
        bencher.iter(|| black_box(links.peek_user("textus", id())));
    });
    group.bench_function(format!("ask/{size}"), |bencher| {
        bencher.iter(|| black_box(runtime.block_on(links.user("textus", id()))));
    });
    let uncached = runtime.block_on(open(&location, &Options { cache: None, ..options })).expect("it opens");
    group.bench_function(format!("database/{size}"), |bencher| {
        bencher.iter(|| black_box(runtime.block_on(uncached.user("textus", id()))));
    });
}

fn in_folder(folder: &TempDir) -> String {
    format!("sqlite:{}", folder.path().join("links.db").display())
}

fn link(number: u32) -> UserLink {
    let ids = [("ecgrid", (1_000_000 + number).to_string()), ("textus", textus(number))];
    UserLink {
        ids: ids.map(|(dialect, id)| (Text::from(dialect), UserId::new(id))).into_iter().collect(),
        login: Some(format!("user{number}").as_str().into()),
        created: Timestamp::parse("2024-03-15T10:22:00Z").ok(),
        ..UserLink::default()
    }
}

fn textus(number: u32) -> String {
    format!("wqy{number:07}")
}

/// Which link has a rank: those that are read often do not stand together.
fn spread(rank: u32, size: u32) -> usize {
    (u64::from(rank) * 2_654_435_761 % u64::from(size)) as usize
}

/// Reads as they come by Zipf's law, the same each time.
fn zipf(size: u32, steepness: f64) -> Vec<usize> {
    let mut sum = 0.0;
    let up_to: Vec<f64> = (1..=size)
        .map(|rank| {
            sum += f64::from(rank).powf(-steepness);
            sum
        })
        .collect();
    let mut seed = 42_u64;
    let mut random = || {
        // SplitMix64.
        seed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (seed ^ (seed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    };
    let rank = |random: f64| up_to.partition_point(|up_to| *up_to < random * sum);
    (0..READS).map(|_| spread(u32::try_from(rank(random())).unwrap_or(size - 1).min(size - 1), size)).collect()
}

/// The memory that this process has, in KiB.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.trim().split(' ').next()?.parse().ok()).unwrap_or_default()
}
