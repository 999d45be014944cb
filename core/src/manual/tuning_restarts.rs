//! When a process that exits is started again, how soon, and how often.
//!
//! # What is restarted
//!
//! A process that **exits unasked**, whatever its exit code, is started again after a delay: 1 s unless configured. Before
//! that, what it left behind in its group is killed, so that nothing of the old start lives beside the new one.
//!
//! What is not restarted:
//!
//! - one that exits before it counts as started in a deploy. That is a failed deploy, not a crash;
//! - one of a release that is being retired;
//! - one that somebody stopped;
//! - one that reached its limit (below). It is `failed` until somebody restarts it, which does not clear the count; the
//!   proxied one until the next deploy;
//! - one that the system will not even start, such as a program that is gone. It is not tried again.
//!
//! When a process counts as started depends on what it is: the proxied one when its health check is answered, a singleton
//! when it has run for 1 s, any other as soon as it has a pid. `minUptimeMs` sets that for a process without a health
//! check.
//!
//! **While the active proxied process is started again, requests wait for it**: `proxy.limits.parkTimeoutMs` (10 s) at most,
//! `parkedMax` (1024) of them, and `parkedBytesMax` (16 MiB) together. It is restarted with the port it had, and is not
//! asked for its health again: once it runs, one request after the other is sent until the first has a connection, and then
//! all others, in the order in which they came. What died with the process is sent again, three times at most, if it may happen twice; a POST
//! never is, and gets 502. When the process stays down everybody is answered with 502 at once, and so is a request whose
//! time is up. With a `restartDelayMs` and a start that together take longer than clients wait, raise nothing: lower the
//! delay.
//!
//! # The delay
//!
//! `restartDelayMs` is the first delay. With `restart.backoffFactor` above 1 each further delay is that much longer, up to
//! `restart.maxDelayMs` (0: no cap). `restart.windowMs` says how long a restart counts (0: for ever), both for the growth
//! and for the limit.
//!
//! ```
//! use rollcore::{Instant, RestartDecision, RestartHistory, RestartPolicy};
//! use std::time::Duration;
//!
//! let (second, minute) = (Duration::from_secs(1), Duration::from_secs(60));
//! let policy = RestartPolicy::always(second).backoff(2.0, 30 * second)?.limit(5, minute);
//! let mut history = RestartHistory::default();
//!
//! // It crashes as soon as it is started.
//! let mut now = Instant::ORIGIN;
//! let mut delays = Vec::new();
//! while let RestartDecision::RestartAfter(delay) = policy.decide(&mut history, now) {
//!     delays.push(delay.as_secs());
//!     now = now + delay;
//! }
//! assert_eq!(delays, [1, 2, 4, 8, 16]);
//!
//! // Once the restarts are older than the window, they do not count, and the delay is the first one again.
//! let later = now + minute;
//! assert_eq!(policy.decide(&mut history, later), RestartDecision::RestartAfter(second));
//! # Ok::<(), rollcore::InvalidBackoff>(())
//! ```
//!
//! Mind how the two go together. Delays of 1, 2, 4, 8 and 16 s are 31 s, so five restarts fit into a minute. A sixth would
//! come 30 s later, when the first no longer counts: a limit of 6 would never be reached here.
//!
//! # The limit
//!
//! `restart.maxRestarts` restarts within `restart.windowMs` are allowed; the exit after that leaves the process down, and
//! the event `restart limit reached` tells. 0 means: never restart. Not set means: for ever, which is the default, because
//! a web process that is tried every second is better than one that nobody tries.
//!
//! # Watching it
//!
//! ```
//! use rollcore::simulate::Simulation;
//! use std::time::Duration;
//!
//! let mut sim = Simulation::standard(1);
//! sim.deploy("v1");
//! sim.run_until(|sim| sim.active().as_deref() == Some("v1"));
//! sim.crash("web");
//! sim.run_until(|sim| !sim.is_running("web"));
//! let crashed = sim.elapsed();
//! sim.run_until(|sim| sim.is_running("web"));
//! let down = sim.elapsed() - crashed;
//! assert!(down.abs_diff(Duration::from_secs(1)) < Duration::from_millis(10), "{down:?}");
//! ```
