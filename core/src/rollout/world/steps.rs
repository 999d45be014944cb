//! The steps of a rollout, one function each.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::event::Event;
use crate::id::{Generation, InstanceId, InstanceKey, ProcessId};
use crate::report::{Change, StartReason};
use crate::rollout::Failure;
use crate::rollout::command::Action;
use crate::rollout::render::{self, Context};
use crate::spec::{Address, ListenAt, ProcessSpec, Readiness};
use crate::step::Step;
use crate::time::Instant;

use super::operation::Operation;
use super::release::{ReleaseState, survivors_failure};
use super::rollout::{Definition, Progress, Rollout, Verb, WaitsFor};
use super::{Owner, Service, World};

impl World {
    pub(super) fn begin(&mut self, rollout: &mut Rollout, step: &Step, now: Instant) -> Progress {
        match step {
            Step::Preflight => self.preflight(rollout.generation),
            Step::LeasePorts => self.lease_ports(rollout),
            Step::StartService(id) => self.start_service(rollout, id),
            Step::Start(id) => self.start_instance(rollout.generation, id),
            Step::AwaitReady(id) => self.await_ready(rollout.generation, id),
            Step::Switch => self.switch(rollout, now),
            Step::ReplaceSingleton(id) => self.replace_singleton(rollout, id),
            Step::RefreshServices => self.refresh_services(rollout),
        }
    }

    /// Every placeholder must have a value, before anything is touched.
    fn preflight(&self, generation: Generation) -> Progress {
        let release = &self.releases[&generation];
        let addresses = match render::possible_addresses(&release.application, &self.host_env) {
            Ok(addresses) => addresses,
            Err(failure) => return Progress::Fails(failure),
        };
        let context = Context { addresses: &addresses, ..release.context(&self.host_env) };
        for process in &release.application.processes {
            for id in process.instances() {
                if let Err(failure) = context.run_spec(process, &id) {
                    return Progress::Fails(failure);
                }
            }
        }
        Progress::Done
    }

    fn lease_ports(&mut self, rollout: &Rollout) -> Progress {
        let generation = rollout.generation;
        let release = &self.releases[&generation];
        let wants = |process: &ProcessSpec| -> Option<(ProcessId, ListenAt)> {
            let has_one = self.services.get(&process.id).is_some_and(|service| service.address.is_some());
            Some((process.id.clone(), process.listen_at().filter(|_| !has_one)?))
        };
        let wanted = release.application.processes.iter().filter_map(wants).collect();
        self.actions.push(Action::LeasePorts { generation, wanted });
        Progress::Waits(WaitsFor::Ports)
    }

    pub(super) fn ports_leased(
        &mut self,
        generation: Generation,
        result: Result<BTreeMap<ProcessId, Address>, Failure>,
    ) {
        let awaited = |operation: &mut Operation| {
            matches!(operation, Operation::Rollout(rollout)
                if rollout.generation == generation && rollout.waits_for == WaitsFor::Ports)
        };
        match (self.operation.take_if(awaited), result) {
            (Some(Operation::Rollout(mut rollout)), result) => {
                let progress = match result {
                    Ok(leased) => self.keep_leases(&mut rollout, leased),
                    Err(failure) => self.lease_failed(&rollout, failure),
                };
                self.note(&mut rollout, progress);
                self.operation = Some(Operation::Rollout(rollout));
            }
            (_, Ok(leased)) => self.actions.push(Action::ReturnPorts(leased.into_values().collect())),
            (_, Err(_)) => {}
        }
    }

    /// A rollback to a release that is still draining starts beside it, so that its last requests are not lost. Only
    /// when its ports are needed is its end waited for (compat C-136).
    fn lease_failed(&self, rollout: &Rollout, failure: Failure) -> Progress {
        let target = &self.releases[&rollout.generation].id;
        let is_target = |generation: &&Generation| {
            self.releases
                .get(generation)
                .is_some_and(|release| release.id == *target && release.holds_ports())
        };
        match self.retirements.keys().find(is_target) {
            Some(generation)
                if rollout.verb == Verb::Rollback && failure.code() == "port_range_exhausted" =>
            {
                Progress::Waits(WaitsFor::Retired(*generation))
            }
            _ => Progress::Fails(failure),
        }
    }

