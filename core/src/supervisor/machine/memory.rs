//! How much memory it may hold: asked for at intervals, warned of once per crossing, restarted above the limit
//! (compat C-79).

use crate::id::Pid;
use crate::report::{Change, StartReason};
use crate::time::Instant;

use super::{Action, Machine, State, Want};

/// What a machine remembers of its process's memory.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Watch {
    /// When to look again; `None` while nobody watches or a look is under way.
    next_at: Option<Instant>,
    is_above_warning: bool,
    /// Whether the stop that is under way is for its memory.
    ends_it: bool,
}

impl Machine {
    /// A new start: the old one's memory is gone.
    pub(super) fn begin_watching_memory(&mut self, now: Instant) {
        let next_at = self.spec.memory.map(|memory| now + memory.check_interval);
        self.memory = Watch { next_at, ..Watch::default() };
    }

    /// When to look, while it runs.
    pub(super) fn next_sample(&self) -> Option<Instant> {
        matches!(self.state, State::Running { .. }).then_some(self.memory.next_at).flatten()
    }

    pub(super) fn sample_if_due(&mut self, now: Instant) -> Vec<Action> {
        if self.next_sample().is_none_or(|at| at > now) {
            return Vec::new();
        }
        self.memory.next_at = None;
        vec![Action::SampleMemory]
    }

    /// `None`: nothing is known, as where there is no `/proc`.
    pub(super) fn sampled(&mut self, pid: Pid, ready: bool, rss: Option<u64>, now: Instant) -> Vec<Action> {
        let Some(memory) = self.spec.memory else { return Vec::new() };
        self.memory.next_at = Some(now + memory.check_interval);
        let Some(rss_bytes) = rss else { return Vec::new() };
        let (limit_bytes, warn_bytes) = (memory.limit_bytes, memory.warn_bytes);
        if rss_bytes > limit_bytes {
            let told = Action::Tell(Change::MemoryExceeded { pid, rss_bytes, limit_bytes });
            return std::iter::once(told).chain(self.stop_for_memory(pid, ready, now)).collect();
        }
        let is_above = warn_bytes > 0 && rss_bytes > warn_bytes;
        let was_above = std::mem::replace(&mut self.memory.is_above_warning, is_above);
        match is_above && !was_above {
            true => vec![Action::Tell(Change::MemoryWarned { rss_bytes, warn_bytes })],
            false => Vec::new(),
        }
    }

    fn stop_for_memory(&mut self, pid: Pid, ready: bool, now: Instant) -> Vec<Action> {
        self.want = Want::Up(StartReason::Memory);
        self.memory.ends_it = true;
        self.begin_stop(pid, ready, now)
    }

    /// What is stopped for its memory is not to come back, but for that a quiet needs nothing more.
    pub(super) fn quiet_stopping(&mut self) -> Vec<Action> {
        if self.memory.ends_it {
            self.want = Want::Down;
        }
        Vec::new()
    }

    /// What follows the stop that has just ended, if it was for its memory and nobody else asked for it.
    ///
    /// A process that was never ready is not started again: its start has failed.
    pub(super) fn finish_memory_stop(&mut self, now: Instant) -> Option<Vec<Action>> {
        match (std::mem::take(&mut self.memory.ends_it), self.want) {
            (false, _) | (true, Want::Down) => None,
            (true, Want::Up(StartReason::Memory)) if !self.proven || !self.restarts_allowed => {
                self.want = Want::Down;
                Some(vec![Action::Tell(Change::EndedForMemory(self.stop_report))])
            }
            (true, Want::Up(reason)) => Some(self.start_alone(reason, now)),
        }
    }
}
