//! Traffic moves, and nothing is lost (compat C-88, C-105).

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use rollcore::{Counts, DrainReport, DrainingProxy, Generation, ProxyLimits, ProxyOptions, Traffic};

use crate::support::*;

/// Answers with its name, and counts what it answered.
async fn release(name: u64, answered: &Arc<AtomicU64>) -> App {
    let answered = Arc::clone(answered);
    App::start(move |mut peer| {
        let answered = Arc::clone(&answered);
        async move {
            loop {
                let head = peer.head().await;
                if head.is_empty() {
                    return;
                }
                if let Some(length) = field(&head, "content-length") {
                    peer.exactly(length.parse().expect("a number")).await;
                }
                answered.fetch_add(1, Ordering::SeqCst);
                peer.send(ok(&name.to_string())).await;
            }
        }
    })
    .await
}

/// Asks without a pause on one connection; returns how often each release answered.
async fn ask_until(stop: Arc<AtomicBool>, address: SocketAddr, posts: bool) -> HashMap<u64, u64> {
    let mut client = Peer::connect(address).await;
    let mut answers = HashMap::new();
    while !stop.load(Ordering::SeqCst) {
        if posts {
            client.send("POST / HTTP/1.1\r\nHost: shop.test\r\nContent-Length: 3\r\n\r\nabc").await;
        } else {
            client.send("GET / HTTP/1.1\r\nHost: shop.test\r\n\r\n").await;
        }
        let (head, body) = client.response().await;
        assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
        *answers.entry(body.parse().expect("the name of a release")).or_default() += 1;
    }
    answers
}

/// Clients on keep-alive connections ask without a pause while a hundred releases replace each other, on two workers. Each
/// old release is killed the moment its drain says that nothing of it is open.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_request_is_answered_through_a_hundred_switches() {
    const RELEASES: u64 = 100;
    let proxy = DrainingProxy::bind(ProxyOptions { workers: 2, ..options() }).expect("a free port");
    let answered: Vec<_> = (0..=RELEASES).map(|_| Arc::new(AtomicU64::new(0))).collect();
    let mut app = release(0, &answered[0]).await;
    let _ = proxy.switch_to(Traffic::to(Generation(0), [app.address]));
    let stop = Arc::new(AtomicBool::new(false));
    let clients: Vec<_> = (0..16)
        .map(|number| tokio::spawn(ask_until(Arc::clone(&stop), proxy.local_addr(), number % 4 == 0)))
        .collect();

    for turn in 1..=RELEASES {
        let before = &answered[usize::try_from(turn - 1).expect("it is small")];
        within(async {
            while before.load(Ordering::SeqCst) < 50 {
                tokio::task::yield_now().await;
            }
        })
        .await;
        let next = release(turn, &answered[usize::try_from(turn).expect("it is small")]).await;
        let old = proxy.switch_to(Traffic::to(Generation(turn), [next.address])).expect("there was one");
        let generation = old.generation();
        assert_eq!(generation, Generation(turn - 1));
        let report = within(old.drained(DEADLINE)).await;
        std::mem::replace(&mut app, next).kill().await;
        assert_eq!((report.requests_cut, report.tunnels_cut), (0, 0));
        assert!(report.open_at_start <= 16, "{report:?}");
        assert_eq!(proxy.counts(generation), Counts::default());
    }
    stop.store(true, Ordering::SeqCst);
    let mut seen: HashMap<u64, u64> = HashMap::new();
    for client in clients {
        for (name, count) in within(client).await.expect("it saw no failure") {
            *seen.entry(name).or_default() += count;
        }
    }
    for (name, answered) in (0..).zip(&answered) {
        assert_eq!(seen.get(&name).copied().unwrap_or(0), answered.load(Ordering::SeqCst), "release {name}");
    }
    counts_become(&proxy, Generation(RELEASES), 0, 0).await;
}

/// C-88: a request stays where it began; the next one on the same connection goes to the new release.
#[tokio::test]
async fn a_request_stays_where_it_began() {
    let (app, mut connections) = App::by_hand().await;
    let two = App::saying("two").await;
    let proxy = proxy_to(app.address);
    let mut client = Peer::connect(proxy.local_addr()).await;
    client.send("GET / HTTP/1.1\r\nHost: shop.test\r\n\r\n").await;
    let mut upstream = next(&mut connections).await;
    upstream.head().await;
    let old = proxy.switch_to(Traffic::to(V2, [two.address])).expect("there was one");
    assert_eq!(proxy.active(), Some(V2));
    assert_eq!(old.counts(), Counts { http: 1, websocket: 0 });
    upstream.send(ok("one")).await;
    assert_eq!(client.response().await.1, "one");
    let report = within(old.drained(DEADLINE)).await;
    assert_eq!((report.open_at_start, report.requests_cut), (1, 0));
    assert_eq!(client.get("/").await.1, "two");
    upstream.gone().await;
}

