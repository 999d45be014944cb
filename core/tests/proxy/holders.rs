//! Who holds the drain.

use rollcore::{Draining, HOLDERS_MAX, Holder, HolderKind, Traffic};

use crate::support::*;

const ASK: &str = "GET /socket?token=secret HTTP/1.1\r\nHost: shop.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
const AGREE: &str = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";

/// Waits until so many have said who they are, and `is_it` is true of all of them together.
async fn holders(old: &Draining, is_it: impl Fn(&[Holder]) -> bool) -> Vec<Holder> {
    within(async {
        loop {
            let holders = old.holders();
            if is_it(&holders) {
                return holders;
            }
            tokio::task::yield_now().await;
        }
    })
    .await
}

fn address_of(peer: &Peer) -> std::net::SocketAddr {
    peer.stream.local_addr().expect("it is connected")
}

#[tokio::test]
async fn each_says_who_it_is() {
    let (app, mut connections) = App::by_hand().await;
    let proxy = proxy_to(app.address);

    let mut waiting = Peer::connect(proxy.local_addr()).await;
    waiting.send("POST /slow/report?month=5 HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello").await;
    let mut unanswered = next(&mut connections).await;
    unanswered.head().await;

    let mut listener = Peer::connect(proxy.local_addr()).await;
    listener.send("GET /events HTTP/1.1\r\nHost: shop.test\r\n\r\n").await;
    let mut events = next(&mut connections).await;
    events.head().await;
    events
        .send("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
        .await;
    listener.head().await;

    let mut socket = Peer::connect(proxy.local_addr()).await;
    socket.send(ASK).await;
    let mut upstream = next(&mut connections).await;
    upstream.head().await;
    upstream.send(AGREE).await;
    socket.head().await;

    let old = proxy.switch_to(Traffic::none()).expect("there was one");
    let found = holders(&old, |holders| holders.len() == 3).await;
    let seen: Vec<_> =
        found.iter().map(|holder| (holder.kind, &*holder.method, &*holder.path, holder.peer)).collect();
    assert_eq!(
        seen,
        [
            (HolderKind::Http, "POST", "/slow/report", address_of(&waiting)),
            (HolderKind::Stream, "GET", "/events", address_of(&listener)),
            (HolderKind::WebSocket, "GET", "/socket", address_of(&socket)),
        ],
        "the oldest first, and no query"
    );
    assert!(found.is_sorted_by_key(|holder| holder.since));
    assert_eq!(found[0].bytes, 5, "what it has sent of its body");
    assert_eq!(proxy.holders(V1).len(), 3);
    assert_eq!(proxy.holders(V2), []);

    let before = found[2].bytes;
    socket.send(b"\x82\x85\0\0\0\0hello").await;
    upstream.raw(11).await;
    holders(&old, |holders| holders[2].bytes == before + 11).await;

    drop((unanswered, events, upstream));
    holders(&old, <[_]>::is_empty).await;
    let report = within(old.drained(DEADLINE)).await;
    assert_eq!((report.open_at_start, report.requests_cut, report.tunnels_cut), (3, 0, 0));
}

#[tokio::test]
async fn only_the_oldest_are_shown() {
    let (app, mut connections) = App::by_hand().await;
    let proxy = proxy_to(app.address);
    let mut open = Vec::new();
    for number in 0..HOLDERS_MAX + 8 {
        let mut client = Peer::connect(proxy.local_addr()).await;
        client.send(format!("GET /{number} HTTP/1.1\r\nHost: shop.test\r\n\r\n")).await;
        let mut upstream = next(&mut connections).await;
        upstream.head().await;
        open.push((client, upstream));
    }
    let old = proxy.switch_to(Traffic::none()).expect("there was one");
    let is_complete = |holders: &[Holder]| {
        holders.len() == HOLDERS_MAX
            && holders.iter().enumerate().all(|(number, holder)| holder.path == format!("/{number}"))
    };
    holders(&old, is_complete).await;
    assert_eq!(old.counts().http, HOLDERS_MAX as u64 + 8, "all of them are counted");

    let (mut client, mut upstream) = open.remove(0);
    upstream.send(ok("late")).await;
    assert_eq!(client.response().await.1, "late");
    holders(&old, |holders| holders.len() == HOLDERS_MAX && holders[0].path == "/1").await;
}

/// A request on a connection that turned out to be dead was sent again, and no cut found it any more: letting go of the
/// first attempt had said that its client held nothing.
#[tokio::test]
async fn a_request_that_was_sent_again_is_found() {
    let (app, mut connections) = App::by_hand().await;
    let proxy = proxy_to(app.address);
    let mut client = Peer::connect(proxy.local_addr()).await;
    client.send("GET /first HTTP/1.1\r\nHost: shop.test\r\n\r\n").await;
    let mut upstream = next(&mut connections).await;
    upstream.head().await;
    upstream.send(ok("first")).await;
    assert_eq!(client.response().await.1, "first");
    client.send("GET /second HTTP/1.1\r\nHost: shop.test\r\n\r\n").await;
    assert!(upstream.head().await.starts_with("GET /second "), "on the kept connection");
    drop(upstream);
    let mut upstream = next(&mut connections).await;
    assert!(upstream.head().await.starts_with("GET /second "), "again, on a new one");

    let old = proxy.switch_to(Traffic::none()).expect("there was one");
    assert_eq!(holders(&old, |holders| holders.len() == 1).await[0].path, "/second");
    old.cut_now();
    client.gone().await;
    assert_eq!(within(old.drained(DEADLINE)).await.requests_cut, 1);
}
