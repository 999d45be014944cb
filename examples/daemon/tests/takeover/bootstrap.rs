//! A daemon that begins with a release (compat C-152, C-159 to C-163).

use std::process::Stdio;

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use super::stage::{Visitor, attestation, begun, bootstrap, logged, ran, shop, with_state_file};
use crate::pids;
use crate::support::{Daemon, Place, get, is_alive, until};

/// C-160, C-162.
#[test]
fn a_daemon_begins_with_its_release() {
    let place = shop();
    place.release("v1", "ok");
    let attestation = attestation('a');
    let child = bootstrap(&place, "v1", &["--boot-attestation", &attestation]).spawn();
    let mut daemon = Daemon::spawned(child.expect("it can be run"));
    // In this order: who waits for one has missed none.
    daemon.wait_for("proxy listening");
    assert_eq!(daemon.wait_for("deploy starting")["revision"], "abc123");
    assert_eq!(daemon.wait_for("traffic switched"), json!({ "previousReleaseId": null, "releaseId": "v1" }));
    daemon.wait_for("control socket listening");

    let begun_with = json!({
        "attestation": attestation,
        "releaseId": "v1",
        "releasePath": place.path("v1"),
        "revision": "abc123",
    });
    let status = place.json(&["status"]);
    assert_eq!((&status["bootstrap"], &status["activeReleaseId"]), (&begun_with, &json!("v1")));
    assert_eq!(get(&status), "200 v1");
    place.json(&["deploy", "--release-path", &place.release("v2", "ok"), "--release-id", "v2"]);
    assert_eq!(place.json(&["status"])["bootstrap"], begun_with, "it stays what it was");
    place.json(&["shutdown"]);
    assert_eq!(daemon.code(), Some(0));

    let _daemon = begun(&place, "v1", &[]);
    assert_eq!(place.json(&["status"])["bootstrap"].get("attestation"), None);
}

/// C-162: and no other daemon has one.
#[test]
fn a_daemon_without_a_release_has_no_bootstrap() {
    let place = Place::with_app();
    let _daemon = place.daemon();
    assert_eq!(place.json(&["status"]).get("bootstrap"), None);
}

/// C-160: 503 until it is active. C-152: a signal meanwhile stops whatever was started.
#[test]
fn a_signal_during_the_bootstrap_stops_what_was_started() {
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        let place = shop();
        place.release("v1", "never-healthy");
        let mut daemon = Daemon::spawned(bootstrap(&place, "v1", &[]).spawn().expect("it can be run"));
        let port = daemon.wait_for("proxy listening")["port"].as_u64().expect("a port");
        let started = daemon.wait_for("process started")["pid"].as_u64().expect("a pid");
        assert!(is_alive(started));
        let mut visitor = Visitor::at(port);
        visitor.send("/");
        assert!(visitor.head().starts_with("http/1.1 503 "));
        assert!(!place.path("control.sock").exists(), "no command can come in before it is active");
        daemon.signal(signal);
        assert_eq!(daemon.code(), Some(0));
        assert!(!is_alive(started), "a process was left behind");
        assert!(!place.path("control.sock").exists());
    }
}

/// C-161.
#[test]
fn a_release_that_does_not_start_ends_the_daemon() {
    let place = shop();
    place.release("v1", "crash-at-boot");
    let ran = ran(bootstrap(&place, "v1", &[]));
    assert_eq!(ran.code, Some(1), "{}", ran.stderr);
    assert!(
        ran.stderr.starts_with("Error: ") && ran.stderr.contains("AUTH_SECRET missing"),
        "{}",
        ran.stderr
    );
    assert_eq!(
        logged(&ran, "bootstrap activation failed"),
        [json!({ "releaseId": "v1", "status": "error" })]
    );
    assert!(logged(&ran, "control socket listening").is_empty());
    assert!(!place.path("control.sock").exists());
    let started = logged(&ran, "process started");
    assert!(!started.is_empty());
    until(|| !started.iter().flat_map(pids).any(is_alive));
}

