//! Flow control (RFC 9113 §5.2): whoever does not read holds up nobody but himself.

use std::time::Duration;

use bytes::Bytes;
use h2::client::{ResponseFuture, SendRequest};
use h2::{RecvStream, SendStream};
use hyper::{Request, StatusCode};
use rollcore::DrainingProxy;
use tokio::io::AsyncWriteExt;

use super::super::secured::Shop;
use super::super::support::{App, Peer, V1, counts_become, next, ok, within};

/// Long enough for everything between to be full.
const STILL: Duration = Duration::from_millis(300);
/// The buffers on the way take some megabytes; so much means that nobody is held back.
const HELD_MAX: usize = 100_000_000;
const PIECE: usize = 64 * 1024;

/// A client that is read by hand: what it does not release, it gets no more of.
async fn client(shop: &Shop, proxy: &DrainingProxy) -> SendRequest<Bytes> {
    let stream = shop.connect(proxy.local_addr(), "shop.test", &["h2"]).await;
    // Its connection has room for more than one stream that it does not read.
    let builder = h2::client::Builder::new().initial_connection_window_size(1 << 20).handshake(stream);
    let (client, connection) = within(builder).await.expect("HTTP/2");
    tokio::spawn(async move { drop(connection.await) });
    client
}

fn send(client: &mut SendRequest<Bytes>, method: &str, ends: bool) -> (ResponseFuture, SendStream<Bytes>) {
    let request = Request::builder().method(method).uri("https://shop.test/").body(()).expect("a request");
    client.send_request(request, ends).expect("the connection is open")
}

async fn all(mut body: RecvStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    while let Some(data) = within(body.data()).await {
        bytes.extend_from_slice(&data.expect("it comes"));
    }
    bytes
}

/// Another request on the same connection.
async fn is_answered(
    client: &mut SendRequest<Bytes>,
    peers: &mut tokio::sync::mpsc::UnboundedReceiver<Peer>,
) {
    let (answer, _) = send(client, "GET", true);
    let mut peer = next(peers).await;
    peer.head().await;
    peer.send(ok("hello")).await;
    let answer = within(answer).await.expect("an answer");
    assert_eq!((answer.status(), all(answer.into_body()).await), (StatusCode::OK, b"hello".to_vec()));
}

#[tokio::test]
async fn an_answer_that_nobody_reads_waits_with_the_application() {
    let (app, mut peers) = App::by_hand().await;
    let mut shop = Shop::new();
    let proxy = shop.proxy_to(app.address);
    let mut client = client(&shop, &proxy).await;
    let (answer, _) = send(&mut client, "GET", true);
    let mut peer = next(&mut peers).await;
    peer.head().await;
    peer.send("HTTP/1.1 200 OK\r\nContent-Length: 200000000\r\n\r\n").await;
    let body = within(answer).await.expect("an answer").into_body();
    let mut sent = 0;
    while let Ok(written) = tokio::time::timeout(STILL, peer.stream.write(&[b'x'; PIECE])).await {
        sent += written.expect("the proxy is there");
        assert!(sent < HELD_MAX, "{sent} bytes are held somewhere");
    }
    is_answered(&mut client, &mut peers).await;
    drop(body);
    peer.gone().await;
    counts_become(&proxy, V1, 0, 0).await;
}

#[tokio::test]
async fn a_request_that_nobody_reads_waits_with_the_client() {
    let (app, mut peers) = App::by_hand().await;
    let mut shop = Shop::new();
    let proxy = shop.proxy_to(app.address);
    let mut client = client(&shop, &proxy).await;
    let (answer, mut body) = send(&mut client, "POST", false);
    let mut peer = next(&mut peers).await;
    peer.head().await;
    let mut sent = 0;
    body.reserve_capacity(PIECE);
    while let Ok(room) = tokio::time::timeout(STILL, std::future::poll_fn(|cx| body.poll_capacity(cx))).await
    {
        let room = room.expect("it is open").expect("it is open");
        body.send_data(Bytes::from(vec![b'x'; room]), false).expect("there is room");
        sent += room;
        assert!(sent < HELD_MAX, "{sent} bytes are held somewhere");
        body.reserve_capacity(PIECE);
    }
    is_answered(&mut client, &mut peers).await;
    drop((answer, body));
    counts_become(&proxy, V1, 0, 0).await;
}
