//! How long requests took: counts in buckets whose width grows with the time, so that a quantile is wrong by a known
//! share and never by more.
//!
//! Times are whole microseconds. Below 8 µs each has a bucket of its own; above, each doubling is cut into 8 buckets of
//! the same width, up to 2³⁰ µs (18 minutes), and one bucket holds what took longer.

use std::time::Duration;

/// Each doubling is cut into this many buckets, as a power of two.
const CUT_BITS: u32 = 3;
const CUTS: usize = 1 << CUT_BITS;
/// What takes 2 to this many microseconds, or longer, is in the last bucket.
const LONGEST_BITS: u32 = 30;
/// How many buckets there are.
pub(crate) const BUCKETS: usize = (LONGEST_BITS - CUT_BITS + 1) as usize * CUTS + 1;

/// Which bucket counts what took so long.
pub(crate) fn bucket_of(took: Duration) -> usize {
    let us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
    if us < CUTS as u64 {
        return usize::try_from(us).expect("it is below 8");
    }
    let doubling = us.ilog2();
    if doubling >= LONGEST_BITS {
        return BUCKETS - 1;
    }
    let cut = (us >> (doubling - CUT_BITS)) as usize & (CUTS - 1);
    (doubling - CUT_BITS + 1) as usize * CUTS + cut
}

/// The least that a bucket counts, in microseconds. For the one after the last: as for the last.
fn least_of(bucket: usize) -> u64 {
    if bucket < CUTS {
        return bucket as u64;
    }
    let bucket = bucket.min(BUCKETS - 1);
    let (doubling, cut) = (bucket / CUTS - 1, bucket % CUTS);
    ((CUTS + cut) as u64) << doubling
}

/// How long requests took, from their head to the end of their answer: 225 counts, and the sum.
///
/// A [`quantile`](Self::quantile) is at most 1/16 (6.25 %) away from a time that was measured, or half a microsecond if
/// that is more. What took 2³⁰ µs (18 minutes) or longer counts as just that long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Latency {
    counts: Box<[u64]>,
    sum_us: u64,
}

impl Default for Latency {
    fn default() -> Self {
        Self { counts: vec![0; BUCKETS].into(), sum_us: 0 }
    }
}

impl Latency {
    /// One more that took so long.
    pub fn add(&mut self, took: Duration) {
        self.add_to(bucket_of(took), 1, u64::try_from(took.as_micros()).unwrap_or(u64::MAX));
    }

    pub(crate) fn add_to(&mut self, bucket: usize, count: u64, sum_us: u64) {
        self.counts[bucket] = self.counts[bucket].wrapping_add(count);
        self.sum_us = self.sum_us.wrapping_add(sum_us);
    }

    /// How many were counted.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// How long all of them took together.
    #[must_use]
    pub fn sum(&self) -> Duration {
        Duration::from_micros(self.sum_us)
    }

    /// How long they took on average; `None` when there was none.
    #[must_use]
    pub fn mean(&self) -> Option<Duration> {
        self.sum_us.checked_div(self.count()).map(Duration::from_micros)
    }

    /// The time that a share of them, `share` between 0 and 1, did not exceed: 0.99 is the time that only one of a
    /// hundred took longer than. `None` when there was none.
    #[must_use]
    pub fn quantile(&self, share: f64) -> Option<Duration> {
        let count = self.count();
        if count == 0 {
            return None;
        }
        // At least the first, at most the last. Exact for any count below 2^53.
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "a share of a count is a count"
        )]
        let rank = ((share.clamp(0.0, 1.0) * count as f64).ceil() as u64).clamp(1, count);
        let mut seen = 0;
        let bucket = self.counts.iter().position(|count| {
            seen += count;
            seen >= rank
        });
        bucket.map(middle_of)
    }

    /// How many took less than each power of two of microseconds, from 8 µs to 18 minutes. Exact.
    pub fn doublings(&self) -> impl Iterator<Item = (Duration, u64)> {
        let mut below = 0;
        self.counts[..BUCKETS - 1].chunks_exact(CUTS).zip(CUT_BITS..).map(move |(counts, bits)| {
            below += counts.iter().sum::<u64>();
            (Duration::from_micros(1 << bits), below)
        })
    }

    /// What came since `earlier`, which was read from the same source.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        let counts = self.counts.iter().zip(&earlier.counts).map(|(now, then)| now.saturating_sub(*then));
        Self { counts: counts.collect(), sum_us: self.sum_us.saturating_sub(earlier.sum_us) }
    }
}

