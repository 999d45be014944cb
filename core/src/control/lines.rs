//! Lines out of a stream, whatever the chunking, none longer than it may be.

use std::io;
use std::time::Duration;

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncReadExt};

use crate::clock;
use crate::time::Instant;

/// How much is read at once.
const CHUNK_BYTES: usize = 8 * 1024;

/// Splits a stream at `\n`.
#[derive(Debug)]
pub(super) struct LineReader<R> {
    reader: R,
    buffer: BytesMut,
    /// How much of the buffer is known to hold no line end.
    scanned: usize,
    /// When the unfinished line in the buffer began.
    begun: Option<Instant>,
    bytes_max: usize,
    time_max: Option<Duration>,
}

/// What came next.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// A line without its end.
    Line(BytesMut),
    /// The line is longer than it may be.
    TooLong,
    /// The line was begun and not finished in time.
    TooSlow,
    /// Nothing more will come; half a line at the end is dropped.
    End,
}

impl<R: AsyncRead + Unpin> LineReader<R> {
    /// Lines of at most `bytes_max` bytes, each of which must be complete `time_max` after it was begun.
    pub(super) fn new(reader: R, bytes_max: usize, time_max: Option<Duration>) -> Self {
        Self { reader, buffer: BytesMut::new(), scanned: 0, begun: None, bytes_max, time_max }
    }

    /// What is read from.
    pub(super) fn reader(&mut self) -> &mut R {
        &mut self.reader
    }

    /// Whether nothing of a further line is here.
    pub(super) fn is_between_lines(&self) -> bool {
        self.buffer.is_empty()
    }

    /// Waits for the next line.
    ///
    /// # Cancel safety
    /// Loses nothing: what was read stays in the buffer.
    pub(super) async fn next(&mut self) -> io::Result<Next> {
        loop {
            if let Some(next) = self.take() {
                return Ok(next);
            }
            self.buffer.reserve(CHUNK_BYTES);
            let reading = self.reader.read_buf(&mut self.buffer);
            let count = match self.begun.zip(self.time_max) {
                None => reading.await?,
                Some((begun, time_max)) => {
                    let left = time_max.saturating_sub(clock::now() - begun);
                    match tokio::time::timeout(left, reading).await {
                        Ok(count) => count?,
                        Err(_) => return Ok(Next::TooSlow),
                    }
                }
            };
            if count == 0 {
                return Ok(Next::End);
            }
        }
    }

    /// Reads on without keeping anything, until the other side has nothing more to say.
    pub(super) async fn discard(&mut self) {
        loop {
            self.buffer.clear();
            self.buffer.reserve(CHUNK_BYTES);
            if !matches!(self.reader.read_buf(&mut self.buffer).await, Ok(1..)) {
                return;
            }
        }
    }

    fn take(&mut self) -> Option<Next> {
        let end = self.buffer[self.scanned..].iter().position(|byte| *byte == b'\n');
        let Some(end) = end.map(|end| self.scanned + end) else {
            return self.wait_for_the_rest();
        };
        let mut line = self.buffer.split_to(end + 1);
        self.scanned = 0;
        self.begun = None;
        line.truncate(end);
        if line.last() == Some(&b'\r') {
            line.truncate(end - 1);
        }
        Some(if line.len() > self.bytes_max { Next::TooLong } else { Next::Line(line) })
    }

    fn wait_for_the_rest(&mut self) -> Option<Next> {
        self.scanned = self.buffer.len();
        if self.buffer.is_empty() {
            self.begun = None;
        } else if self.begun.is_none() {
            self.begun = Some(clock::now());
        }
        // One more for a `\r` whose `\n` is still on its way.
        (self.buffer.len() > self.bytes_max.saturating_add(1)).then_some(Next::TooLong)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn all(chunks: &[&[u8]], bytes_max: usize) -> Vec<Next> {
        let mut stream = stream_of(chunks);
        let mut lines = LineReader::new(&mut stream, bytes_max, None);
        let mut found = Vec::new();
        loop {
            let next = lines.next().await.expect("a slice cannot fail");
            let ended = !matches!(next, Next::Line(_));
            found.push(next);
            if ended {
                return found;
            }
        }
    }

    /// A stream that hands out exactly these chunks.
    fn stream_of(chunks: &[&[u8]]) -> impl AsyncRead + Unpin {
        let mut reader: Box<dyn AsyncRead + Unpin> = Box::new(tokio::io::empty());
        for chunk in chunks.iter().rev() {
            reader = Box::new(std::io::Cursor::new(chunk.to_vec()).chain(reader));
        }
        reader
    }

    fn line(text: &str) -> Next {
        Next::Line(BytesMut::from(text))
    }

    #[tokio::test]
    async fn lines_are_whole_whatever_the_chunking() {
        let expected = [line("one"), line("two"), line(""), line("three"), Next::End];
        assert_eq!(all(&[b"one\ntwo\r\n\nthree\n"], 9).await, expected);
        let bytes: Vec<[u8; 1]> = b"one\ntwo\r\n\nthree\n".iter().map(|byte| [*byte]).collect();
        let chunks: Vec<&[u8]> = bytes.iter().map(<[u8; 1]>::as_slice).collect();
        assert_eq!(all(&chunks, 9).await, expected);
    }

    #[tokio::test]
    async fn half_a_line_at_the_end_is_dropped() {
        assert_eq!(all(&[b"one\nhal"], 9).await, [line("one"), Next::End]);
    }

    #[tokio::test]
    async fn a_line_of_the_longest_length_fits_and_one_byte_more_does_not() {
        assert_eq!(all(&[b"1234\r\n"], 4).await, [line("1234"), Next::End]);
        assert_eq!(all(&[b"12345\n"], 4).await, [Next::TooLong]);
        assert_eq!(all(&[b"123456789"], 4).await, [Next::TooLong]);
    }

    #[tokio::test]
    async fn a_line_that_is_begun_must_be_finished() {
        let (mut far, near) = tokio::io::duplex(64);
        let mut lines = LineReader::new(near, 64, Some(Duration::from_millis(30)));
        tokio::io::AsyncWriteExt::write_all(&mut far, b"one\nhal").await.expect("it fits");
        assert_eq!(lines.next().await.expect("no error"), line("one"));
        assert_eq!(lines.next().await.expect("no error"), Next::TooSlow);
    }
}
