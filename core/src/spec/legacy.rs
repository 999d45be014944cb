//! What ran the application before a daemon did (compat C-19).

use std::time::Duration;

/// Which processes of an older way of deploying are stopped before the first deploy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LegacyTakeover {
    /// How long they may take to end before they are killed. Default: `proxy.forceStopTimeoutMs`.
    pub force_stop_timeout: Duration,
    /// Names of `screen` sessions.
    pub screens: Vec<String>,
    /// Processes, by what their command lines include.
    pub processes: Vec<LegacyMatcher>,
}

/// A process is meant when its command line includes all of these texts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LegacyMatcher {
    /// For messages.
    pub name: String,
    /// The texts; at least one, none empty.
    pub includes: Vec<String>,
}
