//! A directory with a config, releases of the sample application, and the command as a user runs it.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Output, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};

/// The command under test.
pub(crate) const ROLLCORE: &str = env!("CARGO_BIN_EXE_rollcore");

/// Nothing here takes long; a test that waits longer hangs.
pub(crate) const SOON: Duration = Duration::from_secs(20);

/// A directory of its own for each test.
pub(crate) struct Place {
    directory: tempfile::TempDir,
}

impl Place {
    pub(crate) fn new() -> Self {
        Self { directory: tempfile::tempdir().expect("a temporary directory") }
    }

    /// With a config of the sample application: one process of each policy.
    pub(crate) fn with_app() -> Self {
        let place = Self::new();
        place.configure(&json!([
            { "id": "web", "policy": "proxied", "port": 0, "command": [ROLLCORE, "sample-app"],
              "health": { "timeoutMs": 10_000, "intervalMs": 20 } },
            { "id": "worker", "command": [ROLLCORE, "sample-app", "--role", "worker"] },
            { "id": "cron", "policy": "singleton", "command": [ROLLCORE, "sample-app", "--role", "scheduler"] },
            { "id": "broker", "policy": "service", "command": [ROLLCORE, "sample-app", "--role", "broker"] },
        ]));
        place
    }

    /// Writes the config, with these processes.
    pub(crate) fn configure(&self, processes: &Value) {
        let config = json!({
            "application": "shop",
            "control": { "path": self.path("control.sock") },
            "proxy": { "port": 0 },
            "processes": processes,
        });
        self.write("rollcore.json", &config.to_string());
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, text).expect("it can be written");
        path
    }

    /// A release directory of the sample application; see its modes.
    pub(crate) fn release(&self, name: &str, mode: &str) -> String {
        let path = self.path(name);
        fs::create_dir(&path).expect("there is none yet");
        fs::write(path.join("mode"), mode).expect("it can be written");
        path.to_str().expect("the path is text").to_owned()
    }

    /// The command with these words, not run yet.
    pub(crate) fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(ROLLCORE);
        command.args(words).current_dir(self.directory.path()).stdin(Stdio::null());
        command
    }

    /// Runs the command to its end.
    pub(crate) fn run(&self, words: &[&str]) -> Ran {
        Ran::of(&self.command(words).output().expect("the command can be run"))
    }

    /// Runs the command, which must succeed, and reads the JSON it prints.
    pub(crate) fn json(&self, words: &[&str]) -> Value {
        let ran = self.run(words);
        assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""), "{words:?}: {}", ran.stdout);
        serde_json::from_str(&ran.stdout).unwrap_or_else(|error| panic!("{words:?}: {error}: {}", ran.stdout))
    }

    /// Runs the command, which must fail with nothing on stdout, and tells what it says.
    pub(crate) fn failure(&self, words: &[&str]) -> String {
        let ran = self.run(words);
        assert_eq!((ran.code, ran.stdout.as_str()), (Some(1), ""), "{words:?}: {}", ran.stderr);
        ran.stderr
    }

    /// A daemon in the foreground that can be reached.
    pub(crate) fn daemon(&self) -> Daemon {
        Daemon::started(self.command(&["daemon"]).stdout(Stdio::piped()).spawn().expect("it can be run"))
    }
}

/// How a command ended and what it said.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ran {
    pub(crate) fn of(output: &Output) -> Self {
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("it prints text");
        Self { code: output.status.code(), stdout: text(&output.stdout), stderr: text(&output.stderr) }
    }
}

/// A daemon, which is ended with the test.
pub(crate) struct Daemon {
    child: Child,
    lines: Receiver<String>,
}

impl Daemon {
    pub(crate) fn started(child: Child) -> Self {
        let daemon = Self::spawned(child);
        daemon.wait_for("control socket listening");
        daemon
    }

