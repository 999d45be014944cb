//! The PROXY protocol: a front says who its client is, and nobody else does.

use std::time::Duration;

use rollcore::{DrainingProxy, ProxyLimits, ProxyOptions, Traffic, TrustedFronts};

use super::support::{App, Peer, V1, field, next, options, within};

fn proxy(options: ProxyOptions, app: &App) -> DrainingProxy {
    let proxy = DrainingProxy::bind(ProxyOptions { proxy_protocol: true, ..options }).expect("a free port");
    proxy.switch_to(Traffic::to(V1, [app.address]));
    proxy
}

const V2_LOCAL: &[u8] = b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0";
const V2_CLIENT: &[u8] = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xc0\0\x02\x07\xc6\x33\x64\x01\xc8\x22\x01\xbb";
const V1_CLIENT: &[u8] = b"PROXY TCP4 203.0.113.7 198.51.100.1 51234 443\r\n";

#[tokio::test]
async fn the_client_is_who_the_front_says() {
    let (app, mut peers) = App::by_hand().await;
    let proxy = proxy(options(), &app);
    for (introduction, client) in [
        (V1_CLIENT, "203.0.113.7"),
        (b"PROXY TCP6 2001:db8::7 2001:db8::1 1 443\r\n", "2001:db8::7"),
        (b"PROXY UNKNOWN\r\n", "127.0.0.1"),
        (V2_CLIENT, "192.0.2.7"),
        (V2_LOCAL, "127.0.0.1"),
    ] {
        let mut front = Peer::connect(proxy.local_addr()).await;
        let request = b"GET / HTTP/1.1\r\nHost: shop.test\r\nX-Forwarded-For: 9.9.9.9\r\n\r\n";
        front.send([introduction, request].concat()).await;
        let mut peer = next(&mut peers).await;
        let head = peer.head().await;
        // What a client says of itself counts only if it is a front, too: the one that was named is not.
        let expected = if client == "127.0.0.1" { "9.9.9.9,127.0.0.1" } else { client };
        assert_eq!(field(&head, "x-forwarded-for").as_deref(), Some(expected), "{head}");
    }
}

/// TCP cuts where it likes; not a byte of the request behind it is lost.
#[tokio::test]
async fn an_introduction_may_come_byte_by_byte() {
    let app = App::saying("hello").await;
    let proxy = proxy(options(), &app);
    for introduction in [V1_CLIENT, V2_CLIENT] {
        let mut front = Peer::connect(proxy.local_addr()).await;
        for byte in introduction {
            front.send([*byte]).await;
            tokio::task::yield_now().await;
        }
        for _ in 0..3 {
            assert_eq!(front.get("/").await.1, "hello");
        }
    }
}

#[tokio::test]
async fn who_is_no_front_is_not_believed_and_not_served() {
    let app = App::saying("hello").await;
    let proxy = proxy(ProxyOptions { trusted_fronts: TrustedFronts::none(), ..options() }, &app);
    for begin in [V1_CLIENT, V2_CLIENT, b""] {
        let mut stranger = Peer::connect(proxy.local_addr()).await;
        stranger.send([begin, b"GET / HTTP/1.1\r\nHost: shop.test\r\n\r\n"].concat()).await;
        stranger.gone().await;
    }
    assert_eq!(app.connections(), 0);
}

#[tokio::test]
async fn who_says_nothing_sensible_is_not_served() {
    let app = App::saying("hello").await;
    let limits = ProxyLimits { head_timeout: Duration::from_millis(200), ..ProxyLimits::default() };
    let proxy = proxy(ProxyOptions { limits, ..options() }, &app);
    for begin in [
        &b"GET / HTTP/1.1\r\nHost: shop.test\r\n\r\n"[..],
        b"PROXY TCP4 203.0.113.7\r\n",
        b"\r\n\r\n\0\r\nQUIT\n\x31\x11\0\x0c",
        b"\x16\x03\x01",
        // Nothing more follows: these take too long.
        b"PROXY TCP4 203.0",
        b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xc0",
        b"",
    ] {
        let mut front = Peer::connect(proxy.local_addr()).await;
        front.send(begin).await;
        front.gone().await;
    }
    let mut gone = Peer::connect(proxy.local_addr()).await;
    gone.send("PROXY").await;
    gone.reset();
    assert_eq!(app.connections(), 0);
    let mut front = Peer::connect(proxy.local_addr()).await;
    front.send(V1_CLIENT).await;
    assert_eq!(front.get("/").await.1, "hello");
}

/// Behind a front everybody comes from one address; the limit is of those it names.
#[tokio::test]
async fn the_limit_per_client_holds_for_whom_the_front_names() {
    let app = App::saying("hello").await;
    let limits = ProxyLimits { connections_per_peer_max: Some(1), ..ProxyLimits::default() };
    let proxy = proxy(ProxyOptions { limits, ..options() }, &app);
    let mut first = Peer::connect(proxy.local_addr()).await;
    first.send(V1_CLIENT).await;
    assert_eq!(first.get("/").await.1, "hello");
    let mut second = Peer::connect(proxy.local_addr()).await;
    second.send(V1_CLIENT).await;
    second.gone().await;
    let mut other = Peer::connect(proxy.local_addr()).await;
    other.send(V2_CLIENT).await;
    assert_eq!(other.get("/").await.1, "hello");
    assert_eq!(first.get("/").await.1, "hello");
}

#[tokio::test]
async fn closing_does_not_wait_for_an_introduction() {
    let app = App::saying("hello").await;
    let proxy = proxy(options(), &app);
    let mut front = Peer::connect(proxy.local_addr()).await;
    front.send("PROXY").await;
    let report = within(proxy.close(Duration::from_secs(10))).await;
    assert!(report.took < Duration::from_secs(5), "{report:?}");
    front.gone().await;
}

/// A front that passes TLS through says who it is for before the handshake.
#[cfg(feature = "tls")]
#[tokio::test]
async fn the_introduction_comes_before_the_handshake() {
    let (app, mut peers) = App::by_hand().await;
    let mut shop = super::secured::Shop::new();
    let proxy = proxy(shop.options(), &app);
    let mut front = tokio::net::TcpStream::connect(proxy.local_addr()).await.expect("it listens");
    tokio::io::AsyncWriteExt::write_all(&mut front, V1_CLIENT).await.expect("it reads");
    let mut client = shop.secure(front, "shop.test", &[]).await.expect("a handshake");
    let request = b"GET / HTTP/1.1\r\nHost: shop.test\r\n\r\n";
    tokio::io::AsyncWriteExt::write_all(&mut client, request).await.expect("it reads");
    let head = next(&mut peers).await.head().await;
    assert_eq!(field(&head, "x-forwarded-for").as_deref(), Some("203.0.113.7"), "{head}");
    assert_eq!(field(&head, "x-forwarded-proto").as_deref(), Some("https"), "{head}");
}
