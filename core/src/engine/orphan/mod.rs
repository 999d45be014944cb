//! Processes that an earlier daemon left behind (compat C-207, C-208): found, looked after, and ended if somebody wants.

mod stop;

use std::sync::{Mutex, PoisonError};

use serde_json::{Value, json};

use crate::event::Orphan;
use crate::supervisor::{Census, Host, Stray};

use super::journal::{Entry, Leftover};

pub(super) use stop::stop;

/// An orphan, and how to reach it.
#[derive(Clone, Debug)]
pub(super) struct LeftBehind {
    id: String,
    release: Option<String>,
    stray: Stray,
}

impl LeftBehind {
    /// As people see it.
    pub(super) fn orphan(&self) -> Orphan {
        let (pid, _) = self.stray.face();
        Orphan { id: self.id.clone(), pid, release: self.release.clone() }
    }

    /// The process of the config that it is an instance of.
    pub(super) fn process(&self) -> &str {
        self.id.split_once('#').map_or(&self.id, |(process, _)| process)
    }

    /// Whether it is certainly ours.
    pub(super) fn is_proven(&self) -> bool {
        self.stray.is_proven()
    }

    /// With what the next daemon needs to know it again.
    fn record(&self) -> Value {
        let (pid, start_time) = self.stray.face();
        let mut record =
            json!({ "id": self.id, "pid": pid, "releaseId": self.release, "startTime": start_time });
        if !self.is_proven() {
            record["verified"] = false.into();
        }
        record
    }
}

/// The marks of the daemons that `leftover` is of, the latest first; none when the machine was booted since.
pub(super) fn hosts(leftover: &Leftover) -> Vec<String> {
    match leftover.host.as_ref().filter(|host| host.is_of_this_boot()) {
        Some(host) => std::iter::once(host.mark()).chain(leftover.earlier.iter().cloned()).collect(),
        None => Vec::new(),
    }
}

/// Who is left of what was written down, and of what carries a mark of `hosts`.
pub(super) fn find(entries: &[Entry], hosts: &[String], wrote: Wrote, census: &Census) -> Vec<LeftBehind> {
    let mut found: Vec<LeftBehind> = Vec::new();
    for entry in entries {
        let is_among = found.iter().any(|left| left.stray.has(entry.pid.get()));
        found.extend(recorded(entry, wrote, census).filter(|_| !is_among));
    }
    for (pid, session, mark) in census.marked(&census.gone(hosts)) {
        if found.iter().any(|left| left.stray.has(pid)) {
            continue;
        }
        let stray = Stray::marked(pid, session, census);
        let new =
            stray.map(|stray| LeftBehind { id: mark.instance.clone(), release: mark.release.clone(), stray });
        found.extend(new);
    }
    found
}

/// Who wrote a state file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wrote {
    /// One of us, in this boot: each process that had a leader was written with its start.
    Us,
    /// Somebody else, of whom nothing more than pids is to be had.
    Others,
    /// One of us, before the machine was booted: whatever was written is gone.
    BeforeBoot,
}

impl Wrote {
    /// By what the file says.
    pub(super) fn of(host: Option<&Host>) -> Self {
        match host.map(Host::is_of_this_boot) {
            Some(true) => Self::Us,
            Some(false) => Self::BeforeBoot,
            None => Self::Others,
        }
    }
}

fn recorded(entry: &Entry, wrote: Wrote, census: &Census) -> Option<LeftBehind> {
    if entry.pid.get() == std::process::id() {
        return None;
    }
    match (wrote, entry.start_time) {
        (Wrote::BeforeBoot, _) => return None,
        // Its leader had gone when it was written; who is left of its group is found by the mark.
        (Wrote::Us, None) => return None,
        (Wrote::Us, Some(_)) | (Wrote::Others, _) => {}
    }
    let stray = Stray::recorded(entry.pid, entry.start_time, entry.is_proven, census)?;
    Some(LeftBehind { id: entry.id.clone(), release: entry.release.clone(), stray })
}

/// The orphans that an engine knows of.
#[derive(Debug, Default)]
pub(super) struct Orphans {
    list: Mutex<Vec<LeftBehind>>,
    hosts: Vec<String>,
}

impl Orphans {
    /// These, of these hosts.
    pub(super) fn new(list: Vec<LeftBehind>, hosts: Vec<String>) -> Self {
        Self { list: Mutex::new(list), hosts }
    }

    /// The marks of the daemons whose they are.
    pub(super) fn hosts(&self) -> &[String] {
        &self.hosts
    }

