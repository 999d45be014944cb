//! What remembering costs: an event appended, and a page of events read.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use rollcore::{Event, EventLog, ReleaseId, Seq, WallTime};

/// As many as a reader takes at a time.
const PAGE: usize = 100;

fn event() -> Event {
    let release = ReleaseId::new("v2").expect("it is a safe name");
    Event::ReleaseDrained { release }
}

fn append(c: &mut Criterion) {
    let mut log = EventLog::default();
    let event = event();
    c.bench_function("event/append to a full log", |b| {
        b.iter(|| log.append(black_box(event.clone()), WallTime::from_unix_ms(0)));
    });
}

fn read(c: &mut Criterion) {
    let mut log = EventLog::default();
    for at in 0..2_000 {
        log.append(event(), WallTime::from_unix_ms(at));
    }
    c.bench_function("event/read a page", |b| b.iter(|| log.after(black_box(Seq::START), PAGE)));
    c.bench_function("event/a page as JSON lines", |b| {
        b.iter(|| {
            let page = log.recent(PAGE);
            let lines = page.iter().map(|event| serde_json::to_string(event).expect("an event is JSON"));
            lines.map(|line| black_box(line).len()).sum::<usize>()
        });
    });
}

criterion_group!(benches, append, read);
criterion_main!(benches);
