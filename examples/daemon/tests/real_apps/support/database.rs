//! A PostgreSQL server of one's own.

use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::app::VELOCIOUS;
use super::deadline::{DEADLINE, lines_of, wait_for_exit};

/// What the server says when it can be asked.
const IS_READY: &str = "database system is ready to accept connections";

/// A server in a directory of its own, without a port: it is reached by a socket in that directory. Ends with
/// [`Database::end`]; when a test fails before that, it is killed.
pub struct Database {
    child: Option<Child>,
    directory: tempfile::TempDir,
    /// Nobody reads them after the start, but a server that cannot speak would stop.
    lines: mpsc::Receiver<String>,
}

impl Database {
    /// Starts it, and waits until it is ready.
    pub fn start() -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let mut command = Command::new(VELOCIOUS.path().join("bin/database"));
        // What it holds need not survive a power failure.
        command.arg(directory.path()).args(["-c", "fsync=off"]);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        // A Ctrl-C at the terminal is for the test; the server ends when the test does.
        let mut child = command.process_group(0).spawn().expect("the server can be started");
        let lines = lines_of(child.stderr.take().expect("it is piped"));
        let database = Self { child: Some(child), directory, lines };
        database.wait_until_ready();
        database
    }

    /// What the application takes for its host.
    pub fn host(&self) -> &Path {
        self.directory.path()
    }

    /// Ends it, and sees that it does.
    pub fn end(mut self) {
        let child = self.child.take().expect("it runs until here");
        let pid = Pid::from_raw(i32::try_from(child.id()).expect("a pid"));
        // It is to end without waiting for its clients.
        kill(pid, Signal::SIGINT).expect("it runs");
        let status = wait_for_exit(child, "the database");
        assert!(status.success(), "the database ended with {status}");
    }

    fn wait_until_ready(&self) {
        let mut said = Vec::new();
        while let Ok(line) = self.lines.recv_timeout(DEADLINE) {
            if line.contains(IS_READY) {
                return;
            }
            said.push(line);
        }
        panic!("the database never got ready:\n{}", said.join("\n"));
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            // Its own processes see that it is gone, and follow.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
