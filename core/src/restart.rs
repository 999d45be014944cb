//! Whether and when a process that exited unasked is started again (compat C-76).
//!
//! Nothing here waits: a decision says how long to.

use std::collections::VecDeque;
use std::time::Duration;

use crate::time::Instant;

/// What to do when a process exits unasked.
///
/// Unless told otherwise it is started again 1 s later, for ever: long enough to read a log line, short enough for
/// one lost connection.
///
/// ```
/// use rollcore::{Instant, RestartDecision, RestartHistory, RestartPolicy};
/// use std::time::Duration;
///
/// let ms = Duration::from_millis;
/// let policy = RestartPolicy::always(ms(100)).backoff(3.0, ms(500))?.limit(3, Duration::ZERO);
/// let mut history = RestartHistory::default();
/// let now = Instant::ORIGIN;
/// assert_eq!(policy.decide(&mut history, now), RestartDecision::RestartAfter(ms(100)));
/// assert_eq!(policy.decide(&mut history, now), RestartDecision::RestartAfter(ms(300)));
/// assert_eq!(policy.decide(&mut history, now), RestartDecision::RestartAfter(ms(500)));
/// assert!(matches!(policy.decide(&mut history, now), RestartDecision::GiveUp(_)));
/// # Ok::<(), rollcore::InvalidBackoff>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct RestartPolicy {
    delay: Duration,
    factor: f64,
    delay_max: Duration,
    max_restarts: Option<u32>,
    window: Duration,
}

/// The delays would shrink, or are no numbers.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
#[error("a backoff factor must be a number of 1 or more, not {factor}")]
pub struct InvalidBackoff {
    factor: f64,
}

/// What follows an exit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum RestartDecision {
    /// Start it again when this much time has passed.
    RestartAfter(Duration),
    /// Leave it down.
    GiveUp(RestartLimit),
}

/// The limit that was reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RestartLimit {
    /// How many restarts are allowed.
    pub max_restarts: u32,
    /// In which time; zero means ever.
    pub window: Duration,
}

impl Default for RestartPolicy {
    fn default() -> Self {
        Self::always(Duration::from_secs(1))
    }
}

impl RestartPolicy {
    /// Restarts after `delay`, however often it exits.
    #[must_use]
    pub fn always(delay: Duration) -> Self {
        Self { delay, factor: 1.0, delay_max: Duration::ZERO, max_restarts: None, window: Duration::ZERO }
    }

    /// Gives up when it was restarted `max_restarts` times within `window`.
    ///
    /// A `max_restarts` of 0 never restarts; a `window` of zero counts every restart there ever was.
    #[must_use]
    pub fn limit(self, max_restarts: u32, window: Duration) -> Self {
        Self { max_restarts: Some(max_restarts), window, ..self }
    }

    /// Counts only the restarts of the last `window` when it makes the delay grow; zero counts all.
    #[must_use]
    pub fn counting(self, window: Duration) -> Self {
        Self { window, ..self }
    }

    /// Multiplies the delay by `factor` for each restart that counts, up to `delay_max`; zero means no cap.
    ///
    /// # Errors
    /// [`InvalidBackoff`] when `factor` is below 1 or not a finite number.
    pub fn backoff(self, factor: f64, delay_max: Duration) -> Result<Self, InvalidBackoff> {
        if factor.is_finite() && factor >= 1.0 {
            Ok(Self { factor, delay_max, ..self })
        } else {
            Err(InvalidBackoff { factor })
        }
    }

    /// How many restarts are allowed within the window; `None` means any number.
    #[must_use]
    pub fn max_restarts(&self) -> Option<u32> {
        self.max_restarts
    }

    /// How long a restart counts; zero means for ever.
    #[must_use]
    pub fn window(&self) -> Duration {
        self.window
    }

    /// How long to wait before the first restart.
    #[must_use]
    pub fn delay(&self) -> Duration {
        self.delay
    }

    /// Decides what follows an exit at `now`, and records the restart if there will be one.
    ///
    /// `now` should not go back between calls; if it does, a restart counts longer, never shorter.
    pub fn decide(&self, history: &mut RestartHistory, now: Instant) -> RestartDecision {
        let counted = history.counted(self.window, now);
        match self.max_restarts {
            Some(max_restarts) if counted >= u64::from(max_restarts) => {
                RestartDecision::GiveUp(RestartLimit { max_restarts, window: self.window })
            }
            _ => {
                history.record(self.window, now);
                RestartDecision::RestartAfter(self.delay_after(counted))
            }
        }
    }

