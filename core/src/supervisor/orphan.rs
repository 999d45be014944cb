//! A process that nobody supervises any more, with everything it started: whether it is still there, and how to end it
//! without hitting somebody else.
//!
//! Its leader may be dead while others of its group live. A group's number is nobody else's as long as it has a member,
//! but that cannot be seen from outside: so at each look somebody must be there who was there at the last one, or who
//! carries a mark of the host that started it.

use std::collections::BTreeMap;

use nix::sys::signal::killpg;

use crate::exit::Signal;
use crate::id::Pid;

use super::census::{Census, Seen};
use super::identity::{Stat, signal_exactly};
use super::kin::{self, Root, Table};

/// The group and session of a process whose supervisor is gone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stray {
    /// Of its group and its session: the pid that its leader has, or had.
    number: Pid,
    /// Whether it is certainly ours. Otherwise its session is left alone: only its group, if it leads one, is meant.
    is_proven: bool,
    /// Who was there at the last look, by pid, with the time that process started. Never empty.
    known: BTreeMap<u32, u64>,
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
        let number = if is_proven { session_of(pid, seen.stat.session, census) } else { pid };
        let known = BTreeMap::from([(pid.get(), seen.stat.start_time)]);
        Some(Self { number, is_proven, known }.with_the_others(census))
    }

    /// What is left in the session with this number, where `pid` carries a mark of its host.
    pub(crate) fn marked(pid: u32, session: u32, census: &Census) -> Option<Self> {
        let known = BTreeMap::from([(pid, census.living(pid)?.stat.start_time)]);
        let number = session_of(Pid::new(pid).filter(|pid| pid.get() > 1)?, session, census);
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
        let leader = self.known.get_key_value(&self.number.get());
        let (pid, start_time) =
            leader.or_else(|| self.known.first_key_value()).expect("somebody was there at the last look");
        (*pid, *start_time)
    }

    /// Whether this process is part of it.
    pub(crate) fn has(&self, pid: u32) -> bool {
        self.known.contains_key(&pid)
    }

    /// Whether anybody is left of it. Who has come meanwhile is part of it from now on.
    pub(crate) fn look(&mut self, census: &Census, hosts: &[String]) -> bool {
        let known = if self.is_proven { self.kin(census, &census.gone(hosts)) } else { self.group(census) };
        let is_there = !known.is_empty();
        if is_there {
            self.known = known;
        }
        is_there
    }

    /// With whatever descends from it, in its session or not.
    fn kin(&self, census: &Census, hosts: &[String]) -> BTreeMap<u32, u64> {
        let is_ours = |(pid, seen): (u32, &Seen)| {
            let is_near = [seen.stat.group, seen.stat.session].contains(&self.number.get());
            is_near && (self.knows(pid, &seen.stat) || seen.is_of(hosts))
        };
        let root = Root {
            leader: self.number.get(),
            is_ours: census.all_living().any(is_ours),
            since: 0,
            known: &self.known,
            looker: std::process::id(),
        };
        let table: Table = census.all_living().map(|(pid, seen)| (pid, seen.stat)).collect();
        let members = kin::members(&table, &root, |_, _| false);
        members.into_iter().map(|pid| (pid, table[&pid].start_time)).collect()
    }

    /// Only the group that it leads: it may be anybody's.
    fn group(&self, census: &Census) -> BTreeMap<u32, u64> {
        let is_there = census.all_living().any(|(pid, seen)| self.knows(pid, &seen.stat));
        let is_in_it =
            |pid: u32, seen: &Seen| seen.stat.group == self.number.get() || self.knows(pid, &seen.stat);
        let members = census.all_living().filter(|(pid, seen)| is_there && is_in_it(*pid, seen));
        members.map(|(pid, seen)| (pid, seen.stat.start_time)).collect()
    }

    fn knows(&self, pid: u32, stat: &Stat) -> bool {
        self.known.get(&pid) == Some(&stat.start_time)
    }

    /// Whether anybody is left who was there at the last look. Cheap: asks for nobody else.
    pub(crate) fn still_has_somebody(&self) -> bool {
        self.known.keys().any(|pid| self.still_has(*pid).is_some())
    }

    fn still_has(&self, pid: u32) -> Option<Stat> {
        Stat::of(pid).filter(|stat| stat.alive && self.knows(pid, stat))
    }

    /// Asks everybody of it to end.
    pub(crate) fn ask_to_end(&self) {
        self.signal(Signal::TERM);
    }

    /// SIGKILL to the group and to everybody who was there at the last look.
    pub(crate) fn kill(&self) {
        self.signal(Signal::KILL);
    }

    fn signal(&self, signal: Signal) {
        let number = self.number.get();
        let living: Vec<(u32, Stat)> =
            self.known.keys().filter_map(|pid| Some((*pid, self.still_has(*pid)?))).collect();
        // While somebody of the group is there who was there at the last look, its number means the same group.
        if living.iter().any(|(_, stat)| stat.group == number) {
            let signal = nix::sys::signal::Signal::try_from(signal.as_raw());
            let group = nix::unistd::Pid::from_raw(self.number.as_raw());
            let _gone_or_not_allowed = signal.and_then(|signal| killpg(group, signal));
        }
        for (pid, stat) in living.iter().filter(|(_, stat)| stat.group != number) {
            signal_exactly(*pid, stat.start_time, signal);
        }
    }
}

