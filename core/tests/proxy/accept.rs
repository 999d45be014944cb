//! How clients come in, and on whose threads they are served.

use std::net::TcpListener;
use std::time::Duration;

use rollcore::{DrainingProxy, ProxyLimits, ProxyOptions, ServeOn, Traffic};
use tokio::runtime::{Builder, Handle};

use crate::support::*;

/// The same story on threads of the proxy's own and on the runtime of the test.
async fn serves_switches_and_closes(serve_on: ServeOn, workers: usize) {
    let (old_app, new_app) = (App::saying("old").await, App::saying("new").await);
    let options = ProxyOptions { serve_on, workers, ..options() };
    let proxy = DrainingProxy::bind(options).expect("a free port");
    let _ = proxy.switch_to(Traffic::to(V1, [old_app.address]));
    let mut clients = Vec::new();
    for _ in 0..40 {
        clients.push(Peer::connect(proxy.local_addr()).await);
    }
    for client in &mut clients {
        assert_eq!(client.get("/").await.1, "old");
    }
    assert_eq!(proxy.admissions().connections, 40);
    let old = proxy.switch_to(Traffic::to(V2, [new_app.address])).expect("there was a release");
    for client in &mut clients {
        assert_eq!(client.get("/").await.1, "new");
    }
    assert_eq!(within(old.drained(DEADLINE)).await.requests_cut, 0);
    let report = within(proxy.close(DEADLINE)).await;
    assert_eq!(report.requests_cut, 0);
    for mut client in clients {
        assert_eq!(client.rest().await.0, "");
    }
    assert_eq!(proxy.admissions().connections, 0, "every place is given back");
    TcpListener::bind(proxy.local_addr()).expect("the address is free");
}

#[tokio::test]
async fn on_threads_of_its_own() {
    serves_switches_and_closes(ServeOn::OwnThreads, 1).await;
    serves_switches_and_closes(ServeOn::OwnThreads, 3).await;
}

#[tokio::test]
async fn on_a_runtime_of_one_thread() {
    serves_switches_and_closes(ServeOn::Runtime(Handle::current()), 1).await;
    serves_switches_and_closes(ServeOn::Runtime(Handle::current()), 3).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_a_runtime_of_many_threads() {
    serves_switches_and_closes(ServeOn::Runtime(Handle::current()), 2).await;
}

/// A runtime that ends takes its connections with it; the proxy that was served on it can still be closed.
#[test]
fn a_runtime_that_ends_is_no_trap() {
    let served = Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
    let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let app = App::saying("hello").await;
        let serve_on = ServeOn::Runtime(served.handle().clone());
        let proxy = DrainingProxy::bind(ProxyOptions { serve_on, ..options() }).expect("a free port");
        let _ = proxy.switch_to(Traffic::to(V1, [app.address]));
        let mut client = Peer::connect(proxy.local_addr()).await;
        assert_eq!(client.get("/").await.1, "hello");
        served.shutdown_background();
        client.gone().await;
        assert_eq!(within(proxy.close(DEADLINE)).await.requests_cut, 0);
    });
}

/// Whoever has connected before the end is served even if that is one more than there are places for.
#[tokio::test]
async fn who_waits_for_a_place_is_served_at_the_end() {
    let app = App::saying("hello").await;
    let limits = ProxyLimits { connections_max: 1, ..ProxyLimits::default() };
    let proxy = DrainingProxy::bind(ProxyOptions { limits, ..options() }).expect("a free port");
    let _ = proxy.switch_to(Traffic::to(V1, [app.address]));
    let mut first = Peer::connect(proxy.local_addr()).await;
    assert_eq!(first.get("/").await.1, "hello");
    let mut second = Peer::connect(proxy.local_addr()).await;
    second.send("GET / HTTP/1.1\r\nHost: shop.test\r\n\r\n").await;
    let (report, answer) = tokio::join!(proxy.close(DEADLINE), second.response());
    assert_eq!((report.requests_cut, answer.1.as_str()), (0, "hello"));
}

/// A crowd comes at once, several times, and each time every place is given back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_count_is_exact_whatever_comes_and_goes() {
    let app = App::saying("hello").await;
    let limits = ProxyLimits { connections_max: 20, ..ProxyLimits::default() };
    let options = ProxyOptions { limits, workers: 2, ..options() };
    let proxy = DrainingProxy::bind(options).expect("a free port");
    let _ = proxy.switch_to(Traffic::to(V1, [app.address]));
    for round in 0..3_u64 {
        let mut crowd = tokio::task::JoinSet::new();
        for number in 0..100_u64 {
            let address = proxy.local_addr();
            crowd.spawn(async move {
                let mut client = Peer::connect(address).await;
                match (number + round) % 4 {
                    0 => drop(client),
                    1 => client.reset(),
                    2 => assert_eq!(client.get("/").await.1, "hello"),
                    _ => {
                        client.send("GET / HT").await;
                        tokio::time::sleep(Duration::from_millis(number % 7)).await;
                    }
                }
            });
        }
        let mut most = 0;
        while within(crowd.join_next()).await.is_some() {
            most = most.max(proxy.admissions().connections);
        }
        assert!(most <= 20, "{most}");
        within(async {
            while proxy.admissions().connections != 0 {
                tokio::task::yield_now().await;
            }
        })
        .await;
    }
}
