//! Without descriptors nobody is let in for a while, the control socket is served all the same, and once there are some
//! again everything is as before. In a process of its own, because a limit of descriptors is one of the whole process.

use std::fs::File;
use std::io::{BufRead, BufReader, Lines, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use rollcore::{
    ControlCommand, ControlReply, ControlServer, ControlSpec, DrainingProxy, Generation, ProxyLimits,
    ProxyOptions, ServeControl, Traffic,
};
use serde_json::json;

const ROLE: &str = "ROLLCORE_TEST_UPSTREAM";
const SOCKET: &str = "ROLLCORE_TEST_SOCKET";
const GET: &[u8] = b"GET / HTTP/1.1\r\nHost: shop.test\r\n\r\n";
const SOON: Duration = Duration::from_secs(20);

#[test]
fn out_of_descriptors_is_a_pause() {
    match (std::env::var(ROLE), std::env::var(SOCKET)) {
        (Ok(upstream), Ok(socket)) => be_the_proxy(upstream.parse().expect("an address"), Path::new(&socket)),
        _ => starve_a_proxy(),
    }
}

/// Knows one answer.
struct Answers;

impl ServeControl for Answers {
    async fn handle(&self, _: ControlCommand) -> ControlReply {
        ControlReply::success(&json!({ "application": "shop" }))
    }
}

/// The child: 64 descriptors, until its stdin ends. It eats what is left of them, and gives them back.
fn be_the_proxy(upstream: SocketAddr, socket: &Path) {
    // Nothing is kept: a descriptor that becomes free by itself would let somebody in.
    let limits = ProxyLimits { upstream_idle_timeout: Duration::ZERO, ..ProxyLimits::default() };
    let options = ProxyOptions { limits, ..ProxyOptions::new("127.0.0.1", 0) };
    let proxy = DrainingProxy::bind(options).expect("a free port");
    let _ = proxy.switch_to(Traffic::to(Generation(1), [upstream]));
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    let runtime = runtime.expect("a runtime");
    let spec = ControlSpec { path: socket.to_owned(), ..ControlSpec::default() };
    let server = runtime.block_on(ControlServer::bind(&spec)).expect("the path is free");
    let _serving = runtime.block_on(async { server.serve(Answers) });
    say(&format!("listening {}", proxy.local_addr()));
    let mut eaten = Vec::new();
    for order in std::io::stdin().lines().map_while(Result::ok) {
        // Whoever was there is gone, with his descriptors, unless he is to be starved.
        while !order.ends_with("beside") && proxy.admissions().connections > 0 {
            std::thread::yield_now();
        }
        match order.as_str() {
            "eat" | "eat beside" => eaten.extend(std::iter::from_fn(|| File::open("/dev/null").ok())),
            _ => eaten.clear(),
        }
        let admissions = proxy.admissions();
        say(&format!("{order} {} {}", admissions.connections_max, admissions.refused_by_shortage));
    }
}

fn say(text: &str) {
    let mut out = std::io::stdout();
    writeln!(out, "{text}").and_then(|()| out.flush()).expect("the parent reads");
}

/// The parent's side of the child.
struct Starved {
    child: Child,
    orders: Option<ChildStdin>,
    lines: Lines<BufReader<ChildStdout>>,
    address: SocketAddr,
    socket: PathBuf,
    /// How many connections the application has.
    to_application: Arc<(Mutex<usize>, Condvar)>,
    _directory: tempfile::TempDir,
}

impl Starved {
    fn start() -> Self {
        let app = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let upstream = app.local_addr().expect("it is bound").to_string();
        let to_application = Arc::<(Mutex<usize>, Condvar)>::default();
        let open = Arc::clone(&to_application);
        std::thread::spawn(move || {
            for stream in app.incoming() {
                let open = Arc::clone(&open);
                *open.0.lock().expect("nobody panics with it") += 1;
                std::thread::spawn(move || {
                    answer(stream.expect("a connection"));
                    *open.0.lock().expect("nobody panics with it") -= 1;
                    open.1.notify_one();
                });
            }
        });
        let directory = tempfile::tempdir().expect("a temporary directory");
        let socket = directory.path().join("control.sock");
        let mut child = Command::new("/bin/sh")
            .args(["-c", "ulimit -n 64; exec \"$0\" --exact out_of_descriptors_is_a_pause --nocapture"])
            .arg(std::env::current_exe().expect("we run"))
            .env(ROLE, upstream)
            .env(SOCKET, &socket)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("there is a shell");
        // Kept until the end: the child's test runner prints its result, too.
        let mut lines = BufReader::new(child.stdout.take().expect("it is piped")).lines();
        let address = said(&mut lines, "listening ").parse().expect("an address");
        let orders = child.stdin.take();
        Self { child, orders, lines, address, socket, to_application, _directory: directory }
    }

    /// How many clients may be connected, and how many were turned away, when it has done what it is told.
    fn tell(&mut self, order: &str) -> (usize, u64) {
        writeln!(self.orders.as_mut().expect("it is not ended"), "{order}").expect("the child reads");
        let numbers = said(&mut self.lines, &format!("{order} "));
        let (max, refused) = numbers.split_once(' ').expect("two numbers");
        (max.parse().expect("a number"), refused.parse().expect("a number"))
    }

    /// Takes every descriptor while there are clients. What closes a moment after its last byte was seen would leave one
    /// behind the back of whoever ate them all.
    fn eat_beside_clients(&mut self) {
        let (open, changed) = &*self.to_application;
        let open = open.lock().expect("nobody panics with it");
        let (open, _) =
            changed.wait_timeout_while(open, SOON, |open| *open > 0).expect("nobody panics with it");
        assert_eq!(*open, 0, "the connection to the application stays open");
        drop(open);
        self.tell("eat beside");
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).expect("the kernel takes it");
        stream.set_read_timeout(Some(SOON)).expect("it is not zero");
        stream
    }

    fn end(mut self) {
        drop(self.orders.take());
        let rest: Vec<String> = self.lines.by_ref().map_while(Result::ok).collect();
        assert!(self.child.wait().expect("it is our child").success(), "{rest:?}");
    }
}

