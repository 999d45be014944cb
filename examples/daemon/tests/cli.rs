//! The command as a user types it, without a daemon: texts and exit codes of compat §22.

#[expect(dead_code, reason = "what needs a daemon is used by the other tests")]
mod support;

use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;
use std::process::Stdio;

use serde_json::{Value, json};
use support::Place;

const ONE: &str = r#"[{ "id": "web", "policy": "proxied", "port": 18182, "command": "serve" }]"#;

fn json_of(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// C-249, C-250.
#[test]
fn a_valid_config_is_said_to_be_one() {
    let place = Place::new();
    place.write("shop.json", &format!(r#"{{ "application": "shop", "proxy": {{}}, "processes": {ONE} }}"#));
    let ran = place.run(&["validate", "-c", "shop.json"]);
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""));
    assert_eq!(ran.stdout, "shop.json is valid: 1 process, proxy on 127.0.0.1:8182.\n");
    assert_eq!(
        place.run(&["validate", "--config=shop.json", "--json"]).stdout,
        "{\"config\":{\"application\":\"shop\",\"processes\":1,\"proxy\":{\"host\":\"127.0.0.1\",\"port\":8182}},\
         \"issues\":[],\"path\":\"shop.json\",\"valid\":true,\"warnings\":[]}\n"
    );
}

/// C-6, C-249.
#[test]
fn a_config_in_this_directory_is_found_and_named_absolutely() {
    let place = Place::new();
    place.write(
        "rollcore.toml",
        "[proxy]\nport = 0\n[[processes]]\nid = 'web'\npolicy = 'proxied'\nport = 18182\ncommand = ['serve']\n",
    );
    let ran = place.run(&["validate"]);
    let path = place.path("rollcore.toml");
    let path = path.to_str().expect("the path is text");
    assert_eq!(ran.stdout, format!("{path} is valid: 1 process, proxy on 127.0.0.1:0.\n"));
}

/// C-9, C-249, C-250.
#[test]
fn everything_wrong_with_a_config_is_said_at_once() {
    let place = Place::new();
    place.write("shop.json", r#"{ "proxy": 7, "processes": [] }"#);
    let said = place.failure(&["validate", "-c", "shop.json"]);
    assert_eq!(
        said,
        "Found 2 configuration issues in shop.json:\n\n1. proxy must be an object\n   Fix: Set proxy to a mapping.\n\n\
         2. Config must define exactly one proxied process; found 0\n   Fix: Mark exactly one process with policy: \
         proxied"
            .to_owned()
            + said.rsplit_once("policy: proxied").map_or("", |(_, rest)| rest)
    );
    let ran = place.run(&["validate", "-c", "shop.json", "--json"]);
    let verdict = json_of(&ran.stdout);
    assert_eq!((ran.code, &verdict["valid"], &verdict["config"]), (Some(1), &json!(false), &json!(null)));
    assert_eq!(verdict["issues"].as_array().map(Vec::len), Some(2));

    assert_eq!(
        place.failure(&["status", "-c", "shop.json"]),
        "Error: Invalid Rollbridge config:\n  - proxy must be an object\n  \
         - Config must define exactly one proxied process; found 0\n"
    );
}

#[test]
fn unknown_keys_are_warned_about_and_refused_when_asked_to() {
    let place = Place::new();
    place.write("shop.json", &format!(r#"{{ "proxy": {{ "helthPath": "/up" }}, "processes": {ONE} }}"#));
    let ran = place.run(&["validate", "-c", "shop.json"]);
    assert_eq!(ran.code, Some(0));
    assert!(ran.stderr.starts_with("Warning: Unknown key proxy.helthPath\n   Fix: "), "{}", ran.stderr);
    assert!(ran.stderr.contains("healthPath"), "{}", ran.stderr);
    let verdict = json_of(&place.run(&["validate", "-c", "shop.json", "--json"]).stdout);
    assert_eq!(verdict["warnings"][0]["message"], "Unknown key proxy.helthPath");

    let said = place.failure(&["validate", "-c", "shop.json", "--strict"]);
    assert!(
        said.starts_with("Found 1 configuration issue in shop.json:\n\n1. Unknown key proxy.helthPath"),
        "{said}"
    );
    let ran = place.run(&["validate", "-c", "shop.json", "--strict", "--json"]);
    let verdict = json_of(&ran.stdout);
    assert_eq!((ran.code, &verdict["valid"], &verdict["warnings"]), (Some(1), &json!(false), &json!([])));
}

/// C-7, C-8, C-250.
#[test]
fn a_config_that_cannot_be_read_is_an_issue_with_a_fix() {
    let place = Place::new();
    let ran = place.run(&["validate", "-c", "/nope.json", "--json"]);
    let expected = json!({
        "config": null,
        "issues": [{
            "fix": "Ensure the file exists and exports a default Rollbridge config object.",
            "message": "ENOENT: no such file or directory, open '/nope.json'",
        }],
        "path": "/nope.json",
        "valid": false,
        "warnings": [],
    });
    assert_eq!((ran.code, json_of(&ran.stdout)), (Some(1), expected));

    let verdict = json_of(&place.run(&["validate", "--json"]).stdout);
    assert_eq!(verdict["path"], json!(null));
    let here = place.path("");
    let here = here.to_str().expect("the path is text").trim_end_matches('/');
    let names = "rollcore.json, rollcore.toml, rollcore.lua, rollcore.js, rollbridge.js";
    assert_eq!(
        place.failure(&["status"]),
        format!("Error: No config file found in {here}. Pass --config <path> or add one of: {names}.\n")
    );
    assert!(place.failure(&["validate", "-c", "shop.yaml"]).contains("a config in .yaml is not supported"));
}

/// C-240, C-242.
#[test]
fn what_is_typed_wrong_is_told_with_the_usage() {
    let place = Place::new();
    for (words, told) in [
        (vec!["status", "--x"], "error: unknown option '--x'\n"),
        (vec!["dance"], "error: unknown command 'dance'\n"),
        (vec!["deploy"], "error: required option '--release-path <path>' not specified\n"),
    ] {
        let said = place.failure(&words);
        assert!(said.starts_with(told) && said.contains("Usage: rollcore"), "{words:?}: {said}");
    }
    assert!(place.failure(&[]).contains("Usage: rollcore"));
    let help = place.run(&["--help"]);
    assert_eq!((help.code, help.stderr.as_str()), (Some(0), ""));
    let commands =
        "daemon deploy rollback ensure-daemon status stop restart shutdown validate logs events".split(' ');
    for command in commands {
        assert!(help.stdout.contains(&format!("\n  {command} ")), "{command} is not in {}", help.stdout);
        let help = place.run(&[command, "-h"]);
        assert_eq!(help.code, Some(0));
        assert!(help.stdout.contains("--config <path>"), "{}", help.stdout);
    }
}

/// C-222, C-247, C-248.
#[test]
fn values_that_make_no_sense_are_refused_before_anything_is_read() {
    let place = Place::new();
    assert_eq!(
        place.failure(&["restart", "--policy", "proxied"]),
        "--policy must be one of: companion, singleton, service.\n"
    );
    for limit in ["0", "-1", "x", "1.5", ""] {
        assert_eq!(place.failure(&["events", "--limit", limit]), "--limit must be a positive integer.\n");
    }
    place.configure(&json_of(ONE));
    for timeout in ["0", "-5", "x", "NaN"] {
        assert_eq!(
            place.failure(&["ensure-daemon", "--daemon-start-timeout-ms", timeout]),
            "Error: --daemon-start-timeout-ms must be a positive number\n"
        );
    }
    let said = place.failure(&["daemon", "--release-path", "/srv/v1"]);
    assert!(said.starts_with("Error: Daemon bootstrap options --config, "), "{said}");
}

/// C-244, C-256.
#[test]
fn a_daemon_that_is_not_there_is_told_by_its_socket() {
    let place = Place::new();
    place.configure(&json_of(ONE));
    let socket = place.path("control.sock");
    let shown = socket.display();
    for command in ["status", "rollback", "stop", "restart", "shutdown", "logs", "events"] {
        assert_eq!(place.failure(&[command]), format!("Error: connect ENOENT {shown}\n"));
    }
    let deploy = ["deploy", "--release-path", "/srv/v1"];
    assert_eq!(place.failure(&deploy), format!("Error: connect ENOENT {shown}\n"));
    drop(UnixListener::bind(&socket).expect("the path is free"));
    assert_eq!(place.failure(&deploy), format!("Error: connect ECONNREFUSED {shown}\n"));
}

/// C-245.
#[test]
fn a_daemon_that_goes_away_without_an_answer_is_a_failure() {
    let place = Place::new();
    place.configure(&json_of(ONE));
    let listener = UnixListener::bind(place.path("control.sock")).expect("the path is free");
    let closing = std::thread::spawn(move || listener.accept().map(drop));
    assert!(place.failure(&["status"]).starts_with("Error: "));
    closing.join().expect("it does not panic").expect("somebody came");
}

#[test]
fn a_reader_that_went_away_is_no_reason_to_panic() {
    let place = Place::new();
    place.configure(&json_of(ONE));
    let (reader, writer) = nix::unistd::pipe().expect("a pipe");
    drop::<OwnedFd>(reader);
    let mut command = place.command(&["validate"]);
    let output = command.stdout(Stdio::from(writer)).stderr(Stdio::piped()).spawn().expect("it can be run");
    let output = output.wait_with_output().expect("it ends");
    assert_eq!((output.status.code(), String::from_utf8_lossy(&output.stderr).as_ref()), (Some(0), ""));
}
