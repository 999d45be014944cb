//! A process with everything it started: who is left of it, and how to signal it without hitting somebody else.
//!
//! `kin.rs` says who belongs to it; here `/proc` is read and signals are sent. What left the session (`setsid`, a double
//! fork) is signalled one by one, through descriptors that pin each process.

use std::collections::BTreeMap;
use std::fs;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use nix::sys::signal::killpg;

use crate::exit::Signal;

use super::identity::{Identity, Presence, Stat, every_pid, signal_exactly};
use super::kin::{self, Root, Table};
use super::mark::Mark;

/// How often what a hook left behind is looked for and killed.
const CLEAR_TRIES: u32 = 3;

/// Everything that one start of a process began. Clones remember the same members.
#[derive(Clone, Debug)]
pub(super) struct Group {
    leader: Identity,
    mark: Arc<Mark>,
    memory: Arc<Mutex<Memory>>,
}

/// What earlier looks have found, by pid, with the time that process started.
#[derive(Debug, Default)]
struct Memory {
    members: BTreeMap<u32, u64>,
    /// Their environment was read and has no mark. It never gets one later.
    strangers: BTreeMap<u32, u64>,
}

/// At whom to look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Look {
    /// At those whom their group, their session, their parents or our memory gives away.
    Family,
    /// At those too whose environment has to be read.
    Everybody,
}

impl Group {
    /// The group that this leader made; its members carry `mark`.
    pub(super) fn of(leader: Identity, mark: Mark) -> Self {
        Self { leader, mark: Arc::new(mark), memory: Arc::default() }
    }

    fn id(&self) -> u32 {
        self.leader.pid.get()
    }

    /// When the leader started, in ticks after boot.
    pub(super) fn since(&self) -> u64 {
        self.leader.start_time().unwrap_or(0)
    }

    /// Who is left. Looks at every process there is: for the blocking pool.
    pub(super) fn members(&self) -> Table {
        let members = self.look(Look::Everybody);
        // A look takes a while, and a process that forks and ends meanwhile can slip through. Nobody twice.
        if members.is_empty() { self.look(Look::Everybody) } else { members }
    }

    fn look(&self, at: Look) -> Table {
        let table = every_process();
        let memory = &mut *self.memory();
        let root = Root {
            leader: self.id(),
            is_ours: self.leader.presence() != Presence::Replaced,
            since: self.since(),
            known: &memory.members,
            looker: std::process::id(),
        };
        let strangers = &mut memory.strangers;
        let reads_marks = at == Look::Everybody;
        strangers.retain(|pid, start_time| table.get(pid).is_some_and(|stat| stat.start_time == *start_time));
        let found = kin::members(&table, &root, |pid, stat| {
            let is_known = strangers.get(&pid) == Some(&stat.start_time);
            let is_marked = if reads_marks && !is_known { self.is_marked(pid) } else { None };
            if is_marked == Some(false) {
                strangers.insert(pid, stat.start_time);
            }
            is_marked == Some(true)
        });
        let members: Table = found.into_iter().map(|pid| (pid, table[&pid])).collect();
        memory.members = members.iter().map(|(pid, stat)| (*pid, stat.start_time)).collect();
        members
    }

    /// `None`: not to be known now. One whose environment may not be read is another user's; in the middle of an `exec` it is
    /// empty.
    fn is_marked(&self, pid: u32) -> Option<bool> {
        let environ = fs::read(format!("/proc/{pid}/environ")).ok().filter(|environ| !environ.is_empty())?;
        Some(self.mark.is_in(&environ))
    }

    /// Sends `signal` to every member of the session; SIGKILL to whoever has left it, too. For the blocking pool.
    ///
    /// Whoever has made a session of its own wants to outlive its parents, such as a job that goes on when its worker is
    /// stopped: it has the whole grace to come to its end.
    pub(super) fn signal(&self, signal: Signal) {
        // First the family: once its parents are gone, who has left the session may be lost from sight. The environments
        // of everybody else take longer to read, and the group does not wait for that.
        self.look(Look::Family);
        let is_pinned = self.leader.presence() == Presence::There;
        if is_pinned {
            self.signal_group(signal);
        }
        let members = self.look(Look::Everybody);
        // Somebody else reaped the leader, and the number of the group is its own as long as somebody is in it.
        let is_headless = !is_pinned && members.values().any(|stat| stat.group == self.id());
        if is_headless && self.leader.presence() == Presence::Gone {
            self.signal_group(signal);
        }
        let is_meant = |stat: &Stat| signal == Signal::KILL || stat.session == self.id();
        for (&pid, stat) in members.iter().filter(|(_, stat)| stat.group != self.id() && is_meant(stat)) {
            signal_exactly(pid, stat.start_time, signal);
        }
    }

    fn signal_group(&self, signal: Signal) {
        let number = nix::sys::signal::Signal::try_from(signal.as_raw());
        // It may be gone by now, which is what a signal usually is for.
        let _gone =
            number.and_then(|number| killpg(nix::unistd::Pid::from_raw(self.leader.pid.as_raw()), number));
    }

    /// Sends SIGKILL to every member, and again to those that were born meanwhile. For the blocking pool.
    pub(super) fn clear(&self) {
        for _ in 0..CLEAR_TRIES {
            self.signal(Signal::KILL);
            if self.look(Look::Everybody).is_empty() {
                return;
            }
        }
    }

    /// No code that can panic runs under this lock, so that a poisoned one is still whole.
    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Every process there is.
pub(super) fn every_process() -> Table {
    every_pid().filter_map(|pid| Stat::of(pid).map(|stat| (pid, stat))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_process_is_seen() {
        assert!(every_process().contains_key(&std::process::id()));
    }
}
