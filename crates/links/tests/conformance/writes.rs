//! What every store promises of writes.

use std::{
    collections::BTreeSet,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant, SystemTime},
};

use interlingua_core::{
    Response,
    http::{HeaderValue, Method, StatusCode},
};
use interlingua_links::{
    Begun, Ending, EntryFilter, EntryId, Intent, Lock, Options, Shown, State, StoreError, StoreErrorKind, Undo, Write,
    Writes,
};
use sqlx::{Connection, Executor, PgConnection, SqliteConnection};
use tokio::time::sleep;

use crate::{
    Promise,
    place::{Engine, Place, user_id},
    promises::some,
};

/// What all stores promise.
pub(crate) fn all() -> impl IntoIterator<Item = (&'static str, Promise)> {
    promises![
        an_entry_tells_what_was_written_down,
        an_entry_that_is_closed_has_no_bodies_and_changes_no_more,
        pages_show_each_entry_once,
        filters_of_entries_let_through_what_they_say,
        entries_are_swept_some_time_after_they_were_closed,
        an_entry_that_is_left_is_anybodys,
        an_entry_remembers_a_fence,
        a_partial_entry_is_resolved_once,
        what_no_store_can_keep_is_not_opened,
        a_plan_is_kept_with_all_of_its_bodies_or_none,
        one_at_a_time_has_the_lock_of_a_user,
        whoever_waits_for_a_lock_comes_in_order,
        a_lock_that_nobody_waits_for_any_more_is_free,
        a_lock_tells_the_one_before,
        a_request_is_begun_once_and_its_answer_told_again,
        a_request_that_is_forgotten_can_be_begun_afresh,
        an_answer_is_told_as_long_as_it_is_kept,
        of_many_who_begin_the_same_one_does,
        an_entry_is_opened_for_a_request_that_is_begun,
        an_entry_that_is_closed_without_an_answer_tells_as_much,
        a_session_that_was_ended_is_known_to_all_until_its_time_is_over,
    ]
}

/// What stores promise that several processes open.
pub(crate) fn of_databases() -> impl IntoIterator<Item = (&'static str, Promise)> {
    promises![
        an_entry_is_there_when_opened_again,
        an_entry_is_its_owners_as_long_as_the_lease_lasts,
        an_owner_who_is_late_goes_on_unless_somebody_took_over,
        of_many_who_take_over_one_does,
        without_the_key_there_are_no_bodies,
        a_lock_is_free_when_its_owner_is_gone,
        a_lock_tells_whether_anybody_had_it_since,
        a_lock_that_is_given_back_late_frees_no_later_one,
        a_lock_that_was_granted_to_nobody_is_free_after_a_renewal,
        no_process_is_left_out_of_a_lock,
        an_owner_knows_what_it_has_begun_itself,
        a_request_whose_owner_is_gone_was_interrupted,
        a_request_whose_owner_is_gone_and_did_nothing_is_begun_afresh,
        without_the_key_answers_are_told_by_their_status,
    ]
}

/// What is promised of files.
pub(crate) fn of_files() -> impl IntoIterator<Item = (&'static str, Promise)> {
    promises![
        no_body_is_in_the_file_in_clear_and_none_after_closing,
        alone_one_has_locks_in_memory_where_no_entry_is_open,
        whoever_joins_waits_for_the_locks_in_memory,
        whoever_stays_behind_has_locks_in_memory,
        a_lock_in_memory_ends_with_the_lease,
        one_at_a_time_has_a_lock_while_owners_come_and_go,
    ]
}

/// A lease that ends soon, and one that does not, however busy the machine is.
const SHORT: Duration = Duration::from_millis(300);
const LONG: Duration = Duration::from_secs(120);

/// What must never be found in clear.
const BODY: &str = r#"{"email": "john.smith@example.com"}"#;
const OLD_BODY: &str = r#"{"email": "john.doe@example.com"}"#;

/// These options with a key.
pub(crate) fn keyed(options: &Options) -> Options {
    Options { key: Some([7; 32].into()), ..options.clone() }
}

/// What is kept of writes in a place, by a new owner.
async fn owner(place: &Place, lease: Duration) -> Arc<dyn Writes> {
    place.open_with(&Options { lease, ..keyed(&place.options) }).await.writes()
}

/// Several owners that know of each other, so that no locks are in memory only, unless the store is.
async fn owners<const N: usize>(place: &Place, leases: [Duration; N]) -> [Arc<dyn Writes>; N] {
    let mut owners = Vec::new();
    for lease in leases {
        let owner = owner(place, lease).await;
        owner.renew().await.unwrap();
        owners.push(owner);
    }
    if place.engine != Engine::Memory {
        for owner in &owners {
            within(Duration::from_secs(10), async || lock(&**owner, "nobody", LONG).await.unwrap().is_in_store()).await;
        }
    }
    owners.try_into().unwrap_or_else(|_| unreachable!("as many as leases"))
}

/// Waits until it is so.
async fn within(limit: Duration, mut is_so: impl AsyncFnMut() -> bool) {
    let begun = Instant::now();
    while !is_so().await {
        assert!(begun.elapsed() < limit);
        sleep(Duration::from_millis(5)).await;
    }
}

/// Some writes to a user; the second can be taken back.
pub(crate) fn intent(user: &str, writes: usize) -> Intent {
    let target = format!("/users/{user}");
    let undo = Undo { method: Method::PUT, target: target.clone(), body: Some(OLD_BODY.into()) };
    let write = |number: usize| Write {
        method: Method::PATCH,
        target: target.clone(),
        body: Some(if number == 2 { "".into() } else { BODY.into() }),
        fields: vec!["email".into(), "preferences[ü\"]".into()],
        repeatable: number == 0,
        undo: Some(undo.clone()).filter(|_| number == 1),
    };
    Intent {
        request: "0195f0c2-\"ü\"".into(),
        upstream: "textus".into(),
        user: Some(user_id(user)),
        fence: Some(17),
        operation: "update-user".into(),
        client: "helpdesk".into(),
        writes: (0..writes).map(write).collect(),
    }
}

fn all_entries() -> EntryFilter {
    EntryFilter::default()
}

fn shown(shown: Shown) -> EntryFilter {
    EntryFilter { shown, ..EntryFilter::default() }
}

async fn ids(writes: &dyn Writes, filter: &EntryFilter) -> Vec<EntryId> {
    let entries = writes.entries(filter, None, some(1000)).await.unwrap();
    assert_eq!(entries.next, None);
    entries.entries.into_iter().map(|entry| entry.id).collect()
}

#[track_caller]
fn lost<T: std::fmt::Debug>(answer: Result<T, StoreError>) {
    let error = answer.unwrap_err();
    assert_eq!((error.kind(), error.is_retryable()), (StoreErrorKind::Lost, false), "{error:?}");
}

