//! `rollcore predeploy-cleanup` as a user runs it (compat §20).

use std::io::{BufRead, BufReader};
use std::os::unix::net::UnixListener;
use std::process::{Child, Command, Stdio};

use crate::support::{Place, is_alive, until};
use serde_json::{Value, json};

const KEPT: &str = "Rollbridge daemon already has an active release; no legacy cleanup needed.\n";

/// Changes the config of the place.
fn reconfigure(place: &Place, key: &str, value: Value) {
    let text = std::fs::read_to_string(place.path("rollcore.json")).expect("it is there");
    let mut config: Value = serde_json::from_str(&text).expect("it is JSON");
    config[key] = value;
    place.write("rollcore.json", &config.to_string());
}

/// What ran before: a shell with a child, known by a text in its command line.
struct Old {
    child: Child,
}

impl Old {
    fn server(mark: &str, script: &str) -> Self {
        let mut shell = Command::new("/bin/sh");
        shell.args(["-c", script, mark]).stdin(Stdio::null()).stdout(Stdio::piped());
        let mut child = shell.spawn().expect("there is a shell");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("it is a pipe")).read_line(&mut line).expect("it says so");
        assert_eq!(line, "up\n");
        Self { child }
    }
}

impl Drop for Old {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// C-228, C-230, C-231: what ran before is stopped with its children; no daemon is started.
#[test]
fn what_ran_before_is_stopped() {
    let place = Place::with_app();
    let mark = format!("old-shop-{}", std::process::id());
    let mut old = Old::server(&mark, "sleep 60 & echo up; wait");
    let takeover =
        json!({ "processes": [{ "includes": [mark, "sh"] }], "screens": ["no-such-screen-of-shop"] });
    reconfigure(&place, "legacyTakeover", takeover);
    let ran = place.run(&["predeploy-cleanup"]);
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""));
    assert_eq!(
        ran.stdout,
        "No active Rollbridge daemon found.\nRecovered 0 Rollbridge orphaned processes.\nStopped 2 legacy processes.\n"
    );
    let status = old.child.wait().expect("it is our child");
    assert_eq!(std::os::unix::process::ExitStatusExt::signal(&status), Some(15));
    assert!(!place.path("control.sock").exists());
    assert!(place.run(&["predeploy-cleanup"]).stdout.ends_with("Stopped 0 legacy processes.\n"));
}

/// C-228: a screen session by its name, if there is a `screen` here.
#[test]
fn a_screen_session_is_ended() {
    if Command::new("screen").arg("-v").output().is_err() {
        return;
    }
    let place = Place::with_app();
    let (name, other) = (format!("shop-{}", std::process::id()), format!("shop-{}-b", std::process::id()));
    let pid_of = |session: &str| {
        let file = place.path(session);
        let script = format!("echo $$ > {}.new; mv {0}.new {0}; exec sleep 60", file.display());
        let started = Command::new("screen").args(["-dmS", session, "sh", "-c", &script]).status();
        assert!(started.expect("there is a screen").success());
        until(|| file.exists());
        let pid = std::fs::read_to_string(file).expect("it was written");
        pid.trim().parse::<u64>().expect("a pid")
    };
    let (meant, spared) = (pid_of(&name), pid_of(&other));
    reconfigure(&place, "legacyTakeover", json!({ "screens": [name] }));
    let ran = place.run(&["predeploy-cleanup"]);
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""));
    assert!(!is_alive(meant), "{}", ran.stdout);
    assert!(is_alive(spared), "a session whose name only begins alike was ended");
    Command::new("screen").args(["-S", &other, "-X", "quit"]).status().expect("there is a screen");
    until(|| !is_alive(spared));
}

