//! Bytes, taken from the front. Where they end, zeros go on, so that any bytes spell something.

use std::time::Duration;

/// The bytes that are left.
pub struct Bytes<'b>(&'b [u8]);

impl<'b> Bytes<'b> {
    /// All of these.
    pub fn new(bytes: &'b [u8]) -> Self {
        Self(bytes)
    }

    /// The next byte.
    pub fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        *first
    }

    /// Something below `sides`, which is not zero.
    pub fn below(&mut self, sides: usize) -> usize {
        let high = usize::from(self.byte());
        let low = if sides > 256 { usize::from(self.byte()) } else { 0 };
        (high + 256 * low) % sides
    }

    /// Whether the next byte says yes, which most do not.
    pub fn rarely(&mut self) -> bool {
        self.byte() % 4 == 3
    }

    /// One of these.
    pub fn one_of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len())]
    }

    /// One of these many milliseconds.
    pub fn one_of_ms(&mut self, choices: &[u64]) -> Duration {
        Duration::from_millis(self.one_of(choices))
    }

    /// Eight bytes.
    pub fn number(&mut self) -> u64 {
        u64::from_le_bytes(std::array::from_fn(|_| self.byte()))
    }

    /// Whether nothing is left.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All that is left.
    pub fn rest(self) -> &'b [u8] {
        self.0
    }
}
