//! The count and the pointer as one thing: how a request holds a release, and how a cut finds all who do.
//!
//! ```text
//!   request                              switch, and a cut
//!   count it, say what it holds          move the pointer, say that it is cut
//!   ──────────── fence ────────────      ──────────── fence ────────────
//!   is it cut? then leave, and           who says that he holds it?
//!   take what is active now              he is told to go
//! ```
//!
//! One of the two sees the other: no request goes on uncut on a release that was cut. This file is also read by the model
//! in `tests/loom.rs`, with other types in `sync`, so it must need nothing else.

use super::sync::{Arc, AtomicBool, AtomicU64, Ordering, fence};

/// The requests of one release.
pub(super) struct Count {
    id: u64,
    opened: AtomicU64,
    ended: AtomicU64,
    is_cut: AtomicBool,
}

impl Count {
    /// `id` is not 0, and no other's.
    pub(super) fn new(id: u64) -> Self {
        Self { id, opened: AtomicU64::new(0), ended: AtomicU64::new(0), is_cut: AtomicBool::new(false) }
    }

    pub(super) fn opened(&self) -> u64 {
        self.opened.load(Ordering::Acquire)
    }

    pub(super) fn ended(&self) -> u64 {
        self.ended.load(Ordering::Acquire)
    }

    /// How many are open. In this order, so that a request that ends meanwhile is seen too often rather than too rarely.
    pub(super) fn open(&self) -> u64 {
        let ended = self.ended();
        self.opened().saturating_sub(ended)
    }

    /// One has ended, or, if `is_finished` is not set, has not ended after all.
    pub(super) fn count_end(&self, is_finished: bool) {
        match is_finished {
            true => self.ended.fetch_add(1, Ordering::AcqRel),
            false => self.ended.fetch_sub(1, Ordering::AcqRel),
        };
    }

    /// From here on a request that still finds this release takes the next one instead. Whoever holds it is to be looked for
    /// after this.
    pub(super) fn mark_cut(&self) {
        self.is_cut.store(true, Ordering::Release);
        fence(Ordering::SeqCst);
    }
}

/// What the request of one client is counted in.
pub(super) struct Held(AtomicU64);

impl Default for Held {
    fn default() -> Self {
        Self(AtomicU64::new(0))
    }
}

impl Held {
    pub(super) fn is(&self, count: &Count) -> bool {
        self.0.load(Ordering::Acquire) == count.id
    }

    pub(super) fn is_nothing(&self) -> bool {
        self.0.load(Ordering::Acquire) == 0
    }

    pub(super) fn let_go(&self) {
        self.0.store(0, Ordering::Release);
    }
}

/// Something that requests are counted for.
pub(super) trait Counted {
    fn count(&self) -> &Count;
}

/// Holds and counts what is active; `None` when nothing is. Whoever gets it lets go of it in the end, and counts that.
pub(super) fn take<R: Counted>(mut active: impl FnMut() -> Option<Arc<R>>, held: &Held) -> Option<Arc<R>> {
    loop {
        let found = active()?;
        let count = found.count();
        count.opened.fetch_add(1, Ordering::AcqRel);
        held.0.store(count.id, Ordering::Release);
        fence(Ordering::SeqCst);
        if !count.is_cut.load(Ordering::Acquire) {
            return Some(found);
        }
        held.let_go();
        count.count_end(true);
    }
}
