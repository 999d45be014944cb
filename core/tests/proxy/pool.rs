//! Connections to the application are kept, and a kept one that has died costs no request (RFC 9110 §9.2.2).

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rollcore::{DrainingProxy, ProxyLimits, ProxyOptions, Traffic};

use crate::support::*;

/// Better than C-97.
#[tokio::test]
async fn connections_are_kept_for_the_next_request() {
    let app = App::saying("hello").await;
    let proxy = proxy_to(app.address);
    for _ in 0..5 {
        let mut client = Peer::connect(proxy.local_addr()).await;
        for _ in 0..5 {
            assert_eq!(client.get("/").await.1, "hello");
        }
    }
    assert!(app.connections() <= 2, "{} connections for requests in a row", app.connections());
}

/// An application that closes after each answer, without saying so.
async fn forgetful(requests: Arc<AtomicUsize>) -> App {
    App::start(move |mut peer| {
        let requests = Arc::clone(&requests);
        async move {
            let head = peer.head().await;
            if let Some(length) = field(&head, "content-length") {
                peer.exactly(length.parse().expect("a number")).await;
            }
            if !head.is_empty() {
                requests.fetch_add(1, Ordering::SeqCst);
                peer.send(ok("hello")).await;
            }
        }
    })
    .await
}

#[tokio::test]
async fn a_get_survives_an_application_that_closes_unasked() {
    let requests = Arc::new(AtomicUsize::new(0));
    let app = forgetful(Arc::clone(&requests)).await;
    let proxy = proxy_to(app.address);
    let mut client = Peer::connect(proxy.local_addr()).await;
    for _ in 0..200 {
        assert_eq!(client.get("/").await.1, "hello");
    }
    assert_eq!(requests.load(Ordering::SeqCst), 200);
}

#[tokio::test]
async fn a_post_survives_an_application_that_closes_unasked_and_is_sent_once() {
    let requests = Arc::new(AtomicUsize::new(0));
    let app = forgetful(Arc::clone(&requests)).await;
    let proxy = proxy_to(app.address);
    let mut client = Peer::connect(proxy.local_addr()).await;
    for n in 0..200 {
        // A GET in between leaves a connection behind that looks alive for a moment.
        if n % 2 == 0 {
            assert_eq!(client.get("/").await.1, "hello");
        }
        client.send("POST / HTTP/1.1\r\nHost: shop.test\r\nContent-Length: 4\r\n\r\nbody").await;
        let (head, body) = client.response().await;
        assert_eq!(body, "hello", "{n}: {head}");
    }
    assert_eq!(requests.load(Ordering::SeqCst), 300);
}

/// The connection has served before, so it is trusted with a POST, and then closed by the application while it is idle.
#[tokio::test]
async fn a_post_never_meets_a_connection_that_was_closed_while_idle() {
    let (app, mut connections) = App::by_hand().await;
    let proxy = proxy_to(app.address);
    let mut client = Peer::connect(proxy.local_addr()).await;
    for _ in 0..50 {
        client.send("GET / HTTP/1.1\r\nHost: shop.test\r\n\r\n").await;
        let mut upstream = next(&mut connections).await;
        for turn in 0..2 {
            upstream.head().await;
            upstream.send(ok("hello")).await;
            assert_eq!(client.response().await.1, "hello");
            if turn == 0 {
                client.send("GET / HTTP/1.1\r\nHost: shop.test\r\n\r\n").await;
            }
        }
        drop(upstream);
        client.send("POST / HTTP/1.1\r\nHost: shop.test\r\nContent-Length: 4\r\n\r\nbody").await;
        let mut fresh = next(&mut connections).await;
        fresh.head().await;
        assert_eq!(fresh.exactly(4).await, "body");
        fresh.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok").await;
        assert_eq!(client.response().await.1, "ok");
    }
}

/// `Keep-Alive: timeout=0` and `Connection: close` are taken at their word.
#[tokio::test]
async fn what_the_application_will_not_keep_is_not_kept() {
    for farewell in ["Connection: close", "Keep-Alive: timeout=0"] {
        let (app, mut connections) = App::by_hand().await;
        let proxy = proxy_to(app.address);
        let mut client = Peer::connect(proxy.local_addr()).await;
        for _ in 0..3 {
            client.send("GET / HTTP/1.1\r\nHost: shop.test\r\n\r\n").await;
            let mut upstream = next(&mut connections).await;
            upstream.head().await;
            upstream.send(format!("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n{farewell}\r\n\r\n")).await;
            client.head().await;
            upstream.gone().await;
        }
    }
}

