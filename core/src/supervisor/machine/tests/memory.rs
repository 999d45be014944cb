//! A process whose memory grows, in made-up time (compat C-79).

use super::*;
use crate::spec::{MemorySpec, Readiness};

const INTERVAL: Duration = Duration::from_secs(5);
const LIMIT: u64 = 1_000;
const WARN: u64 = 800;

fn watched() -> RunSpec {
    RunSpec { memory: Some(MemorySpec { warn_bytes: WARN, ..MemorySpec::limit(LIMIT) }), ..spec() }
}

fn warned(rss_bytes: u64) -> Action {
    told(Change::MemoryWarned { rss_bytes, warn_bytes: WARN })
}

fn exceeded(rss_bytes: u64) -> Action {
    told(Change::MemoryExceeded { pid: pid(7), rss_bytes, limit_bytes: LIMIT })
}

impl World {
    /// Waits for the next look, which finds this much.
    fn holds(&mut self, rss_bytes: u64) -> Vec<Action> {
        assert_eq!(self.time_up(INTERVAL), [Action::SampleMemory]);
        assert_eq!(self.machine.next_timeout(), None, "one look at a time");
        self.tell(Event::Sampled(Some(rss_bytes)))
    }

    /// It exceeds its limit, and the leader goes when it is asked.
    fn bursts(&mut self) {
        assert_eq!(self.holds(LIMIT + 1), [exceeded(LIMIT + 1), Action::WatchGroup, TERM]);
        assert_eq!(self.state(), ProcessState::Stopping { pid: pid(7) });
        assert_eq!(self.tell(Event::Exited(BY_TERM)), [exited(BY_TERM, true, AfterExit::Stays)]);
    }
}

#[test]
fn it_is_looked_at_again_and_again_while_it_runs() {
    let mut world = World::running(&watched());
    for _ in 0..3 {
        assert_eq!(world.holds(WARN), []);
    }
    assert_eq!(world.holds(LIMIT), [warned(LIMIT)], "at the limit is not above it");
    assert_eq!(World::running(&spec()).machine.next_timeout(), None, "without limits nobody looks");
}

#[test]
fn where_nobody_can_say_nothing_happens() {
    let mut world = World::running(&watched());
    assert_eq!(world.time_up(INTERVAL), [Action::SampleMemory]);
    assert_eq!(world.tell(Event::Sampled(None)), []);
    assert_eq!(world.holds(WARN + 1), [warned(WARN + 1)]);
}

#[test]
fn a_warning_is_told_once_per_crossing() {
    let mut world = World::running(&watched());
    let told: Vec<_> = [801, 900, 800, 801, 802, 10, 900].map(|rss| world.holds(rss)).into();
    assert_eq!(
        told,
        [vec![warned(801)], vec![], vec![], vec![warned(801)], vec![], vec![], vec![warned(900)]]
    );
    let mut never = World::running(&RunSpec { memory: Some(MemorySpec::limit(LIMIT)), ..spec() });
    assert_eq!(never.holds(LIMIT), []);
}

#[test]
fn above_the_limit_it_is_stopped_as_always_and_started_again() {
    let mut world = World::running(&RunSpec { stop: with_hooks().stop, ..watched() });
    let quiet = run_hook(Hook::Quiet, "quiet", 3 * SECOND);
    assert_eq!(world.holds(LIMIT + 1), [exceeded(LIMIT + 1), Action::WatchGroup, quiet]);
    let done = || Event::HookEnded(HookEnd::Exited(OK));
    assert_eq!(world.tell(done()), [run_hook(Hook::Drain, "drain", 20 * SECOND)]);
    assert_eq!(world.tell(done()), [run_hook(Hook::Stop, "stop", 3 * SECOND)]);
    assert_eq!(world.tell(done()), []);
    assert_eq!(world.time_up(3 * SECOND), [Action::Kill, told(Change::StopTimedOut { pid: pid(7) })]);
    let killed = Exit::Signal(Signal::KILL);
    assert_eq!(world.tell(Event::Exited(killed)), [exited(killed, true, AfterExit::Stays)]);
    assert_eq!(world.tell(Event::GroupEmpty), [Action::Spawn]);
    let back = [started(8, StartReason::Memory), told(Change::BecameReady)];
    assert_eq!(world.tell(Event::Spawned(pid(8))), back);
    let report = world.machine.report();
    assert_eq!((report.restarts, report.last_reason), (0, Some(StartReason::Memory)));
    assert_eq!(world.holds(LIMIT), [warned(LIMIT)], "the new one is watched from its beginning");
}

