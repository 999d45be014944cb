//! The daemon as a user runs it: deploys of the sample application, and every command on the way.

mod support;
mod takeover;

use std::io::Read;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::Stdio;

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use serde_json::{Value, json};
use support::{Place, get, is_alive, mode, until};

/// The pids in a status.
fn pids(value: &Value) -> Vec<u64> {
    match value {
        Value::Object(fields) => {
            let own = fields.get("pid").and_then(Value::as_u64);
            own.into_iter().chain(fields.values().flat_map(pids)).collect()
        }
        Value::Array(items) => items.iter().flat_map(pids).collect(),
        _ => Vec::new(),
    }
}

fn messages(place: &Place) -> Vec<String> {
    let events = place.json(&["events", "--json"]);
    let events = events.as_array().expect("a list");
    events.iter().map(|event| event["message"].as_str().expect("a text").to_owned()).collect()
}

/// C-147, C-150, C-179, C-243, C-244, C-256.
#[test]
fn releases_come_and_go() {
    let place = Place::with_app();
    let (one, two) = (place.release("one", "ok"), place.release("two", "ok"));
    let mut daemon = place.daemon();
    assert_eq!(mode(&place.path("control.sock")), 0o600);
    assert_eq!(place.run(&["logs"]).stdout, "No managed processes.\n");
    assert_eq!(get(&place.json(&["status"])), "503 No active release");

    let deployed = place.run(&["deploy", "--release-path", &one, "--release-id", "v1", "--revision", "abc"]);
    assert_eq!((deployed.code, deployed.stderr.as_str()), (Some(0), ""));
    assert_eq!(
        deployed.stdout,
        "{\n  \"status\": \"success\",\n  \"activeReleaseId\": \"v1\",\n  \"previousReleaseId\": null\n}\n"
    );
    let status = place.run(&["status"]).stdout;
    assert!(
        status.starts_with("{\n  \"status\": \"success\",\n  \"activeReleaseId\": \"v1\",\n"),
        "{status}"
    );
    let status: Value = serde_json::from_str(&status).expect("it is JSON");
    assert_eq!(
        (status["releases"][0]["revision"].as_str(), get(&status)),
        (Some("abc"), "200 v1".to_owned())
    );

    let deployed = place.json(&["deploy", "--release-path", &two, "--revision", "v2"]);
    assert_eq!((&deployed["activeReleaseId"], &deployed["previousReleaseId"]), (&json!("v2"), &json!("v1")));
    assert_eq!(daemon.wait_for("release drained"), json!({ "releaseId": "v1" }));
    assert_eq!(get(&status), "200 v2");

    let rolled_back = place.json(&["rollback"]);
    assert_eq!(
        (&rolled_back["activeReleaseId"], &rolled_back["previousReleaseId"]),
        (&json!("v1"), &json!("v2"))
    );
    assert_eq!(daemon.wait_for("release drained"), json!({ "releaseId": "v2" }));
    assert_eq!(
        place.failure(&["rollback", "--release-id", "zz"]),
        "Error: No retained release \"zz\" to roll back to.\n"
    );
    assert_eq!(
        place.failure(&["rollback", "--release-id", "v1"]),
        "Error: Release \"v1\" is already active.\n"
    );
    assert_eq!(get(&status), "200 v1");

    let status = place.json(&["status"]);
    let running = pids(&status);
    assert_eq!(running.len(), 4, "{status:#}");
    assert!(running.iter().all(|pid| is_alive(*pid)));
    let stopped = place.json(&["stop"]);
    assert_eq!((&stopped["status"], &stopped["activeReleaseId"]), (&json!("success"), &json!(null)));
    assert_eq!(place.failure(&["stop"]), "Error: Release not found: active\n");
    assert_eq!(place.failure(&["stop", "--release-id", "zz"]), "Error: Release not found: zz\n");
    assert_eq!(get(&status), "503 No active release");

    assert_eq!(place.json(&["shutdown"]), json!({ "status": "success", "message": "shutdown" }));
    assert!(!place.path("control.sock").exists());
    assert!(!running.iter().any(|pid| is_alive(*pid)), "a process was left behind");
    assert_eq!(daemon.code(), Some(0));
}

