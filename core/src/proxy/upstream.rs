//! A connection to an application.

use std::io;
use std::os::fd::AsRawFd;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use nix::errno::Errno;
use nix::sys::socket::{MsgFlags, recv};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::timeout;

use super::body::RequestBody;
use super::clients::lock;
use super::error::errno_name;
use super::route::Route;
use super::stream::Stream;

/// The socket, shared between hyper, which drives it, and the pool, which asks whether it still lives.
pub(crate) struct Socket {
    stream: Mutex<Stream>,
    bytes_read: AtomicU64,
    is_deaf: AtomicBool,
}

impl Socket {
    /// How many bytes the application has sent.
    pub(super) fn bytes_read(&self) -> u64 {
        self.bytes_read.load(Ordering::Relaxed)
    }

    /// Whether something could not be written any more: such a connection carries no further request.
    pub(super) fn is_deaf(&self) -> bool {
        self.is_deaf.load(Ordering::Relaxed)
    }

    /// Whether the application has neither closed the connection nor sent anything unasked, as far as this machine's
    /// kernel knows right now. Asks the kernel itself: the runtime may not have heard of it yet.
    pub(super) fn is_quiet(&self) -> bool {
        let stream = lock(&self.stream);
        let peek = recv(stream.as_raw_fd(), &mut [0], MsgFlags::MSG_PEEK | MsgFlags::MSG_DONTWAIT);
        peek == Err(Errno::EAGAIN) && !self.is_deaf()
    }
}

/// hyper's side of the socket.
///
/// An application may answer before it has read all of a request, and close. What we still write then fails, while its
/// answer lies in our buffer: so a failed write is kept quiet, and the truth is what can be read.
pub(crate) struct SocketIo(Arc<Socket>);

impl SocketIo {
    fn write(
        &self,
        len: usize,
        write: impl FnOnce(Pin<&mut Stream>) -> Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        if self.0.is_deaf() {
            return Poll::Ready(Ok(len));
        }
        match write(Pin::new(&mut *lock(&self.0.stream))) {
            Poll::Ready(Err(_)) => {
                self.0.is_deaf.store(true, Ordering::Relaxed);
                Poll::Ready(Ok(len))
            }
            result => result,
        }
    }
}

impl AsyncRead for SocketIo {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let result = Pin::new(&mut *lock(&self.0.stream)).poll_read(cx, buf);
        self.0.bytes_read.fetch_add((buf.filled().len() - before) as u64, Ordering::Relaxed);
        result
    }
}

impl AsyncWrite for SocketIo {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.write(buf.len(), |stream| stream.poll_write(cx, buf))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let len = bufs.iter().map(|buf| buf.len()).sum();
        self.write(len, |stream| stream.poll_write_vectored(cx, bufs))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // A socket has nothing to flush.
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *lock(&self.0.stream)).poll_shutdown(cx)
    }
}

/// A connection that can carry a request.
pub(crate) struct Upstream {
    pub(super) sender: SendRequest<RequestBody>,
    pub(super) socket: Arc<Socket>,
    /// The route it was dialled for, and which of its backends it leads to.
    pub(super) route: u64,
    pub(super) backend: usize,
    /// How many requests it has carried.
    pub(super) served: u32,
}

/// Connects to one of the route's backends, beginning with the one whose turn it is.
///
/// # Errors
/// The words of compat C-91 for the last backend tried.
pub(super) async fn dial(route: &Route, first: usize, limit: Duration) -> Result<Upstream, String> {
    let backends = route.backends();
    let mut failure = "connect ENOENT: the release has no backend".to_owned();
    for turn in 0..backends.len() {
        let index = (first + turn) % backends.len();
        match timeout(limit, Stream::connect(&backends[index])).await {
            Ok(Ok(stream)) => return handshake(stream, route.ledger.id, index).await,
            Ok(Err(error)) => failure = format!("connect {} {}", errno_name(&error), backends[index]),
            Err(_) => failure = format!("connect ETIMEDOUT {}", backends[index]),
        }
    }
    Err(failure)
}

async fn handshake(stream: Stream, route: u64, backend: usize) -> Result<Upstream, String> {
    let socket = Arc::new(Socket {
        stream: Mutex::new(stream),
        bytes_read: AtomicU64::new(0),
        is_deaf: AtomicBool::new(false),
    });
    let io = TokioIo::new(SocketIo(Arc::clone(&socket)));
    let (sender, connection) = http1::handshake(io).await.map_err(|error| error.to_string())?;
    // It ends when the sender is dropped or the application closes.
    tokio::spawn(async move {
        if let Err(error) = connection.with_upgrades().await {
            tracing::trace!(%error, "upstream connection ended");
        }
    });
    Ok(Upstream { sender, socket, route, backend, served: 0 })
}
