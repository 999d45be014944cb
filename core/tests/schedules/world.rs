//! What all actors of one schedule share.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;

use fastrand::Rng;

/// Tokens of one schedule are numbers below this, so no token is another schedule's.
pub(crate) const TOKENS_MAX: u64 = 1000;

/// One schedule.
pub(crate) struct World {
    pub(crate) seed: u64,
    /// Nobody misbehaves, so nothing may fail.
    pub(crate) is_kind: bool,
    /// Who is waited for.
    pub(crate) stage: Cell<&'static str>,
    /// No body is longer.
    pub(crate) content_max: Cell<usize>,
    actors: Cell<u64>,
    tokens: Cell<u64>,
    /// How often the application met a request that may not happen twice.
    met: RefCell<HashMap<u64, u32>>,
    /// Applications of whose release nothing is open any more.
    pub(crate) drained: [Cell<bool>; 2],
    /// Connections that applications have open.
    pub(crate) open: Cell<usize>,
    pub(crate) tally: RefCell<Tally>,
    problems: RefCell<Vec<String>>,
}

/// What happened, to see that enough of it does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) requests: u64,
    pub(crate) answers: u64,
    pub(crate) own_answers: u64,
    pub(crate) tunnels: u64,
    pub(crate) cut_short: u64,
    pub(crate) switches: u64,
    pub(crate) deaths: u64,
    pub(crate) aborts: u64,
}

impl Tally {
    pub(crate) fn add(&mut self, other: Self) {
        self.requests += other.requests;
        self.answers += other.answers;
        self.own_answers += other.own_answers;
        self.tunnels += other.tunnels;
        self.cut_short += other.cut_short;
        self.switches += other.switches;
        self.deaths += other.deaths;
        self.aborts += other.aborts;
    }
}

impl World {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            seed,
            is_kind: seed.is_multiple_of(4),
            stage: Cell::new(""),
            content_max: Cell::new(0),
            actors: Cell::new(0),
            tokens: Cell::new(0),
            met: RefCell::default(),
            drained: Default::default(),
            open: Cell::new(0),
            tally: RefCell::default(),
            problems: RefCell::default(),
        }
    }

    /// Dice for one more actor.
    pub(crate) fn dice(&self) -> RefCell<Rng> {
        let actor = self.actors.get() + 1;
        self.actors.set(actor);
        RefCell::new(Rng::with_seed(self.seed.wrapping_mul(1009).wrapping_add(actor)))
    }

    pub(crate) fn token(&self) -> u64 {
        let token = self.tokens.get();
        self.tokens.set(token + 1);
        assert!(token < TOKENS_MAX);
        self.seed * TOKENS_MAX + token
    }

    pub(crate) fn owns(&self, token: u64) -> bool {
        token / TOKENS_MAX == self.seed
    }

    /// An application met a request that may happen once only.
    pub(crate) fn meet(&self, token: u64) {
        let times = {
            let mut met = self.met.borrow_mut();
            let times = met.entry(token).or_default();
            *times += 1;
            *times
        };
        if times > 1 {
            self.problem(format!("POST {token} reached the application {times} times"));
        }
    }

    pub(crate) fn problem(&self, what: String) {
        self.problems.borrow_mut().push(what);
    }

    pub(crate) fn problems(&self) -> Vec<String> {
        self.problems.borrow().clone()
    }
}