async fn an_entry_that_is_left_is_anybodys(place: Place) {
    let writes = owner(&place, LONG).await;
    let entry = writes.open(&intent("1", 2), None).await.unwrap();
    assert!(ids(&*writes, &shown(Shown::Abandoned)).await.is_empty());
    writes.release(entry, None).await.unwrap();
    lost(writes.mark(entry, 0, State::Sending).await);
    lost(writes.close(entry, Ending::Done, None).await);
    lost(writes.release(entry, None).await);
    for kind in [Shown::Abandoned, Shown::Unsettled, Shown::Open] {
        assert_eq!(ids(&*writes, &shown(kind)).await, [entry]);
    }
    let taken = writes.take_over(entry).await.unwrap().unwrap();
    assert_eq!(taken.intent, intent("1", 2));
    assert!(ids(&*writes, &shown(Shown::Unsettled)).await.is_empty());
    writes.mark(entry, 0, State::Applied).await.unwrap();
    writes.close(entry, Ending::Done, None).await.unwrap();
    lost(writes.release(entry, None).await);
}

async fn an_entry_remembers_a_fence(place: Place) {
    let writes = owner(&place, LONG).await;
    let fence = async |entry| {
        let page = writes.entries(&all_entries(), None, some(1)).await.unwrap();
        let shown = writes.entry(entry).await.unwrap().unwrap().intent.fence;
        assert_eq!(page.entries[0].intent.fence, shown);
        shown
    };
    let entry = writes.open(&Intent { fence: None, ..intent("1", 2) }, None).await.unwrap();
    assert_eq!(fence(entry).await, None);
    for (released, remembered) in [(None, None), (Some(18), Some(18)), (None, Some(18)), (Some(19), Some(19))] {
        writes.release(entry, released).await.unwrap();
        lost(writes.release(entry, Some(4711)).await);
        assert_eq!(fence(entry).await, remembered);
        assert_eq!(writes.take_over(entry).await.unwrap().unwrap().intent.fence, remembered);
    }
    writes.close(entry, Ending::Done, None).await.unwrap();
    assert_eq!(fence(entry).await, Some(19));
}

async fn a_partial_entry_is_resolved_once(place: Place) {
    let writes = owner(&place, LONG).await;
    let entry = writes.open(&intent("1", 2), None).await.unwrap();
    lost(writes.resolve(entry, None).await);
    writes.close(entry, Ending::Partial, Some("half of it")).await.unwrap();
    assert_eq!(ids(&*writes, &shown(Shown::Unsettled)).await, [entry]);
    writes.resolve(entry, Some("done by hand")).await.unwrap();
    lost(writes.resolve(entry, None).await);
    assert!(ids(&*writes, &shown(Shown::Unsettled)).await.is_empty());
    let closed = writes.entry(entry).await.unwrap().unwrap().closed.unwrap();
    assert_eq!((closed.1, closed.2.as_deref()), (Ending::Resolved, Some("done by hand")));
}

async fn an_entry_tells_what_was_written_down(place: Place) {
    let writes = owner(&place, LONG).await;
    let begun = SystemTime::now();
    let created = Intent { user: None, fence: None, ..intent("2", 1) };
    let (first, second) =
        (writes.open(&intent("1", 3), None).await.unwrap(), writes.open(&created, None).await.unwrap());
    assert!(first < second);
    writes.mark(first, 0, State::Sending).await.unwrap();
    writes.mark(first, 0, State::Applied).await.unwrap();
    writes.mark(first, 2, State::Refused).await.unwrap();
    let entry = writes.entry(first).await.unwrap().unwrap();
    assert_eq!((entry.id, &entry.intent), (first, &intent("1", 3)));
    assert_eq!(entry.states, [State::Applied, State::NotSent, State::Refused]);
    assert_eq!(entry.closed, None);
    let off = entry.opened.duration_since(begun).unwrap_or_else(|error| error.duration());
    assert!(off < Duration::from_secs(30), "{off:?}");
    let other = writes.entry(second).await.unwrap().unwrap();
    assert_eq!((&other.intent, &*other.states), (&created, &[State::NotSent][..]));
    for state in [State::Undone, State::Unknown, State::Refused, State::Sending, State::NotSent] {
        writes.mark(second, 0, state).await.unwrap();
        assert_eq!(writes.entry(second).await.unwrap().unwrap().states, [state]);
    }
    assert_eq!(writes.entry(first).await.unwrap(), Some(entry));
    lost(writes.mark(first, 3, State::Sending).await);
    lost(writes.mark(first, usize::MAX, State::Sending).await);
    lost(writes.mark("4711".parse().unwrap(), 0, State::Sending).await);
    assert_eq!(writes.entry("4711".parse().unwrap()).await.unwrap(), None);
    let words = format!("{writes:?} {:?}", writes.entry(first).await.unwrap());
    assert!(!words.contains("john"), "{words}");
}

async fn an_entry_that_is_closed_has_no_bodies_and_changes_no_more(place: Place) {
    let writes = owner(&place, LONG).await;
    for ending in [Ending::Done, Ending::Refused, Ending::Partial, Ending::Resolved] {
        let entry = writes.open(&intent("1", 2), None).await.unwrap();
        writes.mark(entry, 1, State::Sending).await.unwrap();
        let note = (ending != Ending::Done).then_some("it is \"done\"");
        writes.close(entry, ending, note).await.unwrap();
        let closed = writes.entry(entry).await.unwrap().unwrap();
        assert_eq!(closed.states, [State::NotSent, State::Sending]);
        let (_, told, words) = closed.closed.clone().unwrap();
        assert_eq!((told, words.as_deref()), (ending, note));
        let mut expected = intent("1", 2);
        for write in &mut expected.writes {
            write.body = None;
            write.undo.iter_mut().for_each(|undo| undo.body = None);
        }
        assert_eq!(closed.intent, expected);
        lost(writes.mark(entry, 1, State::Applied).await);
        lost(writes.close(entry, Ending::Resolved, None).await);
        assert_eq!(writes.take_over(entry).await.unwrap(), None);
        assert_eq!(writes.entry(entry).await.unwrap(), Some(closed));
    }
    lost(writes.close("4711".parse().unwrap(), Ending::Resolved, None).await);
}

