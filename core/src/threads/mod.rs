//! Threads of ours in somebody else's process.

mod runtime;

use nix::sys::signal::{SigSet, SigmaskHow, Signal, pthread_sigmask};

pub(crate) use runtime::{Threads, Workers};

/// Runs `action` with all signals blocked but those that tell of a bug in this very thread; a thread that it starts
/// has that mask for life. The host's handlers run on the host's threads, and a peer that is gone is an error of a
/// write, not a SIGPIPE.
pub(crate) fn without_signals<T>(action: impl FnOnce() -> T) -> T {
    let mut blocked = SigSet::all();
    for bug in [Signal::SIGSEGV, Signal::SIGBUS, Signal::SIGFPE, Signal::SIGILL] {
        blocked.remove(bug);
    }
    let mut before = SigSet::empty();
    let changed = pthread_sigmask(SigmaskHow::SIG_BLOCK, Some(&blocked), Some(&mut before)).is_ok();
    let result = action();
    if changed {
        let _ = pthread_sigmask(SigmaskHow::SIG_SETMASK, Some(&before), None);
    }
    result
}
