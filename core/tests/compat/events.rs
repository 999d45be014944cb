//! What happened, field by field and in its order.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::golden::Golden;
use crate::keys::{self, OUR_EVENTS};
use crate::shop::Shop;

/// The events of the contract from `first` on, as a client gets them.
async fn events(shop: &Shop, first: usize) -> Vec<Value> {
    let answer = shop.ask(&json!({ "command": "events" })).await;
    let all = answer["events"].as_array().expect("a list").clone();
    all.iter().for_each(keys::assert_event);
    let of_contract = |event: &Value| !OUR_EVENTS.contains(&event["message"].as_str().expect("a text"));
    all.into_iter().filter(of_contract).skip(first).collect()
}

/// `message id` of each, without the companion that crashes when it likes.
fn told(events: &[Value]) -> Vec<String> {
    let one = |event: &Value| {
        let data = &event["data"];
        let of = ["processId", "releaseId", "path", "host"].iter().find_map(|key| data[key].as_str());
        format!("{} {}", event["message"].as_str().unwrap_or_default(), of.unwrap_or_default())
    };
    events.iter().filter(|event| event["data"]["processId"] != "flaky").map(one).collect()
}

/// C-195 to C-198, C-181, C-170: one event of each kind that a shop's life has.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_kind_has_its_data() {
    let shop = Shop::open().await;
    let golden = Golden::of(shop.directory.path().to_str().expect("it is UTF-8"));
    shop.deploy("v1", "r1").await;
    shop.until_event("restart limit reached", 1).await;
    shop.deploy("v2", "r2").await;
    shop.until_event("restart limit reached", 2).await;
    shop.until_event("release drained", 1).await;
    shop.deploy("broken", "r3").await;
    shop.ask(&json!({ "command": "restart", "processId": "jobs#1" })).await;
    shop.ask(&json!({ "command": "rollback" })).await;
    shop.until_event("release drained", 2).await;
    shop.ask(&json!({ "command": "stop" })).await;
    let all = events(&shop, 0).await;
    let mut kinds: BTreeMap<&str, &Value> = BTreeMap::new();
    for event in &all {
        // The first of its kind, of a process that always does the same.
        if event["data"]["processId"].as_str().is_none_or(|id| id != "web") {
            kinds.entry(event["message"].as_str().expect("a text")).or_insert(event);
        }
    }
    let kinds: Vec<Value> = kinds.into_values().cloned().collect();
    golden.assert("events", &Value::from(kinds));

    let limited = |limit: Value| {
        let shop = &shop;
        async move {
            let answer = shop.ask(&json!({ "command": "events", "limit": limit })).await;
            answer["events"].as_array().expect("a list").clone()
        }
    };
    let everything = limited(json!(null)).await;
    assert_eq!(
        limited(json!(2)).await,
        everything[everything.len() - 2..],
        "C-181: the newest, oldest first"
    );
    for all in [json!(0), json!(-1), json!("2"), json!(99_999)] {
        assert_eq!(limited(all).await.len(), everything.len());
    }
    shop.close().await;
}

/// C-199, C-110, C-120, C-129: what a second deploy tells, and when.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_deploy_is_told_in_order() {
    let shop = Shop::open().await;
    shop.deploy("v1", "r1").await;
    let socket = shop.websocket().await;
    let first = events(&shop, 0).await;
    assert_eq!(
        told(&first),
        [
            "proxy listening 127.0.0.1",
            &format!("control socket listening {}", first[1]["data"]["path"].as_str().expect("a text")),
            "deploy starting v1",
            "process started broker",
            "process started relay",
            "process started jobs#0",
            "process started jobs#1",
            "process started web",
            "traffic switched v1",
            "process started cron",
        ]
    );
    shop.deploy("v2", "r2").await;
    let second = events(&shop, first.len()).await;
    assert_eq!(
        told(&second),
        [
            "deploy starting v2",
            "process started relay",
            "process started jobs#0",
            "process started jobs#1",
            "process started web",
            "traffic switched v2",
            "process exited cron",
            "process started cron",
        ]
    );
    drop(socket);
    shop.until_event("release drained", 1).await;
    let mut last = told(&events(&shop, first.len()).await).split_off(8);
    assert_eq!(last.pop().as_deref(), Some("release drained v1"));
    assert_eq!(last.pop().as_deref(), Some("process exited relay"), "C-129: handoff services go last");
    last.sort();
    assert_eq!(last, ["process exited jobs#0", "process exited jobs#1", "process exited web"]);
    shop.close().await;
}

/// C-117, C-116, C-118: what a failed deploy tells, and when.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failed_deploy_is_told_in_order() {
    let shop = Shop::open().await;
    let golden = Golden::of(shop.directory.path().to_str().expect("it is UTF-8"));
    shop.deploy("v1", "r1").await;
    shop.until_event("restart limit reached", 1).await;
    let first = events(&shop, 0).await.len();
    let answer = shop.deploy("broken", "r2").await;
    let news = events(&shop, first).await;
    let all = told(&news);
    let place =
        |text: &str| all.iter().position(|told| told == text).unwrap_or_else(|| panic!("{text}: {all:#?}"));
    let status = |id: &str| format!("release startup process status {id}");
    assert_eq!(
        all[..5].join(", "),
        "deploy starting broken, process started relay, process started jobs#0, \
        process started jobs#1, process started web"
    );
    assert_eq!(place("release startup failed broken"), 5, "{all:#?}");
    assert_eq!(all[6..10], ["relay", "jobs#0", "jobs#1", "web"].map(status), "{all:#?}");
    let mut exits = all[10..14].to_vec();
    exits.sort();
    assert_eq!(exits, ["jobs#0", "jobs#1", "relay", "web"].map(|id| format!("process exited {id}")));
    assert_eq!(all[14], "release startup failed broken");
    assert_eq!(all[15..19], ["relay", "jobs#0", "jobs#1", "web"].map(status));
    assert_eq!(all[19..], ["deploy failed broken", "command failed "]);

    let phases: Vec<_> = news.iter().filter_map(|event| event["data"]["phase"].as_str()).collect();
    assert!(phases.is_sorted_by(|one, two| one >= two), "before comes before after: {phases:?}");
    let of_web: Vec<_> = news.iter().filter(|event| event["data"]["processId"] == "web").cloned().collect();
    golden.assert("events_failed_deploy", &Value::from(of_web));
    let errors = news.iter().filter_map(|event| event["data"]["error"].as_str());
    assert!(
        errors.clone().count() == 4 && errors.into_iter().all(|error| error == answer["error"]),
        "{news:#?}"
    );
    shop.close().await;
}

/// C-136, C-110: a rollback is told, and then the deploy that it is.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rollback_is_told_as_a_deploy() {
    let shop = Shop::open().await;
    let golden = Golden::of(shop.directory.path().to_str().expect("it is UTF-8"));
    shop.deploy("v1", "r1").await;
    shop.deploy("v2", "r2").await;
    shop.until_event("release drained", 1).await;
    shop.until_event("restart limit reached", 1).await;
    let first = events(&shop, 0).await.len();
    shop.ask(&json!({ "command": "rollback" })).await;
    let news = events(&shop, first).await;
    assert_eq!(
        told(&news)[..8],
        [
            "rollback starting v1",
            "deploy starting v1",
            "process started relay",
            "process started jobs#0",
            "process started jobs#1",
            "process started web",
            "traffic switched v1",
            "process exited cron",
        ]
    );
    let begin: Vec<Value> =
        news.into_iter().filter(|event| event["data"]["releasePath"].is_string()).collect();
    golden.assert("events_rollback", &Value::from(begin));
    shop.close().await;
}