/// C-243.
#[test]
fn processes_are_restarted_in_place_but_for_the_proxied_one() {
    let place = Place::with_app();
    let _daemon = place.daemon();
    place.json(&["deploy", "--release-path", &place.release("one", "ok"), "--release-id", "v1"]);
    let before = place.json(&["status"]);
    assert_eq!(place.json(&["restart", "--process", "worker"])["restarted"], json!(["worker"]));
    assert_eq!(place.json(&["restart", "--policy", "singleton"])["restarted"], json!(["cron"]));
    let after = place.json(&["status"]);
    assert_ne!(before["singletons"][0]["process"]["pid"], after["singletons"][0]["process"]["pid"]);
    assert_eq!(after["singletons"][0]["process"]["lastStartReason"], "manual");
    assert_eq!(before["services"][0]["process"]["pid"], after["services"][0]["process"]["pid"]);
    assert_eq!(
        place.failure(&["restart", "--process", "web"]),
        "Error: The proxied process cannot be restarted in place; use \"rollbridge deploy\" for a zero-downtime \
         replacement.\n"
    );
    assert_eq!(
        place.failure(&["restart", "--process", "nobody"]),
        "Error: No managed process with id \"nobody\" to restart.\n"
    );
}

/// Ours.
#[test]
fn traffic_is_paused_and_resumed() {
    let place = Place::with_app();
    let _daemon = place.daemon();
    place.json(&["deploy", "--release-path", &place.release("one", "ok"), "--release-id", "v1"]);
    assert_eq!(place.json(&["status"])["proxy"]["traffic"], "flowing");
    let paused = place.json(&["pause"]);
    assert_eq!(
        (&paused["traffic"], &paused["inFlight"], &paused["parked"]),
        (&json!("paused"), &json!(0), &json!(0))
    );
    assert_eq!(place.json(&["status"])["proxy"]["traffic"], "paused");
    assert_eq!(place.json(&["resume"])["traffic"], "flowing");
    assert_eq!(place.json(&["resume"])["traffic"], "flowing", "it may have resumed by itself");
    assert_eq!(place.json(&["pause", "--timeout-ms", "3600000"])["traffic"], "paused");
    place.json(&["resume"]);
    assert_eq!(
        place.failure(&["pause", "--timeout-ms", "3600001"]),
        "Error: timeoutMs must be between 1 and 3600000\n"
    );
    let events = place.json(&["events", "--json"]);
    let about: Vec<_> = events
        .as_array()
        .expect("a list")
        .iter()
        .filter(|event| event["message"].as_str().is_some_and(|message| message.starts_with("traffic ")))
        .map(|event| (event["message"].clone(), event["data"].clone()))
        .skip(1)
        .collect();
    let resumed = (json!("traffic resumed"), json!({ "timedOut": false }));
    assert_eq!(
        about,
        [
            (json!("traffic paused"), json!({ "timeoutMs": null })),
            resumed.clone(),
            (json!("traffic paused"), json!({ "timeoutMs": 3_600_000 })),
            resumed,
        ]
    );
}

/// C-251 to C-254.
#[test]
fn what_happened_can_be_read() {
    let place = Place::with_app();
    let _daemon = place.daemon();
    place.json(&["deploy", "--release-path", &place.release("one", "ok"), "--release-id", "v1"]);
    let sections = place.json(&["logs", "--json"]);
    let sources: Vec<_> =
        sections.as_array().expect("a list").iter().map(|section| &section["source"]).collect();
    assert_eq!(sources, ["release v1 (active)", "release v1 (active)", "service", "singleton"]);
    let web = place.run(&["logs", "--process", "web"]).stdout;
    assert!(web.starts_with("== web [release v1 (active)] ==\n  20"), "{web}");
    assert!(web.contains("Z [stdout] v1 is listening on "), "{web}");
    assert_eq!(place.run(&["logs", "--process", "nobody"]).stdout, "No process found with id \"nobody\".\n");
    assert_eq!(place.json(&["logs", "--process", "nobody", "--json"]), json!([]));

    let text = place.run(&["events"]).stdout;
    let switched = "  traffic switched {\"previousReleaseId\":null,\"releaseId\":\"v1\"}";
    assert_eq!(text.lines().filter(|line| line.ends_with(switched)).count(), 1, "{text}");
    assert_eq!(place.json(&["events", "--limit", "2", "--json"]).as_array().map(Vec::len), Some(2));
    assert_eq!(messages(&place)[..2], ["proxy listening", "control socket listening"]);
}

