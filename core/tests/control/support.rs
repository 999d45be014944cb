//! A control socket with a fake engine behind it, and a client that sends what it likes.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rollcore::{
    ControlCommand, ControlEnd, ControlLimits, ControlNote, ControlReply, ControlServer, ControlSpec,
    ServeControl, Serving,
};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use tokio::sync::Notify;

/// Nothing here takes long; a test that waits longer hangs.
pub(crate) const SOON: Duration = Duration::from_secs(20);

/// Answers at once, but for a deploy, which waits for `released`.
#[derive(Clone, Default)]
pub(crate) struct Fake {
    pub(crate) released: Arc<Notify>,
    pub(crate) deploys: Arc<AtomicUsize>,
    pub(crate) notes: Arc<Mutex<Vec<String>>>,
}

impl ServeControl for Fake {
    async fn handle(&self, command: ControlCommand) -> ControlReply {
        match command {
            ControlCommand::Status => {
                ControlReply::success(&json!({"application": "shop", "activeReleaseId": "v1"}))
            }
            ControlCommand::Deploy { release_id, .. } => {
                self.deploys.fetch_add(1, Ordering::SeqCst);
                self.released.notified().await;
                ControlReply::success(&json!({"activeReleaseId": release_id}))
            }
            ControlCommand::Stop { .. } => panic!("the fake cannot stop"),
            ControlCommand::Shutdown => ControlReply::success(&json!({"message": "shutdown"})),
            ControlCommand::RetireOwner { .. } => ControlReply::success(&json!({"message": "owner retired"})),
            _ => ControlReply::failure("fake", "not in this fake"),
        }
    }

    fn note(&self, note: ControlNote<'_>) {
        let text = match note {
            ControlNote::Listening { path } => format!("listening {}", path.display()),
            ControlNote::CommandFailed { error } => format!("command failed {error}"),
            ControlNote::ConnectionFailed { code, .. } => format!("connection failed {code:?}"),
        };
        self.notes.lock().expect("no test panics with it").push(text);
    }
}

pub(crate) struct Door {
    _directory: tempfile::TempDir,
    pub(crate) path: PathBuf,
    pub(crate) fake: Fake,
    pub(crate) serving: Serving,
}

impl Door {
    pub(crate) async fn open() -> Self {
        Self::with_limits(ControlLimits::default()).await
    }

    pub(crate) async fn with_limits(limits: ControlLimits) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let path = directory.path().join("control.sock");
        let fake = Fake::default();
        let server = ControlServer::bind(&spec(&path)).await.expect("the path is free");
        let serving = server.limits(limits).serve(fake.clone());
        Self { _directory: directory, path, fake, serving }
    }

    pub(crate) async fn wire(&self) -> Wire {
        Wire(BufReader::new(UnixStream::connect(&self.path).await.expect("somebody listens")))
    }

    pub(crate) async fn ended(&mut self) -> ControlEnd {
        soon(self.serving.ended()).await
    }

    pub(crate) async fn deploys(&self, count: usize) {
        until(|| self.fake.deploys.load(Ordering::SeqCst) == count).await;
    }
}

/// A client that sends what it likes.
pub(crate) struct Wire(pub(crate) BufReader<UnixStream>);

impl Wire {
    pub(crate) async fn send(&mut self, text: impl AsRef<[u8]>) {
        self.0.get_mut().write_all(text.as_ref()).await.expect("the server reads");
    }

    pub(crate) async fn answer(&mut self) -> Value {
        let mut line = String::new();
        soon(self.0.read_line(&mut line)).await.expect("an answer");
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{line:?}: {error}"))
    }

    pub(crate) async fn ask(&mut self, text: &str) -> Value {
        self.send(format!("{text}\n")).await;
        self.answer().await
    }

    /// Reads to the end: everything the server still says before it closes.
    pub(crate) async fn rest(&mut self) -> String {
        let mut rest = Vec::new();
        match soon(self.0.read_to_end(&mut rest)).await {
            Ok(_) => {}
            Err(error) => assert_eq!(error.kind(), io::ErrorKind::ConnectionReset),
        }
        String::from_utf8(rest).expect("answers are text")
    }
}

pub(crate) fn spec(path: &Path) -> ControlSpec {
    ControlSpec { path: path.to_owned(), ..ControlSpec::default() }
}

pub(crate) async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(SOON, future).await.expect("it happens soon")
}

pub(crate) async fn until(condition: impl Fn() -> bool) {
    soon(async {
        while !condition() {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

pub(crate) const STATUS: &str = r#"{"command":"status"}"#;
pub(crate) const SHUTDOWN: &str = r#"{"command":"shutdown"}"#;

pub(crate) fn deploy(id: &str) -> String {
    format!(r#"{{"command":"deploy","releasePath":"/r","releaseId":"{id}"}}"#)
}
