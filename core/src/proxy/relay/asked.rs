//! What was asked, for those who count and write it down.

use super::buffer::Buffer;

/// The request line, as long as somebody may want it.
#[derive(Debug)]
pub(super) enum Asked {
    /// At the begin of the head that goes to the application.
    InHead { method: usize, target: usize },
    /// By itself: the head is gone, the answer goes on for long.
    Kept { line: Box<str>, method: usize },
}

impl Asked {
    /// Of a head that was just written: `METHOD target HTTP/1.1`.
    pub(super) fn new(method: &str, target: usize) -> Self {
        Self::InHead { method: method.len(), target }
    }

    /// Makes it independent of the head.
    pub(super) fn keep(&mut self, head: &Buffer) {
        if let Self::InHead { method, target } = *self {
            let line = head.filled().get(..method + 1 + target).unwrap_or_default();
            *self = Self::Kept { line: String::from_utf8_lossy(line).into_owned().into(), method };
        }
    }

    /// Method and target.
    pub(super) fn words<'a>(&'a self, head: &'a Buffer) -> (&'a str, &'a str) {
        let (line, method) = match self {
            Self::InHead { method, target } => {
                let line = head.filled().get(..method + 1 + target).unwrap_or_default();
                (std::str::from_utf8(line).unwrap_or_default(), *method)
            }
            Self::Kept { line, method } => (&**line, *method),
        };
        (line.get(..method).unwrap_or_default(), line.get(method + 1..).unwrap_or_default())
    }
}
