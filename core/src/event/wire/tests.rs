use super::*;
use crate::event::{CleanupPhase, Orphan};
use crate::exit::Signal;
use crate::id::{Attestation, ProcessId, Revision, Seq};
use crate::report::{OutputStream, StartReason};
use crate::step::{Step, Undo};
use crate::time::WallTime;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

fn v1() -> ReleaseId {
    ReleaseId::new("v1").expect("safe")
}

fn worker() -> InstanceId {
    InstanceId::replica(ProcessId::new("worker"), 2)
}

fn of_worker(event: ProcessEvent) -> Event {
    event.of(worker(), v1())
}

fn hook(problem: HookProblem) -> Event {
    of_worker(ProcessEvent::HookFailed { hook: "drain command", problem })
}

/// C-195: compact, and exactly these keys.
#[test]
fn an_event_is_one_compact_line() {
    let stamped = StampedEvent {
        seq: Seq(1),
        at: WallTime::from_unix_ms(1_795_207_736_463),
        event: Arc::new(Event::ProxyBound { host: "127.0.0.1".to_owned(), port: 27_080 }),
    };
    let line = serde_json::to_string(&stamped).expect("an event is JSON");
    assert_eq!(
        line,
        r#"{"at":"2026-11-20T20:48:56.463Z","data":{"host":"127.0.0.1","port":27080},"message":"proxy listening"}"#
    );
}

/// C-197.
#[test]
fn daemon_and_release_events_read_as_in_the_contract() {
    let error = || "boom".to_owned();
    let path = || PathBuf::from("/srv/v1");
    let phase = CleanupPhase::Before;
    for (event, message, data) in [
        (
            Event::ControlBound { path: PathBuf::from("/tmp/a.sock") },
            "control socket listening",
            json!({ "path": "/tmp/a.sock" }),
        ),
        (
            Event::DeployStarted { release: v1(), path: path(), revision: None },
            "deploy starting",
            json!({ "releaseId": "v1", "releasePath": "/srv/v1" }),
        ),
        (
            Event::DeployStarted { release: v1(), path: path(), revision: Some(Revision::from(v1())) },
            "deploy starting",
            json!({ "releaseId": "v1", "releasePath": "/srv/v1", "revision": "v1" }),
        ),
        (
            Event::StartupFailed { release: v1(), phase, error: error() },
            "release startup failed",
            json!({ "error": "boom", "phase": "before cleanup", "releaseId": "v1" }),
        ),
        (
            Event::DeployFailed { release: v1(), error: error() },
            "deploy failed",
            json!({ "error": "boom", "releaseId": "v1" }),
        ),
        (
            Event::TrafficSwitched { previous: None, release: Some(v1()) },
            "traffic switched",
            json!({ "previousReleaseId": null, "releaseId": "v1" }),
        ),
        (Event::ReleaseDrained { release: v1() }, "release drained", json!({ "releaseId": "v1" })),
        (
            Event::ReleaseDrainFailed { release: v1(), error: error() },
            "release drain failed",
            json!({ "error": "boom", "releaseId": "v1" }),
        ),
        (Event::ReleaseStopped { release: v1() }, "release stopped", json!({ "releaseId": "v1" })),
        (
            Event::RollbackStarted { release: v1(), path: path() },
            "rollback starting",
            json!({ "releaseId": "v1", "releasePath": "/srv/v1" }),
        ),
        (
            Event::RestartRequested { process: worker() },
            "process restart requested",
            json!({ "processId": "worker#2" }),
        ),
        (Event::CommandFailed { error: error() }, "command failed", json!({ "error": "boom" })),
        (
            Event::ControlConnectionFailed { code: None, error: error() },
            "control connection error",
            json!({ "code": null, "error": "boom" }),
        ),
        (Event::ProxyRequestFailed { error: error() }, "proxy error", json!({ "error": "boom" })),
    ] {
        assert_eq!((event.message().as_ref(), event.data()), (message, data));
    }
}

/// Ours: what becomes of certificates.
#[test]
fn certificates_that_change_are_told_of() {
    for (event, message, data) in [
        (
            Event::CertificatesLoaded { names: vec!["shop.test".to_owned()] },
            "certificates loaded",
            json!({ "names": ["shop.test"] }),
        ),
        (
            Event::CertificatesKept { error: "boom".to_owned() },
            "certificates not loaded",
            json!({ "error": "boom" }),
        ),
    ] {
        assert_eq!((event.message().as_ref(), event.data()), (message, data));
    }
}

