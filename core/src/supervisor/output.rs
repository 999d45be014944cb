//! What a process prints: whole lines, the last so many (compat C-58).

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::clock;
use crate::report::{OutputLine, OutputStream};

/// The longest line that is kept, in bytes; a longer one is cut there, and says so. 64 KiB.
const LINE_BYTES_MAX: usize = 64 * 1024;

/// Ends a line that was cut.
const CUT: &str = " [cut: the line is longer than 65536 bytes]";

/// The last lines that a process printed, over both its streams, oldest first.
///
/// Cheap to clone: every clone sees the same lines. They outlive restarts, and the process. How many are kept is
/// `output_lines_max` of the [`RunSpec`](crate::RunSpec); older ones are dropped.
#[derive(Clone, Debug, Default)]
pub struct Output {
    ring: Arc<Mutex<Ring>>,
}

#[derive(Debug, Default)]
struct Ring {
    lines: VecDeque<OutputLine>,
    lines_max: usize,
}

impl Output {
    /// Keeps the last `lines_max` lines.
    pub(super) fn new(lines_max: u32) -> Self {
        let output = Self::default();
        output.keep(lines_max);
        output
    }

    /// Every line that is kept, oldest first.
    #[must_use]
    pub fn lines(&self) -> Vec<OutputLine> {
        self.ring().lines.iter().cloned().collect()
    }

    /// The last `count` lines, oldest first.
    #[must_use]
    pub fn tail(&self, count: usize) -> Vec<OutputLine> {
        let ring = self.ring();
        ring.lines.iter().skip(ring.lines.len().saturating_sub(count)).cloned().collect()
    }

    /// From now on keeps the last `lines_max` lines.
    pub(super) fn keep(&self, lines_max: u32) {
        let mut ring = self.ring();
        ring.lines_max = usize::try_from(lines_max).unwrap_or(usize::MAX);
        ring.drop_old();
    }

    fn push(&self, stream: OutputStream, line: String) {
        let mut ring = self.ring();
        ring.lines.push_back(OutputLine { at: clock::wall(), stream, line });
        ring.drop_old();
    }

    /// No code that can panic runs under this lock, so that a poisoned one is still whole.
    fn ring(&self) -> MutexGuard<'_, Ring> {
        self.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ring {
    fn drop_old(&mut self) {
        let excess = self.lines.len().saturating_sub(self.lines_max);
        self.lines.drain(..excess);
    }
}

/// One stream of a process: bytes in, lines into the [`Output`]. Shared by who reads and who says when to stop.
#[derive(Clone, Debug)]
pub(super) struct Stream {
    name: OutputStream,
    output: Output,
    splitter: Arc<Mutex<Splitter>>,
}

impl Stream {
    /// The stream `name` of a process with this output.
    pub(super) fn new(name: OutputStream, output: Output) -> Self {
        Self { name, output, splitter: Arc::default() }
    }

    /// Some bytes have been read.
    pub(super) fn feed(&self, bytes: &[u8]) {
        self.splitter().feed(bytes, &mut |line| self.output.push(self.name, line));
    }

    /// Nothing more is expected: what has no line end yet is a line.
    pub(super) fn flush(&self) {
        self.splitter().flush(&mut |line| self.output.push(self.name, line));
    }

    fn splitter(&self) -> MutexGuard<'_, Splitter> {
        self.splitter.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Makes lines of bytes, however they are cut into pieces. Pure.
#[derive(Debug, Default)]
struct Splitter {
    partial: Vec<u8>,
    is_cut: bool,
}

impl Splitter {
    fn feed(&mut self, bytes: &[u8], emit: &mut dyn FnMut(String)) {
        for piece in bytes.split_inclusive(|&byte| byte == b'\n') {
            match piece.strip_suffix(b"\n") {
                Some(end) => {
                    self.append(end);
                    self.flush(emit);
                }
                None => self.append(piece),
            }
        }
    }

