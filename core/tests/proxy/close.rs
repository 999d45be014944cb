//! The beginning and the end of a proxy (compat C-158).

use std::sync::Arc;
use std::time::Duration;

use rollcore::{BindError, DrainingProxy, ProxyLimits, ProxyOptions, Traffic};
use tokio::net::TcpStream;

use crate::support::*;

/// C-158.
#[tokio::test]
async fn a_busy_address_is_named() {
    let proxy = proxy();
    let port = proxy.local_addr().port();
    let error = DrainingProxy::bind(ProxyOptions::new("127.0.0.1", port)).expect_err("it is taken");
    assert_eq!(error.to_string(), format!("listen EADDRINUSE: address already in use 127.0.0.1:{port}"));
    assert_eq!(error.code(), "proxy_address_in_use");
    // An address of documentation (RFC 5737), which is nobody's.
    let error = DrainingProxy::bind(ProxyOptions::new("192.0.2.1", 0)).expect_err("it is not ours");
    assert_eq!(error.to_string(), "listen EADDRNOTAVAIL: cannot listen on 192.0.2.1:0");
    let error = DrainingProxy::bind(ProxyOptions::new("no such host", 0)).expect_err("it is not a name");
    assert!(matches!(error, BindError::UnknownHost { .. }), "{error}");
}

#[tokio::test]
async fn closing_frees_the_address_at_once() {
    let app = App::saying("hello").await;
    let proxy = DrainingProxy::bind(ProxyOptions { workers: 3, ..options() }).expect("a free port");
    let _ = proxy.switch_to(Traffic::to(V1, [app.address]));
    let address = proxy.local_addr();
    let mut idle = Peer::connect(address).await;
    assert_eq!(idle.get("/").await.1, "hello");
    let report = within(proxy.close(DEADLINE)).await;
    assert_eq!((report.open_at_start, report.requests_cut, report.tunnels_cut), (0, 0, 0));
    let (rest, end) = idle.rest().await;
    assert_eq!(rest, "");
    end.expect("an idle client sees a proper end");
    assert!(TcpStream::connect(address).await.is_err(), "nobody listens any more");
    DrainingProxy::bind(ProxyOptions::new("127.0.0.1", address.port())).expect("the port is free");
    assert_eq!(within(proxy.close(DEADLINE)).await.open_at_start, 0);
}

#[tokio::test]
async fn closing_waits_for_requests_under_way() {
    let (app, mut connections) = App::by_hand().await;
    let proxy = Arc::new(proxy_to(app.address));
    let mut client = Peer::connect(proxy.local_addr()).await;
    client.send("GET / HTTP/1.1\r\nHost: shop.test\r\n\r\n").await;
    let mut upstream = next(&mut connections).await;
    upstream.head().await;
    let closing = tokio::spawn({
        let proxy = Arc::clone(&proxy);
        async move { proxy.close(DEADLINE).await }
    });
    within(async { while TcpStream::connect(proxy.local_addr()).await.is_ok() {} }).await;
    upstream.send(ok("last")).await;
    let (head, body) = client.response().await;
    assert_eq!(body, "last");
    assert_eq!(field(&head, "connection").as_deref(), Some("close"), "{head}");
    let report = within(closing).await.expect("it does not panic");
    assert_eq!((report.open_at_start, report.requests_cut), (1, 0));
}

#[tokio::test]
async fn closing_cuts_what_outlives_the_budget() {
    let (app, mut connections) = App::by_hand().await;
    let proxy = proxy_to(app.address);
    let mut client = Peer::connect(proxy.local_addr()).await;
    client.send("GET / HTTP/1.1\r\nHost: shop.test\r\n\r\n").await;
    let mut held = next(&mut connections).await;
    held.head().await;
    let mut upstream;
    let mut socket = Peer::connect(proxy.local_addr()).await;
    socket.send("GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n").await;
    loop {
        upstream = next(&mut connections).await;
        if upstream.head().await.contains("websocket") {
            break;
        }
    }
    upstream.send("HTTP/1.1 101 Go\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n").await;
    socket.head().await;
    let before = proxy.counts(V1);
    let report = within(proxy.close(Duration::from_millis(50))).await;
    assert_eq!((report.open_at_start, report.tunnels_cut), (before.total(), 1));
    assert_eq!(report.requests_cut, before.http);
    socket.gone().await;
    client.gone().await;
}

