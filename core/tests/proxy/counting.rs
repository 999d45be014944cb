//! What came of requests: every one of them is counted once, and has its line.

use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::sys::stat::Mode;
use rollcore::{
    AccessLogSpec, DrainingProxy, Generation, ProxyOptions, StatusCounts, Traffic, TrafficCounts,
};
use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::unix::pipe;
use tokio::sync::mpsc;

use crate::support::*;

/// The lines of an access log as they are written. A request is counted before it has its line, and an answer may be read
/// before that: so each line is the event to wait for.
struct Lines {
    directory: TempDir,
    pipe: BufReader<pipe::Receiver>,
}

impl Lines {
    fn new() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let path = make_pipe(directory.path());
        // As a writer, too, so that it has no end between two who write.
        let pipe = pipe::OpenOptions::new().read_write(true).open_receiver(path).expect("it opens");
        Self { directory, pipe: BufReader::new(pipe) }
    }

    fn spec(&self) -> AccessLogSpec {
        AccessLogSpec::new(self.directory.path().join(PIPE))
    }

    async fn next(&mut self) -> Value {
        let mut line = String::new();
        within(self.pipe.read_line(&mut line)).await.expect("it is a pipe");
        assert!(!line.trim_end_matches('\n').chars().any(char::is_control), "{line:?}");
        serde_json::from_str(&line).expect("each line is JSON")
    }

    /// So many requests have ended, and are counted.
    async fn ended(&mut self, count: usize) {
        for _ in 0..count {
            self.next().await;
        }
    }
}

const PIPE: &str = "access.pipe";

fn make_pipe(directory: &Path) -> PathBuf {
    let path = directory.join(PIPE);
    nix::unistd::mkfifo(&path, Mode::from_bits_truncate(0o600)).expect("a pipe");
    path
}

/// A proxy whose requests have their lines.
fn told(options: ProxyOptions) -> (DrainingProxy, Lines) {
    let lines = Lines::new();
    let proxy = DrainingProxy::bind(ProxyOptions { access_log: Some(lines.spec()), ..options });
    (proxy.expect("a free port"), lines)
}

fn traffic(proxy: &DrainingProxy, generation: Generation) -> TrafficCounts {
    proxy.traffic(generation).expect("it has had traffic")
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
    /// After how many answers traffic goes to the other one.
    const TURN: usize = 20;
    let (one, two) = (App::saying("one").await, App::saying("two!").await);
    let (proxy, mut lines) = told(ProxyOptions { workers: 3, ..options() });
    assert!(proxy.switch_to(Traffic::to(V1, [one.address])).is_none());
    let address = proxy.local_addr();
    // Has no room, so that nobody is far ahead of the switches.
    let (tell, mut answered) = mpsc::channel(1);
    for _ in 0..CLIENTS {
        let tell = tell.clone();
        tokio::spawn(async move {
            let mut client = Peer::connect(address).await;
            for _ in 0..EACH {
                client.send("GET / HTTP/1.1\r\nHost: shop.test\r\n\r\n").await;
                tell.send(client.response().await.1 == "one").await.expect("somebody counts");
            }
        });
    }
    let mut asked_of_one = 0;
    for turn in 1..=CLIENTS * EACH {
        asked_of_one += u64::from(within(answered.recv()).await.expect("they ask"));
        if turn % TURN == 0 {
            let is_even = (turn / TURN).is_multiple_of(2);
            let (generation, app) = if is_even { (V1, &one) } else { (V2, &two) };
            drop(proxy.switch_to(Traffic::to(generation, [app.address])));
        }
    }
    lines.ended(CLIENTS * EACH).await;
    let asked_of_two = (CLIENTS * EACH) as u64 - asked_of_one;
    assert!(asked_of_one > 0 && asked_of_two > 0, "{asked_of_one} and {asked_of_two}");
    for (generation, asked, length) in [(V1, asked_of_one, 3), (V2, asked_of_two, 4)] {
        let told = traffic(&proxy, generation);
        assert_eq!((told.statuses, told.bytes_out), (statuses(asked, 0), asked * length));
        assert_eq!((told.latency.count(), told.clients_gone, told.requests_cut), (asked, 0, 0));
    }
    assert_eq!(proxy.unrouted_traffic().requests(), 0);
}

#[tokio::test]
async fn what_no_release_was_chosen_for_is_counted_apart() {
    let app = App::saying("hello").await;
    let (proxy, mut lines) = told(options());
    let mut client = Peer::connect(proxy.local_addr()).await;
    assert!(client.get("/").await.0.starts_with("HTTP/1.1 503 "));
    drop(proxy.switch_to(Traffic::to(V1, [app.address])));
    assert_eq!(client.get("/").await.1, "hello");
    client.send("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n").await;
    assert!(client.head().await.starts_with("HTTP/1.1 400 "));
    lines.ended(3).await;
    assert_eq!(traffic(&proxy, V1).statuses, statuses(1, 0));
    assert_eq!(
        proxy.unrouted_traffic().statuses,
        StatusCounts { client_error: 1, server_error: 1, ..StatusCounts::default() }
    );
}

