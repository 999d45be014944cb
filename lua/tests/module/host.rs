//! A script in a real interpreter.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::channel;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::build::{Interpreter, module};

/// Nothing here takes long; a test that waits longer hangs.
pub(crate) const SOON: Duration = Duration::from_secs(60);

/// Where the tests' scripts are.
pub(crate) fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scripts").join(name)
}

/// The interpreter, which finds the module, with this script and its arguments.
pub(crate) fn host(interpreter: Interpreter, script: &Path, arguments: &[&str]) -> Command {
    let cpath = format!("{}/?.so;;", module(interpreter).display());
    let mut host = Command::new(interpreter.program);
    host.arg(script).args(arguments).env("LUA_CPATH", cpath).env_remove("LUA_CPATH_5_4").stdin(Stdio::null());
    host
}

/// Runs it to its end, which must be a good one, and tells what it printed.
pub(crate) fn printed(mut host: Command) -> String {
    let ran = ended(host.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it can be run"));
    let (stdout, stderr) = (text(&ran.stdout), text(&ran.stderr));
    assert!(ran.status.success(), "{host:?}: {:?}: {stdout}{stderr}", ran.status);
    assert_eq!(stderr, "", "{host:?}");
    stdout
}

/// Waits for its end, but not for ever.
pub(crate) fn ended(child: Child) -> Output {
    let pid = Pid::from_raw(i32::try_from(child.id()).expect("a pid fits"));
    let (tell, told) = channel();
    std::thread::spawn(move || tell.send(child.wait_with_output()));
    match told.recv_timeout(SOON) {
        Ok(output) => output.expect("it is our child"),
        Err(_) => {
            let _ = kill(pid, Signal::SIGKILL);
            panic!("it does not end");
        }
    }
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
