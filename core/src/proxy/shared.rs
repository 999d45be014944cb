//! What the proxy's handle and its workers have in common.

use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, Weak};

use arc_swap::{ArcSwap, ArcSwapOption, Cache, Guard};
use tokio::sync::watch;

use crate::clock;
use crate::id::Generation;
use crate::spec::{ProxyLimits, TrustedFronts};

use super::accept::{Admissions, Place, Places, connections_possible};
use super::access::AccessLog;
use super::book::{Book, Books};
use super::clients::{Clients, lock};
use super::draining::Draining;
use super::holders::Holder;
use super::machine::{Target, TrafficCounts};
use super::parking::Gate;
use super::relay::Pool;
use super::route::{Counts, Ledger, Route, Traffic};
use super::tls::TlsFront;
use super::{ProxyOptions, TlsError, UpstreamError};

/// How far the end of a proxy has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    Serving,
    /// No new connections; those that are there are closed with their next answer. Whether somebody else takes those
    /// that wait to be accepted.
    Leaving {
        handover: bool,
    },
    /// No new connections; those that are there finish what they do.
    Closing,
    /// Everything ends now.
    Ending,
}

/// One per proxy.
pub(crate) struct Shared {
    pub(super) options: ProxyOptions,
    limits: ArcSwap<ProxyLimits>,
    pub(super) active: ArcSwapOption<Route>,
    pub(super) trusted: ArcSwap<TrustedFronts>,
    pub(super) gate: Gate,
    pub(super) clients: Arc<Clients>,
    pub(super) places: Arc<Places>,
    /// How many clients there are descriptors for.
    connections_possible: usize,
    pub(super) phase: watch::Sender<Phase>,
    /// What secures connections; empty when nothing does.
    pub(super) tls: OnceLock<TlsFront>,
    /// Whether an answer is the last one of its connection; beside the phase, because every request looks.
    leaving: AtomicBool,
    pools: Vec<Arc<Pool>>,
    ledgers: Mutex<Vec<Weak<Ledger>>>,
    books: Mutex<Books>,
    access: ArcSwapOption<AccessLog>,
    /// Whether there is one; beside it, because every request looks.
    is_logged: AtomicBool,
    /// What no release was chosen for.
    pub(super) unrouted: Book,
    next_route: AtomicU64,
}

/// The limits, for whoever looks often: the way to them is gone only when they have changed. What it holds may be older until
/// it looks.
pub(crate) type KeptLimits<'s> = Cache<&'s ArcSwap<ProxyLimits>, Arc<ProxyLimits>>;

/// One per thread.
pub(crate) struct Worker {
    pub(super) shared: Arc<Shared>,
    pub(super) pool: Arc<Pool>,
    /// Which of the workers it is, from 0.
    pub(super) number: usize,
}

impl Shared {
    pub(super) fn new(options: ProxyOptions) -> Arc<Self> {
        let pools = (0..options.workers.max(1)).map(|_| Arc::new(Pool::new()));
        Arc::new(Self {
            limits: ArcSwap::from_pointee(options.limits.clone()),
            active: ArcSwapOption::empty(),
            trusted: ArcSwap::from_pointee(options.trusted_fronts.clone()),
            gate: Gate::new(&options.limits),
            clients: Arc::default(),
            places: Arc::default(),
            connections_possible: connections_possible(),
            phase: watch::Sender::new(Phase::Serving),
            tls: OnceLock::new(),
            leaving: AtomicBool::new(false),
            pools: pools.collect(),
            ledgers: Mutex::default(),
            books: Mutex::default(),
            access: ArcSwapOption::empty(),
            is_logged: AtomicBool::new(false),
            unrouted: Book::new(options.workers),
            next_route: AtomicU64::new(1),
            options,
        })
    }

    /// Reads the certificates, unless there are none to serve, or they were read before.
    pub(super) fn load_certificates(&self) -> Result<(), TlsError> {
        let spec = self.options.tls.as_ref().filter(|_| self.tls.get().is_none());
        if let Some(spec) = spec {
            let front = TlsFront::load(spec.clone(), self.options.certificates.clone())?;
            let _somebody_else_was_first = self.tls.set(front);
        }
        Ok(())
    }

    /// What the proxy puts up with now. To be looked up anew for each request or connection, and not to be held meanwhile.
    pub(super) fn limits(&self) -> Guard<Arc<ProxyLimits>> {
        self.limits.load()
    }

