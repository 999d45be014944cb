//! The control socket with real sockets: who gets in, what is answered, and what never happens.

use std::collections::BTreeSet;
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rollcore::{
    ControlClient, ControlCommand, ControlEnd, ControlLimits, ControlNote, ControlReply, ControlServer,
    ControlSpec, OwnerName, ServeControl, Serving,
};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use tokio::sync::Notify;

/// Nothing here takes long; a test that waits longer hangs.
const SOON: Duration = Duration::from_secs(20);

/// Answers at once, but for a deploy, which waits for `released`.
#[derive(Clone, Default)]
struct Fake {
    released: Arc<Notify>,
    deploys: Arc<AtomicUsize>,
    notes: Arc<Mutex<Vec<String>>>,
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

struct Door {
    _directory: tempfile::TempDir,
    path: PathBuf,
    fake: Fake,
    serving: Serving,
}

impl Door {
    async fn open() -> Self {
        Self::with_limits(ControlLimits::default()).await
    }

    async fn with_limits(limits: ControlLimits) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let path = directory.path().join("control.sock");
        let fake = Fake::default();
        let server = ControlServer::bind(&spec(&path)).await.expect("the path is free");
        let serving = server.limits(limits).serve(fake.clone());
        Self { _directory: directory, path, fake, serving }
    }

    async fn wire(&self) -> Wire {
        Wire(BufReader::new(UnixStream::connect(&self.path).await.expect("somebody listens")))
    }

    async fn ended(&mut self) -> ControlEnd {
        soon(self.serving.ended()).await
    }

    async fn deploys(&self, count: usize) {
        until(|| self.fake.deploys.load(Ordering::SeqCst) == count).await;
    }
}

/// A client that sends what it likes.
struct Wire(BufReader<UnixStream>);

impl Wire {
    async fn send(&mut self, text: impl AsRef<[u8]>) {
        self.0.get_mut().write_all(text.as_ref()).await.expect("the server reads");
    }

    async fn answer(&mut self) -> Value {
        let mut line = String::new();
        soon(self.0.read_line(&mut line)).await.expect("an answer");
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{line:?}: {error}"))
    }

    async fn ask(&mut self, text: &str) -> Value {
        self.send(format!("{text}\n")).await;
        self.answer().await
    }

    /// Reads to the end: everything the server still says before it closes.
    async fn rest(&mut self) -> String {
        let mut rest = Vec::new();
        match soon(self.0.read_to_end(&mut rest)).await {
            Ok(_) => {}
            Err(error) => assert_eq!(error.kind(), io::ErrorKind::ConnectionReset),
        }
        String::from_utf8(rest).expect("answers are text")
    }
}

fn spec(path: &Path) -> ControlSpec {
    ControlSpec { path: path.to_owned(), ..ControlSpec::default() }
}

async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(SOON, future).await.expect("it happens soon")
}

