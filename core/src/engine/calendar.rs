//! What the calendar said at an instant, the same each time it is asked.

use std::sync::{Mutex, PoisonError};

use crate::clock;
use crate::time::Epoch;

/// Both clocks are never read at the same moment, so a place where they meet that is taken anew each time would move a
/// process's `startedAt` by a millisecond now and then, which looks like a restart.
#[derive(Debug)]
pub(super) struct Calendar(Mutex<Epoch>);

impl Default for Calendar {
    fn default() -> Self {
        Self(Mutex::new(clock::epoch()))
    }
}

impl Calendar {
    /// The place where the clocks met first, unless somebody has set the calendar since.
    pub(super) fn epoch(&self) -> Epoch {
        let mut epoch = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *epoch = epoch.unless_set(clock::epoch());
        *epoch
    }
}
