//! What every store promises.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    num::NonZeroU32,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use interlingua_core::{Level, Patch, Scope, Timestamp, UserId};
use interlingua_links::{
    AddError, Added, Change, Counts, IdRange, Links, Options, Reason, Remembered, ScopeLink, StoreErrorKind,
    UserFilter, UserLink, Watcher,
};

use crate::{
    Promise,
    place::{Engine, Place, last_scope, link, scope_id, spell, user_id},
};

/// What all stores promise.
pub(crate) fn all() -> impl IntoIterator<Item = (&'static str, Promise)> {
    promises![
        a_link_is_found_by_each_of_its_ids_as_it_was_added,
        ids_differ_by_every_byte,
        what_is_remembered_is_seen_by_every_id,
        what_is_not_told_is_remembered_as_it_was,
        nothing_is_remembered_of_strangers,
        a_foreign_user_gets_an_id_and_keeps_it,
        a_link_is_completed_and_keeps_what_it_knows,
        a_page_of_foreign_users_is_answered_in_its_order,
        ids_that_are_taken_are_not_handed_out,
        ids_of_removed_links_are_not_handed_out_again,
        a_range_that_is_exhausted_hands_out_nothing,
        a_store_says_whether_it_may_hand_out,
        a_range_goes_on_when_it_is_widened,
        what_cannot_be_kept_has_no_link,
        links_are_added_all_or_none,
        links_can_be_added_again,
        a_dry_run_writes_nothing,
        scopes_are_added_all_or_none_and_again,
        a_removed_link_is_gone_by_each_of_its_ids,
        a_new_link_is_seen_after_it_was_missed,
        pages_show_each_link_once_while_others_come_and_go,
        filters_let_through_what_they_say,
        watchers_hear_of_changes,
        sixty_four_at_once_get_no_id_twice,
        ids_are_handed_out_while_links_are_added,
    ]
}

/// What stores promise that outlive a process.
pub(crate) fn of_databases() -> impl IntoIterator<Item = (&'static str, Promise)> {
    promises![
        links_are_there_when_opened_again,
        many_may_open_a_new_store_at_once,
        another_process_sees_changes_within_a_second,
        a_closed_store_says_so,
        cancelled_changes_do_not_stay_in_caches,
    ]
}

/// What caches promise.
pub(crate) fn of_caches() -> impl IntoIterator<Item = (&'static str, Promise)> {
    promises![hot_links_are_at_hand, a_cache_is_bounded]
}

pub(crate) fn some(number: u32) -> NonZeroU32 {
    NonZeroU32::new(number).unwrap()
}

fn added(added: usize, unchanged: usize) -> Added {
    Added { added, unchanged }
}

/// A full link, with everything in it that a database might get wrong.
fn rich(number: usize) -> UserLink {
    UserLink {
        login: Some(format!("Jö's \"login\" \\ {{}}[],:\n\t💥 {number}").as_str().into()),
        created: Some(Timestamp::parse("2024-03-15T10:22:00.123456789+02:00").unwrap()),
        scope: Some(("b".into(), scope_id("'; DROP TABLE users; --"))),
        ..link(&[("a", &number.to_string()), ("b", &format!("x\"ß%_{number}")), ("dialect ü", " ")])
    }
}

async fn user(links: &dyn Links, dialect: &str, id: &str) -> Option<Arc<UserLink>> {
    links.user(dialect, &user_id(id)).await.unwrap()
}

#[track_caller]
fn taken(error: Result<Added, AddError>) -> Vec<(usize, String, Reason)> {
    match error {
        Err(AddError::Taken(taken)) => {
            taken.into_iter().map(|taken| (taken.position, taken.id, taken.reason)).collect()
        }
        other => panic!("expected obstacles, not {other:?}"),
    }
}

async fn a_link_is_found_by_each_of_its_ids_as_it_was_added(place: Place) {
    let links = place.open().await;
    let (one, other) = (rich(1), link(&[("a", "2")]));
    assert_eq!(links.add_users(vec![one.clone(), other.clone()]).await.unwrap(), added(2, 0));
    for _ in 0..2 {
        for (dialect, id) in &one.ids {
            assert_eq!(*links.user(dialect, id).await.unwrap().unwrap(), one);
        }
        assert_eq!(*user(&*links, "a", "2").await.unwrap(), other);
        assert_eq!(user(&*links, "b", "2").await, None);
    }
    let scope = |id, level, name: Option<&str>| Scope { id: scope_id(id), level, name: name.map(Into::into) };
    let mut account = ScopeLink { name: Some("Example \"Account\"".into()), ..ScopeLink::default() };
    account.scopes.insert("a".into(), scope("1/101", Some(Level::Unit), None));
    account.scopes.insert("b".into(), scope("my_account", Some(Level::Organisation), Some("Mine")));
    account.scopes.insert("c".into(), scope("", None, Some("")));
    links.add_scopes(vec![account.clone()]).await.unwrap();
    for (dialect, scope) in &account.scopes {
        assert_eq!(*links.scope(dialect, &scope.id).await.unwrap().unwrap(), account);
    }
    assert_eq!(links.scope("a", &scope_id("my_account")).await.unwrap(), None);
    assert_eq!(links.counts().await.unwrap(), Counts { users: 2, scopes: 1 });
}

