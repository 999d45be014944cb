//! The way down: quiet, drain, stop, kill (compat C-64 to C-74).

use std::time::Duration;

use crate::exit::Exit;
use crate::id::Pid;
use crate::report::{AfterExit, Change, HookProblem, StartReason, StopReport};
use crate::spec::{KillAfter, StopWith};
use crate::time::Instant;

use super::{Action, Hook, HookEnd, KILL_TIMEOUT, Machine, Phase, State, Want};

/// How long a quiet or stop hook may take when the process itself may take for ever (compat C-70).
const HOOK_TIMEOUT: Duration = Duration::from_secs(30);

impl Machine {
    pub(super) fn stop_running(&mut self, pid: Pid, ready: bool, now: Instant) -> Vec<Action> {
        self.want = Want::Down;
        self.begin_stop(pid, ready, now)
    }

    pub(super) fn quiet_running(&mut self, pid: Pid, ready: bool, now: Instant) -> Vec<Action> {
        self.holds = true;
        self.stop_running(pid, ready, now)
    }

    /// A stop of what is quieted goes on where the quiet ended.
    pub(super) fn stop_stopping(&mut self, phase: Phase, now: Instant) -> Vec<Action> {
        self.want = Want::Down;
        self.let_go_on(phase, now)
    }

    /// The way to a new start leads over the end of this stop.
    pub(super) fn start_when_stopped(
        &mut self,
        phase: Phase,
        reason: StartReason,
        now: Instant,
    ) -> Vec<Action> {
        self.want = Want::Up(reason);
        self.let_go_on(phase, now)
    }

    fn let_go_on(&mut self, phase: Phase, now: Instant) -> Vec<Action> {
        self.holds = false;
        match phase {
            Phase::Quieted => self.drain(now),
            _ => Vec::new(),
        }
    }

    /// Nothing, or what outlived an earlier SIGKILL.
    pub(super) fn stop_what_is_left(&mut self, now: Instant) -> Vec<Action> {
        self.want = Want::Down;
        let Some(pid) = self.left.take() else {
            self.stop_report = StopReport::default();
            return self.finish_stop(0, now);
        };
        self.stop_report = StopReport { killed: true, ..StopReport::default() };
        self.state =
            State::Stopping { pid, ready: false, phase: Phase::Killed { until: now + KILL_TIMEOUT } };
        vec![Action::Kill, Action::WatchGroup]
    }

    pub(super) fn stop_clearing(&mut self, pid: Pid, until: Instant) -> Vec<Action> {
        self.want = Want::Down;
        self.stop_report = StopReport::default();
        self.state = State::Stopping { pid, ready: false, phase: Phase::Killed { until } };
        Vec::new()
    }

    pub(super) fn begin_stop(&mut self, pid: Pid, ready: bool, now: Instant) -> Vec<Action> {
        self.group_empty = false;
        self.survivors = 0;
        self.stop_report = StopReport::default();
        self.state = State::Stopping { pid, ready, phase: Phase::RunHook(Hook::Quiet) };
        let first = match self.spec.stop.hooks.quiet.clone() {
            Some(command) => self.run_hook(Hook::Quiet, command),
            None => self.quieted(now),
        };
        std::iter::once(Action::WatchGroup).chain(first).collect()
    }

    fn quieted(&mut self, now: Instant) -> Vec<Action> {
        if !self.holds {
            return self.drain(now);
        }
        self.enter(Phase::Quieted);
        vec![Action::Tell(Change::Quieted)]
    }

    pub(super) fn drain(&mut self, now: Instant) -> Vec<Action> {
        let budget = self.spec.stop.drain_timeout;
        match self.spec.stop.hooks.drain.clone() {
            _ if budget.is_zero() => self.terminate(now),
            Some(command) => self.run_hook(Hook::Drain, command),
            // Only the group is left: its leader was what could have told that the work is done.
            None if self.last_exit.is_some() => self.terminate(now),
            None => self.enter(Phase::AwaitExit { until: now + budget }),
        }
    }

