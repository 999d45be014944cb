//! The undos of a rollout, one function each. Each copes with a step that was only half done, or not begun.

use crate::event::Event;
use crate::id::{InstanceId, InstanceKey};
use crate::report::Change;
use crate::rollout::Failure;
use crate::rollout::command::Action;
use crate::step::Undo;
use crate::time::Instant;

use super::World;
use super::release::{ReleaseState, survivors_failure};
use super::rollout::{Progress, Rollout, WaitsFor};

impl World {
    pub(super) fn begin_undo(&mut self, rollout: &mut Rollout, undo: &Undo, now: Instant) -> Progress {
        match undo {
            Undo::Nothing => Progress::Done,
            Undo::ReturnPorts => self.return_ports(rollout),
            Undo::StopService(id) => self.stop_service(rollout, id),
            Undo::Stop(id) => self.stop_started(rollout, id),
            Undo::SwitchBack => self.switch_back(rollout, now),
            Undo::RestoreSingleton(id) => self.restore_singleton(rollout, id),
            Undo::RestoreServices => self.restore_services(rollout),
        }
    }

    /// Ports of processes that could not be ended stay leased: they may still hold them.
    fn return_ports(&mut self, rollout: &mut Rollout) -> Progress {
        if self.survivors_of(rollout.generation) == 0 {
            self.release_mut(rollout.generation).leased.clear();
        }
        let held = self.leases();
        let leased = std::mem::take(&mut rollout.leased).into_values();
        let ports: Vec<_> = leased.filter(|address| !held.contains_key(address)).collect();
        if !ports.is_empty() {
            self.actions.push(Action::ReturnPorts(ports));
        }
        Progress::Done
    }

    /// The first one of a release sends all of them on their way, so that they end side by side.
    fn stop_started(&mut self, rollout: &Rollout, id: &InstanceId) -> Progress {
        let Some(key) = self.instance_named(rollout.generation, id) else { return Progress::Done };
        let survivors = self.instances[&key].survivors;
        match survivors {
            0 if self.stop_all(self.instances_of(rollout.generation)).contains(&key) => {
                Progress::Waits(WaitsFor::Gone(key))
            }
            0 => Progress::Done,
            _ => Progress::Fails(survivors_failure(id, survivors)),
        }
    }

    fn switch_back(&mut self, rollout: &Rollout, now: Instant) -> Progress {
        let generation = rollout.generation;
        if self.active != Some(generation) {
            return Progress::Done;
        }
        self.application = rollout.previous_application.clone();
        self.point_traffic_at(rollout.previous);
        let release = self.release_mut(generation);
        release.state = ReleaseState::Starting;
        release.drain_started_at = Some(now);
        release.activated_at = None;
        let undone = release.id.clone();
        let back = rollout.previous.and_then(|previous| self.releases.get_mut(&previous));
        let back = back.map(|release| {
            release.state = ReleaseState::Active;
            release.id.clone()
        });
        self.record(Event::TrafficSwitched { previous: Some(undone), release: back });
        let budget = self.application.proxy.drain_timeout;
        self.actions.push(Action::Drain { generation, budget });
        Progress::Waits(WaitsFor::Drained(generation))
    }

    /// Whether a change of an instance that is being stopped says that it is gone, or never will be.
    pub(super) fn gone(
        &mut self,
        rollout: &mut Rollout,
        key: InstanceKey,
        change: &Change,
    ) -> Option<Progress> {
        match change {
            Change::Stopped(report) if report.is_clean() => {
                self.service_gone(rollout, key);
                Some(Progress::Done)
            }
            Change::Stopped(report) => {
                let id = &self.instances.get(&key)?.id;
                Some(Progress::Fails(survivors_failure(id, report.survivors)))
            }
            _ => None,
        }
    }
}

/// The failure that a shutdown is to whatever it interrupts.
pub(super) fn interrupted() -> Failure {
    Failure::new("shutting_down", "interrupted: the engine is shutting down")
}
