//! The access log: a line for each request, written by a thread of its own.
//!
//! ```text
//!   workers ──▶ entry ──▶ queue (bounded: full means dropped and counted) ──▶ writer ──▶ sink (file, pipe)
//! ```
//!
//! No worker ever waits for it.

mod entry;
mod sink;
#[cfg(test)]
mod tests;
mod writer;

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::time::Duration;

use tokio::sync::mpsc;

use crate::spec::AccessLogSpec;
use crate::threads::without_signals;

use super::record::Record;
use entry::Entry;
use writer::Writer;

/// How many requests may wait to be written; more are dropped, and counted.
pub(crate) const ACCESS_LINES_MAX: usize = 8192;
/// How long the end of a proxy waits until all lines are written; then they are lost.
pub(crate) const ACCESS_CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

/// A log that is written to. Dropping it lets the writer finish what is there, within a second.
pub(crate) struct AccessLog {
    spec: AccessLogSpec,
    queue: SyncSender<Box<Entry>>,
    counts: Arc<Counts>,
    ended: tokio::sync::Mutex<mpsc::Receiver<()>>,
}

#[derive(Default)]
struct Counts {
    written: AtomicU64,
    dropped: AtomicU64,
    is_ending: AtomicBool,
    is_stuck: AtomicBool,
}

/// How the access log is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AccessLogCounts {
    /// Lines that were written.
    pub written: u64,
    /// Lines that were dropped, because nobody could take them fast enough.
    pub dropped: u64,
    /// Whether it cannot be written to at the moment: the file cannot be opened, the disk is full, or the reader of a pipe
    /// does not read.
    pub stuck: bool,
}

impl AccessLog {
    /// Starts its thread. The file need not be there, nor become there: that is looked at all the time.
    pub(super) fn start(spec: AccessLogSpec) -> io::Result<Self> {
        let (queue, entries) = sync_channel(ACCESS_LINES_MAX);
        let (alive, ended) = mpsc::channel(1);
        let counts = Arc::<Counts>::default();
        let writer = Writer::new(spec.clone(), entries, Arc::clone(&counts));
        let work = move || {
            let _alive = alive;
            writer.run();
        };
        let builder = std::thread::Builder::new().name("rollcore-access".to_owned());
        without_signals(|| builder.spawn(work))?;
        Ok(Self { spec, queue, counts, ended: tokio::sync::Mutex::new(ended) })
    }

    pub(super) fn spec(&self) -> &AccessLogSpec {
        &self.spec
    }

    /// Takes a request down. Does not wait.
    pub(super) fn take(&self, record: &Record<'_>) {
        if self.queue.try_send(Box::new(Entry::of(record, &self.spec))).is_err() {
            self.counts.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(super) fn counts(&self) -> AccessLogCounts {
        let read = |number: &AtomicU64| number.load(Ordering::Relaxed);
        AccessLogCounts {
            written: read(&self.counts.written),
            dropped: read(&self.counts.dropped),
            stuck: self.counts.is_stuck.load(Ordering::Relaxed),
        }
    }

    /// Waits until what was taken down is written, or cannot be within a second.
    pub(super) async fn finish(self: Arc<Self>) {
        let log = Arc::into_inner(self);
        let Some(log) = log else { return };
        let mut ended = {
            let (_, closed) = mpsc::channel(1);
            std::mem::replace(&mut *log.ended.lock().await, closed)
        };
        drop(log);
        let _ = tokio::time::timeout(ACCESS_CLOSE_TIMEOUT, ended.recv()).await;
    }
}

impl Drop for AccessLog {
    fn drop(&mut self) {
        self.counts.is_ending.store(true, Ordering::Release);
    }
}
