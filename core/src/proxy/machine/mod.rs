//! What the proxy decides, without a socket: which headers pass, what becomes a tunnel, which connection may be used
//! again, which requests have to wait, when a drain is over.

mod drain;
pub(crate) mod fields;
mod histogram;
mod lists;
mod park;
mod retry;
mod reuse;
mod traffic;
mod upgrade;
pub(crate) mod wire;

pub(crate) use drain::{CUT_TIMEOUT, DrainAction, DrainEvent, DrainMachine, Tally};
pub use histogram::Latency;
pub(crate) use histogram::{BUCKETS, bucket_of};
pub(crate) use lists::tokens;
pub use park::ParkCounts;
pub(crate) use park::{ParkEvent, ParkLimits, Parked, Parking, Place, Target, Unserved, Verdict};
pub(crate) use retry::{Death, Deaths, Sent};
pub(crate) use reuse::{Idle, Reuse, idle_limit, is_idempotent, may_reuse};
pub(crate) use traffic::{CLASSES, class_of};
pub use traffic::{StatusCounts, TrafficCounts};
pub(crate) use upgrade::{Upgrade, is_switched, upgrade_of};
