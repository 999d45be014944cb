//! Runs a program that has something to tell on a descriptor of its own, and never waits for it too long.

use std::io::{self, PipeReader, Read};
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use command_fds::{CommandFdExt, FdMapping};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

use super::Said;

/// Where the program writes its result.
const RESULT_FD: i32 = 3;

/// How much of what it prints is passed on, in bytes; the rest is dropped.
const SAID_BYTES_MAX: usize = 64 * 1024;

/// How often it is looked whether a program that has closed its result has ended.
const EXIT_POLL: Duration = Duration::from_millis(10);

/// How it went.
#[derive(Debug)]
pub(super) enum Outcome {
    /// A line on the result's descriptor, without its end.
    Told(Vec<u8>),
    /// It ended without one.
    Ended(ExitStatus),
    /// It went on for too long.
    TimedOut,
    /// The line was longer than allowed.
    TooLarge,
}

/// How long it may take, and how long its result may be.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub(super) timeout: Duration,
    pub(super) result_bytes_max: usize,
}

/// Runs `command` without input, in a group of its own, which is gone afterwards. What it prints goes to `said`.
pub(super) fn run(mut command: Command, limits: Limits, said: Said<'_>) -> io::Result<Outcome> {
    let deadline = Instant::now() + limits.timeout;
    let (result, result_end) = io::pipe()?;
    let (output, output_end) = io::pipe()?;
    let mapping = FdMapping { parent_fd: result_end.into(), child_fd: RESULT_FD };
    command.fd_mappings(vec![mapping]).map_err(io::Error::other)?;
    command.stdin(Stdio::null()).stdout(output_end.try_clone()?).stderr(output_end).process_group(0);
    // What our own starter left open is for nobody else.
    close_fds::set_fds_cloexec_threadsafe(RESULT_FD, &[]);
    let child = command.spawn()?;
    // It holds our ends of the pipes.
    drop(command);
    Watched { child, result, output: Some(output), said: Passing { said, left: SAID_BYTES_MAX } }
        .watch(deadline, limits)
}

struct Watched<'s> {
    child: Child,
    result: PipeReader,
    output: Option<PipeReader>,
    said: Passing<'s>,
}

impl Watched<'_> {
    fn watch(mut self, deadline: Instant, limits: Limits) -> io::Result<Outcome> {
        let outcome = self.outcome(deadline, limits.result_bytes_max);
        // Before it is waited for: until then the number of the group is nobody else's.
        let group = Pid::from_raw(i32::try_from(self.child.id()).expect("a pid fits"));
        let _ = killpg(group, Signal::SIGKILL);
        let _ = self.child.wait();
        self.pass_on_the_rest();
        outcome
    }

    fn outcome(&mut self, deadline: Instant, result_bytes_max: usize) -> io::Result<Outcome> {
        let mut told = Vec::new();
        loop {
            let Some(ready) = self.ready(deadline)? else { return Ok(Outcome::TimedOut) };
            if ready.output {
                self.pass_on()?;
            }
            if !ready.result {
                continue;
            }
            let before = told.len();
            let is_over = read_some(&mut self.result, &mut told)? == 0;
            if let Some(end) = told[before..].iter().position(|byte| *byte == b'\n') {
                told.truncate(before + end);
                return Ok(Outcome::Told(told));
            }
            if told.len() > result_bytes_max {
                return Ok(Outcome::TooLarge);
            }
            if is_over {
                return self.end(deadline);
            }
        }
    }

    /// Waits until there is something to read; `None` when it is too late.
    fn ready(&self, deadline: Instant) -> io::Result<Option<Ready>> {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(None);
        }
        let mut polled = vec![PollFd::new(self.result.as_fd(), PollFlags::POLLIN)];
        polled.extend(self.output.as_ref().map(|output| PollFd::new(output.as_fd(), PollFlags::POLLIN)));
        wait(&mut polled, left)?;
        let is_ready = |index: usize| polled.get(index).is_some_and(|polled| polled.any().unwrap_or(true));
        Ok(Some(Ready { result: is_ready(0), output: is_ready(1) }))
    }

    /// It has closed its result; so it is about to end, or hangs.
    fn end(&mut self, deadline: Instant) -> io::Result<Outcome> {
        loop {
            if let Some(status) = self.child.try_wait()? {
                return Ok(Outcome::Ended(status));
            }
            if Instant::now() >= deadline {
                return Ok(Outcome::TimedOut);
            }
            match self.has_output(EXIT_POLL)? {
                true => self.pass_on()?,
                false if self.output.is_none() => std::thread::sleep(EXIT_POLL),
                false => {}
            }
        }
    }

    fn has_output(&self, timeout: Duration) -> io::Result<bool> {
        let Some(output) = &self.output else { return Ok(false) };
        let mut polled = [PollFd::new(output.as_fd(), PollFlags::POLLIN)];
        wait(&mut polled, timeout)?;
        Ok(polled[0].any().unwrap_or(true))
    }

    fn pass_on(&mut self) -> io::Result<()> {
        let Some(output) = &mut self.output else { return Ok(()) };
        let mut bytes = Vec::new();
        match read_some(output, &mut bytes)? {
            0 => self.output = None,
            _ => self.said.pass(&bytes),
        }
        Ok(())
    }

    /// What is in the pipe already. Somebody who left the group may hold it open, so its end is not waited for.
    fn pass_on_the_rest(&mut self) {
        while self.said.left > 0 && self.has_output(Duration::ZERO).unwrap_or(false) {
            if self.pass_on().is_err() {
                return;
            }
        }
    }
}

struct Ready {
    result: bool,
    output: bool,
}

/// Passes on so much, and then says that there was more.
struct Passing<'s> {
    said: Said<'s>,
    left: usize,
}

impl Passing<'_> {
    fn pass(&mut self, bytes: &[u8]) {
        if self.left == 0 {
            return;
        }
        let (passed, dropped) = bytes.split_at(bytes.len().min(self.left));
        (self.said)(passed);
        self.left -= passed.len();
        if self.left == 0 || !dropped.is_empty() {
            (self.said)(b"\n(the config printed more, which is not shown)\n");
        }
    }
}

fn wait(polled: &mut [PollFd<'_>], timeout: Duration) -> io::Result<()> {
    // Rounded up, so that the last fraction of a millisecond is no busy loop.
    let timeout = PollTimeout::try_from(timeout + Duration::from_millis(1)).unwrap_or(PollTimeout::MAX);
    match poll(polled, timeout) {
        Ok(_) | Err(nix::errno::Errno::EINTR) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

fn read_some(pipe: &mut PipeReader, into: &mut Vec<u8>) -> io::Result<usize> {
    let mut bytes = [0; 16 * 1024];
    let count = pipe.read(&mut bytes)?;
    into.extend_from_slice(&bytes[..count]);
    Ok(count)
}
