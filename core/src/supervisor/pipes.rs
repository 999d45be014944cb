//! Reads what a process prints, for as long as it lives and a moment longer.

use std::io;
use std::os::fd::OwnedFd;

use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe;
use tokio::task::JoinHandle;

use crate::report::OutputStream;

use super::child::Pipes;
use super::output::{Output, Stream};

/// How much is read at once, in bytes; as much as a pipe holds by default.
const READ_BYTES: usize = 64 * 1024;

/// Two tasks that read, so that a process that prints a lot slows down nobody but itself.
#[derive(Debug)]
pub(super) struct Readers {
    readers: Vec<(Stream, JoinHandle<()>)>,
}

impl Readers {
    /// Begins to read.
    pub(super) fn new(pipes: Pipes, output: &Output) -> io::Result<Self> {
        let read = |name, fd: OwnedFd| -> io::Result<_> {
            let stream = Stream::new(name, output.clone());
            let reader = pipe::Receiver::from_owned_fd(fd)?;
            Ok((stream.clone(), tokio::spawn(read(reader, stream))))
        };
        Ok(Self {
            readers: vec![
                read(OutputStream::Stdout, pipes.stdout)?,
                read(OutputStream::Stderr, pipes.stderr)?,
            ],
        })
    }

    /// Waits until nobody can print any more. Cancel safe.
    pub(super) async fn ended(&mut self) {
        for (_, reader) in &mut self.readers {
            if !reader.is_finished() {
                let _panicked_or_not = reader.await;
            }
        }
    }

    /// What has no line end yet is a line.
    pub(super) fn flush(&self) {
        for (stream, _) in &self.readers {
            stream.flush();
        }
    }
}

impl Drop for Readers {
    fn drop(&mut self) {
        for (_, reader) in &self.readers {
            reader.abort();
        }
        self.flush();
    }
}

async fn read(mut reader: pipe::Receiver, stream: Stream) {
    let mut buffer = vec![0; READ_BYTES];
    // An error is an end as well: nothing better can be done about it.
    while let Ok(length @ 1..) = reader.read(&mut buffer).await {
        stream.feed(&buffer[..length]);
    }
    stream.flush();
}
