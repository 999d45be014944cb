//! The program that supervises, as others can recognize it: by what is written down of it, and by the mark that each of
//! its processes carries.

use std::fs;

use super::identity::Stat;

/// The environment variable that every process of an engine carries: whose it is.
///
/// A program that starts another engine, which is to outlive it, removes the variable.
pub const MARK_VARIABLE: &str = "ROLLCORE_DAEMON";

/// A running program, and the boot of the machine that it belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Host {
    /// `/proc/sys/kernel/random/boot_id` (`random(4)`): pids and start times mean nothing after another boot.
    pub(crate) boot: String,
    /// Its pid.
    pub(crate) pid: u32,
    /// Clock ticks after boot.
    pub(crate) start_time: u64,
}

impl Host {
    /// This program. `None` without `/proc`.
    pub(crate) fn current() -> Option<Self> {
        let pid = std::process::id();
        Some(Self { boot: boot()?, pid, start_time: Stat::of(pid)?.start_time })
    }

    /// A word that no other program has in the same boot.
    pub(crate) fn mark(&self) -> String {
        format!("{}.{}", self.pid, self.start_time)
    }

    /// Whether it belongs to the boot that the machine is in.
    pub(crate) fn is_of_this_boot(&self) -> bool {
        boot().as_deref() == Some(self.boot.as_str())
    }

    /// Whether it still runs.
    pub(crate) fn is_alive(&self) -> bool {
        let is_it = |stat: &Stat| stat.alive && stat.start_time == self.start_time;
        self.is_of_this_boot() && Stat::of(self.pid).as_ref().is_some_and(is_it)
    }
}

fn boot() -> Option<String> {
    let text = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    Some(text.trim().to_owned()).filter(|id| !id.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_its_pid_its_start_and_its_boot() {
        let me = Host::current().expect("there is a /proc");
        assert!(me.is_alive());
        assert_eq!(me.mark(), format!("{}.{}", std::process::id(), me.start_time));
        let later = Host { start_time: me.start_time + 1, ..me.clone() };
        assert!(!later.is_alive(), "another one with the same pid");
        assert!(!Host { boot: "another".to_owned(), ..me }.is_alive(), "before the machine was booted");
    }
}
