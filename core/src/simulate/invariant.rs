//! The seven invariants of the design, one function each, checked after every turn.
//!
//! They look at what really happened, not at what the world believes.

use std::collections::BTreeSet;

use crate::rollout::Owner;
use crate::spec::{Address, ProcessPolicy};

use super::{Simulation, promise};

/// An invariant that does not hold.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{invariant}: {what}")]
pub struct Broken {
    /// Its name.
    pub invariant: &'static str,
    /// What was seen.
    pub what: String,
}

type Invariant = fn(&Simulation) -> Option<String>;

const INVARIANTS: [(&str, Invariant); 10] = [
    ("traffic points at one release that was ready", traffic_points_at_one_ready_release),
    ("a failed rollout changes nothing", a_failed_rollout_changes_nothing),
    ("a singleton is alone", a_singleton_is_alone),
    ("every lease has a reason", every_lease_has_a_reason),
    ("restarts stay within their limit", restarts_stay_within_their_limit),
    ("every request is answered or counted", every_request_is_answered_or_counted),
    ("one answer, and one rollout at a time", one_answer_and_one_rollout_at_a_time),
    ("the world does not contradict itself", the_world_does_not_contradict_itself),
    ("the proxy knows how its backend is", the_proxy_knows_how_its_backend_is),
    ("promises are kept", promise::broken),
];

pub(super) fn broken(sim: &Simulation) -> Option<Broken> {
    let seen =
        |(invariant, holds): &(&'static str, Invariant)| holds(sim).map(|what| Broken { invariant, what });
    INVARIANTS.iter().find_map(seen)
}

fn traffic_points_at_one_ready_release(sim: &Simulation) -> Option<String> {
    if sim.ledger.switched_unready {
        return Some("traffic moved to a release that was not ready".to_owned());
    }
    let believed = sim.world.active().map(|release| release.generation);
    let target = sim.traffic.target;
    (believed != target).then(|| format!("traffic points at {target:?}, the world says {believed:?}"))
}

fn a_failed_rollout_changes_nothing(sim: &Simulation) -> Option<String> {
    sim.ledger.changed_by_undo.clone()
}

fn a_singleton_is_alone(sim: &Simulation) -> Option<String> {
    let processes = &sim.world.application().processes;
    processes.iter().filter(|process| process.policy == ProcessPolicy::Singleton).find_map(|process| {
        let live = sim.system.living().filter(|(_, group)| *group.id.process() == process.id).count();
        (live > 1).then(|| format!("{} has {live} live groups", process.id))
    })
}

fn every_lease_has_a_reason(sim: &Simulation) -> Option<String> {
    let known: BTreeSet<Address> = sim.world.leases().into_keys().collect();
    let unknown = sim.ports.leased.iter().find(|(address, _)| !known.contains(address));
    if let Some((address, generation)) = unknown {
        let is_starting =
            sim.world.releases().any(|release| release.generation == *generation && !release.is_visible());
        let is_under_way = sim.world.is_shutting_down() && sim.agenda.awaits_lease(*generation);
        return (!is_starting && !is_under_way).then(|| format!("{address} is leased for nobody"));
    }
    let missing = known.iter().find(|address| !sim.ports.leased.contains_key(address))?;
    Some(format!("{missing} was given back, but somebody still uses it"))
}

fn restarts_stay_within_their_limit(sim: &Simulation) -> Option<String> {
    sim.ledger.restarts.iter().find_map(|(key, restarts)| {
        let policy = &sim.world.instance(*key)?.run.restart;
        let (limit, window) = (policy.max_restarts()? as usize, policy.window());
        let too_many = restarts
            .windows(limit + 1)
            .find(|starts| window.is_zero() || starts[limit] - starts[0] < window)?;
        Some(format!("{key:?} was restarted {} times within {window:?}", too_many.len()))
    })
}

fn every_request_is_answered_or_counted(sim: &Simulation) -> Option<String> {
    let (accepted, accounted) = (sim.traffic.accepted, sim.traffic.accounted_for());
    let differ = accepted != accounted;
    sim.ledger.lost.clone().or(differ.then(|| format!("{accepted} were accepted, {accounted} accounted for")))
}

fn one_answer_and_one_rollout_at_a_time(sim: &Simulation) -> Option<String> {
    let unanswered = sim.ledger.ops.values().filter(|op| op.wants_lock && op.answers.is_empty()).count();
    if unanswered > 1 {
        return Some(format!("{unanswered} operations are under way at once"));
    }
    let twice = sim.ledger.ops.iter().find(|(_, op)| op.answers.len() > 1);
    twice.map(|(op, asked)| format!("question {} was answered {} times", op.0, asked.answers.len()))
}

fn the_proxy_knows_how_its_backend_is(sim: &Simulation) -> Option<String> {
    let (told, known) = (sim.traffic.told, sim.world.backend());
    (told != known).then(|| format!("it was told {told:?}, and it is {known:?}"))
}

fn the_world_does_not_contradict_itself(sim: &Simulation) -> Option<String> {
    sim.world.violation().map(|violation| violation.to_string())
}

impl Simulation {
    /// What must be true when everything is over.
    pub(super) fn is_clean(&self) -> Option<Broken> {
        let seen = |invariant, what| Some(Broken { invariant, what });
        if let Some((op, _)) = self.ledger.ops.iter().find(|(_, op)| op.answers.len() != 1) {
            return seen("every question has exactly one answer", format!("question {} has not", op.0));
        }
        if let Some((pid, group)) = self.system.living().next() {
            return seen("nothing is left behind", format!("{} (pid {pid}) still lives", group.id));
        }
        let held = self
            .world
            .instances()
            .any(|(_, instance)| instance.survivors > 0 && matches!(instance.owner, Owner::Release(_)));
        (!held && !self.is_shut_down())
            .then(|| Broken { invariant: "a shutdown ends", what: "it did not".to_owned() })
    }

    fn is_shut_down(&self) -> bool {
        self.world.is_shutting_down()
    }
}
