//! Requests that are sent again with one key: each is carried out once.

use serde_json::{Value, json};

use crate::{
    client::{Answer, Client},
    harness::{ECGRID_KEY, Setup, World, calls, writes},
    recorder::{Recorder, ok},
    refusals::{Face, refuses},
};

const KEY: &str = "\"8e03978e-40d5-43dd-bc93-6894a57f9324\"";

/// Both faces, on both kinds of route.
fn all(world: &World) -> [(Face, Client); 4] {
    [
        (Face::Ecgrid, world.crossed_ecgrid()),
        (Face::Textus, world.crossed_textus()),
        (Face::Ecgrid, world.pass_ecgrid()),
        (Face::Textus, world.pass_textus()),
    ]
}

fn number_of_writes(world: &World) -> usize {
    let is_list = |line: &&String| line.ends_with("/list") || line.ends_with("/by-name");
    [&world.ecgrid, &world.textus]
        .map(|vendor| writes(vendor).iter().filter(|line| !is_list(line)).count())
        .iter()
        .sum()
}

async fn rename(face: Face, client: &Client, name: &str) -> Answer {
    match face {
        Face::Ecgrid => client.ask("PUT /v2/users", &json!({"userId": 1042, "firstName": name})).await,
        Face::Textus => client.ask("PUT /users/wqyODPA", &json!({"name": format!("{name} Smith")})).await,
    }
}

async fn create(face: Face, client: &Client) -> Answer {
    match face {
        Face::Ecgrid => client.ask("POST /v2/users", &una()).await,
        Face::Textus => {
            let user = json!({"name": "Hal New", "email": "hal@example.com",
                "memberships": [{"account": "/accounts/my_account", "role": "user"}]});
            client.ask("POST /users", &user).await
        }
    }
}

fn una() -> Value {
    json!({"login": "una", "password": "Correct-Horse-1", "email": "una@example.com", "firstName": "Una",
        "lastName": "New", "networkId": 1, "mailboxId": 101})
}

/// What was answered, but for what is each answer's own.
fn said(answer: &Answer) -> (u16, String, String, String) {
    let header = |name| answer.header(name).to_owned();
    (answer.status, answer.text(), header("etag"), header("interlingua-fidelity"))
}

#[track_caller]
fn is_replayed(first: &Answer, again: &Answer) {
    assert_eq!(first.header("idempotency-replayed"), "");
    assert_eq!(again.header("idempotency-replayed"), "true", "{}", again.text());
    assert_eq!(said(again), said(first));
    assert_eq!(again.header("content-type"), first.header("content-type"));
}

#[tokio::test]
async fn what_is_sent_twice_is_done_once() {
    let world = World::start().await;
    for (number, (face, client)) in all(&world).into_iter().enumerate() {
        let client = client.header("idempotency-key", &format!("\"rename-{number}\""));
        let name = format!("Jo{number}");
        let first = rename(face, &client, &name).await.expect(200);
        let before = calls(&world.ecgrid).len() + calls(&world.textus).len();
        is_replayed(&first, &rename(face, &client, &name).await);
        // The same key without quotes.
        let bare = client.header("idempotency-key", &format!("rename-{number}"));
        is_replayed(&first, &rename(face, &bare, &name).await);
        assert_eq!(calls(&world.ecgrid).len() + calls(&world.textus).len(), before);
    }
}

#[tokio::test]
async fn nobody_is_created_twice() {
    for number in 0..4 {
        let world = World::start().await;
        let (face, client) = all(&world).into_iter().nth(number).unwrap();
        let client = client.header("idempotency-key", KEY);
        let first = create(face, &client).await;
        assert!(first.status < 300, "{}", first.text());
        let before = number_of_writes(&world);
        is_replayed(&first, &create(face, &client).await);
        assert_eq!(number_of_writes(&world), before);
    }
}

#[tokio::test]
async fn a_key_is_for_one_request() {
    let world = World::start().await;
    for (number, (face, client)) in all(&world).into_iter().enumerate() {
        let client = client.header("idempotency-key", &format!("\"other-{number}\""));
        rename(face, &client, "Jo").await.expect(200);
        let before = number_of_writes(&world);
        let code = if face == Face::Ecgrid { "KeyReused" } else { "Unprocessable Entity" };
        refuses(face, &rename(face, &client, "Jim").await, 422, code, &["Idempotency-Key"]);
        let lenient = client.header("prefer", "handling=lenient");
        refuses(face, &rename(face, &lenient, "Jo").await, 422, code, &["Idempotency-Key"]);
        assert_eq!(number_of_writes(&world), before);
    }
}

