//! Who waits, in the order in which they came.

use std::collections::BTreeMap;

use crate::time::Instant;

/// Where a request stands. The order of places is the order in which requests came, and that of their deadlines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Place(u64);

/// A request that waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Waiting {
    pub(super) bytes: usize,
    pub(super) deadline: Instant,
}

/// Who waits, in the order in which they came.
#[derive(Clone, Debug, Default)]
pub(super) struct Queue {
    waiting: BTreeMap<Place, Waiting>,
    bytes: usize,
    places: u64,
}

impl Queue {
    pub(super) fn next_place(&mut self) -> Place {
        self.places += 1;
        Place(self.places)
    }

    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Whoever is here has room.
    pub(super) fn has_room(&self, place: Place, bytes: usize, parked_max: usize, bytes_max: usize) -> bool {
        let is_small = self.bytes.saturating_add(bytes) <= bytes_max;
        self.waiting.contains_key(&place) || (self.waiting.len() < parked_max && is_small)
    }

    pub(super) fn insert(&mut self, place: Place, waiting: Waiting) {
        self.remove(place);
        self.bytes = self.bytes.saturating_add(waiting.bytes);
        self.waiting.insert(place, waiting);
    }

    pub(super) fn remove(&mut self, place: Place) {
        if let Some(waiting) = self.waiting.remove(&place) {
            self.bytes = self.bytes.saturating_sub(waiting.bytes);
        }
    }

    /// Whoever has waited longest, but for `passed_over`.
    pub(super) fn first(&self, passed_over: Option<Place>) -> Option<(Place, Waiting)> {
        let mut all = self.waiting.iter().map(|(place, waiting)| (*place, *waiting));
        all.find(|(place, _)| Some(*place) != passed_over)
    }

    pub(super) fn take_all(&mut self) -> impl Iterator<Item = Place> + use<> {
        self.bytes = 0;
        std::mem::take(&mut self.waiting).into_keys()
    }
}
