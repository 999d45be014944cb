//! The idle connections of one worker to the active release. The one used last is used first, so that the others can
//! grow old and be closed.

use std::sync::Mutex;
use std::time::Duration;

use crate::clock;
use crate::proxy::clients::lock;
use crate::proxy::machine::{Idle, Reuse, may_reuse};
use crate::time::Instant;

use super::moment;
use super::upstream::Upstream;

/// How many connections of other backends are passed over in search of one of this.
const SEARCH_MAX: usize = 16;

/// Idle connections.
pub(crate) struct Pool {
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    /// The active route: only its connections are kept.
    route: u64,
    connections: Vec<Resting>,
}

struct Resting {
    upstream: Upstream,
    since: Instant,
    limit: Duration,
}

impl Pool {
    pub(crate) fn new() -> Self {
        Self { kept: Mutex::default() }
    }

    /// The route has changed: what is idle is closed, and what comes back of an old route will be.
    pub(crate) fn switch_to(&self, route: u64) {
        let old = {
            let mut kept = lock(&self.kept);
            kept.route = route;
            std::mem::take(&mut kept.connections)
        };
        // Closing is a system call each: not under the lock.
        drop(old);
    }

    /// A connection for one request. `repeatable`: the request may be sent again if the connection turns out dead.
    pub(super) fn take(&self, route: u64, backend: usize, repeatable: bool) -> Option<Upstream> {
        let mut kept = lock(&self.kept);
        if kept.route != route || kept.connections.is_empty() {
            return None;
        }
        let now = moment::now();
        let connections = &mut kept.connections;
        let mut index = connections.len();
        for _ in 0..SEARCH_MAX.min(connections.len()) {
            index -= 1;
            let resting = &connections[index];
            if resting.upstream.backend != backend {
                continue;
            }
            match may_reuse(resting.idle(now), repeatable) {
                Reuse::Expired => drop(connections.remove(index)),
                Reuse::NotForThis => {}
                Reuse::Yes if resting.upstream.has_stirred() => drop(connections.remove(index)),
                Reuse::Yes if repeatable || resting.upstream.is_quiet() => {
                    return Some(connections.remove(index).upstream);
                }
                Reuse::Yes => drop(connections.remove(index)),
            }
        }
        None
    }

    /// Keeps a connection for the next request, if its route is still the active one.
    pub(super) fn give_back(&self, upstream: Upstream, limit: Duration, idle_max: usize) {
        if limit.is_zero() {
            return;
        }
        let mut kept = lock(&self.kept);
        if kept.route == upstream.route && kept.connections.len() < idle_max {
            kept.connections.push(Resting { upstream, since: moment::now(), limit });
        }
    }

    /// Closes all of them: their descriptors are needed more urgently.
    pub(crate) fn clear(&self) {
        let idle = std::mem::take(&mut lock(&self.kept).connections);
        drop(idle);
    }

    /// Closes what has been idle for too long, and what the application has closed.
    pub(crate) fn sweep(&self) {
        let now = clock::now();
        lock(&self.kept).connections.retain(|resting| {
            may_reuse(resting.idle(now), true) != Reuse::Expired && !resting.upstream.has_stirred()
        });
    }
}

impl Resting {
    fn idle(&self, now: Instant) -> Idle {
        Idle { idle: now - self.since, limit: self.limit, served: self.upstream.served }
    }
}
