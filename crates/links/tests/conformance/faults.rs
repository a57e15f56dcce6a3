//! Databases that are down, slow, or not ours.

use std::{
    net::SocketAddr,
    path::PathBuf,
    process::{Command, ExitCode},
    sync::Arc,
    time::{Duration, Instant},
};

use interlingua_core::UserId;
use interlingua_links::{EntryFilter, Links, Location, Options, State, StoreError, StoreErrorKind, Writes, open};
use sqlx::{Connection, Executor, PgConnection, SqliteConnection};

use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, UnixStream},
    sync::watch,
};

use crate::{
    Promise,
    place::{Engine, Place, last_scope, link, scope_id, spell, user_id},
    promises::some,
    server::Server,
    writes::intent,
};

/// The limit that is kept here.
const LIMIT: Duration = Duration::from_millis(500);

/// Tests of one engine.
pub(crate) fn all() -> impl IntoIterator<Item = (&'static str, Engine, Promise)> {
    let sqlite = promises![
        a_file_that_is_busy_says_so_and_can_be_read,
        a_file_that_is_no_database_is_refused,
        a_file_of_a_later_version_is_refused,
        a_file_that_was_removed_or_replaced_is_not_written_to,
        a_disk_that_is_full_says_so_and_has_space_again,
        what_the_database_rolled_back_by_itself_is_left_behind,
    ];
    let postgres = promises![
        a_server_that_is_down_says_so_and_comes_back,
        a_server_that_is_slow_says_so,
        a_server_that_is_silent_says_so,
        a_network_that_goes_dead_is_left_behind,
        what_changes_while_nobody_listens_is_seen,
        a_database_that_is_not_there_is_refused,
    ];
    let of = |engine| move |(name, promise)| (name, engine, promise);
    sqlite.into_iter().map(of(Engine::Sqlite)).chain(postgres.into_iter().map(of(Engine::Postgres)))
}

fn impatient(place: &Place) -> Options {
    Options { timeout: LIMIT, ..place.options.clone() }
}

/// Whether it took no longer than the limit, give or take what a busy machine takes.
#[track_caller]
fn says_so<T: std::fmt::Debug>(answer: Result<T, StoreError>, begun: Instant) {
    let error = answer.unwrap_err();
    assert_eq!((error.kind(), error.is_retryable()), (StoreErrorKind::Unavailable, true), "{error:?}");
    assert!(begun.elapsed() < LIMIT * 3, "{:?}", begun.elapsed());
}

#[track_caller]
fn refused(opened: Result<Arc<dyn Links>, StoreError>) {
    assert_eq!(opened.unwrap_err().kind(), StoreErrorKind::Unusable);
}

/// Every kind of question fails in time.
async fn nothing_answers(links: &dyn Links) {
    let (one, begun) = (user_id("1"), Instant::now());
    says_so(links.user("a", &one).await, begun);
    let begun = Instant::now();
    says_so(links.scope("a", &scope_id("1")).await, begun);
    let begun = Instant::now();
    says_so(links.foreign_user("a", &user_id("2"), "b", &spell).await, begun);
    let begun = Instant::now();
    says_so(links.may_hand_out("b", &spell).await, begun);
    let begun = Instant::now();
    says_so(links.remember("a", &one, &last_scope("other")).await, begun);
    let begun = Instant::now();
    says_so(links.remove_user("a", &one).await, begun);
    let begun = Instant::now();
    says_so(links.counts().await, begun);
    nothing_is_kept(&*links.writes()).await;
}

/// Of writes, no more than of links, but all at once.
async fn nothing_is_kept(writes: &dyn Writes) {
    let (intent, filter, begun) = (intent("1", 1), EntryFilter::default(), Instant::now());
    let (open, mark, entries, lock, begin) = tokio::join!(
        writes.open(&intent, None),
        writes.mark("1".parse().unwrap(), 0, State::Sending),
        writes.entries(&filter, None, some(1)),
        writes.lock("textus", intent.user.as_ref().unwrap(), LIMIT),
        writes.begin("helpdesk", "key", &[0; 32], LIMIT),
    );
    says_so(open, begun);
    says_so(mark, begun);
    says_so(entries, begun);
    says_so(lock, begun);
    says_so(begin, begun);
}

/// More at once than there are connections: nobody waits for longer than the limit either.
async fn nobody_is_answered(links: &Arc<dyn Links>) {
    let asking: Vec<_> = (0..30)
        .map(|_| {
            let links = Arc::clone(links);
            tokio::spawn(async move {
                let begun = Instant::now();
                says_so(links.user("a", &user_id("1")).await, begun);
            })
        })
        .collect();
    for asking in asking {
        asking.await.unwrap();
    }
}

fn file(place: &str) -> String {
    place.strip_prefix("sqlite:").unwrap().to_owned()
}

