//! Handles and events are numbers in the shape of pointers.
//!
//! Nobody ever looks behind one: it is looked up. So a handle that was freed, that belongs to the parent of a fork, or that
//! is an event, is an error and no crash; and nothing is freed twice.
//!
//! ```text
//!   46       38 37                                  4 3    0
//!  ┌───────────┬─────────────────────────────────────┬──────┐
//!  │   fork    │              counter                │ kind │   47 bits: what every host takes for a pointer
//!  └───────────┴─────────────────────────────────────┴──────┘
//! ```
//!
//! Each fork has tables of its own, because the parent's may have been locked at that moment.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock, PoisonError, RwLock, TryLockError};

use core_impl::embed::{Code, EmbedError};

use crate::boundary::{argument, generation};

const KIND_BITS: u32 = 4;
const COUNTER_BITS: u32 = 34;
const FORK_BITS: u32 = 9;

/// How many forks have tables of their own; a process with more forks behind it shares them with an earlier one, whose
/// memory it has a copy of.
const FORKS: usize = 1 << FORK_BITS;

/// What a number stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Handle = 1,
    Event = 2,
}

/// Everything of one kind that the host holds.
pub(crate) struct Registry<T: 'static> {
    kind: Kind,
    tables: [OnceLock<Table<T>>; FORKS],
    counter: AtomicU64,
    /// What a signal handler could not look up, because a thread was just writing; that thread does it.
    missed: [AtomicUsize; MISSED_MAX],
}

/// How many signals may come while one thread writes; more of them are lost.
const MISSED_MAX: usize = 8;

type Table<T> = RwLock<HashMap<usize, Arc<T>>>;

impl<T> Registry<T> {
    pub(crate) const fn new(kind: Kind) -> Self {
        Self {
            kind,
            tables: [const { OnceLock::new() }; FORKS],
            counter: AtomicU64::new(0),
            missed: [const { AtomicUsize::new(0) }; MISSED_MAX],
        }
    }

    fn table(&self, fork: u64) -> &Table<T> {
        let index = usize::try_from(fork).unwrap_or(0) % FORKS;
        self.tables[index].get_or_init(RwLock::default)
    }

    /// Keeps it under a new number.
    pub(crate) fn add(&self, thing: T) -> usize {
        let fork = generation();
        let counter = (self.counter.fetch_add(1, Ordering::Relaxed) + 1) & ((1 << COUNTER_BITS) - 1);
        let fork_bits = (fork % FORKS as u64) << (COUNTER_BITS + KIND_BITS);
        let number = fork_bits | counter << KIND_BITS | self.kind as u64;
        let number = usize::try_from(number).expect("it has 47 bits");
        self.table(fork).write().unwrap_or_else(PoisonError::into_inner).insert(number, Arc::new(thing));
        number
    }

    /// What stands behind a number.
    pub(crate) fn get(&self, number: usize) -> Result<Arc<T>, EmbedError> {
        self.check(number)?;
        let table = self.table(generation()).read().unwrap_or_else(PoisonError::into_inner);
        table.get(&number).cloned().ok_or_else(|| argument("the handle was freed, or never was one"))
    }

    /// Takes it out: whoever has it still keeps it for his call.
    pub(crate) fn remove(&self, number: usize) -> Result<Arc<T>, EmbedError> {
        self.check(number)?;
        let mut table = self.table(generation()).write().unwrap_or_else(PoisonError::into_inner);
        table.remove(&number).ok_or_else(|| argument("the handle was freed, or never was one"))
    }

    /// Without a lock, so in the child of a fork, too.
    fn check(&self, number: usize) -> Result<(), EmbedError> {
        if number == 0 {
            return Err(argument("the handle is NULL"));
        }
        if number & ((1 << KIND_BITS) - 1) != self.kind as usize
            || number >> (KIND_BITS + COUNTER_BITS + FORK_BITS) != 0
        {
            return Err(argument("this is no handle of the kind that is expected"));
        }
        if number >> (KIND_BITS + COUNTER_BITS) != usize::try_from(generation()).unwrap_or(0) % FORKS {
            let message = "this process is a fork of the one that made the handle; make another one here";
            return Err(EmbedError::new(Code::Forked, "forked", message));
        }
        Ok(())
    }

    /// Acts on what stands behind a number, without waiting and without memory: in a signal handler.
    pub(crate) fn act_now(&self, number: usize, act: fn(&T)) {
        if self.check(number).is_err() {
            return;
        }
        match self.table(generation()).try_read() {
            Ok(table) => table.get(&number).into_iter().for_each(|thing| act(thing)),
            Err(TryLockError::Poisoned(table)) => {
                table.into_inner().get(&number).into_iter().for_each(|thing| act(thing));
            }
            Err(TryLockError::WouldBlock) => self.note(number),
        }
    }

    fn note(&self, number: usize) {
        let free = |slot: &&AtomicUsize| {
            slot.compare_exchange(0, number, Ordering::SeqCst, Ordering::SeqCst).is_ok()
        };
        let _or_too_many = self.missed.iter().find(free);
    }

    /// Does what a signal handler could not, for whoever has just written.
    pub(crate) fn catch_up(&self, act: fn(&T)) {
        for slot in &self.missed {
            match slot.swap(0, Ordering::SeqCst) {
                0 => {}
                number => self.act_now(number, act),
            }
        }
    }
}
