//! What was asked, for those who count and write it down.

use crate::proxy::holders::{Holder, HolderKind, shown};
use crate::time::Instant;

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

    /// Method and target. Without a head, only what is kept is known.
    pub(super) fn words<'a>(&'a self, head: Option<&'a Buffer>) -> (&'a str, &'a str) {
        let (line, method) = match self {
            Self::InHead { method, target } => {
                let head = head.map(Buffer::filled).unwrap_or_default();
                let line = head.get(..method + 1 + target).unwrap_or_default();
                (std::str::from_utf8(line).unwrap_or_default(), *method)
            }
            Self::Kept { line, method } => (&**line, *method),
        };
        (line.get(..method).unwrap_or_default(), line.get(method + 1..).unwrap_or_default())
    }

    /// What the request is to whoever looks at the status.
    pub(super) fn holder(&self, head: Option<&Buffer>, address: &str, began: Instant) -> Holder {
        let (method, target) = self.words(head);
        Holder {
            peer: address.to_owned(),
            kind: HolderKind::Http,
            method: method.to_owned(),
            path: shown(target).to_owned(),
            since: began,
            bytes: 0,
        }
    }
}
