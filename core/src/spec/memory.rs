//! How much memory a process may use (compat C-26, C-79).

use std::time::Duration;

/// The supervision of a process's memory: of all its members together, as resident in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemorySpec {
    /// Above this many bytes it is restarted.
    pub limit_bytes: u64,
    /// Above this many bytes a warning is recorded, once per crossing. 0, the default, means never.
    pub warn_bytes: u64,
    /// How often it is looked at. Default 5 s.
    pub check_interval: Duration,
}

impl MemorySpec {
    /// Restarts above `limit_bytes`, with every default.
    #[must_use]
    pub fn limit(limit_bytes: u64) -> Self {
        Self { limit_bytes, warn_bytes: 0, check_interval: Duration::from_secs(5) }
    }
}
