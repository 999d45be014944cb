//! What the benches share: an application that answers at once, and a client that keeps its connection.

use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::mpsc;
use std::thread;

use bytes::Bytes;
use http_body_util::{BodyExt, Empty, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::header::HOST;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, Runtime};

/// A runtime of one thread, as the proxy's workers have.
///
/// # Panics
/// When the system has no more descriptors.
#[must_use]
pub fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().expect("the system has descriptors")
}

/// Starts an application that answers every request with `body`, on a thread of its own, until the process ends.
///
/// # Panics
/// When there is no free port.
#[must_use]
pub fn application(body: &'static [u8]) -> SocketAddr {
    let (tell, told) = mpsc::channel();
    thread::spawn(move || {
        runtime().block_on(async move {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("there is a free port");
            tell.send(listener.local_addr().expect("it is bound")).expect("somebody waits for it");
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, body));
            }
        });
    });
    told.recv().expect("the application starts")
}

async fn serve(stream: TcpStream, body: &'static [u8]) {
    stream.set_nodelay(true).expect("the socket is open");
    let service = service_fn(move |_| async move {
        Ok::<_, Infallible>(Response::new(Full::new(Bytes::from_static(body))))
    });
    // A client that leaves is the usual end of a bench.
    drop(http1::Builder::new().serve_connection(TokioIo::new(stream), service).await);
}

/// A connection that is used again and again.
#[derive(Debug)]
pub struct Client {
    sender: SendRequest<Empty<Bytes>>,
}

impl Client {
    /// Connects. Needs a runtime for the connection to live on.
    ///
    /// # Panics
    /// When nobody listens there.
    ///
    /// # Cancel safety
    /// The connection is closed when the future is dropped.
    pub async fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.expect("somebody listens");
        stream.set_nodelay(true).expect("the socket is open");
        let (sender, connection) = handshake(TokioIo::new(stream)).await.expect("it speaks HTTP");
        tokio::spawn(connection);
        Self { sender }
    }

    /// One request and its whole answer; returns the length of the body.
    ///
    /// # Panics
    /// When the answer is not a complete 200: a bench of failures would be fast and worthless.
    ///
    /// # Cancel safety
    /// The connection cannot be used any more when the future is dropped.
    pub async fn get(&mut self) -> usize {
        self.sender.ready().await.expect("the connection stays open");
        let request =
            Request::get("/").header(HOST, "bench.test").body(Empty::new()).expect("it is a request");
        let response = self.sender.send_request(request).await.expect("an answer");
        assert_eq!(response.status(), 200);
        response.into_body().collect().await.expect("a whole body").to_bytes().len()
    }
}
