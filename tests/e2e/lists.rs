//! Lists: the pages of one dialect from the pages of another.

use std::collections::BTreeSet;

use interlingua_sandbox as sandbox;
use serde_json::{Value, json};

use crate::{
    client::{Answer, Client},
    harness::{Setup, World, calls},
};

const MANY: usize = 10_000;
const SEED: u64 = 7;

/// The e-mail addresses that a list at ECGrid has, in its order.
fn emails_of_ecgrid(page: &Answer) -> Vec<String> {
    page.at("/data").as_array().unwrap().iter().map(|user| user["email"].as_str().unwrap().to_owned()).collect()
}

/// The e-mail addresses that a list at TextUs has, in its order.
fn emails_of_textus(page: &Answer) -> Vec<String> {
    page.at("/members").as_array().unwrap().iter().map(|user| user["email"].as_str().unwrap().to_owned()).collect()
}

/// Walks all pages as a client of ECGrid does: until one is not full. `between` runs before every page.
async fn walk_ecgrid(client: &Client, filter: &Value, size: usize, mut between: impl AsyncFnMut(usize)) -> Vec<String> {
    let mut seen = Vec::new();
    for number in 1.. {
        between(number).await;
        let mut request = filter.clone();
        request["pageNo"] = json!(number);
        request["recordsPerPage"] = json!(size);
        let page = emails_of_ecgrid(&client.ask("POST /v2/users/list", &request).await.expect(200));
        let is_last = page.len() < size;
        seen.extend(page);
        if is_last {
            break;
        }
    }
    seen
}

/// Walks all pages as a client of TextUs does: along `view.next`. `between` runs before every page.
async fn walk_textus(client: &Client, query: &str, mut between: impl AsyncFnMut(usize)) -> Vec<String> {
    let mut seen = Vec::new();
    let mut next = Some(format!("/users{query}"));
    let mut number = 0;
    while let Some(iri) = next {
        number += 1;
        between(number).await;
        let page = client.get(&iri).await.expect(200);
        assert_eq!(page.at("/view/id"), iri);
        seen.extend(emails_of_textus(&page));
        next = page.at("/view/next").as_str().map(str::to_owned);
        assert!(number < 10_000, "the pages go round in circles");
    }
    seen
}

/// The people that both stand-ins were filled with.
fn people() -> BTreeSet<String> {
    sandbox::directory::people(MANY, SEED).map(|person| person.email).collect()
}

#[track_caller]
fn all_and_each_once(seen: &[String]) {
    let set: BTreeSet<String> = seen.iter().cloned().collect();
    assert_eq!(set.len(), seen.len(), "nobody is listed twice");
    let missing: Vec<_> = people().difference(&set).cloned().collect();
    assert!(missing.is_empty(), "{} of {} are missing, such as {:?}", missing.len(), MANY, missing.first());
}

#[tokio::test]
async fn ten_thousand_users_of_textus_in_numbered_pages() {
    let textus = sandbox::Textus::new().generate(MANY, SEED).page_size(100);
    let world = Setup::new().textus(textus).start().await;
    let client = world.crossed_ecgrid();
    let itself = world.textus_itself();
    let seen = walk_ecgrid(&client, &json!({}), 70, async |number| {
        // Somebody joins before every tenth page.
        if number % 10 == 0 {
            let user = json!({"name": "New Comer", "email": format!("new.comer.{number}@example.com"),
                "memberships": [{"account": "/accounts/my_account", "role": "user"}]});
            itself.ask("POST /users", &user).await.expect(201);
        }
    })
    .await;
    all_and_each_once(&seen);
    // A page of 70 out of pages of 100 takes one call or two.
    let pages = seen.len().div_ceil(70) + 1;
    let calls = calls(&world.textus).iter().filter(|call| call.starts_with("GET /users")).count();
    assert!(calls <= 2 * pages, "{calls} calls for {pages} pages");

    // Any page by itself, in any order, is the same page again.
    let third = client.ask("POST /v2/users/list", &json!({"pageNo": 3, "recordsPerPage": 70})).await.expect(200);
    assert_eq!(emails_of_ecgrid(&third), seen[140..210]);
    let behind = client.ask("POST /v2/users/list", &json!({"pageNo": 4000, "recordsPerPage": 70})).await.expect(200);
    assert_eq!(behind.at("/data"), json!([]));
}

