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
// floor 4: doors
mod control;

pub use control::{
    ControlBindError, ControlClient, ControlCommand, ControlEnd, ControlError, ControlLimits, ControlNote,
    ControlReply, ControlServer, EVENTS_WAIT_MAX, EventsQuery, InvalidCommand, PROBE_TIMEOUT,
    REPLY_BYTES_MAX, SOCKET_PATH_BYTES_MAX, ServeControl, Serving,
};
pub use exit::{Exit, Signal, UnknownSignal};
pub use id::{
    Generation, InstanceId, InstanceKey, OpId, Pid, ProcessId, RELEASE_ID_BYTES_MAX, ReleaseId, Revision,
    Seq, UnsafeName,
};
pub use report::{
    AfterExit, Change, DrainReport, HookProblem, OutputLine, OutputStream, ProcessState, StartReason,
    StopReport,
};
pub use restart::RestartPolicy;
pub use spec::*;
pub use step::{Step, Undo};
pub use time::{Epoch, Instant, WallTime};
