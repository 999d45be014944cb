//! A real application for the golden files: this test program itself, started again with `COMPAT_APP` set.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};

/// The shell line that makes this program the application in this mode.
pub(crate) fn line(mode: &str) -> String {
    let program = std::env::current_exe().expect("a test knows its own path");
    format!(
        "COMPAT_APP={mode} exec {} --exact app::serves_when_asked --nocapture --quiet >/dev/null",
        program.to_str().expect("it is UTF-8")
    )
}

/// Not a test of anything: the application, when the environment says so.
#[test]
fn serves_when_asked() {
    let Ok(mode) = std::env::var("COMPAT_APP") else { return };
    let release = std::env::var("ROLLBRIDGE_RELEASE_ID").expect("it was injected");
    match mode.as_str() {
        "worker" | "silent" => {
            if mode == "worker" {
                say(&format!("worker up {release}"));
            }
            loop {
                std::thread::park();
            }
        }
        "web" | "broken" => serve(&release, mode == "web"),
        other => panic!("there is no mode {other:?}"),
    }
}

/// To stderr: on stdout the test harness has its say.
fn say(text: &str) {
    let _nobody_listens = std::io::stderr().write_all(format!("{text}\n").as_bytes());
}

fn serve(release: &str, is_healthy: bool) {
    let port = std::env::var("ROLLBRIDGE_PORT").expect("a port was injected");
    let listener = TcpListener::bind(format!("127.0.0.1:{port}")).expect("the port was leased");
    say(&format!("boot {release}"));
    for connection in listener.incoming().map_while(Result::ok) {
        std::thread::spawn(move || while answer(&connection, is_healthy).is_some() {});
    }
}

/// Answers one request; `None` when the connection is over.
fn answer(mut connection: &TcpStream, is_healthy: bool) -> Option<()> {
    let head: Vec<String> = BufReader::with_capacity(1, connection)
        .lines()
        .map_while(Result::ok)
        .take_while(|line| !line.is_empty())
        .collect();
    let first = head.first()?;
    let text = match () {
        () if first.contains(" /cable ") => {
            "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n"
        }
        () if is_healthy => "HTTP/1.1 204 No Content\r\n\r\n",
        () => "HTTP/1.1 500 Broken\r\ncontent-length: 0\r\n\r\n",
    };
    connection.write_all(text.as_bytes()).ok()
}
