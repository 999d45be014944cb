use std::path::Path;

use serde_json::{Value, json};

use super::check;
use super::*;
use crate::config::Config;
use crate::event::Orphan;
use crate::id::ProcessId;
use crate::spec::{AdminSpec, CertificateFiles, StateSpec, TlsSpec};

fn application(processes: &Value) -> Application {
    let config = json!({
        "application": "shop",
        "control": { "path": "/run/shop.sock" },
        "proxy": { "port": 8080 },
        "processes": processes,
    });
    Config::from_json(&config.to_string()).expect("it is valid").into_application()
}

fn shop() -> Application {
    application(&json!([{ "id": "web", "policy": "proxied", "command": "serve", "port": 18_000 }]))
}

fn daemon(application: &str, port: u16) -> ControlPresence {
    let status = json!({
        "application": application,
        "activeReleaseId": "v2",
        "proxy": { "host": "127.0.0.1", "port": port, "upstreamHost": "127.0.0.1" },
        "releases": [
            { "releaseId": "v1", "releasePath": "/srv/v1" },
            { "releaseId": "v2", "releasePath": "/srv/v2" },
        ],
    });
    let seen = DaemonSeen::from_status(status.as_object().expect("it is one"));
    ControlPresence::Daemon(seen.expect("it is a status"))
}

fn said(check: &Check) -> (bool, &str) {
    (check.ok, check.detail.as_str())
}

/// C-233: the config and the control socket.
#[test]
fn the_control_socket_is_free_ours_or_in_the_way() {
    let shop = shop();
    assert_eq!(said(&check::config(&shop)), (true, "valid: 1 process, proxy on 127.0.0.1:8080"));
    for (presence, expected) in [
        (ControlPresence::Nobody, (true, "no daemon running; /run/shop.sock is free to bind")),
        (daemon("shop", 8080), (true, "Rollbridge daemon for \"shop\" is running on /run/shop.sock")),
        (
            daemon("books", 8080),
            (
                false,
                "a Rollbridge daemon for \"books\" is already running on /run/shop.sock; stop it before starting another",
            ),
        ),
        (
            ControlPresence::Stranger,
            (
                false,
                "another process is already listening on /run/shop.sock; the daemon would fail to bind it",
            ),
        ),
        (
            ControlPresence::Unknown("connect EACCES /run/shop.sock".to_owned()),
            (false, "could not probe /run/shop.sock: connect EACCES /run/shop.sock"),
        ),
        (
            ControlPresence::Taken("a directory".to_owned()),
            (false, "/run/shop.sock is taken by a directory; the daemon would fail to bind it"),
        ),
    ] {
        let check = check::control_socket(&shop, &presence);
        assert_eq!((check.name, said(&check)), ("control socket", expected), "{presence:?}");
    }
}

/// Ours: only with HTTPS.
#[tokio::test]
async fn certificates_that_cannot_be_served_are_named() {
    let mut shop = shop();
    assert_eq!(certificates(&shop).await, None);
    let files = CertificateFiles::new("/nowhere/cert.pem", "/nowhere/key.pem");
    shop.proxy.tls = Some(TlsSpec::new(files));
    let check = certificates(&shop).await.expect("there is one to look at");
    let found = "cannot read /nowhere/cert.pem: No such file or directory (os error 2)";
    assert_eq!((check.name, said(&check)), ("proxy certificates", (false, found)));
    let names = vec!["shop.test".to_owned(), "*.shop.test".to_owned()];
    let detail = "can be served, for shop.test, *.shop.test";
    assert_eq!(said(&check::certificates(Ok(names))), (true, detail));
}

/// C-233: the proxy port.
#[test]
fn the_proxy_port_is_available_held_by_us_or_not_to_be_had() {
    let shop = shop();
    let told = |presence: &ControlPresence, busy| {
        let check = check::proxy_port(&shop, presence, busy);
        (check.ok, check.detail)
    };
    let available = (true, "127.0.0.1:8080 is available".to_owned());
    assert_eq!(told(&ControlPresence::Nobody, None), available);
    let held = (true, "127.0.0.1:8080 is already held by the running Rollbridge daemon".to_owned());
    assert_eq!(told(&daemon("shop", 8080), Some("EADDRINUSE")), held);
    let busy = (false, "127.0.0.1:8080 is unavailable (EADDRINUSE)".to_owned());
    for other in [daemon("shop", 8081), daemon("books", 8080), ControlPresence::Nobody] {
        assert_eq!(told(&other, Some("EADDRINUSE")), busy, "{other:?}");
    }
}

