//! What remembering costs: appending to a full log, and reading it by cursor.

use std::hint::black_box;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use rollcore::{EVENTS_MAX_DEFAULT, Event, EventLog, Seq, WallTime};

/// How many events a reader takes at once.
const BATCH: usize = 100;

fn event(number: usize) -> Event {
    Event::CommandFailed { error: format!("nobody has release v{number}") }
}

/// A log that has dropped its first events already.
fn full_log() -> EventLog {
    let mut log = EventLog::default();
    for number in 0..2 * EVENTS_MAX_DEFAULT.get() {
        log.append(event(number), WallTime::from_unix_ms(0));
    }
    log
}

fn append(criterion: &mut Criterion) {
    let mut log = full_log();
    criterion.bench_function("append", |bencher| {
        let make = || event(7);
        bencher.iter_batched(
            make,
            |event| log.append(event, WallTime::from_unix_ms(1)),
            BatchSize::SmallInput,
        );
    });
}

fn read(criterion: &mut Criterion) {
    let log = full_log();
    let mut group = criterion.benchmark_group("read");
    let newest = Seq(log.last().0 - 1);
    group.bench_function("the newest", |bencher| bencher.iter(|| log.after(black_box(newest), BATCH)));
    group.throughput(Throughput::Elements(log.len() as u64));
    group.bench_function("all by cursor", |bencher| bencher.iter(|| read_all(black_box(&log))));
    group.bench_function("all as JSON", |bencher| {
        bencher.iter(|| serde_json::to_string(&log.recent(usize::MAX)).expect("events are JSON"));
    });
    group.finish();
}

fn read_all(log: &EventLog) -> usize {
    let (mut cursor, mut seen) = (Seq::START, 0);
    loop {
        let batch = log.after(cursor, BATCH);
        if batch.events.is_empty() {
            return seen;
        }
        seen += batch.events.len();
        cursor = batch.next;
    }
}

criterion_group! {
    name = events;
    config = rollcore_benches::short();
    targets = append, read
}
criterion_main!(events);
