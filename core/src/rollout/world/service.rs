//! The persistent services: started once, revived when they are dead, refreshed by each release (compat C-114, C-119).

use std::sync::Arc;

use crate::id::{InstanceId, InstanceKey, ProcessId};
use crate::report::StartReason;

use super::rollout::{Definition, Laid, Progress, Rollout, WaitsFor};
use super::steps::process_of;
use super::{Owner, Service, World};

impl World {
    /// Whether a deploy leaves this service alone (compat C-114): it runs, or comes back by itself.
    pub(super) fn is_looked_after(&self, service: &Service) -> bool {
        self.instances.get(&service.key).is_some_and(|instance| !instance.is_dead())
    }

    pub(super) fn start_service(&mut self, rollout: &mut Rollout, id: &ProcessId) -> Progress {
        if let Some(dead) = self.services.get(id) {
            return self.revive_service(rollout, id, dead.key);
        }
        let instance = InstanceId::only(id.clone());
        self.start_new(rollout.generation, &instance, Owner::Service, |world, key| {
            let address = rollout.leased.get(id).cloned();
            world.services.insert(id.clone(), Service { key, address });
            rollout.services_started.insert(id.clone());
        })
    }

    /// One that has given up is started again, as the new release defines it and on the port it has.
    fn revive_service(&mut self, rollout: &mut Rollout, id: &ProcessId, key: InstanceKey) -> Progress {
        let release = &self.releases[&rollout.generation];
        let process = process_of(&release.application.processes, id);
        let run = release.context(&self.host_env).run_spec(process, &InstanceId::only(id.clone()));
        let definition = match run {
            Ok(run) => Definition { run: Arc::new(run), release: release.id.clone() },
            Err(failure) => return Progress::Fails(failure),
        };
        let dead = &self.instances[&key];
        let (state, last_exit) = (dead.state, dead.last_exit);
        if let Some(definition) = self.redefine(key, definition) {
            rollout.services_revived.insert(id.clone(), Laid { definition, state, last_exit });
        }
        self.start(key, StartReason::Deploy);
        Progress::Waits(WaitsFor::Started(key))
    }

    pub(super) fn stop_service(&mut self, rollout: &mut Rollout, id: &ProcessId) -> Progress {
        let is_ours = rollout.services_started.contains(id) || rollout.services_revived.contains_key(id);
        match self.services.get(id).map(|service| service.key).filter(|_| is_ours) {
            Some(key) if self.stop_instance(key) => Progress::Waits(WaitsFor::Gone(key)),
            Some(key) => {
                self.service_gone(rollout, key);
                Progress::Done
            }
            None => Progress::Done,
        }
    }

    /// One that this rollout started is forgotten; one that it revived is as dead as it was.
    pub(super) fn service_gone(&mut self, rollout: &mut Rollout, key: InstanceKey) {
        let Some(id) = self.services.iter().find(|(_, service)| service.key == key).map(|(id, _)| id.clone())
        else {
            return;
        };
        let Some(Laid { definition, state, last_exit }) = rollout.services_revived.remove(&id) else {
            self.services.remove(&id);
            return self.forget_instance(key);
        };
        self.redefine(key, definition);
        if let Some(instance) = self.instances.get_mut(&key) {
            instance.state = state;
            instance.last_exit = last_exit;
        }
    }

    /// The next restart of each persistent service runs what the new release says (compat C-119).
    pub(super) fn refresh_services(&mut self, rollout: &mut Rollout) -> Progress {
        let release = &self.releases[&rollout.generation];
        let context = release.context(&self.host_env);
        let mut refreshed = Vec::new();
        for (id, service) in &self.services {
            let Some(process) = release.application.processes.iter().find(|process| process.id == *id) else {
                continue;
            };
            match context.run_spec(process, &InstanceId::only(id.clone())) {
                Ok(run) => refreshed.push((id.clone(), service.key, Arc::new(run))),
                Err(failure) => return Progress::Fails(failure),
            }
        }
        let release = release.id.clone();
        for (id, key, run) in refreshed {
            let before = self.redefine(key, Definition { run, release: release.clone() });
            rollout.services_refreshed.extend(before.map(|before| (id, before)));
        }
        Progress::Done
    }

    pub(super) fn restore_services(&mut self, rollout: &mut Rollout) -> Progress {
        for (id, before) in std::mem::take(&mut rollout.services_refreshed) {
            if let Some(key) = self.services.get(&id).map(|service| service.key) {
                self.redefine(key, before);
            }
        }
        Progress::Done
    }
}
