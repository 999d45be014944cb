//! Made-up time, made-up children.

mod memory;

use super::*;
use crate::report::{AfterExit, HookProblem};
use crate::restart::RestartPolicy;
use crate::spec::{Command, Hooks, KillAfter, StopSpec, StopWith};

const SECOND: Duration = Duration::from_secs(1);
const T0: Instant = Instant::from_origin(Duration::from_secs(100));

/// A machine with the time it is there.
struct World {
    machine: Machine,
    now: Instant,
}

fn spec() -> RunSpec {
    RunSpec::new(Command::Shell("serve".into()), "/srv")
}

fn pid(number: u32) -> Pid {
    Pid::new(number).expect("a small number")
}

impl World {
    fn new(spec: &RunSpec) -> Self {
        Self { machine: Machine::new(spec), now: T0 }
    }

    fn running(spec: &RunSpec) -> Self {
        let mut world = Self::new(spec);
        assert_eq!(world.tell(Event::Start(StartReason::Deploy)), [Action::Spawn]);
        let _started = world.tell(Event::Spawned(pid(7)));
        world
    }

    fn tell(&mut self, event: Event) -> Vec<Action> {
        self.machine.handle(event, self.now)
    }

    fn wait(&mut self, duration: Duration) {
        self.now = self.now + duration;
    }

    /// Goes to the next timeout, which must be `after` from now.
    fn time_up(&mut self, after: Duration) -> Vec<Action> {
        assert_eq!(self.machine.next_timeout(), Some(self.now + after));
        self.wait(after);
        self.tell(Event::TimeUp)
    }

    /// The leader exits and leaves nothing behind.
    fn exit(&mut self, exit: Exit) -> Vec<Action> {
        let mut actions = self.tell(Event::Exited(exit));
        actions.extend(self.tell(Event::GroupEmpty));
        actions
    }

    fn state(&self) -> ProcessState {
        self.machine.report().state
    }
}

fn told(change: Change) -> Action {
    Action::Tell(change)
}

fn started(number: u32, reason: StartReason) -> Action {
    told(Change::Started { pid: pid(number), reason })
}

fn exited(exit: Exit, was_ready: bool, then: AfterExit) -> Action {
    told(Change::Exited { exit, was_ready, then })
}

fn stopped(exit: Option<Exit>, killed: bool, survivors: u32) -> Action {
    told(Change::Stopped(StopReport { exit, killed, survivors }))
}

const OK: Exit = Exit::Code(0);
const BY_TERM: Exit = Exit::Signal(Signal::TERM);
const TERM: Action = Action::Signal(Signal::TERM);

fn run_hook(hook: Hook, command: &str, time_limit: Duration) -> Action {
    Action::RunHook { hook, command: command.to_owned(), time_limit }
}

fn with_hooks() -> RunSpec {
    RunSpec {
        stop: StopSpec {
            with: StopWith::Run("stop".into()),
            kill_after: KillAfter::Grace(3 * SECOND),
            hooks: Hooks { quiet: Some("quiet".into()), drain: Some("drain".into()) },
            drain_timeout: 20 * SECOND,
        },
        ..spec()
    }
}

/// C-55, C-61, C-78.
#[test]
fn a_process_starts_and_is_ready_when_spawned() {
    let mut world = World::new(&spec());
    assert_eq!(world.state(), ProcessState::NEW);
    assert_eq!(world.tell(Event::Start(StartReason::Deploy)), [Action::Spawn]);
    assert_eq!(world.state(), ProcessState::Starting);
    world.wait(SECOND);
    assert_eq!(
        world.tell(Event::Spawned(pid(7))),
        [started(7, StartReason::Deploy), told(Change::BecameReady)]
    );
    let report = world.machine.report();
    assert_eq!(report.state, ProcessState::Running { pid: pid(7), since: world.now, ready: true });
    assert_eq!((report.started_at, report.last_reason), (Some(world.now), Some(StartReason::Deploy)));
    assert_eq!(world.machine.next_timeout(), None);
}

