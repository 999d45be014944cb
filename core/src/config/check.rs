//! The rules across processes and across the fields of one (compat C-27).

use std::collections::BTreeSet;

use crate::exit::Signal;
use crate::spec::{PortRange, ProcessPolicy, ProcessSpec, StopWith};

use super::draft::ProcessDraft;
use super::read::Notes;

/// The most replicas of one process. Each is a step of every rollout, so that a slip of the finger would fill the memory.
const REPLICAS_MAX: u32 = 1_000;

/// Notes every contradiction: per process in config order, then for the whole set.
pub(super) fn across(processes: &[ProcessDraft], notes: &mut Notes) {
    let mut seen = BTreeSet::new();
    for process in processes {
        let id = process.spec.id.as_str();
        check_replicas_max(&process.spec, notes);
        if id.is_empty() {
            continue;
        }
        check_id(id, !seen.insert(id), notes);
        check_replicas(&process.spec, notes);
        check_non_blocking_drain(&process.spec, notes);
        check_address(&process.spec, notes);
        check_handoff(&process.spec, notes);
        check_stop(process, notes);
    }
    check_proxied(processes, notes);
}

fn check_id(id: &str, is_duplicate: bool, notes: &mut Notes) {
    if is_duplicate {
        notes.issue(
            format!("Duplicate process id: {id}"),
            format!("Give each process a unique id; \"{id}\" is used more than once."),
        );
    }
    if id.contains('#') {
        notes.issue(
            format!("Process id \"{id}\" must not contain \"#\""),
            format!("Remove \"#\" from the process id \"{id}\"; it separates an id from its replica."),
        );
    }
}

fn check_replicas(spec: &ProcessSpec, notes: &mut Notes) {
    let may_have_several = spec.policy == ProcessPolicy::Companion && spec.listen_at().is_none();
    if spec.replicas > 1 && !may_have_several {
        notes.issue(
            format!(
                "Process \"{}\" can only set replicas > 1 on a companion process without a port",
                spec.id
            ),
            format!(
                "Run replicas ({}) only on a companion process without a port, or remove them from \"{}\".",
                spec.replicas, spec.id
            ),
        );
    }
}

fn check_replicas_max(spec: &ProcessSpec, notes: &mut Notes) {
    if spec.replicas > REPLICAS_MAX {
        notes.issue(
            format!("Process \"{}\" asks for {} replicas, more than {REPLICAS_MAX}", spec.id, spec.replicas),
            format!("Set the replicas of \"{}\" to {REPLICAS_MAX} at most.", spec.id),
        );
    }
}

fn check_address(spec: &ProcessSpec, notes: &mut Notes) {
    if spec.socket && spec.port.is_some() {
        let id = &spec.id;
        notes.issue(
            format!("Process \"{id}\" sets both port and socket, but it listens at one of them"),
            format!(
                "Drop port from \"{id}\" to listen at {{{{socket}}}}, or socket to listen at {{{{port}}}}."
            ),
        );
    }
}

fn check_non_blocking_drain(spec: &ProcessSpec, notes: &mut Notes) {
    if spec.non_blocking_drain && spec.policy != ProcessPolicy::Companion {
        let (id, policy) = (&spec.id, spec.policy.as_str());
        notes.issue(
            format!("Process \"{id}\" can only set nonBlockingDrain on a companion process"),
            format!("Set nonBlockingDrain only on a companion process; \"{id}\" is {policy}."),
        );
    }
}

fn check_handoff(spec: &ProcessSpec, notes: &mut Notes) {
    if spec.strategy != crate::spec::DeployStrategy::Handoff {
        return;
    }
    let id = &spec.id;
    match spec.port {
        _ if spec.socket && spec.policy == ProcessPolicy::Service => {}
        _ if spec.policy != ProcessPolicy::Service => notes.issue(
            format!("Process \"{id}\" can only set deployStrategy: \"handoff\" on a service process"),
            format!(
                "Set deployStrategy: \"handoff\" only on service processes; \"{id}\" is {}.",
                spec.policy.as_str()
            ),
        ),
        None => notes.issue(
            format!("Handoff service \"{id}\" must define a port range"),
            format!("Add a port range to hand off service \"{id}\", e.g. port: {{from: 18000, to: 18099}}."),
        ),
        Some(port) if port.first() == port.last() => notes.issue(
            format!("Handoff service \"{id}\" must use a multi-port range"),
            format!("Set service \"{id}\" to a multi-port range, e.g. port: {}.", widened(port)),
        ),
        Some(_) => {}
    }
}

fn widened(port: PortRange) -> String {
    let first = u32::from(port.first());
    format!("{{from: {first}, to: {}}}", first + 99)
}

fn check_stop(process: &ProcessDraft, notes: &mut Notes) {
    let runs_a_command = matches!(process.spec.stop.with, StopWith::Run(_));
    let (id, signal) = (&process.spec.id, process.stop_signal);
    if runs_a_command && signal != Signal::TERM {
        notes.issue(
            format!(
                "Process \"{id}\" sets both lifecycle.stopCommand and a custom stopSignal, but stopCommand replaces \
                 stopSignal"
            ),
            format!("Drop the custom stopSignal \"{signal}\" or lifecycle.stopCommand from \"{id}\"."),
        );
    }
}

fn check_proxied(processes: &[ProcessDraft], notes: &mut Notes) {
    let proxied: Vec<_> = processes
        .iter()
        .map(|process| &process.spec)
        .filter(|spec| spec.policy == ProcessPolicy::Proxied)
        .collect();
    if proxied.len() != 1 {
        notes.issue(
            format!("Config must define exactly one proxied process; found {}", proxied.len()),
            "Mark exactly one process with policy: proxied.",
        );
    }
    for spec in proxied.iter().filter(|spec| spec.listen_at().is_none()) {
        let id = if spec.id.as_str().is_empty() { "(unnamed)" } else { spec.id.as_str() };
        notes.issue(
            format!("Proxied process {id} must define a port range"),
            format!(
                "Add a port range to the proxied process \"{id}\", e.g. port: {{from: 18000, to: 18099}}."
            ),
        );
    }
}
