//! TLS as the configuration has it: certificates, keys and authorities in files, made into what rustls takes.
//!
//! Nothing below TLS 1.2 and no weak suite can be had; there is nothing to choose but the lowest version.

use std::{
    fmt,
    path::Path,
    sync::{Arc, LazyLock},
    time::Duration,
};

use rustls::{
    ClientConfig, RootCertStore, ServerConfig, SupportedProtocolVersion,
    crypto::CryptoProvider,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject},
    server::{ClientHello, ParsedCertificate, ResolvesServerCert, WebPkiClientVerifier},
    sign::CertifiedKey,
    version::{TLS12, TLS13},
};
use sha2::{Digest, Sha256};

use super::{base_url::BaseUrl, check::Check, file, key::Key};

/// What HTTP/2 and HTTP/1.1 are called where a handshake agrees on one of them, the better one first.
const H2: &[u8] = b"h2";
const HTTP_1_1: &[u8] = b"http/1.1";

/// The cryptography of every connection.
static PROVIDER: LazyLock<Arc<CryptoProvider>> = LazyLock::new(|| Arc::new(rustls::crypto::ring::default_provider()));

/// How a listener speaks TLS.
#[derive(Clone)]
pub struct ServerTls {
    pub(crate) config: Arc<ServerConfig>,
    /// How long browsers are told to come back with TLS only. Default: they are told nothing.
    pub hsts: Option<Duration>,
}

/// How TLS is spoken to an upstream. Two are the same if they trust the same authorities and show the same certificate.
#[derive(Clone)]
pub struct ClientTls {
    pub(crate) config: Arc<ClientConfig>,
    /// Whose certificate the server has to show.
    pub(crate) name: ServerName<'static>,
    digest: [u8; 32],
}

impl PartialEq for ClientTls {
    fn eq(&self, other: &Self) -> bool {
        self.digest == other.digest
    }
}

impl Eq for ClientTls {}

/// Without certificates and keys.
impl fmt::Debug for ServerTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerTls").field("hsts", &self.hsts).finish_non_exhaustive()
    }
}

/// Likewise.
impl fmt::Debug for ClientTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientTls").field("name", &self.name).finish_non_exhaustive()
    }
}

/// The lowest version that is spoken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Lowest {
    #[default]
    Tls12,
    Tls13,
}

impl Lowest {
    fn and_above(self) -> Vec<&'static SupportedProtocolVersion> {
        match self {
            Self::Tls12 => vec![&TLS13, &TLS12],
            Self::Tls13 => vec![&TLS13],
        }
    }
}

/// Certificates, of which one is chosen by the name that a client asks for. Of those that its cryptography allows, the
/// first that is for the name; where none is, the first, with which the client may do as it likes. Where its cryptography
/// allows none, the first as well: rustls has its own words for what cannot be agreed on.
#[derive(Debug)]
struct ByName(Vec<Arc<CertifiedKey>>);

impl ResolvesServerCert for ByName {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let usable = || self.0.iter().filter(|own| own.key.choose_scheme(hello.signature_schemes()).is_some());
        let name = hello.server_name().and_then(|name| ServerName::try_from(name).ok());
        let named = name.and_then(|name| usable().find(|own| is_for(own, &name)));
        named.or_else(|| usable().next()).or(self.0.first()).cloned()
    }
}

fn is_for(own: &CertifiedKey, name: &ServerName<'_>) -> bool {
    let certificate = own.end_entity_cert().and_then(ParsedCertificate::try_from);
    certificate.is_ok_and(|certificate| rustls::client::verify_server_name(&certificate, name).is_ok())
}

