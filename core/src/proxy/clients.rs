//! Who is connected, and what each is doing: how a cut finds exactly the connections that hold a release.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use super::route::Ledger;
use super::tunnel::Tunnel;

/// A connected client. Its own task changes it; others only ask it to close.
#[derive(Default)]
pub(crate) struct Client {
    /// The ledger that its request is counted in; 0 while it has none.
    holds: AtomicU64,
    is_tunnel: AtomicBool,
    /// Where its answer is.
    answer: AtomicU8,
    /// Whether some of its request is still to come.
    request_open: AtomicBool,
    /// Whether its request broke off.
    request_failed: AtomicBool,
    /// Whether the end of its answer is the end of its connection.
    close_delimited: AtomicBool,
    /// Whether its connection must end with a reset.
    must_reset: AtomicBool,
    asked_to_close: AtomicBool,
    cut: Mutex<Option<Arc<Ledger>>>,
    wake: Notify,
    tunnel: Mutex<Option<Tunnel>>,
    last_words: Mutex<Option<&'static [u8]>>,
}

const IDLE: u8 = 0;
const ANSWERING: u8 = 1;
const ANSWERED: u8 = 2;

/// What a client's task was asked to do.
pub(crate) enum Order {
    /// Close when the request under way is answered.
    Close,
    /// Close now: what it holds is counted as cut here.
    Cut(Arc<Ledger>),
    /// Nothing that still applies.
    Nothing,
}

impl Client {
    pub(super) fn hold(&self, ledger: u64) {
        self.holds.store(ledger, Ordering::SeqCst);
    }

    pub(super) fn set_tunnel(&self, is_tunnel: bool) {
        self.is_tunnel.store(is_tunnel, Ordering::Release);
    }

    pub(super) fn is_tunnel(&self) -> bool {
        self.is_tunnel.load(Ordering::Acquire)
    }

    /// A request has come.
    pub(super) fn begin(&self, request_open: bool) {
        self.request_open.store(request_open, Ordering::Relaxed);
        self.close_delimited.store(false, Ordering::Relaxed);
        self.answer.store(ANSWERING, Ordering::Relaxed);
    }

    /// All of the request has come.
    pub(super) fn request_ended(&self) {
        self.request_open.store(false, Ordering::Relaxed);
    }

    /// Its request broke off: what fails now is not the application's fault.
    pub(super) fn request_broke_off(&self) {
        self.request_failed.store(true, Ordering::Relaxed);
    }

    /// Whether its request broke off. Its connection cannot carry another one.
    pub(super) fn has_failed(&self) -> bool {
        self.request_failed.load(Ordering::Relaxed)
    }

    /// Whether some of its request is still to come.
    pub(super) fn request_is_open(&self) -> bool {
        self.request_open.load(Ordering::Relaxed)
    }

    /// The last byte of the answer is in the buffer.
    pub(super) fn answered(&self) {
        self.answer.store(ANSWERED, Ordering::Relaxed);
    }

    /// The buffer is empty.
    pub(super) fn flushed(&self) {
        let _ = self.answer.compare_exchange(ANSWERED, IDLE, Ordering::Relaxed, Ordering::Relaxed);
    }

    /// Whether a whole request waits for the rest of its answer.
    pub(super) fn waits_for_answer(&self) -> bool {
        self.answer.load(Ordering::Relaxed) != IDLE && !self.request_is_open()
    }

    pub(super) fn answer_ends_with_connection(&self) {
        self.close_delimited.store(true, Ordering::Relaxed);
    }

    /// The answer breaks off: an end that would look like its proper end becomes a reset (compat C-92).
    pub(super) fn break_off(&self) {
        if self.close_delimited.load(Ordering::Relaxed) {
            self.must_reset.store(true, Ordering::Relaxed);
        }
    }

    pub(super) fn must_reset(&self) -> bool {
        self.must_reset.load(Ordering::Relaxed)
    }

    pub(super) fn set_tunnel_to_run(&self, tunnel: Tunnel) {
        *lock(&self.tunnel) = Some(tunnel);
    }

    pub(super) fn tunnel_to_run(&self) -> Option<Tunnel> {
        lock(&self.tunnel).take()
    }

    /// What to send before the connection is closed without a proper answer.
    pub(super) fn set_last_words(&self, words: &'static [u8]) {
        *lock(&self.last_words) = Some(words);
    }

    pub(super) fn last_words(&self) -> Option<&'static [u8]> {
        lock(&self.last_words).take()
    }

    /// Asks its task to close when it is idle.
    pub(super) fn close(&self) {
        self.asked_to_close.store(true, Ordering::Release);
        self.wake.notify_one();
    }

    /// The next order. Cancel safe: an order that nobody took is told again.
    pub(super) async fn order(&self) -> Order {
        self.wake.notified().await;
        if let Some(ledger) = lock(&self.cut).take()
            && self.holds.load(Ordering::SeqCst) == ledger.id
        {
            return Order::Cut(ledger);
        }
        if self.asked_to_close.load(Ordering::Acquire) { Order::Close } else { Order::Nothing }
    }

    fn cut_if_it_holds(&self, ledger: &Arc<Ledger>) {
        if self.holds.load(Ordering::SeqCst) == ledger.id {
            *lock(&self.cut) = Some(Arc::clone(ledger));
            self.wake.notify_one();
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
        ledger.mark_cut();
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
