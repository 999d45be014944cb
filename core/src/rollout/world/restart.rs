//! Restarting instances in place, one after the other (compat C-141 to C-143).

use std::collections::VecDeque;

use crate::event::Event;
use crate::id::{InstanceId, InstanceKey, OpId};
use crate::report::{Change, StartReason};
use crate::rollout::Failure;
use crate::rollout::command::{Answer, Refusal, RestartSelection};
use crate::spec::{ProcessPolicy, ProcessSpec};

use super::World;
use super::operation::Operation;
use super::release::survivors_failure;
use super::rollout::Progress;

/// Instances that are being restarted.
#[derive(Clone, Debug)]
pub(super) struct Restart {
    op: OpId,
    queue: VecDeque<InstanceKey>,
    done: Vec<InstanceId>,
    failures: Vec<Failure>,
}

impl Restart {
    pub(super) fn op(&self) -> OpId {
        self.op
    }

    /// Names what went wrong and, beside it, what did not.
    fn answer(self) -> Answer {
        let Some(first) = self.failures.first() else { return Answer::Restarted(self.done) };
        let mut message: Vec<&str> = self.failures.iter().map(Failure::message).collect();
        let done: Vec<String> = self.done.iter().map(ToString::to_string).collect();
        let done = format!("restarted: {}", done.join(", "));
        message.extend((!self.done.is_empty()).then_some(done.as_str()));
        Answer::Refused(Refusal::Failed(Failure::new(first.code(), message.join("\n"))))
    }
}

impl World {
    pub(super) fn begin_restart(&mut self, op: OpId, selection: &RestartSelection) -> Result<(), Refusal> {
        let queue = self.selected(selection)?;
        self.go_on_restarting(Restart { op, queue, done: Vec::new(), failures: Vec::new() });
        Ok(())
    }

    fn selected(&self, selection: &RestartSelection) -> Result<VecDeque<InstanceKey>, Refusal> {
        let names_proxied = |process: &&ProcessSpec| {
            process.policy == ProcessPolicy::Proxied
                && selection.process.as_deref() == Some(process.id.as_str())
        };
        let wants_proxied = selection.policy == Some(ProcessPolicy::Proxied)
            || self.application.processes.iter().any(|process| names_proxied(&process));
        if wants_proxied {
            return Err(Refusal::ProxiedRestart);
        }
        let selected: VecDeque<_> = self
            .application
            .processes
            .iter()
            .filter(|process| selection.policy.is_none_or(|policy| policy == process.policy))
            .flat_map(|process| self.running_instances(process))
            .filter(|key| selection.process.as_deref().is_none_or(|name| self.is_named(*key, name)))
            .collect();
        match &selection.process {
            Some(name) if selected.is_empty() => Err(Refusal::ProcessNotFound(name.clone())),
            _ => Ok(selected),
        }
    }

    fn is_named(&self, key: InstanceKey, name: &str) -> bool {
        let id = &self.instances[&key].id;
        id.process().as_str() == name || id.to_string() == name
    }

    fn running_instances(&self, process: &ProcessSpec) -> Vec<InstanceKey> {
        match process.policy {
            ProcessPolicy::Proxied => Vec::new(),
            ProcessPolicy::Singleton => self.singletons.get(&process.id).copied().into_iter().collect(),
            ProcessPolicy::Service if process.is_persistent_service() => {
                self.services.get(&process.id).map(|service| service.key).into_iter().collect()
            }
            ProcessPolicy::Service | ProcessPolicy::Companion => {
                let of_active =
                    self.active.map(|generation| self.instances_of(generation)).unwrap_or_default();
                of_active.into_iter().filter(|key| *self.instances[key].id.process() == process.id).collect()
            }
        }
    }

    fn go_on_restarting(&mut self, restart: Restart) {
        match restart.queue.front().copied() {
            None => self.answer(restart.op, restart.answer()),
            Some(key) => {
                let process = self.instances[&key].id.clone();
                self.record(Event::RestartRequested { process });
                if !self.stop_instance(key) {
                    self.start(key, StartReason::Manual);
                }
                self.operation = Some(Operation::Restart(restart));
            }
        }
    }

    pub(super) fn restart_told(
        &mut self,
        mut restart: Restart,
        key: InstanceKey,
        change: &Change,
        tail: &[String],
    ) {
        let is_current = restart.queue.front() == Some(&key);
        match if is_current { self.restarted(key, change, tail) } else { None } {
            Some(Progress::Done) => {
                restart.queue.pop_front();
                restart.done.push(self.instances[&key].id.clone());
                self.go_on_restarting(restart);
            }
            // One that cannot come back keeps none of the others from it.
            Some(Progress::Fails(failure)) => {
                restart.queue.pop_front();
                restart.failures.push(failure);
                self.go_on_restarting(restart);
            }
            Some(Progress::Waits(_)) | None => self.operation = Some(Operation::Restart(restart)),
        }
    }

    fn restarted(&mut self, key: InstanceKey, change: &Change, tail: &[String]) -> Option<Progress> {
        match change {
            Change::Stopped(report) if report.is_clean() => {
                self.start(key, StartReason::Manual);
                None
            }
            Change::Stopped(report) => {
                Some(Progress::Fails(survivors_failure(&self.instances[&key].id, report.survivors)))
            }
            // Until it is gone, it tells of its life before: a restart by itself may have crossed the stop.
            _ if self.instances[&key].is_being_stopped => None,
            _ => self.started(key, change, tail),
        }
    }
}
