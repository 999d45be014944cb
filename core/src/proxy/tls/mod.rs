//! HTTPS: certificates out of files, chosen by name, taken over when the files change.
//!
//! ```text
//!   door ──▶ handshake ──▶ serve (HTTP/1.1), or http2 (by ALPN)
//!              │ accept
//!            front ◀── look: every 5 s, or follow: a new config
//!              │
//!            choose ◀── files
//! ```
//!
//! Nothing is installed in the process, and nothing of a key is ever shown.

mod error;

#[cfg(not(feature = "tls"))]
mod absent;
#[cfg(feature = "tls")]
mod choose;
#[cfg(feature = "tls")]
mod files;
#[cfg(feature = "tls")]
mod front;
#[cfg(feature = "tls")]
mod handshake;

use std::time::Duration;

#[cfg(not(feature = "tls"))]
pub(crate) use absent::{TlsFront, rehearse, serve_tls};
pub use error::TlsError;
#[cfg(feature = "tls")]
pub(crate) use front::{TlsFront, rehearse};
#[cfg(feature = "tls")]
pub(crate) use handshake::serve_tls;

/// How often the files of certificates are looked at.
pub(super) const LOOK_INTERVAL: Duration = Duration::from_secs(5);

/// What became of certificates whose files have changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TlsNews {
    /// New connections get what the files hold now.
    Loaded {
        /// The names that the certificates are for.
        names: Vec<String>,
    },
    /// What they hold makes no sense: what was served before goes on.
    Kept {
        /// What is wrong.
        error: String,
    },
}