async fn a_file_that_is_busy_says_so_and_can_be_read(place: Place) {
    let links = place.open_with(&impatient(&place)).await;
    links.add_users(vec![link(&[("a", "1")])]).await.unwrap();
    let mut other = SqliteConnection::connect(&place.address().await).await.unwrap();
    other.execute("BEGIN IMMEDIATE").await.unwrap();
    let begun = Instant::now();
    says_so(links.foreign_user("a", &user_id("1"), "b", &spell).await, begun);
    let begun = Instant::now();
    says_so(links.may_hand_out("b", &spell).await, begun);
    let begun = Instant::now();
    says_so(links.remove_user("a", &user_id("1")).await, begun);
    let begun = Instant::now();
    says_so(links.writes().open(&intent("1", 1), None).await, begun);
    assert_eq!(links.writes().entries(&EntryFilter::default(), None, some(1)).await.unwrap().entries, []);
    assert!(links.user("a", &user_id("1")).await.unwrap().is_some());
    other.execute("ROLLBACK").await.unwrap();
    links.foreign_user("a", &user_id("1"), "b", &spell).await.unwrap();
}

async fn a_file_that_is_no_database_is_refused(place: Place) {
    let file = file(&place.address().await);
    std::fs::write(&file, "these are not the links that you are looking for\n".repeat(100)).unwrap();
    refused(open(&place.location().await, &place.options).await);
    let missing: Location = format!("sqlite:{file}/no/such/directory").parse().unwrap();
    refused(open(&missing, &place.options).await);
}

async fn a_file_of_a_later_version_is_refused(place: Place) {
    place.open().await.close().await;
    let mut other = SqliteConnection::connect(&place.address().await).await.unwrap();
    let later = "INSERT INTO _sqlx_migrations VALUES (9999, 'later', '2030-01-01', TRUE, x'00', 0)";
    other.execute(later).await.unwrap();
    refused(open(&place.location().await, &place.options).await);
}