/// C-233, C-234: directories.
#[test]
fn directories_are_writable_or_not() {
    let said = |check: Check| (check.name, check.ok, check.detail);
    let run = Path::new("/run");
    assert_eq!(
        said(check::control_directory(run, true)),
        ("control socket directory", true, "/run is writable".to_owned())
    );
    assert_eq!(
        said(check::control_directory(run, false)),
        ("control socket directory", false, "/run is missing or not writable".to_owned())
    );
    assert_eq!(
        said(check::state_directory(run, true)),
        ("state path directory", true, "/run is writable".to_owned())
    );
    assert_eq!(
        said(check::state_directory(run, false)).2,
        "/run is missing or not writable; state cannot be persisted"
    );
}

/// C-234: what an earlier daemon left behind.
#[test]
fn what_is_left_over_is_named_unless_a_daemon_runs() {
    let shop = shop();
    let left = |id: &str, pid| Orphan { id: id.to_owned(), pid, release: None };
    let (one, two) = ([left("web", 7)], [left("web", 7), left("worker#0", 8)]);
    let told = |presence, left: &[Orphan]| {
        let check = check::orphans(&shop, presence, left);
        (check.ok, check.detail)
    };
    let nobody = ControlPresence::Nobody;
    assert_eq!(told(&nobody, &[]), (true, "no leftover processes from a previous daemon".to_owned()));
    assert_eq!(
        told(&nobody, &one),
        (
            false,
            "1 possible orphaned process still running: web (pid 7) — verify and stop any leftovers"
                .to_owned()
        )
    );
    assert_eq!(
        told(&nobody, &two).1,
        "2 possible orphaned processes still running: web (pid 7), worker#0 (pid 8) — verify and stop any leftovers"
    );
    assert_eq!(
        told(&daemon("shop", 1), &two),
        (true, "a daemon is running; its managed processes are not orphans".to_owned())
    );
}

/// C-236: the release.
#[test]
fn templates_and_directories_are_counted_and_the_bad_ones_named() {
    let named = |id: &str, what: &str| (ProcessId::new(id), what.to_owned());
    assert_eq!(said(&check::release_path("/srv/v1", true)), (true, "/srv/v1 exists"));
    assert_eq!(
        said(&check::release_path("/srv/v1", false)),
        (false, "/srv/v1 is missing or not a directory")
    );
    assert_eq!(said(&check::templates(3, &[])), (true, "all 3 process command/cwd/env templates resolve"));
    let missing = [named("web", "Missing template value for {{x}}"), named("cron", "no")];
    assert_eq!(
        said(&check::templates(3, &missing)),
        (false, "unresolved templates — web: Missing template value for {{x}}; cron: no")
    );
    assert_eq!(said(&check::directories(1, &[])), (true, "all 1 process working directory exists"));
    assert_eq!(said(&check::directories(2, &[])), (true, "all 2 process working directories exist"));
    let missing = [named("web", "/a"), named("cron", "/b")];
    assert_eq!(said(&check::directories(2, &missing[..1])), (false, "missing working directory: web (/a)"));
    assert_eq!(
        said(&check::directories(2, &missing)),
        (false, "missing working directories: web (/a), cron (/b)")
    );
}

/// C-225: a daemon may stay when it serves a release at the same address.
#[test]
fn a_daemon_serves_when_it_has_a_release_at_the_configured_address() {
    let shop = shop();
    let ControlPresence::Daemon(daemon) = daemon("shop", 8080) else { panic!("a daemon") };
    assert!(daemon.serves(&shop));
    assert_eq!(daemon.active.as_ref().map(|active| active.path.as_str()), Some("/srv/v2"));
    let mut elsewhere = shop.clone();
    elsewhere.proxy.upstream_host = "10.0.0.1".to_owned();
    assert!(!daemon.serves(&elsewhere));
    let mut any_port = shop.clone();
    any_port.proxy.port = 0;
    assert!(daemon.serves(&any_port));
    assert!(!DaemonSeen { active: None, ..daemon.clone() }.serves(&shop));
    assert!(!DaemonSeen { application: "books".to_owned(), ..daemon.clone() }.serves(&shop));
    assert!(!DaemonSeen { proxy_port: Some(1), ..daemon }.serves(&shop));
    assert_eq!(DaemonSeen::from_status(json!({"a": 1}).as_object().expect("it is one")), None);
}

