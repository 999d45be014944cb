//! Room for bytes on their way. Nobody who waits for bytes holds any: it is taken from the thread's store when bytes are
//! there, and goes back when they are gone.

use std::cell::RefCell;
use std::io;
use std::pin::pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncReadExt};

/// The room for heads and short bodies.
pub(super) const SMALL_BYTES: usize = 16 * 1024;
/// The room for long bodies: fewer and larger reads and writes.
const LARGE_BYTES: usize = 256 * 1024;
/// How many buffers a thread keeps for the next request; more are freed.
const SMALL_KEPT_MAX: usize = 64;
const LARGE_KEPT_MAX: usize = 4;
/// How many large buffers a thread may have in use; further bodies go in small steps. So clients that read slowly hold
/// little each.
const LARGE_USED_MAX: usize = 32;
/// After so many reads that filled the whole room, a body is taken for a long one.
const FULL_READS_MAX: u8 = 2;

#[derive(Default)]
struct Store {
    small: Vec<Vec<u8>>,
    large: Vec<Vec<u8>>,
    large_used: usize,
}

thread_local! {
    static STORE: RefCell<Store> = RefCell::default();
}

/// Bytes that have come and are not gone yet.
#[derive(Debug)]
pub(super) struct Buffer {
    bytes: Vec<u8>,
    start: usize,
    full_reads: u8,
    is_large: bool,
}

impl Buffer {
    /// An empty one.
    pub(super) fn new() -> Self {
        let kept = STORE.with_borrow_mut(|store| store.small.pop());
        let bytes = kept.unwrap_or_else(|| Vec::with_capacity(SMALL_BYTES));
        Self { bytes, start: 0, full_reads: 0, is_large: false }
    }

    /// No room at all.
    pub(super) fn none() -> Self {
        Self { bytes: Vec::new(), start: 0, full_reads: 0, is_large: false }
    }

    fn large() -> Option<Self> {
        let kept = STORE.with_borrow_mut(|store| {
            if store.large_used >= LARGE_USED_MAX {
                return None;
            }
            store.large_used += 1;
            Some(store.large.pop())
        })?;
        let bytes = kept.unwrap_or_else(|| Vec::with_capacity(LARGE_BYTES));
        Some(Self { bytes, start: 0, full_reads: 0, is_large: true })
    }

    /// What is there.
    pub(super) fn filled(&self) -> &[u8] {
        &self.bytes[self.start..]
    }

    pub(super) fn is_empty(&self) -> bool {
        self.start == self.bytes.len()
    }

    /// To append to.
    pub(super) fn bytes(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    /// The first `len` bytes are gone.
    pub(super) fn consume(&mut self, len: usize) {
        self.start += len;
        debug_assert!(self.start <= self.bytes.len());
        if self.is_empty() {
            self.bytes.clear();
            self.start = 0;
        }
    }

    /// Only the first `len` bytes stay.
    pub(super) fn keep(&mut self, len: usize) {
        self.bytes.truncate(self.start + len);
        self.consume(0);
    }

    /// Whether so many more bytes fit without growing.
    pub(super) fn has_room_for(&self, len: usize) -> bool {
        self.bytes.capacity() - self.bytes.len() >= len
    }

    /// Makes room for more of a head that is not whole, up to `max` bytes of it; says whether there is any.
    pub(super) fn make_room(&mut self, max: usize) -> bool {
        if self.start > 0 {
            self.bytes.drain(..self.start);
            self.start = 0;
        }
        if self.bytes.len() == self.bytes.capacity() && self.bytes.len() < max {
            self.bytes.reserve_exact((self.bytes.len() * 2).min(max) - self.bytes.len());
        }
        self.bytes.len() < self.bytes.capacity()
    }

    /// Reads what there is, once. There is room.
    pub(super) fn poll_fill(
        &mut self,
        cx: &mut Context<'_>,
        from: &mut impl Source,
    ) -> Poll<io::Result<usize>> {
        debug_assert!(self.bytes.len() < self.bytes.capacity());
        let read = from.poll_receive(cx, &mut self.bytes);
        if let Poll::Ready(Ok(_)) = read {
            let is_full = self.bytes.len() == self.bytes.capacity();
            self.full_reads = if is_full { self.full_reads.saturating_add(1) } else { 0 };
        }
        read
    }

    /// Writes the first `len` bytes, or some of them.
    pub(super) fn poll_drain(
        &mut self,
        len: usize,
        write: impl FnOnce(&[u8]) -> Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        let written = write(&self.filled()[..len]);
        if let Poll::Ready(Ok(written)) = written {
            self.consume(written);
        }
        written
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        let mut bytes = std::mem::take(&mut self.bytes);
        if bytes.capacity() == 0 {
            return;
        }
        bytes.clear();
        // The thread may be ending.
        let _ = STORE.try_with(|store| {
            let mut store = store.borrow_mut();
            let (kept, kept_max, capacity) = match self.is_large {
                true => {
                    store.large_used = store.large_used.saturating_sub(1);
                    (&mut store.large, LARGE_KEPT_MAX, LARGE_BYTES)
                }
                false => (&mut store.small, SMALL_KEPT_MAX, SMALL_BYTES),
            };
            if kept.len() < kept_max && bytes.capacity() == capacity {
                kept.push(bytes);
            }
        });
    }
}

/// Where bytes come from.
pub(crate) trait Source: AsyncRead + Unpin {
    /// Whether it is worth while to have room at hand. While it is not, the task is woken when that may have changed.
    fn poll_stirs(&mut self, _cx: &mut Context<'_>) -> Poll<()> {
        Poll::Ready(())
    }

