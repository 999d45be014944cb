use super::*;

const MS: fn(u64) -> Duration = Duration::from_millis;
const GO: Verdict = Verdict::Go;
const NOBODY: Verdict = Verdict::Unserved(Unserved::NobodyListens);

/// A gate with time, whose requests have names from 1 on, in the order in which they came.
struct Gate {
    parking: Parking,
    now: Instant,
    known: Vec<Parked>,
}

impl Gate {
    fn of(is_supervised: bool, limits: ParkLimits) -> Self {
        let mut gate = Self { parking: Parking::new(limits), now: Instant::ORIGIN, known: Vec::new() };
        let target = Target { route: 1, generation: Generation(1), backends: 1, is_supervised };
        assert_eq!(gate.handle(ParkEvent::Switched(Some(target))), []);
        gate
    }

    fn supervised() -> Self {
        Self::of(true, LIMITS)
    }

    fn handle(&mut self, event: ParkEvent) -> Vec<(usize, Verdict)> {
        let verdicts = self.parking.handle(event, self.now);
        let name = |place: Place| {
            1 + self.known.iter().position(|known| known.place == place).expect("it was admitted")
        };
        verdicts.into_iter().map(|(place, verdict)| (name(place), verdict)).collect()
    }

    fn new_request(&mut self) -> Parked {
        let request = self.parking.admit(100, self.now);
        self.known.push(request);
        request
    }

    fn come(&mut self) -> Vec<(usize, Verdict)> {
        let request = self.new_request();
        self.handle(ParkEvent::Came(request))
    }

    fn refuse_new(&mut self) -> Vec<(usize, Verdict)> {
        let request = self.new_request();
        self.handle(ParkEvent::Refused(request, 1))
    }

    fn refuse(&mut self, name: usize) -> Vec<(usize, Verdict)> {
        self.handle(ParkEvent::Refused(Parked { is_new: false, ..self.known[name - 1] }, 1))
    }

    fn connect(&mut self, name: usize) -> Vec<(usize, Verdict)> {
        self.handle(ParkEvent::Connected(Some(self.known[name - 1].place), 1))
    }

    fn leave(&mut self, name: usize) -> Vec<(usize, Verdict)> {
        self.handle(ParkEvent::Left(self.known[name - 1].place))
    }

    fn is(&mut self, state: BackendState) -> Vec<(usize, Verdict)> {
        self.handle(ParkEvent::Told(Generation(1), 0, state))
    }

    /// Steps to the next timeout.
    fn step(&mut self) -> Vec<(usize, Verdict)> {
        self.now = self.parking.next_timeout().expect("somebody waits");
        self.handle(ParkEvent::TimeUp)
    }

    fn passed(&self) -> Duration {
        self.now - Instant::ORIGIN
    }
}

const LIMITS: ParkLimits =
    ParkLimits { timeout: Duration::from_secs(10), parked_max: 1024, bytes_max: 1 << 20 };

fn timed_out(why: Why) -> Verdict {
    Verdict::Unserved(Unserved::TimedOut(why))
}

#[test]
fn without_a_reason_nobody_waits() {
    let mut gate = Gate::supervised();
    assert!(gate.parking.is_open());
    assert_eq!(gate.come(), [(1, GO)]);
    assert_eq!(gate.parking.counts(), ParkCounts::default());
    assert_eq!(gate.parking.next_timeout(), None);
}

#[test]
fn paused_requests_go_in_their_order() {
    let mut gate = Gate::supervised();
    assert_eq!(gate.handle(ParkEvent::Pause), []);
    for _ in 0..5 {
        assert_eq!(gate.come(), []);
    }
    assert_eq!(gate.leave(2), []);
    let counts = ParkCounts { now: 4, bytes: 400, total: 5, ..ParkCounts::default() };
    assert_eq!(gate.parking.counts(), counts);
    assert_eq!(gate.handle(ParkEvent::Resume), [(1, GO), (3, GO), (4, GO), (5, GO)]);
    assert_eq!(gate.parking.counts(), ParkCounts { total: 5, ..ParkCounts::default() });
    assert!(gate.parking.is_open());
}

