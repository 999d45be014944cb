//! What goes well.

use rollcore::{ReleaseId, RestartSelection, RollbackTo};

use crate::shop::{DEADLINE, Shop};

/// C-111, C-113.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_release_replaces_another() {
    let shop = Shop::open().await;
    assert_eq!(shop.get("/").await, (503, "No active release\n".to_owned()));

    let first = shop.deploy("v1").await.expect("v1 is deployed");
    assert_eq!((first.active.as_str(), first.previous), ("v1", None));
    assert_eq!(shop.get("/").await, (200, "v1".to_owned()));

    let second = shop.deploy("v2").await.expect("v2 is deployed");
    assert_eq!(second.previous.as_ref().map(ReleaseId::as_str), Some("v1"));
    assert_eq!(shop.get("/").await, (200, "v2".to_owned()));

    shop.until("v1 stopped", |status| status.releases[0].state == "stopped").await;
    let status = shop.engine.status();
    assert_eq!(status.releases[0].processes.len(), 3, "its processes are remembered");
    assert!(status.releases[0].processes.iter().all(|process| process.pid.is_none()));
    assert_eq!(shop.pids().len(), 5, "web, two workers, cron, broker");
    shop.close().await;
}

/// C-114, C-120.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_outlives_releases_and_a_singleton_does_not() {
    let shop = Shop::open().await;
    shop.deploy("v1").await.expect("v1 is deployed");
    let before = shop.engine.status();
    shop.deploy("v2").await.expect("v2 is deployed");
    let after = shop.engine.status();
    assert_eq!(before.services[0].process.pid, after.services[0].process.pid);
    assert_ne!(before.singletons[0].process.pid, after.singletons[0].process.pid);
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rollback_is_a_deploy_of_the_release_before() {
    let shop = Shop::open().await;
    let nothing = shop.engine.rollback(RollbackTo::Previous).await.expect_err("nothing was there");
    assert_eq!(nothing.to_string(), "No previous release to roll back to.", "C-135");
    shop.deploy("v1").await.expect("v1 is deployed");
    shop.deploy("v2").await.expect("v2 is deployed");

    let back = shop.engine.rollback(RollbackTo::Previous).await.expect("v1 is there");
    assert_eq!(back.active.as_str(), "v1");
    assert_eq!(shop.get("/").await, (200, "v1".to_owned()));
    let forth = shop.engine.rollback(RollbackTo::Previous).await.expect("v2 is there (C-137)");
    assert_eq!(forth.active.as_str(), "v2");

    let unknown = RollbackTo::Release(ReleaseId::new("v9").expect("safe"));
    let error = shop.engine.rollback(unknown).await.expect_err("v9 never was");
    assert_eq!(error.to_string(), "No retained release \"v9\" to roll back to.", "C-135");
    let active = RollbackTo::Release(ReleaseId::new("v2").expect("safe"));
    let error = shop.engine.rollback(active).await.expect_err("v2 is active");
    assert_eq!(error.to_string(), "Release \"v2\" is already active.", "C-135");
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_replaces_all_but_the_proxied_process() {
    let shop = Shop::open().await;
    shop.deploy("v1").await.expect("v1 is deployed");
    let before = shop.pids();
    let restarted = shop.engine.restart(RestartSelection::default()).await.expect("they restart");
    let names: Vec<String> = restarted.iter().map(ToString::to_string).collect();
    assert_eq!(names, ["worker#0", "worker#1", "cron", "broker"], "C-141: config order");
    let kept = shop.pids().into_iter().filter(|pid| before.contains(pid)).count();
    assert_eq!(kept, 1, "only web has its old pid");

    let one = RestartSelection { process: Some("worker#1".into()), policy: None };
    assert_eq!(shop.engine.restart(one).await.expect("it restarts").len(), 1);
    let web = RestartSelection { process: Some("web".into()), policy: None };
    let error = shop.engine.restart(web).await.expect_err("it cannot (C-143)");
    assert_eq!(error.code(), "proxied_restart");
    let unknown = RestartSelection { process: Some("nobody".into()), policy: None };
    let error = shop.engine.restart(unknown).await.expect_err("it is not there");
    assert_eq!(error.to_string(), "No managed process with id \"nobody\" to restart.", "C-143");
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stopped_release_leaves_services_and_singletons() {
    let shop = Shop::open().await;
    shop.deploy("v1").await.expect("v1 is deployed");
    shop.engine.stop(None).await.expect("it stops");
    assert_eq!(shop.get("/").await.0, 503, "C-139");
    assert_eq!(shop.engine.status().active_release_id, None);
    assert_eq!(shop.pids().len(), 2, "cron and broker go on");
    let error = shop.engine.stop(None).await.expect_err("nothing is active");
    assert_eq!(error.to_string(), "Release not found: active", "C-138");
    shop.deploy("v2").await.expect("v2 is deployed");
    shop.close().await;
}

/// Its leader had gone, and the status still showed its pid.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_is_stopped_when_its_leader_has_gone() {
    let shop = Shop::open_with(|config| {
        let line = r#"(trap "" TERM; exec sleep 1000) & exec sleep 1000"#;
        config["processes"][1]["command"] = line.into();
    })
    .await;
    shop.deploy("v1").await.expect("v1 is deployed");
    let engine = shop.engine.clone();
    let stop = tokio::spawn(async move { engine.stop(None).await });
    shop.until("its leader has gone", |status| {
        let worker = &status.releases[0].processes[0];
        worker.exit_signal.is_some() && status.busy.is_some()
    })
    .await;
    let worker = shop.engine.status().releases[0].processes[0].clone();
    assert_eq!((worker.state, worker.pid), ("stopped", None), "C-62, C-63");
    stop.await.expect("it does not panic").expect("it stops");
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crashed_process_is_started_again_and_what_crashes_it_is_not_sent_for_ever() {
    let shop = Shop::open_with(|config| config["processes"][0]["restartDelayMs"] = 50.into()).await;
    shop.deploy("v1").await.expect("v1 is deployed");
    let (status, _) = shop.get("/die").await;
    assert_eq!(status, 502, "C-91");
    shop.until("restarted", |status| {
        let web = status.releases[0].processes.last().expect("web is there");
        web.restarts >= 1 && web.state == "running"
    })
    .await;
    let restarts = shop.engine.status().releases[0].processes.last().expect("web is there").restarts;
    // It may have met one that was just dying.
    assert!(restarts <= 4, "{restarts}");
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_engine_that_nobody_holds_any_more_stops_everything() {
    let shop = Shop::open().await;
    shop.deploy("v1").await.expect("v1 is deployed");
    let (pids, mut events) = (shop.pids(), shop.engine.events(rollcore::Seq::START));
    drop(shop);
    let mut exits = 0;
    while exits < pids.len() {
        let batch = tokio::time::timeout(DEADLINE, events.next()).await.expect("they are stopped");
        exits += batch.events.iter().filter(|stamped| stamped.event.message() == "process exited").count();
    }
}

/// C-146.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shutdown_in_the_middle_of_a_deploy_leaves_nothing() {
    let shop = Shop::open_with(|config| config["processes"][0]["env"]["TEST_APP"] = "mute".into()).await;
    let engine = shop.engine.clone();
    let deploy =
        tokio::spawn(async move { engine.deploy(rollcore::Release::new("v1", "/").expect("safe")).await });
    shop.until("asked for its health", |status| status.busy.is_some() && status.services.len() == 1).await;
    shop.close().await;
    let error = deploy.await.expect("it does not panic").expect_err("it was interrupted");
    assert_eq!(error.code(), "shutting_down");
}
