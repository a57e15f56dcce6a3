//! `on_partial = "undo"`: when a write of several fails, what was applied is taken back as far as it can be.

use http::StatusCode;
use serde_json::{Value, json};

use crate::{
    client::Answer,
    harness::{Setup, World, writes},
    refusals::{Face, refuses},
};

const ROUTE: &str = "face = \"textus\"\nupstream = \"ecgrid\"";

/// The world in which writes at ECGrid are undone.
fn undoing() -> Setup {
    Setup::new().replace(ROUTE, &format!("{ROUTE}\non_partial = \"undo\""))
}

/// Two writes that show, and can be taken back: the profile, and the role.
fn profile_and_role() -> Value {
    json!({
        "name": "Jon Doe",
        "email": "jon.doe@example.com",
        "memberships": [{"role": "user", "account": "/accounts/my_account"}],
    })
}

/// With one between them that does not show.
fn with_settings() -> Value {
    let mut request = profile_and_role();
    request["settings"] = json!({"notifications": {"email": true}});
    request
}

async fn put(world: &World, request: &Value) -> Answer {
    world.crossed_textus().ask("PUT /users/wqyODPA", request).await
}

#[tokio::test]
async fn what_was_applied_is_taken_back() {
    let world = undoing().start().await;
    let before = world.at_ecgrid(1042).await;
    world.ecgrid.fail_write(2, StatusCode::FORBIDDEN);
    let answer = put(&world, &profile_and_role()).await;
    // Nothing is left of it, so that it is a refusal like any other.
    let words = ["undone: /email, /name", "refused: /memberships", "the upstream answered 403"];
    refuses(Face::Textus, &answer, 403, "Forbidden", &words);
    assert_eq!(writes(&world.ecgrid), ["PUT /v2/users", "POST /v2/users/role", "PUT /v2/users"]);
    assert_eq!(world.at_ecgrid(1042).await, before);
}

#[tokio::test]
async fn what_cannot_be_taken_back_is_told() {
    let world = undoing().start().await;
    world.ecgrid.fail_write(3, StatusCode::FORBIDDEN);
    let answer = put(&world, &with_settings()).await;
    let words = [
        "carried out in part",
        "undone: /email, /name",
        "applied: /settings/notifications/email",
        "refused: /memberships",
    ];
    refuses(Face::Textus, &answer, 502, "Bad Gateway", &words);
    let report = world.admin().get(&format!("/reports/{}", answer.header("x-request-id"))).await.expect(200);
    let states = ["undone", "applied", "refused"].map(Value::from);
    assert_eq!([0, 1, 2].map(|write| report.at(&format!("/writes/{write}/state"))), states);
    assert_eq!(report.at("/writes/1/fields"), json!(["/settings/notifications/email"]));
    assert_eq!(world.at_ecgrid(1042).await["email"], "john.smith@example.com");
    assert_eq!(world.ecgrid.stored_config("1042"), Some(json!({"emailNotification": true})));
}

#[tokio::test]
async fn an_undoing_that_fails_is_told() {
    for (status, words) in
        [(StatusCode::FORBIDDEN, "applied: /email"), (StatusCode::BAD_GATEWAY, "outcome unknown: /email")]
    {
        let world = undoing().upstreams("retries = 0").start().await;
        world.ecgrid.fail_write(2, StatusCode::FORBIDDEN);
        world.ecgrid.fail_write(3, status);
        let answer = put(&world, &profile_and_role()).await;
        refuses(Face::Textus, &answer, 502, "Bad Gateway", &["carried out in part", words, "refused: /memberships"]);
        assert_eq!(world.at_ecgrid(1042).await["email"], "jon.doe@example.com");
    }
}

/// A role that arrives later than those who took back what came before it would be one that the user never had there.
#[tokio::test]
async fn nothing_is_taken_back_from_before_what_may_still_arrive() {
    let world = undoing().call_timeout("500ms").start().await;
    world.ecgrid.hang_write(2);
    let answer = put(&world, &profile_and_role()).await;
    let words = ["carried out in part", "applied: /email, /name", "outcome unknown: /memberships"];
    refuses(Face::Textus, &answer, 502, "Bad Gateway", &words);
    assert!(writes(&world.ecgrid).iter().skip(1).all(|write| write == "POST /v2/users/role"));
}

#[tokio::test]
async fn the_user_is_read_before_anything_is_written() {
    let world = undoing().upstreams("retries = 0").start().await;
    world.ecgrid.fail(1, StatusCode::SERVICE_UNAVAILABLE);
    let request = json!({"name": "Jon Doe", "settings": {"notifications": {"email": true}}});
    refuses(Face::Textus, &put(&world, &request).await, 502, "Bad Gateway", &["the upstream answered 503"]);
    assert!(writes(&world.ecgrid).is_empty());
}

#[tokio::test]
async fn a_single_write_needs_no_undoing() {
    let world = undoing().start().await;
    put(&world, &json!({"name": "Jon Doe"})).await.expect(200);
    assert_eq!(world.ecgrid.calls().len(), 1);
}