/// C-232 to C-236: looked at for real, in order.
#[tokio::test]
async fn everything_is_looked_at_in_order() {
    let place = tempfile::tempdir().expect("a temporary directory");
    let path = |name: &str| place.path().join(name);
    let mut shop = application(&json!([
        { "id": "web", "policy": "proxied", "command": "serve {{port}}", "port": { "from": 18_000, "to": 18_009 } },
        { "id": "worker", "command": "work {{replicaIndex}} {{ports.web}}", "replicas": 2, "cwd": "/not/there" },
        { "id": "cron", "command": "{{ports.none}}" },
    ]));
    shop.proxy.port = 0;
    shop.control.path = path("control.sock");
    shop.state = Some(StateSpec { path: path("none/state.json"), restore_on_start: true });
    let release = Release::new("v1", place.path().to_string_lossy()).expect("it is safe");
    let checks = doctor(&shop, &ControlPresence::Nobody, Some(&release)).await;
    let told: Vec<_> = checks.iter().map(|check| (check.name, check.ok)).collect();
    assert_eq!(
        told,
        [
            ("config", true),
            ("control socket", true),
            ("control socket directory", true),
            ("proxy port", true),
            ("state path directory", false),
            ("orphaned processes", true),
            ("release path", true),
            ("process templates", false),
            ("process working directories", false),
        ]
    );
    assert_eq!(checks[7].detail, "unresolved templates — cron: Missing template value for {{ports.none}}");
    assert_eq!(checks[8].detail, "missing working directory: worker (/not/there)");
}

/// C-233: a port that somebody listens on is told by the name of the error.
#[tokio::test]
async fn a_port_in_use_is_found_by_listening_on_it() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = taken.local_addr().expect("it is bound").port();
    assert_eq!(look::why_not_bindable("127.0.0.1", port).await.as_deref(), Some("EADDRINUSE"));
    drop(taken);
    assert_eq!(look::why_not_bindable("127.0.0.1", port).await, None);
    assert_eq!(look::why_not_bindable("198.51.100.7", 0).await.as_deref(), Some("EADDRNOTAVAIL"));
}

/// C-235: permission to write and to search, both.
#[tokio::test]
async fn a_directory_that_is_not_there_is_not_writable() {
    let place = tempfile::tempdir().expect("a temporary directory");
    assert!(look::is_writable(place.path().to_owned()).await);
    assert!(!look::is_writable(place.path().join("none")).await);
    let file = place.path().join("file");
    std::fs::write(&file, "").expect("it can be written");
    assert!(!look::is_writable(file).await);
}

/// Ours.
#[test]
fn an_address_for_metrics_that_others_reach_is_warned_about() {
    let said_of = |host: &str, held, busy| {
        let check = check::admin_address(&AdminSpec { host: host.to_owned(), port: 9182 }, held, busy);
        (check.ok, check.detail)
    };
    for host in ["127.0.0.1", "127.9.9.9", "::1", "[::1]", "localhost"] {
        assert_eq!(said_of(host, false, None), (true, format!("{host}:9182 is available")));
    }
    let warning = "; warning: whoever reaches it reads the numbers, without a password";
    for host in ["0.0.0.0", "::", "10.0.0.1", "metrics.test"] {
        assert_eq!(said_of(host, false, None), (true, format!("{host}:9182 is available{warning}")));
    }
    let busy = Some("EADDRINUSE");
    assert_eq!(
        said_of("127.0.0.1", false, busy),
        (false, "127.0.0.1:9182 is unavailable (EADDRINUSE)".to_owned())
    );
    assert_eq!(
        said_of("127.0.0.1", true, busy),
        (true, "127.0.0.1:9182 is held by the running daemon".to_owned())
    );
}
