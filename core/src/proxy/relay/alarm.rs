//! The one timer of a client connection.

use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::task::coop::has_budget_remaining;
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
        // A turn that has had all its share is ended before the timer hears of it; there is another one at once.
        self.wakes = has_budget_remaining();
        sleep.as_mut().poll(cx) == Poll::Ready(())
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::task::ready;
    use std::time::Duration;

    use tokio::task::coop::poll_proceed;

    use super::*;

    /// Nobody else wakes the task.
    #[tokio::test]
    async fn an_alarm_that_is_set_at_the_end_of_a_long_turn_rings() {
        let rings = tokio::spawn(async {
            let mut alarm = Alarm::new();
            poll_fn(|cx| {
                moment::turn_begins();
                if alarm.at.is_none() {
                    while has_budget_remaining() {
                        ready!(poll_proceed(cx)).made_progress();
                    }
                    alarm.set(Some(moment::now() + Duration::from_millis(5)));
                }
                if alarm.is_due(cx) { Poll::Ready(()) } else { Poll::Pending }
            })
            .await;
        });
        let in_time = tokio::time::timeout(Duration::from_secs(20), rings).await;
        in_time.expect("it rings").expect("it does not panic");
    }
}
