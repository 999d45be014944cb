//! From what the spec says to what `posix_spawn` needs, with the culprit's name when that cannot be.
//!
//! `posix_spawn` says ENOENT for a missing program and for a missing directory alike, so both are looked at first.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ffi::{CString, OsStr, OsString};
use std::fs;
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::unistd::{AccessFlags, eaccess};

use crate::spec::{Command, RunSpec};

use super::mark::{Mark, START_VARIABLE};
use super::spawn::Image;

/// Where programs are looked up when there is no `PATH`.
const PATH_DEFAULT: &str = "/usr/local/bin:/usr/bin:/bin";

/// Why a process could not be started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct NotSpawned {
    /// Such as `spawn /bin/sh ENOENT` (compat C-56).
    pub(super) message: String,
    /// For people: what exactly was missing.
    pub(super) detail: String,
}

impl NotSpawned {
    pub(super) fn new(program: &OsStr, error: &io::Error, detail: impl Into<String>) -> Self {
        let code = match error.raw_os_error().map(Errno::from_raw) {
            Some(errno) => format!("{errno:?}"),
            None => error.to_string(),
        };
        Self { message: format!("spawn {} {code}", program.display()), detail: detail.into() }
    }
}

/// The program as it is written, its arguments, and its environment.
pub(super) struct Prepared {
    /// For error messages.
    pub(super) program: OsString,
    pub(super) image: Image,
}

/// Looks up everything that has to be there. Asks the file system: for the blocking pool.
pub(super) fn prepare(
    spec: &RunSpec,
    more_env: &[(&str, String)],
    mark: &Mark,
) -> Result<Prepared, NotSpawned> {
    let (program, args): (OsString, Vec<&str>) = match &spec.command {
        Command::Shell(line) => ("/bin/sh".into(), vec!["/bin/sh", "-c", line]),
        Command::Exec { program, args } => {
            (program.into(), std::iter::once(program).chain(args).map(String::as_str).collect())
        }
    };
    let fail = |errno: Errno, detail: String| NotSpawned::new(&program, &errno.into(), detail);
    let nul = |_| fail(Errno::EINVAL, "a NUL byte in the command or the environment".to_owned());

    let env = environment(spec, more_env, mark);
    if let Some(name) = spec.env.keys().find(|name| name.is_empty() || name.contains('=')) {
        return Err(fail(Errno::EINVAL, format!("{name:?} cannot be the name of an environment variable")));
    }
    check_directory(&spec.cwd)
        .map_err(|errno| fail(errno, format!("its directory {}: {}", spec.cwd.display(), errno.desc())))?;
    let path = look_up(&program, env.get(OsStr::new("PATH")), &spec.cwd)
        .map_err(|errno| fail(errno, format!("the program {}: {}", program.display(), errno.desc())))?;

    let image = Image {
        path: c_string(path.into_os_string()).map_err(nul)?,
        args: args.into_iter().map(CString::new).collect::<Result<_, _>>().map_err(nul)?,
        env: env.into_iter().map(assignment).collect::<Result<_, _>>().map_err(nul)?,
        cwd: c_string(spec.cwd.clone().into_os_string()).map_err(nul)?,
        descriptors_max: spec.descriptors_max,
    };
    Ok(Prepared { program, image })
}

/// What a service manager says to this program alone about the sockets it passes (sd_listen_fds(3)). They are closed in
/// a child, and other descriptors may have their numbers.
const OF_PASSED_SOCKETS: [&str; 3] = ["LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"];

fn environment(spec: &RunSpec, more: &[(&str, String)], mark: &Mark) -> BTreeMap<OsString, OsString> {
    let mut env: BTreeMap<OsString, OsString> = std::env::vars_os().collect();
    let is_kept = |name: &str| !spec.env_removed.contains(name) && !OF_PASSED_SOCKETS.contains(&name);
    env.retain(|name, _| name.to_str().is_none_or(is_kept));
    env.extend(spec.env.iter().map(|(name, value)| (name.into(), value.into())));
    env.extend(more.iter().map(|(name, value)| (name.into(), value.into())));
    let marks = mark.below(std::env::var_os(START_VARIABLE).as_deref());
    env.insert(START_VARIABLE.into(), marks);
    env
}

fn assignment((name, value): (OsString, OsString)) -> Result<CString, std::ffi::NulError> {
    let mut text = name;
    text.push("=");
    text.push(value);
    c_string(text)
}

fn c_string(text: OsString) -> Result<CString, std::ffi::NulError> {
    CString::new(text.into_vec())
}

fn check_directory(path: &Path) -> Result<(), Errno> {
    if !fs::metadata(path).map_err(|error| errno_of(&error))?.is_dir() {
        return Err(Errno::ENOTDIR);
    }
    eaccess(path, AccessFlags::X_OK)
}

fn errno_of(error: &io::Error) -> Errno {
    error.raw_os_error().map_or(Errno::EINVAL, Errno::from_raw)
}

