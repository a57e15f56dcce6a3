//! Updates in part: of a user, where only some fields are given; and of a request, where only some calls succeed.

use http::StatusCode;
use interlingua_sandbox as sandbox;
use serde_json::{Value, json};

use crate::{
    client::Answer,
    harness::{Setup, World, writes},
    recorder::{Recorder, ok},
    refusals::{Face, refuses},
};

// === Fields that are not given ===

/// Sends an Update User to a fresh world and gives what TextUs has then: name and e-mail.
async fn updated(request: Value) -> [Value; 3] {
    let world = World::start().await;
    world.crossed_ecgrid().ask("PUT /v2/users", &request).await.expect(200);
    let user = world.at_textus("wqyODPA").await;
    ["firstName", "lastName", "email"].map(|name| user[name].clone())
}

#[tokio::test]
async fn what_is_not_given_stays() {
    let email = "chuck@textus.example";
    for (request, expected) in [
        (json!({"userId": 1042, "firstName": "Jon"}), ["Jon", "Norris", email]),
        (json!({"userId": 1042, "lastName": "Smith"}), ["Chuck", "Smith", email]),
        (json!({"userId": 1042, "email": null, "firstName": "Jon"}), ["Jon", "Norris", email]),
        (
            json!({"userId": 1042, "email": "j@example.com", "firstName": null, "lastName": null}),
            ["Chuck", "Norris", "j@example.com"],
        ),
        (json!({"userId": 1042}), ["Chuck", "Norris", email]),
    ] {
        assert_eq!(updated(request.clone()).await, expected, "{request}");
    }
}

#[tokio::test]
async fn an_update_of_nothing_writes_nothing() {
    let world = World::start().await;
    world.crossed_ecgrid().ask("PUT /v2/users", &json!({"userId": 1042})).await.expect(200);
    world.crossed_textus().ask("PUT /users/wqyODPA", &json!({})).await.expect(200);
    assert_eq!([writes(&world.textus), writes(&world.ecgrid)], [[""; 0]; 2]);
}

#[tokio::test]
async fn a_name_that_stays_the_same_is_not_split_again() {
    let world = World::start().await;
    let update = json!({"userId": 1042, "firstName": "Mary Ann", "lastName": "Major"});
    world.pass_ecgrid().ask("PUT /v2/users", &update).await.expect(200);
    world.crossed_textus().ask("PUT /users/wqyODPA", &json!({"name": "Mary Ann Major"})).await.expect(200);
    let user = world.at_ecgrid(1042).await;
    assert_eq!([&user["firstName"], &user["lastName"]], ["Mary Ann", "Major"]);
}

// === Calls that fail ===

/// Two writes: name and address in one, notifications in the other.
fn two_writes() -> Value {
    json!({
        "name": "Jon Doe",
        "email": "jon.doe@example.com",
        "settings": {"notifications": {"email": true}},
    })
}

/// The state at ECGrid, read through the gateway, and the configuration, which nothing shows.
async fn state(world: &World) -> (Value, Option<Value>) {
    let user = world.crossed_textus().get("/users/wqyODPA").await.expect(200);
    (user.at("/name"), world.ecgrid.stored_config("1042"))
}

#[track_caller]
fn is_partial(answer: &Answer, words: &[&str]) {
    refuses(Face::Textus, answer, 502, "Bad Gateway", &["carried out in part", "applied: /email, /name"]);
    refuses(Face::Textus, answer, 502, "Bad Gateway", words);
}

#[tokio::test]
async fn when_the_second_write_fails_the_answer_says_what_was_applied() {
    let world = World::start().await;
    world.ecgrid.fail_write(2, StatusCode::INTERNAL_SERVER_ERROR);
    let answer = world.crossed_textus().ask("PUT /users/wqyODPA", &two_writes()).await;
    is_partial(&answer, &["outcome unknown: /settings/notifications/email", "the upstream answered 500"]);
    assert_eq!(state(&world).await, ("Jon Doe".into(), Some(json!({}))));
}

#[tokio::test]
async fn a_second_write_that_is_refused_was_not_applied() {
    let world = World::start().await;
    world.ecgrid.fail_write(2, StatusCode::FORBIDDEN);
    let answer = world.crossed_textus().ask("PUT /users/wqyODPA", &two_writes()).await;
    is_partial(&answer, &["; refused: /settings/notifications/email"]);
    assert_eq!(state(&world).await, ("Jon Doe".into(), Some(json!({}))));
}

#[tokio::test]
async fn when_the_second_write_hangs_its_outcome_is_unknown() {
    let world = Setup::new().call_timeout("500ms").start().await;
    world.ecgrid.hang_write(2);
    let answer = world.crossed_textus().ask("PUT /users/wqyODPA", &two_writes()).await;
    is_partial(&answer, &["outcome unknown: /settings/notifications/email", "did not answer in time"]);
    assert_eq!(state(&world).await.0, "Jon Doe");
}

