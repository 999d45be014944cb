//! Whether the release that a daemon is to begin with is there (compat C-159).

use std::io;

use nix::errno::Errno;
use nix::unistd::{AccessFlags, eaccess};

use crate::config::{Bootstrap, BootstrapError};

/// Looks whether the directory of the release is there and may be entered.
///
/// # Errors
/// [`BootstrapError::NotAccessible`] and [`BootstrapError::NotADirectory`].
pub fn find_release(bootstrap: &Bootstrap) -> Result<(), BootstrapError> {
    let path = bootstrap.release_path.as_str();
    let found = std::fs::metadata(path).map_err(|error| not_accessible(&error, path))?;
    if !found.is_dir() {
        return Err(BootstrapError::NotADirectory);
    }
    eaccess(path, AccessFlags::X_OK).map_err(|errno| not_accessible(&errno.into(), path))
}

/// Such as `ENOENT: No such file or directory, access '/srv/v1'`.
fn not_accessible(error: &io::Error, path: &str) -> BootstrapError {
    let reason = match error.raw_os_error().map(Errno::from_raw) {
        Some(errno) => format!("{errno:?}: {}, access '{path}'", errno.desc()),
        None => error.to_string(),
    };
    BootstrapError::NotAccessible(reason)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::BootstrapOptions;

    fn told(path: &str) -> Result<(), String> {
        let text = |text: &str| Some(text.to_owned());
        let options = BootstrapOptions {
            config: text("/c.json"),
            release_path: text(path),
            release_id: text("v1"),
            revision: text("abc"),
            ..BootstrapOptions::default()
        };
        let bootstrap = options.check().expect("it is spelled well").expect("a release is named");
        find_release(&bootstrap).map_err(|error| error.to_string())
    }

    /// C-159.
    #[test]
    fn the_release_has_to_be_there() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let path = directory.path().to_str().expect("a path that is text");
        assert_eq!(told(path), Ok(()));
        assert_eq!(told(&format!("{path}/")), Ok(()));
        let missing = told(&format!("{path}/v1")).expect_err("nothing is there");
        let expected = "Daemon bootstrap --release-path is not accessible: ENOENT: ";
        assert!(missing.starts_with(expected), "{missing}");
        std::os::unix::fs::symlink("nowhere", directory.path().join("dangling")).expect("the name is free");
        let dangling = told(&format!("{path}/dangling")).expect_err("it leads nowhere");
        assert!(dangling.starts_with(expected), "{dangling}");
        std::fs::write(directory.path().join("file"), "").expect("it can be written");
        let file = told(&format!("{path}/file")).expect_err("a file");
        assert_eq!(file, "Daemon bootstrap --release-path must name a directory.");
    }
}
