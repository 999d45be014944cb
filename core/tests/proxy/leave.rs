//! A proxy that leaves its address to another one (compat C-164 to C-166).

use std::sync::Arc;
use std::time::Duration;

use rollcore::{DrainingProxy, Traffic};
use tokio::net::TcpStream;

use crate::support::*;

const GET: &str = "GET / HTTP/1.1\r\nHost: shop.test\r\n\r\n";

/// Who waits in the socket is served by the next one, and who was let in by the first one; nobody is refused.
#[tokio::test]
async fn a_socket_is_handed_over_with_who_waits_in_it() {
    let (old_app, new_app) = (App::saying("old").await, App::saying("new").await);
    let old = proxy_to(old_app.address);
    let new = DrainingProxy::unbound(options());
    assert_eq!(new.local_addr().port(), 0);
    assert!(new.switch_to(Traffic::to(V2, [new_app.address])).is_none(), "it has traffic before it listens");
    let mut kept = Peer::connect(old.local_addr()).await;
    assert_eq!(kept.get("/").await.1, "old");
    let mut busy = Peer::connect(old.local_addr()).await;
    assert_eq!(busy.get("/").await.1, "old", "it is let in");
    busy.send("GET / HTTP/1.1\r\n").await;

    let listener = within(old.leave(true)).await.expect("it listened");
    let mut waiting = Peer::connect(old.local_addr()).await;
    waiting.send(GET).await;
    assert!(within(old.leave(true)).await.is_none(), "it is there once");
    assert_eq!(new.listen_on(listener).expect("it listens"), old.local_addr());
    assert_eq!(waiting.response().await.1, "new");
    busy.send("Host: shop.test\r\n\r\n").await;
    kept.send(GET).await;
    for mut peer in [busy, kept] {
        let (head, body) = peer.response().await;
        assert_eq!((body.as_str(), field(&head, "connection").as_deref()), ("old", Some("close")));
        peer.rest().await.1.expect("it ends well");
    }
    let report = within(old.close(DEADLINE)).await;
    assert_eq!((report.requests_cut, report.tunnels_cut), (0, 0));
    assert_eq!(Peer::connect(new.local_addr()).await.get("/").await.1, "new");
}

/// Without a successor that takes the socket the address is free when it returns, and who had connected is served.
#[tokio::test]
async fn an_address_that_is_left_is_free_at_once() {
    let app = App::saying("old").await;
    let proxy = proxy_to(app.address);
    let address = proxy.local_addr();
    let mut kept = Peer::connect(address).await;
    assert_eq!(kept.get("/").await.1, "old");
    assert!(within(proxy.leave(false)).await.is_none());
    assert!(TcpStream::connect(address).await.is_err(), "nobody listens any more");
    let next = DrainingProxy::unbound(rollcore::ProxyOptions::new("127.0.0.1", address.port()));
    assert_eq!(next.listen().expect("the address is free"), address);
    kept.send(GET).await;
    assert_eq!(kept.response().await.1, "old");
    assert_eq!(next.listen().expect_err("it listens already").code(), "proxy_address_in_use");
}

/// Who says nothing does not keep it for ever, and a tunnel or a request no longer than the budget.
#[tokio::test]
async fn who_stays_too_long_is_closed_or_cut() {
    let (app, mut connections) = App::by_hand().await;
    let proxy = Arc::new(proxy_to(app.address));
    let mut hung = Peer::connect(proxy.local_addr()).await;
    hung.send(GET).await;
    let _upstream = next(&mut connections).await;
    within(proxy.leave(false)).await;
    let report = within(proxy.close(Duration::from_millis(100))).await;
    assert_eq!((report.open_at_start, report.requests_cut), (1, 1));
    assert_eq!(hung.rest().await.0, "");

    let proxy = proxy_to(app.address);
    let idle = Peer::connect(proxy.local_addr()).await;
    within(proxy.leave(true)).await;
    let mut idle = idle;
    // Well before its minute for a request is over.
    let closing = within(proxy.close(DEADLINE));
    let (report, _) = tokio::join!(closing, idle.rest());
    assert_eq!((report.requests_cut, report.tunnels_cut), (0, 0));
}
