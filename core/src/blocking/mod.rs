//! The engine for callers without an async runtime: scripts, synchronous servers, other languages.
//!
//! The same engine behind functions that return when they are done. It brings its own threads, so it may be called
//! from anywhere: from `main`, from any thread, and even from inside somebody's async runtime, where it holds up the
//! thread that calls it but neither panics nor deadlocks. Whoever has a runtime is better off with
//! [`rollcore::Engine`](crate::Engine).
//!
//! ```
//! use rollcore::{Config, Release, Seq, blocking::Engine};
//! use std::time::Duration;
//!
//! let config = Config::from_json(r#"{
//!     "application": "shop", "proxy": { "port": 0 },
//!     "processes": [{ "id": "web", "policy": "proxied", "command": "exec sleep 60", "port": 0, "health": false }]
//! }"#)?;
//! let engine = Engine::start(config)?;
//! let deployed = engine.deploy(Release::new("v1", "/")?)?;
//! assert_eq!(deployed.active.as_str(), "v1");
//! assert_eq!(engine.status().active_release_id, Some(deployed.active));
//!
//! let batch = engine.events(Seq::START, Duration::from_secs(1));
//! assert_eq!(batch.events[0].event.message(), "proxy listening");
//!
//! assert_eq!(engine.shutdown().survivors, 0);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use crate::engine::{
    self, DeployError, Deployed, EngineStartError, Release, RestartError, RestoreError, ShutdownReport,
    Status, StopError, TrafficError,
};
use crate::event::{Batch, StampedEvent};
use crate::id::{InstanceId, ReleaseId, Seq};
use crate::rollout::{Answer, RestartSelection, RollbackTo};
use crate::spec::Application;

use crate::threads::{Threads, Workers};

/// How long dropping an [`Engine`] waits for its processes to end, unless somebody says otherwise: the default grace of
/// 10 s, 5 s for SIGKILL and 5 s for the last answers of the proxy. What is left then is killed.
pub const DROP_TIMEOUT_DEFAULT: Duration = Duration::from_secs(20);

/// How many threads there are. The proxy has its own; these only conduct.
const WORKERS: usize = 2;

/// What a verb makes of an engine that has ended.
const NO_ANSWER: Option<Answer> = None;

/// Why there is no engine.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// Its threads could not be started.
    #[error("cannot start the engine's threads")]
    Threads(#[source] io::Error),
    /// As for an engine with somebody else's threads.
    #[error(transparent)]
    Engine(#[from] EngineStartError),
}

impl StartError {
    /// The stable word for programs.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Threads(_) => "engine_threads_failed",
            Self::Engine(error) => error.code(),
        }
    }
}

/// Looks after one application, as [`rollcore::Engine`](crate::Engine) does, with threads of its own.
///
/// All of it may be called by several threads at once; put it into an `Arc` to share it. The threads are named
/// `rollcore-engine-0` and so on, and have every signal blocked, so that the host's handlers run on the host's threads.
///
/// **Dropping it shuts it down**, and waits for that: [`DROP_TIMEOUT_DEFAULT`] at most, or what
/// [`drop_timeout`](Self::drop_timeout) said. Processes that are left then are killed.
pub struct Engine {
    engine: engine::Engine,
    threads: Threads,
    drop_timeout: Duration,
}

impl Engine {
    /// Starts its threads, binds the proxy, and runs no process yet.
    ///
    /// # Errors
    /// [`StartError`] when there are no threads to be had, or the proxy's address is not.
    pub fn start(application: impl Into<Application>) -> Result<Self, StartError> {
        let application: Application = application.into();
        let threads =
            Threads::start(Workers::named("rollcore-engine", WORKERS)).map_err(StartError::Threads)?;
        let started = threads.run(engine::Engine::start(application));
        let engine = started.ok_or_else(|| StartError::Threads(io::Error::other("they ended at once")))??;
        Ok(Self { engine, threads, drop_timeout: DROP_TIMEOUT_DEFAULT })
    }

    /// How long dropping it may wait. Zero kills every process at once.
    #[must_use]
    pub fn drop_timeout(mut self, timeout: Duration) -> Self {
        self.drop_timeout = timeout;
        self
    }

    /// Moves to a release, and returns when traffic is on it. See [`Engine::deploy`](crate::Engine::deploy).
    ///
    /// # Errors
    /// [`DeployError`]; only `Stuck` means that something is not as it was.
    pub fn deploy(&self, release: Release) -> Result<Deployed, DeployError> {
        let engine = self.engine.clone();
        self.threads.run(async move { engine.deploy(release).await }).unwrap_or(Err(DeployError::Ended))
    }

