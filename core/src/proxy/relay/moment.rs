//! The time, read at most once in a turn of a task.
//!
//! A request asks for it half a dozen times in two turns, and a turn takes microseconds: the runtime ends it early if there
//! is ever so much to do.

use std::cell::Cell;

use crate::clock;
use crate::time::Instant;

thread_local! {
    static READ: Cell<Option<Instant>> = const { Cell::new(None) };
}

/// A task of the relay has its turn.
pub(super) fn turn_begins() {
    READ.set(None);
}

/// When this turn of the task took place. Only inside of one: what is dropped with its task has no turn.
pub(super) fn now() -> Instant {
    READ.get().unwrap_or_else(|| {
        let now = clock::now();
        READ.set(Some(now));
        now
    })
}
