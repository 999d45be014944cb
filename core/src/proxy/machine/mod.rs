//! What the proxy decides, without a socket: which headers pass, what becomes a tunnel, which connection may be used
//! again, when a drain is over.

mod drain;
pub(crate) mod fields;
mod headers;
mod peers;
mod reuse;
mod shortage;
mod upgrade;
pub(crate) mod wire;

pub(crate) use drain::{CUT_TIMEOUT, DrainAction, DrainEvent, DrainMachine, Tally};
pub(crate) use headers::{appended, client_address, host_port, is_hop_by_hop, may_be_named, tokens};
pub(crate) use peers::{PeerKey, Peers};
pub(crate) use reuse::{Idle, Reuse, idle_limit, is_idempotent, may_reuse};
pub(crate) use shortage::Shortage;
pub(crate) use upgrade::{Upgrade, is_switched, upgrade_of};
