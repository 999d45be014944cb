//! Where the Unix sockets of processes are made, and what they are called. Pure: nothing here is looked up.
//!
//! ```text
//! /run/shop/rollcore-sockets-01234567/web.12
//! └─ home ─┘└──── one per engine ───┘ └ one per lease
//! ```

use std::path::{Path, PathBuf};

use crate::id::ProcessId;

use super::Application;

/// The longest path of a Unix socket, in bytes (unix(7): `sun_path` has 108, one of them for the NUL).
pub const SOCKET_PATH_BYTES_MAX: usize = 107;

/// The names of the directories begin so. Nobody else's directory is called like that, for ours are removed.
const DIRECTORY_PREFIX: &str = "rollcore-sockets-";
const TAG_DIGITS: usize = 8;
/// How much of a process's name its socket is called by.
const NAME_CHARS_MAX: usize = 16;

/// The directory in which an engine makes its own: that of the control socket; without one `$XDG_RUNTIME_DIR`, and `/tmp`
/// without that.
#[must_use]
pub fn socket_home(application: &Application, xdg_runtime_dir: Option<&str>) -> PathBuf {
    let control = &application.control.path;
    if !control.as_os_str().is_empty() {
        let parent = control.parent().filter(|parent| !parent.as_os_str().is_empty());
        return parent.unwrap_or(Path::new(".")).to_owned();
    }
    xdg_runtime_dir.filter(|path| path.starts_with('/')).unwrap_or("/tmp").into()
}

/// The name of an engine's directory.
pub(crate) fn socket_directory(tag: u32) -> String {
    format!("{DIRECTORY_PREFIX}{tag:0width$x}", width = TAG_DIGITS)
}

/// Whether a directory has such a name.
pub(crate) fn is_socket_directory(name: &str) -> bool {
    let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    name.strip_prefix(DIRECTORY_PREFIX)
        .is_some_and(|tag| tag.len() == TAG_DIGITS && tag.bytes().all(is_digit))
}

/// The name of the socket that is the `number`th of its engine.
pub(crate) fn socket_name(process: &ProcessId, number: u32) -> String {
    let safe = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '-' | '_') { c } else { '_' };
    let name: String = process.as_str().chars().take(NAME_CHARS_MAX).map(safe).collect();
    format!("{name}.{number}")
}

/// The longest path that a socket of this process may have.
pub(crate) fn longest_socket(home: &Path, process: &ProcessId) -> PathBuf {
    home.join(socket_directory(0)).join(socket_name(process, u32::MAX))
}

/// A path that the system cannot bind a socket at.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the socket of process \"{process}\" would have a path of up to {bytes} bytes, and the system takes {} at most: {}; \
     move the control socket (control.path) to a shorter directory, sockets of processes are made beside it",
    SOCKET_PATH_BYTES_MAX,
    path.display()
)]
pub(crate) struct SocketPathTooLong {
    process: ProcessId,
    path: PathBuf,
    bytes: usize,
}

impl SocketPathTooLong {
    /// The stable word for programs.
    pub(crate) const CODE: &'static str = "socket_path_too_long";

    /// Looks whether every socket of `process` in `home` can be bound.
    pub(crate) fn check(home: &Path, process: &ProcessId) -> Result<PathBuf, Self> {
        let path = longest_socket(home, process);
        let bytes = path.as_os_str().len();
        match bytes <= SOCKET_PATH_BYTES_MAX {
            true => Ok(path),
            false => Err(Self { process: process.clone(), path, bytes }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::ControlSpec;

    fn home(control: &str, xdg: Option<&str>) -> PathBuf {
        let control = ControlSpec { path: control.into(), ..ControlSpec::default() };
        socket_home(&Application { control, ..Application::new("shop", vec![]) }, xdg)
    }

    #[test]
    fn sockets_are_made_beside_the_control_socket() {
        for (control, xdg, expected) in [
            ("/run/shop/control.sock", Some("/run/user/7"), "/run/shop"),
            ("control.sock", None, "."),
            ("", Some("/run/user/7"), "/run/user/7"),
            ("", Some("relative"), "/tmp"),
            ("", Some(""), "/tmp"),
            ("", None, "/tmp"),
        ] {
            assert_eq!(home(control, xdg), Path::new(expected), "{control:?} {xdg:?}");
        }
    }

    #[test]
    fn names_are_short_and_safe() {
        assert_eq!(socket_name(&ProcessId::new("web"), 12), "web.12");
        assert_eq!(socket_name(&ProcessId::new("../Größe 1/2 and more"), 1), "___Gr__e_1_2_and.1");
        assert_eq!(socket_name(&ProcessId::new(""), 1), ".1");
        assert!(
            is_socket_directory(&socket_directory(0)) && is_socket_directory(&socket_directory(u32::MAX))
        );
        for other in [
            "rollcore-sockets-",
            "rollcore-sockets-0123456",
            "rollcore-sockets-0123456X",
            "rollcore-sockets-x",
        ] {
            assert!(!is_socket_directory(other), "{other}");
        }
    }

    #[test]
    fn a_path_that_is_too_long_is_refused_with_its_length() {
        let web = ProcessId::new("web");
        let rest = longest_socket(Path::new("/"), &web).as_os_str().len();
        let deep = |bytes: usize| PathBuf::from(format!("/{}", "d".repeat(bytes - 1)));
        // The slash at the end of `/` stands between the two then.
        let fits = SOCKET_PATH_BYTES_MAX - rest;
        assert!(SocketPathTooLong::check(&deep(fits), &web).is_ok());
        let error =
            SocketPathTooLong::check(&deep(fits + 1), &web).expect_err("one byte too many").to_string();
        assert!(
            error.starts_with("the socket of process \"web\" would have a path of up to 108 bytes"),
            "{error}"
        );
        assert!(error.contains("107 at most: /dddd") && error.contains("control.path"), "{error}");
    }
}
