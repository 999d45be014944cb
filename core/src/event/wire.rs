//! How an event reads: its message, its data, and both as `{at, data, message}` (compat C-195 to C-198).

use std::borrow::Cow;
use std::path::Path;

use serde::ser::{Serialize, SerializeStruct, Serializer};
use serde_json::{Map, Value, json};

use crate::exit::Exit;
use crate::id::{InstanceId, Pid, ReleaseId};
use crate::report::{HookProblem, OutputLine};

use super::{Event, ProcessEvent, StampedEvent, StartupProcess};

/// Compat C-207.
const ORPHANS_HINT: &str =
    "a previous daemon did not shut down cleanly; verify these pids and stop any leftovers";

impl Event {
    /// What happened, in the words of the contract.
    #[must_use]
    pub fn message(&self) -> Cow<'static, str> {
        let message = match self {
            Self::ProxyBound { .. } => "proxy listening",
            Self::ControlBound { .. } => "control socket listening",
            Self::DeployStarted { .. } => "deploy starting",
            Self::StepStarted { .. } => "rollout step",
            Self::StepFailed { .. } => "rollout step failed",
            Self::StepUndone { .. } => "rollout step undone",
            Self::RolloutUndone { .. } => "rollout undone",
            Self::RolloutStuck { .. } => "rollout stuck",
            Self::StartupFailed { .. } => "release startup failed",
            Self::StartupProcessSeen(_) => "release startup process status",
            Self::DeployFailed { .. } => "deploy failed",
            Self::TrafficSwitched { .. } => "traffic switched",
            Self::TrafficPaused { .. } => "traffic paused",
            Self::TrafficResumed { .. } => "traffic resumed",
            Self::TrafficCut { .. } => "traffic cut",
            Self::TrafficEnded { .. } => "traffic ended",
            Self::ReleaseDrained { .. } => "release drained",
            Self::ReleaseDrainFailed { .. } => "release drain failed",
            Self::ReleaseStopped { .. } => "release stopped",
            Self::RollbackStarted { .. } => "rollback starting",
            Self::OwnerRetired { .. } => "external owner retired",
            Self::BootstrapFailed { .. } => "bootstrap activation failed",
            Self::RestartRequested { .. } => "process restart requested",
            Self::CommandFailed { .. } => "command failed",
            Self::ControlConnectionFailed { .. } => "control connection error",
            Self::ProxyRequestFailed { .. } => "proxy error",
            Self::CertificatesLoaded { .. } => "certificates loaded",
            Self::CertificatesKept { .. } => "certificates not loaded",
            Self::MetricsListening { .. } => "metrics listening",
            Self::StatePersistFailed { .. } => "state persist failed",
            Self::StateIgnored { .. } => "state file ignored",
            Self::OrphanDetected(_) => "orphaned managed process detected",
            Self::OrphansFound { .. } => "orphaned processes from a previous daemon",
            Self::OrphanStopped(_) => "orphaned process stopped",
            Self::OrphanSurvived(_) => "orphaned process not stopped",
            Self::RestoreStarted { .. } => "restore starting",
            Self::ReleaseRestored { .. } => "release restored",
            Self::RestoreFailed { .. } => "restore failed",
            Self::Process { event, .. } => return event.message(),
        };
        Cow::Borrowed(message)
    }

    /// The particulars, as a JSON object.
    #[must_use]
    pub fn data(&self) -> Value {
        match self {
            Self::ProxyBound { host, port } | Self::MetricsListening { host, port } => {
                json!({ "host": host, "port": port })
            }
            Self::ControlBound { path } => json!({ "path": text(path) }),
            Self::DeployStarted { release, path, revision: Some(revision) } => {
                json!({ "releaseId": release, "releasePath": text(path), "revision": revision })
            }
            Self::DeployStarted { release, path, revision: None }
            | Self::RollbackStarted { release, path }
            | Self::RestoreStarted { release, path } => {
                json!({ "releaseId": release, "releasePath": text(path) })
            }
            Self::StepStarted { release, step } => json!({ "releaseId": release, "step": step.to_string() }),
            Self::StepFailed { release, step, error } => {
                json!({ "error": error, "releaseId": release, "step": step.to_string() })
            }
            Self::StepUndone { release, undo } => json!({ "releaseId": release, "undo": undo.to_string() }),
            Self::RolloutStuck { release, undo, error } => {
                json!({ "error": error, "releaseId": release, "undo": undo.to_string() })
            }
            Self::StartupFailed { release, phase, error } => {
                json!({ "error": error, "phase": phase.as_str(), "releaseId": release })
            }
            Self::StartupProcessSeen(process) => startup_process(process),
            Self::DeployFailed { release, error }
            | Self::ReleaseDrainFailed { release, error }
            | Self::RestoreFailed { release, error } => {
                json!({ "error": error, "releaseId": release })
            }
            Self::TrafficSwitched { previous, release } => {
                json!({ "previousReleaseId": previous, "releaseId": release })
            }
            Self::TrafficPaused { timeout } => json!({ "timeoutMs": timeout.map(whole_ms) }),
            Self::TrafficResumed { timed_out } => json!({ "timedOut": timed_out }),
            Self::TrafficCut { release, report } => json!({
                "releaseId": release,
                "requests": report.requests_cut,
                "tunnels": report.tunnels_cut,
            }),
            Self::TrafficEnded { release, report } => json!({
                "releaseId": release,
                "streams": report.streams_ended,
                "tunnels": report.tunnels_ended,
            }),
            Self::RolloutUndone { release }
            | Self::ReleaseDrained { release }
            | Self::ReleaseStopped { release }
            | Self::ReleaseRestored { release } => json!({ "releaseId": release }),
            Self::OwnerRetired { attestation } => {
                json!({ "attestation": attestation, "status": "draining" })
            }
            Self::BootstrapFailed { release } => json!({ "releaseId": release, "status": "error" }),
            Self::RestartRequested { process } => json!({ "processId": process }),
            Self::CommandFailed { error }
            | Self::ProxyRequestFailed { error }
            | Self::CertificatesKept { error }
            | Self::StatePersistFailed { error }
            | Self::StateIgnored { error } => json!({ "error": error }),
            Self::OrphanDetected(orphan) | Self::OrphanStopped(orphan) | Self::OrphanSurvived(orphan) => {
                json!({ "pid": orphan.pid, "processId": orphan.id, "releaseId": orphan.release })
            }
            Self::CertificatesLoaded { names } => json!({ "names": names }),
            Self::OrphansFound { count } => json!({ "count": count, "hint": ORPHANS_HINT }),
            Self::ControlConnectionFailed { code, error } => json!({ "code": code, "error": error }),
            Self::Process { process, release, event } => event.data(process, release),
        }
    }
}

