//! Which certificate a client gets.

use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use crate::proxy::machine::Names;
use crate::spec::CertificateFiles;

use super::{TlsError, files};

/// All certificates.
#[derive(Debug)]
pub(super) struct Certificates {
    keys: Vec<Arc<CertifiedKey>>,
    by_name: Names,
    /// The names of each, in order.
    pub(super) names: Vec<Vec<String>>,
}

impl Certificates {
    /// Reads all of them.
    pub(super) fn load(files: &[CertificateFiles], provider: &CryptoProvider) -> Result<Self, TlsError> {
        if files.is_empty() {
            return Err(TlsError::NoCertificates);
        }
        let mut all = Self { keys: Vec::new(), by_name: Names::default(), names: Vec::new() };
        for files in files {
            let loaded = files::load(files, provider)?;
            loaded.names.iter().for_each(|name| all.by_name.add(name, all.keys.len()));
            all.keys.push(Arc::new(loaded.key));
            all.names.push(loaded.names);
        }
        Ok(all)
    }
}

impl ResolvesServerCert for Certificates {
    /// The first for the name that the client can verify, else the first for the name, else the first.
    fn resolve(&self, client: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let for_name: Vec<_> = client
            .server_name()
            .into_iter()
            .flat_map(|name| self.by_name.find(name).map(|number| &self.keys[number]))
            .collect();
        let can_verify =
            |key: &&&Arc<CertifiedKey>| key.key.choose_scheme(client.signature_schemes()).is_some();
        let chosen = for_name.iter().find(can_verify).or(for_name.first()).copied();
        chosen.or_else(|| self.keys.iter().find(|key| can_verify(&key))).or(self.keys.first()).cloned()
    }
}
