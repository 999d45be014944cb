//! Every field of `ProxyLimits`, by name: what follows when it is reached.

use std::net::SocketAddr;
use std::time::Duration;

use rollcore::{DrainingProxy, ProxyLimits, ProxyOptions, Traffic, TrustedFronts};
use socket2::{Domain, Socket, Type};
use tokio::io::AsyncWriteExt;
use tokio::sync::mpsc::UnboundedReceiver;

use crate::support::*;

const GET: &str = "GET / HTTP/1.1\r\nHost: shop.test\r\n\r\n";
const ASK: &str = "GET /socket HTTP/1.1\r\nHost: shop.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";
const AGREE: &str = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";

/// Long enough for a limit that is not reached on the way to it, short enough to wait for.
const SHORT: Duration = Duration::from_millis(150);

fn limited(address: SocketAddr, limits: ProxyLimits) -> DrainingProxy {
    let options = ProxyOptions { limits, trusted_fronts: TrustedFronts::none(), ..options() };
    let proxy = DrainingProxy::bind(options).expect("a free port");
    assert!(proxy.switch_to(Traffic::to(V1, [address])).is_none());
    proxy
}

/// A client that has sent `request`, and the application's side of it, which has read the head.
async fn exchange(
    proxy: &DrainingProxy,
    connections: &mut UnboundedReceiver<Peer>,
    request: impl AsRef<[u8]>,
) -> (Peer, Peer) {
    let mut client = Peer::connect(proxy.local_addr()).await;
    client.send(request).await;
    let mut upstream = next(connections).await;
    upstream.head().await;
    (client, upstream)
}

fn status(answer: &str) -> &str {
    answer.split(' ').nth(1).unwrap_or_default()
}