/// The number of the session, when everybody in it is ours; otherwise only `pid` itself and what descends from it is meant.
///
/// One of ours may sit in somebody's login session, or in a session that began outside of our PID namespace, whose number
/// reads as 0 (`pid_namespaces(7)`).
fn session_of(pid: Pid, session: u32, census: &Census) -> Pid {
    let is_ours = session == pid.get() || census.living(session).is_none_or(|leader| leader.mark.is_some());
    Pid::new(session).filter(|session| session.get() > 1 && is_ours).unwrap_or(pid)
}

/// When the process that we started with this pid began, as long as it is there: its parent is this program, and its
/// session its own.
pub(crate) fn start_time_of_child(pid: u32) -> Option<u64> {
    let is_ours = |stat: &Stat| stat.parent == std::process::id() && stat.session == pid;
    Some(Stat::of(pid).filter(is_ours)?.start_time)
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
        assert_eq!(Stray::marked(1, 1, &census), None);
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

    /// `setsid` in a process that is still there.
    #[test]
    fn who_descends_from_it_is_part_of_it() {
        let child = Seen::made_up(50, 50, 600).child_of(40);
        let census = Census::of([(40, Seen::made_up(40, 40, 500)), (50, child.clone())]);
        let mut stray = Stray::recorded(pid(40), Some(500), true, &census).expect("it is there");
        assert!(stray.has(50));
        assert!(stray.look(&Census::of([(50, child.child_of(1))]), &[]), "its parent is gone, and it is not");
    }

    /// One of ours in a login session, or in one that began outside of our PID namespace and reads as 0.
    #[test]
    fn a_session_of_somebody_else_is_left_alone() {
        let ours = |session: u32| Seen::made_up(39, session, 501).marked("7.8", "web", "v1");
        let shell = Seen::made_up(30, 30, 400);
        let census =
            Census::of([(30, shell.clone()), (31, shell), (40, ours(30)), (41, ours(0)), (42, ours(1))]);
        for (number, session) in [(40, 30), (41, 0), (42, 1)] {
            let recorded = Stray::recorded(pid(number), Some(501), true, &census);
            let marked = Stray::marked(number, session, &census);
            for stray in [recorded, marked] {
                let stray = stray.expect("it is there");
                assert_eq!((stray.number(), stray.is_proven()), (number, true));
                assert_eq!(stray.known, BTreeMap::from([(number, 501)]));
            }
        }
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
