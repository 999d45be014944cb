//! Carries out what the world wants, in the made-up world.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::event::Event;
use crate::id::{Generation, InstanceKey, ProcessId};
use crate::report::DrainReport;
use crate::rollout::{Action, Failure, Input, Owner};
use crate::spec::PortRange;
use crate::supervisor::machine::Event as Asked;

use super::Simulation;
use super::agenda::Happening;
use super::script::FaultKind;
use super::traffic::Request;

impl Simulation {
    pub(super) fn perform(&mut self, action: Action) {
        match action {
            Action::LeasePorts { generation, wanted } => self.lease(generation, &wanted),
            Action::ReturnPorts(ports) => self.ports.retain(|port, _| !ports.contains(port)),
            Action::Start { key, run, reason } => self.start_supervised(key, &run, reason),
            Action::Redefine { key, run } => self.drive(key, Asked::SetSpec(Box::new((*run).clone()))),
            Action::ConfirmReady(key) => self.drive(key, Asked::ConfirmReady),
            Action::ForbidRestarts(key) => self.drive(key, Asked::SetRestarts(false)),
            Action::Stop(key) => self.stop(key),
            Action::Forget(key) => drop(self.supervised.remove(&key)),
            Action::Probe { key, health, .. } => self.begin_probing(key, &health),
            Action::CancelProbe(key) => drop(self.probes.remove(&key)),
            Action::Switch(target) => self.switch(target.map(|(generation, _, _)| generation)),
            Action::Drain { generation, budget } => self.drain(generation, budget),
            Action::EndTraffic(generation) => self.end_traffic(generation),
            Action::Record(event) => self.recorded(&event),
            Action::Describe { seen, .. } => self.narrate(format_args!("{seen:?}")),
            Action::Answer { op, answer } => self.answered(op, answer),
        }
    }

    fn recorded(&mut self, event: &Event) {
        self.narrate(format_args!("{event:?}"));
        if let Event::RollbackStarted { release, .. } = event {
            self.check_rollback(release);
        }
    }

    fn lease(&mut self, generation: Generation, wanted: &[(ProcessId, PortRange)]) {
        let release = self.world.releases().find(|release| release.generation == generation);
        let fault = release.and_then(|release| self.faults.get(&release.id)).copied();
        let is_taken = |id: &ProcessId| {
            fault.is_some_and(|fault| {
                fault.kind == FaultKind::PortTaken && fault.process.as_str() == id.as_str()
            })
        };
        let mut leased = BTreeMap::new();
        let mut result = Ok(());
        for (id, range) in wanted {
            match range.ports().find(|port| !self.ports.contains_key(port) && !is_taken(id)) {
                Some(port) => {
                    self.ports.insert(port, generation);
                    leased.insert(id.clone(), port);
                }
                None => {
                    result = Err(Failure::new("no_port", format!("no available port in {range} for {id}")))
                }
            }
        }
        if result.is_err() {
            self.ports.retain(|port, _| !leased.values().any(|held| held == port));
        }
        let result = result.map(|()| leased);
        let input = Input::PortsLeased { generation, result };
        self.agenda.push(self.now + Duration::from_millis(2), Happening::Hear(Box::new(input)));
    }

    fn stop(&mut self, key: InstanceKey) {
        self.note_open_requests(key);
        self.check_stop(key);
        self.drive(key, Asked::Stop);
    }

    /// A release that is stopped by a command loses its requests; any other must have been drained.
    fn note_open_requests(&mut self, key: InstanceKey) {
        let Some(generation) = self.proxied_generation(key) else { return };
        let open = self.traffic.open_to(generation);
        if open > 0 && !self.ledger.may_lose_requests() {
            self.ledger.lost =
                Some(format!("{open} requests were open when the process behind them was stopped"));
        }
    }

    pub(super) fn proxied_generation(&self, key: InstanceKey) -> Option<Generation> {
        let instance = self.world.instance(key)?;
        match instance.owner {
            Owner::Release(generation) if instance.id.process().as_str() == "web" => Some(generation),
            _ => None,
        }
    }

    fn switch(&mut self, target: Option<Generation>) {
        self.narrate(format_args!("traffic points at {target:?}"));
        self.traffic.target = target;
        let proxied = target.and_then(|generation| self.proxied_of(generation));
        let asks = self.world.application().proxied().health.is_some();
        self.ledger.switched(proxied.is_none_or(|key| !asks || self.ledger.answered_probe.contains(&key)));
    }

    pub(super) fn proxied_of(&self, generation: Generation) -> Option<InstanceKey> {
        let all = self.world.instances();
        all.map(|(key, _)| key).find(|key| self.proxied_generation(*key) == Some(generation))
    }

    fn drain(&mut self, generation: Generation, budget: Duration) {
        self.check_drain(generation, budget);
        self.drains.insert(generation);
        let ends = if self.traffic.open_to(generation) == 0 { self.now } else { self.now + budget };
        self.agenda.push(ends, Happening::DrainEnds(generation));
    }

    /// The budget is spent, or the last request is over.
    pub(super) fn drain_ends(&mut self, generation: Generation) {
        if !self.drains.remove(&generation) {
            return;
        }
        self.drained.insert(generation);
        let open_at_start = self.traffic.open_to(generation);
        let (requests_cut, tunnels_cut) = self.traffic.end_all(generation);
        self.traffic.cut += requests_cut + tunnels_cut;
        let report = DrainReport { open_at_start, requests_cut, tunnels_cut, took: Duration::ZERO };
        self.agenda.push(self.now, Happening::Hear(Box::new(Input::Drained { generation, report })));
    }

    fn end_traffic(&mut self, generation: Generation) {
        self.drains.remove(&generation);
        let (requests, tunnels) = self.traffic.end_all(generation);
        self.traffic.stopped += requests + tunnels;
        if requests + tunnels > 0 && !self.ledger.may_lose_requests() {
            self.ledger.lost = Some(format!("{requests} requests and {tunnels} tunnels were cut uncounted"));
        }
    }

    pub(super) fn request_arrives(&mut self, is_tunnel: bool, lasting: Duration) {
        self.traffic.accepted += 1;
        let target = self.traffic.target;
        let backend = target.and_then(|generation| self.proxied_of(generation));
        match (target, backend.filter(|key| self.is_alive(*key))) {
            (Some(generation), Some(_)) => {
                self.requests += 1;
                self.traffic.open.insert(self.requests, Request { generation, is_tunnel });
                self.agenda.push(self.now + lasting, Happening::RequestEnds(self.requests));
            }
            _ => self.traffic.answered_by_proxy += 1,
        }
    }

    pub(super) fn request_ends(&mut self, request: u64) {
        let Some(request) = self.traffic.open.remove(&request) else { return };
        self.traffic.answered += 1;
        if self.traffic.open_to(request.generation) == 0 && self.drains.contains(&request.generation) {
            self.agenda.push(self.now, Happening::DrainEnds(request.generation));
        }
    }

    /// The proxy answers 502, or cuts what it had begun.
    pub(super) fn requests_lose_their_backend(&mut self, key: InstanceKey) {
        let Some(generation) = self.proxied_generation(key) else { return };
        let (requests, tunnels) = self.traffic.end_all(generation);
        self.traffic.answered_by_proxy += requests + tunnels;
        if self.drains.contains(&generation) {
            self.agenda.push(self.now, Happening::DrainEnds(generation));
        }
    }
}
