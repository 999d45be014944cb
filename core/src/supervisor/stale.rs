//! The socket that a process left behind when it ended.

use std::fs;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

use nix::errno::Errno;
use nix::sys::socket::{AddressFamily, SockFlag, SockType, UnixAddr, connect, socket};
use nix::unistd::Uid;

/// Makes room for a process that is about to bind `path`: a socket of ours at which nobody listens is removed. Anything
/// else stays; then the process says itself what is wrong. Asks the file system: for the blocking pool.
pub(super) fn make_room(path: &Path) {
    let is_ours = path
        .symlink_metadata()
        .is_ok_and(|found| found.file_type().is_socket() && found.uid() == Uid::effective().as_raw());
    if is_ours && is_refused(path) {
        let _it_says_so_itself = fs::remove_file(path);
    }
}

/// Whether the system says that nobody listens. Without waiting: a full queue means that somebody does.
fn is_refused(path: &Path) -> bool {
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let Ok(asking) = socket(AddressFamily::Unix, SockType::Stream, flags, None) else { return false };
    UnixAddr::new(path).is_ok_and(|address| connect(asking.as_raw_fd(), &address) == Err(Errno::ECONNREFUSED))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixListener;

    #[test]
    fn only_a_socket_that_nobody_listens_at_is_removed() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let path = |name: &str| directory.path().join(name);
        drop(UnixListener::bind(path("dead")).expect("the name is free"));
        let alive = UnixListener::bind(path("alive")).expect("the name is free");
        fs::write(path("file"), "").expect("it can be written");
        std::os::unix::fs::symlink("dead", path("link")).expect("the name is free");
        for name in ["link", "alive", "file", "nothing"] {
            make_room(&path(name));
        }
        assert!(path("dead").symlink_metadata().is_ok(), "links are not followed");
        make_room(&path("dead"));
        assert!(path("dead").symlink_metadata().is_err());
        for name in ["link", "alive", "file"] {
            assert!(path(name).symlink_metadata().is_ok(), "{name}");
        }
        drop(alive);
    }

    /// A process that accepts nothing, and a connect that waits for it, would have stopped every restart.
    #[test]
    fn a_full_queue_is_somebody() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let path = directory.path().join("full");
        let listening =
            socket(AddressFamily::Unix, SockType::Stream, SockFlag::empty(), None).expect("a socket");
        let address = UnixAddr::new(&path).expect("a short path");
        nix::sys::socket::bind(listening.as_raw_fd(), &address).expect("the name is free");
        let queue = nix::sys::socket::Backlog::new(0).expect("a small number");
        nix::sys::socket::listen(&listening, queue).expect("it is bound");
        let waiting: Vec<_> = (0..3)
            .map(|_| {
                let client = socket(AddressFamily::Unix, SockType::Stream, SockFlag::SOCK_NONBLOCK, None);
                let client = client.expect("a socket");
                let connected = connect(client.as_raw_fd(), &address);
                (client, connected)
            })
            .collect();
        assert!(waiting.iter().any(|(_, connected)| *connected == Err(Errno::EAGAIN)), "it is full");
        make_room(&path);
        assert!(path.symlink_metadata().is_ok());
    }
}
