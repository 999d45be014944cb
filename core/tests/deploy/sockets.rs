//! Processes that listen at Unix sockets.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use rollcore::ProcessId;
use serde_json::{Value, json};

use crate::shop::{DEADLINE, Shop, process};

/// A shop whose web process and broker listen at sockets, in a directory of its own.
struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a directory for the control socket"))
    }

    async fn open(&self, change: impl FnOnce(&mut Value)) -> Shop {
        Shop::open_with(|config| {
            config["control"] = json!({ "path": self.0.path().join("control.sock") });
            let web = config["processes"][0].as_object_mut().expect("a process");
            web.remove("port");
            web.insert("socket".to_owned(), json!(true));
            config["processes"][3]["socket"] = json!(true);
            change(config);
        })
        .await
    }

    /// What is in it.
    fn entries(&self) -> Vec<PathBuf> {
        entries(self.0.path())
    }
}

fn entries(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).expect("it is there");
    let mut paths: Vec<_> = entries.map(|entry| entry.expect("it can be read").path()).collect();
    paths.sort();
    paths
}

fn socket(shop: &Shop, id: &str) -> PathBuf {
    let status = shop.engine.status();
    let active = status.releases.iter().find(|release| release.state == "active").expect("one is active");
    PathBuf::from(&active.sockets[&ProcessId::new(id)])
}

#[tokio::test]
async fn each_release_has_a_socket_of_its_own_in_a_private_directory() {
    let place = Place::new();
    let shop = place.open(|_| {}).await;
    assert_eq!(place.entries(), [""; 0].map(PathBuf::from), "nothing before it is needed");
    shop.deploy("v1").await.expect("a healthy release");
    let first = socket(&shop, "web");
    let broker = socket(&shop, "broker");
    let directory = first.parent().expect("it is in a directory").to_owned();
    assert_eq!(place.entries(), std::slice::from_ref(&directory));
    let mode = fs::metadata(&directory).expect("it is there").permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
    assert_eq!(shop.get("/").await, (200, "v1".to_owned()));

    shop.deploy("v2").await.expect("a healthy release");
    let second = socket(&shop, "web");
    assert_ne!(first, second);
    assert_eq!(socket(&shop, "broker"), broker, "it lives on, where it is");
    assert_eq!(shop.get("/").await, (200, "v2".to_owned()));
    shop.until("retired", |status| status.releases.iter().any(|release| release.state == "stopped")).await;
    shop.until_so("removed", || !first.exists()).await;
    assert_eq!(entries(&directory), [second], "a sleeping broker makes no socket");
    assert!(shop.engine.status().releases.iter().all(|release| release.ports.is_empty()));
    shop.close().await;
    assert_eq!(place.entries(), [""; 0].map(PathBuf::from));
}

/// A daemon was killed with its sockets in place.
#[tokio::test]
async fn an_engine_begins_by_removing_what_a_killed_one_left() {
    let place = Place::new();
    let dead = place.0.path().join("rollcore-sockets-0123abcd");
    fs::create_dir(&dead).expect("the name is free");
    fs::set_permissions(&dead, fs::Permissions::from_mode(0o700)).expect("it is ours");
    drop(std::os::unix::net::UnixListener::bind(dead.join("web.7")).expect("the name is free"));
    let shop = place.open(|_| {}).await;
    assert_eq!(place.entries(), [""; 0].map(PathBuf::from));
    shop.close().await;
}

/// What was leased for a release that never came to be is given back.
#[tokio::test]
async fn a_release_that_is_undone_leaves_no_socket() {
    let place = Place::new();
    let shop = place.open(|_| {}).await;
    shop.deploy("v1").await.expect("a healthy release");
    let first = socket(&shop, "web");
    shop.edit(|application| {
        let web = &mut application.processes[0];
        web.env.insert("TEST_APP".to_owned(), "error".to_owned());
        web.health.as_mut().expect("it is asked").timeout = std::time::Duration::from_millis(300);
    });
    let failed = shop.deploy("v2").await.expect_err("it answers 500").to_string();
    let directory = first.parent().expect("it is in a directory");
    let url = format!("http://unix:{}/web.", directory.display());
    assert!(failed.contains(&url) && failed.contains("HTTP 500"), "{failed}");
    assert_eq!(entries(directory), std::slice::from_ref(&first));
    assert_eq!(shop.get("/").await, (200, "v1".to_owned()));
    shop.close().await;
}

/// Its socket lay there when it was started again: EADDRINUSE, for ever.
#[tokio::test]
async fn a_web_process_that_dies_is_back_at_the_same_socket() {
    let place = Place::new();
    let shop = place.open(|config| config["processes"][0]["restartDelayMs"] = json!(10)).await;
    shop.deploy("v1").await.expect("a healthy release");
    let before = socket(&shop, "web");
    for restarts in 1..=2 {
        assert_eq!(shop.ask("POST", "/die").await.0, 502);
        shop.until("up again", |status| {
            status.releases[0].processes.iter().any(|web| web.restarts == restarts && web.state == "running")
        })
        .await;
        let answering = async { while shop.get("/").await != (200, "v1".to_owned()) {} };
        tokio::time::timeout(DEADLINE, answering).await.expect("it is answered again");
    }
    assert_eq!(socket(&shop, "web"), before);
    shop.close().await;
}

/// What each process is told, and by which name.
#[tokio::test]
async fn a_process_is_told_where_it_listens() {
    let place = Place::new();
    let shop = place
        .open(|config| {
            let line = "echo \"$ROLLCORE_SOCKET|$ROLLBRIDGE_WEB_SOCKET|{{sockets.web}}|{{socket}}|$ROLLCORE_PORT|\"; \
                        exec sleep 1000";
            let mut told = process("told", "companion", "sleep");
            (told["command"], told["socket"]) = (json!(line), json!(true));
            config["processes"].as_array_mut().expect("a list").push(told);
        })
        .await;
    shop.deploy("v1").await.expect("a healthy release");
    let (web, told) = (socket(&shop, "web"), socket(&shop, "told"));
    let (web, told) = (web.display(), told.display());
    let expected = format!("{told}|{web}|{web}|{told}||");
    shop.until_so("printed", || {
        let status = shop.engine.status();
        let mut lines = status.releases[0].processes.iter().flat_map(|process| &process.logs);
        lines.any(|line| line.line == expected)
    })
    .await;
    shop.close().await;
}

/// Before anything is touched, and with what to do about it.
#[tokio::test]
async fn a_path_that_is_too_long_fails_the_preflight() {
    let place = Place::new();
    let deep = place.0.path().join("d".repeat(80));
    fs::create_dir(&deep).expect("it can be made");
    let shop = place.open(|config| config["control"]["path"] = json!(deep.join("c.sock"))).await;
    let failed = shop.deploy("v1").await.expect_err("no socket fits").to_string();
    assert!(failed.contains("the socket of process \"web\" would have a path of up to"), "{failed}");
    assert!(failed.contains("control.path"), "{failed}");
    assert_eq!(shop.events("process started"), [Value::Null; 0]);
    shop.close().await;
}
