//! A singleton makes room for the one of the new release, and comes back when that fails (compat C-120).

use crate::id::{Generation, InstanceId, InstanceKey, ProcessId};
use crate::report::{Change, StartReason};

use super::release::survivors_failure;
use super::rollout::{Displaced, Progress, Rollout, WaitsFor};
use super::{Owner, World};

impl World {
    /// The old instance goes completely before the new one comes (compat C-120).
    pub(super) fn replace_singleton(&mut self, rollout: &mut Rollout, id: &ProcessId) -> Progress {
        let old = self.singletons.get(id).copied();
        let displaced = old.and_then(|key| {
            let was_kept_up = self.instances.get(&key)?.is_kept_up();
            Some(Displaced { key, was_kept_up })
        });
        rollout.displaced.insert(id.clone(), displaced);
        match displaced {
            Some(Displaced { key, .. }) if self.stop_instance(key) => {
                Progress::Waits(WaitsFor::OldSingleton(id.clone(), key))
            }
            Some(_) | None => self.start_singleton(rollout.generation, id),
        }
    }

    pub(super) fn old_singleton_told(
        &mut self,
        rollout: &Rollout,
        id: &ProcessId,
        change: &Change,
    ) -> Option<Progress> {
        match change {
            Change::Stopped(report) if report.is_clean() => {
                Some(self.start_singleton(rollout.generation, id))
            }
            Change::Stopped(report) => Some(Progress::Fails(survivors_failure(id, report.survivors))),
            _ => None,
        }
    }

    fn start_singleton(&mut self, generation: Generation, id: &ProcessId) -> Progress {
        let instance = InstanceId::only(id.clone());
        self.start_new(generation, &instance, Owner::Singleton, |world, key| {
            world.singletons.insert(id.clone(), key);
            let address = world.release_mut(generation).leased.remove(id);
            world.instances.entry(key).and_modify(|instance| instance.leased = address);
        })
    }

    pub(super) fn restore_singleton(&mut self, rollout: &Rollout, id: &ProcessId) -> Progress {
        let Some(displaced) = rollout.displaced.get(id) else { return Progress::Done };
        let current = self.singletons.get(id).copied();
        match current.filter(|key| displaced.is_none_or(|displaced| displaced.key != *key)) {
            Some(new) if self.stop_instance(new) => Progress::Waits(WaitsFor::NewSingleton(id.clone(), new)),
            Some(_) => self.put_displaced_back(rollout, id),
            None => self.restart_displaced(*displaced),
        }
    }

    pub(super) fn new_singleton_told(
        &mut self,
        rollout: &Rollout,
        id: &ProcessId,
        change: &Change,
    ) -> Option<Progress> {
        let Change::Stopped(report) = change else { return None };
        if !report.is_clean() {
            return Some(Progress::Fails(survivors_failure(id, report.survivors)));
        }
        Some(self.put_displaced_back(rollout, id))
    }

    fn put_displaced_back(&mut self, rollout: &Rollout, id: &ProcessId) -> Progress {
        let displaced = rollout.displaced.get(id).copied().flatten();
        let new = match displaced {
            Some(old) => self.singletons.insert(id.clone(), old.key),
            None => self.singletons.remove(id),
        };
        if let Some(new) = new {
            self.take_lease_back(rollout.generation, id, new);
            self.forget_instance(new);
        }
        self.restart_displaced(displaced)
    }

    fn take_lease_back(&mut self, generation: Generation, id: &ProcessId, singleton: InstanceKey) {
        let address = self.instances.get_mut(&singleton).and_then(|instance| instance.leased.take());
        self.release_mut(generation).leased.extend(address.map(|address| (id.clone(), address)));
    }

    fn restart_displaced(&mut self, displaced: Option<Displaced>) -> Progress {
        match displaced {
            Some(Displaced { key, was_kept_up: true }) => {
                if let Some(old) = self.instances.get(&key).filter(|old| old.survivors > 0) {
                    return Progress::Fails(survivors_failure(&old.id, old.survivors));
                }
                self.start(key, StartReason::Deploy);
                Progress::Waits(WaitsFor::Started(key))
            }
            Some(_) | None => Progress::Done,
        }
    }
}
