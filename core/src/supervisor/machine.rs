//! What a supervisor decides. Pure: it is told what happened and what time it is, and says what to do.
//!
//! ```text
//!              start             spawned              stop
//!  Stopped ───────────▶ Starting ─────────▶ Running ────────▶ Stopping ─────▶ Stopped
//!                        ▲   │                 │              quiet, drain, stop, kill;
//!                   time │   │ not spawned     │ exited       ends when the group is empty
//!                        │   ▼                 ▼
//!                        │  Failed ◀─────── Clearing          what the leader left behind is killed
//!                        │        give up      │
//!                        └────── Backoff ◀─────┘ restart after
//! ```
//!
//! `Clearing` is not seen from outside: it is reported as the state that follows it. A process that could not be
//! spawned is not tried again (compat C-77). A process that is quieted is in `Stopping`, and goes no further than its
//! quiet command until it is stopped (compat C-65, C-74). Nothing here knows descriptors, threads or `/proc`.
//!
//! # What the one who drives it promises
//! - `Spawn` is answered by one `Spawned` or `NotSpawned`, `RunHook` by one `HookEnded` (at `time_limit` at the
//!   latest), both also when a `Stop` came in between.
//! - `WatchGroup` is answered by one `GroupEmpty`, after the `Exited` of the same group, unless the machine lost
//!   interest: [`Machine::group`] says which group it still cares about.
//! - `Survivors` says how many members a watched group has, whenever that is known; at the latest just before the
//!   `TimeUp` that follows a `Kill`.
//! - `SampleMemory` is answered by one `Sampled`, unless the leader exits first.
//! - `TimeUp` comes at [`Machine::next_timeout`]; one that comes too early is harmless.

use std::time::Duration;

use crate::exit::{Exit, Signal};
use crate::id::Pid;
use crate::report::{Change, ProcessState, StartReason, StopReport};
use crate::restart::RestartHistory;
use crate::spec::{Readiness, RunSpec, StopSpec};
use crate::time::Instant;

mod down;
mod memory;
#[cfg(test)]
mod tests;
mod up;

/// How long a group may take to vanish after SIGKILL, before its members are reported as survivors (compat C-68).
pub(crate) const KILL_TIMEOUT: Duration = Duration::from_secs(5);

/// What happened.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Event {
    /// Somebody wants it up.
    Start(StartReason),
    /// The answer to `Spawn`: it has a pid.
    Spawned(Pid),
    /// The answer to `Spawn`: it could not be started.
    NotSpawned(String),
    /// The leader ended.
    Exited(Exit),
    /// The answer to `WatchGroup`: only zombies are left, and the leader is one of them.
    GroupEmpty,
    /// The answer to `RunHook`.
    HookEnded(HookEnd),
    /// Somebody asked it, and it is ready.
    ConfirmReady,
    /// Whether an unasked exit is followed by a restart.
    SetRestarts(bool),
    /// What the next start runs.
    SetSpec(Box<RunSpec>),
    /// How what runs now, and what runs next, is stopped.
    SetStop(Box<StopSpec>),
    /// Somebody wants it to take no more work; a stop will follow.
    Quiet,
    /// Somebody wants it down.
    Stop,
    /// It is `next_timeout`.
    TimeUp,
    /// How many members the watched group has.
    Survivors(u32),
    /// The answer to `SampleMemory`: how many bytes its members hold; `None` where nobody can say.
    Sampled(Option<u64>),
}

/// What to do about it, in this order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// Start [`Machine::spec`].
    Spawn,
    /// Run a shell command in the process's directory, with its environment.
    RunHook {
        /// Which one.
        hook: Hook,
        /// The command.
        command: String,
        /// When it is killed.
        time_limit: Duration,
    },
    /// Send this to the whole group.
    Signal(Signal),
    /// Send SIGKILL to the whole group, and to the rest of its session.
    Kill,
    /// Tell when the group is empty.
    WatchGroup,
    /// Find out how much memory its members hold.
    SampleMemory,
    /// Tell the world.
    Tell(Change),
}

/// The commands of a stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hook {
    /// Take no more work.
    Quiet,
    /// Finish your work.
    Drain,
    /// End.
    Stop,
}

