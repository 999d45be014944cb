//! What to run, as values that cannot contradict themselves.
//!
//! `config/` makes them from text; a Rust program may make them directly.

mod address;
mod application;
mod front;
mod health;
mod legacy;
mod limits;
mod memory;
mod port;
mod process;
mod run;
mod socket;
mod stop;
mod tls;
mod traffic;

pub use address::{Address, ListenAt};
pub use application::{Application, ControlSpec, OwnerName, ProxySpec, Retention, StateSpec};
pub use front::{InvalidFront, TrustedFronts};
pub use health::HealthSpec;
pub use legacy::{LegacyMatcher, LegacyTakeover};
pub use limits::ProxyLimits;
pub use memory::MemorySpec;
pub use port::{InvalidPortRange, PortRange};
pub use process::{CommandSpec, DeployStrategy, ProcessPolicy, ProcessSpec};
pub use run::{Command, Readiness, RunSpec};
pub use socket::{SOCKET_PATH_BYTES_MAX, socket_home};
pub(crate) use socket::{SocketPathTooLong, is_socket_directory, socket_directory, socket_name};
pub use stop::{Hooks, KillAfter, StopSpec, StopWith};
pub use tls::{CertificateFiles, Http2Limits, TlsSpec};
pub use traffic::{AccessLogSpec, AdminSpec};
