//! One connection of HTTP/2, until it ends.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::sleep;

use crate::clock;
use crate::proxy::door::Peer;
use crate::proxy::shared::{Phase, Worker};
use crate::spec::Http2Limits;

use super::exchange::{Requests, answer};
use super::tasks::{Owner, Tasks};

/// How much of an answer may wait to be sent.
const SEND_BYTES_MAX: usize = 64 * 1024;
/// How many requests we may reset ourselves, for mistakes of the client, before its connection is closed.
const OUR_RESETS_MAX: usize = 1024;

/// Serves a client that speaks HTTP/2. With `closing` it is told to go as soon as it is there: what it has sent by then is
/// answered.
pub(crate) async fn serve_http2<S>(
    stream: S,
    peer: Peer,
    worker: Arc<Worker>,
    limits: &Http2Limits,
    closing: bool,
) where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let owner = Owner(Tasks::default());
    let (tasks, busy) = (owner.0.clone(), Arc::new(Busy::default()));
    let head_bytes_max = worker.shared.limits().head_bytes_max;
    let idle_timeout = worker.shared.limits().idle_timeout;
    let mut phase = worker.shared.phase.subscribe();
    let requests = Requests { peer, worker, tasks: tasks.clone(), busy: Arc::clone(&busy) };
    let requests = Arc::new(requests);
    let connection = http2::Builder::new(tasks)
        .timer(TokioTimer::new())
        .max_concurrent_streams(limits.streams_max)
        .max_pending_accept_reset_streams(usize::try_from(limits.resets_max).unwrap_or(usize::MAX))
        .max_local_error_reset_streams(OUR_RESETS_MAX)
        .max_header_list_size(u32::try_from(head_bytes_max).unwrap_or(u32::MAX))
        .initial_stream_window_size(limits.stream_window_bytes)
        .initial_connection_window_size(limits.connection_window_bytes)
        .max_send_buf_size(SEND_BYTES_MAX)
        .keep_alive_interval(limits.ping_interval)
        .keep_alive_timeout(limits.ping_timeout)
        .auto_date_header(false)
        .serve_connection(
            TokioIo::new(stream),
            service_fn(move |request| answer(request, Arc::clone(&requests))),
        );
    let mut connection = pin!(connection);
    let mut told_to_go = pin!(async {
        if !closing {
            // GOAWAY (RFC 9113 §6.8): no new requests, and those that are there are answered.
            let _ = phase.wait_for(|phase| *phase != Phase::Serving).await;
        }
    });
    let mut is_told = false;
    let mut idle = pin!(sleep(idle_timeout));
    let mut begun = busy.begun();
    loop {
        tokio::select! {
            biased;
            result = connection.as_mut() => {
                if let Err(error) = result {
                    tracing::trace!(%error, peer = %peer.address, "client connection ended");
                }
                return;
            }
            () = told_to_go.as_mut(), if !is_told => {
                is_told = true;
                connection.as_mut().graceful_shutdown();
            }
            () = idle.as_mut() => {
                if busy.is_idle_since(begun) {
                    // Whoever was told to go, and has nothing to wait for, does not answer.
                    if is_told {
                        return;
                    }
                    is_told = true;
                    connection.as_mut().graceful_shutdown();
                }
                begun = busy.begun();
                idle.as_mut().reset(clock::alarm(idle_timeout));
            }
        }
    }
}

/// What a connection does.
#[derive(Default)]
pub(super) struct Busy {
    under_way: AtomicUsize,
    begun: AtomicU64,
}

impl Busy {
    /// A request has come; it is under way until what this returns is dropped.
    pub(super) fn begin(self: &Arc<Self>) -> Request {
        self.under_way.fetch_add(1, Ordering::Relaxed);
        self.begun.fetch_add(1, Ordering::Relaxed);
        Request(Arc::clone(self))
    }

    fn begun(&self) -> u64 {
        self.begun.load(Ordering::Relaxed)
    }

    /// Whether nothing is under way, and nothing was since `begun` requests had come.
    fn is_idle_since(&self, begun: u64) -> bool {
        self.under_way.load(Ordering::Relaxed) == 0 && self.begun() == begun
    }
}

/// A request that is under way.
pub(super) struct Request(Arc<Busy>);

impl Drop for Request {
    fn drop(&mut self) {
        self.0.under_way.fetch_sub(1, Ordering::Relaxed);
    }
}
