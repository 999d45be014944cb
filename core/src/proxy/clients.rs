//! Who is connected, and what each is doing: how a cut finds exactly the connections that hold a release.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;

use super::hold::Held;
use super::holders::{HOLDERS_MAX, Holder, HolderKind};
use super::machine::Crowding;
use super::route::Ledger;

/// A connected client. Its own task changes it; others only ask it to close. Ten thousand idle ones are ten thousand of
/// these, so what few need is in a box.
#[derive(Default)]
pub(crate) struct Client {
    /// The ledger that its request is counted in.
    held: Held,
    is_tunnel: AtomicBool,
    /// Whether an end of its connection now would look like the proper end of its answer.
    close_delimited: AtomicBool,
    asked_to_close: AtomicBool,
    /// One of those below.
    rest: AtomicU8,
    /// Whether its answer is a stream of events.
    is_stream: AtomicBool,
    /// Whether somebody wants to know who it is.
    asked_who: AtomicBool,
    /// The ledger whose requests were asked to go, when this was one of them.
    asked_to_go: AtomicU64,
    /// Whether there may be an order, one of those below: every turn of its task looks.
    order: AtomicU8,
    was_cut: AtomicBool,
    orders: Mutex<Orders>,
}

/// Has not been answered yet.
const NEW: u8 = 0;
/// Was answered.
const ANSWERED: u8 = 1;
/// Was idle when it was looked, and has not been answered since.
const QUIET: u8 = 2;

/// There is no order.
const NONE: u8 = 0;
/// Its request may have to be cut. A bit.
const CUT: u8 = 1;
/// It is to end. A bit, which stays.
const END: u8 = 2;

#[derive(Default)]
struct Orders {
    waker: Option<Waker>,
    rare: Option<Box<Rare>>,
}

/// What few clients are told and say.
#[derive(Default)]
struct Rare {
    cut: Option<Arc<Ledger>>,
    /// Who it is, if it was asked and has answered.
    who: Option<Holder>,
}

/// What a client's task is told.
pub(super) enum Order {
    /// Its request, which is counted in this ledger, is to be cut.
    Cut(Arc<Ledger>),
    /// It is to end, whatever it is doing.
    End,
}

impl Client {
    pub(super) fn held(&self) -> &Held {
        &self.held
    }

    /// Its request has ended: whoever it was is nobody's business any more.
    pub(super) fn let_go(&self) {
        self.held.let_go();
        self.rest.store(ANSWERED, Ordering::Release);
        if self.asked_who.load(Ordering::Acquire) {
            if let Some(rare) = &mut lock(&self.orders).rare {
                rare.who = None;
            }
            self.asked_who.store(false, Ordering::Release);
        }
    }

    pub(super) fn set_tunnel(&self, is_tunnel: bool) {
        self.is_tunnel.store(is_tunnel, Ordering::Release);
    }

    pub(super) fn is_tunnel(&self) -> bool {
        self.is_tunnel.load(Ordering::Acquire)
    }

    pub(super) fn set_stream(&self, is_stream: bool) {
        self.is_stream.store(is_stream, Ordering::Release);
    }

    /// Asks its task to end what it holds of this ledger as soon as that is polite.
    pub(super) fn ask_to_go(&self, ledger: u64) {
        self.asked_to_go.store(ledger, Ordering::Release);
        self.wake();
    }

    /// Whether what it holds of this ledger is to end as soon as that is polite.
    pub(super) fn is_asked_to_go(&self, ledger: u64) -> bool {
        self.asked_to_go.load(Ordering::Acquire) == ledger
    }

    /// Whether somebody wants to know who it is.
    pub(super) fn is_asked_who(&self) -> bool {
        self.asked_who.load(Ordering::Acquire)
    }

    /// Says who it is, or how it is now.
    pub(super) fn say_who(&self, kind: HolderKind, bytes: u64, who: impl FnOnce() -> Holder) {
        let mut orders = lock(&self.orders);
        let said = orders.rare.get_or_insert_default().who.get_or_insert_with(who);
        (said.kind, said.bytes) = (kind, bytes);
    }

    fn ask_who_if_it_holds(&self, ledgers: &[Arc<Ledger>]) {
        if self.held_of(ledgers).is_some() && !self.asked_who.swap(true, Ordering::AcqRel) {
            self.wake();
        }
    }

    /// The one of these that it holds.
    fn held_of(&self, ledgers: &[Arc<Ledger>]) -> Option<u64> {
        ledgers.iter().find(|ledger| self.held.is(&ledger.count)).map(|ledger| ledger.id)
    }

    /// Whether an end of its connection now would look like the proper end of its answer.
    pub(super) fn set_close_delimited(&self, close_delimited: bool) {
        self.close_delimited.store(close_delimited, Ordering::Relaxed);
    }

    pub(super) fn is_close_delimited(&self) -> bool {
        self.close_delimited.load(Ordering::Relaxed)
    }

    /// Takes note if it is idle, and was answered before: whoever has just come may be about to ask.
    fn note_if_quiet(&self) {
        if self.held.is_nothing() && self.rest.load(Ordering::Acquire) != NEW {
            self.rest.store(QUIET, Ordering::Release);
        }
    }

    fn is_quiet(&self) -> bool {
        self.rest.load(Ordering::Acquire) == QUIET && self.held.is_nothing() && !self.is_asked_to_close()
    }

    /// Asks its task to close when it is idle.
    pub(super) fn close(&self) {
        self.asked_to_close.store(true, Ordering::Release);
        self.wake();
    }

    pub(super) fn is_asked_to_close(&self) -> bool {
        self.asked_to_close.load(Ordering::Acquire)
    }

