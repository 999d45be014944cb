//! Clients that cost as much as they can: a thousand of them slow nobody but themselves. In a process of its own, because
//! they need descriptors.

#[expect(dead_code, reason = "what nobody reads is for the other tests")]
#[path = "proxy/support.rs"]
mod support;

use std::net::SocketAddr;
use std::time::Duration;

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use rollcore::{DrainingProxy, ProxyLimits, ProxyOptions, Traffic};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::Mutex;

use support::*;

const HOSTILE: usize = 1_000;
/// Each has a client's end, two of the proxy's and the application's, all of them here.
const DESCRIPTORS: u64 = 4 * HOSTILE as u64 + 512;
/// How many bytes the answer has that nobody reads: more than the buffers of all sockets on its way.
const BIG: usize = 1 << 20;
/// What a client may make the proxy hold: a few buffers, never the whole answer.
const BYTES_PER_CLIENT_MAX: usize = 160 * 1024;

/// What the proxy says about the application.
static FAILURES: std::sync::Mutex<Vec<String>> = std::sync::Mutex::new(Vec::new());

/// One story at a time: each looks at what the whole process holds.
static ALONE: Mutex<()> = Mutex::const_new(());

async fn app() -> App {
    App::start(|mut peer| async move {
        loop {
            let head = peer.head().await;
            if head.is_empty() {
                return;
            }
            let written = match head.starts_with("GET /big ") {
                true => big(&mut peer.stream).await,
                false => peer.stream.write_all(ok("hello").as_bytes()).await,
            };
            if written.is_err() {
                return;
            }
        }
    })
    .await
}

async fn big(stream: &mut TcpStream) -> std::io::Result<()> {
    static BODY: [u8; BIG] = [b'x'; BIG];
    socket2::SockRef::from(&*stream).set_send_buffer_size(SOCKET_BUFFER_BYTES as usize)?;
    stream.write_all(format!("HTTP/1.1 200 OK\r\nContent-Length: {BIG}\r\n\r\n").as_bytes()).await?;
    stream.write_all(&BODY).await
}

fn proxy(app: &App, limits: ProxyLimits) -> DrainingProxy {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).expect("there is a limit");
    assert!(hard >= DESCRIPTORS, "this test needs {DESCRIPTORS} descriptors (ulimit -Hn)");
    setrlimit(Resource::RLIMIT_NOFILE, soft.max(DESCRIPTORS), hard).expect("it is not above the hard limit");
    let options = ProxyOptions { limits, ..options() };
    let options =
        options.on_error(|error| FAILURES.lock().expect("nobody panics with it").push(error.to_string()));
    let proxy = DrainingProxy::bind(options).expect("a free port");
    assert!(proxy.admissions().connections_max > HOSTILE + 100);
    let _ = proxy.switch_to(Traffic::to(V1, [app.address]));
    proxy
}

/// The less the system keeps for a connection, the sooner it is the proxy that has to; and a thousand times much is more
/// than the system has.
const SOCKET_BUFFER_BYTES: u32 = 16 * 1024;

async fn crowd(address: SocketAddr) -> Vec<TcpStream> {
    let mut crowd = Vec::with_capacity(HOSTILE);
    for _ in 0..HOSTILE {
        let socket = TcpSocket::new_v4().expect("there are descriptors");
        socket.set_recv_buffer_size(SOCKET_BUFFER_BYTES).expect("it is a socket");
        crowd.push(within(socket.connect(address)).await.expect("it listens"));
    }
    crowd
}

/// Somebody who behaves: on one connection, and on a new one each time.
async fn others_are_served(proxy: &DrainingProxy) {
    let mut kept = Peer::connect(proxy.local_addr()).await;
    let failures = || FAILURES.lock().expect("nobody panics with it").clone();
    for _ in 0..100 {
        assert_eq!(kept.get("/").await.1, "hello", "{:?}", failures());
    }
    for _ in 0..100 {
        let mut new = Peer::connect(proxy.local_addr()).await;
        assert_eq!(new.get("/").await.1, "hello", "{:?}", failures());
    }
}