    /// For a connection, which holds what it has seen last.
    pub(super) fn kept_limits(&self) -> KeptLimits<'_> {
        Cache::new(&self.limits)
    }

    /// Whether there is a line for each request.
    pub(super) fn is_logged(&self) -> bool {
        self.is_logged.load(Ordering::Relaxed)
    }

    /// Where it goes.
    pub(super) fn access_log(&self) -> Option<Arc<AccessLog>> {
        if self.is_logged() { self.access.load_full() } else { None }
    }

    /// Where it goes from now on; where it went until now.
    pub(super) fn log_to(&self, log: Option<AccessLog>) -> Option<Arc<AccessLog>> {
        self.is_logged.store(log.is_some(), Ordering::Relaxed);
        self.access.swap(log.map(Arc::new))
    }

    pub(super) fn set_limits(&self, limits: ProxyLimits) {
        self.gate.set_limits(&limits);
        self.limits.store(Arc::new(limits));
        self.places.changed();
    }

    /// How many clients may be connected now: at least one, and no more than there are descriptors for.
    pub(super) fn connections_max(&self) -> usize {
        self.limits().connections_max.clamp(1, self.connections_possible)
    }

    /// The place of a client at `address`, unless his address has too many.
    pub(super) fn place_of(&self, place: Place, address: IpAddr) -> Option<Place> {
        match self.limits().connections_per_peer_max {
            Some(max) if !self.trusted.load().contains(address) => place.of_peer(address, max),
            _ => Some(place),
        }
    }

    pub(super) fn admissions(&self) -> Admissions {
        self.places.admissions(self.connections_max())
    }

    pub(super) fn workers(self: &Arc<Self>) -> Vec<Arc<Worker>> {
        let worker = |(number, pool): (usize, &Arc<Pool>)| {
            Arc::new(Worker { shared: Arc::clone(self), pool: Arc::clone(pool), number })
        };
        self.pools.iter().enumerate().map(worker).collect()
    }

    pub(super) fn switch_to(self: &Arc<Self>, traffic: Traffic) -> Option<Draining> {
        // One switch at a time: the pools follow the pointer in the same order.
        let mut ledgers = lock(&self.ledgers);
        ledgers.retain(|ledger| ledger.strong_count() > 0);
        let id = self.next_route.fetch_add(1, Ordering::Relaxed);
        let connects_max = self.limits().upstream_connects_max;
        let target = traffic.to.as_ref().map(|(generation, backends)| Target {
            route: id,
            generation: *generation,
            backends: backends.len(),
            is_supervised: traffic.is_supervised,
        });
        let route = traffic.to.map(|(generation, backends)| {
            let book = lock(&self.books).open(generation, self.options.workers);
            Arc::new(Route::new(id, generation, backends, book, connects_max))
        });
        if let Some(route) = &route {
            ledgers.push(Arc::downgrade(&route.ledger));
        }
        let old = self.active.swap(route);
        let began = clock::now();
        for pool in &self.pools {
            pool.switch_to(id);
        }
        self.gate.switched(target);
        let window = self.limits().wind_down_window;
        old.map(|old| Draining::new(Arc::clone(&old.ledger), Arc::clone(&self.clients), began, window))
    }

    pub(super) fn counts(&self, generation: Generation) -> Counts {
        self.ledgers_of(generation).iter().fold(Counts::default(), |sum, ledger| {
            let counts = ledger.counts();
            Counts { http: sum.http + counts.http, websocket: sum.websocket + counts.websocket }
        })
    }

    pub(super) fn holders(&self, generation: Generation) -> Vec<Holder> {
        self.clients.holders(&self.ledgers_of(generation))
    }

    /// A release that was switched to again while it drained has several.
    fn ledgers_of(&self, generation: Generation) -> Vec<Arc<Ledger>> {
        let mut ledgers = self.ledgers();
        ledgers.retain(|ledger| ledger.generation == generation);
        ledgers
    }

    pub(super) fn traffic(&self, generation: Generation) -> Option<TrafficCounts> {
        let book = lock(&self.books).find(generation);
        book.map(|book| book.read())
    }

    #[cfg(feature = "metrics")]
    pub(super) fn traffic_by_name(&self) -> Vec<(Arc<str>, TrafficCounts)> {
        lock(&self.books).by_name()
    }

    pub(super) fn name_release(&self, generation: Generation, name: &str) {
        lock(&self.books).open(generation, self.options.workers).name(name);
    }

    pub(super) fn ledgers(&self) -> Vec<Arc<Ledger>> {
        lock(&self.ledgers).iter().filter_map(Weak::upgrade).collect()
    }

    /// Goes on to a later phase; says whether it did. From `Leaving` there is no way to `Closing`: that would close
    /// clients who were promised an answer.
    pub(super) fn enter(&self, phase: Phase) -> bool {
        if matches!(phase, Phase::Leaving { .. }) {
            self.leaving.store(true, Ordering::Release);
        }
        match phase {
            Phase::Serving => {}
            // Whoever could resume traffic goes with the socket.
            Phase::Leaving { .. } => self.gate.resume(),
            Phase::Closing | Phase::Ending => self.gate.end(),
        }
        self.phase.send_if_modified(|now| {
            let forward = (*now == Phase::Serving || phase == Phase::Ending) && *now != phase;
            if forward {
                *now = phase;
            }
            forward
        })
    }

    /// Whether nobody new is served for longer than one request.
    pub(super) fn is_closing(&self) -> bool {
        matches!(*self.phase.borrow(), Phase::Closing | Phase::Ending)
    }

    pub(super) fn is_leaving(&self) -> bool {
        self.leaving.load(Ordering::Acquire)
    }

    pub(super) fn tell(&self, generation: Generation, message: String, head_sent: bool) {
        self.options.errors.tell(&UpstreamError { generation, message, head_sent });
    }
}