    /// A release has ended, and with it the wait for its ports.
    pub(super) fn retired(&mut self, generation: Generation) {
        let awaited = |operation: &mut Operation| matches!(operation, Operation::Rollout(rollout) if rollout.waits_for == WaitsFor::Retired(generation));
        let Some(Operation::Rollout(mut rollout)) = self.operation.take_if(awaited) else { return };
        let progress = self.lease_ports(&rollout);
        self.note(&mut rollout, progress);
        self.operation = Some(Operation::Rollout(rollout));
    }

    fn keep_leases(&mut self, rollout: &mut Rollout, leased: BTreeMap<ProcessId, Address>) -> Progress {
        let of_service = |(id, service): (&ProcessId, &Service)| Some((id.clone(), service.address.clone()?));
        let services: BTreeMap<_, _> = self.services.iter().filter_map(of_service).collect();
        rollout.leased.clone_from(&leased);
        let release = self.release_mut(rollout.generation);
        let application = Arc::clone(&release.application);
        let is_its_own = |id: &ProcessId| {
            application.processes.iter().any(|process| process.id == *id && !process.is_persistent_service())
        };
        let own = leased.iter().filter(|(id, _)| is_its_own(id));
        release.leased = own.map(|(id, address)| (id.clone(), address.clone())).collect();
        release.addresses = services.into_iter().chain(leased).collect();
        Progress::Done
    }

    fn start_instance(&mut self, generation: Generation, id: &InstanceId) -> Progress {
        self.start_new(generation, id, Owner::Release(generation), |_, _| {})
    }

    pub(super) fn start_new(
        &mut self,
        generation: Generation,
        id: &InstanceId,
        owner: Owner,
        made: impl FnOnce(&mut Self, InstanceKey),
    ) -> Progress {
        let release = &self.releases[&generation];
        let process = process_of(&release.application.processes, id.process());
        let run = match release.context(&self.host_env).run_spec(process, id) {
            Ok(run) => run,
            Err(failure) => return Progress::Fails(failure),
        };
        let key = self.add_instance(id.clone(), owner, release.id.clone(), run);
        made(self, key);
        self.start(key, StartReason::Deploy);
        Progress::Waits(WaitsFor::Started(key))
    }

    /// Whether a change of an instance that is being started says that it has started, or cannot.
    pub(super) fn started(&mut self, key: InstanceKey, change: &Change, tail: &[String]) -> Option<Progress> {
        let instance = self.instances.get(&key)?;
        let needs_uptime = matches!(instance.run.readiness, Readiness::AfterUptime(_));
        match change {
            Change::Started { .. } if !needs_uptime => Some(Progress::Done),
            Change::BecameReady => Some(Progress::Done),
            Change::NotStarted { error, .. } => {
                let (id, cwd) = (&instance.id, instance.run.cwd.display());
                let message = format!("{error}: process \"{id}\" could not be started in {cwd}");
                Some(Progress::Fails(Failure::new("spawn_failed", message)))
            }
            Change::Exited { exit, .. } => {
                Some(Progress::Fails(exited_early(&instance.id, &exit.to_string(), tail)))
            }
            // Its leader outlived SIGKILL, so no exit was told.
            Change::EndedForMemory(report) => {
                Some(Progress::Fails(survivors_failure(&instance.id, report.survivors)))
            }
            _ => None,
        }
    }

    fn await_ready(&mut self, generation: Generation, id: &InstanceId) -> Progress {
        let release = &self.releases[&generation];
        let process = process_of(&release.application.processes, id.process());
        let address = release.addresses.get(&process.id).cloned();
        let (Some(health), Some(address)) = (process.health.clone(), address) else {
            return Progress::Done;
        };
        let host = release.application.proxy.upstream_host.clone();
        let key = self.instance_named(generation, id).expect("an instance is started before it is asked");
        if self.instances[&key].state.pid().is_none() {
            return Progress::Fails(exited_early(id, "is not running", &[]));
        }
        self.actions.push(Action::Probe { key, host, address, health });
        Progress::Waits(WaitsFor::Ready(key))
    }