#[tokio::test]
async fn dropping_ends_everything() {
    let (app, mut connections) = App::by_hand().await;
    let proxy = proxy_to(app.address);
    let address = proxy.local_addr();
    let mut client = Peer::connect(address).await;
    client.send("GET / HTTP/1.1\r\nHost: shop.test\r\n\r\n").await;
    let mut upstream = next(&mut connections).await;
    upstream.head().await;
    drop(proxy);
    client.gone().await;
    upstream.gone().await;
    within(async { while TcpStream::connect(address).await.is_ok() {} }).await;
}

/// A bug in one connection, here in the host's observer, ends that connection and nothing else.
#[tokio::test]
async fn a_panic_harms_one_connection() {
    let options = options().on_error(|_| panic!("a bug of the host"));
    let proxy = DrainingProxy::bind(options).expect("a free port");
    let _ = proxy.switch_to(Traffic::to(V1, [nobody().await]));
    let mut other = Peer::connect(proxy.local_addr()).await;
    let mut client = Peer::connect(proxy.local_addr()).await;
    client.send("GET / HTTP/1.1\r\nHost: shop.test\r\n\r\n").await;
    assert_eq!(client.rest().await.0, "");
    counts_become(&proxy, V1, 0, 0).await;
    let app = App::saying("hello").await;
    let _ = proxy.switch_to(Traffic::to(V2, [app.address]));
    assert_eq!(other.get("/").await.1, "hello");
}

#[tokio::test]
async fn clients_beyond_the_limit_wait_for_their_turn() {
    let app = App::saying("hello").await;
    let proxy = DrainingProxy::bind(ProxyOptions {
        limits: ProxyLimits { connections_max: 1, ..ProxyLimits::default() },
        ..options()
    })
    .expect("a free port");
    let _ = proxy.switch_to(Traffic::to(V1, [app.address]));
    let mut first = Peer::connect(proxy.local_addr()).await;
    assert_eq!(first.get("/").await.1, "hello");
    let mut second = Peer::connect(proxy.local_addr()).await;
    second.send("GET / HTTP/1.1\r\nHost: shop.test\r\n\r\n").await;
    assert_eq!(first.get("/").await.1, "hello");
    drop(first);
    assert_eq!(second.response().await.1, "hello");
}

/// The host's signals are the host's, and a client that is gone is an error and not a SIGPIPE (embedding §0.4).
#[tokio::test]
async fn threads_have_our_name_and_block_signals() {
    let proxy = proxy();
    assert!(Peer::connect(proxy.local_addr()).await.get("/").await.0.starts_with("HTTP/1.1 503 "));
    let mut threads = 0;
    for task in std::fs::read_dir("/proc/self/task").expect("this is Linux") {
        let path = task.expect("an entry").path();
        // A thread may end while we look at it.
        let Ok(status) = std::fs::read_to_string(path.join("status")) else { continue };
        if field(&status, "name").as_deref() != Some("rollcore-proxy-") {
            continue;
        }
        threads += 1;
        let blocked = field(&status, "sigblk").expect("it has a mask");
        let blocked = u64::from_str_radix(&blocked, 16).expect("it is hexadecimal");
        let is_blocked = |signal: u32| blocked & (1 << (signal - 1)) != 0;
        for (signal, name) in [(1, "HUP"), (2, "INT"), (10, "USR1"), (13, "PIPE"), (15, "TERM"), (17, "CHLD")]
        {
            assert!(is_blocked(signal), "SIG{name} is not blocked");
        }
        for (signal, name) in [(4, "ILL"), (7, "BUS"), (8, "FPE"), (11, "SEGV")] {
            assert!(!is_blocked(signal), "SIG{name} is blocked");
        }
    }
    assert!(threads > 0, "no thread has our name");
}

#[tokio::test]
async fn a_client_that_sends_no_head_is_closed() {
    let head_timeout = Duration::from_millis(100);
    let proxy = DrainingProxy::bind(ProxyOptions {
        limits: ProxyLimits { head_timeout, idle_timeout: head_timeout, ..ProxyLimits::default() },
        ..options()
    })
    .expect("a free port");
    let mut silent = Peer::connect(proxy.local_addr()).await;
    let mut slow = Peer::connect(proxy.local_addr()).await;
    slow.send("GET / HT").await;
    assert_eq!(silent.rest().await.0, "");
    assert!(slow.rest().await.0.starts_with("HTTP/1.1 408 Request Timeout\r\n"));
}
