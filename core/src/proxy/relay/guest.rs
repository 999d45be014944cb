//! Who is connected, and to whom he came.

use std::net::SocketAddr;
use std::sync::Arc;

use crate::proxy::clients::Client;
use crate::proxy::door::Peer;
use crate::proxy::machine::fields::ClientAddress;
use crate::proxy::shared::Worker;

/// What stays the same from request to request: each borrows it, because counting who holds it would cost more than some
/// of the steps of a request.
pub(super) struct Guest {
    pub(super) worker: Arc<Worker>,
    client: Arc<Client>,
    /// By which the client is found among all.
    number: u64,
    pub(super) peer: SocketAddr,
    /// The client's address as the application sees it.
    pub(super) address: ClientAddress,
    /// Whether the other side is a front of ours.
    pub(super) is_front: bool,
    pub(super) is_tls: bool,
    /// Whether its first request is its last.
    pub(super) is_last: bool,
}

impl Guest {
    pub(super) fn new(peer: Peer, worker: Arc<Worker>, is_last: bool) -> Self {
        let (number, client) = worker.shared.clients.register();
        Self {
            client,
            number,
            peer: peer.address,
            address: ClientAddress::of(peer.address.ip()),
            is_front: worker.shared.trusted.load().contains(peer.address.ip()),
            is_tls: peer.is_tls,
            is_last,
            worker,
        }
    }

    pub(super) fn client(&self) -> &Client {
        &self.client
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        self.worker.shared.clients.unregister(self.number);
    }
}
