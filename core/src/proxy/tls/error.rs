//! What can be wrong with a certificate, its key, or the files they are in.

use std::io;
use std::path::PathBuf;

/// Certificates cannot be served. Nothing of a key is in it.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// This library was built without the feature `tls`.
    #[error("TLS is not built in: build rollcore with its feature \"tls\"")]
    NotBuilt,
    /// There is no certificate to serve.
    #[error("TLS needs a certificate, and none is configured")]
    NoCertificates,
    /// A file cannot be read.
    #[error("cannot read {path}: {source}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// A key that others may read or write.
    #[error(
        "the key {path} can be read or written by others than its owner (mode {mode:04o}): run chmod 600 {path}"
    )]
    KeyExposed {
        /// The file.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// A file that holds no PEM section of the kind that is looked for, or one that is damaged.
    #[error("{path} holds no {what}: {problem}")]
    NotPem {
        /// The file.
        path: PathBuf,
        /// What was looked for.
        what: &'static str,
        /// What is there instead.
        problem: String,
    },
    /// A certificate that is none, or a key of a kind that is not known.
    #[error("{path} is of no use: {problem}")]
    Useless {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// The key is the one of another certificate.
    #[error("the key {key} is not the one of the certificate {cert}")]
    Mismatch {
        /// The certificate's file.
        cert: PathBuf,
        /// The key's file.
        key: PathBuf,
    },
    /// The cryptography refused.
    #[error("TLS cannot be set up: {problem}")]
    Refused {
        /// In its words.
        problem: String,
    },
}

impl TlsError {
    /// A stable name for programs.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotBuilt => "tls_not_built",
            Self::NoCertificates => "tls_no_certificates",
            Self::Unreadable { .. } => "tls_file_unreadable",
            Self::KeyExposed { .. } => "tls_key_exposed",
            Self::NotPem { .. } => "tls_not_pem",
            Self::Useless { .. } => "tls_certificate_useless",
            Self::Mismatch { .. } => "tls_key_mismatch",
            Self::Refused { .. } => "tls_refused",
        }
    }
}
