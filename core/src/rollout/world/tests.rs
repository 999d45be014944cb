//! Orders of messages that are rare, each with the story of the bug it once was.

mod reload;
mod restart;
mod retire;
mod retire_owner;
mod rollback;
mod service;
mod socket;
mod stage;
mod traffic;

use crate::event::Event;
use crate::exit::Exit;
use crate::id::ReleaseId;
use crate::report::{AfterExit, Change, ProcessState, StartReason, StopReport};
use crate::rollout::{Action, Answer, Command, RestartSelection};
use crate::spec::ProcessPolicy;
use crate::time::Instant;

use stage::{Stage, process, with_port};

const LIMIT: AfterExit = AfterExit::LimitReached { max_restarts: 3, window: std::time::Duration::ZERO };

/// cron had given up; a deploy was undone and left it stopped; the next deploy waited for ever for its end.
#[test]
fn a_singleton_that_is_down_makes_room_at_once() {
    let mut stage = Stage::with(vec![process("cron", ProcessPolicy::Singleton)]);
    stage.deploy("v1");
    stage.crash("cron", LIMIT);
    stage.broken.insert("cron");
    stage.deploy("v2");
    stage.broken.clear();
    stage.deploy("v3");
    assert_eq!(stage.active(), Some("v3"), "{:?}", stage.answers);
    assert_eq!(stage.world.busy_with(), None);
}

/// web answered its health check and crashed before its supervisor heard of that: a failed start, which is never
/// followed by a restart. Traffic was moved to it all the same.
#[test]
fn a_crash_between_the_answer_and_its_confirmation_fails_the_deploy() {
    let mut stage = Stage::with(vec![]);
    stage.deploy("v1");
    stage.held.insert("web");
    stage.deploy("v2");
    let web = stage.newest("web");
    stage.start(web, StartReason::Deploy);
    stage.tell(crate::rollout::Input::ProbeEnded { key: web, result: Ok(()) });
    assert_eq!(stage.active(), Some("v1"), "its supervisor has not confirmed it");
    let exit = Exit::Code(1);
    stage.told(web, Change::Exited { exit, was_ready: false, then: AfterExit::Stays });
    stage.open.retain(|action| matches!(action, Action::Stop(_)));
    stage.let_go("web");
    assert_eq!(stage.active(), Some("v1"));
    assert!(matches!(stage.answers.last(), Some(Answer::Undone { .. })), "{:?}", stage.answers);
}

/// A restart by itself was told just after somebody asked for one; it was taken for the start that was asked for, and
/// the process stayed down.
#[test]
fn a_restart_is_over_when_its_own_start_is_told() {
    let mut stage = Stage::with(vec![process("cron", ProcessPolicy::Singleton)]);
    stage.deploy("v1");
    stage.crash("cron", AfterExit::Restart { at: Instant::ORIGIN });
    stage.held.insert("cron");
    stage.ask(Command::Restart(RestartSelection::default()));
    let cron = stage.newest("cron");
    stage.start(cron, StartReason::Crash);
    stage.let_go("cron");
    assert!(matches!(stage.answers.last(), Some(Answer::Restarted(_))), "{:?}", stage.answers);
    let instance = stage.world.instance(cron).expect("it is there");
    assert!(matches!(instance.state, ProcessState::Running { .. }), "{:?}", instance.state);
    assert_eq!(instance.last_reason, Some(StartReason::Manual));
}

/// cron was restarted, exited before it counted as started, and the answer said that all was well.
#[test]
fn a_restart_that_does_not_last_is_told() {
    let mut cron = process("cron", ProcessPolicy::Singleton);
    cron.min_uptime = std::time::Duration::from_millis(250);
    let mut stage = Stage::with(vec![cron]);
    stage.deploy("v1");
    stage.held.insert("cron");
    stage.ask(Command::Restart(RestartSelection::default()));
    let cron = stage.newest("cron");
    stage.told(cron, Change::Stopped(StopReport::default()));
    stage.start(cron, StartReason::Manual);
    stage.told(cron, Change::Exited { exit: Exit::Code(1), was_ready: false, then: AfterExit::Stays });
    let Some(Answer::Refused(refusal)) = stage.answers.last() else { panic!("{:?}", stage.answers) };
    assert_eq!(refusal.code(), "exited_before_ready");
}

