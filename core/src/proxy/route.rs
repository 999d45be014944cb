//! Where requests go, and how many are on their way: the pointer and the count are one thing.
//!
//! A request holds its route. The route ends when the last holder lets go, and only then is the release drained: a
//! request that has seen the pointer cannot be missed, because seeing it is holding it.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use arc_swap::ArcSwapOption;
use tokio::sync::{Semaphore, SemaphorePermit, watch};

use crate::id::Generation;

use super::book::Book;
use super::clients::Client;
use super::hold::{self, Count, Counted};
use super::machine::Tally;

/// Where an application listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Backend {
    /// At this address.
    Address(SocketAddr),
    /// At this name, which is looked up for each new connection.
    Name {
        /// The name, or an address as text.
        host: String,
        /// The port.
        port: u16,
    },
    /// At this Unix socket. Costs the application a quarter less than a connection over TCP.
    Unix(PathBuf),
}

impl Backend {
    /// What an application is told to be called when a client does not say it (HTTP/1.0 without `Host`).
    pub(super) fn authority(&self) -> String {
        match self {
            Self::Address(_) | Self::Name { .. } => self.to_string(),
            // A path is no name of a host (RFC 9110 §7.2).
            Self::Unix(_) => "localhost".to_owned(),
        }
    }
}

impl From<PathBuf> for Backend {
    fn from(socket: PathBuf) -> Self {
        Self::Unix(socket)
    }
}

impl From<SocketAddr> for Backend {
    fn from(address: SocketAddr) -> Self {
        Self::Address(address)
    }
}

impl From<(&str, u16)> for Backend {
    fn from((host, port): (&str, u16)) -> Self {
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        match bare.parse() {
            Ok(address) => Self::Address(SocketAddr::new(address, port)),
            Err(_) => Self::Name { host: host.to_owned(), port },
        }
    }
}

impl From<(String, u16)> for Backend {
    fn from((host, port): (String, u16)) -> Self {
        Self::from((host.as_str(), port))
    }
}

impl fmt::Display for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => address.fmt(f),
            Self::Name { host, port } => write!(f, "{host}:{port}"),
            Self::Unix(socket) => socket.display().fmt(f),
        }
    }
}

/// What a proxy is switched to.
#[derive(Clone, Debug)]
pub struct Traffic {
    pub(super) to: Option<(Generation, Vec<Backend>)>,
    pub(super) is_supervised: bool,
}

impl Traffic {
    /// Requests go to these backends in turn; one that refuses a connection is passed over. Without any, each request
    /// is answered with 502.
    #[must_use]
    pub fn to<B: Into<Backend>>(generation: Generation, backends: impl IntoIterator<Item = B>) -> Self {
        let backends = backends.into_iter().map(Into::into).collect();
        Self { to: Some((generation, backends)), is_supervised: false }
    }

    /// Requests are answered with 503 (compat C-90).
    #[must_use]
    pub fn none() -> Self {
        Self { to: None, is_supervised: false }
    }

    /// Somebody will tell how the backends are, with [`DrainingProxy::backend_is`](super::DrainingProxy::backend_is):
    /// a request that reaches none of them waits for that word, and while a process is restarted. Without this it is
    /// answered with 502 at once.
    #[must_use]
    pub fn supervised(self) -> Self {
        Self { is_supervised: true, ..self }
    }
}

/// What is open of a release (compat C-105).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Requests, from their head to the end of their answer.
    pub http: u64,
    /// WebSockets, until both sides are closed.
    pub websocket: u64,
}

impl Counts {
    /// Both.
    #[must_use]
    pub fn total(self) -> u64 {
        self.http + self.websocket
    }
}

/// The books of a route. They outlive it, so that its drain can be told.
pub(crate) struct Ledger {
    pub(super) id: u64,
    pub(super) generation: Generation,
    pub(super) book: Arc<Book>,
    pub(super) count: Count,
    tunnels: AtomicU64,
    requests_cut: AtomicU64,
    tunnels_cut: AtomicU64,
    streams_ended: AtomicU64,
    tunnels_ended: AtomicU64,
    gone: watch::Sender<bool>,
}

impl Ledger {
    pub(super) fn counts(&self) -> Counts {
        let websocket = self.tunnels.load(Ordering::Acquire);
        Counts { http: self.count.open().saturating_sub(websocket), websocket }
    }

    pub(super) fn ended(&self) -> u64 {
        self.count.ended()
    }

    pub(super) fn opened(&self) -> u64 {
        self.count.opened()
    }

    /// Those that did not end by themselves.
    pub(super) fn tally(&self) -> Tally {
        let read = |count: &AtomicU64| count.load(Ordering::Acquire);
        Tally {
            open_at_start: 0,
            requests_cut: read(&self.requests_cut),
            tunnels_cut: read(&self.tunnels_cut),
            streams_ended: read(&self.streams_ended),
            tunnels_ended: read(&self.tunnels_ended),
        }
    }

