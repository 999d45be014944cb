//! Which process a pid means: the one that started at this time (`proc_pid_stat(5)`).

use std::fs;
use std::os::fd::AsFd;

use crate::exit::Signal;
use crate::id::Pid;

use super::spawn;

/// The numbers of all processes that there are now.
pub(super) fn every_pid() -> impl Iterator<Item = u32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str().and_then(|name| name.parse().ok()))
}

/// Sends `signal` to the process with this pid that was started then, and to nobody who got its number since.
pub(super) fn signal_exactly(pid: u32, start_time: u64, signal: Signal) {
    // The descriptor pins the process: who it is is asked afterwards.
    let Some(Ok(pidfd)) = Pid::new(pid).map(spawn::pidfd_open) else { return };
    if Stat::of(pid).is_some_and(|stat| stat.start_time == start_time) {
        // It may be gone by now, or not be ours to signal: whoever looks next will see.
        let _gone = spawn::pidfd_send_signal(pidfd.as_fd(), signal);
    }
}

/// What the kernel tells about a process, as far as it matters here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stat {
    pub(super) parent: u32,
    pub(super) group: u32,
    pub(super) session: u32,
    /// Clock ticks after boot.
    pub(super) start_time: u64,
    /// Whether anything of it still runs: it is not a zombie.
    pub(super) alive: bool,
}

impl Stat {
    /// Of the process that has this pid now.
    pub(super) fn of(pid: u32) -> Option<Self> {
        Self::parse(&fs::read(format!("/proc/{pid}/stat")).ok()?)
    }

    /// Of the text of `/proc/<pid>/stat`. The name is in parentheses and may hold anything, parentheses included.
    pub(super) fn parse(text: &[u8]) -> Option<Self> {
        let end_of_name = text.iter().rposition(|&byte| byte == b')')?;
        let rest = std::str::from_utf8(&text[end_of_name + 1..]).ok()?;
        let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
        // Field 3 of the manual page is the first one here.
        let field = |number: usize| fields.get(number - 3).copied();
        let threads: u32 = field(20)?.parse().ok()?;
        let ended = matches!(field(3)?, "Z" | "X" | "x");
        Some(Self {
            parent: field(4)?.parse().ok()?,
            group: field(5)?.parse().ok()?,
            session: field(6)?.parse().ok()?,
            start_time: field(22)?.parse().ok()?,
            // A main thread that has ended before the others looks like a zombie, and is none.
            alive: !ended || threads > 1,
        })
    }
}

/// A pid that cannot be mistaken for another process that got the same number later.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Identity {
    pub(super) pid: Pid,
    /// `None`: it was gone before anybody could look.
    start_time: Option<u64>,
}

/// What has become of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Presence {
    /// It is there, perhaps as a zombie: its number cannot be anybody else's.
    There,
    /// It is gone, and nobody has its number.
    Gone,
    /// It is gone, and another process has its number.
    Replaced,
}

impl Identity {
    /// Of the process that had this pid when this was read.
    pub(super) fn new(pid: Pid, stat: &Stat) -> Self {
        Self { pid, start_time: Some(stat.start_time) }
    }

    /// Of a process that is known to be gone.
    pub(super) fn gone(pid: Pid) -> Self {
        Self { pid, start_time: None }
    }

    /// When it started, in clock ticks after boot.
    pub(super) fn start_time(self) -> Option<u64> {
        self.start_time
    }

    /// Whether it is still there.
    pub(super) fn presence(self) -> Presence {
        self.judge(Stat::of(self.pid.get()))
    }

    fn judge(self, now: Option<Stat>) -> Presence {
        match now {
            None => Presence::Gone,
            Some(stat) if Some(stat.start_time) == self.start_time => Presence::There,
            Some(_) => Presence::Replaced,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHELL: &str = "7 (sh) S 5 6 4 0 -1 4194304 101 0 0 0 0 0 0 0 20 0 1 0 12345 2596864 219 1844674";

    fn stat(text: &str) -> Option<Stat> {
        Stat::parse(text.as_bytes())
    }

    #[test]
    fn a_stat_line_is_read() {
        let expected = Stat { parent: 5, group: 6, session: 4, start_time: 12_345, alive: true };
        assert_eq!(stat(SHELL), Some(expected));
    }

    #[test]
    fn a_name_may_hold_anything() {
        for name in ["a b", ") Z 1 1 1", "((", "", "x) (y"] {
            assert_eq!(stat(&SHELL.replace("(sh)", &format!("({name})"))), stat(SHELL), "{name:?}");
        }
        let mut not_utf8 = b"7 (\xff\xfe) ".to_vec();
        not_utf8.extend_from_slice(&SHELL.as_bytes()[7..]);
        assert_eq!(Stat::parse(&not_utf8), stat(SHELL));
    }

    #[test]
    fn a_zombie_is_dead_unless_other_threads_go_on() {
        let zombie = SHELL.replace(") S ", ") Z ");
        assert!(!stat(&zombie).expect("it is well formed").alive);
        assert!(stat(&zombie.replace(" 20 0 1 0 ", " 20 0 8 0 ")).expect("it is well formed").alive);
        assert!(!stat(&SHELL.replace(") S ", ") X ")).expect("it is well formed").alive);
    }

    #[test]
    fn what_is_cut_off_is_no_stat() {
        for length in 0..SHELL.find(" 2596864").expect("it is there") - 5 {
            assert_eq!(stat(&SHELL[..length]), None, "{length}");
        }
    }

    #[test]
    fn a_pid_that_was_given_again_is_somebody_else() {
        let me = Pid::new(std::process::id()).expect("a pid");
        let mine = Stat::of(me.get()).expect("I am there");
        let identity = Identity::new(me, &mine);
        assert_eq!(identity.presence(), Presence::There);
        let later = identity.start_time.map(|time| time + 1);
        let other = Identity { start_time: later, ..identity };
        assert_eq!(other.presence(), Presence::Replaced);
        assert_eq!(identity.judge(None), Presence::Gone);
        assert_eq!(Identity::gone(me).presence(), Presence::Replaced);
    }
}
