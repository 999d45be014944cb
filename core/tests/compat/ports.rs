//! Which ports a release gets, and what happens when there are none.

use std::net::TcpListener;

use serde_json::{Value, json};

use crate::shop::Shop;

/// The ports of `processes` in this order.
fn ports(shop: &Shop, release: usize, processes: &[&str]) -> Vec<u16> {
    let status = shop.engine.status();
    let ports = &status.releases[release].ports;
    processes.iter().map(|id| ports[&rollcore::ProcessId::new(*id)]).collect()
}

/// The lowest of a hundred ports, hardly any of which is in use.
fn first_free() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    listener.local_addr().expect("it is bound").port().min(65_000)
}

/// C-47, C-49: in the order of the config, from the lowest on, each given once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ports_are_given_in_the_order_of_the_config() {
    let first = first_free();
    let shop = Shop::open_with(|config| {
        for id in ["zebra", "ape"] {
            let port = json!({ "from": first, "to": first + 100 });
            let process = json!({ "id": id, "command": "exec sleep 1000", "port": port });
            config["processes"].as_array_mut().expect("a list").push(process);
        }
    })
    .await;
    shop.deploy("v1", "r1").await;
    let given = ports(&shop, 0, &["zebra", "ape"]);
    assert!(first <= given[0] && given[0] < given[1] && given[1] <= first + 100, "{first}: {given:?}");
    shop.close().await;
}

/// C-47, C-51, C-52, C-117: without ports nothing is started, and two events tell it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fixed_port_is_not_given_twice() {
    let port = first_free();
    let shop = Shop::open_with(|config| config["processes"][5]["port"] = json!(port)).await;
    assert_eq!(shop.deploy("v1", "r1").await["status"], "success");
    shop.until_event("restart limit reached", 1).await;
    let before = shop.engine.recent_events(None).len();
    let error = shop.deploy("v2", "r2").await["error"].clone();
    assert_eq!(
        error,
        format!(
            "No available ports in range {port}-{port} (1 port on 127.0.0.1): 0 reserved by this deploy, 1 already in \
             use. Widen the port range, free a port, or check bind permissions."
        )
    );
    let news: Vec<(String, Value)> = shop.engine.recent_events(None)[before..]
        .iter()
        .map(|stamped| (stamped.event.message().into_owned(), stamped.event.data()))
        .filter(|(message, _)| !message.starts_with("rollout "))
        .collect();
    let messages: Vec<&str> = news.iter().map(|(message, _)| message.as_str()).collect();
    assert_eq!(messages, ["deploy starting", "deploy failed", "command failed"]);
    assert!(news[1..].iter().all(|(_, data)| data["error"] == error), "{news:#?}");
    shop.close().await;
}

/// C-48: a service that listens keeps its port; nobody tries to bind it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_keeps_the_port_that_it_listens_on() {
    let port = first_free();
    let shop = Shop::open_with(|config| {
        config["processes"][0]["port"] = json!(port);
        config["processes"][0]["command"] = json!(crate::app::line("web"));
    })
    .await;
    shop.deploy("v1", "r1").await;
    shop.lines("broker", 1).await;
    assert!(TcpListener::bind(("127.0.0.1", port)).is_err(), "it listens");
    assert_eq!(shop.deploy("v2", "r2").await["status"], "success");
    assert_eq!([ports(&shop, 0, &["broker"]), ports(&shop, 1, &["broker"])], [[port], [port]]);
    shop.close().await;
}