fn said(lines: &mut Lines<BufReader<ChildStdout>>, beginning: &str) -> String {
    let mut lines = lines.map_while(Result::ok);
    let found = lines.find_map(|line| Some(line.split_once(beginning)?.1.to_owned()));
    found.unwrap_or_else(|| panic!("the child does not say {beginning:?}"))
}

fn starve_a_proxy() {
    let mut proxy = Starved::start();
    let (connections_max, refused) = proxy.tell("give back");
    // 64 less a quarter for others, and two for each client.
    assert_eq!((connections_max, refused), (24, 0));

    // Far more than it lets in: those wait in the kernel's queue, and are served when others leave.
    let crowd: Vec<TcpStream> = (0..100).map(|_| proxy.connect()).collect();
    for mut client in crowd {
        assert!(get(&mut client).is_ok_and(|answer| answer.starts_with("HTTP/1.1 200 OK\r\n")));
    }

    // Somebody eats every descriptor.
    proxy.tell("eat");
    // One after the other, in place of the only descriptor that was kept. The last one goes on holding it: when it leaves,
    // whoever is faster gets it.
    let mut held = None;
    for _ in 0..5 {
        drop(held.take());
        held = Some(status(&proxy.socket));
    }
    let waiting: Vec<TcpStream> = (0..3).map(|_| proxy.connect()).collect();
    for mut client in waiting {
        // Told, when waiting did not help.
        let mut rest = Vec::new();
        let _closed_or_reset = client.read_to_end(&mut rest);
        assert!(rest.is_empty());
    }
    let (_, refused) = proxy.tell("eat");
    assert_eq!(refused, 3, "each is counted");
    drop(held);

    proxy.tell("give back");
    let late = get(&mut proxy.connect()).expect("it answers");
    assert!(late.starts_with("HTTP/1.1 200 OK\r\n"), "{late}");
    drop(status(&proxy.socket));

    starve_a_client(&mut proxy);
    proxy.end();
}

/// He is in, and there is no descriptor for his connection to the application: he waits for one a while, and is told when
/// that does not help.
fn starve_a_client(proxy: &mut Starved) {
    let mut client = proxy.connect();
    let served = get(&mut client).expect("it answers");
    assert!(served.starts_with("HTTP/1.1 200 OK\r\n"), "he is in: {served}");
    let waits_and_is_served = (0..5).any(|_| {
        proxy.eat_beside_clients();
        client.write_all(GET).expect("it is open");
        client.set_read_timeout(Some(Duration::from_millis(100))).expect("it is not zero");
        let waits = client.peek(&mut [0]).is_err();
        proxy.tell("give back beside");
        client.set_read_timeout(Some(SOON)).expect("it is not zero");
        // On a very busy machine it may have waited for too long.
        waits & answered(&mut client).is_ok_and(|answer| answer.starts_with("HTTP/1.1 200 OK\r\n"))
    });
    assert!(waits_and_is_served);

    proxy.eat_beside_clients();
    let told = get(&mut client).expect("it answers");
    proxy.tell("give back beside");
    assert!(told.starts_with("HTTP/1.1 503 ") && told.ends_with("Service unavailable\n"), "{told}");
    let served = get(&mut client).expect("it answers");
    assert!(served.starts_with("HTTP/1.1 200 OK\r\n"), "{served}");
}

/// Makes sure that control is served; the connection is kept.
fn status(socket: &Path) -> UnixStream {
    let mut stream = UnixStream::connect(socket).expect("it listens");
    stream.set_read_timeout(Some(SOON)).expect("it is not zero");
    stream.write_all(b"{\"command\":\"status\"}\n").expect("it is open");
    let mut answer = String::new();
    BufReader::new(&stream).read_line(&mut answer).expect("it answers");
    assert!(answer.contains("\"application\":\"shop\""), "{answer}");
    stream
}

fn get(stream: &mut TcpStream) -> std::io::Result<String> {
    stream.write_all(GET)?;
    answered(stream)
}

fn answered(stream: &mut TcpStream) -> std::io::Result<String> {
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
