//! Another application than the standard one, whose processes have the same names.

use std::time::Duration;

use rollcore::{
    Application, CommandSpec, DeployStrategy, HealthSpec, Hooks, KillAfter, PortRange,
    ProcessId, ProcessPolicy, ProcessSpec, ProxySpec, RestartPolicy, Retention, StopSpec,
};

use crate::Bytes;

/// Long enough for every range that is meant to be too small for the releases to be so.
const PORTS: [(u16, u16); 4] = [(18_000, 18_009), (18_000, 18_000), (18_000, 18_001), (18_000, 18_099)];

/// The application that these bytes spell. It obeys every rule of a config, and ends within a minute when asked to.
pub fn application(bytes: &mut Bytes<'_>) -> Application {
    let mut processes = vec![web(bytes)];
    for name in ["worker", "cron", "broker"] {
        if !bytes.rarely() {
            processes.push(other(name, bytes));
        }
    }
    let first = bytes.below(processes.len());
    processes.rotate_left(first);
    Application {
        proxy: ProxySpec { drain_timeout: bytes.one_of_ms(&[20_000, 0, 1, 5_000]), ..ProxySpec::default() },
        retention: Retention {
            keep: bytes.one_of(&[2, 0, 1, 10]),
            max_age: [None, Some(Duration::ZERO), Some(Duration::from_secs(5))][bytes.below(3)],
        },
        ..Application::new("made-up", processes)
    }
}

fn web(bytes: &mut Bytes<'_>) -> ProcessSpec {
    let health = HealthSpec {
        timeout: bytes.one_of_ms(&[5_000, 1, 250, 30_000]),
        interval: bytes.one_of_ms(&[250, 1, 1_000, 60_000]),
        start_delay: bytes.one_of_ms(&[0, 1, 1_000]),
        ..HealthSpec::default()
    };
    ProcessSpec {
        policy: ProcessPolicy::Proxied,
        port: Some(ports(bytes)),
        health: (!bytes.rarely()).then_some(health),
        ..process("web", bytes)
    }
}

fn other(name: &str, bytes: &mut Bytes<'_>) -> ProcessSpec {
    let plain = process(name, bytes);
    match bytes.below(4) {
        0 => ProcessSpec { replicas: [2, 1, 3][bytes.below(3)], non_blocking_drain: bytes.rarely(), ..plain },
        1 => ProcessSpec {
            policy: ProcessPolicy::Singleton,
            min_uptime: bytes.one_of_ms(&[250, 0, 1, 5_000]),
            port: bytes.rarely().then(|| ports(bytes)),
            ..plain
        },
        2 => ProcessSpec {
            policy: ProcessPolicy::Service,
            port: bytes.rarely().then(|| ports(bytes)),
            ..plain
        },
        _ => ProcessSpec {
            policy: ProcessPolicy::Service,
            strategy: DeployStrategy::Handoff,
            port: Some(PortRange::new(19_000, 19_000 + [9, 1, 99][bytes.below(3)]).expect("it ascends")),
            ..plain
        },
    }
}

fn process(name: &str, bytes: &mut Bytes<'_>) -> ProcessSpec {
    // A placeholder that is not always known makes a deploy fail before anything was started.
    let word = ["{{releaseId}}", "{{releaseId}}", "{{ports.web}}", "{{ports.broker}}"][bytes.below(4)];
    let command = CommandSpec::Exec(vec![name.to_owned(), word.to_owned()]);
    ProcessSpec {
        stop: stop(bytes),
        restart: restart(bytes),
        ..ProcessSpec::new(ProcessId::new(name), command)
    }
}

fn stop(bytes: &mut Bytes<'_>) -> StopSpec {
    let hook = |is_there: bool| is_there.then(|| "hook".to_owned());
    let quiet = hook(bytes.rarely());
    let drain_timeout = bytes.one_of_ms(&[0, 1, 2_000, 10_000]);
    let drain = hook(!drain_timeout.is_zero() && bytes.rarely());
    StopSpec {
        hooks: Hooks { quiet, drain },
        drain_timeout,
        kill_after: KillAfter::Grace(bytes.one_of_ms(&[3_000, 0, 1, 10_000])),
        ..StopSpec::default()
    }
}

fn restart(bytes: &mut Bytes<'_>) -> RestartPolicy {
    // Without a limit, a crash that is followed by the next one at once would fill the play.
    let (limit, delays) = match bytes.below(4) {
        0 | 1 => (None, [1_000, 100, 250, 5_000]),
        2 => (Some(Duration::ZERO), [1_000, 0, 1, 5_000]),
        _ => (Some(bytes.one_of_ms(&[60_000, 1_000, 2_000])), [1_000, 0, 1, 5_000]),
    };
    let always = RestartPolicy::always(bytes.one_of_ms(&delays));
    let (factor, delay_max) = (bytes.one_of(&[1.0, 2.0, 10.0]), bytes.one_of_ms(&[0, 1_500, 30_000]));
    let policy =
        always.backoff(factor, delay_max).expect("every factor there is to choose from is at least 1");
    match limit {
        None => policy,
        Some(window) => policy.limit(bytes.one_of(&[3, 0, 1]), window),
    }
}

fn ports(bytes: &mut Bytes<'_>) -> PortRange {
    let (first, last) = bytes.one_of(&PORTS);
    PortRange::new(first, last).expect("it ascends")
}
