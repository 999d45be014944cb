//! Zero-downtime rollouts as a library.

// floor 0: words
mod event;
mod exit;
mod id;
mod report;
mod step;
mod time;
// floor 1: decisions
mod config;
mod restart;
mod rollout;
mod spec;
mod template;
// floor 2: hands
mod clock;
mod health;
mod port;
mod proxy;
mod supervisor;
// floor 3: conductors
mod engine;
pub mod simulate;
// floor 4: doors
mod control;

pub use config::{Config, ConfigError, Defaults, Issue, RestartNeeded, restart_needed};
pub use control::{
    ControlBindError, ControlClient, ControlCommand, ControlEnd, ControlError, ControlLimits, ControlNote,
    ControlReply, ControlServer, EVENTS_WAIT_MAX, EventsQuery, InvalidCommand, PROBE_TIMEOUT,
    REPLY_BYTES_MAX, SOCKET_PATH_BYTES_MAX, ServeControl, Serving,
};
pub use engine::{
    ConnectionCounts, ControlStatus, DeployError, Deployed, Engine, EngineStartError, EventCursor,
    InstanceStatus, LogLine, ProxyStatus, Release, ReleaseStatus, RestartError, ShutdownReport, SingleStatus,
    Status, StopError,
};
pub use event::{
    Batch, CleanupPhase, EVENTS_MAX_DEFAULT, Event, EventLog, ProcessEvent, StampedEvent, StartupProcess,
};
pub use exit::{Exit, Signal, UnknownSignal};
pub use health::{HealthChecker, HealthError, HealthReason, HealthSchedule, HttpProbe, Ready};
pub use id::{
    Generation, InstanceId, InstanceKey, OpId, Pid, ProcessId, RELEASE_ID_BYTES_MAX, ReleaseId, Revision,
    Seq, UnsafeName,
};
pub use port::{Lease, LeaseError, PortAllocator};
pub use proxy::{
    Backend, BindError, Counts, Draining, DrainingProxy, ErrorObserver, ProxyOptions, Traffic, UpstreamError,
};
pub use report::{
    AfterExit, Change, DrainReport, HookProblem, OutputLine, OutputStream, ProcessState, StartReason,
    StopReport,
};
pub use restart::{InvalidBackoff, RestartDecision, RestartHistory, RestartLimit, RestartPolicy};
pub use rollout::{Failure, ReleaseState, RestartSelection, RollbackTo, plan};
pub use spec::*;
pub use step::{Step, Undo};
pub use supervisor::{Output, ProcessReport, StartError, Supervisor};
pub use template::{MissingValue, render};
pub use time::{Epoch, Instant, WallTime};
