//! The end of a release (compat C-125 to C-133).

use std::time::Duration;

use super::stage::{Stage, process, with_port};
use super::*;
use crate::exit::Signal;
use crate::report::DrainReport;
use crate::rollout::{Input, ReleaseState};
use crate::spec::{CommandSpec, DeployStrategy, ProcessSpec, StopWith};

fn state(stage: &Stage, release: &str) -> Option<ReleaseState> {
    stage.world.releases().find(|other| other.id.as_str() == release).map(|release| release.state)
}

fn shop() -> Stage {
    let jobs = ProcessSpec {
        strategy: DeployStrategy::Handoff,
        ..with_port(process("jobs", ProcessPolicy::Service))
    };
    let early = ProcessSpec { non_blocking_drain: true, ..process("early", ProcessPolicy::Companion) };
    Stage::with(vec![jobs, process("worker", ProcessPolicy::Companion), early])
}

/// C-125, C-127 to C-129: early companions at once, then the drain, then the others side by side, then the handoffs.
#[test]
fn a_release_retires_in_the_order_of_the_contract() {
    let mut stage = shop();
    stage.deploy("v1");
    stage.holds_drains = true;
    stage.deploy("v2");
    assert_eq!(stage.active(), Some("v2"));
    stage.held.extend(["worker", "web"]);
    let stops = |stage: &Stage| {
        let stops = stage.done.iter().filter(|did| did.starts_with("stop ")).cloned();
        stops.collect::<Vec<_>>()
    };
    assert_eq!(state(&stage, "v1"), Some(ReleaseState::Draining), "C-125");
    assert_eq!(stops(&stage), ["stop early of v1"], "C-127");
    stage.drained("v1");
    assert_eq!(stops(&stage)[1..], ["stop worker of v1", "stop web of v1"], "C-129");
    stage.let_go("worker");
    assert_eq!(stops(&stage).len(), 3, "web still runs");
    stage.let_go("web");
    assert_eq!(stops(&stage)[3], "stop jobs of v1", "C-129");
    assert_eq!(state(&stage, "v1"), Some(ReleaseState::Stopped));
    assert_eq!(stage.events.last().map(|event| event.message().into_owned()), Some("release drained".into()));
    assert!(stage.world.releases().next().is_some_and(|release| release.stopped_at.is_some()));
}

/// C-126: the new config says how the old release ends: signal, grace, and whether a stop waits for the drain.
#[test]
fn the_new_config_governs_the_retirement_of_the_old_release() {
    let mut stage = shop();
    stage.deploy("v1");
    let worker = stage.newest("worker");
    stage.edit(|application| {
        let worker = &mut application.processes[2];
        assert_eq!(worker.id.as_str(), "worker");
        worker.stop.with = StopWith::Signal(Signal::INT);
        worker.stop.drain_timeout = Duration::from_secs(9);
        worker.non_blocking_drain = true;
        worker.command = CommandSpec::Shell("work for {{releaseId}} beside {{ports.web}}".to_owned());
        application.processes[3].non_blocking_drain = false;
    });
    let port = stage.world.active().expect("v1 is active").ports()[&crate::id::ProcessId::new("web")];
    stage.holds_drains = true;
    stage.deploy("v2");
    let run = &stage.world.instance(worker).expect("it is remembered").run;
    assert_eq!(run.command.to_string(), format!("work for v1 beside {port}"), "its own id and ports");
    assert_eq!(run.stop.with, StopWith::Signal(Signal::INT));
    let replaced = stage.replaced.iter().find(|(key, _)| *key == worker).map(|(_, stop)| stop);
    assert_eq!(replaced, Some(&run.stop), "what runs is told");
    let place = |what: &str| stage.done.iter().position(|did| did == what);
    assert!(place("redefine worker of v1") < place("stop worker of v1"));
    assert!(place("stop worker of v1") < place("drain 20"), "it is one that does not wait any more");
    assert_eq!(place("stop early of v1"), None, "and this one waits now");
    stage.drained("v1");
    assert_eq!(state(&stage, "v1"), Some(ReleaseState::Stopped));
}

/// C-126: the definitions in force are those of the release that is there now, also when that is the same config.
#[test]
fn a_failed_deploy_leaves_the_stops_of_the_old_release_alone() {
    let mut stage = shop();
    stage.deploy("v1");
    stage.edit(|application| application.processes[2].stop.with = StopWith::Signal(Signal::INT));
    stage.broken.insert("web");
    stage.deploy("v2");
    assert_eq!(stage.active(), Some("v1"));
    assert!(stage.replaced.is_empty());
}

