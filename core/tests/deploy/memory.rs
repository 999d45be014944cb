//! A process that holds too much memory, seen from the engine.

use std::fs;
use std::time::Duration;

use rollcore::InstanceStatus;
use serde_json::{Value, json};

use crate::shop::{DEADLINE, Shop};

/// Holds 40 MiB when there is a file `go` in its release.
const HUNGRY: &str = "exec python3 -c \"
import os, time
while not os.path.exists('go'): time.sleep(0.01)
held = bytearray(os.urandom(1024)) * 1024 * 40
time.sleep(1000)\"";

fn worker(shop: &Shop) -> InstanceStatus {
    let status = shop.engine.status();
    let mut processes = status.releases.iter().flat_map(|release| &release.processes);
    processes.find(|process| process.id.to_string() == "worker").expect("it is there").clone()
}

/// Looks again and again: a sample is no event.
async fn until(what: &str, is_so: impl Fn() -> bool) {
    let waiting = async {
        while !is_so() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    assert!(tokio::time::timeout(DEADLINE, waiting).await.is_ok(), "never {what}");
}

fn events(shop: &Shop) -> Vec<(String, Value)> {
    let all = shop.engine.recent_events(None).into_iter();
    let all = all.map(|stamped| (stamped.event.message().into_owned(), stamped.event.data()));
    all.filter(|(_, data)| data["id"] == "worker").collect()
}

/// C-79, C-190, C-198: the counts, the times and the events of a restart for memory; C-62: they go with the process.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_companion_that_grows_is_restarted() {
    let limit = 40 * 1024 * 1024;
    let shop = Shop::open_with(|config| {
        config["processes"][1] = json!({
            "id": "worker", "policy": "companion", "command": HUNGRY,
            "memory": { "limitBytes": limit, "warnBytes": 1024, "checkIntervalMs": 50 },
        });
    })
    .await;
    shop.deploy("v1").await.expect("it is deployed");
    let first = worker(&shop).pid;
    // `python3` may be a script that becomes the real one after a while.
    let is_python = |seen: &InstanceStatus| seen.children.len() == 1 && seen.children[0].command == "python3";
    until("sampled", || is_python(&worker(&shop))).await;
    let seen = worker(&shop);
    let [child] = seen.children.as_slice() else { panic!("one process: {seen:?}") };
    assert_eq!(
        (child.command.as_str(), Some(child.pid), Some(child.rss_bytes)),
        ("python3", seen.pid, seen.rss_bytes)
    );
    assert_eq!((seen.memory_restarts, seen.last_memory_restart_at), (0, None));

    let go = shop.release_path().join("go");
    fs::write(&go, "").expect("it can be written");
    // It may be restarted more than once until the file is gone.
    until("stopped for its memory", || worker(&shop).memory_restarts > 0).await;
    fs::remove_file(&go).expect("it is there");
    until("up again", || worker(&shop).state == "running").await;
    let again = worker(&shop);
    assert_ne!(again.pid, first);
    assert_eq!(again.restarts, 0, "it is no crash");
    assert!(again.last_memory_restart_at.is_some());
    assert_eq!(again.last_start_reason, Some("memory"));
    let told = events(&shop);
    let expected =
        ["process started", "memory warning", "memory limit exceeded", "process exited", "process started"];
    let messages: Vec<&str> = told.iter().map(|(message, _)| message.as_str()).collect();
    assert_eq!(messages[..5], expected, "{told:?}");
    assert_eq!(told[1].1["warnBytes"], 1024);
    assert!(told[1].1["rssBytes"].as_u64() > Some(1024));
    assert_eq!(told[2].1["limitBytes"], limit);
    assert!(told[2].1["rssBytes"].as_u64() > Some(limit));
    assert_eq!(told[4].1["reason"], "memory");
    shop.close().await;
}
