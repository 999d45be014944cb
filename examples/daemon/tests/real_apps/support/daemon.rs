//! A daemon of one's own, and the commands that talk to it.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::JoinHandle;

use serde_json::Value;

use super::app::{App, Release};
use super::deadline::{read_all, wait_for_exit};
use super::events::Events;
use super::http;
use super::leftovers;

/// Where the real binary is.
pub fn rollcore_path() -> &'static str {
    env!("CARGO_BIN_EXE_rollcore")
}

/// The real binary.
pub fn rollcore() -> Command {
    let mut command = Command::new(rollcore_path());
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// What a daemon of one's own is made from.
pub struct Setup {
    /// Its config.
    pub config: PathBuf,
    /// What that config, and whatever is started, finds in the environment.
    pub environment: Vec<(&'static str, String)>,
    /// Where the releases are.
    pub releases: PathBuf,
    /// The ports that it may lease.
    pub ports: (u16, u16),
}

/// A daemon. Ends with [`Daemon::end`]; when a test fails before that, everything it started is killed.
pub struct Daemon {
    setup: Setup,
    mark: String,
    events: Events,
    child: Option<Child>,
    stderr: Option<JoinHandle<std::io::Result<String>>>,
    proxy: SocketAddr,
    _directory: tempfile::TempDir,
}

impl Daemon {
    pub fn start(app: &'static App) -> Self {
        Self::start_with(app, |_| {})
    }

    pub fn start_with(app: &'static App, change: impl FnOnce(&mut Value)) -> Self {
        app.assert_is_prepared();
        let directory = tempfile::tempdir().expect("a temporary directory");
        let ports = leftovers::free_ports();
        let config = app.write_config(directory.path(), ports, change);
        let setup = Setup { config, environment: Vec::new(), releases: app.releases(), ports };
        Self::start_from(setup, directory)
    }

    /// The directory goes away with the daemon.
    pub fn start_from(setup: Setup, directory: tempfile::TempDir) -> Self {
        let mark = leftovers::mark();
        let mut command = rollcore();
        command.arg("daemon").arg("--config").arg(&setup.config);
        command.env(leftovers::MARK, &mark).envs(setup.environment.iter().cloned());
        let mut child = command.spawn().expect("the daemon can be started");
        let events = Events::read(child.stdout.take().expect("it is piped"));
        let stderr = read_all(child.stderr.take().expect("it is piped"));
        let nowhere = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let mut daemon = Self {
            setup,
            mark,
            events,
            child: Some(child),
            stderr: Some(stderr),
            proxy: nowhere,
            _directory: directory,
        };
        daemon.event("control socket listening", |_| true);
        let port = daemon.status()["proxy"]["port"].as_u64().and_then(|port| u16::try_from(port).ok());
        daemon.proxy.set_port(port.expect("the status tells the port"));
        daemon
    }

    /// Where the traffic goes.
    pub fn proxy(&self) -> SocketAddr {
        self.proxy
    }

    /// Begins a command, with the config of this daemon.
    pub fn command(&self, words: &[&str]) -> Running {
        let mut command = rollcore();
        command.args(words).arg("--config").arg(&self.setup.config);
        self.begin(command, words.join(" "))
    }

    /// Begins any program, with the environment of this daemon. `what` names it in an error.
    pub fn begin(&self, mut command: Command, what: String) -> Running {
        command.envs(self.setup.environment.iter().cloned());
        Running::begin(command, what)
    }

    /// The config that this daemon was started with.
    pub fn config(&self) -> &Path {
        &self.setup.config
    }

    pub fn path_of(&self, release: &Release) -> PathBuf {
        self.setup.releases.join(&release.directory)
    }

    pub fn begin_deploy(&self, release: &Release) -> Running {
        let path = self.path_of(release);
        let path = path.to_str().expect("it is UTF-8");
        self.command(&["deploy", "--release-id", &release.id, "--release-path", path])
    }

    /// What the command answers, or the error it tells.
    pub fn deploy(&self, release: &Release) -> Result<Value, String> {
        self.begin_deploy(release).outcome()
    }

    pub fn status(&self) -> Value {
        self.command(&["status"]).outcome().expect("a status")
    }

    /// The pid behind the proxy.
    pub fn web_pid(&self) -> u64 {
        let status = self.status();
        let active = active_releases(&status);
        let [active] = active[..] else { panic!("one release is active: {status:#}") };
        let web = processes_of(active).find(|process| process["id"] == "web");
        web.and_then(|web| web["pid"].as_u64()).unwrap_or_else(|| panic!("web is up: {status:#}"))
    }

    /// Exactly this release is active and complete, and it is the one that answers.
    pub fn assert_serves(&self, release: &str) {
        let answer = http::get(self.proxy, "/");
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(answer.header("x-release"), Some(release), "{answer:?}");
        let status = self.status();
        assert_eq!(status["activeReleaseId"], release, "{status:#}");
        let active: Vec<_> = active_releases(&status).iter().map(|release| &release["releaseId"]).collect();
        assert_eq!(active, [release], "{status:#}");
        let crons = status["singletons"].as_array().expect("a list");
        assert!(crons.iter().all(|cron| cron["process"]["state"] == "running"), "{status:#}");
    }

    /// Waits for an event, and gives the first that is right.
    pub fn event(&self, message: &str, is_right: impl Fn(&Value) -> bool) -> Value {
        let is_it = |event: &&Value| event["message"] == message && is_right(event);
        let events = self.events.until(message, |events| events.iter().any(|event| is_it(&event)));
        events.iter().find(is_it).expect("it was there").clone()
    }

    pub fn until(&self, what: &str, is_so: impl Fn(&[Value]) -> bool) {
        self.events.until(what, is_so);
    }

    pub fn events_so_far(&self, message: &str) -> Vec<Value> {
        self.events.so_far().into_iter().filter(|event| event["message"] == message).collect()
    }

    pub fn is_of(&self, event: &Value, release: &str, process: &str) -> bool {
        event["data"]["releaseId"] == release && event["data"]["id"] == process
    }

    /// It and everything it started.
    pub fn processes(&self) -> Vec<String> {
        leftovers::marked(&self.mark)
    }

    /// Shuts down, and sees that nothing is left.
    pub fn end(mut self) {
        let answer = self.command(&["shutdown"]).outcome().expect("a shutdown");
        assert_eq!(answer["status"], "success", "{answer}");
        let child = self.child.take().expect("it runs until its end");
        let status = wait_for_exit(child, "the daemon");
        let stderr = self.stderr.take().expect("it is read once").join().expect("the reader does not panic");
        assert!(status.success(), "the daemon ended with {status}: {stderr:?}");
        assert_eq!(stderr.expect("it can be read"), "", "C-200");
        assert_eq!(self.processes(), [""; 0], "left behind");
        assert_eq!(leftovers::bound_ports(self.setup.ports), [0; 0], "still bound");
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
            leftovers::kill_marked(&self.mark);
        }
    }
}

/// A command under way.
pub struct Running {
    what: String,
    child: Child,
    stdout: JoinHandle<std::io::Result<String>>,
    stderr: JoinHandle<std::io::Result<String>>,
}

impl Running {
    fn begin(mut command: Command, what: String) -> Self {
        let mut child = command.spawn().expect("the command can be started");
        let stdout = read_all(child.stdout.take().expect("it is piped"));
        let stderr = read_all(child.stderr.take().expect("it is piped"));
        Self { what, child, stdout, stderr }
    }

    /// What it printed: JSON when it succeeded, else the text of its error.
    pub fn outcome(self) -> Result<Value, String> {
        let status = wait_for_exit(self.child, &self.what);
        let read = |text: JoinHandle<std::io::Result<String>>| {
            text.join().expect("the reader does not panic").expect("it can be read")
        };
        let (stdout, stderr) = (read(self.stdout), read(self.stderr));
        match status.code() {
            Some(0) => Ok(serde_json::from_str(&stdout).expect("it prints JSON")),
            Some(1) => {
                assert_eq!(stdout, "", "C-244: nothing on stdout");
                Err(stderr)
            }
            _ => panic!("{} ended with {status}: {stderr}", self.what),
        }
    }
}

fn active_releases(status: &Value) -> Vec<&Value> {
    let releases = status["releases"].as_array().expect("a list");
    releases.iter().filter(|release| release["state"] == "active").collect()
}

fn processes_of(release: &Value) -> impl Iterator<Item = &Value> {
    release["processes"].as_array().into_iter().flatten()
}