impl Hook {
    /// Its name in messages (compat C-71).
    pub(crate) fn label(self) -> &'static str {
        match self {
            Self::Quiet => "quiet command",
            Self::Drain => "drain command",
            Self::Stop => "stop command",
        }
    }
}

/// How a hook ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum HookEnd {
    /// By itself.
    Exited(Exit),
    /// It reached its `time_limit` and was killed.
    TimedOut,
    /// It never began.
    NotStarted(String),
}

/// A supervised process, at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProcessReport {
    /// What is.
    pub state: ProcessState,
    /// When it was last spawned.
    pub started_at: Option<Instant>,
    /// Why it was last spawned; a start that failed does not count (compat C-56).
    pub last_reason: Option<StartReason>,
    /// How it last ended; forgotten when it is started again (compat C-62).
    pub last_exit: Option<Exit>,
    /// How many automatic restarts there were; never reset (compat C-77).
    pub restarts: u32,
}

/// What was asked for last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Want {
    Up(StartReason),
    Down,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Stopped,
    Starting { reason: StartReason, stop_asked: bool },
    Running { pid: Pid, since: Instant, ready: bool },
    Clearing { pid: Pid, exit: Exit, until: Instant, then: Then },
    Backoff { exit: Exit, until: Instant },
    Failed,
    Stopping { pid: Pid, ready: bool, phase: Phase },
}

/// What follows when nothing of the last start is left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Then {
    Stay,
    Restart { at: Instant },
    Start(StartReason),
}

/// How far a stop is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    RunHook(Hook),
    /// Its quiet command has ended; the rest of the stop was not asked for yet.
    Quieted,
    AwaitExit {
        until: Instant,
    },
    AwaitEmpty {
        until: Option<Instant>,
    },
    Killed {
        until: Instant,
    },
}

/// Decides for one process.
#[derive(Clone, Debug)]
pub(crate) struct Machine {
    spec: RunSpec,
    next_spec: Option<Box<RunSpec>>,
    want: Want,
    state: State,
    restarts_allowed: bool,
    /// Whether it is only quieted: a stop was not asked for yet.
    holds: bool,
    history: RestartHistory,
    /// Whether a crash is a crash, not a failed start: it was ready once since a rollout started it.
    proven: bool,
    /// Whether it was ever ready.
    ever_ready: bool,
    group_empty: bool,
    survivors: u32,
    /// The group that outlived SIGKILL, until it is empty after all.
    left: Option<Pid>,
    stop_report: StopReport,
    started_at: Option<Instant>,
    last_reason: Option<StartReason>,
    last_exit: Option<Exit>,
    restarts: u32,
    memory: memory::Watch,
}

impl Machine {
    /// A process that nobody has asked for yet.
    pub(crate) fn new(spec: &RunSpec) -> Self {
        Self {
            spec: spec.clone(),
            next_spec: None,
            want: Want::Down,
            state: State::Stopped,
            restarts_allowed: true,
            holds: false,
            history: RestartHistory::default(),
            proven: false,
            ever_ready: false,
            group_empty: false,
            survivors: 0,
            left: None,
            stop_report: StopReport::default(),
            started_at: None,
            last_reason: None,
            last_exit: None,
            restarts: 0,
            memory: memory::Watch::default(),
        }
    }

    /// What runs, is being started, or ran last.
    pub(crate) fn spec(&self) -> &RunSpec {
        &self.spec
    }

    /// The group that it still cares about. When this becomes `None`, its leader may be reaped.
    pub(crate) fn group(&self) -> Option<Pid> {
        match self.state {
            State::Running { pid, .. } | State::Clearing { pid, .. } | State::Stopping { pid, .. } => {
                Some(pid)
            }
            State::Stopped | State::Starting { .. } | State::Backoff { .. } | State::Failed => self.left,
        }
    }

    /// What is.
    pub(crate) fn report(&self) -> ProcessReport {
        ProcessReport {
            state: self.process_state(),
            started_at: self.started_at,
            last_reason: self.last_reason,
            last_exit: self.last_exit,
            restarts: self.restarts,
        }
    }

    /// Whether it takes no more work and waits for its stop.
    pub(crate) fn is_quieted(&self) -> bool {
        matches!(self.state, State::Stopping { phase: Phase::Quieted, .. })
    }

