//! What the proxy is told beside where requests go: how the process behind it is, and that nobody may pass.

use std::time::Duration;

use crate::event::Event;
use crate::id::{Generation, InstanceKey, OpId};
use crate::report::{BackendState, ProcessState};
use crate::rollout::command::{Action, Answer};

use super::{Instance, World};

/// Traffic that somebody has paused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pause {
    /// Which pause it is: the time of an earlier one means nothing.
    number: u64,
}

impl World {
    /// Whether requests wait because somebody wants it so.
    #[must_use]
    pub fn is_paused(&self) -> bool {
        self.pause.is_some()
    }

    /// How the process behind the proxy is, as the proxy was told; `None` without an active release.
    #[must_use]
    pub fn backend(&self) -> Option<BackendState> {
        let key = self.proxied_of(self.active?)?;
        Some(self.instances[&key].backend_state())
    }

    /// A pause during a pause begins its time anew. It goes on through deploys: what is active when it ends gets the
    /// requests.
    pub(super) fn begin_pause(&mut self, op: OpId, timeout: Option<Duration>) {
        self.pauses += 1;
        let number = self.pauses;
        self.pause = Some(Pause { number });
        self.actions.push(Action::PauseTraffic { number, timeout });
        self.record(Event::TrafficPaused { timeout });
        self.answer(op, Answer::TrafficPaused);
    }

    /// Resuming what flows is no mistake: its time may just have been up.
    pub(super) fn end_pause(&mut self, op: OpId) {
        self.resume_traffic(false);
        self.answer(op, Answer::TrafficResumed);
    }

    pub(super) fn pause_timed_out(&mut self, number: u64) {
        if self.pause == Some(Pause { number }) {
            self.resume_traffic(true);
        }
    }

    /// Also before an end that gives requests time: nobody could resume it then.
    pub(super) fn resume_traffic(&mut self, timed_out: bool) {
        if self.pause.take().is_some() {
            self.actions.push(Action::ResumeTraffic);
            self.record(Event::TrafficResumed { timed_out });
        }
    }

    pub(super) fn proxied_of(&self, generation: Generation) -> Option<InstanceKey> {
        let proxied = &self.releases.get(&generation)?.application.proxied().id;
        self.instances_of(generation).into_iter().find(|key| self.instances[key].id.process() == proxied)
    }

    /// What an instance was before, if the proxy is to hear of it when it changes.
    pub(super) fn backend_before(&self, key: InstanceKey) -> Option<BackendState> {
        let is_backend = self.active.and_then(|active| self.proxied_of(active)) == Some(key);
        is_backend.then(|| self.instances[&key].backend_state())
    }

    /// Tells the proxy how its backend is, if that has changed.
    pub(super) fn tell_proxy(&mut self, before: Option<BackendState>) {
        let (Some(before), Some(generation), Some(state)) = (before, self.active, self.backend()) else {
            return;
        };
        if before != state {
            self.actions.push(Action::BackendIs { generation, state });
        }
    }

    /// After a switch the proxy takes the backend to run; it may have ended meanwhile.
    pub(super) fn tell_proxy_after_switch(&mut self) {
        self.tell_proxy(Some(BackendState::Running));
    }
}

impl Instance {
    /// How it is as a backend.
    fn backend_state(&self) -> BackendState {
        match self.state {
            ProcessState::Running { .. } => BackendState::Running,
            ProcessState::Starting | ProcessState::Backoff { .. } => BackendState::Restarting,
            // For its memory; it will be started again.
            ProcessState::Stopping { .. } if !self.is_being_stopped && !self.is_quieted => {
                BackendState::Ending
            }
            ProcessState::Stopping { .. } | ProcessState::Stopped { .. } | ProcessState::Failed { .. } => {
                BackendState::GivenUp
            }
        }
    }
}
