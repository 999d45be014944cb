//! Requests that may not be sent now, and when each of them may.
//!
//! Two things shut the way: somebody has paused traffic, or nobody listens and there is hope that somebody will.
//!
//! ```text
//!             restarting                runs                    refused: later again
//!    Open ─────────────────▶ Shut ─────────────▶ Trying ─────────────────┐
//!    │  ▲                     ▲  ▲                │  ▲ └─────────────────┘
//!    │  └─────────────────────┼──┼────────────────┘  │ runs
//!    │        connected       │  └─── restarting     │
//!    │ refused                │ restarting           │     stays down
//!    └──────────▶ Doubted ────┴──────────────────────┘ ───────────────▶ GivenUp
//!                  │ no word: answered, and Open again
//! ```
//!
//! While somebody is tried, one request at a time is sent; the first connection lets all others go, in their order.
//! Nothing here knows connections: `parking.rs` does.

mod queue;
#[cfg(test)]
mod tests;

use std::time::Duration;

use crate::id::Generation;
use crate::report::BackendState;
use crate::time::Instant;

pub(crate) use queue::Place;
use queue::{Queue, Waiting};

/// How long the word of a supervisor may take: a connection can be refused before anybody has heard that the process
/// has ended.
pub(crate) const WORD_TIMEOUT: Duration = Duration::from_millis(500);
/// How long after a refused connection the next one is tried: at first, and at most.
pub(crate) const TRY_PAUSE_MIN: Duration = Duration::from_millis(2);
pub(crate) const TRY_PAUSE_MAX: Duration = Duration::from_millis(50);

/// How long and how many may wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ParkLimits {
    /// How long a request may wait, all in all. Zero: none waits for a restart.
    pub(crate) timeout: Duration,
    /// How many may wait at once.
    pub(crate) parked_max: usize,
    /// How many bytes they may hold together.
    pub(crate) bytes_max: usize,
}

/// Where requests go, as far as waiting is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Target {
    /// Its number: no two routes have the same.
    pub(crate) route: u64,
    pub(crate) generation: Generation,
    pub(crate) backends: usize,
    /// Whether somebody tells how its backends are.
    pub(crate) is_supervised: bool,
}

/// A request at the gate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Parked {
    /// Where it stands, however often it comes back.
    pub(crate) place: Place,
    /// What it holds in memory.
    pub(crate) bytes: usize,
    /// Until when it may wait.
    pub(crate) deadline: Instant,
    /// Whether it has not waited yet.
    pub(crate) is_new: bool,
}

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ParkEvent {
    /// A request is about to be sent.
    Came(Parked),
    /// No backend of this route accepted a connection for this request.
    Refused(Parked, u64),
    /// A connection to this route ended before it said anything, and the request may be sent again.
    Died(Parked, u64),
    /// A connection to this route was made, for the request at this place if it ever waited.
    Connected(Option<Place>, u64),
    /// The request is gone.
    Left(Place),
    /// Requests go here now.
    Switched(Option<Target>),
    /// How a backend is.
    Told(Generation, usize, BackendState),
    /// For whoever comes from now on.
    Limits(ParkLimits),
    Pause,
    Resume,
    /// The proxy ends.
    End,
    /// `next_timeout` has come.
    TimeUp,
}

/// What a request that waits is told, once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Send it.
    Go,
    /// Answer it.
    Unserved(Unserved),
}

/// Why a request is not sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unserved {
    #[error("it waited for {}, and its time was up", .0.as_str())]
    TimedOut(Why),
    #[error("too many requests wait for {}", .0.as_str())]
    Full(Why),
    #[error("nobody listens")]
    NobodyListens,
    #[error("the proxy ends")]
    Ended,
}

impl Unserved {
    /// What the client gets: 503 when it is our doing, 502 when nobody listens (compat C-91, C-106).
    pub(crate) fn status(self) -> u16 {
        match self {
            Self::TimedOut(Why::Paused) | Self::Full(Why::Paused) | Self::Ended => 503,
            Self::TimedOut(Why::Restarting) | Self::Full(Why::Restarting) | Self::NobodyListens => 502,
        }
    }
}

/// What a request waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Why {
    /// Paused traffic.
    Paused,
    /// A process that is restarted.
    Restarting,
}

impl Why {
    fn as_str(self) -> &'static str {
        match self {
            Self::Paused => "paused traffic",
            Self::Restarting => "a process that is restarted",
        }
    }
}

/// How many requests wait at a proxy, and what became of others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ParkCounts {
    /// Waiting now.
    pub now: usize,
    /// What they hold in memory, in bytes.
    pub bytes: usize,
    /// Requests that waited, ever.
    pub total: u64,
    /// Whose time was up.
    pub timed_out: u64,
    /// For whom there was no room.
    pub refused: u64,
}

/// Whether requests may be sent. The drawing is above.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Open,
    Doubted { until: Instant, tries: Tries },
    Shut,
    Trying(Tries),
    GivenUp,
}

/// When the next one is sent to see whether somebody listens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Tries {
    next: Instant,
    pause: Duration,
}

