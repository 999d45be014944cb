//! The gate: where a request waits that may not be sent now. What it is told is decided in `machine/park`.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::{Notify, oneshot};
use tokio::time::{sleep, timeout};

use crate::clock;
use crate::id::Generation;
use crate::report::BackendState;
use crate::spec::ProxyLimits;
use crate::time::Instant;

use super::clients::lock;
use super::machine::{ParkCounts, ParkEvent, ParkLimits, Parked, Parking, Place, Target, Unserved, Verdict};

/// How long after a connection died a request is sent again: an application that ends closes its connections one after
/// the other, and the socket that it listens on among them.
/// The next pause is four times as long.
const DEATH_PAUSE: Duration = Duration::from_millis(5);
/// How often that is done: a process that is killed while it is busy takes a moment to be gone, and may be killed again.
const DEATHS_MAX: u32 = 3;

/// Lets requests go, or lets them wait. One per proxy; clones are the same gate.
#[derive(Clone)]
pub(crate) struct Gate(Arc<Inner>);

struct Inner {
    /// What almost every request finds: nothing to wait for.
    is_open: AtomicBool,
    state: Mutex<State>,
    /// The time at which the driver is to look again has changed.
    earlier: Notify,
}

struct State {
    parking: Parking,
    waiting: HashMap<Place, oneshot::Sender<Verdict>>,
    is_driven: bool,
}

impl Gate {
    pub(super) fn new(limits: &ProxyLimits) -> Self {
        let parking = Parking::new(of(limits));
        Self(Arc::new(Inner {
            is_open: AtomicBool::new(parking.is_open()),
            state: Mutex::new(State { parking, waiting: HashMap::new(), is_driven: false }),
            earlier: Notify::new(),
        }))
    }

    /// For whoever comes from now on.
    pub(super) fn set_limits(&self, limits: &ProxyLimits) {
        self.0.tell(ParkEvent::Limits(of(limits)));
    }

    /// One request's dealings with the gate. `bytes` is what it holds in memory while it waits.
    pub(super) fn stay(&self, bytes: usize) -> Stay<'_> {
        Stay { gate: self, bytes, parked: None, deaths: 0 }
    }

    /// Whether a request may be sent without asking. One load.
    pub(super) fn is_open(&self) -> bool {
        self.0.is_open.load(Ordering::Acquire)
    }

    pub(super) fn counts(&self) -> ParkCounts {
        lock(&self.0.state).parking.counts()
    }

    pub(super) fn is_paused(&self) -> bool {
        lock(&self.0.state).parking.is_paused()
    }

    pub(super) fn pause(&self) {
        self.0.tell(ParkEvent::Pause);
    }

    pub(super) fn resume(&self) {
        self.0.tell(ParkEvent::Resume);
    }

    /// Requests go to another release now.
    pub(super) fn switched(&self, target: Option<Target>) {
        self.0.tell(ParkEvent::Switched(target));
    }

    pub(super) fn backend_is(&self, generation: Generation, backend: usize, state: BackendState) {
        self.0.tell(ParkEvent::Told(generation, backend, state));
    }

    /// Nobody waits any more.
    pub(super) fn end(&self) {
        self.0.tell(ParkEvent::End);
    }
}

fn of(limits: &ProxyLimits) -> ParkLimits {
    ParkLimits {
        timeout: limits.park_timeout,
        parked_max: limits.parked_max,
        bytes_max: limits.parked_bytes_max,
    }
}

impl Inner {
    fn tell(&self, event: ParkEvent) {
        self.handle(&mut lock(&self.state), event, clock::now());
    }

    fn handle(&self, state: &mut State, event: ParkEvent, now: Instant) {
        let before = state.parking.next_timeout();
        let verdicts = state.parking.handle(event, now);
        self.is_open.store(state.parking.is_open(), Ordering::Release);
        for (place, verdict) in verdicts {
            if let Some(waiting) = state.waiting.remove(&place) {
                // Whoever has left meanwhile says so when he drops his stay.
                let _ = waiting.send(verdict);
            }
        }
        if state.parking.next_timeout() != before {
            self.earlier.notify_one();
        }
    }

    /// `None` is the end of the driver: whoever waits from then on starts another one.
    fn next_timeout(&self) -> Option<Instant> {
        let mut state = lock(&self.state);
        let next = state.parking.next_timeout();
        state.is_driven = next.is_some();
        next
    }

    /// Comes back whenever the machine wants to look again, as long as anybody waits.
    async fn drive(self: Arc<Self>) {
        let _driver = Driver(&self);
        loop {
            let Some(next) = self.next_timeout() else { return };
            tokio::select! {
                biased;
                () = self.earlier.notified() => {}
                () = sleep(next - clock::now()) => self.tell(ParkEvent::TimeUp),
            }
        }
    }
}

/// While it lives, somebody drives. It may be dropped with its runtime.
struct Driver<'i>(&'i Inner);