    /// The delay when `counted` restarts count.
    fn delay_after(&self, counted: u64) -> Duration {
        let grown = self.grown(counted);
        if self.delay_max.is_zero() { grown } else { grown.min(self.delay_max) }
    }

    /// `delay × factor^counted`, without a cap; what is too long for a `Duration` is the longest one.
    fn grown(&self, counted: u64) -> Duration {
        if counted == 0 || self.factor == 1.0 || self.delay.is_zero() {
            return self.delay;
        }
        #[expect(clippy::cast_precision_loss, reason = "an exponent that large is infinite anyway")]
        let growth = self.factor.powf(counted as f64);
        Duration::try_from_secs_f64(self.delay.as_secs_f64() * growth).unwrap_or(Duration::MAX)
    }
}

/// How many moments a [`RestartHistory`] keeps apart; beyond that, the two closest are taken for one.
const MOMENTS_MAX: usize = 1024;

/// The restarts of one process that may still count.
///
/// It stays small however often a process crashes: at most 1024 moments are kept, and when there are more the two
/// closest become one at the later time. A limit then holds a little longer, never shorter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RestartHistory {
    ever: u64,
    recent: VecDeque<Moment>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Moment {
    at: Instant,
    restarts: u64,
}

impl RestartHistory {
    /// How many restarts were decided on since the process was made.
    #[must_use]
    pub fn restarts(&self) -> u64 {
        self.ever
    }

    fn counted(&mut self, window: Duration, now: Instant) -> u64 {
        if window.is_zero() {
            return self.ever;
        }
        self.recent.retain(|moment| now - moment.at < window);
        self.recent.iter().map(|moment| moment.restarts).sum()
    }

    fn record(&mut self, window: Duration, now: Instant) {
        self.ever = self.ever.saturating_add(1);
        if window.is_zero() {
            self.recent.clear();
            return;
        }
        self.recent.push_back(Moment { at: now, restarts: 1 });
        if self.recent.len() > MOMENTS_MAX {
            self.join_closest();
        }
    }

