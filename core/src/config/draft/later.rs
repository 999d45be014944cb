//! The spelling of what is not acted on yet: looked at, then refused, so that nobody relies on it in vain.

use std::time::Duration;

use serde_json::Value;

use super::super::read::{Field, Notes, Section};
use super::elements;

/// `memory` of a process (compat C-26).
pub(super) fn memory(field: &Field<'_>, notes: &mut Notes) {
    let fix = format!("Set {} to a mapping with limitBytes, warnBytes, and checkIntervalMs.", field.key);
    unless_wrong(field, "memory limits", notes, |notes| {
        if let Some(memory) = field.section(fix, notes) {
            read_memory(memory, notes);
        }
    });
}

fn read_memory(mut memory: Section<'_>, notes: &mut Notes) {
    let interval = memory.field("checkIntervalMs");
    if interval.number(notes).is_some_and(|ms| ms <= 0.0) {
        let fix = format!("Set {} to a positive number of milliseconds, e.g. 5000.", interval.key);
        interval.refuse("must be a positive number", fix, notes);
    }

    let limit = memory.field("limitBytes");
    let fix = format!("Set {} to a positive integer number of bytes, e.g. 536870912.", limit.key);
    match limit.set() {
        None => limit.refuse("must be a positive integer", fix, notes),
        Some(_) => drop(limit.whole(1, u64::MAX, "must be a positive integer", fix, notes)),
    }

    let warn = memory.field("warnBytes");
    let fix = format!("Set {} to a non-negative integer number of bytes below limitBytes.", warn.key);
    warn.whole(0, u64::MAX, "must be a non-negative integer", fix, notes);
    memory.close(notes);
}

/// `statePath` (compat C-15).
pub(super) fn state_path(field: &Field<'_>, notes: &mut Notes) {
    unless_wrong(field, "a state file", notes, |notes| drop(field.text(notes)));
}

/// `legacyTakeover` (compat C-19).
pub(super) fn takeover(field: &Field<'_>, force_stop_timeout: Duration, notes: &mut Notes) {
    let fix = "Set legacyTakeover to a mapping with screens and/or processes.";
    unless_wrong(field, "the takeover of legacy processes", notes, |notes| {
        if let Some(takeover) = field.section(fix, notes) {
            read_takeover(takeover, force_stop_timeout, notes);
        }
    });
}

fn read_takeover(mut takeover: Section<'_>, force_stop_timeout: Duration, notes: &mut Notes) {
    takeover.field("forceStopTimeoutMs").duration(force_stop_timeout, notes);
    let processes = list(&takeover.field("processes"), notes);
    processes.iter().for_each(|process| read_matcher(process, notes));
    let screens = list(&takeover.field("screens"), notes);
    screens.iter().for_each(|screen| non_empty(screen, notes));
    takeover.close(notes);
    if processes.is_empty() && screens.is_empty() {
        notes.issue(
            "legacyTakeover must define at least one screen or process matcher",
            "Set legacyTakeover.screens or legacyTakeover.processes to a list with at least one entry.",
        );
    }
}

fn read_matcher(process: &Field<'_>, notes: &mut Notes) {
    let fix = format!("Set {} to a mapping with name and includes.", process.key);
    let Some(mut matcher) = process.set().and_then(|value| process.mapping(value)) else {
        process.refuse("must be an object", fix, notes);
        return;
    };
    let includes = matcher.field("includes");
    let texts = list(&includes, notes);
    texts.iter().for_each(|text| non_empty(text, notes));
    if texts.is_empty() {
        let fix = format!("Set {} to a list of texts that its command line includes.", includes.key);
        includes.refuse("must contain at least one matcher", fix, notes);
    }
    matcher.field("name").text(notes);
    matcher.close(notes);
}

fn list<'v>(field: &Field<'v>, notes: &mut Notes) -> Vec<Field<'v>> {
    match field.set() {
        None => Vec::new(),
        Some(Value::Array(list)) => elements(field, list),
        Some(_) => {
            field.refuse("must be an array", format!("Set {} to a list.", field.key), notes);
            Vec::new()
        }
    }
}

fn non_empty(field: &Field<'_>, notes: &mut Notes) {
    if field.set().and_then(Value::as_str).is_none_or(str::is_empty) {
        field.refuse(
            "must be a non-empty string",
            format!("Set {} to a non-empty string.", field.key),
            notes,
        );
    }
}

/// Looks at the field; when it is set and nothing is wrong with it, says that `what` has to wait.
fn unless_wrong(field: &Field<'_>, what: &str, notes: &mut Notes, look: impl FnOnce(&mut Notes)) {
    let before = notes.issues.len();
    look(notes);
    if field.set().is_some() && notes.issues.len() == before {
        let fix = format!("Remove {}; {what} will come with a later version of rollcore.", field.key);
        field.refuse("is not supported yet", fix, notes);
    }
}
