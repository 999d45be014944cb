//! WebSockets (compat C-101..C-104).

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use rollcore::{DrainingProxy, ProxyLimits, ProxyOptions, Traffic};
use tokio::io::AsyncWriteExt;
use tokio_tungstenite::tungstenite::Message;

use crate::support::*;

const ASK: &str = "GET /socket HTTP/1.1\r\nHost: shop.test:81\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";
const AGREE: &str =
    "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nX-Own: 1\r\n\r\n";

/// C-101, C-105.
#[tokio::test]
async fn a_real_websocket_works() {
    let app = App::start(|peer| async move {
        let mut socket = tokio_tungstenite::accept_async(peer.stream).await.expect("a WebSocket");
        while let Some(Ok(message)) = socket.next().await {
            if message.is_text() || message.is_binary() {
                socket.send(message).await.expect("the client is there");
            }
        }
    })
    .await;
    let proxy = proxy_to(app.address);
    let url = format!("ws://{}/socket", proxy.local_addr());
    let (mut socket, _) = within(tokio_tungstenite::connect_async(url)).await.expect("a WebSocket");
    assert_eq!(proxy.counts(V1).websocket, 1);
    assert_eq!(proxy.counts(V1).http, 0);
    for size in [0, 1, 125, 126, 70_000] {
        socket.send(Message::text("x".repeat(size))).await.expect("it is open");
        let echo = within(socket.next()).await.expect("it is open").expect("a message");
        assert_eq!(echo.len(), size);
    }
    socket.close(None).await.expect("it is open");
    while within(socket.next()).await.is_some() {}
    drop(socket);
    counts_become(&proxy, V1, 0, 0).await;
}

/// C-101, C-102; and the bytes that come together with the heads.
#[tokio::test]
async fn heads_pass_and_early_bytes_are_not_lost() {
    let (app, mut connections) = App::by_hand().await;
    let proxy = proxy_to(app.address);
    let mut client = Peer::connect(proxy.local_addr()).await;
    client.send(format!("{ASK}early up")).await;
    let mut upstream = next(&mut connections).await;
    let head = upstream.head().await;
    assert!(head.starts_with("GET /socket HTTP/1.1\r\n"), "{head}");
    assert_eq!(field(&head, "connection").as_deref(), Some("Upgrade"));
    assert_eq!(field(&head, "upgrade").as_deref(), Some("websocket"));
    assert_eq!(field(&head, "sec-websocket-version").as_deref(), Some("13"));
    assert_eq!(field(&head, "x-forwarded-for").as_deref(), Some("127.0.0.1"));
    assert_eq!(field(&head, "x-forwarded-port").as_deref(), Some("81"));
    assert_eq!(field(&head, "x-forwarded-proto").as_deref(), Some("ws"));
    assert_eq!(field(&head, "x-forwarded-host"), None);
    upstream.send(format!("{AGREE}early down")).await;
    let head = client.head().await;
    assert!(head.starts_with("HTTP/1.1 101 Switching Protocols\r\n"), "{head}");
    assert_eq!(field(&head, "upgrade").as_deref(), Some("websocket"));
    assert_eq!(field(&head, "x-own").as_deref(), Some("1"));
    assert_eq!(client.exactly(10).await, "early down");
    assert_eq!(upstream.exactly(8).await, "early up");
}

