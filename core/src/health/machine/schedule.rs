//! When to ask.

use std::time::Duration;

use crate::spec::HealthSpec;

/// When to ask, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HealthSchedule {
    /// How long the process may take to become ready, after `start_delay`. The check ends then even if a probe is
    /// under way. Default 30 s (compat C-23).
    pub timeout: Duration,
    /// How long to wait between the end of a probe and the next one. Default 250 ms (compat C-23).
    pub interval: Duration,
    /// How long to wait before the first probe. Default none.
    pub start_delay: Duration,
    /// How long one probe may take; after that it is dropped and counts as failed. Never more than what is left of
    /// `timeout`. Default 5 s: longer than any healthy answer, short enough that a process which hangs on its first
    /// request is asked again within the default `timeout`.
    pub probe_timeout: Duration,
}

impl Default for HealthSchedule {
    fn default() -> Self {
        Self::from(&HealthSpec::default())
    }
}

impl From<&HealthSpec> for HealthSchedule {
    fn from(spec: &HealthSpec) -> Self {
        Self {
            timeout: spec.timeout,
            interval: spec.interval,
            start_delay: spec.start_delay,
            probe_timeout: Duration::from_secs(5),
        }
    }
}
