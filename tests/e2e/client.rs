//! A client of anybody's: one request, one connection, one answer.

use std::net::SocketAddr;

use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, HeaderValue, Request, Response,
    header::{AUTHORIZATION, CONTENT_TYPE, HOST},
};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::Value;
use tokio::net::TcpStream;

/// Where requests go, and the headers that all of them have.
#[derive(Clone)]
pub(crate) struct Client {
    address: SocketAddr,
    headers: HeaderMap,
}

impl Client {
    pub(crate) fn new(address: SocketAddr) -> Self {
        Self { address, headers: HeaderMap::new() }
    }

    /// One that calls as ECGrid's pages do.
    pub(crate) fn ecgrid(address: SocketAddr, key: &str) -> Self {
        Self::new(address).header("x-api-key", key).header(CONTENT_TYPE.as_str(), "application/json")
    }

    /// One that calls as TextUs's pages want it.
    pub(crate) fn textus(address: SocketAddr, token: &str) -> Self {
        let client = Self::new(address).header(AUTHORIZATION.as_str(), &format!("Bearer {token}"));
        client.header(CONTENT_TYPE.as_str(), "application/vnd.textus+jsonld")
    }

    /// Where its requests go.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// The same with a header set.
    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.insert(HeaderName::try_from(name).unwrap(), HeaderValue::try_from(value).unwrap());
        self
    }

    /// The same without a header.
    pub(crate) fn without(mut self, name: &str) -> Self {
        self.headers.remove(name);
        self
    }

    /// The same calling its documents this, or nothing.
    pub(crate) fn content_type(self, name: Option<&str>) -> Self {
        match name {
            Some(name) => self.header(CONTENT_TYPE.as_str(), name),
            None => self.without(CONTENT_TYPE.as_str()),
        }
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(&format!("GET {path}"), "").await
    }

    /// Sends a JSON document; `line` is method and path.
    pub(crate) async fn ask(&self, line: &str, document: &Value) -> Answer {
        self.send(line, document.to_string()).await
    }

    /// Sends bytes; `line` is method and path.
    pub(crate) async fn send(&self, line: &str, body: impl Into<Bytes>) -> Answer {
        self.try_send(line, body).await.unwrap()
    }

    pub(crate) async fn try_send(&self, line: &str, body: impl Into<Bytes>) -> hyper::Result<Answer> {
        let stream = TcpStream::connect(self.address).await.unwrap();
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        Answer::read(sender.send_request(self.request(line, body)).await?).await
    }

    /// The same over HTTP/2, without asking first.
    pub(crate) async fn send_http2(&self, line: &str, body: impl Into<Bytes>) -> Answer {
        let stream = TcpStream::connect(self.address).await.unwrap();
        let (mut sender, connection) =
            hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        Answer::read(sender.send_request(self.request(line, body)).await.unwrap()).await.unwrap()
    }

    /// The request itself.
    pub(crate) fn request(&self, line: &str, body: impl Into<Bytes>) -> Request<Full<Bytes>> {
        let (method, path) = line.split_once(' ').unwrap();
        let mut request = Request::new(Full::new(body.into()));
        *request.method_mut() = method.parse().unwrap();
        *request.uri_mut() = format!("http://{}{path}", self.address).parse().unwrap();
        *request.headers_mut() = self.headers.clone();
        request.headers_mut().insert(HOST, self.address.to_string().parse().unwrap());
        request
    }
}

/// An answer, read whole.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    pub(crate) async fn read(response: Response<Incoming>) -> hyper::Result<Self> {
        let (parts, body) = response.into_parts();
        let body = body.collect().await?.to_bytes();
        Ok(Self { status: parts.status.as_u16(), headers: parts.headers, body })
    }

    /// Itself, when it has this status.
    #[track_caller]
    pub(crate) fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}", self.text());
        self
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    /// The value at a JSON Pointer, null where there is none.
    #[track_caller]
    pub(crate) fn at(&self, pointer: &str) -> Value {
        self.json().pointer(pointer).cloned().unwrap_or_default()
    }

    /// The value of a header, empty where there is none.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// Where the report on this request is.
    pub(crate) fn report(&self) -> String {
        let fidelity = self.header("interlingua-fidelity");
        let id = fidelity.split_once("report=\"").and_then(|(_, rest)| rest.split('"').next());
        format!("/reports/{}", id.unwrap_or_else(|| panic!("no report in `{fidelity}`")))
    }
}