    fn join_closest(&mut self) {
        let gap = |index: &usize| self.recent[index + 1].at - self.recent[*index].at;
        let Some(index) = (0..self.recent.len().saturating_sub(1)).min_by_key(gap) else { return };
        let earlier = self.recent[index];
        let later = &mut self.recent[index + 1];
        later.at = later.at.max(earlier.at);
        later.restarts += earlier.restarts;
        self.recent.remove(index);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn at(ms_since_start: u64) -> Instant {
        Instant::from_origin(ms(ms_since_start))
    }

    fn delays(policy: &RestartPolicy, count: usize) -> Vec<Duration> {
        let mut history = RestartHistory::default();
        (0..count)
            .map(|_| match policy.decide(&mut history, at(0)) {
                RestartDecision::RestartAfter(delay) => delay,
                RestartDecision::GiveUp(limit) => panic!("gave up: {limit:?}"),
            })
            .collect()
    }

    /// C-76.
    #[test]
    fn base_100_factor_3_cap_500_gives_100_300_500() {
        let policy = RestartPolicy::always(ms(100)).backoff(3.0, ms(500)).expect("3 is a factor");
        assert_eq!(delays(&policy, 4), [ms(100), ms(300), ms(500), ms(500)]);
    }

    /// C-76.
    #[test]
    fn without_a_factor_the_delay_is_constant_and_capped() {
        assert_eq!(delays(&RestartPolicy::default(), 3), [SECOND; 3]);
        let capped = RestartPolicy::always(SECOND).backoff(1.0, ms(200)).expect("1 is a factor");
        assert_eq!(delays(&capped, 3), [ms(200); 3]);
    }

    /// C-76.
    #[test]
    fn a_limit_of_zero_never_restarts() {
        let policy = RestartPolicy::always(SECOND).limit(0, Duration::ZERO);
        let expected = RestartLimit { max_restarts: 0, window: Duration::ZERO };
        assert_eq!(policy.decide(&mut RestartHistory::default(), at(0)), RestartDecision::GiveUp(expected));
    }

    /// C-76.
    #[test]
    fn a_restart_counts_until_its_window_has_passed() {
        let policy = RestartPolicy::always(ms(1)).limit(1, SECOND);
        let mut history = RestartHistory::default();
        let restart = RestartDecision::RestartAfter(ms(1));
        assert_eq!(policy.decide(&mut history, at(0)), restart);
        assert!(matches!(policy.decide(&mut history, at(999)), RestartDecision::GiveUp(_)));
        assert_eq!(policy.decide(&mut history, at(1000)), restart);
        assert_eq!(history.restarts(), 2);
    }

    #[test]
    fn backoff_starts_again_after_a_quiet_window() {
        let policy = RestartPolicy::always(ms(100)).backoff(2.0, Duration::ZERO).expect("2 is a factor");
        let policy = policy.counting(SECOND);
        let mut history = RestartHistory::default();
        assert_eq!(policy.decide(&mut history, at(0)), RestartDecision::RestartAfter(ms(100)));
        assert_eq!(policy.decide(&mut history, at(500)), RestartDecision::RestartAfter(ms(200)));
        assert_eq!(policy.decide(&mut history, at(5000)), RestartDecision::RestartAfter(ms(100)));
    }

    #[test]
    fn factors_that_shrink_or_are_no_numbers_are_refused() {
        for factor in [0.99, 0.0, -1.0, f64::NAN, f64::INFINITY] {
            assert!(RestartPolicy::default().backoff(factor, SECOND).is_err(), "{factor}");
        }
    }

    #[test]
    fn a_delay_that_outgrows_time_is_the_longest_there_is() {
        let policy = RestartPolicy::always(SECOND).backoff(f64::MAX, Duration::ZERO).expect("finite");
        assert_eq!(delays(&policy, 3), [SECOND, Duration::MAX, Duration::MAX]);
        assert_eq!(policy.grown(u64::MAX), Duration::MAX);
        let never = RestartPolicy::always(Duration::ZERO).backoff(f64::MAX, Duration::ZERO).expect("finite");
        assert_eq!(never.grown(u64::MAX), Duration::ZERO);
    }

    #[test]
    fn a_history_stays_small_and_a_limit_above_its_size_still_holds() {
        let policy = RestartPolicy::always(ms(0)).limit(3_000, Duration::from_secs(60));
        let mut history = RestartHistory::default();
        let restarts = (0..10_000)
            .filter(|n| matches!(policy.decide(&mut history, at(*n)), RestartDecision::RestartAfter(_)))
            .count();
        assert_eq!(restarts, 3_000);
        assert!(history.recent.len() <= MOMENTS_MAX);
    }

    proptest! {
        #[test]
        fn no_window_holds_more_restarts_than_the_limit(
            gaps in prop::collection::vec(0_u64..400, 1..200),
            max in 0_u32..6,
            window in 0_u64..1_000,
        ) {
            let policy = RestartPolicy::always(SECOND).limit(max, ms(window));
            let mut history = RestartHistory::default();
            let mut now = 0;
            let mut restarted = Vec::new();
            for gap in gaps {
                now += gap;
                if matches!(policy.decide(&mut history, at(now)), RestartDecision::RestartAfter(_)) {
                    restarted.push(now);
                }
            }
            let limit = max as usize;
            for (index, start) in restarted.iter().enumerate() {
                let inside = restarted[index..].iter().take_while(|at| window == 0 || **at - start < window);
                prop_assert!(inside.count() <= limit);
            }
        }

        #[test]
        fn delays_grow_up_to_the_cap(
            delay in 0_u64..100_000,
            factor in 1.0_f64..1_000.0,
            cap in 0_u64..1_000_000,
            restarts in 1_usize..200,
        ) {
            let policy = RestartPolicy::always(ms(delay)).backoff(factor, ms(cap)).expect("factor is in range");
            let delays = delays(&policy, restarts);
            prop_assert!(delays.is_sorted());
            prop_assert!(cap == 0 || delays.iter().all(|delay| *delay <= ms(cap)));
            let first = if cap == 0 { delay } else { delay.min(cap) };
            prop_assert_eq!(delays[0], ms(first));
        }

        #[test]
        fn no_numbers_make_it_panic(
            delay in any::<u64>(),
            factor in any::<f64>(),
            cap in any::<u64>(),
            counted in any::<u64>(),
        ) {
            if let Ok(policy) = RestartPolicy::always(ms(delay)).backoff(factor, ms(cap)) {
                let after = policy.delay_after(counted);
                prop_assert!(cap == 0 || after <= ms(cap));
            }
        }
    }
}
