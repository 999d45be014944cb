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
    news: Arc<watch::Sender<News>>,
}

/// What a reader waits for.
#[derive(Clone, Copy, Debug)]
struct News {
    newest: Seq,
    /// The engine has ended.
    ended: bool,
}

impl Default for EventHub {
    fn default() -> Self {
        Self {
            log: Arc::new(Mutex::new(EventLog::default())),
            news: Arc::new(watch::Sender::new(News { newest: Seq::START, ended: false })),
        }
    }
}

impl EventHub {
    pub(super) fn record(&self, event: Event) {
        let seq = self.with(|log| log.append(event, clock::wall()));
        self.news.send_if_modified(|news| {
            let is_newer = seq > news.newest;
            news.newest = news.newest.max(seq);
            is_newer
        });
    }

    /// Nobody waits for an engine that has ended.
    pub(super) fn end(&self) {
        self.news.send_modify(|news| news.ended = true);
    }

    /// A place that is not reached yet is one of an earlier engine: reading goes on at the end of this one's log.
    pub(super) fn cursor(&self, after: Seq) -> EventCursor {
        let after = after.min(self.with(|log| log.last()));
        EventCursor { hub: self.clone(), news: self.news.subscribe(), after }
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
    news: watch::Receiver<News>,
    after: Seq,
}

impl EventCursor {
    /// The next events, as soon as there are any; and how many were dropped before they could be read.
    ///
    /// A batch without events means that the engine has ended, and that there is nothing more to read; it is returned at
    /// once from then on.
    ///
    /// # Cancel safety
    /// Nothing is lost: what was not returned is returned by the next call.
    pub async fn next(&mut self) -> Batch {
        loop {
            let ended = self.news.borrow_and_update().ended;
            let batch = self.read();
            if !batch.events.is_empty() {
                return batch;
            }
            // An error would mean that the sender is gone, which `self` holds.
            if ended || self.news.changed().await.is_err() {
                // Whoever asks again and again shall not keep its thread from all others.
                tokio::task::yield_now().await;
                return batch;
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
