//! When to ask, how long to wait for an answer, and when to give up. Nothing here knows what a probe is made of.
//!
//! ```text
//!              start delay over        not 2xx, no answer, its time is up
//!   Waiting ───────────────────▶ Probing ───────────────▶ Waiting (one interval)
//!      │                            │                        │
//!      │ total time is up           │ 2xx                    │ total time is up
//!      ▼                            ▼                        ▼
//!    Done: failed                 Done: ready              Done: failed
//! ```

use std::time::Duration;

use crate::time::Instant;

mod outcome;
mod schedule;

pub use outcome::{HealthReason, Ready};
pub use schedule::HealthSchedule;

/// A silence that lasts longer is an answer of its own, also when the deadline ended it.
const MOMENT: Duration = Duration::from_secs(1);

/// What one probe found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ProbeOutcome {
    /// The head of an answer, with this status.
    Status(u16),
    /// No answer: refused, reset, closed too early, or not HTTP.
    Failed,
    /// The answer was good, but it does not count, for this reason.
    Rejected(String),
}

impl ProbeOutcome {
    /// Any 2xx (compat C-81).
    pub(crate) fn is_good(&self) -> bool {
        matches!(self, Self::Status(200..=299))
    }
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// The probe under way ended.
    ProbeEnded(ProbeOutcome),
    /// `next_timeout` has come. A probe under way is to be dropped.
    TimeUp,
}

/// What to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// Ask once. `TimeUp` ends it after `timeout`.
    Probe {
        /// How long this probe may take.
        timeout: Duration,
    },
    /// The check is over.
    Done(Result<Ready, HealthReason>),
}

/// One health check, from its first wait to its end.
#[derive(Clone, Debug)]
pub(crate) struct Machine {
    schedule: HealthSchedule,
    began: Instant,
    deadline: Instant,
    attempts: u32,
    reason: HealthReason,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Waiting { until: Instant },
    Probing { since: Instant, until: Instant },
    Done,
}

impl Machine {
    /// A check that begins now.
    pub(crate) fn new(schedule: HealthSchedule, now: Instant) -> Self {
        let first = now + schedule.start_delay;
        Self {
            deadline: first + schedule.timeout,
            schedule,
            began: now,
            attempts: 0,
            reason: HealthReason::NoAttempts,
            state: State::Waiting { until: first },
        }
    }

    /// When to say `TimeUp`.
    pub(crate) fn next_timeout(&self) -> Option<Instant> {
        match self.state {
            State::Waiting { until } | State::Probing { until, .. } => Some(until),
            State::Done => None,
        }
    }

    /// The world tells it.
    pub(crate) fn handle(&mut self, event: Event, now: Instant) -> Vec<Action> {
        match (self.state, event) {
            (State::Waiting { until }, Event::TimeUp) if now >= until => self.probe_or_give_up(now),
            (State::Probing { .. }, Event::ProbeEnded(outcome)) if outcome.is_good() => {
                self.done(Ok(Ready { attempts: self.attempts, took: now - self.began }))
            }
            (State::Probing { .. }, Event::ProbeEnded(ProbeOutcome::Status(status))) => {
                self.wait(HealthReason::Status(status), now)
            }
            (State::Probing { .. }, Event::ProbeEnded(ProbeOutcome::Failed)) => {
                self.wait(HealthReason::FetchFailed, now)
            }
            (State::Probing { .. }, Event::ProbeEnded(ProbeOutcome::Rejected(why))) => {
                self.wait(HealthReason::Rejected { why }, now)
            }
            (State::Probing { since, until }, Event::TimeUp) if now >= until => {
                let reason = self.reason_of_silence(until - since);
                self.wait(reason, now)
            }
            // An early timer, or the answer to a probe whose time is over.
            (_, Event::TimeUp | Event::ProbeEnded(_)) => Vec::new(),
        }
    }

    fn probe_or_give_up(&mut self, now: Instant) -> Vec<Action> {
        if now >= self.deadline {
            return self.done(Err(self.reason.clone()));
        }
        let timeout = self.schedule.probe_timeout.min(self.deadline - now);
        self.attempts += 1;
        self.state = State::Probing { since: now, until: now + timeout };
        vec![Action::Probe { timeout }]
    }

    /// Never past the deadline: the check ends on time, whatever the interval.
    fn wait(&mut self, reason: HealthReason, now: Instant) -> Vec<Action> {
        self.reason = reason;
        if now >= self.deadline {
            return self.done(Err(self.reason.clone()));
        }
        self.state = State::Waiting { until: (now + self.schedule.interval).min(self.deadline) };
        Vec::new()
    }

    /// A last probe that had but a moment says less than the answer before it.
    fn reason_of_silence(&self, within: Duration) -> HealthReason {
        match &self.reason {
            HealthReason::NoAttempts => HealthReason::NoAnswer { within },
            _ if within >= self.schedule.probe_timeout.min(MOMENT) => HealthReason::NoAnswer { within },
            earlier => earlier.clone(),
        }
    }

