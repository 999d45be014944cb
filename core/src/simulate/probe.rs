//! Drives the health checks' machines with made-up answers.

use std::time::Duration;

use crate::exit::Exit;
use crate::health::machine::{Action, Event, HealthReason, HealthSchedule, Machine, ProbeOutcome};
use crate::id::InstanceKey;
use crate::rollout::{Failure, Input};
use crate::spec::{Address, HealthSpec};

use super::Simulation;
use super::agenda::Happening;

/// A health check under way.
#[derive(Debug)]
pub(super) struct Probing {
    machine: Machine,
    /// What is asked.
    url: String,
}

impl Simulation {
    pub(super) fn begin_probing(
        &mut self,
        key: InstanceKey,
        host: &str,
        address: &Address,
        health: &HealthSpec,
    ) {
        let machine = Machine::new(HealthSchedule::from(health), self.now);
        let path = &health.path;
        let url = match address {
            Address::Port(port) => format!("http://{host}:{port}{path}"),
            Address::Socket(socket) => format!("http://unix:{}:{path}", socket.display()),
        };
        self.probes.insert(key, Probing { machine, url });
        self.come_back(key);
    }

    /// Tells a health check, and does what it says.
    pub(super) fn ask_health(&mut self, key: InstanceKey, event: Event) {
        let now = self.now;
        let Some(Probing { machine, .. }) = self.probes.get_mut(&key) else { return };
        if event == Event::TimeUp && machine.next_timeout().is_none_or(|at| at > now) {
            return;
        }
        for action in machine.handle(event, now) {
            match action {
                Action::Probe { .. } => self.answer_probe(key),
                Action::Done(result) => self.probed(key, result.map(drop)),
            }
        }
        self.come_back(key);
    }

    fn come_back(&mut self, key: InstanceKey) {
        let next = self.probes.get(&key).and_then(|probing| probing.machine.next_timeout());
        if let Some(at) = next {
            self.agenda.push(at.max(self.now), Happening::ProbeDue(key));
        }
    }

    /// A process that hangs never answers; one that is still starting refuses.
    fn answer_probe(&mut self, key: InstanceKey) {
        let group = self.system.groups.iter().rev().find(|(_, group)| group.key == key);
        let Some((pid, group)) = group.map(|(pid, group)| (*pid, group.clone())) else { return };
        let Some(answers_after) = group.behaviour.answers_after else { return };
        let is_up = group.leader_lives && self.now >= group.started_at + answers_after;
        let outcome = match is_up {
            _ if group.behaviour.is_impersonated => {
                ProbeOutcome::Rejected("somebody else answers".to_owned())
            }
            true => ProbeOutcome::Status(200),
            false => ProbeOutcome::Failed,
        };
        let moment = Duration::from_millis(1);
        self.agenda.push(self.now + moment, Happening::ProbeEnds(key, outcome));
        if let Some(after) = group.behaviour.exits_once_asked.filter(|_| is_up) {
            self.agenda.push(self.now + after, Happening::LeaderExits(pid, Exit::Code(1)));
        }
    }

    /// In the words of the hand (compat C-83).
    fn probed(&mut self, key: InstanceKey, result: Result<(), HealthReason>) {
        let url = self.probes.remove(&key).map(|probing| probing.url).unwrap_or_default();
        if result.is_ok() {
            self.ledger.answered_probe.insert(key);
        }
        let failure = |reason| format!("Health check failed for {url}: {reason}");
        let result = result.map_err(|reason| Failure::new("health_check_failed", failure(reason)));
        self.agenda.push(self.now, Happening::Hear(Box::new(Input::ProbeEnded { key, result })));
    }
}
