//! The one place that reads the time.
#![expect(clippy::disallowed_methods, reason = "this is the one place")]

use std::time::Duration;

use crate::time::{Epoch, Instant, WallTime};

/// The monotonic time, counted from the start of the machine.
#[must_use]
pub fn now() -> Instant {
    let now =
        nix::time::clock_gettime(nix::time::ClockId::CLOCK_MONOTONIC).expect("Linux has a monotonic clock");
    Instant::from_origin(Duration::from(now))
}

/// The calendar's time.
#[must_use]
pub fn wall() -> WallTime {
    let since_1970 =
        nix::time::clock_gettime(nix::time::ClockId::CLOCK_REALTIME).expect("Linux has a realtime clock");
    WallTime::from_unix_ms(i64::try_from(Duration::from(since_1970).as_millis()).unwrap_or(i64::MAX))
}

/// The runtime's timer, `after` from now; thirty years when that is further than the timer reaches.
#[must_use]
pub(crate) fn alarm(after: Duration) -> tokio::time::Instant {
    const FAR: Duration = Duration::from_secs(30 * 365 * 24 * 60 * 60);
    tokio::time::Instant::now() + after.min(FAR)
}

/// Where the two meet.
#[must_use]
pub fn epoch() -> Epoch {
    Epoch::new(wall(), now())
}
