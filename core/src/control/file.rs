//! A socket's file, and whether it is still the one that was bound.

use std::fs::Metadata;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// The bound file, which is removed when this goes away: only if it is still the one that was bound.
#[derive(Debug)]
pub(super) struct SocketFile {
    path: PathBuf,
    identity: Option<Identity>,
}

/// What tells a file from another one at the same path. Inode numbers are used again at once by some file systems,
/// so the time at which the socket was made belongs to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Identity {
    device: u64,
    inode: u64,
    made: (i64, i64),
}

impl Identity {
    fn of(found: &Metadata) -> Self {
        Self { device: found.dev(), inode: found.ino(), made: (found.mtime(), found.mtime_nsec()) }
    }
}

impl SocketFile {
    /// The file that is at `path` now.
    pub(super) fn at(path: &Path) -> Self {
        let identity = path.symlink_metadata().ok().map(|found| Identity::of(&found));
        Self { path: path.to_owned(), identity }
    }

    /// The file that was found at `path`.
    pub(super) fn found(path: &Path, found: &Metadata) -> Self {
        Self { path: path.to_owned(), identity: Some(Identity::of(found)) }
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Whether the file was given to this user.
    pub(super) fn is_owned_by(&self, uid: u32) -> bool {
        self.path.symlink_metadata().is_ok_and(|found| found.uid() == uid)
    }

    /// Removes the file now. One that is gone, or is another one by now, is no failure.
    pub(super) fn remove(mut self) -> io::Result<()> {
        self.remove_once()
    }

    /// Somebody else looks after the file from now on.
    pub(super) fn leave(mut self) {
        self.identity = None;
    }

    fn remove_once(&mut self) -> io::Result<()> {
        let Some(identity) = self.identity.take() else { return Ok(()) };
        match self.path.symlink_metadata() {
            Ok(found) if Identity::of(&found) == identity => std::fs::remove_file(&self.path),
            Ok(_) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
        }
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if let Err(error) = self.remove_once() {
            tracing::warn!(path = %self.path.display(), %error, "control socket unlink failed");
        }
    }
}
