//! A new user with a `rollbridge.js`: every command, in the order in which they are met.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};

use crate::support::{DEADLINE, leftovers, rollcore};

/// A directory with the config, two releases, and a daemon once one was asked for.
struct Tickets {
    directory: tempfile::TempDir,
    mark: String,
    name: String,
    proxy: u16,
}

impl Tickets {
    fn new() -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let mark = leftovers::mark();
        let (first, last) = leftovers::free_ports();
        let tickets = Self { directory, name: format!("tickets-{mark}"), mark, proxy: first };
        let app = Path::new(env!("CARGO_MANIFEST_DIR")).join("../apps/tickets");
        for release in ["v1", "v2"] {
            copy(&app.join("bin"), &tickets.path(release).join("bin"));
        }
        let config = fs::read_to_string(app.join("rollbridge.js")).expect("the application has a config");
        let ours = [
            ("port: 8182".to_owned(), format!("port: {first}")),
            ("port: 7330".to_owned(), format!("port: {}", first + 1)),
            ("{from: 7331, to: 7399}".to_owned(), format!("{{from: {}, to: {}}}", first + 2, first + 9)),
            ("{from: 18182, to: 18299}".to_owned(), format!("{{from: {}, to: {last}}}", first + 10)),
            ("/tmp/ticket-server.state.json".to_owned(), tickets.text("state.json")),
            ("drainTimeoutMs: 5000}".to_owned(), "drainTimeoutMs: 200}".to_owned()),
        ];
        let config = ours.iter().fold(config, |config, (theirs, ours)| {
            assert!(config.contains(theirs), "{theirs} is not in the config");
            config.replace(theirs, ours)
        });
        fs::write(tickets.path("rollbridge.js"), config).expect("the config can be written");
        tickets
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn text(&self, name: &str) -> String {
        self.path(name).to_str().expect("it is UTF-8").to_owned()
    }

    /// Runs a command where the config is found by itself.
    fn run(&self, words: &[&str]) -> (Option<i32>, String, String) {
        let output = self.command(words).output().expect("the command can be run");
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("it prints text");
        (output.status.code(), text(output.stdout), text(output.stderr))
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = rollcore();
        command.args(words).current_dir(self.directory.path());
        command.env("APP_NAME", &self.name).env(leftovers::MARK, &self.mark);
        command
    }

    /// What a command prints that must succeed.
    fn says(&self, words: &[&str]) -> String {
        let (code, stdout, stderr) = self.run(words);
        assert_eq!((code, stderr.as_str()), (Some(0), ""), "{words:?}: {stdout}");
        stdout
    }

    fn answers(&self, words: &[&str]) -> Value {
        serde_json::from_str(&self.says(words)).expect("it prints JSON")
    }

    fn deploy(&self, release: &str) -> Value {
        self.answers(&["deploy", "--release-id", release, "--release-path", &self.text(release)])
    }

    fn ensure_daemon(&self) -> Value {
        let (log, pid, runtime) = (self.text("daemon.log"), self.text("daemon.pid"), self.text("runtime"));
        self.answers(&[
            "ensure-daemon",
            "--daemon-log-path",
            &log,
            "--daemon-pid-path",
            &pid,
            "--daemon-runtime-path",
            &runtime,
        ])
    }

    fn daemon_pid(&self) -> Pid {
        let text = fs::read_to_string(self.path("daemon.pid")).expect("a file with the pid");
        Pid::from_raw(text.trim_end().parse().expect("a number"))
    }

    fn request(&self, head: &str, body: &str) -> String {
        let mut stream = TcpStream::connect(("127.0.0.1", self.proxy)).expect("the proxy listens");
        stream.set_read_timeout(Some(DEADLINE)).expect("it is not zero");
        let length = body.len();
        let request = format!(
            "{head} HTTP/1.1\r\nhost: tickets\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}"
        );
        stream.write_all(request.as_bytes()).expect("the proxy reads");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("the proxy answers");
        answer
    }

