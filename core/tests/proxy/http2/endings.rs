//! How requests and connections end: taken back, broken off, cut, closed.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::{Body, Frame};
use hyper::client::conn::http2::SendRequest;
use hyper::{Request, StatusCode};
use rollcore::{DrainingProxy, Traffic};
use tokio::sync::mpsc;

use super::super::secured::Shop;
use super::super::support::{App, DEADLINE, V1, V2, counts_become, next, within};
use super::{Client, ask, empty, get};

/// Whoever takes a request back costs nothing from then on, and the others on the connection notice nothing.
#[tokio::test]
async fn a_stream_that_is_taken_back_frees_the_application() {
    let (app, mut peers) = App::by_hand().await;
    let mut shop = Shop::new();
    let proxy = shop.proxy_to(app.address);
    let client: Client = shop.http2(proxy.local_addr()).await;
    let mut other = client.clone();
    let other = tokio::spawn(async move { ask(&mut other, empty(get("/other"))).await });
    let mut others = next(&mut peers).await;
    others.head().await;

    let mut waiting = client.clone();
    let waiting = tokio::spawn(async move { waiting.send_request(empty(get("/"))).await });
    let mut before = next(&mut peers).await;
    before.head().await;
    counts_become(&proxy, V1, 2, 0).await;
    waiting.abort();
    before.gone().await;
    counts_become(&proxy, V1, 1, 0).await;

    let answer = client.clone().send_request(empty(get("/")));
    let answer = tokio::spawn(answer);
    let mut amid = next(&mut peers).await;
    amid.head().await;
    amid.send("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhello").await;
    let mut body = within(answer).await.expect("no panic").expect("an answer").into_body();
    let first = within(body.frame()).await.expect("some").expect("it came");
    assert_eq!(first.into_data().expect("data"), "hello");
    drop(body);
    amid.gone().await;
    counts_become(&proxy, V1, 1, 0).await;

    others.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi").await;
    assert_eq!(within(other).await.expect("no panic"), (StatusCode::OK, "hi".to_owned()));
    counts_become(&proxy, V1, 0, 0).await;
}

#[tokio::test]
async fn a_body_that_is_taken_back_does_not_reach_the_application_as_a_whole_one() {
    let (app, mut peers) = App::by_hand().await;
    let mut shop = Shop::new();
    let proxy = shop.proxy_to(app.address);
    let (sender, receiver) = mpsc::unbounded_channel();
    let mut client: SendRequest<Slow> = shop.http2(proxy.local_addr()).await;
    let request = Request::post("https://shop.test/").body(Slow(receiver)).expect("a request");
    let answer = tokio::spawn(async move { client.send_request(request).await });
    sender.send("hello").expect("it is awaited");
    let mut peer = next(&mut peers).await;
    peer.head().await;
    assert_eq!(peer.chunk().await, "hello");
    answer.abort();
    let (rest, _) = peer.rest().await;
    assert!(!rest.contains("0\r\n\r\n"), "{rest:?}");
    counts_become(&proxy, V1, 0, 0).await;
}

