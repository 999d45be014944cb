//! The one timer of a client connection.

use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::time::{Sleep, sleep};

use crate::clock;
use crate::time::Instant;

/// A timer that is set to the earliest of what is waited for, for each request anew.
///
/// It is armed rarely: setting it to a later time leaves it as it is, and when it rings early it is armed again.
pub(super) struct Alarm {
    sleep: Option<Pin<Box<Sleep>>>,
    armed: Option<Instant>,
    at: Option<Instant>,
}

impl Alarm {
    pub(super) fn new() -> Self {
        Self { sleep: None, armed: None, at: None }
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
        let after = at - clock::now();
        match &mut self.sleep {
            Some(sleep) => sleep.as_mut().reset(clock::alarm(after)),
            None => self.sleep = Some(Box::pin(sleep(after))),
        }
    }

    /// Whether its time has come; else it wakes when it does.
    pub(super) fn is_due(&mut self, cx: &mut Context<'_>) -> bool {
        let Some(at) = self.at else { return false };
        while self.sleep.as_mut().is_some_and(|sleep| sleep.as_mut().poll(cx) == Poll::Ready(())) {
            self.armed = None;
            if clock::now() >= at {
                return true;
            }
            self.arm(at);
        }
        false
    }
}
