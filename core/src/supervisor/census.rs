//! Every process of the machine at one moment, as far as it matters for finding those that nobody supervises any more.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;

use super::host::MARK_VARIABLE;
use super::identity::{Stat, every_pid};

/// How much of a process's environment is read, in bytes; the rest is not searched. Linux allows a quarter of the stack,
/// which is 2 MiB unless somebody has changed it.
const ENVIRONMENT_BYTES_MAX: u64 = 2 * 1024 * 1024;

/// Who was there.
#[derive(Clone, Debug, Default)]
pub(crate) struct Census(BTreeMap<u32, Seen>);

/// One process, as it was seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(super) stat: Stat,
    /// Whose it is and what for, if its environment says so.
    pub(crate) mark: Option<Mark>,
}

/// What a process's environment says of where it comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mark {
    /// The mark of its host.
    pub(crate) host: String,
    /// Its instance, such as `worker#1`.
    pub(crate) instance: String,
    /// The release it was started for.
    pub(crate) release: Option<String>,
}

impl Census {
    /// Looks at every process but this one. For the blocking pool.
    pub(crate) fn take() -> Self {
        let me = std::process::id();
        let seen = |pid: u32| Some((pid, Seen { stat: Stat::of(pid)?, mark: mark_of(pid) }));
        Self(every_pid().filter(|pid| *pid != me).filter_map(seen).collect())
    }

    /// Of these.
    #[cfg(test)]
    pub(crate) fn of(seen: impl IntoIterator<Item = (u32, Seen)>) -> Self {
        Self(seen.into_iter().collect())
    }

    /// The process with this pid, if it lives.
    pub(super) fn living(&self, pid: u32) -> Option<&Seen> {
        self.0.get(&pid).filter(|seen| seen.stat.alive)
    }

    /// Everybody who lives.
    pub(super) fn all_living(&self) -> impl Iterator<Item = (u32, &Seen)> {
        self.0.iter().map(|(pid, seen)| (*pid, seen)).filter(|(_, seen)| seen.stat.alive)
    }

    /// Of the marks of hosts, those whose host is gone: one that lives, such as an owner that retires, looks after its
    /// processes itself.
    pub(crate) fn gone(&self, hosts: &[String]) -> Vec<String> {
        hosts.iter().filter(|mark| !self.is_there(mark)).cloned().collect()
    }

    fn is_there(&self, mark: &str) -> bool {
        let number = |text: &str| text.parse::<u64>().ok();
        let host = mark.split_once('.').and_then(|(pid, start)| Some((number(pid)?, number(start)?)));
        host.and_then(|(pid, start)| Some((u32::try_from(pid).ok()?, start)))
            .is_some_and(|(pid, start)| self.living(pid).is_some_and(|seen| seen.stat.start_time == start))
    }

    /// Everybody who lives and carries the mark of one of these hosts, with the number of the session.
    pub(crate) fn marked<'a>(&'a self, hosts: &'a [String]) -> impl Iterator<Item = (u32, u32, &'a Mark)> {
        self.all_living()
            .filter_map(|(pid, seen)| Some((pid, seen.stat.session, seen.mark.as_ref()?)))
            .filter(|(_, _, mark)| hosts.contains(&mark.host))
    }
}

impl Seen {
    /// Whether it carries the mark of one of these hosts.
    pub(super) fn is_of(&self, hosts: &[String]) -> bool {
        self.mark.as_ref().is_some_and(|mark| hosts.contains(&mark.host))
    }
}

#[cfg(test)]
impl Seen {
    /// A living process, for tests.
    pub(crate) fn made_up(group: u32, session: u32, start_time: u64) -> Self {
        Self { stat: Stat { parent: 1, group, session, start_time, alive: true }, mark: None }
    }

    /// It was started by this one.
    pub(crate) fn child_of(mut self, parent: u32) -> Self {
        self.stat.parent = parent;
        self
    }

    /// It has ended, and nobody has reaped it.
    pub(crate) fn zombie(mut self) -> Self {
        self.stat.alive = false;
        self
    }

    /// It is a process of this host.
    pub(crate) fn marked(mut self, host: &str, instance: &str, release: &str) -> Self {
        let (host, instance) = (host.to_owned(), instance.to_owned());
        self.mark = Some(Mark { host, instance, release: Some(release.to_owned()) });
        self
    }
}

/// `None` for processes of others, whose environment cannot be read, and for kernel threads, which have none.
fn mark_of(pid: u32) -> Option<Mark> {
    let mut environment = Vec::new();
    let file = File::open(format!("/proc/{pid}/environ")).ok()?;
    file.take(ENVIRONMENT_BYTES_MAX).read_to_end(&mut environment).ok()?;
    read_mark(&environment)
}

/// Of the text of `/proc/<pid>/environ`: assignments that end with a NUL (`proc_pid_environ(5)`).
fn read_mark(environment: &[u8]) -> Option<Mark> {
    let variables: BTreeMap<&[u8], &[u8]> =
        environment.split(|byte| *byte == 0).filter_map(assignment).collect();
    let text = |name: &str| {
        let value = std::str::from_utf8(variables.get(name.as_bytes())?).ok()?;
        (!value.is_empty()).then(|| value.to_owned())
    };
    let host = text(MARK_VARIABLE)?;
    let process = text("ROLLCORE_PROCESS_ID")?;
    let instance = match (text("ROLLCORE_REPLICA_COUNT").as_deref(), text("ROLLCORE_REPLICA_INDEX")) {
        (Some(count), Some(index)) if count != "1" => format!("{process}#{index}"),
        _ => process,
    };
    Some(Mark { host, instance, release: text("ROLLCORE_RELEASE_ID") })
}

fn assignment(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let equals = text.iter().position(|byte| *byte == b'=')?;
    Some((&text[..equals], &text[equals + 1..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_read_from_an_environment() {
        let worker = b"A=\0ROLLCORE_DAEMON=7.8\0ROLLCORE_PROCESS_ID=worker\0ROLLCORE_RELEASE_ID=v1\0\
                       ROLLCORE_REPLICA_COUNT=2\0ROLLCORE_REPLICA_INDEX=1\0B";
        let mark = read_mark(worker).expect("it is marked");
        assert_eq!((mark.host.as_str(), mark.instance.as_str()), ("7.8", "worker#1"));
        assert_eq!(mark.release.as_deref(), Some("v1"));
        let alone = String::from_utf8_lossy(worker).replace("COUNT=2", "COUNT=1");
        assert_eq!(read_mark(alone.as_bytes()).expect("it is marked").instance, "worker");
    }

    #[test]
    fn what_is_not_marked_is_not_ours() {
        for other in [
            &b""[..],
            b"\0\0=\0",
            b"ROLLCORE_DAEMON=7.8",
            b"ROLLCORE_PROCESS_ID=web",
            b"ROLLCORE_DAEMON=\0ROLLCORE_PROCESS_ID=web",
            b"XROLLCORE_DAEMON=7.8\0ROLLCORE_PROCESS_ID=web",
            b"ROLLCORE_DAEMON=\xff\0ROLLCORE_PROCESS_ID=web",
        ] {
            assert_eq!(read_mark(other), None, "{:?}", String::from_utf8_lossy(other));
        }
    }

    #[test]
    fn everybody_is_seen_but_us() {
        let census = Census::take();
        assert!(census.living(std::process::id()).is_none());
        let parent = Stat::of(std::process::id()).expect("we are there").parent;
        assert!(parent == 0 || census.living(parent).is_some());
    }
}
