//! Made-up requests: each holds on to the release that it was sent to, until it is answered or cut.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::id::Generation;
use crate::report::BackendState;

/// What became of every request.
#[derive(Clone, Debug, Default)]
pub(super) struct Traffic {
    /// Where new requests go.
    pub(super) target: Option<Generation>,
    pub(super) open: BTreeMap<u64, Request>,
    /// What the proxy was told of the process behind it.
    pub(super) told: Option<BackendState>,
    /// Requests wait.
    pub(super) is_paused: bool,
    /// Those that wait: whether it is a tunnel, and how long it takes.
    pub(super) waiting: Vec<(bool, Duration)>,
    /// Nobody new is let in.
    pub(super) is_closed: bool,
    /// Somebody waits until nobody is left.
    pub(super) is_closing: bool,
    pub(super) accepted: u64,
    pub(super) answered: u64,
    /// Answered by us, because there was nobody else: 503 or 502.
    pub(super) answered_by_proxy: u64,
    /// Cut at the end of a drain, and counted in its report.
    pub(super) cut: u64,
    /// Cut because somebody stopped their release without draining it.
    pub(super) stopped: u64,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Request {
    pub(super) generation: Generation,
    pub(super) is_tunnel: bool,
}

impl Traffic {
    pub(super) fn open_to(&self, generation: Generation) -> u64 {
        let count = self.open.values().filter(|request| request.generation == generation).count();
        u64::try_from(count).expect("a count fits")
    }

    /// Ends every request to a release; returns how many requests and how many tunnels there were.
    pub(super) fn end_all(&mut self, generation: Generation) -> (u64, u64) {
        let (mut requests, mut tunnels) = (0, 0);
        self.open.retain(|_, request| {
            let ends = request.generation == generation;
            requests += u64::from(ends && !request.is_tunnel);
            tunnels += u64::from(ends && request.is_tunnel);
            !ends
        });
        (requests, tunnels)
    }

    /// Every request that was accepted, by what became of it.
    pub(super) fn accounted_for(&self) -> u64 {
        let open = u64::try_from(self.open.len() + self.waiting.len()).expect("a count fits");
        self.answered + self.answered_by_proxy + self.cut + self.stopped + open
    }
}
