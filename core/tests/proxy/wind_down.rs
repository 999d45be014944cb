//! Those who would be cut are asked to go before.

use std::time::{Duration, Instant};

use futures_util::{SinkExt, StreamExt};
use rollcore::{DrainReport, DrainingProxy, ProxyLimits, ProxyOptions, Traffic};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

use crate::support::*;

const ASK: &str =
    "GET /socket HTTP/1.1\r\nHost: shop.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
const AGREE: &str = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
const EVENTS: &str =
    "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";
const REASON: &str = "this release is being replaced, please connect again";

/// When something was seen: how spread they are is the point.
#[expect(clippy::disallowed_methods, reason = "a client outside of the library reads its own clock")]
fn clock() -> Instant {
    Instant::now()
}

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

async fn connect(proxy: &DrainingProxy) -> Socket {
    let url = format!("ws://{}/socket", proxy.local_addr());
    within(tokio_tungstenite::connect_async(url)).await.expect("a WebSocket").0
}

/// A tunnel with both ends in our hands.
async fn by_hand(limits: ProxyLimits) -> (App, DrainingProxy, Peer, Peer) {
    let (app, mut connections) = App::by_hand().await;
    let proxy = DrainingProxy::bind(ProxyOptions { limits, ..options() }).expect("a free port");
    let _ = proxy.switch_to(Traffic::to(V1, [app.address]));
    let mut client = Peer::connect(proxy.local_addr()).await;
    client.send(ASK).await;
    let mut upstream = next(&mut connections).await;
    upstream.head().await;
    upstream.send(AGREE).await;
    client.head().await;
    (app, proxy, client, upstream)
}

fn quick() -> ProxyLimits {
    ProxyLimits { tunnel_close_timeout: Duration::from_millis(50), ..ProxyLimits::default() }
}

fn close_frame() -> Vec<u8> {
    let length = u8::try_from(2 + REASON.len()).expect("it is short");
    [&[0x88, length, 0x03, 0xf4], REASON.as_bytes()].concat()
}

fn ended(streams_ended: u64, tunnels_ended: u64) -> DrainReport {
    DrainReport { streams_ended, tunnels_ended, ..DrainReport::default() }
}

fn ends(report: DrainReport) -> DrainReport {
    DrainReport { open_at_start: 0, took: Duration::ZERO, ..report }
}

/// The application never stops sending messages in fragments. The client sees only whole ones, then why it has to go; the
/// application sees the client's own goodbye.
#[tokio::test]
async fn a_websocket_is_told_after_a_whole_message() {
    let (tell, mut said) = mpsc::unbounded_channel();
    let app = App::start(move |peer| {
        let tell = tell.clone();
        async move {
            let socket = tokio_tungstenite::accept_async(peer.stream).await.expect("a WebSocket");
            let (mut writes, mut reads) = socket.split();
            let chatter = async {
                for number in 0_u32.. {
                    let fragments = [(Data::Text, false), (Data::Continue, false), (Data::Continue, true)];
                    for (data, is_last) in fragments {
                        let text = format!("{number};").repeat(100 + number as usize % 1000);
                        let frame = Frame::message(text, OpCode::Data(data), is_last);
                        if writes.send(Message::Frame(frame)).await.is_err() {
                            return;
                        }
                    }
                }
            };
            let close = async {
                while let Some(Ok(message)) = reads.next().await {
                    if let Message::Close(Some(close)) = message {
                        let _ = tell.send((u16::from(close.code), close.reason.to_string()));
                        return;
                    }
                }
            };
            tokio::select! { () = chatter => {}, () = close => {} }
        }
    })
    .await;
    let proxy = proxy_to(app.address);
    let mut socket = connect(&proxy).await;
    let old = proxy.switch_to(Traffic::none()).expect("there was one");
    let mut number = 0;
    let close = loop {
        match within(socket.next()).await.expect("there is more").expect("nothing is torn apart") {
            Message::Text(text) => {
                let word = format!("{number};");
                assert_eq!(text.len(), word.len() * 3 * (100 + number as usize % 1000));
                assert!(text.as_str().split_inclusive(';').all(|found| found == word), "message {number}");
                number += 1;
                if number == 20 {
                    old.wind_down_now();
                }
            }
            Message::Close(close) => break close.expect("it says why"),
            other => panic!("{other:?}"),
        }
    };
    assert!(number >= 20);
    assert_eq!((u16::from(close.code), close.reason.as_str()), (1012, REASON));
    while within(socket.next()).await.is_some_and(|message| message.is_ok()) {}
    assert_eq!(next(&mut said).await, (1012, REASON.to_owned()));
    assert_eq!(ends(within(old.drained(DEADLINE)).await), ended(0, 1));
}