/// C-161: of what an earlier daemon wrote down, whoever is still there stays known. This test stands for such a process.
#[test]
fn a_bootstrap_that_fails_keeps_the_records_of_an_earlier_daemon() {
    let place = shop();
    place.release("v1", "crash-at-boot");
    with_state_file(&place);
    let broker = json!({ "id": "broker", "pid": std::process::id() });
    let record = json!({ "services": [{ "id": "broker", "process": broker }] });
    let state = place.write("shop.state.json", &record.to_string());
    assert_eq!(ran(bootstrap(&place, "v1", &[])).code, Some(1));
    let kept: Value =
        serde_json::from_str(&std::fs::read_to_string(state).expect("it is there")).expect("JSON");
    assert_eq!(
        (&kept["orphans"][0]["id"], &kept["orphans"][0]["pid"]),
        (&broker["id"], &broker["pid"]),
        "{kept:#}"
    );
    assert_eq!(kept["releases"], json!([]), "nothing of the failed release is left: {kept:#}");
}

/// C-159, C-163: as they are told, before anything is bound. Every text is in the library's tests.
#[test]
fn what_is_typed_is_checked_before_anything_is_bound() {
    let place = shop();
    place.release("v1", "ok");
    place.write("file", "");
    let path = |name: &str| place.path(name).to_str().expect("the path is text").to_owned();
    let (config, release, file, gone) = (path("rollcore.json"), path("v1"), path("file"), path("gone"));
    let attestation = attestation('a');
    let all = |path: &str, more: &[&str]| {
        let words =
            ["daemon", "--config", &config, "--release-path", path, "--release-id", "v1", "--revision", "r"];
        place.failure(&[&words[..], more].concat())
    };
    let together = "Error: Daemon bootstrap options --config, --release-path, --release-id, and --revision must be provided together.\n";
    assert_eq!(place.failure(&["daemon", "--release-path", &release]), together);
    assert_eq!(
        place.failure(&["daemon", "--release-path", &release, "--release-id", "v1", "--revision", "r"]),
        together,
        "the default config is not enough"
    );
    assert_eq!(
        place.failure(&["daemon", "--config", &config, "--boot-attestation", &attestation]),
        "Error: Daemon --boot-attestation is accepted only with --config, --release-path, --release-id, and --revision.\n"
    );
    assert_eq!(
        all(&release, &["--takeover-owner"]),
        "Error: Daemon --takeover-owner requires the complete bootstrap release tuple and --boot-attestation.\n"
    );
    assert_eq!(
        all(&release, &["--boot-attestation", "sha256:A"]),
        "Error: Daemon bootstrap --boot-attestation must use the canonical sha256:<64 lowercase hex> format.\n"
    );
    let said = all(&gone, &[]);
    assert!(said.starts_with("Error: Daemon bootstrap --release-path is not accessible: ENOENT: "), "{said}");
    assert_eq!(all(&file, &[]), "Error: Daemon bootstrap --release-path must name a directory.\n");
    assert!(!place.path("control.sock").exists());
}

/// C-158: the proxy's port before everything else.
#[test]
fn a_busy_port_ends_a_bootstrap_before_anything_is_started() {
    let place = shop();
    place.release("v1", "ok");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let port = taken.local_addr().expect("it is bound").port();
    let config = std::fs::read_to_string(place.path("rollcore.json")).expect("it is there");
    let mut config: serde_json::Value = serde_json::from_str(&config).expect("it is JSON");
    config["proxy"]["port"] = json!(port);
    place.write("rollcore.json", &config.to_string());
    let output = bootstrap(&place, "v1", &[]).stderr(Stdio::piped()).output().expect("it can be run");
    assert_eq!(
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr)),
        ("".into(), format!("Error: listen EADDRINUSE: address already in use 127.0.0.1:{port}\n").into())
    );
    assert!(!place.path("v1/working").exists());
}
