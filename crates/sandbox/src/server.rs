//! Puts a vendor on a real socket: HTTP/1.1 and HTTP/2 without TLS, on one port, with its controls.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use std::{fmt, io};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::GracefulShutdown;
use serde_json::Value;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

use crate::calls::{CallLog, RecordedCall};
use crate::control;
use crate::faults::{Action, Counted, Faults};
use crate::vendor::Vendor;

/// The longest request body that is read, in bytes; a longer one is answered with 413 and not recorded.
pub const BODY_LIMIT: usize = 10 * 1024 * 1024;
/// How long `stop` waits for calls under way.
const DRAIN: Duration = Duration::from_secs(5);
/// How long to wait after a failed accept, e.g. when no file descriptors are left.
const PAUSE: Duration = Duration::from_millis(20);

/// Serves a vendor at an address until the server is stopped or dropped; port 0 picks a free one.
///
/// # Errors
///
/// The address cannot be bound.
pub async fn serve(address: SocketAddr, vendor: impl Vendor + 'static) -> io::Result<Server> {
    let listener = TcpListener::bind(address).await?;
    let address = listener.local_addr()?;
    let inner = Inner { vendor: Box::new(vendor), calls: CallLog::default(), faults: Faults::default() };
    let inner = Arc::new(Mutex::new(inner));
    let (stopping, stopped) = watch::channel(false);
    let task = tokio::spawn(accept(listener, Shared { inner: Arc::clone(&inner), stopped }));
    Ok(Server { address, inner, stopping, task })
}

/// A vendor on a socket, and the controls of it. Dropping it ends its tasks at once.
pub struct Server {
    address: SocketAddr,
    inner: Arc<Mutex<Inner>>,
    stopping: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Server {
    /// Where the vendor listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The calls received since the start or the last [`clear_calls`](Server::clear_calls), oldest first and at most
    /// the latest 10,000. Calls of the controls under `/sandbox/` are not among them.
    pub fn calls(&self) -> Vec<RecordedCall> {
        lock(&self.inner).calls.calls()
    }

    /// Forgets the calls received so far.
    pub fn clear_calls(&self) {
        lock(&self.inner).calls.clear();
    }

    /// Lets the n-th coming call (1 is the next) fail with the vendor's error document for a status. The vendor does
    /// not see that call. Faults add up, each counts for itself.
    pub fn fail(&self, nth: usize, status: StatusCode) {
        lock(&self.inner).faults.add(nth, Counted::All, Action::Fail(status));
    }

    /// Like [`fail`](Server::fail), but counts only calls other than `GET`.
    pub fn fail_write(&self, nth: usize, status: StatusCode) {
        lock(&self.inner).faults.add(nth, Counted::Writes, Action::Fail(status));
    }

    /// Lets the n-th coming call (1 is the next) hang until the client goes away. The vendor does not see that call.
    pub fn hang(&self, nth: usize) {
        lock(&self.inner).faults.add(nth, Counted::All, Action::Hang);
    }

    /// Like [`hang`](Server::hang), but counts only calls other than `GET`.
    pub fn hang_write(&self, nth: usize) {
        lock(&self.inner).faults.add(nth, Counted::Writes, Action::Hang);
    }

    /// Takes back the faults that have not struck.
    pub fn clear_faults(&self) {
        lock(&self.inner).faults.clear();
    }

    /// Goes back to the vendor's starting data; the log and the faults stay.
    pub fn reset(&self) {
        lock(&self.inner).vendor.reset();
    }

    /// What the vendor has stored for a user but never shows; see [`Vendor::stored_config`].
    pub fn stored_config(&self, user: &str) -> Option<Value> {
        lock(&self.inner).vendor.stored_config(user)
    }

    /// Takes no more connections, lets calls under way finish (those that hang are cut off), and ends.
    pub async fn stop(mut self) {
        self.stopping.send_replace(true);
        // An error means that the task was aborted: it has ended, too.
        let _ = (&mut self.task).await;
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").field("address", &self.address).finish_non_exhaustive()
    }
}

/// What all connections share.
pub(crate) struct Inner {
    pub(crate) vendor: Box<dyn Vendor>,
    pub(crate) calls: CallLog,
    pub(crate) faults: Faults<Action>,
}

impl Inner {
    fn answer(&mut self, request: &Request<Bytes>) -> Result<Response<Bytes>, Action> {
        if control::is_control(request.uri().path()) {
            return Ok(control::answer(self, request));
        }
        self.calls.record(request);
        match self.faults.strike(request.method()) {
            None => Ok(self.vendor.handle(request)),
            Some(Action::Fail(status)) => Ok(self.vendor.error(status)),
            Some(Action::Hang) => Err(Action::Hang),
        }
    }
}

#[derive(Clone)]
struct Shared {
    inner: Arc<Mutex<Inner>>,
    stopped: watch::Receiver<bool>,
}

impl Shared {
    /// Answers one call; an error closes the connection.
    async fn call(self, request: Request<Incoming>) -> io::Result<Response<Full<Bytes>>> {
        let (parts, body) = request.into_parts();
        let response = match Limited::new(body, BODY_LIMIT).collect().await {
            Ok(body) => self.answer(&Request::from_parts(parts, body.to_bytes())).await?,
            Err(error) if error.is::<LengthLimitError>() => {
                lock(&self.inner).vendor.error(StatusCode::PAYLOAD_TOO_LARGE)
            }
            Err(error) => return Err(io::Error::other(error)),
        };
        Ok(response.map(Full::new))
    }