/// Byte by byte: the frame under way, the rest of its message, then the Close frame, and nothing more.
#[tokio::test]
async fn nothing_follows_the_close_frame() {
    let (_app, proxy, mut client, mut upstream) = by_hand(ProxyLimits::default()).await;
    upstream.send(b"\x01\x05he").await;
    assert_eq!(client.exactly(4).await, "\u{1}\u{5}he");
    let old = proxy.switch_to(Traffic::none()).expect("there was one");
    old.wind_down_now();
    upstream.send(b"llo").await;
    assert_eq!(client.exactly(3).await, "llo");
    upstream.send(b"\x89\0\x80\x01!\x81\x03ABC").await;
    assert_eq!(client.raw(5).await, b"\x89\0\x80\x01!", "a ping may stand between fragments");
    let expected = close_frame();
    assert_eq!(client.raw(expected.len()).await, expected);

    client.send(b"\x81\x82\0\0\0\0hi").await;
    assert_eq!(upstream.raw(8).await, b"\x81\x82\0\0\0\0hi", "what it said before it knew");
    let goodbye = b"\x88\x82\0\0\0\0\x03\xf4";
    client.send(goodbye).await;
    assert_eq!(upstream.raw(8).await, goodbye);
    upstream.send(b"\x88\x02\x03\xf4").await;
    drop(upstream);
    let (rest, end) = client.rest().await;
    assert_eq!(rest, "");
    end.expect("it ends well");
    drop(client);
    assert_eq!(ends(within(old.drained(DEADLINE)).await), ended(0, 1));
}

/// A client that does not answer: the application is told for it, and both are closed.
#[tokio::test]
async fn a_silent_client_is_spoken_for() {
    let (_app, proxy, mut client, mut upstream) = by_hand(quick()).await;
    let old = proxy.switch_to(Traffic::none()).expect("there was one");
    old.wind_down_now();
    let expected = close_frame();
    assert_eq!(client.raw(expected.len()).await, expected);
    let frame = upstream.raw(expected.len() + 4).await;
    assert_eq!(frame[..2], [0x88, 0x80 | expected[1]], "a client's frame is masked");
    let unmasked: Vec<u8> =
        frame[6..].iter().zip(frame[2..6].iter().cycle()).map(|(byte, key)| byte ^ key).collect();
    assert_eq!(unmasked, expected[2..]);
    client.gone().await;
    upstream.gone().await;
    assert_eq!(ends(within(old.drained(DEADLINE)).await), ended(0, 1));
}

/// What speaks no WebSocket frames, or is in the middle of one, gets nothing from us that it could take for its own.
#[tokio::test]
async fn nothing_is_said_where_it_would_not_be_understood() {
    for bytes in [&b"\x83\x01?"[..], b"\x81\x7ehal"] {
        let (_app, proxy, mut client, mut upstream) = by_hand(quick()).await;
        upstream.send(bytes).await;
        assert_eq!(client.raw(bytes.len()).await, bytes);
        let old = proxy.switch_to(Traffic::none()).expect("there was one");
        old.wind_down_now();
        let report = within(old.drained(Duration::from_millis(300))).await;
        assert_eq!(ends(report), DrainReport { tunnels_cut: 1, ..ended(0, 0) });
        assert_eq!(client.rest().await.0, "");
    }
}

