//! What is promised beside the seven invariants: of ports, of releases that end, of answers.

use std::time::Duration;

use crate::id::{Generation, InstanceId, InstanceKey, ReleaseId};
use crate::report::{AfterExit, Change, ProcessState};
use crate::rollout::{Answer, Instance, Owner, Release, ReleaseState};
use crate::spec::{Address, ProcessPolicy, ProcessSpec};

use super::{Broken, Simulation};

/// Looks at the whole made-up world, after every turn.
pub(super) fn broken(sim: &Simulation) -> Option<String> {
    let promises = [
        what_lives_is_known,
        what_lives_has_its_address,
        what_is_stopped_is_gone,
        old_releases_are_forgotten,
        traffic_has_a_future,
    ];
    let wrong_config = sim.ledger.wrong_config.clone();
    wrong_config
        .or_else(|| sim.ledger.broken_promise.clone())
        .or_else(|| promises.iter().find_map(|promise| promise(sim)))
}

fn what_lives_is_known(sim: &Simulation) -> Option<String> {
    let (pid, group) = sim.system.living().find(|(_, group)| sim.world.instance(group.key).is_none())?;
    Some(format!("{} (pid {pid}) lives, and the world has forgotten it", group.id))
}

fn what_lives_has_its_address(sim: &Simulation) -> Option<String> {
    let is_given_back = |address: &Address| !sim.ports.leased.contains_key(address);
    let (_, group) =
        sim.system.living().find(|(_, group)| group.address.as_ref().is_some_and(is_given_back))?;
    let address = group.address.as_ref()?;
    Some(format!("{} lives, and its {address} was given back", group.id))
}

fn what_is_stopped_is_gone(sim: &Simulation) -> Option<String> {
    sim.system.living().find_map(|(pid, group)| {
        let Owner::Release(generation) = sim.world.instance(group.key)?.owner else { return None };
        let mut releases = sim.world.releases();
        let release = releases.find(|release| release.generation == generation)?;
        (release.state == ReleaseState::Stopped)
            .then(|| format!("{} is stopped, but {} (pid {pid}) lives", release.id, group.id))
    })
}

fn old_releases_are_forgotten(sim: &Simulation) -> Option<String> {
    let stopped = sim.world.releases().filter(|release| release.state == ReleaseState::Stopped).count();
    let keep = sim.world.application().retention.keep;
    (stopped > keep).then(|| format!("{stopped} stopped releases are remembered, not {keep}"))
}

/// A crash is followed by a restart as long as the policy allows it, so traffic never points at what stays down.
fn traffic_has_a_future(sim: &Simulation) -> Option<String> {
    // Whoever ends does not begin anew: what is asked of it for the last time is answered with 502.
    if sim.world.is_shutting_down() {
        return None;
    }
    let web = sim.proxied_of(sim.world.active()?.generation)?;
    let instance = sim.world.instance(web)?;
    let stays_down = matches!(instance.state, ProcessState::Failed { exit: Some(_) });
    (stays_down && instance.run.restart.max_restarts().is_none())
        .then(|| format!("traffic points at {}, which is down and stays down", instance.id))
}

impl Simulation {
    /// What must be true when nothing was asked for a long time.
    pub(super) fn is_settled(&self) -> Option<Broken> {
        let seen = |what| Some(Broken { invariant: "everything ends", what });
        if self.world.is_shutting_down() {
            let late = !self.world.is_over();
            return late.then(|| seen("nothing is over".to_owned())).flatten();
        }
        if let Some(holder) = self.world.busy_with() {
            return seen(format!("{holder} still has the lock"));
        }
        let draining = self.world.releases().find(|release| release.state == ReleaseState::Draining);
        draining.and_then(|release| seen(format!("{} still drains", release.id)))
    }

    /// An answer says what is true.
    pub(super) fn check_answer(&mut self, answer: &Answer) {
        let lie = match answer {
            Answer::Deployed { active, .. } => self.not_deployed(active),
            Answer::Restarted(instances) => instances.iter().find_map(|id| self.not_restarted(id)),
            Answer::ShutDown { survivors } => self.not_shut_down(*survivors),
            Answer::Retired => self.not_retired(),
            Answer::TrafficPaused => self.not_as_said(true),
            Answer::TrafficResumed => self.not_as_said(false),
            _ => None,
        };
        self.promise_broken(lie);
    }

    fn not_as_said(&self, is_paused: bool) -> Option<String> {
        let is_lie = self.traffic.is_paused != is_paused || self.world.is_paused() != is_paused;
        is_lie.then(|| format!("traffic is said to be paused: {is_paused}, and is not"))
    }

    fn not_deployed(&self, active: &ReleaseId) -> Option<String> {
        let release = self.world.active()?;
        if release.id != *active {
            return Some(format!("{active} is said to be deployed, but {} is active", release.id));
        }
        let wanted = self.world.application().processes.iter().flat_map(ProcessSpec::instances);
        let is_there = |id: &InstanceId| {
            let mut all = self.world.instances();
            all.any(|(_, instance)| {
                let was_started = instance.last_reason.is_some() || instance.owner == Owner::Service;
                instance.id == *id && instance.release == *active && was_started
            })
        };
        wanted
            .filter(|id| !is_there(id))
            .map(|id| format!("{active} is said to be deployed without {id}"))
            .next()
    }