/// C-225: a daemon that serves is kept, and nothing else is done.
#[test]
fn a_daemon_that_serves_is_kept() {
    let place = Place::with_app();
    let mut daemon = place.daemon();
    let (one, two) = (place.release("one", "ok"), place.release("two", "ok"));
    place.json(&["deploy", "--release-path", &one, "--release-id", "v1"]);
    let mark = format!("kept-shop-{}", std::process::id());
    // One process, whose command line holds the mark to its end.
    let file = place.write(&mark, "");
    let old = Old::server(&mark, &format!("echo up; exec tail -n 0 -f {} >/dev/null", file.display()));
    reconfigure(&place, "legacyTakeover", json!({ "processes": [{ "includes": [mark] }] }));
    assert_eq!(place.run(&["predeploy-cleanup"]).stdout, KEPT);
    assert!(is_alive(old.child.id().into()));

    // One version is no difference, and neither is the same one twice.
    let package = |release: &str, version: &str| {
        let path = std::path::Path::new(release).join("node_modules/rollbridge");
        std::fs::create_dir_all(&path).expect("it can be made");
        std::fs::write(path.join("package.json"), json!({ "version": version }).to_string()).expect("it can");
    };
    package(&one, "0.1.21");
    assert_eq!(place.run(&["predeploy-cleanup", "--release-path", &two]).stdout, KEPT);
    package(&two, "0.1.21");
    assert_eq!(place.run(&["predeploy-cleanup", "--release-path", &two]).stdout, KEPT);
    package(&two, "0.1.22");
    let ran = place.run(&["predeploy-cleanup", "--release-path", &two]);
    assert_eq!(
        (ran.code, ran.stdout.as_str()),
        (
            Some(0),
            "Stopped existing Rollbridge daemon before deploy.\nRecovered 0 Rollbridge orphaned processes.\nStopped 1 \
             legacy process.\n"
        ),
        "{}",
        ran.stderr
    );
    assert_eq!(daemon.code(), Some(0));
}

/// C-226: a daemon without a release is shut down, and its socket is gone afterwards.
#[test]
fn an_idle_daemon_is_shut_down() {
    let place = Place::with_app();
    let mut daemon = place.daemon();
    let ran = place.run(&["predeploy-cleanup"]);
    assert!(ran.stdout.starts_with("Stopped existing Rollbridge daemon before deploy.\n"), "{}", ran.stderr);
    assert!(!place.path("control.sock").exists());
    assert_eq!(daemon.code(), Some(0));
}

/// C-224: nobody else's daemon, and no stranger, is touched.
#[test]
fn who_is_not_ours_is_refused() {
    let place = Place::with_app();
    let daemon = place.daemon();
    let socket = place.path("control.sock");
    reconfigure(&place, "application", json!("bank"));
    assert_eq!(
        place.failure(&["predeploy-cleanup"]),
        format!(
            "Error: A Rollbridge daemon for \"shop\" is using {}; expected \"bank\".\n",
            socket.display()
        )
    );
    drop(daemon);
    let _stranger = UnixListener::bind(&socket).expect("the path is free");
    assert_eq!(
        place.failure(&["predeploy-cleanup"]),
        format!(
            "Error: A non-Rollbridge process is using {}; refusing predeploy cleanup.\n",
            socket.display()
        )
    );
}

/// C-227, C-230: what a daemon that was killed left behind is stopped; C-234: and doctor has named it before.
#[test]
fn orphans_are_named_and_then_stopped() {
    let place = Place::with_app();
    reconfigure(&place, "statePath", json!(place.path("state.json")));
    let mut daemon = place.daemon();
    place.json(&["deploy", "--release-path", &place.release("one", "ok"), "--release-id", "v1"]);
    let worker = |status: &Value| {
        let processes = status["releases"][0]["processes"].as_array().expect("a list").clone();
        let worker = processes.into_iter().find(|process| process["id"] == "worker").expect("it runs");
        worker["pid"].as_u64().expect("a pid")
    };
    let pid = worker(&place.json(&["status"]));
    daemon.signal(nix::sys::signal::Signal::SIGKILL);
    assert_eq!(daemon.code(), None);

    let report = place.run(&["doctor", "--json"]);
    let report: Value = serde_json::from_str(&report.stdout).expect("it is JSON");
    let checks = report["checks"].as_array().expect("a list");
    let orphans =
        checks.iter().find(|check| check["name"] == "orphaned processes").expect("it was looked at");
    let detail = orphans["detail"].as_str().expect("text");
    assert!(detail.starts_with("4 possible orphaned processes still running: "), "{detail}");
    assert!(detail.contains(&format!("worker (pid {pid})")), "{detail}");
    assert!(detail.ends_with(" — verify and stop any leftovers"), "{detail}");

    let ran = place.run(&["predeploy-cleanup"]);
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""));
    assert_eq!(
        ran.stdout,
        "No active Rollbridge daemon found.\nRecovered 4 Rollbridge orphaned processes.\nStopped 0 legacy processes.\n"
    );
    assert!(!is_alive(pid));
    assert!(!place.path("state.json").exists());
}
