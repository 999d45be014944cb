//! What a handle is opened with.

use std::collections::BTreeSet;
use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;

use super::code::{Code, EmbedError};
use super::json;
use crate::id::ReleaseId;

/// Options of a handle; each may be left out.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(super) struct Options {
    /// Threads that conduct: 1 to 64, default 1. The proxy has its own, see `proxy.workers` of a config.
    worker_threads: Option<usize>,
    /// How many events that nobody asked for are kept for a host that does not read; the oldest are dropped. 1 to
    /// 1,000,000, default 4096.
    queue: Option<usize>,
    /// What comes as events of the type `log`. Default `off`.
    pub(super) log: LogLevel,
    /// How long closing the handle may take, in milliseconds, before the processes that are left are killed. Default
    /// 10,000, at most an hour.
    grace_ms: Option<u64>,
    /// Plays in a made-up world instead: no processes, no ports, no time that passes.
    pub(super) simulate: Option<Simulate>,
}

/// A made-up world.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Simulate {
    /// What chance is made of: the same seed, the same world. Default 0.
    #[serde(default)]
    pub(super) seed: u64,
    /// Ids of releases that never become ready: their proxied process exits soon after every start. Default: none, every
    /// process is healthy.
    #[serde(default)]
    broken: Vec<String>,
}

impl Simulate {
    /// The releases that are.
    pub(super) fn broken(&self) -> Result<BTreeSet<ReleaseId>, EmbedError> {
        Ok(self.broken.iter().map(|id| ReleaseId::new(id.as_str())).collect::<Result<_, _>>()?)
    }
}

/// How much is told.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum LogLevel {
    /// Nothing.
    #[default]
    Off,
    /// What somebody should look at.
    Warn,
    /// What happens.
    Info,
    /// How it happens.
    Debug,
}

impl Options {
    /// Reads the text; an empty one means the defaults.
    pub(super) fn read(text: &str) -> Result<Self, EmbedError> {
        let options: Self = json::read(text)?;
        let checks = [
            ("workerThreads", options.worker_threads, 64),
            ("queue", options.queue, 1_000_000),
            ("graceMs", options.grace_ms.map(|ms| usize::try_from(ms).unwrap_or(usize::MAX)), 3_600_000),
        ];
        for (name, value, max) in checks {
            let min = usize::from(name != "graceMs");
            if value.is_some_and(|value| value < min || value > max) {
                let message = format!("{name} must be between {min} and {max}");
                return Err(EmbedError::new(Code::Argument, "invalid_options", message));
            }
        }
        if let Some(simulate) = &options.simulate {
            simulate.broken()?;
        }
        Ok(options)
    }

    pub(super) fn worker_threads(&self) -> usize {
        self.worker_threads.unwrap_or(1)
    }

    pub(super) fn queue(&self) -> usize {
        self.queue.unwrap_or(4096)
    }

    pub(super) fn grace(&self) -> Duration {
        Duration::from_millis(self.grace_ms.unwrap_or(10_000))
    }
}
