//! What goes wrong, and what it leaves alone.
#![expect(clippy::disallowed_methods, reason = "a test measures how long a real deploy takes")]

use std::time::{Duration, Instant};

use rollcore::{DeployError, Release};
use serde_json::json;

use crate::shop::{Shop, process};

/// A shop whose release `v1` works, and whose other releases have a file that says how `process` is broken.
async fn broken(place: usize, mode: &str) -> Shop {
    let command = crate::app::command();
    let good = if place == 0 { "serve" } else { "sleep" };
    let quoted: Vec<String> = command.iter().map(|word| format!("'{word}'")).collect();
    let line = format!(
        "case {{{{releaseId}}}} in v1) export TEST_APP={good};; *) export TEST_APP={mode};; esac; exec {}",
        quoted.join(" ")
    );
    let health = json!({ "timeoutMs": 1_500, "intervalMs": 20 });
    Shop::open_with(|config| {
        config["processes"][place]["command"] = line.into();
        config["processes"][0]["health"] = health;
    })
    .await
}

async fn leaves_v1_alone(place: usize, mode: &str) -> DeployError {
    let shop = broken(place, mode).await;
    shop.deploy("v1").await.expect("v1 is deployed");
    let before = shop.pids();
    let error = shop.deploy("v2").await.expect_err("v2 is broken");
    assert_eq!(shop.get("/").await, (200, "v1".to_owned()));
    let status = shop.engine.status();
    assert_eq!(status.active_release_id.map(|id| id.to_string()).as_deref(), Some("v1"));
    assert_eq!(status.releases.len(), 1, "C-118: a failed release leaves no entry");
    let kept = shop.pids();
    let singleton_was_replaced = place == 2;
    let same = before.iter().filter(|pid| kept.contains(pid)).count();
    assert_eq!((same, kept.len()), (5 - usize::from(singleton_was_replaced), 5));
    shop.close().await;
    error
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crash_at_boot_fails_at_once_with_the_last_lines() {
    let shop = broken(0, "crash").await;
    shop.deploy("v1").await.expect("v1 is deployed");
    let began = Instant::now();
    let error = shop.deploy("v2").await.expect_err("v2 crashes");
    let text = error.to_string();
    assert!(text.contains("exited with code 1 before it was ready"), "{text}");
    assert!(text.contains("AUTH_SECRET missing"), "{text}");
    assert_eq!(error.code(), "exited_before_ready");
    assert!(began.elapsed() < Duration::from_millis(1_400), "it did not wait for the health timeout");
    let starts = shop.engine.recent_events(None).into_iter().filter(|stamped| {
        let data = stamped.event.data();
        stamped.event.message() == "process started" && data["releaseId"] == "v2" && data["id"] == "web"
    });
    assert_eq!(starts.count(), 1, "it was started once");
    let seen = shop.engine.recent_events(None).into_iter().map(|stamped| stamped.event);
    let seen = seen.filter(|event| event.message() == "release startup process status");
    let seen: Vec<_> = seen.map(|event| event.data()).filter(|data| data["processId"] == "web").collect();
    assert_eq!(
        (seen[0]["phase"].as_str(), seen[1]["phase"].as_str()),
        (Some("before cleanup"), Some("after cleanup"))
    );
    assert_eq!(seen[1]["exitCode"], 1);
    assert!(seen[1]["logs"].to_string().contains("AUTH_SECRET missing"), "C-117: {}", seen[1]);
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_web_process_that_crashes_leaves_the_old_release_alone() {
    assert_eq!(leaves_v1_alone(0, "crash").await.code(), "exited_before_ready");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_web_process_that_answers_500_leaves_the_old_release_alone() {
    let error = leaves_v1_alone(0, "error").await;
    assert!(error.to_string().ends_with("HTTP 500"), "C-83: {error}");
}

/// Better than C-121 and C-122.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_singleton_that_does_not_start_brings_the_old_one_back() {
    let error = leaves_v1_alone(2, "crash").await;
    let DeployError::Undone { step, .. } = &error else { panic!("{error:?}") };
    assert_eq!(step.to_string(), "replace singleton cron");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_health_check_that_is_never_answered_ends_in_time() {
    let shop = broken(0, "mute").await;
    shop.deploy("v1").await.expect("v1 is deployed");
    let began = Instant::now();
    let error = shop.deploy("v2").await.expect_err("v2 never answers");
    assert!(error.to_string().starts_with("Health check failed for http://127.0.0.1:"), "C-83: {error}");
    assert!(began.elapsed() >= Duration::from_millis(1_500));
    shop.close().await;
}

/// Better than C-123.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_three_deploys_at_once_one_is_carried_out() {
    let shop = Shop::open().await;
    let release = |id: &str| Release::new(id, "/").expect("safe");
    let (one, two, three) = tokio::join!(
        shop.engine.deploy(release("a")),
        shop.engine.deploy(release("b")),
        shop.engine.deploy(release("c")),
    );
    let outcomes = [one, two, three];
    let deployed: Vec<_> = outcomes.iter().filter_map(|outcome| outcome.as_ref().ok()).collect();
    assert_eq!(deployed.len(), 1, "{outcomes:?}");
    let holder = format!("deploy {}", deployed[0].active);
    for refused in outcomes.iter().filter_map(|outcome| outcome.as_ref().err()) {
        assert_eq!(*refused, DeployError::Busy { holder: holder.clone() });
    }
    let active = shop.engine.status().releases.iter().filter(|release| release.state == "active").count();
    assert_eq!(active, 1);
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_missing_template_value_touches_nothing() {
    let shop = Shop::open_with(|config| {
        let mut odd = process("odd", "companion", "sleep");
        odd["env"]["SECRET"] = json!("{{env.THIS_IS_NOT_SET_ANYWHERE}}");
        config["processes"].as_array_mut().expect("a list").push(odd);
    })
    .await;
    let error = shop.deploy("v1").await.expect_err("a value is missing");
    assert_eq!(error.to_string(), "Missing template value for {{env.THIS_IS_NOT_SET_ANYWHERE}}", "C-37");
    assert!(shop.pids().is_empty());
    shop.close().await;
}
