//! The certificates that are served, and the eye on their files.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use arc_swap::ArcSwap;
use rustls::ServerConfig;
use rustls::crypto::{CryptoProvider, ring};

use crate::proxy::clients::lock;
use crate::proxy::machine::Watch;
use crate::proxy::options::TlsObserver;
use crate::spec::TlsSpec;

use super::choose::Certificates;
use super::files::{Mark, marks};
use super::{TlsError, TlsNews};

/// HTTPS at one proxy.
pub(crate) struct TlsFront {
    served: ArcSwap<Served>,
    /// Held while files are read, so that one is never overtaken by what was read before it.
    watch: Mutex<Watch<Vec<Mark>>>,
    provider: Arc<CryptoProvider>,
    observer: TlsObserver,
    watched: AtomicBool,
}

/// What new connections get.
pub(crate) struct Served {
    pub(super) config: Arc<ServerConfig>,
    pub(super) spec: TlsSpec,
}

impl TlsFront {
    /// Reads the certificates of `spec`.
    pub(crate) fn load(spec: TlsSpec, observer: TlsObserver) -> Result<Self, TlsError> {
        let provider = Arc::new(ring::default_provider());
        let seen = marks(&spec.certificates);
        let (config, _) = configure(&spec, &provider)?;
        Ok(Self {
            served: ArcSwap::from_pointee(Served { config, spec }),
            watch: Mutex::new(Watch::new(seen)),
            provider,
            observer,
            watched: AtomicBool::new(false),
        })
    }

    /// What a new connection gets.
    pub(super) fn served(&self) -> Arc<Served> {
        self.served.load_full()
    }

    /// Whether the caller is the one who is to [look](Self::look) from now on.
    pub(crate) fn begin_watch(&self) -> bool {
        !self.watched.swap(true, Ordering::Relaxed)
    }

    /// Looks whether the files have changed, and takes them over if so. Tells who wants to know.
    pub(crate) fn look(&self) {
        let mut watch = lock(&self.watch);
        let spec = self.served.load().spec.clone();
        let seen = marks(&spec.certificates);
        if !watch.is_new(&seen) {
            return;
        }
        match self.take(spec) {
            Ok(names) => {
                watch.taken(seen);
                self.observer.tell(&TlsNews::Loaded { names });
            }
            Err(error) if watch.failed(seen) => {
                self.observer.tell(&TlsNews::Kept { error: error.to_string() });
            }
            Err(_) => {}
        }
    }

    /// Reads the files of `spec` whether they have changed or not. New connections get them from now on; when they make
    /// no sense, everything stays as it is.
    pub(crate) fn follow(&self, spec: TlsSpec) -> Result<Vec<String>, TlsError> {
        let mut watch = lock(&self.watch);
        let seen = marks(&spec.certificates);
        let names = self.take(spec)?;
        watch.taken(seen);
        Ok(names)
    }

    /// What is configured.
    pub(crate) fn spec(&self) -> TlsSpec {
        self.served.load().spec.clone()
    }

    fn take(&self, spec: TlsSpec) -> Result<Vec<String>, TlsError> {
        let (config, names) = configure(&spec, &self.provider)?;
        self.served.store(Arc::new(Served { config, spec }));
        Ok(names)
    }
}

/// The names of the certificates of `spec`, which are read as if they were to be served.
pub(crate) fn rehearse(spec: &TlsSpec) -> Result<Vec<String>, TlsError> {
    configure(spec, &Arc::new(ring::default_provider())).map(|(_, names)| names)
}

fn configure(
    spec: &TlsSpec,
    provider: &Arc<CryptoProvider>,
) -> Result<(Arc<ServerConfig>, Vec<String>), TlsError> {
    let refused = |error: rustls::Error| TlsError::Refused { problem: error.to_string() };
    let certificates = Certificates::load(&spec.certificates, provider)?;
    let names = certificates.names.concat();
    let mut config = ServerConfig::builder_with_provider(Arc::clone(provider))
        .with_safe_default_protocol_versions()
        .map_err(refused)?
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(certificates));
    // Keys of tickets change on their own, and with every reload. No early data: see `TlsSpec`.
    config.ticketer = ring::Ticketer::new().map_err(refused)?;
    config.alpn_protocols = match spec.http2 {
        Some(_) => vec![b"h2".to_vec(), b"http/1.1".to_vec()],
        None => vec![b"http/1.1".to_vec()],
    };
    Ok((Arc::new(config), names))
}
