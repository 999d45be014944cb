//! SIGKILL under load: requests that may happen twice do not fail, and those that may not happen twice do not.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::shop::{DEADLINE, Shop};

/// How often the web process is killed.
const KILLS: u32 = 20;

/// One keep-alive connection of a client.
struct Client(TcpStream);

impl Client {
    async fn connect(proxy: SocketAddr) -> Self {
        Self(TcpStream::connect(proxy).await.expect("the proxy listens"))
    }

    /// The status of the answer, once all of it has come.
    async fn ask(&mut self, method: &str, path: &str) -> u16 {
        let request = format!("{method} {path} HTTP/1.1\r\nHost: shop\r\nContent-Length: 0\r\n\r\n");
        self.0.write_all(request.as_bytes()).await.expect("the proxy reads");
        let mut answer = Vec::new();
        let whole = async {
            while !is_whole(&answer) {
                assert_ne!(
                    self.0.read_buf(&mut answer).await.expect("an answer"),
                    0,
                    "an end, and no answer"
                );
            }
        };
        tokio::time::timeout(DEADLINE, whole).await.expect("the proxy answers");
        std::str::from_utf8(&answer[9..12]).expect("a status").parse().expect("a number")
    }
}

fn is_whole(answer: &[u8]) -> bool {
    let text = String::from_utf8_lossy(answer).to_lowercase();
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    body.len() == length.expect("a length").parse::<usize>().expect("a number")
}

/// What the clients have seen.
#[derive(Default)]
struct Seen {
    is_over: AtomicBool,
    gets: AtomicU64,
    failed_gets: AtomicU64,
}

async fn get_until_over(proxy: SocketAddr, seen: Arc<Seen>) {
    let mut client = Client::connect(proxy).await;
    while !seen.is_over.load(Ordering::SeqCst) {
        let status = client.ask("GET", "/").await;
        seen.gets.fetch_add(1, Ordering::SeqCst);
        seen.failed_gets.fetch_add(u64::from(status != 200), Ordering::SeqCst);
    }
}

/// The paths of what was ordered, and the answers.
async fn order_until_over(proxy: SocketAddr, seen: Arc<Seen>, name: u32) -> HashMap<String, u16> {
    let mut client = Client::connect(proxy).await;
    let mut answers = HashMap::new();
    while !seen.is_over.load(Ordering::SeqCst) {
        let path = format!("/order/{name}-{}", answers.len());
        let status = client.ask("POST", &path).await;
        answers.insert(path, status);
    }
    answers
}

fn web_pid(shop: &Shop) -> Option<u32> {
    let status = shop.engine.status();
    status.releases[0].processes.iter().find(|process| process.id.to_string() == "web")?.pid
}

/// The peer that we replace loses 500 to 600 requests with each of these.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twenty_kills_under_load_fail_no_request_that_may_happen_twice() {
    let shop = Shop::open_with(|config| config["processes"][0]["restartDelayMs"] = json!(20)).await;
    shop.deploy("v1").await.expect("a healthy release");
    let proxy = shop.engine.proxy_addr();
    let seen = Arc::new(Seen::default());
    let gets: Vec<_> = (0..8).map(|_| tokio::spawn(get_until_over(proxy, Arc::clone(&seen)))).collect();
    let orders: Vec<_> =
        (0..3).map(|name| tokio::spawn(order_until_over(proxy, Arc::clone(&seen), name))).collect();

    for _ in 0..KILLS {
        let before = seen.gets.load(Ordering::SeqCst);
        shop.until_so("answered again", || seen.gets.load(Ordering::SeqCst) > before + 50).await;
        let pid = web_pid(&shop).expect("it answers, so it runs");
        kill(Pid::from_raw(pid.try_into().expect("a pid")), Signal::SIGKILL).expect("it is ours");
        shop.until("restarted", |_| web_pid(&shop).is_some_and(|new| new != pid)).await;
    }
    seen.is_over.store(true, Ordering::SeqCst);
    for client in gets {
        client.await.expect("it saw nothing odd");
    }
    let mut answers = HashMap::new();
    for client in orders {
        answers.extend(client.await.expect("it saw nothing odd"));
    }

    assert_eq!(seen.failed_gets.load(Ordering::SeqCst), 0, "of {:?}", seen.gets);
    let written = std::fs::read_to_string(shop.release_path().join("orders")).expect("there were orders");
    let mut done: HashMap<&str, u32> = HashMap::new();
    written.lines().for_each(|path| *done.entry(path).or_default() += 1);
    assert!(done.values().all(|times| *times == 1), "nothing happens twice: {done:?}");
    let answered = |status| answers.iter().filter(move |(_, answer)| **answer == status);
    assert!(answered(200).all(|(path, _)| done.contains_key(path.as_str())), "what is confirmed is done");
    let lost = answered(502).count();
    assert_eq!(answered(200).count() + lost, answers.len(), "{answers:?}");
    assert_eq!(shop.events("proxy error").len(), lost, "what is lost is reported");
    let parked = shop.engine.status().proxy.parked;
    assert_eq!(parked, 0, "nobody waits any more");
    shop.close().await;
}

