//! The end of a release: drain, then stop (compat C-125 to C-130).
//!
//! It goes on beside whatever comes next. A retirement that cannot finish is an event and a line in the status, not a
//! failed deploy.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::event::Event;
use crate::id::{Generation, InstanceKey, ReleaseId};
use crate::report::DrainReport;
use crate::rollout::command::Action;
use crate::rollout::render::Context;
use crate::spec::{ProcessPolicy, ProcessSpec};
use crate::time::Instant;

use super::World;
use super::operation::Operation;
use super::release::ReleaseState;
use super::rollout::{Definition, Progress, WaitsFor};

/// How far a retirement is.
#[derive(Clone, Debug)]
pub(super) struct Retirement {
    phase: Phase,
    /// Instances that are being stopped.
    waiting: BTreeSet<InstanceKey>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Requests and tunnels go on, within the budget.
    Draining,
    /// The proxied process and the companions are being stopped.
    Stopping,
    /// The handoff services, which the others may have needed to the end, are being stopped.
    StoppingHandoffs,
}

impl World {
    pub(super) fn begin_retirement(&mut self, generation: Generation, now: Instant) {
        let release = self.release_mut(generation);
        release.state = ReleaseState::Draining;
        release.drain_started_at = Some(now);
        self.refresh_retiring(generation);
        let keys = self.instances_of(generation);
        self.actions.extend(keys.iter().map(|key| Action::ForbidRestarts(*key)));
        let early = keys
            .into_iter()
            .filter(|key| self.definition(*key).is_some_and(|process| process.non_blocking_drain));
        let waiting = self.stop_all(early.collect());
        self.retirements.insert(generation, Retirement { phase: Phase::Draining, waiting });
        let budget = self.application.proxy.drain_timeout;
        self.actions.push(Action::Drain { generation, budget });
    }

    /// What the config now says of stopping governs this retirement as well (compat C-126).
    ///
    /// Nothing is missing that the new release had, because names and ports cannot change while the engine runs
    /// (compat C-32); a definition that could not be rendered would stay as it is.
    fn refresh_retiring(&mut self, generation: Generation) {
        let release = &self.releases[&generation];
        let context = Context { application: &self.application, ..release.context(&self.host_env) };
        let refreshed = self.instances_of(generation).into_iter().filter_map(|key| {
            let run = context.run_spec(self.definition(key)?, &self.instances.get(&key)?.id).ok()?;
            Some((key, Arc::new(run)))
        });
        let (refreshed, release): (Vec<_>, _) = (refreshed.collect(), release.id.clone());
        for (key, run) in refreshed {
            self.actions.push(Action::ReplaceStop { key, stop: run.stop.clone() });
            self.redefine(key, Definition { run, release: release.clone() });
        }
    }

    fn definition(&self, key: InstanceKey) -> Option<&ProcessSpec> {
        let id = self.instances.get(&key)?.id.process();
        self.application.processes.iter().find(|process| process.id == *id)
    }

    /// The requests of a release are over, or were cut.
    pub(super) fn drained(&mut self, generation: Generation, report: DrainReport, now: Instant) {
        if let Some(release) = self.releases.get(&generation).map(|release| release.id.clone()) {
            self.tell_of_ends(release, report);
        }
        if self.undo_drained(generation) {
            return;
        }
        let Some(retirement) = self.retirements.get_mut(&generation) else { return };
        if retirement.phase != Phase::Draining {
            return;
        }
        retirement.phase = Phase::Stopping;
        let serves_to_the_end = |key: &InstanceKey| {
            self.definition(*key).is_some_and(|process| process.policy == ProcessPolicy::Service)
        };
        let keys = self.instances_of(generation).into_iter().filter(|key| !serves_to_the_end(key)).collect();
        self.stop_for_retirement(generation, keys, now);
    }

    /// Who did not end by himself.
    pub(super) fn tell_of_ends(&mut self, release: ReleaseId, report: DrainReport) {
        if report.streams_ended + report.tunnels_ended > 0 {
            self.record(Event::TrafficEnded { release: release.clone(), report });
        }
        if report.requests_cut + report.tunnels_cut > 0 {
            self.record(Event::TrafficCut { release, report });
        }
    }

    fn undo_drained(&mut self, generation: Generation) -> bool {
        let awaited = |operation: &mut Operation| matches!(operation, Operation::Rollout(rollout) if rollout.waits_for == WaitsFor::Drained(generation));
        let Some(Operation::Rollout(mut rollout)) = self.operation.take_if(awaited) else { return false };
        self.note(&mut rollout, Progress::Done);
        self.operation = Some(Operation::Rollout(rollout));
        true
    }

    fn stop_for_retirement(&mut self, generation: Generation, keys: Vec<InstanceKey>, now: Instant) {
        let stopping = self.stop_all(keys);
        if let Some(retirement) = self.retirements.get_mut(&generation) {
            retirement.waiting.extend(stopping);
        }
        self.go_on_retiring(generation, now);
    }

    pub(super) fn retirement_stopped(&mut self, key: InstanceKey, now: Instant) {
        let of_it = |(_, retirement): &(&Generation, &mut Retirement)| retirement.waiting.contains(&key);
        let Some((generation, retirement)) = self.retirements.iter_mut().find(of_it) else { return };
        retirement.waiting.remove(&key);
        let generation = *generation;
        self.go_on_retiring(generation, now);
    }

    fn go_on_retiring(&mut self, generation: Generation, now: Instant) {
        let Some(retirement) = self.retirements.get_mut(&generation) else { return };
        match (retirement.phase, retirement.waiting.is_empty()) {
            (Phase::Stopping, true) => {
                retirement.phase = Phase::StoppingHandoffs;
                self.stop_for_retirement(generation, self.instances_of(generation), now);
            }
            (Phase::StoppingHandoffs, true) => self.finish_retirement(generation, now),
            (Phase::Draining, _) | (_, false) => {}
        }
    }

    fn finish_retirement(&mut self, generation: Generation, now: Instant) {
        self.retirements.remove(&generation);
        let survivors = self.survivors_of(generation);
        let release = self.release_mut(generation).id.clone();
        if survivors > 0 {
            self.drain_failed(generation, survivors);
        } else {
            self.record(Event::ReleaseDrained { release });
        }
        self.release_ended(generation, survivors, now);
        self.retired(generation);
    }
}
