//! What can go wrong: binding, and the application.

use std::io;

use nix::errno::Errno;

use crate::id::Generation;

use super::TlsError;

/// The address cannot be listened on (compat C-158).
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// Somebody else listens there.
    #[error("listen EADDRINUSE: address already in use {host}:{port}")]
    InUse {
        /// The address asked for.
        host: String,
        /// The port asked for.
        port: u16,
    },
    /// Not ours to take, such as a port below 1024.
    #[error("listen EACCES: permission denied {host}:{port}")]
    Denied {
        /// The address asked for.
        host: String,
        /// The port asked for.
        port: u16,
    },
    /// The name has no address.
    #[error("getaddrinfo ENOTFOUND {host}")]
    UnknownHost {
        /// The name asked for.
        host: String,
        /// What the resolver said.
        source: io::Error,
    },
    /// Anything else that the operating system says, such as an address that is not of this machine.
    #[error("listen {name}: cannot listen on {host}:{port}", name = errno_name(source))]
    Other {
        /// The address asked for.
        host: String,
        /// The port asked for.
        port: u16,
        /// What the operating system said.
        source: io::Error,
    },
    /// A socket that was handed over is not the one that was expected.
    #[error("the socket that was handed over is not the one of {host}:{port}: {found}")]
    NotOurs {
        /// The address expected.
        host: String,
        /// The port expected.
        port: u16,
        /// What it is instead.
        found: String,
    },
    /// The certificates cannot be served.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The threads could not be started.
    #[error("cannot start the proxy's threads")]
    Threads(#[source] io::Error),
}

impl BindError {
    /// A stable name for programs.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::InUse { .. } => "proxy_address_in_use",
            Self::Denied { .. } => "proxy_address_denied",
            Self::UnknownHost { .. } => "proxy_unknown_host",
            Self::Other { .. } => "proxy_bind_failed",
            Self::NotOurs { .. } => "proxy_socket_not_ours",
            Self::Tls(error) => error.code(),
            Self::Threads(_) => "proxy_threads_failed",
        }
    }

    pub(super) fn new(host: &str, port: u16, source: io::Error) -> Self {
        let host = host.to_owned();
        match source.kind() {
            io::ErrorKind::AddrInUse => Self::InUse { host, port },
            io::ErrorKind::PermissionDenied => Self::Denied { host, port },
            _ => Self::Other { host, port, source },
        }
    }
}

/// An application failed a request (compat C-91, C-92). Displays as `connect ECONNREFUSED 127.0.0.1:27200` or
/// `socket hang up`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct UpstreamError {
    /// The release that the request belonged to.
    pub generation: Generation,
    /// What happened.
    pub message: String,
    /// Whether the client already had the head of the answer. If so its connection was cut, otherwise it got a 502.
    pub head_sent: bool,
}

/// `ECONNREFUSED`, or the kind of error when the operating system gave no number.
pub(super) fn errno_name(error: &io::Error) -> String {
    match error.raw_os_error() {
        Some(number) => format!("{:?}", Errno::from_raw(number)),
        None if error.kind() == io::ErrorKind::TimedOut => "ETIMEDOUT".to_owned(),
        None => error.kind().to_string(),
    }
}
