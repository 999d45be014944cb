//! A small shop with a process of every kind, its engine, and its control socket.

use std::path::PathBuf;
use std::time::Duration;

use rollcore::{Application, Config, ControlServer, Engine, Seq, Serving, Status};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpStream, UnixStream};

use crate::app;

/// Nothing that these tests wait for takes longer.
pub(crate) const DEADLINE: Duration = Duration::from_secs(30);

pub(crate) struct Shop {
    pub(crate) engine: Engine,
    pub(crate) directory: tempfile::TempDir,
    control: PathBuf,
    _serving: Serving,
}

impl Shop {
    /// Like the one of C-194: a service, workers, one that crashes, a singleton, a web process; and a handoff service.
    pub(crate) async fn open() -> Self {
        Self::open_with(|_| {}).await
    }

    pub(crate) async fn open_with(change: impl FnOnce(&mut Value)) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let mut config = config(&directory);
        change(&mut config);
        let application = application(&config);
        let control = application.control.clone();
        let engine = Engine::start(application).await.expect("the engine starts");
        let server = ControlServer::bind(&control).await.expect("the path is free");
        let serving = server.serve(engine.clone());
        Self { engine, directory, control: control.path, _serving: serving }
    }

    /// The directory of a release.
    pub(crate) fn release(&self, name: &str) -> String {
        let path = self.directory.path().join(name);
        std::fs::create_dir_all(&path).expect("it can be made");
        path.to_str().expect("it is UTF-8").to_owned()
    }

    pub(crate) async fn wire(&self) -> Wire {
        Wire(BufReader::new(UnixStream::connect(&self.control).await.expect("somebody listens")))
    }

    /// Asks on a connection of its own.
    pub(crate) async fn ask(&self, request: &Value) -> Value {
        self.wire().await.ask(&request.to_string()).await
    }

    pub(crate) async fn deploy(&self, id: &str, revision: &str) -> Value {
        let path = self.release(id);
        self.ask(&json!({ "command": "deploy", "releaseId": id, "releasePath": path, "revision": revision }))
            .await
    }

    /// Waits until the status is as it should be.
    pub(crate) async fn until(&self, what: &str, is_so: impl Fn(&Status) -> bool) {
        let waiting = async {
            while !is_so(&self.engine.status()) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let waited = tokio::time::timeout(DEADLINE, waiting).await;
        let status = || serde_json::to_string_pretty(&self.engine.status()).unwrap_or_default();
        assert!(waited.is_ok(), "never {what}: {}", status());
    }

    /// Waits until this instance of the newest release that has one has printed so many lines, and tells them.
    pub(crate) async fn lines(&self, id: &str, count: usize) -> Vec<String> {
        let of = |status: &Status| {
            let of_releases = status.releases.iter().rev().flat_map(|release| release.processes.clone());
            let singles =
                status.services.iter().chain(&status.singletons).map(|single| single.process.clone());
            let found = of_releases.chain(singles).find(|process| process.id.to_string() == id);
            found.map_or_else(Vec::new, |process| process.logs.into_iter().map(|line| line.line).collect())
        };
        self.until(&format!("{count} lines of {id}"), |status| of(status).len() >= count).await;
        of(&self.engine.status())
    }

    /// Waits until this event has happened so many times.
    pub(crate) async fn until_event(&self, message: &str, times: usize) {
        let mut events = self.engine.events(Seq::START);
        let mut seen = 0;
        while seen < times {
            let batch = tokio::time::timeout(DEADLINE, events.next()).await;
            let batch = batch.unwrap_or_else(|_| panic!("{message} happened {seen} times, not {times}"));
            seen += batch.events.iter().filter(|stamped| stamped.event.message() == message).count();
        }
    }

    /// A WebSocket through the proxy, open as long as it is held.
    pub(crate) async fn websocket(&self) -> TcpStream {
        let mut stream = TcpStream::connect(self.engine.proxy_addr()).await.expect("the proxy listens");
        let head = "GET /cable HTTP/1.1\r\nHost: shop\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                    Sec-WebSocket-Key: x3JJHMbDL1EzLkh9GBhXDw==\r\nSec-WebSocket-Version: 13\r\n\r\n";
        stream.write_all(head.as_bytes()).await.expect("the proxy reads");
        let mut begin = [0; 12];
        let read = tokio::time::timeout(DEADLINE, stream.read_exact(&mut begin)).await;
        read.expect("it is answered").expect("the proxy answers");
        assert_eq!(&begin, b"HTTP/1.1 101");
        stream
    }

    pub(crate) async fn close(self) {
        let ended = tokio::time::timeout(DEADLINE, self.engine.shutdown()).await.expect("a shutdown ends");
        assert_eq!(ended.survivors, 0);
    }
}

