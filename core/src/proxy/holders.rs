//! Who holds a release that traffic has left.
//!
//! Nobody writes down who he is for every request: that would cost each of them, and hardly any is still there when
//! somebody wants to know. So a client is asked, and its own task answers the next time it runs, which is at once.

use std::net::SocketAddr;

use crate::time::Instant;

/// How many holders are shown at most: the oldest, because those are the ones somebody looks for.
pub const HOLDERS_MAX: usize = 32;

/// How much of a path is shown, in bytes; the rest is left out.
pub const HOLDER_PATH_BYTES_MAX: usize = 256;

/// A request or a tunnel that is open to a release.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// Whoever is connected: the client, or the front before it.
    pub peer: SocketAddr,
    /// What it is.
    pub kind: HolderKind,
    /// The method of its request.
    pub method: String,
    /// What was asked for, without the query, which may hold what is nobody's business. At most
    /// [`HOLDER_PATH_BYTES_MAX`] bytes.
    pub path: String,
    /// When the head of its request began to come.
    pub since: Instant,
    /// Bytes that have passed since, in both directions: content, without heads and framing; of a tunnel all of them.
    pub bytes: u64,
}

/// What holds a release.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HolderKind {
    /// A request that is being answered.
    Http,
    /// A stream of events (`text/event-stream`).
    Stream,
    /// A tunnel.
    WebSocket,
}

impl HolderKind {
    /// The word in status.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Stream => "stream",
            Self::WebSocket => "websocket",
        }
    }
}

/// A target without its query, and not too long.
pub(super) fn shown(target: &str) -> &str {
    let path = target.split(['?', '#']).next().unwrap_or_default();
    let end = (0..=HOLDER_PATH_BYTES_MAX.min(path.len())).rev().find(|end| path.is_char_boundary(*end));
    &path[..end.unwrap_or_default()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_shown_without_its_query_and_not_too_long() {
        for (target, path) in [("/", "/"), ("/a?b", "/a"), ("*", "*"), ("?", ""), ("/a#b?c", "/a"), ("", "")]
        {
            assert_eq!(shown(target), path, "{target}");
        }
        assert_eq!(shown(&"x".repeat(1000)).len(), HOLDER_PATH_BYTES_MAX);
        assert_eq!(shown(&"é".repeat(1000)).len(), HOLDER_PATH_BYTES_MAX);
        assert_eq!(shown(&format!("x{}", "é".repeat(1000))).len(), HOLDER_PATH_BYTES_MAX - 1);
    }
}
