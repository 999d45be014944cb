//! Points in time, as values. Nothing here reads a clock: `clock.rs` does, and the simulator makes its own.

use std::fmt;
use std::ops::{Add, Sub};
use std::time::Duration;

/// A point on a monotonic clock: how long after that clock's origin.
///
/// Unlike `std::time::Instant` it can be made up, so that a decision can be tested at any time of any day.
///
/// ```
/// use rollcore::Instant;
/// use std::time::Duration;
/// let start = Instant::ORIGIN + Duration::from_secs(2);
/// assert_eq!((start + Duration::from_secs(3)) - start, Duration::from_secs(3));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant(Duration);

impl Instant {
    /// The clock's origin.
    pub const ORIGIN: Self = Self(Duration::ZERO);

    /// The point `since_origin` after the origin.
    #[must_use]
    pub const fn from_origin(since_origin: Duration) -> Self {
        Self(since_origin)
    }

    /// How long after the origin.
    #[must_use]
    pub const fn since_origin(self) -> Duration {
        self.0
    }
}

impl Add<Duration> for Instant {
    type Output = Self;
    /// Saturates: the end of time is as far as a timeout can be.
    fn add(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(duration))
    }
}

impl Sub<Instant> for Instant {
    type Output = Duration;
    /// Zero when `earlier` is later.
    fn sub(self, earlier: Instant) -> Duration {
        self.0.saturating_sub(earlier.0)
    }
}

/// Milliseconds since the Unix epoch: what people and JSON call the time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WallTime(i64);

impl WallTime {
    /// The time `ms` milliseconds after 1970-01-01T00:00:00Z.
    #[must_use]
    pub const fn from_unix_ms(ms: i64) -> Self {
        Self(ms)
    }

    /// Milliseconds after 1970-01-01T00:00:00Z.
    #[must_use]
    pub const fn unix_ms(self) -> i64 {
        self.0
    }
}

impl fmt::Display for WallTime {
    /// UTC, ISO 8601 with milliseconds and `Z` (compat C-191).
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_millisecond(self.0) {
            Ok(timestamp) => write!(f, "{timestamp:.3}"),
            Err(_) => write!(f, "{}ms", self.0),
        }
    }
}

impl serde::Serialize for WallTime {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Where a monotonic clock and the calendar meet: turns an [`Instant`] into a [`WallTime`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Epoch {
    wall: WallTime,
    instant: Instant,
}

impl Epoch {
    /// Both clocks, read at the same moment.
    #[must_use]
    pub const fn new(wall: WallTime, instant: Instant) -> Self {
        Self { wall, instant }
    }

    /// This place, unless the calendar was set since: a `fresh` one that is a second or more away replaces it.
    ///
    /// Less is what reading two clocks one after the other makes, or a clock that is being disciplined.
    #[must_use]
    pub fn unless_set(self, fresh: Self) -> Self {
        const SET_MS: u64 = 1_000;
        let moved = fresh.wall(self.instant).0.abs_diff(self.wall.0);
        if moved < SET_MS { self } else { fresh }
    }

    /// What the calendar said at `instant`.
    #[must_use]
    pub fn wall(self, instant: Instant) -> WallTime {
        let ms = |duration: Duration| i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
        let after = ms(instant - self.instant);
        let before = ms(self.instant - instant);
        WallTime(self.wall.0.saturating_add(after).saturating_sub(before))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wall_time_reads_as_iso_8601_with_milliseconds() {
        assert_eq!(WallTime::from_unix_ms(1_795_208_936_463).to_string(), "2026-11-20T21:08:56.463Z");
        assert_eq!(WallTime::from_unix_ms(0).to_string(), "1970-01-01T00:00:00.000Z");
    }

    #[test]
    fn an_epoch_places_instants_before_and_after_it() {
        let noon =
            Epoch::new(WallTime::from_unix_ms(1_000), Instant::from_origin(Duration::from_millis(500)));
        assert_eq!(noon.wall(Instant::from_origin(Duration::from_millis(700))).unix_ms(), 1_200);
        assert_eq!(noon.wall(Instant::ORIGIN).unix_ms(), 500);
    }

    #[test]
    fn an_epoch_stays_until_the_calendar_is_set() {
        let at = |wall, ms| {
            Epoch::new(WallTime::from_unix_ms(wall), Instant::from_origin(Duration::from_millis(ms)))
        };
        let first = at(1_000_000, 500);
        for fresh in [at(1_000_001, 500), at(1_060_000, 60_500), at(1_059_001, 60_500), at(999_500, 500)] {
            assert_eq!(first.unless_set(fresh), first, "{fresh:?}");
        }
        for fresh in [at(1_001_000, 500), at(990_000, 500), at(4_600_000, 60_500)] {
            assert_eq!(first.unless_set(fresh), fresh);
        }
    }
}
