//! The command against compat §22, and what it prints against §17.

#[expect(dead_code, reason = "some of it is for the other tests")]
mod support;

use std::io::Read;
use std::process::{Child, Stdio};
use std::time::Instant;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};
use support::{Place, SOON};

/// The commands of the contract and their options, besides `--config` and `--help`.
const COMMANDS: [(&str, &[&str]); 15] = [
    (
        "daemon",
        &[
            "--release-path <path>",
            "--release-id <id>",
            "--revision <sha>",
            "--boot-attestation <digest>",
            "--takeover-owner",
        ],
    ),
    (
        "deploy",
        &[
            "--release-path <path>",
            "--release-id <id>",
            "--revision <sha>",
            "--ensure-daemon",
            "--daemon-log-path <path>",
            "--daemon-pid-path <path>",
            "--daemon-runtime-path <path>",
            "--daemon-start-timeout-ms <ms>",
        ],
    ),
    ("rollback", &["--release-id <id>"]),
    (
        "ensure-daemon",
        &[
            "--daemon-log-path <path>",
            "--daemon-pid-path <path>",
            "--daemon-runtime-path <path>",
            "--daemon-start-timeout-ms <ms>",
        ],
    ),
    ("status", &[]),
    ("shutdown", &[]),
    ("stop", &["--release-id <id>"]),
    ("restart", &["--process <id>", "--policy <policy>"]),
    ("validate", &["--json"]),
    ("doctor", &["--release-path <path>", "--release-id <id>", "--revision <sha>", "--json"]),
    ("logs", &["--process <id>", "--json"]),
    ("events", &["--limit <count>", "--json"]),
    ("predeploy-cleanup", &["--release-path <path>"]),
    ("recover", &["--force"]),
    ("completion", &[]),
];

/// Commands that somebody is still building.
const NOT_YET: [&str; 1] = ["recover"];

/// C-240, C-241, C-255: every option of the contract is known, written both ways; an option behind it that nobody knows is the
/// first to be refused.
#[test]
fn every_option_of_the_contract_is_known() {
    let place = Place::new();
    for (command, options) in COMMANDS {
        let known = !place.failure(&[command, "--nobody-knows-this"]).contains("unknown command");
        assert_eq!(known, !NOT_YET.contains(&command), "{command}: NOT_YET is out of date");
        if !known {
            continue;
        }
        let config = if command == "completion" { &[][..] } else { &["-c <path>", "--config <path>"] };
        for option in options.iter().chain(config) {
            let (name, value) =
                option.split_once(' ').map_or((*option, None), |(name, value)| (name, Some(value)));
            let mut ways = vec![[&[command, name][..], value.as_slice(), &["--nobody-knows-this"]].concat()];
            let glued = format!("{name}=1");
            if value.is_some() && name.starts_with("--") {
                ways.push(vec![command, &glued, "--nobody-knows-this"]);
            }
            for words in ways {
                let said = place.failure(&words);
                assert!(
                    said.starts_with("error: unknown option '--nobody-knows-this'\n"),
                    "{words:?}: {said}"
                );
            }
        }
        for help in [&[command, "--help"][..], &[command, "-h"], &["help", command]] {
            let ran = place.run(help);
            assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""), "{help:?}");
            assert!(ran.stdout.contains("Usage: rollcore"), "{help:?}: {}", ran.stdout);
        }
    }
    assert_eq!(place.run(&["help"]).code, Some(0));
}

/// C-241, C-246, C-54, C-243: more words than needed are ignored, a relative release path reaches the daemon as it is, and
/// is relative to the daemon's directory.
#[test]
fn a_release_path_is_passed_on_as_it_is() {
    let place = Place::with_app();
    let _daemon = place.daemon();
    place.release("one", "ok");
    let ran = place.run(&["deploy", "--release-path=./one", "--revision=abc", "these", "are", "too", "many"]);
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""));
    let status = place.json(&["status"]);
    let release = &status["releases"][0];
    assert_eq!((&release["releasePath"], &release["releaseId"]), (&json!("./one"), &json!("abc")));
    let web = release["processes"].as_array().and_then(|all| all.last()).expect("web is there");
    assert_eq!(web["cwd"], "./one");
    let pid = web["pid"].as_u64().expect("it runs");
    let cwd = std::fs::read_link(format!("/proc/{pid}/cwd")).expect("it lives");
    assert_eq!(cwd, place.path("one").canonicalize().expect("it is there"));
}

