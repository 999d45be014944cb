//! Supervisor: starts a process, keeps it alive, and ends it with everything it started.
//!
//! `machine.rs` decides, `task.rs` is the loop around it. `command.rs` looks up what is to be run, `spawn.rs` makes the
//! system calls, `child.rs` hears of the end, `group.rs` of who is left (`kin.rs` decides who that is, by the `mark.rs`
//! that a start leaves), `memory.rs` of what they hold in memory, `listener.rs` of where they listen, by their
//! `sockets.rs`, `stale.rs` of the socket that they left, `pipes.rs` and `output.rs` of what is printed, `hook.rs` runs lifecycle commands. `host.rs`,
//! `census.rs` and `orphan.rs` find the processes of a program that is gone, `table.rs` those of everybody. Nothing here
//! knows releases, ports, health checks or traffic.

mod census;
mod child;
mod command;
mod group;
mod hook;
mod host;
mod identity;
mod kin;
mod listener;
pub(crate) mod machine;
mod mark;
mod memory;
mod orphan;
mod output;
mod pipes;
mod running;
mod sockets;
mod spawn;
mod stale;
mod table;
mod task;

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use tokio::sync::{mpsc, oneshot, watch};

use crate::exit::Signal;
use crate::id::Pid;
use crate::report::{Change, MemorySample, StartReason, StopReport};
use crate::spec::{RunSpec, StopSpec};

pub(crate) use census::Census;
#[cfg(test)]
pub(crate) use census::Seen;
pub(crate) use hook::run_to_end;
pub(crate) use host::Host;
pub use host::MARK_VARIABLE;
pub use listener::Listens;
pub use machine::ProcessReport;
pub use mark::START_VARIABLE;
pub(crate) use memory::MemoryUse;
pub(crate) use orphan::{Stray, start_time_of_child};
pub use output::Output;
pub(crate) use table::{ProcessEntry, process_table};

use task::{Ends, Request};

/// Who is told of every change.
type Observer = Arc<dyn Fn(&Change, &Output) + Send + Sync>;

/// Keeps one process alive until it is asked to end it.
///
/// The process gets a session and a group of its own, an empty signal mask, default dispositions, and no descriptor
/// but its stdin (at its end), stdout and stderr. What it prints is read line by line. When it exits unasked, what it
/// left behind is killed and its restart policy decides. When it is stopped, the stop is over when everything it started
/// is gone: a grandchild that outlives its parent, one in another session, a daemon that it started. They are known by
/// their group, their session, their parents, and by [`START_VARIABLE`] in their environment; a program that removes the
/// variable from the environment of what it starts lets it go. (What has overwritten its environment *and* lost its
/// parents before anybody looked is not found.)
///
/// No signal handler is installed and nothing but the process's own descriptor is waited for, so a host may do with
/// SIGCHLD and `waitpid(-1)` what it wants. If it does reap the process, its [`Exit`](crate::Exit) is still right on Linux
/// 6.15 and later, and unknown before.
///
/// Clones are handles to the same process. **When the last one is dropped, the process is stopped** as by
/// [`stop`](Self::stop), SIGKILL after its grace included; when the runtime ends before that, it is killed at once.
///
/// ```
/// use rollcore::{Command, RunSpec, Signal, StartReason, Supervisor, Exit};
///
/// # tokio::runtime::Runtime::new().unwrap().block_on(async {
/// let spec = RunSpec::new(Command::Shell("echo hello; exec sleep 60".into()), "/");
/// let sleeper = Supervisor::new(spec);
///
/// let pid = sleeper.start(StartReason::Manual).await?;
/// assert_eq!(sleeper.report().state.pid(), Some(pid));
///
/// let stopped = sleeper.stop().await;
/// assert_eq!(stopped.exit, Some(Exit::Signal(Signal::TERM)));
/// assert!(stopped.is_clean());
/// # Ok::<(), rollcore::StartError>(())
/// # }).unwrap();
/// ```
#[derive(Clone)]
pub struct Supervisor {
    /// Unbounded, because there are only a handful of kinds of requests, and the task never waits to take them.
    requests: mpsc::UnboundedSender<Request>,
    report: watch::Receiver<ProcessReport>,
    output: Output,
    memory: MemoryUse,
}

