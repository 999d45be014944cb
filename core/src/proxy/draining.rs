//! The release that traffic was switched away from.

use std::fmt;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use crate::clock;
use crate::id::Generation;
use crate::report::DrainReport;
use crate::time::Instant;

use super::clients::Clients;
use super::machine::{DrainAction, DrainEvent, DrainMachine, Tally};
use super::route::{Counts, Ledger};

/// The release that traffic was switched away from: nothing new reaches it, what it has begun goes on.
///
/// Dropping this cuts nothing. It can only be made by [`DrainingProxy::switch_to`](super::DrainingProxy::switch_to).
#[must_use = "the old release is still answering requests: wait until it is drained before it is stopped"]
pub struct Draining {
    ledger: Arc<Ledger>,
    clients: Arc<Clients>,
    began: Instant,
    ended_at_start: u64,
}

impl Draining {
    pub(super) fn new(ledger: Arc<Ledger>, clients: Arc<Clients>, began: Instant) -> Self {
        Self { ended_at_start: ledger.ended(), ledger, clients, began }
    }

    /// The release.
    #[must_use]
    pub fn generation(&self) -> Generation {
        self.ledger.generation
    }

    /// What is still open of it.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.ledger.counts()
    }

    /// Whether nothing of it is open any more, and nothing can be.
    pub(crate) fn is_over(&self) -> bool {
        self.ledger.is_gone()
    }

    /// Waits until all requests are answered and all tunnels closed, at most `budget` from now; what is left then is
    /// cut, and counted in the report. Needs a tokio runtime with time.
    ///
    /// # Cancel safety
    /// Dropping the future cuts nothing: requests and tunnels go on without a budget.
    pub async fn drained(self, budget: Duration) -> DrainReport {
        let mut machine = DrainMachine::new(self.began, clock::now() + budget);
        let mut gone = pin!(self.ledger.gone());
        loop {
            let until = machine.next_timeout().expect("a drain that is not done has a next timeout");
            let event = tokio::select! {
                biased;
                () = gone.as_mut() => DrainEvent::Empty,
                () = tokio::time::sleep(until - clock::now()) => DrainEvent::TimeUp,
            };
            match machine.handle(event, self.tally(), clock::now()) {
                Some(DrainAction::Cut) => self.cut_now(),
                Some(DrainAction::Done(report)) => return report,
                None => {}
            }
        }
    }

    /// Cuts what is still open: connections with a request or a tunnel of this release are closed. An answer that has
    /// begun breaks off so that its client cannot take it for whole (compat C-92).
    pub fn cut_now(&self) {
        self.clients.cut(&self.ledger);
    }

    fn tally(&self) -> Tally {
        let (requests_cut, tunnels_cut) = self.ledger.cut();
        // Counted from its end: so a request that took the pointer just before the switch, and was not yet in the books
        // just after it, is not missed.
        let open_at_start = self.ledger.opened().saturating_sub(self.ended_at_start);
        Tally { open_at_start, requests_cut, tunnels_cut }
    }
}

impl fmt::Debug for Draining {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Draining")
            .field("generation", &self.generation())
            .field("open", &self.counts())
            .finish()
    }
}