    fn home(&self) -> String {
        let answer = self.request("GET /", "");
        answer.split_once("\r\n\r\n").map(|(_, body)| body.to_owned()).unwrap_or_default()
    }

    /// Waits until the status is so. What is waited for happens in other programs, and is polled.
    fn until(&self, what: &str, is_so: impl Fn(&Value) -> bool) -> Value {
        let deadline = Instant::now() + DEADLINE;
        loop {
            let status = self.answers(&["status"]);
            if is_so(&status) {
                return status;
            }
            assert!(Instant::now() < deadline, "never {what}: {status:#}");
        }
    }
}

impl Drop for Tickets {
    fn drop(&mut self) {
        leftovers::kill_marked(&self.mark);
        for suffix in ["sock", "log", "pid"] {
            let _ = fs::remove_file(format!("/tmp/rollbridge-{}.{suffix}", self.name));
        }
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a directory");
    for entry in fs::read_dir(from).expect("a directory").map(|entry| entry.expect("an entry")) {
        fs::copy(entry.path(), to.join(entry.file_name())).expect("it can be copied");
    }
}

fn single<'a>(status: &'a Value, list: &str, id: &str) -> &'a Value {
    let singles = status[list].as_array().expect("a list");
    let found = singles.iter().find(|single| single["id"] == id);
    &found.unwrap_or_else(|| panic!("no {id}: {status:#}"))["process"]
}

fn release<'a>(status: &'a Value, id: &str) -> &'a Value {
    let releases = status["releases"].as_array().expect("a list");
    releases.iter().find(|release| release["releaseId"] == id).unwrap_or(&Value::Null)
}

fn lines(release: &Value) -> Vec<String> {
    let processes = release["processes"].as_array().into_iter().flatten();
    let logs = processes.flat_map(|process| process["logs"].as_array().into_iter().flatten());
    logs.filter_map(|log| log["line"].as_str().map(str::to_owned)).collect()
}

#[test]
fn a_config_of_rollbridge_goes_through_every_command() {
    let tickets = Tickets::new();
    let config = tickets.text("rollbridge.js");
    let expected = format!("{config} is valid: 5 processes, proxy on 127.0.0.1:{}.\n", tickets.proxy);
    assert_eq!(tickets.says(&["validate"]), expected);
    let checks = tickets.says(&["doctor", "--release-path", &tickets.text("v1")]);
    assert!(checks.ends_with("\nAll checks passed.\n"), "{checks}");
    assert!(checks.contains("all 5 process command/cwd/env templates resolve"), "{checks}");

    let status = tickets.ensure_daemon();
    assert_eq!((&status["activeReleaseId"], &status["application"]), (&Value::Null, &json!(tickets.name)));
    let answer = tickets.deploy("v1");
    assert_eq!(answer, json!({ "status": "success", "activeReleaseId": "v1", "previousReleaseId": null }));
    assert_eq!(tickets.home(), "tickets by v1\n");

    a_second_release_leaves_the_old_worker_its_job(&tickets);
    what_is_there_can_be_looked_at(&tickets);

    assert_eq!(tickets.answers(&["restart", "--process", "worker#0"])["restarted"], json!(["worker#0"]));
    let answer = tickets.answers(&["rollback"]);
    assert_eq!(answer, json!({ "status": "success", "activeReleaseId": "v1", "previousReleaseId": "v2" }));
    assert_eq!(tickets.home(), "tickets by v1\n");
    assert_eq!(tickets.answers(&["stop"])["activeReleaseId"], Value::Null);
    assert!(tickets.request("GET /", "").starts_with("HTTP/1.1 503 "));

    a_daemon_that_is_killed_is_recovered_from(&tickets);

    tickets.ensure_daemon();
    tickets.deploy("v1");
    let answer = tickets.answers(&["shutdown"]);
    assert_eq!(answer, json!({ "status": "success", "message": "shutdown" }));
    assert!(!tickets.path("state.json").exists(), "C-206");
    let deadline = Instant::now() + DEADLINE;
    while !leftovers::marked(&tickets.mark).is_empty() {
        assert!(Instant::now() < deadline, "left behind: {:?}", leftovers::marked(&tickets.mark));
    }
}

