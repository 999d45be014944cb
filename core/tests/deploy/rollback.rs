//! A rollback to a release that still drains (compat C-136).

use std::net::TcpListener;
use std::time::Duration;

use rollcore::RollbackTo;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::shop::{DEADLINE, Shop};

/// So many free ports in a row. Somebody may take one before we do; then the deploy says so.
fn free_ports(count: u16) -> (u16, u16) {
    for _ in 0..1_000 {
        let first = TcpListener::bind("127.0.0.1:0").and_then(|bound| bound.local_addr());
        let first = first.expect("a free port").port();
        let is_free = |port: u16| TcpListener::bind(("127.0.0.1", port)).is_ok();
        if first.checked_add(count - 1).is_some_and(|last| (first..=last).all(is_free)) {
            return (first, first + count - 1);
        }
    }
    panic!("there are no {count} free ports in a row");
}

/// v2 is active and v1 drains: it is answering a request, which is held until it is told "go".
async fn draining(ports: u16) -> (Shop, TcpStream) {
    let (first, last) = free_ports(ports);
    let shop =
        Shop::open_with(|config| config["processes"][0]["port"] = json!({ "from": first, "to": last })).await;
    shop.deploy("v1").await.expect("v1 is deployed");
    let mut client = TcpStream::connect(shop.engine.proxy_addr()).await.expect("the proxy listens");
    let head = "POST /hold HTTP/1.1\r\nHost: shop\r\nContent-Length: 2\r\nConnection: close\r\n\r\n";
    client.write_all(head.as_bytes()).await.expect("a request begins");
    shop.until_so("under way", || shop.engine.status().releases[0].connections.http == 1).await;
    shop.deploy("v2").await.expect("v2 is deployed");
    assert_eq!(shop.engine.status().releases[0].state, "draining");
    (shop, client)
}

async fn go(mut client: TcpStream) -> String {
    client.write_all(b"go").await.expect("v1 is still there");
    let mut answer = String::new();
    let read = client.read_to_string(&mut answer);
    tokio::time::timeout(DEADLINE, read).await.expect("it is answered").expect("text");
    answer
}

/// With a port to spare it starts beside itself, and its last request is answered all the same.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_ports_to_spare_it_starts_beside_itself() {
    let (shop, client) = draining(3).await;
    let back = shop.engine.rollback(RollbackTo::Previous).await.expect("v1 is there");
    assert_eq!(back.active.as_str(), "v1");
    assert_eq!(shop.get("/").await, (200, "v1".to_owned()));
    assert!(go(client).await.ends_with("v1"), "its request was not cut");
    shop.close().await;
}

/// A range of two ports was full, and the rollback failed; stopping v1 for its port would have cut its request.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_it_waits_for_its_last_requests() {
    let (shop, client) = draining(2).await;
    let engine = shop.engine.clone();
    let rollback = tokio::spawn(async move { engine.rollback(RollbackTo::Previous).await });
    let leases = || shop.events("rollout step").iter().filter(|data| data["step"] == "lease ports").count();
    shop.until_so("asks for ports", || leases() == 3).await;
    // Long enough for an answer that no port is free, which is none any more.
    let waited = tokio::time::timeout(Duration::from_millis(300), async {
        while !rollback.is_finished() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert!(waited.is_err(), "it waits");
    assert_eq!(shop.engine.status().busy.as_deref(), Some("rollback v1"));
    assert_eq!(shop.get("/").await, (200, "v2".to_owned()), "meanwhile v2 serves");
    assert!(go(client).await.ends_with("v1"), "its request was not cut");
    let back = tokio::time::timeout(DEADLINE, rollback).await.expect("it ends").expect("it does not panic");
    assert_eq!(back.expect("v1 is there").active.as_str(), "v1");
    assert_eq!(shop.get("/").await, (200, "v1".to_owned()));
    shop.close().await;
}
