//! What a door needs to tell numbers.

use std::sync::Arc;

use super::{Engine, Status};

pub(crate) use crate::proxy::{AccessLogCounts, TrafficCounts};

/// How everything is, and what was counted.
#[derive(Debug)]
pub(crate) struct Numbers {
    pub(crate) status: Status,
    /// By release, for as many as are remembered; those of a release that was deployed twice are together.
    pub(crate) releases: Vec<(Arc<str>, TrafficCounts)>,
    /// Of the requests that no release was chosen for.
    pub(crate) unrouted: TrafficCounts,
}

impl Engine {
    pub(crate) fn numbers(&self) -> Numbers {
        let proxy = &self.shared.proxy;
        Numbers {
            status: self.status(),
            releases: proxy.traffic_by_name(),
            unrouted: proxy.unrouted_traffic(),
        }
    }
}