/// Ours.
#[test]
fn where_numbers_are_told_is_told() {
    let event = Event::MetricsListening { host: "127.0.0.1".to_owned(), port: 9182 };
    assert_eq!(
        (event.message().as_ref(), event.data()),
        ("metrics listening", json!({ "host": "127.0.0.1", "port": 9182 }))
    );
}

/// Ours: what a deploy shows while it runs.
#[test]
fn the_steps_of_a_rollout_can_be_followed() {
    let step = || Step::Start(worker());
    let undo = || step().undo();
    for (event, message, data) in [
        (
            Event::StepStarted { release: v1(), step: step() },
            "rollout step",
            json!({ "releaseId": "v1", "step": "start worker#2" }),
        ),
        (
            Event::StepFailed { release: v1(), step: step(), error: "boom".to_owned() },
            "rollout step failed",
            json!({ "error": "boom", "releaseId": "v1", "step": "start worker#2" }),
        ),
        (
            Event::StepUndone { release: v1(), undo: undo() },
            "rollout step undone",
            json!({ "releaseId": "v1", "undo": "stop worker#2" }),
        ),
        (Event::RolloutUndone { release: v1() }, "rollout undone", json!({ "releaseId": "v1" })),
        (
            Event::RolloutStuck { release: v1(), undo: Undo::ReturnPorts, error: "boom".to_owned() },
            "rollout stuck",
            json!({ "error": "boom", "releaseId": "v1", "undo": "return ports" }),
        ),
    ] {
        assert_eq!((event.message().as_ref(), event.data()), (message, data));
    }
}

/// C-117.
#[test]
fn the_processes_of_a_failed_start_are_described() {
    let seen = StartupProcess {
        process: worker(),
        release: v1(),
        phase: CleanupPhase::After,
        command: "run".to_owned(),
        state: "failed",
        pid: None,
        exit: Some(Exit::Code(1)),
        logs: vec![OutputLine {
            at: WallTime::from_unix_ms(0),
            stream: OutputStream::Stderr,
            line: "AUTH_SECRET missing".to_owned(),
        }],
    };
    let event = Event::StartupProcessSeen(Box::new(seen));
    assert_eq!(event.message(), "release startup process status");
    assert_eq!(
        event.data(),
        json!({
            "command": "run", "exitCode": 1, "exitSignal": null,
            "logs": [{ "at": "1970-01-01T00:00:00.000Z", "line": "AUTH_SECRET missing", "stream": "stderr" }],
            "phase": "after cleanup", "pid": null, "processId": "worker#2", "releaseId": "v1", "state": "failed",
        })
    );
}

