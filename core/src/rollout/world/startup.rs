//! What is said of the processes of a release that did not start (compat C-117).

use crate::event::{CleanupPhase, Event, StartupProcess};
use crate::id::{Generation, InstanceKey};
use crate::rollout::command::Action;
use crate::step::Step;

use super::World;

impl World {
    /// Only when its processes are to blame: what fails before they start, or after the switch, has its own events.
    pub(super) fn describe_startup(
        &mut self,
        generation: Generation,
        failed: &Step,
        error: &str,
        phase: CleanupPhase,
    ) {
        if !matches!(failed, Step::Start(_) | Step::AwaitReady(_)) {
            return;
        }
        let release = self.release_mut(generation).id.clone();
        self.record(Event::StartupFailed { release, phase, error: error.to_owned() });
        for key in self.instances_of(generation) {
            self.describe(key, phase);
        }
    }

    fn describe(&mut self, key: InstanceKey, phase: CleanupPhase) {
        let instance = &self.instances[&key];
        let seen = StartupProcess {
            process: instance.id.clone(),
            release: instance.release.clone(),
            phase,
            command: instance.run.command.to_string(),
            state: instance.state.as_str(),
            pid: instance.state.pid(),
            exit: instance.last_exit,
            logs: Vec::new(),
        };
        self.actions.push(Action::Describe { key, seen: Box::new(seen) });
    }
}
