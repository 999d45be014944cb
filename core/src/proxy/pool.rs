//! The idle connections of one worker to the active release. The one used last is used first, so that the others can
//! grow old and be closed.

use std::sync::Mutex;
use std::time::Duration;

use crate::clock;
use crate::time::Instant;

use super::clients::lock;
use super::machine::{Idle, Reuse, may_reuse};
use super::upstream::Upstream;

/// How many connections that are not ready yet are passed over in search of one that is.
const SEARCH_MAX: usize = 16;

/// Idle connections.
pub(crate) struct Pool {
    kept: Mutex<Kept>,
    idle_max: usize,
}

#[derive(Default)]
struct Kept {
    /// The active route: only its connections are kept.
    route: u64,
    connections: Vec<Parked>,
}

struct Parked {
    upstream: Upstream,
    since: Instant,
    limit: Duration,
}

impl Pool {
    pub(super) fn new(idle_max: usize) -> Self {
        Self { kept: Mutex::default(), idle_max }
    }

    /// The route has changed: what is idle is closed, and what comes back of an old route will be.
    pub(super) fn switch_to(&self, route: u64) {
        let old = {
            let mut kept = lock(&self.kept);
            kept.route = route;
            std::mem::take(&mut kept.connections)
        };
        // Closing wakes tasks: not under the lock.
        drop(old);
    }

    /// A connection for one request. `repeatable`: the request may be sent again if the connection turns out dead.
    pub(super) fn take(&self, route: u64, backend: usize, repeatable: bool) -> Option<Upstream> {
        let mut kept = lock(&self.kept);
        if kept.route != route {
            return None;
        }
        let now = clock::now();
        let connections = &mut kept.connections;
        let mut index = connections.len();
        for _ in 0..SEARCH_MAX.min(connections.len()) {
            index -= 1;
            let parked = &connections[index];
            if parked.upstream.sender.is_closed() {
                connections.remove(index);
                continue;
            }
            if parked.upstream.backend != backend || !parked.upstream.sender.is_ready() {
                continue;
            }
            match may_reuse(parked.idle(now), repeatable) {
                Reuse::Yes if repeatable || parked.upstream.socket.is_quiet() => {
                    return Some(connections.remove(index).upstream);
                }
                Reuse::Yes | Reuse::NotForThis => {}
                Reuse::Expired => {
                    connections.remove(index);
                }
            }
        }
        None
    }

    /// Keeps a connection for the next request, if its route is still the active one.
    pub(super) fn give_back(&self, upstream: Upstream, limit: Duration) {
        if upstream.sender.is_closed() || upstream.socket.is_deaf() || limit.is_zero() {
            return;
        }
        let mut kept = lock(&self.kept);
        if kept.route == upstream.route && kept.connections.len() < self.idle_max {
            kept.connections.push(Parked { upstream, since: clock::now(), limit });
        }
    }

    /// Closes what has been idle for too long.
    pub(super) fn sweep(&self) {
        let now = clock::now();
        lock(&self.kept).connections.retain(|parked| {
            !parked.upstream.sender.is_closed() && may_reuse(parked.idle(now), true) != Reuse::Expired
        });
    }
}

impl Parked {
    fn idle(&self, now: Instant) -> Idle {
        Idle { idle: now - self.since, limit: self.limit, served: self.upstream.served }
    }
}
