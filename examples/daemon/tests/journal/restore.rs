//! A daemon that starts after another one was killed brings its release back.

use serde_json::{Value, json};

use crate::stage::{
    CleanUp, Stranger, events, kill, left_in, shop, state, until_event, until_state, with_role,
};
use crate::support::{Place, get, is_alive, until};

fn deploy(place: &Place, release: &str, id: &str) -> Value {
    place.json(&["deploy", "--release-path", release, "--release-id", id, "--revision", "abc"])
}

/// A shop with one release, whose daemon was killed.
fn killed(change: impl Fn(&mut Value)) -> (Place, String) {
    let place = shop(change);
    let release = place.release("one", "ok");
    let daemon = place.daemon();
    deploy(&place, &release, "v1");
    until_state(&place, |state| state["activeReleaseId"] == "v1" && !state["singletons"][0].is_null());
    kill(daemon);
    (place, release)
}

fn position(events: &[(String, Value)], message: &str, process: &str) -> usize {
    let is_it = |(told, data): &(String, Value)| told == message && data["processId"] == process;
    events.iter().position(is_it).unwrap_or_else(|| panic!("no {message:?} of {process}: {events:?}"))
}

/// The release, its path and revision are the same; one scheduler, one broker, and nothing of before.
#[test]
fn the_release_that_was_active_serves_again() {
    let (place, release) = killed(|_| {});
    let _clean = CleanUp(&place);
    let before = left_in(&place);
    assert_eq!(before.len(), 5);
    let mut daemon = place.daemon();
    assert_eq!(until_event(&place, "release restored"), json!({ "releaseId": "v1" }));
    let status = place.json(&["status"]);
    assert_eq!(get(&status), "200 v1");
    let restored = &status["releases"][0];
    assert_eq!((&restored["releasePath"], &restored["revision"]), (&json!(release), &json!("abc")));
    assert_eq!((with_role(&place, "scheduler").len(), with_role(&place, "broker").len()), (1, 1));
    until(|| !before.iter().any(|pid| is_alive(*pid)));
    assert_eq!(left_in(&place).len(), 5);
    until(|| place.json(&["status"])["orphans"] == json!([]));

    let told = events(&place);
    for alone in ["cron", "broker"] {
        let (gone, new) =
            (position(&told, "orphaned process stopped", alone), position(&told, "process started", alone));
        assert!(gone < new, "two of {alone} ran at once");
    }
    let (served, gone) =
        (position(&told, "process started", "web"), position(&told, "orphaned process stopped", "web"));
    assert!(served < gone, "what is in nobody's way ends later");
    place.json(&["shutdown"]);
    assert_eq!(daemon.code(), Some(0));
    assert_eq!(left_in(&place), [0; 0]);
    assert!(!place.path("state.json").exists());

    // After an orderly end nothing is to be restored.
    let _daemon = place.daemon();
    assert_eq!(place.json(&["status"])["activeReleaseId"], json!(null));
    assert!(!events(&place).iter().any(|(message, _)| message == "restore starting"));
}

#[test]
fn a_release_whose_directory_is_gone_is_not_restored() {
    let (place, release) = killed(|_| {});
    let _clean = CleanUp(&place);
    let before = left_in(&place);
    std::fs::rename(&release, place.path("moved")).expect("it is there");
    let _daemon = place.daemon();
    let failed = until_event(&place, "restore failed");
    let error = format!("its directory {release} is not there any more; deploy another release");
    assert_eq!(failed, json!({ "error": error, "releaseId": "v1" }));
    let status = place.json(&["status"]);
    assert_eq!(
        (get(&status).as_str(), status["orphans"].as_array().map(Vec::len)),
        ("503 No active release", Some(5))
    );
    assert_eq!(left_in(&place), before, "nothing was touched");
}

/// A deploy that is asked for meanwhile waits; a restore that fails is told, and does not end the daemon.
#[test]
fn a_restore_that_fails_makes_way_for_the_next_deploy() {
    let (place, release) = killed(|config| config["processes"][0]["health"]["timeoutMs"] = json!(2_000));
    let _clean = CleanUp(&place);
    std::fs::write(format!("{release}/mode"), "never-healthy").expect("it is ours");
    let _daemon = place.daemon();
    assert_eq!(place.json(&["status"])["busy"], "restore v1");
    let two = place.release("two", "ok");
    let deployed = deploy(&place, &two, "v2");
    assert_eq!((&deployed["activeReleaseId"], &deployed["previousReleaseId"]), (&json!("v2"), &json!(null)));
    let told = events(&place);
    let is = |wanted: &'static str| move |(message, _): &(String, Value)| message == wanted;
    let failed = told.iter().position(is("restore failed")).expect("it failed");
    let asked = told.iter().rposition(is("deploy starting")).expect("it was deployed");
    assert!(failed < asked);
    assert_eq!(get(&place.json(&["status"])), "200 v2");
    assert_eq!((with_role(&place, "scheduler").len(), with_role(&place, "broker").len()), (1, 1));
}

/// Killed while it restores, and again: the release is not forgotten, and nothing piles up.
#[test]
fn a_daemon_killed_while_it_restores_is_followed_by_one_that_does() {
    let (place, release) = killed(|_| {});
    let _clean = CleanUp(&place);
    std::fs::write(format!("{release}/mode"), "never-healthy").expect("it is ours");
    for _ in 0..2 {
        let daemon = place.daemon();
        until(|| state(&place)["starting"][0]["processes"].as_array().is_some_and(|all| all.len() == 3));
        assert_eq!(state(&place)["restore"]["releaseId"], "v1");
        kill(daemon);
    }
    std::fs::write(format!("{release}/mode"), "ok").expect("it is ours");
    let _daemon = place.daemon();
    until_event(&place, "release restored");
    until(|| left_in(&place).len() == 5);
    assert_eq!(get(&place.json(&["status"])), "200 v1");
}

/// Rollbridge wrote no start: the pid may be anybody's, so it is not killed, and a second scheduler is not started.
#[test]
fn what_cannot_be_verified_is_not_killed() {
    let place = shop(|_| {});
    let _clean = CleanUp(&place);
    let release = place.release("one", "ok");
    let stranger = Stranger::new();
    let process = json!({ "id": "cron", "pid": stranger.pid(), "state": "running" });
    let file = json!({
        "activeReleaseId": "v1",
        "releases": [{ "releaseId": "v1", "releasePath": release, "revision": "abc", "state": "active", "processes": [] }],
        "services": [], "singletons": [{ "id": "cron", "process": process }],
    });
    place.write("state.json", &file.to_string());
    let daemon = place.daemon();
    let failed = until_event(&place, "restore failed");
    let error = format!(
        "cron of an earlier daemon, pid {}, may be somebody else by now; stop it, then deploy",
        stranger.pid()
    );
    assert_eq!(failed["error"], json!(error));
    assert!(is_alive(stranger.pid()) && left_in(&place).is_empty());
    // The next daemon knows no more than this one.
    kill(daemon);
    let _daemon = place.daemon();
    assert_eq!(until_event(&place, "restore failed")["error"], json!(error));
    assert!(is_alive(stranger.pid()));
}

/// As with Rollbridge.
#[test]
fn restore_can_be_switched_off() {
    let (place, _) = killed(|config| config["restoreOnStart"] = json!(false));
    let _clean = CleanUp(&place);
    let _daemon = place.daemon();
    assert_eq!(get(&place.json(&["status"])), "503 No active release");
    assert!(!events(&place).iter().any(|(message, _)| message == "restore starting"));
    assert_eq!(left_in(&place).len(), 5);
}
