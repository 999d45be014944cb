//! What really happened, kept so that the invariants can be checked against it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::id::{Generation, InstanceKey, OpId, ReleaseId};
use crate::report::{AfterExit, Change, StartReason};
use crate::rollout::{Answer, Command, DeployRequest, Instance, Owner, World};
use crate::spec::{Address, Application, RunSpec};
use crate::time::Instant;

/// The books of a simulation.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    /// Every question with its answers, and whether it wants the lock.
    pub(super) ops: BTreeMap<OpId, Op>,
    /// Automatic restarts of each instance.
    pub(super) restarts: BTreeMap<InstanceKey, Vec<Instant>>,
    /// Instances that answered a health check.
    pub(super) answered_probe: BTreeSet<InstanceKey>,
    /// Instances that went down and stay down, by themselves.
    given_up: BTreeSet<InstanceKey>,
    /// Instances that were stopped for their memory, by themselves.
    held_too_much: BTreeSet<InstanceKey>,
    /// A switch to a release that was not ready.
    pub(super) switched_unready: bool,
    /// Requests that were lost, and how.
    pub(super) lost: Option<String>,
    /// A promise that was not kept, see `promise.rs`.
    pub(super) broken_promise: Option<String>,
    /// The releases that were deployed, in their order.
    pub(super) deployed: Vec<ReleaseId>,
    /// How an undone rollout changed the world.
    pub(super) changed_by_undo: Option<String>,
    /// A config that is in force and should not be.
    pub(super) wrong_config: Option<String>,
    shutting_down: bool,
    /// Somebody asked for the stop of a release, once.
    has_stopped: bool,
}

#[derive(Debug)]
pub(super) struct Op {
    pub(super) wants_lock: bool,
    /// The config that a deploy or a rollback came with.
    config: Option<Arc<Application>>,
    before: Snapshot,
    pub(super) answers: Vec<Answer>,
}

/// What a failed rollout must leave alone.
#[derive(Clone, Debug, PartialEq)]
struct Snapshot {
    application: Arc<Application>,
    active: Option<Generation>,
    kept_up: BTreeSet<InstanceKey>,
    services: BTreeMap<InstanceKey, (ReleaseId, Arc<RunSpec>)>,
    leases: BTreeSet<Address>,
}

impl Snapshot {
    /// Releases that are on their way out change by themselves, and are left out.
    fn of(world: &World) -> Self {
        let active = world.active().map(|release| release.generation);
        let counts = |owner| match owner {
            Owner::Release(generation) => Some(generation) == active,
            Owner::Service | Owner::Singleton => true,
        };
        let kept_up =
            world.instances().filter(|(_, instance)| counts(instance.owner) && instance.is_kept_up());
        let retiring: BTreeSet<_> = world
            .releases()
            .filter(|release| Some(release.generation) != active)
            .flat_map(|release| release.addresses.values())
            .cloned()
            .collect();
        let held_on =
            world.active().into_iter().flat_map(|release| release.addresses.values()).cloned().collect();
        let passing: BTreeSet<Address> = &retiring - &held_on;
        let services =
            world.services().filter_map(|(_, key)| world.instance(key).map(|service| (key, service)));
        let definition =
            |(key, service): (_, &Instance)| (key, (service.release.clone(), Arc::clone(&service.run)));
        Self {
            application: Arc::clone(world.application()),
            active,
            services: services.map(definition).collect(),
            kept_up: kept_up.map(|(key, _)| key).collect(),
            leases: world.leases().into_keys().filter(|address| !passing.contains(address)).collect(),
        }
    }
}

impl Ledger {
    pub(super) fn asked(&mut self, op: OpId, command: &Command, world: &World) {
        self.shutting_down |= matches!(command, Command::Shutdown);
        self.has_stopped |= matches!(command, Command::Stop(_));
        let op_now = Op {
            wants_lock: !matches!(
                command,
                Command::Shutdown
                    | Command::DrainThenShutdown
                    | Command::RetireOwner { .. }
                    | Command::Pause { .. }
                    | Command::Resume
            ),
            config: match command {
                Command::Deploy(DeployRequest { application, .. })
                | Command::Rollback { application, .. } => application.clone(),
                _ => None,
            },
            before: Snapshot::of(world),
            answers: Vec::new(),
        };
        self.ops.insert(op, op_now);
    }

    /// The answer to a question, once there is one.
    pub(super) fn answer(&self, op: OpId) -> Option<&Answer> {
        self.ops.get(&op)?.answers.first()
    }

    pub(super) fn answered(&mut self, op: OpId, answer: Answer, world: &World) {
        let Some(asked) = self.ops.get_mut(&op) else { return };
        if let Answer::Deployed { active, .. } = &answer {
            self.deployed.push(active.clone());
        }
        if let Some(config) = &asked.config
            && !world.is_shutting_down()
        {
            // A deployed release comes with its config, any other leaves the one in force (compat C-33).
            let is_deployed = matches!(answer, Answer::Deployed { .. });
            let wanted = if is_deployed { config } else { &asked.before.application };
            if world.application() != wanted {
                self.wrong_config = Some(format!("after {answer:?} the wrong config is in force"));
            }
        }
        if matches!(answer, Answer::Undone { .. }) {
            let (before, after) = (&asked.before, Snapshot::of(world));
            let lost: Vec<_> = before.kept_up.difference(&after.kept_up).collect();
            let is_its_own =
                |key: &InstanceKey| self.given_up.contains(key) || self.held_too_much.contains(key);
            let lost_by_undo: Vec<_> = lost.into_iter().filter(|key| !is_its_own(key)).collect();
            let is_same = before.active == after.active
                && before.leases == after.leases
                && before.services == after.services
                && lost_by_undo.is_empty();
            if !is_same {
                self.changed_by_undo = Some(format!("before {before:?}, after {after:?}"));
            }
        }
        asked.answers.push(answer);
    }

    /// Whatever was answered has been looked at.
    pub(super) fn forget_answered(&mut self) {
        self.ops.retain(|_, op| op.answers.is_empty());
    }

    pub(super) fn told(&mut self, key: InstanceKey, change: &Change, now: Instant) {
        match change {
            Change::Started { reason: StartReason::Crash, .. } => {
                self.restarts.entry(key).or_default().push(now);
            }
            Change::NotStarted { .. }
            | Change::Exited { then: AfterExit::Stays | AfterExit::LimitReached { .. }, .. } => {
                self.given_up.insert(key);
            }
            Change::MemoryExceeded { .. } => {
                self.held_too_much.insert(key);
            }
            Change::Started { .. } => {
                self.given_up.remove(&key);
            }
            _ => {}
        }
    }

    /// Every request is over: whatever is stopped now takes none with it.
    pub(super) fn proxy_closed(&mut self) {
        self.shutting_down = true;
    }

    pub(super) fn switched(&mut self, was_ready: bool) {
        self.switched_unready |= !was_ready;
    }

    /// Whether somebody asked for an end that does not wait for requests.
    pub(super) fn may_lose_requests(&self) -> bool {
        self.shutting_down || self.has_stopped
    }
}
