//! Ports and sockets for the processes of a release: all of them, or none.

use crate::id::ProcessId;
use crate::port::{Lease, PortAllocator, SocketAllocator, SocketLease};
use crate::rollout::Failure;
use crate::spec::{Address, Application, ListenAt, PortRange};

/// Where ports and sockets come from.
#[derive(Clone, Debug)]
pub(super) struct Leasing {
    ports: PortAllocator,
    sockets: SocketAllocator,
}

/// What is held for a process.
#[derive(Debug)]
pub(super) enum Leased {
    Port(Lease),
    Socket(SocketLease),
}

impl Leased {
    pub(super) fn address(&self) -> Address {
        match self {
            Self::Port(lease) => Address::Port(lease.port()),
            Self::Socket(lease) => Address::Socket(lease.path().to_owned()),
        }
    }
}

impl Leasing {
    pub(super) fn of(application: &Application) -> Self {
        Self {
            ports: PortAllocator::new(application.proxy.upstream_host.clone()),
            sockets: SocketAllocator::for_application(application),
        }
    }

    /// Removes the sockets of programs that were killed.
    pub(super) async fn sweep(&self) {
        let swept = self.sockets.sweep().await;
        if swept > 0 {
            tracing::info!(programs = swept, home = %self.sockets.home().display(), "old sockets were removed");
        }
    }

    /// Leases one for each of `wanted`, or none.
    pub(super) async fn lease(
        &self,
        wanted: Vec<(ProcessId, ListenAt)>,
    ) -> Result<Vec<(ProcessId, Leased)>, Failure> {
        let mut leased = Vec::new();
        let mut ports: Vec<(ProcessId, PortRange)> = Vec::new();
        for (process, listen_at) in wanted {
            match listen_at {
                ListenAt::Port(range) => ports.push((process, range)),
                ListenAt::Socket => {
                    let lease = self.sockets.lease(&process).await;
                    let lease = lease.map_err(|error| Failure::new(error.code(), error.to_string()))?;
                    leased.push((process, Leased::Socket(lease)));
                }
            }
        }
        let ports = self.ports.lease_all(ports).await;
        let ports = ports.map_err(|error| Failure::new(error.code(), error.to_string()))?;
        leased.extend(ports.into_iter().map(|(process, lease)| (process, Leased::Port(lease))));
        Ok(leased)
    }

    /// Nothing is leased any more, and nothing will be.
    pub(super) fn end(&mut self) {
        self.sockets = SocketAllocator::new(self.sockets.home());
    }
}
