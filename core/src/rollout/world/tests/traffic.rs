//! What the proxy hears of its backend, and pauses.

use std::time::Duration;

use super::*;
use crate::event::Event;
use crate::id::Attestation;
use crate::report::{AfterExit, BackendState, Change, StartReason};
use crate::rollout::{Input, Refusal};
use crate::time::Instant;

const AGAIN: AfterExit = AfterExit::Restart { at: Instant::ORIGIN };

fn serving() -> Stage {
    let mut stage = Stage::with(vec![process("worker", ProcessPolicy::Companion)]);
    stage.deploy("v1");
    stage.answers.clear();
    stage.events.clear();
    stage.done.clear();
    assert!(stage.backend.is_empty(), "a backend that runs is what a switch means");
    stage
}

fn pause(seconds: Option<u64>) -> Command {
    Command::Pause { timeout: seconds.map(Duration::from_secs) }
}

#[test]
fn the_proxy_hears_of_each_change_of_its_backend_and_of_no_other() {
    let mut stage = serving();
    let (web, worker) = (stage.newest("web"), stage.newest("worker"));
    stage.crash("worker", AGAIN);
    stage.start(worker, StartReason::Crash);
    assert!(stage.backend.is_empty());
    stage.crash("web", AGAIN);
    stage.start(web, StartReason::Crash);
    stage.crash("web", AfterExit::LimitReached { max_restarts: 1, window: Duration::ZERO });
    let heard = [BackendState::Restarting, BackendState::Running, BackendState::GivenUp];
    assert_eq!(stage.backend, heard);
}

#[test]
fn a_restart_for_its_memory_is_announced() {
    let mut stage = serving();
    let web = stage.newest("web");
    let pid = stage.world.instance(web).and_then(|web| web.state.pid()).expect("it runs");
    stage.told(web, Change::MemoryExceeded { pid, rss_bytes: 2, limit_bytes: 1 });
    stage.start(web, StartReason::Memory);
    assert_eq!(stage.backend, [BackendState::Ending, BackendState::Running]);
}

/// The old release crashed while the new one was active; then the new one is undone.
#[test]
fn after_a_switch_the_proxy_hears_what_it_cannot_know() {
    let mut stage = Stage::with(vec![process("cron", ProcessPolicy::Singleton)]);
    stage.deploy("v1");
    let old = stage.newest("web");
    stage.held.insert("cron");
    stage.deploy("v2");
    assert_eq!(stage.active(), Some("v2"));
    stage.told(old, Change::Exited { exit: crate::exit::Exit::Code(1), was_ready: true, then: AGAIN });
    assert!(stage.backend.is_empty(), "traffic points elsewhere");
    stage.broken.insert("cron");
    stage.let_go("cron");
    assert_eq!(stage.active(), Some("v1"), "{:?}", stage.messages());
    assert_eq!(stage.backend, [BackendState::Restarting]);
}

#[test]
fn traffic_is_paused_and_resumed() {
    let mut stage = serving();
    stage.ask(pause(None));
    assert!(stage.world.is_paused());
    stage.ask(pause(Some(8)));
    stage.tell(Input::PauseTimedOut { number: 1 });
    assert!(stage.world.is_paused(), "a later pause has a time of its own");
    stage.ask(Command::Resume);
    stage.tell(Input::PauseTimedOut { number: 2 });
    stage.ask(Command::Resume);
    assert_eq!(stage.done, ["pause 1", "pause 2 for 8 s", "resume"]);
    let eight = Some(Duration::from_secs(8));
    let paused = |timeout| Event::TrafficPaused { timeout };
    assert_eq!(stage.events, [paused(None), paused(eight), Event::TrafficResumed { timed_out: false }]);
    let (paused, resumed) = (Answer::TrafficPaused, Answer::TrafficResumed);
    assert_eq!(stage.answers, [paused.clone(), paused, resumed.clone(), resumed]);
}

#[test]
fn a_pause_ends_when_its_time_is_up() {
    let mut stage = serving();
    stage.ask(pause(Some(1)));
    stage.tell(Input::PauseTimedOut { number: 1 });
    assert!(!stage.world.is_paused());
    assert_eq!(stage.events[1..], [Event::TrafficResumed { timed_out: true }]);
}

/// It holds no lock, and needs none.
#[test]
fn a_pause_and_a_deploy_do_not_disturb_each_other() {
    let mut stage = serving();
    stage.held.insert("worker");
    stage.deploy("v2");
    stage.ask(pause(None));
    assert_eq!(stage.answers, [Answer::TrafficPaused]);
    stage.let_go("worker");
    assert_eq!(stage.active(), Some("v2"));
    assert!(stage.world.is_paused(), "a switch does not end it");
    stage.ask(Command::Resume);
    assert_eq!(stage.answers.last(), Some(&Answer::TrafficResumed));
}

/// Whoever waits is to be answered, and nobody could resume it any more.
#[test]
fn an_end_that_gives_requests_time_resumes_first() {
    let attestation = Attestation::new(format!("sha256:{}", "c".repeat(64))).expect("it is well spelled");
    for end in [Command::DrainThenShutdown, Command::RetireOwner { attestation, handover: true }] {
        let mut stage = serving();
        stage.ask(pause(None));
        stage.ask(end);
        assert_eq!(stage.done[1], "resume");
        assert!(!stage.world.is_paused());
        stage.ask(pause(None));
        assert_eq!(stage.answers.last(), Some(&Answer::Refused(Refusal::ShuttingDown)));
    }
}
