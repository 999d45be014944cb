//! Connections to the application that are being made: after a switch everybody wants one.

use std::collections::BTreeSet;
use std::time::Duration;

use rollcore::{DrainingProxy, ProxyLimits, ProxyOptions, Traffic};

use socket2::Socket;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use super::limits::deaf;
use super::support::*;
use super::table;

/// The local ports of connections to `port` that are being made: they have asked, and nobody has answered.
fn being_made(port: u16) -> BTreeSet<u16> {
    const SYN_SENT: &str = "02";
    let asks = |line: &table::Line| line.remote == port && line.state == SYN_SENT;
    table::lines().filter(asks).map(|line| line.local).collect()
}

#[tokio::test]
async fn upstream_connects_max() {
    const REQUESTS: u16 = 8;
    const MAX: usize = 2;
    let (_listener, address, _queue) = deaf();
    let limits = ProxyLimits {
        upstream_connects_max: MAX,
        upstream_connect_timeout: Duration::from_secs(1),
        ..ProxyLimits::default()
    };
    let proxy = DrainingProxy::bind(ProxyOptions { limits, ..options() }).expect("a free port");
    drop(proxy.switch_to(Traffic::to(V1, [address])));
    // Those who fill its queue.
    let before = being_made(address.port());
    let clients = asking(&proxy, REQUESTS).await;
    // Until the first is given up, each that may has its turn.
    let most = within(async {
        let mut most = 0;
        while proxy.counts(V1).http == u64::from(REQUESTS) {
            most = most.max(being_made(address.port()).difference(&before).count());
            tokio::task::yield_now().await;
        }
        most
    });
    assert_eq!(most.await, MAX);
    for mut client in clients {
        assert!(client.response().await.0.starts_with("HTTP/1.1 502 "), "who waits has no more time");
    }
}

/// Answers everybody who comes, from now on.
fn serve(listener: Socket) {
    listener.set_nonblocking(true).expect("it is a socket");
    let listener = TcpListener::from_std(listener.into()).expect("it listens");
    tokio::spawn(async move {
        let mut connections = JoinSet::new();
        while let Ok((stream, _)) = listener.accept().await {
            let mut peer = Peer::new(stream);
            connections.spawn(async move {
                peer.head().await;
                peer.send(ok("hello")).await;
            });
        }
    });
}

/// More requests came at once than the application's queue had room for: those whom the kernel had not let in were asked
/// for again only after a second, and then after two more, so that in a crowd some of them got a 502.
#[tokio::test]
async fn a_full_queue_of_the_loopback_is_asked_again() {
    let (listener, address, queue) = deaf();
    let limits = ProxyLimits { upstream_connect_timeout: Duration::from_secs(60), ..ProxyLimits::default() };
    let proxy = DrainingProxy::bind(ProxyOptions { limits, ..options() }).expect("a free port");
    drop(proxy.switch_to(Traffic::to(V1, [address])));
    let before = being_made(address.port());
    let mut clients = asking(&proxy, 1).await;
    // Where the kernel itself asks again, it is for the same port.
    let mut ports = BTreeSet::<u16>::new();
    within(async {
        while ports.len() < 2 {
            ports.extend(being_made(address.port()).difference(&before));
            tokio::task::yield_now().await;
        }
    })
    .await;
    drop(queue);
    serve(listener);
    let (head, _) = clients[0].response().await;
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
}