    /// Reads what there is into the room behind `into`, of which there is some.
    fn poll_receive(&mut self, cx: &mut Context<'_>, into: &mut Vec<u8>) -> Poll<io::Result<usize>> {
        pin!(self.read_buf(into)).poll(cx)
    }
}

/// Reads what there is into a buffer that may not be there yet, and that is given up again when nothing is there.
/// `left`: how many bytes are known to be still to come.
pub(super) fn poll_fill(
    slot: &mut Option<Buffer>,
    cx: &mut Context<'_>,
    from: &mut impl Source,
    left: u64,
) -> Poll<io::Result<usize>> {
    if slot.is_none() && from.poll_stirs(cx).is_pending() {
        return Poll::Pending;
    }
    if slot.as_ref().is_none_or(|buffer| buffer.is_empty() && !buffer.is_large) {
        let is_long = left >= LARGE_BYTES as u64 / 4
            || slot.as_ref().is_some_and(|buffer| buffer.full_reads >= FULL_READS_MAX);
        let larger = if is_long { Buffer::large() } else { None };
        if larger.is_some() || slot.is_none() {
            *slot = Some(larger.unwrap_or_else(Buffer::new));
        }
    }
    let buffer = slot.as_mut().expect("it was put there");
    let read = buffer.poll_fill(cx, from);
    if read.is_pending() && buffer.is_empty() {
        *slot = None;
    }
    read
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_consumed_makes_room() {
        let mut buffer = Buffer::new();
        buffer.bytes().extend_from_slice(b"hello");
        buffer.consume(2);
        assert_eq!(buffer.filled(), b"llo");
        assert!(buffer.make_room(SMALL_BYTES));
        buffer.consume(3);
        assert!(buffer.is_empty() && buffer.filled().is_empty());
    }

    #[test]
    fn a_head_may_grow_to_its_limit_and_no_further() {
        let mut buffer = Buffer::new();
        for _ in 0..2 {
            let full = buffer.bytes().capacity();
            buffer.bytes().resize(full, b'x');
            assert!(buffer.make_room(SMALL_BYTES * 4));
        }
        buffer.bytes().resize(SMALL_BYTES * 4, b'x');
        assert!(!buffer.make_room(SMALL_BYTES * 4));
    }

    #[test]
    fn few_large_ones_are_in_use() {
        let used: Vec<_> = std::iter::from_fn(Buffer::large).collect();
        assert_eq!(used.len(), LARGE_USED_MAX);
        drop(used);
        assert!(Buffer::large().is_some());
    }
}
