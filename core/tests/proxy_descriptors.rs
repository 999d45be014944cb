//! A proxy without descriptors left goes on once there are some again. It runs in a process of its own, because a limit
//! of descriptors is one of the whole process.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::time::Duration;

use rollcore::{DrainingProxy, Generation, ProxyOptions, Traffic};

const ROLE: &str = "ROLLCORE_TEST_UPSTREAM";

#[test]
fn out_of_descriptors_is_a_pause() {
    match std::env::var(ROLE) {
        Ok(upstream) => be_the_proxy(upstream.parse().expect("an address")),
        Err(_) => starve_a_proxy(),
    }
}

/// The child: 40 descriptors, until its stdin ends.
fn be_the_proxy(upstream: SocketAddr) {
    let proxy = DrainingProxy::bind(ProxyOptions::new("127.0.0.1", 0)).expect("a free port");
    let _ = proxy.switch_to(Traffic::to(Generation(1), [upstream]));
    let mut out = std::io::stdout();
    writeln!(out, "listening {}", proxy.local_addr()).expect("the parent reads");
    out.flush().expect("the parent reads");
    let _ = std::io::stdin().read(&mut [0]);
}

fn starve_a_proxy() {
    let app = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let upstream = app.local_addr().expect("it is bound").to_string();
    std::thread::spawn(move || {
        for stream in app.incoming() {
            std::thread::spawn(move || answer(stream.expect("a connection")));
        }
    });
    let program = std::env::current_exe().expect("we run");
    let mut child = Command::new("/bin/sh")
        .args(["-c", "ulimit -n 40; exec \"$0\" --exact out_of_descriptors_is_a_pause --nocapture"])
        .arg(program)
        .env(ROLE, upstream)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("there is a shell");
    // Kept until the end: the child's test runner prints its result, too.
    let mut lines = BufReader::new(child.stdout.take().expect("it is piped")).lines();
    let address: SocketAddr = lines
        .by_ref()
        .map_while(Result::ok)
        .find_map(|line| line.split_once("listening ")?.1.parse().ok())
        .expect("the child listens");

    // Far more than it can take; those it has not accepted wait in the kernel's queue.
    let crowd: Vec<TcpStream> =
        (0..100).map(|_| TcpStream::connect(address).expect("the kernel takes it")).collect();
    let mut first = &crowd[0];
    assert!(
        get(&mut first).is_ok_and(|answer| answer.starts_with("HTTP/1.1 ")),
        "an accepted client is served"
    );
    drop(crowd);
    let late = TcpStream::connect(address).expect("it still listens");
    let answer = get(&mut &late).expect("it answers");
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");

    drop(child.stdin.take());
    let rest: Vec<String> = lines.map_while(Result::ok).collect();
    assert!(child.wait().expect("it is our child").success(), "{rest:?}");
}

fn get(stream: &mut &TcpStream) -> std::io::Result<String> {
    stream.set_read_timeout(Some(Duration::from_secs(20)))?;
    stream.write_all(b"GET / HTTP/1.1\r\nHost: shop.test\r\n\r\n")?;
    let mut answer = [0; 1024];
    let read = stream.read(&mut answer)?;
    Ok(String::from_utf8_lossy(&answer[..read]).into_owned())
}

fn answer(mut stream: TcpStream) {
    let mut request = [0; 4096];
    while matches!(stream.read(&mut request), Ok(1..)) {
        if stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").is_err() {
            return;
        }
    }
}
