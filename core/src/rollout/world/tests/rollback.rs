//! Rollbacks (compat C-134 to C-137).

use super::stage::{Stage, process};
use super::*;
use crate::rollout::{RollbackTo, World};

/// v1 drains, v2 is active.
fn draining(web_ports: usize) -> Stage {
    let mut stage = Stage::with(vec![process("worker", ProcessPolicy::Companion)]);
    stage.web_ports = Some(web_ports);
    stage.deploy("v1");
    stage.holds_drains = true;
    stage.deploy("v2");
    stage
}

fn webs(world: &World) -> usize {
    let is_up = |(_, instance): &(_, &crate::rollout::Instance)| {
        instance.id.process().as_str() == "web" && instance.is_kept_up()
    };
    world.instances().filter(is_up).count()
}

/// C-136: the last requests of the target are not cut: it starts beside itself.
#[test]
fn a_rollback_to_a_draining_release_starts_beside_it() {
    let mut stage = draining(3);
    stage.roll_back();
    assert_eq!(stage.active(), Some("v1"));
    assert_eq!(webs(&stage.world), 3, "v1 drains, v2 drains, v1 serves");
}

/// C-136: in a range of two ports it cannot, and failed: "No available ports". Now its last requests are waited for.
#[test]
fn a_rollback_waits_for_the_target_when_it_needs_its_port() {
    let mut stage = draining(2);
    let events = stage.events.len();
    stage.roll_back();
    assert_eq!(stage.active(), Some("v2"));
    assert_eq!(stage.world.busy_with().as_deref(), Some("rollback v1"));
    assert_eq!(webs(&stage.world), 2, "v1 may still answer");
    stage.drained("v1");
    assert_eq!(stage.active(), Some("v1"));
    let rolled = stage.events[events..].iter().map(|event| event.message().into_owned());
    let rolled: Vec<_> =
        rolled.filter(|message| message.starts_with("release") || message.contains("ing")).collect();
    assert_eq!(rolled[..3], ["rollback starting", "deploy starting", "release drained"]);
}

/// It waits for its target only, and says what is missing when that did not help.
#[test]
fn a_rollback_that_waited_in_vain_says_why() {
    let mut stage = draining(2);
    stage.web_ports = Some(1);
    stage.roll_back();
    stage.drained("v1");
    let Some(Answer::Undone { cause, .. }) = stage.answers.last() else { panic!("{:?}", stage.answers) };
    assert_eq!(cause.code(), "port_range_exhausted");
    assert_eq!(stage.active(), Some("v2"));
}

/// C-51, C-52: a deploy does not wait, it says that the ports are used up.
#[test]
fn a_deploy_does_not_wait_for_ports() {
    let mut stage = draining(2);
    stage.deploy("v3");
    let Some(Answer::Undone { cause, .. }) = stage.answers.last() else { panic!("{:?}", stage.answers) };
    assert_eq!(cause.code(), "port_range_exhausted");
}

/// A shutdown goes before it, as before everything.
#[test]
fn a_shutdown_ends_the_wait_for_a_target() {
    let mut stage = draining(2);
    stage.roll_back();
    stage.ask(Command::Shutdown);
    assert!(matches!(stage.answers[..], [.., Answer::Refused(_), Answer::ShutDown { survivors: 0 }]));
}

/// C-134: the latest that was active, whatever its state; C-137: there and back again, each in its place.
#[test]
fn a_rollback_goes_there_and_back_again() {
    let mut stage = Stage::with(vec![]);
    stage.deploy("v1");
    stage.deploy("v2");
    for expected in ["v1", "v2", "v1"] {
        stage.roll_back();
        assert_eq!(stage.active(), Some(expected));
    }
    let mut places: Vec<_> =
        stage.world.releases().map(|release| (release.place(), release.id.to_string())).collect();
    places.sort();
    assert_eq!(places.iter().map(|(_, id)| id.as_str()).collect::<Vec<_>>(), ["v1", "v2"]);
}

/// C-135, and no release that never had traffic is "the one before".
#[test]
fn there_may_be_nothing_to_go_back_to() {
    let mut stage = Stage::with(vec![process("worker", ProcessPolicy::Companion)]);
    stage.roll_back();
    stage.deploy("v1");
    stage.broken.insert("web");
    stage.unkillable.insert("worker");
    stage.deploy("v2");
    stage.roll_back();
    let text = |answer: &Answer| match answer {
        Answer::Refused(refusal) => refusal.to_string(),
        other => format!("{other:?}"),
    };
    assert_eq!(text(&stage.answers[0]), "No previous release to roll back to.");
    assert_eq!(text(&stage.answers[3]), "No previous release to roll back to.");
    let to = |id: &str| RollbackTo::Release(ReleaseId::new(id).expect("safe"));
    stage.ask(Command::Rollback { to: to("v9"), application: None });
    stage.ask(Command::Rollback { to: to("v1"), application: None });
    assert_eq!(text(&stage.answers[4]), "No retained release \"v9\" to roll back to.");
    assert_eq!(text(&stage.answers[5]), "Release \"v1\" is already active.");
}
