//! The proxy's certificates follow their files and the config.

use std::sync::Arc;

use crate::event::Event;
use crate::proxy::TlsNews;
use crate::spec::Application;

use super::Shared;
use super::events::EventHub;

/// Writes down what became of certificates.
pub(super) fn record(events: &EventHub, news: &TlsNews) {
    events.record(match news.clone() {
        TlsNews::Loaded { names } => Event::CertificatesLoaded { names },
        TlsNews::Kept { error } => Event::CertificatesKept { error },
    });
}

/// Serves the certificates of a new config; their files are read whether they have changed or not. When they make no
/// sense those of the old config stay, and are still there when the config is read the next time.
pub(super) fn follow(shared: &Arc<Shared>, old: &Application, new: &Application) {
    // From HTTP to HTTPS and back is a new daemon's business: see `restart_needed`.
    let Some(tls) = new.proxy.tls.clone().filter(|_| old.proxy.tls.is_some()) else { return };
    let is_other = old.proxy.tls.as_ref() != Some(&tls);
    let shared = Arc::clone(shared);
    // The files may be on a disk that is slow: the conductor has other things to do.
    tokio::task::spawn_blocking(move || match shared.proxy.serve_certificates(tls) {
        Ok(names) if is_other => record(&shared.events, &TlsNews::Loaded { names }),
        Ok(_) => {}
        Err(error) => record(&shared.events, &TlsNews::Kept { error: error.to_string() }),
    });
}
