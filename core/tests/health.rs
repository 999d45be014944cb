//! `HealthChecker` against real sockets (compat C-81..C-84).
#![expect(clippy::disallowed_methods, reason = "a test measures how long real probes take")]

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use rollcore::{HealthChecker, HealthError, HealthReason, HealthSchedule, HttpProbe, Ready};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const MS: fn(u64) -> Duration = Duration::from_millis;

fn schedule() -> HealthSchedule {
    HealthSchedule { timeout: MS(400), interval: MS(20), start_delay: MS(0), probe_timeout: MS(5_000) }
}

/// An app that gives the n-th connection the n-th answer, and repeats the last one.
async fn app(answers: &'static [&'static str]) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("it is bound");
    tokio::spawn(async move {
        for n in 0.. {
            let (stream, _) = listener.accept().await.expect("a connection");
            tokio::spawn(answer(stream, answers[n.min(answers.len() - 1)]));
        }
    });
    address
}

async fn answer(mut stream: TcpStream, text: &str) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.expect("a request"));
    }
    assert!(head.starts_with(b"GET /ping?x=1 HTTP/1.1\r\n"), "{}", String::from_utf8_lossy(&head));
    let sent = text.strip_suffix("hang").unwrap_or(text);
    stream.write_all(sent.as_bytes()).await.expect("the prober listens");
    if !text.ends_with("hang") {
        return;
    }
    // Hold the connection until the prober gives up.
    let _ = stream.read_u8().await;
}

async fn check(address: SocketAddr, schedule: HealthSchedule) -> (Result<Ready, HealthError>, Duration) {
    let began = Instant::now();
    let checker = HealthChecker::new(HttpProbe::get(format!("http://{address}/ping?x=1")), schedule);
    (checker.wait_ready().await, began.elapsed())
}

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
const UNAVAILABLE: &str = "HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n";

/// C-81.
#[tokio::test]
async fn ready_after_failures() {
    let address = app(&[UNAVAILABLE, "", "rubbish\r\n\r\n", OK]).await;
    let (result, took) = check(address, HealthSchedule { timeout: MS(10_000), ..schedule() }).await;
    assert_eq!(result.expect("the fourth answer is good").attempts, 4);
    assert!(took >= MS(60), "three intervals of 20 ms, but took {took:?}");
}

/// C-81.
#[tokio::test]
async fn any_2xx_is_ready() {
    for answer in [&["HTTP/1.1 204 No Content\r\n\r\n"], &["HTTP/1.0 299 Odd\r\n\r\nendless hang"]] {
        let (result, _) =
            check(app(answer).await, HealthSchedule { timeout: MS(10_000), ..schedule() }).await;
        assert_eq!(result.expect(answer[0]).attempts, 1);
    }
}

/// The status is what counts; redirects are not followed (stricter than C-82), 304 fails. C-83.
#[tokio::test]
async fn other_statuses_are_named() {
    let cases: [(&'static [&'static str], u16); 4] = [
        (&["HTTP/1.1 500 Oops\r\ncontent-length: 0\r\n\r\n"], 500),
        (&["HTTP/1.1 304 Not Modified\r\n\r\n"], 304),
        (&["HTTP/1.1 302 Found\r\nlocation: /ready\r\ncontent-length: 0\r\n\r\n"], 302),
        (&["HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n"], 404),
    ];
    for (answers, status) in cases {
        let address = app(answers).await;
        let (result, took) = check(address, HealthSchedule { timeout: MS(100), ..schedule() }).await;
        let error = result.expect_err("it is not 2xx");
        assert_eq!(error.reason, HealthReason::Status(status));
        assert_eq!(error.code(), "health_check_failed");
        assert_eq!(
            error.to_string(),
            format!("Health check failed for http://{address}/ping?x=1: HTTP {status}")
        );
        assert!(error.attempts >= 2, "{error:?}");
        assert!((MS(100)..MS(400)).contains(&took), "{took:?}");
    }
}

/// The probe had what was left of the total timeout when it began.
fn assert_no_answer(error: &HealthError) {
    let HealthReason::NoAnswer { within } = error.reason else { panic!("{error}") };
    assert!((MS(350)..=MS(400)).contains(&within), "{error}");
    assert!(error.to_string().contains(": no answer within "), "{error}");
}

