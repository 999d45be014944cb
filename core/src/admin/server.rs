//! The side that answers.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::{JoinHandle, JoinSet};

use crate::engine::Engine;
use crate::event::Event;
use crate::spec::AdminSpec;

use super::bind_error::AdminBindError;
use super::page;

/// How many clients may be connected at once; the next one waits until one of them leaves.
pub const ADMIN_CONNECTIONS_MAX: usize = 16;
/// How long a client may take, from his connection to the last byte of his answer; then he loses it.
pub const ADMIN_TIMEOUT: Duration = Duration::from_secs(10);

/// How long to wait after an accept that failed: when there is no descriptor, there may be one soon.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// The longest head, in bytes; hyper takes no less.
const HEAD_BYTES_MAX: usize = 8192;
const PLAIN: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");

/// An address on which numbers are told: `GET /metrics` answers with what was counted, as OpenMetrics text that
/// Prometheus reads, and `GET /healthz` with 200 as long as the engine does not end.
///
/// Whoever can connect can read; there is no password. Each connection is closed after its answer. Names and meanings are
/// in the manual, "Operating".
///
/// ```
/// use rollcore::{AdminServer, AdminSpec, Config, Engine};
/// use tokio::io::{AsyncReadExt, AsyncWriteExt};
///
/// # #[tokio::main] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let engine = Engine::start(Config::from_json(r#"{
///     "application": "shop",
///     "proxy": { "port": 0 },
///     "processes": [{ "id": "web", "policy": "proxied", "command": "./serve", "port": 0 }]
/// }"#)?).await?;
/// let server = AdminServer::bind(&AdminSpec { host: "127.0.0.1".to_owned(), port: 0 }).await?;
/// let serving = server.serve(engine.clone());
///
/// let mut client = tokio::net::TcpStream::connect(serving.local_addr()).await?;
/// client.write_all(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n").await?;
/// let mut answer = String::new();
/// client.read_to_string(&mut answer).await?;
/// assert!(answer.contains("\nrollcore_connections 0\n"));
/// # engine.shutdown().await;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct AdminServer {
    listener: TcpListener,
    address: SocketAddr,
}

impl AdminServer {
    /// Listens. A host given by name is looked up.
    ///
    /// # Errors
    /// When the address cannot be listened on.
    ///
    /// # Panics
    /// Outside of a tokio runtime with IO.
    ///
    /// # Cancel safety
    /// Nothing is left behind when the future is dropped.
    pub async fn bind(spec: &AdminSpec) -> Result<Self, AdminBindError> {
        let AdminSpec { host, port } = spec.clone();
        let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(&host);
        let bound = match TcpListener::bind((bare, port)).await {
            Ok(listener) => listener.local_addr().map(|address| Self { listener, address }),
            Err(error) => Err(error),
        };
        bound.map_err(|source| AdminBindError { host, port, source })
    }

    /// Where it listens.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Tells the numbers of `engine` from now on, in a task of its own.
    ///
    /// # Panics
    /// Outside of a tokio runtime with IO and time.
    #[must_use = "dropping it closes the address"]
    pub fn serve(self, engine: Engine) -> AdminServing {
        let (host, port) = (self.address.ip().to_string(), self.address.port());
        engine.record(Event::MetricsListening { host, port });
        AdminServing { address: self.address, task: tokio::spawn(accept_all(self.listener, engine)) }
    }
}

/// Numbers are being told. Dropping it closes the address and every connection.
#[derive(Debug)]
pub struct AdminServing {
    address: SocketAddr,
    task: JoinHandle<Infallible>,
}

impl AdminServing {
    /// Where it listens.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for AdminServing {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn accept_all(listener: TcpListener, engine: Engine) -> Infallible {
    let places = Arc::new(Semaphore::new(ADMIN_CONNECTIONS_MAX));
    // They end with this task.
    let mut connections = JoinSet::new();
    loop {
        let place = Arc::clone(&places).acquire_owned().await.expect("nobody closes the semaphore");
        while connections.try_join_next().is_some() {}
        match listener.accept().await {
            Ok((stream, _)) => {
                let engine = engine.clone();
                connections.spawn(async move {
                    let _too_slow = tokio::time::timeout(ADMIN_TIMEOUT, talk(stream, engine)).await;
                    drop(place);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "metrics accept failed");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

async fn talk(stream: TcpStream, engine: Engine) {
    let service = service_fn(move |request| {
        let answer = answer(&request, &engine);
        async { Ok::<_, Infallible>(answer) }
    });
    let mut server = http1::Builder::new();
    server.keep_alive(false).max_buf_size(HEAD_BYTES_MAX);
    if let Err(error) = server.serve_connection(TokioIo::new(stream), service).await {
        tracing::debug!(%error, "a client of the metrics went away");
    }
}

fn answer(request: &Request<Incoming>, engine: &Engine) -> Response<Full<Bytes>> {
    let is_read = matches!(*request.method(), Method::GET | Method::HEAD);
    match request.uri().path() {
        "/metrics" if is_read => {
            say(StatusCode::OK, HeaderValue::from_static(page::CONTENT_TYPE), page::of(engine.numbers()))
        }
        "/healthz" if is_read && engine.ending().is_some() => {
            say(StatusCode::SERVICE_UNAVAILABLE, PLAIN, "ending\n")
        }
        "/healthz" if is_read => say(StatusCode::OK, PLAIN, "ok\n"),
        _ => say(StatusCode::NOT_FOUND, PLAIN, "not found: /metrics and /healthz are here\n"),
    }
}

fn say(status: StatusCode, kind: HeaderValue, text: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(text.into()));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response
}
