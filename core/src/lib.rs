//! Zero-downtime rollouts as a library.

// floor 0: words
mod exit;
mod id;
mod report;
mod step;
mod time;
// floor 1: decisions
mod restart;
mod spec;
// floor 2: hands
mod clock;
mod health;
mod proxy;

pub use exit::{Exit, Signal, UnknownSignal};
pub use health::{HealthChecker, HealthError, HealthReason, HealthSchedule, HttpProbe, Ready};
pub use id::{
    Generation, InstanceId, InstanceKey, OpId, Pid, ProcessId, RELEASE_ID_BYTES_MAX, ReleaseId, Revision, Seq,
    UnsafeName,
};
pub use proxy::{
    Backend, BindError, Counts, Draining, DrainingProxy, ErrorObserver, ProxyOptions, Traffic, UpstreamError,
};
pub use report::{
    AfterExit, Change, DrainReport, HookProblem, OutputLine, OutputStream, ProcessState, StartReason, StopReport,
};
pub use restart::RestartPolicy;
pub use spec::*;
pub use step::{Step, Undo};
pub use time::{Epoch, Instant, WallTime};
