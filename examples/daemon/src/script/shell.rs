//! `sh`: a command whose output is seen while it runs, kept for the script, and never waited for without an end.

use std::ffi::OsString;
use std::io::{self, IsTerminal, Read, Write};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill, killpg};
use nix::sys::wait::{Id, WaitPidFlag, waitid};
use nix::unistd::Pid;

use super::interrupt::Interrupt;

/// How much output the script gets; more is shown and fails the command.
pub(super) const OUTPUT_BYTES_MAX: usize = 16 * 1024 * 1024;

/// How long a command that has to end may take to do so; then it is killed.
const STOP_GRACE: Duration = Duration::from_secs(5);

/// How long to read on after a command has ended: what it left running may hold its output for ever.
const REST_TIMEOUT: Duration = Duration::from_millis(100);

/// How much is read at once.
const READ_BYTES: usize = 64 * 1024;

/// What to run, and how.
pub(super) struct Order {
    pub(super) command: OsString,
    pub(super) cwd: Option<PathBuf>,
    pub(super) environment: Vec<(OsString, OsString)>,
    /// Its output is only for the script.
    pub(super) quiet: bool,
    /// What it reads; otherwise whatever the script could read.
    pub(super) input: Option<Vec<u8>>,
    pub(super) timeout: Option<Duration>,
}

/// How it went.
pub(super) struct Ran {
    pub(super) output: Vec<u8>,
    /// There was more output.
    pub(super) cut: bool,
    /// It was stopped after its timeout.
    pub(super) timed_out: bool,
    /// `None` when not even killing it helped.
    pub(super) status: Option<ExitStatus>,
}

enum Message {
    Output(Vec<u8>),
    /// Nobody can write any more.
    Silent,
    Ended,
    Interrupted,
}

/// Runs it to its end, or until a signal arrives.
pub(super) fn run(order: Order, interrupt: &Interrupt) -> io::Result<Ran> {
    let (sender, messages) = sync_channel(16);
    let mut command = Command::new("/bin/sh");
    command.arg("-c").arg(&order.command).env_clear().envs(order.environment).stdout(Stdio::piped());
    command.stdin(if order.input.is_some() { Stdio::piped() } else { Stdio::inherit() });
    if let Some(cwd) = &order.cwd {
        command.current_dir(cwd);
    }
    // At a terminal it stays where a password can be typed and where Ctrl-C reaches it; elsewhere it gets a group of its own,
    // so that it can be ended with all that it started.
    let has_group = !io::stdin().is_terminal();
    if has_group {
        command.process_group(0);
    }
    let mut child = command.spawn()?;
    feed(&mut child, order.input)?;
    listen(&mut child, &sender)?;
    let wake = sender.clone();
    // A full channel wakes as well.
    let before = interrupt.waking(Some(Box::new(move || drop(wake.try_send(Message::Interrupted)))));
    let running = Running {
        has_group,
        messages,
        interrupt,
        quiet: order.quiet,
        deadline: order.timeout.map(|timeout| Instant::now() + timeout),
        ending: None,
        ran: Ran { output: Vec::new(), cut: false, timed_out: false, status: None },
        child,
    };
    let ran = running.until_it_ends();
    interrupt.waking(before);
    ran
}

fn feed(child: &mut Child, input: Option<Vec<u8>>) -> io::Result<()> {
    if let (Some(input), Some(mut stdin)) = (input, child.stdin.take()) {
        // It need not read all of it.
        std::thread::Builder::new().spawn(move || drop(stdin.write_all(&input)))?;
    }
    Ok(())
}

