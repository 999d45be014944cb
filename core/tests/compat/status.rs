//! The status of a small shop, field by field.

use serde_json::{Value, json};

use crate::golden::Golden;
use crate::keys;
use crate::shop::Shop;

async fn status(shop: &Shop) -> Value {
    let status = shop.ask(&json!({ "command": "status" })).await;
    keys::assert_status(&status);
    status
}

async fn open() -> (Shop, Golden) {
    let shop = Shop::open().await;
    let golden = Golden::of(shop.directory.path().to_str().expect("it is UTF-8"));
    (shop, golden)
}

/// Its crashing companion has crashed as often as it may, and every process of `release` has said what it says.
async fn settled(shop: &Shop, release: usize) {
    shop.until("settled", |status| {
        status.releases.get(release).is_some_and(|release| {
            let said = |lines: usize, id: &str| {
                let of_id = release.processes.iter().filter(|process| process.id.to_string() == id);
                of_id.map(|process| process.logs.len()).sum::<usize>() == lines
            };
            let flaky = release.processes.iter().find(|process| process.id.to_string() == "flaky");
            flaky.is_some_and(|flaky| flaky.state == "failed" && flaky.restarts == 1)
                && said(2, "flaky")
                && ["relay", "jobs#0", "jobs#1", "web"].iter().all(|id| said(1, id))
        }) && status.services.iter().chain(&status.singletons).all(|single| single.process.logs.len() == 1)
    })
    .await;
}

/// C-176, C-186, C-187: nothing has been deployed yet.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn before_the_first_deploy() {
    let (shop, golden) = open().await;
    golden.assert("status_empty", &status(&shop).await);
    shop.close().await;
}

/// C-186 to C-194, and C-45, C-57, C-61, C-62, C-77, C-78, C-105, C-115, C-119, C-125 as a client sees them: the old
/// release drains on one WebSocket.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_the_old_release_drains() {
    let (shop, golden) = open().await;
    shop.deploy("20261120-1", "abc123").await;
    settled(&shop, 0).await;
    let socket = shop.websocket().await;
    let before = status(&shop).await;
    shop.deploy("20261120-2", "def456").await;
    settled(&shop, 1).await;
    shop.until("who holds it is known", |status| !status.releases[0].connections.holders.is_empty()).await;
    let after = status(&shop).await;
    golden.assert("status_draining", &after);

    let [old, new] = &after["releases"].as_array().expect("a list")[..] else { panic!("two releases") };
    assert_eq!(old["connectionCount"], 1, "C-105");
    assert_eq!(old["ports"]["broker"], new["ports"]["broker"], "a service keeps its port");
    assert_ne!(old["ports"]["web"], new["ports"]["web"]);
    let (then, now) = (&before["services"][0]["process"], &after["services"][0]["process"]);
    for kept in ["pid", "startedAt", "logs"] {
        assert_eq!(then[kept], now[kept], "the running service is not touched: {kept}");
    }
    assert_ne!(then["cwd"], now["cwd"], "its next start will be in the new release (C-119)");

    drop(socket);
    shop.until("drained", |status| status.releases[0].state == "stopped").await;
    let status = status(&shop).await;
    golden.assert("release_stopped", &status["releases"][0]);
    shop.close().await;
}

/// C-193, C-137: a release that comes again keeps its place.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn releases_stay_in_the_order_of_their_registration() {
    let (shop, _) = open().await;
    for id in ["one", "two", "three"] {
        shop.deploy(id, id).await;
    }
    shop.until("the first two stopped", |status| {
        status.releases.iter().filter(|release| release.state == "stopped").count() == 2
    })
    .await;
    shop.deploy("two", "again").await;
    shop.until("the third stopped", |status| {
        status.releases.iter().filter(|release| release.state == "stopped").count() == 2
    })
    .await;
    let status = status(&shop).await;
    let seen: Vec<_> = status["releases"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|release| {
            [&release["releaseId"], &release["revision"], &release["state"]].map(|text| text.as_str())
        })
        .map(|texts| texts.map(|text| text.expect("a text")).join(" "))
        .collect();
    assert_eq!(seen, ["one one stopped", "two again active", "three three stopped"]);
    shop.close().await;
}