#[test]
fn a_broken_release_is_refused_and_the_old_one_goes_on() {
    let place = Place::with_app();
    let _daemon = place.daemon();
    place.json(&["deploy", "--release-path", &place.release("one", "ok"), "--release-id", "v1"]);
    let before = place.json(&["status"]);
    let broken = place.release("broken", "crash-at-boot");
    let said = place.failure(&["deploy", "--release-path", &broken, "--release-id", "v2"]);
    assert!(said.starts_with("Error: ") && said.contains("AUTH_SECRET missing"), "{said}");
    let said = place.failure(&["deploy", "--release-path", &broken, "--release-id", "a;b"]);
    assert!(said.contains("release id \"a;b\" is not safe"), "{said}");
    let after = place.json(&["status"]);
    assert_eq!(after["activeReleaseId"], "v1");
    assert_eq!(pids(&before), pids(&after));
    assert_eq!(get(&after), "200 v1");
    assert_eq!(messages(&place).last().map(String::as_str), Some("command failed"));
}

/// C-145, C-150.
#[test]
fn a_signal_is_an_orderly_end() {
    for signal in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP] {
        let place = Place::with_app();
        let mut daemon = place.daemon();
        place.json(&["deploy", "--release-path", &place.release("one", "ok"), "--release-id", "v1"]);
        let running = pids(&place.json(&["status"]));
        daemon.signal(signal);
        assert_eq!(daemon.code(), Some(0), "{signal}");
        assert!(!running.iter().any(|pid| is_alive(*pid)), "a process was left behind");
        assert!(!place.path("control.sock").exists());
    }
}

/// C-151.
#[test]
fn a_second_signal_ends_a_daemon_that_waits() {
    let place = Place::new();
    place.configure(&json!([{
        "id": "web", "policy": "proxied", "port": 0, "health": false, "gracefulStopMs": "indefinite",
        "command": "trap '' TERM; echo deaf; while :; do sleep 1; done",
    }]));
    let mut daemon = place.daemon();
    place.json(&["deploy", "--release-path", &place.release("one", "ok")]);
    let pid = daemon.wait_for("process started")["pid"].as_u64().expect("a number");
    until(|| place.run(&["logs"]).stdout.contains("deaf"));
    daemon.signal(Signal::SIGTERM);
    until(|| !place.path("control.sock").exists());
    // The second one may still find requests being waited for, of which there are none; the next one does not.
    daemon.signal_until_it_ends(Signal::SIGTERM);
    assert_eq!(daemon.code(), Some(128 + 15));
    let group = Pid::from_raw(i32::try_from(pid).expect("a pid fits"));
    killpg(group, Signal::SIGKILL).expect("the deaf one is left to us");
}

/// C-155, C-158.
#[test]
fn a_second_daemon_is_told_of_the_first() {
    let place = Place::with_app();
    let _daemon = place.daemon();
    let ran = place.run(&["daemon"]);
    assert_eq!(ran.code, Some(1));
    let socket = place.path("control.sock");
    assert_eq!(
        ran.stderr,
        format!(
            "Error: A Rollbridge daemon for application \"shop\" is already running on {} (no active release). Run \
             \"rollbridge status\" to inspect it or \"rollbridge shutdown\" to stop it, or set a different \
             control.path.\n",
            socket.display()
        )
    );
    assert_eq!(place.json(&["status"])["application"], "shop", "the first one is not harmed");
}