/// Compat C-77: what a limit allows is not touched by restarts for memory, nor the other way round.
#[test]
fn restarts_for_memory_are_no_crashes() {
    let restart = RestartPolicy::always(SECOND).limit(1, Duration::ZERO);
    let mut world = World::running(&RunSpec { restart, ..watched() });
    for _ in 0..3 {
        world.bursts();
        assert_eq!(world.tell(Event::GroupEmpty), [Action::Spawn]);
        let _started = world.tell(Event::Spawned(pid(7)));
    }
    let _crashed = world.exit(OK);
    assert_eq!(world.time_up(SECOND), [Action::Spawn], "the one crash that is allowed");
    assert_eq!(world.tell(Event::Spawned(pid(7)))[0], started(7, StartReason::Crash));
    world.bursts();
    assert_eq!(world.tell(Event::GroupEmpty), [Action::Spawn]);
    let _started = world.tell(Event::Spawned(pid(7)));
    let limit = AfterExit::LimitReached { max_restarts: 1, window: Duration::ZERO };
    assert!(world.exit(OK).contains(&exited(OK, true, limit)));
    assert_eq!(world.machine.report().restarts, 1);
}

#[test]
fn one_that_is_not_to_be_restarted_stays_down() {
    let mut world = World::running(&watched());
    world.bursts();
    assert_eq!(world.tell(Event::SetRestarts(false)), []);
    let report = StopReport { exit: Some(BY_TERM), ..StopReport::default() };
    assert_eq!(world.tell(Event::GroupEmpty), [told(Change::EndedForMemory(report))]);
    assert_eq!(world.state(), ProcessState::Stopped { last_exit: Some(BY_TERM) });
    assert_eq!(world.machine.next_timeout(), None);
}

/// Its start has failed: whoever waits for it hears of the exit.
#[test]
fn one_that_was_never_ready_is_not_started_again() {
    let mut world = World::running(&RunSpec { readiness: Readiness::WhenConfirmed, ..watched() });
    assert_eq!(world.holds(LIMIT + 1), [exceeded(LIMIT + 1), Action::WatchGroup, TERM]);
    assert_eq!(world.tell(Event::Exited(BY_TERM)), [exited(BY_TERM, false, AfterExit::Stays)]);
    let report = StopReport { exit: Some(BY_TERM), ..StopReport::default() };
    assert_eq!(world.tell(Event::GroupEmpty), [told(Change::EndedForMemory(report))]);
}

#[test]
fn a_stop_that_somebody_asked_for_meanwhile_is_a_stop() {
    let mut world = World::running(&watched());
    world.bursts();
    assert_eq!(world.tell(Event::Stop), []);
    assert_eq!(world.tell(Event::GroupEmpty), [stopped(Some(BY_TERM), false, 0)]);
    assert_eq!(world.state(), ProcessState::Stopped { last_exit: Some(BY_TERM) });
}

/// Its owner retires: it is to end its work, not to begin it again.
#[test]
fn a_quiet_that_somebody_asked_for_meanwhile_ends_in_a_stop() {
    let mut world = World::running(&watched());
    world.bursts();
    assert_eq!(world.tell(Event::Quiet), []);
    assert_eq!(world.tell(Event::GroupEmpty), [stopped(Some(BY_TERM), false, 0)]);
}

#[test]
fn a_start_that_somebody_asked_for_meanwhile_has_its_reason() {
    let mut world = World::running(&watched());
    world.bursts();
    assert_eq!(world.tell(Event::Start(StartReason::Manual)), []);
    assert_eq!(world.tell(Event::GroupEmpty), [Action::Spawn]);
    assert_eq!(world.tell(Event::Spawned(pid(8)))[0], started(8, StartReason::Manual));
}

#[test]
fn what_cannot_be_started_again_is_told() {
    let mut world = World::running(&watched());
    world.bursts();
    assert_eq!(world.tell(Event::GroupEmpty), [Action::Spawn]);
    let error = "spawn /bin/sh ENOENT".to_owned();
    let reason = StartReason::Memory;
    assert_eq!(world.tell(Event::NotSpawned(error.clone())), [told(Change::NotStarted { reason, error })]);
    assert_eq!(world.state(), ProcessState::Failed { exit: None });
}

#[test]
fn nothing_starts_beside_what_survives_its_stop() {
    let mut world = World::running(&watched());
    world.bursts();
    assert_eq!(world.time_up(10 * SECOND), [Action::Kill, told(Change::StopTimedOut { pid: pid(7) })]);
    assert_eq!(world.tell(Event::Survivors(1)), []);
    assert_eq!(world.time_up(KILL_TIMEOUT), [Action::Kill, Action::WatchGroup], "it is killed once more");
    let failed = world.time_up(KILL_TIMEOUT);
    let [Action::Tell(Change::NotStarted { reason: StartReason::Memory, error })] = failed.as_slice() else {
        panic!("it was started beside a survivor: {failed:?}")
    };
    assert_eq!(error, "1 of the last start survived SIGKILL for 5s");
}

/// Compat C-65: a stop ends the looking; so does an exit.
#[test]
fn news_of_its_memory_may_come_too_late() {
    let mut world = World::running(&watched());
    assert_eq!(world.time_up(INTERVAL), [Action::SampleMemory]);
    let _stopping = world.tell(Event::Stop);
    assert_eq!(world.tell(Event::Sampled(Some(LIMIT + 1))), []);
    let mut crashed = World::running(&watched());
    assert_eq!(crashed.time_up(INTERVAL), [Action::SampleMemory]);
    let _crashed = crashed.exit(OK);
    assert_eq!(crashed.tell(Event::Sampled(Some(LIMIT + 1))), []);
}