async fn pages_show_each_entry_once(place: Place) {
    let writes = owner(&place, LONG).await;
    let mut opened = Vec::new();
    for _ in 0..7 {
        opened.push(writes.open(&intent("1", 1), None).await.unwrap());
    }
    for limit in [1, 3, 7, 8] {
        let (mut seen, mut after) = (Vec::new(), None);
        loop {
            let page = writes.entries(&all_entries(), after, some(limit)).await.unwrap();
            assert!(page.entries.iter().all(|entry| entry.intent.writes[0].body.is_none()));
            seen.extend(page.entries.into_iter().map(|entry| entry.id));
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        assert_eq!(seen, opened);
    }
}

async fn filters_of_entries_let_through_what_they_say(place: Place) {
    let writes = owner(&place, LONG).await;
    let elsewhere = Intent { upstream: "ecgrid".into(), ..intent("1", 1) };
    let (one, other) =
        (writes.open(&intent("1", 1), None).await.unwrap(), writes.open(&elsewhere, None).await.unwrap());
    sleep(Duration::from_millis(20)).await;
    let late = writes.open(&intent("2", 1), None).await.unwrap();
    writes.close(one, Ending::Done, None).await.unwrap();
    assert_eq!(ids(&*writes, &all_entries()).await, [one, other, late]);
    assert_eq!(ids(&*writes, &shown(Shown::Open)).await, [other, late]);
    assert_eq!(ids(&*writes, &shown(Shown::Abandoned)).await, []);
    let of = |upstream: &str| EntryFilter { upstream: Some(upstream.into()), ..all_entries() };
    assert_eq!(ids(&*writes, &of("ecgrid")).await, [other]);
    assert_eq!(ids(&*writes, &EntryFilter { shown: Shown::Open, ..of("textus") }).await, [late]);
    assert_eq!(ids(&*writes, &of("text\0us")).await, []);
    let since = |time| EntryFilter { since: Some(time), ..all_entries() };
    let opened = writes.entry(late).await.unwrap().unwrap().opened;
    assert_eq!(ids(&*writes, &since(opened)).await, [late]);
    assert_eq!(ids(&*writes, &since(opened + Duration::from_millis(1))).await, []);
    assert_eq!(ids(&*writes, &since(SystemTime::UNIX_EPOCH - Duration::from_secs(1))).await.len(), 3);
}

async fn entries_are_swept_some_time_after_they_were_closed(place: Place) {
    let writes = owner(&place, LONG).await;
    let (open, closed) =
        (writes.open(&intent("1", 1), None).await.unwrap(), writes.open(&intent("1", 1), None).await.unwrap());
    writes.close(closed, Ending::Done, None).await.unwrap();
    for keep in [Duration::from_secs(60), Duration::from_secs(u64::MAX)] {
        assert_eq!(writes.sweep(keep).await.unwrap(), 0);
    }
    sleep(Duration::from_millis(20)).await;
    assert_eq!(writes.sweep(Duration::from_millis(5)).await.unwrap(), 1);
    assert_eq!(ids(&*writes, &all_entries()).await, [open]);
    assert!(writes.open(&intent("1", 1), None).await.unwrap() > closed, "no number is given twice");
}

async fn what_no_store_can_keep_is_not_opened(place: Place) {
    let writes = owner(&place, LONG).await;
    let long = "x".repeat(1025);
    for bad in ["a\0b", &long] {
        for unfit in [
            Intent { request: bad.into(), ..intent("1", 1) },
            Intent { client: bad.into(), ..intent("1", 1) },
            Intent { user: Some(user_id(bad)), ..intent("1", 1) },
        ] {
            assert_eq!(writes.open(&unfit, None).await.unwrap_err().kind(), StoreErrorKind::Unfit);
        }
        let entry = writes.open(&intent("1", 1), None).await.unwrap();
        let error = writes.close(entry, Ending::Done, Some(bad)).await.unwrap_err();
        assert_eq!(error.kind(), StoreErrorKind::Unfit);
    }
    let entry = writes.open(&intent("1", 0), None).await.unwrap();
    assert_eq!(writes.entry(entry).await.unwrap().unwrap().intent.writes, []);
}

async fn a_plan_is_kept_with_all_of_its_bodies_or_none(place: Place) {
    let writes = owner(&place, LONG).await;
    let mut some = intent("1", 2);
    some.writes[1].undo.as_mut().unwrap().body = None;
    for (intent, kept) in [(intent("1", 2), intent("1", 2)), (some.clone(), some.bare())] {
        let entry = writes.open(&intent, None).await.unwrap();
        assert_eq!(writes.entry(entry).await.unwrap().unwrap().intent, kept);
    }
}

async fn an_entry_is_there_when_opened_again(place: Place) {
    let store = place.open_with(&keyed(&place.options)).await;
    let writes = store.writes();
    let entry = writes.open(&intent("1", 3), None).await.unwrap();
    writes.mark(entry, 1, State::Sending).await.unwrap();
    store.close().await;
    assert_eq!(writes.mark(entry, 1, State::Applied).await.unwrap_err().kind(), StoreErrorKind::Unavailable);
    let found = owner(&place, LONG).await.entry(entry).await.unwrap().unwrap();
    assert_eq!(found.intent, intent("1", 3));
    assert_eq!(found.states, [State::NotSent, State::Sending, State::NotSent]);
}

async fn an_entry_is_its_owners_as_long_as_the_lease_lasts(place: Place) {
    let (here, there) = (owner(&place, SHORT).await, owner(&place, LONG).await);
    let entry = here.open(&intent("1", 2), None).await.unwrap();
    for _ in 0..4 {
        sleep(SHORT / 3).await;
        here.renew().await.unwrap();
    }
    lost(there.mark(entry, 0, State::Applied).await);
    lost(there.close(entry, Ending::Resolved, None).await);
    assert_eq!(ids(&*there, &shown(Shown::Open)).await, [entry]);
    here.renew().await.unwrap();
    assert_eq!(there.take_over(entry).await.unwrap(), None);
    here.mark(entry, 0, State::Sending).await.unwrap();
    sleep(SHORT * 2).await;
    assert_eq!(ids(&*there, &shown(Shown::Abandoned)).await, [entry]);
    let found = there.take_over(entry).await.unwrap().unwrap();
    assert_eq!((&found.intent, &*found.states), (&intent("1", 2), &[State::Sending, State::NotSent][..]));
    assert_eq!(ids(&*there, &shown(Shown::Abandoned)).await, []);
    lost(here.mark(entry, 1, State::Sending).await);
    lost(here.close(entry, Ending::Done, None).await);
    assert_eq!(here.take_over(entry).await.unwrap(), None);
    assert_eq!(there.take_over(entry).await.unwrap(), Some(found), "it is there's already");
    there.mark(entry, 1, State::Applied).await.unwrap();
    there.close(entry, Ending::Resolved, None).await.unwrap();
}

async fn an_owner_who_is_late_goes_on_unless_somebody_took_over(place: Place) {
    let (here, there) = (owner(&place, SHORT).await, owner(&place, LONG).await);
    let (kept, taken) =
        (here.open(&intent("1", 1), None).await.unwrap(), here.open(&intent("1", 1), None).await.unwrap());
    sleep(SHORT * 2).await;
    assert_eq!(ids(&*there, &shown(Shown::Abandoned)).await, [kept, taken]);
    there.take_over(taken).await.unwrap().unwrap();
    here.mark(kept, 0, State::Applied).await.unwrap();
    assert_eq!(ids(&*there, &shown(Shown::Abandoned)).await, []);
    assert_eq!(there.take_over(kept).await.unwrap(), None, "whoever is late renews the lease");
    lost(here.mark(taken, 0, State::Applied).await);
    here.close(kept, Ending::Done, None).await.unwrap();
}

async fn of_many_who_take_over_one_does(place: Place) {
    let dead = owner(&place, SHORT).await;
    let mut entries = Vec::new();
    for _ in 0..12 {
        entries.push(dead.open(&intent("1", 1), None).await.unwrap());
    }
    let mut heirs = Vec::new();
    for _ in 0..3 {
        heirs.push(owner(&place, LONG).await);
        heirs.last().unwrap().renew().await.unwrap();
    }
    sleep(SHORT * 2).await;
    let tasks: Vec<_> = (0..12)
        .map(|task: usize| {
            let (heir, entries) = (Arc::clone(&heirs[task % 3]), entries.clone());
            tokio::spawn(async move {
                let mut taken = BTreeSet::new();
                for position in 0..entries.len() {
                    let entry = entries[(position + task * 5) % entries.len()];
                    if heir.take_over(entry).await.unwrap().is_some() {
                        heir.mark(entry, 0, State::Applied).await.unwrap();
                        taken.insert(entry);
                    }
                }
                (task % 3, taken)
            })
        })
        .collect();
    let mut taken = [const { BTreeSet::new() }; 3];
    for task in tasks {
        let (heir, entries) = task.await.unwrap();
        taken[heir].extend(entries);
    }
    let all: Vec<_> = taken.iter().flatten().copied().collect();
    assert_eq!(all.len(), entries.len(), "none twice and none left");
    assert_eq!(BTreeSet::from_iter(all), BTreeSet::from_iter(entries));
}

async fn without_the_key_there_are_no_bodies(place: Place) {
    let writes = owner(&place, LONG).await;
    let sealed = writes.open(&intent("1", 2), None).await.unwrap();
    let others = [None, Some([8; 32].into())];
    for key in others {
        let other = place.open_with(&Options { key: key.clone(), ..place.options.clone() }).await.writes();
        let entry = other.entry(sealed).await.unwrap().unwrap();
        assert!(entry.intent.writes.iter().all(|write| write.body.is_none()));
        assert_eq!(entry.intent.writes[1].undo.as_ref().unwrap().body, None);
        let own = other.open(&intent("1", 1), None).await.unwrap();
        let entry = other.entry(own).await.unwrap().unwrap();
        assert_eq!(entry.intent.writes[0].body.is_some(), key.is_some());
        assert_eq!(writes.entry(own).await.unwrap().unwrap().intent.writes[0].body, None);
    }
}

async fn lock(writes: &dyn Writes, user: &str, patience: Duration) -> Option<Lock> {
    writes.lock("textus", &user_id(user), patience).await.unwrap()
}

async fn one_at_a_time_has_the_lock_of_a_user(place: Place) {
    let owners = owners(&place, [LONG, LONG]).await;
    let users = Arc::new([const { (AtomicU64::new(0), AtomicU64::new(0)) }; 3]);
    let tasks: Vec<_> = (0..24)
        .map(|task: usize| {
            let (writes, users) = (Arc::clone(&owners[task % 2]), Arc::clone(&users));
            tokio::spawn(async move {
                for round in 0..4 {
                    let user = (task + round) % 3;
                    let lock = lock(&*writes, &user.to_string(), LONG).await.expect("everybody's turn comes");
                    let (inside, fence) = &users[user];
                    assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0, "alone");
                    let number = lock.fence().await.unwrap();
                    assert!(fence.swap(number, Ordering::SeqCst) < number, "the number grows");
                    tokio::task::yield_now().await;
                    assert!(lock.is_held().await.unwrap());
                    inside.fetch_sub(1, Ordering::SeqCst);
                    if round % 2 == 0 {
                        lock.release().await.unwrap();
                    }
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    // Users of the same name elsewhere are others.
    let (here, there) = (&owners[0], &owners[1]);
    let held = lock(&**here, "1", LONG).await.unwrap();
    assert!(here.lock("ecgrid", &user_id("1"), Duration::ZERO).await.unwrap().is_some());
    for writes in [here, there] {
        assert!(lock(&**writes, "1", Duration::ZERO).await.is_none());
        let begun = Instant::now();
        assert!(lock(&**writes, "1", SHORT).await.is_none());
        assert!(begun.elapsed() >= SHORT);
    }
    let fence = held.fence().await.unwrap();
    held.release().await.unwrap();
    let held = lock(&**there, "1", Duration::ZERO).await.expect("what is released is free");
    assert!(held.fence().await.unwrap() > fence);
    let words = format!("{held:?}");
    assert_eq!(words, format!("Lock {{ fence: Some({}), .. }}", held.fence().await.unwrap()));
    for bad in ["a\0b", &"x".repeat(1025)] {
        let error = here.lock("textus", &user_id(bad), LONG).await.unwrap_err();
        assert_eq!(error.kind(), StoreErrorKind::Unfit);
    }
}

async fn whoever_waits_for_a_lock_comes_in_order(place: Place) {
    let writes = owner(&place, LONG).await;
    let held = lock(&*writes, "1", LONG).await.unwrap();
    let came = Arc::new(Mutex::new(Vec::new()));
    let mut tasks = Vec::new();
    for task in 0..5 {
        let (writes, came) = (Arc::clone(&writes), Arc::clone(&came));
        tasks.push(tokio::spawn(async move {
            let lock = lock(&*writes, "1", LONG).await.unwrap();
            came.lock().unwrap().push(task);
            lock.release().await.unwrap();
        }));
        sleep(Duration::from_millis(20)).await;
    }
    drop(held);
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(*came.lock().unwrap(), [0, 1, 2, 3, 4]);
}

async fn a_lock_that_nobody_waits_for_any_more_is_free(place: Place) {
    let owners = owners(&place, [LONG, LONG]).await;
    for round in 0..40 {
        let writes = Arc::clone(&owners[round % 2]);
        let asking = tokio::spawn(async move { lock(&*writes, "1", LONG).await.unwrap().fence().await });
        sleep(Duration::from_micros(u64::try_from(round).unwrap() * 100)).await;
        asking.abort();
        let _ = asking.await;
    }
    for writes in &owners {
        lock(&**writes, "1", Duration::from_secs(10)).await.expect("it is free").release().await.unwrap();
    }
}

async fn a_lock_tells_the_one_before(place: Place) {
    let owners = owners(&place, [LONG, LONG]).await;
    let mut before = None;
    for round in 0..6 {
        let held = lock(&*owners[round / 2 % 2], "1", LONG).await.unwrap();
        assert_eq!(held.previous().await.unwrap(), before);
        before = Some(held.fence().await.unwrap());
        // That of somebody else is none of this user's.
        let other = lock(&*owners[0], &format!("other {round}"), LONG).await.unwrap();
        assert_eq!(other.previous().await.unwrap(), None);
        held.release().await.unwrap();
    }
}

async fn a_lock_is_free_when_its_owner_is_gone(place: Place) {
    let [dead, heir] = owners(&place, [SHORT, LONG]).await;
    let held = lock(&*dead, "1", LONG).await.unwrap();
    for _ in 0..6 {
        sleep(SHORT / 3).await;
        dead.renew().await.unwrap();
    }
    assert!(held.is_held().await.unwrap());
    assert!(lock(&*heir, "1", Duration::ZERO).await.is_none());
    let taken = lock(&*heir, "1", LONG).await.unwrap();
    assert!(taken.fence().await.unwrap() > held.fence().await.unwrap());
    dead.renew().await.unwrap();
    assert!(!held.is_held().await.unwrap() && taken.is_held().await.unwrap());
    held.release().await.unwrap(); // which changes nothing
    assert!(lock(&*dead, "1", Duration::ZERO).await.is_none());
    assert!(taken.is_held().await.unwrap());
}

async fn a_lock_tells_whether_anybody_had_it_since(place: Place) {
    let [dead, heir] = owners(&place, [SHORT, LONG]).await;
    let held = lock(&*dead, "1", LONG).await.unwrap();
    let opened = Intent { fence: Some(held.fence().await.unwrap()), ..intent("1", 2) };
    let entry = dead.open(&opened, None).await.unwrap();
    sleep(SHORT * 2).await;
    // Nobody had it since, and whoever leaves the entry under his own lock does not count.
    for _ in 0..2 {
        let found = heir.take_over(entry).await.unwrap().unwrap();
        let taken = lock(&*heir, "1", LONG).await.unwrap();
        assert_eq!(taken.previous().await.unwrap(), found.intent.fence);
        heir.release(entry, Some(taken.fence().await.unwrap())).await.unwrap();
        taken.release().await.unwrap();
    }
    lock(&*heir, "1", LONG).await.unwrap().release().await.unwrap();
    let taken = lock(&*heir, "1", LONG).await.unwrap();
    assert_ne!(taken.previous().await.unwrap(), heir.entry(entry).await.unwrap().unwrap().intent.fence);
}

/// Somebody else at the database.
enum Other {
    Sqlite(SqliteConnection),
    Postgres(PgConnection),
}

impl Other {
    async fn at(place: &Place) -> Self {
        let address = place.address().await;
        if place.engine == Engine::Sqlite {
            Self::Sqlite(SqliteConnection::connect(&address).await.unwrap())
        } else {
            Self::Postgres(PgConnection::connect(&address).await.unwrap())
        }
    }

    async fn execute(&mut self, statement: &'static str) {
        match self {
            Self::Sqlite(connection) => drop(connection.execute(statement).await.unwrap()),
            Self::Postgres(connection) => drop(connection.execute(statement).await.unwrap()),
        }
    }

    /// Keeps everybody else from the locks, until it ends its transaction.
    async fn block_locks(&mut self) {
        match self {
            Self::Sqlite(_) => self.execute("BEGIN IMMEDIATE").await,
            Self::Postgres(_) => self.execute("BEGIN; LOCK TABLE locks IN ACCESS EXCLUSIVE MODE").await,
        }
    }
}

async fn a_lock_that_is_given_back_late_frees_no_later_one(place: Place) {
    let [here, there] = owners(&place, [LONG, LONG]).await;
    let held = lock(&*here, "1", LONG).await.unwrap();
    let fence = held.fence().await.unwrap();
    // As if it had been freed, and granted to the same owner again.
    Other::at(&place).await.execute("UPDATE locks SET previous = fence, fence = fence + 1").await;
    assert!(!held.is_held().await.unwrap());
    held.release().await.unwrap();
    assert!(lock(&*there, "1", Duration::ZERO).await.is_none());
    // Nobody uses that one, so that its owner gets it anew.
    let again = lock(&*here, "1", Duration::ZERO).await.unwrap();
    assert_eq!(again.previous().await.unwrap(), Some(fence + 1));
    again.release().await.unwrap();
    assert!(lock(&*there, "1", Duration::ZERO).await.is_some());
}

async fn a_lock_that_was_granted_to_nobody_is_free_after_a_renewal(place: Place) {
    let there = owner(&place, LONG).await;
    there.renew().await.unwrap();
    let impatient = Options { lease: LONG, timeout: Duration::from_secs(2), ..keyed(&place.options) };
    let here = place.open_with(&impatient).await.writes();
    let used = lock(&*here, "2", LONG).await.unwrap();
    let mut other = Other::at(&place).await;
    other.block_locks().await;
    let error = here.lock("textus", &user_id("1"), LONG).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Unavailable);
    other.execute("ROLLBACK").await;
    // What was tried is given up before the next has his turn, in vain where the database comes to the grant only then.
    lock(&*here, "1", LONG).await.expect("it is free").release().await.unwrap();
    other
        .execute("UPDATE locks SET fence = fence + 1, owner = (SELECT max(owner) FROM owners) WHERE user_id = '1'")
        .await;
    assert!(lock(&*there, "1", SHORT).await.is_none());
    sleep(SHORT * 2).await; // whoever waits is the heir for a while
    here.renew().await.unwrap();
    assert!(lock(&*there, "1", Duration::ZERO).await.is_some());
    assert!(used.is_held().await.unwrap() && lock(&*there, "2", Duration::ZERO).await.is_none());
}

async fn no_process_is_left_out_of_a_lock(place: Place) {
    let [busy, other] = owners(&place, [LONG, LONG]).await;
    let crowd: Vec<_> = (0..4)
        .map(|_| {
            let busy = Arc::clone(&busy);
            tokio::spawn(async move {
                loop {
                    let lock = lock(&*busy, "1", LONG).await.unwrap();
                    sleep(Duration::from_millis(2)).await;
                    lock.release().await.unwrap();
                }
            })
        })
        .collect();
    for _ in 0..5 {
        let begun = Instant::now();
        lock(&*other, "1", LONG).await.unwrap().release().await.unwrap();
        assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    }
    for task in crowd {
        task.abort();
    }
}

async fn is_in_store(writes: &dyn Writes, user: &str) -> bool {
    lock(writes, user, LONG).await.expect("it is free").is_in_store()
}

async fn alone_one_has_locks_in_memory_where_no_entry_is_open(place: Place) {
    let writes = owner(&place, LONG).await;
    let held = lock(&*writes, "1", LONG).await.unwrap();
    assert!(!held.is_in_store() && held.is_held().await.unwrap());
    assert!(lock(&*writes, "1", Duration::ZERO).await.is_none());
    assert_eq!(format!("{held:?}"), "Lock { fence: None, .. }");
    drop(held);
    let held = lock(&*writes, "1", Duration::ZERO).await.expect("it is free at once");
    let fence = held.fence().await.unwrap();
    assert!(held.is_in_store() && held.is_held().await.unwrap() && !is_in_store(&*writes, "2").await);
    let entry = writes.open(&Intent { fence: Some(fence), ..intent("1", 2) }, None).await.unwrap();
    held.release().await.unwrap();
    // The entry is left open, so that whoever takes it up has to know that the user was written since.
    for before in [Some(fence), Some(fence + 1)] {
        writes.renew().await.unwrap();
        let held = lock(&*writes, "1", LONG).await.unwrap();
        assert!(held.is_in_store() && held.previous().await.unwrap() >= before);
    }
    assert!(!is_in_store(&*writes, "2").await);
    writes.close(entry, Ending::Done, None).await.unwrap();
    assert!(is_in_store(&*writes, "1").await, "the journal was not read since");
    sleep(SHORT).await; // what is dropped is given back by a task
    writes.renew().await.unwrap();
    assert!(!is_in_store(&*writes, "1").await);
}

async fn whoever_joins_waits_for_the_locks_in_memory(place: Place) {
    let here = owner(&place, LONG).await;
    let [one, two] = [lock(&*here, "1", LONG).await.unwrap(), lock(&*here, "2", LONG).await.unwrap()];
    assert!(!one.is_in_store() && !two.is_in_store());
    let there = owner(&place, LONG).await;
    for user in ["1", "3"] {
        assert!(lock(&*there, user, SHORT).await.is_none());
    }
    assert!(is_in_store(&*here, "3").await, "no more of them");
    two.fence().await.unwrap();
    drop(one);
    assert!(lock(&*there, "1", SHORT).await.is_none(), "as if they had been in memory all the time");
    assert!(one_is_held(&two).await);
    drop(two);
    for user in ["1", "2"] {
        let held = lock(&*there, user, Duration::from_secs(10)).await.expect("it is free");
        assert!(held.is_in_store() && lock(&*here, user, SHORT).await.is_none());
    }
}

async fn one_is_held(lock: &Lock) -> bool {
    lock.is_in_store() && lock.is_held().await.unwrap()
}

async fn whoever_stays_behind_has_locks_in_memory(place: Place) {
    let [here, there] = owners(&place, [LONG, SHORT]).await;
    let held = lock(&*there, "1", LONG).await.unwrap();
    // It is gone, and its lease ends.
    within(Duration::from_secs(10), async || {
        here.renew().await.unwrap();
        !is_in_store(&*here, "2").await
    })
    .await;
    // What it had is gone with it, should it come back.
    there.renew().await.unwrap();
    assert!(!held.is_held().await.unwrap());
    within(Duration::from_secs(10), async || is_in_store(&*here, "2").await).await;
    assert!(lock(&*here, "1", Duration::ZERO).await.is_some());
}

async fn a_lock_in_memory_ends_with_the_lease(place: Place) {
    let (here, there) = (owner(&place, SHORT).await, owner(&place, LONG).await);
    let [one, two] = [lock(&*here, "1", LONG).await.unwrap(), lock(&*here, "2", LONG).await.unwrap()];
    assert!(!one.is_in_store() && !two.is_in_store());
    sleep(SHORT * 2).await;
    // Whoever is merely late goes on; on a busy machine, such a lease may end while one looks.
    within(Duration::from_secs(10), async || {
        here.renew().await.unwrap();
        one.is_held().await.unwrap()
    })
    .await;
    sleep(SHORT * 2).await;
    let taken = lock(&*there, "1", LONG).await.expect("nobody else is alive");
    here.renew().await.unwrap();
    assert!(!one.is_held().await.unwrap() && taken.is_held().await.unwrap());
    drop(taken);
    within(Duration::from_secs(10), async || lock(&*there, "2", SHORT).await.is_some()).await;
    // It was somebody else's meanwhile, and is not to be had by a number.
    assert_eq!(two.fence().await.unwrap_err().kind(), StoreErrorKind::Lost);
    assert!(!two.is_held().await.unwrap());
}

async fn one_at_a_time_has_a_lock_while_owners_come_and_go(place: Place) {
    const LEASE: Duration = Duration::from_secs(1);
    let place = Arc::new(place);
    let inside = Arc::new([const { AtomicU64::new(0) }; 3]);
    let kinds = Arc::new([const { AtomicU64::new(0) }; 2]);
    let end = Instant::now() + Duration::from_secs(10);
    let come_and_go = |number: usize| {
        let (place, inside, kinds) = (Arc::clone(&place), Arc::clone(&inside), Arc::clone(&kinds));
        async move {
            let mut round = number;
            while Instant::now() < end {
                let store = place.open_with(&Options { lease: LEASE, ..keyed(&place.options) }).await;
                let (writes, leaves) = (store.writes(), Instant::now() + LEASE.mul_f64(0.7 + round as f64 % 5.0 / 2.0));
                while Instant::now() < leaves {
                    round += 1;
                    let user = round % 3;
                    let Some(lock) = lock(&*writes, &user.to_string(), LEASE * 5).await else { continue };
                    // As whoever writes does, when it has stood still.
                    if !lock.is_held().await.unwrap() || (round.is_multiple_of(7) && lock.fence().await.is_err()) {
                        continue;
                    }
                    assert_eq!(inside[user].fetch_add(1, Ordering::SeqCst), 0, "alone");
                    sleep(Duration::from_micros(u64::try_from(round % 5).unwrap() * 300)).await;
                    inside[user].fetch_sub(1, Ordering::SeqCst);
                    kinds[usize::from(lock.is_in_store())].fetch_add(1, Ordering::SeqCst);
                }
                store.close().await;
                // Alone for a while, or not.
                sleep(LEASE.mul_f64((number + round) as f64 % 3.0)).await;
            }
        }
    };
    for task in [0, 1].map(|number| tokio::spawn(come_and_go(number))) {
        task.await.unwrap();
    }
    let kinds = [0, 1].map(|kind| kinds[kind].load(Ordering::SeqCst));
    assert!(kinds.iter().all(|count| *count > 20), "in memory and in the store: {kinds:?}");
}

/// What one request is, and another.
const ONE: [u8; 32] = [1; 32];
const OTHER: [u8; 32] = [2; 32];

async fn begin(writes: &dyn Writes, key: &str) -> Begun {
    writes.begin("helpdesk", key, &ONE, LONG).await.unwrap()
}

/// Whether somebody has begun it; in memory, whoever asks has.
fn is_begun(begun: &Begun) -> bool {
    matches!(begun, Begun::InProgress | Begun::Own(None))
}

/// An answer with everything in it that a database might get wrong.
fn response() -> Response {
    let mut response = Response::new(StatusCode::CREATED, BODY);
    response.headers.append("location", HeaderValue::from_static("/users/1"));
    response.headers.append("x-odd", HeaderValue::from_bytes(b"\xff\xfe").unwrap());
    response.headers.append("x-odd", HeaderValue::from_static(""));
    response
}

async fn a_request_is_begun_once_and_its_answer_told_again(place: Place) {
    let [here, there] = owners(&place, [LONG, LONG]).await;
    assert_eq!(begin(&*here, "key 1").await, Begun::Fresh);
    for writes in [&here, &there] {
        assert!(is_begun(&begin(&**writes, "key 1").await));
        assert_eq!(writes.begin("helpdesk", "key 1", &OTHER, LONG).await.unwrap(), Begun::Differs);
    }
    // Another client's key, or another key, is another request.
    assert_eq!(there.begin("intranet", "key 1", &OTHER, LONG).await.unwrap(), Begun::Fresh);
    assert_eq!(begin(&*there, "key 2").await, Begun::Fresh);
    let bare = Response::new(StatusCode::NO_CONTENT, "");
    here.answer("helpdesk", "key 1", &response()).await.unwrap();
    there.answer("helpdesk", "key 2", &bare).await.unwrap();
    for writes in [&here, &there] {
        assert_eq!(begin(&**writes, "key 1").await, Begun::Answered(response()));
        assert_eq!(begin(&**writes, "key 2").await, Begun::Answered(bare.clone()));
        assert_eq!(writes.begin("helpdesk", "key 1", &OTHER, LONG).await.unwrap(), Begun::Differs);
        lost(writes.answer("helpdesk", "key 1", &bare).await);
        lost(writes.forget("helpdesk", "key 1").await);
        lost(writes.answer("helpdesk", "key 3", &bare).await);
    }
    let words = format!("{:?}", begin(&*here, "key 1").await);
    assert!(!words.contains("john"), "{words}");
    // Any text can be a key, as it is not kept.
    let odd = format!("{}\0", "x".repeat(5000));
    assert_eq!(begin(&*here, &odd).await, Begun::Fresh);
    assert!(is_begun(&begin(&*here, &odd).await));
}

async fn a_request_that_is_forgotten_can_be_begun_afresh(place: Place) {
    let writes = owner(&place, LONG).await;
    for fingerprint in [ONE, OTHER, ONE] {
        assert_eq!(writes.begin("helpdesk", "key", &fingerprint, LONG).await.unwrap(), Begun::Fresh);
        writes.forget("helpdesk", "key").await.unwrap();
        lost(writes.forget("helpdesk", "key").await);
    }
}

async fn an_answer_is_told_as_long_as_it_is_kept(place: Place) {
    let writes = owner(&place, LONG).await;
    let short = |fingerprint| {
        let writes = &writes;
        async move { writes.begin("helpdesk", "key", &fingerprint, SHORT).await.unwrap() }
    };
    assert_eq!(short(ONE).await, Begun::Fresh);
    sleep(SHORT * 2).await;
    assert!(is_begun(&short(ONE).await), "somebody is at it, however long it takes");
    writes.sweep(LONG).await.unwrap();
    assert_eq!(short(OTHER).await, Begun::Differs);
    writes.answer("helpdesk", "key", &response()).await.unwrap();
    assert_eq!(short(OTHER).await, Begun::Fresh);
    writes.answer("helpdesk", "key", &response()).await.unwrap();
    assert_eq!(begin(&*writes, "other key").await, Begun::Fresh);
    writes.answer("helpdesk", "other key", &response()).await.unwrap();
    sleep(SHORT * 2).await;
    writes.sweep(LONG).await.unwrap();
    assert_eq!(short(ONE).await, Begun::Fresh);
    assert_eq!(begin(&*writes, "other key").await, Begun::Answered(response()));
}

async fn a_session_that_was_ended_is_known_to_all_until_its_time_is_over(place: Place) {
    let [here, there] = owners(&place, [LONG, LONG]).await;
    let (ended, short, other) = ([1; 16], [2; 16], [3; 16]);
    assert!(!here.is_logged_out(&ended).await.unwrap());
    for _ in 0..2 {
        here.log_out(&ended, LONG).await.unwrap();
        here.log_out(&short, SHORT).await.unwrap();
    }
    sleep(SHORT * 2).await;
    there.sweep(LONG).await.unwrap();
    for owner in [&here, &there] {
        let known = [ended, short, other].map(|session| async move { owner.is_logged_out(&session).await.unwrap() });
        let [ended, short, other] = known;
        assert_eq!((ended.await, short.await, other.await), (true, false, false));
    }
}

async fn of_many_who_begin_the_same_one_does(place: Place) {
    let owners = owners(&place, [LONG, LONG]).await;
    for round in 0..5 {
        let tasks: Vec<_> = (0..16)
            .map(|task: usize| {
                let writes = Arc::clone(&owners[task % 2]);
                tokio::spawn(async move { begin(&*writes, &format!("key {round}")).await })
            })
            .collect();
        let mut begun = Vec::new();
        for task in tasks {
            begun.push(task.await.unwrap());
        }
        assert_eq!(begun.iter().filter(|begun| **begun == Begun::Fresh).count(), 1);
        assert_eq!(begun.iter().filter(|begun| is_begun(begun)).count(), 15);
    }
}

async fn an_entry_is_opened_for_a_request_that_is_begun(place: Place) {
    let writes = owner(&place, LONG).await;
    lost(writes.open(&intent("1", 1), Some("key")).await);
    assert_eq!(begin(&*writes, "key").await, Begun::Fresh);
    let entry = writes.open(&intent("1", 1), Some("key")).await.unwrap();
    writes.answer("helpdesk", "key", &response()).await.unwrap();
    writes.close(entry, Ending::Done, None).await.unwrap();
    lost(writes.open(&intent("1", 1), Some("key")).await);
    assert_eq!(ids(&*writes, &all_entries()).await, [entry]);
}

async fn an_entry_that_is_closed_without_an_answer_tells_as_much(place: Place) {
    let [here, there] = owners(&place, [LONG, LONG]).await;
    assert_eq!(begin(&*here, "key").await, Begun::Fresh);
    let entry = here.open(&intent("1", 1), Some("key")).await.unwrap();
    lost(here.open(&intent("1", 1), Some("key")).await);
    assert_eq!(begin(&*here, "key").await, Begun::Own(Some(entry)));
    here.close(entry, Ending::Resolved, None).await.unwrap();
    for writes in [&here, &there] {
        assert_eq!(begin(&**writes, "key").await, Begun::Interrupted(entry));
        assert_eq!(writes.begin("helpdesk", "key", &OTHER, LONG).await.unwrap(), Begun::Differs);
    }
    there.answer("helpdesk", "key", &response()).await.unwrap();
    assert_eq!(begin(&*here, "key").await, Begun::Answered(response()));
}

/// One task broke off, and another of the same process goes on; nobody else does, as long as the process lives.
async fn an_owner_knows_what_it_has_begun_itself(place: Place) {
    let [here, there] = owners(&place, [LONG, LONG]).await;
    assert_eq!(begin(&*here, "key").await, Begun::Fresh);
    assert_eq!(begin(&*here, "key").await, Begun::Own(None));
    assert_eq!(begin(&*there, "key").await, Begun::InProgress);
    let entry = here.open(&intent("1", 1), Some("key")).await.unwrap();
    assert_eq!(begin(&*here, "key").await, Begun::Own(Some(entry)));
    assert_eq!(begin(&*there, "key").await, Begun::InProgress);
    lost(there.forget("helpdesk", "key").await);
    lost(there.answer("helpdesk", "key", &response()).await);
    here.release(entry, None).await.unwrap();
    for writes in [&here, &there] {
        assert_eq!(begin(&**writes, "key").await, Begun::Interrupted(entry));
    }
}

async fn a_request_whose_owner_is_gone_was_interrupted(place: Place) {
    let (dead, heir, other) = (owner(&place, SHORT).await, owner(&place, LONG).await, owner(&place, LONG).await);
    assert_eq!(begin(&*dead, "key").await, Begun::Fresh);
    let entry = dead.open(&intent("1", 1), Some("key")).await.unwrap();
    dead.mark(entry, 0, State::Sending).await.unwrap();
    dead.renew().await.unwrap();
    assert_eq!(begin(&*heir, "key").await, Begun::InProgress);
    sleep(SHORT * 2).await;
    assert_eq!(begin(&*heir, "key").await, Begun::Interrupted(entry));
    assert_eq!(heir.begin("helpdesk", "key", &OTHER, LONG).await.unwrap(), Begun::Differs);
    heir.take_over(entry).await.unwrap().unwrap();
    dead.renew().await.unwrap();
    assert_eq!(begin(&*heir, "key").await, Begun::Own(Some(entry)));
    for writes in [&dead, &other] {
        assert_eq!(begin(&**writes, "key").await, Begun::InProgress, "the heir is at it");
        lost(writes.answer("helpdesk", "key", &response()).await);
        lost(writes.forget("helpdesk", "key").await);
    }
    heir.answer("helpdesk", "key", &response()).await.unwrap();
    heir.close(entry, Ending::Done, None).await.unwrap();
    assert_eq!(begin(&*other, "key").await, Begun::Answered(response()));
}

async fn a_request_whose_owner_is_gone_and_did_nothing_is_begun_afresh(place: Place) {
    let [dead, heir] = owners(&place, [SHORT, LONG]).await;
    for key in ["answered", "forgotten", "afresh"] {
        assert_eq!(begin(&*dead, key).await, Begun::Fresh);
        dead.renew().await.unwrap();
        assert_eq!(begin(&*heir, key).await, Begun::InProgress);
    }
    sleep(SHORT * 2).await;
    // What was closed and not answered can be seen to by anybody.
    heir.answer("helpdesk", "answered", &response()).await.unwrap();
    heir.forget("helpdesk", "forgotten").await.unwrap();
    let tasks: Vec<_> = (0..8)
        .map(|_| {
            let heir = Arc::clone(&heir);
            tokio::spawn(async move { begin(&*heir, "afresh").await })
        })
        .collect();
    let mut fresh = 0;
    for task in tasks {
        fresh += usize::from(task.await.unwrap() == Begun::Fresh);
    }
    assert_eq!(fresh, 1);
    lost(dead.open(&intent("1", 1), Some("afresh")).await);
    lost(dead.answer("helpdesk", "afresh", &response()).await);
    assert_eq!(ids(&*heir, &all_entries()).await, []);
    heir.open(&intent("1", 1), Some("afresh")).await.unwrap();
}

async fn without_the_key_answers_are_told_by_their_status(place: Place) {
    let writes = owner(&place, LONG).await;
    assert_eq!(begin(&*writes, "key").await, Begun::Fresh);
    writes.answer("helpdesk", "key", &response()).await.unwrap();
    for key in [None, Some([8; 32].into())] {
        let other = place.open_with(&Options { key, ..place.options.clone() }).await.writes();
        assert_eq!(begin(&*other, "key").await, Begun::AnswerNotKept(StatusCode::CREATED));
    }
    let bare = place.open().await.writes();
    assert_eq!(begin(&*bare, "other key").await, Begun::Fresh);
    bare.answer("helpdesk", "other key", &response()).await.unwrap();
    for writes in [&writes, &bare] {
        assert_eq!(begin(&**writes, "other key").await, Begun::AnswerNotKept(StatusCode::CREATED));
    }
}

async fn no_body_is_in_the_file_in_clear_and_none_after_closing(place: Place) {
    let address = place.address().await;
    let file = address.strip_prefix("sqlite:").unwrap();
    let holds = |what: &[u8]| {
        let files = ["", "-wal", "-shm"].map(|end| std::fs::read(format!("{file}{end}")).unwrap_or_default());
        assert!(!files[0].is_empty());
        files.iter().any(|file| file.windows(what.len()).any(|window| window == what))
    };
    let store = place.open_with(&keyed(&place.options)).await;
    let bare = place.open().await; // no key
    let (writes, bare_writes) = (store.writes(), bare.writes());
    let large = |user: &str| {
        let mut large = intent(user, 3);
        large.writes[2].body = Some(BODY.repeat(500).into());
        large
    };
    let (one, two) = (writes.open(&large("1"), None).await.unwrap(), writes.open(&intent("2", 2), None).await.unwrap());
    let unkept = bare_writes.open(&large("3"), None).await.unwrap();
    let mut other = SqliteConnection::connect(&address).await.unwrap();
    let sealed = "SELECT bodies FROM journal WHERE bodies IS NOT NULL ORDER BY entry";
    let sealed: Vec<Vec<u8>> = sqlx::query_scalar(sealed).fetch_all(&mut other).await.unwrap();
    other.close().await.unwrap();
    assert_eq!(sealed.len(), 2);
    // Large values are spread over pages, so that parts of them are looked for, of which few lie over an edge.
    let parts: Vec<_> = sealed.iter().flat_map(|sealed| sealed.chunks_exact(100)).collect();
    assert!(parts.iter().filter(|part| holds(part)).count() > parts.len() * 9 / 10);
    assert!(!holds(b"john") && !holds(b"example.com"));
    for entry in [one, two] {
        writes.mark(entry, 0, State::Sending).await.unwrap();
        writes.close(entry, Ending::Done, None).await.unwrap();
    }
    bare_writes.close(unkept, Ending::Done, None).await.unwrap();
    for writes in [&writes, &bare_writes] {
        assert_eq!(writes.begin("john", "key of john", &ONE, SHORT).await.unwrap(), Begun::Fresh);
        writes.answer("john", "key of john", &response()).await.unwrap();
        sleep(SHORT * 2).await;
    }
    assert!(!holds(b"john") && !holds(b"example.com"));
    writes.sweep(Duration::from_secs(60)).await.unwrap();
    assert!(!parts.iter().any(|part| holds(part)), "a sweep leaves nothing in the log either");
    store.close().await;
    bare.close().await;
    assert!(!parts.iter().any(|part| holds(part)) && !holds(b"john"));
}