impl Tries {
    fn from(next: Instant) -> Self {
        Self { next, pause: TRY_PAUSE_MIN }
    }

    fn failed(&mut self, now: Instant) {
        self.next = now + self.pause;
        self.pause = (self.pause * 2).min(TRY_PAUSE_MAX);
    }
}

/// Who waits, and for what.
#[derive(Clone, Debug)]
pub(crate) struct Parking {
    limits: ParkLimits,
    queue: Queue,
    is_paused: bool,
    has_ended: bool,
    target: Option<Target>,
    backends: Vec<BackendState>,
    way: Way,
    /// The request that was sent to see whether somebody listens. It keeps its place.
    sent: Option<Place>,
    verdicts: Vec<(Place, Verdict)>,
    total: u64,
    timed_out: u64,
    refused: u64,
}

impl Parking {
    pub(crate) fn new(limits: ParkLimits) -> Self {
        Self {
            limits,
            queue: Queue::default(),
            is_paused: false,
            has_ended: false,
            target: None,
            backends: Vec::new(),
            way: Way::Open,
            sent: None,
            verdicts: Vec::new(),
            total: 0,
            timed_out: 0,
            refused: 0,
        }
    }

    /// The place of a request that was not here before, and until when it may wait.
    pub(crate) fn admit(&mut self, bytes: usize, now: Instant) -> Parked {
        Parked { place: self.queue.next_place(), bytes, deadline: now + self.limits.timeout, is_new: true }
    }

    /// Whether a request may be sent without asking.
    pub(crate) fn is_open(&self) -> bool {
        !self.is_paused && matches!(self.way, Way::Open | Way::GivenUp)
    }

    pub(crate) fn is_paused(&self) -> bool {
        self.is_paused
    }

    pub(crate) fn counts(&self) -> ParkCounts {
        ParkCounts {
            now: self.queue.len(),
            bytes: self.queue.bytes(),
            total: self.total,
            timed_out: self.timed_out,
            refused: self.refused,
        }
    }

    /// When to say `TimeUp`.
    pub(crate) fn next_timeout(&self) -> Option<Instant> {
        let deadline = self.queue.first(self.sent)?.1.deadline;
        let next = match self.way {
            _ if self.is_paused || self.sent.is_some() => return Some(deadline),
            Way::Doubted { until, tries } => until.min(tries.next),
            Way::Trying(tries) => tries.next,
            Way::Open | Way::Shut | Way::GivenUp => return Some(deadline),
        };
        Some(deadline.min(next))
    }

    /// The world tells it; it says who is told what, in this order.
    #[must_use = "whoever waits is to be told"]
    pub(crate) fn handle(&mut self, event: ParkEvent, now: Instant) -> Vec<(Place, Verdict)> {
        match event {
            ParkEvent::Came(request) => self.came(request),
            ParkEvent::Refused(request, route) => self.refused(request, route, now),
            ParkEvent::Died(request, route) => self.died(request, route),
            ParkEvent::Connected(place, route) => self.connected(place, route),
            ParkEvent::Left(place) => self.left(place),
            ParkEvent::Switched(target) => self.switched(target),
            ParkEvent::Told(generation, backend, state) => self.told(generation, backend, state, now),
            ParkEvent::Limits(limits) => self.limits = limits,
            ParkEvent::Pause => self.pause(),
            ParkEvent::Resume => self.is_paused = false,
            ParkEvent::End => self.end(),
            ParkEvent::TimeUp => {}
        }
        self.go_on(now);
        std::mem::take(&mut self.verdicts)
    }

    fn came(&mut self, request: Parked) {
        if self.is_open() {
            self.tell(request.place, Verdict::Go);
        } else {
            self.park(request);
        }
    }

    fn refused(&mut self, request: Parked, route: u64, now: Instant) {
        let was_sent = self.is_back(request.place);
        if self.is_elsewhere(route) {
            return self.came(request);
        }
        if !self.has_hope() {
            return self.tell(request.place, Verdict::Unserved(Unserved::NobodyListens));
        }
        match &mut self.way {
            _ if self.is_paused => {}
            Way::Open if self.backends.contains(&BackendState::Ending) => self.way = Way::Shut,
            Way::Open => {
                let mut tries = Tries::from(now);
                tries.failed(now);
                self.way = Way::Doubted { until: now + WORD_TIMEOUT, tries };
            }
            Way::Doubted { tries, .. } | Way::Trying(tries) if was_sent => tries.failed(now),
            Way::Doubted { .. } | Way::Trying(_) | Way::Shut | Way::GivenUp => {}
        }
        self.park(request);
    }

    /// Unlike a refused connection this says nothing about others: an application may break off one request.
    fn died(&mut self, request: Parked, route: u64) {
        self.is_back(request.place);
        if self.is_elsewhere(route) || self.has_hope() {
            self.came(request);
        } else {
            self.tell(request.place, Verdict::Unserved(Unserved::NobodyListens));
        }
    }

