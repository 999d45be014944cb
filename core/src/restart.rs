//! Whether and when a process that exited unasked is started again (compat C-76).

use std::time::Duration;

/// What to do when a process exits unasked. Placeholder of the shape; see the tests for the formula.
#[derive(Clone, Debug, PartialEq)]
pub struct RestartPolicy {
    /// The delay before the first restart. Default 1 s.
    pub(crate) delay: Duration,
}

impl Default for RestartPolicy {
    fn default() -> Self {
        Self { delay: Duration::from_secs(1) }
    }
}
