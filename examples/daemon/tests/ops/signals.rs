//! A signal ends a daemon without ending a request (C-145, C-150; better than C-148).

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::support::{Daemon, Place, SOON, until};

/// An application that answers when it is told to: the test itself, behind a process that hands everything on.
struct Slow {
    place: Place,
    daemon: Daemon,
    port: u16,
    application: TcpListener,
}

impl Slow {
    fn new(drain_timeout_ms: u64) -> Self {
        let application = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = application.local_addr().expect("it is bound").port();
        let place = Place::new();
        let config = json!({
            "application": "shop",
            "control": { "path": place.path("control.sock") },
            "proxy": { "port": 0, "upstreamHost": "127.0.0.1", "drainTimeoutMs": drain_timeout_ms },
            "processes": [{
                "id": "web", "policy": "proxied", "port": 0, "health": false,
                "command": ["python3", "-c", FORWARD, "{{port}}", port.to_string()],
            }],
        });
        place.write("rollcore.json", &config.to_string());
        let daemon = place.daemon();
        place.json(&[
            "deploy",
            "--release-path",
            place.path("").to_str().expect("text"),
            "--release-id",
            "v1",
        ]);
        let status = place.json(&["status"]);
        let port = status["proxy"]["port"].as_u64().expect("a port");
        let port = u16::try_from(port).expect("a port");
        until(|| place.run(&["logs"]).stdout.contains("listening"));
        Self { place, daemon, port, application }
    }

    /// A request that the application has got and not answered yet.
    fn request(&self) -> (TcpStream, TcpStream) {
        let mut client = TcpStream::connect(("127.0.0.1", self.port)).expect("the proxy listens");
        client.set_read_timeout(Some(SOON)).expect("it is not zero");
        client.write_all(b"GET / HTTP/1.1\r\nHost: shop\r\n\r\n").expect("the proxy reads");
        let (server, _) = self.application.accept().expect("the request comes");
        server.set_read_timeout(Some(SOON)).expect("it is not zero");
        let mut lines = BufReader::new(server.try_clone().expect("it can be shared")).lines();
        while lines.next().is_some_and(|line| !line.expect("it is text").is_empty()) {}
        (client, server)
    }

    fn process(&self) -> u64 {
        let status: Value = self.place.json(&["status"]);
        status["releases"][0]["processes"][0]["pid"].as_u64().expect("a pid")
    }

    /// Waits until nobody new is let in.
    fn closed(&self) {
        until(|| TcpStream::connect(("127.0.0.1", self.port)).is_err());
    }
}

/// Hands each connection on to the test.
const FORWARD: &str = "
import socket, sys, threading
def pump(a, b):
    try:
        while data := a.recv(65536): b.sendall(data)
    except OSError: pass
    try: b.shutdown(socket.SHUT_WR)
    except OSError: pass
server = socket.create_server(('127.0.0.1', int(sys.argv[1])))
print('listening', flush=True)
while True:
    a, _ = server.accept()
    b = socket.create_connection(('127.0.0.1', int(sys.argv[2])))
    for pair in ((a, b), (b, a)): threading.Thread(target=pump, args=pair, daemon=True).start()
";

fn answer(mut server: TcpStream) {
    server
        .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello")
        .expect("the proxy reads");
}

fn read(mut client: TcpStream) -> String {
    let mut text = String::new();
    client.read_to_string(&mut text).expect("an answer, or its end");
    text
}

/// Nobody new is let in, whoever is inside is answered, and then everything stops.
#[test]
fn a_signal_lets_open_requests_finish() {
    let mut slow = Slow::new(60_000);
    let pid = slow.process();
    let (client, server) = slow.request();
    slow.daemon.signal(Signal::SIGTERM);
    slow.closed();
    assert!(crate::support::is_alive(pid), "it still has a request");
    answer(server);
    assert!(read(client).ends_with("hello"));
    assert_eq!(slow.daemon.code(), Some(0));
    assert!(!crate::support::is_alive(pid), "a process was left behind");
}

/// The budget is `proxy.drainTimeoutMs`.
#[test]
fn a_request_that_takes_too_long_is_cut() {
    let mut slow = Slow::new(300);
    let (client, _server) = slow.request();
    let begin = Instant::now();
    slow.daemon.signal(Signal::SIGINT);
    assert_eq!(slow.daemon.code(), Some(0));
    assert!(begin.elapsed() >= Duration::from_millis(300), "it had no time");
    assert!(!read(client).contains("200"));
}

/// Better than C-151: a second signal shortens the drain, and leaves no process behind.
#[test]
fn a_second_signal_ends_the_drain() {
    let mut slow = Slow::new(600_000);
    let pid = slow.process();
    let (client, _server) = slow.request();
    slow.daemon.signal(Signal::SIGTERM);
    slow.closed();
    slow.daemon.signal(Signal::SIGTERM);
    assert_eq!(slow.daemon.code(), Some(0));
    assert!(!crate::support::is_alive(pid), "a process was left behind");
    assert!(!read(client).contains("200"));
}
