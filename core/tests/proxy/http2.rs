//! HTTP/2 in front, HTTP/1.1 behind.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Empty, Full, StreamBody};
use hyper::body::{Body, Frame};
use hyper::client::conn::http2::SendRequest;
use hyper::header::{HeaderMap, HeaderValue};
use hyper::http::request::Builder;
use hyper::{Request, Response, StatusCode, Version};
use rollcore::{DrainingProxy, Http2Limits, ProxyOptions, TlsSpec, Traffic};
use tokio::sync::mpsc;

use super::secured::Shop;
use super::support::{App, V1, V2, counts_become, field, next, within};

type Client = SendRequest<Full<Bytes>>;

fn get(path: &str) -> Builder {
    Request::get(format!("https://shop.test{path}"))
}

fn empty(request: Builder) -> Request<Full<Bytes>> {
    request.body(Full::default()).expect("a request")
}

async fn ask(client: &mut Client, request: Request<Full<Bytes>>) -> (StatusCode, String) {
    let response = within(client.send_request(request)).await.expect("an answer");
    let status = response.status();
    (status, text(response).await)
}

async fn text(response: Response<hyper::body::Incoming>) -> String {
    let body = within(response.into_body().collect()).await.expect("the whole answer").to_bytes();
    String::from_utf8(body.to_vec()).expect("text")
}

/// An application that sends back what it gets, in chunks: the method, then the body.
async fn echo() -> App {
    App::start(|mut peer| async move {
        loop {
            let head = peer.head().await;
            if head.is_empty() {
                return;
            }
            let mut body = String::new();
            if let Some(length) = field(&head, "content-length") {
                body = peer.exactly(length.parse().expect("a number")).await;
            } else if field(&head, "transfer-encoding").is_some() {
                loop {
                    let chunk = peer.chunk().await;
                    if chunk.is_empty() {
                        break;
                    }
                    body.push_str(&chunk);
                }
            }
            let method = head.split(' ').next().expect("a method").to_owned();
            peer.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n").await;
            peer.send(format!("{:x}\r\n{method} \r\n", method.len() + 1)).await;
            for piece in body.as_bytes().chunks(10_000) {
                let size = format!("{:x}\r\n", piece.len());
                peer.send([size.as_bytes(), piece, b"\r\n"].concat()).await;
            }
            peer.send("0\r\n\r\n").await;
        }
    })
    .await
}

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

#[tokio::test]
async fn bodies_pass_whole_in_both_directions() {
    let app = echo().await;
    let mut shop = Shop::new();
    let proxy = shop.proxy_to(app.address);
    let mut client: Client = shop.http2(proxy.local_addr()).await;
    // Larger than every window and every buffer on the way.
    for size in [0, 1, 16 * 1024, 3 * 1024 * 1024] {
        let body: String = "0123456789abcdef".chars().cycle().take(size).collect();
        let request = Request::post("https://shop.test/").body(Full::from(body.clone())).expect("a request");
        let (status, text) = ask(&mut client, request).await;
        assert_eq!((status, text.len()), (StatusCode::OK, 5 + size));
        assert!(text.strip_prefix("POST ") == Some(&body), "{size} bytes came back different");
    }
    // A length that is not known, and a method that rarely has a body.
    for method in ["POST", "GET", "DELETE"] {
        let mut client: SendRequest<Pieces> = shop.http2(proxy.local_addr()).await;
        let request = Request::builder().method(method).uri("https://shop.test/");
        let pieces = Pieces(vec!["one ", "two ", "three"]);
        let answer = client.send_request(request.body(pieces).expect("a request"));
        let answer = text(within(answer).await.expect("an answer")).await;
        assert_eq!(answer, format!("{method} one two three"));
    }
}

/// A body whose length is not known.
struct Pieces(Vec<&'static str>);

impl Body for Pieces {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.0.is_empty() {
            return Poll::Ready(None);
        }
        Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(self.0.remove(0).as_bytes())))))
    }
}

#[tokio::test]
async fn trailers_pass() {
    let app = App::start(|mut peer| async move {
        peer.head().await;
        peer.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: grpc-status, x-sum\r\n\r\n")
            .await;
        peer.send("2\r\nhi\r\n0\r\ngrpc-status: 0\r\nx-sum: 7\r\n\r\n").await;
        peer.gone().await;
    });
    let app = app.await;
    let mut shop = Shop::new();
    let proxy = shop.proxy_to(app.address);
    let mut client: Client = shop.http2(proxy.local_addr()).await;
    let answer = within(client.send_request(empty(get("/")))).await.expect("an answer");
    let answer = within(answer.into_body().collect()).await.expect("the whole answer");
    let trailers = answer.trailers().expect("there are some").clone();
    assert_eq!(
        (&trailers["grpc-status"], &trailers["x-sum"]),
        (&HeaderValue::from(0), &HeaderValue::from(7))
    );
    assert_eq!(answer.to_bytes(), "hi");
}

/// In HTTP/1.1 the fields that follow a body are announced before it; what was not announced has nowhere to go, and may be
/// left out (RFC 9110 §6.5.1).
#[tokio::test]
async fn trailers_of_a_request_pass_when_they_are_announced() {
    let (app, mut peers) = App::by_hand().await;
    let mut shop = Shop::new();
    let proxy = shop.proxy_to(app.address);
    let mut client: SendRequest<UnsyncBoxBody<Bytes, Infallible>> = shop.http2(proxy.local_addr()).await;
    for (announced, passes) in [("x-sum, authorization", "x-sum: 7\r\n"), ("", "")] {
        let trailers = ["x-sum", "authorization", "x-other"]
            .map(|name| (name.parse().expect("a name"), HeaderValue::from(7)));
        let trailers = HeaderMap::from_iter(trailers);
        // Not told how long it is: a length would leave no place for trailers.
        let frames = [Frame::data(Bytes::from("hi")), Frame::trailers(trailers)];
        let body = StreamBody::new(futures_util::stream::iter(frames.map(Ok)));
        let mut request = Request::post("https://shop.test/");
        if !announced.is_empty() {
            request = request.header("trailer", announced);
        }
        let answer = client.send_request(request.body(body.boxed_unsync()).expect("a request"));
        let answer = tokio::spawn(answer);
        let mut peer = next(&mut peers).await;
        assert!(peer.head().await.contains("Transfer-Encoding: chunked\r\n"));
        let end = format!("0\r\n{passes}\r\n");
        let whole = format!("2\r\nhi\r\n{end}");
        assert_eq!(peer.exactly(whole.len()).await, whole);
        peer.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").await;
        within(answer).await.expect("no panic").expect("an answer");
    }
}

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
