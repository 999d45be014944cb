//! What is refused, and whoever asks for too much.

use bytes::Bytes;
use http_body_util::Empty;
use hyper::client::conn::http2::SendRequest;
use hyper::{Request, StatusCode};
use rollcore::{DrainingProxy, Http2Limits, ProxyOptions, TlsSpec, Traffic};

use super::super::secured::Shop;
use super::super::support::{App, V1, counts_become, within};
use super::{Client, ask, empty, get};

#[tokio::test]
async fn http2_is_offered_only_if_it_is_allowed() {
    let app = App::saying("hello").await;
    let mut shop = Shop::new();
    let options = shop.options();
    let tls = TlsSpec { http2: None, ..options.tls.clone().expect("it was set") };
    let proxy = DrainingProxy::bind(ProxyOptions { tls: Some(tls), ..options }).expect("a free port");
    proxy.switch_to(Traffic::to(V1, [app.address]));
    let client = shop.connect(proxy.local_addr(), "shop.test", &["h2", "http/1.1"]).await;
    assert_eq!(client.get_ref().1.alpn_protocol(), Some(&b"http/1.1"[..]));
    let stream = tokio::net::TcpStream::connect(proxy.local_addr()).await.expect("it listens");
    assert!(shop.secure(stream, "shop.test", &["h2"]).await.is_err(), "there is nothing to agree on");
    let old = shop.proxy_to(app.address);
    let client = shop.connect(old.local_addr(), "shop.test", &["http/1.1"]).await;
    assert_eq!(client.get_ref().1.alpn_protocol(), Some(&b"http/1.1"[..]));
}

#[tokio::test]
async fn a_head_that_is_too_large_is_refused_and_the_connection_stays() {
    let app = App::saying("hello").await;
    let mut shop = Shop::new();
    let mut options = shop.options();
    options.limits.head_bytes_max = 4096;
    let proxy = DrainingProxy::bind(options).expect("a free port");
    proxy.switch_to(Traffic::to(V1, [app.address]));
    let mut client: Client = shop.http2(proxy.local_addr()).await;
    // Larger than the client was told, which it does not know at first.
    let large = get("/").header("x-large", "x".repeat(8000));
    if let Ok(answer) = within(client.send_request(empty(large))).await {
        assert_eq!(answer.status(), StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE);
    }
    assert_eq!(ask(&mut client, empty(get("/"))).await.1, "hello");
    assert_eq!(app.connections(), 1);
}

/// The reason, or what a client sees that is still writing when the other side is gone.
fn is_for_a_reason(error: &h2::Error) -> bool {
    error.reason() == Some(h2::Reason::ENHANCE_YOUR_CALM) || error.is_io()
}

/// CVE-2023-44487: requests that are taken back as fast as they are sent.
#[tokio::test]
async fn a_client_that_takes_back_more_than_it_asks_for_is_closed() {
    let app = App::saying("hello").await;
    let mut shop = Shop::new();
    let options = shop.options();
    let http2 = Some(Http2Limits { resets_max: 5, ..Http2Limits::default() });
    let tls = TlsSpec { http2, ..options.tls.clone().expect("it was set") };
    let proxy = DrainingProxy::bind(ProxyOptions { tls: Some(tls), ..options }).expect("a free port");
    proxy.switch_to(Traffic::to(V1, [app.address]));
    let stream = shop.connect(proxy.local_addr(), "shop.test", &["h2"]).await;
    let (mut client, connection) = within(h2::client::handshake(stream)).await.expect("HTTP/2");
    let ended = tokio::spawn(connection);
    within(async {
        // Bounded, and with room for the other side: what is not sent lies in our own memory.
        for _ in 0..1000 {
            let request = get("/").body(()).expect("a request");
            let Ok((answer, mut stream)) = client.send_request(request, true) else { return };
            stream.send_reset(h2::Reason::CANCEL);
            drop(answer);
            tokio::task::yield_now().await;
            if let Err(error) = std::future::poll_fn(|cx| client.poll_ready(cx)).await {
                return assert!(is_for_a_reason(&error), "{error}");
            }
        }
    })
    .await;
    let error = within(ended).await.expect("no panic").expect_err("it was closed");
    assert!(is_for_a_reason(&error), "{error}");
    counts_become(&proxy, V1, 0, 0).await;
    let mut client: Client = shop.http2(proxy.local_addr()).await;
    assert_eq!(ask(&mut client, empty(get("/"))).await.1, "hello");
}

#[tokio::test]
async fn what_a_reverse_proxy_does_not_do_is_said() {
    let app = App::saying("hello").await;
    let mut shop = Shop::new();
    let proxy = shop.proxy_to(app.address);
    let mut client: SendRequest<Empty<Bytes>> = shop.http2(proxy.local_addr()).await;
    let connect = Request::connect("shop.test:443").body(Empty::new()).expect("a request");
    let answer = within(client.send_request(connect)).await.expect("an answer");
    assert_eq!(answer.status(), StatusCode::NOT_IMPLEMENTED);
    assert_eq!(app.connections(), 0);
}
