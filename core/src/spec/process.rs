//! A process as the config describes it: with `{{placeholders}}` still in it.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::id::{InstanceId, ProcessId};
use crate::restart::RestartPolicy;

use super::{HealthSpec, ListenAt, MemorySpec, PortRange, StopSpec};

/// One entry of `processes` (compat C-21).
#[derive(Clone, Debug, PartialEq)]
pub struct ProcessSpec {
    /// Its name.
    pub id: ProcessId,
    /// How it takes part in a rollout.
    pub policy: ProcessPolicy,
    /// Whether a service lives on or is handed over.
    pub strategy: DeployStrategy,
    /// What to run.
    pub command: CommandSpec,
    /// Where; `None` means in the release's directory.
    pub cwd: Option<String>,
    /// Environment variables on top of the inherited and the injected ones.
    pub env: BTreeMap<String, String>,
    /// Which port it gets, if any.
    pub port: Option<PortRange>,
    /// Whether it listens at a Unix socket, which is made up for it; then it gets no port. Costs it a quarter less per
    /// connection than a port. Default no.
    pub socket: bool,
    /// How to ask whether it is ready; `None` means it is ready when it runs. Only a proxied process is asked.
    pub health: Option<HealthSpec>,
    /// How it is stopped.
    pub stop: StopSpec,
    /// Whether its stop begins at once when its release retires, beside the drain of the traffic.
    pub non_blocking_drain: bool,
    /// How many of its last lines are kept; older ones are dropped. Default 50.
    pub output_lines_max: u32,
    /// How many instances run. More than one only for a companion without a port or a socket.
    pub replicas: u32,
    /// What follows when it exits unasked.
    pub restart: RestartPolicy,
    /// How long it must have run to count as started. Default 1 s for a singleton, else none: an
    /// interpreter may need most of that to find out that it cannot run.
    ///
    /// A singleton is started after the switch and has no health check: this is what notices one that cannot run.
    pub min_uptime: Duration,
    /// How much memory it may use; `None` means that nobody looks.
    pub memory: Option<MemorySpec>,
}

/// How a process takes part in a rollout; `policy` in the config.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ProcessPolicy {
    /// Gets the traffic. One per application.
    Proxied,
    /// Lives and dies with its release; old and new run side by side.
    Companion,
    /// At most one instance, ever: the old one is gone before the new one starts.
    Singleton,
    /// Started once, outlives releases.
    Service,
}

impl ProcessPolicy {
    /// The word in the config.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Proxied => "proxied",
            Self::Companion => "companion",
            Self::Singleton => "singleton",
            Self::Service => "service",
        }
    }
}

/// What a deploy does to a service; `deployStrategy` in the config.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum DeployStrategy {
    /// Nothing: it lives on.
    #[default]
    Persistent,
    /// Each release starts its own, on its own port, and stops it last.
    Handoff,
}

/// A command, before its placeholders are filled in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CommandSpec {
    /// A line for `/bin/sh -c`.
    Shell(String),
    /// A program and its arguments, run without a shell. Never empty.
    Exec(Vec<String>),
}

impl ProcessSpec {
    /// A companion with every default.
    #[must_use]
    pub fn new(id: ProcessId, command: CommandSpec) -> Self {
        Self {
            id,
            policy: ProcessPolicy::Companion,
            strategy: DeployStrategy::Persistent,
            command,
            cwd: None,
            env: BTreeMap::new(),
            port: None,
            socket: false,
            health: None,
            stop: StopSpec::default(),
            non_blocking_drain: false,
            output_lines_max: 50,
            replicas: 1,
            restart: RestartPolicy::default(),
            min_uptime: Duration::ZERO,
            memory: None,
        }
    }

    /// Where it wants to listen, if anywhere.
    #[must_use]
    pub fn listen_at(&self) -> Option<ListenAt> {
        if self.socket { Some(ListenAt::Socket) } else { self.port.map(ListenAt::Port) }
    }

    /// The names of its instances.
    pub fn instances(&self) -> impl Iterator<Item = InstanceId> + '_ {
        (0..self.replicas).map(|index| match self.replicas {
            1 => InstanceId::only(self.id.clone()),
            _ => InstanceId::replica(self.id.clone(), index),
        })
    }

    /// Whether it is started once and outlives releases.
    #[must_use]
    pub fn is_persistent_service(&self) -> bool {
        self.policy == ProcessPolicy::Service && self.strategy == DeployStrategy::Persistent
    }

    /// Whether it is a service of which each release starts its own.
    #[must_use]
    pub fn is_handoff_service(&self) -> bool {
        self.policy == ProcessPolicy::Service && self.strategy == DeployStrategy::Handoff
    }
}
