//! Certificates in files, and clients that believe them.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;

use hyper_util::rt::{TokioExecutor, TokioIo};
use rcgen::{CertifiedKey, KeyPair, generate_simple_self_signed};
use rollcore::{CertificateFiles, DrainingProxy, ProxyOptions, TlsSpec, Traffic};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion};
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::support::{V1, options, within};

/// A directory with certificates, and everybody's trust in them.
pub(crate) struct Shop {
    pub(crate) directory: TempDir,
    roots: RootCertStore,
}

impl Shop {
    pub(crate) fn new() -> Self {
        Self { directory: tempfile::tempdir().expect("a directory"), roots: RootCertStore::empty() }
    }

    /// A certificate for `names`, in `<file>.pem` and `<file>.key`. One that is there is replaced.
    pub(crate) fn certificate(&mut self, file: &str, names: &[&str]) -> CertificateFiles {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let CertifiedKey { cert, signing_key } = generate_simple_self_signed(names).expect("names are names");
        self.roots.add(cert.der().clone()).expect("it is a certificate");
        let files = self.files(file);
        write(&files.cert_path, &cert.pem(), 0o644);
        write(&files.key_path, &signing_key.serialize_pem(), 0o600);
        files
    }

    pub(crate) fn files(&self, file: &str) -> CertificateFiles {
        let path = |end: &str| self.directory.path().join(format!("{file}.{end}"));
        CertificateFiles::new(path("pem"), path("key"))
    }

    /// A proxy with one certificate, for `shop.test`.
    pub(crate) fn options(&mut self) -> ProxyOptions {
        let files = self.certificate("shop", &["shop.test"]);
        ProxyOptions { tls: Some(TlsSpec::new(files)), ..options() }
    }

    pub(crate) fn proxy_to(&mut self, app: SocketAddr) -> DrainingProxy {
        let proxy = DrainingProxy::bind(self.options()).expect("a free port");
        assert!(proxy.switch_to(Traffic::to(V1, [app])).is_none());
        proxy
    }

    pub(crate) async fn connect(
        &self,
        proxy: SocketAddr,
        name: &str,
        protocols: &[&str],
    ) -> TlsStream<TcpStream> {
        let stream = within(TcpStream::connect(proxy)).await.expect("it listens");
        self.secure(stream, name, protocols).await.expect("a handshake")
    }

    /// Secures a connection as a client that asks for `name`; for none when that is an address.
    pub(crate) async fn secure(
        &self,
        stream: TcpStream,
        name: &str,
        protocols: &[&str],
    ) -> std::io::Result<TlsStream<TcpStream>> {
        self.secure_with(stream, name, protocols, rustls::ALL_VERSIONS).await
    }

    pub(crate) async fn secure_with(
        &self,
        stream: TcpStream,
        name: &str,
        protocols: &[&str],
        versions: &[&'static SupportedProtocolVersion],
    ) -> std::io::Result<TlsStream<TcpStream>> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(versions)
            .expect("they are supported")
            .with_root_certificates(self.roots.clone())
            .with_no_client_auth();
        config.alpn_protocols = protocols.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
        let name = ServerName::try_from(name.to_owned()).expect("a name");
        within(TlsConnector::from(Arc::new(config)).connect(name, stream)).await
    }

    /// A client that speaks HTTP/2.
    pub(crate) async fn http2<B>(&self, proxy: SocketAddr) -> hyper::client::conn::http2::SendRequest<B>
    where
        B: hyper::body::Body + Send + Unpin + 'static,
        B::Data: Send,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let stream = self.connect(proxy, "shop.test", &["h2"]).await;
        let io = TokioIo::new(stream);
        let (sender, connection) =
            within(hyper::client::conn::http2::handshake(TokioExecutor::new(), io)).await.expect("HTTP/2");
        tokio::spawn(connection);
        sender
    }
}

/// The certificate that the other side has shown.
pub(crate) fn shown(stream: &TlsStream<TcpStream>) -> CertificateDer<'static> {
    let shown = stream.get_ref().1.peer_certificates().expect("the handshake is over");
    shown[0].clone().into_owned()
}

/// The certificate in a file.
pub(crate) fn written(files: &CertificateFiles) -> CertificateDer<'static> {
    use rustls::pki_types::pem::PemObject;
    CertificateDer::from_pem_file(&files.cert_path).expect("it is a certificate")
}

pub(crate) fn write(path: &Path, text: &str, mode: u32) {
    // As those do who do it well: nobody sees half of a file.
    let next = path.with_extension("next");
    fs::write(&next, text).expect("it can be written");
    fs::set_permissions(&next, fs::Permissions::from_mode(mode)).expect("it is ours");
    fs::rename(&next, path).expect("it can be renamed");
}

pub(crate) fn another_key() -> String {
    KeyPair::generate().expect("a key").serialize_pem()
}