/// C-56, C-61, C-77.
#[test]
fn what_cannot_be_spawned_has_failed_and_is_not_tried_again() {
    let mut world = World::new(&spec());
    let _spawn = world.tell(Event::Start(StartReason::Manual));
    let error = "spawn /bin/sh ENOENT".to_owned();
    assert_eq!(
        world.tell(Event::NotSpawned(error.clone())),
        [told(Change::NotStarted { reason: StartReason::Manual, error })]
    );
    assert_eq!(world.state(), ProcessState::Failed { exit: None });
    assert_eq!(world.machine.report().last_reason, None);
    assert_eq!(world.machine.next_timeout(), None);
    assert_eq!(world.tell(Event::Start(StartReason::Deploy)), [Action::Spawn]);
}

/// C-62, C-75 with code 0, C-77, C-78.
#[test]
fn a_crash_is_followed_by_a_restart_after_the_delay() {
    let mut world = World::running(&spec());
    world.wait(SECOND);
    let at = world.now + SECOND;
    assert_eq!(
        world.tell(Event::Exited(OK)),
        [Action::Kill, Action::WatchGroup, exited(OK, true, AfterExit::Restart { at })]
    );
    assert_eq!(world.state(), ProcessState::Backoff { exit: OK, until: at });
    assert_eq!(world.tell(Event::GroupEmpty), []);
    assert_eq!(world.machine.group(), None);
    assert_eq!(world.machine.report().restarts, 0);
    assert_eq!(world.tell(Event::TimeUp), [], "too early");
    assert_eq!(world.time_up(SECOND), [Action::Spawn]);
    let report = world.machine.report();
    assert_eq!((report.restarts, report.last_exit), (1, None));
    assert_eq!(
        world.tell(Event::Spawned(pid(8))),
        [started(8, StartReason::Crash), told(Change::BecameReady)]
    );
}

/// C-76, C-77.
#[test]
fn crashes_are_spaced_out_and_limited() {
    let restart = RestartPolicy::always(SECOND)
        .limit(2, Duration::ZERO)
        .backoff(3.0, Duration::ZERO)
        .expect("3 is above 1");
    let mut world = World::running(&RunSpec { restart, ..spec() });
    for (pid_next, delay) in [(8, SECOND), (9, 3 * SECOND)] {
        let _cleared = world.exit(Exit::Code(1));
        assert_eq!(world.time_up(delay), [Action::Spawn]);
        let _started = world.tell(Event::Spawned(pid(pid_next)));
    }
    let limit = AfterExit::LimitReached { max_restarts: 2, window: Duration::ZERO };
    assert_eq!(
        world.exit(Exit::Code(1)),
        [Action::Kill, Action::WatchGroup, exited(Exit::Code(1), true, limit)]
    );
    assert_eq!(world.state(), ProcessState::Failed { exit: Some(Exit::Code(1)) });
    assert_eq!(world.machine.next_timeout(), None);
    assert_eq!(world.machine.report().restarts, 2);
}

#[test]
fn an_exit_before_ready_is_final() {
    for readiness in [Readiness::WhenConfirmed, Readiness::AfterUptime(SECOND)] {
        let mut world = World::running(&RunSpec { readiness, ..spec() });
        assert!(!world.state().is_ready());
        assert_eq!(
            world.exit(Exit::Code(1)),
            [Action::Kill, Action::WatchGroup, exited(Exit::Code(1), false, AfterExit::Stays)]
        );
        assert_eq!(world.state(), ProcessState::Failed { exit: Some(Exit::Code(1)) });
        assert_eq!(world.machine.next_timeout(), None);
        assert_eq!(world.tell(Event::ConfirmReady), []);
    }
}

#[test]
fn one_that_was_ready_before_is_restarted_until_it_is_again() {
    let mut world = World::running(&RunSpec { readiness: Readiness::WhenConfirmed, ..spec() });
    assert_eq!(world.tell(Event::ConfirmReady), [told(Change::BecameReady)]);
    for number in 8..12 {
        let _cleared = world.exit(Exit::Code(1));
        assert_eq!(world.time_up(SECOND), [Action::Spawn]);
        assert_eq!(world.tell(Event::Spawned(pid(number))), [started(number, StartReason::Crash)]);
    }
    // But a rollout that asks for it anew wants to know whether it can start.
    let _stop = world.tell(Event::Stop);
    let _gone = world.exit(BY_TERM);
    let _spawn = world.tell(Event::Start(StartReason::Deploy));
    let _started = world.tell(Event::Spawned(pid(12)));
    let _exit = world.exit(Exit::Code(1));
    assert_eq!(world.state(), ProcessState::Failed { exit: Some(Exit::Code(1)) });
}

