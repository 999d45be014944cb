//! The Velocious application: a database, a jobs service that outlives releases, and workers that outlive deploys.
//!
//! Its `rollbridge.js` is used as it is. Everything is deployed by the application's own scripts.

use std::fs;
use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

use serde_json::{Value, json};

use crate::support::{
    Daemon, Database, Load, Mix, Release, Setup, Socket, Tally, VELOCIOUS, free_ports, http, rollcore_path,
    wait_for_exit,
};

const MIX: Mix = Mix { keep_alive: 12, fresh: 4, posts: 0, streams: 0, websockets: 0 };

/// What a release that comes with a new table brings along.
const MIGRATION: &str = r#"
import Migration from "velocious/build/src/database/migration/index.js"

export default class CreateTags extends Migration {
  async up() {
    await this.createTable("tags", (t) => t.string("name"))
    await this.execute("INSERT INTO notes (body, created_at, updated_at) VALUES ('migrated', NOW(), NOW())")
  }
}
"#;

/// C-3, C-48, C-114, C-119, C-127: two deploys under load. The service stays the process that it is, each old worker
/// finishes the job that it has, and no request is lost, neither of those that read nor of those that write.
#[test]
fn two_deploys_keep_the_service_and_let_old_workers_finish() {
    let database = Database::start();
    let app = Running::start(&database);
    app.deploy("v1");
    assert_eq!(app.get("/")["environment"], "production", "C-3: rollbridge.js has set it");
    let service = app.service();

    let load = Load::on(&app.daemon, MIX);
    let writer = Writer::start(app.daemon.proxy());
    let first = app.record_on("v1");
    let mut socket = Socket::open(app.daemon.proxy());
    assert_eq!(socket.get("/")["release"], "v1");

    app.make("v2");
    let migrations = app.daemon.path_of(&Release::new("v2", "v2")).join("src/database/migrations");
    fs::write(migrations.join("20261122000000-create-tags.js"), MIGRATION).expect("it can be written");
    app.deploy_made("v2");
    assert_eq!(socket.get("/")["release"], "v1", "it stays where it was opened");
    socket.close();
    let second = app.record_on("v2");
    app.assert_works(&first, "v1");

    app.deploy("v3");
    app.assert_works(&first, "v1");
    app.assert_works(&second, "v2");
    app.stop_and_await(&first, "v1");
    app.stop_and_await(&second, "v2");
    for release in ["v1", "v2"] {
        app.daemon.event("release drained", |event| event["data"]["releaseId"] == release);
    }
    assert_eq!(app.get("/jobs"), json!({ "completed": 2 }), "the service was told of each end");

    let written = writer.stop();
    assert_nothing_failed(&load.off());
    assert_eq!(app.get("/notes")["count"], written + 1, "each note is there, and the one of the migration");
    assert_eq!(app.service(), service, "C-114: the same process on the same port, never restarted");
    for message in ["proxy error", "traffic cut", "release drain failed", "rollout stuck"] {
        let events = app.daemon.events_so_far(message);
        assert!(events.is_empty(), "{message}: {events:?}");
    }
    app.daemon.end();
    database.end();
}

/// The application under a daemon.
struct Running {
    daemon: Daemon,
}

/// A recording, and the worker that makes it.
struct Recording {
    path: String,
    worker: Value,
}

impl Running {
    fn start(database: &Database) -> Self {
        VELOCIOUS.assert_is_prepared();
        let directory = tempfile::tempdir().expect("a temporary directory");
        let releases = directory.path().join("releases");
        fs::create_dir(&releases).expect("a directory for the releases");
        let (first, last) = free_ports();
        let text = |path: &std::path::Path| path.to_str().expect("it is UTF-8").to_owned();
        let environment = vec![
            ("CONTROL_PATH", text(&directory.path().join("control.sock"))),
            ("DATABASE_HOST", text(database.host())),
            ("PROXY_PORT", "0".to_owned()),
            ("JOBS_PORTS", format!("{first}-{}", first + 4)),
            ("WEB_PORTS", format!("{}-{last}", first + 5)),
            ("ROLLCORE", rollcore_path().to_owned()),
        ];
        let config = VELOCIOUS.config();
        let ports = (first, last);
        let setup = Setup { config, environment, releases, ports };
        Self { daemon: Daemon::start_from(setup, directory) }
    }

    /// Makes a release and deploys it.
    fn deploy(&self, release: &str) {
        self.make(release);
        self.deploy_made(release);
    }

