//! The log of events, shared by the one who writes and all who read.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;

use crate::clock;
use crate::event::{Batch, Event, EventLog, StampedEvent};
use crate::id::Seq;

/// How many events a reader takes at a time.
const BATCH_MAX: usize = 256;

/// Clones are the same log.
#[derive(Clone, Debug)]
pub(super) struct EventHub {
    log: Arc<Mutex<EventLog>>,
    newest: Arc<watch::Sender<Seq>>,
}

impl Default for EventHub {
    fn default() -> Self {
        Self {
            log: Arc::new(Mutex::new(EventLog::default())),
            newest: Arc::new(watch::Sender::new(Seq::START)),
        }
    }
}

impl EventHub {
    pub(super) fn record(&self, event: Event) {
        let seq = self.with(|log| log.append(event, clock::wall()));
        self.newest.send_if_modified(|newest| {
            let is_newer = seq > *newest;
            *newest = (*newest).max(seq);
            is_newer
        });
    }

    /// A place that is not reached yet is one of an earlier engine: reading goes on at the end of this one's log.
    pub(super) fn cursor(&self, after: Seq) -> EventCursor {
        let after = after.min(self.with(|log| log.last()));
        EventCursor { hub: self.clone(), newest: self.newest.subscribe(), after }
    }

    pub(super) fn recent(&self, limit: Option<usize>) -> Vec<StampedEvent> {
        self.with(|log| log.recent(limit.unwrap_or(usize::MAX)))
    }

    /// A reader that panicked has not hurt the log: it only reads.
    fn with<T>(&self, act: impl FnOnce(&mut EventLog) -> T) -> T {
        act(&mut self.log.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// A place in the log of events, which moves on as they are read.
#[derive(Debug)]
pub struct EventCursor {
    hub: EventHub,
    newest: watch::Receiver<Seq>,
    after: Seq,
}

impl EventCursor {
    /// The next events, as soon as there are any; and how many were dropped before they could be read.
    ///
    /// # Cancel safety
    /// Nothing is lost: what was not returned is returned by the next call.
    pub async fn next(&mut self) -> Batch {
        loop {
            self.newest.borrow_and_update();
            let batch = self.read();
            if !batch.events.is_empty() {
                return batch;
            }
            if self.newest.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }

    /// The events that are there now, without waiting.
    pub fn read(&mut self) -> Batch {
        let batch = self.hub.with(|log| log.after(self.after, BATCH_MAX));
        if let Some(last) = batch.events.last() {
            self.after = last.seq;
        }
        batch
    }

    /// The place of the last event that was read.
    #[must_use]
    pub fn position(&self) -> Seq {
        self.after
    }
}
