//! The demo keeps its promise, and the load generator does not look away.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

/// How long anything here may take; then the test fails instead of hanging.
const DEADLINE: Duration = Duration::from_secs(180);

fn rollcore(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rollcore"));
    command.args(args).stdin(Stdio::null());
    command
}

fn output_of(child: Child) -> Output {
    let (tell, told) = mpsc::channel();
    thread::spawn(move || tell.send(child.wait_with_output()));
    told.recv_timeout(DEADLINE).expect("it ends in time").expect("its output can be read")
}

fn run(command: &mut Command) -> Output {
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the binary is there");
    output_of(child)
}

/// The sample application on a free port, and its address.
fn sample(mode: &str) -> (Child, String) {
    let mut child = rollcore(&["sample-app"])
        .env("ROLLCORE_PORT", "0")
        .env("ROLLCORE_RELEASE_ID", "v1")
        .env("SAMPLE_MODE", mode)
        .stdout(Stdio::piped())
        .spawn()
        .expect("the binary is there");
    let mut line = String::new();
    let stdout = child.stdout.take().expect("it is piped");
    BufReader::new(stdout).read_line(&mut line).expect("it says where it listens");
    let address = line.split_whitespace().last().expect("the line ends with the address").to_owned();
    (child, address)
}

#[test]
fn the_demo_loses_nothing_and_leaves_nothing() {
    let output = run(&mut rollcore(&["demo", "--answers", "300"]));
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}\n{errors}");
    assert!(text.ends_with("failed 0, processes left behind 0\n"), "{text}");
    for line in
        ["deploy v1: v1 is active", "deploy v2: v2 is active, was v1", "rollback: v1 is active, was v2"]
    {
        assert!(text.contains(line), "{line:?} is missing in\n{text}");
    }
    let killed = text.lines().find(|line| line.starts_with("✓ kill the app: killed 3 times; GETs: "));
    let killed = killed.unwrap_or_else(|| panic!("it was not killed in\n{text}"));
    for part in [" 0 failed; POSTs: ", " lost (all reported), 0 doubled"] {
        assert!(killed.contains(part), "{part:?} is missing in {killed}");
    }
    for reason in ["Health check failed for http://127.0.0.1:", "AUTH_SECRET missing"] {
        assert!(text.contains(reason), "{reason:?} is missing in\n{text}");
    }
}

#[test]
fn load_on_a_good_application_succeeds() {
    let (mut app, address) = sample("ok");
    let output = run(&mut rollcore(&["load", "--address", &address, "--seconds", "4", "--json"]));
    let text = String::from_utf8_lossy(&output.stdout);
    let account = text.lines().last().expect("the account");
    let account: serde_json::Value = serde_json::from_str(account).expect("the account is JSON");
    app.kill().expect("it still runs");
    app.wait().expect("it can be waited for");
    assert!(output.status.success(), "{text}");
    assert_eq!(text.lines().next(), Some(r#"{"event":"load on"}"#));
    for kind in ["get", "new-connection", "post", "stream", "events", "web-socket"] {
        let line = &account["kinds"][kind];
        assert!(line["ok"].as_u64() > Some(0), "{kind}: {line}");
        assert_eq!(line["failed"], 0, "{kind}: {line}");
        assert_eq!(line["sent"], line["byRelease"]["v1"], "{kind}: {line}");
    }
}

#[test]
fn load_on_a_broken_application_fails() {
    let (mut app, address) = sample("answers-500");
    let output = run(&mut rollcore(&["load", "--address", &address, "--seconds", "1"]));
    app.kill().expect("it still runs");
    app.wait().expect("it can be waited for");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(!output.status.success(), "{text}");
    assert!(text.contains("failed: GET, keep-alive: GET /: 500 Internal Server Error: broken"), "{text}");
}
