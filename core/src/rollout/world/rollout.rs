//! A rollout under way: from the question to its one answer.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::config::{RestartNeeded, restart_needed};
use crate::event::{CleanupPhase, Event};
use crate::exit::Exit;
use crate::id::{Generation, InstanceKey, OpId, ProcessId, ReleaseId, Revision};
use crate::report::{Change, ProcessState};
use crate::rollout::command::{Action, Answer, DeployRequest, Refusal, RollbackTo};
use crate::rollout::{Failure, Outcome, Turn, Walk, plan};
use crate::spec::{Address, Application, RunSpec};
use crate::step::Undo;
use crate::time::Instant;

use super::World;
use super::operation::Operation;
use super::release::{Release, ReleaseState};

/// What a rollout remembers so that it can go on, and so that it can go back.
#[derive(Clone, Debug)]
pub(super) struct Rollout {
    pub(super) op: OpId,
    pub(super) verb: Verb,
    pub(super) generation: Generation,
    pub(super) walk: Walk,
    pub(super) waits_for: WaitsFor,
    /// Where traffic pointed before.
    pub(super) previous: Option<Generation>,
    pub(super) previous_application: Arc<Application>,
    /// Ports and sockets that this rollout leased, those of services included.
    pub(super) leased: BTreeMap<ProcessId, Address>,
    pub(super) services_started: BTreeSet<ProcessId>,
    /// Services that were dead, and how they were.
    pub(super) services_revived: BTreeMap<ProcessId, Laid>,
    pub(super) services_refreshed: BTreeMap<ProcessId, Definition>,
    /// Singletons that had to make room, and whether they are to run again if the rollout is undone.
    pub(super) displaced: BTreeMap<ProcessId, Option<Displaced>>,
}

/// What an instance runs when it is started next, and whose release that is of (compat C-196).
#[derive(Clone, Debug)]
pub(super) struct Definition {
    pub(super) run: Arc<RunSpec>,
    pub(super) release: ReleaseId,
}

/// A service that was dead before it was revived.
#[derive(Clone, Debug)]
pub(super) struct Laid {
    pub(super) definition: Definition,
    pub(super) state: ProcessState,
    pub(super) last_exit: Option<Exit>,
}

/// A singleton that had to make room.
#[derive(Clone, Copy, Debug)]
pub(super) struct Displaced {
    pub(super) key: InstanceKey,
    pub(super) was_kept_up: bool,
}

/// Which word the user used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verb {
    Deploy,
    Rollback,
}

impl Verb {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Deploy => "deploy",
            Self::Rollback => "rollback",
        }
    }
}

/// What has to happen before a rollout can go on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum WaitsFor {
    Nothing,
    Ports,
    /// That this instance has started: has a pid, or has run as long as it must.
    Started(InstanceKey),
    /// That this instance answers its health check.
    Ready(InstanceKey),
    /// That this instance is gone.
    Gone(InstanceKey),
    /// That the old instance of a singleton is gone; then the new one starts.
    OldSingleton(ProcessId, InstanceKey),
    /// That the new instance of a singleton is gone; then the old one starts again.
    NewSingleton(ProcessId, InstanceKey),
    /// That this release is gone: the rollback to it needs its ports.
    Retired(Generation),
    /// That the requests of the release that is being undone are over.
    Drained(Generation),
}

/// How far a step or an undo got at once.
pub(super) enum Progress {
    Done,
    Waits(WaitsFor),
    Fails(Failure),
}

impl Rollout {
    pub(super) fn is_waiting(&self) -> bool {
        self.waits_for != WaitsFor::Nothing
    }
}

impl World {
    pub(super) fn begin_deploy(&mut self, op: OpId, request: DeployRequest) -> Result<(), Refusal> {
        self.check_live_changes(request.application.as_deref())?;
        self.record_deploy_started(&request);
        self.begin_rollout(op, Verb::Deploy, request);
        Ok(())
    }

    fn record_deploy_started(&mut self, request: &DeployRequest) {
        self.record(Event::DeployStarted {
            release: request.release.clone(),
            path: request.path.clone().into(),
            revision: request.revision.clone(),
        });
    }

