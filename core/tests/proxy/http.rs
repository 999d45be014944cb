//! Requests and answers in every framing (compat C-90..C-92, C-98..C-100).

use rollcore::{DrainingProxy, ProxyOptions, Traffic};

use crate::support::*;

/// C-90.
#[tokio::test]
async fn without_a_release_the_answer_is_503() {
    let proxy = proxy();
    let mut client = Peer::connect(proxy.local_addr()).await;
    for _ in 0..2 {
        let (head, body) = client.get("/").await;
        assert!(head.starts_with("HTTP/1.1 503 Service Unavailable\r\n"), "{head}");
        assert_eq!(field(&head, "content-type").as_deref(), Some("text/plain; charset=utf-8"));
        assert_eq!(body, "No active release\n");
    }
}

/// C-91.
#[tokio::test]
async fn an_application_that_is_not_there_is_502() {
    let address = nobody().await;
    let (proxy, mut errors) = observed(address);
    let mut client = Peer::connect(proxy.local_addr()).await;
    let (head, body) = client.get("/").await;
    assert!(head.starts_with("HTTP/1.1 502 Bad Gateway\r\n"), "{head}");
    assert_eq!(field(&head, "content-type").as_deref(), Some("text/plain; charset=utf-8"));
    assert_eq!(body, "Bad gateway\n");
    assert_eq!(next(&mut errors).await, (format!("connect ECONNREFUSED {address}"), false));
    // The client connection is none the worse for it.
    assert!(client.get("/").await.0.starts_with("HTTP/1.1 502 "));
    counts_become(&proxy, V1, 0, 0).await;
}

/// C-91.
#[tokio::test]
async fn an_application_that_hangs_up_is_502() {
    let app = App::start(|mut peer| async move {
        let head = peer.head().await;
        match head.split(' ').nth(1) {
            Some("/reset") => peer.reset(),
            Some("/half") => peer.send("HTTP/1.1 200 OK\r\nConte").await,
            Some("/rubbish") => peer.send("SSH-2.0-OpenSSH\r\n\r\n").await,
            Some("/switch") => {
                peer.send("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n").await;
            }
            _ => {}
        }
    })
    .await;
    let (proxy, mut errors) = observed(app.address);
    let mut client = Peer::connect(proxy.local_addr()).await;
    for (path, text) in [
        ("/", "socket hang up"),
        ("/half", "socket hang up"),
        ("/reset", "read ECONNRESET"),
        ("/rubbish", "Parse Error"),
        ("/switch", "unexpected 101"),
    ] {
        let (head, body) = client.get(path).await;
        assert!(head.starts_with("HTTP/1.1 502 "), "{path}: {head}");
        assert_eq!(body, "Bad gateway\n");
        let (message, head_sent) = next(&mut errors).await;
        assert!(message.starts_with(text) && !head_sent, "{path}: {message}");
    }
    counts_become(&proxy, V1, 0, 0).await;
}

/// C-92: chunked, with a length, and until the end of the connection.
#[tokio::test]
async fn an_answer_that_breaks_off_never_looks_whole() {
    let app = App::start(|mut peer| async move {
        let head = peer.head().await;
        if head.starts_with("GET /chunked") {
            peer.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n").await;
        } else {
            peer.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello").await;
        }
    })
    .await;
    let (proxy, mut errors) = observed(app.address);
    for (path, version) in [("/chunked", 1), ("/length", 1), ("/chunked", 0), ("/length", 0)] {
        let mut client = Peer::connect(proxy.local_addr()).await;
        client.send(format!("GET {path} HTTP/1.{version}\r\nHost: shop.test\r\n\r\n")).await;
        let (answer, end) = client.rest().await;
        assert!(!answer.ends_with("0\r\n\r\n"), "{answer}");
        if field(&answer, "content-length").is_none() && version == 0 {
            assert!(end.is_err(), "an HTTP/1.0 client takes the end for the end: {answer}");
        }
        let (message, head_sent) = next(&mut errors).await;
        assert!(head_sent, "{message}");
    }
    counts_become(&proxy, V1, 0, 0).await;
}

#[tokio::test]
async fn answers_without_a_body_have_none() {
    let app = App::start(|mut peer| async move {
        loop {
            let head = peer.head().await;
            let answer = match head.split(' ').nth(1) {
                Some("/204") => "HTTP/1.1 204 No Content\r\nX-Is: 204\r\n\r\n",
                Some("/304") => "HTTP/1.1 304 Not Modified\r\nETag: x\r\n\r\n",
                Some("/early") => {
                    "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
                }
                Some(_) => "HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n",
                None => return,
            };
            peer.send(answer).await;
        }
    })
    .await;
    let proxy = proxy_to(app.address);
    let mut client = Peer::connect(proxy.local_addr()).await;
    client.send("HEAD /head HTTP/1.1\r\nHost: shop.test\r\n\r\n").await;
    let head = client.head().await;
    assert_eq!(field(&head, "content-length").as_deref(), Some("5000"), "{head}");
    assert_eq!(field(&client.get("/204").await.0, "x-is").as_deref(), Some("204"));
    assert!(client.get("/304").await.0.starts_with("HTTP/1.1 304 "));
    client.send("GET /early HTTP/1.1\r\nHost: shop.test\r\n\r\n").await;
    assert_eq!(client.head().await, "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n");
    assert!(client.response().await.0.starts_with("HTTP/1.1 200 "));
    assert_eq!(app.connections(), 1, "none of these ends the connection to the application");
    counts_become(&proxy, V1, 0, 0).await;
}

