//! Which program a daemon in the background runs (compat §19).

use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::{Place, ROLLCORE, get, is_alive, mode, until};
use serde_json::{Value, json};

/// Options that keep everything inside of the place.
fn options(place: &Place) -> Vec<String> {
    ["log", "pid", "runtime"]
        .map(|what| format!("--daemon-{what}-path={}", place.path(what).display()))
        .to_vec()
}

fn words<'a>(command: &[&'a str], options: &'a [String]) -> Vec<&'a str> {
    command.iter().copied().chain(options.iter().map(String::as_str)).collect()
}

fn ensured(place: &Place) -> Value {
    place.json(&words(&["ensure-daemon"], &options(place)))
}

fn failure(place: &Place, command: &[&str]) -> String {
    place.failure(&words(command, &options(place)))
}

fn executable(pid: u64) -> PathBuf {
    std::fs::read_link(format!("/proc/{pid}/exe")).expect("it is there")
}

/// C-214, C-215, C-216, C-220, C-223: the daemon runs from a copy that is named after its digest.
#[test]
fn a_daemon_in_the_background_runs_from_a_copy() {
    let place = Place::with_app();
    // An installation that goes away as soon as the daemon is there.
    std::fs::create_dir(place.path("bin")).expect("there is none yet");
    let installed = place.path("bin/rollcore");
    std::fs::copy(ROLLCORE, &installed).expect("it can be copied");
    let options = options(&place);
    let mut command = Command::new(&installed);
    let output = command.current_dir(place.path("")).args(words(&["ensure-daemon"], &options)).output();
    let output = output.expect("it can be run");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    std::fs::remove_dir_all(place.path("bin")).expect("it is ours");

    let status: Value = serde_json::from_slice(&output.stdout).expect("it is JSON");
    let runtime = &status["daemonRuntime"];
    let digest = runtime["digest"].as_str().expect("text");
    assert!(digest.len() == 64 && digest.bytes().all(|byte| byte.is_ascii_hexdigit()), "{digest}");
    let directory = place.path("runtime").join(digest);
    assert_eq!(
        runtime,
        &json!({ "digest": digest, "format": 1, "path": directory, "version": env!("CARGO_PKG_VERSION") })
    );
    assert_eq!(status.get("bootstrap"), None);
    let manifest = std::fs::read_to_string(directory.join("runtime.json")).expect("it is there");
    assert_eq!(&serde_json::from_str::<Value>(&manifest).expect("it is JSON"), runtime);
    assert_eq!(mode(&place.path("runtime")), 0o700);
    let pid = std::fs::read_to_string(place.path("pid")).expect("it was written");
    let number = pid.strip_suffix('\n').expect("a line").parse().expect("a number");
    assert_eq!(executable(number), directory.join("rollcore"));
    let environment = std::fs::read(format!("/proc/{number}/environ")).expect("it is ours");
    let variable = format!("ROLLBRIDGE_DAEMON_RUNTIME_MANIFEST={}", directory.join("runtime.json").display());
    assert!(environment.split(|byte| *byte == 0).any(|entry| entry == variable.as_bytes()));

    // It needs nothing of the installation; the next one is the same program, and uses it.
    let one = place.release("one", "ok");
    let deploy = ["deploy", "--release-path", &one, "--release-id", "v1", "--ensure-daemon"];
    assert_eq!(place.json(&words(&deploy, &options))["activeReleaseId"], "v1");
    assert_eq!(get(&status), "200 v1");
    assert_eq!(std::fs::read_to_string(place.path("pid")).expect("it is there"), pid);
    assert_eq!(std::fs::read_dir(place.path("runtime")).expect("it is there").count(), 1);
    place.json(&["shutdown"]);
    until(|| !is_alive(number));
}

/// C-215, C-219: a daemon in the foreground runs where it was installed, and is the same program.
#[test]
fn a_daemon_in_the_foreground_is_used_when_it_is_the_same_program() {
    let place = Place::with_app();
    let _daemon = place.daemon();
    let directory = std::fs::canonicalize(ROLLCORE).expect("it is there");
    let runtime = ensured(&place)["daemonRuntime"].clone();
    assert_eq!(runtime["path"], json!(directory.parent()));
    assert!(!place.path("pid").exists(), "nobody was started");
}

/// A daemon of the application that tells this about itself; answers `status`, and notes everything that it was asked.
fn pretender(place: &Place, runtime: Option<Value>) -> std::thread::JoinHandle<Vec<String>> {
    let listener = UnixListener::bind(place.path("control.sock")).expect("the path is free");
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("somebody comes");
        let mut status = json!({ "status": "success", "application": "shop", "activeReleaseId": null });
        if let Some(runtime) = runtime {
            status["daemonRuntime"] = runtime;
        }
        let mut asked = Vec::new();
        for line in BufReader::new(stream.try_clone().expect("it can be shared")).lines() {
            asked.push(line.expect("it is text"));
            writeln!(stream, "{status}").expect("somebody listens");
        }
        asked
    })
}

