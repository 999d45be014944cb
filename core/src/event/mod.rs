//! What happened, in the past tense (compat C-195 to C-199).
//!
//! Nothing here decides or acts; `wire.rs` is the only place that knows how an event reads as JSON.

mod log;
mod wire;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

use crate::exit::Exit;
use crate::id::{Attestation, InstanceId, Pid, ReleaseId, Revision, Seq};
use crate::report::{DrainReport, HookProblem, OutputLine, StartReason};
use crate::step::{Step, Undo};
use crate::time::WallTime;

pub use log::{Batch, EVENTS_MAX_DEFAULT, EventLog};

/// Something that happened to the application, its releases or its processes.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// The proxy accepts connections.
    ProxyBound {
        /// The address it listens on.
        host: String,
        /// The port it listens on, after 0 was replaced by a free one.
        port: u16,
    },
    /// The control socket accepts commands.
    ControlBound {
        /// The Unix socket.
        path: PathBuf,
    },
    /// A deploy began.
    DeployStarted {
        /// What is deployed.
        release: ReleaseId,
        /// Its directory.
        path: PathBuf,
        /// Its revision, when one was given.
        revision: Option<Revision>,
    },
    /// A step of a rollout began. Ours, for whoever watches.
    StepStarted {
        /// What is rolled out.
        release: ReleaseId,
        /// The step.
        step: Step,
    },
    /// A step of a rollout failed; what was done so far will be undone. Ours.
    StepFailed {
        /// What was rolled out.
        release: ReleaseId,
        /// The step.
        step: Step,
        /// Why.
        error: String,
    },
    /// A step of a failed rollout was taken back. Ours.
    StepUndone {
        /// What was rolled out.
        release: ReleaseId,
        /// What took it back.
        undo: Undo,
    },
    /// Everything a failed rollout had done was taken back. Ours.
    RolloutUndone {
        /// What was rolled out.
        release: ReleaseId,
    },
    /// A failed rollout could not be taken back; somebody has to look. Ours.
    RolloutStuck {
        /// What was rolled out.
        release: ReleaseId,
        /// What could not be done.
        undo: Undo,
        /// Why.
        error: String,
    },
    /// The processes of a new release did not start or did not become ready.
    StartupFailed {
        /// The release.
        release: ReleaseId,
        /// Before or after its processes were stopped.
        phase: CleanupPhase,
        /// Why.
        error: String,
    },
    /// How one process of a release that failed to start was found.
    StartupProcessSeen(Box<StartupProcess>),
    /// A deploy failed.
    DeployFailed {
        /// What was deployed.
        release: ReleaseId,
        /// Why.
        error: String,
    },
    /// New requests go to another release.
    TrafficSwitched {
        /// Where they went before, if anywhere.
        previous: Option<ReleaseId>,
        /// Where they go now; nowhere only when the very first deploy is taken back.
        release: Option<ReleaseId>,
    },
    /// Somebody paused traffic: requests wait. Ours.
    TrafficPaused {
        /// When it is resumed by itself; `None` means never.
        timeout: Option<Duration>,
    },
    /// Traffic flows again, and whoever waited was sent on. Ours.
    TrafficResumed {
        /// Whether the time of the pause was up.
        timed_out: bool,
    },
    /// The drain budget was spent, and what was still open was cut. Ours.
    TrafficCut {
        /// The release.
        release: ReleaseId,
        /// What was cut.
        report: DrainReport,
    },
    /// The drain budget was nearly spent, and those who would have been cut were asked to go: WebSockets with a Close frame,
    /// streams of events after a whole event. Ours.
    TrafficEnded {
        /// The release.
        release: ReleaseId,
        /// How many went.
        report: DrainReport,
    },
    /// An old release answered its last request, or ran out of time for it, and its processes are gone.
    ReleaseDrained {
        /// The release.
        release: ReleaseId,
    },
    /// An old release could not be retired.
    ReleaseDrainFailed {
        /// The release.
        release: ReleaseId,
        /// Why.
        error: String,
    },
    /// Somebody stopped a release, and its processes are gone.
    ReleaseStopped {
        /// The release.
        release: ReleaseId,
    },
    /// A rollback began.
    RollbackStarted {
        /// Where it goes back to.
        release: ReleaseId,
        /// Its directory.
        path: PathBuf,
    },
    /// Somebody else has taken over; what was begun here goes on to its end.
    OwnerRetired {
        /// What the other one said of itself.
        attestation: Attestation,
    },
    /// The release that a daemon was started with could not be made active.
    BootstrapFailed {
        /// The release.
        release: ReleaseId,
    },
    /// Somebody asked for the restart of a process.
    RestartRequested {
        /// The process.
        process: InstanceId,
    },
    /// A command that came in by a door was answered with an error. The door records it.
    CommandFailed {
        /// The error.
        error: String,
    },
    /// A control connection broke.
    ControlConnectionFailed {
        /// The system's name of the error, such as `EPIPE`.
        code: Option<String>,
        /// The error.
        error: String,
    },
    /// A request or tunnel had no upstream, or lost it before it answered.
    ProxyRequestFailed {
        /// The error.
        error: String,
    },
    /// Certificates that have changed are served to new connections. Ours.
    CertificatesLoaded {
        /// The names that they are for.
        names: Vec<String>,
    },
    /// Certificates have changed and make no sense: those that were served before still are. Ours.
    CertificatesKept {
        /// What is wrong.
        error: String,
    },
    /// Numbers can be read there. Ours; the door records it.
    MetricsListening {
        /// The address.
        host: String,
        /// The port that is bound.
        port: u16,
    },
    /// What runs could not be written down; it is tried again.
    StatePersistFailed {
        /// Why.
        error: String,
    },
    /// The state file of an earlier daemon is not believed or cannot be read. Ours.
    StateIgnored {
        /// Why.
        error: String,
    },
    /// A process of an earlier daemon is still there.
    OrphanDetected(Orphan),
    /// An earlier daemon was killed, and left processes behind.
    OrphansFound {
        /// How many.
        count: usize,
    },
    /// A process of an earlier daemon is gone with its whole group, as was asked for. Ours.
    OrphanStopped(Orphan),
    /// A process of an earlier daemon could not be ended. Ours.
    OrphanSurvived(Orphan),
    /// The release that was active when an earlier daemon was killed is brought back. Ours.
    RestoreStarted {
        /// The release.
        release: ReleaseId,
        /// Its directory.
        path: PathBuf,
    },
    /// That release is active again. Ours.
    ReleaseRestored {
        /// The release.
        release: ReleaseId,
    },
    /// That release was not brought back; requests get 503 until somebody deploys. Ours.
    RestoreFailed {
        /// The release.
        release: ReleaseId,
        /// Why.
        error: String,
    },
    /// Something happened to a process.
    Process {
        /// Which one.
        process: InstanceId,
        /// The release that its definition is of.
        release: ReleaseId,
        /// What.
        event: ProcessEvent,
    },
}

