//! What a proxy tells of itself: who is connected, and what came of requests.

#[cfg(feature = "metrics")]
use std::sync::Arc;

use crate::id::Generation;

use super::{Admissions, Counts, DrainingProxy, Holder, TrafficCounts};

impl DrainingProxy {
    /// Who is connected, and who could not be.
    #[must_use]
    pub fn admissions(&self) -> Admissions {
        self.shared.admissions()
    }

    /// What is open of a release, active or draining (compat C-105).
    #[must_use]
    pub fn counts(&self, generation: Generation) -> Counts {
        self.shared.counts(generation)
    }

    /// Who is open to a release: the oldest first, at most [`HOLDERS_MAX`](crate::HOLDERS_MAX). What they are is said by their own threads: who
    /// was not asked before may be missing until the next call. Those of a release that drains were asked when its drain
    /// began.
    #[must_use]
    pub fn holders(&self, generation: Generation) -> Vec<Holder> {
        self.shared.holders(generation)
    }

    /// What came of a release's requests so far; `None` when it never had traffic here, or that was long ago: of releases
    /// without traffic the last 32 are remembered.
    #[must_use]
    pub fn traffic(&self, generation: Generation) -> Option<TrafficCounts> {
        self.shared.traffic(generation)
    }

    /// As [`traffic`](Self::traffic), of all releases that are remembered and [have a name](Self::name_release), by it.
    #[cfg(feature = "metrics")]
    pub(crate) fn traffic_by_name(&self) -> Vec<(Arc<str>, TrafficCounts)> {
        self.shared.traffic_by_name()
    }

    /// What came of the requests that no release was chosen for: those that could not be understood, and those that came
    /// while there was no active release.
    #[must_use]
    pub fn unrouted_traffic(&self) -> TrafficCounts {
        self.shared.unrouted.read()
    }

    /// How many clients are connected.
    #[must_use]
    pub fn clients(&self) -> usize {
        self.shared.clients.count()
    }
}