/// Why a process is not up.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The operating system would not start it.
    #[error("{message}")]
    NotSpawned {
        /// Such as `spawn /bin/sh ENOENT` (compat C-56).
        message: String,
        /// What exactly was missing, for people, such as `its directory /srv/v2: No such file or directory`. May be
        /// empty.
        detail: String,
    },
    /// Somebody asked to stop it before it was up.
    #[error("the process was stopped while it was starting")]
    Stopped,
    /// The runtime that supervised it has ended.
    #[error("the runtime of the supervisor has ended")]
    RuntimeEnded,
}

impl StartError {
    /// A name for programs; never changes.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotSpawned { .. } => "not_spawned",
            Self::Stopped => "stopped",
            Self::RuntimeEnded => "runtime_ended",
        }
    }

    /// What exactly was missing, for people, if that is known.
    #[must_use]
    pub fn detail(&self) -> Option<&str> {
        match self {
            Self::NotSpawned { detail, .. } if !detail.is_empty() => Some(detail),
            _ => None,
        }
    }
}

impl Supervisor {
    /// Supervises a process that is not started yet.
    ///
    /// # Panics
    /// Outside of a tokio runtime with time and IO.
    #[must_use]
    pub fn new(spec: RunSpec) -> Self {
        Self::with_observer(spec, task::unobserved())
    }

    /// Like [`new`](Self::new), and tells `observer` of every change, once and in order, with what the process printed
    /// so far.
    ///
    /// The observer is called by the task that supervises: while it computes, this process is not looked after, so it
    /// must not block. When it panics, the panic is logged and nothing else happens.
    ///
    /// # Panics
    /// Outside of a tokio runtime with time and IO.
    #[must_use]
    pub fn observed(spec: RunSpec, observer: impl Fn(&Change, &Output) + Send + Sync + 'static) -> Self {
        Self::with_observer(spec, Arc::new(observer))
    }

    fn with_observer(spec: RunSpec, observer: Observer) -> Self {
        let output = Output::new(spec.output_lines_max);
        let (requests, requested) = mpsc::unbounded_channel();
        let (reports, report) = watch::channel(machine::Machine::new(&spec).report());
        let memory = MemoryUse::default();
        let ends = Ends {
            requests: requested,
            report: reports,
            output: output.clone(),
            memory: memory.clone(),
            observer,
        };
        tokio::spawn(task::run(spec, ends));
        Self { requests, report, output, memory }
    }

    /// Starts the process, and waits until it has a pid or cannot get one.
    ///
    /// One that runs already keeps running: its pid is the answer. One that waits for a restart is started at once.
    /// One that is being stopped is started when the stop is complete.
    ///
    /// # Errors
    /// When the operating system would not start it, or somebody stopped it meanwhile.
    ///
    /// # Cancel safety
    /// The start goes on when the future is dropped.
    pub async fn start(&self, reason: StartReason) -> Result<Pid, StartError> {
        let (answer, answered) = oneshot::channel();
        self.ask(Request::Start(reason, answer));
        answered.await.unwrap_or(Err(StartError::RuntimeEnded))
    }

    /// Stops the process: quiet, drain, stop, kill, as its [`StopSpec`](crate::StopSpec) says (compat C-64 to C-74).
    /// Waits until its group is empty and its leader reaped, or until even SIGKILL has had 5 s. What outlived that is
    /// watched, and killed again by the next stop or start.
    ///
    /// Stops at the same time are one stop, with one report.
    ///
    /// # Cancel safety
    /// The stop goes on when the future is dropped.
    pub async fn stop(&self) -> StopReport {
        let (answer, answered) = oneshot::channel();
        self.ask(Request::Stop(answer));
        // Without the runtime there is no process either: it was killed.
        answered.await.unwrap_or_default()
    }

    /// The first part of a stop: the quiet command is run, an exit from now on is no crash, and an automatic restart
    /// that is waited for is cancelled (compat C-65). Waits until the command has ended, or nothing runs.
    ///
    /// A [`stop`](Self::stop) goes on from there, without a second quiet command (compat C-74); so does a start, which
    /// stops the process first. Until then a process that does not end by itself goes on as long as it likes.
    ///
    /// # Cancel safety
    /// The quiet goes on when the future is dropped.
    pub async fn quiet(&self) {
        let (answer, answered) = oneshot::channel();
        self.ask(Request::Quiet(answer));
        // Without the runtime there is no process that could take work.
        answered.await.unwrap_or_default();
    }

    /// Sends `signal` to the process and everything it started. `false`: it does not run.
    ///
    /// # Cancel safety
    /// The signal is sent when the future is dropped, too.
    pub async fn signal(&self, signal: Signal) -> bool {
        let (answer, answered) = oneshot::channel();
        self.ask(Request::Signal(signal, answer));
        answered.await.unwrap_or(false)
    }

