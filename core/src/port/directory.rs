//! A directory that nobody else can enter, for the sockets of one allocator; and what killed programs left of theirs.
//!
//! It is private before anything is made in it, so that no socket in it can be connected to by another user, whatever mask
//! its process has. A lock says that its program lives: the kernel lets go of it however the program ends. The same lock
//! keeps cleaners of old files away (tmpfiles.d(5), "Age").

use std::fs::{self, DirBuilder, File, Permissions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg, OFlag, open};
use nix::sys::stat::Mode;
use nix::unistd::Uid;

use crate::spec::{is_socket_directory, socket_directory};

use super::SocketLeaseError;

/// How many names are tried before there is none: somebody keeps taking them.
const NAMES_TRIED_MAX: u32 = 32;

/// A directory of ours. When it is dropped its sockets are removed, and so is it if nothing else is in it.
#[derive(Debug)]
pub(super) struct PrivateDirectory {
    path: PathBuf,
    /// Where the file system has locks.
    _lock: Option<Flock<File>>,
}

impl PrivateDirectory {
    /// Makes one in `home`, which is absolute. Asks the file system: for the blocking pool.
    pub(super) fn make(home: &Path) -> Result<Self, SocketLeaseError> {
        let failed = |source| SocketLeaseError::NoDirectory { home: home.to_owned(), source };
        check_home(home)?;
        for _ in 0..NAMES_TRIED_MAX {
            let path = home.join(socket_directory(fastrand::u32(..)));
            match DirBuilder::new().mode(0o700).create(&path) {
                Ok(()) => {}
                Err(error) if error.kind() == ErrorKind::AlreadyExists => continue,
                Err(error) => return Err(failed(error)),
            }
            match take(&path) {
                Ok(Taken::Ours(lock)) => return Ok(Self { path, _lock: lock }),
                // Somebody who cleans up was quicker.
                Ok(Taken::SomebodyElses) => {}
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => return Err(failed(error)),
            }
        }
        Err(failed(ErrorKind::AlreadyExists.into()))
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Whether nobody has removed it.
    pub(super) fn is_there(&self) -> bool {
        self.path.symlink_metadata().is_ok_and(|found| is_private(&found))
    }
}

impl Drop for PrivateDirectory {
    fn drop(&mut self) {
        clear(&self.path);
    }
}

/// Removes what programs that are gone have left in `home`; returns how many directories. Asks the file system: for the
/// blocking pool.
pub(super) fn sweep(home: &Path) -> usize {
    let entries = fs::read_dir(home).into_iter().flatten().flatten();
    let named = entries.filter(|entry| entry.file_name().to_str().is_some_and(is_socket_directory));
    named.filter(|entry| remove_if_dead(&entry.path())).count()
}

fn remove_if_dead(path: &Path) -> bool {
    // Without a lock nobody can say whether its program lives.
    let is_dead = matches!(take(path), Ok(Taken::Ours(Some(_))));
    is_dead && clear(path)
}

/// Sockets only: whatever else is there is somebody's who may still want it.
fn clear(path: &Path) -> bool {
    for entry in fs::read_dir(path).into_iter().flatten().flatten() {
        remove_socket(&entry.path());
    }
    let removed = fs::remove_dir(path);
    if let Err(error) = &removed {
        tracing::debug!(%error, path = %path.display(), "a directory of sockets was not removed");
    }
    removed.is_ok()
}

/// Removes what is at `path` if it is a socket of ours.
pub(super) fn remove_socket(path: &Path) {
    let is_ours = path
        .symlink_metadata()
        .is_ok_and(|found| found.file_type().is_socket() && found.uid() == Uid::effective().as_raw());
    if is_ours && let Err(error) = fs::remove_file(path) {
        tracing::debug!(%error, path = %path.display(), "a socket was not removed");
    }
}

enum Taken {
    /// It is ours and nobody else has it.
    Ours(Option<Flock<File>>),
    SomebodyElses,
}

/// Locks a directory without following a link to another place.
fn take(path: &Path) -> io::Result<Taken> {
    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    let directory = File::from(open(path, flags, Mode::empty())?);
    let opened = directory.metadata()?;
    if !is_private(&opened) {
        return Ok(Taken::SomebodyElses);
    }
    if opened.mode() & 0o700 != 0o700 {
        // A strange mask took rights away from us, too.
        directory.set_permissions(Permissions::from_mode(0o700))?;
    }
    let lock = match Flock::lock(directory, FlockArg::LockExclusiveNonblock) {
        Ok(lock) => Some(lock),
        Err((_, Errno::EWOULDBLOCK)) => return Ok(Taken::SomebodyElses),
        Err(_) => None,
    };
    // Between the opening and the lock it may have been removed, and the name given to another one.
    let found = path.symlink_metadata()?;
    let is_same = (found.dev(), found.ino()) == (opened.dev(), opened.ino());
    Ok(if is_same { Taken::Ours(lock) } else { Taken::SomebodyElses })
}

fn is_private(found: &fs::Metadata) -> bool {
    found.is_dir() && found.uid() == Uid::effective().as_raw() && found.mode() & 0o077 == 0
}

/// Where everybody may rename what is there, nothing is private.
fn check_home(home: &Path) -> Result<(), SocketLeaseError> {
    let found = fs::metadata(home)
        .map_err(|source| SocketLeaseError::NoDirectory { home: home.to_owned(), source })?;
    let mode = found.mode() & 0o7777;
    let (is_everybodys, is_sticky) = (mode & 0o002 != 0, mode & 0o1000 != 0);
    match is_everybodys && !is_sticky {
        true => Err(SocketLeaseError::NotPrivate { home: home.to_owned(), mode }),
        false => Ok(()),
    }
}
