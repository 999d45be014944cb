//! Where lines go: a file that is made anew when it was moved away, a pipe, or the standard output.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

/// Who may read a log that we make: its owner and its group.
const MODE: u32 = 0o640;
/// As many bytes as a pipe that says it is ready takes without waiting: PIPE_BUF, see pipe(7). A socket takes more.
const READY_BYTES: usize = 4096;
/// How long a pipe is waited for before we look whether the end has come.
const POLL_MS: u16 = 100;

/// Something that lines can be written to.
pub(super) struct Sink {
    path: PathBuf,
    file: File,
    /// Not a file on a disk: it may be full until somebody reads.
    may_block: bool,
    /// What was written last ended in the middle of a line.
    is_torn: bool,
}

impl Sink {
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let file = if path == Path::new("-") {
            // A copy of the descriptor: its flags are those of everybody else who writes to it, and stay as they are.
            File::from(io::stdout().as_fd().try_clone_to_owned()?)
        } else {
            let mut options = OpenOptions::new();
            // Does not wait for the reader of a pipe: without one it is an error now, and another try later.
            options.append(true).create(true).mode(MODE).custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY);
            options.open(path)?
        };
        let kind = file.metadata()?.file_type();
        let may_block = kind.is_fifo() || kind.is_socket() || kind.is_char_device();
        Ok(Self { path: path.to_owned(), file, may_block, is_torn: false })
    }

    /// Whether its file is no longer the one at its path.
    pub(super) fn is_moved(&self) -> bool {
        if self.path == Path::new("-") {
            return false;
        }
        let Ok(ours) = self.file.metadata() else { return true };
        let there = std::fs::metadata(&self.path);
        there.map_or(true, |there| (there.dev(), there.ino()) != (ours.dev(), ours.ino()))
    }

    /// Writes whole lines; says how many bytes went when not all did. Waits for a slow reader as long as `go_on` says.
    pub(super) fn write(
        &mut self,
        lines: &[u8],
        mut go_on: impl FnMut() -> bool,
    ) -> Result<(), (usize, io::Error)> {
        let mut done = 0;
        if self.is_torn {
            self.write_some(b"\n").map_err(|error| (0, error))?;
            self.is_torn = false;
        }
        while done < lines.len() {
            if !self.is_ready() {
                if go_on() {
                    continue;
                }
                return Err((done, io::ErrorKind::TimedOut.into()));
            }
            let end = if self.may_block { lines.len().min(done + READY_BYTES) } else { lines.len() };
            match self.write_some(&lines[done..end]) {
                Ok(written) => done += written,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err((done, error)),
            }
            self.is_torn = lines[done - 1..done] != *b"\n";
        }
        Ok(())
    }

    fn write_some(&mut self, bytes: &[u8]) -> io::Result<usize> {
        loop {
            match self.file.write(bytes) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => return result,
            }
        }
    }

    fn is_ready(&self) -> bool {
        if !self.may_block {
            return true;
        }
        let mut asked = [PollFd::new(self.file.as_fd(), PollFlags::POLLOUT)];
        // An error is told by the write that follows.
        !matches!(poll(&mut asked, PollTimeout::from(POLL_MS)), Ok(0))
    }
}
