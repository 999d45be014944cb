//! What is refused, end to end (RFC 9110, RFC 9112, RFC 6585): what two readers could understand differently goes no
//! further, and a connection in doubt is closed.

mod bad_requests;

use tokio::io::AsyncWriteExt;
use tokio::sync::mpsc::UnboundedReceiver;

use crate::support::*;
use bad_requests::bad_requests;

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/// A request of this client, as the application gets it on a new connection.
async fn arrives(client: &mut Peer, connections: &mut UnboundedReceiver<Peer>) -> Peer {
    client.send("GET / HTTP/1.1\r\nHost: shop.test\r\n\r\n").await;
    let mut upstream = next(connections).await;
    upstream.head().await;
    upstream
}

fn status(head: &str) -> u16 {
    head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or_default()
}

/// Whether the version or the line is what is wrong is for nobody to know.
fn is_as_expected(found: u16, expected: u16) -> bool {
    found == expected || (expected == 400 && found == 505)
}

#[tokio::test]
async fn what_could_be_understood_in_two_ways_never_reaches_the_application() {
    let (app, mut connections) = App::by_hand().await;
    let proxy = proxy_to(app.address);
    for (rule, request, expected) in bad_requests() {
        let mut client = Peer::connect(proxy.local_addr()).await;
        // What is smuggled behind it must not be answered.
        client.send(format!("{request}GET /smuggled HTTP/1.1\r\nHost: shop.test\r\n\r\n")).await;
        let (head, _) = client.response().await;
        assert!(is_as_expected(status(&head), expected), "{rule}: {request:?}\n{head}");
        assert_eq!(field(&head, "connection").as_deref(), Some("close"), "{rule}: {request:?}");
        assert_eq!(client.rest().await.0, "", "{rule}: {request:?}");
    }
    assert_eq!(app.connections(), 0, "the application has seen one of them");
    counts_become(&proxy, V1, 0, 0).await;
    assert!(connections.try_recv().is_err());
}

/// Each in pieces, too: what is refused does not depend on how it comes.
#[tokio::test]
async fn what_is_refused_is_refused_in_any_pieces() {
    let (app, _connections) = App::by_hand().await;
    let proxy = proxy_to(app.address);
    for (rule, request, expected) in bad_requests().into_iter().filter(|(_, request, _)| request.len() < 400)
    {
        let mut client = Peer::connect(proxy.local_addr()).await;
        for byte in request.as_bytes() {
            // It may be refused before its end.
            if client.stream.write_all(&[*byte]).await.is_err() {
                break;
            }
            tokio::task::yield_now().await;
        }
        let (head, _) = client.response().await;
        assert!(is_as_expected(status(&head), expected), "{rule}: {request:?}\n{head}");
    }
    assert_eq!(app.connections(), 0, "the application has seen one of them");
}

/// RFC 9112 §7.1.
#[tokio::test]
async fn malformed_chunks_end_the_request_and_both_connections() {
    let (app, mut connections) = App::by_hand().await;
    let proxy = proxy_to(app.address);
    for (at, chunks) in [
        "\r\n",
        " 5\r\nhello\r\n",
        "5 \r\nhello\r\n",
        "5\nhello\r\n",
        "0x5\r\nhello\r\n",
        "+5\r\nhello\r\n",
        "-5\r\n",
        "g\r\n",
        "5\r\nhelloX",
        "5\r\nhello\n",
        "5\r\nhello\rX",
        "5\r\nhello0\r\n\r\n",
        "fffffffffffffffff\r\n",
        "5;a\nhello",
        "5;a\rb\r\nhello",
        "5;a=\"\r\0\"\r\n",
        "5;a\0\r\nhello",
        "0\r\nA\r\n\r\n",
        "0\r\nA : b\r\n\r\n",
        "0\r\n: b\r\n\r\n",
        "0\r\nA: b\n\r\n",
        "0\r\nA: b\r\n c\r\n\r\n",
        "0\r\n\n",
        "0\r\n \r\n",
        "5,5\r\n",
    ]
    .iter()
    .enumerate()
    {
        let mut client = Peer::connect(proxy.local_addr()).await;
        // Half of them come when the application has the request already.
        let is_late = at % 2 == 0;
        client.send("POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n").await;
        let mut upstream = None;
        if is_late {
            let mut peer = next(&mut connections).await;
            peer.head().await;
            upstream = Some(peer);
        }
        client.send(format!("{chunks}GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n")).await;
        let (head, _) = client.response().await;
        assert_eq!(status(&head), 400, "{chunks:?}\n{head}");
        assert_eq!(field(&head, "connection").as_deref(), Some("close"), "{chunks:?}");
        assert_eq!(client.rest().await.0, "", "{chunks:?}");
        let peers = upstream.into_iter().chain(std::iter::from_fn(|| connections.try_recv().ok()));
        for mut peer in peers {
            let (heard, _) = peer.rest().await;
            assert!(
                !heard.contains("smuggled") && !heard.ends_with("\r\n0\r\n\r\n"),
                "{chunks:?}: {heard:?}"
            );
        }
    }
    counts_become(&proxy, V1, 0, 0).await;
}

