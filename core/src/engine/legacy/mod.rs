//! What ran the application before a daemon did is stopped, before the first deploy (compat C-228, C-229).
//!
//! `machine.rs` says who is meant; this file asks them to end, and then makes them.

mod machine;
#[cfg(test)]
mod tests;

use std::fmt;
use std::path::Path;
use std::time::Duration;

use crate::clock;
use crate::exit::Signal;
use crate::spec::{Command, LegacyTakeover, RunSpec};
use crate::supervisor::{ProcessEntry, process_table, run_to_end};

/// How long `screen -X quit` may take; then it is killed, and its processes are stopped one by one.
const SCREEN_TIMEOUT: Duration = Duration::from_secs(5);

/// How long a process may take to die of SIGKILL; then it is reported.
const KILL_TIMEOUT: Duration = Duration::from_secs(5);

/// How often is looked whether they are gone.
const POLL_INTERVAL: Duration = Duration::from_millis(50);

/// A process of an older way of deploying.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LegacyProcess {
    /// Its number.
    pub pid: u32,
    /// Its arguments, with spaces between them.
    pub command_line: String,
}

/// Why what ran before is not gone.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LegacyError {
    /// These are still there, or are there again (compat C-229).
    #[error("Refusing Rollbridge deploy while legacy processes are still running:{}", Lines(.0))]
    StillRunning(Vec<LegacyProcess>),
    /// To end this screen session would end the one who asks.
    #[error("Refusing to stop the legacy screen \"{0}\" from inside of it; run this command elsewhere.")]
    InsideScreen(String),
    /// The runtime has ended.
    #[error("the runtime has ended before the legacy processes were stopped")]
    RuntimeEnded,
}

impl LegacyError {
    /// The stable word for programs.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::StillRunning(_) => "legacy_still_running",
            Self::InsideScreen(_) => "inside_legacy_screen",
            Self::RuntimeEnded => "runtime_ended",
        }
    }
}

struct Lines<'a>(&'a [LegacyProcess]);

impl fmt::Display for Lines<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|process| write!(f, "\n{} {}", process.pid, process.command_line))
    }
}

/// Ends the screen sessions and the processes that `takeover` means, with all their descendants, and tells which those
/// were: SIGTERM, then SIGKILL after `force_stop_timeout`. Never this process or one that it descends from. A process is
/// known by its pid and its start time, so one that gets the number of another is not hit.
///
/// # Errors
/// [`LegacyError`] when some are still there afterwards, such as those of another user.
///
/// # Panics
/// Outside of a tokio runtime with IO and time.
///
/// # Cancel safety
/// Those that were asked to end may do so when the future is dropped; none is killed then.
pub async fn stop_legacy(takeover: &LegacyTakeover) -> Result<Vec<LegacyProcess>, LegacyError> {
    let me = std::process::id();
    let table = read_table().await?;
    if let Some(screen) = machine::own_screen(takeover, &table, me) {
        return Err(LegacyError::InsideScreen(screen.to_owned()));
    }
    // Before the screens are told: what they ran has to be known when it loses its parent.
    let victims: Vec<_> = machine::victims(takeover, &table, me).into_iter().cloned().collect();
    for screen in &takeover.screens {
        quit(screen).await;
    }
    end(&victims, Signal::TERM, takeover.force_stop_timeout).await?;
    end(&victims, Signal::KILL, KILL_TIMEOUT).await?;
    let table = read_table().await?;
    let mut left: Vec<_> = machine::victims(takeover, &table, me).into_iter().cloned().collect();
    left.extend(table.into_iter().filter(|process| victims.iter().any(|victim| is_same(victim, process))));
    left.sort_by_key(|process| process.pid);
    left.dedup_by_key(|process| process.pid);
    if left.is_empty() { Ok(victims.into_iter().map(told).collect()) } else { Err(still_running(left)) }
}

fn is_same(one: &ProcessEntry, other: &ProcessEntry) -> bool {
    (one.pid, one.start_time) == (other.pid, other.start_time)
}

fn still_running(left: Vec<ProcessEntry>) -> LegacyError {
    LegacyError::StillRunning(left.into_iter().map(told).collect())
}

fn told(process: ProcessEntry) -> LegacyProcess {
    LegacyProcess { pid: process.pid, command_line: process.command_line }
}

async fn read_table() -> Result<Vec<ProcessEntry>, LegacyError> {
    tokio::task::spawn_blocking(process_table).await.map_err(|_| LegacyError::RuntimeEnded)
}

/// Whatever comes of it: there may be no such session, and no `screen` at all.
async fn quit(screen: &str) {
    let words = ["-S", screen, "-X", "quit"].map(str::to_owned);
    let command = Command::Exec { program: "screen".to_owned(), args: words.to_vec() };
    run_to_end(RunSpec::new(command, Path::new("/")), SCREEN_TIMEOUT).await;
}

/// Signals those that are left, and waits until they are gone, for `timeout` at most.
async fn end(victims: &[ProcessEntry], signal: Signal, timeout: Duration) -> Result<(), LegacyError> {
    let deadline = clock::alarm(timeout);
    let left = alive(victims).await?;
    let signalled = left.clone();
    let signalling = move || signalled.iter().for_each(|process| process.signal(signal));
    tokio::task::spawn_blocking(signalling).await.map_err(|_| LegacyError::RuntimeEnded)?;
    let gone = async {
        while !alive(&left).await?.is_empty() {
            tokio::time::sleep(POLL_INTERVAL).await;
        }
        Ok(())
    };
    tokio::time::timeout_at(deadline, gone).await.unwrap_or(Ok(()))
}

async fn alive(processes: &[ProcessEntry]) -> Result<Vec<ProcessEntry>, LegacyError> {
    let processes = processes.to_vec();
    let look = move || processes.into_iter().filter(ProcessEntry::is_alive).collect();
    tokio::task::spawn_blocking(look).await.map_err(|_| LegacyError::RuntimeEnded)
}
