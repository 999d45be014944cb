//! The end of everything: all processes are stopped side by side (compat C-146).

use std::collections::BTreeSet;

use crate::id::{InstanceKey, OpId};
use crate::report::StopReport;
use crate::rollout::command::{Action, Answer, Refusal};

use super::World;
use super::operation::Operation;
use super::rollout::WaitsFor;
use super::undo::interrupted;

/// A shutdown, and who asked for it.
#[derive(Clone, Debug)]
pub(super) struct Shutdown {
    ops: Vec<OpId>,
    waiting: BTreeSet<InstanceKey>,
    survivors: u32,
}

impl World {
    /// Whatever is under way is answered now; whoever asks again is answered with the first.
    pub(super) fn begin_shutdown(&mut self, op: OpId) {
        if let Some(shutdown) = &mut self.shutdown {
            shutdown.ops.push(op);
            return self.finish_shutdown();
        }
        self.interrupt_operation();
        self.retirements.clear();
        let waiting = self.stop_all(self.instances.keys().copied().collect());
        self.shutdown = Some(Shutdown { ops: vec![op], waiting, survivors: 0 });
        self.finish_shutdown();
    }

    fn interrupt_operation(&mut self) {
        match self.operation.take() {
            Some(Operation::Rollout(rollout)) => {
                if let WaitsFor::Ready(key) = rollout.waits_for {
                    self.actions.push(Action::CancelProbe(key));
                }
                let cause = rollout.walk.cause().cloned().unwrap_or_else(interrupted);
                self.refuse(rollout.op, Refusal::Failed(cause));
            }
            Some(Operation::Stop(stop)) => self.refuse(stop.op(), Refusal::ShuttingDown),
            Some(Operation::Restart(restart)) => self.refuse(restart.op(), Refusal::ShuttingDown),
            None => {}
        }
    }

    pub(super) fn shutdown_stopped(&mut self, key: InstanceKey, report: StopReport) {
        let Some(shutdown) = &mut self.shutdown else { return };
        if shutdown.waiting.remove(&key) {
            shutdown.survivors += report.survivors;
            self.finish_shutdown();
        }
    }

    fn finish_shutdown(&mut self) {
        let Some(shutdown) = &mut self.shutdown else { return };
        if !shutdown.waiting.is_empty() {
            return;
        }
        let survivors = shutdown.survivors;
        for op in std::mem::take(&mut shutdown.ops) {
            self.answer(op, Answer::ShutDown { survivors });
        }
    }
}