#[test]
fn a_pause_that_takes_too_long_ends_the_wait_of_each_request() {
    let mut gate = Gate::supervised();
    assert_eq!(gate.handle(ParkEvent::Pause), []);
    assert_eq!(gate.come(), []);
    gate.now = gate.now + MS(1);
    assert_eq!(gate.come(), []);
    assert_eq!(gate.step(), [(1, timed_out(Why::Paused))]);
    assert_eq!(gate.passed(), LIMITS.timeout);
    assert_eq!(gate.step(), [(2, timed_out(Why::Paused))]);
    assert_eq!(gate.parking.counts(), ParkCounts { total: 2, timed_out: 2, ..ParkCounts::default() });
    assert_eq!(Unserved::TimedOut(Why::Paused).status(), 503);
}

#[test]
fn one_more_than_there_is_room_for_is_answered_at_once() {
    let mut gate = Gate::of(true, ParkLimits { parked_max: 2, ..LIMITS });
    assert_eq!(gate.handle(ParkEvent::Pause), []);
    assert_eq!((gate.come(), gate.come()), (vec![], vec![]));
    assert_eq!(gate.come(), [(3, Verdict::Unserved(Unserved::Full(Why::Paused)))]);
    assert_eq!(gate.leave(1), []);
    assert_eq!(gate.come(), []);

    let mut gate = Gate::of(true, ParkLimits { bytes_max: 250, ..LIMITS });
    assert_eq!(gate.handle(ParkEvent::Pause), []);
    assert_eq!((gate.come(), gate.come()), (vec![], vec![]));
    assert_eq!(gate.come(), [(3, Verdict::Unserved(Unserved::Full(Why::Paused)))]);
    assert_eq!(gate.parking.counts(), ParkCounts { now: 2, bytes: 200, total: 2, timed_out: 0, refused: 1 });
}

#[test]
fn a_restart_is_waited_for_and_one_request_looks_whether_it_is_over() {
    let mut gate = Gate::supervised();
    assert_eq!(gate.is(BackendState::Restarting), []);
    assert_eq!((gate.come(), gate.come(), gate.come()), (vec![], vec![], vec![]));
    assert_eq!(gate.is(BackendState::Running), [(1, GO)]);
    assert_eq!(gate.come(), [], "only one at a time");
    assert_eq!(gate.refuse(1), [], "it does not listen yet");
    assert_eq!(gate.step(), [(1, GO)], "the one that came first tries again");
    assert_eq!(gate.passed(), TRY_PAUSE_MIN);
    assert_eq!(gate.refuse(1), []);
    assert_eq!(gate.step(), [(1, GO)]);
    assert_eq!(gate.passed(), TRY_PAUSE_MIN * 3);
    assert_eq!(gate.connect(1), [(2, GO), (3, GO), (4, GO)]);
    assert!(gate.parking.is_open());
    assert_eq!(gate.parking.counts(), ParkCounts { total: 4, ..ParkCounts::default() });
}

#[test]
fn tries_become_rarer() {
    let mut gate = Gate::supervised();
    assert_eq!(gate.is(BackendState::Restarting), []);
    assert_eq!(gate.come(), []);
    assert_eq!(gate.is(BackendState::Running), [(1, GO)]);
    let mut tries = 0;
    loop {
        assert_eq!(gate.refuse(1), []);
        tries += 1;
        if gate.step() != [(1, GO)] {
            break;
        }
    }
    assert_eq!(gate.passed(), LIMITS.timeout);
    assert!((200..215).contains(&tries), "{tries}");
    assert_eq!(Unserved::TimedOut(Why::Restarting).status(), 502);
}

#[test]
fn a_request_that_looks_and_leaves_is_followed_by_the_next() {
    let mut gate = Gate::supervised();
    assert_eq!(gate.is(BackendState::Restarting), []);
    assert_eq!((gate.come(), gate.come()), (vec![], vec![]));
    assert_eq!(gate.is(BackendState::Running), [(1, GO)]);
    assert_eq!(gate.leave(1), [(2, GO)]);
    assert_eq!(gate.leave(2), []);
    assert_eq!(gate.come(), [(3, GO)]);
}

#[test]
fn a_refused_request_waits_for_the_word_of_the_supervisor() {
    let mut gate = Gate::supervised();
    assert_eq!(gate.refuse_new(), []);
    assert_eq!(gate.come(), [], "nobody is sent after it");
    assert_eq!(gate.step(), [(1, GO)], "but it looks again");
    assert_eq!(gate.is(BackendState::Restarting), []);
    assert_eq!(gate.refuse(1), []);
    assert_eq!(gate.is(BackendState::Running), [(1, GO)]);
    assert_eq!(gate.connect(1), [(2, GO)]);
}

