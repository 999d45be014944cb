//! How many descriptors a daemon has, what it does when they are few, and those that a service manager passes.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::support::{Daemon, Place, ROLLCORE, SOON, get};

/// How many connect at once.
const CROWD: usize = 1_000;

/// A daemon that was started by a shell after `preparation`.
fn daemon_after(place: &Place, preparation: &str) -> Daemon {
    let script = format!("{preparation}; exec \"$0\" daemon");
    let mut command = Command::new("/bin/sh");
    command.args(["-c", &script, ROLLCORE]).current_dir(place.path("")).stdin(Stdio::null());
    Daemon::started(command.stdout(Stdio::piped()).spawn().expect("there is a shell"))
}

fn deploy(place: &Place) {
    let release = place.release("v1", "");
    place.json(&["deploy", "--release-path", &release, "--release-id", "v1"]);
}

fn connect(status: &Value) -> TcpStream {
    let port = u16::try_from(status["proxy"]["port"].as_u64().expect("a port")).expect("a port");
    let stream = TcpStream::connect(("127.0.0.1", port)).expect("the kernel takes it");
    stream.set_read_timeout(Some(SOON)).expect("it is not zero");
    stream
}

/// The limit of open files of a process, soft and hard (proc_pid_limits(5)).
fn files_max(pid: &Value) -> (String, String) {
    let limits = std::fs::read_to_string(format!("/proc/{pid}/limits")).expect("it is there");
    let line =
        limits.lines().find_map(|line| line.strip_prefix("Max open files")).expect("it is always there");
    let mut numbers = line.split_whitespace().map(str::to_owned);
    (numbers.next().expect("the soft one"), numbers.next().expect("the hard one"))
}

/// A thousand clients, and descriptors for a tenth of them: the others wait, nobody is lost, and commands are answered.
#[test]
fn a_crowd_waits_for_its_turn() {
    let place = Place::with_app();
    let _daemon = daemon_after(&place, "ulimit -n 256");
    deploy(&place);
    let status = place.json(&["status"]);
    assert_eq!(status["proxy"]["connectionsMax"], 96, "two for each, and a quarter for others");
    let mut crowd: Vec<TcpStream> = (0..CROWD).map(|_| connect(&status)).collect();
    for client in &mut crowd {
        client.write_all(b"GET / HTTP/1.1\r\nHost: shop\r\n\r\n").expect("the kernel keeps it");
    }
    for _ in 0..3 {
        let during = place.json(&["status"]);
        assert_eq!(during["proxy"]["connectionCount"], 96);
        assert_eq!(during["activeReleaseId"], "v1");
    }
    for (number, mut client) in crowd.into_iter().enumerate() {
        let mut answer = [0; 12];
        client.read_exact(&mut answer).unwrap_or_else(|error| panic!("client {number}: {error}"));
        assert_eq!(&answer, b"HTTP/1.1 200");
    }
    assert_eq!(get(&status), "200 v1");
    let after = place.json(&["status"]);
    assert_eq!(after["proxy"]["connectionsRefused"], 0);
    for process in after["releases"][0]["processes"].as_array().expect("a list") {
        assert_eq!(process["restarts"], 0, "{process}");
    }
}

/// The daemon allows itself what the system lets it have; its processes have what it was started with.
#[test]
fn children_have_the_limit_of_before() {
    let place = Place::with_app();
    let _daemon = daemon_after(&place, "ulimit -Sn 300; ulimit -Hn 2000");
    deploy(&place);
    let status = place.json(&["status"]);
    assert_eq!(status["proxy"]["connectionsMax"], (2000 - 256) / 2);
    let processes = status["releases"][0]["processes"].as_array().expect("a list").iter();
    let services = status["services"].as_array().expect("a list").iter().map(|service| &service["process"]);
    let mut seen = 0;
    for process in processes.chain(services) {
        assert_eq!(files_max(&process["pid"]), ("300".to_owned(), "2000".to_owned()), "{process}");
        seen += 1;
    }
    assert!(seen >= 3, "{status}");
}