/// Odd, and with one meaning only.
#[tokio::test]
async fn what_is_odd_and_clear_passes() {
    let (app, mut connections) = App::by_hand().await;
    let proxy = proxy_to(app.address);
    let host = "Host: shop.test\r\n";
    for (rule, request, line, has) in [
        ("9112 §2.2: empty lines in front", format!("\r\n\r\nGET / HTTP/1.1\r\n{host}\r\n"), "GET / ", ""),
        (
            "9110 §5.5: text beyond ASCII",
            format!("GET / HTTP/1.1\r\n{host}X: \u{e4}\r\n\r\n"),
            "GET / ",
            "X: \u{e4}\r\n",
        ),
        ("9110 §5.5: an empty value", format!("GET / HTTP/1.1\r\n{host}X:\r\n\r\n"), "GET / ", "X: \r\n"),
        (
            "9110 §5.5: spaces around it",
            format!("GET / HTTP/1.1\r\n{host}X:\t y\t \r\n\r\n"),
            "GET / ",
            "X: y\r\n",
        ),
        (
            "9112 §3.2.2: absolute",
            format!("GET http://SHOP.test/a?b HTTP/1.1\r\n{host}\r\n"),
            "GET /a?b ",
            "",
        ),
        ("9112 §3.2.2: absolute", format!("GET https://shop.test HTTP/1.1\r\n{host}\r\n"), "GET / ", ""),
        ("9112 §3.2.4: asterisk", format!("OPTIONS * HTTP/1.1\r\n{host}\r\n"), "OPTIONS * ", ""),
        ("9110 §9.1: any token", format!("get / HTTP/1.1\r\n{host}\r\n"), "get / ", ""),
        (
            "3986 §3.3",
            format!("GET //a/../%00/;b=c?d?e=//&f HTTP/1.1\r\n{host}\r\n"),
            "GET //a/../%00/;b=c?d?e=//&f ",
            "",
        ),
        (
            "9110 §8.6: zeros in front",
            format!("PUT / HTTP/1.1\r\n{host}Content-Length: 000\r\n\r\n"),
            "PUT / ",
            "Content-Length: 0\r\n",
        ),
        (
            "9110 §7.8: h2c is ignored",
            format!(
                "GET / HTTP/1.1\r\n{host}Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: x\r\n\r\n"
            ),
            "GET / ",
            "",
        ),
    ] {
        let mut client = Peer::connect(proxy.local_addr()).await;
        client.send(&request).await;
        let mut upstream = next(&mut connections).await;
        let head = upstream.head().await;
        assert!(head.starts_with(&format!("{line}HTTP/1.1\r\n")) && head.contains(has), "{rule}: {head}");
        assert!(
            !head.to_lowercase().contains("upgrade") && !head.contains("HTTP2-Settings"),
            "{rule}: {head}"
        );
        // So that the next one comes on a connection of its own.
        upstream.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok").await;
        assert_eq!(client.response().await.1, "ok", "{rule}");
    }
}