/// C-158.
#[test]
fn a_busy_proxy_port_ends_the_start() {
    let place = Place::with_app();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let port = taken.local_addr().expect("it is bound").port();
    let config = std::fs::read_to_string(place.path("rollcore.json")).expect("it is there");
    let mut config: Value = serde_json::from_str(&config).expect("it is JSON");
    config["proxy"]["port"] = json!(port);
    place.write("rollcore.json", &config.to_string());
    assert_eq!(
        place.failure(&["daemon"]),
        format!("Error: listen EADDRINUSE: address already in use 127.0.0.1:{port}\n")
    );
    assert!(!place.path("control.sock").exists());
}

#[test]
fn a_log_that_nobody_reads_stops_nothing() {
    let place = Place::with_app();
    let mut daemon = place.daemon();
    daemon.stop_reading();
    place.json(&["deploy", "--release-path", &place.release("one", "ok"), "--release-id", "v1"]);
    place.json(&["deploy", "--release-path", &place.release("two", "ok"), "--release-id", "v2"]);
    assert_eq!(get(&place.json(&["status"])), "200 v2");
    place.json(&["shutdown"]);
}

/// C-214, C-220.
#[test]
fn a_daemon_in_the_background_is_started_once() {
    let place = Place::with_app();
    let (log, pid) = (place.path("logs/shop.log"), place.path("logs/shop.pid"));
    let runtime = place.path("runtime");
    let text = |path: &Path| path.to_str().expect("text").to_owned();
    let files = [("log", &log), ("pid", &pid), ("runtime", &runtime)];
    let files = files.map(|(what, path)| format!("--daemon-{what}-path={}", text(path)));
    let files: Vec<_> = files.iter().map(String::as_str).collect();
    let one = place.release("one", "ok");
    let deploy = ["deploy", "--release-path", &one, "--release-id", "v1", "--ensure-daemon"];
    let deployed = place.json(&[&deploy[..], &files[..]].concat());
    assert_eq!(deployed["activeReleaseId"], "v1");
    let first = std::fs::read_to_string(&pid).expect("it was written");
    assert!(is_alive(first.trim_end().parse().expect("a number")), "{first:?}");
    assert_eq!((mode(&log), mode(&pid)), (0o600, 0o600));

    let status = place.json(&[&["ensure-daemon"][..], &files[..]].concat());
    assert_eq!((&status["application"], &status["activeReleaseId"]), (&json!("shop"), &json!("v1")));
    assert_eq!(std::fs::read_to_string(&pid).expect("it is there"), first);
    let logged = std::fs::read_to_string(&log).expect("it is there");
    assert!(logged.contains("\"message\":\"control socket listening\""), "{logged}");
    place.json(&["shutdown"]);
}

/// C-221.
#[test]
fn a_daemon_that_cannot_start_says_why() {
    let place = Place::with_app();
    place.write("control.sock", "precious");
    let (log, pid) = (place.path("shop.log"), place.path("shop.pid"));
    let runtime = format!("--daemon-runtime-path={}", place.path("runtime").display());
    let paths =
        ["--daemon-log-path", log.to_str().expect("text"), "--daemon-pid-path", pid.to_str().expect("text")];
    let said = place.failure(&[&["ensure-daemon", &runtime][..], &paths[..]].concat());
    assert!(said.starts_with("Error: Rollbridge daemon did not become ready within 10000ms."), "{said}");
    assert!(said.contains("is taken by a regular file"), "{said}");
    assert!(!pid.exists());

    std::os::unix::fs::symlink(place.path("elsewhere"), place.path("link.log")).expect("the path is free");
    let link = place.path("link.log");
    let said = place.failure(&["ensure-daemon", &runtime, "--daemon-log-path", link.to_str().expect("text")]);
    assert!(said.contains("cannot open"), "{said}");
    assert!(!place.path("elsewhere").exists());
}

