//! An owner that retires, asked as Rollbridge asks: it closes its addresses (compat C-165, C-166, C-183).

use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::unix::net::{UnixListener, UnixStream};

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use super::stage::{Visitor, ask, attestation, last_words, shop, with_state_file};
use crate::pids;
use crate::support::{Daemon, Place, SOON, is_alive, until};

fn serving() -> (Place, Daemon, Value) {
    let place = shop();
    let daemon = place.daemon();
    place.json(&["deploy", "--release-path", &place.release("v1", "ok"), "--release-id", "v1"]);
    until(|| place.path("v1/working").exists());
    let status = place.json(&["status"]);
    (place, daemon, status)
}

fn retire(attestation: &str) -> String {
    json!({ "command": "retire-owner", "attestation": attestation }).to_string()
}

/// C-165, C-166, C-183.
#[test]
fn a_retired_owner_has_closed_its_addresses_and_finishes_what_was_begun() {
    let (place, mut daemon, status) = serving();
    let mut slow = Visitor::of(&status);
    slow.send("/stream");
    assert!(slow.head().starts_with("http/1.1 200 "));
    let mut kept = Visitor::of(&status);
    kept.send("/");
    let (head, _) = kept.answer();
    assert!(!head.contains("connection: close"), "{head}");

    let answer = last_words(&place, &retire(&attestation('c')));
    assert_eq!(answer, "{\"status\":\"success\",\"message\":\"owner retired\"}\n");
    assert!(place.path("v1/quieted").exists(), "the quiet command has ended");
    assert!(!place.path("v1/finished").exists(), "the job goes on");
    // Whoever comes next can bind at once.
    let port = u16::try_from(status["proxy"]["port"].as_u64().expect("a port")).expect("it is one");
    drop(TcpListener::bind(("127.0.0.1", port)).expect("the proxy's port is free"));
    drop(UnixListener::bind(place.path("control.sock")).expect("the control path is free"));

    kept.send("/");
    let (head, body) = kept.answer();
    assert!(head.contains("connection: close"), "{head}");
    assert_eq!(body, "v1");
    assert_eq!(kept.rest(), "");
    assert!(slow.rest().contains("piece 10 of 10"), "the slow answer is whole");
    assert_eq!(
        daemon.wait_for("external owner retired"),
        json!({ "attestation": attestation('c'), "status": "draining" })
    );
    assert_eq!(daemon.code(), Some(0));
    assert!(place.path("v1/finished").exists(), "the job was finished");
    assert!(!pids(&status).into_iter().any(is_alive), "a process was left behind");
}

/// C-165: the texts.
#[test]
fn a_retirement_that_is_not_attested_is_refused() {
    let (place, _daemon, status) = serving();
    assert_eq!(
        ask(&place, &retire("x"))["error"],
        "Owner retirement attestation must use the canonical sha256:<64 lowercase hex> format"
    );
    assert_eq!(ask(&place, r#"{"command":"retire-owner"}"#)["error"], "attestation is required");
    assert!(!place.path("v1/quieted").exists());
    assert_eq!(pids(&place.json(&["status"])), pids(&status), "nothing was touched");
}

/// C-165: other connections are closed, and the state file is left for whoever takes over.
#[test]
fn others_are_closed_and_the_state_file_stays() {
    let place = shop();
    with_state_file(&place);
    let mut daemon = place.daemon();
    place.json(&["deploy", "--release-path", &place.release("v1", "ok"), "--release-id", "v1"]);
    until(|| place.path("v1/working").exists());
    let mut waiting = UnixStream::connect(place.path("control.sock")).expect("the daemon listens");
    waiting.set_read_timeout(Some(SOON)).expect("it is not zero");
    writeln!(waiting, r#"{{"command":"events","after":999,"waitMs":30000}}"#).expect("the daemon reads");
    // One who came later is answered, so the first one is let in.
    assert_eq!(ask(&place, r#"{"command":"status"}"#)["activeReleaseId"], "v1");
    last_words(&place, &retire(&attestation('c')));
    let mut answer = String::new();
    waiting.read_to_string(&mut answer).expect("it is closed in order");
    assert_eq!(answer, "");
    let state = std::fs::read_to_string(place.path("shop.state.json")).expect("it is there");
    assert_eq!(daemon.code(), Some(0));
    let after = std::fs::read_to_string(place.path("shop.state.json")).expect("it is still there");
    assert_eq!(state, after, "nothing was written after the answer");
    assert!(state.contains("\"activeReleaseId\": \"v1\""), "{state}");
}

/// A retired owner that is asked to end does not wait for its clients.
#[test]
fn a_signal_ends_a_retired_owner_at_once() {
    let (place, mut daemon, status) = serving();
    let mut tunnel = Visitor::of(&status);
    tunnel.send(
        "/ws HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nX-Rest:",
    );
    assert!(tunnel.head().starts_with("http/1.1 101 "));
    last_words(&place, &retire(&attestation('c')));
    daemon.signal(Signal::SIGTERM);
    assert_eq!(daemon.code(), Some(0));
    assert!(!pids(&status).into_iter().any(is_alive), "a process was left behind");
}