    fn make(&self, release: &str) {
        let mut command = script("release");
        command.arg(self.daemon.path_of(&Release::new(release, release)));
        let status = wait_for_exit(command.spawn().expect("it can be started"), "bin/release");
        assert!(status.success(), "bin/release ended with {status}");
    }

    fn deploy_made(&self, release: &str) {
        let mut command = script("deploy");
        command.arg(release).arg(self.daemon.path_of(&Release::new(release, release)));
        command.arg("--config").arg(self.daemon.config());
        let answer = self.daemon.begin(command, format!("bin/deploy {release}")).outcome();
        let answer = answer.expect("it is deployed");
        assert_eq!(answer["activeReleaseId"], release, "{answer}");
        self.daemon.assert_serves(release);
    }

    fn get(&self, path: &str) -> Value {
        http::get(self.daemon.proxy(), path).json()
    }

    /// What must not change about the service.
    fn service(&self) -> Value {
        let status = self.daemon.status();
        let services = status["services"].as_array().expect("a list");
        let [service] = &services[..] else { panic!("there is one service: {status:#}") };
        let releases = status["releases"].as_array().expect("a list");
        let active = releases.iter().find(|release| release["state"] == "active").expect("one is active");
        let (process, port) = (&service["process"], &active["ports"]["jobs-main"]);
        assert!(process["state"] == "running" && port.is_u64(), "it is up: {status:#}");
        json!([process["pid"], port, process["restarts"], process["startedAt"]])
    }

    /// Begins a recording, and waits until the worker of that release makes it.
    fn record_on(&self, release: &str) -> Recording {
        let begun = http::post(self.daemon.proxy(), "/recordings", "").json();
        let path = format!("/recordings/{}", begun["id"]);
        let recording = self.get(&format!("{path}?until=recording"));
        assert_eq!(recording["state"], "recording", "{recording}");
        assert_eq!(recording["workerRelease"], release, "{recording}");
        Recording { path, worker: recording["workerPid"].clone() }
    }

    /// It is not over, and its worker, which was told to leave when its release was, is still there.
    fn assert_works(&self, recording: &Recording, release: &str) {
        let now = self.get(&recording.path);
        assert_eq!(now["state"], "recording", "{now}");
        let status = self.daemon.status();
        let releases = status["releases"].as_array().expect("a list");
        let old = releases.iter().find(|one| one["releaseId"] == release);
        let processes = old.and_then(|old| old["processes"].as_array()).expect("it is not gone");
        let worker = processes.iter().find(|process| process["id"] == "jobs-worker");
        assert_eq!(worker.expect("it has a worker")["pid"], recording.worker, "{status:#}");
    }

    /// Stops a recording, and waits until it is done, and until its worker has left of its own will.
    fn stop_and_await(&self, recording: &Recording, release: &str) {
        http::post(self.daemon.proxy(), &format!("{}/stop", recording.path), "").json();
        let done = self.get(&format!("{}?until=done", recording.path));
        assert_eq!(done["state"], "done", "{done}");
        assert_eq!(done["workerPid"], recording.worker, "one worker made all of it: {done}");
        let is_of_worker = |event: &_| self.daemon.is_of(event, release, "jobs-worker");
        let exited = self.daemon.event("process exited", is_of_worker);
        assert_eq!(exited["data"]["code"], 0, "{exited}");
        assert_eq!(exited["data"]["signal"], Value::Null, "{exited}");
    }
}

/// One of the scripts of the application.
fn script(name: &str) -> Command {
    let mut command = Command::new(VELOCIOUS.path().join("bin").join(name));
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Writes one note after the other. One that is not answered well is a failure, and is not tried again.
struct Writer {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<u64>,
}

impl Writer {
    fn start(proxy: SocketAddr) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&stop);
        let thread = thread::spawn(move || {
            let mut written = 0;
            while !told.load(Ordering::Relaxed) {
                let note = http::post(proxy, "/notes", &format!("body=note+{written}")).json();
                assert!(note["id"].is_u64(), "{note}");
                written += 1;
            }
            written
        });
        Self { stop, thread }
    }

    /// How many were written.
    fn stop(self) -> u64 {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().expect("each note was written")
    }
}

fn assert_nothing_failed(tally: &Tally) {
    assert_eq!(tally.failed(), 0, "{tally:#}");
    for kind in ["get", "new-connection"] {
        assert_eq!(tally.count(kind, "ok"), tally.count(kind, "sent"), "{kind}: {tally:#}");
        for release in ["v1", "v2", "v3"] {
            assert!(tally.answers_of(kind, release) > 0, "{kind}, {release}: {tally:#}");
        }
    }
}