impl Drop for Driver<'_> {
    fn drop(&mut self) {
        lock(&self.0.state).is_driven = false;
    }
}

/// One request's dealings with the gate, from its head until that of its answer. Nothing is allocated before it waits.
///
/// ```text
/// loop {
///     stay.enter().await?;                         // paused, or nobody there: waits
///     let ticket = Ticket::take(…);                // whichever release is active now
///     match dial(ticket.route()) {
///         Ok(connection) => stay.connected(route), // and send the request
///         Err(refused)   => { drop(ticket); stay.refused(route).await?; continue }
///     }
/// }
/// ```
pub(crate) struct Stay<'g> {
    gate: &'g Gate,
    bytes: usize,
    /// From the first time that it had to wait.
    parked: Option<Parked>,
    deaths: u32,
}

impl Stay<'_> {
    /// Before a release is chosen. Waits while traffic is paused or the application is restarted, in the order of
    /// arrival.
    ///
    /// # Errors
    /// Why the request is not to be sent.
    ///
    /// # Cancel safety
    /// A request that leaves gives its place up.
    pub(super) async fn enter(&mut self) -> Result<(), Unserved> {
        if self.gate.is_open() && self.parked.is_none() {
            return Ok(());
        }
        self.ask(ParkEvent::Came).await
    }

    /// No backend of this route accepted a connection: nothing was sent, so this is for every method. After `Ok` a
    /// release is to be chosen anew. The ticket must be dropped before: a drain does not wait for whoever waits here.
    ///
    /// # Errors
    /// Why the request is not to be sent.
    ///
    /// # Cancel safety
    /// As [`enter`](Self::enter).
    pub(super) async fn refused(&mut self, route: u64) -> Result<(), Unserved> {
        self.ask(|parked| ParkEvent::Refused(parked, route)).await
    }

    /// A fresh connection to this route ended before its first byte of an answer, and the request may be sent again.
    /// It may be [`DEATHS_MAX`] times: who is the reason for the death of an application must not kill it for ever.
    /// Otherwise as [`refused`](Self::refused).
    ///
    /// # Errors
    /// Why the request is not to be sent.
    ///
    /// # Cancel safety
    /// As [`enter`](Self::enter).
    pub(super) async fn died(&mut self, route: u64) -> Result<(), Unserved> {
        if self.deaths == DEATHS_MAX {
            return Err(Unserved::NobodyListens);
        }
        sleep(DEATH_PAUSE * 4_u32.pow(self.deaths)).await;
        self.deaths += 1;
        self.ask(|parked| ParkEvent::Died(parked, route)).await
    }

    /// A connection to this route was made, or answered. Costs one load when nobody waits.
    pub(super) fn connected(&mut self, route: u64) {
        if self.parked.is_some() || !self.gate.is_open() {
            let place = self.parked.map(|parked| parked.place);
            self.gate.0.tell(ParkEvent::Connected(place, route));
        }
    }

    async fn ask(&mut self, event: impl FnOnce(Parked) -> ParkEvent) -> Result<(), Unserved> {
        let (answer, deadline) = self.register(event);
        match self.gate.0.hear(answer, deadline).await {
            Verdict::Go => Ok(()),
            Verdict::Unserved(unserved) => Err(unserved),
        }
    }

    fn register(&mut self, event: impl FnOnce(Parked) -> ParkEvent) -> (oneshot::Receiver<Verdict>, Instant) {
        let inner = &self.gate.0;
        let mut state = lock(&inner.state);
        let now = clock::now();
        let (tell, answer) = oneshot::channel();
        let parked = *self.parked.get_or_insert_with(|| state.parking.admit(self.bytes, now));
        state.waiting.insert(parked.place, tell);
        let before = state.parking.counts().total;
        inner.handle(&mut state, event(parked), now);
        let is_new = parked.is_new && state.parking.counts().total == before;
        self.parked = Some(Parked { is_new, ..parked });
        if state.parking.next_timeout().is_some() && !std::mem::replace(&mut state.is_driven, true) {
            tokio::spawn(Arc::clone(inner).drive());
        }
        (answer, parked.deadline)
    }
}

impl Inner {
    async fn hear(&self, mut answer: oneshot::Receiver<Verdict>, deadline: Instant) -> Verdict {
        // The driver may have gone with the runtime that it was started on: nobody waits for longer than he may.
        if let Ok(Ok(verdict)) = timeout(deadline - clock::now(), &mut answer).await {
            return verdict;
        }
        self.tell(ParkEvent::TimeUp);
        answer.await.unwrap_or(Verdict::Unserved(Unserved::Ended))
    }
}

impl Drop for Stay<'_> {
    fn drop(&mut self) {
        let Some(parked) = self.parked else { return };
        let mut state = lock(&self.gate.0.state);
        state.waiting.remove(&parked.place);
        self.gate.0.handle(&mut state, ParkEvent::Left(parked.place), clock::now());
    }
}