async fn connected(proxy: &DrainingProxy, count: usize) {
    within(async {
        while proxy.admissions().connections != count {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test]
async fn connections_max() {
    let app = App::saying("hello").await;
    let proxy = limited(app.address, ProxyLimits { connections_max: 2, ..ProxyLimits::default() });
    let mut first = Peer::connect(proxy.local_addr()).await;
    let mut second = Peer::connect(proxy.local_addr()).await;
    assert_eq!((first.get("/").await.1, second.get("/").await.1), ("hello".into(), "hello".into()));
    let mut third = Peer::connect(proxy.local_addr()).await;
    third.send(GET).await;
    assert_eq!(second.get("/").await.1, "hello", "who is there is served");
    let admissions = proxy.admissions();
    assert_eq!((admissions.connections, admissions.connections_max), (2, 2), "the third one waits");
    drop(first);
    assert_eq!(third.response().await.1, "hello");
    // It is a limit of now.
    let mut fourth = Peer::connect(proxy.local_addr()).await;
    proxy.set_limits(ProxyLimits { connections_max: 3, ..ProxyLimits::default() });
    assert_eq!(fourth.get("/").await.1, "hello");
    drop((second, third, fourth));
    connected(&proxy, 0).await;
}

/// Whoever has been answered and is idle goes when others wait: well before `idle_timeout`. Whoever waits for his answer,
/// or has not asked yet, stays.
#[tokio::test]
async fn idle_clients_make_room() {
    let (app, mut upstreams) = App::by_hand().await;
    let proxy = limited(app.address, ProxyLimits { connections_max: 3, ..ProxyLimits::default() });
    let mut idle = Peer::connect(proxy.local_addr()).await;
    idle.send(GET).await;
    let mut upstream = next(&mut upstreams).await;
    upstream.head().await;
    upstream.send(ok("first")).await;
    assert_eq!(idle.response().await.1, "first");
    let mut busy = Peer::connect(proxy.local_addr()).await;
    busy.send(GET).await;
    upstream.head().await;
    let mut silent = Peer::connect(proxy.local_addr()).await;
    connected(&proxy, 3).await;

    let mut fourth = Peer::connect(proxy.local_addr()).await;
    idle.gone().await;
    fourth.send(GET).await;
    let mut another = next(&mut upstreams).await;
    another.head().await;
    another.send(ok("fourth")).await;
    assert_eq!(fourth.response().await.1, "fourth");
    upstream.send(ok("second")).await;
    assert_eq!(busy.response().await.1, "second");
    silent.send(GET).await;
    // The one that was used last is used first.
    upstream.head().await;
    upstream.send(ok("third")).await;
    assert_eq!(silent.response().await.1, "third");
}

#[tokio::test]
async fn connections_per_peer_max() {
    let app = App::saying("hello").await;
    let limits = ProxyLimits { connections_per_peer_max: Some(2), ..ProxyLimits::default() };
    let proxy = limited(app.address, limits.clone());
    let mut first = Peer::connect(proxy.local_addr()).await;
    let mut second = Peer::connect(proxy.local_addr()).await;
    assert_eq!((first.get("/").await.1, second.get("/").await.1), ("hello".into(), "hello".into()));
    for refused in 1..=5 {
        let mut more = Peer::connect(proxy.local_addr()).await;
        assert_eq!(more.rest().await.0, "", "closed at once");
        assert_eq!(proxy.admissions().refused_by_peer, refused);
    }
    // Another address has its own count.
    let elsewhere = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    elsewhere.bind(&SocketAddr::from(([127, 0, 0, 2], 0)).into()).expect("all of 127/8 is this machine");
    elsewhere.connect(&proxy.local_addr().into()).expect("it listens");
    elsewhere.set_nonblocking(true).expect("it is a socket");
    let elsewhere = tokio::net::TcpStream::from_std(elsewhere.into()).expect("it is a socket");
    assert_eq!(Peer::new(elsewhere).get("/").await.1, "hello");
    connected(&proxy, 2).await;
    drop(first);
    connected(&proxy, 1).await;
    assert_eq!(Peer::connect(proxy.local_addr()).await.get("/").await.1, "hello");

    // A front brings many clients.
    let front = DrainingProxy::bind(ProxyOptions { limits, ..options() }).expect("a free port");
    let _ = front.switch_to(Traffic::to(V1, [app.address]));
    let mut many = Vec::new();
    for _ in 0..5 {
        let mut peer = Peer::connect(front.local_addr()).await;
        assert_eq!(peer.get("/").await.1, "hello");
        many.push(peer);
    }
    assert_eq!(front.admissions().refused_by_peer, 0);
}

#[tokio::test]
async fn head_timeout() {
    let limits = ProxyLimits { head_timeout: SHORT, ..ProxyLimits::default() };
    let proxy = limited(nobody().await, limits);
    let mut client = Peer::connect(proxy.local_addr()).await;
    client.send("GET / HTTP/1.1\r\nHost: sh").await;
    let (answer, end) = client.rest().await;
    assert_eq!(status(&answer), "408", "{answer}");
    end.expect("it ends well");
    connected(&proxy, 0).await;
}

#[tokio::test]
async fn idle_timeout() {
    let app = App::saying("hello").await;
    let proxy = limited(app.address, ProxyLimits { idle_timeout: SHORT, ..ProxyLimits::default() });
    let mut silent = Peer::connect(proxy.local_addr()).await;
    let mut once = Peer::connect(proxy.local_addr()).await;
    assert_eq!(once.get("/").await.1, "hello");
    for client in [&mut silent, &mut once] {
        let (rest, end) = client.rest().await;
        assert_eq!(rest, "");
        end.expect("it ends well");
    }
    connected(&proxy, 0).await;
}

#[tokio::test]
async fn head_bytes_max() {
    let app = App::start(|mut peer| async move {
        while !peer.head().await.is_empty() {
            peer.send(format!(
                "HTTP/1.1 200 OK\r\nX-Long: {}\r\nContent-Length: 0\r\n\r\n",
                "x".repeat(4096)
            ))
            .await;
        }
    });
    let app = app.await;
    let proxy = limited(app.address, ProxyLimits { head_bytes_max: 2048, ..ProxyLimits::default() });
    let mut client = Peer::connect(proxy.local_addr()).await;
    client.send(format!("GET / HTTP/1.1\r\nHost: shop.test\r\nX-Long: {}\r\n\r\n", "x".repeat(2048))).await;
    assert_eq!(status(&client.rest().await.0), "431");
    let (head, _) = Peer::connect(proxy.local_addr()).await.get("/").await;
    assert_eq!(status(&head), "502", "the answer's head is too large");
}

#[tokio::test]
async fn head_fields_max() {
    let fields = |count: usize| (0..count).map(|n| format!("X-{n}: {n}\r\n")).collect::<String>();
    let app = App::start(move |mut peer| async move {
        loop {
            let head = peer.head().await;
            let count = if head.starts_with("GET /many") { 12 } else { 1 };
            if head.is_empty() {
                return;
            }
            peer.send(format!("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n{}\r\n", fields(count))).await;
        }
    })
    .await;
    let proxy = limited(app.address, ProxyLimits { head_fields_max: 10, ..ProxyLimits::default() });
    let mut client = Peer::connect(proxy.local_addr()).await;
    client.send(format!("GET / HTTP/1.1\r\nHost: shop.test\r\n{}\r\n", fields(9))).await;
    assert_eq!(status(&client.response().await.0), "200", "as many as it may");
    client.send(format!("GET / HTTP/1.1\r\nHost: shop.test\r\n{}\r\n", fields(10))).await;
    assert_eq!(status(&client.rest().await.0), "431");
    let (head, _) = Peer::connect(proxy.local_addr()).await.get("/many").await;
    assert_eq!(status(&head), "502");
}

#[tokio::test]
async fn body_bytes_max() {
    let app = App::start(|mut peer| async move {
        loop {
            let head = peer.head().await;
            let Some(length) = field(&head, "content-length") else { return peer.gone().await };
            peer.exactly(length.parse().expect("a number")).await;
            peer.send(ok("taken")).await;
        }
    })
    .await;
    let proxy = limited(app.address, ProxyLimits { body_bytes_max: Some(10), ..ProxyLimits::default() });
    let mut client = Peer::connect(proxy.local_addr()).await;
    client.send("POST / HTTP/1.1\r\nHost: shop.test\r\nContent-Length: 10\r\n\r\n0123456789").await;
    assert_eq!(client.response().await.1, "taken", "as much as it may");
    client.send("POST / HTTP/1.1\r\nHost: shop.test\r\nContent-Length: 11\r\n\r\n").await;
    assert_eq!(status(&client.rest().await.0), "413", "known before it has come");
    let mut client = Peer::connect(proxy.local_addr()).await;
    client
        .send("POST / HTTP/1.1\r\nHost: shop.test\r\nTransfer-Encoding: chunked\r\n\r\n6\r\n012345\r\n")
        .await;
    client.send("6\r\n012345\r\n").await;
    assert_eq!(status(&client.rest().await.0), "413", "known when it has come");
    counts_become(&proxy, V1, 0, 0).await;
}

#[tokio::test]
async fn client_stall_timeout() {
    let (app, mut connections) = App::by_hand().await;
    let proxy = limited(app.address, ProxyLimits { client_stall_timeout: SHORT, ..ProxyLimits::default() });
    // It sends nothing more of its body.
    let request = "POST / HTTP/1.1\r\nHost: shop.test\r\nContent-Length: 10\r\n\r\n01234";
    let (mut client, mut upstream) = exchange(&proxy, &mut connections, request).await;
    client.gone().await;
    upstream.gone().await;
    // It takes nothing of its answer.
    let (client, mut upstream) = exchange(&proxy, &mut connections, GET).await;
    let head = "HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n";
    upstream.send(head).await;
    let body = vec![b'x'; 1 << 20];
    within(async { while upstream.stream.write_all(&body).await.is_ok() {} }).await;
    counts_become(&proxy, V1, 0, 0).await;
    connected(&proxy, 0).await;
    drop(client);
}

#[tokio::test]
async fn half_close_timeout() {
    let (app, mut connections) = App::by_hand().await;
    let proxy = limited(app.address, ProxyLimits { half_close_timeout: SHORT, ..ProxyLimits::default() });
    let (mut client, mut upstream) = exchange(&proxy, &mut connections, GET).await;
    client.stream.shutdown().await.expect("it is open");
    upstream.gone().await;
    counts_become(&proxy, V1, 0, 0).await;
}

/// Somebody who listens and whose queue is full: whoever else connects gets no answer.
pub(crate) fn deaf() -> (Socket, SocketAddr, Vec<Socket>) {
    let listener = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    listener.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).expect("a free port");
    listener.listen(0).expect("it is bound");
    let address = listener.local_addr().expect("it is bound");
    let queue = (0..8).map(|_| {
        let client = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
        client.set_nonblocking(true).expect("it is a socket");
        let _in_progress = client.connect(&address);
        client
    });
    let queue = queue.collect();
    (listener, address.as_socket().expect("it is of the internet"), queue)
}

#[tokio::test]
async fn upstream_connect_timeout() {
    let (_listener, address, _queue) = deaf();
    let proxy = limited(address, ProxyLimits { upstream_connect_timeout: SHORT, ..ProxyLimits::default() });
    let (head, _) = Peer::connect(proxy.local_addr()).await.get("/").await;
    assert_eq!(status(&head), "502");
}

#[tokio::test]
async fn upstream_first_byte_timeout() {
    let (app, mut connections) = App::by_hand().await;
    let limits = ProxyLimits { upstream_first_byte_timeout: Some(SHORT), ..ProxyLimits::default() };
    let proxy = limited(app.address, limits);
    let (mut client, mut upstream) = exchange(&proxy, &mut connections, GET).await;
    assert_eq!(status(&client.response().await.0), "504");
    upstream.gone().await;
    // An answer that has begun has its time.
    let (mut client, mut upstream) = exchange(&proxy, &mut connections, GET).await;
    upstream.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n").await;
    client.head().await;
    upstream.send("ok").await;
    assert_eq!(client.exactly(2).await, "ok");
}

#[tokio::test]
async fn upstream_silence_timeout() {
    let (app, mut connections) = App::by_hand().await;
    let limits = ProxyLimits { upstream_silence_timeout: Some(SHORT), ..ProxyLimits::default() };
    let proxy = limited(app.address, limits);
    let (mut client, mut upstream) = exchange(&proxy, &mut connections, GET).await;
    upstream.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n01234").await;
    let (answer, _) = client.rest().await;
    assert!(answer.ends_with("\r\n\r\n01234"), "it breaks off: {answer}");
    upstream.gone().await;
    counts_become(&proxy, V1, 0, 0).await;
}

#[tokio::test]
async fn request_timeout() {
    let (app, mut connections) = App::by_hand().await;
    let limits = ProxyLimits { request_timeout: Some(SHORT), ..ProxyLimits::default() };
    let proxy = limited(app.address, limits);
    let (mut client, _upstream) = exchange(&proxy, &mut connections, GET).await;
    assert_eq!(status(&client.response().await.0), "504");
    let (mut client, mut upstream) = exchange(&proxy, &mut connections, GET).await;
    upstream.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n").await;
    client.head().await;
    // It is never silent, and all the same it ends.
    within(async { while upstream.stream.write_all(b"1\r\nx\r\n").await.is_ok() {} }).await;
    let (rest, _) = client.rest().await;
    assert!(!rest.ends_with("0\r\n\r\n"), "it breaks off");
    counts_become(&proxy, V1, 0, 0).await;
    // Tunnels are excepted.
    let (mut client, mut upstream) = exchange(&proxy, &mut connections, ASK).await;
    upstream.send(AGREE).await;
    client.head().await;
    let (mut other, _upstream) = exchange(&proxy, &mut connections, GET).await;
    assert_eq!(status(&other.response().await.0), "504");
    upstream.send("still here").await;
    assert_eq!(client.exactly(10).await, "still here");
}

#[tokio::test]
async fn upstream_idle_timeout() {
    let (app, mut connections) = App::by_hand().await;
    let proxy = limited(app.address, ProxyLimits { upstream_idle_timeout: SHORT, ..ProxyLimits::default() });
    let (mut client, mut upstream) = exchange(&proxy, &mut connections, GET).await;
    upstream.send(ok("")).await;
    client.response().await;
    upstream.gone().await;
    client.send(GET).await;
    next(&mut connections).await.head().await;
}

#[tokio::test]
async fn upstream_idle_max() {
    let (app, mut connections) = App::by_hand().await;
    let proxy = limited(app.address, ProxyLimits { upstream_idle_max: 1, ..ProxyLimits::default() });
    let (mut one, mut kept) = exchange(&proxy, &mut connections, GET).await;
    let (mut two, mut closed) = exchange(&proxy, &mut connections, GET).await;
    kept.send(ok("1")).await;
    one.response().await;
    closed.send(ok("2")).await;
    two.response().await;
    closed.gone().await;
    one.send(GET).await;
    assert!(kept.head().await.starts_with("GET / "), "the first one is used again");
}

#[tokio::test]
async fn tunnel_idle_timeout() {
    let (app, mut connections) = App::by_hand().await;
    let limits = ProxyLimits { tunnel_idle_timeout: Some(SHORT), ..ProxyLimits::default() };
    let proxy = limited(app.address, limits);
    let (mut client, mut upstream) = exchange(&proxy, &mut connections, ASK).await;
    upstream.send(AGREE).await;
    client.head().await;
    client.send("up").await;
    assert_eq!(upstream.exactly(2).await, "up");
    client.gone().await;
    upstream.gone().await;
    counts_become(&proxy, V1, 0, 0).await;
}

#[tokio::test]
async fn tunnel_half_close_timeout() {
    let (app, mut connections) = App::by_hand().await;
    let proxy =
        limited(app.address, ProxyLimits { tunnel_half_close_timeout: SHORT, ..ProxyLimits::default() });
    let (mut client, mut upstream) = exchange(&proxy, &mut connections, ASK).await;
    upstream.send(AGREE).await;
    client.head().await;
    client.stream.shutdown().await.expect("it is open");
    upstream.gone().await;
    client.gone().await;
    counts_become(&proxy, V1, 0, 0).await;
}

/// A request whose kept connection is closed under it is sent again if its body was kept: small enough, that is.
#[tokio::test]
async fn kept_body_bytes_max() {
    for (size, expected) in [(16, "200"), (17, "502")] {
        let (app, mut connections) = App::by_hand().await;
        let proxy = limited(app.address, ProxyLimits { kept_body_bytes_max: 16, ..ProxyLimits::default() });
        let (mut client, mut kept) = exchange(&proxy, &mut connections, GET).await;
        kept.send(ok("")).await;
        client.response().await;
        // It has been good for more than one: now it is trusted with any request.
        client.send(GET).await;
        kept.head().await;
        kept.send(ok("")).await;
        client.response().await;

        let body = "x".repeat(size);
        let request = format!("PUT / HTTP/1.1\r\nHost: shop.test\r\nContent-Length: {size}\r\n\r\n{body}");
        client.send(request).await;
        kept.head().await;
        assert_eq!(kept.exactly(size).await, body);
        drop(kept);
        if expected == "200" {
            let mut again = next(&mut connections).await;
            again.head().await;
            assert_eq!(again.exactly(size).await, body);
            again.send(ok("")).await;
        }
        assert_eq!(status(&client.response().await.0), expected, "{size} bytes");
    }
}

fn paused(limits: ProxyLimits) -> DrainingProxy {
    let proxy = limited(SocketAddr::from(([127, 0, 0, 1], 1)), limits);
    proxy.pause();
    proxy
}

#[tokio::test]
async fn park_timeout() {
    let proxy = paused(ProxyLimits { park_timeout: SHORT, ..ProxyLimits::default() });
    let (head, _) = Peer::connect(proxy.local_addr()).await.get("/").await;
    assert_eq!(status(&head), "503");
}

#[tokio::test]
async fn parked_max() {
    let proxy = paused(ProxyLimits { parked_max: 1, ..ProxyLimits::default() });
    let (mut one, mut other) =
        (Peer::connect(proxy.local_addr()).await, Peer::connect(proxy.local_addr()).await);
    one.send(GET).await;
    other.send(GET).await;
    // One of them waits, the other one is answered at once.
    let refused = within(async {
        tokio::select! {
            answer = one.response() => answer,
            answer = other.response() => answer,
        }
    });
    assert_eq!(status(&refused.await.0), "503");
}

#[tokio::test]
async fn parked_bytes_max() {
    let proxy = paused(ProxyLimits { parked_bytes_max: 10, ..ProxyLimits::default() });
    let (head, _) = Peer::connect(proxy.local_addr()).await.get("/").await;
    assert_eq!(status(&head), "503", "its head alone is more");
}
