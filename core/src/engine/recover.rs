//! Cleaning up after a daemon that was killed, without a daemon (compat C-209 to C-213).

use std::sync::Arc;
use std::time::Duration;

use crate::event::Orphan;
use crate::spec::StateSpec;
use crate::supervisor::Census;

use super::journal::{Leftover, file};
use super::orphan::{self, LeftBehind, Wrote};

/// How often it is looked whether somebody has come while the others were stopped.
const ROUNDS_MAX: u32 = 3;

/// Why nothing can be recovered.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RecoverError {
    /// The state file cannot be read, or not be believed.
    #[error("{0}")]
    State(String),
    /// The daemon that wrote it is still there, perhaps on its way out.
    #[error("the daemon that wrote it still runs, with pid {pid}")]
    DaemonAlive {
        /// Its pid.
        pid: u32,
    },
    /// The runtime has ended.
    #[error("the runtime has ended")]
    RuntimeEnded,
}

impl RecoverError {
    /// The stable word for programs.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::State(_) => "state_not_readable",
            Self::DaemonAlive { .. } => "daemon_alive",
            Self::RuntimeEnded => "runtime_ended",
        }
    }
}

/// What a daemon that was killed has left behind.
///
/// Whether a daemon answers on the control socket is for the caller to ask first (compat C-210).
///
/// ```no_run
/// use rollcore::{Recovery, StateSpec};
/// use std::time::Duration;
///
/// # async fn story(state: &StateSpec) -> Result<(), Box<dyn std::error::Error>> {
/// let recovery = Recovery::look(state).await?;
/// println!("{} processes are left", recovery.orphans().len());
/// let recovered = recovery.stop(Duration::from_secs(10)).await;
/// assert!(recovered.left.is_empty());
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Recovery {
    state: StateSpec,
    leftover: Leftover,
    hosts: Arc<[String]>,
    found: Vec<LeftBehind>,
}

/// What has become of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recovered {
    /// These are gone, with everything they had started.
    pub stopped: Vec<Orphan>,
    /// These are still there, even after SIGKILL. The state file was left in its place.
    pub left: Vec<Orphan>,
    /// Why the state file could not be removed, if it could not.
    pub problem: Option<String>,
}

impl Recovery {
    /// Reads the state file, and looks who of those that are named there, or carry the mark of the daemon that wrote it,
    /// still runs. Changes nothing.
    ///
    /// # Errors
    /// [`RecoverError`].
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    ///
    /// # Cancel safety
    /// Nothing is lost.
    pub async fn look(state: &StateSpec) -> Result<Self, RecoverError> {
        let state = state.clone();
        tokio::task::spawn_blocking(move || Self::look_now(state))
            .await
            .unwrap_or(Err(RecoverError::RuntimeEnded))
    }

    fn look_now(state: StateSpec) -> Result<Self, RecoverError> {
        let text = file::read(&state.path).map_err(|error| RecoverError::State(error.to_string()))?;
        let leftover = Leftover::parse(&text.unwrap_or_default());
        if let Some(host) = leftover.host.as_ref().filter(|host| host.is_alive()) {
            return Err(RecoverError::DaemonAlive { pid: host.pid });
        }
        let hosts: Arc<[String]> = orphan::hosts(&leftover).into();
        let found = look_again(&leftover, &hosts);
        Ok(Self { state, leftover, hosts, found })
    }

    /// Who is left, in the order in which they were written down.
    #[must_use]
    pub fn orphans(&self) -> Vec<Orphan> {
        self.found.iter().map(LeftBehind::orphan).collect()
    }

    /// Ends them side by side: SIGTERM to each group, SIGKILL after `grace`, and another 500 ms to die of it. When all are
    /// gone, the state file is removed.
    ///
    /// # Panics
    /// Outside of a tokio runtime with time.
    ///
    /// # Cancel safety
    /// What was asked to end may still end; the state file stays.
    pub async fn stop(self, grace: Duration) -> Recovered {
        let Self { state, leftover, hosts, mut found } = self;
        let mut recovered = Recovered::default();
        for _ in 0..ROUNDS_MAX {
            let stopped = orphan::stop(found, Arc::clone(&hosts), grace).await;
            recovered.stopped.extend(stopped.gone);
            recovered.left = stopped.left;
            if !recovered.left.is_empty() {
                return recovered;
            }
            let (entries_of, marks) = (leftover.clone(), Arc::clone(&hosts));
            let again = tokio::task::spawn_blocking(move || look_again(&entries_of, &marks));
            found = again.await.unwrap_or_default();
            if found.is_empty() {
                break;
            }
        }
        recovered.left = found.iter().map(LeftBehind::orphan).collect();
        if recovered.left.is_empty() {
            recovered.problem = file::remove(&state.path).err().map(|error| error.to_string());
        }
        recovered
    }
}

fn look_again(leftover: &Leftover, hosts: &[String]) -> Vec<LeftBehind> {
    orphan::find(&leftover.entries, hosts, Wrote::of(leftover.host.as_ref()), &Census::take())
}
