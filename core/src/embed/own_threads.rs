//! Whether this thread is one of ours: it must not wait for what it does itself.

use std::cell::Cell;

thread_local! {
    static IS_OURS: Cell<bool> = const { Cell::new(false) };
}

/// This thread is one of ours.
pub(super) fn enter() {
    IS_OURS.set(true);
}

pub(super) fn is_one() -> bool {
    // A thread that is past its end has nobody to wait for it.
    IS_OURS.try_with(Cell::get).unwrap_or(false)
}