    /// Who is still there; who is not is forgotten (compat C-208).
    pub(super) fn current(&self) -> Vec<LeftBehind> {
        let mut list = self.list.lock().unwrap_or_else(PoisonError::into_inner);
        // Only when nobody is left who was there before, all processes are looked at: perhaps there are children.
        let mut census = None;
        list.retain_mut(|left| {
            left.stray.still_has_somebody()
                || left.stray.look(census.get_or_insert_with(Census::take), &self.hosts)
        });
        list.clone()
    }

    /// As people see them.
    pub(super) fn seen(&self) -> Vec<Orphan> {
        self.current().iter().map(LeftBehind::orphan).collect()
    }

    /// As the next daemon needs them.
    pub(super) fn records(&self) -> Vec<Value> {
        self.current().iter().map(LeftBehind::record).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::Pid;
    use crate::supervisor::Seen;

    fn entry(id: &str, pid: u32, start_time: Option<u64>) -> Entry {
        let (id, pid) = (id.to_owned(), Pid::new(pid).expect("a pid"));
        Entry { id, pid, start_time, is_proven: true, release: Some("v1".to_owned()) }
    }

    fn ids(found: &[LeftBehind]) -> Vec<(String, u32)> {
        found.iter().map(|left| (left.id.clone(), left.orphan().pid)).collect()
    }

    fn census() -> Census {
        Census::of([
            (40, Seen::made_up(40, 40, 500)),
            (41, Seen::made_up(41, 41, 501).zombie()),
            (42, Seen::made_up(42, 42, 502)),
            // Somebody's child who made a session of his own, and one whose leader is dead.
            (50, Seen::made_up(50, 50, 510).marked("7.8", "web", "v1")),
            (61, Seen::made_up(60, 60, 511).marked("7.8", "cron", "v1")),
            (62, Seen::made_up(60, 60, 512).marked("7.8", "cron", "v1")),
            (70, Seen::made_up(70, 70, 513).marked("1.1", "web", "v1")),
        ])
    }

    /// C-207; zombies are dead, and a pid that was given again is somebody else.
    #[test]
    fn who_is_left_is_found_by_start_and_by_mark() {
        let entries = [
            entry("a", 40, Some(500)),
            entry("b", 41, Some(501)),
            entry("c", 42, Some(1)),
            entry("d", 42, None),
        ];
        let hosts = ["7.8".to_owned()];
        let found = find(&entries, &hosts, Wrote::Us, &census());
        let expected = [("a", 40), ("web", 50), ("cron", 61)].map(|(id, pid)| (id.to_owned(), pid));
        assert_eq!(ids(&found), expected);
        assert!(found.iter().all(LeftBehind::is_proven));
    }

    /// C-166: an owner that retires still looks after its processes. When its successor was killed they were taken for
    /// orphans, and ended.
    #[test]
    fn processes_of_a_daemon_that_lives_are_no_orphans() {
        let hosts = ["9.9".to_owned(), "7.8".to_owned()];
        let with = |host: Seen| {
            let web = (50, Seen::made_up(50, 50, 510).marked("7.8", "web", "v1"));
            find(&[], &hosts, Wrote::Us, &Census::of([web, (7, host)]))
        };
        assert!(with(Seen::made_up(7, 7, 8)).is_empty(), "it lives");
        assert_eq!(with(Seen::made_up(7, 7, 9)).len(), 1, "somebody else has its pid");
        assert_eq!(with(Seen::made_up(7, 7, 8).zombie()).len(), 1, "it is dead");
    }

    /// C-207: of others, the pid is all there is.
    #[test]
    fn what_others_wrote_counts_by_pid_and_is_not_proven() {
        let entries =
            [entry("a", 40, None), entry("b", 41, None), entry("c", 43, None), entry("a", 40, None)];
        let found = find(&entries, &[], Wrote::Others, &census());
        assert_eq!(ids(&found), [("a".to_owned(), 40)]);
        assert!(!found[0].is_proven());
        assert_eq!(found[0].record()["verified"], false);
    }

    #[test]
    fn nothing_outlives_a_boot() {
        assert!(find(&[entry("a", 40, Some(500))], &[], Wrote::BeforeBoot, &census()).is_empty());
        let leftover = Leftover {
            host: Some(Host { boot: "another".to_owned(), pid: 7, start_time: 8 }),
            earlier: vec!["1.1".to_owned()],
            ..Leftover::default()
        };
        assert!(hosts(&leftover).is_empty());
    }

    #[test]
    fn replicas_are_of_one_process() {
        let found = find(&[entry("worker#1", 40, Some(500))], &[], Wrote::Us, &census());
        assert_eq!(found[0].process(), "worker");
        let expected = json!({ "id": "worker#1", "pid": 40, "releaseId": "v1", "startTime": 500 });
        assert_eq!(found[0].record(), expected);
    }
}
