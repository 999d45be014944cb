//! One client connection, and what counts as a good answer on it.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::header::{CONNECTION, HOST};
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use super::tally::{Kind, Ledger};

/// How long a request may take, its whole answer included; then it has failed. Above every pause of the sample.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);

/// A request, and what its answer has to be.
pub(super) struct Question {
    pub(super) kind: Kind,
    pub(super) method: Method,
    pub(super) path: &'static str,
    pub(super) body: Bytes,
    pub(super) right: fn(&Bytes, &Bytes) -> bool,
}

impl Question {
    pub(super) fn get(kind: Kind, path: &'static str, right: fn(&Bytes, &Bytes) -> bool) -> Self {
        Self { kind, method: Method::GET, path, body: Bytes::new(), right }
    }

    pub(super) fn post(body: Bytes) -> Self {
        let right = |sent: &Bytes, received: &Bytes| sent == received;
        Self { kind: Kind::Post, method: Method::POST, path: "/echo", body, right }
    }

    /// Like [`post`](Self::post), and it must not happen twice.
    pub(super) fn order(number: String) -> Self {
        Self { kind: Kind::Order, path: "/orders", ..Self::post(number.into()) }
    }
}

/// A connection that is opened when it is needed, and again after the other side said that it closes it.
pub(super) struct Client {
    address: SocketAddr,
    open: Option<SendRequest<Full<Bytes>>>,
}

struct Good {
    release: String,
    closes: bool,
}

impl Client {
    pub(super) fn new(address: SocketAddr) -> Self {
        Self { address, open: None }
    }

    /// Asks, checks the answer and writes it into the account.
    pub(super) async fn ask(&mut self, ledger: &Ledger, question: &Question) {
        ledger.sent(question.kind);
        let begin = Instant::now();
        let answered = tokio::time::timeout(REQUEST_TIMEOUT, self.try_ask(question)).await;
        match answered.unwrap_or_else(|_| Err(format!("no answer within {REQUEST_TIMEOUT:?}"))) {
            Ok(good) => {
                if good.closes {
                    self.open = None;
                }
                ledger.ok(question.kind, &good.release, begin.elapsed());
            }
            Err(error) => {
                self.open = None;
                ledger.failed(question.kind, format!("{} {}: {error}", question.method, question.path));
            }
        }
    }

    pub(super) fn close(&mut self) {
        self.open = None;
    }

    async fn try_ask(&mut self, question: &Question) -> Result<Good, String> {
        let sender = self.connected().await?;
        // A connection that was closed without a word in between is a lost request, so this may fail.
        sender.ready().await.map_err(|error| format!("the idle connection: {}", with_causes(&error)))?;
        let request = Request::builder()
            .method(&question.method)
            .uri(question.path)
            .header(HOST, "load.test")
            .body(Full::new(question.body.clone()))
            .map_err(|error| error.to_string())?;
        let response = sender.send_request(request).await.map_err(|error| with_causes(&error))?;
        read(response, question).await
    }

    async fn connected(&mut self) -> Result<&mut SendRequest<Full<Bytes>>, String> {
        if self.open.is_none() {
            let stream =
                TcpStream::connect(self.address).await.map_err(|error| format!("connect: {error}"))?;
            // A delayed small write would look like a slow answer.
            stream.set_nodelay(true).map_err(|error| error.to_string())?;
            let (sender, connection) =
                handshake(TokioIo::new(stream)).await.map_err(|error| with_causes(&error))?;
            // It ends with the connection; what went wrong on it is told to the sender as well.
            tokio::spawn(connection);
            self.open = Some(sender);
        }
        Ok(self.open.as_mut().expect("it was just opened"))
    }
}

async fn read(response: Response<Incoming>, question: &Question) -> Result<Good, String> {
    let status = response.status();
    let release = header(&response, "x-release").unwrap_or_default();
    let closes =
        header(&response, CONNECTION.as_str()).is_some_and(|value| value.eq_ignore_ascii_case("close"));
    let body =
        response.into_body().collect().await.map_err(|error| format!("body: {}", with_causes(&error)))?;
    let body = body.to_bytes();
    if !status.is_success() {
        return Err(format!("{status}: {}", String::from_utf8_lossy(&body).trim()));
    }
    if !(question.right)(&question.body, &body) {
        return Err(format!("a wrong answer of {} bytes from {release:?}", body.len()));
    }
    Ok(Good { release, closes })
}

fn header(response: &Response<Incoming>, name: &str) -> Option<String> {
    Some(response.headers().get(name)?.to_str().ok()?.to_owned())
}

/// An error and whatever lies beneath it: hyper alone only says that something happened.
pub(super) fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
