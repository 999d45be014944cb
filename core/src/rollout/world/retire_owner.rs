//! An end that loses no request: somebody else takes over, or there is time before everything stops.
//!
//! ```text
//!  RetireOwner ──▶ Quieting ──▶ StoppingToAccept ──▶ Closing ──▶ all processes stop (shutdown.rs)
//!                  all but the   nobody new is let    ▲ whoever is there finishes, within the budget;
//!                  proxied one   in; answered with    │ singletons stop beside it
//!                                `Retired`            │
//!  DrainThenShutdown ────────────────────────────────┘
//! ```
//!
//! The proxied process is not quieted before its last request is answered: what it does then (close its port, say)
//! is for a process that gets no more requests. Its quiet command is run as the first part of its stop.

use std::collections::BTreeSet;

use crate::event::Event;
use crate::id::{Attestation, InstanceKey, OpId};
use crate::report::DrainReport;
use crate::rollout::command::{Action, Answer, Refusal};
use crate::spec::ProcessPolicy;

use super::release::ReleaseState;
use super::{Owner, World};

/// How an engine ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Everything is stopped, and nobody takes its place.
    Shutdown,
    /// Somebody else has taken its place, and owns what outlives it, such as a state file.
    Retired,
}

/// An end that waits for requests.
#[derive(Clone, Debug)]
pub(super) struct Leaving {
    phase: Phase,
    retire: Option<Retire>,
    /// Who waits for the end.
    ops: Vec<OpId>,
}

#[derive(Clone, Debug)]
enum Phase {
    /// These run their quiet commands.
    Quieting(BTreeSet<InstanceKey>),
    /// The proxy closes its door.
    StoppingToAccept,
    /// Whoever is inside finishes.
    Closing,
}

#[derive(Clone, Debug)]
struct Retire {
    /// Who asked, until he is answered.
    op: Option<OpId>,
    attestation: Attestation,
    handover: bool,
}

impl Leaving {
    pub(super) fn ending(&self) -> Ending {
        if self.retire.is_some() { Ending::Retired } else { Ending::Shutdown }
    }
}

impl World {
    /// Compat C-165. Whatever is under way is answered now.
    pub(super) fn begin_retiring_owner(&mut self, op: OpId, attestation: Attestation, handover: bool) {
        self.interrupt_operation();
        self.resume_traffic(false);
        let waiting = self.quiet_all();
        let retire = Some(Retire { op: Some(op), attestation, handover });
        self.leaving = Some(Leaving { phase: Phase::Quieting(waiting), retire, ops: Vec::new() });
        self.go_on_leaving();
    }

    /// Whoever asks while something ends already waits for that end.
    pub(super) fn begin_draining_shutdown(&mut self, op: OpId) {
        if self.shutdown.is_some() {
            return self.begin_shutdown(op);
        }
        if let Some(leaving) = &mut self.leaving {
            return leaving.ops.push(op);
        }
        self.interrupt_operation();
        self.resume_traffic(false);
        self.leaving = Some(Leaving { phase: Phase::Closing, retire: None, ops: vec![op] });
        self.close_proxy();
    }

    /// What was only being started is of no use to anybody, and is stopped instead.
    fn quiet_all(&mut self) -> BTreeSet<InstanceKey> {
        let keys: Vec<_> = self.instances.keys().copied().collect();
        self.actions.extend(keys.iter().map(|key| Action::ForbidRestarts(*key)));
        let of_no_use: Vec<_> = keys.iter().copied().filter(|key| self.is_only_starting(*key)).collect();
        self.stop_all(of_no_use);
        keys.into_iter().filter(|key| self.quiet_instance(*key)).collect()
    }

    fn is_only_starting(&self, key: InstanceKey) -> bool {
        let Owner::Release(generation) = self.instances[&key].owner else { return false };
        self.releases.get(&generation).is_some_and(|release| release.state == ReleaseState::Starting)
    }

    /// Whether it has to be quieted; if so its supervisor tells when it is.
    fn quiet_instance(&mut self, key: InstanceKey) -> bool {
        let is_proxied = self.instances[&key].id.process() == &self.application.proxied().id;
        let Some(instance) = self.instances.get_mut(&key) else { return false };
        if is_proxied || instance.is_being_stopped || !instance.needs_stop() {
            return false;
        }
        instance.begin_quiet();
        self.actions.push(Action::Quiet(key));
        true
    }

    pub(super) fn leaving_told(&mut self, key: InstanceKey) {
        let Some(Leaving { phase: Phase::Quieting(waiting), .. }) = &mut self.leaving else { return };
        if waiting.remove(&key) {
            self.go_on_leaving();
        }
    }

    fn go_on_leaving(&mut self) {
        let Some(Leaving { phase, retire: Some(retire), .. }) = &mut self.leaving else { return };
        if matches!(phase, Phase::Quieting(waiting) if waiting.is_empty()) {
            *phase = Phase::StoppingToAccept;
            self.actions.push(Action::StopAccepting { handover: retire.handover });
        }
    }

    /// From here on the other one serves: he is told so, and his singletons are the only ones.
    pub(super) fn accepting_stopped(&mut self) {
        let Some(Leaving { phase: phase @ Phase::StoppingToAccept, retire: Some(retire), .. }) =
            &mut self.leaving
        else {
            return;
        };
        *phase = Phase::Closing;
        let (op, attestation) = (retire.op.take(), retire.attestation.clone());
        self.record(Event::OwnerRetired { attestation });
        if let Some(op) = op {
            self.answer(op, Answer::Retired);
        }
        let ends_beside = |key: &InstanceKey| {
            let instance = &self.instances[key];
            let process =
                self.application.processes.iter().find(|process| process.id == *instance.id.process());
            instance.owner == Owner::Singleton || process.is_some_and(|process| process.non_blocking_drain)
        };
        let keys = self.instances.keys().copied().filter(ends_beside).collect();
        self.stop_all(keys);
        self.close_proxy();
    }

    fn close_proxy(&mut self) {
        let budget = self.application.proxy.drain_timeout;
        self.actions.push(Action::CloseProxy { budget });
    }

    pub(super) fn proxy_closed(&mut self, report: DrainReport) {
        let Some(leaving) = self.leaving.take_if(|leaving| matches!(leaving.phase, Phase::Closing)) else {
            return;
        };
        if let Some(release) = self.active().map(|release| release.id.clone()) {
            self.tell_of_ends(release, report);
        }
        self.stop_everything(leaving.ending(), leaving.ops);
    }

    /// A shutdown does not wait for requests. Returns who waited for the end.
    pub(super) fn stop_leaving(&mut self) -> Option<(Ending, Vec<OpId>)> {
        let leaving = self.leaving.take()?;
        let ending = match &leaving.retire {
            // Nobody was told that he may take over, so nobody will.
            Some(Retire { op: Some(op), .. }) => {
                self.refuse(*op, Refusal::ShuttingDown);
                Ending::Shutdown
            }
            _ => leaving.ending(),
        };
        Some((ending, leaving.ops))
    }

    /// A service may be needed until the others have ended.
    pub(super) fn is_service(&self, key: InstanceKey) -> bool {
        let id = self.instances[&key].id.process();
        let process = self.application.processes.iter().find(|process| process.id == *id);
        process.is_some_and(|process| process.policy == ProcessPolicy::Service)
    }
}