#[tokio::test]
async fn ten_thousand_users_of_ecgrid_along_their_links() {
    let world = Setup::new().ecgrid(sandbox::Ecgrid::new().generate(MANY, SEED)).start().await;
    let client = world.crossed_textus();
    let itself = world.ecgrid_itself();
    let seen = walk_textus(&client, "", async |number| {
        if number % 10 == 0 {
            let user = json!({"login": format!("comer{number}"), "password": "Correct-Horse-1", "networkId": 1,
                "mailboxId": 101, "email": format!("new.comer.{number}@example.com")});
            itself.ask("POST /v2/users", &user).await.expect(200);
        }
    })
    .await;
    all_and_each_once(&seen);
    // A page of 100 out of pages of 100 takes two calls: whoever has moved up from it onto the page before is not lost.
    let calls = calls(&world.ecgrid).iter().filter(|call| *call == "POST /v2/users/list").count();
    assert!(calls <= 2 * (seen.len() / 100 + 1), "{calls} calls for {} users", seen.len());
}

#[tokio::test]
async fn filters_that_the_other_side_lacks_are_the_gateways() {
    let textus = sandbox::Textus::new().generate(1000, SEED).page_size(100);
    let ecgrid = sandbox::Ecgrid::new().generate(1000, SEED);
    let world = Setup::new().textus(textus).ecgrid(ecgrid).start().await;

    // TextUs knows no filter by role. One in ten is an admin, all in the network's account.
    let client = world.crossed_ecgrid();
    let admins = walk_ecgrid(&client, &json!({"authLevel": "NetworkAdmin", "networkId": 1}), 25, async |_| {}).await;
    let expected: Vec<_> = sandbox::directory::people(1000, SEED).step_by(10).map(|person| person.email).collect();
    let generated: Vec<_> = admins.iter().filter(|email| email.ends_with("@example.com")).cloned().collect();
    assert_eq!(generated, expected);

    // ECGrid knows no search by name.
    let client = world.crossed_textus();
    let found = walk_textus(&client, "?q=abbott", async |_| {}).await;
    let expected: BTreeSet<_> = sandbox::directory::people(1000, SEED)
        .filter(|person| person.last_name == "Abbott")
        .map(|person| person.email)
        .collect();
    assert!(!expected.is_empty());
    assert_eq!(found.iter().cloned().collect::<BTreeSet<_>>(), expected);
    assert_eq!(found.len(), expected.len());
}

#[tokio::test]
async fn whoever_is_left_out_is_told_of_and_nobody_else() {
    let world = World::start().await;
    let client = world.crossed_ecgrid().header("prefer", "handling=strict");
    // Zoe's only account is not linked: what role she has there, nobody knows.
    let refused = client.ask("POST /v2/users/list", &json!({"authLevel": "TPUser"})).await.expect(400);
    assert!(refused.text().contains("/authLevel: a user whose roles are not known"), "{}", refused.text());
    // She is active, and would not be found whatever her role is.
    let nobody = json!({"authLevel": "TPUser", "status": "Suspended"});
    assert_eq!(client.ask("POST /v2/users/list", &nobody).await.expect(200).at("/data"), json!([]));
}

#[tokio::test]
async fn a_search_that_takes_too_many_calls_is_refused() {
    let textus = sandbox::Textus::new().generate(1000, SEED).page_size(10);
    let world = Setup::new().textus(textus).with("[limits]\ncalls = 20\n").start().await;
    let client = world.crossed_ecgrid();
    let refused = client.ask("POST /v2/users/list", &json!({"status": "Terminated"})).await.expect(400);
    assert_eq!(refused.at("/errorCode"), "InvalidParameter");
    assert!(refused.text().contains("limits.calls"), "{}", refused.text());
    assert_eq!(calls(&world.textus).len(), 20);
}