#[tokio::test]
async fn a_key_that_is_none_is_refused_and_a_read_needs_none() {
    let world = World::start().await;
    for (face, client) in all(&world) {
        let odd = client.header("idempotency-key", "a, b");
        let refused = rename(face, &odd, "Jo").await;
        assert_eq!(face.refusal(&refused).0, 400);
        let path = if face == Face::Ecgrid { "/v2/users/1042" } else { "/users/wqyODPA" };
        let read = odd.header("idempotency-key", KEY);
        for _ in 0..2 {
            assert_eq!(read.get(path).await.expect(200).header("idempotency-replayed"), "");
        }
    }
    assert_eq!(number_of_writes(&world), 0);
}

#[tokio::test]
async fn a_refusal_is_kept_where_the_upstream_or_a_condition_refused() {
    let world = World::start().await;
    let client = world.pass_ecgrid().header("idempotency-key", KEY);
    let unknown = json!({"userId": 999_999, "firstName": "Jo"});
    let first = client.ask("PUT /v2/users", &unknown).await.expect(404);
    let before = calls(&world.ecgrid).len();
    is_replayed(&first, &client.ask("PUT /v2/users", &unknown).await);
    assert_eq!(calls(&world.ecgrid).len(), before);

    let client = world.crossed_textus().header("idempotency-key", "condition").header("if-match", "\"x\"");
    let first = rename(Face::Textus, &client, "Jo").await.expect(412);
    let before = calls(&world.ecgrid).len();
    is_replayed(&first, &rename(Face::Textus, &client, "Jo").await);
    assert_eq!(calls(&world.ecgrid).len(), before);
}

/// Somebody may put right what was wrong, and the client's queue goes on.
#[tokio::test]
async fn what_was_refused_before_anything_was_sent_may_be_sent_again() {
    let world = World::start().await;
    let client = world.crossed_ecgrid().header("idempotency-key", KEY);
    let unlinked = json!({"userId": 999_999, "firstName": "Jo"});
    for _ in 0..2 {
        let refused = client.ask("PUT /v2/users", &unlinked).await.expect(404);
        assert_eq!(refused.header("idempotency-replayed"), "");
    }
}

/// A world with this upstream in the place of ECGrid, and a client of it with a key.
async fn in_front_of(upstream: &Recorder) -> (World, Client) {
    let world = Setup::new().ecgrid_at(upstream.address).start().await;
    let client = world.pass_ecgrid().header("idempotency-key", KEY);
    (world, client)
}

/// A request that is under way.
fn renaming(client: &Client) -> tokio::task::JoinHandle<Answer> {
    let client = client.clone();
    tokio::spawn(async move { rename(Face::Ecgrid, &client, "Jo").await })
}

