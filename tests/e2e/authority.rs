//! A certificate authority for a test, and both ends of TLS that trust it.

use std::{net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, date_time_ymd,
};
use rustls::{
    ClientConfig, RootCertStore, ServerConfig, SupportedProtocolVersion,
    crypto::ring::default_provider,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject},
};
use tempfile::TempDir;
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
};
use tokio_rustls::{TlsAcceptor, TlsConnector, client::TlsStream};

use crate::harness::any_port;

/// An authority, whose certificates are files.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    own: String,
    folder: TempDir,
}

/// A certificate and its key, in files.
#[derive(Clone)]
pub(crate) struct Issued {
    pub(crate) chain: PathBuf,
    pub(crate) key: PathBuf,
}

impl Issued {
    /// As configuration names them.
    pub(crate) fn table(&self) -> String {
        format!("{{ chain = '{}', key = '{}' }}", self.chain.display(), self.key.display())
    }

    pub(crate) fn certificates(&self) -> Vec<CertificateDer<'static>> {
        CertificateDer::pem_file_iter(&self.chain).unwrap().map(Result::unwrap).collect()
    }

    fn private_key(&self) -> PrivateKeyDer<'static> {
        PrivateKeyDer::from_pem_file(&self.key).unwrap()
    }
}

impl Authority {
    pub(crate) fn new(name: &str) -> Self {
        let mut params = CertificateParams::new([]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().unwrap();
        let own = params.self_signed(&key).unwrap().pem();
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("ca.pem"), &own).unwrap();
        Self { issuer: Issuer::new(params, key), own, folder }
    }

    /// The file with its own certificate.
    pub(crate) fn file(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    pub(crate) fn roots(&self) -> RootCertStore {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(self.own.as_bytes()).unwrap()).unwrap();
        roots
    }

    /// A certificate for these names, in files called so.
    pub(crate) fn issue(&self, file: &str, names: &[&str]) -> Issued {
        self.issue_with(file, names, |_| ())
    }

    /// One that has expired.
    pub(crate) fn issue_expired(&self, file: &str, names: &[&str]) -> Issued {
        self.issue_with(file, names, |params| {
            params.not_before = date_time_ymd(2001, 1, 1);
            params.not_after = date_time_ymd(2002, 1, 1);
        })
    }

    fn issue_with(&self, file: &str, names: &[&str], change: impl Fn(&mut CertificateParams)) -> Issued {
        let mut params = CertificateParams::new(names.iter().map(ToString::to_string).collect::<Vec<_>>()).unwrap();
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        change(&mut params);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let path = |end: &str| self.folder.path().join(format!("{file}.{end}"));
        let issued = Issued { chain: path("pem"), key: path("key") };
        std::fs::write(&issued.chain, certificate.pem()).unwrap();
        std::fs::write(&issued.key, key.serialize_pem()).unwrap();
        issued
    }
}

/// A client of TLS.
#[derive(Clone)]
pub(crate) struct TlsClient {
    pub(crate) name: &'static str,
    pub(crate) alpn: &'static [&'static str],
    pub(crate) versions: &'static [&'static SupportedProtocolVersion],
    pub(crate) own: Option<Issued>,
    pub(crate) roots: RootCertStore,
}

impl TlsClient {
    /// One that asks for this name, and trusts this authority.
    pub(crate) fn new(authority: &Authority, name: &'static str) -> Self {
        Self { name, alpn: &[], versions: rustls::ALL_VERSIONS, own: None, roots: authority.roots() }
    }

    pub(crate) async fn connect(&self, address: SocketAddr) -> std::io::Result<TlsStream<TcpStream>> {
        let stream = TcpStream::connect(address).await?;
        let name = ServerName::try_from(self.name).unwrap();
        TlsConnector::from(Arc::new(self.config())).connect(name, stream).await
    }

    pub(crate) fn config(&self) -> ClientConfig {
        let config = ClientConfig::builder_with_provider(default_provider().into());
        let config = config.with_protocol_versions(self.versions).unwrap().with_root_certificates(self.roots.clone());
        let mut config = match &self.own {
            Some(own) => config.with_client_auth_cert(own.certificates(), own.private_key()).unwrap(),
            None => config.with_no_client_auth(),
        };
        config.alpn_protocols = self.alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
        config
    }
}

/// A server's side of TLS; clients have to show a certificate of `clients`, if that is named.
pub(crate) fn server_config(own: &Issued, clients: Option<&Authority>) -> ServerConfig {
    let config = ServerConfig::builder_with_provider(default_provider().into());
    let config = config.with_safe_default_protocol_versions().unwrap();
    let config = match clients {
        None => config.with_no_client_auth(),
        Some(authority) => {
            let roots = Arc::new(authority.roots());
            let verifier =
                rustls::server::WebPkiClientVerifier::builder_with_provider(roots, default_provider().into());
            config.with_client_cert_verifier(verifier.build().unwrap())
        }
    };
    config.with_single_cert(own.certificates(), own.private_key()).unwrap()
}

/// Speaks TLS in front of a server that does not; the address of it.
pub(crate) async fn front(config: ServerConfig, server: SocketAddr) -> SocketAddr {
    let listener = TcpListener::bind(any_port()).await.unwrap();
    let address = listener.local_addr().unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                // What goes wrong is the client's affair, who sees it.
                let Ok(mut stream) = acceptor.accept(stream).await else { return };
                let mut server = TcpStream::connect(server).await.unwrap();
                let _ =
                    tokio::time::timeout(Duration::from_secs(60), copy_bidirectional(&mut stream, &mut server)).await;
            });
        }
    });
    address
}