#[tokio::test]
async fn connections_that_fail_and_break_are_counted_with_their_release() {
    let (proxy, mut lines) = told(options());
    drop(proxy.switch_to(Traffic::to(V1, [nobody().await])));
    let mut client = Peer::connect(proxy.local_addr()).await;
    assert!(client.get("/").await.0.starts_with("HTTP/1.1 502 "));
    lines.ended(1).await;
    let told = traffic(&proxy, V1);
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
    lines.ended(2).await;
    let told = traffic(&proxy, V2);
    assert_eq!((told.statuses, told.resets, told.retries), (statuses(2, 0), 1, 1));

    // In the middle of its answer: nothing can be sent again.
    client.send("GET /three HTTP/1.1\r\nHost: shop.test\r\n\r\n").await;
    second.head().await;
    second.send("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nbro").await;
    client.head().await;
    second.reset();
    client.gone().await;
    lines.ended(1).await;
    let told = traffic(&proxy, V2);
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
    let (proxy, mut lines) = told(options());
    drop(proxy.switch_to(Traffic::to(V1, [app.address])));
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
    let open = traffic(&proxy, V1);
    assert_eq!((open.tunnels_opened, open.requests()), (1, 0), "it has not ended");

    // Two who ask: one leaves, one is cut.
    let mut leaver = Peer::connect(proxy.local_addr()).await;
    leaver.send("GET /left HTTP/1.1\r\nHost: shop.test\r\n\r\n").await;
    let mut left = next(&mut connections).await;
    left.head().await;
    drop(leaver);
    lines.ended(1).await;
    let told = traffic(&proxy, V1);
    assert_eq!((told.statuses.none, told.clients_gone), (1, 1));
    let mut waiter = Peer::connect(proxy.local_addr()).await;
    waiter.send("GET /cut HTTP/1.1\r\nHost: shop.test\r\n\r\n").await;
    let mut waited_for = next(&mut connections).await;
    waited_for.head().await;

    let old = proxy.switch_to(Traffic::none()).expect("there was a release");
    let report = within(old.drained(Duration::ZERO)).await;
    assert_eq!((report.requests_cut, report.tunnels_cut + report.tunnels_ended), (1, 1));
    waiter.gone().await;
    lines.ended(2).await;
    let told = traffic(&proxy, V1);
    assert_eq!((told.requests_cut, told.tunnels_cut), (report.requests_cut, report.tunnels_cut));
    assert_eq!((told.statuses.informational, told.tunnels_opened, told.latency.count()), (1, 1, 0));
    assert!(told.bytes_in >= 2 && told.bytes_out >= 4, "{told:?}");
}

#[tokio::test]
async fn a_line_says_what_came_of_its_request() {
    let app = App::saying("hello").await;
    let mut lines = Lines::new();
    let access_log = Some(AccessLogSpec { user_agent: true, ..lines.spec() });
    let proxy = DrainingProxy::bind(ProxyOptions { access_log, ..options() }).expect("a free port");
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
    let line = lines.next().await;
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
    let line = lines.next().await;
    assert_eq!((&line["status"], line.get("release")), (&400.into(), None));
}

/// The pipe's reader does not read: nobody waits for it, and what has no room is counted.
#[tokio::test]
async fn a_log_that_nobody_reads_keeps_nobody_waiting() {
    const BATCH: usize = 100;
    let directory = tempfile::tempdir().expect("a directory");
    let path = make_pipe(directory.path());
    let _reader = std::fs::OpenOptions::new().read(true).write(true).open(&path).expect("it opens");
    let app = App::saying("hello").await;
    let access_log = Some(AccessLogSpec::new(&path));
    let proxy = DrainingProxy::bind(ProxyOptions { access_log, ..options() }).expect("a free port");
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

    // Another one, while it is stuck.
    let mut lines = Lines::new();
    proxy.log_to(Some(lines.spec())).expect("a thread");
    assert_eq!(client.get("/after").await.1, "hello");
    let mut line = lines.next().await;
    if line["path"] != "/after" {
        // Of the last request before, whose answer was there sooner than its line.
        line = lines.next().await;
    }
    assert_eq!(line["path"], "/after");
    // Whatever came before on the same connection is counted before it.
    assert_eq!(traffic(&proxy, V1).statuses, statuses(sent + 1, 0));
    proxy.log_to(None).expect("nothing to start");
    assert_eq!(client.get("/unheard").await.1, "hello");
    assert_eq!(proxy.access_log(), None);
}