async fn ids_differ_by_every_byte(place: Place) {
    let links = place.open().await;
    let ids = ["wqyODPA", "wqyodpa", "WQYODPA", "wqyODPA ", "1", "01", "1.0", "é", "e\u{301}", "", "null", "true"];
    links.add_users(ids.iter().map(|id| link(&[("a", id)])).collect()).await.unwrap();
    for id in ids {
        assert_eq!(user(&*links, "a", id).await.unwrap().ids["a"], user_id(id));
    }
    assert_eq!(user(&*links, "A", "1").await, None);
}

async fn what_is_remembered_is_seen_by_every_id(place: Place) {
    let links = place.open().await;
    links.add_users(vec![rich(1), link(&[("a", "2")])]).await.unwrap();
    let (known, other) = (rich(2), link(&[("a", "2")]));
    let full = Remembered {
        login: Patch::Set(known.login.clone().unwrap()),
        created: Patch::Set(known.created.clone().unwrap()),
        scope: Patch::Set(scope_id("s\"ß")),
    };
    let empty = Remembered { login: Patch::Clear, created: Patch::Clear, scope: Patch::Clear };
    let (ids, scope) = (rich(1).ids, Some(("a".into(), scope_id("s\"ß"))));
    let filled = UserLink { ids: ids.clone(), scope, ..known };
    let bare = UserLink { ids, ..UserLink::default() };
    for (remembered, expected) in
        [(&full, &filled), (&full, &filled), (&empty, &bare), (&empty, &bare), (&full, &filled)]
    {
        links.remember("a", &user_id("1"), remembered).await.unwrap();
        for (dialect, id) in &expected.ids {
            assert_eq!(*links.user(dialect, id).await.unwrap().unwrap(), *expected);
        }
        assert_eq!(*user(&*links, "a", "2").await.unwrap(), other);
    }
}

async fn what_is_not_told_is_remembered_as_it_was(place: Place) {
    let links = place.open().await;
    links.add_users(vec![rich(1)]).await.unwrap();
    let nothing = Remembered::default;
    let mut expected = rich(1);
    links.remember("a", &user_id("1"), &nothing()).await.unwrap();
    assert_eq!(*user(&*links, "a", "1").await.unwrap(), expected);
    expected.login = Some("al".into());
    links.remember("a", &user_id("1"), &Remembered { login: Patch::Set("al".into()), ..nothing() }).await.unwrap();
    assert_eq!(*user(&*links, "a", "1").await.unwrap(), expected);
    expected.created = None;
    links.remember("a", &user_id("1"), &Remembered { created: Patch::Clear, ..nothing() }).await.unwrap();
    assert_eq!(*user(&*links, "a", "1").await.unwrap(), expected);
    expected.scope = Some(("a".into(), scope_id("s")));
    links.remember("a", &user_id("1"), &last_scope("s")).await.unwrap();
    assert_eq!(*user(&*links, "a", "1").await.unwrap(), expected);
}

async fn nothing_is_remembered_of_strangers(place: Place) {
    let links = place.open().await;
    links.remember("a", &user_id("1"), &last_scope("s")).await.unwrap();
    assert_eq!(user(&*links, "a", "1").await, None);
    assert_eq!(links.counts().await.unwrap(), Counts::default());
}

async fn a_foreign_user_gets_an_id_and_keeps_it(place: Place) {
    let links = place.open().await;
    let first = links.foreign_user("b", &user_id("x"), "a", &spell).await.unwrap();
    assert_eq!(*first, link(&[("a", "n100"), ("b", "x")]));
    let second = links.foreign_user("b", &user_id("y"), "a", &spell).await.unwrap();
    assert_eq!(second.ids["a"], spell(101));
    for _ in 0..2 {
        assert_eq!(links.foreign_user("b", &user_id("x"), "a", &spell).await.unwrap(), first);
        assert_eq!(user(&*links, "a", "n100").await.as_ref(), Some(&first));
        assert_eq!(user(&*links, "b", "x").await.as_ref(), Some(&first));
    }
    // The other way round it is the same link, and nothing is handed out.
    assert_eq!(links.foreign_user("a", &spell(100), "b", &spell).await.unwrap(), first);
    assert_eq!(links.counts().await.unwrap().users, 2);
}

async fn a_link_is_completed_and_keeps_what_it_knows(place: Place) {
    let links = place.open().await;
    let known = UserLink { ids: link(&[("b", "x"), ("c", "z")]).ids, ..rich(1) };
    links.add_users(vec![known.clone()]).await.unwrap();
    assert_eq!(*user(&*links, "c", "z").await.unwrap(), known);
    let mut expected = known;
    expected.ids.insert("a".into(), spell(100));
    assert_eq!(*links.foreign_user("b", &user_id("x"), "a", &spell).await.unwrap(), expected);
    for (dialect, id) in &expected.ids {
        assert_eq!(*links.user(dialect, id).await.unwrap().unwrap(), expected);
    }
}

