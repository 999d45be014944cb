//! Waiting for a process to end, but not for ever.

use std::io::{self, BufRead, BufReader, Read};
use std::process::{Child, ExitStatus};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// Nothing that these tests wait for takes longer, on however busy a machine.
pub const DEADLINE: Duration = Duration::from_secs(60);

/// Waits for the end of a process. One that does not come in time is killed, and the test fails.
pub fn wait_for_exit(mut child: Child, what: &str) -> ExitStatus {
    let pid = Pid::from_raw(i32::try_from(child.id()).expect("a pid"));
    let (tell, told) = mpsc::channel();
    thread::spawn(move || tell.send(child.wait()));
    match told.recv_timeout(DEADLINE) {
        Ok(status) => status.expect("it can be waited for"),
        Err(_) => {
            // The thread still waits for it, so its pid is still its own.
            let _ = kill(pid, Signal::SIGKILL);
            panic!("{what} did not end within {DEADLINE:?}");
        }
    }
}

/// Reads all of it on a thread of its own, so that a full pipe holds nobody up.
pub fn read_all(mut from: impl Read + Send + 'static) -> thread::JoinHandle<io::Result<String>> {
    thread::spawn(move || {
        let mut text = String::new();
        from.read_to_string(&mut text).map(|_| text)
    })
}

/// Its lines as they come, read on a thread of its own.
pub fn lines_of(from: impl Read + Send + 'static) -> mpsc::Receiver<String> {
    let (tell, told) = mpsc::channel();
    thread::spawn(move || {
        let lines = BufReader::new(from).lines().map_while(Result::ok);
        lines.map_while(|line| tell.send(line).ok()).for_each(drop);
    });
    told
}
