//! Clients that log in with a name and a password rather than having a key.

use std::time::Instant;

use jsonwebtoken::{Algorithm, EncodingKey, Header, encode, get_current_timestamp};
use serde_json::{Value, json};
use tempfile::NamedTempFile;

use crate::{
    client::{Answer, Client},
    harness::{Setup, TEXTUS_TOKEN, World, calls},
    recorder::{Recorder, ok},
    refusals::{Face, refuses},
    served::file,
};

/// The hash in config/sandbox.toml, which takes its time, and one of another password that does not.
pub(crate) const SLOW_HASH: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$c2FuZGJveHNhbmRib3gxMg$ZGlDh8G1klQkQo1xzu9r0gNX3MasPiIcAWVm9JoMJvI";
pub(crate) const QUICK_HASH: &str =
    "$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHQ$dSk/rRZ4CRhPtbMryZJRaa8um3g1+KCg1cxbRpRYrX0";
pub(crate) const PASSWORD: &str = "Secret-1";

const NAME: &str = "name = \"sandbox-ecgrid-login\"";
const RENAME: &str = r#"{"userId": 1042, "firstName": "Jon", "lastName": "Doe"}"#;
const KEY: [u8; 32] = [7; 32];

/// The world, in which the client that logs in has a password that is compared quickly, and these lines.
fn with(lines: &str) -> Setup {
    Setup::falling_back().replace(SLOW_HASH, QUICK_HASH).replace(NAME, &format!("{NAME}\n{lines}"))
}

fn key() -> NamedTempFile {
    file(&"07".repeat(32))
}

/// The same with a key for tokens that is known.
fn keyed(key: &NamedTempFile) -> Setup {
    with("").with(&format!("[sessions]\nkey = {{ file = \"{}\" }}", key.path().display()))
}

fn stranger(world: &World, listener: usize) -> Client {
    Client::new(world.address(listener)).header("content-type", "application/json")
}

async fn log_in(client: &Client, password: &str) -> Answer {
    client.ask("POST /v2/auth/login", &json!({ "login": "sandbox", "password": password })).await
}

fn token(answer: &Answer) -> String {
    answer.at("/data/token").as_str().unwrap().to_owned()
}

fn bearer(client: &Client, token: &str) -> Client {
    client.clone().header("authorization", &format!("Bearer {token}"))
}

/// Somebody who has logged in.
async fn logged_in(world: &World, listener: usize) -> Client {
    let stranger = stranger(world, listener);
    let answer = log_in(&stranger, PASSWORD).await.expect(200);
    bearer(&stranger, &token(&answer))
}

#[track_caller]
fn is_refused(answer: &Answer, status: u16, code: &str) {
    refuses(Face::Ecgrid, answer, status, code, &[]);
    assert_eq!(answer.header("interlingua-fault"), "client", "{}", answer.text());
}

#[tokio::test]
async fn a_client_logs_in_and_is_who_the_configuration_says() {
    let world = with("").start().await;
    for listener in [0, 1] {
        let stranger = stranger(&world, listener);
        assert_eq!(stranger.get("/v2/auth/version").await.expect(200).at("/data"), json!({ "version": "2.6" }));
        let answer = log_in(&stranger, PASSWORD).await.expect(200);
        assert_eq!((answer.at("/success"), answer.at("/data/userId")), (true.into(), 1042.into()));
        assert_eq!(answer.header("cache-control"), "no-store");
        let expires: jiff::Timestamp = answer.at("/data/expiresAt").as_str().unwrap().parse().unwrap();
        let left = expires.duration_since(jiff::Timestamp::now()).as_secs();
        assert!((3500..=3600).contains(&left), "{left}");

        let client = bearer(&stranger, &token(&answer));
        assert_eq!(client.get("/v2/users/me").await.expect(200).at("/data/userId"), 1042);
        client.send("PUT /v2/users", RENAME).await.expect(200);
        let session = client.send("POST /v2/auth/session", "").await.expect(200).at("/data");
        assert_eq!(session, json!({ "userId": 1042, "expiresAt": answer.at("/data/expiresAt") }));
        assert_eq!(client.get("/v2/auth/version").await.expect(200).at("/data/version"), "2.6");
        assert_eq!(client.send("POST /v2/auth/logout", "").await.expect(200).at("/data"), true);
        for line in ["GET /v2/users/me", "POST /v2/auth/refresh", "POST /v2/auth/session", "POST /v2/auth/logout"] {
            is_refused(&client.send(line, "").await, 401, "InvalidSession");
        }
        // What is over is no obstacle to what begins.
        log_in(&client, PASSWORD).await.expect(200);
    }
    for vendor in [&world.ecgrid, &world.textus] {
        let heard: Vec<_> = calls(vendor).into_iter().filter(|call| call.contains("auth")).collect();
        assert_eq!(heard, [""; 0]);
    }
}

