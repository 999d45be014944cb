//! What is known of one request when it ends.

use std::net::SocketAddr;
use std::time::Duration;

use crate::time::Instant;

use super::route::Ledger;
use super::shared::Worker;

/// What is known of one request when it ends. It borrows: making one and counting it allocates nothing.
///
/// Whoever serves a request makes it when the head is there, fills it in on the way, and hands it to
/// [`Worker::finished`] once, before the request's ticket goes.
#[derive(Clone)]
pub(crate) struct Record<'r> {
    /// Whose answer it was; `None` when no release was taken (400, 431, no active release).
    pub(super) ledger: Option<&'r Ledger>,
    /// When its head was there.
    pub(super) began: Instant,
    /// When the head of the answer was sent; of a tunnel, when it opened.
    pub(super) answered: Option<Instant>,
    /// When the last byte of the answer was handed to the kernel, or it was known that it never will be.
    pub(super) ended: Instant,
    /// What was sent to the client; `None` when no head was sent.
    pub(super) status: Option<u16>,
    /// Bytes of its body, framing excluded; of a tunnel, from the client.
    pub(super) bytes_in: u64,
    /// Bytes of the answer's body, framing excluded; of a tunnel, to the client.
    pub(super) bytes_out: u64,
    /// Connections to the application that could not be made for it.
    pub(super) connect_failures: u32,
    /// Connections to the application that broke while it was on them, before or after the head of the answer.
    pub(super) resets: u32,
    /// How often it was sent again.
    pub(super) retries: u32,
    /// How long it was parked; `None` when it never was.
    pub(super) parked: Option<Duration>,
    /// How it ended.
    pub(super) ending: Ending,
    /// Whether it became a tunnel.
    pub(super) is_tunnel: bool,
    /// What only the access log wants.
    pub(super) said: Said<'r>,
}

/// What only the access log wants. May stay empty unless [`Worker::keeps_lines`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct Said<'r> {
    /// Who is connected: the client, or the front that speaks for it.
    pub(super) peer: SocketAddr,
    pub(super) method: &'r [u8],
    /// As it came, with its query.
    pub(super) target: &'r [u8],
    pub(super) host: &'r [u8],
    pub(super) user_agent: &'r [u8],
    pub(super) request_id: &'r [u8],
    /// Such as `HTTP/1.1`.
    pub(super) protocol: &'static str,
}

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// Its answer was sent to the end; a tunnel was closed by one of its sides.
    Whole,
    /// The application failed it when the head of its answer was sent already (compat C-92).
    BrokenOff,
    /// The client went away, or took too long, before that.
    ClientGone,
    /// It was cut, which the ledger counts ([`Ledger::count_cut`]).
    Cut,
}

impl Ending {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Whole => "whole",
            Self::BrokenOff => "broken-off",
            Self::ClientGone => "client-gone",
            Self::Cut => "cut",
        }
    }
}

impl<'r> Record<'r> {
    /// Of a request whose head was there at `began`. As long as nothing else is known, its client is gone.
    pub(super) fn new(began: Instant, said: Said<'r>) -> Self {
        Self {
            ledger: None,
            began,
            answered: None,
            ended: began,
            status: None,
            bytes_in: 0,
            bytes_out: 0,
            connect_failures: 0,
            resets: 0,
            retries: 0,
            parked: None,
            ending: Ending::ClientGone,
            is_tunnel: false,
            said,
        }
    }

    pub(super) fn took(&self) -> Duration {
        self.ended - self.began
    }
}

impl<'r> Said<'r> {
    /// Nothing but who is connected.
    pub(super) fn by(peer: SocketAddr) -> Self {
        Self {
            peer,
            method: b"",
            target: b"",
            host: b"",
            user_agent: b"",
            request_id: b"",
            protocol: "HTTP/1.1",
        }
    }
}

impl Worker {
    /// Whether somebody wants to read what was [said](Said): else it need not be kept.
    pub(super) fn keeps_lines(&self) -> bool {
        self.shared.is_logged()
    }

    /// Counts a request that has ended: a few additions to memory that no other thread writes. To be called once for
    /// each head that came, and before the request's ticket goes. Whoever has the last byte of an answer may look before
    /// that: counts follow a moment later.
    pub(super) fn finished(&self, record: &Record<'_>) {
        let book = record.ledger.map_or(&self.shared.unrouted, |ledger| &ledger.book);
        book.page(self.number).count(record);
        if let Some(log) = self.shared.access_log() {
            log.take(record);
        }
    }
}
