//! Why a control socket could not be bound, in the words of compat C-155 to C-157 where it has some.

use std::path::PathBuf;

use crate::spec::SOCKET_PATH_BYTES_MAX;

/// Why the control socket is not there.
#[derive(Debug, thiserror::Error)]
pub enum ControlBindError {
    /// A daemon answers there (C-155).
    #[error(
        "A Rollbridge daemon for application \"{application}\" is already running on {path} ({active}). Run \
         \"rollbridge status\" to inspect it or \"rollbridge shutdown\" to stop it, or set a different control.path.",
        path = path.display(),
        active = active_text(active_release.as_deref())
    )]
    AlreadyRunning {
        /// The socket.
        path: PathBuf,
        /// Whose daemon it is.
        application: String,
        /// What it serves.
        active_release: Option<String>,
    },
    /// Somebody is there who is no daemon of ours (C-156).
    #[error(
        "The control socket {path} is already in use by another process. Stop that process or set a different \
         control.path.",
        path = path.display()
    )]
    InUse {
        /// The socket.
        path: PathBuf,
    },
    /// The path names something that is not ours to remove.
    #[error(
        "The control socket path {path} is taken by {what}, which is left untouched. Remove it or set a different \
         control.path.",
        path = path.display()
    )]
    NotOurs {
        /// The path.
        path: PathBuf,
        /// Such as `a symbolic link` or `a socket of user 1000`.
        what: String,
    },
    /// There is no such user here.
    #[error(
        "Unknown user \"{name}\". Use a numeric id, or ensure the user exists in /etc/passwd (name resolution covers \
         local users only)."
    )]
    UnknownUser {
        /// As configured.
        name: String,
    },
    /// There is no such group here.
    #[error(
        "Unknown group \"{name}\". Use a numeric id, or ensure the group exists in /etc/group (name resolution covers \
         local groups only)."
    )]
    UnknownGroup {
        /// As configured.
        name: String,
    },
    /// The socket could not be given away.
    #[error(
        "Could not set control socket owner/group on {path}: {reason}. Run the daemon as a user that may give the \
         socket away, or leave control.owner and control.group unset.",
        path = path.display()
    )]
    NotGiven {
        /// The socket.
        path: PathBuf,
        /// Such as `EPERM: Operation not permitted`.
        reason: String,
    },
    /// The path does not fit into a socket address.
    #[error(
        "The control socket path {path} is {bytes} bytes long; at most {SOCKET_PATH_BYTES_MAX} fit. Set a shorter \
         control.path.",
        path = path.display()
    )]
    PathTooLong {
        /// The path.
        path: PathBuf,
        /// Its length.
        bytes: usize,
    },
    /// The system refused one of the steps.
    #[error("listen {reason} {path}", path = path.display())]
    System {
        /// The path.
        path: PathBuf,
        /// Such as `EACCES: Permission denied`.
        reason: String,
    },
}

fn active_text(release: Option<&str>) -> String {
    release.map_or_else(|| "no active release".to_owned(), |id| format!("active release: {id}"))
}

impl ControlBindError {
    /// A stable word for programs.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::AlreadyRunning { .. } => "already_running",
            Self::InUse { .. } => "control_socket_in_use",
            Self::NotOurs { .. } => "control_path_taken",
            Self::UnknownUser { .. } | Self::UnknownGroup { .. } => "unknown_owner",
            Self::NotGiven { .. } => "control_owner_refused",
            Self::PathTooLong { .. } => "control_path_too_long",
            Self::System { .. } => "control_socket_failed",
        }
    }
}
