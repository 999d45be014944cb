//! What becomes of a request, and of many at once.

use std::time::Duration;

use hyper::header::HeaderValue;
use hyper::{Request, StatusCode, Version};
use rollcore::Traffic;

use super::super::secured::Shop;
use super::super::support::{App, V1, V2, counts_become, field, next, within};
use super::{Client, ask, empty, get, text};

#[tokio::test]
async fn a_request_becomes_one_of_http_1_1_and_its_answer_one_of_http_2() {
    let (app, mut peers) = App::by_hand().await;
    let mut shop = Shop::new();
    let proxy = shop.proxy_to(app.address);
    let mut client: Client = shop.http2(proxy.local_addr()).await;
    let request = get("/a%20b?c=d").header("cookie", "a=1").header("cookie", "b=2").header("te", "trailers");
    let answer = tokio::spawn(client.send_request(empty(request)));
    let mut peer = next(&mut peers).await;
    let head = peer.head().await;
    assert!(head.starts_with("GET /a%20b?c=d HTTP/1.1\r\n"), "{head}");
    for (name, value) in [
        ("host", Some("shop.test")),
        ("cookie", Some("a=1; b=2")),
        ("x-forwarded-proto", Some("https")),
        ("x-forwarded-port", Some("443")),
        ("x-forwarded-for", Some("127.0.0.1")),
        ("x-forwarded-host", Some("shop.test")),
        ("transfer-encoding", None),
        ("content-length", None),
        ("te", None),
    ] {
        assert_eq!(field(&head, name).as_deref(), value, "{name}: {head}");
    }
    counts_become(&proxy, V1, 1, 0).await;
    peer.send("HTTP/1.1 201 Created\r\nContent-Length: 2\r\nKeep-Alive: timeout=5\r\nX-Own: 1\r\n\r\nhi")
        .await;
    let answer = within(answer).await.expect("no panic").expect("an answer");
    assert_eq!((answer.status(), answer.version()), (StatusCode::CREATED, Version::HTTP_2));
    assert_eq!(answer.headers().get("x-own").map(HeaderValue::as_bytes), Some(&b"1"[..]));
    for name in ["connection", "keep-alive", "transfer-encoding"] {
        assert_eq!(answer.headers().get(name), None, "{name}");
    }
    assert_eq!(text(answer).await, "hi");
    counts_become(&proxy, V1, 0, 0).await;
}

#[tokio::test]
async fn many_requests_share_a_connection_and_the_ones_to_the_application_are_kept() {
    let app = App::saying("hello").await;
    let mut shop = Shop::new();
    let proxy = shop.proxy_to(app.address);
    let mut client: Client = shop.http2(proxy.local_addr()).await;
    for _ in 0..20 {
        assert_eq!(ask(&mut client, empty(get("/"))).await, (StatusCode::OK, "hello".to_owned()));
    }
    assert_eq!(app.connections(), 1);
    let head = Request::head("https://shop.test/");
    let answer = within(client.send_request(empty(head))).await.expect("an answer");
    assert_eq!(answer.headers()["content-length"], "5");
    assert_eq!(text(answer).await, "");
}

/// As a browser asks, a hundred at once, while traffic is switched back and forth.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_streams_across_switches_and_none_fails() {
    let (one, two) = (App::saying("one").await, App::saying("two").await);
    let mut shop = Shop::new();
    let proxy = shop.proxy_to(one.address);
    let client: Client = shop.http2(proxy.local_addr()).await;
    let streams: Vec<_> = (0..100)
        .map(|_| {
            let mut client = client.clone();
            tokio::spawn(async move {
                for _ in 0..10 {
                    let (status, text) = ask(&mut client, empty(get("/"))).await;
                    assert!(status == StatusCode::OK && (text == "one" || text == "two"), "{status} {text}");
                }
            })
        })
        .collect();
    for round in 0..10 {
        let (generation, app) = if round % 2 == 0 { (V2, &two) } else { (V1, &one) };
        let old = proxy.switch_to(Traffic::to(generation, [app.address])).expect("there was one");
        let report = within(old.drained(Duration::from_secs(10))).await;
        assert_eq!(report.requests_cut, 0);
    }
    for stream in streams {
        within(stream).await.expect("no request failed");
    }
    counts_become(&proxy, V1, 0, 0).await;
    counts_become(&proxy, V2, 0, 0).await;
}
