//! The mark that every start of a process carries in its environment, and everything that it starts inherits.

use std::ffi::{OsStr, OsString};
use std::hash::{BuildHasher, Hasher, RandomState};

use crate::clock;

/// The environment variable that holds the marks of a process, separated by `:`, the outermost first.
///
/// A process that [`Supervisor`](crate::Supervisor) starts finds its own mark at the end. Who carries it is stopped with
/// it, be it in another session and an orphan; a program that starts something which is to outlive it removes the variable.
pub const START_VARIABLE: &str = "ROLLCORE_START";

/// How many marks are passed on, when supervisors run below supervisors; the outermost are left out.
const MARKS_MAX: usize = 8;

/// One start of one process, unlike every other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mark(String);

impl Mark {
    /// One that nobody has had.
    pub(super) fn new() -> Self {
        // The keys of a hasher are the standard library's random numbers.
        let random = RandomState::new().build_hasher().finish();
        let time = clock::wall().unix_ms();
        Self(format!("{}.{time:x}.{random:016x}", std::process::id()))
    }

    /// The variable's value for a process that is started by one whose own value is `inherited`.
    pub(super) fn below(&self, inherited: Option<&OsStr>) -> OsString {
        let inherited = inherited.and_then(OsStr::to_str).unwrap_or_default();
        let outer: Vec<&str> = inherited.split(':').filter(|mark| !mark.is_empty()).collect();
        let kept = &outer[outer.len().saturating_sub(MARKS_MAX - 1)..];
        kept.iter().copied().chain([self.0.as_str()]).collect::<Vec<_>>().join(":").into()
    }

    /// Whether this environment, as `/proc/<pid>/environ` shows it, carries this mark.
    pub(super) fn is_in(&self, environ: &[u8]) -> bool {
        environ
            .split(|&byte| byte == 0)
            .filter_map(|variable| variable.strip_prefix(START_VARIABLE.as_bytes())?.strip_prefix(b"="))
            .any(|marks| marks.split(|&byte| byte == b':').any(|mark| mark == self.0.as_bytes()))
    }

    #[cfg(test)]
    pub(super) fn value(&self) -> OsString {
        self.below(None)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStrExt;

    use super::*;

    fn environ(value: &OsStr) -> Vec<u8> {
        [b"PATH=/bin\0ROLLCORE_START=", value.as_bytes(), b"\0HOME=/\0"].concat()
    }

    #[test]
    fn no_two_starts_have_the_same_mark() {
        let marks: std::collections::BTreeSet<_> = (0..100).map(|_| Mark::new().0).collect();
        assert_eq!(marks.len(), 100);
    }

    #[test]
    fn a_mark_is_found_below_others_and_only_as_a_whole() {
        let (outer, inner) = (Mark::new(), Mark::new());
        let both = environ(&inner.below(Some(&outer.value())));
        assert!(outer.is_in(&both) && inner.is_in(&both));
        assert!(!inner.is_in(&environ(&outer.value())));
        let longer = environ(OsStr::new(&format!("{}0", outer.0)));
        assert!(!outer.is_in(&longer), "a mark that begins like it is another one");
        let elsewhere = format!("MY_ROLLCORE_START={}\0TEXT=ROLLCORE_START={}\0", outer.0, outer.0);
        assert!(!outer.is_in(elsewhere.as_bytes()));
        assert!(!outer.is_in(b""));
    }

    #[test]
    fn the_marks_of_supervisors_below_supervisors_do_not_grow_for_ever() {
        let mut value = OsString::new();
        for _ in 0..100 {
            value = Mark::new().below(Some(&value));
        }
        let last = Mark::new();
        let text = last.below(Some(&value)).into_string().expect("it is ASCII");
        assert_eq!(text.split(':').count(), MARKS_MAX);
        assert!(text.ends_with(&last.0));
    }
}