/// Two hundred clients do not come back all at once: they are told one after the other, the oldest first, and all before
/// the budget is spent.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_are_told_one_after_the_other() {
    const CLIENTS: usize = 200;
    const BUDGET: Duration = Duration::from_secs(4);
    let app = App::start(|peer| async move {
        let mut socket = tokio_tungstenite::accept_async(peer.stream).await.expect("a WebSocket");
        while let Some(Ok(_)) = socket.next().await {}
    })
    .await;
    let proxy = proxy_to(app.address);
    let (tell, mut told) = mpsc::unbounded_channel();
    for number in 0..CLIENTS {
        let (mut socket, tell) = (connect(&proxy).await, tell.clone());
        tokio::spawn(async move {
            while let Some(Ok(message)) = socket.next().await {
                if let Message::Close(Some(close)) = message {
                    let _ = tell.send((number, clock(), u16::from(close.code)));
                }
            }
        });
    }
    counts_become(&proxy, V1, 0, CLIENTS as u64).await;
    let old = proxy.switch_to(Traffic::none()).expect("there was one");
    let began = clock();
    let report = within(old.drained(BUDGET)).await;
    assert_eq!(ends(report), ended(0, CLIENTS as u64));
    assert!(report.took < BUDGET, "{report:?}");

    let mut order = Vec::new();
    for _ in 0..CLIENTS {
        order.push(next(&mut told).await);
    }
    assert!(order.iter().all(|(_, _, code)| *code == 1012));
    let after = |at: usize| order[at].1 - began;
    assert!(after(0) >= BUDGET * 3 / 4, "nobody is told before the last quarter: {:?}", after(0));
    // The window is 1 s, and its first half is for telling.
    let spread = after(CLIENTS - 1) - after(0);
    assert!(spread >= Duration::from_millis(400), "all at once: {spread:?}");
    let oldest = order[..CLIENTS / 2].iter().filter(|(number, ..)| *number < CLIENTS / 2).count();
    assert!(oldest >= CLIENTS * 2 / 5, "only {oldest} of the older half were told first");
}

/// The event under way is finished, the next one is not begun, and the answer has a proper end.
#[tokio::test]
async fn a_stream_ends_after_a_whole_event() {
    let (app, mut connections) = App::by_hand().await;
    let two = App::saying("two").await;
    let proxy = proxy_to(app.address);
    let mut client = Peer::connect(proxy.local_addr()).await;
    client.send("GET /events HTTP/1.1\r\nHost: shop.test\r\n\r\n").await;
    let mut upstream = next(&mut connections).await;
    upstream.head().await;
    upstream.send(format!("{EVENTS}9\r\ndata: 1\n\n\r\n7\r\ndata: 2")).await;
    client.head().await;
    assert_eq!(client.chunk().await, "data: 1\n\n");
    assert_eq!(client.exactly(10).await, "7\r\ndata: 2");
    let old = proxy.switch_to(Traffic::to(V2, [two.address])).expect("there was one");
    old.wind_down_now();
    upstream.send("\r\n").await;
    assert_eq!(client.exactly(2).await, "\r\n", "the chunk under way is finished");
    upstream.send("14\r\n\n\ndata: 3\n\ndata: 4\n\r\n").await;
    assert_eq!(client.chunk().await, "\n\n", "and so is the event, in a chunk of its own");
    assert_eq!(client.exactly(5).await, "0\r\n\r\n");
    upstream.gone().await;
    assert_eq!(ends(within(old.drained(DEADLINE)).await), ended(1, 0));
    assert_eq!(client.get("/").await.1, "two", "its connection is still good");
}