#[test]
fn ready_by_uptime_and_by_confirmation() {
    let mut world = World::running(&RunSpec { readiness: Readiness::AfterUptime(SECOND), ..spec() });
    assert_eq!(world.time_up(SECOND), [told(Change::BecameReady)]);
    assert!(world.state().is_ready());
    assert_eq!(world.machine.next_timeout(), None);
    assert_eq!(world.tell(Event::TimeUp), []);

    let mut world = World::running(&RunSpec { readiness: Readiness::WhenConfirmed, ..spec() });
    assert_eq!(world.machine.next_timeout(), None);
    assert_eq!(world.tell(Event::ConfirmReady), [told(Change::BecameReady)]);
    assert_eq!(world.tell(Event::ConfirmReady), []);

    let now = World::running(&RunSpec { readiness: Readiness::AfterUptime(Duration::ZERO), ..spec() });
    assert!(now.state().is_ready());
}

/// C-61, C-63, C-64, C-67, C-73.
#[test]
fn a_stop_signals_the_group_and_ends_when_it_is_empty() {
    let mut world = World::running(&spec());
    assert_eq!(world.tell(Event::Stop), [Action::WatchGroup, TERM]);
    assert_eq!(world.state(), ProcessState::Stopping { pid: pid(7) });
    assert_eq!(world.machine.next_timeout(), Some(world.now + 10 * SECOND));
    assert_eq!(world.tell(Event::Exited(BY_TERM)), [exited(BY_TERM, true, AfterExit::Stays)]);
    // A grandchild lives on: so does the stop.
    assert_eq!(world.state(), ProcessState::Stopping { pid: pid(7) });
    world.wait(SECOND);
    assert_eq!(world.tell(Event::GroupEmpty), [stopped(Some(BY_TERM), false, 0)]);
    assert_eq!(world.state(), ProcessState::Stopped { last_exit: Some(BY_TERM) });
    assert_eq!((world.machine.group(), world.machine.next_timeout()), (None, None));
}

/// C-68.
#[test]
fn whoever_does_not_listen_is_killed_after_the_grace() {
    let mut world = World::running(&spec());
    let _stop = world.tell(Event::Stop);
    assert_eq!(world.time_up(10 * SECOND), [Action::Kill, told(Change::StopTimedOut { pid: pid(7) })]);
    let by_kill = Exit::Signal(Signal::KILL);
    assert_eq!(
        world.exit(by_kill),
        [exited(by_kill, true, AfterExit::Stays), stopped(Some(by_kill), true, 0)]
    );
}

/// C-68: five seconds to die of SIGKILL.
#[test]
fn what_survives_even_sigkill_is_counted() {
    let mut world = World::running(&spec());
    let _stop = world.tell(Event::Stop);
    let _kill = world.time_up(10 * SECOND);
    let _exited = world.tell(Event::Exited(BY_TERM));
    assert_eq!(world.tell(Event::Survivors(3)), []);
    assert_eq!(world.time_up(5 * SECOND), [stopped(Some(BY_TERM), true, 3)]);
    assert_eq!(world.machine.group(), Some(pid(7)), "it may still die, or be killed again");
    assert_eq!(world.tell(Event::GroupEmpty), [told(Change::SurvivorsEnded)]);

    // Nobody counted: at least one, or it would have been empty.
    let mut world = World::running(&spec());
    let _stop = world.tell(Event::Stop);
    let _kill = world.time_up(10 * SECOND);
    assert_eq!(world.time_up(5 * SECOND), [stopped(None, true, 1)]);
}

/// C-68, C-70.
#[test]
fn some_may_take_as_long_as_they_want() {
    let mut spec = with_hooks();
    spec.stop.kill_after = KillAfter::Never;
    let mut world = World::running(&spec);
    let half_a_minute = 30 * SECOND;
    assert_eq!(world.tell(Event::Stop), [Action::WatchGroup, run_hook(Hook::Quiet, "quiet", half_a_minute)]);
    assert_eq!(
        world.tell(Event::HookEnded(HookEnd::Exited(OK))),
        [run_hook(Hook::Drain, "drain", 20 * SECOND)]
    );
    assert_eq!(
        world.tell(Event::HookEnded(HookEnd::Exited(OK))),
        [run_hook(Hook::Stop, "stop", half_a_minute)]
    );
    assert_eq!(world.tell(Event::HookEnded(HookEnd::Exited(OK))), []);
    assert_eq!(world.machine.next_timeout(), None);
    world.wait(1_000_000 * SECOND);
    assert_eq!(world.tell(Event::TimeUp), []);
    assert_eq!(world.state(), ProcessState::Stopping { pid: pid(7) });
}

