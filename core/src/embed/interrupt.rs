//! Ends waits from outside, also from inside of a signal handler.
//!
//! An interrupt ends every wait that is under way. One that comes while nobody waits ends the next wait at once: a signal
//! that arrives between a host's look at its flag and its wait is not lost.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use nix::sys::eventfd::EventFd;

use super::bell::{eventfd, lower, raise};

pub(super) struct Interrupts {
    event: EventFd,
    count: AtomicU64,
    waits: Mutex<Waits>,
}

#[derive(Default)]
struct Waits {
    /// The last interrupt that has ended a wait.
    taken: u64,
    /// For each wait that is under way, the interrupts before it.
    began: Vec<u64>,
}

/// A wait that an interrupt ends.
pub(super) struct Wait<'a> {
    interrupts: &'a Interrupts,
    began: u64,
}

impl Interrupts {
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self { event: eventfd()?, count: AtomicU64::new(0), waits: Mutex::default() })
    }

    /// Takes no lock and no memory.
    pub(super) fn interrupt(&self) {
        self.count.fetch_add(1, Ordering::SeqCst);
        raise(&self.event);
    }

    /// Begins a wait; `None` when it is interrupted at once.
    pub(super) fn wait(&self) -> Option<Wait<'_>> {
        let mut waits = self.lock();
        let count = self.count();
        if count > waits.taken {
            self.take(&mut waits, count);
            return None;
        }
        waits.began.push(count);
        Some(Wait { interrupts: self, began: count })
    }

    fn count(&self) -> u64 {
        self.count.load(Ordering::SeqCst)
    }

    /// The descriptor stays readable for those who have not looked yet.
    fn take(&self, waits: &mut Waits, count: u64) {
        waits.taken = waits.taken.max(count);
        if waits.began.iter().all(|began| *began >= count) {
            lower(&self.event);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Waits> {
        self.waits.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Wait<'_> {
    /// Readable when somebody interrupts; and now and then when nobody does.
    pub(super) fn event(&self) -> BorrowedFd<'_> {
        self.interrupts.event.as_fd()
    }

    /// To be asked whenever the descriptor is readable.
    pub(super) fn is_interrupted(&self) -> bool {
        let mut waits = self.interrupts.lock();
        let count = self.interrupts.count();
        if count == self.began {
            // Left over from an interrupt that others have taken.
            self.interrupts.take(&mut waits, count);
        }
        count > self.began
    }
}

impl Drop for Wait<'_> {
    fn drop(&mut self) {
        let mut waits = self.interrupts.lock();
        if let Some(place) = waits.began.iter().position(|began| *began == self.began) {
            waits.began.swap_remove(place);
        }
        let count = self.interrupts.count();
        if count > self.began {
            self.interrupts.take(&mut waits, count);
        }
    }
}
