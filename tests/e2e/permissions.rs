//! What a client may do, how often, with which keys, and as whom.

use http::Method;

use crate::{
    client::{Answer, Client},
    harness::{ECGRID_KEY, Setup, TEXTUS_TOKEN, World, calls, writes},
};

const RENAME: &str = r#"{"userId": 1042, "firstName": "Jon", "lastName": "Doe"}"#;
const MAKE_ADMIN: &str = r#"{"userId": 1042, "authLevel": "NetworkAdmin", "networkId": 1}"#;
const MAKE_USER: &str = r#"{"userId": 1042, "authLevel": "MailboxUser", "networkId": 1, "mailboxId": 101}"#;

/// The world with these lines at the ECGrid client, who may give every role.
fn with(lines: &str) -> Setup {
    let name = "name = \"sandbox-ecgrid\"";
    Setup::falling_back().replace(name, &format!("{name}\n{lines}"))
}

#[track_caller]
fn is_refused(answer: &Answer, status: u16, code: &str) {
    assert_eq!((answer.status, answer.at("/errorCode").as_str()), (status, Some(code)), "{}", answer.text());
    assert_eq!(answer.header("interlingua-fault"), "client");
}

#[tokio::test]
async fn a_client_does_only_what_it_is_allowed() {
    let world = with("allow = [\"read\", \"set-role\"]").start().await;
    for client in [world.crossed_ecgrid(), world.pass_ecgrid()] {
        is_refused(&client.send("PUT /v2/users", RENAME).await, 403, "AccessDenied");
        is_refused(&client.get("/v2/auth/version").await, 403, "AccessDenied");
        client.get("/v2/users/1042").await.expect(200);
        client.send("POST /v2/users/role", MAKE_USER).await.expect(200);
    }
    assert_eq!(writes(&world.ecgrid), ["POST /v2/users/role"]);
    world.crossed_textus().send("PUT /users/PWApBE3", r#"{"name": "Mary M"}"#).await.expect(200);
}

#[tokio::test]
async fn a_client_uses_only_the_routes_that_it_has() {
    let world = with("routes = [{ upstream = \"ecgrid\" }]").start().await;
    is_refused(&world.crossed_ecgrid().get("/v2/users/1042").await, 403, "AccessDenied");
    assert_eq!(calls(&world.textus), [""; 0]);
    world.pass_ecgrid().get("/v2/users/1042").await.expect(200);
}

#[tokio::test]
async fn nobody_gives_a_role_beyond_its_grant() {
    let world = Setup::new().replace("grant = \"administrator\"", "").start().await;
    for client in [world.crossed_ecgrid(), world.pass_ecgrid()] {
        is_refused(&client.send("POST /v2/users/role", MAKE_ADMIN).await, 403, "AccessDenied");
    }
    let pass = world.pass_ecgrid();
    for hidden in ["AUTHLEVEL", "authlevel", "\\u0061uthLevel"] {
        let body = format!(r#"{{"userId": 1042, "firstName": "Jon", "{hidden}": "NetworkAdmin"}}"#);
        is_refused(&pass.send("PUT /v2/users", body).await, 403, "AccessDenied");
    }
    // So many members that nobody knows that not all of them are told.
    let many: String = (0..200).map(|number| format!("\"x{number}\": 1, ")).collect();
    let body = format!(r#"{{{many}"AUTHLEVEL": "NetworkAdmin", "userId": 1042, "firstName": "Jon"}}"#);
    is_refused(&pass.send("PUT /v2/users", body).await, 403, "AccessDenied");
    assert_eq!((writes(&world.ecgrid), writes(&world.textus)), (Vec::new(), Vec::new()));
    pass.send("PUT /v2/users", r#"{"userId": 1042, "firstName": "Jon", "shoeSize": 5}"#).await.expect(200);
    pass.send("POST /v2/users/role", MAKE_USER).await.expect(200);
    let world = Setup::new().replace("grant = \"administrator\"", "grant = \"none\"").start().await;
    is_refused(&world.pass_ecgrid().send("POST /v2/users/role", MAKE_USER).await, 403, "AccessDenied");
}

#[tokio::test]
async fn a_client_calls_as_often_as_its_rate_says() {
    let world = with("rate = { calls = 2, per = \"1h\" }").start().await;
    let client = world.crossed_ecgrid();
    let first = client.get("/v2/users/1042").await.expect(200);
    let told = ["ratelimit-policy", "ratelimit"].map(|name| first.header(name).to_owned());
    assert_eq!(told, ["\"client\";q=2;w=3600", "\"client\";r=1;t=1800"]);
    client.get("/v2/users/9999").await.expect(404);
    let refused = client.get("/v2/users/1042").await;
    is_refused(&refused, 429, "RateLimitExceeded");
    assert!(refused.header("ratelimit").starts_with("\"client\";r=0;t="), "{}", refused.header("ratelimit"));
    let delay: u64 = refused.header("retry-after").parse().unwrap();
    assert!((1790..=1800).contains(&delay), "{delay}");
    let other = world.crossed_textus().get("/users/PWApBE3").await.expect(200);
    assert_eq!(other.header("ratelimit"), "");
}

#[tokio::test]
async fn keys_are_exchanged_without_a_gap() {
    // The digests of `next-key` and `last-key`.
    let keys = [("next-key", "2999-01-01T00:00:00Z"), ("last-key", "2020-01-01T00:00:00Z")].map(|(key, expires)| {
        use sha2::{Digest, Sha256};
        let digest: String = Sha256::digest(key).iter().map(|byte| format!("{byte:02x}")).collect();
        format!("{{ sha256 = \"{digest}\", expires = {expires} }}")
    });
    let world = with(&format!("keys = [{}]", keys.join(", "))).start().await;
    for (key, status) in [(ECGRID_KEY, 200), ("next-key", 200), ("last-key", 401)] {
        Client::ecgrid(world.address(0), key).get("/v2/users/1042").await.expect(status);
    }
}

#[tokio::test]
async fn an_address_with_too_many_wrong_keys_is_no_place_to_try_more() {
    let world = Setup::new().with("[limits]\nfailed_logins = 3").start().await;
    world.crossed_ecgrid().get("/v2/users/1042").await.expect(200);
    let guess = |guess: &str| Client::ecgrid(world.address(0), guess);
    for number in 0..3 {
        is_refused(&guess(&number.to_string()).get("/v2/users/1042").await, 401, "InvalidAPIKey");
    }
    let refused = guess("once more").get("/v2/users/1042").await;
    is_refused(&refused, 429, "RateLimitExceeded");
    assert!(!refused.header("retry-after").is_empty());
    // A right key from there, of somebody who has not been there before, tells no more than a wrong one.
    Client::textus(world.address(0), TEXTUS_TOKEN).get("/users/PWApBE3").await.expect(429);
    world.crossed_ecgrid().get("/v2/users/1042").await.expect(200);
}

#[tokio::test]
async fn a_client_is_known_to_an_upstream_by_its_own_credential() {
    let world: World = with("credentials = { textus = { value = \"not-known-there\" } }").start().await;
    let refused = world.crossed_ecgrid().get("/v2/users/1042").await.expect(502);
    assert_eq!(refused.header("interlingua-fault"), "gateway");
    world.pass_ecgrid().get("/v2/users/1042").await.expect(200);
    world.pass_textus().get("/users/PWApBE3").await.expect(200);
    assert!(world.textus.calls().iter().all(|call| call.method == Method::GET));
}
