//! What the hands say: how a process is, how a stop went, how a drain went.

use std::time::Duration;

use crate::exit::Exit;
use crate::id::Pid;
use crate::time::Instant;

/// Why a process was started (compat C-78).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StartReason {
    /// A rollout needs it.
    Deploy,
    /// It exited unasked, and its restart policy said "again".
    Crash,
    /// Somebody asked for a restart.
    Manual,
    /// It held more memory than it may.
    Memory,
}

impl StartReason {
    /// The word in events and status.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Deploy => "deploy",
            Self::Crash => "crash",
            Self::Manual => "manual",
            Self::Memory => "memory",
        }
    }
}

/// What is, as opposed to what was asked for.
///
/// ```text
///              start             spawned              stop
///  Stopped ───────────▶ Starting ─────────▶ Running ────────▶ Stopping ─────▶ Stopped
///                        ▲     │               │              quiet, drain, stop, kill;
///                   time │     │ not spawned   │ exited       ends when the group is empty
///                        │     ▼               ▼
///                       Backoff ◀──────── RestartPolicy ────▶ Failed
///                              restart after          give up
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProcessState {
    /// Not wanted, and not there.
    Stopped {
        /// How it ended last, if it ever ran.
        last_exit: Option<Exit>,
    },
    /// Being spawned.
    Starting,
    /// It has a pid.
    Running {
        /// The leader of its group.
        pid: Pid,
        /// When it was spawned.
        since: Instant,
        /// Whether it may take traffic, or counts as started.
        ready: bool,
    },
    /// The polite sequence is under way.
    Stopping {
        /// The leader of the group that is being emptied.
        pid: Pid,
    },
    /// It exited unasked and will be started again.
    Backoff {
        /// How it ended.
        exit: Exit,
        /// When it will be started.
        until: Instant,
    },
    /// It will not be started again unless somebody asks.
    Failed {
        /// How it ended; `None` when it could not even be spawned.
        exit: Option<Exit>,
    },
}

impl ProcessState {
    /// Before the first start.
    pub const NEW: Self = Self::Stopped { last_exit: None };

    /// The leader's pid, while there is one.
    #[must_use]
    pub fn pid(self) -> Option<Pid> {
        match self {
            Self::Running { pid, .. } | Self::Stopping { pid } => Some(pid),
            Self::Stopped { .. } | Self::Starting | Self::Backoff { .. } | Self::Failed { .. } => None,
        }
    }

    /// Whether it may take traffic, or counts as started.
    #[must_use]
    pub fn is_ready(self) -> bool {
        matches!(self, Self::Running { ready: true, .. })
    }

    /// The word in status (compat C-61). A process that waits to be started again is `failed` there.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Stopped { .. } => "stopped",
            Self::Starting => "starting",
            Self::Running { .. } => "running",
            Self::Stopping { .. } => "stopping",
            Self::Backoff { .. } | Self::Failed { .. } => "failed",
        }
    }
}

/// Something that happened to a supervised process, told once and in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// The operating system gave it a pid.
    Started {
        /// The leader of its group.
        pid: Pid,
        /// Why it was started.
        reason: StartReason,
    },
    /// The operating system would not start it.
    NotStarted {
        /// Why it was to be started.
        reason: StartReason,
        /// Such as `spawn /bin/sh ENOENT` (compat C-56).
        error: String,
    },
    /// It may take traffic, or counts as started, from now on.
    BecameReady,
    /// The leader ended.
    Exited {
        /// How.
        exit: Exit,
        /// Whether it was ready when it did.
        was_ready: bool,
        /// What happens next.
        then: AfterExit,
    },
    /// It takes no more work: its quiet command has ended, and a stop will find it as it is now.
    Quieted,
    /// Politeness took too long; SIGKILL was sent.
    StopTimedOut {
        /// The leader of the group.
        pid: Pid,
    },
    /// A lifecycle hook did not do its work. The stop goes on.
    HookFailed {
        /// `quiet command`, `drain command` or `stop command`.
        hook: &'static str,
        /// What was wrong with it.
        problem: HookProblem,
    },
    /// The stop is complete: the group is empty, or nothing more can be done about it.
    Stopped(StopReport),
    /// What had outlived SIGKILL is gone after all.
    SurvivorsEnded,
    /// Its members together hold more memory than is good. Told once per crossing (compat C-79).
    MemoryWarned {
        /// How much, resident, in bytes.
        rss_bytes: u64,
        /// How much is good.
        warn_bytes: u64,
    },
    /// Its members together hold more memory than they may: it is being stopped. Unless somebody else asks for a stop
    /// meanwhile, what follows is `Started` (or `NotStarted`) with [`StartReason::Memory`], or `EndedForMemory`.
    MemoryExceeded {
        /// The leader of the group.
        pid: Pid,
        /// How much, resident, in bytes.
        rss_bytes: u64,
        /// How much they may.
        limit_bytes: u64,
    },
    /// The stop for its memory is complete, and it stays down: it was never ready, or is no longer to be restarted.
    EndedForMemory(StopReport),
}

