//! A client that keeps its connection.

use std::net::SocketAddr;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::header::HOST;
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

/// One connection, used for one request after the other.
#[derive(Debug)]
pub struct Client(SendRequest<Full<Bytes>>);

impl Client {
    /// Connects.
    ///
    /// # Panics
    /// When nobody listens there.
    pub async fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.expect("somebody listens");
        stream.set_nodelay(true).expect("a new connection can be changed");
        let (sender, connection) = handshake(TokioIo::new(stream)).await.expect("it is new");
        tokio::spawn(connection);
        Self(sender)
    }

    /// Asks, reads the whole answer, and returns its length.
    ///
    /// # Panics
    /// When anything but 200 comes back: a bench that loses a request measures nothing.
    pub async fn get(&mut self, path: &str) -> usize {
        self.ask(Method::GET, path, Bytes::new()).await
    }

    /// Sends a body, reads the whole answer, and returns its length.
    ///
    /// # Panics
    /// As [`Client::get`].
    pub async fn post(&mut self, path: &str, body: Bytes) -> usize {
        self.ask(Method::POST, path, body).await
    }

    async fn ask(&mut self, method: Method, path: &str, body: Bytes) -> usize {
        let request = Request::builder().method(method).uri(path).header(HOST, "shop.test");
        let request = request.body(Full::new(body)).expect("it is a valid request");
        self.0.ready().await.expect("the connection is kept");
        let answer = self.0.send_request(request).await.expect("no request is lost");
        assert_eq!(answer.status(), StatusCode::OK, "a request failed");
        answer.into_body().collect().await.expect("the answer is whole").to_bytes().len()
    }
}