#[tokio::test]
async fn no_token_reaches_an_upstream() {
    let mut upstream = Recorder::start().await;
    let world = with("").ecgrid_at(upstream.address).textus_at(upstream.address).start().await;
    for listener in [0, 1] {
        let client = logged_in(&world, listener).await;
        for line in ["GET /v2/users/1042", "GET /v2/parcels/1"] {
            let (client, asked) = (client.clone(), line.to_owned());
            let asking = tokio::spawn(async move { client.send(&asked, "").await });
            let seen = upstream.next().await.answer(ok("{}"));
            assert!(!seen.head.contains("eyJ"), "{}", seen.head);
            asking.await.unwrap();
        }
    }
}

#[tokio::test]
async fn a_session_has_many_tokens_and_one_end() {
    let world = with("").start().await;
    let stranger = stranger(&world, 0);
    let first = bearer(&stranger, &token(&log_in(&stranger, PASSWORD).await.expect(200)));
    let other = logged_in(&world, 0).await;
    let refreshed = first.send("POST /v2/auth/refresh", "").await.expect(200);
    assert_eq!(refreshed.at("/data/userId"), 1042);
    let second = bearer(&stranger, &token(&refreshed));
    for client in [&first, &second] {
        client.get("/v2/users/1042").await.expect(200);
    }
    second.send("POST /v2/auth/logout", "").await.expect(200);
    for client in [&first, &second] {
        is_refused(&client.get("/v2/users/1042").await, 401, "InvalidSession");
    }
    other.get("/v2/users/1042").await.expect(200);
}

#[tokio::test]
async fn a_token_that_is_none_is_no_session() {
    let key = key();
    let world = keyed(&key).start().await;
    let stranger = stranger(&world, 0);
    let answer = log_in(&stranger, PASSWORD).await.expect(200);
    let good = token(&answer);
    let claims: Value = {
        use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(good.split('.').nth(1).unwrap()).unwrap()).unwrap()
    };
    assert_eq!((&claims["sub"], &claims["aud"]), (&json!("sandbox-ecgrid-login"), &json!("ecgrid")));
    for secret in ["sandbox-password", PASSWORD, "\"sandbox\"", "argon2"] {
        assert!(!claims.to_string().contains(secret), "{claims}");
    }
    let signed = |changes: Value, key: &[u8], algorithm| {
        let mut claims = claims.clone();
        claims.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        // The gateway has said how: only HS256 is known.
        encode(&Header::new(algorithm), &claims, &EncodingKey::from_secret(key))
    };
    let hs256 = |changes, key: &[u8]| signed(changes, key, Algorithm::HS256).unwrap();
    assert!(signed(json!({}), &KEY, Algorithm::HS512).is_err());
    bearer(&stranger, &hs256(json!({}), &KEY)).get("/v2/users/1042").await.expect(200);

    let now = get_current_timestamp();
    let (_, unsigned) = good.split_once('.').unwrap();
    let cut = good.rsplit_once('.').unwrap().0;
    let bad = [
        ("expired", hs256(json!({ "exp": now - 1 }), &KEY)),
        ("of another key", hs256(json!({}), &[8; 32])),
        ("for another face", hs256(json!({ "aud": "textus" }), &KEY)),
        ("for nobody", hs256(json!({ "sub": "nobody" }), &KEY)),
        ("for somebody else", hs256(json!({ "sub": "sandbox-ecgrid" }), &KEY)),
        ("of another login", hs256(json!({ "login": "AAAA" }), &KEY)),
        ("without an end", hs256(json!({ "exp": null }), &KEY)),
        ("unsigned", format!("eyJhbGciOiJub25lIn0.{}.", unsigned.split_once('.').unwrap().0)),
        ("unsigned", format!("eyJhbGciOiJub25lIn0.{unsigned}")),
        ("without a signature", format!("{cut}.")),
        ("cut", cut.to_owned()),
        ("changed", good.replacen('.', ".e30", 1)),
        ("nonsense", "a.b.c".to_owned()),
    ];
    for (what, token) in bad {
        for listener in [0, 1] {
            let answer = bearer(&self::stranger(&world, listener), &token).get("/v2/users/1042").await;
            assert_eq!(answer.status, 401, "{what}");
            is_refused(&answer, 401, "InvalidSession");
        }
    }
    // Where a key stands, a token is none.
    is_refused(&stranger.clone().header("x-api-key", &good).get("/v2/users/1042").await, 401, "InvalidAPIKey");
    // Nor is it one for who speaks otherwise, on the same listener.
    let textus = Client::textus(world.address(0), &good).get("/users/PWApBE3").await;
    refuses(Face::Textus, &textus, 401, "Unauthorized", &[]);
    Client::textus(world.address(0), TEXTUS_TOKEN).get("/users/PWApBE3").await.expect(200);
}

