//! Ends that lose no request: compat C-165, and a shutdown that drains.

use super::*;
use crate::id::Attestation;
use crate::report::DrainReport;
use crate::rollout::{Ending, Input};

fn attestation() -> Attestation {
    Attestation::new(format!("sha256:{}", "c".repeat(64))).expect("it is well spelled")
}

fn retire() -> Command {
    Command::RetireOwner { attestation: attestation(), handover: true }
}

/// A shop with one of everything, whose release is active.
fn serving() -> Stage {
    let mut early = process("early", ProcessPolicy::Companion);
    early.non_blocking_drain = true;
    let mut stage = Stage::with(vec![
        process("worker", ProcessPolicy::Companion),
        early,
        process("cron", ProcessPolicy::Singleton),
        process("broker", ProcessPolicy::Service),
    ]);
    stage.deploy("v1");
    stage.answers.clear();
    stage.events.clear();
    stage.done.clear();
    stage.holds_door = true;
    stage
}

fn cut(requests_cut: u64) -> Input {
    Input::ProxyClosed { report: DrainReport { requests_cut, ..DrainReport::default() } }
}

/// C-165: in this order. Singletons end beside the drain, because the other one has his already; services end last.
#[test]
fn an_owner_is_quiet_lets_nobody_in_answers_and_then_ends() {
    let mut stage = serving();
    stage.held.insert("worker");
    stage.ask(retire());
    let quiet = |id: &str| format!("quiet {id} of v1");
    let mut begun = std::mem::take(&mut stage.done);
    begun.sort();
    assert_eq!(begun, ["broker", "cron", "early", "worker"].map(quiet), "all but the one that has requests");
    assert!(stage.answers.is_empty(), "the worker is not quiet yet");
    assert_eq!(stage.restartless.len(), 5, "nothing is restarted, the proxied one included");

    stage.let_go("worker");
    assert_eq!(std::mem::take(&mut stage.done), ["stop accepting, handing over"]);
    assert!(stage.answers.is_empty(), "somebody may still come in");
    stage.tell(Input::AcceptingStopped);
    assert_eq!(stage.answers, [Answer::Retired]);
    assert_eq!(stage.events[..1], [Event::OwnerRetired { attestation: attestation() }]);
    assert_eq!(
        std::mem::take(&mut stage.done),
        ["stop early of v1", "stop cron of v1", "close the proxy within 20"]
    );
    assert_eq!((stage.world.ending(), stage.world.is_over()), (Some(Ending::Retired), false));

    stage.held.insert("web");
    stage.tell(cut(2));
    assert_eq!(std::mem::take(&mut stage.done), ["stop worker of v1", "stop web of v1"], "services serve on");
    assert!(stage.messages().contains(&"traffic cut".to_owned()));
    assert!(!stage.world.is_over());
    stage.let_go("web");
    assert_eq!(stage.done, ["stop broker of v1"]);
    assert!(stage.world.is_over());
    assert_eq!(stage.answers, [Answer::Retired], "nobody else waits");
}

#[test]
fn who_retires_takes_no_more_commands() {
    let mut stage = serving();
    stage.held.insert("worker");
    stage.ask(retire());
    stage.deploy("v2");
    stage.ask(retire());
    stage.ask(Command::Restart(RestartSelection::default()));
    let refused = Answer::Refused(crate::rollout::Refusal::ShuttingDown);
    assert_eq!(stage.answers, [refused.clone(), refused.clone(), refused]);
}

/// What a rollout has begun is stopped; nobody waits for its health any more.
#[test]
fn a_rollout_under_way_is_given_up() {
    let mut stage = serving();
    stage.held.insert("web");
    stage.deploy("v2");
    stage.done.clear();
    stage.ask(retire());
    assert!(matches!(stage.answers.as_slice(), [Answer::Refused(_)]), "{:?}", stage.answers);
    assert!(stage.done.contains(&"stop worker of v2".to_owned()), "{:?}", stage.done);
    assert!(stage.done.contains(&"quiet worker of v1".to_owned()), "{:?}", stage.done);
    assert_eq!(stage.active(), Some("v1"));
}

/// C-65: what does not run is quiet.
#[test]
fn a_process_that_is_down_is_not_waited_for() {
    let mut stage = serving();
    stage.crash("worker", LIMIT);
    stage.held.insert("worker");
    stage.ask(retire());
    assert!(stage.done.contains(&"quiet worker of v1".to_owned()), "its supervisor says so");
    let worker = stage.newest("worker");
    stage.open.clear();
    stage.told(worker, Change::Stopped(StopReport::default()));
    assert!(stage.done.contains(&"stop accepting, handing over".to_owned()), "{:?}", stage.done);
}

/// Nobody was told that he may take over yet: he hears that he may not.
#[test]
fn a_shutdown_goes_before_a_retirement_that_was_not_answered() {
    let mut stage = serving();
    stage.held.insert("worker");
    stage.ask(retire());
    stage.ask(Command::Shutdown);
    let refused = Answer::Refused(crate::rollout::Refusal::ShuttingDown);
    assert_eq!(stage.answers, std::slice::from_ref(&refused));
    assert_eq!(stage.world.ending(), Some(Ending::Shutdown));
    stage.let_go("worker");
    assert_eq!(stage.answers, [refused, Answer::ShutDown { survivors: 0 }]);
}

#[test]
fn a_shutdown_of_a_retired_owner_waits_for_nobody() {
    let mut stage = serving();
    stage.ask(retire());
    stage.tell(Input::AcceptingStopped);
    stage.answers.clear();
    stage.ask(Command::DrainThenShutdown);
    assert!(stage.answers.is_empty(), "it ends anyway");
    stage.ask(Command::Shutdown);
    let shut_down = Answer::ShutDown { survivors: 0 };
    assert_eq!(stage.answers, [shut_down.clone(), shut_down]);
    assert_eq!(stage.world.ending(), Some(Ending::Retired), "what outlives it is the other one's");
    stage.tell(cut(0));
    assert!(stage.world.is_over());
}

/// A signal gives requests time; all processes are stopped side by side then (C-146).
#[test]
fn a_shutdown_that_drains_stops_nothing_before_the_last_request() {
    let mut stage = serving();
    stage.ask(Command::DrainThenShutdown);
    assert_eq!(std::mem::take(&mut stage.done), ["close the proxy within 20"]);
    assert!(stage.answers.is_empty() && stage.world.is_shutting_down());
    stage.tell(cut(0));
    assert_eq!(stage.done.len(), 5);
    assert_eq!(stage.answers, [Answer::ShutDown { survivors: 0 }]);
    assert_eq!((stage.world.ending(), stage.world.is_over()), (Some(Ending::Shutdown), true));
    stage.ask(Command::DrainThenShutdown);
    assert_eq!(stage.answers.len(), 2, "whoever asks again is answered too");
}
