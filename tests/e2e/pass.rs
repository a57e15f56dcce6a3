//! A pass route: bytes through as they came, after a check; answers as they come.

use std::io::Write as _;

use flate2::{Compression, write::GzEncoder};

use crate::{
    client::{Answer, Client},
    harness::{ECGRID_KEY, Setup, TEXTUS_TOKEN, World, calls},
    recorder::{Recorder, Seen, ok},
    refusals::Face,
};

/// A gateway whose two vendors are one recorder.
async fn recorded() -> (World, Recorder) {
    let upstream = Recorder::start().await;
    let world = Setup::new().ecgrid_at(upstream.address).textus_at(upstream.address).start().await;
    (world, upstream)
}

/// Sends a request and answers it with these bytes; what the upstream and the client got.
async fn exchange(
    upstream: &mut Recorder,
    client: Client,
    line: &'static str,
    body: Vec<u8>,
    answer: impl Into<Vec<u8>>,
) -> (Seen, Answer) {
    let asking = tokio::spawn(async move { client.send(line, body).await });
    let seen = upstream.next().await.answer(answer);
    (seen, asking.await.unwrap())
}

/// Documents that say the same to a reader, and are not the same.
const ODD: &[&str] = &[
    r#"{"userId": 1042}"#,
    r#"{"userId":1042.0,"firstName":"Jon"}"#,
    "{ \"userId\"\t:1042 ,\r\n\n\"lastName\" :\"Doe\"  }\n",
    r#"{"zzz":1.0,"userId":1042,"aaa":[1,1.00,1e2,-0],"nested":{"b":1,"a":2}}"#,
    r#"{"userId":1042,"big":123456789012345678901234567890,"small":0.1000000000000000055511151231257827}"#,
    r#"{"userId":1042,"firstName":"\u004a\u006fn \ud83d\ude00 é","slash":"\/"}"#,
    r#"{"userId":1042,"email":null,"firstName":null,"unheard of":{"deep":[[],{}]}}"#,
];

#[tokio::test]
async fn bodies_are_forwarded_byte_for_byte() {
    let (world, mut upstream) = recorded().await;
    for body in ODD {
        let client = world.pass_ecgrid();
        let (seen, _) =
            exchange(&mut upstream, client, "PUT /v2/users?x=%20&y", body.as_bytes().to_vec(), ok("{}")).await;
        assert_eq!(seen.body, body.as_bytes());
        assert_eq!(seen.line(), "PUT /v2/users?x=%20&y");
    }
}

#[tokio::test]
async fn a_compressed_body_stays_compressed() {
    let (world, mut upstream) = recorded().await;
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(ODD[2].as_bytes()).unwrap();
    let body = encoder.finish().unwrap();
    let client = world.pass_ecgrid().header("content-encoding", "gzip");
    let (seen, _) = exchange(&mut upstream, client, "PUT /v2/users", body.clone(), ok("{}")).await;
    assert_eq!(seen.header("content-encoding"), ["gzip"]);
    assert_eq!(seen.body, body);
}

