//! The seam: one client connection from its accept to its end.
//!
//! Everything above this knows only [`serve_connection`]; everything HTTP/1.1 is below it. A leaner relay takes hyper's
//! place by taking this function's.

use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::AsyncWriteExt;

use super::client_io::{ClientIo, ClientStream};
use super::clients::{Client, Order};
use super::door::Peer;
use super::forward::{Exchange, forward};
use super::shared::Worker;

/// How long a client that connected while the proxy was closing may take to send its only request.
const LAST_HEAD_TIMEOUT: Duration = Duration::from_secs(1);

/// Serves one client until its connection ends. Which release answers is decided for each request anew (compat C-88).
pub(super) async fn serve_connection<S: ClientStream>(
    stream: S,
    peer: Peer,
    worker: Arc<Worker>,
    closing: bool,
) {
    let limits = worker.shared.limits().clone();
    let registered = worker.shared.clients.register();
    let client = &registered.client;
    let io = TokioIo::new(ClientIo::new(stream, Arc::clone(client), limits.half_close_timeout));
    let head_timeout = if closing { LAST_HEAD_TIMEOUT.min(limits.head_timeout) } else { limits.head_timeout };

    let exchange = Arc::new(Exchange::new(peer, Arc::clone(client), Arc::clone(&worker)));
    let service = service_fn(move |request| forward(request, Arc::clone(&exchange)));
    let mut connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(head_timeout)
        .max_header_size(limits.head_bytes_max)
        .auto_date_header(false)
        .keep_alive(!closing)
        .serve_connection(io, service)
        .with_upgrades();

    let result = loop {
        tokio::select! {
            biased;
            result = &mut connection => break result,
            order = client.order() => match order {
                Order::Close => std::pin::Pin::new(&mut connection).graceful_shutdown(),
                Order::Cut(ledger) => {
                    ledger.count_cut(client.is_tunnel());
                    return client.break_off();
                }
                Order::Nothing => {}
            },
        }
    };
    if let Err(error) = result {
        tracing::trace!(%error, peer = %peer.address, "client connection ended");
        if let Some((words, parts)) = client.last_words().zip(connection.into_parts()) {
            say(parts.io.into_inner(), words).await;
        }
        return;
    }
    run_tunnel(client, limits.tunnel_half_close_timeout).await;
}

/// A few bytes into an empty send buffer: does not wait.
async fn say<S: ClientStream>(mut io: ClientIo<S>, words: &[u8]) {
    if io.write_all(words).await.is_ok() {
        let _ = io.shutdown().await;
    }
}

async fn run_tunnel(client: &Client, half_close_timeout: Duration) {
    let Some(tunnel) = client.tunnel_to_run() else { return };
    let mut tunnel = std::pin::pin!(tunnel.run(half_close_timeout));
    loop {
        tokio::select! {
            biased;
            () = tunnel.as_mut() => return,
            order = client.order() => if let Order::Cut(ledger) = order {
                return ledger.count_cut(true);
            },
        }
    }
}
