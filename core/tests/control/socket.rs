//! Who gets in, and what is never touched.

use std::collections::BTreeSet;
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use rollcore::{ControlBindError, ControlClient, ControlEnd, ControlServer, ControlSpec, OwnerName};
use serde_json::json;

use super::support::{Door, Fake, SOON, STATUS, soon, spec, until};

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

/// C-157, C-175.
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

/// C-157, C-175.
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

/// C-157: only root may give a file away.
#[tokio::test]
async fn a_socket_that_cannot_be_given_away_is_not_there() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().join("control.sock");
    let refused = |path, reason: &str| ControlBindError::NotGiven { path, reason: reason.to_owned() };
    let text = refused(path.clone(), "EPERM").to_string();
    let begins = format!("Could not set control socket owner/group on {}: EPERM. ", path.display());
    assert!(text.starts_with(&begins), "{text}");
    if nix::unistd::geteuid().is_root() {
        return;
    }
    let given = ControlSpec { owner: Some(OwnerName::Id(0)), ..spec(&path) };
    let error = ControlServer::bind(&given).await.expect_err("we are not root");
    assert_eq!(error.code(), "control_owner_refused", "{error}");
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

/// C-154.
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

/// C-155.
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

/// C-156.
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
