//! A process with everything it started: who is left of it, and how to signal it without hitting somebody else.
//!
//! Members are the processes of the leader's group and of its session, zombies excepted. One that made a session of
//! its own (`setsid`, `daemonize`) has left, as far as Unix is concerned.

use std::fs;
use std::os::fd::AsFd;

use nix::sys::signal::killpg;

use crate::exit::Signal;
use crate::id::Pid;

use super::identity::{Identity, Presence, Stat};
use super::spawn;

/// The group and the session that one leader made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Group {
    leader: Identity,
}

impl Group {
    /// The group that this leader made.
    pub(super) fn of(leader: Identity) -> Self {
        Self { leader }
    }

    fn id(self) -> u32 {
        self.leader.pid.get()
    }

    /// Who is left. Looks at every process there is: for the blocking pool.
    pub(super) fn members(self) -> Vec<u32> {
        // The number of a group is not given to anybody else while the group or its session has a member. So if
        // somebody else has it, they are gone.
        if self.leader.presence() == Presence::Replaced {
            return Vec::new();
        }
        every_process().filter(|(_, stat)| self.contains(*stat)).map(|(pid, _)| pid).collect()
    }

    fn contains(self, stat: Stat) -> bool {
        stat.alive && (stat.group == self.id() || stat.session == self.id())
    }

    /// Sends `signal` to the whole group, if there is anybody to get it.
    pub(super) fn signal(self, signal: Signal) {
        if self.is_ours() {
            let number = nix::sys::signal::Signal::try_from(signal.as_raw());
            // It may be gone by now, which is what a signal usually is for.
            let _gone = number
                .and_then(|number| killpg(nix::unistd::Pid::from_raw(self.leader.pid.as_raw()), number));
        }
    }

    /// Whether the number of the group still means this group.
    fn is_ours(self) -> bool {
        match self.leader.presence() {
            Presence::There => true,
            Presence::Replaced => false,
            // Somebody else reaped the leader.
            Presence::Gone => !self.members().is_empty(),
        }
    }

    /// SIGKILL to the members that have moved to another group of the session. For the blocking pool.
    pub(super) fn kill_strays(self) {
        for pid in self.members() {
            // The descriptor pins the process: who is still a member then is who gets the signal.
            let Some(Ok(pidfd)) = Pid::new(pid).map(spawn::pidfd_open) else { continue };
            if Stat::of(pid).is_some_and(|stat| self.contains(stat)) {
                let _gone = spawn::pidfd_send_signal(pidfd.as_fd(), Signal::KILL);
            }
        }
    }
}

fn every_process() -> impl Iterator<Item = (u32, Stat)> {
    fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| entry.file_name().to_str().and_then(|name| name.parse().ok()))
        .filter_map(|pid| Stat::of(pid).map(|stat| (pid, stat)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_of_the_group_or_the_session_and_alive() {
        let me = Pid::new(std::process::id()).expect("a pid");
        let group = Group::of(Identity::of(me).expect("I am there"));
        let stranger = Stat { parent: 1, group: 1, session: 1, start_time: 0, alive: true };
        let number = me.get();
        assert!(!group.contains(stranger));
        assert!(group.contains(Stat { group: number, ..stranger }));
        assert!(group.contains(Stat { session: number, ..stranger }));
        assert!(!group.contains(Stat { group: number, alive: false, ..stranger }));
        assert!(!group.contains(Stat { parent: number, ..stranger }), "a child may be in another group");
    }

    #[test]
    fn every_process_is_seen() {
        assert!(every_process().any(|(pid, _)| pid == std::process::id()));
    }
}
