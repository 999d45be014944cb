//! Who is there? Asked before a daemon is started, or looked after.

use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

use nix::unistd::Uid;

use super::client::{ControlClient, ControlError};
use super::owner;
use super::socket::{PROBE_TIMEOUT, describe};
use crate::engine::{ControlPresence, DaemonSeen};
use crate::spec::ControlSpec;

/// Asks whoever listens on the socket of `spec` for the status, for [`PROBE_TIMEOUT`] at most (compat C-154, C-233).
///
/// # Panics
/// Outside of a tokio runtime with IO and time.
///
/// # Cancel safety
/// Nothing was changed when the future is dropped.
pub async fn control_presence(spec: &ControlSpec) -> ControlPresence {
    let asking = async {
        let mut client = ControlClient::connect(&spec.path).await?;
        client.request(&serde_json::json!({"command": "status"}), PROBE_TIMEOUT).await
    };
    match tokio::time::timeout(PROBE_TIMEOUT, asking).await {
        Ok(Ok(status)) => {
            DaemonSeen::from_status(&status).map_or(ControlPresence::Stranger, ControlPresence::Daemon)
        }
        Ok(Err(ControlError::Connect { source, path })) => match source.kind() {
            io::ErrorKind::NotFound => ControlPresence::Nobody,
            io::ErrorKind::ConnectionRefused => what_is_left(&path, spec),
            _ => ControlPresence::Unknown(ControlError::Connect { path, source }.to_string()),
        },
        // Somebody is there, and does not talk as we do.
        Ok(Err(_)) | Err(_) => ControlPresence::Stranger,
    }
}

/// What is at a path where nobody listens: a socket that a daemon left behind is replaced, anything else is not ours.
fn what_is_left(path: &Path, spec: &ControlSpec) -> ControlPresence {
    let found = match path.symlink_metadata() {
        Ok(found) => found,
        Err(_gone_by_now) => return ControlPresence::Nobody,
    };
    if !found.file_type().is_socket() {
        return ControlPresence::Taken(describe(&found));
    }
    let owner = spec.owner.as_ref().and_then(|name| owner::user(name).ok());
    let uid = Uid::from_raw(found.uid());
    if uid == Uid::effective() || Some(uid) == owner {
        ControlPresence::Nobody
    } else {
        ControlPresence::Taken(format!("a socket of user {uid}"))
    }
}
