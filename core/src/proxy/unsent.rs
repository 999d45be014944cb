//! What the system holds for clients that take nothing.
//!
//! Left to itself, Linux lets the socket of a client that has read fast, and then stops, hold up to 4 MiB
//! (`net.ipv4.tcp_wmem`); a thousand of those are more than all sockets of a machine may have together
//! (`net.ipv4.tcp_mem`), and then everybody waits. A smaller send buffer would be a limit for clients far away, too, whose
//! bytes are in it while they travel. TCP_NOTSENT_LOWAT (tcp(7)) bounds only what could not be sent.

use std::net::TcpListener;

use socket2::SockRef;

/// Bounds it for everybody who comes to this socket from now on: Linux hands it on to every accepted socket.
pub(super) fn bound(listener: &TcpListener, bytes: u32) {
    if let Err(error) = SockRef::from(listener).set_tcp_notsent_lowat(bytes) {
        // Everything works without it.
        tracing::warn!(%error, bytes, "what clients leave unread is not bounded");
    }
}
