//! The thread that writes.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use crate::clock;
use crate::spec::AccessLogSpec;
use crate::time::{Epoch, Instant};

use super::super::machine::{MissingLines, append_line};
use super::entry::Entry;
use super::sink::Sink;
use super::{ACCESS_CLOSE_TIMEOUT, Counts};

/// How often it looks whether the file was moved away, or can be opened now.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);
/// How long lines gather before they are written: so a worker wakes this thread fifty times a second, not for each line.
const GATHER: Duration = Duration::from_millis(20);
/// How many bytes are written at once.
const CHUNK_BYTES: usize = 64 * 1024;

pub(super) struct Writer {
    spec: AccessLogSpec,
    entries: Receiver<Box<Entry>>,
    counts: Arc<Counts>,
    sink: Option<Sink>,
    looked: Option<Instant>,
    epoch: Epoch,
    /// How many of the dropped lines the log tells of.
    told: u64,
    ending: Option<Instant>,
    lines: Vec<u8>,
}

impl Writer {
    pub(super) fn new(spec: AccessLogSpec, entries: Receiver<Box<Entry>>, counts: Arc<Counts>) -> Self {
        Self {
            spec,
            entries,
            counts,
            sink: None,
            looked: None,
            epoch: clock::epoch(),
            told: 0,
            ending: None,
            lines: Vec::new(),
        }
    }

    pub(super) fn run(mut self) {
        loop {
            self.look();
            if self.sink.is_none() {
                // What comes meanwhile waits in the queue, and is dropped when that is full.
                if self.counts.is_ending.load(Ordering::Acquire) {
                    return;
                }
                std::thread::park_timeout(GATHER);
                continue;
            }
            match self.entries.recv_timeout(LOOK_INTERVAL) {
                Ok(first) => self.write_all(&first),
                Err(RecvTimeoutError::Timeout) => self.tell_missing(),
                Err(RecvTimeoutError::Disconnected) => return self.tell_missing(),
            }
        }
    }

    /// Writes what is there, until nothing is.
    fn write_all(&mut self, first: &Entry) {
        self.epoch = self.epoch.unless_set(clock::epoch());
        self.tell_missing();
        let mut count = 1;
        first.write(&mut self.lines, self.epoch);
        while let Ok(entry) = self.entries.try_recv() {
            entry.write(&mut self.lines, self.epoch);
            count += 1;
            if self.lines.len() >= CHUNK_BYTES {
                if !self.flush(count) {
                    return;
                }
                count = 0;
                self.look();
            }
        }
        if self.flush(count) && !self.counts.is_ending.load(Ordering::Acquire) {
            std::thread::park_timeout(GATHER);
        }
    }

    /// Opens what is not open, or was moved away. Nothing is lost when a file is moved: what was written since is in it.
    fn look(&mut self) {
        let now = clock::now();
        if self.looked.is_some_and(|looked| now - looked < LOOK_INTERVAL) {
            return;
        }
        self.looked = Some(now);
        if self.sink.as_ref().is_some_and(|sink| !sink.is_moved()) {
            return;
        }
        match Sink::open(&self.spec.path) {
            Ok(sink) => {
                self.sink = Some(sink);
                self.set_stuck(None);
            }
            // A file that was moved, and cannot be made anew, is better than none.
            Err(error) => self.set_stuck(Some(&error)),
        }
    }

    fn set_stuck(&self, error: Option<&io::Error>) {
        let was_stuck = self.counts.is_stuck.swap(error.is_some(), Ordering::Relaxed);
        if let Some(error) = error.filter(|_| !was_stuck) {
            tracing::warn!(%error, path = %self.spec.path.display(), "the access log cannot be written");
        }
    }

    /// A line that says how many are missing since the last one that did.
    fn tell_missing(&mut self) {
        let dropped = self.counts.dropped.load(Ordering::Relaxed);
        if dropped > self.told {
            let line = MissingLines { at: clock::wall(), dropped: dropped - self.told };
            self.told = dropped;
            append_line(&mut self.lines, &line);
            self.flush(0);
        }
    }

    /// Writes the lines that were made, `count` of them of requests. Says whether there is still somewhere to write to.
    fn flush(&mut self, count: u64) -> bool {
        let lines = std::mem::take(&mut self.lines);
        let Some(sink) = &mut self.sink else { return false };
        let (counts, ending) = (&self.counts, &mut self.ending);
        let result = sink.write(&lines, || {
            counts.is_stuck.store(true, Ordering::Relaxed);
            let is_ending = counts.is_ending.load(Ordering::Acquire);
            let since = is_ending.then(|| *ending.get_or_insert_with(clock::now));
            since.is_none_or(|since| clock::now() - since < ACCESS_CLOSE_TIMEOUT)
        });
        let is_well = match result {
            Ok(()) => {
                self.counts.written.fetch_add(count, Ordering::Relaxed);
                self.counts.is_stuck.store(false, Ordering::Relaxed);
                true
            }
            Err((bytes, error)) => {
                let whole = lines[..bytes].iter().filter(|byte| **byte == b'\n').count() as u64;
                let written = whole.min(count);
                self.counts.written.fetch_add(written, Ordering::Relaxed);
                self.counts.dropped.fetch_add(count - written, Ordering::Relaxed);
                self.set_stuck(Some(&error));
                // A full disk may have room in a moment; a pipe without a reader needs a new one.
                if error.kind() == io::ErrorKind::BrokenPipe && sink_is_ours(&self.spec) {
                    self.sink = None;
                }
                std::thread::park_timeout(GATHER);
                false
            }
        };
        self.lines = lines;
        self.lines.clear();
        is_well
    }
}

/// The standard output cannot be opened again.
fn sink_is_ours(spec: &AccessLogSpec) -> bool {
    spec.path != std::path::Path::new("-")
}
