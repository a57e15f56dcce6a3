//! Reload: a certificate, a client's key and a route that change every second or so, under clients who are not to notice.
//!
//! Unlike the other trials, it fails where a request does.

use std::{
    collections::HashMap,
    fs,
    net::SocketAddr,
    os::unix::fs::symlink,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use arc_swap::ArcSwap;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::{
    ClientConfig, RootCertStore,
    crypto::ring::default_provider,
    pki_types::{CertificateDer, ServerName},
};
use tokio::{
    net::TcpStream,
    sync::Semaphore,
    task::JoinSet,
    time::{sleep, timeout},
};
use tokio_rustls::{TlsConnector, client::TlsStream};

use crate::{
    clients::{PATIENCE, exchange, hand_out},
    gateway::Gateway,
    processor,
};

/// Requests a second.
const RATE: f64 = 5000.0;

/// How many clients there are, of which every fourth makes a new connection after so many requests. The others keep theirs.
const CLIENTS: usize = 256;
const FEW: usize = 10;

const NAME: &str = "gateway.example";

/// What is there in one configuration and not in the next.
const SETTING: &str = "fallback = \"ecgrid\"\n";

/// Asks for so long.
pub(crate) fn run(length: Duration) {
    processor::choose(processor::OTHERS);
    tokio::runtime::Runtime::new().unwrap().block_on(reload(length));
}

async fn reload(length: Duration) {
    let authority = Authority::new();
    let mut certificates = Vec::new();
    // A machine that is busy with something else is no reason to refuse anybody.
    let gateway = Gateway::changed("lag = \"1h\"", Duration::ZERO, processor::GATEWAY, |text, folder| {
        certificates.push(authority.issue(folder, 0));
        replace(&folder.join("key.0"), "key-0");
        replace(&folder.join("key.1"), "nobody's");
        let listener = "[[listeners]]\naddress = \"127.0.0.1:0\"";
        let tls = "tls = { certificates = [{ chain = \"tls/tls.crt\", key = \"tls/tls.key\" }] }";
        let client = "[[clients]]\nname = \"rotating\"\nkeys = [{ file = \"key.0\" }, { file = \"key.1\" }]";
        format!("{}\n{client}\n", text.replacen(listener, &format!("{listener}\n{tls}"), 1))
    })
    .await;

    println!("=== {RATE:.0} requests a second over TLS for {length:?}, from {CLIENTS} clients");
    let clients = Clients {
        address: gateway.crossed,
        connector: authority.trusted().into(),
        key: Arc::new(ArcSwap::from_pointee("key-0".to_owned())),
    };
    let turns = Arc::new(Semaphore::new(0));
    let mut asking = JoinSet::new();
    for number in 0..CLIENTS {
        let requests = if number % 4 == 0 { FEW } else { usize::MAX };
        asking.spawn(clients.clone().ask(requests, Arc::clone(&turns)));
    }
    let changing = change(&gateway, &authority, &clients.key, &mut certificates, Instant::now() + length);
    let (unsent, ()) = tokio::join!(hand_out(&turns, RATE, length), changing);
    turns.close();
    let mut all = Outcome::default();
    for one in asking.join_all().await {
        all.add(one);
    }
    let [good, bad] = reloads(gateway.admin).await;
    gateway.stop();

    let answered: usize = all.answered.values().sum();
    println!("  {:.0}/s answered over {} connections", answered as f64 / length.as_secs_f64(), all.connections);
    println!("  {} failed, {unsent} not sent, as no client was free; {good} reloads, {bad} refused", all.failed.len());
    let by_certificate =
        certificates.iter().map(|certificate| all.answered.get(certificate).copied().unwrap_or_default());
    println!("  answers by certificate, the first to the last: {:?}", by_certificate.collect::<Vec<_>>());
    assert!(all.failed.is_empty() && bad == 0, "nobody is to notice: {:?}", all.failed.first());
    assert!(all.answered.len() > 1, "something has to happen");
}

/// Changes everything, waits until that is at work, and does it again.
async fn change(
    gateway: &Gateway,
    authority: &Authority,
    key: &ArcSwap<String>,
    certificates: &mut Vec<CertificateDer<'static>>,
    end: Instant,
) {
    let folder = gateway.file.parent().unwrap();
    let texts = fs::read_to_string(&gateway.file).unwrap();
    let texts = [texts.clone(), texts.replacen(SETTING, "", 1)];
    assert_ne!(texts[0], texts[1]);
    for version in 1.. {
        sleep(Duration::from_millis(500)).await;
        if Instant::now() > end {
            break;
        }
        certificates.push(authority.issue(folder, version));
        let new = format!("key-{version}");
        replace(&folder.join(format!("key.{}", version % 2)), &new);
        replace(&gateway.file, &texts[version % 2]);
        while reloads(gateway.admin).await.iter().sum::<usize>() < version {
            sleep(Duration::from_millis(50)).await;
        }
        // The one before is good until nobody shows it any more.
        let old = key.swap(Arc::new(new));
        while Arc::strong_count(&old) > 1 {
            sleep(Duration::from_millis(5)).await;
        }
    }
}

/// Puts a file in the place of another, at once.
fn replace(file: &Path, text: &str) {
    let new = file.with_extension("new");
    fs::write(&new, text).unwrap();
    fs::rename(new, file).unwrap();
}

/// How often the gateway has read its configuration again, which was good, or not.
async fn reloads(admin: SocketAddr) -> [usize; 2] {
    let mut answer = Vec::new();
    let stream = TcpStream::connect(admin).await.unwrap();
    exchange(stream, "GET /metrics HTTP/1.1\r\nhost: x\r\n\r\n", &mut answer).await.unwrap();
    let metrics = String::from_utf8(answer).unwrap();
    ["success", "failure"].map(|result| {
        let name = format!("interlingua_config_reloads_total{{result=\"{result}\"}} ");
        metrics.lines().find_map(|line| line.strip_prefix(&name)).unwrap().parse().unwrap()
    })
}

/// Clients who all show the same key.
#[derive(Clone)]
struct Clients {
    address: SocketAddr,
    connector: TlsConnector,
    key: Arc<ArcSwap<String>>,
}

/// What came of requests.
#[derive(Default)]
struct Outcome {
    connections: usize,
    /// By the certificate that the gateway has shown.
    answered: HashMap<CertificateDer<'static>, usize>,
    failed: Vec<String>,
}

impl Outcome {
    fn add(&mut self, other: Self) {
        self.connections += other.connections;
        self.failed.extend(other.failed);
        for (certificate, answered) in other.answered {
            *self.answered.entry(certificate).or_default() += answered;
        }
    }
}

impl Clients {
    /// One that asks once for each turn, and makes a new connection after so many requests.
    async fn ask(self, requests: usize, turns: Arc<Semaphore>) -> Outcome {
        let mut outcome = Outcome::default();
        let mut kept: Option<Connection> = None;
        while let Ok(turn) = turns.acquire().await {
            turn.forget();
            let asked = async {
                let connection = match kept.take() {
                    Some(connection) => connection,
                    None => {
                        outcome.connections += 1;
                        self.connect().await?
                    }
                };
                connection.ask(&self.key.load_full()).await
            };
            match timeout(PATIENCE, asked).await.unwrap_or_else(|_| Err("no answer".to_owned())) {
                Ok(connection) => {
                    *outcome.answered.entry(connection.certificate.clone()).or_default() += 1;
                    kept = Some(connection).filter(|connection| connection.asked < requests);
                }
                Err(why) => outcome.failed.push(why),
            }
        }
        outcome
    }

    async fn connect(&self) -> Result<Connection, String> {
        let name = ServerName::try_from(NAME).unwrap();
        let stream = TcpStream::connect(self.address).await.map_err(|error| format!("no connection: {error}"))?;
        let stream = self.connector.connect(name, stream).await.map_err(|error| format!("no handshake: {error}"))?;
        let certificate = stream.get_ref().1.peer_certificates().unwrap()[0].clone().into_owned();
        Ok(Connection { stream, certificate, asked: 0 })
    }
}

/// A connection, and what the gateway has shown on it.
struct Connection {
    stream: TlsStream<TcpStream>,
    certificate: CertificateDer<'static>,
    asked: usize,
}

impl Connection {
    async fn ask(self, key: &str) -> Result<Self, String> {
        let request = format!("GET /v2/users/1042 HTTP/1.1\r\nhost: x\r\nx-api-key: {key}\r\n\r\n");
        let mut answer = Vec::with_capacity(2048);
        let stream = exchange(self.stream, &request, &mut answer).await.ok_or("no answer, or half of one")?;
        if answer.starts_with(b"HTTP/1.1 200") {
            Ok(Self { stream, asked: self.asked + 1, ..self })
        } else {
            Err(String::from_utf8_lossy(&answer).into_owned())
        }
    }
}

/// Who signs the gateway's certificates.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    own: CertificateDer<'static>,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new([]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let own = params.self_signed(&key).unwrap().der().clone();
        Self { issuer: Issuer::new(params, key), own }
    }

    /// What a client is told who trusts it.
    fn trusted(&self) -> Arc<ClientConfig> {
        let mut roots = RootCertStore::empty();
        roots.add(self.own.clone()).unwrap();
        let config = ClientConfig::builder_with_provider(default_provider().into());
        let config = config.with_safe_default_protocol_versions().unwrap().with_root_certificates(roots);
        config.with_no_client_auth().into()
    }

    /// Puts a new certificate and its key in the place of those before, both at once: what is in `tls` is chosen by a link.
    fn issue(&self, folder: &Path, version: usize) -> CertificateDer<'static> {
        let key = KeyPair::generate().unwrap();
        let issued = CertificateParams::new([NAME.to_owned()]).unwrap().signed_by(&key, &self.issuer).unwrap();
        let own = folder.join(format!("tls.{version}"));
        fs::create_dir(&own).unwrap();
        fs::write(own.join("tls.crt"), issued.pem()).unwrap();
        fs::write(own.join("tls.key"), key.serialize_pem()).unwrap();
        symlink(own, folder.join("tls.new")).unwrap();
        fs::rename(folder.join("tls.new"), folder.join("tls")).unwrap();
        issued.der().clone()
    }
}
