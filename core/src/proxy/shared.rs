//! What the proxy's handle and its workers have in common.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, Weak};

use arc_swap::{ArcSwap, ArcSwapOption, Guard};
use tokio::sync::{Semaphore, watch};

use crate::clock;
use crate::id::Generation;
use crate::spec::{ProxyLimits, TrustedFronts};

use super::book::{Book, Books};
use super::clients::{Clients, lock};
use super::draining::Draining;
use super::machine::{Target, TrafficCounts};
use super::parking::Gate;
use super::relay::Pool;
use super::route::{Counts, Ledger, Route, Traffic};
use super::{ProxyOptions, UpstreamError};

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
    pub(super) places: Arc<Semaphore>,
    pub(super) phase: watch::Sender<Phase>,
    /// Whether an answer is the last one of its connection; beside the phase, because every request looks.
    leaving: AtomicBool,
    pools: Vec<Arc<Pool>>,
    ledgers: Mutex<Vec<Weak<Ledger>>>,
    books: Mutex<Books>,
    /// What no release was chosen for.
    pub(super) unrouted: Book,
    next_route: AtomicU64,
}

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
            places: Arc::new(Semaphore::new(options.limits.connections_max.clamp(1, Semaphore::MAX_PERMITS))),
            phase: watch::Sender::new(Phase::Serving),
            leaving: AtomicBool::new(false),
            pools: pools.collect(),
            ledgers: Mutex::default(),
            books: Mutex::default(),
            unrouted: Book::new(options.workers),
            next_route: AtomicU64::new(1),
            options,
        })
    }

    /// What the proxy puts up with now. To be looked up anew for each request or connection, and not to be held meanwhile.
    pub(super) fn limits(&self) -> Guard<Arc<ProxyLimits>> {
        self.limits.load()
    }

    pub(super) fn set_limits(&self, limits: ProxyLimits) {
        self.gate.set_limits(&limits);
        self.limits.store(Arc::new(limits));
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
        old.map(|old| Draining::new(Arc::clone(&old.ledger), Arc::clone(&self.clients), began))
    }

    pub(super) fn counts(&self, generation: Generation) -> Counts {
        // A release that was switched to again while it drained has several ledgers.
        self.ledgers().iter().filter(|ledger| ledger.generation == generation).fold(
            Counts::default(),
            |sum, ledger| {
                let counts = ledger.counts();
                Counts { http: sum.http + counts.http, websocket: sum.websocket + counts.websocket }
            },
        )
    }

    pub(super) fn traffic(&self, generation: Generation) -> Option<TrafficCounts> {
        let book = lock(&self.books).find(generation);
        book.map(|book| book.read())
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

    pub(super) fn is_leaving(&self) -> bool {
        self.leaving.load(Ordering::Acquire)
    }

    pub(super) fn tell(&self, generation: Generation, message: String, head_sent: bool) {
        self.options.errors.tell(&UpstreamError { generation, message, head_sent });
    }
}
