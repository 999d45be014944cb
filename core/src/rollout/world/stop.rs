//! Stopping a release, and stopping an instance.

use std::collections::BTreeSet;

use crate::event::Event;
use crate::id::{Generation, InstanceKey, OpId, ReleaseId};
use crate::report::Change;
use crate::rollout::command::{Action, Answer, Refusal};
use crate::time::Instant;

use super::World;
use super::operation::Operation;
use super::release::{ReleaseState, survivors_failure};

/// A release whose processes are all being stopped.
#[derive(Clone, Debug)]
pub(super) struct Stop {
    op: OpId,
    generation: Generation,
    pub(super) release: ReleaseId,
    waiting: BTreeSet<InstanceKey>,
}

impl Stop {
    pub(super) fn op(&self) -> OpId {
        self.op
    }
}

impl World {
    /// Compat C-138 to C-140: at once, without waiting for connections; services and singletons go on.
    pub(super) fn begin_stop(
        &mut self,
        op: OpId,
        release: Option<&ReleaseId>,
        now: Instant,
    ) -> Result<(), Refusal> {
        let target = match release {
            Some(id) => self.newest_that_runs(id).or_else(|| self.newest(id)),
            None => self.active(),
        };
        let Some(target) = target else {
            let wanted = release.map_or("active", ReleaseId::as_str);
            return Err(Refusal::ReleaseNotFound(wanted.to_owned()));
        };
        let (generation, release) = (target.generation, target.id.clone());
        if self.active == Some(generation) {
            self.point_traffic_at(None);
        }
        self.retirements.remove(&generation);
        if self.releases[&generation].state == ReleaseState::Stopped {
            self.answer(op, Answer::Stopped(release));
            return Ok(());
        }
        let release_now = self.release_mut(generation);
        release_now.state = ReleaseState::Draining;
        release_now.drain_started_at.get_or_insert(now);
        let waiting = self.stop_all(self.instances_of(generation));
        let stop = Stop { op, generation, release, waiting };
        self.go_on_stopping(stop, now);
        Ok(())
    }

    pub(super) fn stop_told(&mut self, mut stop: Stop, key: InstanceKey, change: &Change, now: Instant) {
        if matches!(change, Change::Stopped(_)) {
            stop.waiting.remove(&key);
        }
        self.go_on_stopping(stop, now);
    }

    fn go_on_stopping(&mut self, stop: Stop, now: Instant) {
        if !stop.waiting.is_empty() {
            self.operation = Some(Operation::Stop(stop));
            return;
        }
        let survivors = self.survivors_of(stop.generation);
        self.release_ended(stop.generation, survivors, now);
        if survivors > 0 {
            self.refuse(stop.op, Refusal::Failed(survivors_failure(&stop.release, survivors)));
        } else {
            self.record(Event::ReleaseStopped { release: stop.release.clone() });
            self.answer(stop.op, Answer::Stopped(stop.release));
        }
    }

    /// Stops these side by side; returns those that will tell when they are gone.
    pub(super) fn stop_all(&mut self, keys: Vec<InstanceKey>) -> BTreeSet<InstanceKey> {
        keys.into_iter().filter(|key| self.stop_instance(*key)).collect()
    }

    /// Whether it has to be stopped; if so its supervisor tells when it is gone.
    pub(super) fn stop_instance(&mut self, key: InstanceKey) -> bool {
        let before = self.backend_before(key);
        let Some(instance) = self.instances.get_mut(&key) else { return false };
        if !instance.needs_stop() {
            return false;
        }
        if !instance.is_being_stopped {
            instance.begin_stop();
            self.actions.push(Action::Stop(key));
            self.tell_proxy(before);
        }
        true
    }
}
