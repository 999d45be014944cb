//! The spelling of `memory` of a process (compat C-26).

use std::time::Duration;

use crate::spec::MemorySpec;

use super::super::read::{Field, Notes, Section};

const INTERVAL_DEFAULT: Duration = Duration::from_secs(5);

pub(super) fn read(field: &Field<'_>, notes: &mut Notes) -> Option<MemorySpec> {
    let fix = format!("Set {} to a mapping with limitBytes, warnBytes, and checkIntervalMs.", field.key);
    read_section(field.section(fix, notes)?, notes)
}

fn read_section(mut memory: Section<'_>, notes: &mut Notes) -> Option<MemorySpec> {
    let check_interval = check_interval(&memory.field("checkIntervalMs"), notes);

    let limit = memory.field("limitBytes");
    let fix = format!("Set {} to a positive integer number of bytes, e.g. 536870912.", limit.key);
    let problem = "must be a positive integer";
    let limit_bytes = match limit.set() {
        None => {
            limit.refuse(problem, fix, notes);
            None
        }
        Some(_) => limit.whole(1, u64::MAX, problem, fix, notes),
    };

    let warn = memory.field("warnBytes");
    let fix = format!("Set {} to a non-negative integer number of bytes below limitBytes.", warn.key);
    let warn_bytes = warn.whole(0, u64::MAX, "must be a non-negative integer", fix, notes);
    memory.close(notes);
    Some(MemorySpec { limit_bytes: limit_bytes?, warn_bytes: warn_bytes.unwrap_or(0), check_interval })
}

fn check_interval(field: &Field<'_>, notes: &mut Notes) -> Duration {
    if field.number(notes).is_some_and(|ms| ms <= 0.0) {
        let fix = format!("Set {} to a positive number of milliseconds, e.g. 5000.", field.key);
        field.refuse("must be a positive number", fix, notes);
        return INTERVAL_DEFAULT;
    }
    field.duration(INTERVAL_DEFAULT, notes)
}
