//! A process that was started here, until it is reaped.
//!
//! No signal handler takes part: its end comes through its pidfd, and only its pidfd is waited for. So neither a
//! `waitpid(-1)` of the host nor an ignored SIGCHLD keeps us from hearing of it, nor us the host of its own children.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid};
use tokio::io::unix::AsyncFd;

use crate::exit::{Exit, Signal};
use crate::id::Pid;
use crate::spec::RunSpec;

use super::command::{self, NotSpawned};
use super::group::Group;
use super::identity::{Identity, Stat};
use super::mark::Mark;
use super::{spawn, stale};

/// How long a child that is dropped may take to die of SIGKILL before it is left to the host as a zombie.
const DROP_TIMEOUT_MS: u16 = 100;

/// How often, and how far apart, the kernel is asked for the exit of a child that somebody else is just reaping, and
/// how often it may say that there is no such child.
const REAPING_TRIES: u32 = 1000;
const REAPING_TRY_DELAY: Duration = Duration::from_millis(1);
const FORGOTTEN_TRIES: u32 = 3;

/// A process and the descriptor that tells of its end. Dropping it kills it with its group, and reaps it.
#[derive(Debug)]
pub(super) struct RawChild {
    pid: Pid,
    pidfd: Arc<OwnedFd>,
    group: Group,
    reaped: bool,
    pub(super) pipes: Option<Pipes>,
}

/// The ends we read.
#[derive(Debug)]
pub(super) struct Pipes {
    pub(super) stdout: OwnedFd,
    pub(super) stderr: OwnedFd,
}

/// Whether what a process prints is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Capture {
    Output,
    Nothing,
}

impl RawChild {
    /// Starts a process. Waits for the file system and for `exec`: for the blocking pool.
    pub(super) fn spawn(
        spec: &RunSpec,
        more_env: &[(&str, String)],
        capture: Capture,
    ) -> Result<Self, NotSpawned> {
        let mark = Mark::new();
        let prepared = command::prepare(spec, more_env, &mark)?;
        let fail = |error: io::Error| NotSpawned::new(&prepared.program, &error, error.to_string());
        let (pipes, (pid, pidfd)) = match capture {
            Capture::Nothing => (None, spawn::spawn(&prepared.image, None).map_err(fail)?),
            Capture::Output => {
                // A hook has the same spec, and runs beside the process that listens.
                spec.socket.iter().for_each(|socket| stale::make_room(socket));
                let (stdout, stdout_writer) = pipe().map_err(fail)?;
                let (stderr, stderr_writer) = pipe().map_err(fail)?;
                let writers = (stdout_writer.as_fd(), stderr_writer.as_fd());
                (Some(Pipes { stdout, stderr }), spawn::spawn(&prepared.image, Some(writers)).map_err(fail)?)
            }
        };
        let group = Group::of(identity(pid), mark);
        Ok(Self { pid, pidfd: Arc::new(pidfd), group, reaped: false, pipes })
    }

    /// How it ended, leaving it a zombie, so that its number stays its own.
    fn exit(&self) -> Waited {
        wait(self.pidfd.as_fd(), WaitPidFlag::WNOWAIT)
    }

    fn reap(&mut self) -> bool {
        self.reaped |= wait(self.pidfd.as_fd(), WaitPidFlag::empty()) != Waited::Lives;
        self.reaped
    }
}

impl Drop for RawChild {
    fn drop(&mut self) {
        if self.reaped {
            return;
        }
        self.group.clear();
        let mut ended = [PollFd::new(self.pidfd.as_fd(), PollFlags::POLLIN)];
        let _ended_or_not = poll(&mut ended, PollTimeout::from(DROP_TIMEOUT_MS));
        self.reap();
    }
}

/// A pipe whose ends are closed on exec and cannot be mistaken for the child's 0 to 2.
fn pipe() -> io::Result<(OwnedFd, OwnedFd)> {
    let (reader, writer) = nix::unistd::pipe2(OFlag::O_CLOEXEC)?;
    Ok((reader, above_stdio(writer)?))
}