/// Who waits for a process that stays down is answered as soon as that is known.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_waits_for_a_process_that_stays_down_is_answered_at_once() {
    let shop = Shop::open_with(|config| {
        config["processes"][0]["restartDelayMs"] = json!(200);
        config["processes"][0]["restart"] = json!({ "maxRestarts": 1 });
    })
    .await;
    shop.deploy("v1").await.expect("a healthy release");
    let mut client = Client::connect(shop.engine.proxy_addr()).await;
    assert_eq!(client.ask("POST", "/die").await, 502);
    assert_eq!(client.ask("GET", "/").await, 200);
    assert_eq!(client.ask("POST", "/die").await, 502);
    // Half of `park_timeout`.
    let answer = tokio::time::timeout(Duration::from_secs(5), client.ask("GET", "/")).await;
    assert_eq!(answer.expect("it does not wait"), 502);
    shop.close().await;
}

/// Pause, run a migration, resume: nobody notices but by the clock.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pause_under_load_fails_no_request() {
    let shop = Shop::open().await;
    shop.deploy("v1").await.expect("a healthy release");
    let proxy = shop.engine.proxy_addr();
    let seen = Arc::new(Seen::default());
    let gets: Vec<_> = (0..8).map(|_| tokio::spawn(get_until_over(proxy, Arc::clone(&seen)))).collect();
    let orders = tokio::spawn(order_until_over(proxy, Arc::clone(&seen), 0));
    for turn in 0..5 {
        let before = seen.gets.load(Ordering::SeqCst);
        shop.until_so("answered", || seen.gets.load(Ordering::SeqCst) > before + 50).await;
        // The third one ends by itself, and a deploy happens during the fourth.
        let timeout = (turn == 2).then_some(Duration::from_millis(100));
        shop.engine.pause(timeout).await.expect("it is not on its way out");
        if turn == 2 {
            shop.until("resumed", |_| shop.events("traffic resumed").len() == 3).await;
            continue;
        }
        shop.until_so("all wait", || shop.engine.status().proxy.parked == 9).await;
        assert_eq!(shop.engine.status().releases[0].connection_count, 0);
        if turn == 3 {
            shop.deploy("v2").await.expect("a healthy release");
            assert_eq!(shop.engine.status().proxy.parked, 9, "a switch does not end a pause");
        }
        shop.engine.resume().await.expect("it is not on its way out");
    }
    seen.is_over.store(true, Ordering::SeqCst);
    for client in gets {
        client.await.expect("it saw nothing odd");
    }
    let answers = orders.await.expect("it saw nothing odd");
    assert_eq!(seen.failed_gets.load(Ordering::SeqCst), 0, "of {:?}", seen.gets);
    assert!(answers.values().all(|status| *status == 200), "{answers:?}");
    assert_eq!(shop.events("traffic paused").len(), 5);
    assert_eq!(shop.events("traffic resumed")[2], json!({ "timedOut": true }));
    assert!(shop.engine.pause(Some(Duration::ZERO)).await.is_err());
    shop.close().await;
}