async fn a_file_that_was_removed_or_replaced_is_not_written_to(place: Place) {
    let file = file(&place.address().await);
    let links = place.open_with(&impatient(&place)).await;
    links.add_users(vec![link(&[("a", "1")])]).await.unwrap();
    let aside = format!("{file}.aside");
    let refused = async |id: &str| {
        let error = links.foreign_user("a", &user_id(id), "b", &spell).await.unwrap_err();
        assert_eq!(error.kind(), StoreErrorKind::Unusable, "{error:?}");
        assert_eq!(
            error.to_string(),
            "the link store cannot be used: its file was removed or replaced while it was open"
        );
        let error = links.may_hand_out("b", &spell).await.unwrap_err();
        assert_eq!(error.kind(), StoreErrorKind::Unusable, "{error:?}");
        assert!(links.add_users(vec![link(&[("a", "2")])]).await.is_err());
        assert!(links.remember("a", &user_id("1"), &last_scope("s")).await.is_err());
        assert!(links.remove_user("a", &user_id("1")).await.is_err());
        let writes = links.writes();
        assert!(writes.open(&intent("1", 1), None).await.is_err());
        // Where locks are in memory, it is noticed a little later.
        let begun = Instant::now();
        while writes.lock("a", &user_id("1"), Duration::ZERO).await.is_ok() {
            assert!(begun.elapsed() < Duration::from_secs(5));
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        assert!(writes.begin("client", "key", &[0; 32], Duration::from_secs(60)).await.is_err());
    };
    std::fs::rename(&file, &aside).unwrap();
    refused("removed").await;
    assert!(!std::fs::exists(&file).unwrap(), "nobody makes an empty one in its place");
    std::fs::copy(&aside, &file).unwrap();
    refused("replaced").await;
    std::fs::rename(&aside, &file).unwrap();
    let back = links.foreign_user("a", &user_id("back"), "b", &spell).await.unwrap();
    assert_eq!(back.ids["b"], spell(5000));
    std::fs::remove_file(&file).unwrap();
    refused("deleted").await;
}

/// The directory in which a child of ours fills a disk.
const DISK: &str = "INTERLINGUA_LINKS_TEST_DISK";

/// What a child says that may not have a disk of its own.
const NO_DISK: i32 = 77;

/// Runs in a child that has a small disk of its own, where the system lets anybody make one.
async fn a_disk_that_is_full_says_so_and_has_space_again(_: Place) {
    let directory = tempfile::tempdir().unwrap();
    let script = format!("mount -t tmpfs -o size=1m none \"${DISK}\" || exit {NO_DISK}; exec \"$0\"");
    let mut child = Command::new("unshare");
    child.args(["-Urm", "sh", "-c", &script]).arg(std::env::current_exe().unwrap()).env(DISK, directory.path());
    let ended = child.output();
    let ran = ended.as_ref().is_ok_and(|ended| ended.stdout.starts_with(b"filling"));
    if !ran {
        eprintln!("\n*** No disk can be made here: a disk that is full is NOT TESTED. {ended:?} ***\n");
        return;
    }
    let ended = ended.unwrap();
    assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
}

/// Fills the disk, if this process was started for that.
pub(crate) fn child() -> Option<ExitCode> {
    let directory = PathBuf::from(std::env::var_os(DISK)?);
    println!("filling");
    crate::runtime().block_on(fill(Place::new(Engine::Sqlite, true), directory));
    Some(ExitCode::SUCCESS)
}

async fn fill(place: Place, directory: PathBuf) {
    let location: Location = format!("sqlite:{}", directory.join("links.db").display()).parse().unwrap();
    let links = open(&location, &place.options).await.unwrap();
    let ballast = directory.join("ballast");
    let mut user = 0;
    let mut hand_out = async || {
        user += 1;
        links.foreign_user("a", &user_id(&user.to_string()), "b", &spell).await
    };
    for round in 0..3 {
        hand_out().await.unwrap();
        assert!(std::fs::write(&ballast, vec![0; 2 << 20]).is_err(), "the disk is small");
        let error = loop {
            // There may be some room in the files; but nobody is promised what is not there.
            let promised = links.may_hand_out("b", &spell).await;
            match (promised, hand_out().await) {
                (Ok(()), Ok(_)) => {}
                (Err(error), Err(_)) => break error,
                mixed => panic!("round {round}: {mixed:?}"),
            }
        };
        assert_eq!(error.kind(), StoreErrorKind::Unavailable, "{error:?}");
        assert!(format!("{error:?}").contains("full"), "{error:?}");
        for _ in 0..3 {
            assert_eq!(hand_out().await.unwrap_err().kind(), StoreErrorKind::Unavailable);
        }
        std::fs::remove_file(&ballast).unwrap();
        links.may_hand_out("b", &spell).await.unwrap();
    }
}

/// The database ends the transaction itself, as it does when the disk is full.
async fn what_the_database_rolled_back_by_itself_is_left_behind(place: Place) {
    let links = place.open_with(&impatient(&place)).await;
    links.add_users(vec![link(&[("a", "1"), ("c", "z")])]).await.unwrap();
    let mut other = SqliteConnection::connect(&place.address().await).await.unwrap();
    let full = "CREATE TRIGGER full BEFORE INSERT ON user_ids BEGIN SELECT RAISE(ROLLBACK, 'full'); END";
    for round in 0..3 {
        other.execute(full).await.unwrap();
        for _ in 0..3 {
            let begun = Instant::now();
            let error = links.foreign_user("a", &user_id(&format!("u{round}")), "b", &spell).await;
            let reason = format!("{:?}", error.as_ref().unwrap_err());
            says_so(error, begun);
            assert!(reason.contains("full"), "{reason}");
            let begun = Instant::now();
            says_so(links.may_hand_out("b", &spell).await, begun);
            assert!(links.add_users(vec![link(&[("a", "2")])]).await.is_err());
        }
        // Changes of others are seen although nobody here writes.
        let change = "UPDATE users SET scope_dialect = 'a', scope_id = coalesce(scope_id, '') || 'x'";
        assert!(links.user("c", &user_id("z")).await.unwrap().is_some());
        other.execute(change).await.unwrap();
        let expected = Some(("a".into(), scope_id(&"x".repeat(round + 1))));
        let begun = Instant::now();
        while links.user("c", &user_id("z")).await.unwrap().unwrap().scope != expected {
            assert!(begun.elapsed() < Duration::from_secs(1));
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        other.execute("DROP TRIGGER full").await.unwrap();
        links.may_hand_out("b", &spell).await.unwrap();
        links.foreign_user("a", &user_id(&format!("u{round}")), "b", &spell).await.unwrap();
        links.remember("a", &user_id("1"), &last_scope(&"x".repeat(round + 1))).await.unwrap();
    }
}

async fn a_server_that_is_down_says_so_and_comes_back(place: Place) {
    let mut server = Server::start();
    let location: Location = server.database().await.parse().unwrap();
    let links = open(&location, &impatient(&place)).await.unwrap();
    links.add_users(vec![link(&[("a", "1")])]).await.unwrap();
    assert!(links.user("a", &user_id("1")).await.unwrap().is_some());
    server.stop();
    // What is kept while changes are not heard of would be stale for ever.
    let begun = Instant::now();
    while links.peek_user("a", &user_id("1")).is_some() {
        assert!(begun.elapsed() < Duration::from_secs(1));
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    nothing_answers(&*links).await;
    let begun = Instant::now();
    says_so(open(&location, &impatient(&place)).await, begun);
    server.go_on();
    comes_back(&*links, &user_id("1")).await;
}

/// Answers, and soon from the cache again.
async fn comes_back(links: &dyn Links, id: &UserId) {
    let begun = Instant::now();
    while links.peek_user("a", id).is_none() {
        assert!(begun.elapsed() < Duration::from_secs(5));
        let _ = links.user("a", id).await;
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn a_server_that_is_slow_says_so(place: Place) {
    let links = place.open_with(&impatient(&place)).await;
    links.add_users(vec![link(&[("a", "1")])]).await.unwrap();
    let mut other = PgConnection::connect(&place.address().await).await.unwrap();
    other.execute("BEGIN; LOCK TABLE users, scopes, user_ids, scope_ids, owners, journal, locks, repeats IN ACCESS EXCLUSIVE MODE").await.unwrap();
    nobody_is_answered(&links).await;
    nothing_answers(&*links).await;
    other.execute("ROLLBACK").await.unwrap();
    comes_back(&*links, &user_id("1")).await;
}

async fn a_server_that_is_silent_says_so(place: Place) {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("postgres://jo:secret@{}/links", silent.local_addr().unwrap());
    let begun = Instant::now();
    let opened = open(&address.parse().unwrap(), &impatient(&place)).await;
    let words = format!("{opened:?}");
    says_so(opened, begun);
    assert!(!words.contains("secret"), "{words}");
}

/// A way to a server that can be cut without a word, and the address of it.
async fn cable(socket: PathBuf) -> (watch::Sender<u32>, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (cut, cuts) = watch::channel(0);
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let (socket, mut cuts) = (socket.clone(), cuts.clone());
            cuts.mark_unchanged();
            let is_cut = *cuts.borrow() % 2 == 1;
            tokio::spawn(async move {
                let mut server = UnixStream::connect(socket).await.unwrap();
                if !is_cut {
                    tokio::select! {
                        _ = copy_bidirectional(&mut client, &mut server) => return,
                        _ = cuts.changed() => {}
                    }
                }
                std::future::pending::<()>().await; // never to be heard of again
            });
        }
    });
    (cut, address)
}

async fn a_network_that_goes_dead_is_left_behind(place: Place) {
    let server = Server::start();
    let direct = server.database().await;
    let (cut, address) = cable(server.socket()).await;
    let (_, database) = direct.rsplit_once('/').unwrap();
    let location: Location = format!("postgres://postgres@{address}/{database}").parse().unwrap();
    let links = open(&location, &impatient(&place)).await.unwrap();
    links.add_users(vec![link(&[("a", "1")])]).await.unwrap();
    assert!(links.user("a", &user_id("1")).await.unwrap().is_some());
    // Every connection is in the middle of something.
    let busy = (0..30).map(|_| {
        let links = Arc::clone(&links);
        tokio::spawn(async move { while links.user("a", &user_id("nobody")).await.is_ok() {} })
    });
    let busy: Vec<_> = busy.collect();
    tokio::time::sleep(Duration::from_millis(300)).await;
    cut.send_modify(|cuts| *cuts += 1);
    for busy in busy {
        busy.await.unwrap();
    }
    let begun = Instant::now();
    while links.peek_user("a", &user_id("1")).is_some() {
        assert!(begun.elapsed() < Duration::from_secs(3));
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    nobody_is_answered(&links).await;
    nothing_answers(&*links).await;
    cut.send_modify(|cuts| *cuts += 1);
    comes_back(&*links, &user_id("1")).await;
}

async fn what_changes_while_nobody_listens_is_seen(place: Place) {
    let links = place.open().await;
    links.add_users(vec![link(&[("a", "1"), ("c", "z")])]).await.unwrap();
    assert!(links.user("a", &user_id("1")).await.unwrap().is_some());
    assert!(links.peek_user("a", &user_id("1")).is_some());
    let mut other = PgConnection::connect(&place.address().await).await.unwrap();
    for round in 0..5 {
        // Every other connection ends, and a change is made that nobody is told of.
        let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
            WHERE datname = current_database() AND pid <> pg_backend_pid()";
        other.execute(end).await.unwrap();
        let change = "UPDATE users SET scope_dialect = 'a', scope_id = coalesce(scope_id, '') || 'x'";
        other.execute(change).await.unwrap();
        let expected = scope_id(&"x".repeat(round + 1));
        let begun = Instant::now();
        loop {
            let link = links.user("c", &user_id("z")).await;
            if link.is_ok_and(|link| link.unwrap().scope == Some(("a".into(), expected.clone()))) {
                break;
            }
            assert!(begun.elapsed() < Duration::from_secs(1));
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        comes_back(&*links, &user_id("1")).await;
    }
}

async fn a_database_that_is_not_there_is_refused(place: Place) {
    let missing: Location = format!("{}_missing", place.address().await).parse().unwrap();
    refused(open(&missing, &place.options).await);
}
