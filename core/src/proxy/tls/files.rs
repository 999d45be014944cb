//! Certificates and keys, from their files.

use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use rustls::{Error, InconsistentKeys};
use webpki::EndEntityCert;

use crate::spec::CertificateFiles;

use super::TlsError;

/// A file with a chain of certificates has a few KiB.
const PEM_BYTES_MAX: u64 = 1024 * 1024;

/// How a file looks from outside: when this has changed, it is read again. `None` when it is not there.
pub(super) type Mark = Option<(u64, u64, u64, (i64, i64), (i64, i64))>;

/// How all files of these certificates look now.
pub(super) fn marks(certificates: &[CertificateFiles]) -> Vec<Mark> {
    let paths = certificates.iter().flat_map(|files| [&files.cert_path, &files.key_path]);
    paths.map(|path| std::fs::metadata(path).ok().map(|found| mark(&found))).collect()
}

fn mark(found: &Metadata) -> (u64, u64, u64, (i64, i64), (i64, i64)) {
    let (modified, changed) = ((found.mtime(), found.mtime_nsec()), (found.ctime(), found.ctime_nsec()));
    (found.dev(), found.ino(), found.size(), modified, changed)
}

/// A certificate with its key, and the names it is for.
pub(super) struct Loaded {
    pub(super) key: CertifiedKey,
    pub(super) names: Vec<String>,
}

/// Reads a certificate and its key, and makes sure that they belong together.
pub(super) fn load(files: &CertificateFiles, provider: &CryptoProvider) -> Result<Loaded, TlsError> {
    let CertificateFiles { cert_path, key_path } = files;
    let chain = chain(cert_path)?;
    let names = names(&chain[0]).map_err(|problem| useless(cert_path, problem))?;
    let key = key(key_path)?;
    let key = CertifiedKey::from_der(chain, key, provider).map_err(|error| match error {
        Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => {
            TlsError::Mismatch { cert: cert_path.clone(), key: key_path.clone() }
        }
        Error::InvalidCertificate(_) => useless(cert_path, error),
        error => useless(key_path, error),
    })?;
    Ok(Loaded { key, names })
}

fn chain(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let (text, _) = read(path)?;
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    match chain {
        Ok(chain) if chain.is_empty() => Err(not_pem(path, "certificate", &pem::Error::NoItemsFound)),
        Ok(chain) => Ok(chain),
        Err(error) => Err(not_pem(path, "certificate", &error)),
    }
}

fn key(path: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    let (text, found) = read(path)?;
    let mode = found.mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(TlsError::KeyExposed { path: path.to_owned(), mode });
    }
    PrivateKeyDer::from_pem_slice(&text).map_err(|error| not_pem(path, "private key", &error))
}

/// The names that a certificate is for, with their wildcards.
fn names(certificate: &CertificateDer<'_>) -> Result<Vec<String>, webpki::Error> {
    let certificate = EndEntityCert::try_from(certificate)?;
    Ok(certificate.valid_dns_names().map(str::to_owned).collect())
}

fn read(path: &Path) -> Result<(Vec<u8>, Metadata), TlsError> {
    let unreadable = |source| TlsError::Unreadable { path: path.to_owned(), source };
    // A named pipe must not make us wait for whoever writes into it.
    let file = File::options().read(true).custom_flags(libc::O_NONBLOCK).open(path).map_err(unreadable)?;
    let found = file.metadata().map_err(unreadable)?;
    if !found.is_file() {
        return Err(unreadable(io::Error::other("it is no file")));
    }
    let mut text = Vec::new();
    file.take(PEM_BYTES_MAX + 1).read_to_end(&mut text).map_err(unreadable)?;
    if text.len() as u64 > PEM_BYTES_MAX {
        return Err(unreadable(io::Error::other(format!("it is larger than {PEM_BYTES_MAX} bytes"))));
    }
    Ok((text, found))
}

/// In words that hold nothing of the file: a damaged key stays a secret.
fn not_pem(path: &Path, what: &'static str, error: &pem::Error) -> TlsError {
    let problem = match error {
        pem::Error::NoItemsFound => "there is no such PEM section",
        pem::Error::MissingSectionEnd { .. } => "a PEM section does not end",
        pem::Error::IllegalSectionStart { .. } => "a PEM section does not begin properly",
        pem::Error::Base64Decode(_) => "a PEM section is damaged",
        _ => "it cannot be read",
    };
    TlsError::NotPem { path: path.to_owned(), what, problem: problem.to_owned() }
}

fn useless(path: &Path, problem: impl std::fmt::Display) -> TlsError {
    TlsError::Useless { path: path.to_owned(), problem: problem.to_string() }
}
