//! The release that traffic was switched away from.

use std::fmt;
use std::pin::pin;
use std::slice;
use std::sync::Arc;
use std::time::Duration;

use crate::clock;
use crate::id::Generation;
use crate::report::DrainReport;
use crate::time::Instant;

use super::clients::Clients;
use super::holders::Holder;
use super::machine::{DrainAction, DrainEvent, DrainMachine, Tally, WindDown};
use super::route::{Counts, Ledger};
use super::wind_down::wind_down;

/// The release that traffic was switched away from: nothing new reaches it, what it has begun goes on.
///
/// Dropping this cuts nothing. It can only be made by [`DrainingProxy::switch_to`](super::DrainingProxy::switch_to).
#[must_use = "the old release is still answering requests: wait until it is drained before it is stopped"]
pub struct Draining {
    ledger: Arc<Ledger>,
    clients: Arc<Clients>,
    began: Instant,
    ended_at_start: u64,
    wind_down_window: Duration,
}

impl Draining {
    pub(super) fn new(
        ledger: Arc<Ledger>,
        clients: Arc<Clients>,
        began: Instant,
        wind_down_window: Duration,
    ) -> Self {
        Self { ended_at_start: ledger.ended(), ledger, clients, began, wind_down_window }
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

    /// Who is still there: the oldest first, at most [`HOLDERS_MAX`](super::HOLDERS_MAX). What they are is said by
    /// their own threads: who was not asked before may be missing until the next call.
    #[must_use]
    pub fn holders(&self) -> Vec<Holder> {
        self.clients.holders(slice::from_ref(&self.ledger))
    }

    /// Whether nothing of it is open any more, and nothing can be.
    pub(crate) fn is_over(&self) -> bool {
        self.ledger.is_gone()
    }

    /// Waits until all requests are answered and all tunnels closed, at most `budget` from now; what is left then is
    /// cut, and counted in the report. Needs a tokio runtime with time.
    ///
    /// Shortly before that WebSockets and streams of events are asked to go, one after the other; see
    /// [`ProxyLimits::wind_down_window`](crate::ProxyLimits::wind_down_window).
    ///
    /// # Cancel safety
    /// Dropping the future cuts nothing: requests and tunnels go on without a budget.
    pub async fn drained(self, budget: Duration) -> DrainReport {
        let now = clock::now();
        let mut machine = DrainMachine::new(self.began, now + budget);
        let mut gone = pin!(self.ledger.gone());
        let asking = WindDown::new(now, budget, self.wind_down_window);
        let mut asking = pin!(wind_down(&self.clients, slice::from_ref(&self.ledger), asking));
        self.clients.ask_who(slice::from_ref(&self.ledger));
        loop {
            let until = machine.next_timeout().expect("a drain that is not done has a next timeout");
            let event = tokio::select! {
                biased;
                () = gone.as_mut() => DrainEvent::Empty,
                never = asking.as_mut() => match never {},
                () = tokio::time::sleep(until - clock::now()) => DrainEvent::TimeUp,
            };
            match machine.handle(event, self.tally(), clock::now()) {
                Some(DrainAction::Cut) => self.cut_now(),
                Some(DrainAction::Done(report)) => return report,
                None => {}
            }
        }
    }

    /// Asks everybody who is still there to go, at once instead of one after the other when the budget is nearly spent:
    /// WebSockets get a Close frame after the message under way (1012, "Service Restart"), streams of events end after the
    /// event under way, and requests that have no answer yet get it with `Connection: close`.
    pub fn wind_down_now(&self) {
        for (client, ledger) in self.clients.ask_requests_to_go(slice::from_ref(&self.ledger)) {
            client.ask_to_go(ledger);
        }
    }

    /// Cuts what is still open: connections with a request or a tunnel of this release are closed. An answer that has
    /// begun breaks off so that its client cannot take it for whole (compat C-92).
    pub fn cut_now(&self) {
        self.clients.cut(&self.ledger);
    }

    fn tally(&self) -> Tally {
        // Counted from its end: so a request that took the pointer just before the switch, and was not yet in the books
        // just after it, is not missed.
        let open_at_start = self.ledger.opened().saturating_sub(self.ended_at_start);
        Tally { open_at_start, ..self.ledger.tally() }
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
