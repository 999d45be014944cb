//! Everything an engine looks after, as a value.
//!
//! [`World::handle`] is told what happened and answers what to do; nothing else changes the world. One operation
//! at a time holds the lock (deploy, rollback, stop, restart); draining and retiring go on beside it, and a shutdown
//! goes before everything.

mod events_of;
mod instance;
mod operation;
mod release;
mod restart;
mod retire;
mod retire_owner;
mod rollout;
mod service;
mod shutdown;
mod singleton;
mod startup;
mod steps;
mod stop;
#[cfg(test)]
mod tests;
mod traffic;
mod undo;

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::event::Event;
use crate::id::{Generation, InstanceId, InstanceKey, OpId, ProcessId, ReleaseId};
use crate::report::{Change, ProcessState, StartReason};
use crate::spec::{Address, Application, RunSpec};
use crate::time::Instant;

use super::command::{Action, Answer, Command, Input, Refusal};

pub use instance::{Instance, Owner};
pub use release::{Release, ReleaseState};

use events_of::events_of;
use operation::Operation;
use retire::Retirement;
pub use retire_owner::Ending;
use retire_owner::Leaving;
use shutdown::Shutdown;
use traffic::Pause;

/// The state of one application under one engine.
#[derive(Clone, Debug)]
pub struct World {
    application: Arc<Application>,
    host_env: Arc<BTreeMap<String, String>>,
    releases: BTreeMap<Generation, Release>,
    instances: BTreeMap<InstanceKey, Instance>,
    services: BTreeMap<ProcessId, Service>,
    singletons: BTreeMap<ProcessId, InstanceKey>,
    active: Option<Generation>,
    operation: Option<Operation>,
    retirements: BTreeMap<Generation, Retirement>,
    leaving: Option<Leaving>,
    pause: Option<Pause>,
    pauses: u64,
    shutdown: Option<Shutdown>,
    generations: u64,
    keys: u64,
    actions: Vec<Action>,
}

/// A persistent service: started once, outlives releases.
#[derive(Clone, Debug)]
pub(super) struct Service {
    pub(super) key: InstanceKey,
    pub(super) address: Option<Address>,
}

impl World {
    /// Nothing runs yet. `host_env` is what `{{env.NAME}}` stands for.
    #[must_use]
    pub fn new(application: Arc<Application>, host_env: BTreeMap<String, String>) -> Self {
        Self {
            application,
            host_env: Arc::new(host_env),
            releases: BTreeMap::new(),
            instances: BTreeMap::new(),
            services: BTreeMap::new(),
            singletons: BTreeMap::new(),
            active: None,
            operation: None,
            retirements: BTreeMap::new(),
            leaving: None,
            pause: None,
            pauses: 0,
            shutdown: None,
            generations: 0,
            keys: 0,
            actions: Vec::new(),
        }
    }

    /// Takes in what happened, and says what to do about it.
    ///
    /// What comes too late (the answer of a probe that was cancelled, a drain of a release that was stopped
    /// meanwhile) changes nothing.
    #[must_use = "the actions are to be carried out"]
    pub fn handle(&mut self, input: Input, now: Instant) -> Vec<Action> {
        match input {
            Input::Asked { op, command } => self.asked(op, command, now),
            Input::PortsLeased { generation, result } => self.ports_leased(generation, result),
            Input::Told { key, change, tail } => self.told(key, &change, &tail, now),
            Input::ProbeEnded { key, result } => self.probe_ended(key, result),
            Input::Drained { generation, report } => self.drained(generation, report, now),
            Input::PauseTimedOut { number } => self.pause_timed_out(number),
            Input::AcceptingStopped => self.accepting_stopped(),
            Input::ProxyClosed { report } => self.proxy_closed(report),
        }
        self.proceed(now);
        std::mem::take(&mut self.actions)
    }

    fn asked(&mut self, op: OpId, command: Command, now: Instant) {
        let refusal = match (&self.operation, &command) {
            (_, Command::Shutdown | Command::DrainThenShutdown) => None,
            _ if self.is_shutting_down() => Some(Refusal::ShuttingDown),
            // Neither touches what an operation does.
            (_, Command::Pause { .. } | Command::Resume) => None,
            (_, Command::RetireOwner { .. }) | (None, _) => None,
            (Some(operation), _) => Some(Refusal::Busy { holder: self.holder(operation) }),
        };
        let begun = match (refusal, command) {
            (Some(refusal), _) => Err(refusal),
            (None, Command::Deploy(request)) => self.begin_deploy(op, request),
            (None, Command::Rollback { to, application }) => self.begin_rollback(op, &to, application),
            (None, Command::Stop(release)) => self.begin_stop(op, release.as_ref(), now),
            (None, Command::Restart(selection)) => self.begin_restart(op, &selection),
            (None, Command::Pause { timeout }) => {
                self.begin_pause(op, timeout);
                Ok(())
            }
            (None, Command::Resume) => {
                self.end_pause(op);
                Ok(())
            }
            (None, Command::Shutdown) => {
                self.begin_shutdown(op);
                Ok(())
            }
            (None, Command::DrainThenShutdown) => {
                self.begin_draining_shutdown(op);
                Ok(())
            }
            (None, Command::RetireOwner { attestation, handover }) => {
                self.begin_retiring_owner(op, attestation, handover);
                Ok(())
            }
        };
        if let Err(refusal) = begun {
            self.refuse(op, refusal);
        }
    }

