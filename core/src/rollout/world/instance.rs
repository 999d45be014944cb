//! One instance, as its supervisor last told.

use std::sync::Arc;

use crate::exit::Exit;
use crate::id::{Generation, InstanceId, ReleaseId};
use crate::report::{AfterExit, Change, ProcessState, StartReason};
use crate::spec::{Address, RunSpec};
use crate::time::Instant;

/// Whom an instance lives and dies with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    /// With this release.
    Release(Generation),
    /// With the engine.
    Service,
    /// With the engine, until a rollout replaces it.
    Singleton,
}

/// One replica of a process.
#[derive(Clone, Debug)]
pub struct Instance {
    /// Its name.
    pub id: InstanceId,
    /// Whom it lives and dies with.
    pub owner: Owner,
    /// The release that its definition was made for.
    pub release: ReleaseId,
    /// What its next start runs.
    pub run: Arc<RunSpec>,
    /// How it is.
    pub state: ProcessState,
    /// Its last successful start.
    pub started_at: Option<Instant>,
    /// Why it was started last.
    pub last_reason: Option<StartReason>,
    /// How it ended last.
    pub last_exit: Option<Exit>,
    /// How often it was started again by itself.
    pub restarts: u32,
    /// How often it was restarted for its memory.
    pub memory_restarts: u32,
    /// When it was restarted for its memory last.
    pub last_memory_restart_at: Option<Instant>,
    /// Processes of it that even SIGKILL did not end.
    pub survivors: u32,
    /// Whether it was asked to stop and has not told yet that it is gone.
    pub is_being_stopped: bool,
    /// Whether it was asked to take no more work.
    pub is_quieted: bool,
    /// The port or socket of a singleton, which may outlive the release that leased it.
    pub(super) leased: Option<Address>,
}

impl Instance {
    pub(super) fn new(id: InstanceId, owner: Owner, release: ReleaseId, run: RunSpec) -> Self {
        Self {
            id,
            owner,
            release,
            run: Arc::new(run),
            state: ProcessState::NEW,
            started_at: None,
            last_reason: None,
            last_exit: None,
            restarts: 0,
            memory_restarts: 0,
            last_memory_restart_at: None,
            survivors: 0,
            is_being_stopped: false,
            is_quieted: false,
            leased: None,
        }
    }

    /// Whether its supervisor is keeping it up.
    #[must_use]
    pub fn is_kept_up(&self) -> bool {
        matches!(
            self.state,
            ProcessState::Running { .. } | ProcessState::Starting | ProcessState::Backoff { .. }
        )
    }

    /// Whether it is down and stays down.
    #[must_use]
    pub fn is_dead(&self) -> bool {
        matches!(self.state, ProcessState::Failed { .. } | ProcessState::Stopped { .. })
    }

    /// Whether anything of it may be left in the system.
    #[must_use]
    pub fn may_live(&self) -> bool {
        self.survivors > 0
            || matches!(
                self.state,
                ProcessState::Running { .. } | ProcessState::Starting | ProcessState::Stopping { .. }
            )
    }

    pub(super) fn apply(&mut self, change: &Change, now: Instant) {
        self.apply_memory(change, now);
        match change {
            Change::Started { pid, reason } => {
                self.restarts += u32::from(*reason == StartReason::Crash);
                self.last_reason = Some(*reason);
                self.started_at = Some(now);
                self.last_exit = None;
                self.survivors = 0;
                self.state = match self.is_being_stopped || self.is_quieted {
                    true => ProcessState::Stopping { pid: *pid },
                    false => ProcessState::Running { pid: *pid, since: now, ready: false },
                };
            }
            Change::NotStarted { .. } => self.state = ProcessState::Failed { exit: None },
            Change::BecameReady => {
                if let ProcessState::Running { ready, .. } = &mut self.state {
                    *ready = true;
                }
            }
            Change::Exited { exit, then, .. } => {
                self.last_exit = Some(*exit);
                self.state = match then {
                    AfterExit::Restart { at } => ProcessState::Backoff { exit: *exit, until: *at },
                    AfterExit::LimitReached { .. } | AfterExit::Stays => self.down(*exit),
                };
            }
            Change::Stopped(report) => {
                self.last_exit = report.exit.or(self.last_exit);
                self.survivors = report.survivors;
                self.is_being_stopped = false;
                self.is_quieted = false;
                self.state = ProcessState::Stopped { last_exit: self.last_exit };
            }
            Change::SurvivorsEnded => self.survivors = 0,
            Change::Quieted
            | Change::StopTimedOut { .. }
            | Change::HookFailed { .. }
            | Change::MemoryWarned { .. }
            | Change::MemoryExceeded { .. }
            | Change::EndedForMemory(_) => {}
        }
    }

    /// A restart counts when it is tried (compat C-79).
    fn apply_memory(&mut self, change: &Change, now: Instant) {
        match change {
            Change::Started { reason: StartReason::Memory, .. }
            | Change::NotStarted { reason: StartReason::Memory, .. } => {
                self.memory_restarts += 1;
                self.last_memory_restart_at = Some(now);
            }
            Change::MemoryExceeded { pid, .. } => self.state = ProcessState::Stopping { pid: *pid },
            Change::EndedForMemory(report) => {
                self.last_exit = report.exit.or(self.last_exit);
                self.survivors = report.survivors;
                // The answer to a stop or a quiet that crossed it is still to come.
                if !self.is_being_stopped && !self.is_quieted {
                    self.state = ProcessState::Stopped { last_exit: self.last_exit };
                }
            }
            _ => {}
        }
    }

    /// A stop is not over with its leader: whatever else is in the group is still being stopped.
    fn down(&self, exit: Exit) -> ProcessState {
        match self.state {
            ProcessState::Stopping { pid } => ProcessState::Stopping { pid },
            _ => ProcessState::Failed { exit: Some(exit) },
        }
    }

    /// Whether there is something to stop, or it is being stopped already.
    pub(super) fn needs_stop(&self) -> bool {
        self.is_being_stopped || self.survivors > 0 || !matches!(self.state, ProcessState::Stopped { .. })
    }

    pub(super) fn begin_quiet(&mut self) {
        self.is_quieted = true;
        self.leave_running();
    }

    pub(super) fn begin_stop(&mut self) {
        self.is_being_stopped = true;
        self.leave_running();
    }

    fn leave_running(&mut self) {
        if let ProcessState::Running { pid, .. } = self.state {
            self.state = ProcessState::Stopping { pid };
        }
    }
}