/// Of whatever is in a bucket, half its width away at most.
fn middle_of(bucket: usize) -> Duration {
    let least = Duration::from_micros(least_of(bucket));
    if bucket == BUCKETS - 1 { least } else { (least + Duration::from_micros(least_of(bucket + 1))) / 2 }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn us(us: u64) -> Duration {
        Duration::from_micros(us)
    }

    #[test]
    fn the_buckets_follow_one_another_without_a_gap() {
        assert_eq!(BUCKETS, 225);
        for bucket in 0..BUCKETS {
            assert_eq!(bucket_of(us(least_of(bucket))), bucket);
            if bucket > 0 {
                assert_eq!(bucket_of(us(least_of(bucket) - 1)), bucket - 1);
            }
        }
        assert_eq!(least_of(BUCKETS - 1), 1 << 30);
        assert_eq!(bucket_of(Duration::MAX), BUCKETS - 1);
        assert_eq!(bucket_of(Duration::from_nanos(999)), 0);
    }

    #[test]
    fn of_nothing_there_is_no_quantile() {
        let none = Latency::default();
        assert_eq!((none.quantile(0.5), none.mean(), none.count()), (None, None, 0));
    }

    #[test]
    fn what_took_forever_is_counted_too() {
        let mut latency = Latency::default();
        latency.add(Duration::MAX);
        latency.add(Duration::from_secs(3600));
        assert_eq!(latency.count(), 2);
        assert_eq!(latency.quantile(1.0), Some(us(1 << 30)));
    }

    proptest! {
        #[test]
        fn a_longer_time_is_never_in_an_earlier_bucket(a in 0..1_u64 << 34, b in 0..1_u64 << 34) {
            let (short, long) = (a.min(b), a.max(b));
            prop_assert!(bucket_of(us(short)) <= bucket_of(us(long)));
        }

        #[test]
        fn a_time_is_within_the_bounds_of_its_bucket(took in 0..1_u64 << 30) {
            let bucket = bucket_of(us(took));
            prop_assert!(least_of(bucket) <= took && took < least_of(bucket + 1));
        }

        #[test]
        fn a_quantile_is_wrong_by_a_sixteenth_at_most(
            mut times in prop::collection::vec(0..1_u64 << 30, 1..200),
            share in 0.0..=1.0_f64,
        ) {
            let mut latency = Latency::default();
            times.iter().for_each(|time| latency.add(us(*time)));
            times.sort_unstable();
            let rank = ((share * times.len() as f64).ceil() as usize).clamp(1, times.len());
            let exact = times[rank - 1] as f64 * 1000.0;
            let found = latency.quantile(share).expect("there are some").as_nanos() as f64;
            prop_assert!((found - exact).abs() <= (exact / 16.0).max(500.0), "{found} for {exact}");
            prop_assert_eq!(latency.count(), times.len() as u64);
            prop_assert_eq!(latency.sum(), us(times.iter().sum()));
        }

        #[test]
        fn what_came_since_is_what_was_added(
            before in prop::collection::vec(0..1_u64 << 31, 0..50),
            after in prop::collection::vec(0..1_u64 << 31, 0..50),
        ) {
            let (mut all, mut only) = (Latency::default(), Latency::default());
            before.iter().for_each(|time| all.add(us(*time)));
            let earlier = all.clone();
            after.iter().for_each(|time| { all.add(us(*time)); only.add(us(*time)); });
            prop_assert_eq!(all.since(&earlier), only.clone());
            prop_assert_eq!(only.doublings().count(), 28);
            for (bound, below) in only.doublings() {
                prop_assert_eq!(below, after.iter().filter(|time| us(**time) < bound).count() as u64);
            }
        }
    }
}
