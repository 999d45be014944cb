//! One request of HTTP/2: an exchange of HTTP/1.1 in memory.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::client::conn::http1;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::task::AbortHandle;

use crate::proxy::door::Peer;
use crate::proxy::relay::serve_connection;
use crate::proxy::shared::Worker;

use super::connection::Busy;
use super::tasks::Tasks;
use super::translate::{to_http1, to_http2};

/// How much of a request, and of its answer, may be between us and the relay.
const PIPE_BYTES: usize = 16 * 1024;

/// What all requests of one connection have in common.
pub(super) struct Requests {
    pub(super) peer: Peer,
    pub(super) worker: Arc<Worker>,
    pub(super) tasks: Tasks,
    pub(super) busy: Arc<Busy>,
}

/// Answers one request.
///
/// # Errors
/// When it ends without an answer: the client's stream is reset.
pub(super) async fn answer(
    request: Request<Incoming>,
    requests: Arc<Requests>,
) -> Result<Response<Answer>, hyper::Error> {
    let busy = requests.busy.begin();
    let (mut head, body) = request.into_parts();
    if let Err(status) = to_http1(&mut head, body.is_end_stream()) {
        return Ok(refused(status));
    }
    let (ours, relays) = tokio::io::duplex(PIPE_BYTES);
    let (mut sender, connection) =
        http1::Builder::new().max_headers(HEADERS_MAX).handshake(TokioIo::new(ours)).await?;
    let Requests { peer, worker, tasks, .. } = &*requests;
    let served = serve_connection(relays, *peer, Arc::clone(worker), true, ());
    let task = tasks.spawn(async move {
        let _ = tokio::join!(connection, served);
        drop(busy);
    });
    let under_way = UnderWay(Some(task));
    let mut response = sender.send_request(Request::from_parts(head, body)).await?;
    to_http2(response.headers_mut());
    Ok(response.map(|body| Answer { body: Some(body), under_way }))
}

/// As many fields as an answer can have that the relay lets through.
const HEADERS_MAX: usize = 256 + 16;

fn refused(status: StatusCode) -> Response<Answer> {
    let mut response = Response::new(Answer { body: None, under_way: UnderWay(None) });
    *response.status_mut() = status;
    response
}

/// The body of an answer.
pub(super) struct Answer {
    body: Option<Incoming>,
    under_way: UnderWay,
}

impl Body for Answer {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let Some(body) = &mut self.body else { return Poll::Ready(None) };
        let frame = ready!(Pin::new(body).poll_frame(cx));
        if frame.is_none() {
            self.under_way.is_over();
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map_or(SizeHint::with_exact(0), Body::size_hint)
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        if self.is_end_stream() {
            self.under_way.is_over();
        }
    }
}

/// An exchange that is ended when nobody waits for the rest of it: the client has taken its request back.
struct UnderWay(Option<AbortHandle>);

impl UnderWay {
    /// It comes to its end by itself.
    fn is_over(&mut self) {
        self.0 = None;
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        if let Some(task) = &self.0 {
            task.abort();
        }
    }
}
