//! Who listens where a process should.

use std::net::TcpListener;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::time::Duration;

use rollcore::{Command, Listens, RunSpec, StartReason};

use crate::support::{Watched, grace, printed};

/// A free port, and nobody on it.
fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("there is a free port");
    listener.local_addr().expect("it is bound").port()
}

/// A program that prints a line when it listens at `address`, in a child `below` it.
async fn listening(address: &str, port: u16, below: &str) -> Watched {
    let program = format!(
        "import os, socket, sys, time
family = socket.AF_INET6 if ':' in '{address}' else socket.AF_INET
def serve():
    server = socket.socket(family)
    server.bind(('{address}', {port}))
    server.listen()
    return server
{below}
print('listens', flush=True)
time.sleep(1000)"
    );
    let command = Command::Exec { program: "python3".into(), args: vec!["-c".into(), program] };
    let (watched, _) = Watched::started(RunSpec { command, ..grace("", Duration::from_secs(5)) }).await;
    printed(&watched.supervisor.output(), 1).await;
    watched
}

const ITSELF: &str = "server = serve()";
/// The master binds, and its workers inherit; the master's own socket is closed.
const A_WORKER: &str = "server = serve()
if os.fork() > 0: server.close()";
/// A worker in another session binds.
const A_DAEMON: &str = "ready, done = os.pipe()
if os.fork() == 0:
    os.setsid()
    server = serve()
    os.write(done, b'x')
    time.sleep(1000)
os.read(ready, 1)";

#[tokio::test]
async fn a_process_listens_itself_or_by_what_it_started() {
    for below in [ITSELF, A_WORKER, A_DAEMON] {
        for (address, host) in [("127.0.0.1", "127.0.0.1"), ("0.0.0.0", "localhost"), ("::", "127.0.0.1")] {
            let port = free_port();
            let watched = listening(address, port, below).await;
            let listens = watched.supervisor.listens_on(host, port).await;
            assert_eq!(listens, Listens::Yes, "{address} asked as {host}, {below}");
            watched.supervisor.stop().await;
        }
    }
}

#[tokio::test]
async fn a_stranger_on_the_port_is_named() {
    let stranger = TcpListener::bind("127.0.0.1:0").expect("there is a free port");
    let port = stranger.local_addr().expect("it is bound").port();
    let watched = listening("127.0.0.1", free_port(), ITSELF).await;
    let listens = watched.supervisor.listens_on("127.0.0.1", port).await;
    let Listens::No { holder, command } = listens else { panic!("this program listens, not {listens:?}") };
    assert_eq!(holder.get(), std::process::id());
    assert!(command.starts_with("supervisor-"), "the kernel's name of this test: {command}");
    watched.supervisor.stop().await;
}

/// A program that prints a line when it listens at the socket that is its first argument.
const AT_A_SOCKET: &str = "import os, socket, sys, time
server = socket.socket(socket.AF_UNIX)
server.bind(os.environ['AT'])
server.listen()
print('listens', flush=True)
time.sleep(1000)";

fn at_a_socket(path: &Path) -> RunSpec {
    let command = Command::Exec { program: "python3".into(), args: vec!["-c".into(), AT_A_SOCKET.into()] };
    let env = [("AT".to_owned(), path.to_str().expect("it is text").to_owned())].into();
    let socket = Some(path.to_owned());
    RunSpec { command, env, socket, ..grace("", Duration::from_secs(5)) }
}

#[tokio::test]
async fn who_listens_at_a_unix_socket_is_seen() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let (path, other) = (directory.path().join("web.1"), directory.path().join("other"));
    let (watched, _) = Watched::started(at_a_socket(&path)).await;
    printed(&watched.supervisor.output(), 1).await;
    assert_eq!(watched.supervisor.listens_at(&path).await, Listens::Yes);
    assert_eq!(watched.supervisor.listens_at(&other).await, Listens::Unknown, "nobody listens");
    let _stranger = UnixListener::bind(&other).expect("the name is free");
    let listens = watched.supervisor.listens_at(&other).await;
    let Listens::No { holder, .. } = listens else { panic!("this program listens, not {listens:?}") };
    assert_eq!(holder.get(), std::process::id());
    watched.supervisor.stop().await;
}

/// No program binds a path that is taken, and a process that is killed leaves it taken.
#[tokio::test]
async fn a_stale_socket_makes_room_for_the_next_start() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().join("web.1");
    let stop = rollcore::StopSpec {
        with: rollcore::StopWith::Signal(rollcore::Signal::KILL),
        ..rollcore::StopSpec::default()
    };
    let (mut watched, _) = Watched::started(RunSpec { stop, ..at_a_socket(&path) }).await;
    for starts in 1..=3 {
        printed(&watched.supervisor.output(), starts).await;
        watched.supervisor.stop().await;
        assert!(path.exists(), "what is killed cannot clean up");
        watched.supervisor.start(StartReason::Manual).await.expect("it can be started");
    }
    printed(&watched.supervisor.output(), 4).await;
    assert_eq!(watched.supervisor.listens_at(&path).await, Listens::Yes);
    watched.supervisor.stop().await;
    while let Ok((change, lines)) = watched.changes.try_recv() {
        assert!(lines.iter().all(|line| line == "listens"), "{change:?}: {lines:?}");
    }
}

#[tokio::test]
async fn what_cannot_be_seen_is_not_held_against_it() {
    let watched = listening("127.0.0.1", free_port(), ITSELF).await;
    let nobody = free_port();
    assert_eq!(watched.supervisor.listens_on("127.0.0.1", nobody).await, Listens::Unknown, "nobody listens");
    assert_eq!(watched.supervisor.listens_on("no-such-host.invalid", nobody).await, Listens::Unknown);
    watched.supervisor.stop().await;
    let stranger = TcpListener::bind("127.0.0.1:0").expect("there is a free port");
    let port = stranger.local_addr().expect("it is bound").port();
    assert_eq!(watched.supervisor.listens_on("127.0.0.1", port).await, Listens::Unknown, "it is not running");
}
