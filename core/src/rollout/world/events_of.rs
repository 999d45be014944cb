//! What the log remembers of a supervisor's change.

use crate::event::ProcessEvent;
use crate::report::{AfterExit, Change, StartReason};

/// The event, if the change is worth one. An exit that exceeds a limit is told by the limit's event as well.
pub(super) fn events_of(change: &Change, command: &str) -> Vec<ProcessEvent> {
    match change {
        Change::Started { pid, reason } => {
            vec![ProcessEvent::Started { command: command.to_owned(), pid: *pid, reason: *reason }]
        }
        Change::NotStarted { reason: StartReason::Crash, error } => {
            vec![ProcessEvent::RestartFailed { error: error.clone() }]
        }
        Change::NotStarted { reason: StartReason::Memory, error } => {
            vec![ProcessEvent::MemoryRestartFailed { error: error.clone() }]
        }
        Change::MemoryWarned { rss_bytes, warn_bytes } => {
            vec![ProcessEvent::MemoryWarning { rss_bytes: *rss_bytes, warn_bytes: *warn_bytes }]
        }
        Change::MemoryExceeded { rss_bytes, limit_bytes, .. } => {
            vec![ProcessEvent::MemoryLimitExceeded { rss_bytes: *rss_bytes, limit_bytes: *limit_bytes }]
        }
        Change::Exited { exit, then: AfterExit::LimitReached { max_restarts, window }, .. } => vec![
            ProcessEvent::Exited(*exit),
            ProcessEvent::RestartLimitReached { max_restarts: *max_restarts, window: *window },
        ],
        Change::Exited { exit, .. } => vec![ProcessEvent::Exited(*exit)],
        Change::StopTimedOut { pid } => vec![ProcessEvent::StopTimedOut { pid: *pid }],
        Change::HookFailed { hook, problem } => {
            vec![ProcessEvent::HookFailed { hook, problem: problem.clone() }]
        }
        Change::Stopped(report) | Change::EndedForMemory(report) if !report.is_clean() => {
            vec![ProcessEvent::SurvivorsLeft { survivors: report.survivors }]
        }
        Change::NotStarted { .. }
        | Change::BecameReady
        | Change::Quieted
        | Change::Stopped(_)
        | Change::EndedForMemory(_)
        | Change::SurvivorsEnded => Vec::new(),
    }
}
