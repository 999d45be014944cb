//! Leases Unix sockets: paths in a private directory, each for one holder.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use nix::errno::Errno;

use crate::id::ProcessId;
use crate::spec::{Application, SocketPathTooLong, socket_home, socket_name};

use super::directory::{self, PrivateDirectory};

/// Leases the paths of Unix sockets.
///
/// They are in a directory that only this user may enter, so that no other user can connect, whatever rights a process
/// gives its socket. It is made in `home` with the first lease, and removed when the allocator and its leases are gone.
/// Clones share it.
///
/// ```
/// use std::os::unix::net::UnixListener;
/// use rollcore::{ProcessId, SocketAllocator};
///
/// # tokio::runtime::Runtime::new().unwrap().block_on(async {
/// let allocator = SocketAllocator::new(std::env::temp_dir());
/// let lease = allocator.lease(&ProcessId::new("web")).await?;
/// let path = lease.path().to_owned();
/// assert!(path.ends_with("web.1"));
/// let _listener = UnixListener::bind(&path)?;
///
/// lease.give_back();
/// assert!(!path.exists());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
#[derive(Clone)]
pub struct SocketAllocator {
    home: Arc<Path>,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    directory: Option<Arc<PrivateDirectory>>,
    leased: u32,
}

/// A path that is held. Dropping it gives it back, and removes the socket that is there.
#[must_use = "a lease that is dropped is given back"]
pub struct SocketLease {
    path: PathBuf,
    _directory: Arc<PrivateDirectory>,
}

/// Why there is no path.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SocketLeaseError {
    /// The operating system refuses the directory.
    #[error("no directory for sockets can be made in {}: {}", home.display(), reason(source))]
    NoDirectory {
        /// Where.
        home: PathBuf,
        /// What it says.
        source: io::Error,
    },
    /// Other users could put sockets of theirs in the place of ours.
    #[error(
        "sockets cannot be kept private in {}: everybody may rename what is there (mode {mode:o}); take the right to write \
         from others, or move the control socket (control.path) to a directory of your own",
        home.display()
    )]
    NotPrivate {
        /// Where.
        home: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// No socket can have this path: it is longer than [`SOCKET_PATH_BYTES_MAX`](crate::SOCKET_PATH_BYTES_MAX), or not UTF-8 and cannot be told to a
    /// process.
    #[error("{0}")]
    BadPath(String),
    /// The runtime has ended.
    #[error("the runtime has ended")]
    RuntimeEnded,
}

impl SocketLeaseError {
    /// A name for programs; never changes.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::NoDirectory { .. } => "socket_directory_failed",
            Self::NotPrivate { .. } => "socket_directory_not_private",
            Self::BadPath(_) => SocketPathTooLong::CODE,
            Self::RuntimeEnded => "runtime_ended",
        }
    }
}

fn reason(error: &io::Error) -> String {
    match error.raw_os_error().map(Errno::from_raw) {
        Some(errno) => format!("{errno:?}: {}", errno.desc()),
        None => error.to_string(),
    }
}

impl SocketAllocator {
    /// Leases paths in a directory of its own in `home`; a relative one is relative to where this program is at each lease.
    #[must_use]
    pub fn new(home: impl Into<PathBuf>) -> Self {
        Self { home: home.into().into(), state: Arc::default() }
    }

    /// In the directory of the application's control socket; without one in `$XDG_RUNTIME_DIR`, and without that in `/tmp`.
    #[must_use]
    pub fn for_application(application: &Application) -> Self {
        Self::new(socket_home(application, std::env::var("XDG_RUNTIME_DIR").ok().as_deref()))
    }

    /// Leases a path for a socket of `process`, which it has to make itself.
    ///
    /// # Errors
    /// [`SocketLeaseError`].
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    ///
    /// # Cancel safety
    /// A dropped future has leased nothing.
    pub async fn lease(&self, process: &ProcessId) -> Result<SocketLease, SocketLeaseError> {
        let (allocator, process) = (self.clone(), process.clone());
        let leasing = tokio::task::spawn_blocking(move || allocator.lease_now(&process));
        leasing.await.unwrap_or(Err(SocketLeaseError::RuntimeEnded))
    }

    fn lease_now(&self, process: &ProcessId) -> Result<SocketLease, SocketLeaseError> {
        let home = std::path::absolute(&self.home)
            .map_err(|source| SocketLeaseError::NoDirectory { home: self.home.to_path_buf(), source })?;
        check_path(&home, process)?;
        // Nothing that can panic leaves the state half changed.
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let directory = match state.directory.take().filter(|directory| directory.is_there()) {
            Some(directory) => directory,
            None => Arc::new(PrivateDirectory::make(&home)?),
        };
        state.directory = Some(Arc::clone(&directory));
        state.leased = state.leased.wrapping_add(1);
        let path = directory.path().join(socket_name(process, state.leased));
        Ok(SocketLease { path, _directory: directory })
    }

    /// Removes the sockets that programs of this user left in `home` when they were killed; returns how many such
    /// programs there were. Those of programs that live are left alone.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    ///
    /// # Cancel safety
    /// What was begun goes on.
    pub async fn sweep(&self) -> usize {
        let home = Arc::clone(&self.home);
        tokio::task::spawn_blocking(move || directory::sweep(&home)).await.unwrap_or_default()
    }

    /// Where its directory is.
    #[must_use]
    pub fn home(&self) -> &Path {
        &self.home
    }
}

fn check_path(home: &Path, process: &ProcessId) -> Result<(), SocketLeaseError> {
    if home.to_str().is_none() {
        let message = format!("sockets cannot be made in {}, which is not UTF-8", home.display());
        return Err(SocketLeaseError::BadPath(message));
    }
    let checked = SocketPathTooLong::check(home, process);
    checked.map(drop).map_err(|error| SocketLeaseError::BadPath(error.to_string()))
}

impl SocketLease {
    /// The path.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Gives it back, as dropping it does. To be called when nothing can listen there any more.
    pub fn give_back(self) {}
}

impl Drop for SocketLease {
    fn drop(&mut self) {
        directory::remove_socket(&self.path);
    }
}

impl fmt::Debug for SocketLease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SocketLease({})", self.path.display())
    }
}

impl fmt::Debug for SocketAllocator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SocketAllocator").field("home", &self.home).finish_non_exhaustive()
    }
}