/// A process of an earlier daemon that is still there. As JSON it is what `status` lists (compat C-186).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Orphan {
    /// Its instance.
    pub id: String,
    /// Its leader; when that is dead, another process of its group.
    pub pid: u32,
    /// Its release, if it belonged to one.
    #[serde(rename = "releaseId")]
    pub release: Option<String>,
}

/// Something that happened to a process.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ProcessEvent {
    /// It has a pid.
    Started {
        /// What was run.
        command: String,
        /// The leader of its group.
        pid: Pid,
        /// Why.
        reason: StartReason,
    },
    /// Its leader ended, asked or unasked.
    Exited(Exit),
    /// It could not be started again.
    RestartFailed {
        /// Why.
        error: String,
    },
    /// It exited too often and stays down.
    RestartLimitReached {
        /// How many restarts are allowed.
        max_restarts: u32,
        /// In which time; zero means ever.
        window: Duration,
    },
    /// It did not end in time when it was stopped; SIGKILL was sent.
    StopTimedOut {
        /// The leader of its group.
        pid: Pid,
    },
    /// A lifecycle hook did not do its work; the stop went on.
    HookFailed {
        /// `quiet command`, `drain command` or `stop command`.
        hook: &'static str,
        /// What was wrong with it.
        problem: HookProblem,
    },
    /// Its members together hold more memory than is good.
    MemoryWarning {
        /// How much, resident, in bytes.
        rss_bytes: u64,
        /// How much is good.
        warn_bytes: u64,
    },
    /// Its members together hold more memory than they may; it is stopped and started again.
    MemoryLimitExceeded {
        /// How much, resident, in bytes.
        rss_bytes: u64,
        /// How much they may.
        limit_bytes: u64,
    },
    /// It was stopped for its memory, and could not be started again.
    MemoryRestartFailed {
        /// Why.
        error: String,
    },
    /// It was stopped, and even after SIGKILL something of its group was left. Ours.
    SurvivorsLeft {
        /// How many processes.
        survivors: u32,
    },
}

impl ProcessEvent {
    /// The event about `process`, whose definition is of `release`.
    #[must_use]
    pub fn of(self, process: InstanceId, release: ReleaseId) -> Event {
        Event::Process { process, release, event: self }
    }
}

/// When the processes of a release that failed to start were looked at (compat C-117).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CleanupPhase {
    /// Before they were stopped.
    Before,
    /// After.
    After,
}

impl CleanupPhase {
    /// The words in events.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Before => "before cleanup",
            Self::After => "after cleanup",
        }
    }
}

/// One process of a release that failed to start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StartupProcess {
    /// The process.
    pub process: InstanceId,
    /// The release.
    pub release: ReleaseId,
    /// When it was looked at.
    pub phase: CleanupPhase,
    /// What was run.
    pub command: String,
    /// The word for its state, as [`ProcessState::as_str`](crate::ProcessState::as_str) says it.
    pub state: &'static str,
    /// The leader of its group, while there is one.
    pub pid: Option<Pid>,
    /// How it ended, if it did.
    pub exit: Option<Exit>,
    /// Its last lines, oldest first.
    pub logs: Vec<OutputLine>,
}

/// An event with its time and its place in the log. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StampedEvent {
    /// Its place.
    pub seq: Seq,
    /// When it was recorded.
    pub at: WallTime,
    /// What happened.
    pub event: Arc<Event>,
}