/// Better than C-84.
#[tokio::test]
async fn a_hang_ends_at_the_timeout() {
    for answer in [&["hang"], &["HTTP/1.1 200 OK\r\nslow: hang"]] {
        let (result, took) = check(app(answer).await, schedule()).await;
        let error = result.expect_err("there is no whole head");
        assert_no_answer(&error);
        assert_eq!(error.attempts, 1);
        // Not before its time, and not later than a busy machine explains.
        assert!((MS(400)..MS(800)).contains(&took), "{took:?}");
    }
}

/// Better than C-84.
#[tokio::test]
async fn a_hung_probe_is_followed_by_another() {
    let patient = HealthSchedule { timeout: MS(10_000), probe_timeout: MS(50), ..schedule() };
    let (result, _) = check(app(&["hang", "hang", OK]).await, patient).await;
    assert_eq!(result.expect("the third answer is good").attempts, 3);
}

/// A socket that is bound and listens, but nobody accepts: the kernel answers the handshake.
#[tokio::test]
async fn a_listener_that_never_accepts_is_no_answer() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let (result, took) = check(listener.local_addr().expect("it is bound"), schedule()).await;
    assert_no_answer(&result.expect_err("nobody answers"));
    assert!((MS(400)..MS(800)).contains(&took), "{took:?}");
}

/// C-83.
#[tokio::test]
async fn refused_and_garbage_are_fetch_failed() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let refused = listener.local_addr().expect("it is bound");
    drop(listener);
    for address in [refused, app(&["SSH-2.0-OpenSSH_9.2\r\n"]).await, app(&[""]).await] {
        let (result, _) = check(address, HealthSchedule { timeout: MS(80), ..schedule() }).await;
        let error = result.expect_err("there is no answer");
        assert!(error.to_string().ends_with(": fetch failed"), "{error}");
        assert!(error.attempts >= 2, "{error:?}");
    }
}

/// C-83.
#[tokio::test]
async fn a_url_that_cannot_be_asked_is_fetch_failed_and_no_time_is_no_attempts() {
    let brief = HealthSchedule { timeout: MS(30), ..schedule() };
    let error = HealthChecker::new(HttpProbe::get("https://localhost/"), brief).wait_ready().await;
    assert_eq!(error.expect_err("no TLS").reason, HealthReason::FetchFailed);
    let none = HealthSchedule { timeout: MS(0), ..schedule() };
    let error = HealthChecker::new(HttpProbe::get("http://127.0.0.1:1/"), none).wait_ready().await;
    assert_eq!(
        error.expect_err("no time").to_string(),
        "Health check failed for http://127.0.0.1:1/: no attempts"
    );
}

#[tokio::test]
async fn ipv6_addresses_are_asked() {
    let Ok(listener) = TcpListener::bind("[::1]:0").await else { return };
    let address = listener.local_addr().expect("it is bound");
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.expect("a connection");
        answer(stream, OK).await;
    });
    check(address, schedule()).await.0.expect("it is ready");
}

/// Dropping the future is how a supervisor says that the process is gone.
#[tokio::test]
async fn dropping_the_future_closes_the_probe() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let probe = HttpProbe::get(format!("http://{}/", listener.local_addr().expect("it is bound")));
    let checker = HealthChecker::new(probe, HealthSchedule { timeout: MS(60_000), ..schedule() });
    let checking = tokio::spawn(async move { checker.wait_ready().await });
    let (mut stream, _) = listener.accept().await.expect("a probe");
    checking.abort();
    let mut rest = Vec::new();
    tokio::time::timeout(MS(5_000), stream.read_to_end(&mut rest))
        .await
        .expect("closed")
        .expect("at its end");
}

#[tokio::test]
async fn a_unix_socket_is_asked_too() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().join("web.1");
    let checker = HealthChecker::new(HttpProbe::get_at(&path, "/ping?x=1"), schedule());
    let waiting = tokio::spawn(async move { checker.wait_ready().await });
    let listener = tokio::net::UnixListener::bind(&path).expect("the name is free");
    let (mut stream, _) = listener.accept().await.expect("a connection");
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.expect("a request"));
    }
    let head = String::from_utf8(head).expect("it is text");
    assert!(head.starts_with("GET /ping?x=1 HTTP/1.1\r\n") && head.contains("host: localhost\r\n"), "{head}");
    stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await.expect("the prober listens");
    waiting.await.expect("it does not panic").expect("it is ready");

    drop(listener);
    let dead = HealthChecker::new(HttpProbe::get_at(&path, "/ping"), schedule());
    let failed = dead.wait_ready().await.expect_err("nobody listens").to_string();
    assert_eq!(failed, format!("Health check failed for http://unix:{}:/ping: fetch failed", path.display()));
}
