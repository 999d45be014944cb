//! A config that changes between deploys (compat §3).

use rollcore::{CommandSpec, RestartSelection, Signal, Status, StopWith};

use crate::shop::Shop;

/// A worker that says which signal ended it.
fn worker(word: &str) -> String {
    format!(
        "echo {word} {{{{releaseId}}}}; trap 'echo by INT; exit 0' INT; trap 'echo by TERM; exit 0' TERM; \
         while :; do sleep 1000 & wait $!; done 2>/dev/null"
    )
}

async fn shop() -> Shop {
    let shop = Shop::open_with(|config| {
        config["processes"][1]["command"] = worker("old").into();
        config["processes"][1]["replicas"] = 1.into();
    })
    .await;
    shop.deploy("v1").await.expect("v1 is deployed");
    // What has said its first word has set its traps.
    shop.until_so("said a word", || printed(&shop.engine.status(), 0).len() == 1).await;
    shop
}

fn printed(status: &Status, release: usize) -> Vec<String> {
    let worker = status.releases[release].processes.iter().find(|process| process.id.to_string() == "worker");
    worker.expect("it is there").logs.iter().map(|line| line.line.clone()).collect()
}

/// C-33, C-126: the old release was stopped as it had been started, whatever the config of its successor said.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_config_says_how_the_old_release_ends() {
    let shop = shop().await;
    let pid = shop.pids();
    shop.edit(|application| {
        application.processes[1].stop.with = StopWith::Signal(Signal::INT);
        application.processes[1].command = CommandSpec::Shell(worker("new"));
    });
    shop.deploy("v2").await.expect("v2 is deployed");
    shop.until("v1 stopped", |status| status.releases[0].state == "stopped").await;
    let status = shop.engine.status();
    assert_eq!(printed(&status, 0), ["old v1", "by INT"]);
    let old = status.releases[0].processes.iter().find(|process| process.id.to_string() == "worker");
    assert!(old.expect("it is remembered").command.starts_with("echo new v1;"), "rendered for v1");
    shop.until_so("said a word", || printed(&shop.engine.status(), 1) == ["new v2"]).await;
    assert_eq!(pid.iter().filter(|pid| shop.pids().contains(pid)).count(), 1, "the service");
    shop.close().await;
}

/// C-33: what a failed deploy came with is not in force: not for a restart, and not for the next retirement.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failed_deploy_leaves_the_old_config_in_force() {
    let shop = shop().await;
    let web = shop.application.processes[0].command.clone();
    shop.edit(|application| {
        application.processes[0].command = CommandSpec::Shell("exit 1".to_owned());
        application.processes[1].stop.with = StopWith::Signal(Signal::INT);
    });
    shop.deploy("v2").await.expect_err("v2 cannot run");
    let worker = RestartSelection { process: Some("worker".into()), policy: None };
    shop.engine.restart(worker).await.expect("it restarts");
    assert_eq!(printed(&shop.engine.status(), 0)[..2], ["old v1", "by TERM"]);

    shop.edit(|application| {
        application.processes[0].command = web;
        application.proxy.port = 1;
    });
    let error = shop.deploy("v3").await.expect_err("the port is bound");
    assert_eq!(
        error.to_string(),
        "Config changes to proxy.port cannot be applied live; restart the Rollbridge daemon before deploying.",
        "C-32"
    );
    assert_eq!(shop.events("deploy starting").len(), 2, "C-31: v1 and v2");
    assert_eq!(shop.get("/").await, (200, "v1".to_owned()));
    shop.close().await;
}
