//! What comes of asking.

use std::fmt;
use std::time::Duration;

/// The process is ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ready {
    /// How many probes it took.
    pub attempts: u32,
    /// How long it took, the start delay included.
    pub took: Duration,
}

/// Why a process is not ready (compat C-83).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HealthReason {
    /// The last answer had this status.
    Status(u16),
    /// The last probe was refused, reset, closed too early, or not answered with HTTP.
    FetchFailed,
    /// The last probe was not answered in its time.
    NoAnswer {
        /// How long it had.
        within: Duration,
    },
    /// The last probe had a good answer, which did not count.
    Rejected {
        /// Why not.
        why: String,
    },
    /// There was no time for a single probe.
    NoAttempts,
}

impl fmt::Display for HealthReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status(status) => write!(f, "HTTP {status}"),
            Self::FetchFailed => f.write_str("fetch failed"),
            Self::NoAnswer { within } => {
                write!(f, "no answer within {} ms", within.as_micros().div_ceil(1_000))
            }
            Self::Rejected { why } => f.write_str(why),
            Self::NoAttempts => f.write_str("no attempts"),
        }
    }
}
