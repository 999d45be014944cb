//! What the proxy decides, without a socket: which headers pass, what becomes a tunnel, which connection may be used
//! again, which requests have to wait, when a drain is over.

#[cfg(feature = "tls")]
mod certificates;
mod crowding;
mod drain;
mod events;
pub(crate) mod fields;
mod histogram;
mod introduction;
mod line;
mod lists;
mod park;
mod peers;
mod retry;
mod reuse;
mod shortage;
mod traffic;
mod upgrade;
pub(crate) mod websocket;
mod wind_down;
pub(crate) mod wire;

#[cfg(feature = "tls")]
pub(crate) use certificates::{Names, Watch};
pub(crate) use crowding::{Crowded, Crowding, QUIET_MIN, asked_at_once};
pub(crate) use drain::{CUT_TIMEOUT, DrainAction, DrainEvent, DrainMachine, Tally};
pub(crate) use events::Events;
pub use histogram::Latency;
pub(crate) use histogram::{BUCKETS, bucket_of};
pub(crate) use introduction::{INTRODUCTION_BYTES_MAX, Introduction, introduction};
pub(crate) use line::{Line, MissingLines, append_line, ms, shown_target, within};
pub(crate) use lists::tokens;
pub use park::ParkCounts;
pub(crate) use park::{ParkEvent, ParkLimits, Parked, Parking, Place, Target, Unserved, Verdict};
pub(crate) use peers::{PeerKey, Peers};
pub(crate) use retry::{Death, Deaths, Sent};
pub(crate) use reuse::{Idle, Reuse, idle_limit, is_idempotent, may_reuse};
pub(crate) use shortage::Shortage;
pub(crate) use traffic::{CLASSES, class_of};
pub use traffic::{StatusCounts, TrafficCounts};
pub(crate) use upgrade::{Upgrade, is_switched, upgrade_of};
pub(crate) use wind_down::{WindDown, WindDownAction, WindDownEvent};
