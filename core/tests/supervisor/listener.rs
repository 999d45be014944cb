//! Who listens where a process should.

use std::net::TcpListener;
use std::time::Duration;

use rollcore::{Command, Listens, RunSpec};

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
