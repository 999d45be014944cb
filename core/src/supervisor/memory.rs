//! How much memory the members of a process hold, read from `/proc` (`proc_pid_status(5)`).

use std::fs;
use std::sync::{Arc, Mutex, PoisonError};

use crate::id::Pid;
use crate::report::{MemberMemory, MemorySample};

use super::group::Group;
use super::identity::Stat;

/// The last sample of a process, shared with whoever shows it.
#[derive(Clone, Debug, Default)]
pub(crate) struct MemoryUse {
    last: Arc<Mutex<Option<MemorySample>>>,
}

impl MemoryUse {
    /// The last sample of the start that runs now.
    pub(crate) fn last(&self) -> Option<MemorySample> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// `None`: its process is gone.
    pub(super) fn set(&self, sample: Option<MemorySample>) {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = sample;
    }
}

/// Looks at every member, once. `None` where there is no `/proc`. For the blocking pool.
pub(super) fn sample(group: &Group) -> Option<MemorySample> {
    let members = group.members();
    let members: Vec<_> = members.iter().filter_map(|(&pid, stat)| memory_of(pid, stat)).collect();
    let rss_bytes = members.iter().map(|member| member.rss_bytes).sum();
    (!members.is_empty()).then_some(MemorySample { rss_bytes, members })
}

fn memory_of(pid: u32, seen: &Stat) -> Option<MemberMemory> {
    let status = fs::read(format!("/proc/{pid}/status")).ok()?;
    let is_still_it = Stat::of(pid).is_some_and(|now| now.start_time == seen.start_time);
    let member = MemberMemory { pid: Pid::new(pid)?, command: name(&status)?, rss_bytes: rss_bytes(&status) };
    is_still_it.then_some(member)
}

/// The value of a field of `/proc/<pid>/status`.
fn field<'a>(status: &'a [u8], name: &str) -> Option<&'a [u8]> {
    let mut lines = status.split(|&byte| byte == b'\n');
    let value = lines.find_map(|line| line.strip_prefix(name.as_bytes())?.strip_prefix(b":"))?;
    Some(value.trim_ascii())
}

/// The kernel's name of the program. In this file a newline in it is written as `\n`, and a backslash as `\\`.
pub(super) fn name(status: &[u8]) -> Option<String> {
    let name = String::from_utf8_lossy(field(status, "Name")?).into_owned();
    Some(name.replace("\\n", "\n").replace("\\\\", "\\"))
}

/// What is resident, in bytes. A process that has no memory any more, or never had (a thread of the kernel), has none.
fn rss_bytes(status: &[u8]) -> u64 {
    let kilobytes = || -> Option<u64> {
        let value = field(status, "VmRSS")?.strip_suffix(b" kB")?;
        std::str::from_utf8(value).ok()?.trim().parse().ok()
    };
    kilobytes().unwrap_or(0).saturating_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of a node process, shortened.
    const NODE: &[u8] = b"Name:\tnode\nUmask:\t0022\nState:\tS (sleeping)\nTgid:\t22076\nNgid:\t0\nPid:\t22076\n\
        PPid:\t22070\nTracerPid:\t0\nUid:\t0\t0\t0\t0\nVmPeak:\t  628416 kB\nVmSize:\t  612032 kB\nVmLck:\t       0 kB\n\
        VmHWM:\t   44032 kB\nVmRSS:\t   42244 kB\nRssAnon:\t   14336 kB\nThreads:\t7\n";

    #[test]
    fn the_resident_size_and_the_name_are_read() {
        assert_eq!((name(NODE).as_deref(), rss_bytes(NODE)), (Some("node"), 43_257_856));
    }

    #[test]
    fn a_name_may_hold_anything() {
        let named = |name: &str| format!("Name:\t{name}\nState:\tS (sleeping)\nVmRSS:\t       4 kB\n");
        for (written, meant) in [("a b", "a b"), ("x\\nVmRSS:", "x\nVmRSS:"), ("(sd-pam)", "(sd-pam)")] {
            let status = named(written);
            assert_eq!(name(status.as_bytes()).as_deref(), Some(meant));
            assert_eq!(rss_bytes(status.as_bytes()), 4096, "{written}");
        }
    }

    #[test]
    fn zombies_and_threads_of_the_kernel_hold_nothing() {
        let zombie = b"Name:\tsh\nState:\tZ (zombie)\nTgid:\t7\nPid:\t7\nPPid:\t1\nThreads:\t1\n";
        assert_eq!((name(zombie).as_deref(), rss_bytes(zombie)), (Some("sh"), 0));
        assert_eq!((name(b""), rss_bytes(b"")), (None, 0));
        assert_eq!(rss_bytes(b"VmRSS:\t    many kB\n"), 0);
        assert_eq!(rss_bytes(b"VmRSS:\t    12\n"), 0);
        assert_eq!(rss_bytes(b"VmRSS:\t99999999999999999999 kB\n"), 0);
    }

    #[test]
    fn this_process_holds_something() {
        let me = std::process::id();
        let member = memory_of(me, &Stat::of(me).expect("I am there")).expect("I am there");
        assert!(member.rss_bytes > 100_000, "{member:?}");
        assert_eq!(member.pid.get(), me);
    }
}
