//! One daemon takes the place of another, under load (compat C-163 to C-166).

use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use serde_json::{Value, json};

use super::stage::{Load, Visitor, attestation, begun, bootstrap, logged, ran, shop, with_state_file};
use crate::pids;
use crate::support::{Place, get, is_alive, until};

fn takes_over(attestation: &str) -> [&str; 3] {
    ["--boot-attestation", attestation, "--takeover-owner"]
}

/// C-164 to C-166, and better: the sockets are handed over, so that no connection is refused and no request is lost. The
/// third daemon takes over from one that has taken over itself.
#[test]
fn daemons_follow_each_other_under_load_and_nothing_is_lost() {
    let place = shop();
    with_state_file(&place);
    for release in ["v1", "v2", "v3"] {
        place.release(release, "ok");
    }
    let mut owner = begun(&place, "v1", &["--boot-attestation", &attestation('1')]);
    let mut status = place.json(&["status"]);
    let load = Load::on(&place, &status);
    for (old, new, digit) in [("v1", "v2", '2'), ("v2", "v3", '3')] {
        until(|| place.path(&format!("{old}/working")).exists());
        let mut idle = Visitor::of(&status);
        idle.send("/");
        assert_eq!(idle.answer().1, old);

        let attestation = attestation(digit);
        let (successor, asked) = while_it_is_asked(&place, || begun(&place, new, &takes_over(&attestation)));
        assert!(asked > 0, "somebody asked meanwhile");

        let now = place.json(&["status"]);
        assert_eq!(
            (&now["activeReleaseId"], &now["bootstrap"]["attestation"]),
            (&json!(new), &json!(attestation))
        );
        for part in ["host", "port", "upstreamHost"] {
            assert_eq!(now["proxy"][part], status["proxy"][part], "the same address");
        }
        assert_eq!(now["orphans"], json!([]));
        assert_eq!(get(&now), format!("200 {new}"));
        // Who has been idle all the time is answered by the one he is connected to, and then sent to the other.
        idle.send("/");
        let (head, body) = idle.answer();
        assert_eq!(body, old);
        assert!(head.contains("connection: close"), "{head}");

        assert_eq!(
            owner.wait_for("external owner retired"),
            json!({ "attestation": attestation, "status": "draining" })
        );
        assert_eq!(owner.code(), Some(0));
        for done in ["quieted", "finished"] {
            assert!(place.path(&format!("{old}/{done}")).exists(), "the worker of {old} has not {done}");
        }
        let of_old = pids(&status);
        assert!(of_old.len() >= 4 && !of_old.into_iter().any(is_alive), "a process of {old} was left behind");
        (owner, status) = (successor, now);
        until(|| state(&place)["activeReleaseId"] == new);
    }
    let account = load.account();
    let kinds = account["kinds"].as_object().expect("an account");
    let count = |field: &str| -> u64 { kinds.values().filter_map(|kind| kind[field].as_u64()).sum() };
    assert_eq!((count("failed"), count("sent")), (0, count("ok")), "{account:#}");
    for release in ["v1", "v2", "v3"] {
        let of_release = kinds.values().filter_map(|kind| kind["byRelease"][release].as_u64()).sum::<u64>();
        assert!(of_release > 0, "{release} has served: {account:#}");
    }
    assert_eq!(place.json(&["shutdown"])["message"], "shutdown");
    assert!(!place.path("control.sock").exists() && !place.path("shop.state.json").exists());
    assert_eq!(owner.code(), Some(0));
}

fn state(place: &Place) -> Value {
    let text = std::fs::read_to_string(place.path("shop.state.json")).unwrap_or_default();
    serde_json::from_str(&text).unwrap_or_default()
}

/// Somebody connects to the control socket all the time meanwhile, and is never refused.
fn while_it_is_asked<T>(place: &Place, act: impl FnOnce() -> T) -> (T, u64) {
    let (over, asked) = (AtomicBool::new(false), AtomicU64::new(0));
    let done = std::thread::scope(|scope| {
        let asking = scope.spawn(|| {
            while !over.load(Ordering::SeqCst) {
                UnixStream::connect(place.path("control.sock")).expect("somebody listens at every moment");
                asked.fetch_add(1, Ordering::SeqCst);
                std::thread::sleep(std::time::Duration::from_millis(1));
            }
        });
        let done = act();
        over.store(true, Ordering::SeqCst);
        asking.join().expect("nobody was refused");
        done
    });
    (done, asked.into_inner())
}