    fn append(&mut self, bytes: &[u8]) {
        // One byte more than a line may have: it could be the `\r` of its end.
        let room = LINE_BYTES_MAX + 1 - self.partial.len();
        self.is_cut |= bytes.len() > room;
        self.partial.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }

    fn flush(&mut self, emit: &mut dyn FnMut(String)) {
        let whole = std::mem::take(&mut self.partial);
        let mut line = whole.as_slice();
        if !std::mem::take(&mut self.is_cut) {
            line = line.strip_suffix(b"\r").unwrap_or(line);
        }
        match line.get(..LINE_BYTES_MAX) {
            _ if line.is_empty() => {}
            Some(start) if line.len() > LINE_BYTES_MAX => {
                emit(String::from_utf8_lossy(start).into_owned() + CUT);
            }
            _ => emit(String::from_utf8_lossy(line).into_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(pieces: &[&[u8]]) -> Vec<String> {
        let mut lines = Vec::new();
        let mut splitter = Splitter::default();
        for piece in pieces {
            splitter.feed(piece, &mut |line| lines.push(line));
        }
        splitter.flush(&mut |line| lines.push(line));
        lines
    }

    /// C-58; better than C-59.
    #[test]
    fn lines_do_not_depend_on_the_pieces() {
        let text = "one\r\ntwo\n\n\r\nthrée\rfour\nfive".as_bytes();
        let expected = ["one", "two", "thrée\rfour", "five"];
        assert_eq!(split(&[text]), expected);
        for size in 1..text.len() {
            assert_eq!(split(&text.chunks(size).collect::<Vec<_>>()), expected, "pieces of {size}");
        }
    }

    /// C-58.
    #[test]
    fn what_is_not_utf_8_is_replaced() {
        assert_eq!(split(&[b"a\xffb\n"]), ["a\u{fffd}b"]);
    }

    #[test]
    fn a_line_that_is_too_long_is_cut() {
        let fits = vec![b'x'; LINE_BYTES_MAX];
        assert_eq!(
            split(&[&fits, b"\r\nnext\n"]),
            [String::from_utf8_lossy(&fits).into_owned(), "next".into()]
        );
        for more in [1, 2, LINE_BYTES_MAX * 3] {
            let long = vec![b'x'; LINE_BYTES_MAX + more];
            let lines = split(&[&long, b"\r\nnext\n"]);
            assert_eq!(lines.len(), 2, "{more}");
            assert_eq!(lines[0].len(), LINE_BYTES_MAX + CUT.len(), "{more}");
            assert!(lines[0].ends_with(CUT));
            assert_eq!(lines[1], "next");
        }
    }

    #[test]
    fn memory_is_bounded_however_long_a_line_is() {
        let mut splitter = Splitter::default();
        for _ in 0..1000 {
            splitter.feed(&[b'x'; 4096], &mut |line| panic!("no line ended, but got {} bytes", line.len()));
        }
        assert!(splitter.partial.capacity() <= 4 * LINE_BYTES_MAX);
    }

    /// C-58.
    #[test]
    fn older_lines_are_dropped() {
        let output = Output::new(3);
        let stdout = Stream::new(OutputStream::Stdout, output.clone());
        let stderr = Stream::new(OutputStream::Stderr, output.clone());
        stdout.feed(b"1\n2\n");
        stderr.feed(b"3\n4\n");
        let kept = |lines: Vec<OutputLine>| lines.into_iter().map(|line| line.line).collect::<Vec<_>>();
        assert_eq!(kept(output.lines()), ["2", "3", "4"]);
        assert_eq!(output.lines()[1].stream, OutputStream::Stderr);
        assert_eq!(kept(output.tail(2)), ["3", "4"]);
        assert_eq!(kept(output.tail(20)), ["2", "3", "4"]);
        output.keep(1);
        assert_eq!(kept(output.lines()), ["4"]);
        output.keep(0);
        stdout.feed(b"5\n");
        assert!(output.lines().is_empty());
    }
}