    async fn answer(&self, request: &Request<Bytes>) -> io::Result<Response<Bytes>> {
        // The lock is released before the wait.
        let answer = lock(&self.inner).answer(request);
        match answer {
            Ok(response) => Ok(response),
            Err(_) => Err(self.hang().await),
        }
    }

    /// Waits until the server stops; a client that goes away drops this before.
    async fn hang(&self) -> io::Error {
        self.until_stopped().await;
        io::Error::from(io::ErrorKind::ConnectionAborted)
    }

    async fn until_stopped(&self) {
        // An error means that the server is gone: stopped as well.
        let _ = self.stopped.clone().wait_for(|stopped| *stopped).await;
    }
}

/// Takes connections until told to stop, then waits for those that are under way.
async fn accept(listener: TcpListener, shared: Shared) {
    let graceful = GracefulShutdown::new();
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => drop(connections.spawn(connection(stream, &graceful, shared.clone()))),
                Err(_) => tokio::time::sleep(PAUSE).await,
            },
            Some(_) = connections.join_next() => {}
            () = shared.until_stopped() => break,
        }
    }
    drop(listener);
    // Connections that are still open after the deadline are dropped with the set.
    let _ = tokio::time::timeout(DRAIN, graceful.shutdown()).await;
}

/// The life of one connection.
fn connection(stream: TcpStream, graceful: &GracefulShutdown, shared: Shared) -> impl Future<Output = ()> + use<> {
    // Without it small answers wait for an acknowledgement; if it fails, they wait.
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |request| shared.clone().call(request));
    let builder = Builder::new(TokioExecutor::new());
    let connection = graceful.watch(builder.serve_connection(TokioIo::new(stream), service).into_owned());
    async move {
        // A client that breaks off is its own business.
        let _ = connection.await;
    }
}