    /// As [`start`](Self::start), for whoever hears of the outcome from an observer.
    pub(crate) fn begin_start(&self, reason: StartReason) {
        let (answer, _nobody_waits) = oneshot::channel();
        self.ask(Request::Start(reason, answer));
    }

    /// As [`stop`](Self::stop), for whoever hears of the outcome from an observer.
    pub(crate) fn begin_stop(&self) {
        let (answer, _nobody_waits) = oneshot::channel();
        self.ask(Request::Stop(answer));
    }

    /// As [`quiet`](Self::quiet), for whoever hears of the outcome from an observer.
    pub(crate) fn begin_quiet(&self) {
        let (answer, _nobody_waits) = oneshot::channel();
        self.ask(Request::Quiet(answer));
    }

    /// Says that the process is ready, for one whose [`Readiness`](crate::Readiness) is `WhenConfirmed`. Harmless when
    /// it is not running.
    pub fn confirm_ready(&self) {
        self.ask(Request::ConfirmReady);
    }

    /// Whether an unasked exit may be followed by a restart. Yes by default. With `false`, a restart that is already
    /// waited for is cancelled (compat C-131).
    pub fn set_restarts(&self, allowed: bool) {
        self.ask(Request::SetRestarts(allowed));
    }

    /// What the next start runs, be it asked for or automatic. What runs now is stopped as it was started, unless
    /// [`replace_stop`](Self::replace_stop) says otherwise.
    pub fn replace_spec(&self, spec: RunSpec) {
        self.ask(Request::SetSpec(Box::new(spec)));
    }

    /// How the process is stopped from now on, the one that runs included (compat C-126). A stop that is under way goes
    /// on with it from its next phase.
    pub fn replace_stop(&self, stop: StopSpec) {
        self.ask(Request::SetStop(Box::new(stop)));
    }

    /// Follows the state of the process. Every change of it is seen by [`observed`](Self::observed) only; here the
    /// last one is.
    #[must_use]
    pub fn watch(&self) -> watch::Receiver<ProcessReport> {
        self.report.clone()
    }

    /// The process, now.
    #[must_use]
    pub fn report(&self) -> ProcessReport {
        *self.report.borrow()
    }

    /// What the process printed, over all its starts.
    #[must_use]
    pub fn output(&self) -> Output {
        self.output.clone()
    }

    /// Whether it is the process itself, or something it started, that listens at `host` and `port`. Whoever answers there
    /// otherwise says nothing about this process.
    ///
    /// # Cancel safety
    /// Nothing is lost.
    pub async fn listens_on(&self, host: &str, port: u16) -> Listens {
        let (answer, answered) = oneshot::channel();
        self.ask(Request::Members(answer));
        let Ok(Some(group)) = answered.await else { return Listens::Unknown };
        let host = host.to_owned();
        let look = move || listener::look(&group, &listener::at_port(&host, port));
        tokio::task::spawn_blocking(look).await.unwrap_or(Listens::Unknown)
    }

    /// As [`listens_on`](Self::listens_on), at a Unix socket. One that was bound by another path is not found.
    ///
    /// # Cancel safety
    /// Nothing is lost.
    pub async fn listens_at(&self, socket: &Path) -> Listens {
        let (answer, answered) = oneshot::channel();
        self.ask(Request::Members(answer));
        let Ok(Some(group)) = answered.await else { return Listens::Unknown };
        let socket = socket.to_owned();
        let look = move || listener::look(&group, &listener::at_socket(&socket));
        tokio::task::spawn_blocking(look).await.unwrap_or(Listens::Unknown)
    }

    /// What the process and everything it started hold in memory, as it was seen last. `None` when it is not running or
    /// its [`RunSpec::memory`](crate::RunSpec) says that nobody looks, and until somebody has looked.
    #[must_use]
    pub fn memory(&self) -> Option<MemorySample> {
        self.memory.last()
    }

    /// The same, for whoever outlives this handle.
    pub(crate) fn memory_use(&self) -> MemoryUse {
        self.memory.clone()
    }

    fn ask(&self, request: Request) {
        // Only a runtime that has ended does not listen; whoever waits for an answer hears of that.
        let _unheard = self.requests.send(request);
    }
}

impl fmt::Debug for Supervisor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Supervisor").field("report", &self.report()).finish_non_exhaustive()
    }
}
