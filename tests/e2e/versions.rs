//! Versions of users: entity tags on answers, and writes that are carried out only where nothing has changed.

use serde_json::{Value, json};

use crate::{
    client::{Answer, Client},
    harness::{World, calls, writes},
    recorder::{Recorder, ok},
    refusals::{Face, refuses},
};

/// Both faces, on both kinds of route.
fn all(world: &World) -> [(Face, Client); 4] {
    [
        (Face::Ecgrid, world.crossed_ecgrid()),
        (Face::Textus, world.crossed_textus()),
        (Face::Ecgrid, world.pass_ecgrid()),
        (Face::Textus, world.pass_textus()),
    ]
}

async fn read(face: Face, client: &Client) -> Answer {
    let path = if face == Face::Ecgrid { "/v2/users/1042" } else { "/users/wqyODPA" };
    client.get(path).await.expect(200)
}

async fn rename(face: Face, client: &Client, name: &str) -> Answer {
    match face {
        Face::Ecgrid => client.ask("PUT /v2/users", &json!({"userId": 1042, "firstName": name})).await,
        Face::Textus => client.ask("PUT /users/wqyODPA", &json!({"name": format!("{name} Smith")})).await,
    }
}

/// The version that an answer tells.
#[track_caller]
fn version(answer: &Answer) -> String {
    let tag = answer.header("etag");
    assert!(tag.len() > 10 && tag.starts_with('"') && tag.ends_with('"'), "`{tag}`: {}", answer.text());
    tag.to_owned()
}

#[tokio::test]
async fn a_read_and_the_answer_to_a_write_tell_one_version() {
    let world = World::start().await;
    for (number, (face, client)) in all(&world).into_iter().enumerate() {
        let before = version(&read(face, &client).await);
        assert_eq!(version(&read(face, &client).await), before);
        let written = version(&rename(face, &client, &format!("Jo{number}")).await.expect(200));
        assert_ne!(written, before);
        assert_eq!(version(&read(face, &client).await), written);
        // Nothing changes: the version stays.
        assert_eq!(version(&rename(face, &client, &format!("Jo{number}")).await.expect(200)), written);
    }
}

#[tokio::test]
async fn whatever_is_written_is_of_the_version_that_is_read_afterwards() {
    let world = World::start().await;
    let (ecgrid, textus) = (world.crossed_ecgrid(), world.crossed_textus());
    let role =
        |level: &str, mailbox: u32| json!({"userId": 1042, "authLevel": level, "networkId": 1, "mailboxId": mailbox});
    let changes = [
        ("POST /v2/users/role", role("MailboxAdmin", 102)),
        ("POST /v2/users/role", role("General", 102)),
        ("POST /v2/users/role", role("MailboxUser", 101)),
        ("POST /v2/users/update-config", json!({"userId": 1042, "emailNotification": true})),
    ];
    for (line, change) in changes {
        let written = version(&ecgrid.ask(line, &change).await.expect(200));
        assert_eq!(version(&read(Face::Ecgrid, &ecgrid).await), written, "{change}");
    }
    let role =
        |role: &str, account: &str| json!({"memberships": [{"role": role, "account": format!("/accounts/{account}")}]});
    let changes = [
        role("admin", "my_account_child"),
        role("user", "my_account"),
        json!({"memberships": []}),
        json!({"settings": {"notifications": {"email": true}}}),
    ];
    for change in changes {
        let written = version(&textus.ask("PUT /users/wqyODPA", &change).await.expect(200));
        assert_eq!(version(&read(Face::Textus, &textus).await), written, "{change}");
    }
}

#[tokio::test]
async fn a_user_that_was_created_is_of_the_version_that_is_read_afterwards() {
    let world = World::start().await;
    let ecgrid = json!({"login": "una", "password": "Correct-Horse-1", "email": "una@example.com", "firstName": "Una",
        "lastName": "New", "networkId": 1, "mailboxId": 101});
    for client in [world.crossed_ecgrid(), world.pass_ecgrid()] {
        let created = client.ask("POST /v2/users", &ecgrid).await.expect(200);
        let read = client.get(&format!("/v2/users/{}", created.at("/data/userId"))).await.expect(200);
        assert_eq!(version(&read), version(&created));
    }
    let textus = json!({"name": "Hal New", "email": "hal@example.com",
        "memberships": [{"account": "/accounts/my_account", "role": "user"}]});
    for client in [world.crossed_textus(), world.pass_textus()] {
        let created = client.ask("POST /users", &textus).await.expect(201);
        let read = client.get(created.at("/id").as_str().unwrap()).await.expect(200);
        assert_eq!(version(&read), version(&created));
    }
}

#[tokio::test]
async fn what_has_changed_is_not_written() {
    let world = World::start().await;
    for (number, (face, client)) in all(&world).into_iter().enumerate() {
        let seen = version(&read(face, &client).await);
        let with = |tag: &str| client.clone().header("if-match", tag);
        let changed = version(&rename(face, &with(&seen), &format!("One{number}")).await.expect(200));

        let before = (writes(&world.ecgrid).len(), writes(&world.textus).len());
        for stale in [seen.clone(), format!("W/{changed}"), "\"x\", \"y\"".into()] {
            let refused = rename(face, &with(&stale), "Two").await;
            let code = if face == Face::Ecgrid { "PreconditionFailed" } else { "Precondition Failed" };
            refuses(face, &refused, 412, code, &["If-Match"]);
        }
        assert_eq!((writes(&world.ecgrid).len(), writes(&world.textus).len()), before);
        for fresh in [format!("\"x\", {changed}"), "*".into()] {
            assert_eq!(version(&rename(face, &with(&fresh), &format!("One{number}")).await.expect(200)), changed);
        }
    }
}

