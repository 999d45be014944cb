//! A process that nobody supervises any more, with everything it started: whether it is still there, and how to end it
//! without hitting somebody else.
//!
//! Its leader may be dead while others of its group live. A group's number is nobody else's as long as it has a member,
//! but that cannot be seen from outside: so at each look somebody must be there who was there at the last one, or who
//! carries a mark of the host that started it.

use std::os::fd::AsFd;

use nix::sys::signal::killpg;

use crate::exit::Signal;
use crate::id::Pid;

use super::census::{Census, Seen};
use super::identity::{Identity, Presence, Stat};
use super::spawn;

/// The group and session of a process whose supervisor is gone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stray {
    /// Of its group and its session: the pid that its leader has, or had.
    number: Pid,
    /// Whether it is certainly ours. Otherwise its session is left alone: only its group, if it leads one, is meant.
    is_proven: bool,
    /// Who was there at the last look. Never empty.
    known: Vec<Member>,
}

/// A process that was seen to be part of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Member {
    pid: u32,
    start_time: u64,
}

impl Member {
    fn of(pid: u32, seen: &Seen) -> Self {
        Self { pid, start_time: seen.stat.start_time }
    }

    fn is_alive(self) -> bool {
        Stat::of(self.pid).is_some_and(|stat| stat.alive && stat.start_time == self.start_time)
    }
}

impl Stray {
    /// The process that was written down with this pid and, if anybody wrote it, this start; `None` when it is gone. It
    /// is proven when it was written down by whoever had started it, together with its start.
    pub(crate) fn recorded(
        pid: Pid,
        start_time: Option<u64>,
        is_proven: bool,
        census: &Census,
    ) -> Option<Self> {
        // `kill` takes the group 1 for everybody.
        if pid.get() <= 1 {
            return None;
        }
        let seen = census.living(pid.get())?;
        if start_time.is_some_and(|start_time| start_time != seen.stat.start_time) {
            return None;
        }
        let is_proven = is_proven && start_time.is_some();
        let number = if is_proven { Pid::new(seen.stat.session)? } else { pid };
        Some(Self { number, is_proven, known: vec![Member::of(pid.get(), seen)] }.with_the_others(census))
    }

    /// What is left in the session with this number, where `pid` carries a mark of its host.
    pub(crate) fn marked(pid: u32, session: u32, census: &Census) -> Option<Self> {
        let number = Pid::new(session).filter(|number| number.get() > 1)?;
        let known = vec![Member::of(pid, census.living(pid)?)];
        Some(Self { number, is_proven: true, known }.with_the_others(census))
    }

    fn with_the_others(mut self, census: &Census) -> Self {
        let _it_is_there = self.look(census, &[]);
        self
    }

    /// Whether it is certainly ours: by the start that was written down, or by its mark.
    pub(crate) fn is_proven(&self) -> bool {
        self.is_proven
    }

    /// Of its group and its session.
    pub(crate) fn number(&self) -> u32 {
        self.number.get()
    }

    /// Whom to name: the leader, or else the first who is left. And when that one started.
    pub(crate) fn face(&self) -> (u32, u64) {
        let leader = self.known.iter().find(|member| member.pid == self.number.get());
        let face = leader.or(self.known.first()).expect("somebody was there at the last look");
        (face.pid, face.start_time)
    }

    /// Whether anybody is left of it. Who has come meanwhile is part of it from now on.
    pub(crate) fn look(&mut self, census: &Census, hosts: &[String]) -> bool {
        let members: Vec<(u32, &Seen)> =
            census.all_living().filter(|(_, seen)| self.contains(&seen.stat)).collect();
        let is_marked = |seen: &Seen| seen.mark.as_ref().is_some_and(|mark| hosts.contains(&mark.host));
        let mut ours = members.iter().filter(|(pid, seen)| self.knows(*pid, seen) || is_marked(seen));
        // A process that is known and in no group of that number (it was written down, nothing else is known of it).
        let alone = self.known.iter().filter(|member| {
            census.living(member.pid).is_some_and(|seen| Member::of(member.pid, seen) == **member)
        });
        let mut known: Vec<Member> = alone.copied().collect();
        if ours.next().is_some() {
            known.extend(members.iter().map(|(pid, seen)| Member::of(*pid, seen)));
            known.sort_unstable_by_key(|member| member.pid);
            known.dedup();
        }
        let is_there = !known.is_empty();
        if is_there {
            self.known = known;
        }
        is_there
    }

    fn contains(&self, stat: &Stat) -> bool {
        let number = self.number.get();
        stat.group == number || (self.is_proven && stat.session == number)
    }

    fn knows(&self, pid: u32, seen: &Seen) -> bool {
        self.known.contains(&Member::of(pid, seen))
    }

    /// Whether anybody is left who was there at the last look. Cheap: asks for nobody else.
    pub(crate) fn still_has_somebody(&self) -> bool {
        self.known.iter().any(|member| member.is_alive())
    }

    /// Asks the whole group to end.
    pub(crate) fn ask_to_end(&self) {
        self.signal_group(Signal::TERM);
    }

    /// SIGKILL to the group and to everybody who was there at the last look.
    pub(crate) fn kill(&self) {
        self.signal_group(Signal::KILL);
        for member in &self.known {
            // The descriptor pins the process: who is still the same then is who gets the signal.
            let Some(Ok(pidfd)) = Pid::new(member.pid).map(spawn::pidfd_open) else { continue };
            if member.is_alive() {
                let _gone = spawn::pidfd_send_signal(pidfd.as_fd(), Signal::KILL);
            }
        }
    }