async fn a_page_of_foreign_users_is_answered_in_its_order(place: Place) {
    let links = place.open().await;
    links.add_users(vec![link(&[("b", "2"), ("a", "two")]), link(&[("b", "4")])]).await.unwrap();
    let page: Vec<UserId> = ["1", "2", "3", "1", "4"].map(user_id).into();
    let answers = links.foreign_users("b", &page, "a", &spell).await.unwrap();
    let ids: Vec<_> = answers.iter().map(|link| link.ids["b"].clone()).collect();
    assert_eq!(ids, page);
    assert_eq!(answers[1].ids["a"], user_id("two"));
    assert_eq!(answers[0], answers[3]);
    let fresh: HashSet<_> = answers.iter().map(|link| &link.ids["a"]).collect();
    assert_eq!(fresh, [&user_id("two"), &spell(100), &spell(101), &spell(102)].into());
    assert_eq!(links.foreign_users("b", &page, "a", &spell).await.unwrap(), answers);
    assert_eq!(links.foreign_users("b", &[], "a", &spell).await.unwrap(), []);
    let many: Vec<UserId> = (0..500).map(|id| user_id(&format!("m{id}"))).collect();
    let answers = links.foreign_users("b", &many, "a", &spell).await.unwrap();
    assert!(answers.iter().zip(&many).all(|(link, id)| link.ids["b"] == *id));
    assert_eq!(links.counts().await.unwrap().users, 504);
}

async fn ids_that_are_taken_are_not_handed_out(place: Place) {
    let links = place.open().await;
    let configured = (100..350).filter(|number| number % 50 != 7);
    let configured = configured.map(|number| link(&[("a", spell(number).as_str()), ("c", &number.to_string())]));
    links.add_users(configured.collect()).await.unwrap();
    for expected in [107, 157, 207, 257, 307, 350] {
        let link = links.foreign_user("b", &user_id(&expected.to_string()), "a", &spell).await.unwrap();
        assert_eq!(link.ids["a"], spell(expected));
    }
}

async fn ids_of_removed_links_are_not_handed_out_again(place: Place) {
    let links = place.open().await;
    let x = user_id("x");
    assert_eq!(links.foreign_user("b", &x, "a", &spell).await.unwrap().ids["a"], spell(100));
    links.remove_user("b", &x).await.unwrap().unwrap();
    assert_eq!(links.foreign_user("b", &x, "a", &spell).await.unwrap().ids["a"], spell(101));
    assert_eq!(user(&*links, "a", "n100").await, None);
}

async fn a_range_that_is_exhausted_hands_out_nothing(place: Place) {
    let mut options = place.options.clone();
    options.ranges.insert("a".into(), IdRange::new(1, 3).unwrap());
    let links = place.open_with(&options).await;
    links.foreign_user("b", &user_id("1"), "a", &spell).await.unwrap();
    let three = ["2", "3", "4"].map(user_id);
    let error = links.foreign_users("b", &three, "a", &spell).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Exhausted);
    assert_eq!(error.to_string(), "every id of the range for a is handed out");
    assert_eq!(links.counts().await.unwrap().users, 1);
    links.foreign_users("b", &three[..2], "a", &spell).await.unwrap();
    for _ in 0..2 {
        let error = links.foreign_user("b", &user_id("4"), "a", &spell).await.unwrap_err();
        assert_eq!(error.kind(), StoreErrorKind::Exhausted);
    }
    links.foreign_user("b", &user_id("3"), "a", &spell).await.unwrap();
    // A dialect without a range has links only.
    let error = links.foreign_user("a", &spell(1), "c", &spell).await.unwrap_err();
    assert_eq!((error.kind(), error.is_retryable()), (StoreErrorKind::NoRange, false));
    assert!(links.foreign_user("a", &spell(1), "b", &spell).await.is_ok());
    let error = links.foreign_user("a", &spell(1), "a", &spell).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Unfit);
}

async fn a_store_says_whether_it_may_hand_out(place: Place) {
    let mut options = place.options.clone();
    options.ranges.insert("a".into(), IdRange::new(1, 3).unwrap());
    let links = place.open_with(&options).await;
    let kind = async |wanted: &str| links.may_hand_out(wanted, &spell).await.map_err(|error| error.kind());
    // To ask uses up nothing.
    for expected in [1, 2] {
        for _ in 0..5 {
            assert_eq!(kind("a").await, Ok(()));
        }
        let id = user_id(&expected.to_string());
        assert_eq!(links.foreign_user("b", &id, "a", &spell).await.unwrap().ids["a"], spell(expected));
    }
    assert_eq!(links.counts().await.unwrap().users, 2);
    // The last number is left, but somebody has the id already.
    links.add_users(vec![link(&[("a", spell(3).as_str())])]).await.unwrap();
    for _ in 0..2 {
        assert_eq!(kind("a").await, Err(StoreErrorKind::Exhausted));
    }
    assert_eq!(kind("b").await, Ok(()));
    assert_eq!(kind("c").await, Err(StoreErrorKind::NoRange));
    let unfit = |_| user_id("a\0b");
    assert_eq!(links.may_hand_out("b", &unfit).await.unwrap_err().kind(), StoreErrorKind::Unfit);
}

