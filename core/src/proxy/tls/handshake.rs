//! From a connection to a secured one.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::proxy::door::{Peer, before_the_end};
use crate::proxy::http2::serve_http2;
use crate::proxy::relay::serve_connection;
use crate::proxy::shared::Worker;

use super::front::TlsFront;

/// The first byte of a TLS connection (RFC 8446 §5.1: a record that holds a handshake).
const HANDSHAKE: u8 = 22;
/// How long a client that was told to speak TLS may go on sending: what it sends meanwhile must not meet a closed
/// socket, or the reset that follows destroys the answer.
const REFUSAL_TIMEOUT: Duration = Duration::from_secs(1);
const REFUSAL_BYTES_MAX: u64 = 64 * 1024;
const REFUSAL: &[u8] = b"HTTP/1.1 400 Bad Request\r\n\
    Content-Type: text/plain; charset=utf-8\r\nContent-Length: 24\r\nConnection: close\r\n\r\n\
    This port speaks HTTPS.\n";

/// Serves a client that has to speak TLS.
pub(crate) async fn serve_tls(
    front: &TlsFront,
    mut stream: TcpStream,
    peer: Peer,
    worker: Arc<Worker>,
    closing: bool,
) {
    let served = front.served();
    let handshake = async {
        if speaks_plainly(&stream).await? {
            refuse(&mut stream).await;
            return Err(io::ErrorKind::InvalidData.into());
        }
        TlsAcceptor::from(Arc::clone(&served.config)).accept(stream).await
    };
    let secured = match timeout(served.spec.handshake_timeout, before_the_end(&worker, handshake)).await {
        Ok(Some(Ok(secured))) => secured,
        Ok(Some(Err(error))) => return tracing::trace!(%error, peer = %peer.address, "no TLS handshake"),
        Ok(None) | Err(_) => return tracing::trace!(peer = %peer.address, "the TLS handshake took too long"),
    };
    let peer = Peer { is_tls: true, ..peer };
    // Whoever was asked to close during the handshake could not hear it.
    let closing = closing || worker.shared.is_closing();
    match &served.spec.http2 {
        Some(limits) if speaks_http2(&secured) => serve_http2(secured, peer, worker, limits, closing).await,
        _ => serve_connection(secured, peer, worker, closing, ()).await,
    }
}

fn speaks_http2(stream: &TlsStream<TcpStream>) -> bool {
    stream.get_ref().1.alpn_protocol() == Some(b"h2")
}

/// Whether the first byte is the one of a text: a request in clear.
async fn speaks_plainly(stream: &TcpStream) -> io::Result<bool> {
    let mut first = [HANDSHAKE];
    stream.peek(&mut first).await?;
    Ok(first[0].is_ascii_uppercase())
}

async fn refuse(stream: &mut TcpStream) {
    let said = async {
        stream.write_all(REFUSAL).await?;
        stream.shutdown().await?;
        tokio::io::copy(&mut stream.take(REFUSAL_BYTES_MAX), &mut tokio::io::sink()).await
    };
    let _ = timeout(REFUSAL_TIMEOUT, said).await;
}
