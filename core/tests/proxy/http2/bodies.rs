//! Bodies, whole and in pieces, and the fields that follow them.

use std::convert::Infallible;

use bytes::Bytes;
use futures_util::stream;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::Request;
use hyper::StatusCode;
use hyper::body::Frame;
use hyper::client::conn::http2::SendRequest;
use hyper::header::{HeaderMap, HeaderValue};

use super::super::secured::Shop;
use super::super::support::{App, field, next, within};
use super::{Client, ask, empty, get, text};

/// A body whose length is not known.
type Pieces = UnsyncBoxBody<Bytes, Infallible>;

fn pieces(frames: impl IntoIterator<Item = Frame<Bytes>, IntoIter: Send + 'static>) -> Pieces {
    StreamBody::new(stream::iter(frames.into_iter().map(Ok))).boxed_unsync()
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
        let body = pieces(["one ", "two ", "three"].map(|piece| Frame::data(Bytes::from(piece))));
        let answer = client.send_request(request.body(body).expect("a request"));
        let answer = text(within(answer).await.expect("an answer")).await;
        assert_eq!(answer, format!("{method} one two three"));
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
    let mut client: SendRequest<Pieces> = shop.http2(proxy.local_addr()).await;
    for (announced, passes) in [("x-sum, authorization", "x-sum: 7\r\n"), ("", "")] {
        let trailers = ["x-sum", "authorization", "x-other"]
            .map(|name| (name.parse().expect("a name"), HeaderValue::from(7)));
        let trailers = HeaderMap::from_iter(trailers);
        // Not told how long it is: a length would leave no place for trailers.
        let frames = [Frame::data(Bytes::from("hi")), Frame::trailers(trailers)];
        let body = pieces(frames);
        let mut request = Request::post("https://shop.test/");
        if !announced.is_empty() {
            request = request.header("trailer", announced);
        }
        let answer = client.send_request(request.body(body).expect("a request"));
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
