//! A C program with the engine in its process deploys `examples/apps/node` again and again, while others ask for it.
#![expect(clippy::print_stdout, reason = "it says what it has counted")]

#[expect(dead_code, reason = "each test file uses a part of it")]
mod support;

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{ChildStdin, Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use support::{HOST_TIMEOUT, Running, host, workspace};

/// Clients that ask without a pause.
const CLIENTS: usize = 8;
/// So many requests on a connection; then comes a new one.
const REQUESTS_PER_CONNECTION: usize = 25;
/// So many answers of a release are waited for before the next one is deployed.
const ANSWERS: u64 = 200;

/// The C program, which answers each line with a line.
struct Host {
    stdin: Option<ChildStdin>,
    lines: Receiver<String>,
    running: Running,
}

impl Host {
    fn start(config: &Value) -> Self {
        let mut command = Command::new(host("deploys"));
        command.arg(json!({ "config": config }).to_string()).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut running = Running(command.spawn().expect("it was built"));
        let stdout = BufReader::new(running.0.stdout.take().expect("it is a pipe"));
        let (tell, lines) = mpsc::channel();
        thread::spawn(move || stdout.lines().map_while(Result::ok).try_for_each(|line| tell.send(line)));
        Self { stdin: running.0.stdin.take(), lines, running }
    }

    fn line(&self) -> String {
        self.lines.recv_timeout(HOST_TIMEOUT).expect("the host answers")
    }

    fn ask(&mut self, line: &str) -> Value {
        writeln!(self.stdin.as_mut().expect("it is not ended"), "{line}").expect("it listens");
        serde_json::from_str(&self.line()).expect("it answers in JSON")
    }

    fn deploy(&mut self, id: &str, folder: &str) -> Value {
        let path = workspace().join("examples/apps/node/releases").join(folder);
        self.ask(&format!("{id} {}", path.display()))
    }

    fn end(mut self) {
        drop(self.stdin.take());
        assert_eq!(self.line(), "ok");
        assert!(self.running.0.wait().expect("it is our child").success());
    }
}

/// A head, and what followed.
struct Answer {
    head: String,
    body: String,
}

impl Answer {
    fn field(&self, name: &str) -> Option<&str> {
        let mut fields = self.head.lines().filter_map(|line| line.split_once(": "));
        fields.find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// The release that gave it, if it is what was asked for.
    fn release(&self, wanted: &str) -> Result<String, String> {
        let release = self.field("x-release").unwrap_or("nobody");
        if !self.head.starts_with("HTTP/1.1 200 ") || !self.body.contains(&wanted.replace("{id}", release)) {
            return Err(format!("{}\n\n{}", self.head, self.body));
        }
        Ok(release.to_owned())
    }
}

fn read_head(stream: &mut impl BufRead) -> std::io::Result<String> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if stream.read_line(&mut head)? == 0 {
            return Err(std::io::Error::other(format!("closed after {head:?}")));
        }
    }
    Ok(head)
}

/// Pages and echoes on connections that are kept for a while.
fn ask_on_one_connection(
    port: u16,
    is_over: &AtomicBool,
    mut tell: impl FnMut(Result<String, String>),
) -> std::io::Result<()> {
    let mut stream = BufReader::new(TcpStream::connect(("127.0.0.1", port))?);
    stream.get_ref().set_read_timeout(Some(HOST_TIMEOUT))?;
    let echoed = "echo ".repeat(200);
    let echo =
        format!("POST /echo HTTP/1.1\r\nHost: shop\r\nContent-Length: {}\r\n\r\n{echoed}", echoed.len());
    for number in 0..REQUESTS_PER_CONNECTION {
        if is_over.load(Ordering::Relaxed) {
            break;
        }
        let (request, wanted) = if number % 2 == 0 {
            ("GET / HTTP/1.1\r\nHost: shop\r\n\r\n", "({id})")
        } else {
            (&*echo, &*echoed)
        };
        stream.get_mut().write_all(request.as_bytes())?;
        let mut answer = Answer { head: read_head(&mut stream)?, body: String::new() };
        let length = answer.field("content-length").and_then(|length| length.parse().ok());
        let mut body = vec![0; length.unwrap_or(0)];
        stream.read_exact(&mut body)?;
        answer.body = String::from_utf8_lossy(&body).into_owned();
        tell(answer.release(wanted));
    }
    Ok(())
}

