//! Acme itself: a directory of two people behind a port.

use std::{
    collections::BTreeMap,
    convert::Infallible,
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use interlingua_core::{Call, Reply, http::StatusCode};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::harness::any_port;

/// The token that Acme knows the gateway by.
pub(super) const TOKEN: &str = "acme-upstream-token";

/// Acme's people, by id, and the calls that it took.
#[derive(Debug)]
pub(super) struct Directory {
    people: BTreeMap<String, Value>,
    pub(super) calls: Vec<String>,
    /// Calls of this path fail.
    pub(super) broken: Option<&'static str>,
}

impl Directory {
    pub(super) fn new() -> Self {
        let person = |who: &str, name: &str, mail: &str| {
            let rights = json!([{"place": "desk", "may": "look"}]);
            (who.to_owned(), json!({"who": who, "name": name, "mail": mail, "rights": rights}))
        };
        let people = [person("a1", "Ada Lovely", "ada@example.com"), person("a2", "Bob Bold", "bob@example.com")];
        Self { people: people.into(), calls: Vec::new(), broken: None }
    }

    pub(super) fn answer(&mut self, path: &str, body: &[u8]) -> (u16, Value) {
        self.calls.push(path.to_owned());
        if self.broken == Some(path) {
            return (500, json!({"problem": "out of order"}));
        }
        let Ok(Value::Object(document)) = serde_json::from_slice(body) else {
            return (400, json!({"problem": "no document"}));
        };
        let who = document.get("who").and_then(Value::as_str).unwrap_or_default();
        let Some(person) = self.people.get_mut(who) else { return (404, json!({"problem": "nobody"})) };
        for (name, value) in document {
            person[name] = value;
        }
        (200, person.clone())
    }

    /// The same without a port, for the laws.
    pub(super) fn reply(&mut self, call: &Call) -> Reply {
        let (status, document) = self.answer(&call.target, &call.body);
        Reply::new(StatusCode::from_u16(status).unwrap(), document.to_string())
    }
}

/// Serves the directory on a port of the system's choice.
pub(super) async fn serve(directory: Arc<Mutex<Directory>>) -> SocketAddr {
    let listener = TcpListener::bind(any_port()).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let directory = Arc::clone(&directory);
            let service = service_fn(move |request| answer(Arc::clone(&directory), request));
            tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
        }
    });
    address
}

async fn answer(
    directory: Arc<Mutex<Directory>>,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let (parts, body) = request.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    let (status, document) = match parts.headers.get("x-acme-token") {
        Some(token) if token == TOKEN => directory.lock().unwrap().answer(parts.uri.path(), &body),
        _ => (401, json!({"problem": "who are you?"})),
    };
    Ok(Response::builder().status(status).body(Full::from(document.to_string())).unwrap())
}
