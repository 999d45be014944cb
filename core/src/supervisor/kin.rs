//! Who belongs to a process, of all that run. Pure: a table goes in, pids come out.
//!
//! Members are those of the leader's group and of its session, those that were members before, those that carry the mark
//! of its start, and everything that descends from a member. So neither `setsid` nor an early death of the parents hides
//! a process; one that also clears its environment is found when somebody looked before its parents were gone.

use std::collections::{BTreeMap, BTreeSet};

use super::identity::Stat;

/// Every process there is, by pid.
pub(super) type Table = BTreeMap<u32, Stat>;

/// Whose members are looked for.
#[derive(Debug)]
pub(super) struct Root<'a> {
    /// The number of its leader, of its group and of its session.
    pub(super) leader: u32,
    /// Whether that number cannot be anybody else's.
    pub(super) is_ours: bool,
    /// When the leader started, in ticks; nothing of it is older.
    pub(super) since: u64,
    /// Members that were seen before, by pid, with the time they started.
    pub(super) known: &'a BTreeMap<u32, u64>,
    /// Whoever looks; never a member.
    pub(super) looker: u32,
}

/// The members that live. `carries_mark` is asked about those only that nothing else decides.
pub(super) fn members(
    table: &Table,
    root: &Root<'_>,
    mut carries_mark: impl FnMut(u32, &Stat) -> bool,
) -> BTreeSet<u32> {
    let mut members = BTreeSet::new();
    let children = children(table);
    let may_be = |pid: u32, stat: &Stat| stat.alive && pid != root.looker && pid != 1;
    let is_born_one = |pid: u32, stat: &Stat| {
        let is_near = root.is_ours && (stat.group == root.leader || stat.session == root.leader);
        is_near || root.known.get(&pid) == Some(&stat.start_time)
    };
    for (&pid, stat) in table {
        if may_be(pid, stat) && is_born_one(pid, stat) {
            adopt(pid, &children, root.looker, &mut members);
        }
    }
    for (&pid, stat) in table {
        let is_open = may_be(pid, stat) && !members.contains(&pid) && stat.start_time >= root.since;
        if is_open && carries_mark(pid, stat) {
            adopt(pid, &children, root.looker, &mut members);
        }
    }
    members
}

fn children(table: &Table) -> BTreeMap<u32, Vec<u32>> {
    let mut children: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
    for (&pid, stat) in table.iter().filter(|(_, stat)| stat.alive) {
        children.entry(stat.parent).or_default().push(pid);
    }
    children
}

/// A process with everything below it. No recursion: the depth of a tree is up to strangers.
fn adopt(pid: u32, children: &BTreeMap<u32, Vec<u32>>, looker: u32, members: &mut BTreeSet<u32>) {
    let mut open = vec![pid];
    while let Some(pid) = open.pop() {
        if pid != looker && members.insert(pid) {
            open.extend(children.get(&pid).into_iter().flatten());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEADER: u32 = 100;
    const DAEMON: u32 = 50;

    fn stat(parent: u32, group: u32, session: u32, start_time: u64) -> Stat {
        Stat { parent, group, session, start_time, alive: true }
    }

    fn found(table: &Table, root: &Root<'_>, marked: &[u32]) -> (Vec<u32>, Vec<u32>) {
        let mut asked = Vec::new();
        let members = members(table, root, |pid, _| {
            asked.push(pid);
            marked.contains(&pid)
        });
        (members.into_iter().collect(), asked)
    }

    fn root(known: &BTreeMap<u32, u64>) -> Root<'_> {
        Root { leader: LEADER, is_ours: true, since: 1000, known, looker: DAEMON }
    }

    /// A machine with an init, a daemon, a leader, and strangers older and younger than it.
    fn machine() -> Table {
        Table::from([
            (1, stat(0, 1, 1, 1)),
            (20, stat(1, 20, 20, 10)),
            (DAEMON, stat(1, 50, 50, 900)),
            (60, stat(DAEMON, 60, 60, 950)),
            (LEADER, stat(DAEMON, LEADER, LEADER, 1000)),
            (200, stat(20, 200, 20, 2000)),
        ])
    }

    #[test]
    fn group_and_session_are_members_and_the_environment_of_nobody_older_is_read() {
        let mut table = machine();
        table.insert(101, stat(1, LEADER, LEADER, 1001));
        table.insert(102, stat(1, 102, LEADER, 1002));
        let known = BTreeMap::new();
        assert_eq!(found(&table, &root(&known), &[]), (vec![LEADER, 101, 102], vec![200]));
    }

    #[test]
    fn who_left_the_session_is_found_by_its_parents_or_by_its_mark() {
        let mut table = machine();
        // `setsid sleep`, whose parent lives; its own child in yet another session.
        table.insert(110, stat(LEADER, 110, 110, 1100));
        table.insert(111, stat(110, 111, 111, 1101));
        // A daemon in the old way: an orphan, with a child that has cleared its environment.
        table.insert(120, stat(1, 119, 119, 1200));
        table.insert(121, stat(120, 121, 121, 1201));
        let known = BTreeMap::new();
        let (members, asked) = found(&table, &root(&known), &[120]);
        assert_eq!(members, [LEADER, 110, 111, 120, 121]);
        assert_eq!(asked, [120, 200], "121 was decided by its parent");
    }

    #[test]
    fn who_was_a_member_stays_one_even_without_parents_and_mark() {
        let mut table = machine();
        table.insert(130, stat(1, 130, 130, 1300));
        let known = BTreeMap::from([(130, 1300), (200, 1999)]);
        let (members, _) = found(&table, &root(&known), &[]);
        assert_eq!(members, [LEADER, 130], "200 is somebody else who got the number later");
    }

    #[test]
    fn zombies_are_nobody_and_have_nobody() {
        let mut table = machine();
        table.insert(LEADER, Stat { alive: false, ..table[&LEADER] });
        table.insert(101, Stat { alive: false, ..stat(1, LEADER, LEADER, 1001) });
        let known = BTreeMap::new();
        assert_eq!(found(&table, &root(&known), &[101]).0, [0; 0]);
    }

    #[test]
    fn a_number_that_is_somebody_elses_says_nothing() {
        let mut table = machine();
        table.insert(LEADER, stat(20, LEADER, LEADER, 5000));
        table.insert(120, stat(1, 119, 119, 1200));
        let known = BTreeMap::new();
        let root = Root { is_ours: false, ..root(&known) };
        assert_eq!(found(&table, &root, &[120]).0, [120]);
    }

    #[test]
    fn the_daemon_and_init_are_never_members() {
        // The daemon was itself started below the process, such as by a deploy script that it runs.
        let mut table = machine();
        table.insert(DAEMON, stat(LEADER, LEADER, LEADER, 1500));
        let known = BTreeMap::from([(1, 1)]);
        let (members, asked) = found(&table, &root(&known), &[1, DAEMON]);
        assert_eq!((members, asked), (vec![LEADER], vec![200]));
    }

    #[test]
    fn a_deep_tree_is_no_deep_recursion() {
        let mut table = machine();
        for depth in 0..200_000 {
            let parent = if depth == 0 { LEADER } else { 1000 + depth - 1 };
            table.insert(1000 + depth, stat(parent, 1000 + depth, 1000 + depth, 2000));
        }
        let known = BTreeMap::new();
        assert_eq!(found(&table, &root(&known), &[]).0.len(), 200_001);
    }
}
