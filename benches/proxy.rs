//! What the proxy adds to a request: every request is made through it and directly, in the same run.
//!
//! The numbers of one line are for one client, or for 64 at once. The last lines are the ratios, measured in turns, so
//! that a busy machine slows both down.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::Bytes;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use futures_util::future::join_all;
use rollcore::{DrainingProxy, Generation, ProxyOptions, Traffic};
use rollcore_benches::{Client, LARGE, SMALL, is_measuring, runtime, start_upstream};
use tokio::runtime::Runtime;

/// How many clients there are when there are many.
const CLIENTS: usize = 64;

/// How often the ratio is measured; the median is told.
const ROUNDS: usize = 21;

/// How long one side of a round takes.
const ROUND: Duration = Duration::from_millis(40);

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
    Kind { name: "POST of 1 KiB", clients: 1, bytes: BODY.len(), ask: |client| Box::pin(client.post(SMALL, BODY)) },
    Kind { name: "GET of 64 KiB", clients: 1, bytes: 64 * 1024, ask: |client| Box::pin(client.get(LARGE)) },
    Kind { name: "64 small GETs", clients: CLIENTS, bytes: 0, ask: |client| Box::pin(client.get(SMALL)) },
];

const BODY: Bytes = Bytes::from_static(&[b'x'; 1024]);

fn proxy(criterion: &mut Criterion) {
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
            ratios.push((kind.name, ratio(&runtime, kind, &mut direct, &mut proxied)));
        }
    }
    tell(&ratios);
    runtime.block_on(proxy.close(Duration::from_secs(1)));
}

fn connect(runtime: &Runtime, kind: &Kind, address: SocketAddr) -> Vec<Client> {
    runtime.block_on(join_all((0..kind.clients).map(|_| Client::connect(address))))
}

fn ask_all(runtime: &Runtime, kind: &Kind, clients: &mut [Client]) {
    let lengths = runtime.block_on(join_all(clients.iter_mut().map(kind.ask)));
    assert!(lengths.iter().all(|length| *length > 0), "an answer was empty");
}

/// How much longer it takes through the proxy: the median of rounds in which both take their turn.
fn ratio(runtime: &Runtime, kind: &Kind, direct: &mut [Client], proxied: &mut [Client]) -> f64 {
    let mut takes = |clients: &mut [Client]| {
        let (began, mut asked) = (Instant::now(), 0);
        while began.elapsed() < ROUND {
            ask_all(runtime, kind, clients);
            asked += 1;
        }
        began.elapsed().as_secs_f64() / f64::from(asked)
    };
    let mut ratios: Vec<f64> = (0..ROUNDS).map(|_| 1.0 / takes(direct) * takes(proxied)).collect();
    ratios.sort_by(f64::total_cmp);
    ratios[ROUNDS / 2]
}

#[expect(clippy::print_stdout, reason = "a bench is there to print")]
fn tell(ratios: &[(&str, f64)]) {
    for (kind, ratio) in ratios {
        println!("{kind:<16} takes {ratio:.2} times as long through the proxy (median of {ROUNDS} rounds)");
    }
}

criterion_group! {
    name = benches;
    config = rollcore_benches::short();
    targets = proxy
}
criterion_main!(benches);
