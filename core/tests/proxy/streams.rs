//! Bodies on their way (compat C-92, C-94, C-99), and clients and applications that leave early.

use std::time::Duration;

use rollcore::{DrainingProxy, ProxyLimits, ProxyOptions, Traffic};
use tokio::io::AsyncWriteExt;

use crate::support::*;

/// C-99.
#[tokio::test]
async fn expect_is_answered_here() {
    let (app, mut connections) = App::by_hand().await;
    let proxy = proxy_to(app.address);
    let mut client = Peer::connect(proxy.local_addr()).await;
    client
        .send("POST / HTTP/1.1\r\nHost: shop.test\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n")
        .await;
    assert_eq!(client.head().await, "HTTP/1.1 100 Continue\r\n\r\n");
    let mut upstream = next(&mut connections).await;
    let head = upstream.head().await;
    assert_eq!(field(&head, "expect"), None, "{head}");
    client.send("hello").await;
    assert_eq!(upstream.exactly(5).await, "hello");
    upstream.send(ok("thanks")).await;
    assert_eq!(client.response().await.1, "thanks");
}

/// C-94: the application has the first chunk before the client has sent the second.
#[tokio::test]
async fn a_chunked_request_stays_chunked_and_streams() {
    let (app, mut connections) = App::by_hand().await;
    let proxy = proxy_to(app.address);
    for method in ["POST", "GET", "DELETE"] {
        let mut client = Peer::connect(proxy.local_addr()).await;
        client
            .send(format!("{method} / HTTP/1.1\r\nHost: shop.test\r\nTransfer-Encoding: chunked\r\n\r\n"))
            .await;
        let mut upstream = next(&mut connections).await;
        let head = upstream.head().await;
        assert_eq!(field(&head, "transfer-encoding").as_deref(), Some("chunked"), "{head}");
        assert_eq!(field(&head, "content-length"), None, "{head}");
        for text in ["one", "three"] {
            client.send(format!("{:x}\r\n{text}\r\n", text.len())).await;
            assert_eq!(upstream.chunk().await, text);
        }
        client.send("0\r\n\r\n").await;
        assert_eq!(upstream.chunk().await, "");
        upstream
            .send(format!("{}Connection: close\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n"))
            .await;
        assert!(client.head().await.starts_with("HTTP/1.1 200 "));
    }
}

/// RFC 9112 §7.1.2: the fields that follow a body go with it, both ways.
#[tokio::test]
async fn trailers_pass() {
    let (app, mut connections) = App::by_hand().await;
    let proxy = proxy_to(app.address);
    let mut client = Peer::connect(proxy.local_addr()).await;
    let body = "2\r\nhi\r\n0\r\nX-Sum: 7\r\nX-Other: a b\r\n\r\n";
    for _ in 0..2 {
        let fields = "Transfer-Encoding: chunked\r\nTrailer: X-Sum, X-Other\r\n\r\n";
        client.send(format!("POST / HTTP/1.1\r\nHost: shop.test\r\n{fields}{body}")).await;
        let mut upstream = next(&mut connections).await;
        let head = upstream.head().await;
        assert_eq!(field(&head, "trailer").as_deref(), Some("X-Sum, X-Other"), "{head}");
        assert_eq!(upstream.exactly(body.len()).await, body);
        upstream.send(format!("HTTP/1.1 200 OK\r\nConnection: close\r\n{fields}{body}")).await;
        let head = client.head().await;
        assert_eq!(field(&head, "trailer").as_deref(), Some("X-Sum, X-Other"), "{head}");
        assert_eq!(client.exactly(body.len()).await, body, "and the next answer begins behind them");
    }
}

#[tokio::test]
async fn ten_megabytes_come_back() {
    const BYTES: usize = 10 * 1024 * 1024;
    let app = App::start(|mut peer| async move {
        let head = peer.head().await;
        assert_eq!(field(&head, "content-length").as_deref(), Some("10485760"), "{head}");
        let body = peer.exactly(BYTES).await;
        peer.send(ok(&body)).await;
        peer.gone().await;
    })
    .await;
    let proxy = proxy_to(app.address);
    let mut client = Peer::connect(proxy.local_addr()).await;
    let body: String =
        (0..BYTES).map(|n| char::from(b'a' + u8::try_from(n % 23).expect("it is below 23"))).collect();
    client.send(format!("POST / HTTP/1.1\r\nHost: shop.test\r\nContent-Length: {BYTES}\r\n\r\n{body}")).await;
    let (_, echo) = client.response().await;
    assert!(echo == body, "{} bytes came back", echo.len());
}