/// C-219: another program is left running, and no deploy is sent.
#[test]
fn a_daemon_that_is_another_program_is_not_asked_to_deploy() {
    let other = json!({ "digest": "0".repeat(64), "format": 1, "path": "/opt", "version": "0.0.1" });
    for runtime in [None, Some(other)] {
        let place = Place::with_app();
        let pretending = pretender(&place, runtime.clone());
        let said = failure(&place, &["deploy", "--release-path", "/srv/v1", "--ensure-daemon"]);
        let start = "Error: The running Rollbridge daemon has a legacy or mismatched runtime. The deploy was not sent.";
        assert!(said.starts_with(start), "{said}");
        assert_eq!(said.contains("0.0.1 (000000000000) from /opt"), runtime.is_some(), "{said}");
        assert_eq!(pretending.join().expect("it does not panic"), [r#"{"command":"status"}"#]);
        assert!(!place.path("pid").exists());
    }
}

/// C-217: nothing is started from a place that others can write.
#[test]
fn a_place_that_others_can_write_is_refused() {
    let place = Place::with_app();
    let base = place.path("runtime");
    std::fs::create_dir(&base).expect("there is none yet");
    let open = |path: &Path, mode| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).expect("it is ours");
    };
    open(&base, 0o777);
    assert_eq!(
        failure(&place, &["ensure-daemon"]),
        format!(
            "Error: Rollbridge daemon runtime path must not be writable by group or other users: {}\n",
            base.display()
        )
    );
    std::fs::remove_dir(&base).expect("it is empty");
    std::os::unix::fs::symlink(place.path("elsewhere"), &base).expect("the path is free");
    assert_eq!(
        failure(&place, &["deploy", "--release-path", "/srv/v1", "--ensure-daemon"]),
        format!(
            "Error: Every Rollbridge daemon runtime path component must be a real directory: {}\n",
            base.display()
        )
    );
    std::fs::remove_file(&base).expect("it is ours");
    open(&place.path(""), 0o777);
    let here = place.path("");
    assert_eq!(
        failure(&place, &["ensure-daemon"]),
        format!(
            "Error: Rollbridge daemon runtime path ancestor must be sticky or not writable by group or other users: {}\n",
            here.to_str().expect("text").trim_end_matches('/')
        )
    );
    assert!(!place.path("log").exists(), "a daemon was started");
}

/// C-218: a copy that is not what its name says.
#[test]
fn a_copy_that_was_changed_is_never_used() {
    let place = Place::with_app();
    let status = ensured(&place);
    let directory = PathBuf::from(status["daemonRuntime"]["path"].as_str().expect("text"));
    place.json(&["shutdown"]);
    std::fs::remove_file(directory.join("rollcore")).expect("it is ours");
    std::fs::copy("/bin/true", directory.join("rollcore")).expect("it can be copied");
    assert_eq!(
        failure(&place, &["ensure-daemon"]),
        format!("Error: Rollbridge daemon runtime validation failed at {}\n", directory.display())
    );
}

/// C-216: leftovers go, and two at once get one copy and one daemon.
#[test]
fn two_at_once_get_one_daemon() {
    let place = Place::with_app();
    std::fs::create_dir_all(place.path("runtime/.prepare-left")).expect("it can be made");
    std::fs::set_permissions(place.path("runtime"), std::fs::Permissions::from_mode(0o700))
        .expect("it is ours");
    let options = options(&place);
    let words = words(&["ensure-daemon"], &options);
    let (one, two) = std::thread::scope(|scope| {
        let run = || place.json(&words)["daemonRuntime"].clone();
        let (one, two) = (scope.spawn(run), scope.spawn(run));
        (one.join().expect("it was started"), two.join().expect("it was started"))
    });
    assert_eq!(one, two);
    assert_eq!(std::fs::read_dir(place.path("runtime")).expect("it is there").count(), 1);
    place.json(&["shutdown"]);
}

/// C-223: options of `daemon` are not options of `ensure-daemon`.
#[test]
fn an_ensured_daemon_has_no_bootstrap() {
    let place = Place::with_app();
    let said = failure(&place, &["ensure-daemon", "--boot-attestation", "sha256:0"]);
    assert!(said.starts_with("error: unknown option '--boot-attestation'\n"), "{said}");
}