    /// When to come back with `TimeUp`, if nothing else happens.
    pub(crate) fn next_timeout(&self) -> Option<Instant> {
        match self.state {
            State::Running { .. } => self.ready_at().into_iter().chain(self.next_sample()).min(),
            State::Clearing { until, .. } | State::Backoff { until, .. } => Some(until),
            State::Stopping { phase, .. } => phase.until(),
            State::Stopped | State::Starting { .. } | State::Failed => None,
        }
    }

    /// Tells it what happened; says what to do about it.
    #[must_use = "what is not done is never asked for again"]
    pub(crate) fn handle(&mut self, event: Event, now: Instant) -> Vec<Action> {
        use Event as E;
        use State as S;
        match (self.state, event) {
            (_, E::SetSpec(spec)) => self.remember_spec(spec),
            (_, E::SetStop(stop)) => self.replace_stop(*stop),
            (_, E::SetRestarts(allowed)) => self.set_restarts(allowed),
            (_, E::Survivors(count)) => self.remember_survivors(count),

            (S::Stopped | S::Failed | S::Backoff { .. }, E::Start(reason)) => self.start_alone(reason, now),
            (S::Clearing { .. }, E::Start(reason)) => self.start_when_clear(reason),
            (S::Starting { .. } | S::Running { .. }, E::Start(reason)) => self.wish(reason),
            (S::Stopping { phase, .. }, E::Start(reason)) => self.start_when_stopped(phase, reason, now),

            (S::Starting { reason, stop_asked }, E::Spawned(pid)) => self.begin(pid, reason, stop_asked, now),
            (S::Starting { reason, stop_asked }, E::NotSpawned(error)) => {
                self.fail(reason, stop_asked, error, now)
            }

            (S::Running { ready: false, .. }, E::ConfirmReady) => self.become_ready(),
            (S::Running { .. }, E::TimeUp) if self.ready_at().is_some_and(|at| at <= now) => {
                self.become_ready()
            }
            (S::Running { .. }, E::TimeUp) => self.sample_if_due(now),
            (S::Running { pid, ready, .. }, E::Sampled(rss)) => self.sampled(pid, ready, rss, now),
            (S::Running { pid, ready, .. }, E::Exited(exit)) => self.crash(pid, exit, ready, now),

            (S::Clearing { exit, then, .. }, E::GroupEmpty) => self.cleared(exit, then, now),
            (S::Clearing { pid, then, .. }, E::TimeUp) if self.is_due(now) => self.not_cleared(pid, then),
            (S::Backoff { .. }, E::TimeUp) if self.is_due(now) => self.restart(),

            (S::Starting { reason, stop_asked }, E::Quiet) => self.quiet_when_spawned(reason, stop_asked),
            (S::Running { pid, ready, .. }, E::Quiet) => self.quiet_running(pid, ready, now),
            // One quiet is enough, and a stop goes further than a quiet.
            (S::Stopping { .. }, E::Quiet) => self.quiet_stopping(),
            (S::Starting { reason, .. }, E::Stop) => self.stop_when_spawned(reason),
            // What does not run takes no work.
            (S::Stopped | S::Failed | S::Backoff { .. }, E::Quiet | E::Stop) => self.stop_what_is_left(now),
            (S::Clearing { pid, until, .. }, E::Quiet | E::Stop) => self.stop_clearing(pid, until),
            (S::Running { pid, ready, .. }, E::Stop) => self.stop_running(pid, ready, now),
            (S::Stopping { phase, .. }, E::Stop) => self.stop_stopping(phase, now),

            (S::Stopping { ready, phase, .. }, E::Exited(exit)) => {
                self.exited_as_asked(exit, ready, phase, now)
            }
            (S::Stopping { phase: Phase::RunHook(hook), .. }, E::HookEnded(end)) => {
                self.hook_ended(hook, end, now)
            }
            (S::Stopping { phase: Phase::RunHook(_), .. }, E::GroupEmpty) => self.remember_empty(),
            (S::Stopping { .. }, E::GroupEmpty) => self.finish_stop(0, now),
            (S::Stopped | S::Failed, E::GroupEmpty) => self.forget_left(),
            (S::Stopping { phase, pid, .. }, E::TimeUp) if self.is_due(now) => {
                self.stop_time_up(phase, pid, now)
            }

            // Too late, too early or told twice: harmless.
            (
                _,
                E::Spawned(_)
                | E::NotSpawned(_)
                | E::Exited(_)
                | E::GroupEmpty
                | E::HookEnded(_)
                | E::ConfirmReady
                | E::Sampled(_)
                | E::TimeUp,
            ) => Vec::new(),
        }
    }