#[tokio::test]
async fn a_page_is_walked_to_from_the_nearest_one_that_is_known() {
    let textus = sandbox::Textus::new().generate(1000, SEED).page_size(10);
    let world = Setup::new().textus(textus).start().await;
    let client = world.crossed_ecgrid();
    let page = async |number: usize| {
        world.textus.clear_calls();
        let request = json!({"pageNo": number, "recordsPerPage": 10});
        let page = client.ask("POST /v2/users/list", &request).await.expect(200);
        (emails_of_ecgrid(&page), calls(&world.textus).len())
    };
    let (thirtieth, walked) = page(30).await;
    assert_eq!(walked, 30);
    assert_eq!(page(30).await, (thirtieth, 1));
    assert_eq!(page(31).await.1, 1);
    assert_eq!(page(12).await.1, 1, "every page on the way is known");
}

#[tokio::test]
async fn a_cursor_of_nobodys_is_refused() {
    let world = World::start().await;
    let client = world.crossed_textus();
    for cursor in ["x", "..%2Fparcels", "%7B%7D", "eyJjIjoieCJ9"] {
        let refused = client.get(&format!("/users?cursor={cursor}")).await.expect(422);
        assert_eq!(refused.at("/@type"), "hydra:Error");
    }
    assert_eq!(calls(&world.ecgrid), [] as [&str; 0]);
}

#[tokio::test]
async fn the_links_of_a_page_repeat_the_search() {
    let world = Setup::new().ecgrid(sandbox::Ecgrid::new().generate(250, SEED)).start().await;
    let client = world.crossed_textus();
    let page = client.get("/users?accounts[]=my_account&accounts[]=/accounts/my_account_child&q=example").await;
    let page = page.expect(200);
    let (id, next) = (page.at("/id"), page.at("/view/next"));
    let (id, next) = (id.as_str().unwrap(), next.as_str().unwrap());
    assert!(next.starts_with("/users?") && next.contains("q=example"), "{next}");
    let rest = walk_textus(&client, next.strip_prefix("/users").unwrap(), async |_| {}).await;
    let whole = walk_textus(&client, id.strip_prefix("/users").unwrap(), async |_| {}).await;
    assert_eq!(emails_of_textus(&page).len() + rest.len(), whole.len());
    // The 250, and the two who are there from the start.
    assert_eq!(whole.len(), 252);
}

// === Lists that change ===

/// Whoever was shown is taken away, all of them, before the next page is asked for.
#[tokio::test]
async fn nobody_is_lost_when_those_before_are_taken_away() {
    let textus = sandbox::Textus::new().generate(200, SEED).page_size(30);
    let ecgrid = sandbox::Ecgrid::new().generate(350, SEED);
    let world = Setup::new().textus(textus).ecgrid(ecgrid).start().await;

    let (client, itself) = (world.crossed_ecgrid(), world.textus_itself());
    let mut seen = 0;
    for number in 1.. {
        let page = json!({"pageNo": number, "recordsPerPage": 7, "networkId": 1, "authLevel": "NetworkUser"});
        let page = client.ask("POST /v2/users/list", &page).await.expect(200).at("/data");
        let page = page.as_array().unwrap();
        seen += page.len();
        for user in page {
            let found = itself.get(&format!("/users?q={}", user["email"].as_str().unwrap())).await.expect(200);
            itself.send(&format!("DELETE {}", found.at("/members/0/id").as_str().unwrap()), "").await.expect(204);
        }
        if page.len() < 7 {
            break;
        }
    }
    assert_eq!(seen, 180, "nine in ten of them are users");

    // At ECGrid whoever changes the mailbox leaves the list, and all others move up.
    let (client, itself) = (world.crossed_textus(), world.ecgrid_itself());
    let mut seen = BTreeSet::new();
    let mut next = Some("/users?accounts[]=my_account".to_owned());
    while let Some(iri) = next {
        let page = client.get(&iri).await.expect(200);
        let emails = emails_of_textus(&page);
        for email in emails.iter().filter(|email| email.ends_with("@example.com")).take(40) {
            let login = sandbox::directory::people(350, SEED).find(|person| person.email == *email);
            let Some(login) = login.map(|person| person.login) else { continue };
            let found = itself.ask("POST /v2/users/by-name", &json!({"login": login})).await.expect(200);
            let moved = json!({"userId": found.at("/data/0/userId"), "networkId": 1, "mailboxId": 102});
            itself.ask("POST /v2/users/set-network-mailbox", &moved).await.expect(200);
        }
        assert!(emails.iter().all(|email| seen.insert(email.clone())), "nobody is listed twice");
        next = page.at("/view/next").as_str().map(str::to_owned);
    }
    let in_the_account = sandbox::directory::people(350, SEED).step_by(2).map(|person| person.email);
    let missing: Vec<_> = in_the_account.filter(|email| !seen.contains(email)).collect();
    assert_eq!(missing, [] as [&str; 0]);
}

