//! The lock: one operation at a time, and what it waits for.

use crate::id::InstanceKey;
use crate::report::Change;
use crate::time::Instant;

use super::World;
use super::restart::Restart;
use super::rollout::Rollout;
use super::stop::Stop;

/// What has the lock.
#[derive(Clone, Debug)]
pub(super) enum Operation {
    /// A deploy or a rollback.
    Rollout(Box<Rollout>),
    /// A release is being stopped.
    Stop(Stop),
    /// Instances are being restarted, one after the other.
    Restart(Restart),
}

impl World {
    pub(super) fn holder(&self, operation: &Operation) -> String {
        match operation {
            Operation::Rollout(rollout) => {
                let release = self.releases.get(&rollout.generation).map(|release| release.id.as_str());
                format!("{} {}", rollout.verb.as_str(), release.unwrap_or("of an unknown release"))
            }
            Operation::Stop(stop) => format!("stop {}", stop.release),
            Operation::Restart(_) => "restart".to_owned(),
        }
    }

    pub(super) fn operation_told(
        &mut self,
        key: InstanceKey,
        change: &Change,
        tail: &[String],
        now: Instant,
    ) {
        match self.operation.take() {
            Some(Operation::Rollout(rollout)) => self.rollout_told(rollout, key, change, tail),
            Some(Operation::Stop(stop)) => self.stop_told(stop, key, change, now),
            Some(Operation::Restart(restart)) => self.restart_told(restart, key, change, tail),
            None => {}
        }
    }

    /// Goes on with whatever has the lock, until it has to wait.
    pub(super) fn proceed(&mut self, now: Instant) {
        while let Some(Operation::Rollout(rollout)) =
            self.operation.take_if(|operation| operation.can_go_on())
        {
            self.advance(rollout, now);
        }
    }
}

impl Operation {
    fn can_go_on(&self) -> bool {
        matches!(self, Self::Rollout(rollout) if !rollout.is_waiting())
    }
}
