//! What the proxy costs: the same requests straight to the application and through the proxy, in the same run.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use criterion::{
    BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main, measurement::WallTime,
};
use rollcore::{DrainingProxy, Generation, ProxyOptions, Traffic};
use rollcore_benches::{Client, application, runtime};

/// How many clients ask at the same time.
const CLIENTS: u64 = 32;

static SMALL: [u8; 64] = [b's'; 64];
static LARGE: [u8; 64 * 1024] = [b'l'; 64 * 1024];

fn proxy_before(application: SocketAddr) -> DrainingProxy {
    let proxy = DrainingProxy::bind(ProxyOptions::new("127.0.0.1", 0)).expect("there is a free port");
    assert!(proxy.switch_to(Traffic::to(Generation(1), [application])).is_none());
    proxy
}

fn requests(c: &mut Criterion) {
    for (title, body) in [("64 B", SMALL.as_slice()), ("64 KiB", LARGE.as_slice())] {
        let application = application(body);
        let proxy = proxy_before(application);
        let mut one = c.benchmark_group(format!("proxy/one client, {title}"));
        one.throughput(Throughput::Elements(1));
        compare(&mut one, 1, application, proxy.local_addr());
        one.finish();
        let mut many = c.benchmark_group(format!("proxy/{CLIENTS} clients, {title}"));
        many.throughput(Throughput::Elements(CLIENTS));
        compare(&mut many, CLIENTS, application, proxy.local_addr());
        many.finish();
    }
}

fn compare(
    group: &mut BenchmarkGroup<'_, WallTime>,
    clients: u64,
    application: SocketAddr,
    proxy: SocketAddr,
) {
    for (way, address) in [("direct", application), ("proxied", proxy)] {
        group.bench_function(way, |b| b.iter_custom(|rounds| ask(address, clients, rounds)));
    }
}

/// How long it takes until each client has asked `rounds` times. Connecting is not counted.
fn ask(address: SocketAddr, clients: u64, rounds: u64) -> Duration {
    runtime().block_on(async {
        let mut connected = Vec::new();
        for _ in 0..clients {
            let mut client = Client::connect(address).await;
            client.get().await;
            connected.push(client);
        }
        let begin = Instant::now();
        let asking: Vec<_> = connected
            .into_iter()
            .map(|mut client| {
                tokio::spawn(async move {
                    for _ in 0..rounds {
                        client.get().await;
                    }
                })
            })
            .collect();
        for client in asking {
            client.await.expect("no client panics");
        }
        begin.elapsed()
    })
}

criterion_group!(benches, requests);
criterion_main!(benches);