    /// Only while somebody of the group is there who was there at the last look: the number means the same group then.
    fn signal_group(&self, signal: Signal) {
        let is_in_it = |member: &Member| {
            Stat::of(member.pid)
                .is_some_and(|stat| stat.start_time == member.start_time && stat.group == self.number.get())
        };
        if self.known.iter().any(is_in_it) {
            let number = nix::sys::signal::Signal::try_from(signal.as_raw());
            let _gone_or_not_allowed =
                number.and_then(|number| killpg(nix::unistd::Pid::from_raw(self.number.as_raw()), number));
        }
    }
}

/// When the process that we started with this pid began, as long as it is there: its parent is this program, and its
/// session its own.
pub(crate) fn start_time_of_child(pid: u32) -> Option<u64> {
    let stat = Stat::of(pid)?;
    let identity = Identity::new(Pid::new(pid)?, &stat);
    let is_ours = stat.parent == std::process::id() && stat.session == pid;
    (is_ours && identity.presence() == Presence::There).then_some(stat.start_time)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pid(number: u32) -> Pid {
        Pid::new(number).expect("a pid")
    }

    fn hosts() -> Vec<String> {
        vec!["7.8".to_owned()]
    }

    /// The pid was given to another process meanwhile.
    #[test]
    fn a_recorded_process_is_verified_by_its_start() {
        let census = Census::of([(40, Seen::made_up(40, 40, 500))]);
        let stray = Stray::recorded(pid(40), Some(500), true, &census).expect("it is there");
        assert_eq!((stray.face(), stray.is_proven()), ((40, 500), true));
        assert_eq!(Stray::recorded(pid(40), Some(499), true, &census), None, "another one with its pid");
        assert_eq!(Stray::recorded(pid(41), Some(500), true, &census), None);
        for (start_time, is_proven) in [(None, true), (Some(500), false)] {
            let stray = Stray::recorded(pid(40), start_time, is_proven, &census).expect("somebody is there");
            assert!(!stray.is_proven());
        }
    }

    #[test]
    fn a_zombie_is_dead() {
        let census = Census::of([(40, Seen::made_up(40, 40, 500).zombie())]);
        assert_eq!(Stray::recorded(pid(40), Some(500), true, &census), None);
        assert_eq!(Stray::recorded(pid(40), None, false, &census), None);
    }

    /// `kill(-1)` would hit everybody.
    #[test]
    fn nobody_is_taken_for_everybody() {
        let census = Census::of([(1, Seen::made_up(1, 1, 1)), (40, Seen::made_up(1, 1, 2))]);
        assert_eq!(Stray::recorded(pid(1), Some(1), true, &census), None);
        assert_eq!(Stray::recorded(pid(1), None, false, &census), None);
        assert_eq!(Stray::marked(40, 1, &census), None);
        assert_eq!(Stray::marked(40, 0, &census), None);
    }

    #[test]
    fn a_group_without_its_leader_is_still_there() {
        let both = Census::of([(40, Seen::made_up(40, 40, 500)), (41, Seen::made_up(41, 40, 501))]);
        let mut stray = Stray::recorded(pid(40), Some(500), true, &both).expect("it is there");
        assert!(stray.look(&Census::of([(41, Seen::made_up(41, 40, 501))]), &[]));
        assert_eq!(stray.face(), (41, 501), "the one who is left stands for it");
        assert!(!stray.look(&Census::default(), &[]));
    }

    /// Everybody who was known is gone; only a mark proves that those with the same number are ours.
    #[test]
    fn who_comes_later_needs_a_mark() {
        let first = Census::of([(40, Seen::made_up(40, 40, 500))]);
        let stray = Stray::recorded(pid(40), Some(500), true, &first).expect("it is there");
        let stranger = Seen::made_up(40, 40, 900);
        assert!(!stray.clone().look(&Census::of([(40, stranger)]), &hosts()), "a new group with its number");
        let child = Seen::made_up(40, 40, 900).marked("7.8", "web", "v1");
        assert!(stray.clone().look(&Census::of([(41, child.clone())]), &hosts()));
        assert!(!stray.clone().look(&Census::of([(41, child)]), &["9.9".to_owned()]), "of another host");
    }

    #[test]
    fn who_is_marked_is_found_with_its_session() {
        let census = Census::of([
            (41, Seen::made_up(40, 40, 501).marked("7.8", "web", "v1")),
            (42, Seen::made_up(42, 40, 502)),
        ]);
        let stray = Stray::marked(41, 40, &census).expect("it is there");
        assert_eq!((stray.number(), stray.face()), (40, (41, 501)));
        assert_eq!(stray.known.len(), 2);
    }

    /// What is not ours must not be hit with it: a login session, say.
    #[test]
    fn one_that_cannot_be_verified_stands_alone() {
        let census = Census::of([(40, Seen::made_up(30, 30, 500)), (30, Seen::made_up(30, 30, 400))]);
        let stray = Stray::recorded(pid(40), None, false, &census).expect("somebody is there");
        assert_eq!((stray.number(), stray.known.len()), (40, 1));
        let shell = Census::of([(40, Seen::made_up(40, 40, 500)), (41, Seen::made_up(41, 40, 501))]);
        let stray = Stray::recorded(pid(40), None, false, &shell).expect("somebody is there");
        assert_eq!(stray.known.len(), 1, "the jobs of a shell are in its session, not in its group");
    }
}
