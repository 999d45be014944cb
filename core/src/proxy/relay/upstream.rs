//! A connection to an application.

use std::io;
use std::os::fd::AsRawFd;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::socket::{MsgFlags, recv};
use tokio::io::{AsyncReadExt, AsyncWrite};
use tokio::time::{sleep, timeout};

use crate::clock;
use crate::descriptors::is_out_of_descriptors;
use crate::proxy::connect::connect;
use crate::proxy::error::errno_name;
use crate::proxy::machine::Shortage;
use crate::proxy::route::Route;
use crate::proxy::stream::{Stream, poll_receive_tcp, poll_stirs_tcp};

use super::buffer::Source;
use super::pool::Pool;

/// A connection that can carry a request.
#[derive(Debug)]
pub(super) struct Upstream {
    pub(super) stream: Stream,
    /// The route it was dialled for, and which of its backends it leads to.
    pub(super) route: u64,
    pub(super) backend: usize,
    /// How many requests it has carried, the one at hand included.
    pub(super) served: u32,
    /// Whether something could not be written: it carries no further request.
    is_deaf: bool,
    is_wide: bool,
}

impl Source for Stream {
    fn poll_stirs(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match self {
            Self::Tcp(stream) => poll_stirs_tcp(stream, cx),
            Self::Unix(stream) => stream.poll_read_ready(cx).map(drop),
        }
    }

    fn poll_receive(&mut self, cx: &mut Context<'_>, into: &mut Vec<u8>) -> Poll<io::Result<usize>> {
        match self {
            Self::Tcp(stream) => poll_receive_tcp(stream, cx, into),
            Self::Unix(stream) => pin!(stream.read_buf(into)).poll(cx),
        }
    }
}

impl Upstream {
    fn new(stream: Stream, route: u64, backend: usize) -> Self {
        Self { stream, route, backend, served: 0, is_deaf: false, is_wide: false }
    }

    /// Whether the application has closed it or sent something unasked, as far as the runtime has heard. Costs no system
    /// call unless it has.
    pub(super) fn has_stirred(&self) -> bool {
        !matches!(self.stream.try_read(&mut [0]), Err(error) if error.kind() == io::ErrorKind::WouldBlock)
    }

    /// Whether the application has neither closed it nor sent anything unasked, as far as this machine's kernel knows
    /// right now: the runtime may not have heard of it yet.
    pub(super) fn is_quiet(&self) -> bool {
        let peek = recv(self.stream.as_raw_fd(), &mut [0], MsgFlags::MSG_PEEK | MsgFlags::MSG_DONTWAIT);
        peek == Err(Errno::EAGAIN)
    }

    /// A connection that has carried a request.
    #[cfg(test)]
    pub(super) fn served_once(stream: Stream, route: u64) -> Self {
        Self { served: 1, ..Self::new(stream, route, 0) }
    }

    /// The client takes what comes: from now on more of it may wait in the socket, for this request and the next ones.
    pub(super) fn widen(&mut self) {
        if !self.is_wide {
            self.is_wide = true;
            self.stream.widen();
        }
    }

    pub(super) fn is_deaf(&self) -> bool {
        self.is_deaf
    }

    /// Writes some of `bytes`; how many, or `None` when nothing can be written any more.
    ///
    /// An application may answer before it has read all of a request, and close. What we still write then fails, while its
    /// answer lies in our socket: so a failed write is kept quiet, and the truth is what can be read.
    pub(super) fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<Option<usize>> {
        match Pin::new(&mut self.stream).poll_write(cx, bytes) {
            Poll::Ready(Ok(written)) => Poll::Ready(Some(written)),
            Poll::Ready(Err(_)) => {
                self.is_deaf = true;
                Poll::Ready(None)
            }
            Poll::Pending => Poll::Pending,
        }
    }
}

/// No connection: nobody was reached.
#[derive(Debug)]
pub(super) struct Unreached {
    /// The words of compat C-91 for the last backend tried.
    pub(super) message: String,
    /// Whether nobody listens there, as when a process has ended.
    pub(super) is_refused: bool,
    /// Whether this machine could not even try: that says nothing about the application.
    pub(super) is_ours: bool,
    /// How many backends were tried.
    pub(super) failures: u32,
}

/// Whether the error says that nobody listens (connect(2)), and not that we have no descriptors left, for example.
fn is_refusal(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionRefused, ConnectionReset, NotFound};
    matches!(error.kind(), ConnectionRefused | ConnectionReset | NotFound)
}

/// Whether this machine has no descriptor, memory or port left (socket(2), connect(2)).
fn is_shortage(error: &io::Error) -> bool {
    use io::ErrorKind::{AddrNotAvailable, OutOfMemory};
    is_out_of_descriptors(error)
        || matches!(error.kind(), AddrNotAvailable | OutOfMemory)
        || error.raw_os_error() == Some(Errno::ENOBUFS as i32)
}

/// Connects to one of the route's backends, beginning with the one whose turn it is. When that fails for want of a
/// descriptor or the like, the idle connections of `pool` are closed, and it is tried again for a while, as accepting is:
/// somebody leaves soon.
///
/// # Errors
/// When none of them takes the connection.
///
/// # Cancel safety
/// Dropping the future gives up the attempt.
pub(super) async fn dial(
    route: &Route,
    first: usize,
    limit: Duration,
    pool: &Pool,
) -> Result<Upstream, Unreached> {
    let mut shortage = Shortage::default();
    loop {
        match dial_once(route, first, limit).await {
            Err(unreached) if unreached.is_ours => {
                let relief = shortage.failed(clock::now());
                if relief.turn_away {
                    return Err(unreached);
                }
                pool.clear();
                sleep(relief.pause).await;
            }
            dialled => return dialled,
        }
    }
}

/// Of each backend only so many connections are made at once: after a switch everybody wants one.
async fn dial_once(route: &Route, first: usize, limit: Duration) -> Result<Upstream, Unreached> {
    let backends = route.backends();
    let message = "connect ENOENT: the release has no backend".to_owned();
    let mut unreached = Unreached { message, is_refused: false, is_ours: false, failures: 0 };
    for turn in 0..backends.len() {
        let backend = (first + turn) % backends.len();
        let connected = async {
            let _place = route.place_to_connect(backend).await;
            connect(&backends[backend]).await
        };
        unreached.failures += 1;
        match timeout(limit, connected).await {
            Ok(Ok(stream)) => {
                return Ok(Upstream::new(stream, route.ledger.id, backend));
            }
            Ok(Err(error)) => {
                unreached.message = format!("connect {} {}", errno_name(&error), backends[backend]);
                unreached.is_refused = is_refusal(&error);
                unreached.is_ours = is_shortage(&error);
            }
            Err(_) => {
                unreached.message = format!("connect ETIMEDOUT {}", backends[backend]);
                unreached.is_refused = false;
                unreached.is_ours = false;
            }
        }
    }
    Err(unreached)
}