    fn done(&mut self, result: Result<Ready, HealthReason>) -> Vec<Action> {
        self.state = State::Done;
        vec![Action::Done(result)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: fn(u64) -> Duration = Duration::from_millis;

    fn at(ms: u64) -> Instant {
        Instant::ORIGIN + MS(ms)
    }

    fn schedule() -> HealthSchedule {
        HealthSchedule { timeout: MS(1_000), interval: MS(300), start_delay: MS(100), probe_timeout: MS(400) }
    }

    /// A release that accepts and never answers was reported as one that could not be reached.
    #[test]
    fn a_last_probe_that_was_silent_for_long_is_told() {
        let schedule = HealthSchedule { timeout: MS(4_000), probe_timeout: MS(5_000), ..schedule() };
        let (result, end) = play(schedule, |attempt| (attempt == 1).then_some((5, ProbeOutcome::Failed)));
        assert!(matches!(result, Err(HealthReason::NoAnswer { .. })), "{result:?}");
        assert_eq!(end, 4_100);
    }

    /// Plays `answer(attempt)` to every probe: an outcome after so many ms, or no answer. Returns the end and its time.
    fn play(
        schedule: HealthSchedule,
        answer: impl Fn(u32) -> Option<(u64, ProbeOutcome)>,
    ) -> (Result<Ready, HealthReason>, u64) {
        let mut machine = Machine::new(schedule, at(0));
        let mut pending: Option<(Instant, ProbeOutcome)> = None;
        let mut attempt = 0;
        loop {
            let timeout = machine.next_timeout().expect("it is not done");
            let (now, event) = match pending.take() {
                Some((when, outcome)) if when < timeout => (when, Event::ProbeEnded(outcome)),
                _ => (timeout, Event::TimeUp),
            };
            for action in machine.handle(event, now) {
                match action {
                    Action::Probe { .. } => {
                        attempt += 1;
                        pending = answer(attempt).map(|(ms, outcome)| (now + MS(ms), outcome));
                    }
                    Action::Done(result) => {
                        assert_eq!(machine.next_timeout(), None);
                        let end = now.since_origin().as_millis();
                        return (result, u64::try_from(end).expect("it is small"));
                    }
                }
            }
        }
    }

    /// C-81.
    #[test]
    fn it_waits_then_asks_until_the_answer_is_2xx() {
        let answers = |attempt| Some((10, ProbeOutcome::Status(if attempt == 3 { 204 } else { 500 })));
        let (result, end) = play(schedule(), answers);
        // 100 start delay, 3 probes of 10 each, 2 intervals.
        assert_eq!((result, end), (Ok(Ready { attempts: 3, took: MS(730) }), 730));
    }

    #[test]
    fn it_fails_at_the_total_timeout_with_the_last_reason() {
        let (result, end) = play(schedule(), |_| Some((10, ProbeOutcome::Status(304))));
        assert_eq!((result, end), (Err(HealthReason::Status(304)), 1_100));
        let (result, end) = play(schedule(), |_| Some((0, ProbeOutcome::Failed)));
        assert_eq!((result, end), (Err(HealthReason::FetchFailed), 1_100));
    }

    #[test]
    fn a_probe_without_an_answer_is_dropped_in_its_own_time_and_asked_again() {
        let (result, end) =
            play(schedule(), |attempt| (attempt == 2).then_some((5, ProbeOutcome::Status(200))));
        // 100 delay, 400 hung, 300 interval, 5 for the answer.
        assert_eq!((result, end), (Ok(Ready { attempts: 2, took: MS(805) }), 805));
    }

    #[test]
    fn a_hung_probe_never_outlives_the_total_timeout() {
        let patient = HealthSchedule { probe_timeout: MS(5_000), ..schedule() };
        let (result, end) = play(patient, |_| None);
        assert_eq!((result, end), (Err(HealthReason::NoAnswer { within: MS(1_000) }), 1_100));
    }

    /// C-83: the reason is that of the last answer, also when the last probe was cut by the end of the check.
    #[test]
    fn a_last_probe_that_was_cut_does_not_hide_the_answer_before_it() {
        let answers = |attempt| (attempt < 4).then_some((0, ProbeOutcome::Status(503)));
        let patient = HealthSchedule { probe_timeout: MS(5_000), ..schedule() };
        let (result, end) = play(patient, answers);
        assert_eq!((result, end), (Err(HealthReason::Status(503)), 1_100));
    }

    /// The answer of another process on the same port is none.
    #[test]
    fn an_answer_that_does_not_count_is_asked_for_again() {
        let rejected = || ProbeOutcome::Rejected("somebody else".to_owned());
        let until_third = |attempt| {
            let outcome = if attempt < 3 { rejected() } else { ProbeOutcome::Status(200) };
            Some((10, outcome))
        };
        let (result, end) = play(schedule(), until_third);
        assert_eq!((result, end), (Ok(Ready { attempts: 3, took: MS(730) }), 730));
        let (result, end) = play(schedule(), |_| Some((10, rejected())));
        assert_eq!((result, end), (Err(HealthReason::Rejected { why: "somebody else".to_owned() }), 1_100));
    }

    /// C-83.
    #[test]
    fn without_time_there_are_no_attempts() {
        let (result, end) = play(HealthSchedule { timeout: MS(0), ..schedule() }, |_| None);
        assert_eq!((result, end), (Err(HealthReason::NoAttempts), 100));
    }

    #[test]
    fn early_timers_and_late_answers_change_nothing() {
        let mut machine = Machine::new(schedule(), at(0));
        assert_eq!(machine.handle(Event::TimeUp, at(50)), []);
        assert_eq!(machine.handle(Event::ProbeEnded(ProbeOutcome::Status(200)), at(60)), []);
        assert_eq!(machine.next_timeout(), Some(at(100)));
    }
}