/// Another protocol than WebSocket, if it is allowed by name; and what is not in the list is not asked for.
#[tokio::test]
async fn the_list_says_what_may_be_upgraded_to() {
    let (app, mut connections) = App::by_hand().await;
    let upgrades = vec!["irc".to_owned()];
    let proxy = DrainingProxy::bind(ProxyOptions { upgrades, ..options() }).expect("a free port");
    assert!(proxy.switch_to(Traffic::to(V1, [app.address])).is_none());
    let mut client = Peer::connect(proxy.local_addr()).await;
    client.send("GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: IRC\r\n\r\n").await;
    let mut upstream = next(&mut connections).await;
    assert_eq!(field(&upstream.head().await, "upgrade").as_deref(), Some("IRC"));
    upstream.send("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: irc\r\n\r\n").await;
    assert!(client.head().await.starts_with("HTTP/1.1 101 "));
    client.send("NICK a\r\n").await;
    assert_eq!(upstream.exactly(8).await, "NICK a\r\n");
    counts_become(&proxy, V1, 0, 1).await;

    let mut other = Peer::connect(proxy.local_addr()).await;
    other.send(ASK).await;
    let mut upstream = next(&mut connections).await;
    assert_eq!(field(&upstream.head().await, "upgrade"), None);
    upstream.send(ok("no")).await;
    assert_eq!(other.response().await.1, "no");
}

/// One side ends; the other may still finish.
#[tokio::test]
async fn sides_end_one_after_the_other() {
    let (app, mut connections) = App::by_hand().await;
    let proxy = proxy_to(app.address);
    let mut client = Peer::connect(proxy.local_addr()).await;
    client.send(ASK).await;
    let mut upstream = next(&mut connections).await;
    upstream.head().await;
    upstream.send(AGREE).await;
    client.head().await;
    counts_become(&proxy, V1, 0, 1).await;
    client.send("bye").await;
    client.stream.shutdown().await.expect("it is open");
    let (said, end) = upstream.rest().await;
    assert_eq!(said, "bye");
    end.expect("it ends well");
    assert_eq!(proxy.counts(V1).websocket, 1, "one side is still open");
    upstream.send("bye too").await;
    drop(upstream);
    let (said, end) = client.rest().await;
    assert_eq!(said, "bye too");
    end.expect("it ends well");
    counts_become(&proxy, V1, 0, 0).await;
}

/// The application has closed, the client does nothing about it: the tunnel ends without it.
#[tokio::test]
async fn a_tunnel_with_one_end_is_closed_when_nothing_passes() {
    let (app, mut connections) = App::by_hand().await;
    let tunnel_half_close_timeout = Duration::from_millis(50);
    let options = ProxyOptions {
        limits: ProxyLimits { tunnel_half_close_timeout, ..ProxyLimits::default() },
        ..options()
    };
    let proxy = DrainingProxy::bind(options).expect("a free port");
    let _ = proxy.switch_to(Traffic::to(V1, [app.address]));
    let mut client = Peer::connect(proxy.local_addr()).await;
    client.send(ASK).await;
    let mut upstream = next(&mut connections).await;
    upstream.head().await;
    upstream.send(AGREE).await;
    client.head().await;
    drop(upstream);
    counts_become(&proxy, V1, 0, 0).await;
    client.gone().await;
}

/// C-101: an application that does not agree is heard, and the connection closed.
#[tokio::test]
async fn a_refusal_is_relayed() {
    let app = App::start(|mut peer| async move {
        peer.head().await;
        peer.send("HTTP/1.1 403 Forbidden\r\nX-Why: rights\r\nContent-Length: 2\r\n\r\nno").await;
        peer.gone().await;
    })
    .await;
    let proxy = proxy_to(app.address);
    let mut client = Peer::connect(proxy.local_addr()).await;
    client.send(ASK).await;
    let (answer, _) = client.rest().await;
    assert!(answer.starts_with("HTTP/1.1 403 Forbidden\r\n") && answer.ends_with("\r\n\r\nno"), "{answer}");
    assert_eq!(field(&answer, "x-why").as_deref(), Some("rights"));
    counts_become(&proxy, V1, 0, 0).await;
}

/// C-103.
#[tokio::test]
async fn without_a_release_or_an_application_the_connection_closes() {
    let proxy = proxy();
    let mut client = Peer::connect(proxy.local_addr()).await;
    client.send(ASK).await;
    assert_eq!(client.rest().await.0, "HTTP/1.1 503 Service Unavailable\r\n\r\n");

    let address = nobody().await;
    let (proxy, mut errors) = observed(address);
    let mut client = Peer::connect(proxy.local_addr()).await;
    client.send(ASK).await;
    assert_eq!(client.rest().await.0, "");
    assert_eq!(next(&mut errors).await, (format!("connect ECONNREFUSED {address}"), false));
}