/// C-64 to C-68, C-70, C-71.
#[test]
fn quiet_drain_stop_kill_in_this_order() {
    let mut world = World::running(&with_hooks());
    assert_eq!(world.tell(Event::Stop), [Action::WatchGroup, run_hook(Hook::Quiet, "quiet", 3 * SECOND)]);
    assert_eq!(world.machine.next_timeout(), None, "who runs the hook keeps its limit");
    let problem = HookProblem::Exited(Exit::Code(4));
    assert_eq!(
        world.tell(Event::HookEnded(HookEnd::Exited(Exit::Code(4)))),
        [
            told(Change::HookFailed { hook: "quiet command", problem }),
            run_hook(Hook::Drain, "drain", 20 * SECOND)
        ]
    );
    let problem = HookProblem::TimedOut { timeout: 20 * SECOND };
    assert_eq!(
        world.tell(Event::HookEnded(HookEnd::TimedOut)),
        [
            told(Change::HookFailed { hook: "drain command", problem }),
            run_hook(Hook::Stop, "stop", 3 * SECOND)
        ]
    );
    world.wait(SECOND);
    let problem = HookProblem::NotStarted("spawn /bin/sh ENOENT".into());
    assert_eq!(
        world.tell(Event::HookEnded(HookEnd::NotStarted("spawn /bin/sh ENOENT".into()))),
        [told(Change::HookFailed { hook: "stop command", problem })]
    );
    assert_eq!(world.time_up(3 * SECOND), [Action::Kill, told(Change::StopTimedOut { pid: pid(7) })]);
}

#[test]
fn a_group_that_is_gone_ends_the_stop_when_the_hook_has_ended() {
    let mut world = World::running(&with_hooks());
    let _stop = world.tell(Event::Stop);
    assert_eq!(world.exit(OK), [exited(OK, true, AfterExit::Stays)]);
    assert_eq!(world.tell(Event::HookEnded(HookEnd::Exited(OK))), [stopped(Some(OK), false, 0)]);
}

/// C-66, C-67.
#[test]
fn without_a_drain_hook_the_leader_has_the_drain_time() {
    let mut spec = spec();
    spec.stop.drain_timeout = 20 * SECOND;
    let mut world = World::running(&spec);
    assert_eq!(world.tell(Event::Stop), [Action::WatchGroup]);
    assert_eq!(world.time_up(20 * SECOND), [TERM]);
    assert_eq!(world.machine.next_timeout(), Some(world.now + 10 * SECOND));

    // It finishes early, its grandchild does not.
    let mut world = World::running(&spec);
    let _stop = world.tell(Event::Stop);
    assert_eq!(world.tell(Event::Exited(OK)), [exited(OK, true, AfterExit::Stays), TERM]);

    // All finish early.
    let mut world = World::running(&spec);
    let _stop = world.tell(Event::Stop);
    assert_eq!(world.tell(Event::GroupEmpty), [stopped(None, false, 0)]);

    // The drain hook without time is not run.
    let mut hooks = with_hooks();
    hooks.stop.drain_timeout = Duration::ZERO;
    let mut world = World::running(&hooks);
    let _stop = world.tell(Event::Stop);
    assert_eq!(world.tell(Event::HookEnded(HookEnd::Exited(OK))), [run_hook(Hook::Stop, "stop", 3 * SECOND)]);
}

/// C-65.
#[test]
fn a_stop_from_where_nothing_runs_is_answered_at_once() {
    let mut world = World::new(&spec());
    assert_eq!(world.tell(Event::Stop), [stopped(None, false, 0)]);

    let mut world = World::running(&spec());
    let _backoff = world.exit(Exit::Code(1));
    assert_eq!(world.tell(Event::Stop), [stopped(None, false, 0)]);
    assert_eq!(world.state(), ProcessState::Stopped { last_exit: Some(Exit::Code(1)) });
    assert_eq!(world.machine.next_timeout(), None, "the restart is cancelled");

    let mut world = World::new(&spec());
    let _spawn = world.tell(Event::Start(StartReason::Deploy));
    let _failed = world.tell(Event::NotSpawned("no".into()));
    assert_eq!(world.tell(Event::Stop), [stopped(None, false, 0)]);
    assert_eq!(world.state(), ProcessState::NEW);
}

