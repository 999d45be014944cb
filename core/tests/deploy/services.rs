//! Persistent services that are dead (compat C-114, and where it was not enough).

use rollcore::{CommandSpec, InstanceStatus, RestartPolicy};

use crate::shop::Shop;

async fn shop() -> Shop {
    Shop::open_with(|config| {
        config["processes"][3]["command"] = "echo {{releaseId}}; exec sleep 1000".into();
        config["processes"][3]["restart"] = serde_json::json!({ "maxRestarts": 0 });
    })
    .await
}

fn broker(shop: &Shop) -> InstanceStatus {
    shop.engine.status().services[0].process.clone()
}

async fn kill(shop: &Shop) {
    let pid = i32::try_from(broker(shop).pid.expect("it runs")).expect("a pid");
    let pid = nix::unistd::Pid::from_raw(pid);
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL).expect("it is there");
    shop.until("dead", |status| status.services[0].process.state == "failed").await;
}

/// A service that had reached its restart limit stayed down, deploy after deploy, until somebody saw it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deploy_revives_a_dead_service() {
    let shop = shop().await;
    shop.deploy("v1").await.expect("v1 is deployed");
    kill(&shop).await;
    shop.edit(|application| application.processes[3].restart = RestartPolicy::default());
    shop.deploy("v2").await.expect("v2 is deployed");
    let revived = broker(&shop);
    assert_eq!((revived.state, revived.last_start_reason), ("running", Some("deploy")));
    assert_eq!(revived.command, "echo v2; exec sleep 1000");
    let started = shop.events("process started");
    let of_v2: Vec<_> = started.iter().filter(|data| data["releaseId"] == "v2").collect();
    assert_eq!(of_v2[0]["processId"], "broker", "before whoever may need it");
    shop.close().await;
}

/// C-116: and a deploy that fails leaves it as dead as it was.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failed_deploy_leaves_a_dead_service_as_it_was() {
    let shop = shop().await;
    shop.deploy("v1").await.expect("v1 is deployed");
    kill(&shop).await;
    shop.edit(|application| application.processes[0].command = CommandSpec::Shell("exit 1".to_owned()));
    shop.deploy("v2").await.expect_err("v2 cannot run");
    let dead = broker(&shop);
    assert_eq!((dead.state, dead.pid), ("failed", None));
    assert_eq!(dead.command, "echo v1; exec sleep 1000");
    assert_eq!(shop.get("/").await, (200, "v1".to_owned()));
    shop.close().await;
}
