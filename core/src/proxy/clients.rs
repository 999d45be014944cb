//! Who is connected, and what each is doing: how a cut finds exactly the connections that hold a release.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;

use super::hold::Held;
use super::route::Ledger;

/// A connected client. Its own task changes it; others only ask it to close.
#[derive(Default)]
pub(crate) struct Client {
    /// The ledger that its request is counted in.
    held: Held,
    is_tunnel: AtomicBool,
    /// Whether an end of its connection now would look like the proper end of its answer.
    close_delimited: AtomicBool,
    asked_to_close: AtomicBool,
    /// Whether there may be an order to cut: every turn of its task looks.
    has_cut: AtomicBool,
    was_cut: AtomicBool,
    orders: Mutex<Orders>,
}

#[derive(Default)]
struct Orders {
    cut: Option<Arc<Ledger>>,
    waker: Option<Waker>,
}

impl Client {
    pub(super) fn held(&self) -> &Held {
        &self.held
    }

    pub(super) fn set_tunnel(&self, is_tunnel: bool) {
        self.is_tunnel.store(is_tunnel, Ordering::Release);
    }

    pub(super) fn is_tunnel(&self) -> bool {
        self.is_tunnel.load(Ordering::Acquire)
    }

    /// Whether an end of its connection now would look like the proper end of its answer.
    pub(super) fn set_close_delimited(&self, close_delimited: bool) {
        self.close_delimited.store(close_delimited, Ordering::Relaxed);
    }

    pub(super) fn is_close_delimited(&self) -> bool {
        self.close_delimited.load(Ordering::Relaxed)
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

    /// The ledger whose requests are to be cut, if this is one of them.
    pub(super) fn take_cut(&self) -> Option<Arc<Ledger>> {
        if !self.has_cut.load(Ordering::Acquire) || !self.has_cut.swap(false, Ordering::AcqRel) {
            return None;
        }
        let ledger = lock(&self.orders).cut.take()?;
        let is_cut = self.held.is(&ledger.count);
        self.was_cut.store(is_cut, Ordering::Relaxed);
        is_cut.then_some(ledger)
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
            lock(&self.orders).cut = Some(Arc::clone(ledger));
            self.has_cut.store(true, Ordering::Release);
            self.wake();
        }
    }
}

/// All clients of a proxy.
#[derive(Default)]
pub(crate) struct Clients {
    by_number: Mutex<HashMap<u64, Arc<Client>>>,
    next: AtomicU64,
}

impl Clients {
    pub(super) fn register(self: &Arc<Self>) -> Registered {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let client = Arc::new(Client::default());
        lock(&self.by_number).insert(number, Arc::clone(&client));
        Registered { clients: Arc::clone(self), number, client }
    }

    /// Asks every client that holds the route to close now.
    pub(super) fn cut(&self, ledger: &Arc<Ledger>) {
        ledger.count.mark_cut();
        for client in lock(&self.by_number).values() {
            client.cut_if_it_holds(ledger);
        }
    }

    /// Asks every client to close when it is idle.
    pub(super) fn close(&self) {
        for client in lock(&self.by_number).values() {
            client.close();
        }
    }
}

/// A client's place in the list, until it is dropped.
pub(crate) struct Registered {
    clients: Arc<Clients>,
    number: u64,
    pub(super) client: Arc<Client>,
}

impl Drop for Registered {
    fn drop(&mut self) {
        lock(&self.clients.by_number).remove(&self.number);
    }
}

/// A panic of another task leaves nothing half done behind these locks.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
