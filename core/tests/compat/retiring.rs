//! How an old release goes: in which order, how long, and what is remembered.

use serde_json::json;
use tokio::io::AsyncReadExt;

use crate::shop::{DEADLINE, Shop};

/// The events of `release` about its processes, as `message id`.
fn told(shop: &Shop, release: &str) -> Vec<String> {
    let events = shop.engine.recent_events(None);
    let of_release =
        events.iter().map(|stamped| (stamped.event.message().into_owned(), stamped.event.data()));
    of_release
        .filter(|(message, data)| data["releaseId"] == release && message.starts_with("process "))
        .map(|(message, data)| format!("{message} {}", data["id"].as_str().unwrap_or_default()))
        .collect()
}

/// C-127, C-128, C-130, C-125: some begin their stop at once; the others when the drain is over, and what is still open
/// then is cut.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn some_do_not_wait_for_the_drain() {
    let shop = Shop::open_with(|config| {
        assert_eq!(config["processes"][2]["id"], "jobs");
        config["processes"][2]["nonBlockingDrain"] = json!(true);
        config["proxy"]["drainTimeoutMs"] = json!(1_500);
    })
    .await;
    shop.deploy("v1", "r1").await;
    let mut socket = shop.websocket().await;
    shop.deploy("v2", "r2").await;
    shop.until("the workers have gone", |status| {
        let jobs =
            status.releases[0].processes.iter().filter(|process| process.id.to_string().starts_with("jobs#"));
        jobs.filter(|process| process.state == "stopped").count() == 2
    })
    .await;
    let status = shop.engine.status();
    let old = &status.releases[0];
    assert_eq!((old.state, old.connection_count), ("draining", 1), "the socket is still open");
    let web = old.processes.last().expect("web is the last one");
    assert_eq!((web.id.to_string().as_str(), web.state), ("web", "running"));

    shop.until("v1 stopped", |status| status.releases[0].state == "stopped").await;
    let old = shop.engine.status().releases[0].clone();
    let ms = |time: Option<rollcore::WallTime>| time.expect("it is over").unix_ms();
    let took = ms(old.stopped_at) - ms(old.drain_started_at);
    assert!(took >= 1_500, "it had {took} ms to drain");
    let mut rest = Vec::new();
    let end = tokio::time::timeout(DEADLINE, socket.read_to_end(&mut rest)).await;
    assert!(end.is_ok(), "what is open to it then is cut");
    shop.close().await;
}

/// C-140: a release that drains can be stopped at once, whatever is open to it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_ends_a_drain() {
    let shop = Shop::open().await;
    shop.deploy("v1", "r1").await;
    let _socket = shop.websocket().await;
    shop.deploy("v2", "r2").await;
    let stopped = shop.ask(&json!({ "command": "stop", "releaseId": "v1" })).await;
    let old = &stopped["releases"][0];
    assert_eq!(
        (&stopped["activeReleaseId"], &old["state"]),
        (&json!("v2"), &json!("stopped")),
        "{stopped:#}"
    );
    let took = |from: &str, to: &str| {
        let at = |key: &str| old[key].as_str().expect("a time").parse::<jiff::Timestamp>().expect("a time");
        at(to).duration_since(at(from))
    };
    let budget = jiff::SignedDuration::from_secs(20);
    assert!(took("drainStartedAt", "stoppedAt") < budget, "it did not wait for the drain: {old:#}");
    shop.close().await;
}

/// C-131: what crashes while it drains stays down.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_crashes_while_it_drains_stays_down() {
    let shop = Shop::open_with(|config| config["processes"][2]["restartDelayMs"] = json!(1)).await;
    shop.deploy("v1", "r1").await;
    let socket = shop.websocket().await;
    shop.deploy("v2", "r2").await;
    let job = |shop: &Shop| {
        let status = shop.engine.status();
        let mut processes = status.releases[0].processes.iter();
        processes.find(|process| process.id.to_string() == "jobs#0").expect("it is there").clone()
    };
    let pid = i32::try_from(job(&shop).pid.expect("it runs")).expect("a pid fits");
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), nix::sys::signal::Signal::SIGKILL)
        .expect("it is there");
    shop.until("its end is seen", |_| job(&shop).exit_signal.is_some()).await;
    assert_eq!((job(&shop).state, job(&shop).pid), ("failed", None));
    drop(socket);
    shop.until("v1 stopped", |status| status.releases[0].state == "stopped").await;
    // A restart would have come after a millisecond.
    assert_eq!(told(&shop, "v1").iter().filter(|told| *told == "process started jobs#0").count(), 1);
    shop.close().await;
}

/// C-132: the newest stopped ones are kept, as many as the config says.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn old_releases_are_forgotten() {
    let shop = Shop::open_with(|config| config["releaseRetention"] = json!({ "keep": 1 })).await;
    for id in ["one", "two", "three"] {
        shop.deploy(id, id).await;
    }
    shop.until_event("release drained", 2).await;
    shop.until("forgotten", |status| status.releases.len() == 2).await;
    let states = |shop: &Shop| -> Vec<String> {
        let status = shop.engine.status();
        status.releases.iter().map(|release| format!("{} {}", release.release_id, release.state)).collect()
    };
    let of_last_two = states(&shop);
    assert!(of_last_two.iter().any(|release| release == "three active"), "{of_last_two:?}");
    let error = shop.ask(&json!({ "command": "rollback", "releaseId": "one" })).await;
    let expected = "No retained release \"one\" to roll back to.";
    let two_went_first = of_last_two.contains(&"one stopped".to_owned());
    assert!(two_went_first || error["error"] == expected, "{of_last_two:?}: {error}");
    shop.ask(&json!({ "command": "stop" })).await;
    shop.until("one is left", |status| status.releases.len() == 1).await;
    assert_eq!(states(&shop), ["three stopped"], "the newest that stopped");
    shop.close().await;
}