/// A deploy started a service, failed, and could not end its worker: the service's port was never given back.
#[test]
fn survivors_keep_only_the_ports_of_their_release() {
    let broker = with_port(process("broker", ProcessPolicy::Service));
    let worker = process("worker", ProcessPolicy::Companion);
    let mut stage = Stage::with(vec![worker, broker]);
    stage.broken.insert("web");
    stage.unkillable.insert("worker");
    stage.deploy("v1");
    assert!(matches!(stage.answers.last(), Some(Answer::Stuck { .. })), "{:?}", stage.answers);
    let known: Vec<_> = stage.world.leases().into_keys().collect();
    assert_eq!(stage.ports.iter().cloned().collect::<Vec<_>>(), known);
}

/// The active release was stopped, its singleton went on, and the singleton's port was given back under it.
#[test]
fn a_singleton_keeps_its_port_as_long_as_it_runs() {
    let mut stage = Stage::with(vec![with_port(process("cron", ProcessPolicy::Singleton))]);
    stage.deploy("v1");
    let port =
        stage.world.active().expect("v1 is active").addresses[&crate::id::ProcessId::new("cron")].clone();
    stage.ask(Command::Stop(None));
    assert!(stage.ports.contains(&port), "cron still runs");
    assert!(stage.world.leases().contains_key(&port));
    stage.deploy("v2");
    assert!(!stage.ports.contains(&port), "cron has another port now");
    assert_eq!(stage.ports.len(), 2);

    stage.broken.insert("cron");
    stage.deploy("v3");
    stage.broken.clear();
    assert_eq!(stage.active(), Some("v2"));
    assert_eq!(stage.ports.len(), 2, "what v3 leased went back, what v2 has did not");
    stage.deploy("v4");
    assert_eq!(stage.ports.len(), 2);
}

/// The events of a service named the release that had started it, not the one whose definition it has (C-196).
#[test]
fn a_service_belongs_to_the_release_that_defined_it_last() {
    let mut stage = Stage::with(vec![process("broker", ProcessPolicy::Service)]);
    stage.deploy("v1");
    stage.deploy("v2");
    let broker = stage.newest("broker");
    let release = |stage: &Stage| stage.world.instance(broker).map(|instance| instance.release.to_string());
    assert_eq!(release(&stage).as_deref(), Some("v2"));
}

/// It was asked to stop before it was there; then it was shown as running, and with its exit as failed.
#[test]
fn what_is_to_stop_never_runs() {
    let mut stage = Stage::with(vec![]);
    stage.held.insert("web");
    stage.deploy("v1");
    let web = stage.newest("web");
    stage.ask(Command::Shutdown);
    stage.start(web, StartReason::Deploy);
    let state = |stage: &Stage| stage.world.instance(web).map(|instance| instance.state.as_str());
    assert_eq!(state(&stage), Some("stopping"));
    stage.told(web, Change::Exited { exit: Exit::Code(0), was_ready: false, then: AfterExit::Stays });
    assert_eq!(state(&stage), Some("stopping"));
}

/// A release that was never deployed to the end was the first choice of a rollback.
#[test]
fn a_rollback_never_goes_to_a_release_that_was_undone() {
    let worker = process("worker", ProcessPolicy::Companion);
    let mut stage = Stage::with(vec![worker, process("cron", ProcessPolicy::Singleton)]);
    stage.deploy("v1");
    stage.deploy("v2");
    stage.broken.insert("cron");
    stage.unkillable.insert("worker");
    stage.deploy("v3");
    stage.broken.clear();
    stage.unkillable.clear();
    assert!(matches!(stage.answers.last(), Some(Answer::Stuck { .. })), "{:?}", stage.answers);
    stage.ask(Command::Rollback { to: crate::rollout::RollbackTo::Previous, application: None });
    assert_eq!(stage.active(), Some("v1"));
}

