//! How many descriptors there are, and one that is kept for the day when there are none.

use std::fs::File;
use std::io;

use nix::errno::Errno;
use nix::sys::resource::{Resource, getrlimit};

/// How many descriptors this process may have (`RLIMIT_NOFILE`, getrlimit(2)): what it is allowed now, not what it may
/// allow itself. As many as one likes when the system does not say.
pub(crate) fn descriptors_max() -> usize {
    let soft = getrlimit(Resource::RLIMIT_NOFILE).map_or(u64::MAX, |(soft, _)| soft);
    usize::try_from(soft).unwrap_or(usize::MAX)
}

/// accept(2): whether it failed because this process, or the whole system, has no descriptor left.
pub(crate) fn is_out_of_descriptors(error: &io::Error) -> bool {
    matches!(error.raw_os_error().map(Errno::from_raw), Some(Errno::EMFILE | Errno::ENFILE))
}

/// A descriptor that is good for nothing, but that it can be given up for a better use.
#[derive(Debug)]
pub(crate) struct Reserve(Option<File>);

impl Reserve {
    /// Takes a descriptor, if there is one.
    pub(crate) fn new() -> Self {
        let mut reserve = Self(None);
        reserve.refill();
        reserve
    }

    /// Gives it up; says whether there was one to give up. Another thread may be the first to use it.
    pub(crate) fn give_up(&mut self) -> bool {
        self.0.take().is_some()
    }

    /// Takes one again, unless there is none; says whether there is one now.
    pub(crate) fn refill(&mut self) -> bool {
        if self.0.is_none() {
            self.0 = File::open("/dev/null").ok();
        }
        self.0.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reserve_is_given_up_once_and_can_be_refilled() {
        let mut reserve = Reserve::new();
        assert!(reserve.give_up());
        assert!(!reserve.give_up());
        assert!(reserve.refill() && reserve.refill());
        assert!(reserve.give_up());
    }

    #[test]
    fn want_of_descriptors_is_told_from_other_failures() {
        for errno in [Errno::EMFILE, Errno::ENFILE] {
            assert!(is_out_of_descriptors(&errno.into()), "{errno}");
        }
        for errno in [Errno::ECONNABORTED, Errno::ENOMEM] {
            assert!(!is_out_of_descriptors(&errno.into()), "{errno}");
        }
        assert!(descriptors_max() > 0);
    }
}
