//! The names of system errors, as clients of the contract know them: `ENOENT`, `ECONNREFUSED`.

use std::io;

use nix::errno::Errno;

/// `ENOENT` and friends; `None` for an error that the system did not make.
pub(super) fn name(error: &io::Error) -> Option<String> {
    error.raw_os_error().map(|number| format!("{:?}", Errno::from_raw(number)))
}

/// Such as `ENOENT: No such file or directory`.
pub(super) fn text(error: Errno) -> String {
    format!("{error:?}: {}", error.desc())
}