#[tokio::test]
async fn writes_after_the_failed_one_are_not_sent() {
    let world = World::start().await;
    world.ecgrid.fail_write(2, StatusCode::FORBIDDEN);
    let mut request = two_writes();
    request["memberships"] = json!([{"role": "user", "account": "/accounts/my_account"}]);
    let answer = world.crossed_textus().ask("PUT /users/wqyODPA", &request).await;
    is_partial(&answer, &["refused: /settings/notifications/email", "not sent: /memberships"]);
    assert_eq!(writes(&world.ecgrid), ["PUT /v2/users", "POST /v2/users/update-config"]);
    assert_eq!(world.at_ecgrid(1042).await["authLevel"], "MailboxAdmin");
}

#[tokio::test]
async fn a_single_write_that_fails_is_not_partial() {
    let world = World::start().await;
    for (face, line, request) in [
        (Face::Textus, "PUT /users/wqyODPA", json!({"name": "Jon Doe"})),
        (Face::Ecgrid, "PUT /v2/users", json!({"userId": 1042, "firstName": "Jon", "lastName": "Doe"})),
    ] {
        for vendor in [&world.ecgrid, &world.textus] {
            vendor.clear_faults();
            vendor.fail_write(1, StatusCode::INTERNAL_SERVER_ERROR);
        }
        let answer = face.crossed(&world).ask(line, &request).await;
        let code = if face == Face::Ecgrid { "InternalError" } else { "Bad Gateway" };
        refuses(face, &answer, 502, code, &["the outcome at the upstream is unknown"]);
        assert!(!answer.text().contains("applied"), "{}", answer.text());
    }
}

#[tokio::test]
async fn the_first_of_two_writes_that_fails_is_not_partial() {
    let world = World::start().await;
    world.ecgrid.fail_write(1, StatusCode::FORBIDDEN);
    let answer = world.crossed_textus().ask("PUT /users/wqyODPA", &two_writes()).await;
    refuses(Face::Textus, &answer, 403, "Forbidden", &["the upstream answered 403"]);
    assert_eq!(writes(&world.ecgrid), ["PUT /v2/users"]);
}

/// Lets the calls after the next fail, as often as they are tried.
fn reads_fail(vendor: &sandbox::Server) {
    for call in 2..=4 {
        vendor.fail(call, StatusCode::SERVICE_UNAVAILABLE);
    }
}

#[tokio::test]
async fn a_read_back_that_fails_after_a_write_is_no_success() {
    // ECGrid's Update Config does not show the user, so it is read afterwards.
    let world = World::start().await;
    reads_fail(&world.ecgrid);
    let request = json!({"settings": {"notifications": {"email": true}}});
    let answer = world.crossed_textus().ask("PUT /users/wqyODPA", &request).await;
    refuses(Face::Textus, &answer, 502, "Bad Gateway", &["applied: /settings/notifications/email"]);
    assert_eq!(world.ecgrid.stored_config("1042"), Some(json!({"emailNotification": true})));

    // TextUs may answer a PUT without the memberships, which are read afterwards.
    let world = Setup::new().textus(sandbox::Textus::new().memberships_as_iri(true)).start().await;
    reads_fail(&world.textus);
    let request = json!({"userId": 1042, "email": "jon@example.com"});
    let answer = world.crossed_ecgrid().ask("PUT /v2/users", &request).await;
    refuses(Face::Ecgrid, &answer, 502, "PartialUpdate", &["applied: /email"]);
    assert_eq!(world.at_textus("wqyODPA").await["email"], "jon@example.com");
}

#[tokio::test]
async fn memberships_as_an_iri_are_read_before_the_answer() {
    let world = Setup::new().textus(sandbox::Textus::new().memberships_as_iri(true)).start().await;
    let request = json!({"userId": 1042, "email": "jon@example.com"});
    let answer = world.crossed_ecgrid().ask("PUT /v2/users", &request).await.expect(200);
    assert_eq!([answer.at("/data/mailboxId"), answer.at("/data/authLevel")], [json!(101), json!("MailboxUser")]);
}

/// An upstream's answer that makes no sense comes after the write all the same.
#[tokio::test]
async fn an_answer_that_shows_somebody_else_leaves_the_outcome_unknown() {
    for document in [r#"{"@type": "User", "id": "/users/PWApBE3", "memberships": {"members": []}}"#, "{}", "no JSON"] {
        let upstream = Recorder::start().await;
        let world = Setup::new().textus_at(upstream.address).start().await;
        upstream.always(ok(document));
        let request = json!({"userId": 1042, "email": "jon@example.com"});
        let answer = world.crossed_ecgrid().ask("PUT /v2/users", &request).await;
        refuses(Face::Ecgrid, &answer, 502, "InternalError", &["the outcome at the upstream is unknown"]);
    }
}
