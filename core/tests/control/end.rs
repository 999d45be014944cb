//! How it ends, and what a client is told when it does.

use std::time::Duration;

use rollcore::{ControlClient, ControlEnd};
use serde_json::json;

use super::support::{Door, SHUTDOWN, SOON, STATUS, deploy, soon};

/// C-146, C-182.
#[tokio::test]
async fn shutdown_is_answered_last_and_everybody_else_is_closed_without_an_answer() {
    let mut door = Door::open().await;
    let mut waiting = door.wire().await;
    waiting.send(format!("{}\n", deploy("v2"))).await;
    door.deploys(1).await;
    let mut idle = door.wire().await;
    assert_eq!(idle.ask(STATUS).await["status"], "success");

    let mut asking = door.wire().await;
    asking.send(format!("{SHUTDOWN}\n{STATUS}\n")).await;
    assert_eq!(asking.rest().await, "{\"status\":\"success\",\"message\":\"shutdown\"}\n");
    assert_eq!(waiting.rest().await, "");
    assert_eq!(idle.rest().await, "");
    assert_eq!(door.ended().await, ControlEnd::ShutDown);
    assert_eq!(door.ended().await, ControlEnd::ShutDown, "the end stays the end");
    assert!(!door.path.exists());
}

#[tokio::test]
async fn a_shutdown_is_carried_out_though_its_sender_is_gone() {
    let mut door = Door::open().await;
    door.wire().await.send(format!("{SHUTDOWN}\n")).await;
    assert_eq!(door.ended().await, ControlEnd::ShutDown);
}

#[tokio::test]
async fn of_two_shutdowns_one_is_answered() {
    let mut door = Door::open().await;
    let (mut one, mut two) = (door.wire().await, door.wire().await);
    one.send(format!("{SHUTDOWN}\n")).await;
    two.send(format!("{SHUTDOWN}\n")).await;
    let answers = [one.rest().await, two.rest().await];
    assert_eq!(answers.iter().filter(|answer| answer.contains("shutdown")).count(), 1, "{answers:?}");
    assert_eq!(door.ended().await, ControlEnd::ShutDown);
}

/// C-244, C-245.
#[tokio::test]
async fn the_client_says_what_the_matter_is() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().join("control.sock");
    let error = ControlClient::connect(&path).await.expect_err("nobody is there");
    assert_eq!(error.to_string(), format!("connect ENOENT {}", path.display()));
    drop(std::os::unix::net::UnixListener::bind(&path).expect("the path is free"));
    let error = ControlClient::connect(&path).await.expect_err("nobody listens");
    assert_eq!(error.to_string(), format!("connect ECONNREFUSED {}", path.display()));
    assert!(error.is_unreachable());

    let mut door = Door::open().await;
    let mut client = ControlClient::connect(&door.path).await.expect("somebody listens");
    let error = client.request(&json!({"command": "dance"}), SOON).await.expect_err("refused");
    assert_eq!((error.to_string().as_str(), error.code()), ("Unknown command: dance", "unknown_command"));
    let ask = json!({"command": "deploy", "releasePath": "/r"});
    let error = client.request(&ask, Duration::from_millis(50)).await.expect_err("nobody lets it go on");
    assert_eq!(error.code(), "timed_out");
    let error = client.request(&json!({"command": "status"}), SOON).await.expect_err("the pairing is lost");
    assert_eq!(error.code(), "closed");

    let mut client = ControlClient::connect(&door.path).await.expect("somebody listens");
    let waiting = tokio::spawn(async move { client.request(&ask, SOON).await });
    door.deploys(2).await;
    door.serving.close();
    door.ended().await;
    let error = soon(waiting).await.expect("it does not panic").expect_err("no answer");
    assert_eq!(error.code(), "closed");
}

fn retire(handover: bool) -> serde_json::Value {
    json!({ "command": "retire-owner", "attestation": format!("sha256:{}", "c".repeat(64)), "handover": handover })
}

/// C-165, C-183: answered last, everybody else is closed, and the socket is gone by then.
#[tokio::test]
async fn a_retirement_is_answered_last_and_the_socket_is_gone() {
    let mut door = Door::open().await;
    let mut waiting = door.wire().await;
    waiting.send(format!("{}\n", deploy("v2"))).await;
    door.deploys(1).await;
    let mut asking = door.wire().await;
    asking.send(format!("{}\n{STATUS}\n", retire(false))).await;
    assert_eq!(asking.rest().await, "{\"status\":\"success\",\"message\":\"owner retired\"}\n");
    assert_eq!(waiting.rest().await, "");
    assert!(!door.path.exists());
    assert_eq!(door.ended().await, ControlEnd::Retired);
}

/// A socket that is handed over to somebody who does not take it is no trap for the next one: it is dead, and replaced.
#[tokio::test]
async fn a_socket_that_nobody_took_is_replaced() {
    let mut door = Door::open().await;
    let mut asking = door.wire().await;
    let answer = asking.ask(&retire(true).to_string()).await;
    assert_eq!(answer["handover"], json!(["control"]), "the fake has no proxy");
    drop(asking);
    assert_eq!(door.ended().await, ControlEnd::Retired);
    assert!(door.path.exists());
    let next =
        rollcore::ControlServer::bind(&super::support::spec(&door.path)).await.expect("nobody listens");
    let _serving = next.serve(door.fake.clone());
    assert_eq!(door.wire().await.ask(STATUS).await["status"], "success");
}
