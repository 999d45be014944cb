//! The spelling of `legacyTakeover` (compat C-19).

use std::time::Duration;

use serde_json::Value;

use crate::spec::{LegacyMatcher, LegacyTakeover};

use super::super::read::{Field, Notes, Section};
use super::elements;

pub(super) fn read(
    field: &Field<'_>,
    force_stop_timeout: Duration,
    notes: &mut Notes,
) -> Option<LegacyTakeover> {
    let fix = "Set legacyTakeover to a mapping with screens and/or processes.";
    let takeover = field.section(fix, notes)?;
    Some(read_section(takeover, force_stop_timeout, notes))
}

fn read_section(mut takeover: Section<'_>, default: Duration, notes: &mut Notes) -> LegacyTakeover {
    let force_stop_timeout = takeover.field("forceStopTimeoutMs").duration(default, notes);
    let matchers = list(&takeover.field("processes"), notes);
    let processes: Vec<_> =
        (1..).zip(&matchers).filter_map(|(number, process)| matcher(number, process, notes)).collect();
    let names = list(&takeover.field("screens"), notes);
    let screens = names.iter().filter_map(|screen| non_empty(screen, notes)).collect();
    takeover.close(notes);
    if matchers.is_empty() && names.is_empty() {
        notes.issue(
            "legacyTakeover must define at least one screen or process matcher",
            "Set legacyTakeover.screens or legacyTakeover.processes to a list with at least one entry.",
        );
    }
    LegacyTakeover { force_stop_timeout, screens, processes }
}

fn matcher(number: usize, process: &Field<'_>, notes: &mut Notes) -> Option<LegacyMatcher> {
    let fix = format!("Set {} to a mapping with name and includes.", process.key);
    let Some(mut matcher) = process.set().and_then(|value| process.mapping(value)) else {
        process.refuse("must be an object", fix, notes);
        return None;
    };
    let includes = matcher.field("includes");
    let texts = list(&includes, notes);
    if texts.is_empty() {
        let fix = format!("Set {} to a list of texts that its command line includes.", includes.key);
        includes.refuse("must contain at least one matcher", fix, notes);
    }
    let includes = texts.iter().filter_map(|text| non_empty(text, notes)).collect();
    let name = matcher.field("name").text(notes).unwrap_or_else(|| format!("legacy process {number}"));
    matcher.close(notes);
    Some(LegacyMatcher { name, includes })
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

fn non_empty(field: &Field<'_>, notes: &mut Notes) -> Option<String> {
    let text = field.set().and_then(Value::as_str).filter(|text| !text.is_empty());
    if text.is_none() {
        field.refuse(
            "must be a non-empty string",
            format!("Set {} to a non-empty string.", field.key),
            notes,
        );
    }
    text.map(str::to_owned)
}