    pub(super) fn begin_rollback(
        &mut self,
        op: OpId,
        to: &RollbackTo,
        application: Option<Arc<Application>>,
    ) -> Result<(), Refusal> {
        self.check_live_changes(application.as_deref())?;
        let target = self.rollback_target(to)?;
        let request = DeployRequest {
            release: target.id.clone(),
            path: target.path.clone(),
            revision: Some(target.revision.clone()),
            application,
        };
        let (release, path) = (request.release.clone(), request.path.clone().into());
        self.record(Event::RollbackStarted { release, path });
        // What follows is a deploy (compat C-136), and is told as one.
        self.record_deploy_started(&request);
        self.begin_rollout(op, Verb::Rollback, request);
        Ok(())
    }

    /// Compat C-32.
    fn check_live_changes(&self, new: Option<&Application>) -> Result<(), Refusal> {
        let settings = new.map(|new| restart_needed(&self.application, new)).unwrap_or_default();
        match settings.is_empty() {
            true => Ok(()),
            false => Err(Refusal::ConfigNeedsRestart(RestartNeeded { settings })),
        }
    }

    /// Compat C-134, C-135.
    fn rollback_target(&self, to: &RollbackTo) -> Result<&Release, Refusal> {
        let active = self.active().map(|active| &active.id);
        match to {
            RollbackTo::Release(id) if active == Some(id) => Err(Refusal::AlreadyActive(id.clone())),
            RollbackTo::Release(id) => self.newest(id).ok_or_else(|| Refusal::NotRetained(id.clone())),
            RollbackTo::Previous => self
                .releases
                .values()
                .filter(|release| release.activated_at.is_some() && active != Some(&release.id))
                .max_by_key(|release| (release.activated_at, release.generation))
                .ok_or(Refusal::NoPrevious),
        }
    }

    fn begin_rollout(&mut self, op: OpId, verb: Verb, request: DeployRequest) {
        let application = request.application.unwrap_or_else(|| Arc::clone(&self.application));
        let alive = self.services.iter().filter(|(_, service)| self.is_looked_after(service));
        let walk = Walk::new(plan(&application, &alive.map(|(id, _)| id.clone()).collect()));
        let generation = self.add_release(request.release, request.path, request.revision, application);
        self.operation = Some(Operation::Rollout(Box::new(Rollout {
            op,
            verb,
            generation,
            walk,
            waits_for: WaitsFor::Nothing,
            previous: self.active,
            previous_application: Arc::clone(&self.application),
            leased: BTreeMap::new(),
            services_started: BTreeSet::new(),
            services_revived: BTreeMap::new(),
            services_refreshed: BTreeMap::new(),
            displaced: BTreeMap::new(),
        })));
    }

    fn add_release(
        &mut self,
        id: ReleaseId,
        path: String,
        revision: Option<Revision>,
        application: Arc<Application>,
    ) -> Generation {
        let generation = self.next_generation();
        let place = self.newest(&id).map_or(generation, |replaced| replaced.place);
        let revision = revision.unwrap_or_else(|| id.clone().into());
        let release = Release {
            generation,
            id,
            path,
            revision,
            addresses: BTreeMap::new(),
            state: ReleaseState::Starting,
            activated_at: None,
            drain_started_at: None,
            stopped_at: None,
            leased: BTreeMap::new(),
            application,
            place,
        };
        self.releases.insert(generation, release);
        generation
    }

    /// Does the next step or undo of a rollout that waits for nothing.
    pub(super) fn advance(&mut self, mut rollout: Box<Rollout>, now: Instant) {
        let release = self.release_mut(rollout.generation).id.clone();
        let progress = match rollout.walk.turn() {
            Turn::Over(outcome) => return self.finish(*rollout, outcome, now),
            Turn::Do(step) => {
                self.record(Event::StepStarted { release, step: step.clone() });
                self.begin(&mut rollout, &step, now)
            }
            Turn::Undo(undo) => self.begin_undo(&mut rollout, &undo, now),
        };
        self.note(&mut rollout, progress);
        self.operation = Some(Operation::Rollout(rollout));
    }

    pub(super) fn rollout_told(
        &mut self,
        mut rollout: Box<Rollout>,
        key: InstanceKey,
        change: &Change,
        tail: &[String],
    ) {
        let progress = match rollout.waits_for.clone() {
            WaitsFor::Started(awaited) if awaited == key => self.started(key, change, tail),
            WaitsFor::Ready(awaited) if awaited == key => self.exited_while_probed(key, change, tail),
            WaitsFor::Gone(awaited) if awaited == key => self.gone(&mut rollout, key, change),
            WaitsFor::OldSingleton(id, awaited) if awaited == key => {
                self.old_singleton_told(&rollout, &id, change)
            }
            WaitsFor::NewSingleton(id, awaited) if awaited == key => {
                self.new_singleton_told(&rollout, &id, change)
            }
            _ => None,
        };
        if let Some(progress) = progress {
            self.note(&mut rollout, progress);
        }
        self.operation = Some(Operation::Rollout(rollout));
    }

