//! What passes, what is removed, what is added (compat C-93..C-98, C-102; RFC 9110 §7.6.1).

use rollcore::TrustedFronts;

use crate::support::*;

/// The head that an application sees for `request`, which has no body.
async fn seen(request: &str) -> String {
    let (app, mut connections) = App::by_hand().await;
    let proxy = proxy_to(app.address);
    let mut client = Peer::connect(proxy.local_addr()).await;
    client.send(request).await;
    let head = next(&mut connections).await.head().await;
    assert!(head.ends_with("\r\n\r\n"), "{head}");
    head
}

/// C-94; better than C-96: the bytes of the target pass as they were sent.
#[tokio::test]
async fn the_request_line_and_host_pass_as_they_are() {
    let head =
        seen("PATCH //a/../b\\c%2f?x=1&&y=//?z HTTP/1.1\r\nHost: Shop.test:8182\r\nX-Own: 1\r\n\r\n").await;
    assert!(head.starts_with("PATCH //a/../b\\c%2f?x=1&&y=//?z HTTP/1.1\r\n"), "{head}");
    assert_eq!(field(&head, "host").as_deref(), Some("Shop.test:8182"));
    assert_eq!(field(&head, "x-own").as_deref(), Some("1"));
}

/// C-95.
#[tokio::test]
async fn absolute_targets_become_path_and_query() {
    let head = seen("GET http://shop.test/a?b=c HTTP/1.1\r\nHost: shop.test\r\n\r\n").await;
    assert!(head.starts_with("GET /a?b=c HTTP/1.1\r\n"), "{head}");
    let head = seen("GET http://shop.test HTTP/1.1\r\nHost: shop.test\r\n\r\n").await;
    assert!(head.starts_with("GET / HTTP/1.1\r\n"), "{head}");
    let head = seen("OPTIONS * HTTP/1.1\r\nHost: shop.test\r\n\r\n").await;
    assert!(head.starts_with("OPTIONS * HTTP/1.1\r\n"), "{head}");
}

/// C-93.
#[tokio::test]
async fn forwarded_fields_are_added() {
    let head = seen("GET / HTTP/1.1\r\nHost: shop.test:8182\r\n\r\n").await;
    assert_eq!(field(&head, "x-forwarded-for").as_deref(), Some("127.0.0.1"));
    assert_eq!(field(&head, "x-forwarded-port").as_deref(), Some("8182"));
    assert_eq!(field(&head, "x-forwarded-proto").as_deref(), Some("http"));
    assert_eq!(field(&head, "x-forwarded-host").as_deref(), Some("shop.test:8182"));
}

/// C-93.
#[tokio::test]
async fn forwarded_fields_are_appended_to_those_that_are_there() {
    let head = seen(
        "GET / HTTP/1.1\r\nHost: shop.test\r\nX-Forwarded-For: 9.9.9.9\r\nX-Forwarded-Proto: https\r\n\
         X-Forwarded-Host: evil\r\nX-Forwarded-Port: 443\r\n\r\n",
    )
    .await;
    assert_eq!(field(&head, "x-forwarded-for").as_deref(), Some("9.9.9.9,127.0.0.1"));
    // One value, the front's: "https,http" would say nothing.
    assert_eq!(field(&head, "x-forwarded-proto").as_deref(), Some("https"));
    assert_eq!(field(&head, "x-forwarded-port").as_deref(), Some("443,80"));
    assert_eq!(field(&head, "x-forwarded-host").as_deref(), Some("evil"));
}

#[tokio::test]
async fn hop_by_hop_fields_stay_here() {
    let head = seen(
        "GET / HTTP/1.1\r\nHost: shop.test\r\nConnection: keep-alive, X-Secret, X-Forwarded-For, Host\r\nX-Secret: 1\r\n\
         Keep-Alive: timeout=9\r\nTE: trailers\r\nProxy-Connection: x\r\nExpect: 100-continue\r\n\r\n",
    )
    .await;
    for gone in ["connection", "x-secret", "keep-alive", "te", "proxy-connection", "expect"] {
        assert_eq!(field(&head, gone), None, "{head}");
    }
    // What Connection names goes before ours is added, and Host cannot be named away.
    assert_eq!(field(&head, "x-forwarded-for").as_deref(), Some("127.0.0.1"));
    assert_eq!(field(&head, "host").as_deref(), Some("shop.test"));
}

