//! What deciding costs: reading a config, rendering a template, restarting, and whole plays of the world.

use std::hint::black_box;
use std::time::Duration;

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use rollcore::simulate::{Script, Simulation};
use rollcore::{Config, Instant, RestartDecision, RestartHistory, RestartPolicy, render};

const CONFIG: &str = include_str!("../examples/apps/node/rollcore.json");
const TEMPLATE: &str = "exec ./serve --port {{port}} --broker {{ports.broker}} --release {{releaseId}}";

fn config(c: &mut Criterion) {
    c.bench_function("decide/config from JSON", |b| {
        b.iter(|| Config::from_json(black_box(CONFIG)).expect("the example's config is valid"));
    });
    c.bench_function("decide/config with mistakes", |b| {
        b.iter(|| Config::from_json(black_box(r#"{"proxy":{"port":"x"},"processes":[{"id":"a#b"},3]}"#)));
    });
}

fn template(c: &mut Criterion) {
    let lookup = |key: &str| match key {
        "port" => Some("18182"),
        "ports.broker" => Some("18183"),
        "releaseId" => Some("v2"),
        _ => None,
    };
    c.bench_function("decide/render", |b| b.iter(|| render(black_box(TEMPLATE), lookup)));
}

fn restart(c: &mut Criterion) {
    let policy = RestartPolicy::always(Duration::from_secs(1)).limit(5, Duration::from_secs(60));
    let policy = policy.backoff(2.0, Duration::from_secs(30)).expect("it grows");
    c.bench_function("decide/ten restarts", |b| {
        b.iter_batched_ref(
            RestartHistory::default,
            |history| {
                for second in 0..10 {
                    let now = Instant::from_origin(Duration::from_secs(20 * second));
                    let decision = policy.decide(history, now);
                    assert!(matches!(decision, RestartDecision::RestartAfter(_)));
                }
            },
            BatchSize::SmallInput,
        );
    });
}

fn world(c: &mut Criterion) {
    let script = Script::from_seed(7);
    let turns = Simulation::play(&script).story.len();
    c.bench_function(&format!("decide/a play of {turns} lines"), |b| {
        b.iter(|| Simulation::play(black_box(&script)));
    });
}

criterion_group!(benches, config, template, restart, world);
criterion_main!(benches);
