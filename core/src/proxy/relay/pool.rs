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
        self.take_at(moment::now(), route, backend, repeatable)
    }

    fn take_at(&self, now: Instant, route: u64, backend: usize, repeatable: bool) -> Option<Upstream> {
        let mut kept = lock(&self.kept);
        if kept.route != route || kept.connections.is_empty() {
            return None;
        }
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
                _ if resting.upstream.has_stirred() => drop(connections.remove(index)),
                Reuse::IfSilent if !resting.upstream.is_quiet() => drop(connections.remove(index)),
                Reuse::Yes | Reuse::IfSilent => return Some(connections.remove(index).upstream),
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

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::net::{Ipv4Addr, TcpListener, TcpStream};
    use std::os::fd::AsFd;

    use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

    use super::*;
    use crate::proxy::connect::connect;
    use crate::proxy::route::Backend;

    const LIMIT: Duration = Duration::from_secs(60);
    /// Idle for so long, it is looked at more closely.
    const A_WHILE: Duration = Duration::from_millis(300);
    const DEADLINE_MS: u16 = 10_000;

    /// An idle connection in a pool, and the application's side of it.
    async fn resting() -> (Pool, TcpStream) {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        let stream = connect(&Backend::Address(address)).await.expect("it listens");
        let (application, _) = listener.accept().expect("it was connected to");
        let pool = Pool::new();
        pool.switch_to(1);
        pool.give_back(Upstream::served_once(stream, 1), LIMIT, 1);
        (pool, application)
    }

    /// Sends it, and waits until the kernel has it. The runtime has no turn meanwhile, so that it does not hear of it.
    fn send(pool: &Pool, mut application: &TcpStream, bytes: &[u8]) {
        application.write_all(bytes).expect("it is connected");
        let kept = lock(&pool.kept);
        let mut stream = [PollFd::new(kept.connections[0].upstream.stream.as_fd(), PollFlags::POLLIN)];
        assert_eq!(poll(&mut stream, PollTimeout::from(DEADLINE_MS)), Ok(1), "it comes");
    }

    #[tokio::test]
    async fn a_silent_connection_is_used() {
        for idle in [Duration::ZERO, A_WHILE] {
            let (pool, _application) = resting().await;
            assert!(pool.take_at(clock::now() + idle, 1, 0, true).is_some());
        }
    }

    #[tokio::test]
    async fn what_the_runtime_has_heard_is_no_answer() {
        let (pool, application) = resting().await;
        send(&pool, &application, b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
        // The runtime has nothing else to do, so it asks the kernel.
        tokio::task::yield_now().await;
        assert!(pool.take(1, 0, true).is_none());
        assert!(lock(&pool.kept).connections.is_empty(), "it is closed");
    }

    #[tokio::test]
    async fn what_only_the_kernel_has_heard_is_no_answer_after_a_while() {
        let (pool, application) = resting().await;
        send(&pool, &application, b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n");
        assert!(pool.take_at(clock::now() + A_WHILE, 1, 0, true).is_none());
        assert!(lock(&pool.kept).connections.is_empty(), "it is closed");
    }

    #[tokio::test]
    async fn what_only_the_kernel_has_heard_never_answers_what_cannot_be_repeated() {
        let (pool, application) = resting().await;
        send(&pool, &application, b"H");
        assert!(pool.take_at(clock::now() + Duration::from_millis(30), 1, 0, false).is_none());
        assert!(lock(&pool.kept).connections.is_empty(), "it is closed");
    }
}