fn listen(child: &mut Child, sender: &SyncSender<Message>) -> io::Result<()> {
    let mut stdout = child.stdout.take().expect("it is a pipe");
    let (output, ended, pid) = (sender.clone(), sender.clone(), pid_of(child));
    std::thread::Builder::new().spawn(move || {
        let mut buffer = vec![0; READ_BYTES];
        // It goes on when nobody listens any more: what still runs must not die of a closed pipe.
        while let Ok(count @ 1..) = stdout.read(&mut buffer) {
            let _ = output.send(Message::Output(buffer[..count].to_vec()));
        }
        let _ = output.send(Message::Silent);
    })?;
    std::thread::Builder::new().spawn(move || {
        // Not reaped here, so that its number is its own until whoever may signal it knows of its end.
        let _ = waitid(Id::Pid(pid), WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT);
        let _ = ended.send(Message::Ended);
    })?;
    Ok(())
}

fn pid_of(child: &Child) -> Pid {
    Pid::from_raw(i32::try_from(child.id()).expect("a pid fits"))
}

struct Running<'i> {
    child: Child,
    has_group: bool,
    messages: Receiver<Message>,
    interrupt: &'i Interrupt,
    quiet: bool,
    /// When it has taken too long.
    deadline: Option<Instant>,
    /// The next signal, and when.
    ending: Option<(Option<Signal>, Instant)>,
    ran: Ran,
}

impl Running<'_> {
    fn until_it_ends(mut self) -> io::Result<Ran> {
        let (mut is_silent, mut has_ended) = (false, false);
        while !(is_silent && has_ended) {
            match self.next_message(has_ended) {
                Ok(Message::Output(bytes)) => self.take(&bytes),
                Ok(Message::Silent) => is_silent = true,
                Ok(Message::Ended) => has_ended = true,
                Ok(Message::Interrupted) => {}
                Err(_) if has_ended => break,
                Err(_) if !self.escalate() => return Ok(self.ran),
                Err(_) => {}
            }
            if let (Some(signal), None, false) = (self.interrupt.signal(), self.ending, has_ended) {
                self.end(signal);
            }
        }
        if self.ending.is_some() {
            // What it had in the background may not have noticed.
            self.signal(Signal::SIGKILL);
        }
        self.ran.status = Some(self.child.wait()?);
        Ok(self.ran)
    }

    fn next_message(&self, has_ended: bool) -> Result<Message, RecvTimeoutError> {
        if has_ended {
            return self.messages.recv_timeout(REST_TIMEOUT);
        }
        let deadline = self.ending.map(|(_, at)| at).or(self.deadline);
        match deadline {
            Some(deadline) => self.messages.recv_timeout(deadline.saturating_duration_since(Instant::now())),
            None => self.messages.recv().map_err(|_| RecvTimeoutError::Disconnected),
        }
    }

    fn take(&mut self, bytes: &[u8]) {
        if !self.quiet {
            let mut stdout = io::stdout().lock();
            // Nobody may read it; the script goes on all the same.
            let _ = stdout.write_all(bytes).and_then(|()| stdout.flush());
        }
        let room = OUTPUT_BYTES_MAX - self.ran.output.len();
        self.ran.cut |= bytes.len() > room;
        self.ran.output.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }

    /// It is too late: asks it to end, then kills it. `false` when there is nothing left to do.
    fn escalate(&mut self) -> bool {
        match self.ending {
            None => {
                self.ran.timed_out = true;
                self.end(Signal::SIGTERM);
            }
            Some((Some(signal), _)) => {
                self.signal(signal);
                self.ending = Some((None, Instant::now() + STOP_GRACE));
            }
            Some((None, _)) => return false,
        }
        true
    }

    /// A shell lets what it has in the background ignore Ctrl-C, so it is asked in another way; at a terminal, Ctrl-C has
    /// reached it already.
    fn end(&mut self, why: Signal) {
        if self.has_group || why != Signal::SIGINT {
            self.signal(Signal::SIGTERM);
        }
        self.ending = Some((Some(Signal::SIGKILL), Instant::now() + STOP_GRACE));
    }

    fn signal(&self, signal: Signal) {
        let pid = pid_of(&self.child);
        let _ = if self.has_group { killpg(pid, signal) } else { kill(pid, signal) };
    }
}
