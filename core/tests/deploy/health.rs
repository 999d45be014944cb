//! What a deploy asks, of whom, and whom it believes.
#![expect(clippy::disallowed_methods, reason = "a test measures how long a real deploy takes")]

use std::io::{Read, Write};
use std::net::TcpListener;
use std::time::{Duration, Instant};

use rollcore::{Release, Seq};
use serde_json::{Value, json};

use crate::shop::{DEADLINE, Shop, process};

/// Waits until the process `id` of release `release` was started; returns what it runs.
async fn started(shop: &Shop, id: &str, release: &str) -> String {
    let mut events = shop.engine.events(Seq::START);
    let waiting = async {
        loop {
            let batch = events.next().await;
            let is_it = |data: &Value| data["id"] == id && data["releaseId"] == release;
            let started = batch.events.iter().filter(|stamped| stamped.event.message() == "process started");
            if let Some(data) = started.map(|stamped| stamped.event.data()).find(is_it) {
                return data["command"].as_str().unwrap_or_default().to_owned();
            }
        }
    };
    tokio::time::timeout(DEADLINE, waiting).await.expect("it is started")
}

/// Answers every connection with 200, for as long as this test program lives.
fn serve(listener: TcpListener) {
    std::thread::spawn(move || {
        for mut connection in listener.incoming().map_while(Result::ok) {
            // Whoever closes with something unread resets the connection.
            let _request = connection.read(&mut [0; 4096]);
            let _gone = connection.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
        }
    });
}

/// Between the lease of a port and the start of whoever gets it, somebody else may take it. Rollbridge asks for health
/// there, is answered, and switches traffic to a release that does not serve.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_of_whoever_has_the_port_is_not_believed() {
    let shop = Shop::open_with(|config| {
        let line = crate::app::command().iter().map(|word| format!("'{word}'")).collect::<Vec<_>>().join(" ");
        // v2 never listens.
        let mode = "case {{releaseId}} in v1) export TEST_APP=serve;; *) export TEST_APP=sleep;; esac";
        config["processes"][0]["command"] = format!("{mode}; exec {line} # {{{{port}}}}").into();
        config["processes"][0]["health"] = json!({ "path": "/ping", "timeoutMs": 5_000, "intervalMs": 20 });
    })
    .await;
    shop.deploy("v1").await.expect("v1 is deployed");

    let deploy = tokio::spawn({
        let engine = shop.engine.clone();
        async move { engine.deploy(Release::new("v2", "/").expect("a safe id")).await }
    });
    let command = started(&shop, "web", "v2").await;
    let (_, leased) = command.rsplit_once("# ").expect("its port stands at its end");
    let leased: u16 = leased.parse().expect("a port");
    serve(TcpListener::bind(("127.0.0.1", leased)).expect("v2 does not listen there"));

    let error = deploy.await.expect("it does not panic").expect_err("it was not v2 that answered");
    let me = std::process::id();
    let expected = format!(
        "Health check failed for http://127.0.0.1:{leased}/ping: port {leased} is held by another process, pid {me} ("
    );
    assert!(error.to_string().contains(&expected), "{error}");
    assert_eq!(shop.get("/").await, (200, "v1".to_owned()));
    shop.close().await;
}

/// C-80: the health blocks of other processes are accepted, and nobody is asked.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_the_proxied_process_is_asked() {
    let shop = Shop::open_with(|config| {
        for other in 1..4 {
            config["processes"][other]["health"] = json!({ "path": "/never", "timeoutMs": 60_000 });
        }
        // It has a port, and nothing listens there.
        config["processes"][1]["port"] = json!(0);
        config["processes"][1]["replicas"] = json!(1);
    })
    .await;
    shop.deploy("v1").await.expect("whoever is not proxied is not asked");
    shop.close().await;
}

/// C-86: without a health check traffic moves when the process has a pid, be it ready or not. C-80.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_health_check_traffic_moves_after_the_spawn() {
    let shop = Shop::open_with(|config| {
        config["processes"][0] = process("web", "proxied", "sleep");
        config["processes"][0]["port"] = json!(0);
        config["processes"][0]["health"] = json!(false);
    })
    .await;
    shop.deploy("v1").await.expect("nobody is asked");
    let (status, _) = shop.get("/").await;
    assert_eq!(status, 502, "traffic is there, and nobody listens yet");
    shop.close().await;
}

/// C-85, better: who crashes while it is asked has failed, and nobody waits for the rest of the timeout.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crash_ends_the_check() {
    let shop = Shop::open_with(|config| {
        config["processes"][0]["command"] = json!("sleep 0.2; echo no database >&2; exit 4");
        config["processes"][0]["health"] = json!({ "timeoutMs": 60_000, "intervalMs": 20 });
    })
    .await;
    let began = Instant::now();
    let error = shop.deploy("v1").await.expect_err("it crashes");
    assert!(error.to_string().contains("exited with code 4 before it was ready"), "{error}");
    assert!(error.to_string().contains("no database"), "{error}");
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    shop.close().await;
}
