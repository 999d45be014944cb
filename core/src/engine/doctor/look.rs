//! Looks, and changes nothing. The file system may be slow: everything runs in the blocking pool.

use std::io;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::unistd::{AccessFlags, eaccess};

use crate::engine::recover::Recovery;
use crate::event::Orphan;
use crate::spec::StateSpec;

/// The directory that `path` is in.
pub(super) fn directory_of(path: &Path) -> PathBuf {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new(".")).to_owned()
}

/// Whether files can be made in `directory` (compat C-235).
pub(super) async fn is_writable(directory: PathBuf) -> bool {
    let look =
        move || directory.is_dir() && eaccess(&directory, AccessFlags::W_OK | AccessFlags::X_OK).is_ok();
    tokio::task::spawn_blocking(look).await.unwrap_or(false)
}

/// Whether there is such a directory.
pub(super) async fn is_directory(path: PathBuf) -> bool {
    tokio::task::spawn_blocking(move || path.is_dir()).await.unwrap_or(false)
}

/// Listens on the address and stops at once. Tells the name of the error when that is not possible.
pub(super) async fn why_not_bindable(host: &str, port: u16) -> Option<String> {
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    let bound = tokio::net::TcpListener::bind((bare, port)).await;
    bound.err().map(|error| name_of(&error))
}

/// A name that has no address has no error number either.
fn name_of(error: &io::Error) -> String {
    match error.raw_os_error() {
        Some(number) => format!("{:?}", Errno::from_raw(number)),
        None => "ENOTFOUND".to_owned(),
    }
}

/// The processes of an earlier daemon that its state file names and that are still there. A file that makes no sense
/// names none (compat C-207), and a daemon that lives has none that are left over.
pub(super) async fn left_over(state: &StateSpec) -> Vec<Orphan> {
    Recovery::look(state).await.map(|recovery| recovery.orphans()).unwrap_or_default()
}