const ANSWERS: &[(u16, &str)] = &[
    (200, "{ \"success\" : true,\n \"data\":{\"new\": 1.0, \"userId\":123456789012345678901234567890} }"),
    (200, "not JSON at all"),
    (404, r#"{"success":false,"errorCode":"ObjectNotFound","message":"user not found","data":null}"#),
    (429, r#"{"errorCode":"RateLimitExceeded"}"#),
    (503, "<html>down</html>"),
];

#[tokio::test]
async fn answers_pass_as_they_come() {
    let (world, mut upstream) = recorded().await;
    for (status, body) in ANSWERS {
        let length = body.len();
        let answer = format!(
            "HTTP/1.1 {status} Whatever\r\ncontent-type: text/x-odd; a=b\r\ncontent-length: {length}\r\n\
             retry-after: 0\r\nx-ratelimit-limit: 1000\r\nx-ratelimit-remaining: 0\r\n\
             x-ratelimit-reset: 1774476900\r\nset-cookie: a=1\r\nset-cookie: b=2\r\n\r\n{body}"
        );
        let client = world.pass_textus();
        let (_, answer) = exchange(&mut upstream, client, "GET /users/wqyODPA", Vec::new(), answer).await;
        assert_eq!((answer.status, answer.text().as_str()), (*status, *body));
        for (name, value) in [
            ("content-type", "text/x-odd; a=b"),
            ("retry-after", "0"),
            ("x-ratelimit-limit", "1000"),
            ("x-ratelimit-remaining", "0"),
            ("x-ratelimit-reset", "1774476900"),
        ] {
            assert_eq!(answer.header(name), value);
        }
        assert_eq!(answer.headers.get_all("set-cookie").iter().count(), 2);
        assert_eq!(answer.header("interlingua-fidelity"), "", "nothing was translated");
    }
}

#[tokio::test]
async fn an_answer_in_pieces_arrives_whole() {
    let (world, mut upstream) = recorded().await;
    let answer = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\n{\"a\":\r\n3\r\n 1}\r\n0\r\n\r\n";
    let (_, answer) = exchange(&mut upstream, world.pass_ecgrid(), "GET /v2/users/1", Vec::new(), answer).await;
    assert_eq!(answer.text(), r#"{"a": 1}"#);
}

#[tokio::test]
async fn each_side_has_a_credential_of_its_own() {
    let (world, mut upstream) = recorded().await;
    let ecgrid = |client: Client| (client, "GET /v2/users/1042", "x-api-key", "sandbox-ecgrid-upstream-key");
    for (client, line, header, credential) in [
        ecgrid(world.pass_ecgrid()),
        ecgrid(world.pass_ecgrid().without("x-api-key").header("authorization", "Bearer sandbox-ecgrid-key")),
        (world.pass_textus(), "GET /users/wqyODPA", "authorization", "Bearer sandbox-textus-upstream-token"),
        // A key where this dialect has none is still a key.
        (
            world.pass_textus().header("x-api-key", ECGRID_KEY),
            "GET /users/wqyODPA",
            "authorization",
            "Bearer sandbox-textus-upstream-token",
        ),
        (world.crossed_ecgrid(), "GET /v2/users/1042", "authorization", "Bearer sandbox-textus-upstream-token"),
        (world.crossed_textus(), "GET /users/wqyODPA", "x-api-key", "sandbox-ecgrid-upstream-key"),
    ] {
        let (seen, _) = exchange(&mut upstream, client, line, Vec::new(), ok("{}")).await;
        assert_eq!(seen.header(header), [credential]);
        for key in [ECGRID_KEY, TEXTUS_TOKEN] {
            assert!(!seen.head.contains(key), "{}", seen.head);
        }
    }
}

/// `me` is whoever the credential is, and that is the gateway's: the client would see somebody else.
#[tokio::test]
async fn who_a_client_is_is_not_what_our_key_says() {
    let world = World::start().await;
    let me = world.pass_ecgrid().get("/v2/users/me").await.expect(200);
    assert_eq!(me.at("/data/userId"), 1042);
    assert_eq!(calls(&world.ecgrid), ["GET /v2/users/1042"]);

    let world = Setup::new().replace("shows.\nuser = { ecgrid = 1042 }", "shows.").start().await;
    world.pass_ecgrid().get("/v2/users/me").await.expect(501);
    assert_eq!(calls(&world.ecgrid), [] as [&str; 0]);
}

#[tokio::test]
async fn a_path_that_names_no_user_goes_nowhere() {
    let (world, upstream) = recorded().await;
    for path in ["/v2/users/..", "/v2/users/%2e%2e", "/v2/users/1042%3Fx", "/v2/users/-1"] {
        let answer = world.pass_ecgrid().get(path).await;
        assert!(matches!(answer.status, 400 | 404), "{path}: {}", answer.status);
    }
    for path in ["/users/..", "/users/%2e%2e", "/users/a%23b", "/users/%3Fq=x"] {
        let answer = world.pass_textus().get(path).await;
        assert!(matches!(answer.status, 404 | 422), "{path}: {}", answer.status);
    }
    assert!(upstream.is_idle());
}

#[tokio::test]
async fn headers_of_a_connection_end_with_it() {
    let (world, mut upstream) = recorded().await;
    let client = world
        .pass_ecgrid()
        .header("connection", "keep-alive, x-hop")
        .header("x-hop", "1")
        .header("keep-alive", "timeout=5")
        .header("te", "trailers")
        .header("proxy-authorization", "Basic x")
        .header("prefer", "handling=lenient")
        .header("x-end-to-end", "stays")
        .header("accept-language", "eo");
    let answer = "HTTP/1.1 200 OK\r\nconnection: x-back\r\nx-back: 1\r\nkeep-alive: timeout=9\r\nx-kept: 1\r\n\
                  proxy-authenticate: Basic\r\ncontent-length: 2\r\n\r\n{}";
    let (seen, answer) = exchange(&mut upstream, client, "GET /v2/users/1042", Vec::new(), answer).await;
    for name in ["connection", "x-hop", "keep-alive", "te", "proxy-authorization", "prefer"] {
        assert_eq!(seen.header(name), [""; 0], "{name}");
    }
    assert_eq!([seen.header("x-end-to-end"), seen.header("accept-language")], [["stays"], ["eo"]]);
    assert_eq!(seen.header("host"), [upstream.address.to_string()]);
    for name in ["x-back", "keep-alive", "proxy-authenticate"] {
        assert_eq!(answer.header(name), "", "{name}");
    }
    assert_eq!(answer.header("x-kept"), "1");
}

const TRACE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

#[tokio::test]
async fn request_id_and_trace_go_all_the_way() {
    let (world, mut upstream) = recorded().await;
    for (client, line) in [
        (world.pass_ecgrid(), "GET /v2/users/1042"),
        (world.pass_textus(), "GET /users/wqyODPA"),
        (world.crossed_ecgrid(), "GET /v2/users/1042"),
    ] {
        let client = client.header("x-request-id", "order-66").header("traceparent", TRACE).header("tracestate", "a=b");
        let (seen, answer) = exchange(&mut upstream, client, line, Vec::new(), ok("{}")).await;
        assert_eq!([seen.header("x-request-id"), seen.header("traceparent")], [["order-66"], [TRACE]]);
        assert_eq!(seen.header("tracestate"), ["a=b"]);
        assert_eq!(answer.header("x-request-id"), "order-66");
    }
}

#[tokio::test]
async fn whoever_has_no_request_id_gets_one() {
    let (world, mut upstream) = recorded().await;
    let (first, answer) =
        exchange(&mut upstream, world.pass_ecgrid(), "GET /v2/users/1042", Vec::new(), ok("{}")).await;
    assert_eq!(first.header("x-request-id"), [answer.header("x-request-id")]);
    let client = world.pass_ecgrid().header("x-request-id", "not an id").header("traceparent", "nor a trace");
    let (second, answer) = exchange(&mut upstream, client, "GET /v2/users/1042", Vec::new(), ok("{}")).await;
    assert_eq!(second.header("x-request-id"), [answer.header("x-request-id")]);
    assert_eq!(second.header("traceparent"), [""; 0]);
    assert_ne!(first.header("x-request-id"), second.header("x-request-id"));
}

/// curl's `-d` calls everything a form; the vendors refuse one.
#[tokio::test]
async fn the_upstream_is_told_a_type_where_the_client_told_none() {
    let (world, mut upstream) = recorded().await;
    for (sent, arrives) in [
        (None, "application/json"),
        (Some("application/x-www-form-urlencoded"), "application/json"),
        (Some("application/ld+json; profile=x"), "application/ld+json; profile=x"),
    ] {
        let client = world.pass_ecgrid().content_type(sent);
        let body = br#"{"userId": 1042}"#.to_vec();
        let (seen, _) = exchange(&mut upstream, client, "PUT /v2/users", body, ok("{}")).await;
        assert_eq!(seen.header("content-type"), [arrives]);
    }
}

#[tokio::test]
async fn what_is_not_valid_is_not_forwarded() {
    let (world, upstream) = recorded().await;
    for (face, line, body) in [
        (Face::Ecgrid, "PUT /v2/users", r#"{"userId": "1042"}"#),
        (Face::Ecgrid, "PUT /v2/users", r#"{"userId": 1042, "userId": 1043}"#),
        (Face::Textus, "PUT /users/wqyODPA", r#"{"memberships": null}"#),
        (Face::Textus, "GET /accounts", ""),
    ] {
        let answer = face.pass(&world).send(line, body).await;
        face.refusal(&answer);
    }
    assert!(upstream.is_idle());
}
