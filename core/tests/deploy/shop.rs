//! The application of these tests, and what one wants to know about it.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http_body_util::{BodyExt, Empty};
use hyper_util::rt::TokioIo;
use rollcore::{Application, Config, DeployError, Deployed, Engine, Release, Status};
use serde_json::{Value, json};
use tokio::net::TcpStream;

use crate::app;

/// Nothing that these tests wait for takes longer.
pub const DEADLINE: Duration = Duration::from_secs(20);

pub struct Shop {
    pub engine: Engine,
    /// What it was opened with.
    pub application: Application,
    /// What the next deploy or rollback comes with.
    config: Arc<Mutex<Application>>,
    releases: tempfile::TempDir,
}

impl Shop {
    /// A web process, two workers, a singleton and a service, all of them this program.
    pub async fn open() -> Self {
        Self::open_with(|_| {}).await
    }

    pub async fn open_with(change: impl FnOnce(&mut Value)) -> Self {
        let releases = tempfile::tempdir().expect("a directory for the releases");
        let mut config = json!({
            "application": "shop",
            "proxy": { "port": 0, "drainTimeoutMs": 5_000, "forceStopTimeoutMs": 2_000 },
            "processes": [
                process("web", "proxied", "serve"),
                process("worker", "companion", "sleep"),
                process("cron", "singleton", "sleep"),
                process("broker", "service", "sleep"),
            ],
        });
        config["processes"][0]["port"] = json!(0);
        config["processes"][0]["health"] = json!({ "path": "/ping", "timeoutMs": 10_000, "intervalMs": 20 });
        config["processes"][1]["replicas"] = json!(2);
        config["processes"][2]["minUptimeMs"] = json!(250);
        change(&mut config);
        let config = Config::from_json(&config.to_string()).expect("the config is valid");
        let application = config.into_application();
        let engine = Engine::start(application.clone()).await.expect("the engine starts");
        let config = Arc::new(Mutex::new(application.clone()));
        let written = Arc::clone(&config);
        engine.reload_with(move || {
            std::future::ready(Ok(written.lock().expect("nobody panics with it").clone()))
        });
        Self { engine, application, config, releases }
    }

    /// Deploys a release with this id.
    pub async fn deploy(&self, id: &str) -> Result<Deployed, DeployError> {
        let path = self.releases.path().to_str().expect("it is UTF-8");
        let deploy = self.engine.deploy(Release::new(id, path).expect("a safe id"));
        tokio::time::timeout(DEADLINE, deploy).await.expect("a deploy ends")
    }

    /// The directory of every release.
    pub fn release_path(&self) -> &Path {
        self.releases.path()
    }

    /// From now on deploys and rollbacks come with a config that differs so from the first one.
    pub fn edit(&self, edit: impl FnOnce(&mut Application)) {
        let mut application = self.application.clone();
        edit(&mut application);
        *self.config.lock().expect("nobody panics with it") = application;
    }

    /// The messages and particulars of the events so far that have this message.
    pub fn events(&self, message: &str) -> Vec<Value> {
        let events = self.engine.recent_events(None).into_iter().map(|stamped| stamped.event);
        events.filter(|event| event.message() == message).map(|event| event.data()).collect()
    }

    /// Waits until something is so of which no event tells.
    pub async fn until_so(&self, what: &str, is_so: impl Fn() -> bool) {
        let waiting = async {
            while !is_so() {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(DEADLINE, waiting).await.unwrap_or_else(|_| panic!("never {what}"));
    }

    /// What the proxy answers: the status, and the body, which is the id of the release.
    pub async fn get(&self, path: &str) -> (u16, String) {
        self.ask("GET", path).await
    }

    /// The same for any method; only what may happen twice is sent again when the process dies of it.
    pub async fn ask(&self, method: &str, path: &str) -> (u16, String) {
        let stream = TcpStream::connect(self.engine.proxy_addr()).await.expect("the proxy listens");
        let (mut client, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.expect("a connection");
        tokio::spawn(connection);
        let request = hyper::Request::builder()
            .method(method)
            .uri(path)
            .header("host", "shop")
            .body(Empty::<bytes::Bytes>::new());
        let response = client.send_request(request.expect("a request")).await.expect("an answer");
        let status = response.status().as_u16();
        let body = response.into_body().collect().await.expect("a body").to_bytes();
        (status, String::from_utf8(body.to_vec()).expect("it is UTF-8"))
    }

    /// Waits until the status is as it should be.
    pub async fn until(&self, what: &str, is_so: impl Fn(&Status) -> bool) {
        let mut events = self.engine.events(rollcore::Seq::START);
        let waiting = async {
            while !is_so(&self.engine.status()) {
                let _news = events.next().await;
            }
        };
        let status = || serde_json::to_string_pretty(&self.engine.status()).unwrap_or_default();
        assert!(tokio::time::timeout(DEADLINE, waiting).await.is_ok(), "never {what}: {}", status());
    }

    /// The pids of every process that the engine knows.
    pub fn pids(&self) -> Vec<u32> {
        let status = self.engine.status();
        let of_releases = status.releases.iter().flat_map(|release| &release.processes);
        let singles = status.services.iter().chain(&status.singletons).map(|single| &single.process);
        let mut pids: Vec<u32> = of_releases.chain(singles).filter_map(|process| process.pid).collect();
        pids.sort_unstable();
        pids
    }

    /// Shuts down, and sees that nothing is left.
    pub async fn close(self) {
        let pids = self.pids();
        let report = tokio::time::timeout(DEADLINE, self.engine.shutdown()).await.expect("a shutdown ends");
        assert_eq!(report.survivors, 0);
        for pid in pids {
            assert!(!PathBuf::from(format!("/proc/{pid}")).exists(), "process {pid} is left behind");
        }
        // A child that another test is starting has a copy of every socket until it is another program.
        let refused = async {
            while TcpStream::connect(self.engine.proxy_addr()).await.is_ok() {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(DEADLINE, refused).await.expect("the proxy listens no more");
    }
}

pub fn process(id: &str, policy: &str, mode: &str) -> Value {
    json!({ "id": id, "policy": policy, "command": app::command(), "env": { "TEST_APP": mode } })
}