impl Check<'_> {
    /// How a listener speaks TLS.
    pub(super) fn server_tls(&mut self, at: &Key, raw: &file::ListenerTls) -> Option<ServerTls> {
        let list = at.name("certificates");
        if raw.certificates.is_empty() {
            self.report.add(&list, r#"missing; name one, such as { chain = "gateway.pem", key = "gateway.key" }"#);
        }
        let certificates = raw.certificates.iter().enumerate();
        let certificates =
            certificates.filter_map(|(index, raw)| self.certificate(&list.index(index), raw).map(Arc::new)).collect();
        let verifier = match &raw.client_ca {
            None => WebPkiClientVerifier::no_client_auth(),
            Some(path) => {
                let key = at.name("client_ca");
                let roots = self.authorities(&key, path)?;
                let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), PROVIDER.clone()).build();
                self.sound(&key, verifier.map_err(|error| error.to_string()))?
            }
        };
        let versions = raw.min_version.map(|version| version.0).unwrap_or_default().and_above();
        let config = ServerConfig::builder_with_provider(PROVIDER.clone()).with_protocol_versions(&versions);
        let config = config.expect("the provider has suites for every version");
        let mut config = config.with_client_cert_verifier(verifier).with_cert_resolver(Arc::new(ByName(certificates)));
        config.alpn_protocols = vec![H2.to_vec(), HTTP_1_1.to_vec()];
        Some(ServerTls { config: Arc::new(config), hsts: raw.hsts.map(|age| age.0) })
    }

    /// How TLS is spoken to the upstream at `base_url`, if it is.
    pub(super) fn client_tls(
        &mut self,
        at: &Key,
        base_url: &BaseUrl,
        raw: Option<&file::UpstreamTls>,
    ) -> Option<ClientTls> {
        if !base_url.is_secure() {
            if raw.is_some() {
                self.report
                    .add(at, "TLS is for servers whose base_url starts with https://; name it so, or take this out");
            }
            return None;
        }
        let nothing = file::UpstreamTls::default();
        let raw = raw.unwrap_or(&nothing);
        let host = base_url.host().to_owned();
        let name = self.sound(
            at,
            ServerName::try_from(host).map_err(|_| "the host in base_url is no name that a certificate could be for"),
        )?;
        let roots = match &raw.ca {
            Some(path) => self.authorities(&at.name("ca"), path)?,
            None => self.system_roots(&at.name("ca"))?,
        };
        let certificate = match &raw.certificate {
            Some(raw) => Some(self.certificate(&at.name("certificate"), raw)?),
            None => None,
        };
        let versions = raw.min_version.map(|version| version.0).unwrap_or_default();
        let digest = digest(&roots, certificate.as_ref(), versions);
        let config =
            ClientConfig::builder_with_provider(PROVIDER.clone()).with_protocol_versions(&versions.and_above());
        let config = config.expect("the provider has suites for every version").with_root_certificates(roots);
        let mut config = match certificate {
            Some(own) => config.with_client_cert_resolver(Arc::new(rustls::sign::SingleCertAndKey::from(own))),
            None => config.with_no_client_auth(),
        };
        config.alpn_protocols = vec![HTTP_1_1.to_vec()];
        Some(ClientTls { config: Arc::new(config), name, digest })
    }

    /// A certificate, those that lead from it to an authority, and its key.
    fn certificate(&mut self, at: &Key, raw: &file::Certificate) -> Option<CertifiedKey> {
        let chain = self.required(&at.name("chain"), raw.chain.as_deref(), "name the file with the certificate");
        let key = self.required(&at.name("key"), raw.key.as_deref(), "name the file with the certificate's key");
        let chain = chain.and_then(|path| self.certificates(&at.name("chain"), path));
        let key = key.and_then(|path| self.private_key(&at.name("key"), path));
        let own = CertifiedKey::from_der(chain?, key?, &PROVIDER).map_err(|error| match error {
            rustls::Error::InconsistentKeys(_) => "the key is not that of the certificate in `chain`".to_owned(),
            error => format!("the certificate and its key cannot be used: {error}"),
        });
        self.sound(&at.name("key"), own)
    }

    fn certificates(&mut self, key: &Key, path: &Path) -> Option<Vec<CertificateDer<'static>>> {
        let pem = self.read(key, path)?;
        let found = CertificateDer::pem_slice_iter(&pem).collect::<Result<Vec<_>, _>>();
        let found = found.ok().filter(|certificates| !certificates.is_empty());
        self.sound(key, found.ok_or_else(|| format!("{} holds no certificate in PEM", self.name(path))))
    }

    fn private_key(&mut self, key: &Key, path: &Path) -> Option<PrivateKeyDer<'static>> {
        let pem = self.read(key, path)?;
        let found = PrivateKeyDer::from_pem_slice(&pem);
        self.sound(
            key,
            found.map_err(|_| format!("{} holds no private key in PEM without a password", self.name(path))),
        )
    }

    /// The authorities in a file.
    fn authorities(&mut self, key: &Key, path: &Path) -> Option<RootCertStore> {
        let mut roots = RootCertStore::empty();
        for certificate in self.certificates(key, path)? {
            let added = roots.add(certificate);
            self.sound(key, added.map_err(|_| format!("{} holds a certificate that cannot be read", self.name(path))))?;
        }
        Some(roots)
    }

    /// The authorities that this machine trusts.
    fn system_roots(&mut self, key: &Key) -> Option<RootCertStore> {
        let mut roots = RootCertStore::empty();
        // What is there and cannot be used, as some always is, is no authority.
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        if roots.is_empty() {
            let advice = "missing, and this machine trusts no authority; install ca-certificates, or name a file here";
            self.report.add(key, advice);
            return None;
        }
        Some(roots)
    }

    fn read(&mut self, key: &Key, path: &Path) -> Option<Vec<u8>> {
        let read = self.around.folder.read(path);
        self.sound(key, read)
    }

    fn name(&self, path: &Path) -> String {
        self.around.folder.name(path)
    }
}

/// What makes one way to speak TLS another than the next.
fn digest(roots: &RootCertStore, certificate: Option<&CertifiedKey>, lowest: Lowest) -> [u8; 32] {
    let mut digest = Sha256::new();
    let mut add = |part: &[u8]| {
        digest.update((part.len() as u64).to_be_bytes());
        digest.update(part);
    };
    add(format!("{lowest:?}").as_bytes());
    for root in &roots.roots {
        add(&root.subject);
        add(&root.subject_public_key_info);
        add(root.name_constraints.as_deref().unwrap_or_default());
    }
    // The key is the one of the certificate.
    for part in certificate.into_iter().flat_map(|own| &own.cert) {
        add(part);
    }
    digest.finalize().into()
}
