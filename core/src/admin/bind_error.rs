//! Why the numbers cannot be told.

use std::io;

/// Why the address for the numbers could not be listened on.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {host}:{port} for metrics (proxy.admin): {source}")]
pub struct AdminBindError {
    /// The address, as configured.
    pub host: String,
    /// The port, as configured.
    pub port: u16,
    /// What the system said.
    pub source: io::Error,
}