async fn a_range_goes_on_when_it_is_widened(place: Place) {
    if place.engine == Engine::Memory {
        return; // it has one range for life
    }
    let mut options = place.options.clone();
    for (first, last, expected) in [(1, 1, 1), (1, 5, 2), (2, 5, 3), (1, 5, 4), (2, 5, 5)] {
        options.ranges.insert("a".into(), IdRange::new(first, last).unwrap());
        let links = place.open_with(&options).await;
        let id = user_id(&format!("user {expected}"));
        assert_eq!(links.foreign_user("b", &id, "a", &spell).await.unwrap().ids["a"], spell(expected));
    }
}

async fn what_cannot_be_kept_has_no_link(place: Place) {
    let links = place.open().await;
    let long = "x".repeat(1025);
    for bad in ["a\0b", &long] {
        assert_eq!(user(&*links, "a", bad).await, None);
        assert_eq!(user(&*links, bad, "1").await, None);
        assert_eq!(links.scope("a", &scope_id(bad)).await.unwrap(), None);
        assert_eq!(links.remove_user("a", &user_id(bad)).await.unwrap(), None);
        let adding = links.add_users(vec![link(&[("a", "1")]), link(&[("a", bad)])]).await;
        assert_eq!(taken(adding), [(1, format!("a {bad}"), Reason::Unfit)]);
        links.remember("a", &user_id(bad), &Remembered::default()).await.unwrap();
        for unfit in [last_scope(bad), Remembered { login: Patch::Set(bad.into()), ..Remembered::default() }] {
            let error = links.remember("a", &user_id("1"), &unfit).await.unwrap_err();
            assert_eq!(error.kind(), StoreErrorKind::Unfit);
        }
        for (id, spelled) in [("1", bad), (bad, "1")] {
            let spell = |_| user_id(spelled);
            let error = links.foreign_user("b", &user_id(id), "a", &spell).await.unwrap_err();
            assert_eq!(error.kind(), StoreErrorKind::Unfit);
        }
        let filter = UserFilter { login: Some(bad.into()), ..UserFilter::default() };
        assert_eq!(links.users(&filter, None, some(5)).await.unwrap().links, []);
    }
    assert_eq!(taken(links.add_users(vec![UserLink::default()]).await), [(0, String::new(), Reason::NoId)]);
    let longest = "ü".repeat(512);
    links.add_users(vec![link(&[(&longest, &longest)])]).await.unwrap();
    assert!(user(&*links, &longest, &longest).await.is_some());
    assert_eq!(links.counts().await.unwrap().users, 1);
}

async fn links_are_added_all_or_none(place: Place) {
    let links = place.open().await;
    links.add_users(vec![rich(1), link(&[("a", "2"), ("b", "y")])]).await.unwrap();
    let other_login = UserLink { login: Some("other".into()), ..link(&[("a", "1")]) };
    let batch = vec![
        link(&[("a", "3"), ("b", "z")]),
        link(&[("a", "2"), ("b", "z")]),
        link(&[("a", "2"), ("b", "y")]),
        other_login,
        link(&[("a", "2"), ("c", "new")]),
        link(&[("a", "4")]),
    ];
    let expected = [
        (1, "a 2".into(), Reason::Linked),
        (1, "b z".into(), Reason::Repeated(0)),
        (3, "a 1".into(), Reason::Differs),
        (4, "a 2".into(), Reason::Linked),
    ];
    assert_eq!(taken(links.check_users(batch.clone()).await), expected);
    assert_eq!(taken(links.add_users(batch).await), expected);
    assert_eq!(user(&*links, "a", "3").await, None);
    assert_eq!(user(&*links, "a", "4").await, None);
    assert_eq!(links.counts().await.unwrap().users, 2);
}

async fn links_can_be_added_again(place: Place) {
    let links = place.open().await;
    // More than one statement takes.
    let batch: Vec<UserLink> =
        (0..6000).map(|number| link(&[("a", &number.to_string()), ("b", &format!("x{number}"))])).collect();
    assert_eq!(links.add_users(batch[..4000].to_vec()).await.unwrap(), added(4000, 0));
    links.remember("a", &user_id("7"), &last_scope("s")).await.unwrap();
    assert_eq!(links.add_users(batch.clone()).await.unwrap(), added(2000, 4000));
    assert_eq!(links.add_users(batch).await.unwrap(), added(0, 6000));
    assert_eq!(links.add_users(Vec::new()).await.unwrap(), added(0, 0));
    assert_eq!(links.counts().await.unwrap().users, 6000);
    assert_eq!(user(&*links, "b", "x7").await.unwrap().scope, Some(("a".into(), scope_id("s"))));
    // One that leaves open what is known is known, too; one list may say the same twice.
    let bare = UserLink { ids: rich(9999).ids, ..UserLink::default() };
    assert_eq!(links.add_users(vec![rich(9999), bare]).await.unwrap(), added(1, 1));
}

