//! The application that is played: one process of each policy.

use std::time::Duration;

use crate::id::ProcessId;
use crate::restart::RestartPolicy;
use crate::spec::{
    Application, CommandSpec, DeployStrategy, HealthSpec, Hooks, KillAfter, MemorySpec, PortRange,
    ProcessPolicy, ProcessSpec, ProxySpec, Retention, StopSpec,
};

use super::script::Variant;

pub(super) const RESTARTS_MAX: u32 = 3;
pub(super) const RESTART_WINDOW: Duration = Duration::from_secs(60);

/// A healthy process of the made-up world holds a tenth of it.
const MEMORY_LIMIT: u64 = 500_000_000;

pub(super) fn standard(variant: Variant) -> Application {
    Application {
        proxy: ProxySpec { drain_timeout: Duration::from_secs(20), ..ProxySpec::default() },
        retention: Retention { keep: 2, max_age: None },
        ..Application::new("made-up", vec![web(variant), worker(variant), cron(variant), broker(variant)])
    }
}

fn process(id: &str, policy: ProcessPolicy, variant: Variant) -> ProcessSpec {
    let command = CommandSpec::Exec(vec![id.to_owned(), "{{releaseId}}".to_owned()]);
    let mut process = ProcessSpec::new(ProcessId::new(id), command);
    process.policy = policy;
    process.stop = stop(variant);
    process.restart = restart(variant);
    process.memory = Some(MemorySpec { warn_bytes: MEMORY_LIMIT / 2, ..MemorySpec::limit(MEMORY_LIMIT) });
    if policy == ProcessPolicy::Singleton {
        process.min_uptime = Duration::from_millis(250);
    }
    process
}

fn web(variant: Variant) -> ProcessSpec {
    let health = HealthSpec { timeout: Duration::from_secs(5), ..HealthSpec::default() };
    ProcessSpec {
        port: Some(
            PortRange::new(18_000, if variant.narrow_ports { 18_001 } else { 18_003 }).expect("it ascends"),
        ),
        socket: variant.sockets,
        health: (!variant.no_health_check).then_some(health),
        ..process("web", ProcessPolicy::Proxied, variant)
    }
}

fn worker(variant: Variant) -> ProcessSpec {
    ProcessSpec {
        replicas: 2,
        non_blocking_drain: variant.non_blocking_drain,
        ..process("worker", ProcessPolicy::Companion, variant)
    }
}

fn cron(variant: Variant) -> ProcessSpec {
    ProcessSpec {
        port: Some(PortRange::new(20_000, 20_003).expect("it ascends")),
        ..process("cron", ProcessPolicy::Singleton, variant)
    }
}

fn broker(variant: Variant) -> ProcessSpec {
    let strategy = if variant.handoff { DeployStrategy::Handoff } else { DeployStrategy::Persistent };
    ProcessSpec {
        strategy,
        socket: variant.sockets,
        port: Some(PortRange::new(19_000, 19_009).expect("it ascends")),
        ..process("broker", ProcessPolicy::Service, variant)
    }
}

fn stop(variant: Variant) -> StopSpec {
    let hooks = Hooks { quiet: Some("quiet".to_owned()), drain: Some("drain".to_owned()) };
    let drain_timeout = Duration::from_secs(2);
    let plain = StopSpec { kill_after: KillAfter::Grace(Duration::from_secs(3)), ..StopSpec::default() };
    if variant.hooks { StopSpec { hooks, drain_timeout, ..plain } } else { plain }
}

fn restart(variant: Variant) -> RestartPolicy {
    let always = RestartPolicy::always(Duration::from_secs(1));
    if variant.limited_restarts { always.limit(RESTARTS_MAX, RESTART_WINDOW) } else { always }
}
