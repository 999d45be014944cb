//! What a switch costs: how long the move of the pointer takes, at rest and while clients ask.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use criterion::{Criterion, criterion_group, criterion_main};
use rollcore::{DrainingProxy, Generation, ProxyOptions, Traffic};
use rollcore_benches::{Client, application, runtime};

const CLIENTS: usize = 16;
/// How long a release that was switched away may take to be empty.
const DRAIN_BUDGET: Duration = Duration::from_secs(10);

fn switch(c: &mut Criterion) {
    let applications = [application(b"old"), application(b"new")];
    let proxy = DrainingProxy::bind(ProxyOptions::new("127.0.0.1", 0)).expect("there is a free port");
    c.bench_function("switch/at rest", |b| b.iter_custom(|times| move_pointer(&proxy, applications, times)));
    let load = Load::on(proxy.local_addr());
    c.bench_function("switch/under load", |b| {
        b.iter_custom(|times| move_pointer(&proxy, applications, times));
    });
    load.off();
}

/// Only the move is timed; each old release is drained before the next move, and nothing may be cut.
fn move_pointer(proxy: &DrainingProxy, applications: [SocketAddr; 2], times: u64) -> Duration {
    let mut took = Duration::ZERO;
    runtime().block_on(async {
        for turn in 0..times {
            let traffic = Traffic::to(Generation(turn + 1), [applications[turn as usize % 2]]);
            let begin = Instant::now();
            let old = proxy.switch_to(traffic);
            took += begin.elapsed();
            if let Some(old) = old {
                let report = old.drained(DRAIN_BUDGET).await;
                assert_eq!((report.requests_cut, report.tunnels_cut), (0, 0));
            }
        }
    });
    took
}

/// Clients that ask without a pause, on a thread of their own.
struct Load {
    stop: Arc<AtomicBool>,
    thread: thread::JoinHandle<()>,
}

impl Load {
    fn on(address: SocketAddr) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = thread::spawn(move || runtime().block_on(ask_until(address, &stopped)));
        Self { stop, thread }
    }

    /// Panics when a request failed meanwhile: `Client::get` does.
    fn off(self) {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().expect("no request fails during a switch");
    }
}

async fn ask_until(address: SocketAddr, stopped: &Arc<AtomicBool>) {
    let mut clients = Vec::new();
    for _ in 0..CLIENTS {
        let mut client = Client::connect(address).await;
        let stopped = Arc::clone(stopped);
        clients.push(tokio::spawn(async move {
            while !stopped.load(Ordering::Relaxed) {
                client.get().await;
            }
        }));
    }
    for client in clients {
        client.await.expect("no request fails during a switch");
    }
}

criterion_group!(benches, switch);
criterion_main!(benches);
