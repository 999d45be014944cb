//! The spelling of an entry of `processes` (compat C-21 to C-25).

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;

use crate::exit::Signal;
use crate::id::ProcessId;
use crate::restart::RestartPolicy;
use crate::spec::{
    CommandSpec, DeployStrategy, HealthSpec, PortRange, ProcessPolicy, ProcessSpec, StopSpec, StopWith,
};

use super::super::read::{Field, Notes, Section, whole_number};
use super::{Inherited, elements, flag, memory, stop};

/// A process, and what of its spelling the rules across processes still need.
pub(in crate::config) struct ProcessDraft {
    pub(in crate::config) spec: ProcessSpec,
    /// What was asked for, even when a stop command takes its place.
    pub(in crate::config) stop_signal: Signal,
}

pub(super) fn read(field: &Field<'_>, inherited: &Inherited, notes: &mut Notes) -> ProcessDraft {
    match field.set().and_then(|value| field.mapping(value)) {
        Some(section) => read_section(section, inherited, notes),
        None => {
            let fix = format!("Define {} as a mapping with at least id and command.", field.key);
            field.refuse("must be an object", fix, notes);
            nameless()
        }
    }
}

/// What stands for an entry that is no process; it counts as a companion.
fn nameless() -> ProcessDraft {
    let spec = ProcessSpec::new(ProcessId::new(""), CommandSpec::Shell(String::new()));
    ProcessDraft { spec, stop_signal: Signal::TERM }
}

fn read_section(mut process: Section<'_>, inherited: &Inherited, notes: &mut Notes) -> ProcessDraft {
    let command = command(&process.field("command"), notes);
    let cwd = process.field("cwd").text_but_not_null(notes);
    let strategy = choice(
        &process.field("deployStrategy"),
        &[("persistent", DeployStrategy::Persistent), ("handoff", DeployStrategy::Handoff)],
        "\"persistent\" or \"handoff\"",
        notes,
    );
    let env = env(&process.field("env"), notes);
    let kill_after = stop::kill_after(&process.field("gracefulStopMs"), inherited.force_stop_timeout, notes);
    let health = health(&process.field("health"), inherited, notes);
    let id = process.field("id");
    let id = id.as_name(id.required_text(notes), notes).unwrap_or_default();
    let lifecycle = stop::lifecycle(&process.field("lifecycle"), notes);
    let memory = memory::read(&process.field("memory"), notes);
    let min_uptime = process.field("minUptimeMs");
    let min_uptime = min_uptime.set().map(|_| min_uptime.duration(Duration::ZERO, notes));
    let non_blocking_drain = flag(&process.field("nonBlockingDrain"), false, notes);
    let output_lines_max = count(&process.field("outputLines"), 50, "lines", notes);
    let policy = choice(&process.field("policy"), &policies(), &policy_names(), notes);
    let port = port(&process.field("port"), notes);
    let replicas = count(&process.field("replicas"), 1, "replicas", notes);
    let restart = process.field("restart");
    let restart_delay = process.field("restartDelayMs");
    let restart = restart_policy(&restart, &restart_delay, notes);
    let socket = flag(&process.field("socket"), false, notes);
    let stop_signal = stop::signal(&process.field("stopSignal"), notes);
    process.close(notes);

    let policy = policy.unwrap_or(ProcessPolicy::Companion);
    let spec = ProcessSpec {
        id: ProcessId::new(id),
        policy,
        strategy: strategy.unwrap_or_default(),
        command: command.unwrap_or_else(|| CommandSpec::Shell(String::new())),
        cwd,
        env,
        port,
        socket,
        // The block of another process is looked at and has no effect (compat C-80).
        health: health.filter(|_| policy == ProcessPolicy::Proxied),
        stop: StopSpec {
            with: lifecycle.stop_command.map_or(StopWith::Signal(stop_signal), StopWith::Run),
            kill_after,
            hooks: lifecycle.hooks,
            drain_timeout: lifecycle.drain_timeout,
        },
        non_blocking_drain,
        output_lines_max,
        replicas,
        restart,
        min_uptime: min_uptime.unwrap_or_else(|| min_uptime_of(policy)),
        memory,
    };
    ProcessDraft { spec, stop_signal }
}

/// A singleton has no health check and starts after the switch, so it has to stay a moment to count as started.
fn min_uptime_of(policy: ProcessPolicy) -> Duration {
    match policy {
        ProcessPolicy::Singleton => Duration::from_secs(1),
        ProcessPolicy::Proxied | ProcessPolicy::Companion | ProcessPolicy::Service => Duration::ZERO,
    }
}