/// C-71, C-196, C-198.
#[test]
fn process_events_read_as_in_the_contract() {
    let pid = Pid::new(7).expect("7 is a pid");
    let started = ProcessEvent::Started { command: "run".to_owned(), pid, reason: StartReason::Crash };
    let limit = ProcessEvent::RestartLimitReached { max_restarts: 5, window: Duration::from_secs(60) };
    let timed_out = HookProblem::TimedOut { timeout: Duration::from_millis(1_500) };
    for (event, message, particulars) in [
        (of_worker(started), "process started", json!({ "command": "run", "pid": 7, "reason": "crash" })),
        (
            of_worker(ProcessEvent::Exited(Exit::Code(0))),
            "process exited",
            json!({ "code": 0, "signal": null }),
        ),
        (
            of_worker(ProcessEvent::Exited(Exit::Signal(Signal::KILL))),
            "process exited",
            json!({ "code": null, "signal": "SIGKILL" }),
        ),
        (
            of_worker(ProcessEvent::RestartFailed { error: "boom".to_owned() }),
            "process restart failed",
            json!({ "error": "boom" }),
        ),
        (of_worker(limit), "restart limit reached", json!({ "maxRestarts": 5, "windowMs": 60_000 })),
        (
            of_worker(ProcessEvent::StopTimedOut { pid }),
            "process stop timed out; sending SIGKILL",
            json!({ "pid": 7 }),
        ),
        (
            of_worker(ProcessEvent::MemoryWarning { rss_bytes: 9, warn_bytes: 8 }),
            "memory warning",
            json!({ "rssBytes": 9, "warnBytes": 8 }),
        ),
        (
            of_worker(ProcessEvent::MemoryLimitExceeded { rss_bytes: 9, limit_bytes: 8 }),
            "memory limit exceeded",
            json!({ "limitBytes": 8, "rssBytes": 9 }),
        ),
        (
            of_worker(ProcessEvent::MemoryRestartFailed { error: "boom".to_owned() }),
            "memory restart failed",
            json!({ "error": "boom" }),
        ),
        (
            of_worker(ProcessEvent::SurvivorsLeft { survivors: 2 }),
            "process survived SIGKILL",
            json!({ "survivors": 2 }),
        ),
        (hook(timed_out), "drain command timed out", json!({ "timeoutMs": 1_500 })),
        (hook(HookProblem::Exited(Exit::Code(3))), "drain command exited non-zero", json!({ "code": 3 })),
        (
            hook(HookProblem::Exited(Exit::Signal(Signal::TERM))),
            "drain command exited on signal",
            json!({ "signal": "SIGTERM" }),
        ),
        (
            hook(HookProblem::NotStarted("boom".to_owned())),
            "drain command failed",
            json!({ "error": "boom" }),
        ),
    ] {
        let mut expected = json!({ "id": "worker#2", "processId": "worker#2", "releaseId": "v1" });
        let fields = expected.as_object_mut().expect("an object");
        fields.extend(particulars.as_object().expect("an object").clone());
        assert_eq!((event.message().as_ref(), event.data()), (message, expected));
    }
}

/// C-197, C-207.
#[test]
fn events_about_an_earlier_daemon_read_as_in_the_contract() {
    let orphan = Orphan { id: "worker#0".to_owned(), pid: 29_195, release: Some("v1".to_owned()) };
    let service = Orphan { id: "beacon".to_owned(), pid: 29_193, release: None };
    let data = json!({ "pid": 29_195, "processId": "worker#0", "releaseId": "v1" });
    let of_service = json!({ "pid": 29_193, "processId": "beacon", "releaseId": null });
    let failed = json!({ "error": "boom" });
    let hint = "a previous daemon did not shut down cleanly; verify these pids and stop any leftovers";
    for (event, message, data) in [
        (Event::OrphanDetected(orphan.clone()), "orphaned managed process detected", data.clone()),
        (Event::OrphanDetected(service), "orphaned managed process detected", of_service),
        (
            Event::OrphansFound { count: 2 },
            "orphaned processes from a previous daemon",
            json!({ "count": 2, "hint": hint }),
        ),
        (Event::StatePersistFailed { error: "boom".to_owned() }, "state persist failed", failed.clone()),
        (Event::StateIgnored { error: "boom".to_owned() }, "state file ignored", failed),
        (Event::OrphanStopped(orphan.clone()), "orphaned process stopped", data.clone()),
        (Event::OrphanSurvived(orphan), "orphaned process not stopped", data),
        (
            Event::RestoreStarted { release: v1(), path: PathBuf::from("/srv/v1") },
            "restore starting",
            json!({ "releaseId": "v1", "releasePath": "/srv/v1" }),
        ),
        (Event::ReleaseRestored { release: v1() }, "release restored", json!({ "releaseId": "v1" })),
        (
            Event::RestoreFailed { release: v1(), error: "boom".to_owned() },
            "restore failed",
            json!({ "error": "boom", "releaseId": "v1" }),
        ),
    ] {
        assert_eq!((event.message().as_ref(), event.data()), (message, data));
    }
}

/// C-161, C-165, C-197.
#[test]
fn events_about_a_takeover_read_as_in_the_contract() {
    let text = format!("sha256:{}", "c".repeat(64));
    let attestation = Attestation::new(text.as_str()).expect("it is well spelled");
    for (event, message, data) in [
        (
            Event::OwnerRetired { attestation },
            "external owner retired",
            json!({ "attestation": text, "status": "draining" }),
        ),
        (
            Event::BootstrapFailed { release: v1() },
            "bootstrap activation failed",
            json!({ "releaseId": "v1", "status": "error" }),
        ),
    ] {
        assert_eq!((event.message().as_ref(), event.data()), (message, data));
    }
}