async fn connections_become(proxy: &DrainingProxy, count: usize) {
    within(async {
        while proxy.admissions().connections != count {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

/// What this process holds in memory, in bytes (`VmRSS`, proc_pid_status(5)).
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").expect("there is a /proc");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("it is always there");
    let kib: usize = line.trim().trim_end_matches(" kB").parse().expect("a number");
    kib * 1024
}

fn assert_bounded(before: usize) {
    let grown = resident().saturating_sub(before);
    assert!(grown < HOSTILE * BYTES_PER_CLIENT_MAX, "{} KiB for each of them", grown / HOSTILE / 1024);
}

/// They have asked once, at length, and are idle. A buffer takes 16 KiB, and who is idle has none.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_idle_clients() {
    const IDLE_BYTES_MAX: usize = 6 * 1024;
    let _alone = ALONE.lock().await;
    let app = app().await;
    let proxy = proxy(&app, ProxyLimits::default());
    others_are_served(&proxy).await;
    let before = resident();
    let long = format!("GET / HTTP/1.1\r\nHost: shop.test\r\nX-Long: {}\r\n\r\n", "x".repeat(12_000));
    let mut idle = Vec::with_capacity(HOSTILE);
    for _ in 0..HOSTILE {
        let mut client = Peer::connect(proxy.local_addr()).await;
        client.send(&long).await;
        assert_eq!(client.response().await.1, "hello");
        idle.push(client.stream);
    }
    connections_become(&proxy, HOSTILE).await;
    let each = resident().saturating_sub(before) / HOSTILE;
    assert!(each < IDLE_BYTES_MAX, "{each} bytes for each of them");
}

/// They send their heads one byte at a time, and never come to an end; each of them gets a 408.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_slow_heads() {
    let _alone = ALONE.lock().await;
    let app = app().await;
    let proxy = proxy(&app, ProxyLimits { head_timeout: Duration::from_secs(3), ..ProxyLimits::default() });
    let before = resident();
    let mut slow = crowd(proxy.local_addr()).await;
    connections_become(&proxy, HOSTILE).await;
    let head = b"GET / HTTP/1.1\r\nHost: shop.test\r\nX-Slow: ";
    for byte in head {
        for client in &mut slow {
            client.write_all(&[*byte]).await.expect("its head may take longer than this");
        }
    }
    others_are_served(&proxy).await;
    assert_bounded(before);
    for mut client in slow {
        let mut answer = String::new();
        // One more byte each, until they are told.
        let _told_already = client.write_all(b"x").await;
        let read = within(client.read_to_string(&mut answer)).await;
        assert!(answer.starts_with("HTTP/1.1 408 "), "{read:?} {answer}");
    }
    connections_become(&proxy, 0).await;
    let counts = proxy.counts(V1);
    assert_eq!((counts.http, counts.websocket), (0, 0));
    assert_eq!(Peer::connect(proxy.local_addr()).await.get("/").await.1, "hello");
}

/// They ask for a long answer and never read it; their connections are closed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_who_never_read() {
    let _alone = ALONE.lock().await;
    let app = app().await;
    let limits = ProxyLimits { client_stall_timeout: Duration::from_secs(3), ..ProxyLimits::default() };
    let proxy = proxy(&app, limits);
    let before = resident();
    let mut deaf = crowd(proxy.local_addr()).await;
    for client in &mut deaf {
        client.write_all(b"GET /big HTTP/1.1\r\nHost: shop.test\r\n\r\n").await.expect("it is open");
    }
    others_are_served(&proxy).await;
    assert_bounded(before);
    counts_become(&proxy, V1, 0, 0).await;
    // Those whose answer fits into the buffers of the system are idle clients by now; the others are gone.
    drop(deaf);
    connections_become(&proxy, 0).await;
    assert_eq!(Peer::connect(proxy.local_addr()).await.get("/").await.1, "hello");
}