#[tokio::test]
async fn while_somebody_is_at_it_a_repeat_has_to_wait() {
    let mut upstream = Recorder::start().await;
    let (_world, client) = in_front_of(&upstream).await;
    let asking = renaming(&client);
    let held = upstream.next().await;
    let refused = rename(Face::Ecgrid, &client, "Jo").await;
    refuses(Face::Ecgrid, &refused, 409, "RequestInProgress", &["Idempotency-Key"]);
    assert_eq!(refused.header("retry-after"), "1");

    held.answer(ok(r#"{"success": true, "data": {"userId": 1042}}"#));
    let first = asking.await.unwrap().expect(200);
    is_replayed(&first, &rename(Face::Ecgrid, &client, "Jo").await);
}

/// The client went away and asks again: what it had asked for was done, and once.
#[tokio::test]
async fn who_went_away_is_told_what_came_of_it() {
    let mut upstream = Recorder::start().await;
    let (_world, client) = in_front_of(&upstream).await;
    let asking = renaming(&client);
    let held = upstream.next().await;
    asking.abort();
    held.answer(ok(r#"{"success": true, "data": {"userId": 1042}}"#));
    loop {
        let again = rename(Face::Ecgrid, &client, "Jo").await;
        if again.status != 409 {
            assert_eq!((again.expect(200).header("idempotency-replayed"), upstream.connections()), ("true", 1));
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
}

fn users(users: &[&Value]) -> Vec<u8> {
    ok(&json!({"success": true, "data": users}).to_string())
}

/// Nobody knows whether the first attempt created the user: a repeat looks, and creates only whom it does not find.
#[tokio::test]
async fn whom_nobody_knows_to_be_created_is_looked_for() {
    let created = json!({"userId": 7, "login": "una", "email": "una@example.com", "firstName": "Una", "lastName": "New",
        "networkId": 1, "mailboxId": 101, "authLevel": "MailboxUser", "status": "Active"});
    for found in [true, false] {
        let mut upstream = Recorder::start().await;
        let world = Setup::new().ecgrid_at(upstream.address).start().await;
        let client = world.pass_ecgrid().header("idempotency-key", KEY);
        let ask = |client: Client| tokio::spawn(async move { client.ask("POST /v2/users", &una()).await });

        let asking = ask(client.clone());
        drop(upstream.next().await);
        assert_eq!(asking.await.unwrap().status, 502);

        let asking = ask(client.clone());
        let there = found.then_some(&created);
        let looked = upstream.next().await.answer(users(there.as_slice()));
        assert_eq!(looked.line(), "POST /v2/users/by-name");
        if !found {
            // By its e-mail address, too, and then it is created after all.
            assert_eq!(upstream.next().await.answer(users(&[])).line(), "POST /v2/users/by-name");
            let again = upstream.next().await.answer(ok(&json!({"success": true, "data": created}).to_string()));
            assert_eq!(again.line(), "POST /v2/users");
        }
        let answer = asking.await.unwrap().expect(200);
        assert_eq!(answer.at("/data/userId"), 7);
        let replayed = ask(client).await.unwrap();
        assert_eq!((replayed.text(), replayed.header("idempotency-replayed")), (answer.text(), "true"));
    }
}

/// To set something twice is to set it once.
#[tokio::test]
async fn a_change_of_which_nobody_knows_is_sent_again() {
    let mut upstream = Recorder::start().await;
    let (_world, client) = in_front_of(&upstream).await;
    let asking = renaming(&client);
    drop(upstream.next().await);
    assert_eq!(asking.await.unwrap().status, 502);
    let asking = renaming(&client);
    let again = upstream.next().await.answer(ok(r#"{"success": true, "data": {"userId": 1042}}"#));
    assert_eq!(again.line(), "PUT /v2/users");
    asking.await.unwrap().expect(200);
}

/// A message that may have been sent is not sent twice.
#[tokio::test]
async fn what_nobody_can_look_for_stays_unclear() {
    let mut upstream = Recorder::start().await;
    let world = Setup::new().ecgrid_at(upstream.address).start().await;
    let client = world.pass_ecgrid().header("idempotency-key", KEY);
    let message = json!({"userId": 1042, "message": "see you"});
    let ask = |client: Client| {
        let message = message.clone();
        tokio::spawn(async move { client.ask("POST /v2/users/send-sms", &message).await })
    };
    let asking = ask(client.clone());
    drop(upstream.next().await);
    assert_eq!(asking.await.unwrap().status, 502);
    let refused = ask(client).await.unwrap();
    refuses(Face::Ecgrid, &refused, 502, "PartialUpdate", &["nobody knows", "unknown"]);
}

/// The answer to a write that was done.
const DONE: &str = r#"{"success": true, "data": {"userId": 1042}}"#;

/// Nobody knows what came of the first attempt, and the client asks twice at once: while one looks, the other has to wait,
/// and does not look and create as well.
#[tokio::test]
async fn of_two_repeats_at_once_one_goes_on() {
    let mut upstream = Recorder::start().await;
    let (_world, client) = in_front_of(&upstream).await;
    let ask = |client: &Client| {
        let client = client.clone();
        tokio::spawn(async move { create(Face::Ecgrid, &client).await })
    };
    let asking = ask(&client);
    drop(upstream.next().await);
    assert_eq!(asking.await.unwrap().status, 502);

    let asking = ask(&client);
    let looking = upstream.next().await;
    refuses(Face::Ecgrid, &create(Face::Ecgrid, &client).await, 409, "RequestInProgress", &["Idempotency-Key"]);
    looking.answer(users(&[]));
    upstream.next().await.answer(users(&[]));
    assert_eq!(upstream.next().await.answer(ok(DONE)).line(), "POST /v2/users");
    let first = asking.await.unwrap().expect(200);
    is_replayed(&first, &create(Face::Ecgrid, &client).await);
    assert!(upstream.is_idle());
}

/// The version that a repeat would be compared with may be the one that the first attempt has made.
#[tokio::test]
async fn what_has_a_condition_stays_unclear() {
    let user = json!({"userId": 1042, "login": "jsmith", "email": "jo@example.com", "firstName": "John",
        "lastName": "Smith", "networkId": 1, "mailboxId": 101, "authLevel": "MailboxUser", "status": "Active"});
    let shown = ok(&json!({"success": true, "data": user}).to_string());
    let mut upstream = Recorder::start().await;
    let (world, client) = in_front_of(&upstream).await;
    let reading = world.pass_ecgrid();
    let reading = tokio::spawn(async move { reading.get("/v2/users/1042").await });
    upstream.next().await.answer(shown.clone());
    let client = client.header("if-match", reading.await.unwrap().expect(200).header("etag"));

    let asking = renaming(&client);
    assert_eq!(upstream.next().await.answer(shown).line(), "GET /v2/users/1042");
    let write = upstream.next().await;
    assert_eq!(write.seen.line(), "PUT /v2/users");
    drop(write);
    assert_eq!(asking.await.unwrap().status, 502);
    for _ in 0..2 {
        let refused = rename(Face::Ecgrid, &client, "Jo").await;
        refuses(Face::Ecgrid, &refused, 502, "PartialUpdate", &["nobody knows"]);
    }
    assert!(upstream.is_idle());
}

/// An upstream that refuses with 200 has not done it.
#[tokio::test]
async fn what_passes_is_kept_where_it_is_definite() {
    let refused = |code| ok(&json!({"success": false, "errorCode": code, "message": "no", "data": null}).to_string());
    for (code, is_kept) in [("RateLimitExceeded", false), ("InternalError", false), ("AccessDenied", true)] {
        let mut upstream = Recorder::start().await;
        let (_world, client) = in_front_of(&upstream).await;
        let asking = renaming(&client);
        upstream.next().await.answer(refused(code));
        let first = asking.await.unwrap().expect(200);
        assert_eq!(first.at("/errorCode"), code);
        if is_kept {
            is_replayed(&first, &rename(Face::Ecgrid, &client, "Jo").await);
            continue;
        }
        let asking = renaming(&client);
        upstream.next().await.answer(ok(DONE));
        let done = asking.await.unwrap().expect(200);
        assert_eq!((done.at("/success"), done.header("idempotency-replayed")), (true.into(), ""));
        is_replayed(&done, &rename(Face::Ecgrid, &client, "Jo").await);
    }
}

#[tokio::test]
async fn where_a_user_was_created_is_told_again() {
    let mut upstream = Recorder::start().await;
    let world = Setup::new().textus_at(upstream.address).start().await;
    let client = world.pass_textus().header("idempotency-key", KEY);
    let asking = tokio::spawn({
        let client = client.clone();
        async move { create(Face::Textus, &client).await }
    });
    let user = r#"{"@type": "User", "id": "/users/xyz"}"#;
    let length = user.len();
    let created = format!("HTTP/1.1 201 Created\r\nlocation: /users/xyz\r\ncontent-length: {length}\r\n\r\n{user}");
    upstream.next().await.answer(created);
    let first = asking.await.unwrap().expect(201);
    let again = create(Face::Textus, &client).await;
    assert_eq!([&first, &again].map(|answer| answer.header("location").to_owned()), ["/users/xyz", "/users/xyz"]);
    is_replayed(&first, &again);
}

/// A world that lasts and seals nothing: answers are made anew.
async fn sealing_nothing() -> (World, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let store = format!("store = \"sqlite:{}\"", folder.path().join("links.db").display());
    (Setup::new().replace("store = \"memory\"", &store).start().await, folder)
}

/// A repeat tells, and changes nothing: later answers show the role that was set last, and not that of the repeat.
#[tokio::test]
async fn a_repeat_has_no_effect_of_its_own() {
    let (world, _folder) = sealing_nothing().await;
    let client = world.crossed_ecgrid();
    let set = async |client: &Client, mailbox: u32| {
        let role = json!({"userId": 1042, "authLevel": "MailboxUser", "networkId": 1, "mailboxId": mailbox});
        client.ask("POST /v2/users/role", &role).await.expect(200)
    };
    let repeated = client.clone().header("idempotency-key", KEY);
    let first = set(&repeated, 101).await;
    set(&client, 102).await;
    let again = set(&repeated, 101).await;
    assert_eq!(again.header("idempotency-replayed"), "true");
    assert_eq!(again.at("/data/mailboxId"), first.at("/data/mailboxId"));
    let shown = client.get("/v2/users/1042").await.expect(200);
    assert_eq!(shown.at("/data/mailboxId"), 102);
}

#[tokio::test]
async fn a_value_in_another_header_is_another_request() {
    let world = World::start().await;
    let client = world.pass_ecgrid().header("idempotency-key", KEY);
    rename(Face::Ecgrid, &client.clone().header("prefer", "\"x\""), "Jo").await.expect(200);
    rename(Face::Ecgrid, &client.header("if-match", "\"x\""), "Jo").await.expect(422);
}

/// Two listeners to the same upstream that do not do the same.
#[tokio::test]
async fn a_route_with_another_policy_is_another_request() {
    for policy in ["delete = \"terminate\"", "on_loss = \"allow\"", "on_partial = \"undo\""] {
        let route = "[[listeners.routes]]\nface = \"ecgrid\"\nupstream = \"ecgrid\"";
        let setup = Setup::new().with(&format!("[[listeners]]\naddress = \"127.0.0.1:0\"\n{route}\n{policy}\n"));
        let world = setup.start().await;
        let other = Client::ecgrid(world.address(2), ECGRID_KEY).header("idempotency-key", KEY);
        let client = world.pass_ecgrid().header("idempotency-key", KEY);
        rename(Face::Ecgrid, &client, "Jo").await.expect(200);
        rename(Face::Ecgrid, &other, "Jo").await.expect(422);
    }
}