    fn not_restarted(&self, id: &InstanceId) -> Option<String> {
        let is_up = |instance: &Instance| {
            instance.id == *id
                && !instance.is_being_stopped
                && !matches!(instance.state, ProcessState::Stopped { .. })
        };
        let is_any_up = self.world.instances().any(|(_, instance)| is_up(instance));
        (!is_any_up).then(|| format!("{id} is said to be restarted, and is down"))
    }

    fn not_shut_down(&self, survivors: u32) -> Option<String> {
        let left: u32 = self.system.living().map(|(_, group)| group.members()).sum();
        (left > survivors).then(|| format!("{survivors} are said to be left, but {left} are"))
    }

    /// Compat C-165.
    fn not_retired(&self) -> Option<String> {
        if !self.traffic.is_closed {
            return Some("the owner is said to be retired, and still lets requests in".to_owned());
        }
        let proxied = &self.world.application().proxied().id;
        let works = |instance: &&Instance| {
            instance.id.process() != proxied && matches!(instance.state, ProcessState::Running { .. })
        };
        let mut all = self.world.instances().map(|(_, instance)| instance);
        all.find(works)
            .map(|instance| format!("the owner is said to be retired, and {} still works", instance.id))
    }

    /// A rollback goes to the release that was deployed last, other than the active one (C-134).
    pub(super) fn check_rollback(&mut self, to: &ReleaseId) {
        let is_choice = |id: &&ReleaseId| {
            self.world.active().is_none_or(|active| active.id != **id)
                && self.world.releases().any(|release| release.is_visible() && release.id == **id)
        };
        let wanted = self.ledger.deployed.iter().rev().find(is_choice);
        let wrong = wanted.filter(|wanted| *wanted != to);
        let what = wrong.map(|wanted| format!("a rollback goes to {to}, not to {wanted}"));
        self.promise_broken(what);
    }

    /// Handoff services serve to the end, and only companions that may be are stopped beside the drain (C-127, C-129).
    pub(super) fn check_stop(&mut self, key: InstanceKey) {
        if self.ledger.may_lose_requests() {
            return;
        }
        let Some((instance, generation)) = self.retiring(key) else { return };
        let Some(process) =
            self.world.application().processes.iter().find(|process| process.id == *instance.id.process())
        else {
            return;
        };
        let drains = !self.drained.contains(&generation) && !process.non_blocking_drain;
        let goes_on = |web: InstanceKey| {
            self.is_alive(web) && self.world.instance(web).is_some_and(|web| web.survivors == 0)
        };
        let serves =
            process.policy == ProcessPolicy::Service && self.proxied_of(generation).is_some_and(goes_on);
        let id = instance.id.clone();
        self.promise_broken(drains.then(|| format!("{id} is stopped while its release drains")));
        self.promise_broken(serves.then(|| format!("{id} is stopped before the others")));
    }

    /// A drain has all its time (C-128), and a companion that may be is on its way when it begins (C-127).
    pub(super) fn check_drain(&mut self, generation: Generation, budget: Duration) {
        let wanted = self.world.application().proxy.drain_timeout;
        self.promise_broken(
            (budget != wanted).then(|| format!("a drain may take {budget:?}, not {wanted:?}")),
        );
        let processes = &self.world.application().processes;
        let late = self.world.instances().find(|(key, instance)| {
            let is_early =
                |process: &ProcessSpec| process.id == *instance.id.process() && process.non_blocking_drain;
            processes.iter().any(is_early)
                && self.retiring(*key).is_some_and(|(_, of)| of == generation)
                && !instance.is_being_stopped
                && instance.is_kept_up()
        });
        let late = late.map(|(_, instance)| format!("{} is not stopped beside the drain", instance.id));
        self.promise_broken(late);
        let stopped_as_before = self.stopped_as_before(generation);
        self.promise_broken(stopped_as_before);
    }

    /// What the config now says of stopping governs the retirement (C-126).
    fn stopped_as_before(&self, generation: Generation) -> Option<String> {
        let processes = &self.world.application().processes;
        self.world.instances().find_map(|(key, instance)| {
            self.retiring(key).filter(|(_, of)| *of == generation)?;
            let process = processes.iter().find(|process| process.id == *instance.id.process())?;
            let stop = self.stop_of(key)?;
            (*stop != process.stop).then(|| format!("{} is to be stopped as it was started", instance.id))
        })
    }

    /// What crashes while its release retires stays down (C-131).
    pub(super) fn check_change(&mut self, key: InstanceKey, change: &Change) {
        let restarts = matches!(change, Change::Exited { then: AfterExit::Restart { .. }, .. });
        let retiring = self.retiring(key).filter(|_| restarts).map(|(instance, _)| instance.id.clone());
        self.promise_broken(retiring.map(|id| format!("{id} will be restarted while its release retires")));
    }

    fn retiring(&self, key: InstanceKey) -> Option<(&Instance, Generation)> {
        let instance = self.world.instance(key)?;
        let Owner::Release(generation) = instance.owner else { return None };
        let mut releases = self.world.releases();
        let retires = |release: &&Release| {
            release.generation == generation
                && release.state == ReleaseState::Draining
                && release.drain_started_at.is_some()
        };
        releases.find(retires).map(|_| (instance, generation))
    }

    fn promise_broken(&mut self, what: Option<String>) {
        self.ledger.broken_promise = self.ledger.broken_promise.take().or(what);
    }
}