    /// Moves back to a release that was there before.
    ///
    /// # Errors
    /// As [`deploy`](Self::deploy), and when there is no such release.
    pub fn rollback(&self, to: RollbackTo) -> Result<Deployed, DeployError> {
        let engine = self.engine.clone();
        self.threads.run(async move { engine.rollback(to).await }).unwrap_or(Err(DeployError::Ended))
    }

    /// Stops a release at once: the given one, or the active one, after which requests get 503.
    ///
    /// # Errors
    /// [`StopError`] when there is no such release, another operation is under way, or a process outlives SIGKILL.
    pub fn stop(&self, release: Option<ReleaseId>) -> Result<(), StopError> {
        let engine = self.engine.clone();
        let stopped = self.threads.run(async move { engine.stop(release).await });
        stopped.unwrap_or_else(|| Err(NO_ANSWER.into()))
    }

    /// Restarts instances in place, one after the other, and names them.
    ///
    /// # Errors
    /// [`RestartError`] when it names the proxied process or none, or when a restart fails.
    pub fn restart(&self, selection: RestartSelection) -> Result<Vec<InstanceId>, RestartError> {
        let engine = self.engine.clone();
        let restarted = self.threads.run(async move { engine.restart(selection).await });
        restarted.unwrap_or_else(|| Err(NO_ANSWER.into()))
    }

    /// Lets every new request wait, until [`resume`](Self::resume) or for `timeout`. See
    /// [`Engine::pause`](crate::Engine::pause).
    ///
    /// # Errors
    /// [`TrafficError`] when `timeout` is zero or too long, or the engine is on its way out.
    pub fn pause(&self, timeout: Option<Duration>) -> Result<(), TrafficError> {
        let engine = self.engine.clone();
        let paused = self.threads.run(async move { engine.pause(timeout).await });
        paused.unwrap_or_else(|| Err(NO_ANSWER.into()))
    }

    /// Sends whoever waits since a pause, in the order in which they came.
    ///
    /// # Errors
    /// [`TrafficError`] when the engine is on its way out.
    pub fn resume(&self) -> Result<(), TrafficError> {
        let engine = self.engine.clone();
        let resumed = self.threads.run(async move { engine.resume().await });
        resumed.unwrap_or_else(|| Err(NO_ANSWER.into()))
    }

    /// Stops every process, then the proxy. Takes as long as the stops take: for ever, when a process may take for
    /// ever (`gracefulStopMs: "indefinite"`) and does. Everything that is asked afterwards fails with `shutting_down`.
    pub fn shutdown(&self) -> ShutdownReport {
        let engine = self.engine.clone();
        let report = self.threads.run(async move { engine.shutdown().await });
        report.unwrap_or(ShutdownReport { survivors: 0 })
    }

    /// Begins to write down what runs, if the application has a state file; returns when that was done once, or failed. See
    /// [`Engine::keep_state`](crate::Engine::keep_state).
    pub fn keep_state(&self) {
        let engine = self.engine.clone();
        let _threads_have_ended = self.threads.run(async move { engine.keep_state().await });
    }

    /// Brings back the release that was active when an earlier program was killed, and returns when it serves; `None` when
    /// there was none. See [`Engine::restore`](crate::Engine::restore).
    ///
    /// # Errors
    /// [`RestoreError`].
    pub fn restore(&self) -> Result<Option<Deployed>, RestoreError> {
        let engine = self.engine.clone();
        let restored = self.threads.run(async move { engine.restore().await });
        restored.unwrap_or(Err(RestoreError::Deploy(DeployError::Ended)))
    }

    /// How everything is, right now. Never waits.
    #[must_use]
    pub fn status(&self) -> Status {
        self.engine.status()
    }

    /// The events after `after`: those that are there, or, when there are none, those that come within `timeout`. None
    /// at all when none came. [`Batch::next`] is where the next call reads on.
    pub fn events(&self, after: Seq, timeout: Duration) -> Batch {
        let mut cursor = self.engine.events(after);
        let now = cursor.read();
        if !now.events.is_empty() || timeout.is_zero() {
            return now;
        }
        let news = self.threads.run_within(timeout, async move { cursor.next().await });
        news.unwrap_or(now)
    }

    /// The newest `limit` events, the oldest first; all that are held when `limit` is `None`.
    #[must_use]
    pub fn recent_events(&self, limit: Option<usize>) -> Vec<StampedEvent> {
        self.engine.recent_events(limit)
    }

    /// The address that the proxy listens on.
    #[must_use]
    pub fn proxy_addr(&self) -> SocketAddr {
        self.engine.proxy_addr()
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        let engine = self.engine.clone();
        let _report_or_too_late =
            self.threads.run_within(self.drop_timeout, async move { engine.shutdown().await });
    }
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("blocking::Engine").field("proxy", &self.proxy_addr()).finish_non_exhaustive()
    }
}
