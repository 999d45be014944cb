//! Both ends of the proxy, byte by byte.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use rollcore::{Counts, DrainingProxy, Generation, ProxyOptions, Traffic};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

pub(crate) const V1: Generation = Generation(1);
pub(crate) const V2: Generation = Generation(2);

/// Nothing here takes this long; what does is broken.
pub(crate) const DEADLINE: Duration = Duration::from_secs(20);

pub(crate) async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(DEADLINE, future).await.expect("it happens before the deadline")
}

/// One end of a connection, as a client or as an application.
pub(crate) struct Peer {
    pub(crate) stream: TcpStream,
    unread: Vec<u8>,
}

impl Peer {
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        Self::new(within(TcpStream::connect(address)).await.expect("somebody listens"))
    }

    pub(crate) fn new(stream: TcpStream) -> Self {
        stream.set_nodelay(true).expect("it is a TCP socket");
        Self { stream, unread: Vec::new() }
    }

    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        within(self.stream.write_all(bytes.as_ref())).await.expect("the other side reads");
    }

    async fn more(&mut self) -> io::Result<usize> {
        within(self.stream.read_buf(&mut self.unread)).await
    }

    /// Everything up to and with `end`; what there is when the connection ends before.
    pub(crate) async fn until(&mut self, end: &str) -> String {
        loop {
            if let Some(at) = find(&self.unread, end.as_bytes()) {
                return self.take(at + end.len());
            }
            if !matches!(self.more().await, Ok(1..)) {
                return self.take(self.unread.len());
            }
        }
    }

    /// A head, in lower case where its names are.
    pub(crate) async fn head(&mut self) -> String {
        self.until("\r\n\r\n").await
    }

    pub(crate) async fn exactly(&mut self, bytes: usize) -> String {
        while self.unread.len() < bytes {
            assert!(matches!(self.more().await, Ok(1..)), "the connection ended early");
        }
        self.take(bytes)
    }

    /// As [`exactly`](Self::exactly), for what is no text.
    pub(crate) async fn raw(&mut self, bytes: usize) -> Vec<u8> {
        while self.unread.len() < bytes {
            assert!(matches!(self.more().await, Ok(1..)), "the connection ended early");
        }
        self.unread.drain(..bytes).collect()
    }

    pub(crate) async fn chunk(&mut self) -> String {
        let size = self.until("\r\n").await;
        let size = usize::from_str_radix(size.trim_end(), 16).expect("a chunk size");
        let mut chunk = self.exactly(size + 2).await;
        chunk.truncate(size);
        chunk
    }

    /// A response with a Content-Length.
    pub(crate) async fn response(&mut self) -> (String, String) {
        let head = self.head().await;
        let length = field(&head, "content-length").map_or(0, |length| length.parse().expect("a number"));
        let body = self.exactly(length).await;
        (head, body)
    }

    /// The rest of the connection, and whether it ended well.
    pub(crate) async fn rest(&mut self) -> (String, io::Result<()>) {
        let end = loop {
            match self.more().await {
                Ok(0) => break Ok(()),
                Ok(_) => {}
                Err(error) => break Err(error),
            }
        };
        (self.take(self.unread.len()), end)
    }

    /// Waits until the other side has closed or reset the connection.
    pub(crate) async fn gone(&mut self) {
        while matches!(self.more().await, Ok(1..)) {}
    }

    pub(crate) async fn get(&mut self, path: &str) -> (String, String) {
        self.send(format!("GET {path} HTTP/1.1\r\nHost: shop.test\r\n\r\n")).await;
        self.response().await
    }

    /// Closes with a reset instead of a proper end.
    pub(crate) fn reset(self) {
        self.stream.set_zero_linger().expect("it is a TCP socket");
    }

    fn take(&mut self, bytes: usize) -> String {
        let taken: Vec<u8> = self.unread.drain(..bytes).collect();
        String::from_utf8_lossy(&taken).into_owned()
    }
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}

/// The values of a field, joined by `|`.
pub(crate) fn field(head: &str, name: &str) -> Option<String> {
    let values: Vec<&str> = head
        .lines()
        .filter_map(|line| line.split_once(':'))
        .filter(|(found, _)| found.eq_ignore_ascii_case(name))
        .map(|(_, value)| value.trim())
        .collect();
    (!values.is_empty()).then(|| values.join("|"))
}