impl ProcessEvent {
    fn message(&self) -> Cow<'static, str> {
        let message = match self {
            Self::Started { .. } => "process started",
            Self::Exited(_) => "process exited",
            Self::RestartFailed { .. } => "process restart failed",
            Self::RestartLimitReached { .. } => "restart limit reached",
            Self::StopTimedOut { .. } => "process stop timed out; sending SIGKILL",
            Self::MemoryWarning { .. } => "memory warning",
            Self::MemoryLimitExceeded { .. } => "memory limit exceeded",
            Self::MemoryRestartFailed { .. } => "memory restart failed",
            Self::SurvivorsLeft { .. } => "process survived SIGKILL",
            Self::HookFailed { hook, problem } => return Cow::Owned(format!("{hook} {}", outcome(problem))),
        };
        Cow::Borrowed(message)
    }

    fn data(&self, process: &InstanceId, release: &ReleaseId) -> Value {
        let mut data = match self {
            Self::Started { command, pid, reason } => {
                json!({ "command": command, "pid": pid, "reason": reason.as_str() })
            }
            Self::Exited(exit) => json!({ "code": exit.code(), "signal": exit.signal() }),
            Self::RestartFailed { error } | Self::MemoryRestartFailed { error } => json!({ "error": error }),
            Self::MemoryWarning { rss_bytes, warn_bytes } => {
                json!({ "rssBytes": rss_bytes, "warnBytes": warn_bytes })
            }
            Self::MemoryLimitExceeded { rss_bytes, limit_bytes } => {
                json!({ "limitBytes": limit_bytes, "rssBytes": rss_bytes })
            }
            Self::RestartLimitReached { max_restarts, window } => {
                json!({ "maxRestarts": max_restarts, "windowMs": whole_ms(*window) })
            }
            Self::StopTimedOut { pid } => json!({ "pid": pid }),
            Self::SurvivorsLeft { survivors } => json!({ "survivors": survivors }),
            Self::HookFailed { problem, .. } => hook_problem(problem),
        };
        let fields = data.as_object_mut().expect("every arm makes an object");
        add(fields, "id", process);
        add(fields, "processId", process);
        fields.insert("releaseId".to_owned(), Value::from(release.as_str()));
        data
    }
}

impl Serialize for StampedEvent {
    /// `{at, data, message}`: what `events` answers and what a daemon prints.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut item = serializer.serialize_struct("Event", 3)?;
        item.serialize_field("at", &self.at)?;
        item.serialize_field("data", &self.event.data())?;
        item.serialize_field("message", &self.event.message())?;
        item.end()
    }
}

fn add(fields: &mut Map<String, Value>, key: &str, instance: &InstanceId) {
    fields.insert(key.to_owned(), Value::from(instance.to_string()));
}

fn text(path: &Path) -> Cow<'_, str> {
    path.to_string_lossy()
}

fn whole_ms(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// How a hook failed, after its name (compat C-71).
fn outcome(problem: &HookProblem) -> &'static str {
    match problem {
        HookProblem::TimedOut { .. } => "timed out",
        HookProblem::Exited(Exit::Signal(_)) => "exited on signal",
        HookProblem::Exited(Exit::Code(_) | Exit::Unknown) => "exited non-zero",
        HookProblem::NotStarted(_) => "failed",
    }
}

fn hook_problem(problem: &HookProblem) -> Value {
    match problem {
        HookProblem::TimedOut { timeout } => json!({ "timeoutMs": whole_ms(*timeout) }),
        HookProblem::Exited(Exit::Signal(signal)) => json!({ "signal": signal }),
        HookProblem::Exited(exit) => json!({ "code": exit.code() }),
        HookProblem::NotStarted(error) => json!({ "error": error }),
    }
}

fn startup_process(seen: &StartupProcess) -> Value {
    json!({
        "command": seen.command,
        "exitCode": seen.exit.and_then(Exit::code),
        "exitSignal": seen.exit.and_then(Exit::signal),
        "logs": seen.logs.iter().map(output_line).collect::<Vec<_>>(),
        "phase": seen.phase.as_str(),
        "pid": seen.pid.map(Pid::get),
        "processId": seen.process,
        "releaseId": seen.release,
        "state": seen.state,
    })
}

fn output_line(line: &OutputLine) -> Value {
    json!({ "at": line.at, "line": line.line, "stream": line.stream.as_str() })
}

#[cfg(test)]
mod tests;
