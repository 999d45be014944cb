//! HTTPS at the proxy: which certificates, and what their clients may do.

use std::path::PathBuf;
use std::time::Duration;

/// HTTPS at the proxy. Its port then speaks TLS only; a plain request is answered with 400.
///
/// TLS 1.2 and 1.3, never with early data: a request in it could be played again by others. The files are looked at every
/// 5 s, and when they have changed, new connections get what they hold now; a change that makes no sense is told, and
/// what was served before goes on.
///
/// ```
/// use rollcore::{CertificateFiles, TlsSpec};
/// let tls = TlsSpec::new(CertificateFiles::new("/etc/shop/fullchain.pem", "/etc/shop/key.pem"));
/// assert_eq!(tls.handshake_timeout.as_secs(), 10);
/// assert_eq!(tls.http2.map(|limits| limits.streams_max), Some(100));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsSpec {
    /// The certificates; at least one. A client gets the first that is for the name it asks for, and that it can verify;
    /// one that asks for another name, or for none, gets the first of all.
    pub certificates: Vec<CertificateFiles>,
    /// How long a client may take for the handshake; then its connection is closed. Default 10 s: a few round trips on
    /// the worst of lines.
    pub handshake_timeout: Duration,
    /// What clients that speak HTTP/2 may do. `None`: nobody is offered HTTP/2. Default: everybody is.
    pub http2: Option<Http2Limits>,
}

/// Where a certificate and its key are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateFiles {
    /// A PEM file with the certificate, followed by those that it is signed with. The names in it are what it is for.
    pub cert_path: PathBuf,
    /// A PEM file with the key. Nobody but its owner may read or write it.
    pub key_path: PathBuf,
}

/// What a client that speaks HTTP/2 may do (RFC 9113).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Http2Limits {
    /// How many requests may be under way on one connection; more are refused, and the client may send them again.
    /// Default 100 (RFC 9113 §6.5.2 asks for no less).
    pub streams_max: u32,
    /// How many requests a client may take back before they were looked at; then its connection is closed. Default 20.
    pub resets_max: u32,
    /// How many bytes of one request's body may wait to be passed on; the client waits with the rest. Default 256 KiB.
    pub stream_window_bytes: u32,
    /// How many bytes of all bodies of one connection may wait so. Default 1 MiB.
    pub connection_window_bytes: u32,
    /// How often a client is asked whether it is there. Default 20 s.
    pub ping_interval: Duration,
    /// How long it may take to say so; then its connection is closed. Default 20 s.
    pub ping_timeout: Duration,
}

impl TlsSpec {
    /// This certificate, and every default.
    #[must_use]
    pub fn new(certificate: CertificateFiles) -> Self {
        Self {
            certificates: vec![certificate],
            handshake_timeout: Duration::from_secs(10),
            http2: Some(Http2Limits::default()),
        }
    }
}

impl CertificateFiles {
    /// A certificate and its key.
    #[must_use]
    pub fn new(cert_path: impl Into<PathBuf>, key_path: impl Into<PathBuf>) -> Self {
        Self { cert_path: cert_path.into(), key_path: key_path.into() }
    }
}

impl Default for Http2Limits {
    fn default() -> Self {
        Self {
            streams_max: 100,
            resets_max: 20,
            stream_window_bytes: 256 * 1024,
            connection_window_bytes: 1024 * 1024,
            ping_interval: Duration::from_secs(20),
            ping_timeout: Duration::from_secs(20),
        }
    }
}