/// As the shell does: a name with a `/` is a path, another one is looked up in `PATH`. What is relative is so to
/// `cwd`, because that is where the kernel will be when it looks.
fn look_up(program: &OsStr, path: Option<&OsString>, cwd: &Path) -> Result<PathBuf, Errno> {
    if program.is_empty() {
        return Err(Errno::ENOENT);
    }
    if program.as_bytes().contains(&b'/') {
        return check_program(&cwd.join(program)).map(|()| program.into());
    }
    let path = path.map_or(Cow::Borrowed(OsStr::new(PATH_DEFAULT)), |path| Cow::Borrowed(path.as_os_str()));
    let mut reason = Errno::ENOENT;
    for directory in std::env::split_paths(&path) {
        let directory = if directory.as_os_str().is_empty() { PathBuf::from(".") } else { directory };
        let candidate = directory.join(program);
        match check_program(&cwd.join(&candidate)) {
            Ok(()) => return Ok(candidate),
            // One that is there and may not be run says more than the others that are not there.
            Err(Errno::EACCES) => reason = Errno::EACCES,
            Err(_) => {}
        }
    }
    Err(reason)
}

fn check_program(path: &Path) -> Result<(), Errno> {
    if fs::metadata(path).map_err(|error| errno_of(&error))?.is_dir() {
        return Err(Errno::EACCES);
    }
    eaccess(path, AccessFlags::X_OK)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exec(program: &str) -> RunSpec {
        RunSpec::new(Command::Exec { program: program.into(), args: vec!["x".into()] }, "/")
    }

    fn why_not(spec: &RunSpec) -> NotSpawned {
        prepare(spec, &[], &Mark::new()).map(|prepared| prepared.image).expect_err("it cannot be started")
    }

    /// C-56.
    #[test]
    fn a_missing_directory_and_a_missing_program_are_told_apart() {
        let shell = RunSpec::new(Command::Shell("true".into()), "/no/such/place");
        assert_eq!(
            why_not(&shell),
            NotSpawned {
                message: "spawn /bin/sh ENOENT".into(),
                detail: "its directory /no/such/place: No such file or directory".into()
            }
        );
        let missing = why_not(&exec("no-such-program"));
        assert_eq!(missing.message, "spawn no-such-program ENOENT");
        assert_eq!(missing.detail, "the program no-such-program: No such file or directory");
        assert_eq!(why_not(&exec("/etc/passwd")).message, "spawn /etc/passwd EACCES");
        assert_eq!(why_not(&exec("/etc")).message, "spawn /etc EACCES");
        assert_eq!(why_not(&exec("")).message, "spawn  ENOENT");
        let file = RunSpec::new(Command::Shell("true".into()), "/etc/passwd");
        assert_eq!(why_not(&file).message, "spawn /bin/sh ENOTDIR");
    }

    #[test]
    fn a_program_is_looked_up_in_the_path_it_will_have() {
        let found = prepare(&exec("sh"), &[("PATH", "/nowhere:/bin".into())], &Mark::new())
            .map(|prepared| prepared.image);
        let image = found.expect("there is a shell");
        assert_eq!(image.path.as_c_str(), c"/bin/sh");
        assert_eq!(image.args, [c"sh".to_owned(), c"x".to_owned()]);
        assert!(prepare(&exec("sh"), &[("PATH", "/nowhere".into())], &Mark::new()).is_err());
        assert!(prepare(&exec("bin/sh"), &[], &Mark::new()).is_ok(), "relative to its directory");
    }

    /// C-41.
    #[test]
    fn the_environment_is_ours_then_the_specs_then_more() {
        let mut spec = exec("/bin/sh");
        spec.env = BTreeMap::from([("PATH".into(), "/a".into()), ("B".into(), "1".into())]);
        let mark = Mark::new();
        let env = prepare(&spec, &[("B", "2".into())], &mark)
            .map(|prepared| prepared.image)
            .expect("it is there")
            .env;
        assert!(env.contains(&c"PATH=/a".to_owned()));
        assert!(env.contains(&c"B=2".to_owned()));
        assert!(!env.contains(&c"B=1".to_owned()));
        assert!(env.iter().any(|variable| mark.is_in(variable.as_bytes())), "{env:?}");
    }

    #[test]
    fn what_the_kernel_cannot_take_is_refused() {
        let mut spec = exec("/bin/sh");
        spec.env = BTreeMap::from([("A=B".into(), String::new())]);
        assert_eq!(why_not(&spec).message, "spawn /bin/sh EINVAL");
        spec.env = BTreeMap::from([("A".into(), "\0".into())]);
        assert_eq!(why_not(&spec).message, "spawn /bin/sh EINVAL");
        let shell = RunSpec::new(Command::Shell("a\0b".into()), "/");
        assert_eq!(why_not(&shell).message, "spawn /bin/sh EINVAL");
    }
}