    fn told(&mut self, key: InstanceKey, change: &Change, tail: &[String], now: Instant) {
        let before = self.backend_before(key);
        let Some(instance) = self.instances.get_mut(&key) else { return };
        instance.apply(change, now);
        let (id, release) = (instance.id.clone(), instance.release.clone());
        let command = instance.run.command.to_string();
        self.tell_proxy(before);
        for event in events_of(change, &command) {
            self.record(event.of(id.clone(), release.clone()));
        }
        self.operation_told(key, change, tail, now);
        match change {
            Change::Quieted => self.leaving_told(key),
            Change::Stopped(report) => {
                self.leaving_told(key);
                self.retirement_stopped(key, now);
                self.shutdown_stopped(key, *report);
            }
            Change::SurvivorsEnded => self.survivors_ended(key, now),
            _ => {}
        }
    }

    fn refuse(&mut self, op: OpId, refusal: Refusal) {
        self.answer(op, Answer::Refused(refusal));
    }

    fn answer(&mut self, op: OpId, answer: Answer) {
        self.actions.push(Action::Answer { op, answer });
    }

    fn record(&mut self, event: Event) {
        self.actions.push(Action::Record(event));
    }

    fn next_generation(&mut self) -> Generation {
        self.generations += 1;
        Generation(self.generations)
    }

    fn add_instance(
        &mut self,
        id: InstanceId,
        owner: Owner,
        release: ReleaseId,
        run: RunSpec,
    ) -> InstanceKey {
        self.keys += 1;
        let key = InstanceKey(self.keys);
        self.instances.insert(key, Instance::new(id, owner, release, run));
        key
    }

    fn start(&mut self, key: InstanceKey, reason: StartReason) {
        if let Some(instance) = self.instances.get_mut(&key) {
            instance.state = ProcessState::Starting;
            self.actions.push(Action::Start { key, run: Arc::clone(&instance.run), reason });
        }
    }

    fn forget_instance(&mut self, key: InstanceKey) {
        if let Some(instance) = self.instances.remove(&key) {
            self.actions.push(Action::Forget(key));
            self.actions.extend(instance.leased.map(|address| Action::ReturnPorts(vec![address])));
        }
    }

    /// The instances that live and die with a release, in the order they were started.
    pub(super) fn instances_of(&self, generation: Generation) -> Vec<InstanceKey> {
        let of = |(key, instance): (&InstanceKey, &Instance)| {
            (instance.owner == Owner::Release(generation)).then_some(*key)
        };
        self.instances.iter().filter_map(of).collect()
    }
}

/// What can be asked of a world.
impl World {
    /// The configuration in force.
    #[must_use]
    pub fn application(&self) -> &Arc<Application> {
        &self.application
    }

    /// The release that traffic points at.
    #[must_use]
    pub fn active(&self) -> Option<&Release> {
        self.releases.get(&self.active?)
    }

    /// Every release that is there or remembered, the first registered first; see [`Release::is_visible`].
    pub fn releases(&self) -> impl Iterator<Item = &Release> {
        self.releases.values()
    }

    /// Every instance.
    pub fn instances(&self) -> impl Iterator<Item = (InstanceKey, &Instance)> {
        self.instances.iter().map(|(key, instance)| (*key, instance))
    }

    /// One instance.
    #[must_use]
    pub fn instance(&self, key: InstanceKey) -> Option<&Instance> {
        self.instances.get(&key)
    }

    /// The persistent services, by process.
    pub fn services(&self) -> impl Iterator<Item = (&ProcessId, InstanceKey)> {
        self.services.iter().map(|(id, service)| (id, service.key))
    }

    /// The singletons, by process.
    pub fn singletons(&self) -> impl Iterator<Item = (&ProcessId, InstanceKey)> {
        self.singletons.iter().map(|(id, key)| (id, *key))
    }

    /// Every port and socket that is leased, and whose it is.
    #[must_use]
    pub fn leases(&self) -> BTreeMap<Address, String> {
        let of_services =
            self.services.iter().filter_map(|(id, service)| Some((service.address.clone()?, id.to_string())));
        let of_releases = self.releases.values().flat_map(|release| {
            release.leased.iter().map(|(id, address)| (address.clone(), format!("{id} of {}", release.id)))
        });
        let of_singletons = self
            .instances
            .values()
            .filter_map(|instance| Some((instance.leased.clone()?, instance.id.to_string())));
        of_releases.chain(of_services).chain(of_singletons).collect()
    }

    /// Who has the lock, such as `deploy v2`.
    #[must_use]
    pub fn busy_with(&self) -> Option<String> {
        self.operation.as_ref().map(|operation| self.holder(operation))
    }

    /// Whether a shutdown was begun, or somebody else takes over.
    #[must_use]
    pub fn is_shutting_down(&self) -> bool {
        self.ending().is_some()
    }

    /// How it ends, once that is decided.
    #[must_use]
    pub fn ending(&self) -> Option<Ending> {
        match (&self.shutdown, &self.leaving) {
            (_, Some(leaving)) => Some(leaving.ending()),
            (Some(shutdown), None) => Some(shutdown.ending()),
            (None, None) => None,
        }
    }

    /// Whether open requests are given time before everything stops.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.shutdown.is_none() && self.leaving.is_some()
    }

    /// Whether everything has ended, and nobody waits to be told.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.shutdown.as_ref().is_some_and(Shutdown::is_over)
    }
}