/// C-164: a candidate that fails leaves the owner untouched.
#[test]
fn a_broken_candidate_changes_nothing() {
    let place = shop();
    place.release("v1", "ok");
    place.release("v2", "crash-at-boot");
    let _owner = begun(&place, "v1", &["--boot-attestation", &attestation('1')]);
    until(|| place.path("v1/working").exists());
    let before = place.json(&["status"]);
    let ran = ran(bootstrap(&place, "v2", &takes_over(&attestation('2'))));
    assert_eq!(ran.code, Some(1));
    assert!(ran.stderr.contains("AUTH_SECRET missing"), "{}", ran.stderr);
    assert_eq!(
        logged(&ran, "bootstrap activation failed"),
        [json!({ "releaseId": "v2", "status": "error" })]
    );
    assert!(logged(&ran, "proxy listening").is_empty(), "it had no address");
    let started = logged(&ran, "process started");
    assert!(!started.iter().flat_map(pids).any(is_alive), "a process was left behind");

    let after = place.json(&["status"]);
    assert_eq!((&after["activeReleaseId"], &after["bootstrap"]), (&json!("v1"), &before["bootstrap"]));
    assert_eq!(pids(&after), pids(&before));
    assert!(!place.path("v1/quieted").exists());
    assert_eq!(get(&after), "200 v1");
}

/// A unit that always says `--takeover-owner` comes up after a crash, and for the first time.
#[test]
fn where_nobody_is_the_addresses_are_simply_bound() {
    let place = shop();
    place.release("v1", "ok");
    let mut daemon = begun(&place, "v1", &takes_over(&attestation('1')));
    assert_eq!(get(&place.json(&["status"])), "200 v1");
    place.json(&["shutdown"]);
    assert_eq!(daemon.code(), Some(0));
}

/// The wrong config must not end the daemon of another application.
#[test]
fn the_owner_of_another_application_is_left_alone() {
    let place = shop();
    place.release("v1", "ok");
    place.release("v2", "ok");
    let _owner = begun(&place, "v1", &[]);
    let config = std::fs::read_to_string(place.path("rollcore.json")).expect("it is there");
    place.write("rollcore.json", &config.replace("\"shop\"", "\"bank\""));
    let ran = ran(bootstrap(&place, "v2", &takes_over(&attestation('2'))));
    place.write("rollcore.json", &config);
    let socket = place.path("control.sock");
    assert_eq!(
        (ran.code, ran.stderr),
        (
            Some(1),
            format!(
                "Error: A Rollbridge daemon for \"shop\" is using {}; expected \"bank\".\n",
                socket.display()
            )
        )
    );
    assert_eq!(get(&place.json(&["status"])), "200 v1");
}

/// Another address in the new config: whoever waits at the old one is served by the old owner, and the new one is bound.
#[test]
fn a_new_address_is_bound_and_the_old_one_is_closed() {
    let place = shop();
    place.release("v1", "ok");
    place.release("v2", "ok");
    let mut owner = begun(&place, "v1", &[]);
    let before = place.json(&["status"]);
    let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let port = free.local_addr().expect("it is bound").port();
    drop(free);
    let config = std::fs::read_to_string(place.path("rollcore.json")).expect("it is there");
    let mut config: Value = serde_json::from_str(&config).expect("it is JSON");
    config["proxy"]["port"] = json!(port);
    place.write("rollcore.json", &config.to_string());
    let _successor = begun(&place, "v2", &takes_over(&attestation('2')));
    let now = place.json(&["status"]);
    assert_eq!((get(&now), &now["proxy"]["port"]), ("200 v2".to_owned(), &json!(port)));
    let old = before["proxy"]["port"].as_u64().expect("a port");
    assert!(std::net::TcpStream::connect(format!("127.0.0.1:{old}")).is_err(), "nobody is there any more");
    assert_eq!(owner.code(), Some(0));
}
