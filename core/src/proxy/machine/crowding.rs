//! Who makes room when every place is taken: a client that has been answered and has been idle since.
//!
//! ```text
//!            full                 full, QUIET_MIN later, somebody waits
//!  Unknown ───────▶ Known: wait ───────────────────────────────────────▶ ask some of those who are still quiet
//!     ▲                                                                             │
//!     └─────────────────────────────── nobody is left ──────────────────────────────┘
//! ```
//!
//! Nobody notes when a client was busy last: that would cost every request, for a day that may never come. Instead it is
//! looked twice, and whoever was idle both times, and busy at no time between, has been idle for at least [`QUIET_MIN`].
//! A server may close an idle connection at any time (RFC 9112 §9.5). After a second it is not likely that a request is on
//! its way just then.

use std::time::Duration;

use crate::time::Instant;

/// How long a client has been idle at least when he makes room.
pub(crate) const QUIET_MIN: Duration = Duration::from_secs(1);

/// What to do when there is no place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(crate) enum Crowded {
    /// Find out who is idle, and come back after [`QUIET_MIN`].
    Look,
    /// Come back after this.
    Wait(Duration),
    /// Ask some of those who were idle, and still are, to go.
    Ask,
}

/// When it was looked who is idle.
#[derive(Debug, Default)]
pub(crate) struct Crowding {
    looked: Option<Instant>,
}

impl Crowding {
    /// There is no place. `somebody_waits` for one, or not yet.
    pub(crate) fn full(&mut self, somebody_waits: bool, now: Instant) -> Crowded {
        match self.looked.map(|looked| now - looked) {
            None => {
                self.looked = Some(now);
                Crowded::Look
            }
            Some(since) if since < QUIET_MIN => Crowded::Wait(QUIET_MIN - since),
            Some(_) if somebody_waits => Crowded::Ask,
            Some(_) => Crowded::Wait(QUIET_MIN),
        }
    }

    /// Nobody is left who was idle then.
    pub(crate) fn exhausted(&mut self) {
        self.looked = None;
    }
}

/// How many of `places` are asked to go at once: an eighth, one at least, and not so many that all of them come back at
/// the same moment.
pub(crate) fn asked_at_once(places: usize) -> usize {
    (places / 8).clamp(1, 16)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_goes_before_he_was_quiet_for_a_while_and_somebody_waits() {
        let (mut crowding, start) = (Crowding::default(), Instant::ORIGIN);
        let half = QUIET_MIN / 2;
        assert_eq!(crowding.full(true, start), Crowded::Look);
        assert_eq!(crowding.full(true, start + half), Crowded::Wait(half));
        assert_eq!(crowding.full(false, start + QUIET_MIN), Crowded::Wait(QUIET_MIN));
        assert_eq!(crowding.full(true, start + QUIET_MIN), Crowded::Ask);
        assert_eq!(crowding.full(true, start + QUIET_MIN * 9), Crowded::Ask, "they are still the same");
        crowding.exhausted();
        assert_eq!(crowding.full(true, start + QUIET_MIN * 9), Crowded::Look);
    }

    #[test]
    fn few_are_asked_at_once() {
        assert_eq!([1, 2, 24, 16_384].map(asked_at_once), [1, 1, 3, 16]);
    }
}
