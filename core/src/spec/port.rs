//! Which ports a process may get.

use std::fmt;

/// Ports from `first` to `last`, both included; or whichever the system has free.
///
/// ```
/// use rollcore::PortRange;
/// assert!(PortRange::new(18_000, 18_099).is_ok());
/// assert!(PortRange::new(18_099, 18_000).is_err());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PortRange {
    first: u16,
    last: u16,
}

/// The range ends before it begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a port range cannot go from {first} down to {last}; swap them")]
pub struct InvalidPortRange {
    first: u16,
    last: u16,
}

impl PortRange {
    /// Whichever port the system has free (compat C-50).
    pub const EPHEMERAL: Self = Self { first: 0, last: 0 };

    /// From `first` to `last`, both included.
    ///
    /// # Errors
    /// When `last` is below `first`.
    pub fn new(first: u16, last: u16) -> Result<Self, InvalidPortRange> {
        if first <= last { Ok(Self { first, last }) } else { Err(InvalidPortRange { first, last }) }
    }

    /// Just this one.
    #[must_use]
    pub fn only(port: u16) -> Self {
        Self { first: port, last: port }
    }

    /// The lowest port.
    #[must_use]
    pub fn first(self) -> u16 {
        self.first
    }

    /// The highest port.
    #[must_use]
    pub fn last(self) -> u16 {
        self.last
    }

    /// Whether the system chooses: when either end is 0 (compat C-50).
    #[must_use]
    pub fn is_ephemeral(self) -> bool {
        self.first == 0 || self.last == 0
    }

    /// How many ports there are to choose from.
    #[must_use]
    pub fn len(self) -> u32 {
        u32::from(self.last) - u32::from(self.first) + 1
    }

    /// Never: a range has at least one port.
    #[must_use]
    pub fn is_empty(self) -> bool {
        false
    }

    /// Every port, lowest first.
    pub fn ports(self) -> impl Iterator<Item = u16> {
        self.first..=self.last
    }
}

impl fmt::Display for PortRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.first, self.last)
    }
}