/// What follows the exit of a leader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AfterExit {
    /// It will be started again.
    Restart {
        /// When.
        at: Instant,
    },
    /// It crashed too often, and stays down.
    LimitReached {
        /// How many restarts were allowed.
        max_restarts: u32,
        /// In which time; zero means ever.
        window: Duration,
    },
    /// It stays down: it was being stopped, was not ready yet, or is no longer wanted.
    Stays,
}

/// How a lifecycle hook failed (compat C-71).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HookProblem {
    /// It ran longer than it may, and was killed.
    TimedOut {
        /// How long it had.
        timeout: Duration,
    },
    /// It exited with another code than 0, or was ended by a signal.
    Exited(Exit),
    /// It could not be started.
    NotStarted(String),
}

/// How a stop went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StopReport {
    /// How the leader ended, if it was running.
    pub exit: Option<Exit>,
    /// Whether SIGKILL was needed.
    pub killed: bool,
    /// Processes that were still in the group when even SIGKILL had had its time. Zero means really gone.
    pub survivors: u32,
}

impl StopReport {
    /// Whether nothing of the group is left.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.survivors == 0
    }
}

/// What a process and everything it started hold in memory, at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemorySample {
    /// All of them together, resident, in bytes. Memory that they share counts once for each.
    pub rss_bytes: u64,
    /// Each of them, by pid.
    pub members: Vec<MemberMemory>,
}

/// What one member of a process holds in memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberMemory {
    /// Its number.
    pub pid: Pid,
    /// The kernel's name of what it runs, at most 15 bytes.
    pub command: String,
    /// What is resident, in bytes.
    pub rss_bytes: u64,
}

/// How the process behind a backend is, as told to a proxy by whoever supervises it.
///
/// A proxy that is told so lets requests wait while the process is restarted; see
/// [`DrainingProxy::backend_is`](crate::DrainingProxy::backend_is).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BackendState {
    /// It runs. Whether it listens already is for the proxy to find out.
    Running,
    /// It still runs, but ends soon, and will be started again.
    Ending,
    /// It is gone, and will be started again.
    Restarting,
    /// It is gone, and stays down.
    GivenUp,
}

/// How a drain went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DrainReport {
    /// Requests and tunnels that were open when the drain began.
    pub open_at_start: u64,
    /// Requests that were still being answered when the budget was spent; their connections were cut.
    pub requests_cut: u64,
    /// Tunnels that were still open when the budget was spent; they were cut.
    pub tunnels_cut: u64,
    /// Streams of events that were ended after a whole event, shortly before the budget was spent.
    pub streams_ended: u64,
    /// WebSockets that were ended with a Close frame (1012, "Service Restart"), shortly before the budget was spent.
    pub tunnels_ended: u64,
    /// How long the drain took.
    pub took: Duration,
}

impl DrainReport {
    /// Of what traffic left twice (a rollout was undone, and later it was replaced): both together, as one drain.
    pub(crate) fn plus(self, other: Self) -> Self {
        Self {
            open_at_start: self.open_at_start + other.open_at_start,
            requests_cut: self.requests_cut + other.requests_cut,
            tunnels_cut: self.tunnels_cut + other.tunnels_cut,
            streams_ended: self.streams_ended + other.streams_ended,
            tunnels_ended: self.tunnels_ended + other.tunnels_ended,
            took: self.took.max(other.took),
        }
    }
}

/// Which pipe a line came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OutputStream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

impl OutputStream {
    /// The word in status and logs.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Stdout => "stdout",
            Self::Stderr => "stderr",
        }
    }
}

/// A whole line that a process printed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutputLine {
    /// When its end arrived.
    pub at: crate::time::WallTime,
    /// Where it was printed.
    pub stream: OutputStream,
    /// The text, without its line end; what is not UTF-8 is replaced.
    pub line: String,
}
