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
mod template;
// floor 2: hands
mod clock;
mod port;
mod supervisor;

pub use exit::{Exit, Signal, UnknownSignal};
pub use id::{
    Generation, InstanceId, InstanceKey, OpId, Pid, ProcessId, RELEASE_ID_BYTES_MAX, ReleaseId, Revision, Seq,
    UnsafeName,
};
pub use port::{Lease, LeaseError, PortAllocator};
pub use report::{
    AfterExit, Change, DrainReport, HookProblem, OutputLine, OutputStream, ProcessState, StartReason, StopReport,
};
pub use restart::{InvalidBackoff, RestartDecision, RestartHistory, RestartLimit, RestartPolicy};
pub use spec::*;
pub use step::{Step, Undo};
pub use supervisor::{Output, ProcessReport, StartError, Supervisor};
pub use template::{MissingValue, render};
pub use time::{Epoch, Instant, WallTime};
