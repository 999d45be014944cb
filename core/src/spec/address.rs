//! Where a process listens.

use std::fmt;
use std::path::{Path, PathBuf};

use super::PortRange;

/// Where a process listens, as it was leased for it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Address {
    /// At this port of `proxy.upstreamHost`.
    Port(u16),
    /// At this Unix socket.
    Socket(PathBuf),
}

/// What a process wants to listen at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ListenAt {
    /// At a port of this range.
    Port(PortRange),
    /// At a Unix socket.
    Socket,
}

impl Address {
    /// The port, if it is one.
    #[must_use]
    pub fn port(&self) -> Option<u16> {
        match self {
            Self::Port(port) => Some(*port),
            Self::Socket(_) => None,
        }
    }

    /// The path of the socket, if it is one.
    #[must_use]
    pub fn socket(&self) -> Option<&Path> {
        match self {
            Self::Port(_) => None,
            Self::Socket(path) => Some(path),
        }
    }
}

impl fmt::Display for Address {
    /// Such as `port 18182` or `socket /run/shop/rollcore-sockets-01234567/web.1`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Port(port) => write!(f, "port {port}"),
            Self::Socket(path) => write!(f, "socket {}", path.display()),
        }
    }
}
