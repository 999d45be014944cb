//! What a host can poll: an eventfd, and pipes for hosts that want to read.
//!
//! Both are readable exactly while the queue is not empty. They are written and emptied under the queue's lock, so a
//! wake-up is neither lost nor left over.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::sys::eventfd::{EfdFlags, EventFd};

use super::code::{Code, EmbedError};

/// How many wake pipes one handle gives away: the library keeps two descriptors for each until the handle is closed,
/// whether the host still reads it or not.
pub const WAKE_PIPES_MAX: usize = 64;

/// An eventfd that never blocks and is closed on exec.
pub(super) fn eventfd() -> io::Result<EventFd> {
    Ok(EventFd::from_flags(EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK)?)
}

/// Makes it readable. What can go wrong is that it is readable already.
pub(super) fn raise(event: &EventFd) {
    let _is_raised_already = event.write(1);
}

/// Makes it unreadable. What can go wrong is that it is already.
pub(super) fn lower(event: &EventFd) {
    let _is_lowered_already = event.read();
}

struct WakePipe {
    /// The host has a copy of it, and may close that; this one is for emptying.
    reader: OwnedFd,
    writer: OwnedFd,
}

impl WakePipe {
    fn new() -> io::Result<Self> {
        let (reader, writer) = nix::unistd::pipe2(OFlag::O_CLOEXEC | OFlag::O_NONBLOCK)?;
        Ok(Self { reader, writer })
    }

    fn raise(&self) {
        // We hold both ends: nobody hangs up, and there is always room for the one byte.
        let _is_raised = nix::unistd::write(&self.writer, b"!");
    }

    fn lower(&self) {
        let mut bytes = [0; 16];
        while matches!(nix::unistd::read(&self.reader, &mut bytes), Ok(1..) | Err(Errno::EINTR)) {}
    }
}

/// Rings while the queue is not empty.
pub(super) struct Bell {
    event: EventFd,
    pipes: Vec<WakePipe>,
    rings: bool,
}

impl Bell {
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self { event: eventfd()?, pipes: Vec::new(), rings: false })
    }

    pub(super) fn event(&self) -> BorrowedFd<'_> {
        self.event.as_fd()
    }

    pub(super) fn add_pipe(&mut self) -> Result<OwnedFd, EmbedError> {
        if self.pipes.len() >= WAKE_PIPES_MAX {
            let message = format!("this handle has given away {WAKE_PIPES_MAX} wake pipes already");
            return Err(EmbedError::new(Code::Io, "too_many_wake_pipes", message));
        }
        let failed = |error| EmbedError::system("cannot make a pipe", &error);
        let pipe = WakePipe::new().map_err(failed)?;
        let given = pipe.reader.try_clone().map_err(failed)?;
        if self.rings {
            pipe.raise();
        }
        self.pipes.push(pipe);
        Ok(given)
    }

    /// To be called under the lock that the queue changed under.
    pub(super) fn ring(&mut self, readable: bool) {
        match (self.rings, readable) {
            (false, true) => {
                self.pipes.iter().for_each(WakePipe::raise);
                raise(&self.event);
            }
            (true, false) => {
                lower(&self.event);
                self.pipes.iter().for_each(WakePipe::lower);
            }
            _ => {}
        }
        self.rings = readable;
    }
}
