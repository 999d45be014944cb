//! What happens to a process that stands alone, as an event. The types and the fields are those of the engine's.

use serde_json::{Value, json};

use super::super::kinds::said;
use super::super::stage::Outlet;
use super::ms;
use super::process::exit_fields;
use crate::clock;
use crate::exit::Exit;
use crate::report::{AfterExit, Change, HookProblem, StartReason};

pub(super) fn tell(outlet: &Outlet, id: &str, change: &Change) {
    let tell = |kind: &str, message: &str, mut data: Value| {
        let fields = data.as_object_mut().expect("every arm makes an object");
        fields.insert("id".to_owned(), json!(id));
        fields.insert("processId".to_owned(), json!(id));
        outlet.tell(kind, said(clock::wall(), message, data));
    };
    match change {
        Change::Started { pid, reason } => {
            tell("process.started", "process started", json!({ "pid": pid, "reason": reason.as_str() }));
        }
        // Whoever asked for a start has an answer.
        Change::NotStarted { reason: StartReason::Deploy | StartReason::Manual, .. } => {}
        Change::NotStarted { error, .. } => {
            tell("process.restart_failed", "process restart failed", json!({ "error": error }));
        }
        Change::BecameReady => tell("process.ready", "process ready", json!({})),
        Change::Exited { exit, then, .. } => {
            tell("process.exit", "process exited", exited(*exit, *then));
            if let AfterExit::LimitReached { max_restarts, window } = then {
                let data = json!({ "maxRestarts": max_restarts, "windowMs": ms(*window) });
                tell("process.restart_limit", "restart limit reached", data);
            }
        }
        Change::StopTimedOut { pid } => {
            let message = "process stop timed out; sending SIGKILL";
            tell("process.stop_timed_out", message, json!({ "pid": pid }));
        }
        Change::HookFailed { hook, problem } => {
            tell("process.hook_failed", &format!("{hook} failed"), hook_problem(problem));
        }
        Change::Stopped(report) | Change::EndedForMemory(report) => {
            let mut fields = exit_fields(report.exit);
            fields.insert("killed".to_owned(), json!(report.killed));
            fields.insert("survivors".to_owned(), json!(report.survivors));
            tell("process.stopped", "process stopped", Value::Object(fields));
        }
        Change::MemoryWarned { rss_bytes, warn_bytes } => {
            let data = json!({ "rssBytes": rss_bytes, "warnBytes": warn_bytes });
            tell("process.memory_warning", "memory warning", data);
        }
        Change::MemoryExceeded { rss_bytes, limit_bytes, .. } => {
            let data = json!({ "rssBytes": rss_bytes, "limitBytes": limit_bytes });
            tell("process.memory_limit", "memory limit exceeded", data);
        }
        Change::Quieted | Change::SurvivorsEnded => {}
    }
}

fn exited(exit: Exit, then: AfterExit) -> Value {
    let restart_in = match then {
        AfterExit::Restart { at } => Some(ms(at - clock::now())),
        AfterExit::LimitReached { .. } | AfterExit::Stays => None,
    };
    json!({
        "code": exit.code(),
        "signal": exit.signal(),
        "known": exit != Exit::Unknown,
        "restartInMs": restart_in,
    })
}

fn hook_problem(problem: &HookProblem) -> Value {
    match problem {
        HookProblem::TimedOut { timeout } => json!({ "timeoutMs": ms(*timeout) }),
        HookProblem::Exited(exit) => json!({ "code": exit.code(), "signal": exit.signal() }),
        HookProblem::NotStarted(error) => json!({ "error": error }),
    }
}
