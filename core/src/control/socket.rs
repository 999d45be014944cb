//! The file that clients connect to: private before it is connectable, and never somebody else's.
//!
//! The order is socket, bind, chown, chmod, listen: until `listen` every connect is refused by the system, so no one
//! gets in before the permissions are right, whatever the umask. A socket that nobody answers any more is replaced;
//! everything else at that path is left as it is.

use std::fs::{File, Metadata};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::os::unix::net::UnixListener as StdListener;
use std::path::Path;
use std::time::Duration;

use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, AtFlags, Flock, FlockArg};
use nix::sys::socket::{AddressFamily, Backlog, GetSockOpt, SockFlag, SockType, UnixAddr, sockopt};
use nix::sys::stat::{FchmodatFlags, Mode};
use nix::unistd::{Gid, Uid};
use tokio::net::UnixListener;

use super::bind_error::ControlBindError;
use super::client::{ControlClient, ControlError};
use super::file::SocketFile;
use super::{errno, owner};
use crate::spec::ControlSpec;

/// How long a socket that is already there may take to answer `status` (C-154). Longer means: somebody is there.
pub const PROBE_TIMEOUT: Duration = Duration::from_secs(1);

/// Permissions when `control.mode` is unset: only the owner may connect.
const MODE_DEFAULT: u32 = 0o600;

/// How many clients may wait to be accepted; the next one is told to try again.
const BACKLOG: i32 = 128;

/// How often a dead socket is removed before we give up: somebody keeps putting one there.
const ATTEMPTS_MAX: u32 = 3;

/// How long to wait for another daemon that is binding in the same directory. After that we go on without the lock.
const LOCK_TIMEOUT: Duration = Duration::from_secs(3);

/// Binds the socket of `spec`; from the moment it returns, clients can connect.
pub(super) async fn bind(spec: &ControlSpec) -> Result<(UnixListener, SocketFile), ControlBindError> {
    let rights = Rights::of(spec)?;
    let address = address(&spec.path)?;
    let lock = lock_directory(&spec.path).await;
    for _ in 0..ATTEMPTS_MAX {
        let socket = private_socket().map_err(|error| system(&spec.path, error))?;
        match nix::sys::socket::bind(socket.as_raw_fd(), &address) {
            Ok(()) => return open(socket, &spec.path, &rights),
            Err(Errno::EADDRINUSE) => make_room(&spec.path, &rights).await?,
            Err(error) => return Err(system(&spec.path, error)),
        }
    }
    drop(lock);
    Err(system(&spec.path, Errno::EADDRINUSE))
}

/// Goes on with a listening socket whose file is at the path of `spec`.
pub(super) fn adopt(
    spec: &ControlSpec,
    listener: StdListener,
) -> Result<(UnixListener, SocketFile), ControlBindError> {
    let path = spec.path.as_path();
    let refused = |error: io::Error| system(path, errno_of(&error));
    let rights = Rights::of(spec)?;
    let listens = sockopt::AcceptConn.get(&listener).map_err(|error| system(path, error))?;
    let is_there = listener.local_addr().map_err(refused)?.as_pathname() == Some(path);
    if !listens || !is_there {
        return Err(system(path, Errno::ENOTSOCK));
    }
    give(path, &rights)?;
    listener.set_nonblocking(true).map_err(refused)?;
    // Listening anew makes us the one whom clients see at the other end (`SO_PEERCRED`).
    let listener = listening(listener.into()).map_err(refused)?;
    Ok((listener, SocketFile::at(path)))
}

/// Who may connect.
struct Rights {
    mode: Mode,
    owner: Option<Uid>,
    group: Option<Gid>,
}

impl Rights {
    fn of(spec: &ControlSpec) -> Result<Self, ControlBindError> {
        Ok(Self {
            mode: Mode::from_bits_truncate(spec.mode.unwrap_or(MODE_DEFAULT)),
            owner: spec.owner.as_ref().map(owner::user).transpose()?,
            group: spec.group.as_ref().map(owner::group).transpose()?,
        })
    }

    /// Whether a socket that `uid` owns may be one that we left behind.
    fn made_by(&self, uid: u32) -> bool {
        let uid = Uid::from_raw(uid);
        uid == Uid::effective() || self.owner == Some(uid)
    }
}

fn address(path: &Path) -> Result<UnixAddr, ControlBindError> {
    UnixAddr::new(path).map_err(|error| match error {
        Errno::ENAMETOOLONG => {
            ControlBindError::PathTooLong { path: path.to_owned(), bytes: path.as_os_str().len() }
        }
        error => system(path, error),
    })
}

