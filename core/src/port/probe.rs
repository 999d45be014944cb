//! Tries whether a port can be bound, the way the processes will bind it.

use std::io;
use std::net::{IpAddr, TcpListener};

use nix::errno::Errno;

use super::machine::Probe;

/// The addresses of `host`, which may be a name, an address, or an IPv6 address in brackets. Empty when there is no such
/// name.
pub(super) async fn resolve(host: &str) -> Vec<IpAddr> {
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    let Ok(addresses) = tokio::net::lookup_host((bare, 0)).await else { return Vec::new() };
    let mut addresses: Vec<IpAddr> = addresses.map(|address| address.ip()).collect();
    addresses.dedup();
    addresses
}

/// Listens on the port and stops at once.
///
/// Listening, not only binding: with `SO_REUSEADDR`, which this, Node, tokio and most servers set, two may bind
/// the same port as long as none listens. The option is also why connections of a former owner that are still in
/// TIME_WAIT do not matter.
pub(super) fn probe(address: IpAddr, port: u16) -> Probe {
    match TcpListener::bind((address, port)) {
        Ok(_closed_again) => Probe::Free,
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => Probe::InUse,
        Err(error) => Probe::Denied(code(&error)),
    }
}

/// The name of an error number, such as `EACCES`.
pub(super) fn code(error: &io::Error) -> &'static str {
    match error.raw_os_error().map(Errno::from_raw) {
        Some(Errno::EACCES) => "EACCES",
        Some(Errno::EPERM) => "EPERM",
        Some(Errno::EADDRINUSE) => "EADDRINUSE",
        Some(Errno::EADDRNOTAVAIL) => "EADDRNOTAVAIL",
        Some(Errno::EAFNOSUPPORT) => "EAFNOSUPPORT",
        Some(Errno::EINVAL) => "EINVAL",
        Some(Errno::EMFILE) => "EMFILE",
        Some(Errno::ENFILE) => "ENFILE",
        Some(Errno::ENOBUFS) => "ENOBUFS",
        Some(Errno::ENOMEM) => "ENOMEM",
        _ => "UNKNOWN",
    }
}
