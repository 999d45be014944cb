//! What a deploy asks for, and who waits for it.

use serde_json::json;

use crate::keys;
use crate::shop::Shop;

/// C-109: neither that the directory is there nor that the id is new is checked.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn neither_the_path_nor_the_id_is_checked() {
    let shop = Shop::open_with(|config| {
        for process in config["processes"].as_array_mut().expect("a list") {
            process["cwd"] = json!("/");
        }
    })
    .await;
    let deploy = json!({ "command": "deploy", "releaseId": "v1", "releasePath": "/no/such/place" });
    assert_eq!(shop.ask(&deploy).await["previousReleaseId"], json!(null));
    let again = shop.ask(&deploy).await;
    assert_eq!((&again["activeReleaseId"], &again["previousReleaseId"]), (&json!("v1"), &json!("v1")));
    shop.close().await;
}

/// C-56, C-116: a directory that is missing is told by the process that is to run in it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_missing_directory_is_told_by_the_first_process() {
    let shop = Shop::open().await;
    let deploy = json!({ "command": "deploy", "releaseId": "v1", "releasePath": "/no/such/place" });
    let error = shop.ask(&deploy).await["error"].clone();
    assert!(error.as_str().is_some_and(|error| error.starts_with("spawn /bin/sh ENOENT")), "{error}");
    let status = shop.engine.status();
    assert!(
        status.releases.is_empty() && status.services.is_empty(),
        "C-116: started services are forgotten, too"
    );
    shop.close().await;
}

/// C-124: whoever asked may leave; the deploy goes on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deploy_goes_on_without_its_client() {
    let shop = Shop::open().await;
    let path = shop.release("v1");
    let deploy = json!({ "command": "deploy", "releaseId": "v1", "releasePath": path });
    shop.wire().await.tell(&deploy.to_string()).await;
    shop.until("deployed", |status| status.active_release_id.is_some() && status.busy.is_none()).await;
    assert_eq!(shop.engine.status().releases[0].state, "active");
    shop.close().await;
}

/// C-112, and better: a release that is not ready yet is in no list of the contract, but what runs of it is not hidden.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_release_that_starts_is_in_no_list_but_ours() {
    let shop = Shop::open().await;
    shop.deploy("v1", "r1").await;
    let path = shop.release("broken");
    let deploy = json!({ "command": "deploy", "releaseId": "broken", "releasePath": path });
    shop.wire().await.tell(&deploy.to_string()).await;
    shop.until("its web process runs", |status| {
        let starting = status.starting.first().and_then(|release| release.processes.last());
        starting.is_some_and(|web| web.id.to_string() == "web" && web.pid.is_some())
    })
    .await;
    let status = shop.ask(&json!({ "command": "status" })).await;
    keys::assert_status(&status);
    assert_eq!(status["releases"].as_array().map(Vec::len), Some(1), "{status:#}");
    let starting = &status["starting"][0];
    assert_eq!((&starting["releaseId"], &starting["state"]), (&json!("broken"), &json!("starting")));
    assert_eq!(status["activeReleaseId"], "v1");
    shop.until_event("deploy failed", 1).await;
    shop.close().await;
}