    pub(super) fn count_cut(&self, tunnel: bool) {
        let cut = if tunnel { &self.tunnels_cut } else { &self.requests_cut };
        cut.fetch_add(1, Ordering::AcqRel);
        self.book.count_cut(tunnel);
    }

    /// One was asked to go, and went.
    pub(super) fn count_ended(&self, tunnel: bool) {
        let ended = if tunnel { &self.tunnels_ended } else { &self.streams_ended };
        ended.fetch_add(1, Ordering::AcqRel);
    }

    /// Whether no request holds the route, and the proxy does not either.
    pub(super) fn is_gone(&self) -> bool {
        *self.gone.borrow()
    }

    /// Waits until no request holds the route, and the proxy does not either.
    pub(super) async fn gone(&self) {
        // An error means that the sender is gone, which `self` holds.
        let _ = self.gone.subscribe().wait_for(|gone| *gone).await;
    }
}

/// Where requests go.
pub(crate) struct Route {
    pub(super) ledger: Arc<Ledger>,
    backends: Vec<Backend>,
    /// For each backend, how many connections may be under way to be established.
    connects: Vec<Semaphore>,
    next: AtomicUsize,
}

impl Route {
    pub(super) fn new(
        id: u64,
        generation: Generation,
        backends: Vec<Backend>,
        book: Arc<Book>,
        connects_max: usize,
    ) -> Self {
        let ledger = Arc::new(Ledger {
            id,
            generation,
            book,
            count: Count::new(id),
            tunnels: AtomicU64::new(0),
            requests_cut: AtomicU64::new(0),
            tunnels_cut: AtomicU64::new(0),
            streams_ended: AtomicU64::new(0),
            tunnels_ended: AtomicU64::new(0),
            gone: watch::Sender::new(false),
        });
        let connects_max = connects_max.clamp(1, Semaphore::MAX_PERMITS);
        let connects = backends.iter().map(|_| Semaphore::new(connects_max)).collect();
        Self { ledger, backends, connects, next: AtomicUsize::new(0) }
    }

    /// A place among the connections that are being made to a backend, in the order of asking; it is given up when the
    /// connection is made. `None` when there is no such backend.
    ///
    /// # Cancel safety
    /// The place in the order is lost.
    pub(super) async fn place_to_connect(&self, backend: usize) -> Option<SemaphorePermit<'_>> {
        self.connects.get(backend)?.acquire().await.ok()
    }

    pub(super) fn backends(&self) -> &[Backend] {
        &self.backends
    }

    /// Whose turn it is.
    pub(super) fn next_backend(&self) -> usize {
        match self.backends.len() {
            0 | 1 => 0,
            several => self.next.fetch_add(1, Ordering::Relaxed) % several,
        }
    }
}

impl Counted for Route {
    fn count(&self) -> &Count {
        &self.ledger.count
    }
}

impl Drop for Route {
    fn drop(&mut self) {
        self.ledger.gone.send_replace(true);
    }
}

/// A request's hold on its route: taken in one step with the pointer, counted until it is dropped.
pub(crate) struct Ticket<'c> {
    route: Arc<Route>,
    client: &'c Client,
    is_tunnel: bool,
    is_finished: bool,
}

impl<'c> Ticket<'c> {
    /// `None` when there is no active release.
    pub(super) fn take(active: &ArcSwapOption<Route>, client: &'c Client) -> Option<Self> {
        let route = hold::take(|| active.load_full(), client.held())?;
        Some(Self { client, is_tunnel: false, is_finished: false, route })
    }

    pub(super) fn route(&self) -> &Route {
        &self.route
    }

    /// Whether it is to end as soon as that is polite.
    pub(super) fn is_to_go(&self) -> bool {
        self.client.is_asked_to_go(self.route.ledger.id)
    }

    /// Whether it counts as ended: said just before the last byte is written, because whoever has that byte may look at the
    /// books at once; taken back when the byte could not be written yet.
    pub(super) fn set_finished(&mut self, is_finished: bool) {
        if self.is_finished != is_finished {
            self.route.ledger.count.count_end(is_finished);
        }
        self.is_finished = is_finished;
    }

    /// From here on counted as a WebSocket.
    pub(super) fn become_tunnel(&mut self) {
        self.is_tunnel = true;
        self.client.set_tunnel(true);
        self.route.ledger.tunnels.fetch_add(1, Ordering::AcqRel);
        self.route.ledger.book.tunnel_opened();
    }
}

impl Drop for Ticket<'_> {
    fn drop(&mut self) {
        self.client.let_go();
        self.set_finished(true);
        let ledger = &self.route.ledger;
        if self.is_tunnel {
            self.client.set_tunnel(false);
            ledger.tunnels.fetch_sub(1, Ordering::AcqRel);
        }
    }
}
