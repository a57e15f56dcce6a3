//! The least that a proxy of the same libraries can do: hyper on one thread, serde_json with typed documents that borrow
//! from the bytes, and nothing else. No authentication, no schema, no ids to look up, no losses, no log, no deadline; one
//! user, whose id is known.

use std::{borrow::Cow, convert::Infallible, fmt, net::SocketAddr, str::FromStr};

use bytes::Bytes;
use http::{Method, Request, Response, Uri, header::CONTENT_TYPE};
use http_body_util::{BodyExt, Full};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioIo},
};
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;

type Upstream = Client<HttpConnector, Full<Bytes>>;

/// What is done with a request.
#[derive(Clone, Copy)]
pub(crate) enum Way {
    /// Both bodies are parsed, and pass as they came.
    Pass,
    /// An ECGrid request becomes one of TextUs, and the answer one of ECGrid.
    Translate,
}

impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Pass => "pass",
            Self::Translate => "translate",
        })
    }
}

impl FromStr for Way {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let all = [Self::Pass, Self::Translate];
        all.into_iter().find(|way| way.to_string() == name).ok_or_else(|| format!("there is no way {name}"))
    }
}

/// Serves until it is killed. Where, it prints.
pub(crate) fn run(way: Way, upstream: SocketAddr) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(serve(way, upstream));
}

async fn serve(way: Way, upstream: SocketAddr) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    println!("{}", listener.local_addr().unwrap());
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    let client: Upstream = Client::builder(TokioExecutor::new()).build(connector);
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        stream.set_nodelay(true).unwrap();
        let client = client.clone();
        tokio::spawn(async move {
            let service = service_fn(|request| async {
                Ok::<_, Infallible>(match way {
                    Way::Pass => pass(request, &client, upstream).await,
                    Way::Translate => translate(request, &client, upstream).await,
                })
            });
            // A client that goes away ends its connection.
            let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

async fn pass(request: Request<Incoming>, client: &Upstream, upstream: SocketAddr) -> Response<Full<Bytes>> {
    let (parts, body) = request.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    let _: EcgridRequest<'_> = serde_json::from_slice(&body).unwrap();
    let answer = send(client, upstream, parts.method, parts.uri.path(), body).await;
    let _: EcgridAnswer<'_> = serde_json::from_slice(&answer).unwrap();
    json(answer)
}

async fn translate(request: Request<Incoming>, client: &Upstream, upstream: SocketAddr) -> Response<Full<Bytes>> {
    let body = request.into_body().collect().await.unwrap().to_bytes();
    let asked: EcgridRequest<'_> = serde_json::from_slice(&body).unwrap();
    let name = Text(Cow::Owned(format!("{} {}", asked.first_name.0, asked.last_name.0)));
    let written = serde_json::to_vec(&TextusRequest { name, email: asked.email }).unwrap();
    let answer = send(client, upstream, Method::PUT, "/users/wqyODPA", written.into()).await;
    let user: TextusUser<'_> = serde_json::from_slice(&answer).unwrap();
    let role = user.memberships.members.first().map(|membership| &*membership.role.0);
    let text = |text: &'static str| Text(Cow::Borrowed(text));
    let data = EcgridUser {
        user_id: asked.user_id,
        login: text("jsmith"),
        email: user.email,
        first_name: user.first_name,
        last_name: user.last_name,
        network_id: 1,
        mailbox_id: 101,
        auth_level: text(match role {
            Some("admin") => "MailboxAdmin",
            Some("support") => "TechOps",
            _ => "MailboxUser",
        }),
        status: text(if user.discarded { "Terminated" } else { "Active" }),
        created: text("2024-03-15T10:22:00Z"),
    };
    json(serde_json::to_vec(&EcgridAnswer { success: true, data }).unwrap().into())
}

async fn send(client: &Upstream, upstream: SocketAddr, method: Method, path: &str, body: Bytes) -> Bytes {
    let uri = Uri::try_from(format!("http://{upstream}{path}")).unwrap();
    let request = Request::builder().method(method).uri(uri).header(CONTENT_TYPE, "application/json");
    let request = request.header("authorization", "Bearer sandbox-textus-upstream-token");
    let request = request.header("x-api-key", "sandbox-ecgrid-upstream-key").body(Full::new(body)).unwrap();
    client.request(request).await.unwrap().into_body().collect().await.unwrap().to_bytes()
}

fn json(body: Bytes) -> Response<Full<Bytes>> {
    Response::builder().header(CONTENT_TYPE, "application/json").body(Full::new(body)).unwrap()
}

/// A text that is borrowed where it has no escapes, as serde does not by itself within options.
#[derive(Deserialize, Serialize)]
#[serde(transparent)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct EcgridRequest<'a> {
    user_id: i64,
    #[serde(borrow)]
    email: Text<'a>,
    first_name: Text<'a>,
    last_name: Text<'a>,
}

#[derive(Deserialize, Serialize)]
struct EcgridAnswer<'a> {
    success: bool,
    #[serde(borrow)]
    data: EcgridUser<'a>,
}

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
struct EcgridUser<'a> {
    user_id: i64,
    #[serde(borrow)]
    login: Text<'a>,
    email: Text<'a>,
    first_name: Text<'a>,
    last_name: Text<'a>,
    network_id: i64,
    mailbox_id: i64,
    auth_level: Text<'a>,
    status: Text<'a>,
    created: Text<'a>,
}

#[derive(Serialize)]
struct TextusRequest<'a> {
    name: Text<'a>,
    email: Text<'a>,
}

/// What the answer needs; the rest is skipped.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct TextusUser<'a> {
    #[serde(borrow)]
    email: Text<'a>,
    first_name: Text<'a>,
    last_name: Text<'a>,
    discarded: bool,
    memberships: Memberships<'a>,
}

#[derive(Deserialize)]
struct Memberships<'a> {
    #[serde(borrow)]
    members: Vec<Membership<'a>>,
}

#[derive(Deserialize)]
struct Membership<'a> {
    #[serde(borrow)]
    role: Text<'a>,
}