/// A socket whose file will be born with permissions for nobody but us: Linux takes them from the descriptor.
fn private_socket() -> Result<OwnedFd, Errno> {
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let socket = nix::sys::socket::socket(AddressFamily::Unix, SockType::Stream, flags, None)?;
    nix::sys::stat::fchmod(&socket, Mode::S_IRUSR | Mode::S_IWUSR)?;
    Ok(socket)
}

/// Sets the permissions, then lets clients in. A file that gets no further than this is removed again.
fn open(
    socket: OwnedFd,
    path: &Path,
    rights: &Rights,
) -> Result<(UnixListener, SocketFile), ControlBindError> {
    let file = SocketFile::at(path);
    give(path, rights)?;
    let listener = listening(socket).map_err(|error| system(path, errno_of(&error)))?;
    Ok((listener, file))
}

fn give(path: &Path, rights: &Rights) -> Result<(), ControlBindError> {
    if rights.owner.is_some() || rights.group.is_some() {
        let flag = AtFlags::AT_SYMLINK_NOFOLLOW;
        nix::unistd::fchownat(AT_FDCWD, path, rights.owner, rights.group, flag).map_err(|error| {
            ControlBindError::NotGiven { path: path.to_owned(), reason: errno::text(error) }
        })?;
    }
    nix::sys::stat::fchmodat(AT_FDCWD, path, rights.mode, FchmodatFlags::NoFollowSymlink)
        .map_err(|error| system(path, error))
}

fn listening(socket: OwnedFd) -> io::Result<UnixListener> {
    nix::sys::socket::listen(&socket, Backlog::new(BACKLOG)?)?;
    UnixListener::from_std(socket.into())
}

/// Removes a dead socket of ours; refuses everything else.
async fn make_room(path: &Path, rights: &Rights) -> Result<(), ControlBindError> {
    let found = match path.symlink_metadata() {
        Ok(found) => found,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(system(path, errno_of(&error))),
    };
    if !found.file_type().is_socket() {
        return Err(not_ours(path, describe(&found)));
    }
    if is_alive(path).await? {
        return Err(ControlBindError::InUse { path: path.to_owned() });
    }
    if !rights.made_by(found.uid()) {
        return Err(not_ours(path, format!("a socket of user {}", found.uid())));
    }
    SocketFile::found(path, &found).remove().map_err(|error| system(path, errno_of(&error)))
}

/// Asks whoever listens there. A daemon that answers is an error with its name.
async fn is_alive(path: &Path) -> Result<bool, ControlBindError> {
    let answer = tokio::time::timeout(PROBE_TIMEOUT, async {
        let mut client = ControlClient::connect_unchecked(path).await?;
        client.request(&serde_json::json!({"command": "status"}), PROBE_TIMEOUT).await
    });
    match answer.await {
        Ok(Err(error)) if is_dead(&error) => Ok(false),
        Ok(Ok(status)) => match status.get("application").and_then(serde_json::Value::as_str) {
            Some(application) => Err(ControlBindError::AlreadyRunning {
                path: path.to_owned(),
                application: application.to_owned(),
                active_release: status
                    .get("activeReleaseId")
                    .and_then(serde_json::Value::as_str)
                    .map(str::to_owned),
            }),
            None => Ok(true),
        },
        Ok(Err(_)) | Err(_) => Ok(true),
    }
}

fn is_dead(error: &ControlError) -> bool {
    let ControlError::Connect { source, .. } = error else { return false };
    matches!(source.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused)
}

pub(super) fn describe(found: &Metadata) -> String {
    let kind = found.file_type();
    match () {
        () if kind.is_symlink() => "a symbolic link",
        () if kind.is_dir() => "a directory",
        () if kind.is_file() => "a regular file",
        () => "something that is not a socket",
    }
    .to_owned()
}

fn not_ours(path: &Path, what: String) -> ControlBindError {
    ControlBindError::NotOurs { path: path.to_owned(), what }
}

fn system(path: &Path, error: Errno) -> ControlBindError {
    ControlBindError::System { path: path.to_owned(), reason: errno::text(error) }
}

fn errno_of(error: &io::Error) -> Errno {
    Errno::from_raw(error.raw_os_error().unwrap_or_default())
}

/// Two daemons that start at once must not take each other's fresh socket for a dead one. The lock is on the
/// directory, so that no file stays behind; where it cannot be had (a directory that cannot be read, a file system
/// without locks, somebody who holds it for ever) we go on without.
async fn lock_directory(path: &Path) -> Option<Flock<File>> {
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut file = File::open(directory).ok()?;
    let waiting = async {
        loop {
            match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
                Ok(lock) => return Some(lock),
                Err((back, Errno::EWOULDBLOCK)) => file = back,
                Err(_) => return None,
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(LOCK_TIMEOUT, waiting).await.ok().flatten()
}