async fn a_dry_run_writes_nothing(place: Place) {
    let links = place.open().await;
    let batch = vec![rich(1), rich(1), link(&[("a", "2")])];
    assert_eq!(links.check_users(batch.clone()).await.unwrap(), added(2, 1));
    assert_eq!(links.counts().await.unwrap(), Counts::default());
    assert_eq!(links.add_users(batch.clone()).await.unwrap(), added(2, 1));
    assert_eq!(links.check_users(batch).await.unwrap(), added(0, 3));
}

async fn scopes_are_added_all_or_none_and_again(place: Place) {
    let links = place.open().await;
    let account = |ids: &[(&str, &str, Option<Level>)], name: Option<&str>| ScopeLink {
        scopes: ids
            .iter()
            .map(|&(dialect, id, level)| (dialect.into(), Scope { level, ..Scope::new(scope_id(id)) }))
            .collect(),
        name: name.map(Into::into),
    };
    let one = account(&[("a", "1/101", Some(Level::Unit)), ("b", "mine", None)], Some("Mine"));
    let batch = vec![one.clone(), account(&[("a", "2", None)], None)];
    assert_eq!(links.check_scopes(batch.clone()).await.unwrap(), added(2, 0));
    assert_eq!(links.counts().await.unwrap().scopes, 0);
    assert_eq!(links.add_scopes(batch.clone()).await.unwrap(), added(2, 0));
    assert_eq!(links.add_scopes(batch).await.unwrap(), added(0, 2));
    let bad = vec![
        account(&[("a", "3", None)], None),
        account(&[("a", "2", None), ("b", "other", None)], None),
        account(&[("b", "mine", None)], Some("Others")),
        account(&[("a", "1/101", Some(Level::Organisation))], None),
    ];
    let expected = [
        (1, "a 2".into(), Reason::Linked),
        (2, "b mine".into(), Reason::Differs),
        (3, "a 1/101".into(), Reason::Differs),
    ];
    assert_eq!(taken(links.add_scopes(bad).await), expected);
    let page = links.scopes(None, some(1)).await.unwrap();
    assert_eq!(*page.links[0], one);
    let rest = links.scopes(page.next, some(5)).await.unwrap();
    assert_eq!((rest.links.len(), rest.next), (1, None));
    assert_eq!(*links.remove_scope("b", &scope_id("mine")).await.unwrap().unwrap(), one);
    assert_eq!(links.scope("a", &scope_id("1/101")).await.unwrap(), None);
    assert_eq!(links.remove_scope("b", &scope_id("mine")).await.unwrap(), None);
    assert_eq!(links.counts().await.unwrap().scopes, 1);
}

async fn a_removed_link_is_gone_by_each_of_its_ids(place: Place) {
    let links = place.open().await;
    links.add_users(vec![rich(1), link(&[("a", "2")])]).await.unwrap();
    for (dialect, id) in &rich(1).ids {
        assert!(links.user(dialect, id).await.unwrap().is_some());
    }
    assert_eq!(*links.remove_user("a", &user_id("1")).await.unwrap().unwrap(), rich(1));
    for (dialect, id) in &rich(1).ids {
        assert_eq!(links.user(dialect, id).await.unwrap(), None);
    }
    assert_eq!(links.remove_user("a", &user_id("1")).await.unwrap(), None);
    assert!(user(&*links, "a", "2").await.is_some());
    assert_eq!(links.add_users(vec![link(&[("a", "1"), ("b", "other")])]).await.unwrap(), added(1, 0));
    assert_eq!(user(&*links, "a", "1").await.unwrap().ids["b"], user_id("other"));
}

async fn a_new_link_is_seen_after_it_was_missed(place: Place) {
    let (here, there) = (place.open().await, place.open().await);
    for links in [&here, &there] {
        assert_eq!(user(&**links, "a", "1").await, None);
        assert_eq!(user(&**links, "a", "n100").await, None);
    }
    here.add_users(vec![link(&[("a", "1")])]).await.unwrap();
    here.foreign_user("b", &user_id("x"), "a", &spell).await.unwrap();
    for links in [&here, &there] {
        assert!(user(&**links, "a", "1").await.is_some());
        assert!(user(&**links, "a", "n100").await.is_some());
    }
}

/// All ids in a dialect, as pages show them.
async fn walk(links: &dyn Links, filter: &UserFilter, limit: u32) -> Vec<Arc<UserLink>> {
    let (mut seen, mut after) = (Vec::new(), None);
    loop {
        let page = links.users(filter, after, some(limit)).await.unwrap();
        assert!(page.links.len() <= limit as usize);
        seen.extend(page.links);
        after = page.next;
        if after.is_none() {
            return seen;
        }
    }
}