/// C-243, C-256: the daemon's answer, two spaces deep, `status` first, on stdout and nothing else.
#[test]
fn answers_are_printed_as_they_came() {
    let place = Place::with_app();
    let (log, pid) = (place.path("shop.log"), place.path("shop.pid"));
    let files =
        ["--daemon-log-path", log.to_str().expect("text"), "--daemon-pid-path", pid.to_str().expect("text")];
    let one = place.release("one", "ok");
    let deploy = |id: &'static str| vec!["deploy", "--release-path", &one, "--release-id", id];
    let commands: [Vec<&str>; 8] = [
        [&["ensure-daemon"][..], &files].concat(),
        deploy("v1"),
        deploy("v2"),
        vec!["status"],
        vec!["rollback"],
        vec!["restart", "--policy", "companion"],
        vec!["stop"],
        vec!["shutdown"],
    ];
    for words in commands {
        let ran = place.run(&words);
        assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""), "{words:?}: {}", ran.stdout);
        assert!(ran.stdout.starts_with("{\n  \"status\": \"success\",\n  \""), "{words:?}: {}", ran.stdout);
        let answer: Value = serde_json::from_str(&ran.stdout).expect("it is JSON");
        let printed = |text: &str| -> Vec<String> {
            let mut lines: Vec<_> = text.lines().map(|line| line.trim_end_matches(',').to_owned()).collect();
            lines.sort();
            lines
        };
        let expected = serde_json::to_string_pretty(&answer).expect("it is JSON");
        assert_eq!(printed(&ran.stdout), printed(&expected), "two spaces deep");
        assert!(ran.stdout.ends_with("}\n"));
    }
}

/// Both outputs of a daemon to its end, and how it ended.
fn outputs(mut daemon: Child) -> (String, String, Option<i32>) {
    let mut stderr = daemon.stderr.take().expect("it is a pipe");
    let errors = std::thread::spawn(move || {
        let mut text = String::new();
        stderr.read_to_string(&mut text).expect("it is text");
        text
    });
    let mut text = String::new();
    daemon.stdout.take().expect("it is a pipe").read_to_string(&mut text).expect("it is text");
    (text, errors.join().expect("it does not panic"), daemon.wait().expect("it is our child").code())
}

/// C-60, C-195, C-200, C-150: every line of the log is an event, compact; nothing that a process prints is in it, and
/// stderr stays empty.
#[test]
fn a_daemon_prints_its_events_and_nothing_else() {
    let place = Place::with_app();
    let mut command = place.command(&["daemon"]);
    let daemon = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it can be run");
    let deadline = Instant::now() + SOON;
    while !place.path("control.sock").exists() {
        assert!(Instant::now() < deadline, "it never listened");
        std::thread::yield_now();
    }
    let (one, two) = (place.release("one", "ok"), place.release("two", "ok"));
    place.json(&["deploy", "--release-path", &one, "--release-id", "v1"]);
    place.json(&["deploy", "--release-path", &two, "--release-id", "v2"]);
    assert!(place.run(&["logs"]).stdout.contains("[stdout] v2 is listening on "));
    let events = place.json(&["events", "--json"]);
    kill(Pid::from_raw(i32::try_from(daemon.id()).expect("a pid fits")), Signal::SIGTERM)
        .expect("it is there");
    let (stdout, stderr, code) = outputs(daemon);
    assert_eq!((stderr.as_str(), code), ("", Some(0)));
    assert!(stdout.contains("\"message\":\"control socket listening\""), "clients wait for this text");
    assert!(!stdout.contains("is listening on"), "what a process prints is not in the log: {stdout}");
    let mut printed = Vec::new();
    for line in stdout.lines() {
        let event: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        let keys: Vec<_> = event.as_object().expect("an object").keys().cloned().collect();
        assert_eq!(keys, ["at", "data", "message"], "{line}");
        assert_eq!(line.len(), event.to_string().len(), "it is not compact: {line}");
        printed.push(event);
    }
    let events = events.as_array().expect("a list");
    assert_eq!(printed[..events.len()], events[..], "what is printed is what is remembered");
}
