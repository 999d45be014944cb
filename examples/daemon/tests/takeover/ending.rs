//! How a daemon begins and ends (compat C-145 to C-153, C-182).

use std::sync::atomic::{AtomicBool, Ordering};

use nix::sys::signal::Signal;
use serde_json::json;

use super::stage::{Visitor, last_words, logged, with_state_file};
use crate::pids;
use crate::support::{Daemon, Place, ROLLCORE, get, is_alive, until};

fn serving() -> (Place, Daemon) {
    let place = Place::with_app();
    let daemon = place.daemon();
    place.json(&["deploy", "--release-path", &place.release("one", "ok"), "--release-id", "v1"]);
    (place, daemon)
}

/// C-153: the proxy, then the control socket, then what runs is written down.
#[test]
fn addresses_are_bound_in_their_order() {
    let place = Place::with_app();
    with_state_file(&place);
    let mut daemon = Daemon::spawned(
        place.command(&["daemon"]).stdout(std::process::Stdio::piped()).spawn().expect("it runs"),
    );
    assert_eq!(daemon.next()["message"], "proxy listening");
    let listening = daemon.next();
    assert_eq!(
        (&listening["message"], &listening["data"]),
        (&json!("control socket listening"), &json!({ "path": place.path("control.sock") }))
    );
    until(|| place.path("shop.state.json").exists());
    daemon.signal(Signal::SIGTERM);
    assert_eq!(daemon.code(), Some(0));
    assert!(!place.path("shop.state.json").exists());
}

/// C-145, C-150, and better than C-148: a signal lets nobody new in, and requests end before anything is stopped.
#[test]
fn a_signal_lets_requests_end() {
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        let (place, mut daemon) = serving();
        let status = place.json(&["status"]);
        let mut slow = Visitor::of(&status);
        slow.send("/stream");
        assert!(slow.head().starts_with("http/1.1 200 "));
        daemon.signal(signal);
        let rest = slow.rest();
        assert!(rest.contains("piece 10 of 10") && rest.ends_with("0\r\n\r\n"), "{rest}");
        assert_eq!(daemon.code(), Some(0));
        assert!(!pids(&status).into_iter().any(is_alive), "a process was left behind");
    }
}

/// C-146, C-148: the command does not wait for requests; what comes while processes end is answered with 502.
#[test]
fn a_shutdown_by_command_does_not_wait_for_requests() {
    let place = Place::new();
    let slow = "trap 'sleep 2; exit 0' TERM; touch up; while :; do sleep 0.05; done";
    place.configure(&json!([
        { "id": "web", "policy": "proxied", "port": 0, "command": [ROLLCORE, "sample-app"],
          "health": { "timeoutMs": 10_000, "intervalMs": 20 } },
        { "id": "worker", "command": slow },
    ]));
    let mut daemon = place.daemon();
    place.json(&["deploy", "--release-path", &place.release("one", "ok"), "--release-id", "v1"]);
    until(|| place.path("one/up").exists());
    let status = place.json(&["status"]);
    let answered = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let asking = scope.spawn(|| {
            let answer = last_words(&place, r#"{"command":"shutdown"}"#);
            answered.store(true, Ordering::SeqCst);
            answer
        });
        until(|| get(&status) == "502 Bad gateway");
        assert!(!answered.load(Ordering::SeqCst), "the worker still ends");
        assert!(!place.path("control.sock").exists(), "the socket goes first");
        let answer = asking.join().expect("it does not panic");
        assert_eq!(answer, "{\"status\":\"success\",\"message\":\"shutdown\"}\n");
    });
    assert!(!pids(&status).into_iter().any(is_alive), "a process was left behind");
    assert_eq!(daemon.code(), Some(0));
}

/// C-158, C-200: a start that fails prints why on stderr, and no event of what did not happen.
#[test]
fn a_control_path_that_is_taken_ends_the_start_and_frees_the_port() {
    let place = Place::with_app();
    place.write("control.sock", "precious");
    let ran = super::stage::ran(place.command(&["daemon"]));
    assert_eq!((ran.code, logged(&ran, "control socket listening").len()), (Some(1), 0), "{}", ran.stderr);
    assert!(ran.stderr.contains("is taken by a regular file"), "{}", ran.stderr);
}