async fn pages_show_each_link_once_while_others_come_and_go(place: Place) {
    let links = place.open().await;
    let everyone = UserFilter::default();
    assert_eq!(walk(&*links, &everyone, 3).await, []);
    let batch: Vec<_> =
        (0..50).map(rich).map(|link| UserLink { ids: [("a".into(), link.ids["a"].clone())].into(), ..link }).collect();
    links.add_users(batch.clone()).await.unwrap();
    for limit in [1, 7, 50, 1000] {
        let seen = walk(&*links, &everyone, limit).await;
        assert!(seen.iter().map(|link| &**link).eq(&batch), "in the order in which they were added");
    }
    let (mut seen, mut after, mut round) = (Vec::new(), None, 0);
    loop {
        let page = links.users(&everyone, after, some(5)).await.unwrap();
        seen.extend(page.links.iter().map(|link| link.ids["a"].to_string()));
        // One that was shown goes, one that was not goes, and another comes.
        links.remove_user("a", &user_id(&(round * 5).to_string())).await.unwrap();
        links.remove_user("a", &user_id(&(49 - round).to_string())).await.unwrap();
        links.add_users(vec![link(&[("a", &format!("new {round}"))])]).await.unwrap();
        (after, round) = (page.next, round + 1);
        if after.is_none() || round > 20 {
            break;
        }
    }
    let unique: BTreeSet<&String> = seen.iter().collect();
    assert_eq!(unique.len(), seen.len(), "none twice");
    for stayed in (0..40).filter(|number| number % 5 != 0) {
        assert!(unique.contains(&stayed.to_string()), "{stayed}");
    }
}

async fn filters_let_through_what_they_say(place: Place) {
    let links = place.open().await;
    let with_login = |login: &str, ids| UserLink { login: Some(login.into()), ..link(ids) };
    let all = vec![
        with_login("jsmith", &[("a", "1"), ("b", "x%y")]),
        link(&[("a", "2")]),
        with_login("JSmith", &[("b", "x_y"), ("c", "2")]),
        with_login("al", &[("a", "smith"), ("c", "3")]),
    ];
    links.add_users(all.clone()).await.unwrap();
    let check = async |filter: UserFilter, expected: &[usize]| {
        let found = walk(&*links, &filter, 1).await;
        let expected: Vec<_> = expected.iter().map(|&index| all[index].clone()).collect();
        assert!(found.iter().map(|link| &**link).eq(&expected), "{filter:?}: {found:?}");
        assert!(all.iter().filter(|link| filter.admits(link)).eq(&expected));
    };
    let any = UserFilter::default;
    check(any(), &[0, 1, 2, 3]).await;
    check(UserFilter { has: Some("b".into()), ..any() }, &[0, 2]).await;
    check(UserFilter { lacks: Some("b".into()), ..any() }, &[1, 3]).await;
    check(UserFilter { has: Some("a".into()), lacks: Some("b".into()), ..any() }, &[1, 3]).await;
    check(UserFilter { login: Some("jsmith".into()), ..any() }, &[0]).await;
    check(UserFilter { containing: Some("smith".into()), ..any() }, &[0, 3]).await;
    check(UserFilter { containing: Some("%".into()), ..any() }, &[0]).await;
    check(UserFilter { containing: Some("_".into()), ..any() }, &[2]).await;
    check(UserFilter { containing: Some("".into()), ..any() }, &[0, 1, 2, 3]).await;
    check(UserFilter { has: Some("z".into()), ..any() }, &[]).await;
    check(UserFilter { lacks: Some("z\0".into()), ..any() }, &[0, 1, 2, 3]).await;
}

#[derive(Default)]
struct Ear(Mutex<Vec<Change>>);

impl Watcher for Ear {
    fn changed(&self, change: &Change) {
        self.0.lock().unwrap().push(change.clone());
    }
}

impl Ear {
    /// Whether `change`, or that anything may have changed, was heard.
    fn has_heard(&self, change: &Change) -> bool {
        self.0.lock().unwrap().iter().any(|heard| heard == change || *heard == Change::Everything)
    }
}

async fn watchers_hear_of_changes(place: Place) {
    let links = place.open().await;
    links.add_users(vec![link(&[("b", "x"), ("c", "z")])]).await.unwrap();
    let changed = |dialect: &str, id: &str| Change::User(dialect.into(), user_id(id));
    for step in 0..3 {
        let ear = Arc::new(Ear::default());
        let watcher = Arc::downgrade(&ear);
        links.watch(watcher);
        match step {
            0 => links.remember("b", &user_id("x"), &last_scope("s")).await.unwrap(),
            1 => drop(links.foreign_user("b", &user_id("x"), "a", &spell).await.unwrap()),
            _ => drop(links.remove_user("b", &user_id("x")).await.unwrap()),
        }
        for change in [changed("b", "x"), changed("c", "z")] {
            assert!(ear.has_heard(&change), "step {step}: {change:?}");
        }
    }
}

