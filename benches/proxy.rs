//! What the proxy adds to a request: every request is made through it and directly, in the same run.
//!
//! The last lines are the ratios, measured in turns, so that a busy machine slows both down; there, look at the
//! processor's time. Client and application are in both numbers, so the proxy's own part is what exceeds 1. All threads
//! share one processor: else a single client mostly measures whether the kernel wakes the next one here or elsewhere,
//! which makes a difference of five.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::Bytes;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use futures_util::future::join_all;
use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::time::{ClockId, clock_gettime};
use nix::unistd::Pid;
use rollcore::{DrainingProxy, Generation, ProxyOptions, Traffic};
use rollcore_benches::{Client, LARGE, SMALL, is_measuring, runtime, start_upstream};
use tokio::runtime::Runtime;

/// How many clients there are when there are many.
const CLIENTS: usize = 64;

/// How often a ratio is measured; the median is told.
const ROUNDS: usize = 61;

/// How long one side of a round takes: short, so that most rounds pass undisturbed.
const ROUND: Duration = Duration::from_millis(12);

/// A kind of request: its name, how many clients make it, and what they do.
struct Kind {
    name: &'static str,
    clients: usize,
    bytes: usize,
    ask: fn(&mut Client) -> Asked<'_>,
}

type Asked<'c> = std::pin::Pin<Box<dyn Future<Output = usize> + 'c>>;

const KINDS: [Kind; 4] = [
    Kind { name: "small GET", clients: 1, bytes: 0, ask: |client| Box::pin(client.get(SMALL)) },
    Kind {
        name: "POST of 1 KiB",
        clients: 1,
        bytes: 1024,
        ask: |client| Box::pin(client.post(SMALL, Bytes::from_static(&BODY))),
    },
    Kind { name: "GET of 64 KiB", clients: 1, bytes: 64 * 1024, ask: |client| Box::pin(client.get(LARGE)) },
    Kind { name: "64 small GETs", clients: CLIENTS, bytes: 0, ask: |client| Box::pin(client.get(SMALL)) },
];

static BODY: [u8; 1024] = [b'x'; 1024];

fn proxy(criterion: &mut Criterion) {
    share_one_processor();
    let upstream = start_upstream();
    let proxy = DrainingProxy::bind(ProxyOptions::new("127.0.0.1", 0)).expect("there is a free port");
    let before = proxy.switch_to(Traffic::to(Generation(1), [upstream]));
    assert!(before.is_none(), "nothing was there before");
    let runtime = runtime();
    let mut ratios = Vec::new();
    for kind in &KINDS {
        let mut direct = connect(&runtime, kind, upstream);
        let mut proxied = connect(&runtime, kind, proxy.local_addr());
        let mut group = criterion.benchmark_group(kind.name);
        match kind.bytes {
            0 => group.throughput(Throughput::Elements(kind.clients as u64)),
            bytes => group.throughput(Throughput::Bytes(bytes as u64)),
        };
        for (way, clients) in [("direct", &mut direct), ("proxy", &mut proxied)] {
            group.bench_function(way, |bencher| bencher.iter(|| ask_all(&runtime, kind, clients)));
        }
        group.finish();
        if is_measuring() {
            ratios.push(Ratio::of(&runtime, kind, &mut direct, &mut proxied));
        }
    }
    tell(&ratios);
    runtime.block_on(proxy.close(Duration::from_secs(1)));
}

/// For this thread and those that it starts. Where it cannot be, the numbers are only less steady.
fn share_one_processor() {
    let this = Pid::from_raw(0);
    let Ok(allowed) = sched_getaffinity(this) else { return };
    let last = (0..CpuSet::count()).rev().find(|cpu| allowed.is_set(*cpu) == Ok(true));
    let mut one = CpuSet::new();
    if last.is_some_and(|cpu| one.set(cpu).is_ok()) {
        let _ = sched_setaffinity(this, &one);
    }
}

fn connect(runtime: &Runtime, kind: &Kind, address: SocketAddr) -> Vec<Client> {
    runtime.block_on(join_all((0..kind.clients).map(|_| Client::connect(address))))
}

fn ask_all(runtime: &Runtime, kind: &Kind, clients: &mut [Client]) {
    let lengths = runtime.block_on(join_all(clients.iter_mut().map(kind.ask)));
    assert!(lengths.iter().all(|length| *length > 0), "an answer was empty");
}

/// How much more a kind of request takes through the proxy than directly.
struct Ratio {
    kind: &'static str,
    time: f64,
    cpu: f64,
}

impl Ratio {
    /// The medians of rounds in which both take their turn.
    fn of(runtime: &Runtime, kind: &Kind, direct: &mut [Client], proxied: &mut [Client]) -> Self {
        let (mut times, mut cpus) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            let (direct, proxied) = (round(runtime, kind, direct), round(runtime, kind, proxied));
            times.push(proxied.0 / direct.0);
            cpus.push(proxied.1 / direct.1);
        }
        Self { kind: kind.name, time: median(times), cpu: median(cpus) }
    }
}

/// Seconds for each time that all clients ask, on the wall and on the processors.
fn round(runtime: &Runtime, kind: &Kind, clients: &mut [Client]) -> (f64, f64) {
    let (began, cpu_before, mut asked) = (Instant::now(), cpu_time(), 0);
    while began.elapsed() < ROUND {
        ask_all(runtime, kind, clients);
        asked += 1;
    }
    let each = |total: Duration| total.as_secs_f64() / f64::from(asked);
    (each(began.elapsed()), each(cpu_time() - cpu_before))
}

/// Of all threads here: clients, application and proxy.
fn cpu_time() -> Duration {
    let now = clock_gettime(ClockId::CLOCK_PROCESS_CPUTIME_ID).expect("every process has this clock");
    now.into()
}

fn median(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_by(f64::total_cmp);
    numbers[numbers.len() / 2]
}

#[expect(clippy::print_stdout, reason = "a bench is there to print")]
fn tell(ratios: &[Ratio]) {
    for Ratio { kind, time, cpu } in ratios {
        println!("{kind:<14} through the proxy / directly: {time:.2} of the time, {cpu:.2} of the processor");
    }
}

criterion_group! {
    name = benches;
    config = rollcore_benches::short();
    targets = proxy
}
criterion_main!(benches);
