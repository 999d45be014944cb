//! Descriptors beside the bytes of a control connection (`unix(7)`, `SCM_RIGHTS`): how a listening socket goes from one
//! process to the next without being closed in between.

#![expect(
    unsafe_code,
    reason = "nix hands received descriptors out as numbers, and one line makes them owned"
)]

use std::io::{self, IoSlice, IoSliceMut};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use nix::cmsg_space;
use nix::sys::socket::{ControlMessage, ControlMessageOwned, MsgFlags, recvmsg, sendmsg};
use tokio::io::{AsyncRead, Interest, ReadBuf};
use tokio::net::UnixStream;
use tokio::net::unix::OwnedReadHalf;

/// How many descriptors one message may bring; the system closes the others.
const DESCRIPTORS_MAX: usize = 8;

/// Sends the beginning of `bytes`, and the descriptors with it; tells how many bytes are sent. The sender keeps his own.
pub(super) async fn send(stream: &UnixStream, bytes: &[u8], descriptors: &[OwnedFd]) -> io::Result<usize> {
    let numbers: Vec<RawFd> = descriptors.iter().map(AsRawFd::as_raw_fd).collect();
    let rights = [ControlMessage::ScmRights(&numbers)];
    let send = || {
        let (bytes, flags) = ([IoSlice::new(bytes)], MsgFlags::MSG_NOSIGNAL | MsgFlags::MSG_DONTWAIT);
        Ok(sendmsg::<()>(stream.as_raw_fd(), &bytes, &rights, flags, None)?)
    };
    stream.async_io(Interest::WRITABLE, send).await
}

/// Reads bytes, and keeps the descriptors that come with them.
#[derive(Debug)]
pub(super) struct Receiver {
    half: OwnedReadHalf,
    received: Vec<OwnedFd>,
}

impl Receiver {
    pub(super) fn new(half: OwnedReadHalf) -> Self {
        Self { half, received: Vec::new() }
    }

    /// What has come so far.
    pub(super) fn take_descriptors(&mut self) -> Vec<OwnedFd> {
        std::mem::take(&mut self.received)
    }

    /// What nobody asked for is closed again.
    fn keep(&mut self, descriptors: Vec<OwnedFd>) {
        self.received.extend(descriptors);
        self.received.truncate(DESCRIPTORS_MAX);
    }
}

impl AsyncRead for Receiver {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        loop {
            let stream: &UnixStream = self.half.as_ref();
            ready!(stream.poll_read_ready(cx))?;
            match stream.try_io(Interest::READABLE, || receive(stream, buf)) {
                Ok(descriptors) => {
                    self.keep(descriptors);
                    return Poll::Ready(Ok(()));
                }
                // The readiness was an old one, and is forgotten by now.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }
}

fn receive(stream: &UnixStream, buf: &mut ReadBuf<'_>) -> io::Result<Vec<OwnedFd>> {
    let mut space = cmsg_space!([RawFd; DESCRIPTORS_MAX]);
    let (count, numbers) = {
        let mut into = [IoSliceMut::new(buf.initialize_unfilled())];
        let flags = MsgFlags::MSG_CMSG_CLOEXEC | MsgFlags::MSG_DONTWAIT;
        let message = recvmsg::<()>(stream.as_raw_fd(), &mut into, Some(&mut space), flags)?;
        let rights = |message| match message {
            ControlMessageOwned::ScmRights(numbers) => Some(numbers),
            _ => None,
        };
        // Even of a message that did not fit, what has come is ours to close.
        let numbers: Vec<RawFd> = message
            .cmsgs()
            .map(|messages| messages.filter_map(rights).flatten().collect())
            .unwrap_or_default();
        (message.bytes, numbers)
    };
    buf.advance(count);
    // SAFETY: the system has just made these descriptors for us, and nobody else knows their numbers.
    Ok(numbers.into_iter().map(|number| unsafe { OwnedFd::from_raw_fd(number) }).collect())
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};

    use super::*;
    use tokio::io::AsyncReadExt;

    async fn pair() -> (UnixStream, Receiver) {
        let (one, other) = UnixStream::pair().expect("a pair of sockets");
        (one, Receiver::new(other.into_split().0))
    }

    #[tokio::test]
    async fn a_descriptor_comes_with_its_bytes_and_no_child_inherits_it() {
        let (sender, mut receiver) = pair().await;
        let (mut kept, given) = std::os::unix::net::UnixStream::pair().expect("a pair of sockets");
        let sent = send(&sender, b"hello\n", &[OwnedFd::from(given)]).await.expect("the other side is there");
        assert_eq!(sent, 6);
        let mut text = [0; 6];
        receiver.read_exact(&mut text).await.expect("it was sent");
        let received = receiver.take_descriptors();
        assert_eq!((&text, received.len()), (b"hello\n", 1));
        let flags = nix::fcntl::fcntl(&received[0], nix::fcntl::FcntlArg::F_GETFD).expect("it is open");
        assert_ne!(flags & nix::libc::FD_CLOEXEC, 0);

        let mut received = received.into_iter().map(std::os::unix::net::UnixStream::from);
        kept.write_all(b"x").expect("somebody holds the other side");
        let mut byte = [0];
        received.next().expect("it is there").read_exact(&mut byte).expect("it is the same socket");
        assert_eq!(&byte, b"x");
    }

    #[tokio::test]
    async fn what_nobody_takes_is_bounded() {
        let (sender, mut receiver) = pair().await;
        let mut text = [0; 1];
        for _ in 0..3 * DESCRIPTORS_MAX {
            let (_, given) = std::os::unix::net::UnixStream::pair().expect("a pair of sockets");
            send(&sender, b"x", &[OwnedFd::from(given)]).await.expect("the other side is there");
            receiver.read_exact(&mut text).await.expect("it was sent");
        }
        assert_eq!(receiver.take_descriptors().len(), DESCRIPTORS_MAX);
    }
}
