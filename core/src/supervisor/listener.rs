//! Whether it is a process itself that listens where it should, and who does if not.

use std::collections::BTreeSet;
use std::fs;
use std::io::ErrorKind;
use std::net::ToSocketAddrs;
use std::path::Path;

use crate::id::Pid;

use super::group::{Group, every_process};
use super::memory::name;
use super::sockets::{inode_of_link, listening, listening_at, reached};

/// Programs that listen for somebody else: what runs in a container or another network is reached through them.
const FORWARDERS: [&str; 8] = [
    "docker-proxy",
    "dockerd",
    "rootlessport",
    "rootlesskit",
    "slirp4netns",
    "pasta",
    "conmon",
    "containerd-shim",
];

/// Who listens where a process should.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Listens {
    /// The process, or something that it started.
    Yes,
    /// Somebody else.
    No {
        /// Who.
        holder: Pid,
        /// The kernel's name of what it runs.
        command: String,
    },
    /// That cannot be seen: the process is not running, nobody listens in this network, who does belongs to another
    /// user or listens for a container, or there is no `/proc`.
    Unknown,
}

/// Looks once. For the blocking pool.
pub(super) fn look(group: &Group, inodes: &BTreeSet<u64>) -> Listens {
    let members = group.members();
    if inodes.is_empty() || members.is_empty() {
        return Listens::Unknown;
    }
    let mut is_blind = false;
    for &pid in members.keys() {
        match holds(pid, inodes) {
            Some(true) => return Listens::Yes,
            Some(false) => is_blind |= is_elsewhere(pid),
            None => is_blind = true,
        }
    }
    if is_blind {
        return Listens::Unknown;
    }
    let strangers = every_process().into_keys().filter(|pid| !members.contains_key(pid));
    let holders: Vec<_> =
        strangers.filter(|pid| holds(*pid, inodes) == Some(true)).filter_map(named).collect();
    if holders.iter().any(|(_, command)| FORWARDERS.contains(&command.as_str())) {
        return Listens::Unknown;
    }
    match holders.into_iter().next() {
        Some((holder, command)) => Listens::No { holder, command },
        None => Listens::Unknown,
    }
}

/// The sockets that listen at a port, by their inodes.
pub(super) fn at_port(host: &str, port: u16) -> BTreeSet<u64> {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let addresses = (host, port).to_socket_addrs().into_iter().flatten();
    let texts = ["/proc/net/tcp", "/proc/net/tcp6"].map(|file| fs::read_to_string(file).unwrap_or_default());
    let all: Vec<_> = texts.iter().flat_map(|text| listening(text)).collect();
    addresses.flat_map(|address| reached(&all, address.ip(), port)).collect()
}

/// The sockets that listen at a path.
pub(super) fn at_socket(path: &Path) -> BTreeSet<u64> {
    let text = fs::read("/proc/net/unix").unwrap_or_default();
    listening_at(&String::from_utf8_lossy(&text), path).collect()
}

/// Whether a process has one of these sockets open; `None` when that may not be seen.
fn holds(pid: u32, inodes: &BTreeSet<u64>) -> Option<bool> {
    let descriptors = match fs::read_dir(format!("/proc/{pid}/fd")) {
        Ok(descriptors) => descriptors,
        Err(error) if error.kind() == ErrorKind::PermissionDenied => return None,
        Err(_) => return Some(false),
    };
    let is_one = |descriptor: fs::DirEntry| {
        let link = fs::read_link(descriptor.path()).ok()?;
        inode_of_link(link.to_str()?).map(|inode| inodes.contains(&inode))
    };
    Some(descriptors.flatten().filter_map(is_one).any(|is_one| is_one))
}

/// Whether a process has another network than this one: what listens there is not in our tables.
fn is_elsewhere(pid: u32) -> bool {
    let network = |of: &str| fs::read_link(format!("/proc/{of}/ns/net")).ok();
    match (network(&pid.to_string()), network("self")) {
        (Some(its), Some(ours)) => its != ours,
        _ => true,
    }
}

fn named(pid: u32) -> Option<(Pid, String)> {
    let status = fs::read(format!("/proc/{pid}/status")).ok()?;
    Some((Pid::new(pid)?, name(&status)?))
}