/// C-100.
#[tokio::test]
async fn http_10_gets_no_chunks_and_the_end_is_the_end() {
    let app = App::start(|mut peer| async move {
        while !peer.head().await.is_empty() {
            peer.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n").await;
        }
    })
    .await;
    let proxy = proxy_to(app.address);
    for ask in ["", "Connection: keep-alive\r\n"] {
        let mut client = Peer::connect(proxy.local_addr()).await;
        client.send(format!("GET / HTTP/1.0\r\n{ask}\r\n")).await;
        let (answer, end) = client.rest().await;
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("\r\n\r\nhello"), "{answer}");
        assert_eq!(field(&answer, "transfer-encoding"), None);
        end.expect("it is whole");
    }
}

/// An application of the old kind: no framing but the end of its connection.
#[tokio::test]
async fn an_answer_until_the_end_becomes_chunks() {
    let app = App::start(|mut peer| async move {
        peer.head().await;
        peer.send("HTTP/1.0 200 OK\r\n\r\nhello").await;
    })
    .await;
    let proxy = proxy_to(app.address);
    let mut client = Peer::connect(proxy.local_addr()).await;
    for _ in 0..2 {
        client.send("GET / HTTP/1.1\r\nHost: shop.test\r\n\r\n").await;
        let head = client.head().await;
        assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
        assert_eq!((client.chunk().await, client.chunk().await), ("hello".to_owned(), String::new()));
    }
}

/// RFC 9112 §6.3: with both framings the chunks count, and the length goes no further.
#[tokio::test]
async fn a_length_beside_chunks_goes_no_further() {
    let app = App::start(|mut peer| async move {
        peer.head().await;
        peer.send("HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n").await;
        peer.gone().await;
    })
    .await;
    let proxy = proxy_to(app.address);
    let mut client = Peer::connect(proxy.local_addr()).await;
    client.send("GET / HTTP/1.1\r\nHost: shop.test\r\n\r\n").await;
    let head = client.head().await;
    assert_eq!(field(&head, "content-length"), None, "{head}");
    assert_eq!(client.chunk().await, "hello");
}

#[tokio::test]
async fn requests_that_would_be_understood_differently_behind_us_are_refused() {
    let app = App::saying("never").await;
    let proxy = proxy_to(app.address);
    for request in [
        "GET / HTTP/1.1\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        "CONNECT shop.test:80 HTTP/1.1\r\nHost: shop.test:80\r\n\r\n",
        "GET / HTTP/1.1\r\nHost : shop.test\r\n\r\n",
    ] {
        let mut client = Peer::connect(proxy.local_addr()).await;
        client.send(request).await;
        let (answer, _) = client.rest().await;
        assert!(answer.starts_with("HTTP/1.1 400 Bad Request\r\n"), "{request}: {answer}");
    }
    assert_eq!(app.connections(), 0);
}

#[tokio::test]
async fn a_head_beyond_the_limit_is_431() {
    let app = App::saying("never").await;
    let proxy = proxy_to(app.address);
    let mut client = Peer::connect(proxy.local_addr()).await;
    client.send(format!("GET / HTTP/1.1\r\nHost: shop.test\r\nX: {}\r\n\r\n", "x".repeat(70_000))).await;
    let (answer, _) = client.rest().await;
    assert!(answer.starts_with("HTTP/1.1 431 "), "{answer}");
}

#[tokio::test]
async fn requests_in_a_row_are_answered_in_a_row() {
    let app = App::start(|mut peer| async move {
        loop {
            let head = peer.head().await;
            let Some(path) = head.split(' ').nth(1) else { return };
            peer.send(ok(path)).await;
        }
    })
    .await;
    let proxy = proxy_to(app.address);
    let mut client = Peer::connect(proxy.local_addr()).await;
    let requests: Vec<String> =
        (0..20).map(|n| format!("GET /{n} HTTP/1.1\r\nHost: shop.test\r\n\r\n")).collect();
    client.send(requests.concat()).await;
    for n in 0..20 {
        assert_eq!(client.response().await.1, format!("/{n}"));
    }
}

/// C-89: an IPv6 address is an address.
#[tokio::test]
async fn ipv6_works_on_both_sides() {
    let listener = tokio::net::TcpListener::bind("[::1]:0").await.expect("this machine has ::1");
    let address = listener.local_addr().expect("it is bound");
    let proxy = DrainingProxy::bind(ProxyOptions::new("::1", 0)).expect("a free port");
    assert!(proxy.local_addr().is_ipv6());
    proxy.switch_to(Traffic::to(V1, [("::1", address.port())]));
    let mut client = Peer::connect(proxy.local_addr()).await;
    client.send("GET / HTTP/1.1\r\nHost: [::1]:8182\r\n\r\n").await;
    let mut upstream = Peer::new(within(listener.accept()).await.expect("the proxy dials").0);
    let head = upstream.head().await;
    assert_eq!(field(&head, "x-forwarded-for").as_deref(), Some("::1"));
    assert_eq!(field(&head, "x-forwarded-port").as_deref(), Some("8182"));
    upstream.send(ok("six")).await;
    assert_eq!(client.response().await.1, "six");
}