#[tokio::test]
async fn passwords_are_tried_a_few_times_only() {
    let world = with("").with("[limits]\nfailed_logins = 3").start().await;
    let client = logged_in(&world, 0).await;
    let stranger = stranger(&world, 0);
    let unknown = json!({ "login": "somebody", "password": PASSWORD });
    let wrong = log_in(&stranger, "Secret-2").await;
    is_refused(&wrong, 401, "InvalidAPIKey");
    let nobody = stranger.ask("POST /v2/auth/login", &unknown).await;
    assert_eq!((nobody.status, nobody.text()), (401, wrong.text()), "nobody learns which names there are");
    is_refused(&log_in(&stranger, "").await, 400, "InvalidParameter");
    is_refused(&log_in(&stranger, "secret-1").await, 401, "InvalidAPIKey");
    for password in ["Secret-3", PASSWORD] {
        let refused = log_in(&stranger, password).await;
        is_refused(&refused, 429, "RateLimitExceeded");
        assert!(!refused.header("retry-after").is_empty());
    }
    is_refused(&log_in(&client, PASSWORD).await, 429, "RateLimitExceeded");
    client.get("/v2/users/1042").await.expect(200);
    client.send("POST /v2/auth/refresh", "").await.expect(200);
}

/// Not the time itself, which a busy machine makes anything of, but what it is spent on.
#[tokio::test]
async fn a_name_that_nobody_has_takes_a_comparison_too() {
    let world = Setup::falling_back().start().await;
    let stranger = stranger(&world, 0);
    let begun = Instant::now();
    stranger.ask("POST /v2/auth/login", &json!({ "login": "", "password": "x" })).await.expect(400);
    let refused_at_once = begun.elapsed();
    let begun = Instant::now();
    stranger.ask("POST /v2/auth/login", &json!({ "login": "somebody", "password": "x" })).await.expect(401);
    assert!(begun.elapsed() > refused_at_once, "{:?} {refused_at_once:?}", begun.elapsed());
}

