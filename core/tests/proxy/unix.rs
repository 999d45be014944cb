//! Applications that listen at a Unix socket.

use std::io;
use std::path::{Path, PathBuf};

use rollcore::{Backend, DrainingProxy, ProxyLimits, Traffic};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixSocket, UnixStream};
use tokio::task::JoinSet;

use crate::support::*;

/// A directory for a socket, and the path in it.
fn place() -> (tempfile::TempDir, PathBuf) {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().join("web.1");
    (directory, path)
}

fn to_unix(path: &Path) -> DrainingProxy {
    let proxy = proxy();
    assert!(proxy.switch_to(Traffic::to(V1, [path.to_owned()])).is_none());
    proxy
}

/// Answers with the head that it got, and the length of the body.
async fn echo(stream: UnixStream) -> io::Result<()> {
    let mut stream = BufReader::new(stream);
    loop {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if stream.read_line(&mut head).await? == 0 {
                return Ok(());
            }
        }
        let length = field(&head, "content-length").map_or(0, |length| length.parse().expect("a number"));
        let mut body = vec![0; length];
        stream.read_exact(&mut body).await?;
        let answer = format!("{head}{length} bytes of {:?}", body.first());
        stream.write_all(ok(&answer).as_bytes()).await?;
    }
}

fn serve(listener: UnixListener) {
    tokio::spawn(async move {
        let mut connections = JoinSet::new();
        while let Ok((stream, _)) = listener.accept().await {
            connections.spawn(echo(stream));
        }
    });
}

#[tokio::test]
async fn requests_with_long_bodies_pass() {
    let (_directory, path) = place();
    serve(UnixListener::bind(&path).expect("the name is free"));
    let proxy = to_unix(&path);
    let mut client = Peer::connect(proxy.local_addr()).await;
    for bytes in [0, 1, 100_000, 3_000_000] {
        client.send(format!("POST /a HTTP/1.1\r\nHost: shop.test\r\nContent-Length: {bytes}\r\n\r\n")).await;
        client.send("x".repeat(bytes)).await;
        let (head, body) = client.response().await;
        assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
        assert_eq!(field(&body, "host").as_deref(), Some("shop.test"));
        assert!(body.contains(&format!("{bytes} bytes of")), "{body}");
    }
    counts_become(&proxy, V1, 0, 0).await;
}

/// A path is no name of a host.
#[tokio::test]
async fn a_client_without_a_host_asks_for_localhost() {
    let (_directory, path) = place();
    serve(UnixListener::bind(&path).expect("the name is free"));
    let proxy = to_unix(&path);
    let mut client = Peer::connect(proxy.local_addr()).await;
    client.send("GET / HTTP/1.0\r\n\r\n").await;
    let (answer, _) = client.rest().await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(answer.to_lowercase().contains("\r\nhost: localhost\r\n"), "{answer}");
}

#[tokio::test]
async fn an_upgraded_connection_passes() {
    let (_directory, path) = place();
    let listener = UnixListener::bind(&path).expect("the name is free");
    let proxy = to_unix(&path);
    let mut client = Peer::connect(proxy.local_addr()).await;
    client
        .send("GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nearly")
        .await;
    let (stream, _) = within(listener.accept()).await.expect("a connection");
    let mut stream = BufReader::new(stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        within(stream.read_line(&mut head)).await.expect("a head");
    }
    stream
        .write_all(b"HTTP/1.1 101 Sure\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nhello")
        .await
        .expect("it reads");
    assert!(client.head().await.starts_with("HTTP/1.1 101 "));
    assert_eq!(client.exactly(5).await, "hello");
    let mut early = [0; 5];
    within(stream.read_exact(&mut early)).await.expect("it was sent");
    assert_eq!(&early, b"early");
    counts_become(&proxy, V1, 0, 1).await;
}

/// C-91, in the words that Node has for it.
#[tokio::test]
async fn where_nobody_listens_the_answer_is_502_and_the_path_is_named() {
    let (_directory, path) = place();
    let (sender, mut errors) = tokio::sync::mpsc::unbounded_channel();
    let limits = ProxyLimits { park_timeout: std::time::Duration::ZERO, ..ProxyLimits::default() };
    let options = rollcore::ProxyOptions { limits, ..options() };
    let options = options.on_error(move |error| drop(sender.send(error.to_string())));
    let proxy = DrainingProxy::bind(options).expect("a free port");
    drop(proxy.switch_to(Traffic::to(V1, [path.clone()])));
    let mut client = Peer::connect(proxy.local_addr()).await;
    assert!(client.get("/").await.0.starts_with("HTTP/1.1 502 "));
    assert_eq!(next(&mut errors).await, format!("connect ENOENT {}", path.display()));
    drop(UnixListener::bind(&path).expect("the name is free"));
    assert!(client.get("/").await.0.starts_with("HTTP/1.1 502 "));
    assert_eq!(next(&mut errors).await, format!("connect ECONNREFUSED {}", path.display()));
    assert_eq!(Backend::from(path.clone()).to_string(), path.display().to_string());
}

/// More requests came at once than the application's queue had room for: each of them got a 502, because the kernel does
/// not wait at a Unix socket.
#[tokio::test]
async fn a_full_queue_is_waited_for() {
    const CLIENTS: u16 = 24;
    let (_directory, path) = place();
    let socket = UnixSocket::new_stream().expect("a socket");
    socket.bind(&path).expect("the name is free");
    let listener = socket.listen(1).expect("it is bound");
    let proxy = to_unix(&path);
    // All of them are on their way before the first is let in.
    let mut clients = asking(&proxy, CLIENTS).await;
    serve(listener);
    for client in &mut clients {
        let (head, _) = client.response().await;
        assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
    }
}