/// v1 still drained when it was deployed again and stopped; stopping it once more found it stopped already.
#[test]
fn stop_finds_the_generation_that_still_runs() {
    let mut stage = Stage::with(vec![]);
    stage.deploy("v1");
    let old = stage.newest("web");
    stage.held.insert("web");
    stage.deploy("v1");
    let new = stage.newest("web");
    stage.start(new, StartReason::Deploy);
    stage.tell(crate::rollout::Input::ProbeEnded { key: new, result: Ok(()) });
    stage.told(new, Change::BecameReady);
    stage.open.clear();
    stage.ask(Command::Stop(None));
    stage.told(new, Change::Stopped(StopReport::default()));
    let v1 = ReleaseId::new("v1").expect("safe");
    stage.ask(Command::Stop(Some(v1)));
    assert_eq!(stage.world.busy_with().as_deref(), Some("stop v1"));
    stage.told(old, Change::Stopped(StopReport::default()));
    assert_eq!(stage.world.busy_with(), None);
}

/// What every failed start says of the processes (C-117).
#[test]
fn a_failed_start_describes_every_process_before_and_after_its_end() {
    let mut stage = Stage::with(vec![process("worker", ProcessPolicy::Companion)]);
    stage.broken.insert("web");
    stage.deploy("v1");
    let seen: Vec<String> = stage.events.iter().map(|event| event.message().into_owned()).collect();
    let seen: Vec<&str> =
        seen.iter().map(String::as_str).filter(|message| !message.starts_with("rollout")).collect();
    let process = "release startup process status";
    assert_eq!(
        seen,
        [
            "deploy starting",
            "process started",
            "release startup failed",
            process,
            process,
            "release startup failed",
            process,
            process,
            "deploy failed",
        ]
    );
    let states = stage.events.iter().filter_map(|event| match event {
        Event::StartupProcessSeen(seen) => Some((seen.phase.as_str(), seen.process.to_string(), seen.state)),
        _ => None,
    });
    let states: Vec<_> = states.collect();
    assert_eq!(states[0], ("before cleanup", "worker".to_owned(), "running"));
    assert_eq!(states[2], ("after cleanup", "worker".to_owned(), "stopped"));
}

/// An error that named neither the process nor its directory.
#[test]
fn a_failed_start_says_which_and_where() {
    let mut stage = Stage::with(vec![process("worker", ProcessPolicy::Companion)]);
    stage.broken.insert("worker");
    stage.deploy("v1");
    let Some(Answer::Undone { cause, .. }) = stage.answers.last() else { panic!("{:?}", stage.answers) };
    assert_eq!(cause.to_string(), "spawn /bin/sh ENOENT: process \"worker\" could not be started in /srv");
}

/// A process that grew beyond its memory before it was ready, and whose leader outlived SIGKILL: no exit is ever told, and
/// the deploy kept the lock for ever.
#[test]
fn what_is_ended_for_its_memory_and_survives_fails_the_deploy() {
    let mut stage = Stage::with(vec![]);
    stage.held.insert("web");
    stage.deploy("v1");
    let web = stage.newest("web");
    stage.start(web, StartReason::Deploy);
    let report = StopReport { exit: None, killed: true, survivors: 1 };
    stage.told(web, Change::EndedForMemory(report));
    let Some(Answer::Stuck { cause, .. }) = stage.answers.last() else { panic!("{:?}", stage.answers) };
    assert!(cause.to_string().starts_with("1 of the processes of web outlived SIGKILL"), "{cause}");
    assert_eq!(stage.world.busy_with(), None);
}
