//! What came of requests: every one of them is counted once, and has its line.

use std::path::Path;
use std::time::Duration;

use nix::sys::stat::Mode;
use rollcore::{
    AccessLogSpec, DrainingProxy, Generation, ProxyOptions, StatusCounts, Traffic, TrafficCounts,
};
use serde_json::Value;

use crate::support::*;

/// Counts follow the last byte of an answer; there is no event to wait for.
async fn traffic_becomes(
    proxy: &DrainingProxy,
    generation: Generation,
    is_so: impl Fn(&TrafficCounts) -> bool,
) -> TrafficCounts {
    let becoming = async {
        loop {
            if let Some(traffic) = proxy.traffic(generation).filter(&is_so) {
                return traffic;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    match tokio::time::timeout(DEADLINE, becoming).await {
        Ok(traffic) => traffic,
        Err(_) => panic!("it stays {:?}", proxy.traffic(generation)),
    }
}

fn statuses(successful: u64, server_error: u64) -> StatusCounts {
    StatusCounts { successful, server_error, ..StatusCounts::default() }
}

/// Clients ask on three workers while traffic goes back and forth between two releases: of each exactly what it answered
/// is counted, also after it has had traffic before.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_answered_is_what_is_counted() {
    const CLIENTS: usize = 6;
    const EACH: usize = 150;
    let (one, two) = (App::saying("one").await, App::saying("two!").await);
    let proxy = DrainingProxy::bind(ProxyOptions { workers: 3, ..options() }).expect("a free port");
    assert!(proxy.switch_to(Traffic::to(V1, [one.address])).is_none());
    let address = proxy.local_addr();
    let asking: Vec<_> = (0..CLIENTS)
        .map(|_| {
            tokio::spawn(async move {
                let mut client = Peer::connect(address).await;
                let mut ones = 0_u64;
                for _ in 0..EACH {
                    client.send("GET / HTTP/1.1\r\nHost: shop.test\r\n\r\n").await;
                    ones += u64::from(client.response().await.1 == "one");
                }
                ones
            })
        })
        .collect();
    let mut asked_of_one = 0;
    let mut to_one = true;
    for asking in asking {
        while !asking.is_finished() {
            to_one = !to_one;
            let traffic =
                if to_one { Traffic::to(V1, [one.address]) } else { Traffic::to(V2, [two.address]) };
            drop(proxy.switch_to(traffic));
            tokio::time::sleep(Duration::from_millis(3)).await;
        }
        asked_of_one += within(asking).await.expect("it asks");
    }
    let asked_of_two = (CLIENTS * EACH) as u64 - asked_of_one;
    assert!(asked_of_one > 0 && asked_of_two > 0, "{asked_of_one} and {asked_of_two}");
    for (generation, asked, length) in [(V1, asked_of_one, 3), (V2, asked_of_two, 4)] {
        let told = traffic_becomes(&proxy, generation, |traffic| traffic.requests() >= asked).await;
        assert_eq!((told.statuses, told.bytes_out), (statuses(asked, 0), asked * length));
        assert_eq!((told.latency.count(), told.clients_gone, told.requests_cut), (asked, 0, 0));
    }
    assert_eq!(proxy.unrouted_traffic().requests(), 0);
}

#[tokio::test]
async fn what_no_release_was_chosen_for_is_counted_apart() {
    let app = App::saying("hello").await;
    let proxy = proxy();
    let mut client = Peer::connect(proxy.local_addr()).await;
    assert!(client.get("/").await.0.starts_with("HTTP/1.1 503 "));
    drop(proxy.switch_to(Traffic::to(V1, [app.address])));
    assert_eq!(client.get("/").await.1, "hello");
    client.send("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n").await;
    assert!(client.head().await.starts_with("HTTP/1.1 400 "));
    let told = traffic_becomes(&proxy, V1, |traffic| traffic.requests() > 0).await;
    assert_eq!(told.statuses, statuses(1, 0));
    within(async {
        while proxy.unrouted_traffic().requests() < 2 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    })
    .await;
    assert_eq!(
        proxy.unrouted_traffic().statuses,
        StatusCounts { client_error: 1, server_error: 1, ..StatusCounts::default() }
    );
}

#[tokio::test]
async fn connections_that_fail_and_break_are_counted_with_their_release() {
    let proxy = proxy_to(nobody().await);
    let mut client = Peer::connect(proxy.local_addr()).await;
    assert!(client.get("/").await.0.starts_with("HTTP/1.1 502 "));
    let told = traffic_becomes(&proxy, V1, |traffic| traffic.requests() > 0).await;
    assert_eq!(told.statuses, statuses(0, 1));
    assert!(told.connect_failures >= 1, "{told:?}");
    assert_eq!((told.resets, told.retries), (0, 0));

    let (app, mut connections) = App::by_hand().await;
    drop(proxy.switch_to(Traffic::to(V2, [app.address])));
    // The connection that was kept is dead when the next request wants it: it is sent again, once.
    client.send("GET /one HTTP/1.1\r\nHost: shop.test\r\n\r\n").await;
    let mut first = next(&mut connections).await;
    first.head().await;
    first.send(ok("one")).await;
    assert_eq!(client.response().await.1, "one");
    client.send("GET /two HTTP/1.1\r\nHost: shop.test\r\n\r\n").await;
    assert!(first.head().await.starts_with("GET /two "));
    first.reset();
    let mut second = next(&mut connections).await;
    assert!(second.head().await.starts_with("GET /two "));
    second.send(ok("two")).await;
    assert_eq!(client.response().await.1, "two");
    let told = traffic_becomes(&proxy, V2, |traffic| traffic.requests() == 2).await;
    assert_eq!((told.statuses, told.resets, told.retries), (statuses(2, 0), 1, 1));

    // In the middle of its answer: nothing can be sent again.
    client.send("GET /three HTTP/1.1\r\nHost: shop.test\r\n\r\n").await;
    second.head().await;
    second.send("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nbro").await;
    client.head().await;
    second.reset();
    client.gone().await;
    let told = traffic_becomes(&proxy, V2, |traffic| traffic.requests() == 3).await;
    assert_eq!((told.statuses, told.resets, told.retries), (statuses(3, 0), 2, 1));
    assert_eq!((told.bytes_out, told.clients_gone), (3 + 3 + 3, 0));
}

#[tokio::test]
async fn tunnels_and_whoever_is_cut_or_leaves_are_counted() {
    const ASK: &str = "GET /ws HTTP/1.1\r\nHost: shop.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
        Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";
    const AGREE: &str =
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
    let (app, mut connections) = App::by_hand().await;
    let proxy = proxy_to(app.address);
    let mut talker = Peer::connect(proxy.local_addr()).await;
    talker.send(ASK).await;
    let mut upstream = next(&mut connections).await;
    upstream.head().await;
    upstream.send(AGREE).await;
    assert!(talker.head().await.starts_with("HTTP/1.1 101 "));
    talker.send("up").await;
    assert_eq!(upstream.exactly(2).await, "up");
    upstream.send("down").await;
    assert_eq!(talker.exactly(4).await, "down");
    let open = traffic_becomes(&proxy, V1, |traffic| traffic.tunnels_opened == 1).await;
    assert_eq!(open.requests(), 0, "it has not ended");

    // Two who ask: one leaves, one is cut.
    let mut leaver = Peer::connect(proxy.local_addr()).await;
    leaver.send("GET /left HTTP/1.1\r\nHost: shop.test\r\n\r\n").await;
    let mut left = next(&mut connections).await;
    left.head().await;
    drop(leaver);
    let told = traffic_becomes(&proxy, V1, |traffic| traffic.requests() == 1).await;
    assert_eq!((told.statuses.none, told.clients_gone), (1, 1));
    let mut waiter = Peer::connect(proxy.local_addr()).await;
    waiter.send("GET /cut HTTP/1.1\r\nHost: shop.test\r\n\r\n").await;
    let mut waited_for = next(&mut connections).await;
    waited_for.head().await;

    let old = proxy.switch_to(Traffic::none()).expect("there was a release");
    let report = within(old.drained(Duration::ZERO)).await;
    assert_eq!((report.requests_cut, report.tunnels_cut + report.tunnels_ended), (1, 1));
    waiter.gone().await;
    let told = traffic_becomes(&proxy, V1, |traffic| traffic.requests() == 3).await;
    assert_eq!((told.requests_cut, told.tunnels_cut), (report.requests_cut, report.tunnels_cut));
    assert_eq!((told.statuses.informational, told.tunnels_opened, told.latency.count()), (1, 1, 0));
    assert!(told.bytes_in >= 2 && told.bytes_out >= 4, "{told:?}");
}

fn logged(spec: AccessLogSpec) -> ProxyOptions {
    ProxyOptions { access_log: Some(spec), ..options() }
}

async fn lines_become(proxy: &DrainingProxy, path: &Path, count: u64) -> Vec<Value> {
    within(async {
        while proxy.access_log().expect("there is one").written < count {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    })
    .await;
    let text = std::fs::read_to_string(path).expect("it is there");
    assert!(!text.chars().any(|c| c.is_control() && c != '\n'), "{text:?}");
    text.lines().map(|line| serde_json::from_str(line).expect("each line is JSON")).collect()
}

#[tokio::test]
async fn a_line_says_what_came_of_its_request() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("access.log");
    let app = App::saying("hello").await;
    let spec = AccessLogSpec { user_agent: true, ..AccessLogSpec::new(&path) };
    let proxy = DrainingProxy::bind(logged(spec)).expect("a free port");
    proxy.name_release(V1, "v1");
    drop(proxy.switch_to(Traffic::to(V1, [app.address])));
    let mut client = Peer::connect(proxy.local_addr()).await;
    client
        .send(
            "GET /cart?token=secret HTTP/1.1\r\nHost: shop.test\r\nUser-Agent: a\u{9b}2J\"\u{202e}b\r\n\
             Authorization: Basic secret\r\nCookie: secret\r\nX-Request-Id: r-7\r\n\r\n",
        )
        .await;
    assert_eq!(client.response().await.1, "hello");
    client.send("BAD\u{1b}[2J / HTTP/1.1\r\n\r\n").await;
    assert!(client.head().await.starts_with("HTTP/1.1 400 "));
    let lines = lines_become(&proxy, &path, 2).await;
    let line = &lines[0];
    assert!(!line.to_string().contains("secret"), "{line}");
    for (key, value) in [
        ("release", "v1"),
        ("peer", "127.0.0.1"),
        ("method", "GET"),
        ("host", "shop.test"),
        ("path", "/cart"),
        ("protocol", "HTTP/1.1"),
        ("requestId", "r-7"),
        ("userAgent", "a\u{9b}2J\"\u{202e}b"),
    ] {
        assert_eq!(line[key], value, "{key}");
    }
    assert_eq!((&line["status"], &line["bytesIn"], &line["bytesOut"]), (&200.into(), &0.into(), &5.into()));
    assert!(line["durationMs"].as_f64() >= line["firstByteMs"].as_f64(), "{line}");
    for absent in ["retries", "resets", "connectFailures", "parkedMs", "tunnel", "ending"] {
        assert!(line.get(absent).is_none(), "{absent}");
    }
    assert_eq!((&lines[1]["status"], lines[1].get("release")), (&400.into(), None));
}

/// The pipe's reader does not read: nobody waits for it, and what has no room is counted.
#[tokio::test]
async fn a_log_that_nobody_reads_keeps_nobody_waiting() {
    const BATCH: usize = 100;
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("pipe");
    nix::unistd::mkfifo(&path, Mode::from_bits_truncate(0o600)).expect("a pipe");
    let _reader = std::fs::OpenOptions::new().read(true).write(true).open(&path).expect("it opens");
    let app = App::saying("hello").await;
    let proxy = DrainingProxy::bind(logged(AccessLogSpec::new(&path))).expect("a free port");
    drop(proxy.switch_to(Traffic::to(V1, [app.address])));
    let mut client = Peer::connect(proxy.local_addr()).await;
    let target = "x".repeat(2000);
    let batch = format!("GET /{target} HTTP/1.1\r\nHost: shop.test\r\n\r\n").repeat(BATCH);
    let mut sent = 0;
    // All of it is answered, whatever has room: the deadline of each answer is the proof.
    while proxy.access_log().expect("there is one").dropped == 0 {
        client.send(&batch).await;
        for _ in 0..BATCH {
            assert_eq!(client.response().await.1, "hello");
        }
        sent += BATCH as u64;
    }
    let log = proxy.access_log().expect("there is one");
    assert!(log.stuck && log.dropped > 0 && log.written < sent, "{log:?} of {sent}");
    let told = traffic_becomes(&proxy, V1, |traffic| traffic.requests() >= sent).await;
    assert_eq!((told.requests(), told.statuses.successful), (sent, sent));

    // Another file, while it is stuck.
    let other = directory.path().join("access.log");
    proxy.log_to(Some(AccessLogSpec::new(&other))).expect("a thread");
    assert_eq!(client.get("/after").await.1, "hello");
    assert_eq!(lines_become(&proxy, &other, 1).await[0]["path"], "/after");
    proxy.log_to(None).expect("nothing to start");
    assert_eq!(client.get("/unheard").await.1, "hello");
    assert_eq!(proxy.access_log(), None);
}
