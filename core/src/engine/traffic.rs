//! Pausing traffic: requests wait, and nobody notices but by the clock.

use std::time::Duration;

use crate::rollout::{Answer, Command};

use super::Engine;
use super::error::{FromAnswer, TrafficError};

/// The longest time after which a pause may end by itself. A pause without a time ends when somebody resumes.
pub const PAUSE_TIMEOUT_MAX: Duration = Duration::from_secs(60 * 60);

impl Engine {
    /// Lets every new request wait, until [`resume`](Self::resume) or for `timeout`: for a migration that the application
    /// should not see, for example. What is under way goes on; [`status`](Self::status) says how much that is.
    ///
    /// Each request waits at most `proxy.limits.parkTimeoutMs`, and then is answered with 503; so are those for whom there
    /// is no room (`parkedMax`, `parkedBytesMax`). Deploys go on during a pause: what is active when it ends gets the
    /// requests. A pause during a pause begins its time anew. An engine that retires or drains resumes first.
    ///
    /// ```no_run
    /// # async fn migrate() -> Result<(), Box<dyn std::error::Error>> { Ok(()) }
    /// # async fn story(engine: rollcore::Engine) -> Result<(), Box<dyn std::error::Error>> {
    /// engine.pause(Some(std::time::Duration::from_secs(8))).await?;
    /// let migrated = migrate().await;
    /// engine.resume().await?;
    /// # migrated
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`TrafficError`] when `timeout` is zero or longer than [`PAUSE_TIMEOUT_MAX`], or the engine is on its way out.
    ///
    /// # Cancel safety
    /// The pause begins all the same.
    pub async fn pause(&self, timeout: Option<Duration>) -> Result<(), TrafficError> {
        if timeout.is_some_and(|timeout| timeout.is_zero() || timeout > PAUSE_TIMEOUT_MAX) {
            return Err(TrafficError::pause_timeout(PAUSE_TIMEOUT_MAX));
        }
        Flow::from_answer(self.ask_now(Command::Pause { timeout }).await).map(drop)
    }

    /// Sends whoever waits since a pause, in the order in which they came. Without a pause nothing happens.
    ///
    /// # Errors
    /// [`TrafficError`] when the engine is on its way out; then nothing is paused either.
    ///
    /// # Cancel safety
    /// Traffic is resumed all the same.
    pub async fn resume(&self) -> Result<(), TrafficError> {
        Flow::from_answer(self.ask_now(Command::Resume).await).map(drop)
    }
}

/// It was done.
struct Flow;

impl FromAnswer for Flow {
    type Error = TrafficError;

    fn from_answer(answer: Option<Answer>) -> Result<Self, TrafficError> {
        match answer {
            Some(Answer::TrafficPaused | Answer::TrafficResumed) => Ok(Self),
            other => Err(other.into()),
        }
    }
}
