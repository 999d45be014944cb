//! What follows when nobody can be accepted for want of descriptors or memory.
//!
//! ```text
//!            failed                      failed, PATIENCE after the first
//!  Plenty ───────────▶ Waiting: pause ──────────────────────────────────▶ Waiting: turn away, pause
//!     ▲                     │  ▲   │ longer each time                        │
//!     ├──── accepted ───────┘  └───┘                                         │
//!     └──────────────────────── accepted, or nobody waits any more ──────────┘
//! ```
//!
//! Whoever waits in the socket's queue is lost to nobody: somebody leaves soon, and he is served. After a while that is
//! not likely any more. Then he is better off if he knows, and can go elsewhere.

use std::time::Duration;

use crate::time::Instant;

/// How long accepting pauses after a failure: the first time, and at most.
const PAUSE_MIN: Duration = Duration::from_millis(5);
const PAUSE_MAX: Duration = Duration::from_millis(500);

/// How long those who wait are left waiting for somebody to leave; then they are turned away.
pub(crate) const PATIENCE: Duration = Duration::from_secs(1);

/// What to do about a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(crate) struct Relief {
    /// Whether those who wait are to be turned away, with the descriptor that is kept for this.
    pub(crate) turn_away: bool,
    /// How long to leave the socket alone after that.
    pub(crate) pause: Duration,
}

/// Since when accepting fails, and how long to wait next time.
#[derive(Debug, Default)]
pub(crate) struct Shortage {
    first: Option<Instant>,
    failures: u32,
}

impl Shortage {
    /// Somebody could not be accepted.
    pub(crate) fn failed(&mut self, now: Instant) -> Relief {
        let first = *self.first.get_or_insert(now);
        let pause = PAUSE_MIN.saturating_mul(1 << self.failures.min(16)).min(PAUSE_MAX);
        self.failures = self.failures.saturating_add(1);
        Relief { turn_away: now - first >= PATIENCE, pause }
    }

    /// Somebody was, or nobody is left who waits.
    pub(crate) fn over(&mut self) {
        *self = Self::default();
    }

    /// Whether nobody has been accepted since the last failure.
    pub(crate) fn is_on(&self) -> bool {
        self.first.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pause_grows_until_somebody_is_accepted() {
        let (mut shortage, now) = (Shortage::default(), Instant::ORIGIN);
        let pauses: Vec<_> = (0..9).map(|_| shortage.failed(now).pause.as_millis()).collect();
        assert_eq!(pauses, [5, 10, 20, 40, 80, 160, 320, 500, 500]);
        assert!(shortage.is_on());
        shortage.over();
        assert!(!shortage.is_on());
        assert_eq!(shortage.failed(now).pause, PAUSE_MIN);
        for _ in 0..100 {
            assert!(shortage.failed(now).pause <= PAUSE_MAX);
        }
    }

    #[test]
    fn who_waits_is_turned_away_when_waiting_did_not_help() {
        let (mut shortage, start) = (Shortage::default(), Instant::ORIGIN);
        assert!(!shortage.failed(start).turn_away);
        assert!(!shortage.failed(start + (PATIENCE - Duration::from_millis(1))).turn_away);
        assert!(shortage.failed(start + PATIENCE).turn_away);
        assert!(shortage.failed(start + PATIENCE * 2).turn_away, "until somebody is accepted");
        shortage.over();
        assert!(!shortage.failed(start + PATIENCE * 3).turn_away);
    }
}
