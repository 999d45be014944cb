//! `rollcore doctor` as a user runs it (compat §21).

use std::net::TcpListener;
use std::os::unix::net::UnixListener;

use crate::support::Place;
use serde_json::{Value, json};

/// A config with these fields beside the usual ones; the port of its proxy is `port`.
fn shop(place: &Place, port: u16, more: &Value) {
    let mut config = json!({
        "application": "shop",
        "control": { "path": place.path("control.sock") },
        "proxy": { "port": port },
        "processes": [
            { "id": "web", "policy": "proxied", "port": { "from": 18_000, "to": 18_099 },
              "command": "serve {{port}} {{releaseId}}" },
            { "id": "worker", "command": "work {{replicaIndex}}", "replicas": 2 },
        ],
    });
    let fields = more.as_object().expect("fields").clone();
    config.as_object_mut().expect("it is one").extend(fields);
    place.write("rollcore.json", &config.to_string());
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").and_then(|taken| taken.local_addr()).expect("a free port").port()
}

fn checks(place: &Place, words: &[&str], code: i32) -> Value {
    let ran = place.run(&[&["doctor", "--json"], words].concat());
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(code), ""), "{}", ran.stdout);
    let report: Value = serde_json::from_str(&ran.stdout).expect("it is JSON");
    assert_eq!(report["ok"], json!(code == 0));
    report["checks"].clone()
}

fn check<'a>(checks: &'a Value, name: &str) -> &'a Value {
    let checks = checks.as_array().expect("a list");
    checks.iter().find(|check| check["name"] == name).unwrap_or_else(|| panic!("no check {name:?}"))
}

/// C-233, C-237: text, in order, on stdout.
#[test]
fn everything_is_in_order() {
    let place = Place::new();
    let port = free_port();
    shop(&place, port, &json!({ "statePath": place.path("state.json") }));
    let here = place.path("");
    let here = here.to_str().expect("text").trim_end_matches('/');
    let ran = place.run(&["doctor"]);
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""));
    assert_eq!(
        ran.stdout,
        format!(
            "✓ config: valid: 2 processes, proxy on 127.0.0.1:{port}\n\
             ✓ control socket: no daemon running; {here}/control.sock is free to bind\n\
             ✓ control socket directory: {here} is writable\n\
             ✓ proxy port: 127.0.0.1:{port} is available\n\
             ✓ state path directory: {here} is writable\n\
             ✓ orphaned processes: no leftover processes from a previous daemon\n\n\
             All checks passed.\n"
        )
    );
}

/// C-233, C-237: what is wrong is counted on stderr.
#[test]
fn what_is_in_the_way_is_named() {
    let place = Place::new();
    let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = taken.local_addr().expect("it is bound").port();
    shop(&place, port, &json!({ "statePath": place.path("none/state.json") }));
    let _stranger = UnixListener::bind(place.path("control.sock")).expect("the path is free");
    let ran = place.run(&["doctor"]);
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(1), "\n3 checks failed.\n"));
    let socket = place.path("control.sock");
    let here = place.path("none");
    for expected in [
        format!(
            "✗ control socket: another process is already listening on {}; the daemon would fail to bind it",
            socket.display()
        ),
        format!("✗ proxy port: 127.0.0.1:{port} is unavailable (EADDRINUSE)"),
        format!(
            "✗ state path directory: {} is missing or not writable; state cannot be persisted",
            here.display()
        ),
    ] {
        assert!(ran.stdout.lines().any(|line| line == expected), "{expected} is not in\n{}", ran.stdout);
    }
}

