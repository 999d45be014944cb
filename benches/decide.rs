//! What decisions cost: reading a config, rendering, restarting, planning; and whole plays of the simulator.

use std::collections::BTreeSet;
use std::hint::black_box;
use std::time::Duration;

use criterion::{Criterion, SamplingMode, Throughput, criterion_group, criterion_main};
use rollcore::simulate::{Act, Fault, FaultKind, ProcessName, Script, Simulation, Variant, What};
use rollcore::{Config, Instant, RestartDecision, RestartHistory, RestartPolicy, plan, render};
use rollcore_benches::CONFIG;

fn read(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("config");
    group.throughput(Throughput::Bytes(CONFIG.len() as u64));
    group.bench_function("from_json", |bencher| bencher.iter(|| Config::from_json(black_box(CONFIG))));
    group.finish();

    let config = Config::from_json(CONFIG).expect("the sample is valid");
    criterion.bench_function("plan", |bencher| {
        bencher.iter(|| plan(black_box(config.application()), &BTreeSet::new()));
    });
}

fn fill(criterion: &mut Criterion) {
    let line = "bin/serve --host {{proxy.upstreamHost}} --port {{port}} --release {{releaseId}}";
    let lookup = |key: &str| match key {
        "port" => Some("18042"),
        "releaseId" => Some("20261120-2108"),
        "proxy.upstreamHost" => Some("127.0.0.1"),
        _ => None,
    };
    criterion.bench_function("render", |bencher| bencher.iter(|| render(black_box(line), lookup)));
}

fn restart(criterion: &mut Criterion) {
    let policy = RestartPolicy::always(Duration::from_secs(1))
        .limit(5, Duration::from_secs(60))
        .backoff(2.0, Duration::from_secs(30))
        .expect("two is more than one");
    criterion.bench_function("restart", |bencher| {
        let (mut history, mut now) = (RestartHistory::default(), Instant::ORIGIN);
        bencher.iter(|| {
            now = now + Duration::from_secs(20);
            let decision = policy.decide(&mut history, black_box(now));
            assert!(matches!(decision, RestartDecision::RestartAfter(_)));
        });
    });
}

/// A day's work in five minutes: two good releases and a broken one, load, a crash and a rollback.
fn day() -> Script {
    let broken = Fault { process: ProcessName::Web, kind: FaultKind::ExitsEarly };
    let load = || What::Load { requests: 40, lasting: Duration::from_secs(2), tunnels: false };
    let tunnels = || What::Load { requests: 20, lasting: Duration::from_secs(40), tunnels: true };
    let acts = [
        (0, What::Deploy { release: 1, fault: None }),
        (20, load()),
        (25, tunnels()),
        (30, What::Deploy { release: 2, fault: None }),
        (31, load()),
        (90, What::Crash(ProcessName::Worker)),
        (120, What::Deploy { release: 3, fault: Some(broken) }),
        (121, load()),
        (180, What::Rollback),
        (181, load()),
        (240, What::Restart),
    ];
    let acts = acts.map(|(second, what)| Act { at: Duration::from_secs(second), what });
    Script { seed: 1, acts: acts.into(), variant: Variant::default() }
}

fn play(criterion: &mut Criterion) {
    let script = day();
    let play = Simulation::play(&script);
    assert!(play.violation.is_none() && play.switches >= 3, "{play}");
    let mut group = criterion.benchmark_group("simulate");
    group.sampling_mode(SamplingMode::Flat).throughput(Throughput::Elements(play.turns.into()));
    group.bench_function(format!("play of {} turns", play.turns), |bencher| {
        bencher.iter(|| Simulation::play(black_box(&script)));
    });
    group.finish();
}

criterion_group! {
    name = decide;
    config = rollcore_benches::short();
    targets = read, fill, restart, play
}
criterion_main!(decide);
