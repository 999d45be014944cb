//! What the proxy decides, without a socket: which headers pass, what becomes a tunnel, which connection may be used
//! again, which requests have to wait, when a drain is over.

mod drain;
pub(crate) mod fields;
mod headers;
mod park;
mod reuse;
mod upgrade;
pub(crate) mod wire;

pub(crate) use drain::{CUT_TIMEOUT, DrainAction, DrainEvent, DrainMachine, Tally};
pub(crate) use headers::{appended, client_address, host_port, is_hop_by_hop, may_be_named, tokens};
pub use park::ParkCounts;
pub(crate) use park::{ParkEvent, ParkLimits, Parked, Parking, Place, Target, Unserved, Verdict};
pub(crate) use reuse::{Idle, Reuse, idle_limit, is_idempotent, may_reuse};
pub(crate) use upgrade::{Upgrade, is_switched, upgrade_of};