/// A stream, an answer that nobody reads, a request without an answer and a WebSocket outlive the budget; an idle
/// client and the new release's request are not touched. C-105, C-130.
#[tokio::test]
async fn what_outlives_the_budget_is_cut_and_counted() {
    let (app, mut connections) = App::by_hand().await;
    let (two, mut twos) = App::by_hand().await;
    // Nobody is asked to go before.
    let limits = ProxyLimits { wind_down_window: Duration::ZERO, ..ProxyLimits::default() };
    let proxy = DrainingProxy::bind(ProxyOptions { limits, ..options() }).expect("a free port");
    let _ = proxy.switch_to(Traffic::to(V1, [app.address]));

    let mut idle = Peer::connect(proxy.local_addr()).await;
    idle.send("GET / HTTP/1.1\r\nHost: shop.test\r\n\r\n").await;
    let mut upstream = next(&mut connections).await;
    upstream.head().await;
    upstream.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").await;
    idle.response().await;

    let mut streaming = Peer::connect(proxy.local_addr()).await;
    streaming.send("GET / HTTP/1.1\r\nHost: shop.test\r\n\r\n").await;
    let mut streaming_up = next(&mut connections).await;
    streaming_up.head().await;
    streaming_up.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n").await;
    streaming.head().await;
    assert_eq!(streaming.chunk().await, "hello");

    let mut waiting = Peer::connect(proxy.local_addr()).await;
    waiting.send("GET / HTTP/1.1\r\nHost: shop.test\r\n\r\n").await;
    let mut waiting_up = next(&mut connections).await;
    waiting_up.head().await;

    let mut old_style = Peer::connect(proxy.local_addr()).await;
    old_style.send("GET / HTTP/1.0\r\n\r\n").await;
    let mut old_style_up = next(&mut connections).await;
    old_style_up.head().await;
    old_style_up.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n").await;
    old_style.until("hello").await;

    let mut socket = Peer::connect(proxy.local_addr()).await;
    socket.send("GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n").await;
    let mut socket_up = next(&mut connections).await;
    socket_up.head().await;
    socket_up.send("HTTP/1.1 101 Go\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n").await;
    socket.head().await;
    counts_become(&proxy, V1, 3, 1).await;

    let old = proxy.switch_to(Traffic::to(V2, [two.address])).expect("there was one");
    idle.send("GET / HTTP/1.1\r\nHost: shop.test\r\n\r\n").await;
    let mut new = next(&mut twos).await;
    new.head().await;

    let report = within(old.drained(Duration::from_millis(100))).await;
    let DrainReport { open_at_start, requests_cut, tunnels_cut, took, streams_ended, tunnels_ended } = report;
    assert_eq!((streams_ended, tunnels_ended), (0, 0));
    assert_eq!((open_at_start, requests_cut, tunnels_cut), (4, 3, 1));
    assert!(took >= Duration::from_millis(100), "{took:?}");
    assert_eq!(proxy.counts(V1), Counts::default());

    // A cut answer is not whole: no last chunk, and a reset where the end would be the end.
    assert_eq!(streaming.rest().await.0, "");
    assert_eq!(waiting.rest().await.0, "");
    assert!(old_style.rest().await.1.is_err());
    assert_eq!(socket.rest().await.0, "");
    for upstream in [&mut streaming_up, &mut waiting_up, &mut old_style_up, &mut socket_up] {
        upstream.gone().await;
    }
    new.send(ok("two")).await;
    assert_eq!(idle.response().await.1, "two");
}

/// Also one whose client does not read: its task waits for the socket and not for the release.
#[tokio::test]
async fn a_client_that_does_not_read_is_cut_too() {
    let app = App::start(|mut peer| async move {
        peer.head().await;
        peer.send("HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n").await;
        let block = vec![b'x'; 100_000];
        while tokio::io::AsyncWriteExt::write_all(&mut peer.stream, &block).await.is_ok() {}
    })
    .await;
    let proxy = proxy_to(app.address);
    let mut client = Peer::connect(proxy.local_addr()).await;
    client.send("GET / HTTP/1.1\r\nHost: shop.test\r\n\r\n").await;
    client.head().await;
    let old = proxy.switch_to(Traffic::none()).expect("there was one");
    let report = within(old.drained(Duration::from_millis(50))).await;
    assert_eq!((report.open_at_start, report.requests_cut), (1, 1));
}

/// Traffic goes back to a release that is still draining: its counts are one, its drains two.
#[tokio::test]
async fn a_release_may_come_back_while_it_drains() {
    let (app, mut connections) = App::by_hand().await;
    let proxy = proxy_to(app.address);
    let mut first = Peer::connect(proxy.local_addr()).await;
    first.send("GET / HTTP/1.1\r\nHost: shop.test\r\n\r\n").await;
    let mut first_up = next(&mut connections).await;
    first_up.head().await;
    let draining = proxy.switch_to(Traffic::none()).expect("there was one");
    assert!(proxy.switch_to(Traffic::to(V1, [app.address])).is_none());
    let mut second = Peer::connect(proxy.local_addr()).await;
    second.send("GET / HTTP/1.1\r\nHost: shop.test\r\n\r\n").await;
    let mut second_up = next(&mut connections).await;
    second_up.head().await;
    assert_eq!(proxy.counts(V1).http, 2);
    draining.cut_now();
    assert_eq!(within(draining.drained(DEADLINE)).await.requests_cut, 1);
    first_up.gone().await;
    second_up.send(ok("second")).await;
    assert_eq!(second.response().await.1, "second");
}

/// Dropping the old release cuts nothing.
#[tokio::test]
async fn dropping_a_drain_cuts_nothing() {
    let (app, mut connections) = App::by_hand().await;
    let proxy = proxy_to(app.address);
    let mut client = Peer::connect(proxy.local_addr()).await;
    client.send("GET / HTTP/1.1\r\nHost: shop.test\r\n\r\n").await;
    let mut upstream = next(&mut connections).await;
    upstream.head().await;
    drop(proxy.switch_to(Traffic::none()));
    assert_eq!(proxy.counts(V1).http, 1);
    upstream.send(ok("one")).await;
    assert_eq!(client.response().await.1, "one");
}