fn policies() -> [(&'static str, ProcessPolicy); 4] {
    use ProcessPolicy::{Companion, Proxied, Service, Singleton};
    [Proxied, Companion, Singleton, Service].map(|policy| (policy.as_str(), policy))
}

fn policy_names() -> String {
    format!("one of: {}", policies().map(|(name, _)| name).join(", "))
}

fn command(field: &Field<'_>, notes: &mut Notes) -> Option<CommandSpec> {
    match field.set() {
        Some(Value::Array(words)) => argument_list(field, words, notes).map(CommandSpec::Exec),
        _ => field.required_text(notes).map(CommandSpec::Shell),
    }
}

fn argument_list(field: &Field<'_>, words: &[Value], notes: &mut Notes) -> Option<Vec<String>> {
    let program_is_missing = words.first().is_none_or(|first| first.as_str() == Some(""));
    if program_is_missing {
        let fix = format!("Set {} to a list of a program and its arguments, or to a string.", field.key);
        field.refuse("must begin with the name of a program", fix, notes);
    }
    let texts: Vec<_> = elements(field, words).iter().map(|word| word.required_text(notes)).collect();
    texts.into_iter().collect::<Option<Vec<_>>>().filter(|_| !program_is_missing)
}

fn env(field: &Field<'_>, notes: &mut Notes) -> BTreeMap<String, String> {
    let Some(value) = field.set() else { return BTreeMap::new() };
    let Some(map) = value.as_object() else {
        let fix = format!("Set {} to a mapping of string environment values.", field.key);
        field.refuse("must be an object", fix, notes);
        return BTreeMap::new();
    };
    let read = |(name, value): (&String, _)| {
        let entry = field.entry(name, value);
        if name.contains('\0') {
            let fix = format!("Remove the NUL character from the name {}.", entry.key.escape_debug());
            notes.issue(format!("{} must not contain a NUL character", entry.key.escape_debug()), fix);
            return None;
        }
        Some((name.clone(), entry.required_text(notes)?))
    };
    map.iter().filter_map(read).collect()
}

/// `None` means that it is switched off.
fn health(field: &Field<'_>, inherited: &Inherited, notes: &mut Notes) -> Option<HealthSpec> {
    if field.is_null() || matches!(field.set(), Some(Value::Bool(false))) {
        return None;
    }
    let fix = format!("Set {} to a mapping with path, timeoutMs, intervalMs, and startDelayMs.", field.key);
    let mut health = field.section(fix, notes).unwrap_or_else(|| field.empty_section());
    let interval = health.field("intervalMs").duration(Duration::from_millis(250), notes);
    let path = health.field("path").text(notes).unwrap_or_else(|| inherited.health_path.clone());
    let start_delay = health.field("startDelayMs");
    let fix = format!("Set {} to a non-negative number of milliseconds, e.g. 0.", start_delay.key);
    let start_delay = start_delay.duration_or_fix(Duration::ZERO, &fix, notes);
    let timeout = health.field("timeoutMs").duration(inherited.health_timeout, notes);
    health.close(notes);
    Some(HealthSpec { path, timeout, interval, start_delay })
}

fn port(field: &Field<'_>, notes: &mut Notes) -> Option<PortRange> {
    let value = field.set()?;
    let problem = "must be a positive port or valid {from, to} range";
    let key = &field.key;
    if let Some(section) = field.mapping(value) {
        let range = port_range(section, notes);
        if range.is_none() {
            let fix = format!(
                "Set {key}.from and {key}.to to a positive ascending range up to 65535, e.g. \
                 {{from: 18000, to: 18099}}."
            );
            field.refuse(problem, fix, notes);
        }
        return range;
    }
    let only = port_number(value).map(PortRange::only);
    if only.is_none() {
        let fix = match value {
            Value::Number(_) => {
                format!("Set {key} to a positive port number or a {{from, to}} range. The highest is 65535.")
            }
            _ => format!("Set {key} to a port number or {{from, to}} range."),
        };
        field.refuse(problem, fix, notes);
    }
    only
}

fn port_range(mut section: Section<'_>, notes: &mut Notes) -> Option<PortRange> {
    let (from, to) = (section.field("from"), section.field("to"));
    section.close(notes);
    let has_number = |field: &Field<'_>, notes: &mut Notes| field.number(notes).is_some();
    let first = if has_number(&from, notes) { from.set().and_then(port_number)? } else { 0 };
    let last = if has_number(&to, notes) { to.set().and_then(port_number)? } else { first };
    PortRange::new(first, last).ok()
}

fn port_number(value: &Value) -> Option<u16> {
    whole_number(value).and_then(|port| u16::try_from(port).ok())
}

fn restart_policy(restart: &Field<'_>, delay: &Field<'_>, notes: &mut Notes) -> RestartPolicy {
    let key = &restart.key;
    let fix = format!("Set {key} to a mapping with maxRestarts, windowMs, backoffFactor, and maxDelayMs.");
    let mut section = restart.section(fix, notes).unwrap_or_else(|| restart.empty_section());

    let factor = section.field("backoffFactor");
    let factor = match factor.number(notes) {
        Some(number) if number < 1.0 => {
            let fix = format!("Set {} to a number >= 1 (1 keeps the delay constant).", factor.key);
            factor.refuse("must be a number greater than or equal to 1", fix, notes);
            1.0
        }
        number => number.unwrap_or(1.0),
    };
    let delay_max = section.field("maxDelayMs").duration(Duration::ZERO, notes);
    let max_restarts = section.field("maxRestarts");
    let fix = format!("Set {} to a non-negative integer (0 disables automatic restarts).", max_restarts.key);
    let max_restarts = max_restarts.whole_u32(0, "must be a non-negative integer", fix, notes);
    let window = section.field("windowMs").duration(Duration::ZERO, notes);
    section.close(notes);

    let delay = delay.duration(Duration::from_secs(1), notes);
    let policy = RestartPolicy::always(delay).counting(window);
    let policy =
        policy.backoff(factor, delay_max).expect("a factor below 1 was replaced, and JSON has no NaN");
    match max_restarts {
        Some(max_restarts) => policy.limit(max_restarts, window),
        None => policy,
    }
}

fn count(field: &Field<'_>, default: u32, what: &str, notes: &mut Notes) -> u32 {
    let fix = format!("Set {} to a positive integer number of {what}, e.g. {default}.", field.key);
    field.whole_u32(1, "must be a positive integer", fix, notes).unwrap_or(default)
}

fn choice<T: Copy>(field: &Field<'_>, known: &[(&str, T)], names: &str, notes: &mut Notes) -> Option<T> {
    let value = field.set()?;
    let found = known.iter().find(|(name, _)| value.as_str() == Some(name)).map(|(_, choice)| *choice);
    if found.is_none() {
        let list = known.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ");
        field.refuse(&format!("must be one of: {list}"), format!("Set {} to {names}.", field.key), notes);
    }
    found
}
