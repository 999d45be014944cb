//! Which idle connection to an application may carry the next request.
//!
//! An application may close an idle connection at any moment, also while a request is on its way to it. A request that
//! may be sent twice is sent again (RFC 9110 §9.2.2); one that may not is only given to a connection that is very
//! likely to live: used a moment ago, kept open by the application at least once before, and silent right now.
//!
//! What comes on an idle connection answers nothing: whoever finds it there closes the connection (RFC 9112 §9.3: without
//! it, that would be taken for the answer to the next request). The runtime tells what it has heard, for nothing. What has
//! come since then only the kernel knows, and asking it is a system call. That is worth it for a request that cannot be
//! sent twice, and for a connection that has been idle for as long as an application may think too long: some send a 408
//! before they close (RFC 9110 §15.5.9).

use std::time::Duration;

/// How long a connection may have been idle to carry a request that cannot be sent twice.
const SURE_IDLE_MAX: Duration = Duration::from_secs(1);
/// An application that closes after each answer has done so by then.
const SURE_IDLE_MIN: Duration = Duration::from_millis(20);
/// From then on an application may have lost its patience: nobody waits for the next request in less than a second. Also
/// rare enough: each connection costs so at most four system calls a second.
const PATIENCE_MIN: Duration = Duration::from_millis(250);
/// How much earlier than the application we stop using a connection, so that our request never crosses its close.
const MARGIN: Duration = Duration::from_secs(1);

/// An idle connection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Idle {
    /// How long it has been idle.
    pub(crate) idle: Duration,
    /// How long it may be (`idle_limit`).
    pub(crate) limit: Duration,
    /// How many requests it has carried.
    pub(crate) served: u32,
}

/// Whether to use it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reuse {
    /// Yes.
    Yes,
    /// If nothing has come on it, as the kernel knows right now.
    IfSilent,
    /// Not for this request.
    NotForThis,
    /// Not any more.
    Expired,
}

/// RFC 9110 §9.2.2. What is not known is not idempotent.
pub(crate) fn is_idempotent(method: &str) -> bool {
    matches!(method, "GET" | "HEAD" | "OPTIONS" | "TRACE" | "PUT" | "DELETE")
}

/// How long a connection may be idle: what we allow, and less than the application says in `Keep-Alive: timeout=5`.
pub(crate) fn idle_limit(ours: Duration, keep_alive: Option<&[u8]>) -> Duration {
    match keep_alive.and_then(keep_alive_timeout) {
        Some(theirs) if theirs > MARGIN * 2 => ours.min(theirs - MARGIN),
        Some(theirs) => ours.min(theirs / 2),
        None => ours,
    }
}

fn keep_alive_timeout(value: &[u8]) -> Option<Duration> {
    super::tokens([value]).find_map(|parameter| {
        let seconds = std::str::from_utf8(parameter).ok()?.strip_prefix("timeout=")?;
        seconds.parse().ok().map(Duration::from_secs)
    })
}

/// Whether an idle connection may carry a request. `repeatable`: it may be sent again if the connection turns out dead.
pub(crate) fn may_reuse(connection: Idle, repeatable: bool) -> Reuse {
    let Idle { idle, limit, served } = connection;
    if idle >= limit {
        Reuse::Expired
    } else if repeatable && idle < PATIENCE_MIN {
        Reuse::Yes
    } else if repeatable || (idle <= SURE_IDLE_MAX && (served > 1 || idle >= SURE_IDLE_MIN)) {
        Reuse::IfSilent
    } else {
        Reuse::NotForThis
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: fn(u64) -> Duration = Duration::from_millis;

    #[test]
    fn the_application_says_how_long_it_waits() {
        let limit = |value: &'static str| idle_limit(MS(60_000), Some(value.as_bytes()));
        assert_eq!(limit("timeout=5"), MS(4_000));
        assert_eq!(limit("max=100, timeout=5"), MS(4_000));
        assert_eq!(limit("timeout=1"), MS(500));
        assert_eq!(limit("timeout=0"), MS(0));
        assert_eq!(limit("timeout=x"), MS(60_000));
        assert_eq!(idle_limit(MS(4_000), None), MS(4_000));
        assert_eq!(idle_limit(MS(4_000), Some(b"timeout=600")), MS(4_000));
    }

    #[test]
    fn a_post_gets_only_connections_that_surely_live() {
        let reuse = |idle, served| {
            let connection = Idle { idle: MS(idle), limit: MS(4_000), served };
            (may_reuse(connection, true), may_reuse(connection, false))
        };
        assert_eq!(reuse(1, 1), (Reuse::Yes, Reuse::NotForThis));
        assert_eq!(reuse(1, 2), (Reuse::Yes, Reuse::IfSilent));
        assert_eq!(reuse(249, 1), (Reuse::Yes, Reuse::IfSilent));
        assert_eq!(reuse(250, 1), (Reuse::IfSilent, Reuse::IfSilent));
        assert_eq!(reuse(1_500, 9), (Reuse::IfSilent, Reuse::NotForThis));
        assert_eq!(reuse(4_000, 9), (Reuse::Expired, Reuse::Expired));
    }
}