/// C-233, C-234: beside the daemon of the application, and beside that of another one.
#[test]
fn a_daemon_that_runs_is_recognized() {
    let place = Place::with_app();
    let daemon = place.daemon();
    let socket = place.path("control.sock");
    let port = place.json(&["status"])["proxy"]["port"].as_u64().expect("a port");
    let port = u16::try_from(port).expect("a port");
    shop(&place, port, &json!({ "statePath": place.path("state.json") }));
    let ours = checks(&place, &[], 0);
    assert_eq!(
        check(&ours, "control socket")["detail"],
        format!("Rollbridge daemon for \"shop\" is running on {}", socket.display())
    );
    assert_eq!(
        check(&ours, "proxy port")["detail"],
        format!("127.0.0.1:{port} is already held by the running Rollbridge daemon")
    );
    assert_eq!(
        check(&ours, "orphaned processes")["detail"],
        "a daemon is running; its managed processes are not orphans"
    );

    shop(&place, port, &json!({ "application": "bank" }));
    let other = checks(&place, &[], 1);
    assert_eq!(
        check(&other, "control socket"),
        &json!({
            "detail": format!(
                "a Rollbridge daemon for \"shop\" is already running on {}; stop it before starting another",
                socket.display()
            ),
            "name": "control socket",
            "ok": false,
        })
    );
    assert_eq!(
        check(&other, "proxy port")["detail"],
        format!("127.0.0.1:{port} is unavailable (EADDRINUSE)")
    );
    drop(daemon);
}

/// C-233: a file that no daemon would remove is told before it is in the way.
#[test]
fn what_is_not_a_socket_is_in_the_way() {
    let place = Place::new();
    shop(&place, 0, &json!({}));
    place.write("control.sock", "precious");
    let found = checks(&place, &[], 1);
    let detail = check(&found, "control socket")["detail"].as_str().expect("text");
    assert!(detail.ends_with("is taken by a regular file; the daemon would fail to bind it"), "{detail}");
}

/// C-236: the release, rendered as a deploy would.
#[test]
fn a_release_is_looked_at_before_it_is_deployed() {
    let place = Place::new();
    shop(&place, 0, &json!({}));
    std::fs::create_dir(place.path("v1")).expect("there is none yet");
    let path = place.path("v1");
    let found = checks(&place, &["--release-path", "other/../v1"], 0);
    assert_eq!(check(&found, "release path")["detail"], format!("{} exists", path.display()));
    assert_eq!(
        check(&found, "process templates")["detail"],
        "all 2 process command/cwd/env templates resolve"
    );
    assert_eq!(
        check(&found, "process working directories")["detail"],
        "all 2 process working directories exist"
    );

    let broken = json!([
        { "id": "web", "policy": "proxied", "port": 18_000, "command": "serve {{prot}}" },
        { "id": "worker", "command": "work", "cwd": "{{releasePath}}/{{releaseId}}/{{revision}}" },
    ]);
    shop(&place, 0, &json!({ "processes": broken }));
    let none = place.path("none");
    let found = checks(
        &place,
        &["--release-path", none.to_str().expect("text"), "--release-id", "v7", "--revision", "abc"],
        1,
    );
    assert_eq!(
        check(&found, "release path")["detail"],
        format!("{} is missing or not a directory", none.display())
    );
    assert_eq!(
        check(&found, "process templates")["detail"],
        "unresolved templates — web: Missing template value for {{prot}}"
    );
    assert_eq!(
        check(&found, "process working directories")["detail"],
        format!("missing working directory: worker ({}/v7/abc)", none.display())
    );
    let found = checks(&place, &["--release-path", "v1", "--release-id", "a b"], 1);
    assert!(check(&found, "release path")["detail"].as_str().is_some_and(|why| why.contains("not safe")));
}

/// C-232, C-237, C-238: one check, whatever is wrong with the config.
#[test]
fn a_config_that_is_invalid_is_the_only_check() {
    let place = Place::new();
    place.write("rollcore.json", r#"{ "proxy": 7, "processes": [] }"#);
    assert_eq!(
        checks(&place, &[], 1),
        json!([{
            "detail": "2 issues — run \"rollbridge validate\" for details",
            "name": "config",
            "ok": false,
        }])
    );
    let ran = place.run(&["doctor", "-c", "/nope.json"]);
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(1), "\n1 check failed.\n"));
    assert_eq!(ran.stdout, "✗ config: 1 issue — run \"rollbridge validate\" for details\n");
}

/// C-239: no config at all.
#[test]
fn no_config_is_told_as_it_is() {
    let place = Place::new();
    let said = place.failure(&["doctor"]);
    assert!(said.starts_with("No config file found in "), "{said}");
    let found = checks(&place, &[], 1);
    assert_eq!(found.as_array().map(Vec::len), Some(1));
    assert_eq!(check(&found, "config")["detail"], said.trim_end());
}
