//! Runs a lifecycle command beside a process (compat C-69 to C-71).

use std::time::Duration;

use crate::id::Pid;
use crate::spec::{Command, RunSpec};

use super::child::{Capture, Child, RawChild};
use super::machine::HookEnd;

/// Runs `command` in a group of its own, in the directory and with the environment of `spec`, and with
/// `ROLLBRIDGE_PID` and `ROLLCORE_PID`, the number of the process's group. What it prints is thrown away.
///
/// It carries a mark of its own and not that of the process, so that it is nobody's member: a stop that waits for the
/// process does not wait for its hook. At `time_limit` it is killed with everything it started. Also when it ends by
/// itself, and when this future is dropped, nothing of it stays behind.
pub(super) async fn run(spec: RunSpec, command: String, pid: Pid, time_limit: Duration) -> HookEnd {
    let hook = RunSpec { command: Command::Shell(command), ..spec };
    let env = [("ROLLBRIDGE_PID", pid.to_string()), ("ROLLCORE_PID", pid.to_string())];
    run_with(hook, env.to_vec(), time_limit).await
}

/// Runs `spec` to its end, as [`run`] does a hook. Whatever comes of it.
pub(crate) async fn run_to_end(spec: RunSpec, time_limit: Duration) {
    if let HookEnd::NotStarted(error) = run_with(spec, Vec::new(), time_limit).await {
        tracing::debug!(%error, "a command was not started");
    }
}

async fn run_with(spec: RunSpec, env: Vec<(&'static str, String)>, time_limit: Duration) -> HookEnd {
    let spawning = move || RawChild::spawn(&spec, &env, Capture::Nothing);
    let raw = match tokio::task::spawn_blocking(spawning).await {
        Ok(Ok(raw)) => raw,
        Ok(Err(error)) => return HookEnd::NotStarted(error.message),
        Err(error) => return HookEnd::NotStarted(error.to_string()),
    };
    let mut child = match Child::new(raw) {
        Ok(child) => child,
        Err(error) => return HookEnd::NotStarted(error.to_string()),
    };
    let end = match tokio::time::timeout(time_limit, child.exited()).await {
        Ok(exit) => HookEnd::Exited(exit),
        Err(_) => HookEnd::TimedOut,
    };
    let group = child.group().clone();
    let _cleared_or_not = tokio::task::spawn_blocking(move || group.clear()).await;
    let _exit = tokio::time::timeout(REAP_TIMEOUT, child.exited()).await;
    child.reap();
    end
}

/// How long the hook may take to die of SIGKILL.
const REAP_TIMEOUT: Duration = Duration::from_millis(100);