    /// One that may not be reached yet.
    pub(crate) fn spawned(mut child: Child) -> Self {
        let lines = read_lines(child.stdout.take().expect("it is a pipe"));
        Self { child, lines }
    }

    /// The next event.
    pub(crate) fn next(&self) -> Value {
        let line = self.lines.recv_timeout(SOON).expect("there is another event");
        serde_json::from_str(&line).expect("every line is an event")
    }

    /// Waits for this event, and tells its data.
    pub(crate) fn wait_for(&self, message: &str) -> Value {
        loop {
            let event = self.next_event().unwrap_or_else(|| panic!("no event {message:?}"));
            if event["message"] == message {
                return event["data"].clone();
            }
        }
    }

    /// Waits for the next event.
    pub(crate) fn next_event(&self) -> Option<Value> {
        let line = self.lines.recv_timeout(SOON).ok()?;
        Some(serde_json::from_str(&line).expect("every line is an event"))
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill(pid(&self.child), signal).expect("it is there");
    }

    pub(crate) fn signal_until_it_ends(&mut self, signal: Signal) {
        let deadline = Instant::now() + SOON;
        while !matches!(self.child.try_wait(), Ok(Some(_))) {
            assert!(Instant::now() < deadline, "signals do not end it");
            self.signal(signal);
            std::thread::yield_now();
        }
    }

    /// Waits for its end, and tells its exit code.
    pub(crate) fn code(&mut self) -> Option<i32> {
        // Its stdout ends with it, so the reader says when.
        while self.lines.recv_timeout(SOON).is_ok() {}
        self.child.wait().expect("it is our child").code()
    }

    /// Nobody reads its log any more.
    pub(crate) fn stop_reading(&mut self) {
        self.lines = channel().1;
    }
}

impl Drop for Daemon {
    /// Politely, so that its processes end too; a test that failed must not leave any behind.
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(Some(_))) {
            return;
        }
        let _ = kill(pid(&self.child), Signal::SIGTERM);
        while self.lines.recv_timeout(SOON).is_ok() {}
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn pid(child: &Child) -> Pid {
    Pid::from_raw(i32::try_from(child.id()).expect("a pid fits"))
}

fn read_lines(stdout: ChildStdout) -> Receiver<String> {
    let (line, lines) = channel();
    std::thread::spawn(move || {
        for text in BufReader::new(stdout).lines().map_while(Result::ok) {
            if line.send(text).is_err() {
                return;
            }
        }
    });
    lines
}

/// What `GET /` on the proxy of this status answers: the release.
pub(crate) fn get(status: &Value) -> String {
    let port = status["proxy"]["port"].as_u64().expect("a port");
    let mut stream = TcpStream::connect(format!("127.0.0.1:{port}")).expect("the proxy listens");
    stream.set_read_timeout(Some(SOON)).expect("it is not zero");
    stream.write_all(b"GET / HTTP/1.1\r\nHost: shop\r\nConnection: close\r\n\r\n").expect("the proxy reads");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("the proxy answers");
    let (head, body) = answer.split_once("\r\n\r\n").expect("an answer has a head");
    let status = head.split(' ').nth(1).unwrap_or_default();
    format!("{status} {}", body.trim_end())
}

/// Waits until it is so.
pub(crate) fn until(is_so: impl Fn() -> bool) {
    let deadline = Instant::now() + SOON;
    while !is_so() {
        assert!(Instant::now() < deadline, "it did not become so");
        std::thread::yield_now();
    }
}

/// Whether a process is there and is no zombie.
pub(crate) fn is_alive(pid: u64) -> bool {
    fs::read_to_string(format!("/proc/{pid}/stat"))
        .is_ok_and(|stat| !stat.rsplit(')').next().is_some_and(|rest| rest.starts_with(" Z")))
}

/// The permissions of a file.
pub(crate) fn mode(path: &Path) -> u32 {
    std::os::unix::fs::PermissionsExt::mode(&path.metadata().expect("it is there").permissions()) & 0o777
}