#[test]
fn a_stop_while_starting_waits_for_the_pid() {
    let mut world = World::new(&spec());
    let _spawn = world.tell(Event::Start(StartReason::Deploy));
    assert_eq!(world.tell(Event::Stop), []);
    assert_eq!(
        world.tell(Event::Spawned(pid(7))),
        [started(7, StartReason::Deploy), Action::WatchGroup, TERM]
    );
    assert_eq!(
        world.exit(BY_TERM),
        [exited(BY_TERM, false, AfterExit::Stays), stopped(Some(BY_TERM), false, 0)]
    );

    let mut world = World::new(&spec());
    let _spawn = world.tell(Event::Start(StartReason::Deploy));
    let _stop = world.tell(Event::Stop);
    let not_started = Change::NotStarted { reason: StartReason::Deploy, error: "no".into() };
    assert_eq!(world.tell(Event::NotSpawned("no".into())), [told(not_started), stopped(None, false, 0)]);
    assert_eq!(world.state(), ProcessState::NEW);
}

/// C-74.
#[test]
fn repeated_stops_are_one_stop() {
    let mut world = World::running(&with_hooks());
    let _stop = world.tell(Event::Stop);
    assert_eq!(world.tell(Event::Stop), []);
    let _drain = world.tell(Event::HookEnded(HookEnd::Exited(OK)));
    assert_eq!(world.tell(Event::Stop), []);
    let _exited = world.exit(OK);
    assert_eq!(world.tell(Event::HookEnded(HookEnd::Exited(OK))), [stopped(Some(OK), false, 0)]);
}

/// C-62, C-74, C-78.
#[test]
fn it_starts_again_after_a_stop() {
    let mut world = World::running(&spec());
    let _stop = world.tell(Event::Stop);
    let _gone = world.exit(BY_TERM);
    assert_eq!(world.tell(Event::Start(StartReason::Manual)), [Action::Spawn]);
    assert_eq!(world.machine.report().last_exit, None);
    let _started = world.tell(Event::Spawned(pid(8)));
    assert_eq!(world.tell(Event::Stop), [Action::WatchGroup, TERM], "a new stop with its own sequence");
}

#[test]
fn a_start_during_a_stop_follows_it_unless_another_stop_takes_it_back() {
    let mut world = World::running(&spec());
    let _stop = world.tell(Event::Stop);
    assert_eq!(world.tell(Event::Start(StartReason::Manual)), []);
    assert_eq!(
        world.exit(BY_TERM),
        [exited(BY_TERM, true, AfterExit::Stays), stopped(Some(BY_TERM), false, 0), Action::Spawn]
    );

    let mut world = World::running(&spec());
    let _stop = world.tell(Event::Stop);
    let _start = world.tell(Event::Start(StartReason::Manual));
    let _stop = world.tell(Event::Stop);
    let _gone = world.exit(BY_TERM);
    assert_eq!(world.state(), ProcessState::Stopped { last_exit: Some(BY_TERM) });

    // Start, stop, start, all before there was a pid: the stop gets its answer, the last start its process.
    let mut world = World::new(&spec());
    for event in [Event::Start(StartReason::Deploy), Event::Stop, Event::Start(StartReason::Manual)] {
        let _asked = world.tell(event);
    }
    let _stopping = world.tell(Event::Spawned(pid(7)));
    assert_eq!(
        world.exit(BY_TERM),
        [exited(BY_TERM, false, AfterExit::Stays), stopped(Some(BY_TERM), false, 0), Action::Spawn]
    );
}

#[test]
fn nothing_of_the_old_start_lives_beside_the_new_one() {
    let mut world = World::running(&spec());
    let _crash = world.tell(Event::Exited(OK));
    // The delay of one second passes, the group is not empty.
    world.wait(2 * SECOND);
    assert_eq!(world.tell(Event::TimeUp), []);
    assert_eq!(world.machine.group(), Some(pid(7)));
    assert_eq!(world.tell(Event::GroupEmpty), [Action::Spawn]);

    // It never becomes empty: no second incarnation.
    let mut world = World::running(&spec());
    let _crash = world.tell(Event::Exited(OK));
    let _count = world.tell(Event::Survivors(2));
    let error = "2 of the last start survived SIGKILL for 5s".to_owned();
    assert_eq!(world.time_up(5 * SECOND), [told(Change::NotStarted { reason: StartReason::Crash, error })]);
    assert_eq!(world.state(), ProcessState::Failed { exit: Some(OK) });
}

