//! What is answered, in which order, and how much.

use std::sync::atomic::Ordering;
use std::time::Duration;

use rollcore::{ControlClient, ControlLimits};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::support::{Door, SOON, STATUS, deploy};

/// C-167, C-170 to C-174.
#[tokio::test]
async fn refusals_have_the_texts_of_the_contract_and_the_connection_stays_open() {
    let door = Door::open().await;
    let mut wire = door.wire().await;
    for (line, error) in [
        ("", "Unexpected end of JSON input"),
        ("123", "Control command must be an object"),
        (r#"{"command":"dance"}"#, "Unknown command: dance"),
        (r#"{"command":"deploy"}"#, "releasePath is required"),
        (r#"{"command":"rollback","releaseId":7}"#, "Expected string value"),
    ] {
        let answer = wire.ask(line).await;
        assert_eq!((&answer["error"], &answer["status"]), (&json!(error), &json!("error")), "{line}");
    }
    let answer = wire.ask("this is not json").await;
    assert!(answer["error"].as_str().is_some_and(|error| error.contains("JSON")), "{answer}");
    wire.send(b"\xff\xfe\x00\n").await;
    assert_eq!(wire.answer().await["status"], "error");
    wire.send(format!("{STATUS}\r\n")).await;
    assert_eq!(wire.answer().await["application"], "shop");
    let notes = door.fake.notes.lock().expect("no test panics with it").clone();
    assert_eq!(notes.len(), 8, "one for listening, one for each refusal: {notes:?}");
}

#[tokio::test]
async fn a_command_that_panics_is_an_answer_and_harms_nobody() {
    let door = Door::open().await;
    let mut wire = door.wire().await;
    assert_eq!(wire.ask(r#"{"command":"stop"}"#).await["code"], "internal");
    assert_eq!(wire.ask(STATUS).await["status"], "success");
}

#[tokio::test]
async fn a_thousand_pipelined_commands_get_a_thousand_answers() {
    let door = Door::open().await;
    let mut wire = door.wire().await;
    wire.send(format!("{STATUS}\n").repeat(1000)).await;
    for _ in 0..1000 {
        assert_eq!(wire.answer().await["status"], "success");
    }
}

/// C-168.
#[tokio::test]
async fn answers_come_when_they_are_ready_and_pending_ones_do_not_block() {
    let door = Door::open().await;
    let mut wire = door.wire().await;
    wire.send(format!("{}\n{STATUS}\n", deploy("v2"))).await;
    assert_eq!(wire.answer().await["application"], "shop", "status did not wait for the deploy");
    door.fake.released.notify_one();
    assert_eq!(wire.answer().await["activeReleaseId"], "v2");
}

/// Better than C-169.
#[tokio::test]
async fn a_half_closed_client_still_gets_its_answer() {
    let door = Door::open().await;
    let mut wire = door.wire().await;
    wire.send(format!("{}\nhalf a line", deploy("v2"))).await;
    wire.0.get_mut().shutdown().await.expect("half of it can be closed");
    door.deploys(1).await;
    door.fake.released.notify_one();
    assert_eq!(wire.rest().await, "{\"status\":\"success\",\"activeReleaseId\":\"v2\"}\n");
}

#[tokio::test]
async fn a_client_that_leaves_before_its_answer_harms_nobody() {
    let door = Door::open().await;
    let mut wire = door.wire().await;
    wire.send(format!("{}\n", deploy("v2"))).await;
    door.deploys(1).await;
    drop(wire);
    door.fake.released.notify_one();
    let mut client = ControlClient::connect(&door.path).await.expect("somebody listens");
    for _ in 0..100 {
        client.request(&json!({"command": "status"}), SOON).await.expect("an answer");
    }
    let notes = door.fake.notes.lock().expect("no test panics with it").clone();
    assert_eq!(notes.len(), 1, "only that it listens: {notes:?}");
}

#[tokio::test]
async fn an_oversized_line_is_told_off_and_closed() {
    let limits = ControlLimits { line_bytes_max: 1000, ..ControlLimits::default() };
    let door = Door::with_limits(limits).await;
    let mut wire = door.wire().await;
    wire.send(format!("{STATUS}\n{}", "x".repeat(5000))).await;
    let rest = wire.rest().await;
    let answers: Vec<Value> =
        rest.lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect();
    assert_eq!(answers.len(), 2, "{rest}");
    assert!(answers.iter().any(|answer| answer["application"] == "shop"));
    assert!(answers.iter().any(|answer| answer["error"] == "Control command is longer than 1000 bytes"));
    assert_eq!(door.wire().await.ask(STATUS).await["status"], "success");
}

#[tokio::test]
async fn half_a_line_is_dropped_when_it_takes_too_long() {
    let limits = ControlLimits { line_timeout: Duration::from_millis(50), ..ControlLimits::default() };
    let door = Door::with_limits(limits).await;
    let mut wire = door.wire().await;
    wire.send(format!("{STATUS}\n{{\"comma")).await;
    let rest = wire.rest().await;
    assert_eq!(rest.lines().count(), 1, "only the whole line is answered: {rest}");
    let mut idle = door.wire().await;
    assert_eq!(idle.ask(STATUS).await["status"], "success");
    let never = tokio::time::timeout(Duration::from_millis(200), idle.0.read_u8()).await;
    assert!(never.is_err(), "a connection without half a line stays open");
}

#[tokio::test]
async fn an_idle_connection_makes_room_and_a_busy_one_does_not() {
    let limits = ControlLimits { connections_max: 2, ..ControlLimits::default() };
    let door = Door::with_limits(limits).await;
    let mut busy = door.wire().await;
    busy.send(format!("{}\n", deploy("v2"))).await;
    door.deploys(1).await;
    let mut idle = door.wire().await;
    assert_eq!(idle.ask(STATUS).await["status"], "success");
    let mut third = door.wire().await;
    assert_eq!(third.ask(STATUS).await["status"], "success");
    assert_eq!(idle.rest().await, "", "the idle one had to go");
    door.fake.released.notify_one();
    assert_eq!(busy.answer().await["activeReleaseId"], "v2");
}

#[tokio::test]
async fn commands_under_way_are_bounded_and_the_rest_waits() {
    let limits = ControlLimits { in_flight_max: 3, ..ControlLimits::default() };
    let door = Door::with_limits(limits).await;
    let mut wire = door.wire().await;
    for count in 0..5 {
        wire.send(format!("{}\n", deploy(&format!("v{count}")))).await;
    }
    door.deploys(3).await;
    // A second connection is answered meanwhile: by then a fourth deploy of the first would have begun.
    assert_eq!(door.wire().await.ask(STATUS).await["status"], "success");
    assert_eq!(door.fake.deploys.load(Ordering::SeqCst), 3);
    for _ in 0..5 {
        door.fake.released.notify_one();
        assert_eq!(wire.answer().await["status"], "success");
    }
    assert_eq!(door.fake.deploys.load(Ordering::SeqCst), 5);
}
