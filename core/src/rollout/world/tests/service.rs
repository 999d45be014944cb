//! Persistent services and deploys (compat C-114, C-119).

use super::stage::{Stage, process, with_port};
use super::*;
use crate::id::{InstanceKey, ProcessId};

fn shop() -> Stage {
    Stage::with(vec![
        with_port(process("broker", ProcessPolicy::Service)),
        process("cron", ProcessPolicy::Singleton),
    ])
}

fn seen(stage: &Stage, key: InstanceKey) -> (&'static str, String) {
    let instance = stage.world.instance(key).expect("it is known");
    (instance.state.as_str(), instance.release.to_string())
}

/// C-114: a service that runs, or waits for its restart, is not touched.
#[test]
fn a_deploy_leaves_a_service_alone_that_comes_back_by_itself() {
    let mut stage = shop();
    stage.deploy("v1");
    let broker = stage.newest("broker");
    stage.crash("broker", AfterExit::Restart { at: Instant::ORIGIN });
    stage.done.clear();
    stage.deploy("v2");
    assert_eq!(stage.newest("broker"), broker);
    let touched = |did: &&String| did.contains("broker") && !did.starts_with("redefine");
    assert_eq!(stage.done.iter().find(touched), None);
}

/// It had given up; deploys went by, and nobody started it again.
#[test]
fn a_deploy_revives_a_dead_service_as_the_new_release_defines_it() {
    let mut stage = shop();
    stage.deploy("v1");
    let (broker, ports) = (stage.newest("broker"), stage.ports.clone());
    stage.crash("broker", LIMIT);
    assert_eq!(seen(&stage, broker), ("failed", "v1".to_owned()));
    stage.done.clear();
    stage.deploy("v2");
    assert_eq!(stage.newest("broker"), broker, "the same instance, with what it printed");
    assert_eq!(seen(&stage, broker), ("running", "v2".to_owned()));
    assert_eq!(stage.done[0], "redefine broker of v2");
    assert_eq!(stage.done[1], "start broker of v2", "before anything that may need it");
    let id = ProcessId::new("broker");
    let active = stage.world.active().expect("v2 is active");
    assert!(ports.contains(&active.addresses[&id]), "it keeps its port");
    assert_eq!(stage.ports.len(), 2, "one of web, one of broker");
}

/// What was dead before a failed deploy is dead after it, and is as it was.
#[test]
fn a_revived_service_is_laid_down_again_by_the_undo() {
    for broken in ["web", "cron"] {
        let mut stage = shop();
        stage.deploy("v1");
        let broker = stage.newest("broker");
        stage.crash("broker", LIMIT);
        let before = stage.world.instance(broker).expect("it is known").clone();
        stage.broken.insert(broken);
        stage.deploy("v2");
        assert!(matches!(stage.answers.last(), Some(Answer::Undone { .. } | Answer::Stuck { .. })));
        let after = stage.world.instance(broker).expect("it is still known");
        assert_eq!((after.state, after.last_exit), (before.state, before.last_exit));
        assert_eq!((&after.run, &after.release), (&before.run, &before.release));
        stage.broken.clear();
        stage.deploy("v3");
        assert_eq!(seen(&stage, broker), ("running", "v3".to_owned()));
    }
}

/// C-116: a dead service that the new release cannot start either fails the deploy, as one that was never there does.
#[test]
fn a_service_that_cannot_be_revived_fails_the_deploy() {
    let mut stage = shop();
    stage.deploy("v1");
    stage.crash("broker", LIMIT);
    stage.broken.insert("broker");
    stage.deploy("v2");
    let Some(Answer::Undone { cause, .. }) = stage.answers.last() else { panic!("{:?}", stage.answers) };
    assert_eq!(cause.code(), "spawn_failed");
    assert_eq!(stage.active(), Some("v1"));
    assert_eq!(seen(&stage, stage.newest("broker")), ("failed", "v1".to_owned()));
}

/// C-116: what a failed deploy started is stopped and forgotten, what ran already goes on.
#[test]
fn a_failed_deploy_forgets_only_the_services_that_it_started() {
    let mut stage = shop();
    stage.broken.insert("web");
    stage.deploy("v1");
    assert_eq!(stage.world.services().count(), 0, "its first deploy failed");
    assert!(stage.ports.is_empty());
    stage.broken.clear();
    stage.deploy("v1");
    stage.broken.insert("web");
    stage.deploy("v2");
    assert_eq!(seen(&stage, stage.newest("broker")), ("running", "v1".to_owned()));
}

/// C-110, C-119: right after the switch, so that a singleton which is slow to end keeps no service from it.
#[test]
fn services_are_refreshed_before_singletons_make_room() {
    let mut stage = shop();
    stage.deploy("v1");
    stage.done.clear();
    stage.deploy("v2");
    let place = |what: &str| stage.done.iter().position(|did| did == what).expect(what);
    assert!(place("switch") < place("redefine broker of v2"));
    assert!(place("redefine broker of v2") < place("stop cron of v1"));
    assert!(place("stop cron of v1") < place("start cron of v2"), "C-120");

    stage.broken.insert("cron");
    stage.deploy("v3");
    assert_eq!(seen(&stage, stage.newest("broker")).1, "v2", "and it is taken back");
}
