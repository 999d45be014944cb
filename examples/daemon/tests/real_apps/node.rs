//! The Node application: HTTP and WebSockets.

use serde_json::json;

use crate::story;
use crate::support::{Daemon, NODE, Release, Running, millis_between};

#[test]
fn twenty_deploys_lose_nothing() {
    story::twenty_deploys(&NODE);
}

#[test]
fn a_release_that_exits_at_boot_fails_at_once() {
    story::fails_at_once_with_its_last_line(&NODE);
}

#[test]
fn a_health_endpoint_that_never_answers_fails_in_time() {
    let daemon = Daemon::start_with(&NODE, |config| {
        config["processes"][0]["health"] = json!({ "path": "/ping", "timeoutMs": 4_000, "intervalMs": 500 });
    });
    let failed =
        daemon.deploy(&Release::new("mute", "broken-hangs-on-accept")).expect_err("it never answers");
    assert!(failed.contains("Health check failed for http://127.0.0.1:"), "C-83: {failed}");

    let is_of_web = |event: &_| daemon.is_of(event, "mute", "web");
    let started = daemon.event("process started", is_of_web);
    let gave_up = daemon.event("rollout step failed", |event| event["data"]["step"] == "await ready web");
    let took = millis_between(&started, &gave_up);
    assert!((4_000..=4_500).contains(&took), "it took {took} ms");
    daemon.end();
}

#[test]
fn of_three_deploy_commands_at_once_one_deploys() {
    let daemon = Daemon::start_with(&NODE, |config| {
        // Long enough for each to find the first one still at work, however busy the machine is.
        config["processes"][0]["health"]["startDelayMs"] = json!(2_000);
    });
    let releases = ["a", "b", "c"].map(|id| Release::new(id, "v1"));
    let commands = releases.each_ref().map(|release| daemon.begin_deploy(release));
    let outcomes = commands.map(Running::outcome);

    let deployed: Vec<_> = releases.iter().zip(&outcomes).filter(|(_, outcome)| outcome.is_ok()).collect();
    let [(winner, _)] = deployed[..] else { panic!("one deploys: {outcomes:?}") };
    let holder = format!("deploy {}", winner.id);
    for refused in outcomes.iter().filter_map(|outcome| outcome.as_ref().err()) {
        assert!(refused.contains(&holder), "{refused:?} does not name {holder:?}");
    }
    daemon.assert_serves(&winner.id);
    let started = daemon.events_so_far("process started");
    assert_eq!(started.iter().filter(|event| event["data"]["id"] == "web").count(), 1, "{started:?}");
    daemon.end();
}