    pub(super) fn probe_ended(&mut self, key: InstanceKey, result: Result<(), Failure>) {
        let awaited = |operation: &mut Operation| matches!(operation, Operation::Rollout(rollout) if rollout.waits_for == WaitsFor::Ready(key));
        let Some(Operation::Rollout(mut rollout)) = self.operation.take_if(awaited) else { return };
        let progress = match result {
            // It may have ended since it answered; only its supervisor knows, and tells which came first.
            Ok(()) => {
                self.actions.push(Action::ConfirmReady(key));
                Progress::Waits(WaitsFor::Started(key))
            }
            Err(failure) => Progress::Fails(failure),
        };
        self.note(&mut rollout, progress);
        self.operation = Some(Operation::Rollout(rollout));
    }

    pub(super) fn exited_while_probed(
        &mut self,
        key: InstanceKey,
        change: &Change,
        tail: &[String],
    ) -> Option<Progress> {
        let id = &self.instances.get(&key)?.id;
        let failure = match change {
            Change::Exited { exit, .. } => exited_early(id, &exit.to_string(), tail),
            Change::EndedForMemory(report) => survivors_failure(id, report.survivors),
            _ => return None,
        };
        self.actions.push(Action::CancelProbe(key));
        Some(Progress::Fails(failure))
    }

    fn switch(&mut self, rollout: &Rollout, now: Instant) -> Progress {
        let previous = rollout.previous.and_then(|generation| self.releases.get_mut(&generation));
        let previous = previous.map(|release| {
            release.state = ReleaseState::Draining;
            release.id.clone()
        });
        let release = self.release_mut(rollout.generation);
        release.state = ReleaseState::Active;
        release.activated_at = Some(now);
        let (id, application) = (release.id.clone(), Arc::clone(&release.application));
        self.application = application;
        self.point_traffic_at(Some(rollout.generation));
        self.record(Event::TrafficSwitched { previous, release: Some(id) });
        Progress::Done
    }

    pub(super) fn point_traffic_at(&mut self, generation: Option<Generation>) {
        self.active = generation;
        let target = generation.map(|generation| {
            let release = &self.releases[&generation];
            let address = release.addresses.get(&release.application.proxied().id).cloned();
            let address = address.expect("the proxied process of a started release has a port or a socket");
            (generation, release.application.proxy.upstream_host.clone(), address)
        });
        self.actions.push(Action::Switch(target));
        self.tell_proxy_after_switch();
    }

    /// The next start of an instance runs this; returns what it would have run.
    pub(super) fn redefine(&mut self, key: InstanceKey, new: Definition) -> Option<Definition> {
        let instance = self.instances.get_mut(&key)?;
        self.actions.push(Action::Redefine { key, run: Arc::clone(&new.run) });
        let run = std::mem::replace(&mut instance.run, new.run);
        let release = std::mem::replace(&mut instance.release, new.release);
        Some(Definition { run, release })
    }

    pub(super) fn instance_named(&self, generation: Generation, id: &InstanceId) -> Option<InstanceKey> {
        self.instances_of(generation).into_iter().find(|key| self.instances[key].id == *id)
    }
}

pub(super) fn process_of<'a>(processes: &'a [ProcessSpec], id: &ProcessId) -> &'a ProcessSpec {
    processes
        .iter()
        .find(|process| process.id == *id)
        .expect("a plan only names processes of its application")
}

/// How many of its last lines stand in the error of a process that exited too early.
const LINES_IN_ERROR_MAX: usize = 10;

fn exited_early(id: &InstanceId, exit: &str, tail: &[String]) -> Failure {
    let mut message = format!("process \"{id}\" {exit} before it was ready");
    let last = &tail[tail.len().saturating_sub(LINES_IN_ERROR_MAX)..];
    if last.is_empty() {
        message.push_str("; it printed nothing");
    } else {
        message.push_str("; it printed last:");
        last.iter().for_each(|line| message.extend(["\n  ", line]));
    }
    Failure::new("exited_before_ready", message)
}