/// Between two events there is nothing to wait for, however the answer is framed.
#[tokio::test]
async fn a_silent_stream_ends_at_once() {
    let until_close = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\n\r\n";
    for (version, head, event, before, expected) in [
        ("1.1", EVENTS, "9\r\ndata: 1\n\n\r\n", 14, "9\r\ndata: 1\n\n\r\n0\r\n\r\n"),
        ("1.1", EVENTS, "9\r\ndata: 1\n\n", 12, "9\r\ndata: 1\n\n\r\n0\r\n\r\n"),
        ("1.1", EVENTS, "", 0, "0\r\n\r\n"),
        ("1.1", until_close, "data: 1\n\n", 14, "9\r\ndata: 1\n\n\r\n0\r\n\r\n"),
        ("1.0", EVENTS, "9\r\ndata: 1\n\n\r\n", 9, "data: 1\n\n"),
        ("1.0", until_close, ":\n", 2, ":\n"),
    ] {
        let (app, mut connections) = App::by_hand().await;
        let proxy = proxy_to(app.address);
        let mut client = Peer::connect(proxy.local_addr()).await;
        client.send(format!("GET /events HTTP/{version}\r\nHost: shop.test\r\n\r\n")).await;
        let mut upstream = next(&mut connections).await;
        upstream.head().await;
        upstream.send(format!("{head}{event}")).await;
        client.head().await;
        let first = client.exactly(before).await;
        let old = proxy.switch_to(Traffic::none()).expect("there was one");
        old.wind_down_now();
        upstream.gone().await;
        let rest = client.exactly(expected.len() - first.len()).await;
        assert_eq!(format!("{first}{rest}"), expected, "{version} {head}");
        assert_eq!(ends(within(old.drained(DEADLINE)).await), ended(1, 0), "{version} {head}");
        if version == "1.0" {
            let (rest, end) = client.rest().await;
            assert_eq!(rest, "");
            end.expect("a proper end, no reset");
        }
    }
}

/// A stream whose length is known, or that nobody but its client can read, is left alone.
#[tokio::test]
async fn other_streams_are_not_ended() {
    for field in ["Content-Length: 100", "Transfer-Encoding: chunked\r\nContent-Encoding: gzip"] {
        let (app, mut connections) = App::by_hand().await;
        let proxy = proxy_to(app.address);
        let mut client = Peer::connect(proxy.local_addr()).await;
        client.send("GET /events HTTP/1.1\r\nHost: shop.test\r\n\r\n").await;
        let mut upstream = next(&mut connections).await;
        upstream.head().await;
        upstream.send(format!("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n{field}\r\n\r\n")).await;
        client.head().await;
        let old = proxy.switch_to(Traffic::none()).expect("there was one");
        old.wind_down_now();
        let report = within(old.drained(Duration::from_millis(100))).await;
        assert_eq!(ends(report), DrainReport { requests_cut: 1, ..ended(0, 0) }, "{field}");
        client.gone().await;
    }
}

/// Whose answer has not begun is told with it that it is the last one.
#[tokio::test]
async fn a_last_answer_says_so() {
    let (app, mut connections) = App::by_hand().await;
    let proxy = proxy_to(app.address);
    let mut client = Peer::connect(proxy.local_addr()).await;
    client.send("GET / HTTP/1.1\r\nHost: shop.test\r\n\r\n").await;
    let mut upstream = next(&mut connections).await;
    upstream.head().await;
    let old = proxy.switch_to(Traffic::none()).expect("there was one");
    old.wind_down_now();
    upstream.send(ok("last")).await;
    let (head, body) = client.response().await;
    assert_eq!((field(&head, "connection").as_deref(), &*body), (Some("close"), "last"), "{head}");
    client.gone().await;
    assert_eq!(ends(within(old.drained(DEADLINE)).await), ended(0, 0));
}

/// The end of the proxy is polite, too.
#[tokio::test]
async fn closing_asks_those_who_stay() {
    let app = App::start(|peer| async move {
        let mut socket = tokio_tungstenite::accept_async(peer.stream).await.expect("a WebSocket");
        while let Some(Ok(_)) = socket.next().await {}
    })
    .await;
    let proxy = proxy_to(app.address);
    let mut socket = connect(&proxy).await;
    let reader = tokio::spawn(async move {
        let mut codes = Vec::new();
        while let Some(Ok(message)) = socket.next().await {
            if let Message::Close(Some(close)) = message {
                codes.push(u16::from(close.code));
            }
        }
        codes
    });
    let report = within(proxy.close(Duration::from_secs(2))).await;
    assert_eq!(ends(report), ended(0, 1));
    assert_eq!(within(reader).await.expect("it does not panic"), [1012]);
}