/// The variables of `sd_listen_fds(3)` for a program that the shell becomes, and the socket at 3.
const PASS: &str = "export LISTEN_PID=$$ LISTEN_FDS=1 LISTEN_FDNAMES=proxy";

fn daemon_with(place: &Place, listener: &TcpListener, preparation: &str) -> std::process::Child {
    use command_fds::{CommandFdExt, FdMapping};
    let script = format!("{preparation}; exec \"$0\" daemon");
    let mut command = Command::new("/bin/sh");
    command.args(["-c", &script, ROLLCORE]).current_dir(place.path("")).stdin(Stdio::null());
    let parent_fd = listener.try_clone().expect("it can be shared").into();
    command.fd_mappings(vec![FdMapping { parent_fd, child_fd: 3 }]).expect("nobody else wants it");
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("there is a shell")
}

fn configure(place: &Place, port: u16) {
    let config = json!({
        "application": "shop",
        "control": { "path": place.path("control.sock") },
        "proxy": { "port": port },
        "processes": [{ "id": "web", "policy": "proxied", "port": 0, "command": [ROLLCORE, "sample-app"],
            "health": { "timeoutMs": 10_000, "intervalMs": 20 } }],
    });
    place.write("rollcore.json", &config.to_string());
}

/// Who connects while no daemon runs waits in the socket, and is served; also by the next daemon.
#[test]
fn a_socket_from_a_service_manager_is_served() {
    let place = Place::new();
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = listener.local_addr().expect("it is bound").port();
    configure(&place, port);
    let release = place.release("v1", "");
    for _ in 0..2 {
        let mut early = TcpStream::connect(("127.0.0.1", port)).expect("it listens");
        let mut daemon = Daemon::started(daemon_with(&place, &listener, PASS));
        place.json(&["deploy", "--release-path", &release, "--release-id", "v1"]);
        let status = place.json(&["status"]);
        assert_eq!(status["proxy"]["port"], port);
        early.set_read_timeout(Some(SOON)).expect("it is not zero");
        early.write_all(b"GET / HTTP/1.1\r\nHost: shop\r\nConnection: close\r\n\r\n").expect("it is open");
        let mut answer = String::new();
        early.read_to_string(&mut answer).expect("it answers");
        assert!(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("v1"), "{answer}");
        // What was said to the daemon is not said to its processes, and they do not have the socket.
        let pid = &status["releases"][0]["processes"][0]["pid"];
        let environment = std::fs::read(format!("/proc/{pid}/environ")).expect("it is ours");
        assert!(!String::from_utf8_lossy(&environment).contains("LISTEN_"));
        place.json(&["shutdown"]);
        assert_eq!(daemon.code(), Some(0));
        TcpStream::connect(("127.0.0.1", port)).expect("somebody else holds the socket");
    }
}

#[test]
fn what_was_passed_to_somebody_else_is_left_alone() {
    let place = Place::new();
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    configure(&place, listener.local_addr().expect("it is bound").port());
    let refused = |preparation: &str| {
        let output = daemon_with(&place, &listener, preparation).wait_with_output().expect("it ends");
        assert_eq!(output.status.code(), Some(1));
        String::from_utf8(output.stderr).expect("it prints text")
    };
    let said = refused("export LISTEN_PID=1 LISTEN_FDS=1");
    assert!(said.contains("EADDRINUSE"), "it opens its own: {said}");
    let said = refused("export LISTEN_PID=$$ LISTEN_FDS=2 LISTEN_FDNAMES=a:b");
    assert!(said.contains("2 sockets were passed, and none is named proxy"), "{said}");
    let said = refused("exec 3</dev/null; export LISTEN_PID=$$ LISTEN_FDS=1");
    assert!(said.contains("cannot take the socket that was passed: fd 3 is not a socket"), "{said}");
    configure(&place, 1);
    let said = refused(PASS);
    assert!(said.contains("the socket that was handed over is not the one of 127.0.0.1:1"), "{said}");
}
