//! The way from a connection that was accepted to one that is served: who it is from, and what secures it.

use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};
use tokio_util::task::TaskTracker;

use super::accept::{Accepted, Place};
use super::machine::{INTRODUCTION_BYTES_MAX, Introduction, introduction};
use super::relay::serve_connection;
use super::shared::{Phase, Worker};
use super::tls::{LOOK_INTERVAL, TlsFront, serve_tls};

/// How long a client may still take to get in once nobody new is let in.
const LAST_ENTRY_TIMEOUT: Duration = Duration::from_secs(1);

/// Who is on the other side of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Peer {
    /// The client's, or what its front says of it.
    pub(crate) address: SocketAddr,
    /// Whether nobody can listen in.
    pub(crate) is_tls: bool,
}

/// Serves who was accepted, until the connection ends, as one of `connections`. With `closing` one request only.
pub(super) fn enter(accepted: Accepted, worker: &Arc<Worker>, closing: bool, connections: &TaskTracker) {
    let Accepted { stream, peer: address, place } = accepted;
    let peer = Peer { address, is_tls: false };
    let worker = Arc::clone(worker);
    if worker.shared.tls.get().is_none() && !worker.shared.options.proxy_protocol {
        connections.spawn(serve_connection(stream, peer, worker, closing, place));
    } else {
        let mut phase = worker.shared.phase.subscribe();
        connections.spawn(async move {
            tokio::select! {
                biased;
                _ = phase.wait_for(|phase| *phase == Phase::Ending) => {}
                () = enter_with_ceremony(stream, peer, worker, closing, place) => {}
            }
        });
    }
}

async fn enter_with_ceremony(
    mut stream: TcpStream,
    peer: Peer,
    worker: Arc<Worker>,
    closing: bool,
    mut place: Place,
) {
    let peer = match introduced(&mut stream, peer, &worker).await {
        Ok(peer) => peer,
        Err(why) => return tracing::debug!(why, peer = %peer.address, "connection closed: no PROXY header"),
    };
    if worker.shared.options.proxy_protocol {
        // The front has no limit of its own: those are of whom it brings.
        let Some(taken) = worker.shared.place_of(place, peer.address.ip()) else { return };
        place = taken;
    }
    let closing = closing || worker.shared.is_closing();
    match worker.shared.clone().tls.get() {
        Some(front) => serve_tls(front, stream, peer, worker, closing).await,
        None => serve_connection(stream, peer, worker, closing, ()).await,
    }
    drop(place);
}

/// Who the client is, in the words of its front. Only a front that is trusted may say so; anybody else could be anybody.
async fn introduced(stream: &mut TcpStream, peer: Peer, worker: &Worker) -> Result<Peer, &'static str> {
    let shared = &worker.shared;
    if !shared.options.proxy_protocol {
        return Ok(peer);
    }
    if !shared.trusted.load().contains(peer.address.ip()) {
        return Err("it is not from a trusted front");
    }
    let limit = shared.limits().head_timeout;
    match timeout(limit, before_the_end(worker, read_introduction(stream))).await {
        Ok(Some(Ok(Ok(client)))) => Ok(Peer { address: client.unwrap_or(peer.address), ..peer }),
        Ok(Some(Ok(Err(why)))) => Err(why),
        Ok(Some(Err(_))) => Err("it ended before its PROXY header"),
        Ok(None) | Err(_) => Err("its PROXY header took too long"),
    }
}

/// Takes the introduction out of the stream, and not a byte of what follows.
async fn read_introduction(stream: &mut TcpStream) -> io::Result<Result<Option<SocketAddr>, &'static str>> {
    let mut seen = [0; INTRODUCTION_BYTES_MAX];
    let mut taken = 0;
    loop {
        let come = taken + stream.peek(&mut seen[taken..]).await?;
        if come == taken {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let until = match introduction(&seen[..come]) {
            Introduction::Wrong(why) => return Ok(Err(why)),
            Introduction::Whole { bytes, .. } => bytes,
            Introduction::Begun => come,
        };
        // What was seen is there: this does not wait.
        stream.read_exact(&mut seen[taken..until]).await?;
        taken = until;
        if let Introduction::Whole { client, .. } = introduction(&seen[..taken]) {
            return Ok(Ok(client));
        }
    }
}

/// What comes out of `entry`, which has little time left once nobody new is let in; `None` when that is over.
pub(super) async fn before_the_end<T>(worker: &Worker, entry: impl Future<Output = T>) -> Option<T> {
    let mut phase = worker.shared.phase.subscribe();
    let over = async {
        let _ = phase.wait_for(|phase| *phase != Phase::Serving).await;
        sleep(LAST_ENTRY_TIMEOUT).await;
    };
    tokio::select! {
        biased;
        entered = entry => Some(entered),
        () = pin!(over) => None,
    }
}

/// Looks after the certificates as long as somebody new is let in. One worker of a proxy does so.
pub(super) async fn watch_certificates(worker: Arc<Worker>) {
    if !worker.shared.tls.get().is_some_and(TlsFront::begin_watch) {
        return;
    }
    let mut phase = worker.shared.phase.subscribe();
    let mut leaving = pin!(phase.wait_for(|phase| *phase != Phase::Serving));
    loop {
        tokio::select! {
            biased;
            _ = leaving.as_mut() => return,
            () = sleep(LOOK_INTERVAL) => {}
        }
        let shared = Arc::clone(&worker.shared);
        // The files may be on a disk that hangs: no request waits for that.
        let look = tokio::task::spawn_blocking(move || shared.tls.get().map(TlsFront::look));
        let _ = look.await;
    }
}