#[test]
fn a_stop_or_a_start_while_the_rest_is_being_killed() {
    let mut world = World::running(&spec());
    let _crash = world.tell(Event::Exited(OK));
    assert_eq!(world.tell(Event::Stop), []);
    assert_eq!(world.tell(Event::GroupEmpty), [stopped(None, false, 0)]);
    assert_eq!(world.machine.next_timeout(), None);

    let mut world = World::running(&spec());
    let _crash = world.tell(Event::Exited(OK));
    let _stop = world.tell(Event::Stop);
    assert_eq!(world.time_up(5 * SECOND), [stopped(None, true, 1)]);

    let mut world = World::running(&spec());
    let _crash = world.tell(Event::Exited(OK));
    assert_eq!(world.tell(Event::Start(StartReason::Manual)), []);
    assert_eq!(world.tell(Event::GroupEmpty), [Action::Spawn]);
    assert_eq!(world.tell(Event::Spawned(pid(8)))[0], started(8, StartReason::Manual));
    assert_eq!(world.machine.report().restarts, 0);
}

#[test]
fn a_start_does_not_wait_for_the_backoff() {
    let mut world = World::running(&spec());
    let _backoff = world.exit(OK);
    assert_eq!(world.tell(Event::Start(StartReason::Manual)), [Action::Spawn]);
    assert_eq!(world.tell(Event::Start(StartReason::Manual)), [], "once is enough");
    let _started = world.tell(Event::Spawned(pid(8)));
    assert_eq!(world.tell(Event::Start(StartReason::Manual)), []);
}

#[test]
fn without_restarts_an_exit_is_final() {
    let mut world = World::running(&spec());
    assert_eq!(world.tell(Event::SetRestarts(false)), []);
    assert_eq!(world.exit(OK), [Action::Kill, Action::WatchGroup, exited(OK, true, AfterExit::Stays)]);
    assert_eq!(world.state(), ProcessState::Failed { exit: Some(OK) });

    // Also one that is already waiting for its restart.
    for cleared in [true, false] {
        let mut world = World::running(&spec());
        let _crash = world.tell(Event::Exited(OK));
        if cleared {
            let _backoff = world.tell(Event::GroupEmpty);
        }
        let _set = world.tell(Event::SetRestarts(false));
        let _cleared = world.tell(Event::GroupEmpty);
        assert_eq!(world.state(), ProcessState::Failed { exit: Some(OK) });
        assert_eq!(world.machine.next_timeout(), None);
    }

    // And on again.
    let mut world = World::running(&spec());
    let _off = world.tell(Event::SetRestarts(false));
    let _on = world.tell(Event::SetRestarts(true));
    let _crash = world.exit(OK);
    assert_eq!(world.time_up(SECOND), [Action::Spawn]);
}

#[test]
fn a_new_spec_is_for_the_next_start() {
    let mut next = spec();
    next.cwd = "/srv/v2".into();
    let mut world = World::running(&with_hooks());
    let _set = world.tell(Event::SetSpec(Box::new(next.clone())));
    assert_eq!(world.machine.spec(), &with_hooks(), "what runs is stopped as it was started");
    let _crash = world.exit(OK);
    assert_eq!(world.time_up(SECOND), [Action::Spawn]);
    assert_eq!(world.machine.spec(), &next);
}

/// C-126: the new config says how the old release is stopped.
#[test]
fn a_new_stop_is_for_what_runs_as_well() {
    let with = |signal| StopSpec {
        with: StopWith::Signal(signal),
        kill_after: KillAfter::Grace(7 * SECOND),
        ..StopSpec::default()
    };
    let mut world = World::running(&with_hooks());
    let _set = world.tell(Event::SetSpec(Box::new(spec())));
    assert_eq!(world.tell(Event::SetStop(Box::new(with(Signal::INT)))), []);
    assert_eq!(world.tell(Event::Stop), [Action::WatchGroup, Action::Signal(Signal::INT)]);
    assert_eq!(world.machine.next_timeout(), Some(world.now + 7 * SECOND));

    // And for what is started next, whichever of the two was set first.
    let _gone = world.tell(Event::Exited(OK));
    let _empty = world.tell(Event::GroupEmpty);
    let _started = world.tell(Event::Start(StartReason::Manual));
    assert_eq!(world.machine.spec().stop, with(Signal::INT));

    // One that is on its way down takes its next step as it is now told.
    let mut world = World::running(&with_hooks());
    let _quiet = world.tell(Event::Stop);
    let _set = world.tell(Event::SetStop(Box::new(with(Signal::INT))));
    assert_eq!(world.tell(Event::HookEnded(HookEnd::Exited(OK))), [Action::Signal(Signal::INT)]);
}

