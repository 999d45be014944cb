//! How to ask a process whether it is ready.

use std::time::Duration;

/// An HTTP health check: GET until the answer is 2xx (compat C-23, C-81).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HealthSpec {
    /// What to ask for, such as `/ping`.
    pub path: String,
    /// How long a process may take to become ready, after `start_delay`. Default 30 s.
    pub timeout: Duration,
    /// How long to wait between two probes. Default 250 ms.
    pub interval: Duration,
    /// How long to wait before the first probe. Default none.
    pub start_delay: Duration,
}

impl Default for HealthSpec {
    fn default() -> Self {
        Self {
            path: "/ping".to_owned(),
            timeout: Duration::from_secs(30),
            interval: Duration::from_millis(250),
            start_delay: Duration::ZERO,
        }
    }
}