#[test]
fn without_a_word_it_is_answered() {
    let mut gate = Gate::supervised();
    assert_eq!(gate.refuse_new(), []);
    assert_eq!(gate.come(), []);
    while gate.passed() < WORD_TIMEOUT {
        if gate.step() == [(1, GO)] {
            assert_eq!(gate.refuse(1), []);
        }
    }
    assert_eq!(gate.passed(), WORD_TIMEOUT);
    assert!(gate.parking.is_open());
    assert_eq!(gate.parking.counts().now, 0);
}

#[test]
fn whoever_is_out_when_the_word_is_overdue_brings_the_news() {
    let mut gate = Gate::supervised();
    assert_eq!(gate.refuse_new(), []);
    assert_eq!(gate.come(), []);
    assert_eq!(gate.step(), [(1, GO)]);
    gate.now = gate.now + WORD_TIMEOUT;
    assert_eq!(gate.handle(ParkEvent::TimeUp), []);
    assert_eq!(gate.refuse(1), [(1, NOBODY), (2, NOBODY)]);
}

#[test]
fn nobody_waits_for_a_release_that_nobody_supervises() {
    let mut gate = Gate::of(false, LIMITS);
    assert_eq!(gate.refuse_new(), [(1, NOBODY)]);
    assert_eq!(gate.is(BackendState::Restarting), [], "whose word is this?");
    assert_eq!(gate.come(), [(2, GO)]);
    let request = gate.new_request();
    assert_eq!(gate.handle(ParkEvent::Died(request, 1)), [(3, NOBODY)]);
    assert_eq!(NOBODY, Verdict::Unserved(Unserved::NobodyListens));
    assert_eq!(Unserved::NobodyListens.status(), 502);
}

#[test]
fn nobody_waits_for_a_restart_when_none_may() {
    let mut gate = Gate::of(true, ParkLimits { timeout: Duration::ZERO, ..LIMITS });
    assert_eq!(gate.is(BackendState::Restarting), []);
    assert_eq!(gate.come(), [(1, GO)]);
    assert_eq!(gate.refuse(1), [(1, NOBODY)]);
    assert_eq!(gate.handle(ParkEvent::Pause), []);
    assert_eq!(gate.come(), [(2, timed_out(Why::Paused))]);
}

#[test]
fn when_it_stays_down_everybody_is_answered() {
    let mut gate = Gate::supervised();
    assert_eq!(gate.is(BackendState::Restarting), []);
    assert_eq!((gate.come(), gate.come()), (vec![], vec![]));
    assert_eq!(gate.is(BackendState::Running), [(1, GO)]);
    assert_eq!(gate.is(BackendState::GivenUp), [(2, NOBODY)]);
    assert_eq!(gate.refuse(1), [(1, NOBODY)]);
    assert_eq!(gate.come(), [(3, GO)], "it may be tried, in case somebody listens after all");
    assert_eq!(gate.refuse(3), [(3, NOBODY)]);
}

#[test]
fn a_switch_sends_everybody_to_the_new_release() {
    let next = Target { route: 2, generation: Generation(2), backends: 1, is_supervised: true };
    let mut gate = Gate::supervised();
    assert_eq!(gate.is(BackendState::Restarting), []);
    assert_eq!((gate.come(), gate.come()), (vec![], vec![]));
    assert_eq!(gate.handle(ParkEvent::Switched(Some(next))), [(1, GO), (2, GO)]);
    assert_eq!(gate.refuse(2), [(2, GO)], "the old release has nobody, the new one was not asked");
    assert_eq!(gate.is(BackendState::GivenUp), [], "of a release that has no traffic");
    assert!(gate.parking.is_open());

    let mut gate = Gate::supervised();
    assert_eq!(gate.is(BackendState::Restarting), []);
    assert_eq!(gate.come(), []);
    assert_eq!(gate.handle(ParkEvent::Switched(None)), [(1, GO)], "there it hears that there is no release");
}