/// It was restarted by hand, exited before it counted as started, and stayed down although its policy says "again".
#[test]
fn a_restart_by_hand_is_followed_by_automatic_ones_as_ever() {
    let uptime = RunSpec { readiness: Readiness::AfterUptime(SECOND), ..spec() };
    let mut world = World::running(&uptime);
    assert_eq!(world.time_up(SECOND), [told(Change::BecameReady)]);
    let _stopping = world.tell(Event::Stop);
    let _gone = world.exit(BY_TERM);
    let _spawn = world.tell(Event::Start(StartReason::Manual));
    let _started = world.tell(Event::Spawned(pid(8)));
    let at = world.now + SECOND;
    let then = AfterExit::Restart { at };
    assert!(world.exit(Exit::Code(1)).contains(&exited(Exit::Code(1), false, then)));

    // What a rollout starts has to show that it can run, each time.
    let _stopped = world.tell(Event::Stop);
    let _spawn = world.tell(Event::Start(StartReason::Deploy));
    let _started = world.tell(Event::Spawned(pid(9)));
    assert!(world.exit(Exit::Code(1)).contains(&exited(Exit::Code(1), false, AfterExit::Stays)));
}

#[test]
fn what_comes_too_late_is_harmless() {
    let mut world = World::new(&spec());
    for event in [
        Event::Spawned(pid(3)),
        Event::NotSpawned("no".into()),
        Event::Exited(OK),
        Event::GroupEmpty,
        Event::HookEnded(HookEnd::TimedOut),
        Event::ConfirmReady,
        Event::TimeUp,
    ] {
        assert_eq!(world.tell(event), []);
        assert_eq!(world.state(), ProcessState::NEW);
    }
}

/// Two of them outlived the first SIGKILL; the next stop found nothing to do and said that nobody was left.
#[test]
fn survivors_are_killed_and_counted_again_by_the_next_stop() {
    let mut world = World::running(&spec());
    let _stopping = world.tell(Event::Stop);
    let grace = world.machine.next_timeout().expect("it has a grace") - world.now;
    assert_eq!(world.time_up(grace)[0], Action::Kill);
    let _counted = world.tell(Event::Survivors(2));
    assert_eq!(world.time_up(KILL_TIMEOUT), [stopped(None, true, 2)]);
    assert_eq!(world.machine.group(), Some(pid(7)), "its number is still theirs");

    assert_eq!(world.tell(Event::Stop), [Action::Kill, Action::WatchGroup]);
    let _counted = world.tell(Event::Survivors(1));
    assert_eq!(world.time_up(KILL_TIMEOUT), [stopped(None, true, 1)]);

    let _again = world.tell(Event::Stop);
    assert_eq!(world.tell(Event::GroupEmpty), [stopped(None, true, 0)]);
    assert_eq!(world.machine.group(), None);
    assert_eq!(world.tell(Event::Stop), [stopped(None, false, 0)]);
}

/// The new one was started beside what had outlived the old one.
#[test]
fn nothing_starts_beside_survivors() {
    let mut world = World::running(&spec());
    let _stopping = world.tell(Event::Stop);
    let grace = world.machine.next_timeout().expect("it has a grace") - world.now;
    let _killed = world.time_up(grace);
    let _stopped = world.time_up(KILL_TIMEOUT);
    assert_eq!(world.tell(Event::Start(StartReason::Manual)), [Action::Kill, Action::WatchGroup]);
    assert!(matches!(world.time_up(KILL_TIMEOUT)[..], [Action::Tell(Change::NotStarted { .. })]));
    let _again = world.tell(Event::Start(StartReason::Manual));
    assert_eq!(world.tell(Event::GroupEmpty), [Action::Spawn]);
}