/// Only what was asked for, and only after the application has agreed to it: no way around the proxy.
#[tokio::test]
async fn an_odd_agreement_opens_nothing() {
    for answer in ["HTTP/1.1 101 Sure\r\n\r\n", "HTTP/1.1 101 Sure\r\nUpgrade: h2c\r\n\r\n"] {
        let (app, mut connections) = App::by_hand().await;
        let (proxy, mut errors) = observed(app.address);
        let mut client = Peer::connect(proxy.local_addr()).await;
        client.send(ASK).await;
        let mut upstream = next(&mut connections).await;
        upstream.head().await;
        upstream.send(answer).await;
        assert_eq!(client.rest().await.0, "");
        upstream.gone().await;
        assert_eq!(next(&mut errors).await.0, "101 without Upgrade: websocket");
        counts_become(&proxy, V1, 0, 0).await;
    }
}

/// A client that vanishes in the middle of an upgrade or of a tunnel harms nobody else.
#[tokio::test]
async fn a_reset_harms_nobody_else() {
    let (app, mut connections) = App::by_hand().await;
    let proxy = proxy_to(app.address);
    let mut other = Peer::connect(proxy.local_addr()).await;
    other.send(ASK).await;
    let mut other_upstream = next(&mut connections).await;
    other_upstream.head().await;
    other_upstream.send(AGREE).await;
    other.head().await;

    let mut client = Peer::connect(proxy.local_addr()).await;
    client.send(ASK).await;
    let mut upstream = next(&mut connections).await;
    upstream.head().await;
    client.reset();
    upstream.gone().await;

    let mut client = Peer::connect(proxy.local_addr()).await;
    client.send(ASK).await;
    let mut upstream = next(&mut connections).await;
    upstream.head().await;
    upstream.send(AGREE).await;
    client.head().await;
    client.reset();
    upstream.gone().await;
    counts_become(&proxy, V1, 0, 1).await;

    other.send("still here").await;
    assert_eq!(other_upstream.exactly(10).await, "still here");
    let _ = proxy.switch_to(Traffic::none());
    other_upstream.send("after the switch, too").await;
    assert_eq!(other.exactly(21).await, "after the switch, too");
}

/// C-107: every limit is on how a client asks and how a side that has ended lingers; an answer and an open tunnel may
/// take any time.
#[tokio::test]
async fn an_answer_and_a_silent_tunnel_may_take_any_time() {
    let limit = Duration::from_millis(50);
    let limits = ProxyLimits {
        head_timeout: limit,
        half_close_timeout: limit,
        upstream_idle_timeout: limit,
        tunnel_half_close_timeout: limit,
        ..ProxyLimits::default()
    };
    let options = ProxyOptions { limits, ..options() };
    let (app, mut connections) = App::by_hand().await;
    let proxy = DrainingProxy::bind(options).expect("a free port");
    assert!(proxy.switch_to(Traffic::to(V1, [app.address])).is_none());
    let (mut asking, mut talking) =
        (Peer::connect(proxy.local_addr()).await, Peer::connect(proxy.local_addr()).await);
    asking.send("GET / HTTP/1.1\r\nHost: shop\r\n\r\n").await;
    let mut answering = next(&mut connections).await;
    answering.head().await;
    talking.send(ASK).await;
    let mut agreeing = next(&mut connections).await;
    agreeing.head().await;
    agreeing.send(AGREE).await;
    talking.head().await;

    // Ten times every limit, in which nothing must happen.
    tokio::time::sleep(10 * limit).await;
    answering.send(ok("late")).await;
    assert_eq!(asking.response().await.1, "late");
    agreeing.send("down").await;
    talking.send("up").await;
    assert_eq!((talking.exactly(4).await, agreeing.exactly(2).await), ("down".to_owned(), "up".to_owned()));
}
