//! The last events, in a ring of bounded size that is read by cursor.

use std::collections::VecDeque;
use std::num::NonZeroUsize;
use std::sync::Arc;

use crate::id::Seq;
use crate::time::WallTime;

use super::{Event, StampedEvent};

/// How many events are kept unless somebody says otherwise (compat C-195).
pub const EVENTS_MAX_DEFAULT: NonZeroUsize = NonZeroUsize::new(1000).expect("it is not zero");

/// The newest events; older ones are dropped.
///
/// Whoever reads by cursor and was too slow learns how many events were dropped meanwhile.
///
/// ```
/// use rollcore::{Event, EventLog, Seq, WallTime};
///
/// let mut log = EventLog::default();
/// let first = log.append(Event::CommandFailed { error: "no".into() }, WallTime::from_unix_ms(0));
/// let batch = log.after(Seq::START, 10);
/// assert_eq!((batch.events[0].seq, batch.missed, batch.next), (first, 0, first));
/// assert!(log.after(batch.next, 10).events.is_empty());
/// ```
#[derive(Clone, Debug)]
pub struct EventLog {
    events: VecDeque<StampedEvent>,
    events_max: NonZeroUsize,
    last: Seq,
}

/// What a reader gets.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct Batch {
    /// The events after the cursor, oldest first.
    pub events: Vec<StampedEvent>,
    /// How many events between the cursor and these were dropped before they were read.
    pub missed: u64,
    /// The cursor to read on from.
    pub next: Seq,
}

impl Default for EventLog {
    fn default() -> Self {
        Self::new(EVENTS_MAX_DEFAULT)
    }
}

impl EventLog {
    /// Keeps the newest `events_max` events.
    #[must_use]
    pub fn new(events_max: NonZeroUsize) -> Self {
        Self { events: VecDeque::new(), events_max, last: Seq::START }
    }

    /// Records an event, and drops the oldest one when there is no room.
    pub fn append(&mut self, event: Event, at: WallTime) -> Seq {
        self.last = self.last.next();
        if self.events.len() == self.events_max.get() {
            self.events.pop_front();
        }
        self.events.push_back(StampedEvent { seq: self.last, at, event: Arc::new(event) });
        self.last
    }

    /// At most `max` events after `cursor`.
    ///
    /// A cursor that is ahead of the log comes from another one; reading goes on at the end of this one.
    pub fn after(&self, cursor: Seq, max: usize) -> Batch {
        let cursor = cursor.min(self.last);
        let oldest = self.events.front().map_or(self.last.next(), |first| first.seq);
        let missed = oldest.0.saturating_sub(cursor.next().0);
        let read = self.events.partition_point(|event| event.seq <= cursor);
        let events: Vec<_> = self.events.range(read..).take(max).cloned().collect();
        let skipped_to = Seq(cursor.0 + missed);
        let next = events.last().map_or(skipped_to, |last| last.seq);
        Batch { events, missed, next }
    }

    /// The newest `limit` events, oldest first.
    #[must_use]
    pub fn recent(&self, limit: usize) -> Vec<StampedEvent> {
        self.events.range(self.events.len().saturating_sub(limit)..).cloned().collect()
    }

    /// The place of the newest event ever recorded; a reader who starts there sees only what comes.
    #[must_use]
    pub fn last(&self) -> Seq {
        self.last
    }

    /// How many events are held.
    #[must_use]
    pub fn len(&self) -> usize {
        self.events.len()
    }

    /// Whether nothing was recorded yet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.events.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn log(events_max: usize, appended: u64) -> EventLog {
        let mut log = EventLog::new(NonZeroUsize::new(events_max).expect("not zero"));
        for n in 1..=appended {
            let seq = log.append(Event::CommandFailed { error: n.to_string() }, WallTime::from_unix_ms(0));
            assert_eq!(seq, Seq(n));
        }
        log
    }

    fn seqs(events: &[StampedEvent]) -> Vec<u64> {
        events.iter().map(|event| event.seq.0).collect()
    }

    /// C-195.
    #[test]
    fn the_newest_are_kept_and_the_oldest_dropped() {
        let log = log(3, 5);
        assert_eq!(seqs(&log.recent(usize::MAX)), [3, 4, 5]);
        assert_eq!(seqs(&log.recent(2)), [4, 5]);
        assert_eq!(seqs(&log.recent(0)), [0_u64; 0]);
        assert_eq!((log.len(), log.last()), (3, Seq(5)));
        assert_eq!(EVENTS_MAX_DEFAULT.get(), 1_000);
    }

    #[test]
    fn a_slow_reader_learns_what_it_missed() {
        let batch = log(3, 5).after(Seq(1), 10);
        assert_eq!((seqs(&batch.events), batch.missed, batch.next), (vec![3, 4, 5], 1, Seq(5)));
    }

    #[test]
    fn a_batch_of_none_still_moves_past_what_was_missed() {
        let log = log(3, 5);
        let batch = log.after(Seq::START, 0);
        assert_eq!((batch.missed, batch.next), (2, Seq(2)));
        assert_eq!(log.after(batch.next, 1).missed, 0);
    }

    #[test]
    fn a_cursor_of_another_log_reads_on_at_the_end() {
        let mut log = log(3, 2);
        let batch = log.after(Seq(u64::MAX), 10);
        assert_eq!((batch.events.len(), batch.missed, batch.next), (0, 0, Seq(2)));
        log.append(Event::CommandFailed { error: String::new() }, WallTime::from_unix_ms(0));
        assert_eq!(seqs(&log.after(batch.next, 10).events), [3]);
        assert_eq!(EventLog::default().after(Seq(7), 1).next, Seq::START);
    }

    proptest! {
        #[test]
        fn each_event_is_read_once_or_counted_as_missed(
            events_max in 1_usize..8,
            turns in prop::collection::vec((0_u64..10, 0_usize..10), 0..40),
        ) {
            let mut log = EventLog::new(NonZeroUsize::new(events_max).expect("at least 1"));
            let (mut appended, mut accounted, mut cursor) = (0, 0, Seq::START);
            for (writes, reads) in turns {
                for _ in 0..writes {
                    appended = log.append(Event::CommandFailed { error: String::new() }, WallTime::from_unix_ms(0)).0;
                }
                let batch = log.after(cursor, reads);
                prop_assert!(batch.events.len() <= reads);
                accounted += batch.missed + batch.events.len() as u64;
                cursor = batch.next;
                prop_assert_eq!(cursor.0, accounted);
            }
            let rest = log.after(cursor, usize::MAX);
            prop_assert_eq!(accounted + rest.missed + rest.events.len() as u64, appended);
        }
    }
}