    fn connected(&mut self, place: Option<Place>, route: u64) {
        if let Some(place) = place {
            self.left(place);
        }
        let is_tried = matches!(self.way, Way::Doubted { .. } | Way::Trying(_));
        if is_tried && !self.is_elsewhere(route) {
            self.way = Way::Open;
        }
    }

    fn left(&mut self, place: Place) {
        self.is_back(place);
        self.queue.remove(place);
    }

    fn switched(&mut self, target: Option<Target>) {
        self.backends = vec![BackendState::Running; target.map_or(0, |target| target.backends)];
        self.target = target;
        self.way = Way::Open;
    }

    fn told(&mut self, generation: Generation, backend: usize, state: BackendState, now: Instant) {
        let is_meant = |target: Target| target.is_supervised && target.generation == generation;
        let Some(told) = self.backends.get_mut(backend).filter(|_| self.target.is_some_and(is_meant)) else {
            return;
        };
        *told = state;
        if self.limits.timeout.is_zero() || self.has_ended {
            return;
        }
        self.way = match (self.hope(), self.way) {
            (BackendState::Restarting, _) => Way::Shut,
            (BackendState::GivenUp, _) => Way::GivenUp,
            (_, Way::Shut | Way::GivenUp | Way::Doubted { .. }) if state == BackendState::Running => {
                Way::Trying(Tries::from(now))
            }
            (_, way) => way,
        };
    }

    /// Whoever waited because of a doubt waits for the pause now.
    fn pause(&mut self) {
        self.is_paused = !self.has_ended;
        if matches!(self.way, Way::Doubted { .. }) {
            self.way = Way::Open;
        }
    }

    /// Of all backends together: the best of them.
    fn hope(&self) -> BackendState {
        let one_is = |state| self.backends.contains(&state);
        [BackendState::Running, BackendState::Ending, BackendState::Restarting]
            .into_iter()
            .find(|state| one_is(*state))
            .unwrap_or(BackendState::GivenUp)
    }

    fn end(&mut self) {
        self.has_ended = true;
        self.is_paused = false;
        self.way = Way::Open;
        self.tell_all(Verdict::Unserved(Unserved::Ended));
    }

    /// Whether the request was the one that was sent to see whether somebody listens.
    fn is_back(&mut self, place: Place) -> bool {
        self.sent.take_if(|sent| *sent == place).is_some()
    }

    /// Whether a route is not the one that requests go to.
    fn is_elsewhere(&self, route: u64) -> bool {
        self.target.is_none_or(|target| target.route != route)
    }

    fn has_hope(&self) -> bool {
        let is_supervised = self.target.is_some_and(|target| target.is_supervised);
        is_supervised && !self.has_ended && !self.limits.timeout.is_zero() && self.way != Way::GivenUp
    }

    fn why(&self) -> Why {
        if self.is_paused { Why::Paused } else { Why::Restarting }
    }

    fn park(&mut self, request: Parked) {
        let Parked { place, bytes, deadline, is_new } = request;
        let ParkLimits { parked_max, bytes_max, .. } = self.limits;
        if !self.queue.has_room(place, bytes, parked_max, bytes_max) {
            self.refused += 1;
            return self.tell(place, Verdict::Unserved(Unserved::Full(self.why())));
        }
        self.total += u64::from(is_new);
        self.queue.insert(place, Waiting { bytes, deadline });
    }

    fn tell(&mut self, place: Place, verdict: Verdict) {
        self.queue.remove(place);
        self.verdicts.push((place, verdict));
    }

    /// Tells all that wait; the one that was sent hears from its connection.
    fn tell_all(&mut self, verdict: Verdict) {
        let waiting = self.queue.take_all();
        let sent = self.sent.take();
        self.verdicts.extend(waiting.filter(|place| Some(*place) != sent).map(|place| (place, verdict)));
    }

    fn go_on(&mut self, now: Instant) {
        self.time_out(now);
        if self.is_paused {
            return;
        }
        match self.way {
            Way::Open => self.tell_all(Verdict::Go),
            Way::GivenUp => self.tell_all(Verdict::Unserved(Unserved::NobodyListens)),
            Way::Doubted { until, .. } if self.sent.is_none() && now >= until => {
                self.way = Way::Open;
                self.tell_all(Verdict::Unserved(Unserved::NobodyListens));
            }
            Way::Doubted { tries, .. } | Way::Trying(tries) if now >= tries.next => self.send_one(),
            Way::Doubted { .. } | Way::Trying(_) | Way::Shut => {}
        }
    }

    fn send_one(&mut self) {
        if self.sent.is_some() {
            return;
        }
        if let Some((place, _)) = self.queue.first(None) {
            self.sent = Some(place);
            self.verdicts.push((place, Verdict::Go));
        }
    }

    fn time_out(&mut self, now: Instant) {
        while let Some((place, _)) =
            self.queue.first(self.sent).filter(|(_, waiting)| now >= waiting.deadline)
        {
            self.timed_out += 1;
            self.tell(place, Verdict::Unserved(Unserved::TimedOut(self.why())));
        }
    }
}
