//! What a rollout is made of: steps, and an undo for each.
//!
//! Nothing in this file knows that processes exist.

use std::fmt;

use crate::id::{InstanceId, ProcessId};

/// One act of a rollout.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Look at everything that can be looked at before anything is touched.
    Preflight,
    /// Lease a port or a socket for every process that has one.
    LeasePorts,
    /// Start a service that no release has started yet.
    StartService(ProcessId),
    /// Start one instance of the new release.
    Start(InstanceId),
    /// Ask an instance for its health until it is ready.
    AwaitReady(InstanceId),
    /// Point traffic at the new release.
    Switch,
    /// Let the next restart of each service use the new release.
    RefreshServices,
    /// Stop the old instance of a singleton, then start the new one.
    ReplaceSingleton(ProcessId),
}

/// The reverse of a step. Each can be carried out when its step was only begun.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Undo {
    /// There is nothing to take back.
    Nothing,
    /// Give the leased ports and sockets back.
    ReturnPorts,
    /// Stop a service that this rollout started, and forget it.
    StopService(ProcessId),
    /// Stop an instance of the new release.
    Stop(InstanceId),
    /// Point traffic at the old release again, and drain the new one.
    SwitchBack,
    /// Let the services keep the definitions they had.
    RestoreServices,
    /// Stop the new instance of a singleton, then start the old one again.
    RestoreSingleton(ProcessId),
}

impl Step {
    /// The act that takes this one back.
    #[must_use]
    pub fn undo(&self) -> Undo {
        match self {
            Self::Preflight | Self::AwaitReady(_) => Undo::Nothing,
            Self::LeasePorts => Undo::ReturnPorts,
            Self::StartService(id) => Undo::StopService(id.clone()),
            Self::Start(id) => Undo::Stop(id.clone()),
            Self::Switch => Undo::SwitchBack,
            Self::RefreshServices => Undo::RestoreServices,
            Self::ReplaceSingleton(id) => Undo::RestoreSingleton(id.clone()),
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Preflight => f.write_str("preflight"),
            Self::LeasePorts => f.write_str("lease ports"),
            Self::StartService(id) => write!(f, "start service {id}"),
            Self::Start(id) => write!(f, "start {id}"),
            Self::AwaitReady(id) => write!(f, "await ready {id}"),
            Self::Switch => f.write_str("switch traffic"),
            Self::RefreshServices => f.write_str("refresh services"),
            Self::ReplaceSingleton(id) => write!(f, "replace singleton {id}"),
        }
    }
}

impl fmt::Display for Undo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nothing => f.write_str("nothing to undo"),
            Self::ReturnPorts => f.write_str("return ports"),
            Self::StopService(id) => write!(f, "stop service {id}"),
            Self::Stop(id) => write!(f, "stop {id}"),
            Self::SwitchBack => f.write_str("switch traffic back"),
            Self::RestoreServices => f.write_str("restore services"),
            Self::RestoreSingleton(id) => write!(f, "restore singleton {id}"),
        }
    }
}
