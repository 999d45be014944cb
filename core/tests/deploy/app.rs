//! A real application for the tests of the engine: this test program itself, started again with `TEST_APP` set.
#![expect(clippy::disallowed_methods, reason = "this is an application that exits")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::os::unix::net::UnixListener;

/// The arguments that make this program the application.
pub fn command() -> Vec<String> {
    let program = std::env::current_exe().expect("a test knows its own path");
    let program = program.to_str().expect("it is UTF-8").to_owned();
    vec![program, "--exact".into(), "app::serves_when_asked".into(), "--nocapture".into(), "--quiet".into()]
}

/// Not a test of anything: the application, when the environment says so.
#[test]
fn serves_when_asked() {
    let Ok(mode) = std::env::var("TEST_APP") else { return };
    match mode.as_str() {
        "crash" => {
            let _ = writeln!(std::io::stderr(), "AUTH_SECRET missing");
            std::process::exit(1);
        }
        "serve" | "error" | "mute" => serve(&mode),
        "sleep" => loop {
            std::thread::park();
        },
        other => panic!("there is no mode {other:?}"),
    }
}

fn serve(mode: &str) {
    if let Ok(path) = std::env::var("ROLLCORE_SOCKET") {
        let listener = UnixListener::bind(path).expect("the path was leased");
        for connection in listener.incoming().map_while(Result::ok) {
            let (mode, reader) = (mode.to_owned(), connection.try_clone().expect("a socket can be cloned"));
            std::thread::spawn(move || answer(connection, reader, &mode));
        }
        return;
    }
    let port = std::env::var("ROLLCORE_PORT").expect("a port was injected");
    let listener = TcpListener::bind(format!("127.0.0.1:{port}")).expect("the port was leased");
    for connection in listener.incoming().map_while(Result::ok) {
        let (mode, reader) = (mode.to_owned(), connection.try_clone().expect("a socket can be cloned"));
        std::thread::spawn(move || answer(connection, reader, &mode));
    }
}

/// In one write, so that it is there whole or not at all, whatever happens to us next.
fn write_down(path: &str) {
    let mut orders = std::fs::File::options().create(true).append(true).open("orders").expect("a directory");
    orders.write_all(format!("{path}\n").as_bytes()).expect("there is room");
}

fn answer(mut connection: impl Write, reader: impl Read, mode: &str) {
    let mut reader = BufReader::new(reader);
    loop {
        let mut head = String::new();
        while reader.read_line(&mut head).is_ok_and(|read| read > 0) && !head.ends_with("\r\n\r\n") {}
        let Some(path) = head.split(' ').nth(1) else { return };
        if mode == "mute" {
            std::thread::park();
        }
        if path == "/die" {
            std::process::exit(3);
        }
        if path == "/hold" && reader.read_exact(&mut [0; 2]).is_err() {
            return;
        }
        if path.starts_with("/order/") {
            write_down(path);
        }
        let body = match path {
            "/head" => head,
            _ => std::env::var("ROLLCORE_RELEASE_ID").unwrap_or_default(),
        };
        let status = if mode == "error" { "500 Broken" } else { "200 OK" };
        let answer = format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n\r\n{body}", body.len());
        if connection.write_all(answer.as_bytes()).is_err() {
            return;
        }
    }
}