/// A body that comes as the test says.
struct Slow(mpsc::UnboundedReceiver<&'static str>);

impl Body for Slow {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0
            .poll_recv(cx)
            .map(|piece| piece.map(|piece| Ok(Frame::data(Bytes::from_static(piece.as_bytes())))))
    }
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_an_error() {
    let (app, mut peers) = App::by_hand().await;
    let mut shop = Shop::new();
    let proxy = shop.proxy_to(app.address);
    let client: Client = shop.http2(proxy.local_addr()).await;
    for framing in ["Content-Length: 100\r\n\r\nhello", "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"] {
        let mut client = client.clone();
        let answer = tokio::spawn(async move {
            let answer = client.send_request(empty(get("/"))).await.expect("an answer");
            answer.into_body().collect().await.map(http_body_util::Collected::to_bytes)
        });
        let mut peer = next(&mut peers).await;
        peer.head().await;
        peer.send(format!("HTTP/1.1 200 OK\r\n{framing}")).await;
        drop(peer);
        let cut = within(answer).await.expect("no panic");
        assert!(cut.is_err(), "{framing:?} must not look whole: {cut:?}");
    }
}

#[tokio::test]
async fn a_drain_cuts_the_stream_and_not_the_connection() {
    let (old, mut peers) = App::by_hand().await;
    let new = App::saying("new").await;
    let mut shop = Shop::new();
    let proxy = shop.proxy_to(old.address);
    let mut client: Client = shop.http2(proxy.local_addr()).await;
    let mut stuck = client.clone();
    let stuck =
        tokio::spawn(async move { stuck.send_request(empty(get("/"))).await.map(|answer| answer.status()) });
    let mut peer = next(&mut peers).await;
    peer.head().await;
    let draining = proxy.switch_to(Traffic::to(V2, [new.address])).expect("there was one");
    let report = within(draining.drained(Duration::ZERO)).await;
    assert_eq!((report.open_at_start, report.requests_cut), (1, 1));
    within(stuck).await.expect("no panic").expect_err("it was cut");
    peer.gone().await;
    assert_eq!(ask(&mut client, empty(get("/"))).await.1, "new");
}

/// What is under way is answered; the client is told to go, and the proxy does not wait for him any longer.
#[tokio::test]
async fn closing_answers_what_is_under_way_and_then_ends() {
    for leave in [false, true] {
        let (app, mut peers) = App::by_hand().await;
        let mut shop = Shop::new();
        let proxy = shop.proxy_to(app.address);
        let client: Client = shop.http2(proxy.local_addr()).await;
        let mut last = client.clone();
        let last = tokio::spawn(async move { ask(&mut last, empty(get("/"))).await });
        let mut peer = next(&mut peers).await;
        peer.head().await;
        if leave {
            within(proxy.leave(false)).await;
        }
        let closing = tokio::spawn(async move { proxy.close(Duration::from_secs(15)).await });
        peer.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi").await;
        assert_eq!(within(last).await.expect("no panic"), (StatusCode::OK, "hi".to_owned()), "{leave}");
        let report = within(closing).await.expect("no panic");
        assert_eq!(report.requests_cut, 0);
        assert!(report.took < Duration::from_secs(4), "{leave}: {report:?}");
        let mut late = client.clone();
        assert!(within(late.send_request(empty(get("/")))).await.is_err(), "nobody is there");
    }
}

/// GOAWAY (RFC 9113 §6.8) does not wait for the last answer: a client knows at once that its next request goes elsewhere.
#[tokio::test]
async fn a_client_is_told_to_go_before_its_last_answer() {
    let (app, mut peers) = App::by_hand().await;
    let mut shop = Shop::new();
    let proxy = shop.proxy_to(app.address);
    let stream = shop.connect(proxy.local_addr(), "shop.test", &["h2"]).await;
    let (mut client, connection) = within(h2::client::handshake(stream)).await.expect("HTTP/2");
    tokio::spawn(async move { drop(connection.await) });
    let request = get("/").body(()).expect("a request");
    let (last, _) = client.send_request(request, true).expect("the connection is open");
    let mut peer = next(&mut peers).await;
    peer.head().await;
    let closing = tokio::spawn(async move { proxy.close(DEADLINE).await });
    let told = within(async {
        loop {
            if let Err(error) = std::future::poll_fn(|cx| client.poll_ready(cx)).await {
                return error;
            }
            tokio::task::yield_now().await;
        }
    });
    let told = told.await;
    assert!(told.is_go_away() && told.is_remote(), "{told}");
    assert_eq!(told.reason(), Some(h2::Reason::NO_ERROR));
    peer.send("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nlast").await;
    let mut body = within(last).await.expect("an answer").into_body();
    assert_eq!(within(body.data()).await.expect("some").expect("it comes"), "last");
    assert_eq!(within(closing).await.expect("no panic").requests_cut, 0);
}

#[tokio::test]
async fn an_idle_connection_ends() {
    let app = App::saying("hello").await;
    let mut shop = Shop::new();
    let mut options = shop.options();
    options.limits.idle_timeout = Duration::from_millis(200);
    let proxy = DrainingProxy::bind(options).expect("a free port");
    proxy.switch_to(Traffic::to(V1, [app.address]));
    let mut client: Client = shop.http2(proxy.local_addr()).await;
    assert_eq!(ask(&mut client, empty(get("/"))).await.1, "hello");
    within(async {
        while client.ready().await.is_ok() && !client.is_closed() {
            tokio::task::yield_now().await;
        }
    })
    .await;
}
