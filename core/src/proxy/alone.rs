//! The relay by itself: one worker without a thread and a socket, whose clients are handed to it. For tests of ours that
//! decide which byte comes when.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::io::DuplexStream;

use crate::id::Generation;

use super::door::Peer;
use super::relay::serve_connection;
use super::shared::{Phase, Shared, Worker};
use super::{Counts, Draining, ProxyOptions, Traffic};

/// A proxy that listens nowhere. Everything runs on the runtime that polls [`serve`](Self::serve).
#[derive(Clone)]
pub struct LoneProxy {
    shared: Arc<Shared>,
    worker: Arc<Worker>,
}

impl LoneProxy {
    /// With one worker, whatever `options` say.
    ///
    /// # Panics
    /// Never: a proxy has at least one worker.
    #[must_use]
    pub fn new(options: ProxyOptions) -> Self {
        let shared = Shared::new(ProxyOptions { workers: 1, ..options });
        let worker = shared.workers().pop().expect("a proxy has at least one worker");
        Self { shared, worker }
    }

    /// Serves one client until its connection ends.
    ///
    /// # Cancel safety
    /// Dropping the future ends the connection.
    pub async fn serve(&self, client: DuplexStream) {
        let peer = Peer { address: SocketAddr::from(([10, 0, 0, 7], 4711)), is_tls: false };
        serve_connection(client, peer, Arc::clone(&self.worker), false, ()).await;
    }

    /// As [`DrainingProxy::switch_to`](super::DrainingProxy::switch_to).
    pub fn switch_to(&self, traffic: Traffic) -> Option<Draining> {
        self.shared.switch_to(traffic)
    }

    /// As [`DrainingProxy::active`](super::DrainingProxy::active).
    #[must_use]
    pub fn active(&self) -> Option<Generation> {
        self.shared.active.load().as_ref().map(|route| route.ledger.generation)
    }

    /// As [`DrainingProxy::counts`](super::DrainingProxy::counts).
    #[must_use]
    pub fn counts(&self, generation: Generation) -> Counts {
        self.shared.counts(generation)
    }

    /// Closes idle connections to applications that have been idle for too long.
    pub fn sweep(&self) {
        self.worker.pool.sweep();
    }

    /// Asks idle clients to go.
    pub fn close(&self) {
        self.shared.enter(Phase::Closing);
        self.shared.clients.close();
    }
}

impl fmt::Debug for LoneProxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LoneProxy").finish_non_exhaustive()
    }
}
