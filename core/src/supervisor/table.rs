//! Every process there is, and a signal for exactly one of them.

use std::fs;

use crate::exit::Signal;

use super::identity::{Stat, every_pid, signal_exactly};

/// One process, as it was when the table was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ProcessEntry {
    pub(crate) pid: u32,
    pub(crate) parent: u32,
    /// Clock ticks after boot: with the pid, who it is.
    pub(crate) start_time: u64,
    /// Its arguments, with spaces between them; empty for a part of the kernel.
    pub(crate) command_line: String,
}

impl ProcessEntry {
    fn of(pid: u32) -> Option<Self> {
        let stat = Stat::of(pid).filter(|stat| stat.alive)?;
        let arguments = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
        let command_line = command_line(&arguments);
        Some(Self { pid, parent: stat.parent, start_time: stat.start_time, command_line })
    }

    /// Whether it is still there.
    pub(crate) fn is_alive(&self) -> bool {
        Stat::of(self.pid).is_some_and(|stat| stat.alive && stat.start_time == self.start_time)
    }

    /// Sends `signal` to this process, and to nobody who got its number since.
    pub(crate) fn signal(&self, signal: Signal) {
        signal_exactly(self.pid, self.start_time, signal);
    }
}

/// Every process that is alive. Reads much of `/proc`: for the blocking pool.
pub(crate) fn process_table() -> Vec<ProcessEntry> {
    let mut table: Vec<_> = every_pid().filter_map(ProcessEntry::of).collect();
    table.sort_by_key(|process| process.pid);
    table
}

/// Of the text of `/proc/<pid>/cmdline`, whose arguments end with NUL.
fn command_line(arguments: &[u8]) -> String {
    let arguments = arguments.strip_suffix(b"\0").unwrap_or(arguments);
    String::from_utf8_lossy(arguments).replace('\0', " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_become_one_line() {
        assert_eq!(command_line(b"sh\0-c\0a b\0"), "sh -c a b");
        assert_eq!(command_line(b"SCREEN -dmS shop"), "SCREEN -dmS shop");
        assert_eq!(command_line(b"a\0\0"), "a ");
        assert_eq!(command_line(b""), "");
    }

    #[test]
    fn we_are_in_the_table_and_alive() {
        let table = process_table();
        let me = table.iter().find(|process| process.pid == std::process::id()).expect("I am there");
        assert!(me.is_alive());
        assert!(!me.command_line.is_empty());
        let later = ProcessEntry { start_time: me.start_time + 1, ..me.clone() };
        assert!(!later.is_alive());
        // It would kill this test.
        later.signal(Signal::KILL);
    }
}