/// A job that takes longer than the deploy is finished by the worker that has it; the beacon goes on, and there is one
/// scheduler.
fn a_second_release_leaves_the_old_worker_its_job(tickets: &Tickets) {
    tickets.request("POST /tickets", &json!({ "name": "row 7", "ms": 8_000 }).to_string());
    let before = tickets.answers(&["status"]);
    let answer = tickets.deploy("v2");
    assert_eq!(answer["previousReleaseId"], "v1");
    assert_eq!(tickets.home(), "tickets by v2\n");
    let after = tickets.answers(&["status"]);
    assert_eq!(release(&after, "v1")["state"], "draining", "the job is not done yet: {after:#}");
    for field in ["pid", "startedAt"] {
        assert_eq!(single(&before, "services", "beacon")[field], single(&after, "services", "beacon")[field]);
    }
    assert_ne!(
        single(&before, "singletons", "scheduler")["pid"],
        single(&after, "singletons", "scheduler")["pid"]
    );
    let drained = tickets.until("v1 stopped", |status| release(status, "v1")["state"] == "stopped");
    let said = lines(release(&drained, "v1"));
    assert!(said.iter().any(|line| line == "did row 7"), "{said:?}");
    let exits: Vec<_> = release(&drained, "v1")["processes"].as_array().expect("a list").iter().collect();
    let workers =
        exits.iter().filter(|process| process["id"].as_str().is_some_and(|id| id.starts_with("worker#")));
    assert!(
        workers.clone().count() == 2 && workers.clone().all(|worker| worker["exitCode"] == 0),
        "{exits:?}"
    );
}

fn what_is_there_can_be_looked_at(tickets: &Tickets) {
    let logs = tickets.says(&["logs", "--process", "worker#0"]);
    assert!(logs.contains("== worker#0 [release v2 (active)] ==\n"), "{logs}");
    assert!(logs.contains("[stdout] worker 0 of 2 works for v2\n"), "{logs}");
    let events = tickets.says(&["events", "--limit", "1000"]);
    assert!(
        events.contains("traffic switched {\"previousReleaseId\":\"v1\",\"releaseId\":\"v2\"}"),
        "{events}"
    );
    assert!(events.contains("release drained {\"releaseId\":\"v1\"}"), "{events}");
}

fn a_daemon_that_is_killed_is_recovered_from(tickets: &Tickets) {
    tickets.deploy("v2");
    kill(tickets.daemon_pid(), Signal::SIGKILL).expect("it is there");
    let deadline = Instant::now() + DEADLINE;
    let said = loop {
        let (code, _, stderr) = tickets.run(&["status"]);
        if code == Some(1) {
            break stderr;
        }
        assert!(Instant::now() < deadline, "the daemon was killed");
    };
    assert!(said.starts_with("Error: connect ECONNREFUSED /tmp/rollbridge-tickets-"), "{said}");

    let found = tickets.says(&["recover"]);
    assert!(found.starts_with("Found 6 orphaned processes (run with --force to stop):\n"), "{found}");
    for line in ["  web (pid ", "  worker#1 (pid ", "  beacon (pid ", "  scheduler (pid ", ", release v2)\n"]
    {
        assert!(found.contains(line), "{line:?} is not in {found}");
    }
    let stopped = tickets.says(&["recover", "--force"]);
    assert!(stopped.starts_with("Stopped 6 orphaned processes:\n"), "{stopped}");
    assert_eq!(leftovers::marked(&tickets.mark), [""; 0], "left behind");
    assert!(!tickets.path("state.json").exists(), "C-212");
}
