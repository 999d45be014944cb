//! How an application is reached, also when everybody wants to reach it at once.
//!
//! Who comes while its queue is full (listen(2)) is told so at a Unix socket. Over TCP the kernel says nothing, and asks
//! again only after a second, then after two more: an application that is busy for a moment would cost a failed request.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use nix::sys::socket::{setsockopt, sockopt};
use tokio::net::{TcpStream, UnixStream, lookup_host};
use tokio::time::{sleep, timeout};

use super::route::Backend;
use super::stream::Stream;

/// How many bytes of a request's body may lie in a Unix socket, not yet read. The kernel takes its own limit if that is
/// lower (`net.core.wmem_max`); its default would hold fewer bytes than a read of a long body brings.
const SEND_BUFFER_BYTES: usize = 512 * 1024;

/// How many bytes of an answer may lie in a TCP socket, not yet read, because the client takes no more: this, and up to as
/// much again. Left to itself, Linux makes that 6 MiB for an application that is fast (`net.ipv4.tcp_rmem`). The kernel takes
/// its own limit if that is lower (`net.core.rmem_max`).
const RECEIVE_BUFFER_BYTES: usize = 128 * 1024;

/// How long to wait until another attempt to get into a queue that is full: from the first to the longest pause.
const QUEUE_PAUSE_MIN: Duration = Duration::from_millis(1);
const QUEUE_PAUSE_MAX: Duration = Duration::from_millis(20);
/// How long an attempt on the loopback may take, where it takes no time at all: long, in case the kernel is short of it.
const LOOPBACK_ATTEMPT_MAX: Duration = Duration::from_millis(100);

/// Connects to `backend`, however long that takes.
///
/// # Cancel safety
/// Dropping the future gives up the attempt.
pub(super) async fn connect(backend: &Backend) -> io::Result<Stream> {
    let stream = match backend {
        Backend::Address(address) => connect_tcp(*address).await?,
        Backend::Name { host, port } => connect_by_name(host, *port).await?,
        Backend::Unix(socket) => return connect_unix(socket).await.map(Stream::Unix),
    };
    stream.set_nodelay(true)?;
    // A kernel that refuses it holds more, nothing else.
    let _ = setsockopt(&stream, sockopt::RcvBuf, &RECEIVE_BUFFER_BYTES);
    Ok(Stream::Tcp(stream))
}

async fn connect_by_name(host: &str, port: u16) -> io::Result<TcpStream> {
    let mut error = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    for address in lookup_host((host, port)).await? {
        match connect_tcp(address).await {
            Ok(stream) => return Ok(stream),
            Err(failed) => error = failed,
        }
    }
    Err(error)
}

async fn connect_tcp(address: SocketAddr) -> io::Result<TcpStream> {
    if !address.ip().is_loopback() {
        return TcpStream::connect(address).await;
    }
    let mut pauses = Pauses::up_to(LOOPBACK_ATTEMPT_MAX);
    loop {
        if let Ok(connected) = timeout(pauses.next(), TcpStream::connect(address)).await {
            return connected;
        }
    }
}

async fn connect_unix(socket: &Path) -> io::Result<UnixStream> {
    let mut pauses = Pauses::up_to(QUEUE_PAUSE_MAX);
    loop {
        match UnixStream::connect(socket).await {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => sleep(pauses.next()).await,
            connected => {
                let stream = connected?;
                // A kernel that refuses it is slower with long bodies, nothing else.
                let _ = setsockopt(&stream, sockopt::SndBuf, &SEND_BUFFER_BYTES);
                return Ok(stream);
            }
        }
    }
}

/// Each is twice as long as the one before, until they are long enough.
struct Pauses {
    next: Duration,
    max: Duration,
}

impl Pauses {
    fn up_to(max: Duration) -> Self {
        Self { next: QUEUE_PAUSE_MIN, max }
    }

    fn next(&mut self) -> Duration {
        let pause = self.next;
        self.next = (pause * 2).min(self.max);
        pause
    }
}