async fn sixty_four_at_once_get_no_id_twice(place: Place) {
    let stores = [place.open().await, place.open().await];
    let known: Vec<UserLink> =
        (0..20).map(|user| link(&[("b", &format!("u{user}")), ("c", &user.to_string())])).collect();
    stores[0].add_users(known).await.unwrap();
    let tasks: Vec<_> = (0..64)
        .map(|task: usize| {
            let links = Arc::clone(&stores[task % 2]);
            tokio::spawn(async move {
                let mut answers = Vec::new();
                for round in 0..6 {
                    // Overlapping pages, in different orders.
                    let mut page: Vec<usize> = (0..10).map(|user| (task * 3 + round * 7 + user * 5) % 100).collect();
                    if task.is_multiple_of(3) {
                        page.reverse();
                    }
                    let page: Vec<UserId> = page.into_iter().map(|user| user_id(&format!("u{user}"))).collect();
                    answers.extend(links.foreign_users("b", &page, "a", &spell).await.unwrap());
                }
                answers
            })
        })
        .collect();
    let mut ids: HashMap<UserId, UserId> = HashMap::new();
    for task in tasks {
        for link in task.await.unwrap() {
            let (user, id) = (link.ids["b"].clone(), link.ids["a"].clone());
            assert_eq!(ids.entry(user.clone()).or_insert_with(|| id.clone()), &id, "{user} has one id");
        }
    }
    let unique: HashSet<&UserId> = ids.values().collect();
    assert_eq!(unique.len(), ids.len(), "no id twice");
    for links in &stores {
        let all = walk(&**links, &UserFilter::default(), 1000).await;
        assert_eq!(all.len(), ids.len(), "no link lost or made twice");
        assert_eq!(all.iter().filter(|link| link.ids.contains_key("c")).count(), 20);
        for (user, id) in &ids {
            assert_eq!(links.user("a", id).await.unwrap().unwrap().ids["b"], *user);
            assert_eq!(links.user("b", user).await.unwrap().unwrap().ids["a"], *id);
        }
    }
}

async fn ids_are_handed_out_while_links_are_added(place: Place) {
    let stores = [place.open().await, place.open().await];
    let adding = (0..60).map(|number: u64| {
        let links = Arc::clone(&stores[0]);
        tokio::spawn(async move {
            // Ids from the range itself, and users that somebody may be asking for.
            let link = link(&[("a", spell(100 + number * 3).as_str()), ("b", &format!("u{}", number * 2))]);
            links.add_users(vec![link]).await.is_ok()
        })
    });
    let adding: Vec<_> = adding.collect();
    let asking = (0..60).map(|number: u64| {
        let links = Arc::clone(&stores[1]);
        tokio::spawn(
            async move { links.foreign_user("b", &user_id(&format!("u{number}")), "a", &spell).await.unwrap() },
        )
    });
    let asking: Vec<_> = asking.collect();
    let mut ids = HashSet::new();
    for (number, answer) in asking.into_iter().enumerate() {
        let answer = answer.await.unwrap();
        assert_eq!(answer.ids["b"], user_id(&format!("u{number}")));
        assert!(ids.insert(answer.ids["a"].clone()), "no id twice");
        assert_eq!(user(&*stores[1], "b", &format!("u{number}")).await.unwrap().ids, answer.ids);
    }
    for adding in adding {
        adding.await.unwrap(); // done, or in conflict; either is right
    }
    let all = walk(&*stores[0], &UserFilter::default(), 7).await;
    let every: HashSet<_> = all.iter().map(|link| link.ids["a"].clone()).collect();
    assert_eq!(every.len(), all.len());
}

async fn links_are_there_when_opened_again(place: Place) {
    let links = place.open().await;
    links.add_users(vec![rich(1)]).await.unwrap();
    links.foreign_user("c", &user_id("z"), "a", &spell).await.unwrap();
    links.remember("a", &user_id("1"), &last_scope("s")).await.unwrap();
    links.close().await;
    let links = place.open().await;
    let expected = UserLink { scope: Some(("a".into(), scope_id("s"))), ..rich(1) };
    assert_eq!(*user(&*links, "a", "1").await.unwrap(), expected);
    assert_eq!(links.foreign_user("c", &user_id("z"), "a", &spell).await.unwrap().ids["a"], spell(100));
    assert_eq!(links.foreign_user("c", &user_id("y"), "a", &spell).await.unwrap().ids["a"], spell(101));
}

async fn many_may_open_a_new_store_at_once(place: Place) {
    let (location, options) = (place.location().await, Options { connections: some(1), ..place.options.clone() });
    let opening: Vec<_> = (0..8)
        .map(|_| {
            let (location, options) = (location.clone(), options.clone());
            tokio::spawn(async move { interlingua_links::open(&location, &options).await })
        })
        .collect();
    for (number, links) in opening.into_iter().enumerate() {
        let links = links.await.unwrap().unwrap();
        links.add_users(vec![link(&[("a", &number.to_string())])]).await.unwrap();
    }
    assert_eq!(place.open().await.counts().await.unwrap().users, 8);
}

