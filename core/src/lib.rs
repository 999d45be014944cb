//! Zero-downtime rollouts as a library.
//!
//! rollcore moves an application from one release to the next while it is being used. It starts the new processes, waits
//! until they are ready, switches the traffic of its proxy to them, drains the old ones and stops them. When a step fails,
//! what was done is taken back, and the old release goes on as if nothing had happened. It runs inside your program, and
//! the same decisions run in a simulator.
//!
//! # A deploy, by folder
//!
//! ```text
//! 1  config/      read what the operator wants, or list everything that is wrong with it
//! 2  rollout/     plan the deploy: steps, and an undo for each
//! 3  port/        lease the ports
//! 4  supervisor/  start the new release's processes, and keep them alive
//! 5  health/      ask until they are ready
//! 6  proxy/       switch the traffic, drain the old release
//! 7  event/       remember what happened, and why
//!    engine/      conducts 1 to 7
//!    simulate/    plays 1 to 7 in a made-up world
//! ```
//!
//! Imports go down only, and floors 0 and 1 are pure: no clock, no socket, no process.
//!
//! ```text
//! 5  hosts        your program                               the crate root, blocking, simulate
//! 4  doors        admin · blocking · control · embed         engine; embed each hand, too
//! 3  conductors   engine · simulate                          floors 0-2 · floors 0-1 and the hands' pure machines
//! 2  hands        health · port · proxy · supervisor         floors 0-1, clock and threads; never each other
//! 1  decisions    config · restart · rollout · spec · template
//! 0  words        event · exit · id · report · step · time   nothing of ours
//! ```
//!
//! # First steps
//!
//! ```
//! use rollcore::{Config, Engine, Release, ReleaseId};
//!
//! # #[tokio::main] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! // A release is a directory; here both are the same, and hold nothing.
//! let directory = tempfile::tempdir()?;
//! let release = |id| Release::new(id, directory.path().to_string_lossy());
//!
//! // `sleep` stands for your program, and is not asked for its health.
//! let engine = Engine::start(Config::from_json(r#"{
//!     "application": "shop",
//!     "proxy": { "port": 0 },
//!     "processes": [
//!         { "id": "web", "policy": "proxied", "command": ["sleep", "60"], "port": 0, "health": false },
//!         { "id": "worker", "policy": "companion", "command": "echo {{releaseId}} works; exec sleep 60", "replicas": 2 }
//!     ]
//! }"#)?).await?;
//!
//! engine.deploy(release("v1")?).await?;
//! let deployed = engine.deploy(release("v2")?).await?;
//! assert_eq!(deployed.active.as_str(), "v2");
//! assert_eq!(deployed.previous.as_ref().map(ReleaseId::as_str), Some("v1"));
//!
//! assert_eq!(engine.shutdown().await.survivors, 0);
//! # Ok(())
//! # }
//! ```
//!
//! Without an async runtime, take [`blocking::Engine`]. The book is the [`manual`]; begin with
//! [its first chapter](manual::first_deploy).
//!
//! # One thing only
//!
//! Each hand works without the engine: [`Supervisor`] keeps a process alive and ends it with everything it started,
//! [`PortAllocator`] leases ports, [`HealthChecker`] waits for a 2xx, [`DrainingProxy`] switches and drains, and
//! [`RestartPolicy`] decides about restarts in your own loop.
//!
//! # What is absent
//!
//! Only Linux was tested. HTTP/3 and WebSockets over HTTP/2 are not served, and no certificate is asked for anywhere: see
//! the [chapter](manual::https). A key that nobody knows is warned about.

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
mod descriptors;
mod health;
mod port;
mod proxy;
mod supervisor;
mod threads;
// floor 3: conductors
mod engine;
pub mod simulate;
// floor 4: doors
#[cfg(feature = "metrics")]
mod admin;
pub mod blocking;
mod control;
#[cfg(feature = "embed")]
pub mod embed;
// for our own fuzz targets and benches
#[cfg(feature = "internals")]
#[doc(hidden)]
pub mod internals;
// the book
pub mod manual;

#[cfg(feature = "metrics")]
pub use admin::{ADMIN_CONNECTIONS_MAX, ADMIN_TIMEOUT, AdminBindError, AdminServer, AdminServing};
pub use config::{
    Bootstrap, BootstrapError, BootstrapOptions, Config, ConfigError, Defaults, Issue, RestartNeeded,
    restart_needed,
};
pub use control::{
    ControlBindError, ControlClient, ControlCommand, ControlEnd, ControlError, ControlLimits, ControlNote,
    ControlReply, ControlServer, EVENTS_WAIT_MAX, EventsQuery, InvalidCommand, PROBE_TIMEOUT,
    REPLY_BYTES_MAX, ServeControl, Serving, TakeoverError, control_presence, take_over,
};
pub use engine::{
    Check, ChildStatus, ConnectionCounts, ControlPresence, ControlStatus, DaemonSeen, DeployError, Deployed,
    Engine, EngineOptions, EngineStartError, EventCursor, InstanceStatus, LegacyError, LegacyProcess,
    LogLine, PAUSE_TIMEOUT_MAX, ProxyStatus, RUNTIME_FORMAT, RecoverError, Recovered, Recovery, Release,
    ReleaseSeen, ReleaseStatus, RestartError, RestoreError, RetireError, RuntimeIdentity, ShutdownReport,
    SingleStatus, Status, StopError, Stuck, TrafficError, TrafficStatus, doctor, find_release,
    longest_shutdown, longest_stop, stop_legacy,
};
pub use event::{
    Batch, CleanupPhase, EVENTS_MAX_DEFAULT, Event, EventLog, Orphan, ProcessEvent, StampedEvent,
    StartupProcess,
};
pub use exit::{Exit, Signal, UnknownSignal};
pub use health::{HealthChecker, HealthError, HealthReason, HealthSchedule, HttpProbe, Ready};
pub use id::{
    Attestation, Generation, InstanceId, InstanceKey, OpId, Pid, ProcessId, RELEASE_ID_BYTES_MAX, ReleaseId,
    Revision, Seq, UnsafeName,
};
pub use port::{Lease, LeaseError, PortAllocator, SocketAllocator, SocketLease, SocketLeaseError};
pub use proxy::{
    AccessLogCounts, Admissions, Backend, BindError, Counts, Draining, DrainingProxy, ErrorObserver,
    HOLDER_PATH_BYTES_MAX, HOLDERS_MAX, Holder, HolderKind, Latency, ParkCounts, ProxyOptions, ServeOn,
    StatusCounts, TlsError, TlsNews, TlsObserver, Traffic, TrafficCounts, UpstreamError,
};
pub use report::{
    AfterExit, BackendState, Change, DrainReport, HookProblem, MemberMemory, MemorySample, OutputLine,
    OutputStream, ProcessState, StartReason, StopReport,
};
pub use restart::{InvalidBackoff, RestartDecision, RestartHistory, RestartLimit, RestartPolicy};
pub use rollout::{Ending, Failure, ReleaseState, RestartSelection, RollbackTo, plan};
pub use spec::*;
pub use step::{Step, Undo};
pub use supervisor::{Listens, MARK_VARIABLE, Output, ProcessReport, START_VARIABLE, StartError, Supervisor};
pub use template::{MissingValue, render};
pub use time::{Epoch, Instant, WallTime};
