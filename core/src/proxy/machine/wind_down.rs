//! When each of those who hold a release is asked to go, before its budget is spent.
//!
//! ```text
//!  the budget:  |·········· they go by themselves ··········|··· one by one ···|· answers ·|  what is left is cut
//!                                                           |-------- the window ---------|
//! ```
//!
//! Spread, because whoever is told to go comes back at once, and all of them together would be a stampede for the new
//! release. The second half of the window is for their answers.

use std::time::Duration;

use crate::time::Instant;

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WindDownEvent {
    /// `next_timeout` has come.
    TimeUp,
    /// So many are left.
    Listed(u64),
}

/// What to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WindDownAction {
    /// Find out who is left, and answer with `Listed`.
    List,
    /// Tell this many more of them, in their order.
    Tell(u64),
}

/// The last part of one budget.
#[derive(Clone, Copy, Debug)]
pub(crate) struct WindDown {
    state: State,
    spread: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Before { begin: Instant },
    Telling { begin: Instant, told: u64, of: u64 },
    Over,
}

impl WindDown {
    /// Of a budget that began at `began`. The window is as long as `window_max`, but no longer than the last quarter of
    /// the budget; when that is nothing, nobody is told.
    pub(crate) fn new(began: Instant, budget: Duration, window_max: Duration) -> Self {
        let window = window_max.min(budget / 4);
        let begin = State::Before { begin: began + (budget - window) };
        Self { state: if window.is_zero() { State::Over } else { begin }, spread: window / 2 }
    }

    /// When to say `TimeUp`. `None` when nobody is left to be told.
    pub(crate) fn next_timeout(&self) -> Option<Instant> {
        match self.state {
            State::Before { begin } => Some(begin),
            State::Telling { begin, told, of } => Some(begin + self.offset(told, of)),
            State::Over => None,
        }
    }

    /// The world tells it.
    pub(crate) fn handle(&mut self, event: WindDownEvent, now: Instant) -> Option<WindDownAction> {
        match (self.state, event) {
            (State::Before { begin }, WindDownEvent::TimeUp) if now >= begin => Some(WindDownAction::List),
            (State::Before { .. }, WindDownEvent::Listed(0)) => {
                self.state = State::Over;
                None
            }
            (State::Before { begin }, WindDownEvent::Listed(of)) => self.tell(begin, 0, of, now),
            (State::Telling { begin, told, of }, WindDownEvent::TimeUp) => self.tell(begin, told, of, now),
            // An early timer, or an echo after the end.
            (_, WindDownEvent::TimeUp | WindDownEvent::Listed(_)) => None,
        }
    }

    fn tell(&mut self, begin: Instant, told: u64, of: u64, now: Instant) -> Option<WindDownAction> {
        let due = self.due(of, now - begin);
        let is_all = due == of;
        self.state = if is_all { State::Over } else { State::Telling { begin, told: due, of } };
        (due > told).then(|| WindDownAction::Tell(due - told))
    }

    /// When the `nth` of so many is told, counted from 0, after the begin.
    fn offset(&self, nth: u64, of: u64) -> Duration {
        let nanos = self.spread.as_nanos() * u128::from(nth) / u128::from(of.max(1));
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }

    /// How many of them are to be told until `elapsed` after the begin.
    fn due(&self, of: u64, elapsed: Duration) -> u64 {
        let spread = self.spread.as_nanos();
        if spread == 0 {
            return of;
        }
        // How many `nth` there are with `spread * nth / of <= elapsed`.
        let due = ((elapsed.as_nanos() + 1) * u128::from(of)).div_ceil(spread);
        u64::try_from(due).unwrap_or(u64::MAX).min(of)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const S: fn(u64) -> Duration = Duration::from_secs;

    fn at(seconds: u64) -> Instant {
        Instant::ORIGIN + S(seconds)
    }

    #[test]
    fn the_last_ten_seconds_of_a_minute() {
        let mut wind_down = WindDown::new(at(1), S(60), S(10));
        assert_eq!(wind_down.next_timeout(), Some(at(51)));
        assert_eq!(wind_down.handle(WindDownEvent::TimeUp, at(50)), None, "an early timer");
        assert_eq!(wind_down.handle(WindDownEvent::TimeUp, at(51)), Some(WindDownAction::List));
        assert_eq!(wind_down.handle(WindDownEvent::Listed(5), at(51)), Some(WindDownAction::Tell(1)));
        for second in 52..=55 {
            assert_eq!(wind_down.next_timeout(), Some(at(second)));
            assert_eq!(wind_down.handle(WindDownEvent::TimeUp, at(second)), Some(WindDownAction::Tell(1)));
        }
        assert_eq!(wind_down.next_timeout(), None);
        assert_eq!(wind_down.handle(WindDownEvent::TimeUp, at(60)), None);
    }

    #[test]
    fn who_is_late_tells_all_that_are_due() {
        let mut wind_down = WindDown::new(at(0), S(40), S(10));
        assert_eq!(wind_down.handle(WindDownEvent::TimeUp, at(30)), Some(WindDownAction::List));
        assert_eq!(wind_down.handle(WindDownEvent::Listed(1_000), at(31)), Some(WindDownAction::Tell(201)));
        assert_eq!(wind_down.handle(WindDownEvent::TimeUp, at(99)), Some(WindDownAction::Tell(799)));
    }

    #[test]
    fn without_a_window_or_anybody_nothing_happens() {
        assert_eq!(WindDown::new(at(0), S(60), S(0)).next_timeout(), None);
        assert_eq!(WindDown::new(at(0), S(0), S(10)).next_timeout(), None);
        let mut wind_down = WindDown::new(at(0), S(4), S(10));
        assert_eq!(wind_down.next_timeout(), Some(at(3)), "a quarter of the budget");
        assert_eq!(wind_down.handle(WindDownEvent::TimeUp, at(3)), Some(WindDownAction::List));
        assert_eq!(wind_down.handle(WindDownEvent::Listed(0), at(3)), None);
        assert_eq!(wind_down.next_timeout(), None);
    }

    proptest! {
        #[test]
        fn everybody_is_told_once_and_in_time(
            of in 1u64..3_000, budget_ms in 1u64..100_000, window_ms in 1u64..100_000, step_ns in 1u64..40_000_000,
        ) {
            let (budget, window) = (Duration::from_millis(budget_ms), Duration::from_millis(window_ms));
            let mut wind_down = WindDown::new(at(7), budget, window);
            let begin = wind_down.next_timeout().expect("there is a window");
            prop_assert_eq!(begin + window.min(budget / 4), at(7) + budget);
            prop_assert_eq!(wind_down.handle(WindDownEvent::TimeUp, begin), Some(WindDownAction::List));
            let (mut told, mut now) = (0, begin);
            let mut action = wind_down.handle(WindDownEvent::Listed(of), now);
            loop {
                match action {
                    Some(WindDownAction::Tell(more)) => {
                        prop_assert!(more > 0);
                        told += more;
                    }
                    other => prop_assert_eq!(other, None),
                }
                // Exactly those whose time has come.
                let spread = (window.min(budget / 4) / 2).as_nanos();
                let due = (0..of).filter(|nth| spread * u128::from(*nth) / u128::from(of) <= (now - begin).as_nanos());
                prop_assert_eq!(told, due.count() as u64);
                let Some(next) = wind_down.next_timeout() else { break };
                prop_assert!(next > now && next < at(7) + budget, "{:?} {:?}", next, now);
                now = next.max(now + Duration::from_nanos(step_ns));
                action = wind_down.handle(WindDownEvent::TimeUp, now);
            }
            prop_assert_eq!(told, of);
        }
    }
}
