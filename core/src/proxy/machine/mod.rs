//! What the proxy decides, without a socket: which headers pass, what becomes a tunnel, which connection may be used
//! again, when a drain is over.

mod drain;
mod events;
pub(crate) mod fields;
mod lists;
mod retry;
mod reuse;
mod upgrade;
pub(crate) mod websocket;
mod wind_down;
pub(crate) mod wire;

pub(crate) use drain::{CUT_TIMEOUT, DrainAction, DrainEvent, DrainMachine, Tally};
pub(crate) use events::Events;
pub(crate) use lists::tokens;
pub(crate) use retry::{Death, Deaths, Sent};
pub(crate) use reuse::{Idle, Reuse, idle_limit, is_idempotent, may_reuse};
pub(crate) use upgrade::{Upgrade, is_switched, upgrade_of};
pub(crate) use wind_down::{WindDown, WindDownAction, WindDownEvent};