/// Waits at most a second until `seen` is so.
async fn within_a_second(mut seen: impl AsyncFnMut() -> bool) {
    let begun = Instant::now();
    while !seen().await {
        assert!(begun.elapsed() < Duration::from_secs(1), "not seen within a second");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

async fn another_process_sees_changes_within_a_second(place: Place) {
    let (here, there) = (place.open().await, place.open().await);
    here.add_users(vec![link(&[("b", "x"), ("c", "z")])]).await.unwrap();
    let scope = ScopeLink { scopes: [("a".into(), Scope::new(scope_id("s")))].into(), name: None };
    here.add_scopes(vec![scope]).await.unwrap();
    let warm = async || {
        for (dialect, id) in [("b", "x"), ("c", "z")] {
            assert!(user(&*there, dialect, id).await.is_some());
        }
        assert!(there.scope("a", &scope_id("s")).await.unwrap().is_some());
    };
    warm().await;
    here.foreign_user("b", &user_id("x"), "a", &spell).await.unwrap();
    within_a_second(async || user(&*there, "c", "z").await.unwrap().ids.contains_key("a")).await;
    warm().await;
    here.remember("a", &spell(100), &last_scope("s")).await.unwrap();
    within_a_second(async || user(&*there, "b", "x").await.unwrap().scope.is_some()).await;
    warm().await;
    there.remember("b", &user_id("x"), &last_scope("t")).await.unwrap();
    within_a_second(async || user(&*here, "c", "z").await.unwrap().scope == Some(("b".into(), scope_id("t")))).await;
    warm().await;
    here.remove_user("b", &user_id("x")).await.unwrap();
    here.remove_scope("a", &scope_id("s")).await.unwrap();
    within_a_second(async || user(&*there, "c", "z").await.is_none()).await;
    within_a_second(async || there.scope("a", &scope_id("s")).await.unwrap().is_none()).await;
}

async fn a_closed_store_says_so(place: Place) {
    let links = place.open().await;
    links.close().await;
    let error = links.user("a", &user_id("1")).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Unavailable);
    assert_eq!(error.to_string(), "the link store does not answer");
}

async fn cancelled_changes_do_not_stay_in_caches(place: Place) {
    let links = place.open().await;
    let truth = place.open_with(&Options { cache: None, ..place.options.clone() }).await;
    links.add_users(vec![link(&[("a", "1"), ("b", "x")])]).await.unwrap();
    for round in 0..60_u64 {
        assert!(user(&*links, "b", "x").await.is_some());
        let changing = {
            let links = Arc::clone(&links);
            tokio::spawn(async move { links.remember("a", &user_id("1"), &last_scope(&round.to_string())).await })
        };
        tokio::time::sleep(Duration::from_micros(round * 40)).await;
        changing.abort();
        let _ = changing.await;
        // Whatever came of it, the cache and a store without one agree.
        within_a_second(async || user(&*links, "b", "x").await == user(&*truth, "b", "x").await).await;
    }
}

async fn hot_links_are_at_hand(place: Place) {
    let links = place.open().await;
    links.add_users(vec![link(&[("a", "1"), ("b", "x")])]).await.unwrap();
    let scope = ScopeLink { scopes: [("a".into(), Scope::new(scope_id("s")))].into(), name: None };
    links.add_scopes(vec![scope]).await.unwrap();
    assert_eq!(links.peek_user("a", &user_id("1")), None);
    let stats = || links.cache_stats().unwrap();
    assert_eq!((stats().hits, stats().misses), (0, 0));
    let read = user(&*links, "a", "1").await;
    assert_eq!((stats().hits, stats().misses, stats().entries), (0, 1, 2));
    assert_eq!(links.peek_user("a", &user_id("1")), read);
    assert_eq!(links.peek_user("b", &user_id("x")), read, "a link is at hand by each of its ids");
    assert_eq!(user(&*links, "b", "x").await, read);
    assert_eq!((stats().hits, stats().misses), (3, 1));
    let read = links.scope("a", &scope_id("s")).await.unwrap();
    assert_eq!(links.peek_scope("a", &scope_id("s")), read);
    // What is not there is asked for each time.
    for _ in 0..2 {
        assert_eq!(user(&*links, "a", "2").await, None);
    }
    assert_eq!((stats().hits, stats().misses, stats().entries), (4, 4, 3));
}

async fn a_cache_is_bounded(place: Place) {
    let options = Options { cache: std::num::NonZeroUsize::new(50), ..place.options.clone() };
    let links = place.open_with(&options).await;
    let batch: Vec<_> = (0..400).map(|number: usize| link(&[("a", &number.to_string())])).collect();
    links.add_users(batch).await.unwrap();
    for round in 0..800 {
        assert!(user(&*links, "a", &(round % 400).to_string()).await.is_some());
    }
    let stats = links.cache_stats().unwrap();
    assert!(stats.entries <= 50 && stats.hits + stats.misses == 800, "{stats:?}");
}
