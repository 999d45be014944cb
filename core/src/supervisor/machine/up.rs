//! The way up: start, become ready, crash, come back.

use crate::exit::Exit;
use crate::id::Pid;
use crate::report::{AfterExit, Change, StartReason, StopReport};
use crate::restart::RestartDecision;
use crate::spec::Readiness;
use crate::time::Instant;

use super::{Action, KILL_TIMEOUT, Machine, State, Then, Want};

impl Machine {
    /// What a rollout starts has to show that it can run. What is started again by hand has shown it before, and is
    /// kept up as ever (compat C-75).
    pub(super) fn start(&mut self, reason: StartReason) -> Vec<Action> {
        self.want = Want::Up(reason);
        self.proven = reason != StartReason::Deploy && self.ever_ready;
        self.spawn(reason)
    }

    /// What outlived the last start goes first.
    pub(super) fn start_alone(&mut self, reason: StartReason, now: Instant) -> Vec<Action> {
        let Some(pid) = self.left.take() else { return self.start(reason) };
        self.want = Want::Up(reason);
        let exit = self.last_exit.unwrap_or(Exit::Unknown);
        self.state = State::Clearing { pid, exit, until: now + KILL_TIMEOUT, then: Then::Start(reason) };
        vec![Action::Kill, Action::WatchGroup]
    }

    pub(super) fn restart(&mut self) -> Vec<Action> {
        self.restarts = self.restarts.saturating_add(1);
        self.spawn(StartReason::Crash)
    }

    pub(super) fn spawn(&mut self, reason: StartReason) -> Vec<Action> {
        if let Some(spec) = self.next_spec.take() {
            self.spec = *spec;
        }
        self.last_exit = None;
        self.state = State::Starting { reason, stop_asked: false };
        vec![Action::Spawn]
    }

    pub(super) fn begin(
        &mut self,
        pid: Pid,
        reason: StartReason,
        stop_asked: bool,
        now: Instant,
    ) -> Vec<Action> {
        self.started_at = Some(now);
        self.last_reason = Some(reason);
        self.begin_watching_memory(now);
        self.state = State::Running { pid, since: now, ready: false };
        let mut actions = vec![Action::Tell(Change::Started { pid, reason })];
        let is_ready = match self.spec.readiness {
            Readiness::WhenSpawned => true,
            Readiness::AfterUptime(uptime) => uptime.is_zero(),
            Readiness::WhenConfirmed => false,
        };
        match (stop_asked, is_ready) {
            (true, _) => actions.extend(self.begin_stop(pid, false, now)),
            (false, true) => actions.extend(self.become_ready()),
            (false, false) => {}
        }
        actions
    }

    pub(super) fn fail(
        &mut self,
        reason: StartReason,
        stop_asked: bool,
        error: String,
        now: Instant,
    ) -> Vec<Action> {
        self.state = State::Failed;
        let mut actions = vec![Action::Tell(Change::NotStarted { reason, error })];
        if stop_asked {
            self.stop_report = StopReport::default();
            actions.extend(self.finish_stop(0, now));
        }
        actions
    }

    pub(super) fn become_ready(&mut self) -> Vec<Action> {
        self.proven = true;
        self.ever_ready = true;
        if let State::Running { ready, .. } = &mut self.state {
            *ready = true;
        }
        vec![Action::Tell(Change::BecameReady)]
    }

    pub(super) fn crash(&mut self, pid: Pid, exit: Exit, was_ready: bool, now: Instant) -> Vec<Action> {
        self.last_exit = Some(exit);
        self.survivors = 0;
        let then = self.after_crash(now);
        let next = match then {
            AfterExit::Restart { at } => Then::Restart { at },
            AfterExit::LimitReached { .. } | AfterExit::Stays => Then::Stay,
        };
        self.state = State::Clearing { pid, exit, until: now + KILL_TIMEOUT, then: next };
        // Nothing of the old start may live beside the new one, nor outlive a failed one.
        vec![Action::Kill, Action::WatchGroup, Action::Tell(Change::Exited { exit, was_ready, then })]
    }

    pub(super) fn after_crash(&mut self, now: Instant) -> AfterExit {
        if !self.proven || !self.restarts_allowed {
            return AfterExit::Stays;
        }
        match self.spec.restart.decide(&mut self.history, now) {
            RestartDecision::RestartAfter(delay) => AfterExit::Restart { at: now + delay },
            RestartDecision::GiveUp(limit) => {
                AfterExit::LimitReached { max_restarts: limit.max_restarts, window: limit.window }
            }
        }
    }

    pub(super) fn cleared(&mut self, exit: Exit, then: Then, now: Instant) -> Vec<Action> {
        match then {
            Then::Restart { at } if at <= now => self.restart(),
            Then::Restart { at } => {
                self.state = State::Backoff { exit, until: at };
                Vec::new()
            }
            Then::Start(reason) => self.start(reason),
            Then::Stay => {
                self.state = State::Failed;
                Vec::new()
            }
        }
    }

    pub(super) fn not_cleared(&mut self, pid: Pid, then: Then) -> Vec<Action> {
        self.state = State::Failed;
        self.left = Some(pid);
        let reason = match then {
            Then::Stay => return Vec::new(),
            Then::Restart { .. } => StartReason::Crash,
            Then::Start(reason) => reason,
        };
        let survivors = self.survivors.max(1);
        let error = format!("{survivors} of the last start survived SIGKILL for {KILL_TIMEOUT:?}");
        vec![Action::Tell(Change::NotStarted { reason, error })]
    }
}