/// A host may have closed its 0 to 2; the next pipe gets these numbers.
fn above_stdio(fd: OwnedFd) -> io::Result<OwnedFd> {
    if fd.as_raw_fd() > 2 {
        return Ok(fd);
    }
    let mut low = vec![fd];
    loop {
        let next = low.last().expect("it begins with one").try_clone()?;
        if next.as_raw_fd() > 2 {
            return Ok(next);
        }
        low.push(next);
    }
}

/// Somebody else may have reaped it, and the number may be another process's by now: ours leads its session.
fn identity(pid: Pid) -> Identity {
    let is_ours = |stat: &Stat| stat.session == pid.get() && stat.parent == std::process::id();
    match Stat::of(pid.get()).filter(is_ours) {
        Some(stat) => Identity::new(pid, &stat),
        None => Identity::gone(pid),
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Waited {
    Lives,
    Ended(Exit),
    /// Somebody else has it.
    NotOurs,
}

fn wait(pidfd: BorrowedFd<'_>, flags: WaitPidFlag) -> Waited {
    match waitid(Id::PIDFd(pidfd), flags | WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG) {
        Ok(WaitStatus::Exited(_, code)) => Waited::Ended(Exit::Code(code)),
        Ok(WaitStatus::Signaled(_, signal, _)) => {
            Waited::Ended(Signal::from_raw(signal as i32).map_or(Exit::Unknown, Exit::Signal))
        }
        Ok(_) | Err(Errno::EINTR) => Waited::Lives,
        Err(Errno::ECHILD) => Waited::NotOurs,
        // A realtime signal, for which there is no name.
        Err(_) => Waited::Ended(Exit::Unknown),
    }
}

/// A child whose end can be awaited.
#[derive(Debug)]
pub(super) struct Child {
    raw: RawChild,
    ended: AsyncFd<Arc<OwnedFd>>,
}

impl Child {
    /// Registers the child with the runtime.
    pub(super) fn new(raw: RawChild) -> io::Result<Self> {
        let ended = spawn::listen(Arc::clone(&raw.pidfd))?;
        Ok(Self { raw, ended })
    }

    /// The leader's pid, which is the number of its group.
    pub(super) fn pid(&self) -> Pid {
        self.raw.pid
    }

    /// Everything it started.
    pub(super) fn group(&self) -> &Group {
        &self.raw.group
    }

    /// Waits for its end, and leaves it a zombie. Cancel safe; after its end always the same answer.
    pub(super) async fn exited(&self) -> Exit {
        loop {
            // An error means that the runtime is going down, and this future with it.
            let Ok(mut ready) = self.ended.readable().await else { return std::future::pending().await };
            match self.raw.exit() {
                Waited::Ended(exit) => return exit,
                Waited::NotOurs => return exit_of_reaped(self.ended.get_ref().as_fd()).await,
                Waited::Lives => ready.clear_ready(),
            }
        }
    }

    /// Removes the zombie. Says whether there is nothing left to remove.
    pub(super) fn reap(&mut self) -> bool {
        self.raw.reap()
    }
}

async fn exit_of_reaped(pidfd: BorrowedFd<'_>) -> Exit {
    let mut forgotten = 0;
    for _ in 0..REAPING_TRIES {
        match spawn::exit_of_reaped(pidfd) {
            Ok(Some(exit)) => return exit,
            // It is still being reaped, by a thread that may have to wait for a processor.
            Ok(None) => {}
            // An older kernel has forgotten. Or a newer one was asked in between: it knows the next time.
            Err(error) if error.raw_os_error() == Some(libc::ESRCH) && forgotten < FORGOTTEN_TRIES => {
                forgotten += 1;
            }
            Err(_) => return Exit::Unknown,
        }
        tokio::time::sleep(REAPING_TRY_DELAY).await;
    }
    Exit::Unknown
}
