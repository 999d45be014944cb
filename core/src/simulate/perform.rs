//! Carries out what the world wants, in the made-up world.

use std::time::Duration;

use crate::event::Event;
use crate::id::{Generation, InstanceKey};
use crate::proxy::machine::DrainEvent;
use crate::report::{BackendState, DrainReport};
use crate::rollout::{Action, Input, Owner};
use crate::supervisor::machine::Event as Asked;

use super::Simulation;
use super::agenda::Happening;
use super::traffic::Request;

impl Simulation {
    pub(super) fn perform(&mut self, action: Action) {
        match action {
            Action::LeasePorts { generation, wanted } => self.lease(generation, &wanted),
            Action::ReturnPorts(ports) => self.give_back(&ports),
            Action::Start { key, run, reason } => self.start_supervised(key, &run, reason),
            Action::Redefine { key, run } => self.drive(key, Asked::SetSpec(Box::new((*run).clone()))),
            Action::ReplaceStop { key, stop } => self.drive(key, Asked::SetStop(Box::new(stop))),
            Action::ConfirmReady(key) => self.drive(key, Asked::ConfirmReady),
            Action::ForbidRestarts(key) => self.drive(key, Asked::SetRestarts(false)),
            Action::Quiet(key) => self.drive(key, Asked::Quiet),
            Action::Stop(key) => self.stop(key),
            Action::Forget(key) => drop(self.supervised.remove(&key)),
            Action::Probe { key, host, address, health } => self.begin_probing(key, &host, &address, &health),
            Action::CancelProbe(key) => drop(self.probes.remove(&key)),
            Action::Switch(target) => self.switch(target.map(|(generation, _, _)| generation)),
            Action::BackendIs { generation, state } => self.backend_is(generation, state),
            Action::PauseTraffic { number, timeout } => self.pause(number, timeout),
            Action::ResumeTraffic => self.resume(),
            Action::Drain { generation, budget } => self.drain(generation, budget),
            Action::StopAccepting { .. } => self.stop_accepting(),
            Action::CloseProxy { budget } => self.close_proxy(budget),
            Action::EndTraffic(generation) => self.end_traffic(generation),
            Action::Record(event) => self.recorded(event),
            Action::Describe { seen, .. } => self.recorded(Event::StartupProcessSeen(seen)),
            Action::Answer { op, answer } => self.answered(op, answer),
        }
    }

    fn recorded(&mut self, event: Event) {
        self.narrate(format_args!("{event:?}"));
        if let Event::RollbackStarted { release, .. } = &event {
            self.check_rollback(release);
        }
        self.events.push((self.now, event));
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
        let proxied = &self.world.application().proxied().id;
        match instance.owner {
            Owner::Release(generation) if instance.id.process() == proxied => Some(generation),
            _ => None,
        }
    }

    fn switch(&mut self, target: Option<Generation>) {
        self.narrate(format_args!("traffic points at {target:?}"));
        self.traffic.target = target;
        self.traffic.told = target.map(|_| BackendState::Running);
        let proxied = target.and_then(|generation| self.proxied_of(generation));
        let asks = self.world.application().proxied().health.is_some();
        self.ledger.switched(proxied.is_none_or(|key| !asks || self.ledger.answered_probe.contains(&key)));
    }

    pub(super) fn proxied_of(&self, generation: Generation) -> Option<InstanceKey> {
        let all = self.world.instances();
        all.map(|(key, _)| key).find(|key| self.proxied_generation(*key) == Some(generation))
    }

    pub(super) fn request_arrives(&mut self, is_tunnel: bool, lasting: Duration) {
        if self.traffic.is_closed {
            return;
        }
        self.traffic.accepted += 1;
        match self.traffic.is_paused {
            true => self.traffic.waiting.push((is_tunnel, lasting)),
            false => self.send(is_tunnel, lasting),
        }
    }

    fn send(&mut self, is_tunnel: bool, lasting: Duration) {
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

    fn backend_is(&mut self, generation: Generation, state: BackendState) {
        self.narrate(format_args!("the proxy hears of {generation:?}: {state:?}"));
        self.traffic.told = Some(state);
    }

    fn pause(&mut self, number: u64, timeout: Option<Duration>) {
        self.traffic.is_paused = true;
        if let Some(timeout) = timeout {
            let input = Input::PauseTimedOut { number };
            self.agenda.push(self.now + timeout, Happening::Hear(Box::new(input)));
        }
    }

    fn resume(&mut self) {
        self.traffic.is_paused = false;
        for (is_tunnel, lasting) in std::mem::take(&mut self.traffic.waiting) {
            self.send(is_tunnel, lasting);
        }
    }

    pub(super) fn request_ends(&mut self, request: u64) {
        let Some(request) = self.traffic.open.remove(&request) else { return };
        self.traffic.answered += 1;
        self.close_when_empty(DrainReport::default());
        if self.traffic.open_to(request.generation) == 0 && self.drains.contains_key(&request.generation) {
            self.agenda.push(self.now, Happening::Drained(request.generation, DrainEvent::Empty));
        }
    }

    /// The proxy answers 502, or cuts what it had begun.
    pub(super) fn requests_lose_their_backend(&mut self, key: InstanceKey) {
        let Some(generation) = self.proxied_generation(key) else { return };
        let (requests, tunnels) = self.traffic.end_all(generation);
        self.traffic.answered_by_proxy += requests + tunnels;
        self.close_when_empty(DrainReport::default());
        if self.drains.contains_key(&generation) {
            self.agenda.push(self.now, Happening::Drained(generation, DrainEvent::Empty));
        }
    }
}