/// They died late, by themselves.
#[test]
fn survivors_that_are_gone_are_forgotten() {
    let mut world = World::running(&spec());
    let _stopping = world.tell(Event::Stop);
    let grace = world.machine.next_timeout().expect("it has a grace") - world.now;
    let _killed = world.time_up(grace);
    let _stopped = world.time_up(KILL_TIMEOUT);
    assert_eq!(world.tell(Event::GroupEmpty), [told(Change::SurvivorsEnded)]);
    assert_eq!(world.tell(Event::GroupEmpty), [], "told once");
    assert_eq!(world.machine.group(), None);
    assert_eq!(world.tell(Event::Start(StartReason::Manual)), [Action::Spawn]);
}

/// C-65, C-74: the quiet command is run once, and the stop goes on where it ended.
#[test]
fn a_quiet_is_the_first_part_of_a_stop() {
    let mut world = World::running(&with_hooks());
    assert_eq!(world.tell(Event::Quiet), [Action::WatchGroup, run_hook(Hook::Quiet, "quiet", 3 * SECOND)]);
    assert_eq!(world.state(), ProcessState::Stopping { pid: pid(7) });
    assert_eq!(world.tell(Event::Quiet), [], "one is enough");
    assert!(!world.machine.is_quieted());
    assert_eq!(world.tell(Event::HookEnded(HookEnd::Exited(OK))), [told(Change::Quieted)]);
    assert!(world.machine.is_quieted());
    assert_eq!(world.machine.next_timeout(), None, "it may work as long as it likes");
    world.wait(1_000 * SECOND);
    assert_eq!(world.tell(Event::TimeUp), []);
    assert_eq!(world.tell(Event::Stop), [run_hook(Hook::Drain, "drain", 20 * SECOND)]);
    assert!(!world.machine.is_quieted());
}

/// C-65: an exit that follows is no crash.
#[test]
fn what_is_quieted_may_end_by_itself() {
    let mut world = World::running(&with_hooks());
    let _hook = world.tell(Event::Quiet);
    let _quieted = world.tell(Event::HookEnded(HookEnd::Exited(OK)));
    assert_eq!(world.exit(OK), [exited(OK, true, AfterExit::Stays), stopped(Some(OK), false, 0)]);
    assert_eq!(world.tell(Event::Stop), [stopped(None, false, 0)], "there is nothing to stop");
}

#[test]
fn without_a_quiet_command_it_is_quiet_at_once() {
    let mut world = World::running(&spec());
    assert_eq!(world.tell(Event::Quiet), [Action::WatchGroup, told(Change::Quieted)]);
    assert!(world.tell(Event::Stop).iter().any(|action| matches!(action, Action::Signal(_))));
}

#[test]
fn a_stop_during_the_quiet_command_goes_on_after_it() {
    let mut world = World::running(&with_hooks());
    let _hook = world.tell(Event::Quiet);
    assert_eq!(world.tell(Event::Stop), []);
    assert_eq!(
        world.tell(Event::HookEnded(HookEnd::Exited(OK))),
        [run_hook(Hook::Drain, "drain", 20 * SECOND)]
    );
}

/// C-65: what does not run is stopped, and is not started again.
#[test]
fn a_quiet_of_what_does_not_run_is_its_stop() {
    let mut world = World::new(&spec());
    assert_eq!(world.tell(Event::Quiet), [stopped(None, false, 0)]);
    assert_eq!(world.tell(Event::Start(StartReason::Deploy)), [Action::Spawn]);
    assert_eq!(world.tell(Event::Quiet), []);
    let begun = world.tell(Event::Spawned(pid(7)));
    assert_eq!(begun, [started(7, StartReason::Deploy), Action::WatchGroup, told(Change::Quieted)]);
}

/// C-74: a start resets it.
#[test]
fn a_start_of_what_is_quieted_stops_it_first() {
    let mut world = World::running(&spec());
    let _quieted = world.tell(Event::Quiet);
    assert!(
        world
            .tell(Event::Start(StartReason::Manual))
            .iter()
            .any(|action| matches!(action, Action::Signal(_)))
    );
    let after = world.exit(OK);
    assert_eq!(after.last(), Some(&Action::Spawn));
    let _started = world.tell(Event::Spawned(pid(8)));
    assert!(!world.machine.is_quieted());
}