fn lock(inner: &Mutex<Inner>) -> MutexGuard<'_, Inner> {
    inner.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use hyper::client::conn::{http1, http2};
    use serde_json::json;

    use super::*;
    use crate::{Ecgrid, Textus, directory};

    /// Long enough for any answer, short enough to wait for none.
    const MOMENT: Duration = Duration::from_millis(200);

    async fn ecgrid() -> Server {
        serve(([127, 0, 0, 1], 0).into(), Ecgrid::new()).await.unwrap()
    }

    async fn connect(server: &Server) -> http1::SendRequest<Full<Bytes>> {
        let stream = TcpStream::connect(server.address()).await.unwrap();
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        sender
    }

    fn request(server: &Server, line: &str, body: &str) -> Request<Full<Bytes>> {
        let (method, path) = line.split_once(' ').unwrap();
        Request::builder()
            .method(method)
            .uri(format!("http://{}{path}", server.address()))
            .header("host", server.address().to_string())
            .header("content-type", "application/json")
            .header("x-api-key", directory::ECGRID_KEY)
            .body(Full::from(body.to_owned()))
            .unwrap()
    }

    async fn read(response: Response<Incoming>) -> (u16, Value) {
        let status = response.status().as_u16();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        (status, serde_json::from_slice(&body).unwrap_or(Value::Null))
    }

    async fn call(server: &Server, line: &str, body: &str) -> (u16, Value) {
        let request = request(server, line, body);
        read(connect(server).await.send_request(request).await.unwrap()).await
    }

    #[tokio::test]
    async fn answers_several_calls_on_one_connection() {
        let server = ecgrid().await;
        let mut connection = connect(&server).await;
        for _ in 0..3 {
            let response = connection.send_request(request(&server, "GET /v2/users/1042", "")).await.unwrap();
            assert_eq!(read(response).await.1["data"]["login"], "jsmith");
            connection.ready().await.unwrap();
        }
        assert_eq!(server.calls().len(), 3);
    }

    #[tokio::test]
    async fn answers_http2_on_the_same_port() {
        let server = ecgrid().await;
        let stream = TcpStream::connect(server.address()).await.unwrap();
        let (mut sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        let first = sender.send_request(request(&server, "GET /v2/users/1042?x=1", ""));
        let first = first.await.unwrap();
        assert_eq!(first.version(), http::Version::HTTP_2);
        assert_eq!(read(first).await.0, 200);
        assert_eq!(server.calls()[0].path_and_query, "/v2/users/1042?x=1");
        assert_eq!(call(&server, "GET /v2/users/1042", "").await.0, 200);
    }

    #[tokio::test]
    async fn records_bodies_byte_for_byte() {
        let server = ecgrid().await;
        let body = "{ \"userId\" :1042,\n\t\"firstName\":\"J\\u00f6\" }";
        call(&server, "PUT /v2/users", body).await;
        call(&server, "GET /v2/users/me", "").await;
        let calls = server.calls();
        assert_eq!((calls[0].method.as_str(), &calls[0].body[..]), ("PUT", body.as_bytes()));
        assert_eq!((calls[0].has_body(), calls[1].has_body()), (true, false));
        assert!(calls[0].header_names.contains(&"x-api-key".to_owned()));
        assert!(!calls[0].headers.contains_key("x-api-key"));
        server.clear_calls();
        assert!(server.calls().is_empty());
    }

    #[tokio::test]
    async fn fails_the_call_asked_for() {
        let server = ecgrid().await;
        server.fail(2, StatusCode::SERVICE_UNAVAILABLE);
        let update = r#"{"userId":1042,"firstName":"Jo"}"#;
        assert_eq!(call(&server, "GET /v2/users/1042", "").await.0, 200);
        let (status, body) = call(&server, "PUT /v2/users", update).await;
        assert_eq!((status, &body["errorCode"]), (503, &json!("InternalError")));
        let (status, body) = call(&server, "GET /v2/users/1042", "").await;
        assert_eq!((status, &body["data"]["firstName"]), (200, &json!("John")));
        assert_eq!(server.calls().len(), 3);
    }

    #[tokio::test]
    async fn fails_the_write_asked_for() {
        let server = ecgrid().await;
        server.fail_write(1, StatusCode::TOO_MANY_REQUESTS);
        assert_eq!(call(&server, "GET /v2/users/1042", "").await.0, 200);
        assert_eq!(call(&server, "PUT /v2/users", r#"{"userId":1042}"#).await.0, 429);
        assert_eq!(call(&server, "PUT /v2/users", r#"{"userId":1042}"#).await.0, 200);
        server.fail(1, StatusCode::BAD_GATEWAY);
        server.clear_faults();
        assert_eq!(call(&server, "GET /v2/users/1042", "").await.0, 200);
    }

    #[tokio::test]
    async fn hangs_until_the_client_goes_away() {
        let server = ecgrid().await;
        server.hang(1);
        let waiting = call(&server, "GET /v2/users/1042", "");
        assert!(tokio::time::timeout(MOMENT, waiting).await.is_err());
        assert_eq!(call(&server, "GET /v2/users/1042", "").await.0, 200);
        server.hang_write(1);
        assert_eq!(call(&server, "GET /v2/users/1042", "").await.0, 200);
        let waiting = call(&server, "PUT /v2/users", r#"{"userId":1042}"#);
        assert!(tokio::time::timeout(MOMENT, waiting).await.is_err());
        assert_eq!(server.calls().len(), 4);
    }

    #[tokio::test]
    async fn stops_although_a_call_hangs_and_a_connection_is_idle() {
        let server = ecgrid().await;
        server.hang(1);
        let address = server.address();
        let mut idle = connect(&server).await;
        idle.ready().await.unwrap();
        let mut hanging = connect(&server).await;
        let waiting = tokio::spawn(hanging.send_request(request(&server, "GET /v2/users/1042", "")));
        while server.calls().is_empty() {
            tokio::task::yield_now().await;
        }
        tokio::time::timeout(DRAIN / 2, server.stop()).await.unwrap();
        assert!(waiting.await.unwrap().is_err());
        assert!(TcpStream::connect(address).await.is_err());
    }

    #[tokio::test]
    async fn dropping_ends_it() {
        let server = ecgrid().await;
        let mut connection = connect(&server).await;
        let call = request(&server, "GET /v2/users/1042", "");
        let address = server.address();
        drop(server);
        while TcpStream::connect(address).await.is_ok() {
            tokio::task::yield_now().await;
        }
        assert!(connection.send_request(call).await.is_err());
    }

    #[tokio::test]
    async fn refuses_a_body_that_is_too_long() {
        let server = ecgrid().await;
        let long = " ".repeat(BODY_LIMIT + 1);
        let answer = connect(&server).await.send_request(request(&server, "PUT /v2/users", &long)).await;
        // The server closes without reading on: the client sees the answer or the broken pipe.
        assert!(answer.is_err() || answer.is_ok_and(|response| response.status() == StatusCode::PAYLOAD_TOO_LARGE));
        assert!(server.calls().is_empty());
    }

    #[tokio::test]
    async fn the_controls_show_and_clear_the_log() {
        let server = ecgrid().await;
        call(&server, "PUT /v2/users?x=1", r#"{"userId": 1042}"#).await;
        let expected = json!([{"method": "PUT", "path": "/v2/users?x=1", "body": "{\"userId\": 1042}"}]);
        assert_eq!(call(&server, "GET /sandbox/calls", "").await, (200, expected));
        assert_eq!(call(&server, "DELETE /sandbox/calls", "").await.0, 204);
        assert_eq!(call(&server, "GET /sandbox/calls", "").await, (200, json!([])));
    }

    #[tokio::test]
    async fn the_controls_set_faults() {
        let server = ecgrid().await;
        let fault = r#"{"nth": 2, "writes_only": true, "action": "fail", "status": 500}"#;
        assert_eq!(call(&server, "POST /sandbox/faults", fault).await.0, 204);
        let mut seen = Vec::new();
        for _ in 0..3 {
            call(&server, "GET /v2/users/1042", "").await;
            seen.push(call(&server, "PUT /v2/users", r#"{"userId":1042}"#).await.0);
        }
        assert_eq!(seen, [200, 500, 200]);
        call(&server, "POST /sandbox/faults", r#"{"action":"fail","status":500}"#).await;
        assert_eq!(call(&server, "DELETE /sandbox/faults", "").await.0, 204);
        assert_eq!(call(&server, "GET /v2/users/1042", "").await.0, 200);
        call(&server, "POST /sandbox/faults", r#"{"action":"hang"}"#).await;
        let waiting = call(&server, "GET /v2/users/1042", "");
        assert!(tokio::time::timeout(MOMENT, waiting).await.is_err());
    }

    #[tokio::test]
    async fn the_controls_refuse_nonsense() {
        let server = ecgrid().await;
        for (line, body, status) in [
            ("POST /sandbox/faults", "", 400),
            ("POST /sandbox/faults", r#"{"action":"explode"}"#, 400),
            ("POST /sandbox/faults", r#"{"action":"fail"}"#, 400),
            ("POST /sandbox/faults", r#"{"action":"fail","status":200}"#, 400),
            ("POST /sandbox/faults", r#"{"action":"hang","status":500}"#, 400),
            ("POST /sandbox/faults", r#"{"action":"hang","nht":2}"#, 400),
            ("GET /sandbox", "", 404),
            ("GET /sandbox/other", "", 404),
            ("GET /sandbox/users/9/config", "", 404),
            ("PUT /sandbox/calls", "", 405),
        ] {
            let (seen, answer) = call(&server, line, body).await;
            assert_eq!(seen, status, "{line} {body}");
            assert!(answer["error"].is_string(), "{line} {body}");
        }
        assert!(server.calls().is_empty());
    }

    #[tokio::test]
    async fn the_controls_show_config_and_reset() {
        let server = ecgrid().await;
        call(&server, "POST /v2/users/update-config", r#"{"userId":1042,"phone":"1"}"#).await;
        let config = "GET /sandbox/users/1042/config";
        assert_eq!(call(&server, config, "").await, (200, json!({"phone": "1"})));
        assert_eq!(server.stored_config("1042"), Some(json!({"phone": "1"})));
        assert_eq!(call(&server, "POST /sandbox/reset", "").await.0, 204);
        assert_eq!(call(&server, config, "").await, (200, json!({})));
        assert_eq!(server.calls().len(), 1);
    }

    #[tokio::test]
    async fn serves_the_other_vendor_as_well() {
        let server = serve(([127, 0, 0, 1], 0).into(), Textus::new()).await.unwrap();
        let (status, body) = call(&server, "GET /users", "").await;
        assert_eq!((status, &body["@type"]), (401, &json!("hydra:Error")));
        assert_eq!(call(&server, "GET /sandbox/users/wqyODPA/config", "").await.0, 404);
    }
}