/// The application's head is as suspicious as the client's.
#[tokio::test]
async fn a_malformed_answer_is_a_502_and_its_connection_is_dropped() {
    let (app, mut connections) = App::by_hand().await;
    let proxy = proxy_to(app.address);
    let mut client = Peer::connect(proxy.local_addr()).await;
    let too_large = format!("HTTP/1.1 200 OK\r\nX: {}\r\n\r\n", "y".repeat(70_000));
    let too_many = format!("HTTP/1.1 200 OK\r\n{}\r\n", "X: y\r\n".repeat(101));
    for (rule, answer) in [
        ("9112 §6.3", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nok"),
        ("9112 §6.3", "HTTP/1.1 200 OK\r\nContent-Length: 2, 2\r\n\r\nok"),
        ("9110 §8.6", "HTTP/1.1 200 OK\r\nContent-Length: +2\r\n\r\nok"),
        ("9110 §8.6", "HTTP/1.1 200 OK\r\nContent-Length:\r\n\r\nok"),
        ("9112 §6.1", "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"),
        ("9112 §6.1", "HTTP/1.1 200 OK\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n"),
        ("9112 §6.1", "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
        ("9112 §5.1", "HTTP/1.1 200 OK\r\nContent-Length : 2\r\n\r\nok"),
        ("9112 §5.2", "HTTP/1.1 200 OK\r\nX: a\r\n b\r\nContent-Length: 2\r\n\r\nok"),
        ("9112 §2.2", "HTTP/1.1 200 OK\nContent-Length: 2\r\n\r\nok"),
        ("9112 §2.2", "HTTP/1.1 200 OK\r\nX: a\rb\r\nContent-Length: 2\r\n\r\nok"),
        ("9110 §5.5", "HTTP/1.1 200 OK\r\nX: \0\r\nContent-Length: 2\r\n\r\nok"),
        ("9112 §4", "HTTP/2.0 200 OK\r\nContent-Length: 2\r\n\r\nok"),
        ("9112 §4", "HTTP/1.1 20 OK\r\nContent-Length: 2\r\n\r\nok"),
        ("9112 §4", "HTTP/1.1 099 OK\r\nContent-Length: 2\r\n\r\nok"),
        ("9112 §4", "SSH-2.0-OpenSSH\r\n\r\n"),
        ("9112 §4", "\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"),
        (
            "9110 §15.2.2",
            "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
        ),
        ("9112 §7.1", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0x2\r\nok\r\n"),
        ("head_bytes_max", &too_large),
        ("head_fields_max", &too_many),
    ] {
        let mut upstream = arrives(&mut client, &mut connections).await;
        // It may be dropped before the end of it.
        let _ = upstream.stream.write_all(answer.as_bytes()).await;
        let (head, body) = client.response().await;
        assert_eq!((status(&head), body.as_str()), (502, "Bad gateway\n"), "{rule}: {answer:?}");
        upstream.gone().await;
    }
    counts_become(&proxy, V1, 0, 0).await;
}

/// RFC 9112 §9.2, §6.3: bytes that answer nothing would be taken for the next answer.
#[tokio::test]
async fn a_connection_with_surplus_bytes_carries_no_other_request() {
    let (app, mut connections) = App::by_hand().await;
    let proxy = proxy_to(app.address);
    let mut client = Peer::connect(proxy.local_addr()).await;
    let stolen = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nstolen";
    for surplus in [
        format!("{OK}{stolen}"),
        format!("{OK}\r\n"),
        format!("HTTP/1.1 204 No Content\r\nContent-Length: {}\r\n\r\n{stolen}", stolen.len()),
        format!("HTTP/1.1 304 Not Modified\r\nContent-Length: {}\r\n\r\n{stolen}", stolen.len()),
        format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n{stolen}"),
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n2\r\nok\r\n0\r\n\r\n"
            .to_owned(),
        "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok".to_owned(),
    ] {
        let mut upstream = arrives(&mut client, &mut connections).await;
        upstream.send(&surplus).await;
        let head = client.head().await;
        assert_ne!(status(&head), 502, "{surplus:?}");
        assert!(
            field(&head, "content-length").is_none() || field(&head, "transfer-encoding").is_none(),
            "{head}"
        );
        match field(&head, "transfer-encoding") {
            Some(_) => assert_eq!((client.chunk().await.as_str(), client.chunk().await.as_str()), ("ok", "")),
            None if status(&head) == 200 => assert_eq!(client.exactly(2).await, "ok"),
            None => {}
        }
        upstream.gone().await;
    }
    // And those that come later, when the connection is idle.
    let mut upstream = arrives(&mut client, &mut connections).await;
    upstream.send(OK).await;
    assert_eq!(client.response().await.1, "ok");
    upstream.send(stolen).await;
    upstream.gone().await;
    arrives(&mut client, &mut connections).await.send(OK).await;
    assert_eq!(client.response().await.1, "ok");
}

/// RFC 9110 §7.8: only what was asked for and agreed to becomes a tunnel.
#[tokio::test]
async fn a_tunnel_needs_an_agreement_about_what_was_asked_for() {
    let (app, mut connections) = App::by_hand().await;
    let proxy = proxy_to(app.address);
    let asks = "GET /s HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
    for answer in [
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n",
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n\r\n",
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nUpgrade: h2c\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
    ] {
        let mut client = Peer::connect(proxy.local_addr()).await;
        client.send(asks).await;
        let mut upstream = next(&mut connections).await;
        upstream.head().await;
        upstream.send(answer).await;
        let (head, _) = client.rest().await;
        assert!(!head.contains("101"), "{answer:?}: {head}");
        // What the client says now reaches nobody.
        let _ = client.stream.write_all(b"GET /smuggled HTTP/1.1\r\n\r\n").await;
        assert_eq!(upstream.rest().await.0, "", "{answer:?}");
    }
    counts_become(&proxy, V1, 0, 0).await;
}
