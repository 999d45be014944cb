//! A connection to an application, over TCP or a Unix socket.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use nix::sys::socket::{setsockopt, sockopt};
use rustix::buffer::spare_capacity;
use rustix::net::{RecvFlags, SendFlags, recv, send};
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio::task::coop::poll_proceed;

/// How many bytes of an answer may lie in a TCP socket, not yet read, once its client has shown that it takes what comes: 1 MiB
/// costs a third less in larger pieces. This, and up to as much again.
const WIDE_RECEIVE_BUFFER_BYTES: usize = 512 * 1024;

/// A connection to an application.
#[derive(Debug)]
pub(crate) enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Stream {
    /// Lets more of an answer lie in the socket: for clients that take what comes.
    pub(super) fn widen(&self) {
        if let Self::Tcp(stream) = self {
            // A kernel that refuses it is slower with long bodies, nothing else.
            let _ = setsockopt(stream, sockopt::RcvBuf, &WIDE_RECEIVE_BUFFER_BYTES);
        }
    }

    /// Reads what there is, without waiting and without waking anybody.
    pub(super) fn try_read(&self, bytes: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.try_read(bytes),
            Self::Unix(stream) => stream.try_read(bytes),
        }
    }
}

/// Up to so many bytes are written without asking first whether there is room: there always is for a head, and asking costs
/// as much as parsing half of it. For long bodies the runtime has to know when there is none.
const SHORT_WRITE_BYTES: usize = 2048;

/// Writes some of `bytes`.
pub(super) fn poll_write_tcp(
    stream: &mut TcpStream,
    cx: &mut Context<'_>,
    bytes: &[u8],
) -> Poll<io::Result<usize>> {
    if bytes.len() <= SHORT_WRITE_BYTES {
        // As in `poll_receive_tcp`, not by the C library.
        let sending = || Ok(send(&*stream, bytes, SendFlags::NOSIGNAL)?);
        match stream.try_io(Interest::WRITABLE, sending) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            written => return Poll::Ready(written),
        }
    }
    Pin::new(stream).poll_write(cx, bytes)
}

/// Reads what there is into the room behind `into`, of which there is some.
///
/// By a system call of our own, not by that of the C library: in a process with threads the latter switches cancellation on
/// and off around each call, which costs two locked instructions and helps nobody.
pub(super) fn poll_receive_tcp(
    stream: &TcpStream,
    cx: &mut Context<'_>,
    into: &mut Vec<u8>,
) -> Poll<io::Result<usize>> {
    let budget = ready!(poll_proceed(cx));
    loop {
        let mut last = None;
        debug_assert!(into.len() < into.capacity(), "nothing to read into would look like an end");
        let received = stream.try_io(Interest::READABLE, || {
            let room = into.capacity() - into.len();
            let (read, _) = recv(stream, spare_capacity(into), RecvFlags::empty())?;
            if read == 0 || read == room {
                return Ok(read);
            }
            // That was all there is (epoll(7)): the runtime need not be told so by a read that finds nothing.
            last = Some(read);
            Err(io::ErrorKind::WouldBlock.into())
        });
        let received = match (received, last) {
            (_, Some(read)) => Ok(read),
            (Err(error), None) if error.kind() == io::ErrorKind::WouldBlock => {
                ready!(stream.poll_read_ready(cx))?;
                continue;
            }
            (received, None) => received,
        };
        budget.made_progress();
        return Poll::Ready(received);
    }
}

/// Whether something may be there to be read; the task is woken when it is.
pub(super) fn poll_stirs_tcp(stream: &TcpStream, cx: &mut Context<'_>) -> Poll<()> {
    // What the runtime has heard already can be looked up for less.
    match stream.try_io(Interest::READABLE, || Ok(())) {
        Ok(()) => Poll::Ready(()),
        // An error is read as one.
        Err(_) => stream.poll_read_ready(cx).map(drop),
    }
}

/// On the host's own threads a peer that is gone must not be a SIGPIPE, which ends a host that has not thought of it. The
/// standard library sees to that for long writes over TCP, and for Unix sockets only in newer versions than we ask for.
fn poll_send(stream: &UnixStream, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
    let sending = || Ok(send(stream, bytes, SendFlags::NOSIGNAL)?);
    loop {
        ready!(stream.poll_write_ready(cx))?;
        match stream.try_io(Interest::WRITABLE, sending) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            sent => return Poll::Ready(sent),
        }
    }
}

impl AsRawFd for Stream {
    fn as_raw_fd(&self) -> RawFd {
        self.as_fd().as_raw_fd()
    }
}

impl AsFd for Stream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Tcp(stream) => stream.as_fd(),
            Self::Unix(stream) => stream.as_fd(),
        }
    }
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_read(cx, buf),
            Self::Unix(stream) => Pin::new(stream).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tcp(stream) => poll_write_tcp(stream, cx, buf),
            Self::Unix(stream) => poll_send(stream, cx, buf),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // A socket has nothing to flush.
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Unix(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
