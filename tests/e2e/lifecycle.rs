//! The life of a user: created, read, changed, listed, written to and removed, through each face and at each vendor.

use serde_json::{Value, json};

use crate::{
    client::Client,
    harness::{Setup, World, calls, memberships, writes},
};

fn greta() -> Value {
    json!({
        "login": "ghaddad", "password": "Correct-Horse-1", "email": "greta.haddad@example.com",
        "firstName": "Greta", "lastName": "Haddad", "networkId": 1, "mailboxId": 101, "authLevel": "MailboxAdmin"
    })
}

fn hugo() -> Value {
    json!({
        "name": "Hugo Ito", "email": "hugo.ito@example.com",
        "memberships": [{"account": "/accounts/my_account", "role": "admin"}]
    })
}

/// The ids on the page of a list at ECGrid.
async fn listed(client: &Client, filter: Value) -> Vec<i64> {
    let data = client.ask("POST /v2/users/list", &filter).await.expect(200).at("/data");
    data.as_array().unwrap().iter().map(|user| user["userId"].as_i64().unwrap()).collect()
}

/// The ids on the page of a list at TextUs.
async fn found(client: &Client, query: &str) -> Vec<String> {
    let members = client.get(&format!("/users{query}")).await.expect(200).at("/members");
    members.as_array().unwrap().iter().map(|user| user["id"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn an_ecgrid_client_runs_a_life_at_textus() {
    let world = World::start().await;
    let client = world.crossed_ecgrid();

    let created = client.ask("POST /v2/users", &greta()).await.expect(200);
    let shown = created.at("/data");
    let id = shown["userId"].as_i64().unwrap();
    assert_eq!(id, 1_000_000_000, "the first id of the range");
    assert_eq!((&shown["login"], &shown["email"]), (&json!("ghaddad"), &json!("greta.haddad@example.com")));
    assert_eq!((&shown["networkId"], &shown["mailboxId"]), (&json!(1), &json!(101)));
    assert_eq!((&shown["authLevel"], &shown["status"]), (&json!("MailboxAdmin"), &json!("Active")));
    assert!(shown["created"].is_string(), "the gateway knows when: {shown}");
    assert!(created.header("interlingua-fidelity").contains("narrowed=1"), "the password: {:?}", created.headers);

    // What only the gateway knows stays known.
    let read = client.get(&format!("/v2/users/{id}")).await.expect(200).at("/data");
    assert_eq!(read, shown);
    let named = async |login: &str| {
        client.ask("POST /v2/users/by-name", &json!({"login": login})).await.expect(200).at("/data")
    };
    assert_eq!(named("ghaddad").await, json!([shown]));
    // The address stands for a login where none is known, and for none where one is.
    assert_eq!(named("greta.haddad@example.com").await, json!([]));
    assert_eq!(named("nobody").await, json!([]));

    // TextUs's own administrator is one there, too, and was seen for the first time.
    let admins = listed(&client, json!({"networkId": 1, "mailboxId": 101, "authLevel": "MailboxAdmin"})).await;
    assert_eq!(admins.iter().filter(|admin| **admin == id).count(), 1, "{admins:?}");
    let everybody = listed(&client, json!({})).await;
    assert!(everybody.contains(&1042) && everybody.contains(&id), "{everybody:?}");
    assert_eq!(listed(&client, json!({"status": "Suspended"})).await, [] as [i64; 0]);

    let renamed = client.ask("PUT /v2/users", &json!({"userId": id, "lastName": "Ibsen"})).await.expect(200);
    assert_eq!(renamed.at("/data/lastName"), "Ibsen");

    // No phone, no message.
    let message = json!({"userId": id, "message": "See you at 10."});
    let refused = client.ask("POST /v2/users/send-sms", &message).await.expect(400);
    assert_eq!(refused.at("/errorCode"), "InvalidParameter");
    let phone = json!({"userId": id, "cellPhone": "+13035550199"});
    client.ask("POST /v2/users/update-config", &phone).await.expect(200);
    world.textus.clear_calls();
    assert_eq!(client.ask("POST /v2/users/send-sms", &message).await.expect(200).at("/data"), true);
    assert_eq!(writes(&world.textus), ["POST /messages"]);

    let moved = client
        .ask("POST /v2/users/set-network-mailbox", &json!({"userId": id, "networkId": 1, "mailboxId": 102}))
        .await
        .expect(200);
    assert_eq!((moved.at("/data/mailboxId"), moved.at("/data/authLevel")), (json!(102), json!("MailboxAdmin")));
    let wider = client.ask("POST /v2/users/set-network-mailbox", &json!({"userId": id, "networkId": 1})).await;
    wider.expect(400);

    assert_eq!(client.send(&format!("DELETE /v2/users/{id}"), "").await.expect(200).at("/data"), true);
    assert_eq!(client.get(&format!("/v2/users/{id}")).await.expect(404).at("/errorCode"), "ObjectNotFound");
    client.send(&format!("DELETE /v2/users/{id}"), "").await.expect(404);
    assert!(!listed(&client, json!({})).await.contains(&id));
}

#[tokio::test]
async fn a_textus_client_runs_a_life_at_ecgrid() {
    let world = World::start().await;
    let client = world.crossed_textus();

    let created = client.ask("POST /users", &hugo()).await.expect(201);
    let iri = created.at("/id").as_str().unwrap().to_owned();
    assert_eq!(iri, "/users/1000000", "the first id of the range");
    assert_eq!((created.at("/name"), created.at("/email")), (json!("Hugo Ito"), json!("hugo.ito@example.com")));
    assert_eq!(memberships(&created.json()), ["my_account: admin"]);
    let fidelity = created.header("interlingua-fidelity");
    assert!(fidelity.contains("defaulted="), "login and password: {fidelity}");

    let held = world.ecgrid.calls().iter().filter(|call| call.path_and_query == "/v2/users").count();
    assert_eq!(held, 1, "one call creates");
    let query = client.get("/users?q=HUGO").await.expect(200);
    assert_eq!(query.at("/members/0/id"), iri);
    assert_eq!(query.at("/totalItems"), 1);
    assert_eq!((query.at("/view/next"), query.at("/view/previous")), (Value::Null, Value::Null));
    assert_eq!((query.at("/id"), query.at("/view/first")), (json!("/users?q=HUGO"), json!("/users?q=HUGO")));
    assert!(found(&client, "?accounts%5B%5D=my_account").await.contains(&iri));
    assert!(!found(&client, "?accounts[]=/accounts/my_account_child").await.contains(&iri));

    client.ask(&format!("PUT {iri}"), &json!({"name": "Hugo Jansen"})).await.expect(200);
    assert_eq!(client.get(&iri).await.expect(200).at("/lastName"), "Jansen");

    let removed = client.send(&format!("DELETE {iri}"), "").await.expect(204);
    assert!(removed.body.is_empty());
    assert!(removed.header("interlingua-fidelity").contains("narrowed="), "the user stays: {:?}", removed.headers);
    let left = client.get(&iri).await.expect(200);
    assert_eq!((left.at("/discarded"), left.at("/memberships/totalItems")), (json!(false), json!(0)));
}

#[tokio::test]
async fn a_route_may_say_that_to_delete_is_to_terminate() {
    let setup = Setup::new().replace(
        "face = \"textus\"\nupstream = \"ecgrid\"",
        "face = \"textus\"\nupstream = \"ecgrid\"\ndelete = \"terminate\"",
    );
    let world = setup.start().await;
    let client = world.crossed_textus();
    client.send("DELETE /users/wqyODPA", "").await.expect(204);
    assert_eq!(world.at_ecgrid(1042).await["status"], "Terminated");
    assert_eq!(client.get("/users/wqyODPA").await.expect(200).at("/discarded"), true);
    // A user with a system-wide role is out of reach.
    world.ecgrid.clear_calls();
    client.send("DELETE /users/sYsOp00", "").await.expect(403);
    assert_eq!(writes(&world.ecgrid), [] as [&str; 0]);
}

#[tokio::test]
async fn what_the_vendor_refuses_is_refused() {
    let world = World::start().await;
    let (ecgrid, textus) = (world.crossed_ecgrid(), world.crossed_textus());

    // The e-mail address is taken.
    let taken = json!({"login": "x", "password": "Correct-Horse-1", "email": "chuck@textus.example", "firstName": "C",
        "networkId": 1, "mailboxId": 101});
    let refused = ecgrid.ask("POST /v2/users", &taken).await.expect(400);
    assert_eq!(refused.at("/success"), false);
    assert!(refused.text().contains("already been taken"), "{}", refused.text());
    // ECGrid minds the login only, and that is the address.
    textus.ask("POST /users", &hugo()).await.expect(201);
    let refused = textus.ask("POST /users", &hugo()).await.expect(422);
    assert_eq!(refused.at("/@type"), "hydra:Error");
    assert!(refused.text().contains("login is taken"), "{}", refused.text());

    // A place that is not linked, and one that is not there.
    world.textus.clear_calls();
    let mut elsewhere = greta();
    elsewhere["networkId"] = json!(2);
    elsewhere["mailboxId"] = json!(201);
    let refused = ecgrid.ask("POST /v2/users", &elsewhere).await.expect(400);
    assert!(refused.text().contains("2/201 is not linked"), "{}", refused.text());
    assert_eq!(calls(&world.textus), [] as [&str; 0]);
    let mut elsewhere = hugo();
    elsewhere["memberships"][0]["account"] = json!("/accounts/other_account");
    let refused = textus.ask("POST /users", &elsewhere).await.expect(422);
    assert!(refused.text().contains("other_account is not linked"), "{}", refused.text());

    // The last membership is removed.
    let last = textus.ask("PUT /users/wqyODPA", &json!({"memberships": []})).await.expect(200);
    assert_eq!(last.at("/memberships/totalItems"), 0);
    assert_eq!(world.at_ecgrid(1042).await["authLevel"], "General");

    // A user who has left.
    world.textus_itself().send("DELETE /users/PWApBE3", "").await.expect(204);
    assert_eq!(ecgrid.get("/v2/users/1043").await.expect(404).at("/errorCode"), "ObjectNotFound");
    let renamed = ecgrid.ask("PUT /v2/users", &json!({"userId": 1043, "email": "eddie@example.com"})).await;
    assert_eq!(renamed.expect(404).at("/errorCode"), "ObjectNotFound");

    // A membership is asked for, and a name.
    let mut nowhere = greta();
    nowhere["authLevel"] = json!("General");
    ecgrid.ask("POST /v2/users", &nowhere).await.expect(400);
    let mut nameless = greta();
    nameless.as_object_mut().unwrap().retain(|member, _| !member.ends_with("Name"));
    let refused = ecgrid.ask("POST /v2/users", &nameless).await.expect(400);
    assert!(refused.text().contains("/firstName"), "{}", refused.text());
}

#[tokio::test]
async fn nobody_is_created_whose_login_cannot_be_remembered() {
    let world = World::start().await;
    for login in ["x".repeat(1025), "x\0".to_owned()] {
        let mut user = greta();
        user["login"] = json!(login);
        let refused = world.crossed_ecgrid().ask("POST /v2/users", &user).await.expect(400);
        assert_eq!(refused.at("/errorCode"), "InvalidParameter");
        assert!(refused.text().contains("/login: "), "{}", refused.text());
    }
    assert_eq!(calls(&world.textus), [] as [&str; 0]);
}

/// TextUs knows no logins; the gateway minds them as ECGrid does.
#[tokio::test]
async fn a_login_is_one_users() {
    let world = World::start().await;
    let client = world.crossed_ecgrid();
    let id = client.ask("POST /v2/users", &greta()).await.expect(200).at("/data/userId");
    let mut namesake = greta();
    namesake["email"] = json!("greta.two@example.com");
    world.textus.clear_calls();
    let refused = client.ask("POST /v2/users", &namesake).await.expect(400);
    assert_eq!(refused.at("/errorCode"), "DuplicateObject");
    assert!(refused.text().contains("/login: "), "{}", refused.text());
    assert_eq!(writes(&world.textus), [""; 0]);
    client.send(&format!("DELETE /v2/users/{id}"), "").await.expect(200);
    client.ask("POST /v2/users", &namesake).await.expect(200);
}

#[tokio::test]
async fn a_system_wide_role_is_never_made() {
    let world = World::start().await;
    for level in ["Root", "TechOps", "NetOps"] {
        let mut user = greta();
        user["authLevel"] = json!(level);
        let refused = world.crossed_ecgrid().ask("POST /v2/users", &user).await.expect(403);
        assert_eq!(refused.at("/errorCode"), "AccessDenied");
    }
    assert_eq!(calls(&world.textus), [] as [&str; 0]);
}

#[tokio::test]
async fn what_has_no_counterpart_is_refused_and_not_sent() {
    let world = World::start().await;
    let client = world.crossed_ecgrid();
    for (line, body) in [
        ("POST /v2/users/password", json!({"userId": 1042, "newPassword": "Correct-Horse-2"})),
        ("POST /v2/users/generate-password", json!({"length": 16})),
        ("GET /v2/users/key/1042", Value::Null),
        ("POST /v2/users/key-generate/1042", Value::Null),
        ("POST /v2/users/reset/1042", Value::Null),
    ] {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let refused = client.send(line, body).await.expect(501);
        assert_eq!((refused.at("/success"), refused.at("/errorCode")), (json!(false), json!("NotSupported")), "{line}");
    }
    assert_eq!(calls(&world.textus), [] as [&str; 0]);
    assert_eq!(calls(&world.ecgrid), [] as [&str; 0]);
}

#[tokio::test]
async fn all_of_it_passes_where_nothing_is_translated() {
    let world = World::start().await;
    let client = world.pass_ecgrid();
    let id = client.ask("POST /v2/users", &greta()).await.expect(200).at("/data/userId");
    assert_eq!(client.ask("POST /v2/users/by-name", &json!({"login": "ghaddad"})).await.at("/data/0/userId"), id);
    assert!(listed(&client, json!({"mailboxId": 101, "networkId": 1})).await.contains(&id.as_i64().unwrap()));
    let password = client.ask("POST /v2/users/generate-password", &json!({"length": 16})).await.expect(200);
    assert_eq!(password.at("/data").as_str().unwrap().len(), 16);
    let change = json!({"userId": id, "newPassword": "Correct-Horse-2"});
    client.ask("POST /v2/users/password", &change).await.expect(200);
    client.ask("POST /v2/users/password", &json!({"userId": id, "newPassword": "short"})).await.expect(400);
    client.send(&format!("POST /v2/users/key-generate/{id}"), "").await.expect(200);
    client.get(&format!("/v2/users/key/{id}")).await.expect(200);
    client.send(&format!("POST /v2/users/reset/{id}"), "").await.expect(200);
    let moved = json!({"userId": id, "networkId": 2, "mailboxId": 201});
    client.ask("POST /v2/users/set-network-mailbox", &moved).await.expect(200);
    client.send(&format!("DELETE /v2/users/{id}"), "").await.expect(200);

    let client = world.pass_textus();
    let iri = client.ask("POST /users", &hugo()).await.expect(201).at("/id").as_str().unwrap().to_owned();
    assert_eq!(found(&client, "?q=hugo").await, [iri.as_str()]);
    client.ask(&format!("PUT {iri}"), &json!({"name": "Hugo Jansen"})).await.expect(200);
    client.send(&format!("DELETE {iri}"), "").await.expect(204);
}

#[tokio::test]
async fn a_client_is_told_who_it_is() {
    let world = World::start().await;
    let me = world.crossed_ecgrid().get("/v2/users/me").await.expect(200);
    assert_eq!((me.at("/data/userId"), me.at("/data/email")), (json!(1042), json!("chuck@textus.example")));

    let world = Setup::new().replace("user = { ecgrid = 1042 }", "user = { textus = \"PWApBE3\" }").start().await;
    assert_eq!(world.crossed_ecgrid().get("/v2/users/me").await.expect(200).at("/data/userId"), 1043);

    let world = Setup::new().replace("shows.\nuser = { ecgrid = 1042 }", "shows.").start().await;
    let refused = world.crossed_ecgrid().get("/v2/users/me").await.expect(501);
    assert_eq!(refused.at("/errorCode"), "NotSupported");
    assert!(refused.text().contains("[[clients]]"), "{}", refused.text());
    assert_eq!(calls(&world.textus), [] as [&str; 0]);
}

#[tokio::test]
async fn a_user_without_an_id_left_is_an_error_of_ours() {
    let world = Setup::new().with("[links.ids.ecgrid]\nfirst = 5\nlast = 5\n").start().await;
    let client = world.crossed_ecgrid();
    assert_eq!(listed(&client, json!({"recordsPerPage": 1, "pageNo": 1})).await.len(), 1);
    // Two users of TextUs are linked by nobody, and there is one id.
    let refused = client.ask("POST /v2/users/list", &json!({})).await.expect(500);
    assert!(refused.text().contains("[links.ids]"), "{}", refused.text());
    // It is Greta's, and after her nobody is created who could not be shown.
    assert_eq!(client.ask("POST /v2/users", &greta()).await.expect(200).at("/data/userId"), 5);
    world.textus.clear_calls();
    let mut other = greta();
    other["login"] = json!("hito");
    other["email"] = json!("hugo.ito@example.com");
    let refused = client.ask("POST /v2/users", &other).await.expect(500);
    assert!(refused.text().contains("[links.ids]"), "{}", refused.text());
    assert_eq!(writes(&world.textus), [] as [&str; 0]);
}
