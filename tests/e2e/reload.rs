//! A configuration that changes while clients ask: as files that are written, replaced or swapped, on a signal, and on an
//! order at the admin listener.

use std::{
    fs,
    net::SocketAddr,
    os::unix::fs::symlink,
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use hyper_util::rt::TokioIo;
use interlingua_sandbox as sandbox;
use tempfile::TempDir;
use tokio::{net::TcpStream, task::JoinSet, time::sleep};

use crate::{
    authority::{Authority, Issued, TlsClient},
    client::{Answer, Client},
    harness::{ECGRID_KEY, TEXTUS_TOKEN, any_port, document},
    recorder::{LONG, Recorder, ok},
    served::{Served, on_free_ports},
    sessions::{PASSWORD, QUICK_HASH, SLOW_HASH},
};

const SANDBOX: &str = include_str!("../../config/sandbox.toml");
const USER: &str = "/v2/users/1042";
const NAME: &str = "gateway.example";

/// A gateway at work whose configuration can be changed.
struct Changing {
    folder: TempDir,
    text: String,
    served: Served,
    ecgrid: sandbox::Server,
    textus: sandbox::Server,
}

impl Changing {
    /// One with what `change` makes of the sandbox's configuration, and these files beside it.
    async fn start(files: &[(&str, &str)], change: impl Fn(String) -> String) -> Self {
        let ecgrid = sandbox::serve(any_port(), sandbox::Ecgrid::new()).await.unwrap();
        let textus = sandbox::serve(any_port(), sandbox::Textus::new()).await.unwrap();
        let text = change(on_free_ports(SANDBOX, ecgrid.address(), textus.address()));
        let folder = tempfile::tempdir().unwrap();
        for (name, content) in files {
            write(folder.path(), name, content);
        }
        write(folder.path(), "gateway.toml", &text);
        let served = Served::start(folder.path().join("gateway.toml"), &[("INTERLINGUA_LIMITS__LAG", "1h")]);
        Self { folder, text, served, ecgrid, textus }
    }

    fn admin(&self) -> Client {
        Client::new(self.served.addresses[2])
    }

    /// Puts another file in the place of the configuration's, at once.
    fn change(&mut self, piece: &str, with: &str) {
        assert!(self.text.contains(piece), "{piece}");
        self.text = self.text.replace(piece, with);
        write(self.folder.path(), "gateway.toml", &self.text);
    }

    /// How often the configuration was read again, and was good, or not.
    async fn reloads(&self, result: &str) -> usize {
        let metrics = self.admin().get("/metrics").await.expect(200).text();
        let name = format!("interlingua_config_reloads_total{{result=\"{result}\"}} ");
        metrics.lines().find_map(|line| line.strip_prefix(&name)).unwrap().parse().unwrap()
    }

    /// Waits until it was read again so often.
    async fn wait_for(&self, result: &str, count: usize) {
        let start = Instant::now();
        while self.reloads(result).await < count {
            assert!(start.elapsed() < LONG, "it is not read again: {result}");
            sleep(Duration::from_millis(50)).await;
        }
    }
}

/// Writes a file in the way of all who want nobody to read half of it.
fn write(folder: &Path, name: &str, content: &str) {
    let new = folder.join(format!("{name}.new"));
    fs::write(&new, content).unwrap();
    fs::rename(&new, folder.join(name)).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_ends_with_the_login_that_it_began_with() {
    let mut gateway = Changing::start(&[], |text| text.replace(SLOW_HASH, QUICK_HASH)).await;
    let stranger = Client::new(gateway.served.addresses[1]).header("content-type", "application/json");
    let login = format!(r#"{{"login": "sandbox", "password": "{PASSWORD}"}}"#);
    let token = stranger.send("POST /v2/auth/login", login.clone()).await.expect(200).at("/data/token");
    let client = stranger.clone().header("authorization", &format!("Bearer {}", token.as_str().unwrap()));
    // What has nothing to do with it changes nothing, nor the key that was made up at the start.
    gateway.change("[admin]", "[limits]\ncalls = 65\n\n[admin]");
    gateway.wait_for("success", 1).await;
    client.get(USER).await.expect(200);
    // All keys of the client have expired.
    let name = "name = \"sandbox-ecgrid-login\"";
    let expired = format!("{name}\nkeys = [{{ sha256 = \"{}\", expires = 2020-01-01T00:00:00Z }}]", "07".repeat(32));
    gateway.change(name, &expired);
    gateway.wait_for("success", 2).await;
    assert_eq!(client.get(USER).await.expect(401).at("/errorCode"), "InvalidSession");
    stranger.send("POST /v2/auth/login", login.clone()).await.expect(401);
    gateway.change(&expired, name);
    gateway.wait_for("success", 3).await;
    client.get(USER).await.expect(200);
    // Another password.
    gateway.change(QUICK_HASH, SLOW_HASH);
    gateway.wait_for("success", 4).await;
    client.get(USER).await.expect(401);
    // Another client by the same login.
    gateway.change(SLOW_HASH, QUICK_HASH);
    gateway.wait_for("success", 5).await;
    client.get(USER).await.expect(200);
    gateway.change(name, "name = \"another\"");
    gateway.wait_for("success", 6).await;
    client.get(USER).await.expect(401);
    stranger.send("POST /v2/auth/login", login).await.expect(200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_good_one_takes_the_place_of_the_one_before_and_a_bad_one_does_not() {
    let mut gateway = Changing::start(&[], |text| text).await;
    let client = Client::ecgrid(gateway.served.addresses[0], ECGRID_KEY);
    client.get("/v2/auth/version").await.expect(200);
    // A route changes: what is no operation falls back no longer.
    gateway.change("fallback = \"ecgrid\"\n", "");
    gateway.wait_for("success", 1).await;
    client.get("/v2/auth/version").await.expect(404);
    assert_eq!(gateway.admin().get("/readyz").await.expect(200).json(), serde_json::json!({"status": "ready"}));
    // What is not good is told with its place, and changes nothing.
    gateway.change("[admin]", "[admin]\nadress = 1");
    gateway.wait_for("failure", 1).await;
    client.get(USER).await.expect(200);
    let ready = gateway.admin().get("/readyz").await.expect(200).text();
    assert!(ready.contains(r#""status":"ready""#) && ready.contains("gateway.toml:"), "{ready}");
    assert!(ready.contains("did you mean `address`?"), "{ready}");
    let refused = gateway.admin().send("POST /reload", "").await.expect(422);
    assert!(refused.text().contains("admin.adress: unknown key"), "{}", refused.text());
    assert_eq!(refused.header("content-type"), "application/problem+json");
    // Nor is what cannot change at run time.
    gateway.change("[admin]\nadress = 1", "[admin]");
    gateway.wait_for("success", 2).await;
    gateway.change("store = \"memory\"", "store = \"sqlite:other.db\"");
    let refused = gateway.admin().send("POST /reload", "").await.expect(422).text();
    assert!(refused.contains("links.store cannot change while the gateway is at work"), "{refused}");
    gateway.change("store = \"sqlite:other.db\"", "store = \"memory\"");
    for (key, table) in
        [("log", "[log]\nformat = \"json\""), ("traces", "[traces]\nendpoint = \"http://127.0.0.1:4317\"")]
    {
        gateway.change("[admin]", &format!("{table}\n[admin]"));
        let refused = gateway.admin().send("POST /reload", "").await.expect(422).text();
        assert!(refused.contains(&format!("{key} cannot change while the gateway is at work")), "{refused}");
        gateway.change(&format!("{table}\n[admin]"), "[admin]");
    }
    gateway.admin().send("POST /reload", "").await.expect(200);
    assert_eq!(gateway.admin().get("/readyz").await.expect(200).json(), serde_json::json!({"status": "ready"}));
    gateway.admin().get("/reload").await.expect(405);
    let (code, log) = gateway.served.terminate();
    assert_eq!(code, Some(0), "{log}");
    assert!(log.contains("the configuration is not good; the last good one stays"), "{log}");
    assert!(log.contains(r#""cause":"a change of its files""#) && log.contains(r#""cause":"POST /reload""#), "{log}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_has_begun_ends_with_what_it_began_with() {
    let mut vendor = Recorder::start().await;
    let at = format!("base_url = \"http://{}\"", vendor.address);
    let mut gateway = Changing::start(&[], |text| {
        let (before, after) = text.split_once("dialect = \"textus\"\nbase_url = ").unwrap();
        let (_, after) = after.split_once('\n').unwrap();
        format!("{before}dialect = \"textus\"\n{at}\n{after}")
    })
    .await;
    let client = Client::textus(gateway.served.addresses[1], TEXTUS_TOKEN);
    let asking = tokio::spawn(async move { client.get("/users/wqyODPA").await });
    let request = vendor.next().await;
    // Where it was sent is no upstream of anybody's by now.
    let textus = gateway.textus.address();
    gateway.change(&at, &format!("base_url = \"http://{textus}\""));
    gateway.admin().send("POST /reload", "").await.expect(200);
    let client = Client::textus(gateway.served.addresses[1], TEXTUS_TOKEN);
    client.get("/users/wqyODPA").await.expect(200);
    request.answer(ok(&document("textus/update-user-own-profile.response")));
    asking.await.unwrap().expect(200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hangup_reads_it_again() {
    let gateway = Changing::start(&[], |text| text).await;
    gateway.served.signal("HUP");
    gateway.wait_for("success", 1).await;
    gateway.admin().get("/livez").await.expect(200);
    let (code, log) = gateway.served.terminate();
    assert!(code == Some(0) && log.contains(r#""cause":"SIGHUP""#), "{log}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn listeners_come_and_go() {
    let mut gateway = Changing::start(&[], |text| text).await;
    let [crossed, pass, admin] = gateway.served.addresses;
    let free = any_free_port().await;
    // One that is taken is refused, and everything stays as it is.
    let more = |address: SocketAddr| {
        format!("[[listeners]]\naddress = \"{address}\"\nroutes = [{{ face = \"ecgrid\", upstream = \"ecgrid\" }}]\n")
    };
    let taken = tokio::net::TcpListener::bind(any_port()).await.unwrap();
    let before = gateway.text.clone();
    gateway.text.push_str(&more(taken.local_addr().unwrap()));
    gateway.change("[admin]", "[admin] # changed");
    let refused = gateway.admin().send("POST /reload", "").await.expect(422).text();
    assert!(refused.contains("cannot listen on"), "{refused}");
    Client::ecgrid(pass, ECGRID_KEY).get(USER).await.expect(200);
    // A new one; the two before stay where they are, with the connections that are open there.
    let mut kept = Kept::connect(crossed).await;
    kept.ask().await.unwrap().expect(200);
    gateway.text = format!("{before}\n{}", more(free));
    gateway.change("[admin]", "[admin] # again");
    gateway.admin().send("POST /reload", "").await.expect(200);
    for address in [free, crossed, pass] {
        Client::ecgrid(address, ECGRID_KEY).get(USER).await.expect(200);
    }
    kept.ask().await.unwrap().expect(200);
    // It goes, and what is open there ends after a last answer.
    let mut leaving = Kept::connect(free).await;
    leaving.ask().await.unwrap().expect(200);
    let other_admin = any_free_port().await;
    gateway.text = before;
    gateway.change("[admin]\naddress = \"127.0.0.1:0\"", &format!("[admin]\naddress = \"{other_admin}\""));
    gateway.admin().send("POST /reload", "").await.expect(200);
    let last = leaving.ask().await.unwrap().expect(200);
    assert_eq!(last.header("connection"), "close");
    assert!(TcpStream::connect(free).await.is_err());
    Client::new(other_admin).get("/livez").await.expect(200);
    sleep(Duration::from_millis(700)).await;
    assert!(TcpStream::connect(admin).await.is_err());
    kept.ask().await.unwrap().expect(200);
    assert_eq!(gateway.served.terminate().0, Some(0));
}

async fn any_free_port() -> SocketAddr {
    tokio::net::TcpListener::bind(any_port()).await.unwrap().local_addr().unwrap()
}

/// A connection that is used for one request after the other.
struct Kept {
    address: SocketAddr,
    sender: hyper::client::conn::http1::SendRequest<http_body_util::Full<bytes::Bytes>>,
}

impl Kept {
    async fn connect(address: SocketAddr) -> Self {
        Self::over(TcpStream::connect(address).await.unwrap(), address).await
    }

    async fn over(
        stream: impl tokio::io::AsyncRead + tokio::io::AsyncWrite + Send + Unpin + 'static,
        address: SocketAddr,
    ) -> Self {
        let (sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        Self { address, sender }
    }

    async fn ask(&mut self) -> hyper::Result<Answer> {
        self.sender.ready().await?;
        let request = Client::ecgrid(self.address, ECGRID_KEY).request(&format!("GET {USER}"), "");
        Answer::read(self.sender.send_request(request).await?).await
    }
}

// === Under load ===

/// What the clients count together.
#[derive(Debug, Default)]
struct Tally {
    answered: AtomicUsize,
    failed: Mutex<Vec<String>>,
    is_over: AtomicBool,
}

impl Tally {
    fn count(&self, answer: Result<Answer, impl std::fmt::Debug>) -> bool {
        match answer {
            Ok(Answer { status: 200, .. }) => {
                self.answered.fetch_add(1, Relaxed);
                true
            }
            other => {
                self.failed.lock().unwrap().push(format!("{other:?}"));
                false
            }
        }
    }
}

/// Asks at full speed, over one connection or, where a request is the last on it, another.
async fn ask_on_and_on(tally: Arc<Tally>, client: TlsClient, address: SocketAddr, requests: usize) {
    while !tally.is_over.load(Relaxed) {
        let stream = client.connect(address).await;
        let Ok(stream) = stream else {
            tally.count(Err(stream.unwrap_err()));
            continue;
        };
        let mut kept = Kept::over(stream, address).await;
        for _ in 0..requests {
            if !tally.count(kept.ask().await) || tally.is_over.load(Relaxed) {
                break;
            }
        }
    }
}

/// The files of a certificate as Kubernetes mounts them: links over a folder that is a link, too.
fn mount(folder: &Path, version: &str, issued: &Issued) {
    let volume = folder.join("tls");
    fs::create_dir_all(volume.join(version)).unwrap();
    fs::copy(&issued.chain, volume.join(version).join("tls.crt")).unwrap();
    fs::copy(&issued.key, volume.join(version).join("tls.key")).unwrap();
    symlink(version, volume.join("..data_tmp")).unwrap();
    fs::rename(volume.join("..data_tmp"), volume.join("..data")).unwrap();
    for name in ["tls.crt", "tls.key"] {
        let _ = symlink(format!("..data/{name}"), volume.join(name));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_route_a_key_and_a_certificate_change_under_load() {
    let authority = Authority::new("test");
    let certificates = ["one", "two", "three"].map(|name| authority.issue(name, &[NAME]));
    let volume = tempfile::tempdir().unwrap();
    mount(volume.path(), "..1", &certificates[0]);
    let table = format!("{{ chain = '{0}/tls.crt', key = '{0}/tls.key' }}", volume.path().join("tls").display());
    let mut gateway = Changing::start(&[("other.key", "first-key")], |text| {
        let address = "[[listeners]]\naddress = \"127.0.0.1:0\"";
        let text = text.replacen(address, &format!("{address}\ntls = {{ certificates = [{table}] }}"), 1);
        format!("{text}\n[[clients]]\nname = \"other\"\nkey = {{ file = \"other.key\" }}\n")
    })
    .await;
    let address = gateway.served.addresses[0];
    let client = TlsClient::new(&authority, NAME);
    let tally = Arc::<Tally>::default();
    let mut clients = JoinSet::new();
    for requests in [1, 10, usize::MAX, usize::MAX] {
        clients.spawn(ask_on_and_on(Arc::clone(&tally), client.clone(), address, requests));
    }
    let shown = async || client.connect(address).await.unwrap().get_ref().1.peer_certificates().unwrap().to_vec();
    let other = |key: &str| Client::ecgrid(gateway.served.addresses[1], key);
    let (first, second) = (other("first-key"), other("second-key"));
    assert_eq!(shown().await, certificates[0].certificates());
    first.get(USER).await.expect(200);
    second.get(USER).await.expect(401);

    mount(volume.path(), "..2", &certificates[1]);
    gateway.wait_for("success", 1).await;
    assert_eq!(shown().await, certificates[1].certificates());

    write(gateway.folder.path(), "other.key", "second-key");
    gateway.wait_for("success", 2).await;
    second.get(USER).await.expect(200);
    first.get(USER).await.expect(401);

    gateway.change("fallback = \"ecgrid\"\n", "");
    gateway.wait_for("success", 3).await;

    // A certificate without its key is told, and the one before stays.
    let volume = volume.path().join("tls/..2");
    fs::copy(&certificates[2].chain, volume.join("tls.crt")).unwrap();
    gateway.wait_for("failure", 1).await;
    let ready = gateway.admin().get("/readyz").await.expect(200).text();
    assert!(ready.contains("the key is not that of the certificate"), "{ready}");
    assert_eq!(shown().await, certificates[1].certificates());
    fs::copy(&certificates[2].key, volume.join("tls.key")).unwrap();
    gateway.wait_for("success", 4).await;
    assert_eq!(shown().await, certificates[2].certificates());

    tally.is_over.store(true, Relaxed);
    clients.join_all().await;
    assert_eq!(*tally.failed.lock().unwrap(), [""; 0]);
    assert!(tally.answered.load(Relaxed) > 0, "{tally:?}");
    assert!(!gateway.ecgrid.calls().is_empty());
    assert_eq!(gateway.served.terminate().0, Some(0));
}
