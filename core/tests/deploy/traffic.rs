//! What keeps traffic waiting, and what does not.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use rollcore::TrustedFronts;
use serde_json::json;

use crate::shop::{DEADLINE, Shop};

/// Asks without the runtime: its thread is the one that waits here, so nothing of it can help.
fn ask_on_this_thread(proxy: SocketAddr) -> String {
    answer_to(proxy, "GET / HTTP/1.1\r\nHost: shop\r\nConnection: close\r\n\r\n")
}

fn answer_to(proxy: SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(proxy).expect("the proxy listens");
    stream.set_read_timeout(Some(DEADLINE)).expect("it is not zero");
    stream.write_all(request.as_bytes()).expect("the proxy reads");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("the proxy answers");
    answer
}

/// A companion that printed without end slowed the proxy from 4 to 388 ms. Here output never shares a thread with
/// traffic: not even a runtime that does nothing at all keeps a request waiting.
#[tokio::test]
async fn a_chatty_companion_and_a_blocked_host_do_not_touch_traffic() {
    let shop = Shop::open_with(|config| {
        let chatty = json!({ "id": "chatty", "command": "exec yes" });
        config["processes"].as_array_mut().expect("a list").push(chatty);
    })
    .await;
    shop.deploy("v1").await.expect("a healthy release");
    shop.until("chatty", |status| {
        let chatty = status.releases[0].processes.iter().find(|process| process.id.to_string() == "chatty");
        chatty.is_some_and(|chatty| !chatty.logs.is_empty())
    })
    .await;
    for _ in 0..20 {
        let answer = ask_on_this_thread(shop.engine.proxy_addr());
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("v1"), "{answer}");
    }
    shop.close().await;
}

/// Better than C-106: while it is started again requests wait, and then are answered from the same port. Only what died
/// with it and must not happen twice gets 502.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_web_process_that_dies_is_back_on_the_same_port() {
    let shop = Shop::open_with(|config| config["processes"][0]["restartDelayMs"] = json!(300)).await;
    shop.deploy("v1").await.expect("a healthy release");
    let port = shop.engine.status().releases[0].ports.clone();
    let deadly = "POST /die HTTP/1.1\r\nHost: shop\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    assert!(answer_to(shop.engine.proxy_addr(), deadly).starts_with("HTTP/1.1 502 "));
    assert_eq!(shop.get("/").await, (200, "v1".to_owned()));
    let restarts = shop.engine.status().releases[0].processes.iter().map(|web| web.restarts).sum::<u32>();
    assert_eq!(restarts, 1);
    assert_eq!(shop.engine.status().releases[0].ports, port);
    shop.close().await;
}

/// C-33, for what the proxy takes over of a new config: whom it believes.
#[tokio::test]
async fn a_new_config_changes_whom_the_proxy_believes() {
    let shop = Shop::open().await;
    shop.deploy("v1").await.expect("a healthy release");
    let forged = "GET /head HTTP/1.1\r\nHost: shop\r\nX-Forwarded-Proto: https\r\nConnection: close\r\n\r\n";
    assert!(
        answer_to(shop.engine.proxy_addr(), forged).to_lowercase().contains("x-forwarded-proto: https\r\n")
    );

    shop.edit(|application| application.proxy.trusted_fronts = TrustedFronts::none());
    shop.deploy("v2").await.expect("a healthy release");
    assert!(
        answer_to(shop.engine.proxy_addr(), forged).to_lowercase().contains("x-forwarded-proto: http\r\n")
    );
    shop.close().await;
}