/// A stream that takes a second, so that every switch comes in the middle of one.
fn stream_once(port: u16) -> std::io::Result<Result<String, String>> {
    let mut stream = BufReader::new(TcpStream::connect(("127.0.0.1", port))?);
    stream.get_ref().set_read_timeout(Some(HOST_TIMEOUT))?;
    stream.get_mut().write_all(b"GET /stream HTTP/1.1\r\nHost: shop\r\nConnection: close\r\n\r\n")?;
    let mut answer = Answer { head: read_head(&mut stream)?, body: String::new() };
    stream.read_to_string(&mut answer.body)?;
    Ok(if answer.body.ends_with("\r\n0\r\n\r\n") {
        answer.release("piece 10 of 10")
    } else {
        Err(answer.body)
    })
}

#[derive(Default)]
struct Counts {
    by_release: BTreeMap<String, u64>,
    failed: Vec<String>,
}

impl Counts {
    fn add(&mut self, answer: Result<String, String>) {
        match answer {
            Ok(release) => *self.by_release.entry(release).or_default() += 1,
            Err(why) => self.failed.push(why),
        }
    }
}

/// What the engine has counted.
fn counted(status: &Value) -> BTreeMap<String, u64> {
    let releases = status["releases"].as_array().expect("a list");
    let count = |release: &Value| {
        let traffic = &release["traffic"];
        for harm in ["resets", "requestsCut", "connectFailures"] {
            assert_eq!(traffic[harm], 0, "{harm}: {release}");
        }
        let statuses = traffic["statuses"].as_object().expect("an object");
        assert!(statuses.iter().all(|(class, count)| class == "2xx" || *count == 0), "{release}");
        (
            release["releaseId"].as_str().expect("a name").to_owned(),
            statuses["2xx"].as_u64().expect("a number"),
        )
    };
    releases.iter().map(count).collect()
}

fn until(mut holds: impl FnMut() -> bool, what: &str) {
    let deadline = Instant::now() + HOST_TIMEOUT;
    while !holds() {
        assert!(Instant::now() < deadline, "it takes too long: {what}");
        thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_c_host_deploys_twice_under_load_and_every_request_is_answered() {
    let app = workspace().join("examples/apps/node");
    assert!(
        app.join("node_modules/ws").is_dir(),
        "the application is not prepared: run examples/apps/prepare"
    );
    let config = std::fs::read_to_string(app.join("rollcore.json")).expect("it is there");
    let mut config: Value = serde_json::from_str(&config).expect("it is JSON");
    config["proxy"]["port"] = json!(0);
    config["processes"][0]["port"] = json!(0);
    config["processes"][0]["health"]["timeoutMs"] = json!(60_000);
    let mut host = Host::start(&config);
    let _opened = host.line();
    host.deploy("first", "v1");
    let port = host.ask("status")["proxy"]["port"]
        .as_u64()
        .and_then(|port| u16::try_from(port).ok())
        .expect("a port");

    let (counts, is_over) = (Mutex::new(Counts::default()), AtomicBool::new(false));
    let add = |answer| counts.lock().expect("nobody panics").add(answer);
    let of = |id: &str| counts.lock().expect("nobody panics").by_release.get(id).copied().unwrap_or(0);
    let is_over_now = || is_over.load(Ordering::Relaxed);
    thread::scope(|scope| {
        // Whoever fails here has to let the clients go.
        let _ends = OnDrop(|| is_over.store(true, Ordering::Relaxed));
        for _ in 0..CLIENTS {
            scope.spawn(|| {
                while !is_over_now() {
                    if let Err(error) = ask_on_one_connection(port, &is_over, add) {
                        add(Err(error.to_string()));
                    }
                }
            });
        }
        for _ in 0..2 {
            scope.spawn(|| {
                while !is_over_now() {
                    add(stream_once(port).unwrap_or_else(|error| Err(error.to_string())));
                }
            });
        }
        until(|| of("first") >= ANSWERS, "answers of the first");
        for (id, folder, before) in [("second", "v2", "first"), ("third", "v1", "second")] {
            let deployed = host.deploy(id, folder);
            assert_eq!(deployed, json!({ "activeReleaseId": id, "previousReleaseId": before }));
            let goal = of(id) + ANSWERS;
            until(|| of(id) >= goal, id);
        }
    });
    let counts = counts.into_inner().expect("nobody panics");
    assert!(counts.failed.is_empty(), "{} failed, such as {}", counts.failed.len(), counts.failed[0]);
    // The proxy counts a request when its connection is done with it, which may be just after the client has its answer.
    until(|| counted(&host.ask("status")) == counts.by_release, "the engine has counted the same");
    host.end();
    let total: u64 = counts.by_release.values().sum();
    println!("{total} requests, 0 failed; of the client and of the engine: {:?}", counts.by_release);
}

struct OnDrop<F: FnMut()>(F);

impl<F: FnMut()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        self.0();
    }
}
