//! What the world is told, and what it answers.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::config::RestartNeeded;
use crate::event::{Event, StartupProcess};
use crate::id::{Attestation, Generation, InstanceId, InstanceKey, OpId, ProcessId, ReleaseId, Revision};
use crate::report::{BackendState, Change, DrainReport, StartReason};
use crate::spec::{Address, Application, HealthSpec, ListenAt, ProcessPolicy, RunSpec, StopSpec};
use crate::step::{Step, Undo};

use super::Failure;

/// Something somebody wants.
#[derive(Clone, Debug)]
pub enum Command {
    /// Move to a release.
    Deploy(DeployRequest),
    /// Move to a release that was there before.
    Rollback {
        /// Which.
        to: RollbackTo,
        /// The configuration to move to; `None` keeps the current one.
        application: Option<Arc<Application>>,
    },
    /// Stop a release: this one, or the active one.
    Stop(Option<ReleaseId>),
    /// Restart instances in place.
    Restart(RestartSelection),
    /// Let requests wait, until they are resumed or the time is up.
    Pause {
        /// How long at most; `None` means until somebody resumes.
        timeout: Option<Duration>,
    },
    /// Send whoever waits since a pause.
    Resume,
    /// Stop everything.
    Shutdown,
    /// Answer what was asked of the proxy, within the drain budget, then stop everything.
    DrainThenShutdown,
    /// Somebody else takes over: take no more work, answer, finish what was begun, then stop everything.
    RetireOwner {
        /// What the other one says of itself.
        attestation: Attestation,
        /// Whether the other one takes the listening socket, with whoever waits in it.
        handover: bool,
    },
}

/// A prepared directory and its name.
#[derive(Clone, Debug)]
pub struct DeployRequest {
    /// Its name.
    pub release: ReleaseId,
    /// Where it is, passed through as it was given (compat C-54, C-246).
    pub path: String,
    /// What it was built from.
    pub revision: Option<Revision>,
    /// The configuration to move to; `None` keeps the current one.
    pub application: Option<Arc<Application>>,
}

/// Where a rollback goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RollbackTo {
    /// To the release that was active most recently, other than the active one (compat C-134).
    Previous,
    /// To this one.
    Release(ReleaseId),
}

/// Which instances to restart; nothing given means all but the proxied ones (compat C-141).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RestartSelection {
    /// A process id, which means all its replicas, or the name of one instance.
    pub process: Option<String>,
    /// Only processes of this policy.
    pub policy: Option<ProcessPolicy>,
}

/// Something that happened.
#[derive(Clone, Debug)]
pub enum Input {
    /// Somebody asked.
    Asked {
        /// The question; it gets exactly one answer.
        op: OpId,
        /// What is wanted.
        command: Command,
    },
    /// The answer to [`Action::LeasePorts`].
    PortsLeased {
        /// Whose they are.
        generation: Generation,
        /// All of them, or none.
        result: Result<BTreeMap<ProcessId, Address>, Failure>,
    },
    /// A supervisor told of a change.
    Told {
        /// Whose.
        key: InstanceKey,
        /// Which.
        change: Change,
        /// The last lines it printed; only with an exit.
        tail: Vec<String>,
    },
    /// The answer to [`Action::Probe`].
    ProbeEnded {
        /// Who was asked.
        key: InstanceKey,
        /// Whether it is ready.
        result: Result<(), Failure>,
    },
    /// The answer to [`Action::Drain`].
    Drained {
        /// Which release.
        generation: Generation,
        /// How it went.
        report: DrainReport,
    },
    /// The time of a pause is up.
    PauseTimedOut {
        /// Which pause.
        number: u64,
    },
    /// The answer to [`Action::StopAccepting`].
    AcceptingStopped,
    /// The answer to [`Action::CloseProxy`].
    ProxyClosed {
        /// What became of whoever was there.
        report: DrainReport,
    },
}

