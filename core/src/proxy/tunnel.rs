//! Bytes both ways, unread, until both sides have ended (compat C-101).

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, split};
use tokio::time::timeout;

use super::route::Ticket;

const BUFFER_BYTES: usize = 8 * 1024;

/// A tunnel that both sides have agreed to.
pub(crate) struct Tunnel {
    pub(super) client: OnUpgrade,
    pub(super) upstream: OnUpgrade,
    /// Counted as a WebSocket until this is dropped.
    pub(super) ticket: Ticket,
}

impl Tunnel {
    /// Relays until both sides have ended, one has failed, or nothing has passed for `half_close_timeout` after the
    /// first end.
    pub(super) async fn run(self, half_close_timeout: Duration) {
        let Self { client, upstream, ticket } = self;
        // Both sides hand over the bytes that were read together with their heads.
        let (Ok(client), Ok(upstream)) = (client.await, upstream.await) else { return };
        let passed = AtomicU64::new(0);
        let (client_reads, client_writes) = split(TokioIo::new(client));
        let (upstream_reads, upstream_writes) = split(TokioIo::new(upstream));
        let mut up = std::pin::pin!(pump(client_reads, upstream_writes, &passed));
        let mut down = std::pin::pin!(pump(upstream_reads, client_writes, &passed));
        // A side that failed takes the other with it; a side that ended leaves it time.
        tokio::select! {
            result = up.as_mut() => if result.is_ok() { finish(down, &passed, half_close_timeout).await },
            result = down.as_mut() => if result.is_ok() { finish(up, &passed, half_close_timeout).await },
        }
        drop(ticket);
    }
}

async fn pump(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    passed: &AtomicU64,
) -> io::Result<()> {
    let mut buffer = vec![0; BUFFER_BYTES];
    loop {
        let read = from.read(&mut buffer).await?;
        if read == 0 {
            return to.shutdown().await;
        }
        to.write_all(&buffer[..read]).await?;
        to.flush().await?;
        passed.fetch_add(read as u64, Ordering::Relaxed);
    }
}

/// The other direction, as long as something passes.
async fn finish(
    mut rest: impl Future<Output = io::Result<()>> + Unpin,
    passed: &AtomicU64,
    patience: Duration,
) {
    loop {
        let before = passed.load(Ordering::Relaxed);
        let ended = timeout(patience, &mut rest).await.is_ok();
        if ended || passed.load(Ordering::Relaxed) == before {
            return;
        }
    }
}
