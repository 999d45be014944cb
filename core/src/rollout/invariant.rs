//! What must be true of a world after every turn.
//!
//! These are the parts of the design's invariants that the world can see by itself; the simulator checks all seven
//! against what its made-up system really does.

use crate::rollout::{Owner, ReleaseState, World};

/// A world that contradicts itself: a bug in the decisions, never in what was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Violation(String);

impl World {
    /// The first contradiction, if there is one.
    #[must_use]
    pub fn violation(&self) -> Option<Violation> {
        let found = [
            self.traffic_points_at_one_active_release(),
            self.every_lease_belongs_to_a_release_with_a_reason(),
            self.a_singleton_has_one_live_instance(),
        ];
        found.into_iter().flatten().next().map(Violation)
    }

    /// Invariant 1.
    fn traffic_points_at_one_active_release(&self) -> Option<String> {
        let active = self.releases().filter(|release| release.state == ReleaseState::Active);
        let generations: Vec<_> = active.map(|release| release.generation).collect();
        let pointed_at: Vec<_> = self.active().map(|release| release.generation).into_iter().collect();
        (generations != pointed_at)
            .then(|| format!("traffic points at {pointed_at:?}, but {generations:?} say they are active"))
    }

    /// Invariant 4.
    fn every_lease_belongs_to_a_release_with_a_reason(&self) -> Option<String> {
        let idle =
            |release: &&super::Release| release.state == ReleaseState::Stopped && release.holds_ports();
        let release = self.releases().find(idle)?;
        Some(format!("stopped release {} still holds ports", release.id))
    }

    /// Invariant 3.
    fn a_singleton_has_one_live_instance(&self) -> Option<String> {
        let live: Vec<_> = self
            .instances()
            .filter(|(_, instance)| instance.owner == Owner::Singleton && instance.may_live())
            .map(|(_, instance)| &instance.id)
            .collect();
        let twice = live.iter().enumerate().find(|(place, id)| live[place + 1..].contains(id));
        twice.map(|(_, id)| format!("singleton {id} has two live instances"))
    }
}
