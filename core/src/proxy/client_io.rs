//! The socket of a client, as hyper sees it: with patience for clients that close one side early.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Sleep, sleep};

use crate::clock;

use super::clients::Client;

/// How long a client whose request was answered before it had all come may go on sending. Without this the rest of its
/// request would meet a closed socket, and the reset that follows would destroy the answer on its way.
const LINGER_TIMEOUT: Duration = Duration::from_secs(2);

/// What a client can be connected by.
pub(crate) trait ClientStream: AsyncRead + AsyncWrite + Unpin + Send + 'static {
    /// Makes its end, when it is dropped, one that cannot be taken for a proper one.
    fn set_reset(&self);
}

impl ClientStream for TcpStream {
    fn set_reset(&self) {
        // When it cannot be set the client sees an early end, as it would without us.
        let _ = self.set_zero_linger();
    }
}

#[cfg(feature = "tls")]
impl ClientStream for tokio_rustls::server::TlsStream<TcpStream> {
    /// An end without the alert that says so is none (RFC 8446 §6.1); a reset makes sure that everybody notices.
    fn set_reset(&self) {
        self.get_ref().0.set_reset();
    }
}

#[cfg(feature = "tls")]
impl ClientStream for tokio::io::DuplexStream {
    /// Whoever is at the other end speaks HTTP/1.1 and is never sent an answer that ends with its connection.
    fn set_reset(&self) {}
}

/// A client's socket.
pub(crate) struct ClientIo<S: ClientStream> {
    stream: S,
    client: Arc<Client>,
    half_close_timeout: Duration,
    /// Runs while the client has closed its sending side and waits for an answer.
    half_closed: Option<Pin<Box<Sleep>>>,
    /// Runs while we have closed ours and let the client finish.
    lingering: Option<Pin<Box<Sleep>>>,
    /// Whether what happens to this socket still is hyper's business; a tunnel reads and writes as it comes.
    is_tunnel: bool,
}

impl<S: ClientStream> ClientIo<S> {
    pub(super) fn new(stream: S, client: Arc<Client>, half_close_timeout: Duration) -> Self {
        Self { stream, client, half_close_timeout, half_closed: None, lingering: None, is_tunnel: false }
    }

    fn is_patient(&mut self) -> bool {
        self.is_tunnel |= self.client.is_tunnel();
        !self.is_tunnel && self.client.waits_for_answer() && !self.half_close_timeout.is_zero()
    }

    /// The client has closed its sending side: that is the end of an idle connection and of a request that is not whole,
    /// but a whole request is answered.
    fn poll_half_closed(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if !self.is_patient() {
            return Poll::Ready(());
        }
        let timeout = self.half_close_timeout;
        self.half_closed.get_or_insert_with(|| Box::pin(sleep(timeout))).as_mut().poll(cx)
    }

    /// What can be sent shows that the client may be there.
    fn wrote(&mut self, result: &Poll<io::Result<usize>>) {
        if let (Some(timer), Poll::Ready(Ok(1..))) = (&mut self.half_closed, result) {
            timer.as_mut().reset(clock::alarm(self.half_close_timeout));
        }
    }

    fn poll_linger(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let mut rest = [0; 4096];
        loop {
            let mut rest = ReadBuf::new(&mut rest);
            match Pin::new(&mut self.stream).poll_read(cx, &mut rest) {
                Poll::Ready(Ok(())) if !rest.filled().is_empty() => {}
                Poll::Ready(_) => return Poll::Ready(()),
                Poll::Pending => break,
            }
        }
        self.lingering.get_or_insert_with(|| Box::pin(sleep(LINGER_TIMEOUT))).as_mut().poll(cx)
    }
}

impl<S: ClientStream> AsyncRead for ClientIo<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.half_closed.is_some() {
            return self.poll_half_closed(cx).map(Ok);
        }
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buf))?;
        let is_end = buf.filled().len() == before && buf.remaining() > 0;
        if is_end { self.poll_half_closed(cx).map(Ok) } else { Poll::Ready(Ok(())) }
    }
}

impl<S: ClientStream> AsyncWrite for ClientIo<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.wrote(&result);
        result
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        self.wrote(&result);
        result
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut self.stream).poll_flush(cx))?;
        self.client.flushed();
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.client.must_reset() {
            return Poll::Ready(Ok(()));
        }
        if self.lingering.is_none() {
            ready!(Pin::new(&mut self.stream).poll_shutdown(cx))?;
            if self.is_tunnel || !self.client.request_is_open() {
                return Poll::Ready(Ok(()));
            }
        }
        self.poll_linger(cx).map(Ok)
    }
}

impl<S: ClientStream> Drop for ClientIo<S> {
    fn drop(&mut self) {
        if self.client.must_reset() {
            self.stream.set_reset();
        }
    }
}