/// C-131: nothing of a draining release is started again.
#[test]
fn a_retiring_release_is_told_not_to_restart() {
    let mut stage = shop();
    stage.deploy("v1");
    stage.holds_drains = true;
    let web = stage.newest("web");
    stage.deploy("v2");
    assert!(stage.restartless.contains(&web));
    assert!(!stage.restartless.contains(&stage.newest("web")));
}

/// C-133, and then: they died late, and their release was `failed` for ever, with its ports.
#[test]
fn a_release_whose_survivors_die_late_is_stopped_after_all() {
    let mut stage = shop();
    stage.deploy("v1");
    stage.unkillable.insert("worker");
    let worker = stage.newest("worker");
    stage.deploy("v2");
    stage.unkillable.clear();
    assert_eq!(state(&stage, "v1"), Some(ReleaseState::Failed));
    assert!(stage.messages().contains(&"release drain failed".to_owned()), "C-133");
    let held = stage.ports.len();
    stage.told(worker, Change::SurvivorsEnded);
    assert_eq!(state(&stage, "v1"), Some(ReleaseState::Stopped));
    assert_eq!(stage.messages().last().map(String::as_str), Some("release drained"));
    assert_eq!(stage.ports.len(), held - 2, "the ports of web and jobs went back");
    stage.roll_back();
    assert_eq!(stage.active(), Some("v1"));
}

/// A deploy got stuck on a worker that could not be ended. When it was gone, nothing of that deploy is left (C-118).
#[test]
fn a_release_that_was_never_deployed_is_forgotten_with_its_survivors() {
    let mut stage = shop();
    stage.deploy("v1");
    let held = stage.ports.len();
    stage.unkillable.insert("worker");
    stage.broken.insert("web");
    stage.deploy("v2");
    assert!(matches!(stage.answers.last(), Some(Answer::Stuck { .. })), "{:?}", stage.answers);
    assert_eq!(state(&stage, "v2"), Some(ReleaseState::Failed));
    let worker = stage.newest("worker");
    stage.told(worker, Change::SurvivorsEnded);
    assert_eq!(state(&stage, "v2"), None);
    assert_eq!(stage.ports.len(), held);
    assert_eq!(stage.active(), Some("v1"));
}

/// It could not be ended; when it was gone after all, the next deploy did not have to kill it once more.
#[test]
fn a_singleton_whose_survivors_are_gone_makes_room_at_once() {
    let mut stage = Stage::with(vec![process("cron", ProcessPolicy::Singleton)]);
    stage.deploy("v1");
    let cron = stage.newest("cron");
    stage.unkillable.insert("cron");
    stage.deploy("v2");
    assert!(matches!(stage.answers.last(), Some(Answer::Stuck { .. })), "{:?}", stage.answers);
    stage.told(cron, Change::SurvivorsEnded);
    stage.unkillable.clear();
    stage.done.clear();
    stage.deploy("v3");
    assert_eq!(stage.active(), Some("v3"));
    assert!(!stage.done.contains(&"stop cron of v1".to_owned()), "{:?}", stage.done);
}

/// C-132: the newest two stopped ones are remembered; active and draining ones are never forgotten.
#[test]
fn stopped_releases_are_pruned_and_others_are_not() {
    let mut stage = Stage::with(vec![]);
    for release in ["v1", "v2", "v3"] {
        stage.deploy(release);
    }
    stage.holds_drains = true;
    stage.deploy("v4");
    stage.deploy("v5");
    let known =
        |stage: &Stage| stage.world.releases().map(|release| release.id.to_string()).collect::<Vec<_>>();
    assert_eq!(known(&stage), ["v1", "v2", "v3", "v4", "v5"], "v3 and v4 drain");
    stage.drained("v3");
    assert_eq!(known(&stage), ["v2", "v3", "v4", "v5"]);
    stage.ask(Command::Stop(None));
    assert_eq!(known(&stage), ["v3", "v4", "v5"], "after each stop, too");
}

/// C-130: what is cut at the end of the budget is told.
#[test]
fn a_drain_that_cuts_is_told() {
    let mut stage = Stage::with(vec![]);
    stage.deploy("v1");
    stage.holds_drains = true;
    stage.deploy("v2");
    let v1 = stage.world.releases().next().expect("v1 drains").generation;
    let report = DrainReport { requests_cut: 2, tunnels_ended: 1, ..DrainReport::default() };
    stage.tell(Input::Drained { generation: v1, report });
    let told = |message: &str| stage.messages().contains(&message.to_owned());
    assert!(told("traffic cut") && told("traffic ended"));
    assert_eq!(state(&stage, "v1"), Some(ReleaseState::Stopped));
}