#[tokio::test]
async fn a_change_past_the_gateway_is_another_version() {
    let world = World::start().await;
    let client = world.crossed_ecgrid();
    let seen = version(&read(Face::Ecgrid, &client).await);
    let change = json!({"memberships": [{"role": "support", "account": "/accounts/my_account"}]});
    world.textus_itself().ask("PUT /users/wqyODPA", &change).await.expect(200);
    let role = json!({"userId": 1042, "authLevel": "MailboxAdmin", "networkId": 1, "mailboxId": 102});
    client.header("if-match", &seen).ask("POST /v2/users/role", &role).await.expect(412);
}

#[tokio::test]
async fn a_condition_costs_one_call_and_no_condition_none() {
    let world = World::start().await;
    for (face, client) in [(Face::Ecgrid, world.crossed_ecgrid()), (Face::Textus, world.pass_textus())] {
        let seen = version(&read(face, &client).await);
        let before = calls(&world.textus).len();
        rename(face, &client, "Jo").await.expect(200);
        let without = calls(&world.textus).len() - before;
        let now = version(&read(face, &client).await);
        assert_ne!(now, seen);
        let before = calls(&world.textus).len();
        rename(face, &client.header("if-match", &now), "Jim").await.expect(200);
        assert_eq!(calls(&world.textus).len() - before, without + 1);
    }
}

#[tokio::test]
async fn a_condition_that_is_none_is_refused() {
    let world = World::start().await;
    for (face, client) in all(&world) {
        let odd = client.header("if-match", "unquoted");
        let refused = rename(face, &odd, "Jo").await;
        assert_eq!(face.refusal(&refused).0, 400);
        // Who only reads may say what it likes.
        read(face, &odd).await;
    }
    assert_eq!((writes(&world.ecgrid).len(), writes(&world.textus).len()), (0, 0));
}

#[tokio::test]
async fn nobody_who_is_yet_to_be_created_has_a_version() {
    let world = World::start().await;
    let user = json!({"name": "Hal New", "email": "hal@example.com",
        "memberships": [{"account": "/accounts/my_account", "role": "user"}]});
    for condition in ["\"x\"", "*"] {
        for client in [world.crossed_textus(), world.pass_textus()] {
            let refused = client.header("if-match", condition).ask("POST /users", &user).await;
            refuses(Face::Textus, &refused, 412, "Precondition Failed", &[]);
        }
    }
    assert_eq!((writes(&world.ecgrid).len(), writes(&world.textus).len()), (0, 0));
}

#[tokio::test]
async fn who_is_not_there_is_not_found_whatever_the_condition() {
    let world = World::start().await;
    let client = world.pass_ecgrid().header("if-match", "\"x\"");
    let refused = client.ask("PUT /v2/users", &json!({"userId": 999_999, "firstName": "Jo"})).await;
    refuses(Face::Ecgrid, &refused, 404, "ObjectNotFound", &[]);
    assert_eq!(writes(&world.ecgrid).len(), 0);
}

#[tokio::test]
async fn a_list_has_no_version() {
    let world = World::start().await;
    for client in [world.crossed_textus(), world.pass_textus()] {
        assert_eq!(client.get("/users").await.expect(200).header("etag"), "");
    }
    for client in [world.crossed_ecgrid(), world.pass_ecgrid()] {
        assert_eq!(client.ask("POST /v2/users/list", &json!({})).await.expect(200).header("etag"), "");
    }
}

#[tokio::test]
async fn what_the_client_knows_is_not_shown_again() {
    let world = World::start().await;
    for (face, client) in all(&world) {
        let seen = version(&read(face, &client).await);
        let path = if face == Face::Ecgrid { "/v2/users/1042" } else { "/users/wqyODPA" };
        let again = client.clone().header("if-none-match", &seen).get(path).await.expect(304);
        assert_eq!((version(&again), again.body.len()), (seen, 0));
        client.header("if-none-match", "\"x\"").get(path).await.expect(200);
    }
}

/// A document of TextUs's with the tag that the vendor gave it.
fn tagged(document: &Value) -> Vec<u8> {
    let answer = String::from_utf8(ok(&document.to_string())).unwrap();
    answer.replacen("\r\n\r\n", "\r\netag: \"theirs\"\r\n\r\n", 1).into()
}

#[tokio::test]
async fn an_upstream_with_versions_of_its_own_judges_by_them() {
    let mut upstream = Recorder::start().await;
    let world = crate::harness::Setup::new().textus_at(upstream.address).start().await;
    let document = json!({"id": "/users/wqyODPA", "@type": "User", "name": "Jo", "email": "jo@example.com",
        "memberships": {"@type": "Collection", "totalItems": 0, "members": []}});

    let client = world.pass_textus();
    let asking = tokio::spawn(async move { client.get("/users/wqyODPA").await });
    upstream.next().await.answer(tagged(&document));
    assert_eq!(asking.await.unwrap().expect(200).header("etag"), "\"theirs\"");

    let client = world.pass_textus().header("if-match", "\"old\"");
    let asking = tokio::spawn(async move { client.ask("PUT /users/wqyODPA", &json!({"name": "Jim"})).await });
    assert_eq!(upstream.next().await.answer(tagged(&document)).line(), "GET /users/wqyODPA");
    let write = upstream.next().await.answer("HTTP/1.1 412 Precondition Failed\r\ncontent-length: 0\r\n\r\n");
    assert_eq!((write.line(), write.header("if-match")), ("PUT /users/wqyODPA", vec!["\"old\""]));
    asking.await.unwrap().expect(412);
}
