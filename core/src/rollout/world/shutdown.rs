//! The end of everything: all processes are stopped side by side (compat C-146).

use std::collections::BTreeSet;

use crate::id::{InstanceKey, OpId};
use crate::report::StopReport;
use crate::rollout::command::{Action, Answer, Refusal};

use super::World;
use super::operation::Operation;
use super::retire_owner::Ending;
use super::rollout::WaitsFor;
use super::undo::interrupted;

/// A shutdown, and who asked for it.
#[derive(Clone, Debug)]
pub(super) struct Shutdown {
    ops: Vec<OpId>,
    waiting: BTreeSet<InstanceKey>,
    /// Whether services are stopped when everything else has ended, and not beside it.
    services_last: bool,
    survivors: u32,
    ending: Ending,
}

impl Shutdown {
    pub(super) fn ending(&self) -> Ending {
        self.ending
    }

    pub(super) fn is_over(&self) -> bool {
        self.waiting.is_empty() && !self.services_last
    }
}

impl World {
    /// Whatever is under way is answered now; whoever asks again is answered with the first.
    pub(super) fn begin_shutdown(&mut self, op: OpId) {
        if let Some(shutdown) = &mut self.shutdown {
            shutdown.ops.push(op);
            return self.hurry();
        }
        self.interrupt_operation();
        let (ending, mut ops) = self.stop_leaving().unwrap_or((Ending::Shutdown, Vec::new()));
        ops.push(op);
        self.stop_everything(ending, ops);
        self.hurry();
    }

    /// Somebody waits for the end now.
    fn hurry(&mut self) {
        match &self.shutdown {
            Some(shutdown) if shutdown.services_last => self.stop_the_rest(),
            _ => self.finish_shutdown(),
        }
    }

    /// Whoever was replaced has time: what depends on a service ends before it.
    pub(super) fn stop_everything(&mut self, ending: Ending, ops: Vec<OpId>) {
        self.retirements.clear();
        let services_last = ending == Ending::Retired;
        let first = |key: &InstanceKey| !(services_last && self.is_service(*key));
        let first = self.instances.keys().copied().filter(first).collect();
        let waiting = self.stop_all(first);
        self.shutdown = Some(Shutdown { ops, waiting, services_last, survivors: 0, ending });
        self.finish_shutdown();
    }

    fn stop_the_rest(&mut self) {
        let rest = self.stop_all(self.instances.keys().copied().collect());
        if let Some(shutdown) = &mut self.shutdown {
            shutdown.services_last = false;
            shutdown.waiting.extend(rest);
        }
        self.finish_shutdown();
    }

    pub(super) fn interrupt_operation(&mut self) {
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
        if shutdown.services_last {
            return self.stop_the_rest();
        }
        let survivors = shutdown.survivors;
        for op in std::mem::take(&mut shutdown.ops) {
            self.answer(op, Answer::ShutDown { survivors });
        }
    }
}
