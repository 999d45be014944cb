//! The Node application at Unix sockets.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Instant;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};

use crate::support::{DEADLINE, Daemon, Load, Mix, NODE, Release, http};

const MIX: Mix = Mix { keep_alive: 32, fresh: 4, posts: 4, streams: 4, websockets: 8 };

fn at_sockets(config: &mut Value) {
    let web = config["processes"][0].as_object_mut().expect("a process");
    web.remove("port");
    web.insert("socket".to_owned(), json!(true));
}

/// The directories of sockets beside a daemon's control socket.
fn directories(daemon: &Daemon) -> Vec<PathBuf> {
    let home = daemon.config().parent().expect("it is in a directory");
    let entries = fs::read_dir(home).expect("it is there").map(|entry| entry.expect("it can be read").path());
    let is_one = |path: &PathBuf| {
        path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("rollcore-sockets-"))
    };
    entries.filter(is_one).collect()
}

fn socket_of(daemon: &Daemon, release: &str) -> PathBuf {
    let status = daemon.status();
    let releases = status["releases"].as_array().expect("a list");
    let release = releases.iter().find(|other| other["releaseId"] == release).expect("it is remembered");
    assert_eq!(release["ports"], json!({}), "{release:#}");
    release["sockets"]["web"].as_str().expect("a path").into()
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).expect("it is there").permissions().mode() & 0o777
}

/// Deploys under load, one of them broken, and a rollback.
#[test]
fn deploys_lose_nothing() {
    let daemon = Daemon::start_with(&NODE, at_sockets);
    daemon.deploy(&Release::new("r0", "v1")).expect("the first release is deployed");
    let first = socket_of(&daemon, "r0");
    assert_eq!(directories(&daemon), [first.parent().expect("a directory")]);
    assert_eq!(mode(first.parent().expect("a directory")), 0o700, "before anything listens");
    let load = Load::on(&daemon, MIX);
    for (release, directory) in [("r1", "v2"), ("r2", "v1"), ("r3", "broken-answers-500"), ("r4", "v2")] {
        let deployed = daemon.deploy(&Release::new(release, directory));
        assert_eq!(deployed.is_ok(), release != "r3", "{deployed:?}");
        daemon.assert_serves(if release == "r3" { "r2" } else { release });
    }
    daemon.command(&["rollback"]).outcome().expect("there is one to go back to");
    daemon.until("the old releases have drained", |events| {
        events.iter().filter(|event| event["message"] == "release drained").count() == 4
    });
    let tally = load.off();
    assert_eq!(tally.failed(), 0, "{tally:#}");
    assert!(tally.releases() >= 4, "{tally:#}");
    let active = socket_of(&daemon, "r2");
    let left: Vec<_> = fs::read_dir(active.parent().expect("a directory"))
        .expect("it is there")
        .map(|entry| entry.expect("it can be read").path())
        .collect();
    assert_eq!(left, [active], "those of the old releases are gone");
    daemon.end();
}

/// Its socket lay there when it was started again: EADDRINUSE, for ever.
#[test]
fn a_process_that_is_killed_comes_back_at_its_socket() {
    let daemon = Daemon::start_with(&NODE, |config| {
        at_sockets(config);
        config["processes"][0]["restartDelayMs"] = json!(50);
    });
    daemon.deploy(&Release::new("r0", "v1")).expect("the first release is deployed");
    let socket = socket_of(&daemon, "r0");
    for crash in 1..=3 {
        let pid = daemon.web_pid();
        kill(Pid::from_raw(i32::try_from(pid).expect("a pid")), Signal::SIGKILL).expect("it runs");
        let of_web = |event: &&Value| event["message"] == "process started" && event["data"]["id"] == "web";
        daemon.until("web is started again", |events| events.iter().filter(of_web).count() == crash + 1);
        let began = Instant::now();
        while http::get(daemon.proxy(), "/").status != 200 {
            assert!(began.elapsed() < DEADLINE, "it never listens again");
        }
    }
    assert_eq!(socket_of(&daemon, "r0"), socket);
    daemon.end();
}
