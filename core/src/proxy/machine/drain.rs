//! When a drain is over, and what it left behind.
//!
//! ```text
//!             budget spent                       all cut, or it takes too long
//!  Draining ─────────────────────────▶ Cutting ─────────────────────────────▶ Done
//!     │ nothing is open                                                        ▲
//!     └────────────────────────────────────────────────────────────────────────┘
//! ```

use std::time::Duration;

use crate::report::DrainReport;
use crate::time::Instant;

/// How long cutting may take. It takes no longer than a worker needs for its next turn, so this is about a worker that
/// is stuck; the report then tells what was cut until now.
pub(crate) const CUT_TIMEOUT: Duration = Duration::from_secs(2);

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DrainEvent {
    /// Nothing of the release is open any more.
    Empty,
    /// `next_timeout` has come.
    TimeUp,
}

/// What to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DrainAction {
    /// Close what is still open.
    Cut,
    /// The drain is over.
    Done(DrainReport),
}

/// What the books say at the time of an event.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    /// Requests and tunnels that were open when the drain began.
    pub(crate) open_at_start: u64,
    /// Requests that were cut.
    pub(crate) requests_cut: u64,
    /// Tunnels that were cut.
    pub(crate) tunnels_cut: u64,
    /// Streams of events that were ended after a whole event.
    pub(crate) streams_ended: u64,
    /// Tunnels that were ended with a Close frame.
    pub(crate) tunnels_ended: u64,
}

impl Tally {
    /// Both together.
    pub(crate) fn plus(self, other: Self) -> Self {
        Self {
            open_at_start: self.open_at_start + other.open_at_start,
            requests_cut: self.requests_cut + other.requests_cut,
            tunnels_cut: self.tunnels_cut + other.tunnels_cut,
            streams_ended: self.streams_ended + other.streams_ended,
            tunnels_ended: self.tunnels_ended + other.tunnels_ended,
        }
    }

    /// What has been counted since the same books said `earlier`.
    pub(crate) fn since(self, earlier: Self) -> Self {
        Self {
            open_at_start: self.open_at_start.saturating_sub(earlier.open_at_start),
            requests_cut: self.requests_cut.saturating_sub(earlier.requests_cut),
            tunnels_cut: self.tunnels_cut.saturating_sub(earlier.tunnels_cut),
            streams_ended: self.streams_ended.saturating_sub(earlier.streams_ended),
            tunnels_ended: self.tunnels_ended.saturating_sub(earlier.tunnels_ended),
        }
    }

    /// The report of a drain that took so long.
    pub(crate) fn report(self, took: Duration) -> DrainReport {
        let Self { open_at_start, requests_cut, tunnels_cut, streams_ended, tunnels_ended } = self;
        DrainReport { open_at_start, requests_cut, tunnels_cut, streams_ended, tunnels_ended, took }
    }
}

/// One drain.
#[derive(Clone, Copy, Debug)]
pub(crate) struct DrainMachine {
    began: Instant,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Draining { until: Instant },
    Cutting { until: Instant },
    Done,
}

impl DrainMachine {
    /// A drain of what was switched away from at `began`, and may go on until `deadline`.
    pub(crate) fn new(began: Instant, deadline: Instant) -> Self {
        Self { began, state: State::Draining { until: deadline } }
    }

    /// When to say `TimeUp`.
    pub(crate) fn next_timeout(&self) -> Option<Instant> {
        match self.state {
            State::Draining { until } | State::Cutting { until } => Some(until),
            State::Done => None,
        }
    }

    /// The world tells it.
    pub(crate) fn handle(&mut self, event: DrainEvent, tally: Tally, now: Instant) -> Option<DrainAction> {
        match (self.state, event) {
            (State::Draining { until }, DrainEvent::TimeUp) if now >= until => {
                self.state = State::Cutting { until: now + CUT_TIMEOUT };
                Some(DrainAction::Cut)
            }
            (State::Cutting { until }, DrainEvent::TimeUp) if now >= until => Some(self.done(tally, now)),
            (State::Draining { .. } | State::Cutting { .. }, DrainEvent::Empty) => {
                Some(self.done(tally, now))
            }
            // An early timer, or an echo after the end.
            (_, DrainEvent::TimeUp | DrainEvent::Empty) => None,
        }
    }

    fn done(&mut self, tally: Tally, now: Instant) -> DrainAction {
        self.state = State::Done;
        DrainAction::Done(tally.report(now - self.began))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: fn(u64) -> Duration = Duration::from_secs;

    fn at(seconds: u64) -> Instant {
        Instant::ORIGIN + S(seconds)
    }

    fn tally(open_at_start: u64, requests_cut: u64, tunnels_cut: u64) -> Tally {
        Tally { open_at_start, requests_cut, tunnels_cut, streams_ended: 4, tunnels_ended: 5 }
    }

    #[test]
    fn a_drain_ends_when_nothing_is_open() {
        let mut drain = DrainMachine::new(at(1), at(61));
        assert_eq!(drain.handle(DrainEvent::TimeUp, tally(2, 0, 0), at(60)), None);
        let report = DrainReport {
            open_at_start: 2,
            requests_cut: 0,
            tunnels_cut: 0,
            streams_ended: 4,
            tunnels_ended: 5,
            took: S(59),
        };
        assert_eq!(drain.handle(DrainEvent::Empty, tally(2, 0, 0), at(60)), Some(DrainAction::Done(report)));
        assert_eq!(drain.handle(DrainEvent::Empty, tally(2, 0, 0), at(60)), None);
        assert_eq!(drain.next_timeout(), None);
    }

    #[test]
    fn what_outlives_the_budget_is_cut_and_counted() {
        let mut drain = DrainMachine::new(at(0), at(60));
        assert_eq!(drain.next_timeout(), Some(at(60)));
        assert_eq!(drain.handle(DrainEvent::TimeUp, tally(3, 0, 0), at(60)), Some(DrainAction::Cut));
        let report = tally(3, 1, 1).report(S(60));
        assert_eq!(drain.handle(DrainEvent::Empty, tally(3, 1, 1), at(60)), Some(DrainAction::Done(report)));
    }

    #[test]
    fn books_are_added_and_compared_field_by_field() {
        let (one, other) = (tally(7, 2, 3), tally(1, 1, 1));
        assert_eq!(one.plus(other).since(other), one);
        assert_eq!(one.since(one), Tally::default());
    }

    #[test]
    fn cutting_ends_too() {
        let mut drain = DrainMachine::new(at(0), at(60));
        assert_eq!(drain.handle(DrainEvent::TimeUp, tally(1, 0, 0), at(60)), Some(DrainAction::Cut));
        assert_eq!(drain.next_timeout(), Some(at(60) + CUT_TIMEOUT));
        let end = drain.handle(DrainEvent::TimeUp, tally(1, 0, 0), at(62));
        assert!(matches!(end, Some(DrainAction::Done(_))), "{end:?}");
    }
}
