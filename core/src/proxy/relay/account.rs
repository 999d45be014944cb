//! What is counted of one request. It is handed in when the request ends, however it ends: also when its task is dropped.

use std::sync::Arc;
use std::time::Duration;

use crate::clock;
use crate::proxy::holders::{Holder, HolderKind, shown};
use crate::proxy::record::{Ending, Record, Said};
use crate::proxy::route::{Ledger, Route, Ticket};
use crate::time::Instant;

use super::asked::Asked;
use super::guest::Guest;
use super::moment;

/// One request: its hold on a release, and what came of it so far.
pub(super) struct Account<'c> {
    guest: &'c Guest,
    /// Whether there was a request at all.
    is_open: bool,
    pub(super) began: Instant,
    ticket: Option<Ticket<'c>>,
    /// Who is to blame when the ticket was given up.
    ledger: Option<Arc<Ledger>>,
    pub(super) asked: Asked,
    pub(super) answered: Option<Instant>,
    pub(super) status: Option<u16>,
    pub(super) bytes_in: u64,
    pub(super) bytes_out: u64,
    pub(super) connect_failures: u32,
    pub(super) resets: u32,
    pub(super) retries: u32,
    pub(super) parked: Option<Duration>,
    pub(super) ending: Ending,
    pub(super) is_http_10: bool,
    is_tunnel: bool,
}

impl<'c> Account<'c> {
    /// Of a request of which the first byte has come.
    pub(super) fn new(guest: &'c Guest) -> Self {
        Self {
            guest,
            is_open: true,
            began: moment::now(),
            ticket: None,
            ledger: None,
            asked: Asked::default(),
            answered: None,
            status: None,
            bytes_in: 0,
            bytes_out: 0,
            connect_failures: 0,
            resets: 0,
            retries: 0,
            parked: None,
            ending: Ending::ClientGone,
            is_http_10: false,
            is_tunnel: false,
        }
    }

    /// Binds the request to the release that is active now (compat C-88); `false` when there is none.
    pub(super) fn take_ticket(&mut self) -> bool {
        // The old one first: when it goes, the client is said to hold nothing.
        self.ticket = None;
        self.ticket = Ticket::take(&self.guest.worker.shared.active, self.guest.client());
        self.ticket.is_some()
    }

    /// Lets go of the release, which is not to wait for it.
    pub(super) fn give_up_ticket(&mut self) {
        if let Some(ticket) = self.ticket.take() {
            self.ledger = Some(Arc::clone(&ticket.route().ledger));
        }
    }

    /// Where the request goes.
    pub(super) fn route(&self) -> Option<&Route> {
        self.ticket.as_ref().map(Ticket::route)
    }

    fn ledger(&self) -> Option<&Ledger> {
        self.route().map(|route| &*route.ledger).or(self.ledger.as_deref())
    }

    /// Tells the observer that the application has failed it.
    pub(super) fn tell(&self, message: String, head_sent: bool) {
        if let Some(ledger) = self.ledger() {
            self.guest.worker.shared.tell(ledger.generation, message, head_sent);
        }
    }

    /// Whether it is to end as soon as that is polite.
    pub(super) fn is_to_go(&self) -> bool {
        self.ticket.as_ref().is_some_and(Ticket::is_to_go)
    }

    /// It was asked to go, and went.
    pub(super) fn count_ended(&self) {
        if let Some(ledger) = self.ledger() {
            ledger.count_ended(self.is_tunnel);
        }
    }

    /// Answers whoever wants to know who holds its release. `head`: that of the request, while it is there.
    pub(super) fn say_who(&self, kind: HolderKind, head: &[u8]) {
        if !self.guest.client().is_asked_who() {
            return;
        }
        self.guest.client().say_who(kind, self.bytes_in + self.bytes_out, || {
            let kept;
            let asked = if self.asked.is_empty() {
                kept = Asked::of(head, false);
                &kept
            } else {
                &self.asked
            };
            let (method, target) = asked.line();
            Holder {
                peer: self.guest.peer,
                kind,
                method: String::from_utf8_lossy(method).into_owned(),
                path: shown(&String::from_utf8_lossy(target)).to_owned(),
                since: self.began,
                bytes: 0,
            }
        });
    }

    /// Whether its last byte is about to be written.
    pub(super) fn set_finished(&mut self, is_finished: bool) {
        if let Some(ticket) = &mut self.ticket {
            ticket.set_finished(is_finished);
        }
    }

    /// The head of its answer goes to the client.
    pub(super) fn answers(&mut self, status: u16) {
        self.status = Some(status);
        self.answered = Some(moment::now());
    }

    pub(super) fn become_tunnel(&mut self) {
        self.is_tunnel = true;
        if let Some(ticket) = &mut self.ticket {
            ticket.become_tunnel();
        }
    }

    /// There was no request: the client went away in the middle of its head.
    pub(super) fn forget(&mut self) {
        self.is_open = false;
    }
}

impl Drop for Account<'_> {
    fn drop(&mut self) {
        if !self.is_open {
            return;
        }
        let mut said = Said::by(self.guest.peer);
        if self.is_http_10 {
            said.protocol = "HTTP/1.0";
        }
        if !self.asked.is_empty() {
            self.asked.complete(&mut said);
        }
        let record = Record {
            ledger: self.ledger(),
            answered: self.answered,
            ended: if self.ending == Ending::Whole { moment::now() } else { clock::now() },
            status: self.status,
            bytes_in: self.bytes_in,
            bytes_out: self.bytes_out,
            connect_failures: self.connect_failures,
            resets: self.resets,
            retries: self.retries,
            parked: self.parked,
            ending: if self.guest.client().was_cut() { Ending::Cut } else { self.ending },
            is_tunnel: self.is_tunnel,
            ..Record::new(self.began, said)
        };
        self.guest.worker.finished(&record);
    }
}
