//! Requests that wait: for paused traffic, and for an application that is started again.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use rollcore::{BackendState, DrainingProxy, ParkCounts, ProxyLimits, ProxyOptions, Traffic};
use tokio::sync::mpsc;

use crate::support::*;

fn limited(limits: ProxyLimits) -> DrainingProxy {
    DrainingProxy::bind(ProxyOptions { limits, ..options() }).expect("a free port")
}

/// A proxy whose application is supervised: by the test.
fn supervised(address: SocketAddr) -> DrainingProxy {
    let proxy = proxy();
    assert!(proxy.switch_to(Traffic::to(V1, [address]).supervised()).is_none());
    proxy
}

/// Waits until so many requests wait.
async fn parked_become(proxy: &DrainingProxy, count: usize) {
    within(async {
        while proxy.parked().now != count {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    })
    .await;
}

async fn ask(proxy: &DrainingProxy, method: &str, path: &str) -> Peer {
    let mut client = Peer::connect(proxy.local_addr()).await;
    client.send(format!("{method} {path} HTTP/1.1\r\nHost: shop.test\r\nContent-Length: 0\r\n\r\n")).await;
    client
}

/// An application that tells which paths it was asked for, and on the how-manieth of its connections.
async fn listed() -> (App, mpsc::UnboundedReceiver<(usize, String)>) {
    let (sender, paths) = mpsc::unbounded_channel();
    let connections = AtomicUsize::new(0);
    let app = App::start(move |mut peer| {
        let sender = sender.clone();
        let number = connections.fetch_add(1, Ordering::SeqCst);
        async move {
            loop {
                let head = peer.head().await;
                let Some(path) = head.split(' ').nth(1) else { return };
                let _ = sender.send((number, path.to_owned()));
                peer.send(ok("hello")).await;
            }
        }
    });
    (app.await, paths)
}

#[tokio::test]
async fn paused_requests_wait_and_go_in_their_order() {
    let (app, mut paths) = listed().await;
    let proxy = proxy_to(app.address);
    proxy.pause();
    assert!(proxy.is_paused());
    let mut clients = Vec::new();
    for number in 0..50 {
        let method = if number % 2 == 0 { "GET" } else { "POST" };
        clients.push(ask(&proxy, method, &format!("/{number}")).await);
        parked_become(&proxy, number + 1).await;
    }
    assert!(paths.try_recv().is_err(), "nothing passes");
    assert_eq!(proxy.counts(V1).total(), 0, "whoever waits belongs to no release");
    proxy.resume();
    for client in &mut clients {
        assert_eq!(client.response().await.1, "hello");
    }
    for _ in 0..50 {
        let (number, path) = next(&mut paths).await;
        assert_eq!(path, format!("/{number}"), "whoever came first is connected first");
    }
    assert_eq!(proxy.parked(), ParkCounts { total: 50, ..ParkCounts::default() });
    assert_eq!(clients[0].get("/after").await.1, "hello");
}

#[tokio::test]
async fn a_pause_does_not_touch_what_is_under_way() {
    let (app, mut connections) = App::by_hand().await;
    let proxy = proxy_to(app.address);
    let mut client = ask(&proxy, "GET", "/before").await;
    let mut upstream = next(&mut connections).await;
    upstream.head().await;
    proxy.pause();
    upstream.send(ok("done")).await;
    assert_eq!(client.response().await.1, "done");
    client.send("GET /after HTTP/1.1\r\nHost: shop.test\r\n\r\n").await;
    parked_become(&proxy, 1).await;
    proxy.resume();
    assert!(upstream.head().await.starts_with("GET /after "));
}

#[tokio::test]
async fn whoever_waits_too_long_or_finds_no_room_is_told_so() {
    let app = App::saying("hello").await;
    let limits =
        ProxyLimits { park_timeout: Duration::from_millis(50), parked_max: 2, ..ProxyLimits::default() };
    let proxy = limited(limits);
    assert!(proxy.switch_to(Traffic::to(V1, [app.address])).is_none());
    proxy.pause();
    let mut clients = [ask(&proxy, "GET", "/").await, ask(&proxy, "GET", "/").await];
    for client in &mut clients {
        assert!(client.response().await.0.starts_with("HTTP/1.1 503 "));
    }
    assert_eq!(proxy.parked(), ParkCounts { total: 2, timed_out: 2, ..ParkCounts::default() });

    proxy.set_limits(ProxyLimits { parked_max: 1, ..ProxyLimits::default() });
    let mut patient = ask(&proxy, "GET", "/").await;
    parked_become(&proxy, 1).await;
    assert!(ask(&proxy, "GET", "/").await.response().await.0.starts_with("HTTP/1.1 503 "));
    assert_eq!(proxy.parked().refused, 1);
    proxy.resume();
    assert_eq!(patient.response().await.1, "hello");
}

#[tokio::test]
async fn a_client_that_leaves_gives_its_place_up() {
    let app = App::saying("hello").await;
    let proxy = limited(ProxyLimits { parked_max: 1, ..ProxyLimits::default() });
    assert!(proxy.switch_to(Traffic::to(V1, [app.address])).is_none());
    proxy.pause();
    for _ in 0..20 {
        let client = ask(&proxy, "GET", "/").await;
        parked_become(&proxy, 1).await;
        client.reset();
        parked_become(&proxy, 0).await;
    }
    assert_eq!(proxy.parked(), ParkCounts { total: 20, ..ParkCounts::default() });
}

#[tokio::test]
async fn several_threads_let_everybody_go() {
    let app = App::saying("hello").await;
    let proxy = DrainingProxy::bind(ProxyOptions { workers: 4, ..options() }).expect("a free port");
    assert!(proxy.switch_to(Traffic::to(V1, [app.address])).is_none());
    for _ in 0..10 {
        proxy.pause();
        let mut clients = Vec::new();
        for _ in 0..40 {
            clients.push(ask(&proxy, "GET", "/").await);
        }
        parked_become(&proxy, 40).await;
        proxy.resume();
        for client in &mut clients {
            assert_eq!(client.response().await.1, "hello");
        }
    }
    assert_eq!(proxy.parked(), ParkCounts { total: 400, ..ParkCounts::default() });
}

#[tokio::test]
async fn whoever_goes_first_may_take_long() {
    let (app, mut connections) = App::by_hand().await;
    let proxy = supervised(app.address);
    let mut before = ask(&proxy, "GET", "/before").await;
    let mut kept = next(&mut connections).await;
    kept.head().await;
    kept.send(ok("before")).await;
    assert_eq!(before.response().await.1, "before");

    proxy.backend_is(V1, 0, BackendState::Restarting);
    let mut long = ask(&proxy, "GET", "/long").await;
    parked_become(&proxy, 1).await;
    let mut short = ask(&proxy, "GET", "/short").await;
    parked_become(&proxy, 2).await;
    proxy.backend_is(V1, 0, BackendState::Running);
    assert!(kept.head().await.starts_with("GET /long "), "the first one tries, and there is a connection");
    kept.send("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nnot").await;
    let mut fresh = next(&mut connections).await;
    assert!(fresh.head().await.starts_with("GET /short "));
    fresh.send(ok("short")).await;
    assert_eq!(short.response().await.1, "short");
    kept.send(" over!").await;
    assert_eq!(long.response().await.1, "not over!");
}

/// C-106 with a supervisor: nobody hears 502.
#[tokio::test]
async fn a_restart_costs_no_request() {
    let app = App::saying("before").await;
    let address = app.address;
    let proxy = supervised(address);
    let mut kept = Peer::connect(proxy.local_addr()).await;
    assert_eq!(kept.get("/").await.1, "before");
    app.kill().await;

    // Refused before the supervisor has said a word.
    let mut early = ask(&proxy, "POST", "/early").await;
    parked_become(&proxy, 1).await;
    proxy.backend_is(V1, 0, BackendState::Restarting);
    let mut late = ask(&proxy, "GET", "/late").await;
    kept.send("GET /kept HTTP/1.1\r\nHost: shop.test\r\n\r\n").await;
    parked_become(&proxy, 3).await;

    // It runs, and does not listen yet.
    proxy.backend_is(V1, 0, BackendState::Running);
    let mut next = ask(&proxy, "GET", "/next").await;
    parked_become(&proxy, 4).await;
    let app = App::saying_at(address, "after").await;
    for client in [&mut early, &mut late, &mut kept, &mut next] {
        let (head, body) = client.response().await;
        assert_eq!(body, "after", "{head}");
    }
    assert_eq!(proxy.parked(), ParkCounts { total: 4, ..ParkCounts::default() });
    assert!(app.connections() <= 4);
}

/// What an application was doing when it was killed is done by the next one, if it may be.
#[tokio::test]
async fn a_request_that_died_with_the_application_is_sent_again_if_it_may_be() {
    let (app, mut connections) = App::by_hand().await;
    let address = app.address;
    let proxy = supervised(address);
    let (mut get, mut post) = (ask(&proxy, "GET", "/get").await, ask(&proxy, "POST", "/post").await);
    let mut upstreams = vec![next(&mut connections).await, next(&mut connections).await];
    for upstream in &mut upstreams {
        upstream.head().await;
    }
    app.kill().await;
    drop(upstreams);
    assert!(post.response().await.0.starts_with("HTTP/1.1 502 "), "it may have been done");
    parked_become(&proxy, 1).await;
    proxy.backend_is(V1, 0, BackendState::Restarting);
    let _app = App::saying_at(address, "again").await;
    proxy.backend_is(V1, 0, BackendState::Running);
    assert_eq!(get.response().await.1, "again");
}

/// A request that is the reason for the death of its application is not sent forever.
#[tokio::test]
async fn who_kills_the_application_again_and_again_is_not_sent_for_ever() {
    let (app, mut connections) = App::by_hand().await;
    let proxy = supervised(app.address);
    let mut client = ask(&proxy, "GET", "/poison").await;
    for _ in 0..4 {
        let mut upstream = next(&mut connections).await;
        assert!(upstream.head().await.starts_with("GET /poison "));
    }
    assert!(client.response().await.0.starts_with("HTTP/1.1 502 "));
    assert_eq!(app.connections(), 4);
}

#[tokio::test]
async fn without_a_word_of_the_supervisor_the_answer_is_502() {
    let address = nobody().await;
    let proxy = supervised(address);
    let mut clients = [ask(&proxy, "GET", "/").await, ask(&proxy, "GET", "/").await];
    for client in &mut clients {
        assert!(client.response().await.0.starts_with("HTTP/1.1 502 "));
    }
    assert_eq!(proxy.parked().now, 0);

    let alone = proxy_to(address);
    assert!(ask(&alone, "GET", "/").await.response().await.0.starts_with("HTTP/1.1 502 "));
    assert_eq!(alone.parked(), ParkCounts::default(), "nobody would tell");
}

#[tokio::test]
async fn when_the_supervisor_gives_up_everybody_is_answered() {
    let proxy = supervised(nobody().await);
    proxy.backend_is(V1, 0, BackendState::Restarting);
    let mut clients = [ask(&proxy, "GET", "/").await, ask(&proxy, "POST", "/").await];
    parked_become(&proxy, 2).await;
    proxy.backend_is(V1, 0, BackendState::GivenUp);
    for client in &mut clients {
        assert!(client.response().await.0.starts_with("HTTP/1.1 502 "));
    }
    let waited = proxy.parked();
    assert!(ask(&proxy, "GET", "/").await.response().await.0.starts_with("HTTP/1.1 502 "));
    assert_eq!(proxy.parked(), waited, "nobody waits for what will not be");
}

#[tokio::test]
async fn a_switch_sends_whoever_waits_to_the_new_release() {
    let proxy = supervised(nobody().await);
    proxy.backend_is(V1, 0, BackendState::Restarting);
    let mut clients = [ask(&proxy, "GET", "/").await, ask(&proxy, "POST", "/").await];
    parked_become(&proxy, 2).await;
    let next = App::saying("next").await;
    let old = proxy.switch_to(Traffic::to(V2, [next.address]).supervised()).expect("there was a release");
    assert_eq!(within(old.drained(DEADLINE)).await.requests_cut, 0);
    for client in &mut clients {
        assert_eq!(client.response().await.1, "next");
    }
}

/// While one replica runs, a dead one is passed over.
#[tokio::test]
async fn one_of_several_is_passed_over() {
    let app = App::saying("hello").await;
    let proxy = proxy();
    let backends = [nobody().await, app.address];
    assert!(proxy.switch_to(Traffic::to(V1, backends).supervised()).is_none());
    proxy.backend_is(V1, 0, BackendState::Restarting);
    for _ in 0..10 {
        assert_eq!(ask(&proxy, "GET", "/").await.response().await.1, "hello");
    }
    assert_eq!(proxy.parked(), ParkCounts::default());
    proxy.backend_is(V1, 1, BackendState::Restarting);
    let mut client = ask(&proxy, "GET", "/").await;
    parked_become(&proxy, 1).await;
    proxy.backend_is(V1, 1, BackendState::Running);
    assert_eq!(client.response().await.1, "hello");
}

#[tokio::test]
async fn a_proxy_that_closes_lets_nobody_wait() {
    let app = App::saying("hello").await;
    let proxy = proxy_to(app.address);
    proxy.pause();
    let mut client = ask(&proxy, "GET", "/").await;
    parked_become(&proxy, 1).await;
    let report = within(proxy.close(DEADLINE)).await;
    assert!(client.response().await.0.starts_with("HTTP/1.1 503 "));
    assert_eq!(report.requests_cut, 0);
}

/// Whoever could resume it goes with the socket.
#[tokio::test]
async fn a_proxy_that_leaves_resumes() {
    let app = App::saying("hello").await;
    let proxy = proxy_to(app.address);
    proxy.pause();
    let mut client = ask(&proxy, "GET", "/").await;
    parked_become(&proxy, 1).await;
    let _socket = within(proxy.leave(true)).await;
    assert_eq!(client.response().await.1, "hello");
}

/// A WebSocket waits as any request does.
#[tokio::test]
async fn a_handshake_waits_too() {
    let (app, mut connections) = App::by_hand().await;
    let proxy = supervised(app.address);
    proxy.backend_is(V1, 0, BackendState::Restarting);
    let mut client = Peer::connect(proxy.local_addr()).await;
    client
        .send("GET /live HTTP/1.1\r\nHost: shop.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
        .await;
    parked_become(&proxy, 1).await;
    proxy.backend_is(V1, 0, BackendState::Running);
    let mut upstream = next(&mut connections).await;
    upstream.head().await;
    upstream
        .send("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nhi")
        .await;
    assert!(client.head().await.starts_with("HTTP/1.1 101 "));
    assert_eq!(client.exactly(2).await, "hi");
}
