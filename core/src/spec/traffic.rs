//! What is told about the traffic, and to whom.

use std::path::PathBuf;

/// A line for each request: where it goes, and what is in it beside the usual.
///
/// Lines are JSON. Without more they hold the path but not its query, and no field but `Host`: what is secret is in
/// queries and fields. See the manual, "Operating".
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessLogSpec {
    /// The file; lines are appended to it, and one that was moved away is made anew. `-` is the standard output.
    pub path: PathBuf,
    /// Whether the query of a request is written, too. Default no: it may hold what is secret.
    pub query: bool,
    /// Whether `User-Agent` is written, too. Default no.
    pub user_agent: bool,
}

impl AccessLogSpec {
    /// Into this file, without queries and user agents.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), query: false, user_agent: false }
    }
}

/// Where the numbers can be read by a collector such as Prometheus.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdminSpec {
    /// The address to listen on. Default `127.0.0.1`: whoever can connect can read, and there is no password.
    pub host: String,
    /// The port to listen on; 0 takes a free one.
    pub port: u16,
}
