//! What a switch costs: the switch itself, and with requests in flight; and how long the drain takes then.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use criterion::{Criterion, SamplingMode, criterion_group, criterion_main};
use futures_util::future::join_all;
use rollcore::{Draining, DrainingProxy, Generation, ProxyOptions, Traffic};
use rollcore_benches::{Client, SLOW, runtime, start_upstream};
use tokio::time::{sleep, timeout};

/// How many keep-alive clients have a request in flight.
const CLIENTS: u64 = 64;

/// How long anything that is waited for may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// A proxy whose release changes and whose application does not.
struct Stage {
    proxy: DrainingProxy,
    upstream: SocketAddr,
    generation: u64,
}

impl Stage {
    fn new() -> Self {
        let proxy = DrainingProxy::bind(ProxyOptions::new("127.0.0.1", 0)).expect("there is a free port");
        let mut stage = Self { proxy, upstream: start_upstream(), generation: 0 };
        assert!(stage.switch().is_none(), "nothing was there before");
        stage
    }

    fn switch(&mut self) -> Option<Draining> {
        self.generation += 1;
        self.proxy.switch_to(Traffic::to(Generation(self.generation), [self.upstream]))
    }

    /// Waits until every client has a request in flight.
    async fn all_in_flight(&self) {
        let all = async {
            while self.proxy.counts(Generation(self.generation)).http < CLIENTS {
                sleep(Duration::from_millis(1)).await;
            }
        };
        timeout(PATIENCE, all).await.expect("the clients ask on and on");
    }

    /// The time of the switches, and that until their requests were over.
    async fn switch_in_flight(&mut self, times: u64) -> (Duration, Duration) {
        let (mut switching, mut draining) = (Duration::ZERO, Duration::ZERO);
        for _ in 0..times {
            self.all_in_flight().await;
            let began = Instant::now();
            let old = self.switch().expect("there was a release");
            switching += began.elapsed();
            let report = old.drained(PATIENCE).await;
            draining += began.elapsed();
            assert_eq!(report.requests_cut, 0, "a request was cut");
        }
        (switching, draining)
    }
}

fn switch(criterion: &mut Criterion) {
    let mut stage = Stage::new();
    criterion.bench_function("switch_to/nothing in flight", |bencher| bencher.iter(|| drop(stage.switch())));

    let load = Load::start(stage.proxy.local_addr());
    let runtime = runtime();
    let mut group = criterion.benchmark_group("64 requests of 20 ms in flight");
    group.sample_size(20).sampling_mode(SamplingMode::Flat);
    group.bench_function("switch_to", |bencher| {
        bencher.iter_custom(|times| runtime.block_on(stage.switch_in_flight(times)).0);
    });
    group.bench_function("until the old release is drained", |bencher| {
        bencher.iter_custom(|times| runtime.block_on(stage.switch_in_flight(times)).1);
    });
    group.finish();
    load.end();
    runtime.block_on(stage.proxy.close(PATIENCE));
}

/// Clients that ask and ask, on a thread of their own.
struct Load {
    goes_on: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl Load {
    fn start(proxy: SocketAddr) -> Self {
        let goes_on = Arc::new(AtomicBool::new(true));
        let flag = Arc::clone(&goes_on);
        let thread = thread::spawn(move || {
            runtime().block_on(async { join_all((0..CLIENTS).map(|_| keep_asking(proxy, &flag))).await });
        });
        Self { goes_on, thread }
    }

    /// # Panics
    /// When a request was lost.
    fn end(self) {
        self.goes_on.store(false, Ordering::Relaxed);
        self.thread.join().expect("no request is lost");
    }
}

async fn keep_asking(proxy: SocketAddr, goes_on: &AtomicBool) {
    let mut client = Client::connect(proxy).await;
    while goes_on.load(Ordering::Relaxed) {
        client.get(SLOW).await;
    }
}

criterion_group! {
    name = benches;
    config = rollcore_benches::short();
    targets = switch
}
criterion_main!(benches);