    /// Who to wake when there is an order.
    pub(super) fn set_waker(&self, waker: &Waker) {
        lock(&self.orders).waker = Some(waker.clone());
    }

    /// What it is told, once.
    pub(super) fn take_order(&self) -> Option<Order> {
        if self.order.load(Ordering::Acquire) == NONE {
            return None;
        }
        if self.order.fetch_and(!CUT, Ordering::AcqRel) & END != 0 {
            return Some(Order::End);
        }
        let ledger = lock(&self.orders).rare.as_mut()?.cut.take()?;
        let is_cut = self.held.is(&ledger.count);
        self.was_cut.store(is_cut, Ordering::Relaxed);
        is_cut.then_some(Order::Cut(ledger))
    }

    /// Its task is to end.
    fn end(&self) {
        self.order.fetch_or(END, Ordering::Release);
        self.wake();
    }

    /// Whether its last request was cut.
    pub(super) fn was_cut(&self) -> bool {
        self.was_cut.load(Ordering::Relaxed)
    }

    fn wake(&self) {
        let waker = lock(&self.orders).waker.clone();
        waker.inspect(Waker::wake_by_ref);
    }

    fn cut_if_it_holds(&self, ledger: &Arc<Ledger>) {
        if self.held.is(&ledger.count) {
            lock(&self.orders).rare.get_or_insert_default().cut = Some(Arc::clone(ledger));
            self.order.fetch_or(CUT, Ordering::Release);
            self.wake();
        }
    }
}

/// All clients of a proxy.
#[derive(Default)]
pub(crate) struct Clients {
    by_number: Mutex<HashMap<u64, Arc<Client>>>,
    next: AtomicU64,
    crowding: Mutex<Crowding>,
}

impl Clients {
    /// Another one, and his number, by which he is to be unregistered.
    pub(super) fn register(&self) -> (u64, Arc<Client>) {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let client = Arc::new(Client::default());
        lock(&self.by_number).insert(number, Arc::clone(&client));
        (number, client)
    }

    pub(super) fn unregister(&self, number: u64) {
        lock(&self.by_number).remove(&number);
    }

    /// How many there are.
    pub(super) fn count(&self) -> usize {
        lock(&self.by_number).len()
    }

    /// Asks every client that holds the route to close now.
    pub(super) fn cut(&self, ledger: &Arc<Ledger>) {
        ledger.count.mark_cut();
        for client in lock(&self.by_number).values() {
            client.cut_if_it_holds(ledger);
        }
    }

    /// Asks everybody who holds one of these who he is. The answer comes from his own task.
    pub(super) fn ask_who(&self, ledgers: &[Arc<Ledger>]) {
        for client in lock(&self.by_number).values() {
            client.ask_who_if_it_holds(ledgers);
        }
    }

    /// Those who hold one of these and have said who they are, the oldest first.
    pub(super) fn holders(&self, ledgers: &[Arc<Ledger>]) -> Vec<Holder> {
        let mut holders: Vec<Holder> = Vec::new();
        for client in lock(&self.by_number).values() {
            client.ask_who_if_it_holds(ledgers);
            if client.held_of(ledgers).is_some() {
                holders.extend(lock(&client.orders).rare.as_ref().and_then(|rare| rare.who.clone()));
            }
        }
        holders.sort_by_key(|holder| (holder.since, holder.peer));
        holders.truncate(HOLDERS_MAX);
        holders
    }

    /// Asks everybody who holds one of these to go: requests at once, because it costs them nothing. Returns who is to be
    /// asked one after the other, and for which ledger: tunnels and streams, the oldest connection first.
    pub(super) fn ask_requests_to_go(&self, ledgers: &[Arc<Ledger>]) -> Vec<(Arc<Client>, u64)> {
        let mut left = Vec::new();
        for (number, client) in &*lock(&self.by_number) {
            match client.held_of(ledgers) {
                Some(held) if client.is_tunnel() || client.is_stream.load(Ordering::Acquire) => {
                    left.push((*number, Arc::clone(client), held));
                }
                Some(held) => client.ask_to_go(held),
                None => {}
            }
        }
        left.sort_by_key(|(number, ..)| *number);
        left.into_iter().map(|(_, client, held)| (client, held)).collect()
    }

    /// Everybody's connection ends now.
    pub(super) fn end(&self) {
        for client in lock(&self.by_number).values() {
            client.end();
        }
    }

    /// For whoever finds no place.
    pub(super) fn crowding(&self) -> MutexGuard<'_, Crowding> {
        lock(&self.crowding)
    }

    pub(super) fn note_who_is_quiet(&self) {
        lock(&self.by_number).values().for_each(|client| client.note_if_quiet());
    }

    /// Asks up to `max` clients to close who were idle when that was noted, and have been since: those who came first.
    /// Says how many it asked.
    pub(super) fn ask_quiet_to_close(&self, max: usize) -> usize {
        let clients = lock(&self.by_number);
        let mut quiet: Vec<_> = clients.iter().filter(|(_, client)| client.is_quiet()).collect();
        quiet.sort_unstable_by_key(|(number, _)| **number);
        quiet.truncate(max);
        quiet.iter().for_each(|(_, client)| client.close());
        quiet.len()
    }

    /// Asks every client to close when it is idle.
    pub(super) fn close(&self) {
        for client in lock(&self.by_number).values() {
            client.close();
        }
    }
}

/// A panic of another task leaves nothing half done behind these locks.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// With the counts of its `Arc`, 72 bytes: what an allocator with steps of 16 and a word in front gives for 80.
    #[test]
    fn a_client_is_small() {
        assert!(size_of::<Client>() <= 56, "{}", size_of::<Client>());
    }
}
