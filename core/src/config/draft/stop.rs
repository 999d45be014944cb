//! The spelling of how a process is stopped (compat C-21, C-24).

use std::time::Duration;

use serde_json::Value;

use crate::exit::Signal;
use crate::spec::{Hooks, KillAfter};

use super::super::read::{Field, Notes};

/// `lifecycle`.
#[derive(Default)]
pub(super) struct Lifecycle {
    pub(super) hooks: Hooks,
    pub(super) drain_timeout: Duration,
    pub(super) stop_command: Option<String>,
}

pub(super) fn lifecycle(field: &Field<'_>, notes: &mut Notes) -> Lifecycle {
    let key = &field.key;
    let fix =
        format!("Set {key} to a mapping with quietCommand, drainCommand, stopCommand, and drainTimeoutMs.");
    let Some(mut lifecycle) = field.section(fix, notes) else { return Lifecycle::default() };
    let drain = lifecycle.field("drainCommand").text_but_not_null(notes);
    let drain_timeout = lifecycle.field("drainTimeoutMs").duration(Duration::ZERO, notes);
    let quiet = lifecycle.field("quietCommand").text_but_not_null(notes);
    let stop_command = lifecycle.field("stopCommand").text_but_not_null(notes);
    lifecycle.close(notes);
    if drain.is_some() && drain_timeout.is_zero() {
        notes.issue(
            format!("{key}.drainCommand requires a positive {key}.drainTimeoutMs"),
            format!("Set {key}.drainTimeoutMs to a positive number to bound {key}.drainCommand, e.g. 30000."),
        );
    }
    Lifecycle { hooks: Hooks { quiet, drain }, drain_timeout, stop_command }
}

/// `gracefulStopMs`.
pub(super) fn kill_after(field: &Field<'_>, default: Duration, notes: &mut Notes) -> KillAfter {
    match field.set().and_then(Value::as_str) {
        Some("indefinite") => KillAfter::Never,
        _ => KillAfter::Grace(field.duration(default, notes)),
    }
}

/// `stopSignal`.
pub(super) fn signal(field: &Field<'_>, notes: &mut Notes) -> Signal {
    let Some(value) = field.set() else { return Signal::TERM };
    let signal = value.as_str().and_then(|name| name.parse().ok());
    signal.unwrap_or_else(|| {
        let fix = format!("Set {} to a signal name such as \"SIGTERM\" or \"SIGINT\".", field.key);
        field.refuse("must be a valid signal name", fix, notes);
        Signal::TERM
    })
}
