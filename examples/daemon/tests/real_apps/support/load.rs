//! `rollcore load`, and the account it keeps.

use std::fmt;
use std::net::SocketAddr;
use std::process::Child;
use std::sync::mpsc;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use super::daemon::{Daemon, rollcore};
use super::deadline::{DEADLINE, lines_of, wait_for_exit};

/// How long a worker thinks: without it, a debug build on two cores would measure nothing but itself.
const THINK_MS: u32 = 100;
/// How long a WebSocket lives at most; the drain budget of the applications is 30 s.
const TUNNEL_MS: u32 = 3_000;

/// How many workers of each kind.
#[derive(Clone, Copy, Debug, Default)]
pub struct Mix {
    pub keep_alive: u32,
    pub fresh: u32,
    pub posts: u32,
    pub streams: u32,
    pub websockets: u32,
}

/// Load that is on.
pub struct Load {
    child: Option<Child>,
    lines: mpsc::Receiver<String>,
}

impl Load {
    /// Switches it on, and waits until every kind has had an answer.
    pub fn on(daemon: &Daemon, mix: Mix) -> Self {
        Self::at(daemon.proxy(), mix)
    }

    /// The same, on a proxy that is nobody's daemon.
    pub fn at(proxy: SocketAddr, mix: Mix) -> Self {
        let options = [
            ("--address", proxy.to_string()),
            ("--seconds", "600".to_owned()),
            ("--keep-alive", mix.keep_alive.to_string()),
            ("--fresh", mix.fresh.to_string()),
            ("--posts", mix.posts.to_string()),
            ("--streams", mix.streams.to_string()),
            ("--websockets", mix.websockets.to_string()),
            ("--think-ms", THINK_MS.to_string()),
            ("--tunnel-ms", TUNNEL_MS.to_string()),
        ];
        let mut command = rollcore();
        command.args(["load", "--json"]).stderr(std::process::Stdio::inherit());
        command.args(options.iter().flat_map(|(name, value)| [*name, value.as_str()]));
        let mut child = command.spawn().expect("the load can be started");
        let lines = lines_of(child.stdout.take().expect("it is piped"));
        let load = Self { child: Some(child), lines };
        assert_eq!(load.line(), r#"{"event":"load on"}"#);
        load
    }

    /// Lets it finish what is under way.
    pub fn off(mut self) -> Tally {
        let child = self.child.take().expect("it is on until here");
        let pid = Pid::from_raw(i32::try_from(child.id()).expect("a pid"));
        kill(pid, Signal::SIGTERM).expect("it runs");
        let tally = Tally(serde_json::from_str(&self.line()).expect("the account is JSON"));
        let status = wait_for_exit(child, "the load");
        assert_eq!(status.success(), tally.failed() == 0, "{status}: {tally:#}");
        tally
    }

    fn line(&self) -> String {
        self.lines.recv_timeout(DEADLINE).expect("the load says something in time")
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// The account of a load.
pub struct Tally(Value);

impl Tally {
    /// One number of one kind; zero when there was nothing of it.
    pub fn count(&self, kind: &str, field: &str) -> u64 {
        self.0["kinds"][kind][field].as_u64().unwrap_or(0)
    }

    pub fn failed(&self) -> u64 {
        let kinds = self.0["kinds"].as_object().expect("kinds by name");
        kinds.values().filter_map(|kind| kind["failed"].as_u64()).sum()
    }

    /// How many releases have answered.
    pub fn releases(&self) -> usize {
        self.0["kinds"]["get"]["byRelease"].as_object().map_or(0, serde_json::Map::len)
    }

    /// How many answers of one kind came from a release.
    pub fn answers_of(&self, kind: &str, release: &str) -> u64 {
        self.0["kinds"][kind]["byRelease"][release].as_u64().unwrap_or(0)
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
