//! What the system holds for clients who have read fast, and then stop.

use std::net::SocketAddr;
use std::time::Duration;

use rollcore::{DrainingProxy, ProxyLimits, ProxyOptions, Traffic};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::support::*;
use crate::table;

/// How much the system may add to what it is told: a segment, which on the loopback has 64 KiB, and some of one under way.
const SLACK: u64 = 128 * 1024;
/// What may lie in the socket from the application: what we ask for, and as much again.
const FROM_APPLICATION_MAX: u64 = 2 * 128 * 1024;
/// The same for a client who has taken much.
const FROM_APPLICATION_TAKEN_MAX: u64 = 2 * 512 * 1024;
/// So much is read before: the system has learned by then that this client is fast, and would hold megabytes for him.
const READ_BEFORE: usize = 32 << 20;
/// Long enough for everything to be as full as it gets.
const STALL: Duration = Duration::from_millis(500);

/// An application whose answers never end.
async fn endless() -> App {
    App::start(|mut peer| async move {
        peer.head().await;
        peer.send("HTTP/1.1 200 OK\r\nContent-Length: 1000000000000\r\n\r\n").await;
        let body = vec![b'x'; 1 << 20];
        while peer.stream.write_all(&body).await.is_ok() {}
    })
    .await
}

/// What the system holds of an answer, in bytes.
#[derive(Debug, Default)]
struct Held {
    /// Written for the client, and not sent.
    for_client: u64,
    /// Come from the application, and not read.
    from_application: u64,
}

/// What is held for a client who reads so many bytes fast, and then nothing, when everything is as full as it gets: shortly
/// before his connection is closed.
async fn held(proxy: &DrainingProxy, app: SocketAddr, mut left: usize) -> Held {
    let mut client = Peer::connect(proxy.local_addr()).await;
    client.send("GET / HTTP/1.1\r\nHost: shop.test\r\n\r\n").await;
    counts_become(proxy, V1, 1, 0).await;
    let mut read = vec![0; 1 << 20];
    while left > 0 {
        left = left.saturating_sub(within(client.stream.read(&mut read)).await.expect("it comes"));
    }
    let to_client = (proxy.local_addr().port(), client.stream.local_addr().expect("it is connected").port());
    within(async {
        let mut held = Held::default();
        while proxy.clients() > 0 {
            for line in table::lines() {
                if (line.local, line.remote) == to_client && line.unsent > 0 {
                    held.for_client = line.unsent;
                }
                if line.remote == app.port() && line.unread > 0 {
                    held.from_application = line.unread;
                }
            }
            tokio::task::yield_now().await;
        }
        held
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_stops_reading_makes_the_system_hold_little() {
    let app = endless().await;
    let limits = |client_unsent_bytes_max| ProxyLimits {
        client_unsent_bytes_max,
        client_stall_timeout: STALL,
        ..ProxyLimits::default()
    };
    let proxy = DrainingProxy::bind(ProxyOptions { limits: limits(256 * 1024), ..options() });
    let proxy = proxy.expect("a free port");
    drop(proxy.switch_to(Traffic::to(V1, [app.address])));
    for max in [256 * 1024, 1 << 20, 128 * 1024] {
        // It is a limit of now: for whoever comes later.
        proxy.set_limits(limits(max));
        let held = held(&proxy, app.address, READ_BEFORE).await;
        let max = u64::from(max) + SLACK;
        assert!((1..=max).contains(&held.for_client), "{held:?}: at most {max}");
        let of_one_who_takes = FROM_APPLICATION_MAX + 1..=FROM_APPLICATION_TAKEN_MAX;
        assert!(of_one_who_takes.contains(&held.from_application), "{held:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_never_reads_makes_it_hold_less() {
    let app = endless().await;
    let limits = ProxyLimits { client_stall_timeout: STALL, ..ProxyLimits::default() };
    let proxy = DrainingProxy::bind(ProxyOptions { limits, ..options() }).expect("a free port");
    drop(proxy.switch_to(Traffic::to(V1, [app.address])));
    let held = held(&proxy, app.address, 0).await;
    assert!((1..=FROM_APPLICATION_MAX).contains(&held.from_application), "{held:?}");
}
