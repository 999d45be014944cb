//! A config that comes anew with a deploy (compat §3, C-33).

use std::time::Duration;

use super::stage::{Stage, process};
use super::*;
use crate::spec::StopWith;

fn budget(stage: &Stage) -> u64 {
    stage.world.application().proxy.drain_timeout.as_secs()
}

/// C-33: adopted when the new release is healthy, not before.
#[test]
fn a_new_config_is_in_force_from_the_switch_on() {
    let mut stage = Stage::with(vec![]);
    stage.deploy("v1");
    stage.edit(|application| application.proxy.drain_timeout = Duration::from_secs(7));
    stage.held.insert("web");
    stage.deploy("v2");
    let web = stage.newest("web");
    stage.start(web, StartReason::Deploy);
    assert_eq!(budget(&stage), 20, "v2 is not healthy yet");
    stage.tell(crate::rollout::Input::ProbeEnded { key: web, result: Ok(()) });
    assert_eq!(budget(&stage), 20, "nor now");
    stage.told(web, Change::BecameReady);
    assert_eq!(budget(&stage), 7);
    assert_eq!(stage.done.last().map(String::as_str), Some("stop web of v1"));
    assert!(stage.done.contains(&"drain 7".to_owned()), "C-33: v1 has the new budget: {:?}", stage.done);
}

/// C-33: whichever step fails, before the switch or after it.
#[test]
fn a_failed_rollout_leaves_the_old_config_in_force() {
    for broken in ["web", "cron"] {
        let mut stage = Stage::with(vec![process("cron", ProcessPolicy::Singleton)]);
        stage.deploy("v1");
        let before = stage.world.application().clone();
        stage.edit(|application| application.proxy.drain_timeout = Duration::from_secs(7));
        stage.broken.insert(broken);
        stage.deploy("v2");
        assert_eq!(stage.active(), Some("v1"));
        assert_eq!(*stage.world.application(), before);
        stage.broken.clear();
        stage.roll_back();
        assert_eq!(*stage.world.application(), before, "there was nothing to roll back to");
    }
}

/// C-31, C-32: refused before anything is said or touched.
#[test]
fn a_config_that_needs_a_restart_touches_nothing() {
    let mut stage = Stage::with(vec![]);
    stage.deploy("v1");
    stage.deploy("v2");
    let events = stage.events.len();
    stage.edit(|application| application.proxy.port += 1);
    stage.deploy("v3");
    stage.roll_back();
    let refused = stage.answers.iter().rev().take(2);
    assert!(refused.clone().all(|answer| matches!(answer, Answer::Refused(_))), "{:?}", stage.answers);
    assert_eq!(stage.events.len(), events, "not even \"deploy starting\"");
}

/// C-33, C-119: a rollback brings the config of now, not that of the release's first time.
#[test]
fn a_rollback_comes_with_the_config_of_now() {
    let mut stage = Stage::with(vec![process("worker", ProcessPolicy::Companion)]);
    stage.deploy("v1");
    stage.deploy("v2");
    stage.edit(|application| {
        application.processes[1].command = crate::spec::CommandSpec::Shell("new {{releaseId}}".to_owned());
        application.processes[1].stop.with = StopWith::Run("./stop".to_owned());
    });
    stage.roll_back();
    assert_eq!(stage.active(), Some("v1"));
    let worker = stage.world.instance(stage.newest("worker")).expect("it runs");
    assert_eq!(worker.run.command.to_string(), "new v1");
    assert_eq!(worker.run.stop.with, StopWith::Run("./stop".to_owned()));
}
