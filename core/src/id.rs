//! The names of things.
//!
//! Nothing in this file knows what the named things are.

use std::fmt;
use std::num::NonZeroU32;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// What the config names: `web`, `worker`, `cron`.
///
/// Any text but one with `#`, which separates an id from its replica (see [`InstanceId`]). Config decides that
/// (compat C-27); this type only carries the name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ProcessId(Arc<str>);

impl ProcessId {
    /// The id as written in the config.
    pub fn new(id: impl Into<Arc<str>>) -> Self {
        Self(id.into())
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// One replica of a process: `worker#2`, or just `web` when there is only one (compat C-45).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InstanceId {
    process: ProcessId,
    replica: Option<u32>,
}

impl InstanceId {
    /// The only instance of a process.
    #[must_use]
    pub fn only(process: ProcessId) -> Self {
        Self { process, replica: None }
    }

    /// Replica `index`, counted from 0, of a process that has several.
    #[must_use]
    pub fn replica(process: ProcessId, index: u32) -> Self {
        Self { process, replica: Some(index) }
    }

    /// The process that this is an instance of.
    #[must_use]
    pub fn process(&self) -> &ProcessId {
        &self.process
    }

    /// Which replica, counted from 0; 0 for the only one.
    #[must_use]
    pub fn index(&self) -> u32 {
        self.replica.unwrap_or(0)
    }
}

/// A prepared directory's name: what `--release-id` says.
///
/// Made of `A-Z a-z 0-9 . _ -`, 1 to 200 of them, beginning with a letter or digit. Ids come from branch names,
/// and branch names come from strangers; with this alphabet one can never become a shell command.
///
/// ```
/// use rollcore::ReleaseId;
/// assert!(ReleaseId::new("2026-11-20.1").is_ok());
/// assert!(ReleaseId::new("main; rm -rf /").is_err());
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct ReleaseId(Arc<str>);

/// The longest [`ReleaseId`] or [`Revision`], in bytes; a longer one is refused.
pub const RELEASE_ID_BYTES_MAX: usize = 200;

impl ReleaseId {
    /// Checks the alphabet and the length.
    ///
    /// # Errors
    /// [`UnsafeName`] when it is empty, too long, begins otherwise, or holds another character.
    pub fn new(id: impl Into<Arc<str>>) -> Result<Self, UnsafeName> {
        checked("release id", id.into()).map(Self)
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Which source a release was built from: a commit, a tag. The alphabet of a [`ReleaseId`].
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct Revision(Arc<str>);

impl Revision {
    /// Checks the alphabet and the length.
    ///
    /// # Errors
    /// As [`ReleaseId::new`].
    pub fn new(revision: impl Into<Arc<str>>) -> Result<Self, UnsafeName> {
        checked("revision", revision.into()).map(Self)
    }

    /// The revision as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<ReleaseId> for Revision {
    /// A release without a revision has its id for one (compat C-40).
    fn from(id: ReleaseId) -> Self {
        Self(id.0)
    }
}

/// What a starter says of a daemon that it starts: `sha256:` and 64 lower-case hexadecimal digits (compat C-159).
///
/// Passed on as it is and compared with nothing.
///
/// ```
/// use rollcore::Attestation;
/// assert!(Attestation::new(format!("sha256:{}", "0a".repeat(32))).is_some());
/// assert!(Attestation::new("sha256:0A").is_none());
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(transparent)]
pub struct Attestation(Arc<str>);

impl Attestation {
    /// `None` when it is spelled otherwise.
    #[must_use]
    pub fn new(text: impl Into<Arc<str>>) -> Option<Self> {
        let text = text.into();
        let is_hex = |byte: u8| byte.is_ascii_digit() || matches!(byte, b'a'..=b'f');
        let digest = text.strip_prefix("sha256:")?;
        (digest.len() == 64 && digest.bytes().all(is_hex)).then(|| Self(Arc::clone(&text)))
    }

    /// As it was given.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A release id or revision that could mean something to a shell, a path or a log line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{what} {name:?} is not safe: use 1 to {RELEASE_ID_BYTES_MAX} of the characters A-Z a-z 0-9 . _ -, \
     beginning with a letter or digit"
)]
pub struct UnsafeName {
    what: &'static str,
    name: String,
}

fn checked(what: &'static str, name: Arc<str>) -> Result<Arc<str>, UnsafeName> {
    let starts_well = name.bytes().next().is_some_and(|first| first.is_ascii_alphanumeric());
    let is_safe = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    if starts_well && name.len() <= RELEASE_ID_BYTES_MAX && name.bytes().all(is_safe) {
        Ok(name)
    } else {
        let shown = name.chars().take(RELEASE_ID_BYTES_MAX).collect();
        Err(UnsafeName { what, name: shown })
    }
}

/// The how-manieth release an engine started. Two deploys of the same [`ReleaseId`] differ in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct Generation(pub u64);

/// One instance of one generation, never used again after it is gone.
///
/// `web` of v1 and `web` of v2 have the same [`InstanceId`] and different keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InstanceKey(pub u64);

/// One question to the engine, which gets exactly one answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OpId(pub u64);

/// The operating system's number of a process, which is also the number of the group it leads.
///
/// A pid says nothing after its process was reaped: identity is the pid and the start time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct Pid(NonZeroU32);

impl Pid {
    /// `None` for 0 and for what no kernel gives (above `i32::MAX`), which `kill(2)` would take for a group.
    #[must_use]
    pub fn new(number: u32) -> Option<Self> {
        i32::try_from(number).ok()?;
        NonZeroU32::new(number).map(Self)
    }

    /// The number.
    #[must_use]
    pub fn get(self) -> u32 {
        self.0.get()
    }

    /// The number as system calls take it.
    #[must_use]
    pub fn as_raw(self) -> i32 {
        i32::try_from(self.0.get()).expect("`new` refuses what does not fit")
    }
}

/// A place in the log of events; each event has the next one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct Seq(pub u64);

impl Seq {
    /// Before the first event.
    pub const START: Self = Self(0);

    /// The place after this one.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

macro_rules! shown_as_text {
    ($($name:ty),*) => {$(
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }
    )*};
}
shown_as_text!(ProcessId, ReleaseId, Revision);

impl fmt::Display for InstanceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.replica {
            Some(index) => write!(f, "{}#{index}", self.process),
            None => write!(f, "{}", self.process),
        }
    }
}

impl fmt::Display for Pid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl Serialize for InstanceId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_branch_name_never_becomes_a_shell_command() {
        for name in ["", "-rf", ".hidden", "a b", "a;b", "a$(b)", "a/b", "ä", "a\n", &"x".repeat(201)] {
            assert!(ReleaseId::new(name).is_err(), "{name:?} was accepted");
            assert!(Revision::new(name).is_err(), "{name:?} was accepted");
        }
        for name in ["v1", "20261120-2", "1.2.3_rc-4", &"x".repeat(200)] {
            assert_eq!(ReleaseId::new(name).expect(name).as_str(), name);
        }
    }

    #[test]
    fn instances_are_named_by_process_and_replica() {
        let worker = ProcessId::new("worker");
        assert_eq!(InstanceId::only(worker.clone()).to_string(), "worker");
        assert_eq!(InstanceId::replica(worker, 2).to_string(), "worker#2");
    }

    #[test]
    fn no_pid_can_be_taken_for_a_group_or_for_everybody() {
        assert_eq!(Pid::new(0), None);
        assert_eq!(Pid::new(u32::MAX), None);
        assert_eq!(Pid::new(7).map(Pid::as_raw), Some(7));
    }
}