async fn until(condition: impl Fn() -> bool) {
    soon(async {
        while !condition() {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

const STATUS: &str = r#"{"command":"status"}"#;
const SHUTDOWN: &str = r#"{"command":"shutdown"}"#;

fn deploy(id: &str) -> String {
    format!(r#"{{"command":"deploy","releasePath":"/r","releaseId":"{id}"}}"#)
}

/// What a stranger saw at the path: each mode, and whether he was let in with it.
struct Watcher {
    stop: Arc<AtomicBool>,
    looks: Arc<AtomicUsize>,
    thread: std::thread::JoinHandle<BTreeSet<(u32, bool)>>,
}

impl Watcher {
    fn of(path: PathBuf) -> Self {
        let (stop, looks) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let (stopped, looked) = (Arc::clone(&stop), Arc::clone(&looks));
        let thread = std::thread::spawn(move || {
            let mut seen = BTreeSet::new();
            while !stopped.load(Ordering::SeqCst) {
                let Ok(found) = path.symlink_metadata() else { continue };
                let let_in = is_let_in(&path);
                seen.insert((found.mode() & 0o777, let_in));
                looked.fetch_add(1, Ordering::SeqCst);
            }
            seen
        });
        Self { stop, looks, thread }
    }

    async fn look_again(&self) {
        let before = self.looks.load(Ordering::SeqCst);
        until(|| self.looks.load(Ordering::SeqCst) > before + 1).await;
    }

    fn seen(self) -> BTreeSet<(u32, bool)> {
        self.stop.store(true, Ordering::SeqCst);
        self.thread.join().expect("the watcher does not panic")
    }
}

/// Never waits: a full backlog is an open door, too.
fn is_let_in(path: &Path) -> bool {
    let address = socket2::SockAddr::unix(path).expect("the path is short");
    let stranger =
        socket2::Socket::new(socket2::Domain::UNIX, socket2::Type::STREAM, None).expect("a socket");
    stranger.set_nonblocking(true).expect("it can be set");
    stranger.connect(&address).map_or_else(|error| error.kind() == io::ErrorKind::WouldBlock, |()| true)
}

#[tokio::test]
async fn the_socket_is_private_at_every_instant() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().join("control.sock");
    for (mode, expected) in [(None, 0o600), (Some(0o660), 0o660)] {
        let watcher = Watcher::of(path.clone());
        for _ in 0..30 {
            let server =
                ControlServer::bind(&ControlSpec { mode, ..spec(&path) }).await.expect("the path is free");
            assert_eq!(path.metadata().expect("it is there").mode() & 0o777, expected);
            watcher.look_again().await;
            drop(server);
            assert!(!path.exists());
        }
        let seen = watcher.seen();
        assert!(seen.contains(&(expected, true)), "seen: {seen:?}");
        let wider = |mode: u32| mode & !expected != 0;
        assert!(!seen.iter().any(|(mode, _)| wider(*mode)), "seen: {seen:?}");
    }
}

#[tokio::test]
async fn owner_and_group_are_set_or_named_as_unknown() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().join("control.sock");
    let me = directory.path().metadata().expect("it is there");
    let given = ControlSpec {
        mode: Some(0o640),
        owner: Some(OwnerName::Id(me.uid())),
        group: Some(OwnerName::Name(me.gid().to_string())),
        ..spec(&path)
    };
    drop(ControlServer::bind(&given).await.expect("we may give it to ourselves"));

    let unknown = ControlSpec { owner: Some(OwnerName::Name("no-such-user-here".to_owned())), ..spec(&path) };
    let error = ControlServer::bind(&unknown).await.expect_err("nobody has that name");
    assert_eq!(error.code(), "unknown_owner");
    assert!(!path.exists(), "nothing is left behind");
}

#[tokio::test]
async fn a_path_that_is_too_long_or_has_no_directory_is_named() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let error =
        ControlServer::bind(&spec(&directory.path().join("x".repeat(200)))).await.expect_err("too long");
    assert_eq!(error.code(), "control_path_too_long", "{error}");
    let nowhere = directory.path().join("nowhere/control.sock");
    let error = ControlServer::bind(&spec(&nowhere)).await.expect_err("no such directory").to_string();
    assert!(error.contains("ENOENT") && error.contains("nowhere"), "{error}");
}

#[tokio::test]
async fn refusals_have_the_texts_of_the_contract_and_the_connection_stays_open() {
    let door = Door::open().await;
    let mut wire = door.wire().await;
    for (line, error) in [
        ("", "Unexpected end of JSON input"),
        ("123", "Control command must be an object"),
        (r#"{"command":"dance"}"#, "Unknown command: dance"),
        (r#"{"command":"deploy"}"#, "releasePath is required"),
        (r#"{"command":"rollback","releaseId":7}"#, "Expected string value"),
    ] {
        let answer = wire.ask(line).await;
        assert_eq!((&answer["error"], &answer["status"]), (&json!(error), &json!("error")), "{line}");
    }
    let answer = wire.ask("this is not json").await;
    assert!(answer["error"].as_str().is_some_and(|error| error.contains("JSON")), "{answer}");
    wire.send(b"\xff\xfe\x00\n").await;
    assert_eq!(wire.answer().await["status"], "error");
    wire.send(format!("{STATUS}\r\n")).await;
    assert_eq!(wire.answer().await["application"], "shop");
    let notes = door.fake.notes.lock().expect("no test panics with it").clone();
    assert_eq!(notes.len(), 8, "one for listening, one for each refusal: {notes:?}");
}

#[tokio::test]
async fn a_command_that_panics_is_an_answer_and_harms_nobody() {
    let door = Door::open().await;
    let mut wire = door.wire().await;
    assert_eq!(wire.ask(r#"{"command":"stop"}"#).await["code"], "internal");
    assert_eq!(wire.ask(STATUS).await["status"], "success");
}

#[tokio::test]
async fn a_thousand_pipelined_commands_get_a_thousand_answers() {
    let door = Door::open().await;
    let mut wire = door.wire().await;
    wire.send(format!("{STATUS}\n").repeat(1000)).await;
    for _ in 0..1000 {
        assert_eq!(wire.answer().await["status"], "success");
    }
}

#[tokio::test]
async fn answers_come_when_they_are_ready_and_pending_ones_do_not_block() {
    let door = Door::open().await;
    let mut wire = door.wire().await;
    wire.send(format!("{}\n{STATUS}\n", deploy("v2"))).await;
    assert_eq!(wire.answer().await["application"], "shop", "status did not wait for the deploy");
    door.fake.released.notify_one();
    assert_eq!(wire.answer().await["activeReleaseId"], "v2");
}

#[tokio::test]
async fn a_half_closed_client_still_gets_its_answer() {
    let door = Door::open().await;
    let mut wire = door.wire().await;
    wire.send(format!("{}\nhalf a line", deploy("v2"))).await;
    wire.0.get_mut().shutdown().await.expect("half of it can be closed");
    door.deploys(1).await;
    door.fake.released.notify_one();
    assert_eq!(wire.rest().await, "{\"status\":\"success\",\"activeReleaseId\":\"v2\"}\n");
}

#[tokio::test]
async fn a_client_that_leaves_before_its_answer_harms_nobody() {
    let door = Door::open().await;
    let mut wire = door.wire().await;
    wire.send(format!("{}\n", deploy("v2"))).await;
    door.deploys(1).await;
    drop(wire);
    door.fake.released.notify_one();
    let mut client = ControlClient::connect(&door.path).await.expect("somebody listens");
    for _ in 0..100 {
        client.request(&json!({"command": "status"}), SOON).await.expect("an answer");
    }
    let notes = door.fake.notes.lock().expect("no test panics with it").clone();
    assert_eq!(notes.len(), 1, "only that it listens: {notes:?}");
}

#[tokio::test]
async fn an_oversized_line_is_told_off_and_closed() {
    let limits = ControlLimits { line_bytes_max: 1000, ..ControlLimits::default() };
    let door = Door::with_limits(limits).await;
    let mut wire = door.wire().await;
    wire.send(format!("{STATUS}\n{}", "x".repeat(5000))).await;
    let rest = wire.rest().await;
    let answers: Vec<Value> =
        rest.lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect();
    assert_eq!(answers.len(), 2, "{rest}");
    assert!(answers.iter().any(|answer| answer["application"] == "shop"));
    assert!(answers.iter().any(|answer| answer["error"] == "Control command is longer than 1000 bytes"));
    assert_eq!(door.wire().await.ask(STATUS).await["status"], "success");
}

#[tokio::test]
async fn half_a_line_is_dropped_when_it_takes_too_long() {
    let limits = ControlLimits { line_timeout: Duration::from_millis(50), ..ControlLimits::default() };
    let door = Door::with_limits(limits).await;
    let mut wire = door.wire().await;
    wire.send(format!("{STATUS}\n{{\"comma")).await;
    let rest = wire.rest().await;
    assert_eq!(rest.lines().count(), 1, "only the whole line is answered: {rest}");
    let mut idle = door.wire().await;
    assert_eq!(idle.ask(STATUS).await["status"], "success");
    let never = tokio::time::timeout(Duration::from_millis(200), idle.0.read_u8()).await;
    assert!(never.is_err(), "a connection without half a line stays open");
}

#[tokio::test]
async fn an_idle_connection_makes_room_and_a_busy_one_does_not() {
    let limits = ControlLimits { connections_max: 2, ..ControlLimits::default() };
    let door = Door::with_limits(limits).await;
    let mut busy = door.wire().await;
    busy.send(format!("{}\n", deploy("v2"))).await;
    door.deploys(1).await;
    let mut idle = door.wire().await;
    assert_eq!(idle.ask(STATUS).await["status"], "success");
    let mut third = door.wire().await;
    assert_eq!(third.ask(STATUS).await["status"], "success");
    assert_eq!(idle.rest().await, "", "the idle one had to go");
    door.fake.released.notify_one();
    assert_eq!(busy.answer().await["activeReleaseId"], "v2");
}

#[tokio::test]
async fn commands_under_way_are_bounded_and_the_rest_waits() {
    let limits = ControlLimits { in_flight_max: 3, ..ControlLimits::default() };
    let door = Door::with_limits(limits).await;
    let mut wire = door.wire().await;
    for count in 0..5 {
        wire.send(format!("{}\n", deploy(&format!("v{count}")))).await;
    }
    door.deploys(3).await;
    // A second connection is answered meanwhile: by then a fourth deploy of the first would have begun.
    assert_eq!(door.wire().await.ask(STATUS).await["status"], "success");
    assert_eq!(door.fake.deploys.load(Ordering::SeqCst), 3);
    for _ in 0..5 {
        door.fake.released.notify_one();
        assert_eq!(wire.answer().await["status"], "success");
    }
    assert_eq!(door.fake.deploys.load(Ordering::SeqCst), 5);
}

#[tokio::test]
async fn what_is_not_ours_is_refused_and_left_untouched() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().join("control.sock");
    let target = directory.path().join("target");
    std::fs::write(&target, "precious").expect("it can be written");

    std::fs::write(&path, "precious").expect("it can be written");
    let error = ControlServer::bind(&spec(&path)).await.expect_err("a file").to_string();
    assert!(error.contains("a regular file"), "{error}");
    assert_eq!(std::fs::read_to_string(&path).expect("it is there"), "precious");
    std::fs::remove_file(&path).expect("it is ours");

    for to in [target.clone(), directory.path().join("dangling")] {
        std::os::unix::fs::symlink(&to, &path).expect("the path is free");
        let error = ControlServer::bind(&spec(&path)).await.expect_err("a link").to_string();
        assert!(error.contains("a symbolic link"), "{error}");
        assert_eq!(std::fs::read_link(&path).expect("it is there"), to);
        std::fs::remove_file(&path).expect("it is ours");
    }
    assert_eq!(std::fs::read_to_string(&target).expect("it is there"), "precious");
    assert_ne!(target.metadata().expect("it is there").permissions().mode() & 0o777, 0o600);

    std::fs::create_dir(&path).expect("the path is free");
    let error = ControlServer::bind(&spec(&path)).await.expect_err("a directory").to_string();
    assert!(error.contains("a directory"), "{error}");
}

#[tokio::test]
async fn a_dead_socket_of_another_user_is_left_untouched() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().join("control.sock");
    drop(std::os::unix::net::UnixListener::bind(&path).expect("the path is free"));
    if std::os::unix::fs::chown(&path, Some(54_321), None).is_err() {
        return; // Only root can give a file away.
    }
    let error = ControlServer::bind(&spec(&path)).await.expect_err("somebody else's");
    assert_eq!(error.code(), "control_path_taken", "{error}");
    assert!(path.symlink_metadata().expect("it is there").file_type().is_socket());

    let ours = ControlSpec { owner: Some(OwnerName::Id(54_321)), ..spec(&path) };
    drop(ControlServer::bind(&ours).await.expect("a socket that we gave away is ours to replace"));
}

#[tokio::test]
async fn a_dead_socket_is_replaced() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().join("control.sock");
    drop(std::os::unix::net::UnixListener::bind(&path).expect("the path is free"));
    assert!(path.exists(), "the standard library leaves its sockets behind");
    let server = ControlServer::bind(&spec(&path)).await.expect("nobody answers there");
    let _serving = server.serve(Fake::default());
    let mut client = ControlClient::connect(&path).await.expect("we are there now");
    let answer = client.request(&json!({"command": "status"}), SOON).await.expect("an answer");
    assert_eq!(answer["application"], "shop");
    assert_eq!(client.server_pid().map(rollcore::Pid::get), Some(std::process::id()));
}

#[tokio::test]
async fn a_second_server_is_told_who_is_there() {
    let door = Door::open().await;
    let error = ControlServer::bind(&spec(&door.path)).await.expect_err("the first one is alive").to_string();
    let expected = format!(
        "A Rollbridge daemon for application \"shop\" is already running on {} (active release: v1). Run \"rollbridge \
         status\" to inspect it or \"rollbridge shutdown\" to stop it, or set a different control.path.",
        door.path.display()
    );
    assert_eq!(error, expected);
    assert_eq!(door.wire().await.ask(STATUS).await["status"], "success", "the first one is not harmed");
}

#[tokio::test]
async fn a_stranger_that_is_alive_is_not_replaced() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().join("control.sock");
    let silent = std::os::unix::net::UnixListener::bind(&path).expect("the path is free");
    let error = ControlServer::bind(&spec(&path)).await.expect_err("it is alive").to_string();
    let expected = format!(
        "The control socket {} is already in use by another process. Stop that process or set a different \
         control.path.",
        path.display()
    );
    assert_eq!(error, expected);
    drop(silent);
}

#[tokio::test]
async fn of_many_that_start_at_once_one_serves_and_is_not_replaced() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().join("control.sock");
    drop(std::os::unix::net::UnixListener::bind(&path).expect("the path is free"));
    let mut starting = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let path = path.clone();
        starting.spawn(async move {
            ControlServer::bind(&spec(&path)).await.map(|server| server.serve(Fake::default()))
        });
    }
    let (serving, refused): (Vec<_>, Vec<_>) =
        soon(starting.join_all()).await.into_iter().partition(Result::is_ok);
    assert_eq!((serving.len(), refused.len()), (1, 7));
    let refused: Vec<_> = refused.into_iter().filter_map(Result::err).map(|error| error.code()).collect();
    assert!(refused.iter().all(|code| *code == "already_running"), "{refused:?}");
    assert!(ControlClient::connect(&path).await.is_ok());
}

#[tokio::test]
async fn a_closing_server_leaves_the_socket_of_its_successor_alone() {
    let mut door = Door::open().await;
    std::fs::remove_file(&door.path).expect("somebody tidies up");
    let successor = ControlServer::bind(&spec(&door.path)).await.expect("the path is free");
    door.serving.close();
    assert_eq!(door.ended().await, ControlEnd::Closed);
    assert!(door.path.exists());
    drop(successor);
    assert!(!door.path.exists());
}

#[tokio::test]
async fn shutdown_is_answered_last_and_everybody_else_is_closed_without_an_answer() {
    let mut door = Door::open().await;
    let mut waiting = door.wire().await;
    waiting.send(format!("{}\n", deploy("v2"))).await;
    door.deploys(1).await;
    let mut idle = door.wire().await;
    assert_eq!(idle.ask(STATUS).await["status"], "success");

    let mut asking = door.wire().await;
    asking.send(format!("{SHUTDOWN}\n{STATUS}\n")).await;
    assert_eq!(asking.rest().await, "{\"status\":\"success\",\"message\":\"shutdown\"}\n");
    assert_eq!(waiting.rest().await, "");
    assert_eq!(idle.rest().await, "");
    assert_eq!(door.ended().await, ControlEnd::ShutDown);
    assert_eq!(door.ended().await, ControlEnd::ShutDown, "the end stays the end");
    assert!(!door.path.exists());
}

#[tokio::test]
async fn a_shutdown_is_carried_out_though_its_sender_is_gone() {
    let mut door = Door::open().await;
    door.wire().await.send(format!("{SHUTDOWN}\n")).await;
    assert_eq!(door.ended().await, ControlEnd::ShutDown);
}

#[tokio::test]
async fn of_two_shutdowns_one_is_answered() {
    let mut door = Door::open().await;
    let (mut one, mut two) = (door.wire().await, door.wire().await);
    one.send(format!("{SHUTDOWN}\n")).await;
    two.send(format!("{SHUTDOWN}\n")).await;
    let answers = [one.rest().await, two.rest().await];
    assert_eq!(answers.iter().filter(|answer| answer.contains("shutdown")).count(), 1, "{answers:?}");
    assert_eq!(door.ended().await, ControlEnd::ShutDown);
}

#[tokio::test]
async fn the_client_says_what_the_matter_is() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().join("control.sock");
    let error = ControlClient::connect(&path).await.expect_err("nobody is there");
    assert_eq!(error.to_string(), format!("connect ENOENT {}", path.display()));
    drop(std::os::unix::net::UnixListener::bind(&path).expect("the path is free"));
    let error = ControlClient::connect(&path).await.expect_err("nobody listens");
    assert_eq!(error.to_string(), format!("connect ECONNREFUSED {}", path.display()));
    assert!(error.is_unreachable());

    let mut door = Door::open().await;
    let mut client = ControlClient::connect(&door.path).await.expect("somebody listens");
    let error = client.request(&json!({"command": "dance"}), SOON).await.expect_err("refused");
    assert_eq!((error.to_string().as_str(), error.code()), ("Unknown command: dance", "unknown_command"));
    let ask = json!({"command": "deploy", "releasePath": "/r"});
    let error = client.request(&ask, Duration::from_millis(50)).await.expect_err("nobody lets it go on");
    assert_eq!(error.code(), "timed_out");
    let error = client.request(&json!({"command": "status"}), SOON).await.expect_err("the pairing is lost");
    assert_eq!(error.code(), "closed");

    let mut client = ControlClient::connect(&door.path).await.expect("somebody listens");
    let waiting = tokio::spawn(async move { client.request(&ask, SOON).await });
    door.deploys(2).await;
    door.serving.close();
    door.ended().await;
    let error = soon(waiting).await.expect("it does not panic").expect_err("no answer");
    assert_eq!(error.code(), "closed");
}