    /// Takes in how far a step or an undo got.
    pub(super) fn note(&mut self, rollout: &mut Rollout, progress: Progress) {
        rollout.waits_for = WaitsFor::Nothing;
        match progress {
            Progress::Waits(waits_for) => rollout.waits_for = waits_for,
            Progress::Done => {
                self.record_undone(rollout);
                rollout.walk.succeeded();
            }
            Progress::Fails(failure) => {
                self.record_step_failed(rollout, &failure);
                rollout.walk.failed(failure);
            }
        }
    }

    fn record_undone(&mut self, rollout: &Rollout) {
        match rollout.walk.turn() {
            Turn::Undo(undo) if undo != Undo::Nothing => {
                let release = self.release_mut(rollout.generation).id.clone();
                self.record(Event::StepUndone { release, undo });
            }
            _ => {}
        }
    }

    fn record_step_failed(&mut self, rollout: &Rollout, failure: &Failure) {
        if let Turn::Do(step) = rollout.walk.turn() {
            let release = self.release_mut(rollout.generation).id.clone();
            let error = failure.to_string();
            self.record(Event::StepFailed { release, step: step.clone(), error: error.clone() });
            self.describe_startup(rollout.generation, &step, &error, CleanupPhase::Before);
        }
    }

    fn finish(&mut self, rollout: Rollout, outcome: Outcome, now: Instant) {
        match outcome {
            Outcome::Deployed => self.finish_deployed(&rollout, now),
            Outcome::Undone { step, cause } => {
                self.describe_startup(rollout.generation, &step, cause.message(), CleanupPhase::After);
                let release = self.forget_undone(&rollout, &cause);
                self.record(Event::RolloutUndone { release: release.clone() });
                self.answer(rollout.op, Answer::Undone { release, step, cause });
            }
            Outcome::Stuck { step, cause, undo, undo_cause } => {
                self.describe_startup(rollout.generation, &step, cause.message(), CleanupPhase::After);
                let release = self.leave_stuck(&rollout, &cause);
                let error = undo_cause.to_string();
                self.record(Event::RolloutStuck { release: release.clone(), undo: undo.clone(), error });
                self.answer(rollout.op, Answer::Stuck { release, step, cause, undo, undo_cause });
            }
        }
    }

    fn finish_deployed(&mut self, rollout: &Rollout, now: Instant) {
        for displaced in rollout.displaced.values().flatten() {
            self.forget_instance(displaced.key);
        }
        let id = |generation| self.releases.get(&generation).map(|release: &Release| release.id.clone());
        let active = id(rollout.generation).expect("a deployed release is there");
        let previous = rollout.previous.and_then(id);
        if let Some(previous) = rollout.previous {
            self.begin_retirement(previous, now);
        }
        self.answer(rollout.op, Answer::Deployed { active, previous });
    }

    fn forget_undone(&mut self, rollout: &Rollout, cause: &Failure) -> ReleaseId {
        let id = self.release_mut(rollout.generation).id.clone();
        self.actions.push(Action::EndTraffic(rollout.generation));
        self.forget_release(rollout.generation);
        self.record_failure(&id, cause);
        id
    }

    /// What could not be ended stays in the list, with its ports, so that it can be seen and stopped again.
    fn leave_stuck(&mut self, rollout: &Rollout, cause: &Failure) -> ReleaseId {
        self.actions.push(Action::EndTraffic(rollout.generation));
        let id = self.release_mut(rollout.generation).id.clone();
        if self.survivors_of(rollout.generation) == 0 {
            self.forget_release(rollout.generation);
        } else {
            self.release_mut(rollout.generation).state = ReleaseState::Failed;
        }
        self.record_failure(&id, cause);
        id
    }

    fn record_failure(&mut self, release: &ReleaseId, cause: &Failure) {
        self.record(Event::DeployFailed { release: release.clone(), error: cause.to_string() });
    }
}