#[tokio::test]
async fn a_place_that_the_vendor_no_longer_knows_is_forgotten() {
    let world = Setup::new().textus(sandbox::Textus::new().generate(300, SEED)).start().await;
    let client = world.crossed_ecgrid();
    let page = async |number: usize| {
        let request = json!({"pageNo": number, "recordsPerPage": 50});
        client.ask("POST /v2/users/list", &request).await.expect(200).at("/data").as_array().unwrap().len()
    };
    for number in 1..=6 {
        assert_eq!(page(number).await, 50);
    }
    world.textus.fail(1, http::StatusCode::BAD_REQUEST);
    assert_eq!(page(6).await, 50, "walked to from an earlier page");
}

#[tokio::test]
async fn a_cursor_is_good_for_its_own_search() {
    let world = Setup::new().ecgrid(sandbox::Ecgrid::new().generate(250, SEED)).start().await;
    let client = world.crossed_textus();
    let next = client.get("/users").await.expect(200).at("/view/next");
    let cursor = next.as_str().unwrap().strip_prefix("/users?cursor=").unwrap();
    client.get(&format!("/users?cursor={cursor}")).await.expect(200);
    let refused = client.get(&format!("/users?q=abbott&cursor={cursor}")).await.expect(422);
    assert!(refused.text().contains("/cursor: "), "{}", refused.text());
}

#[tokio::test]
async fn whoever_is_known_by_login_is_found_at_once() {
    let textus = sandbox::Textus::new().generate(1000, SEED).page_size(5);
    let world = Setup::new().textus(textus).start().await;
    let client = world.crossed_ecgrid();
    let user = json!({"login": "e", "password": "Correct-Horse-1", "email": "eve@example.com", "firstName": "Eve",
        "networkId": 1, "mailboxId": 101});
    let id = client.ask("POST /v2/users", &user).await.expect(200).at("/data/userId");
    world.textus.clear_calls();
    let found = client.ask("POST /v2/users/by-name", &json!({"login": "e"})).await.expect(200);
    assert_eq!((found.at("/data/0/userId"), found.at("/data/1")), (id, Value::Null));
    assert_eq!(calls(&world.textus).len(), 1, "an e is in everybody's address, and is nobody's");
}

#[tokio::test]
async fn an_account_that_is_not_linked_is_named_where_it_stands() {
    let world = World::start().await;
    let refused = world.crossed_textus().get("/users?accounts[]=nope").await.expect(422);
    assert!(refused.text().contains("/accounts: nope is not linked"), "{}", refused.text());
    let refused = world.crossed_ecgrid().ask("POST /v2/users/list", &json!({"networkId": 9})).await.expect(400);
    assert!(refused.text().contains("/networkId: 9 is not linked"), "{}", refused.text());
}
