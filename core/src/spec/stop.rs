//! How a process is stopped: quiet, drain, stop, kill (compat C-64 to C-72).

use std::time::Duration;

use crate::exit::Signal;

/// The stop sequence of a process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StopSpec {
    /// What asks the process to end.
    pub with: StopWith,
    /// When to stop being polite.
    pub kill_after: KillAfter,
    /// What runs before it is asked to end.
    pub hooks: Hooks,
    /// How long it may take to finish its work before it is asked to end. Default none.
    pub drain_timeout: Duration,
}

impl Default for StopSpec {
    fn default() -> Self {
        Self {
            with: StopWith::Signal(Signal::TERM),
            kill_after: KillAfter::Grace(Duration::from_secs(10)),
            hooks: Hooks::default(),
            drain_timeout: Duration::ZERO,
        }
    }
}

/// What asks a process to end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StopWith {
    /// A signal to its whole group.
    Signal(Signal),
    /// A shell command, run in its directory with its environment.
    Run(String),
}

/// When SIGKILL follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KillAfter {
    /// When the group is not empty this long after it was asked.
    Grace(Duration),
    /// Never: it may take as long as it wants.
    Never,
}

/// Shell commands that run while a process is being stopped.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hooks {
    /// Tells it to take no more work.
    pub quiet: Option<String>,
    /// Waits until its work is done, for `drain_timeout` at most.
    pub drain: Option<String>,
}