    /// When it counts as ready by itself.
    fn ready_at(&self) -> Option<Instant> {
        match (self.state, self.spec.readiness) {
            (State::Running { since, ready: false, .. }, Readiness::AfterUptime(uptime)) => {
                Some(since + uptime)
            }
            _ => None,
        }
    }

    fn is_due(&self, now: Instant) -> bool {
        self.next_timeout().is_some_and(|until| until <= now)
    }

    fn process_state(&self) -> ProcessState {
        match self.state {
            State::Stopped => ProcessState::Stopped { last_exit: self.last_exit },
            State::Starting { .. } => ProcessState::Starting,
            State::Running { pid, since, ready } => ProcessState::Running { pid, since, ready },
            State::Clearing { exit, then: Then::Restart { at }, .. } => {
                ProcessState::Backoff { exit, until: at }
            }
            State::Clearing { then: Then::Start(_), .. } => ProcessState::Starting,
            State::Clearing { then: Then::Stay, .. } | State::Failed => {
                ProcessState::Failed { exit: self.last_exit }
            }
            State::Backoff { exit, until } => ProcessState::Backoff { exit, until },
            State::Stopping { pid, .. } => ProcessState::Stopping { pid },
        }
    }
}

/// Wishes.
impl Machine {
    fn remember_spec(&mut self, spec: Box<RunSpec>) -> Vec<Action> {
        self.next_spec = Some(spec);
        Vec::new()
    }

    /// A stop that is under way goes on with it from its next phase.
    fn replace_stop(&mut self, stop: StopSpec) -> Vec<Action> {
        if let Some(next) = &mut self.next_spec {
            next.stop = stop.clone();
        }
        self.spec.stop = stop;
        Vec::new()
    }

    fn remember_survivors(&mut self, count: u32) -> Vec<Action> {
        self.survivors = count;
        Vec::new()
    }

    fn forget_left(&mut self) -> Vec<Action> {
        match self.left.take() {
            Some(_) => vec![Action::Tell(Change::SurvivorsEnded)],
            None => Vec::new(),
        }
    }

    fn remember_empty(&mut self) -> Vec<Action> {
        self.group_empty = true;
        Vec::new()
    }

    fn wish(&mut self, reason: StartReason) -> Vec<Action> {
        self.want = Want::Up(reason);
        Vec::new()
    }

    fn set_restarts(&mut self, allowed: bool) -> Vec<Action> {
        self.restarts_allowed = allowed;
        match self.state {
            State::Backoff { .. } if !allowed => self.state = State::Failed,
            State::Clearing { pid, exit, until, then: Then::Restart { .. } } if !allowed => {
                self.state = State::Clearing { pid, exit, until, then: Then::Stay };
            }
            _ => {}
        }
        Vec::new()
    }

    fn start_when_clear(&mut self, reason: StartReason) -> Vec<Action> {
        if let State::Clearing { then, .. } = &mut self.state {
            *then = Then::Start(reason);
        }
        self.wish(reason)
    }

    fn quiet_when_spawned(&mut self, reason: StartReason, stop_asked: bool) -> Vec<Action> {
        self.holds |= !stop_asked;
        self.state = State::Starting { reason, stop_asked: true };
        self.want = Want::Down;
        Vec::new()
    }

    fn stop_when_spawned(&mut self, reason: StartReason) -> Vec<Action> {
        self.holds = false;
        self.state = State::Starting { reason, stop_asked: true };
        self.want = Want::Down;
        Vec::new()
    }
}

impl Phase {
    fn until(self) -> Option<Instant> {
        match self {
            Self::RunHook(_) | Self::Quieted => None,
            Self::AwaitExit { until } | Self::Killed { until } => Some(until),
            Self::AwaitEmpty { until } => until,
        }
    }
}
