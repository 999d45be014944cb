//! Restarts in place (compat C-141 to C-144).

use super::stage::{Stage, process, with_port};
use super::*;
use crate::spec::{DeployStrategy, ProcessSpec};

fn shop() -> Stage {
    let jobs = ProcessSpec {
        strategy: DeployStrategy::Handoff,
        ..with_port(process("jobs", ProcessPolicy::Service))
    };
    let worker = ProcessSpec { replicas: 2, ..process("worker", ProcessPolicy::Companion) };
    let mut stage = Stage::with(vec![
        process("cron", ProcessPolicy::Singleton),
        worker,
        jobs,
        process("broker", ProcessPolicy::Service),
    ]);
    stage.deploy("v1");
    stage.events.clear();
    stage.done.clear();
    stage
}

fn restart(stage: &mut Stage, process: Option<&str>, policy: Option<ProcessPolicy>) -> String {
    let process = process.map(str::to_owned);
    stage.ask(Command::Restart(RestartSelection { process, policy }));
    match stage.answers.last() {
        Some(Answer::Restarted(done)) => done.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "),
        Some(Answer::Refused(refusal)) => refusal.to_string(),
        other => format!("{other:?}"),
    }
}

/// C-141: config order, replicas by index, all but the proxied one; handoff services too (C-144 is a quirk).
#[test]
fn everything_but_the_proxied_process_is_restarted_in_config_order() {
    let mut stage = shop();
    assert_eq!(restart(&mut stage, None, None), "cron worker#0 worker#1 jobs broker");
    assert_eq!(restart(&mut stage, Some("worker"), None), "worker#0 worker#1");
    assert_eq!(restart(&mut stage, Some("worker#1"), None), "worker#1");
    assert_eq!(restart(&mut stage, None, Some(ProcessPolicy::Service)), "jobs broker");
    assert_eq!(restart(&mut stage, Some("jobs"), None), "jobs");
}

/// C-141: companions of the active release only.
#[test]
fn companions_of_a_draining_release_are_left_alone() {
    let mut stage = shop();
    stage.holds_drains = true;
    stage.deploy("v2");
    stage.done.clear();
    restart(&mut stage, None, Some(ProcessPolicy::Companion));
    assert!(stage.done.iter().all(|did| did.ends_with("of v2")), "{:?}", stage.done);
    assert_eq!(stage.done.len(), 4);
}

/// C-142: one after the other, each told, stopped and started.
#[test]
fn one_is_back_before_the_next_goes() {
    let mut stage = shop();
    restart(&mut stage, Some("worker"), None);
    let of = |number| [format!("stop worker#{number} of v1"), format!("start worker#{number} of v1")];
    assert_eq!(stage.done, [of(0), of(1)].concat());
    assert_eq!(
        stage.messages(),
        ["process restart requested", "process started", "process restart requested", "process started"]
    );
    let reason = stage.world.instance(stage.newest("worker")).and_then(|worker| worker.last_reason);
    assert_eq!(reason, Some(StartReason::Manual));
}

/// C-142: nothing matches, nothing is done.
#[test]
fn an_unmatched_policy_or_an_empty_selection_is_nothing() {
    let mut stage = Stage::with(vec![]);
    assert_eq!(restart(&mut stage, None, None), "");
    stage.deploy("v1");
    assert_eq!(restart(&mut stage, None, None), "");
    assert_eq!(restart(&mut stage, None, Some(ProcessPolicy::Singleton)), "");
}

/// C-143.
#[test]
fn the_proxied_process_and_unknown_ones_are_refused() {
    let mut stage = shop();
    let proxied = "The proxied process cannot be restarted in place; use \"rollbridge deploy\" for a zero-downtime \
                   replacement.";
    assert_eq!(restart(&mut stage, Some("web"), None), proxied);
    assert_eq!(restart(&mut stage, None, Some(ProcessPolicy::Proxied)), proxied);
    assert_eq!(
        restart(&mut stage, Some("nobody"), None),
        "No managed process with id \"nobody\" to restart."
    );
    assert_eq!(stage.done, [""; 0]);
}

/// C-142: what has failed, and what was stopped, is started.
#[test]
fn what_is_down_is_started() {
    let mut stage = shop();
    stage.crash("cron", LIMIT);
    stage.crash("worker", AfterExit::Stays);
    assert_eq!(restart(&mut stage, None, None), "cron worker#0 worker#1 jobs broker");
    assert!(stage.world.instances().all(|(_, instance)| instance.state.pid().is_some()));
}

/// The answer was "restarted", and one of them had not come back; or, worse, it kept the others from it.
#[test]
fn what_cannot_come_back_is_told_and_the_others_do() {
    let mut stage = shop();
    stage.broken.insert("worker");
    let answer = restart(&mut stage, None, None);
    let lines: Vec<&str> = answer.lines().collect();
    assert_eq!(
        lines,
        [
            "spawn /bin/sh ENOENT: process \"worker#0\" could not be started in /srv",
            "spawn /bin/sh ENOENT: process \"worker#1\" could not be started in /srv",
            "restarted: cron, jobs, broker",
        ]
    );
    stage.broken.clear();
    stage.unkillable.insert("cron");
    let answer = restart(&mut stage, None, None);
    assert!(answer.contains("outlived SIGKILL"), "{answer}");
    assert!(answer.ends_with("restarted: worker#0, worker#1, jobs, broker"), "{answer}");
}