/// The application closes a kept connection just when a request reaches it: a GET is sent again, a POST is not.
#[tokio::test]
async fn only_what_may_be_sent_twice_is_sent_again() {
    let (app, mut connections) = App::by_hand().await;
    let (proxy, mut errors) = observed(app.address);
    let mut client = Peer::connect(proxy.local_addr()).await;
    for method in ["GET", "DELETE", "POST"] {
        // Twice, so that the connection is trusted with a POST.
        client.send("GET / HTTP/1.1\r\nHost: shop.test\r\n\r\n").await;
        let mut upstream = next(&mut connections).await;
        upstream.head().await;
        upstream.send(ok("")).await;
        client.response().await;
        client.send("GET / HTTP/1.1\r\nHost: shop.test\r\n\r\n").await;
        upstream.head().await;
        upstream.send(ok("")).await;
        client.response().await;

        client.send(format!("{method} /once HTTP/1.1\r\nHost: shop.test\r\nContent-Length: 0\r\n\r\n")).await;
        assert!(
            upstream.head().await.starts_with(&format!("{method} /once ")),
            "the kept connection is used"
        );
        drop(upstream);
        if method == "POST" {
            assert!(client.response().await.0.starts_with("HTTP/1.1 502 "));
            assert_eq!(next(&mut errors).await, ("socket hang up".to_owned(), false));
        } else {
            let mut fresh = next(&mut connections).await;
            let head = fresh.head().await;
            assert!(head.starts_with(&format!("{method} /once HTTP/1.1\r\n")), "{head}");
            assert_eq!(field(&head, "x-forwarded-for").as_deref(), Some("127.0.0.1"));
            fresh.send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nagain").await;
            assert_eq!(client.response().await.1, "again");
        }
    }
    assert_eq!(app.connections(), 5);
    counts_become(&proxy, V1, 0, 0).await;
}

/// A request that was answered in part, or may not be sent twice, is never sent twice.
#[tokio::test]
async fn nothing_is_sent_twice_after_the_first_byte() {
    let (app, mut connections) = App::by_hand().await;
    let (proxy, mut errors) = observed(app.address);
    let mut client = Peer::connect(proxy.local_addr()).await;
    client.send("GET / HTTP/1.1\r\nHost: shop.test\r\n\r\n").await;
    let mut upstream = next(&mut connections).await;
    upstream.head().await;
    upstream.send(ok("")).await;
    client.response().await;
    client.send("GET / HTTP/1.1\r\nHost: shop.test\r\n\r\n").await;
    upstream.head().await;
    upstream.send("H").await;
    drop(upstream);
    assert!(client.response().await.0.starts_with("HTTP/1.1 502 "));
    assert_eq!(next(&mut errors).await, ("socket hang up".to_owned(), false));
    assert_eq!(app.connections(), 1);
}

#[tokio::test]
async fn a_switch_closes_what_is_idle() {
    let (app, mut connections) = App::by_hand().await;
    let upstream_idle_timeout = DEADLINE * 10;
    let proxy = DrainingProxy::bind(ProxyOptions {
        limits: ProxyLimits { upstream_idle_timeout, ..ProxyLimits::default() },
        ..options()
    })
    .expect("a free port");
    let _ = proxy.switch_to(Traffic::to(V1, [app.address]));
    let mut client = Peer::connect(proxy.local_addr()).await;
    client.send("GET / HTTP/1.1\r\nHost: shop.test\r\n\r\n").await;
    let mut upstream = next(&mut connections).await;
    upstream.head().await;
    upstream.send(ok("")).await;
    client.response().await;
    let old = proxy.switch_to(Traffic::none()).expect("there was one");
    upstream.gone().await;
    assert_eq!(within(old.drained(DEADLINE)).await.open_at_start, 0);
}

/// A backend that refuses is passed over.
#[tokio::test]
async fn backends_take_turns() {
    let (one, two) = (App::saying("one").await, App::saying("two").await);
    let proxy = proxy();
    let _ = proxy.switch_to(Traffic::to(V1, [one.address, nobody().await, two.address]));
    let mut client = Peer::connect(proxy.local_addr()).await;
    let mut answers = Vec::new();
    for _ in 0..6 {
        answers.push(client.get("/").await.1);
    }
    assert_eq!(answers, ["one", "two", "two", "one", "two", "two"]);
}