    pub(super) fn terminate(&mut self, now: Instant) -> Vec<Action> {
        match self.spec.stop.with.clone() {
            StopWith::Run(command) => self.run_hook(Hook::Stop, command),
            StopWith::Signal(signal) => {
                self.await_empty(now);
                vec![Action::Signal(signal)]
            }
        }
    }

    pub(super) fn await_empty(&mut self, now: Instant) -> Vec<Action> {
        self.enter(Phase::AwaitEmpty {
            until: match self.spec.stop.kill_after {
                KillAfter::Grace(grace) => Some(now + grace),
                KillAfter::Never => None,
            },
        })
    }

    pub(super) fn kill(&mut self, pid: Pid, now: Instant) -> Vec<Action> {
        self.stop_report.killed = true;
        self.enter(Phase::Killed { until: now + KILL_TIMEOUT });
        vec![Action::Kill, Action::Tell(Change::StopTimedOut { pid })]
    }

    pub(super) fn finish_stop(&mut self, survivors: u32, now: Instant) -> Vec<Action> {
        self.left = self.group().filter(|_| survivors > 0);
        self.holds = false;
        self.state = State::Stopped;
        self.stop_report.survivors = survivors;
        self.stop_report.killed |= survivors > 0;
        if let Some(actions) = self.finish_memory_stop(now) {
            return actions;
        }
        let mut actions = vec![Action::Tell(Change::Stopped(self.stop_report))];
        if let Want::Up(reason) = self.want {
            actions.extend(self.start_alone(reason, now));
        }
        actions
    }

    pub(super) fn exited_as_asked(
        &mut self,
        exit: Exit,
        was_ready: bool,
        phase: Phase,
        now: Instant,
    ) -> Vec<Action> {
        self.last_exit = Some(exit);
        self.stop_report.exit = Some(exit);
        let mut actions = vec![Action::Tell(Change::Exited { exit, was_ready, then: AfterExit::Stays })];
        if let Phase::AwaitExit { .. } = phase {
            actions.extend(self.terminate(now));
        }
        actions
    }

    pub(super) fn stop_time_up(&mut self, phase: Phase, pid: Pid, now: Instant) -> Vec<Action> {
        match phase {
            Phase::AwaitExit { .. } => self.terminate(now),
            Phase::AwaitEmpty { .. } => self.kill(pid, now),
            Phase::Killed { .. } => self.finish_stop(self.survivors.max(1), now),
            Phase::RunHook(_) | Phase::Quieted => Vec::new(),
        }
    }

    pub(super) fn run_hook(&mut self, hook: Hook, command: String) -> Vec<Action> {
        self.enter(Phase::RunHook(hook));
        vec![Action::RunHook { hook, command, time_limit: self.time_limit(hook) }]
    }

    pub(super) fn time_limit(&self, hook: Hook) -> Duration {
        match (hook, self.spec.stop.kill_after) {
            (Hook::Drain, _) => self.spec.stop.drain_timeout,
            (Hook::Quiet | Hook::Stop, KillAfter::Grace(grace)) => grace,
            (Hook::Quiet | Hook::Stop, KillAfter::Never) => HOOK_TIMEOUT,
        }
    }

    pub(super) fn hook_ended(&mut self, hook: Hook, end: HookEnd, now: Instant) -> Vec<Action> {
        let problem = match end {
            HookEnd::Exited(Exit::Code(0)) => None,
            HookEnd::Exited(exit) => Some(HookProblem::Exited(exit)),
            HookEnd::TimedOut => Some(HookProblem::TimedOut { timeout: self.time_limit(hook) }),
            HookEnd::NotStarted(error) => Some(HookProblem::NotStarted(error)),
        };
        let told = problem.map(|problem| Action::Tell(Change::HookFailed { hook: hook.label(), problem }));
        let next = match hook {
            _ if self.group_empty => self.finish_stop(0, now),
            Hook::Quiet => self.quieted(now),
            Hook::Drain => self.terminate(now),
            Hook::Stop => self.await_empty(now),
        };
        told.into_iter().chain(next).collect()
    }

    pub(super) fn enter(&mut self, next: Phase) -> Vec<Action> {
        if let State::Stopping { phase, .. } = &mut self.state {
            *phase = next;
        }
        Vec::new()
    }
}
