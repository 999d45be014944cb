//! What a client's connection must be able to do.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::AsyncWrite;
use tokio::net::TcpStream;

use crate::proxy::stream::{poll_receive_tcp, poll_stirs_tcp, poll_write_tcp};

use super::buffer::Source;

/// What a client can be connected by.
pub(crate) trait ClientStream: Source + AsyncWrite + Send + 'static {
    /// Whether its proper end has to be said, because one that is not said could be anybody's.
    const SAYS_ITS_END: bool = false;

    /// From now on its end is a reset: a client that takes the end of its connection for the end of its answer must not
    /// take half an answer for a whole one (compat C-92).
    fn end_with_reset(&mut self);

    /// Writes some of `bytes`.
    fn poll_send(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(self).poll_write(cx, bytes)
    }
}

impl Source for TcpStream {
    fn poll_stirs(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        poll_stirs_tcp(self, cx)
    }

    fn poll_receive(&mut self, cx: &mut Context<'_>, into: &mut Vec<u8>) -> Poll<io::Result<usize>> {
        poll_receive_tcp(self, cx, into)
    }
}

impl ClientStream for TcpStream {
    fn end_with_reset(&mut self) {
        // When it cannot be set the client sees an early end, as it would without us.
        let _ = self.set_zero_linger();
    }

    fn poll_send(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        poll_write_tcp(self, cx, bytes)
    }
}

#[cfg(feature = "tls")]
impl Source for tokio_rustls::server::TlsStream<TcpStream> {}

#[cfg(feature = "tls")]
impl ClientStream for tokio_rustls::server::TlsStream<TcpStream> {
    const SAYS_ITS_END: bool = true;

    /// An end without the alert that says so is none (RFC 8446 §6.1); a reset makes sure that everybody notices.
    fn end_with_reset(&mut self) {
        self.get_mut().0.end_with_reset();
    }
}

impl Source for tokio::io::DuplexStream {}

impl ClientStream for tokio::io::DuplexStream {
    /// Whoever is at the other end speaks HTTP/1.1 and is never sent an answer that ends with its connection.
    fn end_with_reset(&mut self) {}
}