pub(crate) fn application(config: &Value) -> Application {
    Config::from_json(&config.to_string()).expect("the config is valid").into_application()
}

/// The configuration, whose files are in this directory.
pub(crate) fn config(directory: &tempfile::TempDir) -> Value {
    let (web, worker) = (app::line("web"), app::line("worker"));
    // Release `broken` boots, and is never healthy.
    let web = format!("if [ {{{{releaseId}}}} = broken ]; then {}; else {web}; fi", app::line("broken"));
    json!({
        "application": "shop",
        "control": { "path": directory.path().join("control.sock"), "mode": "660" },
        "proxy": { "host": "127.0.0.1", "port": 0, "drainTimeoutMs": 20_000, "forceStopTimeoutMs": 5_000 },
        "processes": [
            { "id": "broker", "policy": "service", "port": 0, "command": worker },
            { "id": "relay", "policy": "service", "deployStrategy": "handoff", "port": { "from": 0, "to": 1 },
              "command": worker },
            { "id": "jobs", "replicas": 2, "command": worker },
            { "id": "flaky", "command": "sleep 0.1; echo oops >&2; exit 7", "restartDelayMs": 10,
              "restart": { "maxRestarts": 1 } },
            { "id": "cron", "policy": "singleton", "minUptimeMs": 50,
              "command": format!("echo cron up {{{{releaseId}}}}; {}", app::line("silent")) },
            { "id": "web", "policy": "proxied", "port": 0, "command": web,
              "health": { "path": "/ping", "timeoutMs": 2_000, "intervalMs": 20 } },
        ],
    })
}

/// A control connection that sends what it likes.
pub(crate) struct Wire(BufReader<UnixStream>);

impl Wire {
    /// Sends a line, and checks the one that answers: compact, `status` first when it went well (C-167, C-170).
    pub(crate) async fn ask(&mut self, line: &str) -> Value {
        self.0.get_mut().write_all(format!("{line}\n").as_bytes()).await.expect("the server reads");
        let mut answer = String::new();
        let read = tokio::time::timeout(DEADLINE, self.0.read_line(&mut answer)).await;
        read.expect("it is answered").expect("an answer");
        let value: Value =
            serde_json::from_str(&answer).unwrap_or_else(|error| panic!("{answer:?}: {error}"));
        assert_eq!(answer.len(), value.to_string().len() + 1, "it is not compact: {answer}");
        let begins = ["{\"status\":\"success\"", "{\"error\":"];
        assert!(begins.iter().any(|begin| answer.starts_with(begin)), "{answer}");
        value
    }

    /// Sends a line and leaves when its answer has come, without reading it.
    pub(crate) async fn ask_and_break(mut self, line: &str) {
        let stream = self.0.get_mut();
        stream.write_all(format!("{line}\n").as_bytes()).await.expect("the server reads");
        let readable = tokio::time::timeout(DEADLINE, stream.readable()).await;
        readable.expect("it is answered").expect("it can be read");
    }

    /// Sends a line and leaves at once; an answer is not waited for.
    pub(crate) async fn tell(mut self, line: &str) {
        self.0.get_mut().write_all(format!("{line}\n").as_bytes()).await.expect("the server reads");
    }

    /// Everything that the server says until it closes.
    pub(crate) async fn rest(&mut self) -> String {
        let mut rest = String::new();
        let read = tokio::time::timeout(DEADLINE, self.0.read_to_string(&mut rest)).await;
        read.expect("it is closed").expect("it can be read");
        rest
    }
}