/// An application: what it does with each connection is up to the test.
pub(crate) struct App {
    pub(crate) address: SocketAddr,
    connections: Arc<AtomicUsize>,
    task: tokio::task::JoinHandle<()>,
}

impl App {
    pub(crate) async fn start<F, H>(handle: H) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
        H: Fn(Peer) -> F + Send + Sync + 'static,
    {
        Self::start_at(SocketAddr::from(([127, 0, 0, 1], 0)), handle).await
    }

    /// At an address where another one was.
    pub(crate) async fn start_at<F, H>(address: SocketAddr, handle: H) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
        H: Fn(Peer) -> F + Send + Sync + 'static,
    {
        let listener = TcpListener::bind(address).await.expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        let connections = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&connections);
        let task = tokio::spawn(async move {
            let mut handled = tokio::task::JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.expect("a connection");
                counted.fetch_add(1, Ordering::SeqCst);
                handled.spawn(handle(Peer::new(stream)));
            }
        });
        Self { address, connections, task }
    }

    /// Ends it and all its connections at once, as SIGKILL does.
    pub(crate) async fn kill(self) {
        self.task.abort();
        let _ = self.task.await;
    }

    /// Answers every request without a body with `text`.
    pub(crate) async fn saying(text: &'static str) -> Self {
        Self::saying_at(SocketAddr::from(([127, 0, 0, 1], 0)), text).await
    }

    pub(crate) async fn saying_at(address: SocketAddr, text: &'static str) -> Self {
        Self::start_at(address, move |mut peer| async move {
            while !peer.head().await.is_empty() {
                peer.send(ok(text)).await;
            }
        })
        .await
    }

    /// Hands its connections to the test.
    pub(crate) async fn by_hand() -> (Self, mpsc::UnboundedReceiver<Peer>) {
        let (sender, receiver) = mpsc::unbounded_channel();
        let app = Self::start(move |peer| {
            let sender = sender.clone();
            async move { drop(sender.send(peer)) }
        });
        (app.await, receiver)
    }

    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

pub(crate) async fn next<T>(receiver: &mut mpsc::UnboundedReceiver<T>) -> T {
    within(receiver.recv()).await.expect("the sender lives")
}

pub(crate) fn ok(body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

pub(crate) fn options() -> ProxyOptions {
    ProxyOptions::new("127.0.0.1", 0)
}

pub(crate) fn proxy() -> DrainingProxy {
    DrainingProxy::bind(options()).expect("a free port")
}

pub(crate) fn proxy_to(address: SocketAddr) -> DrainingProxy {
    let proxy = proxy();
    assert!(proxy.switch_to(Traffic::to(V1, [address])).is_none());
    proxy
}

/// A proxy whose failures come out of the channel, as text and whether the head had been sent.
pub(crate) fn observed(address: SocketAddr) -> (DrainingProxy, mpsc::UnboundedReceiver<(String, bool)>) {
    let (sender, receiver) = mpsc::unbounded_channel();
    let options = options().on_error(move |error| {
        assert_eq!(error.generation, V1);
        let _ = sender.send((error.to_string(), error.head_sent));
    });
    let proxy = DrainingProxy::bind(options).expect("a free port");
    assert!(proxy.switch_to(Traffic::to(V1, [address])).is_none());
    (proxy, receiver)
}

/// Waits until the counts are these. They follow from what other threads do, so there is no event to wait for.
pub(crate) async fn counts_become(proxy: &DrainingProxy, generation: Generation, http: u64, websocket: u64) {
    within(async {
        while proxy.counts(generation) != (Counts { http, websocket }) {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

/// So many clients whose requests are on their way, all of them at once.
pub(crate) async fn asking(proxy: &DrainingProxy, count: u16) -> Vec<Peer> {
    let mut clients = Vec::new();
    for _ in 0..count {
        let mut client = Peer::connect(proxy.local_addr()).await;
        client.send("GET / HTTP/1.1\r\nHost: shop.test\r\n\r\n").await;
        clients.push(client);
    }
    counts_become(proxy, V1, count.into(), 0).await;
    clients
}

/// An address where nobody listens.
pub(crate) async fn nobody() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    listener.local_addr().expect("it is bound")
}
