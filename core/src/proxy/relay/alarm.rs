//! The one timer of a client connection.

use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::time::{Sleep, sleep};

use crate::clock;
use crate::time::Instant;

use super::moment;

/// A timer that is set to the earliest of what is waited for, for each request anew.
///
/// It is armed rarely: setting it to a later time leaves it as it is, and when it rings early it is armed again. Its whole
/// life is that of one task, which it wakes: so the runtime's timer is asked once after it was armed, and then when it has
/// rung.
pub(super) struct Alarm {
    sleep: Option<Pin<Box<Sleep>>>,
    armed: Option<Instant>,
    at: Option<Instant>,
    /// Whether the task is known to the runtime's timer since it was armed.
    wakes: bool,
}

impl Alarm {
    pub(super) fn new() -> Self {
        Self { sleep: None, armed: None, at: None, wakes: false }
    }

    /// Sets it, or takes it back.
    pub(super) fn set(&mut self, at: Option<Instant>) {
        self.at = at;
        if let Some(at) = at
            && self.armed.is_none_or(|armed| at < armed)
        {
            self.arm(at);
        }
    }

    fn arm(&mut self, at: Instant) {
        self.armed = Some(at);
        self.wakes = false;
        let after = at - moment::now();
        match &mut self.sleep {
            Some(sleep) => sleep.as_mut().reset(clock::alarm(after)),
            None => self.sleep = Some(Box::pin(sleep(after))),
        }
    }

    /// Whether its time has come; else it wakes when it does.
    pub(super) fn is_due(&mut self, cx: &mut Context<'_>) -> bool {
        let Some(at) = self.at else { return false };
        while self.has_rung(cx) {
            self.armed = None;
            if moment::now() >= at {
                return true;
            }
            self.arm(at);
        }
        false
    }

    fn has_rung(&mut self, cx: &mut Context<'_>) -> bool {
        let Some(sleep) = &mut self.sleep else { return false };
        if self.wakes && !sleep.is_elapsed() {
            return false;
        }
        self.wakes = true;
        sleep.as_mut().poll(cx) == Poll::Ready(())
    }
}
