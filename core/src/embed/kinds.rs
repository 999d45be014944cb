//! The types of events. Once a host has seen one, its name does not change.

use serde_json::{Map, Value, json};

use crate::event::{Event, ProcessEvent, StampedEvent};
use crate::time::WallTime;

/// What the types of unsolicited events are. There may be more in a later version; ignore those that you do not know.
#[must_use]
pub fn event_types() -> &'static [&'static str] {
    &[
        "op.done",
        "queue.lagged",
        "log",
        "control.bound",
        "control.command_failed",
        "control.connection_failed",
        "engine.metrics_listening",
        "engine.owner_retired",
        "orphan.detected",
        "orphan.found",
        "orphan.stopped",
        "orphan.survived",
        "process.exit",
        "process.hook_failed",
        "process.memory_limit",
        "process.memory_restart_failed",
        "process.memory_warning",
        "process.ready",
        "process.restart_failed",
        "process.restart_limit",
        "process.restart_requested",
        "process.started",
        "process.stop_timed_out",
        "process.stopped",
        "process.survived",
        "proxy.certificates_kept",
        "proxy.certificates_loaded",
        "proxy.listening",
        "proxy.request_failed",
        "release.drain_failed",
        "release.drained",
        "release.stopped",
        "restore.failed",
        "restore.finished",
        "restore.started",
        "rollback.started",
        "rollout.bootstrap_failed",
        "rollout.failed",
        "rollout.process_seen",
        "rollout.started",
        "rollout.startup_failed",
        "rollout.step",
        "rollout.step_failed",
        "rollout.step_undone",
        "rollout.stuck",
        "rollout.undone",
        "state.ignored",
        "state.persist_failed",
        "traffic.cut",
        "traffic.ended",
        "traffic.paused",
        "traffic.resumed",
        "traffic.switched",
    ]
}

/// The type of an event of the engine.
pub(super) fn kind(event: &Event) -> &'static str {
    match event {
        Event::ProxyBound { .. } => "proxy.listening",
        Event::ControlBound { .. } => "control.bound",
        Event::DeployStarted { .. } => "rollout.started",
        Event::StepStarted { .. } => "rollout.step",
        Event::StepFailed { .. } => "rollout.step_failed",
        Event::StepUndone { .. } => "rollout.step_undone",
        Event::RolloutUndone { .. } => "rollout.undone",
        Event::RolloutStuck { .. } => "rollout.stuck",
        Event::StartupFailed { .. } => "rollout.startup_failed",
        Event::StartupProcessSeen(_) => "rollout.process_seen",
        Event::DeployFailed { .. } => "rollout.failed",
        Event::TrafficSwitched { .. } => "traffic.switched",
        Event::TrafficPaused { .. } => "traffic.paused",
        Event::TrafficResumed { .. } => "traffic.resumed",
        Event::TrafficCut { .. } => "traffic.cut",
        Event::TrafficEnded { .. } => "traffic.ended",
        Event::ReleaseDrained { .. } => "release.drained",
        Event::ReleaseDrainFailed { .. } => "release.drain_failed",
        Event::ReleaseStopped { .. } => "release.stopped",
        Event::RollbackStarted { .. } => "rollback.started",
        Event::OwnerRetired { .. } => "engine.owner_retired",
        Event::BootstrapFailed { .. } => "rollout.bootstrap_failed",
        Event::RestartRequested { .. } => "process.restart_requested",
        Event::CommandFailed { .. } => "control.command_failed",
        Event::ControlConnectionFailed { .. } => "control.connection_failed",
        Event::ProxyRequestFailed { .. } => "proxy.request_failed",
        Event::CertificatesLoaded { .. } => "proxy.certificates_loaded",
        Event::CertificatesKept { .. } => "proxy.certificates_kept",
        Event::MetricsListening { .. } => "engine.metrics_listening",
        Event::StatePersistFailed { .. } => "state.persist_failed",
        Event::StateIgnored { .. } => "state.ignored",
        Event::OrphanDetected(_) => "orphan.detected",
        Event::OrphansFound { .. } => "orphan.found",
        Event::OrphanStopped(_) => "orphan.stopped",
        Event::OrphanSurvived(_) => "orphan.survived",
        Event::RestoreStarted { .. } => "restore.started",
        Event::ReleaseRestored { .. } => "restore.finished",
        Event::RestoreFailed { .. } => "restore.failed",
        Event::Process { event, .. } => process_kind(event),
    }
}

fn process_kind(event: &ProcessEvent) -> &'static str {
    match event {
        ProcessEvent::Started { .. } => "process.started",
        ProcessEvent::Exited(_) => "process.exit",
        ProcessEvent::RestartFailed { .. } => "process.restart_failed",
        ProcessEvent::RestartLimitReached { .. } => "process.restart_limit",
        ProcessEvent::StopTimedOut { .. } => "process.stop_timed_out",
        ProcessEvent::HookFailed { .. } => "process.hook_failed",
        ProcessEvent::MemoryWarning { .. } => "process.memory_warning",
        ProcessEvent::MemoryLimitExceeded { .. } => "process.memory_limit",
        ProcessEvent::MemoryRestartFailed { .. } => "process.memory_restart_failed",
        ProcessEvent::SurvivorsLeft { .. } => "process.survived",
    }
}

/// What an event of the engine says besides its type: `at`, `message` and `data` as the control socket has them, and
/// `seq`, its place in the engine's log.
pub(super) fn fields(event: &StampedEvent) -> Map<String, Value> {
    let mut fields = said(event.at, &event.event.message(), event.event.data());
    fields.insert("seq".to_owned(), json!(event.seq));
    fields
}

/// The same for what is no event of an engine.
pub(super) fn said(at: WallTime, message: &str, data: Value) -> Map<String, Value> {
    let entries = [("at", json!(at)), ("message", json!(message)), ("data", data)];
    entries.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
}

/// An event of the engine as an object with its type, for answers that list them.
pub(super) fn listed(event: &StampedEvent) -> Value {
    let mut fields = fields(event);
    fields.insert("type".to_owned(), json!(kind(&event.event)));
    Value::Object(fields)
}
