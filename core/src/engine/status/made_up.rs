//! The status of a world in which nobody has ever connected.

use std::collections::BTreeMap;

use crate::rollout::World;
use crate::time::{Epoch, Instant};

use super::look::Seen;
use super::{Published, Status};

impl Status {
    /// Of a made-up world: nobody has ever connected, and no process has printed anything.
    pub(crate) fn made_up(world: &World, now: Instant, epoch: Epoch) -> Self {
        let published = Published::of(world, &BTreeMap::new(), &BTreeMap::new());
        published.seen(Seen { proxy: None, now, epoch })
    }
}
