//! How a WebSocket is ended from between its two sides (RFC 6455 §5.5.1, §7.1).
//!
//! ```text
//!        told             the application      the client          or it takes too long:
//!                         ends a message       says Close too      we say it for the client
//!  Open ──────▶ Waiting ─────────────────▶ ClientKnows ─────────────────▶ BothKnow ──────▶ Over
//!                         we say Close to      │ what the application         too long
//!                         the client           ▼ says now is dropped
//! ```
//!
//! The client hears it first: what it has said until then still reaches the application, and its own Close frame, which
//! passes like everything else, is what tells the application.

use std::time::Duration;

use crate::time::Instant;

use super::frames::{End, Frames};

/// One WebSocket, from its first byte on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Farewell {
    down: Frames,
    up: Frames,
    state: State,
    /// How long each step may take.
    patience: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Open,
    /// The application is in the middle of a message; after `until` the end of a frame will do.
    Waiting {
        until: Instant,
        end: End,
    },
    ClientKnows {
        until: Instant,
    },
    BothKnow {
        until: Instant,
    },
    Over,
}

/// What becomes of bytes of the application.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Down {
    /// So many of them go on to the client; the rest is dropped.
    pub(crate) pass: usize,
    /// After them, our Close frame goes to the client.
    pub(crate) say_close: bool,
}

/// What is to be done when nothing passes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// Our Close frame goes to the client.
    SayToClient,
    /// Our Close frame goes to the application.
    SayToApplication,
    /// Both connections are closed.
    Close,
}

impl Farewell {
    /// Of a WebSocket that both sides have just agreed to.
    pub(crate) fn new(patience: Duration) -> Self {
        Self { down: Frames::START, up: Frames::START, state: State::Open, patience }
    }

    /// When to call `time_up`.
    pub(crate) fn next_timeout(&self) -> Option<Instant> {
        match self.state {
            State::Waiting { until, .. } | State::ClientKnows { until } | State::BothKnow { until } => {
                Some(until)
            }
            State::Open | State::Over => None,
        }
    }

    /// Whether the client got a Close frame of ours.
    pub(crate) fn is_said(&self) -> bool {
        matches!(self.state, State::ClientKnows { .. } | State::BothKnow { .. } | State::Over)
    }

    /// It is time to go. Nothing follows when a side says so by itself already, or when nobody knows where a frame
    /// would begin.
    pub(crate) fn tell(&mut self, now: Instant) -> Option<Next> {
        if self.state != State::Open || self.cannot_be_told() {
            return None;
        }
        self.state = State::Waiting { until: now + self.patience, end: End::Message };
        self.say_if_at_end(now)
    }

    /// `bytes` came from the application. The time is asked for only where it matters.
    pub(crate) fn down(&mut self, bytes: &[u8], now: impl FnOnce() -> Instant) -> Down {
        let all = Down { pass: bytes.len(), say_close: false };
        match self.state {
            State::Open => {
                self.down.pass(bytes);
                all
            }
            State::Waiting { end, .. } => match self.down.pass_to(end, bytes) {
                Some(pass) => {
                    self.client_knows(now());
                    Down { pass, say_close: true }
                }
                None => {
                    self.give_up_if_it_cannot_be_told();
                    all
                }
            },
            State::ClientKnows { .. } | State::BothKnow { .. } | State::Over => {
                Down { pass: 0, say_close: false }
            }
        }
    }

    /// `bytes` came from the client: so many of them go on to the application, the rest is dropped.
    pub(crate) fn up(&mut self, bytes: &[u8], now: impl FnOnce() -> Instant) -> usize {
        match self.state {
            State::Open => self.up.pass(bytes),
            State::Waiting { .. } => {
                self.up.pass(bytes);
                self.give_up_if_it_cannot_be_told();
            }
            State::ClientKnows { .. } => {
                self.up.pass(bytes);
                if self.up.is_closed() {
                    self.state = State::BothKnow { until: now() + self.patience };
                }
            }
            State::BothKnow { .. } | State::Over => return 0,
        }
        bytes.len()
    }

    /// `next_timeout` has come.
    pub(crate) fn time_up(&mut self, now: Instant) -> Option<Next> {
        if self.next_timeout().is_none_or(|until| now < until) {
            return None;
        }
        match self.state {
            State::Waiting { end: End::Message, .. } => {
                self.state = State::Waiting { until: now + self.patience, end: End::Frame };
                self.say_if_at_end(now)
            }
            // Nothing can be said in the middle of a frame: this one is left to those who cut.
            State::Waiting { end: End::Frame, .. } => {
                self.state = State::Open;
                None
            }
            State::ClientKnows { .. } if self.up.is_at(End::Frame) => {
                self.state = State::BothKnow { until: now + self.patience };
                Some(Next::SayToApplication)
            }
            State::ClientKnows { .. } | State::BothKnow { .. } => {
                self.state = State::Over;
                Some(Next::Close)
            }
            State::Open | State::Over => None,
        }
    }

    fn say_if_at_end(&mut self, now: Instant) -> Option<Next> {
        let State::Waiting { end, .. } = self.state else { return None };
        self.down.is_at(end).then(|| {
            self.client_knows(now);
            Next::SayToClient
        })
    }

    fn client_knows(&mut self, now: Instant) {
        self.state = State::ClientKnows { until: now + self.patience };
    }

    fn give_up_if_it_cannot_be_told(&mut self) {
        if self.cannot_be_told() {
            self.state = State::Open;
        }
    }

    fn cannot_be_told(&self) -> bool {
        self.down.is_closed() || self.up.is_closed() || self.down.is_lost() || self.up.is_lost()
    }
}

#[cfg(test)]
mod tests;
