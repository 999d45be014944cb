//! The daemon's log on stdout (compat C-195): one line for each event, and never a reason to stop.
//!
//! Stdout of a daemon breaks first: its reader goes away, its disk is full, its pipe is slow. A thread of its own
//! writes; what it cannot take in time, or cannot write, is counted and dropped.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

/// How many lines may wait to be written; further ones are dropped.
const LINES_WAITING_MAX: usize = 4096;

/// How long the last lines may take when the daemon ends; what is not written then is lost.
const FLUSH_TIMEOUT: Duration = Duration::from_millis(500);

/// Takes lines, and never waits.
pub(super) struct Printer {
    lines: SyncSender<String>,
    dropped: Arc<AtomicU64>,
    ended: Receiver<()>,
    _thread: Option<JoinHandle<()>>,
}

impl Printer {
    /// Prints to `out` from now on.
    pub(super) fn new(out: impl Write + Send + 'static) -> Self {
        let (lines, waiting) = sync_channel(LINES_WAITING_MAX);
        let (end, ended) = sync_channel(1);
        let dropped = Arc::new(AtomicU64::new(0));
        let count = Arc::clone(&dropped);
        let thread = std::thread::Builder::new().name("rollcore-log".to_owned()).spawn(move || {
            write_all(&waiting, out, &count);
            let _ = end.send(());
        });
        // Without the thread every line counts as dropped: the channel has no other end.
        Self { lines, dropped, ended, _thread: thread.ok() }
    }

    /// Has this line printed, if there is room.
    pub(super) fn print(&self, line: String) {
        if let Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) = self.lines.try_send(line) {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Waits a moment for what is still to be written.
    pub(super) fn finish(self) {
        drop(self.lines);
        let _ = self.ended.recv_timeout(FLUSH_TIMEOUT);
    }
}

fn write_all(lines: &Receiver<String>, mut out: impl Write, dropped: &AtomicU64) {
    for line in lines {
        let before = dropped.swap(0, Ordering::Relaxed);
        let text = if before == 0 { line } else { format!("{}{line}", loss(before)) };
        if write(&mut out, &text).is_err() {
            dropped.fetch_add(before + 1, Ordering::Relaxed);
        }
    }
}

fn write(out: &mut impl Write, text: &str) -> io::Result<()> {
    out.write_all(text.as_bytes())?;
    out.flush()
}

/// So that nobody takes a log with a hole for a whole one.
fn loss(count: u64) -> String {
    format!("{{\"data\":{{\"count\":{count}}},\"message\":\"log lines dropped\"}}\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;
    use std::sync::mpsc::{Sender, channel};

    const SOON: Duration = Duration::from_secs(20);

    /// Fails or blocks as told.
    struct Pipe {
        turns: Receiver<bool>,
        /// Told when something is to be written.
        begins: Option<Sender<()>>,
        written: Arc<Mutex<String>>,
    }

    impl Write for Pipe {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            if let Some(begins) = self.begins.take() {
                let _nobody_may_listen = begins.send(());
            }
            if !self.turns.recv().unwrap_or(true) {
                return Err(io::ErrorKind::BrokenPipe.into());
            }
            let text = String::from_utf8_lossy(bytes);
            self.written.lock().expect("nobody panics with it").push_str(&text);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn what_cannot_be_written_is_counted_and_the_rest_goes_on() {
        let (turn, turns) = channel();
        let written = Arc::new(Mutex::new(String::new()));
        let printer = Printer::new(Pipe { turns, begins: None, written: Arc::clone(&written) });
        for (line, works) in [("one\n", true), ("two\n", false), ("three\n", false), ("four\n", true)] {
            printer.print(line.to_owned());
            turn.send(works).expect("the thread lives");
        }
        drop(turn);
        printer.finish();
        let expected = "one\n{\"data\":{\"count\":2},\"message\":\"log lines dropped\"}\nfour\n";
        assert_eq!(*written.lock().expect("nobody panics with it"), expected);
    }

    #[test]
    fn a_pipe_that_blocks_holds_nobody_up() {
        let (turn, turns) = channel();
        let (begin, begins) = channel();
        let written = Arc::new(Mutex::new(String::new()));
        let printer = Printer::new(Pipe { turns, begins: Some(begin), written: Arc::clone(&written) });
        printer.print("first\n".to_owned());
        begins.recv_timeout(SOON).expect("it is about to be written");
        for number in 0..3 * LINES_WAITING_MAX {
            printer.print(format!("{number}\n"));
        }
        assert_eq!(printer.dropped.load(Ordering::Relaxed), (2 * LINES_WAITING_MAX) as u64);
        drop(turn);
        printer.finish();
        assert!(written.lock().expect("nobody panics with it").contains("log lines dropped"));
    }
}