#[test]
fn a_switch_does_not_end_a_pause() {
    let next = Target { route: 2, generation: Generation(2), backends: 1, is_supervised: true };
    let mut gate = Gate::supervised();
    assert_eq!(gate.handle(ParkEvent::Pause), []);
    assert_eq!(gate.come(), []);
    assert_eq!(gate.handle(ParkEvent::Switched(Some(next))), []);
    assert_eq!(gate.handle(ParkEvent::Resume), [(1, GO)]);
}

#[test]
fn a_restart_during_a_pause_is_waited_for_after_it() {
    let mut gate = Gate::supervised();
    assert_eq!(gate.handle(ParkEvent::Pause), []);
    assert_eq!((gate.come(), gate.come()), (vec![], vec![]));
    assert_eq!(gate.is(BackendState::Restarting), []);
    assert_eq!(gate.is(BackendState::Running), [], "still paused");
    assert_eq!(gate.handle(ParkEvent::Resume), [(1, GO)]);
    assert_eq!(gate.connect(1), [(2, GO)]);
}

#[test]
fn whoever_waits_for_a_word_waits_for_a_pause_instead() {
    let mut gate = Gate::supervised();
    assert_eq!(gate.refuse_new(), []);
    assert_eq!(gate.handle(ParkEvent::Pause), []);
    gate.now = gate.now + WORD_TIMEOUT;
    assert_eq!(gate.handle(ParkEvent::TimeUp), []);
    assert_eq!(gate.refuse_new(), []);
    assert_eq!(gate.handle(ParkEvent::Resume), [(1, GO), (2, GO)]);
}

#[test]
fn a_process_that_is_about_to_end_gets_requests_until_it_takes_none() {
    let mut gate = Gate::supervised();
    assert_eq!(gate.is(BackendState::Ending), []);
    assert_eq!(gate.come(), [(1, GO)]);
    assert_eq!(gate.refuse(1), []);
    assert_eq!(gate.come(), []);
    gate.now = gate.now + WORD_TIMEOUT * 2;
    assert_eq!(gate.handle(ParkEvent::TimeUp), [], "its end was announced, so it is waited for");
    assert_eq!(gate.is(BackendState::Restarting), []);
    assert_eq!(gate.is(BackendState::Running), [(1, GO)]);
}

#[test]
fn as_long_as_one_backend_runs_nobody_waits() {
    let two = Target { route: 7, generation: Generation(7), backends: 2, is_supervised: true };
    let mut gate = Gate::supervised();
    assert_eq!(gate.handle(ParkEvent::Switched(Some(two))), []);
    let told = |backend, state| ParkEvent::Told(Generation(7), backend, state);
    assert_eq!(gate.handle(told(0, BackendState::Restarting)), []);
    assert_eq!(gate.come(), [(1, GO)]);
    assert_eq!(gate.handle(told(1, BackendState::GivenUp)), []);
    assert_eq!(gate.come(), []);
    assert_eq!(gate.handle(told(2, BackendState::Running)), [], "there is none");
    assert_eq!(gate.handle(told(0, BackendState::Running)), [(2, GO)]);
    assert_eq!(gate.handle(told(0, BackendState::GivenUp)), []);
    assert_eq!(gate.handle(ParkEvent::Refused(gate.known[1], 7)), [(2, NOBODY)]);
}

#[test]
fn a_request_whose_connection_died_goes_at_once_unless_there_is_a_reason_to_wait() {
    let mut gate = Gate::supervised();
    let request = gate.new_request();
    assert_eq!(gate.handle(ParkEvent::Died(request, 1)), [(1, GO)]);
    assert_eq!(gate.is(BackendState::Restarting), []);
    assert_eq!(gate.handle(ParkEvent::Died(request, 1)), []);
    assert_eq!(gate.is(BackendState::Running), [(1, GO)]);
}

#[test]
fn at_the_end_everybody_is_told_so_and_nobody_waits_any_more() {
    let mut gate = Gate::supervised();
    assert_eq!(gate.handle(ParkEvent::Pause), []);
    assert_eq!((gate.come(), gate.come()), (vec![], vec![]));
    let ended = Verdict::Unserved(Unserved::Ended);
    assert_eq!(gate.handle(ParkEvent::End), [(1, ended), (2, ended)]);
    assert_eq!(gate.handle(ParkEvent::Pause), []);
    assert_eq!(gate.is(BackendState::Restarting), []);
    assert_eq!(gate.come(), [(3, GO)]);
    assert_eq!(gate.refuse(3), [(3, NOBODY)]);
}