/// An upgrade that we do not know is ignored (RFC 9110 §7.8; better than C-104).
#[tokio::test]
async fn other_upgrades_are_ignored() {
    let head = seen(
        "GET /x HTTP/1.1\r\nHost: shop.test\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n\
         HTTP2-Settings: AAMAAABk\r\n\r\n",
    )
    .await;
    assert!(head.starts_with("GET /x "), "{head}");
    assert_eq!((field(&head, "upgrade"), field(&head, "http2-settings")), (None, None));
    let head = seen(
        "POST /x HTTP/1.1\r\nHost: shop.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 0\r\n\r\n",
    )
    .await;
    assert_eq!(field(&head, "upgrade"), None);
}

/// C-100: an old client may leave Host out, an application that gets HTTP/1.1 wants it.
#[tokio::test]
async fn http_10_gets_a_host() {
    let head = seen("GET / HTTP/1.0\r\n\r\n").await;
    assert!(head.starts_with("GET / HTTP/1.1\r\n"), "{head}");
    assert!(field(&head, "host").is_some_and(|host| host.starts_with("127.0.0.1:")), "{head}");
}

/// C-98.
#[tokio::test]
async fn the_answers_head_passes() {
    let app = App::start(|mut peer| async move {
        peer.head().await;
        peer.send(
            "HTTP/1.1 299 Rather Fine\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\nConnection: X-Own, keep-alive\r\nX-Own: 1\r\n\
             Keep-Alive: timeout=5\r\nX-Two: 2\r\nContent-Length: 2\r\n\r\nok",
        )
        .await;
        peer.gone().await;
    })
    .await;
    let proxy = proxy_to(app.address);
    let (head, body) = Peer::connect(proxy.local_addr()).await.get("/").await;
    assert!(head.starts_with("HTTP/1.1 299 Rather Fine\r\n"), "{head}");
    assert_eq!(field(&head, "set-cookie").as_deref(), Some("a=1|b=2"));
    assert_eq!(field(&head, "x-two").as_deref(), Some("2"));
    assert_eq!((field(&head, "x-own"), field(&head, "keep-alive"), field(&head, "date")), (None, None, None));
    assert_eq!(body, "ok");
}

/// What an application sees behind a proxy that trusts these fronts; we are at 127.0.0.1.
async fn seen_by(fronts: &TrustedFronts, request: &str) -> String {
    let (app, mut connections) = App::by_hand().await;
    let proxy = proxy_to(app.address);
    proxy.trust(fronts.clone());
    let mut client = Peer::connect(proxy.local_addr()).await;
    client.send(request).await;
    next(&mut connections).await.head().await
}

const FORGED: &str = "X-Forwarded-For: 9.9.9.9\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: evil\r\n\
                      X-Forwarded-Port: 443\r\n";

/// Anybody can send these fields; only a front is believed.
#[tokio::test]
async fn a_client_that_is_no_front_cannot_forge_where_it_comes_from() {
    let request = format!("GET / HTTP/1.1\r\nHost: shop.test:8182\r\n{FORGED}\r\n");
    let head = seen_by(&TrustedFronts::none(), &request).await;
    assert_eq!(field(&head, "x-forwarded-for").as_deref(), Some("127.0.0.1"));
    assert_eq!(field(&head, "x-forwarded-proto").as_deref(), Some("http"));
    assert_eq!(field(&head, "x-forwarded-port").as_deref(), Some("8182"));
    assert_eq!(field(&head, "x-forwarded-host").as_deref(), Some("shop.test:8182"));

    let fronts = TrustedFronts::from_texts(["127.0.0.1"]).expect("an address");
    let head = seen_by(&fronts, &request).await;
    assert_eq!(field(&head, "x-forwarded-for").as_deref(), Some("9.9.9.9,127.0.0.1"));
    assert_eq!(field(&head, "x-forwarded-proto").as_deref(), Some("https"));
}

/// C-102, and one value here too: behind a front that speaks TLS a WebSocket came by `https`.
#[tokio::test]
async fn a_fronts_protocol_stays_for_websockets() {
    let ask = |forged: &str| {
        format!(
            "GET /socket HTTP/1.1\r\nHost: shop.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{forged}\r\n"
        )
    };
    let head = seen_by(&TrustedFronts::default(), &ask(FORGED)).await;
    assert_eq!(field(&head, "x-forwarded-proto").as_deref(), Some("https"));
    assert_eq!(field(&head, "x-forwarded-for").as_deref(), Some("9.9.9.9,127.0.0.1"));
    let head = seen_by(&TrustedFronts::none(), &ask(FORGED)).await;
    assert_eq!(field(&head, "x-forwarded-proto").as_deref(), Some("ws"));
    assert_eq!(field(&head, "x-forwarded-host"), None);
}
