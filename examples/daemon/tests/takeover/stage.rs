//! What these tests have in common: a shop whose worker finishes its job, and the words of a bootstrap.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::process::{Child, ChildStdout, Command, Stdio};

use nix::sys::signal::{Signal, kill};
use serde_json::{Value, json};

use crate::support::{Daemon, Place, ROLLCORE, Ran, SOON};

/// What the starter says of the daemon that he starts.
pub(crate) fn attestation(digit: char) -> String {
    format!("sha256:{}", digit.to_string().repeat(64))
}

/// A shop with a process of each policy. Its worker stops taking work when it is told to be quiet, and needs a second to
/// finish what it has.
pub(crate) fn shop() -> Place {
    let place = Place::new();
    let worker = "trap 'sleep 1; touch finished; exit 0' USR1; touch working; while :; do sleep 0.05; done";
    place.configure(&json!([
        { "id": "web", "policy": "proxied", "port": 0, "command": [ROLLCORE, "sample-app"],
          "health": { "timeoutMs": 10_000, "intervalMs": 20 } },
        { "id": "worker", "command": worker,
          "lifecycle": { "quietCommand": "kill -USR1 $ROLLBRIDGE_PID; touch quieted", "drainTimeoutMs": 15_000 } },
        { "id": "cron", "policy": "singleton", "command": [ROLLCORE, "sample-app", "--role", "scheduler"] },
        { "id": "broker", "policy": "service", "command": [ROLLCORE, "sample-app", "--role", "broker"] },
    ]));
    place
}

/// From now on what runs is written to `shop.state.json`.
pub(crate) fn with_state_file(place: &Place) {
    let config = std::fs::read_to_string(place.path("rollcore.json")).expect("it is there");
    let mut config: Value = serde_json::from_str(&config).expect("it is JSON");
    config["statePath"] = json!(place.path("shop.state.json"));
    place.write("rollcore.json", &config.to_string());
}

/// The words of a daemon that begins with this release, which is in the directory of the same name.
pub(crate) fn bootstrap(place: &Place, release: &str, more: &[&str]) -> Command {
    let path = |name: &str| place.path(name).to_str().expect("the path is text").to_owned();
    let (config, release_path) = (path("rollcore.json"), path(release));
    let words = ["daemon", "--config", &config, "--release-path", &release_path, "--release-id", release];
    let mut command = place.command(&[&words[..], &["--revision", "abc123"], more].concat());
    command.stdout(Stdio::piped());
    command
}

/// A daemon that began with this release and can be reached.
pub(crate) fn begun(place: &Place, release: &str, more: &[&str]) -> Daemon {
    Daemon::started(bootstrap(place, release, more).spawn().expect("it can be run"))
}

/// Runs a daemon that will not last.
pub(crate) fn ran(mut daemon: Command) -> Ran {
    Ran::of(&daemon.stderr(Stdio::piped()).output().expect("it can be run"))
}

/// What a daemon that has ended had logged under this message.
pub(crate) fn logged(ran: &Ran, message: &str) -> Vec<Value> {
    let events = ran.stdout.lines().map(|line| serde_json::from_str::<Value>(line).expect("a line of JSON"));
    events.filter(|event| event["message"] == message).map(|event| event["data"].clone()).collect()
}

/// One line to the control socket, and everything that comes back before it is closed.
pub(crate) fn last_words(place: &Place, line: &str) -> String {
    let mut stream = UnixStream::connect(place.path("control.sock")).expect("somebody listens");
    stream.set_read_timeout(Some(SOON)).expect("it is not zero");
    writeln!(stream, "{line}").expect("somebody reads");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("it is answered and closed");
    answer
}

/// One line to the control socket, and the line that comes back.
pub(crate) fn ask(place: &Place, line: &str) -> Value {
    let mut stream = UnixStream::connect(place.path("control.sock")).expect("somebody listens");
    stream.set_read_timeout(Some(SOON)).expect("it is not zero");
    writeln!(stream, "{line}").expect("somebody reads");
    let mut answer = String::new();
    BufReader::new(stream).read_line(&mut answer).expect("it is answered");
    serde_json::from_str(&answer).expect("a line of JSON")
}

/// A client that keeps its connection.
pub(crate) struct Visitor(BufReader<TcpStream>);

impl Visitor {
    pub(crate) fn of(status: &Value) -> Self {
        Self::at(status["proxy"]["port"].as_u64().expect("a port"))
    }

    pub(crate) fn at(port: u64) -> Self {
        let stream = TcpStream::connect(format!("127.0.0.1:{port}")).expect("the proxy listens");
        stream.set_read_timeout(Some(SOON)).expect("it is not zero");
        Self(BufReader::new(stream))
    }

    pub(crate) fn send(&mut self, path: &str) {
        let request = format!("GET {path} HTTP/1.1\r\nHost: shop\r\n\r\n");
        self.0.get_mut().write_all(request.as_bytes()).expect("the proxy reads");
    }

    /// The head of the next answer, in lower case.
    pub(crate) fn head(&mut self) -> String {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            let read = self.0.read_line(&mut head).expect("the proxy answers");
            assert_ne!(read, 0, "the connection was closed after {head:?}");
        }
        head.to_lowercase()
    }

    /// The next answer, whose length is given: its head in lower case, and its body.
    pub(crate) fn answer(&mut self) -> (String, String) {
        let head = self.head();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        let length = length.and_then(|length| length.parse().ok()).expect("an answer with a length");
        let mut body = vec![0; length];
        self.0.read_exact(&mut body).expect("the answer is whole");
        (head, String::from_utf8(body).expect("it is text"))
    }

    /// Everything up to the end of the connection.
    pub(crate) fn rest(mut self) -> String {
        let mut rest = String::new();
        self.0.read_to_string(&mut rest).expect("the proxy closes in order");
        rest
    }
}

/// Load of every kind on the proxy of this status, by the generator that forgives nothing.
pub(crate) struct Load {
    child: Child,
    lines: BufReader<ChildStdout>,
}

impl Load {
    /// On, when this returns: every kind has had its first answer.
    pub(crate) fn on(place: &Place, status: &Value) -> Self {
        let address = format!("127.0.0.1:{}", status["proxy"]["port"]);
        let words = ["load", "--address", &address, "--seconds", "120", "--json"];
        let mut child = place.command(&words).stdout(Stdio::piped()).spawn().expect("it can be run");
        let mut load = Self { lines: BufReader::new(child.stdout.take().expect("it is a pipe")), child };
        assert_eq!(load.line()["event"], "load on");
        load
    }

    /// Off; what became of every request.
    pub(crate) fn account(mut self) -> Value {
        let pid = i32::try_from(self.child.id()).expect("a pid fits");
        kill(nix::unistd::Pid::from_raw(pid), Signal::SIGTERM).expect("it is there");
        let account = self.line();
        self.child.wait().expect("it is our child");
        account
    }

    fn line(&mut self) -> Value {
        let mut line = String::new();
        self.lines.read_line(&mut line).expect("it is a pipe");
        serde_json::from_str(&line).expect("a line of JSON")
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