/// Something to do. The actions of one turn are begun in their order.
#[derive(Clone, Debug)]
pub enum Action {
    /// Lease all these ports and sockets or none, then say [`Input::PortsLeased`].
    LeasePorts {
        /// For which release.
        generation: Generation,
        /// Who wants one, and of which kind.
        wanted: Vec<(ProcessId, ListenAt)>,
    },
    /// Nothing can listen there any more.
    ReturnPorts(Vec<Address>),
    /// Start this instance; its supervisor says [`Input::Told`].
    Start {
        /// Which; a supervisor is made for it if there is none.
        key: InstanceKey,
        /// What to run.
        run: Arc<RunSpec>,
        /// Why.
        reason: StartReason,
    },
    /// The next start of this instance runs this.
    Redefine {
        /// Which.
        key: InstanceKey,
        /// What.
        run: Arc<RunSpec>,
    },
    /// From now on this instance is stopped so, the process that runs included.
    ReplaceStop {
        /// Which.
        key: InstanceKey,
        /// How.
        stop: StopSpec,
    },
    /// Tell the supervisor that its process is ready.
    ConfirmReady(InstanceKey),
    /// From now on an exit is not followed by a restart.
    ForbidRestarts(InstanceKey),
    /// This instance is to take no more work; its supervisor says [`Change::Quieted`] or [`Change::Stopped`].
    Quiet(InstanceKey),
    /// Stop this instance; its supervisor says [`Change::Stopped`].
    Stop(InstanceKey),
    /// This instance is gone for good.
    Forget(InstanceKey),
    /// Ask until it is ready, then say [`Input::ProbeEnded`].
    Probe {
        /// Whom.
        key: InstanceKey,
        /// At which host, if it listens at a port.
        host: String,
        /// At which port or socket.
        address: Address,
        /// How.
        health: HealthSpec,
    },
    /// Stop asking.
    CancelProbe(InstanceKey),
    /// From now on new requests go here: a release, its host and its port or socket, or nowhere. Done before the next
    /// action.
    Switch(Option<(Generation, String, Address)>),
    /// Tell the proxy how the process behind it is. Done before the next action.
    BackendIs {
        /// Of which release; traffic points at it.
        generation: Generation,
        /// How.
        state: BackendState,
    },
    /// From now on requests wait. After the timeout say [`Input::PauseTimedOut`]; a later pause takes this one's place.
    PauseTraffic {
        /// Which pause.
        number: u64,
        /// After how long; `None` means never.
        timeout: Option<Duration>,
    },
    /// Requests go again.
    ResumeTraffic,
    /// Wait until the requests of this release are over, or the budget is spent, then say [`Input::Drained`].
    Drain {
        /// Which release; traffic does not point at it.
        generation: Generation,
        /// How long they may take; what is left then is cut.
        budget: Duration,
    },
    /// Nobody new is let in; then say [`Input::AcceptingStopped`].
    StopAccepting {
        /// Whether somebody else takes the listening socket, with whoever waits in it.
        handover: bool,
    },
    /// Nobody new is let in, and whoever is there may finish, then say [`Input::ProxyClosed`].
    CloseProxy {
        /// How long it may take; what is left then is cut.
        budget: Duration,
    },
    /// This release has ended: what may still be open to it is cut.
    EndTraffic(Generation),
    /// Remember.
    Record(Event),
    /// Remember this, with what the instance printed last.
    Describe {
        /// Which instance.
        key: InstanceKey,
        /// How it was found, but for what it printed.
        seen: Box<StartupProcess>,
    },
    /// Answer a question.
    Answer {
        /// Which.
        op: OpId,
        /// What.
        answer: Answer,
    },
}

/// What becomes of a question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Traffic is on the new release.
    Deployed {
        /// The new one.
        active: ReleaseId,
        /// The one before.
        previous: Option<ReleaseId>,
    },
    /// The rollout failed, and everything is as it was.
    Undone {
        /// The release that failed.
        release: ReleaseId,
        /// The step that failed.
        step: Step,
        /// Why.
        cause: Failure,
    },
    /// The rollout failed, and so did an undo.
    Stuck {
        /// The release that failed.
        release: ReleaseId,
        /// The step that failed.
        step: Step,
        /// Why.
        cause: Failure,
        /// The undo that failed.
        undo: Undo,
        /// Why.
        undo_cause: Failure,
    },
    /// The release is stopped.
    Stopped(ReleaseId),
    /// These were restarted.
    Restarted(Vec<InstanceId>),
    /// Requests wait.
    TrafficPaused,
    /// Requests go.
    TrafficResumed,
    /// Everything is stopped.
    ShutDown {
        /// Processes that even SIGKILL did not end.
        survivors: u32,
    },
    /// Nothing takes new work any more; the rest goes on to its end.
    Retired,
    /// It was not done.
    Refused(Refusal),
}

/// Why something was not done. Nothing was touched, but where the text says so.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The engine is on its way out (compat C-110).
    #[error("Rollbridge is shutting down")]
    ShuttingDown,
    /// Another operation has the lock.
    #[error("another operation is under way: {holder}; wait until it has ended, then try again")]
    Busy {
        /// Such as `deploy v2`.
        holder: String,
    },
    /// No other release is remembered (compat C-135).
    #[error("No previous release to roll back to.")]
    NoPrevious,
    /// That release is not remembered (compat C-135).
    #[error("No retained release \"{0}\" to roll back to.")]
    NotRetained(ReleaseId),
    /// Nothing to do (compat C-135).
    #[error("Release \"{0}\" is already active.")]
    AlreadyActive(ReleaseId),
    /// There is no such release to stop (compat C-138).
    #[error("Release not found: {0}")]
    ReleaseNotFound(String),
    /// A restart in place would lose requests (compat C-143).
    #[error(
        "The proxied process cannot be restarted in place; use \"rollbridge deploy\" for a zero-downtime replacement."
    )]
    ProxiedRestart,
    /// There is no such process (compat C-143).
    #[error("No managed process with id \"{0}\" to restart.")]
    ProcessNotFound(String),
    /// A restart or a stop went wrong half way.
    #[error("{0}")]
    Failed(Failure),
    /// Some settings cannot be changed while the daemon runs (compat C-32).
    #[error("{0}")]
    ConfigNeedsRestart(RestartNeeded),
}

impl Refusal {
    /// The stable word for programs.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::ShuttingDown => "shutting_down",
            Self::Busy { .. } => "busy",
            Self::NoPrevious => "no_previous_release",
            Self::NotRetained(_) => "not_retained",
            Self::AlreadyActive(_) => "already_active",
            Self::ReleaseNotFound(_) => "release_not_found",
            Self::ProxiedRestart => "proxied_restart",
            Self::ProcessNotFound(_) => "process_not_found",
            Self::Failed(failure) => failure.code(),
            Self::ConfigNeedsRestart(_) => "config_needs_restart",
        }
    }
}