/// Each event arrives before the application makes the next one.
/// C-94, C-105: a request counts until its answer is finished.
#[tokio::test]
async fn server_sent_events_arrive_one_by_one() {
    let (app, mut connections) = App::by_hand().await;
    let proxy = proxy_to(app.address);
    let mut client = Peer::connect(proxy.local_addr()).await;
    client.send("GET /events HTTP/1.1\r\nHost: shop.test\r\nAccept: text/event-stream\r\n\r\n").await;
    let mut upstream = next(&mut connections).await;
    upstream.head().await;
    upstream
        .send("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
        .await;
    assert_eq!(field(&client.head().await, "content-type").as_deref(), Some("text/event-stream"));
    for n in 0..5 {
        let event = format!("data: {n}\n\n");
        upstream.send(format!("{:x}\r\n{event}\r\n", event.len())).await;
        assert_eq!(client.chunk().await, event);
        assert_eq!(proxy.counts(V1).http, 1);
    }
    upstream.send("0\r\n\r\n").await;
    assert_eq!(client.chunk().await, "");
    counts_become(&proxy, V1, 0, 0).await;
}

/// An application refuses an upload without reading it, and closes.
/// It was closed without a word, so that the next request of the client failed.
#[tokio::test]
async fn an_answer_before_the_end_of_the_request_says_that_it_is_the_last() {
    let proxy = proxy_to(App::saying("hello").await.address);
    let mut client = Peer::connect(proxy.local_addr()).await;
    client.send("POST / HTTP/1.1\r\nHost: shop.test\r\nContent-Length: 4\r\n\r\n").await;
    let (head, body) = client.response().await;
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n") && body == "hello", "{head}{body}");
    assert_eq!(field(&head, "connection").as_deref(), Some("close"), "{head}");
    client.send("late").await;
    client.gone().await;
}

#[tokio::test]
async fn an_answer_before_the_end_of_the_request_arrives() {
    let app = App::start(|mut peer| async move {
        peer.head().await;
        peer.send("HTTP/1.1 413 Content Too Large\r\nContent-Length: 4\r\nConnection: close\r\n\r\nmuch")
            .await;
    })
    .await;
    let proxy = proxy_to(app.address);
    for _ in 0..20 {
        let client = Peer::connect(proxy.local_addr()).await;
        let (reads, mut writes) = client.stream.into_split();
        let upload = tokio::spawn(async move {
            let _ = writes
                .write_all(b"POST / HTTP/1.1\r\nHost: shop.test\r\nContent-Length: 50000000\r\n\r\n")
                .await;
            for _ in 0..500 {
                if writes.write_all(&[b'x'; 100_000]).await.is_err() {
                    break;
                }
            }
            writes
        });
        let mut reads = tokio::io::BufReader::new(reads);
        let mut answer = Vec::new();
        within(async {
            while !answer.ends_with(b"much") {
                let read =
                    tokio::io::AsyncReadExt::read_buf(&mut reads, &mut answer).await.expect("no reset");
                assert!(read > 0, "only {}", String::from_utf8_lossy(&answer));
            }
        })
        .await;
        assert!(answer.starts_with(b"HTTP/1.1 413 "), "{}", String::from_utf8_lossy(&answer));
        drop(reads);
        upload.abort();
    }
    counts_become(&proxy, V1, 0, 0).await;
}

/// The proxy itself answers at once; the rest of the upload must not turn that into a reset.
#[tokio::test]
async fn an_answer_of_ours_arrives_through_an_upload() {
    let proxy = proxy();
    for _ in 0..5 {
        let mut client = Peer::connect(proxy.local_addr()).await;
        client.send("POST / HTTP/1.1\r\nHost: shop.test\r\nContent-Length: 20000000\r\n\r\n").await;
        let block = vec![b'x'; 100_000];
        for _ in 0..100 {
            client.send(&block).await;
        }
        let (head, body) = client.response().await;
        assert!(head.starts_with("HTTP/1.1 503 "), "{head}");
        assert_eq!(body, "No active release\n");
    }
}

/// The application answers while the request is still coming, and both go on to their ends.
#[tokio::test]
async fn both_bodies_may_be_under_way_at_once() {
    let (app, mut connections) = App::by_hand().await;
    let proxy = proxy_to(app.address);
    let mut client = Peer::connect(proxy.local_addr()).await;
    client.send("POST / HTTP/1.1\r\nHost: shop.test\r\nContent-Length: 6\r\n\r\n").await;
    let mut upstream = next(&mut connections).await;
    upstream.head().await;
    upstream.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n").await;
    client.head().await;
    for n in ["1", "2", "3"] {
        client.send(n).await;
        assert_eq!(upstream.exactly(1).await, n);
        upstream.send(format!("1\r\n{n}\r\n")).await;
        assert_eq!(client.chunk().await, n);
    }
    client.send("end").await;
    assert_eq!(upstream.exactly(3).await, "end");
    upstream.send("0\r\n\r\n").await;
    assert_eq!(client.chunk().await, "");
}

/// A client that does not read stops the application from writing.
#[tokio::test]
async fn a_slow_reader_is_not_buffered_for() {
    let (app, mut connections) = App::by_hand().await;
    let proxy = proxy_to(app.address);
    let mut client = Peer::connect(proxy.local_addr()).await;
    client.send("GET / HTTP/1.1\r\nHost: shop.test\r\n\r\n").await;
    let mut upstream = next(&mut connections).await;
    upstream.head().await;
    upstream.send("HTTP/1.1 200 OK\r\nContent-Length: 200000000\r\n\r\n").await;
    let mut sent: u64 = 0;
    // The kernel's buffers take some megabytes; 200 of them mean that nobody holds the application back.
    while let Ok(written) =
        tokio::time::timeout(Duration::from_millis(300), upstream.stream.write(&[b'x'; 65_536])).await
    {
        sent += written.expect("the proxy is there") as u64;
        assert!(sent < 100_000_000, "{sent} bytes are buffered somewhere");
    }
    client.reset();
    upstream.gone().await;
    counts_become(&proxy, V1, 0, 0).await;
}

fn impatient(address: std::net::SocketAddr, half_close_timeout: Duration) -> DrainingProxy {
    let options =
        ProxyOptions { limits: ProxyLimits { half_close_timeout, ..ProxyLimits::default() }, ..options() };
    let proxy = DrainingProxy::bind(options).expect("a free port");
    assert!(proxy.switch_to(Traffic::to(V1, [address])).is_none());
    proxy
}

/// A client that is gone takes its request with it: before the head, in the answer, in its own body.
#[tokio::test]
async fn a_client_that_leaves_frees_the_application() {
    let (app, mut connections) = App::by_hand().await;
    for (properly, patience) in [(false, 5_000), (true, 0), (true, 50)] {
        let proxy = impatient(app.address, Duration::from_millis(patience));
        for (request, answer) in [
            ("GET / HTTP/1.1\r\nHost: shop.test\r\n\r\n", ""),
            ("GET / HTTP/1.1\r\nHost: shop.test\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n"),
            ("POST / HTTP/1.1\r\nHost: shop.test\r\nContent-Length: 9\r\n\r\nhalf", ""),
        ] {
            let mut client = Peer::connect(proxy.local_addr()).await;
            client.send(request).await;
            let mut upstream = next(&mut connections).await;
            upstream.head().await;
            upstream.send(answer).await;
            if !answer.is_empty() {
                client.head().await;
            }
            assert_eq!(proxy.counts(V1).http, 1);
            if properly {
                drop(client);
            } else {
                client.reset();
            }
            upstream.gone().await;
            counts_become(&proxy, V1, 0, 0).await;
        }
    }
}

/// A request that breaks off is not the application's fault, and nothing is told about it.
#[tokio::test]
async fn a_request_that_breaks_off_is_nobodys_failure() {
    let (app, mut connections) = App::by_hand().await;
    let (proxy, mut errors) = observed(app.address);
    for properly in [true, false] {
        let mut client = Peer::connect(proxy.local_addr()).await;
        client.send("POST / HTTP/1.1\r\nHost: shop.test\r\nContent-Length: 9\r\n\r\nhalf").await;
        let mut upstream = next(&mut connections).await;
        upstream.head().await;
        if properly {
            client.stream.shutdown().await.expect("it is open");
            assert_eq!(client.rest().await.0, "");
        } else {
            client.reset();
        }
        upstream.gone().await;
        counts_become(&proxy, V1, 0, 0).await;
    }
    drop(proxy);
    assert_eq!(within(errors.recv()).await, None);
}

/// A client may close its sending side after a whole request, and still gets its answer.
#[tokio::test]
async fn a_half_closed_client_is_answered() {
    let (app, mut connections) = App::by_hand().await;
    let proxy = proxy_to(app.address);
    let mut client = Peer::connect(proxy.local_addr()).await;
    client.send("GET / HTTP/1.1\r\nHost: shop.test\r\n\r\n").await;
    let mut upstream = next(&mut connections).await;
    upstream.head().await;
    client.stream.shutdown().await.expect("it is connected");
    upstream.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello").await;
    assert!(client.head().await.starts_with("HTTP/1.1 200 "));
    assert_eq!(client.exactly(5).await, "hello");
    upstream.send("world").await;
    let (rest, end) = client.rest().await;
    assert_eq!(rest, "world");
    end.expect("it ends well");
    counts_become(&proxy, V1, 0, 0).await;
}
