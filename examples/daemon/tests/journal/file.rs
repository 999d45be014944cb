//! The state file (compat C-201 to C-206).

use std::fs::{self, File};

use serde_json::{Value, json};

use crate::stage::{CleanUp, events, left_in, shop, shop_without_restore, state, until_state};
use crate::support::{Place, get, mode, until};

fn deploy(place: &Place, id: &str) {
    let release = place.release(id, "ok");
    place.json(&["deploy", "--release-path", &release, "--release-id", id]);
}

fn keys(value: &Value) -> Vec<String> {
    value.as_object().expect("an object").keys().cloned().collect()
}

/// C-201 to C-204: when, what, and nothing secret.
#[test]
fn what_runs_is_in_the_file() {
    let place = shop(|_| {});
    let mut daemon = place.daemon();
    let first = state(&place);
    assert_eq!((&first["activeReleaseId"], &first["releases"]), (&json!(null), &json!([])));
    assert_eq!(mode(&place.path("state.json")), 0o600);
    deploy(&place, "v1");
    until_state(&place, |state| state["activeReleaseId"] == "v1" && state["busy"].is_null());
    let text = fs::read_to_string(place.path("state.json")).expect("it is there");
    assert!(text.starts_with("{\n  \"activeReleaseId\": \"v1\",\n") && text.ends_with("\n}\n"), "{text}");
    assert!(!text.contains("sample-app") && !text.contains("TEST_PLACE"), "{text}");

    let (status, written) = (place.json(&["status"]), state(&place));
    let mut expected = keys(&status);
    expected.retain(|key| key != "status");
    expected.extend(["daemon", "events", "persistedAt"].map(str::to_owned));
    expected.sort_unstable();
    let mut found = keys(&written);
    found.sort_unstable();
    assert_eq!(found, expected);
    let worker = &written["releases"][0]["processes"][0];
    let mut process = keys(worker);
    process.sort_unstable();
    let expected = [
        "id",
        "lastStartReason",
        "memoryRestarts",
        "pid",
        "restarts",
        "startTime",
        "startedAt",
        "state",
        "uptimeMs",
    ];
    assert_eq!(process, expected);
    let started = written["events"]
        .as_array()
        .expect("a list")
        .iter()
        .find(|event| event["message"] == "process started");
    assert_eq!(
        keys(&started.expect("it was started")["data"]),
        ["id", "pid", "processId", "reason", "releaseId"]
    );

    // After each stop, too.
    place.json(&["stop"]);
    until_state(&place, |state| state["releases"][0]["state"] == "stopped");
    place.json(&["shutdown"]);
    assert_eq!(daemon.code(), Some(0));
    let left: Vec<_> =
        fs::read_dir(place.path("")).expect("it is there").flatten().map(|entry| entry.file_name()).collect();
    assert!(!left.iter().any(|name| name.to_string_lossy().starts_with("state.json")), "{left:?}");
}

/// C-205: told once, and nothing else changes.
#[test]
fn a_file_that_cannot_be_written_changes_nothing_else() {
    let place = shop(|config| config["statePath"] = json!("no/such/directory/state.json"));
    let _clean = CleanUp(&place);
    let mut daemon = place.daemon();
    deploy(&place, "v1");
    assert_eq!(get(&place.json(&["status"])), "200 v1");
    place.json(&["restart", "--process", "worker"]);
    let failed: Vec<_> =
        events(&place).into_iter().filter(|(message, _)| message == "state persist failed").collect();
    assert_eq!(failed.len(), 1, "{failed:?}");
    assert!(failed[0].1["error"].as_str().expect("a text").contains("No such file or directory"));
    assert_eq!(place.json(&["shutdown"])["message"], "shutdown");
    assert_eq!(daemon.code(), Some(0));
    assert_eq!(left_in(&place), [0; 0]);
}

/// The second one has another socket and the same file: it does not write over the first one's, nor remove it.
#[test]
fn two_daemons_do_not_share_a_file() {
    let (one, two) = (shop_without_restore(), shop_without_restore());
    let mut config: Value =
        serde_json::from_slice(&fs::read(two.path("rollcore.json")).expect("it is there"))
            .expect("it is JSON");
    config["statePath"] = json!(one.path("state.json"));
    two.write("rollcore.json", &config.to_string());
    let _first = one.daemon();
    deploy(&one, "v1");
    until_state(&one, |state| state["activeReleaseId"] == "v1");
    let owner = state(&one)["daemon"].clone();

    let mut second = two.daemon();
    assert_eq!(two.json(&["status"])["orphans"], json!([]), "they have a daemon");
    deploy(&two, "v2");
    let told = events(&two);
    let failed = told.iter().find(|(message, _)| message == "state persist failed").expect("it is told");
    let error =
        format!("{} belongs to the daemon with pid {}", one.path("state.json").display(), owner["pid"]);
    assert_eq!(failed.1["error"], json!(error));
    two.json(&["shutdown"]);
    assert_eq!(second.code(), Some(0));
    assert_eq!((&state(&one)["daemon"], &state(&one)["activeReleaseId"]), (&owner, &json!("v1")));
}

/// What somebody else may have put there is not believed: it would say what to kill and what to run.
#[test]
fn a_file_that_is_not_to_be_trusted_is_not_believed() {
    let place = shop(|_| {});
    let path = place.path("state.json");
    let large = || File::create(&path).and_then(|file| file.set_len(100 << 20)).expect("a sparse file");
    large();
    let error = format!("{} is larger than 16777216 bytes and is not read; remove it", path.display());
    assert_eq!(place.failure(&["recover", "--force"]), format!("Error: {error}\n"));
    let daemon = place.daemon();
    assert_eq!(events(&place)[0], ("state file ignored".to_owned(), json!({ "error": error })));
    until(|| fs::metadata(&path).is_ok_and(|found| found.len() < 100 << 20));
    drop(daemon);

    let target = place.write("target.json", "{}");
    std::os::unix::fs::symlink(&target, &path).expect("the path is free");
    assert!(place.failure(&["recover"]).contains("is a symbolic link, so what it says is not believed"));
    let _daemon = place.daemon();
    assert_eq!(fs::read_to_string(&target).expect("it is there"), "{}", "the link was not followed");
}