#[tokio::test]
async fn what_is_no_login_is_refused_in_the_dialects_words() {
    let world = with("").start().await;
    let stranger = stranger(&world, 0);
    let ask = async |body: &str| stranger.send("POST /v2/auth/login", body.to_owned()).await;
    refuses(Face::Ecgrid, &ask(r#"{"login": 5}"#).await, 400, "InvalidParameter", &["/login", "/password"]);
    refuses(Face::Ecgrid, &ask("{").await, 400, "InvalidParameter", &[]);
    refuses(Face::Ecgrid, &ask("").await, 400, "InvalidParameter", &[]);
    let large = json!({ "login": "sandbox", "password": "x".repeat(20_000) }).to_string();
    refuses(Face::Ecgrid, &ask(&large).await, 413, "InvalidParameter", &[]);
    let client = logged_in(&world, 0).await;
    let refused = client.get("/v2/auth/login").await;
    refuses(Face::Ecgrid, &refused, 405, "InvalidParameter", &[]);
    assert_eq!(refused.header("allow"), "POST");
}

#[tokio::test]
async fn a_session_gives_what_its_client_may_do_and_no_more() {
    let world = with("allow = [\"read\"]\nrate = { calls = 4, per = \"1h\" }").start().await;
    let client = logged_in(&world, 0).await;
    is_refused(&client.send("PUT /v2/users", RENAME).await, 403, "AccessDenied");
    is_refused(&client.get("/v2/parcels").await, 403, "AccessDenied");
    let last = client.get("/v2/users/1042").await.expect(200);
    assert!(last.header("ratelimit").starts_with("\"client\";r=0;"), "{}", last.header("ratelimit"));
    is_refused(&client.send("POST /v2/auth/refresh", "").await, 429, "RateLimitExceeded");
    is_refused(&log_in(&stranger(&world, 0), PASSWORD).await, 429, "RateLimitExceeded");

    let world = with("routes = [{ upstream = \"ecgrid\" }]").start().await;
    is_refused(&log_in(&stranger(&world, 0), PASSWORD).await, 403, "AccessDenied");
    let client = logged_in(&world, 1).await;
    client.get("/v2/users/1042").await.expect(200);
    // The same face, so that it is a session there, too.
    let token = token(&log_in(&stranger(&world, 1), PASSWORD).await.expect(200));
    is_refused(&bearer(&stranger(&world, 0), &token).get("/v2/users/1042").await, 403, "AccessDenied");

    let world = with("").start().await;
    let admin = json!({ "userId": 1042, "authLevel": "NetworkAdmin", "networkId": 1 });
    let client = logged_in(&world, 0).await;
    is_refused(&client.ask("POST /v2/users/role", &admin).await, 403, "AccessDenied");
}

#[tokio::test]
async fn who_has_no_login_keeps_what_falls_back() {
    let world = with("").start().await;
    for client in [world.crossed_ecgrid(), world.pass_ecgrid()] {
        client.get("/v2/auth/version").await.expect(200);
        client.send("POST /v2/auth/login", r#"{"login": "somebody"}"#).await;
    }
    let heard = ["GET /v2/auth/version", "POST /v2/auth/login"].repeat(2);
    assert_eq!(calls(&world.ecgrid), heard);
    assert_eq!(world.ecgrid.calls()[1].body, r#"{"login": "somebody"}"#);
    // A wrong key is counted, and tells nothing that a stranger would not be told.
    stranger(&world, 0).header("x-api-key", "wrong").get("/v2/auth/version").await.expect(200);

    // What of those who log in could be taken for a password goes to nobody.
    let client = logged_in(&world, 0).await;
    for path in ["/v2/auth/LOGIN", "/v2/auth/login/", "/v2//auth/login", "/v2/Auth/Login.json", "/v2/auth/login/more"] {
        log_in_at(&client, path).await.expect(404);
    }
    assert_eq!(calls(&world.ecgrid), heard);
    client.get("/v2/auth/keys").await;
    assert_eq!(calls(&world.ecgrid).last().unwrap(), "GET /v2/auth/keys");
}

async fn log_in_at(client: &Client, path: &str) -> Answer {
    client.ask(&format!("POST {path}"), &json!({ "login": "sandbox", "password": PASSWORD })).await
}

#[tokio::test]
async fn where_nobody_has_a_login_nothing_is_different() {
    let without = |setup: Setup| {
        let login = format!("logins = [\n    {{ login = \"sandbox\", password_hash = \"{SLOW_HASH}\" }},\n]");
        setup.replace(&login, &format!("key = {{ sha256 = \"{}\" }}", "07".repeat(32)))
    };
    let world = without(Setup::falling_back()).start().await;
    is_refused(&log_in(&stranger(&world, 0), PASSWORD).await, 401, "InvalidAPIKey");
    is_refused(&stranger(&world, 0).get("/v2/auth/version").await, 401, "InvalidAPIKey");
    world.crossed_ecgrid().get("/v2/auth/version").await.expect(200);
    assert_eq!(calls(&world.ecgrid), ["GET /v2/auth/version"]);
    let world = without(Setup::new()).start().await;
    for client in [world.crossed_ecgrid(), world.pass_ecgrid()] {
        client.get("/v2/auth/version").await.expect(404);
        log_in(&client, PASSWORD).await.expect(404);
    }
}

#[tokio::test]
async fn a_client_may_have_a_key_and_a_login() {
    let world = with(&format!("keys = [{{ sha256 = \"{}\" }}]", sha256("erp-key"))).start().await;
    let with_key = Client::ecgrid(world.address(0), "erp-key");
    with_key.get("/v2/users/1042").await.expect(200);
    is_refused(&with_key.send("POST /v2/auth/session", "").await, 401, "InvalidSession");
    let client = bearer(&stranger(&world, 0), &token(&log_in(&with_key, PASSWORD).await.expect(200)));
    client.send("POST /v2/auth/session", "").await.expect(200);
}

fn sha256(key: &str) -> String {
    use sha2::{Digest, Sha256};
    Sha256::digest(key).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[tokio::test]
async fn gateways_with_one_key_and_one_store_know_each_others_sessions() {
    let (key, folder) = (key(), tempfile::tempdir().unwrap());
    let store = format!("store = \"sqlite:{}\"", folder.path().join("links.db").display());
    let here = keyed(&key).replace("store = \"memory\"", &store).start().await;
    let there = keyed(&key).replace("store = \"memory\"", &store).start().await;
    let alone = with("").replace("store = \"memory\"", &store).start().await;
    let token = token(&log_in(&stranger(&here, 0), PASSWORD).await.expect(200));
    for world in [&here, &there] {
        bearer(&stranger(world, 1), &token).get("/v2/users/1042").await.expect(200);
    }
    is_refused(&bearer(&stranger(&alone, 1), &token).get("/v2/users/1042").await, 401, "InvalidSession");
    bearer(&stranger(&there, 0), &token).send("POST /v2/auth/logout", "").await.expect(200);
    for world in [&here, &there] {
        is_refused(&bearer(&stranger(world, 1), &token).get("/v2/users/1042").await, 401, "InvalidSession");
    }
    // A restart changes nothing.
    assert!(here.stop().await);
    let here = keyed(&key).replace("store = \"memory\"", &store).start().await;
    is_refused(&bearer(&stranger(&here, 1), &token).get("/v2/users/1042").await, 401, "InvalidSession");
    logged_in(&here, 1).await.get("/v2/users/1042").await.expect(200);
}