#[test]
fn a_daemon_of_another_application_is_not_used() {
    let place = Place::with_app();
    let _daemon = place.daemon();
    let config = std::fs::read_to_string(place.path("rollcore.json")).expect("it is there");
    place.write("other.json", &config.replace("\"shop\"", "\"bank\""));
    let socket = place.path("control.sock");
    let runtime = format!("--daemon-runtime-path={}", place.path("runtime").display());
    assert_eq!(
        place.failure(&["ensure-daemon", "-c", "other.json", &runtime]),
        format!(
            "Error: A Rollbridge daemon for \"shop\" is using {}; expected \"bank\".\n",
            socket.display()
        )
    );
}

#[test]
fn a_terminal_is_shown_what_a_deploy_does() {
    let place = Place::with_app();
    let _daemon = place.daemon();
    place.json(&["deploy", "--release-path", &place.release("one", "ok"), "--release-id", "v1"]);
    let terminal = nix::pty::openpty(None, None).expect("a terminal");
    let two = place.release("two", "ok");
    let mut command = place.command(&["deploy", "--release-path", &two, "--release-id", "v2"]);
    let deploy = command.stdout(Stdio::piped()).stderr(Stdio::from(terminal.slave));
    let output = deploy.spawn().expect("it can be run").wait_with_output().expect("it ends");
    drop(command);
    let answer: Value = serde_json::from_slice(&output.stdout).expect("stdout is JSON alone");
    assert_eq!(answer["activeReleaseId"], "v2");
    let shown = read_terminal(terminal.master);
    let story = [
        "→ v2 from",
        "✓ web started",
        "waiting until web is healthy",
        "✓ traffic switched from v1 to v2",
        "… v1 finishes",
    ];
    for part in story {
        assert!(shown.contains(part), "{part:?} is not in {shown:?}");
    }
}

/// Everything that was written to it, once nobody can write any more.
fn read_terminal(master: OwnedFd) -> String {
    let mut shown = Vec::new();
    // The end of a terminal is an error.
    let _ = std::fs::File::from(master).read_to_end(&mut shown);
    String::from_utf8_lossy(&shown).into_owned()
}

#[test]
fn new_events_can_be_waited_for() {
    let place = Place::with_app();
    let _daemon = place.daemon();
    let ask = |request: Value| -> Value {
        use std::io::{BufRead, BufReader, Write};
        let mut stream = UnixStream::connect(place.path("control.sock")).expect("the daemon listens");
        stream.set_read_timeout(Some(support::SOON)).expect("it is not zero");
        writeln!(stream, "{request}").expect("the daemon reads");
        let mut line = String::new();
        BufReader::new(stream).read_line(&mut line).expect("the daemon answers");
        serde_json::from_str(&line).expect("it answers JSON")
    };
    let plain = ask(json!({ "command": "events" }));
    assert_eq!((plain["events"].as_array().map(Vec::len), plain.get("lastSeq")), (Some(2), None));
    let now = ask(json!({ "command": "events", "after": 0 }));
    assert_eq!((now["events"].as_array().map(Vec::len), &now["lastSeq"]), (Some(2), &json!(2)));
    let nothing = ask(json!({ "command": "events", "after": 2, "waitMs": 1 }));
    assert_eq!((&nothing["events"], &nothing["lastSeq"]), (&json!([]), &json!(2)));

    let waiting = std::thread::scope(|scope| {
        let waiting = scope.spawn(|| ask(json!({ "command": "events", "after": 2, "waitMs": 20_000 })));
        assert_eq!(ask(json!({ "command": "dance" }))["status"], "error");
        waiting.join().expect("it does not panic")
    });
    assert_eq!(
        (&waiting["events"][0]["message"], &waiting["lastSeq"]),
        (&json!("command failed"), &json!(3))
    );
    let ahead = ask(json!({ "command": "events", "after": 999, "waitMs": 1 }));
    assert_eq!((&ahead["events"], &ahead["lastSeq"]), (&json!([]), &json!(3)), "an earlier daemon's place");
}
